//~ E0597
//! A function does not return a coroutine that borrows from its frame.

use segno::{Generator, Outlet, ScopedGenerator};

fn made() -> ScopedGenerator<u8, impl FnOnce(&Outlet<u8>)> {
    let words = vec![1_u8];
    let borrowed = &words; //~
    Generator::scoped(move |out: &Outlet<u8>| out.pause_all(borrowed.iter().copied()))
}

fn main() {
    made().enter(|items| items.count());
}
