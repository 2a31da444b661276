//~ E0277
//! A coroutine stays on its thread, whatever is in it.

use segno::{Coroutine, Pauser};

fn main() {
    let co = Coroutine::new(|_: &Pauser<(), ()>, ()| ());
    std::thread::spawn(move || drop(co)); //~
}
