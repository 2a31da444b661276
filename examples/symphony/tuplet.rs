//! Tuplets: notes squeezed into the time of others, such as three in the time of two.

use super::text::{Line, Mark, Mistake};
use super::time::Time;

/// A tuplet whose notes are being read.
#[derive(Debug)]
pub(crate) struct Tuplet {
    /// By what each note's length is changed: 2/3 in a triplet.
    factor: Time,
    /// How many notes it still takes.
    left: u32,
    /// Where it began.
    mark: Mark,
}

impl Tuplet {
    /// Reads `(3`, `(3:2` or `(3:2:4`: so many notes in the time of so many, for the next so many.
    pub(crate) fn read(line: &mut Line, compound: bool) -> Result<Tuplet, Mistake> {
        let mark = line.mark();
        line.eat('(');
        let notes = line.number()?.unwrap_or(0);
        let (mut time, mut left) = (None, None);
        if line.eat(':') {
            time = line.number()?;
            if line.eat(':') {
                left = line.number()?;
            }
        }
        // What the standard gives where the file does not say.
        let usual = match notes {
            2 | 4 | 8 => 3,
            3 | 6 => 2,
            5 | 7 | 9 if compound => 3,
            5 | 7 | 9 => 2,
            _ => return Err(mark.mistake("a tuplet has 2 to 9 notes")),
        };
        let (time, left) = (time.unwrap_or(usual), left.unwrap_or(notes));
        if time > 64 || left > 64 {
            return Err(mark.mistake("the numbers of a tuplet go up to 64"));
        }
        Ok(Tuplet { factor: Time::new(i128::from(time), i128::from(notes)), left, mark })
    }

    /// By what a note's length is changed.
    pub(crate) fn factor(&self) -> Time {
        self.factor
    }

    /// A note has been read. Returns whether another must come.
    pub(crate) fn count_note(&mut self) -> bool {
        self.left -= 1;
        self.left > 0
    }

    /// Its bar ends at `end`, too soon.
    pub(crate) fn lacks_notes(&self, end: Mark) -> Mistake {
        let notes = if self.left == 1 { "note" } else { "notes" };
        self.mark.mistake(format!(
            "this tuplet lacks {} more {notes} before its bar ends at column {}",
            self.left, end.column
        ))
    }
}
