//! Tools for testing code that waits: what happened in which order, and what happens when somebody is
//! interrupted wherever that is possible.
//!
//! All of it runs on event loops with a [virtual clock](crate::Clock::virtual_time), where the same seed gives
//! the same order of events, and nothing takes time.
//!
//! | what | for |
//! |---|---|
//! | [`Transcript`] | writing down what happens on a loop, and comparing it |
//! | [`seeds`] | running a scenario in many orders |
//! | [`cancel_at_every_pause`] | cancelling, timing out, failing and stopping a scenario at each of its pauses |
//! | [`EveryPause`] | the same, with a seed, with checks of your own, or one run of it again |
//!
//! ```
//! use segno::testing::{EveryPause, seeds};
//! use std::cell::Cell;
//! use std::time::Duration;
//!
//! // What is to be tested: a seat is taken for as long as somebody plays, and then it is free.
//! struct Seat<'a>(&'a Cell<u32>);
//! impl Drop for Seat<'_> {
//!     fn drop(&mut self) {
//!         self.0.set(self.0.get() - 1);
//!     }
//! }
//! fn play(taken: &Cell<u32>) {
//!     taken.set(taken.get() + 1);
//!     let _seat = Seat(taken);
//!     segno::sleep(Duration::from_secs(1));
//! }
//!
//! let taken = Cell::new(0);
//! let duet = || {
//!     segno::scope(|s| {
//!         s.spawn(|| play(&taken));
//!         s.spawn(|| play(&taken));
//!     });
//! };
//! seeds(0..8, duet);
//! EveryPause::new().after(|| assert_eq!(taken.get(), 0, "a seat is lost")).run(duet);
//! ```

// Reading order: `transcript` (what happened), `seeds` (many orders), `every_pause` (interrupted everywhere).
mod transcript;
mod seeds;
mod every_pause;

pub use every_pause::{EveryPause, Way, cancel_at_every_pause};
pub use seeds::seeds;
pub use transcript::Transcript;
