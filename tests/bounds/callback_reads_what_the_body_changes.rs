//~ E0502
//! What the coroutine borrows mutably cannot be read while it is entered.

use segno::{Coroutine, Pauser};

fn main() {
    let mut sum = 0;
    Coroutine::scoped(|co: &Pauser<(), ()>, ()| {
        sum += 1;
        co.pause(());
    })
    .enter(|co| {
        //~
        co.resume(());
        println!("{sum}");
    });
}
