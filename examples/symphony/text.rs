//! A line of the file with a reading position in it, and mistakes that know their place.

use std::fmt;

use super::time::Time;

/// A place in the file, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The line; the first is 1.
    pub(crate) line: usize,
    /// The character within it; the first is 1.
    pub(crate) column: usize,
}

impl Mark {
    /// A mistake at this place.
    pub(crate) fn mistake(self, message: impl Into<String>) -> Mistake {
        Mistake { mark: self, message: message.into() }
    }
}

/// What is wrong with a file, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Where it shows.
    pub(crate) mark: Mark,
    /// What was found and what to do about it.
    pub(crate) message: String,
}

impl Mistake {
    /// The mistake as a reader of the file wants it: the place, the message, the line, a caret.
    pub(crate) fn report(&self, file: &str, text: &str) -> String {
        let Mark { line, column } = self.mark;
        let source = text.lines().nth(line - 1).unwrap_or_default().replace('\t', " ");
        let margin = " ".repeat(line.to_string().len());
        let caret = " ".repeat(column - 1);
        format!(
            "{file}:{line}:{column}: {}\n{margin} |\n{line} | {source}\n{margin} | {caret}^",
            self.message
        )
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.mark.line, self.mark.column, self.message)
    }
}

/// One line, without its comment, and how far it has been read.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its number in the file; the first is 1.
    number: usize,
    /// What it says.
    chars: Vec<char>,
    /// The next character to read.
    at: usize,
}

impl Line {
    /// The line without its comment (`%` to the end, unless written `\%`).
    pub(crate) fn new(number: usize, text: &str) -> Line {
        let mut chars = Vec::new();
        for char in text.chars() {
            if char == '%' && chars.last() != Some(&'\\') {
                break;
            }
            chars.push(char);
        }
        while chars.last().is_some_and(|char| char.is_whitespace()) {
            chars.pop();
        }
        Line { number, chars, at: 0 }
    }

    /// A line that keeps everything, for directives, which begin with `%%`.
    pub(crate) fn directive(number: usize, text: &str) -> Line {
        Line { number, chars: text.trim_end().chars().collect(), at: 2 }
    }

    /// A piece of a line, which begins at `mark`.
    pub(crate) fn part(mark: Mark, text: &str) -> Line {
        // Spaces in front stand for what is not part of it, so that columns stay right.
        let chars = " ".repeat(mark.column - 1).chars().chain(text.chars()).collect();
        Line { number: mark.line, chars, at: mark.column - 1 }
    }

    /// Where the next character stands.
    pub(crate) fn mark(&self) -> Mark {
        Mark { line: self.number, column: self.at + 1 }
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.peek_past(0)
    }

    /// The character `skip` places after the next one.
    pub(crate) fn peek_past(&self, skip: usize) -> Option<char> {
        self.chars.get(self.at + skip).copied()
    }

    pub(crate) fn take(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += 1;
        Some(char)
    }

    /// Takes the next character if it is this one.
    pub(crate) fn eat(&mut self, char: char) -> bool {
        let found = self.peek() == Some(char);
        self.at += usize::from(found);
        found
    }

    /// Takes characters as long as they fit.
    pub(crate) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> String {
        let mut taken = String::new();
        while let Some(char) = self.peek().filter(|&char| fits(char)) {
            taken.push(char);
            self.at += 1;
        }
        taken
    }

    pub(crate) fn skip_spaces(&mut self) {
        self.take_while(char::is_whitespace);
    }

    /// Takes what is left, without the spaces around it.
    pub(crate) fn rest(&mut self) -> String {
        self.take_while(|_| true).trim().to_owned()
    }

    /// Cuts a `\` off the end, which says that the next line of music continues this one.
    pub(crate) fn cut_continuation(&mut self) -> bool {
        let continued = self.chars.last() == Some(&'\\');
        if continued {
            self.chars.pop();
        }
        continued
    }

    /// Skips what stands between two of the same sign, the first of which has been taken.
    pub(crate) fn skip_past(
        &mut self,
        close: char,
        open: Mark,
        what: &str,
    ) -> Result<String, Mistake> {
        let skipped = self.take_while(|char| char != close);
        if self.eat(close) {
            Ok(skipped)
        } else {
            Err(open.mistake(format!("{what} is never closed: `{close}` is missing on this line")))
        }
    }

    /// A whole number from 1 to 9999, if one stands here.
    pub(crate) fn number(&mut self) -> Result<Option<u32>, Mistake> {
        let mark = self.mark();
        let digits = self.take_while(|char| char.is_ascii_digit());
        if digits.is_empty() {
            return Ok(None);
        }
        match digits.parse() {
            Ok(number @ 1..=9999) => Ok(Some(number)),
            _ => Err(mark.mistake(format!("the number {digits} is not between 1 and 9999"))),
        }
    }

    /// A note's length in units, as it follows the note: nothing, `2`, `/2`, `3/2`, `/`, `//`.
    pub(crate) fn length(&mut self) -> Result<Time, Mistake> {
        let above = self.number()?.unwrap_or(1);
        let slash = self.mark();
        let slashes = self.take_while(|char| char == '/').len();
        let below = self.mark();
        let denominator = match (slashes, self.number()?) {
            (0, None) => 1,
            (1, Some(number)) => number,
            (1..=8, None) => 1 << slashes,
            (9.., None) => return Err(slash.mistake("more than eight `/` make no note length")),
            _ => return Err(below.mistake("a number cannot follow `//`: write one `/`")),
        };
        // Powers of two keep every sum of lengths exact in a small denominator; all else in music
        // is written as a tuplet.
        if !denominator.is_power_of_two() || denominator > 512 {
            return Err(below.mistake(format!(
                "a length can be divided by 2, 4, 8, ... 512, not by {denominator}; \
                 three in the time of two is written (3"
            )));
        }
        Ok(Time::new(i128::from(above), i128::from(denominator)))
    }

    /// A fraction with both numbers written out, as in `M:`, `L:` and `Q:`.
    pub(crate) fn fraction(&mut self) -> Result<Option<Time>, Mistake> {
        let Some(above) = self.number()? else { return Ok(None) };
        let slash = self.mark();
        if !self.eat('/') {
            return Err(slash.mistake(format!("`/` expected: a fraction is written {above}/4")));
        }
        let mark = self.mark();
        match self.number()? {
            Some(below) if below.is_power_of_two() && below <= 512 => {
                Ok(Some(Time::new(i128::from(above), i128::from(below))))
            }
            _ => Err(mark.mistake("1, 2, 4, 8, ... or 512 expected below the line of a fraction")),
        }
    }

    /// Complains if anything is left.
    pub(crate) fn end(&mut self, field: &str) -> Result<(), Mistake> {
        self.skip_spaces();
        let mark = self.mark();
        match self.rest() {
            rest if rest.is_empty() => Ok(()),
            rest => Err(mark.mistake(format!("`{rest}` is not understood in {field}"))),
        }
    }
}
