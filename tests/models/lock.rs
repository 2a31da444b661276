//! Models of the lock that belongs to one loop until somebody else comes. A cell is behind it, and loom minds
//! whoever touches that when another one does, or without having seen what was done before.

use loom::thread;

use crate::model::sync::Arc;
use crate::task::Home;
use crate::wait::Locked;
use crate::{check, check_within};

/// Counts up so often.
fn count(locked: &Locked<u32>, times: u32) {
    (0..times).for_each(|_| locked.with(|count| *count += 1));
}

/// Starts a thread that counts up.
fn counting(locked: &Arc<Locked<u32>>, times: u32) -> thread::JoinHandle<()> {
    let locked = locked.clone();
    thread::spawn(move || count(&locked, times))
}

fn ends_with(locked: &Locked<u32>, threads: Vec<thread::JoinHandle<()>>, expected: u32) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(locked.with(|count| *count), expected);
}

#[test]
fn threads_have_it_one_at_a_time() {
    check(|| {
        let locked = Arc::new(Locked::new(0));
        let threads = vec![counting(&locked, 2)];
        count(&locked, 2);
        ends_with(&locked, threads, 4);
    });
}

#[test]
fn a_thread_takes_the_privilege_away_from_a_loop_at_any_time() {
    check(|| {
        Home::number(7);
        let locked = Arc::new(Locked::new(0));
        count(&locked, 1);
        let threads = vec![counting(&locked, 1)];
        count(&locked, 2);
        ends_with(&locked, threads, 4);
    });
}

#[test]
fn a_loop_and_a_thread_may_both_be_the_first() {
    check(|| {
        Home::number(7);
        let locked = Arc::new(Locked::new(0));
        let threads = vec![counting(&locked, 1)];
        count(&locked, 2);
        ends_with(&locked, threads, 3);
    });
}

#[test]
fn two_loops_may_both_be_the_first() {
    check(|| {
        let locked = Arc::new(Locked::new(0));
        let theirs = locked.clone();
        let other = thread::spawn(move || {
            Home::number(8);
            count(&theirs, 2);
        });
        Home::number(7);
        count(&locked, 1);
        ends_with(&locked, vec![other], 3);
    });
}

#[test]
fn what_the_loop_did_is_there_for_a_thread_that_others_made_way_for() {
    check_within(1, || {
        Home::number(7);
        let locked = Arc::new(Locked::new(0));
        count(&locked, 1);
        let threads = vec![counting(&locked, 1), counting(&locked, 1)];
        // After they were started, so that they have not seen it by that.
        count(&locked, 1);
        ends_with(&locked, threads, 4);
    });
}
