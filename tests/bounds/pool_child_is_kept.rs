//~ E0521, lifetime may not live long enough
//! A child's handle does not leave its scope, and the scope does not either.

use segno::Pool;
use segno::pool::{Scope, ScopedJoinHandle};

fn main() {
    let pool = Pool::new();
    let child = pool.scope(|s| s.spawn(|| 1)); //~
    let _ = child.join();
    let task = pool.scope(|s| s.task("named")); //~
    let _ = task.spawn(|| 1);
    let scope = pool.scope(|s| s); //~
    scope.spawn(|| 1);
    let mut child: Option<ScopedJoinHandle<'_, '_, u8>> = None;
    pool.scope(|s| child = Some(s.spawn(|| 1))); //~
    let _ = child.unwrap().join();
    let mut scope: Option<&Scope<'_, '_>> = None;
    pool.scope(|s| scope = Some(s)); //~
    scope.unwrap().spawn(|| 1);
    pool.scope(|mut outer| {
        pool.scope(|mut inner| std::mem::swap(&mut outer, &mut inner)); //~
        outer.spawn(|| 1);
    });
    // Nor with a thread that nobody waits for.
    pool.scope(|s| {
        std::thread::spawn(move || s.spawn(|| 1)); //~
    });
}
