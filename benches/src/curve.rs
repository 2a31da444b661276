//! Contenders with more and more work between two pauses, and where the difference gets small.
//!
//! What a pause costs matters less the more there is to do between two of them. All contenders of a
//! curve do the same for each item, and pause in between: first nothing but making it, then a
//! round of arithmetic on top, then four, and so on. Here they are not timed by criterion but in
//! turns, so that a slow moment of the machine falls on all alike: what counts is the difference.
//!
//! The rows are nanoseconds for each item, for each amount of work. The last case of a curve is
//! where they meet: how much work there is for each item, by the floor's time, from which on
//! Segno's time and another contender's are within 5 % of each other. Between two amounts of work, and
//! beyond the last, it is taken that they differ by the same number of nanoseconds.

use crate::question::{Contender, Question, Timed, is_test, keep_fastest};
use crate::row::{Kind, Row};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Rounds of work for each item.
const WORK: [u64; 9] = [0, 1, 4, 16, 64, 128, 256, 512, 1024];

/// Turns that each contender has for each amount of work.
const TURNS: usize = 15;

/// How long a turn lasts at least.
const TURN: Duration = Duration::from_millis(1);

/// How close is close.
const CLOSE: f64 = 0.05;

/// What is done with an item: so many rounds of arithmetic, each of which needs the one before.
#[inline(never)]
pub fn work(item: u64, rounds: u64) -> u64 {
    (0..rounds).fold(item, |mixed, _| (mixed ^ mixed >> 29).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

impl Question {
    /// Times the contenders of a curve. Each of their copies makes all `items` once when it is called,
    /// and does as many rounds of [`work`] for each of them as it is told.
    pub fn curve(&mut self, name: &str, item: &str, items: u64, contenders: Vec<Contender>) {
        assert!(contenders[0].kind == Kind::Floor, "the first contender of a curve is its floor");
        if !self.wants(name) {
            return;
        }
        let rounds = Rc::new(Cell::new(0));
        let mut runners: Vec<Runner> = contenders
            .into_iter()
            .map(|contender| Runner::new(contender, items, &rounds))
            .collect();
        if is_test() {
            for work in [0, 3] {
                rounds.set(work);
                runners.iter_mut().flat_map(|runner| &mut runner.copies).for_each(|copy| {
                    copy(items);
                });
            }
            return println!("{name}: as a test");
        }
        for work in WORK {
            rounds.set(work);
            runners.iter_mut().for_each(Runner::calibrate);
            for _ in 0..TURNS {
                runners.iter_mut().for_each(Runner::turn);
            }
            let case = match work {
                0 => format!("{name}, no work for each {item}"),
                1 => format!("{name}, 1 round of work for each {item}"),
                _ => format!("{name}, {work} rounds of work for each {item}"),
            };
            for runner in &runners {
                let row = Row::empty(self.name, &case, runner.kind, runner.who, "ns");
                let row = match runner.times.last() {
                    Some(times) => row.figures(times.clone()),
                    None => row,
                };
                self.show(row.note(runner.note));
            }
        }
        let case = format!("{name}, work for each {item} from which on Segno is within 5 %");
        let ours =
            runners.iter().find(|runner| runner.kind == Kind::Segno).expect("a curve has it");
        for other in runners.iter().filter(|runner| runner.kind != Kind::Segno) {
            let row = Row::empty(self.name, &case, other.kind, other.who, "ns");
            let row = match other.times.is_empty() {
                true => row.note(other.note),
                false => meet(row, &runners[0].times, &ours.times, &other.times),
            };
            self.show(row);
        }
    }

    /// Adds a row, for who watches, too.
    fn show(&mut self, row: Row) {
        println!("{row}");
        self.row(row);
    }
}

/// A contender of a curve.
struct Runner {
    /// What it stands for.
    kind: Kind,
    /// Its name.
    who: &'static str,
    /// What a reader must know about it.
    note: &'static str,
    /// Its copies: as often as they are told they make an item.
    copies: Vec<Timed>,
    /// How many items it makes at least.
    items: u64,
    /// How many it makes in a turn.
    items_in_turn: u64,
    /// Nanoseconds for each item: for each amount of work so far, those of each turn.
    times: Vec<Vec<f64>>,
}

impl Runner {
    /// Finds the quickest copies, without work.
    fn new(contender: Contender, items: u64, rounds: &Rc<Cell<u64>>) -> Runner {
        let Contender { kind, who, copies, note } = contender;
        let repeated = |mut copy: Timed| {
            let rounds = rounds.clone();
            let mut pass = move || copy(rounds.get());
            Box::new(move |operations: u64| (0..operations / items).map(|_| pass()).sum()) as Timed
        };
        let mut copies: Vec<Timed> = copies.into_iter().map(repeated).collect();
        if !copies.is_empty() {
            keep_fastest(&mut copies, items);
        }
        Runner { kind, who, note, copies, items, items_in_turn: items, times: Vec::new() }
    }

    /// Finds out how many items fill a turn, and begins a new amount of work.
    fn calibrate(&mut self) {
        let Some(copy) = self.copies.first_mut() else { return };
        self.items_in_turn = self.items;
        // The first time it may have something to prepare.
        copy(self.items);
        while copy(self.items_in_turn) < TURN {
            self.items_in_turn *= 2;
        }
        self.times.push(Vec::new());
    }

    /// One turn.
    fn turn(&mut self) {
        let items = self.items_in_turn;
        let Some(quickest) = self.copies.iter_mut().map(|copy| copy(items)).min() else { return };
        let times = self.times.last_mut().expect("it is calibrated");
        times.push(rounded(quickest.as_secs_f64() * 1e9 / items as f64));
    }
}

/// Where two contenders meet: by the median of their ratios in each turn, and by the quartiles.
fn meet(row: Row, floor: &[Vec<f64>], ours: &[Vec<f64>], others: &[Vec<f64>]) -> Row {
    let work: Vec<f64> = floor.iter().map(|times| quantile(times, 0.5)).collect();
    let at = |quarter: f64| {
        let apart = |(ours, others): (&Vec<f64>, &Vec<f64>)| {
            let ratios: Vec<f64> = ours.iter().zip(others).map(|(a, b)| a / b).collect();
            // Who is slower comes first, so that the third quartile is further apart than the first.
            let middle = quantile(&ratios, 0.5);
            let quarter = if middle < 1.0 { 1.0 - quarter } else { quarter };
            let apart = quantile(&ratios, quarter) - 1.0;
            if middle < 1.0 { -apart } else { apart }
        };
        close_from(&work, &ours.iter().zip(others).map(apart).collect::<Vec<_>>())
    };
    let more = quantile(&ours[0], 0.5) - quantile(&others[0], 0.5);
    let direction = if more < 0.0 { "less" } else { "more" };
    let mut note = format!("without work Segno takes {:.1} ns {direction}", more.abs());
    let figures = [at(0.5), at(0.25), at(0.75)].map(rounded);
    if figures[0] <= rounded(work[0]) {
        note += "; within 5 % already then";
    } else if figures[0] > work[work.len() - 1] {
        note += "; beyond what was measured";
    }
    let [value, low, high] = figures.map(Some);
    Row { value, low, high, ..row.note(note) }
}

/// Digits below a picosecond are noise.
fn rounded(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

/// What so large a part of some figures is not above.
fn quantile(figures: &[f64], part: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(part * (sorted.len() - 1) as f64).round() as usize]
}

/// From how much work on two contenders are close, if they are so far apart at these amounts of work.
/// One amount at which something disturbed them does not count: the line is drawn where the fewest
/// are on its wrong side.
fn close_from(work: &[f64], apart: &[f64]) -> f64 {
    let wrong = |first: usize| {
        let far = |apart: &&f64| **apart > CLOSE;
        let (before, after) = apart.split_at(first);
        before.len() - before.iter().filter(far).count() + after.iter().filter(far).count()
    };
    let first = (0..=apart.len()).min_by_key(|&first| wrong(first)).expect("one at least");
    let Some(last) = first.checked_sub(1) else { return work[0] };
    // The same difference in nanoseconds is a straight line over one by the work: to zero, if need be.
    let (after, apart_after) = match apart.get(first) {
        Some(&apart) => (1.0 / work[first], apart),
        None => (0.0, 0.0),
    };
    let way = (apart[last] - CLOSE) / (apart[last] - apart_after);
    let from = 1.0 / work[last];
    1.0 / (from + way * (after - from))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A constant difference of ten nanoseconds is 5 % of 200.
    #[test]
    fn a_constant_difference_is_close_where_it_is_a_twentieth() {
        let work = [1.0, 50.0, 150.0, 1000.0];
        let apart = work.map(|work| 10.0 / work);
        assert!((close_from(&work, &apart) - 200.0).abs() < 1e-6);
    }

    #[test]
    fn what_was_disturbed_once_does_not_count() {
        let work = [1.0, 50.0, 150.0, 1000.0, 2000.0];
        let mut apart = work.map(|work| 10.0 / work);
        apart[4] = 0.3;
        assert!((close_from(&work, &apart) - 200.0).abs() < 1e-6);
    }

    /// Six per cent of nine are, in nanoseconds, five per cent of 10.8.
    #[test]
    fn who_is_never_far_is_close_from_the_first_and_who_is_still_far_beyond_the_last() {
        assert_eq!(close_from(&[3.0, 9.0], &[0.04, 0.01]), 3.0);
        assert!((close_from(&[3.0, 9.0], &[0.9, 0.06]) - 10.8).abs() < 1e-6);
    }
}
