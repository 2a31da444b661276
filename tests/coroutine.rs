//! What a coroutine promises: values pass exactly, frames stay as they were, it ends once.

mod support;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::fmt::Debug;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::rc::Rc;

use segno::{
    Builder, Coroutine, Generator, Outlet, Pauser, SpawnError, State, Status, no_pause, stack,
};

use support::{
    Dice, OnDrop, Tally, Witness, alone, assert_exited, child, live, many, panic_of, panic_text,
    without_loss,
};

/// Passes values both ways over this many pauses and compares each.
fn pass<T: PartialEq + Debug + 'static>(pauses: u64, make: fn(u64) -> T) {
    let mut co = Coroutine::new(move |co: &Pauser<T, T>, first: T| {
        let mut value = first;
        for i in 0..pauses {
            assert_eq!(value, make(2 * i));
            value = co.pause(make(2 * i + 1));
        }
        assert_eq!(value, make(2 * pauses));
        make(2 * pauses + 1)
    });
    for i in 0..pauses {
        assert_eq!(co.resume(make(2 * i)), State::Paused(make(2 * i + 1)));
    }
    assert_eq!(co.resume(make(2 * pauses)), State::Complete(make(2 * pauses + 1)));
    assert_eq!(co.try_resume(make(3)), Err(make(3)));
}

/// The same over no pause, one, and many.
fn pass_all<T: PartialEq + Debug + 'static>(make: fn(u64) -> T) {
    for pauses in [0, 1, 2, 3, many(500, 10)] {
        pass(pauses, make);
    }
}

/// A value that must lie at a multiple of 128.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(128))]
struct Aligned(u64);

#[test]
fn values_without_size_pass_exactly() {
    alone(|| {
        pass_all(|_| ());
    });
}

#[test]
fn values_of_a_byte_pass_exactly() {
    alone(|| {
        pass_all(|i| i as u8);
    });
}

#[test]
fn values_of_a_word_pass_exactly() {
    alone(|| {
        pass_all(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    });
}

#[test]
fn values_on_the_heap_pass_exactly() {
    alone(|| {
        pass_all(|i| format!("value {i}"));
    });
}

#[test]
fn values_of_64_bytes_pass_exactly() {
    alone(|| {
        pass_all(|i| [i; 8]);
    });
}

#[test]
fn values_of_4_kib_pass_exactly() {
    alone(|| {
        pass_all(|i| [i; 512]);
    });
}

#[test]
fn values_with_a_niche_pass_exactly() {
    alone(|| {
        pass_all(|i| (i % 2 == 0).then(|| Box::new(i)));
    });
}

#[test]
fn over_aligned_values_pass_exactly_and_aligned() {
    alone(|| {
        pass_all(Aligned);
        let mut co = Coroutine::new(|co: &Pauser<Aligned, Aligned>, first| {
            assert_eq!((&raw const first).addr() % 128, 0);
            let second = co.pause(first);
            assert_eq!((&raw const second).addr() % 128, 0);
            second
        });
        assert_eq!(co.resume(Aligned(1)), State::Paused(Aligned(1)));
        assert_eq!(co.resume(Aligned(2)), State::Complete(Aligned(2)));
    });
}

#[test]
fn values_of_three_different_types_do_not_mix() {
    alone(|| {
        let mut co = Coroutine::new(|co: &Pauser<u8, [u8; 4096]>, first| {
            let second = co.pause([first; 4096]);
            format!("{first} {second}")
        });
        assert_eq!(co.resume(7), State::Paused([7; 4096]));
        assert_eq!(co.resume(9), State::Complete("7 9".to_owned()));
    });
}

#[test]
fn every_value_is_dropped_exactly_once() {
    without_loss(|| {
        let tally = Tally::default();
        let mut co = Coroutine::new({
            let tally = tally.clone();
            move |co: &Pauser<_, _>, first| {
                drop(first);
                let second = co.pause(tally.witness("out 1"));
                let third = co.pause(tally.witness("out 2"));
                drop((second, third));
                tally.witness("ret")
            }
        });
        assert_eq!(co.resume(tally.witness("in 1")).paused().unwrap().name, "out 1");
        assert_eq!(tally.gone(), ["in 1", "out 1"]);
        assert_eq!(co.resume(tally.witness("in 2")).paused().unwrap().name, "out 2");
        assert_eq!(tally.gone(), ["out 2"]);
        assert_eq!(co.resume(tally.witness("in 3")).complete().unwrap().name, "ret");
        assert_eq!(tally.gone(), ["in 2", "in 3", "ret"]);
        assert_eq!(co.try_resume(tally.witness("in 4")).unwrap_err().name, "in 4");
        drop(co);
        assert_eq!(tally.gone(), ["in 4"]);
        assert_eq!(tally.alive(), 0);
    });
}

#[test]
fn a_coroutine_that_can_never_run_can_be_dropped() {
    without_loss(|| {
        let tally = Tally::default();
        let captured = tally.witness("captured");
        let co = Coroutine::new(move |_: &Pauser<Infallible, ()>, never| {
            let _captured = &captured;
            match never {}
        });
        drop::<Coroutine<_, _, ()>>(co);
        assert_eq!(tally.gone(), ["captured"]);
    });
}

#[test]
fn any_kind_of_function_can_be_a_body() {
    alone(|| {
        fn plain(co: &Pauser<u8, u8>, x: u8) -> u8 {
            co.pause(x)
        }
        let pointer: fn(&Pauser<u8, u8>, u8) -> u8 = plain;
        type Body = dyn FnOnce(&Pauser<u8, u8>, u8) -> u8;
        let boxed: Box<Body> = Box::new(plain);
        for mut co in [Coroutine::new(plain), Coroutine::new(pointer), Coroutine::new(boxed)] {
            assert_eq!(co.resume(1), State::Paused(1));
            assert_eq!(co.resume(2), State::Complete(2));
        }
    });
}

#[test]
fn nothing_runs_before_the_first_resume() {
    alone(|| {
        let ran = Rc::new(Cell::new(false));
        let seen = ran.clone();
        let mut co = Coroutine::new(move |_: &Pauser<(), ()>, ()| seen.set(true));
        assert!(!ran.get());
        assert_eq!(co.status(), Status::Ready);
        co.resume(());
        assert!(ran.get());
    });
}

#[test]
fn status_follows_the_life() {
    alone(|| {
        let body = |co: &Pauser<bool, ()>, fail| {
            if fail || co.pause(()) {
                resume_unwind(Box::new("on purpose"));
            }
        };
        let mut completes = Coroutine::new(body);
        assert_eq!(completes.status(), Status::Ready);
        completes.resume(false);
        assert_eq!(completes.status(), Status::Paused);
        completes.resume(false);
        assert_eq!(completes.status(), Status::Complete);
        completes.cancel();
        assert_eq!(completes.status(), Status::Complete);

        let mut panics = Coroutine::new(body);
        panics.resume(false);
        panic_of(|| panics.resume(true));
        assert_eq!(panics.status(), Status::Panicked);
        panics.cancel();
        assert_eq!(panics.status(), Status::Panicked);

        let mut panics_at_once = Coroutine::new(body);
        panic_of(|| panics_at_once.resume(true));
        assert_eq!(panics_at_once.status(), Status::Panicked);

        for resumes in 0..2 {
            let mut cancelled = Coroutine::new(body);
            for _ in 0..resumes {
                cancelled.resume(false);
            }
            cancelled.cancel();
            assert_eq!(cancelled.status(), Status::Cancelled);
            cancelled.cancel();
            assert_eq!(cancelled.status(), Status::Cancelled);
        }
        for (status, ended) in [
            (Status::Ready, false),
            (Status::Paused, false),
            (Status::Complete, true),
            (Status::Panicked, true),
            (Status::Cancelled, true),
        ] {
            assert_eq!(status.has_ended(), ended);
        }
    });
}

#[test]
fn resume_after_the_end_panics_and_says_how_it_ended() {
    alone(|| {
        let mut complete = Coroutine::new(|_: &Pauser<(), ()>, ()| ());
        complete.resume(());
        let mut panicked = Coroutine::new(|_: &Pauser<(), ()>, ()| resume_unwind(Box::new(())));
        panic_of(|| panicked.resume(()));
        let mut cancelled = Coroutine::new(|_: &Pauser<(), ()>, ()| ());
        cancelled.cancel();
        for (co, how) in [
            (&mut complete, "Complete"),
            (&mut panicked, "Panicked"),
            (&mut cancelled, "Cancelled"),
        ] {
            for _ in 0..2 {
                let text = panic_text(|| co.resume(()));
                assert!(text.contains(how) && text.contains("try_resume"), "{text}");
            }
        }
    });
}

#[test]
fn a_name_lasts_until_the_end() {
    alone(|| {
        let body = |co: &Pauser<(), ()>, ()| co.pause(());
        assert_eq!(Coroutine::new(body).name(), None);
        let mut co = Builder::new().name(format!("voice {}", 2)).build(body).unwrap();
        assert_eq!(co.name(), Some("voice 2"));
        co.resume(());
        assert_eq!(co.name(), Some("voice 2"));
        assert_eq!(co.name(), Some("voice 2"));
        co.resume(());
        assert_eq!(co.name(), None);
    });
}

#[test]
fn debug_tells_name_place_and_status() {
    alone(|| {
        let line = line!() + 1;
        let mut co = Builder::new().name("oboe").build(|co: &Pauser<(), ()>, ()| {
            let text = format!("{co:?}");
            assert!(text.contains("oboe") && text.contains("is_closed: false"), "{text}");
            co.pause(());
        });
        let co = co.as_mut().unwrap();
        let here = format!("{}:{line}", file!());
        let text = format!("{co:?}");
        assert!(text.contains("oboe") && text.contains("Ready") && text.contains(&here), "{text}");
        co.resume(());
        let text = format!("{co:?}");
        assert!(text.contains("oboe") && text.contains("Paused") && text.contains(&here), "{text}");
        co.resume(());
        assert!(format!("{co:?}").contains("Complete"));
        let scoped = Builder::new().name("scoped").scoped(|_: &Pauser<(), ()>, ()| ());
        assert!(format!("{scoped:?}").contains("scoped"));
        scoped.enter(|co| assert!(format!("{co:?}").contains("Ready")));
    });
}

#[test]
fn a_state_gives_its_value() {
    alone(|| {
        assert_eq!(State::<u8, ()>::Paused(1).paused(), Some(1));
        assert_eq!(State::<u8, ()>::Paused(1).complete(), None);
        assert_eq!(State::<(), u8>::Complete(1).paused(), None);
        assert_eq!(State::<(), u8>::Complete(1).complete(), Some(1));
    });
}

#[test]
fn the_stack_goes_back_at_the_end_and_not_with_the_handle() {
    without_loss(|| {
        let before = live();
        let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| co.pause(()));
        assert_eq!(live(), before + 1);
        co.resume(());
        assert_eq!(live(), before + 1);
        co.resume(());
        assert_eq!(live(), before);
        let mut other = Coroutine::new(|co: &Pauser<(), u8>, ()| co.pause(9));
        assert_eq!(other.resume(()), State::Paused(9));
        // The ended handle must not touch the stack, which is another's by now.
        co.cancel();
        assert_eq!(co.name(), None);
        drop(co);
        assert_eq!(other.resume(()), State::Complete(()));
    });
}

/// Goes `depth` frames down, pauses there and on every frame of the way back; each frame keeps
/// numbers of its own in memory and checks them after every pause.
#[inline(never)]
fn descend(depth: u64, co: &Pauser<u64, u64>, value: u64) -> u64 {
    let mut frame = black_box([depth; 16]);
    let text = format!("frame {depth}");
    let got = if depth == 0 { co.pause(value) } else { descend(depth - 1, co, value + 1) };
    black_box(&mut frame);
    assert_eq!(frame, [depth; 16]);
    assert_eq!(text, format!("frame {depth}"));
    let again = co.pause(got + depth);
    assert_eq!(black_box(frame), [depth; 16]);
    again
}

#[test]
fn forty_frames_keep_their_locals_over_a_pause() {
    alone(|| {
        let mut co = Coroutine::new(|co: &Pauser<u64, u64>, first| descend(40, co, first));
        assert_eq!(co.resume(100), State::Paused(140));
        assert_eq!(co.resume(7), State::Paused(7));
        for depth in 1..=40 {
            assert_eq!(co.resume(1000), State::Paused(1000 + depth));
        }
        assert_eq!(co.resume(3), State::Complete(3));
    });
}

#[test]
fn ten_thousand_in_random_order_keep_their_locals() {
    without_loss(|| {
        let small = Builder::new().stack_size(48 * 1024);
        let mut all: Vec<_> = (0..many(10_000, 30_u64))
            .map(|id| {
                let body = move |co: &Pauser<u64, u64>, first| {
                    let mut sum = first;
                    let mut frame = black_box([id; 8]);
                    for _ in 0..3 {
                        sum += co.pause(sum ^ frame[3]);
                        black_box(&mut frame);
                    }
                    sum + frame.iter().sum::<u64>()
                };
                (small.clone().build(body).unwrap(), 0_u64)
            })
            .collect();
        let mut dice = Dice(40);
        for round in 0..4 {
            let mut order: Vec<usize> = (0..all.len()).collect();
            dice.shuffle(&mut order);
            for id in order {
                let value = dice.roll() >> 8;
                let (co, sum) = &mut all[id];
                *sum += value;
                let expected = match round {
                    3 => State::Complete(*sum + 8 * id as u64),
                    _ => State::Paused(*sum ^ id as u64),
                };
                assert_eq!(co.resume(value), expected);
            }
        }
    });
}

#[test]
fn a_paused_one_can_be_moved() {
    alone(|| {
        let mut co = Coroutine::new(|co: &Pauser<u32, u32>, first| {
            let local = first;
            let place = &raw const local;
            let next = co.pause(local);
            assert_eq!(place, &raw const local);
            local + next
        });
        assert_eq!(co.resume(1), State::Paused(1));
        let mut boxed = Box::new(Some(co));
        let mut moved = boxed.take().unwrap();
        drop(boxed);
        assert_eq!(moved.resume(2), State::Complete(3));
    });
}

#[test]
fn values_of_every_alignment_lie_right_in_the_frames() {
    alone(|| {
        let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
            for _ in 0..3 {
                let local = black_box(Aligned(3));
                assert_eq!((&raw const local).addr() % 128, 0);
                co.pause(());
                // Uses instructions that fault when the frame is not aligned.
                assert_eq!(format!("{:.3} {:?}", black_box(1.5_f64), local), "1.500 Aligned(3)");
            }
        });
        for _ in 0..4 {
            co.resume(());
        }
    });
}

#[test]
fn one_resumer_can_take_over_from_another() {
    without_loss(|| {
        let shared = Rc::new(RefCell::new(Coroutine::new(|co: &Pauser<u32, u32>, first| {
            let second = co.pause(first);
            let third = co.pause(second);
            first + second + third
        })));
        let resumer = |value| {
            let shared = shared.clone();
            Coroutine::new(move |co: &Pauser<(), u32>, ()| {
                let out = shared.borrow_mut().resume(value).paused().unwrap();
                co.pause(out);
            })
        };
        let mut first = resumer(1);
        assert_eq!(first.resume(()), State::Paused(1));
        let mut second = resumer(2);
        assert_eq!(second.resume(()), State::Paused(2));
        drop(first);
        // The second resumer is paused still while the thread itself goes on with it.
        assert_eq!(shared.borrow_mut().resume(3), State::Complete(6));
        assert_eq!(second.resume(()), State::Complete(()));
    });
}

#[test]
fn a_sieve_of_500_coroutines_finds_500_primes() {
    type Filter = Coroutine<(), u32, Infallible>;

    fn filter(prime: u32, mut before: Filter) -> Filter {
        let body = move |co: &Pauser<(), u32>, ()| {
            loop {
                let State::Paused(n) = before.resume(());
                if n % prime != 0 {
                    co.pause(n);
                }
            }
        };
        Builder::new().stack_size(48 * 1024).build(body).unwrap()
    }

    without_loss(|| {
        let mut chain: Filter = Coroutine::new(|co: &Pauser<(), u32>, ()| {
            let mut n = 2;
            loop {
                co.pause(n);
                n += 1;
            }
        });
        let mut primes = Vec::new();
        let most = many(500, 12);
        while primes.len() < most {
            let State::Paused(prime) = chain.resume(());
            primes.push(prime);
            chain = filter(prime, chain);
        }
        assert_eq!(primes[..5], [2, 3, 5, 7, 11]);
        assert_eq!(primes[most - 1], many(3571, 37));
    });
}

#[test]
fn five_hundred_nested_pause_and_end() {
    fn nest(depth: u32, tally: Tally) -> Coroutine<u32, u32, u32> {
        let body = move |co: &Pauser<u32, u32>, first: u32| {
            let _here = tally.witness(depth);
            if depth == 0 {
                return co.pause(first);
            }
            let mut inner = nest(depth - 1, tally.clone());
            let out = inner.resume(first + 1).paused().unwrap();
            let next = co.pause(out);
            inner.resume(next).complete().unwrap() + 1
        };
        Builder::new().stack_size(48 * 1024).build(body).unwrap()
    }

    without_loss(|| {
        let tally = Tally::default();
        let depth = many(500, 20);
        let mut co = nest(depth, tally.clone());
        assert_eq!(co.resume(0), State::Paused(depth));
        assert_eq!(tally.alive(), depth as usize + 1);
        assert_eq!(co.resume(9), State::Complete(depth + 9));
        assert_eq!(tally.alive(), 0);

        tally.gone();
        let mut dropped = nest(depth, tally.clone());
        dropped.resume(0);
        drop(dropped);
        // Each drops the one below it before its own witness.
        assert_eq!(tally.gone(), (0..=depth).map(|i| i.to_string()).collect::<Vec<_>>());
    });
}

#[test]
fn a_coroutine_can_make_end_and_return_others() {
    alone(|| {
        let mut maker = Coroutine::new(|co: &Pauser<u32, Coroutine<u32, u32, u32>>, mut seed| {
            for _ in 0..3 {
                let kept = seed;
                seed = co.pause(Coroutine::new(move |co: &Pauser<u32, u32>, x| co.pause(kept + x)));
            }
        });
        let mut made: Vec<_> = (1..=3).map(|seed| maker.resume(seed).paused().unwrap()).collect();
        assert_eq!(maker.resume(0).complete().map(drop), Some(()));
        drop(maker);
        for (co, seed) in made.iter_mut().zip(1..) {
            assert_eq!(co.resume(10), State::Paused(10 + seed));
            assert_eq!(co.resume(20), State::Complete(20));
        }
    });
}

#[test]
fn a_paused_one_passes_through_another_as_a_value() {
    type Passed = Coroutine<u32, u32, u32>;
    without_loss(|| {
        let mut carrier = Coroutine::new(|co: &Pauser<Passed, Passed>, mut passed: Passed| {
            assert_eq!(passed.resume(2), State::Paused(2));
            let mut passed = co.pause(passed);
            assert_eq!(passed.resume(4), State::Paused(4));
            passed
        });
        let mut passed = Coroutine::new(|co: &Pauser<u32, u32>, first| {
            let mut last = first;
            for _ in 0..4 {
                last = co.pause(last);
            }
            last
        });
        passed.resume(1);
        let mut passed = carrier.resume(passed).paused().unwrap();
        assert_eq!(passed.resume(3), State::Paused(3));
        let mut passed = carrier.resume(passed).complete().unwrap();
        drop(carrier);
        assert_eq!(passed.resume(5), State::Complete(5));
    });
}

/// Runs and drops coroutines whose closures capture this many bytes.
fn capture<const N: usize>() {
    let tally = Tally::default();
    let make = || {
        let (bytes, witness) = ([0xA5_u8; N], tally.witness("captured"));
        Coroutine::new(move |co: &Pauser<u64, u64>, first| {
            let _witness = witness;
            let second = co.pause(first + bytes[N - 1] as u64);
            second + bytes.iter().map(|&byte| byte as u64).sum::<u64>()
        })
    };
    let mut co = make();
    assert_eq!(co.resume(1), State::Paused(0xA6));
    assert_eq!(co.resume(2), State::Complete(2 + 0xA5 * N as u64));
    let mut paused = make();
    paused.resume(1);
    drop((paused, make()));
    assert_eq!(tally.gone().len(), 3);
    assert_eq!(tally.alive(), 0);
}

#[test]
fn closures_of_all_sizes_work() {
    without_loss(|| {
        capture::<1>();
        // Around the size from which closures are boxed.
        capture::<1000>();
        capture::<1008>();
        capture::<1016>();
        capture::<1024>();
        capture::<2048>();
        capture::<{ many(40 * 1024, 4 * 1024) }>();
    });
}

#[test]
fn a_closure_that_is_too_large_is_an_error_and_is_dropped() {
    without_loss(|| {
        let tally = Tally::default();
        let (bytes, witness) = ([1_u8; 20_000], tally.witness("captured"));
        let small = Builder::new().stack_size(48 * 1024);
        let error = small.build(move |_: &Pauser<(), ()>, ()| (bytes[0], &witness.name).0);
        let Err(SpawnError::ClosureTooLarge { closure, room }) = error else {
            panic!("{error:?}");
        };
        assert!(closure >= 20_000 && room == 16 * 1024, "{closure} {room}");
        assert_eq!(tally.gone(), ["captured"]);
    });
}

#[test]
#[cfg_attr(miri, ignore = "frames are not in the slot there")]
fn a_closure_as_large_as_allowed_has_room_to_run() {
    const TEST: &str = "a_closure_as_large_as_allowed_has_room_to_run";
    let output = child(TEST, || {
        fn fill<const N: usize>(builder: Builder) {
            let bytes = [3_u8; N];
            let co = builder.build(move |co: &Pauser<(), ()>, ()| {
                co.pause(());
                bytes.iter().map(|&byte| byte as usize).sum::<usize>()
            });
            let mut co = co.unwrap();
            co.resume(());
            assert_eq!(co.resume(()), State::Complete(3 * N));
        }
        fill::<{ 16 * 1024 }>(Builder::new().stack_size(48 * 1024));
        fill::<{ 64 * 1024 }>(Builder::new());
    });
    assert_exited(&output, 0);
}

#[test]
fn over_aligned_closures_lie_at_their_alignment() {
    without_loss(|| {
        #[repr(align(64))]
        struct By64(u8);
        #[repr(align(4096))]
        struct By4096(u8);
        let (by64, by128, by4096) = (By64(1), Aligned(2), By4096(3));
        // Addresses are looked at inside: the closure is moved before it runs.
        let mut a = Coroutine::new(move |co: &Pauser<(), usize>, ()| {
            co.pause((&raw const by64).addr() % 64);
            by64.0 as usize
        });
        let mut b = Coroutine::new(move |co: &Pauser<(), usize>, ()| {
            co.pause((&raw const by128).addr() % 128);
            by128.0 as usize
        });
        let mut c = Coroutine::new(move |co: &Pauser<(), usize>, ()| {
            co.pause((&raw const by4096).addr() % 4096);
            by4096.0 as usize
        });
        for (co, value) in [(&mut a, 1), (&mut b, 2), (&mut c, 3)]
            as [(&mut Coroutine<(), usize, usize>, usize); 3]
        {
            assert_eq!(co.resume(()), State::Paused(0));
            assert_eq!(co.resume(()), State::Complete(value));
        }
    });
}

#[test]
#[cfg_attr(miri, ignore = "counts in a thread-local, and each coroutine has its own there")]
fn captures_of_zero_size_are_dropped_once() {
    alone(|| {
        struct Nothing;
        impl Drop for Nothing {
            fn drop(&mut self) {
                DROPS.set(DROPS.get() + 1);
            }
        }
        thread_local!(static DROPS: Cell<u32> = const { Cell::new(0) });
        for resumes in 0..3 {
            let nothing = Nothing;
            let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
                let _nothing = &nothing;
                co.pause(());
            });
            for _ in 0..resumes {
                co.resume(());
            }
            assert_eq!(DROPS.take(), u32::from(resumes == 2));
            drop(co);
            assert_eq!(DROPS.take(), u32::from(resumes != 2));
        }
    });
}

#[test]
fn a_panic_comes_out_of_resume_once_with_its_payload() {
    without_loss(|| {
        #[derive(Debug, PartialEq)]
        struct Mine(u32);
        let payload = Box::new(Mine(7));
        let place = &raw const *payload;
        let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            co.pause(());
            resume_unwind(payload);
        });
        co.resume(());
        let caught = panic_of(|| co.resume(())).downcast::<Mine>().unwrap();
        assert_eq!(*caught, Mine(7));
        assert_eq!(&raw const *caught, place, "the very same box");
        assert!(!std::thread::panicking());
        assert_eq!(co.status(), Status::Panicked);
        assert_eq!(co.try_resume(()), Err(()));
        drop(co);
    });
}

#[test]
fn a_panic_unwinds_the_body_before_it_comes_out() {
    without_loss(|| {
        let tally = Tally::default();
        let mut co = Coroutine::new({
            let tally = tally.clone();
            move |co: &Pauser<(), ()>, ()| {
                let _outer = tally.witness("outer");
                co.pause(());
                let _inner = tally.witness("inner");
                panic_any("now");
            }
        });
        co.resume(());
        assert_eq!(panic_text(|| co.resume(())), "now");
        assert_eq!(tally.gone(), ["inner", "outer"]);
    });
}

#[test]
fn a_panic_passes_nested_coroutines_is_caught_in_the_middle_and_goes_on() {
    without_loss(|| {
        let tally = Tally::default();
        let log = Rc::new(RefCell::new(Vec::new()));

        fn nest(
            depth: u32,
            tally: Tally,
            log: Rc<RefCell<Vec<String>>>,
        ) -> Coroutine<(), u32, u32> {
            Coroutine::new(move |co: &Pauser<(), u32>, ()| {
                let _here = tally.witness(depth);
                if depth == 0 {
                    co.pause(0);
                    panic_any("from the innermost".to_owned());
                }
                let mut inner = nest(depth - 1, tally.clone(), log.clone());
                let out = inner.resume(()).paused().unwrap();
                co.pause(out + 1);
                let caught = catch_unwind(AssertUnwindSafe(|| inner.resume(())));
                assert!(!std::thread::panicking());
                log.borrow_mut().push(format!("{depth}: {:?}", inner.status()));
                match caught {
                    Ok(state) => state.complete().unwrap() + 1,
                    // The middle one keeps it; it can pause afterwards as before.
                    Err(_) if depth == 5 => {
                        co.pause(500);
                        500
                    }
                    Err(payload) => resume_unwind(payload),
                }
            })
        }

        let mut co = nest(8, tally.clone(), log.clone());
        assert_eq!(co.resume(()), State::Paused(8));
        // Depth 5 pauses to depth 6, which expected the end of it: unwrap panics up there.
        let text = panic_text(|| co.resume(()));
        assert!(text.contains("None"), "{text}");
        assert_eq!(tally.alive(), 0);
        assert_eq!(
            *log.borrow(),
            [
                "1: Panicked",
                "2: Panicked",
                "3: Panicked",
                "4: Panicked",
                "5: Panicked",
                "6: Paused",
                "7: Panicked",
                "8: Panicked"
            ],
        );
    });
}

#[test]
fn a_body_may_catch_panics_and_go_on() {
    alone(|| {
        let mut co = Coroutine::new(|co: &Pauser<u32, String>, first| {
            let mut value = first;
            for _ in 0..3 {
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    value = co.pause(format!("before {value}"));
                    panic_any(value);
                }));
                let caught = caught.unwrap_err().downcast::<u32>().unwrap();
                value = co.pause(format!("caught {caught}"));
            }
        });
        for i in 0..3 {
            assert_eq!(co.resume(2 * i), State::Paused(format!("before {}", 2 * i)));
            assert_eq!(co.resume(2 * i + 1), State::Paused(format!("caught {}", 2 * i + 1)));
        }
        assert_eq!(co.resume(0), State::Complete(()));
    });
}

#[test]
fn a_body_may_pause_inside_catch_unwind() {
    alone(|| {
        let mut co = Coroutine::new(|co: &Pauser<u32, u32>, first| {
            catch_unwind(AssertUnwindSafe(|| co.pause(first) + co.pause(0))).unwrap()
        });
        assert_eq!(co.resume(1), State::Paused(1));
        assert_eq!(co.resume(2), State::Paused(0));
        assert_eq!(co.resume(3), State::Complete(5));
    });
}

#[test]
fn dropping_a_paused_one_runs_every_destructor_once_innermost_first() {
    fn frames(depth: u32, tally: &Tally, co: &Pauser<Witness, ()>) {
        let _first = tally.witness(format!("{depth} first"));
        let _second = tally.witness(format!("{depth} second"));
        if depth == 0 {
            co.pause(());
            unreachable!("it is dropped here");
        }
        frames(depth - 1, tally, co);
    }

    without_loss(|| {
        let tally = Tally::default();
        let captured = tally.witness("captured");
        let counter = tally.clone();
        let mut co = Coroutine::new(move |co: &Pauser<Witness, ()>, argument| {
            let _captured = captured;
            let _argument: Witness = argument;
            frames(2, &counter, co);
        });
        co.resume(tally.witness("argument"));
        assert_eq!(tally.alive(), 8);
        drop(co);
        assert_eq!(
            tally.gone(),
            [
                "0 second", "0 first", "1 second", "1 first", "2 second", "2 first", "argument",
                "captured"
            ],
        );
        assert_eq!(tally.alive(), 0);
    });
}

#[test]
fn dropping_one_that_never_ran_drops_its_captures_and_runs_nothing() {
    without_loss(|| {
        let tally = Tally::default();
        let captured = tally.witness("captured");
        let co = Coroutine::new(move |_: &Pauser<(), ()>, ()| -> () {
            let _captured = &captured;
            unreachable!("it is never resumed");
        });
        drop(co);
        assert_eq!(tally.gone(), ["captured"]);

        let captured = tally.witness("captured");
        let mut co = Coroutine::new(move |_: &Pauser<(), ()>, ()| -> () {
            let _captured = &captured;
            unreachable!("it is never resumed");
        });
        co.cancel();
        assert_eq!(tally.gone(), ["captured"]);
        drop(co);
        assert_eq!(tally.alive(), 0);
    });
}

#[test]
fn a_capture_whose_destructor_panics_costs_no_stack() {
    without_loss(|| {
        let tally = Tally::default();
        let make = || {
            let bad = OnDrop(|| resume_unwind(Box::new("from a capture")));
            let (before, after) = (tally.witness("before"), tally.witness("after"));
            Coroutine::new(move |_: &Pauser<(), ()>, ()| {
                let _captures = (&before, &bad, &after);
            })
        };
        let (dropped, mut cancelled) = (make(), make());
        assert_eq!(panic_text(|| drop(dropped)), "from a capture");
        assert_eq!(panic_text(|| cancelled.cancel()), "from a capture");
        assert_eq!(cancelled.status(), Status::Cancelled);
        drop(cancelled);
        assert_eq!(tally.alive(), 0);
    });
}

#[test]
fn dropping_many_paused_ones_drops_each_once() {
    without_loss(|| {
        let tally = Tally::default();
        let most = many(10_000, 30);
        let mut all: Vec<_> = (0..most)
            .map(|id| {
                let tally = tally.clone();
                let body = move |co: &Pauser<(), ()>, ()| {
                    let _here = tally.witness(id);
                    co.pause(());
                };
                Builder::new().stack_size(48 * 1024).build(body).unwrap()
            })
            .collect();
        all.iter_mut().for_each(|co| assert_eq!(co.resume(()), State::Paused(())));
        assert_eq!(tally.alive(), most);
        drop(all);
        assert_eq!(tally.alive(), 0);
        assert_eq!(tally.gone().len(), most);
    });
}

/// A coroutine that is paused from inside a scoped one, twice, and goes on there.
fn paused_from_inside(tally: &Tally) -> Coroutine<u32, u32, u32> {
    let tally = tally.clone();
    Coroutine::new(move |outer: &Pauser<u32, u32>, first| {
        let _outer = tally.witness("outer");
        let inner_body = |inner: &Pauser<(), u32>, ()| {
            let _inner = tally.witness("inner");
            let second = outer.pause(first + 1);
            inner.pause(second);
            outer.pause(second + 1)
        };
        Coroutine::scoped(inner_body).enter(|inner| {
            let second = inner.resume(()).paused().unwrap();
            let third = inner.resume(()).complete().unwrap();
            let fourth = outer.pause(100);
            first + second + third + fourth
        })
    })
}

#[test]
fn an_outer_one_paused_from_an_inner_one_goes_on_there() {
    without_loss(|| {
        let tally = Tally::default();
        let mut co = paused_from_inside(&tally);
        assert_eq!(co.resume(1), State::Paused(2));
        assert_eq!(tally.alive(), 2);
        assert_eq!(co.status(), Status::Paused);
        assert_eq!(co.resume(20), State::Paused(21));
        assert_eq!(co.resume(300), State::Paused(100));
        assert_eq!(tally.gone(), ["inner"]);
        assert_eq!(co.resume(4000), State::Complete(4321));
        assert_eq!(tally.alive(), 0);
    });
}

#[test]
fn an_outer_one_paused_from_an_inner_one_unwinds_both_innermost_first() {
    without_loss(|| {
        for pauses in 1..=2 {
            for cancel in [false, true] {
                let tally = Tally::default();
                let mut co = paused_from_inside(&tally);
                for i in 0..pauses {
                    co.resume(i);
                }
                if cancel {
                    co.cancel();
                    assert_eq!(co.status(), Status::Cancelled);
                } else {
                    drop(co);
                }
                assert_eq!(tally.gone(), ["inner", "outer"]);
            }
        }
    });
}

#[test]
fn an_outer_one_paused_from_an_inner_one_can_be_forgotten() {
    alone(|| {
        let (tally, before) = (Tally::default(), live());
        let mut co = paused_from_inside(&tally);
        co.resume(1);
        std::mem::forget(co);
        assert_eq!((tally.alive(), live()), (2, before + 2));
        // What comes after gets other stacks.
        let mut other = paused_from_inside(&Tally::default());
        assert_eq!(other.resume(1), State::Paused(2));
        drop(other);
        assert_eq!((tally.alive(), live()), (2, before + 2));
    });
}

#[test]
fn the_middle_one_of_five_can_be_paused_by_the_innermost() {
    without_loss(|| {
        let mut top = Coroutine::new(|a: &Pauser<u32, u32>, first: u32| {
            Coroutine::scoped(|b: &Pauser<u32, u32>, x: u32| {
                Coroutine::scoped(|c: &Pauser<u32, u32>, x: u32| {
                    stack::grow(64 << 10, || {
                        Coroutine::scoped(|d: &Pauser<u32, u32>, x: u32| {
                            // Everybody in any order, always from the innermost.
                            let mut sum = x;
                            sum += a.pause(1);
                            sum += c.pause(3);
                            sum += d.pause(4);
                            sum += b.pause(2);
                            sum += d.pause(4);
                            sum += a.pause(1);
                            sum + b.pause(2)
                        })
                        .enter(|d| {
                            let mut state = d.resume(x);
                            while let State::Paused(out) = state {
                                assert_eq!(out, 4);
                                state = d.resume(10_000);
                            }
                            state.complete().unwrap()
                        })
                    })
                })
                .enter(|c| {
                    let mut state = c.resume(x);
                    while let State::Paused(out) = state {
                        assert_eq!(out, 3);
                        state = c.resume(1_000);
                    }
                    state.complete().unwrap()
                })
            })
            .enter(|b| {
                let mut state = b.resume(first);
                while let State::Paused(out) = state {
                    assert_eq!(out, 2);
                    state = b.resume(100);
                }
                state.complete().unwrap()
            })
        });
        assert_eq!(top.resume(5), State::Paused(1));
        assert_eq!(top.resume(10), State::Paused(1));
        assert_eq!(top.resume(10), State::Complete(21_225));
    });
}

#[test]
fn a_pause_inside_a_grown_stack_comes_back_there() {
    without_loss(|| {
        let tally = Tally::default();
        let make = |tally: Tally| {
            Coroutine::new(move |co: &Pauser<u32, u32>, first| {
                stack::grow(1 << 20, || {
                    let _here = tally.witness("grown");
                    let big = black_box([1_u8; 400_000]);
                    co.pause(first) + u32::from(big[399_999])
                })
            })
        };
        let mut co = make(tally.clone());
        assert_eq!(co.resume(1), State::Paused(1));
        assert_eq!(co.resume(2), State::Complete(3));
        let mut dropped = make(tally.clone());
        dropped.resume(1);
        drop(dropped);
        assert_eq!(tally.gone(), ["grown", "grown"]);
    });
}

#[test]
fn a_scoped_one_borrows_mutably_and_gives_back() {
    without_loss(|| {
        let mut list = vec![1];
        let length = Coroutine::scoped(|co: &Pauser<&str, usize>, mut word: &str| {
            while !word.is_empty() {
                list.push(word.len());
                word = co.pause(list.len());
            }
            list.len()
        })
        .enter(|co| {
            assert_eq!(co.status(), Status::Ready);
            assert_eq!(co.resume("ab"), State::Paused(2));
            assert_eq!(co.resume("abc"), State::Paused(3));
            let length = co.resume("").complete().unwrap();
            assert_eq!(co.try_resume("late"), Err("late"));
            length
        });
        assert_eq!((length, list), (3, vec![1, 2, 3]));
    });
}

#[test]
fn a_scoped_one_has_ended_when_enter_is_left() {
    without_loss(|| {
        let tally = Tally::default();
        for resumes in 0..3 {
            for leave_by_panic in [false, true] {
                let captured = tally.witness("captured");
                let scoped = Coroutine::scoped(|co: &Pauser<(), ()>, ()| {
                    let _captured = captured;
                    let _here = tally.witness("here");
                    co.pause(());
                });
                let left = catch_unwind(AssertUnwindSafe(|| {
                    scoped.enter(|co| {
                        for _ in 0..resumes {
                            co.resume(());
                        }
                        if leave_by_panic {
                            resume_unwind(Box::new("leave"));
                        }
                    });
                }));
                assert_eq!(left.is_err(), leave_by_panic);
                let gone = tally.gone();
                assert_eq!(gone.last().unwrap(), "captured");
                assert_eq!(gone.len(), if resumes == 0 { 1 } else { 2 });
                assert_eq!(tally.alive(), 0);
            }
        }
    });
}

#[test]
fn a_scoped_one_may_be_cancelled_and_may_panic() {
    without_loss(|| {
        let count = Cell::new(0);
        let body = |co: &Pauser<bool, ()>, fail| {
            let _ended = OnDrop(|| count.set(count.get() + 1));
            if fail || co.pause(()) {
                resume_unwind(Box::new("on purpose"));
            }
        };
        Coroutine::scoped(body).enter(|co| {
            co.resume(false);
            co.cancel();
            assert_eq!(co.status(), Status::Cancelled);
            assert_eq!(count.get(), 1);
        });
        Coroutine::scoped(body).enter(|co| {
            co.resume(false);
            assert_eq!(panic_text(|| co.resume(true)), "on purpose");
            assert_eq!(co.status(), Status::Panicked);
            assert!(panic_text(|| co.resume(true)).contains("Panicked"));
        });
        assert_eq!(count.get(), 2);
    });
}

#[test]
fn a_scoped_one_that_was_never_entered_drops_its_captures() {
    alone(|| {
        let tally = Tally::default();
        let captured = tally.witness("captured");
        drop(Coroutine::scoped(move |_: &Pauser<(), ()>, ()| drop(captured)));
        assert_eq!(tally.gone(), ["captured"]);
    });
}

#[test]
fn scoped_ones_in_scoped_ones_share_what_they_borrow() {
    without_loss(|| {
        let log = RefCell::new(Vec::new());
        Coroutine::scoped(|a: &Pauser<(), ()>, ()| {
            log.borrow_mut().push("a");
            Coroutine::scoped(|b: &Pauser<(), ()>, ()| {
                log.borrow_mut().push("b");
                b.pause(());
                log.borrow_mut().push("b again");
            })
            .enter(|b| {
                b.resume(());
                a.pause(());
                b.resume(());
            });
        })
        .enter(|a| {
            a.resume(());
            log.borrow_mut().push("between");
            a.resume(());
        });
        assert_eq!(*log.borrow(), ["a", "b", "between", "b again"]);
    });
}

#[test]
fn enter_gives_the_error_and_runs_nothing() {
    alone(|| {
        let tally = Tally::default();
        let captured = tally.witness("captured");
        let scoped = Builder::new().stack_size(1).scoped(|_: &Pauser<(), ()>, ()| drop(captured));
        let error = scoped.try_enter(|_| unreachable!("there is no coroutine"));
        assert!(matches!(error, Err(SpawnError::TooSmall { asked: 1, .. })));
        assert_eq!(tally.gone(), ["captured"]);
        let scoped = Builder::new().stack_size(1).scoped(|_: &Pauser<(), ()>, ()| ());
        assert!(panic_text(|| scoped.enter(|_| ())).contains("too small"));
    });
}

#[test]
fn no_pause_refuses_and_names_both_lines() {
    without_loss(|| {
        let mut co = Builder::new()
            .name("binding")
            .build(|co: &Pauser<(), u32>, ()| {
                let text = panic_text(|| no_pause(|| co.pause(0)));
                let (pause, open) = (line!() - 1, line!() - 1);
                assert!(text.contains("no_pause") && text.contains("binding"), "{text}");
                let text = text.replace(&format!("{}:{pause}:", file!()), "HERE:");
                assert_eq!(text.matches("HERE:").count(), 2, "{text} {open}");
                // Refused and not harmed: outside it pauses as ever.
                co.pause(1);
                assert_eq!(no_pause(|| 5), 5);
                co.pause(2);
            })
            .unwrap();
        assert_eq!(co.resume(()), State::Paused(1));
        assert_eq!(co.resume(()), State::Paused(2));
        assert_eq!(co.resume(()), State::Complete(()));
    });
}

#[test]
fn no_pause_in_no_pause_counts_and_names_the_innermost() {
    alone(|| {
        let mut co = Coroutine::new(|co: &Pauser<(), u32>, ()| {
            let outer = line!() + 1;
            no_pause(|| {
                let inner = line!() + 1;
                let text = panic_text(|| no_pause(|| co.pause(0)));
                assert!(text.contains(&format!("{}:{inner}:", file!())), "{text}");
                // The inner one is left; the outer one still holds.
                let text = panic_text(|| co.pause(0));
                assert!(text.contains(&format!("{}:{outer}:", file!())), "{text}");
            });
            co.pause(1);
            let unwound = panic_text(|| no_pause(|| resume_unwind(Box::new("through"))));
            assert_eq!(unwound, "through");
            co.pause(2);
        });
        assert_eq!(co.resume(()), State::Paused(1));
        assert_eq!(co.resume(()), State::Paused(2));
        assert_eq!(co.resume(()), State::Complete(()));
    });
}

#[test]
fn no_pause_does_not_concern_what_pauses_inside_it() {
    without_loss(|| {
        let mut co = Coroutine::new(|co: &Pauser<(), u32>, ()| {
            let sum = no_pause(|| {
                let mut inner = Coroutine::new(|co: &Pauser<u32, u32>, x| co.pause(x) + 1);
                assert_eq!(inner.resume(1), State::Paused(1));
                let sum: u32 = Generator::new(|out: &Outlet<u32>| out.pause_all(1..=3)).sum();
                let mut paused = Generator::new(|out: &Outlet<u32>| out.pause_all(1..));
                assert_eq!(paused.next(), Some(1));
                sum + inner.resume(2).complete().unwrap()
            });
            co.pause(sum);
        });
        assert_eq!(co.resume(()), State::Paused(9));
        assert_eq!(co.resume(()), State::Complete(()));
    });
}

#[test]
fn no_pause_on_an_outer_one_holds_for_all_inside() {
    without_loss(|| {
        let mut outer = Coroutine::new(|outer: &Pauser<(), u32>, ()| {
            Coroutine::scoped(|inner: &Pauser<(), u32>, ()| {
                let text = panic_text(|| outer.pause(0));
                assert!(text.contains("no_pause"), "{text}");
                let text = panic_text(|| stack::grow(64 << 10, || outer.pause(0)));
                assert!(text.contains("no_pause"), "{text}");
                inner.pause(1);
                outer.pause(2);
                inner.pause(3);
            })
            .enter(|inner| {
                assert_eq!(no_pause(|| inner.resume(())), State::Paused(1));
                assert_eq!(inner.resume(()), State::Paused(3));
            });
            stack::grow(64 << 10, || {
                let text = panic_text(|| no_pause(|| outer.pause(0)));
                assert!(text.contains("no_pause"), "{text}");
                outer.pause(4);
            });
        });
        assert_eq!(outer.resume(()), State::Paused(2));
        assert_eq!(outer.resume(()), State::Paused(4));
        assert_eq!(outer.resume(()), State::Complete(()));
    });
}

#[test]
fn no_pause_outside_every_coroutine_changes_nothing() {
    alone(|| {
        let mut co = Coroutine::new(|co: &Pauser<(), u32>, ()| co.pause(1));
        assert_eq!(no_pause(|| co.resume(())), State::Paused(1));
        assert_eq!(no_pause(|| no_pause(|| 3)), 3);
        no_pause(|| drop(co));
    });
}
