//! How a pool is to be, and how its threads begin.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::num::NonZero;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::thread;
use std::time::Duration;

use crossbeam_deque::Worker as Deque;

use super::Pool;
use super::shared::Shared;
use super::worker::Worker;
use crate::event_loop::EventLoop;
use crate::stacks::{Request, SpawnError};
use crate::task::{Unstarted, View};

/// How a pool is to be: from [`Pool::builder`].
///
/// ```
/// use segno::Pool;
///
/// let pool = Pool::builder().threads(2).name("mill").stack_size(48 * 1024).build()?;
/// assert_eq!(pool.threads(), 2);
/// assert_eq!(pool.run(|| std::thread::current().name().map(str::len)), Some("mill-0".len()));
/// # Ok::<(), segno::pool::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PoolBuilder {
    /// How many threads; as many as the system can run at once, if it was not said.
    threads: Option<usize>,
    /// What they are called.
    name: Cow<'static, str>,
    /// Bytes of frames.
    stack_size: Option<usize>,
    /// Operations between two pauses.
    budget: Option<u32>,
    /// How long a task may keep its loop.
    limit: Option<Duration>,
}

/// Why there is no pool.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// A pool without threads was asked for.
    NoThreads,
    /// The stack size makes no sense.
    Stack(SpawnError),
    /// The system gave no thread. Those that it had given have ended.
    Thread(io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoThreads => f.write_str("a pool needs at least one thread"),
            Self::Stack(error) => write!(f, "no pool with such stacks: {error}"),
            Self::Thread(error) => write!(f, "the system gave no thread for a pool: {error}"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoThreads => None,
            Self::Stack(error) => Some(error),
            Self::Thread(error) => Some(error),
        }
    }
}

impl PoolBuilder {
    /// The defaults.
    pub(super) fn new() -> Self {
        Self {
            threads: None,
            name: Cow::Borrowed("pool"),
            stack_size: None,
            budget: None,
            limit: None,
        }
    }

    /// How many threads; as many as the system can run at once
    /// ([`available_parallelism`](std::thread::available_parallelism)) unless told otherwise.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Names the pool, for messages, and its threads: `name-0`, `name-1` and so on. `pool`, unless told otherwise.
    ///
    /// As with [`std::thread::Builder::name`], [`build`](Self::build) panics if there is a null byte in it.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Bytes of frames that a task gets unless it asks for another size; 240 KiB, unless told otherwise. See
    /// [`Builder::stack_size`](crate::Builder::stack_size).
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// As [`LoopBuilder::budget`](crate::LoopBuilder::budget), for each of the loops.
    pub fn budget(mut self, operations: u32) -> Self {
        self.budget = Some(operations);
        self
    }

    /// As [`LoopBuilder::watchdog`](crate::LoopBuilder::watchdog), for each of the loops.
    pub fn watchdog(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Makes the pool, and starts its threads.
    ///
    /// # Errors
    /// When there are to be no threads, or the system gives none; when the stack size makes no sense.
    #[track_caller]
    pub fn build(self) -> Result<Pool, BuildError> {
        let at = Location::caller();
        if let Some(bytes) = self.stack_size {
            Request::sized(bytes, None).map_err(BuildError::Stack)?;
        }
        let threads =
            self.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get));
        if threads == 0 {
            return Err(BuildError::NoThreads);
        }
        let deques: Vec<_> = (0..threads).map(|_| Deque::new_lifo()).collect();
        let stealers = deques.iter().map(Deque::stealer).collect();
        let shared = Arc::new(Shared::new(self.name.clone().into_owned(), stealers));
        // If a thread is missing, dropping this ends those that are there.
        let mut pool = Pool { shared: shared.clone(), running: Vec::with_capacity(threads) };
        for (index, deque) in deques.into_iter().enumerate() {
            let (theirs, wishes) = (shared.clone(), self.clone());
            let thread = thread::Builder::new()
                .name(format!("{}-{index}", self.name))
                .spawn(move || wishes.serve(&theirs, deque, index, at));
            match thread {
                Ok(thread) => pool.running.push(thread),
                Err(error) => {
                    (index..threads).for_each(|missing| shared.member_ended(missing));
                    return Err(BuildError::Thread(error));
                }
            }
        }
        Ok(pool)
    }

    /// What a thread does.
    fn serve(
        self,
        shared: &Arc<Shared>,
        deque: Deque<Unstarted>,
        index: usize,
        at: &'static Location<'static>,
    ) {
        let _ends = Ends { shared, index };
        let mut wishes = EventLoop::builder().name(format!("{}-{index}", self.name));
        if let Some(bytes) = self.stack_size {
            wishes = wishes.stack_size(bytes);
        }
        if let Some(budget) = self.budget {
            wishes = wishes.budget(budget);
        }
        if let Some(limit) = self.limit {
            wishes = wishes.watchdog(limit);
        }
        let events = wishes.build();
        let inbox = events.home().inbox();
        // Nobody else sets these.
        let _ = shared.members[index].inbox.set(inbox);
        let _ = shared.members[index].view.set(View::of(events.home()));
        // With that of `Shared::close`.
        fence(Ordering::SeqCst);
        events.serve(Rc::new(Worker::new(shared.clone(), deque, index)), at);
    }
}

/// Says that a thread has ended, however it does.
struct Ends<'a> {
    /// What all share.
    shared: &'a Shared,
    /// Which thread.
    index: usize,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.shared.member_ended(self.index);
    }
}
