//! What tasks need between them: channels, locks, and waiting for several things at once.
//!
//! There is one set of types. They work between tasks of one event loop, between tasks of several, and
//! between those and plain threads: in a task an operation that has to wait pauses the task, elsewhere it blocks
//! the thread. As long as all users of an object are tasks of one loop, it costs no atomic operations.
//!
//! | for | there is |
//! |---|---|
//! | values, each to one receiver | [`channel::bounded`], [`channel::unbounded`], [`channel::rendezvous`]; [`channel::oneshot`] for a single one |
//! | values, each to all receivers | [`channel::broadcast`]; [`channel::watch`] where only the last one counts |
//! | data that one changes at a time | [`Mutex`], [`RwLock`] |
//! | a limited number at a time | [`Semaphore`] |
//! | something that happens once | [`Event`], [`Once`] |
//! | something that may have changed | [`Condvar`] |
//! | all at the same place | [`Barrier`] |
//! | whichever comes first | [`select!`](crate::select) |
//!
//! # Rules
//! - *First come, first served.* Whoever waits longest is next. What becomes free is handed over: nobody who comes
//!   later, `try_` forms included, gets between.
//! - *Nothing is lost.* A value is received by one, or comes back to its sender in the error. Who is cancelled leaves
//!   the queue before it unwinds; if something was handed to it before that, the operation succeeds, and its next
//!   pause unwinds.
//! - *Cancellation.* An operation that could wait unwinds when its task is cancelled, also if it would not have
//!   had to wait; `try_` forms do not look.
//! - *Where nobody may wait*, because a panic or a cancellation unwinds, operations succeed if they need not
//!   wait. If they must, those that return a `Result` give an error; what the others do, they say.
//! - *No poisoning.* A lock whose owner panicked is released, and what it guards is as the owner left it.
//! - *`panic = "abort"`*: where a cancelled task would have to wait, operations that return a `Result` give an
//!   error; others wait.
//! - *Virtual clocks.* A loop with a [virtual clock](crate::Clock::virtual_time) takes it for a deadlock when all
//!   of its tasks wait here, and the report says who holds what they wait for. If another thread was to come, hold
//!   an [`external`](crate::external) guard meanwhile.

mod stats;
mod would_wait;
mod raw;
mod cell;
mod mutex;
mod rwlock;
mod semaphore;
mod event;
mod condvar;
mod barrier;
mod once;
pub mod channel;
#[doc(hidden)]
pub mod select;

pub use barrier::Barrier;
pub use condvar::Condvar;
pub use event::Event;
pub use mutex::{Mutex, MutexGuard};
pub use once::Once;
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{Permit, Semaphore};
pub use stats::Stats;
pub use would_wait::WouldWait;

pub use crate::task::Holder;
