//! The overflow report: which coroutine ran off its stack, where it was made, and what to do.
//!
//! ```text
//!   fault --> on_fault --> in the guard of a slot of ours, by code that runs on it?
//!                              yes --> write the report, abort
//!                              no  --> whoever handled the signal before (std's handler for
//!                                      threads, a crash reporter), else the default: death
//! ```
//!
//! Rules for everything that the handler calls: no allocation, no lock, no formatting machinery, no
//! thread-locals; only loads, `write(2)` and `abort`. It runs on an alternate stack, because the
//! stack that it speaks of is full. Rust gives one to the threads it starts; [`arm`] gives one to
//! the others.
//!
//! Recovering instead of aborting is deliberately not here: jumping off the full stack would skip
//! destructors, leave locks taken, and return from scopes whose threads still run.

#![allow(unsafe_code, reason = "installs and runs in a signal handler")]

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Once, OnceLock};

use super::{Slot, slab, system};

/// A fault in a guard, by code whose stack pointer is at most this far below the slot, is taken for
/// an overflow: a large frame of foreign code moves the pointer before it touches anything.
const FAR_FRAME: usize = 256 * 1024;

/// Values of [`SETTING`].
const ON: u8 = 0;
const OFF: u8 = 1;
const INSTALLED: u8 = 2;

/// Whether the report is wanted, or already there. Relaxed: a setting made before the first stack.
static SETTING: AtomicU8 = AtomicU8::new(ON);
/// Runs [`install`] once.
static INSTALL: Once = Once::new();
/// What handled `SIGSEGV` and `SIGBUS` before. Set before our handler is installed.
static BEFORE: [OnceLock<libc::sigaction>; 2] = [const { OnceLock::new() }; 2];

/// Turns the report on or off, if it is not installed yet.
pub(super) fn set(on: bool) -> bool {
    let wanted = if on { ON } else { OFF };
    let set = SETTING.fetch_update(Relaxed, Relaxed, |now| (now != INSTALLED).then_some(wanted));
    set.is_ok() || on
}

/// Called before a thread's first stack: sees that the handler is there and has a stack to run on.
pub(super) fn arm() -> Option<SignalStack> {
    if SETTING.load(Relaxed) == OFF {
        return None;
    }
    INSTALL.call_once(install);
    SignalStack::if_missing()
}

/// Puts the handler in front of what is there.
fn install() {
    SETTING.store(INSTALLED, Relaxed);
    for (signal, before) in [libc::SIGSEGV, libc::SIGBUS].into_iter().zip(&BEFORE) {
        let mut old = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: asks for the present handler; `old` is written when the answer is 0.
        unsafe {
            if libc::sigaction(signal, ptr::null(), old.as_mut_ptr()) != 0 {
                continue;
            }
            // Set first: the handler may run as soon as it is installed.
            let _ = before.set(old.assume_init());
        }
        // SAFETY: an all-zero sigaction is a valid one; `on_fault` keeps to what a handler may do.
        unsafe {
            let mut new: libc::sigaction = MaybeUninit::zeroed().assume_init();
            new.sa_sigaction = on_fault as *const () as usize;
            new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&mut new.sa_mask);
            libc::sigaction(signal, &new, ptr::null_mut());
        }
    }
}

/// The handler.
unsafe extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a valid record to a handler installed with SA_SIGINFO.
    let address = unsafe { (*info).si_addr() } as usize;
    if let Some((low, class)) = slab::slot_at(address) {
        let slot = Slot::at(low, class);
        // SAFETY: the slab is mapped and never unmapped, and a slot's top is never guarded; if nobody
        // lives there the guard is 0, as in fresh memory.
        let tag = unsafe { slot.tag() };
        let on_this_stack = stack_pointer(context).is_none_or(|sp| {
            sp.wrapping_sub(low.saturating_sub(FAR_FRAME)) < super::slot_len(class) + FAR_FRAME
        });
        if address - low < tag.guard.get() && on_this_stack {
            report(slot, tag.guard.get());
        }
    }
    // SAFETY: the arguments are the kernel's own.
    unsafe { pass_on(signal, info, context) }
}

/// The stack pointer at the fault, where this knows how to read it.
fn stack_pointer(context: *mut libc::c_void) -> Option<usize> {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    // SAFETY: the kernel passes a ucontext as the third argument.
    return Some(unsafe {
        (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[libc::REG_RSP as usize] as usize
    });
    #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
    // SAFETY: as above.
    return Some(unsafe { (*context.cast::<libc::ucontext_t>()).uc_mcontext.sp as usize });
    #[allow(unreachable_code, reason = "the processors above have returned")]
    {
        let _ = context;
        None
    }
}

/// Text put together without allocating.
struct Line {
    /// The text so far.
    bytes: [u8; 1024],
    /// How much of it is used.
    len: usize,
}

impl Line {
    /// Appends text; what does not fit is cut off.
    fn text(&mut self, text: &str) -> &mut Self {
        for &byte in text.as_bytes() {
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
        self
    }

    /// Appends a number.
    fn number(&mut self, mut number: usize) -> &mut Self {
        let mut digits = [0_u8; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.text(std::str::from_utf8(&digits[first..]).unwrap_or("?"))
    }
}

/// Writes the report for the coroutine on this slot and aborts.
fn report(slot: Slot, guard: usize) -> ! {
    let mut line = Line { bytes: [0; 1024], len: 0 };
    // SAFETY: the slot is occupied (its guard is not 0), and its coroutine is the code that
    // faulted, so nobody changes the tag.
    let tag = unsafe { slot.tag() };
    line.text("\nsegno: a coroutine has overflowed its stack and the process ends\n");
    if let Some(name) = &tag.name {
        // A long one leaves room for the rest.
        let end = name.char_indices().map(|(at, _)| at).find(|&at| at > 200).unwrap_or(name.len());
        line.text("  name: ").text(&name[..end]).text("\n");
    }
    if let Some(site) = tag.spawned_at.get() {
        line.text("  made at: ").text(site.file()).text(":").number(site.line() as usize);
        line.text(":").number(site.column() as usize).text("\n");
    }
    let frames = slot.frames(guard);
    line.text("  stack: ").number(frames).text(" bytes of frames\n");
    let larger = super::slot_len(slot.class) * 4 - guard;
    line.text("  help: give it a larger one with `stack_size(")
        .number(larger / 1024)
        .text(" * 1024");
    line.text(")`, or run the deep part in `stack::grow`;\n");
    line.text("        `stack::measure_all(true)` and `stack::usage()` tell what it needs\n");
    // SAFETY: writes initialised bytes to stderr.
    unsafe { libc::write(libc::STDERR_FILENO, line.bytes.as_ptr().cast(), line.len) };
    // SAFETY: ends the process; async-signal-safe.
    unsafe { libc::abort() }
}

/// Hands a fault that is not ours to whoever was here before.
///
/// # Safety
/// The arguments are those the kernel passed to the handler.
unsafe fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let index = usize::from(signal != libc::SIGSEGV);
    match BEFORE[index].get() {
        Some(before)
            if before.sa_sigaction != libc::SIG_DFL && before.sa_sigaction != libc::SIG_IGN =>
        {
            // SAFETY: this is the handler that was installed for the signal, called the way its
            // flags say.
            unsafe {
                if before.sa_flags & libc::SA_SIGINFO != 0 {
                    let handler: unsafe extern "C" fn(
                        libc::c_int,
                        *mut libc::siginfo_t,
                        *mut libc::c_void,
                    ) = std::mem::transmute(before.sa_sigaction);
                    handler(signal, info, context);
                } else {
                    let handler: unsafe extern "C" fn(libc::c_int) =
                        std::mem::transmute(before.sa_sigaction);
                    handler(signal);
                }
            }
        }
        // The default: take ourselves away and return; the same instruction faults again and the
        // process dies of the signal, as it would have without us.
        _ => {
            // SAFETY: an all-zero sigaction is SIG_DFL.
            unsafe {
                let default: libc::sigaction = MaybeUninit::zeroed().assume_init();
                libc::sigaction(signal, &default, ptr::null_mut());
            }
        }
    }
}

/// An alternate signal stack that this library gave to a thread.
pub(super) struct SignalStack {
    /// Start of its mapping; the lowest page is a guard.
    start: usize,
    /// Bytes mapped.
    len: usize,
}

impl SignalStack {
    /// Gives this thread one if it has none. A refusal means: no report on this thread.
    fn if_missing() -> Option<Self> {
        let mut now = MaybeUninit::<libc::stack_t>::uninit();
        // SAFETY: asks for the present one; `now` is written when the answer is 0.
        let has_one = unsafe {
            libc::sigaltstack(ptr::null(), now.as_mut_ptr()) != 0
                || now.assume_init().ss_flags & libc::SS_DISABLE == 0
        };
        if has_one {
            return None;
        }
        let page = system::page_size();
        // Processors with large registers save more than the classic size on a signal.
        let size = (64 * 1024_usize).max(libc::SIGSTKSZ).next_multiple_of(page);
        let len = size + page;
        let start = system::map(len).ok()?;
        let this = Self { start, len };
        let stack = libc::stack_t { ss_sp: (start + page) as *mut _, ss_flags: 0, ss_size: size };
        // SAFETY: the mapping is new; its lowest page becomes the guard, the rest the stack.
        let given = unsafe {
            system::protect(start, page, false).is_ok()
                && libc::sigaltstack(&stack, ptr::null_mut()) == 0
        };
        given.then_some(this)
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        let mut now = MaybeUninit::<libc::stack_t>::uninit();
        // SAFETY: the stack is taken off the thread before it is unmapped, unless somebody has put
        // another in its place; the handler is not running on it, since this code runs.
        unsafe {
            if libc::sigaltstack(ptr::null(), now.as_mut_ptr()) == 0 {
                let now = now.assume_init();
                let ours = (self.start..self.start + self.len).contains(&(now.ss_sp as usize));
                if ours {
                    let off = libc::stack_t {
                        ss_sp: ptr::null_mut(),
                        ss_flags: libc::SS_DISABLE,
                        ss_size: libc::SIGSTKSZ,
                    };
                    if libc::sigaltstack(&off, ptr::null_mut()) != 0 {
                        return;
                    }
                }
            }
            libc::munmap(self.start as *mut _, self.len);
        }
    }
}
