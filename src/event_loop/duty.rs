//! What a loop of a pool does besides: begins what its pool has to do, and sleeps and ends as one of many.
//!
//! Where a loop belongs to no pool, all of this does nothing.

use std::cell::Cell;
use std::time::Duration;

use crate::task::{Home, Inbox, Source};
use crate::wait;

/// Resumes after which something new begins although there are tasks that go on.
const BEGIN_AFTER: usize = 64;
/// How often a loop that is to end and can do nothing looks whether all others are in the same state.
pub(super) const STILL: Duration = Duration::from_millis(5);

/// One loop's duty in its pool.
pub(super) struct Duty {
    /// Resumes since it began something.
    begun: Cell<usize>,
    /// How often it has looked, to no avail, whether all loops stand still.
    stood: Cell<u32>,
}

impl Duty {
    /// Nothing done yet.
    pub(super) fn new() -> Self {
        Self { begun: Cell::new(0), stood: Cell::new(0) }
    }

    /// Begins what the pool has to do, if there is anything: makes a task of it, to run after all others. How many that
    /// are.
    #[inline(always)]
    pub(super) fn begins(&self, home: &'static Home) -> usize {
        home.source().map_or(0, |source| usize::from(self.begins_one(home, source, false)))
    }

    /// The same while there are tasks that go on, so that nothing waits for ever to begin: to run before all others.
    #[inline(always)]
    pub(super) fn begins_now_and_then(&self, home: &'static Home, resumes: usize) {
        let Some(source) = home.source() else { return };
        self.begun.set(self.begun.get() + resumes);
        if self.begun.get() >= BEGIN_AFTER {
            self.begun.set(0);
            self.begins_one(home, source, true);
        }
    }

    /// Makes a task of what this has, if there is anything.
    #[inline(always)]
    fn begins_one(&self, home: &'static Home, source: &dyn Source, first: bool) -> bool {
        home.set_current(None);
        while let Some(unstarted) = source.next() {
            // What borrows has a scope that says when it is to end.
            if source.is_closing() && !wait::is_lent(unstarted) {
                wait::refuse(unstarted);
            } else if let Some(task) = wait::start(unstarted, home) {
                self.begun.set(0);
                if first {
                    task.enqueue_first();
                } else {
                    task.enqueue();
                }
                return true;
            }
        }
        false
    }

    /// There are tasks that go on: if the loop was woken for something new, another one is.
    #[inline(always)]
    pub(super) fn is_busy(&self, home: &Home) {
        if let Some(source) = home.source() {
            source.is_busy();
        }
    }

    /// Whether the pool is to end. A loop that belongs to none has nothing to wait for.
    #[inline(always)]
    pub(super) fn is_over(&self, home: &Home) -> bool {
        home.source().is_none_or(|source| source.is_closing())
    }

    /// Sleeps until there is mail, or for that long; or until there is something to begin. When the pool is to end it
    /// sleeps only if the loop was told so.
    pub(super) fn sleeps(
        &self,
        home: &Home,
        inbox: &Inbox,
        is_draining: bool,
        at_most: Option<Duration>,
    ) {
        match home.source() {
            // A pool that ends gets no work any more.
            Some(source) if source.is_closing() => {
                if is_draining {
                    inbox.sleep(at_most);
                }
            }
            Some(source) => {
                if source.lies_down(at_most) {
                    inbox.sleep(at_most);
                    source.gets_up();
                }
            }
            None => inbox.sleep(at_most),
        }
    }

    /// Nothing on this loop can go on, and everything is to end. While others of the pool may yet do something for those
    /// that wait here it sleeps a little, and tells how often it has done so; `None` if they will not.
    pub(super) fn stands_by(&self, home: &Home, inbox: &Inbox) -> Option<u32> {
        let source = home.source()?;
        // Where all wait for children, which are on other loops, those find out which of them does not end.
        let hope = !source.is_all_still() || all_wait_for_children(home);
        if hope {
            inbox.sleep(Some(STILL));
            self.stood.set(self.stood.get() + 1);
        }
        source.stirs();
        hope.then(|| self.stood.get())
    }
}

/// Whether all tasks of a loop wait for children.
fn all_wait_for_children(home: &Home) -> bool {
    home.all().all(|task| task.wait().is_some_and(|wait| wait.is_for_children()))
}
