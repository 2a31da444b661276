//! A closure on a bigger stack, for the one deep call that a small stack has no room for.

#![allow(unsafe_code, reason = "makes a coroutine whose lifetimes the compiler does not see")]

use std::convert::Infallible;
use std::panic::Location;

use super::context::Lender;
use super::core::Core;
use super::{Builder, Pauser, State, no_stack};
use crate::erase::AbortBomb;
use crate::stacks::{Request, SpawnError};

/// Runs a closure on a stack with at least `size` bytes of frames (and at least 32 KiB), and returns what it returns.
///
/// For deep recursion inside a coroutine that has a small stack, or on a thread whose stack is too
/// small. The stack comes from the same pool as those of coroutines.
///
/// # Pausing
/// Never by itself. A coroutine that calls this may pause inside `f` as anywhere else; such pauses
/// cost some nanoseconds more, since they leave two stacks together.
///
/// # Panics
/// When no stack can be had. A panic of `f` comes out unchanged.
///
/// ```
/// fn depth(n: u32) -> u32 {
///     let frame = std::hint::black_box([0_u8; 1024]);
///     if n == 0 { frame[0] as u32 } else { depth(n - 1) + 1 }
/// }
/// assert_eq!(segno::stack::grow(64 << 20, || depth(10_000)), 10_000);
/// ```
#[track_caller]
pub fn grow<R>(size: usize, f: impl FnOnce() -> R) -> R {
    let at = Location::caller();
    match grow_at(size, f, at) {
        Ok(value) => value,
        Err(error) => no_stack(&error, at),
    }
}

/// [`grow`] that says why no stack could be had.
///
/// # Errors
/// When the size makes no sense or no stack can be had. `f` has not run.
///
/// # Panics
/// Only what `f` panics with.
#[track_caller]
pub fn try_grow<R>(size: usize, f: impl FnOnce() -> R) -> Result<R, SpawnError> {
    grow_at(size, f, Location::caller())
}

/// Both of them.
fn grow_at<R>(
    size: usize,
    f: impl FnOnce() -> R,
    at: &'static Location<'static>,
) -> Result<R, SpawnError> {
    let (plan, name) = Builder::new()
        .name("stack::grow")
        .stack_size(size.max(Request::LEAST_FRAMES))
        .plan(at, Lender::here(), false)?;
    // SAFETY: `f` and what it refers to outlive this frame, and the coroutine ends within it: nobody
    // has its pauser, so the resume comes back only when the body has returned or panicked.
    let mut core: Core<(), Infallible, R> =
        unsafe { Core::new(plan, name, move |_: &Pauser<(), Infallible>, ()| f())? };
    let bomb = AbortBomb::arm("a closure on a grown stack");
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| core.resume(())));
    bomb.disarm();
    match result {
        Ok(Ok(State::Complete(value))) => Ok(value),
        Ok(Ok(State::Paused(never))) => match never {},
        Ok(Err(())) => unreachable!("it was made a moment ago"),
        Err(payload) => std::panic::resume_unwind(payload),
    }
}
