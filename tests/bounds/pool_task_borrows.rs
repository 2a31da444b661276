//~ E0373, E0597
//! A task that nobody waits for borrows nothing.

use segno::{Pool, pool};

fn main() {
    let pool = Pool::new();
    let local = "local".to_owned();
    let borrowed = &local; //~
    drop(pool.spawn(move || borrowed.len()));
    drop(pool.task("named").spawn(|| local.len())); //~
    pool.run(|| {
        let local = "local".to_owned();
        drop(pool::spawn(|| local.len())); //~
    });
}
