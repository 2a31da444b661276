//! Groups of scripts: a clock of their own, a pause that is counted, and one word that cancels them all.
//!
//! ```text
//!   advance(dt) --> root clock --x scale--> "world" clock --x scale--> "wolves" clock
//!                       |
//!                       '--------- dt as it comes ---> "menu" clock   (real_time)
//! ```
//!
//! Groups form a tree. Time flows from the root downwards: each clock advances by what its parent's did,
//! times its scale, or not at all while it or anything above it is paused. Timers hang on the clock that they
//! wait for.
//!
//! A script of a paused group is not resumed. What wakes it meanwhile is kept, in order, and delivered when
//! the last pause is taken back.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::kernel::Kernel;
use super::record::{Record, State};
use super::timers::Timers;

/// A scale of one, with 32 bits for what is less.
const ONE: u64 = 1 << 32;

/// What a group is, behind its handles.
pub(super) struct Circle {
    /// Its name; empty for the root.
    pub(super) name: Cow<'static, str>,
    /// The one that it is in; `None` for the root.
    parent: Option<Rc<Circle>>,
    /// Those in it, in the order in which they were made.
    children: RefCell<Vec<Weak<Circle>>>,
    /// Whether its clock takes the tick's time as it comes, and nothing above pauses it.
    real: Cell<bool>,
    /// How fast its clock is, in parts of [`ONE`].
    scale: Cell<u64>,
    /// Parts of a nanosecond that its clock has not shown yet.
    remainder: Cell<u64>,
    /// Its clock: nanoseconds since the group was made.
    now: Cell<u64>,
    /// By how much its clock advanced last.
    delta: Cell<u64>,
    /// Its frames so far.
    frame: Cell<u64>,
    /// How often it was paused and not taken back.
    pauses: Cell<u32>,
    /// Whether it or anything above it is paused.
    stopped: Cell<bool>,
    /// Who waits for its clock.
    pub(super) timers: Timers<Rc<Record>>,
    /// Who waits for its frames.
    pub(super) frames: Timers<Rc<Record>>,
    /// Scripts of it that were woken while it was stopped, by the number of the wake.
    held: RefCell<BTreeMap<u64, Rc<Record>>>,
}

impl Circle {
    /// The group that everything is in.
    pub(super) fn root() -> Rc<Self> {
        Rc::new(Self::new(Cow::Borrowed(""), None))
    }

    /// A group, not entered in its parent's list yet.
    fn new(name: Cow<'static, str>, parent: Option<Rc<Circle>>) -> Self {
        let stopped = parent.as_ref().is_some_and(|parent| parent.stopped.get());
        Self {
            name,
            parent,
            children: RefCell::new(Vec::new()),
            real: Cell::new(false),
            scale: Cell::new(ONE),
            remainder: Cell::new(0),
            now: Cell::new(0),
            delta: Cell::new(0),
            frame: Cell::new(0),
            pauses: Cell::new(0),
            stopped: Cell::new(stopped),
            timers: Timers::new(),
            frames: Timers::new(),
            held: RefCell::default(),
        }
    }

    /// A group inside this one.
    fn child(self: &Rc<Self>, name: Cow<'static, str>) -> Rc<Self> {
        let child = Rc::new(Self::new(name, Some(self.clone())));
        let mut children = self.children.borrow_mut();
        children.retain(|child| child.strong_count() > 0);
        children.push(Rc::downgrade(&child));
        child
    }

    /// Its clock, in nanoseconds.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.now.get()
    }

    /// By how much its clock advanced last, in nanoseconds.
    #[inline]
    pub(super) fn delta(&self) -> u64 {
        self.delta.get()
    }

    /// Its frames so far.
    #[inline]
    pub(super) fn frame(&self) -> u64 {
        self.frame.get()
    }

    /// Whether it or anything above it is paused.
    #[inline]
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Whether this is `other` or lies in it.
    pub(super) fn is_in(&self, other: &Rc<Circle>) -> bool {
        let mut here = self;
        loop {
            if std::ptr::eq(here, Rc::as_ptr(other)) {
                return true;
            }
            match &here.parent {
                Some(parent) => here = parent,
                None => return false,
            }
        }
    }

    /// Lets time pass: `passed` on the clock around it, `real` as the tick said.
    pub(super) fn advance(&self, passed: u64, real: u64) {
        let passed = if self.real.get() { real } else { passed };
        let delta = if self.stopped.get() {
            0
        } else if self.scale.get() == ONE {
            passed
        } else {
            let parts = u128::from(passed) * u128::from(self.scale.get())
                + u128::from(self.remainder.get());
            self.remainder.set((parts % u128::from(ONE)) as u64);
            u64::try_from(parts / u128::from(ONE)).unwrap_or(u64::MAX)
        };
        self.delta.set(delta);
        self.now.set(self.now.get().saturating_add(delta));
        self.each_child(|child| child.advance(delta, real));
    }

    /// Counts a frame, and takes everybody whose deadline has come, here and below.
    pub(super) fn begin_frame(&self, due: &mut Vec<(u64, Rc<Record>)>) {
        if !self.stopped.get() {
            self.frame.set(self.frame.get() + 1);
        }
        self.timers.take_due(self.now.get(), due);
        self.frames.take_due(self.frame.get(), due);
        self.each_child(|child| child.begin_frame(due));
    }

    /// Calls `f` with each group in this one. `f` makes and drops no groups.
    fn each_child(&self, mut f: impl FnMut(&Circle)) {
        for child in self.children.borrow().iter() {
            if let Some(child) = child.upgrade() {
                f(&child);
            }
        }
    }

    /// Keeps a script that was woken while the group is stopped.
    pub(super) fn hold(&self, wake: u64, record: Rc<Record>) {
        record.state.set(State::Held);
        record.held.set(wake);
        self.held.borrow_mut().insert(wake, record);
    }

    /// Lets go of a script that is held.
    pub(super) fn let_go(&self, wake: u64) {
        self.held.borrow_mut().remove(&wake);
    }

    /// Finds out anew whether it is stopped, here and below; who was held and is so no longer goes to `free`.
    fn sum_up(&self, free: &mut BTreeMap<u64, Rc<Record>>) {
        let around = self.parent.as_ref().is_some_and(|parent| parent.stopped.get());
        let stopped = self.pauses.get() > 0 || (around && !self.real.get());
        self.stopped.set(stopped);
        if !stopped {
            free.append(&mut self.held.borrow_mut());
        }
        for child in self.children.borrow().iter() {
            if let Some(child) = child.upgrade() {
                child.sum_up(free);
            }
        }
    }
}

/// A group of scripts: see the [chapter](crate::docs::scripts#groups-and-owners).
///
/// It has a clock of its own, which can be slowed, sped up and stopped; while it is paused its scripts do not
/// run; and it cancels its scripts with one call. What holds for a group holds for the groups in it.
///
/// It is a handle: clones mean the same group, and dropping them changes nothing.
///
/// ```
/// use segno::script::Scripts;
///
/// let scripts = Scripts::<Vec<&str>>::new();
/// let world = scripts.group("world");
/// scripts.spawn_with(segno::script::Spawn::named("clock").group(&world), |s| {
///     s.wait(1.0);
///     s.world().push("ding");
/// });
/// let mut heard = Vec::new();
/// scripts.tick(&mut heard, 0.5);
/// world.pause(); // the inventory is open
/// scripts.tick(&mut heard, 60.0);
/// assert!(heard.is_empty());
/// world.resume();
/// scripts.tick(&mut heard, 1.0);
/// assert_eq!(heard, ["ding"]);
/// ```
#[derive(Clone)]
pub struct Group {
    /// The group.
    pub(super) circle: Rc<Circle>,
    /// Whose it is.
    kernel: Weak<Kernel>,
}

impl Group {
    /// A handle of this group.
    pub(super) fn of(circle: Rc<Circle>, kernel: &Rc<Kernel>) -> Self {
        Self { circle, kernel: Rc::downgrade(kernel) }
    }

    /// A new group inside this one.
    pub fn group(&self, name: impl Into<Cow<'static, str>>) -> Group {
        Group { circle: self.circle.child(name.into()), kernel: self.kernel.clone() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.circle.name
    }

    /// What its clock shows: the time that has passed on it since the group was made.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.circle.now())
    }

    /// Sets how fast its clock is: 1 is as fast as the one around it, 0.5 half as fast, 0 stands still.
    ///
    /// Waits that are under way follow. A pause is something else: with a scale of 0 scripts still run, only
    /// their time does not pass.
    ///
    /// # Panics
    /// When `scale` is negative, not a number, or above a million.
    #[track_caller]
    pub fn set_scale(&self, scale: f64) {
        assert!((0.0..=1e6).contains(&scale), "a clock cannot run {scale} times as fast");
        self.circle.scale.set((scale * ONE as f64).round() as u64);
    }

    /// How fast its clock is.
    pub fn scale(&self) -> f64 {
        self.circle.scale.get() as f64 / ONE as f64
    }

    /// Lets its clock follow real time: it takes each tick's `dt` as it comes, whatever the scale of the
    /// groups around it, and their pauses do not stop it. For menus and the like.
    ///
    /// Gives the group back, so that it can stand where the group is made.
    #[must_use]
    pub fn real_time(self) -> Group {
        self.circle.real.set(true);
        self.release();
        self
    }

    /// Pauses the group: its clock stands still and its scripts do not run. What wakes them is kept.
    ///
    /// Pauses are counted: each takes one [`resume`](Self::resume) to take back, so that a menu and a dialogue
    /// can pause the same group and need not know of each other.
    pub fn pause(&self) {
        self.circle.pauses.set(self.circle.pauses.get() + 1);
        self.release();
    }

    /// Takes one [`pause`](Self::pause) back. Returns whether the group goes on: it is not paused any more,
    /// nor is one around it.
    ///
    /// What woke its scripts meanwhile is delivered in the next tick, in order; in this one, if one is under
    /// way.
    ///
    /// # Panics
    /// When there is no pause to take back.
    #[track_caller]
    pub fn resume(&self) -> bool {
        let pauses = self.circle.pauses.get();
        assert!(pauses > 0, "group `{}` was resumed more often than it was paused", self.name());
        self.circle.pauses.set(pauses - 1);
        self.release();
        !self.circle.is_stopped()
    }

    /// Whether the group is paused, or one around it.
    pub fn is_paused(&self) -> bool {
        self.circle.is_stopped()
    }

    /// Cancels every script in the group and in the groups in it. Returns how many that were.
    ///
    /// As [`Scripts::cancel`](super::Scripts::cancel), for each.
    pub fn cancel(&self) -> usize {
        let Some(kernel) = self.kernel.upgrade() else { return 0 };
        kernel.cancel_where(|record| record.group.is_in(&self.circle))
    }

    /// How many scripts are in the group and in the groups in it.
    pub fn len(&self) -> usize {
        let Some(kernel) = self.kernel.upgrade() else { return 0 };
        kernel.count_where(|record| record.group.is_in(&self.circle))
    }

    /// Whether no script is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sets who may run after a pause has come or gone.
    fn release(&self) {
        let mut free = BTreeMap::new();
        self.circle.sum_up(&mut free);
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.release(free);
        }
    }

    /// Panics unless it belongs to this scheduler.
    pub(super) fn check(&self, kernel: &Rc<Kernel>, at: &'static Location<'static>) {
        assert!(
            std::ptr::eq(self.kernel.as_ptr(), Rc::as_ptr(kernel)),
            "group `{}`, used at {at}, belongs to other scripts",
            self.name()
        );
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("name", &self.name())
            .field("now", &self.now())
            .field("scale", &self.scale())
            .field("is_paused", &self.is_paused())
            .finish_non_exhaustive()
    }
}
