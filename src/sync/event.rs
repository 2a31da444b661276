//! Something that has happened, or not yet.

use std::fmt;
use std::panic::Location;

use super::raw::cannot_wait;
use super::stats::Stats;
use crate::task::{Denied, Home, Subject, Wait};
use crate::wait::{Asker, Attempt, Locked, Operation, Queue, Woken};

/// Something that many may wait for, until it is set; who comes later does not wait.
///
/// It can be cleared, and set again.
///
/// ```
/// use segno::sync::Event;
///
/// let begun = Event::new();
/// segno::run(|| {
///     segno::scope(|s| {
///         s.spawn(|| begun.wait());
///         s.spawn(|| begun.wait());
///         begun.set();
///     });
///     begun.wait(); // at once
/// });
/// ```
pub struct Event {
    /// Whether it has happened, and who waits for that.
    state: Locked<State>,
}

/// What is behind the lock.
pub(super) struct State {
    /// Whether it has happened.
    set: bool,
    /// Who waits.
    waiting: Queue<()>,
}

/// Waiting for it.
pub(super) struct Waiting;

impl Operation for Waiting {
    type State = State;
    type Slot = ();

    #[inline(always)]
    fn attempt(state: &mut State, (): &mut ()) -> Attempt {
        if state.set { Attempt::Done(None) } else { Attempt::Wait }
    }

    #[inline(always)]
    fn queue(state: &mut State) -> &mut Queue<()> {
        &mut state.waiting
    }

    /// Everybody was told.
    fn pass_on(_: &mut State, (): &mut ()) -> Option<Woken> {
        None
    }
}

impl Event {
    /// Something that has not happened yet.
    pub const fn new() -> Self {
        Self { state: Locked::new(State { set: false, waiting: Queue::new() }) }
    }

    /// Waits until it is set.
    ///
    /// # Pausing
    /// Pauses while it is not. If the task is cancelled it unwinds, also if it is set; with `panic = "abort"` it waits
    /// as ever. Outside a task it blocks the thread.
    ///
    /// While a panic or a cancellation unwinds here, and it is not set, the process is aborted, with a message: use
    /// [`is_set`](Self::is_set) there.
    #[inline(always)]
    #[track_caller]
    pub fn wait(&self) {
        let at = Location::caller();
        let wait = Wait { what: &"wait", at, subject: Subject::NONE };
        if let Err((denied, ())) = self.state.operate::<Waiting>(Asker::at_hand(at), wait, ()) {
            self.wait_all_the_same(denied, wait);
        }
    }

    /// Waits where one cannot pause.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn wait_all_the_same(&self, denied: Denied, wait: Wait) {
        match (denied, Home::running_task()) {
            // Nothing unwinds in this program: it waits as ever.
            (Denied::Cancelled, Some(task)) => self.state.insist::<Waiting>(task, wait, ()),
            _ => cannot_wait(wait, &"nobody knows who will set the event"),
        }
    }

    /// It has happened: all who wait go on. Returns whether that is news.
    ///
    /// # Pausing
    /// Never pauses.
    pub fn set(&self) -> bool {
        let (news, before) = self
            .state
            .with(|state| (!std::mem::replace(&mut state.set, true), state.waiting.next_ticket()));
        // Those who waited when it was set, and nobody who comes after it was cleared again.
        self.state.wake_all(|state| {
            state.waiting.complete_before(before, |()| ()).map(|((), woken)| woken)
        });
        news
    }

    /// It has not happened yet. Who waited when it was set goes on all the same. Returns whether it was set.
    ///
    /// # Pausing
    /// Never pauses.
    pub fn clear(&self) -> bool {
        self.state.with(|state| std::mem::take(&mut state.set))
    }

    /// Whether it has happened.
    pub fn is_set(&self) -> bool {
        self.state.with(|state| state.set)
    }

    /// What is behind its lock, for those who wait for several things.
    pub(super) fn state(&self) -> &Locked<State> {
        &self.state
    }

    /// How many wait.
    pub fn stats(&self) -> Stats {
        self.state.with(|state| Stats {
            waiting: state.waiting.len(),
            peak: state.waiting.peak(),
            holder: None,
        })
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Event");
        out.field("is_set", &self.is_set());
        self.stats().describe(&mut out).finish()
    }
}
