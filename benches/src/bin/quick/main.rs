//! The headline rows in under a minute: a floor or a rival, bare corosensei and Segno in turns.
//!
//! `cargo run --release -p segno-benches --bin quick [FILTER]` runs the rows whose name contains
//! FILTER, all without one.
//!
//! This is the second opinion on the criterion benches: it shares neither their loops nor their
//! statistics. Every copy of every contender runs for about a millisecond (a walk takes twenty),
//! then the next one's turn comes, round after round, so that a slow moment of the machine falls on
//! all alike. A contender's time in a round is that of its fastest copy (see `copies.rs` for why),
//! and the ratio printed is the median over the rounds of Segno's time by corosensei's *in that
//! round*.
//!
//! The rows of coroutines are in `coroutines.rs`, those of tasks in `tasks.rs`, those of channels and
//! locks in `sync.rs`.
//!
//! Printed per contender, in nanoseconds for each operation: the median over the rounds, the
//! minimum, and the medians of its fastest and its slowest copy. Where those two lie far apart the
//! layout of the code decides, not the library.

mod coroutines;
mod tasks;
mod sync;

use segno_benches::copies::Copy;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Rounds for each row.
const ROUNDS: usize = 21;

/// How long one copy runs in one round.
const TURN: Duration = Duration::from_millis(1);

/// What one row compares.
struct Row {
    /// Its name.
    name: &'static str,
    /// How many operations cannot be told apart in it, as the nodes of one walk.
    step: u64,
    /// The names of its contenders. The second is the one that Segno, the third, is divided by.
    who: [&'static str; 3],
    /// Builds them.
    contenders: fn() -> [Vec<Copy>; 3],
}

fn main() {
    if cfg!(feature = "once") {
        panic!("the feature `once` is for tests alone");
    }
    let filter = std::env::args().nth(1).unwrap_or_default();
    println!("{:16} {:10} {:>9} {:>9} {:>19}", "ns", "", "median", "minimum", "fast..slow copy");
    for row in coroutines::ROWS.iter().chain(tasks::ROWS).chain(sync::ROWS) {
        if row.name.contains(&filter) {
            run(row);
        }
    }
}

/// Runs one row's contenders in turns and prints its lines.
fn run(&Row { name, step, who, contenders }: &Row) {
    let mut runners =
        contenders().map(|copies| copies.into_iter().map(|copy| Runner::new(copy, step)).collect());
    for _ in 0..ROUNDS {
        let copies = runners.iter().map(Vec::len).max().unwrap_or(0);
        for copy in 0..copies {
            runners.iter_mut().for_each(|each: &mut Vec<Runner>| each[copy].turn());
        }
    }
    let by_round = runners.each_ref().map(|each| fastest_by_round(each));
    for ((who, runners), times) in who.iter().zip(&runners).zip(&by_round) {
        let copies: Vec<f64> = runners.iter().map(|each| median(&each.times)).collect();
        let (fast, slow) = (minimum(&copies), copies.iter().copied().fold(0.0, f64::max));
        let (median, minimum) = (median(times), minimum(times));
        println!("{name:16} {who:10} {median:9.2} {minimum:9.2} {fast:9.2}..{slow:<8.2}");
    }
    let ratios: Vec<f64> =
        by_round[2].iter().zip(&by_round[1]).map(|(ours, bare)| ours / bare).collect();
    let of_minima = minimum(&by_round[2]) / minimum(&by_round[1]);
    let ratio = median(&ratios);
    println!("{name:16} segno/{} {ratio:.3}, of the minima {of_minima:.3}\n", who[1]);
}

/// One copy, how often it does its operation in a turn, and what each turn took.
struct Runner {
    /// The copy.
    copy: Copy,
    /// The least that it can do.
    step: u64,
    /// Operations in a turn of about [`TURN`].
    times_per_turn: u64,
    /// Nanoseconds for each operation, one entry a round.
    times: Vec<f64>,
}

impl Runner {
    /// Warms the copy up and finds out how many operations fill a turn.
    fn new(mut copy: Copy, step: u64) -> Runner {
        let mut times_per_turn = step;
        // The first time it touches fresh memory, which takes longer.
        copy(step);
        loop {
            let start = Instant::now();
            copy(times_per_turn);
            if start.elapsed() >= TURN / 2 {
                return Runner { copy, step, times_per_turn, times: Vec::new() };
            }
            times_per_turn *= 2;
        }
    }

    /// Runs for one turn.
    fn turn(&mut self) {
        // What many tasks hold is not in the cache any more when the others had their turns.
        if self.times_per_turn > self.step {
            (self.copy)(black_box(self.step));
        }
        let start = Instant::now();
        (self.copy)(black_box(self.times_per_turn));
        self.times.push(start.elapsed().as_nanos() as f64 / self.times_per_turn as f64);
    }
}

fn fastest_by_round(copies: &[Runner]) -> Vec<f64> {
    (0..ROUNDS)
        .map(|round| minimum(&copies.iter().map(|each| each.times[round]).collect::<Vec<_>>()))
        .collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn minimum(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}
