//! The command line.

use std::error::Error;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::market::Input;

/// What is printed for `--help`.
pub const USAGE: &str = "\
A night market in the terminal. Every inhabitant is a script.

  festival [--seed N] [--fireflies N]
  festival --headless [--seed N] [--frames N] [--rate HZ] [--press SECONDS=KEY]..
           [--transcript FILE] [--svg FRAME=FILE].. [--fireflies N] [--idle N] [--measure]

  --seed N           where numbers begin (7)
  --fireflies N      how many there are from the start (0)
  --headless         without a terminal: as fast as it goes
  --frames N         how many frames (900)
  --rate HZ          frames per second of the market's time (60)
  --press S=KEY      a key at this second: enter, a or b
  --transcript FILE  what happened, line by line
  --svg N=FILE       a picture of this frame
  --idle N           scripts that only wait, to see that they change nothing
  --measure          prints what a frame costs: the median, the 99th percentile, the worst
";

/// What was asked for.
#[derive(Debug)]
pub struct Options {
    /// Whether to do without a terminal.
    pub headless: bool,
    /// Where numbers begin.
    pub seed: u64,
    /// How many frames.
    pub frames: u32,
    /// Frames per second.
    pub rate: f64,
    /// Keys, and when they are pressed.
    pub keys: Vec<(f64, Input)>,
    /// Where to write what happened.
    pub transcript: Option<PathBuf>,
    /// Where to draw which frame.
    pub pictures: Vec<(u32, PathBuf)>,
    /// Fireflies from the start.
    pub fireflies: usize,
    /// Scripts that only wait.
    pub idle: usize,
    /// Whether to print what frames cost.
    pub measure: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            headless: false,
            seed: 7,
            frames: 900,
            rate: 60.0,
            keys: Vec::new(),
            transcript: None,
            pictures: Vec::new(),
            fireflies: 0,
            idle: 0,
            measure: false,
        }
    }
}

impl Options {
    /// Reads the command line; `None` if help was asked for.
    ///
    /// # Errors
    /// When it makes no sense.
    pub fn from_args() -> Result<Option<Self>, Box<dyn Error>> {
        let mut options = Self::default();
        let mut args = lexopt::Parser::from_env();
        while let Some(arg) = args.next()? {
            match arg {
                Long("headless") => options.headless = true,
                Long("seed") => options.seed = args.value()?.parse()?,
                Long("frames") => options.frames = args.value()?.parse()?,
                Long("rate") => options.rate = args.value()?.parse()?,
                Long("press") => {
                    let (at, key) = pair(&args.value()?.string()?)?;
                    options.keys.push((at.parse()?, input(&key)?));
                }
                Long("transcript") => options.transcript = Some(args.value()?.into()),
                Long("svg") => {
                    let (frame, file) = pair(&args.value()?.string()?)?;
                    options.pictures.push((frame.parse()?, file.into()));
                }
                Long("fireflies") => options.fireflies = args.value()?.parse()?,
                Long("idle") => options.idle = args.value()?.parse()?,
                Long("measure") => options.measure = true,
                Long("help") | Short('h') => return Ok(None),
                other => return Err(other.unexpected().into()),
            }
        }
        if !(1.0..=1000.0).contains(&options.rate) {
            return Err("the rate has to be between 1 and 1000 Hz".into());
        }
        Ok(Some(options))
    }
}

/// The two sides of `left=right`.
fn pair(text: &str) -> Result<(String, String), String> {
    let (left, right) = text.split_once('=').ok_or_else(|| format!("`{text}` has no `=`"))?;
    Ok((left.to_owned(), right.to_owned()))
}

/// What a key means.
fn input(key: &str) -> Result<Input, String> {
    match key {
        "enter" => Ok(Input::Skip),
        "a" => Ok(Input::Quiet),
        "b" => Ok(Input::Fireworks),
        other => Err(format!("`{other}` is none of enter, a, b")),
    }
}
