//! Coroutines whose task has ended, and which run the next one.
//!
//! ```text
//!   start --> take a spare, or make a coroutine on a stack --> the task's closure --> keep it? --> pause
//!                  ^                                                                      |          |
//!                  '--------------------------- spare <-----------------------------------|----------'
//!                                                          '-> return: the stack goes back
//! ```
//!
//! To make a coroutine and to end it takes longer than to resume one, and most tasks of a loop follow others. So
//! when a task ends, its coroutine pauses once more, with no frames of anybody left on its stack, and waits for
//! the next task that starts. Each loop keeps a few, of its own stack size; the others end, and their stacks go
//! where all can have them. Those that are kept, too, when the loop gives memory back, and when it ends.

#![allow(unsafe_code, reason = "moves coroutines from place to place")]

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr;

use crate::coroutine::{Core, Step};

/// So many are kept. As many idle stacks stay warm when memory is given back.
const MOST: usize = if cfg!(miri) { 2 } else { 16 };

/// A task's coroutine.
pub(super) type TaskCore = Core<(), (), ()>;

/// Where one is, or is not.
pub(super) type Seat = UnsafeCell<MaybeUninit<TaskCore>>;

/// Those that one loop keeps.
pub(super) struct Spares {
    /// They, and behind them empty seats.
    seats: [Seat; MOST],
    /// How many they are.
    many: Cell<usize>,
}

impl Spares {
    /// None.
    pub(super) const fn new() -> Self {
        Self { seats: [const { UnsafeCell::new(MaybeUninit::uninit()) }; MOST], many: Cell::new(0) }
    }

    /// Whether there is none.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.many.get() == 0
    }

    /// Whether there is room for one more.
    #[inline(always)]
    pub(super) fn has_room(&self) -> bool {
        self.many.get() < MOST
    }

    /// Keeps one that has paused for the next task.
    ///
    /// # Safety
    /// It is there, and nobody uses what is left of it. There is room.
    #[inline(always)]
    pub(super) unsafe fn keep(&self, from: &Seat) {
        let many = self.many.get();
        // SAFETY: the caller's promise; the seat is empty.
        unsafe { carry(from, &self.seats[many]) };
        self.many.set(many + 1);
    }

    /// Takes the one that was kept last.
    ///
    /// # Safety
    /// There is one, and nothing is in the other seat.
    #[inline(always)]
    pub(super) unsafe fn take(&self, to: &Seat) {
        let many = self.many.get() - 1;
        self.many.set(many);
        // SAFETY: the caller's promise; it is one of those that are there, and is not any more.
        unsafe { carry(&self.seats[many], to) };
    }

    /// Lets all of them end. With no task running: that is what tells them.
    pub(super) fn clear(&self) {
        while !self.is_empty() {
            let seat = UnsafeCell::new(MaybeUninit::uninit());
            // SAFETY: there is one; and afterwards it is in this seat.
            let mut core = unsafe {
                self.take(&seat);
                seat.into_inner().assume_init()
            };
            let step = core.advance();
            debug_assert_eq!(step, Step::Ended, "it was told that there is no next task");
        }
    }
}

/// Carries one from seat to seat, a word at a time. It has just been written so, and to load several words at once
/// would have to wait for that; volatile, so that the compiler leaves it like that.
///
/// # Safety
/// It is there, and nobody uses what is left of it; the other seat is empty.
#[inline(always)]
unsafe fn carry(from: &Seat, to: &Seat) {
    const WORDS: usize = size_of::<TaskCore>() / size_of::<usize>();
    const {
        assert!(size_of::<TaskCore>() % size_of::<usize>() == 0);
        assert!(align_of::<TaskCore>() == align_of::<usize>());
    }
    type Word = MaybeUninit<usize>;
    let (from, to) = (from.get().cast::<Word>(), to.get().cast::<Word>());
    for word in 0..WORDS {
        // SAFETY: both seats have so many words, and no reference to what is in a seat outlives the call that made it.
        unsafe { ptr::write_volatile(to.add(word), ptr::read_volatile(from.add(word))) };
    }
}
