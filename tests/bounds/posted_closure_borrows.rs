//~ E0373, E0597
//! What another thread gives a loop to run borrows nothing from that thread.

use segno::LoopHandle;

fn main() {
    let events: LoopHandle = segno::run(segno::handle);
    let local = "local".to_owned();
    let _ = events.post(|| drop(&local)); //~
    let borrowed = &local; //~
    let _ = events.spawn(move || borrowed.len());
}
