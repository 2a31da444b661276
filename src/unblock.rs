//! Closures that block, on threads of their own, while only the task that asks waits.
//!
//! ```text
//!   task: lends its frame --> queue --> a thread runs the closure --> says so --> the task goes on
//!                               '-- no thread is idle and there are fewer than the limit: one more
//! ```
//!
//! Threads are made when the first closure comes that finds none idle, and one that has been idle for ten seconds
//! ends. Closures begin in the order in which they came.
//!
//! The closure may borrow, because the frame that it borrows from waits until it has returned, whatever is
//! cancelled meanwhile. The threads are the process's, not a loop's.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::erase::{Lent, while_lent};
use crate::task::{Counted, Home, Subject, Task, Wait};
use crate::wait::{Giver, gate};

/// How many threads there may be, unless [`set_limit`] says otherwise: most of them wait for a disk or a network.
const LIMIT: usize = 64;
/// How long a thread stays that has nothing to do.
const IDLE: Duration = Duration::from_secs(10);

/// Runs a closure on a thread where it may block, and gives what it returns. Meanwhile the other tasks of the loop go
/// on.
///
/// For files, name look-ups, whatever else blocks in the system, and for long computations. The closure may borrow,
/// but runs on another thread, so what it refers to has to be `Send`.
///
/// # Pausing
/// Pauses until the closure has returned, also if the task is cancelled meanwhile: its frame is lent. The
/// cancellation unwinds at the next pause. A task that is cancelled already unwinds, and the closure is dropped. A
/// loop that ends waits for closures that run.
///
/// Outside a task, while a panic or a cancellation unwinds, and when the system gives no thread at all, the closure
/// runs here, and blocks the thread.
///
/// A [virtual clock](crate::Clock::virtual_time) waits for it, too.
///
/// The closure is in no task: it has no task-locals, and what waits in there blocks its thread.
///
/// # Panics
/// A panic of the closure comes out unchanged. Where a pause is refused (see [`no_pause`](crate::no_pause)); nothing has
/// begun then.
///
/// ```
/// let name = String::from("Cargo.toml");
/// let lines = segno::run(|| {
///     segno::unblock(|| std::fs::read_to_string(&name).map(|text| text.lines().count()))
/// });
/// assert!(lines.unwrap() > 10);
/// ```
#[track_caller]
pub fn unblock<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    let at = Location::caller();
    match Home::running_task() {
        Some(task) if !thread::panicking() => unblock_in(task, f, at),
        _ => f(),
    }
}

/// Runs a closure elsewhere while a task waits.
#[track_caller]
fn unblock_in<T: Send>(
    task: &'static Task,
    f: impl FnOnce() -> T + Send,
    at: &'static Location<'static>,
) -> T {
    // Before anything is lent: a frame that could not wait must not lend.
    let _ = task.check(at);
    task.check_place();
    let mut result = None;
    let job = Box::new(|| result = Some(catch_unwind(AssertUnwindSafe(f))));
    while_lent("a closure that blocks", job, |lent| {
        let (giver, mut taker) = gate();
        let external = Counted::external(task.home().inbox());
        submit(Work { lent, giver, _external: external });
        taker.wait_shielded(task, Wait { what: &"unblock", at, subject: Subject::NONE });
        taker.take();
    });
    match result {
        Some(Ok(value)) => value,
        Some(Err(payload)) => resume_unwind(payload),
        None => unreachable!("it has run"),
    }
}

/// How many threads [`unblock`] may have, in the whole process; 64 unless told otherwise, and one at least. Closures
/// beyond that wait for their turn. Threads that are too many end after the closure that they run.
///
/// Closures that wait for each other need as many threads as there are of them.
pub fn set_limit(threads: usize) {
    let mut crew = crew();
    crew.limit = threads.max(1);
    let more = crew.queue.len();
    drop(crew);
    // Those that are too many may go now.
    NEWS.notify_all();
    // Those that wait may have threads now.
    for _ in 0..more {
        hire();
    }
}

/// What the threads of [`unblock`] are doing, in the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Threads that there are.
    pub threads: usize,
    /// Those of them that have nothing to do.
    pub idle: usize,
    /// Closures that wait for a thread.
    pub waiting: usize,
    /// How many threads there may be.
    pub limit: usize,
}

/// What the threads are doing.
pub fn stats() -> Stats {
    let crew = crew();
    Stats { threads: crew.threads, idle: crew.idle, waiting: crew.queue.len(), limit: crew.limit }
}

/// A closure to be run, and whom to tell.
struct Work {
    /// The closure.
    lent: Lent,
    /// Where the task waits.
    giver: Giver<()>,
    /// The virtual clock stands still meanwhile, and nobody takes this for a deadlock. Not in the task's frame: if that
    /// is given up it stays as it is.
    _external: Counted,
}

impl Work {
    /// Runs it. It lets no panic out.
    fn run(self) {
        self.lent.run();
        // From here on nothing of the frame that lent it is touched.
        self.giver.give(());
    }
}

/// The threads.
struct Crew {
    /// Closures that no thread has taken yet.
    queue: VecDeque<Work>,
    /// Threads that there are.
    threads: usize,
    /// Those that have nothing to do.
    idle: usize,
    /// How many there may be.
    limit: usize,
}

/// See [`Crew`].
static CREW: Mutex<Crew> =
    Mutex::new(Crew { queue: VecDeque::new(), threads: 0, idle: 0, limit: LIMIT });
/// Something has been put into the queue.
static NEWS: Condvar = Condvar::new();

/// The threads. No code of users runs while this is held.
fn crew() -> MutexGuard<'static, Crew> {
    CREW.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has a thread run this.
fn submit(work: Work) {
    let mut crew = crew();
    crew.queue.push_back(work);
    let waiting = crew.queue.len();
    let enough = crew.idle >= waiting;
    drop(crew);
    if enough {
        NEWS.notify_one();
    } else {
        hire();
    }
}

/// Makes one more thread, if there may be one. If there is none at all and the system gives none, what waits is run
/// here.
fn hire() {
    let mut crew = crew();
    if crew.threads >= crew.limit {
        return;
    }
    crew.threads += 1;
    drop(crew);
    let thread = thread::Builder::new().name("segno-unblock".to_owned()).spawn(work);
    if thread.is_err() {
        let mut crew = self::crew();
        crew.threads -= 1;
        // If nobody else is there to do it, all that waits is done here.
        while let Some(work) = if crew.threads == 0 { crew.queue.pop_front() } else { None } {
            drop(crew);
            work.run();
            crew = self::crew();
        }
    }
}

/// What a thread does: one closure after the other, until there has been none for some time.
fn work() {
    let mut crew = crew();
    while crew.threads <= crew.limit {
        if let Some(work) = crew.queue.pop_front() {
            drop(crew);
            work.run();
            crew = self::crew();
            continue;
        }
        crew.idle += 1;
        let (woken, waited) = NEWS.wait_timeout(crew, IDLE).unwrap_or_else(PoisonError::into_inner);
        crew = woken;
        crew.idle -= 1;
        if waited.timed_out() && crew.queue.is_empty() {
            break;
        }
    }
    crew.threads -= 1;
    drop(crew);
    // It may have been told of something that it did not take.
    NEWS.notify_one();
}
