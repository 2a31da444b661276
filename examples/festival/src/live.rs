//! The market in a terminal.

use std::error::Error;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind};
use ratatui::layout::Rect;

use crate::draw;
use crate::market::{Input, Market};
use crate::options::Options;

/// The length of a frame.
const FRAME: Duration = Duration::from_micros(16_667);

/// Shows the market until somebody presses `q`.
///
/// # Errors
/// When there is no terminal, or it cannot be written to.
pub fn watch(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut market = Market::new(options.seed);
    market.add_fireflies(options.fireflies);
    let mut terminal = ratatui::try_init()?;
    let watched = show(&mut market, &mut terminal);
    ratatui::restore();
    watched
}

/// The loop.
fn show(
    market: &mut Market,
    terminal: &mut ratatui::DefaultTerminal,
) -> Result<(), Box<dyn Error>> {
    let mut last = Instant::now();
    let (mut ticked, mut drawn) = (Duration::ZERO, Duration::ZERO);
    let mut paper = draw::paper();
    loop {
        let start = Instant::now();
        // After a hitch the market goes on where it was.
        let dt = (start - last).min(Duration::from_millis(100));
        last = start;
        market.step(dt.as_secs_f64());
        // Smoothed, so that it can be read.
        ticked = (ticked * 15 + start.elapsed()) / 16;
        let note = format!("tick {:5.2} ms  draw {:5.2} ms", ms(ticked), ms(drawn));
        let drawing = Instant::now();
        draw::frame(market, &note, &mut paper);
        terminal.draw(|frame| {
            let area = frame.area().intersection(Rect::new(0, 0, draw::COLUMNS, draw::ROWS));
            for y in 0..area.height {
                for x in 0..area.width {
                    frame.buffer_mut()[(x, y)] = paper[(x, y)].clone();
                }
            }
        })?;
        drawn = (drawn * 15 + drawing.elapsed()) / 16;
        if !keys(market, FRAME.saturating_sub(start.elapsed()))? {
            return Ok(());
        }
    }
}

/// Milliseconds.
fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Does what keys say until the frame is over. Returns whether to go on.
fn keys(market: &mut Market, time: Duration) -> Result<bool, Box<dyn Error>> {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if !event::poll(left)? {
            return Ok(true);
        }
        let Event::Key(key) = event::read()? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Ok(false),
            KeyCode::Char(' ') => market.toggle_pause(),
            KeyCode::Char('+' | '=') => market.set_speed((market.speed() * 1.5).min(16.0)),
            KeyCode::Char('-') => market.set_speed((market.speed() / 1.5).max(0.05)),
            KeyCode::Char('k') => market.send_home(),
            KeyCode::Char('1') => market.add_fireflies(1_000),
            KeyCode::Char('2') => market.add_fireflies(10_000),
            KeyCode::Char('3') => market.add_fireflies(100_000),
            KeyCode::Enter => market.say(Input::Skip),
            KeyCode::Char('a') => market.say(Input::Quiet),
            KeyCode::Char('b') => market.say(Input::Fireworks),
            _ => {}
        }
    }
}
