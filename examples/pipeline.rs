//! Counts the words of a text in three stages, joined by bounded channels that push back.
//!
//! `cargo run --release --example pipeline [-- FILE]`
//!
//! One task reads lines, one splits them into words, one counts; all on one thread. The last is the slowest, so the
//! channels fill up, and whoever is ahead waits: memory stays small however long the text is. When a stage ends it
//! drops its end of the channel, and the next one finds that there is nothing more.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

use segno::sync::channel;

/// Values that may wait between two stages.
const ROOM: usize = 8;

fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "README.md".to_owned());
    let text = BufReader::new(File::open(&path)?);
    let (lines, to_split) = channel::bounded::<String>(ROOM);
    let (words, to_count) = channel::bounded::<String>(ROOM);
    let watched = [lines.downgrade(), words.downgrade()];

    let (counted, peaks) = segno::run(|| {
        segno::scope(|s| {
            let reader = s.task("reader").spawn(move || {
                for line in text.lines() {
                    // Nobody listens any more: no reason to read on.
                    if lines.send(line?).is_err() {
                        break;
                    }
                }
                io::Result::Ok(())
            });
            s.task("splitter").spawn(move || {
                for line in to_split {
                    let letters = |c: char| !c.is_alphabetic();
                    for word in line.split(letters).filter(|word| word.len() > 3) {
                        if words.send(word.to_lowercase()).is_err() {
                            return;
                        }
                    }
                }
            });
            let mut counted = BTreeMap::<String, usize>::new();
            let mut peaks = [0; 2];
            for word in &to_count {
                *counted.entry(word).or_default() += 1;
                for (peak, channel) in peaks.iter_mut().zip(&watched) {
                    *peak = channel.upgrade().map_or(*peak, |end| end.stats().peak_len);
                }
            }
            reader.join().expect("nobody cancels it")?;
            io::Result::Ok((counted, peaks))
        })
    })?;

    let mut most: Vec<_> = counted.into_iter().collect();
    most.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    println!("{path}: {} different words of four letters and more", most.len());
    for (word, times) in most.iter().take(8) {
        println!("{times:6} {word}");
    }
    println!("at most {} lines and {} words waited at a time", peaks[0], peaks[1]);
    Ok(())
}
