//~ E0277
//! A closure that runs on another thread is `Send`.

use std::cell::Cell;
use std::rc::Rc;

fn main() {
    let (shared, counter) = (Rc::new(1), Cell::new(1));
    segno::unblock(|| *shared); //~
    segno::unblock(|| counter.set(2)); //~
}
