//! Stacks: reuse, counts, sizes, guards, marks, growing, trimming, and what happens when none is left.
//!
//! Counts and limits hold for a whole process, so a test that looks at them runs in a process of its
//! own: [`apart`] starts this test binary again, for that test only.

#![cfg(all(unix, not(feature = "sanitizer")))]

mod support;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::error::Error;
use std::hint::black_box;
use std::rc::Rc;
use std::thread;

use segno::stack::{self, Guards};
use segno::{Builder, Coroutine, Generator, Outlet, Pauser, SpawnError, State, Status};

use support::{Tally, assert_exited, child, panic_text, reports};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// Frames that the smallest slot has room for.
const SMALL: usize = 48 * KIB;

/// Runs `body` in a process that runs nothing else, and fails as it fails. One that hangs is ended.
#[track_caller]
fn apart(test: &str, body: impl FnOnce()) {
    let output = child(test, || {
        #[allow(unsafe_code, reason = "a deadlock has to end somehow")]
        // SAFETY: a timer; its signal ends the process.
        unsafe {
            libc::alarm(120);
        }
        body();
    });
    assert_exited(&output, 0);
}

/// Leaves this process so much address space, all in all. False where that has no effect, which is so
/// in emulators: then there is nothing to test.
#[cfg(target_os = "linux")]
fn limit_address_space(bytes: usize) -> bool {
    let limit = libc::rlimit { rlim_cur: bytes as _, rlim_max: libc::RLIM_INFINITY };
    #[allow(unsafe_code, reason = "std does not set limits")]
    // SAFETY: passes a valid record.
    let answer = unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) };
    assert_eq!(answer, 0);
    black_box(Vec::<u8>::new()).try_reserve_exact(bytes).is_err()
}

/// The number in front of which this stands, in a file of `/proc/self`; KiB become bytes.
#[cfg(target_os = "linux")]
fn proc_self(file: &str, key: &str) -> usize {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).expect("procfs");
    let line = text.lines().find_map(|line| line.strip_prefix(key)).expect("a known line");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * KIB
}

/// Memory that this process has.
#[cfg(target_os = "linux")]
fn resident() -> usize {
    proc_self("smaps_rollup", "Rss:")
}

/// Where the frame of this function's caller is, more or less.
#[inline(never)]
fn here() -> usize {
    let byte = black_box(0_u8);
    black_box(&raw const byte) as usize
}

/// Calls itself until `bytes` of stack below `start` are in use, writes to all of them, and returns
/// how many they were.
#[inline(never)]
fn descend(start: usize, bytes: usize) -> usize {
    let frame = black_box([1_u8; 256]);
    let used = start - (&raw const frame) as usize;
    let deepest = if used < bytes { descend(start, bytes) } else { used };
    deepest + usize::from(black_box(&frame)[0]) - 1
}

/// Uses at least so many bytes of stack, and at most some hundred more.
fn use_stack(bytes: usize) -> usize {
    descend(here(), bytes)
}

/// A coroutine that pauses with the place of its frame.
#[track_caller]
fn placed(stack_size: usize) -> Coroutine<(), usize, ()> {
    Builder::new()
        .stack_size(stack_size)
        .build(|co: &Pauser<(), usize>, ()| co.pause(here()))
        .expect("a stack")
}

/// Its place; it is paused afterwards.
fn place_of(co: &mut Coroutine<(), usize, ()>) -> usize {
    co.resume(()).paused().expect("the first resume")
}

/// A small paused coroutine, if there is a stack for it.
fn paused() -> Result<Coroutine<(), (), ()>, SpawnError> {
    let mut co = Builder::new().stack_size(SMALL).build(|co: &Pauser<(), ()>, ()| co.pause(()))?;
    co.resume(());
    Ok(co)
}

/// Small paused coroutines until there are no stacks for more, and why.
fn paused_until_refused(into: &mut Vec<Coroutine<(), (), ()>>) -> SpawnError {
    loop {
        assert!(into.len() < into.capacity(), "no end at {} stacks", into.len());
        match paused() {
            Ok(co) => into.push(co),
            Err(error) => return error,
        }
    }
}

/// Coroutines of this size on whose stacks nothing happens, until there are no more.
#[cfg(target_os = "linux")]
fn ready_until_refused(size: usize, into: &mut Vec<Coroutine<(), (), ()>>) -> SpawnError {
    loop {
        assert!(into.len() < into.capacity(), "no end at {} stacks", into.len());
        match Builder::new().stack_size(size).build(|_: &Pauser<(), ()>, ()| ()) {
            Ok(co) => into.push(co),
            Err(error) => return error,
        }
    }
}

// Reuse.

#[test]
fn the_stack_that_was_used_last_is_reused_first() {
    let (mut a, mut b) = (placed(SMALL), placed(SMALL));
    let (at_a, at_b) = (place_of(&mut a), place_of(&mut b));
    assert_ne!(at_a, at_b);
    drop(b);
    drop(a);
    let (mut c, mut d) = (placed(SMALL), placed(SMALL));
    assert_eq!((place_of(&mut c), place_of(&mut d)), (at_a, at_b));
}

#[test]
fn a_stack_is_given_back_at_the_end_and_not_with_the_handle() {
    let mut ended = placed(SMALL);
    let at = place_of(&mut ended);
    assert_eq!(ended.resume(()), State::Complete(()));
    let mut next = placed(SMALL);
    assert_eq!(place_of(&mut next), at);
    assert_eq!(ended.status(), Status::Complete);
    drop(ended);
    // The handle of the ended one has nothing to do with the stack any more.
    assert_eq!(next.resume(()), State::Complete(()));
}

#[test]
fn the_stack_of_a_forgotten_coroutine_is_never_reused() {
    let mut lost = placed(SMALL);
    let at = place_of(&mut lost);
    std::mem::forget(lost);
    let mut others: Vec<_> = (0..100).map(|_| placed(SMALL)).collect();
    assert!(others.iter_mut().all(|co| place_of(co).abs_diff(at) > 32 * KIB));
}

// Counts.

#[test]
fn stats_follow_every_stack() {
    apart("stats_follow_every_stack", || {
        let counts = || {
            let stats = stack::stats();
            (stats.live, stats.idle, stats.leaked)
        };
        let start = stack::stats();
        assert_eq!((start.live, start.idle, start.leaked), (0, 0, 0));
        assert_eq!((start.reserved, start.slabs, start.guards), (0, 0, None));

        let mut ended = placed(SMALL);
        let mut dropped = placed(SMALL);
        let lost = placed(SMALL);
        assert_eq!(counts(), (3, 0, 0));
        assert!(stack::stats().reserved >= 3 * 64 * KIB && stack::stats().slabs >= 1);
        assert!(stack::stats().guards.is_some());
        place_of(&mut ended);
        place_of(&mut dropped);
        assert_eq!(counts(), (3, 0, 0), "pausing changes nothing");
        ended.resume(());
        assert_eq!(counts(), (2, 1, 0));
        drop(dropped);
        assert_eq!(counts(), (1, 2, 0));
        std::mem::forget(lost);
        assert_eq!(counts(), (1, 2, 0), "a forgotten one lives for ever");

        drop(placed(SMALL));
        assert_eq!(counts(), (1, 2, 0), "one that never ran");
        let mut cancelled = placed(SMALL);
        place_of(&mut cancelled);
        cancelled.cancel();
        assert_eq!(counts(), (1, 2, 0), "a cancelled one");
        let mut panics = Builder::new()
            .stack_size(SMALL)
            .build(|_: &Pauser<(), ()>, ()| std::panic::panic_any(1))
            .expect("a stack");
        support::panic_of(|| panics.resume(()));
        assert_eq!(counts(), (1, 2, 0), "one that panicked");
        Builder::new().stack_size(1).build(|_: &Pauser<(), ()>, ()| ()).expect_err("too small");
        assert_eq!(counts(), (1, 2, 0), "one that was never made");

        stack::grow(SMALL, || assert_eq!(counts(), (2, 1, 0)));
        support::panic_of(|| stack::grow(SMALL, || std::panic::panic_any(1)));
        assert_eq!(counts(), (1, 2, 0), "grow gives back");
        let items = Builder::new().stack_size(SMALL);
        items.scoped_generator(|out: &Outlet<u8>| out.pause(1)).enter(|items| {
            items.next();
            assert_eq!(counts(), (2, 1, 0));
        });
        assert_eq!(counts(), (1, 2, 0), "enter gives back");

        thread::spawn(move || {
            let mut many: Vec<_> = (0..7).map(|_| placed(SMALL)).collect();
            many.iter_mut().for_each(|co| _ = place_of(co));
            assert_eq!(counts(), (8, 2, 0));
            many.drain(..3).for_each(std::mem::forget);
        })
        .join()
        .expect("no panic");
        assert_eq!(counts(), (4, 6, 0), "4 of the ended thread are idle, 3 it forgot");

        let mut stubborn = Builder::new()
            .stack_size(SMALL)
            .build(|co: &Pauser<(), ()>, ()| {
                loop {
                    let again = std::panic::AssertUnwindSafe(|| co.pause(()));
                    _ = std::panic::catch_unwind(again);
                }
            })
            .expect("a stack");
        stubborn.resume(());
        let ((), told) = reports(|| stubborn.cancel());
        assert_eq!(told.len(), 1);
        assert_eq!(counts(), (4, 5, 1), "a retired one is leaked");
    });
}

#[test]
fn stacks_of_an_ended_thread_are_taken_over() {
    apart("stacks_of_an_ended_thread_are_taken_over", || {
        let places = || {
            let mut many: Vec<_> = (0..100).map(|_| placed(SMALL)).collect();
            many.iter_mut().map(place_of).collect::<HashSet<_>>()
        };
        let first = thread::spawn(places).join().expect("no panic");
        let before = stack::stats();
        assert_eq!((before.live, before.idle), (0, 100));
        let second = thread::spawn(places).join().expect("no panic");
        assert_eq!(first.len(), 100);
        assert_eq!(first, second);
        assert_eq!(stack::stats(), before);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn stacks_of_an_ended_thread_hold_no_memory() {
    apart("stacks_of_an_ended_thread_hold_no_memory", || {
        let before = resident();
        thread::spawn(move || {
            let deep = |_| {
                let mut co = Builder::new()
                    .stack_size(SMALL)
                    .build(|co: &Pauser<(), ()>, ()| {
                        use_stack(20 * KIB);
                        co.pause(());
                    })
                    .expect("a stack");
                co.resume(());
                co
            };
            let many: Vec<_> = (0..2_000).map(deep).collect();
            drop(many);
            assert!(resident() > before + 2_000 * 20 * KIB);
        })
        .join()
        .expect("no panic");
        assert_eq!(stack::stats().idle, 2_000);
        let after = resident();
        assert!(after < before + 8 * MIB, "{before} bytes before, {after} after");
    });
}

// Trimming.

#[test]
#[cfg(target_os = "linux")]
fn trim_gives_memory_back_and_leaves_live_stacks_alone() {
    apart("trim_gives_memory_back_and_leaves_live_stacks_alone", || {
        const MANY: usize = 20_000;
        let made = |i: usize| {
            let mut co = Builder::new()
                .stack_size(SMALL)
                .build(move |co: &Pauser<(), usize>, ()| {
                    let mut frame = black_box([i; 1024]);
                    loop {
                        co.pause(frame.iter().sum());
                        frame[i % 1024] += 1;
                    }
                })
                .map(|co: Coroutine<(), usize, ()>| co)
                .expect("a stack");
            assert_eq!(co.resume(()), State::Paused(i * 1024));
            Some(co)
        };
        let mut many: Vec<_> = (0..MANY).map(made).collect();
        let full = resident();
        for i in (0..MANY).step_by(2) {
            many[i] = None;
        }
        assert!(resident() > full - 4 * MIB, "an idle stack keeps its memory");
        assert_eq!(stack::trim(), MANY / 2);
        let trimmed = resident();
        // Two pages of frames at least, and the page that the record is on.
        let expected = MANY / 2 * 2 * 4096;
        assert!(trimmed < full - expected, "{full} bytes before, {trimmed} after");
        for (i, co) in many.iter_mut().enumerate() {
            if let Some(co) = co {
                assert_eq!(co.resume(()), State::Paused(i * 1024 + 1));
            }
        }
        assert_eq!((stack::stats().live, stack::stats().idle), (MANY / 2, MANY / 2));
        // What was trimmed is as good as before, and can be trimmed again.
        for i in (0..MANY).step_by(2) {
            many[i] = made(i);
        }
        assert_eq!((stack::stats().live, stack::stats().idle), (MANY, 0));
        assert!(resident() > full - 4 * MIB);
        drop(many);
        stack::trim();
        assert!(resident() < trimmed - expected);
    });
}

#[test]
fn what_trim_gives_back_is_there_for_every_thread() {
    apart("what_trim_gives_back_is_there_for_every_thread", || {
        drop((0..500).map(|_| paused()).collect::<Vec<_>>());
        assert_eq!(stack::trim(), 500);
        let before = stack::stats();
        let others = thread::spawn(|| {
            let many = (0..450).map(|_| paused()).collect::<Result<Vec<_>, _>>();
            (many.map(|many| many.len()).ok(), stack::stats())
        });
        let (many, during) = others.join().expect("no panic");
        assert_eq!(many, Some(450));
        assert_eq!(during.live + during.idle, before.idle, "none was cut");
    });
}

// Sizes.

#[test]
fn sizes_below_the_least_are_errors() {
    for asked in [0, 1, 4096, 32 * KIB - 1] {
        let built = Builder::new().stack_size(asked).build(|_: &Pauser<(), ()>, ()| ());
        let error = built.expect_err("too small");
        let SpawnError::TooSmall { asked: said, least } = error else { panic!("{error:?}") };
        assert_eq!((said, least), (asked, 32 * KIB));
        assert!(error.to_string().contains("32768"), "{error}");
        // Growing promises at least so much, and can keep that.
        assert_eq!(stack::grow(asked, || use_stack(30 * KIB) / KIB), 30);
        let entered = Builder::new()
            .stack_size(asked)
            .scoped(|_: &Pauser<(), ()>, ()| ())
            .try_enter(|co| co.resume(()));
        assert!(matches!(entered, Err(SpawnError::TooSmall { .. })), "{entered:?}");
        let items = Builder::new().stack_size(asked).generator(|_: &Outlet<u8>| ());
        assert!(matches!(items, Err(SpawnError::TooSmall { .. })), "{items:?}");
    }
    let mut least = Builder::new()
        .stack_size(32 * KIB)
        .build(|_: &Pauser<(), ()>, ()| use_stack(30 * KIB))
        .expect("the least");
    assert!(least.resume(()).complete().expect("it returns") >= 30 * KIB);
}

#[test]
#[cfg(target_pointer_width = "64")]
fn sizes_beyond_the_address_space_are_errors() {
    const MOST: usize = 64 << 30;
    let guard = 16 * KIB;
    for asked in [MOST - guard + 1, MOST, 1 << 46, 1 << 48, isize::MAX as usize, usize::MAX] {
        let built = Builder::new().stack_size(asked).build(|_: &Pauser<(), ()>, ()| ());
        let error = built.expect_err("too large");
        assert!(matches!(error, SpawnError::TooLarge { most: MOST, .. }), "{error:?}");
        assert!(error.to_string().contains("68719476736"), "{error}");
        assert!(stack::try_grow(asked, || ()).is_err());
        let guarded = Builder::new().guard_size(asked).build(|_: &Pauser<(), ()>, ()| ());
        assert!(matches!(guarded, Err(SpawnError::TooLarge { .. })), "{guarded:?}");
    }
    let text = panic_text(|| stack::grow(usize::MAX, || ()));
    assert!(text.contains("stacks.rs") && text.contains("larger than the largest"), "{text}");
}

#[test]
fn what_could_not_be_built_drops_its_closure() {
    let tally = Tally::default();
    for size in [1, usize::MAX] {
        let witness = tally.witness("closure");
        let build = Builder::new().stack_size(size).build(move |_: &Pauser<(), ()>, ()| {
            black_box(&witness);
        });
        assert!(build.is_err());
    }
    let witness = tally.witness("grown");
    assert!(stack::try_grow(usize::MAX, || drop(witness)).is_err());
    assert_eq!(tally.alive(), 0);
}

#[test]
fn sizes_are_rounded_up_to_their_class() {
    apart("sizes_are_rounded_up_to_their_class", || {
        let classes = if cfg!(target_pointer_width = "64") { 11 } else { 6 };
        let frames = |class: usize| ((64 * KIB) << (2 * class)) - 16 * KIB;
        let frames_for = |size| {
            Builder::new()
                .stack_size(size)
                .measure(true)
                .build(|_: &Pauser<(), ()>, ()| ())
                .expect("a stack")
                .resume(());
            stack::usage().pop().expect("one place").frames
        };
        // Every word of a measured stack is looked at, so the largest only have to work.
        for class in 0..4 {
            assert_eq!(frames_for(frames(class)), frames(class));
            assert_eq!(frames_for(frames(class) + 1), frames(class + 1));
        }
        for class in 5..classes {
            let most = frames(class);
            let mut co = Builder::new()
                .stack_size(most)
                .build(|_: &Pauser<(), ()>, ()| use_stack(100 * KIB))
                .expect("address space");
            assert!(co.resume(()).complete().expect("it returns") >= 100 * KIB);
        }
    });
}

#[test]
fn frames_can_be_used_up_to_the_size_asked_for() {
    for size in [SMALL, 200 * KIB, 240 * KIB, 900 * KIB, 60 * MIB] {
        let mut co = Builder::new()
            .stack_size(size)
            .build(move |co: &Pauser<(), usize>, ()| {
                co.pause(use_stack(size - 4 * KIB));
                use_stack(size - 4 * KIB)
            })
            .expect("a stack");
        assert!(co.resume(()).paused().expect("it pauses") >= size - 4 * KIB);
        assert!(co.resume(()).complete().expect("it returns") >= size - 4 * KIB);
    }
}

#[test]
fn every_colour_of_stack_has_room_for_what_was_asked() {
    // Tops of neighbouring stacks are shifted against each other.
    let mut many: Vec<_> = (0..32)
        .map(|_| {
            Builder::new()
                .stack_size(SMALL)
                .build(|co: &Pauser<(), usize>, ()| co.pause(use_stack(SMALL - 4 * KIB)))
                .expect("a stack")
        })
        .collect();
    for co in &mut many {
        assert!(co.resume(()).paused().is_some());
    }
    for co in &mut many {
        assert!(co.resume(()).complete().is_some());
    }
}

/// A closure with so many bytes in it, on a small stack.
fn with_captures<const N: usize>() -> Result<usize, SpawnError> {
    let captured = [1_u8; N];
    Builder::new()
        .stack_size(SMALL)
        .build(move |co: &Pauser<(), ()>, ()| {
            co.pause(());
            black_box(&captured).len()
        })
        .map(|mut co| {
            co.resume(());
            co.resume(()).complete().expect("it returns")
        })
}

#[test]
fn closures_of_every_size_fit_or_are_errors() {
    assert_eq!(with_captures::<0>().expect("small"), 0);
    assert_eq!(with_captures::<1023>().expect("in place"), 1023);
    assert_eq!(with_captures::<1024>().expect("in place"), 1024);
    assert_eq!(with_captures::<1025>().expect("boxed"), 1025);
    assert_eq!(with_captures::<16_384>().expect("a quarter"), 16_384);
    let error = with_captures::<16_385>().expect_err("more than a quarter");
    let SpawnError::ClosureTooLarge { closure, room } = error else { panic!("{error:?}") };
    assert_eq!((closure, room), (16_385, 16_384));
    assert!(error.to_string().contains("box"), "{error}");
}

#[test]
fn aligned_values_stay_aligned_on_every_stack() {
    #[repr(align(128))]
    struct Wide(u8);
    #[repr(align(4096))]
    struct Page(u8);
    fn aligned<T>(value: &T) -> bool {
        black_box(&raw const *value) as usize % align_of::<T>() == 0
    }
    for _ in 0..32 {
        let (wide, page) = (Wide(1), Page(2));
        let mut co = Builder::new()
            // Unoptimised code copies such values many times.
            .stack_size(900 * KIB)
            .build(move |co: &Pauser<Page, Wide>, first: Page| {
                let local = Page(3);
                let sound = aligned(&wide) && aligned(&page) && aligned(&first) && aligned(&local);
                let second = co.pause(Wide(u8::from(sound)));
                Page(wide.0 + page.0 + local.0 + u8::from(aligned(&second)))
            })
            .expect("a stack");
        let paused = co.resume(Page(0)).paused().expect("it pauses");
        assert!(aligned(&paused) && paused.0 == 1);
        let returned = co.resume(Page(0)).complete().expect("it returns");
        assert!(aligned(&returned) && returned.0 == 7);
    }
}

// Guards.

#[test]
fn a_wide_guard_takes_nothing_from_the_frames_and_is_gone_after_reuse() {
    let built = |guard: Option<usize>, used: usize| {
        let mut builder = Builder::new().stack_size(100 * KIB);
        if let Some(guard) = guard {
            builder = builder.guard_size(guard);
        }
        let mut co = builder
            .build(move |co: &Pauser<(), usize>, ()| {
                use_stack(used);
                co.pause(here())
            })
            .expect("a stack");
        (co.resume(()).paused().expect("it pauses"), co)
    };
    for guard in [0, 1, 16 * KIB, 16 * KIB + 1, 64 * KIB, 128 * KIB] {
        let (with, co) = built(Some(guard), 96 * KIB);
        drop(co);
        // The same slot: what was guard can be used as frames.
        let (without, co) = built(None, 230 * KIB);
        assert_eq!(with, without);
        drop(co);
    }
}

// Marks.

#[test]
fn the_mark_is_what_was_used() {
    apart("the_mark_is_what_was_used", || {
        for (ended, used) in (1..).zip([1, 3 * KIB, 40 * KIB, 200 * KIB, 230 * KIB, 2 * KIB]) {
            let mut co = Builder::new()
                .measure(true)
                .build(move |_: &Pauser<(), ()>, ()| use_stack(used))
                .expect("a stack");
            let exactly = co.resume(()).complete().expect("it returns");
            let mark = co.stack_used().expect("it is measured");
            assert!((exactly..exactly + 4 * KIB).contains(&mark), "{exactly} used, {mark} marked");
            let site = stack::usage()[0];
            assert_eq!((site.ended, site.frames), (ended, 240 * KIB));
            assert_eq!((site.spawned_at.file(), site.deepest >= mark), (file!(), true));
        }
        assert_eq!(stack::usage().len(), 1);
    });
}

#[test]
fn the_mark_of_a_live_coroutine_grows_with_its_depth() {
    let mut co = Builder::new()
        .measure(true)
        .build(|co: &Pauser<usize, usize>, mut next: usize| {
            while next > 0 {
                next = co.pause(use_stack(next));
            }
        })
        .expect("a stack");
    let mut last = co.stack_used().expect("it is measured");
    for depth in [8 * KIB, 30 * KIB, 100 * KIB] {
        let exactly = co.resume(depth).paused().expect("it pauses");
        let mark = co.stack_used().expect("it is measured");
        assert!((exactly..exactly + 4 * KIB).contains(&mark) && mark > last);
        last = mark;
    }
    co.resume(KIB);
    assert_eq!(co.stack_used(), Some(last), "a mark does not go down");
    co.resume(0);
    assert_eq!(co.stack_used(), Some(last), "nor away with the end");
}

#[test]
fn the_mark_is_right_beside_a_wide_guard() {
    let mut co = Builder::new()
        .measure(true)
        .stack_size(100 * KIB)
        .guard_size(128 * KIB)
        .build(|_: &Pauser<(), ()>, ()| use_stack(90 * KIB))
        .expect("a stack");
    let exactly = co.resume(()).complete().expect("it returns");
    let mark = co.stack_used().expect("it is measured");
    assert!((exactly..exactly + 4 * KIB).contains(&mark), "{exactly} used, {mark} marked");
}

#[test]
fn without_measuring_there_is_no_mark() {
    let mut co = placed(SMALL);
    place_of(&mut co);
    assert_eq!(co.stack_used(), None);
    co.resume(());
    assert_eq!(co.stack_used(), None);
}

#[test]
fn a_recommended_size_suffices() {
    apart("a_recommended_size_suffices", || {
        let run = |size| {
            let mut co = Builder::new()
                .measure(true)
                .stack_size(size)
                .build(|_: &Pauser<(), ()>, ()| {
                    use_stack(300 * KIB);
                    // Its room is for the day when something goes wrong.
                    support::panic_of(|| panic!("printed with a backtrace, if there is one"));
                })
                .expect("a stack");
            co.resume(());
        };
        run(4 * MIB);
        let recommended = stack::usage()[0].recommended;
        assert!((330 * KIB..500 * KIB).contains(&recommended), "{recommended}");
        run(recommended);
        assert_eq!(stack::usage()[0].ended, 2);
    });
}

#[test]
fn measure_all_marks_every_kind_and_every_end() {
    apart("measure_all_marks_every_kind_and_every_end", || {
        stack::measure_all(true);
        let mut cancelled = placed(SMALL);
        place_of(&mut cancelled);
        assert!(cancelled.stack_used().is_some());
        cancelled.cancel();
        assert_eq!(stack::usage().len(), 1);
        let mut panics =
            Coroutine::new(|_: &Pauser<(), ()>, ()| std::panic::panic_any(use_stack(50 * KIB)));
        support::panic_of(|| panics.resume(()));
        assert!(stack::usage()[1].deepest >= 50 * KIB);
        Generator::new(|out: &Outlet<usize>| out.pause(use_stack(60 * KIB))).for_each(drop);
        assert!(stack::usage()[2].deepest >= 60 * KIB);
        Generator::scoped(|out: &Outlet<usize>| out.pause(use_stack(70 * KIB)))
            .enter(|items| assert!(items.next().is_some()));
        assert!(stack::usage()[3].deepest >= 70 * KIB);
        stack::grow(200 * KIB, || use_stack(80 * KIB));
        assert!(stack::usage()[4].deepest >= 80 * KIB);
        assert!(stack::usage().iter().all(|site| site.spawned_at.file() == file!()));
        stack::measure_all(false);
        assert_eq!(placed(SMALL).stack_used(), None);
        assert_eq!(stack::usage().len(), 5);
    });
}

#[test]
fn a_task_that_follows_another_on_its_stack_is_measured_too() {
    apart("a_task_that_follows_another_on_its_stack_is_measured_too", || {
        segno::run(|| {
            let deep = || segno::spawn(|| use_stack(50 * KIB)).join().unwrap();
            deep();
            stack::measure_all(true);
            deep();
            stack::measure_all(false);
            deep();
        });
        let [site] = stack::usage()[..] else { panic!("one place") };
        assert!(site.ended == 1 && site.deepest >= 50 * KIB, "{site:?}");
    });
}

#[test]
fn a_crowd_of_tasks_leaves_its_stacks_to_all() {
    apart("a_crowd_of_tasks_leaves_its_stacks_to_all", || {
        let mut events = segno::EventLoop::new();
        let crowd = |many: usize| {
            move || {
                segno::scope(|s| {
                    for _ in 0..many {
                        s.spawn(segno::yield_now);
                    }
                });
            }
        };
        events.run(crowd(500)).unwrap();
        let idle = stack::stats().idle;
        assert!((450..=501).contains(&idle), "{idle}: some are kept for the next tasks, not many");
        events.run(crowd(500)).unwrap();
        let again = stack::stats().idle;
        assert!((450..=501).contains(&again), "{again}: and the same ones are used again");
        drop(events);
        assert_eq!(stack::stats().idle, 501, "a loop that has ended keeps none");
    });
}

// Growing.

/// Needs some hundred bytes of stack per step.
fn count_down(n: usize) -> usize {
    let frame = black_box([n; 32]);
    if n == 0 { 0 } else { count_down(frame[5] - 1) + 1 }
}

#[test]
fn grow_runs_what_is_too_deep_for_here() {
    assert_eq!(stack::grow(256 * MIB, || count_down(200_000)), 200_000);
    let mut co = Builder::new()
        .stack_size(SMALL)
        .build(|co: &Pauser<(), usize>, ()| {
            co.pause(stack::grow(64 * MIB, || count_down(50_000)));
            stack::try_grow(64 * MIB, || count_down(60_000)).expect("a stack")
        })
        .expect("a stack");
    assert_eq!(co.resume(()), State::Paused(50_000));
    assert_eq!(co.resume(()), State::Complete(60_000));
}

#[test]
fn grow_borrows_and_nests() {
    let mut trace = vec![here()];
    let sum = stack::grow(SMALL, || {
        trace.push(here());
        stack::grow(200 * KIB, || {
            trace.push(here());
            trace.push(stack::grow(MIB, here));
            count_down(100)
        }) + 1
    });
    assert_eq!(sum, 101);
    let places: HashSet<_> = trace.iter().map(|at| at / (16 * KIB)).collect();
    assert_eq!(places.len(), 4, "four stacks");
}

#[test]
fn a_coroutine_pauses_and_goes_on_inside_grow() {
    let mut co = Coroutine::new(|co: &Pauser<u32, u32>, first: u32| {
        let mut sum = first;
        stack::grow(MIB, || {
            for i in 0..10 {
                sum += co.pause(i);
                stack::grow(SMALL, || sum += co.pause(100 + i));
            }
        });
        sum
    });
    let mut input = 1;
    assert_eq!(co.resume(0), State::Paused(0));
    for i in 0..10 {
        assert_eq!(co.resume(input), State::Paused(100 + i));
        input += 1;
        let next = co.resume(input);
        input += 1;
        let expected = if i == 9 { State::Complete((1..=20).sum()) } else { State::Paused(i + 1) };
        assert_eq!(next, expected);
    }
}

#[test]
fn a_coroutine_that_is_paused_inside_grow_can_be_dropped_cancelled_and_forgotten() {
    apart("a_coroutine_that_is_paused_inside_grow_can_be_dropped_cancelled_and_forgotten", || {
        let tally = Tally::default();
        let made = || {
            let tally = tally.clone();
            let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
                let _outer = tally.witness("outer");
                stack::grow(MIB, || {
                    let _grown = tally.witness("grown");
                    stack::grow(SMALL, || {
                        let _twice = tally.witness("grown twice");
                        co.pause(());
                    });
                });
            });
            co.resume(());
            co
        };
        let order = ["grown twice", "grown", "outer"];
        drop(made());
        assert_eq!(tally.gone(), order);
        let mut cancelled = made();
        cancelled.cancel();
        assert_eq!(
            (cancelled.status(), tally.gone().as_slice()),
            (Status::Cancelled, order.map(str::to_owned).as_slice(),)
        );
        assert_eq!((stack::stats().live, stack::stats().leaked), (0, 0));
        std::mem::forget(made());
        assert_eq!((stack::stats().live, tally.alive()), (3, 3));
    });
}

#[test]
fn panics_come_out_of_grow_unchanged() {
    let payload = support::panic_of(|| {
        stack::grow(MIB, || stack::grow(SMALL, || std::panic::panic_any(17_u8)))
    });
    assert_eq!(payload.downcast_ref(), Some(&17_u8));
    let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
        let caught = panic_text(|| stack::grow(MIB, || panic!("within")));
        co.pause(());
        caught
    });
    co.resume(());
    assert_eq!(co.resume(()), State::Complete("within".to_owned()));
}

#[test]
fn grow_works_in_a_destructor_while_unwinding() {
    assert_eq!(support::while_unwinding(|| stack::grow(MIB, || count_down(100))), 100);
}

// Running out.

#[test]
#[cfg(target_os = "linux")]
fn preferred_protected_guards_do_everything_the_others_do() {
    apart("preferred_protected_guards_do_everything_the_others_do", || {
        assert!(stack::prefer_guards(Guards::Protected));
        let mut many = (0..1_000).map(|_| paused()).collect::<Result<Vec<_>, _>>().expect("stacks");
        assert_eq!(stack::stats().guards, Some(Guards::Protected));
        assert!(stack::prefer_guards(Guards::Protected), "it is in force");
        assert!(!stack::prefer_guards(Guards::Installed), "that is decided");
        many.truncate(500);
        assert_eq!((stack::stats().live, stack::stats().idle), (500, 500));
        assert_eq!(stack::trim(), 500);
        many.extend((0..600).map(|_| paused().expect("a stack")));
        assert!(many.iter_mut().all(|co| co.resume(()) == State::Complete(())));
        for (guard, frames) in [(128 * KIB, 90 * KIB), (16 * KIB, 230 * KIB)] {
            let mut co = Builder::new()
                .stack_size(90 * KIB)
                .guard_size(guard)
                .measure(true)
                .build(move |_: &Pauser<(), ()>, ()| use_stack(frames - 4 * KIB))
                .expect("a stack");
            let exactly = co.resume(()).complete().expect("it returns");
            let mark = co.stack_used().expect("it is measured");
            assert!((exactly..exactly + 4 * KIB).contains(&mark));
        }
        assert_eq!(stack::grow(64 * MIB, || count_down(10_000)), 10_000);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn guards_that_are_refused_near_the_limit_of_mappings_leave_the_process_working() {
    const TEST: &str =
        "guards_that_are_refused_near_the_limit_of_mappings_leave_the_process_working";
    apart(TEST, || {
        assert!(stack::prefer_guards(Guards::Protected));
        let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").expect("procfs");
        let limit: usize = limit.trim().parse().expect("a number");
        let mut many = Vec::with_capacity(40_000);
        if limit > 2 * many.capacity() + 2048 {
            // This system allows more than anybody wants to wait for.
            many.extend((0..40_000).map(|_| paused().expect("a stack")));
            return;
        }
        let error = paused_until_refused(&mut many);
        assert!(matches!(error, SpawnError::TooManyMappings { .. }), "{error:?}");
        assert!(error.to_string().contains("vm.max_map_count"), "{error}");
        assert!(many.len() > limit / 2 - 2048, "{}", many.len());
        // The rest of the program notices nothing: large allocations are mappings too.
        let large: Vec<_> = (0..500).map(|i| vec![i as u8; MIB / 4]).collect();
        thread::spawn(move || drop(large)).join().expect("a thread");
        paused().expect_err("still at the limit");
        assert!(stack::try_grow(MIB, || ()).is_err());
        assert!(many.iter_mut().take(100).all(|co| co.resume(()) == State::Complete(())));
        let stacks = many.len();
        many.clear();
        many.extend((0..stacks).map(|_| paused().expect("as many as before")));
        many.clear();
        // What this thread does not use is there for others, when it says so.
        stack::trim();
        thread::spawn(|| paused().map(drop)).join().expect("no panic").expect("a stack");
    });
}

/// Makes a coroutine that makes a coroutine, and so on; returns how many there were and why no more.
fn chain() -> (usize, SpawnError) {
    match Builder::new().stack_size(SMALL).build(|_: &Pauser<(), ()>, ()| chain()) {
        Ok(mut co) => {
            let (deeper, error) = co.resume(()).complete().expect("it does not pause");
            (deeper + 1, error)
        }
        Err(error) => (0, error),
    }
}

#[test]
#[cfg(target_os = "linux")]
fn coroutines_that_make_coroutines_until_none_is_left_end_with_an_error() {
    const TEST: &str = "coroutines_that_make_coroutines_until_none_is_left_end_with_an_error";
    apart(TEST, || {
        if !limit_address_space(300 * MIB) {
            return;
        }
        let (first, error) = chain();
        assert!(first > 1_000, "{first}");
        let text = error.to_string();
        assert!(matches!(error, SpawnError::NoMemory { .. }), "{error:?}");
        assert!(text.contains("ulimit -v") && error.source().is_some(), "{text}");
        let (second, _) = chain();
        assert_eq!(first, second);
        let text = panic_text(|| {
            let _all: Vec<_> = (0..10_000)
                .map(|_| Coroutine::new(|_: &Pauser<(), ()>, ()| use_stack(100)))
                .collect();
        });
        assert!(text.contains("no memory for a stack"), "{text}");
        assert_eq!(paused().expect("after that it goes on").resume(()), State::Complete(()));
    });
}

#[test]
#[cfg(target_os = "linux")]
fn at_any_limit_the_answer_is_an_error_and_the_program_goes_on() {
    const TEST: &str = "at_any_limit_the_answer_is_an_error_and_the_program_goes_on";
    apart(TEST, || {
        let mut many = Vec::with_capacity(100_000);
        // The limit is met at another place in the library each time.
        for round in 0..24 {
            let limit = proc_self("status", "VmSize:") + 40 * MIB + round * 1_234_567;
            if !limit_address_space(limit) {
                return;
            }
            let error = paused_until_refused(&mut many);
            assert!(matches!(error, SpawnError::NoMemory { .. }), "{error:?}");
            let left = limit - proc_self("status", "VmSize:");
            assert!(left > 12 * MIB, "{left} bytes for the rest of the program");
            assert!(many.iter_mut().all(|co| co.resume(()) == State::Complete(())));
            let stacks = many.len();
            many.clear();
            many.extend((0..stacks).map(|_| paused().expect("as many as before")));
            many.clear();
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn running_out_with_many_idle_stacks_is_an_error() {
    apart("running_out_with_many_idle_stacks_is_an_error", || {
        if !limit_address_space(5 << 30) {
            return;
        }
        let mut many = Vec::with_capacity(40_000);
        for _ in 0..20_000 {
            many.push(paused().expect("a stack"));
        }
        many.clear();
        let error = ready_until_refused(900 * KIB, &mut many);
        assert!(matches!(error, SpawnError::NoMemory { .. }), "{error:?}");
        assert!(many.len() > 1_000, "{}", many.len());
        many.clear();
        assert_eq!(paused().expect("an idle one").resume(()), State::Complete(()));
    });
}

#[test]
#[cfg(target_os = "linux")]
fn memory_of_idle_stacks_is_given_back_before_the_answer_is_no() {
    apart("memory_of_idle_stacks_is_given_back_before_the_answer_is_no", || {
        if !limit_address_space(300 * MIB) {
            return;
        }
        let mut many = Vec::with_capacity(10_000);
        paused_until_refused(&mut many);
        many.clear();
        let full = resident();
        ready_until_refused(10 * MIB, &mut many);
        assert!(resident() + 4 * MIB < full, "{full} before, {} after", resident());
    });
}

#[test]
#[cfg(target_os = "linux")]
fn an_idle_larger_stack_is_better_than_none() {
    apart("an_idle_larger_stack_is_better_than_none", || {
        let large = || Builder::new().stack_size(900 * KIB).measure(true);
        let body = |_: &Pauser<(), ()>, ()| use_stack(40 * KIB);
        if !limit_address_space(300 * MIB) {
            return;
        }
        let kept = large().build(body).expect("a stack");
        let left = thread::spawn(move || drop(large().build(body).expect("a stack")));
        left.join().expect("no panic");
        let mut many = Vec::with_capacity(10_000);
        let error = ready_until_refused(SMALL, &mut many);
        assert!(matches!(error, SpawnError::NoMemory { .. }), "{error:?}");
        // The one of the ended thread is lent already; now there is one in this thread's own list.
        drop(kept);
        let frames = || {
            let small = Builder::new().stack_size(SMALL).measure(true);
            let mut co = small.build(body)?;
            assert!(co.resume(()).complete().is_some());
            Ok::<_, SpawnError>(stack::usage().pop().expect("measured").frames)
        };
        assert_eq!(frames().expect("a larger one"), 1024 * KIB - 16 * KIB);
        // It went back to where it came from.
        large().build(body).expect("a large one").resume(());
        assert_eq!(frames().expect("a larger one"), 1024 * KIB - 16 * KIB);
        assert_eq!(stack::stats().live, many.len());
    });
}

#[test]
fn a_coroutine_may_be_the_only_thing_that_knows_its_stack() {
    // A cycle: it leaks, and nothing else happens.
    let cycle: Rc<RefCell<Option<Coroutine<(), (), ()>>>> = Rc::default();
    let inside = cycle.clone();
    let ran = Rc::new(Cell::new(false));
    let seen = ran.clone();
    let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
        let _inside = inside;
        seen.set(true);
        co.pause(());
    });
    co.resume(());
    *cycle.borrow_mut() = Some(co);
    drop(cycle);
    assert!(ran.get());
    assert_eq!(paused().expect("a stack").resume(()), State::Complete(()));
}
