//! Why something was cancelled, by whom, and from which line.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

/// What cancelled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelKind {
    /// Somebody asked for it: a handle's or a scope's `cancel`.
    Requested,
    /// Its time was over.
    Deadline,
    /// The scope that it belongs to failed: its body or another child panicked, or gave an error.
    Scope,
    /// Another one was first.
    Race,
    /// Its loop was shut down.
    Shutdown,
    /// Its loop was stopped.
    Stopped,
    /// Nothing on its loop could ever go on.
    Deadlock,
    /// It swallowed its cancellation too often, and was given up.
    Retired,
    /// It was asked to wait while a panic or a cancellation unwinds, where nobody can wait.
    Unwinding,
}

/// Why something was cancelled: what did it, in which words, and where in the source.
///
/// It holds no references to anything and can be sent anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelReason {
    /// What did it.
    kind: CancelKind,
    /// In words.
    message: Cow<'static, str>,
    /// Where that was asked for.
    origin: &'static Location<'static>,
}

impl CancelReason {
    /// A reason.
    pub(crate) fn new(
        kind: CancelKind,
        message: impl Into<Cow<'static, str>>,
        origin: &'static Location<'static>,
    ) -> Self {
        Self { kind, message: message.into(), origin }
    }

    /// What did it.
    pub fn kind(&self) -> CancelKind {
        self.kind
    }

    /// The words that were given with it.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The line that asked for it.
    pub fn origin(&self) -> &'static Location<'static> {
        self.origin
    }
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (cancelled at {})", self.message, self.origin)
    }
}
