//! Cancellation: a signal of ours that unwinds a coroutine from its pause to its root.
//!
//! ```text
//!   cancel --> order set, resumed --> the pause raises --> destructors run --> root: ended
//!                                        ^      |
//!                                        |      v  caught by the body, which pauses again
//!                                        +------+  at most 64 times, then the stack is given up
//! ```
//!
//! The signal is a panic payload raised without the panic hook. It is level-triggered: every later
//! pause raises again until the root is left. The payload holds a number that is never used twice,
//! and a root takes it only if the number is its own; everything else passes on to the next one.
//!
//! corosensei's forced unwinding is deliberately not used: it retries for ever inside corosensei, so
//! a body that catches it hangs the thread that drops the coroutine.

#![allow(unsafe_code, reason = "leaves a stack for good")]

use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::context::{Context, Lender, Order, chain, panicking, retire_to};
use super::parcel::Word;
use crate::report::{self, ReportKind};
use crate::stacks;

/// A panic's payload.
pub(crate) type Payload = Box<dyn Any + Send>;

/// How often a body may pause after its cancellation before it is given up.
pub(crate) const PATIENCE: u32 = 64;
/// The same where pauses return at once and unwinding cannot end the body: destructors and loops
/// that run out by themselves get the time to do so.
pub(crate) const LONG_PATIENCE: u32 = 1 << 20;

/// The payload that a cancelled coroutine unwinds with. It is on its way until it is dropped: whoever
/// catches it without passing it on has swallowed it then.
struct CancelSignal {
    /// Which cancellation.
    number: u64,
}

/// The cancellations whose signals exist, on all threads; few, and the last raised is the first
/// dropped.
static ON_THEIR_WAY: Mutex<Vec<u64>> = Mutex::new(Vec::new());

impl CancelSignal {
    /// A signal of this cancellation.
    fn new(number: u64) -> Self {
        ON_THEIR_WAY.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        Self { number }
    }
}

impl Drop for CancelSignal {
    fn drop(&mut self) {
        let mut signals = ON_THEIR_WAY.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = signals.iter().rposition(|&number| number == self.number) {
            signals.remove(at);
        }
    }
}

/// Whether a panic or a cancellation unwinds frames of this coroutine right now, as opposed to frames
/// further out, in a destructor of which it was resumed.
pub(crate) fn unwinds(context: &Context) -> bool {
    panicking() && (!context.entered_panicking.get() || is_on_its_way(context.unwound_by.get()))
}

/// Whether a signal of this cancellation exists, so that it may be unwinding frames.
fn is_on_its_way(number: u64) -> bool {
    number != 0 && ON_THEIR_WAY.lock().unwrap_or_else(PoisonError::into_inner).contains(&number)
}

/// A number that no cancellation had before.
pub(crate) fn new_number() -> u64 {
    /// The next number. Relaxed: only uniqueness counts.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Relaxed)
}

/// Whether a caught panic payload is the signal with which Segno unwinds what was cancelled.
///
/// Code that catches panics for its own purposes (a plugin host, a test runner) should pass this one
/// on with [`std::panic::resume_unwind`]: the coroutine is meant to end. What swallows it is asked
/// again at its next pause, and given up after 64 times.
///
/// ```
/// use segno::{Coroutine, Pauser, is_cancel};
/// use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
///
/// let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
///     if let Err(payload) = catch_unwind(AssertUnwindSafe(|| co.pause(()))) {
///         assert!(is_cancel(&*payload));
///         resume_unwind(payload);
///     }
/// });
/// co.resume(());
/// co.cancel();
/// ```
pub fn is_cancel(payload: &(dyn Any + Send)) -> bool {
    payload.is::<CancelSignal>()
}

/// Whether this payload is the cancellation with this number.
pub(crate) fn is_signal(payload: &Payload, number: u64) -> bool {
    payload.downcast_ref::<CancelSignal>().is_some_and(|signal| signal.number == number)
}

/// Unwinds a cancelled coroutine from here, or gives it up if it has swallowed that too often.
#[cold]
pub(crate) fn raise(context: &Context, at: &'static Location<'static>) -> ! {
    let raised = context.raised.get() + 1;
    context.raised.set(raised);
    // The first is the pause that the cancellation met; the patience is for those after it.
    if raised > PATIENCE + 1 {
        give_up(context, at, PATIENCE);
    }
    throw(context, context.cancellation.get())
}

/// Unwinds what runs, from here out to a frame of `target` that takes the signal with this number.
#[inline(always)]
pub(crate) fn throw(target: &Context, number: u64) -> ! {
    // What runs between here and there is unwound with it.
    for here in chain() {
        here.unwound_by.set(number);
        if ptr::eq(here, target) {
            break;
        }
    }
    resume_unwind(Box::new(CancelSignal::new(number)))
}

/// Leaves everything that runs from here out to `top` for good: none of it is resumed again, and the
/// stacks stay as they are. Whoever resumed `top` finds it retired.
#[cold]
pub(crate) fn abandon(top: &Context) -> ! {
    stacks::leak(retire_to(top));
    // SAFETY: it runs, so it has a yielder. Everything on the stacks in between stays where it is for
    // ever, so nothing that anybody borrowed from them goes away. Nobody unpacks the word.
    unsafe { &*top.yielder.get() }.suspend(Word::uninit());
    report::abort(format!("{top} was resumed after it had been given up"));
}

/// Ends what will not end: the outermost coroutine that lent frames to `stubborn`, itself if it
/// borrows nothing, is left for good with everything that runs under it. What borrows from the
/// thread's own stack cannot be left, so there the process aborts.
#[cold]
pub(crate) fn give_up(stubborn: &Context, at: &'static Location<'static>, patience: u32) -> ! {
    let (told, remedy) = match stubborn.order() {
        Order::Close => ("closed", "end when `is_closed()` says so"),
        _ => ("cancelled", "let the cancellation pass, see `is_cancel`"),
    };
    let story = format!("{stubborn} was {told} and paused again {patience} times (last at {at})");
    let mut top = ptr::from_ref(stubborn);
    let outside = || -> ! {
        report::abort(format!(
            "{story}; it borrows from a frame outside every coroutine, which cannot be left: {remedy}"
        ))
    };
    loop {
        // SAFETY: lenders outlive what borrows from them.
        match unsafe { &*top }.lender {
            Lender::Nobody => {}
            Lender::Coroutine(lender) => {
                top = lender;
                continue;
            }
            Lender::Thread => outside(),
        }
        if !chain().any(|here| ptr::eq(here, top)) {
            report::abort(format!(
                "{story}; it does not run under the coroutine that it borrows from"
            ));
        }
        // An open frame has to be left by what opened it, or stay with what goes on around it: its
        // coroutine is not given up without the one that runs it.
        match open_to(top) {
            Open::Nothing => break,
            Open::Under(around) => top = around,
            Open::Outermost => outside(),
        }
    }
    // SAFETY: `top` runs, so its stack is there.
    let top = unsafe { &*top };
    let with = if ptr::eq(top, stubborn) { String::new() } else { format!(", with it {top}") };
    report::tell(
        ReportKind::Retired,
        format!("{story}: given up, its stack stays as it is{with}; {remedy}"),
    );
    abandon(top)
}

/// What is open on the stacks from here out to some coroutine's.
enum Open {
    /// No frame.
    Nothing,
    /// A frame, and this is the coroutine that runs the outermost of those stacks.
    Under(*const Context),
    /// A frame, and no coroutine runs the outermost of those stacks.
    Outermost,
}

/// Looks for open frames from here out to `top`. A task is given up with all that is open in it.
fn open_to(top: *const Context) -> Open {
    let mut all = chain();
    let mut open = false;
    while let Some(here) = all.next() {
        open |= here.has_open_frames();
        if ptr::eq(here, top) {
            if !open || here.is_task() {
                break;
            }
            return all.next().map_or(Open::Outermost, |around| Open::Under(around));
        }
    }
    Open::Nothing
}

/// Drops a payload that nobody wants. Its destructor is the user's and may panic in its turn; what comes
/// out of that is let go without its destructor.
pub(crate) fn discard(payload: Payload) {
    if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(next);
    }
}

/// What a panic said, for reports.
pub(crate) fn message(payload: &Payload) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a text")
}
