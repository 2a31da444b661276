//! What a loop says when nothing on it can ever go on.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::panic::Location;

use crate::task::{Described, Home, State, Task, TaskId};

/// A task that waits for what never comes.
#[derive(Clone, Debug)]
pub struct StuckTask {
    /// Its number.
    id: TaskId,
    /// Its name.
    name: Option<Cow<'static, str>>,
    /// The operation that it waits in.
    waits_for: String,
    /// The line that called it.
    at: &'static Location<'static>,
    /// Where it was spawned.
    spawned_at: &'static Location<'static>,
}

impl StuckTask {
    /// The task's number.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// The task's name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The operation that it waits in, and for which task, if it is one that it waits for.
    pub fn waits_for(&self) -> &str {
        &self.waits_for
    }

    /// The line that called the operation.
    pub fn at(&self) -> &'static Location<'static> {
        self.at
    }

    /// Where the task was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }
}

impl fmt::Display for StuckTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let described = Described { name: self.name(), id: self.id.0, spawned_at: self.spawned_at };
        write!(f, "task {described} waits in {} at {}", self.waits_for, self.at)
    }
}

/// Nothing on a loop can ever go on: which tasks wait, for what, and where.
///
/// Only a loop with a virtual clock finds that out; with the system's clock somebody may still come. It is found
/// only while no [`Waker`](crate::Waker) of the loop's tasks exists, since nobody knows where it may be used:
/// drop wakers that are no longer wanted.
#[derive(Clone, Debug)]
pub struct DeadlockReport {
    /// The tasks, in the order in which they were spawned.
    tasks: Vec<StuckTask>,
}

impl DeadlockReport {
    /// The tasks, in the order in which they were spawned.
    pub fn tasks(&self) -> &[StuckTask] {
        &self.tasks
    }

    /// What there is to say about a loop.
    pub(super) fn of(home: &Home) -> Self {
        let stuck = home.all().filter_map(|task| describe(home, task));
        Self { tasks: stuck.collect() }
    }
}

/// What there is to say about a task.
fn describe(home: &Home, task: &'static Task) -> Option<StuckTask> {
    let wait = task.wait()?;
    let mut waits_for = format!("`{}`", wait.what);
    if let Some(other) = home.all().find(|other| wait.subject != 0 && other.id() == wait.subject) {
        other.with_described(|described| waits_for += &format!(" for task {described}"));
    }
    debug_assert_eq!(task.state(), State::Paused);
    Some(StuckTask {
        id: task.public_id(),
        name: task.name(),
        waits_for,
        at: wait.at,
        spawned_at: task.spawned_at(),
    })
}

impl fmt::Display for DeadlockReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deadlock: nothing on this event loop can ever go on")?;
        for task in &self.tasks {
            write!(f, "\n  {task}")?;
        }
        Ok(())
    }
}

/// Why [`EventLoop::run`](crate::EventLoop::run) has nothing to return.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RunError {
    /// Nothing on the loop could ever go on. All of its tasks were cancelled, and have
    /// ended or were given up.
    Deadlock(DeadlockReport),
    /// The loop was [stopped](crate::LoopHandle::stop). The closure was cancelled and has ended; other
    /// tasks stay for the next call.
    Stopped,
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadlock(report) => report.fmt(f),
            Self::Stopped => write!(f, "the event loop was stopped"),
        }
    }
}

impl Error for RunError {}
