//~ E0373, E0505, E0597
//! A child does not borrow what the closure of its scope owns, nor what another child does: that may be gone before it
//! ends. What it borrows is not given away meanwhile.

use segno::Pool;

fn main() {
    let pool = Pool::new();
    pool.scope(|s| {
        let local = "local".to_owned();
        s.spawn(|| local.len()); //~
        let borrowed = &local; //~
        s.spawn(move || borrowed.len());
        s.spawn(move || {
            let mine = "mine".to_owned();
            let borrowed = &mine; //~
            s.spawn(move || borrowed.len());
            s.task("named").spawn(|| mine.len()); //~
        });
    });
    let outside = "outside".to_owned();
    pool.scope(|s| {
        s.spawn(|| outside.len()); //~
        drop(outside); //~
    });
}
