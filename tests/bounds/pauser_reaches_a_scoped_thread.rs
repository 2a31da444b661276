//~ E0277
//! A thread that borrows cannot pause the coroutine that it borrows from.

use segno::{Coroutine, Pauser};

fn main() {
    Coroutine::new(|co: &Pauser<(), ()>, ()| {
        std::thread::scope(|scope| {
            scope.spawn(|| co.pause(())); //~
        });
    });
}
