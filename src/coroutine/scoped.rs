//! Coroutines that borrow: they live inside a callback and have ended when it is left.
//!
//! A value that borrows, runs code of its own and can be forgotten would be unsound: a
//! `std::thread::scope` paused inside a forgotten coroutine goes on using what was borrowed. So a
//! borrowing coroutine is never a value of the user's. [`enter`] keeps it in its own frame and hands
//! out a reference that cannot be let out; however the callback ends, the coroutine ends first, and
//! only then does the frame.

#![allow(unsafe_code, reason = "makes coroutines whose lifetimes the compiler does not see")]

use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::thread;

use super::cancel;
use super::context::{Lender, Types, current};
use super::core::{Core, Plan};
use super::{Builder, Coroutine, Pauser, State, Status, no_stack};
use crate::erase::AbortBomb;
use crate::report::{self, ReportKind};
use crate::stacks::SpawnError;

/// A coroutine that borrows, not made yet: [`enter`](Self::enter) makes it and lends it to a
/// callback. From [`Coroutine::scoped`] or [`Builder::scoped`].
pub struct Scoped<In, Out, Ret, F> {
    /// Name, sizes.
    builder: Builder,
    /// What it will run.
    body: F,
    /// Where the user wrote it.
    spawned_at: &'static Location<'static>,
    /// Its types, and that it stays on this thread.
    types: PhantomData<Types<In, Out, Ret>>,
}

/// A coroutine that borrows, inside [`Scoped::enter`]. It ends when the callback is left.
///
/// `'x` is the callback's own lifetime, so it cannot be stored anywhere outside.
pub struct Entered<'x, In, Out, Ret> {
    /// The coroutine, in the frame of [`enter`].
    core: &'x mut Core<In, Out, Ret>,
    /// Makes `'x` neither longer nor shorter, so that two of these cannot be swapped.
    brand: PhantomData<fn(&'x ()) -> &'x ()>,
}

impl<In, Out, Ret, F> Scoped<In, Out, Ret, F>
where
    F: FnOnce(&Pauser<In, Out>, In) -> Ret,
{
    /// Makes the coroutine, calls `callback` with it, ends it if it has not ended (as dropping a
    /// [`Coroutine`] does), and returns what the callback returned.
    ///
    /// With `panic = "abort"` nothing can unwind it: one that is still paused when the callback is
    /// left aborts the process. Run it to its end, or use a
    /// [scoped generator](crate::Generator::scoped).
    ///
    /// # Pausing
    /// Never by itself. A coroutine around it may pause inside the callback.
    ///
    /// # Panics
    /// When no stack can be had; while a panic or cancellation unwinds here, because then the frame
    /// could not wait. A panic of the callback, or of the coroutine's clean-up, goes on after the
    /// coroutine has ended. If the coroutine swallows its cancellation (see [`Coroutine`]) and
    /// borrows from a frame outside every coroutine, the process aborts.
    #[track_caller]
    pub fn enter<R>(self, callback: impl for<'x> FnOnce(&mut Entered<'x, In, Out, Ret>) -> R) -> R {
        let spawned_at = self.spawned_at;
        match self.try_enter(callback) {
            Ok(value) => value,
            Err(error) => no_stack(&error, spawned_at),
        }
    }

    /// [`enter`](Self::enter) that says why no stack could be had.
    ///
    /// # Errors
    /// When the sizes make no sense or no stack can be had. Nothing has run.
    ///
    /// # Panics
    /// As for [`enter`](Self::enter), but for the stack.
    #[track_caller]
    pub fn try_enter<R>(
        self,
        callback: impl for<'x> FnOnce(&mut Entered<'x, In, Out, Ret>) -> R,
    ) -> Result<R, SpawnError> {
        enter(self.builder, self.spawned_at, false, self.body, |mut entered| callback(&mut entered))
    }
}

impl Lender {
    /// A frame of whatever runs here.
    pub(crate) fn here() -> Self {
        current().map_or(Self::Thread, |here| Self::Coroutine(here))
    }
}

/// Makes a coroutine, lends it to `callback`, and does not return before it has ended.
///
/// What the callback gets cannot be kept, since it holds for every `'x`, and cannot be swapped with
/// another, since no two have the same.
#[track_caller]
pub(crate) fn enter<In, Out, Ret, R>(
    builder: Builder,
    spawned_at: &'static Location<'static>,
    generator: bool,
    body: impl FnOnce(&Pauser<In, Out>, In) -> Ret,
    callback: impl for<'x> FnOnce(Entered<'x, In, Out, Ret>) -> R,
) -> Result<R, SpawnError> {
    let (plan, name) = builder.plan(spawned_at, Lender::here(), generator)?;
    refuse_while_unwinding(&plan);
    // SAFETY: what the coroutine refers to outlives this frame, because the arguments do; and this
    // frame is not left before the coroutine has ended: every way out is below, and the bomb stands
    // on any other.
    let mut core = unsafe { Core::new(plan, name, body)? };
    let bomb = AbortBomb::arm("a scoped coroutine");
    let result = catch_unwind(AssertUnwindSafe(|| {
        callback(Entered { core: &mut core, brand: PhantomData })
    }));
    let ended = catch_unwind(AssertUnwindSafe(|| {
        if cfg!(panic = "unwind") {
            core.cancel()
        } else if generator {
            core.close()
        } else {
            abort_if_paused(&core);
            core.cancel()
        }
    }));
    bomb.disarm();
    let ended = ended.and_then(|ended| ended);
    match (result, ended) {
        (Ok(value), Ok(())) => Ok(value),
        (Ok(value), Err(payload)) => {
            drop(value);
            resume_unwind(payload)
        }
        (Err(payload), Ok(())) => resume_unwind(payload),
        (Err(payload), Err(second)) => {
            if !cancel::is_cancel(&*second) {
                report::tell(
                    ReportKind::LostPanic,
                    format!(
                        "a scoped coroutine that was ended by a panic ended with another: {}",
                        cancel::message(&second)
                    ),
                );
            }
            cancel::discard(second);
            resume_unwind(payload)
        }
    }
}

/// Panics if the frame could not wait for the coroutine's end. In a destructor that is an abort, so
/// the message goes out first.
#[track_caller]
fn refuse_while_unwinding(plan: &Plan) {
    let unwinding = current().map_or_else(thread::panicking, cancel::unwinds);
    if unwinding {
        let message = format!(
            "a scoped coroutine (made at {}) was entered while a panic or cancellation unwinds",
            plan.spawned_at
        );
        report::tell(ReportKind::Abort, message.clone());
        panic!("{message}");
    }
}

/// Nothing can unwind here, and the callback's frame is about to go.
fn abort_if_paused<In, Out, Ret>(core: &Core<In, Out, Ret>) {
    if let (Status::Paused, Some(context)) = (core.status(), core.context()) {
        report::abort(format!(
            "scoped {context} is still paused when `enter` is left, and with panic = \"abort\" \
             nothing can unwind it: resume it until it has ended"
        ));
    }
}

impl<In, Out, Ret> Coroutine<In, Out, Ret> {
    /// A coroutine that borrows: it lives while [`Scoped::enter`] runs a callback.
    ///
    /// ```
    /// use segno::{Coroutine, Pauser, State};
    ///
    /// let words = vec!["D.S.".to_owned(), "al".to_owned(), "fine".to_owned()];
    /// let longest = Coroutine::scoped(|co: &Pauser<(), &str>, ()| {
    ///     for word in &words {
    ///         co.pause(word.as_str());
    ///     }
    /// })
    /// .enter(|co| {
    ///     let mut longest = "";
    ///     while let State::Paused(word) = co.resume(()) {
    ///         if word.len() > longest.len() {
    ///             longest = word;
    ///         }
    ///     }
    ///     longest.to_owned()
    /// });
    /// assert_eq!(longest, "D.S.");
    /// ```
    #[track_caller]
    pub fn scoped<F>(body: F) -> Scoped<In, Out, Ret, F>
    where
        F: FnOnce(&Pauser<In, Out>, In) -> Ret,
    {
        Builder::new().scoped(body)
    }
}

impl Builder {
    /// A coroutine that borrows, with this name and these sizes: see [`Coroutine::scoped`].
    #[track_caller]
    pub fn scoped<In, Out, Ret, F>(self, body: F) -> Scoped<In, Out, Ret, F>
    where
        F: FnOnce(&Pauser<In, Out>, In) -> Ret,
    {
        Scoped { builder: self, body, spawned_at: Location::caller(), types: PhantomData }
    }
}

impl<In, Out, Ret> Entered<'_, In, Out, Ret> {
    /// As [`Coroutine::resume`].
    #[inline(always)]
    #[track_caller]
    pub fn resume(&mut self, value: In) -> State<Out, Ret> {
        match self.core.resume(value) {
            Ok(state) => state,
            Err(_) => self.core.resumed_after_end(),
        }
    }

    /// As [`Coroutine::try_resume`].
    ///
    /// # Errors
    /// Gives `value` back when the coroutine has ended.
    #[inline]
    pub fn try_resume(&mut self, value: In) -> Result<State<Out, Ret>, In> {
        self.core.resume(value)
    }

    /// As [`Coroutine::status`].
    pub fn status(&self) -> Status {
        self.core.status()
    }

    /// As [`Coroutine::cancel`].
    pub fn cancel(&mut self) {
        self.core.cancel_or_panic();
    }

    /// As [`Coroutine::name`].
    pub fn name(&self) -> Option<&str> {
        self.core.name()
    }

    /// As [`Coroutine::stack_used`].
    pub fn stack_used(&self) -> Option<usize> {
        self.core.stack_used()
    }
}

impl<In, Out, Ret, F> fmt::Debug for Scoped<In, Out, Ret, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped")
            .field("builder", &self.builder)
            .field("spawned_at", &self.spawned_at)
            .finish_non_exhaustive()
    }
}

impl<In, Out, Ret> fmt::Debug for Entered<'_, In, Out, Ret> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.describe(f.debug_struct("Entered"))
    }
}
