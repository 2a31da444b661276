//~ lifetime may not live long enough
//! The result of a task that nobody waits for borrows nothing.

use segno::{EventLoop, JoinHandle};

fn spawned<'a>(word: &'a str) -> JoinHandle<&'a str> {
    segno::spawn(move || word) //~
}

fn on_a_loop<'a>(events: &EventLoop, word: &'a str) -> JoinHandle<&'a str> {
    events.spawn(move || word) //~
}

fn main() {
    let _ = (spawned, on_a_loop);
}
