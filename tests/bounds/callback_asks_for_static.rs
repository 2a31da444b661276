//~ implementation of `FnOnce` is not general enough
//! A callback cannot ask for a coroutine that it may keep.

use segno::{Coroutine, Entered, Pauser};

fn callback(_: &mut Entered<'static, (), (), ()>) {}

fn main() {
    Coroutine::scoped(|co: &Pauser<(), ()>, ()| co.pause(())).enter(callback); //~
}
