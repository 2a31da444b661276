//~ E0521
//! Two generators cannot change places: each ends with its own callback.

use segno::{Generator, Outlet};

fn main() {
    Generator::scoped(|out: &Outlet<u8>| out.pause(1)).enter(|outer| {
        Generator::scoped(|out: &Outlet<u8>| out.pause(2)).enter(|inner| {
            std::mem::swap(outer, inner); //~
        });
    });
}
