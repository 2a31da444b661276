//! Bar lines: where parts repeat, how often, and which ending each pass takes.
//!
//! ```text
//! |: a | b |1 c :|2 d |]        body: a b    endings: c, d    passes: 2
//! ```
//! A part is open until something that cannot belong to it comes: that is why `:|` only seals it,
//! for a further ending may follow.

use std::ops::Range;

use super::text::{Line, Mark, Mistake};

/// Bars as ranges of the notes read so far.
type Bars = Vec<Range<usize>>;

/// A bar line as written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BarLine {
    /// Passes of the part that ends here, or zero when none does: `:|` is 2, `::|` is 3.
    closes: usize,
    /// Passes of the part that begins here, or zero when none does: `|:` is 2, `|::` is 3.
    opens: usize,
    /// Whether it is double or thick, which ends the last ending.
    double: bool,
}

impl BarLine {
    /// Reads the bar line that stands here.
    pub(crate) fn read(line: &mut Line) -> Result<BarLine, Mistake> {
        let mark = line.mark();
        let mut signs = String::new();
        while let Some(char) = line.peek() {
            let belongs = match char {
                '|' | ':' => true,
                ']' => !signs.is_empty(),
                '[' => matches!(line.peek_past(1), Some('|' | ']')),
                _ => false,
            };
            if !belongs {
                break;
            }
            signs.push(char);
            line.take();
        }
        let stem = signs.trim_matches(':');
        let before = signs.len() - signs.trim_start_matches(':').len();
        let after = signs.len() - signs.trim_end_matches(':').len();
        let passes = |colons: usize| if colons == 0 { 0 } else { colons + 1 };
        match (stem, before, after) {
            ("", 2, _) => Ok(BarLine { closes: 2, opens: 2, double: true }),
            ("|" | "||" | "|]" | "[|" | "[]", 0..=4, 0..=4) => Ok(BarLine {
                closes: passes(before),
                opens: passes(after),
                double: stem != "|" || before + after > 0,
            }),
            _ => Err(mark.mistake(format!("`{signs}` is not a bar line that is understood here"))),
        }
    }

    /// Whether a repeat begins or ends here.
    pub(crate) fn repeats(&self) -> bool {
        self.closes + self.opens > 0
    }

    /// Whether it is a plain `|`, on both sides of which bars must be full.
    pub(crate) fn is_plain(&self) -> bool {
        !self.double
    }
}

/// Reads the passes that an ending is for, as in `[1`, `[1,3` or `[1-2`, after the bracket.
pub(crate) fn read_passes(line: &mut Line) -> Result<Vec<usize>, Mistake> {
    let mut passes: Vec<usize> = Vec::new();
    loop {
        let mark = line.mark();
        let Some(first) = line.number()? else {
            return Err(mark.mistake("the number of an ending is missing here"));
        };
        let ranged = line.peek() == Some('-')
            && line.peek_past(1).is_some_and(|char| char.is_ascii_digit())
            && line.eat('-');
        let last = if ranged { line.number()?.unwrap_or(first) } else { first };
        if last < first || last > 99 {
            return Err(mark.mistake(format!("endings {first} to {last} make no sense")));
        }
        passes.extend(first as usize..=last as usize);
        let more = line.peek() == Some(',')
            && line.peek_past(1).is_some_and(|char| char.is_ascii_digit())
            && line.eat(',');
        if !more {
            return Ok(passes);
        }
    }
}

/// A part whose bars are still ranges.
#[derive(Debug)]
pub(crate) struct Stretch {
    /// What every pass plays.
    pub(crate) body: Bars,
    /// What each pass plays after it, or nothing at all.
    pub(crate) endings: Vec<Bars>,
    /// How often it is played.
    pub(crate) passes: usize,
}

/// An ending while it is being read.
#[derive(Debug)]
struct Ending {
    /// Where its number stands.
    mark: Mark,
    /// The passes that take it.
    passes: Vec<usize>,
    /// Its bars so far.
    bars: Bars,
}

/// Sorts bars into parts as the bar lines between them say.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    /// Parts that are finished.
    done: Vec<Stretch>,
    /// Where the part began with `|:`, and the passes that sign announced.
    opened: Option<(Mark, usize)>,
    /// Bars of the part before any ending.
    body: Bars,
    /// Its endings; bars go to the last.
    endings: Vec<Ending>,
    /// The passes that its `:|` announced; from then on only an ending can continue the part.
    sealed: Option<usize>,
}

impl Repeats {
    /// A bar is complete.
    pub(crate) fn bar(&mut self, bar: Range<usize>) -> Result<(), Mistake> {
        if self.sealed.is_some() {
            self.finish_part()?;
        }
        match self.endings.last_mut() {
            Some(ending) => ending.bars.push(bar),
            None => self.body.push(bar),
        }
        Ok(())
    }

    /// A bar line stands here.
    pub(crate) fn line(&mut self, line: &BarLine, mark: Mark) -> Result<(), Mistake> {
        if line.closes > 0 {
            let bars = self.endings.last().map_or(&self.body, |ending| &ending.bars);
            if bars.is_empty() || self.sealed.is_some() {
                return Err(mark.mistake("there is nothing to repeat before this repeat sign"));
            }
            if !self.endings.is_empty() && line.closes > 2 {
                return Err(mark.mistake("numbered endings say how often: write `:|`"));
            }
            match self.opened {
                Some((open, passes)) if passes != line.closes && self.endings.is_empty() => {
                    return Err(mark.mistake(format!(
                        "this repeat sign says {} times, but the one at line {} says {passes}",
                        line.closes, open.line
                    )));
                }
                _ => self.sealed = Some(line.closes),
            }
        } else if line.double && !self.endings.is_empty() {
            self.finish_part()?;
        }
        if line.opens > 0 {
            self.finish_part()?;
            self.opened = Some((mark, line.opens));
        }
        Ok(())
    }

    /// An ending begins here.
    pub(crate) fn ending(&mut self, passes: Vec<usize>, mark: Mark) -> Result<(), Mistake> {
        let first = passes[0];
        match self.endings.last() {
            None if first != 1 => {
                return Err(mark.mistake(format!("ending {first} stands here without an ending 1")));
            }
            None if self.sealed.is_some() => self.finish_part()?,
            None => {}
            Some(last) if self.sealed.is_none() => {
                return Err(mark.mistake(format!(
                    "ending {} must end with `:|` before ending {first} begins",
                    last.passes[0]
                )));
            }
            Some(_) => {}
        }
        if self.opened.is_some_and(|(_, passes)| passes > 2) {
            return Err(mark.mistake("numbered endings say how often: begin the repeat with `|:`"));
        }
        let taken = |pass: &&usize| self.endings.iter().any(|ending| ending.passes.contains(pass));
        if let Some(pass) = passes.iter().find(taken) {
            return Err(mark.mistake(format!("pass {pass} has an ending already")));
        }
        self.sealed = None;
        self.endings.push(Ending { mark, passes, bars: Vec::new() });
        Ok(())
    }

    /// The tune ends.
    pub(crate) fn finish(mut self) -> Result<Vec<Stretch>, Mistake> {
        self.finish_part()?;
        Ok(self.done)
    }

    fn finish_part(&mut self) -> Result<(), Mistake> {
        let opened = self.opened.take();
        let sealed = self.sealed.take();
        let body = std::mem::take(&mut self.body);
        let endings = std::mem::take(&mut self.endings);
        if let (Some((mark, _)), None, []) = (opened, sealed, endings.as_slice()) {
            return Err(mark.mistake("this repeat is never closed: `:|` is missing"));
        }
        if let Some(empty) = endings.iter().find(|ending| ending.bars.is_empty()) {
            return Err(empty.mark.mistake("this ending has no notes"));
        }
        let passes = endings.iter().flat_map(|ending| &ending.passes).max().copied();
        let ending_of = |pass| endings.iter().find(|ending| ending.passes.contains(&pass));
        let mut played = Vec::new();
        for pass in 1..=passes.unwrap_or(0) {
            match ending_of(pass) {
                Some(ending) => played.push(ending.bars.clone()),
                None => {
                    let mark = endings[0].mark;
                    return Err(mark.mistake(format!("ending {pass} is missing in this repeat")));
                }
            }
        }
        if passes == Some(1) {
            return Err(endings[0].mark.mistake("ending 2 is missing in this repeat"));
        }
        let passes = passes.or(sealed).unwrap_or(1);
        if !body.is_empty() || !played.is_empty() {
            self.done.push(Stretch { body, endings: played, passes });
        }
        Ok(())
    }
}
