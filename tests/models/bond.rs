//! Models of a frame that is lent to tasks of other threads: it is left when the last of them has ended, and they do not
//! touch it afterwards.

use std::panic::Location;

use loom::thread;

use crate::model::sync::Arc;
use crate::model::sync::atomic::{AtomicUsize, Ordering};
use crate::task::{
    CancelKind, CancelReason, Crew, Described, Home, Inbox, Refusal, TASK, Unstarted,
};
use crate::wait::{Asked, Runs, Scope, Work, lend_abroad, refuse, start};
use crate::{check, check_within};

/// Where children go: each to a thread of its own, which does this with it.
struct Threads {
    each: fn(Unstarted),
    /// Those that were started. No part of the model.
    started: std::sync::Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Threads {
    fn that(each: fn(Unstarted)) -> Self {
        Self { each, started: std::sync::Mutex::default() }
    }

    /// Waits for all of them. Nobody starts any more.
    fn join(self) {
        let started = self.started.into_inner().unwrap();
        started.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

impl Crew for Threads {
    fn inject(&self, unstarted: Unstarted) -> Result<(), Unstarted> {
        let each = self.each;
        let thread = thread::spawn(move || each(unstarted));
        self.started.lock().unwrap().push(thread);
        Ok(())
    }

    fn address(&self) -> usize {
        1
    }

    fn threads(&self) -> usize {
        1
    }
}

/// Uses what it borrows, and may spawn another one.
struct Uses<'scope, 'env> {
    local: &'env AtomicUsize,
    spawns: Option<&'scope Scope<'scope, 'env>>,
}

impl<'scope> Work for Uses<'scope, '_> {
    type Given = ();

    fn run(self, _: Runs) {
        self.local.fetch_add(1, Ordering::Relaxed);
        if let Some(scope) = self.spawns {
            drop(scope.bring(Uses { local: self.local, spawns: None }, asked()));
        }
    }

    fn refuse(self, _: Refusal, _: &Described<'_>) {
        self.local.fetch_add(1, Ordering::Relaxed);
    }

    fn lost(_: CancelReason) {}

    fn unwanted((): (), _: &Described<'_>) {}
}

fn asked() -> Asked {
    Asked { request: None, name: None, spawned_at: Location::caller() }
}

fn reason() -> CancelReason {
    CancelReason::new(CancelKind::Requested, "", Location::caller())
}

/// A loop that takes a child, and runs it.
fn runs(unstarted: Unstarted) {
    Home::number(2);
    let inbox = Arc::new(Inbox::new(None));
    let _open = Home::open(&inbox);
    if start(unstarted, &Home).is_some() {
        Home.run_made();
    }
}

/// A loop that takes a child which ends when it is cancelled, and not before.
fn runs_until_cancelled(unstarted: Unstarted) {
    Home::number(2);
    let inbox = Arc::new(Inbox::new(None));
    let _open = Home::open(&inbox);
    assert!(start(unstarted, &Home).is_some());
    while !Home.root().is_reached() {
        if !inbox.has_mail() {
            inbox.sleep(None);
        }
        inbox.read(usize::MAX, |message| Home.obey(message));
    }
    Home.run_made();
}

/// Lends a frame of this thread, or of the task of its loop, to what `body` brings to threads that do this with it.
fn lends(
    each: fn(Unstarted),
    in_task: bool,
    children: usize,
    body: impl for<'scope, 'env> FnOnce(&'scope Scope<'scope, 'env>, &'env AtomicUsize),
) {
    let threads = Threads::that(each);
    let open = in_task.then(|| {
        Home::number(1);
        Home::open(&Arc::new(Inbox::new(None)))
    });
    frame(&threads, in_task, children, body);
    drop(open);
    threads.join();
}

/// The frame that is lent. When it ends, all that was in it does.
fn frame(
    threads: &Threads,
    in_task: bool,
    children: usize,
    body: impl for<'scope, 'env> FnOnce(&'scope Scope<'scope, 'env>, &'env AtomicUsize),
) {
    let local = AtomicUsize::new(0);
    let owner = in_task.then(|| (&TASK, Home.root()));
    let (result, first) =
        lend_abroad(owner, threads, Location::caller(), reason, |s| body(s, &local));
    assert!(result.is_ok() && first.is_none());
    assert_eq!(local.load(Ordering::Relaxed), children);
}

/// Brings a child whose result nobody wants.
fn bring<'scope, 'env: 'scope>(s: &'scope Scope<'scope, 'env>, local: &'env AtomicUsize) {
    drop(s.bring(Uses { local, spawns: None }, asked()));
}

#[test]
fn a_thread_leaves_its_frame_when_its_child_has_ended() {
    check(|| lends(runs, false, 1, |s, local| bring(s, local)));
}

#[test]
fn a_task_leaves_its_frame_when_its_child_has_ended() {
    check(|| lends(runs, true, 1, |s, local| bring(s, local)));
}

#[test]
fn a_thread_leaves_its_frame_when_the_last_of_two_has_ended() {
    check_within(2, || {
        // Let go of by a queue: it is the same for the frame, and less for the model.
        lends(refuse, false, 2, |s, local| {
            bring(s, local);
            bring(s, local);
        });
    });
}

#[test]
fn a_task_leaves_its_frame_when_the_last_of_two_has_ended() {
    check_within(2, || {
        lends(refuse, true, 2, |s, local| {
            bring(s, local);
            bring(s, local);
        });
    });
}

#[test]
fn a_child_that_a_child_spawns_is_waited_for() {
    check_within(2, || {
        lends(runs, false, 2, |s, local| {
            drop(s.bring(Uses { local, spawns: Some(s) }, asked()));
        });
    });
}

#[test]
fn a_child_that_is_joined_ends_before_its_frame() {
    check(|| {
        lends(runs, false, 1, |s, local| {
            let mut held = s.bring(Uses { local, spawns: None }, asked());
            held.block();
            held.take();
        });
    });
}

#[test]
fn a_child_that_is_cancelled_by_its_owner_ends_once() {
    check(|| {
        lends(runs, true, 1, |s, local| {
            s.bring(Uses { local, spawns: None }, asked()).cancel(reason());
        });
    });
}

#[test]
fn a_child_that_begins_hears_that_its_scope_was_cancelled() {
    check(|| {
        lends(runs_until_cancelled, true, 1, |s, local| {
            bring(s, local);
            Home.root().cancel(reason());
        });
    });
}
