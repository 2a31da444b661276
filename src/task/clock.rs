//! What time it is: nanoseconds since the loop was made, by the system's clock or by one that stands
//! still until there is nothing else to do.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Which clock a loop goes by.
///
/// ```
/// use segno::{Clock, EventLoop};
/// use std::time::Duration;
///
/// let mut events = EventLoop::builder().clock(Clock::virtual_time()).build();
/// let before = std::time::Instant::now();
/// events.run(|| segno::sleep(Duration::from_secs(3600))).unwrap();
/// assert!(before.elapsed() < Duration::from_secs(60)); // an hour went by in no time
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Whether time stands still until everybody waits.
    virtual_time: bool,
}

impl Clock {
    /// The system's monotonic clock.
    pub const fn system() -> Self {
        Self { virtual_time: false }
    }

    /// A clock that stands still while anything can run, and jumps to the next deadline when everything
    /// waits. Tests with it are exact and take no time. With it, a loop on which nothing can ever go on
    /// is a deadlock, and is reported as one.
    pub const fn virtual_time() -> Self {
        Self { virtual_time: true }
    }

    /// Whether time stands still until everybody waits.
    pub(crate) fn is_virtual(self) -> bool {
        self.virtual_time
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

/// The time of one loop. Later than any deadline is `u64::MAX`: five hundred years.
pub(crate) struct Time {
    /// When the loop was made.
    epoch: Cell<Instant>,
    /// Whether time stands still until everybody waits.
    virtual_time: Cell<bool>,
    /// Nanoseconds since then, when it was looked at last; with a virtual clock, exactly.
    seen: Cell<u64>,
}

impl Time {
    /// Starts now.
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            epoch: Cell::new(Instant::now()),
            virtual_time: Cell::new(clock.is_virtual()),
            seen: Cell::new(0),
        }
    }

    /// Starts anew.
    pub(crate) fn reset(&self, clock: Clock) {
        self.epoch.set(Instant::now());
        self.virtual_time.set(clock.is_virtual());
        self.seen.set(0);
    }

    /// Whether time stands still until everybody waits.
    pub(crate) fn is_virtual(&self) -> bool {
        self.virtual_time.get()
    }

    /// Looks at the clock.
    pub(crate) fn now(&self) -> u64 {
        if !self.virtual_time.get() {
            let now = self.epoch.get().elapsed().as_nanos();
            self.seen.set(u64::try_from(now).unwrap_or(u64::MAX));
        }
        self.seen.get()
    }

    /// Nanoseconds since the loop was made, when the clock was looked at last.
    #[inline(always)]
    pub(crate) fn seen(&self) -> u64 {
        self.seen.get()
    }

    /// A virtual clock jumps.
    pub(crate) fn jump(&self, to: u64) {
        debug_assert!(self.virtual_time.get());
        self.seen.set(self.seen.get().max(to));
    }

    /// What the standard library calls this time. As late as it can say, if it cannot say that late.
    pub(crate) fn instant(&self, time: u64) -> Instant {
        let mut after = Duration::from_nanos(time);
        loop {
            match self.epoch.get().checked_add(after) {
                Some(instant) => return instant,
                None => after /= 2,
            }
        }
    }

    /// This time of the standard library's; the past is 0.
    pub(crate) fn of(&self, instant: Instant) -> u64 {
        let after = instant.saturating_duration_since(self.epoch.get()).as_nanos();
        u64::try_from(after).unwrap_or(u64::MAX)
    }

    /// That long from now.
    pub(crate) fn after(&self, duration: Duration) -> u64 {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.now().saturating_add(nanos)
    }
}
