//! Models of a task that nobody has started: started, joined, cancelled, left, given up.
//!
//! Captures and results are `Arc`s, because loom misses one that is left behind.

use std::panic::{Location, catch_unwind, resume_unwind};

use loom::thread;

use crate::check;
use crate::model::Word;
use crate::model::sync::Arc;
use crate::model::sync::atomic::{AtomicUsize, Ordering};
use crate::task::{
    CancelKind, CancelReason, Crew, Described, Home, Inbox, Refusal, TASK, Unstarted, Wait,
};
use crate::wait::{Asked, Held, Runs, Work, errand, refuse, start};

/// What comes of it: what it did, and whether it ran.
type Given = (Arc<AtomicUsize>, bool);

/// Adds one to what it has captured.
struct Adds(Arc<AtomicUsize>);

impl Work for Adds {
    type Given = Given;

    fn run(self, _: Runs) -> Given {
        self.0.fetch_add(1, Ordering::Relaxed);
        (self.0, true)
    }

    fn refuse(self, _: Refusal, _: &Described<'_>) -> Given {
        (self.0, false)
    }

    fn lost(_: CancelReason) -> Given {
        (Arc::new(AtomicUsize::new(0)), false)
    }

    fn unwanted(given: Given, _: &Described<'_>) {
        drop(given);
    }
}

/// Where nothing goes by itself.
struct NoCrew;

impl Crew for NoCrew {
    fn inject(&self, unstarted: Unstarted) -> Result<(), Unstarted> {
        Err(unstarted)
    }

    fn address(&self) -> usize {
        1
    }

    fn threads(&self) -> usize {
        1
    }
}

/// One that is brought, and what it counts in.
fn made() -> (Unstarted, Held<Given>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let (unstarted, held) = made_of(Adds(count.clone()));
    (unstarted, held, count)
}

/// One of this work.
fn made_of(work: impl Work<Given = Given> + Send + 'static) -> (Unstarted, Held<Given>) {
    let asked = Asked { request: None, name: None, spawned_at: Location::caller() };
    errand(work, asked, &NoCrew)
}

fn reason() -> CancelReason {
    CancelReason::new(CancelKind::Requested, "", Location::caller())
}

/// A loop that gets it from a queue, and runs it.
fn starting(unstarted: Unstarted) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let inbox = Arc::new(Inbox::new(None));
        let _open = Home::open(&inbox);
        if start(unstarted, &Home).is_some() {
            Home.run_made();
        }
    })
}

/// Whether it ran. It did so as often as it says.
fn ran((count, ran): Given) -> bool {
    assert_eq!(count.load(Ordering::Relaxed), usize::from(ran));
    ran
}

#[test]
fn a_thread_that_blocks_gets_the_result() {
    check(|| {
        let (unstarted, mut held, _count) = made();
        let starting = starting(unstarted);
        held.block();
        assert!(ran(held.take()));
        starting.join().unwrap();
    });
}

#[test]
fn a_task_of_another_loop_gets_the_result() {
    check(|| {
        let (unstarted, mut held, _count) = made();
        let starting = starting(unstarted);
        let inbox = Arc::new(Inbox::new(None));
        let open = Home::open(&inbox);
        assert!(held.wait(&TASK, Wait).is_ok());
        // The loop may end as soon as its task has gone on.
        drop((open, inbox));
        assert!(ran(held.take()));
        starting.join().unwrap();
    });
}

#[test]
fn one_who_looks_now_and_then_gets_the_result() {
    check(|| {
        let (unstarted, held, _count) = made();
        let starting = starting(unstarted);
        while !held.is_done() {
            thread::yield_now();
        }
        assert!(ran(held.take()));
        starting.join().unwrap();
    });
}

#[test]
fn who_gives_up_waiting_takes_it_back_and_may_wait_again() {
    check(|| {
        let (unstarted, mut held, _count) = made();
        let starting = starting(unstarted);
        if held.watch(None) {
            held.unwatch();
        }
        held.block();
        assert!(ran(held.take()));
        starting.join().unwrap();
    });
}

#[test]
fn a_result_that_nobody_wants_is_disposed_of_once() {
    check(|| {
        let (unstarted, held, _count) = made();
        let starting = starting(unstarted);
        drop(held);
        starting.join().unwrap();
    });
}

#[test]
fn one_of_two_starts_it() {
    check(|| {
        let (unstarted, mut held, count) = made();
        let starting = starting(unstarted);
        let inbox = Arc::new(Inbox::new(None));
        let _open = Home::open(&inbox);
        match held.run_next(&TASK, Wait) {
            Some(waited) => assert!(waited.is_ok()),
            None => held.block(),
        }
        assert!(ran(held.take()));
        starting.join().unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn one_that_runs_next_goes_on_when_its_joiner_has_gone() {
    check(|| {
        let (unstarted, mut held, count) = made();
        let starting = starting(unstarted);
        let inbox = Arc::new(Inbox::new(None));
        let _open = Home::open(&inbox);
        Home::gives_up();
        match held.run_next(&TASK, Wait) {
            Some(waited) => {
                assert!(waited.is_err());
                drop(held);
                Home.run_made();
                assert!(!Home.is_woken());
            }
            None => {
                held.block();
                assert!(ran(held.take()));
            }
        }
        starting.join().unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn one_that_is_cancelled_runs_or_is_let_go_and_never_both() {
    check(|| {
        let (unstarted, mut held, count) = made();
        let starting = starting(unstarted);
        held.cancel(reason());
        held.block();
        let ran = ran(held.take());
        starting.join().unwrap();
        assert_eq!(count.load(Ordering::Relaxed), usize::from(ran));
    });
}

#[test]
fn one_that_was_cancelled_when_it_was_about_to_begin_hears_of_it() {
    check(|| {
        let (unstarted, mut held, count) = made();
        let told = Arc::new(Word::new());
        let tells = told.clone();
        // The loop has made a task of it, or is about to, and runs that when the handle's word is there.
        let starting = thread::spawn(move || {
            let inbox = Arc::new(Inbox::new(None));
            let _open = Home::open(&inbox);
            if start(unstarted, &Home).is_some() {
                told.wait();
                Home.run_made();
            }
        });
        held.cancel(reason());
        tells.say();
        held.block();
        assert!(!ran(held.take()));
        starting.join().unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn two_cancel_it_and_one_leaves() {
    check(|| {
        let (unstarted, held, _count) = made();
        let held = Arc::new(held);
        let theirs = held.clone();
        let cancelling = thread::spawn(move || theirs.cancel(reason()));
        held.cancel(reason());
        drop(held);
        cancelling.join().unwrap();
        refuse(unstarted);
    });
}

#[test]
fn what_a_queue_lets_go_of_gives_its_joiner_an_error() {
    check(|| {
        let (unstarted, mut held, _count) = made();
        let refusing = thread::spawn(move || refuse(unstarted));
        held.block();
        assert!(!ran(held.take()));
        refusing.join().unwrap();
    });
}

/// One that will not end.
struct Clings(Arc<AtomicUsize>);

impl Work for Clings {
    type Given = Given;

    fn run(self, _: Runs) -> Given {
        TASK.is_given_up(reason());
        // In the library it never goes on. Here it leaves everything as it is.
        resume_unwind(Box::new(()))
    }

    fn refuse(self, _: Refusal, _: &Described<'_>) -> Given {
        unreachable!()
    }

    fn lost(_: CancelReason) -> Given {
        (Arc::new(AtomicUsize::new(0)), false)
    }

    fn unwanted(given: Given, _: &Described<'_>) {
        drop(given);
    }
}

#[test]
fn who_joins_one_that_is_given_up_is_told() {
    check(|| {
        let (unstarted, mut held) = made_of(Clings(Arc::new(AtomicUsize::new(0))));
        let giving_up = thread::spawn(move || {
            let inbox = Arc::new(Inbox::new(None));
            let _open = Home::open(&inbox);
            assert!(start(unstarted, &Home).is_some());
            assert!(catch_unwind(|| Home.run_made()).is_err());
        });
        held.block();
        assert!(!ran(held.take()));
        giving_up.join().unwrap();
        // Its share, which the library leaks with its frames.
        refuse(unstarted);
    });
}
