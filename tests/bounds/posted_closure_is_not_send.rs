//~ E0277
//! What another thread gives a loop to run can be sent there.

use std::rc::Rc;

use segno::LoopHandle;

fn main() {
    let events: LoopHandle = segno::run(segno::handle);
    let (posted, spawned) = (Rc::new(1), Rc::new('1'));
    let _ = events.post(move || drop(posted)); //~
    let _ = events.spawn(move || drop(spawned)); //~
}
