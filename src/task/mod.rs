//! Tasks: coroutines that somebody schedules.
//!
//! ```text
//!   spawn --> ready --> step --> your code --> rest --> whoever will wake it | timers
//!               ^         |                      |
//!               |         +--> end               |
//!               +------------- wake <------------+
//! ```
//!
//! | file | what |
//! |---|---|
//! | `reason` | why something was cancelled |
//! | `observe` | what happens to tasks, for tests |
//! | `holder` | who holds what others wait for |
//! | `blocks` | memory for what goes between tasks |
//! | `body` | what a task runs, without its type |
//! | `boundary` | what can be cancelled |
//! | `name` | how a task is named |
//! | `subject` | what a task waits for |
//! | `wanted` | who wants a task's result |
//! | `spare` | coroutines between two tasks |
//! | `record` | a task and its life |
//! | `locals` | task-local values |
//! | `ready` | who may be resumed |
//! | `timers` | who is to be woken when |
//! | `clock` | what time it is |
//! | `remote` | tasks as other threads know them |
//! | `inbox` | what other threads have to say |
//! | `source` | where a loop of a pool gets more work from |
//! | `home` | what the tasks of one loop share |
//! | `waker` | waking from anywhere |
//! | `lend` | tasks that borrow |
//! | `claim` | a child's result |
//! | `pause` | waiting |
//!
//! Waking never resumes, registering never resumes. A task's state, the ready queue and the timers
//! belong to the loop's thread and use no atomics; what comes from other threads is a message in the
//! inbox. This room does not drive: the event loop does.

mod reason;
mod observe;
mod holder;
mod blocks;
mod body;
mod boundary;
mod name;
mod subject;
mod wanted;
mod spare;
mod record;
mod locals;
mod ready;
mod timers;
mod clock;
mod remote;
mod inbox;
mod source;
mod home;
mod waker;
mod lend;
mod claim;
mod pause;

pub use clock::Clock;
pub use holder::Holder;
pub use lend::{Scope, TryScope};
pub use locals::TaskLocal;
pub use name::TaskId;
pub use pause::{
    Current, checkpoint, current, is_cancelled, is_in_task, pause, try_current, waker, yield_now,
};
pub use reason::{CancelKind, CancelReason};
pub use waker::Waker;

pub(crate) use blocks::Kept;
pub(crate) use body::{Job, Refusal};
pub(crate) use boundary::{Beyond, Boundary, Kind};
pub(crate) use claim::Claim;
pub(crate) use holder::Possession;
pub(crate) use home::{Alarm, BUDGET, Fault, Home, Making, View};
pub(crate) use inbox::{Counted, Inbox, Message, OnWake};
pub(crate) use lend::{FirstError, Panics, lend, make_static};
pub(crate) use locals::{Heirlooms, Locals};
pub(crate) use name::Described;
pub(crate) use observe::Event;
pub(crate) use pause::{wait_checked, wait_shielded, wait_until};
pub(crate) use ready::roll;
pub(crate) use record::{Guise, Outside, State, Task};
pub(crate) use remote::{RemoteBoundary, RemoteTask};
pub(crate) use source::{Crew, Source, Unstarted};
pub(crate) use subject::{Denied, Standing, Subject, Wait, Ways};
pub(crate) use timers::Timer;
pub(crate) use waker::wake;
pub(crate) use wanted::Ending;
