//~ lifetime may not live long enough, E0621
//! The world is not let out of `with`, nor out of the script.

use segno::script::Script;
use std::cell::Cell;

fn with(s: &mut Script<Vec<u32>>) {
    let first = s.with(|world| &mut world[0]); //~
    *first = 1;
}

fn out<'a>(s: &mut Script<Vec<u32>>, place: &Cell<Option<&'a mut Vec<u32>>>) {
    place.set(Some(s.world())); //~
}

fn main() {
    let _ = (with, out);
}
