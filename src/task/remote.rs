//! Tasks and boundaries as other threads know them: an address that only their loop follows, and the
//! number that says whether it is still the one that was meant.

#![allow(unsafe_code, reason = "sends addresses between threads")]

use std::ptr;

use super::boundary::Boundary;
use super::home::{Home, take_numbers};
use super::record::Task;

/// A task, for other threads.
#[derive(Clone, Copy)]
pub(crate) struct RemoteTask {
    /// Its record; followed only on the thread of its loop. Null if it had none yet: then the loop looks
    /// for the number.
    record: *const Task,
    /// Its number.
    id: u64,
    /// The number of its loop.
    home: u64,
}

// SAFETY: other threads only carry the address; it is followed in `here`, on the task's own thread.
unsafe impl Send for RemoteTask {}
// SAFETY: as above.
unsafe impl Sync for RemoteTask {}

impl RemoteTask {
    /// This task, for other threads.
    #[inline(always)]
    pub(crate) fn new(task: &'static Task) -> Self {
        Self { record: task, id: task.id(), home: task.home().id() }
    }

    /// The same, for a task that waits, on any thread.
    ///
    /// # Safety
    /// The loop has this number, and the task does not end meanwhile. What has made that known to this thread came
    /// after it was spawned.
    pub(crate) unsafe fn waiting(task: *const Task, home: u64) -> Self {
        // SAFETY: records are never freed. The number of one in use stays as it is.
        Self { record: task, id: unsafe { (*task).id() }, home }
    }

    /// A task that is yet to be made, on the loop with this number.
    pub(crate) fn posted(home: u64) -> Self {
        Self { record: ptr::null(), id: take_numbers(1), home }
    }

    /// Its number.
    pub(crate) fn id(self) -> u64 {
        self.id
    }

    /// The number of its loop.
    pub(crate) fn home(self) -> u64 {
        self.home
    }

    /// The task, if this is the thread of its loop and it has not ended.
    #[inline(always)]
    pub(crate) fn here(self, home: &Home) -> Option<&'static Task> {
        if home.id() != self.home {
            return None;
        }
        if self.record.is_null() {
            return home.all().find(|task| task.id() == self.id);
        }
        // SAFETY: records are never freed, and those of a loop stay on its thread while the loop is
        // there; the loop's number says that it is this one.
        let task = unsafe { &*self.record };
        (task.id() == self.id).then_some(task)
    }
}

/// A boundary, for other threads.
#[derive(Clone, Copy)]
pub(crate) struct RemoteBoundary {
    /// Its record; followed only on the thread of its loop.
    record: *const Boundary,
    /// Which use of the record.
    serial: u64,
    /// The number of its loop.
    home: u64,
}

// SAFETY: as for `RemoteTask`.
unsafe impl Send for RemoteBoundary {}
// SAFETY: as for `RemoteTask`.
unsafe impl Sync for RemoteBoundary {}

impl RemoteBoundary {
    /// This boundary, for other threads.
    pub(crate) fn new(boundary: &'static Boundary, home: &Home) -> Self {
        Self { record: boundary, serial: boundary.serial(), home: home.id() }
    }

    /// The number of its loop.
    pub(crate) fn home(self) -> u64 {
        self.home
    }

    /// Whether it is this one, of the same loop.
    #[inline(always)]
    pub(crate) fn is(self, boundary: &'static Boundary) -> bool {
        ptr::eq(self.record, boundary)
    }

    /// The boundary, if this is the thread of its loop and it has not been left.
    pub(crate) fn here(self, home: &Home) -> Option<&'static Boundary> {
        if home.id() != self.home {
            return None;
        }
        // SAFETY: as for `RemoteTask::here`.
        let boundary = unsafe { &*self.record };
        boundary.is(self.serial).then_some(boundary)
    }
}
