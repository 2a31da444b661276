//! A scenario that is interrupted at each of its pauses, in every way.
//!
//! ```text
//!   plain run: counts the pauses 1..=K
//!   then for each k and each way: run again --> the k-th pause --> interrupt --> drive to the end --> look
//! ```
//!
//! Whoever interrupts is the loop's observer: it hears of a pause on the loop's own stack, when the task has
//! just stopped, and does there what a neighbour, a timer or another thread could do.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use super::transcript::Transcript;
use crate::coroutine;
use crate::event_loop::{EventLoop, LoopBuilder, LoopHandle, RunError};
use crate::scope;
use crate::stacks;
use crate::task::{
    Alarm, Boundary, CancelKind, CancelReason, Clock, Event, Fault, Home, State, Task, Timer,
};

/// Lines of a transcript that a failure shows.
const SHOWN: usize = 40;

/// A way to interrupt a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Way {
    /// A [`cancel_scope`](crate::cancel_scope) around it is cancelled.
    Cancelled,
    /// The time of a [`timeout`](crate::timeout) around it is over.
    TimedOut,
    /// The task that pauses panics there. (Not where it waits for the children of a scope: nothing can
    /// panic there.)
    Panicked,
    /// All tasks of its loop are told to end, those that it has spawned and left too: its loop is shut down.
    ShutDown,
    /// Its loop is [stopped](crate::LoopHandle::stop).
    Stopped,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Cancelled, Self::TimedOut, Self::Panicked, Self::ShutDown, Self::Stopped];
}

/// Runs a scenario, and then again and again, interrupted at each of its pauses in [every way](Way): cancelled,
/// timed out, with a panic where the task pauses, with its loop shut down and stopped.
///
/// Each run is the closure of a new event loop with a virtual clock. Pauses of all tasks of the loop count.
/// After each run all tasks have ended, their stacks are free, and the loop has not stood still, unless
/// it does so without an interruption, too. Returns the number of pauses.
///
/// What else must hold afterwards only you know: see [`EveryPause::after`].
///
/// # Panics
/// When something of that is not so, with the way, the pause, the last lines of the [`Transcript`] and what
/// to call to see only this run. A panic that comes out of the scenario is a failure, too, unless a panic
/// was the way to interrupt it. A panic of the first run goes on unchanged.
///
/// A standstill is found when nothing is left that could wake a task; while somebody keeps a
/// [`Waker`](crate::Waker), the loop waits for another thread to use it.
///
/// When the scenario does not pause as often as the first time: it has to do the same each time. (It may
/// borrow; what it changes outside has to be undone, or made anew by the scenario.)
///
/// ```
/// use std::time::Duration;
///
/// let pauses = segno::testing::cancel_at_every_pause(|| {
///     let voices = [1, 2, 3].map(|bars| move || segno::sleep(Duration::from_secs(bars)));
///     segno::race(voices);
/// });
/// assert_eq!(pauses, 5); // three sleeps, the race, and the end of its scope
/// ```
#[track_caller]
pub fn cancel_at_every_pause(scenario: impl Fn()) -> usize {
    EveryPause::new().run(scenario)
}

/// How a scenario is to be interrupted: [`cancel_at_every_pause`] with more to say.
///
/// ```
/// use segno::testing::{EveryPause, Way};
/// use std::cell::Cell;
///
/// let playing = Cell::new(0);
/// EveryPause::new()
///     .seed(7)
///     .ways([Way::Cancelled, Way::TimedOut])
///     .after(|| assert_eq!(playing.get(), 0))
///     .run(|| {
///         playing.set(1);
///         segno::shield(segno::yield_now); // what must not stop halfway
///         playing.set(0);
///         segno::yield_now();
///     });
/// ```
#[must_use = "nothing runs before `run`"]
pub struct EveryPause<'a> {
    /// Decides the order of tasks, if it is to be a random one.
    seed: Option<u64>,
    /// The ways.
    ways: Vec<Way>,
    /// The only pause.
    only: Option<usize>,
    /// Whether stacks of the whole process are counted.
    count_stacks: bool,
    /// What must hold after each run.
    after: Option<Box<dyn Fn() + 'a>>,
}

impl<'a> EveryPause<'a> {
    /// Every way at every pause, first come, first served.
    pub fn new() -> Self {
        Self { seed: None, ways: Way::ALL.to_vec(), only: None, count_stacks: false, after: None }
    }

    /// Resumes tasks in the order that this number decides.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Interrupts in these ways only.
    pub fn ways(mut self, ways: impl IntoIterator<Item = Way>) -> Self {
        self.ways = ways.into_iter().collect();
        self
    }

    /// Interrupts once only: in this way, at this pause, counted from 1. To see one failure again.
    pub fn only(mut self, way: Way, pause: usize) -> Self {
        self.ways = vec![way];
        self.only = Some(pause);
        self
    }

    /// Looks at [`stack::stats`](crate::stack::stats) as well: each run leaves as many stacks in use, and as
    /// many lost, as it found. That finds coroutines and generators that a scenario leaks, too, but it counts
    /// the whole process: only for a test beside which no other one uses stacks.
    pub fn count_stacks(mut self) -> Self {
        self.count_stacks = true;
        self
    }

    /// Checks this after each run, when its loop has ended: panics if something is not as it should be.
    pub fn after(mut self, check: impl Fn() + 'a) -> Self {
        self.after = Some(Box::new(check));
        self
    }

    /// Runs the scenario, first without an interruption. Returns the number of pauses.
    ///
    /// # Panics
    /// As [`cancel_at_every_pause`].
    #[track_caller]
    pub fn run(self, scenario: impl Fn()) -> usize {
        let at = Location::caller();
        let plain = self.perform(&scenario, None);
        let plain_ending = match plain.ending {
            Ending::Panicked(payload) => resume_unwind(payload),
            ending => Kind::of(&ending),
        };
        let stands_still = plain.plot.standstill.borrow().is_some();
        if let Some(problem) = plain.problem {
            panic!("the scenario at {at}, not interrupted: {problem}\n{}", last_lines(&plain.plot));
        }
        let pauses = plain.plot.pauses.get();
        let chosen = self.only.map_or(1..=pauses, |only| only..=only);
        for pause in chosen {
            for &way in &self.ways {
                let run = self.perform(&scenario, Some((way, pause)));
                let unexpected = run.unexpected(way, pause, pauses, plain_ending);
                let still = run.plot.standstill.take().filter(|_| !stands_still);
                if let Some(problem) = unexpected.or(still).or(run.problem) {
                    let scene = run.plot.scene.take().unwrap_or_default();
                    panic!(
                        "the scenario at {at}, {} at pause {pause} of {pauses}{scene}: {problem}\n\
                         To see only this: `EveryPause::new(){}.only(Way::{way:?}, {pause})`.\n{}",
                        way.done(),
                        self.seed.map(|seed| format!(".seed({seed})")).unwrap_or_default(),
                        last_lines(&run.plot),
                    );
                }
            }
        }
        pauses
    }

    /// Runs the scenario once.
    fn perform(&self, scenario: &dyn Fn(), interruption: Option<(Way, usize)>) -> Performance {
        let before = stacks::stats();
        let events = EventLoop::builder().clock(Clock::virtual_time());
        let mut events = self.seed.into_iter().fold(events, LoopBuilder::seed).build();
        let plot = Rc::new(Plot::new(&events, interruption));
        let witness = plot.clone();
        events.home().set_observer(Some(Rc::new(move |task, event| witness.hear(task, event))));
        let way = interruption.map(|(way, _)| way);
        let result = catch_unwind(AssertUnwindSafe(|| {
            events.run(|| match way {
                Some(Way::Cancelled) => scope::cancel_scope(|_| plot.inside(scenario)).is_ok(),
                Some(Way::TimedOut) => {
                    scope::timeout(Duration::MAX, || plot.inside(scenario)).is_ok()
                }
                _ => {
                    scenario();
                    true
                }
            })
        }));
        plot.over(events.home());
        events.shutdown();
        let ending = match result {
            Ok(Ok(true)) => Ending::Returned,
            Ok(Ok(false)) => Ending::Part,
            Ok(Err(error)) => Ending::Failed(error),
            Err(payload) => Ending::Panicked(payload),
        };
        let problem = self.problem(&plot, before);
        Performance { plot, ending, problem }
    }

    /// What is wrong after a run.
    fn problem(&self, plot: &Plot, before: stacks::Stats) -> Option<String> {
        if plot.retired.get() > 0 {
            return Some(format!("{} tasks were given up, with their stacks", plot.retired.get()));
        }
        if plot.started.get() != plot.ended.get() {
            let (started, ended) = (plot.started.get(), plot.ended.get());
            return Some(format!("{started} tasks were started, and {ended} have ended"));
        }
        let now = stacks::stats();
        if self.count_stacks && (now.live, now.leaked) != (before.live, before.leaked) {
            return Some(format!(
                "stacks in use: {} before, {} after; lost: {} before, {} after",
                before.live, now.live, before.leaked, now.leaked
            ));
        }
        let check = self.after.as_ref()?;
        let payload = catch_unwind(AssertUnwindSafe(check)).err()?;
        Some(format!("the check after it failed: {}", coroutine::message(&payload)))
    }
}

impl Default for EveryPause<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EveryPause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EveryPause")
            .field("seed", &self.seed)
            .field("ways", &self.ways)
            .field("only", &self.only)
            .field("count_stacks", &self.count_stacks)
            .finish_non_exhaustive()
    }
}

impl Way {
    /// In words.
    fn done(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed out",
            Self::Panicked => "panicked",
            Self::ShutDown => "its loop shut down",
            Self::Stopped => "its loop stopped",
        }
    }
}

/// How a run ended.
enum Ending {
    /// The scenario returned.
    Returned,
    /// The part around the scenario was cancelled or timed out.
    Part,
    /// The loop had nothing to return.
    Failed(RunError),
    /// The scenario panicked.
    Panicked(Box<dyn Any + Send>),
}

/// [`Ending`] without what it holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The scenario returned.
    Returned,
    /// The part around the scenario was cancelled or timed out.
    Part,
    /// Nothing could go on.
    Deadlock,
    /// The loop was stopped.
    Stopped,
    /// The scenario panicked.
    Panicked,
}

impl Kind {
    /// The kind of an ending.
    fn of(ending: &Ending) -> Self {
        match ending {
            Ending::Returned => Self::Returned,
            Ending::Part => Self::Part,
            Ending::Failed(RunError::Deadlock(_)) => Self::Deadlock,
            Ending::Failed(RunError::Stopped) => Self::Stopped,
            Ending::Panicked(_) => Self::Panicked,
        }
    }
}

/// One run of a scenario.
struct Performance {
    /// What was done to it, and what happened.
    plot: Rc<Plot>,
    /// How it ended.
    ending: Ending,
    /// What is wrong afterwards.
    problem: Option<String>,
}

impl Performance {
    /// What is wrong with how it ended.
    fn unexpected(&self, way: Way, pause: usize, pauses: usize, plain: Kind) -> Option<String> {
        let seen = self.plot.pauses.get();
        if seen < pause {
            return Some(format!(
                "it paused only {seen} times, not {pauses} times as when it was not interrupted: it has to \
                 do the same each time"
            ));
        }
        let kind = Kind::of(&self.ending);
        let own = match way {
            Way::Cancelled | Way::TimedOut => Kind::Part,
            Way::Panicked => Kind::Panicked,
            Way::ShutDown | Way::Stopped => Kind::Stopped,
        };
        // One that is interrupted may all the same get to its end, or to the one it has anyway.
        if [own, plain, Kind::Returned].contains(&kind) {
            return None;
        }
        Some(match &self.ending {
            Ending::Panicked(payload) if payload.is::<Fault>() => {
                "the panic of another run".to_owned()
            }
            Ending::Panicked(payload) if coroutine::is_cancel(&**payload) => {
                "a cancellation came out that nobody took".to_owned()
            }
            Ending::Panicked(payload) => format!("it panicked: {}", coroutine::message(payload)),
            Ending::Failed(error) => error.to_string(),
            Ending::Part | Ending::Returned => unreachable!("only what was interrupted in part"),
        })
    }
}

/// What is to be done to a run, and what has happened in it.
struct Plot {
    /// The way and the pause.
    interruption: Option<(Way, usize)>,
    /// To stop the loop by.
    handle: LoopHandle,
    /// What happened.
    transcript: Transcript,
    /// Whether the run is over, so that what is left is only the end of what it left behind.
    over: Cell<bool>,
    /// Pauses so far.
    pauses: Cell<usize>,
    /// Tasks that got a stack.
    started: Cell<usize>,
    /// Of those, the ones that have ended.
    ended: Cell<usize>,
    /// Tasks that were given up.
    retired: Cell<usize>,
    /// The boundary around the scenario, while it runs in one.
    part: Cell<Option<(&'static Boundary, u64)>>,
    /// The alarm that ends its time.
    alarm: Cell<Option<Timer>>,
    /// Which tasks waited for what, when nothing on the loop could ever go on.
    standstill: RefCell<Option<String>>,
    /// Who was interrupted, and where.
    scene: RefCell<Option<String>>,
}

impl Plot {
    /// What is to be done to a run on this loop.
    fn new(events: &EventLoop, interruption: Option<(Way, usize)>) -> Self {
        Self {
            interruption,
            handle: events.handle(),
            transcript: Transcript::begun(events.home()),
            over: Cell::new(false),
            pauses: Cell::new(0),
            started: Cell::new(0),
            ended: Cell::new(0),
            retired: Cell::new(0),
            part: Cell::new(None),
            alarm: Cell::new(None),
            standstill: RefCell::new(None),
            scene: RefCell::new(None),
        }
    }

    /// Runs the scenario in the boundary that was just entered.
    fn inside(&self, scenario: &dyn Fn()) {
        let boundary = Home::running_task().map(Task::innermost);
        self.part.set(boundary.map(|boundary| (boundary, boundary.serial())));
        scenario();
    }

    /// The run is over.
    fn over(&self, home: &Home) {
        self.over.set(true);
        // It has rung unless the scenario ended first.
        if let Some(timer) = self.alarm.take() {
            home.unset_alarm(timer);
        }
    }

    /// Hears what happens on the loop.
    fn hear(&self, task: &'static Task, event: Event) {
        if event == Event::Woken && self.standstill.borrow().is_none() {
            self.look_for_standstill(task);
        }
        self.transcript.hear(task, event);
        match event {
            Event::Started => self.started.set(self.started.get() + 1),
            Event::Ended => self.ended.set(self.ended.get() + 1),
            Event::Retired => self.retired.set(self.retired.get() + 1),
            Event::Paused if !self.over.get() => {
                let pause = self.pauses.get() + 1;
                self.pauses.set(pause);
                if let Some((way, at)) = self.interruption {
                    if pause == at {
                        self.interrupt(task, way);
                    }
                }
            }
            _ => {}
        }
    }

    /// Notes a deadlock at the first wake that comes of it. The loop need not fail with it: a closure that
    /// cleans up and returns has a result all the same.
    fn look_for_standstill(&self, task: &'static Task) {
        let reason = task.root().reason();
        if reason.is_some_and(|reason| reason.kind() == CancelKind::Deadlock) {
            let mut text = String::from("deadlock: nothing on its event loop could ever go on");
            for (task, wait) in task.home().all().filter_map(|task| Some((task, task.wait()?))) {
                let name = self.transcript.name(task);
                text += &format!("\n  task `{name}` waits in `{}` at {}", wait.what, wait.at);
            }
            self.standstill.replace(Some(text));
        }
    }

    /// Interrupts, on the loop's stack, at a pause of this task.
    fn interrupt(&self, task: &'static Task, way: Way) {
        let waits = match task.wait() {
            Some(wait) => format!("in `{}` at {}", wait.what, wait.at),
            None if task.state() == State::Ready => "letting others go first".to_owned(),
            None => "waiting".to_owned(),
        };
        self.scene.replace(Some(format!(" (task `{}`, {waits})", self.transcript.name(task))));
        self.transcript.note(format!("-- {} here --", way.done()));
        let at = Location::caller();
        let home = task.home();
        let why = "a test interrupts here";
        match way {
            Way::Cancelled => {
                if let Some((part, _)) = self.part.get().filter(|(part, serial)| part.is(*serial)) {
                    part.cancel(CancelReason::new(CancelKind::Requested, why, at));
                }
            }
            Way::TimedOut => {
                // Rings at the loop's next look, as a limit that was set long ago would.
                if let Some((part, serial)) = self.part.get() {
                    let alarm = Alarm::Deadline(part, serial, at);
                    self.alarm.set(Some(home.set_alarm(home.time.now(), alarm)));
                }
            }
            Way::Panicked => {
                home.set_fault(task);
                task.disturb(task.innermost());
            }
            Way::ShutDown => {
                home.root().cancel(CancelReason::new(CancelKind::Shutdown, why, at));
            }
            Way::Stopped => self.handle.stop(),
        }
    }
}

/// The last of what happened.
fn last_lines(plot: &Plot) -> String {
    let lines = plot.transcript.lines();
    let left_out = lines.len().saturating_sub(SHOWN);
    let mut text = String::from("What happened:");
    if left_out > 0 {
        text += &format!("\n  ... {left_out} lines before");
    }
    for line in &lines[left_out..] {
        text += &format!("\n  {line}");
    }
    text
}
