//! What a task waits for, where it stands while it does, and why it may not wait at all.

#![allow(unsafe_code, reason = "tells records from places in frames by the last bit of an address")]

use std::fmt;
use std::panic::Location;
use std::ptr;

use super::holder::Possession;
use super::record::Task;

/// What a task waits for, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// The name of the operation.
    pub(crate) what: &'static &'static str,
    /// The line that called it.
    pub(crate) at: &'static Location<'static>,
    /// The task that it waits for, or where it stands.
    pub(crate) subject: Subject,
}

impl Wait {
    /// The name of the wait for children that borrow.
    pub(crate) const SCOPE: &'static &'static str = &"scope";

    /// Whether it is the wait for children that borrow.
    pub(crate) fn is_for_children(&self) -> bool {
        self.what == Self::SCOPE
    }
}

/// Why an operation that waits did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// A panic or a cancellation unwinds here: nobody can wait.
    Unwinding,
    /// It is cancelled, and nothing can unwind in this program.
    Cancelled,
}

/// Where a task stands in the queue of something that it waits for: the head of what it has there, in its own
/// frames.
#[derive(Clone, Copy)]
pub(crate) struct Standing {
    /// What can be done there.
    pub(crate) ways: &'static Ways,
}

/// What can be done where a task stands. All of it on the task's thread, while it does not run.
pub(crate) struct Ways {
    /// Leaves the queue, for a task that is given up; passes on what was handed to it already.
    pub(crate) give_up: unsafe fn(*const Standing),
    /// Who has what it waits for.
    pub(crate) possession: unsafe fn(*const Standing) -> Possession,
    /// Tells all who wait there that whoever has it was given up.
    pub(crate) hopeless: unsafe fn(*const Standing),
}

/// What a task waits for: another task of its loop, something in whose queue it stands, or neither.
///
/// One word: records of tasks lie at even addresses, and those of the others are made odd.
#[derive(Clone, Copy)]
pub(crate) struct Subject(*const ());

impl Subject {
    /// Nothing that could be named.
    pub(crate) const NONE: Self = Self(ptr::null());

    /// This task, as long as it is one of the same loop.
    #[inline(always)]
    pub(crate) fn task(task: Option<&'static Task>) -> Self {
        Self(task.map_or(ptr::null(), |task| ptr::from_ref(task).cast()))
    }

    /// A place in a queue.
    ///
    /// # Safety
    /// What is there can be done there until the wait [is over](Task::waits_no_more).
    #[inline(always)]
    pub(crate) unsafe fn standing(standing: *const Standing) -> Self {
        Self(standing.cast::<()>().map_addr(|address| address | 1))
    }

    /// The task, if it is one.
    pub(super) fn as_task(self) -> Option<&'static Task> {
        if self.0.addr() & 1 == 1 {
            return None;
        }
        // SAFETY: records are never freed, and `task` is the only one that makes an even address.
        unsafe { self.0.cast::<Task>().as_ref() }
    }

    /// The place, if it is one.
    pub(super) fn as_standing(self) -> Option<*const Standing> {
        let is_standing = self.0.addr() & 1 == 1;
        is_standing.then(|| self.0.map_addr(|address| address & !1).cast())
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").finish_non_exhaustive()
    }
}
