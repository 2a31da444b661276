//! One who waits, as the other side wakes it: a task of any loop, or a plain thread.

#![allow(unsafe_code, reason = "refers to the inbox of a loop that is there while its task waits")]

use crate::model::Thread;
use crate::model::sync::Arc;
use crate::task::{Home, Inbox, RemoteTask, Task, wake};

/// One who waits.
pub(crate) enum Sleeper {
    /// A task, and the inbox of its loop, which is there as long as the task waits.
    Task(RemoteTask, *const Inbox),
    /// A thread that is no loop's; `None` once it was taken out.
    Thread(Option<Thread>),
}

/// One who waits, on its way to be woken: nothing of the waiter's frame is needed for that any more.
pub(crate) enum Woken {
    /// A task of the loop that runs here. It cannot have ended before it is woken: only this thread resumes it.
    Here(&'static Task),
    /// Anybody else. Boxed, so that the others fit into two registers.
    Away(Box<Away>),
}

/// One who waits on another thread.
pub(crate) enum Away {
    /// A task of another loop.
    Task(RemoteTask, Arc<Inbox>),
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
        Self::Thread(Some(crate::model::current()))
    }

    /// Makes it independent of the waiter; `None` if that was done before. It stays where it is, and is looked at
    /// word by word: it has just been written so, and to load several words at once would have to wait for that.
    ///
    /// # Safety
    /// The waiter still waits: it does not go on before it is told, which happens after this.
    #[inline(always)]
    pub(crate) unsafe fn take(&mut self) -> Option<Woken> {
        if let Self::Task(task, _) = self {
            if let Some(task) = Home::here().and_then(|home| task.here(home)) {
                return Some(Woken::Here(task));
            }
        }
        // SAFETY: the caller's promise.
        unsafe { self.take_away() }
    }

    /// The same for one that is not a task of this loop.
    ///
    /// # Safety
    /// As for [`take`](Self::take).
    #[cold]
    #[inline(never)]
    unsafe fn take_away(&mut self) -> Option<Woken> {
        let away = match self {
            Self::Task(task, inbox) => {
                // SAFETY: the task waits, so its loop has not ended, and a loop has its inbox in an `Arc`.
                let inbox = unsafe {
                    Arc::increment_strong_count(*inbox);
                    Arc::from_raw(*inbox)
                };
                Away::Task(*task, inbox)
            }
            Self::Thread(thread) => Away::Thread(thread.take()?),
        };
        Some(Woken::Away(Box::new(away)))
    }
}

impl Woken {
    /// Wakes it. With no lock held.
    #[inline(always)]
    pub(crate) fn wake(self) {
        match self {
            Self::Here(task) => task.wake(),
            Self::Away(away) => (*away).wake(),
        }
    }
}

impl Away {
    /// This task, from wherever it will be woken.
    pub(super) fn task(task: &'static Task) -> Self {
        Self::Task(RemoteTask::new(task), task.home().inbox())
    }

    /// This thread.
    pub(super) fn thread() -> Self {
        Self::Thread(crate::model::current())
    }

    /// Wakes it.
    #[cold]
    #[inline(never)]
    pub(super) fn wake(self) {
        match self {
            Self::Task(task, inbox) => wake(task, &inbox),
            Self::Thread(thread) => thread.unpark(),
        }
    }
}
