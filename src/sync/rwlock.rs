//! Data that one may change or many may read.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;

use super::cell::{Exclusive, Many, Shared};
use super::stats::Stats;
use super::would_wait::WouldWait;

/// Data that many may read at once, or one may change.
///
/// First come, first served: a reader that comes while a writer waits goes behind it, so writers do not starve.
/// Hence a task that reads must not ask to read once more: a writer may have come between, and both would wait for
/// ever.
///
/// In everything else it is as [`Mutex`](super::Mutex).
///
/// ```
/// use segno::sync::RwLock;
///
/// let tempo = RwLock::new(60);
/// {
///     let (one, other) = (tempo.read(), tempo.read());
///     assert_eq!(*one + *other, 120);
///     assert!(tempo.try_write().is_err());
/// }
/// *tempo.write() = 90;
/// assert_eq!(*tempo.read(), 90);
/// ```
pub struct RwLock<T: ?Sized> {
    /// The data and its lock.
    data: Many<T>,
}

/// The data of an [`RwLock`], as long as one reads it.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    /// The data.
    data: Shared<'a, T>,
}

/// The data of an [`RwLock`], as long as one has it alone.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    /// The data.
    data: Exclusive<'a, T>,
}

impl<T> RwLock<T> {
    /// Data that nobody has.
    pub const fn new(value: T) -> Self {
        Self { data: Many::new(value) }
    }

    /// The data.
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Locks it for reading, and waits until that is possible.
    ///
    /// # Pausing
    /// Pauses while one has it for writing, or waits for that. Else as [`Mutex::lock`](super::Mutex::lock).
    #[inline(always)]
    #[track_caller]
    pub fn read(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard { data: self.data.shared(&"read", Location::caller()) }
    }

    /// Locks it for writing, and waits until that is possible.
    ///
    /// # Pausing
    /// Pauses while others have it or have waited longer. Else as [`Mutex::lock`](super::Mutex::lock).
    #[inline(always)]
    #[track_caller]
    pub fn write(&self) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard { data: self.data.exclusive(&"write", Location::caller()) }
    }

    /// Locks it for reading, if nobody writes and nobody waits.
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Errors
    /// When it would have to wait; the error says for whom.
    #[track_caller]
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, WouldWait> {
        let data = self.data.try_shared(Location::caller());
        Ok(RwLockReadGuard { data: data.map_err(WouldWait::new)? })
    }

    /// Locks it for writing, if nobody has it and nobody waits.
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Errors
    /// When it would have to wait; the error says for whom.
    #[track_caller]
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, WouldWait> {
        let data = self.data.try_exclusive(Location::caller());
        Ok(RwLockWriteGuard { data: data.map_err(WouldWait::new)? })
    }

    /// The data, which nobody can have locked now.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }

    /// Whether somebody has it, to read or to write.
    pub fn is_locked(&self) -> bool {
        self.data.is_taken()
    }

    /// Who has it, and how many wait.
    pub fn stats(&self) -> Stats {
        self.data.stats()
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// From now on it is only read, and others may read it too. Nobody writes in between.
    ///
    /// # Pausing
    /// Never pauses.
    pub fn downgrade(self) -> RwLockReadGuard<'a, T> {
        RwLockReadGuard { data: self.data.share() }
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.data
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    /// The data too, if it can be had without waiting.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        let mut out = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(guard) => out.field("data", &&*guard),
            Err(_) => out.field("data", &format_args!("<locked>")),
        };
        stats.describe(&mut out).finish()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
