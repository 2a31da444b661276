//! A frame: the map, the side panel, the box at the bottom.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use crate::market::Market;
use crate::panel;
use crate::plan::{HEIGHT, NOODLES, ROOF, STALLS, WIDTH};
use crate::world::{Mood, Place, World};

/// Columns of a frame.
pub(crate) const COLUMNS: u16 = 80;
/// Rows of a frame.
pub(crate) const ROWS: u16 = 24;

/// Ink of the frame and of what is less important.
const DIM: Color = Color::Rgb(110, 115, 140);
/// Ink of text.
const TEXT: Color = Color::Rgb(225, 220, 205);
/// Ink of what counts.
const GOLD: Color = Color::Rgb(250, 200, 90);

/// A colour between two.
fn mix(from: (u8, u8, u8), to: (u8, u8, u8), part: f64) -> Color {
    let part = part.clamp(0.0, 1.0);
    let channel =
        |from: u8, to: u8| (f64::from(from) + (f64::from(to) - f64::from(from)) * part) as u8;
    Color::Rgb(channel(from.0, to.0), channel(from.1, to.1), channel(from.2, to.2))
}

/// What a frame is drawn with.
struct Canvas<'a> {
    /// Where to.
    cells: &'a mut Buffer,
}

impl Canvas<'_> {
    /// Puts a sign on the map, if it is on it. What is behind stays.
    fn put(&mut self, place: Place, sign: &str, ink: Color) {
        let (x, y) = (place.x.round(), place.y.round());
        if (0.0..f64::from(WIDTH)).contains(&x) && (0.0..f64::from(HEIGHT)).contains(&y) {
            self.cells[(x as u16, y as u16 + 1)].set_symbol(sign).set_fg(ink);
        }
    }

    /// Writes a line that does not go further than this.
    fn write(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        self.cells.set_stringn(x, y, text, usize::from(width), style);
    }
}

/// Draws a frame; `note` goes to its first line.
pub(crate) fn frame(market: &Market, note: &str, cells: &mut Buffer) {
    cells.reset();
    let world = &market.world;
    let mut canvas = Canvas { cells };
    ground(&mut canvas, world);
    fireflies(&mut canvas, world);
    stalls(&mut canvas, world);
    villagers(&mut canvas, world);
    dragon(&mut canvas, world);
    rockets(&mut canvas, world);
    rain(&mut canvas, world, market.seconds());
    title(&mut canvas, market, note);
    side(&mut canvas, market);
    speech(&mut canvas, world);
    if world.paused_sign {
        let style = Style::new().fg(Color::Rgb(20, 20, 40)).bg(GOLD);
        canvas.write(WIDTH / 2 - 6, HEIGHT / 2, 12, "   PAUSED   ", style);
    }
}

/// An empty frame.
pub(crate) fn paper() -> Buffer {
    Buffer::empty(Rect::new(0, 0, COLUMNS, ROWS))
}

/// Night above, earth below, lighter as the lanterns are.
fn ground(canvas: &mut Canvas<'_>, world: &World) {
    for y in 0..HEIGHT {
        let depth = f64::from(y) / f64::from(HEIGHT);
        for x in 0..WIDTH {
            let dark = (8.0 + depth * 14.0, 9.0 + depth * 9.0, 26.0 - depth * 6.0);
            let dark = (dark.0 as u8, dark.1 as u8, dark.2 as u8);
            let near = STALLS.iter().map(|stall| {
                let centre = Place::at(f64::from(stall.column) + 3.5, f64::from(stall.row) + 1.0);
                Place::at(f64::from(x), f64::from(y)).to(centre).2
            });
            let glow = (1.0 - near.fold(f64::MAX, f64::min) / 12.0).max(0.0) * world.lanterns * 0.5;
            let cell = &mut canvas.cells[(x, y + 1)];
            cell.set_bg(mix(dark, (120, 76, 36), glow));
            let tuft = (x * 7 + y * 13) % 23 == 0;
            if tuft {
                cell.set_symbol("·").set_fg(Color::Rgb(70, 80, 70));
            }
        }
    }
}

/// Roofs, names, lanterns.
fn stalls(canvas: &mut Canvas<'_>, world: &World) {
    for (number, stall) in STALLS.iter().enumerate() {
        let (r, g, b) = stall.colour;
        let light = 0.35 + 0.65 * world.lanterns;
        let cloth = mix((20, 18, 30), (r, g, b), light);
        let other = mix((20, 18, 30), (240, 230, 215), light);
        for i in 0..ROOF {
            let bg = if i % 2 == 0 { cloth } else { other };
            let cell = &mut canvas.cells[(stall.column + i, stall.row + 1)];
            cell.set_symbol(" ").set_bg(bg);
        }
        let covered = number == NOODLES && world.covered;
        let name = if covered { "covered" } else { stall.name };
        let style = Style::new().fg(mix((60, 55, 60), (255, 240, 200), world.lanterns));
        canvas.write(
            stall.column + (ROOF - name.len() as u16) / 2,
            stall.row + 2,
            ROOF,
            name,
            style,
        );
        let lantern = mix((60, 40, 30), (255, 190, 90), world.lanterns);
        for column in [stall.column, stall.column + ROOF - 1] {
            canvas.put(Place::at(f64::from(column), f64::from(stall.row) - 1.0), "•", lantern);
        }
    }
}

/// Points of light; the more in a cell, the brighter.
fn fireflies(canvas: &mut Canvas<'_>, world: &World) {
    let mut lights = [0_u32; WIDTH as usize * HEIGHT as usize];
    for firefly in world.fireflies.iter().filter(|firefly| firefly.lit) {
        let (x, y) = (firefly.place.x as usize, firefly.place.y as usize);
        if let Some(light) = lights.get_mut(y * usize::from(WIDTH) + x) {
            *light += 1;
        }
    }
    for (at, light) in lights.into_iter().enumerate().filter(|(_, light)| *light > 0) {
        let part = (f64::from(light) / 12.0).sqrt().min(1.0);
        let sign = if light > 6 { "*" } else { "·" };
        let place = Place::at((at % usize::from(WIDTH)) as f64, (at / usize::from(WIDTH)) as f64);
        canvas.put(place, sign, mix((120, 150, 60), (245, 255, 150), part));
    }
}

/// People, as many as there are in a cell.
fn villagers(canvas: &mut Canvas<'_>, world: &World) {
    for (number, villager) in world.villagers.iter().enumerate().filter(|(_, one)| !one.gone) {
        let (sign, ink) = match villager.mood {
            Mood::Walks => (["o", "ö", "o", "ô"][number % 4], (205, 190, 170)),
            Mood::Looks => ("o", (240, 215, 160)),
            Mood::Runs => ("ø", (150, 200, 255)),
            Mood::Dry => ("o", (120, 160, 200)),
            Mood::Cheers => ("Y", (255, 225, 120)),
        };
        let shade = 0.6 + 0.4 * f64::from(number as u32 % 5) / 4.0;
        canvas.put(villager.place, sign, mix((30, 25, 35), ink, shade));
    }
}

/// The guest, with what is left of it.
fn dragon(canvas: &mut Canvas<'_>, world: &World) {
    let Some(dragon) = &world.dragon else { return };
    let hurt = 1.0 - f64::from(dragon.health.clamp(0, 100)) / 100.0;
    let ink = mix((255, 90, 70), (120, 60, 60), hurt);
    let body = if dragon.curled { "@" } else { "▓" };
    let length = if dragon.curled { 3 } else { 9 };
    for i in (0..length).rev() {
        let back = f64::from(i);
        let wave = if dragon.curled { 0.0 } else { ((dragon.place.x - back) * 0.7).sin() * 1.2 };
        let at = Place::at(dragon.place.x - back, dragon.place.y + wave);
        canvas.put(at, if i == 0 { "◉" } else { body }, if i == 0 { GOLD } else { ink });
    }
    for (number, spark) in dragon.sparks.iter().enumerate() {
        canvas.put(*spark, "✦", mix((120, 60, 30), (255, 220, 120), number as f64 / 12.0));
    }
    let full = (dragon.health.clamp(0, 100) as u16 * 20).div_ceil(100);
    for i in 0..20 {
        let bar = if i < full { Color::Rgb(230, 80, 70) } else { Color::Rgb(60, 40, 50) };
        canvas.cells[(WIDTH / 2 - 10 + i, 1)].set_symbol("━").set_fg(bar);
    }
}

/// Rockets, and what they burst into.
fn rockets(canvas: &mut Canvas<'_>, world: &World) {
    for (place, burst) in &world.rockets {
        if *burst == 0.0 {
            canvas.put(*place, "|", GOLD);
            continue;
        }
        for spoke in 0..10 {
            let turn = f64::from(spoke) * std::f64::consts::TAU / 10.0;
            let far = burst * 3.5;
            let at = Place::at(place.x + 2.0 * far * turn.cos(), place.y + far * turn.sin());
            let inks = [(255, 120, 120), (120, 220, 255), (255, 230, 130)];
            let ink = inks[(place.x as usize + spoke as usize) % 3];
            canvas.put(at, "*", mix(ink, (30, 25, 40), *burst * 0.8));
        }
    }
}

/// Streaks that fall.
fn rain(canvas: &mut Canvas<'_>, world: &World, seconds: f64) {
    let drops = (world.rain * 90.0) as u64;
    for drop in 0..drops {
        let number = crate::plan::dice(3, drop, 1);
        let x = (number % u64::from(WIDTH)) as f64;
        let speed = 14.0 + (number >> 20 & 7) as f64;
        let y = ((number >> 8 & 255) as f64 + seconds * speed) % f64::from(HEIGHT);
        canvas.put(Place::at(x, y.floor()), "╱", Color::Rgb(110, 140, 190));
    }
}

/// The first line.
fn title(canvas: &mut Canvas<'_>, market: &Market, note: &str) {
    let style = Style::new().fg(Color::Rgb(25, 20, 40)).bg(GOLD);
    canvas.write(0, 0, COLUMNS, &" ".repeat(usize::from(COLUMNS)), style);
    let clock = format!(" NIGHT MARKET  {:5.1} s  x{:.2}", market.seconds(), market.speed());
    canvas.write(0, 0, COLUMNS, &clock, style);
    let right = COLUMNS.saturating_sub(note.chars().count() as u16 + 1);
    canvas.write(right, 0, COLUMNS - right, note, style);
}

/// Every script with its label, its wait, and the line of that.
fn side(canvas: &mut Canvas<'_>, market: &Market) {
    let left = WIDTH + 1;
    let width = COLUMNS - left;
    for y in 1..ROWS - 1 {
        canvas.cells[(WIDTH, y)].set_symbol("│").set_fg(DIM);
    }
    let head = format!(
        "{} scripts, {} ran, {} polls",
        market.scripts(),
        market.report.resumes,
        market.report.polls
    );
    canvas.write(left, 1, width, &head, Style::new().fg(GOLD));
    let rows = usize::from(ROWS - 3) / 2;
    for (number, family) in market.roll(rows).iter().enumerate() {
        let row = panel::row(family);
        let y = 2 + number as u16 * 2;
        let ink = if row.leads { TEXT } else { Color::Rgb(175, 175, 185) };
        canvas.write(left, y, width, &row.what, Style::new().fg(ink));
        canvas.write(left + 2, y + 1, width - 2, &row.wait, Style::new().fg(DIM));
    }
}

/// The box at the bottom, and the keys.
fn speech(canvas: &mut Canvas<'_>, world: &World) {
    let top = HEIGHT + 1;
    for x in 0..WIDTH {
        canvas.cells[(x, top)].set_symbol("─").set_fg(DIM);
    }
    let speech = &world.speech;
    if !speech.line.is_empty() {
        canvas.write(1, top, WIDTH - 2, &format!(" {} ", speech.who), Style::new().fg(GOLD));
        canvas.write(2, top + 1, WIDTH - 3, &speech.line, Style::new().fg(TEXT));
    } else if let Some((_, last)) = world.story.last() {
        canvas.write(2, top + 1, WIDTH - 3, last, Style::new().fg(DIM));
    }
    for (number, choice) in speech.choices.iter().enumerate() {
        canvas.write(4, top + 2 + number as u16, WIDTH - 5, choice, Style::new().fg(GOLD));
    }
    let bowls = format!("bowls sold {}   fireflies {}", world.bowls, world.fireflies.len());
    canvas.write(2, top + 5, WIDTH - 3, &bowls, Style::new().fg(DIM));
    let keys = " space pause  +/- speed  enter skip  a/b choose  k send home  123 fireflies  q";
    let style = Style::new().fg(DIM).bg(Color::Rgb(24, 24, 38));
    canvas.write(0, ROWS - 1, COLUMNS, &format!("{keys:80}"), style);
}
