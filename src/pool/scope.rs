//! Children that borrow, on any thread of a pool, and that have ended when their scope is left.
//!
//! As the scopes of one loop: the body is caught, children are cancelled if it failed, awaited, and then what failed first
//! goes on. What differs is that they are `Send`, and that whoever waits for one that nobody has started runs it.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};

use super::{asked, plain};
use crate::coroutine::{OpenFrame, Payload};
use crate::event_loop::{
    JoinError, Joined, Wishes, drop_quietly, joins_itself, not_joined, outcome, refused,
};
use crate::scope::{Frame, failed, first_of, lost, refuse_while_unwinding};
use crate::stacks::SpawnError;
use crate::task::{
    CancelKind, CancelReason, Crew, Described, Home, Kind, Outside, Refusal, Subject, Task, TaskId,
    Wait,
};
use crate::wait::{AnyArm, Asked, Held, Runs, Scope, Watched, Work, lend_abroad};

/// What a child runs.
struct Child<'scope, 'env, F> {
    /// Its scope.
    scope: &'scope Scope<'scope, 'env>,
    /// Its closure.
    f: F,
    /// Where it was spawned.
    spawned_at: &'static Location<'static>,
}

impl<T, F: FnOnce() -> T> Work for Child<'_, '_, F> {
    type Given = Joined<T>;

    #[inline(always)]
    fn run(self, runs: Runs) -> Joined<T> {
        let Self { scope, f, spawned_at } = self;
        match catch_unwind(AssertUnwindSafe(f)) {
            Ok(value) => Ok(value),
            Err(payload) => {
                Err(failure(scope, outcome::<()>(runs.root(), Err(payload)), spawned_at))
            }
        }
    }

    fn refuse(self, refusal: Refusal, _: &Described<'_>) -> Joined<T> {
        drop_quietly("what a task had captured", self.f);
        Err(Box::new(refused(refusal)))
    }

    fn lost(reason: CancelReason) -> Joined<T> {
        Err(reason.into())
    }

    fn unwanted(given: Joined<T>, _: &Described<'_>) {
        drop_quietly("a task's result", given);
    }
}

/// What the joiner of a child gets that has failed. A panic goes to the scope.
#[cold]
#[inline(never)]
fn failure(
    scope: &Scope<'_, '_>,
    outcome: Result<(), JoinError>,
    at: &'static Location<'static>,
) -> Box<JoinError> {
    Box::new(match outcome {
        Err(JoinError::Panicked(panic)) => {
            let why = "another task of its scope panicked";
            let why = CancelReason::new(CancelKind::Scope, why, at);
            if let Some(late) = scope.child_panicked(panic.into_payload(), why) {
                lost("a child of a scope", late);
            }
            failed(at)
        }
        Err(error) => error,
        Ok(()) => unreachable!("it was unwound"),
    })
}

/// Lends the caller's frame to children in a crew.
#[inline(always)]
#[track_caller]
pub(super) fn scope_in<'env, T>(
    what: &'static str,
    crew: &dyn Crew,
    at: &'static Location<'static>,
    body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
) -> T {
    refuse_while_unwinding(what, at);
    let why = || CancelReason::new(CancelKind::Scope, "its scope failed", at);
    if Home::here().is_none() {
        // A bare coroutine that this is on must not pause in the middle of it.
        let _open = OpenFrame::open(what, at);
        return match lend_abroad(None, crew, at, why, body) {
            (Ok(value), None) => value,
            (result, first) => go_on(result.map_err(Some), first),
        };
    }
    let frame = Frame::enter(what, Kind::Scope, at);
    let owner = Some((frame.task, frame.boundary));
    let (result, first) = lend_abroad(owner, crew, at, why, body);
    match (frame.leave(result), first) {
        (Ok(Ok(value)), None) => value,
        (Ok(result), first) => go_on(result.map_err(Some), first),
        (Err(_), first) => go_on::<T>(Err(None), first),
    }
}

/// Goes on with what failed first.
#[cold]
fn go_on<T>(result: Result<T, Option<Payload>>, first: Option<Payload>) -> ! {
    resume_unwind(first_of(result, first))
}

/// Brings a child to its crew.
#[inline(always)]
pub(super) fn spawn_child<'scope, 'env, T: Send + 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    asked: Asked,
    f: impl FnOnce() -> T + Send + 'scope,
) -> ScopedJoinHandle<'scope, 'env, T> {
    let spawned_at = asked.spawned_at;
    ScopedJoinHandle { held: scope.bring(Child { scope, f, spawned_at }, asked), scope }
}

impl<'scope, 'env> Scope<'scope, 'env> {
    /// Spawns a child, which runs on whichever thread of the pool is free. It may refer to what outlives the scope. If
    /// there is no stack for it, its joiner gets [`JoinError::NoStack`].
    #[inline]
    #[track_caller]
    pub fn spawn<T: Send + 'scope>(
        &'scope self,
        f: impl FnOnce() -> T + Send + 'scope,
    ) -> ScopedJoinHandle<'scope, 'env, T> {
        spawn_child(self, plain(Location::caller()), f)
    }

    /// A child with a name, to be spawned.
    pub fn task(&'scope self, name: impl Into<Cow<'static, str>>) -> ScopedTask<'scope, 'env> {
        ScopedTask { scope: self, wishes: Wishes::named(name.into()) }
    }

    /// Children that have not ended. Those on other threads may be ending right now.
    pub fn children(&self) -> usize {
        self.count()
    }
}

/// A child that is yet to be spawned: from [`Scope::task`].
#[derive(Debug)]
#[must_use = "nothing runs before `spawn`"]
pub struct ScopedTask<'scope, 'env> {
    /// Its scope.
    scope: &'scope Scope<'scope, 'env>,
    /// What it is to be like.
    wishes: Wishes,
}

impl<'scope, 'env> ScopedTask<'scope, 'env> {
    /// As [`TaskBuilder::stack_size`](crate::TaskBuilder::stack_size). It then runs on a stack of its own in any case.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.wishes.stack_size = Some(bytes);
        self
    }

    /// Spawns it.
    ///
    /// # Panics
    /// When the stack size makes no sense; [`try_spawn`](Self::try_spawn) gives an error instead.
    #[track_caller]
    pub fn spawn<T: Send + 'scope>(
        self,
        f: impl FnOnce() -> T + Send + 'scope,
    ) -> ScopedJoinHandle<'scope, 'env, T> {
        let at = Location::caller();
        match self.try_spawn_at(f, at) {
            Ok(handle) => handle,
            Err(error) => panic!("no task could be spawned at {at}: {error}"),
        }
    }

    /// As [`spawn`](Self::spawn).
    ///
    /// # Errors
    /// When the stack size makes no sense. The closure is dropped.
    #[track_caller]
    pub fn try_spawn<T: Send + 'scope>(
        self,
        f: impl FnOnce() -> T + Send + 'scope,
    ) -> Result<ScopedJoinHandle<'scope, 'env, T>, SpawnError> {
        self.try_spawn_at(f, Location::caller())
    }

    /// Both of them.
    fn try_spawn_at<T: Send + 'scope>(
        self,
        f: impl FnOnce() -> T + Send + 'scope,
        at: &'static Location<'static>,
    ) -> Result<ScopedJoinHandle<'scope, 'env, T>, SpawnError> {
        Ok(spawn_child(self.scope, asked(self.wishes, at)?, f))
    }
}

/// A child's result, when it has one. Dropping it changes nothing for the child: the scope waits for it.
///
/// It can be sent to other children, and joined there.
pub struct ScopedJoinHandle<'scope, 'env, T> {
    /// The result.
    held: Held<Joined<T>>,
    /// Its scope.
    scope: &'scope Scope<'scope, 'env>,
}

impl<T> ScopedJoinHandle<'_, '_, T> {
    /// Waits until the child has ended, and gives what it returned.
    ///
    /// If nobody has started the child, a joiner on the pool does: the task that has opened the scope runs it in its own
    /// frames, any other has it run next on its thread. Nothing else ever runs on top of the joiner.
    ///
    /// A child that panics fails the whole scope: whoever joins it there is unwound.
    ///
    /// # Pausing
    /// Pauses until the child has ended, and not at all if it has ended already. If the joiner is cancelled
    /// meanwhile it unwinds. On a plain thread it blocks.
    ///
    /// # Errors
    /// When the child was cancelled, or could not be given a stack. Also `Cancelled` when its failure went to
    /// the scope and the joiner is [shielded](crate::shield) or a plain thread, and when nobody can wait: in a
    /// destructor while a panic unwinds, and in a cancelled task where nothing unwinds (`panic = "abort"`).
    ///
    /// # Panics
    /// When a task joins itself.
    #[inline(always)]
    #[track_caller]
    pub fn join(self) -> Result<T, JoinError> {
        self.join_at(Location::caller())
    }

    /// [`join`](Self::join), called from this line.
    #[inline(always)]
    #[track_caller]
    pub(super) fn join_at(self, at: &'static Location<'static>) -> Result<T, JoinError> {
        match Home::running_task() {
            Some(task) => self.join_in(task, at),
            None => self.block(),
        }
    }

    /// Waits in a task.
    #[inline(always)]
    #[track_caller]
    fn join_in(self, task: &'static Task, at: &'static Location<'static>) -> Result<T, JoinError> {
        let Self { mut held, scope } = self;
        if let Err(denied) = task.check(at) {
            return not_joined(held, denied, at);
        }
        let wait = Wait { what: &"join", at, subject: Subject::NONE };
        // Not on another loop: what the child does there may need the pool.
        if held.is_unstarted() && held.crew() == task.home().crew() {
            if scope.is_owner(task) && held.is_for_any_stack() {
                match held.run_here(task, scope.crew()) {
                    Ok(given) => {
                        task.spend();
                        return settle(given, task, at);
                    }
                    Err(back) => held = back,
                }
            } else {
                match held.run_next(task, wait) {
                    Some(Ok(())) => return settle(held.take(), task, at),
                    Some(Err(denied)) => return not_joined(held, denied, at),
                    None => {}
                }
            }
        }
        if held.is_done() {
            task.spend();
        } else {
            if task.identity() == held.id() {
                joins_itself(at);
            }
            if let Err(denied) = held.wait(task, wait) {
                return not_joined(held, denied, at);
            }
        }
        settle(held.take(), task, at)
    }

    /// Blocks the thread.
    #[cold]
    fn block(self) -> Result<T, JoinError> {
        let mut held = self.held;
        held.block();
        held.take().map_err(|error| *error)
    }

    /// Cancels the child: it unwinds from the pause that it is in, or from its next one. If nobody has started it, it
    /// drops what it captured here and now, and does not run.
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<Cow<'static, str>>) {
        self.held.cancel(CancelReason::new(CancelKind::Requested, reason, Location::caller()));
    }

    /// Whether the child has ended.
    pub fn is_finished(&self) -> bool {
        self.held.is_done()
    }

    /// The task's number.
    pub fn id(&self) -> TaskId {
        TaskId(self.held.id())
    }

    /// The task's name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.held.name()
    }
}

/// What the joiner gets. If the scope has failed, the joiner fails with it.
#[inline(always)]
fn settle<T>(
    given: Joined<T>,
    task: &'static Task,
    at: &'static Location<'static>,
) -> Result<T, JoinError> {
    given.map_err(|error| {
        let _ = task.check(at);
        *error
    })
}

/// The end of a child, as one of several things that are waited for.
pub struct ChildArm<'a, 'scope, 'env, T> {
    /// The child. Nobody else joins it meanwhile.
    handle: &'a mut ScopedJoinHandle<'scope, 'env, T>,
    /// Whether there is something to take back.
    watching: Cell<bool>,
    /// Another thread can end the wait, if it is a task's.
    _outside: Option<Outside>,
}

impl<'scope, 'env, T> ScopedJoinHandle<'scope, 'env, T> {
    #[doc(hidden)]
    pub fn __join_arm(&mut self) -> ChildArm<'_, 'scope, 'env, T> {
        let outside = Home::running_task().and_then(|task| task.waits_for_crew(self.held.crew()));
        ChildArm { handle: self, watching: Cell::new(false), _outside: outside }
    }
}

impl<T> Watched for ChildArm<'_, '_, '_, T> {
    fn has_come(&self) -> bool {
        self.handle.is_finished()
    }

    fn watch(&self, task: Option<&'static Task>) {
        self.watching.set(self.handle.held.watch(task));
    }

    fn unwatch(&self) {
        if self.watching.take() {
            self.handle.held.unwatch();
        }
    }
}

impl<T> ChildArm<'_, '_, '_, T> {
    /// As an arm.
    pub fn any(&mut self) -> AnyArm<'_> {
        AnyArm::new(self)
    }

    /// The result is joined afterwards.
    pub fn take(self) {}
}

impl<T> fmt::Debug for ChildArm<'_, '_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildArm").field("handle", &self.handle).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
