//~ ok
//! The shapes that the others fail in, done right.

use segno::script::{Owner, Script, Scripts, Spawn, all, race};

struct World {
    scripts: Scripts<World>,
    health: u32,
}

fn drink(s: &mut Script<World>) {
    s.world().health += 1;
    s.wait(1.0);
    let world = s.world();
    world.health += 1;
    s.with(|world| world.health += 1);
    s.next_frame();
}

fn family(s: &mut Script<World>) -> usize {
    let words = ["dal".to_owned(), "segno".to_owned()];
    let (mut left, mut right) = (0, 0);
    s.all(|_| left = words[0].len(), |s| {
        drink(s);
        right = words[1].len();
    });
    let lens = s.scope(|s, scope| {
        let handles = words.each_ref().map(|word| scope.spawn("child", move |_| word.len()));
        handles.map(|handle| s.join_child(handle).done().unwrap())
    });
    let first = race!(s, |_| 1, |_| 2, |_| 3);
    let (a, b, c) = all!(s, |_| 1, |_| 2, |_| 3);
    s.ambient(|| segno::script::current::<World, _>(|s| s.yield_now()));
    left + right + lens[0] + first + a + b + c
}

fn main() {
    let scripts = Scripts::new();
    let owner = Owner::new(&scripts);
    scripts.spawn_with(Spawn::named("drinks").owner(&owner), drink);
    scripts.spawn("family", family);
    let mut world = World { scripts: scripts.clone(), health: 0 };
    world.scripts.clone().tick(&mut world, 0.1);
    std::thread::spawn(move || drop(owner)).join().unwrap();
}
