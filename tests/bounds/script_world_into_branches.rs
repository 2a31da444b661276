//~ E0499, E0500, E0501
//! Branches do not get the parent's script, nor the world that it was lent.

use segno::script::Script;

fn script(s: &mut Script<u32>) {
    s.all(|_| _ = s.wait(1), |_| ()); //~
}

fn world(s: &mut Script<u32>) {
    let world = s.world();
    s.all(|_| *world += 1, |_| ()); //~
}

fn both(s: &mut Script<u32>) {
    let mut count = 0;
    s.all(|_| count += 1, |_| count += 1); //~
}

fn main() {
    let _ = (script, world, both);
}
