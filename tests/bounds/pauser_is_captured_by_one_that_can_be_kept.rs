//~ E0521
//! A coroutine that could be kept does not hold the pauser of another.

use segno::{Coroutine, Generator, Outlet, Pauser};

fn main() {
    Coroutine::new(|outer: &Pauser<(), ()>, ()| {
        Generator::new(move |out: &Outlet<()>| {
            //~
            outer.pause(());
            out.pause(());
        })
    });
}
