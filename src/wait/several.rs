//! Waiting for whichever of several things comes first.
//!
//! ```text
//!   take the locks of all arms, lowest address first
//!     attempt each, in turn --> one succeeds: unlock all, wake whom that lets go on
//!     else link a place in each queue, all of the same waiter
//!     and watch what has no queue (deadlines, tasks that end)
//!   unlock all
//!   pause until a place was completed, or something watched has come --> unlink all the others
//! ```
//!
//! With all locks held nobody can complete this waiter between the attempts and the links, so nothing is missed,
//! and two who wait for each other in this way meet: the second one finds the first one's place. Who completes
//! a place claims the waiter first, so it is completed once; what comes by being watched claims it likewise.
//!
//! Locks are held several at a time nowhere else, and always in the order of their addresses.

#![allow(
    unsafe_code,
    reason = "holds several locks at once, links places that are in the frames of others"
)]

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::ptr;
use std::time::Instant;

use super::lock::Locked;
use super::operation::{Asker, Attempt, Known, Operation, wake};
use super::queue::{Place, Waiter};
use super::sleeper::{Sleeper, Woken};
use crate::model::{park, park_timeout, relax};
use crate::task::{
    Denied, Home, Possession, Standing, Subject, Task, Wait, Ways, wait_shielded, wait_until,
};

/// The most arms.
pub(crate) const MOST: usize = 64;

/// One of several things.
pub(crate) trait Arm {
    /// Where its lock is; `None` if it has none and is watched.
    fn lock(&self) -> Option<usize>;

    /// Takes the lock.
    fn acquire(&self);

    /// Gives it back.
    ///
    /// # Safety
    /// It was acquired.
    unsafe fn release(&self);

    /// Tries it.
    ///
    /// # Safety
    /// The lock is held, if there is one.
    unsafe fn attempt(&self) -> Attempt;

    /// Puts a place into the queue, or begins to watch.
    ///
    /// # Safety
    /// The lock is held, if there is one. The arm and the waiter stay where they are until it was
    /// [left](Self::leave).
    unsafe fn link(&self, waiter: &Waiter, which: usize);

    /// Leaves the queue, or watches no more. `passes_on`: it was completed, and nobody takes that.
    fn leave(&self, passes_on: bool);

    /// Whether what is watched has come.
    fn has_come(&self) -> bool {
        false
    }

    /// Until when a thread may sleep without looking.
    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// Any arm. It is neither cloned nor copied, and made of what is borrowed for it alone: an arm is chosen from by one
/// at a time, once.
pub struct AnyArm<'a>(&'a dyn Arm);

impl<'a> AnyArm<'a> {
    /// This one.
    pub(crate) fn new(arm: &'a mut dyn Arm) -> Self {
        Self(arm)
    }
}

impl fmt::Debug for AnyArm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyArm").finish_non_exhaustive()
    }
}

/// An operation as one of several things.
pub(crate) struct OperationArm<'a, O: Operation> {
    /// The object.
    locked: &'a Locked<O::State>,
    /// What is exchanged, before there is a place.
    slot: Cell<Option<O::Slot>>,
    /// The place, from the time it is linked. Only [`choose`] looks at it, and it is unlinked when that returns.
    place: UnsafeCell<Option<Place<O::Slot>>>,
}

impl<'a, O: Operation> OperationArm<'a, O> {
    /// This operation on this object.
    pub(crate) fn new(locked: &'a Locked<O::State>, slot: O::Slot) -> Self {
        Self { locked, slot: Cell::new(Some(slot)), place: UnsafeCell::new(None) }
    }

    /// What came of it.
    pub(crate) fn into_slot(self) -> Option<O::Slot> {
        // `choose` has returned, so the place is in no queue.
        self.place.into_inner().map(Place::into_slot).or(self.slot.into_inner())
    }

    /// The place, if there is one.
    fn place(&self) -> Option<&Place<O::Slot>> {
        // SAFETY: it is written once, by `link`, when nobody has a reference to it.
        unsafe { (*self.place.get()).as_ref() }
    }
}

impl<O: Operation> Arm for OperationArm<'_, O> {
    fn lock(&self) -> Option<usize> {
        Some(self.locked.address())
    }

    fn acquire(&self) {
        self.locked.take();
    }

    unsafe fn release(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.locked.release() };
    }

    unsafe fn attempt(&self) -> Attempt {
        let Some(mut slot) = self.slot.take() else { return Attempt::Wait };
        // SAFETY: the lock is held, as the caller promises, and nobody has a reference to what is behind it.
        let attempt = unsafe { self.locked.state(|state| O::attempt(state, &mut slot)) };
        self.slot.set(Some(slot));
        attempt
    }

    unsafe fn link(&self, waiter: &Waiter, which: usize) {
        let Some(slot) = self.slot.take() else { return };
        // SAFETY: nobody has looked at the place yet. The lock is held, and the place stays here until it is
        // unlinked: the caller's promises.
        unsafe {
            let place = (*self.place.get()).insert(Place::one_of(waiter, which, slot));
            self.locked.state(|state| O::queue(state).link(place));
        }
    }

    fn leave(&self, passes_on: bool) {
        let Some(place) = self.place() else { return };
        // SAFETY: the place was put into this queue, and nowhere else.
        let unlinked = self.locked.with(|state| unsafe { O::queue(state).unlink(place) });
        let after: fn(&mut O::State, &mut O::Slot) -> Option<Woken> = match (unlinked, passes_on) {
            (true, _) => O::left,
            (false, true) => O::pass_on,
            // Completed, and taken; or passed over by somebody who found the waiter claimed: then others who
            // stand behind it have been seen to.
            (false, false) => return,
        };
        // SAFETY: the place is in no queue, and nobody is between unlinking it and saying *done*: the lock was
        // taken since, and `choose` has waited for *done* if it was this one.
        unsafe { place.slot(|slot| self.locked.wake_all(|state| after(state, slot))) };
    }
}

/// Something without a queue, as one of several things.
pub(crate) trait Watched {
    /// Whether it has come.
    fn has_come(&self) -> bool;

    /// Has this task woken when it comes, or else this thread; which also looks when its deadline is over.
    fn watch(&self, task: Option<&'static Task>);

    /// Has nobody woken any more.
    fn unwatch(&self);

    /// Until when a thread may sleep without looking. `None` if something unparks it.
    fn deadline(&self) -> Option<Instant> {
        None
    }
}

impl<W: Watched> Arm for W {
    fn lock(&self) -> Option<usize> {
        None
    }

    fn acquire(&self) {}

    unsafe fn release(&self) {}

    unsafe fn attempt(&self) -> Attempt {
        if Watched::has_come(self) { Attempt::Done(None) } else { Attempt::Wait }
    }

    unsafe fn link(&self, _: &Waiter, _: usize) {
        self.watch(Home::running_task());
    }

    fn leave(&self, _: bool) {
        self.unwatch();
    }

    fn has_come(&self) -> bool {
        Watched::has_come(self)
    }

    fn deadline(&self) -> Option<Instant> {
        Watched::deadline(self)
    }
}

/// The locks of all arms, held.
struct AllLocks<'a>(&'a [AnyArm<'a>]);

impl<'a> AllLocks<'a> {
    /// Takes them, each once, in the order of their addresses.
    fn hold(arms: &'a [AnyArm<'a>]) -> Self {
        each_lock(arms, |arm| arm.acquire());
        Self(arms)
    }
}

impl Drop for AllLocks<'_> {
    fn drop(&mut self) {
        // SAFETY: they were acquired when this was made.
        each_lock(self.0, |arm| unsafe { arm.release() });
    }
}

/// Comes to one arm for each lock, lowest address first. There are few arms, so it looks for each among all.
fn each_lock(arms: &[AnyArm<'_>], mut f: impl FnMut(&dyn Arm)) {
    let mut last = 0;
    loop {
        let next = arms
            .iter()
            .filter_map(|arm| arm.0.lock().filter(|lock| *lock > last).map(|lock| (lock, arm.0)))
            .min_by_key(|(lock, _)| *lock);
        let Some((lock, arm)) = next else { return };
        f(arm);
        last = lock;
    }
}

/// Waits until one of several things has come, and returns which. They are tried in this order. `None`
/// if none has come and `at_once` was asked for. Where nothing unwinds it waits also if it is cancelled.
///
/// An error when it would have to wait while something unwinds: nothing has happened then.
#[track_caller]
pub(crate) fn choose(
    arms: &[AnyArm<'_>],
    order: &[u8],
    at_once: bool,
    asker: Asker,
    wait: Wait,
) -> Result<Option<usize>, Denied> {
    let in_order = || order.iter().map(|which| usize::from(*which));
    let locks = AllLocks::hold(arms);
    for which in in_order() {
        // SAFETY: all locks are held.
        if let Attempt::Done(woken) = unsafe { arms[which].0.attempt() } {
            drop(locks);
            wake(woken);
            return Ok(Some(which));
        }
    }
    if at_once {
        return Ok(None);
    }
    let task = match (asker, Home::running_task()) {
        (Asker::Task(task, _), _) | (Asker::Nobody(Denied::Cancelled), Some(task)) => Some(task),
        (Asker::Thread, _) => None,
        (Asker::Nobody(denied), _) => return Err(denied),
    };
    let waiter = Waiter::new(task.map_or_else(Sleeper::thread, Sleeper::task));
    let stands = Stands { head: Standing { ways: &WAYS }, arms, waiter: &waiter };
    for (which, arm) in arms.iter().enumerate() {
        // SAFETY: all locks are held. `stands` leaves all arms before this function does.
        unsafe { arm.0.link(&waiter, which) };
    }
    drop(locks);
    let come = || waiter.is_done() || arms.iter().any(|arm| arm.0.has_come());
    match task {
        Some(task) => {
            // SAFETY: the address is good while the guard lives, and then the wait is over.
            let subject = unsafe { Subject::standing(ptr::from_ref(&stands).cast()) };
            let (_known, wait) = (Known { task }, Wait { subject, ..wait });
            // Who is to end claims itself before it does; if somebody was faster, it has come.
            let unwinds = || cfg!(panic = "unwind") && task.is_to_end();
            let done = || come() || (unwinds() && !waiter.give_up());
            if wait_until(task, wait, done).is_err() {
                wait_shielded(task, wait, come);
            }
        }
        None => {
            let deadline = arms.iter().filter_map(|arm| arm.0.deadline()).min();
            while !come() {
                match deadline {
                    Some(at) => park_timeout(at.saturating_duration_since(Instant::now())),
                    None => park(),
                }
            }
        }
    }
    let won = stands.end();
    Ok(won.or_else(|| in_order().find(|which| arms[*which].0.has_come())))
}

/// The places of one who waits, left however the wait ends.
#[repr(C)]
struct Stands<'a> {
    /// What its task knows of it.
    head: Standing,
    /// What it waits for.
    arms: &'a [AnyArm<'a>],
    /// Who waits.
    waiter: &'a Waiter,
}

impl Stands<'_> {
    /// Leaves all queues. Returns which place was completed, if one was.
    fn end(self) -> Option<usize> {
        let won = self.leave(false);
        std::mem::forget(self);
        won
    }

    /// Leaves all queues. What was completed is passed on, if it is not to be taken.
    fn leave(&self, passes_on: bool) -> Option<usize> {
        let mut looks = 0;
        if !self.waiter.give_up() {
            // Somebody completes it, and is about to say so.
            while !self.waiter.is_done() {
                relax(looks);
                looks += 1;
            }
        }
        let won = self.waiter.won();
        for (which, arm) in self.arms.iter().enumerate() {
            arm.0.leave(passes_on && won == Some(which));
        }
        won
    }
}

impl Drop for Stands<'_> {
    #[cold]
    fn drop(&mut self) {
        self.leave(true);
    }
}

/// What a task can do about it.
const WAYS: Ways = Ways { give_up, possession, hopeless };

/// The task was given up while it waits there.
unsafe fn give_up(stands: *const Standing) {
    // SAFETY: `Subject::standing` has the promise, and this is the head of a `Stands`.
    unsafe { &*stands.cast::<Stands<'_>>() }.leave(true);
}

/// Several things are nobody's.
unsafe fn possession(_: *const Standing) -> Possession {
    Possession::default()
}

/// Nobody has what is waited for.
unsafe fn hopeless(_: *const Standing) {}
