//! The handle's side of a task that was brought to a crew: joins it, cancels it, or lets it go.
//!
//! Who joins one that nobody has started starts it, so that nobody waits for what waits in a queue: see
//! [`run_here`](Held::run_here) and [`run_next`](Held::run_next). What stands in the memory that both sides share,
//! and whose it is when, is told at the head of `errand`.

#![allow(unsafe_code, reason = "takes results without their types")]

use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use super::bond::Bond;
use super::errand::{AWAITED, DONE, HERE, Head, LEFT, STARTED, USER, run_in_frames_of, source_of};
use super::sleeper::Away;
use crate::model::park;
use crate::model::sync::atomic::Ordering;
use crate::task::{
    CancelReason, Crew, Denied, Described, Refusal, Task, Unstarted, Wait, wait_until,
};

/// The handle's side of one: whoever has this gets the result.
pub(crate) struct Held<G> {
    /// What it is for; this counts as one that uses it.
    head: NonNull<Head>,
    /// What comes of it.
    given: PhantomData<G>,
}

// SAFETY: the result goes to whoever has this, once; all else is atomic, or handed over by what is.
unsafe impl<G: Send> Send for Held<G> {}
// SAFETY: what `&Held` offers only looks at the state, or cancels.
unsafe impl<G: Send> Sync for Held<G> {}

impl<G> Held<G> {
    /// The handle of this one, which counts it as one that uses it.
    #[inline(always)]
    pub(super) fn of(head: NonNull<Head>) -> Self {
        Self { head, given: PhantomData }
    }

    /// What it is for.
    #[inline(always)]
    fn head(&self) -> &Head {
        // SAFETY: this counts as one that uses it.
        unsafe { self.head.as_ref() }
    }

    /// Its number.
    pub(crate) fn id(&self) -> u64 {
        self.head().id
    }

    /// Its name, if it was given one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.head().name()
    }

    /// How messages name it.
    pub(crate) fn described(&self) -> Described<'_> {
        self.head().described()
    }

    /// The address of the crew that it goes to.
    pub(crate) fn crew(&self) -> usize {
        self.head().crew
    }

    /// Whether the result is there.
    #[inline(always)]
    pub(crate) fn is_done(&self) -> bool {
        self.head().state.load(Ordering::Acquire) & DONE != 0
    }

    /// Whether nobody has started it.
    #[inline(always)]
    pub(crate) fn is_unstarted(&self) -> bool {
        self.head().state.load(Ordering::Relaxed) & STARTED == 0
    }

    /// Whether it asks for no stack of its own.
    #[inline(always)]
    pub(crate) fn is_for_any_stack(&self) -> bool {
        self.head().request.is_none()
    }

    /// Cancels it. If nobody has started it, nobody will: its closure goes here and now.
    pub(crate) fn cancel(&self, reason: CancelReason) {
        let head = self.head();
        if !head.claim() {
            return head.cancel(reason);
        }
        let bond = head.bond;
        // SAFETY: claimed, and this counts.
        unsafe { Head::refuse(self.head.as_ptr(), Refusal::Cancelled(reason)) };
        // Release: the result.
        head.state.fetch_or(DONE, Ordering::Release);
        if !bond.is_null() {
            // SAFETY: its frame waits for this.
            unsafe { Bond::child_ended(bond) };
        }
    }

    /// Runs it in the frames of a task that waits for it; `Err` if somebody else has started it. For what borrows from
    /// that task.
    #[inline(always)]
    pub(crate) fn run_here(self, task: &'static Task, crew: &dyn Crew) -> Result<G, Self> {
        let this = self.head;
        let popped = source_of(crew).is_some_and(|source| source.pop_this(Unstarted(this.cast())));
        // What the queue has given back nobody else can have.
        if !popped && !self.head().claim() {
            return Err(self);
        }
        // SAFETY: claimed.
        unsafe { run_in_frames_of(task, this.as_ptr()) };
        let mut given = MaybeUninit::<G>::uninit();
        // SAFETY: the result is there, and this side's: nobody else has started it.
        unsafe { (self.head().methods.take)(this.as_ptr(), given.as_mut_ptr().cast()) };
        std::mem::forget(self);
        // SAFETY: as in `head`.
        let head = unsafe { this.as_ref() };
        let bond = head.bond;
        debug_assert!(!bond.is_null());
        // SAFETY: whoever still uses it is counted; `take` has written the result.
        unsafe {
            if popped {
                // The queue's count is this side's now, and with its own they are all.
                (head.methods.free)(this.as_ptr());
            } else {
                Head::release(this.as_ptr());
                (*bond).leaves_behind();
                if let Some(source) = source_of(crew) {
                    source.leaves_behind();
                }
            }
            Bond::child_ended(bond);
            Ok(given.assume_init())
        }
    }

    /// Has it run as the next task of the loop that this task is on, which belongs to the crew, and waits until the result
    /// is there; `None` if somebody else has started it.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn run_next(
        &mut self,
        task: &'static Task,
        wait: Wait,
    ) -> Option<Result<(), Denied>> {
        let (head, home) = (self.head(), task.home());
        // SAFETY: nobody looks at it before HERE, and then only this thread does.
        head.here.with_mut(|here| unsafe { *here = Some(task) });
        let source = home.source();
        if source.is_some_and(|source| source.pop_this(Unstarted(self.head.cast()))) {
            // What the queue has given back nobody else can have: its count is the task's now. Relaxed: as above.
            head.state
                .store(head.state.load(Ordering::Relaxed) | STARTED | HERE, Ordering::Relaxed);
        } else if !head.claim_for_another(HERE) {
            return None;
        } else if let Some(source) = source {
            source.leaves_behind();
        }
        let _waiting = WaitingHere { head };
        // SAFETY: claimed, and counted.
        unsafe { Head::become_task(self.head.as_ptr(), home, true) }.enqueue_first();
        Some(wait_until(task, wait, || self.is_done()))
    }

    /// Waits in a task until the result is there.
    #[track_caller]
    pub(crate) fn wait(&mut self, task: &'static Task, wait: Wait) -> Result<(), Denied> {
        let _outside = task.waits_for_crew(self.crew());
        let Some(_waiting) = Waiting::register(self, Away::task(task)) else { return Ok(()) };
        wait_until(task, wait, || self.is_done())
    }

    /// Blocks the thread until the result is there.
    pub(crate) fn block(&mut self) {
        let Some(_waiting) = Waiting::register(self, Away::thread()) else { return };
        while !self.is_done() {
            park();
        }
    }

    /// As [`Taker::watch`](super::Taker::watch). The caller has borrowed this mutably.
    pub(crate) fn watch(&self, task: Option<&'static Task>) -> bool {
        match Waiting::register(self, task.map_or_else(Away::thread, Away::task)) {
            Some(waiting) => {
                std::mem::forget(waiting);
                true
            }
            None => false,
        }
    }

    /// Takes that back.
    pub(crate) fn unwatch(&self) {
        drop(Waiting { head: self.head() });
    }

    /// Takes the result, which is there.
    pub(crate) fn take(self) -> G {
        debug_assert!(self.is_done());
        let this = ManuallyDrop::new(self).head;
        let mut given = MaybeUninit::<G>::uninit();
        // SAFETY: the result is there, and the handle's, which was counted.
        unsafe {
            (this.as_ref().methods.take)(this.as_ptr(), given.as_mut_ptr().cast());
            Head::release(this.as_ptr());
            given.assume_init()
        }
    }
}

impl<G> Drop for Held<G> {
    #[inline(always)]
    fn drop(&mut self) {
        let head = self.head();
        let mut state = head.state.load(Ordering::Acquire);
        while state & DONE == 0 {
            // The result will be another's, who also frees it: this is not the last that uses it.
            match head.state.compare_exchange(
                state,
                (state | LEFT) - USER,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return,
                Err(other) => state = other,
            }
        }
        // SAFETY: the result is there, and the handle's, which was counted.
        unsafe {
            (head.methods.discard)(self.head.as_ptr());
            Head::release(self.head.as_ptr());
        }
    }
}

/// A task of the loop that runs it waits for it, taken back however the wait ends.
struct WaitingHere<'a> {
    /// What is waited for.
    head: &'a Head,
}

impl Drop for WaitingHere<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Relaxed: only this thread looks at HERE. After DONE nobody does.
        if self.head.state.load(Ordering::Relaxed) & DONE == 0 {
            self.head.state.fetch_sub(HERE, Ordering::Relaxed);
        }
    }
}

/// One who waits for it, taken back however the wait ends.
struct Waiting<'a> {
    /// What is waited for.
    head: &'a Head,
}

impl<'a> Waiting<'a> {
    /// Leaves one to be woken; `None` if the result is there.
    fn register<G>(held: &'a Held<G>, away: Away) -> Option<Self> {
        let head = held.head();
        if held.is_done() {
            return None;
        }
        // SAFETY: not AWAITED: it is the handle's.
        head.waiter.with_mut(|waiter| unsafe { *waiter = Some(Box::new(away)) });
        let mut state = head.state.load(Ordering::Relaxed);
        while state & DONE == 0 {
            // Release: the waiter.
            match head.state.compare_exchange(
                state,
                state | AWAITED,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(Self { head }),
                Err(other) => state = other,
            }
        }
        // SAFETY: AWAITED was never said.
        drop(head.waiter.with_mut(|waiter| unsafe { (*waiter).take() }));
        // The result, which was seen without taking it on.
        head.state.load(Ordering::Acquire);
        None
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.head.state.load(Ordering::Relaxed);
        while state & (AWAITED | DONE) == AWAITED {
            match self.head.state.compare_exchange(
                state,
                state & !AWAITED,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    // SAFETY: AWAITED was taken back: it is the handle's again.
                    drop(self.head.waiter.with_mut(|waiter| unsafe { (*waiter).take() }));
                    return;
                }
                Err(other) => state = other,
            }
        }
    }
}
