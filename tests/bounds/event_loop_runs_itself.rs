//~ E0499, E0502
//! While a loop runs a closure, nobody else turns it, and nobody spawns on it but by the closure's own means.

use segno::EventLoop;

fn main() {
    let mut events = EventLoop::new();
    let _ = events.run(|| events.turn()); //~
    let _ = events.run(|| drop(events.spawn(|| ()))); //~
    let task = events.task("made before");
    let _ = events.run(|| drop(task.spawn(|| ()))); //~
}
