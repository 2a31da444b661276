//~ E0597
//! The same behind a trait object.

use segno::{Coroutine, Pauser};

type Job<'a> = Box<dyn FnOnce() -> usize + 'a>;

fn body<'a>(co: &Pauser<Job<'a>, ()>, first: Job<'a>) {
    let kept = (first, co.pause(()));
    co.pause(());
    kept.0();
}

fn main() {
    Coroutine::scoped(body).enter(|co| {
        let local = vec![1];
        let borrowed = &local; //~
        co.resume(Box::new(move || borrowed.len()));
    });
}
