//~ lifetime may not live long enough
//! A child's handle does not leave its scope, and the scope does not either.

fn main() {
    segno::run(|| {
        let child = segno::scope(|s| s.spawn(|| 1)); //~
        let _ = child.join();
        let task = segno::scope(|s| s.task("named")); //~
        let _ = task.spawn(|| 1);
        let scope = segno::scope(|s| s); //~
        scope.spawn(|| 1);
        let scope = segno::try_scope(|s| Ok::<_, ()>(s)); //~
        let child = segno::try_scope(|s| Ok::<_, ()>(s.spawn(|| Ok(1)))); //~
        let _ = (scope, child);
    });
}
