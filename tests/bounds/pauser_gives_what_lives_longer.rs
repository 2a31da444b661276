//~ lifetime may not live long enough
//! What a pauser gives cannot be made to live longer.

use segno::Pauser;

fn lengthened<'a, 'b>(co: &'b Pauser<&'a str, ()>) -> &'b Pauser<&'static str, ()> {
    co //~
}

fn main() {
    let _ = lengthened;
}
