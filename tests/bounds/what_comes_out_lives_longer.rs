//~ lifetime may not live long enough
//! What comes out cannot be made to live longer.

use segno::{Coroutine, Generator, Scoped};

fn out<'a>(co: Coroutine<(), &'a str, ()>) -> Coroutine<(), &'static str, ()> {
    co //~
}

fn item<'a>(items: Generator<&'a str>) -> Generator<&'static str> {
    items //~
}

fn ret<'a>(co: Scoped<(), (), &'a str, ()>) -> Scoped<(), (), &'static str, ()> {
    co //~
}

fn main() {
    let _ = (out, item, ret);
}
