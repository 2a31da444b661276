//! A channel whose every receiver gets every value, unless it is too slow.
//!
//! ```text
//!   sent so far: 0 1 2 3 4 5 6        buffer of 4: [3] [4] [5] [6]
//!                                       next of a slow receiver ^ at 1: missed 2, goes on with 3
//!                                       next of a fast one            at 7: waits
//! ```
//!
//! A value is kept once, and shared: cloning it, and dropping it, is the business of those who receive, and
//! happens without the lock.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::panic::Location;
use std::sync::Arc;

use super::ends::ChannelStats;
use super::error::{BroadcastError, SendError, TryBroadcastError};
use crate::task::{Subject, Wait};
use crate::wait::{AnyArm, Asker, Attempt, Locked, Operation, OperationArm, Queue, Woken};

/// A channel that keeps the last `capacity` values for its receivers. Every receiver gets its own clone of each
/// value that was sent since it was made. Sending never waits: a receiver that is `capacity` values behind misses
/// the oldest, and is told how many.
///
/// # Panics
/// If there is no room for a single value.
///
/// ```
/// use segno::sync::channel::{self, BroadcastError};
///
/// let (news, mut fast) = channel::broadcast(2);
/// let mut slow = news.subscribe();
/// for value in 1..=3 {
///     news.send(value).unwrap();
///     assert_eq!(fast.recv(), Ok(value));
/// }
/// assert_eq!(slow.recv(), Err(BroadcastError::Missed(1)));
/// assert_eq!(slow.recv(), Ok(2));
/// ```
#[track_caller]
pub fn broadcast<T: Clone>(capacity: usize) -> (BroadcastSender<T>, BroadcastReceiver<T>) {
    assert!(capacity > 0, "a broadcast channel has room for one value at least");
    let channel = Arc::new(Locked::new(State {
        buffer: VecDeque::new(),
        capacity,
        peak: 0,
        next: 0,
        closed: false,
        senders: 1,
        receivers: 1,
        reading: Queue::new(),
    }));
    (BroadcastSender { channel: channel.clone() }, BroadcastReceiver { channel, next: 0 })
}

/// What is behind the lock.
pub(super) struct State<T> {
    /// The last values, oldest first.
    buffer: VecDeque<Arc<T>>,
    /// The most that are kept.
    capacity: usize,
    /// The most that ever were kept.
    peak: usize,
    /// How many have been sent.
    next: u64,
    /// Whether nothing is sent any more.
    closed: bool,
    /// Senders that there are.
    senders: usize,
    /// Receivers that there are.
    receivers: usize,
    /// Receivers that wait: all of them for the next value.
    reading: Queue<Reading<T>>,
}

/// What a receiver asks for, and gets.
pub(super) struct Reading<T> {
    /// The number of the value that it wants.
    next: u64,
    /// The value, and its number; `None` if the channel is closed.
    value: Option<(u64, Arc<T>)>,
}

impl<T> State<T> {
    /// Gives a receiver what it wants, or the oldest that is there.
    fn read(buffer: &VecDeque<Arc<T>>, sent: u64, reading: &mut Reading<T>) {
        let oldest = sent - buffer.len() as u64;
        let number = reading.next.max(oldest);
        let value = buffer.get(usize::try_from(number - oldest).unwrap_or(usize::MAX));
        reading.value = value.map(|value| (number, value.clone()));
    }

    /// One who waits goes on, if what it wants is there or will never be. Those who have waited longer want older
    /// values, so the first one tells.
    fn serve(&mut self) -> Option<Woken> {
        let Self { buffer, next, closed, reading, .. } = self;
        let there = reading.first(|slot| slot.next < *next)?;
        if !there && !*closed {
            return None;
        }
        reading.complete(|slot| Self::read(buffer, *next, slot)).map(|((), woken)| woken)
    }
}

/// Receiving.
pub(super) struct Receiving<T>(std::marker::PhantomData<T>);

impl<T> Operation for Receiving<T> {
    type State = State<T>;
    type Slot = Reading<T>;

    fn attempt(state: &mut State<T>, slot: &mut Reading<T>) -> Attempt {
        State::read(&state.buffer, state.next, slot);
        if slot.value.is_some() || state.closed { Attempt::Done(None) } else { Attempt::Wait }
    }

    fn queue(state: &mut State<T>) -> &mut Queue<Reading<T>> {
        &mut state.reading
    }

    /// The value is still there for this receiver: it has not gone on to the next.
    fn pass_on(_: &mut State<T>, _: &mut Reading<T>) -> Option<Woken> {
        None
    }
}

/// The end of a [`broadcast`] channel that values go in at. Cloning it makes one more; when all are dropped the
/// channel is closed.
pub struct BroadcastSender<T> {
    /// The channel.
    channel: Arc<Locked<State<T>>>,
}

/// The end of a [`broadcast`] channel that every value comes out of. A clone goes on from the same value.
pub struct BroadcastReceiver<T> {
    /// The channel.
    channel: Arc<Locked<State<T>>>,
    /// The number of the value that comes next.
    next: u64,
}

impl<T> BroadcastSender<T> {
    /// Sends a value to all receivers, and returns how many there are.
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Errors
    /// With the value, when there are no receivers now, or the channel was closed.
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        let value = Arc::new(value);
        let sent = self.channel.with(|state| {
            if state.receivers == 0 || state.closed {
                return Err(state.closed);
            }
            let full = state.buffer.len() == state.capacity;
            let oldest = if full { state.buffer.pop_front() } else { None };
            state.buffer.push_back(value.clone());
            state.next += 1;
            state.peak = state.peak.max(state.buffer.len());
            Ok((state.receivers, oldest))
        });
        match sent {
            Ok((receivers, oldest)) => {
                self.channel.wake_all(State::serve);
                // Its destructor is the user's.
                drop(oldest);
                Ok(receivers)
            }
            Err(closed) => match Arc::into_inner(value) {
                Some(value) if closed => Err(SendError::Closed(value)),
                Some(value) => Err(SendError::NoReceiver(value)),
                None => unreachable!("nobody else has it"),
            },
        }
    }

    /// One more receiver, for what is sent from now on.
    pub fn subscribe(&self) -> BroadcastReceiver<T> {
        let next = self.channel.with(|state| {
            state.receivers += 1;
            state.next
        });
        BroadcastReceiver { channel: self.channel.clone(), next }
    }

    /// Closes the channel: nothing is sent any more. What was sent before can still be received.
    ///
    /// # Pausing
    /// Never pauses.
    pub fn close(&self) {
        self.channel.with(|state| state.closed = true);
        self.channel.wake_all(State::serve);
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.channel.with(|state| state.receivers)
    }

    /// What the channel is doing, and what it has done. The values are those that are kept.
    pub fn stats(&self) -> ChannelStats {
        self.channel.with(|state| ChannelStats {
            len: state.buffer.len(),
            peak_len: state.peak,
            waiting_receivers: state.reading.len(),
            peak_receivers: state.reading.peak(),
            ..ChannelStats::default()
        })
    }

    /// How many values are kept now.
    pub fn len(&self) -> usize {
        self.channel.with(|state| state.buffer.len())
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Clone> BroadcastReceiver<T> {
    /// Takes the next value, and waits until there is one.
    ///
    /// # Pausing
    /// Pauses while there is none. If the task is cancelled it unwinds, and has missed nothing. Outside a task it
    /// blocks the thread.
    ///
    /// # Errors
    /// When values were missed, once, with their number; when the channel is closed and everything was received;
    /// where nobody can wait.
    #[track_caller]
    pub fn recv(&mut self) -> Result<T, BroadcastError> {
        let at = Location::caller();
        let wait = Wait { what: &"recv", at, subject: Subject::NONE };
        let slot = Reading { next: self.next, value: None };
        let read = self.channel.operate::<Receiving<T>>(Asker::at_hand(at), wait, slot);
        step(&mut self.next, read.map_err(|_| BroadcastError::Cancelled)?)
    }

    /// Takes the next value, if there is one.
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Errors
    /// When values were missed, once, with their number; when there is none; when there will never be one.
    pub fn try_recv(&mut self) -> Result<T, TryBroadcastError> {
        let slot = Reading { next: self.next, value: None };
        let read = self.channel.attempt::<Receiving<T>>(slot);
        step(&mut self.next, read.map_err(|_| TryBroadcastError::Empty)?).map_err(|error| {
            match error {
                BroadcastError::Missed(many) => TryBroadcastError::Missed(many),
                _ => TryBroadcastError::Closed,
            }
        })
    }
}

/// Goes on to the value that was read, or past those that were missed.
fn step<T: Clone>(next: &mut u64, read: Reading<T>) -> Result<T, BroadcastError> {
    let (number, value) = read.value.ok_or(BroadcastError::Closed)?;
    let missed = number - mem::replace(next, number);
    if missed > 0 {
        return Err(BroadcastError::Missed(missed));
    }
    *next += 1;
    // Only the last one needs no clone: then nobody else has it.
    Ok(Arc::try_unwrap(value).unwrap_or_else(|shared| T::clone(&shared)))
}

/// Receiving, as one of several things.
pub struct BroadcastArm<'a, T: 'a> {
    /// The operation.
    operation: OperationArm<'a, Receiving<T>>,
    /// The number of the value that comes next to the receiver.
    next: &'a mut u64,
}

impl<T: Clone> BroadcastReceiver<T> {
    #[doc(hidden)]
    pub fn __recv_arm(&mut self) -> BroadcastArm<'_, T> {
        let slot = Reading { next: self.next, value: None };
        BroadcastArm { operation: OperationArm::new(&self.channel, slot), next: &mut self.next }
    }
}

impl<T: Clone> BroadcastArm<'_, T> {
    #[doc(hidden)]
    pub fn any(&mut self) -> AnyArm<'_> {
        AnyArm::new(&mut self.operation)
    }

    #[doc(hidden)]
    pub fn take(self) -> Result<T, BroadcastError> {
        let read = self.operation.into_slot().ok_or(BroadcastError::Closed)?;
        step(self.next, read)
    }
}

impl<T> fmt::Debug for BroadcastArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastArm").finish_non_exhaustive()
    }
}

impl<T> BroadcastReceiver<T> {
    /// How many values are there for this receiver.
    pub fn len(&self) -> usize {
        let behind =
            self.channel.with(|state| (state.next - self.next).min(state.buffer.len() as u64));
        usize::try_from(behind).unwrap_or(usize::MAX)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Clone for BroadcastSender<T> {
    fn clone(&self) -> Self {
        self.channel.with(|state| state.senders += 1);
        Self { channel: self.channel.clone() }
    }
}

impl<T> Clone for BroadcastReceiver<T> {
    fn clone(&self) -> Self {
        self.channel.with(|state| state.receivers += 1);
        Self { channel: self.channel.clone(), next: self.next }
    }
}

impl<T> Drop for BroadcastSender<T> {
    fn drop(&mut self) {
        let last = self.channel.with(|state| {
            state.senders -= 1;
            state.senders == 0
        });
        if last {
            self.close();
        }
    }
}

impl<T> Drop for BroadcastReceiver<T> {
    fn drop(&mut self) {
        let unread = self.channel.with(|state| {
            state.receivers -= 1;
            // Nobody can read them any more: who comes later begins with what is sent later.
            if state.receivers == 0 { mem::take(&mut state.buffer) } else { VecDeque::new() }
        });
        drop(unread);
    }
}

impl<T> fmt::Debug for BroadcastSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (len, receivers, waiting) =
            self.channel.with(|state| (state.buffer.len(), state.receivers, state.reading.len()));
        f.debug_struct("BroadcastSender")
            .field("len", &len)
            .field("receivers", &receivers)
            .field("waiting_receivers", &waiting)
            .finish()
    }
}

impl<T> fmt::Debug for BroadcastReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastReceiver").field("len", &self.len()).finish_non_exhaustive()
    }
}
