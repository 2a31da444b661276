//! Attacks on pools: frames that are lent to other threads, and handles, panics, cancellations and destructors that try
//! to let somebody use them too late, drop something twice, or leave somebody behind.
//!
//! The counts are those of a quick run; `SEGNO_FULL=1 cargo test --release --test pool_attacks` makes the full ones.

#![allow(unused_must_use, reason = "the scope waits for its children, whoever keeps their handles")]

mod support;

use std::cell::{Cell, RefCell};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Once, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use segno::sync::channel;
use segno::{
    CancelKind, Coroutine, EventLoop, Generator, JoinError, Outlet, Pauser, Pool, Report,
    ReportKind, on_report, pool,
};
use support::{
    Dice, OnDrop, assert_aborted, child, in_time, panic_of, panic_text, part_of, reason_of,
    text_of, until, while_unwinding,
};

/// Longer than anything here takes.
const HOUR: Duration = Duration::from_secs(3600);
/// Some time, in which others get somewhere.
const A_MOMENT: Duration = Duration::from_millis(10);
const MS: Duration = Duration::from_millis(1);

/// A pool with so many threads.
fn mill(threads: usize) -> Pool {
    Pool::builder().threads(threads).name("mill").build().unwrap()
}

/// Something in a frame that others use: it notices who uses it after its end.
#[derive(Default)]
struct Lent {
    /// How many use it.
    users: AtomicUsize,
    /// How many ever did.
    ever: AtomicUsize,
    /// Whether it has ended.
    over: AtomicBool,
}

impl Lent {
    /// One that uses it, until the guard is dropped.
    fn used(&self) -> OnDrop<impl FnMut() + '_> {
        self.users.fetch_add(1, SeqCst);
        self.ever.fetch_add(1, SeqCst);
        OnDrop(|| {
            assert!(!self.over.load(SeqCst), "used after its end");
            self.users.fetch_sub(1, SeqCst);
        })
    }

    /// How many ever used it. Nobody does now.
    #[track_caller]
    fn had(&self) -> usize {
        assert_eq!(self.users.load(SeqCst), 0, "it is still in use");
        self.ever.load(SeqCst)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        assert_eq!(self.users.load(SeqCst), 0, "it ends, and is still in use");
    }
}

/// What was reported so far, on all threads, that says this.
fn reported(part: &str) -> Vec<Report> {
    static HEARD: Mutex<Vec<Report>> = Mutex::new(Vec::new());
    static LISTEN: Once = Once::new();
    let heard = || HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    LISTEN.call_once(|| {
        on_report(|report| {
            let said = report.kind() == ReportKind::Abort;
            if said {
                eprintln!("{report}");
            }
            HEARD.lock().unwrap_or_else(PoisonError::into_inner).push(report.clone());
        });
    });
    heard().iter().filter(|report| report.message().contains(part)).cloned().collect()
}

/// Swallows its cancellation, for ever.
fn cling() {
    loop {
        let _ = catch_unwind(|| segno::sleep(HOUR));
    }
}

/// Lets go of the thread for some time.
fn spin(times: usize) {
    for _ in 0..times {
        std::hint::spin_loop();
    }
}

// Borrowed frames.

#[test]
fn a_frame_outlives_its_children_when_the_body_panics() {
    in_time(|| {
        let pool = mill(2);
        for round in 0..50 {
            let lent = Lent::default();
            let payload = panic_of(|| {
                pool.scope(|s| {
                    for n in 0..8 {
                        let lent = &lent;
                        s.spawn(move || {
                            let _used = lent.used();
                            if n % 2 == 0 {
                                segno::sleep(HOUR);
                            }
                            loop {
                                segno::yield_now();
                            }
                        });
                    }
                    spin(round * 100);
                    panic!("the body");
                })
            });
            assert_eq!(text_of(&*payload), "the body");
            lent.had();
        }
    });
}

#[test]
fn a_frame_outlives_its_children_when_one_panics() {
    in_time(|| {
        let pool = mill(2);
        for round in 0..50 {
            let lent = Lent::default();
            let payload = panic_of(|| {
                pool.scope(|s| {
                    for n in 0..8 {
                        let lent = &lent;
                        s.spawn(move || {
                            let _used = lent.used();
                            if n == 3 {
                                spin(round * 100);
                                panic!("a child");
                            }
                            segno::sleep(HOUR);
                        });
                    }
                })
            });
            assert_eq!(text_of(&*payload), "a child");
            assert!(lent.had() > 0);
        }
    });
}

#[test]
fn a_frame_outlives_its_children_when_it_is_cancelled_from_another_thread() {
    in_time(|| {
        let pool = mill(2);
        for round in 0..50 {
            let lent = &Lent::default();
            pool.run(|| {
                let cancelled = segno::cancel_scope(|scope| {
                    let handle = scope.handle();
                    let canceller = thread::spawn(move || {
                        spin(round * 100);
                        handle.cancel("from outside");
                    });
                    pool::scope(|s| {
                        for _ in 0..8 {
                            s.spawn(|| {
                                let _used = lent.used();
                                // A scope inside the scope.
                                pool::scope(|inner| {
                                    inner.spawn(|| {
                                        let _used = lent.used();
                                        segno::sleep(HOUR);
                                    });
                                });
                                segno::checkpoint();
                            });
                        }
                    });
                    canceller.join().unwrap();
                    segno::checkpoint();
                });
                assert_eq!(cancelled.unwrap_err().reason().message(), "from outside");
                lent.had();
            });
        }
    });
}

#[test]
fn a_frame_outlives_its_children_when_the_pool_is_dropped() {
    in_time(|| {
        for round in 0..20 {
            let pool = mill(2);
            let (begun, had) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (theirs, said) = (begun.clone(), had.clone());
            let task = pool.spawn(move || {
                let lent = Lent::default();
                let _said = OnDrop(|| {
                    said.store(1 + lent.had(), SeqCst);
                });
                pool::scope(|s| {
                    for _ in 0..100 {
                        s.spawn(|| {
                            let _used = lent.used();
                            theirs.fetch_add(1, SeqCst);
                            segno::sleep(HOUR);
                        });
                    }
                });
                segno::checkpoint();
            });
            until(|| begun.load(SeqCst) > round);
            drop(pool);
            assert_eq!(reason_of(task.join()).kind(), CancelKind::Shutdown);
            assert_eq!(had.load(SeqCst), 1 + begun.load(SeqCst));
        }
    });
}

#[test]
fn what_was_not_begun_when_its_pool_was_dropped_is_let_go_and_counted() {
    in_time(|| {
        for threads in [1, 2] {
            let pool = mill(threads);
            let (dropped, ran) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (theirs, runs) = (dropped.clone(), ran.clone());
            let (tell, told) = mpsc::channel();
            let (go, gone) = mpsc::channel::<()>();
            let task = pool.spawn(move || {
                let here = 7;
                pool::scope(|s| {
                    let handles: Vec<_> = (0..50)
                        .map(|_| {
                            let captured = OnDrop(|| {
                                theirs.fetch_add(here - 6, SeqCst);
                            });
                            let runs = &runs;
                            s.spawn(move || {
                                runs.fetch_add(1, SeqCst);
                                let _captured = captured;
                                segno::sleep(HOUR);
                            })
                        })
                        .collect();
                    tell.send(()).unwrap();
                    gone.recv().unwrap();
                    drop(handles);
                });
                segno::checkpoint();
            });
            told.recv().unwrap();
            let dropping = thread::spawn(move || drop(pool));
            thread::sleep(A_MOMENT);
            go.send(()).unwrap();
            dropping.join().unwrap();
            assert_eq!(dropped.load(SeqCst), 50);
            assert!(ran.load(SeqCst) <= 50);
            // It may have come to its end before its own loop had heard of it.
            if let Err(error) = task.join() {
                assert_eq!(error.reason().unwrap().kind(), CancelKind::Shutdown);
            }
        }
    });
}

// Forgotten handles.

#[test]
fn a_forgotten_handle_of_a_child_changes_nothing_for_its_scope() {
    in_time(|| {
        let pool = mill(2);
        let lent = Lent::default();
        pool.scope(|s| {
            for n in 0..20 {
                let lent = &lent;
                mem::forget(s.spawn(move || {
                    let _used = lent.used();
                    segno::sleep(MS * (n % 3));
                    lent
                }));
            }
        });
        assert_eq!(lent.had(), 20);
        pool.run(|| {
            pool::scope(|s| {
                for _ in 0..20 {
                    mem::forget(s.spawn(|| drop(lent.used())));
                }
            });
        });
        assert_eq!(lent.had(), 40);
    });
}

#[test]
fn a_forgotten_handle_of_a_task_changes_nothing_for_it() {
    in_time(|| {
        let pool = mill(2);
        let ended = Arc::new(AtomicUsize::new(0));
        for n in 0..20 {
            let theirs = ended.clone();
            let ended = OnDrop(move || {
                theirs.fetch_add(1, SeqCst);
            });
            mem::forget(pool.spawn(move || {
                let _ended = ended;
                segno::sleep(HOUR * (n % 2));
            }));
        }
        drop(pool);
        assert_eq!(ended.load(SeqCst), 20);
    });
}

#[test]
fn a_forgotten_pool_goes_on() {
    in_time(|| {
        let pool = mill(2);
        let (go, gone) = channel::oneshot::<u32>();
        let task = pool.spawn(move || {
            let mut gone = gone;
            pool::join(|| 1, || 2);
            gone.recv().unwrap()
        });
        mem::forget(pool);
        go.send(7).unwrap();
        assert_eq!(task.join().unwrap(), 7);
    });
}

#[test]
fn handles_outlive_their_pool() {
    in_time(|| {
        let pool = mill(1);
        let done = pool.spawn(|| "done".to_owned());
        until(|| done.is_finished());
        let sleeps = pool.spawn(|| segno::sleep(HOUR));
        drop(pool);
        sleeps.cancel("too late");
        assert_eq!(reason_of(sleeps.join()).kind(), CancelKind::Shutdown);
        // Another pool, perhaps at the same place.
        let other = mill(1);
        assert_eq!(other.run(move || done.join()).unwrap(), "done");
    });
}

#[test]
fn a_scope_inside_a_forgotten_coroutine_is_not_left() {
    let pool = mill(1);
    let text = panic_text(|| {
        let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            let local = AtomicUsize::new(0);
            pool.scope(|s| {
                s.spawn(|| local.fetch_add(1, SeqCst));
                co.pause(());
            });
        });
        co.resume(());
        mem::forget(co);
    });
    assert!(text.contains("Pool::scope") && text.contains("tests/pool_attacks.rs"), "{text}");
}

#[test]
fn a_coroutine_does_not_pause_inside_run_and_join_either() {
    let pool = Arc::new(mill(1));
    // The closure runs elsewhere, but what is on the way there may not be left: a destructor pauses here.
    let theirs = pool.clone();
    let mut co = Coroutine::new(move |co: &Pauser<u32, u32>, first| {
        let sum = theirs.run(|| first + 1);
        let (a, b) = theirs.join(|| sum, || 1);
        co.pause(a + b)
    });
    assert_eq!(co.resume(1), segno::State::Paused(3));
    assert_eq!(co.resume(5), segno::State::Complete(5));
    drop(pool);
}

// Siblings.

#[test]
fn a_handle_is_joined_by_a_sibling() {
    in_time(|| {
        for threads in [1, 2] {
            let pool = mill(threads);
            let lent = Lent::default();
            let sum = pool.scope(|s| {
                let first = s.spawn(|| {
                    let _used = lent.used();
                    segno::sleep(MS);
                    1
                });
                let second = s.spawn(|| first.join().unwrap() + 1);
                let third = s.spawn(|| second.join().unwrap() + 1);
                third.join().unwrap()
            });
            assert_eq!((sum, lent.had()), (3, 1));
        }
    });
}

#[test]
fn a_long_chain_of_siblings_join_each_other_on_one_thread() {
    in_time(|| {
        for threads in [1, 2] {
            let pool = mill(threads);
            pool.run(|| {
                let last = pool::scope(|s| {
                    let mut last = s.spawn(|| 0);
                    for _ in 0..1_000 {
                        let before = last;
                        last = s.spawn(|| before.join().unwrap() + 1);
                    }
                    last.join().unwrap()
                });
                assert_eq!(last, 1_000);
            });
        }
    });
}

#[test]
fn a_child_in_the_frames_of_its_owner_joins_a_sibling_that_nobody_has_started() {
    in_time(|| {
        let pool = mill(1);
        pool.run(|| {
            pool::scope(|s| {
                let owner = segno::current().id();
                let sibling = s.spawn(|| {
                    segno::yield_now();
                    segno::current().id()
                });
                let id = sibling.id();
                let child = s.spawn(move || {
                    let mine = segno::current().id();
                    let theirs = sibling.join().unwrap();
                    assert_eq!(segno::current().id(), mine);
                    (mine, theirs)
                });
                let (mine, theirs) = child.join().unwrap();
                assert_eq!(theirs, id);
                assert!(mine != theirs && mine != owner && theirs != owner);
                assert_eq!(segno::current().id(), owner);
            });
        });
    });
}

#[test]
fn a_child_joins_the_sibling_that_the_owner_would_have_run() {
    in_time(|| {
        // What the body leaves behind is run in its frames, one of them joining another.
        let pool = mill(1);
        let ran = AtomicUsize::new(0);
        pool.run(|| {
            pool::scope(|s| {
                for _ in 0..100 {
                    let sibling = s.spawn(|| {
                        segno::yield_now();
                        ran.fetch_add(1, SeqCst);
                    });
                    s.spawn(|| {
                        sibling.join().unwrap();
                        ran.fetch_add(1, SeqCst);
                    });
                }
            });
        });
        assert_eq!(ran.into_inner(), 200);
    });
}

#[test]
fn a_handle_that_is_its_own_childs_result_is_lost_and_nothing_else() {
    in_time(|| {
        let pool = mill(2);
        let dropped = AtomicUsize::new(0);
        pool.scope(|s| {
            let place: Arc<Mutex<Option<Box<dyn Send + '_>>>> = Arc::default();
            let (theirs, dropped) = (place.clone(), &dropped);
            let own = s.spawn(move || {
                let _ended = OnDrop(|| {
                    dropped.fetch_add(1, SeqCst);
                });
                theirs
            });
            *place.lock().unwrap() = Some(Box::new(own));
            // Now its result refers to its handle.
            let other = s.spawn(|| 3);
            let carried = s.spawn(move || other);
            assert_eq!(carried.join().unwrap().join().unwrap(), 3);
        });
        assert_eq!(dropped.into_inner(), 1);
    });
}

#[test]
fn one_thread_joins_in_any_order() {
    in_time(|| {
        let pool = mill(1);
        pool.run(|| {
            let mut dice = Dice(1);
            for _ in 0..30 {
                pool::scope(|s| {
                    let mut handles: Vec<_> = (0..40_u64)
                        .map(|n| {
                            let pauses = dice.below(3);
                            let child = move || {
                                (0..pauses).for_each(|_| segno::yield_now());
                                n
                            };
                            (n, s.spawn(child))
                        })
                        .collect();
                    dice.shuffle(&mut handles);
                    for (n, handle) in handles {
                        if dice.below(4) > 0 {
                            assert_eq!(handle.join().unwrap(), n);
                        }
                    }
                });
            }
        });
    });
}

#[test]
fn a_child_joins_itself_and_is_told_so() {
    in_time(|| {
        for threads in [1, 2] {
            let pool = mill(threads);
            let text = panic_text(|| {
                pool.scope(|s| {
                    let place = Arc::new(Mutex::new(None));
                    let theirs = place.clone();
                    let own: pool::ScopedJoinHandle<'_, '_, ()> = s.spawn(move || {
                        let own: pool::ScopedJoinHandle<'_, '_, ()> = loop {
                            if let Some(own) = theirs.lock().unwrap().take() {
                                break own;
                            }
                            segno::yield_now();
                        };
                        own.join().unwrap();
                    });
                    *place.lock().unwrap() = Some(own);
                });
            });
            assert!(text.contains("a task joins itself at tests/pool_attacks.rs"), "{text}");
        }
    });
}

// Cancelling.

#[test]
fn a_sibling_cancels_a_child_while_it_runs_and_before_it_begins_and_twice() {
    in_time(|| {
        for threads in [1, 2] {
            let pool = mill(threads);
            let lent = Lent::default();
            pool.scope(|s| {
                let runs = AtomicBool::new(false);
                let runs = Arc::new(runs);
                let theirs = runs.clone();
                let lent = &lent;
                let sleeper = Arc::new(s.spawn(move || {
                    let _used = lent.used();
                    theirs.store(true, SeqCst);
                    segno::sleep(HOUR);
                }));
                let theirs = sleeper.clone();
                let canceller = s.spawn(move || {
                    while !runs.load(SeqCst) {
                        segno::yield_now();
                    }
                    theirs.cancel("first");
                    theirs.cancel("second");
                });
                canceller.join().unwrap();
                sleeper.cancel("third");
                let sleeper = Arc::into_inner(sleeper).unwrap();
                let first = reason_of(sleeper.join());
                assert_eq!((first.message(), first.kind()), ("first", CancelKind::Requested));
                // Before it begins: whoever cancels drops what was captured.
                let dropped = Arc::new(AtomicUsize::new(0));
                let theirs = dropped.clone();
                let captured = OnDrop(move || {
                    theirs.fetch_add(1, SeqCst);
                });
                let never = s.spawn(move || {
                    let _captured = captured;
                    segno::sleep(HOUR);
                });
                never.cancel("first");
                never.cancel("second");
                assert_eq!(reason_of(never.join()).message(), "first");
                assert_eq!(dropped.load(SeqCst), 1);
            });
            lent.had();
        }
    });
}

/// One more in flight as long as this lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        assert!(self.0.fetch_sub(1, SeqCst) > 0, "dropped twice");
    }
}

#[test]
fn cancel_and_wake_and_finish_race_and_nothing_is_lost() {
    in_time(|| {
        let pool = mill(2);
        let (alive, mut dice) = (AtomicUsize::new(0), Dice(11));
        let (rounds, alive) = (part_of(10_000_000), &alive);
        let (ended, cancelled) = pool.run(|| {
            let (mut ended, mut cancelled) = (0, 0);
            for round in 0..rounds {
                let event = &segno::sync::Event::new();
                let (early, late, pause) = (dice.below(300), dice.below(300), dice.below(4));
                let joined = pool::scope(|s| {
                    let captured = Counted::new(alive);
                    let waits = Arc::new(s.spawn(move || {
                        let _captured = captured;
                        match pause {
                            0 => {}
                            1 => segno::yield_now(),
                            _ => event.wait(),
                        }
                        Counted::new(alive)
                    }));
                    let theirs = waits.clone();
                    let cancels = s.spawn(move || {
                        spin(early);
                        theirs.cancel("at some time");
                    });
                    if round % 2 == 0 {
                        // On the owner's thread or another one.
                        segno::yield_now();
                    }
                    spin(late);
                    event.set();
                    cancels.join().unwrap();
                    Arc::into_inner(waits).unwrap().join().map(drop)
                });
                match joined {
                    Ok(()) => ended += 1,
                    Err(JoinError::Cancelled(reason)) => {
                        assert_eq!(reason.message(), "at some time");
                        cancelled += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
                assert_eq!(alive.load(SeqCst), 0, "round {round}");
            }
            (ended, cancelled)
        });
        assert_eq!(ended + cancelled, rounds);
        assert!(ended > 0 && cancelled > 0, "{ended} ended, {cancelled} were cancelled");
    });
}

#[test]
fn a_thread_cancels_and_joins_what_a_pool_begins_at_that_instant() {
    in_time(|| {
        let pool = mill(2);
        let alive: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
        let mut dice = Dice(12);
        let (mut ended, mut cancelled) = (0, 0);
        for _ in 0..part_of(1_000_000) {
            let captured = Counted::new(alive);
            let pause = dice.below(2) == 0;
            let task = pool.spawn(move || {
                let _captured = captured;
                if pause {
                    segno::yield_now();
                }
                Counted::new(alive)
            });
            spin(dice.below(2_000));
            match dice.below(3) {
                // The result is disposed of by whoever is last.
                0 => drop(task),
                which => {
                    if which == 1 {
                        task.cancel("at some time");
                    }
                    match task.join() {
                        Ok(_) => ended += 1,
                        Err(JoinError::Cancelled(_)) => cancelled += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }
        drop(pool);
        assert_eq!(alive.load(SeqCst), 0);
        assert!(ended > 0 && cancelled > 0, "{ended} ended, {cancelled} were cancelled");
    });
}

#[test]
fn scopes_are_left_when_their_children_have_ended_and_not_before() {
    fn body<'scope>(s: &'scope pool::Scope<'scope, '_>, lent: &'scope Lent, spins: [usize; 3]) {
        let [first, second, mine] = spins;
        for spins in [first, second] {
            s.spawn(move || {
                let _used = lent.used();
                spin(spins);
            });
        }
        spin(mine);
    }
    in_time(|| {
        let pool = mill(2);
        let mut dice = Dice(13);
        // The owner on a plain thread, and in a task: children end while it is about to wait.
        for round in 0..part_of(1_000_000) {
            let lent = &Lent::default();
            let spins = std::array::from_fn(|_| dice.below(500));
            if round % 4 == 0 {
                pool.scope(|s| body(s, lent, spins));
            } else {
                pool.run(|| {
                    pool::scope(|s| body(s, lent, spins));
                    assert_eq!(lent.had(), 2);
                });
            }
            assert_eq!(lent.had(), 2);
        }
    });
}

#[test]
fn pools_that_are_dropped_as_soon_as_they_are_there_end() {
    in_time(|| {
        let mut dice = Dice(14);
        for round in 0..part_of(20_000) {
            let pool = mill(1 + dice.below(3));
            let task = (round % 2 == 0).then(|| pool.spawn(|| ()));
            spin(dice.below(5_000));
            drop(pool);
            if let Some(task) = task {
                assert!(task.is_finished());
            }
        }
    });
}

// Those that will not end.

#[test]
fn a_child_on_another_thread_that_swallows_its_cancellation_takes_its_owner_along() {
    in_time(|| {
        reported("");
        let pool = mill(2);
        let owner = pool.task("owner of one that clings").spawn(|| {
            let there = AtomicBool::new(false);
            pool::scope(|s| {
                let clings = s.task("clings over there").spawn(|| {
                    there.store(true, SeqCst);
                    cling();
                });
                // Does not pause, so the other thread takes the child.
                until(|| there.load(SeqCst));
                clings.cancel("enough");
            });
        });
        assert_eq!(reason_of(owner.join()).kind(), CancelKind::Retired);
        let child = reported("clings over there");
        assert!(child.iter().any(|report| report.kind() == ReportKind::Retired), "{child:?}");
        let owner = reported("owner of one that clings");
        assert!(owner.iter().any(|report| report.kind() == ReportKind::Retired), "{owner:?}");
        assert_eq!(pool.run(|| pool::join(|| 1, || 2)), (1, 2), "the pool goes on");
    });
}

#[test]
fn a_child_on_its_owners_thread_that_swallows_its_cancellation_takes_its_owner_along() {
    in_time(|| {
        reported("");
        let pool = mill(1);
        // In the frames of its owner, and on a stack of its own.
        for own_stack in [false, true] {
            let owner = pool.task("owner").spawn(move || {
                pool::scope(|s| {
                    let mut clings = s.task("clings right here");
                    if own_stack {
                        clings = clings.stack_size(64 << 10);
                    }
                    let clings = clings.spawn(cling);
                    s.spawn(|| {
                        segno::sleep(MS);
                        panic!("it is time");
                    });
                    let _ = clings.join();
                });
            });
            assert_eq!(reason_of(owner.join()).kind(), CancelKind::Retired);
            assert!(!reported("`clings right here`").is_empty());
            assert_eq!(pool.run(|| 1), 1, "the pool goes on");
        }
    });
}

#[test]
fn all_that_borrow_from_each_other_are_given_up_together() {
    in_time(|| {
        reported("");
        let pool = mill(2);
        let (gone, theirs) = mpsc::channel::<()>();
        let top = pool.task("the top").spawn(move || {
            // Lives as long as the frame, which is leaked.
            let _kept = gone;
            let there = AtomicBool::new(false);
            pool::scope(|s| {
                let middle = s.task("the middle").spawn(|| {
                    pool::scope(|inner| {
                        let clings = inner.task("the lowest").stack_size(64 << 10).spawn(|| {
                            there.store(true, SeqCst);
                            cling();
                        });
                        while !there.load(SeqCst) {
                            segno::yield_now();
                        }
                        clings.cancel("enough");
                    });
                });
                until(|| there.load(SeqCst));
                let _ = middle.join();
            });
        });
        assert_eq!(reason_of(top.join()).kind(), CancelKind::Retired);
        for name in ["the top", "the middle", "the lowest"] {
            assert!(!reported(name).is_empty(), "{name} was not given up");
        }
        assert_eq!(theirs.try_recv(), Err(mpsc::TryRecvError::Empty), "its frame has gone");
        assert_eq!(pool.run(|| 1), 1);
    });
}

#[test]
fn who_joins_a_sibling_that_is_given_up_is_told_so() {
    in_time(|| {
        let pool = mill(2);
        let (tell, told) = mpsc::channel();
        let owner = pool.spawn(move || {
            let there = AtomicBool::new(false);
            pool::scope(|s| {
                let clings = s.spawn(|| {
                    there.store(true, SeqCst);
                    cling();
                });
                until(|| there.load(SeqCst));
                clings.cancel("enough");
                let tell = &tell;
                let joins = s.task("joins").stack_size(64 << 10).spawn(move || {
                    let reason = segno::shield(|| reason_of(clings.join()));
                    let _ = tell.send(reason.kind());
                });
                segno::yield_now();
                let _ = joins.join();
            });
        });
        assert_eq!(reason_of(owner.join()).kind(), CancelKind::Retired);
        let told = told.recv_timeout(Duration::from_secs(10));
        assert_eq!(told.expect("the sibling ends"), CancelKind::Retired);
    });
}

#[test]
fn a_thread_that_joins_a_child_that_is_given_up_is_told_so() {
    in_time(|| {
        let pool = mill(2);
        let owner = pool.spawn(move || {
            let there = AtomicBool::new(false);
            pool::scope(|s| {
                let clings = s.spawn(|| {
                    there.store(true, SeqCst);
                    cling();
                });
                until(|| there.load(SeqCst));
                clings.cancel("enough");
                thread::scope(|threads| {
                    let joined = threads.spawn(|| reason_of(clings.join()).kind()).join();
                    assert_eq!(joined.unwrap(), CancelKind::Retired);
                });
            });
        });
        assert_eq!(reason_of(owner.join()).kind(), CancelKind::Retired);
    });
}

#[test]
fn who_borrows_from_one_that_is_given_up_is_told_to_end() {
    in_time(|| {
        let pool = mill(2);
        let (tell, told) = mpsc::channel();
        let owner = pool.spawn(move || {
            let there = &AtomicUsize::new(0);
            // Also what a shield had kept from hearing of it.
            segno::shield(|| {
                pool::scope(|s| {
                    let tell = &tell;
                    let sleeps = move || {
                        there.fetch_add(1, SeqCst);
                        let _ended = OnDrop(|| tell.send(()).unwrap());
                        segno::sleep(HOUR);
                    };
                    s.task("on this thread or the other").stack_size(64 << 10).spawn(sleeps);
                    pool::scope(|inner| {
                        inner.task("in the inner scope").stack_size(64 << 10).spawn(sleeps);
                        let clings = inner.task("clings").stack_size(64 << 10).spawn(move || {
                            there.fetch_add(1, SeqCst);
                            cling();
                        });
                        while there.load(SeqCst) < 3 {
                            segno::yield_now();
                        }
                        clings.cancel("enough");
                    });
                });
            });
        });
        assert_eq!(reason_of(owner.join()).kind(), CancelKind::Retired);
        for _ in 0..2 {
            told.recv_timeout(Duration::from_secs(10)).expect("it was told to end");
        }
    });
}

#[test]
fn a_child_that_asks_for_a_stack_gets_one_whoever_waits_for_it() {
    in_time(|| {
        let pool = Pool::builder().threads(1).stack_size(48 << 10).build().unwrap();
        let deep = || {
            let room = std::hint::black_box([1_u8; 512 << 10]);
            std::hint::black_box(&room)[100]
        };
        pool.run(|| {
            pool::scope(|s| {
                drop(s.task("deep").stack_size(1 << 20).spawn(deep));
            });
            pool::scope(|s| {
                let joined = s.task("deep").stack_size(1 << 20).spawn(deep);
                assert_eq!(joined.join().unwrap(), 1);
            });
        });
    });
}

#[test]
fn a_frame_outside_every_task_is_not_left_by_a_child_that_will_not_end() {
    const TEST: &str = "a_frame_outside_every_task_is_not_left_by_a_child_that_will_not_end";
    let output = child(TEST, || {
        let pool = mill(2);
        let local = AtomicUsize::new(0);
        pool.scope(|s| {
            let clings = s.task("clinging to a thread").spawn(|| {
                local.store(1, SeqCst);
                cling();
            });
            until(|| local.load(SeqCst) == 1);
            clings.cancel("enough");
        });
    });
    assert_aborted(&output, &["clinging to a thread", "cannot be left"]);
}

#[test]
fn run_is_not_left_by_one_that_will_not_end() {
    const TEST: &str = "run_is_not_left_by_one_that_will_not_end";
    let output = child(TEST, || {
        let pool = mill(2);
        pool.run(|| {
            let there = segno::sync::Event::new();
            pool::scope(|s| {
                let clings = s.task("clinging to a run").stack_size(64 << 10).spawn(|| {
                    there.set();
                    cling();
                });
                there.wait();
                clings.cancel("enough");
            });
        });
    });
    assert_aborted(&output, &["clinging to a run", "cannot be left"]);
}

#[test]
fn the_closure_of_a_loops_run_is_not_left_by_one_that_will_not_end() {
    const TEST: &str = "the_closure_of_a_loops_run_is_not_left_by_one_that_will_not_end";
    let output = child(TEST, || {
        let pool = mill(2);
        segno::run(|| {
            let there = segno::sync::Event::new();
            pool.scope(|s| {
                let clings = s.task("clinging to a loop").spawn(|| {
                    there.set();
                    cling();
                });
                there.wait();
                clings.cancel("enough");
            });
        });
    });
    assert_aborted(&output, &["clinging to a loop", "cannot be left"]);
}

#[test]
fn a_task_of_another_loop_is_given_up_with_its_child() {
    in_time(|| {
        reported("");
        let pool = Arc::new(mill(2));
        segno::run(|| {
            let owner = segno::task("owner elsewhere").spawn(move || {
                let there = segno::sync::Event::new();
                pool.scope(|s| {
                    let clings = s.task("clings to another loop").spawn(|| {
                        there.set();
                        cling();
                    });
                    there.wait();
                    clings.cancel("enough");
                });
            });
            assert_eq!(reason_of(owner.join()).kind(), CancelKind::Retired);
        });
        assert!(!reported("`owner elsewhere`").is_empty());
        assert!(!reported("`clings to another loop`").is_empty());
    });
}

#[test]
fn a_child_behind_a_shield_that_nothing_can_wake_is_given_up_when_its_pool_ends() {
    in_time(|| {
        reported("");
        for threads in [1, 2] {
            let pool = mill(threads);
            // The other thread is to begin the child, if there is one.
            let give_way = if threads == 1 { segno::yield_now } else { thread::yield_now };
            let there = Arc::new(AtomicBool::new(false));
            let theirs = there.clone();
            let owner = pool.task("whose child is for ever").spawn(move || {
                pool::scope(|s| {
                    s.task("for ever").stack_size(64 << 10).spawn(|| {
                        theirs.store(true, SeqCst);
                        segno::shield(|| {
                            loop {
                                segno::pause();
                            }
                        });
                    });
                    // Its thread is the last on which nothing goes on.
                    segno::shield(|| {
                        while !theirs.load(SeqCst) {
                            give_way();
                        }
                        segno::sleep(A_MOMENT);
                    });
                });
            });
            until(|| there.load(SeqCst));
            drop(pool);
            assert_eq!(reason_of(owner.join()).kind(), CancelKind::Retired);
            assert!(!reported("`for ever`").is_empty());
            // The child is the one that does not end, on whichever thread it is.
            let mut owner = reported("task `whose child is for ever`");
            owner.retain(|report| report.message().starts_with("task `whose child"));
            let because = |report: &Report| report.message().contains("because one on another");
            assert!(owner.iter().all(because), "{owner:?}");
        }
    });
}

#[test]
fn who_waits_for_a_task_behind_a_shield_ends_with_the_pool() {
    in_time(|| {
        let pool = mill(2);
        let (tell, told) = mpsc::channel();
        let waits = pool.spawn(move || {
            let shielded = pool::task("nothing ends this").spawn(|| {
                segno::shield(|| {
                    loop {
                        segno::pause();
                    }
                });
            });
            until(|| thread_is_free(&tell));
            segno::shield(|| reason_of(shielded.join()).kind())
        });
        told.recv().unwrap();
        thread::sleep(A_MOMENT);
        drop(pool);
        // Either of the two may be the one that is given up.
        let heard = waits.join().unwrap_or_else(|error| error.reason().unwrap().kind());
        assert_eq!(heard, CancelKind::Retired);
    });
}

/// Says that it is there.
fn thread_is_free(tell: &mpsc::Sender<()>) -> bool {
    tell.send(()).unwrap();
    true
}

// Destructors.

/// Does something when it is dropped, once.
struct Then<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Then<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

/// Does this when it is dropped.
fn then<F: FnOnce()>(f: F) -> Then<F> {
    Then(Some(f))
}

#[test]
fn destructors_pause_spawn_and_join() {
    in_time(|| {
        for threads in [1, 2] {
            let pool = mill(threads);
            let ran = AtomicUsize::new(0);
            pool.scope(|s| {
                for n in 0..20 {
                    let ran = &ran;
                    let pauses = move || {
                        segno::yield_now();
                        segno::sleep(MS * (n % 2));
                        ran.fetch_add(1, SeqCst);
                    };
                    // Locals, captures and results that nobody wants.
                    s.spawn(move || {
                        let _local = then(pauses);
                    });
                    let captured = then(pauses);
                    s.spawn(move || drop(captured));
                    s.spawn(move || then(pauses));
                    let spawns = move || {
                        s.spawn(pauses);
                        s.spawn(pauses).join().unwrap();
                    };
                    s.spawn(move || then(spawns));
                    let joins = move || {
                        pool::join(pauses, pauses);
                    };
                    s.spawn(move || then(joins));
                }
            });
            assert_eq!(ran.into_inner(), 20 * 7);
        }
    });
}

#[test]
fn destructors_of_results_in_the_frames_of_the_owner_do_all_of_that_too() {
    in_time(|| {
        for threads in [1, 2] {
            let pool = mill(threads);
            let ran = AtomicUsize::new(0);
            let ran = &ran;
            pool.run(|| {
                pool::scope(|s| {
                    let pauses = move || {
                        segno::sleep(MS);
                        ran.fetch_add(1, SeqCst);
                    };
                    s.spawn(move || then(pauses));
                    let joins = move || {
                        pool::join(pauses, pauses);
                        s.spawn(pauses).join().unwrap();
                    };
                    s.spawn(move || then(joins));
                    drop(s.spawn(move || then(pauses)).join().unwrap());
                });
            });
            assert_eq!(ran.load(SeqCst), 5);
        }
    });
}

#[test]
fn destructors_during_a_cancellation_return_at_once_or_are_refused() {
    in_time(|| {
        let pool = mill(2);
        let (seen, theirs) = mpsc::channel();
        let (begun, has_begun) = mpsc::channel();
        let task = pool.spawn(move || {
            let _last = then(|| {
                let start = Instant::now();
                segno::sleep(HOUR);
                segno::yield_now();
                // It begins, and there can be no wait for it.
                let other = pool::spawn(|| ());
                let joined = other.join();
                seen.send((start.elapsed() < HOUR, joined.is_err() || joined.is_ok())).unwrap();
            });
            begun.send(()).unwrap();
            segno::sleep(HOUR);
        });
        has_begun.recv().unwrap();
        task.cancel("enough");
        assert_eq!(reason_of(task.join()).message(), "enough");
        assert_eq!(theirs.recv().unwrap(), (true, true));
    });
}

#[test]
fn a_scope_in_a_destructor_that_unwinds_aborts_and_says_why() {
    const TEST: &str = "a_scope_in_a_destructor_that_unwinds_aborts_and_says_why";
    let output = child(TEST, || {
        let pool = mill(1);
        while_unwinding(|| pool.scope(|s| drop(s.spawn(|| ()))));
    });
    assert_aborted(&output, &["`Pool::scope` at tests/pool_attacks.rs", "unwinds"]);
}

#[test]
fn destructors_that_panic_are_reported_and_keep_nobody() {
    in_time(|| {
        reported("");
        for threads in [1, 2] {
            let pool = mill(threads);
            // Results that nobody wants, and captures that are let go.
            pool.scope(|s| {
                s.spawn(|| then(|| panic!("a result's destructor")));
                let captured = then(|| panic!("a capture's destructor"));
                let never = s.spawn(move || drop(captured));
                never.cancel("it may have begun");
                let _ = never.is_finished();
            })
        }
        assert!(!reported("a result's destructor").is_empty());
    });
}

#[test]
fn a_captures_destructor_that_panics_where_it_is_cancelled_keeps_nobody() {
    in_time(|| {
        reported("");
        let pool = mill(1);
        pool.run(|| {
            pool::scope(|s| {
                let captured = then(|| panic!("it was never run"));
                let never = s.spawn(move || drop(captured));
                never.cancel("before it begins");
                assert_eq!(reason_of(never.join()).message(), "before it begins");
            });
        });
        assert!(!reported("it was never run").is_empty());
    });
}

#[test]
fn a_results_destructor_that_swallows_its_cancellation_takes_the_owner_along() {
    in_time(|| {
        let pool = mill(2);
        let (tell, told) = mpsc::channel();
        let owner = pool.spawn(move || {
            pool::scope(|s| {
                let (tell, left) = (&tell, Arc::new(segno::sync::Event::new()));
                let theirs = left.clone();
                let handle = s.task("its result clings").stack_size(64 << 10).spawn(move || {
                    theirs.wait();
                    then(move || {
                        tell.send(()).unwrap();
                        cling();
                    })
                });
                drop(handle);
                left.set();
                segno::sleep(HOUR);
            });
        });
        told.recv().unwrap();
        owner.cancel("enough");
        assert_eq!(reason_of(owner.join()).kind(), CancelKind::Retired);
        assert_eq!(pool.run(|| 1), 1);
    });
}

segno::task_local! {
    sync static KEPT: Option<Arc<Then<fn()>>> = None;
    sync static NUMBER: Arc<AtomicUsize> = Arc::new(AtomicUsize::new(0));
    sync static MILL: Option<Arc<Mutex<Option<Pool>>>> = None;
}

#[test]
fn a_task_locals_destructor_that_panics_keeps_nobody() {
    in_time(|| {
        reported("");
        let pool = mill(1);
        let (go, gone) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        // One task leaves its value to another that never begins: that is the last to have it.
        let heir = pool.spawn(move || {
            KEPT.set(Some(Arc::new(then(|| panic!("an heirloom")))));
            let heir = pool::spawn(|| ());
            tell.send(()).unwrap();
            gone.recv().unwrap();
            heir
        });
        told.recv().unwrap();
        let blocks = pool.spawn(|| thread::sleep(A_MOMENT));
        go.send(()).unwrap();
        let heir = heir.join().unwrap();
        heir.cancel("not needed");
        let _ = heir.join();
        let _ = blocks.join();
        assert_eq!(pool.run(|| 1), 1, "the pool goes on");
    });
}

#[test]
fn an_heirloom_whose_destructor_panics_where_its_child_is_cancelled_keeps_nobody() {
    in_time(|| {
        reported("");
        let pool = mill(1);
        let joined = pool.run(|| {
            pool::scope(|s| {
                KEPT.set(Some(Arc::new(then(|| panic!("the last heirloom")))));
                let never = s.spawn(|| ());
                // Now the child is the last to have it.
                KEPT.set(None);
                never.cancel("before it begins");
                reason_of(never.join()).message().to_owned()
            })
        });
        assert_eq!(joined, "before it begins");
        assert!(!reported("the last heirloom").is_empty());
    });
}

#[test]
fn sync_task_locals_are_shared_and_dropped_once() {
    in_time(|| {
        let pool = mill(2);
        let count = Arc::new(AtomicUsize::new(0));
        let theirs = count.clone();
        pool.run(|| {
            NUMBER.set(theirs);
            pool::scope(|s| {
                for _ in 0..50 {
                    s.spawn(|| {
                        NUMBER.with(|number| {
                            number.fetch_add(1, SeqCst);
                            // Set while it is lent.
                            NUMBER.set(Arc::new(AtomicUsize::new(0)));
                            segno::yield_now();
                            number.fetch_add(1, SeqCst);
                        });
                        pool::join(
                            || NUMBER.with(|own| own.fetch_add(1, SeqCst)),
                            || NUMBER.with(|own| own.load(SeqCst)),
                        );
                    });
                }
            });
        });
        assert_eq!(count.load(SeqCst), 100);
        drop(pool);
        assert_eq!(Arc::strong_count(&count), 1);
    });
}

// The end of a pool.

#[test]
fn a_pool_dropped_in_a_task_of_another_loop_lets_that_loop_go_on() {
    in_time(|| {
        segno::run(|| {
            let turns = Cell::new(0);
            let pool = mill(1);
            let stubborn = pool.spawn(|| segno::shield(|| segno::sleep(A_MOMENT)));
            thread::sleep(MS);
            segno::scope(|s| {
                s.spawn(|| {
                    while turns.get() < 3 {
                        turns.set(turns.get() + 1);
                        segno::sleep(MS);
                    }
                });
                let dropping = s.spawn(move || drop(pool));
                dropping.join().unwrap();
            });
            assert_eq!(turns.get(), 3);
            assert!(stubborn.is_finished());
        });
    });
}

#[test]
fn a_pool_dropped_while_a_panic_unwinds_ends_without_being_waited_for() {
    in_time(|| {
        let (tell, told) = mpsc::channel();
        let pool = mill(2);
        let ended = OnDrop(move || tell.send(()).unwrap());
        let task = pool.spawn(move || {
            let _ended = ended;
            segno::sleep(HOUR);
        });
        thread::sleep(A_MOMENT);
        assert_eq!(
            panic_text(|| {
                let _pool = pool;
                panic!("on purpose")
            }),
            "on purpose"
        );
        told.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(reason_of(task.join()).kind(), CancelKind::Shutdown);
    });
}

#[test]
fn a_pool_in_a_thread_local_ends_with_its_thread() {
    thread_local!(static POOL: RefCell<Option<Pool>> = const { RefCell::new(None) });
    in_time(|| {
        let ended = Arc::new(AtomicUsize::new(0));
        let theirs = ended.clone();
        thread::spawn(move || {
            // Makes the thread's own things first, so that they are gone first.
            segno::run(|| segno::yield_now());
            let pool = mill(2);
            for _ in 0..3 {
                let ended = theirs.clone();
                let ended = OnDrop(move || {
                    ended.fetch_add(1, SeqCst);
                });
                drop(pool.spawn(move || {
                    let _ended = ended;
                    segno::sleep(HOUR);
                }));
            }
            thread::sleep(A_MOMENT);
            POOL.set(Some(pool));
        })
        .join()
        .unwrap();
        assert_eq!(ended.load(SeqCst), 3);
    });
}

#[test]
fn a_pool_dropped_by_what_one_of_its_tasks_had_captured_does_not_wait_for_itself() {
    in_time(|| {
        let pool = Arc::new(mill(1));
        let theirs = pool.clone();
        let (go, gone) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        // The capture of a task that never runs is dropped by the loop, in no task.
        let task = pool.spawn(move || {
            let never = segno::spawn(move || drop(theirs));
            gone.recv().unwrap();
            never.cancel("not needed");
            let _ended = OnDrop(|| tell.send(()).unwrap());
            segno::sleep(HOUR);
        });
        drop(pool);
        go.send(()).unwrap();
        assert_eq!(reason_of(task.join()).kind(), CancelKind::Shutdown);
        told.recv().unwrap();
    });
}

#[test]
fn a_pool_that_is_a_task_local_of_its_own_task_ends() {
    in_time(|| {
        let pool = mill(2);
        let place = Arc::new(Mutex::new(None));
        let theirs = place.clone();
        let (go, gone) = mpsc::channel::<()>();
        let task = pool.spawn(move || {
            MILL.set(Some(theirs));
            gone.recv().unwrap();
        });
        *place.lock().unwrap() = Some(pool);
        drop(place);
        go.send(()).unwrap();
        let _ = task.join();
    });
}

#[test]
fn a_pools_task_builder_that_is_kept_until_its_thread_ends_does_no_harm() {
    thread_local!(static KEPT: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) });
    struct AtExit(Option<Box<dyn FnOnce()>>);
    impl Drop for AtExit {
        fn drop(&mut self) {
            let f = self.0.take().unwrap();
            let _ = catch_unwind(AssertUnwindSafe(f));
        }
    }
    in_time(|| {
        let (tell, told) = mpsc::channel();
        let pool = mill(1);
        pool.spawn(move || {
            let builder = pool::task("too late");
            let late = AtExit(Some(Box::new(move || {
                // The pool has gone by now.
                let _said = OnDrop(|| tell.send(()).unwrap());
                drop(builder.spawn(|| ()));
            })));
            KEPT.set(Some(Box::new(move || drop(late))));
        })
        .join()
        .unwrap();
        drop(pool);
        told.recv_timeout(Duration::from_secs(10)).unwrap();
    });
}

#[test]
fn a_shutdown_in_a_task_of_the_pool_is_refused_and_cancels() {
    in_time(|| {
        let pool = Arc::new(mill(1));
        let theirs = pool.clone();
        let (go, gone) = mpsc::channel::<()>();
        let task = pool.spawn(move || {
            gone.recv().unwrap();
            let pool = Arc::into_inner(theirs).unwrap();
            let text = panic_text(|| pool.shutdown(HOUR));
            assert!(text.contains("it would wait for itself"), "{text}");
            segno::sleep(HOUR);
        });
        drop(pool);
        go.send(()).unwrap();
        assert_eq!(reason_of(task.join()).kind(), CancelKind::Shutdown);
    });
}

#[test]
fn a_pools_task_drops_another_pool_while_its_own_ends() {
    in_time(|| {
        reported("");
        let (one, two) = (mill(1), mill(1));
        let (tell, told) = mpsc::channel();
        let stubborn =
            two.task("has its own time").spawn(|| segno::shield(|| segno::sleep(MS * 50)));
        let dropping = one.task("drops another pool").spawn(move || {
            tell.send(()).unwrap();
            drop(two);
        });
        told.recv().unwrap();
        drop(one);
        assert!(stubborn.is_finished(), "it was waited for");
        dropping.join().expect("it has come to its end");
        assert!(
            reported("`drops another pool`").iter().all(|said| said.kind() != ReportKind::Retired)
        );
    });
}

#[test]
fn a_loops_task_drops_a_pool_while_its_loop_ends() {
    in_time(|| {
        let two = mill(1);
        let stubborn = two.spawn(|| segno::shield(|| segno::sleep(MS * 50)));
        let ended = segno::run(|| {
            let dropping = segno::spawn(move || drop(two));
            segno::yield_now();
            dropping
        });
        assert!(stubborn.is_finished(), "it was waited for");
        ended.join().expect("it has come to its end");
    });
}

// Where a scope may be opened.

#[test]
fn a_pools_scope_inside_a_generator_of_a_task_waits_and_is_not_left() {
    in_time(|| {
        let pool = mill(2);
        let lent = &Lent::default();
        pool.run(|| {
            let sums: Vec<usize> = Generator::scoped(|out: &Outlet<usize>| {
                for n in 0..3 {
                    let sum = pool::scope(|s| {
                        let halves = [0, 1].map(|half| {
                            s.spawn(move || {
                                let _used = lent.used();
                                segno::sleep(MS);
                                n + half
                            })
                        });
                        halves.map(|half| half.join().unwrap()).iter().sum()
                    });
                    out.pause(sum);
                }
            })
            .enter(|all| all.collect());
            assert_eq!(sums, [1, 3, 5]);
            assert_eq!(
                pool::join(|| 1, || Generator::new(|out: &Outlet<u8>| out.pause(2)).sum::<u8>()),
                (1, 2)
            );
        });
        assert_eq!(lent.had(), 6);
        let refused = panic_text(|| {
            pool.run(|| {
                let mut all = Generator::new(|out: &Outlet<u8>| {
                    pool::scope(|s| {
                        s.spawn(|| ());
                        out.pause(1);
                    })
                });
                all.next();
            });
        });
        assert!(refused.contains("pool::scope"), "{refused}");
    });
}

#[test]
fn a_pools_scope_inside_no_pause_is_refused_in_a_task_and_blocks_elsewhere() {
    in_time(|| {
        let pool = mill(2);
        let text =
            panic_text(|| pool.run(|| segno::no_pause(|| pool::scope(|s| drop(s.spawn(|| ()))))));
        assert!(text.contains("no_pause"), "{text}");
        assert_eq!(segno::no_pause(|| pool.scope(|s| s.spawn(|| 7).join().unwrap())), 7);
        assert_eq!(segno::no_pause(|| pool.run(|| pool::join(|| 1, || 2))), (1, 2));
    });
}

#[test]
fn a_pool_inside_anothers_task_inside_the_first_one() {
    in_time(|| {
        let (one, two) = (mill(1), mill(1));
        let lent = &Lent::default();
        let deep = one.run(|| {
            two.scope(|s| {
                let inner = s.spawn(|| {
                    one.scope(|s| {
                        let _used = lent.used();
                        let inner =
                            s.spawn(|| two.join(|| pool::join(|| 1, || 2), || one.run(|| 3)));
                        inner.join().unwrap()
                    })
                });
                inner.join().unwrap()
            })
        });
        assert_eq!(deep, ((1, 2), 3));
        assert_eq!(lent.had(), 1);
    });
}

#[test]
fn two_pools_join_each_others_children_in_circles() {
    in_time(|| {
        let (one, two) = (mill(1), mill(1));
        fn tree(depth: u32, here: &Pool, there: &Pool) -> u32 {
            if depth == 0 {
                return 1;
            }
            there.scope(|s| {
                let children: Vec<_> =
                    (0..3).map(|_| s.spawn(|| tree(depth - 1, there, here))).collect();
                children.into_iter().map(|child| child.join().unwrap()).sum()
            })
        }
        assert_eq!(tree(6, &one, &two), 729);
        assert_eq!(one.run(|| tree(5, &one, &two)), 243);
    });
}

#[test]
fn handles_of_one_pool_are_joined_in_the_other() {
    in_time(|| {
        let (one, two) = (mill(1), mill(1));
        for _ in 0..200 {
            let first = one.spawn(|| 1);
            let second = two.spawn(move || first.join().unwrap() + 1);
            let third = one.spawn(move || second.join().unwrap() + 1);
            assert_eq!(two.run(|| third.join().unwrap()), 3);
        }
    });
}

// Panics.

#[test]
fn the_first_of_many_panics_goes_on_and_the_others_are_reported() {
    in_time(|| {
        reported("");
        let pool = mill(2);
        for _ in 0..20 {
            let gate = segno::sync::Event::new();
            let (ended, gate) = (AtomicUsize::new(0), &gate);
            let ended = &ended;
            let text = panic_text(|| {
                pool.scope(|s| {
                    for n in 0..10 {
                        s.spawn(move || {
                            let _ended = OnDrop(|| {
                                ended.fetch_add(1, SeqCst);
                            });
                            // Others are in the middle of their own panics then.
                            gate.wait();
                            if n % 2 == 0 {
                                panic!("one of five");
                            }
                            let _late = OnDrop(|| {
                                let caught = catch_unwind(|| panic!("inside another one"));
                                assert!(caught.is_err());
                            });
                            segno::sleep(HOUR);
                        });
                    }
                    while ended.load(SeqCst) == 0 {
                        gate.set();
                        thread::yield_now();
                    }
                    panic!("the body, too");
                })
            });
            assert!(["one of five", "the body, too"].contains(&text.as_str()), "{text}");
        }
        assert!(!reported("the body, too").is_empty() || !reported("one of five").is_empty());
    });
}

#[test]
fn a_panic_of_the_body_does_not_hide_in_the_frames_of_a_child() {
    in_time(|| {
        let pool = mill(1);
        pool.run(|| {
            let text = panic_text(|| {
                pool::join(|| panic!("the first"), || unreachable!("the second is not to begin"))
            });
            assert_eq!(text, "the first");
            let text = panic_text(|| pool::join(|| (), || panic!("the second")));
            assert_eq!(text, "the second");
            assert!(!thread::panicking());
            pool::join(segno::yield_now, segno::yield_now);
        });
    });
}

#[test]
fn nobody_sees_anothers_panic() {
    in_time(|| {
        let pool = mill(2);
        let seen = AtomicUsize::new(0);
        let seen = &seen;
        let caught = catch_unwind(AssertUnwindSafe(|| {
            pool.scope(|s| {
                for n in 0..20 {
                    s.spawn(move || {
                        let _look = OnDrop(segno::yield_now);
                        for _ in 0..100 {
                            if thread::panicking() {
                                seen.fetch_add(1, SeqCst);
                            }
                            segno::yield_now();
                        }
                        if n % 5 == 0 {
                            panic!("every fifth");
                        }
                    });
                }
            });
        }));
        assert!(caught.is_err());
        assert_eq!(seen.load(SeqCst), 0);
    });
}

// Limits.

#[test]
fn a_timeout_around_a_join_loses_nothing() {
    in_time(|| {
        for threads in [1, 2] {
            let pool = mill(threads);
            let ended = AtomicUsize::new(0);
            let ended = &ended;
            pool.run(|| {
                pool::scope(|s| {
                    let slow = s.spawn(|| {
                        segno::sleep(MS * 20);
                        ended.fetch_add(1, SeqCst);
                        7
                    });
                    // The handle goes with the wait, the child goes on.
                    assert!(segno::timeout(MS, move || slow.join().unwrap()).is_err());
                    assert_eq!(ended.load(SeqCst), 0);
                    let unstarted = s.spawn(|| ended.fetch_add(1, SeqCst));
                    assert!(segno::timeout(HOUR, move || unstarted.join().unwrap()).is_ok());
                });
                assert_eq!(ended.load(SeqCst), 2);
            });
        }
    });
}

#[test]
fn a_timeout_around_a_scope_or_join_ends_its_children() {
    in_time(|| {
        for threads in [1, 2] {
            let pool = mill(threads);
            let lent = &Lent::default();
            pool.run(|| {
                let sleeps = || {
                    let _used = lent.used();
                    segno::sleep(HOUR);
                };
                let late = segno::timeout(MS * 5, || pool::join(sleeps, sleeps));
                assert!(late.is_err());
                lent.had();
                let late = segno::timeout(MS * 5, || {
                    pool::scope(|s| {
                        let children = [s.spawn(sleeps), s.spawn(sleeps), s.spawn(sleeps)];
                        children.map(|child| child.join().unwrap());
                    });
                });
                assert!(late.is_err());
                assert!(lent.had() >= 2);
                let late = segno::timeout(MS * 5, || pool::for_each(0..8, |_| sleeps()));
                assert!(late.is_err());
                lent.had();
                assert!(segno::timeout(HOUR, || pool::join(|| 1, || 2)).is_ok());
            });
        }
    });
}

#[test]
fn a_child_joined_behind_a_shield_can_be_cancelled() {
    in_time(|| {
        for threads in [1, 2] {
            let pool = mill(threads);
            let text = panic_text(|| {
                pool.run(|| {
                    pool::scope(|s| {
                        let sleeps = s.spawn(|| segno::sleep(HOUR));
                        s.spawn(|| {
                            segno::sleep(MS);
                            panic!("the scope fails");
                        });
                        let error = segno::shield(|| sleeps.join()).unwrap_err();
                        assert!(error.reason().is_some());
                    });
                });
            });
            assert_eq!(text, "the scope fails");
        }
    });
}

#[test]
fn nested_scopes_are_cancelled_from_outside_at_any_depth() {
    in_time(|| {
        let pool = mill(2);
        let lent = &Lent::default();
        fn nest(depth: usize, lent: &Lent) {
            let _used = lent.used();
            if depth == 0 {
                segno::sleep(HOUR);
            }
            pool::scope(|s| {
                s.spawn(|| nest(depth - 1, lent));
                s.spawn(|| nest(depth - 1, lent)).join().unwrap();
            });
        }
        thread::scope(|threads| {
            let (tell, told) = mpsc::channel();
            let (pool, lent) = (&pool, lent);
            threads.spawn(move || {
                pool.run(|| {
                    let cancelled = segno::cancel_scope(|scope| {
                        tell.send(scope.handle()).unwrap();
                        nest(6, lent);
                    });
                    assert!(cancelled.is_err());
                });
            });
            let handle = told.recv().unwrap();
            until(|| lent.users.load(SeqCst) > 60);
            handle.cancel("from far away");
        });
        assert!(lent.had() > 60);
    });
}

// What tasks share.

/// Drops it, and counts it.
fn drop_one<T>(value: T) -> usize {
    drop(value);
    1
}

#[test]
fn channels_between_threads_lose_nothing_when_both_ends_are_cancelled() {
    in_time(|| {
        let pool = mill(2);
        let (alive, mut dice) = (AtomicUsize::new(0), Dice(15));
        let alive = &alive;
        for round in 0..part_of(200_000) {
            let (capacity, late) = (1 + dice.below(2), dice.below(3_000));
            let (taken, given) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let (taken, given) = (&taken, &given);
            let (sender, receiver) = channel::bounded::<Counted<'_>>(capacity);
            pool.scope(|s| {
                let kept = receiver.clone();
                let sends = s.spawn(move || {
                    for _ in 0..8 {
                        if sender.send(Counted::new(alive)).is_err() {
                            break;
                        }
                        given.fetch_add(1, SeqCst);
                    }
                });
                let takes = s.spawn(move || {
                    while let Ok(value) = receiver.recv() {
                        drop(value);
                        taken.fetch_add(1, SeqCst);
                    }
                });
                spin(late);
                let cancelled = if round % 2 == 0 { &sends } else { &takes };
                cancelled.cancel("at some time");
                drop(takes.join());
                let mut left = 0;
                while !sends.is_finished() || kept.stats().len > 0 {
                    left += kept.try_recv().map_or(0, drop_one);
                    thread::yield_now();
                }
                drop(sends.join());
                // A send that was unwound after its value had been taken is not counted.
                let (taken, given) = (taken.load(SeqCst), given.load(SeqCst));
                assert!(
                    taken + left >= given && taken + left <= given + 1,
                    "{taken} {left} {given}"
                );
            });
            assert_eq!(alive.load(SeqCst), 0);
        }
    });
}

#[test]
fn a_lock_between_threads_survives_cancellation() {
    in_time(|| {
        let pool = mill(2);
        let (lock, mut dice) = (segno::sync::Mutex::new((0, 0)), Dice(16));
        for _ in 0..part_of(100_000) {
            let late = dice.below(2_000);
            pool.scope(|s| {
                let children: Vec<_> = (0..4)
                    .map(|_| {
                        s.spawn(|| {
                            let mut held = lock.lock();
                            held.0 += 1;
                            segno::yield_now();
                            held.1 += 1;
                        })
                    })
                    .collect();
                spin(late);
                children[1].cancel("at some time");
                children[2].cancel("at some time");
            });
            let mut held = lock.lock();
            assert!(held.0 >= 2 && held.1 <= held.0 && held.1 >= 2);
            *held = (0, 0);
        }
    });
}

#[test]
fn an_unblocked_closure_borrows_from_a_pools_task() {
    in_time(|| {
        let pool = mill(2);
        let lent = &Lent::default();
        pool.run(|| {
            let late = segno::timeout(MS, || {
                pool::scope(|s| {
                    for _ in 0..4 {
                        s.spawn(|| {
                            let local = 7;
                            segno::unblock(|| {
                                let _used = lent.used();
                                thread::sleep(MS * 5);
                                local
                            })
                        });
                    }
                });
                segno::checkpoint();
            });
            assert!(late.is_err());
            lent.had();
            let (a, b) = pool::join(|| segno::unblock(|| 1), || segno::unblock(|| 2));
            assert_eq!((a, b), (1, 2));
        });
    });
}

#[test]
fn the_watchdog_of_a_pool_names_who_keeps_a_thread() {
    in_time(|| {
        reported("");
        let pool = Pool::builder().threads(2).watchdog(MS * 20).build().unwrap();
        pool.task("greedy task of a pool").spawn(|| thread::sleep(MS * 200)).join().unwrap();
        let said = reported("`greedy task of a pool`");
        assert!(said.iter().any(|report| report.kind() == ReportKind::Blocked), "{said:?}");
        // A child in its joiner's frames.
        pool.run(|| {
            pool::scope(|s| {
                s.task("greedy child").spawn(|| thread::sleep(MS * 200)).join().unwrap();
            });
        });
        let said = reported("has held");
        assert!(said.len() >= 2, "{said:?}");
    });
}

#[test]
fn loops_of_one_thread_and_pools_live_side_by_side() {
    in_time(|| {
        let pool = mill(1);
        let text = panic_text(|| pool.run(|| segno::run(|| ())));
        assert!(text.contains("inside"), "{text}");
        // A loop that is no pool's joins children of a scope on a thread.
        let mut events = EventLoop::new();
        let sum = pool.scope(|s| {
            let children = [1, 2, 3].map(|n| s.spawn(move || n));
            events.run(|| children.map(|child| child.join().unwrap()).iter().sum::<i32>())
        });
        assert_eq!(sum.unwrap(), 6);
        events.shutdown();
    });
}

#[test]
fn recursion_over_two_pools_and_scopes_is_as_deep_as_memory() {
    in_time(|| {
        let (one, two) = (mill(1), mill(2));
        fn down(n: u32, here: &Pool, there: &Pool) -> u32 {
            if n == 0 {
                return 0;
            }
            match n % 3 {
                0 => there.run(|| down(n - 1, there, here)) + 1,
                1 => here.scope(|s| s.spawn(|| down(n - 1, here, there)).join().unwrap()) + 1,
                _ => here.join(|| 1, || down(n - 1, here, there)).1 + 1,
            }
        }
        assert_eq!(down(1_000, &one, &two), 1_000);
    });
}

#[test]
fn a_child_that_is_spawned_when_the_scope_is_about_to_end_is_waited_for() {
    in_time(|| {
        let pool = mill(2);
        for _ in 0..part_of(50_000) {
            let lent = &Lent::default();
            pool.scope(|s| {
                s.spawn(move || {
                    s.spawn(move || {
                        s.spawn(move || drop(lent.used()));
                        drop(lent.used());
                    });
                    drop(lent.used());
                });
            });
            assert_eq!(lent.had(), 3);
        }
    });
}

#[test]
fn a_thread_inside_a_scope_spawns_and_joins_children() {
    in_time(|| {
        let pool = mill(2);
        let lent = &Lent::default();
        pool.run(|| {
            pool::scope(|s| {
                thread::scope(|threads| {
                    for _ in 0..3 {
                        threads.spawn(|| {
                            let _used = lent.used();
                            assert_eq!(s.spawn(|| 7).join().unwrap(), 7);
                            s.spawn(|| drop(lent.used()));
                            s.spawn(|| 1).cancel("by a thread");
                        });
                    }
                });
            });
        });
        assert_eq!(lent.had(), 6);
    });
}

#[test]
fn tasks_that_end_in_their_own_time_are_not_given_up() {
    in_time(|| {
        for threads in [2, 3] {
            let pool = mill(threads);
            let there = Arc::new(AtomicUsize::new(0));
            let (all_there, rounds) = (there.clone(), part_of(1_000_000));
            let mut tasks = Vec::new();
            let (first, mut before) = channel::bounded::<()>(1);
            for _ in 1..threads {
                let (next, after) = channel::bounded(1);
                let (before, there) = (mem::replace(&mut before, after), there.clone());
                tasks.push(pool.spawn(move || {
                    there.fetch_add(1, SeqCst);
                    until(|| there.load(SeqCst) == threads);
                    // Nothing else is ready on this loop, or anywhere, while the word goes round.
                    segno::shield(|| {
                        while before.recv().is_ok() {
                            next.send(()).unwrap();
                        }
                    });
                }));
            }
            let there = there.clone();
            tasks.push(pool.spawn(move || {
                there.fetch_add(1, SeqCst);
                until(|| there.load(SeqCst) == threads);
                segno::shield(|| {
                    for _ in 0..rounds {
                        first.send(()).unwrap();
                        before.recv().unwrap();
                    }
                });
            }));
            until(|| all_there.load(SeqCst) == threads);
            drop(pool);
            for task in tasks {
                task.join().expect("it was about to end");
            }
        }
    });
}
