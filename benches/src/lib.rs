//! What the benches share. The questions themselves are the files beside this folder.
//!
//! | file | its question |
//! |---|---|
//! | `switch.rs` | what does one resume and the pause that answers it cost? |
//! | `create.rs` | what does a coroutine cost that is created, run and dropped? |
//! | `generator.rs` | what does walking a tree with a pause per node cost? |
//! | `yield.rs` | what does a task pay to let the others go first? |
//! | `spawn.rs` | what does a task cost that is spawned, runs to its end and is joined? |
//! | `wake.rs` | what does waking a task cost, on its own thread and from another? |
//! | `timers.rs` | how late are sleeps, and what do timers cost? |
//! | `channel.rs` | what does a value cost that goes from one task to another? |
//! | `lock.rs` | what does a lock cost that nobody else wants, and one that is handed over? |
//! | `deep.rs` | what does a pause cost under many levels of calls? |
//! | `cancel.rs` | what does it cost to cancel something? |
//! | `mixed.rs` | what do 10,000 tasks cost that sleep and send messages to one another? |
//! | `work.rs` | from how much work on does it not matter who pauses? |
//! | `script.rs` | what do scripts of a game cost, by frame, by wake, by event? |
//! | `pool.rs` | what does work cost that many threads share, and how soon do they begin it? |
//! | `memory.rs` | how many bytes does a paused coroutine or task hold? |
//!
//! Each runs with `cargo bench -p segno-benches --bench QUESTION`, timed by criterion, or once, as a test, with
//! `cargo bench -p segno-benches -- --test`; `--features once` before the `--` builds that in a fraction of the time.
//!
//! `cargo run --release -p segno-benches --bin report` asks the headlines (`headlines.rs`), with `-- --full` all
//! questions: it has the same programs measure in rounds, times the headlines between the rounds a second time in a
//! plain loop (`beside.rs`), adds what `foreign/run.sh` has measured of rivals outside Rust, and writes `results.json`, `report.md`, `report.html`
//! and the plots. `goals.rs` says what the figures should be.
//!
//! Beside them `instructions.sh` counts instructions, which repeat exactly, against `instructions.txt`.
//!
//! All of it is measured as a user builds: from another crate than the library's, in the plain
//! release profile.

pub mod copies;
pub mod tree;
pub mod slots;
pub mod rivals;
pub mod quiet;
pub mod beside;
pub mod rounds;
pub mod row;
pub mod question;
pub mod curve;
pub mod apart;
pub mod threads;
pub mod processor;
pub mod machine;
pub mod results;
pub mod headlines;
pub mod goals;
