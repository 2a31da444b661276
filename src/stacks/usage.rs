//! How deep stacks got, per place of creation: what to pass to `stack_size`.
//!
//! A measured stack is zeroed before use; at its end the lowest word that is not zero shows how far
//! it was used. That costs a few microseconds per coroutine, so it happens only when asked for.
//! Frames that were reserved and never written do not show; the recommendation has room for them.

#![allow(unsafe_code, reason = "reads the memory of stacks")]

use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Bytes that a panic with a backtrace may need below the deepest frame that was seen (22 KiB
/// measured), so that a recommended stack survives the day something goes wrong.
const ROOM_FOR_A_PANIC: usize = 24 * 1024;

/// Whether every new coroutine is measured. Relaxed: it orders nothing.
static ALL: AtomicBool = AtomicBool::new(false);

/// One entry per place of creation, in the order of their first measured end.
static SITES: Mutex<Vec<Usage>> = Mutex::new(Vec::new());

/// How deep the measured coroutines that were made at one place got. See [`usage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Where they were made.
    pub spawned_at: &'static Location<'static>,
    /// How many measured ones have ended.
    pub ended: u64,
    /// Bytes of stack that the deepest of them used, bookkeeping included (up to 1.5 KiB).
    pub deepest: usize,
    /// Bytes of frames that the last of them had.
    pub frames: usize,
    /// Bytes to ask for with `stack_size`: the deepest and a quarter, room for a panic that prints
    /// a backtrace, at least 48 KiB, in steps of 4 KiB.
    pub recommended: usize,
}

/// Measures every coroutine of this process from now on (or no longer), as if each were built with
/// `measure(true)`.
///
/// Creating and ending a coroutine then costs a few microseconds more. Not supported on Windows.
pub fn measure_all(on: bool) {
    ALL.store(on, Relaxed);
}

/// Whether [`measure_all`] is on.
#[inline]
pub(crate) fn measuring_all() -> bool {
    ALL.load(Relaxed)
}

/// The high-water marks of measured coroutines that have ended, one entry per place of creation.
///
/// ```
/// use segno::{Builder, Pauser, stack};
///
/// let mut co = Builder::new()
///     .measure(true)
///     .build(|_: &Pauser<(), ()>, ()| std::hint::black_box([1_u8; 10_000]).len())?;
/// co.resume(());
/// # #[cfg(unix)] {
/// let mark = stack::usage().pop().unwrap();
/// assert!(mark.deepest >= 10_000 && mark.deepest < 30_000);
/// assert!(mark.recommended >= 48 * 1024);
/// # }
/// # Ok::<(), segno::SpawnError>(())
/// ```
pub fn usage() -> Vec<Usage> {
    SITES.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Notes the end of a measured coroutine.
pub(super) fn record(spawned_at: &'static Location<'static>, frames: usize, depth: usize) {
    let mut sites = SITES.lock().unwrap_or_else(PoisonError::into_inner);
    // A location's address can differ between codegen units; its text cannot.
    let known = sites.iter_mut().find(|site| site.spawned_at == spawned_at);
    let deepest = known.as_ref().map_or(depth, |site| site.deepest.max(depth));
    let ended = known.as_ref().map_or(1, |site| site.ended + 1);
    let recommended =
        (deepest + deepest / 4 + ROOM_FOR_A_PANIC).max(48 * 1024).next_multiple_of(4096);
    let site = Usage { spawned_at, ended, deepest, frames, recommended };
    match known {
        Some(known) => *known = site,
        None => sites.push(site),
    }
}

/// Bytes between `high` and the lowest word in `[low, high)` that is not zero.
///
/// # Safety
/// The range is readable stack memory of this thread. Frames may be alive in it: the words are read
/// one by one and volatile, and only compared with zero.
pub(crate) unsafe fn used(low: usize, high: usize) -> usize {
    const WORD: usize = size_of::<usize>();
    let mut at = low;
    while at + WORD <= high {
        // SAFETY: the caller's promise; `low` is page-aligned.
        if unsafe { (at as *const usize).read_volatile() } != 0 {
            break;
        }
        at += WORD;
    }
    high - at
}
