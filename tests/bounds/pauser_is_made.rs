//~ E0451
//! A pauser is made by nobody but the library.

use segno::Pauser;

fn main() {
    let _: Pauser<(), ()> = Pauser { yielder: unreachable!(), types: unreachable!() }; //~
}
