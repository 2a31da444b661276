//! Plays a tune as a round: every voice is the same function, run as a task of its own.
//!
//! ```text
//! cargo run --release --example symphony
//! cargo run --release --example symphony -- TUNE.abc --voices 3 --svg round.svg --wav round.wav
//! cargo run --release --example symphony -- --blocking
//! cargo run --release --example symphony -- --parallel
//! ```
//!
//! A voice is [`sing`]: loops inside loops over parts, repeats, bars and notes, which sleep two calls
//! deep inside [`sing_bar`]. Nothing outside remembers where it is; its local variables do. [`play`]
//! brings the voices in, one after the other; the event loop resumes whoever has a note due next. With
//! `--blocking` one voice sleeps the thread instead of itself, and everybody waits. With `--parallel` the same
//! voices run on the threads of a pool, and nobody waits for one that blocks. The rest of the
//! example reads ABC notation (`abc.rs`) and shows what was sung (`listing.rs`, `timeline.rs`, `sound.rs`).

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use segno::sync::Mutex;
use segno::{Clock, EventLoop, Pool, stack};

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
use self::score::{Bar, Note, Tune};
use self::time::{Tempo, Time};

/// Sings the tune once, from now on. Returns what is left of the voice.
fn sing(mut voice: Voice<'_>, tune: &Tune) -> Result<Record, Mishap> {
    let mut sung = Sung { bars: 0, notes: 0 };
    for (part, part_number) in tune.parts.iter().zip(1..) {
        for pass in 1..=part.passes {
            for bar in part.bars(pass) {
                sung.bars += 1;
                if voice.blocks && sung.bars == BLOCKED_BAR {
                    // The thread, not the task: nobody else can sing, and the watchdog barks.
                    thread::sleep(voice.hall.real(tune.meter.bar));
                }
                let place = Place { part: part_number, pass, bar: sung.bars, notes: sung.notes };
                sung.notes += sing_bar(&mut voice, bar, place)?;
            }
        }
    }
    Ok(voice.record(sung))
}

/// Sings one bar and returns how many notes it struck. Pauses at each note and rest until it is over.
fn sing_bar(voice: &mut Voice<'_>, bar: &Arc<Bar>, place: Place) -> io::Result<usize> {
    let mut struck = 0;
    for (index, note) in bar.notes.iter().enumerate() {
        struck += usize::from(note.is_struck());
        voice.begin(Turn { bar: Arc::clone(bar), index, place })?;
        voice.now += note.length;
        segno::sleep_until(voice.hall.instant(voice.now));
        voice.resumed();
    }
    Ok(struck)
}

/// Plays the round: brings in one voice after the other, and reports every note to `hear`, whose first
/// error ends it all.
pub(crate) fn play(
    tune: &Tune,
    round: Round,
    clock: Clock,
    mut hear: impl FnMut(Cue) -> io::Result<()> + Send,
) -> Result<Vec<Record>, Mishap> {
    stack::measure_all(true);
    if round.parallel {
        return play_on_many(tune, round, &mut hear);
    }
    let mut events = EventLoop::builder().name("round").clock(clock);
    if clock == Clock::system() {
        events = events.watchdog(PATIENCE);
    }
    if let Some(seed) = round.unfair {
        events = events.seed(seed);
    }
    let mut events = events.build();
    let hall = Hall::new(events.now(), tune, &mut hear);
    events.run(|| {
        segno::try_scope(|s| {
            let mut voices = Vec::new();
            for number in 0..round.voices {
                let voice = Voice::enters(&hall, number, round);
                let task = s.task(voice.name()).stack_size(STACK);
                voices.push(task.spawn(move || sing(voice, tune)));
            }
            voices.into_iter().map(|voice| Ok(voice.join()?)).collect()
        })
    })?
}

/// The same with a thread for each voice, or for as many as there may be.
fn play_on_many(
    tune: &Tune,
    round: Round,
    hear: &mut (dyn FnMut(Cue) -> io::Result<()> + Send),
) -> Result<Vec<Record>, Mishap> {
    let pool = Pool::builder().name("voices").threads(threads(round)).watchdog(PATIENCE).build()?;
    let hall = Hall::new(Instant::now(), tune, hear);
    pool.scope(|s| {
        let mut voices = Vec::new();
        for number in 0..round.voices {
            let voice = Voice::enters(&hall, number, round);
            let task = s.task(voice.name()).stack_size(STACK);
            voices.push(task.spawn(move || sing(voice, tune)));
        }
        voices.into_iter().map(|voice| voice.join()?).collect()
    })
}

/// How many threads sing a round in parallel.
pub(crate) fn threads(round: Round) -> usize {
    (round.voices as usize).min(MOST_THREADS)
}

/// What can go wrong while voices sing, on any thread.
type Mishap = Box<dyn Error + Send + Sync>;

/// More threads than this are no use to anyone who listens.
const MOST_THREADS: usize = 16;

/// Bytes of frames for a voice: the smallest stack that segno has.
pub(crate) const STACK: usize = 48 * 1024;

/// How long a voice may keep the thread to itself before the watchdog reports it.
const PATIENCE: Duration = Duration::from_millis(100);

/// Before which of its bars the voice that blocks does so.
pub(crate) const BLOCKED_BAR: usize = 2;

/// What the voices share. They borrow it, on one thread and on many. A lock of segno's costs next to nothing while one
/// loop has it for itself.
struct Hall<'h> {
    /// When the music began, by the loop's clock.
    start: Instant,
    /// How fast it goes.
    tempo: Tempo,
    /// Turns so far, of all voices.
    turns: AtomicUsize,
    /// Hears every note.
    hear: Mutex<&'h mut (dyn FnMut(Cue) -> io::Result<()> + Send)>,
}

impl<'h> Hall<'h> {
    fn new(
        start: Instant,
        tune: &Tune,
        hear: &'h mut (dyn FnMut(Cue) -> io::Result<()> + Send),
    ) -> Self {
        Self { start, tempo: tune.tempo, turns: AtomicUsize::new(0), hear: Mutex::new(hear) }
    }

    /// How long so much music takes on the loop's clock.
    fn real(&self, music: Time) -> Duration {
        Duration::from_secs_f64(self.tempo.seconds(music))
    }

    /// When this moment of the music comes.
    fn instant(&self, music: Time) -> Instant {
        self.start + self.real(music)
    }
}

/// What a voice knows besides its place in the music, which is where its frames are.
struct Voice<'h> {
    /// Where it sings.
    hall: &'h Hall<'h>,
    /// Which one it is; the first is 0.
    number: usize,
    /// When it enters.
    entry: Time,
    /// When its next note begins.
    now: Time,
    /// Whether it once sleeps the whole thread.
    blocks: bool,
    /// How often it was resumed.
    resumes: usize,
    /// The number of its last turn, counted over all voices.
    last_turn: usize,
    /// How many turns others had before that one and after the one before.
    away: usize,
    /// By how much its latest note came too late.
    late: Duration,
}

impl<'h> Voice<'h> {
    /// Waits until this voice's turn has come to enter.
    fn enters(hall: &'h Hall<'h>, number: u32, round: Round) -> Self {
        let entry = round.distance * Time::from(number);
        if entry > Time::ZERO {
            segno::sleep_until(hall.instant(entry));
        }
        Self {
            hall,
            number: number as usize,
            entry,
            now: entry,
            blocks: round.blocking && number == round.voices.min(2) - 1,
            resumes: 0,
            last_turn: 0,
            away: 0,
            late: Duration::ZERO,
        }
    }

    fn name(&self) -> String {
        format!("voice {}", self.number + 1)
    }

    /// Counts a turn.
    fn resumed(&mut self) {
        let turn = self.hall.turns.fetch_add(1, Relaxed) + 1;
        self.resumes += 1;
        self.away = turn - self.last_turn - 1;
        self.last_turn = turn;
    }

    /// Begins a note.
    fn begin(&mut self, turn: Turn) -> io::Result<()> {
        let first = self.resumes == 0;
        if first {
            self.resumed();
        }
        let late = segno::now().saturating_duration_since(self.hall.instant(self.now));
        self.late = self.late.max(late);
        let Self { now, number: voice, away, .. } = *self;
        self.hall.hear.lock()(Cue { now, late, voice, away, first, turn })
    }

    fn record(&self, sung: Sung) -> Record {
        Record { entry: self.entry, end: self.now, resumes: self.resumes, late: self.late, sung }
    }
}

/// Bytes of stack that the voice which needed most has used, in all rounds of this process.
pub(crate) fn deepest() -> Option<usize> {
    let of_voices = stack::usage().into_iter().filter(|usage| usage.frames == STACK);
    of_voices.map(|usage| usage.deepest).max()
}

/// What a voice says when it begins a note.
#[derive(Debug)]
pub(crate) struct Turn {
    /// The bar it is in.
    pub(crate) bar: Arc<Bar>,
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

/// What a voice has sung at the end.
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
    /// The seed of an order among voices due at the same instant; without one, they go first come, first
    /// served.
    pub(crate) unfair: Option<u64>,
    /// Whether the second voice once sleeps the whole thread.
    pub(crate) blocking: bool,
    /// Whether the voices sing on many threads.
    pub(crate) parallel: bool,
}

/// A turn as it is heard.
#[derive(Debug)]
pub(crate) struct Cue {
    /// When it was due.
    pub(crate) now: Time,
    /// How much later it came.
    pub(crate) late: Duration,
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
    /// The note or rest that begins.
    pub(crate) fn note(&self) -> &Note {
        &self.turn.bar.notes[self.turn.index]
    }

    /// What begins to sound, if anything does: the MIDI numbers and how long they sound.
    pub(crate) fn sound(&self) -> Option<(impl Iterator<Item = i32>, Time)> {
        let note = self.note();
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
    /// By how much its latest note came too late.
    pub(crate) late: Duration,
    /// What it sang.
    pub(crate) sung: Sung,
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
fn perform(options: &Options) -> Result<(), Mishap> {
    let (file, text) = options.tune()?;
    let mut tune = abc::read(&text).map_err(|mistake| mistake.report(&file, &text))?;
    if let Some(beats) = options.tempo {
        tune.tempo.per_minute = beats;
    }
    let round = Round {
        voices: options.voices.or(tune.voices).unwrap_or(options::VOICES),
        distance: tune.meter.bar * options.entry.or(tune.entry).unwrap_or(Time::from(2)),
        unfair: options.unfair,
        blocking: options.blocking,
        parallel: options.parallel,
    };

    let stdout = io::stdout();
    let colours = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let output: Box<dyn Write + Send> =
        if options.quiet { Box::new(io::sink()) } else { Box::new(stdout) };
    let mut listing = Listing::new(io::BufWriter::new(output), &tune, round, colours);
    listing.title()?;

    let mut cues = Vec::new();
    let start = Instant::now();
    let clock = if options.real_time { Clock::system() } else { Clock::virtual_time() };
    let records = play(&tune, round, clock, |cue| {
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
    // In the order of the score, whoever had its turn first: so the files depend on the music alone.
    cues.sort_by_key(|cue| (cue.now, cue.voice));

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
