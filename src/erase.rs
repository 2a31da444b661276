//! The bomb that stands wherever a frame lends itself to something that outlives the type system's
//! view of it: if the frame were left early, the process aborts instead.
//!
//! A borrowing coroutine keeps references into the frame that entered it. That frame may go only
//! after the coroutine has ended, whatever panics on the way. The code sees to that; the bomb makes
//! a mistake in that code an abort with a name and not a use after free.

use crate::report;

/// Aborts the process when it is dropped; [`disarm`](Self::disarm) it once the loan is over.
#[derive(Debug)]
pub(crate) struct AbortBomb {
    /// Which loan was open, for the message.
    loan: &'static str,
}

impl AbortBomb {
    /// Arms a bomb for the named loan.
    pub(crate) fn arm(loan: &'static str) -> Self {
        Self { loan }
    }

    /// The loan has ended as it should.
    pub(crate) fn disarm(self) {
        std::mem::forget(self);
    }
}

impl Drop for AbortBomb {
    fn drop(&mut self) {
        report::abort(format!("a frame was left while it was lent to {}", self.loan));
    }
}
