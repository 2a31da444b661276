//! Time for tasks: sleeping, and doing something again and again.

use std::panic::Location;
use std::thread;
use std::time::{Duration, Instant};

use crate::task::{Alarm, Denied, Home, Subject, Task, Timer, Wait, wait_until};

/// What time it is: by the clock of the current task's loop, which may be a virtual one; outside a task, by
/// the system's.
pub fn now() -> Instant {
    match Home::running_task() {
        Some(task) => {
            let time = &task.home().time;
            time.instant(time.now())
        }
        None => Instant::now(),
    }
}

/// Waits for this long, at least. `Duration::MAX` is for ever.
///
/// # Pausing
/// Always pauses, also for no time at all: then it lets the other tasks go first. If the task is cancelled
/// meanwhile it unwinds (with `panic = "abort"` it returns at once). While a panic or a cancellation unwinds
/// here, it returns at once; also on the loop's own stack, where captures of tasks that never ran are dropped.
/// Outside a loop it blocks the thread.
///
/// ```
/// use std::time::Duration;
///
/// segno::run(|| {
///     let before = segno::now();
///     segno::sleep(Duration::from_millis(2));
///     assert!(segno::now() - before >= Duration::from_millis(2));
/// });
/// ```
#[track_caller]
pub fn sleep(duration: Duration) {
    let at = Location::caller();
    match Home::running_task() {
        Some(task) => sleep_in(task, task.home().time.after(duration), at),
        None => sleep_outside(duration),
    }
}

/// Waits until this instant, by the clock of the current task's loop; if it has passed, lets the other
/// tasks go first.
///
/// # Pausing
/// As [`sleep`].
#[track_caller]
pub fn sleep_until(deadline: Instant) {
    let at = Location::caller();
    match Home::running_task() {
        Some(task) => sleep_in(task, task.home().time.of(deadline), at),
        None => sleep_outside(deadline.saturating_duration_since(Instant::now())),
    }
}

/// Blocks the thread; but not on the loop's own stack, where that would stop every task.
fn sleep_outside(duration: Duration) {
    if Home::here().is_none() {
        thread::sleep(duration);
    }
}

/// An alarm that is taken back however the sleep ends.
struct Set {
    /// The loop.
    home: &'static Home,
    /// The alarm.
    timer: Timer,
}

impl Drop for Set {
    fn drop(&mut self) {
        self.home.unset_alarm(self.timer);
    }
}

/// Waits in a task.
#[track_caller]
fn sleep_in(task: &'static Task, deadline: u64, at: &'static Location<'static>) {
    let home = task.home();
    if task.check(at) == Err(Denied::Unwinding) {
        return;
    }
    let now = home.time.now();
    if deadline <= now || task.is_disturbed() {
        // Cancelled, where nothing unwinds: the others get their turn all the same.
        task.give_way();
        task.check_again(at);
        return;
    }
    let alarm = Alarm::Wake(task, task.id());
    let set = (deadline != u64::MAX).then(|| Set { home, timer: home.set_alarm(deadline, alarm) });
    let wait = Wait { what: &"sleep", at, subject: Subject::NONE };
    // A denied wait returns early, as it says.
    let _ = wait_until(task, wait, || home.time.seen() >= deadline && deadline != u64::MAX);
    drop(set);
}

/// What an [`Interval`] does when its task comes late to a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MissedTicks {
    /// The ticks that were missed come at once, one after the other, until it has caught up: as many ticks
    /// as periods, in the long run. The default, as in tokio.
    #[default]
    Burst,
    /// The next tick comes one period after the late one: never less than a period between two.
    Delay,
    /// The ticks that were missed are left out, and the next one comes on the beat.
    Skip,
}

/// Something to be done once per period: see [`interval`].
///
/// ```
/// use segno::{Clock, EventLoop, MissedTicks};
/// use std::time::Duration;
///
/// let second = Duration::from_secs(1);
/// let mut events = EventLoop::builder().clock(Clock::virtual_time()).build();
/// let times = events.run(|| {
///     let start = segno::now();
///     let mut beat = segno::interval(second).missed(MissedTicks::Skip);
///     let mut times = vec![beat.tick() - start];
///     segno::sleep(second * 5 / 2); // misses two
///     times.extend([beat.tick() - start, beat.tick() - start]);
///     times
/// });
/// assert_eq!(times.unwrap(), [second * 0, second, second * 3]);
/// ```
#[derive(Clone, Debug)]
pub struct Interval {
    /// The time between two ticks.
    period: Duration,
    /// When the next one is due; `None` if that is later than can be said.
    next: Option<Instant>,
    /// What to do about ticks that were missed.
    missed: MissedTicks,
}

/// Something to be done once per period; the first time now. A period of nothing ticks at every turn.
pub fn interval(period: Duration) -> Interval {
    Interval { period, next: Some(now()), missed: MissedTicks::default() }
}

impl Interval {
    /// Chooses what to do about ticks that were missed.
    pub fn missed(mut self, policy: MissedTicks) -> Self {
        self.missed = policy;
        self
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Waits for the next tick, and says when it was due.
    ///
    /// # Pausing
    /// As [`sleep_until`]: also when it is late, to let the other tasks go first.
    #[track_caller]
    pub fn tick(&mut self) -> Instant {
        let Some(due) = self.next else {
            sleep(Duration::MAX);
            return now();
        };
        sleep_until(due);
        let now = now();
        self.next = match self.missed {
            MissedTicks::Burst => due.checked_add(self.period),
            MissedTicks::Delay => now.max(due).checked_add(self.period),
            MissedTicks::Skip => self.on_the_beat(due, now),
        };
        due
    }

    /// The first tick after `now`.
    fn on_the_beat(&self, due: Instant, now: Instant) -> Option<Instant> {
        let late = now.saturating_duration_since(due).as_nanos();
        let period = self.period.as_nanos();
        let behind = late.checked_rem(period).unwrap_or(0);
        let ahead = Duration::from_nanos(u64::try_from(period - behind).unwrap_or(u64::MAX));
        now.max(due).checked_add(ahead)
    }
}
