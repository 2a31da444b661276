//! Waiting until data behind a mutex is as one needs it.

use std::fmt;
use std::panic::Location;

use super::mutex::MutexGuard;
use super::raw::cannot_wait;
use super::stats::Stats;
use crate::task::{Denied, Home, Subject, Wait};
use crate::wait::{Asker, Attempt, Locked, Operation, Queue, Woken, wake};

/// Something about the data of a [`Mutex`](super::Mutex) that may have changed.
///
/// Waiting gives the lock back and takes it again; a notification that comes between is not lost. Who waits
/// longest is notified first. It never returns for no reason, but by the time it has the lock again others may
/// have changed the data: [`wait_while`](Self::wait_while) looks again.
///
/// ```
/// use segno::sync::{Condvar, Mutex};
///
/// let (queue, filled) = (Mutex::new(Vec::new()), Condvar::new());
/// segno::run(|| {
///     segno::scope(|s| {
///         let first = s.spawn(|| filled.wait_while(queue.lock(), |queue| queue.is_empty()).pop());
///         queue.lock().push(7);
///         filled.notify_one();
///         assert_eq!(first.join().unwrap(), Some(7));
///     });
/// });
/// ```
pub struct Condvar {
    /// Who waits; a slot says how its waiter was notified.
    waiting: Locked<Queue<Option<Notice>>>,
}

/// How somebody was notified.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Notice {
    /// As the one who had waited longest.
    One,
    /// As all who waited.
    All,
}

/// The one who has waited longest is notified.
fn notify(waiting: &mut Queue<Option<Notice>>) -> Option<Woken> {
    waiting.complete(|notice| *notice = Some(Notice::One)).map(|((), woken)| woken)
}

/// Waiting for a notification.
struct Waiting;

impl Operation for Waiting {
    type State = Queue<Option<Notice>>;
    type Slot = Option<Notice>;

    #[inline(always)]
    fn attempt(_: &mut Self::State, _: &mut Option<Notice>) -> Attempt {
        Attempt::Wait
    }

    #[inline(always)]
    fn queue(state: &mut Self::State) -> &mut Self::State {
        state
    }

    /// The next one gets the notification, unless all have got it.
    fn pass_on(state: &mut Self::State, notice: &mut Option<Notice>) -> Option<Woken> {
        if notice.take() == Some(Notice::One) { notify(state) } else { None }
    }
}

impl Condvar {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self { waiting: Locked::new(Queue::new()) }
    }

    /// Gives the lock back, waits for a notification, and takes the lock again.
    ///
    /// # Pausing
    /// Always pauses. If the task is cancelled while it waits for the notification it unwinds, without the lock, and
    /// the notification goes to another one. Once notified it takes the lock, whatever is cancelled. With `panic = "abort"` it waits as ever. Outside a task it blocks the thread.
    ///
    /// While a panic or a cancellation unwinds here, the process is aborted, with a message.
    ///
    /// # Panics
    /// As [`Mutex::lock`](super::Mutex::lock), when the mutex will never be free.
    #[inline(always)]
    #[track_caller]
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.wait_at(guard, Location::caller())
    }

    /// Waits as long as the data is so; not at all if it is not.
    ///
    /// # Pausing
    /// As [`wait`](Self::wait), if it has to wait.
    #[inline(always)]
    #[track_caller]
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        let at = Location::caller();
        while condition(&mut guard) {
            guard = self.wait_at(guard, at);
        }
        guard
    }

    /// Both of them.
    #[inline(always)]
    #[track_caller]
    fn wait_at<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        at: &'static Location<'static>,
    ) -> MutexGuard<'a, T> {
        let wait = Wait { what: &"wait", at, subject: Subject::NONE };
        let origin = guard.origin();
        let give_back = || drop(guard);
        match (Asker::here(at), Home::running_task()) {
            // Nothing unwinds in this program: it waits as ever.
            (Asker::Nobody(Denied::Cancelled), Some(task)) => {
                self.waiting.insist_and::<Waiting>(task, wait, None, give_back);
            }
            (Asker::Nobody(_), _) => cannot_wait(wait, &"nobody knows who will notify it"),
            (asker, _) => {
                // Whoever may wait here does: it is notified.
                let _ = self.waiting.operate_and::<Waiting>(asker, wait, None, give_back);
            }
        }
        MutexGuard::of(origin.lend(&"lock", at))
    }

    /// Lets the one go on that has waited longest. Returns whether there was one.
    ///
    /// # Pausing
    /// Never pauses.
    pub fn notify_one(&self) -> bool {
        let woken = self.waiting.with(notify);
        let there = woken.is_some();
        wake(woken);
        there
    }

    /// Lets all go on that wait now. Returns how many they were.
    ///
    /// # Pausing
    /// Never pauses.
    pub fn notify_all(&self) -> usize {
        let before = self.waiting.with(|waiting| waiting.next_ticket());
        let mut notified = 0;
        self.waiting.wake_all(|waiting| {
            let ((), woken) = waiting.complete_before(before, |slot| *slot = Some(Notice::All))?;
            notified += 1;
            Some(woken)
        });
        notified
    }

    /// How many wait.
    pub fn stats(&self) -> Stats {
        self.waiting.with(|waiting| Stats {
            waiting: waiting.len(),
            peak: waiting.peak(),
            holder: None,
        })
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().describe(&mut f.debug_struct("Condvar")).finish()
    }
}
