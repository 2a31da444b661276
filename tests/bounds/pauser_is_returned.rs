//~ lifetime may not live long enough
//! A pauser does not leave its coroutine by being returned.

use segno::{Coroutine, Pauser};

fn main() {
    Coroutine::new(|co: &Pauser<(), ()>, ()| co); //~
}
