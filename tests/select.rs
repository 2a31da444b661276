//! `select!`: which arm is chosen, what becomes of the others, and what may be written in it.
//!
//! The counts are those of a quick run; `SEGNO_FULL=1 cargo test --release --test select` makes the full ones.

#![allow(
    clippy::redundant_closure,
    reason = "a function that is passed by name is called from elsewhere"
)]

mod support;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use segno::select;
use segno::sync::channel::{self, Receiver, RecvError, SendError, Sender};
use segno::sync::{Event, Mutex};
use support::{
    Notes, Tally, assert_aborted, child, in_time, on_a_loop, part_of, settle, until, virtually,
    while_unwinding,
};

const SECOND: Duration = Duration::from_secs(1);

/// Nobody waits in this channel.
#[track_caller]
fn nobody_waits<T>(receiver: &Receiver<T>) {
    let stats = receiver.stats();
    assert_eq!((stats.waiting_senders, stats.waiting_receivers), (0, 0));
}

// Which.

/// Of 10,000 trials with two that have come, how often the first was chosen. Six standard deviations of a fair coin
/// are 300: one run in 500 million is further off.
const FAIR: std::ops::Range<u32> = 4700..5300;

#[test]
fn of_two_that_have_come_each_is_chosen_as_often() {
    let ((one, a), (other, b)) = (channel::unbounded(), channel::unbounded());
    let (_never, never) = channel::bounded::<u32>(1);
    let trial = || {
        one.send(1).unwrap();
        other.send(0).unwrap();
        let first = select! {
            recv(a) -> value => value.unwrap(),
            recv(b) -> value => value.unwrap(),
        };
        let second =
            select! { recv(a) -> value => value.unwrap(), recv(b) -> value => value.unwrap() };
        assert_eq!(first + second, 1);
        first
    };
    let with_a_third = || {
        one.send(1).unwrap();
        other.send(0).unwrap();
        let first = select! {
            recv(never) -> _ => unreachable!(),
            recv(a) -> value => value.unwrap(),
            recv(b) -> value => value.unwrap(),
        };
        let _ = (a.try_recv(), b.try_recv());
        first
    };
    let trials = |trial: &dyn Fn() -> u32| (0..10_000).map(|_| trial()).sum::<u32>();
    for chosen in on_a_loop(|| [trials(&trial), trials(&with_a_third)]) {
        assert!(FAIR.contains(&chosen), "{chosen} on a loop");
    }
    for chosen in [trials(&trial), trials(&with_a_third)] {
        assert!(FAIR.contains(&chosen), "{chosen} on a thread");
    }
}

#[test]
fn with_a_bias_the_first_that_has_come_is_chosen() {
    let ((one, a), (other, b)) = (channel::unbounded(), channel::unbounded());
    for value in 0..100 {
        one.send(value).unwrap();
        other.send(value).unwrap();
    }
    let mut got = Vec::new();
    for _ in 0..200 {
        select! {
            biased;
            recv(b) -> value => got.push(('b', value.unwrap())),
            recv(a) -> value => got.push(('a', value.unwrap())),
        }
    }
    let expected = (0..100).map(|value| ('b', value)).chain((0..100).map(|value| ('a', value)));
    assert_eq!(got, Vec::from_iter(expected));
}

#[test]
fn the_default_comes_only_if_no_other_has() {
    let (sender, receiver) = channel::bounded(1);
    let look = || select! { recv(receiver) -> value => value.ok(), default => None };
    assert_eq!(look(), None);
    sender.send(1).unwrap();
    assert_eq!(look(), Some(1));
    nobody_waits(&receiver);
    let offer = |value| select! { send(sender, value) -> sent => sent.is_ok(), default => false };
    assert_eq!([offer(2), offer(3)], [true, false]);
    assert_eq!(receiver.recv(), Ok(2));
    select! { default => {} }
}

#[test]
fn a_closed_channel_has_come() {
    let (sender, receiver) = channel::bounded(1);
    drop(receiver);
    assert_eq!(select! { send(sender, 7) -> sent => sent }, Err(SendError::Closed(7)));
    let (sender, receiver) = channel::bounded::<u32>(1);
    on_a_loop(|| {
        segno::scope(|s| {
            let waits =
                s.spawn(|| select! { recv(receiver) -> value => value, after(SECOND) => Ok(0) });
            settle();
            drop(sender);
            assert_eq!(waits.join().unwrap(), Err(RecvError::Closed));
        });
    });
}

// What.

#[test]
fn each_kind_of_arm_comes_and_gives_what_its_method_gives() {
    on_a_loop(|| {
        let ((sender, receiver), event) = (channel::bounded(1), Event::new());
        let (reply, mut answer) = channel::oneshot();
        let mut task = segno::spawn(|| {
            segno::sleep(SECOND * 4);
            "joined"
        });
        segno::scope(|s| {
            let mut child = s.spawn(|| segno::sleep(SECOND * 3));
            s.spawn(|| {
                segno::sleep(SECOND);
                sender.send("received").unwrap();
                segno::sleep(SECOND);
                reply.send("answered").unwrap();
                segno::sleep(SECOND * 3);
                event.set();
                segno::sleep(SECOND);
                assert_eq!(receiver.recv(), Ok("full"));
            });
            let notes = Notes::default();
            select! {
                recv(receiver) -> value => notes.note(value.unwrap()),
                recv(answer) -> _ => unreachable!(),
                wait(event) => unreachable!(),
                finished(child) => unreachable!(),
                finished(task) => unreachable!(),
                after(SECOND * 9) => unreachable!(),
            }
            select! {
                recv(receiver) -> _ => unreachable!(),
                recv(answer) -> value => notes.note(value.unwrap()),
                wait(event) => unreachable!(),
                finished(child) => unreachable!(),
                finished(task) => unreachable!(),
            }
            select! {
                wait(event) => unreachable!(),
                finished(task) => unreachable!(),
                join(child) -> ended => notes.note(format!("child {}", ended.is_ok())),
            }
            select! {
                wait(event) => unreachable!(),
                finished(task) => notes.note("finished"),
            }
            select! {
                join(task) -> result => notes.note(result.unwrap()),
            }
            select! {
                wait(event) => notes.note("set"),
                after(SECOND * 9) => unreachable!(),
            }
            sender.send("full").unwrap();
            select! {
                send(sender, "late") -> _ => notes.note("sent"),
                after(SECOND * 9) => unreachable!(),
            }
            select! { after(SECOND) => notes.note("after") }
            let expected = [
                "received",
                "answered",
                "child true",
                "finished",
                "joined",
                "set",
                "sent",
                "after",
            ];
            assert_eq!(notes.take(), expected);
        });
    });
}

#[test]
fn time_is_measured_from_the_call_and_threads_wait_for_it_too() {
    in_time(|| {
        let (_sender, receiver) = channel::bounded::<u32>(1);
        let tick = Duration::from_millis(2);
        let begun = Instant::now();
        select! { recv(receiver) -> _ => unreachable!(), after(tick) => {} }
        assert!(begun.elapsed() >= tick);
        let later = Instant::now() + tick;
        select! { recv(receiver) -> _ => unreachable!(), until(later) => {} }
        assert!(Instant::now() >= later);
        // It is over already.
        select! { recv(receiver) -> _ => unreachable!(), until(begun) => {} }
        nobody_waits(&receiver);
        let mut events = virtually();
        events
            .run(|| select! { recv(receiver) -> _ => unreachable!(), after(SECOND * 1000) => {} })
            .unwrap();
        assert!(begun.elapsed() < SECOND * 50);
    });
}

#[test]
fn one_channel_may_be_in_several_arms() {
    let (sender, receiver) = channel::rendezvous();
    on_a_loop(|| {
        segno::scope(|s| {
            let waits = s.spawn(|| {
                select! { recv(receiver) -> value => value, recv(receiver) -> value => value }
            });
            settle();
            assert_eq!(receiver.stats().waiting_receivers, 2);
            sender.send(7).unwrap();
            assert_eq!(waits.join().unwrap(), Ok(7));
            nobody_waits(&receiver);
            // Both ends of it: nobody meets himself.
            let both = s.spawn(|| {
                select! {
                    recv(receiver) -> value => value.ok(),
                    send(sender, 1) -> sent => { sent.unwrap(); None }
                }
            });
            settle();
            assert!(!both.is_finished());
            assert_eq!(receiver.recv(), Ok(1));
            assert_eq!(both.join().unwrap(), None);
            let both = s.spawn(|| {
                select! {
                    recv(receiver) -> value => value.ok(),
                    send(sender, 1) -> sent => { sent.unwrap(); None }
                }
            });
            settle();
            sender.send(2).unwrap();
            assert_eq!(both.join().unwrap(), Some(2));
            nobody_waits(&receiver);
        });
    });
}

// Meeting.

/// Sends its number or receives one, whichever comes first, so often. Returns what it received, and how often it sent.
fn meet(sender: &Sender<u64>, receiver: &Receiver<u64>, rounds: u64) -> (u64, u64) {
    let (mut sum, mut sent) = (0, 0);
    for round in 1..=rounds {
        select! {
            recv(receiver) -> value => sum += value.unwrap(),
            send(sender, round) -> result => {
                result.unwrap();
                sent += round;
            }
        }
    }
    (sum, sent)
}

/// Two that do so meet in every round, wherever they run.
fn two_meet(spread: impl FnOnce(&(dyn Fn() + Sync))) {
    in_time(|| {
        let (sender, receiver) = channel::rendezvous();
        let rounds = part_of(200_000);
        let (received, sent) = (AtomicU64::new(0), AtomicU64::new(0));
        spread(&|| {
            let (one, other) = meet(&sender, &receiver, rounds);
            received.fetch_add(one, Ordering::Relaxed);
            sent.fetch_add(other, Ordering::Relaxed);
        });
        assert_eq!(received.into_inner(), sent.into_inner());
        nobody_waits(&receiver);
        assert!(receiver.is_empty());
    });
}

#[test]
fn two_who_select_meet_on_one_loop() {
    two_meet(|meet| {
        segno::run(|| segno::join_all([meet, meet]));
    });
}

#[test]
fn two_who_select_meet_between_loops() {
    two_meet(|meet| {
        thread::scope(|s| {
            s.spawn(|| segno::run(meet));
            s.spawn(|| segno::run(meet));
        });
    });
}

#[test]
fn two_who_select_meet_between_threads() {
    two_meet(|meet| {
        thread::scope(|s| {
            s.spawn(meet);
            s.spawn(meet);
        });
    });
}

#[test]
fn many_who_select_among_many_lose_nothing() {
    in_time(|| {
        let channels: Vec<_> = (0..4).map(|which| channel::bounded::<u64>(which % 3)).collect();
        let all = part_of(400_000) / 4;
        let (received, over) = (AtomicU64::new(0), AtomicU64::new(0));
        let send = || {
            for value in 1..=all {
                select! {
                    send(channels[0].0, value) -> sent => sent.unwrap(),
                    send(channels[3].0, value) -> sent => sent.unwrap(),
                    send(channels[2].0, value) -> sent => sent.unwrap(),
                    send(channels[1].0, value) -> sent => sent.unwrap(),
                }
            }
            if over.fetch_add(1, Ordering::AcqRel) == 3 {
                channels.iter().for_each(|(sender, _)| assert!(sender.close()));
            }
        };
        let receive = || {
            let mut open = [true; 4];
            while open.contains(&true) {
                let (which, value) = select! {
                    recv(channels[1].1) -> value => (1, value),
                    recv(channels[2].1) -> value => (2, value),
                    recv(channels[0].1) -> value => (0, value),
                    recv(channels[3].1) -> value => (3, value),
                };
                match value {
                    Ok(value) => drop(received.fetch_add(value, Ordering::Relaxed)),
                    Err(_) => open[which] = false,
                }
            }
        };
        thread::scope(|s| {
            s.spawn(send);
            s.spawn(receive);
            s.spawn(|| segno::run(|| drop(segno::join_all([&send as &dyn Fn(), &receive]))));
            s.spawn(|| segno::run(|| drop(segno::join_all([&send as &dyn Fn(), &receive, &send]))));
        });
        assert_eq!(received.into_inner(), 4 * all * (all + 1) / 2);
        channels.iter().for_each(|(_, receiver)| nobody_waits(receiver));
    });
}

// Those not chosen.

#[test]
fn losers_leave_nobody_behind() {
    in_time(|| {
        let ((sender, receiver), (_never, never)) =
            (channel::rendezvous(), channel::bounded::<u32>(1));
        let event = Event::new();
        segno::run(|| {
            segno::scope(|s| {
                s.spawn(|| {
                    (0..part_of(1_000_000)).for_each(|value| sender.send(value).unwrap());
                    sender.close();
                });
                let mut next = 0;
                loop {
                    let got = select! {
                        recv(never) -> _ => unreachable!(),
                        recv(receiver) -> value => value,
                        wait(event) => unreachable!(),
                        after(SECOND * 1000) => unreachable!(),
                    };
                    match got {
                        Ok(value) => assert_eq!(value, next),
                        Err(_) => break,
                    }
                    next += 1;
                }
                assert_eq!(next, part_of(1_000_000));
            });
        });
        nobody_waits(&never);
        nobody_waits(&receiver);
        assert_eq!((never.stats().peak_receivers, event.stats().waiting), (1, 0));
    });
}

#[test]
fn a_value_that_is_not_sent_is_dropped_and_one_that_is_refused_comes_back() {
    let tally = Tally::default();
    let (sender, receiver) = channel::rendezvous();
    select! {
        send(sender, tally.witness("not sent")) -> _ => unreachable!(),
        default => assert_eq!(tally.gone(), ["not sent"]),
    }
    drop(receiver);
    let sent = select! { send(sender, tally.witness("back")) -> sent => sent };
    let Err(SendError::Closed(back)) = sent else { panic!("nobody receives it") };
    assert_eq!(back.name, "back");
}

#[test]
fn cancelled_timed_out_or_dropped_it_leaves_all_queues() {
    let ((sender, receiver), event) = (channel::rendezvous::<u32>(), Event::new());
    let wait = || {
        select! {
            recv(receiver) -> _ => unreachable!(),
            send(sender, 7) -> _ => unreachable!(),
            wait(event) => unreachable!(),
            after(SECOND * 1000) => unreachable!(),
        }
    };
    on_a_loop(|| {
        segno::scope(|s| {
            let task = s.spawn(wait);
            settle();
            assert_eq!(event.stats().waiting, 1);
            task.cancel("no longer");
            assert!(task.join().is_err());
            nobody_waits(&receiver);
            assert_eq!(event.stats().waiting, 0);
            assert!(segno::timeout(SECOND, wait).is_err());
            nobody_waits(&receiver);
        });
    });
    let mut events = virtually();
    let (theirs, their_receiver) = (sender.clone(), receiver.clone());
    drop(
        events
            .spawn(move || select! { recv(their_receiver) -> _ => {}, send(theirs, 7) -> _ => {} }),
    );
    events.run_until_idle();
    assert_eq!(receiver.stats().waiting_receivers, 1);
    drop(events);
    nobody_waits(&receiver);
    assert_eq!((receiver.receiver_count(), receiver.sender_count()), (1, 1));
    let pauses = segno::testing::cancel_at_every_pause(|| {
        segno::timeout(SECOND, wait).unwrap_err();
        nobody_waits(&receiver);
    });
    assert!(pauses >= 1);
    nobody_waits(&receiver);
}

#[test]
fn what_comes_with_a_cancellation_goes_to_the_next_or_back() {
    in_time(|| {
        let ((sender, receiver), (other, idle)) =
            (channel::bounded(1), channel::rendezvous::<u64>());
        let (turn, rounds, back) = (AtomicU64::new(0), part_of(100_000), Cell::new(0));
        let mut dice = support::Dice(4);
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
                        let first = s.spawn(|| {
                            select! {
                                recv(idle) -> _ => unreachable!(),
                                recv(receiver) -> value => value.unwrap(),
                                send(other, 0) -> _ => unreachable!(),
                            }
                        });
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
        nobody_waits(&receiver);
        nobody_waits(&idle);
        assert!(back.get() > 0 && receiver.is_empty());
    });
}

// What may be written.

#[test]
fn an_arm_may_leave_the_loop_or_the_function_around_it() {
    let (sender, receiver) = channel::unbounded();
    (1..=6).for_each(|value| sender.send(value).unwrap());
    let odd_ones = || -> Result<u32, RecvError> {
        let mut sum = 0;
        let found = 'all: loop {
            select! {
                recv(receiver) -> value => {
                    let value = value?;
                    if value % 2 == 0 {
                        continue;
                    }
                    sum += value;
                    if value == 5 {
                        break 'all sum;
                    }
                }
                default => return Ok(0),
            }
        };
        Ok(found)
    };
    assert_eq!(odd_ones(), Ok(9));
    assert_eq!(odd_ones(), Ok(0));
    sender.close();
    assert_eq!(odd_ones(), Err(RecvError::Closed));
}

#[test]
fn an_arm_may_use_what_the_others_had_borrowed() {
    let (sender, receiver) = channel::bounded(1);
    let (reply, mut answer) = channel::oneshot();
    sender.send(1).unwrap();
    let mut count = 0;
    select! {
        recv(receiver) -> value => {
            count += value.unwrap();
            reply.send(2).unwrap();
            // Borrowed by the other arm, as long as it was one.
            count += answer.recv().unwrap();
            drop(receiver);
        }
        recv(answer) -> value => count += value.unwrap() + 100,
    }
    assert_eq!(count, 3);
}

#[test]
fn arguments_are_evaluated_once_and_in_order() {
    let notes = Notes::default();
    let ((sender, receiver), (other, _kept)) = (channel::bounded(1), channel::rendezvous());
    sender.send(1).unwrap();
    let tell = |name| notes.note(name);
    select! {
        send({ tell("where"); &other }, { tell("what"); 2 }) -> _ => unreachable!(),
        recv({ tell("from"); &receiver }) -> _ => tell("chosen"),
        after({ tell("when"); SECOND }) => unreachable!(),
    }
    assert_eq!(notes.take(), ["where", "what", "from", "when", "chosen"]);
}

#[test]
fn a_select_may_stand_in_an_arm_of_another() {
    let (sender, receiver) = channel::unbounded();
    (1..=2).for_each(|value| sender.send(value).unwrap());
    let sum = select! {
        recv(receiver) -> one => select! {
            recv(receiver) -> other => one.unwrap() + other.unwrap(),
            default => 0,
        },
        default => 0,
    };
    assert_eq!(sum, 3);
}

#[test]
fn it_may_have_sixty_arms() {
    let channels: Vec<_> = (0..8).map(|_| channel::bounded::<usize>(1)).collect();
    let r = |which: usize| &channels[which % 8].1;
    on_a_loop(|| {
        segno::scope(|s| {
            let waits = s.spawn(|| {
                select! {
                    recv(r(0)) -> v => v, recv(r(1)) -> v => v, recv(r(2)) -> v => v, recv(r(3)) -> v => v,
                    recv(r(4)) -> v => v, recv(r(5)) -> v => v, recv(r(6)) -> v => v, recv(r(7)) -> v => v,
                    recv(r(0)) -> v => v, recv(r(1)) -> v => v, recv(r(2)) -> v => v, recv(r(3)) -> v => v,
                    recv(r(4)) -> v => v, recv(r(5)) -> v => v, recv(r(6)) -> v => v, recv(r(7)) -> v => v,
                    recv(r(0)) -> v => v, recv(r(1)) -> v => v, recv(r(2)) -> v => v, recv(r(3)) -> v => v,
                    recv(r(4)) -> v => v, recv(r(5)) -> v => v, recv(r(6)) -> v => v, recv(r(7)) -> v => v,
                    recv(r(0)) -> v => v, recv(r(1)) -> v => v, recv(r(2)) -> v => v, recv(r(3)) -> v => v,
                    recv(r(4)) -> v => v, recv(r(5)) -> v => v, recv(r(6)) -> v => v, recv(r(7)) -> v => v,
                    recv(r(0)) -> v => v, recv(r(1)) -> v => v, recv(r(2)) -> v => v, recv(r(3)) -> v => v,
                    recv(r(4)) -> v => v, recv(r(5)) -> v => v, recv(r(6)) -> v => v, recv(r(7)) -> v => v,
                    recv(r(0)) -> v => v, recv(r(1)) -> v => v, recv(r(2)) -> v => v, recv(r(3)) -> v => v,
                    recv(r(4)) -> v => v, recv(r(5)) -> v => v, recv(r(6)) -> v => v, recv(r(7)) -> v => v,
                    recv(r(0)) -> v => v, recv(r(1)) -> v => v, recv(r(2)) -> v => v, recv(r(3)) -> v => v,
                    recv(r(4)) -> v => v, recv(r(5)) -> v => v, recv(r(6)) -> v => v, recv(r(7)) -> v => v,
                    recv(r(0)) -> v => v, recv(r(1)) -> v => v, recv(r(2)) -> v => v, recv(r(3)) -> v => v,
                }
            });
            settle();
            assert!(channels.iter().all(|(_, receiver)| receiver.stats().waiting_receivers >= 7));
            channels[5].0.send(5).unwrap();
            assert_eq!(waits.join().unwrap(), Ok(5));
            channels.iter().for_each(|(_, receiver)| nobody_waits(receiver));
        });
    });
}

// Where nobody may wait.

#[test]
fn a_destructor_that_unwinds_may_choose_what_has_come() {
    let (sender, receiver) = channel::bounded(1);
    let got = RefCell::new(None);
    on_a_loop(|| {
        let _ = catch_unwind(AssertUnwindSafe(|| {
            while_unwinding(|| {
                sender.send(7).unwrap();
                *got.borrow_mut() =
                    select! { recv(receiver) -> value => value.ok(), after(SECOND) => None };
                assert!(select! { recv(receiver) -> _ => false, default => true });
            });
        }));
    });
    assert_eq!(got.into_inner(), Some(7));
}

#[test]
fn a_destructor_that_unwinds_and_would_have_to_wait_aborts() {
    let output = child("a_destructor_that_unwinds_and_would_have_to_wait_aborts", || {
        let (_sender, receiver) = channel::bounded::<u32>(1);
        segno::run(|| {
            while_unwinding(|| select! { recv(receiver) -> _ => {}, after(SECOND) => {} })
        });
    });
    assert_aborted(&output, &["`select!` at tests/select.rs"]);
}

#[test]
fn a_lock_may_be_held_over_it() {
    let mutex = Mutex::new(0);
    let (sender, receiver) = channel::rendezvous();
    on_a_loop(|| {
        segno::scope(|s| {
            s.spawn(|| {
                let mut guard = mutex.lock();
                select! { recv(receiver) -> value => *guard += value.unwrap(), after(SECOND) => {} }
            });
            settle();
            sender.send(7).unwrap();
            assert_eq!(*mutex.lock(), 7);
        });
    });
}

#[test]
fn a_broadcast_and_a_watch_can_be_waited_for() {
    let mut events = virtually();
    let chosen = events.run(|| {
        let (news, mut heard) = channel::broadcast(2);
        let (tempo, mut player) = channel::watch(60);
        let mut chosen = Vec::new();
        segno::scope(|s| {
            s.spawn(|| {
                segno::sleep(Duration::from_secs(1));
                (1..=4).for_each(|value| assert!(news.send(value).is_ok()));
                segno::sleep(Duration::from_secs(1));
                tempo.set(90);
                segno::sleep(Duration::from_secs(1));
                drop((news, tempo));
            });
            while chosen.len() < 8 {
                select! {
                    biased;
                    recv(heard) -> value => chosen.push(format!("{value:?}")),
                    changed(player) -> value => chosen.push(format!("{value:?}")),
                    after(Duration::from_secs(60)) => unreachable!(),
                }
            }
        });
        chosen
    });
    let heard = ["Ok(1)", "Err(Missed(1))", "Ok(3)", "Ok(4)", "Ok(90)"];
    assert_eq!(chosen.as_ref().unwrap()[..5], heard);
    assert!(chosen.unwrap()[5..].iter().all(|closed| closed == "Err(Closed)"));
}
