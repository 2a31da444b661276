//~ E0500, E0501
//! While a script is reachable by `current` nobody else uses it.

use segno::script::Script;

fn both(s: &mut Script<u32>) {
    s.ambient(|| s.wait(1)); //~
}

fn main() {
    let _ = both;
}
