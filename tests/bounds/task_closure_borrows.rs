//~ E0373, E0597
//! A task that nobody waits for borrows nothing, neither from the task that spawns it nor from outside the loop.

use segno::EventLoop;

fn main() {
    let outside = "outside".to_owned();
    segno::run(|| {
        let inside = "inside".to_owned();
        drop(segno::spawn(|| inside.len())); //~
        drop(segno::task("named").spawn(|| inside.len())); //~
        drop(segno::spawn(|| outside.len())); //~
    });
    let events = EventLoop::new();
    drop(events.spawn(|| outside.len())); //~
}
