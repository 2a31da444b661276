//~ lifetime may not live long enough
//! What `current` gives does not get out of it.

use segno::script::{self, Script};

fn out() -> &'static mut Script<u32> {
    script::current(|s| s) //~
}

fn main() {
    let _ = out;
}
