//! The lock around what several tasks and threads share: almost free while only one loop uses it.
//!
//! ```text
//!            first use on a loop              first use anywhere else
//!   NOBODY ----------------------> that loop --------> CHANGING ------> SHARED
//!      |                                               heavy fence, and wait until the loop is out
//!      '--- first use outside every loop -------------------------------^
//! ```
//!
//! A channel or a lock whose users are all tasks of one loop is never used by two threads at once, so that
//! loop takes the lock with plain loads and stores: 1 ns instead of the 5 of an atomic exchange. Whoever else
//! comes along first takes this privilege away, once and for all. That is Dekker's algorithm with an
//! asymmetric [fence]:
//!
//! | the loop | the other one |
//! |---|---|
//! | says WITHIN | says CHANGING |
//! | light fence | heavy fence |
//! | is the lock still its own? If not, takes WITHIN back and goes the way of all others | waits until the loop is not WITHIN, then says SHARED |
//!
//! Either the loop sees CHANGING, or the other one sees WITHIN. That is a flag of its own, and not the one that is
//! exchanged when the lock is SHARED: a loop that was held up before it says WITHIN may say so, and take it back,
//! long after others have gone on. (The idea is that of biased locks: Kawachiya,
//! Koseki, Onodera: "Lock reservation", OOPSLA 2002.)
//!
//! SHARED, it is one exchange to take and one store to release. Nobody sleeps at it: what happens under the
//! lock is some loads and stores of this library, no code of its users and no pause, so whoever finds it taken
//! looks again, and after some time lets other threads run. Those who have to wait for long wait in a
//! [queue](super::queue), without the lock.

#![allow(unsafe_code, reason = "lends what is behind the lock")]

use std::panic::{RefUnwindSafe, UnwindSafe};

use super::fence;
use crate::model::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::model::{UnsafeCell, constant, relax};
use crate::report;
use crate::task::Home;

/// Nobody has used it yet. No loop has this number.
const NOBODY: u64 = 0;
/// Somebody takes the privilege away from a loop. No loop has this number.
const CHANGING: u64 = u64::MAX - 1;
/// Everybody uses it alike. No loop has this number.
const SHARED: u64 = u64::MAX;

/// Something behind a lock.
pub(crate) struct Locked<S> {
    /// The number of the loop that alone uses it; or one of the three above.
    owner: AtomicU64,
    /// Whether the loop that owns it is at what is behind it, or is about to find out that it owns it no more. Only
    /// that loop's thread writes it: with Release when it leaves, for who makes the lock SHARED.
    within: AtomicBool,
    /// Whether somebody is at what is behind it, when it is SHARED. Released with Release, taken with Acquire.
    busy: AtomicBool,
    /// What is behind it.
    state: UnsafeCell<S>,
}

// SAFETY: one at a time gets at the state, and what went before is seen: that is what the lock is for.
unsafe impl<S: Send> Sync for Locked<S> {}
// SAFETY: it owns the state.
unsafe impl<S: Send> Send for Locked<S> {}

// A panic leaves what is behind it in order: no code of users runs there.
impl<S> UnwindSafe for Locked<S> {}
impl<S> RefUnwindSafe for Locked<S> {}

/// The lock is held as long as this lives.
pub(super) struct Held<'a, S> {
    /// The lock.
    locked: &'a Locked<S>,
    /// What says so.
    flag: &'a AtomicBool,
}

impl<S> Locked<S> {
    constant! {
        /// Nobody has used it yet.
        pub(crate) fn new(state: S) -> Self {
            Self {
                owner: AtomicU64::new(NOBODY),
                within: AtomicBool::new(false),
                busy: AtomicBool::new(false),
                state: UnsafeCell::new(state),
            }
        }
    }

    /// Lends what is behind the lock. The closure runs no code of users and does not pause, nor does it come
    /// back to this lock.
    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut S) -> R) -> R {
        let held = self.hold(Home::here());
        // SAFETY: the lock is held, by the line above only, and for as long as the closure has it.
        held.locked.state.with_mut(|state| f(unsafe { &mut *state }))
    }

    /// Takes the lock. The caller knows which loop runs here, if one does. No home is seen by another thread, so the
    /// number of one says whose thread this is.
    #[inline(always)]
    pub(super) fn hold(&self, here: Option<&Home>) -> Held<'_, S> {
        Held { locked: self, flag: self.acquire(here) }
    }

    /// Takes the lock. Returns what says so: the lock is given back by taking that back.
    #[inline(always)]
    fn acquire(&self, here: Option<&Home>) -> &AtomicBool {
        // Acquire, with `share`: what the loop did behind the lock while it was its own. The rest comes with `busy`.
        let owner = self.owner.load(Ordering::Acquire);
        if here.is_some_and(|home| home.id() == owner) {
            if self.enter(owner) {
                return &self.within;
            }
        } else if owner == SHARED && !self.busy.swap(true, Ordering::Acquire) {
            return &self.busy;
        }
        self.acquire_slowly()
    }

    /// Takes it on the loop that owns it. False if it does not any more.
    #[inline(always)]
    fn enter(&self, owner: u64) -> bool {
        // Only this thread writes.
        if self.within.load(Ordering::Relaxed) {
            entered_twice();
        }
        self.within.store(true, Ordering::Relaxed);
        fence::light();
        let own = self.owner.load(Ordering::Relaxed) == owner;
        if !own {
            self.within.store(false, Ordering::Release);
        }
        own
    }

    /// Every way but the two fast ones.
    #[cold]
    #[inline(never)]
    fn acquire_slowly(&self) -> &AtomicBool {
        let mut tries = 0;
        loop {
            match self.owner.load(Ordering::Acquire) {
                SHARED => {
                    if !self.busy.swap(true, Ordering::Acquire) {
                        return &self.busy;
                    }
                }
                CHANGING => {}
                NOBODY => {
                    let home = if fence::is_there() { Home::here() } else { None };
                    let owner = home.map_or(SHARED, Home::id);
                    // Whoever was first: the next look tells.
                    let _ = self.owner.compare_exchange(
                        NOBODY,
                        owner,
                        Ordering::AcqRel,
                        Ordering::Relaxed,
                    );
                    continue;
                }
                owner if Home::here().is_some_and(|home| home.id() == owner) => {
                    if self.enter(owner) {
                        return &self.within;
                    }
                }
                owner => {
                    self.share(owner);
                    continue;
                }
            }
            relax(tries);
            tries += 1;
        }
    }

    /// Takes the privilege away from the loop that has it, unless somebody else is doing that.
    fn share(&self, owner: u64) {
        let first =
            self.owner.compare_exchange(owner, CHANGING, Ordering::AcqRel, Ordering::Relaxed);
        if first.is_err() {
            return;
        }
        fence::heavy();
        let mut tries = 0;
        // Acquire, with the loop's last release: what it did behind the lock.
        while self.within.load(Ordering::Acquire) {
            relax(tries);
            tries += 1;
        }
        // Release: whoever sees this has the above behind it.
        self.owner.store(SHARED, Ordering::Release);
    }

    /// Takes the lock until [`release`](Self::release).
    #[inline(always)]
    pub(super) fn take(&self) {
        self.acquire(Home::here());
    }

    /// Gives the lock back.
    ///
    /// # Safety
    /// It was [taken](Self::take), and no reference to what is behind it is left.
    pub(super) unsafe fn release(&self) {
        // Relaxed: whoever took it as shared has seen so, and it is not made shared while its loop is in.
        let shared = self.owner.load(Ordering::Relaxed) == SHARED;
        drop(Held { locked: self, flag: if shared { &self.busy } else { &self.within } });
    }

    /// What is behind it, while the lock is held by other means than [`with`](Self::with).
    ///
    /// # Safety
    /// The lock is held, and this is the only reference.
    #[inline(always)]
    pub(super) unsafe fn state<R>(&self, f: impl FnOnce(&mut S) -> R) -> R {
        // SAFETY: the caller's promise.
        self.state.with_mut(|state| f(unsafe { &mut *state }))
    }

    /// Where the lock is: those who take several take them in the order of this.
    pub(super) fn address(&self) -> usize {
        (&raw const self.busy).addr()
    }
}

impl<S> Held<'_, S> {
    /// What is behind the lock.
    #[inline(always)]
    pub(super) fn state<R>(&mut self, f: impl FnOnce(&mut S) -> R) -> R {
        // SAFETY: the lock is held, and `&mut self` makes this the only way to it.
        unsafe { self.locked.state(f) }
    }
}

impl<S> Drop for Held<'_, S> {
    #[inline(always)]
    fn drop(&mut self) {
        // The lock was taken before this was made; the closures that had references have returned.
        self.flag.store(false, Ordering::Release);
    }
}

/// What is behind a lock was to be lent twice: a mistake of this library's.
#[cold]
fn entered_twice() -> ! {
    report::abort("a lock of the library's own was taken twice by one loop".to_owned());
}
