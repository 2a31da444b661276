//! Measures Segno beside its floors and rivals, and writes what a reader sees of it.
//!
//! ```text
//! cargo run --release -p segno-benches --bin report                the headlines, in a few minutes
//! cargo run --release -p segno-benches --bin report -- --full      every case of every bench
//! cargo run --release -p segno-benches --bin report -- yield/2     cases whose name has this in it: printed only
//! cargo run --release -p segno-benches --bin report -- --readme    nothing is measured: the pages are written anew
//! cargo run --release -p segno-benches --bin report -- --check     fails where a page is not what the figures say
//! ```
//!
//! The first two write `benches/results.json` and, from it and `benches/foreign.json` (which
//! `benches/foreign/run.sh` writes), `report.md`, `report.html` and the plots beside them. `--readme` puts the
//! tables into the README and the documentation, too, between their markers.
//!
//! | file | what it does |
//! |---|---|
//! | `run.rs` | builds the benches, has them measure in rounds, and measures again what was noisy |
//! | `second/` | times the headlines a second time, by other code in another way |
//! | `page.rs` | a page of headings, texts, tables and plots, as Markdown or HTML |
//! | `tables.rs` | the tables |
//! | `plots.rs` | the plots of who takes how long |
//! | `curves.rs` | those of more and more work between two pauses |
//! | `pages.rs` | which page has what; writes and checks them |

mod curves;
mod page;
mod pages;
mod plots;
mod run;
mod second;
mod tables;

use segno_benches::machine;
use segno_benches::results::{All, Case, FORMAT, Results, folder};
use segno_benches::row::Row;
use std::fs;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => measure("quick"),
        ["--full"] => measure("full"),
        ["--readme"] => All::read().and_then(|all| pages::write(&all, true)),
        ["--check"] => All::read().and_then(|all| pages::check(&all)),
        [filter] if !filter.starts_with('-') => look_at(filter),
        _ => Err("report [--full | --readme | --check | PART_OF_A_NAME]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::FAILURE
        }
    }
}

/// Measures a set, and writes the file and its pages.
fn measure(set: &str) -> Result<(), String> {
    let benches = run::build()?;
    let start = Instant::now();
    let rows = match set {
        "quick" => run::headlines(&benches)?,
        _ => run::everything(&benches)?,
    };
    let mut results =
        Results { format: FORMAT, set: set.into(), machine: machine::describe(), rows };
    println!("timing the headlines a second time");
    second::time(&mut results)?;
    println!("measured for {} s", start.elapsed().as_secs());
    let path = folder().join("results.json");
    if let Some(old) = fs::read(&path).ok().and_then(|old| serde_json::from_slice(&old).ok()) {
        confirm(&old, &results);
    }
    let text = serde_json::to_string_pretty(&results).map_err(|error| error.to_string())? + "\n";
    fs::write(&path, text).map_err(|error| format!("results.json: {error}"))?;
    let all = All::read()?;
    pages::write(&all, false)?;
    print!("{}", page::markdown(&tables::summary(&all)?));
    Ok(())
}

/// Measures what a name asks for, and prints it.
fn look_at(filter: &str) -> Result<(), String> {
    let rows = run::some(&run::build()?, filter)?;
    let machine = machine::describe();
    let mut results = Results { format: FORMAT, set: filter.into(), machine, rows };
    second::time(&mut results)?;
    for case in Case::group(&results.rows) {
        print!("{}", page::markdown(&[tables::case_table(&case)]));
    }
    Ok(())
}

/// Says how many rows an earlier run and this one agree on: their spreads overlap, or nearly so.
fn confirm(old: &Results, new: &Results) {
    /// Spreads do not say how a processor's clock differs from one hour to the next.
    const NEAR: f64 = 1.05;

    let same = |a: &Row, b: &Row| {
        (&a.question, &a.case, &a.who, &a.unit) == (&b.question, &b.case, &b.who, &b.unit)
    };
    let both = new.rows.iter().filter_map(|row| {
        let before = old.rows.iter().find(|each| same(each, row))?;
        Some((row, [before.low?, before.high?], [row.low?, row.high?]))
    });
    let (mut agree, mut all) = (0, 0);
    let date = &old.machine.date;
    for (row, [low, high], [new_low, new_high]) in both {
        all += 1;
        if low <= new_high * NEAR && new_low <= high * NEAR {
            agree += 1;
        } else {
            let Row { question, case, who, unit, .. } = row;
            println!(
                "unlike the run of {date}: {question}, {case}: {who}: {low}..{high} {unit} then, \
                 {new_low}..{new_high} now"
            );
        }
    }
    println!("{agree} of {all} figures agree with the run of {date} within their spreads and 5 %");
}
