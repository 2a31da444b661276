//~ E0502
//! While a guard exists, its owner has no way around it.

use segno::sync::Mutex;

fn main() {
    let mut mutex = Mutex::new(1);
    let guard = mutex.lock();
    *mutex.get_mut() += 1; //~
    drop(guard);
}
