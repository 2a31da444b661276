//! The watchdog: a thread that looks now and then whether the loop still goes on.
//!
//! The loop writes one word per resume, by a relaxed store: which task, and a count that makes two
//! resumes of the same one differ. A word that stays the same for too long is a task that does not give
//! way. Names are looked up in a table that tasks enter when they start, and only in watched loops.

use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::report::{self, ReportKind};
use crate::task::{Described, Task};

/// Low bits of the word: the task's number. The others count.
const ID_BITS: u32 = 40;
/// How often a task is reported, at most.
const AGAIN: Duration = Duration::from_secs(10);

/// What the loop and its watchdog share.
pub(super) struct Watched {
    /// Which task runs since which resume; 0 while none does. Relaxed: it stands for nothing else.
    beat: AtomicU64,
    /// The tasks that have started: names and places.
    names: Mutex<HashMap<u64, Place>>,
    /// Whether the loop has ended.
    over: Mutex<bool>,
    /// Told when it has.
    ends: Condvar,
}

/// A task's name, and where it was spawned.
type Place = (Option<Cow<'static, str>>, &'static Location<'static>);

/// The loop's end of its watchdog. Dropping it ends the thread.
pub(super) struct Watchdog {
    /// What the two share.
    watched: Arc<Watched>,
    /// Resumes so far.
    count: std::cell::Cell<u64>,
    /// The thread.
    thread: Option<JoinHandle<()>>,
}

/// Starts a watchdog.
pub(super) fn start(limit: Duration, name: Option<Cow<'static, str>>) -> Watchdog {
    let watched = Arc::new(Watched {
        beat: AtomicU64::new(0),
        names: Mutex::new(HashMap::new()),
        over: Mutex::new(false),
        ends: Condvar::new(),
    });
    let shared = watched.clone();
    let thread = thread::Builder::new()
        .name("segno watchdog".to_owned())
        .spawn(move || watch(&shared, limit, name.as_deref()))
        .unwrap_or_else(|error| panic!("no thread for the watchdog: {error}"));
    Watchdog { watched, count: std::cell::Cell::new(0), thread: Some(thread) }
}

impl Watchdog {
    /// A task is about to run.
    #[inline(always)]
    pub(super) fn runs(&self, task: &Task) {
        if !task.has_started() {
            self.enter(task);
        }
        let count = self.count.get().wrapping_add(1);
        self.count.set(count);
        self.watched.beat.store((count << ID_BITS) | (task.id() & ((1 << ID_BITS) - 1)), Relaxed);
    }

    /// None runs.
    pub(super) fn rests(&self) {
        self.watched.beat.store(0, Relaxed);
    }

    /// A task starts.
    #[cold]
    fn enter(&self, task: &Task) {
        self.names().insert(task.id(), (task.name(), task.spawned_at()));
    }

    /// A task has ended.
    pub(super) fn ended(&self, id: u64) {
        let name = self.names().remove(&id);
        drop(name);
    }

    /// The table of names.
    fn names(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Place>> {
        self.watched.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        *self.watched.over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.watched.ends.notify_all();
        if let Some(thread) = self.thread.take() {
            // It lets no panic out but one of the report's sink, which is told of elsewhere.
            let _ = thread.join();
        }
    }
}

/// What the thread does.
fn watch(watched: &Watched, limit: Duration, name: Option<&str>) {
    let pace = (limit / 4).clamp(Duration::from_millis(1), Duration::from_millis(250));
    let (mut seen, mut since) = (0, Instant::now());
    let mut told: HashMap<u64, Instant> = HashMap::new();
    let mut over = watched.over.lock().unwrap_or_else(PoisonError::into_inner);
    while !*over {
        over = watched.ends.wait_timeout(over, pace).unwrap_or_else(PoisonError::into_inner).0;
        let (beat, now) = (watched.beat.load(Relaxed), Instant::now());
        if beat != seen {
            (seen, since) = (beat, now);
            continue;
        }
        let id = beat & ((1 << ID_BITS) - 1);
        if beat == 0 || now - since < limit {
            continue;
        }
        told.retain(|_, at| now.duration_since(*at) < AGAIN);
        if told.contains_key(&id) {
            continue;
        }
        told.insert(id, now);
        drop(over);
        tell(watched, id, now - since, limit, name);
        over = watched.over.lock().unwrap_or_else(PoisonError::into_inner);
    }
}

/// Reports a task.
fn tell(watched: &Watched, id: u64, held: Duration, limit: Duration, name: Option<&str>) {
    let place = watched.names.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
    let Some((task, spawned_at)) = place else { return };
    let described = Described { name: task.as_deref(), id, spawned_at };
    let of = name.map(|name| format!(" `{name}`")).unwrap_or_default();
    report::tell(
        ReportKind::Blocked,
        format!(
            "task {described} has held its event loop{of} for at least {} ms (the limit is {} ms): \
             everything else on the loop waits; let it pause, or do the work on another thread",
            held.as_millis(),
            limit.as_millis()
        ),
    );
}
