//! The inner end of a coroutine: what its body pauses with.
//!
//! A pause switches away at once when three things hold, and those are the fast path: it happens on
//! the coroutine's own stack, nothing asks for attention, and the thread does not unwind. Otherwise
//! [`Pauser::pause_with_care`] finds out what is the matter.

#![allow(unsafe_code, reason = "switches stacks")]

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::ptr;

use super::cancel::{self, LONG_PATIENCE};
use super::context::{
    Context, Order, Types, chain, check_pause, context_above, edge, may_pause, panicking,
    stack_pointer,
};
use super::parcel::{Word, pack, unpack};
use super::switch::Yielder;
use crate::report;

/// Pauses the coroutine that it was given to.
///
/// The body of a [`Coroutine`](crate::Coroutine) gets a reference to it and may pass that on to
/// whatever it calls; it never leaves the coroutine's thread.
///
/// ```
/// use segno::{Coroutine, Pauser, State};
///
/// fn count_to(n: u32, co: &Pauser<(), u32>) {
///     for i in 1..=n {
///         co.pause(i);
///     }
/// }
///
/// let mut co = Coroutine::new(|co: &Pauser<(), u32>, ()| count_to(2, co));
/// assert_eq!(co.resume(()), State::Paused(1));
/// assert_eq!(co.resume(()), State::Paused(2));
/// assert_eq!(co.resume(()), State::Complete(()));
/// ```
#[repr(transparent)]
pub struct Pauser<In, Out> {
    /// corosensei's end: the parent link on the coroutine's own stack.
    yielder: Yielder,
    /// Values go out and come in; and it stays on its thread.
    types: PhantomData<Types<Out, In, ()>>,
}

/// A pause that did not happen: the coroutine is to end, and cannot be unwound from here.
struct NotPaused;

impl<In, Out> Pauser<In, Out> {
    /// The record of the coroutine that this pauses.
    #[inline(always)]
    pub(crate) fn context(&self) -> &Context {
        // SAFETY: a pauser is the parent link of its coroutine and is handed out by reference only,
        // so the stack that the record lies on is there.
        unsafe { &*context_above(ptr::from_ref(self).cast()) }
    }

    /// Hands `out` to the resumer, stops here, and returns what the next resume passes in.
    ///
    /// It may be called however deep in calls, and from inside a coroutine that this one has
    /// resumed: then both stop, and both go on.
    ///
    /// # Pausing
    /// Always pauses. If the coroutine is cancelled or dropped meanwhile, the pause does not return
    /// but unwinds with a payload of this library's own, without running the panic hook; see
    /// [`is_cancel`](crate::is_cancel).
    ///
    /// While a panic unwinds through the coroutine there is nothing to return and nobody to wait
    /// for: a pause in a destructor then aborts the process with a message. A generator's pause
    /// drops its item and returns instead.
    ///
    /// # Panics
    /// When what runs is not this coroutine, nor anything that it has resumed; when a frame between
    /// here and the resumer must not be left ([`no_pause`](crate::no_pause)).
    #[inline(always)]
    #[track_caller]
    pub fn pause(&self, out: Out) -> In {
        let context = self.context();
        if context.reaches(stack_pointer()) && !panicking() {
            // The coroutine runs (this is its stack) and nothing forbids to leave it.
            let mut out = ManuallyDrop::new(out);
            self.yielder.suspend(pack(&mut out));
            if !context.is_disturbed() {
                // SAFETY: a resume fills the inbox unless it gives an order first.
                return unsafe { unpack(context.inbox.get()) };
            }
            return self.ended_while_paused(Location::caller());
        }
        self.pause_with_care(out, Location::caller())
    }

    /// The address that all frames of the coroutine lie below.
    #[inline(always)]
    pub(crate) fn edge(&self) -> usize {
        // SAFETY: as in `context`.
        unsafe { edge(ptr::from_ref(self).cast()) }
    }

    /// Panics unless a task may pause here: see [`pause`](Self::pause). For one that is not on its own stack,
    /// or where something asks for attention, as [`Scheduled::reach`](super::Scheduled) says.
    #[cold]
    #[inline(never)]
    #[track_caller]
    pub(crate) fn check_task(&self) {
        check_pause(self.context(), Location::caller());
    }

    /// Whether a task may pause here.
    pub(crate) fn may_pause_task(&self) -> bool {
        may_pause(self.context())
    }

    /// Pauses a task, which may pause here: see [`check_task`](Self::check_task). Its room has looked
    /// whether the thread panics, and looks afterwards what happened meanwhile.
    #[inline(always)]
    pub(crate) fn pause_task(&self)
    where
        Out: Default,
    {
        self.yielder.suspend(pack(&mut ManuallyDrop::new(Out::default())));
    }

    /// Whether its stack is as all others of this size class, so that other tasks may follow on it.
    pub(crate) fn may_serve(&self, class: u8) -> bool {
        self.context().serves_any(class)
    }

    /// Whether this coroutine has been told to end: what it still does is clean-up.
    ///
    /// True from its own cancellation on, in the destructors that this runs too, and for a generator
    /// that nobody takes items from any more. False while it is unwound by the cancellation of one
    /// around it.
    pub fn is_closed(&self) -> bool {
        self.context().order() != Order::None
    }

    /// Every pause that is not on the fast path.
    #[cold]
    #[inline(never)]
    fn pause_with_care(&self, out: Out, at: &'static Location<'static>) -> In {
        match self.try_pause(out, at) {
            Ok(value) => value,
            Err(NotPaused) => self.without_pause(at),
        }
    }

    /// Looks at everything that may stand in the way, in this order: is it allowed here, does
    /// something unwind, is it to end.
    fn try_pause(&self, out: Out, at: &'static Location<'static>) -> Result<In, NotPaused> {
        let context = self.context();
        check_pause(context, at);
        if context.order() == Order::Close {
            return Err(NotPaused);
        }
        if cancel::unwinds(context) {
            return Err(NotPaused);
        }
        if context.order() == Order::Cancel {
            cancel::raise(context, at);
        }
        // `check_pause` found the coroutine among those that run, with nothing open between.
        let mut out = ManuallyDrop::new(out);
        context.entered_panicking.set(false);
        self.yielder.suspend(pack(&mut out));
        // Those that it left with come back with it, by the same resume.
        for inner in chain().take_while(|here| !ptr::eq(*here, context)) {
            inner.entered_panicking.set(context.entered_panicking.get());
        }
        if context.order() == Order::None {
            // SAFETY: a resume fills the inbox unless it gives an order first.
            return Ok(unsafe { unpack(context.inbox.get()) });
        }
        Ok(self.ended_while_paused(at))
    }

    /// What a pause returns to when the coroutine was told to end meanwhile.
    #[cold]
    #[inline(never)]
    fn ended_while_paused(&self, at: &'static Location<'static>) -> In {
        let context = self.context();
        if context.order() == Order::Cancel {
            cancel::raise(context, at);
        }
        self.without_pause(at)
    }

    /// What happens instead of a pause that cannot be.
    #[cold]
    fn without_pause(&self, at: &'static Location<'static>) -> In {
        let context = self.context();
        if !context.generator {
            report::abort(format!(
                "{context} paused at {at} while a panic or its cancellation unwinds through it: \
                 a destructor that may run then must not pause"
            ));
        }
        let refused = context.refused.get().saturating_add(1);
        context.refused.set(refused);
        if refused > LONG_PATIENCE && context.order() != Order::None {
            if panicking() {
                report::abort(format!(
                    "{context} is to end and has paused {LONG_PATIENCE} times in a destructor, \
                     last at {at}"
                ));
            }
            cancel::give_up(context, at, LONG_PATIENCE);
        }
        // SAFETY: the pauses of a generator take `()`, which has no bytes: `Plan::generator` is set for
        // nothing else.
        unsafe { unpack::<In>(Word::uninit()) }
    }
}

/// What a scheduler of scripts asks for. Its coroutines are paused by [`pause`](Pauser::pause), as bare ones
/// are; only that it looks beforehand, so that nothing is registered for a pause that cannot be.
impl Pauser<(), ()> {
    /// Panics unless a pause is allowed here.
    #[inline(always)]
    pub(crate) fn check_place(&self, at: &'static Location<'static>) {
        let context = self.context();
        if !context.reaches(stack_pointer()) {
            check_pause(context, at);
        }
    }

    /// Whether frames of this coroutine unwind right now.
    #[inline(always)]
    pub(crate) fn unwinds(&self) -> bool {
        panicking() && cancel::unwinds(self.context())
    }

    /// Whether this code runs on its stack, not on that of a coroutine that runs under it.
    pub(crate) fn is_here(&self) -> bool {
        self.context().has(stack_pointer())
    }

    /// Unwinds from here to its root, with the signal that has this number. Part of its caller, because each frame
    /// takes the unwinder some 200 ns.
    #[inline(always)]
    pub(crate) fn throw(&self, number: u64) -> ! {
        cancel::throw(self.context(), number)
    }

    /// Leaves it for good, with everything that runs under it.
    pub(crate) fn abandon(&self) -> ! {
        cancel::abandon(self.context())
    }

    /// Keeps a word with it, and gives the one before.
    pub(crate) fn keep(&self, word: *const ()) -> *const () {
        self.context().keepsake.replace(word)
    }
}

impl<Out> Pauser<(), Out> {
    /// Pauses once for each item of an iterator.
    ///
    /// # Pausing
    /// As [`pause`](Self::pause), per item. Returns early when nobody takes items any more, and in a
    /// destructor that runs while the generator unwinds.
    ///
    /// # Panics
    /// As [`pause`](Self::pause).
    #[track_caller]
    pub fn pause_all(&self, items: impl IntoIterator<Item = Out>) {
        let mut items = items.into_iter();
        let context = self.context();
        while context.order() != Order::Close && !cancel::unwinds(context) {
            match items.next() {
                Some(item) => self.pause(item),
                None => return,
            }
        }
    }
}

impl<In, Out> fmt::Debug for Pauser<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pauser")
            .field("of", &format_args!("{}", self.context()))
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
