//~ E0597
//! A coroutine that is not entered yet does not outlive what it borrows either.

use segno::{Coroutine, Pauser};

fn main() {
    let later;
    {
        let local = 1;
        later = Coroutine::scoped({
            let local = &local; //~
            move |_: &Pauser<(), ()>, ()| *local
        });
    }
    later.enter(|co| co.resume(()));
}
