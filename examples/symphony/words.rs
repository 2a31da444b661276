//! The words of a song: syllables on a line of their own, one for each note of the line above.

use super::score::Note;
use super::text::{Line, Mistake};

/// Gives the syllables of a `w:` line to `notes`, as the verse with this number (the first is 0).
/// `bar_of` says which bar each note is in. Rests take no syllable.
pub(crate) fn give(
    line: &mut Line,
    notes: &mut [Note],
    bar_of: &[usize],
    verse: usize,
) -> Result<(), Mistake> {
    let mut next = 0;
    loop {
        line.skip_spaces();
        let mark = line.mark();
        let Some(first) = line.peek() else { return Ok(()) };
        while notes.get(next).is_some_and(|note| note.pitches.is_empty()) {
            next += 1;
        }
        if line.eat('|') {
            // On to the next bar, unless the syllables have just filled this one.
            let bar_before = next.checked_sub(1).map(|before| bar_of[before]);
            while next > 0 && bar_of.get(next).copied() == bar_before {
                next += 1;
            }
            continue;
        }
        let Some(note) = notes.get_mut(next) else {
            return Err(mark.mistake("the line above has no note left for this syllable"));
        };
        let syllable = match first {
            '*' | '_' => {
                line.take();
                String::new()
            }
            // A hyphen of its own holds the syllable before it.
            _ => Some(read_syllable(line)).filter(|text| text != "-").unwrap_or_default(),
        };
        note.syllables.resize(verse, String::new());
        note.syllables.push(syllable);
        next += 1;
    }
}

/// Reads one syllable, its hyphen included; `~` is a space and `\-` a hyphen inside it.
fn read_syllable(line: &mut Line) -> String {
    let mut syllable = String::new();
    while let Some(char) = line.peek() {
        match char {
            '\\' if line.peek_past(1) == Some('-') => {
                line.take();
                syllable.push('\u{2011}');
            }
            '~' => syllable.push(' '),
            '-' => {
                line.take();
                syllable.push('-');
                break;
            }
            char if char.is_whitespace() || matches!(char, '|' | '_' | '*') => break,
            char => syllable.push(char),
        }
        line.take();
    }
    syllable
}
