//! Stacks for the floors: cut out of one mapping, so that there can be as many as memory allows, and
//! kept for ever.
//!
//! No guards: the code on them is ours and calls nothing deep. Each begins some cache lines further
//! from the end of its slot than the one before, so that the words in use of many stacks do not
//! compete for the same places in the cache.

use corosensei::stack::Stack;
#[cfg(unix)]
use corosensei::stack::StackPointer;

/// As many stacks, none of them touched yet.
#[cfg(unix)]
pub fn slots(count: usize) -> impl Iterator<Item = impl Stack + 'static> {
    mapping(count)
}

/// A mapping, cut.
#[cfg(unix)]
fn mapping(count: usize) -> impl Iterator<Item = Slot> {
    let size = count * Slot::SIZE;
    let (read_write, flags) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let flags = flags | libc::MAP_NORESERVE;
    // SAFETY: a new mapping at a place the system chooses: no memory that is in use changes.
    let low = unsafe { libc::mmap(std::ptr::null_mut(), size, read_write, flags, -1, 0) };
    assert!(low != libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
    // SAFETY: advice on the mapping made above, which is `size` bytes long. A stack on a page of 2 MiB
    // would take all of it.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::madvise(low, size, libc::MADV_NOHUGEPAGE)
    };
    let low = low as usize;
    (0..count).map(move |number| Slot { low: low + number * Slot::SIZE, number })
}

/// What the kernel has to do for so many fresh stacks: a guard of 16 KiB each, where it has guards that
/// are no mappings of their own, and a page that is touched.
#[cfg(unix)]
pub fn touch_fresh(count: usize) {
    /// `MADV_GUARD_INSTALL` of Linux 6.13. Elsewhere it is no known advice, and refused.
    const GUARD_INSTALL: libc::c_int = 102;

    for slot in mapping(count) {
        // SAFETY: both ends of a slot that nobody uses yet; the page is not the guard.
        unsafe {
            libc::madvise(slot.low as *mut libc::c_void, 16 * 1024, GUARD_INSTALL);
            ((slot.low + Slot::SIZE) as *mut u8).sub(64).write_volatile(1);
        }
    }
}

/// The same with stacks of the system's.
#[cfg(not(unix))]
pub fn touch_fresh(count: usize) {
    drop(slots(count).collect::<Vec<_>>());
}

/// As many stacks of the system's.
#[cfg(not(unix))]
pub fn slots(count: usize) -> impl Iterator<Item = impl Stack + 'static> {
    (0..count).map(|_| corosensei::stack::DefaultStack::default())
}

/// A stack.
#[cfg(unix)]
struct Slot {
    /// Its lowest address.
    low: usize,
    /// Where it is in the row.
    number: usize,
}

#[cfg(unix)]
impl Slot {
    /// Bytes: what Segno takes for a small stack.
    const SIZE: usize = 64 * 1024;
    /// Bytes that the next one begins further down.
    const SHIFT: usize = 64;
    /// After so many the shift begins anew; they fill half a page.
    const SHIFTS: usize = 32;
}

// SAFETY: the memory is mapped for ever, and nobody else's: each slot is made once. There is no guard,
// and the floors, which alone use it, stay far above the lower end.
#[cfg(unix)]
unsafe impl Stack for Slot {
    fn base(&self) -> StackPointer {
        let shift = self.number % Slot::SHIFTS * Slot::SHIFT;
        StackPointer::new(self.low + Slot::SIZE - shift).expect("not at address 0")
    }

    fn limit(&self) -> StackPointer {
        StackPointer::new(self.low).expect("not at address 0")
    }
}
