//! The event loop: what `run` promises, how to embed it, how it ends, in which order it does things, what its
//! virtual clock and its deadlock report say.

#![allow(
    clippy::redundant_closure,
    clippy::unit_arg,
    reason = "a function that is passed by name is called from elsewhere; short scenarios"
)]

mod support;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, panic_any, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use segno::{
    CancelKind, Clock, DeadlockReport, EventLoop, JoinHandle, LoopClosed, LoopHandle, RunError,
    SpawnError, Waker,
};

use support::{
    Dice, OnDrop, Tally, alone, in_time, panic_of, panic_text, reason_of, reports, virtually,
    while_unwinding,
};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

#[track_caller]
fn deadlock_of<T: std::fmt::Debug>(result: Result<T, RunError>) -> DeadlockReport {
    match result {
        Err(RunError::Deadlock(report)) => report,
        other => panic!("it was to be a deadlock, and is {other:?}"),
    }
}

// ---- run

#[test]
fn run_borrows_and_returns() {
    in_time(|| {
        let mut bars = vec![3, 1, 2];
        let words = String::from("outside");
        let borrowed = segno::run(|| {
            bars.sort();
            segno::yield_now();
            words.as_str()
        });
        assert_eq!((borrowed, bars), ("outside", vec![1, 2, 3]));
    });
}

#[test]
fn a_panic_of_the_closure_comes_out_unchanged_and_the_others_are_ended() {
    in_time(|| {
        let tally = Tally::default();
        let payload = panic_of(|| {
            segno::run(|| {
                let witness = tally.witness("left behind");
                drop(segno::spawn(move || {
                    let _witness = witness;
                    segno::sleep(Duration::MAX);
                }));
                segno::yield_now();
                panic_any(42_u64);
            })
        });
        assert_eq!(payload.downcast_ref(), Some(&42_u64));
        assert_eq!(tally.alive(), 0);
        let mut events = virtually();
        let other = events.spawn(|| {
            segno::sleep(SECOND);
            1
        });
        assert_eq!(panic_text(|| events.run(|| panic!("only this one"))), "only this one");
        assert_eq!(events.run(|| other.join().unwrap()).unwrap(), 1);
        events.shutdown();
    });
}

#[test]
fn what_run_leaves_behind_is_cancelled_and_has_ended_when_it_returns() {
    in_time(|| {
        let seen = Rc::new(RefCell::new(Vec::new()));
        segno::run(|| {
            for name in ["started", "not started"] {
                let seen = seen.clone();
                let witness = OnDrop(move || seen.borrow_mut().push(name));
                drop(segno::spawn(move || {
                    let _witness = witness;
                    segno::pause();
                }));
                if name == "started" {
                    segno::yield_now();
                }
            }
        });
        seen.borrow_mut().sort();
        assert_eq!(*seen.borrow(), ["not started", "started"]);
    });
}

#[test]
fn run_inside_a_task_panics_and_harms_nothing() {
    in_time(|| {
        let sum = segno::run(|| {
            let told = panic_text(|| segno::run(|| ()));
            assert!(told.contains("inside a task") && told.contains("event_loop.rs"), "{told}");
            let mut other = virtually();
            for told in [
                panic_text(|| other.run(|| ())),
                panic_text(|| other.turn()),
                panic_text(|| other.run_until_idle()),
                panic_text(|| virtually().shutdown()),
            ] {
                assert!(told.contains("inside a task"), "{told}");
            }
            drop(other);
            let mut co = segno::Coroutine::new(|_: &segno::Pauser<(), ()>, ()| {
                panic_text(|| segno::run(|| ()))
            });
            assert!(co.resume(()).complete().unwrap().contains("inside a task"));
            segno::spawn(|| 3).join().unwrap() + segno::scope(|s| s.spawn(|| 4).join().unwrap())
        });
        assert_eq!(sum, 7);
    });
}

#[test]
fn nothing_runs_while_a_panic_unwinds() {
    alone(|| {
        let mut events = virtually();
        let task = events.spawn(|| 1);
        let (told, reported) = reports(|| {
            while_unwinding(|| {
                [
                    panic_text(|| segno::run(|| ())),
                    panic_text(|| events.run(|| ())),
                    panic_text(|| events.turn()),
                ]
            })
        });
        for told in told {
            assert!(told.contains("while a panic unwinds"), "{told}");
        }
        assert_eq!(reported.len(), 3, "in a destructor the message is all that is seen");
        events.run_until_idle();
        assert_eq!(task.join().unwrap(), 1);
    });
}

#[test]
fn a_loop_is_kept_across_several_runs() {
    in_time(|| {
        let mut events = virtually();
        let ticks = Rc::new(Cell::new(0));
        let theirs = ticks.clone();
        let _ticker = events.spawn(move || {
            loop {
                segno::sleep(SECOND);
                theirs.set(theirs.get() + 1);
            }
        });
        for round in 1..=5 {
            events.run(|| segno::sleep(2 * SECOND)).unwrap();
            assert_eq!(events.tasks(), 1);
            assert!((2 * round - 1..=2 * round).contains(&ticks.get()), "{}", ticks.get());
        }
        events.shutdown();
        assert_eq!(Rc::strong_count(&ticks), 1);
    });
}

#[test]
fn spawning_before_the_loop_runs_is_allowed() {
    let mut events = virtually();
    let early = events.task("early").spawn(|| segno::current());
    assert_eq!(events.tasks(), 1);
    let current = events.run(|| early.join().unwrap()).unwrap();
    assert_eq!(current.name(), Some("early"));
    assert_eq!(events.tasks(), 0);
}

#[test]
fn the_closure_of_run_may_be_cancelled_only_by_a_stop() {
    let mut events = virtually();
    let handle = events.handle();
    let tally = Tally::default();
    let other = events.spawn(|| {
        segno::sleep(SECOND);
        7
    });
    let stopped = events.run(|| {
        let _frame = tally.witness("frame");
        handle.stop();
        segno::sleep(Duration::MAX);
    });
    assert!(matches!(stopped, Err(RunError::Stopped)), "{stopped:?}");
    assert!(stopped.unwrap_err().to_string().contains("stopped"));
    assert_eq!(tally.alive(), 0);
    assert_eq!(events.run(|| other.join().unwrap()).unwrap(), 7, "the others have stayed");
    let value = events.run(|| {
        handle.stop();
        8 // it has returned before it could hear of that
    });
    assert_eq!(value.unwrap(), 8);
    let told = panic_text(|| {
        segno::run(|| {
            segno::handle().stop();
            segno::sleep(Duration::MAX);
        })
    });
    assert!(told.contains("stopped") && told.contains("event_loop.rs"), "{told}");
}

#[test]
fn a_stop_that_comes_before_run_is_not_lost() {
    let mut events = virtually();
    for by_turn in [false, true] {
        events.handle().stop();
        if by_turn {
            events.turn(); // reads it while no closure runs
        }
        let begun = Cell::new(false);
        let stopped = events.run(|| begun.set(true));
        assert!(matches!(stopped, Err(RunError::Stopped)), "{stopped:?}");
        assert!(!begun.get());
        // It counts once.
        assert_eq!(events.run(|| segno::sleep(SECOND)).map_err(|error| error.to_string()), Ok(()));
    }
    let handle = events.handle();
    drop(events);
    handle.stop();
}

#[test]
fn a_stop_reaches_a_run_from_another_thread() {
    in_time(|| {
        let mut events = EventLoop::new();
        let handle = events.handle();
        let (sender, receiver) = mpsc::channel();
        let stopper = thread::spawn(move || {
            receiver.recv().unwrap();
            handle.stop();
        });
        let result = events.run(|| {
            sender.send(()).unwrap();
            segno::pause();
            segno::pause();
        });
        assert!(matches!(result, Err(RunError::Stopped)));
        stopper.join().unwrap();
    });
}

// ---- embedding

#[test]
fn a_turn_resumes_each_ready_task_once_and_says_whether_there_is_more() {
    let mut events = virtually();
    assert!(!events.turn());
    let count = Rc::new(Cell::new(0));
    for _ in 0..3 {
        let count = count.clone();
        let _task = events.spawn(move || {
            for _ in 0..2 {
                count.set(count.get() + 1);
                segno::yield_now();
            }
        });
    }
    assert!(events.turn());
    assert_eq!(count.get(), 3);
    assert!(events.turn());
    assert_eq!(count.get(), 6);
    assert!(!events.turn());
    assert_eq!(events.tasks(), 0);
}

#[test]
fn tasks_woken_in_a_turn_run_in_the_next() {
    let mut events = virtually();
    let log = Rc::new(RefCell::new(Vec::new()));
    let (a, b) = (log.clone(), log.clone());
    let waiting = Rc::new(Cell::new(None::<Waker>));
    let give = waiting.clone();
    let _sleeper = events.spawn(move || {
        give.set(Some(segno::waker()));
        segno::pause();
        a.borrow_mut().push("woken");
    });
    events.run_until_idle();
    let _waker = events.spawn(move || {
        waiting.take().unwrap().wake();
        b.borrow_mut().push("wakes");
        drop(segno::spawn(move || b.borrow_mut().push("spawned")));
    });
    assert!(events.turn());
    assert_eq!(*log.borrow(), ["wakes"]);
    assert!(!events.turn());
    assert_eq!(*log.borrow(), ["wakes", "woken", "spawned"]);
}

#[test]
fn turns_never_sleep_and_never_jump() {
    let mut events = virtually();
    let _sleeper = events.spawn(|| segno::sleep(3600 * SECOND));
    let start = events.now();
    events.run_until_idle();
    assert!(!events.turn());
    assert_eq!(events.now(), start);
    assert_eq!(events.next_deadline(), Some(start + 3600 * SECOND));
    assert_eq!(events.tasks(), 1);
    let mut real = EventLoop::new();
    let sleeper = real.spawn(|| segno::sleep(MS));
    let before = Instant::now();
    real.run_until_idle();
    let deadline = real.next_deadline().unwrap();
    assert!(deadline >= before + MS && deadline <= Instant::now() + MS);
    while !sleeper.is_finished() {
        real.turn();
    }
    assert!(Instant::now() >= deadline);
    assert_eq!(real.next_deadline(), None);
}

#[test]
fn next_deadline_is_the_nearest_that_still_stands() {
    let mut events = virtually();
    assert_eq!(events.next_deadline(), None);
    let start = events.now();
    let tasks: Vec<_> =
        [3, 1, 2].map(|n| events.spawn(move || segno::sleep(n * SECOND))).into_iter().collect();
    let _for_ever = events.spawn(|| segno::sleep(Duration::MAX));
    events.run_until_idle();
    assert_eq!(events.next_deadline(), Some(start + SECOND));
    tasks[1].cancel("not this one");
    events.run_until_idle();
    assert_eq!(events.next_deadline(), Some(start + 2 * SECOND));
    tasks[0].cancel("nor this");
    tasks[2].cancel("nor that");
    events.run_until_idle();
    assert_eq!(events.next_deadline(), None);
    let _limited = events.spawn(|| segno::timeout(SECOND, || segno::pause()));
    events.run_until_idle();
    assert_eq!(events.next_deadline(), Some(start + SECOND));
}

#[test]
fn on_wake_tells_once_until_the_loop_has_looked() {
    let told = Arc::new(AtomicUsize::new(0));
    let theirs = told.clone();
    let mut events = EventLoop::builder()
        .on_wake(move || {
            theirs.fetch_add(1, Ordering::Relaxed);
        })
        .build();
    let kept = Arc::new(Mutex::new(None));
    let give = kept.clone();
    let task = events.spawn(move || {
        *give.lock().unwrap() = Some(segno::waker());
        segno::pause();
    });
    events.run_until_idle();
    assert_eq!(told.load(Ordering::Relaxed), 0, "nothing has come from outside");
    let (waker, handle) = (kept.lock().unwrap().take().unwrap(), events.handle());
    thread::spawn(move || {
        waker.wake_by_ref();
        waker.wake();
        handle.post(|| ()).unwrap();
    })
    .join()
    .unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 1);
    assert!(events.turn() || task.is_finished());
    events.run_until_idle();
    assert!(task.is_finished());
    events.handle().post(|| ()).unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 2, "it has looked meanwhile");
    assert!(!events.turn());
    assert_eq!(events.tasks(), 0);
}

#[test]
fn a_wake_outside_any_turn_is_heard_in_the_next() {
    let mut events = virtually();
    let kept = Rc::new(Cell::new(None));
    let give = kept.clone();
    let task = events.spawn(move || {
        give.set(Some(segno::waker()));
        segno::pause();
    });
    events.run_until_idle();
    let waker: Waker = kept.take().unwrap();
    waker.wake();
    events.turn();
    assert!(task.is_finished());
}

// ---- handles

#[test]
fn closures_posted_from_other_threads_run_in_tasks_of_their_own() {
    in_time(|| {
        let mut events = EventLoop::new();
        let count = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (handle, count) = (events.handle(), count.clone());
                thread::spawn(move || {
                    for i in 0..100_usize {
                        let count = count.clone();
                        let add = move || {
                            assert!(segno::is_in_task());
                            segno::yield_now();
                            count.fetch_add(1, Ordering::Relaxed);
                            i
                        };
                        if i % 2 == 0 {
                            handle.post(move || assert_eq!(add(), i)).unwrap();
                        } else {
                            assert_eq!(handle.spawn(add).unwrap().join().unwrap(), i);
                        }
                    }
                })
            })
            .collect();
        events
            .run(|| {
                while count.load(Ordering::Relaxed) < 400 {
                    segno::sleep(MS);
                }
            })
            .unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_handle_of_a_loop_that_has_ended_gives_the_work_back_as_an_error() {
    let drops = Arc::new(AtomicUsize::new(0));
    let count = || {
        let drops = drops.clone();
        OnDrop(move || {
            drops.fetch_add(1, Ordering::Relaxed);
        })
    };
    let events = virtually();
    let handle: LoopHandle = events.handle();
    assert!(handle.is_open());
    drop(events);
    assert!(!handle.is_open());
    let captured = count();
    assert_eq!(handle.post(move || drop(captured)), Err(LoopClosed));
    let captured = count();
    assert!(handle.spawn(move || drop(captured)).is_err());
    assert_eq!(drops.load(Ordering::Relaxed), 2);
    handle.stop();
    assert!(LoopClosed.to_string().contains("ended"));
}

#[test]
fn what_was_posted_and_never_ran_is_dropped_and_its_joiner_told() {
    in_time(|| {
        for shutdown in [false, true] {
            let tally = Arc::new(AtomicUsize::new(0));
            let events = virtually();
            let tasks: Vec<_> = (0..10)
                .map(|_| {
                    let count = tally.clone();
                    let captured = OnDrop(move || {
                        count.fetch_add(1, Ordering::Relaxed);
                    });
                    events.handle().spawn(move || drop(captured)).unwrap()
                })
                .collect();
            let waits = thread::spawn(move || {
                tasks.into_iter().map(|task| reason_of(task.join()).kind()).collect::<Vec<_>>()
            });
            if shutdown {
                events.shutdown()
            } else {
                drop(events)
            }
            assert_eq!(waits.join().unwrap(), [CancelKind::Shutdown; 10]);
            assert_eq!(tally.load(Ordering::Relaxed), 10);
        }
    });
}

#[test]
fn threads_that_race_with_the_end_of_the_loop_are_all_answered() {
    in_time(|| {
        for round in 0..50 {
            let events = EventLoop::new();
            let ran = Arc::new(AtomicUsize::new(0));
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let (handle, ran) = (events.handle(), ran.clone());
                    thread::spawn(move || {
                        let mut answers = 0;
                        loop {
                            let ran = ran.clone();
                            match handle.spawn(move || ran.fetch_add(1, Ordering::Relaxed)) {
                                Ok(task) => answers += usize::from(task.join().is_ok()),
                                Err(LoopClosed) => return answers,
                            }
                        }
                    })
                })
                .collect();
            let mut events = events;
            events.run(|| segno::sleep(Duration::from_micros(100 * (round % 5)))).unwrap();
            drop(events);
            let answers: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
            assert_eq!(answers, ran.load(Ordering::Relaxed));
        }
    });
}

// ---- the end

#[test]
fn shutdown_honours_timers_in_clean_up_and_says_why() {
    in_time(|| {
        let mut events = virtually();
        let log = Rc::new(RefCell::new(Vec::new()));
        for i in 0..3_u32 {
            let log = log.clone();
            let _task = events.spawn(move || {
                let start = segno::now();
                let signal = catch_unwind(|| segno::sleep(Duration::MAX)).unwrap_err();
                segno::shield(|| segno::sleep(i * SECOND));
                log.borrow_mut().push((i, segno::now() - start));
                resume_unwind(signal);
            });
        }
        let waits = events.spawn(|| segno::pause());
        events.run_until_idle();
        let line = line!() + 1;
        events.shutdown();
        assert_eq!(*log.borrow(), [(0, Duration::ZERO), (1, SECOND), (2, 2 * SECOND)]);
        let reason = reason_of(waits.join());
        assert_eq!(reason.kind(), CancelKind::Shutdown);
        assert_eq!((reason.origin().file(), reason.origin().line()), (file!(), line));
    });
}

#[test]
fn clean_up_may_wait_for_other_tasks_that_end() {
    in_time(|| {
        let mut events = virtually();
        let last_words = Rc::new(Cell::new(0));
        let theirs = last_words.clone();
        let slow = events.spawn(|| {
            let signal = catch_unwind(|| segno::pause()).unwrap_err();
            segno::shield(|| segno::sleep(SECOND));
            let _ = signal;
            7
        });
        let _waits = events.spawn(move || {
            let signal = catch_unwind(|| segno::pause()).unwrap_err();
            theirs.set(segno::shield(|| slow.join().unwrap()));
            resume_unwind(signal);
        });
        events.run_until_idle();
        drop(events);
        assert_eq!(last_words.get(), 7);
    });
}

#[test]
fn tasks_spawned_while_the_loop_ends_never_run() {
    in_time(|| {
        let mut events = virtually();
        let tally = Tally::default();
        let t = tally.clone();
        let _task = events.spawn(move || {
            let signal = catch_unwind(|| segno::pause()).unwrap_err();
            for _ in 0..10 {
                let witness = t.witness("late");
                drop(segno::spawn(move || {
                    let _witness = witness;
                    unreachable!("the loop ends");
                }));
            }
            resume_unwind(signal);
        });
        events.run_until_idle();
        events.shutdown();
        assert_eq!((tally.alive(), tally.gone().len()), (0, 10));
    });
}

#[test]
fn a_loop_with_ten_thousand_paused_tasks_runs_every_destructor_once() {
    in_time(|| {
        let many = 10_000;
        let tally = Tally::default();
        let mut events = virtually();
        for i in 0..many {
            let t = tally.clone();
            let _task = events.task("one of many").stack_size(48 << 10).spawn(move || {
                let _outer = t.witness(format!("{i} outer"));
                let inside = || {
                    let _inner = t.witness(format!("{i} inner"));
                    match i % 4 {
                        0 => segno::pause(),
                        1 => segno::sleep(Duration::MAX),
                        2 => segno::sleep(SECOND),
                        _ => drop(segno::timeout(SECOND, || segno::pause())),
                    }
                };
                inside();
            });
        }
        events.run_until_idle();
        assert_eq!((tally.alive(), events.tasks()), (2 * many, many));
        drop(events);
        let gone = tally.gone();
        assert_eq!((tally.alive(), gone.len()), (0, 2 * many));
        for pair in gone.chunks(2) {
            let of = pair[0].strip_suffix(" inner").expect("innermost first");
            assert_eq!(pair[1], format!("{of} outer"));
        }
    });
}

#[test]
fn dropping_a_loop_is_shutting_it_down() {
    in_time(|| {
        for shutdown in [false, true] {
            let mut events = virtually();
            let task = events.spawn(|| segno::pause());
            let unborn = events.spawn(|| ());
            task.cancel("first come");
            drop(unborn);
            let waits = events.spawn(|| segno::pause());
            events.run_until_idle();
            if shutdown {
                events.shutdown()
            } else {
                drop(events)
            }
            assert_eq!(reason_of(waits.join()).kind(), CancelKind::Shutdown);
            assert_eq!(reason_of(task.join()).kind(), CancelKind::Requested);
        }
    });
}

// ---- order

/// What a crowd of tasks does, in order: each rolls dice for what to do next.
fn transcript(seed: Option<u64>, operations: usize) -> Vec<(usize, u8)> {
    let mut builder = EventLoop::builder().clock(Clock::virtual_time());
    if let Some(seed) = seed {
        builder = builder.seed(seed);
    }
    let mut events = builder.build();
    let log = RefCell::new(Vec::new());
    events
        .run(|| {
            segno::scope(|s| {
                for task in 0..20 {
                    let log = &log;
                    s.spawn(move || {
                        let mut dice = Dice(task as u64);
                        for _ in 0..operations / 20 {
                            let what = dice.below(5) as u8;
                            match what {
                                0 => segno::sleep(MS * dice.below(5) as u32),
                                1 => segno::spawn(|| ()).join().unwrap(),
                                2 => segno::checkpoint(),
                                3 => drop(segno::timeout(MS, || segno::sleep(2 * MS))),
                                _ => segno::yield_now(),
                            }
                            log.borrow_mut().push((task, what));
                        }
                    });
                }
            });
        })
        .unwrap();
    log.into_inner()
}

#[test]
fn the_order_is_first_come_first_served() {
    let first = transcript(None, 10_000);
    assert_eq!(first, transcript(None, 10_000));
    // A golden order, worked out by hand.
    let order = RefCell::new(String::new());
    virtually()
        .run(|| {
            segno::scope(|s| {
                for name in ['a', 'b', 'c'] {
                    let order = &order;
                    s.spawn(move || {
                        order.borrow_mut().push(name);
                        segno::yield_now();
                        order.borrow_mut().push(name);
                        segno::sleep(MS * (4 - (name as u32 - 'a' as u32)));
                        order.borrow_mut().push(name);
                    });
                }
                order.borrow_mut().push('-');
                segno::yield_now();
                order.borrow_mut().push('-');
            });
            order.borrow_mut().push('.');
        })
        .unwrap();
    assert_eq!(*order.borrow(), "-abc-abccba.");
}

#[test]
fn the_same_seed_gives_the_same_order_and_others_differ() {
    let orders: Vec<_> = (0..4).map(|seed| transcript(Some(seed), 10_000)).collect();
    for (seed, order) in (0..).zip(&orders) {
        assert_eq!(*order, transcript(Some(seed), 10_000), "seed {seed}");
    }
    for i in 0..4 {
        assert_ne!(orders[i], orders[(i + 1) % 4]);
        assert_ne!(orders[i], transcript(None, 10_000));
    }
}

#[test]
fn a_seed_starves_nobody() {
    for seed in 0..20 {
        let mut events = EventLoop::builder().clock(Clock::virtual_time()).seed(seed).build();
        let turns: Vec<_> = (0..10).map(|_| Rc::new(Cell::new(0_u32))).collect();
        for count in &turns {
            let count = count.clone();
            let _task = events.spawn(move || {
                loop {
                    count.set(count.get() + 1);
                    segno::yield_now();
                }
            });
        }
        for _ in 0..100 {
            events.turn();
        }
        assert!(turns.iter().all(|count| count.get() == 100), "{turns:?}");
    }
}

// ---- time

#[test]
fn a_hundred_thousand_timers_fire_exactly_and_in_order() {
    in_time(|| {
        let many: usize = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
        let mut dice = Dice(11);
        let mut delays: Vec<u64> = (0..many as u64).map(|i| i * 7 / 2).collect();
        dice.shuffle(&mut delays);
        let fired = RefCell::new(Vec::with_capacity(many));
        virtually()
            .run(|| {
                let start = segno::now();
                segno::scope(|s| {
                    for (i, delay) in delays.iter().enumerate() {
                        let fired = &fired;
                        s.task("timer").stack_size(32 << 10).spawn(move || {
                            let due = start + Duration::from_nanos(*delay);
                            if i % 2 == 0 {
                                segno::sleep(Duration::from_nanos(*delay));
                            } else {
                                segno::sleep_until(due);
                            }
                            assert_eq!(segno::now(), due);
                            fired.borrow_mut().push((*delay, i));
                        });
                    }
                });
            })
            .unwrap();
        let fired = fired.into_inner();
        assert_eq!(fired.len(), many);
        assert!(fired.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    });
}

#[test]
fn timers_of_the_same_instant_fire_in_the_order_in_which_they_were_set() {
    let order = RefCell::new(Vec::new());
    virtually()
        .run(|| {
            segno::scope(|s| {
                for i in 0..1000 {
                    let order = &order;
                    s.spawn(move || {
                        segno::sleep(SECOND);
                        order.borrow_mut().push(i);
                    });
                }
            });
        })
        .unwrap();
    assert!(order.borrow().iter().copied().eq(0..1000));
}

#[test]
fn odd_deadlines_are_honoured() {
    virtually()
        .run(|| {
            let start = segno::now();
            segno::sleep(Duration::ZERO);
            segno::sleep_until(start);
            segno::sleep_until(start.checked_sub(SECOND).unwrap_or(start));
            assert_eq!(segno::now(), start, "no time has passed");
            segno::sleep(Duration::from_nanos(1));
            assert_eq!(segno::now(), start + Duration::from_nanos(1));
            let century = Duration::from_secs(100 * 366 * 24 * 3600);
            segno::sleep_until(start + century);
            assert_eq!(segno::now(), start + century);
            let far = segno::now() + 2 * century;
            assert!(segno::timeout(century, || segno::sleep_until(far)).is_err());
            assert_eq!(segno::now(), start + 2 * century);
            assert!(segno::timeout(SECOND, || segno::sleep(Duration::MAX)).is_err());
        })
        .unwrap();
}

#[test]
fn sleeping_for_no_time_lets_others_go_first() {
    let order = RefCell::new(String::new());
    virtually()
        .run(|| {
            segno::scope(|s| {
                s.spawn(|| order.borrow_mut().push('b'));
                order.borrow_mut().push('a');
                segno::sleep(Duration::ZERO);
                order.borrow_mut().push('c');
            });
        })
        .unwrap();
    assert_eq!(*order.borrow(), "abc");
}

#[test]
fn a_virtual_clock_stands_still_while_anything_can_run() {
    virtually()
        .run(|| {
            let start = segno::now();
            let sleeper = segno::spawn(|| segno::sleep(Duration::from_nanos(1)));
            for _ in 0..1000 {
                segno::yield_now();
                segno::checkpoint();
            }
            assert_eq!(segno::now(), start);
            assert!(!sleeper.is_finished());
        })
        .unwrap();
}

#[test]
fn a_virtual_clock_waits_for_what_an_external_guard_announces() {
    in_time(|| {
        let mut events = virtually();
        let (woke, passed) = events
            .run(|| {
                let start = segno::now();
                let (guard, waker) = (segno::external(), segno::waker());
                let sleeper = segno::spawn(|| segno::sleep(3600 * SECOND));
                let flag = Arc::new(AtomicBool::new(false));
                let theirs = flag.clone();
                let other = thread::spawn(move || {
                    thread::yield_now();
                    theirs.store(true, Ordering::Release);
                    waker.wake();
                    drop(guard);
                });
                while !flag.load(Ordering::Acquire) {
                    segno::pause();
                }
                let woke = segno::now() - start;
                other.join().unwrap();
                sleeper.join().unwrap();
                (woke, segno::now() - start)
            })
            .unwrap();
        assert_eq!((woke, passed), (Duration::ZERO, 3600 * SECOND));
    });
}

// ---- deadlock

#[test]
fn a_deadlock_is_reported_with_names_places_and_subjects() {
    in_time(|| {
        let mut events = virtually();
        let tally = Tally::default();
        let t = tally.clone();
        let (spawn_line, wait_line) = (line!() + 1, line!() + 3);
        let stuck = events.task("stuck").spawn(move || {
            let _witness = t.witness("frame");
            segno::pause();
        });
        let stuck_id = stuck.id();
        let run_line = line!() + 1;
        let report = deadlock_of(events.run(|| stuck.join().map(drop)));
        assert_eq!((tally.alive(), events.tasks()), (0, 0), "all of them are home");
        let [waiting, joining] = report.tasks() else { panic!("{report}") };
        let place = |at: &'static Location<'static>| (at.file(), at.line());
        assert_eq!((waiting.name(), waiting.id()), (Some("stuck"), stuck_id));
        assert_eq!(place(waiting.spawned_at()), (file!(), spawn_line));
        assert_eq!(place(waiting.at()), (file!(), wait_line));
        assert_eq!(waiting.waits_for(), "`pause`");
        assert_eq!(joining.name(), Some("run"));
        assert_eq!(place(joining.spawned_at()), (file!(), run_line));
        assert_eq!(place(joining.at()), (file!(), run_line));
        assert!(joining.waits_for().starts_with("`join` for task `stuck`"), "{report}");
        let text = report.to_string();
        assert!(text.contains("deadlock") && text.matches("event_loop.rs").count() >= 4, "{text}");
        assert_eq!(events.run(|| 7).unwrap(), 7, "the loop can be used again");
    });
}

#[test]
fn tasks_that_join_each_other_are_a_deadlock() {
    let mut events = virtually();
    let first = Rc::new(Cell::new(None::<JoinHandle<()>>));
    let theirs = first.clone();
    let second = events.spawn(move || {
        segno::yield_now();
        let first = theirs.take().unwrap();
        first.join().unwrap();
    });
    first.set(Some(events.spawn(move || second.join().unwrap())));
    let report = deadlock_of(events.run(|| segno::sleep(Duration::MAX)));
    assert_eq!(report.tasks().len(), 3, "{report}");
    let joins =
        report.tasks().iter().filter(|task| task.waits_for().starts_with("`join` for task"));
    assert_eq!(joins.count(), 2, "{report}");
    assert_eq!(report.cycles(), [[report.tasks()[0].id(), report.tasks()[1].id()]], "{report}");
    assert_eq!(report.tasks()[0].blocker(), Some(report.tasks()[1].id()));
}

#[test]
fn every_circle_is_found_once_and_begins_with_its_first_task() {
    let mut events = virtually();
    // Joins the task of that place, once all are spawned.
    let joins = |place: usize, handles: &Rc<RefCell<Vec<Option<JoinHandle<()>>>>>| {
        let handles = handles.clone();
        move || {
            segno::yield_now();
            let other = handles.borrow_mut()[place].take().unwrap();
            other.join().unwrap();
        }
    };
    // The first waits for the fourth, that for the second, that for the first; the third and the sixth for each other; the
    // fifth for the last, which waits for nobody.
    let handles = Rc::new(RefCell::new(Vec::new()));
    for place in [3, 0, 5, 1, 6, 2] {
        let task = events.spawn(joins(place, &handles));
        handles.borrow_mut().push(Some(task));
    }
    let stuck = events.spawn(segno::pause);
    handles.borrow_mut().push(Some(stuck));
    let report = deadlock_of(events.run(|| segno::sleep(Duration::MAX)));
    let ids: Vec<_> = report.tasks().iter().map(|task| task.id()).collect();
    let cycles = report.cycles();
    assert_eq!(cycles, [vec![ids[0], ids[3], ids[1]], vec![ids[2], ids[5]]], "{report}");
    let text = report.to_string();
    assert_eq!(text.matches("in a circle").count(), 2, "{text}");
}

#[test]
fn the_report_of_many_tasks_is_short_and_soon_there() {
    const MANY: usize = 40_000;
    in_time(|| {
        let mut events = virtually();
        let lock = Arc::new(segno::sync::Mutex::new(()));
        let report = deadlock_of(events.run(|| {
            for _ in 0..MANY {
                let lock = lock.clone();
                drop(segno::spawn(move || drop(lock.lock())));
            }
            let _held = lock.lock();
            segno::pause();
        }));
        assert_eq!(report.tasks().len(), MANY + 1);
        assert!(report.cycles().is_empty());
        let text = report.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 52, "{text}");
        assert_eq!(lines[51], format!("  and {} more tasks that wait", MANY + 1 - 50));
    });
}

#[test]
fn a_deadlock_makes_segno_run_panic_after_everything_is_home() {
    let mut events = virtually();
    let tally = Tally::default();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _frame = tally.witness("frame");
        deadlock_of(events.run(|| segno::pause()))
    }));
    assert_eq!(result.unwrap().tasks().len(), 1);
    assert_eq!(tally.alive(), 0);
}

#[test]
fn a_deadlock_is_reported_even_if_the_closure_returns_a_value() {
    let mut events = virtually();
    let report = deadlock_of(events.run(|| {
        segno::scope(|s| {
            s.task("forgotten").spawn(|| segno::pause());
        });
        7
    }));
    assert!(report.tasks().iter().any(|task| task.name() == Some("forgotten")), "{report}");
}

#[test]
fn the_reason_of_a_deadlock_is_what_clean_up_sees() {
    let mut events = virtually();
    let stuck = events.spawn(|| segno::pause());
    let kept = Rc::new(Cell::new(None));
    let theirs = kept.clone();
    let _joiner = events.spawn(move || theirs.set(Some(stuck.join())));
    let time = Rc::new(Cell::new(Duration::ZERO));
    let slept = time.clone();
    let _cleaner = events.spawn(move || {
        let start = segno::now();
        let signal = catch_unwind(|| segno::pause()).unwrap_err();
        segno::shield(|| segno::sleep(SECOND));
        slept.set(segno::now() - start);
        resume_unwind(signal);
    });
    deadlock_of(events.run(|| segno::pause()));
    assert_eq!((events.tasks(), time.get()), (0, SECOND));
    let other = events.spawn(|| segno::pause());
    deadlock_of(events.run(|| segno::pause()));
    assert_eq!(reason_of(other.join()).kind(), CancelKind::Deadlock);
}

#[test]
fn a_waker_outside_keeps_a_standstill_from_being_a_deadlock() {
    in_time(|| {
        let mut events = virtually();
        let woken = events.run(|| {
            let waker = segno::waker();
            let waits = Arc::new(AtomicBool::new(true));
            let theirs = waits.clone();
            thread::spawn(move || {
                thread::sleep(5 * MS); // longer than a deadlock takes to be found
                theirs.store(false, Ordering::Release);
                waker.wake();
            });
            while waits.load(Ordering::Acquire) {
                segno::pause();
            }
            7
        });
        assert_eq!(woken.unwrap(), 7);
        // When the last one goes without having been used, it is one.
        deadlock_of(events.run(|| {
            let waker = segno::waker();
            thread::spawn(move || {
                thread::sleep(5 * MS);
                drop(waker);
            });
            loop {
                segno::pause();
            }
        }));
    });
}

#[test]
fn an_external_guard_keeps_a_standstill_from_being_a_deadlock() {
    in_time(|| {
        deadlock_of(virtually().run(|| {
            let guard = segno::external();
            thread::spawn(move || {
                thread::sleep(5 * MS);
                drop(guard);
            });
            segno::pause();
        }));
    });
}

#[test]
fn a_task_of_another_thread_is_no_deadlock() {
    in_time(|| {
        let (sender, receiver) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        let other = thread::spawn(move || {
            let mut events = EventLoop::new();
            let task = events.spawn(|| {
                segno::sleep(5 * MS);
                7
            });
            sender.send(task).unwrap();
            events
                .run(|| {
                    while gone.try_recv().is_err() {
                        segno::sleep(MS)
                    }
                })
                .unwrap();
        });
        let elsewhere = receiver.recv().unwrap();
        assert_eq!(virtually().run(|| elsewhere.join().unwrap()).unwrap(), 7);
        go.send(()).unwrap();
        other.join().unwrap();
    });
}

// ---- wishes

#[test]
fn wrong_sizes_are_errors() {
    for bytes in [0, 1, 1 << 10, usize::MAX] {
        let refused = EventLoop::builder().stack_size(bytes).try_build();
        match refused {
            Err(SpawnError::TooSmall { .. } | SpawnError::TooLarge { .. }) => {}
            other => panic!("{bytes}: {other:?}"),
        }
        let told = panic_text(|| EventLoop::builder().stack_size(bytes).build());
        assert!(told.contains("no event loop"), "{told}");
    }
    assert!(EventLoop::builder().stack_size(32 << 10).try_build().is_ok());
}

#[test]
fn the_budget_lets_others_go_first() {
    for budget in [0, 1, 64, 1000] {
        let mut events = EventLoop::builder().clock(Clock::virtual_time()).budget(budget).build();
        let done = Rc::new(Cell::new(0));
        let theirs = done.clone();
        let _computes = events.spawn(move || {
            for i in 1.. {
                segno::checkpoint();
                theirs.set(i);
            }
        });
        events.turn();
        assert_eq!(done.get(), budget, "then the others had their turn");
        events.turn();
        assert!(done.get() >= 2 * budget && done.get() <= 2 * budget + 2, "{}", done.get());
    }
}

#[test]
fn joins_that_need_no_wait_use_up_the_budget_too() {
    let mut events = EventLoop::builder().clock(Clock::virtual_time()).budget(10).build();
    let ready: Vec<_> = (0..100).map(|i| events.spawn(move || i)).collect();
    events.run_until_idle();
    let joined = Rc::new(Cell::new(0));
    let theirs = joined.clone();
    let _joins = events.spawn(move || {
        for task in ready {
            task.join().unwrap();
            theirs.set(theirs.get() + 1);
        }
    });
    events.turn();
    assert!((1..=12).contains(&joined.get()), "{}", joined.get());
    events.run_until_idle();
    assert_eq!(joined.get(), 100);
}

#[test]
fn a_loop_says_what_it_is() {
    let events = EventLoop::builder().name("audio").build();
    let text = format!("{events:?} {:?} {:?}", events.handle(), EventLoop::builder());
    assert!(text.contains("audio"), "{text}");
}

#[test]
fn a_stop_after_the_closure_of_run_has_ended_touches_nobody_else() {
    let mut events = virtually();
    let handle = events.handle();
    // The closure ends because of the deadlock; the task outlives it, and stops the loop then.
    drop(events.spawn(move || {
        let _ = std::panic::catch_unwind(segno::pause);
        segno::shield(|| {
            segno::sleep(SECOND);
            handle.stop();
            segno::sleep(SECOND);
        });
    }));
    assert!(matches!(events.run(segno::pause), Err(RunError::Deadlock(_))));
    assert!(matches!(events.run(|| ()), Err(RunError::Stopped)), "it stops the next one");
    let cancelled = events.run(|| {
        let tasks: Vec<_> = (0..40).map(|_| segno::spawn(|| segno::sleep(Duration::MAX))).collect();
        segno::yield_now();
        tasks.iter().for_each(|task| task.cancel("over"));
        tasks.into_iter().map(segno::JoinHandle::join).filter(Result::is_err).count()
    });
    assert_eq!(cancelled.unwrap(), 40);
}
