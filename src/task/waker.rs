//! A task's waker, for code that builds waiting operations of its own, on any thread.

use std::fmt;
use std::sync::Arc;
use std::task::Wake;

use super::home::Home;
use super::inbox::{Counted, Inbox, Message};
use super::name::TaskId;
use super::remote::RemoteTask;
use crate::model::sync::atomic::{AtomicBool, Ordering};

/// What all clones of a waker share.
struct Shared {
    /// The loop; while wakers exist, it does not take a standstill for a deadlock.
    loop_: Counted,
    /// The task.
    task: RemoteTask,
    /// Its number, as users see it.
    id: TaskId,
    /// Whether a message is under way, which stands for all wakes until it is read. Swapped with AcqRel by both
    /// sides: what was done before a wake that left no message of its own is seen by the task all the same.
    told: AtomicBool,
}

/// Wakes one task, from any thread: its [`pause`](crate::pause) returns.
///
/// After the task's end, and after its loop's, it does nothing. Waking a task that does not wait makes
/// its next `pause` return at once; waking it several times counts once.
///
/// It is also a [`std::task::Waker`], by `From`.
///
/// With a virtual clock, a loop on which nothing can go on waits while wakers of its tasks exist, instead of
/// reporting a deadlock; but it does jump to the next deadline. If that has to wait for the other thread, too,
/// hold an [`external`](crate::external) guard.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// let answer = segno::run(|| {
///     let (answer, waker) = (Arc::new(AtomicU32::new(0)), segno::waker());
///     let theirs = answer.clone();
///     std::thread::spawn(move || {
///         theirs.store(42, Ordering::Release);
///         waker.wake();
///     });
///     while answer.load(Ordering::Acquire) == 0 {
///         segno::pause(); // in a loop: it may return for no reason
///     }
///     answer.load(Ordering::Acquire)
/// });
/// assert_eq!(answer, 42);
/// ```
#[derive(Clone)]
pub struct Waker {
    /// The task and its loop.
    shared: Arc<Shared>,
}

impl Waker {
    /// For the current task.
    #[track_caller]
    pub(super) fn of_current() -> Self {
        let task = Home::current_task("a waker");
        let loop_ = Counted::waker(task.home().inbox());
        Self {
            shared: Arc::new(Shared {
                loop_,
                task: RemoteTask::new(task),
                id: TaskId(task.identity()),
                told: AtomicBool::new(false),
            }),
        }
    }

    /// Wakes the task.
    ///
    /// # Pausing
    /// Never pauses, and never resumes anybody: the task goes on in its turn.
    #[inline]
    pub fn wake(self) {
        self.wake_by_ref();
    }

    /// Wakes the task.
    ///
    /// # Pausing
    /// As [`wake`](Self::wake).
    #[inline]
    pub fn wake_by_ref(&self) {
        Shared::tell(&self.shared);
    }

    /// The number of the task that this wakes.
    pub fn task(&self) -> TaskId {
        self.shared.id
    }

    /// Whether this wakes the same task as the other one.
    pub fn will_wake(&self, other: &Self) -> bool {
        self.shared.id == other.shared.id
    }
}

impl Shared {
    /// Wakes the task.
    #[inline(always)]
    fn tell(this: &Arc<Self>) {
        match Home::here().filter(|home| home.id() == this.task.home()) {
            Some(home) => {
                if let Some(task) = this.task.here(home) {
                    task.wake_on(home);
                }
            }
            None => Self::tell_from_elsewhere(this),
        }
    }

    /// The same where another loop runs, or none.
    #[inline(never)]
    fn tell_from_elsewhere(this: &Arc<Self>) {
        if !this.told.swap(true, Ordering::AcqRel) {
            // Not left behind in a loop that has ended: it would keep the inbox that it lies in.
            drop(this.loop_.inbox().post(Call(this.clone()), Message::Call));
        }
    }
}

/// A wake on its way to the loop.
pub(crate) struct Call(Arc<Shared>);

impl Call {
    /// The loop has read it.
    pub(super) fn answer(self, home: &Home) {
        // Before the task is woken: who wakes it from now on leaves a new message.
        self.0.told.swap(false, Ordering::AcqRel);
        if let Some(task) = self.0.task.here(home) {
            task.wake();
        }
    }
}

/// Wakes a task: at once if its loop runs on this thread, by a message otherwise.
#[inline]
pub(crate) fn wake(task: RemoteTask, inbox: &Inbox) {
    match Home::here().filter(|home| home.id() == task.home()) {
        Some(home) => {
            if let Some(task) = task.here(home) {
                task.wake();
            }
        }
        None => inbox.push(Message::Wake(task)),
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        Self::tell(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        Self::tell(self);
    }
}

impl From<Waker> for std::task::Waker {
    fn from(waker: Waker) -> Self {
        waker.shared.into()
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker").field("task", &self.task()).finish_non_exhaustive()
    }
}
