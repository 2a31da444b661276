//! What is behind a channel of the library's, without the ends; and the models that are about it.

#[path = "../../src/sync/channel/core.rs"]
mod core;
#[path = "operation.rs"]
mod operation;
#[path = "several.rs"]
mod several;

use self::core::State;
use crate::wait::Locked;

/// A channel.
fn channel<T>(capacity: usize) -> Locked<State<T>> {
    Locked::new(State::new(capacity))
}

/// How many values are in it.
fn len<T>(channel: &Locked<State<T>>) -> usize {
    channel.with(|state| state.buffer.len())
}
