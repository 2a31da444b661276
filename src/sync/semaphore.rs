//! A limited number of permits.

use std::fmt;
use std::panic::Location;

use super::raw::cannot_wait;
use super::stats::Stats;
use super::would_wait::WouldWait;
use crate::task::{Denied, Home, Subject, Wait};
use crate::wait::{Asker, Attempt, Locked, Operation, Queue, Woken};

/// A number of permits: who takes some and finds too few waits until others have been given back.
///
/// First come, first served: one who waits for many is not passed by those who want few.
///
/// ```
/// use segno::sync::Semaphore;
/// use std::cell::Cell;
///
/// let (seats, most, seated) = (Semaphore::new(2), Cell::new(0), Cell::new(0));
/// segno::run(|| {
///     segno::join_all((0..6).map(|_| {
///         || {
///             let _seat = seats.acquire();
///             seated.set(seated.get() + 1);
///             most.set(most.get().max(seated.get()));
///             segno::yield_now();
///             seated.set(seated.get() - 1);
///         }
///     }));
/// });
/// assert_eq!(most.get(), 2);
/// ```
pub struct Semaphore {
    /// The permits, and who waits for some.
    state: Locked<State>,
}

/// What is behind the lock.
struct State {
    /// Permits that nobody has.
    free: usize,
    /// Who waits.
    waiting: Queue<Request>,
}

/// What somebody asks for.
struct Request {
    /// So many.
    permits: usize,
    /// Whether they were granted.
    granted: bool,
}

impl State {
    /// The first who waits gets what it wants, if there is as much.
    #[inline(always)]
    fn hand_over(&mut self) -> Option<Woken> {
        let wanted = self.waiting.first(|request| request.permits)?;
        let left = self.free.checked_sub(wanted)?;
        let ((), woken) = self.waiting.complete(|request| request.granted = true)?;
        self.free = left;
        Some(woken)
    }
}

/// Taking permits.
struct Taking;

impl Operation for Taking {
    type State = State;
    type Slot = Request;

    #[inline(always)]
    fn attempt(state: &mut State, slot: &mut Request) -> Attempt {
        match state.free.checked_sub(slot.permits) {
            Some(left) if state.waiting.is_empty() => {
                state.free = left;
                slot.granted = true;
                Attempt::Done(None)
            }
            _ => Attempt::Wait,
        }
    }

    #[inline(always)]
    fn queue(state: &mut State) -> &mut Queue<Request> {
        &mut state.waiting
    }

    fn pass_on(state: &mut State, slot: &mut Request) -> Option<Woken> {
        if std::mem::take(&mut slot.granted) {
            state.free += slot.permits;
        }
        state.hand_over()
    }

    fn left(state: &mut State, _: &mut Request) -> Option<Woken> {
        state.hand_over()
    }
}

/// Permits of a [`Semaphore`]; dropping them gives them back.
#[must_use = "the permits are given back at once if this is not kept"]
#[derive(Debug)]
pub struct Permit<'a> {
    /// Where they are from.
    semaphore: &'a Semaphore,
    /// How many they are.
    permits: usize,
}

impl Semaphore {
    /// So many permits.
    pub const fn new(permits: usize) -> Self {
        Self { state: Locked::new(State { free: permits, waiting: Queue::new() }) }
    }

    /// Takes one permit, and waits until there is one.
    ///
    /// # Pausing
    /// As [`acquire_many`](Self::acquire_many).
    #[inline(always)]
    #[track_caller]
    pub fn acquire(&self) -> Permit<'_> {
        self.acquire_at(1, Location::caller())
    }

    /// Takes so many permits, all at once, and waits until there are as many.
    ///
    /// # Pausing
    /// Pauses while there are too few, or others have waited longer. If the task is cancelled it unwinds, also if it
    /// would not have to wait; with `panic = "abort"` it waits as ever. Outside a task it blocks the thread.
    ///
    /// While a panic or a cancellation unwinds here, it takes the permits if they are there; if not, the process
    /// is aborted, with a message: use [`try_acquire`](Self::try_acquire) there.
    #[inline(always)]
    #[track_caller]
    pub fn acquire_many(&self, permits: usize) -> Permit<'_> {
        self.acquire_at(permits, Location::caller())
    }

    /// Both of them.
    #[inline(always)]
    #[track_caller]
    fn acquire_at(&self, permits: usize, at: &'static Location<'static>) -> Permit<'_> {
        let wait = Wait { what: &"acquire", at, subject: Subject::NONE };
        let request = Request { permits, granted: false };
        if let Err((denied, request)) =
            self.state.operate::<Taking>(Asker::at_hand(at), wait, request)
        {
            self.acquire_all_the_same(denied, wait, request);
        }
        Permit { semaphore: self, permits }
    }

    /// Takes permits where one cannot pause.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn acquire_all_the_same(&self, denied: Denied, wait: Wait, request: Request) {
        match (denied, Home::running_task()) {
            // Nothing unwinds in this program: it waits as ever.
            (Denied::Cancelled, Some(task)) => {
                self.state.insist::<Taking>(task, wait, request);
            }
            _ => cannot_wait(wait, &"nobody knows who will give permits back"),
        }
    }

    /// Takes one permit, if there is one and nobody waits.
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Errors
    /// When it would have to wait.
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, WouldWait> {
        self.try_acquire_many(1)
    }

    /// Takes so many permits, if there are as many and nobody waits.
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Errors
    /// When it would have to wait.
    #[inline]
    pub fn try_acquire_many(&self, permits: usize) -> Result<Permit<'_>, WouldWait> {
        match self.state.attempt::<Taking>(Request { permits, granted: false }) {
            Ok(_) => Ok(Permit { semaphore: self, permits }),
            Err(_) => Err(WouldWait::new(None)),
        }
    }

    /// Adds permits: also those of a [`Permit`] that was [forgotten](Permit::forget).
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Panics
    /// If there were more than `usize::MAX` then.
    #[inline(always)]
    #[track_caller]
    pub fn add_permits(&self, permits: usize) {
        let (fits, woken) = self.state.with(|state| match state.free.checked_add(permits) {
            Some(free) => {
                state.free = free;
                (true, state.hand_over())
            }
            None => (false, None),
        });
        assert!(fits, "more permits than can be counted");
        if let Some(woken) = woken {
            woken.wake();
            self.state.wake_all(State::hand_over);
        }
    }

    /// Permits that nobody has.
    pub fn available(&self) -> usize {
        self.state.with(|state| state.free)
    }

    /// How many wait.
    pub fn stats(&self) -> Stats {
        self.state.with(|state| Stats {
            waiting: state.waiting.len(),
            peak: state.waiting.peak(),
            holder: None,
        })
    }
}

impl Permit<'_> {
    /// How many they are.
    pub fn permits(&self) -> usize {
        self.permits
    }

    /// Does not give them back: somebody else will, by [`add_permits`](Semaphore::add_permits).
    pub fn forget(mut self) {
        self.permits = 0;
    }
}

impl Drop for Permit<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.permits > 0 {
            self.semaphore.add_permits(self.permits);
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Semaphore");
        out.field("available", &self.available());
        self.stats().describe(&mut out).finish()
    }
}
