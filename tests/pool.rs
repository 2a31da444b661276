//! Pools: tasks that borrow across threads, and what becomes of them.

mod support;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use segno::{CancelKind, Clock, EventLoop, JoinError, Pool, pool};

/// A pool with so many threads.
fn mill(threads: usize) -> Pool {
    Pool::builder().threads(threads).name("mill").build().unwrap()
}

/// Some time, in which others get somewhere.
const A_MOMENT: Duration = Duration::from_millis(20);
/// Longer than anything here takes.
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn run_borrows_and_returns() {
    let words = ["dal".to_owned(), "segno".to_owned()];
    let pool = mill(2);
    let first = pool.run(|| words.iter().map(String::as_str).max());
    assert_eq!(first, Some("segno"));
}

#[test]
fn run_panics_with_the_payload_of_its_closure() {
    let pool = mill(1);
    let caught = catch_unwind(AssertUnwindSafe(|| pool.run(|| panic!("coda"))));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"coda"));
    assert_eq!(pool.run(|| 1), 1, "the pool goes on");
}

#[test]
fn children_borrow_across_threads() {
    let pool = mill(2);
    let mut counts = [0; 100];
    let words: Vec<String> = (0..100).map(|n| "x".repeat(n)).collect();
    pool.scope(|s| {
        for (count, word) in counts.iter_mut().zip(&words) {
            s.spawn(|| *count = word.len());
        }
    });
    assert!(counts.iter().enumerate().all(|(n, count)| n == *count));
}

#[test]
fn children_spawn_children_wherever_they_run() {
    let pool = mill(2);
    let ran = AtomicUsize::new(0);
    pool.scope(|s| {
        for _ in 0..10 {
            s.spawn(|| {
                segno::yield_now();
                for _ in 0..10 {
                    s.spawn(|| ran.fetch_add(1, SeqCst));
                }
            });
        }
    });
    assert_eq!(ran.into_inner(), 100);
}

#[test]
fn two_threads_run_at_the_same_instant() {
    let pool = mill(2);
    let (here, there) = (AtomicBool::new(false), AtomicBool::new(false));
    let meet = |mine: &AtomicBool, other: &AtomicBool| {
        mine.store(true, SeqCst);
        while !other.load(SeqCst) {
            thread::yield_now();
        }
    };
    // Neither pauses, so this ends only if both run.
    pool.join(|| meet(&here, &there), || meet(&there, &here));
}

#[test]
fn a_task_stays_on_its_thread() {
    let pool = mill(2);
    thread_local!(static HERE: Cell<u32> = const { Cell::new(0) });
    let moves = AtomicUsize::new(0);
    pool.scope(|s| {
        for _ in 0..20 {
            s.spawn(|| {
                let not_send = Rc::new(thread::current().id());
                let address = HERE.with(|here| std::ptr::from_ref(here).addr());
                // A million in all.
                for _ in 0..50_000 {
                    segno::yield_now();
                    let now = HERE.with(|here| std::ptr::from_ref(here).addr());
                    if *not_send != thread::current().id() || now != address {
                        moves.fetch_add(1, SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!(moves.into_inner(), 0);
}

#[test]
fn a_child_that_nobody_has_started_runs_at_its_joiner() {
    let pool = mill(1);
    pool.run(|| {
        let parent = (segno::current().id(), thread::current().id());
        let child = || (segno::current().id(), thread::current().id());
        let (_, child) = pool::join(|| (), child);
        assert_ne!(child.0, parent.0, "it has an identity of its own");
        assert_eq!(child.1, parent.1);
        assert_eq!(segno::current().id(), parent.0, "and the parent has its own back");
    });
}

#[test]
fn who_runs_in_the_frames_of_its_joiner_has_a_name_of_its_own() {
    let pool = mill(1);
    pool.run(|| {
        pool::scope(|s| {
            let child = s.task("child").spawn(|| {
                assert_eq!(segno::current().name(), Some("child"));
                segno::yield_now();
                assert_eq!(segno::current().name(), Some("child"));
                segno::current().id()
            });
            assert_eq!(child.name(), Some("child"));
            let id = child.id();
            assert_eq!(child.join().unwrap(), id);
            assert_eq!(segno::current().name(), Some("run"));
        });
    });
}

#[test]
fn a_child_may_wait_in_the_frames_of_its_joiner() {
    let pool = mill(1);
    let (sender, receiver) = segno::sync::channel::bounded::<u32>(1);
    let sum = pool.run(|| {
        pool::scope(|s| {
            let adds = s.spawn(|| {
                segno::sleep(Duration::from_millis(1));
                receiver.recv().unwrap() + receiver.recv().unwrap()
            });
            s.spawn(|| (1..=2).for_each(|n| sender.send(n).unwrap()));
            adds.join().unwrap()
        })
    });
    assert_eq!(sum, 3);
}

#[test]
fn a_panic_of_a_child_comes_out_of_the_scope() {
    let pool = mill(2);
    let others = AtomicUsize::new(0);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        pool.scope(|s| {
            for n in 0..20 {
                let others = &others;
                s.spawn(move || {
                    if n == 7 {
                        segno::yield_now();
                        panic!("seven");
                    }
                    let _ended = support::OnDrop(|| {
                        others.fetch_add(1, SeqCst);
                    });
                    segno::sleep(HOUR);
                });
            }
        });
    }));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"seven"));
}

#[test]
fn a_panic_of_the_body_cancels_the_children() {
    let pool = mill(2);
    let started = AtomicUsize::new(0);
    let ended = AtomicUsize::new(0);
    let (started, ended) = (&started, &ended);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        pool.scope(|s| {
            for _ in 0..10 {
                s.spawn(move || {
                    started.fetch_add(1, SeqCst);
                    let _ended = support::OnDrop(|| {
                        ended.fetch_add(1, SeqCst);
                    });
                    segno::sleep(HOUR);
                });
            }
            thread::sleep(A_MOMENT);
            panic!("body");
        })
    }));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"body"));
    assert_eq!(started.load(SeqCst), ended.load(SeqCst));
}

#[test]
fn a_cancelled_scope_cancels_children_on_other_threads() {
    let pool = mill(2);
    let (started, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (started, ended) = (&started, &ended);
    pool.run(|| {
        let late = segno::timeout(A_MOMENT, || {
            pool::scope(|s| {
                for _ in 0..10 {
                    s.spawn(move || {
                        started.fetch_add(1, SeqCst);
                        let _ended = support::OnDrop(|| {
                            ended.fetch_add(1, SeqCst);
                        });
                        segno::sleep(HOUR);
                    });
                }
            });
            // The scope itself is waited for whatever is cancelled; the next pause unwinds.
            segno::checkpoint();
        });
        assert!(late.is_err());
    });
    assert_eq!(started.load(SeqCst), 10);
    assert_eq!(ended.load(SeqCst), 10);
}

#[test]
fn a_cancelled_child_gives_the_reason() {
    let pool = mill(1);
    pool.scope(|s| {
        let sleeper = s.spawn(|| segno::sleep(HOUR));
        thread::sleep(A_MOMENT);
        sleeper.cancel("enough");
        let error = sleeper.join().unwrap_err();
        assert_eq!(error.reason().unwrap().message(), "enough");
    });
}

#[test]
fn a_child_that_is_cancelled_before_it_begins_drops_what_it_captured() {
    let pool = mill(1);
    let (dropped, ran) = (AtomicBool::new(false), AtomicBool::new(false));
    pool.run(|| {
        pool::scope(|s| {
            let captured = support::OnDrop(|| dropped.store(true, SeqCst));
            let ran = &ran;
            let child = s.spawn(move || {
                ran.store(true, SeqCst);
                drop(captured);
            });
            child.cancel("not needed");
            assert!(dropped.load(SeqCst), "here and now");
            let error = child.join().unwrap_err();
            assert_eq!(error.reason().unwrap().kind(), CancelKind::Requested);
        });
    });
    assert!(!ran.into_inner());
}

#[test]
fn a_spawned_task_is_joined_from_everywhere() {
    let (pool, other) = (mill(2), mill(1));
    assert_eq!(pool.spawn(|| 1).join().unwrap(), 1, "from a thread");
    let task = pool.spawn(|| 2);
    assert_eq!(segno::run(|| task.join().unwrap()), 2, "from a loop");
    let task = pool.spawn(|| 3);
    assert_eq!(other.run(|| task.join().unwrap()), 3, "from another pool");
    assert_eq!(pool.run(|| pool::spawn(|| 4).join().unwrap()), 4, "from the pool itself");
}

#[test]
fn two_pools_join_each_others_tasks() {
    let (one, two) = (mill(1), mill(1));
    fn deep(n: u32, here: &Pool, there: &Pool) -> u32 {
        if n == 0 { 0 } else { 1 + there.run(|| deep(n - 1, there, here)) }
    }
    assert_eq!(one.run(|| deep(40, &one, &two)), 40);
}

#[test]
fn a_joined_task_is_cancelled_by_its_handle() {
    let pool = mill(2);
    let task = pool.spawn(|| segno::sleep(HOUR));
    thread::sleep(A_MOMENT);
    task.cancel("enough");
    assert_eq!(task.join().unwrap_err().reason().unwrap().message(), "enough");
}

#[test]
fn a_panic_goes_to_the_joiner() {
    let pool = mill(1);
    let task = pool.spawn(|| -> u32 { panic!("no") });
    assert!(matches!(task.join(), Err(JoinError::Panicked(panic)) if panic.message() == "no"));
}

#[test]
fn dropping_a_pool_ends_its_tasks() {
    let ended = Arc::new(AtomicUsize::new(0));
    let pool = mill(2);
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let ended = ended.clone();
            // Some may not have begun by then.
            let ended = support::OnDrop(move || {
                ended.fetch_add(1, SeqCst);
            });
            pool.spawn(move || {
                let _ended = ended;
                segno::sleep(HOUR);
            })
        })
        .collect();
    thread::sleep(A_MOMENT);
    drop(pool);
    assert_eq!(ended.load(SeqCst), 50);
    for task in tasks {
        assert_eq!(task.join().unwrap_err().reason().unwrap().kind(), CancelKind::Shutdown);
    }
}

#[test]
fn what_has_not_begun_is_dropped_with_the_pool() {
    let pool = mill(1);
    let gate = Arc::new(AtomicBool::new(false));
    let theirs = gate.clone();
    let blocker = pool.spawn(move || {
        while !theirs.load(SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
    });
    let dropped = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let dropped = dropped.clone();
            let captured = support::OnDrop(move || {
                dropped.fetch_add(1, SeqCst);
            });
            pool.spawn(move || drop(captured))
        })
        .collect();
    let opener = thread::spawn(move || {
        thread::sleep(A_MOMENT);
        gate.store(true, SeqCst);
    });
    drop(pool);
    assert_eq!(dropped.load(SeqCst), 10);
    assert!(blocker.is_finished());
    assert!(tasks.iter().all(segno::JoinHandle::is_finished));
    opener.join().unwrap();
}

#[test]
fn a_pool_may_be_dropped_in_one_of_its_own_tasks() {
    let pool = Arc::new(mill(2));
    let theirs = pool.clone();
    let (sender, receiver) = std::sync::mpsc::channel();
    let task = pool.spawn(move || {
        receiver.recv().unwrap();
        drop(theirs);
        segno::sleep(HOUR);
    });
    drop(pool);
    sender.send(()).unwrap();
    assert_eq!(task.join().unwrap_err().reason().unwrap().kind(), CancelKind::Shutdown);
}

#[test]
fn shutdown_tells_who_has_not_ended() {
    let pool = mill(2);
    let (open, both) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let wait_for = |what: &Arc<AtomicBool>| {
        let what = what.clone();
        move || {
            while !what.load(SeqCst) {
                thread::sleep(Duration::from_millis(1));
            }
        }
    };
    // It pauses when the other one has its thread.
    let (other_is_there, theirs) = (wait_for(&both), open.clone());
    let stubborn = pool.task("stubborn").spawn(move || {
        other_is_there();
        segno::shield(|| {
            while !theirs.load(SeqCst) {
                segno::sleep(Duration::from_millis(5));
            }
        });
    });
    let opened = wait_for(&open);
    let deaf = pool.task("deaf").spawn(move || {
        both.store(true, SeqCst);
        opened();
    });
    thread::sleep(A_MOMENT);
    let error = pool.shutdown(A_MOMENT).unwrap_err();
    assert_eq!(error.waiting().len(), 1);
    assert_eq!(error.waiting()[0].name(), Some("stubborn"));
    assert_eq!(error.busy().len(), 1);
    assert_eq!(error.busy()[0].name(), None, "nobody can ask its loop");
    let text = error.to_string();
    assert!(
        text.contains("`stubborn`") && text.contains("waits in `sleep` at tests/pool.rs"),
        "{text}"
    );
    assert!(
        text.contains("that does not pause") && text.contains("(spawned at tests/pool.rs"),
        "{text}"
    );
    open.store(true, SeqCst);
    assert!(stubborn.join().is_ok() && deaf.join().is_ok(), "they end all the same");
}

#[test]
fn clean_up_behind_a_shield_goes_on_in_parallel_when_the_pool_ends() {
    let pool = mill(2);
    let (begun, sum) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (begins, sums) = (begun.clone(), sum.clone());
    let task = pool.spawn(move || -> () {
        begins.store(true, SeqCst);
        segno::shield(|| {
            thread::sleep(A_MOMENT); // the pool is ended meanwhile
            sums.store(pool::map(0..100_usize, |n| n).into_iter().sum(), SeqCst);
            let (a, b) = pool::join(|| 1, || 2);
            assert_eq!(a + b, 3);
        });
        segno::checkpoint();
        unreachable!("it was cancelled");
    });
    while !begun.load(SeqCst) {
        thread::yield_now();
    }
    drop(pool);
    assert_eq!(sum.load(SeqCst), 4_950);
    assert_eq!(task.join().unwrap_err().reason().unwrap().kind(), CancelKind::Shutdown);
}

#[test]
fn a_blocked_thread_does_not_keep_what_has_not_begun() {
    let pool = mill(2);
    pool.run(|| {
        let done = AtomicBool::new(false);
        pool::scope(|s| {
            s.spawn(|| done.store(true, SeqCst));
            let start = Instant::now();
            while !done.load(SeqCst) {
                thread::sleep(Duration::from_millis(1));
                assert!(start.elapsed() < Duration::from_secs(20), "nobody took it");
            }
        });
    });
}

#[test]
fn what_waits_to_begin_begins_beside_tasks_that_always_go_on() {
    let pool = mill(1);
    pool.run(|| {
        let stop = AtomicBool::new(false);
        pool::scope(|s| {
            for _ in 0..3 {
                s.spawn(|| {
                    while !stop.load(SeqCst) {
                        segno::yield_now();
                    }
                });
            }
            s.spawn(|| stop.store(true, SeqCst));
            while !stop.load(SeqCst) {
                segno::yield_now();
            }
        });
    });
}

#[test]
fn the_oldest_does_not_wait_for_ever_behind_what_is_newer() {
    let pool = mill(1);
    fn again(stop: Arc<AtomicBool>) {
        if !stop.load(SeqCst) {
            drop(pool::spawn(move || again(stop)));
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    pool.run(|| {
        let stops = stop.clone();
        let first = pool::spawn(move || stops.store(true, SeqCst));
        let theirs = stop.clone();
        drop(pool::spawn(move || again(theirs)));
        while !first.is_finished() {
            segno::yield_now();
        }
    });
}

#[test]
fn select_waits_for_children_on_other_threads() {
    let pool = mill(2);
    pool.run(|| {
        pool::scope(|s| {
            let (sender, receiver) = segno::sync::channel::bounded::<u32>(1);
            let mut child = s.spawn(move || {
                segno::sleep(Duration::from_millis(1));
                drop(sender);
                5
            });
            let mut closed = false;
            while !child.is_finished() || !closed {
                segno::select! {
                    finished(child) => {
                        segno::yield_now();
                        closed = true;
                    },
                    recv(receiver) -> none => {
                        assert!(none.is_err());
                        closed = true;
                        segno::sleep(Duration::from_millis(1));
                    },
                }
            }
            assert_eq!(child.join().unwrap(), 5);
        });
    });
}

#[test]
fn locks_are_held_over_a_join() {
    let pool = mill(2);
    let lock = segno::sync::Mutex::new(0);
    pool.scope(|s| {
        for _ in 0..50 {
            s.spawn(|| {
                let mut held = lock.lock();
                let (a, b) = pool::join(|| 1, || 2);
                *held += a + b;
            });
        }
    });
    assert_eq!(lock.into_inner(), 150);
}

#[test]
fn sync_task_locals_are_inherited() {
    segno::task_local! {
        sync static SHARED: u32 = 0;
        static HERE: u32 = 0;
        /// Documented.
        pub sync static NAME: String = "nobody".to_owned();
    }
    let pool = mill(2);
    pool.run(|| {
        SHARED.set(1);
        HERE.set(1);
        NAME.set("somebody".to_owned());
        let seen = || (SHARED.get(), HERE.get(), NAME.get());
        let inherited = (1, 0, "somebody".to_owned());
        assert_eq!(pool::spawn(seen).join().unwrap(), inherited);
        assert_eq!(pool::join(|| (), seen).1, inherited);
        let changed = pool::join(
            || (),
            || {
                SHARED.set(2);
                HERE.set(2);
                SHARED.get() + HERE.get()
            },
        );
        assert_eq!(changed.1, 4);
        assert_eq!((SHARED.get(), HERE.get()), (1, 1), "what a child sets is its own");
    });
}

#[test]
fn deep_joins_get_stacks_of_their_own() {
    let pool = mill(1);
    fn down(n: u32) -> u32 {
        let room = [n; 64];
        if n == 0 {
            return 0;
        }
        let (_, below) = pool::join(|| (), || down(n - 1));
        below + std::hint::black_box(&room)[3] - n + 1
    }
    assert_eq!(pool.run(|| down(5_000)), 5_000);
}

#[test]
fn joins_that_go_down_on_the_callers_side_get_another_stack() {
    let pool = mill(1);
    fn down(n: u32) -> u32 {
        if n == 0 {
            segno::yield_now();
            return 0;
        }
        let (below, _) = pool::join(|| down(n - 1), || ());
        below + 1
    }
    assert_eq!(pool.run(|| down(3_000)), 3_000);
    // A checker's frames are too large for the smallest stack.
    if cfg!(not(feature = "sanitizer")) {
        let small = pool.task("small").stack_size(48 * 1024).spawn(|| down(1_000));
        assert_eq!(small.join().unwrap(), 1_000);
    }
}

#[test]
fn for_each_and_map_do_everything_once() {
    let pool = mill(2);
    let mut numbers: Vec<u32> = (0..10_000).collect();
    pool.for_each(&mut numbers, |number| *number *= 2);
    assert!(numbers.iter().zip(0..).all(|(number, n)| *number == 2 * n));
    let halves = pool.map(&numbers, |number| number / 2);
    assert!(halves.iter().zip(0..).all(|(half, n)| *half == n));
    let sum = AtomicUsize::new(0);
    pool.for_each(0..1_000_usize, |n| {
        sum.fetch_add(n, SeqCst);
    });
    assert_eq!(sum.into_inner(), 499_500);
    assert_eq!(pool.map(5..5_u32, |n| n), []);
    assert_eq!(pool.map(-3..2_i64, |n| n * n), [9, 4, 1, 0, 1]);
    let edges = pool.map(i32::MIN..i32::MIN + 3, |n| n);
    assert_eq!(edges, [i32::MIN, i32::MIN + 1, i32::MIN + 2]);
    assert_eq!(pool.map(&[1, 2, 3], |n| n + 1), [2, 3, 4]);
}

#[test]
fn uneven_work_is_shared() {
    let pool = mill(2);
    let threads: Mutex<Vec<ThreadId>> = Mutex::new(Vec::new());
    pool.for_each(0..64_u64, |n| {
        // All the work is in the last quarter.
        if n >= 48 {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(2) {
                std::hint::spin_loop();
            }
            threads.lock().unwrap().push(thread::current().id());
        }
    });
    let threads = threads.into_inner().unwrap();
    assert_eq!(threads.len(), 16);
    assert!(threads.iter().any(|thread| *thread != threads[0]), "both have worked");
}

#[test]
fn a_pool_is_used_inside_anothers_task() {
    let (outer, inner) = (mill(2), mill(2));
    let sums = outer.map(0..10_u64, |n| inner.map(0..n, |m| m * m).into_iter().sum::<u64>());
    assert_eq!(sums[9], 204);
}

#[test]
fn bad_wishes_are_errors() {
    let none = Pool::builder().threads(0).build().unwrap_err();
    assert_eq!(none.to_string(), "a pool needs at least one thread");
    assert!(Pool::builder().threads(1).stack_size(1).build().is_err());
    let pool = mill(1);
    assert!(pool.task("tiny").stack_size(1).try_spawn(|| ()).is_err());
    let outside = catch_unwind(|| pool::join(|| (), || ()));
    assert!(outside.unwrap_err().downcast_ref::<String>().unwrap().contains("needs a pool"));
}

#[test]
fn a_stack_size_is_kept() {
    let pool = mill(1);
    pool.run(|| {
        pool::scope(|s| {
            let big = s.task("big").stack_size(1 << 20).spawn(|| {
                fn deep(n: u32) -> u32 {
                    let room = std::hint::black_box([n; 1024]);
                    if n == 0 { 0 } else { deep(n - 1) + room[7] - n + 1 }
                }
                deep(100)
            });
            assert_eq!(big.join().unwrap(), 100);
        });
    });
}

#[test]
fn threads_without_work_sleep() {
    let pool = mill(32);
    let start = Instant::now();
    while pool.idle() < 32 {
        assert!(start.elapsed() < Duration::from_secs(20), "{} sleep", pool.idle());
        thread::sleep(Duration::from_millis(1));
    }
    pool.run(|| assert!(pool.idle() < 32));
}

#[test]
#[cfg(all(target_os = "linux", not(miri), not(feature = "sanitizer")))]
fn what_was_joined_does_not_stay_in_the_queue() {
    /// Bytes of this process that are in memory.
    fn resident() -> usize {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }
    /// Joined in the order in which they were spawned: each but the last is under others in the queue.
    fn batch() {
        let handles: Vec<_> = (0..1000).map(|i| segno::pool::spawn(move || i)).collect();
        (0..).zip(handles).for_each(|(i, handle)| assert_eq!(handle.join().unwrap(), i));
    }
    mill(1).run(|| {
        batch();
        let before = resident();
        (0..300).for_each(|_| batch());
        let grown = resident().saturating_sub(before);
        // 75 MB, if each were kept.
        assert!(grown < 40_000_000, "{grown} bytes");
    });
}

/// A pool with a task that ends some time after it was told to.
fn mill_with_clean_up() -> Pool {
    let pool = mill(1);
    let (begun, begins) = mpsc::channel();
    let _ = pool.spawn(move || {
        segno::shield(|| {
            begun.send(()).unwrap();
            segno::sleep(A_MOMENT);
        });
    });
    begins.recv().unwrap();
    pool
}

#[test]
fn a_virtual_clock_waits_for_the_end_of_a_pool() {
    let build = || EventLoop::builder().clock(Clock::virtual_time()).build();
    let dropped = build().run(|| {
        let before = segno::now();
        drop(mill_with_clean_up());
        segno::now() - before
    });
    assert_eq!(dropped.unwrap(), Duration::ZERO, "no standstill, and no time of this clock's");
    let ended = build().run(|| mill_with_clean_up().shutdown(HOUR).is_ok());
    assert!(ended.unwrap(), "the deadline is in the time of the others");
}

#[test]
fn messages_name_lines_of_who_calls_run_and_join() {
    let pool = mill(1);
    let refused = |f: &(dyn Fn() + Sync)| {
        let caught = catch_unwind(AssertUnwindSafe(|| pool.run(f)));
        *caught.unwrap_err().downcast::<String>().unwrap()
    };
    let run = refused(&|| segno::no_pause(segno::yield_now));
    let join = refused(&|| {
        pool::join(segno::yield_now, || segno::no_pause(segno::yield_now));
    });
    for text in [run, join] {
        assert!(text.contains("made at tests/pool.rs") && !text.contains("src/pool"), "{text}");
    }
}

#[test]
fn shutdown_tells_who_goes_on_and_on() {
    let pool = mill(1);
    let (open, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (ends, begins) = (open.clone(), begun.clone());
    let restless = pool.task("restless").spawn(move || {
        segno::shield(|| {
            begins.store(true, SeqCst);
            while !ends.load(SeqCst) {
                segno::yield_now();
            }
        });
    });
    while !begun.load(SeqCst) {
        thread::yield_now();
    }
    let error = pool.shutdown(A_MOMENT).unwrap_err();
    assert!(error.waiting().is_empty());
    assert!(error.busy().len() == 1 && error.busy()[0].pauses());
    assert_eq!(error.busy()[0].name(), Some("restless"));
    assert!(error.to_string().contains("`restless` (spawned at tests/pool.rs"), "{error}");
    assert!(error.to_string().contains("goes on and on"), "{error}");
    open.store(true, SeqCst);
    assert!(restless.join().is_ok());
}

#[test]
fn what_another_loop_brings_runs_on_the_pool() {
    let (pool, here) = (mill(1), thread::current().id());
    segno::run(|| {
        for _ in 0..100 {
            assert_eq!(pool.run(pool::thread_index), Some(0));
            pool.scope(|s| assert_ne!(s.spawn(|| thread::current().id()).join().unwrap(), here));
            assert_eq!(pool.join(|| 1, pool::thread_index), (1, Some(0)));
        }
    });
}
