//~ E0277
//! What comes back from a loop to another thread can be sent there.

use std::rc::Rc;

use segno::LoopHandle;

fn main() {
    let events: LoopHandle = segno::run(segno::handle);
    let _ = events.spawn(|| Rc::new(1)); //~
}
