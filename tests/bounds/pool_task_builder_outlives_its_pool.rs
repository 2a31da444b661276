//~ E0505, E0597
//! What spawns on a pool does not outlive it, and no scope does.

use segno::Pool;

fn main() {
    let task = {
        let pool = Pool::new();
        pool.task("late") //~
    };
    drop(task.spawn(|| ()));

    let pool = Pool::new();
    let task = pool.task("later");
    drop(pool); //~
    drop(task.spawn(|| ()));

    let pool = Pool::new();
    pool.scope(|s| { //~
        drop(pool);
        s.spawn(|| ());
    });
}
