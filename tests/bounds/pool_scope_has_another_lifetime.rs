//~ lifetime may not live long enough
//! The lifetimes of a pool's scope become neither longer nor shorter, nor do those of its children.

use segno::pool::{Scope, ScopedJoinHandle};

fn shorter<'a, 'b, 'env>(scope: &'a Scope<'b, 'env>) -> &'a Scope<'a, 'env> {
    scope //~
}

fn longer<'a, 'b: 'a, 'env>(scope: &'a Scope<'a, 'env>) -> &'a Scope<'b, 'env> {
    scope //~
}

fn shorter_outside<'a, 'c: 'a, 'd: 'c>(scope: &'a Scope<'a, 'd>) -> &'a Scope<'a, 'c> {
    scope //~
}

fn longer_outside<'a, 'c: 'a, 'd: 'c>(scope: &'a Scope<'a, 'c>) -> &'a Scope<'a, 'd> {
    scope //~
}

fn shorter_child<'a, 'b: 'a, 'env>(
    child: ScopedJoinHandle<'b, 'env, u8>,
) -> ScopedJoinHandle<'a, 'env, u8> {
    child //~
}

fn longer_child<'a, 'b: 'a, 'env>(
    child: ScopedJoinHandle<'a, 'env, u8>,
) -> ScopedJoinHandle<'b, 'env, u8> {
    child //~
}

fn main() {
    let _ = (shorter, longer, shorter_outside, longer_outside);
    let _ = (shorter_child, longer_child);
}
