//~ E0521
//! An entered coroutine does not leave its callback by being stored.

use segno::{Coroutine, Entered, Pauser};

fn main() {
    let mut stolen: Option<&mut Entered<'_, (), (), ()>> = None;
    Coroutine::scoped(|co: &Pauser<(), ()>, ()| co.pause(())).enter(|co| stolen = Some(co)); //~
    stolen.unwrap().resume(());
}
