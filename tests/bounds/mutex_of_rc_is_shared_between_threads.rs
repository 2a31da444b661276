//~ E0277
//! A lock does not make `Send` what is not; a `RwLock`'s readers are on several threads at once.

use std::cell::Cell;
use std::rc::Rc;

use segno::sync::{Mutex, Once, RwLock};

fn main() {
    let (mutex, rwlock, once) = (Mutex::new(Rc::new(1)), RwLock::new(Cell::new(1)), Once::<Cell<u8>>::new());
    std::thread::scope(|s| {
        s.spawn(|| drop(mutex.lock())); //~
        s.spawn(|| rwlock.read().set(2)); //~
        s.spawn(|| once.get().map(Cell::get)); //~
    });
}
