//~ E0597
//! A world is `'static`: exit closures and conditions may be kept for long.

use segno::script::Scripts;

fn main() {
    let scripts = Scripts::<Vec<&'static str>>::new();
    let text = String::from("short");
    let mut world = vec![text.as_str()]; //~
    scripts.tick(&mut world, 0);
}
