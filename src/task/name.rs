//! How a task is named: its number, and what messages call it.

use std::fmt;
use std::panic::Location;

use super::remote::RemoteTask;

/// A task's number. No two tasks of a process have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub(crate) u64);

impl TaskId {
    /// The number of this task.
    pub(crate) fn of(task: RemoteTask) -> Self {
        Self(task.id())
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Messages name a task this way.
pub(crate) struct Described<'a> {
    /// Its name.
    pub(crate) name: Option<&'a str>,
    /// Its number.
    pub(crate) id: u64,
    /// Where it was spawned.
    pub(crate) spawned_at: &'static Location<'static>,
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "`{name}`")?,
            None => write!(f, "{}", TaskId(self.id))?,
        }
        write!(f, " (spawned at {})", self.spawned_at)
    }
}
