//! One loop's share in the work of its pool: its queue, and the order in which it takes things.
//!
//! Tasks that have started come first: only a loop that has none of its own to resume begins something new, but for one
//! in 64 resumes. New is then, in this order,
//!
//! - what its own tasks have spawned, the newest first: that is what they are most likely to wait for, and what it
//!   needs is in the cache;
//! - what came from outside, the oldest first;
//! - what others have, the oldest first, because that is often the largest piece of work, and half of it at once.
//!
//! Now and then the oldest comes first from everywhere, so that nothing waits for ever behind what is newer.
//!
//! The order for a loop's own work and for thieves is that of Cilk (Blumofe and Leiserson), as in rayon.

use std::cell::Cell;
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_deque::{Steal, Worker as Deque};

use super::shared::Shared;
use crate::task::{Crew, Source, Unstarted, roll};
use crate::wait::{is_started, release};

/// After so many new things the oldest comes first, from everywhere. tokio and Go have 61 here: it should go into nothing
/// else without a rest.
const OLDEST_AFTER: u32 = 61;
/// How much is taken from another one at once, at most.
const MOST: usize = 32;
/// So many that were started otherwise may stay in its queue, a quarter of a megabyte, or as many as others are there: to
/// look seldom is cheaper than to put back what has not been started.
const LEFT_BEHIND: usize = 1024;
/// How often one looks for work before it sleeps: to fall asleep and be woken again takes longer than these looks.
const LOOKS: u32 = 24;
/// How long one that has had work looks for more, if no other one does. The next job often follows at once, and is begun
/// sooner then; and who has not slept stays on its processor, where a system may put one that it wakes beside the one that
/// woke it. Twice as long helps no more.
const LONG: Duration = Duration::from_micros(50);
/// So many of those looks between two at the clock, which takes as long as some of them.
const LOOKS_AT_ONCE: u32 = 8;
/// Who has looked so long in vain more than twice in a row does so every second time only, then every fourth, and so on up
/// to this many doublings: so work that comes now and then costs little.
const VAIN: u32 = 4;

/// One loop's share in the work of its pool.
pub(super) struct Worker {
    /// What all share.
    shared: Arc<Shared>,
    /// Its own queue.
    deque: Deque<Unstarted>,
    /// Its place among the others.
    index: usize,
    /// What was pushed last, as long as nothing was popped since.
    last: Cell<Option<Unstarted>>,
    /// Things in its queue that were started otherwise, at most.
    left_behind: Cell<usize>,
    /// New things taken so far.
    taken: Cell<u32>,
    /// Chooses whom to take from.
    dice: Cell<u64>,
    /// Whether it was called for something, and has not looked for that yet.
    called: Cell<bool>,
    /// Whether it has had work since it was about to sleep.
    had_work: Cell<bool>,
    /// How often in a row it has looked for long in vain, up to two more than `VAIN`.
    vain: Cell<u32>,
    /// So many times it does not do so.
    spared: Cell<u32>,
}

impl Worker {
    /// With this queue, at this place.
    pub(super) fn new(shared: Arc<Shared>, deque: Deque<Unstarted>, index: usize) -> Self {
        Self {
            shared,
            deque,
            index,
            last: Cell::new(None),
            left_behind: Cell::new(0),
            taken: Cell::new(0),
            dice: Cell::new(index as u64),
            called: Cell::new(false),
            had_work: Cell::new(false),
            vain: Cell::new(0),
            spared: Cell::new(0),
        }
    }

    /// Takes the next thing.
    fn take(&self) -> Option<Unstarted> {
        let taken = self.taken.get().wrapping_add(1);
        self.taken.set(taken);
        if taken % OLDEST_AFTER == 0 {
            if let Some(oldest) = self.shared.take_injected().or_else(|| self.steal(self.index)) {
                return Some(oldest);
            }
        }
        self.pop().or_else(|| self.shared.take_injected()).or_else(|| self.steal_from_any())
    }

    /// Takes from others.
    #[cold]
    fn steal_from_any(&self) -> Option<Unstarted> {
        let others = self.shared.members.len();
        let mut dice = self.dice.get();
        let first = (roll(&mut dice) % others as u64) as usize;
        self.dice.set(dice);
        (0..others)
            .map(|next| (first + next) % others)
            .filter(|other| *other != self.index)
            .find_map(|other| self.steal(other))
    }

    /// Takes the oldest of what this one has; if that is another one, half of it.
    fn steal(&self, from: usize) -> Option<Unstarted> {
        let stealer = &self.shared.members[from].stealer;
        if stealer.is_empty() {
            return None;
        }
        loop {
            let stolen = if from == self.index {
                stealer.steal()
            } else {
                stealer.steal_batch_with_limit_and_pop(&self.deque, MOST)
            };
            match stolen {
                Steal::Success(unstarted) => {
                    if from != self.index && !self.deque.is_empty() {
                        // Who lay down while the rest was on its way here has not seen it.
                        self.shared.call();
                    }
                    return Some(unstarted);
                }
                Steal::Empty => return None,
                Steal::Retry => spin_loop(),
            }
        }
    }

    /// Lets go of what was started otherwise. All else stays in its order.
    #[cold]
    fn tidy(&self) {
        let mut kept = Vec::new();
        while let Some(unstarted) = self.deque.pop() {
            if is_started(unstarted) {
                release(unstarted);
            } else {
                kept.push(unstarted);
            }
        }
        self.left_behind.set(0);
        self.last.set(kept.first().copied());
        if !kept.is_empty() {
            kept.into_iter().rev().for_each(|unstarted| self.deque.push(unstarted));
            // Who looked meanwhile found nothing.
            self.shared.call();
        }
    }

    /// Looks some times for work. Whether there is any.
    fn looks_shortly(&self) -> bool {
        (0..LOOKS).any(|look| {
            if look < LOOKS / 2 {
                spin_loop()
            } else {
                thread::yield_now()
            }
            self.shared.has_work()
        })
    }

    /// Looks for work for a while, or for mail, but no longer than that; if it has had work, that was not in vain lately, and
    /// nobody else does. Whether there is any.
    fn looks_for_long(&self, at_most: Option<Duration>) -> bool {
        if !self.had_work.replace(false) {
            return false;
        }
        if self.spared.get() > 0 {
            self.spared.set(self.spared.get() - 1);
            return false;
        }
        if self.shared.somebody_looks.swap(true, Ordering::Relaxed) {
            return false;
        }
        let (from, long) = (Instant::now(), at_most.map_or(LONG, |at_most| at_most.min(LONG)));
        let inbox = self.shared.members[self.index].inbox.get();
        let look = || {
            // Others on this processor go first, the one that brings the work perhaps.
            thread::yield_now();
            (0..LOOKS_AT_ONCE).any(|_| {
                spin_loop();
                self.shared.has_work() || inbox.is_some_and(|inbox| inbox.has_mail())
            })
        };
        let mut found = false;
        while !found && from.elapsed() < long {
            found = look();
        }
        self.shared.somebody_looks.store(false, Ordering::Relaxed);
        let vain = if found { 0 } else { (self.vain.get() + 1).min(VAIN + 2) };
        self.vain.set(vain);
        self.spared.set((1 << vain.saturating_sub(2)) - 1);
        found
    }

    /// If it was called, and there is more to do, the next one is.
    fn pass_on(&self) {
        if self.called.replace(false) && self.shared.has_work() {
            self.shared.call();
        }
    }
}

impl Source for Worker {
    fn crew(&self) -> &dyn Crew {
        &*self.shared
    }

    fn push(&self, unstarted: Unstarted) {
        self.deque.push(unstarted);
        self.last.set(Some(unstarted));
        self.shared.call();
    }

    fn pop(&self) -> Option<Unstarted> {
        self.last.set(None);
        let popped = self.deque.pop()?;
        if self.left_behind.get() > 0 && is_started(popped) {
            self.left_behind.set(self.left_behind.get() - 1);
        }
        Some(popped)
    }

    fn pop_this(&self, unstarted: Unstarted) -> bool {
        if self.last.get().is_some_and(|last| last != unstarted) {
            return false;
        }
        match self.pop() {
            Some(popped) if popped == unstarted => true,
            Some(popped) => {
                self.put_back(popped);
                false
            }
            None => false,
        }
    }

    fn put_back(&self, unstarted: Unstarted) {
        self.deque.push(unstarted);
        self.last.set(Some(unstarted));
        // Who lay down meanwhile has not seen it.
        self.shared.call();
    }

    fn leaves_behind(&self) {
        self.left_behind.set(self.left_behind.get() + 1);
        if self.left_behind.get() >= LEFT_BEHIND.max(self.deque.len() / 2) {
            self.tidy();
        }
    }

    fn next(&self) -> Option<Unstarted> {
        let next = self.take();
        if next.is_some() {
            self.had_work.set(true);
            self.pass_on();
        } else {
            self.called.set(false);
        }
        next
    }

    fn is_busy(&self) {
        self.pass_on();
    }

    fn lies_down(&self, at_most: Option<Duration>) -> bool {
        if self.shared.has_work() || self.looks_shortly() || self.looks_for_long(at_most) {
            return false;
        }
        self.shared.beds.lie_down(self.index);
        if self.shared.has_work() {
            self.gets_up();
            return false;
        }
        true
    }

    fn gets_up(&self) {
        if self.shared.beds.get_up(self.index) {
            self.called.set(true);
        }
    }

    fn is_closing(&self) -> bool {
        self.shared.is_closing()
    }

    fn is_all_still(&self) -> bool {
        self.shared.is_all_still(self.index)
    }

    fn stirs(&self) {
        self.shared.stirs(self.index);
    }

    fn index(&self) -> usize {
        self.index
    }
}
