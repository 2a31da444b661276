//! The round as a picture: a lane for each voice, notes as high as they sound, in SVG.

use std::fmt::Write;

use super::listing::grouped;
use super::score::Tune;
use super::time::{Time, clock_face};
use super::{Cue, Record, Round, colour};

/// Room at the left for the voices' names, and at the right.
const LEFT: f64 = 132.0;
const RIGHT: f64 = 28.0;
/// Room at the top for title and bar numbers.
const TOP: f64 = 112.0;
/// Room at the bottom for the clock and the sum.
const BOTTOM: f64 = 74.0;
/// Room between lanes.
const GAP: f64 = 10.0;
/// More notes than this get no tooltip, or the file would be mostly tooltips.
const TOOLTIPS: usize = 5_000;

/// Where things go.
struct Frame {
    /// Width of a bar.
    bar: f64,
    /// Height of a lane.
    lane: f64,
    /// The length of a bar in the tune's time.
    bar_time: Time,
    /// The lowest MIDI number, which is at the bottom of each lane.
    lowest: i32,
    /// Height of a semitone.
    semitone: f64,
    /// Room in each lane for the words under its notes.
    words: f64,
}

impl Frame {
    fn x(&self, time: Time) -> f64 {
        LEFT + (time / self.bar_time).to_f64() * self.bar
    }

    fn lane_top(&self, voice: usize) -> f64 {
        TOP + voice as f64 * (self.lane + GAP.min(self.lane / 3.0))
    }

    fn y(&self, voice: usize, midi: i32) -> f64 {
        let bottom = self.lane_top(voice) + self.lane - self.words;
        bottom - f64::from(midi - self.lowest + 2) * self.semitone
    }
}

/// Draws the round.
pub(crate) fn draw(tune: &Tune, round: Round, cues: &[Cue], records: &[Record]) -> String {
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut svg, tune, round, cues, records);
    svg
}

fn write(
    svg: &mut String,
    tune: &Tune,
    round: Round,
    cues: &[Cue],
    records: &[Record],
) -> std::fmt::Result {
    let midis = || tune.written().flat_map(|bar| &bar.notes).flat_map(|note| &note.pitches);
    let lowest = midis().map(|pitch| pitch.midi()).min().unwrap_or(60);
    let highest = midis().map(|pitch| pitch.midi()).max().unwrap_or(60);
    let end = records.iter().map(|record| record.end).max().unwrap_or(Time::ONE);
    let bars = (end / tune.meter.bar).to_f64();
    let voices = records.len();

    // Words need this much room; a long round goes without them rather than across the street.
    let legible = if bars <= 32.0 { 66.0 } else { 4.0 };
    let bar = (1120.0 / bars).clamp(legible, 130.0);
    let lane = (720.0 / voices as f64).clamp(12.0, 118.0);
    let has_words = bar >= 56.0 && lane >= 60.0;
    let words = if has_words { 17.0 } else { 0.0 };
    let semitone = ((lane - words) / f64::from(highest - lowest + 4)).min(9.0);
    let frame = Frame { bar, lane, bar_time: tune.meter.bar, lowest, semitone, words };
    let width = frame.x(end) + RIGHT;
    let floor = frame.lane_top(voices - 1) + lane;
    let height = floor + BOTTOM;

    writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.0} {height:.0}" font-family="Helvetica, Arial, 'DejaVu Sans', sans-serif" font-size="12" fill="#333a45">"##
    )?;
    writeln!(svg, r##"<rect width="100%" height="100%" fill="#fcfcfa"/>"##)?;
    write_title(svg, tune, round, width)?;
    write_grid(svg, tune, &frame, end, floor)?;
    for (voice, record) in records.iter().enumerate() {
        write_lane(svg, &frame, voice, record, lane >= 54.0)?;
    }
    for cue in cues {
        write_notes(svg, tune, &frame, cue, cues.len() <= TOOLTIPS)?;
        if has_words && cue.turn.index == 0 {
            write_words(svg, &frame, cue)?;
        }
    }
    let alone: Time = records.iter().map(|record| record.end - record.entry).sum();
    writeln!(
        svg,
        r#"<text x="{LEFT}" y="{:.1}" font-size="13">{} of singing in {}, on one thread</text>"#,
        floor + 52.0,
        clock_face(tune.tempo.seconds(alone)),
        clock_face(tune.tempo.seconds(end))
    )?;
    writeln!(svg, "</svg>")
}

fn write_title(svg: &mut String, tune: &Tune, round: Round, width: f64) -> std::fmt::Result {
    writeln!(
        svg,
        r##"<text x="24" y="40" font-size="24" font-weight="bold" fill="#1d232c">{}</text>"##,
        escape(&tune.title)
    )?;
    let bars = round.distance / tune.meter.bar;
    let apart = match bars {
        Time::ZERO => "in unison".to_owned(),
        Time::ONE => "one bar apart".to_owned(),
        _ => format!("{bars} bars apart"),
    };
    let many = round.voices > 1;
    let voices =
        if many { format!("{} voices, {apart}", round.voices) } else { "1 voice".to_owned() };
    writeln!(
        svg,
        r##"<text x="24" y="63" font-size="13" fill="#667080">{}, {}, {} = {}; {voices}</text>"##,
        escape(&tune.key),
        escape(&tune.meter.name),
        tune.tempo.beat,
        tune.tempo.per_minute
    )?;
    // The legend, as far as it fits beside the title.
    let fits = ((width - 520.0) / 76.0).clamp(1.0, 8.0) as usize;
    let shown = fits.min(round.voices as usize);
    let more = round.voices as usize - shown;
    let mut x = width - RIGHT - 76.0 * shown as f64 - if more > 0 { 90.0 } else { 0.0 };
    for voice in 0..shown {
        writeln!(
            svg,
            r#"<rect x="{x:.1}" y="30" width="12" height="12" rx="3" fill="{}"/><text x="{:.1}" y="40">voice {}</text>"#,
            colour::hex(voice),
            x + 17.0,
            voice + 1
        )?;
        x += 76.0;
    }
    if more > 0 {
        writeln!(svg, r#"<text x="{x:.1}" y="40">and {} more</text>"#, grouped(more))?;
    }
    Ok(())
}

/// Bar lines with their numbers above and the clock below.
fn write_grid(
    svg: &mut String,
    tune: &Tune,
    frame: &Frame,
    end: Time,
    floor: f64,
) -> std::fmt::Result {
    // As many numbers as can be told apart, at a distance that counts well.
    let every = [1, 2, 4, 8, 16, 32, 64, 128].into_iter().find(|&n| n as f64 * frame.bar >= 40.0);
    let every = every.unwrap_or(256);
    let (top, roof) = (TOP - 10.0, TOP - 18.0);
    let mut number = 1;
    let mut time = tune.upbeat();
    while time <= end {
        let x = frame.x(time);
        let numbered = (number - 1) % every == 0;
        let line = if numbered { "#c3c9d2" } else { "#e6e8ec" };
        if numbered || frame.bar >= 8.0 {
            writeln!(svg, r#"<path d="M{x:.1} {top}V{floor:.1}" stroke="{line}"/>"#)?;
        }
        if numbered {
            let bottom = floor + 22.0;
            let clock = clock_face(tune.tempo.seconds(time));
            if time < end {
                writeln!(
                    svg,
                    r##"<text x="{:.1}" y="{roof}" text-anchor="middle" fill="#667080">{number}</text>"##,
                    x + frame.bar / 2.0
                )?;
            }
            writeln!(
                svg,
                r##"<text x="{x:.1}" y="{bottom:.1}" text-anchor="middle" font-size="11" fill="#8a93a0">{clock}</text>"##
            )?;
        }
        number += 1;
        time += frame.bar_time;
    }
    writeln!(svg, r##"<text x="24" y="{roof}" fill="#667080">bar</text>"##)?;
    writeln!(
        svg,
        r##"<text x="24" y="{:.1}" font-size="11" fill="#8a93a0">time</text>"##,
        floor + 22.0
    )
}

/// A voice's name, and the stretch in which it sings.
fn write_lane(
    svg: &mut String,
    frame: &Frame,
    voice: usize,
    record: &Record,
    roomy: bool,
) -> std::fmt::Result {
    let (colour, top) = (colour::hex(voice), frame.lane_top(voice));
    let (from, to) = (frame.x(record.entry), frame.x(record.end));
    writeln!(
        svg,
        r#"<rect x="{from:.1}" y="{top:.1}" width="{:.1}" height="{:.1}" rx="6" fill="{colour}" fill-opacity="0.08"/>"#,
        to - from,
        frame.lane
    )?;
    let middle = top + frame.lane / 2.0;
    if !roomy {
        return writeln!(
            svg,
            r#"<text x="24" y="{:.1}" font-size="{:.0}" fill="{colour}">voice {}</text>"#,
            middle + 4.0,
            frame.lane.clamp(9.0, 13.0),
            voice + 1
        );
    }
    writeln!(
        svg,
        r#"<text x="24" y="{:.1}" font-size="14" font-weight="bold" fill="{colour}">voice {}</text>"#,
        middle - 6.0,
        voice + 1
    )?;
    writeln!(
        svg,
        r##"<text x="24" y="{:.1}" font-size="11" fill="#667080">{} notes</text>"##,
        middle + 9.0,
        grouped(record.sung.notes)
    )?;
    writeln!(
        svg,
        r##"<text x="24" y="{:.1}" font-size="11" fill="#667080">{} resumes</text>"##,
        middle + 23.0,
        grouped(record.resumes)
    )
}

fn write_notes(
    svg: &mut String,
    tune: &Tune,
    frame: &Frame,
    cue: &Cue,
    tooltip: bool,
) -> std::fmt::Result {
    let Some((midis, sounds)) = cue.sound() else { return Ok(()) };
    let x = frame.x(cue.now);
    // A hair of air between notes, unless they are thin as hairs themselves.
    let whole = frame.x(cue.now + sounds) - x;
    let width = if whole > 4.0 { whole - 1.5 } else { whole };
    let height = (frame.semitone * 1.7).max(1.5);
    let colour = colour::hex(cue.voice);
    let pitches = &cue.turn.bar.notes[cue.turn.index].pitches;
    for (midi, pitch) in midis.zip(pitches) {
        let y = frame.y(cue.voice, midi) - height / 2.0;
        write!(
            svg,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="{:.1}" fill="{colour}""#,
            (height / 3.0).min(3.0)
        )?;
        if tooltip {
            let clock = clock_face(tune.tempo.seconds(cue.now));
            let place = cue.turn.place;
            writeln!(
                svg,
                "><title>voice {}, its bar {}: {pitch} at {clock}</title></rect>",
                cue.voice + 1,
                place.bar
            )?;
        } else {
            writeln!(svg, "/>")?;
        }
    }
    Ok(())
}

fn write_words(svg: &mut String, frame: &Frame, cue: &Cue) -> std::fmt::Result {
    let words = cue.turn.bar.words(cue.turn.place.pass);
    if words.is_empty() {
        return Ok(());
    }
    let room = (cue.turn.bar.length() / frame.bar_time).to_f64() * frame.bar - 8.0;
    // Letters of this size are about this wide; what is wider is squeezed into its bar.
    let natural = words.chars().count() as f64 * 5.6;
    let squeeze = if natural > room {
        format!(r#" textLength="{room:.0}" lengthAdjust="spacingAndGlyphs""#)
    } else {
        String::new()
    };
    writeln!(
        svg,
        r##"<text x="{:.1}" y="{:.1}" font-size="10" fill="#4a5361"{squeeze}>{}</text>"##,
        frame.x(cue.now) + 4.0,
        frame.lane_top(cue.voice) + frame.lane - 6.0,
        escape(&words)
    )
}

/// Text as XML wants it.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // XML 1.0 has no way to write these.
            char if char.is_control() => escaped.push('\u{fffd}'),
            char => escaped.push(char),
        }
    }
    escaped
}
