//~ E0277
//! What a pool's task returns goes to another thread.

use std::rc::Rc;

use segno::{Pool, pool};

fn main() {
    let pool = Pool::new();
    pool.run(|| Rc::new(1)); //~
    pool.scope(|s| {
        s.spawn(|| Rc::new(1)); //~
        s.task("named").spawn(|| Rc::new(1)); //~
    });
    pool.join(|| Rc::new(1), || ()); //~
    pool.join(|| (), || Rc::new(1)); //~
    drop(pool.spawn(|| Rc::new(1))); //~
    pool.map(0..9, |_| Rc::new(1)); //~
    pool.run(|| {
        pool::join(|| (), || Rc::new(1)); //~
        drop(pool::spawn(|| Rc::new(1))); //~
    });
}
