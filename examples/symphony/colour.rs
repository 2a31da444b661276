//! A colour for each voice, the same on the terminal and on the timeline.

/// Colours that stay apart on white and on black, for as many voices as most rounds have.
const FIRST: [[u8; 3]; 8] = [
    [0x2f, 0x6f, 0xde],
    [0xe0, 0x5d, 0x44],
    [0x1f, 0x9e, 0x6e],
    [0xb5, 0x5b, 0xc9],
    [0xd9, 0x93, 0x10],
    [0x0e, 0x9a, 0xb0],
    [0xd6, 0x4a, 0x8b],
    [0x7a, 0x8c, 0x1c],
];

/// The red, green and blue of a voice (the first is 0).
pub(crate) fn of_voice(voice: usize) -> [u8; 3] {
    match FIRST.get(voice) {
        Some(&colour) => colour,
        // The golden angle keeps the hues of neighbours far apart, however many there are.
        None => from_hue((voice as f64 * 137.508) % 360.0),
    }
}

/// The colour as SVG writes it.
pub(crate) fn hex(voice: usize) -> String {
    let [red, green, blue] = of_voice(voice);
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn from_hue(hue: f64) -> [u8; 3] {
    // HSL with saturation 0.55 and lightness 0.48, by the closed formula for one channel.
    let channel = |offset: f64| {
        let k = (offset + hue / 30.0) % 12.0;
        let value = 0.48 - 0.26 * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0);
        (value * 255.0).round() as u8
    };
    [channel(0.0), channel(8.0), channel(4.0)]
}
