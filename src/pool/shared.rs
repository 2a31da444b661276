//! What the loops of a pool share: the queues, who sleeps, and who has ended.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_deque::{Injector, Steal, Stealer};

use super::beds::Beds;
use crate::sync::Event;
use crate::task::{Crew, Inbox, Unstarted, View};

/// What others of the crew see of a loop.
pub(super) struct Member {
    /// Where others take from its queue.
    pub(super) stealer: Stealer<Unstarted>,
    /// Where it is woken, once it is there.
    pub(super) inbox: OnceLock<Arc<Inbox>>,
    /// Whether everything is to end and it can do nothing. SeqCst, all of them: rare, and each has to see what the
    /// others said.
    pub(super) is_still: AtomicBool,
    /// Whether it has ended.
    pub(super) has_ended: AtomicBool,
    /// Where it can be seen what runs there, once it is there.
    pub(super) view: OnceLock<View>,
}

/// What the loops of a pool share.
pub(super) struct Shared {
    /// The pool's name, for its threads and for messages.
    pub(super) name: String,
    /// What comes from outside, first come, first served.
    injector: Injector<Unstarted>,
    /// Whether anything is taken from outside. Under this lock it is pushed, so that nothing arrives after the last loop
    /// has looked for the last time.
    open: Mutex<bool>,
    /// The loops.
    pub(super) members: Vec<Member>,
    /// Which of them sleep.
    pub(super) beds: Beds,
    /// Whether all are to end. Relaxed: who misses it is woken and looks again.
    closing: AtomicBool,
    /// How many have ended.
    ended: Mutex<usize>,
    /// Told when one has.
    ends: Condvar,
    /// Set when all have, for those who wait in tasks.
    over: Event,
}

impl Shared {
    /// For loops with these queues.
    pub(super) fn new(name: String, stealers: Vec<Stealer<Unstarted>>) -> Self {
        let member = |stealer| Member {
            stealer,
            inbox: OnceLock::new(),
            is_still: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            view: OnceLock::new(),
        };
        Self {
            name,
            injector: Injector::new(),
            open: Mutex::new(true),
            members: stealers.into_iter().map(member).collect(),
            beds: Beds::new(),
            closing: AtomicBool::new(false),
            ended: Mutex::new(0),
            ends: Condvar::new(),
            over: Event::new(),
        }
    }

    // ---- work

    /// Wakes one that sleeps, if one does, for work that was just put into a queue.
    #[inline(always)]
    pub(super) fn call(&self) {
        if let Some(who) = self.beds.call() {
            self.wake(who);
        }
    }

    /// Wakes this one.
    #[cold]
    fn wake(&self, who: usize) {
        if let Some(inbox) = self.members[who].inbox.get() {
            inbox.tell();
        }
    }

    /// Whether there is anything in a queue.
    pub(super) fn has_work(&self) -> bool {
        !self.injector.is_empty() || self.members.iter().any(|member| !member.stealer.is_empty())
    }

    /// Takes the first of what came from outside.
    pub(super) fn take_injected(&self) -> Option<Unstarted> {
        if self.injector.is_empty() {
            return None;
        }
        loop {
            match self.injector.steal() {
                Steal::Success(unstarted) => return Some(unstarted),
                Steal::Empty => return None,
                Steal::Retry => {}
            }
        }
    }

    // ---- the end

    /// Whether all are to end.
    #[inline(always)]
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// All are to end.
    pub(super) fn close(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.closing.store(true, Ordering::Relaxed);
        // A loop that has just been made says first where it is woken, and looks then: one of the two sees the other.
        fence(Ordering::SeqCst);
        (0..self.members.len()).for_each(|who| self.wake(who));
    }

    /// This one has ended.
    pub(super) fn member_ended(&self, who: usize) {
        self.members[who].has_ended.store(true, Ordering::SeqCst);
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        *ended += 1;
        let all = *ended == self.members.len();
        drop(ended);
        if all {
            self.over.set();
        }
        self.ends.notify_all();
    }

    /// Whether this one has.
    pub(super) fn has_ended(&self, who: usize) -> bool {
        self.members[who].has_ended.load(Ordering::SeqCst)
    }

    /// Where the task was spawned that runs on this one, if one does.
    pub(super) fn running_at(&self, who: usize) -> Option<&'static Location<'static>> {
        self.members[who].view.get()?.running_at()
    }

    /// Set when all have ended.
    pub(super) fn over(&self) -> &Event {
        &self.over
    }

    /// Blocks the thread until all have ended, or until then. Whether they have.
    pub(super) fn block_until_over(&self, until: Option<Instant>) -> bool {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        while *ended < self.members.len() {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return false;
            }
            ended = match left {
                None => self.ends.wait(ended).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    self.ends.wait_timeout(ended, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }

    /// Whether all have ended.
    pub(super) fn is_over(&self) -> bool {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) == self.members.len()
    }
}

impl Crew for Shared {
    fn inject(&self, unstarted: Unstarted) -> Result<(), Unstarted> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !*open {
            return Err(unstarted);
        }
        self.injector.push(unstarted);
        drop(open);
        self.call();
        Ok(())
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn threads(&self) -> usize {
        self.members.len()
    }
}
