//! The one sink for what the library has to tell: stderr, unless [`on_report`] says otherwise.
//!
//! Nothing here is an error that a caller could handle; those are `Result`s. A report is about
//! something that happened where nobody asks for a result: a stack given up, a panic that arrived
//! while another was already on its way, the reason for an abort.
//!
//! The overflow report is deliberately not sent through here: it is written from a signal handler,
//! where neither locks nor allocation are allowed.

use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// What a [`Report`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReportKind {
    /// A coroutine went on pausing after it was cancelled. It is never resumed again and its stack
    /// stays as it is, for ever: neither reused nor unmapped.
    Retired,
    /// A panic that could not be handed to anybody, because another one was already on its way.
    LostPanic,
    /// A task panicked, or could not run at all, and nobody had its handle.
    TaskPanicked,
    /// A script panicked, and neither a hook nor a joiner was there to be told.
    ScriptPanicked,
    /// A task kept its event loop from everything else for longer than the watchdog was told to allow.
    Blocked,
    /// An event loop was dropped where it could not end its tasks: they stay as they are, for ever.
    LoopLeaked,
    /// An event loop that ends waits for what other threads do: a closure that blocks, or a lock that one of them has.
    Waiting,
    /// The process is about to abort; the message says which rule leaves no other way.
    Abort,
}

/// Something that the library has to tell, handed to the function given to [`on_report`].
#[derive(Clone, Debug)]
pub struct Report {
    /// What happened, for programs.
    kind: ReportKind,
    /// What happened, to whom and where, for people.
    message: String,
}

impl Report {
    /// What kind of event this is.
    pub fn kind(&self) -> ReportKind {
        self.kind
    }

    /// What happened, to whom, and where, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segno: {}", self.message)
    }
}

/// A user's sink.
type Sink = Arc<dyn Fn(&Report) + Send + Sync>;

/// The sink in force; `None` is stderr.
static SINK: Mutex<Option<Sink>> = Mutex::new(None);

/// Sends every [`Report`] of this process to `sink` instead of stderr.
///
/// The last call wins. The sink runs on the thread on which the event happened, with no lock held.
/// If it panics, the panic goes no further and the report goes to stderr. It may use the library.
///
/// ```
/// segno::on_report(|report| eprintln!("[{:?}] {report}", report.kind()));
/// ```
pub fn on_report(sink: impl Fn(&Report) + Send + Sync + 'static) {
    let old = SINK.lock().unwrap_or_else(PoisonError::into_inner).replace(Arc::new(sink));
    // The old sink's captures are the user's: they drop after the lock is released.
    drop(old);
}

/// Tells the sink in force, or stderr. Never unwinds: callers are in the middle of things that must not
/// be left.
#[cold]
pub(crate) fn tell(kind: ReportKind, message: String) {
    let report = Report { kind, message };
    // The sink is the user's: what it does, panics with and drops happens inside.
    let told = catch_unwind(AssertUnwindSafe(|| {
        let sink = SINK.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sink.map(|sink| sink(&report)).is_some()
    }));
    let told = told.unwrap_or_else(|payload| {
        // Its destructor might panic in its turn.
        std::mem::forget(payload);
        false
    });
    if !told {
        // Not `eprintln`, which panics when nobody can read it.
        let _ = writeln!(io::stderr(), "{report}");
    }
}

/// Tells the reason and aborts the process, whatever happens meanwhile.
#[cold]
pub(crate) fn abort(message: String) -> ! {
    tell(ReportKind::Abort, message);
    std::process::abort()
}
