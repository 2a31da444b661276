//! Joins what the benches have measured into `results.json`, and prints it as a table.
//!
//! `cargo run --release -p segno-benches --bin collect`, after `cargo bench -p segno-benches`.
//!
//! The rows come from the sheets that the benches leave (`row.rs` describes them and the file);
//! times come from criterion's estimates: the median, and its 95 % confidence interval. The file
//! is written anew each time, so that all its rows are of one machine: a question whose bench has
//! not run there drops out, and is named.
//!
//! The table's last columns are the ratios to the case's first floor and to its best rival.

use segno_benches::machine::{self, Machine};
use segno_benches::row::{self, Kind, Row};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The file.
#[derive(Deserialize, Serialize)]
struct Results {
    /// Goes up when the meaning of a field changes.
    format: u32,
    /// What all rows were measured on.
    machine: Machine,
    /// The figures: question by question, case by case, each case's floor first.
    rows: Vec<Row>,
}

fn main() -> ExitCode {
    let mut rows = match row::read_sheets() {
        Ok(rows) if !rows.is_empty() => rows,
        _ => {
            eprintln!("nothing measured yet: run `cargo bench -p segno-benches` first");
            return ExitCode::FAILURE;
        }
    };
    let mut times = BTreeMap::new();
    if let Err(error) = read_estimates(&row::target().join("criterion"), &mut times) {
        eprintln!("criterion's estimates cannot be read: {error}");
        return ExitCode::FAILURE;
    }
    for row in rows.iter_mut().filter(|row| row.value.is_none() && row.unit == "ns") {
        let id = format!("{}/{}/{}: {}", row.question, row.case, row.kind.word(), row.who);
        if let Some(&[median, low, high]) = times.get(&id) {
            (row.value, row.low, row.high) = (Some(median), Some(low), Some(high));
        }
    }
    print(&rows);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("results.json");
    let results = Results { format: 1, machine: machine::describe(), rows };
    match write(&path, &results) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("results.json cannot be written: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Finds criterion's medians in a folder, each with its confidence interval, in nanoseconds for one
/// operation, by the name `GROUP/FUNCTION`.
fn read_estimates(folder: &Path, times: &mut BTreeMap<String, [f64; 3]>) -> io::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        if path.ends_with("new") && path.join("estimates.json").exists() {
            let (name, time) = read_estimate(&path)?;
            times.insert(name, time);
        } else {
            read_estimates(&path, times)?;
        }
    }
    Ok(())
}

fn read_estimate(folder: &Path) -> io::Result<(String, [f64; 3])> {
    let read = |name| -> io::Result<Value> {
        Ok(serde_json::from_slice(&fs::read(PathBuf::from(folder).join(name))?)?)
    };
    let (benchmark, estimates) = (read("benchmark.json")?, read("estimates.json")?);
    let name = benchmark["full_id"].as_str().unwrap_or_default().to_owned();
    // An iteration of criterion's is as many operations as its throughput says.
    let operations = benchmark["throughput"]["Elements"].as_f64().unwrap_or(1.0);
    let interval = &estimates["median"]["confidence_interval"];
    let ends = [
        &estimates["median"]["point_estimate"],
        &interval["lower_bound"],
        &interval["upper_bound"],
    ];
    // Digits below a picosecond are noise, and would make every change of the file a long one.
    let rounded = |time: f64| (time * 1000.0).round() / 1000.0;
    Ok((name, ends.map(|time| rounded(time.as_f64().unwrap_or(f64::NAN) / operations))))
}

/// Writes the file, and names the questions that it had and has no more.
fn write(path: &Path, results: &Results) -> io::Result<()> {
    let questions = |rows: &[Row]| -> BTreeSet<String> {
        rows.iter().map(|row| row.question.clone()).collect()
    };
    if let Some(old) =
        fs::read(path).ok().and_then(|old| serde_json::from_slice::<Results>(&old).ok())
    {
        for gone in questions(&old.rows).difference(&questions(&results.rows)) {
            println!("`{gone}` has not been measured here and is no longer in results.json");
        }
    }
    fs::write(path, serde_json::to_string_pretty(results)? + "\n")
}

fn print(rows: &[Row]) {
    for case in rows.chunk_by(|a, b| (&a.question, &a.case) == (&b.question, &b.case)) {
        let unit = &case[0].unit;
        println!("{}, {}", case[0].question, case[0].case);
        println!("    {:38} {unit:>12} {:>9} {:>9}", "", "x floor", "x rival");
        let values =
            |kind| case.iter().filter(move |row| row.kind == kind).filter_map(|row| row.value);
        let floor = values(Kind::Floor).next();
        let rival = values(Kind::Rival).min_by(f64::total_cmp);
        for row in case {
            let name = format!("{}: {}", row.kind.word(), row.who);
            let number = |value: Option<f64>| value.map_or("-".into(), figures);
            let ratio = |to: Option<f64>| number(row.value.zip(to).map(|(value, to)| value / to));
            let (value, by_floor, by_rival) = (number(row.value), ratio(floor), ratio(rival));
            let line =
                format!("    {name:38} {value:>12} {by_floor:>9} {by_rival:>9}  {}", row.note);
            println!("{}", line.trim_end());
        }
        println!();
    }
}

/// A number with as many digits as mean something.
fn figures(value: f64) -> String {
    match value {
        ..100.0 => format!("{value:.2}"),
        ..1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
