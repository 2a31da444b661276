//! Calls that block, off the loop: files and names are looked up while a task goes on beating time.
//!
//! `cargo run --release --example unblock [-- HOST]`
//!
//! Reading a file and asking for a host's addresses (`getaddrinfo`) block the thread that calls them, and std has no
//! other way. `unblock` runs them on another thread; only the task that asked waits. The closures borrow from it, since
//! its frame waits for them.

use std::cell::Cell;
use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::time::Duration;

fn main() -> std::io::Result<()> {
    let host = std::env::args().nth(1).unwrap_or_else(|| "localhost".to_owned());
    let folder = PathBuf::from("src/docs");
    let over = Cell::new(false);

    segno::run(|| {
        segno::scope(|s| {
            let beats = s.task("metronome").spawn(|| {
                let mut beats = 0;
                let mut beat = segno::interval(Duration::from_micros(200));
                while !over.get() {
                    beat.tick();
                    beats += 1;
                }
                beats
            });

            let addresses = s.task("look-up").spawn(|| {
                let found = segno::unblock(|| (host.as_str(), 80).to_socket_addrs());
                found.map(|addresses| addresses.map(|a| a.ip().to_string()).collect::<Vec<_>>())
            });

            let files = segno::unblock(|| {
                std::fs::read_dir(&folder)?
                    .map(|entry| Ok(entry?.path()))
                    .collect::<std::io::Result<Vec<_>>>()
            })?;
            // All at once, each on a thread; the results come in order.
            let lines = segno::try_join(files.iter().map(|file| {
                move || {
                    let text = segno::unblock(|| std::fs::read_to_string(file))?;
                    // A long computation is no different from a call that blocks.
                    std::io::Result::Ok(segno::unblock(|| text.lines().count()))
                }
            }))?;

            for (file, lines) in files.iter().zip(&lines) {
                println!("{lines:5} lines in {}", file.display());
            }
            match addresses.join().expect("nobody cancels it") {
                Ok(addresses) => println!("{host}: {}", addresses.join(", ")),
                Err(error) => println!("{host}: {error}"),
            }
            over.set(true);
            println!("the metronome went on: {} beats", beats.join().expect("nobody cancels it"));
            let stats = segno::unblock::stats();
            println!("{} threads were made, {} closures wait", stats.threads, stats.waiting);
            Ok(())
        })
    })
}
