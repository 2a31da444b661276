//~ E0500, E0501
//! What `with` lends the world to cannot wait: it would need the script that is lent.

use segno::script::Script;

fn wait(s: &mut Script<u32>) {
    s.with(|_| s.wait(1.0)); //~
}

fn main() {
    let _ = wait;
}
