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
use crate::report;

/// A frame that is lent to tasks: what [`scope`](crate::scope) gives to its closure.
///
/// Tasks spawned with it may refer to whatever outlives `'scope`: to what the caller of `scope` owns
/// (`'env`), and to the scope itself.
///
/// It stays on its thread, and so do its handles.
pub struct Scope<'scope, 'env: 'scope> {
    /// The loop.
    home: &'static Home,
    /// The boundary around the children.
    boundary: &'static Boundary,
    /// What failed first.
    pub(crate) panics: Panics,
    /// Neither longer nor shorter: children are counted for exactly this frame.
    scope: PhantomData<&'scope mut &'scope ()>,
    /// What the children may refer to.
    env: PhantomData<&'env mut &'env ()>,
}

/// The panics of a scope.
#[derive(Default)]
pub(crate) struct Panics {
    /// The payload of the first child that panicked.
    pub(crate) first: Cell<Option<Payload>>,
    /// Whether the closure was unwound before any child had panicked.
    pub(crate) body_was_first: Cell<bool>,
}

impl<'scope> Scope<'scope, '_> {
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
}

/// A [`Scope`] whose children can give errors: what [`try_scope`](crate::try_scope) gives to its closure.
///
/// It is handed over by value, and copied, so that the type of the errors says nothing about `'scope`: it may
/// hold references of its own.
pub struct TryScope<'scope, 'env, E> {
    /// The scope.
    pub(crate) scope: &'scope Scope<'scope, 'env>,
    /// Where the first error goes; it outlives `'scope`.
    error: *const Cell<Option<E>>,
}

impl<'scope, E> TryScope<'scope, '_, E> {
    /// Keeps an error if it is the first. One that comes too late is dropped.
    pub(crate) fn keep(self, error: E) {
        // SAFETY: `FirstError::of` sees to it that the place outlives `'scope`.
        keep(unsafe { &*self.error }, error);
    }

    /// What a child of this scope runs: its closure, whose error stays here, and is told of by `failed`.
    pub(crate) fn judged<T>(
        self,
        f: impl FnOnce() -> Result<T, E> + 'scope,
        failed: fn(&Scope<'_, '_>),
    ) -> impl FnOnce() -> Option<T> + 'scope {
        let scope = self.scope;
        // Without its type: what the child captures outlives `'scope`, whatever is in an `E`.
        let place = self.error.cast::<()>();
        move || match f() {
            Ok(value) => Some(value),
            Err(error) => {
                failed(scope);
                // SAFETY: as in `keep`, since a child ends within `'scope`; and the type is this
                // function's.
                keep(unsafe { &*place.cast::<Cell<Option<E>>>() }, error);
                None
            }
        }
    }
}

/// Keeps an error if it is the first.
fn keep<E>(place: &Cell<Option<E>>, error: E) {
    let first = place.take();
    if first.is_some() {
        place.set(first);
        // Its destructor is the user's: nothing of ours is borrowed here.
        drop(error);
    } else {
        place.set(Some(error));
    }
}

/// Where the first error of a `try_scope` goes: made before the scope, dropped after it, or the process
/// aborts.
pub(crate) struct FirstError<E> {
    /// The error.
    error: Cell<Option<E>>,
    /// The scope's boundary, and which use of that it is.
    scope: Cell<Option<(&'static Boundary, u64)>>,
}

impl<E> FirstError<E> {
    /// No error, and no scope yet.
    pub(crate) fn new() -> Self {
        Self { error: Cell::new(None), scope: Cell::new(None) }
    }

    /// Makes this the place for the errors of a scope.
    pub(crate) fn of<'scope, 'env>(
        &self,
        scope: &'scope Scope<'scope, 'env>,
    ) -> TryScope<'scope, 'env, E> {
        self.scope.set(Some((scope.boundary, scope.boundary.serial())));
        TryScope { scope, error: &raw const self.error }
    }

    /// Takes the error.
    pub(crate) fn take(&self) -> Option<E> {
        self.error.take()
    }
}

impl<E> Drop for FirstError<E> {
    fn drop(&mut self) {
        if let Some((boundary, serial)) = self.scope.get() {
            if boundary.is(serial) {
                report::abort("the errors of a scope were dropped before it".to_owned());
            }
        }
    }
}

impl<E> Clone for TryScope<'_, '_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for TryScope<'_, '_, E> {}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("children", &self.boundary.children())
            .field("is_cancelled", &self.boundary.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl<E> fmt::Debug for TryScope<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryScope").field(&self.scope).finish()
    }
}

/// Lends this frame to the tasks that `body` spawns, and gives what came of the body, and the first panic of a
/// child.
///
/// `wait` comes back when the children have ended. It is called after the body, however that ended; if it
/// panicked, the children are cancelled first, for the reason that `why` gives. The boundary is open
/// already, and not closed here.
#[inline(always)]
pub(crate) fn lend<'env, T>(
    home: &'static Home,
    boundary: &'static Boundary,
    why: impl FnOnce() -> CancelReason,
    wait: impl FnOnce(),
    body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
) -> (Result<T, Payload>, Option<Payload>) {
    let panics = Panics::default();
    let scope = Scope { home, boundary, panics, scope: PhantomData, env: PhantomData };
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
    (result, scope.panics.first.take())
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
