//! The machine and the versions that figures were measured with.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What to know about a machine before comparing its figures with another's.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Machine {
    /// The day, UTC.
    pub date: String,
    /// The processor's name and how many of it the system sees.
    pub cpu: String,
    /// The operating system's kernel.
    pub kernel: String,
    /// The compiler.
    pub rustc: String,
    /// What was measured: the commit of the repository, with a `+` where something has been changed since.
    #[serde(default)]
    pub commit: String,
    /// The library's version and its rivals'.
    pub versions: BTreeMap<String, String>,
}

/// Describes this machine; what cannot be found out is `unknown`.
pub fn describe() -> Machine {
    let cpus = std::thread::available_parallelism().map_or(0, |count| count.get());
    Machine {
        date: said_by("date", &["-u", "+%Y-%m-%d"]),
        cpu: format!("{} x {cpus}", cpu_name().unwrap_or_else(unknown)),
        kernel: said_by("uname", &["-srm"]),
        rustc: said_by("rustc", &["--version"]),
        commit: commit(),
        versions: versions(),
    }
}

/// The first line that a program prints.
pub fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok();
    let text = output.and_then(|output| String::from_utf8(output.stdout).ok());
    text.and_then(|text| text.lines().next().map(str::to_owned)).unwrap_or_else(unknown)
}

/// Where the repository is.
fn commit() -> String {
    let changed = said_by("git", &["status", "--porcelain", "--untracked-files=no"]);
    let changed = if changed == unknown() { "" } else { "+" };
    said_by("git", &["rev-parse", "--short", "HEAD"]) + changed
}

fn unknown() -> String {
    "unknown".into()
}

fn cpu_name() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The versions of those who are measured, out of the workspace's lock file.
fn versions() -> BTreeMap<String, String> {
    const MEASURED: [&str; 17] = [
        "segno",
        "corosensei",
        "generator",
        "genawaiter",
        "tokio",
        "async-executor",
        "async-io",
        "may",
        "rayon",
        "mlua",
        "async-channel",
        "async-lock",
        "flume",
        "kanal",
        "crossbeam-channel",
        "parking_lot",
        "criterion",
    ];

    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace around it");
    let lock = fs::read_to_string(lock.join("Cargo.lock")).unwrap_or_default();
    let value = |line: &str, key: &str| {
        Some(line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned())
    };
    let mut names = lock.lines().filter_map(|line| value(line, "name"));
    let versions = lock.lines().filter_map(|line| value(line, "version"));
    let pairs = versions.filter_map(|version| Some((names.next()?, version)));
    pairs.filter(|(name, _)| MEASURED.contains(&name.as_str())).collect()
}
