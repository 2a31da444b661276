//! Five philosophers, five forks, and a deadlock that names its circle; then the remedy.
//!
//! `cargo run --release --example philosophers`
//!
//! Everybody takes the left fork, thinks, and takes the right one: with bad luck all of them have one fork, and wait
//! for ever. Under a virtual clock the loop finds that out, and says who waits for what, who has it, and where it was
//! taken. The remedy is the old one: everybody takes the lower fork first, so there is no circle to wait in.

use std::time::Duration;

use segno::sync::Mutex;
use segno::{Clock, EventLoop, RunError};

const NAMES: [&str; 5] = ["Plato", "Kant", "Hume", "Arendt", "Marx"];

fn main() {
    match dine(|seat| [seat, (seat + 1) % NAMES.len()]) {
        Err(error @ RunError::Deadlock(_)) => println!("left fork first: {error}\n"),
        other => println!("left fork first: they were lucky ({other:?})\n"),
    }
    let meals = dine(|seat| {
        let mut forks = [seat, (seat + 1) % NAMES.len()];
        forks.sort_unstable();
        forks
    });
    println!("lower fork first: {} meals", meals.expect("nobody waits in a circle"));
}

/// Has everybody eat three times, with the forks in this order. Gives the number of meals.
fn dine(forks_of: fn(usize) -> [usize; 2]) -> Result<u32, RunError> {
    let forks = NAMES.map(|_| Mutex::new(0));
    let mut events = EventLoop::builder().clock(Clock::virtual_time()).build();
    events.run(|| {
        segno::scope(|s| {
            for (seat, name) in NAMES.into_iter().enumerate() {
                let [first, second] = forks_of(seat).map(|fork| &forks[fork]);
                s.task(name).spawn(move || {
                    for _ in 0..3 {
                        let mut first = first.lock();
                        segno::sleep(Duration::from_millis(1)); // thinks, with a fork in the hand
                        let mut second = second.lock();
                        (*first, *second) = (*first + 1, *second + 1);
                    }
                });
            }
        });
        // Each meal took two forks.
        forks.iter().map(|fork| *fork.lock()).sum::<u32>() / 2
    })
}
