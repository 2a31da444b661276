//~ E0310
//! Items of a generator that could be kept must not refer to a frame.

use segno::{Builder, Generator, Outlet};

fn made<T: Default>() -> Generator<T> {
    Generator::new(|out: &Outlet<T>| out.pause(T::default())) //~
}

fn built<T: Default>() -> Generator<T> {
    Builder::new().generator(|out: &Outlet<T>| out.pause(T::default())).unwrap() //~
}

fn main() {
    made::<u8>();
    built::<u8>();
}
