//! A task's result, and who waits for it.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::registry;
use crate::coroutine::{self, Payload};
use crate::report::{self, ReportKind};
use crate::stacks::SpawnError;
use crate::task::{
    Boundary, CancelKind, CancelReason, Denied, Described, Home, Job, Message, Outside, Refusal,
    RemoteTask, Subject, Task, TaskId, Wait,
};
use crate::wait::{Giver, Held, Runs, Taker, Work};

/// What a task panicked with.
///
/// It can be shared between threads, as errors should be, although a payload cannot: whoever wants that takes
/// it out.
pub struct Panic {
    /// What it said.
    message: Cow<'static, str>,
    /// The payload.
    payload: Mutex<Payload>,
}

impl Panic {
    /// A panic with this payload.
    fn new(payload: Payload) -> Self {
        let message = match payload.downcast_ref::<&'static str>() {
            Some(text) => Cow::Borrowed(*text),
            None => Cow::Owned(coroutine::message(&payload).to_owned()),
        };
        Self { message, payload: Mutex::new(payload) }
    }

    /// What it said; a stand-in if its payload is not a text.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The payload, unchanged: for [`std::panic::resume_unwind`], or to be downcast.
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panic").field(&self.message).finish()
    }
}

/// Why a task has no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinError {
    /// It panicked, with this payload.
    Panicked(Panic),
    /// It was cancelled.
    Cancelled(CancelReason),
    /// It never ran, because there was no stack for it.
    NoStack(SpawnError),
}

impl JoinError {
    /// What the panic said, if it was one that said something.
    pub fn panic_message(&self) -> Option<&str> {
        match self {
            Self::Panicked(panic) => Some(panic.message()),
            _ => None,
        }
    }

    /// Why it was cancelled, if it was.
    pub fn reason(&self) -> Option<&CancelReason> {
        match self {
            Self::Cancelled(reason) => Some(reason),
            _ => None,
        }
    }
}

impl From<CancelReason> for JoinError {
    fn from(reason: CancelReason) -> Self {
        Self::Cancelled(reason)
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => write!(f, "the task panicked: {}", panic.message()),
            Self::Cancelled(reason) => match reason.kind() {
                CancelKind::Unwinding => {
                    write!(f, "not joined at {}: {}", reason.origin(), reason.message())
                }
                CancelKind::Scope => write!(f, "the task ended with its scope: {reason}"),
                _ => write!(f, "the task was cancelled: {reason}"),
            },
            Self::NoStack(error) => write!(f, "the task never ran: {error}"),
        }
    }
}

impl Error for JoinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoStack(error) => Some(error),
            _ => None,
        }
    }
}

/// What a task's body ended with, as its joiner sees it. The boundary is that of the whole task.
#[inline(always)]
pub(crate) fn outcome<T>(
    root: &'static Boundary,
    result: Result<T, Payload>,
) -> Result<T, JoinError> {
    match result {
        Ok(value) => Ok(value),
        Err(payload) => Err(failure(root, payload)),
    }
}

/// What a panic that left a task's body means.
#[cold]
#[inline(never)]
fn failure(root: &'static Boundary, payload: Payload) -> JoinError {
    if let Some(target) = root.outermost_cancelled() {
        if coroutine::is_signal(&payload, target.number()) {
            if let Some(reason) = target.reason() {
                coroutine::discard(payload);
                return JoinError::Cancelled(reason);
            }
        }
    }
    JoinError::Panicked(Panic::new(payload))
}

/// Why a task never ran, as its joiner sees it.
pub(crate) fn refused(refusal: Refusal) -> JoinError {
    match refusal {
        Refusal::Cancelled(reason) => JoinError::Cancelled(reason),
        Refusal::NoStack(error) => JoinError::NoStack(error),
    }
}

/// Drops what a task had captured or returned, where its destructor must not let a panic out.
pub(crate) fn drop_quietly<T>(what: &str, value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        if !coroutine::is_cancel(&*payload) {
            report::tell(
                ReportKind::LostPanic,
                format!("{what} panicked in its destructor: {}", coroutine::message(&payload)),
            );
        }
        coroutine::discard(payload);
    }
}

/// Disposes of a result that nobody joins.
pub(crate) fn unjoined<T>(described: &Described<'_>, result: Result<T, JoinError>) {
    match result {
        Ok(value) => drop_quietly("a task's result", value),
        Err(JoinError::Panicked(panic)) => {
            report::tell(
                ReportKind::TaskPanicked,
                format!("task {described} panicked, and nobody joined it: {}", panic.message()),
            );
            coroutine::discard(panic.into_payload());
        }
        Err(JoinError::NoStack(error)) => report::tell(
            ReportKind::TaskPanicked,
            format!("task {described} never ran, and nobody joined it: {error}"),
        ),
        Err(JoinError::Cancelled(_)) => {}
    }
}

/// What goes from a task to its joiner. Most have no error, so that is boxed.
pub(crate) type Joined<T> = Result<T, Box<JoinError>>;

impl From<CancelReason> for Box<JoinError> {
    fn from(reason: CancelReason) -> Self {
        Box::new(reason.into())
    }
}

/// What a spawned task runs.
pub(crate) struct Spawned<F, T> {
    /// The closure.
    pub(crate) f: F,
    /// Where its result goes.
    pub(crate) giver: Giver<Joined<T>, About>,
}

impl<T, F: FnOnce() -> T> Spawned<F, T> {
    /// Lets it go when there is not even a task for it.
    pub(super) fn refuse_unmade(self, reason: CancelReason) {
        drop_quietly("what was to be spawned", self.f);
        drop(self.giver.give(Err(reason.into())));
    }
}

impl<T, F: FnOnce() -> T> Job for Spawned<F, T> {
    #[inline(always)]
    fn run(self, task: &'static Task) {
        let result = catch_unwind(AssertUnwindSafe(self.f));
        give(task, self.giver, outcome(task.root(), result));
    }

    fn refuse(self, task: &'static Task, refusal: Refusal) {
        drop_quietly("what a task had captured", self.f);
        give(task, self.giver, Err(refused(refusal)));
    }
}

/// What a pool runs for a handle: see [`Errand`](crate::wait).
pub(crate) struct Posted<F>(
    /// The closure.
    pub(crate) F,
);

impl<T, F: FnOnce() -> T> Work for Posted<F> {
    type Given = Joined<T>;

    #[inline(always)]
    fn run(self, runs: Runs) -> Joined<T> {
        let result = catch_unwind(AssertUnwindSafe(self.0));
        outcome(runs.root(), result).map_err(Box::new)
    }

    fn refuse(self, refusal: Refusal, _: &Described<'_>) -> Joined<T> {
        drop_quietly("what a task had captured", self.0);
        Err(Box::new(refused(refusal)))
    }

    fn lost(reason: CancelReason) -> Joined<T> {
        Err(reason.into())
    }

    fn unwanted(given: Joined<T>, described: &Described<'_>) {
        unjoined(described, given.map_err(|error| *error));
    }
}

/// Hands a result over.
#[inline(always)]
fn give<T>(task: &'static Task, giver: Giver<Joined<T>, About>, result: Result<T, JoinError>) {
    task.set_ending(None);
    if let Some(result) = giver.give(result.map_err(Box::new)) {
        task.with_described(|described| unjoined(described, result.map_err(|error| *error)));
    }
}

/// A task's result, when it has one.
///
/// Dropping it detaches the task: it goes on, and what it returns is dropped. If it panics, that goes to
/// [`on_report`](crate::on_report) then.
///
/// It can be sent to other threads, and joined there, if the result can.
///
/// ```
/// segno::run(|| {
///     let sum = segno::spawn(|| (1..=4).sum::<u32>());
///     assert_eq!(sum.join().unwrap(), 10);
/// });
/// ```
#[must_use = "dropping it detaches the task; assign it to `_` if that is meant"]
pub struct JoinHandle<T> {
    /// Whose result it is; `None` once it was joined. Two words, because handles are kept and moved a lot.
    whose: Option<Whose<T>>,
}

/// Whose result a handle is for.
enum Whose<T> {
    /// That of a task of one loop: which one is noted there.
    Loop(Taker<Joined<T>, About>),
    /// That of a task of a pool, which may not have started it yet.
    Pool(Held<Joined<T>>),
}

/// Which task a handle is for.
pub(crate) struct About {
    /// The task.
    task: RemoteTask,
    /// Its name; boxed, because most have none.
    name: Option<Box<Cow<'static, str>>>,
    /// Where it was spawned.
    spawned_at: &'static Location<'static>,
}

impl About {
    /// This task.
    #[inline(always)]
    pub(super) fn new(
        task: RemoteTask,
        name: Option<Cow<'static, str>>,
        spawned_at: &'static Location<'static>,
    ) -> Self {
        Self { task, name: name.map(Box::new), spawned_at }
    }

    /// How messages name it.
    fn described(&self) -> Described<'_> {
        let name = self.name.as_ref().map(|name| &***name);
        Described { name, id: self.task.id(), spawned_at: self.spawned_at }
    }
}

/// Which task a taker is for.
#[inline(always)]
fn about<T>(taker: &Taker<Joined<T>, About>) -> &About {
    taker.label().expect("noted when the handle was made")
}

impl<T> JoinHandle<T> {
    /// The handle of a task of one loop.
    #[inline(always)]
    pub(crate) fn new(mut taker: Taker<Joined<T>, About>, about: About) -> Self {
        taker.note(about);
        Self { whose: Some(Whose::Loop(taker)) }
    }

    /// The handle of a task of a pool.
    #[inline(always)]
    pub(crate) fn of_pool(held: Held<Joined<T>>) -> Self {
        Self { whose: Some(Whose::Pool(held)) }
    }

    /// Whose result it is for.
    #[inline(always)]
    fn whose(&self) -> &Whose<T> {
        self.whose.as_ref().expect("it was not joined")
    }

    /// Waits until the task has ended, and gives what it returned.
    ///
    /// # Pausing
    /// In a task it pauses until the other one has ended, and not at all if it has ended already. If the
    /// joiner is cancelled meanwhile it unwinds, and the other task is detached. Outside a task it blocks
    /// the thread.
    ///
    /// # Errors
    /// When the task panicked, was cancelled, or could not be given a stack. Also `Cancelled` when the
    /// result is not there and nobody can wait: in a destructor while a panic unwinds, and in a cancelled
    /// task where nothing unwinds (`panic = "abort"`). The task is detached then.
    ///
    /// # Panics
    /// When it would wait for ever: a task that joins itself; a thread that joins a task of a loop of its
    /// own that nobody drives meanwhile.
    #[inline(always)]
    #[track_caller]
    pub fn join(mut self) -> Result<T, JoinError> {
        let at = Location::caller();
        match self.whose.take() {
            Some(Whose::Loop(taker)) => join_task(taker, at),
            Some(Whose::Pool(held)) => join_of_pool(held, at),
            None => unreachable!("joined once"),
        }
    }

    /// Panics if a wait for the task here would be for ever, as [`join`](Self::join) does. Counts a wait that another
    /// thread can end, as long as what it returns lives.
    pub(crate) fn is_to_be_waited_for(&self, at: &'static Location<'static>) -> Option<Outside> {
        if self.is_finished() {
            return None;
        }
        let task = Home::running_task();
        if task.is_some_and(|task| task.id() == self.id().0) {
            joins_itself(at);
        }
        match self.whose() {
            Whose::Loop(taker) => {
                let about = about(taker);
                if task.is_some_and(|task| task.home().id() == about.task.home()) {
                    return None;
                }
                refuse_own_loop(about, at);
                task.map(Task::waits_for_outside)
            }
            Whose::Pool(held) => {
                refuse_own_pool(held, at);
                task?.waits_for_crew(held.crew())
            }
        }
    }

    /// Has this task, or else this thread, woken when the task has ended, for those who wait for several things.
    /// False if it has.
    pub(crate) fn watch(&self, task: Option<&'static Task>) -> bool {
        match self.whose() {
            Whose::Loop(taker) => taker.watch(task),
            Whose::Pool(held) => held.watch(task),
        }
    }

    /// Takes that back.
    pub(crate) fn unwatch(&self) {
        match self.whose() {
            Whose::Loop(taker) => taker.unwatch(),
            Whose::Pool(held) => held.unwatch(),
        }
    }

    /// Cancels the task: it unwinds from the pause that it is in, or from its next one. Its joiner gets
    /// [`JoinError::Cancelled`] with this reason, unless the task ends in another way first.
    ///
    /// A task that never ran drops what it captured, and does not run. From another thread, this is a
    /// message to the task's loop. After the task's end it does nothing.
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<Cow<'static, str>>) {
        let reason = CancelReason::new(CancelKind::Requested, reason, Location::caller());
        let task = match self.whose() {
            Whose::Loop(taker) => about(taker).task,
            Whose::Pool(held) => return held.cancel(reason),
        };
        match Home::here().filter(|home| home.id() == task.home()) {
            Some(home) if task.here(home).is_some() => home.cancel_task(task, reason),
            // Elsewhere, or not made yet: this comes after the message that makes it.
            _ => {
                if let Some(inbox) = registry::find(task.home()) {
                    inbox.push(Message::Cancel(task, reason));
                }
            }
        }
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        match self.whose() {
            Whose::Loop(taker) => taker.is_ready(),
            Whose::Pool(held) => held.is_done(),
        }
    }

    /// How messages name it.
    fn described(&self) -> Described<'_> {
        match self.whose() {
            Whose::Loop(taker) => about(taker).described(),
            Whose::Pool(held) => held.described(),
        }
    }

    /// The task's number.
    pub fn id(&self) -> TaskId {
        TaskId(self.described().id)
    }

    /// The task's name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.described().name
    }
}

/// Joins a task of one loop.
#[inline(always)]
#[track_caller]
fn join_task<T>(
    mut taker: Taker<Joined<T>, About>,
    at: &'static Location<'static>,
) -> Result<T, JoinError> {
    match Home::running_task() {
        Some(task) => {
            if let Err(denied) = wait(&mut taker, task, at) {
                return match taker.is_ready() {
                    true => taker.take().map_err(|error| *error),
                    false => Err(not_waited(denied, at)),
                };
            }
        }
        None if taker.is_ready() => {}
        None => {
            refuse_own_loop(about(&taker), at);
            taker.block();
        }
    }
    taker.take().map_err(|error| *error)
}

/// Waits in a task for one of a loop.
#[inline(always)]
#[track_caller]
fn wait<T>(
    taker: &mut Taker<Joined<T>, About>,
    task: &'static Task,
    at: &'static Location<'static>,
) -> Result<(), Denied> {
    task.check(at)?;
    if taker.is_ready() {
        task.spend();
        return Ok(());
    }
    let subject = about(taker).task;
    if task.id() == subject.id() {
        joins_itself(at);
    }
    let other = Subject::task(subject.here(task.home()));
    let wait = Wait { what: &"join", at, subject: other };
    if subject.home() == task.home().id() {
        return taker.wait(task, wait);
    }
    refuse_own_loop(about(taker), at);
    let _outside = task.waits_for_outside();
    taker.wait(task, wait)
}

/// Joins a task of a pool.
#[inline(always)]
#[track_caller]
fn join_of_pool<T>(
    mut held: Held<Joined<T>>,
    at: &'static Location<'static>,
) -> Result<T, JoinError> {
    match Home::running_task() {
        Some(task) => {
            if let Err(denied) = wait_for_pool(&mut held, task, at) {
                return not_joined(held, denied, at);
            }
        }
        None if held.is_done() => {}
        None => {
            refuse_own_pool(&held, at);
            held.block();
        }
    }
    held.take().map_err(|error| *error)
}

/// Waits in a task for one of a pool. If nobody has started that, and it is the pool that the joiner's loop belongs to, it
/// runs next on this one.
#[inline(always)]
#[track_caller]
fn wait_for_pool<T>(
    held: &mut Held<Joined<T>>,
    task: &'static Task,
    at: &'static Location<'static>,
) -> Result<(), Denied> {
    task.check(at)?;
    if held.is_done() {
        task.spend();
        return Ok(());
    }
    if task.id() == held.id() {
        joins_itself(at);
    }
    let wait = Wait { what: &"join", at, subject: Subject::NONE };
    if held.is_unstarted() && held.crew() == task.home().crew() {
        if let Some(waited) = held.run_next(task, wait) {
            return waited;
        }
    }
    held.wait(task, wait)
}

/// There could be no wait for a task of a pool.
#[cold]
pub(crate) fn not_joined<T>(
    held: Held<Joined<T>>,
    denied: Denied,
    at: &'static Location<'static>,
) -> Result<T, JoinError> {
    if held.is_done() { held.take().map_err(|error| *error) } else { Err(not_waited(denied, at)) }
}

/// Panics if this thread would wait for what only itself can do.
#[cold]
fn refuse_own_loop(about: &About, at: &'static Location<'static>) {
    let own = registry::find(about.task.home())
        .is_some_and(|inbox| inbox.thread().id() == thread::current().id());
    assert!(
        !own,
        "task {} was joined at {at} on the thread of its own loop, which does not run: nobody would \
         drive it; join it inside `EventLoop::run`, or call `turn` until it has ended",
        about.described()
    );
}

/// The same for one of a pool.
#[cold]
fn refuse_own_pool<G>(held: &Held<G>, at: &'static Location<'static>) {
    let own = Home::here().is_some_and(|home| home.crew() == held.crew());
    assert!(
        !own || Home::running_task().is_some(),
        "task {} was joined at {at} on the own stack of one of its pool's loops: nobody would run that loop meanwhile; \
         join it in a task",
        held.described()
    );
}

/// What a joiner gets that could not wait.
#[cold]
pub(crate) fn not_waited(denied: Denied, at: &'static Location<'static>) -> JoinError {
    let (kind, message) = match denied {
        Denied::Unwinding => (CancelKind::Unwinding, "nobody can wait while a panic unwinds"),
        Denied::Cancelled => (CancelKind::Requested, "the joiner was cancelled"),
    };
    JoinError::Cancelled(CancelReason::new(kind, message, at))
}

/// A task joins itself.
#[cold]
#[inline(never)]
pub(crate) fn joins_itself(at: &'static Location<'static>) -> ! {
    panic!("a task joins itself at {at}: it would wait for ever");
}

impl<T> Drop for JoinHandle<T> {
    #[inline]
    fn drop(&mut self) {
        // What a pool has of it goes by itself.
        if let Some(Whose::Loop(taker)) = self.whose.take() {
            if let Some((result, Some(about))) = taker.leave() {
                unjoined(&about.described(), result.map_err(|error| *error));
            }
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
