//~ E0597
//! What lives in the callback does not go in: the coroutine ends after it.

use segno::{Coroutine, Pauser};

fn main() {
    Coroutine::scoped(|co: &Pauser<&str, ()>, mut text: &str| {
        loop {
            text = co.pause(());
        }
    })
    .enter(|co| {
        let local = "text".to_owned();
        co.resume(&local); //~
    });
}
