//! A dialogue: text that appears letter by letter and can be skipped, and a choice that will not wait for ever.
//!
//! ```text
//! cargo run --example dialogue
//! cargo run --example dialogue -- silent
//! ```
//!
//! The conversation reads from top to bottom. Where a state machine would have a state, this has a line.

use std::time::Duration;

use segno::script::{Elapsed, Script, Scripts};

/// Everything that the scripts see.
#[derive(Default)]
pub(crate) struct World {
    /// The line as far as it has appeared.
    line: String,
    /// The lines before it.
    pub(crate) said: Vec<String>,
    /// What the player may choose from; empty when there is nothing to choose.
    choices: Vec<&'static str>,
}

/// Keys that the player presses.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Key {
    /// Show the whole line.
    Skip,
    /// Take the choice with this number.
    Choose(usize),
}

/// Lets a line appear letter by letter; a key shows it at once.
fn say(s: &mut Script<World>, who: &str, text: &str) {
    s.label(format!("{who} speaks"));
    s.skippable(Key::Skip, |s| {
        for letter in text.chars() {
            s.world().line.push(letter);
            s.wait(0.03);
        }
    });
    let world = s.world();
    world.line.clear();
    world.said.push(format!("{who}: {text}"));
    s.wait(0.4);
}

/// Offers choices for some seconds. The list goes away however that ends.
fn choose(s: &mut Script<World>, seconds: f64, choices: &[&'static str]) -> Result<usize, Elapsed> {
    s.timeout(seconds, |s| {
        s.world().choices = choices.to_vec();
        let _ = s.on_exit(|world| world.choices.clear());
        let count = choices.len();
        match s.wait_where(move |key: &Key| matches!(key, Key::Choose(n) if *n < count)) {
            Key::Choose(chosen) => chosen,
            Key::Skip => unreachable!("the filter lets only choices through"),
        }
    })
}

/// The conversation at the gate.
fn gate(s: &mut Script<World>) {
    say(s, "Guard", "Halt! Who goes there?");
    match choose(s, 5.0, &["A friend.", "None of your business."]) {
        Ok(0) => say(s, "Guard", "Any friend of the captain's may pass."),
        Ok(_) => {
            say(s, "Guard", "Then the gate is none of yours.");
            if choose(s, 3.0, &["(Give him a coin.)"]).is_ok() {
                say(s, "Guard", "On second thoughts, go ahead.");
            }
        }
        Err(Elapsed) => say(s, "Guard", "Cat got your tongue? Move along."),
    }
}

/// Plays the conversation with a player who presses these keys at these seconds.
pub(crate) fn converse(keys: &[(f64, Key)]) -> World {
    let scripts = Scripts::new();
    scripts.spawn("gate", gate);
    let mut world = World::default();
    let mut keys = keys.iter().peekable();
    let clock = scripts.root();
    while !scripts.is_empty() {
        scripts.tick(&mut world, 1.0 / 60.0);
        while let Some((_, key)) =
            keys.next_if(|(at, _)| Duration::from_secs_f64(*at) <= clock.now())
        {
            scripts.emit(*key);
        }
    }
    world
}

fn main() {
    let silent = std::env::args().nth(1).is_some_and(|word| word == "silent");
    let keys = [(0.2, Key::Skip), (1.5, Key::Choose(1)), (4.0, Key::Choose(0))];
    let world = converse(if silent { &[] } else { &keys });
    println!("{}", world.said.join("\n"));
}
