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
use std::panic::Location;
use std::rc::Rc;
use std::thread;

use segno::stack::{self, Guards, Usage};
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

/// Leaves this process so much address space, all in all.
#[cfg(target_os = "linux")]
fn limit_address_space(bytes: usize) {
    let limit = libc::rlimit { rlim_cur: bytes as _, rlim_max: bytes as _ };
    #[allow(unsafe_code, reason = "std does not set limits")]
    // SAFETY: passes a valid record.
    let answer = unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) };
    assert_eq!(answer, 0);
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

/// What is known about the coroutines made at a place.
fn usage_at(place: &Location<'_>) -> Usage {
    stack::usage().into_iter().find(|site| site.spawned_at == place).expect("a measured end there")
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
        Generator::scoped_with(items, |out: &Outlet<u8>| out.pause(1)).enter(|items| {
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
        assert!(after < before + 4 * MIB, "{before} bytes before, {after} after");
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
        let grown = stack::try_grow(asked, || ());
        assert!(matches!(grown, Err(SpawnError::TooSmall { .. })), "{grown:?}");
        let entered = Builder::new()
            .stack_size(asked)
            .scoped(|_: &Pauser<(), ()>, ()| ())
            .try_enter(|co| co.resume(()));
        assert!(matches!(entered, Err(SpawnError::TooSmall { .. })), "{entered:?}");
        let items = Generator::with(Builder::new().stack_size(asked), |_: &Outlet<u8>| ());
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
            drop(black_box(&witness));
        });
        assert!(build.is_err());
        let witness = tally.witness("grown");
        assert!(stack::try_grow(size, || drop(witness)).is_err());
    }
    assert_eq!(tally.alive(), 0);
}

#[test]
fn sizes_are_rounded_up_to_their_class() {
    apart("sizes_are_rounded_up_to_their_class", || {
        let classes = if cfg!(target_pointer_width = "64") { 11 } else { 6 };
        let frames = |class: usize| (64 * KIB << (2 * class)) - 16 * KIB;
        let made = |size| {
            let at = Location::caller();
            let build = Builder::new().stack_size(size).measure(true);
            // The largest are not measured to their end here: a word of each page would be read.
            build.build(|_: &Pauser<(), ()>, ()| ()).map(|mut co| {
                co.resume(());
                (at, co)
            })
        };
        for class in 0..classes.min(5) {
            let most = frames(class);
            made(most).expect("exactly a class");
            let site = stack::usage().pop().expect("one place");
            assert_eq!(site.frames, most);
            made(most + 1).expect("the next class");
            assert_eq!(stack::usage().pop().expect("one place").frames, frames(class + 1));
        }
        // The rest only have to exist.
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
            .stack_size(240 * KIB)
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
    for used in [1, 3 * KIB, 40 * KIB, 200 * KIB, 230 * KIB] {
        let (co, at) = (measured(used), Location::caller());
        let (mark, site) = (co.0, usage_at(&co.1));
        let _ = at;
        assert!(mark >= used && mark < used + 6 * KIB, "{used} bytes used, {mark} marked");
        assert!(site.deepest >= mark);
        assert_eq!(site.frames, 240 * KIB);
    }
}

/// The mark of a coroutine that used so many bytes, and where it was made.
fn measured(used: usize) -> (usize, Location<'static>) {
    let place = Location::caller();
    let _ = place;
    let line = line!() + 1;
    let mut co = Builder::new().measure(true).build(move |_: &Pauser<(), ()>, ()| use_stack(used)).expect("a stack");
    co.resume(());
    let mark = co.stack_used().expect("it is measured");
    let site = stack::usage().into_iter().find(|site| site.spawned_at.file() == file!() && site.spawned_at.line() == line).expect("its place");
    (mark, *site.spawned_at)
}
