//! What threads share, under every order that the memory model allows.
//!
//! | file | what |
//! |---|---|
//! | `model` | the names of the library's room `model`, with loom's types behind them |
//! | `task` | the library's inbox and waker, and what stands in for the rest of their room |
//! | `wait` | the library's gate and sleeper |
//! | `inbox` | models of messages to a loop that may sleep |
//! | `counts` | models of what keeps a loop from taking a standstill for a deadlock |
//! | `gate` | models of a value that is given once |
//! | `planted` | bugs, one a line, and the model that has to find each: for `.ci/run` |
//!
//! The files of the library are compiled as they are, from where they are. Each model is a small program:
//! loom runs it again and again, with its threads in every order, and fails it if one of them ends badly:
//! a panic, threads that wait for each other for ever, an access that races, memory that is left behind.

#![cfg(test)]
#![allow(dead_code, unreachable_pub, reason = "a model needs part of what is there")]
#![allow(unsafe_code, reason = "cells, and promises that the library makes elsewhere")]

mod model;
mod task;
mod wait;

mod counts;
mod gate;
mod inbox;

/// Runs a model. `LOOM_MAX_PREEMPTIONS` says how many times a thread may be stopped where it need not be.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(model);
}
