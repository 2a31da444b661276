//! What every waiting operation is made of, and the two that users call directly.
//!
//! A wait reads: check, register, check again, pause, loop. [`wait_until`] is the loop. What it waits
//! for counts before a cancellation that comes at the same instant: the operation then succeeds, and
//! the next pause unwinds.

use std::panic::Location;
use std::thread;

use super::home::Home;
use super::name::TaskId;
use super::record::Task;
use super::subject::{Denied, Subject, Wait};
use super::waker::Waker;
use std::borrow::Cow;

/// Pauses the task until `done` says so.
#[inline(always)]
#[track_caller]
pub(crate) fn wait_until(
    task: &'static Task,
    wait: Wait,
    done: impl Fn() -> bool,
) -> Result<(), Denied> {
    loop {
        if done() {
            return Ok(());
        }
        task.check(wait.at)?;
        task.waits_for(wait);
        task.rest();
    }
}

/// The same for one that was just [checked](Task::check), and is woken when it is done: so it pauses first and looks
/// then. One that is to end asks `leaves` before it does; if that says no, it is done after all.
#[inline(always)]
#[track_caller]
pub(crate) fn wait_checked(
    task: &'static Task,
    wait: Wait,
    done: impl Fn() -> bool,
    leaves: impl Fn() -> bool,
) -> Result<(), Denied> {
    loop {
        // Nothing has begun to unwind since the check, and nobody pauses while something does.
        if task.is_disturbed() {
            if done() || (task.is_to_end() && !leaves()) {
                return Ok(());
            }
            task.check(wait.at)?;
        }
        task.waits_for(wait);
        task.rest();
        if done() {
            return Ok(());
        }
    }
}

/// Pauses the task until `done` says so, whatever is cancelled meanwhile. For frames that others borrow.
#[inline(always)]
#[track_caller]
pub(crate) fn wait_shielded(task: &'static Task, wait: Wait, done: impl Fn() -> bool) {
    while !done() {
        task.waits_for(wait);
        task.rest();
    }
}

/// Lets the other tasks go first: the current one goes on when all that were ready have had their turn.
///
/// # Pausing
/// Always pauses, unless a panic or a cancellation unwinds here: then it returns at once. If the task
/// is cancelled it unwinds (with `panic = "abort"` it returns at once).
///
/// Outside a task it lets other threads of the system go first.
///
/// ```
/// segno::run(|| {
///     let heard = std::cell::RefCell::new(Vec::new());
///     segno::scope(|s| {
///         for who in ["first", "second"] {
///             let heard = &heard;
///             s.spawn(move || {
///                 for bar in 1..=2 {
///                     heard.borrow_mut().push((who, bar));
///                     segno::yield_now();
///                 }
///             });
///         }
///     });
///     let heard = heard.into_inner();
///     assert_eq!(heard, [("first", 1), ("second", 1), ("first", 2), ("second", 2)]);
/// });
/// ```
#[inline(always)]
#[track_caller]
pub fn yield_now() {
    match Home::running_task() {
        Some(task) if !thread::panicking() && !task.is_disturbed() => {
            task.give_way();
            if task.is_disturbed() {
                disturbed(task, Location::caller());
            }
        }
        other => yield_with_care(other, Location::caller()),
    }
}

/// Every yield that is not on the fast path.
#[cold]
#[inline(never)]
fn yield_with_care(task: Option<&'static Task>, at: &'static Location<'static>) {
    match task {
        // On the loop's own stack there is nobody to come back to.
        None if Home::here().is_some() => {}
        None => thread::yield_now(),
        Some(_) if thread::panicking() => {}
        Some(task) => {
            // Denied: nothing unwinds in this program, and the others get their turn all the same.
            let _ = task.check(at);
            task.give_way();
            task.check_again(at);
        }
    }
}

/// It was cancelled while others had their turn.
#[cold]
#[inline(never)]
fn disturbed(task: &'static Task, at: &'static Location<'static>) {
    let _ = task.check(at);
}

/// Waits until the current task's [`waker`] is used. One that came since the last pause counts: then
/// this lets the other tasks go first, and returns.
///
/// It may also return for no reason, so call it in a loop that looks for what it waits for.
///
/// # Pausing
/// Always pauses. If the task is cancelled it unwinds (with `panic = "abort"` it goes on waiting).
/// While a panic or cancellation unwinds here it aborts the process: nobody can wait there.
///
/// Outside a task it parks the thread, as [`std::thread::park`].
///
/// ```
/// use std::cell::Cell;
///
/// segno::run(|| {
///     let (rung, bell) = (Cell::new(false), segno::waker());
///     segno::scope(|s| {
///         s.spawn(|| {
///             rung.set(true);
///             bell.wake();
///         });
///         while !rung.get() {
///             segno::pause();
///         }
///     });
/// });
/// ```
#[inline(always)]
#[track_caller]
pub fn pause() {
    let at = Location::caller();
    match Home::running_task() {
        Some(task) if !thread::panicking() && !task.is_disturbed() => {
            task.waits_for(Wait { what: &"pause", at, subject: Subject::NONE });
            task.rest();
            if task.is_disturbed() {
                disturbed(task, at);
            }
        }
        other => pause_with_care(other, at),
    }
}

/// Every pause that is not on the fast path.
#[cold]
#[inline(never)]
fn pause_with_care(task: Option<&'static Task>, at: &'static Location<'static>) {
    let task = match (task, Home::here()) {
        (Some(task), _) => task,
        (None, None) => return thread::park(),
        (None, Some(_)) => Home::current_task("`pause`"),
    };
    if task.check(at) == Err(Denied::Unwinding) {
        cannot_wait("pause", task, at);
    }
    task.waits_for(Wait { what: &"pause", at, subject: Subject::NONE });
    task.rest();
    task.check_again(at);
}

/// A wait was asked for where nobody can wait.
#[cold]
#[inline(never)]
fn cannot_wait(what: &str, task: &Task, at: &'static Location<'static>) -> ! {
    task.with_described(|described| {
        crate::report::abort(format!(
            "`{what}` at {at} in task {described} while a panic or its cancellation unwinds through it: \
             a destructor that may run then must not wait"
        ))
    })
}

/// A waker for the current task: see [`Waker`].
///
/// # Panics
/// Outside a task.
#[track_caller]
pub fn waker() -> Waker {
    Waker::of_current()
}

/// Whether this code runs in a task of an event loop; also from inside a coroutine or generator that
/// runs in one.
#[inline]
pub fn is_in_task() -> bool {
    Home::running_task().is_some()
}

/// A task, as it was when it was asked for: see [`current`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// Its number.
    id: TaskId,
    /// Its name.
    name: Option<Cow<'static, str>>,
    /// Where it was spawned.
    spawned_at: &'static Location<'static>,
}

impl Current {
    /// Its number. No two tasks of a process have the same.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Its name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }
}

/// The task that this code runs in.
///
/// # Panics
/// Outside a task; see [`try_current`].
#[track_caller]
pub fn current() -> Current {
    describe(Home::current_task("`current`"))
}

/// The task that this code runs in, if it is one.
pub fn try_current() -> Option<Current> {
    Home::running_task().map(describe)
}

/// A task as users see it.
fn describe(task: &'static Task) -> Current {
    Current { id: TaskId(task.identity()), name: task.name(), spawned_at: task.spawned_at() }
}

/// Whether the current task is cancelled, so that its next pause unwinds. False outside a task, and
/// inside a [`shield`](crate::shield).
///
/// For code that computes for long: look, and end early. [`checkpoint`] does both.
pub fn is_cancelled() -> bool {
    Home::running_task()
        .is_some_and(|task| task.is_disturbed() && task.innermost().outermost_cancelled().is_some())
}

/// Unwinds if the current task is cancelled; now and then lets others go first.
///
/// For long computations: call it in the loop. It costs about a nanosecond.
///
/// # Pausing
/// Lets the other tasks go first once in 64 calls (or what the loop's budget says). While a panic or
/// cancellation unwinds here, and outside a task, it does nothing.
#[inline]
#[track_caller]
pub fn checkpoint() {
    let Some(task) = Home::running_task() else { return };
    if thread::panicking() {
        return;
    }
    // Where nothing unwinds, a look is not held against a task that goes on; only a pause is.
    if cfg!(panic = "unwind") || task.is_spent() {
        let _ = task.check(Location::caller());
    }
    task.spend();
}
