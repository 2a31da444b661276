//! The first five minutes: resume and pause, values both ways, a panic, a cancellation.
//!
//! ```text
//! cargo run --example hello
//! cargo run --example hello -- 4 8 15 16      numbers of your own for the second part
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use segno::{Coroutine, Pauser, State};

fn main() -> ExitCode {
    let numbers: Result<Vec<f64>, _> = std::env::args().skip(1).map(|word| word.parse()).collect();
    let numbers = match numbers {
        Ok(numbers) if numbers.is_empty() => vec![10.0, 20.0, 60.0],
        Ok(numbers) => numbers,
        Err(error) => {
            eprintln!("hello: every argument must be a number: {error}");
            return ExitCode::from(2);
        }
    };
    resume_and_pause();
    values_both_ways(&numbers);
    a_panic();
    a_cancellation();
    ExitCode::SUCCESS
}

/// A coroutine is a function with a stack of its own. `resume` runs it until it pauses or returns.
fn resume_and_pause() {
    println!("1. Resume and pause");
    let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
        for step in 1..=2 {
            println!("      coroutine: step {step}");
            // Stops here, inside the loop, and goes on here at the next resume.
            co.pause(());
        }
        println!("      coroutine: done");
    });
    // Making it ran none of it.
    println!("   main: the coroutine is {:?}", co.status());
    while !co.status().has_ended() {
        println!("   main: resume");
        co.resume(());
    }
    println!("   main: the coroutine is {:?}\n", co.status());
}

/// Each resume hands a value in, each pause hands one out, and the end hands out another.
fn values_both_ways(numbers: &[f64]) {
    println!("2. Values both ways: numbers in, their mean so far out");
    // In `Pauser<In, Out>` the first type goes in and the second comes out. The value of the first
    // resume is the closure's second argument; later ones are what `pause` returns.
    let mut mean = Coroutine::new(|co: &Pauser<Option<f64>, f64>, first: Option<f64>| {
        let (mut sum, mut count) = (0.0, 0_u32);
        let mut next = first;
        while let Some(number) = next {
            sum += number;
            count += 1;
            next = co.pause(sum / f64::from(count));
        }
        count
    });
    for &number in numbers {
        if let State::Paused(mean) = mean.resume(Some(number)) {
            println!("   in {number:>6}   out {mean:>6.2}");
        }
    }
    if let State::Complete(count) = mean.resume(None) {
        println!("   in   none   returned after {count} numbers\n");
    }
}

/// A panic inside comes out of `resume`, like a panic of any function that is called.
fn a_panic() {
    println!("3. A panic (std prints its message on stderr)");
    let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
        co.pause(());
        panic!("the second step goes wrong");
    });
    co.resume(());
    let caught = catch_unwind(AssertUnwindSafe(|| co.resume(())));
    let payload = caught.expect_err("the coroutine panics");
    println!("   main caught: {:?}", payload.downcast_ref::<&str>());
    println!("   the coroutine is {:?}; its stack is free again\n", co.status());
}

/// Cancelling, or dropping, ends a paused coroutine: its frames unwind and its destructors run.
fn a_cancellation() {
    /// Says when it is dropped.
    struct Guard(&'static str);
    impl Drop for Guard {
        fn drop(&mut self) {
            println!("      coroutine: {} is dropped", self.0);
        }
    }

    fn inner(co: &Pauser<(), ()>) {
        let _guard = Guard("the inner guard");
        co.pause(());
        unreachable!("nobody resumes it again");
    }

    println!("4. A cancellation");
    let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
        let _guard = Guard("the outer guard");
        inner(co);
    });
    co.resume(());
    println!("   main: the coroutine is {:?}, two calls deep; cancel", co.status());
    co.cancel();
    println!("   main: the coroutine is {:?}", co.status());
}
