//~ E0502
//! A name lies on the stack: it cannot be held while the coroutine may end.

use segno::{Builder, Pauser};

fn main() {
    let mut co = Builder::new().name("x".repeat(9)).build(|_: &Pauser<(), ()>, ()| ()).unwrap();
    let name = co.name();
    co.resume(()); //~
    println!("{name:?}");
}
