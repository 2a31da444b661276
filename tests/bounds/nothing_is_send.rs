//~ E0277
//! Nothing that has to do with a stack can be sent to another thread.

use segno::{Coroutine, Entered, Generator, Items, Pauser, Scoped, ScopedGenerator};

fn check<T: Send>() {}

fn main() {
    check::<Coroutine<(), (), ()>>(); //~
    check::<Generator<()>>(); //~
    check::<Pauser<(), ()>>(); //~
    check::<Entered<'static, (), (), ()>>(); //~
    check::<Items<'static, ()>>(); //~
    check::<Scoped<(), (), (), ()>>(); //~
    check::<ScopedGenerator<(), ()>>(); //~
}
