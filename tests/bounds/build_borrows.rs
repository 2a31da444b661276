//~ E0597, E0310
//! The bounds hold for what a builder makes, too.

use segno::{Builder, Coroutine, Pauser};

fn make<T>(value: fn() -> T) -> Coroutine<(), T, ()> {
    Builder::new().build(move |co: &Pauser<(), T>, ()| co.pause(value())).unwrap() //~
}

fn main() {
    make(|| 1);
    let local = 1;
    let local = &local; //~
    let co = Builder::new().build(move |_: &Pauser<(), ()>, ()| *local);
    drop(co);
}
