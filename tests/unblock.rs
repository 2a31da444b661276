//! Closures that block: on threads of their own, while only the task that asks waits.

mod support;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use segno::sync::channel;
use segno::{CancelKind, Generator, Outlet, no_pause, unblock};

use support::{alone, panic_text, virtually, while_unwinding};

#[test]
fn the_closure_runs_elsewhere_and_may_borrow() {
    let text = "dal segno al fine".to_owned();
    let here = thread::current().id();
    let (words, there) =
        segno::run(|| unblock(|| (text.split(' ').collect::<Vec<_>>(), thread::current().id())));
    assert_eq!(words, ["dal", "segno", "al", "fine"]);
    assert_ne!(there, here);
}

#[test]
fn what_the_closure_captures_by_reference_can_be_changed() {
    let mut notes = vec![3, 1, 2];
    segno::run(|| {
        unblock(|| notes.sort_unstable());
        notes.push(4);
    });
    assert_eq!(notes, [1, 2, 3, 4]);
}

#[test]
fn others_go_on_while_it_blocks() {
    let heard = segno::run(|| {
        let (begin, may_end) = channel::unbounded();
        let heard = RefCell::new(Vec::new());
        segno::scope(|s| {
            s.spawn(|| {
                unblock(move || may_end.recv().unwrap());
                heard.borrow_mut().push("returned");
            });
            for _ in 0..3 {
                segno::yield_now();
                heard.borrow_mut().push("other");
            }
            begin.send(()).unwrap();
        });
        heard.into_inner()
    });
    assert_eq!(heard, ["other", "other", "other", "returned"]);
}

#[test]
fn a_panic_reaches_the_caller_unchanged() {
    segno::run(|| {
        let panic = catch_unwind(|| unblock(|| std::panic::panic_any(7_u32))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&7_u32));
        assert_eq!(unblock(|| 8), 8, "its thread goes on");
    });
}

#[test]
fn a_cancellation_comes_when_the_closure_has_returned() {
    segno::run(|| {
        let (begin, may_end) = channel::unbounded();
        let got = Cell::new(0);
        let part = segno::cancel_scope(|part| {
            let part = part.handle();
            let cancels = segno::spawn(move || {
                part.cancel("now");
                segno::yield_now();
                begin.send(7).unwrap();
            });
            drop(cancels);
            got.set(unblock(move || may_end.recv().unwrap()));
            segno::yield_now();
            unreachable!("cancelled");
        });
        assert_eq!(part.unwrap_err().reason().message(), "now");
        assert_eq!(got.get(), 7);
    });
}

#[test]
fn a_task_that_is_cancelled_already_drops_the_closure() {
    segno::run(|| {
        let (ran, dropped) = (AtomicBool::new(false), AtomicBool::new(false));
        let part = segno::cancel_scope(|part| {
            part.cancel("before");
            let tells = support::OnDrop(|| dropped.store(true, Ordering::Relaxed));
            // Kept on this thread: a guard is no argument of the closure.
            let _tells = tells;
            unblock(|| ran.store(true, Ordering::Relaxed));
        });
        assert!(part.is_err());
        assert!(!ran.load(Ordering::Relaxed) && dropped.load(Ordering::Relaxed));
    });
}

#[test]
fn a_virtual_clock_stands_still_meanwhile() {
    let mut events = virtually();
    let order = events.run(|| {
        let order = Mutex::new(Vec::new());
        let (begin, may_end) = channel::unbounded();
        segno::scope(|s| {
            s.spawn(|| {
                segno::sleep(Duration::from_secs(1));
                order.lock().unwrap().push("sleeper");
            });
            s.spawn(|| {
                unblock(|| {
                    may_end.recv().unwrap();
                    // Long enough for a clock that does not wait to jump.
                    (0..100).for_each(|_| thread::yield_now());
                    order.lock().unwrap().push("closure");
                });
            });
            segno::yield_now();
            begin.send(()).unwrap();
        });
        order.into_inner().unwrap()
    });
    assert_eq!(order.unwrap(), ["closure", "sleeper"]);
}

#[test]
fn closures_begin_in_their_order_and_no_more_than_the_limit_at_once() {
    alone(|| {
        let before = unblock::stats().limit;
        unblock::set_limit(1);
        while unblock::stats().threads > 1 {
            thread::yield_now();
        }
        let (order, running, most) =
            (Mutex::new(Vec::new()), AtomicUsize::new(0), AtomicUsize::new(0));
        segno::run(|| {
            segno::join_all((0..20).map(|number| {
                let (order, running, most) = (&order, &running, &most);
                move || {
                    unblock(|| {
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        order.lock().unwrap().push(number);
                        thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                    });
                }
            }));
        });
        unblock::set_limit(before);
        assert_eq!(order.into_inner().unwrap(), (0..20).collect::<Vec<_>>());
        assert_eq!(most.into_inner(), 1);
    });
}

#[test]
fn a_higher_limit_lets_those_begin_that_wait() {
    alone(|| {
        let before = unblock::stats().limit;
        unblock::set_limit(1);
        segno::run(|| {
            let (begin, may_end) = channel::unbounded();
            segno::scope(|s| {
                // Both have to run at once.
                s.spawn(move || unblock(move || may_end.recv().unwrap()));
                s.spawn(move || unblock(move || begin.send(()).unwrap()));
                segno::yield_now();
                segno::yield_now();
                unblock::set_limit(4);
            });
        });
        unblock::set_limit(before);
    });
}

#[test]
fn threads_are_used_again() {
    alone(|| {
        let before = unblock::stats().limit;
        // Others of this file may have left many, and each closure goes to the one that was idle longest.
        unblock::set_limit(2);
        while unblock::stats().threads > 2 {
            thread::yield_now();
        }
        let names = segno::run(|| (0..50).map(|_| unblock(|| thread::current().id())).collect());
        unblock::set_limit(before);
        let names: std::collections::HashSet<_> = Vec::into_iter(names).collect();
        assert!(names.len() <= 3, "{} threads for 50 closures, one after the other", names.len());
    });
}

#[test]
fn a_thousand_at_once_all_return() {
    let sum = segno::run(|| {
        let closures = (0..1000_u64).map(|number| move || unblock(move || number * 2));
        segno::join_all(closures).into_iter().sum::<u64>()
    });
    assert_eq!(sum, 999_000);
}

#[test]
fn outside_a_task_it_runs_here() {
    assert_eq!(unblock(|| thread::current().id()), thread::current().id());
}

#[test]
fn while_something_unwinds_it_runs_here() {
    segno::run(|| {
        let there = while_unwinding(|| unblock(|| thread::current().id()));
        assert_eq!(there, thread::current().id());
    });
}

#[test]
fn where_a_pause_is_refused_nothing_begins() {
    segno::run(|| {
        let ran = AtomicBool::new(false);
        let text = panic_text(|| no_pause(|| unblock(|| ran.store(true, Ordering::Relaxed))));
        assert!(text.contains("no_pause"), "{text}");
        assert!(!ran.load(Ordering::Relaxed));
    });
}

#[test]
fn inside_a_generator_the_whole_task_waits() {
    let items = segno::run(|| {
        let items = Generator::new(|out: &Outlet<u32>| {
            for number in 1..=3 {
                out.pause(unblock(move || number * 10));
            }
        });
        items.collect::<Vec<_>>()
    });
    assert_eq!(items, [10, 20, 30]);
}

#[test]
fn the_closure_may_have_a_loop_of_its_own() {
    let answer =
        segno::run(|| unblock(|| segno::run(|| segno::spawn(|| unblock(|| 42)).join().unwrap())));
    assert_eq!(answer, 42);
}

#[test]
fn a_loop_that_ends_waits_for_closures_that_run() {
    let ended = AtomicBool::new(false);
    let (begin, may_end) = channel::unbounded();
    segno::run(|| {
        let ended = &ended;
        segno::scope(|s| {
            let child = s.spawn(move || {
                unblock(move || {
                    may_end.recv().unwrap();
                    ended.store(true, Ordering::SeqCst);
                });
                segno::yield_now();
            });
            segno::yield_now();
            child.cancel("the loop ends");
            begin.send(()).unwrap();
            let reason = support::reason_of(child.join());
            assert_eq!(reason.kind(), CancelKind::Requested);
        });
        assert!(ended.load(Ordering::SeqCst));
    });
}

#[test]
fn a_panic_beside_it_waits_for_the_closure() {
    let (begin, may_end) = channel::unbounded();
    let text = "lent".to_owned();
    let read = Mutex::new(String::new());
    let panic = catch_unwind(AssertUnwindSafe(|| {
        segno::run(|| {
            segno::scope(|s| {
                s.spawn(|| {
                    unblock(|| {
                        may_end.recv().unwrap();
                        read.lock().unwrap().push_str(&text);
                    });
                });
                s.spawn(|| {
                    begin.send(()).unwrap();
                    panic!("beside it");
                });
            });
        });
    }));
    assert!(panic.is_err());
    assert_eq!(*read.lock().unwrap(), "lent");
}

#[test]
fn a_family_that_is_given_up_leaves_no_guard_behind() {
    support::reports(|| {
        let mut events = virtually();
        let (begin, may_end) = channel::unbounded();
        let parent = events.spawn(move || {
            segno::scope(|s| {
                s.spawn(move || unblock(move || may_end.recv()));
                loop {
                    let _ = catch_unwind(segno::pause);
                }
            });
        });
        let slept = events.run(|| {
            segno::yield_now();
            segno::yield_now();
            parent.cancel("enough");
            assert!(parent.join().is_err());
            begin.send(()).unwrap();
            // The clock stands still as long as the closure runs, and no longer.
            segno::sleep(Duration::from_secs(1));
        });
        assert!(slept.is_ok());
    });
}
