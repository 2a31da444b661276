//! The market without a terminal: a transcript, pictures, what a frame costs.

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use crate::draw;
use crate::market::Market;
use crate::options::Options;
use crate::svg::picture;

/// Runs the market as the options say.
///
/// # Errors
/// When a file cannot be written.
pub fn watch(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut market = Market::new(options.seed);
    market.add_idle(options.idle);
    market.add_fireflies(options.fireflies);
    let mut keys: Vec<_> = options.keys.clone();
    keys.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut keys = keys.into_iter().peekable();
    let mut cells = draw::paper();
    let mut costs = Vec::new();
    for frame in 0..=options.frames {
        while let Some((_, key)) = keys.next_if(|(at, _)| *at <= f64::from(frame) / options.rate) {
            market.say(key);
        }
        let start = Instant::now();
        // The first frame is the one at which it opens.
        market.step(if frame == 0 { 0.0 } else { 1.0 / options.rate });
        if options.measure {
            let ticked = start.elapsed();
            draw::frame(&market, "", &mut cells);
            costs.push((ticked, start.elapsed()));
        }
        for (_, file) in options.pictures.iter().filter(|(wanted, _)| *wanted == frame) {
            fs::write(file, picture(&market))?;
        }
    }
    if options.measure {
        tell(&market, &mut costs);
    }
    match &options.transcript {
        Some(file) => fs::write(file, market.transcript())?,
        None if !options.measure => print!("{}", market.transcript()),
        None => {}
    }
    Ok(())
}

/// Prints what frames have cost. The first second is left out: everybody takes a stack in it.
fn tell(market: &Market, costs: &mut Vec<(Duration, Duration)>) {
    let warm = costs.len().min(60);
    let mut ticks: Vec<_> = costs.drain(warm..).collect();
    if ticks.is_empty() {
        println!("too few frames to measure");
        return;
    }
    let mut frames: Vec<_> = ticks.iter().map(|(_, both)| *both).collect();
    frames.sort_unstable();
    ticks.sort_unstable();
    let at = |all: usize, part: f64| ((all - 1) as f64 * part) as usize;
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!("{} scripts, {} frames", market.scripts(), frames.len());
    println!(
        "tick: median {:.3} ms, p99 {:.3} ms",
        ms(ticks[at(ticks.len(), 0.5)].0),
        ms(ticks[at(ticks.len(), 0.99)].0)
    );
    println!(
        "tick + draw: median {:.3} ms, p99 {:.3} ms, worst {:.3} ms",
        ms(frames[at(frames.len(), 0.5)]),
        ms(frames[at(frames.len(), 0.99)]),
        ms(frames[frames.len() - 1])
    );
}
