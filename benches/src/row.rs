//! One figure, and where the figures of a bench wait until they are collected.
//!
//! A bench that `report` has started writes its rows to a *sheet*, `segno-benches/QUESTION.json` in the
//! target folder; `report` joins them into `results.json` (`results.rs`). A new question needs nothing
//! here: write a sheet (or use `question.rs`, which does) and it is collected.

use crate::rounds::{Figures, Quiet};
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
    /// The median of what was measured.
    pub value: Option<f64>,
    /// The tenth percentile of the rounds; where the bench has its own way to measure, the smallest, and where a curve's
    /// contenders meet, the first quartile.
    pub low: Option<f64>,
    /// The ninetieth percentile of the rounds; where the bench has its own way to measure, the largest, and where a
    /// curve's contenders meet, the third quartile.
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
    /// Less than this cannot be hoped for.
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
pub fn write_sheet(question: &str, rows: &[Row]) -> io::Result<()> {
    let folder = sheets();
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(question).with_extension("json"), serde_json::to_vec_pretty(rows)?)
}

/// Takes the sheet of a question away and reads it.
pub fn take_sheet(question: &str) -> io::Result<Vec<Row>> {
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
