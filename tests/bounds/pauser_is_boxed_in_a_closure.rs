//~ E0521
//! A pauser does not leave its coroutine in a trait object.

use segno::{Coroutine, Pauser};

fn main() {
    let mut stolen: Vec<Box<dyn Fn()>> = Vec::new();
    Coroutine::scoped(|co: &Pauser<(), ()>, ()| stolen.push(Box::new(|| co.pause(())))) //~
        .enter(|co| co.resume(()));
    stolen[0]();
}
