//! Parts of a task that can be cancelled on their own, have a time limit, or are kept from cancellation.

use std::borrow::Cow;
use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::time::{Duration, Instant};

use super::frame::{Frame, inside};
use crate::model::sync::Arc;
use crate::task::{
    Alarm, Boundary, CancelKind, CancelReason, Home, Inbox, Kind, Message, RemoteBoundary, Timer,
};

/// Part of a task was cancelled: what [`cancel_scope`] gives then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// Why.
    reason: CancelReason,
}

impl Cancelled {
    /// Why.
    pub fn reason(&self) -> &CancelReason {
        &self.reason
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cancelled: {}", self.reason)
    }
}

impl Error for Cancelled {}

/// The time was over: what [`timeout`] gives then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    /// The line that set the limit.
    limit: &'static Location<'static>,
}

impl Elapsed {
    /// The line that set the limit.
    pub fn limit_at(&self) -> &'static Location<'static> {
        self.limit
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the time limit set at {} was over", self.limit)
    }
}

impl Error for Elapsed {}

/// The inside of a [`cancel_scope`]. It stays there; for elsewhere there is a [`handle`](Self::handle).
pub struct CancelScope {
    /// The loop.
    home: &'static Home,
    /// The boundary.
    boundary: &'static Boundary,
    /// It stays on its thread.
    thread: PhantomData<*mut ()>,
}

impl CancelScope {
    /// Cancels the scope: what runs in it unwinds from its next pause, its children too. The first reason
    /// stays.
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<Cow<'static, str>>) {
        let reason = CancelReason::new(CancelKind::Requested, reason, Location::caller());
        self.boundary.cancel(reason);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.boundary.is_cancelled()
    }

    /// A handle to cancel it by from other tasks and threads. After the scope was left, it does nothing.
    pub fn handle(&self) -> CancelHandle {
        CancelHandle {
            inbox: self.home.inbox(),
            boundary: RemoteBoundary::new(self.boundary, self.home),
        }
    }
}

/// Cancels a [`cancel_scope`] from anywhere.
#[derive(Clone)]
pub struct CancelHandle {
    /// The inbox of the scope's loop.
    inbox: Arc<Inbox>,
    /// The boundary.
    boundary: RemoteBoundary,
}

impl CancelHandle {
    /// As [`CancelScope::cancel`]. From another thread, this is a message to the scope's loop.
    #[track_caller]
    pub fn cancel(&self, reason: impl Into<Cow<'static, str>>) {
        let reason = CancelReason::new(CancelKind::Requested, reason, Location::caller());
        match Home::here().filter(|home| home.id() == self.boundary.home()) {
            Some(home) => home.cancel_part(self.boundary, reason),
            None => self.inbox.push(Message::CancelPart(self.boundary, reason)),
        }
    }
}

/// Runs a closure that can be cancelled on its own.
///
/// # Pausing
/// Never by itself. A task may pause inside; a bare coroutine or generator cannot, while this is open on its
/// stack.
///
/// # Errors
/// When it was cancelled, and the closure unwound because of that. A closure that ends first, or catches the
/// signal and returns, gives its value.
///
/// # Panics
/// Outside a task. A panic of the closure comes out unchanged.
///
/// ```
/// segno::run(|| {
///     let result = segno::cancel_scope(|part| {
///         part.cancel("enough");
///         segno::yield_now(); // unwinds
///     });
///     assert_eq!(result.unwrap_err().reason().message(), "enough");
/// });
/// ```
#[track_caller]
pub fn cancel_scope<T>(f: impl FnOnce(&CancelScope) -> T) -> Result<T, Cancelled> {
    let frame = Frame::enter("cancel_scope", Kind::Limit, Location::caller());
    let part =
        CancelScope { home: frame.task.home(), boundary: frame.boundary, thread: PhantomData };
    inside(frame, || f(&part)).map_err(|reason| Cancelled { reason })
}

/// Runs a closure for this long at most. Of nested limits the nearest wins, whichever is further out.
///
/// # Pausing
/// Never by itself. A task may pause inside; a bare coroutine or generator cannot, while this is open on its
/// stack. The limit is noticed at the closure's pauses: code that never pauses is not stopped.
///
/// # Errors
/// When the time was over, and the closure unwound because of that. A closure that ends first, if only at
/// the same instant, gives its value. With no time at all, it runs up to its first pause.
///
/// With `panic = "abort"` nothing unwinds: operations return early, and when the closure has returned this
/// gives its value.
///
/// # Panics
/// Outside a task. A panic of the closure comes out unchanged.
///
/// ```
/// use std::time::Duration;
///
/// segno::run(|| {
///     let slow = segno::timeout(Duration::from_millis(1), || segno::sleep(Duration::MAX));
///     assert!(slow.is_err());
///     assert_eq!(segno::timeout(Duration::MAX, || 7), Ok(7));
/// });
/// ```
#[inline]
#[track_caller]
pub fn timeout<T>(limit: Duration, f: impl FnOnce() -> T) -> Result<T, Elapsed> {
    let home = Home::current_task("timeout").home();
    limited(home.time.after(limit), Location::caller(), f)
}

/// Runs a closure until this instant at most, by the clock of the current task's loop: see [`timeout`].
///
/// # Errors
/// As for [`timeout`].
///
/// # Panics
/// As for [`timeout`].
#[track_caller]
pub fn timeout_at<T>(deadline: Instant, f: impl FnOnce() -> T) -> Result<T, Elapsed> {
    let home = Home::current_task("timeout_at").home();
    limited(home.time.of(deadline), Location::caller(), f)
}

/// Runs a closure until `deadline`.
#[inline(always)]
#[track_caller]
fn limited<T>(
    deadline: u64,
    at: &'static Location<'static>,
    f: impl FnOnce() -> T,
) -> Result<T, Elapsed> {
    let frame = Frame::enter("timeout", Kind::Limit, at);
    let (home, boundary) = (frame.task.home(), frame.boundary);
    let timer = Cell::new(None::<Timer>);
    if deadline <= home.time.seen() {
        boundary.cancel(CancelReason::new(CancelKind::Deadline, "its time was over", at));
    } else if deadline != u64::MAX {
        let alarm = Alarm::Deadline(boundary, boundary.serial(), at);
        timer.set(Some(home.set_alarm(deadline, alarm)));
    }
    inside(frame, || {
        // Taken back before the boundary is left, however that comes about.
        let _set = Unset { home, timer: &timer };
        f()
    })
    .map_err(|_| Elapsed { limit: at })
}

/// Takes an alarm back.
struct Unset<'a> {
    /// The loop.
    home: &'static Home,
    /// The alarm, if there is one.
    timer: &'a Cell<Option<Timer>>,
}

impl Drop for Unset<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.home.unset_alarm(timer);
        }
    }
}

/// Runs a closure that cancellations from outside do not reach: they wait until it has returned. Limits and
/// scopes inside it work as ever.
///
/// For clean-up that has to wait, and short: whoever cancels waits for it.
///
/// # Pausing
/// Never by itself. A task may pause inside; a bare coroutine or generator cannot, while this is open on its
/// stack. If the task was cancelled meanwhile, the next pause after it unwinds. What waits in here for what
/// never comes keeps a shutdown or the end of a deadlock from ending the task: it is given up then, and aborts
/// the process if it borrows from the caller of `run`.
///
/// # Panics
/// Outside a task. A panic of the closure comes out unchanged.
///
/// ```
/// segno::run(|| {
///     let saved = std::cell::Cell::new(false);
///     let result = segno::cancel_scope(|part| {
///         part.cancel("over");
///         segno::shield(|| {
///             segno::yield_now();
///             saved.set(true);
///         });
///         segno::yield_now(); // unwinds
///         unreachable!();
///     });
///     assert!(saved.get() && result.is_err());
/// });
/// ```
#[track_caller]
pub fn shield<T>(f: impl FnOnce() -> T) -> T {
    let frame = Frame::enter("shield", Kind::Shield, Location::caller());
    match inside(frame, f) {
        Ok(value) => value,
        Err(_) => unreachable!("nobody has a handle to cancel a shield by"),
    }
}

impl fmt::Debug for CancelScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelScope")
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelHandle").finish_non_exhaustive()
    }
}
