//~ E0507
//! A pauser is not moved off its stack.

use segno::{Coroutine, Pauser};

fn main() {
    Coroutine::new(|co: &Pauser<(), ()>, ()| {
        let stolen = *co; //~
        stolen.pause(());
    });
}
