//~ E0277
//! A loop stays on the thread that made it, also if nothing was ever spawned on it.

use segno::EventLoop;

fn main() {
    let events = EventLoop::new();
    std::thread::spawn(move || drop(events)); //~
}
