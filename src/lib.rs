//! Stackful coroutines: functions that pause anywhere and go on where they were.
//!
//! This page is a tour of the crate, foundations first. Each stop has a few words and an example;
//! the words link to the items, which have the details.
//!
//! # The coroutine
//!
//! A [`Coroutine`] is a function with a stack of its own. [`resume`](Coroutine::resume) lets it
//! run, [`pause`](Pauser::pause) lets it stop, however deep in its calls, and everything it was
//! doing is still there at the next resume. A function that may be paused looks like any other:
//! nothing in its signature changes but that it is lent a [`Pauser`].
//!
//! ```
//! use segno::{Coroutine, Pauser};
//!
//! fn sing(co: &Pauser<(), &'static str>) {
//!     for bar in ["Frère Jacques,", "Dormez vous?"] {
//!         sing_twice(co, bar);
//!     }
//! }
//!
//! fn sing_twice(co: &Pauser<(), &'static str>, bar: &'static str) {
//!     co.pause(bar);
//!     co.pause(bar);
//! }
//!
//! let voice = || Coroutine::new(|co: &Pauser<(), &'static str>, ()| sing(co));
//! let (mut first, mut second) = (voice(), voice());
//! let mut round = Vec::new();
//! for bar in 0..6 {
//!     if bar < 4 {
//!         round.extend(first.resume(()).paused());
//!     }
//!     if bar >= 2 {
//!         round.extend(second.resume(()).paused()); // the same function, two bars later
//!     }
//! }
//! let (a, b) = ("Frère Jacques,", "Dormez vous?");
//! assert_eq!(round, [a, a, b, a, b, a, b, b]);
//! ```
//!
//! # How values pass
//!
//! A coroutine has three types. `In` goes in with each resume, `Out` comes out with each pause,
//! `Ret` comes out at the end; [`State`] tells the last two apart. The first `In` is the closure's
//! second argument, every later one is what `pause` returns. A closure has to name the types of its
//! arguments, as below; a function that has the right ones is passed by its name. [`Status`] says
//! where a coroutine is in its life.
//!
//! ```
//! use segno::{Coroutine, Pauser, State, Status};
//!
//! let mut beat = Coroutine::new(|co: &Pauser<u32, String>, first: u32| {
//!     let second = co.pause(format!("{first} beats"));
//!     let third = co.pause(format!("{second} more"));
//!     first + second + third
//! });
//! assert_eq!(beat.resume(4), State::Paused("4 beats".to_owned()));
//! assert_eq!(beat.resume(3), State::Paused("3 more".to_owned()));
//! assert_eq!(beat.resume(2), State::Complete(9));
//! assert_eq!(beat.status(), Status::Complete);
//! assert_eq!(beat.try_resume(1), Err(1)); // it has ended: the value comes back
//! ```
//!
//! # Where frames live
//!
//! On a stack of 240 KiB, of which only touched pages take memory, with a guard below it. Stacks
//! are reused. A [`Builder`] gives a coroutine a name and asks for more stack or less; the module
//! [`stack`] tells what stacks cost and how deep they get, and runs a single deep call on a larger
//! one. When no stack can be had, the builder returns a [`SpawnError`] that says what to do.
//!
//! ```
//! use segno::{Builder, Pauser, stack};
//!
//! let mut small = Builder::new()
//!     .name("small")
//!     .stack_size(48 * 1024)
//!     .measure(true)
//!     .build(|co: &Pauser<(), ()>, ()| co.pause(()))?;
//! small.resume(());
//! if let Some(bytes) = small.stack_used() {
//!     assert!(bytes < 8192); // two pages at most; `None` where this is not supported (Windows)
//! }
//! assert!(stack::stats().live >= 1);
//! # Ok::<(), segno::SpawnError>(())
//! ```
//!
//! A coroutine that runs off its stack ends the process, with a report of its name and of the line
//! that made it.
//!
//! # Cancellation
//!
//! Dropping a coroutine, or [`cancel`](Coroutine::cancel), ends it where it is paused: its frames
//! unwind and every destructor runs. Code that catches panics lets this one pass, by [`is_cancel`].
//! A panic inside comes out of `resume`, once.
//!
//! ```
//! use segno::{Coroutine, Pauser, Status};
//! use std::rc::Rc;
//!
//! let instrument = Rc::new("violin");
//! let mine = instrument.clone();
//! let mut player = Coroutine::new(move |co: &Pauser<(), usize>, ()| {
//!     co.pause(mine.len());
//! });
//! player.resume(());
//! assert_eq!(Rc::strong_count(&instrument), 2);
//! player.cancel();
//! assert_eq!(player.status(), Status::Cancelled);
//! assert_eq!(Rc::strong_count(&instrument), 1);
//! ```
//!
//! What the library has to tell when there is nobody to return it to goes to [`on_report`]: stderr,
//! unless you say otherwise.
//!
//! # Borrowing
//!
//! Everything in a [`Coroutine`] is `'static`, because it may be forgotten and a forgotten one must
//! not hold borrows. The scoped form borrows: it lives in a call of [`enter`](Scoped::enter), is
//! lent to a callback, and has ended when the callback is left.
//!
//! ```
//! use segno::{Coroutine, Pauser};
//!
//! let bars = vec!["Sonnez les matines,".to_owned(), "Din, din, don.".to_owned()];
//! let sung = Coroutine::scoped(|co: &Pauser<(), &str>, ()| {
//!     bars.iter().for_each(|bar| co.pause(bar));
//! })
//! .enter(|co| co.resume(()).paused().map(str::len));
//! assert_eq!(sung, Some(19));
//! ```
//!
//! # Generators
//!
//! A [`Generator`] is a coroutine as an iterator: its body pauses with each item. That turns
//! recursion, and code that calls back, into something that a `for` loop can take from. It has a
//! [scoped form](Generator::scoped) too.
//!
//! ```
//! use segno::{Generator, Outlet};
//!
//! fn hanoi(discs: u32, [from, to, by]: [char; 3], out: &Outlet<(char, char)>) {
//!     if discs > 0 {
//!         hanoi(discs - 1, [from, by, to], out);
//!         out.pause((from, to));
//!         hanoi(discs - 1, [by, to, from], out);
//!     }
//! }
//!
//! let mut moves = Generator::new(|out| hanoi(20, ['a', 'b', 'c'], out));
//! assert_eq!(moves.next(), Some(('a', 'c')));
//! assert_eq!(moves.count(), 1_048_574);
//! ```
//!
//! # What not to do
//!
//! - *Do not keep a lock over a pause* without a reason. Whoever runs meanwhile on this thread and
//!   wants the same [`std::sync::Mutex`] waits for ever; a `RefCell` borrow kept over a pause makes
//!   others panic. Cancelling a coroutine that holds a `Mutex` poisons it, as any unwinding does.
//! - *Do not expect thread-locals of your own.* A coroutine shares those of its thread. It never
//!   changes thread, so they stay the same ones. Do not pause inside `LocalKey::with` or inside a
//!   thread-local's initialiser.
//! - *Do not pause in a destructor* that may run while the coroutine unwinds. Nobody can wait
//!   there: it aborts the process, with a report. (In a generator such a pause returns at once.)
//! - *Do not pause inside foreign code that relies on last in, first out*, such as an interpreter's
//!   C stack. [`no_pause`] guards such a call.
//! - *Do not swallow cancellation*: a coroutine that catches it and pauses on, again and again, is
//!   given up and leaks its stack.
//! - *Do not use a coroutine where a loop will do.* It costs a page of memory.
//!
//! With `panic = "abort"` nothing can unwind: a paused coroutine that is dropped leaks its stack
//! and all that is on it.
//!
//! # Chapters
//!
//! - [How it works](docs::how_it_works): stacks, slots, guards, the switch, costs
//! - [Generators](docs::generators): recursion, callbacks, borrowing, errors
//! - [Soundness](docs::soundness): why safe code cannot break memory with this, and where that ends
//!
//! The repository's `examples/own_loop.rs` builds a scheduler from what is on this page.

// The rooms of the house, foundations first: each imports only from those above it, and `tests/tidy.rs`
// keeps it so. A file's head says which part of its room it is.
mod report;
mod model;
mod erase;
mod stacks;
mod coroutine;
mod generator;
mod task;
mod wait;
mod event_loop;
mod time;
mod scope;
pub mod testing;

pub use coroutine::{
    Builder, Coroutine, Entered, Pauser, Scoped, State, Status, is_cancel, no_pause,
};
pub use event_loop::{
    DeadlockReport, EventLoop, External, JoinError, JoinHandle, LoopBuilder, LoopClosed,
    LoopHandle, RunError, StuckTask, TaskBuilder, external, handle, run, spawn, task,
};
pub use generator::{Generator, Items, Outlet, ScopedGenerator};
pub use report::{Report, ReportKind, on_report};
pub use scope::{
    CancelHandle, CancelScope, Cancelled, Elapsed, ScopedJoinHandle, ScopedTask, TryScopedTask,
    cancel_scope, join_all, race, scope, shield, timeout, timeout_at, try_join, try_scope,
};
pub use stacks::SpawnError;
pub use task::{
    CancelKind, CancelReason, Clock, Current, Scope, TaskId, TaskLocal, TryScope, Waker,
    checkpoint, current, is_cancelled, is_in_task, pause, try_current, waker, yield_now,
};

pub use time::{Interval, MissedTicks, interval, now, sleep, sleep_until};

/// The stacks that coroutines run on: what they cost, how deep they get, when they are given back.
pub mod stack {
    pub use crate::coroutine::{grow, try_grow};
    pub use crate::stacks::{
        Guards, Stats, Usage, measure_all, prefer_guards, report_overflow, stats, trim, usage,
    };
}

pub mod docs;

/// Compiles and runs the code in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
