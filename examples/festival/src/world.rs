//! Everything that the scripts see and change.

use segno::script::{Owner, Script, ScriptId};

/// The script of somebody on the market.
pub(crate) type Actor = Script<World>;

/// A place on the map, in columns and rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Place {
    /// Columns from the left.
    pub(crate) x: f64,
    /// Rows from the top.
    pub(crate) y: f64,
}

impl Place {
    /// A place.
    pub(crate) const fn at(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    /// The way to another place, a row counting for two columns as it does for the eye.
    pub(crate) fn to(self, other: Place) -> (f64, f64, f64) {
        let (x, y) = (other.x - self.x, other.y - self.y);
        (x, y, (x * x + 4.0 * y * y).sqrt())
    }
}

/// How a villager looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// On the way.
    Walks,
    /// At a stall.
    Looks,
    /// Runs for a roof.
    Runs,
    /// Stands under one.
    Dry,
    /// Cheers.
    Cheers,
}

/// Somebody who came to the market.
#[derive(Debug)]
pub(crate) struct Villager {
    /// Where they are.
    pub(crate) place: Place,
    /// How they look.
    pub(crate) mood: Mood,
    /// Whether they have gone home.
    pub(crate) gone: bool,
    /// Their script ends with this.
    pub(crate) owner: Option<Owner>,
}

/// A point of light.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Firefly {
    /// Where it is.
    pub(crate) place: Place,
    /// Whether it shines.
    pub(crate) lit: bool,
}

/// The guest of the evening.
#[derive(Debug)]
pub(crate) struct Dragon {
    /// Where its head is.
    pub(crate) place: Place,
    /// How much paper is left of it.
    pub(crate) health: i32,
    /// Sparks that it has breathed.
    pub(crate) sparks: Vec<Place>,
    /// Whether it curls up and nothing can hit it.
    pub(crate) curled: bool,
}

/// The box at the bottom.
#[derive(Debug, Default)]
pub(crate) struct Speech {
    /// Who speaks.
    pub(crate) who: &'static str,
    /// The line, as far as it has appeared.
    pub(crate) line: String,
    /// What one may choose from.
    pub(crate) choices: &'static [&'static str],
}

/// The market.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Those who came.
    pub(crate) villagers: Vec<Villager>,
    /// Points of light.
    pub(crate) fireflies: Vec<Firefly>,
    /// The guest, while it is there.
    pub(crate) dragon: Option<Dragon>,
    /// What is said.
    pub(crate) speech: Speech,
    /// How hard it rains, from 0 to 1.
    pub(crate) rain: f64,
    /// How bright the lanterns are, from 0 to 1.
    pub(crate) lanterns: f64,
    /// Rockets in the air: where, and how far they have burst.
    pub(crate) rockets: Vec<(Place, f64)>,
    /// Whether the noodle stall is covered.
    pub(crate) covered: bool,
    /// How many villagers the rain has interrupted.
    pub(crate) interrupted: usize,
    /// How many of them are under a roof.
    pub(crate) dry: usize,
    /// Bowls of noodles sold.
    pub(crate) bowls: u32,
    /// Whether the menu's word is shown: it blinks while the market is paused.
    pub(crate) paused_sign: bool,
    /// The scripts worth a line of their own: the story and what it brings.
    pub(crate) cast: Vec<ScriptId>,
    /// What has happened, with the seconds at which it did.
    pub(crate) story: Vec<(f64, String)>,
}

/// Notes something that happened.
pub(crate) fn tell(s: &mut Actor, what: impl Into<String>) {
    let entry = (s.now(), what.into());
    s.world().story.push(entry);
}

// ---- events

/// It begins to rain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rain;

/// It has stopped raining.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dry;

/// The last villager has found a roof.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AllDry;

/// Somebody orders noodles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order(pub(crate) usize);

/// The bowl of this customer is ready.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served(pub(crate) usize);

/// Something worth a cheer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cheer;
