//! The paper dragon: a boss in three phases, and the children who throw beans at it.

use segno::script::Ease;

use crate::world::{Actor, Cheer, Dragon, Place, tell};

/// Its health when it comes.
const HEALTH: i32 = 100;
/// The row that it flies along.
const ROW: f64 = 6.0;

/// The guest, from its coming to its end.
pub(crate) fn visit(s: &mut Actor) {
    s.world().dragon = Some(Dragon {
        place: Place::at(-8.0, ROW),
        health: HEALTH,
        sparks: Vec::new(),
        curled: false,
    });
    let _ = s.on_exit(|world| world.dragon = None); // however it ends
    s.label("flies in");
    tell(s, "a paper dragon comes flying");
    s.tween(1.5, Ease::Out, -8.0, 30.0, |world, x| with(world, |dragon| dragon.place.x = x));
    s.emit(Cheer);
    s.race(children, |s| {
        s.label("phase 1: dances");
        s.run_while(|world| health(world) > 60, dance);
        tell(s, "it curls up");
        s.label("phase 2: curls up");
        let _ = s.timeout(2, curl);
        tell(s, "it uncurls");
        s.label("phase 3: roars");
        s.run_while(|world| health(world) > 0, |s| s.all(dance, |s| spark(s, 0.25)));
    });
    s.label("bursts");
    s.emit(Cheer);
    tell(s, "it bursts into confetti");
    s.wait(0.5);
}

/// What is left of it; nothing when it has gone.
fn health(world: &crate::world::World) -> i32 {
    world.dragon.as_ref().map_or(0, |dragon| dragon.health)
}

/// Changes it, if it is there.
fn with(world: &mut crate::world::World, change: impl FnOnce(&mut Dragon)) {
    if let Some(dragon) = &mut world.dragon {
        change(dragon);
    }
}

/// Sways from side to side.
fn dance(s: &mut Actor) {
    loop {
        for (from, to) in [(30.0, 12.0), (12.0, 30.0)] {
            s.tween(1.2, Ease::InOut, from, to, |world, x| {
                with(world, |dragon| {
                    dragon.place.x = x;
                    dragon.place.y = ROW + 1.5 * ((x - 12.0) / 3.0).sin();
                });
            });
        }
    }
}

/// Curls up, and cannot be hit until it has uncurled.
fn curl(s: &mut Actor) {
    with(s.world(), |dragon| dragon.curled = true);
    let _ = s.on_exit(|world| with(world, |dragon| dragon.curled = false));
    spark(s, 0.1);
}

/// Breathes sparks at a steady beat.
fn spark(s: &mut Actor, period: f64) {
    let _ = s.on_exit(|world| with(world, |dragon| dragon.sparks.clear()));
    let mut beat = s.every(period);
    for count in 0_u32.. {
        beat.next(s);
        with(s.world(), |dragon| {
            let turn = f64::from(count) * 0.9;
            let far = 2.0 + f64::from(count % 4);
            let at = Place::at(
                dragon.place.x + far * 2.0 * turn.cos(),
                dragon.place.y + far * turn.sin(),
            );
            if dragon.sparks.len() >= 12 {
                dragon.sparks.remove(0);
            }
            dragon.sparks.push(at);
        });
    }
}

/// Throw a bean every third of a second; it hurts the dragon unless it is curled up.
fn children(s: &mut Actor) {
    s.label("children throw beans");
    let mut beat = s.every(1.0 / 3.0);
    loop {
        beat.next(s);
        with(s.world(), |dragon| {
            if !dragon.curled {
                dragon.health -= 7;
            }
        });
    }
}
