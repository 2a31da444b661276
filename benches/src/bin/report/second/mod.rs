//! The headlines timed a second time, by other code in another way.
//!
//! This is the second opinion on the benches: it shares neither their loops nor their process. As there, a contender is
//! one loop that the compiler has put at several places (`copies.rs` says why), of which the three quickest are found
//! first. After each round of the bench each of the three runs for some milliseconds (`beside.rs` says how they take
//! turns), and the quickest run is the contender's time in that round; of the rounds that count in the bench, which the
//! signs of `quiet.rs` have picked, the median is the figure. Both are so of the same moments, however the machine's
//! speed changes. Where both differ by more than a fifth, the report marks it.

mod coroutines;
mod tasks;
mod sync;

use segno_benches::beside::{BEGIN, END, TURN};
use segno_benches::copies::Copy;
use segno_benches::quiet::waited;
use segno_benches::row::{Row as Figure, take_sheet, write_sheet};
use segno_benches::threads::{last_processor, no_longer_alone, stay_on};
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::io::{BufRead, Write, stdin, stdout};
use std::process::{Child, ChildStdin, ChildStdout, Command};
use std::time::{Duration, Instant};

/// How long a run takes at least.
const RUN: Duration = Duration::from_millis(1);
/// Where one takes longer than this it is not warmed up, and one place is enough.
const LONG: Duration = Duration::from_millis(10);

/// So often a run is taken again that had to wait for the processor.
const TRIES: usize = 3;
/// So many places stay of those where a loop is, the quickest.
const KEPT: usize = 3;
/// So often each runs until it is known which they are.
const TRIALS: usize = 5;

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
    /// Builds their loops, each at every place.
    loops: fn() -> Vec<Vec<Copy>>,
}

/// What the second timing says.
#[derive(Deserialize, Serialize)]
pub(crate) struct Opinion {
    /// The bench and the case, `QUESTION/CASE`.
    case: String,
    /// The contender's name in the bench.
    who: String,
    /// Nanoseconds for one operation.
    time: f64,
}

/// The argument by which `report` knows that it is the second timing.
pub(crate) const SECOND: &str = "--second";

/// A second timing that has been started: a process of its own for each process of a bench, so that it is told as often
/// as that one where its code and its memory are.
pub(crate) struct Second(Child);

impl Second {
    /// Starts it between the ends of a bench's pipes.
    pub(crate) fn start(input: ChildStdin, output: ChildStdout) -> Result<Second, String> {
        // One of an earlier run must not be taken for this one's.
        let _ = take_sheet::<Opinion>(SHEET);
        let program = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
        let child = Command::new(program).arg(SECOND).stdin(output).stdout(input).spawn();
        child.map(Second).map_err(|error| format!("the second timing cannot be started: {error}"))
    }

    /// Waits until it has ended, as it does when the bench has.
    pub(crate) fn opinions(mut self) -> Result<Vec<Opinion>, String> {
        let status = self.0.wait().map_err(|error| format!("the second timing: {error}"))?;
        if !status.success() {
            return Err(format!("the second timing died ({status})"));
        }
        take_sheet(SHEET).map_err(|error| format!("the second timing's sheet: {error}"))
    }
}

/// The name of its sheet.
const SHEET: &str = "second";

/// The second timing, in its process: answers the bench that is at the other ends of its input and its output, and leaves
/// a sheet.
pub(crate) fn answer() -> Result<(), String> {
    stay_on(last_processor());
    no_longer_alone();
    let opinions = listen(stdin().lock(), stdout().lock());
    write_sheet(SHEET, &opinions).map_err(|error| format!("the second timing's sheet: {error}"))
}

/// Takes turns with a bench whose output this is, until it ends. What is not meant for this one is shown to who watches.
fn listen(output: impl BufRead, mut input: impl Write) -> Vec<Opinion> {
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
                who: contender.who.into(),
                time: contender.median(&rounds),
            }));
            continue;
        } else {
            eprintln!("{line}");
            continue;
        }
        // Where the bench has died meanwhile its output ends, too.
        let _ = writeln!(input, "{}", std::process::id()).and_then(|()| input.flush());
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
        row.who.iter().zip((row.loops)()).map(|(who, places)| Contender::new(who, places, row.step))
    })
    .collect()
}

/// Somebody who is timed.
struct Contender {
    /// Its name.
    who: &'static str,
    /// Its loop, at the places where it is quickest.
    places: Vec<Copy>,
    /// How often it does its operation at least.
    step: u64,
    /// How often in a run.
    times: u64,
    /// Whether a run takes long.
    long: bool,
    /// Nanoseconds for one operation, in each round.
    rounds: Vec<f64>,
}

impl Contender {
    fn new(who: &'static str, mut places: Vec<Copy>, step: u64) -> Contender {
        // The first time it finds memory that nobody has touched.
        places.iter_mut().for_each(|run| run(step));
        let mut times = step;
        let took = loop {
            // The quicker of two: the first may still find memory that it has not touched for long.
            match time(&mut places[0], times).min(time(&mut places[0], times)) {
                took if took >= RUN => break took,
                _ => times *= 2,
            }
        };
        let long = took > LONG;
        let mut best = vec![Duration::MAX; places.len()];
        for _ in 0..if long { 1 } else { TRIALS } {
            for (run, best) in places.iter_mut().zip(&mut best) {
                *best = time(run, times).min(*best);
            }
        }
        let mut places: Vec<_> = best.into_iter().zip(places).collect();
        places.sort_by_key(|(best, _)| *best);
        places.truncate(if long { 1 } else { KEPT });
        let places = places.into_iter().map(|(_, run)| run).collect();
        Contender { who, places, step, times, long, rounds: Vec::new() }
    }

    fn turn(&mut self) {
        let mut quickest = Duration::MAX;
        for run in &mut self.places {
            // What it holds is not in the cache any more when the others had their turns.
            if !self.long {
                run(self.step);
            }
            quickest = quickest.min(undisturbed(run, self.times));
        }
        self.rounds.push(quickest.as_secs_f64() * 1e9 / self.times as f64);
    }

    /// Of these rounds.
    fn median(&self, rounds: &[usize]) -> f64 {
        let mut times: Vec<f64> = rounds.iter().map(|round| self.rounds[*round]).collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }
}

/// A run in which the thread had not to wait for the processor, if one of a few is so.
fn undisturbed(run: &mut Copy, times: u64) -> Duration {
    let mut quickest = Duration::MAX;
    for _ in 0..TRIES {
        let before = waited();
        let took = time(run, times);
        quickest = quickest.min(took);
        let waited = waited().zip(before).map_or(Duration::ZERO, |(now, then)| now - then);
        if waited * 50 <= took {
            return took;
        }
    }
    quickest
}

fn time(run: &mut Copy, times: u64) -> Duration {
    let start = Instant::now();
    run(black_box(times));
    start.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_a_turn_in_each_round_and_answers_what_waits() {
        let output = "@begin switch/8 bytes\n@turn\n@turn\n@turn\n@end 0 2\nfor who watches\n";
        let mut input = Vec::new();
        let opinions = listen(output.as_bytes(), &mut input);
        let answer = format!("{}\n", std::process::id());
        assert_eq!(String::from_utf8(input), Ok(answer.repeat(4)));
        let who: Vec<_> = opinions.iter().map(|opinion| (&*opinion.case, &*opinion.who)).collect();
        assert_eq!(who, [("switch/8 bytes", "corosensei"), ("switch/8 bytes", "Coroutine")]);
        assert!(opinions.iter().all(|opinion| opinion.time > 0.0));
        assert!(fill_in(&mut [], opinions).is_err(), "no bench has timed that");
    }
}
