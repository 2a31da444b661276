//! Scripts in a plain game loop: physics in fixed steps, the rest once a frame, the camera last.
//!
//! ```text
//! cargo run --example game_loop
//! ```
//!
//! A lift carries a crate up when somebody stands on the button. Three scripts, each in a phase of the frame:
//! the physics of the crate runs in steps of 10 ms however long a frame is, so that it lands in the same place
//! at 30 and at 144 Hz; the lift's script waits for events and time; the camera follows after both.

use segno::script::{Ease, Phase, Script, Scripts};

/// The length of a step of physics, in seconds.
const STEP: f64 = 0.01;

/// Everything that the scripts see.
#[derive(Default)]
pub(crate) struct World {
    /// How high the lift is, in metres.
    lift: f64,
    /// How high the crate is, and how fast it goes up.
    pub(crate) crate_height: f64,
    speed: f64,
    /// Where the camera looks.
    camera: f64,
    /// What happened, and when.
    pub(crate) log: Vec<String>,
}

/// Somebody steps on the button.
#[derive(Clone)]
struct Button;

/// Falls, and lands on the lift.
fn physics(s: &mut Script<World>) {
    loop {
        s.next(Phase::FIXED);
        let world = s.world();
        world.speed -= 9.81 * STEP;
        world.crate_height += world.speed * STEP;
        if world.crate_height <= world.lift {
            (world.crate_height, world.speed) = (world.lift, 0.0);
        }
    }
}

/// Goes up when the button is pressed, waits, and goes down again.
fn lift(s: &mut Script<World>) {
    loop {
        s.wait_for::<Button>();
        say(s, "up");
        s.tween(2, Ease::InOut, 0.0, 3.0, |world, height| world.lift = height);
        say(s, "at the top");
        s.wait(1);
        s.tween(2, Ease::InOut, 3.0, 0.0, |world, height| world.lift = height);
        say(s, "down");
    }
}

/// Looks at the crate when everything has moved.
fn camera(s: &mut Script<World>) {
    loop {
        s.next(Phase::LATE);
        let world = s.world();
        world.camera += (world.crate_height - world.camera) * 0.2;
    }
}

/// Notes what happens.
fn say(s: &mut Script<World>, what: &str) {
    let line = format!("{:.1} s: {what}", s.now());
    s.world().log.push(line);
}

/// The loop, as every game has one; here its frames take no time.
pub(crate) fn play(rate: f64) -> World {
    let scripts = Scripts::new();
    scripts.spawn("physics", physics);
    scripts.spawn("lift", lift);
    scripts.spawn("camera", camera);
    let mut world = World { crate_height: 2.0, ..World::default() };
    scripts.settle(&mut world); // all wait now
    let mut left = 0.0; // time that was not simulated yet
    for frame in 0..(8.0 * rate) as u32 {
        let dt = 1.0 / rate;
        if frame == rate as u32 {
            scripts.emit(Button);
        }
        scripts.advance(dt);
        left += dt;
        while left >= STEP {
            left -= STEP;
            scripts.run(Phase::FIXED, &mut world);
        }
        scripts.run(Phase::UPDATE, &mut world);
        scripts.run(Phase::LATE, &mut world);
        // Here the game draws.
    }
    world
}

fn main() {
    for rate in [30.0, 144.0] {
        let world = play(rate);
        println!("at {rate} Hz: {}", world.log.join(", "));
        println!("  crate at {:.2} m, camera at {:.2} m", world.crate_height, world.camera);
    }
}
