//! Time limits inside each other, clean-up that may still wait, and who cancelled whom.
//!
//! ```text
//! cargo run --example timeout
//! ```
//!
//! A limit is a call around any code that waits; the code does not know. When its time is over, the
//! code unwinds from where it waits, destructors run, and the call returns an error that names the
//! limit's line. Time is virtual here, so all of it takes no time.

use std::time::Duration;

use segno::{CancelKind, Clock, Elapsed, EventLoop, JoinError};

const SECOND: Duration = Duration::from_secs(1);

/// A visit to the post office, which takes long.
pub(crate) fn send_letter() {
    segno::sleep(5 * SECOND);
    println!("  the letter is sent");
}

/// Something that is open, and takes a second to close.
pub(crate) struct Door;

impl Drop for Door {
    fn drop(&mut self) {
        // While a cancellation unwinds here, nothing can wait: `sleep` would return at once.
        println!("  the door falls shut");
    }
}

/// The nearer of two limits ends it, whichever is further out.
pub(crate) fn nested(outer: Duration, inner: Duration) -> Result<Result<(), Elapsed>, Elapsed> {
    segno::timeout(outer, || {
        segno::timeout(inner, || {
            let _door = Door;
            send_letter();
        })
    })
}

/// Clean-up that has to wait is shielded: whoever cancels waits for it.
pub(crate) fn cleaned_up() -> bool {
    let mut closed = false;
    let result = segno::timeout(SECOND, || {
        // Not in a destructor: the closure returns, or unwinds, and then there is time to wait.
        let letter = segno::cancel_scope(|office| {
            office.cancel("the office closes");
            send_letter();
        });
        let why = letter.expect_err("it was cancelled");
        println!("  {why}");
        segno::shield(|| segno::sleep(3 * SECOND)); // longer than the limit, which waits
        closed = true;
        segno::checkpoint(); // here it takes effect
    });
    closed && result.is_err()
}

fn main() {
    let mut events = EventLoop::builder().clock(Clock::virtual_time()).build();
    let start = events.now();
    let end = events.run(|| {
        println!("outer limit 2 s, inner 10 s:");
        let outer = nested(2 * SECOND, 10 * SECOND).expect_err("the outer one is nearer");
        println!("  {outer}");

        println!("outer limit 10 s, inner 2 s:");
        let inner = nested(10 * SECOND, 2 * SECOND).expect("in time").expect_err("the nearer one");
        println!("  {inner}");
        assert_ne!(outer.limit_at().line(), inner.limit_at().line());

        println!("clean-up behind a shield:");
        assert!(cleaned_up());

        println!("a task that somebody cancels:");
        let task = segno::spawn(send_letter);
        segno::sleep(SECOND);
        task.cancel("no stamps left");
        match task.join() {
            Err(JoinError::Cancelled(reason)) => {
                println!("  {reason}");
                assert_eq!(reason.kind(), CancelKind::Requested);
                assert_eq!(reason.message(), "no stamps left");
                assert_eq!(reason.origin().file(), file!());
            }
            other => panic!("it was cancelled, but: {other:?}"),
        }
        segno::now()
    });
    let took = end.expect("nothing stands still") - start;
    println!("{} s of virtual time", took.as_secs());
    assert_eq!(took, 8 * SECOND, "2 + 2 + 3 + 1: no letter was ever sent");
}
