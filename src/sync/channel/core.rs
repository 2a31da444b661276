//! What is behind a channel: the values that nobody has yet, and who waits on either side.
//!
//! ```text
//!   sending: [v3] [v4] ...        a full buffer: v1 v2          receiving: nobody
//!   sending: nobody               an empty buffer               receiving: [ ] [ ] ...
//! ```
//!
//! A receiver waits only while the buffer is empty and no sender waits; a sender waits only while the buffer is
//! full (with room for nothing, always) and no receiver waits. So a value is written straight into the slot of
//! the receiver that has waited longest, and where one is taken out of a full buffer, the sender that has waited
//! longest gets its value in.

use std::collections::VecDeque;
use std::marker::PhantomData;

use crate::wait::{Attempt, Operation, Queue, Woken};

/// What is behind a channel's lock.
pub(in crate::sync) struct State<T> {
    /// Values that were sent and not received.
    pub(super) buffer: VecDeque<T>,
    /// The most values that there may be; a receiver that gave one back may make it one more.
    pub(super) capacity: usize,
    /// Whether nothing is sent any more.
    pub(super) closed: bool,
    /// Senders that there are.
    pub(super) senders: usize,
    /// Receivers that there are.
    pub(super) receivers: usize,
    /// The most values that there ever were.
    pub(super) peak: usize,
    /// Senders that wait, each with its value.
    pub(super) sending: Queue<Option<T>>,
    /// Receivers that wait.
    pub(super) receiving: Queue<Option<T>>,
}

impl<T> State<T> {
    /// With one end of each kind.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            buffer: VecDeque::new(),
            capacity,
            closed: false,
            senders: 1,
            receivers: 1,
            peak: 0,
            sending: Queue::new(),
            receiving: Queue::new(),
        }
    }

    /// One who waits is told that the channel is closed: a receiver finds nothing in its slot, a sender finds its
    /// value still there.
    pub(super) fn dismiss(&mut self) -> Option<Woken> {
        let dismissed = self.receiving.complete(|_| ()).or_else(|| self.sending.complete(|_| ()));
        dismissed.map(|((), woken)| woken)
    }

    /// A sender that waits gets its value into the buffer, if there is room.
    #[inline(always)]
    fn let_in(&mut self) -> Option<Woken> {
        if self.sending.is_empty() || self.buffer.len() >= self.capacity {
            return None;
        }
        let buffer = &mut self.buffer;
        let let_in = self.sending.complete(|slot| append(buffer, slot));
        let_in.map(|((), woken)| woken)
    }
}

/// Puts what is in a slot at the end.
#[inline(always)]
fn append<T>(buffer: &mut VecDeque<T>, slot: &mut Option<T>) {
    // Not `extend`: that is a loop of its own, out of line.
    if let Some(value) = slot.take() {
        buffer.push_back(value);
    }
}

/// Sending. The slot holds the value; if it still does afterwards, the channel was closed.
pub(in crate::sync) struct Sending<T>(PhantomData<T>);

impl<T> Operation for Sending<T> {
    type State = State<T>;
    type Slot = Option<T>;

    #[inline(always)]
    fn attempt(state: &mut State<T>, slot: &mut Option<T>) -> Attempt {
        if state.closed {
            return Attempt::Done(None);
        }
        if !state.receiving.is_empty() {
            let handed = state.receiving.complete(|room| *room = slot.take());
            if let Some(((), woken)) = handed {
                return Attempt::Done(Some(woken));
            }
        }
        if state.buffer.len() < state.capacity {
            append(&mut state.buffer, slot);
            let len = state.buffer.len();
            if len > state.peak {
                state.peak = len;
            }
            return Attempt::Done(None);
        }
        Attempt::Wait
    }

    #[inline(always)]
    fn queue(state: &mut State<T>) -> &mut Queue<Option<T>> {
        &mut state.sending
    }

    /// The value went its way, or drops with the frame.
    fn pass_on(_: &mut State<T>, _: &mut Option<T>) -> Option<Woken> {
        None
    }
}

/// Receiving. The slot is empty; if it still is afterwards, the channel is closed.
pub(in crate::sync) struct Receiving<T>(PhantomData<T>);

impl<T> Operation for Receiving<T> {
    type State = State<T>;
    type Slot = Option<T>;

    #[inline(always)]
    fn attempt(state: &mut State<T>, slot: &mut Option<T>) -> Attempt {
        *slot = state.buffer.pop_front();
        if slot.is_some() {
            return Attempt::Done(state.let_in());
        }
        if !state.sending.is_empty() {
            let handed = state.sending.complete(|value| *slot = value.take());
            if let Some(((), woken)) = handed {
                return Attempt::Done(Some(woken));
            }
        }
        if state.closed { Attempt::Done(None) } else { Attempt::Wait }
    }

    #[inline(always)]
    fn queue(state: &mut State<T>) -> &mut Queue<Option<T>> {
        &mut state.receiving
    }

    /// The value goes to the next who waits, else back to where it was: it is older than all others. If nobody
    /// can receive it any more it stays, and drops.
    fn pass_on(state: &mut State<T>, slot: &mut Option<T>) -> Option<Woken> {
        slot.as_ref()?;
        if let Some(((), woken)) = state.receiving.complete(|room| *room = slot.take()) {
            return Some(woken);
        }
        if state.receivers > 0 {
            if let Some(value) = slot.take() {
                state.buffer.push_front(value);
            }
        }
        None
    }
}
