//! A villager: strolls from stall to stall, runs for a roof when it rains, wherever that finds them.

use crate::plan::{NOODLES, STALLS, dice};
use crate::world::{Actor, AllDry, Cheer, Dry, Mood, Order, Place, Rain, Served};

/// Columns per second of somebody who strolls.
const STROLL: f64 = 5.0;
/// And of somebody who runs.
const RUN: f64 = 14.0;

/// The whole evening of a villager.
pub(crate) fn evening(s: &mut Actor, who: usize, seed: u64) {
    let mut step = 0;
    loop {
        // Whatever they are doing, deep in whichever function: the rain ends it.
        if s.interrupt_on::<Rain, _>(|s| stroll(s, who, seed, &mut step)).is_err() {
            s.world().interrupted += 1;
            shelter(s, who, seed);
        }
    }
}

/// From stall to stall.
fn stroll(s: &mut Actor, who: usize, seed: u64, step: &mut u64) {
    loop {
        *step += 1;
        let number = dice(seed, who as u64, *step);
        let at = (number % STALLS.len() as u64) as usize;
        let stall = &STALLS[at];
        s.label(format!("goes to {}", stall.name));
        walk(s, who, stall.front(number >> 8), STROLL, Mood::Walks);
        s.world().villagers[who].mood = Mood::Looks;
        let patience = 1.0 + (number >> 16 & 255) as f64 / 64.0;
        if at == NOODLES && number >> 24 & 7 == 0 {
            eat(s, who, patience);
        } else {
            s.label(format!("looks at {}", stall.name));
            look_or_cheer(s, who, patience);
        }
    }
}

/// Looks for a while; cheers if there is something to cheer at.
fn look_or_cheer(s: &mut Actor, who: usize, seconds: f64) {
    if s.interrupt_on::<Cheer, _>(|s| s.wait(seconds)).is_err() {
        s.label("cheers");
        s.world().villagers[who].mood = Mood::Cheers;
        s.wait(1.5);
    }
}

/// Orders noodles, and does not wait for ever.
fn eat(s: &mut Actor, who: usize, patience: f64) {
    s.label("waits for noodles");
    s.emit(Order(who));
    let _ = s.timeout(patience * 2.0, |s| s.wait_where(move |bowl: &Served| bowl.0 == who));
}

/// Runs to the nearest roof and stays there until it is dry.
fn shelter(s: &mut Actor, who: usize, seed: u64) {
    let here = s.world().villagers[who].place;
    let number = dice(seed, who as u64, 0);
    let roofs = STALLS.iter().map(|stall| stall.under(number));
    let roof =
        roofs.min_by(|a, b| here.to(*a).2.total_cmp(&here.to(*b).2)).expect("there are stalls");
    s.label("runs for a roof");
    walk(s, who, roof, RUN, Mood::Runs);
    s.label("under a roof");
    let world = s.world();
    world.villagers[who].mood = Mood::Dry;
    world.dry += 1;
    let all = world.villagers.iter().filter(|villager| !villager.gone).count();
    if world.dry == all {
        s.emit(AllDry);
    }
    s.wait_for::<Dry>();
    s.wait(0.2 + (number >> 40 & 63) as f64 / 32.0); // not all at once
}

/// Goes somewhere, a bit in each frame.
fn walk(s: &mut Actor, who: usize, to: Place, speed: f64, mood: Mood) {
    s.world().villagers[who].mood = mood;
    loop {
        let step = s.next_frame() * speed;
        let place = &mut s.world().villagers[who].place;
        let (x, y, far) = place.to(to);
        if far <= step {
            *place = to;
            return;
        }
        place.x += x * step / far;
        place.y += y * step / far;
    }
}
