//! How quiet it was while something was measured.
//!
//! Three signs, none of which is the figure itself, so that dropping what was disturbed cannot make a
//! figure look better than it is:
//!
//! - *waited*: for how long this thread wanted the processor and did not have it, which the scheduler
//!   tells to the nanosecond ([`waited`]);
//! - *pace*: how long a loop takes that always does the same and fills the processor's units, so that it
//!   slows down when the clock does, or when a neighbour shares the core ([`pace`]);
//! - *others*: which part of the processors somebody else has used ([`Processors`]).
//!
//! Where the system does not tell, there are fewer signs.

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// For how long this thread has wanted a processor, since it began, without having one.
pub fn waited() -> Option<Duration> {
    // Time on the processor, time in line for it, and how often it got it.
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').nth(1)?.parse().ok()?))
}

/// How long a loop takes that always does the same: some hundred microseconds.
pub fn pace() -> Duration {
    const STEPS: u64 = 100_000;

    let start = Instant::now();
    // Four chains that do not wait for each other.
    let mut chains = black_box([1_u64, 2, 3, 4]);
    for step in 0..STEPS {
        for chain in &mut chains {
            *chain = (*chain ^ step).rotate_left(7).wrapping_add(step);
        }
    }
    black_box(chains);
    start.elapsed()
}

/// What the processors and this process had done up to a moment.
#[derive(Clone, Copy)]
pub struct Processors {
    /// All processors.
    all: Ticks,
    /// The one that this thread was on.
    here: Ticks,
    /// Ticks of this process and of its children that have ended.
    own: f64,
}

/// Ticks of the kernel's clock.
#[derive(Clone, Copy)]
struct Ticks {
    /// In which a processor worked, or the host took it away.
    busy: f64,
    /// All.
    all: f64,
}

/// Which part of the processors somebody else has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Others {
    /// Of all.
    pub all: f64,
    /// Of the one that this thread is on.
    pub here: f64,
}

impl Processors {
    /// Up to now, for a thread that stays on `processor`, where the system tells.
    pub fn now(processor: usize) -> Option<Processors> {
        let text = fs::read_to_string("/proc/stat").ok()?;
        let ticks = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            let ticks: Vec<f64> = line.split_whitespace().take(8).flat_map(str::parse).collect();
            let all: f64 = ticks.iter().sum();
            Some(Ticks { busy: all - ticks.get(3)? - ticks.get(4)?, all })
        };
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is a name, in brackets, that may contain anything.
        let own = own.rsplit_once(')')?.1.split_whitespace().skip(11).take(4);
        Some(Processors {
            all: ticks("cpu ")?,
            here: ticks(&format!("cpu{processor} "))?,
            own: own.flat_map(str::parse::<f64>).sum(),
        })
    }

    /// What somebody else has used since then.
    pub fn used_by_others(self, processor: usize) -> Option<Others> {
        let now = Processors::now(processor)?;
        let own = now.own - self.own;
        let part = |now: Ticks, then: Ticks| {
            let others = now.busy - then.busy - own;
            if others > 0.0 { others / (now.all - then.all) } else { 0.0 }
        };
        Some(Others { all: part(now.all, self.all), here: part(now.here, self.here) })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::threads::both_on;

    #[test]
    fn who_shares_a_processor_sees_that_it_waits() {
        let spin = || {
            let (start, before) = (Instant::now(), waited().expect("Linux tells"));
            while start.elapsed() < Duration::from_millis(300) {}
            waited().expect("Linux tells") - before
        };
        // Both want all of it, so each gets about half.
        let waits = both_on(0, spin);
        assert!(waits.iter().all(|wait| *wait > Duration::from_millis(60)), "{waits:?}");
    }
}
