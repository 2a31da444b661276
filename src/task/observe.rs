//! What happens to tasks, for whoever watches: the transcripts of tests.

use std::rc::Rc;

use super::record::Task;

/// Something that happened to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It was spawned.
    Spawned,
    /// It got its stack.
    Started,
    /// It is resumed.
    Resumed,
    /// It stopped, and waits or is ready again.
    Paused,
    /// It may go on.
    Woken,
    /// A cancellation was raised in it.
    Raised,
    /// It has ended.
    Ended,
    /// It was given up.
    Retired,
}

/// Hears of every event of one loop, on the loop's stack or the task's. It must not pause.
pub(crate) type Observer = Rc<dyn Fn(&'static Task, Event)>;
