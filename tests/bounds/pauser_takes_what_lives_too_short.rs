//~ lifetime may not live long enough
//! What a pauser takes cannot be made to live shorter.

use segno::Pauser;

fn shortened<'a, 'b>(co: &'b Pauser<(), &'static str>) -> &'b Pauser<(), &'a str> {
    co //~
}

fn main() {
    let _ = shortened;
}
