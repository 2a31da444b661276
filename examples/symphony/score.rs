//! A tune as the voices read it: parts that repeat, made of bars, made of notes.

use std::fmt;
use std::sync::Arc;

use super::time::{Tempo, Time};

/// A whole tune, ready to be sung.
#[derive(Debug)]
pub(crate) struct Tune {
    /// What it is called (the first `T:`).
    pub(crate) title: String,
    /// Who wrote it (`C:`); empty when the file does not say.
    pub(crate) composer: String,
    /// Where it comes from (`O:`); empty when the file does not say.
    pub(crate) origin: String,
    /// The time signature.
    pub(crate) meter: Meter,
    /// The key in words: `F major`.
    pub(crate) key: String,
    /// How fast it goes.
    pub(crate) tempo: Tempo,
    /// How many bars lie between two voices' entries, when the file says (`%%round-entry`).
    pub(crate) entry: Option<Time>,
    /// How many voices the round is for, when the file says (`%%round-voices`).
    pub(crate) voices: Option<u32>,
    /// The music, in order.
    pub(crate) parts: Vec<Part>,
}

impl Tune {
    /// How long the upbeat lasts before the first full bar; zero when there is none.
    pub(crate) fn upbeat(&self) -> Time {
        let first = self.parts.first().and_then(|part| part.bars(1).next());
        match first.map(|bar| bar.length()) {
            Some(length) if length < self.meter.bar => length,
            _ => Time::ZERO,
        }
    }

    /// All written bars: each repeat's body once, each ending once.
    pub(crate) fn written(&self) -> impl Iterator<Item = &Arc<Bar>> {
        self.parts.iter().flat_map(|part| part.body.iter().chain(part.endings.iter().flatten()))
    }
}

/// A time signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meter {
    /// As written: `4/4`, `C|`, `none`.
    pub(crate) name: String,
    /// How long a full bar lasts. With `M:none` this is a whole note, for counting entries only.
    pub(crate) bar: Time,
    /// Whether bars must be as long as `bar` says; false for `M:none`.
    pub(crate) strict: bool,
    /// Whether beats divide into three (6/8, 9/8, 12/8), which decides what `(5` means.
    pub(crate) compound: bool,
}

/// A stretch of music between repeat signs.
#[derive(Debug)]
pub(crate) struct Part {
    /// What is sung in every pass.
    pub(crate) body: Vec<Arc<Bar>>,
    /// What follows it in the first, the second, ... pass; empty when all passes end alike.
    pub(crate) endings: Vec<Vec<Arc<Bar>>>,
    /// How often the part is sung.
    pub(crate) passes: usize,
}

impl Part {
    /// The bars of one pass (the first is 1), its ending included.
    pub(crate) fn bars(&self, pass: usize) -> impl Iterator<Item = &Arc<Bar>> {
        self.body.iter().chain(self.endings.get(pass - 1).into_iter().flatten())
    }
}

/// What stands between two bar lines.
#[derive(Debug)]
pub(crate) struct Bar {
    /// Notes and rests, in order; never empty.
    pub(crate) notes: Vec<Note>,
}

impl Bar {
    /// How long it lasts.
    pub(crate) fn length(&self) -> Time {
        self.notes.iter().map(|note| note.length).sum()
    }

    /// The names of its notes, as a reader of the file would write them.
    pub(crate) fn names(&self) -> String {
        self.notes.iter().map(Note::name).collect::<Vec<_>>().join(" ")
    }

    /// What is sung to it in one pass of its part, syllables joined into words.
    pub(crate) fn words(&self, pass: usize) -> String {
        let mut words = String::new();
        for syllable in self.notes.iter().map(|note| note.syllable(pass)) {
            match syllable.strip_suffix('-') {
                Some(first) => words.push_str(first),
                None if syllable.is_empty() => {}
                None => {
                    words.push_str(syllable);
                    words.push(' ');
                }
            }
        }
        words.truncate(words.trim_end().len());
        words
    }
}

/// A note, a chord or a rest.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    /// The pitches that sound together; none for a rest.
    pub(crate) pitches: Vec<Pitch>,
    /// The time until the next note of this voice.
    pub(crate) length: Time,
    /// How long it sounds: longer than `length` when tied to the next note, zero for a rest and
    /// for a note that only continues the one before.
    pub(crate) sounds: Time,
    /// A syllable for each verse.
    pub(crate) syllables: Vec<String>,
}

impl Note {
    /// Whether something begins to sound here.
    pub(crate) fn is_struck(&self) -> bool {
        self.sounds > Time::ZERO
    }

    /// What is sung in one pass; the last verse serves all later passes.
    fn syllable(&self, pass: usize) -> &str {
        let verse = pass.min(self.syllables.len());
        self.syllables.get(verse.wrapping_sub(1)).map_or("", String::as_str)
    }

    /// What it is called, as a reader of the file would write it.
    pub(crate) fn name(&self) -> String {
        match self.pitches.as_slice() {
            [] => "z".to_owned(),
            _ if !self.is_struck() => "-".to_owned(),
            [pitch] => pitch.to_string(),
            chord => format!("[{}]", chord.iter().map(Pitch::to_string).collect::<String>()),
        }
    }
}

/// A note's height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pitch {
    /// `A` to `G`.
    pub(crate) letter: char,
    /// Semitones up (sharp) or down (flat).
    pub(crate) alter: i8,
    /// 4 is the octave from middle C upwards, which ABC writes in capitals.
    pub(crate) octave: i8,
}

impl Pitch {
    /// Its number on a MIDI keyboard (middle C is 60). May lie outside 0..=127: the parser checks.
    pub(crate) fn midi(&self) -> i32 {
        let white = match self.letter {
            'C' => 0,
            'D' => 2,
            'E' => 4,
            'F' => 5,
            'G' => 7,
            'A' => 9,
            _ => 11,
        };
        12 * (i32::from(self.octave) + 1) + white + i32::from(self.alter)
    }
}

impl fmt::Display for Pitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (letter, mark, marks) = if self.octave >= 5 {
            (self.letter.to_ascii_lowercase(), "'", self.octave - 5)
        } else {
            (self.letter, ",", 4 - self.octave)
        };
        let accidental = if self.alter > 0 { "♯" } else { "♭" };
        let accidentals = accidental.repeat(usize::from(self.alter.unsigned_abs()));
        write!(f, "{letter}{}{accidentals}", mark.repeat(usize::from(marks.unsigned_abs())))
    }
}
