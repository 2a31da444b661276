//! Tasks: their lives, their ends, who hears of it, what can be cancelled, what a scope promises.

#![allow(
    clippy::redundant_closure,
    clippy::unit_arg,
    reason = "a function that is passed by name is called from elsewhere; short scenarios"
)]

mod support;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use segno::{
    CancelKind, Clock, Coroutine, Elapsed, EventLoop, Generator, JoinError, JoinHandle,
    MissedTicks, Outlet, Pauser, ReportKind, SpawnError, Waker, is_cancel, no_pause, task_local,
};

use support::{
    OnDrop, Tally, alone, in_time, panic_of, panic_text, reason_of, reports, text_of, virtually,
    while_unwinding,
};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// Runs a closure in a task, by a virtual clock; everything on the loop has ended afterwards.
#[track_caller]
fn in_task<T>(f: impl FnOnce() -> T) -> T {
    let mut events = virtually();
    let value = events.run(f).unwrap();
    events.shutdown();
    value
}

/// Time since the loop of this task began.
fn clock() -> impl Fn() -> Duration {
    let start = segno::now();
    move || segno::now() - start
}

/// Notes what happened, in order.
type Log = Rc<RefCell<Vec<&'static str>>>;

// ---- lives

#[test]
fn a_task_runs_when_its_turn_comes_and_not_before() {
    in_task(|| {
        let log = Log::default();
        let theirs = log.clone();
        let task = segno::spawn(move || theirs.borrow_mut().push("child"));
        log.borrow_mut().push("spawner");
        assert!(!task.is_finished());
        task.join().unwrap();
        assert_eq!(*log.borrow(), ["spawner", "child"]);
    });
}

#[test]
fn start_now_runs_the_task_up_to_its_first_pause_first() {
    in_task(|| {
        let log = Log::default();
        let note = |what| {
            let log = log.clone();
            move || log.borrow_mut().push(what)
        };
        let waiting = segno::spawn(note("was ready before"));
        let (before, after) = (note("child"), note("child goes on"));
        let task = segno::task("now").start_now().spawn(move || {
            before();
            segno::yield_now();
            after();
        });
        log.borrow_mut().push("spawner");
        task.join().unwrap();
        waiting.join().unwrap();
        assert_eq!(*log.borrow(), ["child", "spawner", "was ready before", "child goes on"]);
    });
}

#[test]
fn start_now_runs_the_task_first_whatever_the_seed() {
    for seed in 0..50 {
        let mut events = EventLoop::builder().clock(Clock::virtual_time()).seed(seed).build();
        events
            .run(|| {
                let crowd: Vec<_> = (0..5).map(|_| segno::spawn(segno::yield_now)).collect();
                let ran = Rc::new(Cell::new(false));
                let theirs = ran.clone();
                let task = segno::task("now").start_now().spawn(move || theirs.set(true));
                assert!(ran.get(), "seed {seed}");
                task.join().unwrap();
                crowd.into_iter().for_each(|task| task.join().unwrap());
            })
            .unwrap();
    }
}

#[test]
fn dropping_a_handle_detaches_the_task() {
    let ran = Rc::new(Cell::new(false));
    let theirs = ran.clone();
    in_task(|| {
        drop(segno::spawn(move || {
            segno::sleep(SECOND);
            theirs.set(true);
        }));
        segno::sleep(2 * SECOND);
    });
    assert!(ran.get());
}

#[test]
fn a_detached_result_is_dropped_once() {
    let tally = Tally::default();
    in_task(|| {
        let (early, late) = (tally.witness("early"), tally.witness("late"));
        let before = segno::spawn(move || early);
        let after = segno::spawn(move || late);
        drop(before);
        segno::yield_now();
        assert!(after.is_finished());
        assert_eq!(tally.gone(), ["early"]);
        drop(after);
        assert_eq!(tally.gone(), ["late"]);
    });
    assert_eq!(tally.alive(), 0);
}

#[test]
fn yield_now_goes_to_the_back() {
    in_task(|| {
        let log = Log::default();
        let singers: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|name| {
                let log = log.clone();
                segno::spawn(move || {
                    for _ in 0..2 {
                        log.borrow_mut().push(name);
                        segno::yield_now();
                    }
                })
            })
            .collect();
        singers.into_iter().for_each(|singer| singer.join().unwrap());
        assert_eq!(*log.borrow(), ["a", "b", "c", "a", "b", "c"]);
    });
}

#[test]
fn a_task_knows_itself_also_in_nested_coroutines() {
    assert!(!segno::is_in_task());
    assert!(segno::try_current().is_none());
    assert!(panic_text(|| segno::current()).contains("needs a task"));
    in_task(|| {
        let line = line!() + 1;
        let task = segno::task("who").spawn(|| {
            let mine = segno::current();
            let mut inner = Coroutine::new(|co: &Pauser<(), segno::Current>, ()| {
                let mut innermost = Generator::new(|out: &Outlet<segno::Current>| {
                    segno::yield_now();
                    out.pause(segno::current());
                });
                co.pause(innermost.next().unwrap());
                segno::current()
            });
            assert_eq!(inner.resume(()).paused().as_ref(), Some(&mine));
            segno::yield_now();
            assert_eq!(inner.resume(()).complete().as_ref(), Some(&mine));
            mine
        });
        let (id, name) = (task.id(), task.name().map(str::to_owned));
        let current = task.join().unwrap();
        assert_eq!((current.id(), current.name()), (id, name.as_deref()));
        assert_eq!(current.name(), Some("who"));
        assert_eq!((current.spawned_at().file(), current.spawned_at().line()), (file!(), line));
    });
}

#[test]
fn names_may_be_made_at_run_time() {
    in_task(|| {
        let tasks: Vec<_> =
            (0..3).map(|i| segno::task(format!("worker {i}")).spawn(|| segno::current())).collect();
        for (i, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.name().unwrap(), format!("worker {i}"));
            assert_eq!(task.join().unwrap().name().unwrap(), format!("worker {i}"));
        }
        assert_eq!(segno::spawn(|| ()).name(), None);
    });
}

#[test]
fn no_two_tasks_have_the_same_number() {
    let ids = || in_task(|| (0..100).map(|_| segno::spawn(|| ()).id()).collect::<Vec<_>>());
    let mut all = ids();
    all.extend(ids());
    all.extend(thread::spawn(move || ids()).join().unwrap());
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 300);
}

#[test]
fn a_stack_size_that_makes_no_sense_is_an_error() {
    in_task(|| {
        for bytes in [0, 1, usize::MAX] {
            let refused = segno::task("odd").stack_size(bytes).try_spawn(|| ());
            assert!(matches!(
                refused.unwrap_err(),
                SpawnError::TooSmall { .. } | SpawnError::TooLarge { .. }
            ));
            let told = panic_text(|| segno::task("odd").stack_size(bytes).spawn(|| ()));
            assert!(told.contains("tasks.rs"), "{told}");
        }
        segno::scope(|s| assert!(s.task("odd").stack_size(1).try_spawn(|| ()).is_err()));
    });
}

// ---- ends

#[test]
fn a_panic_reaches_the_joiner_unchanged() {
    in_task(|| {
        let task = segno::spawn(|| panic_any(42_u64));
        let Err(JoinError::Panicked(panic)) = task.join() else { panic!("it panicked") };
        assert_eq!(panic.into_payload().downcast_ref(), Some(&42_u64));
        let task = segno::spawn(|| panic!("with {}", "words"));
        let error = task.join().unwrap_err();
        assert_eq!(error.panic_message(), Some("with words"));
        assert!(error.to_string().contains("with words"), "{error}");
        assert!(error.reason().is_none());
    });
}

#[test]
fn a_panic_that_nobody_joins_is_reported() {
    alone(|| {
        let (_, told) = reports(|| {
            in_task(|| {
                drop(segno::task("early").spawn(|| panic!("nobody holds it")));
                let late = segno::task("late").spawn(|| panic!("nobody wants it"));
                segno::yield_now();
                assert!(late.is_finished());
                drop(late);
                segno::handle().post(|| panic!("nobody could")).unwrap();
                segno::sleep(SECOND);
            });
        });
        let told: Vec<_> = told.iter().map(|r| (r.kind(), r.message())).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        for (i, words) in [
            ["`early`", "nobody holds it"],
            ["`late`", "nobody wants it"],
            ["tasks.rs", "nobody could"],
        ]
        .iter()
        .enumerate()
        {
            assert_eq!(told[i].0, ReportKind::TaskPanicked);
            assert!(words.iter().all(|word| told[i].1.contains(word)), "{told:?}");
        }
    });
}

#[test]
fn a_cancelled_task_that_nobody_joins_is_not_reported() {
    alone(|| {
        let (_, told) = reports(|| {
            in_task(|| {
                let task = segno::spawn(|| segno::pause());
                segno::yield_now();
                task.cancel("please");
                drop(task);
                drop(segno::spawn(|| segno::pause()));
            });
        });
        assert!(told.is_empty(), "{told:?}");
    });
}

#[test]
fn a_task_that_joins_itself_panics() {
    in_task(|| {
        let handle = Rc::new(Cell::new(None::<JoinHandle<String>>));
        let own = handle.clone();
        let task = segno::spawn(move || {
            segno::yield_now();
            panic_text(|| own.take().unwrap().join())
        });
        let other = segno::spawn(|| segno::yield_now());
        handle.set(Some(task));
        other.join().unwrap();
        segno::yield_now();
        // It went on after its own handle was gone.
        assert!(handle.take().is_none());
    });
    in_task(|| {
        let told = RefCell::new(String::new());
        segno::scope(|s| {
            let handle = Rc::new(Cell::new(None::<segno::ScopedJoinHandle<'_, ()>>));
            let (own, told) = (handle.clone(), &told);
            let child = s.spawn(move || {
                segno::yield_now();
                *told.borrow_mut() = panic_text(|| own.take().unwrap().join());
            });
            handle.set(Some(child));
        });
        assert!(told.borrow().contains("joins itself"), "{}", told.borrow());
    });
}

#[test]
fn a_plain_thread_joins_by_blocking() {
    let mut events = EventLoop::new();
    let task = events.spawn(|| {
        segno::sleep(2 * MS);
        "from the loop".to_owned()
    });
    let joiner = thread::spawn(move || task.join().unwrap());
    events
        .run(|| {
            while !joiner.is_finished() {
                segno::sleep(MS);
            }
        })
        .unwrap();
    assert_eq!(joiner.join().unwrap(), "from the loop");
}

#[test]
fn a_finished_task_can_be_joined_anywhere() {
    let mut events = virtually();
    let task = events.spawn(|| 7);
    events.run_until_idle();
    assert_eq!(task.join().unwrap(), 7);
    let task = events.spawn(|| 8);
    events.run_until_idle();
    drop(events);
    assert_eq!(task.join().unwrap(), 8);
}

#[test]
fn joining_a_task_of_ones_own_idle_loop_panics_instead_of_hanging() {
    let events = virtually();
    let task = events.task("lonely").spawn(|| ());
    let told = panic_text(|| task.join());
    assert!(told.contains("`lonely`") && told.contains("nobody"), "{told}");
}

#[test]
fn tasks_of_two_threads_join_each_other() {
    let (sender, receiver) = mpsc::channel();
    let other = thread::spawn(move || {
        segno::run(|| {
            sender
                .send(segno::spawn(|| {
                    segno::sleep(3 * MS);
                    20
                }))
                .unwrap();
            segno::sleep(30 * MS);
        });
    });
    let theirs: JoinHandle<i32> = receiver.recv().unwrap();
    let sum = segno::run(|| {
        let own = segno::spawn(|| 1);
        theirs.join().unwrap() + own.join().unwrap()
    });
    assert_eq!(sum, 21);
    other.join().unwrap();
}

#[test]
fn destructors_run_innermost_first_and_once() {
    let tally = Tally::default();
    in_task(|| {
        let t = tally.clone();
        let task = segno::spawn(move || {
            let _outer = t.witness("outer");
            let inner = || {
                let _inner = t.witness("inner");
                segno::sleep(Duration::MAX);
            };
            inner();
        });
        segno::yield_now();
        task.cancel("please");
        reason_of(task.join());
        assert_eq!(tally.gone(), ["inner", "outer"]);
    });
}

// ---- cancellation

#[test]
fn a_task_cancelled_before_its_first_step_never_runs_and_drops_its_captures() {
    in_task(|| {
        let tally = Tally::default();
        let witness = tally.witness("captured");
        let task = segno::task("unborn").spawn(move || {
            let _witness = witness;
            unreachable!("it never runs");
        });
        task.cancel("too early");
        assert_eq!(tally.alive(), 1);
        let line = line!() - 2;
        let reason = reason_of(task.join());
        assert_eq!((reason.kind(), reason.message()), (CancelKind::Requested, "too early"));
        assert_eq!((reason.origin().file(), reason.origin().line()), (file!(), line));
        assert_eq!(tally.gone(), ["captured"]);
    });
}

#[test]
fn the_first_of_two_cancellations_gives_the_reason() {
    in_task(|| {
        for started in [false, true] {
            let task = segno::spawn(|| segno::pause());
            if started {
                segno::yield_now();
            }
            task.cancel("first");
            task.cancel("second");
            assert_eq!(reason_of(task.join()).message(), "first");
        }
    });
}

#[test]
fn a_task_that_cancels_itself_ends_at_its_next_pause() {
    in_task(|| {
        let log = Log::default();
        let (theirs, handle) = (log.clone(), Rc::new(Cell::new(None::<JoinHandle<()>>)));
        let own = handle.clone();
        let task = segno::spawn(move || {
            segno::yield_now();
            let myself = own.take().unwrap();
            myself.cancel("enough");
            own.set(Some(myself));
            theirs.borrow_mut().push("still here");
            assert!(segno::is_cancelled());
            segno::checkpoint();
            unreachable!();
        });
        handle.set(Some(task));
        segno::sleep(SECOND);
        assert_eq!(reason_of(handle.take().unwrap().join()).message(), "enough");
        assert_eq!(*log.borrow(), ["still here"]);
    });
}

#[test]
fn a_cancellation_after_the_end_does_nothing() {
    in_task(|| {
        let task = segno::spawn(|| 1);
        segno::yield_now();
        task.cancel("too late");
        let next = segno::spawn(|| segno::yield_now()); // it has the same record
        task.cancel("much too late");
        assert_eq!(task.join().unwrap(), 1);
        next.join().unwrap();
    });
}

#[test]
fn a_value_returned_in_spite_of_a_cancellation_counts() {
    in_task(|| {
        let task = segno::spawn(|| {
            let _ = catch_unwind(|| segno::yield_now());
            7
        });
        segno::yield_now();
        task.cancel("please");
        assert_eq!(task.join().unwrap(), 7);
        // What it waits for has come at the same instant.
        let task = segno::spawn(|| 1);
        let waits = segno::spawn(move || task.join().unwrap());
        segno::yield_now();
        segno::yield_now();
        waits.cancel("at the same instant");
        assert_eq!(waits.join().unwrap(), 1);
    });
}

#[test]
fn a_panic_in_the_clean_up_of_a_cancelled_task_is_its_end() {
    in_task(|| {
        let task = segno::spawn(|| {
            let _ = catch_unwind(|| segno::pause());
            panic!("in the clean-up");
        });
        segno::yield_now();
        task.cancel("please");
        assert_eq!(task.join().unwrap_err().panic_message(), Some("in the clean-up"));
    });
}

#[test]
fn cancellation_is_raised_again_at_every_pause() {
    in_task(|| {
        let task = segno::spawn(|| {
            for i in 0..10 {
                let caught = catch_unwind(|| match i % 5 {
                    0 => segno::pause(),
                    1 => segno::sleep(SECOND),
                    2 => segno::yield_now(),
                    3 => segno::checkpoint(),
                    _ => segno::sleep(Duration::ZERO),
                });
                assert!(is_cancel(&*caught.unwrap_err()), "{i}");
            }
            "worn out"
        });
        segno::yield_now();
        task.cancel("please");
        assert_eq!(task.join().unwrap(), "worn out");
    });
}

#[test]
fn a_signal_kept_and_raised_elsewhere_is_a_panic_there() {
    in_task(|| {
        let kept = Rc::new(Cell::new(None));
        let theirs = kept.clone();
        let task = segno::spawn(move || {
            theirs.set(Some(catch_unwind(|| segno::pause()).unwrap_err()));
        });
        segno::yield_now();
        task.cancel("please");
        task.join().unwrap();
        let payload = kept.take().unwrap();
        let innocent = segno::spawn(move || resume_unwind(payload));
        match innocent.join() {
            Err(JoinError::Panicked(panic)) => assert!(is_cancel(&*panic.into_payload())),
            other => panic!("{:?}", other.map(drop)),
        }
    });
}

#[test]
fn a_cancelled_joiner_detaches_the_task_that_it_waits_for() {
    in_task(|| {
        let done = Rc::new(Cell::new(false));
        let theirs = done.clone();
        let slow = segno::spawn(move || {
            segno::sleep(SECOND);
            theirs.set(true);
        });
        let joiner = segno::spawn(move || slow.join().unwrap());
        segno::yield_now();
        segno::yield_now();
        joiner.cancel("please");
        reason_of(joiner.join());
        assert!(!done.get());
        segno::sleep(2 * SECOND);
        assert!(done.get());
    });
}

#[test]
fn a_posted_task_can_be_cancelled_before_the_loop_has_heard_of_it() {
    in_task(|| {
        let task = segno::handle().spawn(|| unreachable!("it was cancelled first")).unwrap();
        task.cancel("at once");
        assert_eq!(reason_of::<()>(task.join()).message(), "at once");
    });
    let mut events = virtually();
    let task = events.handle().spawn(|| unreachable!("it was cancelled first")).unwrap();
    task.cancel("at once");
    events.run_until_idle();
    assert_eq!(reason_of::<()>(task.join()).message(), "at once");
}

#[test]
fn another_thread_panicking_flag_is_never_seen() {
    in_task(|| {
        let log = Log::default();
        let theirs = log.clone();
        let _watcher = segno::spawn(move || {
            loop {
                assert!(!thread::panicking());
                theirs.borrow_mut().push("saw nothing");
                segno::yield_now();
            }
        });
        let unwinds = segno::spawn(|| {
            let _tries_all = OnDrop(|| {
                assert!(thread::panicking());
                segno::yield_now();
                segno::sleep(SECOND);
                segno::checkpoint();
                let late = segno::spawn(|| 1);
                reason_of(late.join());
                let gone = segno::spawn(|| 2);
                drop(gone);
            });
            panic!("on purpose");
        });
        segno::yield_now();
        let seen = log.borrow().len();
        assert!(unwinds.is_finished(), "it unwound in one go");
        assert_eq!(unwinds.join().unwrap_err().panic_message(), Some("on purpose"));
        assert_eq!(seen, 1);
    });
}

#[test]
fn a_join_in_a_destructor_that_unwinds_says_so() {
    in_task(|| {
        let ready = segno::spawn(|| 1);
        segno::yield_now();
        assert_eq!(while_unwinding(|| ready.join()).unwrap(), 1);
        let busy = segno::spawn(|| segno::yield_now());
        assert_eq!(reason_of(while_unwinding(|| busy.join())).kind(), CancelKind::Unwinding);
        segno::scope(|s| {
            let busy = s.spawn(|| segno::yield_now());
            assert_eq!(reason_of(while_unwinding(|| busy.join())).kind(), CancelKind::Unwinding);
        });
    });
}

#[test]
fn a_destructor_may_pause_when_nothing_unwinds() {
    in_task(|| {
        let time = clock();
        drop(OnDrop(|| segno::sleep(SECOND)));
        let task = segno::spawn(|| OnDrop(|| segno::sleep(SECOND)));
        drop(task.join().unwrap());
        drop(segno::spawn(|| OnDrop(|| segno::sleep(SECOND)))); // the task drops its result
        segno::sleep(3 * SECOND / 2);
        assert_eq!(time(), 7 * SECOND / 2);
    });
}

// ---- parts of tasks

#[test]
fn of_nested_limits_the_nearest_wins() {
    in_task(|| {
        let time = clock();
        let inner = segno::timeout(5 * SECOND, || {
            segno::timeout(SECOND, || segno::sleep(Duration::MAX)).unwrap_err();
            time()
        });
        assert_eq!(inner, Ok(SECOND));
        let outer = segno::timeout(SECOND, || {
            segno::timeout(5 * SECOND, || segno::sleep(Duration::MAX)).unwrap_err();
            unreachable!("the outer one takes it");
        });
        assert!(outer.is_err());
        assert_eq!(time(), 2 * SECOND);
        let same = segno::timeout(SECOND, || {
            segno::timeout(SECOND, || segno::sleep(Duration::MAX)).unwrap_err();
            unreachable!("the outer one takes it");
        });
        assert!(same.is_err());
    });
}

#[test]
fn a_limit_of_nothing_runs_to_the_first_pause() {
    in_task(|| {
        let reached = Cell::new(false);
        let result = segno::timeout(Duration::ZERO, || {
            reached.set(true);
            segno::yield_now();
            unreachable!();
        });
        assert!(result.is_err() && reached.get());
        assert_eq!(segno::timeout(Duration::ZERO, || 7), Ok(7));
        assert_eq!(segno::timeout_at(segno::now(), || 7), Ok(7));
        assert!(segno::timeout_at(segno::now(), || segno::yield_now()).is_err());
        assert_eq!(segno::timeout(Duration::MAX, || segno::sleep(SECOND)), Ok(()));
    });
}

#[test]
fn what_completes_at_the_same_instant_gives_its_value() {
    in_task(|| {
        let sleeps = || {
            segno::sleep(SECOND);
            7
        };
        assert_eq!(segno::timeout(SECOND, sleeps), Ok(7));
        let slow = segno::spawn(sleeps);
        segno::yield_now();
        assert_eq!(segno::timeout(SECOND, || slow.join().unwrap()), Ok(7));
        segno::scope(|s| {
            let slow = s.spawn(sleeps);
            segno::yield_now();
            assert_eq!(segno::timeout(SECOND, || slow.join().unwrap()), Ok(7));
        });
    });
}

#[test]
fn a_limit_says_which_line_set_it() {
    in_task(|| {
        let line = line!() + 1;
        let elapsed: Elapsed = segno::timeout(MS, || segno::sleep(SECOND)).unwrap_err();
        assert_eq!((elapsed.limit_at().file(), elapsed.limit_at().line()), (file!(), line));
        assert!(elapsed.to_string().contains("tasks.rs"), "{elapsed}");
    });
}

#[test]
fn a_limit_that_was_left_in_time_does_not_strike_later() {
    in_task(|| {
        for _ in 0..100 {
            assert_eq!(segno::timeout(SECOND, || segno::sleep(MS)), Ok(()));
            let _ = catch_unwind(|| segno::timeout(SECOND, || resume_unwind(Box::new(1))));
        }
        segno::sleep(10 * SECOND);
        segno::checkpoint();
        assert!(!segno::is_cancelled());
    });
}

#[test]
fn a_shield_postpones_a_cancellation() {
    in_task(|| {
        let log = Log::default();
        let theirs = log.clone();
        let task = segno::spawn(move || {
            segno::shield(|| {
                segno::sleep(SECOND);
                assert!(!segno::is_cancelled());
                assert!(segno::timeout(SECOND, || segno::pause()).is_err(), "limits inside work");
                theirs.borrow_mut().push("saved");
            });
            assert!(segno::is_cancelled());
            theirs.borrow_mut().push("after");
            segno::checkpoint();
            unreachable!();
        });
        segno::yield_now();
        task.cancel("please");
        let time = clock();
        reason_of(task.join());
        assert_eq!(time(), 2 * SECOND);
        assert_eq!(*log.borrow(), ["saved", "after"]);
    });
}

#[test]
fn a_scope_inside_a_shield_runs_its_children_to_their_end() {
    in_task(|| {
        let task = segno::spawn(|| {
            segno::shield(|| {
                segno::scope(|s| {
                    s.spawn(|| {
                        segno::sleep(SECOND);
                        7
                    })
                    .join()
                    .unwrap()
                })
            })
        });
        segno::yield_now();
        segno::yield_now();
        task.cancel("please");
        assert_eq!(task.join().unwrap(), 7);
    });
}

#[test]
fn a_cancel_scope_is_cancelled_from_tasks_and_threads() {
    in_task(|| {
        let handle = Rc::new(Cell::new(None));
        let theirs = handle.clone();
        let task = segno::spawn(move || {
            let cut = segno::cancel_scope(|part| {
                theirs.set(Some(part.handle()));
                segno::pause();
            });
            segno::yield_now(); // only the part was cancelled
            cut.unwrap_err().reason().clone()
        });
        segno::yield_now();
        let handle = handle.take().unwrap();
        let early = handle.clone();
        handle.cancel("from a task");
        let reason = task.join().unwrap();
        assert_eq!((reason.kind(), reason.message()), (CancelKind::Requested, "from a task"));
        early.cancel("it has been left");
        // The record is in use again.
        assert!(
            segno::cancel_scope(|_| {
                early.cancel("somebody else");
                segno::yield_now()
            })
            .is_ok()
        );
    });
    let cut = segno::run(|| {
        segno::cancel_scope(|part| {
            let handle = part.handle();
            thread::spawn(move || handle.cancel("from a thread"));
            segno::pause();
        })
    });
    assert_eq!(cut.unwrap_err().reason().message(), "from a thread");
}

#[test]
fn a_cancellation_that_is_caught_at_the_wrong_place_goes_on() {
    in_task(|| {
        let passed = Cell::new(0);
        let result = segno::cancel_scope(|outer| {
            let _ = segno::cancel_scope(|_| {
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    outer.cancel("the outer one");
                    segno::yield_now();
                }));
                let payload = caught.unwrap_err();
                assert!(is_cancel(&*payload));
                passed.set(passed.get() + 1);
                resume_unwind(payload);
            });
            unreachable!("the inner one does not take it");
        });
        assert_eq!(result.unwrap_err().reason().message(), "the outer one");
        assert_eq!(passed.get(), 1);
        // Who swallows it and returns gives a value.
        let swallowed = segno::cancel_scope(|part| {
            part.cancel("please");
            catch_unwind(|| segno::yield_now()).is_err()
        });
        assert_eq!(swallowed, Ok(true));
        segno::yield_now();
    });
}

#[test]
fn five_thousand_nested_parts_are_cancelled_from_outside() {
    fn nest(depth: u32, tally: &Tally) {
        let _frame = (depth % 1000 == 0).then(|| tally.witness(depth));
        match depth {
            0 => segno::sleep(Duration::MAX),
            _ => drop(segno::cancel_scope(|_| nest(depth - 1, tally))),
        }
    }
    in_time(|| {
        in_task(|| {
            let tally = Tally::default();
            let theirs = tally.clone();
            let task = segno::task("deep").stack_size(60 << 20).spawn(move || nest(5000, &theirs));
            segno::yield_now();
            assert_eq!(tally.alive(), 6);
            task.cancel("please");
            reason_of(task.join());
            assert_eq!(tally.gone(), ["0", "1000", "2000", "3000", "4000", "5000"]);
        });
    });
}

#[test]
fn five_thousand_nested_scopes_are_cancelled_from_outside() {
    fn nest(depth: u32, ended: &Cell<u32>) {
        let _count = OnDrop(|| ended.set(ended.get() + 1));
        if depth == 0 {
            return segno::sleep(Duration::MAX);
        }
        segno::scope(|s| drop(s.spawn(|| nest(depth - 1, ended))));
    }
    in_time(|| {
        in_task(|| {
            let ended = Rc::new(Cell::new(0));
            let theirs = ended.clone();
            let task = segno::spawn(move || nest(5000, &theirs));
            segno::sleep(SECOND);
            task.cancel("please");
            let _ = task.join();
            assert_eq!(ended.get(), 5001);
        });
    });
}

// ---- coroutines in tasks

#[test]
fn what_waits_in_a_bare_coroutine_pauses_the_task() {
    in_task(|| {
        let time = clock();
        let busy = segno::spawn(|| (0..9).for_each(|_| segno::sleep(SECOND / 10)));
        let mut sleeper = Coroutine::new(|co: &Pauser<(), u8>, ()| {
            segno::sleep(SECOND);
            co.pause(1);
            segno::spawn(|| segno::sleep(SECOND)).join().unwrap();
            2
        });
        assert_eq!(sleeper.resume(()).paused(), Some(1));
        assert_eq!(time(), SECOND);
        assert!(busy.is_finished(), "others had their turns");
        assert_eq!(sleeper.resume(()).complete(), Some(2));
        assert_eq!(time(), 2 * SECOND);
        let mut generator = Generator::new(|out: &Outlet<u8>| {
            for i in 0..3 {
                segno::sleep(SECOND);
                out.pause(i);
            }
        });
        assert_eq!(generator.next(), Some(0));
        assert_eq!(generator.by_ref().sum::<u8>(), 3);
        assert_eq!(time(), 5 * SECOND);
    });
}

#[test]
fn a_cancelled_task_unwinds_through_the_coroutine_that_it_waits_in() {
    in_task(|| {
        let tally = Tally::default();
        let t = tally.clone();
        let task = segno::spawn(move || {
            let _outer = t.witness("task");
            let mut inner = Coroutine::new(move |_: &Pauser<(), ()>, ()| {
                let _inner = t.witness("coroutine");
                segno::sleep(Duration::MAX);
            });
            inner.resume(());
        });
        segno::yield_now();
        assert_eq!(tally.alive(), 2);
        task.cancel("please");
        reason_of(task.join());
        assert_eq!(tally.gone(), ["coroutine", "task"]);
    });
}

#[test]
fn a_coroutine_may_be_resumed_by_one_task_after_the_other() {
    in_task(|| {
        let mut co = Coroutine::new(|co: &Pauser<(), segno::TaskId>, ()| {
            loop {
                segno::sleep(MS);
                co.pause(segno::current().id());
            }
        });
        for _ in 0..3 {
            let task = segno::spawn(move || {
                let seen = co.resume(()).paused();
                assert_eq!(seen, Some(segno::current().id()));
                co
            });
            co = task.join().unwrap();
        }
        assert_eq!(co.resume(()).paused(), Some(segno::current().id()));
    });
}

/// Opens something on the stack of a coroutine and pauses inside.
type Opens = fn(&Pauser<(), ()>);

#[test]
fn a_coroutine_cannot_pause_inside_what_is_open_on_its_stack() {
    let opens: [(&str, Opens); 8] = [
        ("scope", |co| segno::scope(|_| co.pause(()))),
        ("try_scope", |co| segno::try_scope(|_| Ok::<_, ()>(co.pause(()))).unwrap()),
        ("timeout", |co| segno::timeout(SECOND, || co.pause(())).unwrap()),
        ("timeout", |co| segno::timeout_at(segno::now() + SECOND, || co.pause(())).unwrap()),
        ("cancel_scope", |co| segno::cancel_scope(|_| co.pause(())).unwrap()),
        ("shield", |co| segno::shield(|| co.pause(()))),
        ("scope", |co| {
            segno::race([|| segno::sleep(SECOND)].into_iter().inspect(|_| co.pause(())));
        }),
        ("scope", |co| drop(segno::join_all([|| ()].into_iter().inspect(|_| co.pause(()))))),
    ];
    in_task(|| {
        for (what, open) in opens {
            let line = line!() + 1;
            let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| open(co));
            let told = text_of(&*panic_of(|| co.resume(())));
            assert!(told.contains(&format!("`{what}`")), "{what}: {told}");
            assert!(told.matches("tasks.rs").count() >= 3, "{what}: {told}");
            assert!(told.contains(&format!("tasks.rs:{line}")), "{what}: {told}");
        }
        segno::yield_now();
        segno::checkpoint();
    });
}

#[test]
fn a_generator_cannot_pause_inside_what_is_open_on_its_stack() {
    in_task(|| {
        let mut items = Generator::new(|out: &Outlet<u8>| {
            out.pause(1);
            let _ = segno::timeout(SECOND, || out.pause(2));
        });
        assert_eq!(items.next(), Some(1));
        let told = text_of(&*panic_of(|| items.next()));
        assert!(told.contains("`timeout`"), "{told}");
        segno::yield_now();
    });
}

#[test]
fn a_coroutine_cannot_pause_inside_a_loop_on_its_stack() {
    let opens: [(&str, Opens); 4] = [
        ("run", |co| segno::run(|| co.pause(()))),
        ("EventLoop::run", |co| virtually().run(|| co.pause(())).unwrap()),
        ("EventLoop::run", |co| {
            virtually().run(|| segno::scope(|s| drop(s.spawn(|| co.pause(()))))).unwrap();
        }),
        ("EventLoop::run", |co| {
            virtually().run(|| segno::timeout(SECOND, || co.pause(()))).unwrap().unwrap();
        }),
    ];
    for (what, open) in opens {
        let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| open(co));
        let told = text_of(&*panic_of(|| co.resume(())));
        assert!(told.contains(&format!("`{what}`")), "{what}: {told}");
        assert!(told.matches("tasks.rs").count() >= 3, "{what}: {told}");
    }
}

#[test]
fn the_task_itself_may_pause_inside_what_is_open_on_a_coroutine() {
    in_task(|| {
        let time = clock();
        let busy = segno::spawn(|| segno::sleep(10 * SECOND));
        let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
            segno::scope(|s| {
                let child = s.spawn(|| {
                    segno::sleep(SECOND);
                    1
                });
                segno::sleep(SECOND / 2);
                child.join().unwrap()
            });
            segno::timeout(SECOND, || segno::pause()).unwrap_err();
            segno::cancel_scope(|_| segno::yield_now()).unwrap();
            segno::shield(|| segno::sleep(SECOND));
            co.pause(()); // all of it was left
            segno::race([SECOND, 2 * SECOND].map(|time| {
                move || {
                    segno::sleep(time);
                    time
                }
            }))
        });
        co.resume(()).paused().unwrap();
        assert_eq!(time(), 3 * SECOND);
        assert_eq!(co.resume(()).complete(), Some(SECOND));
        assert!(!busy.is_finished());
    });
}

#[test]
fn a_child_cannot_pause_a_coroutine_of_its_parent() {
    in_task(|| {
        let told = Coroutine::scoped(|co: &Pauser<(), ()>, ()| {
            let told = RefCell::new(String::new());
            let caught = catch_unwind(AssertUnwindSafe(|| {
                segno::scope(|s| {
                    s.spawn(|| {
                        let refused = panic_of(|| co.pause(()));
                        *told.borrow_mut() = text_of(&*refused);
                    });
                    segno::yield_now();
                });
            }));
            caught.unwrap();
            told.into_inner()
        })
        .enter(|co| co.resume(()).complete().unwrap());
        assert!(told.contains("must happen under"), "{told}");
        assert!(told.matches("tasks.rs").count() >= 3, "{told}");
    });
}

#[test]
fn a_pause_inside_no_pause_is_refused_with_both_lines() {
    in_task(|| {
        let told = panic_text(|| no_pause(|| segno::sleep(SECOND)));
        assert!(told.contains("no_pause") && told.matches("tasks.rs").count() >= 2, "{told}");
        assert_eq!(no_pause(|| segno::spawn(|| 7)).join().unwrap(), 7);
        segno::sleep(SECOND);
    });
}

// ---- task-locals

task_local! {
    static NUMBER: u32 = 0;
    static WORDS: RefCell<Vec<&'static str>> = RefCell::new(Vec::new());
    static WITNESS: Option<support::Witness> = None;
}

#[test]
fn task_locals_are_inherited_at_spawn_and_set_for_oneself() {
    in_task(|| {
        NUMBER.set(1);
        let child = segno::spawn(|| {
            let inherited = NUMBER.get();
            NUMBER.set(2);
            let grandchild = segno::spawn(|| NUMBER.get()).join().unwrap();
            (inherited, grandchild)
        });
        NUMBER.set(3);
        assert_eq!(child.join().unwrap(), (1, 2));
        assert_eq!(NUMBER.get(), 3);
        segno::scope(|s| assert_eq!(s.spawn(|| NUMBER.get()).join().unwrap(), 3));
        let posted = segno::handle().spawn(|| NUMBER.get()).unwrap();
        assert_eq!(posted.join().unwrap(), 0, "it has no parent");
        let outside = thread::spawn(|| panic_text(|| NUMBER.get())).join().unwrap();
        assert!(outside.contains("needs a task"), "{outside}");
    });
}

#[test]
fn a_task_local_stays_while_it_is_lent() {
    let tally = Tally::default();
    in_task(|| {
        WITNESS.set(Some(tally.witness("first")));
        WITNESS.with(|first| {
            WITNESS.set(Some(tally.witness("second")));
            segno::yield_now();
            assert_eq!(first.as_ref().unwrap().name, "first");
            WITNESS.with(|second| assert_eq!(second.as_ref().unwrap().name, "second"));
            assert_eq!(tally.alive(), 2);
        });
        assert_eq!(tally.gone(), ["first"]);
        WORDS.with_borrow_mut(|words| words.push("mine"));
        segno::spawn(|| WORDS.with_borrow_mut(|words| words.push("shared"))).join().unwrap();
        assert_eq!(WORDS.with(|words| words.borrow().clone()), ["mine", "shared"]);
    });
    assert_eq!(tally.gone(), ["second"]);
}

#[test]
fn destructors_of_task_locals_may_do_anything() {
    /// Uses task-locals when it goes.
    struct Busy(Rc<Cell<u32>>);
    impl Drop for Busy {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            if segno::is_in_task() {
                NUMBER.set(NUMBER.get() + 1);
                BUSY.with(|_| ());
                segno::yield_now();
            } else {
                let _ = catch_unwind(|| NUMBER.get());
                let _ = catch_unwind(|| segno::spawn(|| ()));
                segno::yield_now();
            }
        }
    }
    task_local! { static BUSY: Option<Busy> = None; }
    let drops = Rc::new(Cell::new(0));
    in_task(|| {
        for _ in 0..3 {
            BUSY.set(Some(Busy(drops.clone())));
        }
        assert_eq!((drops.get(), NUMBER.get()), (2, 2));
        let theirs = drops.clone();
        segno::spawn(move || {
            BUSY.set(Some(Busy(theirs.clone())));
            NUMBER.get()
        })
        .join()
        .unwrap();
    });
    assert_eq!(drops.get(), 4);
}

#[test]
fn a_panic_in_the_destructor_of_a_task_local_is_reported() {
    alone(|| {
        task_local! { static ANGRY: Option<Rc<OnDrop<fn()>>> = None; }
        let (_, told) = reports(|| {
            in_task(|| {
                segno::spawn(|| ANGRY.set(Some(Rc::new(OnDrop(|| panic!("angry"))))))
                    .join()
                    .unwrap();
                segno::yield_now();
            });
        });
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].kind(), ReportKind::LostPanic);
    });
}

// ---- wakers

#[test]
fn wake_before_pause_is_not_lost() {
    in_task(|| {
        segno::waker().wake();
        segno::pause();
        let waker = segno::waker();
        waker.wake_by_ref();
        waker.wake_by_ref(); // counts once
        segno::pause();
        let late = segno::spawn(move || waker.wake());
        segno::pause();
        late.join().unwrap();
    });
}

#[test]
fn two_wakes_count_once() {
    let mut events = virtually();
    let woken = Rc::new(Cell::new(0));
    let (theirs, kept) = (woken.clone(), Rc::new(Cell::new(None)));
    let give = kept.clone();
    let _task = events.spawn(move || {
        give.set(Some(segno::waker()));
        loop {
            segno::pause();
            theirs.set(theirs.get() + 1);
        }
    });
    events.run_until_idle();
    let waker: Waker = kept.take().unwrap();
    for _ in 0..5 {
        waker.wake_by_ref();
    }
    events.run_until_idle();
    assert!((1..=2).contains(&woken.get()), "{}", woken.get());
    let before = woken.get();
    events.run_until_idle();
    assert_eq!(woken.get(), before);
}

#[test]
fn a_wake_after_the_end_does_nothing() {
    let mut events = virtually();
    let waker = events.run(|| segno::waker()).unwrap();
    waker.wake_by_ref();
    let woken = Rc::new(Cell::new(false));
    let theirs = woken.clone();
    let next = events.spawn(move || {
        segno::pause(); // it has the record of the one that ended
        theirs.set(true);
    });
    events.run_until_idle();
    waker.wake_by_ref();
    events.run_until_idle();
    assert!(!woken.get() && !next.is_finished());
    drop(events);
    waker.wake_by_ref();
    thread::spawn(move || waker.wake()).join().unwrap();
}

#[test]
fn wakers_know_whom_they_wake() {
    in_task(|| {
        let (mine, again) = (segno::waker(), segno::waker());
        let theirs = segno::spawn(|| segno::waker()).join().unwrap();
        assert!(mine.will_wake(&again) && !mine.will_wake(&theirs));
        assert_eq!(mine.task(), segno::current().id());
    });
    assert!(panic_text(|| segno::waker()).contains("needs a task"));
}

#[test]
fn a_million_wakes_are_each_followed_by_a_pause_that_returns() {
    in_time(|| {
        let rounds = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
        in_task(|| {
            let ball = Cell::new(0_u32);
            let (first, second) = (Cell::new(None::<Waker>), Cell::new(None::<Waker>));
            let play = |me: &Cell<Option<Waker>>, other: &Cell<Option<Waker>>, parity: u32| {
                me.set(Some(segno::waker()));
                while ball.get() < rounds {
                    if ball.get() % 2 == parity {
                        ball.set(ball.get() + 1);
                        if let Some(waker) = other.take() {
                            waker.wake_by_ref();
                            other.set(Some(waker));
                        }
                    } else {
                        segno::pause();
                    }
                }
            };
            segno::scope(|s| {
                s.spawn(|| play(&first, &second, 0));
                s.spawn(|| {
                    play(&second, &first, 1);
                });
                while ball.get() < rounds {
                    segno::yield_now();
                }
                for waker in [first.take(), second.take()].into_iter().flatten() {
                    waker.wake();
                }
            });
            assert_eq!(ball.get(), rounds);
        });
    });
}

/// Ready when somebody has opened it.
struct Door {
    open: Arc<AtomicU32>,
    waker: Arc<std::sync::Mutex<Option<std::task::Waker>>>,
}

impl Future for Door {
    type Output = u32;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        *self.waker.lock().unwrap() = Some(cx.waker().clone());
        match self.open.load(Ordering::Acquire) {
            0 => Poll::Pending,
            n => Poll::Ready(n),
        }
    }
}

/// Waits for a future in a task.
fn wait_for<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = std::task::Waker::from(segno::waker());
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => segno::pause(),
        }
    }
}

#[test]
fn a_waker_drives_a_future() {
    for by_thread in [false, true] {
        let door = Door { open: Arc::default(), waker: Arc::default() };
        let (open, waker) = (door.open.clone(), door.waker.clone());
        let opener = move || {
            open.store(7, Ordering::Release);
            if let Some(waker) = waker.lock().unwrap().take() {
                assert!(waker.will_wake(&waker.clone()));
                waker.wake();
            }
        };
        let value = segno::run(move || {
            if by_thread {
                thread::spawn(opener);
            } else {
                drop(segno::spawn(opener));
            }
            wait_for(async { door.await + 1 })
        });
        assert_eq!(value, 8);
    }
}

// ---- time

#[test]
fn intervals_catch_up_or_shift_or_skip() {
    let ticks = |policy| {
        in_task(move || {
            let time = clock();
            let start = segno::now();
            let mut beat = segno::interval(SECOND).missed(policy);
            beat.tick();
            segno::sleep(5 * SECOND / 2);
            (0..4)
                .map(|_| ((beat.tick() - start).as_millis(), time().as_millis()))
                .collect::<Vec<_>>()
        })
    };
    // (due, came)
    let burst = [(1000, 2500), (2000, 2500), (3000, 3000), (4000, 4000)];
    let delay = [(1000, 2500), (3500, 3500), (4500, 4500), (5500, 5500)];
    let skip = [(1000, 2500), (3000, 3000), (4000, 4000), (5000, 5000)];
    assert_eq!(ticks(MissedTicks::Burst), burst);
    assert_eq!(ticks(MissedTicks::Delay), delay);
    assert_eq!(ticks(MissedTicks::Skip), skip);
}

#[test]
fn intervals_of_nothing_and_of_for_ever_work() {
    in_task(|| {
        let time = clock();
        let mut always = segno::interval(Duration::ZERO);
        let mut skips = segno::interval(Duration::ZERO).missed(MissedTicks::Skip);
        for _ in 0..10 {
            always.tick();
            skips.tick();
        }
        assert_eq!(time(), Duration::ZERO);
        let mut never = segno::interval(Duration::MAX);
        never.tick();
        assert!(segno::timeout(SECOND, || never.tick()).is_err());
    });
}

#[test]
fn time_outside_tasks_is_the_threads_own() {
    let before = Instant::now();
    assert!(segno::now() >= before);
    segno::sleep(Duration::from_micros(10));
    segno::sleep_until(before);
    segno::yield_now();
    segno::checkpoint();
    assert!(!segno::is_cancelled());
    for told in [
        panic_text(|| segno::timeout(SECOND, || ())),
        panic_text(|| segno::scope(|_| ())),
        panic_text(|| segno::spawn(|| ())),
        panic_text(|| segno::task("x").spawn(|| ())),
        panic_text(|| segno::cancel_scope(|_| ())),
        panic_text(|| segno::shield(|| ())),
        panic_text(|| segno::handle()),
        panic_text(|| segno::external()),
    ] {
        assert!(told.contains("needs a task"), "{told}");
    }
}

// ---- scopes

#[test]
fn a_child_panic_cancels_the_others_and_comes_out_unchanged() {
    in_task(|| {
        let tally = Tally::default();
        let payload = panic_of(|| {
            segno::scope(|s| {
                let t = &tally;
                s.spawn(move || {
                    let _waits = t.witness("sibling");
                    segno::sleep(Duration::MAX);
                });
                s.spawn(|| {
                    segno::sleep(SECOND);
                    panic_any(42_u8);
                });
                let _body = t.witness("body");
                segno::sleep(Duration::MAX);
            })
        });
        assert_eq!(payload.downcast_ref(), Some(&42_u8));
        assert_eq!(tally.alive(), 0);
        segno::checkpoint();
    });
}

#[test]
fn a_body_panic_cancels_and_awaits_the_children() {
    in_task(|| {
        let time = clock();
        let told = panic_text(|| {
            segno::scope(|s| {
                s.spawn(|| {
                    let caught = catch_unwind(|| segno::sleep(Duration::MAX)).unwrap_err();
                    segno::shield(|| segno::sleep(SECOND));
                    resume_unwind(caught);
                });
                segno::yield_now();
                panic!("the body");
            })
        });
        assert_eq!(told, "the body");
        assert_eq!(time(), SECOND, "the child's clean-up was awaited");
    });
}

#[test]
fn of_several_panics_the_first_comes_out_and_the_others_are_reported() {
    alone(|| {
        let (told, lost) = reports(|| {
            in_task(|| {
                panic_text(|| {
                    segno::scope(|s| {
                        for name in ["first", "second", "third"] {
                            s.spawn(move || {
                                let _ = catch_unwind(|| segno::sleep(SECOND));
                                panic!("{name}");
                            });
                        }
                        let _ = catch_unwind(|| segno::sleep(Duration::MAX));
                        panic!("the body");
                    })
                })
            })
        });
        assert_eq!(told, "first");
        let lost: Vec<_> = lost.iter().map(|r| (r.kind(), r.message().to_owned())).collect();
        assert_eq!(lost.len(), 3, "{lost:?}");
        for name in ["second", "third", "the body"] {
            assert!(lost.iter().any(|(_, text)| text.contains(name)), "{lost:?}");
        }
        assert!(lost.iter().all(|(kind, _)| *kind == ReportKind::LostPanic));
    });
}

#[test]
fn a_panic_in_a_childs_clean_up_does_not_stop_the_cancellation_of_the_parent() {
    alone(|| {
        let (_, lost) = reports(|| {
            in_task(|| {
                let task = segno::spawn(|| {
                    segno::scope(|s| {
                        s.spawn(|| {
                            let _ = catch_unwind(|| segno::sleep(Duration::MAX));
                            panic!("in the clean-up");
                        });
                        segno::sleep(Duration::MAX);
                    });
                });
                segno::yield_now();
                segno::yield_now();
                task.cancel("please");
                assert_eq!(reason_of(task.join()).message(), "please");
            });
        });
        assert_eq!(lost.len(), 1, "{lost:?}");
        assert!(lost[0].message().contains("in the clean-up"));
    });
}

#[test]
fn a_cancelled_scope_refuses_new_children_their_first_step() {
    in_task(|| {
        let tally = Tally::default();
        let task_tally = tally.clone();
        let task = segno::spawn(move || {
            segno::scope(|s| {
                let _ = catch_unwind(|| segno::pause());
                let witness = task_tally.witness("captured");
                let child = s.spawn(move || {
                    let _captured = witness;
                    unreachable!("it is cancelled from the start");
                });
                let late = segno::shield(|| child.join());
                reason_of::<()>(late).message().to_owned()
            })
        });
        segno::yield_now();
        task.cancel("please");
        assert_eq!(task.join().unwrap(), "please");
        assert_eq!(tally.gone(), ["captured"]);
    });
}

#[test]
fn children_cancelled_by_the_scope_leave_the_body_alone() {
    in_task(|| {
        segno::scope(|s| {
            let first = s.spawn(|| segno::pause());
            let second = s.task("second").spawn(|| segno::pause());
            assert_eq!(s.children(), 2);
            segno::yield_now();
            s.cancel_children("enough");
            let later = s.spawn(|| {
                segno::yield_now();
                7
            });
            assert_eq!(reason_of(first.join()).message(), "enough");
            assert_eq!(reason_of(second.join()).kind(), CancelKind::Requested);
            assert_eq!(later.join().unwrap(), 7);
            assert_eq!(s.children(), 0);
            segno::checkpoint();
        });
    });
}

#[test]
fn siblings_join_each_other() {
    in_task(|| {
        let sum = segno::scope(|s| {
            let a = s.spawn(|| {
                segno::sleep(SECOND);
                1
            });
            let b = s.spawn(move || a.join().unwrap() + 1);
            let c = s.spawn(move || b.join().unwrap() + 1);
            c.join().unwrap()
        });
        assert_eq!(sum, 3);
    });
}

#[test]
fn children_spawn_siblings_and_use_what_the_scope_borrows() {
    in_task(|| {
        let counter = Cell::new(0);
        segno::scope(|s| {
            let counter = &counter;
            s.spawn(move || {
                for _ in 0..3 {
                    s.spawn(move || {
                        segno::yield_now();
                        s.spawn(move || counter.set(counter.get() + 1));
                    });
                }
            });
        });
        assert_eq!(counter.get(), 3);
    });
}

#[test]
fn a_forgotten_scoped_handle_changes_nothing() {
    in_task(|| {
        let done = Cell::new(false);
        segno::scope(|s| {
            std::mem::forget(s.spawn(|| {
                segno::sleep(SECOND);
                done.set(true);
            }));
            std::mem::forget(s.task("never spawned"));
        });
        assert!(done.get());
    });
}

#[test]
fn a_scope_waits_for_children_that_were_detached() {
    in_task(|| {
        let done = Cell::new(0);
        let count = || done.set(done.get() + 1);
        segno::scope(|s| {
            for _ in 0..10 {
                drop(s.spawn(|| {
                    segno::sleep(SECOND);
                    count();
                }));
            }
        });
        assert_eq!(done.get(), 10);
    });
}

#[test]
fn the_first_error_ends_a_try_scope() {
    in_task(|| {
        let time = clock();
        let tally = Tally::default();
        let result: Result<(), String> = segno::try_scope(|s| {
            let t = &tally;
            s.spawn(move || {
                let _witness = t.witness("slow");
                segno::sleep(10 * SECOND);
                Err::<(), _>("too late".to_owned())
            });
            s.spawn(|| {
                segno::sleep(SECOND);
                Err::<(), _>("first".to_owned())
            });
            s.spawn(|| {
                let _ = catch_unwind(|| segno::sleep(Duration::MAX));
                Err::<(), _>("from a clean-up".to_owned())
            });
            segno::sleep(Duration::MAX);
            Ok(())
        });
        assert_eq!(result, Err("first".to_owned()));
        assert_eq!((time(), tally.alive()), (SECOND, 0));
        let body: Result<(), u8> = segno::try_scope(|s| {
            s.spawn(|| Ok(segno::sleep(Duration::MAX)));
            Err(1)
        });
        assert_eq!(body, Err(1));
        let fine: Result<u8, ()> = segno::try_scope(|s| Ok(s.spawn(|| Ok(7)).join().unwrap()));
        assert_eq!(fine, Ok(7));
    });
}

#[test]
fn a_panic_in_a_try_scope_comes_out_before_an_error() {
    in_task(|| {
        let told = panic_text(|| {
            segno::try_scope(|s| {
                s.spawn(|| {
                    let _ = catch_unwind(|| segno::sleep(Duration::MAX));
                    Err::<(), _>(1)
                });
                s.spawn(|| -> Result<(), i32> { panic!("a child") });
                Ok(segno::sleep(Duration::MAX))
            })
        });
        assert_eq!(told, "a child");
    });
}

#[test]
fn a_cancelled_parent_of_a_try_scope_is_cancelled_whatever_its_children_return() {
    in_task(|| {
        let task = segno::spawn(|| {
            let _: Result<(), u8> = segno::try_scope(|s| {
                s.spawn(|| {
                    let _ = catch_unwind(|| segno::sleep(Duration::MAX));
                    Err::<(), _>(1)
                });
                Ok(segno::sleep(Duration::MAX))
            });
            segno::checkpoint();
            unreachable!();
        });
        segno::yield_now();
        segno::yield_now();
        task.cancel("please");
        assert_eq!(reason_of::<()>(task.join()).message(), "please");
    });
}

#[test]
fn join_all_keeps_the_order_and_accepts_nothing() {
    in_task(|| {
        assert_eq!(segno::join_all(Vec::<fn() -> u8>::new()), [0_u8; 0]);
        let time = clock();
        let slept = segno::join_all([3, 1, 2].map(|n| {
            move || {
                segno::sleep(n * SECOND);
                n
            }
        }));
        assert_eq!((slept, time()), (vec![3, 1, 2], 3 * SECOND));
        let told = panic_text(|| {
            segno::join_all([1, 2].map(|n| {
                move || {
                    segno::sleep(n * SECOND);
                    assert!(n == 2, "number {n}");
                    segno::sleep(Duration::MAX);
                }
            }))
        });
        assert_eq!((told.as_str(), time()), ("number 1", 4 * SECOND));
        assert_eq!(segno::try_join(Vec::<fn() -> Result<u8, ()>>::new()), Ok(vec![]));
        let failed = segno::try_join([2, 1].map(|n| {
            move || -> Result<(), u32> {
                segno::sleep(n * SECOND);
                Err(n)
            }
        }));
        assert_eq!((failed, time()), (Err(1), 5 * SECOND));
    });
}

#[test]
fn a_race_has_one_winner_and_awaits_the_losers() {
    in_task(|| {
        let (time, tally) = (clock(), Tally::default());
        let winner = segno::race([3, 1, 2].map(|n| {
            let tally = &tally;
            move || {
                let _runner = tally.witness(n);
                let slept = catch_unwind(|| segno::sleep(n * SECOND));
                if let Err(payload) = slept {
                    segno::shield(|| segno::sleep(SECOND));
                    resume_unwind(payload);
                }
                n
            }
        }));
        assert_eq!((winner, time(), tally.alive()), (1, 2 * SECOND, 0));
        let photo_finish = segno::race([1, 2].map(|n| {
            move || {
                segno::sleep(SECOND);
                n
            }
        }));
        assert_eq!(photo_finish, 1);
        let told = panic_text(|| segno::race(Vec::<fn()>::new()));
        assert!(told.contains("tasks.rs"), "{told}");
        let told = panic_text(|| {
            segno::race([1, 2].map(|n| {
                move || {
                    segno::sleep(n * SECOND);
                    assert!(n == 2, "number {n}");
                }
            }))
        });
        assert_eq!(told, "number 1");
    });
}

#[test]
fn the_results_of_losers_are_dropped() {
    in_task(|| {
        let tally = Tally::default();
        let winner = segno::race([1, 2].map(|n| {
            let tally = &tally;
            move || {
                let _ = catch_unwind(|| segno::sleep(n * SECOND));
                tally.witness(n)
            }
        }));
        assert_eq!(winner.name, "1");
        assert_eq!(tally.gone(), ["2"]);
    });
}

#[test]
fn a_cancelled_race_ends_its_runners() {
    in_task(|| {
        let tally = Tally::default();
        let result = segno::timeout(SECOND, || {
            segno::race([1, 2].map(|n| {
                let tally = &tally;
                move || {
                    let _witness = tally.witness(n);
                    segno::sleep(Duration::MAX);
                }
            }))
        });
        assert!(result.is_err());
        assert_eq!(tally.alive(), 0);
    });
}

#[test]
fn an_iterator_that_panics_between_children_leaves_none_behind() {
    in_task(|| {
        let tally = Tally::default();
        for all in [false, true] {
            let told = panic_text(|| {
                let closures = (0..5).map(|n| {
                    assert!(n < 3, "no more");
                    let tally = &tally;
                    move || {
                        let _witness = tally.witness(n);
                        segno::sleep(Duration::MAX);
                    }
                });
                if all {
                    drop(segno::join_all(closures));
                } else {
                    segno::race(closures);
                }
            });
            assert_eq!((told.as_str(), tally.alive()), ("no more", 0));
        }
    });
}

#[test]
fn many_children_of_a_cancelled_scope_do_not_share_one_patience() {
    alone(|| {
        let (_, told) = reports(|| {
            in_task(|| {
                let cut = segno::cancel_scope(|part| {
                    segno::scope(|s| {
                        for _ in 0..200 {
                            s.spawn(|| {
                                for _ in 0..2 {
                                    let caught = catch_unwind(|| segno::sleep(Duration::MAX));
                                    assert!(is_cancel(&*caught.unwrap_err()));
                                }
                            });
                        }
                        segno::yield_now();
                        part.cancel("all of you");
                    });
                });
                assert_eq!(cut, Ok(()));
            });
        });
        assert!(told.is_empty(), "{told:?}");
    });
}

#[test]
fn results_of_any_size_and_alignment_reach_their_joiner_or_are_dropped_once() {
    #[derive(Debug)]
    #[repr(align(128))]
    struct Aligned(u8);
    /// Children that give what `make` makes; what becomes of their handles is decided by dice.
    fn crowd<T>(make: impl Fn(u32) -> T, check: impl Fn(T, u32)) {
        let mut dice = support::Dice(5);
        for round in 0..5 {
            segno::scope(|s| {
                let mut held = Vec::new();
                for i in 0..100 {
                    let (make, pauses) = (&make, dice.below(3));
                    let child = s.spawn(move || {
                        (0..pauses).for_each(|_| segno::yield_now());
                        make(i)
                    });
                    match dice.below(8) {
                        0 => drop(child),
                        1 if round == 0 => std::mem::forget(child),
                        2 => check(child.join().unwrap(), i),
                        3 => child.cancel("perhaps"),
                        _ => held.push((child, i)),
                    }
                    if dice.below(20) == 0 {
                        segno::yield_now();
                    }
                }
                dice.shuffle(&mut held);
                held.truncate(80);
                for (child, i) in held {
                    check(child.join().unwrap(), i);
                }
            });
        }
    }
    for _ in 0..3 {
        in_task(|| {
            crowd(|_| (), |(), _| ());
            crowd(|i| i as u8, |x, i| assert_eq!(x, i as u8));
            crowd(
                |i| Aligned(i as u8),
                |x, i| {
                    assert_eq!((x.0, &raw const x as usize % 128), (i as u8, 0));
                },
            );
            crowd(|i| [u64::from(i); 7], |x, i| assert_eq!(x, [u64::from(i); 7]));
            crowd(|i| [u64::from(i); 200], |x, i| assert_eq!(x, [u64::from(i); 200]));
            crowd(|i| i.to_string(), |x, i| assert_eq!(x, i.to_string()));
            let tally = Tally::default();
            let dropped = Cell::new(0);
            segno::scope(|s| {
                for i in 0..100 {
                    let (tally, child) = (&tally, i % 2 == 0);
                    let handle = s.spawn(move || tally.witness(i));
                    if child {
                        segno::yield_now();
                    }
                    drop(handle);
                    dropped.set(dropped.get() + 1);
                }
            });
            assert_eq!((tally.alive(), tally.gone().len()), (0, dropped.get()));
        });
    }
}

#[test]
fn what_starts_at_once_where_its_spawner_must_not_pause_is_refused_before_it_is_made() {
    segno::run(|| {
        let text = panic_text(|| {
            segno::scope(|s| no_pause(|| drop(s.task("never").start_now().spawn(|| ()))));
        });
        assert!(text.contains("no_pause"), "{text}");
        let captured = Rc::new(());
        let theirs = captured.clone();
        let text = panic_text(move || {
            no_pause(|| drop(segno::task("never").start_now().spawn(move || drop(theirs))));
        });
        assert!(text.contains("no_pause"), "{text}");
        assert_eq!(Rc::strong_count(&captured), 1);
    });
}

#[test]
fn who_starts_tasks_at_once_for_ever_does_not_keep_others_from_their_turn() {
    let over = Cell::new(false);
    let started = Cell::new(0);
    segno::run(|| {
        segno::scope(|s| {
            s.spawn(|| {
                for _ in 0..10 {
                    segno::yield_now();
                }
                over.set(true);
            });
            while !over.get() {
                assert!(started.get() < 100_000, "the other one never had its turn");
                s.task("at once")
                    .start_now()
                    .spawn(|| started.set(started.get() + 1))
                    .join()
                    .unwrap();
            }
        });
    });
}

#[test]
fn joining_what_has_ended_never_needs_a_pause() {
    segno::run(|| {
        let tasks: Vec<_> = (0..200).map(|i| segno::spawn(move || i)).collect();
        segno::scope(|s| {
            let children: Vec<_> = (0..200).map(|i| s.spawn(move || i)).collect();
            segno::yield_now();
            no_pause(|| {
                for (i, (task, child)) in tasks.into_iter().zip(children).enumerate() {
                    assert_eq!((task.join().unwrap(), child.join().unwrap()), (i, i));
                }
            });
        });
    });
}

// ---- stacks that tasks have one after the other

/// Where the frames of this function's caller are, as far as it matters.
#[inline(never)]
fn stack_here() -> usize {
    let here = 0_u8;
    black_box(&raw const here) as usize & !0xffff
}

#[test]
#[cfg_attr(miri, ignore = "frames have no addresses there")]
fn the_next_task_runs_on_the_stack_of_the_last_one() {
    in_task(|| {
        let stack_of = |size: Option<usize>| {
            let task = segno::task("of a size");
            let task = size.into_iter().fold(task, |task, size| task.stack_size(size));
            task.spawn(stack_here).join().unwrap()
        };
        let usual = stack_of(None);
        assert_eq!(stack_of(None), usual);
        let larger = stack_of(Some(1 << 20));
        assert_ne!(larger, usual, "one of another size has another");
        assert_eq!(stack_of(None), usual);
        let panicked = segno::spawn(|| -> usize { panic_any(stack_here()) }).join().unwrap_err();
        let JoinError::Panicked(panic) = panicked else { panic!("{panicked:?}") };
        assert_eq!(panic.into_payload().downcast_ref(), Some(&usual), "one that panics, too");
        let cancelled = segno::spawn(|| {
            let _noted = OnDrop(|| assert!(segno::is_cancelled()));
            segno::pause();
        });
        segno::yield_now();
        cancelled.cancel("for the test");
        assert!(cancelled.join().is_err());
        assert_eq!(stack_of(None), usual, "and one that was cancelled");
    });
}

#[test]
#[cfg_attr(miri, ignore = "frames have no addresses there")]
fn what_was_the_last_task_s_is_not_the_next_one_s() {
    task_local! { static MARK: Cell<u32> = Cell::new(0); }
    in_task(|| {
        let stack = segno::task("first").spawn(|| {
            MARK.set(Cell::new(1));
            (stack_here(), segno::current())
        });
        let (stack, first) = stack.join().unwrap();
        let second = segno::spawn(move || {
            assert_eq!(stack_here(), stack);
            assert_eq!(MARK.with(Cell::get), 0);
            segno::current()
        });
        let second = second.join().unwrap();
        assert_eq!((first.name(), second.name()), (Some("first"), None));
        assert!(first.id() != second.id() && first.spawned_at() != second.spawned_at());
    });
}
