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

/// The index that means "no timer".
const NONE: u32 = u32::MAX;

/// Places that are kept when the last timer leaves: 32 KiB.
const KEPT: usize = 1024;

/// Who waits for a moment: `T` each.
pub(super) struct Timers<T> {
    /// Nobody is due before this, so that a tick need not look.
    next: Cell<u64>,
    /// Who waits.
    waiting: RefCell<Waiting<T>>,
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
struct Waiting<T> {
    /// What the clock showed when timers were last taken.
    base: u64,
    /// A bit for each level in which somebody is.
    levels: u16,
    /// For each level a bit for each list in which somebody is.
    filled: [u16; LEVELS],
    /// The lists, level by level, up to the highest level that was needed.
    lists: Vec<List>,
    /// The timers, and places for more.
    timers: Vec<Timer<T>>,
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
struct Timer<T> {
    /// When it is due.
    deadline: u64,
    /// The number of the wait that it ends.
    wait: u64,
    /// Who waits; `None` in a free place.
    who: Option<T>,
    /// The one before it in its list.
    previous: Place,
    /// The one after it in its list.
    next: Place,
}

impl<T> Timers<T> {
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

    /// Adds somebody. If its deadline has passed it is due when timers are taken next.
    #[inline]
    pub(super) fn add(&self, deadline: u64, wait: u64, who: T) -> Place {
        self.next.set(self.next.get().min(deadline));
        self.waiting.borrow_mut().add(deadline, wait, who)
    }

    /// Takes out who waits in this place, if that wait has not ended.
    pub(super) fn remove(&self, place: Place, wait: u64) -> Option<T> {
        self.waiting.borrow_mut().remove(place, wait)
    }

    /// Takes everybody whose deadline has come: first who waits for the earliest; of those who wait for the
    /// same, first who began to.
    #[inline]
    pub(super) fn take_due(&self, now: u64, due: &mut Vec<(u64, T)>) {
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

impl<T> Waiting<T> {
    /// The timer in a place.
    #[inline]
    fn at(&mut self, place: Place) -> &mut Timer<T> {
        &mut self.timers[place as usize]
    }

    /// Adds a timer.
    #[inline]
    fn add(&mut self, deadline: u64, wait: u64, who: T) -> Place {
        let place = self.place();
        let timer = self.at(place);
        timer.deadline = deadline;
        timer.wait = wait;
        timer.who = Some(who);
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
        self.timers.push(Timer { deadline: 0, wait: 0, who: None, previous: NONE, next: NONE });
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
    fn remove(&mut self, place: Place, wait: u64) -> Option<T> {
        let timer = self.timers.get(place as usize)?;
        if timer.wait != wait || timer.who.is_none() {
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
        let who = self.vacate(place);
        self.shrink();
        who
    }

    /// Frees the place of a timer that is in no list any more.
    #[inline]
    fn vacate(&mut self, place: Place) -> Option<T> {
        let free = mem::replace(&mut self.free, place);
        self.len -= 1;
        let timer = self.at(place);
        timer.next = free;
        timer.who.take()
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
    fn take_due(&mut self, now: u64, out: &mut Vec<(u64, T)>) -> u64 {
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
            out.extend(self.vacate(place).map(|who| (wait, who)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Numbers that look random and are the same in every run (Knuth's constants for MMIX).
    struct Dice {
        /// The last one.
        state: u64,
    }

    impl Dice {
        /// A number below `sides`.
        fn throw(&mut self, sides: u64) -> u64 {
            self.state = self.state.wrapping_mul(6_364_136_223_846_793_005);
            self.state = self.state.wrapping_add(1_442_695_040_888_963_407);
            (self.state >> 33) % sides
        }
    }

    #[test]
    fn timers_do_what_a_sorted_map_does() {
        let mut dice = Dice { state: 1 };
        let timers = Timers::new();
        // By deadline and wait: the order that is promised.
        let mut model = BTreeMap::new();
        let mut given = Vec::new();
        let mut due = Vec::new();
        let (mut now, mut taken, mut removed, mut late, mut emptied) = (0_u64, 0, 0, 0, 0);
        for wait in 1..=200_000_u64 {
            // Seasons, so that it grows large, and becomes empty again and again; frames of many lengths.
            let (adds, ahead, frame) = match wait / 5_000 % 4 {
                0 => (60, 1 << 20, 1 << 14),
                1 => (20, 300, 100),
                2 => (40, 8, 3),
                _ => (50, 1 << 30, 1 << 27),
            };
            let throw = dice.throw(100);
            if throw < adds {
                let deadline = match dice.throw(200) {
                    0 if ahead == 1 << 30 => u64::MAX,
                    1 => now.saturating_sub(dice.throw(ahead)),
                    _ => now + dice.throw(ahead),
                };
                late += usize::from(deadline < now);
                given.push((deadline, wait, timers.add(deadline, wait, wait)));
                model.insert((deadline, wait), wait);
            } else if throw < adds + 25 && !given.is_empty() {
                // Half of the time one of the latest, otherwise any that ever was.
                let age = given.len().min(if throw % 2 == 0 { 30 } else { usize::MAX });
                let pick = given.len() - 1 - dice.throw(age as u64) as usize;
                let (deadline, wait, place) = given[pick];
                let there = model.remove(&(deadline, wait));
                assert_eq!(timers.remove(place, wait), there);
                removed += usize::from(there.is_some());
            } else {
                now += if dice.throw(50) == 0 { 1 << 30 } else { dice.throw(frame) };
                timers.take_due(now, &mut due);
                let later = model.split_off(&(now, u64::MAX));
                let expected: Vec<_> = model.values().map(|&wait| (wait, wait)).collect();
                assert_eq!(due, expected);
                taken += due.len();
                model = later;
                let first = model.keys().next().map_or(u64::MAX, |&(deadline, _)| deadline);
                emptied += usize::from(first == u64::MAX && !due.is_empty());
                due.clear();
                assert!(timers.next.get() <= first && timers.next.get() > now);
                assert_eq!(timers.waiting.borrow().len, model.len());
            }
        }
        // It was a fair trial.
        assert!(taken > 10_000 && removed > 5_000 && late > 100, "{taken} {removed} {late}");
        assert!(emptied > 10, "{emptied}");
    }

    #[test]
    fn who_waits_for_long_is_not_looked_at() {
        let timers = Timers::new();
        let hour = 3_600_000_000_000;
        let mut due = Vec::new();
        for wait in 1..=1000 {
            timers.add(hour, wait, ());
        }
        let mut looks = 0;
        for frame in 1..=2000 {
            let next = timers.next.get();
            timers.take_due(frame * 16_666_667, &mut due);
            looks += usize::from(timers.next.get() != next);
        }
        assert!(due.is_empty() && looks <= 1, "{looks} looks in half a minute");
        timers.take_due(hour, &mut due);
        assert_eq!(due.len(), 1000);
        assert!(due.is_sorted());
    }

    #[test]
    fn memory_is_given_back_when_nobody_waits() {
        let timers = Timers::new();
        let places: Vec<_> = (1..=5000).map(|wait| timers.add(wait, wait, ())).collect();
        let mut due = Vec::new();
        timers.take_due(2500, &mut due);
        for (wait, place) in (1..).zip(places) {
            assert_eq!(timers.remove(place, wait).is_some(), wait > 2500);
        }
        assert_eq!(timers.waiting.borrow().timers.capacity(), 0);
        timers.add(3000, 6000, ());
        timers.take_due(3000, &mut due);
        assert_eq!(due.last(), Some(&(6000, ())));
    }
}
