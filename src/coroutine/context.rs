//! The record that every coroutine keeps at the top of its stack, and the chain of those that run.
//!
//! ```text
//!   thread's own stack         A                        B  (runs)
//!   +----------------+        +----------------+       +----------------+
//!   | resume(A) .... |  <---- | resumed_from   | <---- | resumed_from   |
//!   +----------------+        | resume(B) .... |       | ....           |  <-- stack pointer
//!                             +----------------+       +----------------+
//! ```
//!
//! Which coroutine runs is not written down anywhere: the stack pointer says it. [`current`] looks up
//! the slot that it lies in, and the record is found from the slot; [`chain`] goes on from there by
//! the address that each was resumed from. So a switch has nothing to maintain but one store, the
//! answer cannot be stale however coroutines nest or leave together, and only what is rare pays for a
//! look-up: scoped coroutines, `no_pause`, and pauses that are not on the coroutine's own stack.
//!
//! A task's switches leave out even that store: all tasks of a loop are resumed from one frame, which the
//! loop notes once in a while. See [`Scheduled`].
//!
//! A stack that this library did not make (a thread's own, or one that some other crate switched to)
//! is the end of every chain.

#![allow(unsafe_code, reason = "finds records by the addresses of stacks")]

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::ptr;
use std::thread;

use super::parcel::Word;
use super::switch::Yielder;
use crate::stacks::{self, Slot};

/// In [`Context::resumed_from`]: it does not run.
const AT_REST: usize = 0;
/// In [`Context::resumed_from`]: it was given up; never resumed again, its stack never reused.
const RETIRED: usize = 1;

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

/// What a coroutine was told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Nothing: go on.
    None,
    /// End: unwind from the pause you are in, and from every later one.
    Cancel,
    /// Nobody takes items any more: pauses return at once. Generators only, where nothing unwinds.
    Close,
}

/// An address in the frame of the function that this is inlined into.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    #[cfg(miri)]
    return super::threads::stack_pointer();
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        let sp: usize;
        // SAFETY: reads a register.
        unsafe {
            std::arch::asm!("mov {}, rsp", out(reg) sp, options(nomem, nostack, preserves_flags));
        }
        sp
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    {
        let sp: usize;
        // SAFETY: reads a register.
        unsafe {
            std::arch::asm!("mov {}, sp", out(reg) sp, options(nomem, nostack, preserves_flags));
        }
        sp
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", miri)))]
    {
        let here = 0_u8;
        std::hint::black_box(&raw const here) as usize
    }
}

/// Fetches the line of memory that this address lies in into the cache, for later. Any address will do.
#[inline(always)]
pub(crate) fn prefetch(address: *const ()) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint, which never faults.
    unsafe {
        std::arch::asm!("prefetcht0 [{}]", in(reg) address, options(readonly, nostack, preserves_flags));
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(readonly, nostack, preserves_flags));
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = address;
}

/// Whether this thread unwinds.
#[inline(always)]
pub(crate) fn panicking() -> bool {
    // Under Miri each coroutine has a thread of its own: what unwinds further out does so on others.
    #[cfg(miri)]
    if let Some(base) = super::threads::base() {
        // SAFETY: a coroutine runs here, so its signpost is there and leads to its record.
        let here = unsafe { &**base.cast::<*const Context>() };
        return thread::panicking() || here.entered_panicking.get();
    }
    thread::panicking()
}

/// The types of a coroutine: values go in and come out, and nothing of it leaves its thread.
pub(crate) type Types<In, Out, Ret> = (fn(In) -> (Out, Ret), *mut ());

/// Words in a [`Signpost`].
const SIGNS: usize = 8;

/// Stands directly above corosensei's stack base, and says where the context is.
///
/// A body's first argument is the address of corosensei's parent link, which lies a few words below
/// the base: how many depends on the processor, the system and the sanitizer. Whichever it is, as long
/// as it is one to eight, the word [`SIGNS`] above the link is a sign. That the body needs no second
/// address to find the link is what counts here: a `ret` waits for it, see [`core`](super::core).
#[repr(C, align(64))]
pub(crate) struct Signpost([*const Context; SIGNS]);

impl Signpost {
    /// Signs that lead to this context.
    #[inline(always)]
    pub(crate) fn to(context: *const Context) -> Self {
        Self([context; SIGNS])
    }
}

/// The context of the coroutine whose parent link this is.
///
/// # Safety
/// The link is that of a coroutine that has a signpost above its stack base.
#[inline(always)]
pub(crate) unsafe fn context_above(link: *const ()) -> *const Context {
    // SAFETY: the caller's promise. Under Miri the link is not on the stack and knows the signpost.
    #[cfg(miri)]
    return unsafe { *(*link.cast::<Yielder>()).base().cast::<*const Context>() };
    // SAFETY: the caller's promise; the first frame checks that the signpost is where this looks.
    #[cfg(not(miri))]
    unsafe {
        *link.cast::<*const Context>().add(SIGNS)
    }
}

/// The address that all frames of the coroutine lie below whose parent link this is.
///
/// # Safety
/// As for [`context_above`].
#[inline(always)]
pub(crate) unsafe fn edge(link: *const ()) -> usize {
    // SAFETY: the caller's promise. Under Miri the link is not on the stack.
    #[cfg(miri)]
    return unsafe { (*link.cast::<Yielder>()).base() }.addr();
    #[cfg(not(miri))]
    link.addr()
}

/// Whether [`check_pause`] would let this pass.
pub(crate) fn may_pause(target: &Context) -> bool {
    for here in chain() {
        if open_for(here, target).is_some() {
            return false;
        }
        if ptr::eq(here, target) {
            return true;
        }
    }
    false
}

/// The innermost frame open on `here` that a pause of `target` must not leave.
fn open_for(here: &Context, target: &Context) -> Option<Opened> {
    if target.is_task() { here.barred.get() } else { here.opened.get() }
}

/// A frame that must not be left by a pause: what it is, and where it was opened.
type Opened = (&'static str, &'static Location<'static>);

/// A closure that lies on the stack that it will run on.
#[derive(Clone, Copy)]
pub(crate) struct Body {
    /// Where.
    pub(crate) place: *mut u8,
    /// Drops it in place.
    pub(crate) drop: unsafe fn(*mut u8),
}

/// One coroutine's record, without its types. Lives on its stack.
///
/// ```text
///   ready --resume--> runs --pause--> at rest --resume--> runs --> (ended: stack released)
///                       |                                  |
///                       +---------- will not end ----------+--> retired (stack leaked)
/// ```
///
/// A handle that has seen the end remembers how it came, since the record is gone by then.
pub(crate) struct Context {
    /// An address in the frame that resumed it, while it runs; else [`AT_REST`] or [`RETIRED`]. It
    /// counts as running too while it is frozen under an outer one that has paused. A task's is only ever
    /// [`RETIRED`]; whether it runs is known to its scheduler.
    resumed_from: Cell<usize>,
    /// Lowest address of its stack.
    low: usize,
    /// Where its tag is, and what it has of the stack ends.
    top: usize,
    /// Bytes above `low` in which a pause may switch away without a closer look: the whole stack, or
    /// 0 while anything asks for attention (an order, an open frame).
    reach: Cell<usize>,
    /// What the last resume passed in, packed; taken by the pause that it ends.
    pub(crate) inbox: Cell<Word>,
    /// Whether the thread was panicking already when control came to its frames, by a resume of its
    /// own or of one further out; false while it rests.
    pub(crate) entered_panicking: Cell<bool>,
    /// Whether it has been resumed at all: its closure has been moved to its frames.
    pub(crate) started: Cell<bool>,
    /// Whether it is a generator: its pauses take `()` and may return without having paused.
    pub(crate) generator: bool,
    /// What its scheduler keeps of it, if it is a task: then it may pause inside frames that a bare coroutine
    /// must not leave.
    scheduled: Cell<Option<Scheduled>>,
    /// What it was told.
    order: Cell<Order>,
    /// How many frames are open on it that must not be paused in.
    open_frames: Cell<u32>,
    /// How often its cancellation was raised.
    pub(crate) raised: Cell<u32>,
    /// The last cancellation that was raised through its frames, its own or an outer one's; 0 if none
    /// was.
    pub(crate) unwound_by: Cell<u64>,
    /// How many of its pauses returned without having paused. Generators only.
    pub(crate) refused: Cell<u32>,
    /// The number of its cancellation; 0 before there is one.
    pub(crate) cancellation: Cell<u64>,
    /// Its stack.
    pub(crate) slot: Slot,
    /// Who has to outlive it.
    pub(crate) lender: Lender,
    /// The innermost open frame.
    opened: Cell<Option<Opened>>,
    /// The innermost open frame that not even a task may leave.
    barred: Cell<Option<Opened>>,
    /// corosensei's end of it; null until it runs first.
    pub(crate) yielder: Cell<*const Yielder>,
    /// A word that a room above keeps with it while it runs; null unless one does.
    pub(crate) keepsake: Cell<*const ()>,
    /// Its closure, until it runs first.
    pub(crate) body: Body,
}

/// Where a scheduler keeps what every switch of a task needs, so that the task's [`Context`], which is far
/// from there, need not be looked at. It outlives the task.
#[derive(Clone, Copy)]
pub(crate) struct Scheduled {
    /// Bytes below the pauser in which a pause may switch away without a closer look: as
    /// [`Context::reach`], or as much of that as a number of this size says.
    pub(crate) reach: &'static Cell<u32>,
    /// An address in the frame that resumes the scheduler's tasks, while it does.
    pub(crate) resumer: &'static Cell<usize>,
}

/// The coroutine whose stack this code runs on; `None` on a stack that is not ours.
#[inline(never)]
pub(crate) fn current() -> Option<&'static Context> {
    running_at(stack_pointer())
}

/// Bytes that are left of the stack that this code runs on, its guard included; `None` on one that is not ours.
pub(crate) fn room_left() -> Option<usize> {
    // Under Miri frames are elsewhere.
    current().filter(|_| !cfg!(miri)).map(|here| stack_pointer().saturating_sub(here.low))
}

/// The coroutine that runs on the stack that this address lies in.
///
/// The reference is good as long as a frame lies on that stack: it is kept by frames on it, or not over
/// a switch at all.
fn running_at(address: usize) -> Option<&'static Context> {
    let record = stacks::record_at(address)?;
    // SAFETY: frames lie at `address`, so the slot is occupied, and what occupies slots are
    // coroutines of this room, which registered their record.
    Some(unsafe { &*record.cast::<Context>() })
}

/// The word that a room above keeps with the coroutine whose stack this code runs on; null where there is
/// none. Never that of a coroutine further out.
pub(crate) fn keepsake() -> *const () {
    current().map_or(ptr::null(), |here| here.keepsake.get())
}

impl Context {
    /// The record of a coroutine that has not run.
    #[inline]
    pub(crate) fn new(slot: Slot, lender: Lender, generator: bool, body: Body) -> Self {
        Self {
            resumed_from: Cell::new(AT_REST),
            low: slot.low(),
            top: slot.top(),
            reach: Cell::new(slot.top() - slot.low()),
            inbox: Cell::new(Word::uninit()),
            entered_panicking: Cell::new(false),
            started: Cell::new(false),
            generator,
            scheduled: Cell::new(None),
            order: Cell::new(Order::None),
            open_frames: Cell::new(0),
            raised: Cell::new(0),
            unwound_by: Cell::new(0),
            refused: Cell::new(0),
            cancellation: Cell::new(0),
            slot,
            lender,
            opened: Cell::new(None),
            barred: Cell::new(None),
            yielder: Cell::new(ptr::null()),
            keepsake: Cell::new(ptr::null()),
            body,
        }
    }

    /// It begins to run, resumed from a frame at this address.
    #[inline(always)]
    pub(crate) fn goes(&self, resumed_from: usize) {
        self.resumed_from.set(resumed_from);
    }

    /// It has paused. False if it was given up instead.
    #[inline(always)]
    pub(crate) fn rests(&self) -> bool {
        if self.is_retired() {
            return false;
        }
        self.resumed_from.set(AT_REST);
        true
    }

    /// Whether it runs, or is frozen under one that has paused.
    pub(crate) fn is_running(&self) -> bool {
        !matches!(self.resumed_from.get(), AT_REST | RETIRED)
    }

    /// Whether it was given up.
    #[inline(always)]
    pub(crate) fn is_retired(&self) -> bool {
        self.resumed_from.get() == RETIRED
    }

    /// Whether a scheduler runs it.
    pub(crate) fn is_task(&self) -> bool {
        self.scheduled.get().is_some()
    }

    /// Whether frames are open on it that must not be left.
    pub(crate) fn has_open_frames(&self) -> bool {
        self.open_frames.get() > 0
    }

    /// Whether its stack is like all others of this class.
    pub(super) fn serves_any(&self, class: u8) -> bool {
        // SAFETY: the context lies on the slot, so the slot is acquired.
        self.slot.class == class && unsafe { stacks::is_plain(self.slot) }
    }

    /// It runs a task that was spawned there.
    #[inline(always)]
    pub(crate) fn serves(&self, spawned_at: &'static Location<'static>) {
        // SAFETY: as above.
        unsafe { stacks::tag_at(self.top) }.spawned_at.set(Some(spawned_at));
        self.unwound_by.set(0);
    }

    /// The name of the task that it runs.
    pub(crate) fn rename(&self, name: Option<Cow<'static, str>>) {
        // SAFETY: as above; and nobody reads the tag meanwhile.
        unsafe { stacks::rename(self.slot, name) };
    }

    /// From now on a scheduler runs it, and pauses it by rules of its own. It has been resumed.
    #[inline(always)]
    pub(crate) fn becomes_task(&self, scheduled: Scheduled) {
        self.scheduled.set(Some(scheduled));
        self.sum_up();
    }

    /// An address in the frame that resumed it, or what else `resumed_from` says.
    fn resumer(&self) -> usize {
        match self.scheduled.get() {
            Some(scheduled) if !self.is_retired() => scheduled.resumer.get(),
            _ => self.resumed_from.get(),
        }
    }

    /// Whether `address` lies on its stack.
    #[inline(always)]
    pub(crate) fn has(&self, address: usize) -> bool {
        address.wrapping_sub(self.low) < self.top - self.low
    }

    /// Whether `address` lies on its stack and nothing asks for attention.
    #[inline(always)]
    pub(crate) fn reaches(&self, address: usize) -> bool {
        address.wrapping_sub(self.low) < self.reach.get()
    }

    /// Whether anything asks for attention.
    #[inline(always)]
    pub(crate) fn is_disturbed(&self) -> bool {
        self.reach.get() == 0
    }

    /// Sets `reach` after something changed that it sums up.
    fn sum_up(&self) {
        let calm = self.order.get() == Order::None && self.open_frames.get() == 0;
        self.reach.set(if calm { self.top - self.low } else { 0 });
        if let Some(scheduled) = self.scheduled.get() {
            // SAFETY: a task has been resumed, so its yielder is there.
            let edge = unsafe { edge(self.yielder.get().cast()) };
            let below = u32::try_from(edge - self.low).unwrap_or(u32::MAX);
            scheduled.reach.set(if calm { below } else { 0 });
        }
    }

    /// Tells it to end.
    pub(crate) fn give_order(&self, order: Order) {
        self.order.set(order);
        self.sum_up();
    }

    /// What it was told.
    pub(crate) fn order(&self) -> Order {
        self.order.get()
    }

    /// Its name.
    pub(crate) fn name(&self) -> Option<&str> {
        // SAFETY: the context lives on the slot, so the slot is acquired.
        unsafe { self.slot.tag() }.name.as_deref()
    }

    /// Where it was made.
    pub(crate) fn spawned_at(&self) -> Option<&'static Location<'static>> {
        // SAFETY: as above.
        unsafe { self.slot.tag() }.spawned_at.get()
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

/// Gives up everything that runs from here out to `top`. Returns how many that are.
pub(crate) fn retire_to(top: *const Context) -> usize {
    let mut count = 0;
    for here in chain() {
        here.resumed_from.set(RETIRED);
        count += 1;
        if ptr::eq(here, top) {
            break;
        }
    }
    count
}

/// The coroutines that run, from the innermost outwards.
pub(crate) fn chain() -> impl Iterator<Item = &'static Context> {
    let mut next = current();
    std::iter::from_fn(move || {
        let here = next?;
        next = running_at(here.resumer());
        Some(here)
    })
}

/// Panics unless `target` runs and may be paused here: it is the current context or resumed it,
/// directly or through others, and no frame on the way is open.
pub(crate) fn check_pause(target: &Context, at: &'static Location<'static>) {
    if !chain().any(|here| ptr::eq(here, target)) {
        let here = match chain().next() {
            Some(here) => here.to_string(),
            None => "a stack that is not a coroutine's".to_owned(),
        };
        panic!(
            "paused {target} at {at}, but what runs here is {here}: a pause must happen under the \
             coroutine that it pauses"
        );
    }
    for here in chain() {
        if let Some((what, opened_at)) = open_for(here, target) {
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
    /// The context; `None` where nothing has to be refused.
    context: Option<&'static Context>,
    /// What [`Context::opened`] was before.
    around: Option<Opened>,
    /// What [`Context::barred`] was before.
    barred_around: Option<Opened>,
}

impl OpenFrame {
    /// Opens a frame that nobody may leave by a pause.
    fn bar(what: &'static str, at: &'static Location<'static>) -> Self {
        let frame = Self::on(current(), what, at);
        if let Some(here) = frame.context {
            here.barred.set(Some((what, at)));
        }
        frame
    }

    /// Opens a frame that a task may leave by a pause, and bare coroutines may not: they could be
    /// dropped, forgotten, or resumed under another task. On a task's own stack it costs nothing.
    pub(crate) fn open(what: &'static str, at: &'static Location<'static>) -> Self {
        Self::on(current().filter(|here| !here.is_task()), what, at)
    }

    /// Opens a frame on this context.
    fn on(
        context: Option<&'static Context>,
        what: &'static str,
        at: &'static Location<'static>,
    ) -> Self {
        let (mut around, mut barred_around) = (None, None);
        if let Some(here) = context {
            around = here.opened.replace(Some((what, at)));
            barred_around = here.barred.get();
            here.open_frames.set(here.open_frames.get() + 1);
            here.sum_up();
        }
        Self { context, around, barred_around }
    }
}

impl Drop for OpenFrame {
    fn drop(&mut self) {
        // The frame lies on this context's stack, so the context is there while the frame is; it is
        // left by nobody but a task whose stack this is not, and such a task comes back first.
        if let Some(here) = self.context {
            here.opened.set(self.around);
            here.barred.set(self.barred_around);
            here.open_frames.set(here.open_frames.get() - 1);
            here.sum_up();
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
    let _barred = OpenFrame::bar("no_pause", Location::caller());
    f()
}
