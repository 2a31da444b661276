//! Plays a tune as a round: every voice is the same function, run as a coroutine of its own.
//!
//! ```text
//! cargo run --release --example symphony
//! cargo run --release --example symphony -- TUNE.abc --voices 3 --svg round.svg --wav round.wav
//! ```
//!
//! A voice is [`sing`]: loops inside loops over parts, repeats, bars and notes, which pause two calls
//! deep inside [`sing_bar`]. Nothing outside remembers where it is; its local variables do. [`play`]
//! is the whole scheduler: it resumes whichever voice has a note due next. The rest of the example
//! reads ABC notation (`abc.rs`) and shows what was sung (`listing.rs`, `timeline.rs`, `sound.rs`).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use segno::{Builder, Coroutine, Pauser, State};

pub(crate) mod time;
pub(crate) mod score;
pub(crate) mod text;
pub(crate) mod key;
pub(crate) mod repeats;
pub(crate) mod tuplet;
pub(crate) mod words;
pub(crate) mod music;
pub(crate) mod abc;
pub(crate) mod options;
pub(crate) mod colour;
pub(crate) mod listing;
pub(crate) mod timeline;
pub(crate) mod sound;

use self::listing::Listing;
use self::options::{Command, Options};
use self::score::{Bar, Tune};
use self::time::{Tempo, Time};

/// Sings the tune once, from the moment it is first resumed. Returns the bars and notes it sang.
fn sing(co: &Pauser<Time, Turn>, tune: &Tune, entry: Time) -> Sung {
    let mut now = entry;
    let mut sung = Sung { bars: 0, notes: 0 };
    for (part, part_number) in tune.parts.iter().zip(1..) {
        for pass in 1..=part.passes {
            for bar in part.bars(pass) {
                sung.bars += 1;
                let place = Place { part: part_number, pass, bar: sung.bars, notes: sung.notes };
                sung.notes += sing_bar(co, bar, place, &mut now);
            }
        }
    }
    sung
}

/// Sings one bar and returns how many notes it struck. Pauses at each note and rest until it is over.
fn sing_bar(co: &Pauser<Time, Turn>, bar: &Rc<Bar>, place: Place, now: &mut Time) -> usize {
    let mut struck = 0;
    for (index, note) in bar.notes.iter().enumerate() {
        struck += usize::from(note.is_struck());
        *now = co.pause(Turn { due: *now + note.length, bar: Rc::clone(bar), index, place });
    }
    struck
}

/// Plays the round: resumes each voice when its next note is due, and reports every note to `hear`.
pub(crate) fn play(
    tune: &Rc<Tune>,
    round: Round,
    clock: &Clock,
    mut hear: impl FnMut(Cue) -> io::Result<()>,
) -> Result<Vec<Record>, Box<dyn Error>> {
    let mut luck = Luck(round.unfair);
    let mut voices: Vec<Voice> = Vec::new();
    let mut due = BinaryHeap::new();
    for number in 0..round.voices {
        let tune = Rc::clone(tune);
        let coroutine = Builder::new()
            .name(format!("voice {}", number + 1))
            .stack_size(STACK)
            .measure(true)
            .build(move |co: &Pauser<Time, Turn>, entry| sing(co, &tune, entry))?;
        let entry = round.distance * Time::from(number);
        voices.push(Voice { coroutine, entry, resumes: 0, last_turn: 0 });
        due.push(Reverse((entry, luck.draw(), number as usize)));
    }

    let mut records: Vec<Option<Record>> = voices.iter().map(|_| None).collect();
    let mut turn_number = 0;
    while let Some(Reverse((now, _, number))) = due.pop() {
        clock.wait_until(now);
        let voice = &mut voices[number];
        voice.resumes += 1;
        turn_number += 1;
        match voice.coroutine.resume(now) {
            State::Paused(turn) => {
                let away = turn_number - voice.last_turn - 1;
                voice.last_turn = turn_number;
                due.push(Reverse((turn.due, luck.draw(), number)));
                hear(Cue { now, voice: number, away, first: voice.resumes == 1, turn })?;
            }
            State::Complete(sung) => records[number] = Some(voice.record(now, sung)),
        }
    }
    Ok(records.into_iter().flatten().collect())
}

/// Bytes of frames for a voice: the smallest stack that segno has, of which it uses a few percent.
const STACK: usize = 48 * 1024;

/// What a voice says whenever it pauses.
#[derive(Debug)]
pub(crate) struct Turn {
    /// When it wants to be resumed: at the end of this note.
    pub(crate) due: Time,
    /// The bar it is in.
    pub(crate) bar: Rc<Bar>,
    /// The note of that bar which begins now.
    pub(crate) index: usize,
    /// Where that bar is.
    pub(crate) place: Place,
}

/// Where a voice is, copied out of its local variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The part of the tune; the first is 1.
    pub(crate) part: usize,
    /// How often it has begun that part.
    pub(crate) pass: usize,
    /// How many bars it has begun in all.
    pub(crate) bar: usize,
    /// How many notes it struck before this bar.
    pub(crate) notes: usize,
}

/// What a voice returns at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sung {
    /// Bars, repeats included.
    pub(crate) bars: usize,
    /// Notes struck, repeats included.
    pub(crate) notes: usize,
}

/// What round to make of a tune.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// How many voices sing.
    pub(crate) voices: u32,
    /// The time between one voice's entry and the next one's.
    pub(crate) distance: Time,
    /// The seed of an order among voices due at the same instant; without one, voice 1 goes first.
    pub(crate) unfair: Option<u64>,
}

/// What the loop keeps of a voice: of its place in the music, nothing.
#[derive(Debug)]
struct Voice {
    /// The call of `sing`.
    coroutine: Coroutine<Time, Turn, Sung>,
    /// When it enters.
    entry: Time,
    /// How often it was resumed.
    resumes: usize,
    /// The number of its last turn, counted over all voices.
    last_turn: usize,
}

impl Voice {
    fn record(&self, end: Time, sung: Sung) -> Record {
        let stack = self.coroutine.stack_used();
        Record { entry: self.entry, end, resumes: self.resumes, sung, stack }
    }
}

/// A turn as the loop saw it.
#[derive(Debug)]
pub(crate) struct Cue {
    /// When it was.
    pub(crate) now: Time,
    /// Whose it was; the first voice is 0.
    pub(crate) voice: usize,
    /// How many turns others had since this voice's last.
    pub(crate) away: usize,
    /// Whether the voice enters with it.
    pub(crate) first: bool,
    /// What the voice said.
    pub(crate) turn: Turn,
}

impl Cue {
    /// What begins to sound, if anything does: the MIDI numbers and how long they sound.
    pub(crate) fn sound(&self) -> Option<(impl Iterator<Item = i32>, Time)> {
        let note = &self.turn.bar.notes[self.turn.index];
        note.is_struck().then(|| (note.pitches.iter().map(|pitch| pitch.midi()), note.sounds))
    }
}

/// What is left of a voice that has ended.
#[derive(Debug)]
pub(crate) struct Record {
    /// When it entered.
    pub(crate) entry: Time,
    /// When it ended.
    pub(crate) end: Time,
    /// How often it was resumed: once per note and rest, and once to end.
    pub(crate) resumes: usize,
    /// What it sang.
    pub(crate) sung: Sung,
    /// How many bytes of its stack it used.
    pub(crate) stack: Option<usize>,
}

/// What time means.
#[derive(Debug)]
pub(crate) enum Clock {
    /// The next note's time comes at once.
    Virtual,
    /// The thread sleeps until a note is due: never while one is.
    Real { start: Instant, tempo: Tempo },
}

impl Clock {
    fn wait_until(&self, due: Time) {
        if let Clock::Real { start, tempo } = self {
            let due = Duration::from_secs_f64(tempo.seconds(due));
            thread::sleep(due.saturating_sub(start.elapsed()));
        }
    }
}

/// Decides between voices that are due at the same instant: by chance, if it has a seed.
#[derive(Debug)]
struct Luck(Option<u64>);

impl Luck {
    fn draw(&mut self) -> u64 {
        let Some(state) = &mut self.0 else { return 0 };
        // SplitMix64 (Steele, Lea, Flood 2014): one addition and two multiplications a number.
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn main() -> ExitCode {
    run(lexopt::Parser::from_env())
}

/// Does what a command line says.
pub(crate) fn run(arguments: lexopt::Parser) -> ExitCode {
    let options = match options::read(arguments) {
        Ok(Command::Play(options)) => options,
        Ok(Command::Help) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(mistake) => {
            eprintln!("error: {mistake}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match perform(&options) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Reads the tune, plays it, and writes what was asked for.
fn perform(options: &Options) -> Result<(), Box<dyn Error>> {
    let (file, text) = options.tune()?;
    let tune = abc::read(&text).map_err(|mistake| mistake.report(&file, &text))?;
    let tune = Rc::new(tune);
    let round = Round {
        voices: options.voices.or(tune.voices).unwrap_or(options::VOICES),
        distance: tune.meter.bar * options.entry.or(tune.entry).unwrap_or(Time::from(2)),
        unfair: options.unfair,
    };

    let stdout = io::stdout();
    let colours = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let output: Box<dyn Write> =
        if options.quiet { Box::new(io::sink()) } else { Box::new(stdout.lock()) };
    let mut listing = Listing::new(io::BufWriter::new(output), &tune, round, colours);
    listing.title()?;

    let mut cues = Vec::new();
    let start = Instant::now();
    let clock = match options.real_time {
        true => Clock::Real { start, tempo: tune.tempo },
        false => Clock::Virtual,
    };
    let records = play(&tune, round, &clock, |cue| {
        if options.real_time {
            listing.cue(&cue)?;
            listing.flush()?;
        }
        cues.push(cue);
        Ok(())
    })?;
    let took = start.elapsed();
    if !options.real_time {
        // Outside the time that is measured.
        cues.iter().try_for_each(|cue| listing.cue(cue))?;
    }
    listing.table(&records, took, options.real_time)?;

    if let Some(path) = &options.svg {
        let picture = timeline::draw(&tune, round, &cues, &records);
        std::fs::write(path, picture).map_err(|error| cannot_write(path, &error))?;
        listing.wrote(path, "the timeline")?;
    }
    if let Some(path) = &options.wav {
        let samples = sound::render(tune.tempo, round.voices, &cues)?;
        sound::write(path, &samples).map_err(|error| cannot_write(path, &error))?;
        listing.wrote(path, "the sound")?;
    }
    Ok(listing.flush()?)
}

fn cannot_write(path: &std::path::Path, error: &dyn Error) -> String {
    format!("cannot write {}: {error}", path.display())
}
