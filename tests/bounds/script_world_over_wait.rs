//~ E0499
//! The world is not held over a wait: both need the script.

use segno::script::Script;

struct World {
    health: u32,
}

fn drink(s: &mut Script<World>) {
    let world = s.world();
    s.wait(1.0); //~
    world.health += 1;
}

fn main() {
    let _ = drink;
}
