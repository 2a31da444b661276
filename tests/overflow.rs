//! The overflow report: what it says, on which threads, and which faults are none of its business.
//!
//! Everything here ends a process, so each test looks at how another one died: this test binary
//! again, for that test only.

#![cfg(all(unix, not(feature = "sanitizer")))]
#![allow(unsafe_code, reason = "faults on purpose, and handles signals")]

#[path = "bounds/library.rs"]
mod library;
mod support;

use std::fs;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Output;
use std::ptr;
use std::sync::OnceLock;
use std::thread;

use segno::stack::{self, Guards};
use segno::{Builder, Coroutine, Generator, Outlet, Pauser};

use support::{OnDrop, assert_exited, child};

const KIB: usize = 1024;
/// Frames that the smallest slot has room for.
const SMALL: usize = 48 * KIB;
/// The report's first line.
const REPORT: &str = "segno: a coroutine has overflowed its stack and the process ends";

/// Runs out of stack in steps of some hundred bytes.
fn recurse(n: usize) -> usize {
    let frame = black_box([n; 32]);
    if black_box(n) == usize::MAX { 0 } else { recurse(frame[7] + 1) + frame[3] }
}

/// Runs out of a small stack in one step.
#[inline(never)]
fn large_frame() -> usize {
    let frame = black_box([1_u8; 192 * KIB]);
    frame.iter().map(|&byte| usize::from(byte)).sum()
}

/// An address in the caller's frame, more or less.
#[inline(never)]
fn here() -> usize {
    let byte = black_box(0_u8);
    black_box(&raw const byte) as usize
}

/// Uses about so many bytes of stack and calls `f` there.
#[inline(never)]
fn at_depth(start: usize, bytes: usize, f: &dyn Fn()) {
    let frame = black_box([1_u8; 256]);
    if start - (&raw const frame as usize) < bytes {
        at_depth(start, bytes, f);
    } else {
        f();
    }
    black_box(&frame);
}

/// [`at_depth`] from here on.
fn deep_down(bytes: usize, f: &dyn Fn()) {
    let byte = black_box(0_u8);
    at_depth(&raw const byte as usize, bytes, f);
}

/// Writes a byte where it should not.
fn write_to(address: usize) {
    // SAFETY: none: it faults, which is what the tests are about.
    unsafe { ptr::with_exposed_provenance_mut::<u8>(address).write_volatile(1) };
}

/// Runs `body` in a named coroutine on a small stack.
#[track_caller]
fn in_small_coroutine(body: fn()) {
    let build = Builder::new().name("shallow water").stack_size(SMALL);
    build.build(move |_: &Pauser<(), ()>, ()| body()).expect("a stack").resume(());
}

/// What a process said on its way out.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Checks that a process died of the report, and that it says all of this.
#[track_caller]
fn assert_reported(output: &Output, parts: &[&str]) {
    let text = said(output);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{}; stderr:\n{text}", output.status);
    assert_eq!(text.matches(REPORT).count(), 1, "not one report; stderr:\n{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in stderr:\n{text}");
    }
}

/// Checks that a process died of the fault itself, without a report.
#[track_caller]
fn assert_not_reported(output: &Output) {
    let text = said(output);
    let signal = output.status.signal();
    let faults = [Some(libc::SIGSEGV), Some(libc::SIGBUS)];
    assert!(faults.contains(&signal), "{}; stderr:\n{text}", output.status);
    assert!(!text.contains("segno:"), "a report; stderr:\n{text}");
}

/// What the report says about [`in_small_coroutine`].
const SHALLOW_WATER: [&str; 5] = [
    "  name: shallow water\n",
    "  made at: tests/overflow.rs:",
    "  stack: 49152 bytes of frames\n",
    "stack_size(",
    "stack::grow",
];

// What it says.

#[test]
fn small_frames_overflow_with_a_report() {
    let output = child("small_frames_overflow_with_a_report", || {
        in_small_coroutine(|| _ = recurse(0));
    });
    assert_reported(&output, &SHALLOW_WATER);
}

#[test]
fn one_large_frame_overflows_with_a_report() {
    let output = child("one_large_frame_overflows_with_a_report", || {
        in_small_coroutine(|| _ = large_frame());
    });
    assert_reported(&output, &SHALLOW_WATER);
}

#[test]
fn the_size_it_advises_is_larger_and_can_be_had() {
    let output = child("the_size_it_advises_is_larger_and_can_be_had", || {
        in_small_coroutine(|| _ = large_frame());
    });
    let text = said(&output);
    let (_, rest) = text.split_once("stack_size(").expect("advice");
    let (advice, _) = rest.split_once(')').expect("a number");
    let size = advice.split('*').map(|factor| factor.trim().parse::<usize>().expect("a number"));
    let size = size.product();
    let mut co = Builder::new()
        .stack_size(size)
        .build(|_: &Pauser<(), ()>, ()| black_box([1_u8; 100 * KIB]).len())
        .expect("what is advised");
    assert!(size > SMALL && co.resume(()).complete().is_some());
}

#[test]
fn the_place_is_where_the_user_made_it() {
    let line = line!() + 2;
    let output = child("the_place_is_where_the_user_made_it", || {
        Coroutine::new(|_: &Pauser<(), ()>, ()| recurse(0)).resume(());
    });
    assert_reported(&output, &[&format!("made at: tests/overflow.rs:{line}:"), "245760 bytes"]);
    assert!(!said(&output).contains("name:"), "it has no name");
}

#[test]
fn generators_and_scoped_ones_are_reported_alike() {
    let output = child("generators_and_scoped_ones_are_reported_alike", || {
        let walk = Builder::new().name("walk").stack_size(SMALL);
        walk.scoped_generator(|out: &Outlet<usize>| out.pause(recurse(0))).enter(|items| {
            items.next();
        });
    });
    assert_reported(&output, &["name: walk", "made at: tests/overflow.rs:", "49152 bytes"]);
}

#[test]
fn of_tasks_that_follow_each_other_on_a_stack_the_one_that_overflowed_is_named() {
    let line = line!() + 6;
    let test = "of_tasks_that_follow_each_other_on_a_stack_the_one_that_overflowed_is_named";
    let output = child(test, || {
        segno::run(|| {
            segno::task("first").spawn(|| recurse(usize::MAX)).join().expect("it returns");
            segno::spawn(|| recurse(usize::MAX)).join().expect("it returns");
            let _ = segno::task("third").spawn(|| recurse(0)).join();
        });
    });
    assert_reported(&output, &["name: third", &format!("made at: tests/overflow.rs:{line}:")]);
}

#[test]
fn of_nested_coroutines_the_one_that_overflowed_is_named() {
    let output = child("of_nested_coroutines_the_one_that_overflowed_is_named", || {
        let outer = Builder::new().name("outer").stack_size(SMALL);
        let body = |_: &Pauser<(), ()>, ()| in_small_coroutine(|| _ = recurse(0));
        outer.build(body).expect("a stack").resume(());
    });
    assert_reported(&output, &SHALLOW_WATER);
    assert!(!said(&output).contains("outer"));
}

#[test]
fn an_outer_coroutine_that_overflows_after_a_nested_one_is_named() {
    let output = child("an_outer_coroutine_that_overflows_after_a_nested_one_is_named", || {
        in_small_coroutine(|| {
            let mut inner = Coroutine::new(|co: &Pauser<(), ()>, ()| co.pause(()));
            inner.resume(());
            recurse(0);
        });
    });
    assert_reported(&output, &SHALLOW_WATER);
}

#[test]
fn grow_that_was_not_enough_is_reported() {
    let output = child("grow_that_was_not_enough_is_reported", || {
        in_small_coroutine(|| _ = stack::grow(200 * KIB, || recurse(0)));
    });
    assert_reported(&output, &["name: stack::grow", "made at: tests/overflow.rs:", "245760 bytes"]);
}

#[test]
fn the_report_of_a_wide_guard_gives_what_is_left_for_frames() {
    let output = child("the_report_of_a_wide_guard_gives_what_is_left_for_frames", || {
        let wide = Builder::new().stack_size(100 * KIB).guard_size(128 * KIB);
        wide.build(|_: &Pauser<(), ()>, ()| recurse(0)).expect("a stack").resume(());
    });
    assert_reported(&output, &["stack: 131072 bytes of frames"]);
}

#[test]
fn a_frame_that_jumps_100_kib_meets_a_guard_of_128_kib() {
    // What a C function with a frame of 96 KiB does: it moves the stack pointer and touches only the
    // far end.
    let output = child("a_frame_that_jumps_100_kib_meets_a_guard_of_128_kib", || {
        let wide = Builder::new().name("C").stack_size(100 * KIB).guard_size(128 * KIB);
        let body = |_: &Pauser<(), ()>, ()| {
            deep_down(120 * KIB, &|| write_to(here() - 100 * KIB));
        };
        wide.build(body).expect("a stack").resume(());
    });
    assert_reported(&output, &["name: C", "131072 bytes"]);
}

#[test]
fn protected_guards_report_alike() {
    let output = child("protected_guards_report_alike", || {
        assert!(stack::prefer_guards(Guards::Protected));
        in_small_coroutine(|| _ = recurse(0));
    });
    assert_reported(&output, &SHALLOW_WATER);
}

#[test]
fn a_reused_stack_is_reported_for_who_lives_there_now() {
    let output = child("a_reused_stack_is_reported_for_who_lives_there_now", || {
        for old in 0..100 {
            let old = Builder::new().name(format!("old {old}")).stack_size(SMALL);
            old.build(|_: &Pauser<(), ()>, ()| ()).expect("a stack").resume(());
        }
        stack::trim();
        in_small_coroutine(|| _ = recurse(0));
    });
    assert_reported(&output, &SHALLOW_WATER);
    assert!(!said(&output).contains("old"));
}

#[test]
fn a_long_name_leaves_room_for_the_rest() {
    let output = child("a_long_name_leaves_room_for_the_rest", || {
        let name = "long".repeat(1_000);
        let build = Builder::new().name(name).stack_size(SMALL);
        build.build(|_: &Pauser<(), ()>, ()| recurse(0)).expect("a stack").resume(());
    });
    assert_reported(&output, &["name: longlong", "made at: tests/overflow.rs:", "49152 bytes"]);
    assert_reported(&output, &["stack_size(", "stack::usage()"]);
}

// On any thread, in any situation.

/// What becomes of a program with this `main`: a test runs on the main thread of nothing.
fn program(name: &str, main: &str) -> Output {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = dir.join(format!("overflow_{name}.rs"));
    let binary = source.with_extension("");
    fs::write(&source, main).expect("a directory for tests");
    let built = library::compile(&source).arg("-o").arg(&binary).output().expect("rustc");
    assert!(built.status.success(), "{}", said(&built));
    let output = library::run(&binary).current_dir(dir).output().expect("it was just built");
    let _ = fs::remove_file(binary);
    output
}

#[test]
fn it_is_reported_on_the_main_thread() {
    let main = r#"
        fn recurse(n: usize) -> usize {
            let frame = std::hint::black_box([n; 32]);
            if n == usize::MAX { 0 } else { recurse(frame[7] + 1) + frame[3] }
        }
        fn main() {
            let build = segno::Builder::new().name("on main").stack_size(48 * 1024);
            let body = |_: &segno::Pauser<(), ()>, ()| recurse(0);
            build.build(body).expect("a stack").resume(());
        }
    "#;
    let output = program("on_main", main);
    assert_reported(&output, &["name: on main", "overflow_on_main.rs:9:", "49152 bytes"]);
}

#[test]
fn it_is_reported_on_a_thread_of_std() {
    let output = child("it_is_reported_on_a_thread_of_std", || {
        // Another thread has set everything up already; this one has to be looked after, too.
        Coroutine::new(|_: &Pauser<(), ()>, ()| ()).resume(());
        thread::spawn(|| in_small_coroutine(|| _ = recurse(0))).join().expect("no panic");
    });
    assert_reported(&output, &SHALLOW_WATER);
}

/// Runs `body` on a thread that Rust did not start: without an alternate signal stack, for one.
fn on_foreign_thread(body: fn()) {
    extern "C" fn start(body: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: the address is that of the caller's `body`.
        unsafe { (*body.cast::<fn()>())() };
        ptr::null_mut()
    }
    let mut body = body;
    let mut thread = MaybeUninit::uninit();
    // SAFETY: `body` lives until the thread has been joined.
    unsafe {
        let attributes = ptr::null();
        let body = (&raw mut body).cast();
        assert_eq!(libc::pthread_create(thread.as_mut_ptr(), attributes, start, body), 0);
        assert_eq!(libc::pthread_join(thread.assume_init(), ptr::null_mut()), 0);
    }
}

#[test]
fn it_is_reported_on_a_thread_that_rust_did_not_start() {
    let output = child("it_is_reported_on_a_thread_that_rust_did_not_start", || {
        on_foreign_thread(|| in_small_coroutine(|| _ = recurse(0)));
    });
    assert_reported(&output, &SHALLOW_WATER);
}

#[test]
#[cfg(target_os = "linux")]
fn signal_stacks_of_foreign_threads_go_with_them() {
    let output = child("signal_stacks_of_foreign_threads_go_with_them", || {
        let mappings =
            || std::fs::read_to_string("/proc/self/maps").expect("procfs").lines().count();
        let run = || on_foreign_thread(|| in_small_coroutine(|| ()));
        run();
        let before = mappings();
        (0..200).for_each(|_| run());
        let after = mappings();
        assert!(after < before + 20, "{before} mappings before, {after} after");
    });
    assert_exited(&output, 0);
}

#[test]
fn it_is_reported_in_a_destructor_while_a_panic_unwinds() {
    let output = child("it_is_reported_in_a_destructor_while_a_panic_unwinds", || {
        in_small_coroutine(|| {
            let _deep = OnDrop(|| _ = recurse(0));
            std::panic::panic_any("unwinds");
        });
    });
    assert_reported(&output, &SHALLOW_WATER);
}

#[test]
fn it_is_reported_in_a_destructor_that_runs_by_cancellation() {
    let output = child("it_is_reported_in_a_destructor_that_runs_by_cancellation", || {
        let build = Builder::new().name("cancelled").stack_size(SMALL);
        let body = |co: &Pauser<(), ()>, ()| {
            let _deep = OnDrop(|| _ = recurse(0));
            co.pause(());
        };
        let mut co = build.build(body).expect("a stack");
        co.resume(());
        drop(co);
    });
    assert_reported(&output, &["name: cancelled"]);
}

#[test]
fn a_panic_where_little_stack_is_left_ends_in_a_report_or_comes_out() {
    // The panic machinery needs some kilobytes: down to some depth it has them, then it overflows.
    let test = "a_panic_where_little_stack_is_left_ends_in_a_report_or_comes_out";
    let output = child(test, || {
        for depth in (16..=46).step_by(2) {
            let build = Builder::new().name("little left").stack_size(SMALL);
            let body = move |_: &Pauser<(), ()>, ()| {
                deep_down(depth * KIB, &|| panic!("at {depth} KiB"));
            };
            let mut co = build.build(body).expect("a stack");
            assert!(catch_unwind(AssertUnwindSafe(|| co.resume(()))).is_err());
        }
    });
    assert!(said(&output).contains("at 16 KiB"), "stderr:\n{}", said(&output));
    if output.status.code() != Some(0) {
        assert_reported(&output, &["name: little left"]);
    }
}

#[test]
fn without_stderr_the_process_still_ends() {
    let output = child("without_stderr_the_process_still_ends", || {
        // SAFETY: nothing else in this process uses the descriptor from now on.
        unsafe { libc::close(libc::STDERR_FILENO) };
        in_small_coroutine(|| _ = recurse(0));
    });
    assert_eq!(output.status.signal(), Some(libc::SIGABRT));
}

// What is none of its business.

#[test]
fn an_overflow_of_a_thread_is_still_reported_by_std() {
    let output = child("an_overflow_of_a_thread_is_still_reported_by_std", || {
        in_small_coroutine(|| ());
        let build = thread::Builder::new().name("deep water".to_owned()).stack_size(256 * KIB);
        build.spawn(|| recurse(0)).expect("a thread").join().expect("no panic");
    });
    let text = said(&output);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "stderr:\n{text}");
    assert!(text.contains("deep water") && text.contains("has overflowed its stack"), "{text}");
    assert!(!text.contains("segno:"), "{text}");
}

#[test]
fn an_overflow_of_the_main_thread_is_still_reported_by_std() {
    let main = r#"
        fn recurse(n: usize) -> usize {
            let frame = std::hint::black_box([n; 32]);
            if n == usize::MAX { 0 } else { recurse(frame[7] + 1) + frame[3] }
        }
        fn main() {
            segno::Coroutine::new(|_: &segno::Pauser<(), ()>, ()| ()).resume(());
            recurse(0);
        }
    "#;
    let output = program("of_main", main);
    let text = said(&output);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "stderr:\n{text}");
    assert!(text.contains("'main'") && text.contains("has overflowed its stack"), "{text}");
    assert!(!text.contains("segno:"), "{text}");
}

#[test]
fn a_segfault_outside_every_coroutine_is_a_segfault() {
    let output = child("a_segfault_outside_every_coroutine_is_a_segfault", || {
        in_small_coroutine(|| ());
        write_to(8);
    });
    assert_not_reported(&output);
}

#[test]
fn a_segfault_inside_a_coroutine_is_a_segfault() {
    let output = child("a_segfault_inside_a_coroutine_is_a_segfault", || {
        in_small_coroutine(|| write_to(8));
    });
    assert_not_reported(&output);
}

#[test]
fn a_segfault_on_a_foreign_thread_is_a_segfault() {
    let output = child("a_segfault_on_a_foreign_thread_is_a_segfault", || {
        on_foreign_thread(|| in_small_coroutine(|| write_to(8)));
    });
    assert_not_reported(&output);
}

/// A paused coroutine, and an address in its guard.
fn with_guard() -> (Coroutine<(), usize, ()>, usize) {
    let build = Builder::new().name("innocent").stack_size(SMALL);
    let body = |co: &Pauser<(), usize>, ()| {
        deep_down(SMALL - 8 * KIB, &|| co.pause(here()));
    };
    let mut co = build.build(body).expect("a stack");
    let deepest = co.resume(()).paused().expect("it pauses");
    (co, deepest - 12 * KIB)
}

#[test]
fn a_write_into_a_guard_from_an_ordinary_stack_is_no_overflow() {
    let output = child("a_write_into_a_guard_from_an_ordinary_stack_is_no_overflow", || {
        let (_innocent, guard) = with_guard();
        write_to(guard);
    });
    assert_not_reported(&output);
}

#[test]
fn a_write_into_a_guard_from_another_coroutine_is_no_overflow() {
    let output = child("a_write_into_a_guard_from_another_coroutine_is_no_overflow", || {
        let (_innocent, guard) = with_guard();
        // Of another size class, so that it is not a neighbour.
        let far = Builder::new().stack_size(900 * KIB);
        let body = move |_: &Pauser<(), ()>, ()| write_to(guard);
        far.build(body).expect("a stack").resume(());
    });
    assert_not_reported(&output);
}

#[test]
fn a_write_into_a_guard_where_nobody_lives_is_no_overflow() {
    let output = child("a_write_into_a_guard_where_nobody_lives_is_no_overflow", || {
        let (mut innocent, guard) = with_guard();
        innocent.resume(());
        stack::trim();
        write_to(guard);
    });
    assert_not_reported(&output);
}

// Other handlers, and none.

/// What handled `SIGSEGV` before [`handle`].
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs a handler and remembers what was there.
fn handle(handler: *const (), flags: libc::c_int) {
    // SAFETY: an all-zero sigaction is valid; the handlers of this file keep to what they may do.
    unsafe {
        let mut new: libc::sigaction = MaybeUninit::zeroed().assume_init();
        let mut old = MaybeUninit::<libc::sigaction>::zeroed();
        new.sa_sigaction = handler as usize;
        new.sa_flags = flags;
        for signal in [libc::SIGSEGV, libc::SIGBUS] {
            assert_eq!(libc::sigaction(signal, &new, old.as_mut_ptr()), 0);
        }
        assert!(BEFORE.set(old.assume_init()).is_ok());
    }
}

/// A crash reporter's handler that ends the process with 42.
extern "C" fn ends_with_42(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: a handler with SA_SIGINFO gets a valid record; both calls are async-signal-safe.
    unsafe {
        let expected = (*info).si_addr() as usize == 8;
        libc::_exit(if expected { 42 } else { 43 })
    }
}

/// One of the old kind, that ends the process with 44.
extern "C" fn ends_with_44(_: libc::c_int) {
    // SAFETY: async-signal-safe.
    unsafe { libc::_exit(44) }
}

/// One that says so and passes everything on to what was there before.
unsafe extern "C" fn passes_on(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let text = "passing on\n";
    // SAFETY: writes bytes that are there; the handler before has the form that its flags say.
    unsafe {
        libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len());
        type Handler = unsafe extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
        let before = BEFORE.get().expect("set before it was installed").sa_sigaction;
        std::mem::transmute::<usize, Handler>(before)(signal, info, context);
    }
}

#[test]
fn a_handler_that_was_there_before_gets_every_other_fault() {
    let output = child("a_handler_that_was_there_before_gets_every_other_fault", || {
        handle(ends_with_42 as *const (), libc::SA_SIGINFO | libc::SA_ONSTACK);
        in_small_coroutine(|| write_to(8));
    });
    assert_exited(&output, 42);
}

#[test]
fn a_handler_without_information_is_called_as_it_expects() {
    let output = child("a_handler_without_information_is_called_as_it_expects", || {
        handle(ends_with_44 as *const (), libc::SA_ONSTACK);
        in_small_coroutine(|| write_to(8));
    });
    assert_exited(&output, 44);
}

#[test]
fn a_handler_that_was_there_before_does_not_get_overflows() {
    let output = child("a_handler_that_was_there_before_does_not_get_overflows", || {
        handle(ends_with_42 as *const (), libc::SA_SIGINFO | libc::SA_ONSTACK);
        in_small_coroutine(|| _ = recurse(0));
    });
    assert_reported(&output, &SHALLOW_WATER);
}

#[test]
fn a_later_handler_that_passes_on_keeps_the_report() {
    let output = child("a_later_handler_that_passes_on_keeps_the_report", || {
        in_small_coroutine(|| ());
        handle(passes_on as *const (), libc::SA_SIGINFO | libc::SA_ONSTACK);
        in_small_coroutine(|| _ = recurse(0));
    });
    assert_reported(&output, &["passing on"]);
    assert_reported(&output, &SHALLOW_WATER);
}

#[test]
fn ignored_faults_still_end_the_process() {
    let output = child("ignored_faults_still_end_the_process", || {
        handle(ptr::without_provenance(libc::SIG_IGN), 0);
        in_small_coroutine(|| write_to(8));
    });
    assert_not_reported(&output);
}

#[test]
fn turned_off_there_is_no_report_and_no_handler() {
    let output = child("turned_off_there_is_no_report_and_no_handler", || {
        let handler = || {
            let mut now = MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: asks for what is there.
            unsafe {
                assert_eq!(libc::sigaction(libc::SIGSEGV, ptr::null(), now.as_mut_ptr()), 0);
                now.assume_init().sa_sigaction
            }
        };
        let before = handler();
        assert!(stack::report_overflow(false));
        in_small_coroutine(|| ());
        assert_eq!(handler(), before);
        in_small_coroutine(|| _ = recurse(0));
    });
    assert_not_reported(&output);
}

#[test]
fn it_cannot_be_turned_off_after_the_first_stack() {
    let output = child("it_cannot_be_turned_off_after_the_first_stack", || {
        assert!(stack::report_overflow(false));
        assert!(stack::report_overflow(true));
        in_small_coroutine(|| ());
        assert!(stack::report_overflow(true), "it is on");
        assert!(!stack::report_overflow(false), "too late");
        in_small_coroutine(|| _ = recurse(0));
    });
    assert_reported(&output, &SHALLOW_WATER);
}

#[test]
fn the_names_of_generators_are_reported_on_many_threads_at_once() {
    let output = child("the_names_of_generators_are_reported_on_many_threads_at_once", || {
        // All overflow at about the same time: one report gets out whole, or several one after
        // another, and then the process ends.
        let threads: Vec<_> = (0..8)
            .map(|_| {
                thread::spawn(|| {
                    Generator::new(|out: &Outlet<usize>| out.pause(recurse(0))).next();
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| _ = thread.join());
    });
    let text = said(&output);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{}; stderr:\n{text}", output.status);
    assert!(text.contains(REPORT), "{text}");
}
