//! A script's record, and its life.
//!
//! ```text
//!            spawn                    wake                       wait
//!   (new) ---------> ready <-------------------------- waiting <------- running --end--> ended
//!                     | ^                                 |                ^
//!      group is       v | last pause                      | cancel         |
//!      paused:       held  taken back                     v                |
//!                                                       ending --safe point--  (unwinds)
//! ```
//!
//! The right to be resumed is a place in the ready queue, and only a wake gives it, to a script that waits.
//! Each wait has a number, never used twice; a wake says which wait it ends, so that one that comes late ends
//! nothing.
//!
//! What becomes of a record: the scheduler makes it blank when its script is over, if nobody else knows it any more
//! (a handle, somebody's wait), and uses it for the next script.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::mem::offset_of;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use super::event::EventKey;
use super::exit::Exit;
use super::group::Circle;
use super::lend::Perch;
use super::owner::Bond;
use super::spawn::Making;
use super::timers;
use crate::coroutine::{Core, Payload, prefetch};
use crate::stacks::Request;

/// A script's number. No two scripts of a [`Scripts`](super::Scripts) have the same, ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScriptId {
    /// The how manieth to be spawned, from 1 on.
    pub(super) serial: u64,
    /// Where the scheduler keeps it.
    pub(super) index: u32,
}

impl fmt::Debug for ScriptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScriptId({})", self.serial)
    }
}

impl fmt::Display for ScriptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.serial)
    }
}

/// Where a script is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In the ready queue.
    Ready,
    /// Woken, but its group is paused.
    Held,
    /// On its stack, now.
    Running,
    /// Waits for something.
    Waiting,
    /// Cancelled: its next step is its last, and is made at a safe point.
    Ending,
    /// Over.
    Ended,
}

/// What a script waits for, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    /// The number of this wait.
    pub(super) number: u64,
    /// The name of the operation.
    pub(super) what: &'static str,
    /// The line that called it.
    pub(super) at: &'static Location<'static>,
}

/// Where a script is registered while it waits, so that it can be taken out again.
#[derive(Default)]
pub(super) enum Link {
    /// Nowhere.
    #[default]
    Nothing,
    /// In the list of a phase.
    Phase(u32),
    /// On a clock: that of its own group if it does not say.
    Clock(Option<Rc<Circle>>, timers::Place),
    /// On a counter of frames: that of its own group if it does not say.
    Frames(Option<Rc<Circle>>, timers::Place),
    /// With those that wait for a type of events.
    Event(EventKey),
    /// With the predicates.
    Predicate,
    /// With those that wait for this script's end.
    End(Rc<Record>),
}

/// What a script's children mean to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// There are none, or each is for itself: a scope.
    Each,
    /// All have to come to their end.
    All,
    /// The first that comes to its end is enough.
    Race,
}

/// How a script ended.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// Its closure returned.
    Done,
    /// It was cancelled, or ended itself.
    Cancelled,
    /// Its closure panicked.
    Panicked(Box<super::PanicInfo>),
}

/// What few scripts have.
#[derive(Default)]
pub(super) struct Extras {
    /// What it says that it is doing.
    pub(super) label: RefCell<Option<Cow<'static, str>>>,
    /// What is to be done when it ends; the last first.
    pub(super) exits: RefCell<Vec<Exit>>,
    /// The scripts that borrow its frame, in the order in which they were spawned.
    pub(super) children: RefCell<Vec<Rc<Record>>>,
    /// The panic of the first child that panicked.
    pub(super) child_panic: Cell<Option<Payload>>,
    /// Who waits for its end, and in which wait.
    pub(super) joiners: RefCell<Vec<(Rc<Record>, u64)>>,
}

/// One script.
///
/// What every resume and every wait touches comes first, so that it is on few lines of the cache.
#[repr(C)]
pub(super) struct Record {
    /// Where it is in its life.
    pub(super) state: Cell<State>,
    /// Whether it is cancelled. It may be so and not end yet: in a shield.
    pub(super) cancelled: Cell<bool>,
    /// Whether the wait that it is in can be given up with an error.
    pub(super) fallible: Cell<bool>,
    /// Who goes first in a tick: the lower.
    pub(super) priority: i32,
    /// Its number.
    pub(super) id: ScriptId,
    /// The group that it is in.
    pub(super) group: Rc<Circle>,
    /// What it waits for, or waited for last.
    pub(super) wait: Cell<Wait>,
    /// Where it is registered.
    pub(super) link: Cell<Link>,
    /// In how many shields it is.
    pub(super) shields: Cell<u32>,
    /// The inner end of its coroutine.
    pub(super) perch: Perch,
    /// Where its stack pointer was when it paused, for fetching that into the cache.
    pub(super) stack_pointer: Cell<usize>,
    /// Its coroutine; borrowed while it runs, gone once it has ended.
    pub(super) core: RefCell<Option<Core<(), (), ()>>>,
    /// How often it was resumed.
    pub(super) resumes: Cell<u64>,
    /// The last bits of the number of the tick in which it was resumed last, and how often it was there.
    pub(super) lately: Cell<(u32, u32)>,
    /// How often it asked for its budget since it was resumed.
    pub(super) spent: Cell<usize>,
    /// What few scripts have, if this one does.
    pub(super) extras: OnceCell<Box<Extras>>,
    /// Its name.
    pub(super) name: Cow<'static, str>,
    /// The owner that it is bound to.
    pub(super) owner: Option<Arc<Bond>>,
    /// What stack it asked for; its children ask for the same.
    pub(super) request: Request,
    /// The script whose frame it borrows.
    pub(super) parent: Option<Rc<Record>>,
    /// Where it was spawned.
    pub(super) spawned_at: &'static Location<'static>,
    /// When it was spawned, on the root clock.
    pub(super) born: u64,
    /// The number of the wake that its group keeps for it; 0 if it keeps none.
    pub(super) held: Cell<u64>,
    /// The number of the signal that unwinds it.
    pub(super) signal: Cell<u64>,
    /// How often its cancellation was raised.
    pub(super) raised: Cell<u32>,
    /// Whether it was given up because it would not end.
    pub(super) stubborn: Cell<bool>,
    /// What those mean to each other.
    pub(super) family: Cell<Family>,
    /// Whether what they are for is over, so that one that comes now is cancelled at once.
    pub(super) family_is_over: Cell<bool>,
    /// Whether it is the closure of a scope, without which the scope's other children are not needed.
    pub(super) is_body: bool,
    /// What its closure panicked with, until it is known what becomes of that.
    pub(super) payload: Cell<Option<Payload>>,
    /// How it ended.
    pub(super) end: RefCell<Option<End>>,
    /// Bytes of stack at the deepest, once it has ended and if that was measured.
    pub(super) peak: Cell<Option<usize>>,
}

impl Record {
    /// A record of no script yet.
    #[cold]
    pub(super) fn blank(group: &Rc<Circle>, spawned_at: &'static Location<'static>) -> Rc<Self> {
        Rc::new(Self {
            state: Cell::new(State::Waiting),
            cancelled: Cell::new(false),
            fallible: Cell::new(false),
            priority: 0,
            id: ScriptId { serial: 0, index: 0 },
            group: group.clone(),
            wait: Cell::new(Wait { number: 0, what: "spawn", at: spawned_at }),
            link: Cell::default(),
            shields: Cell::new(0),
            perch: Perch::empty(),
            stack_pointer: Cell::new(0),
            core: RefCell::default(),
            resumes: Cell::new(0),
            lately: Cell::new((0, 0)),
            spent: Cell::new(0),
            extras: OnceCell::new(),
            name: Cow::Borrowed(""),
            owner: None,
            request: Request::DEFAULT,
            parent: None,
            spawned_at,
            born: 0,
            held: Cell::new(0),
            signal: Cell::new(0),
            raised: Cell::new(0),
            stubborn: Cell::new(false),
            family: Cell::new(Family::Each),
            family_is_over: Cell::new(false),
            is_body: false,
            payload: Cell::new(None),
            end: RefCell::default(),
            peak: Cell::new(None),
        })
    }

    /// Makes a blank one that of a script.
    #[inline(always)]
    pub(super) fn begin(
        &mut self,
        id: ScriptId,
        born: u64,
        making: Making,
        parent: Option<Rc<Record>>,
    ) {
        let Making { name, priority, group, owner, request, is_body, spawned_at } = making;
        self.id = id;
        self.born = born;
        self.parent = parent;
        self.name = name;
        self.priority = priority;
        self.group = group;
        self.owner = owner;
        self.request = request;
        self.is_body = is_body;
        self.spawned_at = spawned_at;
        self.wait = Cell::new(Wait { number: 0, what: "spawn", at: spawned_at });
    }

    /// Makes that of an ended script blank, and drops what it kept. Its group is this one until it is used again.
    pub(super) fn let_go(&mut self, blank: &Rc<Circle>) {
        // All of them, so that none is forgotten.
        let Self {
            state,
            cancelled,
            fallible,
            priority: _,
            id: _,
            group,
            wait: _,
            link,
            shields,
            perch,
            stack_pointer,
            core,
            resumes,
            lately,
            spent,
            extras,
            name,
            owner,
            request: _,
            parent,
            spawned_at: _,
            born: _,
            held,
            signal,
            raised,
            stubborn,
            family,
            family_is_over,
            is_body: _,
            payload,
            end,
            peak,
        } = self;
        state.set(State::Waiting);
        cancelled.set(false);
        fallible.set(false);
        *group = blank.clone();
        link.set(Link::Nothing);
        shields.set(0);
        *perch = Perch::empty();
        stack_pointer.set(0);
        *core.get_mut() = None;
        resumes.set(0);
        lately.set((0, 0));
        spent.set(0);
        *extras = OnceCell::new();
        *name = Cow::Borrowed("");
        *owner = None;
        *parent = None;
        held.set(0);
        signal.set(0);
        raised.set(0);
        stubborn.set(false);
        family.set(Family::Each);
        family_is_over.set(false);
        payload.set(None);
        *end.get_mut() = None;
        peak.set(None);
    }

    /// Where it keeps what few scripts have, to be filled.
    pub(super) fn extras(&self) -> &Extras {
        self.extras.get_or_init(Box::default)
    }

    /// Whether scripts borrow from it.
    #[inline]
    pub(super) fn has_children(&self) -> bool {
        self.extras.get().is_some_and(|extras| !extras.children.borrow().is_empty())
    }

    /// The scripts that borrow from it, in the order in which they were spawned.
    pub(super) fn children(&self) -> Vec<Rc<Record>> {
        self.extras.get().map_or_else(Vec::new, |extras| extras.children.borrow().clone())
    }

    /// Whether this or anything that it borrows from is `other`.
    pub(super) fn is_in(&self, other: &Record) -> bool {
        let mut here = self;
        loop {
            if std::ptr::eq(here, other) {
                return true;
            }
            match &here.parent {
                Some(parent) => here = parent,
                None => return false,
            }
        }
    }

    /// Calls `f` with this and all that borrow from it. `f` calls nobody.
    pub(super) fn each_in(&self, f: &mut impl FnMut(&Record)) {
        f(self);
        for child in self.children() {
            child.each_in(f);
        }
    }

    /// Whether it waits for events of this type.
    pub(super) fn waits_for(&self, key: EventKey) -> bool {
        let link = self.link.take();
        let waits = matches!(link, Link::Event(other) if other == key);
        self.link.set(link);
        waits
    }

    /// The script around it that borrows from nobody.
    pub(super) fn topmost(self: &Rc<Self>) -> Rc<Record> {
        let mut here = self;
        while let Some(parent) = &here.parent {
            here = parent;
        }
        here.clone()
    }

    /// Gives it its coroutine.
    #[inline(always)]
    pub(super) fn set_core(&self, core: Core<(), (), ()>) {
        let none = self.core.borrow_mut().replace(core);
        debug_assert!(none.is_none());
        // Without code for what cannot be there the new one goes into its place directly.
        std::mem::forget(none);
    }

    /// Where it comes among those that are due: by priority, then by number.
    #[inline(always)]
    pub(super) fn order(&self) -> (i32, u64) {
        (self.priority, self.id.serial)
    }

    /// Fetches what a wake needs into the cache, for one that is some way off.
    #[inline(always)]
    pub(super) fn prefetch_wait(&self) {
        let here = std::ptr::from_ref(self).cast::<()>();
        let end = offset_of!(Self, link) + size_of::<Cell<Link>>();
        prefetch(here);
        prefetch(here.wrapping_byte_add(end - 1));
    }

    /// Fetches what a resume needs into the cache, for one that is some way off.
    #[inline(always)]
    pub(super) fn prefetch(&self) {
        let here = std::ptr::from_ref(self).cast::<()>();
        let end = offset_of!(Self, spent) + size_of::<Cell<usize>>();
        for line in 0..end / 64 {
            prefetch(here.wrapping_byte_add(line * 64));
        }
        prefetch(here.wrapping_byte_add(end - 1));
    }

    /// Has the processor look up the page that its stack pointer lies in.
    #[inline(always)]
    pub(super) fn prefetch_page(&self) {
        prefetch(std::ptr::without_provenance(self.stack_pointer.get()));
    }

    /// Fetches its stack into the cache, for a resume that is near; the record is there by now.
    #[inline(always)]
    pub(super) fn prefetch_stack(&self) {
        let sp = self.stack_pointer.get();
        for line in 0..4 {
            prefetch(std::ptr::without_provenance(sp + line * 64));
        }
        self.perch.prefetch();
    }

    /// Fetches what of its stack an unwinder will use: 3 KiB below the stack pointer.
    pub(super) fn prefetch_below(&self) {
        let sp = self.stack_pointer.get();
        for line in 1..=48 {
            prefetch(std::ptr::without_provenance(sp.wrapping_sub(line * 64)));
        }
    }

    /// Whether it is over.
    pub(super) fn has_ended(&self) -> bool {
        self.state.get() == State::Ended
    }

    /// Whether it has ever run.
    pub(super) fn has_started(&self) -> bool {
        self.resumes.get() > 0
    }

    /// Bytes of stack at the deepest so far, if that is measured.
    pub(super) fn stack_used(&self) -> Option<usize> {
        match self.core.try_borrow().as_deref() {
            Ok(Some(core)) => core.stack_used(),
            _ => self.peak.get(),
        }
    }
}

/// Messages name a script this way.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "script `{}` ({}, spawned at {})", self.name, self.id, self.spawned_at)
    }
}
