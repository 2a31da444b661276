//! The door: the only place where control passes from one stack to another.
//!
//! ```text
//!   handle (Core)                high end of the slot
//!   +-----------------+         +----------------+
//!   | corosensei's    |         | Tag            |  the stack room's
//!   |   record, with  |         | Context        |
//!   |   the saved     |         | closure        |  until the first resume moves it into its frame
//!   |   stack pointer |         | Signpost       |  8 times the address of the context
//!   | context         | -.      +----------------+  <- corosensei's stack base
//!   +-----------------+  |      | parent link    |  corosensei's: where the resumer's frame is
//!                        '--->  | body's frames  |  (the Context above)
//! ```
//!
//! Everything from the user's call to the switch is inlined on both sides. A frame that is entered
//! before a switch and returns after it costs 18 ns instead of 1, because the two stacks share the
//! processor's predictor of return addresses; what is rarely needed is out of line and cold. For the
//! same reason corosensei's record is in the handle and not on the stack: the saved stack pointer is
//! what everything waits for after a wrong prediction, and it is one load nearer there.
//!
//! Invariants:
//! - corosensei's record is dropped only when its coroutine is complete or never started; its forced
//!   unwinding is never reached.
//! - A handle that is dropped while its coroutine runs leaves everything as it is. Safe code can do
//!   that only through a thread-local at the end of its thread or of the process, and then control
//!   does not come back to the frame that resumed.

#![allow(unsafe_code, reason = "switches stacks")]

use std::borrow::Cow;
use std::fmt;
use std::hint::assert_unchecked;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};

use corosensei::stack::{Stack, StackPointer};

use super::cancel::{self, Payload};
use super::context::{Body, Context, Lender, Order, Signpost, Types, panicking, stack_pointer};
use super::parcel::{Word, pack, unpack};
use super::pauser::Pauser;
use super::switch::{self, CoroutineResult, Yielder};
use super::{State, Status};
use crate::report::{self, ReportKind};
use crate::stacks::{self, Request, Slot, SpawnError};

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

/// corosensei's coroutine, as this library uses it. Values that come out are packed; values that go in
/// take the way by [`Context::inbox`], because corosensei wraps what it passes in and would not fit
/// into a register then.
type Raw<Ret> = switch::Coroutine<Result<Ret, Payload>, Bounds>;
/// What corosensei's switch comes back with.
type Switched<Ret> = CoroutineResult<Word, Result<Ret, Payload>>;

/// How a coroutine is to be made. Its name goes separately: what has no destructor stays in registers.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// Size of its stack.
    pub(crate) request: Request,
    /// Where the user asked for it.
    pub(crate) spawned_at: &'static Location<'static>,
    /// Whose frames it may refer to.
    pub(crate) lender: Lender,
    /// Whether it is a generator.
    pub(crate) generator: bool,
}

/// A coroutine's name, if it has one.
pub(crate) type Name = Option<Cow<'static, str>>;

/// A coroutine of any lifetime. Owns the slot; everything public is a wrapper around this.
pub(crate) struct Core<In, Out, Ret> {
    /// corosensei's record; dropped when the stack is released, so never if that is leaked.
    raw: ManuallyDrop<Raw<Ret>>,
    /// The record on its stack; `None` once it has ended and the stack is gone.
    context: Option<NonNull<Context>>,
    /// Where it was made, for messages after its end.
    spawned_at: &'static Location<'static>,
    /// How it ended, once it has.
    end: Status,
    /// How deep the stack was used, once it has ended and if it was measured; else 0.
    used: u32,
    /// Values go in and come out; nothing is shared with other threads.
    types: PhantomData<Types<In, Out, Ret>>,
}

/// What a scheduler's resume came back with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It paused.
    Paused,
    /// It has ended, and its stack is back in the pool.
    Ended,
    /// It was given up: never resume it again, its stack stays as it is. Says the scheduler, not the switch.
    Retired,
}

/// A stack for a coroutine that is made next. It is leaked if none is made.
pub(crate) struct SetAside(Slot);

impl SetAside {
    /// Sets a stack aside.
    #[inline(always)]
    pub(crate) fn new(plan: &Plan) -> Result<Self, SpawnError> {
        stacks::acquire(plan.request, plan.spawned_at, None).map(Self)
    }
}

/// What tasks are made of: whatever goes in and out goes other ways.
impl Core<(), (), ()> {
    /// Makes one on a stack that was set aside for it.
    #[inline(always)]
    pub(crate) fn on<F>(stack: SetAside, plan: Plan, body: F) -> Self
    where
        F: FnOnce(&Pauser<(), ()>, ()) + 'static,
    {
        const { assert!(size_of::<F>() <= IN_PLACE && align_of::<F>() <= 64) };
        // SAFETY: everything in it is `'static`, and nobody else has the slot.
        unsafe { Self::place_on(stack.0, plan, body) }
    }

    /// Resumes it for its scheduler, which does not run while the thread panics, and which has noted in which
    /// frame it does: see [`Scheduled`](super::Scheduled). The body lets nothing out. After a pause the scheduler asks its own books whether
    /// the task was given up; if so, it calls [`retire`](Self::retire).
    #[inline(always)]
    pub(crate) fn step(&mut self) -> Step {
        debug_assert!(!self.has_ended() && !panicking());
        // SAFETY: it has not ended, and does not run: that follows from `&mut self`. So corosensei's record
        // has a stack pointer. `()` needs no inbox. After the switch the record is there.
        unsafe {
            assert_unchecked(!self.raw.done());
            match self.raw.resume(()) {
                CoroutineResult::Yield(_) => Step::Paused,
                CoroutineResult::Return(result) => {
                    if let Err(payload) = self.finish(result) {
                        body_let_out(&payload);
                    }
                    Step::Ended
                }
            }
        }
    }

    /// Resumes it for a scheduler whose coroutines are paused as bare ones are; also while the thread panics: a
    /// destructor ends what is left.
    #[inline(always)]
    pub(crate) fn advance(&mut self) -> Step {
        debug_assert!(!self.has_ended());
        // SAFETY: it has not ended; that it does not run follows from `&mut self`. `()` needs no inbox. After the
        // switch the record is there, as `sort_out` says.
        unsafe {
            match if panicking() { self.switch_panicking() } else { self.switch() } {
                CoroutineResult::Yield(_) if self.record().rests() => Step::Paused,
                CoroutineResult::Yield(_) => {
                    self.forget(Status::Cancelled);
                    Step::Retired
                }
                CoroutineResult::Return(result) => {
                    if let Err(payload) = self.finish(result) {
                        body_let_out(&payload);
                    }
                    Step::Ended
                }
            }
        }
    }

    /// Gives up one that is paused: it is never resumed again, and its stack stays as it is.
    pub(crate) fn retire(&mut self) {
        if let Some(context) = self.context() {
            // One that gave itself up is counted.
            if !context.is_retired() {
                stacks::leak(1);
            }
            self.forget(Status::Cancelled);
        }
    }
}

/// What iterators are made of: nothing goes in.
impl<Out, Ret> Core<(), Out, Ret> {
    /// [`resume`](Self::resume) for an iterator: what a pause gives goes straight to where it is wanted. By way of a
    /// [`State`] it would be moved twice, and each move would wait for the one before.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<Out> {
        if self.has_ended() || panicking() {
            return self.next_with_care();
        }
        // SAFETY: it has not ended; that it does not run follows from `&mut self`. `()` needs no inbox. After a pause the
        // record is there, and a pause passes a value.
        unsafe {
            match self.switch() {
                CoroutineResult::Yield(out) if self.record().rests() => Some(unpack(out)),
                other => {
                    self.sort_out(other).paused();
                    None
                }
            }
        }
    }

    /// The same when it has ended, and while the thread unwinds.
    #[cold]
    #[inline(never)]
    fn next_with_care(&mut self) -> Option<Out> {
        self.resume(()).ok()?.paused()
    }
}

/// A task's body catches everything; what it lets out is a mistake of this library's.
#[cold]
fn body_let_out(payload: &Payload) -> ! {
    report::abort(format!("a task's body let a panic out: {}", cancel::message(payload)))
}

/// Takes `size_of::<T>()` bytes, aligned for `T`, off the top of a stack.
#[inline]
fn reserve<T>(top: &mut usize) -> *mut T {
    *top = (*top - size_of::<T>()) & !(align_of::<T>() - 1);
    stacks::at(*top)
}

/// Drops a closure in place.
unsafe fn drop_in_place<F>(body: *mut u8) {
    // SAFETY: the caller passes the address of an `F` that it will not use again.
    unsafe { ptr::drop_in_place(body.cast::<F>()) }
}

impl<In, Out, Ret> Core<In, Out, Ret> {
    /// Makes a coroutine that will run `body`.
    ///
    /// # Safety
    /// Whatever `body`, `In`, `Out` and `Ret` refer to stays alive until the coroutine has ended; or
    /// for ever, if it is forgotten or retired.
    #[inline(always)]
    pub(crate) unsafe fn new<F>(plan: Plan, name: Name, body: F) -> Result<Self, SpawnError>
    where
        F: FnOnce(&Pauser<In, Out>, In) -> Ret,
    {
        if const { size_of::<F>() <= IN_PLACE && align_of::<F>() <= 64 } {
            // SAFETY: the caller's promise.
            unsafe { Self::place(plan, name, body) }
        } else {
            let room = stacks::slot_len(plan.request.class) / 4;
            if size_of::<F>() > room {
                return Err(SpawnError::ClosureTooLarge { closure: size_of::<F>(), room });
            }
            let body = Box::new(body);
            // SAFETY: the caller's promise.
            unsafe {
                Self::place(plan, name, move |pauser: &Pauser<In, Out>, first| body(pauser, first))
            }
        }
    }

    /// Makes a coroutine that refers to nothing but what lives for ever.
    #[inline(always)]
    pub(crate) fn new_static<F>(plan: Plan, name: Name, body: F) -> Result<Self, SpawnError>
    where
        F: FnOnce(&Pauser<In, Out>, In) -> Ret + 'static,
        In: 'static,
        Out: 'static,
        Ret: 'static,
    {
        // SAFETY: the bounds say that everything in it is `'static`.
        unsafe { Self::new(plan, name, body) }
    }

    /// Writes record and closure to the top of a new stack.
    ///
    /// # Safety
    /// As for [`new`](Self::new).
    #[inline(always)]
    unsafe fn place<F>(plan: Plan, name: Name, body: F) -> Result<Self, SpawnError>
    where
        F: FnOnce(&Pauser<In, Out>, In) -> Ret,
    {
        let slot = stacks::acquire(plan.request, plan.spawned_at, name)?;
        // SAFETY: the caller's promise; the slot is new.
        Ok(unsafe { Self::place_on(slot, plan, body) })
    }

    /// Writes record and closure to the top of this stack.
    ///
    /// # Safety
    /// As for [`new`](Self::new). The slot was acquired for this, and the closure is small.
    #[inline(always)]
    unsafe fn place_on<F>(slot: Slot, plan: Plan, body: F) -> Self
    where
        F: FnOnce(&Pauser<In, Out>, In) -> Ret,
    {
        let mut top = slot.top();
        let context = reserve::<Context>(&mut top);
        let place = reserve::<F>(&mut top);
        let signpost = reserve::<Signpost>(&mut top);
        // SAFETY: the slot is ours and has room: the record is small, the closure at most `IN_PLACE`
        // bytes, the smallest stack 32 KiB. `run` gets the addresses of what is written here, and the
        // caller promises the lifetimes.
        unsafe {
            place.write(body);
            signpost.write(Signpost::to(context));
            let body = Body { place: place.cast(), drop: drop_in_place::<F> };
            context.write(Context::new(slot, plan.lender, plan.generator, body));
            slot.tag().record.set(context.cast_const().cast());
            let bounds = Bounds {
                base: StackPointer::new_unchecked(top),
                limit: StackPointer::new_unchecked(slot.low()),
                #[cfg(windows)]
                slot,
            };
            let raw = Raw::with_stack_unchecked(bounds, move |yielder, ()| {
                run::<In, Out, Ret, F>(context, place, yielder)
            });
            Self {
                raw: ManuallyDrop::new(raw),
                context: Some(NonNull::new_unchecked(context)),
                spawned_at: plan.spawned_at,
                end: Status::Cancelled,
                used: 0,
                types: PhantomData,
            }
        }
    }

    /// Its record, if it has not ended.
    #[inline(always)]
    pub(crate) fn context(&self) -> Option<&Context> {
        // SAFETY: the record is there until this is `None`; nothing outside this room holds the
        // reference over a resume, which takes `&mut self`.
        self.context.map(|context| unsafe { &*context.as_ptr() })
    }

    /// What its user is told about it.
    pub(crate) fn status(&self) -> Status {
        match self.context() {
            None => self.end,
            Some(context) if !context.started.get() => Status::Ready,
            Some(_) => Status::Paused,
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

    /// Its name, while it has not ended.
    pub(crate) fn name(&self) -> Option<&str> {
        self.context().and_then(Context::name)
    }

    /// It was resumed although it has ended.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(crate) fn resumed_after_end(&self) -> ! {
        panic!(
            "resumed a coroutine (made at {}) that has ended ({:?}): ask `status()` first, or use \
             `try_resume`",
            self.spawned_at,
            self.status()
        );
    }

    /// The `Debug` of every handle.
    pub(crate) fn describe(&self, mut out: fmt::DebugStruct<'_, '_>) -> fmt::Result {
        if let Some(name) = self.name() {
            out.field("name", &name);
        }
        out.field("spawned_at", &format_args!("{}", self.spawned_at));
        out.field("status", &self.status()).finish_non_exhaustive()
    }

    /// Whether it has ended, so that it cannot be resumed.
    #[inline(always)]
    pub(crate) fn has_ended(&self) -> bool {
        self.context.is_none()
    }

    /// Runs it until it pauses or ends; gives the value back if it has ended.
    #[inline(always)]
    pub(crate) fn resume(&mut self, value: In) -> Result<State<Out, Ret>, In> {
        if self.has_ended() {
            return Err(value);
        }
        if panicking() {
            // SAFETY: it has not ended; that it does not run follows from `&mut self`, which whoever
            // runs it holds.
            return Ok(unsafe { self.resume_panicking(value) });
        }
        let mut value = ManuallyDrop::new(value);
        // SAFETY: as above, and a value is there.
        Ok(unsafe {
            self.record().inbox.set(pack(&mut value));
            let switched = self.switch();
            self.sort_out(switched)
        })
    }

    /// The same while the thread unwinds: its pauses have to know that this is not their doing.
    ///
    /// # Safety
    /// It has not ended and does not run.
    #[cold]
    #[inline(never)]
    unsafe fn resume_panicking(&mut self, value: In) -> State<Out, Ret> {
        let mut value = ManuallyDrop::new(value);
        // SAFETY: the caller's promise, and a value is there.
        unsafe {
            self.record().inbox.set(pack(&mut value));
            let switched = self.switch_panicking();
            self.sort_out(switched)
        }
    }

    /// What the switch came back with, as the user sees it.
    ///
    /// # Safety
    /// It has just been switched to and come back.
    #[inline(always)]
    unsafe fn sort_out(&mut self, switched: Switched<Ret>) -> State<Out, Ret> {
        match switched {
            CoroutineResult::Yield(out) => {
                // SAFETY: after a pause the record is there; a pause passes a value, unless it
                // retires.
                unsafe {
                    if !self.record().rests() {
                        self.found_retired();
                    }
                    State::Paused(unpack(out))
                }
            }
            // SAFETY: the body has ended, and the record is still there.
            CoroutineResult::Return(result) => match unsafe { self.finish(result) } {
                Ok(value) => State::Complete(value),
                Err(payload) => resume_unwind(payload),
            },
        }
    }

    /// It was given up while it ran for us.
    ///
    /// # Safety
    /// The record is there.
    #[cold]
    unsafe fn found_retired(&mut self) -> ! {
        // SAFETY: the caller's promise.
        let name = unsafe { self.record() }.to_string();
        // SAFETY: as above.
        unsafe { self.forget_retired() };
        panic!("{name} was given up while it ran: something that borrows from it would not end");
    }

    /// Notes that it was given up.
    ///
    /// # Safety
    /// The record is there.
    #[cold]
    unsafe fn forget_retired(&mut self) {
        // SAFETY: the caller's promise.
        let context = unsafe { self.record() };
        if !matches!(context.lender, Lender::Nobody) {
            // What it borrows would go away under frames that stay for ever.
            report::abort(format!("{context} was given up although it borrows"));
        }
        self.forget(Status::Cancelled);
    }

    /// Its record.
    ///
    /// # Safety
    /// It has not ended, or has just been switched to and come back.
    #[inline(always)]
    unsafe fn record(&self) -> &Context {
        // SAFETY: the caller's promise: the record is there until `forget`.
        unsafe { &*self.context.unwrap_unchecked().as_ptr() }
    }

    /// The stack stays as it is, and this handle has nothing to do with it any more.
    fn forget(&mut self, end: Status) {
        self.context = None;
        self.end = end;
    }

    /// [`switch`](Self::switch) while the thread unwinds.
    ///
    /// # Safety
    /// As for [`switch`](Self::switch).
    #[cold]
    unsafe fn switch_panicking(&mut self) -> Switched<Ret> {
        // SAFETY: the caller's promise; the record is there afterwards.
        unsafe {
            self.record().entered_panicking.set(true);
            let switched = self.switch();
            self.record().entered_panicking.set(false);
            switched
        }
    }

    /// Switches to its stack and back. The record is there afterwards, whatever happened.
    ///
    /// # Safety
    /// It has not ended and does not run. The inbox is filled unless an order was given.
    #[inline(always)]
    unsafe fn switch(&mut self) -> Switched<Ret> {
        // SAFETY: the caller's promise. corosensei's record has a stack pointer, because the
        // coroutine has not ended and does not run: saying so saves its check.
        unsafe {
            self.record().goes(stack_pointer());
            assert_unchecked(!self.raw.done());
        }
        self.raw.resume(())
    }

    /// Takes the result of a body that has ended and releases the stack.
    ///
    /// # Safety
    /// The body has ended, and the record is still there.
    #[inline(always)]
    unsafe fn finish(&mut self, result: Result<Ret, Payload>) -> Result<Ret, Payload> {
        // SAFETY: the caller's promise.
        let slot = unsafe { self.record() }.slot;
        self.forget(match &result {
            Ok(_) => Status::Complete,
            Err(payload) => end_by(payload),
        });
        // SAFETY: the body has ended: the stack holds no frames, and nothing refers to its record.
        if let Some(used) = unsafe { self.release(slot) } {
            self.used = u32::try_from(used).unwrap_or(u32::MAX);
        }
        result
    }

    /// Drops corosensei's record and gives the stack back.
    ///
    /// # Safety
    /// `forget` was called, the slot is its own and holds no frames.
    #[inline(always)]
    unsafe fn release(&mut self, slot: Slot) -> Option<usize> {
        // SAFETY: the caller's promise. Complete or never started, corosensei's record has nothing to
        // unwind, and the closure that it may hold is a pair of addresses.
        unsafe {
            ManuallyDrop::drop(&mut self.raw);
            stacks::release(slot)
        }
    }

    /// [`cancel`](Self::cancel), for users: a panic of the body's own comes out.
    pub(crate) fn cancel_or_panic(&mut self) {
        if let Err(payload) = self.cancel() {
            resume_unwind(payload);
        }
    }

    /// Ends it: unwinds it if it is paused, drops its closure if it never ran. `Err` is a panic of
    /// the body's own.
    #[cold]
    pub(crate) fn cancel(&mut self) -> Result<(), Payload> {
        let Some(context) = self.context() else { return Ok(()) };
        if context.is_retired() {
            // SAFETY: the record of one that was given up stays.
            unsafe { self.forget_retired() };
        } else if !context.started.get() {
            // SAFETY: just asked.
            return unsafe { self.drop_unstarted() };
        } else if context.is_running() || cfg!(panic = "abort") {
            self.forget(Status::Cancelled);
            stacks::leak(1);
        } else {
            context.cancellation.set(cancel::new_number());
            context.give_order(Order::Cancel);
            // SAFETY: it has been resumed, does not run and has not ended, so it is paused.
            return unsafe { self.drain() };
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
                // SAFETY: it has been resumed, has not ended, and does not run: `enter` has the
                // handle back.
                unsafe { self.drain() }
            }
            _ => self.cancel(),
        }
    }

    /// Resumes one that was ordered to end, and takes what comes.
    ///
    /// # Safety
    /// It is paused, and the order is given.
    unsafe fn drain(&mut self) -> Result<(), Payload> {
        // SAFETY: the caller's promise.
        let (number, switched) = unsafe {
            let number = self.record().cancellation.get();
            let panicking = panicking();
            (number, if panicking { self.switch_panicking() } else { self.switch() })
        };
        match switched {
            // Ordered to end, it never pauses again: this is how it says that it was given up.
            CoroutineResult::Yield(_) => {
                // SAFETY: the record of one that was given up stays.
                unsafe { self.forget_retired() };
                Ok(())
            }
            // SAFETY: the body has ended, and the record is still there.
            CoroutineResult::Return(result) => match unsafe { self.finish(result) } {
                // The body ended on its own terms; nobody wants the value.
                Ok(value) => catch_unwind(AssertUnwindSafe(|| drop(value))),
                Err(payload) if cancel::is_signal(&payload, number) => Ok(()),
                Err(payload) => Err(payload),
            },
        }
    }

    /// Drops the closure of one that never ran, and gives the stack back. `Err` is a panic of what the
    /// closure had captured.
    ///
    /// # Safety
    /// It was never resumed, and has not ended.
    unsafe fn drop_unstarted(&mut self) -> Result<(), Payload> {
        // SAFETY: the caller's promise.
        let (slot, body) = unsafe { (self.record().slot, self.record().body) };
        self.forget(Status::Cancelled);
        // SAFETY: the closure was written when the coroutine was made and has not been moved out; it
        // will not be used again, since the record is forgotten.
        let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { (body.drop)(body.place) }));
        // SAFETY: never started and without its closure, the stack holds only the record.
        unsafe { self.release(slot) };
        dropped
    }
}

impl<In, Out, Ret> Drop for Core<In, Out, Ret> {
    #[inline]
    fn drop(&mut self) {
        if !self.has_ended() {
            end_dropped(self.cancel());
        }
    }
}

/// How a body ended that was unwound.
#[cold]
fn end_by(payload: &Payload) -> Status {
    if cancel::is_cancel(&**payload) { Status::Cancelled } else { Status::Panicked }
}

/// What becomes of a panic that a dropped coroutine ended with.
#[cold]
fn end_dropped(ended: Result<(), Payload>) {
    let Err(payload) = ended else { return };
    if panicking() {
        let message = cancel::message(&payload).to_owned();
        cancel::discard(payload);
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
/// `context` and `place` are what [`Core::place`] wrote to this stack; called once.
#[inline]
unsafe fn run<In, Out, Ret, F>(
    context: *const Context,
    place: *mut F,
    yielder: &Yielder,
) -> Result<Ret, Payload>
where
    F: FnOnce(&Pauser<In, Out>, In) -> Ret,
{
    // SAFETY: the caller's promise: record and closure are there, the closure is read once, and the
    // first resume always passes a value. The pauser is corosensei's end under another name.
    unsafe {
        let pauser = &*ptr::from_ref(yielder).cast::<Pauser<In, Out>>();
        if !ptr::eq(pauser.context(), context) {
            report::abort(
                "this version of corosensei keeps its parent link where segno does not expect it"
                    .to_owned(),
            );
        }
        (*context).started.set(true);
        (*context).yielder.set(yielder);
        catch_unwind(AssertUnwindSafe(|| place.read()(pauser, unpack((*context).inbox.get()))))
    }
}
