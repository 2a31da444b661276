//! The command line.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt;

use super::time::Time;

/// What is said when the command line makes no sense.
pub(crate) const USAGE: &str = "\
usage: symphony [TUNE.abc] [--voices N] [--entry BARS] [--svg FILE] [--wav FILE]
                [--tempo BEATS] [--real-time] [--blocking] [--parallel] [--unfair SEED] [--quiet]
       symphony --help";

/// What `--help` says.
pub(crate) const HELP: &str = "\
Plays a tune as a round: every voice is the same function, run as a task of its own.

usage: symphony [TUNE.abc] [options]

  TUNE.abc        a tune in ABC notation, the first in the file; without one, Frère Jacques
  --voices N      how many voices sing, 1 to 10000 (the file's %%round-voices, or else 4)
  --entry BARS    how many bars after the voice before it each voice enters: 2, 1/2, 0
                  (the file's %%round-entry, or else 2)
  --svg FILE      draw the round as a timeline
  --wav FILE      write its sound
  --tempo BEATS   how many beats a minute holds, 1 to 10000, instead of what the file says
  --real-time     play at tempo; otherwise time is virtual and the end comes at once
  --blocking      play at tempo, and let the second voice sleep the whole thread for a bar:
                  nobody sings, and the watchdog says who is to blame
  --parallel      play at tempo, on the threads of a pool: with --blocking, only the voice that
                  blocks is late
  --unfair SEED   resume voices that are due at the same instant in an order drawn from SEED
  -q, --quiet     print nothing
  -h, --help      print this
";

/// How many voices sing when neither the command line nor the file says.
pub(crate) const VOICES: u32 = 4;

/// More voices than anyone can tell apart, and fewer than would exhaust memory.
const MOST_VOICES: u32 = 10_000;

/// The tune that is played when none is named.
const BUNDLED: (&str, &str) =
    ("examples/assets/frere-jacques.abc", include_str!("../assets/frere-jacques.abc"));

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Play a round.
    Play(Options),
    /// Explain the command line.
    Help,
}

/// What the command line says about the round.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// The file to read.
    file: Option<PathBuf>,
    /// `--voices`.
    pub(crate) voices: Option<u32>,
    /// `--entry`, in bars.
    pub(crate) entry: Option<Time>,
    /// `--svg`.
    pub(crate) svg: Option<PathBuf>,
    /// `--wav`.
    pub(crate) wav: Option<PathBuf>,
    /// `--tempo`.
    pub(crate) tempo: Option<u32>,
    /// `--real-time`, or what asks for it.
    pub(crate) real_time: bool,
    /// `--blocking`.
    pub(crate) blocking: bool,
    /// `--parallel`.
    pub(crate) parallel: bool,
    /// `--unfair`.
    pub(crate) unfair: Option<u64>,
    /// `--quiet`.
    pub(crate) quiet: bool,
}

impl Options {
    /// The name and the text of the tune's file.
    pub(crate) fn tune(&self) -> Result<(String, String), String> {
        let Some(path) = &self.file else {
            return Ok((BUNDLED.0.to_owned(), BUNDLED.1.to_owned()));
        };
        let name = path.display().to_string();
        let bytes = fs::read(path).map_err(|error| format!("cannot read {name}: {error}"))?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok((name, text)),
            Err(error) => {
                let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                Err(format!("{name}:{line}: this line is not UTF-8; convert the file first"))
            }
        }
    }
}

/// Reads the command line; the error says what is wrong with it.
pub(crate) fn read(mut arguments: lexopt::Parser) -> Result<Command, String> {
    let mut options = Options::default();
    let text = |error: lexopt::Error| error.to_string();
    while let Some(argument) = arguments.next().map_err(text)? {
        match argument {
            Long("voices") => options.voices = Some(voices(arguments.value().map_err(text)?)?),
            Long("entry") => options.entry = Some(entry(arguments.value().map_err(text)?)?),
            Long("svg") => options.svg = Some(arguments.value().map_err(text)?.into()),
            Long("wav") => options.wav = Some(arguments.value().map_err(text)?.into()),
            Long("tempo") => options.tempo = Some(tempo(arguments.value().map_err(text)?)?),
            Long("real-time") => options.real_time = true,
            Long("blocking") => (options.blocking, options.real_time) = (true, true),
            Long("parallel") => (options.parallel, options.real_time) = (true, true),
            Long("unfair") => options.unfair = Some(seed(arguments.value().map_err(text)?)?),
            Short('q') | Long("quiet") => options.quiet = true,
            Short('h') | Long("help") => return Ok(Command::Help),
            Value(file) if options.file.is_none() => options.file = Some(file.into()),
            Value(file) => {
                return Err(format!("one tune at a time: what is {}?", file.to_string_lossy()));
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    if options.parallel && options.unfair.is_some() {
        return Err("--unfair decides the order on one thread: --parallel has many".to_owned());
    }
    Ok(Command::Play(options))
}

fn voices(value: OsString) -> Result<u32, String> {
    let value = value.string().map_err(|error| error.to_string())?;
    match value.parse::<u32>() {
        Ok(0) => Err("--voices 0: a round needs at least one voice".to_owned()),
        Ok(number) if number <= MOST_VOICES => Ok(number),
        // So long a number is a number all the same.
        _ if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(format!("--voices {value}: {MOST_VOICES} voices are the most"))
        }
        _ => Err(format!("--voices {value}: a whole number from 1 to {MOST_VOICES} expected")),
    }
}

fn entry(value: OsString) -> Result<Time, String> {
    let value = value.string().map_err(|error| error.to_string())?;
    let (bars, parts) = value.split_once('/').unwrap_or((&value, "1"));
    match (bars.parse::<u16>(), parts.parse::<u16>()) {
        (Ok(bars), Ok(parts @ 1..=64)) if bars <= 999 => {
            Ok(Time::new(i128::from(bars), i128::from(parts)))
        }
        _ => Err(format!("--entry {value}: bars expected, like 2 or 1/2, 999 at most")),
    }
}

fn tempo(value: OsString) -> Result<u32, String> {
    let value = value.string().map_err(|error| error.to_string())?;
    match value.parse::<u32>() {
        Ok(beats @ 1..=10_000) => Ok(beats),
        _ => Err(format!("--tempo {value}: beats per minute expected, from 1 to 10000")),
    }
}

fn seed(value: OsString) -> Result<u64, String> {
    let value = value.string().map_err(|error| error.to_string())?;
    value.parse().map_err(|_| format!("--unfair {value}: a whole number expected, the seed"))
}
