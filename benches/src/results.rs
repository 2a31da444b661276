//! All figures together, as `report` keeps them in two files beside the benches.
//!
//! `results.json` is written by `report`, `foreign.json` by `foreign/run.sh`:
//!
//! ```json
//! { "format": 2, "set": "full",
//!   "machine": { "date": "..", "cpu": "..", "kernel": "..", "rustc": "..", "commit": "..",
//!                "versions": { "corosensei": "..", "segno": ".." } },
//!   "rows": [ { "question": "switch", "case": "resume and pause", "who": "corosensei",
//!               "kind": "floor", "unit": "ns", "value": 2.1, "low": 2.0, "high": 2.2, "note": "",
//!               "quiet": { "rounds": 21, "dropped": 0, "others": 0.01, "here": 0.0, "disturbed": 0.0,
//!                          "pace": 181.4, "best_pace": 180.2, "noisy": false },
//!               "again": 2.2 } ],
//!   "confirmed": { "date": "..", "agree": 140, "of": 144, "unlike": [ ".." ] } }
//! ```
//!
//! The first floor of each case is what it is compared with. The machine's `commit` is that of the repository while it was
//! measured. Smaller is better in every unit. A `value` of
//! `null` is a rival that could not do it; its note says why.

use crate::machine::Machine;
use crate::row::{Kind, Row};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Goes up when the meaning of a field changes.
pub const FORMAT: u32 = 2;

/// What was measured of Segno and its rivals in Rust.
#[derive(Deserialize, Serialize)]
pub struct Results {
    /// [`FORMAT`].
    pub format: u32,
    /// `full`, or `quick` for the headlines alone.
    pub set: String,
    /// What all rows were measured on.
    pub machine: Machine,
    /// The figures: question by question, case by case.
    pub rows: Vec<Row>,
    /// What a second run of the same said, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Confirmed>,
}

/// How far another run agrees.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Confirmed {
    /// The other run's day, UTC.
    pub date: String,
    /// How many figures are within [`NEAR`].
    pub agree: usize,
    /// How many both have.
    pub of: usize,
    /// The others, in words.
    pub unlike: Vec<String>,
}

/// Two runs agree on a figure when its ratio to the floor of its own run is not more than so many times the other's:
/// what the machine's speed changes, it changes for both.
pub const NEAR: f64 = 1.1;

/// A case at this many times the best pace of the run is noisy.
const SLOW: f64 = 1.15;

/// The best pace of a run.
pub fn best_pace(rows: &[Row]) -> Option<f64> {
    rows.iter().filter_map(|row| row.quiet?.best_pace).min_by(f64::total_cmp)
}

/// Marks the figures as noisy that were measured when the pace was slow, whatever they are.
pub fn mark_slow(rows: &mut [Row]) {
    let Some(best) = best_pace(rows) else { return };
    for quiet in rows.iter_mut().filter_map(|row| row.quiet.as_mut()) {
        quiet.noisy |= quiet.pace.is_some_and(|pace| pace > best * SLOW);
    }
}

impl Results {
    /// How far another run agrees with this one.
    pub fn confirmed_by(&self, other: &Results) -> Confirmed {
        let date = other.machine.date.clone();
        let mut confirmed = Confirmed { date, agree: 0, of: 0, unlike: Vec::new() };
        let (ours, theirs) = (Case::group(&self.rows), Case::group(&other.rows));
        for case in &ours {
            let same = |each: &&Case| {
                (&each.question, &each.case, &each.unit) == (&case.question, &case.case, &case.unit)
            };
            let Some(other) = theirs.iter().find(same) else { continue };
            let floors = (case.floor(), other.floor());
            for row in case.rows.iter().filter(|row| row.kind != Kind::Floor) {
                let again = other.rows.iter().find(|each| each.who == row.who);
                let Some(again) = again.filter(|again| again.value.and(row.value).is_some()) else {
                    continue;
                };
                let ratios = row.ratio_to(floors.0).zip(again.ratio_to(floors.1));
                let (here, there, unit) = match (ratios, row.value.zip(again.value)) {
                    (Some((here, there)), _) => (here, there, "x floor"),
                    (None, Some((here, there))) => (here, there, &*case.unit),
                    (None, None) => continue,
                };
                confirmed.of += 1;
                if here <= there * NEAR && there <= here * NEAR {
                    confirmed.agree += 1;
                } else {
                    let Row { question, case, who, .. } = row;
                    confirmed.unlike.push(format!(
                        "{question}, {case}: {who}: {here:.2} and {there:.2} {unit}"
                    ));
                }
            }
        }
        confirmed
    }
}

/// What was measured of the rivals outside Rust.
#[derive(Deserialize, Serialize)]
pub struct Foreign {
    /// The day, UTC.
    pub date: String,
    /// The processor's name and how many of it the system sees.
    pub cpu: String,
    /// The operating system's kernel.
    pub kernel: String,
    /// How often each was asked everything.
    pub rounds: u32,
    /// Which part of the time they did not have the processor that they wanted.
    pub waited: f64,
    /// How many measurements were repeated because of that.
    pub repeated: u32,
    /// The compilers and interpreters.
    pub versions: BTreeMap<String, String>,
    /// The figures.
    pub rows: Vec<ForeignRow>,
}

/// A figure of a rival outside Rust; the fields mean what those of [`Row`] mean.
#[derive(Clone, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the same as those of `Row`")]
pub struct ForeignRow {
    pub question: String,
    pub case: String,
    pub who: String,
    pub unit: String,
    pub value: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub note: String,
}

impl Foreign {
    /// The rivals that have to be in it, each with an answer to each of [`ASKED`](Foreign::ASKED).
    pub const RIVALS: [&str; 7] = [
        "Go",
        "Lua",
        "LuaJIT",
        "Boost.Context",
        "Boost.Fiber",
        "Python asyncio",
        "Python greenlet",
    ];

    /// The cases that they are asked.
    pub const ASKED: [(&str, &str); 11] = [
        ("switch", "resume and pause"),
        ("create", "one at a time"),
        ("generator", "walk of 2^20 nodes"),
        ("yield", "2 tasks"),
        ("yield", "100 tasks"),
        ("yield", "10,000 tasks"),
        ("spawn", "one at a time"),
        ("spawn", "1,000 at once"),
        ("channel", "ping-pong, round trip"),
        ("channel", "stream of bounded(128)"),
        ("memory", "100,000 paused"),
    ];

    /// The rows that are not there, not even as `cannot`.
    pub fn missing(&self) -> Vec<String> {
        let has = |who: &str, question: &str, case: &str| {
            let mut rows = self.rows.iter();
            rows.any(|row| (&*row.who, &*row.question, &*row.case) == (who, question, case))
        };
        let all = Foreign::RIVALS.iter().flat_map(|who| Foreign::ASKED.map(|asked| (*who, asked)));
        all.filter(|(who, (question, case))| !has(who, question, case))
            .map(|(who, (question, case))| format!("{who}: {question}, {case}"))
            .collect()
    }
}

/// Everything, put together.
pub struct All {
    /// The file of Segno and its rivals in Rust.
    pub results: Results,
    /// The file of the rivals outside Rust.
    pub foreign: Foreign,
    /// The cases, in the order of the benches.
    pub cases: Vec<Case>,
}

/// The rows that are compared with each other.
pub struct Case {
    /// The bench.
    pub question: String,
    /// What was measured.
    pub case: String,
    /// Of all its rows.
    pub unit: String,
    /// The floors first, then the rivals in Rust, those outside, and Segno.
    pub rows: Vec<Row>,
}

impl All {
    /// Reads both files, and complains about what is missing.
    pub fn read() -> Result<All, String> {
        let foreign: Foreign = read("foreign.json")?;
        let missing = foreign.missing();
        if !missing.is_empty() {
            return Err(format!("foreign.json has no row for:\n{}", missing.join("\n")));
        }
        All::of(read("results.json")?, foreign)
    }

    /// Joins them.
    pub fn of(results: Results, foreign: Foreign) -> Result<All, String> {
        let mut cases = Case::group(&results.rows);
        for row in &foreign.rows {
            let mut asked = cases.iter_mut();
            let case = asked.find(|case| case.question == row.question && case.case == row.case);
            let case = case.ok_or_else(|| {
                format!(
                    "foreign.json has {}, {}, which is not in results.json",
                    row.question, row.case
                )
            })?;
            case.rows.push(Row {
                value: row.value,
                low: row.low,
                high: row.high,
                ..Row::empty(&row.question, &row.case, Kind::Foreign, &row.who, &row.unit)
                    .note(&*row.note)
            });
        }
        let place = |kind| match kind {
            Kind::Floor => 0,
            Kind::Rival => 1,
            Kind::Foreign => 2,
            Kind::Segno => 3,
        };
        cases.iter_mut().for_each(|case| case.rows.sort_by_key(|row| place(row.kind)));
        Ok(All { results, foreign, cases })
    }

    /// A case by its bench and name.
    pub fn case(&self, question: &str, case: &str) -> Result<&Case, String> {
        let found = self.cases.iter().find(|each| each.question == question && each.case == case);
        found.ok_or_else(|| format!("results.json has no case `{case}` of `{question}`"))
    }
}

impl Case {
    /// Cases out of rows, in their order.
    pub fn group(rows: &[Row]) -> Vec<Case> {
        let mut cases: Vec<Case> = Vec::new();
        for row in rows {
            let same = |case: &Case| {
                (&case.question, &case.case, &case.unit) == (&row.question, &row.case, &row.unit)
            };
            match cases.iter_mut().find(|case| same(case)) {
                Some(case) => case.rows.push(row.clone()),
                None => cases.push(Case {
                    question: row.question.clone(),
                    case: row.case.clone(),
                    unit: row.unit.clone(),
                    rows: vec![row.clone()],
                }),
            }
        }
        cases
    }

    /// What the others are compared with.
    pub fn floor(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.kind == Kind::Floor)
    }

    /// The best of the rows that `which` picks.
    pub fn best(&self, which: impl Fn(&Row) -> bool) -> Option<&Row> {
        let able = self.rows.iter().filter(|row| row.value.is_some() && which(row));
        able.min_by(|a, b| a.value.unwrap_or(f64::NAN).total_cmp(&b.value.unwrap_or(f64::NAN)))
    }

    /// The best of the rivals, in Rust or not.
    pub fn best_rival(&self) -> Option<&Row> {
        self.best(|row| matches!(row.kind, Kind::Rival | Kind::Foreign))
    }

    /// A row by its name.
    pub fn row(&self, who: &str) -> Result<&Row, String> {
        let found = self.rows.iter().find(|row| row.who == who);
        found.ok_or_else(|| {
            format!("results.json has no row `{who}` of `{}, {}`", self.question, self.case)
        })
    }
}

impl Row {
    /// Whether it has no stack of its own while it is paused: its note says so, or it is one of those that never have,
    /// whatever they are asked.
    pub fn is_stackless(&self) -> bool {
        const NEVER_A_STACK: [&str; 10] = [
            "async-channel",
            "async-executor",
            "async-io",
            "async-lock",
            "bare future",
            "boxed future",
            "future",
            "genawaiter",
            "nested futures",
            "tokio",
        ];
        let named = NEVER_A_STACK.iter().any(|name| self.who.starts_with(name));
        self.kind == Kind::Rival && (named || self.note.contains("stackless"))
    }

    /// Its figure by another's.
    pub fn ratio_to(&self, other: Option<&Row>) -> Option<f64> {
        Some(self.value? / other?.value?)
    }
}

/// The folder of the benches.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read<T: for<'a> Deserialize<'a>>(name: &str) -> Result<T, String> {
    let text = fs::read(folder().join(name)).map_err(|error| format!("{name}: {error}"))?;
    serde_json::from_slice(&text).map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine;
    use crate::rounds::Quiet;

    fn foreign(rows: Vec<ForeignRow>) -> Foreign {
        let (date, cpu, kernel) = (String::new(), String::new(), String::new());
        let (rounds, waited, repeated, versions) = (1, 0.0, 0, BTreeMap::new());
        Foreign { date, cpu, kernel, rounds, waited, repeated, versions, rows }
    }

    fn answer(who: &str, question: &str, case: &str) -> ForeignRow {
        ForeignRow {
            question: question.into(),
            case: case.into(),
            who: who.into(),
            unit: "ns".into(),
            value: None,
            low: None,
            high: None,
            note: "it cannot".into(),
        }
    }

    #[test]
    fn who_never_has_a_stack_needs_no_note() {
        let row = |who, note| Row::empty("yield", "2 tasks", Kind::Rival, who, "ns").note(note);
        let stackless = [row("tokio, spawn", "a task for ten things"), row("flume", "stackless")];
        assert!(stackless.iter().all(Row::is_stackless));
        let stackful = [row("generator", ""), row("may", ""), row("flume", "")];
        assert!(!stackful.iter().any(Row::is_stackless));
    }

    fn everybody() -> Vec<ForeignRow> {
        let asked = |who| Foreign::ASKED.map(|(question, case)| answer(who, question, case));
        Foreign::RIVALS.into_iter().flat_map(asked).collect()
    }

    #[test]
    fn a_rival_that_cannot_is_there_and_one_without_a_row_is_missing() {
        assert!(foreign(everybody()).missing().is_empty());
        let mut rows = everybody();
        let gone = rows.remove(12);
        assert_eq!(
            foreign(rows).missing(),
            [format!("{}: {}, {}", gone.who, gone.question, gone.case)]
        );
    }

    #[test]
    fn a_run_on_a_slower_machine_agrees_and_one_with_another_ratio_does_not() {
        let run = |floor, segno| {
            let row = |kind, who, value| Row {
                value: Some(value),
                ..Row::empty("switch", "8 bytes", kind, who, "ns")
            };
            let rows = vec![row(Kind::Floor, "bare", floor), row(Kind::Segno, "Coroutine", segno)];
            let (machine, set) = (machine::describe(), "quick".into());
            Results { format: FORMAT, set, machine, rows, confirmed: None }
        };
        let first = run(2.0, 3.0);
        let slower = first.confirmed_by(&run(3.4, 5.0));
        assert_eq!((slower.agree, slower.of), (1, 1));
        let other = first.confirmed_by(&run(2.0, 3.4));
        assert_eq!((other.agree, other.of), (0, 1));
        assert_eq!(other.unlike, ["switch, 8 bytes: Coroutine: 1.50 and 1.70 x floor"]);
    }

    #[test]
    fn what_was_measured_at_a_slow_pace_is_noisy() {
        let row = |pace| Row {
            quiet: Some(Quiet {
                rounds: 15,
                dropped: 0,
                others: 0.0,
                here: 0.0,
                disturbed: 0.0,
                pace: Some(pace),
                best_pace: Some(pace - 5.0),
                noisy: false,
            }),
            ..Row::empty("switch", "8 bytes", Kind::Segno, "Coroutine", "ns")
        };
        let mut rows = [row(105.0), row(114.0), row(116.0)];
        mark_slow(&mut rows);
        assert_eq!(
            rows.map(|row| row.quiet.is_some_and(|quiet| quiet.noisy)),
            [false, false, true]
        );
    }

    #[test]
    fn a_case_that_was_asked_outside_only_is_an_error() {
        let (format, machine) = (FORMAT, machine::describe());
        let rows = vec![Row::empty("switch", "resume and pause", Kind::Floor, "corosensei", "ns")];
        let (set, confirmed) = ("quick".into(), None);
        let results = Results { format, set, machine, rows, confirmed };
        let error = All::of(results, foreign(everybody())).err();
        assert!(error.is_some_and(|error| error.contains("create, one at a time")));
    }
}
