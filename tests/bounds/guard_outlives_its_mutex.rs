//~ E0597
//! The guard of a mutex that has gone.

use segno::sync::Mutex;

fn main() {
    let _guard = {
        let mutex = Mutex::new(1);
        mutex.lock() //~
    };
}
