//~ `lock` is no arm of `select!`
//! An arm of a kind that there is not.

use segno::select;
use segno::sync::{Mutex, channel};

fn main() {
    let (_sender, receiver) = channel::bounded::<u8>(1);
    let mutex = Mutex::new(0);
    select! { //~
        recv(receiver) -> _ => {}
        lock(mutex) => {}
    }
}
