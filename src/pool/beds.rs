//! Who sleeps, and who is woken for new work.
//!
//! ```text
//!        who brings work                       a loop with nothing to do
//!   put it into a queue                    lie down: it is in the list from now on
//!   (fence)                                (fence)
//!   does anybody sleep?                    is there anything in a queue?
//!     take one from the list, wake it        get up again
//! ```
//!
//! Each side stores first and looks then, with a fence between: so at least one of the two sees the other, and no work is
//! left in a queue beside one who sleeps. Who brings work pays next to nothing for its fence; who lies down pays for both
//! (see `wait::fence`).
//!
//! Whoever is taken from the list was *called*: it owes a look at the queues, or, if its own tasks keep it busy, it calls
//! the next one. So a call is never lost with somebody who has other things to do. Who finds work after a call, and more
//! of it, calls the next one, too: that is how all are awake when there is enough for all, although each who brings
//! something calls one.

use std::collections::VecDeque;

use crate::model::sync::atomic::{AtomicUsize, Ordering};
use crate::model::sync::{Mutex, MutexGuard, PoisonError};
use crate::wait::fence;

/// Who sleeps.
pub(super) struct Beds {
    /// How many. Relaxed: the fences order it.
    sleeping: AtomicUsize,
    /// Which loops. Who has slept longest is called first: tasks stay where they begin, so they are to begin on one
    /// after the other.
    list: Mutex<VecDeque<usize>>,
}

impl Beds {
    /// Nobody sleeps.
    pub(super) fn new() -> Self {
        Self { sleeping: AtomicUsize::new(0), list: Mutex::new(VecDeque::new()) }
    }

    /// The list.
    fn list(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This one is about to sleep. It has to look for work once more.
    pub(super) fn lie_down(&self, who: usize) {
        let mut list = self.list();
        list.push_back(who);
        self.sleeping.store(list.len(), Ordering::Relaxed);
        drop(list);
        fence::rarely();
    }

    /// This one does not sleep any more. Whether it was called.
    pub(super) fn get_up(&self, who: usize) -> bool {
        let mut list = self.list();
        let Some(at) = list.iter().position(|other| *other == who) else { return true };
        list.remove(at);
        self.sleeping.store(list.len(), Ordering::Relaxed);
        false
    }

    /// Takes one that sleeps, for work that was just put into a queue.
    #[inline(always)]
    pub(super) fn call(&self) -> Option<usize> {
        fence::often();
        if self.sleeping.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.call_one()
    }

    /// Takes one that sleeps.
    #[cold]
    fn call_one(&self) -> Option<usize> {
        let mut list = self.list();
        let who = list.pop_front();
        self.sleeping.store(list.len(), Ordering::Relaxed);
        who
    }

    /// How many sleep.
    pub(super) fn sleeping(&self) -> usize {
        self.sleeping.load(Ordering::Relaxed)
    }
}
