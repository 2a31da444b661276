//! Parts of a task that begin and end together: children that borrow, time limits, shields.
//!
//! | file | what |
//! |---|---|
//! | `frame` | entering and leaving a boundary |
//! | `children` | `scope`, `try_scope` |
//! | `limit` | `cancel_scope`, `timeout`, `shield` |
//! | `together` | `join_all`, `try_join`, `race` |

mod frame;
mod children;
mod limit;
mod together;

pub use children::{ScopedJoinHandle, ScopedTask, TryScopedTask, scope, try_scope};
pub(crate) use children::{failed, first_of, lost, refuse_while_unwinding};
pub(crate) use frame::Frame;
pub use limit::{
    CancelHandle, CancelScope, Cancelled, Elapsed, cancel_scope, shield, timeout, timeout_at,
};
pub use together::{join_all, race, try_join};
