//! Who holds what others wait for, as reports name it.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

use super::home::Home;
use super::name::TaskId;

/// The id of this thread, without counting its handles up and down each time.
fn this_thread() -> ThreadId {
    thread_local! {
        /// The id, once it was asked for.
        static ID: Cell<Option<ThreadId>> = const { Cell::new(None) };
    }
    ID.get().unwrap_or_else(|| {
        let id = thread::current().id();
        ID.set(Some(id));
        id
    })
}

/// Who holds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// A task, and the number of its loop.
    Task(u64, u64),
    /// A thread, outside every task.
    Thread(ThreadId),
}

/// Who holds something, and where it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub(crate) who: Who,
    /// The line that took it.
    pub(crate) at: &'static Location<'static>,
}

/// Who has what somebody waits for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Possession {
    /// Who, if it is one and can be told.
    pub(crate) holder: Option<Holder>,
    /// Whether somebody on another thread has it, or may, and so may give it back.
    pub(crate) elsewhere: bool,
}

/// The numbers of tasks that were given up: what they hold they hold for ever.
static GIVEN_UP: Mutex<Vec<u64>> = Mutex::new(Vec::new());
/// Whether there are any. Relaxed: who misses it finds out later, or has come before.
static ANY_GIVEN_UP: AtomicBool = AtomicBool::new(false);

/// This task was given up.
pub(super) fn note_given_up(id: u64) {
    GIVEN_UP.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    ANY_GIVEN_UP.store(true, Ordering::Relaxed);
}

impl Holder {
    /// Whether it was a task that was given up: its stack stays as it is, and so does the guard on it.
    pub fn is_given_up(&self) -> bool {
        let Who::Task(id, _) = self.who else { return false };
        ANY_GIVEN_UP.load(Ordering::Relaxed)
            && GIVEN_UP.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }

    /// Whoever runs here.
    #[inline(always)]
    pub(crate) fn here(at: &'static Location<'static>) -> Self {
        let who = match Home::running_task() {
            Some(task) => Who::Task(task.identity(), task.home().id()),
            None => Who::Thread(this_thread()),
        };
        Self { who, at }
    }

    /// The number of the task, if it is one.
    pub fn task(&self) -> Option<TaskId> {
        match self.who {
            Who::Task(id, _) => Some(TaskId(id)),
            Who::Thread(_) => None,
        }
    }

    /// The thread, if it was none of a loop's tasks.
    pub fn thread(&self) -> Option<ThreadId> {
        match self.who {
            Who::Task(..) => None,
            Who::Thread(thread) => Some(thread),
        }
    }

    /// The line that took it, or that waited until it was handed over.
    pub fn at(&self) -> &'static Location<'static> {
        self.at
    }

    /// Whether it is whoever runs here.
    pub(crate) fn is_me(&self) -> bool {
        self.who == Self::here(self.at).who
    }

    /// Whether a task of this loop has it, or had: it may have ended.
    pub(crate) fn is_of(&self, home: &Home) -> bool {
        matches!(self.who, Who::Task(_, of) if of == home.id())
    }

    /// Whether the other one is on the same loop, or is the same thread.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        match (self.who, other.who) {
            (Who::Task(_, one), Who::Task(_, other)) => one == other,
            (Who::Thread(one), Who::Thread(other)) => one == other,
            _ => false,
        }
    }

    /// Whether this thread has it, or a task of the loop that runs here; or had: it may have ended.
    pub(crate) fn is_here(&self) -> bool {
        match self.who {
            Who::Thread(thread) => thread == this_thread(),
            Who::Task(..) => Home::here().is_some_and(|home| self.is_of(home)),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.who {
            Who::Task(id, _) => write!(f, "task {}", TaskId(id))?,
            Who::Thread(thread) => write!(f, "thread {thread:?}")?,
        }
        write!(f, ", which took it at {}", self.at)?;
        if self.is_given_up() {
            write!(f, " and was given up since, with what it still had")?;
        }
        Ok(())
    }
}
