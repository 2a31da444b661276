//~ E0382
//! A coroutine is entered once.

use segno::{Coroutine, Pauser};

fn main() {
    let scoped = Coroutine::scoped(|_: &Pauser<(), ()>, ()| ());
    scoped.enter(|co| co.resume(()));
    scoped.enter(|co| co.resume(())); //~
}
