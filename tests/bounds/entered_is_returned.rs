//~ lifetime may not live long enough
//! An entered coroutine does not leave its callback by being returned.

use segno::{Coroutine, Pauser};

fn main() {
    let co = Coroutine::scoped(|co: &Pauser<(), ()>, ()| co.pause(())).enter(|co| co); //~
    co.resume(());
}
