//! Timers: who waits for a clock, and who of them is due.
//!
//! A clock never goes back, so the nearest deadline only grows. That is what a radix heap needs (Ahuja, Mehlhorn,
//! Orlin, Tarjan: "Faster algorithms for the shortest path problem", Journal of the ACM 37, 1990): timers lie in
//! 64 lists, by the highest bit in which their deadline differs from what the clock showed when timers were last
//! taken, the *base*.
//!
//! ```text
//!   base      0 1 0 1 1 0        list 3:  0 1 1 . . .      list 5:  1 . . . . .
//!                 ^     ^        list 0:  0 1 0 1 1 1
//!   list:     5 4 3 2 1 0
//! ```
//!
//! When the clock has advanced, let `high` be the highest bit in which it differs from the base. All timers in
//! lists below `high` are due, since they have a 0 there and the clock has a 1. None above is, and their lists
//! stay as they are. Those of the list `high` itself are looked at one by one: due, or into a list further down.
//! So a timer moves at most as often as its wait has bits above the length of a frame, each move touches nothing
//! but the timer, and who waits for long is not looked at. Adding and removing are O(1).
//!
//! Lists keep the order in which timers were added, and moves keep it, too. So those that have the same deadline
//! stay in the order of their waits; whole batches are sorted only if their deadlines are not.
//!
//! Why not a `BTreeMap`: an insert and a pop took 60 ns where one script waits, and 250 with 10,000. Why not a
//! binary heap: a removed timer has to be found in it or left in it, and `timeout` removes nearly all.

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

/// Those that wait.
struct Waiting {
    /// What the clock showed when timers were last taken.
    base: u64,
    /// A bit for each list in which somebody is.
    filled: u64,
    /// The lists: of the timers whose deadline differs from the base in this bit and in none above. The first
    /// also has those that are due at the base.
    lists: [List; 64],
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
            filled: 0,
            lists: [List { first: NONE, last: NONE }; 64],
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

/// The highest bit in which two numbers differ; 0 if they do not.
#[inline]
fn highest(a: u64, b: u64) -> u32 {
    63 - ((a ^ b) | 1).leading_zeros()
}

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
        self.enlist(self.list_of(deadline), place);
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

    /// The list for this deadline. All that are due by the base are in the first; none of them is there any more
    /// when the base has changed.
    #[inline]
    fn list_of(&self, deadline: u64) -> u32 {
        highest(deadline.max(self.base), self.base)
    }

    /// Puts a timer at the end of a list.
    #[inline]
    fn enlist(&mut self, bit: u32, place: Place) {
        let last = mem::replace(&mut self.lists[bit as usize].last, place);
        let timer = self.at(place);
        timer.previous = last;
        timer.next = NONE;
        if last == NONE {
            self.lists[bit as usize].first = place;
            self.filled |= 1 << bit;
        } else {
            self.at(last).next = place;
        }
    }

    /// Empties a list; gives its first timer.
    #[inline]
    fn clear(&mut self, bit: u32) -> Place {
        self.filled &= !(1 << bit);
        mem::replace(&mut self.lists[bit as usize], List { first: NONE, last: NONE }).first
    }

    /// Takes a timer out.
    fn remove(&mut self, place: Place, wait: u64) -> Option<Rc<Record>> {
        let timer = self.timers.get(place as usize)?;
        if timer.wait != wait || timer.record.is_none() {
            return None;
        }
        let (previous, next, deadline) = (timer.previous, timer.next, timer.deadline);
        let bit = self.list_of(deadline);
        match previous {
            NONE => self.lists[bit as usize].first = next,
            _ => self.at(previous).next = next,
        }
        match next {
            NONE => self.lists[bit as usize].last = previous,
            _ => self.at(next).previous = previous,
        }
        if (previous, next) == (NONE, NONE) {
            self.filled &= !(1 << bit);
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
        let high = highest(now, self.base);
        let mut due = mem::take(&mut self.due);
        // All that differ from the base only further down.
        let mut below = self.filled & ((1 << high) - 1);
        while below != 0 {
            let bit = below.trailing_zeros();
            below &= below - 1;
            let mut place = self.clear(bit);
            while place != NONE {
                due.push(place);
                place = self.at(place).next;
            }
        }
        self.base = now;
        let mut place = self.clear(high);
        while place != NONE {
            let &mut Timer { deadline, next, .. } = self.at(place);
            if deadline <= now {
                due.push(place);
            } else {
                self.enlist(self.list_of(deadline), place);
            }
            place = next;
        }
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
        match self.filled.trailing_zeros() {
            64 => u64::MAX,
            // No timer of this list is due before the first number that differs in this bit.
            bit => ((now >> bit) | 1) << bit,
        }
    }
}
