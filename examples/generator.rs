//! A recursive directory walk as an iterator, and the same-fringe question for two directories.
//!
//! ```text
//! cargo run --example generator                     walks this repository's src
//! cargo run --example generator -- DIR              walks another directory
//! cargo run --example generator -- LEFT RIGHT       do both hold the same files in the same order?
//! ```
//!
//! The walk is the function that everybody writes first: it calls itself for each directory inside.
//! Where it has found a file it pauses, and the file is what the iterator's `next` returns. So the
//! consumer may stop early, or look at two walks side by side, which no callback can do.
//!
//! *Same fringe*: two trees have the same leaves in the same order, however the leaves are nested.
//! One `next` here, one `next` there, compare: the rest of both trees is not even read once an
//! answer is known.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use segno::{Builder, Generator, Outlet};

/// Bytes of frames for a walk. A level was measured at 2.7 KiB without optimisation and 0.5 KiB
/// with it, and no path on Linux has more than 2,048 levels (4,096 bytes): 8 MiB hold the deepest
/// tree that there can be. Memory is taken page by page as frames touch it, so the walk over `src`
/// takes three pages all the same.
const STACK: usize = 8 * 1024 * 1024;

/// A file that a walk has come to.
pub(crate) struct Found {
    /// Its path.
    pub(crate) path: PathBuf,
    /// How many directories below the start.
    pub(crate) depth: usize,
    /// Its length in bytes.
    pub(crate) len: u64,
}

/// What a walk hands out: a file, or what could not be read, with its path.
pub(crate) type Item = Result<Found, (PathBuf, io::Error)>;

/// Visits everything below `dir` in the order of names. Links are not followed.
fn visit(dir: &Path, depth: usize, out: &Outlet<Item>) {
    let entries = fs::read_dir(dir).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => return out.pause(Err((dir.to_owned(), error))),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        match entry.metadata() {
            Ok(about) if about.is_dir() => visit(&path, depth + 1, out),
            Ok(about) => out.pause(Ok(Found { path, depth, len: about.len() })),
            Err(error) => out.pause(Err((path, error))),
        }
    }
}

/// The walk turned inside out: an iterator.
pub(crate) fn walk(dir: &Path) -> Result<Generator<Item>, String> {
    // Asked here as well, so that a wrong path is an error before there is a walk.
    fs::read_dir(dir).map_err(|error| format!("`{}`: {error}", dir.display()))?;
    let dir = dir.to_owned();
    Builder::new()
        .name("walk")
        .stack_size(STACK)
        .generator(move |out| visit(&dir, 0, out))
        .map_err(|error| error.to_string())
}

/// Prints a walk; returns whether everything could be read.
fn list(dir: &Path) -> Result<bool, String> {
    let mut stdout = io::stdout().lock();
    let (mut files, mut bytes, mut complete) = (0_u64, 0_u64, true);
    for item in walk(dir)? {
        let line = match item {
            Ok(found) => {
                files += 1;
                bytes += found.len;
                let path = found.path.strip_prefix(dir).unwrap_or(&found.path);
                writeln!(stdout, "{:>9}  {}{}", found.len, "  ".repeat(found.depth), path.display())
            }
            Err((path, error)) => {
                complete = false;
                writeln!(stdout, "        ?  {}: {error}", path.display())
            }
        };
        // Whoever reads this may have had enough: then so have we, and the walk ends here.
        if line.is_err() {
            return Ok(complete);
        }
    }
    let _ = writeln!(stdout, "{bytes:>9}  in {files} files");
    Ok(complete)
}

/// Compares two walks, file by file, up to the first difference.
pub(crate) fn same_fringe(left: &Path, right: &Path) -> Result<bool, String> {
    let unreadable = |(path, error): (PathBuf, io::Error)| format!("{}: {error}", path.display());
    let (mut lefts, mut rights) = (walk(left)?, walk(right)?);
    for alike in 0_u64.. {
        let left = lefts.next().transpose().map_err(unreadable)?;
        let right = rights.next().transpose().map_err(unreadable)?;
        match (left, right) {
            (None, None) => {
                println!("the same: {alike} files in the same order");
                break;
            }
            // The name and the length, not the place: that is the point of the question.
            (Some(left), Some(right))
                if left.path.file_name() == right.path.file_name() && left.len == right.len => {}
            (left, right) => {
                println!("different after {alike} files:");
                for (side, found) in [("left", left), ("right", right)] {
                    match found {
                        Some(Found { path, len, .. }) => {
                            println!("  {side:<6} {} ({len} bytes)", path.display());
                        }
                        None => println!("  {side:<6} has no more"),
                    }
                }
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn main() -> ExitCode {
    let given: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let answer = match given.as_slice() {
        [] => list(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")),
        [dir] => list(dir),
        [left, right] => same_fringe(left, right),
        _ => {
            eprintln!("generator: give no directory, one to list, or two to compare");
            return ExitCode::from(2);
        }
    };
    match answer {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("generator: {message}");
            ExitCode::from(2)
        }
    }
}
