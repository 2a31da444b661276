//! The end of a pool, and who keeps it waiting.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::shared::Shared;
use super::{Pool, is_inside};
use crate::event_loop::{DeadlockReport, StuckTask, listed};
use crate::scope::{shield, timeout};
use crate::task::{Crew, Home, Message, Task, yield_now};

/// How long a loop has to say who is left on it, before it counts as busy.
const REPLY: Duration = Duration::from_millis(100);

/// A pool did not end in time: which of its tasks are left, and where they are.
///
/// They go on ending, and the threads with them, when they can. As a text it has a line for each task, of the first fifty
/// that wait and of the first fifty that do not.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// The pool's name.
    name: String,
    /// How long it had.
    within: Duration,
    /// Tasks that wait.
    waiting: Vec<StuckTask>,
    /// Tasks that do not wait.
    busy: Vec<Busy>,
}

/// A task that does not wait, on one of the threads of a pool that has not ended in time.
#[derive(Clone, Debug)]
pub struct Busy {
    /// Which thread.
    thread: usize,
    /// The task's name, if it has one and that can be told.
    name: Option<Cow<'static, str>>,
    /// Where the task was spawned, if that can be told.
    spawned_at: Option<&'static Location<'static>>,
    /// Whether others have their turn there.
    pauses: bool,
}

impl Busy {
    /// Which of the pool's threads it is, from 0 on.
    pub fn thread(&self) -> usize {
        self.thread
    }

    /// The task's name, if it has one and that can be told: a task that does not pause now and then cannot be asked.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where the task was spawned, if that can be told.
    pub fn spawned_at(&self) -> Option<&'static Location<'static>> {
        self.spawned_at
    }

    /// Whether it pauses now and then ([`yield_now`]), so that others have their turn. If not, nothing can be said of the
    /// others on that thread.
    pub fn pauses(&self) -> bool {
        self.pauses
    }
}

impl Unfinished {
    /// Tasks that wait, in spite of their cancellation: behind a [`shield`], or again and again.
    pub fn waiting(&self) -> &[StuckTask] {
        &self.waiting
    }

    /// Tasks that do not wait: that keep a thread, or go on whenever it is their turn.
    pub fn busy(&self) -> &[Busy] {
        &self.busy
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pool `{}` has not ended within {:?}", self.name, self.within)?;
        listed(f, &self.waiting, "tasks that wait", |f, task| task.fmt(f))?;
        listed(f, &self.busy, "tasks that do not wait", |f, busy| {
            write!(f, "thread `{}-{}` runs a task", self.name, busy.thread)?;
            if let Some(name) = busy.name() {
                write!(f, " `{name}`")?;
            }
            if let Some(spawned_at) = busy.spawned_at {
                write!(f, " (spawned at {spawned_at})")?;
            }
            write!(f, " that {}", if busy.pauses { "goes on and on" } else { "does not pause" })
        })
    }
}

impl Error for Unfinished {}

impl Pool {
    /// Cancels everything and waits until all tasks and threads have ended, but no longer than that.
    ///
    /// # Pausing
    /// In a task of another loop it pauses until then; if that is cancelled meanwhile it unwinds, and the pool goes on
    /// ending. Elsewhere it blocks the thread, and in a loop with a virtual clock, too: that knows nothing of how long others
    /// take.
    ///
    /// # Errors
    /// Who has not ended by then, and where that waits; to ask for that takes a tenth of a second more at most. The pool
    /// goes on ending.
    ///
    /// # Panics
    /// In one of the pool's own tasks, which could not end before this returns. Everything is cancelled then.
    ///
    /// ```
    /// use segno::Pool;
    /// use std::time::Duration;
    ///
    /// let pool = Pool::builder().threads(2).build()?;
    /// let sleeper = pool.spawn(|| segno::sleep(Duration::MAX));
    /// pool.shutdown(Duration::from_secs(10)).expect("it is asleep, and so can be cancelled");
    /// assert!(sleeper.join().unwrap_err().reason().is_some());
    /// # Ok::<(), segno::pool::BuildError>(())
    /// ```
    #[track_caller]
    pub fn shutdown(mut self, within: Duration) -> Result<(), Unfinished> {
        assert!(
            !is_inside(&*self.shared),
            "`Pool::shutdown` at {} in one of the pool's own tasks: it would wait for itself",
            Location::caller()
        );
        let shared = self.shared.clone();
        shared.close();
        let until = Instant::now().checked_add(within);
        let over = match may_pause() {
            // A virtual clock knows nothing of how long others take.
            Some(task) if !task.home().time.is_virtual() => {
                let _outside = task.waits_for_outside();
                timeout(within, || shared.over().wait()).is_ok()
            }
            _ => shared.block_until_over(until),
        };
        if over {
            self.join_threads();
            return Ok(());
        }
        // What is left is not waited for again.
        self.running.clear();
        let unfinished = Unfinished::of(&shared, within);
        if shared.is_over() { Ok(()) } else { Err(unfinished) }
    }
}

/// The task that runs here, if it may pause.
fn may_pause() -> Option<&'static Task> {
    Home::running_task().filter(|task| !thread::panicking() && task.may_pause())
}

impl Pool {
    /// Waits for the threads, which have nothing more to do.
    fn join_threads(&mut self) {
        for thread in self.running.drain(..) {
            // Nothing on it lets a panic out but a mistake of this library's, which was told of there.
            let _ = thread.join();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.running.is_empty() {
            return;
        }
        self.shared.close();
        let here = Home::here().is_some_and(|home| home.crew() == self.shared.address());
        if here || thread::panicking() {
            return;
        }
        match may_pause() {
            Some(task) => {
                // The pool's threads will end it, so no loop takes it for a standstill.
                let _outside = task.waits_for_outside();
                shield(|| self.shared.over().wait());
            }
            None => {
                self.shared.block_until_over(None);
            }
        }
        self.join_threads();
    }
}

impl Unfinished {
    /// Asks all loops that have not ended.
    fn of(shared: &Arc<Shared>, within: Duration) -> Self {
        let replies = Arc::new(Mutex::new(Vec::new()));
        let asked: Vec<_> = (0..shared.members.len())
            .filter(|who| !shared.has_ended(*who))
            .filter_map(|who| Some((who, shared.members[who].inbox.get()?)))
            .collect();
        for (who, inbox) in &asked {
            let (who, replies) = (*who, replies.clone());
            let reply = move |home: Option<&'static Home>| {
                let left = home.map(|home| {
                    let goes_on = home.all().filter(|task| task.wait().is_none());
                    let named = goes_on.map(|task| (task.name(), task.spawned_at()));
                    let named = named.collect::<Vec<_>>();
                    (DeadlockReport::of(home).into_tasks(), named)
                });
                let reply = (who, left.unwrap_or_default());
                replies.lock().unwrap_or_else(PoisonError::into_inner).push(reply);
            };
            let _ = inbox.post(reply, |reply| Message::Post(Box::new(reply)));
        }
        let until = Instant::now() + REPLY;
        let count = || replies.lock().unwrap_or_else(PoisonError::into_inner).len();
        while count() < asked.len() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
            // Here others may have something to do meanwhile.
            if may_pause().is_some() {
                shield(yield_now);
            }
        }
        let replies = std::mem::take(&mut *replies.lock().unwrap_or_else(PoisonError::into_inner));
        let silent = asked
            .iter()
            .map(|(who, _)| *who)
            .filter(|who| !shared.has_ended(*who) && replies.iter().all(|(other, _)| other != who));
        let silent = silent.map(|who| Busy {
            thread: who,
            name: None,
            spawned_at: shared.running_at(who),
            pauses: false,
        });
        let (mut waiting, mut busy) = (Vec::new(), silent.collect::<Vec<_>>());
        for (thread, (waits, goes_on)) in replies {
            waiting.extend(waits);
            busy.extend(goes_on.into_iter().map(|(name, at)| Busy {
                thread,
                name,
                spawned_at: Some(at),
                pauses: true,
            }));
        }
        Self { name: shared.name.clone(), within, waiting, busy }
    }
}
