//! A million coroutines, or tasks of an event loop, at once: each has a stack with a guard of its own
//! and waits in a pause.
//!
//! Shows what one of them costs (memory, page tables, mappings, time), with the numbers that the
//! kernel gives for the whole process, so that nothing is left out.
//!
//! ```text
//! cargo run --release --example million
//! cargo run --release --example million -- --tasks
//! cargo run --release --example million -- 100000 --size 245760
//! ```

use std::cell::Cell;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use segno::{Builder, Coroutine, EventLoop, Pauser, SpawnError, State, stack};

/// What the command line asks for.
struct Options {
    /// How many coroutines.
    count: usize,
    /// Bytes of frames for each.
    size: usize,
    /// Whether they are tasks of an event loop.
    tasks: bool,
}

impl Options {
    /// Reads the command line; the error is a text for the user.
    fn read() -> Result<Self, String> {
        let mut options = Self { count: 1_000_000, size: 48 * 1024, tasks: false };
        let mut words = std::env::args().skip(1);
        let number = |what: &str, word: Option<String>| {
            let word = word.ok_or(format!("{what} is missing"))?;
            word.parse().map_err(|_| format!("`{word}` is not {what}"))
        };
        while let Some(word) = words.next() {
            if word == "--tasks" {
                options.tasks = true;
            } else if word == "--size" {
                options.size = number("a number of bytes", words.next())?;
            } else {
                options.count = number("a number of coroutines", Some(word))?;
            }
        }
        if options.count == 0 { Err("0 coroutines cost nothing".to_owned()) } else { Ok(options) }
    }
}

/// What the kernel says about this process. `None` where it does not say it this way.
#[derive(Clone, Copy, Default)]
struct Process {
    /// Bytes of memory in use.
    resident: Option<usize>,
    /// Bytes of page tables.
    tables: Option<usize>,
    /// Number of mappings.
    mappings: Option<usize>,
}

impl Process {
    /// The state of affairs now (Linux).
    fn now() -> Self {
        let read = |file| std::fs::read_to_string(file).ok();
        let bytes = |file, key| {
            let text = read(file)?;
            let value = text.lines().find_map(|line| line.strip_prefix(key))?;
            Some(value.trim().strip_suffix(" kB")?.parse::<usize>().ok()? * 1024)
        };
        Self {
            resident: bytes("/proc/self/smaps_rollup", "Rss:"),
            tables: bytes("/proc/self/status", "VmPTE:"),
            mappings: read("/proc/self/maps").map(|text| text.lines().count()),
        }
    }
}

/// Prints a line of the table.
fn line(what: &str, value: impl Display) {
    // Whoever reads this may have seen enough.
    let _ = writeln!(io::stdout(), "{what:<38}{value:>16}");
}

/// Prints how much more of something there is for each of `count`.
fn line_each(what: &str, after: Option<usize>, before: Option<usize>, count: usize) -> Option<f64> {
    let each =
        after.zip(before).map(|(after, before)| (after as f64 - before as f64) / count as f64);
    match each {
        Some(each) => line(what, format!("{each:.0} B")),
        None => line(what, "not available"),
    }
    each
}

/// Prints how long something took.
fn line_time(what: &str, start: Instant, count: usize) {
    let took = start.elapsed();
    let each = took.as_nanos() as f64 / count as f64;
    line(what, format!("{:.2} s", took.as_secs_f64()));
    line("  each", format!("{each:.0} ns"));
}

/// Prints what so many take that all pause now, the handles to them included: they are part of the price.
fn memory(before: Process, count: usize) {
    let after = Process::now();
    let resident = line_each("resident, each", after.resident, before.resident, count);
    let tables = line_each("page tables, each", after.tables, before.tables, count);
    if let Some((resident, tables)) = resident.zip(tables) {
        line("together", format!("{:.0} B", resident + tables));
    }
    match after.mappings {
        Some(mappings) => line("mappings of the process", mappings),
        None => line("mappings of the process", "not available"),
    }
    let stats = stack::stats();
    line(
        "address space reserved",
        format!("{:.1} GiB", stats.reserved as f64 / (1_u64 << 30) as f64),
    );
    line("guards", stats.guards.map_or("none".to_owned(), |guards| format!("{guards:?}")));
}

/// One that pauses twice and then returns what it was made with.
fn one(size: usize, own: usize) -> Result<Coroutine<(), usize, usize>, SpawnError> {
    Builder::new().stack_size(size).build(move |co: &Pauser<(), usize>, ()| {
        co.pause(own);
        co.pause(own);
        own
    })
}

/// Makes them, resumes them, ends them.
fn run(options: &Options) -> Result<(), String> {
    let Options { count, size, .. } = *options;
    let mut all = Vec::new();
    all.try_reserve_exact(count).map_err(|error| error.to_string())?;
    let before = Process::now();

    let start = Instant::now();
    for own in 0..count {
        let made = one(size, own);
        let mut co = made.map_err(|error| format!("after {own} coroutines: {error}"))?;
        co.resume(());
        all.push(co);
    }
    line("coroutines, each paused once", count);
    line_time("to make them and run them to a pause", start, count);

    memory(before, count);

    let start = Instant::now();
    for (own, co) in all.iter_mut().enumerate() {
        if co.resume(()) != State::Paused(own) {
            return Err(format!("coroutine {own} has lost what it had"));
        }
    }
    line_time("to resume each once more", start, count);

    let start = Instant::now();
    for (own, co) in all.iter_mut().enumerate() {
        if co.resume(()) != State::Complete(own) {
            return Err(format!("coroutine {own} has lost what it had"));
        }
    }
    line_time("to end them", start, count);

    give_back(before, count);
    Ok(())
}

/// Prints what is left when all have ended.
fn give_back(before: Process, count: usize) {
    let start = Instant::now();
    stack::trim();
    line_time("to give their memory back", start, count);
    if let (Some(now), Some(before)) = (Process::now().resident, before.resident) {
        line("still resident", format!("{} KiB", now.saturating_sub(before) / 1024));
    }
}

/// Spawns them, lets them pause, wakes them once, ends them: one event loop, a task for each, and all of them
/// borrow from the frame that waits for them.
fn run_tasks(options: &Options) -> Result<(), String> {
    let Options { count, size, .. } = *options;
    let before = Process::now();
    let mut events =
        EventLoop::builder().stack_size(size).try_build().map_err(|e| e.to_string())?;
    let (started, resumed, ended) = (Cell::new(0_usize), Cell::new(0_usize), Cell::new(0_usize));
    let told = events.run(|| {
        let start = Instant::now();
        let told = segno::scope(|s| {
            for _ in 0..count {
                s.spawn(|| {
                    for counter in [&started, &resumed] {
                        counter.set(counter.get() + 1);
                        segno::yield_now();
                    }
                    ended.set(ended.get() + 1);
                });
            }
            line("tasks, each spawned", count);
            line_time("to spawn them", start, count);
            let start = Instant::now();
            segno::yield_now();
            line_time("to run them to a pause", start, count);
            if (started.get(), resumed.get(), s.children()) != (count, 0, count) {
                return Err(format!("{} tasks pause at once, of {count}", started.get()));
            }
            memory(before, count);
            let start = Instant::now();
            segno::yield_now();
            line_time("to resume each once more", start, count);
            if (resumed.get(), s.children()) != (count, count) {
                return Err(format!("{} were resumed", resumed.get()));
            }
            Ok(Instant::now())
        });
        told.map(|start| line_time("to end them", start, count))
    });
    told.map_err(|error| error.to_string())??;
    if ended.get() != count || events.tasks() != 0 {
        return Err(format!("{} have ended, and {} are left", ended.get(), events.tasks()));
    }
    drop(events);
    give_back(before, count);
    Ok(())
}

fn main() -> ExitCode {
    let done = Options::read()
        .map_err(|error| {
            format!("{error}\nusage: million [COUNT] [--tasks] [--size BYTES_OF_FRAMES]")
        })
        .and_then(|options| if options.tasks { run_tasks(&options) } else { run(&options) });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("million: {error}");
            ExitCode::FAILURE
        }
    }
}
