//! Models of what keeps a loop from taking a standstill for a deadlock.

use loom::thread;

use crate::check;
use crate::model::sync::Arc;
use crate::model::sync::atomic::{AtomicUsize, Ordering};
use crate::task::{Counted, Home, Inbox, Waker, waker};

/// Lets a loop go on until its task is woken (true) or nothing can wake it any more (false): what a loop
/// with a virtual clock does when nothing is ready.
fn is_woken(inbox: &Inbox) -> bool {
    loop {
        if inbox.has_mail() {
            inbox.read(usize::MAX, |message| Home.obey(message));
            if Home.is_woken() {
                return true;
            }
        }
        if !inbox.has_mail() {
            if !inbox.may_be_woken() && !inbox.has_mail() {
                return false;
            }
            inbox.sleep(None);
        }
    }
}

/// Takes leave of other threads, as a loop does that ends.
fn end(inbox: &Inbox) {
    inbox.close();
    inbox.read(usize::MAX, drop);
}

#[test]
fn what_a_waker_said_before_it_went_is_heard() {
    check(|| {
        let inbox = Arc::new(Inbox::new(None));
        let _home = Home::open(&inbox);
        let first = waker();
        let waking = thread::spawn(move || first.wake());
        assert!(is_woken(&inbox));
        waking.join().unwrap();
    });
}

#[test]
fn the_last_of_two_that_could_have_woken_a_loop_tells_it() {
    check(|| {
        let inbox = Arc::new(Inbox::new(None));
        let _home = Home::open(&inbox);
        let (waker, guard) = (waker(), Counted::external(inbox.clone()));
        let threads = [thread::spawn(move || drop(waker)), thread::spawn(move || drop(guard))];
        assert!(!is_woken(&inbox));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// What a loop with a virtual clock does when nothing is ready but somebody sleeps: waits for whoever said
/// that it would come, and lets the clock jump only if nobody did. False if it jumped.
fn comes_before_the_clock_jumps(inbox: &Inbox) -> bool {
    loop {
        if inbox.has_mail() {
            inbox.read(usize::MAX, |message| Home.obey(message));
            if Home.is_woken() {
                return true;
            }
        }
        if !inbox.has_mail() {
            if !inbox.is_awaited() {
                return false;
            }
            inbox.sleep(None);
        }
    }
}

#[test]
fn the_clock_does_not_jump_over_one_who_is_awaited() {
    check(|| {
        let inbox = Arc::new(Inbox::new(None));
        let _home = Home::open(&inbox);
        let (guard, waker) = (Counted::external(inbox.clone()), waker());
        let waking = thread::spawn(move || {
            waker.wake();
            drop(guard);
        });
        assert!(comes_before_the_clock_jumps(&inbox));
        waking.join().unwrap();
    });
}

#[test]
fn what_was_done_before_a_wake_is_seen_after_it() {
    check(|| {
        let inbox = Arc::new(Inbox::new(None));
        let _home = Home::open(&inbox);
        let done = Arc::new(AtomicUsize::new(0));
        let first = waker();
        let waking = |waker: Waker| {
            let done = done.clone();
            thread::spawn(move || {
                done.fetch_add(1, Ordering::Relaxed);
                // One message may stand for both wakes.
                waker.wake_by_ref();
                waker
            })
        };
        let threads = [waking(first.clone()), waking(first)];
        while done.load(Ordering::Relaxed) < 2 {
            while !Home.is_woken() {
                if !inbox.has_mail() {
                    inbox.sleep(None);
                }
                inbox.read(usize::MAX, |message| Home.obey(message));
            }
        }
        threads.into_iter().for_each(|thread| drop(thread.join().unwrap()));
        end(&inbox);
    });
}

#[test]
fn a_loop_that_ends_frees_its_inbox_whoever_still_has_a_waker() {
    check(|| {
        let inbox = Arc::new(Inbox::new(None));
        let home = Home::open(&inbox);
        let first = waker();
        let waking = thread::spawn(move || {
            first.wake_by_ref();
            first.wake();
        });
        end(&inbox);
        drop((home, inbox));
        waking.join().unwrap();
    });
}
