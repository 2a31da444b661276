//~ E0597
//! What goes into a coroutine that could be kept must not refer to a frame.

use segno::{Coroutine, Pauser};

fn main() {
    let mut co = Coroutine::new(|co: &Pauser<&str, ()>, mut text: &str| {
        loop {
            text = co.pause(());
        }
    });
    let local = "text".to_owned();
    co.resume(local.as_str()); //~
}
