//! A fence between two threads that costs one of them nothing.
//!
//! One side stores and then looks, very often; the other stores and then looks, almost never. Each has to
//! see the other's store if the other does not see its own. With ordinary fences both sides pay. Here the
//! first side only keeps the compiler from reordering ([`light`]), and the second asks the operating system to
//! make every running thread of the process execute a full fence ([`heavy`]): Linux's `membarrier`, as
//! described in its manual page and used in the same way by Userspace RCU (Desnoyers and others).
//!
//! Where the system has no such call, [`is_there`] says so, and nobody may rely on the pair.

#![allow(unsafe_code, reason = "a system call")]

use std::sync::atomic::{Ordering, compiler_fence, fence as full};

/// The side that pays nothing.
#[inline(always)]
pub(super) fn light() {
    compiler_fence(Ordering::SeqCst);
}

/// `membarrier(2)` on Linux; the numbers are from `linux/membarrier.h`.
#[cfg(all(target_os = "linux", not(miri)))]
mod system {
    use std::sync::OnceLock;

    use crate::report;

    /// Makes each running thread of this process execute a fence.
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    /// Says that this process is going to ask for that.
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    /// Whether the kernel did it.
    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: three numbers go in, and no memory is touched.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    /// See [`is_there`](super::is_there).
    pub(in super::super) fn is_there() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        *REGISTERED
            .get_or_init(|| membarrier(REGISTER_PRIVATE_EXPEDITED) && membarrier(PRIVATE_EXPEDITED))
    }

    /// See [`heavy`](super::heavy).
    pub(in super::super) fn heavy() {
        if !membarrier(PRIVATE_EXPEDITED) {
            report::abort("the system refuses `membarrier`, which it had allowed".to_owned());
        }
    }
}

/// Nothing of the kind.
#[cfg(any(not(target_os = "linux"), miri))]
mod system {
    /// See [`is_there`](super::is_there).
    pub(in super::super) fn is_there() -> bool {
        false
    }

    /// See [`heavy`](super::heavy).
    pub(in super::super) fn heavy() {
        unreachable!("nobody relies on it where it is not there")
    }
}

/// Whether there is such a pair of fences on this system. Asks once.
pub(super) fn is_there() -> bool {
    system::is_there()
}

/// The side that pays: some microseconds. Only where it [is there](is_there).
#[cold]
pub(super) fn heavy() {
    system::heavy();
}

/// The same pair on every system, for who stores and then looks, very often: an ordinary fence where there is no other.
#[inline(always)]
pub(crate) fn often() {
    if is_there() { light() } else { full(Ordering::SeqCst) }
}

/// And for who stores and then looks, almost never.
pub(crate) fn rarely() {
    if is_there() { heavy() } else { full(Ordering::SeqCst) }
}
