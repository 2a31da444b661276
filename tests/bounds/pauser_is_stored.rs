//~ E0521
//! A pauser does not leave its coroutine by being stored.

use segno::{Coroutine, Pauser};

fn main() {
    let mut stolen: Option<&Pauser<(), ()>> = None;
    Coroutine::scoped(|co: &Pauser<(), ()>, ()| stolen = Some(co)).enter(|co| co.resume(())); //~
    stolen.unwrap().pause(());
}
