//! Values that change smoothly.

use super::lend::Script;
use super::run::Phase;
use super::time::{Time, nanos_of};
use super::wait::Call;

/// How a [`tween`](Script::tween) gets from one value to the other.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Ease {
    /// At the same speed all the way.
    Linear,
    /// Slowly at first.
    In,
    /// Slowly at the end.
    Out,
    /// Slowly at both ends.
    InOut,
    /// By a function of your own, from a part of the time to a part of the way.
    By(fn(f64) -> f64),
}

impl Ease {
    /// The part of the way that is covered after this part of the time, both from 0 to 1.
    pub fn at(self, time: f64) -> f64 {
        match self {
            Self::Linear => time,
            Self::In => time * time,
            Self::Out => time * (2.0 - time),
            Self::InOut => time * time * (3.0 - 2.0 * time),
            Self::By(function) => function(time),
        }
    }
}

/// What a [`tween`](Script::tween) can go between.
pub trait Blend: Clone {
    /// What lies this part of the way from here to `to`; 0 is here, 1 is there.
    #[must_use]
    fn blend(&self, to: &Self, part: f64) -> Self;
}

impl Blend for f64 {
    fn blend(&self, to: &Self, part: f64) -> Self {
        self + (to - self) * part
    }
}

impl Blend for f32 {
    fn blend(&self, to: &Self, part: f64) -> Self {
        f64::from(*self).blend(&f64::from(*to), part) as f32
    }
}

impl<const N: usize, T: Blend> Blend for [T; N] {
    fn blend(&self, to: &Self, part: f64) -> Self {
        std::array::from_fn(|i| self[i].blend(&to[i], part))
    }
}

impl<A: Blend, B: Blend> Blend for (A, B) {
    fn blend(&self, to: &Self, part: f64) -> Self {
        (self.0.blend(&to.0, part), self.1.blend(&to.1, part))
    }
}

impl<W: 'static> Script<W> {
    /// Changes something smoothly: calls `set` with the world and a value once in this frame and in each that
    /// follows, from `from` now to `to` when this much time has passed on the clock of the script's group.
    ///
    /// The last value is exactly `to`. Returns with the frame in which that is set.
    ///
    /// # Pausing
    /// Pauses once in each frame, at least once. In a destructor that runs while the script unwinds it sets
    /// `to` and returns at once.
    ///
    /// # Panics
    /// When the time is negative, not a number, or infinite.
    ///
    /// ```
    /// use segno::script::{Ease, Scripts};
    ///
    /// let scripts = Scripts::<f64>::new();
    /// scripts.spawn("fade", |s| s.tween(1.0, Ease::Linear, 0.0, 8.0, |light, value| *light = value));
    /// let mut light = -1.0;
    /// let mut seen = Vec::new();
    /// for _ in 0..4 {
    ///     scripts.tick(&mut light, 0.375);
    ///     seen.push(light);
    /// }
    /// assert_eq!(seen, [0.0, 3.0, 6.0, 8.0]);
    /// ```
    #[track_caller]
    pub fn tween<V: Blend>(
        &mut self,
        time: impl Time,
        ease: Ease,
        from: V,
        to: V,
        mut set: impl FnMut(&mut W, V),
    ) {
        let call = Call::here("tween");
        let nanos = nanos_of(time, call.what, call.at);
        let circle = self.record.group.clone();
        let start = circle.now();
        set(self.world(), from.clone());
        loop {
            let waited = self.wait_for_phase(call, Phase::UPDATE);
            let passed = circle.now() - start;
            if passed >= nanos || waited.is_err() {
                return set(self.world(), to);
            }
            let part = ease.at(passed as f64 / nanos as f64);
            set(self.world(), from.blend(&to, part));
        }
    }
}
