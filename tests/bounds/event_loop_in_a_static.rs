//~ E0277
//! A loop cannot be reached by all threads.

use std::sync::{Mutex, OnceLock};

use segno::EventLoop;

static LOCKED: Mutex<Option<EventLoop>> = Mutex::new(None); //~
static ONCE: OnceLock<EventLoop> = OnceLock::new(); //~

fn main() {
    let _ = (&LOCKED, &ONCE);
}
