//! One figure, and where the figures of a bench wait until they are collected.
//!
//! A bench that `report` has started writes its rows to a *sheet*, `segno-benches/QUESTION.json` in the
//! target folder; `report` joins them into `results.json` (`results.rs`). A new question needs nothing
//! here: write a sheet (or use `question.rs`, which does) and it is collected.

use crate::rounds::{Figures, Quiet, spreads};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io};

/// One figure of one contender in one case.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Row {
    /// The bench it comes from: the name of a file beside `results.json`.
    pub question: String,
    /// What exactly was measured, in words; the rows of one case are compared with each other.
    pub case: String,
    /// Whose figure it is.
    pub who: String,
    /// What the figure stands for in the comparison.
    pub kind: Kind,
    /// The unit of the three numbers: `ns` or `bytes`, for one operation or one coroutine; `ms`, for
    /// all of them together; `stacks`, alive at once.
    pub unit: String,
    /// The median of what was measured; of rounds, the median of the processes' medians.
    pub value: Option<f64>,
    /// The tenth percentile of the rounds, that of the process where it is the smallest; where the bench has its own way
    /// to measure, the smallest, and where a curve's contenders meet, the first quartile.
    pub low: Option<f64>,
    /// The ninetieth percentile of the rounds, that of the process where it is the largest; where the bench has its own
    /// way to measure, the largest, and where a curve's contenders meet, the third quartile.
    pub high: Option<f64>,
    /// What a reader must know to judge the figure, or why there is none.
    pub note: String,
    /// How quietly it was measured, if in rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
    /// What the second, independent timing says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<f64>,
}

impl Row {
    /// A row without a figure yet, or of a rival that has none.
    pub fn empty(question: &str, case: &str, kind: Kind, who: &str, unit: &str) -> Row {
        Row {
            question: question.into(),
            case: case.into(),
            who: who.into(),
            kind,
            unit: unit.into(),
            value: None,
            low: None,
            high: None,
            note: String::new(),
            quiet: None,
            again: None,
        }
    }

    /// Says what a reader must know.
    pub fn note(self, note: impl Into<String>) -> Row {
        Row { note: note.into(), ..self }
    }

    /// Fills in what rounds came to.
    pub fn measured(&mut self, figures: Figures, quiet: Quiet) {
        // Digits below a picosecond are noise, and would make every change of the file a long one.
        let rounded = |time: f64| Some((time * 1000.0).round() / 1000.0);
        self.value = rounded(figures.median);
        (self.low, self.high) = (rounded(figures.low), rounded(figures.high));
        self.quiet = Some(quiet);
    }

    /// Fills in the median, the smallest and the largest of what was measured.
    pub fn figures(mut self, mut measured: Vec<f64>) -> Row {
        measured.sort_by(f64::total_cmp);
        self.value = Some(measured[measured.len() / 2]);
        (self.low, self.high) = (measured.first().copied(), measured.last().copied());
        self
    }
}

/// What several processes have measured of the same, one row of each.
///
/// Where a process has its code and its memory is drawn anew each time, and a loop may take half as long in the next. So
/// the median of the processes is the figure, and the spread reaches over all of them. It is noisy where most of them are,
/// or where they came to different figures.
pub fn of_processes(rows: Vec<Row>) -> Row {
    let median = |of: fn(&Row) -> Option<f64>| {
        let mut all: Vec<f64> = rows.iter().filter_map(of).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied()
    };
    let range = |of: fn(&Row) -> Option<f64>| {
        let all = || rows.iter().filter_map(of);
        Some((all().min_by(f64::total_cmp)?, all().max_by(f64::total_cmp)?))
    };
    let quiet: Vec<Quiet> = rows.iter().filter_map(|row| row.quiet).collect();
    let differ = range(|row| row.value).is_some_and(|(least, most)| spreads(least, most));
    let quiet = Quiet::of_processes(&quiet, differ);
    let (value, again) = (median(|row| row.value), median(|row| row.again));
    let (low, high) = (range(|row| row.low), range(|row| row.high));
    let (low, high) = (low.map(|low| low.0), high.map(|high| high.1));
    let first = rows.into_iter().next().expect("one process at least");
    Row { value, low, high, again, quiet, ..first }
}

/// A line for who watches the bench.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { question, case, who, unit, note, .. } = self;
        write!(f, "{question}/{case}/{}: {who}: ", self.kind.word())?;
        match self.value {
            Some(value) => write!(f, "{value:.1} {unit}")?,
            None => write!(f, "cannot")?,
        }
        if note.is_empty() { Ok(()) } else { write!(f, "; {note}") }
    }
}

/// What a figure stands for in the comparison.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The barest way that we know to do it, or to do less: without tasks, results, wakers or checks. It is a measure, and
    /// not a proof: who fetches ahead from memory, or keeps what it could do without, can be quicker.
    Floor,
    /// Another way to do the same.
    Rival,
    /// Another way to do the same, outside Rust.
    Foreign,
    /// This library.
    Segno,
}

impl Kind {
    /// The word that the JSON has for it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Floor => "floor",
            Kind::Rival => "rival",
            Kind::Foreign => "foreign",
            Kind::Segno => "segno",
        }
    }
}

/// Writes the sheet of a question, replacing that of an earlier run.
pub fn write_sheet(question: &str, rows: &[impl Serialize]) -> io::Result<()> {
    let folder = sheets();
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(question).with_extension("json"), serde_json::to_vec_pretty(rows)?)
}

/// Takes the sheet of a question away and reads it.
pub fn take_sheet<R: DeserializeOwned>(question: &str) -> io::Result<Vec<R>> {
    let path = sheets().join(question).with_extension("json");
    let rows = serde_json::from_slice(&fs::read(&path)?)?;
    fs::remove_file(path)?;
    Ok(rows)
}

/// Where the sheets are.
fn sheets() -> PathBuf {
    target().join("segno-benches")
}

/// The target folder: the nearest one around this program that cargo has marked as a cache.
///
/// # Panics
///
/// When the program has been moved out of it.
pub fn target() -> PathBuf {
    let program = env::current_exe().expect("a running program has a path");
    let marked = |folder: &&Path| folder.join("CACHEDIR.TAG").exists();
    let target = program.ancestors().find(marked);
    target.expect("run this through cargo: it looks for the target folder around itself").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a process has measured: the median, and whether its rounds were noisy.
    fn row(value: f64, noisy: bool) -> Row {
        let quiet = Quiet {
            rounds: 5,
            dropped: 1,
            others: 0.0,
            here: 0.0,
            disturbed: 0.0,
            pace: Some(100.0 + value),
            best_pace: Some(100.0 + value),
            noisy,
        };
        let mut row = Row::empty("switch", "8 bytes", Kind::Segno, "Coroutine", "ns");
        row.measured(Figures { median: value, low: value * 0.95, high: value * 1.05 }, quiet);
        Row { again: Some(value + 1.0), ..row }
    }

    #[test]
    fn of_processes_the_median_counts_and_the_spread_is_that_of_all() {
        let joined = of_processes(vec![row(10.0, true), row(12.0, false), row(11.0, false)]);
        assert_eq!((joined.value, joined.again), (Some(11.0), Some(12.0)));
        assert_eq!((joined.low, joined.high), (Some(9.5), Some(12.6)));
        let quiet = joined.quiet.expect("they were measured in rounds");
        assert_eq!((quiet.rounds, quiet.dropped, quiet.noisy), (15, 3, false));
        assert_eq!((quiet.pace, quiet.best_pace), (Some(111.0), Some(110.0)));
    }

    #[test]
    fn of_processes_it_is_noisy_where_they_differ_or_most_of_them_were() {
        let noisy = |rows| of_processes(rows).quiet.expect("they were measured in rounds").noisy;
        assert!(noisy(vec![row(10.0, false), row(10.0, false), row(13.0, false)]));
        assert!(noisy(vec![row(10.0, true), row(10.0, true), row(10.0, false)]));
        assert!(!noisy(vec![row(10.0, true), row(10.0, false), row(10.0, false)]));
    }
}
