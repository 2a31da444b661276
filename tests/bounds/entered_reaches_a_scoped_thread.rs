//~ E0277
//! A thread that borrows cannot resume the coroutine that it borrows.

use segno::{Coroutine, Pauser};

fn main() {
    Coroutine::scoped(|co: &Pauser<(), ()>, ()| co.pause(())).enter(|co| {
        std::thread::scope(|scope| {
            scope.spawn(|| co.resume(())); //~
        });
    });
}
