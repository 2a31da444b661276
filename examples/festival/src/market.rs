//! The market as a whole: its scripts and its world, stepped by whoever watches.

use std::cell::Cell;
use std::fmt::Write;
use std::rc::Rc;

use segno::script::{Group, Info, Owner, ScriptId, Scripts, Spawn, TickReport};

use crate::plan::{HEIGHT, WIDTH, dice};
use crate::world::{Mood, Place, Villager, World};
use crate::{firefly, story, vendor, villager};

/// Villagers that come.
const VILLAGERS: usize = 300;
/// Bytes of frames for each script: nothing here recurses.
const STACK: usize = 48 * 1024;

/// What who watches can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Skip the opening.
    Skip,
    /// The first choice.
    Quiet,
    /// The second one.
    Fireworks,
}

/// A night market.
#[derive(Debug)]
pub struct Market {
    /// Its scripts.
    scripts: Scripts<World>,
    /// Those that a pause stops.
    game: Group,
    /// What they see.
    pub(crate) world: World,
    /// The villagers' scripts.
    villagers: Vec<ScriptId>,
    /// Where numbers begin.
    seed: u64,
    /// What the last frame did.
    pub(crate) report: TickReport,
    /// Whether the market is paused, for the menu.
    paused: Rc<Cell<bool>>,
}

impl Market {
    /// Opens the market.
    pub fn new(seed: u64) -> Self {
        let scripts = Scripts::<World>::builder().seed(seed).stack_size(STACK).build();
        let game = scripts.group("market");
        let menu = scripts.group("menu").real_time();
        let mut market = Self {
            world: World::default(),
            villagers: Vec::new(),
            seed,
            report: TickReport::default(),
            paused: Rc::default(),
            game,
            scripts,
        };
        let spawn = |name| Spawn::named(name).group(&market.game).priority(-1);
        let story = market.scripts.spawn_with(spawn("story"), story::evening);
        let vendor = market.scripts.spawn_with(spawn("noodles"), vendor::evening);
        let paused = market.paused.clone();
        let sign = market.scripts.spawn_with(Spawn::named("menu").group(&menu), move |s| {
            loop {
                s.label(if paused.get() { "blinks" } else { "sleeps" });
                s.wait(0.5);
                let shown = !s.world().paused_sign && paused.get();
                s.world().paused_sign = shown;
            }
        });
        market.world.cast = vec![story.id(), vendor.id(), sign.id()];
        for who in 0..VILLAGERS {
            market.add_villager(who);
        }
        market
    }

    /// One more who comes to the market.
    fn add_villager(&mut self, who: usize) {
        let (number, seed) = (dice(self.seed, who as u64, u64::MAX), self.seed);
        let owner = Owner::new(&self.scripts);
        let spawn = Spawn::named("villager").group(&self.game).owner(&owner);
        let handle = self.scripts.spawn_with(spawn, move |s| {
            let _ = s.on_exit(move |world| world.villagers[who].gone = true);
            villager::evening(s, who, seed);
        });
        self.villagers.push(handle.id());
        self.world.villagers.push(Villager {
            place: Place::at(
                (number % u64::from(WIDTH)) as f64,
                4.0 + (number >> 20 & 7) as f64 * f64::from(HEIGHT - 8) / 8.0,
            ),
            mood: Mood::Walks,
            gone: false,
            owner: Some(owner),
        });
    }

    /// Adds fireflies.
    pub fn add_fireflies(&mut self, count: usize) {
        for _ in 0..count {
            let who = self.world.fireflies.len();
            self.world.fireflies.push(firefly::somewhere(dice(self.seed, who as u64, 7)));
            let spawn = Spawn::named("firefly").group(&self.game).priority(1);
            self.scripts.spawn_with(spawn, move |s| firefly::night(s, who));
        }
    }

    /// Adds scripts that only wait for what never comes.
    pub fn add_idle(&mut self, count: usize) {
        /// What never comes.
        #[derive(Clone)]
        struct Never;
        for _ in 0..count {
            let spawn = Spawn::named("idle").priority(2);
            self.scripts.spawn_with(spawn, |s| s.wait_for::<Never>());
        }
    }

    /// A frame.
    pub fn step(&mut self, dt: f64) {
        self.report = self.scripts.tick(&mut self.world, dt);
    }

    /// Tells the scripts what who watches has said.
    pub fn say(&mut self, input: Input) {
        self.scripts.emit(input);
    }

    /// Pauses the market, or lets it go on. The menu is not concerned.
    pub fn toggle_pause(&mut self) {
        if self.paused.replace(!self.paused.get()) {
            self.game.resume();
        } else {
            self.game.pause();
        }
    }

    /// Whether the market is paused.
    pub fn is_paused(&self) -> bool {
        self.paused.get()
    }

    /// Sets how fast its time goes.
    pub fn set_speed(&mut self, speed: f64) {
        self.game.set_scale(speed);
    }

    /// How fast its time goes.
    pub fn speed(&self) -> f64 {
        self.game.scale()
    }

    /// Sends the first villager home that is still there: drops the owner, and with that ends the script.
    pub fn send_home(&mut self) {
        let owner = self.world.villagers.iter_mut().find_map(|villager| villager.owner.take());
        drop(owner);
    }

    /// Seconds since it opened.
    pub fn seconds(&self) -> f64 {
        self.game.now().as_secs_f64()
    }

    /// How many scripts there are.
    pub fn scripts(&self) -> usize {
        self.scripts.len()
    }

    /// The cast, then as many villagers as there are rows for; each with those that borrow from it.
    pub(crate) fn roll(&self, rows: usize) -> Vec<Vec<Info>> {
        let ids = self.world.cast.iter().chain(&self.villagers);
        let families = ids.map(|id| self.scripts.family(*id));
        families.filter(|family| !family.is_empty()).take(rows).collect()
    }

    /// What has happened, line by line.
    pub fn transcript(&self) -> String {
        let mut text = format!("seed {}\n", self.seed);
        for (seconds, what) in &self.world.story {
            writeln!(text, "{seconds:6.2}  {what}").expect("memory takes text");
        }
        text
    }

    /// What has happened, without the time.
    pub fn events(&self) -> Vec<&str> {
        self.world.story.iter().map(|(_, what)| what.as_str()).collect()
    }
}
