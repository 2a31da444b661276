//~ E0310
//! What comes out of a coroutine that could be kept must not refer to a frame.

use segno::{Coroutine, Pauser};

fn make<T: Default>() -> Coroutine<(), T, ()> {
    Coroutine::new(|co: &Pauser<(), T>, ()| co.pause(T::default())) //~
}

fn main() {
    make::<u8>();
}
