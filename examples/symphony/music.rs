//! Lines of music: notes, chords, rests, tuplets, ties and bars.
//!
//! Notes are kept in one list in the order of writing, and bars are ranges of it, because what
//! comes later on a line still changes what came earlier: `>` and `-` change the note before them,
//! and the words of a song arrive on a line of their own.

use std::ops::Range;
use std::sync::Arc;

use super::key::{Accidentals, Key, read_accidental};
use super::repeats::{BarLine, Repeats, read_passes};
use super::score::{Bar, Meter, Note, Part, Pitch};
use super::text::{Line, Mark, Mistake};
use super::time::Time;
use super::tuplet::Tuplet;
use super::words;

/// Marks between `!` signs that send the player elsewhere in the tune.
const JUMPS: [&str; 8] =
    ["D.C.", "D.S.", "dacapo", "dacoda", "coda", "fine", "D.C.alcoda", "D.S.alcoda"];

/// The music read so far and what is still pending in it.
#[derive(Debug)]
pub(crate) struct Music {
    /// The time signature, against which bars are checked.
    meter: Meter,
    /// The length of a note without a number (`L:`).
    pub(crate) unit: Time,
    /// The key signature in force.
    pub(crate) key: Key,
    /// The accidentals in force.
    pub(crate) accidentals: Accidentals,
    /// Every note and rest, in the order of writing.
    notes: Vec<Note>,
    /// For each of `notes`: whether a tie joins it to the next.
    tied: Vec<bool>,
    /// For each of `notes`: the number of its bar, for the words.
    bar_of: Vec<usize>,
    /// Sorts bars into parts.
    repeats: Repeats,
    /// The first note of the bar that is being read.
    bar_start: usize,
    /// Where that bar's first note stands.
    bar_mark: Mark,
    /// How many bars are complete.
    bars: usize,
    /// Whether the bar line before the bar that is being read is a plain one.
    after_plain: bool,
    /// A bar too short, which only a repeat or an ending straight after it can excuse.
    short: Option<Mistake>,
    /// Where the tie stands that the next note must continue.
    tie: Option<Mark>,
    /// By what the next note's length is changed, and the `>` or `<` that says so.
    broken: Option<(Time, Mark)>,
    /// The tuplet whose notes are being read.
    tuplet: Option<Tuplet>,
    /// The first note of the line of music that the next `w:` belongs to.
    line_start: usize,
    /// How many `w:` lines that line of music has had.
    verses: usize,
    /// Whether the line before ended in `\`, so that the next one is still the same line.
    continued: bool,
}

impl Music {
    pub(crate) fn new(meter: Meter, unit: Time, key: Key, accidentals: Accidentals) -> Music {
        Music {
            meter,
            unit,
            key,
            accidentals,
            notes: Vec::new(),
            tied: Vec::new(),
            bar_of: Vec::new(),
            repeats: Repeats::default(),
            bar_start: 0,
            bar_mark: Mark { line: 1, column: 1 },
            bars: 0,
            after_plain: false,
            short: None,
            tie: None,
            broken: None,
            tuplet: None,
            line_start: 0,
            verses: 0,
            continued: false,
        }
    }

    /// Reads a line of music.
    pub(crate) fn read(&mut self, line: &mut Line) -> Result<(), Mistake> {
        let continues = line.cut_continuation();
        if !self.continued {
            self.line_start = self.notes.len();
            self.verses = 0;
        }
        self.continued = continues;
        while let Some(char) = line.peek() {
            let mark = line.mark();
            match char {
                'A'..='G' | 'a'..='g' | '^' | '_' | '=' => {
                    let pitch = self.read_pitch(line)?;
                    let length = line.length()?;
                    self.add(vec![pitch], length, mark)?;
                }
                'z' | 'x' => {
                    line.take();
                    let length = line.length()?;
                    self.add(Vec::new(), length, mark)?;
                }
                'Z' | 'X' => self.read_bars_of_rest(line)?,
                '[' => match (line.peek_past(1), line.peek_past(2)) {
                    (Some('0'..='9'), _) => {
                        line.take();
                        self.begin_ending(line, mark)?;
                    }
                    (Some('|' | ']'), _) => self.read_bar_line(line)?,
                    (Some('A'..='Z' | 'a'..='z'), Some(':')) => self.read_inline_field(line)?,
                    _ => self.read_chord(line)?,
                },
                '|' | ':' => self.read_bar_line(line)?,
                '-' => {
                    line.take();
                    self.begin_tie(mark)?;
                }
                '>' | '<' => self.read_broken_rhythm(line)?,
                '(' if line.peek_past(1).is_some_and(|char| char.is_ascii_digit()) => {
                    self.read_tuplet(line)?;
                }
                '"' | '!' | '{' => skip_ornament(line)?,
                'y' => {
                    // A gap on paper, which may have a width.
                    line.take();
                    line.length()?;
                }
                // Slurs, and ornaments of one letter.
                '(' | ')' | '.' | '~' | 'H' | 'L' | 'M' | 'P' | 'S' | 'T' | 'u' | 'v' => {
                    line.take();
                }
                // Beams and line breaks on paper.
                '`' | '$' => {
                    line.take();
                }
                'O' => return Err(mark.mistake("a coda is not supported: write the music out")),
                '&' => return Err(mark.mistake("`&` (two melodies in one bar) is not supported")),
                char if char.is_whitespace() => {
                    line.take();
                }
                other => {
                    return Err(mark.mistake(format!("`{other}` means nothing in a line of music")));
                }
            }
        }
        Ok(())
    }

    /// Gives the syllables of a `w:` line to the notes of the music line above it.
    pub(crate) fn read_words(&mut self, line: &mut Line) -> Result<(), Mistake> {
        let from = self.line_start;
        words::give(line, &mut self.notes[from..], &self.bar_of[from..], self.verses)?;
        self.verses += 1;
        Ok(())
    }

    /// The tune ends; `mark` is where.
    pub(crate) fn finish(mut self, mark: Mark) -> Result<Vec<Part>, Mistake> {
        self.end_bar(false, mark)?;
        if let Some(tie) = self.tie {
            return Err(tie.mistake("this tie leads to no note"));
        }
        // Backwards, because a chain of ties ends in a note that is not tied.
        let mut held = Time::ZERO;
        for (index, note) in self.notes.iter_mut().enumerate().rev() {
            let whole = if self.tied[index] { note.length + held } else { note.length };
            let continues = index > 0 && self.tied[index - 1];
            let silent = continues || note.pitches.is_empty();
            note.sounds = if silent { Time::ZERO } else { whole };
            held = whole;
        }
        let notes = self.notes;
        let bars = |ranges: Vec<Range<usize>>| -> Vec<Arc<Bar>> {
            ranges.into_iter().map(|bar| Arc::new(Bar { notes: notes[bar].to_vec() })).collect()
        };
        let parts = self.repeats.finish()?.into_iter().map(|stretch| Part {
            body: bars(stretch.body),
            endings: stretch.endings.into_iter().map(bars).collect(),
            passes: stretch.passes,
        });
        let parts: Vec<Part> = parts.collect();
        if parts.is_empty() {
            return Err(mark.mistake("the tune has no notes"));
        }
        Ok(parts)
    }

    /// Takes in a note, a chord or a rest of `length` units.
    fn add(&mut self, pitches: Vec<Pitch>, length: Time, mark: Mark) -> Result<(), Mistake> {
        if let Some(short) = self.short.take() {
            return Err(short);
        }
        let mut length = length * self.unit;
        if let Some((factor, _)) = self.broken.take() {
            length *= factor;
        }
        if let Some(mut tuplet) = self.tuplet.take() {
            length *= tuplet.factor();
            self.tuplet = tuplet.count_note().then_some(tuplet);
        }
        if let Some(tie) = self.tie.take() {
            let before = &self.notes[self.notes.len() - 1].pitches;
            if *before != pitches {
                return Err(
                    tie.mistake("a tie joins notes of the same pitch (a slur is written ( ))")
                );
            }
        }
        if self.notes.len() == self.bar_start {
            self.bar_mark = mark;
        }
        self.notes.push(Note { pitches, length, sounds: Time::ZERO, syllables: Vec::new() });
        self.tied.push(false);
        self.bar_of.push(self.bars);
        Ok(())
    }

    fn read_pitch(&mut self, line: &mut Line) -> Result<Pitch, Mistake> {
        let mark = line.mark();
        let written = read_accidental(line)?;
        let (letter, mut octave) = match line.take() {
            Some(letter @ 'A'..='G') => (letter, 4),
            Some(letter @ 'a'..='g') => (letter.to_ascii_uppercase(), 5),
            _ => return Err(mark.mistake("an accidental must stand in front of a note")),
        };
        let octaves = line.take_while(|char| matches!(char, ',' | '\''));
        for char in octaves.chars().take(12) {
            octave += if char == ',' { -1 } else { 1 };
        }
        let alter = match self.carried_over(letter, octave) {
            Some(alter) if written.is_none() => alter,
            _ => self.accidentals.apply(&self.key, letter, octave, written),
        };
        let pitch = Pitch { letter, alter, octave };
        if !(0..=127).contains(&pitch.midi()) {
            return Err(mark.mistake(format!("the note {pitch} is beyond the range of hearing")));
        }
        Ok(pitch)
    }

    /// A tie across a bar line carries the accidental of the note it begins at.
    fn carried_over(&self, letter: char, octave: i8) -> Option<i8> {
        self.tie?;
        let same = |pitch: &&Pitch| pitch.letter == letter && pitch.octave == octave;
        self.notes.last()?.pitches.iter().find(same).map(|pitch| pitch.alter)
    }

    fn read_chord(&mut self, line: &mut Line) -> Result<(), Mistake> {
        let open = line.mark();
        line.take();
        let mut pitches: Vec<Pitch> = Vec::new();
        let mut common = None;
        let mut ties = Vec::new();
        loop {
            let mark = line.mark();
            match line.peek() {
                Some(']') if pitches.is_empty() => {
                    return Err(open.mistake("this chord has no notes"));
                }
                Some(']') => break,
                Some('A'..='G' | 'a'..='g' | '^' | '_' | '=') => {
                    let pitch = self.read_pitch(line)?;
                    let length = line.length()?;
                    if *common.get_or_insert(length) != length {
                        return Err(mark.mistake("the notes of a chord must be equally long"));
                    }
                    if !pitches.contains(&pitch) {
                        pitches.push(pitch);
                    }
                    let tie = line.mark();
                    ties.push(line.eat('-').then_some(tie));
                }
                Some('"' | '!' | '{') => skip_ornament(line)?,
                Some('.' | '~' | 'u' | 'v' | ' ' | '(' | ')') => {
                    line.take();
                }
                Some(other) => {
                    return Err(mark.mistake(format!("`{other}` means nothing inside a chord")));
                }
                None => {
                    return Err(open.mistake("this chord is never closed: `]` is missing"));
                }
            }
        }
        line.take();
        let length = line.length()? * common.unwrap_or(Time::ONE);
        pitches.sort_by_key(Pitch::midi);
        self.add(pitches, length, open)?;
        match (ties.iter().flatten().next(), ties.contains(&None)) {
            (Some(&mark), false) => self.begin_tie(mark),
            (Some(mark), true) => Err(mark.mistake("tie all notes of a chord or none")),
            (None, _) => Ok(()),
        }
    }

    fn begin_tie(&mut self, mark: Mark) -> Result<(), Mistake> {
        match self.notes.last() {
            Some(note) if !note.pitches.is_empty() && self.tie.is_none() => {
                self.tie = Some(mark);
                *self.tied.last_mut().expect("as long as `notes`") = true;
                Ok(())
            }
            _ => Err(mark.mistake("a tie must follow a note")),
        }
    }

    fn read_broken_rhythm(&mut self, line: &mut Line) -> Result<(), Mistake> {
        let mark = line.mark();
        let sign = line.peek().expect("the caller has looked");
        let count = line.take_while(|char| char == sign).len();
        if self.notes.len() == self.bar_start || self.broken.is_some() {
            return Err(mark.mistake(format!("`{sign}` needs a note before it in the same bar")));
        }
        if count > 3 {
            return Err(mark.mistake(format!("`{sign}` can be written three times at most")));
        }
        let short = Time::new(1, 1 << count);
        let long = Time::from(2) - short;
        let (before, after) = if sign == '>' { (long, short) } else { (short, long) };
        self.notes.last_mut().expect("the bar has a note").length *= before;
        self.broken = Some((after, mark));
        Ok(())
    }

    fn read_tuplet(&mut self, line: &mut Line) -> Result<(), Mistake> {
        if self.tuplet.is_some() {
            return Err(line.mark().mistake("a tuplet inside a tuplet is not supported"));
        }
        self.tuplet = Some(Tuplet::read(line, self.meter.compound)?);
        Ok(())
    }

    /// `Z4`: whole bars of rest.
    fn read_bars_of_rest(&mut self, line: &mut Line) -> Result<(), Mistake> {
        let mark = line.mark();
        let sign = line.take().expect("the caller has looked");
        let count = line.number()?.unwrap_or(1);
        if !self.meter.strict {
            return Err(mark.mistake(format!("with M:none nobody knows how long `{sign}` is")));
        }
        if self.notes.len() > self.bar_start {
            return Err(mark.mistake(format!("`{sign}` must stand alone in its bar")));
        }
        if count > 999 {
            return Err(mark.mistake("999 bars of rest are the most"));
        }
        for bar in 0..count {
            if bar > 0 {
                self.end_bar(true, mark)?;
            }
            self.refuse_pending(mark)?;
            self.add(Vec::new(), self.meter.bar / self.unit, mark)?;
        }
        Ok(())
    }

    fn read_bar_line(&mut self, line: &mut Line) -> Result<(), Mistake> {
        let mark = line.mark();
        let bar_line = BarLine::read(line)?;
        self.refuse_pending(mark)?;
        self.end_bar(bar_line.is_plain(), mark)?;
        if !bar_line.is_plain() {
            self.short = None;
            self.refuse_tie(&bar_line)?;
        }
        self.repeats.line(&bar_line, mark)?;
        if matches!(line.peek(), Some('0'..='9')) {
            self.begin_ending(line, mark)?;
        }
        Ok(())
    }

    /// Reads the numbers of an ending and begins it.
    fn begin_ending(&mut self, line: &mut Line, mark: Mark) -> Result<(), Mistake> {
        self.refuse_pending(mark)?;
        self.end_bar(false, mark)?;
        self.short = None;
        if let Some(tie) = self.tie {
            return Err(tie.mistake("a tie into an ending is not supported"));
        }
        let passes = read_passes(line)?;
        self.repeats.ending(passes, mark)
    }

    /// Closes the bar that is being read, if it has any notes.
    fn end_bar(&mut self, plain: bool, mark: Mark) -> Result<(), Mistake> {
        self.refuse_pending(mark)?;
        self.accidentals.end_bar();
        let bar = self.bar_start..self.notes.len();
        if bar.is_empty() {
            self.after_plain &= plain;
            return Ok(());
        }
        let length: Time = self.notes[bar.clone()].iter().map(|note| note.length).sum();
        let full = self.meter.bar;
        let says = |by: Time, how: &str| {
            self.bar_mark.mistake(format!("this bar is {by} too {how} for M:{}", self.meter.name))
        };
        if self.meter.strict && length > full {
            return Err(says(length - full, "long"));
        }
        // A short bar is an upbeat or the rest of one, beside a repeat, an ending or a double bar.
        if self.meter.strict && length < full && plain && self.after_plain {
            self.short = Some(says(full - length, "short"));
        }
        self.after_plain = plain;
        self.bar_start = bar.end;
        self.bars += 1;
        self.repeats.bar(bar)
    }

    /// Nothing may be waiting for a note where a bar ends.
    fn refuse_pending(&self, mark: Mark) -> Result<(), Mistake> {
        if let Some((_, sign)) = self.broken {
            return Err(sign.mistake("no note follows this sign in its bar"));
        }
        if let Some(tuplet) = &self.tuplet {
            return Err(tuplet.lacks_notes(mark));
        }
        Ok(())
    }

    fn refuse_tie(&self, bar_line: &BarLine) -> Result<(), Mistake> {
        match self.tie {
            Some(tie) if bar_line.repeats() => {
                Err(tie.mistake("a tie across a repeat sign is not supported"))
            }
            _ => Ok(()),
        }
    }

    fn read_inline_field(&mut self, line: &mut Line) -> Result<(), Mistake> {
        let open = line.mark();
        line.take();
        let name = line.take().expect("the caller has looked");
        line.take();
        let mark = line.mark();
        let text = line.skip_past(']', open, "this field")?;
        self.read_field(name, &mut Line::part(mark, &text), open)
    }

    /// A field between or inside lines of music; `open` is where it begins.
    pub(crate) fn read_field(
        &mut self,
        name: char,
        line: &mut Line,
        open: Mark,
    ) -> Result<(), Mistake> {
        match name {
            'K' => self.key = Key::read(line)?,
            'L' => {
                line.skip_spaces();
                let mark = line.mark();
                self.unit = line.fraction()?.ok_or_else(|| mark.mistake("L: needs a fraction"))?;
                line.end("L:")?;
            }
            'M' => return Err(open.mistake("a change of meter inside the tune is not supported")),
            'Q' => {
                return Err(open.mistake(
                    "a change of tempo inside the tune is not supported: the voices of a round \
                     are never in the same place",
                ));
            }
            // Words under the tune, titles, notes and remarks.
            'A' | 'B' | 'D' | 'F' | 'G' | 'H' | 'N' | 'P' | 'R' | 'S' | 'T' | 'W' | 'r' => {}
            'X' => {
                return Err(open.mistake("an empty line must stand before the next tune's X: line"));
            }
            'V' => return Err(open.mistake("several melodies (V:) are not supported")),
            _ => return Err(open.mistake(format!("the field {name}: is not supported here"))),
        }
        Ok(())
    }
}

/// Skips `"..."`, `!...!` or `{...}`, which change nothing in what a voice sings.
fn skip_ornament(line: &mut Line) -> Result<(), Mistake> {
    let open = line.mark();
    match line.take() {
        Some('"') => line.skip_past('"', open, "this text")?,
        Some('{') => line.skip_past('}', open, "this group of grace notes")?,
        _ => {
            let name = line.skip_past('!', open, "this decoration")?;
            if JUMPS.contains(&name.as_str()) {
                return Err(open.mistake(format!("`!{name}!` is not supported: write it out")));
            }
            name
        }
    };
    Ok(())
}
