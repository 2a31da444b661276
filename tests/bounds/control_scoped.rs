//~ ok
//! Scoped ones borrow, lend, nest, and give out what lives long enough.

use segno::{Coroutine, Entered, Generator, Items, Outlet, Pauser};

fn body<'a>(co: &Pauser<&'a str, &'a str>, first: &'a str) -> &'a str {
    co.pause(first)
}

fn callback<'x>(items: &mut Items<'x, &'static str>) -> Option<&'static str> {
    items.next()
}

fn twice<'a>(co: &mut Entered<'_, &'a str, &'a str, &'a str>, text: &'a str) {
    co.resume(text);
    co.resume(text);
}

fn main() {
    let local = "text".to_owned();
    let mut seen = Vec::new();
    Coroutine::scoped(body).enter(|outer| {
        twice(outer, &local);
        Coroutine::scoped(body).enter(|inner| {
            seen.push(inner.resume(&local).paused());
            std::thread::scope(|scope| {
                scope.spawn(|| local.len());
            });
        });
    });
    drop(seen);
    Generator::scoped(|out: &Outlet<&'static str>| out.pause("text")).enter(callback);
    let mut cells = vec![1, 2];
    Generator::scoped(|out: &Outlet<&mut i32>| out.pause_all(cells.iter_mut()))
        .enter(|items| items.for_each(|cell| *cell += 1));
    drop(cells);
}
