//! A loop's handle for other threads.

use std::error::Error;
use std::fmt;
use std::panic::Location;

use super::join::{About, JoinHandle, Spawned};
use crate::model::sync::Arc;
use crate::task::{
    CancelKind, CancelReason, Counted, Home, Inbox, Making, Message, RemoteTask, make_static,
};
use crate::wait::labelled_gate;

/// The loop has ended: what was to run there was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopClosed;

impl fmt::Display for LoopClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event loop has ended")
    }
}

impl Error for LoopClosed {}

/// Reaches an event loop from other threads: gives it work, stops it.
///
/// It does not keep the loop alive. From [`EventLoop::handle`](crate::EventLoop::handle), or inside a task
/// from [`handle`].
///
/// ```
/// let answer = segno::run(|| {
///     let events = segno::handle();
///     let other = std::thread::spawn(move || {
///         // This closure runs on the loop's thread, in a task of its own.
///         let task = events.spawn(|| 6 * 7).unwrap();
///         task.join().unwrap()
///     });
///     while !other.is_finished() {
///         segno::sleep(std::time::Duration::from_millis(1));
///     }
///     other.join().unwrap()
/// });
/// assert_eq!(answer, 42);
/// ```
#[derive(Clone)]
pub struct LoopHandle {
    /// What other threads see of the loop.
    inbox: Arc<Inbox>,
    /// The loop's number.
    home: u64,
}

impl LoopHandle {
    /// The handle of the loop with this inbox and number.
    pub(super) fn new(inbox: Arc<Inbox>, home: u64) -> Self {
        Self { inbox, home }
    }

    /// Runs a closure on the loop, in a task of its own that nobody joins: if it panics, that goes to
    /// [`on_report`](crate::on_report).
    ///
    /// # Errors
    /// When the loop has ended. The closure is dropped.
    #[track_caller]
    pub fn post(&self, f: impl FnOnce() + Send + 'static) -> Result<(), LoopClosed> {
        self.spawn(f).map(drop)
    }

    /// Spawns a task on the loop. If the loop ends before the task has run, its joiner gets
    /// [`JoinError::Cancelled`](crate::JoinError::Cancelled).
    ///
    /// # Errors
    /// When the loop has ended. The closure is dropped.
    #[track_caller]
    pub fn spawn<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, LoopClosed> {
        let spawned_at = Location::caller();
        let task = RemoteTask::posted(self.home);
        // It is given here if the loop has ended.
        let (giver, taker) = labelled_gate(0);
        let posted = self.inbox.post(Spawned { f, giver }, |job| {
            Message::Post(Box::new(move |home| start(job, home, task, spawned_at)))
        });
        match posted {
            Ok(()) => Ok(JoinHandle::new(taker, About::new(task, None, spawned_at))),
            Err(job) => {
                job.refuse_unmade(closed(spawned_at));
                Err(LoopClosed)
            }
        }
    }

    /// Cancels the closure that [`run`](crate::EventLoop::run) runs; when that has ended, `run` gives
    /// [`RunError::Stopped`](crate::RunError::Stopped). If no closure runs now, the next one is stopped before it
    /// begins. Other tasks stay: [`shutdown`](crate::EventLoop::shutdown) ends them, and answers who joins them.
    #[track_caller]
    pub fn stop(&self) {
        self.inbox.push(Message::Stop(Location::caller()));
    }

    /// Whether the loop still takes work.
    pub fn is_open(&self) -> bool {
        self.inbox.is_open()
    }
}

/// Makes a task of what was posted, on the loop's own thread; lets it go if the loop has ended.
fn start<T: 'static, F: FnOnce() -> T + 'static>(
    job: Spawned<F, T>,
    home: Option<&'static Home>,
    task: RemoteTask,
    spawned_at: &'static Location<'static>,
) {
    let Some(home) = home else { return job.refuse_unmade(closed(spawned_at)) };
    let ending = job.giver.ending();
    let making = Making { request: home.request(), name: None, spawned_at, id: task.id() };
    let task = make_static(home, job, making);
    task.set_ending(Some(ending));
    task.enqueue();
}

/// Why what was posted never ran.
fn closed(at: &'static Location<'static>) -> CancelReason {
    CancelReason::new(CancelKind::Shutdown, "the event loop has ended", at)
}

/// The handle of the current task's loop.
///
/// # Panics
/// Outside a task.
#[track_caller]
pub fn handle() -> LoopHandle {
    let home = Home::current_task("a loop's handle").home();
    LoopHandle::new(home.inbox(), home.id())
}

/// Says that something outside the loop will wake one of its tasks: see [`external`].
pub struct External {
    /// Counts it.
    _counted: Counted,
}

/// Tells the current task's loop that something outside will wake it, as long as the guard lives: a
/// virtual clock does not jump meanwhile, and a standstill is no deadlock.
///
/// The guard may be sent to the thread that does the waking.
///
/// ```
/// use segno::{Clock, EventLoop};
/// use std::sync::mpsc;
///
/// let mut events = EventLoop::builder().clock(Clock::virtual_time()).build();
/// let sum = events.run(|| {
///     let (sender, receiver) = mpsc::channel();
///     let (guard, waker) = (segno::external(), segno::waker());
///     std::thread::spawn(move || {
///         sender.send((1..=1000).sum::<u64>()).unwrap();
///         waker.wake();
///         drop(guard);
///     });
///     loop {
///         match receiver.try_recv() {
///             Ok(sum) => break sum,
///             Err(_) => segno::pause(),
///         }
///     }
/// });
/// assert_eq!(sum.unwrap(), 500_500);
/// ```
///
/// # Panics
/// Outside a task.
#[track_caller]
#[must_use = "it counts as long as it lives"]
pub fn external() -> External {
    let home = Home::current_task("`external`").home();
    External { _counted: Counted::external(home.inbox()) }
}

impl fmt::Debug for LoopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopHandle").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("External").finish_non_exhaustive()
    }
}
