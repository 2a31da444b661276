//! What can go wrong with a channel. Whoever sends gets the value back.

use std::error::Error;
use std::fmt;

/// Why a value was not sent; it comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError<T> {
    /// The channel is closed: nobody will receive it.
    Closed(T),
    /// It would have to wait, and nobody can wait here: a panic or a cancellation unwinds, or nothing unwinds in
    /// this program (`panic = "abort"`) and the task is cancelled.
    Cancelled(T),
    /// Of a [`broadcast`](super::broadcast): there is no receiver now; there may be later.
    NoReceiver(T),
}

/// Why a value was not sent at once; it comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrySendError<T> {
    /// There is no room. In a rendezvous channel: nobody waits to receive.
    Full(T),
    /// The channel is closed: nobody will receive it.
    Closed(T),
}

/// Why no value was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvError {
    /// The channel is closed, and empty.
    Closed,
    /// It would have to wait, and nobody can wait here: a panic or a cancellation unwinds, or nothing unwinds in
    /// this program (`panic = "abort"`) and the task is cancelled.
    Cancelled,
}

/// Why no value was received at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryRecvError {
    /// There is none.
    Empty,
    /// The channel is closed, and empty.
    Closed,
}

/// Why no value of a [`broadcast`](super::broadcast) was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BroadcastError {
    /// So many values were missed, because they were overwritten before. The next one is the oldest that is there.
    Missed(u64),
    /// The channel is closed, and everything that was sent has been received.
    Closed,
    /// As [`RecvError::Cancelled`].
    Cancelled,
}

/// Why no value of a [`broadcast`](super::broadcast) was received at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryBroadcastError {
    /// There is none.
    Empty,
    /// As [`BroadcastError::Missed`].
    Missed(u64),
    /// As [`BroadcastError::Closed`].
    Closed,
}

impl<T> SendError<T> {
    /// The value.
    pub fn into_inner(self) -> T {
        match self {
            Self::Closed(value) | Self::Cancelled(value) | Self::NoReceiver(value) => value,
        }
    }
}

impl<T> TrySendError<T> {
    /// The value.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }
}

/// The text for a wait that could not be.
const CANNOT_WAIT: &str = "nobody can wait here: a cancellation or a panic is on its way";

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "not sent: the channel is closed",
            Self::Cancelled(_) => CANNOT_WAIT,
            Self::NoReceiver(_) => "not sent: there is no receiver",
        })
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "not sent: the channel is full",
            Self::Closed(_) => "not sent: the channel is closed",
        })
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the channel is closed",
            Self::Cancelled => CANNOT_WAIT,
        })
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the channel is empty",
            Self::Closed => "the channel is closed",
        })
    }
}

impl fmt::Display for BroadcastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missed(many) => write!(f, "too slow: missed {many} values"),
            Self::Closed => f.write_str("the channel is closed"),
            Self::Cancelled => f.write_str(CANNOT_WAIT),
        }
    }
}

impl fmt::Display for TryBroadcastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the channel is empty"),
            Self::Missed(many) => write!(f, "too slow: missed {many} values"),
            Self::Closed => f.write_str("the channel is closed"),
        }
    }
}

// The value need not be printable: the variant says it all.
impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(_) => "Closed(..)",
            Self::Cancelled(_) => "Cancelled(..)",
            Self::NoReceiver(_) => "NoReceiver(..)",
        })
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> Error for SendError<T> {}
impl<T> Error for TrySendError<T> {}
impl Error for RecvError {}
impl Error for TryRecvError {}
impl Error for BroadcastError {}
impl Error for TryBroadcastError {}
