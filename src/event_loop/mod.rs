//! One thread's loop: takes what is ready, resumes it, and sleeps when there is nothing to do.
//!
//! | file | what |
//! |---|---|
//! | `registry` | loops by their numbers |
//! | `join` | results, and who waits for them |
//! | `spawn` | making tasks |
//! | `deadlock` | what to say when nothing can go on |
//! | `watchdog` | who keeps the loop for too long |
//! | `builder` | how a loop is to be |
//! | `handle` | a loop as other threads know it |
//! | `duty` | what a loop of a pool does besides |
//! | `drive` | the loop itself |

mod registry;
mod join;
mod spawn;
mod deadlock;
mod watchdog;
mod builder;
mod handle;
mod duty;
mod drive;

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::thread;
use std::time::Instant;

pub use builder::LoopBuilder;
pub(crate) use deadlock::listed;
pub use deadlock::{DeadlockReport, RunError, StuckTask};
pub use handle::{External, LoopClosed, LoopHandle, external, handle};
pub use join::{JoinError, JoinHandle, Panic};
pub use spawn::{TaskBuilder, spawn, task};

pub(crate) use join::{
    Joined, Posted, drop_quietly, joins_itself, not_joined, not_waited, outcome, refused,
};
pub(crate) use spawn::Wishes;

use self::drive::{Patience, Until};
use self::duty::Duty;
use self::watchdog::Watchdog;
use crate::coroutine::{self, OpenFrame, Payload};
use crate::model::sync::Arc;
use crate::report::{self, ReportKind};
use crate::task::{
    CancelKind, CancelReason, Home, Inbox, Job, Kind, Making, Message, Refusal, RemoteTask, Source,
    Task, lend,
};

/// Runs a closure as a task of a new event loop on this thread, and returns what it returns.
///
/// Inside it, [`spawn`], [`scope`](crate::scope), [`sleep`](crate::sleep) and everything else that needs a
/// loop works. The closure may borrow from the caller. When it returns, tasks that it left behind are
/// cancelled, and have ended before this returns.
///
/// This is [`EventLoop::new`], [`EventLoop::run`] and [`EventLoop::shutdown`]; use those for another clock,
/// or to drive the loop from a loop of your own.
///
/// # Panics
/// A panic of the closure comes out unchanged. Also inside a task, and while a panic unwinds; when the loop
/// is [stopped](LoopHandle::stop) before the closure has returned, since there is nothing to return then.
///
/// ```
/// let words = vec!["dal".to_owned(), "segno".to_owned()];
/// let letters = segno::run(|| {
///     segno::scope(|s| {
///         let counts = words.iter().map(|word| s.spawn(|| word.len())).collect::<Vec<_>>();
///         counts.into_iter().map(|count| count.join().unwrap()).sum::<usize>()
///     })
/// });
/// assert_eq!(letters, 8);
/// ```
#[track_caller]
pub fn run<T>(f: impl FnOnce() -> T) -> T {
    let at = Location::caller();
    refuse_here("run", at);
    let mut events = EventLoop::new();
    let result = catch_unwind(AssertUnwindSafe(|| events.run_at("run", at, f)));
    events.shutdown();
    match result {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => panic!("`segno::run` at {at} has nothing to return: {error}"),
        Err(payload) => resume_unwind(payload),
    }
}

/// An event loop: it owns tasks of this thread, and gives each its turn.
///
/// Tasks that are ready run in the order in which they became so. When none is, the loop sleeps in the
/// operating system until the nearest deadline, or until another thread wakes one of them.
///
/// # Inside somebody else's loop
/// [`turn`](Self::turn) never sleeps, [`next_deadline`](Self::next_deadline) says when it is worth another
/// call, and [`LoopBuilder::on_wake`] tells when something else happened.
///
/// # Dropping
/// As [`shutdown`](Self::shutdown), which see. Where that is impossible (while a panic unwinds, inside a
/// task) a loop that still has tasks is left as it is, for ever, with a report. A loop that is forgotten
/// leaks its tasks, and nothing else happens.
///
/// ```
/// use segno::EventLoop;
///
/// let mut events = EventLoop::new();
/// let task = events.spawn(|| segno::current().id());
/// let id = task.id();
/// assert_eq!(events.run(|| task.join().unwrap()).unwrap(), id);
/// ```
pub struct EventLoop {
    /// What its tasks share; `None` once it has ended.
    home: Option<&'static Home>,
    /// What other threads see of it.
    inbox: Arc<Inbox>,
    /// Its name.
    name: Option<Cow<'static, str>>,
    /// Its watchdog.
    watch: Option<Watchdog>,
    /// The task of the closure that `run` runs now.
    running: Cell<Option<RemoteTask>>,
    /// Where the loop was stopped when no closure ran.
    stop_next: Cell<Option<&'static Location<'static>>>,
    /// Whether it has said for whom it waits, although it is to end.
    said: Cell<bool>,
    /// The most tasks since stacks were trimmed last.
    most: Cell<usize>,
    /// Whether a task may have ended since it was last asked whether the loop is driven further.
    ended: Cell<bool>,
    /// After how many resumes the clock is looked at again.
    pace: Cell<usize>,
    /// When it was looked at last; `u64::MAX` if the loop has slept since.
    looked: Cell<u64>,
    /// What it does for its pool, if it belongs to one.
    duty: Duty,
    /// It stays on its thread.
    thread: PhantomData<*mut ()>,
}

/// So many stacks more than there are tasks are worth a system call or two when the loop goes to sleep.
const CROWD: usize = 64;

/// What `run` runs.
struct Main<'a, F, T> {
    /// The closure.
    f: F,
    /// Where its result goes.
    result: &'a Cell<Option<Result<T, Failure>>>,
}

/// How the closure of `run` failed.
enum Failure {
    /// It panicked.
    Panicked(Payload),
    /// It was cancelled.
    Cancelled,
    /// It had no stack.
    Refused(join::JoinError),
}

impl<T, F: FnOnce() -> T> Job for Main<'_, F, T> {
    fn run(self, task: &'static Task) {
        let Self { f, result } = self;
        let ended = catch_unwind(AssertUnwindSafe(f));
        result.set(Some(outcome(task.root(), ended).map_err(|error| match error {
            JoinError::Panicked(panic) => Failure::Panicked(panic.into_payload()),
            _ => Failure::Cancelled,
        })));
    }

    fn refuse(self, _: &'static Task, refusal: Refusal) {
        drop_quietly("what the closure of `run` had captured", self.f);
        self.result.set(Some(Err(match refusal {
            Refusal::Cancelled(_) => Failure::Cancelled,
            Refusal::NoStack(_) => Failure::Refused(refused(refusal)),
        })));
    }
}

impl EventLoop {
    /// A loop by the system's clock, first come, first served, without a watchdog.
    #[track_caller]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A loop to one's own wishes.
    pub fn builder() -> LoopBuilder {
        LoopBuilder::new()
    }

    /// Puts a loop together.
    fn new_on(
        home: &'static Home,
        inbox: Arc<Inbox>,
        name: Option<Cow<'static, str>>,
        watch: Option<Watchdog>,
    ) -> Self {
        registry::add(home.id(), inbox.clone());
        Self {
            home: Some(home),
            inbox,
            name,
            watch,
            running: Cell::new(None),
            stop_next: Cell::new(None),
            said: Cell::new(false),
            most: Cell::new(0),
            pace: Cell::new(1),
            ended: Cell::new(true),
            looked: Cell::new(u64::MAX),
            duty: Duty::new(),
            thread: PhantomData,
        }
    }

    /// What its tasks share.
    #[inline(always)]
    pub(crate) fn home(&self) -> &'static Home {
        self.home.expect("a loop that has not ended has a home")
    }

    /// What other threads see of it.
    #[inline(always)]
    fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Its watchdog.
    #[inline(always)]
    fn watch(&self) -> Option<&Watchdog> {
        self.watch.as_ref()
    }

    /// Gives memory back, if a crowd has gone since the last time.
    fn trim(&self) {
        let tasks = self.home().tasks();
        if self.most.get() > 2 * tasks + CROWD {
            self.most.set(tasks);
            self.home().end_spares();
            crate::stacks::trim();
        }
    }

    /// Cancels the closure of `run`; if none runs, that of the next one.
    fn stop_running(&self, at: &'static Location<'static>) {
        let running = self.running.get().and_then(|task| task.here(self.home()));
        let Some(task) = running else { return self.stop_next.set(Some(at)) };
        let reason = CancelReason::new(CancelKind::Stopped, "its event loop was stopped", at);
        task.root().cancel(reason);
    }

    /// Runs a closure in a task, until that has ended. Other tasks have their turns meanwhile, and stay for
    /// the next call.
    ///
    /// # Errors
    /// [`RunError::Deadlock`] when the clock is a virtual one and nothing can ever go on; all tasks were
    /// cancelled then, and have ended. [`RunError::Stopped`] when the loop was stopped before the closure
    /// returned.
    ///
    /// # Panics
    /// A panic of the closure comes out unchanged. Also inside a task or one of the loop's own turns, while
    /// a panic unwinds, and when there is no stack.
    #[track_caller]
    pub fn run<T>(&mut self, f: impl FnOnce() -> T) -> Result<T, RunError> {
        self.run_at("EventLoop::run", Location::caller(), f)
    }

    /// Runs a closure in a task.
    fn run_at<T>(
        &mut self,
        what: &'static str,
        at: &'static Location<'static>,
        f: impl FnOnce() -> T,
    ) -> Result<T, RunError> {
        let _entered = self.enter(what, at);
        let this = &*self;
        let home = this.home();
        let (result, deadlock) = (Cell::new(None), Cell::new(None));
        let boundary = home.take_boundary();
        boundary.open(Kind::Scope, home.new_serial(), None, Some(home.root()));
        let (lent, _) = lend(
            home,
            boundary,
            || CancelReason::new(CancelKind::Scope, "its loop failed", at),
            || deadlock.set(this.drive(Patience::Endless, Until::Empty(boundary))),
            |scope| {
                let making = Making {
                    request: home.request(),
                    name: Some(Cow::Borrowed("run")),
                    spawned_at: at,
                    id: 0,
                };
                let task = scope.make(Main { f, result: &result }, making);
                this.running.set(Some(RemoteTask::new(task)));
                task.enqueue();
                if let Some(at) = this.stop_next.take() {
                    this.stop_running(at);
                }
            },
        );
        this.running.set(None);
        boundary.close();
        home.free_boundary(boundary);
        if let Err(payload) = lent {
            resume_unwind(payload);
        }
        if let Some(report) = deadlock.take() {
            // What the closure made of its cancellation is no result.
            match result.take() {
                Some(Ok(value)) => drop_quietly("what a deadlocked closure returned", value),
                Some(Err(Failure::Panicked(payload))) => lost(payload),
                Some(Err(Failure::Cancelled | Failure::Refused(_))) | None => {}
            }
            return Err(RunError::Deadlock(report));
        }
        match result.take() {
            Some(Ok(value)) => Ok(value),
            Some(Err(Failure::Panicked(payload))) => resume_unwind(payload),
            Some(Err(Failure::Refused(error))) => {
                panic!("no task for the closure of `{what}` at {at}: {error}")
            }
            Some(Err(Failure::Cancelled)) | None => Err(RunError::Stopped),
        }
    }

    /// Spawns a task. It runs when the loop does.
    #[track_caller]
    pub fn spawn<T: 'static>(&self, f: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
        spawn::spawn_on(self.home(), f, Location::caller())
    }

    /// A task with a name, to be spawned on this loop.
    pub fn task(&self, name: impl Into<Cow<'static, str>>) -> TaskBuilder<'_> {
        TaskBuilder::new(self.home(), name.into())
    }

    /// Resumes each task that is ready now, once; reads what other threads have to say, and wakes those
    /// whose time has come. Never sleeps. Returns whether there is more to do at once.
    ///
    /// # Panics
    /// Inside a task or one of the loop's own turns; while a panic unwinds.
    #[track_caller]
    pub fn turn(&mut self) -> bool {
        let _entered = self.enter("EventLoop::turn", Location::caller());
        self.rounds(Until::Once);
        let home = self.home();
        !home.ready.is_empty()
            || self.inbox.has_mail()
            || home.nearest().is_some_and(|deadline| deadline <= home.time.now())
    }

    /// Makes turns until there is nothing to do at once. Never sleeps, and a virtual clock does not jump.
    ///
    /// A task that always has something to do keeps this from returning.
    ///
    /// # Panics
    /// As [`turn`](Self::turn).
    #[track_caller]
    pub fn run_until_idle(&mut self) {
        while self.turn() {}
    }

    /// When the next sleeper is to be woken: a foreign loop calls [`turn`](Self::turn) then. `None` if
    /// nobody sleeps.
    pub fn next_deadline(&self) -> Option<Instant> {
        let home = self.home();
        home.nearest().map(|deadline| home.time.instant(deadline))
    }

    /// What time it is on this loop.
    pub fn now(&self) -> Instant {
        let time = &self.home().time;
        time.instant(time.now())
    }

    /// Its handle, for other threads.
    pub fn handle(&self) -> LoopHandle {
        LoopHandle::new(self.inbox.clone(), self.home().id())
    }

    /// Tasks that have not ended.
    pub fn tasks(&self) -> usize {
        self.home().tasks()
    }

    /// Cancels all tasks, drives them until they have ended, and drops the loop.
    ///
    /// Tasks may still sleep and wait for each other in their clean-up. One that will not end (it swallows
    /// its cancellation 64 times, or waits behind a [`shield`](crate::shield) for what never comes) is given
    /// up: reported, and its stack leaked.
    ///
    /// # Panics
    /// As [`turn`](Self::turn).
    #[track_caller]
    pub fn shutdown(mut self) {
        let entered = self.enter("EventLoop::shutdown", Location::caller());
        self.drain(Location::caller());
        drop(entered);
        self.close();
    }

    /// Cancels all tasks and drives them until they have ended.
    fn drain(&self, at: &'static Location<'static>) {
        self.cancel_all_for("its event loop was shut down", at);
        self.drive(Patience::Draining, Until::Alone);
        self.refuse_posted();
    }

    /// Cancels all tasks that belong to the loop.
    fn cancel_all_for(&self, why: &'static str, at: &'static Location<'static>) {
        self.home().root().cancel(CancelReason::new(CancelKind::Shutdown, why, at));
    }

    /// Runs as one loop of many, which get their work from there, until all are to end. Then its tasks are cancelled,
    /// and have ended when this returns.
    pub(crate) fn serve(mut self, source: Rc<dyn Source>, at: &'static Location<'static>) {
        let entered = self.enter("a pool", at);
        let home = self.home();
        home.set_source(source);
        self.drive(Patience::Endless, Until::Closing);
        self.cancel_all_for("its pool was shut down", at);
        loop {
            self.drive(Patience::Draining, Until::Alone);
            // What it has queued, or the others: those may have ended already.
            if self.duty.begins(home) == 0 {
                break;
            }
        }
        self.refuse_posted();
        drop(entered);
        self.close();
    }

    /// Takes nothing any more, and lets go of what other threads have posted.
    fn refuse_posted(&self) {
        self.inbox.close();
        self.inbox.read(usize::MAX, |message| {
            if let Message::Post(make) = message {
                make(None);
            }
        });
    }

    /// Leaves home and number to nobody and the next one.
    fn close(&mut self) {
        if let Some(home) = self.home.take() {
            registry::remove(home.id());
            self.watch = None;
            home.give_back();
        }
    }

    /// Checks that the loop may run here, and begins.
    fn enter(&self, what: &'static str, at: &'static Location<'static>) -> Running {
        let home = self.home();
        assert!(
            !home.is_turning(),
            "`{what}` at {at} inside one of the loop's own turns: a loop cannot run itself"
        );
        refuse_here(what, at);
        let open = OpenFrame::open(what, at);
        home.set_turning(true);
        Running { home, before: home.arrive(), _open: open }
    }

    /// Whether the loop could run here.
    fn may_run(&self) -> bool {
        !thread::panicking() && Home::here().is_none() && !self.home().is_turning()
    }
}

/// Panics where no loop may run.
fn refuse_here(what: &str, at: &'static Location<'static>) {
    if thread::panicking() {
        let message = format!("`{what}` at {at} while a panic unwinds: its frame could not wait");
        report::tell(ReportKind::Abort, message.clone());
        panic!("{message}");
    }
    assert!(
        Home::here().is_none(),
        "`{what}` at {at} inside a task: a thread runs one loop at a time; spawn a task instead"
    );
}

/// Reports a panic of a closure that was cancelled because of a deadlock.
#[cold]
fn lost(payload: Payload) {
    report::tell(
        ReportKind::LostPanic,
        format!(
            "the closure of `run` was cancelled and panicked: {}",
            coroutine::message(&payload)
        ),
    );
    coroutine::discard(payload);
}

/// A loop that runs.
struct Running {
    /// Its home.
    home: &'static Home,
    /// The thread's word before.
    before: *const (),
    /// Keeps bare coroutines from pausing in the middle of it.
    _open: OpenFrame,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.home.set_turning(false);
        Home::leave(self.before);
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        let Some(home) = self.home else { return };
        if home.tasks() > 0 || home.is_turning() {
            if !self.may_run() {
                report::tell(
                    ReportKind::LoopLeaked,
                    format!(
                        "an event loop{} was dropped {}, and its tasks ({}) stay as they are",
                        self.name.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default(),
                        home.tasks(),
                        if thread::panicking() { "while a panic unwinds" } else { "inside a task" },
                    ),
                );
                self.refuse_posted();
                return;
            }
            let at = Location::caller();
            let entered = self.enter("drop of an EventLoop", at);
            self.drain(at);
            drop(entered);
        } else {
            self.refuse_posted();
        }
        self.close();
    }
}

impl Default for EventLoop {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop")
            .field("name", &self.name)
            .field("tasks", &self.tasks())
            .finish_non_exhaustive()
    }
}
