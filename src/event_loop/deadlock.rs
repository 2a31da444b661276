//! What a loop says when nothing on it can ever go on.

use std::borrow::Cow;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::panic::Location;

use crate::task::{Described, Holder, Home, State, Task, TaskId};

/// A task that waits for what never comes.
#[derive(Clone, Debug)]
pub struct StuckTask {
    /// Its number.
    id: TaskId,
    /// Its name.
    name: Option<Cow<'static, str>>,
    /// The operation that it waits in.
    operation: &'static str,
    /// The operation, and what that waits for.
    waits_for: String,
    /// The line that called it.
    at: &'static Location<'static>,
    /// Where it was spawned.
    spawned_at: &'static Location<'static>,
    /// The task that it waits for, or that has what it waits for.
    blocker: Option<TaskId>,
    /// Who has what it waits for.
    holder: Option<Holder>,
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

    /// The operation that it waits in, and for which task, if it is one that it waits for; or who has what it waits
    /// for, if that can be told.
    pub fn waits_for(&self) -> &str {
        &self.waits_for
    }

    /// The task that it waits for (it joins that), or that has what it waits for (a lock). It may have ended, if a guard
    /// that it took still exists.
    pub fn blocker(&self) -> Option<TaskId> {
        self.blocker
    }

    /// Who has the lock that it waits for.
    pub fn holder(&self) -> Option<&Holder> {
        self.holder.as_ref()
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
        let target = &self.waits_for[self.operation.len() + "``".len()..];
        write!(f, "task {described} waits in `{}` at {}{target}", self.operation, self.at)
    }
}

/// Nothing on a loop can ever go on: which tasks wait, for what, and where.
///
/// Only a loop with a virtual clock finds that out; with the system's clock somebody may still come. It is found
/// only while no [`Waker`](crate::Waker) of the loop's tasks exists, since nobody knows where it may be used:
/// drop wakers that are no longer wanted. A task that waits for a channel of the room [`sync`](crate::sync) counts as stuck
/// also if another thread has the other end: hold an [`external`](crate::external) guard while that is to come.
///
/// As a text it has a line for each task, of the first fifty, and one for each circle.
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

    /// Tasks that wait for each other in a circle: each for the next one, and the last one for the first. Every circle
    /// once, beginning with the task that was spawned first.
    pub fn cycles(&self) -> Vec<Vec<TaskId>> {
        let places = self.places();
        let mut cycles = self.circles(&places);
        cycles.sort_unstable();
        let named = |circle: Vec<usize>| circle.into_iter().map(|at| self.tasks[at].id).collect();
        cycles.into_iter().map(named).collect()
    }

    /// Where each task is in the list.
    fn places(&self) -> HashMap<TaskId, usize> {
        self.tasks.iter().enumerate().map(|(at, task)| (task.id, at)).collect()
    }

    /// The circles, as places in the list, the least of each first.
    fn circles(&self, places: &HashMap<TaskId, usize>) -> Vec<Vec<usize>> {
        let next = |at: usize| places.get(&self.tasks[at].blocker?).copied();
        // By which walk each task has been come to. One task waits for one other, so from each there is one way to go,
        // and it ends, comes to an earlier walk, or back to a task of its own.
        let mut walks = vec![None; self.tasks.len()];
        let mut circles = Vec::new();
        for start in 0..self.tasks.len() {
            let mut at = Some(start);
            while let Some(here) = at.filter(|here| walks[*here].is_none()) {
                walks[here] = Some(start);
                at = next(here);
            }
            let Some(back) = at.filter(|here| walks[*here] == Some(start)) else { continue };
            let around = std::iter::successors(next(back), |at| next(*at));
            let mut circle: Vec<usize> = around.take_while(|at| *at != back).collect();
            circle.push(back);
            let first = (0..circle.len()).min_by_key(|place| circle[*place]).unwrap_or_default();
            circle.rotate_left(first);
            circles.push(circle);
        }
        circles
    }

    /// Its tasks.
    pub(crate) fn into_tasks(self) -> Vec<StuckTask> {
        self.tasks
    }

    /// What there is to say about a loop.
    pub(crate) fn of(home: &Home) -> Self {
        let all: HashMap<u64, &Task> = home.all().map(|task| (task.identity(), task)).collect();
        let stuck = home.all().filter_map(|task| describe(home, &all, task));
        Self { tasks: stuck.collect() }
    }
}

/// What there is to say about a task. `all` has the loop's tasks by who they are.
fn describe(home: &Home, all: &HashMap<u64, &Task>, task: &'static Task) -> Option<StuckTask> {
    let wait = task.wait()?;
    debug_assert_eq!(task.state(), State::Paused);
    let named = |id: u64| {
        let other = all.get(&id).filter(|_| id != 0)?;
        Some(other.with_described(|described| format!("task {described}")))
    };
    let holder = task.waits_for_holder();
    let mut waits_for = format!("`{}`", wait.what);
    let mut blocker = None;
    if let Some(other) = task.waits_for_task() {
        blocker = Some(other.public_id());
        other.with_described(|described| waits_for += &format!(" for task {described}"));
    } else if let Some(holder) = holder {
        blocker = holder.task();
        waits_for += &match blocker.map(|id| (id, named(id.0))) {
            Some((id, _)) if id == task.public_id() => {
                format!(" for itself, which took it at {}", holder.at())
            }
            Some((_, Some(other))) => format!(" for {other}, which took it at {}", holder.at()),
            Some((id, None)) if holder.is_of(home) && !holder.is_given_up() => format!(
                " for task {id}, which took it at {} and has ended; its guard still exists",
                holder.at()
            ),
            _ => format!(" for {holder}"),
        };
    }
    Some(StuckTask {
        id: task.public_id(),
        name: task.name(),
        operation: wait.what,
        waits_for,
        at: wait.at,
        spawned_at: task.spawned_at(),
        blocker,
        holder,
    })
}

/// Whether a task of this loop waits for what somebody on another thread has, or may have, who may give it back.
pub(super) fn waits_for_others(home: &Home) -> bool {
    home.all().any(Task::waits_for_others)
}

impl fmt::Display for DeadlockReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deadlock: nothing on this event loop can ever go on")?;
        listed(f, &self.tasks, "tasks that wait", |f, task| task.fmt(f))?;
        let places = self.places();
        let short = |id: &TaskId| match self.tasks[places[id]].name() {
            Some(name) => format!("`{name}`"),
            None => id.to_string(),
        };
        listed(f, &self.cycles(), "circles", |f, cycle| {
            write!(f, "in a circle: ")?;
            for id in cycle.iter().take(LISTED) {
                write!(f, "{} waits for ", short(id))?;
            }
            match cycle.len().saturating_sub(LISTED) {
                0 => write!(f, "{}", short(&cycle[0])),
                more => write!(f, "{more} more, and the last of them for {}", short(&cycle[0])),
            }
        })
    }
}

/// So many of a kind are listed in a text, and of the others how many there are.
const LISTED: usize = 50;

/// Lists them, a line for each that `line` writes; `what` they are.
pub(crate) fn listed<T>(
    f: &mut fmt::Formatter<'_>,
    all: &[T],
    what: &str,
    line: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for each in all.iter().take(LISTED) {
        write!(f, "\n  ")?;
        line(f, each)?;
    }
    match all.len().saturating_sub(LISTED) {
        0 => Ok(()),
        more => write!(f, "\n  and {more} more {what}"),
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
