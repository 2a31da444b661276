//~ lifetime may not live long enough
//! Items do not leave their callback, themselves or in an adaptor.

use segno::{Generator, Outlet};

fn main() {
    let items = Generator::scoped(|out: &Outlet<u8>| out.pause(1)).enter(|items| items); //~
    items.next();
    let items = Generator::scoped(|out: &Outlet<u8>| out.pause(1)).enter(|items| items.take(1)); //~
    items.last();
}
