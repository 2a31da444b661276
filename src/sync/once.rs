//! A value that is made once, by whoever needs it first.

use std::fmt;
use std::panic::Location;
use std::sync::OnceLock;

use super::mutex::Mutex;
use super::stats::Stats;

/// A value that is made once, by whoever asks first; the others wait for that.
///
/// If making it fails (it panics, gives an error, or its task is cancelled), the next one who waits makes it.
///
/// ```
/// use segno::sync::Once;
///
/// static SCORE: Once<String> = Once::new();
///
/// segno::run(|| {
///     let made = std::cell::Cell::new(0);
///     segno::join_all((0..3).map(|_| {
///         || {
///             SCORE.get_or_init(|| {
///                 made.set(made.get() + 1);
///                 segno::yield_now(); // making it may pause
///                 "dal segno".to_owned()
///             });
///         }
///     }));
///     assert_eq!(made.get(), 1);
/// });
/// assert_eq!(SCORE.get().map(String::len), Some(9));
/// ```
pub struct Once<T> {
    /// The value, once it is made.
    value: OnceLock<T>,
    /// Whoever makes it has this.
    making: Mutex<()>,
}

impl<T> Once<T> {
    /// Not made yet.
    pub const fn new() -> Self {
        Self { value: OnceLock::new(), making: Mutex::new(()) }
    }

    /// The value, if it is made.
    ///
    /// # Pausing
    /// Never pauses.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, if it is made.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// The value, made by this if it is not made yet.
    ///
    /// # Pausing
    /// If the value is not made: as the closure does, and as [`Mutex::lock`] while another one makes it. Not at all if it
    /// is.
    ///
    /// # Panics
    /// A panic of the closure goes on. When the closure asks for the value itself: it would wait for ever.
    #[inline]
    #[track_caller]
    pub fn get_or_init(&self, f: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.value.get() {
            return value;
        }
        /// No error.
        enum Never {}
        match self.make(|| Ok::<T, Never>(f()), Location::caller()) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// The value, made by this if it is not made yet and if it can be.
    ///
    /// # Pausing
    /// As [`get_or_init`](Self::get_or_init).
    ///
    /// # Errors
    /// That of the closure. The value is not made then.
    ///
    /// # Panics
    /// As [`get_or_init`](Self::get_or_init).
    #[track_caller]
    pub fn get_or_try_init<E>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        self.make(f, Location::caller())
    }

    /// Makes it, unless another one does.
    #[track_caller]
    fn make<E>(
        &self,
        f: impl FnOnce() -> Result<T, E>,
        at: &'static Location<'static>,
    ) -> Result<&T, E> {
        let holder = self.making.stats().holder;
        if let Some(holder) = holder.filter(|holder| holder.is_me()) {
            panic!(
                "the value asked for at {at} is being made here, by {holder}: it would wait for itself"
            );
        }
        let _making = self.making.lock();
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let value = f()?;
        Ok(self.value.get_or_init(|| value))
    }

    /// Sets the value, unless it is made already or somebody is making it.
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Errors
    /// With the value.
    #[track_caller]
    pub fn set(&self, value: T) -> Result<(), T> {
        match self.making.try_lock() {
            Ok(_making) => self.value.set(value),
            Err(_) => Err(value),
        }
    }

    /// Who makes it, and how many wait for that.
    pub fn stats(&self) -> Stats {
        self.making.stats()
    }

    /// The value, if it is made.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Once");
        match self.get() {
            Some(value) => out.field("value", value),
            None => out.field("value", &format_args!("<not made>")),
        };
        self.making.stats().describe(&mut out).finish()
    }
}
