//! The round as sound: a soft struck tone for each note, the voices spread from left to right.

use std::collections::HashMap;
use std::f32::consts::TAU;
use std::path::Path;

use super::Cue;
use super::time::Tempo;

/// Samples a second.
pub(crate) const RATE: u32 = 44_100;

/// Seconds after the last note's end, in which it dies away.
pub(crate) const TAIL: f64 = 1.0;

/// Longer sound would take more memory than is polite: about 600 MB at this length.
const LONGEST: f64 = 30.0 * 60.0;

/// The loudest sample, as a part of what the file can hold.
const PEAK: f32 = 0.85;

/// How loud each harmonic is: at the stroke, and once it has mellowed.
const BRIGHT: [f32; 6] = [1.0, 0.55, 0.34, 0.20, 0.10, 0.06];
const MELLOW: [f32; 6] = [1.0, 0.22, 0.08, 0.02, 0.0, 0.0];

/// Samples in one period of a table.
const PERIOD: usize = 1024;

/// One period of a tone, bright and mellow.
type Tables = [Vec<f32>; 2];

/// The round as pairs of samples between -1 and 1.
pub(crate) fn render(tempo: Tempo, voices: u32, cues: &[Cue]) -> Result<Vec<[f32; 2]>, String> {
    let end = cues
        .iter()
        .map(|cue| cue.now + cue.note().length)
        .max()
        .map_or(0.0, |end| tempo.seconds(end));
    if end > LONGEST {
        return Err(format!(
            "the sound would last {:.0} minutes, more than {:.0}: use fewer voices or a smaller \
             --entry",
            end / 60.0,
            LONGEST / 60.0
        ));
    }
    let length = ((end + TAIL) * f64::from(RATE)).ceil() as usize;
    let mut mix = vec![[0.0; 2]; length];
    let mut tables = HashMap::new();
    for cue in cues {
        let Some((pitches, sounds)) = cue.sound() else { continue };
        let from = (tempo.seconds(cue.now) * f64::from(RATE)) as usize;
        let seconds = tempo.seconds(sounds) as f32;
        let sides = pan(cue.voice, voices);
        for midi in pitches {
            let frequency = 440.0 * ((midi - 69) as f32 / 12.0).exp2();
            let tables = tables
                .entry(midi)
                .or_insert_with(|| [BRIGHT, MELLOW].map(|loudness| table(frequency, loudness)));
            strike(&mut mix[from..], frequency, seconds, sides, tables);
        }
    }
    echo(&mut mix);
    let loudest = mix.iter().flatten().fold(0.0, |loudest: f32, sample| loudest.max(sample.abs()));
    if loudest > 0.0 {
        mix.iter_mut().flatten().for_each(|sample| *sample *= PEAK / loudest);
    }
    Ok(mix)
}

/// Writes the samples as a WAV file of 16 bits.
pub(crate) fn write(path: &Path, samples: &[[f32; 2]]) -> hound::Result<()> {
    let format = hound::WavSpec {
        channels: 2,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, format)?;
    for sample in samples.iter().flatten() {
        file.write_sample((sample * f32::from(i16::MAX)).round() as i16)?;
    }
    file.finalize()
}

/// How loud a voice is on the left and on the right: the same power wherever it stands.
fn pan(voice: usize, voices: u32) -> [f32; 2] {
    let across = match voices {
        0 | 1 => 0.5,
        _ => voice as f32 / (voices - 1) as f32,
    };
    // From 15% to 85% of the way, for nobody stands inside a loudspeaker.
    let angle = (0.15 + 0.7 * across) * TAU / 4.0;
    [angle.cos(), angle.sin()]
}

fn table(frequency: f32, loudness: [f32; 6]) -> Vec<f32> {
    // Harmonics that the sample rate cannot hold would come back as wrong notes.
    let highest = RATE as f32 / 2.0 / frequency;
    let wave = |at: usize| -> f32 {
        let harmonics = loudness.iter().zip(1..).filter(|&(_, number)| (number as f32) < highest);
        let angle = TAU * at as f32 / PERIOD as f32;
        harmonics.map(|(&loud, number)| loud * (angle * number as f32).sin()).sum()
    };
    (0..PERIOD).map(wave).collect()
}

/// Adds one note to the mix.
fn strike(mix: &mut [[f32; 2]], frequency: f32, seconds: f32, sides: [f32; 2], tables: &Tables) {
    let rate = RATE as f32;
    // A breath before the next note, so that repeated notes stay apart.
    let held = seconds - (0.1 * seconds).min(0.06);
    let attack = 0.012;
    let fade = 0.09_f32;
    // High notes die sooner, as on any string.
    let decay = (-(0.7 + frequency / 600.0) / rate).exp();
    let mellowing = (-7.0 / rate).exp();
    let release = (-1.0 / (fade * rate)).exp();
    let (mut loud, mut bright, mut phase) = (0.22_f32, 1.0_f32, 0.0_f32);
    let step = frequency / rate * PERIOD as f32;
    for (at, sample) in mix.iter_mut().enumerate() {
        let now = at as f32 / rate;
        if now > held {
            loud *= release;
            if loud < 1e-5 {
                break;
            }
        }
        let before = phase as usize % PERIOD;
        let after = (before + 1) % PERIOD;
        let between = phase.fract();
        let [hard, soft] = [&tables[0], &tables[1]]
            .map(|table| table[before] + between * (table[after] - table[before]));
        let tone = loud * (now / attack).min(1.0) * (soft + bright * (hard - soft));
        sample[0] += tone * sides[0];
        sample[1] += tone * sides[1];
        loud *= decay;
        bright *= mellowing;
        phase = (phase + step) % PERIOD as f32;
    }
}

/// A little of each side comes back from the other wall.
fn echo(mix: &mut [[f32; 2]]) {
    for (seconds, loud) in [(0.043, 0.16), (0.071, 0.12), (0.113, 0.07)] {
        let delay = (seconds * RATE as f32) as usize;
        // Backwards, so that an echo is not echoed within one round of this loop.
        for at in (delay..mix.len()).rev() {
            let [left, right] = mix[at - delay];
            mix[at][0] += loud * right;
            mix[at][1] += loud * left;
        }
    }
}
