//! Stackful coroutines: functions that pause anywhere and go on where they were.

mod report;
mod erase;
mod stacks;
mod coroutine;
mod generator;

pub use coroutine::{
    Builder, Coroutine, Entered, Pauser, Scoped, State, Status, is_cancel, no_pause,
};
pub use generator::{Generator, Items, Outlet, ScopedGenerator};
pub use report::{Report, ReportKind, on_report};
pub use stacks::SpawnError;

/// The stacks that coroutines run on: what they cost, how deep they get, when they are given back.
pub mod stack {
    pub use crate::coroutine::{grow, try_grow};
    pub use crate::stacks::{
        Guards, Stats, Usage, measure_all, prefer_guards, report_overflow, stats, trim, usage,
    };
}
