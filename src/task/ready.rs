//! The ready queue: tasks that may be resumed now, first come, first served; or, with a seed, in an
//! order that the seed decides.
//!
//! A task is in here at most once, because only a task that is not in here can be put in: that is its
//! [`State`](super::record::State). No user code runs while the queue is borrowed.

#![allow(unsafe_code, reason = "the queue is reached through an UnsafeCell")]

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr;

use super::record::Task;

/// Room that an empty queue keeps; a page of it.
const KEEP: usize = 512;
/// Room that a queue begins with.
const BEGIN: usize = 16;

/// How often in one round a task may go before the others.
const FAVOURS: u32 = 64;

/// A ring of tasks. Its room is a power of two, so that a place in it costs one instruction: this is cheaper
/// than a `VecDeque`, and everything that is resumed goes through here.
struct Ring {
    /// The room; none at first. What lies between the ends was written.
    slots: Vec<MaybeUninit<&'static Task>>,
    /// One less than the room.
    mask: usize,
    /// How many were ever taken out at the front; the place of the next one, but for the mask.
    head: usize,
    /// How many were ever put in at the end.
    tail: usize,
}

impl Ring {
    /// An empty one.
    const fn new() -> Self {
        Self { slots: Vec::new(), mask: 0, head: 0, tail: 0 }
    }

    /// How many there are.
    #[inline(always)]
    fn len(&self) -> usize {
        self.tail.wrapping_sub(self.head)
    }

    /// The place with this number.
    ///
    /// # Safety
    /// There is room.
    #[inline(always)]
    unsafe fn slot(&mut self, number: usize) -> &mut MaybeUninit<&'static Task> {
        debug_assert_eq!(self.slots.len(), self.mask + 1);
        // SAFETY: there is room, and that is one more than the mask.
        unsafe { self.slots.get_unchecked_mut(number & self.mask) }
    }

    /// The one that is behind so many others.
    #[inline(always)]
    fn get(&mut self, ahead: usize) -> Option<&'static Task> {
        let at = self.head.wrapping_add(ahead);
        // SAFETY: between the ends everything was written, and where there is anything there is room.
        (ahead < self.len()).then(|| unsafe { self.slot(at).assume_init() })
    }

    /// Puts another one in the place of the one that is behind so many others, which is there.
    fn set(&mut self, ahead: usize, task: &'static Task) {
        assert!(ahead < self.len());
        let at = self.head.wrapping_add(ahead);
        // SAFETY: where there is anything there is room.
        unsafe { self.slot(at) }.write(task);
    }

    /// Puts one at the end.
    #[inline(always)]
    fn push_back(&mut self, task: &'static Task) {
        if self.len() == self.slots.len() {
            self.resize((2 * self.slots.len()).max(BEGIN));
        }
        let tail = self.tail;
        // SAFETY: there is room: made above, if there was none.
        unsafe { self.slot(tail) }.write(task);
        self.tail = tail.wrapping_add(1);
    }

    /// Puts one before all others.
    fn push_front(&mut self, task: &'static Task) {
        if self.len() == self.slots.len() {
            self.resize((2 * self.slots.len()).max(BEGIN));
        }
        let head = self.head.wrapping_sub(1);
        // SAFETY: as in `push_back`.
        unsafe { self.slot(head) }.write(task);
        self.head = head;
    }

    /// Takes the first one out.
    #[inline(always)]
    fn pop_front(&mut self) -> Option<&'static Task> {
        let head = self.head;
        if head == self.tail {
            return None;
        }
        self.head = head.wrapping_add(1);
        // SAFETY: as in `get`.
        Some(unsafe { self.slot(head).assume_init() })
    }

    /// Puts one in front, and the first one where that was. Both are there.
    fn bring_to_front(&mut self, ahead: usize) {
        let (Some(first), Some(other)) = (self.get(0), self.get(ahead)) else { return };
        self.set(0, other);
        self.set(ahead, first);
    }

    /// Takes one out of the middle, and returns how many were before it.
    fn remove(&mut self, task: &Task) -> Option<usize> {
        let len = self.len();
        let at = (0..len).find(|at| self.get(*at).is_some_and(|other| ptr::eq(other, task)))?;
        for ahead in at + 1..len {
            let Some(later) = self.get(ahead) else { break };
            self.set(ahead - 1, later);
        }
        self.tail = self.tail.wrapping_sub(1);
        Some(at)
    }

    /// Gets this room, a power of two that all of them fit in.
    #[cold]
    #[inline(never)]
    fn resize(&mut self, room: usize) {
        let len = self.len();
        assert!(room.is_power_of_two() && room >= len);
        let mut slots = Vec::with_capacity(room);
        slots.extend((0..len).filter_map(|ahead| self.get(ahead)).map(MaybeUninit::new));
        // SAFETY: there is room for that many, and nothing needs to be written there.
        unsafe { slots.set_len(room) };
        *self = Self { slots, mask: room - 1, head: 0, tail: len };
    }
}

/// Tasks that may be resumed now.
pub(crate) struct Ready {
    /// In the order in which they came.
    queue: UnsafeCell<Ring>,
    /// Whether none was put in front, and the order is not a random one.
    plain: Cell<bool>,
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
            queue: UnsafeCell::new(Ring::new()),
            plain: Cell::new(true),
            first: Cell::new(0),
            favours: Cell::new(FAVOURS),
            dice: Cell::new(None),
        }
    }

    /// Lends the queue to a closure.
    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(&mut Ring) -> R) -> R {
        // SAFETY: `Ready` is not `Sync`, and the closures in this file call neither user code nor this
        // function, so the reference is the only one.
        f(unsafe { &mut *self.queue.get() })
    }

    /// Chooses the order: by this seed, or first come, first served.
    pub(crate) fn seed(&self, seed: Option<u64>) {
        self.dice.set(seed);
        self.set_first(self.first.get());
    }

    /// Puts a task at the end.
    #[inline(always)]
    pub(crate) fn push(&self, task: &'static Task) {
        self.with(|queue| queue.push_back(task));
    }

    /// A round begins.
    #[inline(always)]
    pub(crate) fn begin_round(&self) {
        self.favours.set(FAVOURS);
    }

    /// Whether one more task may go before the others in this round.
    pub(crate) fn grant(&self) -> bool {
        let left = self.favours.get().checked_sub(1);
        self.favours.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Sets how many were put in front.
    fn set_first(&self, first: usize) {
        self.first.set(first);
        self.plain.set(first == 0 && self.dice.get().is_none());
    }

    /// Puts a task before all others.
    pub(crate) fn push_front(&self, task: &'static Task) {
        self.set_first(self.first.get() + 1);
        self.with(|queue| queue.push_front(task));
    }

    /// Takes the next of the tasks that the round has left, and counts it; one that was put in front is none of
    /// those.
    #[inline(always)]
    pub(crate) fn pop(&self, left: &mut usize) -> Option<&'static Task> {
        if self.plain.get() {
            *left -= 1;
        } else {
            *left = self.choose(*left);
        }
        self.with(Ring::pop_front)
    }

    /// Puts one of the tasks that the round has left in front, if none was put there. How many are left then.
    #[cold]
    #[inline(never)]
    fn choose(&self, left: usize) -> usize {
        let first = self.first.get();
        if first > 0 {
            self.set_first(first - 1);
            return left;
        }
        let roll = self.roll();
        self.with(|queue| {
            let among = left.min(queue.len());
            if among > 1 {
                queue.bring_to_front((roll % among as u64) as usize);
            }
        });
        left - 1
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
        self.with(|queue| queue.get(ahead))
    }

    /// How many there are.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.with(|queue| queue.len())
    }

    /// Whether there is none.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a task out of the middle. Rare: it looks at all of them.
    pub(crate) fn remove(&self, task: &Task) {
        let first = self.first.get();
        let at = self.with(|queue| queue.remove(task));
        if at.is_some_and(|at| at < first) {
            self.set_first(first - 1);
        }
    }

    /// Gives back the memory that a crowd needed, once it has gone.
    pub(crate) fn shrink(&self) {
        self.with(|queue| {
            if queue.len() == 0 && queue.slots.len() > KEEP {
                queue.resize(KEEP);
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
