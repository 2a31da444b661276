//! Data that one at a time has.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;

use super::cell::{Exclusive, One, Origin};
use super::stats::Stats;
use super::would_wait::WouldWait;

/// Data that one at a time has: the others wait until it is their turn, in the order in which they came.
///
/// The guard may be kept over a pause: that is what this is for, where [`std::sync::Mutex`] would block the whole
/// thread. It is not poisoned by a panic. Who locks it twice waits for ever; a
/// [virtual clock](crate::Clock::virtual_time) finds that out, and names who has what.
///
/// Dropping the guard unlocks, on whatever thread. As long as a guard exists the lock stays locked, also when
/// the task that took it has ended.
///
/// ```
/// use segno::sync::Mutex;
///
/// let notes = Mutex::new(Vec::new());
/// segno::run(|| {
///     segno::scope(|s| {
///         for who in ["first", "second"] {
///             let notes = &notes;
///             s.spawn(move || {
///                 let mut notes = notes.lock();
///                 for bar in 1..=2 {
///                     notes.push((who, bar));
///                     segno::yield_now(); // still locked
///                 }
///             });
///         }
///     });
/// });
/// assert_eq!(notes.into_inner(), [("first", 1), ("first", 2), ("second", 1), ("second", 2)]);
/// ```
pub struct Mutex<T: ?Sized> {
    /// The data and its lock.
    data: One<T>,
}

/// The data of a [`Mutex`], as long as one has it.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct MutexGuard<'a, T: ?Sized> {
    /// The data.
    data: Exclusive<'a, T>,
}

impl<T> Mutex<T> {
    /// Data that nobody has.
    pub const fn new(value: T) -> Self {
        Self { data: One::new(value) }
    }

    /// The data.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks it, and waits until that is possible.
    ///
    /// # Pausing
    /// Pauses while others have it or have waited longer. If the task is cancelled it unwinds, also if it would not
    /// have to wait; with `panic = "abort"` it waits as ever. Outside a task it blocks the thread.
    ///
    /// While a panic or a cancellation unwinds here, it takes the lock if that is free. If not, and if somebody on
    /// another thread has it, it blocks the thread, before others who wait; if a task of its own loop or the thread
    /// itself has it, that one could never release it then, and the process is aborted, with a message.
    ///
    /// # Panics
    /// When it would wait for ever because the task that has it was given up, and its stack with the guard on it.
    #[inline(always)]
    #[track_caller]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { data: self.data.exclusive(&"lock", Location::caller()) }
    }

    /// Locks it, if it is free and nobody waits for it.
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Errors
    /// When it would have to wait; the error says for whom.
    #[track_caller]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, WouldWait> {
        let data = self.data.try_exclusive(Location::caller());
        Ok(MutexGuard { data: data.map_err(WouldWait::new)? })
    }

    /// The data, which nobody can have locked now.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }

    /// Whether somebody has it.
    pub fn is_locked(&self) -> bool {
        self.data.is_taken()
    }

    /// Who has it, and how many wait.
    pub fn stats(&self) -> Stats {
        self.data.stats()
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Where to get it again after it was given back.
    pub(super) fn origin(&self) -> Origin<'a, T> {
        self.data.origin()
    }

    /// The guard of data that was lent again.
    pub(super) fn of(data: Exclusive<'a, T>) -> Self {
        Self { data }
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.data
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    /// The data too, if it can be had without waiting.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        let mut out = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(guard) => out.field("data", &&*guard),
            Err(_) => out.field("data", &format_args!("<locked>")),
        };
        stats.describe(&mut out).finish()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
