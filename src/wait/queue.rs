//! Who waits for something, first come, first served.
//!
//! ```text
//!    Queue (behind a lock)         the frames of those who wait
//!    +-------+        +-------+        +-------+        +-------+
//!    | first | -----> | Place | <----> | Place | <----> | Place | <--.
//!    | last  | --.    +-------+        +-------+        +-------+    |
//!    +-------+   |      |  '-> slot      |                |          |
//!                '------|----------------|----------------|----------'
//!                       v                v                v
//!                     Sign             Sign          Waiter, Sign       in the place, if it is the only one
//!                                                                       of who waits; else beside
//! ```
//!
//! A [`Place`] is in the frame of the function that waits, and so costs no allocation. What is exchanged
//! lies in its *slot*: a sender's value, the room for a receiver's. Whoever lets a waiter go on *completes*
//! it, with the lock held: takes its place out, sees to the slot, takes the sleeper, and says *done*. It wakes
//! the sleeper afterwards, without the lock.
//!
//! Who owns what:
//! - While a place is linked, the queue's lock owns its links and its slot.
//! - It is unlinked either by its waiter or by who completes it, with the lock held.
//! - From then on until *done* both belong to who completes; that is still with the lock held. Saying *done*
//!   is its last access. The lock itself may be in memory that goes when the waiter goes on; so a completer
//!   that is not protected from that otherwise must hold a share in it.
//! - After *done*, and after it has unlinked its place itself, all of it is the waiter's again.
//! - So a waiter leaves its frame only when it has seen *done*, or has unlinked its place with the lock held. A
//!   frame that is never left (its stack is leaked) keeps the memory for ever: what is handed to it is lost
//!   unless its task was given up, which unlinks the place first.
//!
//! With places in several queues a waiter is completed in one of them only: the first who *claims* it wins, and
//! the others pass it over. A waiter that will not wait any more claims itself.
//!
//! A queue that is dropped with places in it aborts the process: somebody waits for what has gone.

#![allow(unsafe_code, reason = "links frames of several tasks and threads")]

use std::ptr;

use super::sleeper::{Sleeper, Woken};
use crate::model::UnsafeCell;
use crate::model::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::report;

/// In [`Waiter::won`]: none of its places has been completed.
const NONE: usize = usize::MAX;
/// In [`Waiter::won`]: it does not wait any more.
const GONE: usize = usize::MAX - 1;

/// One who waits, as who completes it finds it.
pub(super) struct Sign {
    /// Whether it was completed. Stored with Release by who completed it, as its last access; loaded with Acquire.
    done: AtomicBool,
    /// Whom to wake; taken by who completes.
    sleeper: UnsafeCell<Sleeper>,
}

impl Sign {
    /// One who is woken this way.
    #[inline(always)]
    fn new(sleeper: Sleeper) -> Self {
        Self { done: AtomicBool::new(false), sleeper: UnsafeCell::new(sleeper) }
    }

    /// Whether it was completed, by somebody who has nothing to do with it any more.
    #[inline(always)]
    pub(super) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    /// Says *done*, and gives whom to wake.
    ///
    /// # Safety
    /// A place of this one has just been unlinked by the caller, or claimed if it has several, and nobody else
    /// has said done. What is in the slot is in order.
    #[inline(always)]
    unsafe fn complete(&self) -> Woken {
        // SAFETY: before *done* the sleeper belongs to who completes, and its owner waits.
        let woken = self.sleeper.with_mut(|sleeper| unsafe { (*sleeper).take() });
        self.done.store(true, Ordering::Release);
        woken
    }
}

/// One who waits in several queues.
pub(crate) struct Waiter {
    /// Which of its places was completed. Relaxed: it decides only who goes on to `done`.
    won: AtomicUsize,
    /// What who completes it finds.
    sign: Sign,
}

impl Waiter {
    /// One who is woken this way.
    pub(super) fn new(sleeper: Sleeper) -> Self {
        Self { won: AtomicUsize::new(NONE), sign: Sign::new(sleeper) }
    }

    /// Whether one of its places was completed, by somebody who has nothing to do with it any more.
    pub(super) fn is_done(&self) -> bool {
        self.sign.is_done()
    }

    /// Which of its places was completed, if one was or is about to be.
    pub(super) fn won(&self) -> Option<usize> {
        let won = self.won.load(Ordering::Relaxed);
        (won < GONE).then_some(won)
    }

    /// Makes a place the one that is completed, if none is yet.
    fn claim(&self, which: usize) -> bool {
        self.won.compare_exchange(NONE, which, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// It does not wait any more, unless it is too late for that: then somebody completes it.
    pub(super) fn give_up(&self) -> bool {
        self.claim(GONE) || self.won.load(Ordering::Relaxed) == GONE
    }
}

/// Whose a place is.
enum Whose {
    /// It is the only one of somebody, who is found right here: one look less at memory that was just written.
    Only(Sign),
    /// The one with this number of somebody who has several.
    OneOf(*const Waiter, usize),
}

/// How a place is linked. All of it belongs to the lock of the queue.
struct Links<V> {
    /// The one behind it.
    next: *const Place<V>,
    /// The one before it.
    previous: *const Place<V>,
    /// Whether it is in the queue.
    linked: bool,
    /// When it came: a number that only grows.
    ticket: u64,
}

/// A place in a queue.
pub(super) struct Place<V> {
    /// Its neighbours.
    links: UnsafeCell<Links<V>>,
    /// What is exchanged.
    slot: UnsafeCell<V>,
    /// Whose place it is.
    whose: Whose,
}

impl<V> Place<V> {
    /// The only place of somebody. Not in a queue yet.
    #[inline(always)]
    pub(super) fn only(sleeper: Sleeper, slot: V) -> Self {
        Self::new(Whose::Only(Sign::new(sleeper)), slot)
    }

    /// One of the places of a waiter. Not in a queue yet.
    pub(super) fn one_of(waiter: &Waiter, which: usize, slot: V) -> Self {
        Self::new(Whose::OneOf(waiter, which), slot)
    }

    /// A place that is not in a queue yet.
    #[inline(always)]
    fn new(whose: Whose, slot: V) -> Self {
        let links = Links { next: ptr::null(), previous: ptr::null(), linked: false, ticket: 0 };
        Self { links: UnsafeCell::new(links), slot: UnsafeCell::new(slot), whose }
    }

    /// What says whether it is done, if it is somebody's only place.
    #[inline(always)]
    pub(super) fn sign(&self) -> &Sign {
        match &self.whose {
            Whose::Only(sign) => sign,
            Whose::OneOf(..) => unreachable!("it has none of its own"),
        }
    }

    /// Lends the slot.
    ///
    /// # Safety
    /// It is the caller's: see the head of this file.
    #[inline(always)]
    pub(super) unsafe fn slot<R>(&self, f: impl FnOnce(&mut V) -> R) -> R {
        // SAFETY: the caller's promise.
        self.slot.with_mut(|slot| f(unsafe { &mut *slot }))
    }

    /// Takes out what is in the slot, when the place is in no queue any more.
    #[inline(always)]
    pub(super) fn into_slot(self) -> V {
        if let Whose::Only(sign) = self.whose {
            // Only a thread has something to drop there, and it waits until that was taken.
            std::mem::forget(sign.sleeper.into_inner());
        }
        self.slot.into_inner()
    }

    /// Lends the links.
    ///
    /// # Safety
    /// The lock is held.
    #[inline(always)]
    unsafe fn links<R>(&self, f: impl FnOnce(&mut Links<V>) -> R) -> R {
        // SAFETY: the caller's promise; the closures in this file look at one place at a time.
        self.links.with_mut(|links| f(unsafe { &mut *links }))
    }
}

/// Those who wait for one thing. It stays behind the lock that it was made for.
pub(crate) struct Queue<V> {
    /// Who came first; null if there is none.
    first: *const Place<V>,
    /// Who came last.
    last: *const Place<V>,
    /// How many there are.
    len: usize,
    /// The most that there ever were.
    peak: usize,
    /// The ticket of the next one.
    ticket: u64,
}

// SAFETY: the places are in frames of others, but what is done to them is done under the lock, or in turns that
// it decides; values change threads that way.
unsafe impl<V: Send> Send for Queue<V> {}

impl<V> Queue<V> {
    /// An empty one.
    pub(crate) const fn new() -> Self {
        Self { first: ptr::null(), last: ptr::null(), len: 0, peak: 0, ticket: 0 }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The most that ever waited at once.
    pub(crate) fn peak(&self) -> usize {
        self.peak
    }

    /// Whether nobody waits.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// The ticket that the next one gets: those who wait now have lower ones.
    pub(crate) fn next_ticket(&self) -> u64 {
        self.ticket
    }

    /// Looks at what the first one wants; it may be one that does not wait any more.
    #[inline(always)]
    pub(crate) fn first<R>(&self, f: impl FnOnce(&V) -> R) -> Option<R> {
        // SAFETY: a place that is linked is there, and belongs to the lock, which is held.
        unsafe { self.first.as_ref().map(|place| place.slot(|slot| f(slot))) }
    }

    /// Lets the first one go on that still waits, after `give` has seen to its slot. Returns whom to wake once
    /// the lock is released.
    #[inline(always)]
    pub(crate) fn complete<R>(&mut self, give: impl FnOnce(&mut V) -> R) -> Option<(R, Woken)> {
        self.complete_before(u64::MAX, give)
    }

    /// The same, for those with lower tickets only.
    #[inline(always)]
    pub(crate) fn complete_before<R>(
        &mut self,
        ticket: u64,
        give: impl FnOnce(&mut V) -> R,
    ) -> Option<(R, Woken)> {
        loop {
            // SAFETY: a place that is linked is there, and belongs to the lock, which is held. Its waiter
            // does not go on before it is told, by `complete` here, unless it unlinks the place itself.
            unsafe {
                let place = self.first.as_ref()?;
                if ticket != u64::MAX && place.links(|links| links.ticket) >= ticket {
                    return None;
                }
                self.unlink_first(place);
                let sign = match &place.whose {
                    Whose::Only(sign) => sign,
                    Whose::OneOf(waiter, which) => {
                        if !(**waiter).claim(*which) {
                            continue;
                        }
                        &(**waiter).sign
                    }
                };
                let given = place.slot(give);
                return Some((given, sign.complete()));
            }
        }
    }

    /// Puts a place at the end.
    ///
    /// # Safety
    /// The place stays where it is, and is neither used nor dropped, until it is unlinked or done. It is in no
    /// queue. The lock is held.
    #[inline(always)]
    pub(super) unsafe fn link(&mut self, place: &Place<V>) {
        let last = self.last;
        let ticket = self.ticket;
        self.ticket += 1;
        // SAFETY: the lock is held; what is linked is there.
        unsafe {
            place.links(|links| {
                *links = Links { next: ptr::null(), previous: last, linked: true, ticket };
            });
            match last.as_ref() {
                Some(last) => last.links(|links| links.next = place),
                None => self.first = place,
            }
        }
        self.last = place;
        self.grown();
    }

    /// Puts a place before all others: for one that holds up its thread.
    ///
    /// # Safety
    /// As for [`link`](Self::link).
    pub(super) unsafe fn link_first(&mut self, place: &Place<V>) {
        let first = self.first;
        // SAFETY: as in `link`. Among places in front of others tickets need not grow.
        unsafe {
            place.links(|links| {
                *links = Links { next: first, previous: ptr::null(), linked: true, ticket: 0 };
            });
            match first.as_ref() {
                Some(first) => first.links(|links| links.previous = place),
                None => self.last = place,
            }
        }
        self.first = place;
        self.grown();
    }

    /// One more.
    #[inline(always)]
    fn grown(&mut self) {
        self.len += 1;
        if self.len > self.peak {
            self.peak = self.len;
        }
    }

    /// Takes the first place out. The lock is held.
    ///
    /// # Safety
    /// The place is the first in this queue.
    #[inline(always)]
    unsafe fn unlink_first(&mut self, place: &Place<V>) {
        // SAFETY: the lock is held; what is linked is there.
        unsafe {
            let next = place.links(|links| {
                links.linked = false;
                links.next
            });
            self.first = next;
            match next.as_ref() {
                Some(next) => next.links(|links| links.previous = ptr::null()),
                None => self.last = ptr::null(),
            }
        }
        self.len -= 1;
    }

    /// Takes a place out, if it is in there. The lock is held.
    ///
    /// # Safety
    /// The place is in this queue or in none.
    #[inline(always)]
    pub(super) unsafe fn unlink(&mut self, place: &Place<V>) -> bool {
        // SAFETY: the lock is held; what is linked is there.
        unsafe {
            let (next, previous, linked) = place.links(|links| {
                (links.next, links.previous, std::mem::replace(&mut links.linked, false))
            });
            if !linked {
                return false;
            }
            match previous.as_ref() {
                Some(previous) => previous.links(|links| links.next = next),
                None => self.first = next,
            }
            match next.as_ref() {
                Some(next) => next.links(|links| links.previous = previous),
                None => self.last = previous,
            }
        }
        self.len -= 1;
        true
    }
}

impl<V> Drop for Queue<V> {
    fn drop(&mut self) {
        if !self.is_empty() {
            report::abort(format!(
                "something was dropped that {} wait for: a borrow has outlived its frame",
                self.len
            ));
        }
    }
}
