//~ lifetime may not live long enough
//! A pauser does not leave its coroutine as what it pauses with.

use std::any::Any;

use segno::{Coroutine, Pauser};

fn main() {
    Coroutine::new(|co: &Pauser<(), Box<dyn Any>>, ()| co.pause(Box::new(co))); //~
}
