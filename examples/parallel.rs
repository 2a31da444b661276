//! Concurrency or parallelism: the same work for every file of a folder, four times, with times side by side.
//!
//! `cargo run --release --example parallel [-- FOLDER]`
//!
//! The work is to find the longest text that stands in a file twice: all of it is computing. One after the other takes
//! some time. As tasks of one event loop it takes as long: many are under way, and one runs at a time, which helps only
//! those who wait. On the threads of a pool it takes a part of that. What needs nothing but computing can as well be left
//! to rayon, inside `unblock`, while a loop goes on with other things.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use segno::Pool;

/// A file: its path, and what is in it.
type File = (PathBuf, Vec<u8>);

/// The longest text that stands in another place of the same file, too.
fn longest_repeat((_, text): &File) -> &[u8] {
    let mut endings: Vec<&[u8]> = (0..text.len()).map(|from| &text[from..]).collect();
    endings.sort_unstable();
    let same = |pair: &[&'_ [u8]]| pair[0].iter().zip(pair[1]).take_while(|(a, b)| a == b).count();
    let longest = endings.windows(2).max_by_key(|pair| same(pair));
    longest.map_or(&[], |pair| &pair[0][..same(pair)])
}

/// All files of a folder, and of the folders in it, that are not too large.
fn read(folder: &Path, files: &mut Vec<File>) -> std::io::Result<()> {
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read(&path, files)?;
        } else if path.metadata()?.len() <= 100_000 {
            files.push((path.clone(), fs::read(&path)?));
        }
    }
    Ok(())
}

/// Tells how long something took, beside how long it takes one after the other.
fn timed<T>(name: &str, alone: Option<Duration>, work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    let took = start.elapsed();
    let times = alone.map_or(1.0, |alone| alone.as_secs_f64() / took.as_secs_f64());
    println!("{name:32} {:8.1} ms {times:8.2} times as fast", took.as_secs_f64() * 1e3);
    (result, took)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "src".to_owned());
    let mut files = Vec::new();
    read(Path::new(&folder), &mut files)?;
    let pool = Pool::new();
    println!("{} files in {folder}, {} threads", files.len(), pool.threads());

    let (repeats, alone) =
        timed("one after the other", None, || files.iter().map(longest_repeat).collect::<Vec<_>>());

    let (concurrent, _) = timed("concurrent: tasks of one loop", Some(alone), || {
        segno::run(|| segno::join_all(files.iter().map(|file| || longest_repeat(file))))
    });

    let (parallel, _) =
        timed("parallel: on a pool", Some(alone), || pool.map(&files, longest_repeat));

    let (by_rayon, _) = timed("parallel: rayon, off the loop", Some(alone), || {
        segno::run(|| segno::unblock(|| files.par_iter().map(longest_repeat).collect::<Vec<_>>()))
    });

    assert!(concurrent == repeats && parallel == repeats && by_rayon == repeats);
    let longest = files.iter().zip(&repeats).max_by_key(|(_, repeat)| repeat.len());
    if let Some(((path, _), repeat)) = longest {
        let first = String::from_utf8_lossy(repeat)
            .lines()
            .map(str::trim)
            .max_by_key(|line| line.len())
            .map(str::to_owned);
        println!(
            "the longest text that stands twice: {} bytes in {}",
            repeat.len(),
            path.display()
        );
        println!("in it: {}", first.unwrap_or_default());
    }
    Ok(())
}
