//! What the terminal shows: a line for each bar that a voice begins, and a table at the end.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use super::score::Tune;
use super::time::{Time, clock_face};
use super::{BLOCKED_BAR, Cue, Record, Round, STACK, colour, deepest, threads};

/// How many voices are listed; more would not be read.
const LISTED: usize = 8;

/// What comes later than this is said to come late; less is what any system does to any program.
const LATE: Duration = Duration::from_millis(50);

/// Longer notes or words of a bar are cut.
const WIDEST: usize = 30;

/// Prints the round as it is sung.
#[derive(Debug)]
pub(crate) struct Listing<'t, W> {
    /// Where to.
    output: W,
    /// What is sung.
    tune: &'t Tune,
    /// By how many, and how far apart.
    round: Round,
    /// Whether voices have colours.
    colours: bool,
    /// The width of the column of notes.
    notes_width: usize,
    /// The width of the column of words.
    words_width: usize,
    /// The bar of the round printed last, so that its number is not repeated.
    bar: Option<i128>,
    /// Bars of voices that are not listed.
    left_out: usize,
}

impl<'t, W: Write> Listing<'t, W> {
    pub(crate) fn new(output: W, tune: &'t Tune, round: Round, colours: bool) -> Listing<'t, W> {
        let widest =
            |widths: &mut dyn Iterator<Item = usize>| widths.max().unwrap_or(0).min(WIDEST);
        let words = tune.parts.iter().flat_map(|part| {
            (1..=part.passes).flat_map(|pass| part.bars(pass).map(move |bar| bar.words(pass)))
        });
        Listing {
            output,
            tune,
            round,
            colours,
            notes_width: widest(&mut tune.written().map(|bar| bar.names().chars().count())).max(5),
            words_width: widest(&mut words.map(|words| words.chars().count())),
            bar: None,
            left_out: 0,
        }
    }

    /// What is about to be sung.
    pub(crate) fn title(&mut self) -> io::Result<()> {
        let Tune { title, composer, origin, meter, key, tempo, .. } = self.tune;
        let by = [composer.as_str(), origin].into_iter().filter(|text| !text.is_empty());
        let by = by.collect::<Vec<_>>().join(", ");
        let by = if by.is_empty() { by } else { format!(" ({by})") };
        let Round { voices, distance, unfair, blocking, parallel } = self.round;
        writeln!(self.output, "{}{by}", self.bold(title))?;
        let entries = match (voices, distance / meter.bar) {
            (1, _) => "one voice, so no round yet".to_owned(),
            (_, Time::ZERO) => format!("{voices} voices in unison"),
            (_, Time::ONE) => format!("a round for {voices} voices, one bar apart"),
            (_, bars) => format!("a round for {voices} voices, {bars} bars apart"),
        };
        let luck = unfair.map_or(String::new(), |seed| format!(", unfair with seed {seed}"));
        let count = format!("{} = {}", tempo.beat, tempo.per_minute);
        writeln!(self.output, "{key}, {}, {count}; {entries}{luck}", meter.name)?;
        writeln!(self.output, "(away: how many turns other voices had since this one's last)")?;
        if unfair.is_none() {
            writeln!(
                self.output,
                "(of two that are due at once, the one that has waited longer goes first)"
            )?;
        }
        if parallel {
            writeln!(
                self.output,
                "Every voice sings on a thread of a pool, and stays on it until it has ended."
            )?;
        }
        if blocking {
            writeln!(
                self.output,
                "Before its bar {BLOCKED_BAR} voice {} sleeps the whole thread, for a bar.",
                voices.min(2)
            )?;
        }
        writeln!(self.output)?;
        writeln!(
            self.output,
            " bar    time  voice  {:notes$}  {:words$}  away  its place, from its local variables",
            "sings",
            "",
            notes = self.notes_width,
            words = self.words_width
        )
    }

    /// A voice had a turn; a line is printed for the first in each bar, and for what comes late.
    pub(crate) fn cue(&mut self, cue: &Cue) -> io::Result<()> {
        if cue.turn.index > 0 && cue.voice < LISTED && cue.late >= LATE {
            // The notes before it, which were on time or have had their line, as dots.
            let sings = format!("{}{}", "· ".repeat(cue.turn.index), cue.note().name());
            let sings = format!("{:notes$}", cut(&sings), notes = self.notes_width);
            let voice = self.coloured(cue.voice, &format!("{:>5}  {sings}", cue.voice + 1));
            let late = self.bold(&format!("{} late", by(cue.late)));
            let gap = self.words_width + 10;
            return writeln!(self.output, "{:12}  {voice}{:gap$}{late}", "", "");
        }
        if cue.turn.index > 0 {
            return Ok(());
        }
        if cue.voice >= LISTED {
            self.left_out += 1;
            return Ok(());
        }
        let upbeat = self.tune.upbeat();
        let full = (cue.now - upbeat).fits(self.tune.meter.bar);
        // An upbeat is bar 0.
        let bar = full + 1;
        let head = if self.bar == Some(bar) {
            " ".repeat(12)
        } else {
            format!("{bar:4} {:>7}", clock_face(self.tune.tempo.seconds(cue.now)))
        };
        self.bar = Some(bar);
        let place = cue.turn.place;
        let passes = self.tune.parts[place.part - 1].passes;
        let mut locals = format!("bar {}, part {}", place.bar, place.part);
        if passes > 1 {
            locals += &format!(", pass {} of {passes}", place.pass);
        }
        match (cue.first, place.notes) {
            (true, _) => locals += ", enters",
            (_, 1) => locals += ", 1 note so far",
            (_, notes) => locals += &format!(", {notes} notes so far"),
        }
        if cue.late >= LATE {
            locals += &self.bold(&format!(", {} late", by(cue.late)));
        }
        let away = if cue.first { String::new() } else { cue.away.to_string() };
        let sings = format!(
            "{:notes$}  {:words$}",
            cut(&cue.turn.bar.names()),
            cut(&cue.turn.bar.words(place.pass)),
            notes = self.notes_width,
            words = self.words_width
        );
        let voice = self.coloured(cue.voice, &format!("{:>5}  {sings}", cue.voice + 1));
        writeln!(self.output, "{head}  {voice}  {away:>4}  {locals}")
    }

    /// What each voice did, and what it cost.
    pub(crate) fn table(
        &mut self,
        records: &[Record],
        took: Duration,
        real: bool,
    ) -> io::Result<()> {
        if self.left_out > 0 {
            let others = records.len() - LISTED;
            let voices = if others == 1 { "voice" } else { "voices" };
            let bars = grouped(self.left_out);
            writeln!(self.output, "      and {bars} bars of {} more {voices}", grouped(others))?;
        }
        let seconds = |time| self.tune.tempo.seconds(time);
        writeln!(self.output, "\nvoice    enters      ends  resumes  notes  bars    late by")?;
        let shown = if records.len() > LISTED + 1 { LISTED } else { records.len() };
        for (number, record) in records.iter().enumerate() {
            if number == shown {
                writeln!(self.output, "  ...")?;
            }
            if number >= shown && number + 1 < records.len() {
                continue;
            }
            let line = format!(
                "{:>5}  {:>8}  {:>8}  {:>7}  {:>5}  {:>4}  {:>10}",
                number + 1,
                clock_face(seconds(record.entry)),
                clock_face(seconds(record.end)),
                grouped(record.resumes),
                grouped(record.sung.notes),
                grouped(record.sung.bars),
                by(record.late)
            );
            writeln!(self.output, "{}", self.coloured(number, &line))?;
        }
        let resumes: usize = records.iter().map(|record| record.resumes).sum();
        let notes: usize = records.iter().map(|record| record.sung.notes).sum();
        let bars: usize = records.iter().map(|record| record.sung.bars).sum();
        let late = records.iter().map(|record| record.late).max().unwrap_or_default();
        let end = records.iter().map(|record| record.end).max().unwrap_or(Time::ZERO);
        writeln!(
            self.output,
            "  all  {:>8}  {:>8}  {:>7}  {:>5}  {:>4}  {:>10}\n",
            "",
            clock_face(seconds(end)),
            grouped(resumes),
            grouped(notes),
            grouped(bars),
            by(late)
        )?;

        let alone: Time = records.iter().map(|record| record.end - record.entry).sum();
        let (alone, together) = (seconds(alone), seconds(end));
        writeln!(
            self.output,
            "The voices sing for {} in all, the round lasts {}: {:.2} voices at a time on average.",
            clock_face(alone),
            clock_face(together),
            alone / together
        )?;
        if let Some(bytes) = deepest() {
            let (bytes, room) = (grouped(bytes), STACK / 1024);
            writeln!(
                self.output,
                "The fullest of their stacks held {bytes} B, with room for {room} KiB."
            )?;
        }
        if real {
            let threads = match self.round.parallel {
                true => format!("{} threads", threads(self.round)),
                false => "One thread".to_owned(),
            };
            return writeln!(self.output, "{threads} sang it all in {:.1} s.", took.as_secs_f64());
        }
        writeln!(
            self.output,
            "One thread sang it all in {:.2} ms, the making of its tasks included: time is \
             virtual.\n--real-time plays at tempo.",
            took.as_secs_f64() * 1e3
        )
    }

    /// A file was written.
    pub(crate) fn wrote(&mut self, path: &Path, what: &str) -> io::Result<()> {
        writeln!(self.output, "Wrote {what} to {}.", path.display())
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    fn bold(&self, text: &str) -> String {
        if self.colours { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn coloured(&self, voice: usize, text: &str) -> String {
        if !self.colours {
            return text.to_owned();
        }
        let [red, green, blue] = colour::of_voice(voice);
        format!("\x1b[38;2;{red};{green};{blue}m{text}\x1b[0m")
    }
}

/// The text, shortened to what the columns hold.
fn cut(text: &str) -> String {
    if text.chars().count() <= WIDEST {
        return text.to_owned();
    }
    text.chars().take(WIDEST - 1).chain(['…']).collect()
}

/// How late somebody was, if it is worth a word.
fn by(late: Duration) -> String {
    if late < LATE { "on time".to_owned() } else { format!("{:.1} s", late.as_secs_f64()) }
}

/// A number with a comma after every third digit.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
