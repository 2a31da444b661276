//! Where a loop gets more work from when its own tasks have nothing to do: the pool that it belongs to.
//!
//! What comes from there has never run, so any thread may have it. Once a loop has made a task of it, it stays.

#![allow(unsafe_code, reason = "what is unstarted goes from thread to thread")]

use std::ptr::NonNull;
use std::time::Duration;

use super::record::{Outside, Task};

/// A task that nobody has started: its closure, on its way to whoever takes it first. What lies at the address is
/// the business of the room that makes them (see [`wait::Errand`](crate::wait)); it is leaked if this is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unstarted(pub(crate) NonNull<()>);

// SAFETY: it is an address. The room that makes them sees to it that what lies there may go to any thread.
unsafe impl Send for Unstarted {}

/// Many loops that share work, as those see it who bring some.
pub(crate) trait Crew: Send + Sync {
    /// Takes something from any thread. It comes back when the crew takes nothing any more.
    fn inject(&self, unstarted: Unstarted) -> Result<(), Unstarted>;

    /// Tells one crew from another, as long as both are there.
    fn address(&self) -> usize;

    /// How many loops it has.
    fn threads(&self) -> usize;
}

/// One loop's share in that. Only its own thread calls these, and no user code runs in any of them.
pub(crate) trait Source {
    /// The crew that the loop belongs to.
    fn crew(&self) -> &dyn Crew;

    /// Keeps something here, where others may take it from.
    fn push(&self, unstarted: Unstarted);

    /// Takes what was pushed last, if it is still here.
    fn pop(&self) -> Option<Unstarted>;

    /// Takes just this, if it is what was pushed last.
    fn pop_this(&self, unstarted: Unstarted) -> bool;

    /// Gives back what was just popped.
    fn put_back(&self, unstarted: Unstarted);

    /// Something that was kept here was started otherwise; it is still in the queue, and is to be let go of before there
    /// are too many of them.
    fn leaves_behind(&self);

    /// Takes whatever is to be started next, from here or elsewhere.
    fn next(&self) -> Option<Unstarted>;

    /// The loop has tasks of its own to run: if it was woken for something else, another one is.
    fn is_busy(&self);

    /// The loop is about to sleep, for that long at most. False if there is something to take after all, or mail.
    fn lies_down(&self, at_most: Option<Duration>) -> bool;

    /// It does not sleep any more.
    fn gets_up(&self);

    /// Whether everything is to end.
    fn is_closing(&self) -> bool;

    /// Nothing on this loop can go on by itself, and everything is to end: whether that is so on all other loops of the
    /// crew, too. Until it [stirs](Self::stirs) the loop reads no mail, and takes nothing.
    fn is_all_still(&self) -> bool;

    /// The loop goes on after that.
    fn stirs(&self);

    /// This loop's place in the crew.
    fn index(&self) -> usize;
}

impl Task {
    /// Counts a wait for what the crew at this address does, as one that another thread can end. Unless the task belongs to
    /// that crew itself: when nothing on any of its loops can go on, nobody will end the wait.
    #[inline(always)]
    pub(crate) fn waits_for_crew(&'static self, crew: usize) -> Option<Outside> {
        (self.home().crew() != crew).then(|| self.waits_for_outside())
    }
}
