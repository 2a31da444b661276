//~ E0521
//! Items do not leave their callback by being stored.

use segno::{Generator, Outlet};

fn main() {
    let mut stolen: Option<Box<dyn Iterator<Item = u8> + '_>> = None;
    Generator::scoped(|out: &Outlet<u8>| out.pause(1))
        .enter(|items| stolen = Some(Box::new(items))); //~
    stolen.unwrap().next();
}
