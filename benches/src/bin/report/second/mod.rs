//! The headlines timed a second time, by other code in another way.
//!
//! This is the second opinion on the benches: it shares neither their loops, nor their copies, nor their
//! rounds. A contender is one loop, wherever the compiler has put it. It runs until that takes some
//! milliseconds, then a number of times for so long, one contender after the other, and the quickest run
//! counts. Where the figure depends on where the code lies (`copies.rs`) it differs from the benches', and the
//! report marks it.

mod coroutines;
mod tasks;
mod sync;

use segno_benches::results::Results;
use segno_benches::threads::{last_processor, stay_on};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long a run takes at least.
const RUN: Duration = Duration::from_millis(4);
/// Runs for each contender.
const RUNS: usize = 15;

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

/// Fills in what the second timing says. Complains when it has timed what the benches have not.
pub(crate) fn time(results: &mut Results) -> Result<(), String> {
    stay_on(last_processor());
    for row in coroutines::ROWS.iter().chain(tasks::ROWS).chain(sync::ROWS) {
        let case = |each: &segno_benches::row::Row| {
            (&*each.question, &*each.case) == (row.question, row.case)
        };
        if !results.rows.iter().any(case) {
            continue;
        }
        for (who, mut run) in row.who.iter().zip((row.loops)()) {
            let mut rows = results.rows.iter_mut().filter(|each| case(each));
            let first = rows.find(|each| each.who == *who);
            let first = first.ok_or_else(|| {
                format!(
                    "the second timing knows `{who}` in `{}, {}`, the bench does not",
                    row.question, row.case
                )
            })?;
            let time = quickest(&mut run, row.step);
            first.again = Some((time * 1000.0).round() / 1000.0);
        }
    }
    Ok(())
}

/// Nanoseconds for one operation.
fn quickest(run: &mut Loop, step: u64) -> f64 {
    let mut time = |times: u64| {
        let start = Instant::now();
        run(black_box(times));
        start.elapsed()
    };
    let mut times = step;
    time(times);
    while time(times) < RUN {
        times *= 2;
    }
    let runs = (0..RUNS).map(|_| time(times));
    runs.min().expect("there are some").as_secs_f64() * 1e9 / times as f64
}
