//! The ready queue: tasks that may be resumed now, first come, first served; or, with a seed, in an
//! order that the seed decides.
//!
//! A task is in here at most once, because only a task that is not in here can be put in: that is its
//! [`State`](super::record::State). No user code runs while the queue is borrowed.

#![allow(unsafe_code, reason = "the queue is reached through an UnsafeCell")]

use std::cell::{Cell, UnsafeCell};
use std::collections::VecDeque;

use super::record::Task;

/// Slots that an empty queue keeps; a page of them.
const KEEP: usize = 512;

/// How often in one round a task may go before the others.
const FAVOURS: u32 = 64;

/// Tasks that may be resumed now.
pub(crate) struct Ready {
    /// In the order in which they came.
    queue: UnsafeCell<VecDeque<&'static Task>>,
    /// How many at the front were put there, and come first in any order.
    first: Cell<usize>,
    /// How many more may be put there in this round: who goes before the others must not do so for ever.
    favours: Cell<u32>,
    /// State of the generator that shuffles, if the order is to be a random one.
    dice: Cell<Option<u64>>,
}

impl Ready {
    /// An empty queue.
    pub(crate) const fn new() -> Self {
        Self {
            queue: UnsafeCell::new(VecDeque::new()),
            first: Cell::new(0),
            favours: Cell::new(FAVOURS),
            dice: Cell::new(None),
        }
    }

    /// Lends the queue to a closure.
    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&mut VecDeque<&'static Task>) -> R) -> R {
        // SAFETY: `Ready` is not `Sync`, and the closures in this file call neither user code nor this
        // function, so the reference is the only one.
        f(unsafe { &mut *self.queue.get() })
    }

    /// Chooses the order: by this seed, or first come, first served.
    pub(crate) fn seed(&self, seed: Option<u64>) {
        self.dice.set(seed);
    }

    /// Puts a task at the end.
    #[inline(always)]
    pub(crate) fn push(&self, task: &'static Task) {
        self.with(|queue| queue.push_back(task));
    }

    /// A round begins.
    pub(crate) fn begin_round(&self) {
        self.favours.set(FAVOURS);
    }

    /// Whether one more task may go before the others in this round.
    pub(crate) fn grant(&self) -> bool {
        let left = self.favours.get().checked_sub(1);
        self.favours.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Whether the next one was put in front, and so is none of those that the round began with.
    #[inline(always)]
    pub(crate) fn has_first(&self) -> bool {
        self.first.get() > 0
    }

    /// Puts a task before all others.
    pub(crate) fn push_front(&self, task: &'static Task) {
        self.first.set(self.first.get() + 1);
        self.with(|queue| queue.push_front(task));
    }

    /// Takes the next of the first `batch` tasks.
    #[inline(always)]
    pub(crate) fn pop(&self, batch: usize) -> Option<&'static Task> {
        if self.first.get() > 0 {
            self.first.set(self.first.get() - 1);
        } else if self.dice.get().is_some() {
            self.choose(batch);
        }
        self.with(VecDeque::pop_front)
    }

    /// Puts one of the first `batch` tasks in front.
    #[cold]
    fn choose(&self, batch: usize) {
        let roll = self.roll();
        self.with(|queue| {
            let among = batch.min(queue.len());
            if among > 1 {
                queue.swap(0, (roll % among as u64) as usize);
            }
        });
    }

    /// The next random number.
    fn roll(&self) -> u64 {
        let mut state = self.dice.get().unwrap_or(0);
        let roll = roll(&mut state);
        self.dice.set(Some(state));
        roll
    }

    /// The task that will be taken after `ahead` others, if the order is first come, first served.
    #[inline(always)]
    pub(crate) fn peek(&self, ahead: usize) -> Option<&'static Task> {
        self.with(|queue| queue.get(ahead).copied())
    }

    /// How many there are.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.with(|queue| queue.len())
    }

    /// Whether there is none.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.with(|queue| queue.is_empty())
    }

    /// Takes a task out of the middle. Rare: it looks at all of them.
    pub(crate) fn remove(&self, task: &Task) {
        let first = self.first.get();
        let at = self.with(|queue| {
            let at = queue.iter().position(|other| std::ptr::eq(*other, task));
            at.and_then(|at| queue.remove(at).map(|_| at))
        });
        if at.is_some_and(|at| at < first) {
            self.first.set(first - 1);
        }
    }

    /// Gives back the memory that a crowd needed, once it has gone.
    pub(crate) fn shrink(&self) {
        self.with(|queue| {
            if queue.is_empty() && queue.capacity() > KEEP {
                queue.shrink_to(KEEP);
            }
        });
    }
}

/// The next random number (splitmix64, by Steele, Lea and Flood).
pub(crate) fn roll(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
