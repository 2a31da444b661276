//! Models of a value that is given once.
//!
//! The value is an `Arc`, because loom misses one that is left behind.

use std::panic::Location;

use loom::thread;

use crate::check;
use crate::model::sync::Arc;
use crate::task::{CancelKind, CancelReason, Home, Inbox, Message, RemoteTask, TASK, Wait};
use crate::wait::{Giver, Taker, gate};

/// What is given.
type Value = Arc<u8>;

fn value() -> Value {
    Arc::new(7)
}

/// Starts a thread that gives. It ends with what comes back.
fn giving(giver: Giver<Value>) -> thread::JoinHandle<Option<Value>> {
    thread::spawn(move || giver.give(value()))
}

/// Leaves without the value, which comes back if it is there.
fn left(taker: Taker<Value>) -> Option<Value> {
    taker.leave().map(|(value, _)| value)
}

/// The value went one way only.
fn went_once(taken: Option<Value>, giving: thread::JoinHandle<Option<Value>>) {
    let back = giving.join().unwrap();
    assert!(taken.is_some() != back.is_some(), "taken and given back, or neither");
    assert_eq!(*taken.or(back).unwrap(), 7);
}

#[test]
fn a_thread_that_blocks_gets_the_value() {
    check(|| {
        let (giver, mut taker) = gate();
        let giving = giving(giver);
        taker.block();
        went_once(Some(taker.take()), giving);
    });
}

#[test]
fn one_who_looks_now_and_then_gets_the_value() {
    check(|| {
        let (giver, taker) = gate();
        let giving = giving(giver);
        while !taker.is_ready() {
            thread::yield_now();
        }
        went_once(Some(taker.take()), giving);
    });
}

#[test]
fn the_value_is_given_or_comes_back_when_nobody_waits() {
    check(|| {
        let (giver, taker) = gate();
        let giving = giving(giver);
        went_once(left(taker), giving);
    });
}

#[test]
fn what_nobody_takes_is_dropped_with_the_taker() {
    check(|| {
        let (giver, taker) = gate();
        let giving = giving(giver);
        drop(taker);
        drop(giving.join().unwrap());
    });
}

/// Joins in a task of this thread's loop, which ends at once then.
fn join(inbox: Arc<Inbox>, mut taker: Taker<Value>) -> Option<Value> {
    let _home = Home::open(&inbox);
    match taker.wait(&TASK, Wait) {
        Ok(()) => Some(taker.take()),
        Err(_) => left(taker),
    }
}

#[test]
fn a_task_of_another_loop_gets_the_value() {
    check(|| {
        let (giver, taker) = gate();
        let giving = giving(giver);
        let taken = join(Arc::new(Inbox::new(None)), taker);
        assert!(taken.is_some());
        went_once(taken, giving);
    });
}

#[test]
fn a_task_that_is_cancelled_gets_the_value_or_leaves_it() {
    check(|| {
        let inbox = Arc::new(Inbox::new(None));
        let (giver, taker) = gate();
        let giving = giving(giver);
        let theirs = inbox.clone();
        let cancelling = thread::spawn(move || {
            let reason = CancelReason::new(CancelKind::Requested, "", Location::caller());
            theirs.push(Message::Cancel(RemoteTask, reason));
        });
        went_once(join(inbox, taker), giving);
        cancelling.join().unwrap();
    });
}

#[test]
fn one_who_gave_up_waiting_may_wait_again() {
    check(|| {
        let inbox = Arc::new(Inbox::new(None));
        let (giver, mut taker) = gate();
        let giving = giving(giver);
        let reason = CancelReason::new(CancelKind::Requested, "", Location::caller());
        inbox.push(Message::Cancel(RemoteTask, reason));
        let home = Home::open(&inbox);
        let _ = taker.wait(&TASK, Wait);
        drop((home, inbox));
        taker.block();
        went_once(Some(taker.take()), giving);
    });
}

#[test]
fn who_waits_for_one_that_is_given_up_gets_the_reason() {
    check(|| {
        let (giver, mut taker) = gate::<Result<Value, CancelReason>>();
        let taking = thread::spawn(move || {
            taker.block();
            taker.take()
        });
        let ending = giver.ending();
        let reason = CancelReason::new(CancelKind::Retired, "given up", Location::caller());
        // SAFETY: the giver gave nothing, and does nothing more.
        unsafe { (ending.give)(ending.giver, reason) };
        assert_eq!(taking.join().unwrap().unwrap_err().message(), "given up");
    });
}
