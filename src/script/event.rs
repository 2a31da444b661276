//! Events: values that are given to whoever waits for their type.
//!
//! An event is cloned for each script that waits for its type at that moment, and for each mailbox; who does
//! not wait then does not get it. Nobody is resumed by that: those who got one become ready, in the order in
//! which they began to wait.
//!
//! Clones, filters and destructors of events are the user's. So the waiters of a type are taken out of the
//! list while they are asked, and put back after; what a filter emits of the same type reaches only mailboxes.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::mem;
use std::rc::{Rc, Weak};

use super::kernel::Kernel;
use super::record::{Link, Record, ScriptId, State};

/// A type of events, as links remember it: where its channel is.
pub(super) type EventKey = u32;

/// Asks whether an event is the one that is waited for.
pub(super) type Filter<E> = Box<dyn FnMut(&E) -> bool>;

/// A script that waits for an event.
struct Waiter<E> {
    /// Who.
    record: Rc<Record>,
    /// Which events; all, if it does not say.
    filter: Option<Filter<E>>,
    /// Where the event goes.
    place: Rc<Cell<Option<E>>>,
}

/// Those that wait for one type of events, by the number of the wait.
type Waiters<E> = BTreeMap<u64, Waiter<E>>;

/// One type of events.
struct Channel<E> {
    /// Who waits.
    waiters: Waiters<E>,
    /// Who listens all the time, by the number of the script that the listener borrows from, directly or not, and
    /// of the mailbox; some are gone.
    boxes: BTreeMap<(u64, u64), Weak<Queue<E>>>,
    /// From how many on those are looked for that are gone.
    many: usize,
}

impl<E> Channel<E> {
    /// Nobody.
    fn new() -> Self {
        Self { waiters: BTreeMap::new(), boxes: BTreeMap::new(), many: 16 }
    }

    /// Adds a mailbox.
    fn add(&mut self, number: u64, queue: &Rc<Queue<E>>) {
        if self.boxes.len() >= self.many {
            self.boxes.retain(|_, queue| queue.strong_count() > 0);
            self.many = 2 * self.boxes.len() + 16;
        }
        self.boxes.insert((queue.owner.topmost().id.serial, number), Rc::downgrade(queue));
    }
}

/// Mailboxes, by the order in which they were made.
type Boxes<E> = Vec<(u64, Rc<Queue<E>>)>;

/// Those of some mailboxes that exist.
fn existing<'a, E: 'a>(
    boxes: impl Iterator<Item = (&'a (u64, u64), &'a Weak<Queue<E>>)>,
) -> Boxes<E> {
    let mut boxes: Boxes<E> =
        boxes.filter_map(|(&(_, number), queue)| Some((number, queue.upgrade()?))).collect();
    boxes.sort_unstable_by_key(|&(number, _)| number);
    boxes
}

/// A [`Channel`] without its type.
trait AnyChannel {
    /// Takes a waiter out.
    fn remove(&mut self, number: u64) -> Option<Box<dyn Any>>;
    /// With its type.
    fn as_any(&mut self) -> &mut dyn Any;
}

impl<E: 'static> AnyChannel for Channel<E> {
    fn remove(&mut self, number: u64) -> Option<Box<dyn Any>> {
        let waiter = self.waiters.remove(&number)?;
        Some(Box::new((waiter.filter, waiter.place)))
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// All types of events.
#[derive(Default)]
pub(super) struct Events {
    /// Where each type's channel is. Their order is that of type ids, and nobody asks for it.
    keys: RefCell<BTreeMap<TypeId, EventKey>>,
    /// The channels, in the order in which their types came up.
    channels: RefCell<Vec<Box<dyn AnyChannel>>>,
}

impl Events {
    /// Takes a waiter out. What is to be dropped then is given back.
    pub(super) fn remove(&self, key: EventKey, number: u64) -> Option<Box<dyn Any>> {
        self.channels.borrow_mut()[key as usize].remove(number)
    }

    /// Where the channel of a type is.
    fn key<E: 'static>(&self) -> EventKey {
        *self.keys.borrow_mut().entry(TypeId::of::<E>()).or_insert_with(|| {
            let mut channels = self.channels.borrow_mut();
            channels.push(Box::new(Channel::<E>::new()));
            EventKey::try_from(channels.len() - 1).expect("fewer types than that")
        })
    }

    /// Does something with the channel of a type. `f` calls nobody.
    fn with<E: 'static, R>(&self, f: impl FnOnce(&mut Channel<E>) -> R) -> R {
        self.with_key(self.key::<E>(), f)
    }

    /// The same, where its place is known.
    fn with_key<E: 'static, R>(&self, key: EventKey, f: impl FnOnce(&mut Channel<E>) -> R) -> R {
        let channel = &mut self.channels.borrow_mut()[key as usize];
        f(channel.as_any().downcast_mut().expect("it is the channel of this type"))
    }

    /// Registers a script. The event will be in the place that this returns.
    pub(super) fn register<E: 'static>(
        &self,
        record: &Rc<Record>,
        number: u64,
        filter: Option<Filter<E>>,
        place: Rc<Cell<Option<E>>>,
    ) -> Link {
        let waiter = Waiter { record: record.clone(), filter, place };
        let key = self.key::<E>();
        self.with_key(key, |channel: &mut Channel<E>| channel.waiters.insert(number, waiter));
        Link::Event(key)
    }

    /// Takes out all waiters of a type and those mailboxes that exist.
    fn take<E: 'static>(&self) -> (Waiters<E>, Boxes<E>) {
        self.with(|channel: &mut Channel<E>| {
            (mem::take(&mut channel.waiters), existing(channel.boxes.iter()))
        })
    }

    /// Takes out what of a type is a script's or that of those that borrow from it.
    fn take_of<E: 'static>(&self, record: &Rc<Record>) -> (Waiters<E>, Boxes<E>) {
        let mut waiters = Waiters::new();
        let serial = record.topmost().id.serial;
        let key = self.key::<E>();
        self.with_key(key, |channel: &mut Channel<E>| {
            record.each_in(&mut |member| {
                let number = member.wait.get().number;
                if member.waits_for(key) {
                    waiters.extend(channel.waiters.remove_entry(&number));
                }
            });
            let mut boxes = existing(channel.boxes.range((serial, 0)..=(serial, u64::MAX)));
            // Also those of scripts that have ended: what they listened with may have been passed on.
            boxes.retain(|(_, queue)| queue.owner.is_in(record));
            (waiters, boxes)
        })
    }
}

/// Puts waiters back that did not get the event, however the emission ends.
struct PutBack<'a, E: 'static> {
    /// Where to.
    events: &'a Events,
    /// Who.
    waiters: Waiters<E>,
}

impl<E: 'static> Drop for PutBack<'_, E> {
    fn drop(&mut self) {
        let mut waiters = mem::take(&mut self.waiters);
        self.events.with(|channel: &mut Channel<E>| channel.waiters.append(&mut waiters));
    }
}

impl Kernel {
    /// Gives an event to all that wait for its type. Returns how many got it.
    pub(super) fn emit<E: Clone + 'static>(&self, event: &E) -> usize {
        let (waiters, boxes) = self.events.take::<E>();
        let mut asked = PutBack { events: &self.events, waiters };
        let mut got = 0;
        asked.waiters.retain(|&number, waiter| {
            let goes = self.offer(number, waiter, event);
            got += usize::from(goes == Offer::Taken);
            goes == Offer::Refused
        });
        drop(asked);
        for (_, queue) in boxes {
            queue.put(self, event.clone());
            got += 1;
        }
        got
    }

    /// Gives an event to one script and to those that borrow from it. Returns whether one of them got it.
    pub(super) fn emit_to<E: Clone + 'static>(&self, to: ScriptId, event: &E) -> bool {
        let Some(to) = self.find(to) else { return false };
        let (waiters, boxes) = self.events.take_of::<E>(&to);
        let mut asked = PutBack { events: &self.events, waiters };
        let mut got = false;
        asked.waiters.retain(|&number, waiter| {
            let goes = self.offer(number, waiter, event);
            got |= goes == Offer::Taken;
            goes == Offer::Refused
        });
        drop(asked);
        for (_, queue) in boxes {
            queue.put(self, event.clone());
            got = true;
        }
        got
    }

    /// Offers an event to a script that waits for its type.
    fn offer<E: Clone>(&self, number: u64, waiter: &mut Waiter<E>, event: &E) -> Offer {
        let record = &waiter.record;
        let waits = || record.state.get() == State::Waiting && record.wait.get().number == number;
        if !waits() {
            return Offer::Gone;
        }
        if waiter.filter.as_mut().is_some_and(|filter| !filter(event)) {
            return Offer::Refused;
        }
        let copy = event.clone();
        if !waits() {
            return Offer::Gone;
        }
        waiter.place.set(Some(copy));
        self.wake(record.clone(), number);
        Offer::Taken
    }
}

/// What became of an offer.
#[derive(PartialEq, Eq)]
enum Offer {
    /// It was taken.
    Taken,
    /// It is not the event that is waited for.
    Refused,
    /// Nobody waits any more.
    Gone,
}

/// The events of a mailbox.
pub(super) struct Queue<E> {
    /// Those not taken yet, oldest first.
    events: RefCell<VecDeque<E>>,
    /// Who waits for one, and in which wait, in the order in which they came; some may not wait any more.
    waiters: RefCell<VecDeque<(Rc<Record>, u64)>>,
    /// The script that listens.
    owner: Rc<Record>,
}

impl<E> Queue<E> {
    /// Adds an event.
    fn put(&self, kernel: &Kernel, event: E) {
        self.events.borrow_mut().push_back(event);
        while let Some((record, number)) = self.next_waiter() {
            if kernel.wake(record, number) {
                return;
            }
        }
    }

    /// Takes the oldest.
    pub(super) fn take(&self) -> Option<E> {
        self.events.borrow_mut().pop_front()
    }

    /// Takes out who came first to wait.
    fn next_waiter(&self) -> Option<(Rc<Record>, u64)> {
        self.waiters.borrow_mut().pop_front()
    }

    /// Says who waits for one.
    pub(super) fn wait(&self, record: Rc<Record>, number: u64) {
        let mut waiters = self.waiters.borrow_mut();
        waiters.retain(|(other, number)| other.wait.get().number == *number && !other.has_ended());
        waiters.push_back((record, number));
    }
}

/// Every event of a type since it was made: see [`Script::listen`](super::Script::listen).
///
/// Where [`wait_for`](super::Script::wait_for) gets only what is emitted while it waits, a mailbox keeps what
/// is emitted while its script does something else. Events that are not taken stay in it until it is dropped.
pub struct Mailbox<E> {
    /// The events.
    pub(super) queue: Rc<Queue<E>>,
}

impl<E: 'static> Mailbox<E> {
    /// A mailbox of this script.
    pub(super) fn new(kernel: &Kernel, owner: Rc<Record>) -> Self {
        let events = RefCell::default();
        let queue = Rc::new(Queue { events, waiters: RefCell::default(), owner });
        let number = kernel.next_number();
        kernel.events.with(|channel: &mut Channel<E>| channel.add(number, &queue));
        Self { queue }
    }
}

impl<E> Mailbox<E> {
    /// Takes the oldest event, if there is one.
    ///
    /// # Pausing
    /// Never pauses; [`next`](Self::next) waits.
    pub fn try_next(&self) -> Option<E> {
        self.queue.take()
    }

    /// How many events are in it.
    pub fn len(&self) -> usize {
        self.queue.events.borrow().len()
    }

    /// Whether no event is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<E> fmt::Debug for Mailbox<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("len", &self.len()).finish_non_exhaustive()
    }
}
