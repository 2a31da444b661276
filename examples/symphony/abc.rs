//! Reads a tune in ABC notation: the text of a file in, a tune or its first mistake out.
//!
//! This file knows lines and fields; lines of music are read in `music.rs`, bar lines sorted in
//! `repeats.rs`, and keys, tuplets and words have files of their own. The notation is ABC 2.1
//! (abcnotation.com) without what a round has no use for: several voices, play orders, macros. What
//! is not understood is a mistake with its place, never music that differs from the file.

use super::key::{Accidentals, Key, Reach};
use super::music::Music;
use super::score::{Meter, Part, Tune};
use super::text::{Line, Mark, Mistake};
use super::time::{Tempo, Time};

/// Reads the first tune in a text.
pub(crate) fn read(text: &str) -> Result<Tune, Mistake> {
    let mut header = Header::default();
    let mut music: Option<Music> = None;
    let mut last = Mark { line: 1, column: 1 };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, text) in text.lines().enumerate() {
        let mut line = if text.starts_with("%%") {
            Line::directive(index + 1, text)
        } else {
            Line::new(index + 1, text)
        };
        if text.starts_with("%%") {
            header.read_directive(&mut line, music.as_mut())?;
            continue;
        }
        if line.peek().is_none() {
            // An empty line ends a tune; a line with nothing but a comment does not.
            if text.trim().is_empty() && header.begun {
                break;
            }
            continue;
        }
        last = line.mark();
        match (&mut music, field_name(&line)) {
            (None, Some(name)) => {
                line.take();
                line.take();
                music = header.read_field(name, &mut line, last)?;
            }
            (None, None) if header.begun => {
                return Err(last.mistake("a field expected: the header ends with its K: line"));
            }
            (None, None) => {
                return Err(last.mistake("X: expected: a tune begins with its X: line"));
            }
            (Some(music), Some(name)) => {
                line.take();
                line.take();
                match name {
                    'w' => music.read_words(&mut line)?,
                    // Marks over notes, which are not played.
                    's' => {}
                    _ => music.read_field(name, &mut line, last)?,
                }
            }
            (Some(music), None) => music.read(&mut line)?,
        }
    }
    match music {
        Some(music) => header.into_tune(music.finish(last)?),
        None if header.begun => Err(last.mistake("the tune ends before its K: line")),
        None => Err(last.mistake("there is no tune here: a tune begins with its X: line")),
    }
}

/// The letter of the field that a line is, if it is one. `c:|` is music.
fn field_name(line: &Line) -> Option<char> {
    let name = line.peek().filter(|char| char.is_ascii_alphabetic() || *char == '+')?;
    let is_field = line.peek_past(1) == Some(':') && !matches!(line.peek_past(2), Some('|' | ':'));
    is_field.then_some(name)
}

/// What stands before the music.
#[derive(Debug, Default)]
struct Header {
    /// Whether `X:` has been read.
    begun: bool,
    /// `T:`, the first.
    title: Option<String>,
    /// `C:`, the first.
    composer: String,
    /// `O:`, the first.
    origin: String,
    /// `M:`.
    meter: Option<Meter>,
    /// `L:`.
    unit: Option<Time>,
    /// `Q:`: the beat, unless it is the unit, and how many of them a minute holds.
    tempo: Option<(Option<Time>, u32)>,
    /// `K:`, in words.
    key: String,
    /// `%%round-entry`.
    entry: Option<Time>,
    /// `%%round-voices`.
    voices: Option<u32>,
    /// `%%propagate-accidentals`.
    reach: Reach,
}

impl Header {
    /// Reads a field; `K:` ends the header and begins the music.
    fn read_field(
        &mut self,
        name: char,
        line: &mut Line,
        open: Mark,
    ) -> Result<Option<Music>, Mistake> {
        if !self.begun && name != 'X' {
            return Err(open.mistake("X: expected: a tune begins with its X: line"));
        }
        line.skip_spaces();
        let mark = line.mark();
        match name {
            'X' => match line.number()? {
                Some(_) if self.begun => return Err(open.mistake("this tune has an X: already")),
                Some(_) => {
                    line.end("X:")?;
                    self.begun = true;
                }
                None => return Err(mark.mistake("X: needs a number")),
            },
            'T' => {
                let title = line.rest();
                self.title.get_or_insert(title);
            }
            'C' if self.composer.is_empty() => self.composer = line.rest(),
            'O' if self.origin.is_empty() => self.origin = line.rest(),
            'M' => self.meter = Some(read_meter(line)?),
            'L' => {
                let unit = line.fraction()?;
                self.unit =
                    Some(unit.ok_or_else(|| mark.mistake("L: needs a fraction, like 1/8"))?);
                line.end("L:")?;
            }
            'Q' => self.tempo = read_tempo(line)?,
            'K' => return self.begin_music(line).map(Some),
            // What the tune is and where it was found.
            'A' | 'B' | 'C' | 'D' | 'F' | 'G' | 'H' | 'N' | 'O' | 'R' | 'S' | 'W' | 'Z' | 'r' => {}
            'I' => match line.take_while(|char| !char.is_whitespace()).as_str() {
                "abc-charset" | "abc-version" | "abc-creator" => {}
                other => return Err(mark.mistake(format!("I:{other} is not supported"))),
            },
            'P' => {
                return Err(open.mistake("an order of parts (P:) is not supported: write it out"));
            }
            'V' => {
                return Err(
                    open.mistake("several melodies (V:) are not supported: a round has one")
                );
            }
            _ => return Err(open.mistake(format!("the field {name}: is not supported"))),
        }
        Ok(None)
    }

    fn begin_music(&mut self, line: &mut Line) -> Result<Music, Mistake> {
        let key = Key::read(line)?;
        self.key = key.name.clone();
        let meter = self.meter.get_or_insert_with(|| Meter {
            name: "none".to_owned(),
            bar: Time::ONE,
            strict: false,
            compound: false,
        });
        // The standard's rule: short bars are counted in sixteenths.
        let short = meter.strict && meter.bar < Time::new(3, 4);
        let unit = *self.unit.get_or_insert(Time::new(1, if short { 16 } else { 8 }));
        let accidentals = Accidentals::reaching(self.reach);
        Ok(Music::new(meter.clone(), unit, key, accidentals))
    }

    /// Reads a `%%` line: our own, those that would change what sounds, and the rest for paper.
    fn read_directive(
        &mut self,
        line: &mut Line,
        music: Option<&mut Music>,
    ) -> Result<(), Mistake> {
        line.skip_spaces();
        let open = line.mark();
        let name = line.take_while(|char| !char.is_whitespace());
        line.skip_spaces();
        let mark = line.mark();
        match name.as_str() {
            "round-entry" => {
                let bars = read_bars(line)?;
                self.entry = Some(bars.ok_or_else(|| mark.mistake("a number of bars expected"))?);
                line.skip_spaces();
                let mark = line.mark();
                if !matches!(line.rest().as_str(), "" | "bar" | "bars") {
                    return Err(mark.mistake("only `bars` may follow the number of bars"));
                }
            }
            "round-voices" => {
                let voices = line.number()?;
                self.voices = Some(voices.ok_or_else(|| mark.mistake("a number expected"))?);
                line.end("%%round-voices")?;
            }
            "propagate-accidentals" => {
                let reach = match line.rest().as_str() {
                    "not" => Reach::Not,
                    "octave" => Reach::Octave,
                    "pitch" => Reach::Pitch,
                    _ => return Err(mark.mistake("`not`, `octave` or `pitch` expected")),
                };
                self.reach = reach;
                if let Some(music) = music {
                    music.accidentals.reach = reach;
                }
            }
            "MIDI" => {
                let what = line.take_while(|char| !char.is_whitespace());
                if matches!(what.as_str(), "transpose" | "rtranspose" | "grammarsection") {
                    return Err(mark.mistake("transposing is not supported"));
                }
            }
            "transpose" | "octave" => return Err(open.mistake("transposing is not supported")),
            "score" | "staves" => return Err(open.mistake("several voices are not supported")),
            name if name.starts_with("begin") => {
                return Err(open.mistake("blocks of directives are not supported"));
            }
            _ => {}
        }
        Ok(())
    }

    fn into_tune(self, parts: Vec<Part>) -> Result<Tune, Mistake> {
        let unit = self.unit.expect("set where the music begins");
        let (beat, per_minute) = self.tempo.unwrap_or((Some(Time::new(1, 4)), 120));
        Ok(Tune {
            title: self.title.unwrap_or_else(|| "untitled".to_owned()),
            composer: self.composer,
            origin: self.origin,
            meter: self.meter.expect("set where the music begins"),
            key: self.key,
            tempo: Tempo { beat: beat.unwrap_or(unit), per_minute },
            entry: self.entry,
            voices: self.voices,
            parts,
        })
    }
}

/// Reads a distance in bars: `2`, `1/2`.
fn read_bars(line: &mut Line) -> Result<Option<Time>, Mistake> {
    let Some(bars) = line.number()? else { return Ok(None) };
    let mark = line.mark();
    let parts = if line.eat('/') { line.number()? } else { Some(1) };
    match parts {
        Some(parts) => Ok(Some(Time::new(i128::from(bars), i128::from(parts)))),
        None => Err(mark.mistake("a number expected after `/`")),
    }
}

/// Reads what follows `M:`.
fn read_meter(line: &mut Line) -> Result<Meter, Mistake> {
    let mark = line.mark();
    let name = line.rest();
    let (bar, strict) = match name.as_str() {
        "C" => (Time::ONE, true),
        "C|" => (Time::ONE, true),
        "none" | "" => (Time::ONE, false),
        _ => {
            let mut number = Line::part(mark, &name);
            let bar = number.fraction()?.ok_or_else(|| {
                mark.mistake(format!("`{name}` is no meter: 4/4, 6/8, C, C| and none are"))
            })?;
            number.end("M:")?;
            (bar, true)
        }
    };
    let beats = name.split('/').next().unwrap_or_default();
    Ok(Meter { compound: matches!(beats, "6" | "9" | "12"), name, bar, strict })
}

/// Reads what follows `Q:`: beats and how many, in either of the standard's forms, with words in
/// quotes or nothing else around them.
fn read_tempo(line: &mut Line) -> Result<Option<(Option<Time>, u32)>, Mistake> {
    let mut beat: Option<Time> = None;
    let mut found = None;
    loop {
        line.skip_spaces();
        let mark = line.mark();
        let fraction_ahead = (0..).map_while(|n| line.peek_past(n)).find(|c| !c.is_ascii_digit());
        match line.peek() {
            None => break,
            Some('"') => {
                line.take();
                line.skip_past('"', mark, "this text")?;
            }
            Some('0'..='9') if fraction_ahead == Some('/') && found.is_none() => {
                let more = line.fraction()?.unwrap_or(Time::ZERO);
                beat = Some(beat.unwrap_or(Time::ZERO) + more);
            }
            // A number alone counts units, as the standard has it.
            Some('0'..='9') if beat.is_none() && found.is_none() => {
                found = Some((None, line.number()?.unwrap_or(1)));
            }
            Some('=') if beat.is_some() && found.is_none() => {
                line.take();
                line.skip_spaces();
                let mark = line.mark();
                let rate = line.number()?;
                found =
                    Some((beat, rate.ok_or_else(|| mark.mistake("beats per minute expected"))?));
            }
            Some(_) => return Err(mark.mistake("a tempo looks like 1/4=120")),
        }
    }
    if beat.is_some() && found.is_none() {
        return Err(line.mark().mistake("`=` and the beats per minute are missing"));
    }
    Ok(found)
}
