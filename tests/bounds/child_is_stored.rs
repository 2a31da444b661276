//~ E0521
//! A child's handle is not stored outside its scope, and the scope is not either.

use segno::{Scope, ScopedJoinHandle, TryScope};

fn main() {
    segno::run(|| {
        let mut child: Option<ScopedJoinHandle<'_, u8>> = None;
        segno::scope(|s| child = Some(s.spawn(|| 1))); //~
        let _ = child.unwrap().join();
        let mut scope: Option<&Scope<'_, '_>> = None;
        segno::scope(|s| scope = Some(s)); //~
        scope.unwrap().spawn(|| 1);
        let mut scope: Option<TryScope<'_, '_, ()>> = None;
        let _ = segno::try_scope(|s| {
            scope = Some(s); //~
            Ok(())
        });
        scope.unwrap().spawn(|| Ok(1));
    });
}
