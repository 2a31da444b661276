//~ E0277
//! Values that stay on their thread make a channel that does.

use std::rc::Rc;

use segno::sync::channel;

fn main() {
    let (sender, receiver) = channel::bounded::<Rc<u8>>(1);
    std::thread::spawn(move || receiver.recv()); //~
    let _ = sender.send(Rc::new(1));
    let (sender, _receiver) = channel::oneshot::<Rc<u8>>();
    std::thread::spawn(move || sender.send(Rc::new(1))); //~
}
