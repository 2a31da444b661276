//! Where things are, and numbers that follow from the seed.

use crate::world::Place;

/// Columns of the map.
pub(crate) const WIDTH: u16 = 46;
/// Rows of the map.
pub(crate) const HEIGHT: u16 = 16;

/// A stall: its name, where its roof begins, the colour of its cloth.
pub(crate) struct Stall {
    /// What it sells; four letters.
    pub(crate) name: &'static str,
    /// The left end of its roof.
    pub(crate) column: u16,
    /// The row of its roof.
    pub(crate) row: u16,
    /// Its colour: red, green, blue.
    pub(crate) colour: (u8, u8, u8),
}

/// Columns of a roof.
pub(crate) const ROOF: u16 = 8;

/// The stalls.
pub(crate) const STALLS: [Stall; 8] = [
    Stall { name: "TEA", column: 2, row: 2, colour: (120, 190, 110) },
    Stall { name: "MASK", column: 13, row: 2, colour: (210, 90, 90) },
    Stall { name: "FISH", column: 24, row: 2, colour: (90, 150, 220) },
    Stall { name: "LAMP", column: 35, row: 2, colour: (230, 180, 80) },
    Stall { name: "BOOK", column: 2, row: 12, colour: (170, 120, 210) },
    Stall { name: "SILK", column: 13, row: 12, colour: (230, 130, 180) },
    Stall { name: "NOODLE", column: 24, row: 12, colour: (220, 140, 60) },
    Stall { name: "DICE", column: 35, row: 12, colour: (110, 200, 200) },
];

/// Where the noodles are.
pub(crate) const NOODLES: usize = 6;

impl Stall {
    /// A place in front of it, or under its roof, for this visitor.
    pub(crate) fn front(&self, number: u64) -> Place {
        let x = f64::from(self.column) + (number % u64::from(ROOF)) as f64;
        let below = if self.row < HEIGHT / 2 { 2.0 } else { -1.0 };
        Place::at(x, f64::from(self.row) + below + (number / 8 % 2) as f64 * below.signum())
    }

    /// A place under its roof.
    pub(crate) fn under(&self, number: u64) -> Place {
        let x = f64::from(self.column) + (number % u64::from(ROOF)) as f64;
        Place::at(x, f64::from(self.row) + 1.0)
    }
}

/// A number that follows from others, and looks as if it did not (splitmix64). What a villager does next is
/// taken from this and not from the scheduler's random numbers: those are drawn in the order of the frames, and
/// the evening is to be the same at every frame rate.
pub(crate) fn dice(seed: u64, who: u64, step: u64) -> u64 {
    let mut word = seed ^ (who << 32) ^ step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for _ in 0..2 {
        word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
    }
    word
}
