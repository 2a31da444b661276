//~ E0597
//! The same where the body is a function that takes any lifetime.

use segno::{Coroutine, Pauser};

fn body<'a>(co: &Pauser<&'a str, ()>, first: &'a str) {
    drop((first, co.pause(())));
}

fn main() {
    Coroutine::scoped(body).enter(|co| {
        let local = "text".to_owned();
        co.resume(&local); //~
    });
}
