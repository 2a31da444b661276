//~ lifetime may not live long enough
//! The lifetime of a callback is made neither longer nor shorter.

use segno::{Entered, Items};

fn shortened<'b, 'x: 'y, 'y>(co: Entered<'x, (), (), ()>) -> Entered<'y, (), (), ()> {
    co //~
}

fn lengthened<'b, 'x: 'y, 'y>(items: Items<'y, ()>) -> Items<'x, ()> {
    items //~
}

fn main() {
    let _ = (shortened, lengthened);
}
