//! A value that one side gives, once, and one other takes: what `join`, `oneshot` and `unblock` wait at.
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
//!
//! ```text
//!            wait               give
//!   EMPTY ---------> HERE -------------> READY      a task of the giver's own loop waits: the same thread
//!     '-- <-- leave ---'
//! ```
//!
//! Where both sides are on one thread nothing races, and these steps are plain stores: most joins are made
//! where the task was spawned. The gate knows the number of the loop that gives; whoever waits, leaves or gives
//! looks whether that is the one that runs here. Between two threads HERE is never seen: the taker waits with
//! it, and so does not go elsewhere.

#![allow(unsafe_code, reason = "two sides share cells, in turns that the state decides")]

use std::ptr::NonNull;

use super::operation::Asker;
use super::sleeper::Sleeper;
use crate::model::sync::atomic::{AtomicU8, Ordering};
use crate::model::{UnsafeCell, park, spin_loop};
use crate::task::{
    CancelReason, Denied, Ending, Home, Kept, Task, Wait, wait_shielded, wait_until,
};

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
/// Nothing is there, and a task of the giver's loop is to be woken.
const HERE: u8 = 5;

/// What both sides share.
struct Gate<T, L> {
    /// Who owns what. Release when something is handed over, Acquire when it is taken.
    state: AtomicU8,
    /// Who waits. Boxed, because most gates have none: between threads the wake costs more than the box.
    sleeper: UnsafeCell<Option<Box<Sleeper>>>,
    /// The task that waits, in HERE. Only the loop's thread looks at it.
    here: UnsafeCell<Option<&'static Task>>,
    /// The number of the loop on whose thread the value is given; 0 if that may be any thread.
    home: u64,
    /// What is given.
    value: UnsafeCell<Option<T>>,
    /// What the taker notes on it. Only the taker's.
    label: UnsafeCell<Option<L>>,
}

impl<T, L> Gate<T, L> {
    /// Whether the loop that gives is the one that runs on this thread.
    #[inline(always)]
    fn is_here(&self) -> bool {
        Home::here().is_some_and(|home| home.id() == self.home)
    }
}

/// The side that gives. A gate whose giver is dropped stays closed, and is leaked: callers give in every
/// case.
pub(crate) struct Giver<T, L = ()> {
    /// The gate; freed by whoever is last.
    gate: NonNull<Gate<T, L>>,
}

/// The side that takes.
pub(crate) struct Taker<T, L = ()> {
    /// The gate.
    gate: NonNull<Gate<T, L>>,
}

// SAFETY: the value goes from one side to the other, once; everything else is atomic or handed over
// by it.
unsafe impl<T: Send, L: Send> Send for Giver<T, L> {}
// SAFETY: as above.
unsafe impl<T: Send, L: Send> Send for Taker<T, L> {}
// SAFETY: what `&Taker` offers only loads the state, and lends the label; but for `watch` and `unwatch`, whose callers
// in this crate have borrowed the taker mutably.
unsafe impl<T: Send, L: Sync> Sync for Taker<T, L> {}

/// A new gate, whose value is given on the thread of the loop with this number; or on any thread, if that is 0.
/// The taker can note something on it.
#[inline(always)]
pub(crate) fn labelled_gate<T, L>(home: u64) -> (Giver<T, L>, Taker<T, L>) {
    let gate = Kept::<Gate<T, L>>::room();
    // SAFETY: the room was just taken for it.
    unsafe {
        gate.write(Gate {
            state: AtomicU8::new(EMPTY),
            sleeper: UnsafeCell::new(None),
            here: UnsafeCell::new(None),
            home,
            value: UnsafeCell::new(None),
            label: UnsafeCell::new(None),
        });
    }
    (Giver { gate }, Taker { gate })
}

/// A new gate whose value may be given on any thread.
pub(crate) fn gate<T>() -> (Giver<T>, Taker<T>) {
    labelled_gate(0)
}

impl<T, L> Giver<T, L> {
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
            HERE if gate.is_here() => {
                // SAFETY: this is the thread that the task waits on, and which set HERE.
                let task = gate.here.with_mut(|cell| unsafe { (*cell).take() });
                // Release: who takes the value may go to another thread before.
                gate.state.store(READY, Ordering::Release);
                if let Some(task) = task {
                    task.wake();
                }
                None
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
                    assert_eq!(state, LEFT, "a result is given on the thread of its loop");
                    // Acquire, with the taker that left: it does nothing here any more.
                    gate.state.load(Ordering::Acquire);
                    // SAFETY: the taker is gone: the gate is this side's alone.
                    let gate = unsafe { Kept::from_raw(self.gate) };
                    // SAFETY: as above.
                    return gate.value.with_mut(|value| unsafe { (*value).take() });
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
        let woken = gate.sleeper.with_mut(|cell| unsafe { Some((*cell).take()?.take()) });
        // The last access: from here on the taker may free the gate.
        gate.state.store(READY, Ordering::Release);
        if let Some(woken) = woken {
            woken.wake();
        }
        None
    }
}

impl<T, L> Giver<T, L> {
    /// Whether nobody will take what is given.
    pub(crate) fn is_left(&self) -> bool {
        // SAFETY: as in `give`. Relaxed: a hint, `give` decides.
        unsafe { self.gate.as_ref() }.state.load(Ordering::Relaxed) == LEFT
    }
}

impl<T, E: From<CancelReason>, L> Giver<Result<T, E>, L> {
    /// What to do when the task that was to give is given up: the taker gets the reason.
    #[inline(always)]
    pub(crate) fn ending(&self) -> Ending {
        /// Gives in place of a giver that was leaked.
        unsafe fn give<T, E: From<CancelReason>, L>(gate: *const (), reason: CancelReason) {
            // SAFETY: `Ending::new` has the promise: the giver was leaked, and never gave.
            let gate = unsafe { NonNull::new_unchecked(gate.cast_mut().cast()) };
            drop(Giver::<Result<T, E>, L> { gate }.give(Err(reason.into())));
        }
        // SAFETY: the address is that of this giver's gate, which is there until it has given.
        unsafe { Ending::new(self.gate.as_ptr().cast_const().cast(), give::<T, E, L>) }
    }
}

impl<T, L> Taker<T, L> {
    /// The gate.
    #[inline(always)]
    fn gate(&self) -> &Gate<T, L> {
        // SAFETY: the gate is there until both sides are done with it, and this one is not.
        unsafe { self.gate.as_ref() }
    }

    /// Notes something on the gate.
    #[inline(always)]
    pub(crate) fn note(&mut self, label: L) {
        // SAFETY: the label is the taker's, and `&mut self` says that it is not lent.
        self.gate().label.with_mut(|cell| unsafe { *cell = Some(label) });
    }

    /// What was noted.
    #[inline(always)]
    pub(crate) fn label(&self) -> Option<&L> {
        // SAFETY: the label is the taker's; while it is lent nobody notes another.
        self.gate().label.with_mut(|cell| unsafe { (*cell).as_ref() })
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
            let gate = Kept::from_raw(gate);
            gate.value.with_mut(|value| (*value).take().unwrap_unchecked())
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
        if this.gate().is_here() {
            let _waiting = WaitingHere::register(this, task);
            return wait_until(task, wait, || this.is_ready());
        }
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
            Asker::Task(task, _) => self.wait(task, wait),
            Asker::Nobody(denied) if !self.is_ready() => Err(denied),
            Asker::Nobody(_) => Ok(()),
            Asker::Thread => {
                self.block();
                Ok(())
            }
        }
    }

    /// Has this task woken when the value comes, or else this thread, without waiting here; until [`unwatch`](Self::unwatch). False if
    /// the value is there, or has just come: then there is nothing to take back. The caller has borrowed the taker
    /// mutably, so that nobody else waits here.
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

    /// Says that nobody will take the value. It comes back, with the label, if it is there already.
    #[inline(always)]
    pub(crate) fn leave(self) -> Option<(T, Option<L>)> {
        let this = std::mem::ManuallyDrop::new(self);
        let gate = this.gate();
        // SAFETY: the label is the taker's, and not lent: `self` is here. It does not stay with what the giver
        // frees one day.
        let label = gate.label.with_mut(|cell| unsafe { (*cell).take() });
        // Nobody else looks at a gate that is given on this thread.
        let before = if gate.is_here() {
            let before = gate.state.load(Ordering::Acquire);
            gate.state.store(LEFT, Ordering::Release);
            before
        } else {
            gate.state.swap(LEFT, Ordering::AcqRel)
        };
        if before != READY {
            return None;
        }
        // SAFETY: READY: the gate is this side's alone.
        let gate = unsafe { Kept::from_raw(this.gate) };
        // SAFETY: as above.
        gate.value.with_mut(|value| unsafe { (*value).take() }).map(|value| (value, label))
    }
}

impl<T, L> Drop for Taker<T, L> {
    fn drop(&mut self) {
        drop(Self { gate: self.gate }.leave());
    }
}

/// A task at a gate that is given on its own thread, taken back however the wait ends.
struct WaitingHere<'a, T, L> {
    /// The gate.
    gate: &'a Gate<T, L>,
}

impl<'a, T, L> WaitingHere<'a, T, L> {
    /// Leaves a task at a gate that is empty, and given on this thread.
    #[inline(always)]
    fn register(taker: &'a Taker<T, L>, task: &'static Task) -> Self {
        let gate = taker.gate();
        // SAFETY: only the thread of the loop that gives looks at it, and this is that thread.
        gate.here.with_mut(|cell| unsafe { *cell = Some(task) });
        // Relaxed: no other thread looks before the taker has come back from its wait.
        gate.state.store(HERE, Ordering::Relaxed);
        Self { gate }
    }
}

impl<T, L> Drop for WaitingHere<'_, T, L> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.gate.state.load(Ordering::Relaxed) == HERE {
            self.gate.state.store(EMPTY, Ordering::Relaxed);
        }
    }
}

/// A sleeper at a gate, taken back however the wait ends.
struct Waiting<'a, T, L> {
    /// The gate.
    gate: &'a Gate<T, L>,
}

impl<'a, T, L> Waiting<'a, T, L> {
    /// Leaves a sleeper; `None` if the value has come meanwhile.
    #[inline(always)]
    fn register(taker: &'a Taker<T, L>, sleeper: Sleeper) -> Option<Self> {
        let gate = taker.gate();
        // SAFETY: not WAITING, so the sleeper is this side's.
        gate.sleeper.with_mut(|cell| unsafe { *cell = Some(Box::new(sleeper)) });
        // Release: the sleeper.
        gate.state
            .compare_exchange(EMPTY, WAITING, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
            .then(|| Self { gate })
    }
}

impl<T, L> Drop for Waiting<'_, T, L> {
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
