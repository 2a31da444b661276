//~ E0310
//! The type that goes in is `'static` as well, not only the closure.

use segno::{Coroutine, Pauser};

fn make<T>() -> Coroutine<T, (), ()> {
    Coroutine::new(|_: &Pauser<T, ()>, _: T| ()) //~
}

fn main() {
    make::<u8>();
}
