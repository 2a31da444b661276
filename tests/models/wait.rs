//! The library's gate and sleeper.

#[path = "../../src/wait/gate.rs"]
mod gate;
#[path = "../../src/wait/sleeper.rs"]
mod sleeper;

pub(crate) use gate::{Giver, Taker, gate};
