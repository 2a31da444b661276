//! A scenario in many orders.

use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};

use crate::event_loop::EventLoop;
use crate::task::Clock;

/// Runs a scenario once with each seed: as the closure of a new event loop with a virtual clock, which resumes
/// tasks in the order that the seed decides. When it has returned, what it left behind is cancelled and awaited.
///
/// # Panics
/// When the scenario does: the panic goes on, and stderr has the seed; give that seed alone to see it again.
/// When nothing on the loop can ever go on, with the seed and the tasks that wait.
///
/// ```
/// use std::cell::RefCell;
/// use std::collections::BTreeSet;
///
/// let orders = RefCell::new(BTreeSet::new());
/// segno::testing::seeds(0..64, || {
///     let heard = RefCell::new(String::new());
///     segno::scope(|s| {
///         for voice in ['a', 'b', 'c'] {
///             let heard = &heard;
///             s.spawn(move || heard.borrow_mut().push(voice));
///         }
///     });
///     orders.borrow_mut().insert(heard.into_inner());
/// });
/// assert_eq!(orders.into_inner().len(), 6); // every order there is
/// ```
#[track_caller]
pub fn seeds(seeds: impl IntoIterator<Item = u64>, scenario: impl Fn()) {
    let at = Location::caller();
    for seed in seeds {
        let mut events = EventLoop::builder().clock(Clock::virtual_time()).seed(seed).build();
        let result = catch_unwind(AssertUnwindSafe(|| events.run(&scenario)));
        events.shutdown();
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) => panic!("the scenario at {at} failed with seed {seed}: {error}"),
            Err(payload) => {
                eprintln!("the scenario at {at} panicked with seed {seed}");
                resume_unwind(payload);
            }
        }
    }
}
