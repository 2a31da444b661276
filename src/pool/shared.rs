//! What the loops of a pool share: the queues, who sleeps, and who has ended.

use std::panic::Location;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
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
    /// Odd while everything is to end and it can do nothing; another number each time. SeqCst, all of them: rare, and
    /// each has to see what the others said.
    pub(super) stirs: AtomicUsize,
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
    /// Whether one of them looks for work for long, before it sleeps: one is enough. Relaxed: it guards nothing.
    pub(super) somebody_looks: AtomicBool,
    /// Whether all are to end. Relaxed: who misses it is woken and looks again.
    closing: AtomicBool,
    /// How often one of them has found that nothing on any can go on.
    standstills: AtomicUsize,
    /// How many have ended.
    ended: Mutex<usize>,
    /// Told when one has.
    ends: Condvar,
    /// Set when all have, for those who wait in tasks.
    over: Event,
}

impl Member {
    /// How often it has stirred, if it can do nothing and has no mail. One that has ended never stirs again.
    fn is_still(&self) -> Option<usize> {
        if self.has_ended.load(SeqCst) {
            return Some(0);
        }
        let has_mail = self.inbox.get().is_none_or(|inbox| inbox.has_mail());
        // It stirs before it reads its mail: if that was seen to be gone, so is this.
        fence(Ordering::Acquire);
        let stirs = self.stirs.load(SeqCst);
        (stirs % 2 == 1 && !has_mail).then_some(stirs)
    }
}

impl Shared {
    /// For loops with these queues.
    pub(super) fn new(name: String, stealers: Vec<Stealer<Unstarted>>) -> Self {
        let member = |stealer| Member {
            stealer,
            inbox: OnceLock::new(),
            stirs: AtomicUsize::new(0),
            has_ended: AtomicBool::new(false),
            view: OnceLock::new(),
        };
        Self {
            name,
            injector: Injector::new(),
            open: Mutex::new(true),
            members: stealers.into_iter().map(member).collect(),
            beds: Beds::new(),
            somebody_looks: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            standstills: AtomicUsize::new(0),
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
        fence(SeqCst);
        (0..self.members.len()).for_each(|who| self.wake(who));
    }

    /// This one can do nothing, and everything is to end. Whether that is so on all of them; then this is the only one
    /// that hears it, until it has done something about it.
    ///
    /// All are looked at twice, and none may have stirred in between: at the instant between the two looks all were still,
    /// none had mail, and so none of them could ever go on. One look does not say that: while it goes from one to the next,
    /// a message may go the other way.
    pub(super) fn is_all_still(&self, who: usize) -> bool {
        let standstills = self.standstills.load(SeqCst);
        self.members[who].stirs.fetch_or(1, SeqCst);
        let look = || -> Option<Vec<usize>> { self.members.iter().map(Member::is_still).collect() };
        let first = look();
        first.is_some()
            && look() == first
            && !self.has_work()
            && self
                .standstills
                .compare_exchange(standstills, standstills + 1, SeqCst, SeqCst)
                .is_ok()
    }

    /// This one looks around again, and may find something to do.
    pub(super) fn stirs(&self, who: usize) {
        let stirs = &self.members[who].stirs;
        stirs.store((stirs.load(SeqCst) | 1) + 1, SeqCst);
    }

    /// This one has ended.
    pub(super) fn member_ended(&self, who: usize) {
        self.members[who].has_ended.store(true, SeqCst);
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
        self.members[who].has_ended.load(SeqCst)
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
