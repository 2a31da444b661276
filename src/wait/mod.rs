//! Who waits for one thing.
//!
//! | file | what |
//! |---|---|
//! | `fence` | a fence between two threads that costs one of them nothing |
//! | `lock` | the lock around what several tasks and threads share |
//! | `sleeper` | one who waits, a task or a thread, as the other side wakes it |
//! | `gate` | a value that one side gives, once, and one other takes |
//! | `queue` | who waits, first come, first served |
//! | `operation` | operations that succeed at once or wait in a queue |
//! | `several` | waiting for whichever of several comes first |
//! | `errand` | a task that nobody has started, and its result |
//! | `held` | the handle of one, for who joins or cancels it |
//! | `bond` | a frame that is lent to tasks of other threads |

pub(crate) mod fence;
mod lock;
mod sleeper;
mod gate;
mod queue;
mod operation;
mod several;
mod errand;
mod held;
mod bond;

pub use bond::Scope;
pub(crate) use bond::lend_abroad;
pub(crate) use errand::{
    Asked, Runs, Work, bring, errand, is_lent, is_started, refuse, release, start,
};
pub(crate) use gate::{Giver, Taker, gate, labelled_gate};
pub(crate) use held::Held;
pub(crate) use lock::Locked;
pub(crate) use operation::{Asker, Attempt, Operation, wake};
pub(crate) use queue::Queue;
pub use several::AnyArm;
pub(crate) use several::{MOST, OperationArm, Watched, choose};
pub(crate) use sleeper::Woken;
