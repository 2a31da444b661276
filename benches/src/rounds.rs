//! Contenders measured in turns, and again where it was not quiet.
//!
//! In a *round* every copy of every contender runs for about a millisecond, one after the other, so
//! that a slow moment of the machine falls on all alike. A contender's time in a round is that of its
//! fastest copy there. A turn in which the thread had to wait for the processor is taken again at once.
//!
//! Half as many rounds as wanted are enough where all of them were quiet and came to much the same. When there have
//! been enough, and the figures still spread or the machine was not quiet, there are more, up to three times as
//! many unless they take long; the quietest of them count. Which those are is decided by the signs of `quiet.rs` and not by the figures.

use crate::beside::Beside;
use crate::question::Timed;
use crate::quiet::{Pace, Processors, waited};
use crate::threads::last_processor;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How long one copy runs in one round.
const TURN: Duration = Duration::from_millis(1);
/// A turn that waited for the processor for more than this part of itself was disturbed.
const DISTURBED: f64 = 0.02;
/// So often a disturbed turn is taken again.
const TRIES: usize = 3;
/// Rounds are repeated as long as the quiet ones have not come to the number wanted, up to so many
/// times that number.
const MOST: usize = 3;
/// A figure whose ninetieth percentile is this many times its tenth is noisy, and one that is so many times as large in
/// one process as in another.
const SPREAD: f64 = 1.25;
/// Figures that spread no further than this need only half the rounds.
const NARROW: f64 = 1.06;
/// So is one of which more than this part of the turns was disturbed, or of the processor was others'.
const SHARED: f64 = 0.3;
/// A contender whose turns are long gets as many rounds as fit into this, but three at least. No case is measured
/// for longer than the patience with all its contenders, unless it has not had its rounds yet.
const PATIENCE: Duration = Duration::from_millis(800);

/// What a contender's rounds came to, in nanoseconds for one operation.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// The median.
    pub median: f64,
    /// The tenth percentile.
    pub low: f64,
    /// The ninetieth.
    pub high: f64,
}

/// How quietly a figure was measured. Of several processes: what they have together, or the median of what each has.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Quiet {
    /// Rounds that count.
    pub rounds: usize,
    /// Rounds that were dropped because others were quieter.
    pub dropped: usize,
    /// Which part of all processors others have used meanwhile.
    pub others: f64,
    /// Which part of the one that it was measured on.
    pub here: f64,
    /// Which part of its turns waited for the processor, even when taken again.
    pub disturbed: f64,
    /// How long the [`Pace`] took in the rounds that count, in microseconds: the median.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<f64>,
    /// And in the quickest of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_pace: Option<f64>,
    /// Whether the figure spreads so far, or others did so much, or the pace was so far from the best of the run,
    /// that it should be measured again on a quiet machine.
    pub noisy: bool,
}

impl Quiet {
    /// How quiet it was in some processes that have measured the same. `None` if they have not measured in rounds.
    pub(crate) fn of_processes(all: &[Quiet], differ: bool) -> Option<Quiet> {
        let median = |of: fn(&Quiet) -> Option<f64>| {
            let mut all: Vec<f64> = all.iter().filter_map(of).collect();
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied()
        };
        Some(Quiet {
            rounds: all.iter().map(|quiet| quiet.rounds).sum(),
            dropped: all.iter().map(|quiet| quiet.dropped).sum(),
            others: median(|quiet| Some(quiet.others))?,
            here: median(|quiet| Some(quiet.here))?,
            disturbed: median(|quiet| Some(quiet.disturbed))?,
            pace: median(|quiet| quiet.pace),
            best_pace: all.iter().filter_map(|quiet| quiet.best_pace).min_by(f64::total_cmp),
            noisy: differ || all.iter().filter(|quiet| quiet.noisy).count() * 2 > all.len(),
        })
    }
}

/// One contender's copies, and how often they do their operation in a turn.
struct Runner<'a> {
    /// The copies.
    copies: &'a mut [Timed],
    /// The least that they can do.
    step: u64,
    /// Operations in a turn.
    operations: u64,
    /// How long such a turn takes.
    turn: Duration,
    /// Whether it waits for the processor by itself, as threads do that take turns on one.
    waits: bool,
}

impl Runner<'_> {
    fn new(copies: &mut [Timed], step: u64) -> Runner<'_> {
        let mut operations = step;
        // The first time it touches fresh memory, which takes longer.
        copies[0](step);
        loop {
            // The quicker of two: the first may still find memory that it has not touched for long.
            let turn = copies[0](operations).min(copies[0](operations));
            if turn >= TURN / 2 {
                let mut runner = Runner { copies, step, operations, turn, waits: false };
                runner.waits = (0..TRIES).all(|_| runner.turn(0).1);
                return runner;
            }
            operations *= 2;
        }
    }

    /// Leaves the first copy.
    fn keep_one(&mut self) {
        let copies = std::mem::take(&mut self.copies);
        self.copies = &mut copies[..1];
    }

    /// A copy's turn: nanoseconds for one operation, and whether it was disturbed.
    fn turn(&mut self, copy: usize) -> (f64, bool) {
        let copy = &mut self.copies[copy];
        let mut best = (f64::INFINITY, true);
        for _ in 0..TRIES {
            // What many tasks hold is not in the cache any more when the others had their turns.
            if self.turn <= 10 * TURN {
                copy(self.step);
            }
            let (start, before) = (Instant::now(), waited());
            let took = copy(self.operations).as_nanos() as f64 / self.operations as f64;
            let elapsed = start.elapsed().as_secs_f64();
            let waited = waited().zip(before).map_or(0.0, |(now, then)| (now - then).as_secs_f64());
            let disturbed = !self.waits && waited > elapsed * DISTURBED;
            if (disturbed, took) < (best.1, best.0) {
                best = (took, disturbed);
            }
            if !disturbed {
                break;
            }
        }
        best
    }
}

/// One round.
struct Round {
    /// How many of its turns were disturbed, although they were taken again.
    disturbed: usize,
    /// How long the [`Pace`] took in it, at the longest.
    pace: Duration,
    /// Each contender's time.
    times: Vec<f64>,
}

/// Measures contenders in so many rounds that count, or fewer where they take long. Each has one
/// copy at least. After each round the other timing has a turn.
pub fn measure(
    step: u64,
    wanted: usize,
    pace: &mut Pace,
    mut beside: Beside,
    contenders: Vec<&mut Vec<Timed>>,
) -> Vec<(Figures, Quiet)> {
    let mut runners: Vec<_> =
        contenders.into_iter().map(|copies| Runner::new(copies, step)).collect();
    let round = |runners: &[Runner<'_>]| -> Duration {
        runners.iter().map(|each| each.turn * each.copies.len() as u32).sum()
    };
    // One copy is enough for those that take long.
    let patience = PATIENCE * runners.len() as u32;
    if round(&runners) * wanted as u32 > patience {
        runners.iter_mut().filter(|each| each.turn > 10 * TURN).for_each(Runner::keep_one);
    }
    let fit = patience.as_nanos() / round(&runners).as_nanos().max(1);
    let wanted = wanted.min(fit as usize).max(3);
    let processors = Processors::now(last_processor(), beside.process());
    let mut rounds: Vec<Round> = Vec::new();
    let start = Instant::now();
    while !are_enough(&rounds, wanted) {
        if rounds.len() >= wanted && start.elapsed() > patience {
            break;
        }
        rounds.push(one_round(&mut runners, pace));
        beside.turn();
    }
    let quiet = quietest(&rounds, wanted);
    beside.end(quiet.iter().map(|round| round.number(&rounds)));
    let mut paces: Vec<f64> =
        quiet.iter().map(|round| round.pace.as_nanos() as f64 / 1000.0).collect();
    paces.sort_by(f64::total_cmp);
    let others = processors.and_then(|then| then.used_by_others(last_processor()));
    let others = others.unwrap_or_default();
    let turns = (runners.iter().map(|each| each.copies.len()).sum::<usize>() * quiet.len()) as f64;
    let disturbed = quiet.iter().map(|round| round.disturbed).sum::<usize>() as f64 / turns;
    let each = |who| {
        let figures = figures(&quiet, who);
        let rounded = |part: f64| (part * 1000.0).round() / 1000.0;
        let quiet = Quiet {
            rounds: quiet.len(),
            dropped: rounds.len() - quiet.len(),
            others: rounded(others.all),
            here: rounded(others.here),
            disturbed: rounded(disturbed),
            pace: Some(rounded(paces[paces.len() / 2])),
            best_pace: Some(rounded(paces[0])),
            noisy: spreads(figures.low, figures.high) || disturbed > SHARED || others.here > SHARED,
        };
        (figures, quiet)
    };
    (0..runners.len()).map(each).collect()
}

fn one_round(runners: &mut [Runner<'_>], pace: &mut Pace) -> Round {
    let copies = runners.iter().map(|each| each.copies.len()).max().unwrap_or(0);
    let mut round =
        Round { disturbed: 0, pace: Duration::ZERO, times: vec![f64::INFINITY; runners.len()] };
    for copy in 0..copies {
        round.pace = round.pace.max(pace.take());
        for (runner, best) in runners.iter_mut().zip(&mut round.times) {
            if copy < runner.copies.len() {
                let (took, disturbed) = runner.turn(copy);
                *best = best.min(took);
                round.disturbed += usize::from(disturbed);
            }
        }
    }
    round
}

impl Round {
    /// Which of the rounds it is.
    fn number(&self, rounds: &[Round]) -> usize {
        let place = rounds.iter().position(|round| std::ptr::eq(round, self));
        place.expect("it is one of them")
    }
}

/// Whether there need not be another round.
fn are_enough(rounds: &[Round], wanted: usize) -> bool {
    match rounds.len() {
        many if many >= wanted * MOST => true,
        many if many >= wanted => are_quiet(rounds, wanted),
        many if many >= 5 && many >= wanted.div_ceil(2) => {
            let all: Vec<&Round> = rounds.iter().collect();
            let narrow = |who| {
                let Figures { low, high, .. } = figures(&all, who);
                high <= low * NARROW
            };
            all.iter().all(|round| round.disturbed == 0) && (0..all[0].times.len()).all(narrow)
        }
        _ => false,
    }
}

/// Whether so many of the rounds were quiet, and came to the same.
fn are_quiet(rounds: &[Round], wanted: usize) -> bool {
    let quiet = quietest(rounds, wanted);
    let contenders = quiet.first().map_or(0, |round| round.times.len());
    quiet.iter().all(|round| round.disturbed == 0)
        && (0..contenders).map(|who| figures(&quiet, who)).all(|each| !spreads(each.low, each.high))
}

/// So many of the rounds, those that were least disturbed, and of these those of the best pace.
fn quietest(rounds: &[Round], wanted: usize) -> Vec<&Round> {
    let mut rounds: Vec<&Round> = rounds.iter().collect();
    rounds.sort_by_key(|round| (round.disturbed, round.pace));
    rounds.truncate(wanted);
    rounds
}

fn figures(rounds: &[&Round], who: usize) -> Figures {
    let mut times: Vec<f64> = rounds.iter().map(|round| round.times[who]).collect();
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[(part * (times.len() - 1) as f64).round() as usize];
    Figures { median: at(0.5), low: at(0.1), high: at(0.9) }
}

/// Whether they are too far from each other.
pub(crate) fn spreads(low: f64, high: f64) -> bool {
    high > low * SPREAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(disturbed: usize, pace: u64, time: f64) -> Round {
        Round { disturbed, pace: Duration::from_micros(pace), times: vec![time] }
    }

    #[test]
    fn the_disturbed_rounds_go_first_and_then_the_slow_ones_whatever_their_figures() {
        let rounds = [round(1, 10, 1.0), round(0, 30, 2.0), round(0, 10, 9.0), round(0, 20, 5.0)];
        let quiet = |wanted| -> Vec<f64> {
            quietest(&rounds, wanted).iter().map(|round| round.times[0]).collect()
        };
        assert_eq!(quiet(2), [9.0, 5.0]);
        assert_eq!(quiet(4), [9.0, 5.0, 2.0, 1.0]);
        assert!(!are_quiet(&rounds, 2), "they spread");
        assert!(!are_quiet(&rounds[..1], 1), "it was disturbed");
        assert!(are_quiet(&rounds[2..3], 1));
    }

    #[test]
    fn half_the_rounds_are_enough_where_they_are_quiet_and_alike() {
        let rounds = |count: usize, last| -> Vec<Round> {
            (0..count).map(|i| round(0, 10, if i % 3 == 0 { last } else { 1.0 })).collect()
        };
        assert!(!are_enough(&rounds(7, 1.0), 15));
        assert!(are_enough(&rounds(8, 1.05), 15));
        assert!(!are_enough(&rounds(8, 1.1), 15));
        assert!(are_enough(&rounds(15, 1.1), 15));
        assert!(!are_enough(&rounds(44, 1.5), 15));
        assert!(are_enough(&rounds(45, 1.5), 15));
    }

    #[test]
    fn contenders_get_figures_in_their_order() {
        let spin = |weight: u64| -> Vec<Timed> {
            vec![Box::new(move |times| Duration::from_nanos(times * weight))]
        };
        let (mut light, mut heavy) = (spin(1), spin(10));
        let mut pace = Pace::new();
        let figures = measure(1, 3, &mut pace, Beside::nobody(), vec![&mut light, &mut heavy]);
        let medians: Vec<f64> = figures.iter().map(|(figures, _)| figures.median).collect();
        assert_eq!(medians, [1.0, 10.0]);
    }
}
