//! Which notes are sharp or flat: by the key signature, and by accidentals until the bar ends.

use super::text::{Line, Mistake};

/// The letters in the order in which key signatures gain sharps; flats come the other way round.
const SHARPS: [char; 7] = ['F', 'C', 'G', 'D', 'A', 'E', 'B'];

/// Modes by the first three letters of their names, with the name to show and the sharps that each
/// has more than the major key on the same note.
const MODES: [(&str, &str, i32); 10] = [
    ("maj", "major", 0),
    ("ion", "ionian", 0),
    ("min", "minor", -3),
    ("m", "minor", -3),
    ("aeo", "aeolian", -3),
    ("mix", "mixolydian", -1),
    ("dor", "dorian", -2),
    ("phr", "phrygian", -4),
    ("lyd", "lydian", 1),
    ("loc", "locrian", -5),
];

/// Clefs, which change the picture but not the sound.
const CLEFS: [&str; 10] = [
    "treble",
    "alto",
    "tenor",
    "bass",
    "clef=treble",
    "clef=alto",
    "clef=tenor",
    "clef=bass",
    "clef=none",
    "none",
];

/// A key and the signature it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// In words: `F major`.
    pub(crate) name: String,
    /// Letters that are not natural, with their semitones up or down.
    altered: Vec<(char, i8)>,
}

impl Key {
    /// Reads what follows `K:`.
    pub(crate) fn read(line: &mut Line) -> Result<Key, Mistake> {
        line.skip_spaces();
        let mut key = Key { name: "no key".to_owned(), altered: Vec::new() };
        if matches!(line.peek(), Some('A'..='G')) {
            key = Key::read_tonic(line)?;
        }
        loop {
            line.skip_spaces();
            let mark = line.mark();
            if matches!(line.peek(), Some('^' | '_' | '=')) {
                let (alter, letter) = (read_accidental(line)?, line.take());
                let Some(letter @ ('A'..='G' | 'a'..='g')) = letter else {
                    return Err(mark.mistake("an accidental in K: needs a note letter after it"));
                };
                let letter = letter.to_ascii_uppercase();
                key.altered.retain(|&(other, _)| other != letter);
                key.altered.extend(alter.map(|alter| (letter, alter)));
                continue;
            }
            match line.take_while(|char| !char.is_whitespace()).as_str() {
                "" => return Ok(key),
                "exp" => key.altered.clear(),
                clef if CLEFS.contains(&clef) => {}
                other => {
                    return Err(mark.mistake(format!(
                        "`{other}` is not understood in K: (a key looks like G, Bb, F#m, D dor or \
                         A mix)"
                    )));
                }
            }
        }
    }

    fn read_tonic(line: &mut Line) -> Result<Key, Mistake> {
        let mark = line.mark();
        let letter = line.take().expect("the caller has looked");
        let accidental = if line.eat('#') {
            7
        } else if line.eat('b') {
            -7
        } else {
            0
        };
        // A mode may follow at once or after spaces; a word that is none is left for the caller.
        let spaces = (0..).take_while(|&n| line.peek_past(n) == Some(' ')).count();
        let word: String = (spaces..)
            .map_while(|n| line.peek_past(n).filter(|char| char.is_ascii_alphabetic()))
            .collect();
        let short: String = word.to_ascii_lowercase().chars().take(3).collect();
        let (mut mode, mut offset) = ("major", 0);
        if let Some(&(_, name, more)) = MODES.iter().find(|(name, ..)| *name == short) {
            (mode, offset) = (name, more);
            line.skip_spaces();
            line.take_while(|char| char.is_ascii_alphabetic());
        }
        let place = SHARPS.iter().position(|&other| other == letter).expect("a letter from A to G");
        // The major key on F has one flat, hence the 1.
        let sharps = place as i32 - 1 + accidental + offset;
        let sign = match accidental {
            7 => "♯",
            -7 => "♭",
            _ => "",
        };
        let name = format!("{letter}{sign} {mode}");
        if !(-7..=7).contains(&sharps) {
            return Err(mark.mistake(format!("{name} would need more than seven sharps or flats")));
        }
        let count = sharps.unsigned_abs() as usize;
        let altered = if sharps >= 0 {
            SHARPS.iter().take(count).map(|&letter| (letter, 1)).collect()
        } else {
            SHARPS.iter().rev().take(count).map(|&letter| (letter, -1)).collect()
        };
        Ok(Key { name, altered })
    }

    fn alter(&self, letter: char) -> i8 {
        self.altered.iter().find(|&&(other, _)| other == letter).map_or(0, |&(_, alter)| alter)
    }
}

/// How far an accidental reaches within its bar (`%%propagate-accidentals`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reach {
    /// No further than its own note.
    Not,
    /// To the same note in the same octave.
    Octave,
    /// To the same letter in every octave: what the ABC standard 2.1 says when a file does not.
    #[default]
    Pitch,
}

/// The accidentals in force in a bar.
#[derive(Debug)]
pub(crate) struct Accidentals {
    /// How far each reaches.
    pub(crate) reach: Reach,
    /// Letter, octave (if it matters) and semitones, the latest first come.
    seen: Vec<(char, Option<i8>, i8)>,
}

impl Accidentals {
    pub(crate) fn reaching(reach: Reach) -> Accidentals {
        Accidentals { reach, seen: Vec::new() }
    }

    /// What a note is altered by, given what is written in front of it.
    pub(crate) fn apply(&mut self, key: &Key, letter: char, octave: i8, written: Option<i8>) -> i8 {
        let octave = (self.reach == Reach::Octave).then_some(octave);
        let same = |&&(other, at, _): &&(char, Option<i8>, i8)| other == letter && at == octave;
        match written {
            Some(alter) if self.reach == Reach::Not => alter,
            Some(alter) => {
                self.seen.insert(0, (letter, octave, alter));
                alter
            }
            None => self.seen.iter().find(same).map_or(key.alter(letter), |&(.., alter)| alter),
        }
    }

    /// A bar line: all accidentals end.
    pub(crate) fn end_bar(&mut self) {
        self.seen.clear();
    }
}

/// Reads `^`, `^^`, `_`, `__` or `=`, if one stands here.
pub(crate) fn read_accidental(line: &mut Line) -> Result<Option<i8>, Mistake> {
    let mark = line.mark();
    let signs = line.take_while(|char| matches!(char, '^' | '_' | '='));
    let alter = match signs.as_str() {
        "" => return Ok(None),
        "^" => 1,
        "^^" => 2,
        "_" => -1,
        "__" => -2,
        "=" => 0,
        _ => return Err(mark.mistake(format!("`{signs}` is no accidental: ^ ^^ _ __ = are"))),
    };
    match line.peek() {
        Some('/' | '0'..='9') => Err(mark.mistake("quarter tones are not supported")),
        _ => Ok(Some(alter)),
    }
}
