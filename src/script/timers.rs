//! Timers: who waits for a clock, and who of them is due.
//!
//! A clock never goes back, so the nearest deadline only grows. That is what a radix heap needs (Ahuja, Mehlhorn,
//! Orlin, Tarjan: "Faster algorithms for the shortest path problem", Journal of the ACM 37, 1990): timers lie in
//! lists, by the highest digit in which their deadline differs from what the clock showed when timers were last
//! taken, the *base*, and by what that digit is. Digits are hexadecimal: here with three of them,
//!
//! ```text
//!   base       3 7 a
//!
//!   level 2:   8 . .                 lists 4 to f, the deadline 8c1 among others
//!   level 1:   3 b .                 lists 8 to f
//!   level 0:   3 7 d                 lists a to f; in a is who is due by the base
//! ```
//!
//! When the clock has advanced, let `top` be the level of the highest digit in which it differs from the base. All
//! timers of the levels below are due: they have the base's digit there, and the clock a higher one. So are those
//! of the level `top` with lower digits than the clock. Those with the clock's digit are looked at one by one: due,
//! or into a list of a level below. None of the others is due, and their lists stay as they are. So a timer moves
//! at most once for each digit that its wait has above the length of a frame, and who waits for long is not looked
//! at. Adding and removing are O(1).
//!
//! Lists keep the order in which timers were added, and moves keep it, too. So those that have the same deadline
//! stay in the order of their waits; whole batches are sorted only if their deadlines are not.
//!
//! Why not a `BTreeMap`: 10,000 scripts that wait for up to 100 frames took twice as long for each wake. Why not a
//! binary heap: a removed timer has to be found in it or left in it, and `timeout` removes nearly all. Why not
//! binary digits: each timer moved about twice as often, which took 10 ns of those 100.

use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::Rc;

use super::record::Record;

/// The index that means "no timer".
const NONE: u32 = u32::MAX;

/// Places that are kept when the last timer leaves: 32 KiB.
const KEPT: usize = 1024;

/// Scripts that wait for a moment.
pub(super) struct Timers {
    /// Nobody is due before this, so that a tick need not look.
    next: Cell<u64>,
    /// Who waits.
    waiting: RefCell<Waiting>,
}

/// Where a timer is, so that it can be taken out again; together with the number of the wait.
pub(super) type Place = u32;

/// Bits in a digit.
const BITS: u32 = 4;
/// Digits that there are.
const DIGITS: usize = 1 << BITS;
/// Digits in a moment.
const LEVELS: usize = u64::BITS as usize / BITS as usize;

/// Those that wait.
struct Waiting {
    /// What the clock showed when timers were last taken.
    base: u64,
    /// A bit for each level in which somebody is.
    levels: u16,
    /// For each level a bit for each list in which somebody is.
    filled: [u16; LEVELS],
    /// The lists, level by level, up to the highest level that was needed.
    lists: Vec<List>,
    /// The timers, and places for more.
    timers: Vec<Timer>,
    /// The first free place; they are linked by [`Timer::next`].
    free: Place,
    /// How many timers there are.
    len: usize,
    /// Who is due; empty but for its memory between two takes.
    due: Vec<Place>,
}

/// A list of timers.
#[derive(Clone, Copy)]
struct List {
    /// The first.
    first: Place,
    /// The last.
    last: Place,
}

/// A timer, or a free place for one.
struct Timer {
    /// When it is due.
    deadline: u64,
    /// The number of the wait that it ends.
    wait: u64,
    /// Who waits; `None` in a free place.
    record: Option<Rc<Record>>,
    /// The one before it in its list.
    previous: Place,
    /// The one after it in its list.
    next: Place,
}

impl Timers {
    /// Nobody.
    pub(super) fn new() -> Self {
        let waiting = Waiting {
            base: 0,
            levels: 0,
            filled: [0; LEVELS],
            lists: Vec::new(),
            timers: Vec::new(),
            free: NONE,
            len: 0,
            due: Vec::new(),
        };
        Self { next: Cell::new(u64::MAX), waiting: RefCell::new(waiting) }
    }

    /// Adds a script. If its deadline has passed it is due when timers are taken next.
    #[inline]
    pub(super) fn add(&self, deadline: u64, wait: u64, record: Rc<Record>) -> Place {
        self.next.set(self.next.get().min(deadline));
        self.waiting.borrow_mut().add(deadline, wait, record)
    }

    /// Takes a script out that waits in this place, if that wait has not ended.
    pub(super) fn remove(&self, place: Place, wait: u64) -> Option<Rc<Record>> {
        self.waiting.borrow_mut().remove(place, wait)
    }

    /// Takes everybody whose deadline has come: first who waits for the earliest; of those who wait for the
    /// same, first who began to.
    #[inline]
    pub(super) fn take_due(&self, now: u64, due: &mut Vec<(u64, Rc<Record>)>) {
        if now >= self.next.get() {
            self.next.set(self.waiting.borrow_mut().take_due(now, due));
        }
    }
}

/// The level of the highest digit in which two moments differ; 0 if they do not.
#[inline]
fn level(a: u64, b: u64) -> usize {
    ((63 - ((a ^ b) | 1).leading_zeros()) / BITS) as usize
}

/// The digit of a moment on a level.
#[inline]
fn digit(moment: u64, level: usize) -> usize {
    (moment >> (level as u32 * BITS)) as usize % DIGITS
}

/// An empty list.
const EMPTY: List = List { first: NONE, last: NONE };

impl Waiting {
    /// The timer in a place.
    #[inline]
    fn at(&mut self, place: Place) -> &mut Timer {
        &mut self.timers[place as usize]
    }

    /// Adds a timer.
    #[inline]
    fn add(&mut self, deadline: u64, wait: u64, record: Rc<Record>) -> Place {
        let place = self.place();
        let timer = self.at(place);
        timer.deadline = deadline;
        timer.wait = wait;
        timer.record = Some(record);
        self.len += 1;
        self.enlist(deadline, place);
        place
    }

    /// A free place.
    #[inline]
    fn place(&mut self) -> Place {
        let place = self.free;
        if place != NONE {
            self.free = self.at(place).next;
            return place;
        }
        self.timers.push(Timer { deadline: 0, wait: 0, record: None, previous: NONE, next: NONE });
        // Free places end with the number that means none.
        Place::try_from(self.timers.len() - 1).expect("fewer timers than that fit into memory")
    }

    /// Level and digit of this deadline. All that are due by the base count as due at it; none of them is there
    /// any more when the base has changed.
    #[inline]
    fn list_of(&self, deadline: u64) -> (usize, usize) {
        let deadline = deadline.max(self.base);
        let level = level(deadline, self.base);
        (level, digit(deadline, level))
    }

    /// Puts a timer at the end of the list for this deadline.
    #[inline]
    fn enlist(&mut self, deadline: u64, place: Place) {
        let (level, digit) = self.list_of(deadline);
        if self.lists.len() <= level * DIGITS {
            self.lists.resize((level + 1) * DIGITS, EMPTY);
        }
        let list = &mut self.lists[level * DIGITS + digit];
        let last = mem::replace(&mut list.last, place);
        if last == NONE {
            list.first = place;
            self.filled[level] |= 1 << digit;
            self.levels |= 1 << level;
        } else {
            self.at(last).next = place;
        }
        let timer = self.at(place);
        timer.previous = last;
        timer.next = NONE;
    }

    /// Notes that nobody is in the lists of a level with these digits any more.
    #[inline]
    fn empty(&mut self, level: usize, digits: u16) {
        self.filled[level] &= !digits;
        if self.filled[level] == 0 {
            self.levels &= !(1 << level);
        }
    }

    /// Empties the lists of a level with these digits, the lowest first, and calls `f` with each timer.
    #[inline]
    fn drain(&mut self, level: usize, digits: u16, mut f: impl FnMut(&mut Self, Place)) {
        let mut digits = digits & self.filled[level];
        self.empty(level, digits);
        while digits != 0 {
            let list = level * DIGITS + digits.trailing_zeros() as usize;
            digits &= digits - 1;
            let mut place = mem::replace(&mut self.lists[list], EMPTY).first;
            while place != NONE {
                let next = self.at(place).next;
                f(self, place);
                place = next;
            }
        }
    }

    /// Takes a timer out.
    fn remove(&mut self, place: Place, wait: u64) -> Option<Rc<Record>> {
        let timer = self.timers.get(place as usize)?;
        if timer.wait != wait || timer.record.is_none() {
            return None;
        }
        let (previous, next, deadline) = (timer.previous, timer.next, timer.deadline);
        let (level, digit) = self.list_of(deadline);
        let list = level * DIGITS + digit;
        match previous {
            NONE => self.lists[list].first = next,
            _ => self.at(previous).next = next,
        }
        match next {
            NONE => self.lists[list].last = previous,
            _ => self.at(next).previous = previous,
        }
        if (previous, next) == (NONE, NONE) {
            self.empty(level, 1 << digit);
        }
        let record = self.vacate(place);
        self.shrink();
        record
    }

    /// Frees the place of a timer that is in no list any more.
    #[inline]
    fn vacate(&mut self, place: Place) -> Option<Rc<Record>> {
        let free = mem::replace(&mut self.free, place);
        self.len -= 1;
        let timer = self.at(place);
        timer.next = free;
        timer.record.take()
    }

    /// Gives memory back when nobody waits any more.
    #[inline]
    fn shrink(&mut self) {
        if self.len == 0 && self.timers.len() > KEPT {
            self.timers = Vec::new();
            self.due = Vec::new();
            self.free = NONE;
        }
    }

    /// Takes who is due. Returns when to look again.
    fn take_due(&mut self, now: u64, out: &mut Vec<(u64, Rc<Record>)>) -> u64 {
        let top = level(now, self.base);
        let here = digit(now, top);
        let mut due = mem::take(&mut self.due);
        let mut below = self.levels & ((1 << top) - 1);
        while below != 0 {
            let level = below.trailing_zeros() as usize;
            below &= below - 1;
            self.drain(level, u16::MAX, |_, place| due.push(place));
        }
        self.drain(top, (1 << here) - 1, |_, place| due.push(place));
        self.base = now;
        self.drain(top, 1 << here, |this, place| {
            let deadline = this.at(place).deadline;
            if deadline <= now {
                due.push(place);
            } else {
                this.enlist(deadline, place);
            }
        });
        if !due.is_sorted_by_key(|&place| self.timers[place as usize].deadline) {
            due.sort_unstable_by_key(|&place| {
                let timer = &self.timers[place as usize];
                (timer.deadline, timer.wait)
            });
        }
        out.reserve(due.len());
        for place in due.drain(..) {
            let wait = self.at(place).wait;
            out.extend(self.vacate(place).map(|record| (wait, record)));
        }
        self.due = due;
        self.shrink();
        if self.levels == 0 {
            return u64::MAX;
        }
        let level = self.levels.trailing_zeros() as usize;
        // No timer of this level is due before its lowest digit is reached.
        let shift = level as u32 * BITS;
        let digit = u64::from(self.filled[level].trailing_zeros());
        (((now >> shift) & !(DIGITS as u64 - 1)) | digit) << shift
    }
}
