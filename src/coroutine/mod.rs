//! A function with its own stack: created, resumed, paused, unwound.
//!
//! | file | what |
//! |---|---|
//! | `anchor` | a word per thread, for the rooms above |
//! | `parcel` | values on their way between stacks |
//! | `threads` | a switch for Miri, on system threads |
//! | `switch` | corosensei's switch, or that one |
//! | `context` | the record of a coroutine, the chain of those that run, frames that must not be left |
//! | `cancel` | the signal that unwinds one, and what becomes of those that swallow it |
//! | `core` | making, resuming and ending |
//! | `pauser` | the inner end |
//! | `scoped` | coroutines that borrow |
//! | `grow` | a closure on a bigger stack |
//!
//! With the stack room this is the only part that knows corosensei, and the only one that switches.

mod anchor;
mod parcel;
#[cfg(miri)]
mod threads;
mod switch;
mod context;
mod cancel;
mod core;
mod pauser;
mod scoped;
mod grow;

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

pub use cancel::is_cancel;
pub use context::no_pause;
pub use grow::{grow, try_grow};
pub use pauser::Pauser;
pub use scoped::{Entered, Scoped};

pub(crate) use self::core::{Core, Name, Plan, SetAside, Step};
pub(crate) use anchor::{anchor, set_anchor};
pub(crate) use cancel::{
    LONG_PATIENCE, PATIENCE, Payload, abandon, discard, is_signal, message, new_number, throw,
};
pub(crate) use context::{
    Lender, OpenFrame, Scheduled, Types, keepsake, prefetch, room_left, stack_pointer,
};
pub(crate) use scoped::enter;

use crate::stacks::{Request, SpawnError};

/// What a resume came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State<Out, Ret> {
    /// It paused, and handed this out.
    Paused(Out),
    /// It returned this and has ended.
    Complete(Ret),
}

impl<Out, Ret> State<Out, Ret> {
    /// What it handed out, if it paused.
    pub fn paused(self) -> Option<Out> {
        match self {
            Self::Paused(out) => Some(out),
            Self::Complete(_) => None,
        }
    }

    /// What it returned, if it has ended.
    pub fn complete(self) -> Option<Ret> {
        match self {
            Self::Paused(_) => None,
            Self::Complete(value) => Some(value),
        }
    }
}

/// Where a coroutine is in its life, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Never resumed.
    Ready,
    /// Resumed at least once; waits in a pause.
    Paused,
    /// Returned.
    Complete,
    /// Ended by a panic, which came out of the resume (or cancel) that met it.
    Panicked,
    /// Ended from outside: cancelled, or given up. Where nothing can unwind (`panic = "abort"`, or
    /// given up) its destructors did not run.
    Cancelled,
}

impl Status {
    /// Whether it can no longer be resumed.
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Ready | Self::Paused)
    }
}

/// A function that can stop anywhere, however deep in its calls, and go on where it was.
///
/// [`resume`](Self::resume) runs it until it calls [`Pauser::pause`] or returns. `In` goes in with
/// each resume, `Out` comes out with each pause, `Ret` at the end. The first `In` is the closure's
/// second argument, later ones are what `pause` returns.
///
/// It has a stack of its own, 240 KiB of frames unless a [`Builder`] says otherwise, of which only
/// touched pages take memory. The stack is taken when the coroutine is made and given back for reuse
/// when it ends, not when the handle is dropped.
///
/// Everything in it is `'static`. For coroutines that borrow see [`Coroutine::scoped`].
///
/// # Dropping
/// Dropping a paused coroutine cancels it: its frames are unwound, innermost first, so every
/// destructor runs once, then and there. As in any unwinding, a destructor that panics meanwhile
/// aborts the process. If the body catches the cancellation and then panics, that panic comes out of
/// the drop; if the thread panics already it is [reported](crate::on_report) instead. One that never
/// ran drops what its closure captured. One that swallows its cancellation (`loop { let _ = catch_unwind(|| pause()) }`)
/// is given up after 64 more pauses: reported, and its stack leaked.
///
/// A coroutine that is forgotten leaks its stack and what is on it, and nothing else happens. The
/// same goes for one that is dropped while it runs, which takes a `thread_local!` and
/// [`std::process::exit`].
///
/// With `panic = "abort"` nothing can unwind: dropping a paused coroutine leaks its stack.
///
/// # Threads
/// A coroutine stays on its thread: it is neither `Send` nor `Sync`, and so it may keep `Rc`s and
/// the like on its stack.
///
/// # Examples
/// ```
/// use segno::{Coroutine, Pauser, State};
///
/// let mut sum = Coroutine::new(|co: &Pauser<u32, u32>, first: u32| {
///     let mut sum = first;
///     loop {
///         let next = co.pause(sum);
///         if next == 0 {
///             return sum;
///         }
///         sum += next;
///     }
/// });
/// assert_eq!(sum.resume(5), State::Paused(5));
/// assert_eq!(sum.resume(2), State::Paused(7));
/// assert_eq!(sum.resume(0), State::Complete(7));
/// ```
pub struct Coroutine<In, Out, Ret> {
    /// The coroutine.
    core: Core<In, Out, Ret>,
}

impl<In, Out, Ret> Coroutine<In, Out, Ret> {
    /// Makes a coroutine on a stack of the default size. Nothing of `body` runs before the first
    /// resume.
    ///
    /// A closure has to spell out the type of its first argument, `&Pauser<In, Out>`; a function's name
    /// alone will do.
    ///
    /// # Panics
    /// When no stack can be had; [`Builder::build`] gives an error instead.
    #[inline]
    #[track_caller]
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Pauser<In, Out>, In) -> Ret + 'static,
        In: 'static,
        Out: 'static,
        Ret: 'static,
    {
        let spawned_at = Location::caller();
        let plan = Plan {
            request: Request::DEFAULT,
            spawned_at,
            lender: Lender::Nobody,
            generator: false,
        };
        match Self::from_plan(plan, None, body) {
            Ok(this) => this,
            Err(error) => no_stack(&error, spawned_at),
        }
    }

    /// Makes a coroutine as planned.
    #[inline(always)]
    fn from_plan<F>(plan: Plan, name: Name, body: F) -> Result<Self, SpawnError>
    where
        F: FnOnce(&Pauser<In, Out>, In) -> Ret + 'static,
        In: 'static,
        Out: 'static,
        Ret: 'static,
    {
        Ok(Self { core: Core::new_static(plan, name, body)? })
    }

    /// Runs it until it pauses or returns.
    ///
    /// # Pausing
    /// Runs other code on another stack; the caller's own coroutine, if it is in one, pauses only if
    /// that code pauses it.
    ///
    /// # Panics
    /// When it has ended; see [`try_resume`](Self::try_resume). A panic in the coroutine comes out
    /// here, once, with its own payload, and ends it.
    #[inline(always)]
    #[track_caller]
    pub fn resume(&mut self, value: In) -> State<Out, Ret> {
        match self.core.resume(value) {
            Ok(state) => state,
            Err(_) => self.core.resumed_after_end(),
        }
    }

    /// Runs it until it pauses or returns, unless it has ended.
    ///
    /// # Errors
    /// Gives `value` back when the coroutine has ended.
    ///
    /// # Panics
    /// Only what the coroutine panics with.
    #[inline]
    pub fn try_resume(&mut self, value: In) -> Result<State<Out, Ret>, In> {
        self.core.resume(value)
    }

    /// Where it is in its life.
    pub fn status(&self) -> Status {
        self.core.status()
    }

    /// Ends it now: unwinds it if it is paused, drops its closure if it never ran, does nothing if
    /// it has ended.
    ///
    /// Afterwards its status is [`Status::Cancelled`]; or [`Status::Complete`] if the body caught the
    /// signal and returned (what it returned is dropped), [`Status::Panicked`] if it caught it and
    /// panicked.
    ///
    /// # Pausing
    /// The coroutine's destructors run on its own stack. They must not pause it.
    ///
    /// # Panics
    /// When the body ends with a panic of its own instead.
    pub fn cancel(&mut self) {
        self.core.cancel_or_panic();
    }

    /// Its name, as given to [`Builder::name`]; `None` once it has ended.
    pub fn name(&self) -> Option<&str> {
        self.core.name()
    }

    /// Bytes of stack at the deepest so far, bookkeeping included (up to 1.5 KiB). `None` unless it
    /// was built with [`Builder::measure`] or while [`measure_all`](crate::stack::measure_all) was on,
    /// and on Windows.
    pub fn stack_used(&self) -> Option<usize> {
        self.core.stack_used()
    }
}

impl<In, Out, Ret> fmt::Debug for Coroutine<In, Out, Ret> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.describe(f.debug_struct("Coroutine"))
    }
}

/// There is no stack for a coroutine whose maker did not ask for a result.
#[cold]
#[inline(never)]
pub(crate) fn no_stack(error: &SpawnError, at: &'static Location<'static>) -> ! {
    panic!("no coroutine could be made at {at}: {error}");
}

/// How to make a coroutine: name, stack size, guard size, measuring.
///
/// ```
/// use segno::{Builder, Pauser, State};
///
/// let mut parser = Builder::new()
///     .name("parser")
///     .stack_size(48 * 1024)
///     .build(|co: &Pauser<char, ()>, first| {
///         let second = co.pause(());
///         format!("{first}{second}")
///     })?;
/// parser.resume('o');
/// assert_eq!(parser.resume('k'), State::Complete("ok".to_owned()));
/// # Ok::<(), segno::SpawnError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Builder {
    /// The name.
    name: Option<Cow<'static, str>>,
    /// Bytes of frames.
    stack_size: Option<usize>,
    /// Bytes of guard.
    guard_size: Option<usize>,
    /// Whether to find out how deep the stack gets.
    measure: bool,
}

impl Builder {
    /// The defaults: no name, 240 KiB of frames, 16 KiB of guard, not measured.
    #[inline]
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the coroutine, for messages and for the overflow report.
    #[inline]
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Asks for at least this many bytes of frames; the least is 32 KiB.
    ///
    /// It is rounded up to what fits into a slot of 64 KiB, 256 KiB, 1 MiB, 4 MiB and so on, of which
    /// 16 KiB are the guard: 48 KiB is the most that the smallest slot has. Up to 1.5 KiB are
    /// bookkeeping. Leave room for unwinding: a cancellation takes 2 KiB, a panic that prints a backtrace
    /// 24 KiB. Values that are passed in and out are moved through several frames, up to 23 times their
    /// size in a debug build: box those above 1 KiB. Where pages are larger than 16 KiB, so is the
    /// guard, and the frames are fewer. Memory is taken page by page as frames touch it, so a large stack costs address
    /// space, and page tables of a five-hundredth of its size.
    #[inline]
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Asks for at least this many bytes of guard below the frames; 16 KiB is the least.
    ///
    /// Rust's own frames cannot jump over a guard, since the compiler probes them. A foreign function
    /// with a frame larger than the guard can: give its coroutine a guard that is larger still. Costs
    /// two system calls per coroutine. Not supported on Windows, nor where the process locks its memory
    /// (`mlockall`).
    #[inline]
    pub fn guard_size(mut self, bytes: usize) -> Self {
        self.guard_size = Some(bytes);
        self
    }

    /// Finds out how deep the stack gets: see [`Coroutine::stack_used`] and
    /// [`stack::usage`](crate::stack::usage). Costs a few microseconds per coroutine.
    #[inline]
    pub fn measure(mut self, on: bool) -> Self {
        self.measure = on;
        self
    }

    /// Makes the coroutine.
    ///
    /// # Errors
    /// When the sizes make no sense or no stack can be had. The closure is dropped.
    #[inline]
    #[track_caller]
    pub fn build<In, Out, Ret, F>(self, body: F) -> Result<Coroutine<In, Out, Ret>, SpawnError>
    where
        F: FnOnce(&Pauser<In, Out>, In) -> Ret + 'static,
        In: 'static,
        Out: 'static,
        Ret: 'static,
    {
        let (plan, name) = self.plan(Location::caller(), Lender::Nobody, false)?;
        Coroutine::from_plan(plan, name, body)
    }

    /// What was asked for, checked.
    #[inline]
    pub(crate) fn plan(
        self,
        spawned_at: &'static Location<'static>,
        lender: Lender,
        generator: bool,
    ) -> Result<(Plan, Name), SpawnError> {
        let mut request = match (self.stack_size, self.guard_size) {
            (None, None) => Request::DEFAULT,
            (size, guard) => Request::sized(size.unwrap_or(Request::DEFAULT_FRAMES), guard)?,
        };
        request.measure = self.measure;
        Ok((Plan { request, spawned_at, lender, generator }, self.name))
    }
}
