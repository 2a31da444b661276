//! Children that borrow, and that have ended when their scope is left.
//!
//! ```text
//!   scope: body --> caught --> failed? cancel the children --> wait for them --> go on with what failed first
//! ```
//!
//! The wait is shielded: a cancellation from outside reaches the children, which end, and then the scope
//! does. Nothing here waits in a destructor.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::thread;

use super::frame::Frame;
use crate::coroutine::{self, Payload};
use crate::event_loop::{
    JoinError, Wishes, drop_quietly, joins_itself, not_waited, outcome, refused,
};
use crate::report::{self, ReportKind};
use crate::stacks::SpawnError;
use crate::task::{
    CancelKind, CancelReason, Claim, FirstError, Home, Kind, Making, Panics, Refusal, RemoteTask,
    Scope, Subject, Task, TaskId, TryScope, Wait, lend, wait_shielded, wait_until,
};

/// Runs a closure that may spawn tasks which borrow, and waits until all of them have ended.
///
/// The tasks are of the current task's loop and need not be `Send`. They may refer to whatever outlives the
/// call, and to the scope, so that they can spawn more.
///
/// When the closure or a child panics, the others are cancelled and awaited, and then the panic goes on,
/// with the payload of the first; payloads of others go to [`on_report`](crate::on_report).
///
/// # Pausing
/// Pauses while children have not ended, whatever is cancelled meanwhile: a cancellation from outside
/// reaches the children, and the frame that they borrow from waits for them. A bare coroutine or generator
/// cannot pause inside; a task can.
///
/// # Panics
/// Outside a task, and while a panic or a cancellation unwinds (in a destructor that runs then, this aborts
/// the process, with a message). A panic of the closure or a child comes out unchanged.
///
/// ```
/// segno::run(|| {
///     let mut bars = vec![3, 1, 2];
///     let (low, high) = bars.split_at_mut(1);
///     segno::scope(|s| {
///         s.spawn(|| low[0] += 10);
///         s.spawn(|| high.sort());
///     });
///     assert_eq!(bars, [13, 1, 2]);
/// });
/// ```
#[inline]
#[track_caller]
pub fn scope<'env, T>(f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T) -> T {
    let at = Location::caller();
    match lend_here("scope", at, f) {
        (Ok(value), None) => value,
        (result, first) => resume_unwind(first_of(result, first)),
    }
}

/// [`scope`] for children that can give errors: the first `Err`, of a child or of the closure, cancels the
/// others, and is returned when all have ended.
///
/// # Pausing
/// As [`scope`].
///
/// # Errors
/// The first one. Those that come later are dropped.
///
/// # Panics
/// As [`scope`].
///
/// ```
/// segno::run(|| {
///     let parsed: Result<(), std::num::ParseIntError> = segno::try_scope(|s| {
///         s.spawn(|| "1".parse::<u32>());
///         s.spawn(|| "one".parse::<u32>());
///         s.spawn(|| Ok(segno::sleep(std::time::Duration::MAX)));
///         Ok(())
///     });
///     assert!(parsed.is_err());
/// });
/// ```
#[track_caller]
pub fn try_scope<'env, T, E>(
    f: impl for<'scope> FnOnce(TryScope<'scope, 'env, E>) -> Result<T, E>,
) -> Result<T, E> {
    let at = Location::caller();
    let first = FirstError::new();
    let (result, panicked) = lend_here("try_scope", at, |scope| {
        let scope = first.of(scope);
        f(scope).map_err(|error| {
            fail(scope.scope);
            scope.keep(error);
        })
    });
    match (result, first.take(), panicked) {
        (Ok(Ok(value)), None, None) => Ok(value),
        // A body that unwound because of the error has nothing else to say.
        (Ok(_) | Err(None), Some(error), None) => Err(error),
        (result, error, panicked) => {
            drop_quietly("an error that came too late", error);
            resume_unwind(first_of(result, panicked))
        }
    }
}

/// What goes on of several panics: the first of a child, else the body's. The other is reported.
#[cold]
pub(crate) fn first_of<T>(result: Result<T, Option<Payload>>, first: Option<Payload>) -> Payload {
    match (result, first) {
        (Err(Some(payload)), None) => payload,
        (Err(Some(second)), Some(first)) => {
            lost("the body of a scope", second);
            first
        }
        (Ok(value), Some(first)) => {
            drop_quietly("what a scope would have returned", value);
            first
        }
        (Err(None), Some(first)) => first,
        (_, None) => unreachable!("a scope is cancelled because something failed"),
    }
}

/// Reports a panic that cannot go on because another one does. Cancellations are none.
#[cold]
pub(crate) fn lost(whose: &str, payload: Payload) {
    if !coroutine::is_cancel(&*payload) {
        report::tell(
            ReportKind::LostPanic,
            format!(
                "{whose} panicked when another panic was on its way: {}",
                coroutine::message(&payload)
            ),
        );
    }
    coroutine::discard(payload);
}

/// A child panicked.
#[cold]
fn child_panicked(scope: &Scope<'_, '_>, payload: Payload, at: &'static Location<'static>) {
    let first = scope.panics.first.take();
    if first.is_some() || scope.panics.body_was_first.get() {
        scope.panics.first.set(first);
        lost("a child of a scope", payload);
    } else {
        scope.panics.first.set(Some(payload));
    }
    let why = "another task of its scope panicked";
    scope.boundary().cancel(CancelReason::new(CancelKind::Scope, why, at));
}

/// A child, or the body, gave an error.
fn fail(scope: &Scope<'_, '_>) {
    let at = scope.boundary().task().map_or(Location::caller(), Task::spawned_at);
    let why = "another task of its scope failed";
    scope.boundary().cancel(CancelReason::new(CancelKind::Scope, why, at));
}

/// Notes whether the body is unwound before any child has panicked.
struct Watch<'a>(&'a Panics);

impl Drop for Watch<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if thread::panicking() {
            let first = self.0.first.take();
            self.0.body_was_first.set(first.is_none());
            self.0.first.set(first);
        }
    }
}

/// Lends the caller's frame to children. `Err(None)` is a body that unwound because the scope itself was
/// cancelled.
#[inline(always)]
#[track_caller]
#[allow(clippy::type_complexity, reason = "what came of the body, and the first panic of a child")]
fn lend_here<'env, T>(
    what: &'static str,
    at: &'static Location<'static>,
    body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
) -> (Result<T, Option<Payload>>, Option<Payload>) {
    refuse_while_unwinding(what, at);
    let frame = Frame::enter(what, Kind::Scope, at);
    let (task, boundary) = (frame.task, frame.boundary);
    let wait = || {
        boundary.await_children(true);
        let wait = Wait { what: Wait::SCOPE, at, subject: Subject::NONE };
        wait_shielded(task, wait, || boundary.children() == 0);
        boundary.await_children(false);
    };
    let why = || CancelReason::new(CancelKind::Scope, "its scope failed", at);
    let (result, panicked) = lend(task.home(), boundary, why, wait, |scope| {
        let _watch = Watch(&scope.panics);
        body(scope)
    });
    match frame.leave(result) {
        Ok(result) => (result.map_err(Some), panicked),
        Err(_) => (Err(None), panicked),
    }
}

/// Panics if the frame could not wait for its children. In a destructor that is an abort, so the message
/// goes out first.
#[inline(always)]
pub(crate) fn refuse_while_unwinding(what: &str, at: &'static Location<'static>) {
    if thread::panicking() {
        refuse(what, at);
    }
}

/// See [`refuse_while_unwinding`].
#[cold]
#[inline(never)]
fn refuse(what: &str, at: &'static Location<'static>) -> ! {
    let message =
        format!("`{what}` at {at} while a panic or cancellation unwinds: its frame could not wait");
    report::tell(ReportKind::Abort, message.clone());
    panic!("{message}");
}

/// What the joiner of a child gets whose failure went to the scope.
pub(crate) fn failed(at: &'static Location<'static>) -> JoinError {
    JoinError::Cancelled(CancelReason::new(
        CancelKind::Scope,
        "it failed, and its scope with it",
        at,
    ))
}

/// Makes a child and its handle.
#[inline(always)]
fn child<'scope, T: 'scope>(
    scope: &'scope Scope<'scope, '_>,
    f: impl FnOnce() -> Option<T> + 'scope,
    making: Making,
) -> (&'static Task, ScopedJoinHandle<'scope, T>) {
    let run = move |task: &'static Task, refusal: Option<Refusal>| match refusal {
        None => match outcome(task.root(), catch_unwind(AssertUnwindSafe(f))) {
            Ok(Some(value)) => Ok(value),
            other => Err(failure(scope, task, other.err())),
        },
        Some(refusal) => {
            drop_quietly("what a task had captured", f);
            Err(Box::new(refused(refusal)))
        }
    };
    let unwanted = |result| drop_quietly("a task's result", result);
    let (task, claim) = scope.make_claimed(making, run, unwanted);
    (task, ScopedJoinHandle { claim, task: RemoteTask::new(task), scope: PhantomData })
}

/// What the joiner of a child gets that has failed. The failure goes to the scope, unless the child alone was
/// cancelled.
#[cold]
fn failure(scope: &Scope<'_, '_>, task: &'static Task, error: Option<JoinError>) -> Box<JoinError> {
    Box::new(match error {
        Some(JoinError::Panicked(panic)) => {
            child_panicked(scope, panic.into_payload(), task.spawned_at());
            failed(task.spawned_at())
        }
        Some(error) => error,
        None => failed(task.spawned_at()),
    })
}

/// Spawns a child without wishes.
#[inline(always)]
fn spawn_child<'scope, T: 'scope>(
    scope: &'scope Scope<'scope, '_>,
    f: impl FnOnce() -> Option<T> + 'scope,
    spawned_at: &'static Location<'static>,
) -> ScopedJoinHandle<'scope, T> {
    let making = Making { request: scope.home().request(), name: None, spawned_at, id: 0 };
    let (task, handle) = child(scope, f, making);
    task.enqueue();
    handle
}

/// Spawns a child with wishes.
#[track_caller]
fn spawn_wished<'scope, T: 'scope>(
    scope: &'scope Scope<'scope, '_>,
    wishes: &Wishes,
    f: impl FnOnce() -> Option<T> + 'scope,
    at: &'static Location<'static>,
) -> Result<ScopedJoinHandle<'scope, T>, SpawnError> {
    let making = wishes.making(scope.home(), at)?;
    let (task, handle) = child(scope, f, making);
    wishes.begin(scope.home(), task);
    Ok(handle)
}

impl<'scope, 'env> Scope<'scope, 'env> {
    /// Spawns a child. It may refer to what outlives the scope. If there is no stack for it, its joiner gets
    /// [`JoinError::NoStack`].
    #[inline]
    #[track_caller]
    pub fn spawn<T: 'scope>(
        &'scope self,
        f: impl FnOnce() -> T + 'scope,
    ) -> ScopedJoinHandle<'scope, T> {
        spawn_child(self, move || Some(f()), Location::caller())
    }

    /// A child with a name, to be spawned.
    pub fn task(&'scope self, name: impl Into<Cow<'static, str>>) -> ScopedTask<'scope, 'env> {
        ScopedTask { scope: self, wishes: Wishes::named(name.into()) }
    }

    /// Cancels all children that there are now; the closure goes on. Children spawned later are not
    /// concerned.
    #[track_caller]
    pub fn cancel_children(&self, reason: impl Into<Cow<'static, str>>) {
        let reason = CancelReason::new(CancelKind::Requested, reason, Location::caller());
        self.boundary().cancel_children(&reason);
    }

    /// Children that have not ended.
    pub fn children(&self) -> usize {
        self.boundary().children()
    }
}

impl<'scope, 'env, E> TryScope<'scope, 'env, E> {
    /// Spawns a child that can give an error: the first one ends the scope. What it gives otherwise goes to
    /// its joiner. If there is no stack for it, its joiner gets [`JoinError::NoStack`].
    #[inline]
    #[track_caller]
    pub fn spawn<T: 'scope>(
        self,
        f: impl FnOnce() -> Result<T, E> + 'scope,
    ) -> ScopedJoinHandle<'scope, T> {
        spawn_child(self.scope, self.judged(f, fail), Location::caller())
    }

    /// A child with a name, to be spawned.
    pub fn task(self, name: impl Into<Cow<'static, str>>) -> TryScopedTask<'scope, 'env, E> {
        TryScopedTask { scope: self, wishes: Wishes::named(name.into()) }
    }

    /// As [`Scope::cancel_children`].
    #[track_caller]
    pub fn cancel_children(self, reason: impl Into<Cow<'static, str>>) {
        self.scope.cancel_children(reason);
    }

    /// Children that have not ended.
    pub fn children(self) -> usize {
        self.scope.children()
    }
}

/// A child that is yet to be spawned: from [`Scope::task`].
#[must_use = "nothing runs before `spawn`"]
pub struct ScopedTask<'scope, 'env> {
    /// Its scope.
    scope: &'scope Scope<'scope, 'env>,
    /// What was asked for.
    wishes: Wishes,
}

impl<'scope> ScopedTask<'scope, '_> {
    /// As [`TaskBuilder::stack_size`](crate::TaskBuilder::stack_size).
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.wishes.stack_size = Some(bytes);
        self
    }

    /// As [`TaskBuilder::start_now`](crate::TaskBuilder::start_now).
    pub fn start_now(mut self) -> Self {
        self.wishes.now = true;
        self
    }

    /// Spawns it.
    ///
    /// # Pausing
    /// As [`TaskBuilder::spawn`](crate::TaskBuilder::spawn).
    ///
    /// # Panics
    /// When the stack size makes no sense; [`try_spawn`](Self::try_spawn) gives an error instead.
    #[track_caller]
    pub fn spawn<T: 'scope>(self, f: impl FnOnce() -> T + 'scope) -> ScopedJoinHandle<'scope, T> {
        let at = Location::caller();
        match spawn_wished(self.scope, &self.wishes, move || Some(f()), at) {
            Ok(handle) => handle,
            Err(error) => no_task(&error, at),
        }
    }

    /// As [`spawn`](Self::spawn).
    ///
    /// # Errors
    /// When the stack size makes no sense. The closure is dropped.
    #[track_caller]
    pub fn try_spawn<T: 'scope>(
        self,
        f: impl FnOnce() -> T + 'scope,
    ) -> Result<ScopedJoinHandle<'scope, T>, SpawnError> {
        spawn_wished(self.scope, &self.wishes, move || Some(f()), Location::caller())
    }
}

/// A child that is yet to be spawned, and can give an error: from [`TryScope::task`].
#[must_use = "nothing runs before `spawn`"]
pub struct TryScopedTask<'scope, 'env, E> {
    /// Its scope.
    scope: TryScope<'scope, 'env, E>,
    /// What was asked for.
    wishes: Wishes,
}

impl<'scope, E> TryScopedTask<'scope, '_, E> {
    /// As [`TaskBuilder::stack_size`](crate::TaskBuilder::stack_size).
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.wishes.stack_size = Some(bytes);
        self
    }

    /// As [`TaskBuilder::start_now`](crate::TaskBuilder::start_now).
    pub fn start_now(mut self) -> Self {
        self.wishes.now = true;
        self
    }

    /// Spawns it.
    ///
    /// # Pausing
    /// As [`TaskBuilder::spawn`](crate::TaskBuilder::spawn).
    ///
    /// # Panics
    /// When the stack size makes no sense; [`try_spawn`](Self::try_spawn) gives an error instead.
    #[track_caller]
    pub fn spawn<T: 'scope>(
        self,
        f: impl FnOnce() -> Result<T, E> + 'scope,
    ) -> ScopedJoinHandle<'scope, T> {
        let at = Location::caller();
        match spawn_wished(self.scope.scope, &self.wishes, self.scope.judged(f, fail), at) {
            Ok(handle) => handle,
            Err(error) => no_task(&error, at),
        }
    }

    /// As [`spawn`](Self::spawn).
    ///
    /// # Errors
    /// When the stack size makes no sense. The closure is dropped.
    #[track_caller]
    pub fn try_spawn<T: 'scope>(
        self,
        f: impl FnOnce() -> Result<T, E> + 'scope,
    ) -> Result<ScopedJoinHandle<'scope, T>, SpawnError> {
        let child = self.scope.judged(f, fail);
        spawn_wished(self.scope.scope, &self.wishes, child, Location::caller())
    }
}

/// The stack size makes no sense.
#[cold]
#[track_caller]
fn no_task<T>(error: &SpawnError, at: &'static Location<'static>) -> T {
    panic!("no task could be spawned at {at}: {error}")
}

/// A child's result, when it has one. Dropping it changes nothing for the child: the scope waits for it.
pub struct ScopedJoinHandle<'scope, T> {
    /// The result.
    claim: Claim<T, JoinError>,
    /// The task.
    task: RemoteTask,
    /// It stays within the scope.
    scope: PhantomData<&'scope mut &'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits until the child has ended, and gives what it returned.
    ///
    /// A child that panics, or gives an error in a [`try_scope`], fails the whole scope: whoever joins it there
    /// is unwound.
    ///
    /// # Pausing
    /// Pauses until the child has ended, and not at all if it has ended already. If the joiner is cancelled
    /// meanwhile it unwinds.
    ///
    /// # Errors
    /// When the child was cancelled, or could not be given a stack. Also `Cancelled` when its failure went to
    /// the scope and the joiner is [shielded](crate::shield), and when nobody can wait: in a destructor while
    /// a panic unwinds, and in a cancelled task where nothing unwinds (`panic = "abort"`).
    ///
    /// # Panics
    /// When a task joins itself.
    #[inline(always)]
    #[track_caller]
    pub fn join(self) -> Result<T, JoinError> {
        let at = Location::caller();
        let task = Home::current_task("joining a child");
        if !self.claim.is_given() {
            if task.id() == self.task.id() {
                joins_itself(at);
            }
            self.claim.set_joiner(Some(task));
            let _left = Left(&self.claim);
            let wait =
                Wait { what: &"join", at, subject: Subject::task(self.task.here(task.home())) };
            if let Err(denied) = wait_until(task, wait, || self.claim.is_given()) {
                return Err(not_waited(denied, at));
            }
        } else if task.check(at).is_ok() {
            task.spend();
        }
        match self.claim.take() {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => {
                // If the scope has failed, the joiner fails with it.
                let _ = task.check(at);
                Err(*error)
            }
            None => unreachable!("it was waited for, and nobody else takes it"),
        }
    }

    /// Says who is to be woken when the child has ended, for those who wait for several things.
    pub(crate) fn set_joiner(&self, joiner: Option<&'static Task>) {
        self.claim.set_joiner(joiner);
    }

    /// As [`JoinHandle::cancel`](crate::JoinHandle::cancel).
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<Cow<'static, str>>) {
        let reason = CancelReason::new(CancelKind::Requested, reason, Location::caller());
        if let Some(home) = Home::here() {
            home.cancel_task(self.task, reason);
        }
    }

    /// Whether the child has ended.
    pub fn is_finished(&self) -> bool {
        self.claim.is_given()
    }

    /// The task's number.
    pub fn id(&self) -> TaskId {
        TaskId::of(self.task)
    }

    /// The task's name, if it was given one and has not ended.
    pub fn name(&self) -> Option<Cow<'static, str>> {
        Home::here().and_then(|home| self.task.here(home)).and_then(Task::name)
    }
}

/// Takes the joiner out, however its wait ends.
struct Left<'a, T>(&'a Claim<T, JoinError>);

impl<T> Drop for Left<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.set_joiner(None);
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle")
            .field("id", &self.id())
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

impl<E> fmt::Debug for TryScopedTask<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryScopedTask").field("wishes", &self.wishes).finish_non_exhaustive()
    }
}

impl fmt::Debug for ScopedTask<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedTask").field("wishes", &self.wishes).finish_non_exhaustive()
    }
}
