//~ E0277
//! A result that stays on its thread is not joined on another one.

use std::rc::Rc;

fn main() {
    segno::run(|| {
        let task = segno::spawn(|| Rc::new(1));
        std::thread::spawn(move || drop(task)); //~
        let task = segno::spawn(|| Rc::new('1'));
        std::thread::scope(|scope| {
            scope.spawn(|| task.is_finished()); //~
        });
    });
}
