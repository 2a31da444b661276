//! A script from outside: its handle, and how it ended.

use std::cell::Cell;
use std::fmt;
use std::rc::{Rc, Weak};

use super::info::PanicInfo;
use super::kernel::Kernel;
use super::record::{End, Record, ScriptId};

/// How a script ended: what [`join`](super::Script::join) and [`Handle::outcome`] give.
#[derive(Clone, Debug)]
pub enum Outcome<T> {
    /// It returned this.
    Done(T),
    /// It was cancelled, or ended itself with [`exit`](super::Script::exit).
    Cancelled,
    /// It panicked.
    Panicked(PanicInfo),
}

impl<T> Outcome<T> {
    /// What it returned, if it did.
    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(value) => Some(value),
            Self::Cancelled | Self::Panicked(_) => None,
        }
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }
}

/// Where a script puts what it returns.
pub(super) struct Place<T>(Cell<Option<T>>);

impl<T> Place<T> {
    /// An empty one.
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self(Cell::new(None)))
    }

    /// Puts a value in.
    pub(super) fn put(&self, value: T) {
        self.0.set(Some(value));
    }

    /// Takes the value out.
    pub(super) fn value(&self) -> Option<T> {
        self.0.take()
    }

    /// How the script ended that puts its value here; `None` if it did not yet, or if the value is gone.
    pub(super) fn take(&self, record: &Record) -> Option<Outcome<T>> {
        Some(match record.end.borrow().as_ref()? {
            End::Done => Outcome::Done(self.0.take()?),
            End::Cancelled => Outcome::Cancelled,
            End::Panicked(info) => Outcome::Panicked((**info).clone()),
        })
    }

    /// The same, with a copy of the value.
    pub(super) fn copy(&self, record: &Record) -> Option<Outcome<T>>
    where
        T: Clone,
    {
        let value = self.0.take();
        // The clone is the user's, and may look at this place.
        let copy = value.clone();
        self.0.set(value);
        Some(match record.end.borrow().as_ref()? {
            End::Done => Outcome::Done(copy?),
            End::Cancelled => Outcome::Cancelled,
            End::Panicked(info) => Outcome::Panicked((**info).clone()),
        })
    }
}

/// A script from outside. Dropping it changes nothing for the script.
///
/// It stays on its thread, as its script does.
pub struct Handle<T> {
    /// The script.
    pub(super) record: Rc<Record>,
    /// What it returns.
    pub(super) place: Rc<Place<T>>,
    /// Its scheduler.
    pub(super) kernel: Weak<Kernel>,
}

impl<T> Handle<T> {
    /// Its number.
    pub fn id(&self) -> ScriptId {
        self.record.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.record.end.borrow().is_some()
    }

    /// Cancels it: see [`Scripts::cancel`](super::Scripts::cancel).
    pub fn cancel(&self) -> bool {
        self.kernel.upgrade().is_some_and(|kernel| kernel.cancel(&self.record))
    }

    /// How it ended, with a copy of what it returned; `None` while it has not.
    ///
    /// # Pausing
    /// Never pauses. In a script, [`join`](super::Script::join) waits for it.
    pub fn outcome(&self) -> Option<Outcome<T>>
    where
        T: Clone,
    {
        self.place.copy(&self.record)
    }

    /// How it ended, with what it returned; `None` while it has not, and once the value was taken.
    ///
    /// # Pausing
    /// Never pauses.
    pub fn take(&self) -> Option<Outcome<T>> {
        self.place.take(&self.record)
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self { record: self.record.clone(), place: self.place.clone(), kernel: self.kernel.clone() }
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

/// A script that borrows, inside [`Script::scope`](super::Script::scope).
pub struct ScopedHandle<'scope, T> {
    /// The script, from outside. Nobody else has a clone of it.
    pub(super) handle: Handle<T>,
    /// Neither longer nor shorter than the scope.
    pub(super) scope: std::marker::PhantomData<&'scope mut &'scope ()>,
}

impl<T> ScopedHandle<'_, T> {
    /// Its number.
    pub fn id(&self) -> ScriptId {
        self.handle.id()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.handle.name()
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Cancels it: see [`Scripts::cancel`](super::Scripts::cancel).
    pub fn cancel(&self) -> bool {
        self.handle.cancel()
    }
}

impl<T> fmt::Debug for ScopedHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedHandle").field(&self.handle).finish()
    }
}
