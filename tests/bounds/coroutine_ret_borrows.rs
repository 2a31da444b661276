//~ E0310
//! What a coroutine that could be kept returns must not refer to a frame.

use segno::{Coroutine, Pauser};

fn make<T: Default>() -> Coroutine<(), (), T> {
    Coroutine::new(|_: &Pauser<(), ()>, ()| T::default()) //~
}

fn main() {
    make::<u8>();
}
