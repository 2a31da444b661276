//! Builds the benches and has them measure in rounds.

use segno_benches::headlines::GROUPS;
use segno_benches::question::ROUNDS;
use segno_benches::row::{Row, take_sheet};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Rounds that count, of the headlines alone and of everything.
const QUICK: usize = 15;
const FULL: usize = 31;

/// A program with a question.
pub(crate) struct Bench {
    /// The question.
    name: String,
    /// The program.
    path: PathBuf,
}

/// Builds all benches, in the profile that `cargo bench` has.
pub(crate) fn build() -> Result<Vec<Bench>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut command = Command::new(cargo);
    command.args(["bench", "-p", "segno-benches", "--no-run", "--message-format=json"]);
    // This program has been told things by cargo that would make the other one build everything anew.
    let told = std::env::vars_os().map(|(name, _)| name);
    told.filter(|name| name.to_string_lossy().starts_with("CARGO_PKG")).for_each(|name| {
        command.env_remove(name);
    });
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err("the benches cannot be built".into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let benches = messages.filter_map(|message| {
        let target = &message["target"];
        let is_bench = target["kind"].as_array()?.iter().any(|kind| kind == "bench");
        let (name, path) = (target["name"].as_str()?, message["executable"].as_str()?);
        is_bench.then(|| Bench { name: name.into(), path: path.into() })
    });
    let mut benches: Vec<Bench> = benches.collect();
    benches.sort_by(|a, b| a.name.cmp(&b.name));
    if benches.is_empty() { Err("cargo has built no benches".into()) } else { Ok(benches) }
}

/// Measures the cases of the headlines.
pub(crate) fn headlines(benches: &[Bench]) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    let all = || GROUPS.iter().flat_map(|group| group.headlines);
    for headline in all() {
        if !benches.iter().any(|bench| bench.name == headline.question) {
            return Err(format!("there is no bench `{}`", headline.question));
        }
    }
    for bench in benches {
        let mut cases: Vec<String> = all()
            .filter(|headline| headline.question == bench.name)
            .map(|headline| format!("{}/{}", headline.question, headline.case))
            .collect();
        cases.dedup();
        if !cases.is_empty() {
            rows.extend(quietly(bench, QUICK, &cases)?);
        }
    }
    Ok(rows)
}

/// Measures all cases of all benches.
pub(crate) fn everything(benches: &[Bench]) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for bench in benches {
        rows.extend(quietly(bench, FULL, &[])?);
    }
    Ok(rows)
}

/// Measures the cases whose names, `QUESTION/CASE`, have this in them.
pub(crate) fn some(benches: &[Bench], filter: &str) -> Result<Vec<Row>, String> {
    let question = filter.split('/').next().unwrap_or_default();
    let named = benches.iter().any(|bench| bench.name == question);
    let mut rows = Vec::new();
    for bench in benches.iter().filter(|bench| !named || bench.name == question) {
        rows.extend(measure(bench, QUICK, &[filter.into()])?);
    }
    if rows.is_empty() { Err(format!("no case has `{filter}` in its name")) } else { Ok(rows) }
}

/// Measures cases, those with a noisy figure once more, and keeps the quieter of both.
fn quietly(bench: &Bench, rounds: usize, cases: &[String]) -> Result<Vec<Row>, String> {
    let mut rows = measure(bench, rounds, cases)?;
    let name = |row: &Row| format!("{}/{}", row.question, row.case);
    let mut noisy: Vec<String> = rows.iter().filter(|row| is_noisy(row)).map(name).collect();
    noisy.dedup();
    if noisy.is_empty() {
        return Ok(rows);
    }
    println!("once more, because there was noise: {}", noisy.join("; "));
    let again = measure(bench, rounds, &noisy)?;
    for case in noisy {
        let noise = |rows: &[Row]| {
            rows.iter()
                .filter(|row| name(row) == case)
                .map(loudness)
                .fold((0, 0.0), |sum, row| (sum.0 + row.0, f64::max(sum.1, row.1)))
        };
        if noise(&again) < noise(&rows) {
            for row in rows.iter_mut().filter(|row| name(row) == case) {
                if let Some(new) = again.iter().find(|new| name(new) == case && new.who == row.who)
                {
                    *row = new.clone();
                }
            }
        }
    }
    Ok(rows)
}

fn is_noisy(row: &Row) -> bool {
    row.quiet.is_some_and(|quiet| quiet.noisy)
}

/// Whether it is noisy, and how much others did.
fn loudness(row: &Row) -> (usize, f64) {
    (usize::from(is_noisy(row)), row.quiet.map_or(0.0, |quiet| quiet.here))
}

/// Has a bench measure, and takes its sheet.
fn measure(bench: &Bench, rounds: usize, cases: &[String]) -> Result<Vec<Row>, String> {
    // One of an earlier run must not be taken for this one's.
    let _ = take_sheet(&bench.name);
    let mut command = Command::new(&bench.path);
    command.args(["--bench", ROUNDS, &rounds.to_string()]).args(cases);
    let status = command.status();
    let status = status.map_err(|error| format!("`{}` cannot be started: {error}", bench.name))?;
    if !status.success() {
        return Err(format!("the bench `{}` died ({status})", bench.name));
    }
    match take_sheet(&bench.name) {
        Ok(rows) => Ok(rows),
        // It says itself why it measures nothing on this system.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("the sheet of `{}`: {error}", bench.name)),
    }
}
