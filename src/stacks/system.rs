//! The system calls that stacks are made of, on Unix.
//!
//! Each function is one call with its errors; policy is in [`slab`](super::slab) and
//! [`pool`](super::pool). Memory is reserved without swap accounting (`MAP_NORESERVE`): a slab
//! promises terabytes of which only touched pages ever exist. Huge pages are refused, because one
//! would turn the single page that a paused coroutine costs into two megabytes.

#![allow(unsafe_code, reason = "every function here is a system call on raw addresses")]

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// `MADV_GUARD_INSTALL` of Linux 6.13: pages that fault on access, without a mapping of their own.
#[cfg(target_os = "linux")]
const MADV_GUARD_INSTALL: libc::c_int = 102;
/// `MADV_GUARD_REMOVE`, its opposite.
#[cfg(target_os = "linux")]
const MADV_GUARD_REMOVE: libc::c_int = 103;

/// `MADV_POPULATE_READ` of Linux 5.14: fault pages in as if they were read.
#[cfg(target_os = "linux")]
const MADV_POPULATE_READ: libc::c_int = 22;

/// Bytes in a page.
pub(crate) fn page_size() -> usize {
    /// The answer, 0 before the first call. Relaxed: every thread computes the same number.
    static PAGE: AtomicUsize = AtomicUsize::new(0);
    match PAGE.load(Relaxed) {
        0 => {
            // SAFETY: sysconf has no preconditions.
            let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
            PAGE.store(page, Relaxed);
            page
        }
        page => page,
    }
}

/// Asks for large pages here. Refusal is harmless, and so is the advice: it changes no contents.
#[cfg(target_os = "linux")]
pub(crate) fn prefer_large_pages(start: usize, len: usize) {
    // SAFETY: advice about how to page memory in, whoever has it.
    unsafe {
        libc::madvise(start as *mut libc::c_void, len, libc::MADV_HUGEPAGE);
    }
}

/// Reserves `len` bytes of zeroed memory that cost nothing until touched.
pub(crate) fn map(len: usize) -> io::Result<usize> {
    let mut flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE;
    if cfg!(target_os = "linux") {
        flags |= MAP_STACK;
    }
    // SAFETY: a new anonymous mapping at an address of the kernel's choice disturbs nobody.
    let start = unsafe {
        libc::mmap(ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
    };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // Refusal is harmless: a kernel without huge pages does not know the advice.
    #[cfg(target_os = "linux")]
    // SAFETY: advice about a mapping that was just made and is not used yet.
    unsafe {
        libc::madvise(start, len, libc::MADV_NOHUGEPAGE);
    }
    Ok(start as usize)
}

/// Gives a range back that nobody has used.
pub(crate) fn unmap(start: usize, len: usize) {
    // SAFETY: callers pass what they have just mapped and not handed out.
    unsafe { libc::munmap(start as *mut _, len) };
}

/// `MAP_STACK`, where it exists.
#[cfg(target_os = "linux")]
const MAP_STACK: libc::c_int = libc::MAP_STACK;
#[cfg(not(target_os = "linux"))]
const MAP_STACK: libc::c_int = 0;

/// Makes `[start, start + len)` fault on access, without a mapping of its own.
///
/// # Safety
/// The range lies in a slab of ours and nothing in it is in use.
#[cfg(target_os = "linux")]
pub(crate) unsafe fn install_guard(start: usize, len: usize) -> io::Result<()> {
    // SAFETY: the caller's promise.
    check(unsafe { libc::madvise(start as *mut _, len, MADV_GUARD_INSTALL) })
}

/// Undoes [`install_guard`].
///
/// # Safety
/// The range lies in a slab of ours.
#[cfg(target_os = "linux")]
pub(crate) unsafe fn remove_guard(start: usize, len: usize) -> io::Result<()> {
    // SAFETY: the caller's promise.
    check(unsafe { libc::madvise(start as *mut _, len, MADV_GUARD_REMOVE) })
}

/// Makes `[start, start + len)` inaccessible, or accessible again, as a mapping of its own.
///
/// # Safety
/// The range lies in a slab of ours and nothing in it is in use.
pub(crate) unsafe fn protect(start: usize, len: usize, accessible: bool) -> io::Result<()> {
    let rights = if accessible { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_NONE };
    // SAFETY: the caller's promise.
    check(unsafe { libc::mprotect(start as *mut _, len, rights) })
}

/// Gives the memory behind `[start, start + len)` back; its content is lost. On Linux it reads as
/// zero afterwards.
///
/// # Safety
/// The range lies in a slab of ours and nothing in it is in use but guards, which stay.
pub(crate) unsafe fn discard(start: usize, len: usize) -> io::Result<()> {
    let advice = if cfg!(target_vendor = "apple") { libc::MADV_FREE } else { libc::MADV_DONTNEED };
    // SAFETY: the caller's promise.
    check(unsafe { libc::madvise(start as *mut _, len, advice) })
}

/// Whether the page at `address` can be read, asked without touching it: the kernel is told to fault it
/// in, and says so when that fails.
///
/// # Safety
/// The page lies in a slab of ours.
#[cfg(target_os = "linux")]
pub(crate) unsafe fn readable(address: usize) -> bool {
    // SAFETY: the caller's promise; populating changes nothing that anybody can see.
    unsafe { libc::madvise(address as *mut _, page_size(), MADV_POPULATE_READ) == 0 }
}

/// How many mappings this process may have; `None` where the system sets no such limit.
pub(crate) fn mapping_limit() -> Option<usize> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok();
    // 65,530 is the kernel's default where the file cannot be read (a sandbox).
    Some(text.and_then(|text| text.trim().parse().ok()).unwrap_or(65_530))
}

/// Turns a C return value into a result.
fn check(answer: libc::c_int) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
