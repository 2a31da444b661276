//! Entering and leaving a boundary.
//!
//! The frame that enters one leaves it by one way only: what happens inside is caught, and goes on
//! afterwards.

use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};

use crate::coroutine::{self, OpenFrame, Payload};
use crate::task::{Boundary, CancelReason, Home, Kind, Task};

/// A boundary that the current task is in.
pub(crate) struct Frame {
    /// The task.
    pub(crate) task: &'static Task,
    /// The boundary.
    pub(crate) boundary: &'static Boundary,
    /// Keeps a bare coroutine that this is on from pausing in it.
    _open: Option<OpenFrame>,
}

impl Frame {
    /// Enters a boundary.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn enter(what: &'static str, kind: Kind, at: &'static Location<'static>) -> Self {
        let task = Home::current_task(what);
        if kind == Kind::Scope {
            // It will have to wait, so it is refused at once where that is not possible.
            task.check_place();
        }
        let open = (!task.is_on_own_stack()).then(|| OpenFrame::open(what, at));
        let boundary = task.home().take_boundary();
        task.enter(boundary, kind);
        Self { task, boundary, _open: open }
    }

    /// Leaves it. Gives the reason if a payload that came out was its own cancellation.
    #[inline(always)]
    pub(crate) fn leave<T>(
        self,
        result: Result<T, Payload>,
    ) -> Result<Result<T, Payload>, CancelReason> {
        let own = match &result {
            Err(payload) => self.takes(payload),
            Ok(_) => None,
        };
        self.task.leave(self.boundary);
        self.task.home().free_boundary(self.boundary);
        match own {
            Some(reason) => {
                if let Err(payload) = result {
                    coroutine::discard(payload);
                }
                Err(reason)
            }
            None => Ok(result),
        }
    }

    /// The reason of its own cancellation, if this is the signal of that.
    #[cold]
    fn takes(&self, payload: &Payload) -> Option<CancelReason> {
        let number = self.boundary.number();
        if number != 0 && coroutine::is_signal(payload, number) {
            self.boundary.reason()
        } else {
            None
        }
    }
}

/// Runs a closure inside a boundary. `Err` if that was cancelled and the closure unwound because of it; any
/// other panic goes on.
#[inline(always)]
pub(crate) fn inside<T>(frame: Frame, f: impl FnOnce() -> T) -> Result<T, CancelReason> {
    let result = catch_unwind(AssertUnwindSafe(f));
    match frame.leave(result)? {
        Ok(value) => Ok(value),
        Err(payload) => resume_unwind(payload),
    }
}
