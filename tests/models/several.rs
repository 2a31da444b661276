//! Models of waiting for whichever of several comes first.

use std::cell::Cell;

use loom::thread;

use super::core::{Receiving, Sending, State};
use super::{channel, len};
use crate::model::sync::Arc;
use crate::task::{Home, Inbox, TASK, Task, Wait};
use crate::wait::{AnyArm, Asker, Locked, OperationArm, Watched, choose, gate};
use crate::{check, check_within};

/// What is sent.
type Value = Arc<u8>;
/// A channel that several threads use.
type Channel = Locked<State<Value>>;

/// Two channels that are nobody's own any more: how that comes is another model's. In one piece, so that one
/// always lies before the other.
fn two(capacity: usize) -> Arc<[Channel; 2]> {
    let channels = [channel(capacity), channel(capacity)];
    channels.iter().for_each(|channel| channel.with(|_| ()));
    Arc::new(channels)
}

fn receiving(channel: &Channel) -> OperationArm<'_, Receiving<Value>> {
    OperationArm::new(channel, None)
}

fn sending(channel: &Channel, number: u8) -> OperationArm<'_, Sending<Value>> {
    OperationArm::new(channel, Some(Arc::new(number)))
}

/// Waits for one of two.
fn first_of(arms: [AnyArm<'_>; 2], asker: Asker) -> usize {
    match choose(&arms, &[0, 1], false, asker, Wait) {
        Ok(Some(which)) => which,
        _ => unreachable!("it may wait"),
    }
}

/// Starts a thread that sends.
fn sender(channels: &Arc<[Channel; 2]>, which: usize) -> thread::JoinHandle<()> {
    let channels = channels.clone();
    thread::spawn(move || {
        let slot = Some(Arc::new(which as u8));
        let sent = channels[which].attempt::<Sending<Value>>(slot);
        assert!(matches!(sent, Ok(None)));
    })
}

/// Nobody waits in a channel, on either side.
fn is_left(channel: &Channel) -> bool {
    channel.with(|state| state.receiving.is_empty() && state.sending.is_empty())
}

#[test]
fn of_two_that_come_at_once_one_is_taken_and_the_other_stays() {
    check_within(1, || {
        let both = two(1);
        let threads = [sender(&both, 0), sender(&both, 1)];
        let (mut a, mut b) = (receiving(&both[0]), receiving(&both[1]));
        let which = first_of([AnyArm::new(&mut a), AnyArm::new(&mut b)], Asker::Thread);
        let got = if which == 0 { a.into_slot() } else { b.into_slot() };
        assert_eq!(*got.flatten().expect("what was chosen is there"), which as u8);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(len(&both[0]) + len(&both[1]), 1);
        assert!(both.iter().all(is_left));
    });
}

#[test]
fn the_same_channel_twice_is_one_lock_and_one_value() {
    check(|| {
        let both = two(1);
        let one = &both[0];
        let thread = sender(&both, 0);
        let (mut a, mut b) = (receiving(one), receiving(one));
        let which = first_of([AnyArm::new(&mut a), AnyArm::new(&mut b)], Asker::Thread);
        let (got, not) = if which == 0 { (a, b) } else { (b, a) };
        assert!(got.into_slot().flatten().is_some());
        assert!(not.into_slot().flatten().is_none());
        thread.join().unwrap();
        assert!(is_left(one) && len(one) == 0);
    });
}

#[test]
fn two_who_choose_meet() {
    check(|| {
        let both = two(0);
        let theirs = both.clone();
        let thread = thread::spawn(move || {
            let (mut a, mut b) = (sending(&theirs[0], 1), receiving(&theirs[1]));
            let which = first_of([AnyArm::new(&mut a), AnyArm::new(&mut b)], Asker::Thread);
            let (a, b) = (a.into_slot().flatten(), b.into_slot().flatten());
            assert_eq!((a.is_none(), b.is_some()), (which == 0, which == 1));
            which
        });
        let (mut a, mut b) = (receiving(&both[0]), sending(&both[1], 2));
        let which = first_of([AnyArm::new(&mut a), AnyArm::new(&mut b)], Asker::Thread);
        let (a, b) = (a.into_slot().flatten(), b.into_slot().flatten());
        assert_eq!((a.is_some(), b.is_none()), (which == 0, which == 1));
        assert_eq!(which, thread.join().unwrap(), "they met in two places");
        assert!(both.iter().all(is_left));
    });
}

/// A gate, as an arm.
struct Gated<'a> {
    taker: &'a crate::wait::Taker<Value>,
    watching: Cell<bool>,
}

impl Watched for Gated<'_> {
    fn has_come(&self) -> bool {
        self.taker.is_ready()
    }

    fn watch(&self, task: Option<&'static Task>) {
        self.watching.set(self.taker.watch(task));
    }

    fn unwatch(&self) {
        if self.watching.take() {
            self.taker.unwatch();
        }
    }
}

/// Chooses between a channel and a gate, which come at once, and finds what it did not choose where it was.
fn of_a_channel_and_a_gate(asker: fn() -> Asker) {
    let both = two(1);
    let one = &both[0];
    let (giver, taker) = gate();
    let giving = thread::spawn(move || drop(giver.give(Arc::new(9))));
    let sending = sender(&both, 0);
    let (mut a, mut b) = (receiving(one), Gated { taker: &taker, watching: Cell::new(false) });
    let which = first_of([AnyArm::new(&mut a), AnyArm::new(&mut b)], asker());
    let got = a.into_slot().flatten();
    assert_eq!(got.is_some(), which == 0);
    [giving, sending].into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(*taker.take(), 9);
    assert_eq!(len(one), usize::from(which == 1));
    assert!(is_left(one));
}

#[test]
fn of_a_channel_and_a_gate_one_is_taken() {
    check_within(2, || of_a_channel_and_a_gate(|| Asker::Thread));
}

#[test]
fn a_task_chooses_as_a_thread_does() {
    check_within(1, || {
        let inbox = Arc::new(Inbox::new(None));
        let _home = Home::open(&inbox);
        of_a_channel_and_a_gate(|| Asker::Task(&TASK, &Home));
    });
}
