//! How quiet it was while something was measured.
//!
//! Three signs, none of which is the figure itself, so that dropping what was disturbed cannot make a
//! figure look better than it is:
//!
//! - *waited*: for how long this thread wanted the processor and did not have it, which the scheduler
//!   tells to the nanosecond ([`waited`]);
//! - *pace*: how long something takes that always does the same and needs what the benches need, so that it slows
//!   down when the clock does, or when a neighbour shares the core, its predictors and its caches ([`Pace`]);
//! - *others*: which part of the processors somebody else has used ([`Processors`]).
//!
//! Where the system does not tell, there are fewer signs.

use crate::rivals::shuffled;
use crate::slots::slots;
use corosensei::{Coroutine, Yielder};
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// For how long this thread has wanted a processor, since it began, without having one.
pub fn waited() -> Option<Duration> {
    // Time on the processor, time in line for it, and how often it got it.
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').nth(1)?.parse().ok()?))
}

/// Something that always does the same: arithmetic, then pauses of small coroutines in a ring, under calls that
/// return, then a walk through as much memory as the first cache holds, and one through as much as the second.
///
/// Arithmetic alone sees a neighbour who calculates, the ring one who calls and branches, the walks one who fills the
/// caches. The first two take most of the time, because their time depends on nothing else; that of the second
/// walk depends on where the system has put the memory, too.
pub struct Pace {
    /// Each resumes a coroutine.
    ring: Vec<Box<dyn FnMut()>>,
    /// A walk through the first cache.
    near: Walk,
    /// One through the second.
    far: Walk,
}

impl Pace {
    /// Coroutines in the ring: too many for the predictor of returns.
    const RING: usize = 64;
    /// Steps of each part. Some 60, 70, 20 and 20 microseconds.
    const ARITHMETIC: u64 = 45_000;
    const ROUNDS: usize = 32;
    const NEAR: usize = 15_000;
    const FAR: usize = 3_000;

    /// Makes it. Its stacks are kept for ever, so one is enough for a process.
    #[expect(clippy::new_without_default, reason = "it costs something")]
    pub fn new() -> Pace {
        let resumer = |(number, stack)| {
            let body = move |yielder: &Yielder<(), ()>, ()| {
                let mut mixed = number as u64;
                loop {
                    mixed = mixed.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                    black_box(pause_under(yielder, mixed >> 40 & 3));
                }
            };
            let mut co = Coroutine::<(), (), (), _>::with_stack(stack, body);
            Box::new(move || {
                black_box(co.resume(()));
            }) as Box<dyn FnMut()>
        };
        let ring = slots(Pace::RING).enumerate().map(resumer).collect();
        Pace { ring, near: Walk::new(24 * 1024), far: Walk::new(256 * 1024) }
    }

    /// How long it takes now.
    pub fn take(&mut self) -> Duration {
        // What it needs may not be in the cache any more when others had their turns.
        self.ring.iter_mut().for_each(|resume| resume());
        self.near.touch();
        self.far.touch();
        let start = Instant::now();
        arithmetic(Pace::ARITHMETIC);
        for _ in 0..Pace::ROUNDS {
            self.ring.iter_mut().for_each(|resume| resume());
        }
        self.far.go(Pace::FAR);
        self.near.touch();
        self.near.go(Pace::NEAR);
        start.elapsed()
    }
}

/// Pauses under so many calls, which return between two pauses.
#[inline(never)]
fn pause_under(yielder: &Yielder<(), ()>, calls: u64) -> u64 {
    if calls == 0 {
        yielder.suspend(());
        return 0;
    }
    black_box(pause_under(yielder, calls - 1) + calls)
}

/// Four chains that do not wait for each other.
fn arithmetic(steps: u64) {
    let mut chains = black_box([1_u64, 2, 3, 4]);
    for step in 0..steps {
        for chain in &mut chains {
            *chain = (*chain ^ step).rotate_left(7).wrapping_add(step);
        }
    }
    black_box(chains);
}

/// A walk from one line of a cache to the next, in an order that cannot be guessed.
struct Walk {
    /// Each has the number of the next, and nothing else.
    lines: Vec<[u32; 16]>,
    /// Where it is.
    at: u32,
}

impl Walk {
    /// Through so many bytes.
    fn new(bytes: usize) -> Walk {
        let order = shuffled(bytes / size_of::<[u32; 16]>());
        let mut lines = vec![[0; 16]; order.len()];
        for (here, next) in order.iter().zip(order.iter().cycle().skip(1)) {
            lines[*here][0] = *next as u32;
        }
        Walk { lines, at: 0 }
    }

    /// Brings it into the cache.
    fn touch(&self) {
        black_box(self.lines.iter().fold(0_u32, |sum, line| sum.wrapping_add(line[0])));
    }

    /// So many steps.
    fn go(&mut self, steps: usize) {
        self.at = (0..steps).fold(self.at, |at, _| self.lines[at as usize][0]);
        black_box(self.at);
    }
}

/// What the processors and this process had done up to a moment.
#[derive(Clone, Copy)]
pub struct Processors {
    /// All processors.
    all: Ticks,
    /// The one that this thread was on.
    here: Ticks,
    /// Ticks of this process, of its children that have ended, and of the one that takes turns with it.
    own: f64,
    /// The number of that one, if there is one.
    beside: Option<u32>,
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
    /// Up to now, for a thread that stays on `processor`, where the system tells. What the process `beside` does is not
    /// somebody else's: it takes turns with this one (`beside.rs`).
    pub fn now(processor: usize, beside: Option<u32>) -> Option<Processors> {
        let text = fs::read_to_string("/proc/stat").ok()?;
        let ticks = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            let ticks: Vec<f64> = line.split_whitespace().take(8).flat_map(str::parse).collect();
            let all: f64 = ticks.iter().sum();
            Some(Ticks { busy: all - ticks.get(3)? - ticks.get(4)?, all })
        };
        // The second field is a name, in brackets, that may contain anything.
        let spent = |process: &str, fields| {
            let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            let fields = text.rsplit_once(')')?.1.split_whitespace().skip(11).take(fields);
            Some(fields.flat_map(str::parse::<f64>).sum::<f64>())
        };
        Some(Processors {
            all: ticks("cpu ")?,
            here: ticks(&format!("cpu{processor} "))?,
            own: spent("self", 4)?
                + beside.and_then(|id| spent(&id.to_string(), 2)).unwrap_or_default(),
            beside,
        })
    }

    /// What somebody else has used since then.
    pub fn used_by_others(self, processor: usize) -> Option<Others> {
        let now = Processors::now(processor, self.beside)?;
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
    fn a_walk_comes_to_every_line_before_it_is_back() {
        let mut walk = Walk::new(24 * 1024);
        let mut seen = vec![false; walk.lines.len()];
        for _ in 0..walk.lines.len() {
            assert!(!std::mem::replace(&mut seen[walk.at as usize], true));
            walk.go(1);
        }
        assert_eq!(walk.at, 0);
        assert!(Pace::new().take() > Duration::from_micros(10));
    }

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
