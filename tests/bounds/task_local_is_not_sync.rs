//~ E0277
//! A task-local that tasks on other threads inherit can be sent to them, and shared with them.

use std::cell::Cell;
use std::rc::Rc;

segno::task_local! { //~
    sync static COUNTED: Rc<u8> = Rc::new(1);
    sync static CELL: Cell<u8> = Cell::new(1);
    static HERE: Rc<u8> = Rc::new(1);
}

fn main() {
    segno::run(|| COUNTED.with(|_| CELL.with(|_| HERE.with(|_| ()))));
}
