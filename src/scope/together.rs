//! Several things at once: all of them, or the first.

use std::cell::Cell;
use std::panic::Location;

use super::children::{scope, try_scope};
use crate::event_loop::{JoinError, drop_quietly};
use crate::task::{CancelKind, CancelReason, Home, Subject, Wait, wait_until};

/// Runs closures as tasks, at the same time, and gives what they return, in their order.
///
/// They may borrow. If one panics, the others are cancelled and awaited, and the panic goes on.
///
/// # Pausing
/// As [`scope`].
///
/// # Panics
/// As [`scope`]; when there is no stack for one.
///
/// ```
/// use std::time::Duration;
///
/// segno::run(|| {
///     let waits = [2, 1, 3].map(|ms| {
///         move || {
///             segno::sleep(Duration::from_millis(ms));
///             ms
///         }
///     });
///     assert_eq!(segno::join_all(waits), [2, 1, 3]); // after 3 ms, not 6
/// });
/// ```
#[track_caller]
pub fn join_all<T, F: FnOnce() -> T>(closures: impl IntoIterator<Item = F>) -> Vec<T> {
    let at = Location::caller();
    scope(|s| {
        let children: Vec<_> = closures.into_iter().map(|f| s.spawn(f)).collect();
        children
            .into_iter()
            .map(|child| child.join().unwrap_or_else(|error| no_child(&error, at)))
            .collect()
    })
}

/// [`join_all`] for closures that can give errors: the first `Err` cancels the others, and is returned when
/// all have ended.
///
/// # Pausing
/// As [`scope`].
///
/// # Errors
/// The first one in time.
///
/// # Panics
/// As [`join_all`].
///
/// ```
/// segno::run(|| {
///     let parse = |text: &'static str| move || text.parse::<u8>();
///     assert_eq!(segno::try_join(["1", "2"].map(parse)), Ok(vec![1, 2]));
///     assert!(segno::try_join(["1", "two"].map(parse)).is_err());
/// });
/// ```
#[track_caller]
pub fn try_join<T, E, F: FnOnce() -> Result<T, E>>(
    closures: impl IntoIterator<Item = F>,
) -> Result<Vec<T>, E> {
    let at = Location::caller();
    try_scope(|s| {
        let children: Vec<_> = closures.into_iter().map(|f| s.spawn(f)).collect();
        let joined = children
            .into_iter()
            .map(|child| child.join().unwrap_or_else(|error| no_child(&error, at)));
        Ok(joined.collect())
    })
}

/// Runs closures as tasks, at the same time, and gives what the first of them returns. The others are
/// cancelled, and have ended when this returns; what they return all the same is dropped.
///
/// They may borrow. If one panics before another has returned, the others are cancelled and awaited, and
/// the panic goes on.
///
/// # Pausing
/// As [`scope`].
///
/// # Panics
/// As [`scope`]; when there is no closure at all; when there is no stack for any.
///
/// ```
/// use std::time::Duration;
///
/// segno::run(|| {
///     let first = segno::race([20, 1, 30].map(|ms| {
///         move || {
///             segno::sleep(Duration::from_millis(ms));
///             ms
///         }
///     }));
///     assert_eq!(first, 1);
/// });
/// ```
#[track_caller]
pub fn race<T, F: FnOnce() -> T>(closures: impl IntoIterator<Item = F>) -> T {
    let at = Location::caller();
    let winner = Cell::new(None);
    let over = Cell::new(false);
    scope(|s| {
        let task = Home::current_task("race");
        let (winner, over) = (&winner, &over);
        let runners: Vec<_> = closures
            .into_iter()
            .map(|f| {
                s.spawn(move || {
                    let value = f();
                    if over.replace(true) {
                        drop_quietly("the result of one that came second", value);
                    } else {
                        winner.set(Some(value));
                    }
                    task.wake();
                })
            })
            .collect();
        assert!(!runners.is_empty(), "a race of nobody at {at} has no winner");
        let wait = Wait { what: &"race", at, subject: Subject::NONE };
        let done = || over.get() || s.children() == 0;
        // Denied: where nothing unwinds, a cancelled race ends when its runners have.
        let _ = wait_until(task, wait, done);
        s.boundary().cancel_children(&CancelReason::new(
            CancelKind::Race,
            "another one was first",
            at,
        ));
        if !over.get() {
            for runner in runners {
                if let Err(error @ JoinError::NoStack(_)) = runner.join() {
                    no_child::<()>(&error, at);
                }
            }
        }
    });
    match winner.take() {
        Some(value) => value,
        None => panic!("nobody has won the race at {at}: all of them were cancelled"),
    }
}

/// A child has no result although nobody cancelled it.
#[cold]
#[track_caller]
fn no_child<T>(error: &JoinError, at: &'static Location<'static>) -> T {
    panic!("a task made at {at} has no result: {error}")
}
