//! Frames that are lent to tasks: whoever lends one does not leave it before the last of them has ended.
//!
//! ```text
//!   lend: open a boundary --> body, which spawns --> caught --> cancel if it failed --> wait --> close
//!                                                                                       |
//!                                                    a child left over at the end aborts the process
//! ```
//!
//! This is the only place where a task's closure loses its lifetime. It is sound because the count of
//! children goes down only when a task's stack is empty and its closure and result are gone, and
//! because the frame that lent is left by one way only, which looks at that count.

#![allow(unsafe_code, reason = "spawns tasks whose lifetimes the compiler does not see")]

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::body::Job;
use super::boundary::Boundary;
use super::home::{Home, Making};
use super::reason::CancelReason;
use super::record::Task;
use crate::coroutine::Payload;
use crate::erase::AbortBomb;

/// A frame that is lent to tasks: what [`scope`](crate::scope) and [`try_scope`](crate::try_scope) give to
/// their closures.
///
/// Tasks spawned with it may refer to whatever outlives `'scope`: to what the caller of `scope` owns
/// (`'env`), and to the scope itself. `F` is what children that fail leave behind.
///
/// It stays on its thread, and so do its handles.
pub struct Scope<'scope, 'env: 'scope, F = Panics> {
    /// The loop.
    home: &'static Home,
    /// The boundary around the children.
    boundary: &'static Boundary,
    /// What failed first.
    failure: F,
    /// Neither longer nor shorter: children are counted for exactly this frame.
    scope: PhantomData<&'scope mut &'scope ()>,
    /// What the children may refer to.
    env: PhantomData<&'env mut &'env ()>,
}

/// What failed in a [`Scope`], if panics are all that can: the first one's payload.
#[derive(Default)]
pub struct Panics {
    /// The payload.
    pub(crate) first: Cell<Option<Box<dyn Any + Send>>>,
    /// Whether the closure was unwound before any child had panicked.
    pub(crate) body_was_first: Cell<bool>,
}

/// What failed in a [`Scope`] whose children can give errors: the first error or payload.
pub struct Failures<E> {
    /// A panic's payload.
    pub(crate) panics: Panics,
    /// An error.
    pub(crate) error: Cell<Option<E>>,
}

impl<'scope, F> Scope<'scope, '_, F> {
    /// Makes a task that may refer to what outlives `'scope`. It runs when it has been enqueued.
    #[inline(always)]
    pub(crate) fn make<J: Job + 'scope>(&'scope self, job: J, making: Making) -> &'static Task {
        // SAFETY: what the job refers to outlives `'scope`, and `lend` does not return before the
        // task has ended and the count has gone down, whatever happens.
        unsafe { self.home.make(job, making, self.boundary) }
    }

    /// The boundary around the children.
    #[inline(always)]
    pub(crate) fn boundary(&self) -> &'static Boundary {
        self.boundary
    }

    /// The loop.
    #[inline(always)]
    pub(crate) fn home(&self) -> &'static Home {
        self.home
    }

    /// What failed first.
    pub(crate) fn failure(&self) -> &F {
        &self.failure
    }
}

impl<F> fmt::Debug for Scope<'_, '_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("children", &self.boundary.children())
            .field("is_cancelled", &self.boundary.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Panics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panics").finish_non_exhaustive()
    }
}

impl<E> fmt::Debug for Failures<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failures").finish_non_exhaustive()
    }
}

/// Lends this frame to the tasks that `body` spawns, and gives what came of the body, and what `failed` takes
/// out of what the children left behind.
///
/// `wait` comes back when the children have ended. It is called after the body, however that ended; if it
/// panicked, the children are cancelled first, for the reason that `why` gives. The boundary is open
/// already, and not closed here.
#[inline(always)]
pub(crate) fn lend<'env, F, T, G>(
    home: &'static Home,
    boundary: &'static Boundary,
    failure: F,
    why: impl FnOnce() -> CancelReason,
    wait: impl FnOnce(),
    body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env, F>) -> T,
    failed: impl FnOnce(&F) -> G,
) -> (Result<T, Payload>, G) {
    let scope = Scope { home, boundary, failure, scope: PhantomData, env: PhantomData };
    let bomb = AbortBomb::arm("tasks that borrow from it");
    let result = catch_unwind(AssertUnwindSafe(|| body(&scope)));
    if boundary.children() > 0 {
        if result.is_err() {
            boundary.cancel(why());
        }
        wait();
    }
    // Otherwise the bomb goes off: children would go on with what this frame owns.
    if boundary.children() == 0 {
        bomb.disarm();
    }
    (result, failed(&scope.failure))
}

/// Makes a task that refers to nothing but what lives for ever.
#[inline(always)]
pub(crate) fn make_static<J: Job + 'static>(
    home: &'static Home,
    job: J,
    making: Making,
) -> &'static Task {
    // SAFETY: `J: 'static`.
    unsafe { home.make(job, making, home.root()) }
}
