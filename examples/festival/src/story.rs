//! The evening: the lanterns are lit, something is said and chosen, it rains, a guest comes, it ends.

use std::cell::Cell;

use segno::script::{Ease, Elapsed};

use crate::dragon;
use crate::market::Input;
use crate::world::{Actor, AllDry, Cheer, Dry, Place, Rain, tell};

/// What there is to choose.
const CHOICES: &[&str] = &["a  a quiet night", "b  fireworks!"];

/// The whole evening.
pub(crate) fn evening(s: &mut Actor) {
    let lucky = s.rng().range(1..100);
    tell(s, format!("the market opens; the lucky number is {lucky}"));
    let fireworks = opening(s);
    tell(s, if fireworks { "there will be fireworks" } else { "it will be a quiet night" });
    s.label("strolls about");
    s.wait(1.0);
    if fireworks {
        let rockets = s.spawn("fireworks", rockets).id();
        s.world().cast.push(rockets);
    }
    s.wait(2.0);
    rain(s);
    s.wait(1.0);
    let guest = s.spawn("dragon", dragon::visit);
    s.world().cast.push(guest.id());
    s.label("watches the dragon");
    s.join(&guest);
    tell(s, "the children have won");
    say(s, "Narrator", "And so it ended. Sleep well.");
    s.label("puts out the lanterns");
    s.tween(2, Ease::In, 1.0, 0.25, |world, light| world.lanterns = light);
    tell(s, "the lanterns are put out");
}

/// The cutscene. Enter skips it; the choice is asked for all the same. Returns whether there will be fireworks.
fn opening(s: &mut Actor) -> bool {
    let seen = s.skippable(Input::Skip, |s| {
        s.label("lights the lanterns");
        s.all(
            |s| s.tween(2.5, Ease::InOut, 0.0, 1.0, |world, light| world.lanterns = light),
            |s| {
                say(s, "Narrator", "Once a year, when the moon is thin,");
                say(s, "Narrator", "the market opens for a night.");
            },
        );
    });
    if seen.is_none() {
        tell(s, "the opening is skipped");
        let world = s.world();
        world.lanterns = 1.0;
        world.speech.line.clear();
    }
    choose(s)
}

/// Asks what kind of night it shall be. Who does not answer gets fireworks.
fn choose(s: &mut Actor) -> bool {
    s.label("asks");
    let chosen = s.timeout(2.2, |s| {
        let _ = s.on_exit(|world| world.speech = Default::default());
        let speech = &mut s.world().speech;
        (speech.who, speech.choices) = ("Narrator", CHOICES);
        speech.line = "What shall the night bring?".to_owned();
        s.wait_where(|input: &Input| matches!(input, Input::Quiet | Input::Fireworks))
    });
    match chosen {
        Ok(input) => input == Input::Fireworks,
        Err(Elapsed) => {
            tell(s, "nobody answers");
            true
        }
    }
}

/// Lets a line appear letter by letter.
fn say(s: &mut Actor, who: &'static str, text: &str) {
    let _ = s.on_exit(|world| world.speech.line.clear());
    s.world().speech.who = who;
    s.world().speech.line.clear();
    for letter in text.chars() {
        s.world().speech.line.push(letter);
        s.wait(0.02);
    }
    s.wait(0.5);
    s.world().speech.line.clear();
}

/// It rains: everybody is interrupted, wherever they are.
fn rain(s: &mut Actor) {
    s.label("looks at the clouds");
    let stopped = Cell::new(false);
    tell(s, "rain!");
    s.all(
        |s| {
            s.tween(0.5, Ease::Linear, 0.0, 1.0, |world, rain| world.rain = rain);
            s.wait(5);
            stopped.set(true);
            s.tween(0.5, Ease::Linear, 1.0, 0.0, |world, rain| world.rain = rain);
        },
        |s| {
            s.emit(Rain);
            s.wait_for::<AllDry>();
            let (all, dry) = (s.world().interrupted, s.world().dry);
            let while_it_rained = !stopped.get(); // borrowed from the script around both
            tell(
                s,
                format!(
                    "{all} villagers interrupted, {dry} of them dry (in time: {while_it_rained})"
                ),
            );
        },
    );
    let world = s.world();
    (world.dry, world.interrupted) = (0, 0);
    s.emit(Dry);
    tell(s, "the rain is over");
}

/// Rockets, until the evening ends.
fn rockets(s: &mut Actor) {
    let _ = s.on_exit(|world| world.rockets.clear());
    tell(s, "the first rocket goes up");
    for count in 0..12_u32 {
        let x = 6.0 + f64::from(count * 17 % 34);
        s.world().rockets.push((Place::at(x, 14.0), 0.0));
        let at = s.world().rockets.len() - 1;
        s.tween(0.8, Ease::Out, 14.0, 5.0, move |world, y| world.rockets[at].0.y = y);
        s.emit(Cheer);
        s.tween(0.7, Ease::Out, 0.1, 1.0, move |world, burst| world.rockets[at].1 = burst);
        s.world().rockets.clear();
        s.wait(0.5);
    }
    tell(s, "the last rocket has burst");
}
