//! The library's gate and sleeper.

#[path = "../../src/wait/gate.rs"]
mod gate;
#[path = "../../src/wait/sleeper.rs"]
mod sleeper;

pub(crate) use gate::{Giver, Taker};

/// A gate whose value may be given on any thread.
pub(crate) fn gate<T>() -> (Giver<T>, Taker<T>) {
    gate::labelled_gate(0)
}
