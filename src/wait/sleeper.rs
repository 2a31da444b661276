//! One who waits, as the other side wakes it: a task of any loop, or a plain thread.

#![allow(unsafe_code, reason = "refers to the inbox of a loop that is there while its task waits")]

use crate::model::Thread;
use crate::model::sync::Arc;
use crate::task::{Home, Inbox, RemoteTask, Task, wake};

/// One who waits.
pub(crate) enum Sleeper {
    /// A task, the number of its loop, and that one's inbox, which is there as long as the task waits.
    Task(&'static Task, u64, *const Inbox),
    /// A thread that is no loop's; `None` once it was taken out.
    Thread(Option<Thread>),
}

/// One who waits, on its way to be woken: nothing of the waiter's frame is needed for that any more.
pub(crate) enum Woken {
    /// A task of the loop that runs here, and that. It cannot have ended before it is woken: only this thread resumes it.
    Here(&'static Task, &'static Home),
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
        let home = task.home();
        Self::Task(task, home.id(), home.inbox_address())
    }

    /// This thread.
    pub(crate) fn thread() -> Self {
        Self::Thread(Some(crate::model::current()))
    }

    /// Makes it independent of the waiter, once. It stays where it is, and is looked at
    /// word by word: it has just been written so, and to load several words at once would have to wait for that.
    ///
    /// # Safety
    /// The waiter still waits: it does not go on before it is told, which happens after this.
    #[inline(always)]
    pub(crate) unsafe fn take(&mut self) -> Woken {
        if let Self::Task(task, home, _) = self {
            if let Some(here) = Home::here().filter(|here| here.id() == *home) {
                return Woken::Here(task, here);
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
    unsafe fn take_away(&mut self) -> Woken {
        let away = match self {
            Self::Task(task, home, inbox) => {
                // SAFETY: the task waits, so its loop has not ended, and a loop has its inbox in an `Arc`.
                let inbox = unsafe {
                    Arc::increment_strong_count(*inbox);
                    Arc::from_raw(*inbox)
                };
                // SAFETY: the task waits, or was given up where it waited: its record is its own.
                Away::Task(unsafe { RemoteTask::waiting(*task, *home) }, inbox)
            }
            Self::Thread(thread) => Away::Thread(thread.take().expect("a waiter is told once")),
        };
        Woken::Away(Box::new(away))
    }
}

impl Woken {
    /// Wakes it. With no lock held.
    #[inline(always)]
    pub(crate) fn wake(self) {
        match self {
            Self::Here(task, home) => task.wake_on(home),
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
