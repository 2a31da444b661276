//~ lifetime may not live long enough
//! The lifetimes of a scope become neither longer nor shorter, nor do those of its children.

use segno::{Scope, ScopedJoinHandle, TryScope};

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

fn shorter_try<'a, 'b: 'a, 'env: 'b>(scope: TryScope<'b, 'env, ()>) -> TryScope<'a, 'env, ()> {
    scope //~
}

fn longer_try<'a, 'b: 'a, 'env: 'b>(scope: TryScope<'a, 'env, ()>) -> TryScope<'b, 'env, ()> {
    scope //~
}

fn longer_error<'a, 'env: 'a, 'e>(
    scope: TryScope<'a, 'env, &'e str>,
) -> TryScope<'a, 'env, &'static str> {
    scope //~
}

fn shorter_error<'a, 'env: 'a, 'e>(
    scope: TryScope<'a, 'env, &'static str>,
) -> TryScope<'a, 'env, &'e str> {
    scope //~
}

fn shorter_child<'a, 'b: 'a>(child: ScopedJoinHandle<'b, u8>) -> ScopedJoinHandle<'a, u8> {
    child //~
}

fn longer_child<'a, 'b: 'a>(child: ScopedJoinHandle<'a, u8>) -> ScopedJoinHandle<'b, u8> {
    child //~
}

fn main() {
    let _ = (shorter, longer, shorter_outside, longer_outside);
    let _ = (shorter_try, longer_try, longer_error, shorter_error);
    let _ = (shorter_child, longer_child);
}
