//~ E0499
//! The world is not lent twice.

use segno::script::Script;

fn twice(s: &mut Script<Vec<u32>>) {
    let first = s.world();
    let second = s.world(); //~
    first.push(1);
    second.push(2);
}

fn main() {
    let _ = twice;
}
