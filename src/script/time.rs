//! Time as scripts see it: whole nanoseconds, or a number of frames.
//!
//! What users write (seconds as a number, a [`Duration`], [`frames`]) becomes an integer once, at the call;
//! sums of integers do not drift, and are the same in debug and release builds.

use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::time::Duration;

/// Nanoseconds in a second.
const SECOND: f64 = 1e9;

/// Why a number is no time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoTime {
    /// What was given, in seconds.
    seconds: f64,
}

impl NoTime {
    /// Panics in the name of the operation that was given this.
    #[cold]
    #[inline(never)]
    pub(super) fn refuse(self, what: &str, at: &'static Location<'static>) -> ! {
        panic!("`{what}` at {at} was given {self}");
    }
}

impl fmt::Display for NoTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = if self.seconds < 0.0 {
            "a negative time"
        } else if self.seconds.is_finite() {
            "more than 584 years"
        } else {
            "no number of seconds that could pass"
        };
        write!(f, "{} seconds, which is {why}", self.seconds)
    }
}

/// What a wait takes: time, or frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Amount {
    /// Nanoseconds.
    Nanos(u64),
    /// Frames.
    Frames(u32),
}

/// Keeps users from adding to what counts as time.
mod sealed {
    /// Implemented for what [`Span`](super::Span) is implemented for.
    pub trait Sealed {
        /// As an amount.
        #[doc(hidden)]
        #[allow(private_interfaces, reason = "nobody outside can call it")]
        fn amount(self) -> Result<super::Amount, super::NoTime>;
    }
}

pub(super) use sealed::Sealed;

/// A length of time: seconds as a number (`1.5`, `2`), or a [`Duration`].
pub trait Time: Span {}

/// A length of time or a number of frames: what [`Time`] is implemented for, and [`frames`].
pub trait Span: Sealed {}

/// A number of frames, as a length to wait for: see [`frames`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frames(u32);

/// This many frames, as a length to wait for: `s.wait(frames(3))` goes on in the third tick from here.
///
/// Frames of a paused [`Group`](super::Group) do not count.
pub const fn frames(count: u32) -> Frames {
    Frames(count)
}

/// Seconds as nanoseconds, to the nearest. By hand, because `f64::round` is a call of the system's library.
#[inline]
fn nanos(seconds: f64) -> Result<u64, NoTime> {
    /// 2^63: from here on a float is a whole number.
    const WHOLE: f64 = (1_u64 << 63) as f64;
    let nanos = seconds * SECOND;
    if nanos > -0.5 && nanos < WHOLE {
        let whole = nanos as i64;
        Ok(whole as u64 + u64::from(nanos - whole as f64 >= 0.5))
    } else if nanos >= WHOLE && nanos < u64::MAX as f64 {
        // Above this a float has no next integer; it is 584 years.
        Ok(nanos as u64)
    } else {
        Err(NoTime { seconds })
    }
}

/// Implements the traits for a type of numbers.
macro_rules! seconds {
    ($($number:ty)*) => {$(
        impl Sealed for $number {
            #[allow(private_interfaces, reason = "nobody outside can call it")]
            #[inline]
            fn amount(self) -> Result<Amount, NoTime> {
                nanos(f64::from(self)).map(Amount::Nanos)
            }
        }
        impl Span for $number {}
        impl Time for $number {}
    )*};
}

seconds!(f32 f64 i32 u32 u16 u8);

impl Sealed for Duration {
    #[allow(private_interfaces, reason = "nobody outside can call it")]
    #[inline]
    fn amount(self) -> Result<Amount, NoTime> {
        let nanos = u64::try_from(self.as_nanos());
        nanos.map(Amount::Nanos).map_err(|_| NoTime { seconds: self.as_secs_f64() })
    }
}
impl Span for Duration {}
impl Time for Duration {}

impl Sealed for Frames {
    #[allow(private_interfaces, reason = "nobody outside can call it")]
    #[inline]
    fn amount(self) -> Result<Amount, NoTime> {
        Ok(Amount::Frames(self.0))
    }
}
impl Span for Frames {}

/// A span as an amount; panics in the name of the operation that was given it.
#[inline]
pub(super) fn amount(span: impl Span, what: &str, at: &'static Location<'static>) -> Amount {
    span.amount().unwrap_or_else(|error| error.refuse(what, at))
}

/// A time in nanoseconds; panics in the name of the operation that was given it.
#[inline]
pub(super) fn nanos_of(time: impl Time, what: &str, at: &'static Location<'static>) -> u64 {
    match amount(time, what, at) {
        Amount::Nanos(nanos) => nanos,
        Amount::Frames(_) => unreachable!("frames are no `Time`"),
    }
}

/// By how much a wait ended later than was asked for: what passed on its clock between the moment it was
/// due and the tick that found it so. Zero for frames.
///
/// It is a [`Duration`] by [`Deref`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Late(Duration);

impl Late {
    /// This many nanoseconds late.
    pub(super) fn by(nanos: u64) -> Self {
        Self(Duration::from_nanos(nanos))
    }

    /// As a [`Duration`].
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl Deref for Late {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}
