//! The record that every coroutine keeps at the top of its stack, and the chain of those that run.
//!
//! ```text
//!   thread's own stack         A                        B  (runs)
//!   +----------------+        +----------------+       +----------------+
//!   | resume(A) .... |  <---- | resumer        | <---- | resumer        |   <-- CURRENT
//!   +----------------+  null  | resume(B) .... |       | ....           |
//!                             +----------------+       +----------------+
//! ```
//!
//! [`current`] is the innermost context that runs on this thread; null on the thread's own stack.
//! The switch sets it on the way in and puts it back on the way out, so it is right however deep
//! coroutines nest, and it needs no lookup. When A is paused from inside B, the whole chain from B
//! to A leaves together: A's `innermost` remembers B and A's next resume makes B current again.
//!
//! A coroutine never changes thread, so it does not matter that a compiler keeps a thread-local's
//! address over a switch.

#![allow(unsafe_code, reason = "follows pointers along the chain of running contexts")]

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::ptr;

use crate::stacks::Slot;

/// Where a coroutine is in its life, as far as its stack is concerned. A handle that has seen the
/// end remembers how it came, since the stack is gone by then.
///
/// ```text
///   Ready --resume--> Running --pause--> Paused --resume--> Running --> (ended: stack released)
///                        |                                     |
///                        +------------- will not end ----------+--> Retired (stack leaked)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// Never resumed: the closure lies on the stack, the stack has no frames.
    Ready,
    /// Paused itself, or was paused together with the context that it runs under.
    Paused,
    /// Runs, or resumed what runs, or left together with an outer one that was paused.
    Running,
    /// Given up: never resumed again, its stack never reused.
    Retired,
}

/// Whose frames a coroutine may refer to, and who therefore has to outlive it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lender {
    /// Nobody's: everything in it is `'static`.
    Nobody,
    /// A frame on the thread's own stack.
    Thread,
    /// A frame on the stack of this coroutine.
    Coroutine(*const Context),
}

/// The bit of [`Context::attention`] that says: end, this was cancelled.
pub(crate) const CANCELLED: u32 = 1 << 31;
/// The bit of [`Context::attention`] that says: nobody takes items any more. Generators only, where
/// nothing can unwind.
pub(crate) const CLOSED: u32 = 1 << 30;
/// The rest of [`Context::attention`]: how many frames are open that must not be paused in.
pub(crate) const OPEN: u32 = CLOSED - 1;

/// How a context leaves for good: see [`Context::leave`].
#[derive(Clone, Copy)]
pub(crate) struct Leave {
    /// Switches to the resumer and never comes back. Knows the types that `yielder` has forgotten.
    pub(crate) switch: unsafe fn(*const ()),
    /// The corosensei yielder of this context.
    pub(crate) yielder: *const (),
}

/// One coroutine's record, without its types. Lives on its stack.
pub(crate) struct Context {
    /// Who resumed it; valid while it runs.
    pub(crate) resumer: Cell<*const Context>,
    /// What becomes current when it is resumed: itself, but for one paused from inside another.
    pub(crate) innermost: Cell<*const Context>,
    /// Not 0: a pause has to look closer. [`CANCELLED`], [`CLOSED`], and the count of open frames.
    pub(crate) attention: Cell<u32>,
    /// Where it is in its life.
    pub(crate) stage: Cell<Stage>,
    /// Whether the thread was panicking already when it was resumed last.
    pub(crate) resumed_panicking: Cell<bool>,
    /// Whether it is a generator: its pauses take `()` and may return without having paused.
    pub(crate) generator: bool,
    /// Whether its handle was dropped while it ran: it must not be touched any more.
    pub(crate) orphaned: Cell<bool>,
    /// How often the cancellation was raised, or stood in the way of a pause.
    pub(crate) raised: Cell<u32>,
    /// The number of its cancellation; 0 before there is one.
    pub(crate) cancellation: Cell<u64>,
    /// Its stack.
    pub(crate) slot: Slot,
    /// Who has to outlive it.
    pub(crate) lender: Lender,
    /// The innermost open frame: what it is and where it was opened.
    opened: Cell<Option<(&'static str, &'static Location<'static>)>>,
    /// How to leave for good; set when it runs first.
    pub(crate) leave: Cell<Option<Leave>>,
}

thread_local! {
    /// The innermost context that runs on this thread, or null.
    static CURRENT: Cell<*const Context> = const { Cell::new(ptr::null()) };
}

/// The innermost context that runs on this thread; null on the thread's own stack.
#[inline(always)]
pub(crate) fn current() -> *const Context {
    CURRENT.with(Cell::get)
}

/// Makes a context the current one. Only for the switch.
#[inline(always)]
pub(crate) fn set_current(context: *const Context) {
    CURRENT.with(|current| current.set(context));
}

impl Context {
    /// The record of a coroutine that has not run. `innermost` is set when its address is known.
    #[inline]
    pub(crate) fn new(slot: Slot, lender: Lender, generator: bool) -> Self {
        Self {
            resumer: Cell::new(ptr::null()),
            innermost: Cell::new(ptr::null()),
            attention: Cell::new(0),
            stage: Cell::new(Stage::Ready),
            resumed_panicking: Cell::new(false),
            generator,
            orphaned: Cell::new(false),
            raised: Cell::new(0),
            cancellation: Cell::new(0),
            slot,
            lender,
            opened: Cell::new(None),
            leave: Cell::new(None),
        }
    }

    /// Its name, copied out.
    pub(crate) fn name(&self) -> Option<String> {
        // SAFETY: the context lives on the slot, so the slot is acquired.
        let tag = unsafe { self.slot.tag() };
        let name = tag.name.take();
        let copy = name.as_deref().map(str::to_owned);
        tag.name.set(name);
        copy
    }

    /// Where it was made.
    pub(crate) fn spawned_at(&self) -> Option<&'static Location<'static>> {
        // SAFETY: as above.
        unsafe { self.slot.tag() }.spawned_at.get()
    }

    /// Sets the bit that ends it.
    pub(crate) fn attend(&self, bit: u32) {
        self.attention.set(self.attention.get() | bit);
    }

    /// Whether this bit is set.
    pub(crate) fn has(&self, bit: u32) -> bool {
        self.attention.get() & bit != 0
    }
}

/// Messages name a coroutine this way.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "coroutine `{name}`")?,
            None => write!(f, "coroutine")?,
        }
        match self.spawned_at() {
            Some(place) => write!(f, " (made at {place})"),
            None => Ok(()),
        }
    }
}

/// The contexts from the current one outwards.
pub(crate) fn chain() -> impl Iterator<Item = &'static Context> {
    let mut next = current();
    std::iter::from_fn(move || {
        // SAFETY: the current context and all its resumers are running, so their stacks are neither
        // released nor reused; the references do not outlive the callers in this room, which do not
        // switch while they hold one.
        let here = unsafe { next.as_ref() }?;
        next = here.resumer.get();
        Some(here)
    })
}

/// Panics unless `target` runs and may be paused here: it is the current context or resumed it,
/// directly or through others, and no frame on the way is open.
pub(crate) fn check_pause(target: &Context, at: &'static Location<'static>) {
    if !chain().any(|here| ptr::eq(here, target)) {
        let here = match chain().next() {
            Some(here) => here.to_string(),
            None => "the thread's own stack".to_owned(),
        };
        panic!(
            "paused {target} at {at}, but what runs here is {here}: a pause must happen under the \
             coroutine that it pauses"
        );
    }
    for here in chain() {
        if let Some((what, opened_at)) = here.opened.get().filter(|_| here.has(OPEN)) {
            panic!(
                "paused {target} at {at} inside `{what}` opened at {opened_at} on {here}: \
                 that must be left before anything around it pauses"
            );
        }
        if ptr::eq(here, target) {
            return;
        }
    }
}

/// Counts a frame that must not be paused in, on the context that it is opened on.
pub(crate) struct OpenFrame {
    /// The context; null on the thread's own stack, where nothing can pause.
    context: *const Context,
    /// The frame around this one.
    around: Option<(&'static str, &'static Location<'static>)>,
}

impl OpenFrame {
    /// Opens a frame on the current context.
    pub(crate) fn open(what: &'static str, at: &'static Location<'static>) -> Self {
        let context = current();
        let mut around = None;
        // SAFETY: the current context runs.
        if let Some(here) = unsafe { context.as_ref() } {
            around = here.opened.replace(Some((what, at)));
            here.attention.set(here.attention.get() + 1);
        }
        Self { context, around }
    }
}

impl Drop for OpenFrame {
    fn drop(&mut self) {
        // SAFETY: the frame lies on this context's stack, so the context is there while the frame
        // is; pauses are refused while it is open, so it runs.
        if let Some(here) = unsafe { self.context.as_ref() } {
            here.opened.set(self.around);
            here.attention.set(here.attention.get() - 1);
        }
    }
}

/// Runs a closure that must not be switched away from.
///
/// A pause inside `f` that would leave `f` panics, naming both places: the pause of the coroutine
/// that called `no_pause`, and of every coroutine around it. Coroutines that are resumed inside `f`
/// and pause back into it are not concerned: they do not leave it.
///
/// This is for people who bind foreign code that relies on last in, first out: a library that keeps
/// a raw pointer in a thread-local during a callback, an interpreter whose C stack must not be left
/// in the middle. Outside every coroutine it changes nothing.
///
/// # Pausing
/// Never pauses.
///
/// ```
/// use segno::{Coroutine, Pauser, no_pause};
/// use std::panic::{AssertUnwindSafe, catch_unwind};
///
/// let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| no_pause(|| co.pause(())));
/// let refused = catch_unwind(AssertUnwindSafe(|| co.resume(())));
/// assert!(refused.unwrap_err().downcast_ref::<String>().unwrap().contains("no_pause"));
/// ```
#[track_caller]
pub fn no_pause<R>(f: impl FnOnce() -> R) -> R {
    let _open = OpenFrame::open("no_pause", Location::caller());
    f()
}
