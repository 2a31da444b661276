//~ E0277
//! What a closure returns that runs on another thread is `Send`.

use std::rc::Rc;

fn main() {
    segno::run(|| {
        segno::unblock(|| Rc::new(1)); //~
    });
}
