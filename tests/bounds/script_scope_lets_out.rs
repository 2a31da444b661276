//~ E0505, E0521, E0597, lifetime may not live long enough
//! Nothing of a scope gets out of it, and its scripts borrow nothing that goes before it does.

use segno::script::{ScopedHandle, Script};

fn handle(s: &mut Script<u32>) {
    let mut kept: Option<ScopedHandle<'_, ()>> = None;
    s.scope(|_, scope| {
        kept = Some(scope.spawn("child", |_| ())); //~
    });
    drop(kept); //~
}

fn inner(s: &mut Script<u32>) {
    s.scope(|_, scope| {
        let local = vec![1];
        let local = &local; //~
        scope.spawn("child", move |_| local.len());
    });
}

fn script(s: &mut Script<u32>) {
    s.scope(|s, scope| {
        scope.spawn("child", |_| _ = s.wait(1)); //~
    });
}

fn main() {
    let _ = (handle, inner, script);
}
