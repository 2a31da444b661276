//! Random numbers that are the same in every run.

use std::cell::Cell;
use std::fmt;
use std::ops::Range;

/// The random numbers of a scheduler: see [`Script::rng`](super::Script::rng).
///
/// All scripts draw from one sequence, which the seed of the [`Builder`](super::Builder) determines. The
/// generator is SplitMix64 (Steele, Lea, Flood, 2014): quick, good enough for games, not for secrets.
pub struct Rng<'a> {
    /// The state.
    pub(super) state: &'a Cell<u64>,
}

impl Rng<'_> {
    /// The next number, of all that there are.
    pub fn next_u64(&mut self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number from `range`, each as likely as any other but for one part in 2^32 or less.
    ///
    /// # Panics
    /// When the range is empty.
    #[track_caller]
    pub fn range(&mut self, range: Range<i32>) -> i32 {
        assert!(range.start < range.end, "nothing can be drawn from {range:?}");
        let width = i64::from(range.end) - i64::from(range.start);
        let drawn = (u128::from(self.next_u64()) * width as u128) >> 64;
        (i64::from(range.start) + drawn as i64) as i32
    }

    /// A number from 0 up to, not including, 1.
    pub fn fraction(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True in this share of the cases: `chance(0.25)` in one of four.
    pub fn chance(&mut self, share: f64) -> bool {
        self.fraction() < share
    }

    /// One of these.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        assert!(!from.is_empty(), "nothing can be picked from an empty slice");
        let drawn = (u128::from(self.next_u64()) * from.len() as u128) >> 64;
        &from[drawn as usize]
    }
}

impl fmt::Debug for Rng<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rng").finish_non_exhaustive()
    }
}
