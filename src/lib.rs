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
//! # Tasks and the event loop
//!
//! A task is a coroutine that somebody schedules. [`run`] makes an [`EventLoop`] on this thread and runs a
//! closure as its first task; [`spawn`] adds more, and a [`JoinHandle`] gives what they return. A task runs
//! until it waits, by [`sleep`], [`join`](JoinHandle::join), [`yield_now`] or whatever calls them, and then
//! the next one does. Two tasks never run at the same instant, so what they share needs no lock. Other
//! threads reach the loop through a [`LoopHandle`].
//!
//! ```
//! use std::cell::RefCell;
//! use std::rc::Rc;
//!
//! let heard = Rc::new(RefCell::new(Vec::new()));
//! let sing = |who| {
//!     let heard = heard.clone();
//!     move || {
//!         for bar in 1..=2 {
//!             heard.borrow_mut().push((who, bar));
//!             segno::yield_now(); // the others' turn
//!         }
//!         who
//!     }
//! };
//! segno::run(|| {
//!     let (first, second) = (segno::spawn(sing("first")), segno::spawn(sing("second")));
//!     assert_eq!(second.join().unwrap(), "second");
//!     assert_eq!(first.join().unwrap(), "first");
//! });
//! assert_eq!(*heard.borrow(), [("first", 1), ("second", 1), ("first", 2), ("second", 2)]);
//! ```
//!
//! # Scopes
//!
//! [`scope`] spawns tasks that borrow. It does not end before they have; if one panics the others are
//! cancelled, and the panic goes on when all have ended. In a [`try_scope`] children give `Result`s, and the
//! first `Err` ends it. [`join_all`], [`try_join`] and [`race`] are scopes for closures of one kind.
//!
//! ```
//! let tunes = ["dal segno".to_owned(), "da capo".to_owned()];
//! let mut letters = [0, 0];
//! segno::run(|| {
//!     segno::scope(|s| {
//!         for (tune, letters) in tunes.iter().zip(&mut letters) {
//!             s.spawn(|| *letters = tune.len()); // plain references, one of them mutable
//!         }
//!     });
//! });
//! assert_eq!(letters, [9, 7]);
//!
//! let parsed = segno::run(|| segno::try_join(["1", "two", "3"].map(|text| || text.parse::<u8>())));
//! assert!(parsed.is_err());
//! ```
//!
//! # Cancellation and time
//!
//! A task is cancelled by its handle, a part of one by a [`cancel_scope`] or a [`timeout`](timeout()), which
//! give an `Err` then. It unwinds from where it waits, and again wherever it waits, until that part is left;
//! it carries a [`CancelReason`]. [`shield`] is for clean-up that has to wait. With a
//! [virtual clock](Clock::virtual_time) time jumps when everybody waits: tests are exact and take no time,
//! and when nothing can ever go on, [`EventLoop::run`] returns a [`DeadlockReport`].
//!
//! ```
//! use segno::{Clock, EventLoop};
//! use std::time::Duration;
//!
//! let minute = Duration::from_secs(60);
//! let mut events = EventLoop::builder().clock(Clock::virtual_time()).build();
//! let start = events.now();
//! let end = events.run(|| {
//!     let tea = segno::timeout(5 * minute, || {
//!         segno::sleep(3 * minute);
//!         "tea"
//!     });
//!     assert_eq!(tea, Ok("tea"));
//!     assert!(segno::timeout(5 * minute, || segno::sleep(60 * minute)).is_err());
//!     segno::now()
//! });
//! assert_eq!(end.unwrap() - start, 8 * minute);
//!
//! let stuck = events.run(segno::pause).unwrap_err(); // nobody has its waker
//! assert!(stuck.to_string().contains("waits in `pause`"));
//! ```
//!
//! # Channels and locks
//!
//! [`sync`] has what tasks need between them: channels of every usual kind, locks that may be kept over a pause,
//! [`select!`] for whichever comes first. All are first come, first served, and nothing is lost when one who waits is
//! cancelled. The same types work between tasks of one loop, of several, and plain threads; as long as one loop has
//! them for itself they need no atomic operations. What would block the whole loop goes through
//! [`unblock`](unblock()), and may borrow.
//!
//! ```
//! use segno::sync::{Mutex, channel};
//! use std::time::Duration;
//!
//! let (score, pages) = channel::bounded(1);
//! let played = Mutex::new(Vec::new());
//! segno::run(|| {
//!     segno::scope(|s| {
//!         s.spawn(move || {
//!             for page in ["Segno", "Fine"] {
//!                 score.send(page).unwrap(); // waits while the last one has not been taken
//!             }
//!         });
//!         loop {
//!             segno::select! {
//!                 recv(pages) -> page => match page {
//!                     Ok(page) => played.lock().push(page),
//!                     Err(_) => break, // the sender has gone
//!                 },
//!                 after(Duration::from_secs(60)) => unreachable!("nobody plays that slowly"),
//!             }
//!         }
//!     });
//! });
//! assert_eq!(played.into_inner(), ["Segno", "Fine"]);
//! ```
//!
//! # Many threads
//!
//! A [`Pool`] is an event loop on each of several threads, which share their work. What is spawned on it begins on
//! whichever thread is free, and stays there; so only what a closure captures and returns has to be `Send`.
//! [`Pool::scope`] is for tasks that borrow, across threads too; [`pool::join`], [`Pool::for_each`] and [`Pool::map`] are
//! for what can be halved.
//!
//! ```
//! use segno::{Pool, pool};
//! use std::sync::Mutex;
//!
//! let tunes = ["dal segno".to_owned(), "da capo al fine".to_owned()];
//! let longest = Mutex::new("");
//! let pool = Pool::builder().threads(2).build()?;
//! pool.scope(|s| {
//!     for tune in &tunes {
//!         s.spawn(|| {
//!             let (first, last) = pool::join(|| tune.split(' ').next(), || tune.split(' ').last());
//!             for word in [first, last].into_iter().flatten() {
//!                 let mut longest = longest.lock().unwrap();
//!                 if word.len() > longest.len() {
//!                     *longest = word;
//!                 }
//!             }
//!         });
//!     }
//! });
//! assert_eq!(longest.into_inner().unwrap(), "segno");
//! # Ok::<(), segno::pool::BuildError>(())
//! ```
//!
//! # Scripts
//!
//! For games, and whatever else has a loop of its own: [`script::Scripts`] are stepped once in each frame. A
//! script sees the world that the tick was lent, waits for time, frames, events and other scripts, and ends with
//! what it belongs to. Nobody can hold the world over a wait, because both borrow the script: the
//! compiler says no.
//!
//! ```
//! use segno::script::{Script, Scripts};
//!
//! fn walk(s: &mut Script<Vec<i32>>, who: usize, to: i32) {
//!     while s.world()[who] != to {
//!         s.world()[who] += (to - s.world()[who]).signum();
//!         s.next_frame();
//!     }
//! }
//!
//! let scripts = Scripts::new();
//! scripts.spawn("duet", |s| {
//!     s.all(|s| walk(s, 0, 3), |s| walk(s, 1, -2)); // side by side
//!     s.wait(0.5);
//!     s.world().clear();
//! });
//! let mut positions = vec![0, 0];
//! for _frame in 0..4 {
//!     scripts.tick(&mut positions, 0.1);
//! }
//! assert_eq!(positions, [3, -2]);
//! ```
//!
//! # What not to do
//!
//! - *Do not keep a lock of the standard library over a pause*: take a [`sync::Mutex`] for that. Whoever runs meanwhile on this thread and
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
//! - *Do not block the loop*: while a task sleeps the thread or computes for long, no other one runs. Wait by
//!   what is here, go through [`unblock`](unblock()), call [`checkpoint`] in long loops, and let a
//!   [watchdog](LoopBuilder::watchdog) tell.
//!
//! With `panic = "abort"` nothing can unwind: a paused coroutine that is dropped leaks its stack
//! and all that is on it.
//!
//! # Chapters
//!
//! - [How it works](docs::how_it_works): stacks, slots, guards, the switch, costs
//! - [Scripts](docs::scripts): coroutines for games
//! - [Generators](docs::generators): recursion, callbacks, borrowing, errors
//! - [From asyncio, Trio, tokio or Go](docs::coming_from): your words, our words
//! - [Stackful or stackless?](docs::stackful_or_stackless): what each is good at, in figures, and where we lose
//! - [Soundness](docs::soundness): why safe code cannot break memory with this, and where that ends
//!
//! The repository's `examples/own_loop.rs` builds a scheduler from what is on this page;
//! `examples/interleave.rs` is the first look at ours.

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
pub mod sync;
pub mod unblock;
pub mod pool;
pub mod script;
pub mod testing;

pub use coroutine::{
    Builder, Coroutine, Entered, Pauser, Scoped, State, Status, is_cancel, no_pause,
};
pub use event_loop::{
    DeadlockReport, EventLoop, External, JoinError, JoinHandle, LoopBuilder, LoopClosed,
    LoopHandle, Panic, RunError, StuckTask, TaskBuilder, external, handle, run, spawn, task,
};
pub use generator::{Generator, Items, Outlet, ScopedGenerator};
pub use pool::Pool;
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
pub use unblock::unblock;

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
