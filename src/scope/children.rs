//! Children that borrow, and that have ended when their scope is left.
//!
//! ```text
//!   scope: body --> caught --> failed? cancel the children --> wait for them --> go on with what failed first
//! ```
//!
//! The wait is shielded: a cancellation from outside reaches the children, which end, and then the scope
//! does. Nothing here waits in a destructor.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::thread;

use super::frame::Frame;
use crate::coroutine::{self, Payload};
use crate::event_loop::{JoinError, Wishes, drop_quietly, outcome, refused};
use crate::report::{self, ReportKind};
use crate::stacks::SpawnError;
use crate::task::{
    CancelKind, CancelReason, Denied, Failures, Home, Job, Kind, Making, Panics, Refusal,
    RemoteTask, Scope, Task, TaskId, Wait, lend, wait_shielded, wait_until,
};

/// A [`Scope`] whose children can give errors: see [`try_scope`].
pub type TryScope<'scope, 'env, E> = Scope<'scope, 'env, Failures<E>>;

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
    match lend_here("scope", at, Panics::default(), f, Panics::take) {
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
    f: impl for<'scope> FnOnce(&'scope TryScope<'scope, 'env, E>) -> Result<T, E>,
) -> Result<T, E> {
    let at = Location::caller();
    let failures = Failures { panics: Panics::default(), error: Cell::new(None) };
    let taken = |failures: &Failures<E>| (failures.error.take(), failures.panics.take());
    let ended = lend_here(
        "try_scope",
        at,
        failures,
        |scope| f(scope).map_err(|error| scope.fail(error, at)),
        taken,
    );
    match ended {
        (Ok(Ok(value)), (None, None)) => Ok(value),
        // A body that unwound because of the error has nothing else to say.
        (Ok(_) | Err(None), (Some(error), None)) => Err(error),
        (result, (error, first)) => {
            drop_quietly("an error that came too late", error);
            resume_unwind(first_of(result, first))
        }
    }
}

/// What goes on of several panics: the first of a child, else the body's. The other is reported.
#[cold]
fn first_of<T>(result: Result<T, Option<Payload>>, first: Option<Payload>) -> Payload {
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
fn lost(whose: &str, payload: Payload) {
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

impl Panics {
    /// The first payload of a child.
    fn take(&self) -> Option<Payload> {
        self.first.take()
    }

    /// A child panicked. Whether it was the first to fail.
    fn note(&self, payload: Payload) {
        let before = self.first.take();
        if before.is_some() || self.body_was_first.get() {
            self.first.set(before);
            lost("a child of a scope", payload);
        } else {
            self.first.set(Some(payload));
        }
    }
}

/// What children leave behind that fail.
pub(super) trait Failing {
    /// The panics.
    fn panics(&self) -> &Panics;
}

impl Failing for Panics {
    fn panics(&self) -> &Panics {
        self
    }
}

impl<E> Failing for Failures<E> {
    fn panics(&self) -> &Panics {
        &self.panics
    }
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
fn lend_here<'env, F: Failing, T, G>(
    what: &'static str,
    at: &'static Location<'static>,
    failure: F,
    body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env, F>) -> T,
    taken: impl FnOnce(&F) -> G,
) -> (Result<T, Option<Payload>>, G) {
    refuse_while_unwinding(what, at);
    let frame = Frame::enter(what, Kind::Scope, at);
    let (task, boundary) = (frame.task, frame.boundary);
    let wait = || {
        boundary.await_children(true);
        let wait = Wait { what: &"scope", at, subject: 0 };
        wait_shielded(task, wait, || boundary.children() == 0);
        boundary.await_children(false);
    };
    let why = || CancelReason::new(CancelKind::Scope, "its scope failed", at);
    let (result, failure) = lend(
        task.home(),
        boundary,
        failure,
        why,
        wait,
        |scope| {
            let _watch = Watch(scope.failure().panics());
            body(scope)
        },
        taken,
    );
    match frame.leave(result) {
        Ok(result) => (result.map_err(Some), failure),
        Err(_) => (Err(None), failure),
    }
}

/// Panics if the frame could not wait for its children. In a destructor that is an abort, so the message
/// goes out first.
#[inline(always)]
fn refuse_while_unwinding(what: &str, at: &'static Location<'static>) {
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

/// Where a child's result goes.
struct Slot<T> {
    /// The result.
    result: Cell<Option<Result<T, JoinError>>>,
    /// Whether the child has ended.
    ended: Cell<bool>,
    /// Who joins it.
    joiner: Cell<Option<&'static Task>>,
    /// Whether somebody may still want the result.
    wanted: Cell<bool>,
}

impl<T> Slot<T> {
    /// The child has ended so.
    #[inline(always)]
    fn give(&self, result: Result<T, JoinError>) {
        if !self.wanted.get() {
            return drop_quietly("a task's result", result);
        }
        self.result.set(Some(result));
        self.ended.set(true);
        if let Some(joiner) = self.joiner.take() {
            joiner.wake();
        }
    }
}

/// Tells a child's result from its failure. `None` if the scope has taken the failure.
type Judge<X, R, T> = fn(&Scope<'_, '_, X>, R, &'static Location<'static>) -> Option<T>;

/// What a child runs.
struct Child<'scope, 'env, F, R, T, X> {
    /// The closure.
    f: F,
    /// What its result means.
    judge: Judge<X, R, T>,
    /// Where its result goes.
    slot: Rc<Slot<T>>,
    /// Its scope.
    scope: &'scope Scope<'scope, 'env, X>,
}

impl<F: FnOnce() -> R, R, T, X: Failing> Job for Child<'_, '_, F, R, T, X> {
    #[inline(always)]
    fn run(self, task: &'static Task) {
        let Self { f, judge, slot, scope } = self;
        let result = match outcome(task, catch_unwind(AssertUnwindSafe(f))) {
            Ok(result) => match judge(scope, result, task.spawned_at()) {
                Some(value) => Ok(value),
                None => Err(failed(task.spawned_at())),
            },
            Err(JoinError::Panicked(payload)) => {
                child_panicked(scope, payload, task.spawned_at());
                Err(failed(task.spawned_at()))
            }
            Err(error) => Err(error),
        };
        slot.give(result);
    }

    fn refuse(self, _: &'static Task, refusal: Refusal) {
        drop_quietly("what a task had captured", self.f);
        self.slot.give(Err(refused(refusal)));
    }
}

/// What the joiner of a child gets whose failure went to the scope.
fn failed(at: &'static Location<'static>) -> JoinError {
    JoinError::Cancelled(CancelReason::new(
        CancelKind::Scope,
        "it failed, and its scope with it",
        at,
    ))
}

/// A child panicked.
#[cold]
fn child_panicked<X: Failing>(
    scope: &Scope<'_, '_, X>,
    payload: Payload,
    at: &'static Location<'static>,
) {
    scope.failure().panics().note(payload);
    let why = "another task of its scope panicked";
    scope.boundary().cancel(CancelReason::new(CancelKind::Scope, why, at));
}

impl<E> Scope<'_, '_, Failures<E>> {
    /// A child, or the body, gave an error.
    fn fail(&self, error: E, at: &'static Location<'static>) {
        let before = self.failure().error.take();
        if before.is_some() {
            self.failure().error.set(before);
            drop_quietly("an error that came too late", error);
        } else {
            self.failure().error.set(Some(error));
        }
        self.boundary().cancel(CancelReason::new(
            CancelKind::Scope,
            "another task of its scope failed",
            at,
        ));
    }
}

/// Makes a child and its handle.
#[inline(always)]
fn child<'scope, 'env, R: 'scope, T: 'scope, X: Failing + 'scope>(
    scope: &'scope Scope<'scope, 'env, X>,
    f: impl FnOnce() -> R + 'scope,
    judge: Judge<X, R, T>,
    making: Making,
) -> (&'static Task, ScopedJoinHandle<'scope, T>) {
    let slot = Rc::new(Slot {
        result: Cell::new(None),
        ended: Cell::new(false),
        joiner: Cell::new(None),
        wanted: Cell::new(true),
    });
    let task = scope.make(Child { f, judge, slot: slot.clone(), scope }, making);
    (task, ScopedJoinHandle { slot, task: RemoteTask::new(task), scope: PhantomData })
}

/// Spawns a child without wishes.
#[inline(always)]
fn spawn_child<'scope, 'env, R: 'scope, T: 'scope, X: Failing + 'scope>(
    scope: &'scope Scope<'scope, 'env, X>,
    f: impl FnOnce() -> R + 'scope,
    judge: Judge<X, R, T>,
    spawned_at: &'static Location<'static>,
) -> ScopedJoinHandle<'scope, T> {
    let making = Making { request: scope.home().request(), name: None, spawned_at, id: 0 };
    let (task, handle) = child(scope, f, judge, making);
    task.enqueue();
    handle
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a child. It may refer to what outlives the scope. If there is no stack for it, its joiner gets
    /// [`JoinError::NoStack`].
    #[inline]
    #[track_caller]
    pub fn spawn<T: 'scope>(
        &'scope self,
        f: impl FnOnce() -> T + 'scope,
    ) -> ScopedJoinHandle<'scope, T> {
        spawn_child(self, f, |_, value, _| Some(value), Location::caller())
    }
}

impl<'scope, E: 'scope> TryScope<'scope, '_, E> {
    /// Spawns a child that can give an error: the first one ends the scope. What it gives otherwise goes to
    /// its joiner. If there is no stack for it, its joiner gets [`JoinError::NoStack`].
    #[inline]
    #[track_caller]
    pub fn spawn<T: 'scope>(
        &'scope self,
        f: impl FnOnce() -> Result<T, E> + 'scope,
    ) -> ScopedJoinHandle<'scope, T> {
        spawn_child(self, f, |scope, result, at| scope.judge(result, at), Location::caller())
    }
}

impl<E> Scope<'_, '_, Failures<E>> {
    /// Tells a child's value from its error.
    fn judge<T>(&self, result: Result<T, E>, at: &'static Location<'static>) -> Option<T> {
        result.map_err(|error| self.fail(error, at)).ok()
    }
}

impl<'scope, 'env, F> Scope<'scope, 'env, F> {
    /// A child with a name, to be spawned.
    pub fn task(&'scope self, name: impl Into<Cow<'static, str>>) -> ScopedTask<'scope, 'env, F> {
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

/// A child that is yet to be spawned: from [`Scope::task`].
#[must_use = "nothing runs before `spawn`"]
pub struct ScopedTask<'scope, 'env, F = Panics> {
    /// Its scope.
    scope: &'scope Scope<'scope, 'env, F>,
    /// What was asked for.
    wishes: Wishes,
}

impl<'scope, 'env, F> ScopedTask<'scope, 'env, F> {
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

    /// Spawns it, or says what is wrong with the stack size.
    #[track_caller]
    fn spawn_at<R: 'scope, T: 'scope>(
        self,
        f: impl FnOnce() -> R + 'scope,
        judge: Judge<F, R, T>,
        at: &'static Location<'static>,
    ) -> Result<ScopedJoinHandle<'scope, T>, SpawnError>
    where
        F: Failing + 'scope,
    {
        let making = self.wishes.making(self.scope.home(), at)?;
        let (task, handle) = child(self.scope, f, judge, making);
        self.wishes.begin(self.scope.home(), task);
        Ok(handle)
    }
}

impl<'scope> ScopedTask<'scope, '_> {
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
        self.spawn_at(f, |_, value, _| Some(value), at).unwrap_or_else(|error| no_task(&error, at))
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
        self.spawn_at(f, |_, value, _| Some(value), Location::caller())
    }
}

impl<'scope, E: 'scope> ScopedTask<'scope, '_, Failures<E>> {
    /// Spawns it: as [`ScopedTask::spawn`], for a closure that can give an error.
    ///
    /// # Pausing
    /// As [`TaskBuilder::spawn`](crate::TaskBuilder::spawn).
    ///
    /// # Panics
    /// When the stack size makes no sense.
    #[track_caller]
    pub fn spawn<T: 'scope>(
        self,
        f: impl FnOnce() -> Result<T, E> + 'scope,
    ) -> ScopedJoinHandle<'scope, T> {
        let at = Location::caller();
        self.spawn_at(f, |scope, result, at| scope.judge(result, at), at)
            .unwrap_or_else(|error| no_task(&error, at))
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
    /// Where the result comes.
    slot: Rc<Slot<T>>,
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
    #[inline]
    #[track_caller]
    pub fn join(self) -> Result<T, JoinError> {
        let at = Location::caller();
        let task = Home::current_task("joining a child");
        if !self.slot.ended.get() {
            if task.id() == self.task.id() {
                panic!("a task joins itself at {at}: it would wait for ever");
            }
            self.slot.joiner.set(Some(task));
            let _left = Left(&self.slot.joiner);
            let wait = Wait { what: &"join", at, subject: self.task.id() };
            if let Err(denied) = wait_until(task, wait, || self.slot.ended.get()) {
                return Err(not_waited(denied, at));
            }
        } else if task.check(at).is_ok() {
            task.spend();
        }
        match self.slot.result.take() {
            Some(Err(error)) => {
                // If the scope has failed, the joiner fails with it.
                let _ = task.check(at);
                Err(error)
            }
            Some(result) => result,
            None => unreachable!("joined once"),
        }
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
        self.slot.ended.get()
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

/// There could be no wait.
#[cold]
fn not_waited(denied: Denied, at: &'static Location<'static>) -> JoinError {
    let (kind, message) = match denied {
        Denied::Unwinding => (CancelKind::Unwinding, "joined while a panic unwinds"),
        Denied::Cancelled => (CancelKind::Requested, "the joiner was cancelled"),
    };
    JoinError::Cancelled(CancelReason::new(kind, message, at))
}

/// Takes the joiner out, however its wait ends.
struct Left<'a>(&'a Cell<Option<&'static Task>>);

impl Drop for Left<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.set(None);
    }
}

impl<T> Drop for ScopedJoinHandle<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.slot.wanted.set(false);
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

impl<F> fmt::Debug for ScopedTask<'_, '_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedTask").field("wishes", &self.wishes).finish_non_exhaustive()
    }
}
