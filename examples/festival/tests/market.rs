//! The evening is the same each time: a transcript against a file, at several frame rates, in company.

use festival::{Input, Market, picture};

/// What is to happen with seed 7 at 60 frames per second, if nobody presses a key.
const GOLDEN: &str = include_str!("golden.txt");

/// The market after so many seconds at this rate; `each` is called before each frame with its number.
fn play(seed: u64, rate: f64, seconds: f64, mut each: impl FnMut(&mut Market, u32)) -> Market {
    let mut market = Market::new(seed);
    market.step(0.0);
    for frame in 0..(seconds * rate) as u32 {
        each(&mut market, frame);
        market.step(1.0 / rate);
    }
    market
}

/// What is written in the picture, without the blanks.
fn letters(market: &Market) -> String {
    let svg = picture(market);
    let signs = svg.split("</text>").filter_map(|part| part.rsplit_once('>'));
    signs.map(|(_, sign)| sign).collect()
}

/// Nobody presses anything.
fn nothing(_: &mut Market, _: u32) {}

#[test]
fn the_same_seed_gives_the_same_evening_byte_for_byte() {
    let evening = play(7, 60.0, 32.0, nothing).transcript();
    assert_eq!(evening, GOLDEN);
    assert_ne!(play(8, 60.0, 32.0, nothing).transcript(), GOLDEN);
}

#[test]
fn the_same_happens_at_every_frame_rate() {
    let at_60 = play(7, 60.0, 32.0, nothing);
    for rate in [30.0, 144.0] {
        assert_eq!(play(7, rate, 32.0, nothing).events(), at_60.events(), "at {rate} Hz");
    }
}

#[test]
fn ten_thousand_idle_scripts_change_nothing() {
    let mut market = Market::new(7);
    market.add_idle(10_000);
    market.step(0.0);
    for _ in 0..32 * 60 {
        market.step(1.0 / 60.0);
    }
    assert!(market.scripts() >= 10_000);
    assert_eq!(market.transcript(), GOLDEN);
}

#[test]
fn fireflies_change_nothing_but_the_light() {
    let lit = play(7, 60.0, 32.0, |market, frame| {
        if frame == 10 {
            market.add_fireflies(1_000);
        }
    });
    assert_eq!(lit.transcript(), GOLDEN);
}

#[test]
fn the_opening_can_be_skipped_and_the_choice_is_heard() {
    let quiet = play(7, 60.0, 6.0, |market, frame| match frame {
        30 => market.say(Input::Skip),
        60 => market.say(Input::Quiet),
        _ => {}
    });
    let events = quiet.events();
    assert_eq!(events[1..3], ["the opening is skipped", "it will be a quiet night"]);
    let loud = play(7, 60.0, 6.0, |market, frame| {
        if frame == 270 {
            market.say(Input::Fireworks);
        }
    });
    assert_eq!(loud.events()[1..], ["there will be fireworks", "the first rocket goes up"]);
}

#[test]
fn a_pause_stops_the_evening_and_not_the_menu() {
    let mut market = play(7, 60.0, 1.0, nothing);
    market.toggle_pause();
    assert!(market.is_paused());
    let seconds = market.seconds();
    let mut blinked = false;
    for _ in 0..120 {
        market.step(1.0 / 60.0);
        blinked |= letters(&market).contains("PAUSED");
    }
    assert!(blinked && market.seconds() == seconds);
    market.toggle_pause();
    market.set_speed(2.0);
    for _ in 0..60 {
        market.step(1.0 / 60.0);
    }
    assert!((market.seconds() - seconds - 2.0).abs() < 0.05);
}

#[test]
fn who_is_sent_home_ends_with_the_owner_and_nobody_waits_for_them() {
    let market = play(7, 60.0, 10.0, |market, frame| {
        if frame % 20 == 0 && frame < 200 {
            market.send_home();
        }
    });
    assert!(
        market.events().iter().any(|event| event.starts_with("290 villagers interrupted, 290"))
    );
}

#[test]
fn a_picture_shows_the_market_and_its_scripts() {
    let market = play(7, 60.0, 9.0, nothing);
    let svg = picture(&market);
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    let text = letters(&market);
    for word in ["NIGHTMARKET9.0s", "story", "vendor.rs:", "villager.rs:", "scripts", "spacepause"]
    {
        assert!(text.contains(word), "{word} is missing in {text}");
    }
}
