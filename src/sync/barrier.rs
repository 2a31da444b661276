//! A place at which all wait until all are there.

use std::fmt;
use std::panic::Location;

use super::raw::cannot_wait;
use super::stats::Stats;
use crate::task::{Denied, Home, Subject, Wait};
use crate::wait::{Asker, Attempt, Locked, Operation, Queue, Woken};

/// A place at which so many wait for each other; then they all go on, and it can be used again.
///
/// ```
/// use segno::sync::Barrier;
///
/// let (tutti, leaders) = (Barrier::new(3), std::cell::Cell::new(0));
/// segno::run(|| {
///     segno::join_all((0..3).map(|_| {
///         || {
///             if tutti.wait() {
///                 leaders.set(leaders.get() + 1); // one of them
///             }
///         }
///     }));
/// });
/// assert_eq!(leaders.get(), 1);
/// ```
pub struct Barrier {
    /// Who is there.
    state: Locked<State>,
    /// How many have to be.
    members: usize,
}

/// What is behind the lock.
struct State {
    /// How many have to be there.
    members: usize,
    /// How many of the present generation are.
    arrived: usize,
    /// How often all have been there: those who wait since an earlier generation are to go on.
    generation: u64,
    /// Those who came first.
    waiting: Queue<Arrival>,
}

/// One who arrives.
struct Arrival {
    /// With which generation.
    generation: u64,
    /// Whether it is the last one.
    last: bool,
}

impl State {
    /// One of a generation that is complete goes on.
    fn let_go(&mut self) -> Option<Woken> {
        let generation = self.generation;
        let complete = self.waiting.first(|arrival| arrival.generation < generation)?;
        if !complete {
            return None;
        }
        self.waiting.complete(|_| ()).map(|((), woken)| woken)
    }
}

/// Arriving.
struct Arriving;

impl Operation for Arriving {
    type State = State;
    type Slot = Arrival;

    fn attempt(state: &mut State, slot: &mut Arrival) -> Attempt {
        slot.generation = state.generation;
        if state.arrived + 1 < state.members {
            state.arrived += 1;
            return Attempt::Wait;
        }
        slot.last = true;
        state.arrived = 0;
        state.generation += 1;
        Attempt::Done(None)
    }

    fn queue(state: &mut State) -> &mut Queue<Arrival> {
        &mut state.waiting
    }

    /// All are there, and the last one is about to let the others go.
    fn is_complete(state: &State, slot: &Arrival) -> bool {
        slot.generation < state.generation
    }

    /// All the others go on as well.
    fn pass_on(_: &mut State, _: &mut Arrival) -> Option<Woken> {
        None
    }

    /// It does not count any more, if the others still wait for somebody.
    fn left(state: &mut State, slot: &mut Arrival) -> Option<Woken> {
        if slot.generation == state.generation && !std::mem::replace(&mut slot.last, true) {
            state.arrived -= 1;
        }
        None
    }
}

impl Barrier {
    /// A place for so many. With 0 or 1 nobody ever waits.
    pub const fn new(members: usize) -> Self {
        let state = State { members, arrived: 0, generation: 0, waiting: Queue::new() };
        Self { state: Locked::new(state), members }
    }

    /// Waits until all are there. Returns true to one of them, the last, and false to the others.
    ///
    /// # Pausing
    /// Pauses until all are there. If the task is cancelled before that it unwinds, and does not count any more;
    /// with `panic = "abort"` it waits as ever. Outside a task it blocks the thread.
    ///
    /// While a panic or a cancellation unwinds here, and it would not be the last, the process is aborted, with a
    /// message.
    #[track_caller]
    pub fn wait(&self) -> bool {
        let at = Location::caller();
        let wait = Wait { what: &"wait", at, subject: Subject::NONE };
        let arrival = Arrival { generation: 0, last: false };
        let arrived = self.state.operate::<Arriving>(Asker::at_hand(at), wait, arrival);
        let last = match arrived {
            Ok(arrival) => arrival.last,
            Err((denied, arrival)) => self.wait_all_the_same(denied, wait, arrival),
        };
        if last {
            self.state.wake_all(State::let_go);
        }
        last
    }

    /// Waits where one cannot pause.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn wait_all_the_same(&self, denied: Denied, wait: Wait, mut arrival: Arrival) -> bool {
        // The attempt has counted it; so if all have been there since, it has met them.
        let met = self.state.with(|state| {
            Arriving::left(state, &mut arrival);
            state.generation != arrival.generation
        });
        if met {
            return false;
        }
        match (denied, Home::running_task()) {
            // Nothing unwinds in this program: it waits as ever.
            (Denied::Cancelled, Some(task)) => {
                let arrival = Arrival { generation: 0, last: false };
                self.state.insist::<Arriving>(task, wait, arrival).last
            }
            _ => cannot_wait(wait, &"nobody knows who else will come"),
        }
    }

    /// How many have to be there.
    pub fn members(&self) -> usize {
        self.members
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

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Barrier");
        out.field("members", &self.members);
        self.stats().describe(&mut out).finish()
    }
}
