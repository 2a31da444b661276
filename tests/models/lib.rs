//! What threads share, under every order that the memory model allows.
//!
//! | file | what |
//! |---|---|
//! | `model` | the names of the library's room `model`, with loom's types behind them |
//! | `report` | what stands in for the library's reports |
//! | `coroutine`, `stacks` | what stands in for those |
//! | `task` | the library's inbox and waker, and what stands in for the rest of their room |
//! | `wait` | the library's room, but for the fence |
//! | `sync` | what is behind a channel |
//! | `pool` | who sleeps in a pool, and models of that |
//! | `errand` | models of a task that nobody has started: started, joined, cancelled, left |
//! | `bond` | models of a frame that is lent to tasks of other threads |
//! | `inbox` | models of messages to a loop that may sleep |
//! | `counts` | models of what keeps a loop from taking a standstill for a deadlock |
//! | `gate` | models of a value that is given once |
//! | `lock` | models of the lock that belongs to one loop until somebody else comes |
//! | `operation` | models of what waits in a queue: completed, cancelled, in a frame that is used again |
//! | `several` | models of waiting for whichever of several comes first |
//! | `planted` | bugs, one a line, and the model that has to find each: for `.ci/run` |
//!
//! The files of the library are compiled as they are, from where they are. Each model is a small program:
//! loom runs it again and again, with its threads in every order, and fails it if one of them ends badly:
//! a panic, threads that wait for each other for ever, an access that races, memory that is left behind.

#![cfg(test)]
#![allow(dead_code, unreachable_pub, reason = "a model needs part of what is there")]
#![allow(unsafe_code, reason = "cells, and promises that the library makes elsewhere")]

mod model;
mod report;
#[path = "../../src/erase.rs"]
mod erase;
mod coroutine;
mod stacks;
mod task;
mod wait;
mod sync;
mod pool;

mod bond;
mod counts;
mod errand;
mod gate;
mod inbox;
mod lock;

/// Runs a model. `LOOM_MAX_PREEMPTIONS` says how many times a thread may be stopped where it need not be.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(model);
}

/// The same for one whose threads do much: fewer preemptions, or it would take hours.
fn check_within(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 4000;
    builder.check(model);
}
