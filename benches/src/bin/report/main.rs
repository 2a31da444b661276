//! Measures Segno beside its floors and rivals, and writes what a reader sees of it.
//!
//! ```text
//! cargo run --release -p segno-benches --bin report                the headlines, in a few minutes
//! cargo run --release -p segno-benches --bin report -- --full      every case of every bench
//! cargo run --release -p segno-benches --bin report -- --twice     either, twice: the second run says how far it agrees
//! cargo run --release -p segno-benches --bin report -- yield/2     cases whose name has this in it: printed only
//! cargo run --release -p segno-benches --bin report -- --readme    nothing is measured: the pages are written anew
//! cargo run --release -p segno-benches --bin report -- --check     fails where a page is not what the figures say
//! ```
//!
//! The first three write `benches/results.json` and, from it and `benches/foreign.json` (which
//! `benches/foreign/run.sh` writes), `report.md`, `report.html` and the plots beside them. `--readme` puts the
//! tables into the README and the documentation, too, between their markers.
//!
//! | file | what it does |
//! |---|---|
//! | `run.rs` | builds the benches, has them measure in rounds, in three processes each, and again what was noisy |
//! | `second/` | times the headlines a second time, between the rounds, by other code in another process |
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
use segno_benches::results::{All, Case, Confirmed, FORMAT, Results, best_pace, folder};
use std::fs;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => measure("quick", false),
        ["--full"] => measure("full", false),
        ["--twice"] => measure("quick", true),
        ["--full", "--twice"] | ["--twice", "--full"] => measure("full", true),
        [second::SECOND] => second::answer(),
        ["--readme"] => All::read().and_then(|all| pages::write(&all, true)),
        ["--check"] => All::read().and_then(|all| pages::check(&all)),
        [filter] if !filter.starts_with('-') => look_at(filter),
        _ => Err("report [[--full] [--twice] | --readme | --check | PART_OF_A_NAME]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("{complaint}");
            ExitCode::FAILURE
        }
    }
}

/// Measures a set, and writes the file and its pages. Of two runs the first counts, and the second confirms.
fn measure(set: &str, twice: bool) -> Result<(), String> {
    let benches = run::build()?;
    let once = || -> Result<Results, String> {
        let start = Instant::now();
        let rows = match set {
            "quick" => run::headlines(&benches)?,
            _ => run::everything(&benches)?,
        };
        println!("measured for {} s", start.elapsed().as_secs());
        let (set, machine) = (set.into(), machine::describe());
        Ok(Results { format: FORMAT, set, machine, rows, confirmed: None })
    };
    let mut results = once()?;
    let path = folder().join("results.json");
    if let Some(old) = fs::read(&path).ok().and_then(|old| serde_json::from_slice(&old).ok()) {
        say(&results.confirmed_by(&old));
    }
    let keep = |results: &Results| -> Result<(), String> {
        let text = serde_json::to_string_pretty(results).map_err(|error| error.to_string())? + "\n";
        fs::write(&path, text).map_err(|error| format!("results.json: {error}"))
    };
    keep(&results)?;
    if twice {
        let confirmed = results.confirmed_by(&once()?);
        say(&confirmed);
        results.confirmed = Some(confirmed);
        keep(&results)?;
    }
    let all = All::read()?;
    pages::write(&all, false)?;
    print!("{}", page::markdown(&tables::summary(&all)?));
    Ok(())
}

/// Measures what a name asks for, and prints it.
fn look_at(filter: &str) -> Result<(), String> {
    let rows = run::some(&run::build()?, filter)?;
    let best = best_pace(&rows);
    for case in Case::group(&rows) {
        print!("{}", page::markdown(&[tables::case_table(&case, best)]));
    }
    Ok(())
}

/// Says how far another run agrees with this one.
fn say(confirmed: &Confirmed) {
    let date = &confirmed.date;
    for line in &confirmed.unlike {
        println!("unlike the run of {date}: {line} there");
    }
    println!("beside the run of {date}: {}", tables::agreement(confirmed));
}
