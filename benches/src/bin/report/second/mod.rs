//! The headlines timed a second time, by other code in another way.
//!
//! This is the second opinion on the benches: it shares neither their loops, nor their copies, nor their process. A
//! contender is one loop, wherever the compiler has put it. After each round of the bench every contender runs twice
//! for some milliseconds (`beside.rs` says how they take turns), and the quicker run is its time in that round; of the
//! rounds that count in the bench, which the signs of `quiet.rs` have picked, the median is the figure. Both are so of
//! the same moments, however the machine's speed changes. Where the figure depends on where the code lies (`copies.rs`)
//! it differs from the benches', and the report marks it.

mod coroutines;
mod tasks;
mod sync;

use segno_benches::beside::{BEGIN, END, TURN};
use segno_benches::quiet::waited;
use segno_benches::row::Row as Figure;
use segno_benches::threads::stay_on;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

/// How long a run takes at least.
const RUN: Duration = Duration::from_millis(2);
/// One that takes longer than this is neither warmed up nor repeated.
const LONG: Duration = Duration::from_millis(10);

/// So often a run is taken again that had to wait for the processor.
const TRIES: usize = 3;

/// A loop that does its operation as often as it is told.
type Loop = Box<dyn FnMut(u64)>;

/// Some of the contenders of a case.
struct Row {
    /// The bench.
    question: &'static str,
    /// The case.
    case: &'static str,
    /// How many operations cannot be told apart in it, as the nodes of one walk.
    step: u64,
    /// The contenders' names in the bench.
    who: &'static [&'static str],
    /// Builds their loops.
    loops: fn() -> Vec<Loop>,
}

/// What the second timing says.
pub(crate) struct Opinion {
    /// The bench and the case, `QUESTION/CASE`.
    case: String,
    /// The contender's name in the bench.
    who: &'static str,
    /// Nanoseconds for one operation.
    time: f64,
}

/// Takes turns on `processor` with a bench whose output this is, until it ends. What is not meant for this one is printed.
pub(crate) fn listen(
    processor: usize,
    output: impl BufRead,
    mut input: impl Write,
) -> Vec<Opinion> {
    stay_on(processor);
    let mut opinions = Vec::new();
    let mut case: (String, Vec<Contender>) = Default::default();
    for line in output.lines().map_while(Result::ok) {
        if let Some(name) = line.strip_prefix(BEGIN) {
            case = (name.into(), contenders(name));
        } else if line == TURN {
            case.1.iter_mut().for_each(Contender::turn);
        } else if let Some(rounds) = line.strip_prefix(END) {
            let rounds: Vec<usize> = rounds.split_whitespace().flat_map(str::parse).collect();
            let (name, contenders) = std::mem::take(&mut case);
            opinions.extend(contenders.into_iter().map(|contender| Opinion {
                case: name.clone(),
                who: contender.who,
                time: contender.median(&rounds),
            }));
            continue;
        } else {
            println!("{line}");
            continue;
        }
        // Where the bench has died meanwhile its output ends, too.
        let _ = input.write_all(b"\n").and_then(|()| input.flush());
    }
    opinions
}

/// Fills them in. Complains when something was timed that the bench has not.
pub(crate) fn fill_in(rows: &mut [Figure], opinions: Vec<Opinion>) -> Result<(), String> {
    for Opinion { case, who, time } in opinions {
        let first = rows
            .iter_mut()
            .find(|row| format!("{}/{}", row.question, row.case) == case && row.who == who);
        let first = first.ok_or_else(|| {
            format!("the second timing knows `{who}` in `{case}`, the bench does not")
        })?;
        first.again = Some((time * 1000.0).round() / 1000.0);
    }
    Ok(())
}

/// Those that the second timing knows of a case.
fn contenders(name: &str) -> Vec<Contender> {
    let rows = coroutines::ROWS.iter().chain(tasks::ROWS).chain(sync::ROWS);
    let rows = rows.filter(|row| format!("{}/{}", row.question, row.case) == name);
    rows.flat_map(|row| {
        row.who.iter().zip((row.loops)()).map(|(who, run)| Contender::new(who, run, row.step))
    })
    .collect()
}

/// Somebody who is timed.
struct Contender {
    /// Its name.
    who: &'static str,
    /// Its loop.
    run: Loop,
    /// How often it does its operation at least.
    step: u64,
    /// How often in a run.
    times: u64,
    /// How long that took when it was tried.
    took: Duration,
    /// Nanoseconds for one operation, in each round.
    rounds: Vec<f64>,
}

impl Contender {
    fn new(who: &'static str, run: Loop, step: u64) -> Contender {
        let took = Duration::ZERO;
        let mut new = Contender { who, run, step, times: step, took, rounds: Vec::new() };
        (new.run)(step);
        loop {
            new.took = new.time();
            if new.took >= RUN {
                return new;
            }
            new.times *= 2;
        }
    }

    fn time(&mut self) -> Duration {
        let start = Instant::now();
        (self.run)(black_box(self.times));
        start.elapsed()
    }

    fn turn(&mut self) {
        let quickest = if self.took > LONG {
            self.undisturbed()
        } else {
            // What it holds is not in the cache any more when the others had their turns.
            (self.run)(self.step);
            self.undisturbed().min(self.undisturbed())
        };
        self.rounds.push(quickest.as_secs_f64() * 1e9 / self.times as f64);
    }

    /// A run in which the thread had not to wait for the processor, if one of a few is so.
    fn undisturbed(&mut self) -> Duration {
        let mut quickest = Duration::MAX;
        for _ in 0..TRIES {
            let before = waited();
            let took = self.time();
            quickest = quickest.min(took);
            let waited = waited().zip(before).map_or(Duration::ZERO, |(now, then)| now - then);
            if waited * 50 <= took {
                return took;
            }
        }
        quickest
    }

    /// Of these rounds.
    fn median(&self, rounds: &[usize]) -> f64 {
        let mut times: Vec<f64> = rounds.iter().map(|round| self.rounds[*round]).collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_a_turn_in_each_round_and_answers_what_waits() {
        let output = "@begin switch/8 bytes\n@turn\n@turn\n@turn\n@end 0 2\nfor who watches\n";
        let mut input = Vec::new();
        let opinions = listen(0, output.as_bytes(), &mut input);
        assert_eq!(input, b"\n\n\n\n");
        let who: Vec<_> = opinions.iter().map(|opinion| (&*opinion.case, opinion.who)).collect();
        assert_eq!(who, [("switch/8 bytes", "corosensei"), ("switch/8 bytes", "Coroutine")]);
        assert!(opinions.iter().all(|opinion| opinion.time > 0.0));
        assert!(fill_in(&mut [], opinions).is_err(), "no bench has timed that");
    }
}
