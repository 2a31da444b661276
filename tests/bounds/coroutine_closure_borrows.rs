//~ E0597
//! A coroutine that could be kept must not refer to a frame.

use segno::{Coroutine, Pauser};

fn main() {
    let mut kept = None;
    {
        let local = 1;
        let local = &local; //~
        kept = Some(Coroutine::new(move |_: &Pauser<(), ()>, ()| *local));
    }
    drop(kept);
}
