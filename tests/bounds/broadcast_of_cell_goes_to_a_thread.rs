//~ E0277
//! Receivers of one broadcast share the value, so it is `Sync` if they are on several threads.

use std::cell::Cell;

use segno::sync::channel;

fn main() {
    let (sender, receiver) = channel::broadcast::<Cell<u8>>(1);
    std::thread::spawn(move || drop(receiver)); //~
    let _ = sender.send(Cell::new(1));
}
