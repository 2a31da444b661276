//~ E0277
//! What a pool runs may begin on any thread.

use std::cell::Cell;
use std::rc::Rc;

use segno::{Pool, pool};

fn main() {
    let pool = Pool::new();
    // The compiler says only once what is wrong with a type.
    let (a, b, c) = (Rc::new(1_u8), Rc::new(1_u16), Rc::new(1_u32));
    let (d, e, f) = (Cell::new(1_u8), Cell::new(1_u16), Cell::new(1_u32));
    pool.run(|| *a); //~
    pool.scope(|s| {
        s.spawn(|| *b); //~
        s.task("named").spawn(|| d.set(2)); //~
    });
    pool.join(|| *c, || ()); //~
    pool.join(|| (), || e.set(2)); //~
    pool.for_each(0..9, |_| f.set(2)); //~
    let (a, b, c) = (Rc::new(1_i8), Rc::new(1_i16), Rc::new(1_i32));
    pool.map(0..9, |_| *a); //~
    drop(pool.spawn(move || *b)); //~
    drop(pool.task("named").spawn(move || *c)); //~
    pool.run(|| {
        let (a, b) = (Rc::new('a'), Rc::new(true));
        pool::join(|| *a, || *a); //~
        drop(pool::spawn(move || *b)); //~
        let task = pool::task("kept");
        pool::join(|| (), || task.spawn(|| ())); //~
    });
}
