//! Who waits for one thing.
//!
//! | file | what |
//! |---|---|
//! | `sleeper` | one who waits, a task or a thread, as the other side wakes it |
//! | `gate` | a value that one side gives, once, and one other takes |

mod sleeper;
mod gate;

pub(crate) use gate::{Giver, Taker, labelled_gate};
