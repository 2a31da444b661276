//! Who wants a task's result, or is to hear that there will be none.

#![allow(unsafe_code, reason = "keeps a task or a giver as one address")]

use std::ptr;

use super::reason::CancelReason;
use super::record::Task;

/// Whom to tell when a task was given up, so that nobody waits for its result.
#[derive(Clone, Copy)]
pub(crate) struct Ending {
    /// What the task's job would have given its result to.
    giver: *const (),
    /// Gives the reason instead.
    give: unsafe fn(*const (), CancelReason),
}

impl Ending {
    /// What to do when the job that holds the giver was leaked.
    ///
    /// # Safety
    /// `give` may be called with `giver`, once, on the task's thread, when the job was leaked; until then
    /// the job clears this before it gives.
    pub(crate) unsafe fn new(giver: *const (), give: unsafe fn(*const (), CancelReason)) -> Self {
        Self { giver, give }
    }

    /// Gives the reason.
    ///
    /// # Safety
    /// As [`new`](Self::new) says: once, and when the job was leaked.
    pub(crate) unsafe fn give(self, reason: CancelReason) {
        // SAFETY: the caller's promise.
        unsafe { (self.give)(self.giver, reason) }
    }
}

/// Who wants a task's result.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// A task that waits for it, one that it borrows from or another child of that; or what its job gives it to; null
    /// if nobody waits.
    by: *const (),
    /// Gives a reason instead, if it is not a task that waits.
    give: Option<unsafe fn(*const (), CancelReason)>,
}

impl Wanted {
    /// By nobody.
    pub(super) const NOT: Self = Self { by: ptr::null(), give: None };

    /// By whoever it would have been given to.
    #[inline(always)]
    pub(super) fn by(ending: Option<Ending>) -> Self {
        match ending {
            Some(Ending { giver, give }) => Self { by: giver, give: Some(give) },
            None => Self::NOT,
        }
    }

    /// By this task, which waits for it.
    #[inline(always)]
    pub(super) fn by_task(joiner: Option<&'static Task>) -> Self {
        Self { by: joiner.map_or(ptr::null(), |task| ptr::from_ref(task).cast()), give: None }
    }

    /// The task that waits for it, if one does.
    #[inline(always)]
    pub(super) fn joiner(self) -> Option<&'static Task> {
        if self.give.is_some() {
            return None;
        }
        // SAFETY: without a function it is a task, as `by_task` says, and records are never freed.
        unsafe { self.by.cast::<Task>().as_ref() }
    }

    /// Whom to tell, if it is not a task.
    pub(super) fn ending(self) -> Option<Ending> {
        self.give.map(|give| Ending { giver: self.by, give })
    }
}
