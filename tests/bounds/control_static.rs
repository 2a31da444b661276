//~ ok
//! The same shapes as in the files that fail, without what is wrong in them.

use std::rc::Rc;

use segno::{Builder, Coroutine, Generator, Outlet, Pauser};

fn any<T: Default + 'static>() -> (Coroutine<T, T, T>, Generator<T>) {
    (
        Coroutine::new(|co: &Pauser<T, T>, first: T| {
            drop(first);
            co.pause(T::default())
        }),
        Builder::new().generator(|out: &Outlet<T>| out.pause(T::default())).unwrap(),
    )
}

fn main() {
    any::<Rc<u8>>();
    let owned = vec![1];
    drop(Coroutine::new(move |_: &Pauser<&'static str, ()>, text: &str| owned.len() + text.len()));
}
