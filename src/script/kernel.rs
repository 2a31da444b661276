//! The scheduler without its types: who is there, who is ready, who waits for what.
//!
//! Everything in here is short and calls nobody back: no code of the user's runs while a list is borrowed.
//! What that code could be (closures, events, results, what scripts captured) is moved out first and used or
//! dropped after.
//!
//! | file | what |
//! |---|---|
//! | `run` | a tick: who is due, in which order, and safe points |
//! | `ending` | cancelling, ending, giving up |
//! | `wait` | how a script waits |
//! | `event` | events, and who waits for them |

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event::Events;
use super::group::Circle;
use super::info::{PanicInfo, SlowInfo, Stubborn, TickReport};
use super::lend::Stage;
use super::owner::Deaths;
use super::record::{Link, Record, ScriptId, State};
use super::run::{AHEAD, Budget};
use super::scripts::PanicPolicy;
use super::spawn::Making;
use crate::coroutine::Payload;
use crate::stacks::Request;

/// How many blank records are kept: 400 KiB.
const SPARE: usize = 1024;

/// A condition, without the type of its world.
pub(super) type Condition = Box<dyn FnMut(&dyn Any) -> bool>;

/// A condition that a script waits for.
pub(super) struct Predicate {
    /// Who waits.
    pub(super) record: Rc<Record>,
    /// In which wait.
    pub(super) number: u64,
    /// The condition.
    pub(super) holds: Condition,
}

/// Those that wait for a phase.
#[derive(Default)]
pub(super) struct Phased {
    /// Who, and in which wait; some are not waiting any more.
    pub(super) waiting: Vec<(u64, Rc<Record>)>,
    /// How many of those are not.
    stale: usize,
}

/// A hook that is told of panics.
pub(super) type PanicHook = Rc<dyn Fn(&PanicInfo)>;
/// A hook that is told of long resumes, and what is long.
pub(super) type SlowHook = (Duration, Rc<dyn Fn(&SlowInfo)>);

/// What does not change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// Bytes of frames, if not the library's default.
    pub(super) stack_size: Option<usize>,
    /// Whether to find out how deep stacks get.
    pub(super) measure: bool,
    /// What becomes of panics.
    pub(super) policy: PanicPolicy,
    /// How much a tick may unwind.
    pub(super) unwinding: Budget,
    /// How often a tick may resume scripts, if not as often as is usual for so many.
    pub(super) most_resumes: Option<usize>,
}

/// The scheduler.
pub(super) struct Kernel {
    /// What does not change.
    pub(super) settings: Settings,
    /// The name of the world's type, for messages.
    pub(super) world_name: &'static str,
    /// The world, during a tick.
    pub(super) stage: Stage,
    /// The group that everything is in.
    pub(super) root: Rc<Circle>,
    /// The scripts, each at its index.
    slots: RefCell<Vec<Option<Rc<Record>>>>,
    /// Indices that nobody has.
    vacant: RefCell<Vec<u32>>,
    /// Blank records, of scripts that are over.
    spare: RefCell<Vec<Rc<Record>>>,
    /// The stack of a script that does not ask for another; `None` before the first.
    pub(super) usual_request: Cell<Option<Request>>,
    /// How many scripts there are.
    live: Cell<usize>,
    /// How many scripts there have been.
    serial: Cell<u64>,
    /// The last number of a wait, a wake, an exit closure.
    number: Cell<u64>,
    /// Who may be resumed: first those that a tick left, then those woken since.
    pub(super) ready: RefCell<VecDeque<Rc<Record>>>,
    /// How many of those a tick left.
    pub(super) left: Cell<usize>,
    /// The priority and the number of the last of those woken since.
    newest: Cell<(i32, u64)>,
    /// Whether those have come in the order of their priorities and numbers.
    pub(super) in_order: Cell<bool>,
    /// Who is due; empty but for its memory between two ticks.
    pub(super) due: Cell<Vec<(u64, Rc<Record>)>>,
    /// Who waits for which phase, by phase.
    phases: RefCell<Vec<(u32, Phased)>>,
    /// Who waits for a condition, by priority and number.
    pub(super) predicates: RefCell<BTreeMap<(i32, u64), Predicate>>,
    /// Who waits for events.
    pub(super) events: Events,
    /// Who is to take its last step at the next safe point.
    pub(super) dying: RefCell<VecDeque<Rc<Record>>>,
    /// Scripts with an owner, by owner and number.
    owned: RefCell<BTreeMap<(u64, u64), Rc<Record>>>,
    /// Owners that have died.
    pub(super) deaths: Arc<Deaths>,
    /// The singletons that run, by name.
    pub(super) singletons: RefCell<BTreeMap<Cow<'static, str>, Rc<Record>>>,
    /// Where those put what they return, by number; of the type that their handles know.
    pub(super) places: RefCell<BTreeMap<ScriptId, Rc<dyn Any>>>,
    /// The state of the random numbers.
    pub(super) random: Cell<u64>,
    /// Who is told of panics.
    pub(super) panic_hook: RefCell<Option<PanicHook>>,
    /// Who is told of long resumes.
    pub(super) slow_hook: RefCell<Option<SlowHook>>,
    /// Whether there is such a hook.
    pub(super) is_timed: Cell<bool>,
    /// The line that called the tick that is under way.
    pub(super) ticking: Cell<Option<&'static Location<'static>>>,
    /// The number of the tick.
    pub(super) tick: Cell<u64>,
    /// Whether everything is to end, shields or not.
    pub(super) closing: Cell<bool>,
    /// How often scripts were resumed in this tick.
    pub(super) resumes: Cell<usize>,
    /// What else has happened in this tick; what was spawned before it counts.
    pub(super) report: RefCell<TickReport>,
    /// A panic, or the cancellation of what runs the tick, that is to come out of it.
    pub(super) outgoing: RefCell<Option<Payload>>,
    /// Who was given up since that was asked for.
    pub(super) stubborn: RefCell<Vec<Stubborn>>,
    /// Since when the script that runs computes, if it asked: see [`Script::budget`](super::Script::budget).
    pub(super) computing_since: Cell<Option<Instant>>,
    /// How many strong handles there are.
    pub(super) handles: Cell<usize>,
}

impl Kernel {
    /// A scheduler for worlds of type `W`.
    pub(super) fn new<W: 'static>(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            world_name: std::any::type_name::<W>(),
            stage: Stage::new(TypeId::of::<W>()),
            root: Circle::root(),
            slots: RefCell::default(),
            vacant: RefCell::default(),
            spare: RefCell::default(),
            usual_request: Cell::new(None),
            live: Cell::new(0),
            serial: Cell::new(0),
            number: Cell::new(0),
            ready: RefCell::default(),
            left: Cell::new(0),
            newest: Cell::new((i32::MIN, 0)),
            in_order: Cell::new(true),
            due: Cell::default(),
            phases: RefCell::default(),
            predicates: RefCell::default(),
            events: Events::default(),
            dying: RefCell::default(),
            owned: RefCell::default(),
            deaths: Arc::default(),
            singletons: RefCell::default(),
            places: RefCell::default(),
            random: Cell::new(seed),
            panic_hook: RefCell::default(),
            slow_hook: RefCell::default(),
            is_timed: Cell::new(false),
            ticking: Cell::new(None),
            tick: Cell::new(0),
            closing: Cell::new(false),
            resumes: Cell::new(0),
            report: RefCell::default(),
            outgoing: RefCell::default(),
            stubborn: RefCell::default(),
            computing_since: Cell::new(None),
            handles: Cell::new(0),
        }
    }

    /// A number that was not used before.
    #[inline]
    pub(super) fn next_number(&self) -> u64 {
        let number = self.number.get() + 1;
        self.number.set(number);
        number
    }

    /// Counts something in the report.
    #[inline]
    pub(super) fn count(&self, count: impl FnOnce(&mut TickReport)) {
        count(&mut self.report.borrow_mut());
    }

    // ---- who is there

    /// A record that nobody knows of yet: [`enter`](Self::enter) or [`forget`](Self::forget) it.
    #[inline(always)]
    pub(super) fn record(&self, making: Making, parent: Option<Rc<Record>>) -> Rc<Record> {
        let index = self.vacant.borrow_mut().pop().unwrap_or_else(|| {
            let mut slots = self.slots.borrow_mut();
            slots.push(None);
            u32::try_from(slots.len() - 1).expect("fewer scripts than that fit into memory")
        });
        let serial = self.serial.get() + 1;
        self.serial.set(serial);
        let spare = self.spare.borrow_mut().pop();
        let mut record = spare.unwrap_or_else(|| Record::blank(&self.root, making.spawned_at));
        let new = Rc::get_mut(&mut record).expect("nobody else knows a blank one");
        new.begin(ScriptId { serial, index }, self.root.now(), making, parent);
        record
    }

    /// Keeps the memory of a record for the next, if its script is over and nobody else knows it any more.
    #[inline]
    pub(super) fn recycle(&self, mut record: Rc<Record>) {
        if !record.has_ended() || self.spare.borrow().len() == SPARE {
            return;
        }
        if let Some(old) = Rc::get_mut(&mut record) {
            old.let_go(&self.root);
            self.spare.borrow_mut().push(record);
        }
    }

    /// Takes in a script that has its coroutine; it is ready, unless its owner is dead already.
    pub(super) fn enter(&self, record: &Rc<Record>) {
        self.admit(record);
        self.enqueue(record.clone());
        let orphan = record.owner.as_ref().is_some_and(|bond| bond.is_dead());
        let late = record.parent.as_ref().is_some_and(|parent| {
            parent.family_is_over.get() || parent.state.get() == State::Ending
        });
        if orphan || late {
            self.cancel(record);
        }
    }

    /// Takes in a script that is not ready yet.
    pub(super) fn admit(&self, record: &Rc<Record>) {
        self.slots.borrow_mut()[record.id.index as usize] = Some(record.clone());
        self.live.set(self.live.get() + 1);
        self.count(|report| report.spawned += 1);
        if let Some(parent) = &record.parent {
            parent.extras().children.borrow_mut().push(record.clone());
        }
        if let Some(bond) = &record.owner {
            self.owned.borrow_mut().insert((bond.number, record.id.serial), record.clone());
        }
    }

    /// Lets go of a record that was not taken in.
    pub(super) fn forget(&self, record: &Record) {
        self.vacant.borrow_mut().push(record.id.index);
    }

    /// Takes a script out of all lists of those that are there. What is dropped by that is given back.
    #[must_use]
    pub(super) fn strike(&self, record: &Rc<Record>) -> Option<Rc<dyn Any>> {
        self.slots.borrow_mut()[record.id.index as usize] = None;
        self.vacant.borrow_mut().push(record.id.index);
        self.live.set(self.live.get() - 1);
        if let Some(bond) = &record.owner {
            self.owned.borrow_mut().remove(&(bond.number, record.id.serial));
        }
        let mut singletons = self.singletons.borrow_mut();
        if singletons.get(&record.name).is_some_and(|single| Rc::ptr_eq(single, record)) {
            singletons.remove(&record.name);
        }
        self.places.borrow_mut().remove(&record.id)
    }

    /// The script with this number, if it is there.
    pub(super) fn find(&self, id: ScriptId) -> Option<Rc<Record>> {
        let slots = self.slots.borrow();
        slots.get(id.index as usize)?.clone().filter(|record| record.id == id)
    }

    /// How many scripts there are.
    pub(super) fn live(&self) -> usize {
        self.live.get()
    }

    /// All scripts, in the order in which they were spawned.
    pub(super) fn all(&self) -> Vec<Rc<Record>> {
        let mut all: Vec<_> = self.slots.borrow().iter().flatten().cloned().collect();
        all.sort_unstable_by_key(|record| record.id.serial);
        all
    }

    /// How many scripts are like this.
    pub(super) fn count_where(&self, like: impl Fn(&Record) -> bool) -> usize {
        self.slots.borrow().iter().flatten().filter(|record| like(record)).count()
    }

    /// Cancels all scripts that are like this, in the order in which they were spawned.
    pub(super) fn cancel_where(&self, like: impl Fn(&Record) -> bool) -> usize {
        let mut all = self.all();
        all.retain(|record| like(record));
        all.iter().filter(|record| self.cancel(record)).count()
    }

    /// Cancels the scripts of owners that have died.
    #[cold]
    pub(super) fn bury_owners(&self) {
        for number in self.deaths.take() {
            let orphans: Vec<_> = {
                let owned = self.owned.borrow();
                owned
                    .range((number, 0)..=(number, u64::MAX))
                    .map(|(_, record)| record.clone())
                    .collect()
            };
            for orphan in orphans {
                self.cancel(&orphan);
            }
        }
    }

    // ---- waking

    /// Gives a script its place in the ready queue, or keeps the wake if its group is paused.
    #[inline(always)]
    pub(super) fn enqueue(&self, record: Rc<Record>) {
        if record.group.is_stopped() {
            let number = self.next_number();
            let circle = record.group.clone();
            circle.hold(number, record);
        } else {
            record.state.set(State::Ready);
            let order = record.order();
            if order < self.newest.replace(order) {
                self.in_order.set(false);
            }
            self.ready.borrow_mut().push_back(record);
        }
    }

    /// Whoever is woken from here on is sorted in the next tick.
    pub(super) fn begin_wakes(&self) {
        self.left.set(self.ready.borrow().len());
        self.newest.set((i32::MIN, 0));
        self.in_order.set(true);
    }

    /// Ends a wait, if the script is still in it. Whoever calls has taken it out of where it was registered.
    #[inline(always)]
    pub(super) fn wake(&self, record: Rc<Record>, number: u64) -> bool {
        if record.state.get() != State::Waiting || record.wait.get().number != number {
            return false;
        }
        record.link.set(Link::Nothing);
        self.enqueue(record);
        true
    }

    /// Ends the waits of many, and empties the list. Fetches those records first that come a bit later.
    #[inline(always)]
    pub(super) fn wake_all(&self, waiting: &mut Vec<(u64, Rc<Record>)>) {
        let mut waiting = waiting.drain(..);
        while let Some((number, record)) = waiting.next() {
            if let Some((_, later)) = waiting.as_slice().get(AHEAD) {
                later.prefetch_wait();
            }
            self.wake(record, number);
        }
    }

    /// Delivers what was kept while groups were paused, in the order in which it came.
    pub(super) fn release(&self, held: BTreeMap<u64, Rc<Record>>) {
        for record in held.into_values() {
            record.held.set(0);
            if record.state.get() == State::Held {
                self.enqueue(record);
            }
        }
    }

    // ---- registering

    /// Registers a script with a phase.
    #[inline]
    pub(super) fn add_to_phase(&self, phase: u32, record: &Rc<Record>, number: u64) {
        let mut phases = self.phases.borrow_mut();
        let at = phases.binary_search_by_key(&phase, |(phase, _)| *phase);
        let at = at.unwrap_or_else(|at| {
            phases.insert(at, (phase, Phased::default()));
            at
        });
        phases[at].1.waiting.push((number, record.clone()));
    }

    /// Does something with the list of a phase, if there is one. `f` calls nobody.
    #[inline]
    fn with_phase<R>(&self, phase: u32, f: impl FnOnce(&mut Phased) -> R) -> Option<R> {
        let mut phases = self.phases.borrow_mut();
        let at = phases.binary_search_by_key(&phase, |(phase, _)| *phase).ok()?;
        Some(f(&mut phases[at].1))
    }

    /// Wakes those that wait for a phase.
    pub(super) fn wake_phase(&self, phase: u32) {
        let waiting = self.with_phase(phase, |phased| {
            phased.stale = 0;
            (!phased.waiting.is_empty()).then(|| mem::take(&mut phased.waiting))
        });
        let Some(mut waiting) = waiting.flatten() else { return };
        self.wake_all(&mut waiting);
        // The list keeps its memory.
        self.with_phase(phase, |phased| phased.waiting = waiting);
    }

    /// Takes a script out of where it is registered. What is dropped by that is given back.
    #[must_use]
    pub(super) fn unlink(&self, record: &Rc<Record>) -> Option<Box<dyn Any>> {
        let held = record.held.replace(0);
        if held > 0 {
            record.group.let_go(held);
        }
        let number = record.wait.get().number;
        match record.link.take() {
            Link::Nothing => {}
            Link::Phase(phase) => {
                self.with_phase(phase, |phased| {
                    phased.stale += 1;
                    if phased.stale > 32 && phased.stale * 2 > phased.waiting.len() {
                        phased.stale = 0;
                        phased.waiting.retain(|(number, other)| {
                            other.wait.get().number == *number
                                && other.state.get() == State::Waiting
                                && !Rc::ptr_eq(other, record)
                        });
                    }
                });
            }
            Link::Clock(circle, place) => {
                let circle = circle.as_ref().unwrap_or(&record.group);
                circle.timers.remove(place, number);
            }
            Link::Frames(circle, place) => {
                let circle = circle.as_ref().unwrap_or(&record.group);
                circle.frames.remove(place, number);
            }
            Link::Event(key) => return self.events.remove(key, number),
            Link::Predicate => {
                let key = (record.priority, record.id.serial);
                let predicate = self.predicates.borrow_mut().remove(&key);
                return predicate.map(|predicate| Box::new(predicate.holds) as Box<dyn Any>);
            }
            Link::End(target) => {
                target.extras().joiners.borrow_mut().retain(|&(_, other)| other != number);
            }
        }
        None
    }
}
