//~ E0521
//! Two entered coroutines cannot change places: each ends with its own callback.

use segno::{Coroutine, Pauser};

fn main() {
    Coroutine::scoped(|co: &Pauser<(), ()>, ()| co.pause(())).enter(|outer| {
        Coroutine::scoped(|co: &Pauser<(), ()>, ()| co.pause(())).enter(|inner| {
            std::mem::swap(outer, inner); //~
        });
    });
}
