//! A firefly: shines now and then, somewhere.

use crate::plan::{HEIGHT, WIDTH};
use crate::world::{Actor, Firefly, Place};

/// A place for a new one.
pub(crate) fn somewhere(number: u64) -> Firefly {
    let place = Place::at(
        (number % u64::from(WIDTH * 2)) as f64 / 2.0,
        (number >> 20) as f64 % f64::from(HEIGHT),
    );
    Firefly { place, lit: false }
}

/// The night of a firefly.
pub(crate) fn night(s: &mut Actor, who: usize) {
    loop {
        let dark = s.rng().range(400..4_000);
        s.wait(f64::from(dark) / 1000.0);
        let (dx, dy) = (s.rng().range(-2..3), s.rng().range(-1..2));
        let firefly = &mut s.world().fireflies[who];
        firefly.lit = true;
        firefly.place.x = (firefly.place.x + f64::from(dx) / 2.0).clamp(0.0, f64::from(WIDTH - 1));
        firefly.place.y = (firefly.place.y + f64::from(dy) / 2.0).clamp(0.0, f64::from(HEIGHT - 1));
        s.wait(0.5);
        s.world().fireflies[who].lit = false;
    }
}
