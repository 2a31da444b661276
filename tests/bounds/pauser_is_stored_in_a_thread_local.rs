//~ E0521
//! A pauser does not leave its coroutine by a thread-local.

use std::cell::Cell;

use segno::{Coroutine, Pauser};

thread_local! {
    static STOLEN: Cell<Option<&'static Pauser<(), ()>>> = const { Cell::new(None) };
}

fn main() {
    Coroutine::new(|co: &Pauser<(), ()>, ()| STOLEN.set(Some(co))); //~
}
