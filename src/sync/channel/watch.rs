//! A channel that holds one value, the last: receivers look at it, and wait until it is another one.

use std::fmt;
use std::mem;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;

use super::ends::ChannelStats;
use super::error::RecvError;
use crate::task::{Subject, Wait};
use crate::wait::{AnyArm, Asker, Attempt, Locked, Operation, OperationArm, Queue, Woken};

/// A channel that holds one value, in the beginning this one. Setting another one never waits. Receivers get the
/// last value whenever they look, and can wait until it is one that they have not seen.
///
/// ```
/// use segno::sync::channel;
///
/// segno::run(|| {
///     let (tempo, mut player) = channel::watch(60);
///     segno::scope(|s| {
///         s.spawn(|| {
///             assert_eq!(*player.changed().unwrap(), 90);
///         });
///         segno::yield_now();
///         tempo.set(80);
///         tempo.set(90); // nobody has looked in between
///     });
///     assert_eq!(*tempo.get(), 90);
/// });
/// ```
pub fn watch<T>(value: T) -> (WatchSender<T>, WatchReceiver<T>) {
    let channel = Arc::new(Locked::new(State {
        value: Arc::new(value),
        version: 0,
        senders: 1,
        receivers: 1,
        waiting: Queue::new(),
    }));
    (WatchSender { channel: channel.clone() }, WatchReceiver { channel, seen: 0 })
}

/// What is behind the lock.
pub(super) struct State<T> {
    /// The value.
    value: Arc<T>,
    /// How often it was set.
    version: u64,
    /// Senders that there are; with none it does not change any more.
    senders: usize,
    /// Receivers that there are.
    receivers: usize,
    /// Receivers that wait for a version that they have not seen.
    waiting: Queue<Change>,
}

/// What a receiver asks for, and learns.
pub(super) struct Change {
    /// The version that it has seen.
    seen: u64,
    /// Whether there is another one; if not, there will be none. It looks which when it goes on.
    news: bool,
}

impl<T> State<T> {
    /// One who waits goes on, if there is news for it, or will be none. Those who have waited longer have seen
    /// older versions, so the first one tells.
    fn serve(&mut self) -> Option<Woken> {
        let news = self.waiting.first(|slot| slot.seen != self.version)?;
        if !news && self.senders > 0 {
            return None;
        }
        self.waiting.complete(|slot| slot.news = news).map(|((), woken)| woken)
    }
}

/// Waiting for news.
pub(super) struct Changing<T>(std::marker::PhantomData<T>);

impl<T> Operation for Changing<T> {
    type State = State<T>;
    type Slot = Change;

    fn attempt(state: &mut State<T>, slot: &mut Change) -> Attempt {
        slot.news = slot.seen != state.version;
        if slot.news || state.senders == 0 { Attempt::Done(None) } else { Attempt::Wait }
    }

    fn queue(state: &mut State<T>) -> &mut Queue<Change> {
        &mut state.waiting
    }

    /// It is still news to this receiver.
    fn pass_on(_: &mut State<T>, _: &mut Change) -> Option<Woken> {
        None
    }
}

/// A value of a [`watch`] channel, as it was when somebody looked. It stays while this is kept.
pub struct Seen<T>(Arc<T>);

impl<T> Deref for Seen<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Seen<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: fmt::Debug> fmt::Debug for Seen<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The end of a [`watch`] channel that sets the value. Cloning it makes one more.
pub struct WatchSender<T> {
    /// The channel.
    channel: Arc<Locked<State<T>>>,
}

/// The end of a [`watch`] channel that looks at the value. A clone has seen what this one has.
pub struct WatchReceiver<T> {
    /// The channel.
    channel: Arc<Locked<State<T>>>,
    /// The version that it has seen.
    seen: u64,
}

impl<T> WatchSender<T> {
    /// Sets the value, also if nobody looks. The old one is dropped when the last who looks at it is done.
    ///
    /// # Pausing
    /// Never pauses.
    pub fn set(&self, value: T) {
        let value = Arc::new(value);
        let old = self.channel.with(|state| {
            state.version += 1;
            mem::replace(&mut state.value, value)
        });
        self.channel.wake_all(State::serve);
        // Its destructor is the user's.
        drop(old);
    }

    /// The value.
    pub fn get(&self) -> Seen<T> {
        Seen(self.channel.with(|state| state.value.clone()))
    }

    /// One more receiver, which has seen the value that is there now.
    pub fn subscribe(&self) -> WatchReceiver<T> {
        let seen = self.channel.with(|state| {
            state.receivers += 1;
            state.version
        });
        WatchReceiver { channel: self.channel.clone(), seen }
    }

    /// How many receivers wait, and how many ever did at once.
    pub fn stats(&self) -> ChannelStats {
        self.channel.with(|state| ChannelStats {
            len: 1,
            peak_len: 1,
            waiting_receivers: state.waiting.len(),
            peak_receivers: state.waiting.peak(),
            ..ChannelStats::default()
        })
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.channel.with(|state| state.receivers)
    }
}

impl<T> WatchReceiver<T> {
    /// The value, which this receiver has then seen.
    ///
    /// # Pausing
    /// Never pauses.
    pub fn get(&mut self) -> Seen<T> {
        let (version, value) = self.channel.with(|state| (state.version, state.value.clone()));
        self.seen = version;
        Seen(value)
    }

    /// The value, without having seen it: the next [`changed`](Self::changed) does not wait because of this.
    ///
    /// # Pausing
    /// Never pauses.
    pub fn peek(&self) -> Seen<T> {
        Seen(self.channel.with(|state| state.value.clone()))
    }

    /// Whether the value was set since this receiver has seen it.
    pub fn has_changed(&self) -> bool {
        self.channel.with(|state| state.version != self.seen)
    }

    /// Waits until the value is one that this receiver has not seen.
    ///
    /// # Pausing
    /// Pauses while it is not. If the task is cancelled it unwinds, and has seen nothing. Outside a task it blocks
    /// the thread.
    ///
    /// # Errors
    /// When all senders have been dropped and the last value was seen; where nobody can wait.
    #[track_caller]
    pub fn changed(&mut self) -> Result<Seen<T>, RecvError> {
        let at = Location::caller();
        let wait = Wait { what: &"changed", at, subject: Subject::NONE };
        let slot = Change { seen: self.seen, news: false };
        match self.channel.operate::<Changing<T>>(Asker::at_hand(at), wait, slot) {
            Ok(Change { news: true, .. }) => Ok(self.get()),
            Ok(_) => Err(RecvError::Closed),
            Err(_) => Err(RecvError::Cancelled),
        }
    }

    /// Waits until the value is as wanted; at once if it is already.
    ///
    /// # Pausing
    /// As [`changed`](Self::changed).
    ///
    /// # Errors
    /// As [`changed`](Self::changed).
    #[track_caller]
    pub fn wait_for(&mut self, mut wanted: impl FnMut(&T) -> bool) -> Result<Seen<T>, RecvError> {
        let mut value = self.get();
        while !wanted(&value) {
            value = self.changed()?;
        }
        Ok(value)
    }
}

/// Waiting for news, as one of several things.
pub struct ChangedArm<'a, T> {
    /// The operation.
    operation: OperationArm<'a, Changing<T>>,
    /// Which version the receiver has seen.
    seen: &'a mut u64,
    /// The channel.
    channel: &'a Locked<State<T>>,
}

impl<T> WatchReceiver<T> {
    #[doc(hidden)]
    pub fn __changed_arm(&mut self) -> ChangedArm<'_, T> {
        let slot = Change { seen: self.seen, news: false };
        let operation = OperationArm::new(&*self.channel, slot);
        ChangedArm { operation, seen: &mut self.seen, channel: &self.channel }
    }
}

impl<T> ChangedArm<'_, T> {
    #[doc(hidden)]
    pub fn any(&mut self) -> AnyArm<'_> {
        AnyArm::new(&mut self.operation)
    }

    #[doc(hidden)]
    pub fn take(self) -> Result<Seen<T>, RecvError> {
        if !self.operation.into_slot().is_some_and(|change| change.news) {
            return Err(RecvError::Closed);
        }
        let (version, value) = self.channel.with(|state| (state.version, state.value.clone()));
        *self.seen = version;
        Ok(Seen(value))
    }
}

impl<T> fmt::Debug for ChangedArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangedArm").finish_non_exhaustive()
    }
}

impl<T> Clone for WatchSender<T> {
    fn clone(&self) -> Self {
        self.channel.with(|state| state.senders += 1);
        Self { channel: self.channel.clone() }
    }
}

impl<T> Clone for WatchReceiver<T> {
    fn clone(&self) -> Self {
        self.channel.with(|state| state.receivers += 1);
        Self { channel: self.channel.clone(), seen: self.seen }
    }
}

impl<T> Drop for WatchSender<T> {
    fn drop(&mut self) {
        let last = self.channel.with(|state| {
            state.senders -= 1;
            state.senders == 0
        });
        if last {
            self.channel.wake_all(State::serve);
        }
    }
}

impl<T> Drop for WatchReceiver<T> {
    fn drop(&mut self) {
        self.channel.with(|state| state.receivers -= 1);
    }
}

impl<T: fmt::Debug> fmt::Debug for WatchSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchSender").field("value", &self.get()).finish_non_exhaustive()
    }
}

impl<T: fmt::Debug> fmt::Debug for WatchReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = Seen(self.channel.with(|state| state.value.clone()));
        f.debug_struct("WatchReceiver")
            .field("value", &value)
            .field("has_changed", &self.has_changed())
            .finish_non_exhaustive()
    }
}
