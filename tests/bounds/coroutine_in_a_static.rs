//~ E0277
//! A coroutine cannot be had by every thread.

use std::sync::Mutex;

use segno::Coroutine;

static SHARED: Mutex<Option<Coroutine<(), (), ()>>> = Mutex::new(None); //~

fn main() {
    drop(SHARED.lock());
}
