//! Channels: in which order values go, to whom, and what becomes of those that nobody takes.
//!
//! The counts are those of a quick run; `SEGNO_FULL=1 cargo test --release --test channels` makes the full ones.

#![allow(
    clippy::redundant_closure,
    reason = "a function that is passed by name is called from elsewhere"
)]

mod support;

use std::cell::Cell;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use segno::sync::channel::{
    self, BroadcastError, Receiver, RecvError, SendError, Sender, TryBroadcastError, TryRecvError,
    TrySendError,
};
use segno::sync::{Condvar, Mutex, RwLock, Semaphore};
use segno::testing::{Transcript, seeds};
use segno::{
    CancelKind, Clock, Coroutine, EventLoop, Generator, JoinError, Outlet, Pauser, State, select,
};

use support::{
    Dice, Notes, OnDrop, Tally, alone, in_time, meddle, on_a_loop, part_of, reports, settle, until,
    virtually, while_unwinding,
};

// Order.

#[test]
fn values_come_in_the_order_in_which_they_were_sent() {
    for (sender, receiver) in [channel::bounded(3), channel::unbounded(), channel::rendezvous()] {
        on_a_loop(|| {
            segno::scope(|s| {
                s.spawn(|| {
                    (0..20).for_each(|value| sender.send(value).unwrap());
                    sender.close();
                });
                assert_eq!(receiver.iter().collect::<Vec<_>>(), Vec::from_iter(0..20));
            });
        });
    }
}

#[test]
fn whoever_has_waited_longest_receives_next() {
    for capacity in [0, 2, usize::MAX] {
        let (sender, receiver) = channel::bounded(capacity);
        let notes = Notes::default();
        on_a_loop(|| {
            segno::scope(|s| {
                for voice in 0..5 {
                    let (receiver, notes) = (&receiver, &notes);
                    s.spawn(move || {
                        for _ in 0..2 {
                            let value = receiver.recv().unwrap();
                            notes.note(format!("{voice}:{value} "));
                        }
                    });
                }
                settle();
                for value in 0..10 {
                    sender.send(value).unwrap();
                    segno::yield_now();
                }
            });
        });
        assert_eq!(notes.take().concat(), "0:0 1:1 2:2 3:3 4:4 0:5 1:6 2:7 3:8 4:9 ");
    }
}

#[test]
fn whoever_has_waited_longest_sends_next() {
    for capacity in [0, 2] {
        let (sender, receiver) = channel::bounded(capacity);
        on_a_loop(|| {
            (0..capacity).for_each(|_| sender.send("before".to_owned()).unwrap());
            segno::scope(|s| {
                for voice in 0..5 {
                    let sender = &sender;
                    s.spawn(move || {
                        (0..2)
                            .for_each(|round| sender.send(format!("{voice} in {round}")).unwrap());
                    });
                }
                settle();
                assert_eq!(sender.stats().waiting_senders, 5);
                (0..capacity).for_each(|_| assert_eq!(receiver.recv().unwrap(), "before"));
                for round in 0..2 {
                    for voice in 0..5 {
                        assert_eq!(receiver.recv().unwrap(), format!("{voice} in {round}"));
                        segno::yield_now();
                    }
                }
            });
        });
    }
}

#[test]
fn a_value_that_was_handed_over_cannot_be_stolen() {
    let (sender, receiver) = channel::bounded(4);
    on_a_loop(|| {
        segno::scope(|s| {
            let next = s.spawn(|| receiver.recv());
            settle();
            sender.send(1).unwrap();
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
            assert_eq!(sender.len(), 0);
            sender.send(2).unwrap();
            assert_eq!((receiver.recv(), next.join().unwrap()), (Ok(2), Ok(1)));
        });
    });
}

#[test]
fn room_that_was_handed_over_cannot_be_stolen() {
    let (sender, receiver) = channel::bounded(1);
    on_a_loop(|| {
        segno::scope(|s| {
            sender.send(1).unwrap();
            let next = s.spawn(|| sender.send(2));
            settle();
            assert_eq!(receiver.recv(), Ok(1));
            assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
            next.join().unwrap().unwrap();
            assert_eq!(receiver.recv(), Ok(2));
        });
    });
}

#[test]
fn at_a_rendezvous_nothing_is_left_lying() {
    let (sender, receiver) = channel::rendezvous();
    assert!(sender.is_full() && sender.is_empty());
    assert_eq!(sender.capacity(), Some(0));
    assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
    on_a_loop(|| {
        segno::scope(|s| {
            let sends = s.spawn(|| sender.send(2));
            settle();
            assert!(!sends.is_finished());
            assert_eq!((sender.len(), receiver.try_recv()), (0, Ok(2)));
            sends.join().unwrap().unwrap();
            let receives = s.spawn(|| receiver.recv());
            settle();
            sender.try_send(3).unwrap();
            assert_eq!(receives.join().unwrap(), Ok(3));
        });
    });
}

// Closing.

#[test]
fn a_closed_channel_gives_values_back_and_keeps_what_was_sent() {
    /// Closes it, and gives the sender back if it is still there.
    type Close = fn(Sender<u32>, &Receiver<u32>) -> Option<Sender<u32>>;
    let close: [Close; 3] = [
        |sender, _| {
            assert!(sender.close());
            Some(sender)
        },
        |sender, receiver| {
            assert!(receiver.close());
            Some(sender)
        },
        |_, _| None,
    ];
    for close in close {
        let (sender, receiver) = channel::bounded(2);
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        if let Some(sender) = close(sender, &receiver) {
            assert!(!sender.close() && sender.is_closed());
            assert_eq!(sender.send(3), Err(SendError::Closed(3)));
            assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
        }
        assert!(receiver.is_closed());
        assert_eq!((receiver.recv(), receiver.try_recv()), (Ok(1), Ok(2)));
        assert_eq!(receiver.recv(), Err(RecvError::Closed));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    }
}

#[test]
fn closing_wakes_all_who_wait_on_either_side() {
    on_a_loop(|| {
        segno::scope(|s| {
            let (sender, receiver) = channel::bounded(1);
            sender.send(0).unwrap();
            let sends: Vec<_> = (1..=40)
                .map(|value| {
                    let sender = sender.clone();
                    s.spawn(move || sender.send(value))
                })
                .collect();
            settle();
            // The last receiver.
            drop(receiver);
            for (value, sends) in (1..).zip(sends) {
                assert_eq!(sends.join().unwrap(), Err(SendError::Closed(value)));
            }
            let (sender, receiver) = channel::bounded::<u32>(1);
            let receives: Vec<_> = (0..40)
                .map(|_| {
                    let receiver = receiver.clone();
                    s.spawn(move || receiver.recv())
                })
                .collect();
            settle();
            // The last sender.
            drop(sender);
            for receives in receives {
                assert_eq!(receives.join().unwrap(), Err(RecvError::Closed));
            }
        });
    });
}

#[test]
fn what_nobody_can_receive_any_more_is_dropped_at_once() {
    let tally = Tally::default();
    let (sender, receiver) = channel::unbounded();
    let other = receiver.clone();
    sender.send(tally.witness("a")).unwrap();
    sender.send(tally.witness("b")).unwrap();
    drop(receiver);
    assert_eq!(tally.alive(), 2);
    drop(other);
    assert_eq!(tally.gone(), ["a", "b"]);
    let Err(SendError::Closed(back)) = sender.send(tally.witness("c")) else { panic!() };
    assert_eq!(back.name, "c");
}

#[test]
fn weak_ends_keep_nothing_open() {
    let (sender, receiver) = channel::bounded(2);
    let (weak_sender, weak_receiver) = (sender.downgrade(), receiver.downgrade());
    let again = weak_sender.upgrade().unwrap();
    assert!(again.same_channel(&sender));
    drop(sender);
    assert!(!receiver.is_closed());
    assert_eq!((again.sender_count(), again.receiver_count()), (1, 1));
    again.send(1).unwrap();
    drop(again);
    assert!(receiver.is_closed() && weak_sender.upgrade().is_none());
    assert_eq!(weak_receiver.upgrade().unwrap().recv(), Ok(1));
    drop(receiver);
    assert!(weak_receiver.upgrade().is_none());
}

#[test]
fn iterating_ends_with_the_channel_and_trying_with_what_is_there() {
    let (sender, receiver) = channel::unbounded();
    (0..4).for_each(|value| sender.send(value).unwrap());
    assert_eq!(receiver.try_iter().take(2).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [2, 3]);
    (4..6).for_each(|value| sender.send(value).unwrap());
    drop(sender);
    assert_eq!((&receiver).into_iter().take(1).collect::<Vec<_>>(), [4]);
    assert_eq!(receiver.into_iter().collect::<Vec<_>>(), [5]);
}

#[test]
fn a_channel_counts_what_is_in_it_and_who_waits() {
    let (sender, receiver) = channel::bounded(2);
    assert_eq!(
        (sender.capacity(), receiver.is_empty(), receiver.is_full()),
        (Some(2), true, false)
    );
    assert_eq!(channel::unbounded::<()>().0.capacity(), None);
    on_a_loop(|| {
        segno::scope(|s| {
            for value in 0..5 {
                let sender = &sender;
                s.spawn(move || sender.send(value).unwrap());
            }
            settle();
            let stats = sender.stats();
            assert_eq!((stats.len, stats.peak_len), (2, 2));
            assert_eq!((stats.waiting_senders, stats.peak_senders), (3, 3));
            assert!(receiver.is_full());
            let text = format!("{sender:?}");
            let expected = "Sender { len: 2, capacity: 2, senders: 1, waiting_senders: 3, receivers: 1, \
                            waiting_receivers: 0, is_closed: false }";
            assert_eq!(text, expected);
            assert_eq!(receiver.iter().take(5).sum::<i32>(), 10);
            let waits = s.spawn(|| receiver.recv());
            settle();
            assert_eq!(receiver.stats().waiting_receivers, 1);
            sender.close();
            assert!(waits.join().unwrap().is_err());
        });
    });
    let stats = receiver.stats();
    assert_eq!((stats.len, stats.peak_len, stats.peak_senders, stats.peak_receivers), (0, 2, 3, 1));
    assert_eq!((stats.waiting_senders, stats.waiting_receivers), (0, 0));
}

// Sizes.

#[test]
fn values_without_a_size_are_counted_all_the_same() {
    let (sender, receiver) = channel::bounded(3);
    on_a_loop(|| {
        segno::scope(|s| {
            s.spawn(|| {
                (0..1000).for_each(|_| sender.send(()).unwrap());
                sender.close();
            });
            assert_eq!(receiver.iter().count(), 1000);
        });
    });
}

#[test]
fn values_of_a_mebibyte_go_through() {
    const SIZE: usize = 1 << 20;
    for capacity in [0, 1, usize::MAX] {
        let (sender, receiver) = channel::bounded::<[u8; SIZE]>(capacity);
        on_a_loop(|| {
            segno::scope(|s| {
                s.task("large").stack_size(24 << 20).spawn(|| {
                    (0..3).for_each(|value| sender.send([value; SIZE]).unwrap());
                    sender.close();
                });
                let received = s.task("large").stack_size(24 << 20).spawn(|| {
                    let sum = |value: [u8; SIZE]| {
                        assert!(value.iter().all(|byte| *byte == value[0]));
                        u32::from(value[0])
                    };
                    receiver.iter().map(sum).sum::<u32>()
                });
                assert_eq!(received.join().unwrap(), 3);
            });
        });
    }
}

// Many.

/// Eight senders and eight receivers, that `spread` runs where it wants: every value comes once, and those of one
/// sender in order, to each receiver.
fn many_to_many(capacity: usize, spread: impl FnOnce(Vec<Box<dyn FnOnce() + Send>>)) {
    in_time(|| {
        let each = part_of(1_000_000) / 8;
        let (sender, receiver) = channel::bounded(capacity);
        let sums: &'static StdMutex<(u64, u64)> = Box::leak(Box::default());
        let mut jobs: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        for voice in 0..8 {
            let (sender, receiver) = (sender.clone(), receiver.clone());
            jobs.push(Box::new(move || {
                (1..=each).for_each(|value| sender.send((voice, value)).unwrap())
            }));
            jobs.push(Box::new(move || {
                let (mut last, mut sum, mut count) = ([0; 8], 0, 0);
                for (voice, value) in receiver {
                    let before = mem::replace(&mut last[voice], value);
                    assert!(before < value, "{value} of sender {voice} came after {before}");
                    sum += value;
                    count += 1;
                }
                let mut sums = sums.lock().unwrap();
                *sums = (sums.0 + count, sums.1 + sum);
            }));
        }
        drop((sender, receiver));
        spread(jobs);
        assert_eq!(*sums.lock().unwrap(), (8 * each, 8 * each * (each + 1) / 2));
    });
}

fn on_one_loop(jobs: Vec<Box<dyn FnOnce() + Send>>) {
    segno::run(|| drop(segno::join_all(jobs)));
}

fn on_two_loops(mut jobs: Vec<Box<dyn FnOnce() + Send>>) {
    // Each has some of both.
    let others = jobs.split_off(7);
    thread::scope(|s| {
        s.spawn(|| on_one_loop(jobs));
        s.spawn(|| on_one_loop(others));
    });
}

fn on_threads(jobs: Vec<Box<dyn FnOnce() + Send>>) {
    thread::scope(|s| jobs.into_iter().for_each(|job| drop(s.spawn(job))));
}

#[test]
fn many_to_many_on_one_loop() {
    for capacity in [0, 16, usize::MAX] {
        many_to_many(capacity, on_one_loop);
    }
}

#[test]
fn many_to_many_between_two_loops() {
    for capacity in [0, 16, usize::MAX] {
        many_to_many(capacity, on_two_loops);
    }
}

#[test]
fn many_to_many_between_threads() {
    for capacity in [16, usize::MAX] {
        many_to_many(capacity, on_threads);
    }
}

#[test]
fn many_to_many_between_threads_and_a_loop() {
    let both = |mut jobs: Vec<_>| {
        let others = jobs.split_off(5);
        thread::scope(|s| {
            s.spawn(|| on_one_loop(others));
            on_threads(jobs);
        });
    };
    many_to_many(1, both);
}

// Cancellation at the instant of a completion, from another thread.

#[test]
fn a_value_that_comes_with_a_cancellation_goes_to_the_next_or_back() {
    in_time(|| {
        for capacity in [0, 1] {
            let (sender, receiver) = channel::bounded(capacity);
            let (turn, rounds) = (AtomicU64::new(0), part_of(100_000));
            let (mut dice, back) = (Dice(9), Cell::new(0));
            thread::scope(|threads| {
                threads.spawn(|| {
                    for round in 1..=rounds {
                        until(|| turn.load(Ordering::Acquire) == round);
                        sender.send(round).unwrap();
                    }
                });
                segno::run(|| {
                    for round in 1..=rounds {
                        segno::scope(|s| {
                            let first = s.spawn(|| receiver.recv().unwrap());
                            segno::yield_now();
                            turn.store(round, Ordering::Release);
                            dice.dally(3000);
                            first.cancel("at some time");
                            let got = first.join().unwrap_or_else(|_| {
                                back.set(back.get() + 1);
                                receiver.recv().unwrap()
                            });
                            assert_eq!(got, round);
                        });
                    }
                });
            });
            assert_eq!(receiver.stats().waiting_receivers, 0);
            assert!(receiver.is_empty());
            assert!(back.get() > 0, "none was cancelled in time");
        }
    });
}

#[test]
fn a_sender_that_is_cancelled_keeps_its_value_or_has_sent_it() {
    in_time(|| {
        let tally = AtomicUsize::new(0);
        let (sender, receiver) = channel::rendezvous();
        let (turn, got, rounds) = (AtomicU64::new(0), AtomicU64::new(0), part_of(100_000));
        let (mut dice, sent) = (Dice(10), Cell::new(0));
        thread::scope(|threads| {
            threads.spawn(|| {
                for round in 1..=rounds {
                    until(|| turn.load(Ordering::Acquire) >= round);
                    // It may be gone.
                    if receiver.try_recv().is_ok() {
                        got.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            segno::run(|| {
                for round in 1..=rounds {
                    let value = OnDrop(|| {
                        tally.fetch_add(1, Ordering::Relaxed);
                    });
                    segno::scope(|s| {
                        let sends = s.spawn(|| sender.send(value).is_ok());
                        segno::yield_now();
                        turn.store(round, Ordering::Release);
                        dice.dally(2000);
                        sends.cancel("at some time");
                        sent.set(sent.get() + u64::from(sends.join().is_ok()));
                    });
                }
            });
        });
        // One that was taken at the last moment unwinds all the same.
        assert!(sent.get() <= got.into_inner());
        assert_eq!(
            tally.load(Ordering::Relaxed) as u64,
            rounds,
            "a value was dropped twice, or never"
        );
    });
}

// Broadcast.

#[test]
fn everybody_hears_what_was_sent_since_they_came() {
    let (sender, mut first) = channel::broadcast(8);
    sender.send(1).unwrap();
    let mut late = sender.subscribe();
    let mut twin = first.clone();
    assert_eq!((sender.send(2), sender.receiver_count()), (Ok(3), 3));
    assert_eq!((first.recv(), first.recv()), (Ok(1), Ok(2)));
    assert_eq!((late.len(), late.recv()), (1, Ok(2)));
    assert_eq!(late.try_recv(), Err(TryBroadcastError::Empty));
    assert_eq!((twin.len(), twin.recv()), (2, Ok(1)));
    sender.close();
    assert_eq!(sender.send(3), Err(SendError::Closed(3)));
    assert_eq!((twin.recv(), twin.recv()), (Ok(2), Err(BroadcastError::Closed)));
    assert_eq!(first.try_recv(), Err(TryBroadcastError::Closed));
    drop((first, late, twin));
    assert_eq!(sender.receiver_count(), 0);
}

#[test]
fn who_is_too_slow_is_told_once_how_many_it_missed() {
    let (sender, mut slow) = channel::broadcast(2);
    (0..5).for_each(|value| assert!(sender.send(value).is_ok()));
    let mut careless = slow.clone();
    assert_eq!((slow.len(), sender.len()), (2, 2));
    assert_eq!(slow.recv(), Err(BroadcastError::Missed(3)));
    assert_eq!((slow.recv(), slow.recv()), (Ok(3), Ok(4)));
    assert_eq!(careless.try_recv(), Err(TryBroadcastError::Missed(3)));
    assert_eq!((careless.try_recv(), careless.try_recv()), (Ok(3), Ok(4)));
    assert_eq!(careless.try_recv(), Err(TryBroadcastError::Empty));
}

#[test]
fn nobody_hears_what_was_sent_when_there_was_nobody() {
    let (sender, receiver) = channel::broadcast(2);
    sender.send("before").unwrap();
    drop(receiver);
    assert!(sender.is_empty());
    assert_eq!(sender.send("meanwhile"), Err(SendError::NoReceiver("meanwhile")));
    let mut receiver = sender.subscribe();
    sender.send("after").unwrap();
    drop(sender);
    assert_eq!((receiver.recv(), receiver.recv()), (Ok("after"), Err(BroadcastError::Closed)));
}

#[test]
fn all_who_wait_hear_the_same_in_the_order_of_coming() {
    let (sender, receiver) = channel::broadcast(4);
    let notes = Notes::default();
    on_a_loop(|| {
        segno::scope(|s| {
            for voice in 0..40 {
                let (mut receiver, notes) = (receiver.clone(), &notes);
                s.spawn(move || {
                    while let Ok(value) = receiver.recv() {
                        notes.note((voice, value).1 * 100 + voice);
                    }
                });
            }
            settle();
            for value in 1..=2 {
                assert_eq!(sender.send(value).unwrap(), 41);
                settle();
            }
            sender.close();
        });
    });
    let expected: Vec<_> = (1..=2)
        .flat_map(|value| (0..40).map(move |voice| (value * 100 + voice).to_string()))
        .collect();
    assert_eq!(notes.take(), expected);
}

#[test]
fn threads_and_loops_hear_everything_or_how_much_they_missed() {
    in_time(|| {
        let all = part_of(1_000_000);
        let (sender, receiver) = channel::broadcast(64);
        let listen = |mut receiver: channel::BroadcastReceiver<u64>| {
            let (mut next, mut missed) = (0, 0);
            loop {
                match receiver.recv() {
                    Ok(value) => {
                        assert_eq!(value, next);
                        next += 1;
                    }
                    Err(BroadcastError::Missed(many)) => {
                        next += many;
                        missed += many;
                    }
                    Err(error) => {
                        assert_eq!(error, BroadcastError::Closed);
                        break;
                    }
                }
            }
            assert_eq!(next, all);
            missed
        };
        thread::scope(|s| {
            let (one, other) = (receiver.clone(), receiver);
            s.spawn(move || listen(one));
            s.spawn(move || segno::run(|| listen(other)));
            (0..all).for_each(|value| assert!(sender.send(value).is_ok()));
            drop(sender);
        });
    });
}

// Watch.

#[test]
fn a_watcher_sees_the_last_value_and_each_change_once() {
    let (sender, mut watcher) = channel::watch(1);
    assert!(!watcher.has_changed());
    sender.set(2);
    let mut late = sender.subscribe();
    assert!(watcher.has_changed() && !late.has_changed());
    assert_eq!(sender.receiver_count(), 2);
    sender.set(3);
    assert_eq!((*watcher.changed().unwrap(), *late.get()), (3, 3));
    assert!(!watcher.has_changed());
    let kept = watcher.get();
    sender.set(4);
    assert_eq!((*kept, *sender.get()), (3, 4));
    drop(sender);
    assert_eq!(*watcher.changed().unwrap(), 4);
    assert_eq!(watcher.changed().unwrap_err(), RecvError::Closed);
    assert_eq!(*watcher.wait_for(|value| *value == 4).unwrap(), 4);
    assert_eq!(late.wait_for(|value| *value == 9).unwrap_err(), RecvError::Closed);
}

#[test]
fn watchers_wait_until_the_value_is_as_wanted() {
    let (sender, watcher) = channel::watch(0);
    let notes = Notes::default();
    on_a_loop(|| {
        segno::scope(|s| {
            for wanted in [3, 1, 2] {
                let (mut watcher, notes) = (watcher.clone(), &notes);
                s.spawn(move || {
                    watcher.wait_for(|value| *value >= wanted).unwrap();
                    notes.note(wanted);
                });
            }
            for value in 1..=3 {
                settle();
                sender.set(value);
            }
        });
    });
    assert_eq!(notes.take().concat(), "123");
}

// Oneshot.

#[test]
fn a_single_value_goes_over_or_back_whichever_end_goes_first() {
    let tally = Tally::default();
    let (sender, mut receiver) = channel::oneshot();
    assert_eq!(receiver.try_recv().map(drop), Err(TryRecvError::Empty));
    assert!(!receiver.is_ready() && !sender.is_closed());
    sender.send(tally.witness("value")).unwrap();
    assert!(receiver.is_ready());
    drop(receiver.recv().unwrap());
    assert_eq!(receiver.recv().map(drop), Err(RecvError::Closed));

    let (sender, receiver) = channel::oneshot();
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(sender.send(tally.witness("back")).unwrap_err().into_inner().name, "back");

    let (sender, mut receiver) = channel::oneshot::<u8>();
    drop(sender);
    assert_eq!(
        (receiver.try_recv(), receiver.recv()),
        (Err(TryRecvError::Closed), Err(RecvError::Closed))
    );

    let (sender, receiver) = channel::oneshot();
    sender.send(tally.witness("nobody took it")).unwrap();
    drop(receiver);

    let (sender, mut receiver) = channel::oneshot();
    sender.send(tally.witness("closed")).unwrap();
    assert_eq!(receiver.close().unwrap().name, "closed");
    assert!(receiver.close().is_none());
    assert_eq!(tally.alive(), 0);
}

#[test]
fn both_ends_of_a_single_value_may_go_at_once() {
    in_time(|| {
        let dropped = AtomicUsize::new(0);
        let mut dice = Dice(3);
        let rounds = part_of(200_000);
        thread::scope(|s| {
            let (jobs, ends) = std::sync::mpsc::channel::<channel::OneshotSender<OnDrop<_>>>();
            let theirs = &dropped;
            s.spawn(move || {
                for sender in ends {
                    drop(sender.send(OnDrop(move || {
                        theirs.fetch_add(1, Ordering::Relaxed);
                    })));
                }
            });
            for _ in 0..rounds {
                let (sender, mut receiver) = channel::oneshot();
                jobs.send(sender).unwrap();
                match dice.below(4) {
                    0 => drop(receiver),
                    1 => drop(receiver.close()),
                    2 => drop(receiver.recv().unwrap()),
                    _ => {
                        segno::run(|| drop(receiver.recv().unwrap()));
                    }
                }
            }
        });
        assert_eq!(dropped.into_inner() as u64, rounds);
    });
}

// Orders.

/// A scenario with channels, locks and `select!`, and what came of it.
fn ensemble(notes: &Notes) -> (u32, u32) {
    let (sender, receiver) = channel::bounded(2);
    let (hand, open) = channel::rendezvous();
    let (mutex, lock, semaphore, condvar) =
        (Mutex::new(0), RwLock::new(0), Semaphore::new(2), Condvar::new());
    segno::scope(|s| {
        for voice in 0..3 {
            let (sender, hand, mutex, lock, semaphore) =
                (sender.clone(), hand.clone(), &mutex, &lock, &semaphore);
            s.spawn(move || {
                for bar in 0..4 {
                    let _permit = semaphore.acquire();
                    *mutex.lock() += 1;
                    let value = voice * 10 + bar;
                    select! {
                        send(sender, value) -> sent => sent.unwrap(),
                        send(hand, value) -> sent => sent.unwrap(),
                    }
                    *lock.write() += 1;
                }
            });
        }
        drop((sender, hand));
        for _ in 0..2 {
            s.spawn(|| {
                let (mut one, mut other) = (true, true);
                while one || other {
                    segno::yield_now();
                    let got = select! {
                        recv(receiver) -> got => { one &= got.is_ok(); got.ok() }
                        recv(open) -> got => { other &= got.is_ok(); got.ok() }
                    };
                    if let Some(value) = got {
                        notes.note(value);
                        *mutex.lock() += 100;
                        condvar.notify_all();
                        assert!(*lock.read() <= 12);
                    }
                }
            });
        }
        s.spawn(|| drop(condvar.wait_while(mutex.lock(), |count| *count < 1212)));
    });
    (mutex.into_inner(), lock.into_inner())
}

#[test]
fn the_same_seed_gives_the_same_order_and_no_order_loses_anything() {
    in_time(|| {
        let play = |seed| {
            let mut events = EventLoop::builder().clock(Clock::virtual_time()).seed(seed).build();
            let (transcript, notes) = (Transcript::of(&events), Notes::default());
            let counts = events.run(|| ensemble(&notes)).unwrap();
            assert_eq!(counts, (1212, 12), "with seed {seed}");
            let notes = notes.take();
            let mut values: Vec<u32> = notes.iter().map(|note| note.parse().unwrap()).collect();
            values.sort_unstable();
            assert_eq!(values, [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23], "with seed {seed}");
            (transcript.lines(), notes)
        };
        let mut orders = std::collections::BTreeSet::new();
        for seed in 0..1000 {
            let first = play(seed);
            assert!(play(seed) == first, "seed {seed} gives two orders");
            orders.insert(first.1);
        }
        assert!(orders.len() > 500, "{} orders of a thousand seeds", orders.len());
    });
}

#[test]
fn a_cancellation_at_any_pause_leaves_nobody_behind() {
    in_time(|| {
        let notes = Notes::default();
        let pauses = segno::testing::cancel_at_every_pause(|| {
            ensemble(&notes);
        });
        assert!(pauses > 20);
        seeds(0..20, || assert_eq!(ensemble(&notes), (1212, 12)));
    });
}

// Code of users.

/// Its destructor, its `Clone` and its waking do what the library offers, with the very object that it is in.
struct Busy(Rc<dyn Fn()>, Rc<Cell<usize>>);

impl Drop for Busy {
    fn drop(&mut self) {
        (self.0)();
        self.1.set(self.1.get() + 1);
    }
}

impl Clone for Busy {
    fn clone(&self) -> Self {
        (self.0)();
        Self(self.0.clone(), self.1.clone())
    }
}

/// Uses an object of each kind, and waits where that is possible.
fn use_everything() {
    meddle();
    let (sender, receiver) = channel::bounded(1);
    sender.send(1).unwrap();
    assert!(sender.try_send(2).is_err());
    assert_eq!(select! { recv(receiver) -> got => got, default => Ok(0) }, Ok(1));
    *Mutex::new(0).lock() += 1;
    drop(RwLock::new(0).read());
    drop(Semaphore::new(1).acquire());
    assert!(!Condvar::new().notify_one());
    segno::yield_now();
}

#[test]
fn whatever_a_values_destructor_or_clone_does_no_lock_is_held() {
    in_time(|| {
        let drops = Rc::new(Cell::new(0));
        let itself = Rc::new(Cell::new(None::<channel::WeakSender<Busy>>));
        let theirs = itself.clone();
        // Asks the channel that it is in, too.
        let act: Rc<dyn Fn()> = Rc::new(move || {
            use_everything();
            if let Some(weak) = theirs.take() {
                assert!(!format!("{weak:?}").is_empty());
                if let Some(sender) = weak.upgrade() {
                    let _ = (sender.len(), sender.stats(), sender.clone());
                }
                theirs.set(Some(weak));
            }
        });
        let busy = || Busy(act.clone(), drops.clone());
        on_a_loop(|| {
            let (sender, receiver) = channel::bounded(2);
            itself.set(Some(sender.downgrade()));
            segno::scope(|s| {
                // Received, in the hands of one who is cancelled, given back, left in the channel.
                sender.send(busy()).unwrap();
                drop(receiver.recv().unwrap());
                sender.send(busy()).unwrap();
                sender.send(busy()).unwrap();
                let waits = s.spawn(|| drop(sender.send(busy())));
                settle();
                waits.cancel("in its hands");
                assert!(waits.join().is_err());
                assert!(sender.try_send(busy()).is_err());
            });
            drop(receiver);
            drop(sender.send(busy()));
            itself.take();
            assert_eq!(drops.take(), 6);

            let (news, mut heard) = channel::broadcast(1);
            news.send(busy()).unwrap();
            let mut late = news.subscribe();
            drop(heard.recv().ok().unwrap());
            news.send(busy()).unwrap();
            drop(late.recv().ok().unwrap());
            drop((news, heard, late));
            assert_eq!(drops.take(), 4);

            let (sender, mut watcher) = channel::watch(busy());
            sender.set(busy());
            drop(watcher.changed().unwrap());
            drop((sender, watcher));
            assert_eq!(drops.take(), 2);

            let (sender, receiver) = channel::oneshot();
            assert!(sender.send(busy()).is_ok());
            drop(receiver);
            let (sender, receiver) = channel::oneshot();
            drop(receiver);
            assert!(sender.send(busy()).is_err());
            drop(Mutex::new(busy()));
            *RwLock::new(busy()).write() = busy();
            assert_eq!(drops.take(), 5);

            // Arms that are not chosen.
            let (full, _kept) = channel::rendezvous();
            select! {
                send(full, busy()) => unreachable!(),
                default => {}
            }
            assert_eq!(drops.take(), 1);
        });
    });
}

// Wrong hands.

#[test]
fn what_is_handed_to_a_task_that_was_given_up_goes_to_the_next() {
    alone(|| {
        in_time(|| {
            let (told, said) = reports(|| {
                let (sender, receiver) = channel::bounded(4);
                let theirs = receiver.clone();
                on_a_loop(|| {
                    let stubborn = segno::task("stubborn").spawn(move || {
                        loop {
                            let _ = catch_unwind(AssertUnwindSafe(|| theirs.recv()));
                        }
                    });
                    settle();
                    assert_eq!(receiver.stats().waiting_receivers, 1);
                    stubborn.cancel("please");
                    let Err(JoinError::Cancelled(reason)) = stubborn.join() else {
                        panic!("it never ends")
                    };
                    assert_eq!(reason.kind(), CancelKind::Retired);
                    assert_eq!(receiver.stats().waiting_receivers, 0, "its place is still there");
                    sender.send(7).unwrap();
                    assert_eq!(receiver.recv(), Ok(7));
                });
            });
            let () = told;
            assert_eq!(said.len(), 1, "{said:?}");
        });
    });
}

#[test]
fn a_task_given_up_behind_a_shield_leaves_its_place_and_the_next_goes_on() {
    alone(|| {
        in_time(|| {
            let mutex: &'static Mutex<u32> = Box::leak(Box::new(Mutex::new(0)));
            let guard = mutex.lock();
            let (receiver, _said) = reports(|| {
                let mut events = virtually();
                let (sender, receiver) = channel::rendezvous::<u8>();
                let theirs = receiver.clone();
                drop(events.spawn(move || segno::shield(|| drop(mutex.lock()))));
                drop(events.spawn(move || segno::shield(|| theirs.recv().is_ok())));
                drop(events.spawn(move || {
                    segno::shield(|| {
                        loop {
                            let _ = sender.send(1);
                        }
                    })
                }));
                events.run_until_idle();
                events.shutdown();
                receiver
            });
            assert_eq!((mutex.stats().waiting, receiver.stats().waiting_senders), (0, 0));
            drop(guard);
            *mutex.lock() += 1;
            assert_eq!(receiver.stats().waiting_receivers, 0);
        });
    });
}

#[test]
fn a_forgotten_loop_leaves_its_places_and_the_queue_goes_on() {
    in_time(|| {
        let (sender, receiver) = channel::bounded(4);
        let (theirs, mut events) = (receiver.clone(), virtually());
        drop(events.spawn(move || theirs.recv()));
        events.run_until_idle();
        mem::forget(events);
        assert_eq!(receiver.stats().waiting_receivers, 1);
        // What is handed to it is lost; nothing else is.
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        assert_eq!((receiver.recv(), receiver.stats().waiting_receivers), (Ok(2), 0));
        drop(sender);
        assert_eq!(receiver.recv(), Err(RecvError::Closed));
    });
}

#[test]
fn operations_in_coroutines_and_generators_wait_as_whoever_runs_them() {
    in_time(|| {
        let within = |receiver: Receiver<u32>| {
            let mut co = Coroutine::new(move |co: &Pauser<(), u32>, ()| {
                while let Ok(value) = receiver.recv() {
                    co.pause(value * 10);
                }
            });
            let mut got = Vec::new();
            while let State::Paused(value) = co.resume(()) {
                got.push(value);
            }
            got
        };
        let generate = |receiver: Receiver<u32>| {
            Generator::new(move |out: &Outlet<u32>| {
                receiver.iter().for_each(|value| out.pause(value * 10))
            })
            .collect::<Vec<_>>()
        };
        on_a_loop(|| {
            let (sender, receiver) = channel::rendezvous();
            segno::scope(|s| {
                let runs = [
                    {
                        let receiver = receiver.clone();
                        s.spawn(move || within(receiver))
                    },
                    s.spawn(move || generate(receiver)),
                ];
                (1..=4).for_each(|value| sender.send(value).unwrap());
                drop(sender);
                let mut got = runs.map(|run| run.join().unwrap()).concat();
                got.sort_unstable();
                assert_eq!(got, [10, 20, 30, 40]);
            });
        });
        let (sender, receiver) = channel::rendezvous();
        let sends = thread::spawn(move || (1..=2).for_each(|value| sender.send(value).unwrap()));
        assert_eq!(within(receiver), [10, 20]);
        sends.join().unwrap();
    });
}

#[test]
fn a_coroutine_that_is_dropped_while_its_task_holds_a_guard_in_it_gives_it_back() {
    on_a_loop(|| {
        let mutex: &'static Mutex<u32> = Box::leak(Box::new(Mutex::new(0)));
        let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            let _guard = mutex.lock();
            co.pause(());
        });
        co.resume(());
        let waits = segno::spawn(|| *mutex.lock() += 1);
        settle();
        assert!(!waits.is_finished());
        drop(co);
        waits.join().unwrap();
    });
}

#[test]
fn a_destructor_that_unwinds_sends_and_receives_what_need_not_wait() {
    on_a_loop(|| {
        let (sender, receiver) = channel::bounded(1);
        while_unwinding(|| {
            assert_eq!(receiver.recv(), Err(RecvError::Cancelled));
            sender.send(1).unwrap();
            assert_eq!(sender.send(2), Err(SendError::Cancelled(2)));
            assert_eq!((receiver.recv(), receiver.iter().next()), (Ok(1), None));
        });
        // The same while a cancellation unwinds.
        let (told, heard) = channel::bounded(1);
        let task = segno::spawn(move || {
            let _last_words = OnDrop(|| told.send(7).unwrap());
            segno::pause();
        });
        settle();
        task.cancel("speak");
        assert_eq!(heard.recv(), Ok(7));
    });
}

#[test]
fn what_drops_on_the_loops_own_stack_sends_what_need_not_wait() {
    let (sender, receiver) = channel::bounded(1);
    let mut events = virtually();
    let full = OnDrop(move || {
        assert_eq!(sender.send(1), Ok(()));
        assert_eq!(sender.send(2), Err(SendError::Cancelled(2)));
    });
    let task = events.spawn(move || drop(full));
    task.cancel("before its first step");
    events.run_until_idle();
    assert_eq!((receiver.recv(), receiver.recv()), (Ok(1), Err(RecvError::Closed)));
    assert!(task.join().is_err());
}

#[test]
fn a_loop_that_is_dropped_takes_its_places_out_of_every_queue() {
    let (sender, receiver) = channel::bounded(1);
    sender.send(0).unwrap();
    let mut events = virtually();
    for value in 1..100 {
        let (sender, receiver) = (sender.clone(), receiver.clone());
        drop(events.spawn(move || sender.send(value)));
        drop(events.spawn(move || {
            segno::yield_now();
            segno::yield_now();
            let _ = receiver.recv();
            receiver.recv()
        }));
    }
    (0..3).for_each(|_| assert!(events.turn()));
    drop(events);
    let stats = receiver.stats();
    assert_eq!((stats.waiting_senders, stats.waiting_receivers), (0, 0));
    assert_eq!((receiver.sender_count(), receiver.receiver_count()), (1, 1));
}

// Fairness.

#[test]
fn a_task_that_never_has_to_wait_lets_others_go_first_now_and_then() {
    let mut events = virtually();
    let operations = events.run(|| {
        let (sender, receiver) = channel::unbounded();
        let mutex = Mutex::new(());
        let (operations, others) = (Cell::new(0), Cell::new(0));
        segno::scope(|s| {
            s.spawn(|| {
                while others.get() < 3 && operations.get() < 10_000 {
                    sender.send(()).unwrap();
                    receiver.recv().unwrap();
                    drop(mutex.lock());
                    operations.set(operations.get() + 3);
                }
            });
            s.spawn(|| {
                for _ in 0..3 {
                    others.set(others.get() + 1);
                    segno::yield_now();
                }
            });
        });
        operations.get()
    });
    // The budget is 64.
    assert!((130..=210).contains(&operations.unwrap()), "the others had to wait for long");
}
