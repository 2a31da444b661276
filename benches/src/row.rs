//! One figure, and where the figures wait until they are collected.
//!
//! A bench writes its rows to a *sheet*, `segno-benches/QUESTION.json` in the target folder. The
//! figures it measured itself, such as bytes, are filled in; times are empty, because criterion
//! has them. `collect` fills those in and joins all sheets into `results.json`:
//!
//! ```json
//! { "format": 1,
//!   "machine": { "date": "..", "cpu": "..", "kernel": "..", "rustc": "..",
//!                "versions": { "corosensei": "..", "segno": ".." } },
//!   "rows": [ { "question": "switch", "case": "resume and pause", "who": "corosensei",
//!               "kind": "floor", "unit": "ns", "value": 2.1, "low": 2.0, "high": 2.2,
//!               "note": "" } ] }
//! ```
//!
//! The first row of each case is its floor. Smaller is better in every unit. A `value` of `null`
//! is a rival that could not do it; its note says why.
//!
//! A new question needs nothing here: write a sheet (or use `question.rs`, which does) and it is
//! collected.

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
    /// Criterion's times: the lower bound of the median's 95 % confidence interval. Else the smallest, and
    /// where a curve's contenders meet, the first quartile.
    pub low: Option<f64>,
    /// Criterion's times: the upper bound of the median's 95 % confidence interval. Else the largest, and
    /// where a curve's contenders meet, the third quartile.
    pub high: Option<f64>,
    /// What a reader must know to judge the figure, or why there is none.
    pub note: String,
}

impl Row {
    /// A row without a figure: criterion has it, or [`figures`](Row::figures) will say.
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
        }
    }

    /// Says what a reader must know.
    pub fn note(self, note: impl Into<String>) -> Row {
        Row { note: note.into(), ..self }
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
    /// This library.
    Segno,
}

impl Kind {
    /// The word that the JSON has for it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Floor => "floor",
            Kind::Rival => "rival",
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

/// Reads all sheets, in the order of their names.
pub fn read_sheets() -> io::Result<Vec<Row>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(sheets())?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.sort();
    let mut rows = Vec::new();
    for path in paths {
        rows.extend(serde_json::from_slice::<Vec<Row>>(&fs::read(path)?)?);
    }
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
