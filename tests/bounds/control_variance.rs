//~ ok
//! Lifetimes change where that is harmless.

use segno::{Coroutine, Generator, Pauser};

fn given<'a>(
    co: Coroutine<&'a str, &'static str, &'static str>,
) -> Coroutine<&'static str, &'a str, &'a str> {
    co
}

fn item<'a>(items: Generator<&'static str>) -> Generator<&'a str> {
    items
}

fn inner<'a, 'b>(co: &'b Pauser<&'static str, &'a str>) -> &'b Pauser<&'a str, &'static str> {
    co
}

fn main() {
    let _ = (given, item, inner);
}
