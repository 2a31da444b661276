//! Size classes: what a user asks for, rounded up to a slot that the pool can reuse.
//!
//! Slots are 64 KiB, 256 KiB, 1 MiB and so on, each four times the one before. Rounding up costs
//! address space and page tables, not memory: a page of a stack exists once it has been touched.

use super::{SpawnError, slab};

/// Number of size classes: the largest slot is 64 GiB, or 64 MiB where addresses are 32 bits.
pub(crate) const CLASSES: usize = if cfg!(target_pointer_width = "64") { 11 } else { 6 };

/// Least bytes of frames that are worth having: most of std runs in 13 KiB, a panic that prints a
/// backtrace takes 22 KiB.
pub(crate) const LEAST_FRAMES: usize = 32 * 1024;

/// Bytes at the low end of every slot that fault when touched. One page would do for Rust, which
/// probes its frames page by page; foreign code with large frames does not.
pub(crate) const GUARD: usize = 16 * 1024;

/// The class used when nobody asks for another: 256 KiB, of which 240 KiB are frames.
const DEFAULT_CLASS: u8 = 1;

/// Bytes in a slot of this class, guard included.
#[inline]
pub(crate) const fn slot_len(class: u8) -> usize {
    1 << (16 + 2 * class as u32)
}

/// What a coroutine needs of its stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// Size class of the slot.
    pub(crate) class: u8,
    /// Whether the slot is to be zeroed first, so that its high-water mark can be read.
    pub(crate) measure: bool,
    /// Bytes of guard when more than the standard was asked for, else 0.
    pub(crate) wide_guard: usize,
}

impl Request {
    /// A stack of the default size.
    pub(crate) const DEFAULT: Self = Self { class: DEFAULT_CLASS, measure: false, wide_guard: 0 };

    /// Bytes of frames that such a stack has where pages are small.
    pub(crate) const DEFAULT_FRAMES: usize = slot_len(DEFAULT_CLASS) - GUARD;

    /// Least bytes of frames.
    pub(crate) const LEAST_FRAMES: usize = LEAST_FRAMES;

    /// A slot of this class, and nothing else.
    #[inline]
    pub(crate) fn of_class(class: u8) -> Self {
        Self { class, measure: false, wide_guard: 0 }
    }

    /// The smallest class that has `frames` bytes above a guard of `guard` bytes.
    #[inline]
    pub(crate) fn sized(frames: usize, guard: Option<usize>) -> Result<Self, SpawnError> {
        if frames < LEAST_FRAMES {
            return Err(SpawnError::TooSmall { asked: frames, least: LEAST_FRAMES });
        }
        let page = slab::page_size();
        let standard = slab::standard_guard();
        let most = slot_len(CLASSES as u8 - 1);
        let too_large = |asked| SpawnError::TooLarge { asked, most };
        let guard = guard
            .unwrap_or(0)
            .max(standard)
            .checked_next_multiple_of(page)
            .ok_or(too_large(usize::MAX))?;
        let needed = frames.checked_add(guard).ok_or(too_large(usize::MAX))?;
        let class =
            (0..CLASSES as u8).find(|&class| slot_len(class) >= needed).ok_or(too_large(needed))?;
        Ok(Self { class, measure: false, wide_guard: if guard > standard { guard } else { 0 } })
    }
}
