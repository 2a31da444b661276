//~ E0277
//! A channel of what must not change threads.

use segno::sync::channel;
use std::rc::Rc;

fn main() {
    let (sender, receiver) = channel::unbounded();
    sender.send(Rc::new(1)).unwrap();
    std::thread::spawn(move || { //~
        let _ = receiver.recv();
    });
}
