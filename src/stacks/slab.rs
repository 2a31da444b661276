//! Slabs: large mappings that are cut into slots of one size class, each with a guard at its low end.
//!
//! ```text
//!   slab (one mapping, never unmapped)
//!   +-------------------+-------------------+-------------------+---- ... ----+
//!   | guard |  frames   | guard |  frames   | guard |  frames   |  not cut yet |
//!   +-------------------+-------------------+-------------------+---- ... ----+
//!   low                 low                 low                 next          end
//! ```
//!
//! A guard is made when its slot is cut, not before, so a slab costs nothing until it is used.
//! Guards are installed by `madvise` where the kernel can (Linux 6.13): they then need no mapping,
//! and a million stacks fit into a few dozen mappings. Whether such a guard really faults is tried
//! once on a page of the first slab, because emulators accept the advice and ignore it. Elsewhere
//! the guard is a page range without access; that splits the mapping in two, so those guards are
//! counted and refused before the process reaches its limit of mappings, where unrelated
//! allocations would begin to fail.
//!
//! Invariants: a slab is never unmapped, so an address in one stays valid for the process's life; a
//! slot is in exactly one place: not cut yet, in one idle list, or owned by one coroutine.

#![allow(unsafe_code, reason = "cuts raw memory into stacks")]

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::shelf::Shelf;
use super::size::{CLASSES, GUARD, slot_len};
use super::{Guards, SpawnError, system};

pub(super) use super::system::page_size;

/// Bytes of the first slab of a class; each later one is twice as large, up to [`LARGEST_SLAB`].
const FIRST_SLAB: usize = 4 << 20;
/// 2 GiB of address space each: a million 64 KiB slots then take 38 mappings.
const LARGEST_SLAB: usize = if cfg!(target_pointer_width = "64") { 2 << 30 } else { 64 << 20 };
/// Address space left to the rest of the process when it is limited (`ulimit -v`): a slab is refused
/// sooner than the program's own allocations.
const LEFT_FOR_OTHERS: usize = 16 << 20;
/// Mappings left to the rest of the process when guards cost two each.
const MAPPINGS_FOR_OTHERS: usize = 2048;

/// Different cache lines that the tops of neighbouring stacks start on; costs at most 960 bytes of a
/// stack. Resuming 1,000 coroutines in shuffled order took 7.2 ns each with 16 colours, 7.9 with 4 and
/// 10.7 with none; 30,000 in order 9, 23 and 54 ns; below 300 there was no difference.
const COLOURS: usize = 16;

/// What is known about one slab, for whoever has an address and wants its slot. Never freed.
#[derive(Debug)]
struct Slab {
    /// Lowest address.
    start: usize,
    /// Bytes.
    len: usize,
    /// Size class of its slots.
    class: u8,
    /// The slab registered before this one.
    older: *const Slab,
}

/// The newest slab. Release by [`register`], Acquire by [`slot_at`], which thereby sees the whole
/// record; a signal handler may read it, so there is no lock.
static NEWEST: AtomicPtr<Slab> = AtomicPtr::new(ptr::null_mut());
/// How guards are made: 0 not decided yet, else a [`Guards`] plus one. Relaxed: a hint that every
/// thread would decide alike; the slots it speaks of are handed over by other means.
static KIND: AtomicU8 = AtomicU8::new(0);
/// Bytes of address space in slabs, for the statistics.
static RESERVED: AtomicUsize = AtomicUsize::new(0);
/// Number of slabs, for the statistics.
static SLABS: AtomicUsize = AtomicUsize::new(0);
/// Number of slots cut so far, for the statistics.
static CUT: AtomicUsize = AtomicUsize::new(0);

/// The slots that belong to no thread, and where the next ones are cut. One for the process.
pub(crate) struct Depot {
    /// Idle slots.
    pub(super) shelf: Shelf,
    /// Per class: where the next slot is cut, and where its slab ends.
    next: [(usize, usize); CLASSES],
    /// Per class: bytes of the slab to map next.
    slab_len: [usize; CLASSES],
    /// Guards that are mappings of their own.
    protected: usize,
}

/// See [`Depot`].
static DEPOT: Mutex<Depot> = Mutex::new(Depot {
    shelf: Shelf::new(),
    next: [(0, 0); CLASSES],
    slab_len: [FIRST_SLAB; CLASSES],
    protected: 0,
});

/// Locks the depot. Nothing but this module's own code runs under the lock.
pub(crate) fn depot() -> MutexGuard<'static, Depot> {
    DEPOT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Depot {
    /// Cuts a new slot, mapping a slab when the last one is used up.
    pub(crate) fn cut(&mut self, class: u8) -> Result<usize, SpawnError> {
        let len = slot_len(class);
        let refused = |source| SpawnError::NoMemory { asked: len, source };
        let (next, end) = self.next[class as usize];
        if next == end {
            self.next[class as usize] = self.map_slab(class).map_err(refused)?;
        }
        let low = self.next[class as usize].0;
        // SAFETY: the slot has not been cut yet, so nobody uses it.
        match unsafe { guard(low, standard_guard(), &mut self.protected) } {
            Ok(()) => {}
            Err(GuardError::Mappings) => {
                return Err(SpawnError::TooManyMappings { stacks: self.protected });
            }
            Err(GuardError::System(source)) => return Err(refused(source)),
        }
        self.next[class as usize].0 = low + len;
        CUT.fetch_add(1, Ordering::Relaxed);
        register_with_valgrind(low, len);
        Ok(low)
    }

    /// Maps a slab for this class: a small one when a large one is refused.
    fn map_slab(&mut self, class: u8) -> io::Result<(usize, usize)> {
        let slot = slot_len(class);
        let least = FIRST_SLAB.max(slot);
        let wanted = self.slab_len[class as usize].max(slot);
        let (start, len) = match map_beside_reserve(wanted) {
            Ok(start) => (start, wanted),
            Err(_) => (map_beside_reserve(least)?, least),
        };
        // What was refused once is not asked for again.
        self.slab_len[class as usize] =
            if len < wanted { least } else { (len * 2).min(LARGEST_SLAB) };
        if let Err(error) = register(start, len, class) {
            system::unmap(start, len);
            return Err(error);
        }
        Ok((start, start + len))
    }
}

/// Maps a slab, unless that would leave the rest of the program without address space.
fn map_beside_reserve(len: usize) -> io::Result<usize> {
    let start = system::map(len + LEFT_FOR_OTHERS)?;
    system::unmap(start + len, LEFT_FOR_OTHERS);
    Ok(start)
}

/// Publishes a slab.
fn register(start: usize, len: usize, class: u8) -> io::Result<()> {
    let mut record = Vec::new();
    if record.try_reserve_exact(1).is_err() {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    RESERVED.fetch_add(len, Ordering::Relaxed);
    SLABS.fetch_add(1, Ordering::Relaxed);
    // The depot's lock is held, so nobody else registers meanwhile.
    let older = NEWEST.load(Ordering::Relaxed);
    record.push(Slab { start, len, class, older });
    // Partner: the Acquire load in `slot_at`.
    NEWEST.store(record.leak().as_mut_ptr(), Ordering::Release);
    Ok(())
}

/// The slot that this address lies in: its lowest address and its class. Async-signal-safe.
pub(crate) fn slot_at(address: usize) -> Option<(usize, u8)> {
    // Partner: the Release store in `register`.
    let mut slab = NEWEST.load(Ordering::Acquire).cast_const();
    // SAFETY: registered slabs are leaked, complete before they were published.
    while let Some(here) = unsafe { slab.as_ref() } {
        let offset = address.wrapping_sub(here.start);
        if offset < here.len {
            return Some((here.start + (offset & !(slot_len(here.class) - 1)), here.class));
        }
        slab = here.older;
    }
    None
}

/// Lowest and highest usable address of a slot.
#[inline]
pub(crate) fn bounds(id: usize, class: u8) -> (usize, usize) {
    let len = slot_len(class);
    // Neighbouring slots start their frames on different cache lines: without this the hot words of
    // all stacks fall into a few sets of the cache.
    let colour = (id / len % COLOURS) * 64;
    (id, id + len - colour)
}

/// Bytes of address space, mappings asked for, slots cut.
pub(crate) fn totals() -> (usize, usize, usize) {
    let read = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    (read(&RESERVED), read(&SLABS), read(&CUT))
}

/// Bytes of guard that every slot has.
#[inline]
pub(crate) fn standard_guard() -> usize {
    if cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
        // Pages are 4 KiB there: nothing to ask at run time.
        return GUARD;
    }
    GUARD.max(system::page_size())
}

/// Why a guard could not be made.
pub(crate) enum GuardError {
    /// The process is near its limit of mappings.
    Mappings,
    /// The system refused.
    System(io::Error),
}

/// Makes the `len` bytes above `low` fault.
///
/// # Safety
/// The range lies in a slab and nothing in it is in use.
unsafe fn guard(low: usize, len: usize, protected: &mut usize) -> Result<(), GuardError> {
    #[cfg(target_os = "linux")]
    if kind_or_probe(low) == Guards::Installed {
        // SAFETY: the caller's promise.
        match unsafe { system::install_guard(low, len) } {
            Ok(()) => return Ok(()),
            // Memory that is locked (mlockall) cannot have such guards: protect this one.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            Err(error) => return Err(GuardError::System(error)),
        }
    }
    KIND.compare_exchange(0, Guards::Protected as u8 + 1, Ordering::Relaxed, Ordering::Relaxed)
        .ok();
    if system::mapping_limit()
        .is_some_and(|limit| *protected * 2 + 2 > limit.saturating_sub(MAPPINGS_FOR_OTHERS))
    {
        return Err(GuardError::Mappings);
    }
    // SAFETY: the caller's promise.
    unsafe { system::protect(low, len, false) }.map_err(GuardError::System)?;
    *protected += 1;
    Ok(())
}

/// Makes the guard of an idle slot wider, or the standard one again.
///
/// # Safety
/// The slot belongs to the caller and none of its frames are in use.
pub(crate) unsafe fn resize_guard(low: usize, wide: usize, widen: bool) -> io::Result<()> {
    let standard = standard_guard();
    let (start, len) = (low + standard, wide - standard);
    #[cfg(target_os = "linux")]
    if kind() == Some(Guards::Installed) {
        // SAFETY: the caller's promise.
        return unsafe {
            if widen { system::install_guard(start, len) } else { system::remove_guard(start, len) }
        };
    }
    // The range borders on the standard guard, so no mapping is added.
    // SAFETY: the caller's promise.
    unsafe { system::protect(start, len, !widen) }
}

/// How guards are made, if that is decided.
pub(crate) fn kind() -> Option<Guards> {
    match KIND.load(Ordering::Relaxed) {
        0 => None,
        kind if kind == Guards::Installed as u8 + 1 => Some(Guards::Installed),
        _ => Some(Guards::Protected),
    }
}

/// Decides how guards are made; false when that has been decided otherwise.
pub(crate) fn decide(kind: Guards) -> bool {
    let wanted = kind as u8 + 1;
    match KIND.compare_exchange(0, wanted, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => true,
        Err(decided) => decided == wanted,
    }
}

/// How guards are made, found out on the fresh memory at `low` if it is not decided.
#[cfg(target_os = "linux")]
fn kind_or_probe(low: usize) -> Guards {
    if let Some(kind) = kind() {
        return kind;
    }
    let page = system::page_size();
    // SAFETY: the memory was cut for a slot that nobody has yet; the guard is taken off again.
    let works = unsafe {
        system::readable(low)
            && system::install_guard(low, page).is_ok()
            && !system::readable(low)
            && system::remove_guard(low, page).is_ok()
            && system::readable(low)
    };
    decide(if works { Guards::Installed } else { Guards::Protected });
    kind().unwrap_or(Guards::Protected)
}

/// Lets valgrind know that this is a stack. Costs a few instructions when it is not there.
fn register_with_valgrind(low: usize, len: usize) {
    use corosensei::stack::valgrind::ValgrindStackRegistration;
    // Slots are never unmapped, so the registration is never taken back.
    std::mem::forget(ValgrindStackRegistration::new(low as *mut u8, len));
}

/// Gives the memory of a range of idle slots back. Guards stay.
///
/// # Safety
/// The range lies in slabs and nothing in it is in use.
pub(crate) unsafe fn give_back(low: usize, len: usize) {
    // A refusal (locked memory) leaves everything as it was, which is as good.
    // SAFETY: the caller's promise.
    let _ = unsafe { system::discard(low, len) };
}

/// Zeroes the frames of an idle slot up to `high`.
///
/// # Safety
/// The slot belongs to the caller and nothing in it is in use.
pub(crate) unsafe fn zero(low: usize, high: usize) {
    let frames = low + standard_guard();
    let page = system::page_size();
    let end = high.next_multiple_of(page);
    // SAFETY: the caller's promise. `end` is at most the slot's end: `high` lies in its last page.
    let discarded = unsafe { system::discard(frames, end - frames) }.is_ok();
    if !(discarded && cfg!(target_os = "linux")) {
        // SAFETY: as above.
        unsafe { ptr::write_bytes(frames as *mut u8, 0, high - frames) };
    }
}
