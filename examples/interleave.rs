//! Two tasks on one thread, and whose turn it is.
//!
//! ```text
//! cargo run --example interleave
//! ```
//!
//! A task runs until it waits. Nobody takes the thread away from it in between, so what it does between
//! two waits needs no lock. Here both tasks push into the same `Vec`.

use std::cell::RefCell;
use std::time::Duration;

use segno::{Clock, EventLoop};

/// What the two have done, in order.
pub(crate) fn story() -> Vec<String> {
    let story = RefCell::new(Vec::new());
    let say = |words: &str| story.borrow_mut().push(words.to_owned());

    // With a virtual clock nobody waits for time: it jumps when all tasks do.
    let mut events = EventLoop::builder().clock(Clock::virtual_time()).build();
    let result = events.run(|| {
        segno::scope(|s| {
            s.spawn(|| {
                say("left:  begins");
                segno::yield_now(); // the other one's turn
                say("left:  after one turn");
                segno::sleep(Duration::from_secs(2));
                say("left:  after 2 s");
            });
            let right = s.spawn(|| {
                say("right: begins");
                segno::sleep(Duration::from_secs(1));
                say("right: after 1 s");
                "what right returned"
            });
            // `spawn` runs nothing: new tasks queue up behind the one that spawns them.
            say("both are spawned");
            let returned = right.join().expect("nobody cancels it");
            say(returned);
        });
        say("both have ended");
    });
    result.expect("nothing stands still");
    story.into_inner()
}

fn main() {
    let story = story();
    story.iter().for_each(|line| println!("{line}"));
    let expected = [
        "both are spawned",
        "left:  begins",
        "right: begins",
        "left:  after one turn",
        "right: after 1 s",
        "what right returned",
        "left:  after 2 s",
        "both have ended",
    ];
    assert_eq!(story, expected, "the order is the same every time");
}
