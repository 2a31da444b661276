//! Models of messages to a loop that may sleep.

use std::cell::Cell;
use std::panic::Location;
use std::time::Duration;

use loom::thread;

use crate::check;
use crate::model::sync::Arc;
use crate::model::sync::atomic::{AtomicUsize, Ordering};
use crate::task::{Inbox, Message};

/// What a loop does when nothing is ready: reads its mail, `most` messages of it, or sleeps until there is
/// some. Returns how many messages there were.
fn turn(inbox: &Inbox, most: usize) -> usize {
    let mut messages = 0;
    if inbox.has_mail() {
        inbox.read(most, |_| messages += 1);
    } else {
        inbox.sleep(None);
    }
    messages
}

/// Threads that each say something, `times` times.
fn senders(inbox: &Arc<Inbox>, many: usize, times: usize) -> Vec<thread::JoinHandle<()>> {
    let start = |_| {
        let inbox = inbox.clone();
        thread::spawn(move || (0..times).for_each(|_| inbox.push(Message::Look)))
    };
    (0..many).map(start).collect()
}

fn reads_all(many: usize, times: usize, most: usize) {
    let inbox = Arc::new(Inbox::new(None));
    let senders = senders(&inbox, many, times);
    let (mut messages, mut sleeps) = (0, 0);
    while messages < many * times {
        sleeps += usize::from(!inbox.has_mail());
        messages += turn(&inbox, most);
    }
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    assert_eq!(messages, many * times);
    assert!(inbox.thread().unparks() <= sleeps, "unparked more often than it slept");
}

#[test]
fn no_message_is_lost_and_the_sleeper_wakes() {
    check(|| reads_all(2, 1, usize::MAX));
}

#[test]
fn what_is_left_for_the_next_time_is_not_lost() {
    check(|| reads_all(1, 2, 1));
}

#[test]
fn a_sleep_that_times_out_leaves_mail_as_it_is() {
    check(|| {
        let inbox = Arc::new(Inbox::new(None));
        let senders = senders(&inbox, 1, 1);
        inbox.sleep(Some(Duration::from_millis(1)));
        let mut messages = 0;
        while messages == 0 {
            messages += turn(&inbox, usize::MAX);
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
}

#[test]
fn who_does_not_sleep_is_not_unparked() {
    check(|| {
        let inbox = Arc::new(Inbox::new(None));
        let senders = senders(&inbox, 2, 1);
        let mut messages = 0;
        inbox.read(usize::MAX, |_| messages += 1);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        if inbox.has_mail() {
            inbox.read(usize::MAX, |_| messages += 1);
        }
        assert_eq!(messages, 2);
        assert_eq!(inbox.thread().unparks(), 0);
    });
}

#[test]
fn a_posted_closure_is_read_or_handed_back() {
    check(|| {
        let inbox = Arc::new(Inbox::new(None));
        let post = |inbox: Arc<Inbox>| {
            move || {
                // An `Arc`, because loom misses one that is left behind.
                let closure = Arc::new(());
                inbox
                    .post(closure, |closure| Message::Post(Box::new(move |_| drop(closure))))
                    .is_ok()
            }
        };
        let posters = [thread::spawn(post(inbox.clone())), thread::spawn(post(inbox.clone()))];
        let read = Cell::new(0);
        let run = |message| {
            let Message::Post(run) = message else { unreachable!() };
            run(None);
            read.set(read.get() + 1);
        };
        // The last look of a loop that still runs, and its end.
        if inbox.has_mail() {
            inbox.read(usize::MAX, run);
        }
        inbox.close();
        inbox.read(usize::MAX, run);
        let posted = posters.map(|poster| poster.join().unwrap());
        assert_eq!(read.get(), posted.iter().filter(|posted| **posted).count());
        assert!(inbox.post((), |()| Message::Stop(Location::caller())).is_err());
    });
}

#[test]
fn whoever_is_called_for_mail_finds_all_of_it() {
    check(|| {
        // A foreign loop: it waits until it is called, and lets the loop look then.
        let bell = Arc::new(loom::sync::Notify::new());
        let calls = Arc::new(AtomicUsize::new(0));
        let (ring, count) = (bell.clone(), calls.clone());
        let inbox = Arc::new(Inbox::new(Some(Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
            ring.notify();
        }))));
        let senders = senders(&inbox, 2, 1);
        let mut messages = 0;
        while messages < 2 {
            bell.wait();
            if inbox.has_mail() {
                inbox.read(usize::MAX, |_| messages += 1);
            }
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert!(calls.load(Ordering::Relaxed) <= 2);
        assert_eq!(inbox.thread().unparks(), 0);
    });
}
