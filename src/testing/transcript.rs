//! What happened on a loop, line by line.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::event_loop::EventLoop;
use crate::task::{Event, Home, State, Task};

/// Writes down what happens to the tasks of one event loop.
///
/// Each event is a line: what, and to whom. A task is called by its name; one without a name by its place in
/// the order of spawning, as `#2`; of several with the same name all but the first get a number, as `voice (2)`.
/// The closure of [`EventLoop::run`] is called `run`. No line holds an address, a number of the process or a
/// line of source, so that transcripts can be compared with each other and with what a test expects.
///
/// | line | when |
/// |---|---|
/// | `spawn voice` | it was spawned |
/// | `start voice` | it got its stack |
/// | `resume voice` | it goes on |
/// | `pause voice in sleep` | it waits, and in what |
/// | `yield voice` | it lets others go first |
/// | `wake voice` | it may go on |
/// | `raise voice` | a cancellation unwinds it |
/// | `end voice` | its closure has returned or unwound |
/// | `retire voice` | it was given up |
/// | `clock 1.5s` | a virtual clock has jumped; the time since the transcript was begun |
/// | anything else | a [`note`](Self::note) |
///
/// It ends with its loop. A loop has one transcript at a time: the one that was begun last. Clones are the
/// same transcript, for tasks to take along.
///
/// ```
/// use segno::testing::Transcript;
/// use segno::{Clock, EventLoop};
/// use std::time::Duration;
///
/// let mut events = EventLoop::builder().clock(Clock::virtual_time()).build();
/// let transcript = Transcript::of(&events);
/// events.run(|| {
///     segno::sleep(Duration::from_secs(1));
///     transcript.note("da capo");
/// })?;
/// assert_eq!(
///     transcript.lines(),
///     [
///         "spawn run",
///         "resume run",
///         "start run",
///         "pause run in sleep",
///         "clock 1s",
///         "wake run",
///         "resume run",
///         "da capo",
///         "end run",
///     ]
/// );
/// # Ok::<(), segno::RunError>(())
/// ```
#[derive(Clone)]
pub struct Transcript {
    /// What the loop's observer and all clones write to.
    sheet: Rc<Sheet>,
}

/// What a transcript is written on.
struct Sheet {
    /// The lines.
    lines: RefCell<Vec<String>>,
    /// What tasks are called, by their numbers.
    names: RefCell<HashMap<u64, String>>,
    /// How many tasks had a name, by that name.
    namesakes: RefCell<HashMap<String, usize>>,
    /// Tasks spawned so far.
    spawned: Cell<usize>,
    /// When it was begun.
    begun: u64,
    /// The time of the last line, by a virtual clock.
    time: Cell<u64>,
}

impl Transcript {
    /// Begins the transcript of a loop.
    pub fn of(events: &EventLoop) -> Self {
        let home = events.home();
        let this = Self::begun(home);
        let writer = this.clone();
        home.set_observer(Some(Rc::new(move |task, event| writer.hear(task, event))));
        this
    }

    /// One that hears only what it is told.
    pub(super) fn begun(home: &Home) -> Self {
        let now = home.time.now();
        Self {
            sheet: Rc::new(Sheet {
                lines: RefCell::default(),
                names: RefCell::default(),
                namesakes: RefCell::default(),
                spawned: Cell::new(0),
                begun: now,
                time: Cell::new(now),
            }),
        }
    }

    /// Writes a line of your own.
    pub fn note(&self, line: impl Into<String>) {
        let line = line.into();
        self.sheet.lines.borrow_mut().push(line);
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.sheet.lines.borrow().clone()
    }

    /// The lines since this was last called, or since the beginning.
    pub fn take(&self) -> Vec<String> {
        self.sheet.lines.take()
    }

    /// Writes an event down. No code of the user's runs here.
    pub(super) fn hear(&self, task: &'static Task, event: Event) {
        self.look_at_clock(task.home());
        let name = self.name(task);
        let line = match event {
            Event::Spawned => format!("spawn {name}"),
            Event::Started => format!("start {name}"),
            Event::Resumed => format!("resume {name}"),
            Event::Paused => match task.wait() {
                Some(wait) => format!("pause {name} in {}", wait.what),
                None if task.state() == State::Ready => format!("yield {name}"),
                None => format!("pause {name}"),
            },
            Event::Woken => format!("wake {name}"),
            Event::Raised => format!("raise {name}"),
            Event::Ended => format!("end {name}"),
            Event::Retired => format!("retire {name}"),
        };
        self.note(line);
    }

    /// Writes down a jump of a virtual clock.
    fn look_at_clock(&self, home: &Home) {
        if home.time.is_virtual() {
            let now = home.time.now();
            if self.sheet.time.replace(now) != now {
                let since = Duration::from_nanos(now.saturating_sub(self.sheet.begun));
                self.note(format!("clock {since:?}"));
            }
        }
    }

    /// What a task is called.
    pub(super) fn name(&self, task: &Task) -> String {
        let mut names = self.sheet.names.borrow_mut();
        names.entry(task.id()).or_insert_with(|| self.sheet.christen(task)).clone()
    }
}

impl Sheet {
    /// Finds a name for a task.
    fn christen(&self, task: &Task) -> String {
        let place = self.spawned.get() + 1;
        self.spawned.set(place);
        let Some(name) = task.name() else { return format!("#{place}") };
        let mut namesakes = self.namesakes.borrow_mut();
        let count = namesakes.entry(name.clone().into_owned()).or_default();
        *count += 1;
        if *count == 1 { name.into_owned() } else { format!("{name} ({count})") }
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.lines() {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcript").field("lines", &self.lines()).finish_non_exhaustive()
    }
}
