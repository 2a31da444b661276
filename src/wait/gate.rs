//! A value that one side gives, once, and one other takes: what `join` waits at.
//!
//! ```text
//!            wait                 give
//!   EMPTY ----------> WAITING ----------> GIVING ----> READY      (the waiter may go on)
//!     |  <-- leave ------'   (takes the sleeper out)     ^
//!     |  give                                            |
//!     +--------------------------------------------------+
//!     |  drop of the taker
//!     '------------> LEFT      (the giver has the value and frees the gate)
//! ```
//!
//! Who owns what: the value belongs to the giver until it says READY, then to the taker. The sleeper
//! belongs to the waiter until WAITING, to the giver in GIVING. The giver's last access is the store of
//! READY, so that the taker may free the gate as soon as it sees that; to wake, the giver needs only
//! what it took out before. The waiter leaves only by taking WAITING back or by seeing READY. After
//! LEFT the giver frees the gate.

#![allow(unsafe_code, reason = "two sides share cells, in turns that the state decides")]

use std::ptr::NonNull;

use super::operation::Asker;
use super::sleeper::Sleeper;
use crate::model::sync::atomic::{AtomicU8, Ordering};
use crate::model::{UnsafeCell, park, spin_loop};
use crate::task::{CancelReason, Denied, Ending, Task, Wait, wait_shielded, wait_until};

/// Nothing is there and nobody waits.
const EMPTY: u8 = 0;
/// Nothing is there, and the sleeper is to be woken.
const WAITING: u8 = 1;
/// The giver takes the sleeper out.
const GIVING: u8 = 2;
/// The value is there.
const READY: u8 = 3;
/// Nobody will take it.
const LEFT: u8 = 4;

/// What both sides share.
struct Gate<T> {
    /// Who owns what. Release when something is handed over, Acquire when it is taken.
    state: AtomicU8,
    /// Who waits.
    sleeper: UnsafeCell<Option<Sleeper>>,
    /// What is given.
    value: UnsafeCell<Option<T>>,
}

/// The side that gives. A gate whose giver is dropped stays closed, and is leaked: callers give in every
/// case.
pub(crate) struct Giver<T> {
    /// The gate; freed by whoever is last.
    gate: NonNull<Gate<T>>,
}

/// The side that takes.
pub(crate) struct Taker<T> {
    /// The gate.
    gate: NonNull<Gate<T>>,
}

// SAFETY: the value goes from one side to the other, once; everything else is atomic or handed over
// by it.
unsafe impl<T: Send> Send for Giver<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Taker<T> {}
// SAFETY: what `&Taker` offers only loads the state.
unsafe impl<T: Send> Sync for Taker<T> {}

/// A new gate.
#[inline(always)]
pub(crate) fn gate<T>() -> (Giver<T>, Taker<T>) {
    let gate = Box::new(Gate {
        state: AtomicU8::new(EMPTY),
        sleeper: UnsafeCell::new(None),
        value: UnsafeCell::new(None),
    });
    let gate = NonNull::from(Box::leak(gate));
    (Giver { gate }, Taker { gate })
}

impl<T> Giver<T> {
    /// Gives. The value comes back if nobody will take it.
    #[inline(always)]
    pub(crate) fn give(self, value: T) -> Option<T> {
        // SAFETY: the gate is there until both sides are done with it, and this one is not.
        let gate = unsafe { self.gate.as_ref() };
        // SAFETY: before READY the value is the giver's.
        gate.value.with_mut(|cell| unsafe { *cell = Some(value) });
        // Release: the value. Acquire, with the leave that took WAITING back: the sleeper.
        // Relaxed: only a guess, so that no exchange is made in vain.
        match gate.state.load(Ordering::Relaxed) {
            EMPTY => {
                let exchanged =
                    gate.state.compare_exchange(EMPTY, READY, Ordering::Release, Ordering::Acquire);
                match exchanged {
                    Ok(_) => None,
                    Err(state) => self.give_slowly(state),
                }
            }
            state => self.give_slowly(state),
        }
    }

    /// The same when the other side has done something.
    #[cold]
    #[inline(never)]
    fn give_slowly(self, mut state: u8) -> Option<T> {
        // SAFETY: as in `give`.
        let gate = unsafe { self.gate.as_ref() };
        loop {
            let next = match state {
                EMPTY => READY,
                WAITING => GIVING,
                _ => {
                    debug_assert_eq!(state, LEFT);
                    // Acquire, with the taker that left: it does nothing here any more.
                    gate.state.load(Ordering::Acquire);
                    // SAFETY: the taker is gone: the gate is this side's alone.
                    return unsafe { Box::from_raw(self.gate.as_ptr()) }.value.into_inner();
                }
            };
            // As in `give`; Acquire, with the wait: the sleeper.
            match gate.state.compare_exchange(state, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(EMPTY) => return None,
                Ok(_) => break,
                Err(other) => state = other,
            }
        }
        // SAFETY: in GIVING the sleeper is the giver's, and its task waits until READY.
        let woken =
            gate.sleeper.with_mut(|cell| unsafe { (*cell).take().map(|sleeper| sleeper.take()) });
        // The last access: from here on the taker may free the gate.
        gate.state.store(READY, Ordering::Release);
        if let Some(woken) = woken {
            woken.wake();
        }
        None
    }
}

impl<T> Giver<T> {
    /// Whether nobody will take what is given.
    pub(crate) fn is_left(&self) -> bool {
        // SAFETY: as in `give`. Relaxed: a hint, `give` decides.
        unsafe { self.gate.as_ref() }.state.load(Ordering::Relaxed) == LEFT
    }
}

impl<T, E: From<CancelReason>> Giver<Result<T, E>> {
    /// What to do when the task that was to give is given up: the taker gets the reason.
    #[inline(always)]
    pub(crate) fn ending(&self) -> Ending {
        /// Gives in place of a giver that was leaked.
        unsafe fn give<T, E: From<CancelReason>>(gate: *const (), reason: CancelReason) {
            // SAFETY: `Ending::new` has the promise: the giver was leaked, and never gave.
            let gate = unsafe { NonNull::new_unchecked(gate.cast_mut().cast()) };
            drop(Giver::<Result<T, E>> { gate }.give(Err(reason.into())));
        }
        // SAFETY: the address is that of this giver's gate, which is there until it has given.
        unsafe { Ending::new(self.gate.as_ptr().cast_const().cast(), give::<T, E>) }
    }
}

impl<T> Taker<T> {
    /// The gate.
    #[inline(always)]
    fn gate(&self) -> &Gate<T> {
        // SAFETY: the gate is there until both sides are done with it, and this one is not.
        unsafe { self.gate.as_ref() }
    }

    /// Whether the value is there.
    #[inline(always)]
    pub(crate) fn is_ready(&self) -> bool {
        // Acquire, with the giver's Release: the value.
        self.gate().state.load(Ordering::Acquire) == READY
    }

    /// Takes the value, which is there.
    #[inline(always)]
    pub(crate) fn take(self) -> T {
        debug_assert!(self.is_ready());
        let gate = self.gate;
        std::mem::forget(self);
        // SAFETY: READY was seen: the gate is this side's alone, and holds the value.
        unsafe {
            let value = Box::from_raw(gate.as_ptr()).value.into_inner();
            value.unwrap_unchecked()
        }
    }

    /// Waits in a task until the value is there.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn wait(&mut self, task: &'static Task, wait: Wait) -> Result<(), Denied> {
        if self.is_ready() {
            return Ok(());
        }
        let this = &*self;
        let Some(_waiting) = Waiting::register(this, Sleeper::task(task)) else { return Ok(()) };
        wait_until(task, wait, || this.is_ready())
    }

    /// Waits in a task until the value is there, whatever is cancelled meanwhile.
    #[track_caller]
    pub(crate) fn wait_shielded(&mut self, task: &'static Task, wait: Wait) {
        let this = &*self;
        let Some(_waiting) = Waiting::register(this, Sleeper::task(task)) else { return };
        wait_shielded(task, wait, || this.is_ready());
    }

    /// Blocks the thread until the value is there.
    pub(crate) fn block(&mut self) {
        let this = &*self;
        let Some(_waiting) = Waiting::register(this, Sleeper::thread()) else { return };
        while !this.is_ready() {
            park();
        }
    }

    /// Waits as whoever asks does, until the value is there.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn wait_as(&mut self, asker: Asker, wait: Wait) -> Result<(), Denied> {
        match asker {
            Asker::Task(task) => self.wait(task, wait),
            Asker::Nobody(denied) if !self.is_ready() => Err(denied),
            Asker::Nobody(_) => Ok(()),
            Asker::Thread => {
                self.block();
                Ok(())
            }
        }
    }

    /// Has this task woken when the value comes, or else this thread, without waiting here; until [`unwatch`](Self::unwatch). False if
    /// the value is there, or has just come: then there is nothing to take back.
    pub(crate) fn watch(&self, task: Option<&'static Task>) -> bool {
        let sleeper = task.map_or_else(Sleeper::thread, Sleeper::task);
        if self.is_ready() {
            return false;
        }
        match Waiting::register(self, sleeper) {
            Some(waiting) => {
                std::mem::forget(waiting);
                true
            }
            None => false,
        }
    }

    /// Takes back what [`watch`](Self::watch) has left, if that said so.
    pub(crate) fn unwatch(&self) {
        drop(Waiting { gate: self.gate() });
    }

    /// Says that nobody will take the value. It comes back if it is there already.
    pub(crate) fn leave(self) -> Option<T> {
        let this = std::mem::ManuallyDrop::new(self);
        match this.gate().state.swap(LEFT, Ordering::AcqRel) {
            // SAFETY: READY: the gate is this side's alone.
            READY => unsafe { Box::from_raw(this.gate.as_ptr()) }.value.into_inner(),
            _ => None,
        }
    }
}

impl<T> Drop for Taker<T> {
    fn drop(&mut self) {
        drop(Self { gate: self.gate }.leave());
    }
}

/// A sleeper at a gate, taken back however the wait ends.
struct Waiting<'a, T> {
    /// The gate.
    gate: &'a Gate<T>,
}

impl<'a, T> Waiting<'a, T> {
    /// Leaves a sleeper; `None` if the value has come meanwhile.
    #[inline(always)]
    fn register(taker: &'a Taker<T>, sleeper: Sleeper) -> Option<Self> {
        let gate = taker.gate();
        // SAFETY: not WAITING, so the sleeper is this side's.
        gate.sleeper.with_mut(|cell| unsafe { *cell = Some(sleeper) });
        // Release: the sleeper.
        gate.state
            .compare_exchange(EMPTY, WAITING, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
            .then_some(Self { gate })
    }
}

impl<T> Drop for Waiting<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.gate.state.load(Ordering::Acquire) == READY {
            return;
        }
        let back =
            self.gate.state.compare_exchange(WAITING, EMPTY, Ordering::AcqRel, Ordering::Acquire);
        if back.is_err() {
            // The giver is between its two steps.
            while self.gate.state.load(Ordering::Acquire) != READY {
                spin_loop();
            }
        }
    }
}
