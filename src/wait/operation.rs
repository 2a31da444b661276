//! Operations that succeed at once or wait until somebody completes them.
//!
//! ```text
//!   lock --> attempt --> it succeeds: unlock, wake whom that lets go on
//!               |
//!               '-> link a place --> unlock --> pause until done --> done: the slot says what came of it
//!                                                 '--> unwound: lock, unlink; done after all? pass it on
//! ```
//!
//! What an operation *is* stands in one small implementation of [`Operation`] in the room that has the object:
//! how to attempt it, which queue it waits in, and what becomes of a completion that nobody takes any more.
//! How one waits stands here, once.
//!
//! Whether a completion or a cancellation was first is decided by who takes the lock first. A waiter that finds itself
//! cancelled takes its place out before it unwinds; if it was completed before, it succeeds all the same, and its next
//! pause unwinds. Only one that ends in another way (a panic that a test injects, a task that is given up) may leave
//! with a completion, and passes that on.

#![allow(unsafe_code, reason = "links places that are in the frame of the function that waits")]

use std::cell::Cell;
use std::panic::Location;
use std::ptr;
use std::thread;
use std::time::Duration;

use super::lock::{Held, Locked};
use super::queue::{Place, Queue, Sign};
use super::sleeper::{Sleeper, Woken};
use crate::model::{park, park_timeout};
use crate::task::{
    Denied, Home, Possession, Standing, Subject, Task, Wait, Ways, wait_checked, wait_shielded,
};

/// What came of an attempt.
pub(crate) enum Attempt {
    /// It succeeded, and perhaps somebody else may go on now.
    Done(Option<Woken>),
    /// It has to wait.
    Wait,
}

/// One kind of operation on one kind of object. None of these functions runs code of users: they move values,
/// which drop elsewhere.
pub(crate) trait Operation {
    /// What is behind the object's lock.
    type State;
    /// What is exchanged with whoever completes it.
    type Slot;

    /// Tries it.
    fn attempt(state: &mut Self::State, slot: &mut Self::Slot) -> Attempt;

    /// Where it waits.
    fn queue(state: &mut Self::State) -> &mut Queue<Self::Slot>;

    /// It was completed, and its waiter has gone: others are to have that. Called again until it returns nobody;
    /// what is left in the slot then is dropped.
    fn pass_on(state: &mut Self::State, slot: &mut Self::Slot) -> Option<Woken>;

    /// A waiter has left without having been completed: others who stood behind it may go on now. Called again until
    /// it returns nobody.
    fn left(_: &mut Self::State, _: &mut Self::Slot) -> Option<Woken> {
        None
    }

    /// Whether it is as good as completed: somebody is about to come to it, and who leaves now leaves with that.
    fn is_complete(_: &Self::State, _: &Self::Slot) -> bool {
        false
    }

    /// Whoever has what is waited for will never give it back: one who waits goes on, without it.
    fn give_up_waiting(_: &mut Self::State) -> Option<Woken> {
        None
    }

    /// Who has what it waits for, if anybody does.
    fn possession(_: &Self::State) -> Possession {
        Possession::default()
    }

    /// Whether it may come to wait for what will never be free, so that a thread looks for that now and then.
    const MAY_BE_HOPELESS: bool = false;

    /// Whether what it waits for will never be free.
    fn is_hopeless(_: &Self::State) -> bool {
        false
    }
}

/// Who asks for an operation, and how that one would wait.
#[derive(Clone, Copy)]
pub(crate) enum Asker {
    /// A task, which pauses, and its loop.
    Task(&'static Task, &'static Home),
    /// A thread, which parks.
    Thread,
    /// One that must not wait here.
    Nobody(Denied),
}

impl Asker {
    /// Whoever runs here. A task that is cancelled unwinds; one whose budget is used up lets others go first.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn here(at: &'static Location<'static>) -> Self {
        let Some(home) = Home::here() else { return Self::Thread };
        // On the loop's own stack nobody may wait: it would be for ever.
        let Some(task) = home.current() else { return Self::Nobody(Denied::Unwinding) };
        Self::checked(task, home, at)
    }

    /// The same for what looks before it waits: whether the thread panics, where nobody may wait, is asked only then.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn at_hand(at: &'static Location<'static>) -> Self {
        let Some(home) = Home::here() else { return Self::Thread };
        let Some(task) = home.current() else { return Self::Nobody(Denied::Unwinding) };
        if task.is_disturbed() || !task.spend_if_there() {
            return Self::checked(task, home, at);
        }
        Self::Task(task, home)
    }

    /// This task, if it may wait here.
    #[inline(always)]
    #[track_caller]
    fn checked(task: &'static Task, home: &'static Home, at: &'static Location<'static>) -> Self {
        match task.check(at) {
            Ok(()) => {
                task.spend();
                Self::Task(task, home)
            }
            Err(denied) => Self::Nobody(denied),
        }
    }
}

impl<S> Locked<S> {
    /// Does an operation, and waits if it has to. What is in the slot then says what came of it.
    ///
    /// An error when it would have to wait and cannot: nothing has happened then.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn operate<O>(
        &self,
        asker: Asker,
        wait: Wait,
        slot: O::Slot,
    ) -> Result<O::Slot, (Denied, O::Slot)>
    where
        O: Operation<State = S>,
    {
        self.operate_and::<O>(asker, wait, slot, || ())
    }

    /// The same, and does something when it has its place in the queue, before it pauses.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn operate_and<O>(
        &self,
        asker: Asker,
        wait: Wait,
        mut slot: O::Slot,
        queued: impl FnOnce(),
    ) -> Result<O::Slot, (Denied, O::Slot)>
    where
        O: Operation<State = S>,
    {
        let (task, home) = match asker {
            Asker::Task(task, home) => (task, home),
            other => {
                let may_wait = if let Asker::Nobody(denied) = other { Err(denied) } else { Ok(()) };
                return match self.operate_by_thread::<O>(may_wait, slot, queued) {
                    (slot, Ok(())) => Ok(slot),
                    (slot, Err(denied)) => Err((denied, slot)),
                };
            }
        };
        let Some(mut held) = self.try_first::<O>(Some(home), &mut slot) else { return Ok(slot) };
        if thread::panicking() {
            return Err((Denied::Unwinding, slot));
        }
        let place = Place::only(Sleeper::task(task), slot);
        let sign = place.sign();
        // SAFETY: the place stays in this frame until `stands` is dropped, which unlinks the place if
        // it is not done.
        held.state(|state| unsafe { O::queue(state).link(&place) });
        drop(held);
        let stands = Stands::<O>::new(self, &place);
        queued();
        let waited = {
            let (_known, wait) = stands.known(task, wait);
            wait_checked(task, wait, || sign.is_done(), || stands.leaves_first())
        };
        match waited {
            Ok(()) => {
                std::mem::forget(stands);
                Ok(place.into_slot())
            }
            Err(denied) => match stands.leave() {
                true => Ok(place.into_slot()),
                false => Err((denied, place.into_slot())),
            },
        }
    }

    /// The same for a thread that may wait, and for who must not. Neither switches stacks, so this is not inlined. The
    /// slot comes back beside the answer, so that the slot of a task, which goes another way, stays in registers.
    #[inline(never)]
    fn operate_by_thread<O>(
        &self,
        may_wait: Result<(), Denied>,
        mut slot: O::Slot,
        queued: impl FnOnce(),
    ) -> (O::Slot, Result<(), Denied>)
    where
        O: Operation<State = S>,
    {
        let first = self.try_first::<O>(Home::here(), &mut slot);
        let Some(mut held) = first else { return (slot, Ok(())) };
        if may_wait.is_err() {
            return (slot, may_wait);
        }
        let place = Place::only(Sleeper::thread(), slot);
        // SAFETY: as in `operate_and`.
        held.state(|state| unsafe { O::queue(state).link(&place) });
        drop(held);
        let stands = Stands::<O>::new(self, &place);
        queued();
        self.sleep::<O>(place.sign());
        std::mem::forget(stands);
        (place.into_slot(), Ok(()))
    }

    /// Tries an operation. If it has to wait, the lock stays held: nobody comes between the look and the place.
    #[inline(always)]
    fn try_first<O>(&self, here: Option<&Home>, slot: &mut O::Slot) -> Option<Held<'_, S>>
    where
        O: Operation<State = S>,
    {
        let mut held = self.hold(here);
        match held.state(|state| O::attempt(state, slot)) {
            Attempt::Done(woken) => {
                drop(held);
                wake(woken);
                None
            }
            Attempt::Wait => Some(held),
        }
    }

    /// Does an operation if that succeeds at once. If not, the slot comes back as it was.
    #[inline(always)]
    pub(crate) fn attempt<O>(&self, mut slot: O::Slot) -> Result<O::Slot, O::Slot>
    where
        O: Operation<State = S>,
    {
        match self.try_first::<O>(Home::here(), &mut slot) {
            None => Ok(slot),
            Some(_) => Err(slot),
        }
    }

    /// Does an operation that must not be given up, and waits for that whatever is cancelled meanwhile.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn insist<O>(&self, task: &'static Task, wait: Wait, slot: O::Slot) -> O::Slot
    where
        O: Operation<State = S>,
    {
        self.insist_and::<O>(task, wait, slot, || ())
    }

    /// The same, and does something when it has its place in the queue, before it pauses.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn insist_and<O>(
        &self,
        task: &'static Task,
        wait: Wait,
        mut slot: O::Slot,
        queued: impl FnOnce(),
    ) -> O::Slot
    where
        O: Operation<State = S>,
    {
        let first = self.try_first::<O>(Some(task.home()), &mut slot);
        let Some(mut held) = first else { return slot };
        let place = Place::only(Sleeper::task(task), slot);
        let sign = place.sign();
        // SAFETY: as in `operate`.
        held.state(|state| unsafe { O::queue(state).link(&place) });
        drop(held);
        let stands = Stands::<O>::new(self, &place);
        queued();
        {
            let (_known, wait) = stands.known(task, wait);
            wait_shielded(task, wait, || sign.is_done());
        }
        std::mem::forget(stands);
        place.into_slot()
    }

    /// Does an operation by blocking the thread, before all others who wait: for a place where nobody may
    /// pause and where another thread is going to complete it.
    #[cold]
    pub(crate) fn block<O>(&self, mut slot: O::Slot) -> O::Slot
    where
        O: Operation<State = S>,
    {
        let first = self.try_first::<O>(Home::here(), &mut slot);
        let Some(mut held) = first else { return slot };
        let place = Place::only(Sleeper::thread(), slot);
        // SAFETY: as in `operate`; nothing unwinds out of the loop below.
        held.state(|state| unsafe { O::queue(state).link_first(&place) });
        drop(held);
        self.sleep::<O>(place.sign());
        place.into_slot()
    }
}

/// How often a thread that waits for a lock looks whether that was given up: tasks are told, threads are not.
const LOOK: Duration = Duration::from_millis(500);

impl<S> Locked<S> {
    /// Sleeps until it is done.
    fn sleep<O: Operation<State = S>>(&self, sign: &Sign) {
        while !sign.is_done() {
            if !O::MAY_BE_HOPELESS {
                park();
                continue;
            }
            park_timeout(LOOK);
            if !sign.is_done() && self.with(|state| O::is_hopeless(state)) {
                self.wake_all(O::give_up_waiting);
            }
        }
    }
}

/// How many are woken after one look.
const BATCH: usize = 16;

impl<S> Locked<S> {
    /// Lets all go on that `next` completes, until it has no more. Those are woken without the lock, in batches.
    pub(crate) fn wake_all(&self, mut next: impl FnMut(&mut S) -> Option<Woken>) {
        loop {
            let mut batch = [const { None::<Woken> }; BATCH];
            let all = self.with(|state| {
                batch.iter_mut().all(|place| {
                    *place = next(state);
                    place.is_some()
                })
            });
            batch.into_iter().flatten().for_each(Woken::wake);
            if !all {
                return;
            }
        }
    }
}

/// Wakes somebody, with no lock held.
#[inline(always)]
pub(crate) fn wake(woken: Option<Woken>) {
    if let Some(woken) = woken {
        woken.wake();
    }
}

/// A place in a queue, taken back however the wait ends.
#[repr(C)]
struct Stands<'a, O: Operation> {
    /// What its task knows of it.
    head: Standing,
    /// The object.
    locked: &'a Locked<O::State>,
    /// Its place.
    place: &'a Place<O::Slot>,
    /// Whether it has taken the place out itself: then it is not done, and never will be.
    left: Cell<bool>,
}

impl<'a, O: Operation> Stands<'a, O> {
    /// What a task can do about it.
    const WAYS: Ways =
        Ways { give_up: give_up::<O>, possession: possession::<O>, hopeless: hopeless::<O> };

    /// A place that was just linked.
    #[inline(always)]
    fn new(locked: &'a Locked<O::State>, place: &'a Place<O::Slot>) -> Self {
        let head = Standing { ways: const { &Self::WAYS } };
        Self { head, locked, place, left: Cell::new(false) }
    }

    /// How the task waits there: it knows where it stands, to be told of in reports and to leave the queue if it is
    /// given up, as long as the guard lives.
    #[inline(always)]
    fn known(&self, task: &'static Task, wait: Wait) -> (Known, Wait) {
        // SAFETY: the address is good while the guard lives, and then the wait is over.
        let subject = unsafe { Subject::standing(ptr::from_ref(self).cast()) };
        (Known { task }, Wait { subject, ..wait })
    }

    /// Leaves the queue. True if it was done after all.
    #[cold]
    fn leave(self) -> bool {
        let left = self.leaves_first();
        std::mem::forget(self);
        !left
    }

    /// Whether it has left the queue, now or before, and was not done first: who is to end looks before it does.
    #[cold]
    #[inline(never)]
    fn leaves_first(&self) -> bool {
        if !self.left.get() {
            self.left.set(self.unlink());
        }
        self.left.get()
    }

    /// Takes the place out of the queue, if it is not done, and lets others go on. In one step: who comes meanwhile
    /// must not find it gone and counted.
    fn unlink(&self) -> bool {
        let (unlinked, woken) = self.locked.with(|state| {
            // SAFETY: the place was put into this queue, and nowhere else. With the lock taken nobody is between
            // unlinking it and saying *done*. Once it is unlinked the slot is this waiter's own.
            unsafe {
                let unlinked = O::queue(state).unlink(self.place)
                    && !self.place.slot(|slot| O::is_complete(state, slot));
                let woken =
                    if unlinked { self.place.slot(|slot| O::left(state, slot)) } else { None };
                (unlinked, woken)
            }
        });
        if woken.is_some() {
            wake(woken);
            self.after(O::left);
        }
        unlinked
    }

    /// Lets others go on, when the place is in no queue any more.
    fn after(&self, next: fn(&mut O::State, &mut O::Slot) -> Option<Woken>) {
        // SAFETY: done, or unlinked by this waiter: the slot is its own.
        unsafe { self.place.slot(|slot| self.locked.wake_all(|state| next(state, slot))) };
    }

    /// Takes the place out of the queue, or passes on what came of it.
    #[cold]
    #[inline(never)]
    fn give_up(&self) {
        if !self.leaves_first() {
            self.after(O::pass_on);
        }
    }
}

impl<O: Operation> Drop for Stands<'_, O> {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// A task knows where it stands, as long as this lives.
pub(super) struct Known {
    /// The task.
    pub(super) task: &'static Task,
}

impl Drop for Known {
    #[inline(always)]
    fn drop(&mut self) {
        self.task.waits_no_more();
    }
}

/// The task was given up while it waits there: see [`Ways`].
unsafe fn give_up<O: Operation>(stands: *const Standing) {
    // SAFETY: `Subject::standing` has the promise, and this is the head of a `Stands`.
    unsafe { &*stands.cast::<Stands<'_, O>>() }.give_up();
}

/// Who has what the task waits for: see [`Ways`].
unsafe fn possession<O: Operation>(stands: *const Standing) -> Possession {
    // SAFETY: as above.
    unsafe { &*stands.cast::<Stands<'_, O>>() }.locked.with(|state| O::possession(state))
}

/// Whoever has what the task waits for was given up: see [`Ways`].
unsafe fn hopeless<O: Operation>(stands: *const Standing) {
    // SAFETY: as above.
    unsafe { &*stands.cast::<Stands<'_, O>>() }.locked.wake_all(O::give_up_waiting);
}
