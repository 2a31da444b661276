//~ E0505, E0597
//! A guard does not outlive its lock, nor does what it lends outlive the guard.

use segno::sync::{Mutex, Semaphore};

fn main() {
    let mutex = Mutex::new(vec![1]);
    let guard = mutex.lock();
    drop(mutex); //~
    drop(guard);
    let permit;
    {
        let semaphore = Semaphore::new(1);
        permit = semaphore.acquire(); //~
    }
    drop(permit);
    let mutex = Mutex::new(vec![1]);
    let mut guard = mutex.lock();
    let inside = &mut *guard;
    drop(guard); //~
    inside.push(2);
}
