//! One channel between plain threads, tasks of this loop, and tasks of another loop.
//!
//! `cargo run --release --example threads`
//!
//! The types are the same everywhere, and so are their calls: in a task `recv` pauses the task, on a plain thread it
//! blocks the thread. Each number goes to exactly one of three workers, and each worker waits in its own way.

use std::thread;

use segno::sync::{Mutex, channel};

/// Numbers to be squared.
const NUMBERS: u64 = 3_000;

/// Squares numbers until there are no more. Gives how many it got.
fn work(numbers: &channel::Receiver<u64>, sum: &Mutex<u64>) -> u64 {
    let mut got = 0;
    for number in numbers {
        *sum.lock() += number * number;
        got += 1;
        // Whoever is at it gives the others a chance: this is a demonstration, not a race.
        if segno::is_in_task() { segno::yield_now() } else { thread::yield_now() }
    }
    got
}

fn main() {
    let (send, numbers) = channel::bounded(4);
    let sum = Mutex::new(0);

    let (by_thread, by_other_loop, by_task) = thread::scope(|threads| {
        let (theirs, total) = (numbers.clone(), &sum);
        let thread = threads.spawn(move || work(&theirs, total));
        let theirs = numbers.clone();
        let other = threads.spawn(move || segno::run(|| work(&theirs, total)));
        let by_task = segno::run(|| {
            segno::scope(|s| {
                let worker = s.task("worker").spawn(|| work(&numbers, &sum));
                s.task("sender").spawn(move || {
                    for number in 1..=NUMBERS {
                        send.send(number).expect("somebody receives");
                    }
                });
                worker.join().expect("nobody cancels it")
            })
        });
        (thread.join().unwrap(), other.join().unwrap(), by_task)
    });

    println!("a thread got {by_thread}, a task {by_task}, a task of another loop {by_other_loop}");
    let sum = sum.into_inner();
    assert_eq!(sum, NUMBERS * (NUMBERS + 1) * (2 * NUMBERS + 1) / 6);
    assert_eq!(by_thread + by_task + by_other_loop, NUMBERS);
    println!("the sum of the squares up to {NUMBERS} is {sum}");
}
