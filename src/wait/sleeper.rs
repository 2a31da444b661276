//! One who waits, as the other side wakes it: a task of any loop, or a plain thread.

#![allow(unsafe_code, reason = "refers to the inbox of a loop that is there while its task waits")]

use crate::model::Thread;
use crate::model::sync::Arc;
use crate::task::{Home, Inbox, RemoteTask, Task, wake};

/// One who waits.
pub(crate) enum Sleeper {
    /// A task, and the inbox of its loop, which is there as long as the task waits.
    Task(RemoteTask, *const Inbox),
    /// A thread that is no loop's.
    Thread(Thread),
}

/// One who waits, on its way to be woken: nothing of the waiter's frame is needed for that any more.
pub(crate) enum Woken {
    /// A task of the loop that runs here. It cannot have ended before it is woken: only this thread resumes it.
    Here(&'static Task),
    /// A task of another loop.
    Elsewhere(RemoteTask, Arc<Inbox>),
    /// A thread.
    Thread(Thread),
}

impl Sleeper {
    /// This task.
    #[inline(always)]
    pub(crate) fn task(task: &'static Task) -> Self {
        Self::Task(RemoteTask::new(task), task.home().inbox_address())
    }

    /// This thread.
    pub(crate) fn thread() -> Self {
        Self::Thread(crate::model::current())
    }

    /// Makes it independent of the waiter.
    ///
    /// # Safety
    /// The waiter still waits: it does not go on before it is told, which happens after this.
    #[inline(always)]
    pub(crate) unsafe fn take(self) -> Woken {
        match self {
            Self::Task(task, inbox) => match Home::here().and_then(|home| task.here(home)) {
                Some(task) => Woken::Here(task),
                // SAFETY: the caller's promise.
                None => unsafe { elsewhere(task, inbox) },
            },
            Self::Thread(thread) => Woken::Thread(thread),
        }
    }
}

/// A task of another loop, on its way to be woken.
///
/// # Safety
/// The task waits.
#[cold]
#[inline(never)]
unsafe fn elsewhere(task: RemoteTask, inbox: *const Inbox) -> Woken {
    // SAFETY: the task waits, so its loop has not ended, and a loop has its inbox in an `Arc`.
    let inbox = unsafe {
        Arc::increment_strong_count(inbox);
        Arc::from_raw(inbox)
    };
    Woken::Elsewhere(task, inbox)
}

impl Woken {
    /// Wakes it. With no lock held.
    #[inline(always)]
    pub(crate) fn wake(self) {
        match self {
            Self::Here(task) => task.wake(),
            other => other.wake_elsewhere(),
        }
    }

    /// Wakes what is not a task of this loop.
    #[cold]
    #[inline(never)]
    fn wake_elsewhere(self) {
        match self {
            Self::Here(task) => task.wake(),
            Self::Elsewhere(task, inbox) => wake(task, &inbox),
            Self::Thread(thread) => thread.unpark(),
        }
    }
}
