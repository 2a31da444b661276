//! Tasks that borrow: from the function that spawns them, and from each other's scope.
//!
//! ```text
//! cargo run --example scoped
//! ```
//!
//! A scope does not end before its tasks have. So they may hold plain references to what lies outside
//! it, mutable ones too, without `Arc`, without locks, without `move`; and as a task never leaves its
//! thread, what they hold need not be `Send` (an `Rc` here). If one fails, the others are cancelled
//! and have ended when the scope returns the error.

use std::cell::RefCell;
use std::num::ParseIntError;
use std::rc::Rc;

use segno::yield_now;

/// Adds up each half of some numbers, as text, in a task of its own.
pub(crate) fn sum(lines: &[&str], log: &Rc<RefCell<Vec<String>>>) -> Result<u64, ParseIntError> {
    let (mut low, mut high) = (0, 0);
    let (first, second) = lines.split_at(lines.len() / 2);
    segno::run(|| {
        segno::try_scope(|s| {
            for (name, half, sum) in [("first", first, &mut low), ("second", second, &mut high)] {
                let log = Rc::clone(log);
                s.task(name).spawn(move || {
                    for line in half {
                        *sum += line.parse::<u64>()?;
                        log.borrow_mut().push(format!("{name}: {line} makes {sum}"));
                        yield_now();
                    }
                    Ok(())
                });
            }
            Ok(())
        })
    })?;
    // The scope has ended, and with it the borrows.
    Ok(low + high)
}

fn main() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let good = sum(&["1", "2", "3", "4", "5", "6"], &log);
    let bad = sum(&["1", "2", "3", "4", "five", "6"], &log);
    log.borrow().iter().for_each(|line| println!("{line}"));
    println!("good: {good:?}\nbad:  {bad:?}");
    assert_eq!(good, Ok(21));
    assert!(bad.is_err());
    // The first half of the second list was cancelled after "2", when the second half failed at "five".
    assert_eq!(log.borrow().last().map(String::as_str), Some("first: 2 makes 3"));
    assert_eq!(Rc::strong_count(&log), 1, "no task is left");
}
