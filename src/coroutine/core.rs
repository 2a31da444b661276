//! The door: the only place where control passes from one stack to another.
//!
//! ```text
//!   high end of the slot
//!   +----------------+
//!   | Tag            |  the stack room's
//!   | Shell          |  Context, and corosensei's record of the saved stack pointer
//!   | closure        |  until the first resume moves it into its frame
//!   +----------------+  <- corosensei's stack base
//!   | parent link    |  corosensei's: where the resumer's frame is
//!   | body's frames  |
//! ```
//!
//! Everything from the user's call to the switch is inlined on both sides. A frame that is entered
//! before a switch and returns after it costs 18 ns instead of 1, because the two stacks share the
//! processor's predictor of return addresses; what is rarely needed is out of line and cold.
//!
//! Invariants:
//! - After the switch comes back, [`Core::switch`] uses only the shell, never the handle: a
//!   handle in a thread-local may be gone by then. The shell lies in a slot, and a slot whose
//!   coroutine runs is in no list and is never unmapped.
//! - corosensei's record is dropped only when its coroutine is complete or never started; its forced
//!   unwinding is never reached.

#![allow(unsafe_code, reason = "switches stacks")]

use std::borrow::Cow;
use std::fmt;
use std::hint::assert_unchecked;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};
use std::thread;

use corosensei::CoroutineResult;
use corosensei::stack::{STACK_ALIGNMENT, Stack, StackPointer};

use super::cancel::{self, Payload};
use super::context::{Context, Leave, Lender, Order, stack_pointer};
use super::pauser::Pauser;
use super::{State, Status};
use crate::report::{self, ReportKind};
#[cfg(windows)]
use crate::stacks::Slot;
use crate::stacks::{self, Request, SpawnError};

/// Closures up to this size are written to the stack that they will run on; larger ones are boxed,
/// so that a paused coroutine fits its first page.
const IN_PLACE: usize = 1024;

/// The part of a slot that corosensei sees.
pub(crate) struct Bounds {
    /// Where frames begin.
    base: StackPointer,
    /// Lowest address of the slot.
    limit: StackPointer,
    /// The slot.
    #[cfg(windows)]
    slot: Slot,
}

// SAFETY: a slot has a guard at its low end, is writable above it, and has far more than corosensei's
// minimum. Where the system wants to know a stack's bounds, they are those of its own stack.
unsafe impl Stack for Bounds {
    #[inline]
    fn base(&self) -> StackPointer {
        self.base
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        self.limit
    }

    #[cfg(windows)]
    fn teb_fields(&self) -> corosensei::stack::StackTebFields {
        self.slot.teb_fields()
    }

    #[cfg(windows)]
    fn update_teb_fields(&mut self, stack_limit: usize, guaranteed_stack_bytes: usize) {
        self.slot.update_teb_fields(stack_limit, guaranteed_stack_bytes);
    }
}

/// corosensei's coroutine, as this library uses it: values may be absent on both ways.
type Raw<In, Out, Ret> =
    corosensei::Coroutine<MaybeUninit<In>, MaybeUninit<Out>, Result<Ret, Payload>, Bounds>;
/// Its other end.
pub(crate) type Yielder<In, Out> = corosensei::Yielder<MaybeUninit<In>, MaybeUninit<Out>>;

/// What corosensei's switch comes back with.
type Switched<Out, Ret> = CoroutineResult<MaybeUninit<Out>, Result<Ret, Payload>>;

/// What lies at the top of a coroutine's stack.
struct Shell<In, Out, Ret> {
    /// The record without types.
    context: Context,
    /// corosensei's record.
    raw: ManuallyDrop<Raw<In, Out, Ret>>,
    /// Where the closure lies until the first resume.
    body: *mut u8,
    /// Drops the closure in place.
    drop_body: unsafe fn(*mut u8),
}

/// How a coroutine is to be made.
pub(crate) struct Plan {
    /// Size of its stack.
    pub(crate) request: Request,
    /// Its name.
    pub(crate) name: Option<Cow<'static, str>>,
    /// Where the user asked for it.
    pub(crate) spawned_at: &'static Location<'static>,
    /// Whose frames it may refer to.
    pub(crate) lender: Lender,
    /// Whether it is a generator.
    pub(crate) generator: bool,
}

/// How it ended, as far as the handle knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It has not, or not yet: the shell is there.
    NotYet,
    /// The stack is gone.
    Was(Status),
}

/// A coroutine of any lifetime. Owns the slot; everything public is a wrapper around this.
pub(crate) struct Core<In, Out, Ret> {
    /// The shell, while `end` is [`End::NotYet`].
    shell: NonNull<Shell<In, Out, Ret>>,
    /// Whether the shell is still there.
    end: End,
    /// How deep the stack was used, once it has ended and if it was measured; else 0.
    used: u32,
    /// Values go in and come out; nothing is shared with other threads.
    types: PhantomData<(fn(In) -> (Out, Ret), *mut ())>,
}

/// Takes `size_of::<T>()` bytes, aligned for `T`, off the top of a stack.
#[inline]
fn reserve<T>(top: &mut usize) -> *mut T {
    *top = (*top - size_of::<T>()) & !(align_of::<T>() - 1);
    *top as *mut T
}

/// Drops a closure in place.
unsafe fn drop_in_place<F>(body: *mut u8) {
    // SAFETY: the caller passes the address of an `F` that it will not use again.
    unsafe { ptr::drop_in_place(body.cast::<F>()) }
}

/// Leaves a context for good: see [`cancel::give_up`].
unsafe fn leave<In, Out>(yielder: *const ()) {
    // SAFETY: the pointer is this context's yielder, stored together with this function.
    unsafe { &*yielder.cast::<Yielder<In, Out>>() }.suspend(MaybeUninit::uninit());
}

impl<In, Out, Ret> Core<In, Out, Ret> {
    /// Makes a coroutine that will run `body`.
    ///
    /// # Safety
    /// Whatever `body`, `In`, `Out` and `Ret` refer to stays alive until the coroutine has ended; or
    /// for ever, if it is forgotten or retired.
    #[inline]
    pub(crate) unsafe fn new<F>(plan: Plan, body: F) -> Result<Self, SpawnError>
    where
        F: FnOnce(&Pauser<In, Out>, In) -> Ret,
    {
        if const { size_of::<F>() <= IN_PLACE && align_of::<F>() <= 64 } {
            // SAFETY: the caller's promise.
            unsafe { Self::place(plan, body) }
        } else {
            let room = stacks::slot_len(plan.request.class) / 4;
            if size_of::<F>() > room {
                return Err(SpawnError::ClosureTooLarge { closure: size_of::<F>(), room });
            }
            let body = Box::new(body);
            // SAFETY: the caller's promise.
            unsafe { Self::place(plan, move |pauser: &Pauser<In, Out>, first| body(pauser, first)) }
        }
    }

    /// Makes a coroutine that refers to nothing but what lives for ever.
    #[inline]
    pub(crate) fn new_static<F>(plan: Plan, body: F) -> Result<Self, SpawnError>
    where
        F: FnOnce(&Pauser<In, Out>, In) -> Ret + 'static,
        In: 'static,
        Out: 'static,
        Ret: 'static,
    {
        // SAFETY: the bounds say that everything in it is `'static`.
        unsafe { Self::new(plan, body) }
    }

    /// Writes shell and closure to the top of a new stack.
    ///
    /// # Safety
    /// As for [`new`](Self::new).
    #[inline]
    unsafe fn place<F>(plan: Plan, body: F) -> Result<Self, SpawnError>
    where
        F: FnOnce(&Pauser<In, Out>, In) -> Ret,
    {
        let slot = stacks::acquire(&plan.request, plan.spawned_at, plan.name)?;
        let mut top = slot.top();
        let shell = reserve::<Shell<In, Out, Ret>>(&mut top);
        let place = reserve::<F>(&mut top);
        top &= !(STACK_ALIGNMENT - 1);
        // SAFETY: the slot is ours and has room: the shell is small, the closure at most `IN_PLACE`
        // bytes, the smallest stack 32 KiB. `run` gets the addresses of what is written here, and the
        // caller promises the lifetimes.
        unsafe {
            place.write(body);
            let bounds = Bounds {
                base: StackPointer::new_unchecked(top),
                limit: StackPointer::new_unchecked(slot.low),
                #[cfg(windows)]
                slot,
            };
            let raw = Raw::with_stack_unchecked(bounds, move |yielder, first| {
                run::<In, Out, Ret, F>(shell, place, yielder, first)
            });
            shell.write(Shell {
                context: Context::new(slot, plan.lender, plan.generator),
                raw: ManuallyDrop::new(raw),
                body: place.cast(),
                drop_body: drop_in_place::<F>,
            });
            slot.tag().record.set(&raw const (*shell).context as *const ());
            Ok(Self {
                shell: NonNull::new_unchecked(shell),
                end: End::NotYet,
                used: 0,
                types: PhantomData,
            })
        }
    }

    /// Its record, if it has not ended.
    #[inline]
    pub(crate) fn context(&self) -> Option<&Context> {
        // SAFETY: the shell is there until `end` says otherwise; nothing outside this room holds the
        // reference over a resume, which takes `&mut self`.
        (self.end == End::NotYet).then(|| unsafe { &self.shell.as_ref().context })
    }

    /// What its user is told about it.
    pub(crate) fn status(&self) -> Status {
        match (self.end, self.context()) {
            (End::Was(status), _) => status,
            (_, Some(context)) if !context.started.get() => Status::Ready,
            _ => Status::Paused,
        }
    }

    /// Bytes of stack used at the deepest, if that is measured.
    pub(crate) fn stack_used(&self) -> Option<usize> {
        match self.context() {
            // SAFETY: the slot is acquired, and a coroutine's handle never leaves its thread.
            Some(context) => unsafe { stacks::depth(context.slot) },
            None => (self.used != 0).then_some(self.used as usize),
        }
    }

    /// The `Debug` of every handle.
    pub(crate) fn describe(&self, mut out: fmt::DebugStruct<'_, '_>) -> fmt::Result {
        if let Some(context) = self.context() {
            if let Some(name) = context.name() {
                out.field("name", &name);
            }
            if let Some(place) = context.spawned_at() {
                out.field("spawned_at", &format_args!("{place}"));
            }
        }
        out.field("status", &self.status()).finish_non_exhaustive()
    }

    /// Whether it has ended, so that it cannot be resumed.
    #[inline(always)]
    pub(crate) fn has_ended(&self) -> bool {
        self.end != End::NotYet
    }

    /// Runs it until it pauses or ends. It must not have ended.
    #[inline(always)]
    pub(crate) fn resume(&mut self, value: In) -> State<Out, Ret> {
        debug_assert!(!self.has_ended());
        if thread::panicking() {
            return self.resume_panicking(value);
        }
        // SAFETY: it has not ended, and a value is passed.
        let switched = unsafe { self.switch(MaybeUninit::new(value)) };
        self.sort_out(switched)
    }

    /// The same while the thread unwinds: its pauses have to know that this is not their doing.
    #[cold]
    #[inline(never)]
    fn resume_panicking(&mut self, value: In) -> State<Out, Ret> {
        // SAFETY: it has not ended, and a value is passed.
        let switched = unsafe { self.switch_panicking(MaybeUninit::new(value)) };
        self.sort_out(switched)
    }

    /// What the switch came back with, as the user sees it.
    #[inline(always)]
    fn sort_out(&mut self, switched: Switched<Out, Ret>) -> State<Out, Ret> {
        match switched {
            CoroutineResult::Yield(out) => {
                // SAFETY: the shell outlives every pause.
                let context = unsafe { &self.shell.as_ref().context };
                if !context.rests() {
                    self.found_retired();
                }
                // SAFETY: a pause passes a value, unless it retires.
                State::Paused(unsafe { out.assume_init() })
            }
            CoroutineResult::Return(result) => match self.finish(result) {
                Ok(value) => State::Complete(value),
                Err(payload) => resume_unwind(payload),
            },
        }
    }

    /// It was given up while it ran for us.
    #[cold]
    fn found_retired(&mut self) -> ! {
        // SAFETY: a retired shell stays.
        let name = unsafe { &self.shell.as_ref().context }.to_string();
        self.end = End::Was(Status::Cancelled);
        panic!("{name} was given up while it ran: something that borrows from it would not end");
    }

    /// [`switch`](Self::switch) while the thread unwinds.
    ///
    /// # Safety
    /// As for [`switch`](Self::switch).
    #[cold]
    unsafe fn switch_panicking(&mut self, value: MaybeUninit<In>) -> Switched<Out, Ret> {
        // SAFETY: the caller's promise; the shell outlives the call.
        unsafe {
            let context = &raw const (*self.shell.as_ptr()).context;
            let before = (*context).resumed_panicking.replace(true);
            let switched = self.switch(value);
            (*context).resumed_panicking.set(before);
            switched
        }
    }

    /// Switches to its stack and back.
    ///
    /// # Safety
    /// It has not ended and does not run. The value is there unless an order was given.
    #[inline(always)]
    unsafe fn switch(&mut self, value: MaybeUninit<In>) -> Switched<Out, Ret> {
        let shell = self.shell.as_ptr();
        // SAFETY: the shell is there (the caller's promise) and stays there while its coroutine
        // runs. Of its fields only `raw` is borrowed mutably, and nothing but this call uses it.
        // corosensei's record has a stack pointer, because the coroutine has not ended and does not
        // run: saying so saves its check.
        unsafe {
            let context = &raw const (*shell).context;
            (*context).goes(stack_pointer());
            assert_unchecked(!(*shell).raw.done());
            (*shell).raw.resume(value)
        }
    }

    /// Takes the result of a body that has ended and releases the stack.
    #[inline]
    fn finish(&mut self, result: Result<Ret, Payload>) -> Result<Ret, Payload> {
        // SAFETY: the body has ended: the stack holds no frames, only the shell.
        unsafe {
            let shell = self.shell.as_ptr();
            let context = &raw const (*shell).context;
            let status = match &result {
                Ok(_) => Status::Complete,
                Err(payload) if cancel::is_cancel(&**payload) => Status::Cancelled,
                Err(_) => Status::Panicked,
            };
            if (*context).orphaned.get() {
                // The handle went while this ran; its stack was counted as leaked, and stays so.
                return result;
            }
            self.end = End::Was(status);
            let slot = (*context).slot;
            ManuallyDrop::drop(&mut (*shell).raw);
            if let Some(used) = stacks::release(slot) {
                self.used = u32::try_from(used).unwrap_or(u32::MAX);
            }
            result
        }
    }

    /// Ends it: unwinds it if it is paused, drops its closure if it never ran. `Err` is a panic of
    /// the body's own.
    #[cold]
    pub(crate) fn cancel(&mut self) -> Result<(), Payload> {
        let Some(context) = self.context() else { return Ok(()) };
        if context.is_retired() {
            self.end = End::Was(Status::Cancelled);
        } else if context.is_running() {
            context.orphaned.set(true);
            self.end = End::Was(Status::Cancelled);
            stacks::leak(1);
        } else if !context.started.get() {
            self.drop_unstarted();
        } else if cfg!(panic = "unwind") {
            context.cancellation.set(cancel::new_number());
            context.give_order(Order::Cancel);
            return self.drain();
        } else {
            self.end = End::Was(Status::Cancelled);
            stacks::leak(1);
        }
        Ok(())
    }

    /// Lets a generator run out: its pauses return at once from now on. For scoped ones where
    /// nothing unwinds.
    #[cold]
    pub(crate) fn close(&mut self) -> Result<(), Payload> {
        match self.context() {
            Some(context) if context.started.get() && !context.is_retired() => {
                context.give_order(Order::Close);
                self.drain()
            }
            _ => self.cancel(),
        }
    }

    /// Resumes one that was ordered to end, and takes what comes.
    fn drain(&mut self) -> Result<(), Payload> {
        // SAFETY: the context's own record; `switch` keeps it, `finish` is done with it first.
        let context = unsafe { &raw const (*self.shell.as_ptr()).context };
        // SAFETY: as above.
        let number = unsafe { (*context).cancellation.get() };
        // SAFETY: it is paused, and the order is set.
        let switched = unsafe {
            if thread::panicking() {
                self.switch_panicking(MaybeUninit::uninit())
            } else {
                self.switch(MaybeUninit::uninit())
            }
        };
        match switched {
            // Ordered to end, it never pauses again: this is how it says that it was given up.
            CoroutineResult::Yield(_) => {
                self.end = End::Was(Status::Cancelled);
                Ok(())
            }
            CoroutineResult::Return(result) => match self.finish(result) {
                Ok(value) => {
                    // The body ended on its own terms; nobody wants the value.
                    drop(value);
                    Ok(())
                }
                Err(payload) if cancel::is_signal(&payload, number) => Ok(()),
                Err(payload) => Err(payload),
            },
        }
    }

    /// Drops the closure of one that never ran, and gives the stack back, also when that panics.
    fn drop_unstarted(&mut self) {
        /// Releases the stack on the way out.
        struct Release<'a, In, Out, Ret>(&'a mut Core<In, Out, Ret>);
        impl<In, Out, Ret> Drop for Release<'_, In, Out, Ret> {
            fn drop(&mut self) {
                // SAFETY: never started and without its closure, the stack holds only the shell.
                // corosensei's own closure is a pair of addresses.
                unsafe {
                    let shell = self.0.shell.as_ptr();
                    let slot = (*shell).context.slot;
                    ManuallyDrop::drop(&mut (*shell).raw);
                    stacks::release(slot);
                }
            }
        }
        self.end = End::Was(Status::Cancelled);
        let release = Release(self);
        // SAFETY: the closure was written when the coroutine was made and has not been moved out; it
        // will not be used again, since `end` is set.
        unsafe {
            let shell = release.0.shell.as_ptr();
            ((*shell).drop_body)((*shell).body);
        }
    }
}

impl<In, Out, Ret> Drop for Core<In, Out, Ret> {
    #[inline]
    fn drop(&mut self) {
        if self.end == End::NotYet {
            end_dropped(self.cancel());
        }
    }
}

/// What becomes of a panic that a dropped coroutine ended with.
#[cold]
fn end_dropped(ended: Result<(), Payload>) {
    let Err(payload) = ended else { return };
    if thread::panicking() {
        let message = cancel::message(&payload).to_owned();
        // Its destructor may be anything: without it there is no third panic.
        mem::forget(payload);
        report::tell(
            ReportKind::LostPanic,
            format!("a coroutine that was dropped during a panic ended with another: {message}"),
        );
    } else {
        resume_unwind(payload);
    }
}

/// The first frame of every coroutine.
///
/// # Safety
/// `shell` and `place` are what [`Core::place`] wrote to this stack; called once.
#[inline]
unsafe fn run<In, Out, Ret, F>(
    shell: *mut Shell<In, Out, Ret>,
    place: *mut F,
    yielder: &Yielder<In, Out>,
    first: MaybeUninit<In>,
) -> Result<Ret, Payload>
where
    F: FnOnce(&Pauser<In, Out>, In) -> Ret,
{
    // SAFETY: the caller's promise: shell and closure are there, the closure is read once, and the
    // first resume always passes a value.
    unsafe {
        let context = &raw const (*shell).context;
        (*context).started.set(true);
        (*context).leave.set(Some(Leave {
            switch: leave::<In, Out>,
            yielder: ptr::from_ref(yielder).cast(),
        }));
        let pauser = Pauser::new(yielder, context);
        catch_unwind(AssertUnwindSafe(|| place.read()(&pauser, first.assume_init())))
    }
}
