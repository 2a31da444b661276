//! Musical time as an exact fraction of a whole note, so that no voice ever drifts.
//!
//! Floating point appears only where music leaves the machine: on paper and in the air.

use std::cmp::Ordering;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Sub};

/// A fraction of a whole note, always in lowest terms: a quarter note is `Time::new(1, 4)`.
///
/// The parser keeps every number small (at most four digits, denominators that are powers of two
/// or come from one tuplet), so products of two of these stay far inside 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Time {
    /// Whole notes above the line; negative only in the middle of a subtraction.
    numerator: i128,
    /// Below the line; at least 1.
    denominator: i128,
}

impl Time {
    pub(crate) const ZERO: Time = Time { numerator: 0, denominator: 1 };
    pub(crate) const ONE: Time = Time { numerator: 1, denominator: 1 };

    /// `numerator / denominator`.
    ///
    /// # Panics
    /// When the denominator is not positive.
    pub(crate) fn new(numerator: i128, denominator: i128) -> Time {
        assert!(denominator > 0, "a fraction's denominator must be positive, not {denominator}");
        let divisor = greatest_common_divisor(numerator.unsigned_abs(), denominator.unsigned_abs());
        // The divisor is at most the denominator, which fits.
        let divisor = divisor as i128;
        Time { numerator: numerator / divisor, denominator: denominator / divisor }
    }

    /// The nearest floating-point number, for drawing and for sound.
    pub(crate) fn to_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    /// How many whole times `other` fits into this.
    pub(crate) fn fits(self, other: Time) -> i128 {
        let quotient = self / other;
        quotient.numerator.div_euclid(quotient.denominator)
    }
}

fn greatest_common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl From<u32> for Time {
    fn from(whole: u32) -> Time {
        Time { numerator: i128::from(whole), denominator: 1 }
    }
}

impl Add for Time {
    type Output = Time;
    fn add(self, other: Time) -> Time {
        Time::new(
            self.numerator * other.denominator + other.numerator * self.denominator,
            self.denominator * other.denominator,
        )
    }
}

impl AddAssign for Time {
    fn add_assign(&mut self, other: Time) {
        *self = *self + other;
    }
}

impl Sub for Time {
    type Output = Time;
    fn sub(self, other: Time) -> Time {
        self + Time { numerator: -other.numerator, denominator: other.denominator }
    }
}

impl Mul for Time {
    type Output = Time;
    fn mul(self, other: Time) -> Time {
        Time::new(self.numerator * other.numerator, self.denominator * other.denominator)
    }
}

impl MulAssign for Time {
    fn mul_assign(&mut self, other: Time) {
        *self = *self * other;
    }
}

impl Div for Time {
    type Output = Time;
    /// # Panics
    /// When `other` is not positive.
    fn div(self, other: Time) -> Time {
        Time::new(self.numerator * other.denominator, self.denominator * other.numerator)
    }
}

impl Sum for Time {
    fn sum<I: Iterator<Item = Time>>(times: I) -> Time {
        times.fold(Time::ZERO, Add::add)
    }
}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Time) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Time {
    fn cmp(&self, other: &Time) -> Ordering {
        (self.numerator * other.denominator).cmp(&(other.numerator * self.denominator))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.denominator == 1 {
            write!(f, "{}", self.numerator)
        } else {
            write!(f, "{}/{}", self.numerator, self.denominator)
        }
    }
}

/// How fast the music goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tempo {
    /// The note that is counted.
    pub(crate) beat: Time,
    /// How many of them a minute holds.
    pub(crate) per_minute: u32,
}

impl Tempo {
    /// How many seconds so much music takes.
    pub(crate) fn seconds(self, music: Time) -> f64 {
        // Exact up to the last step: a minute is 60 seconds and `per_minute` beats.
        (music * Time::from(60) / (self.beat * Time::from(self.per_minute))).to_f64()
    }
}

/// Seconds as a clock shows them: `1:02.5`.
pub(crate) fn clock_face(seconds: f64) -> String {
    let tenths = (seconds * 10.0).round() as u64;
    format!("{}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}
