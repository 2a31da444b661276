//! The bomb that stands wherever a frame lends itself to something that outlives the type system's
//! view of it: if the frame were left early, the process aborts instead.
//!
//! A borrowing coroutine keeps references into the frame that entered it. That frame may go only
//! after the coroutine has ended, whatever panics on the way. The code sees to that; the bomb makes
//! a mistake in that code an abort with a name and not a use after free.

#![allow(
    unsafe_code,
    reason = "a closure that borrows goes to another thread without its lifetime"
)]

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// A closure without its lifetime: see [`while_lent`].
type Job = Box<dyn FnOnce() + Send>;

/// A closure that borrows from a frame which waits for it.
pub(crate) struct Lent {
    /// The closure; `None` once it has run.
    job: Option<Job>,
    /// Whether it and all that it had borrowed are gone. Stored with Release, as the last thing that is done.
    ended: Arc<AtomicBool>,
}

impl Lent {
    /// Runs it. When this returns nothing of it is left.
    pub(crate) fn run(mut self) {
        if let Some(job) = self.job.take() {
            job();
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        drop(self.job.take());
        self.ended.store(true, Ordering::Release);
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").finish_non_exhaustive()
    }
}

/// Lends what a closure borrows to whoever `body` gives it to. `body` comes back when the closure has run, or was
/// dropped; if it comes back or unwinds before that, the process aborts.
pub(crate) fn while_lent<R>(
    loan: &'static str,
    job: Box<dyn FnOnce() + Send + '_>,
    body: impl FnOnce(Lent) -> R,
) -> R {
    let ended = Arc::new(AtomicBool::new(false));
    let bomb = AbortBomb::arm(loan);
    // SAFETY: only the lifetime changes. This frame is not left before the closure is gone, as `ended` says: the
    // bomb goes off otherwise, also if this unwinds.
    let job = unsafe { mem::transmute::<Box<dyn FnOnce() + Send + '_>, Job>(job) };
    let result = body(Lent { job: Some(job), ended: ended.clone() });
    // Acquire, with the store in `Lent`: what the closure did.
    if ended.load(Ordering::Acquire) {
        bomb.disarm();
    }
    result
}
