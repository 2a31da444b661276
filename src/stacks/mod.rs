//! Where frames live: slots with guards, reused last in first out, and the report when one overflows.
//!
//! ```text
//!   high end of a slot (stacks grow downwards)
//!   +------------------------+
//!   | colour: 0 to 15 lines  |  so that the hot words of many stacks do not share a cache set
//!   +------------------------+  <- Slot::high
//!   | Tag                    |  who lives here: read by the overflow report
//!   | the coroutine's record |  see the coroutine room's `core`
//!   | frames                 |
//!   ~                        ~
//!   | guard, >= 16 KiB       |  touching it ends the process with a report
//!   +------------------------+  <- Slot::low
//! ```
//!
//! [`acquire`] takes a slot from this thread's idle list, or from what ended threads left, or cuts a
//! new one; [`release`] is a push. A slot that holds live frames is in no list at all: what is
//! forgotten or leaked is simply never given back.
//!
//! | file | what |
//! |---|---|
//! | `error` | why there is no stack |
//! | `size` | size classes |
//! | `shelf` | idle stacks that belong to no thread |
//! | `system` | the system calls (Unix) |
//! | `slab` | mappings cut into guarded slots (Unix) |
//! | `single` | one system stack per slot (Windows) |
//! | `heap` | the tops of slots, without frames (Miri) |
//! | `pool` | idle lists per thread, and how they trade with the shelf |
//! | `usage` | how deep stacks got, per place of creation |
//! | `overflow` | the report from the signal handler (Unix) |

#![allow(unsafe_code, reason = "hands out raw memory as stacks")]

mod error;
mod size;
mod shelf;
#[cfg(unix)]
#[cfg_attr(miri, allow(dead_code, reason = "nothing is mapped there"))]
mod system;
#[cfg(all(unix, not(miri)))]
mod slab;
#[cfg(all(not(unix), not(miri)))]
#[path = "single.rs"]
mod slab;
#[cfg(miri)]
#[path = "heap.rs"]
mod slab;
mod pool;
mod usage;
#[cfg(unix)]
mod overflow;

use std::borrow::Cow;
use std::cell::Cell;
use std::mem;
use std::panic::Location;
use std::ptr;

pub use error::SpawnError;
pub use pool::trim;
pub use usage::{Usage, measure_all, usage};

pub(crate) use size::{Request, slot_len};
pub(crate) use usage::{measuring_all, used};

/// How the low ends of stacks are made to fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Guards {
    /// Guard pages inside a large mapping (`MADV_GUARD_INSTALL`, Linux 6.13): as many as you like.
    Installed,
    /// Pages without access, two mappings each: about 31,000 stacks with Linux's default limit.
    Protected,
    /// Whatever the system's own stacks have (Windows).
    System,
}

/// A stack's place in memory. Plain data: whoever holds it decides when it is released.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// What the pool knows it by.
    id: usize,
    /// Size class.
    pub(crate) class: u8,
}

/// Who lives on a stack. At the same place in every slot, so that the signal handler finds it from
/// nothing but the address that faulted.
pub(crate) struct Tag {
    /// Where the coroutine was made.
    pub(crate) spawned_at: Cell<Option<&'static Location<'static>>>,
    /// Its name, if it has one.
    pub(crate) name: Option<Cow<'static, str>>,
    /// The coroutine's own record, for whoever has an address on this stack.
    pub(crate) record: Cell<*const ()>,
    /// Bytes of guard; 0 while nobody lives here.
    guard: Cell<usize>,
    /// Whether the frames were zeroed first, so that their depth can be read off.
    measured: Cell<bool>,
}

impl Slot {
    /// The slot with this id.
    #[inline]
    pub(crate) fn at(id: usize, class: u8) -> Self {
        Self { id, class }
    }

    /// Lowest address, guard included.
    #[inline]
    pub(crate) fn low(self) -> usize {
        slab::bounds(self.id, self.class).0
    }

    /// First address above what may be used; the [`Tag`] ends here.
    #[inline]
    fn high(self) -> usize {
        slab::bounds(self.id, self.class).1
    }

    /// Where the tag is.
    #[inline]
    fn tag_address(self) -> *mut Tag {
        at((self.high() - mem::size_of::<Tag>()) & !(mem::align_of::<Tag>() - 1))
    }

    /// Who lives here.
    ///
    /// # Safety
    /// The slot was acquired and not released; the reference is not kept beyond that.
    #[inline]
    pub(crate) unsafe fn tag<'a>(self) -> &'a Tag {
        // SAFETY: `acquire` wrote the tag.
        unsafe { &*self.tag_address() }
    }

    /// The first address above what is free for frames.
    #[inline]
    pub(crate) fn top(self) -> usize {
        self.tag_address() as usize
    }

    /// What the system has to know about this stack while code runs on it.
    #[cfg(windows)]
    pub(crate) fn teb_fields(self) -> corosensei::stack::StackTebFields {
        use corosensei::stack::Stack;
        // SAFETY: the id is that of a leaked stack.
        unsafe { &*slab::system_stack(self.id) }.teb_fields()
    }

    /// What the system changed about this stack while code ran on it.
    #[cfg(windows)]
    pub(crate) fn update_teb_fields(self, stack_limit: usize, guaranteed_stack_bytes: usize) {
        use corosensei::stack::Stack;
        // SAFETY: as above; a slot is used by one thread, and by one coroutine at a time.
        unsafe { &mut *slab::system_stack(self.id) }
            .update_teb_fields(stack_limit, guaranteed_stack_bytes);
    }

    /// Bytes of frames that a coroutine on this slot has above a guard of this size, bookkeeping
    /// included.
    pub(crate) fn frames(self, guard: usize) -> usize {
        slot_len(self.class) - guard
    }
}

/// The memory of a stack at this address.
#[inline(always)]
pub(crate) fn at<T>(address: usize) -> *mut T {
    // Miri wants to know which memory is meant.
    #[cfg(miri)]
    return slab::memory_at(address).cast();
    #[cfg(not(miri))]
    {
        address as *mut T
    }
}

/// Whether a stack's memory can be zeroed and read from outside: not where the system moves the
/// guard, and not under a sanitizer, which watches exactly such reads; nor under Miri, where no frames
/// are in it.
const MEASURABLE: bool = cfg!(unix) && !cfg!(feature = "sanitizer") && !cfg!(miri);

/// Asks for large pages where a crowd of something small lies: `len` bytes from `start` on, which the caller
/// has allocated. Only advice, and not taken everywhere.
pub(crate) fn prefer_large_pages(start: usize, len: usize) {
    #[cfg(all(target_os = "linux", not(miri)))]
    system::prefer_large_pages(start, len);
    #[cfg(not(all(target_os = "linux", not(miri))))]
    let _ = (start, len);
}

/// Takes a stack. Its frames hold whatever was there before.
#[inline(always)]
pub(crate) fn acquire(
    request: Request,
    spawned_at: &'static Location<'static>,
    name: Option<Cow<'static, str>>,
) -> Result<Slot, SpawnError> {
    let slot = match pool::take(request.class) {
        Some(slot) => slot,
        None => pool::refill(request.class)?,
    };
    let mut guard = slab::standard_guard();
    let mut measured = false;
    if request.measure | (request.wide_guard != 0) | usage::measuring_all() {
        (guard, measured) = prepare(slot, &request)?;
    }
    // SAFETY: the slot is ours and its top is mapped memory; nothing there needs dropping.
    unsafe {
        slot.tag_address().write(Tag {
            spawned_at: Cell::new(Some(spawned_at)),
            name,
            record: Cell::new(ptr::null()),
            guard: Cell::new(guard),
            measured: Cell::new(measured),
        });
    }
    Ok(slot)
}

/// Who lives on the stack with this top.
///
/// # Safety
/// As for [`Slot::tag`].
#[inline(always)]
pub(crate) unsafe fn tag_at<'a>(top: usize) -> &'a Tag {
    // SAFETY: the caller's promise; the top is where the tag begins.
    unsafe { &*at(top) }
}

/// Gives a stack another name, when one coroutine runs several tasks on it.
///
/// # Safety
/// The slot was acquired and is not released, and nobody refers to its tag.
#[cold]
pub(crate) unsafe fn rename(slot: Slot, name: Option<Cow<'static, str>>) {
    // SAFETY: the caller's promise.
    unsafe { (*slot.tag_address()).name = name };
}

/// Whether a stack is as all others of its class, so that one is as good as the other.
///
/// # Safety
/// The slot was acquired and is not released.
pub(crate) unsafe fn is_plain(slot: Slot) -> bool {
    // SAFETY: the caller's promise.
    let tag = unsafe { slot.tag() };
    !tag.measured.get() & (tag.guard.get() == slab::standard_guard())
}

/// The uncommon wishes: a wider guard, zeroed frames. Returns the guard's size, and whether the frames
/// are zeroed.
#[cold]
fn prepare(slot: Slot, request: &Request) -> Result<(usize, bool), SpawnError> {
    let measured = MEASURABLE && (request.measure || usage::measuring_all());
    if measured {
        // SAFETY: the slot is ours and nothing in it is in use.
        unsafe { slab::zero(slot.low(), slot.high()) };
    }
    let standard = slab::standard_guard();
    // A slot of a larger class than asked for may have been lent; the guard fits all the more.
    let wide = request.wide_guard.max(standard);
    if wide > standard {
        // SAFETY: as above.
        if let Err(source) = unsafe { slab::resize_guard(slot.low(), wide, true) } {
            pool::put(slot);
            return Err(SpawnError::NoMemory { asked: slot_len(slot.class), source });
        }
    }
    Ok((wide, measured))
}

/// Gives a stack back. Returns how deep it was used, if that was measured.
///
/// # Safety
/// The slot was acquired, is not released yet, holds no live frame, and nobody refers to it.
#[inline(always)]
pub(crate) unsafe fn release(slot: Slot) -> Option<usize> {
    // SAFETY: the caller's promise: nobody else refers to the tag.
    let tag = unsafe { &mut *slot.tag_address() };
    tag.name = None;
    let guard = tag.guard.replace(0);
    if tag.measured.get() | (guard != slab::standard_guard()) {
        // SAFETY: the caller's promise.
        return unsafe { release_with_care(slot, guard) };
    }
    pool::put(slot);
    None
}

/// [`release`] for one that was [`prepare`]d.
///
/// # Safety
/// As for [`release`].
#[cold]
unsafe fn release_with_care(slot: Slot, guard: usize) -> Option<usize> {
    // SAFETY: the caller's promise.
    let Ok(depth) = (unsafe { restore(slot, guard) }) else {
        // The guard stays wide: the slot would be short of frames, so nobody gets it again.
        return None;
    };
    pool::put(slot);
    depth
}

/// Undoes [`prepare`].
///
/// # Safety
/// As for [`release`].
#[cold]
unsafe fn restore(slot: Slot, guard: usize) -> Result<Option<usize>, ()> {
    // SAFETY: the caller's promise.
    let tag = unsafe { slot.tag() };
    let mut used = None;
    if tag.measured.get() {
        // SAFETY: the slot was zeroed from above its guard upwards when it was acquired.
        let depth = unsafe { used_above(slot, guard) };
        if let Some(site) = tag.spawned_at.get() {
            usage::record(site, slot.frames(guard), depth);
        }
        used = Some(depth);
    }
    if guard > slab::standard_guard() {
        // SAFETY: the caller's promise.
        if unsafe { slab::resize_guard(slot.low(), guard, false) }.is_err() {
            pool::count_leaked(1);
            return Err(());
        }
    }
    Ok(used)
}

/// How deep a measured stack was used so far; `None` if it is not measured.
///
/// # Safety
/// The slot was acquired and is not released; the call happens on its thread.
pub(crate) unsafe fn depth(slot: Slot) -> Option<usize> {
    // SAFETY: the caller's promise.
    let tag = unsafe { slot.tag() };
    // SAFETY: a measured slot was zeroed from above its guard upwards.
    tag.measured.get().then(|| unsafe { used_above(slot, tag.guard.get()) })
}

/// Bytes between the highest address of the slot and the lowest that was written.
///
/// # Safety
/// The slot was zeroed when it was acquired, and has this guard.
unsafe fn used_above(slot: Slot, guard: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { used(slot.low() + guard, slot.high()) }
}

/// The record of the coroutine on whose stack this address lies; `None` if it is on no stack of ours
/// or nobody lives there.
pub(crate) fn record_at(address: usize) -> Option<*const ()> {
    let (id, class) = slab::slot_at(address)?;
    // SAFETY: the slab is mapped and never unmapped, and a slot's top is never guarded: the tag is what
    // was left there, or all zero as in fresh memory.
    let tag = unsafe { Slot::at(id, class).tag() };
    let record = tag.record.get();
    (tag.guard.get() != 0 && !record.is_null()).then_some(record)
}

/// Counts stacks that are never given back: forgotten on purpose, because live frames may be in
/// them.
#[cold]
pub(crate) fn leak(stacks: usize) {
    pool::count_leaked(stacks);
}

/// What the stacks of this process cost. See [`stats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Stacks in use: by coroutines (forgotten ones too) and by `grow`; and those, a few, that an event loop keeps for
    /// its next tasks.
    pub live: usize,
    /// Stacks that wait to be reused, on all threads.
    pub idle: usize,
    /// Stacks that will never be used again, because frames on them could not be unwound.
    pub leaked: usize,
    /// Bytes of address space reserved. Not memory: only touched pages are.
    pub reserved: usize,
    /// Reservations made. Neighbouring ones are one mapping to the kernel.
    pub slabs: usize,
    /// How guards are made; `None` before the first stack.
    pub guards: Option<Guards>,
}

/// Counts the stacks of this process, over all threads.
///
/// Other threads go on while this counts, so the numbers fit each other only when they rest.
///
/// ```
/// let before = segno::stack::stats().live;
/// let co = segno::Coroutine::new(|co: &segno::Pauser<(), ()>, ()| co.pause(()));
/// assert_eq!(segno::stack::stats().live, before + 1);
/// drop(co);
/// assert_eq!(segno::stack::stats().live, before);
/// ```
pub fn stats() -> Stats {
    let (reserved, slabs, cut) = slab::totals();
    let (idle, leaked) = pool::totals();
    let live = cut.saturating_sub(idle + leaked);
    Stats { live, idle, leaked, reserved, slabs, guards: slab::kind() }
}

/// Chooses how guards are made, before the first stack of the process exists. Returns whether the
/// choice is in force now.
///
/// Normally the library finds out what works. A reason to choose [`Guards::Protected`]: a process
/// that is checkpointed or migrated by a tool that does not know the newer kind.
/// [`Guards::Installed`] is refused where the kernel does not have it.
///
/// ```
/// use segno::stack::{Guards, prefer_guards};
/// // Each answer but the first depends on what came before:
/// let _in_force: bool = prefer_guards(Guards::Protected);
/// ```
pub fn prefer_guards(guards: Guards) -> bool {
    // Only the probe can tell whether installed guards work, and it needs memory to try them on.
    if guards == Guards::Protected && slab::decide(guards) {
        return true;
    }
    slab::kind() == Some(guards)
}

/// Turns the overflow report off (or on again) for this process, before its first stack.
///
/// The report is a handler for `SIGSEGV` and `SIGBUS` that writes which coroutine overflowed, where
/// it was made and what to do, and then aborts. Every other fault goes to whatever handled the
/// signal before. Threads that run coroutines and have no alternate signal stack are given one.
/// Once the first stack exists the handler is installed and this has no effect: it returns whether
/// the setting could still be made. On Windows there is no report, and this returns `false`.
///
/// ```
/// segno::stack::report_overflow(false);
/// ```
pub fn report_overflow(on: bool) -> bool {
    #[cfg(unix)]
    return overflow::set(on);
    #[cfg(not(unix))]
    {
        let _ = on;
        false
    }
}
