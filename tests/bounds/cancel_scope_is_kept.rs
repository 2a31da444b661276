//~ E0521, lifetime may not live long enough
//! The inside of a `cancel_scope` stays there; what may leave is its handle.

use segno::CancelScope;

fn main() {
    segno::run(|| {
        let mut part: Option<&CancelScope> = None;
        let _ = segno::cancel_scope(|inside| part = Some(inside)); //~
        part.unwrap().cancel("late");
        let part = segno::cancel_scope(|inside| inside); //~
        part.unwrap().cancel("late");
    });
}
