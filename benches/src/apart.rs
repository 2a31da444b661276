//! A measurement in a process of its own, so that nobody finds another's memory ready to be reused,
//! and a rival that crashes or hangs takes nothing with it.
//!
//! A bench asks [`asked`] first: the program that it starts to measure apart is itself.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::env;
use std::process::{Command, ExitStatus};

/// The argument by which a process knows that it is to measure, and not to compare.
const APART: &str = "--apart";

/// After so many seconds a process is taken to hang. The longest measurement, a million coroutines,
/// takes a third of it.
const PATIENCE: u32 = 30;

/// What this process was started for, if [`run`] started it: `what`, and how many.
pub fn asked() -> Option<(String, usize)> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [flag, what, count] if flag == APART => {
            // SAFETY: sets a timer that ends this process, and nothing else in it does so.
            #[cfg(unix)]
            unsafe {
                libc::alarm(PATIENCE)
            };
            Some((what.clone(), count.parse().expect("a count")))
        }
        _ => None,
    }
}

/// Tells the process that asked.
pub fn answer(report: &impl Serialize) {
    println!("{}", serde_json::to_string(report).expect("plain fields"));
}

/// Runs this program again, to measure `what` with so many; an `Err` says how it ended without an
/// answer.
pub fn run<T: DeserializeOwned>(what: &str, count: usize) -> Result<T, String> {
    let program = env::current_exe().expect("a running program has a path");
    let output = Command::new(program).args([APART, what, &count.to_string()]).output();
    let output = output.map_err(|error| format!("its process could not be started: {error}"))?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let end = match hung(&output.status) {
            true => format!("did not end within {PATIENCE} s"),
            false => format!("died ({})", output.status),
        };
        format!("its process {end}: {}", last_words(&stderr))
    })
}

/// Whether a process ended because its time was over.
fn hung(status: &ExitStatus) -> bool {
    #[cfg(unix)]
    return std::os::unix::process::ExitStatusExt::signal(status) == Some(libc::SIGALRM);
    #[cfg(not(unix))]
    {
        let _ = status;
        false
    }
}

/// What a process said why it died: of a panic the message, and not the line above it, which names
/// a file of this machine.
fn last_words(stderr: &str) -> &str {
    let mut lines = stderr.lines().filter(|line| !line.is_empty());
    match lines.next() {
        Some(line) if line.contains("panicked at") => lines.next().unwrap_or("it panicked"),
        Some(line) => line,
        None => "in silence",
    }
}
