//! What the scheduler tells: of a tick, of a script, of a panic.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::record::{Record, ScriptId, State};

/// What happened in a tick: what [`Scripts::tick`](super::Scripts::tick) and its like return.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TickReport {
    /// How often a script was resumed.
    pub resumes: usize,
    /// How many predicates were asked ([`until`](super::Script::until), [`run_while`](super::Script::run_while)).
    pub polls: usize,
    /// How many scripts were spawned since the tick before, children of `all`, `race` and the like included.
    pub spawned: usize,
    /// How many came to their end.
    pub done: usize,
    /// How many ended because they were cancelled, or ended themselves.
    pub cancelled: usize,
    /// How many panicked.
    pub panicked: usize,
    /// How many were given up: their stacks are leaked.
    pub retired: usize,
    /// How many are ready and were not resumed, because the budget of the tick was used up. They come first
    /// next time.
    pub left: usize,
    /// How many are cancelled and were not unwound, because the budget for that was used up. They never take
    /// another step.
    pub ending: usize,
    /// How many scripts there are now.
    pub live: usize,
}

/// What a script does: its phase of life as [`Info`] shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Activity {
    /// It will be resumed in the next tick, or in this one.
    Ready,
    /// It would be, but its group is paused.
    Held,
    /// It runs now.
    Running,
    /// It waits.
    Waiting,
    /// It is cancelled and about to end.
    Ending,
}

/// A script, as it was when it was asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Info {
    /// Its number.
    pub id: ScriptId,
    /// Its name; of a child of `all`, `race` and the like that word.
    pub name: Cow<'static, str>,
    /// What it said last that it is doing: see [`Script::label`](super::Script::label).
    pub label: Option<Cow<'static, str>>,
    /// What it does.
    pub activity: Activity,
    /// What it waits for, or waited for last: the name of the operation, `spawn` before the first step.
    pub reason: &'static str,
    /// The line of that.
    pub at: &'static Location<'static>,
    /// The line that spawned it.
    pub spawned_at: &'static Location<'static>,
    /// The name of its group; empty for the one that everything is in.
    pub group: Cow<'static, str>,
    /// Its priority.
    pub priority: i32,
    /// The script whose frame it borrows.
    pub parent: Option<ScriptId>,
    /// How long it is there, on the clock that everything is on.
    pub age: Duration,
    /// How often it was resumed.
    pub resumes: u64,
    /// Bytes of stack at the deepest; `None` unless [`Builder::measure`](super::Builder::measure) is on.
    pub peak_stack: Option<usize>,
}

impl Info {
    /// What this script does.
    pub(super) fn of(record: &Record, now: u64) -> Self {
        let wait = record.wait.get();
        Self {
            id: record.id,
            name: record.name.clone(),
            label: record.extras.get().and_then(|extras| extras.label.borrow().clone()),
            activity: match record.state.get() {
                State::Ready => Activity::Ready,
                State::Held => Activity::Held,
                State::Running => Activity::Running,
                State::Waiting => Activity::Waiting,
                State::Ending | State::Ended => Activity::Ending,
            },
            reason: wait.what,
            at: wait.at,
            spawned_at: record.spawned_at,
            group: record.group.name.clone(),
            priority: record.priority,
            parent: record.parent.as_ref().map(|parent| parent.id),
            age: Duration::from_nanos(now.saturating_sub(record.born)),
            resumes: record.resumes.get(),
            peak_stack: record.stack_used(),
        }
    }
}

/// One line: `#3 "guard" [chasing] wait at guard.rs:17:9`.
impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.id, self.name)?;
        if let Some(label) = &self.label {
            write!(f, " [{label}]")?;
        }
        write!(f, " {} at {}", self.reason, self.at)
    }
}

/// A script that panicked: what [`Scripts::on_panic`](super::Scripts::on_panic) and joiners are told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PanicInfo {
    /// Its number.
    pub id: ScriptId,
    /// Its name.
    pub name: Cow<'static, str>,
    /// What the panic said.
    pub message: String,
    /// The last line at which it waited before it panicked; where it was spawned, if it never did.
    pub at: &'static Location<'static>,
    /// The line that spawned it.
    pub spawned_at: &'static Location<'static>,
}

impl PanicInfo {
    /// The panic of this script.
    pub(super) fn of(record: &Record, message: &str) -> Self {
        Self {
            id: record.id,
            name: record.name.clone(),
            message: message.to_owned(),
            at: record.wait.get().at,
            spawned_at: record.spawned_at,
        }
    }
}

impl fmt::Display for PanicInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "script `{}` ({}, spawned at {}) panicked after {}: {}",
            self.name, self.id, self.spawned_at, self.at, self.message
        )
    }
}

/// A resume that took long: what [`Scripts::on_slow`](super::Scripts::on_slow) is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SlowInfo {
    /// The script's number.
    pub id: ScriptId,
    /// Its name.
    pub name: Cow<'static, str>,
    /// How long it ran without waiting.
    pub took: Duration,
    /// The line at which it had waited before.
    pub from: &'static Location<'static>,
    /// The line at which it waits now.
    pub to: &'static Location<'static>,
}

impl fmt::Display for SlowInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, id, took, from, to } = self;
        write!(f, "script `{name}` ({id}) ran for {took:?} from {from} to {to}")
    }
}

/// A script that would not end: what [`Scripts::shutdown`](super::Scripts::shutdown) returns. Its stack is
/// leaked, and those of all scripts that borrow from it or that it borrows from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stubborn {
    /// Its number.
    pub id: ScriptId,
    /// Its name.
    pub name: Cow<'static, str>,
    /// The line at which it waited last.
    pub at: &'static Location<'static>,
    /// The line that spawned it.
    pub spawned_at: &'static Location<'static>,
}

impl Stubborn {
    /// This script would not end.
    pub(super) fn of(record: &Record) -> Self {
        Self {
            id: record.id,
            name: record.name.clone(),
            at: record.wait.get().at,
            spawned_at: record.spawned_at,
        }
    }
}

impl fmt::Display for Stubborn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name, at, spawned_at } = self;
        write!(f, "script `{name}` ({id}, spawned at {spawned_at}) would not end (last at {at})")
    }
}
