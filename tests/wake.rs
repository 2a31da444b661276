//! Wakes, cancellations and joins from other threads, racing with everything that they can race with: none is
//! lost, none comes twice, none touches what has gone.
//!
//! The counts are those of a quick run: a hundredth, or a twentieth with `--release`. `SEGNO_FULL=1 cargo test
//! --release --test wake` makes the full ones, ten million wakes among them; it takes a minute or two.

#![allow(
    clippy::redundant_closure,
    reason = "a function that is passed by name is called from elsewhere"
)]

mod support;

use std::cell::Cell;
use std::hint;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use segno::{CancelKind, EventLoop, JoinError, LoopHandle, Waker};

use support::{Dice, OnDrop, alone};

const SECOND: Duration = Duration::from_secs(1);

/// So many, or a part of that in a quick run.
fn many(full: u64) -> u64 {
    if std::env::var_os("SEGNO_FULL").is_some() {
        full
    } else if cfg!(debug_assertions) {
        full / 100
    } else {
        full / 20
    }
}

/// Runs a test alone, and ends the process if it takes longer than it should: a hang is a failure that has a
/// name.
fn in_time(f: impl FnOnce() + Send) {
    alone(|| {
        let (done, over) = mpsc::channel::<()>();
        let name = thread::current().name().unwrap_or("a test").to_owned();
        thread::spawn(move || {
            if over.recv_timeout(300 * SECOND) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{name} hangs");
                std::process::exit(102);
            }
        });
        f();
        drop(done);
    });
}

/// Spins for a while that nobody can foresee.
fn dawdle(dice: &mut Dice) {
    for _ in 0..dice.below(200) {
        hint::spin_loop();
    }
}

#[test]
fn of_ten_million_wakes_from_another_thread_none_is_lost() {
    in_time(|| {
        let all = many(10_000_000);
        let seen = Arc::new(AtomicU64::new(0));
        let sent = Arc::new(AtomicU64::new(0));
        let (theirs, given) = (sent.clone(), seen.clone());
        let returns = segno::run(move || {
            let waker = segno::waker();
            let other = thread::spawn(move || {
                let mut dice = Dice(1);
                for i in 1..=all {
                    theirs.store(i, Ordering::Release);
                    waker.wake_by_ref();
                    // The loop is met in all its states: it reads, it is about to sleep, it sleeps. Now and
                    // then nothing comes after this wake until it was heard.
                    if dice.below(16) == 0 {
                        dawdle(&mut dice);
                    }
                    if dice.below(64) == 0 {
                        let mut patience = 0;
                        while seen.load(Ordering::Acquire) < i {
                            patience += 1;
                            if patience % 1000 == 0 {
                                thread::yield_now();
                            }
                            hint::spin_loop();
                        }
                    }
                }
            });
            let (mut returns, mut dice) = (0_u64, Dice(2));
            while sent.load(Ordering::Acquire) < all {
                segno::pause();
                returns += 1;
                // Awake for a while, without a look at what was sent.
                (0..dice.below(4)).for_each(|_| segno::yield_now());
                given.store(sent.load(Ordering::Acquire), Ordering::Release);
            }
            given.store(all, Ordering::Release);
            other.join().unwrap();
            returns
        });
        assert!(returns <= all + 1, "{returns} returns of {all} wakes");
    });
}

#[test]
fn every_wake_of_a_volley_is_answered() {
    in_time(|| {
        let rounds = many(1_000_000) as u32;
        let ball = Arc::new(AtomicU32::new(0));
        let theirs = ball.clone();
        segno::run(move || {
            let waker = segno::waker();
            let other = thread::spawn(move || {
                loop {
                    match theirs.load(Ordering::Acquire) {
                        at if at >= rounds => return,
                        at if at % 2 == 0 => {
                            theirs.store(at + 1, Ordering::Release);
                            waker.wake_by_ref();
                        }
                        _ => thread::yield_now(),
                    }
                }
            });
            while ball.load(Ordering::Acquire) < rounds {
                if ball.load(Ordering::Acquire) % 2 == 1 {
                    ball.fetch_add(1, Ordering::AcqRel);
                } else {
                    segno::pause();
                }
            }
            other.join().unwrap();
        });
    });
}

#[test]
fn many_threads_wake_many_tasks() {
    in_time(|| {
        let (threads, tasks, each) = (4, 16, many(200_000));
        let wanted: Arc<Vec<AtomicU64>> = Arc::new((0..tasks).map(|_| AtomicU64::new(0)).collect());
        let total = threads * each;
        segno::run(|| {
            let wakers: Vec<Waker> = segno::scope(|s| {
                let (sender, receiver) = mpsc::channel();
                let finished = Rc::new(Cell::new(0));
                for i in 0..tasks {
                    let (wanted, sender, finished) = (&wanted, sender.clone(), finished.clone());
                    s.spawn(move || {
                        sender.send((i, segno::waker())).unwrap();
                        while wanted[i].load(Ordering::Acquire) < total / tasks as u64 {
                            segno::pause();
                        }
                        finished.set(finished.get() + 1);
                    });
                }
                segno::yield_now();
                let mut wakers: Vec<_> = receiver.try_iter().collect();
                wakers.sort_by_key(|(i, _)| *i);
                let wakers: Vec<_> = wakers.into_iter().map(|(_, waker)| waker).collect();
                for thread in 0..threads {
                    let (wakers, wanted) = (wakers.clone(), wanted.clone());
                    thread::spawn(move || {
                        for n in 0..each {
                            let i = ((n + thread) % tasks as u64) as usize;
                            wanted[i].fetch_add(1, Ordering::AcqRel);
                            wakers[i].wake_by_ref();
                        }
                    });
                }
                wakers
            });
            assert_eq!(wakers.len(), tasks);
        });
        assert!(wanted.iter().all(|n| n.load(Ordering::Acquire) == total / tasks as u64));
    });
}

#[test]
fn a_wake_that_races_with_the_end_of_its_task_hits_nobody_else() {
    in_time(|| {
        let rounds = many(200_000);
        segno::run(|| {
            let (sender, receiver) = mpsc::sync_channel::<Waker>(4);
            let other = thread::spawn(move || {
                let mut dice = Dice(3);
                for waker in receiver {
                    dawdle(&mut dice);
                    waker.wake_by_ref();
                    drop(waker.clone());
                    waker.wake();
                }
            });
            let mut dice = Dice(4);
            for _ in 0..rounds {
                let sender = sender.clone();
                let short = segno::spawn(move || drop(sender.try_send(segno::waker())));
                // It gets the record of one that ended, and nobody has its waker.
                let innocent = segno::spawn(|| {
                    let before = segno::current();
                    segno::yield_now();
                    assert_eq!(segno::current(), before);
                });
                dawdle(&mut dice);
                short.join().unwrap();
                innocent.join().unwrap();
            }
            drop(sender);
            other.join().unwrap();
        });
    });
}

#[test]
fn a_wake_that_races_with_the_end_of_its_loop_does_nothing() {
    in_time(|| {
        let (sender, receiver) = mpsc::channel::<(Waker, LoopHandle)>();
        let over = Arc::new(AtomicBool::new(false));
        let theirs = over.clone();
        let other = thread::spawn(move || {
            let mut kept = Vec::new();
            let mut dice = Dice(5);
            while !theirs.load(Ordering::Acquire) {
                if kept.len() < 50 {
                    kept.extend(receiver.try_recv());
                }
                for (waker, handle) in &kept {
                    waker.wake_by_ref();
                    handle.stop();
                    let _ = handle.post(|| segno::yield_now());
                }
                if kept.len() == 50 {
                    kept.swap_remove(dice.below(50));
                }
                dawdle(&mut dice);
            }
        });
        for _ in 0..many(20_000) {
            let mut events = EventLoop::new();
            let (sender, handle) = (sender.clone(), events.handle());
            let _task = events.spawn(move || {
                sender.send((segno::waker(), handle)).unwrap();
                loop {
                    segno::pause();
                }
            });
            events.run_until_idle();
            drop(events);
        }
        over.store(true, Ordering::Release);
        other.join().unwrap();
    });
}

#[test]
fn a_cancellation_from_another_thread_races_with_completion() {
    in_time(|| {
        let (mut values, mut cancelled) = (0_u64, 0_u64);
        let drops = Arc::new(AtomicU64::new(0));
        let rounds = many(200_000);
        segno::run(|| {
            let (sender, receiver) = mpsc::sync_channel::<segno::JoinHandle<u64>>(8);
            let (back, joined) = mpsc::channel();
            let other = thread::spawn(move || {
                let mut dice = Dice(6);
                for task in receiver {
                    dawdle(&mut dice);
                    task.cancel("from another thread");
                    if dice.below(2) == 0 {
                        drop(task);
                    } else if back.send(task).is_err() {
                        return;
                    }
                }
            });
            let mut dice = Dice(7);
            let mut check = |task: segno::JoinHandle<u64>| match task.join() {
                Ok(value) => {
                    assert_eq!(value, 7);
                    values += 1;
                }
                Err(JoinError::Cancelled(reason)) => {
                    assert_eq!(reason.kind(), CancelKind::Requested);
                    cancelled += 1;
                }
                Err(other) => panic!("{other}"),
            };
            for _ in 0..rounds {
                let counted = drops.clone();
                let witness = OnDrop(move || {
                    counted.fetch_add(1, Ordering::Relaxed);
                });
                let pauses = dice.below(4);
                let task = segno::spawn(move || {
                    let _witness = witness;
                    (0..pauses).for_each(|_| segno::yield_now());
                    7
                });
                if let Err(mpsc::TrySendError::Full(task)) = sender.try_send(task) {
                    check(task);
                }
                segno::yield_now();
                joined.try_iter().for_each(&mut check);
            }
            drop(sender);
            other.join().unwrap();
            joined.try_iter().for_each(&mut check);
        });
        assert_eq!(drops.load(Ordering::Relaxed), rounds);
        println!("{values} values, {cancelled} cancelled, of {rounds}");
    });
}

#[test]
fn a_cancel_handle_on_another_thread_hits_its_own_scope_or_nobody() {
    in_time(|| {
        let (mut ended, mut cut) = (0_u64, 0_u64);
        segno::run(|| {
            let (sender, receiver) = mpsc::sync_channel::<(u64, segno::CancelHandle)>(4);
            let other = thread::spawn(move || {
                let mut dice = Dice(8);
                for (i, handle) in receiver {
                    dawdle(&mut dice);
                    handle.cancel(i.to_string());
                }
            });
            for i in 0..many(200_000) {
                let result = segno::cancel_scope(|part| {
                    let _ = sender.try_send((i, part.handle()));
                    segno::yield_now();
                    segno::checkpoint();
                });
                match result {
                    Ok(()) => ended += 1,
                    Err(cancelled) => {
                        assert_eq!(cancelled.reason().message(), i.to_string());
                        cut += 1;
                    }
                }
                segno::checkpoint();
            }
            drop(sender);
            other.join().unwrap();
        });
        println!("{ended} ended, {cut} cut");
    });
}

#[test]
fn joins_from_threads_race_with_completion_and_drop_each_value_once() {
    in_time(|| {
        let rounds = many(100_000);
        let drops = Arc::new(AtomicU64::new(0));
        let mut events = EventLoop::new();
        let (sender, receiver) = mpsc::sync_channel::<segno::JoinHandle<Box<dyn Send>>>(8);
        let other = thread::spawn(move || {
            let mut dice = Dice(9);
            for task in receiver {
                dawdle(&mut dice);
                match dice.below(4) {
                    0 => drop(task),
                    1 if task.is_finished() => drop(task.join().unwrap()),
                    2 => drop(task),
                    _ => drop(task.join().unwrap()),
                }
            }
        });
        events
            .run(|| {
                let mut dice = Dice(10);
                for _ in 0..rounds {
                    let (counted, pauses) = (drops.clone(), dice.below(3));
                    let task = segno::spawn(move || -> Box<dyn Send> {
                        let value = OnDrop(move || {
                            counted.fetch_add(1, Ordering::Relaxed);
                        });
                        (0..pauses).for_each(|_| segno::yield_now());
                        Box::new(value)
                    });
                    let mut task = Some(task);
                    while let Some(back) = task.take() {
                        if let Err(mpsc::TrySendError::Full(back)) = sender.try_send(back) {
                            task = Some(back);
                        }
                        segno::yield_now();
                    }
                }
                drop(sender);
                while !other.is_finished() {
                    segno::yield_now();
                }
            })
            .unwrap();
        other.join().unwrap();
        drop(events);
        assert_eq!(drops.load(Ordering::Relaxed), rounds);
    });
}

#[test]
fn tasks_of_two_loops_join_each_other_for_ever() {
    in_time(|| {
        let rounds = many(20_000);
        let (to_first, first) = mpsc::channel::<LoopHandle>();
        let (to_second, second) = mpsc::channel::<LoopHandle>();
        let done = Arc::new(AtomicUsize::new(0));
        let side = |to: mpsc::Sender<LoopHandle>, from: mpsc::Receiver<LoopHandle>| {
            let done = done.clone();
            thread::spawn(move || {
                segno::run(|| {
                    to.send(segno::handle()).unwrap();
                    let other = from.recv().unwrap();
                    for i in 0..rounds {
                        let task = other.spawn(move || {
                            if i % 3 == 0 {
                                segno::yield_now();
                            }
                            i
                        });
                        assert_eq!(task.unwrap().join().unwrap(), i);
                    }
                    // The other side still needs this loop.
                    done.fetch_add(1, Ordering::AcqRel);
                    while done.load(Ordering::Acquire) < 2 {
                        segno::sleep(Duration::from_millis(1));
                    }
                });
            })
        };
        let sides = [side(to_second, first), side(to_first, second)];
        sides.into_iter().for_each(|side| side.join().unwrap());
    });
}

#[test]
fn a_waker_may_be_the_last_thing_that_is_left_of_a_loop() {
    in_time(|| {
        let waker = segno::run(|| segno::waker());
        let clone = waker.clone();
        let other = thread::spawn(move || {
            clone.wake_by_ref();
            std::task::Waker::from(clone).wake();
        });
        waker.wake_by_ref();
        drop(waker);
        other.join().unwrap();
    });
}
