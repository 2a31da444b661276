//! Two tasks that wait for each other, found and described.
//!
//! ```text
//! cargo run --example deadlock
//! ```
//!
//! With a virtual clock a loop knows when nothing on it can ever go on: nobody is ready, nobody sleeps,
//! and nobody outside has a way to wake anyone. `run` then cancels all tasks, so that their destructors
//! run, and returns a report: who waits, in which call, on which line, and where each was spawned.
//! So a deadlock is a failed test with a text to read, not a build that hangs. (With the system's clock
//! somebody may always still come, so the loop waits.)

use std::cell::Cell;

use segno::{Clock, DeadlockReport, EventLoop, RunError};

/// A philosopher who eats with two forks, and has learned to pick up the left one first.
fn dine(left: &Cell<bool>, right: &Cell<bool>) {
    for fork in [left, right] {
        while fork.replace(true) {
            segno::pause(); // until somebody wakes us; nobody will
        }
        segno::yield_now(); // a pause for thought, and the mistake
    }
    left.set(false);
    right.set(false);
}

/// Lets two dine with two forks.
pub(crate) fn dinner() -> DeadlockReport {
    let forks = [Cell::new(false), Cell::new(false)];
    let mut events = EventLoop::builder().clock(Clock::virtual_time()).build();
    let result = events.run(|| {
        segno::scope(|s| {
            let plato = s.task("Plato").spawn(|| dine(&forks[0], &forks[1]));
            let aristotle = s.task("Aristotle").spawn(|| dine(&forks[1], &forks[0]));
            let _ = (plato.join(), aristotle.join());
        });
    });
    assert_eq!(events.tasks(), 0, "all were cancelled and have ended");
    match result {
        Err(RunError::Deadlock(report)) => report,
        other => panic!("they should have starved, but: {other:?}"),
    }
}

fn main() {
    let report = dinner();
    println!("{report}");
    let names: Vec<_> = report.tasks().iter().filter_map(|task| task.name()).collect();
    assert_eq!(names, ["run", "Plato", "Aristotle"]);
    let [host, plato, _] = report.tasks() else { panic!("three tasks wait") };
    assert!(host.waits_for().contains("`join` for task `Plato`"), "{}", host.waits_for());
    assert_eq!(plato.waits_for(), "`pause`");
    assert!(plato.at().line() < plato.spawned_at().line());
}
