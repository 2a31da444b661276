//~ lifetime may not live long enough
//! What goes into a coroutine cannot be made to live shorter.

use segno::Coroutine;

fn shortened<'a>(co: Coroutine<&'static str, (), ()>) -> Coroutine<&'a str, (), ()> {
    co //~
}

fn main() {
    let _ = shortened;
}
