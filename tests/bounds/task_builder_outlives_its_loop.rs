//~ E0505, E0597
//! What spawns on a loop does not outlive it.

use segno::EventLoop;

fn main() {
    let task = {
        let events = EventLoop::new();
        events.task("late") //~
    };
    drop(task.spawn(|| ()));

    let events = EventLoop::new();
    let task = events.task("later");
    events.shutdown(); //~
    drop(task.spawn(|| ()));
}
