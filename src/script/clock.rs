//! How a script waits for time: seconds, frames, phases, beats, and its turn.

use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::group::{Circle, Group};
use super::lend::Script;
use super::record::Link;
use super::run::{Budget, Phase};
use super::time::{Amount, Late, Span, Time, amount, nanos_of};
use super::wait::{Call, Denied};

/// When a wait is over.
#[derive(Clone, Copy)]
pub(super) enum Due {
    /// When the clock shows this.
    Clock(u64),
    /// When the counter of frames does.
    Frame(u64),
}

impl Due {
    /// This much later than now.
    #[inline(always)]
    pub(super) fn after(circle: &Circle, amount: Amount) -> Self {
        match amount {
            Amount::Nanos(nanos) => Self::Clock(circle.now().saturating_add(nanos)),
            Amount::Frames(frames) => Self::Frame(circle.frame().saturating_add(u64::from(frames))),
        }
    }

    /// How much later it is.
    #[inline(always)]
    fn late(self, circle: &Circle) -> Late {
        match self {
            Self::Clock(deadline) => Late::by(circle.now().saturating_sub(deadline)),
            Self::Frame(_) => Late::default(),
        }
    }
}

impl<W: 'static> Script<W> {
    /// Registers with a clock or a counter of frames; those of its own group if `circle` does not say.
    #[inline(always)]
    pub(super) fn until_due(&self, circle: Option<&Rc<Circle>>, due: Due, number: u64) -> Link {
        let clock = circle.unwrap_or(&self.record.group);
        let record = self.record.clone();
        match due {
            Due::Clock(deadline) => {
                Link::Clock(circle.cloned(), clock.timers.add(deadline, number, record))
            }
            Due::Frame(deadline) => {
                Link::Frames(circle.cloned(), clock.frames.add(deadline, number, record))
            }
        }
    }

    /// Waits until this much time has passed on the clock of the script's group, or this many
    /// [`frames`](super::frames). Returns how much later than that it is.
    ///
    /// It never ends early. `wait(0)` ends in the next tick. After a tick of many seconds it ends once, with
    /// all of the delay in what it returns.
    ///
    /// # Pausing
    /// Always pauses. In a destructor that runs while the script unwinds it returns at once.
    ///
    /// # Panics
    /// When the time is negative, not a number, or infinite.
    #[inline(always)]
    #[track_caller]
    pub fn wait(&mut self, time: impl Span) -> Late {
        self.wait_for_due(Call::here("wait"), None, time).unwrap_or_default()
    }

    /// As [`wait`](Self::wait), by the clock of a group that need not be the script's own.
    ///
    /// # Pausing
    /// As [`wait`](Self::wait).
    ///
    /// # Panics
    /// As [`wait`](Self::wait); when the group belongs to other scripts.
    #[track_caller]
    pub fn wait_on(&mut self, clock: &Group, time: impl Span) -> Late {
        let call = Call::here("wait_on");
        clock.check(&self.kernel, call.at);
        self.wait_for_due(call, Some(&clock.circle), time).unwrap_or_default()
    }

    /// All waits for time; by the clock of its own group if `circle` does not say.
    #[inline(always)]
    pub(super) fn wait_for_due(
        &mut self,
        call: Call,
        circle: Option<&Rc<Circle>>,
        time: impl Span,
    ) -> Result<Late, Denied> {
        let clock = circle.unwrap_or(&self.record.group);
        let due = Due::after(clock, amount(time, call.what, call.at));
        self.rest(call, |s, number| s.until_due(circle, due, number))?;
        Ok(due.late(clock))
    }

    /// Waits for the next frame: the next run of [`Phase::UPDATE`]. Returns the seconds by which the clock of
    /// the script's group has advanced with it.
    ///
    /// # Pausing
    /// Always pauses. In a destructor that runs while the script unwinds it returns at once.
    #[inline(always)]
    #[track_caller]
    pub fn next_frame(&mut self) -> f64 {
        let _ = self.wait_for_phase(Call::here("next_frame"), Phase::UPDATE);
        self.dt()
    }

    /// Waits for the next run of a phase; see [`Scripts::run`](super::Scripts::run).
    ///
    /// # Pausing
    /// As [`next_frame`](Self::next_frame).
    #[inline(always)]
    #[track_caller]
    pub fn next(&mut self, phase: Phase) {
        let _ = self.wait_for_phase(Call::here("next"), phase);
    }

    /// All waits for a phase.
    #[inline(always)]
    pub(super) fn wait_for_phase(&mut self, call: Call, phase: Phase) -> Result<(), Denied> {
        self.rest(call, |s, number| {
            s.kernel.add_to_phase(phase.0, &s.record, number);
            Link::Phase(phase.0)
        })
    }

    /// The seconds by which the clock of the script's group advanced last.
    pub fn dt(&self) -> f64 {
        self.record.group.delta() as f64 / 1e9
    }

    /// The seconds that the clock of the script's group shows.
    pub fn now(&self) -> f64 {
        self.record.group.now() as f64 / 1e9
    }

    /// Beats at a fixed distance in time, on the clock of the script's group: the first one period from now.
    ///
    /// # Pausing
    /// Never pauses; [`Beat::next`] does.
    ///
    /// # Panics
    /// When the period is zero, negative, not a number, or infinite.
    ///
    /// ```
    /// let scripts = segno::script::Scripts::<u32>::new();
    /// scripts.spawn("poison", |s| {
    ///     let mut beat = s.every(0.5);
    ///     for _ in 0..4 {
    ///         beat.next(s);
    ///         *s.world() -= 10;
    ///     }
    /// });
    /// let mut health = 100;
    /// for _ in 0..20 {
    ///     scripts.tick(&mut health, 0.15); // the beats do not drift
    /// }
    /// assert_eq!(health, 60);
    /// ```
    #[track_caller]
    pub fn every(&mut self, period: impl Time) -> Beat {
        let at = Location::caller();
        let period = nanos_of(period, "every", at);
        assert!(period > 0, "`every` at {at} was given no time at all");
        let circle = self.record.group.clone();
        let due = circle.now().saturating_add(period);
        Beat { circle, period, due, missed: 0 }
    }

    /// Lets the other scripts that are ready go first, and goes on in the same tick.
    ///
    /// # Pausing
    /// As [`next_frame`](Self::next_frame).
    #[inline(always)]
    #[track_caller]
    pub fn yield_now(&mut self) {
        let _ = self.give_way(Call::here("yield_now"));
    }

    /// All ways to yield.
    #[inline(always)]
    pub(super) fn give_way(&mut self, call: Call) -> Result<(), Denied> {
        self.rest(call, |s, _| {
            s.kernel.enqueue(s.record.clone());
            Link::Nothing
        })
    }

    /// Spreads a long computation over frames: call it in the loop, and when as much is used up as `limit` says
    /// it waits for the next frame. Returns whether it did.
    ///
    /// [`Budget::Time`] counts from the last wait of the script and reads the system's clock, so that where it
    /// waits differs from run to run; [`Budget::Resumes`] counts calls.
    ///
    /// # Pausing
    /// Now and then, as [`next_frame`](Self::next_frame).
    ///
    /// ```
    /// use segno::script::{Budget, Scripts};
    ///
    /// let scripts = Scripts::<u64>::new();
    /// scripts.spawn("path finding", |s| {
    ///     for step in 0..250 {
    ///         *s.world() += step;
    ///         s.budget(Budget::Resumes(100));
    ///     }
    /// });
    /// let (mut sum, mut frames) = (0, 0);
    /// while !scripts.is_empty() {
    ///     scripts.tick(&mut sum, 0.016);
    ///     frames += 1;
    /// }
    /// assert_eq!((sum, frames), (250 * 249 / 2, 3));
    /// ```
    #[track_caller]
    pub fn budget(&mut self, limit: Budget) -> bool {
        let record = &self.record;
        let spent = record.spent.get() + 1;
        record.spent.set(spent);
        let over = match limit {
            Budget::Resumes(count) => spent >= count,
            Budget::Time(time) => {
                // Counts from its first call after a wait: nobody reads the clock for scripts without one.
                let now = Instant::now();
                let since =
                    if spent == 1 { now } else { self.kernel.computing_since.get().unwrap_or(now) };
                self.kernel.computing_since.set(Some(since));
                now - since >= time
            }
        };
        if over {
            let _ = self.wait_for_phase(Call::here("budget"), Phase::UPDATE);
        }
        over
    }
}

/// Beats at a fixed distance in time: see [`Script::every`].
#[derive(Clone)]
pub struct Beat {
    /// The clock.
    circle: Rc<Circle>,
    /// Nanoseconds from one to the next.
    period: u64,
    /// When the next one is due.
    due: u64,
    /// How many were left out by the last [`next`](Self::next).
    missed: u64,
}

impl Beat {
    /// Waits for the next beat. Returns how much later than that it is.
    ///
    /// Beats do not drift: they stay multiples of the period, however late this comes. When several fall into
    /// one tick it ends once, for the last of them, and [`missed`](Self::missed) says how many were left out.
    ///
    /// # Pausing
    /// As [`Script::wait`].
    #[track_caller]
    pub fn next<W: 'static>(&mut self, s: &mut Script<W>) -> Late {
        let call = Call::here("every");
        let due = Due::Clock(self.due);
        if s.rest(call, |s, number| s.until_due(Some(&self.circle), due, number)).is_err() {
            return Late::default();
        }
        let late = self.circle.now().saturating_sub(self.due);
        self.missed = late / self.period;
        self.due = self.due.saturating_add((self.missed + 1).saturating_mul(self.period));
        Late::by(late % self.period)
    }

    /// How many beats were left out by the last [`next`](Self::next), because they fell into the same tick.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

impl fmt::Debug for Beat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beat")
            .field("period", &Duration::from_nanos(self.period))
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}
