//! How an event loop is to be.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::{EventLoop, watchdog};
use crate::coroutine;
use crate::model::sync::Arc;
use crate::report::{self, ReportKind};
use crate::stacks::{Request, SpawnError};
use crate::task::{BUDGET, Clock, Home, Inbox, OnWake};

/// How an event loop is to be: from [`EventLoop::builder`].
///
/// ```
/// use segno::{Clock, EventLoop};
///
/// let mut events = EventLoop::builder()
///     .name("audio")
///     .clock(Clock::virtual_time())
///     .seed(7)
///     .stack_size(48 * 1024)
///     .build();
/// assert_eq!(events.run(|| 1 + 1).unwrap(), 2);
/// ```
pub struct LoopBuilder {
    /// What its watchdog calls it.
    name: Option<Cow<'static, str>>,
    /// What time it goes by.
    clock: Clock,
    /// Decides the order of tasks, if it is to be a random one.
    seed: Option<u64>,
    /// Operations between two pauses.
    budget: u32,
    /// Bytes of frames.
    stack_size: Option<usize>,
    /// How long a task may keep the loop.
    limit: Option<Duration>,
    /// Called when there is mail.
    on_wake: Option<OnWake>,
}

impl LoopBuilder {
    /// The defaults.
    pub(super) fn new() -> Self {
        Self {
            name: None,
            clock: Clock::system(),
            seed: None,
            budget: BUDGET,
            stack_size: None,
            limit: None,
            on_wake: None,
        }
    }

    /// Names the loop, for messages.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Chooses the clock; the system's unless told otherwise.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Resumes tasks in an order that this number decides, instead of first come, first served. The same
    /// seed gives the same order, as long as nothing but the tasks decides what happens: use it with a
    /// virtual clock, in tests.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How many operations that could pause may succeed without a pause before a task has to let others
    /// go first; 64 unless told otherwise.
    pub fn budget(mut self, operations: u32) -> Self {
        self.budget = operations;
        self
    }

    /// Bytes of frames that a task gets unless it asks for another size; see
    /// [`Builder::stack_size`](crate::Builder::stack_size).
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Watches the loop, from a thread made for this: a task that keeps it from everything else for longer
    /// than `limit` is reported, with its name and where it was spawned, at most once in ten seconds
    /// ([`ReportKind::Blocked`](crate::ReportKind::Blocked)). Off unless asked for.
    pub fn watchdog(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Calls this when another thread has woken the loop, once until the loop has looked: to tell a
    /// foreign loop that [`turn`](EventLoop::turn) has something to do. It is called on the thread that
    /// wakes, and must not wait.
    pub fn on_wake(mut self, f: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_wake = Some(Box::new(move || {
            // It is called in the middle of things that must not be left.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| coroutine::no_pause(&f))) {
                report::tell(
                    ReportKind::LostPanic,
                    format!("an event loop's `on_wake` panicked: {}", coroutine::message(&payload)),
                );
                coroutine::discard(payload);
            }
        }));
        self
    }

    /// Makes the loop, on this thread.
    ///
    /// # Panics
    /// When the stack size makes no sense, see [`try_build`](Self::try_build); when the system has no thread
    /// for the watchdog.
    #[track_caller]
    pub fn build(self) -> EventLoop {
        match self.try_build() {
            Ok(events) => events,
            Err(error) => panic!("no event loop with such stacks: {error}"),
        }
    }

    /// Makes the loop, on this thread.
    ///
    /// # Errors
    /// When the stack size makes no sense.
    ///
    /// # Panics
    /// When the system has no thread for the watchdog.
    pub fn try_build(self) -> Result<EventLoop, SpawnError> {
        let request = self.stack_size.map_or(Ok(Request::DEFAULT), request)?;
        let watch = self.limit.map(|limit| watchdog::start(limit, self.name.clone()));
        let inbox = Arc::new(Inbox::new(self.on_wake));
        let home = Home::take(self.clock, inbox.clone());
        home.configure(self.budget, request, self.seed);
        Ok(EventLoop::new_on(home, inbox, self.name, watch))
    }
}

/// The stack for this many bytes of frames.
pub(super) fn request(bytes: usize) -> Result<Request, SpawnError> {
    Request::sized(bytes, None)
}

impl fmt::Debug for LoopBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopBuilder")
            .field("name", &self.name)
            .field("clock", &self.clock)
            .field("seed", &self.seed)
            .field("budget", &self.budget)
            .field("stack_size", &self.stack_size)
            .field("watchdog", &self.limit)
            .finish_non_exhaustive()
    }
}
