//! A channel for a single value.
//!
//! It is the gate that `join` waits at: one allocation, no lock. What goes through is `None` when the
//! sender was dropped without a value.

use std::fmt;
use std::panic::Location;

use super::error::{RecvError, SendError, TryRecvError};
use crate::task::{Subject, Task, Wait};
use crate::wait::{Asker, Giver, Taker, gate};

/// A channel for a single value: sending does not wait, and receiving waits until it was sent.
///
/// ```
/// use segno::sync::channel;
///
/// segno::run(|| {
///     let (reply, mut answer) = channel::oneshot();
///     segno::spawn(move || reply.send(42).unwrap());
///     assert_eq!(answer.recv(), Ok(42));
/// });
/// ```
pub fn oneshot<T>() -> (OneshotSender<T>, OneshotReceiver<T>) {
    let (giver, taker) = gate();
    (OneshotSender { giver: Some(giver) }, OneshotReceiver { taker: Some(taker) })
}

/// The end of a [`oneshot`] channel that the value goes in at. Dropping it closes the channel.
pub struct OneshotSender<T> {
    /// The gate; `None` once something was given.
    giver: Option<Giver<Option<T>>>,
}

/// The end of a [`oneshot`] channel that the value comes out of.
#[must_use = "the value is dropped with it"]
pub struct OneshotReceiver<T> {
    /// The gate; `None` once something was taken.
    taker: Option<Taker<Option<T>>>,
}

impl<T> OneshotSender<T> {
    /// Sends the value.
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Errors
    /// With the value, when the receiver was dropped or closed.
    pub fn send(mut self, value: T) -> Result<(), SendError<T>> {
        match self.giver.take().and_then(|giver| giver.give(Some(value))) {
            Some(Some(value)) => Err(SendError::Closed(value)),
            _ => Ok(()),
        }
    }

    /// Whether nobody will receive the value, so that there is no use in making it.
    pub fn is_closed(&self) -> bool {
        self.giver.as_ref().is_none_or(Giver::is_left)
    }
}

impl<T> Drop for OneshotSender<T> {
    fn drop(&mut self) {
        if let Some(giver) = self.giver.take() {
            giver.give(None);
        }
    }
}

impl<T> OneshotReceiver<T> {
    /// Waits until the value is there, and takes it.
    ///
    /// # Pausing
    /// Pauses while it is not. If the task is cancelled it unwinds; the value can still be received later. Outside
    /// a task it blocks the thread.
    ///
    /// # Errors
    /// When the sender was dropped without a value, and when it was taken before; where nobody can wait.
    #[inline(always)]
    #[track_caller]
    pub fn recv(&mut self) -> Result<T, RecvError> {
        let at = Location::caller();
        let Some(taker) = &mut self.taker else { return Err(RecvError::Closed) };
        let wait = Wait { what: &"recv", at, subject: Subject::NONE };
        taker.wait_as(Asker::here(at), wait).map_err(|_| RecvError::Cancelled)?;
        self.take().ok_or(RecvError::Closed)
    }

    /// Takes the value if it is there.
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Errors
    /// When it is not; when it will never be, or was taken before.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match &self.taker {
            Some(taker) if !taker.is_ready() => Err(TryRecvError::Empty),
            _ => self.take().ok_or(TryRecvError::Closed),
        }
    }

    /// Whether [`recv`](Self::recv) would not wait.
    pub fn is_ready(&self) -> bool {
        self.taker.as_ref().is_none_or(Taker::is_ready)
    }

    /// Says that the value is not wanted any more. It comes back here if it was sent already; a sender that comes
    /// later gets it back.
    ///
    /// # Pausing
    /// Never pauses.
    pub fn close(&mut self) -> Option<T> {
        self.taker.take()?.leave()?.0
    }

    /// Takes what was given, if something was.
    fn take(&mut self) -> Option<T> {
        self.taker.take()?.take()
    }

    /// Has this task, or else this thread, woken when the value is there, for those who wait for several things.
    /// False if it is.
    pub(in crate::sync) fn watch(&self, task: Option<&'static Task>) -> bool {
        self.taker.as_ref().is_some_and(|taker| taker.watch(task))
    }

    /// Takes that back.
    pub(in crate::sync) fn unwatch(&self) {
        if let Some(taker) = &self.taker {
            taker.unwatch();
        }
    }
}

impl<T> fmt::Debug for OneshotSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneshotSender").field("is_closed", &self.is_closed()).finish()
    }
}

impl<T> fmt::Debug for OneshotReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneshotReceiver").field("is_ready", &self.is_ready()).finish()
    }
}
