//! Models of what waits in a queue: completed, cancelled, in a frame that is used again.
//!
//! Values are `Arc`s, because loom misses one that is left behind.

use std::panic::Location;

use loom::thread;

use super::core::{Receiving, Sending, State};
use super::{channel, len};
use crate::model::sync::Arc;
use crate::task::{CancelKind, CancelReason, Home, Inbox, Message, RemoteTask, TASK, Wait};
use crate::wait::{Asker, Locked};
use crate::{check, check_within};

/// What is sent.
type Value = Arc<u8>;
/// A channel that several threads use.
type Channel = Arc<Locked<State<Value>>>;

/// A channel that is nobody's own any more: how that comes is another model's.
fn shared(capacity: usize) -> Channel {
    let channel = channel(capacity);
    channel.with(|_| ());
    Arc::new(channel)
}

/// Receives on a plain thread.
fn receive(channel: &Channel) -> Option<Value> {
    channel.operate::<Receiving<Value>>(Asker::Thread, Wait, None).ok().flatten()
}

/// Sends on a plain thread.
fn send(channel: &Channel, number: u8) {
    let slot = Some(Arc::new(number));
    let sent = channel.operate::<Sending<Value>>(Asker::Thread, Wait, slot);
    assert!(matches!(sent, Ok(None)), "it was not sent");
}

/// Starts a thread that sends.
fn sending(channel: &Channel, number: u8) -> thread::JoinHandle<()> {
    let channel = channel.clone();
    thread::spawn(move || send(&channel, number))
}

/// A loop whose task is cancelled already.
fn cancelled() -> Arc<Inbox> {
    let inbox = Arc::new(Inbox::new(None));
    let reason = CancelReason::new(CancelKind::Requested, "", Location::caller());
    inbox.push(Message::Cancel(RemoteTask, reason));
    inbox
}

/// Receives in a task of this thread's loop, which ends at once then. `None` if it was cancelled before.
fn receive_in_a_task(inbox: Arc<Inbox>, channel: &Channel) -> Option<Value> {
    let _home = Home::open(&inbox);
    channel.operate::<Receiving<Value>>(Asker::Task(&TASK, &Home), Wait, None).ok().flatten()
}

#[test]
fn a_thread_that_waits_gets_the_value() {
    check(|| {
        let channel = shared(1);
        let sending = sending(&channel, 7);
        assert_eq!(receive(&channel).as_deref(), Some(&7));
        sending.join().unwrap();
        assert_eq!(len(&channel), 0);
    });
}

#[test]
fn a_sender_that_waits_may_leave_its_frame_when_its_value_was_taken() {
    check(|| {
        let channel = shared(0);
        let sending = sending(&channel, 7);
        assert_eq!(receive(&channel).as_deref(), Some(&7));
        sending.join().unwrap();
    });
}

#[test]
fn a_frame_may_be_used_again_for_the_next_wait() {
    check(|| {
        let channel = shared(0);
        let theirs = channel.clone();
        let sending = thread::spawn(move || (1..=2).for_each(|number| send(&theirs, number)));
        assert_eq!(receive(&channel).as_deref(), Some(&1));
        assert_eq!(receive(&channel).as_deref(), Some(&2));
        sending.join().unwrap();
    });
}

#[test]
fn a_task_of_another_loop_gets_the_value() {
    check(|| {
        let channel = shared(1);
        let sending = sending(&channel, 7);
        let received = receive_in_a_task(Arc::new(Inbox::new(None)), &channel);
        assert_eq!(received.as_deref(), Some(&7));
        sending.join().unwrap();
    });
}

#[test]
fn a_task_that_is_cancelled_gets_the_value_or_leaves_it_where_it_was() {
    check(|| {
        let channel = shared(1);
        let sending = sending(&channel, 7);
        let received = receive_in_a_task(cancelled(), &channel);
        sending.join().unwrap();
        let left = len(&channel);
        assert_eq!(usize::from(received.is_some()) + left, 1, "it went nowhere, or twice");
        assert_eq!(channel.with(|state| state.receiving.len()), 0);
        assert_eq!(*received.or_else(|| receive(&channel)).unwrap(), 7);
    });
}

#[test]
fn what_was_handed_to_a_task_that_is_cancelled_goes_to_the_next() {
    check_within(1, || {
        let channel = shared(1);
        let theirs = channel.clone();
        // It comes at any time: behind the task, before it, or not at all before the value.
        let next = thread::spawn(move || receive(&theirs));
        let sending = sending(&channel, 7);
        if let Some(value) = receive_in_a_task(cancelled(), &channel) {
            // It was not cancelled soon enough: then the next one waits for another value.
            assert_eq!(*value, 7);
            send(&channel, 8);
        }
        assert!(next.join().unwrap().is_some());
        sending.join().unwrap();
        assert_eq!(len(&channel), 0);
    });
}

#[test]
fn what_was_handed_to_a_task_that_is_given_up_stays_where_it_was() {
    check(|| {
        let channel = shared(1);
        let sending = sending(&channel, 7);
        Home::gives_up();
        let received = receive_in_a_task(Arc::new(Inbox::new(None)), &channel);
        // It had it only if it was there before it had to wait.
        assert_eq!(received.is_some(), Home.is_given_up());
        sending.join().unwrap();
        assert_eq!(channel.with(|state| state.receiving.len()), 0);
        assert_eq!(usize::from(received.is_some()) + len(&channel), 1, "it went nowhere, or twice");
    });
}

#[test]
fn a_sender_that_is_cancelled_is_received_or_takes_its_value_along() {
    check(|| {
        let channel = shared(0);
        let theirs = channel.clone();
        let receiving = thread::spawn(move || {
            let got = theirs.attempt::<Receiving<Value>>(None);
            got.ok().flatten()
        });
        let inbox = cancelled();
        let sent = {
            let _home = Home::open(&inbox);
            let slot = Some(Arc::new(7));
            channel.operate::<Sending<Value>>(Asker::Task(&TASK, &Home), Wait, slot)
        };
        drop(inbox);
        let kept = sent.unwrap_or_else(|(_, slot)| slot);
        let received = receiving.join().unwrap();
        assert!(kept.is_some() != received.is_some(), "it was kept and received, or neither");
    });
}

#[test]
fn closing_wakes_whoever_waits() {
    check(|| {
        let channel = shared(1);
        let theirs = channel.clone();
        let closing = thread::spawn(move || {
            theirs.with(|state| state.closed = true);
            theirs.wake_all(State::dismiss);
        });
        assert!(receive(&channel).is_none());
        closing.join().unwrap();
    });
}
