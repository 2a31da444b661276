//! Who sleeps in a pool, and models of that: no work is left beside one who sleeps, and a call is never lost.
//!
//! What stands in for a queue is a count that is only ordered by what the protocol orders.

#[path = "../../src/pool/beds.rs"]
mod beds;

use std::sync::OnceLock;

use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;

use self::beds::Beds;
use crate::check;
use crate::model::sync::Arc;
use crate::task::{Inbox, Message};

/// What loops share.
struct Shared {
    /// What is in the queues.
    work: AtomicUsize,
    /// Who sleeps.
    beds: Beds,
    /// Where each is woken. No part of the model: who is called has said so before.
    inboxes: [OnceLock<Arc<Inbox>>; 2],
}

impl Shared {
    fn new() -> Arc<Self> {
        let inboxes = [OnceLock::new(), OnceLock::new()];
        Arc::new(Self { work: AtomicUsize::new(0), beds: Beds::new(), inboxes })
    }

    /// Calls one who sleeps, if one does.
    fn call(&self) {
        if let Some(who) = self.beds.call() {
            self.inboxes[who].get().unwrap().tell();
        }
    }

    /// Brings work.
    fn bring(&self) {
        self.work.fetch_add(1, Relaxed);
        self.call();
    }

    fn has_work(&self) -> bool {
        self.work.load(Relaxed) > 0
    }

    /// Takes one.
    fn take(&self) -> bool {
        self.work.fetch_update(Relaxed, Relaxed, |work| work.checked_sub(1)).is_ok()
    }
}

/// One loop, as `pool::Worker` is one.
struct Loop {
    shared: Arc<Shared>,
    who: usize,
    inbox: Arc<Inbox>,
    called: bool,
}

impl Loop {
    /// The loop of this thread.
    fn new(shared: &Arc<Shared>, who: usize) -> Self {
        let inbox = Arc::new(Inbox::new(None));
        assert!(shared.inboxes[who].set(inbox.clone()).is_ok());
        Self { shared: shared.clone(), who, inbox, called: false }
    }

    /// If it was called, and there is more to do, the next one is.
    fn pass_on(&mut self) {
        if std::mem::take(&mut self.called) && self.shared.has_work() {
            self.shared.call();
        }
    }

    /// Takes the next thing.
    fn next(&mut self) -> bool {
        let taken = self.shared.take();
        if taken {
            self.pass_on();
        } else {
            self.called = false;
        }
        taken
    }

    /// Sleeps, unless there is work or mail.
    fn sleep(&mut self) {
        self.shared.beds.lie_down(self.who);
        if !self.shared.has_work() {
            self.inbox.sleep(None);
        }
        self.called |= self.shared.beds.get_up(self.who);
    }

    /// Reads what others have said to it. How much that was.
    fn mail(&self) -> usize {
        let mut read = 0;
        if self.inbox.has_mail() {
            self.inbox.read(usize::MAX, |_| read += 1);
        }
        read
    }

    /// Looks for work, and sleeps, until it has done one thing, or is told that there is none any more.
    fn do_one(&mut self) {
        while self.mail() == 0 && !self.next() {
            self.sleep();
        }
    }
}

#[test]
fn no_work_is_left_beside_one_who_sleeps() {
    check(|| {
        let shared = Shared::new();
        let mut worker = Loop::new(&shared, 0);
        let theirs = shared.clone();
        let brings = thread::spawn(move || theirs.bring());
        worker.do_one();
        brings.join().unwrap();
        assert_eq!(shared.beds.sleeping(), 0);
    });
}

#[test]
fn two_who_bring_something_wake_one_for_both() {
    check(|| {
        let shared = Shared::new();
        let mut worker = Loop::new(&shared, 0);
        let brings = [0, 1].map(|_| {
            let shared = shared.clone();
            thread::spawn(move || shared.bring())
        });
        worker.do_one();
        worker.do_one();
        brings.into_iter().for_each(|brings| brings.join().unwrap());
    });
}

#[test]
fn one_who_is_called_and_busy_passes_the_call_on() {
    check(|| {
        let shared = Shared::new();
        let mut first = Loop::new(&shared, 0);
        let theirs = shared.clone();
        let second = thread::spawn(move || Loop::new(&theirs, 1).do_one());
        let theirs = shared.clone();
        let brings = thread::spawn(move || {
            theirs.inboxes[0].get().unwrap().push(Message::Look);
            theirs.bring();
        });
        first.sleep();
        if first.mail() > 0 {
            // From now on it has other things to do, and looks for no work.
            first.pass_on();
        } else {
            first.do_one();
            // There was nothing else, and the second ends with this.
            shared.bring();
        }
        brings.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn what_was_out_of_sight_for_a_moment_is_seen() {
    check(|| {
        let shared = Shared::new();
        shared.bring();
        let theirs = shared.clone();
        let second = thread::spawn(move || Loop::new(&theirs, 1).do_one());
        // As one that looks what is on top of its queue, and leaves it there for the others.
        if shared.take() {
            shared.bring();
        }
        second.join().unwrap();
    });
}
