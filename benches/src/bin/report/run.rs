//! Builds the benches and has them measure in rounds, in several processes each.

use crate::second::{self, Second};
use segno_benches::beside::BESIDE;
use segno_benches::headlines::GROUPS;
use segno_benches::question::{ROUNDS, ROUNDS_ALONE};
use segno_benches::results::mark_slow;
use segno_benches::row::{Row, of_processes, take_sheet};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Rounds that count, of the headlines alone and of everything, in all processes together.
const QUICK: usize = 15;
const FULL: usize = 33;
/// So many processes measure the same, one after the other. A process has its code and its memory where chance has put
/// them, all its copies of a loop alike.
const PROCESSES: usize = 3;

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
    let all = || GROUPS.iter().flat_map(|group| group.headlines);
    for headline in all() {
        if !benches.iter().any(|bench| bench.name == headline.question) {
            return Err(format!("there is no bench `{}`", headline.question));
        }
    }
    let cases = |bench: &Bench| {
        let mut cases: Vec<String> = all()
            .filter(|headline| headline.question == bench.name)
            .map(|headline| format!("{}/{}", headline.question, headline.case))
            .collect();
        cases.dedup();
        cases
    };
    let asked = benches.iter().map(|bench| (bench, cases(bench)));
    quietly(asked.filter(|(_, cases)| !cases.is_empty()).collect(), QUICK)
}

/// Measures all cases of all benches.
pub(crate) fn everything(benches: &[Bench]) -> Result<Vec<Row>, String> {
    quietly(benches.iter().map(|bench| (bench, Vec::new())).collect(), FULL)
}

/// Measures the cases whose names, `QUESTION/CASE`, have this in them.
pub(crate) fn some(benches: &[Bench], filter: &str) -> Result<Vec<Row>, String> {
    let question = filter.split('/').next().unwrap_or_default();
    let named = benches.iter().any(|bench| bench.name == question);
    let mut rows = Vec::new();
    for bench in benches.iter().filter(|bench| !named || bench.name == question) {
        rows.extend(measure(bench, QUICK, &[filter.into()])?);
    }
    mark_slow(&mut rows);
    if rows.is_empty() { Err(format!("no case has `{filter}` in its name")) } else { Ok(rows) }
}

/// Measures the cases of benches, or all of them where none are named; in the end, when the machine may be quieter, those
/// with a noisy figure once more, and keeps the quieter of both.
fn quietly(asked: Vec<(&Bench, Vec<String>)>, rounds: usize) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for (bench, cases) in &asked {
        let start = Instant::now();
        rows.extend(measure(bench, rounds, cases)?);
        println!("`{}` took {:.0} s", bench.name, start.elapsed().as_secs_f64());
    }
    mark_slow(&mut rows);
    for (bench, _) in asked {
        let of_bench = rows.iter().filter(|row| row.question == bench.name && is_noisy(row));
        let mut noisy: Vec<String> = of_bench.map(name).collect();
        noisy.dedup();
        if noisy.is_empty() {
            continue;
        }
        println!("once more, because there was noise: {}", noisy.join("; "));
        let again = measure(bench, rounds, &noisy)?;
        // What is found is a case whose name has another's in it, too.
        let mut both = rows.iter().chain(&again).cloned().collect::<Vec<_>>();
        mark_slow(&mut both);
        let again = both.split_off(rows.len());
        rows = both;
        for case in noisy {
            if noise(&again, &case) < noise(&rows, &case) {
                for row in rows.iter_mut().filter(|row| name(row) == case) {
                    if let Some(new) =
                        again.iter().find(|new| name(new) == case && new.who == row.who)
                    {
                        *row = new.clone();
                    }
                }
            }
        }
    }
    Ok(rows)
}

fn name(row: &Row) -> String {
    format!("{}/{}", row.question, row.case)
}

fn is_noisy(row: &Row) -> bool {
    row.quiet.is_some_and(|quiet| quiet.noisy)
}

/// How many figures of a case are noisy, and how slow the pace was.
fn noise(rows: &[Row], case: &str) -> (usize, f64) {
    let quiet = || rows.iter().filter(|row| name(row) == case).filter_map(|row| row.quiet);
    let pace = quiet().filter_map(|quiet| quiet.pace).fold(0.0, f64::max);
    (quiet().filter(|quiet| quiet.noisy).count(), pace)
}

/// Has a bench measure in several processes, and joins what they say.
fn measure(bench: &Bench, rounds: usize, cases: &[String]) -> Result<Vec<Row>, String> {
    let rounds = rounds.div_ceil(PROCESSES);
    let first = in_process(bench, rounds, cases, false)?;
    if first.iter().all(|row| row.quiet.is_none()) {
        return Ok(first);
    }
    let mut others = Vec::new();
    for _ in 1..PROCESSES {
        others.extend(in_process(bench, rounds, cases, true)?);
    }
    let same = |one: &Row, other: &&Row| (&one.case, &one.who) == (&other.case, &other.who);
    let joined = first.into_iter().map(|row| match row.quiet {
        Some(_) => {
            let again: Vec<Row> =
                others.iter().filter(|other| same(&row, other)).cloned().collect();
            of_processes([vec![row], again].concat())
        }
        None => row,
    });
    Ok(joined.collect())
}

/// Has a process of a bench measure beside one of the second timing, and takes their sheets. With `rounds_alone` it leaves
/// out what is not measured in rounds.
fn in_process(
    bench: &Bench,
    rounds: usize,
    cases: &[String],
    rounds_alone: bool,
) -> Result<Vec<Row>, String> {
    let name = &bench.name;
    // One of an earlier run must not be taken for this one's.
    let _ = take_sheet::<Row>(name);
    let mut command = Command::new(&bench.path);
    command.args(["--bench", ROUNDS, &rounds.to_string(), BESIDE]).args(cases);
    command.args(rounds_alone.then_some(ROUNDS_ALONE));
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut first = child.map_err(|error| format!("`{name}` cannot be started: {error}"))?;
    let (input, output) = (first.stdin.take(), first.stdout.take());
    let (input, output) = input.zip(output).ok_or("a bench without pipes")?;
    let second = Second::start(input, output);
    let status = first.wait().map_err(|error| format!("`{name}`: {error}"))?;
    let opinions = second.and_then(Second::opinions)?;
    if !status.success() {
        return Err(format!("the bench `{name}` died ({status})"));
    }
    let mut rows = match take_sheet(name) {
        Ok(rows) => rows,
        // It says itself why it measures nothing on this system.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("the sheet of `{name}`: {error}")),
    };
    second::fill_in(&mut rows, opinions)?;
    Ok(rows)
}
