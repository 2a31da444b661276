//! The two ends of a channel.

use std::fmt;
use std::mem;
use std::panic::Location;
use std::sync::Arc;

use super::core::{Receiving, Sending, State};
use super::error::{RecvError, SendError, TryRecvError, TrySendError};
use crate::task::{Subject, Wait};
use crate::wait::{Asker, Locked};

/// A channel that holds up to `capacity` values. With room for none it is a [`rendezvous`] channel.
///
/// Memory is taken when there are values, not before.
///
/// ```
/// let (sender, receiver) = segno::sync::channel::bounded(1);
/// sender.try_send("da").unwrap();
/// assert!(sender.try_send("capo").is_err()); // full
/// assert_eq!(receiver.try_recv(), Ok("da"));
/// ```
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Locked::new(State::new(capacity)));
    (Sender { channel: channel.clone() }, Receiver { channel })
}

/// A channel that holds any number of values: sending never waits for room.
///
/// A sender that is faster than the receivers fills the memory; mostly [`bounded`] is the better choice.
///
/// ```
/// let (sender, receiver) = segno::sync::channel::unbounded();
/// (0..1000).for_each(|value| sender.send(value).unwrap());
/// drop(sender);
/// assert_eq!(receiver.iter().count(), 1000);
/// ```
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    bounded(usize::MAX)
}

/// A channel that holds nothing: a sender waits until a receiver takes its value out of its hands.
///
/// ```
/// let (sender, receiver) = segno::sync::channel::rendezvous();
/// segno::run(|| {
///     segno::scope(|s| {
///         s.spawn(|| sender.send("now").unwrap());
///         assert_eq!(receiver.recv(), Ok("now"));
///     });
/// });
/// ```
pub fn rendezvous<T>() -> (Sender<T>, Receiver<T>) {
    bounded(0)
}

/// What both ends share.
type Channel<T> = Arc<Locked<State<T>>>;

/// The end of a channel that values go in at. Cloning it makes one more.
pub struct Sender<T> {
    /// The channel.
    channel: Channel<T>,
}

/// The end of a channel that values come out of. Cloning it makes one more; each value comes out once.
pub struct Receiver<T> {
    /// The channel.
    channel: Channel<T>,
}

/// A [`Sender`] that does not keep the channel open.
pub struct WeakSender<T> {
    /// The channel.
    channel: Channel<T>,
}

/// A [`Receiver`] that does not keep the channel open.
pub struct WeakReceiver<T> {
    /// The channel.
    channel: Channel<T>,
}

/// What a channel is doing, and what it has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelStats {
    /// Values that were sent and not received yet.
    pub len: usize,
    /// The most values that there ever were.
    pub peak_len: usize,
    /// Senders that wait for room.
    pub waiting_senders: usize,
    /// The most senders that ever waited at once.
    pub peak_senders: usize,
    /// Receivers that wait for a value.
    pub waiting_receivers: usize,
    /// The most receivers that ever waited at once.
    pub peak_receivers: usize,
}

/// What both ends can tell.
impl<T> Locked<State<T>> {
    /// Nothing is sent any more. Whether that is news.
    fn close(&self) -> bool {
        let news = self.with(|state| !mem::replace(&mut state.closed, true));
        if news {
            self.wake_all(State::dismiss);
        }
        news
    }

    /// See [`ChannelStats`].
    fn stats(&self) -> ChannelStats {
        self.with(|state| ChannelStats {
            len: state.buffer.len(),
            peak_len: state.peak,
            waiting_senders: state.sending.len(),
            peak_senders: state.sending.peak(),
            waiting_receivers: state.receiving.len(),
            peak_receivers: state.receiving.peak(),
        })
    }

    /// The `Debug` of both ends.
    fn describe(&self, mut out: fmt::DebugStruct<'_, '_>) -> fmt::Result {
        let (capacity, closed, senders, receivers) =
            self.with(|state| (state.capacity, state.closed, state.senders, state.receivers));
        let stats = self.stats();
        out.field("len", &stats.len);
        if capacity != usize::MAX {
            out.field("capacity", &capacity);
        }
        out.field("senders", &senders)
            .field("waiting_senders", &stats.waiting_senders)
            .field("receivers", &receivers)
            .field("waiting_receivers", &stats.waiting_receivers)
            .field("is_closed", &closed)
            .finish()
    }
}

/// The methods that both ends have alike.
macro_rules! both_ends {
    ($End:ident, $Weak:ident, $count:ident) => {
        impl<T> $End<T> {
            /// Closes the channel: nothing is sent any more. Everybody who waits for room gets the value back,
            /// everybody who waits for a value an error. What was sent before can still be received.
            ///
            /// Returns whether it was open.
            ///
            /// # Pausing
            /// Never pauses.
            pub fn close(&self) -> bool {
                self.channel.close()
            }

            /// Whether nothing is sent any more.
            pub fn is_closed(&self) -> bool {
                self.channel.with(|state| state.closed)
            }

            /// How many values were sent and not received yet. What waiting senders hold does not count.
            pub fn len(&self) -> usize {
                self.channel.with(|state| state.buffer.len())
            }

            /// Whether there are none.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether there is no room for another one. A rendezvous channel never has any.
            pub fn is_full(&self) -> bool {
                self.channel.with(|state| state.buffer.len() >= state.capacity)
            }

            /// How many values there is room for; `None` if for any number.
            pub fn capacity(&self) -> Option<usize> {
                let capacity = self.channel.with(|state| state.capacity);
                (capacity != usize::MAX).then_some(capacity)
            }

            /// How many senders there are.
            pub fn sender_count(&self) -> usize {
                self.channel.with(|state| state.senders)
            }

            /// How many receivers there are.
            pub fn receiver_count(&self) -> usize {
                self.channel.with(|state| state.receivers)
            }

            /// What the channel is doing, and what it has done.
            pub fn stats(&self) -> ChannelStats {
                self.channel.stats()
            }

            /// An end that does not keep the channel open.
            pub fn downgrade(&self) -> $Weak<T> {
                $Weak { channel: self.channel.clone() }
            }

            /// Whether this is an end of the same channel as the other one.
            pub fn same_channel(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.channel, &other.channel)
            }

            /// The channel, for those who wait for several things.
            pub(in crate::sync) fn channel(&self) -> &Locked<State<T>> {
                &self.channel
            }
        }

        impl<T> $Weak<T> {
            /// An end as it was, unless the last one has been dropped.
            pub fn upgrade(&self) -> Option<$End<T>> {
                let there = self.channel.with(|state| {
                    let there = state.$count > 0;
                    state.$count += usize::from(there);
                    there
                });
                there.then(|| $End { channel: self.channel.clone() })
            }
        }

        impl<T> Clone for $End<T> {
            fn clone(&self) -> Self {
                self.channel.with(|state| state.$count += 1);
                Self { channel: self.channel.clone() }
            }
        }

        impl<T> Clone for $Weak<T> {
            fn clone(&self) -> Self {
                Self { channel: self.channel.clone() }
            }
        }

        impl<T> fmt::Debug for $End<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.channel.describe(f.debug_struct(stringify!($End)))
            }
        }

        impl<T> fmt::Debug for $Weak<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.channel.describe(f.debug_struct(stringify!($Weak)))
            }
        }
    };
}

both_ends!(Sender, WeakSender, senders);
both_ends!(Receiver, WeakReceiver, receivers);

impl<T> Sender<T> {
    /// Sends a value, and waits until there is room for it; in a rendezvous channel, until it is taken.
    ///
    /// # Pausing
    /// Pauses while there is no room. If the task is cancelled it unwinds, and the value is dropped unless it was
    /// taken. Outside a task it blocks the thread.
    ///
    /// # Errors
    /// With the value, when the channel is or gets closed, and where nobody can wait.
    ///
    /// ```
    /// use segno::sync::channel::{self, SendError};
    ///
    /// let (sender, receiver) = channel::bounded(8);
    /// sender.send("fine").unwrap();
    /// drop(receiver);
    /// assert_eq!(sender.send("coda"), Err(SendError::Closed("coda")));
    /// ```
    #[inline(always)]
    #[track_caller]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        let at = Location::caller();
        let wait = Wait { what: &"send", at, subject: Subject::NONE };
        match self.channel.operate::<Sending<T>>(Asker::at_hand(at), wait, Some(value)) {
            Ok(None) | Err((_, None)) => Ok(()),
            Ok(Some(value)) => Err(SendError::Closed(value)),
            Err((_, Some(value))) => Err(SendError::Cancelled(value)),
        }
    }

    /// Sends a value if there is room; in a rendezvous channel, if somebody waits for it.
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Errors
    /// With the value, when there is no room, and when the channel is closed.
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        match self.channel.attempt::<Sending<T>>(Some(value)) {
            Ok(None) | Err(None) => Ok(()),
            Ok(Some(value)) => Err(TrySendError::Closed(value)),
            Err(Some(value)) => Err(TrySendError::Full(value)),
        }
    }
}

impl<T> Receiver<T> {
    /// Takes the value that was sent first, and waits until there is one.
    ///
    /// # Pausing
    /// Pauses while there is none. If the task is cancelled it unwinds, unless a value was handed to it first: then that
    /// is received, and the next pause unwinds. Outside a task it blocks the thread.
    ///
    /// # Errors
    /// When the channel is closed and empty, and where nobody can wait.
    #[inline(always)]
    #[track_caller]
    pub fn recv(&self) -> Result<T, RecvError> {
        let at = Location::caller();
        let wait = Wait { what: &"recv", at, subject: Subject::NONE };
        match self.channel.operate::<Receiving<T>>(Asker::at_hand(at), wait, None) {
            Ok(value) => value.ok_or(RecvError::Closed),
            Err(_) => Err(RecvError::Cancelled),
        }
    }

    /// Takes the value that was sent first, if there is one.
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Errors
    /// When there is none; when there will never be one.
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        match self.channel.attempt::<Receiving<T>>(None) {
            Ok(value) => value.ok_or(TryRecvError::Closed),
            Err(_) => Err(TryRecvError::Empty),
        }
    }

    /// The values as they come, until the channel is closed and empty.
    ///
    /// # Pausing
    /// Each step as [`recv`](Self::recv). Where nobody can wait, it ends.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// The values that are there.
    ///
    /// # Pausing
    /// Never pauses.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let last = self.channel.with(|state| {
            state.senders -= 1;
            state.senders == 0
        });
        if last {
            self.channel.close();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let (last, rest) = self.channel.with(|state| {
            state.receivers -= 1;
            let last = state.receivers == 0;
            state.closed |= last;
            (last, if last { mem::take(&mut state.buffer) } else { Default::default() })
        });
        if last {
            self.channel.wake_all(State::dismiss);
        }
        // Destructors of users, when everything else is in order.
        drop(rest);
    }
}

/// The values of a channel as they come: see [`Receiver::iter`].
#[derive(Clone, Debug)]
#[must_use = "nothing is received before it is asked for"]
pub struct Iter<'a, T> {
    /// Where they come out.
    receiver: &'a Receiver<T>,
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    #[inline(always)]
    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

/// The values of a channel that are there: see [`Receiver::try_iter`].
#[derive(Clone, Debug)]
#[must_use = "nothing is received before it is asked for"]
pub struct TryIter<'a, T> {
    /// Where they come out.
    receiver: &'a Receiver<T>,
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

/// The values of a channel as they come, from a receiver of its own.
#[derive(Clone, Debug)]
#[must_use = "nothing is received before it is asked for"]
pub struct IntoIter<T> {
    /// Where they come out.
    receiver: Receiver<T>,
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    #[inline(always)]
    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { receiver: self }
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}
