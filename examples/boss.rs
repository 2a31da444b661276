//! A boss fight: things at the same time, phases that end when the health does, one attack against the clock.
//!
//! ```text
//! cargo run --example boss
//! ```
//!
//! Each phase is a function that goes on for ever; what ends it is written around it, not inside. What a phase
//! has set up is taken down by exit closures, wherever it was when it ended.

use segno::script::{Ease, Script, Scripts};

/// Everything that the scripts see.
#[derive(Default)]
pub(crate) struct World {
    /// The boss's health.
    health: i32,
    /// Where the boss is.
    at: [f64; 2],
    /// Shots in the air.
    pub(crate) shots: u32,
    /// Whether the boss cannot be hurt.
    pub(crate) shielded: bool,
    /// What happened.
    pub(crate) log: Vec<String>,
}

/// Notes what happens.
fn say(s: &mut Script<World>, what: &str) {
    let line = format!("{:4.1} s: {what}", s.now());
    s.world().log.push(line);
}

/// Walks from side to side.
fn pace(s: &mut Script<World>) {
    loop {
        let from = s.world().at;
        let to = [-from[0] - 1.0, from[1]];
        s.tween(0.8, Ease::InOut, from, to, |world, at| world.at = at);
    }
}

/// Shoots at a steady beat.
fn shoot(s: &mut Script<World>, period: f64) {
    let mut beat = s.every(period);
    loop {
        beat.next(s);
        s.world().shots += 1;
    }
}

/// Walks and shoots at the same time.
fn first_phase(s: &mut Script<World>) {
    s.all(pace, |s| shoot(s, 0.5));
}

/// Hides behind a shield that is taken down when the phase ends, and shoots faster.
fn second_phase(s: &mut Script<World>) {
    s.world().shielded = true;
    let _ = s.on_exit(|world| world.shielded = false);
    shoot(s, 0.2);
}

/// Loads for three seconds, unless it is hit hard meanwhile. Returns whether it went off.
fn great_attack(s: &mut Script<World>) -> bool {
    let health = s.world().health;
    s.race(
        |s| {
            s.wait(3);
            true
        },
        move |s| {
            s.until(move |world| world.health <= health - 20);
            false
        },
    )
}

/// The fight, from above.
fn boss(s: &mut Script<World>) {
    let _ = s.on_exit(|world| world.shots = 0); // whoever wins, the air is clear
    say(s, "the boss appears");
    s.run_while(|world| world.health > 60, first_phase);
    say(s, "it hides behind a shield");
    let _ = s.timeout(4, second_phase);
    say(s, "the shield is gone");
    let hurt = if great_attack(s) { "the great attack goes off" } else { "its great attack fails" };
    say(s, hurt);
    s.run_while(|world| world.health > 0, first_phase);
    say(s, "it falls");
}

/// A player who hits the boss ten times in ten seconds, if it can be hurt.
fn player(s: &mut Script<World>) {
    let mut beat = s.every(1);
    while s.world().health > 0 {
        beat.next(s);
        if !s.world().shielded {
            s.world().health -= 10;
        }
    }
}

/// Plays the fight at this rate.
pub(crate) fn fight(rate: f64) -> World {
    let scripts = Scripts::new();
    scripts.spawn("boss", boss);
    scripts.spawn("player", player);
    let mut world = World { health: 100, ..World::default() };
    while !scripts.is_empty() {
        scripts.tick(&mut world, 1.0 / rate);
    }
    world
}

fn main() {
    println!("{}", fight(60.0).log.join("\n"));
}
