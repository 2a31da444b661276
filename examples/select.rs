//! A player that listens to several things at once, and goes on with whichever comes first.
//!
//! `cargo run --release --example select`
//!
//! Notes come by a channel, the conductor's orders by another, and a beat by the clock. `select!` waits for all of
//! them; what was not chosen has not happened, and is still there the next time. The clock is a virtual one, so this
//! takes no time and prints the same every time.

use std::time::Duration;

use segno::sync::{Event, channel};
use segno::{Clock, EventLoop, select};

/// What the conductor says.
enum Order {
    Faster,
    Slower,
}

fn main() {
    let ms = Duration::from_millis;
    let mut events = EventLoop::builder().clock(Clock::virtual_time()).build();
    let (notes, heard) = channel::bounded(4);
    let (orders, obeyed) = channel::unbounded();
    let fine = Event::new();

    let ended = events.run(|| {
        let start = segno::now();
        segno::scope(|s| {
            s.task("orchestra").spawn(|| {
                for note in ["do", "re", "mi", "fa", "sol"] {
                    segno::sleep(ms(300));
                    notes.send(note).expect("the player listens");
                }
            });
            s.task("conductor").spawn(|| {
                segno::sleep(ms(500));
                orders.send(Order::Faster).expect("the player listens");
                segno::sleep(ms(600));
                orders.send(Order::Slower).expect("the player listens");
                segno::sleep(ms(800));
                fine.set();
            });

            let at = || (segno::now() - start).as_millis();
            let (mut beat, mut next) = (ms(400), start + ms(400));
            loop {
                select! {
                    recv(heard) -> note => println!("{:5} ms: hears {}", at(), note.unwrap()),
                    recv(obeyed) -> order => {
                        beat = match order.unwrap() {
                            Order::Faster => beat / 2,
                            Order::Slower => beat * 2,
                        };
                        println!("{:5} ms: is told to beat every {} ms", at(), beat.as_millis());
                    }
                    until(next) => {
                        println!("{:5} ms: beats", at());
                        next += beat;
                    }
                    wait(fine) => break,
                }
            }
            (segno::now() - start).as_millis()
        })
    });
    println!("fine, after {} ms", ended.expect("somebody always comes"));
}
