//~ E0277
//! Things that are gone through on many threads are shared between them, or go to one of them.

use std::cell::Cell;
use std::rc::Rc;

use segno::Pool;

fn main() {
    let pool = Pool::new();
    let mut cells = [Cell::new(1), Cell::new(2)];
    pool.for_each(&cells, |cell| cell.set(3)); //~
    pool.for_each(&mut cells, |cell| cell.set(3));
    let mut counted = [Rc::new(1), Rc::new(2)];
    pool.for_each(&mut counted, |counted| drop(counted.clone())); //~
}
