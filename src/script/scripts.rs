//! The scheduler from outside: what a game holds.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::group::Group;
use super::handle::Handle;
use super::info::{Info, PanicInfo, SlowInfo, Stubborn, TickReport};
use super::kernel::{Kernel, Settings};
use super::lend::Script;
use super::record::ScriptId;
use super::run::{Budget, Phase};
use super::spawn::Spawn;
use super::time::{Time, nanos_of};
use crate::coroutine::no_stack;
use crate::stacks::SpawnError;

/// What becomes of a panic in a script. Either way the script ends, its exit closures run, and who joins it
/// is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PanicPolicy {
    /// The game goes on. The panic is told to [`Scripts::on_panic`]'s hook; without one, and if nobody joins the
    /// script, it is [reported](crate::on_report).
    #[default]
    Isolate,
    /// It comes out of the tick. For tests.
    Propagate,
}

/// How to make [`Scripts`].
///
/// ```
/// use segno::script::{PanicPolicy, Scripts};
///
/// let scripts = Scripts::<()>::builder()
///     .stack_size(48 * 1024)
///     .seed(7)
///     .panic_policy(PanicPolicy::Propagate)
///     .build();
/// assert!(scripts.is_empty());
/// ```
#[must_use]
pub struct Builder<W> {
    /// What does not change.
    settings: Settings,
    /// Where the random numbers begin.
    seed: u64,
    /// Whose scripts they are.
    world: PhantomData<fn(&mut W)>,
}

impl<W: 'static> Builder<W> {
    /// Sets how many bytes of frames each script has, unless it asks for others: 240 KiB if this is not called.
    /// See [`stack_size`](crate::Builder::stack_size).
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.settings.stack_size = Some(bytes);
        self
    }

    /// Finds out how deep stacks get, for [`Info::peak_stack`]. Costs a few microseconds for each script.
    pub fn measure(mut self, on: bool) -> Self {
        self.settings.measure = on;
        self
    }

    /// Sets where the random numbers begin; 0 if this is not called.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets what becomes of panics.
    pub fn panic_policy(mut self, policy: PanicPolicy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Sets how many cancelled scripts a tick unwinds: 500 if this is not called, which takes some 2 ms.
    ///
    /// The others follow in the ticks after, in the order in which they were cancelled. They take no further
    /// step meanwhile. With [`Budget::Time`], which tick that is differs from run to run.
    ///
    /// # Panics
    /// When it is nothing: then nobody would ever end.
    #[track_caller]
    pub fn unwinding(mut self, budget: Budget) -> Self {
        let nothing = [Budget::Resumes(0), Budget::Time(Duration::ZERO)].contains(&budget);
        assert!(!nothing, "a tick that unwinds nothing ends nobody");
        self.settings.unwinding = budget;
        self
    }

    /// Sets how often a tick may resume scripts before it panics, because they wake each other for ever: 100,000
    /// times, or 100 times for each script if that is more, unless this is called.
    pub fn most_resumes(mut self, count: usize) -> Self {
        self.settings.most_resumes = Some(count);
        self
    }

    /// Makes the scheduler.
    pub fn build(self) -> Scripts<W> {
        Scripts::of(Rc::new(Kernel::new::<W>(self.settings, self.seed)))
    }
}

impl<W> fmt::Debug for Builder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("seed", &self.seed).finish_non_exhaustive()
    }
}

/// Scripts of a game, stepped once in each frame: see the [chapter](crate::docs::scripts).
///
/// `W` is the world: whatever your scripts see and change. It is lent to them for the length of each
/// [`tick`](Self::tick) and not a moment longer; it may be moved, replaced, or another one each time.
///
/// This is a handle: clones mean the same scripts. It can sit inside the world; clone it out before the tick.
/// Nothing but a tick ([`tick`](Self::tick), [`run`](Self::run), [`settle`](Self::settle),
/// [`shutdown`](Self::shutdown)) runs scripts.
///
/// # Dropping
/// When the last clone is dropped every script is unwound where it is, so that every destructor runs, once.
/// Without a world: exit closures are dropped and not called. [`shutdown`](Self::shutdown) comes first if they
/// are to be called. A clone held by one of the scripts keeps all of them alive for ever: give scripts
/// [`downgrade`](Self::downgrade) or take [`Script::handle`] there.
///
/// # Threads
/// Scripts stay on their thread, and so does this: it is neither `Send` nor `Sync`. [`Owner`](super::Owner) is
/// both.
///
/// ```
/// use segno::script::Scripts;
///
/// let scripts = Scripts::<Vec<&str>>::new();
/// scripts.spawn("intro", |s| {
///     s.world().push("once upon a time");
///     s.wait(2.0);
///     s.world().push("there was a loop");
/// });
/// let mut story = Vec::new();
/// for _ in 0..=120 {
///     scripts.tick(&mut story, 1.0 / 60.0);
/// }
/// assert_eq!(story, ["once upon a time", "there was a loop"]);
/// ```
pub struct Scripts<W> {
    /// The scheduler.
    pub(super) kernel: Rc<Kernel>,
    /// It stays on its thread, and leads to a world.
    world: PhantomData<*mut W>,
}

impl<W: 'static> Default for Scripts<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W: 'static> Scripts<W> {
    /// A scheduler without scripts.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// One that is not as usual.
    pub fn builder() -> Builder<W> {
        let settings = Settings {
            stack_size: None,
            measure: false,
            policy: PanicPolicy::Isolate,
            unwinding: Budget::Resumes(500),
            most_resumes: None,
        };
        Builder { settings, seed: 0, world: PhantomData }
    }

    // ---- spawning

    /// Spawns a script. Nothing of it runs before the next tick; called inside a tick, it runs later in that.
    ///
    /// Dropping the handle changes nothing for the script.
    ///
    /// # Panics
    /// When no stack can be had.
    #[inline]
    #[track_caller]
    pub fn spawn<T: 'static>(
        &self,
        name: impl Into<Cow<'static, str>>,
        f: impl FnOnce(&mut Script<W>) -> T + 'static,
    ) -> Handle<T> {
        self.spawn_with(Spawn::named(name), f)
    }

    /// As [`spawn`](Self::spawn), with what a [`Spawn`] says: group, owner, priority, stack, singleton.
    ///
    /// # Panics
    /// When no stack can be had.
    #[inline]
    #[track_caller]
    pub fn spawn_with<T: 'static>(
        &self,
        spawn: Spawn,
        f: impl FnOnce(&mut Script<W>) -> T + 'static,
    ) -> Handle<T> {
        let at = Location::caller();
        match self.kernel.spawn(None, spawn, at, f) {
            Ok(handle) => handle,
            Err(error) => no_stack(&error, at),
        }
    }

    /// As [`spawn_with`](Self::spawn_with), and says why no stack could be had.
    ///
    /// # Errors
    /// When the size makes no sense or no stack can be had. The closure is dropped.
    #[inline]
    #[track_caller]
    pub fn try_spawn<T: 'static>(
        &self,
        spawn: Spawn,
        f: impl FnOnce(&mut Script<W>) -> T + 'static,
    ) -> Result<Handle<T>, SpawnError> {
        self.kernel.spawn(None, spawn, Location::caller(), f)
    }

    // ---- running

    /// Lets `dt` pass on the clocks and runs one frame: [`advance`](Self::advance), then [`run`](Self::run) of
    /// [`Phase::UPDATE`].
    ///
    /// Who is due is resumed in the order of priority, then of spawning; who becomes ready by that, in this
    /// tick, in the order in which it does.
    ///
    /// # Pausing
    /// Never by itself. Where an event loop's task calls this, and a script waits for something of the loop
    /// (`segno::sleep`), the task pauses with the whole tick in it; the world stays lent to this tick, and others
    /// cannot tick these scripts until it goes on.
    ///
    /// # Panics
    /// When it is called inside a tick of these scripts, or while a panic unwinds; when `dt` is negative, not a
    /// number, or infinite; when scripts wake each other for ever, naming the two busiest; with what scripts
    /// panic with, under [`PanicPolicy::Propagate`]. The scripts can be used and ticked afterwards.
    #[track_caller]
    pub fn tick(&self, world: &mut W, dt: impl Time) -> TickReport {
        let at = Location::caller();
        self.tick_at("tick", world, dt, None, at)
    }

    /// As [`tick`](Self::tick), but resumes no more scripts when the budget is used up. Those come first in the
    /// next tick; [`TickReport::left`] says how many that are.
    ///
    /// # Panics
    /// As [`tick`](Self::tick).
    #[track_caller]
    pub fn tick_within(&self, world: &mut W, dt: impl Time, budget: Budget) -> TickReport {
        let at = Location::caller();
        self.tick_at("tick_within", world, dt, Some(budget), at)
    }

    /// Both of them.
    fn tick_at(
        &self,
        what: &'static str,
        world: &mut W,
        dt: impl Time,
        budget: Option<Budget>,
        at: &'static Location<'static>,
    ) -> TickReport {
        let nanos = nanos_of(dt, what, at);
        let kept = self.clone();
        // A tick inside a tick lets no time pass.
        if self.kernel.ticking.get().is_none() {
            self.kernel.advance(nanos);
        }
        kept.kernel.run(what, Phase::UPDATE, world, budget, at)
    }

    /// Lets time pass on the clocks. Nobody is resumed.
    ///
    /// For games with several phases, once in each frame, before the first of them: see [`run`](Self::run).
    ///
    /// # Panics
    /// When `dt` is negative, not a number, or infinite; inside a tick of these scripts.
    #[track_caller]
    pub fn advance(&self, dt: impl Time) {
        let at = Location::caller();
        let nanos = nanos_of(dt, "advance", at);
        if let Some(since) = self.kernel.ticking.get() {
            panic!("`advance` at {at} inside the tick at {since}");
        }
        self.kernel.advance(nanos);
    }

    /// Runs one phase of a frame: resumes the scripts that wait for it, and those that were woken since the last
    /// run of any phase (by events, by the end of others, by being spawned). Timers, frames and predicates are
    /// looked at in [`Phase::UPDATE`].
    ///
    /// # Pausing
    /// As [`tick`](Self::tick).
    ///
    /// # Panics
    /// As [`tick`](Self::tick).
    ///
    /// ```
    /// use segno::script::{Phase, Scripts};
    ///
    /// let scripts = Scripts::<Vec<&str>>::new();
    /// scripts.spawn("physics", |s| loop {
    ///     s.next(Phase::FIXED);
    ///     s.world().push("step");
    /// });
    /// scripts.spawn("camera", |s| loop {
    ///     s.next(Phase::LATE);
    ///     s.world().push("camera");
    /// });
    /// let mut log = Vec::new();
    /// scripts.settle(&mut log); // both wait now
    /// scripts.advance(0.02);
    /// scripts.run(Phase::FIXED, &mut log);
    /// scripts.run(Phase::FIXED, &mut log);
    /// scripts.run(Phase::UPDATE, &mut log);
    /// scripts.run(Phase::LATE, &mut log);
    /// assert_eq!(log, ["step", "step", "camera"]);
    /// ```
    #[track_caller]
    pub fn run(&self, phase: Phase, world: &mut W) -> TickReport {
        let kept = self.clone();
        kept.kernel.run("run", phase, world, None, Location::caller())
    }

    /// Runs what is ready until nothing is, and ends everything that is cancelled, all of it. No time passes, and
    /// who waits for a frame or a phase goes on waiting.
    ///
    /// # Pausing
    /// As [`tick`](Self::tick).
    ///
    /// # Panics
    /// As [`tick`](Self::tick).
    #[track_caller]
    pub fn settle(&self, world: &mut W) -> TickReport {
        let kept = self.clone();
        kept.kernel.settle("settle", world, Location::caller())
    }

    /// Ends every script, with the world at hand: cancels all, lets them clean up, breaks shields that are held
    /// after that. Returns those that would not end. The scheduler can be used afterwards.
    ///
    /// # Pausing
    /// As [`tick`](Self::tick).
    ///
    /// # Panics
    /// As [`tick`](Self::tick).
    #[track_caller]
    pub fn shutdown(&self, world: &mut W) -> Vec<Stubborn> {
        let kept = self.clone();
        kept.kernel.shutdown("shutdown", world, Location::caller());
        kept.kernel.stubborn.take()
    }

    // ---- events, cancellation

    /// Emits an event: every script that waits for its type becomes ready, and every mailbox for it keeps a copy.
    /// Returns how many that were. Nobody is resumed by this.
    pub fn emit<E: Clone + 'static>(&self, event: E) -> usize {
        self.kernel.emit(&event)
    }

    /// Emits an event to one script, and to the children that it has by `all` and the like. Returns whether one
    /// of them got it.
    pub fn emit_to<E: Clone + 'static>(&self, id: ScriptId, event: E) -> bool {
        self.kernel.emit_to(id, &event)
    }

    /// Cancels a script. Returns whether it was there and not cancelled before.
    ///
    /// From here on it takes no further step, not even in a tick that is under way; unless it is in a
    /// [`shield`](Script::shield). It ends at the next safe point of a tick, with the world at hand: its children
    /// first, then its destructors, then its exit closures. A script that cancels itself goes on to its next
    /// wait.
    pub fn cancel(&self, id: ScriptId) -> bool {
        self.kernel.find(id).is_some_and(|record| self.kernel.cancel(&record))
    }

    /// Cancels every script. Returns how many were not cancelled before.
    pub fn cancel_all(&self) -> usize {
        self.kernel.cancel_where(|_| true)
    }

    // ---- groups

    /// A new group.
    pub fn group(&self, name: impl Into<Cow<'static, str>>) -> Group {
        self.root().group(name)
    }

    /// The group that everything is in. Its clock is the game's.
    pub fn root(&self) -> Group {
        Group::of(self.kernel.root.clone(), &self.kernel)
    }

    // ---- what there is

    /// How many scripts there are, children of `all` and the like included.
    pub fn len(&self) -> usize {
        self.kernel.live()
    }

    /// Whether there is no script.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every script, in the order of spawning.
    pub fn list(&self) -> Vec<Info> {
        let now = self.kernel.root.now();
        self.kernel.all().iter().map(|record| Info::of(record, now)).collect()
    }

    /// One script; `None` when it has ended.
    pub fn info(&self, id: ScriptId) -> Option<Info> {
        self.kernel.find(id).map(|record| Info::of(&record, self.kernel.root.now()))
    }

    /// A script and those that borrow from it (the branches of `all`, the bodies of `timeout` and so on), each
    /// before its own; empty when it has ended. The last one says what is done at the innermost.
    pub fn family(&self, id: ScriptId) -> Vec<Info> {
        let mut all = Vec::new();
        let now = self.kernel.root.now();
        let mut next: Vec<_> = self.kernel.find(id).into_iter().collect();
        while let Some(record) = next.pop() {
            all.push(Info::of(&record, now));
            next.extend(record.children().into_iter().rev());
        }
        all
    }

    /// Has a closure told of panics in scripts. The last call wins. It is called in the tick, where no script
    /// runs.
    pub fn on_panic(&self, f: impl Fn(&PanicInfo) + 'static) {
        let old = self.kernel.panic_hook.borrow_mut().replace(Rc::new(f));
        // What it captured is the user's.
        drop(old);
    }

    /// Has a closure told of every resume that takes longer than this before the script waits again. The last
    /// call wins. It is called in the tick, where no script runs. Costs two looks at the system's clock per
    /// resume.
    pub fn on_slow(&self, limit: Duration, f: impl Fn(&SlowInfo) + 'static) {
        let old = self.kernel.slow_hook.borrow_mut().replace((limit, Rc::new(f)));
        self.kernel.is_timed.set(true);
        drop(old);
    }

    /// A handle that does not keep the scripts alive.
    pub fn downgrade(&self) -> WeakScripts<W> {
        WeakScripts::of(&self.kernel)
    }
}

impl<W> Scripts<W> {
    /// A handle of this scheduler.
    fn of(kernel: Rc<Kernel>) -> Self {
        kernel.handles.set(kernel.handles.get() + 1);
        Self { kernel, world: PhantomData }
    }
}

impl<W> Clone for Scripts<W> {
    fn clone(&self) -> Self {
        Self::of(self.kernel.clone())
    }
}

impl<W> Drop for Scripts<W> {
    fn drop(&mut self) {
        let left = self.kernel.handles.get() - 1;
        if left == 0 {
            // Counted until all have ended: what scripts do meanwhile is no reason to begin once more.
            self.kernel.tear_down();
        }
        self.kernel.handles.set(self.kernel.handles.get() - 1);
    }
}

impl<W> fmt::Debug for Scripts<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripts")
            .field("world", &format_args!("{}", self.kernel.world_name))
            .field("len", &self.kernel.live())
            .finish_non_exhaustive()
    }
}

/// A handle of [`Scripts`] that does not keep them alive: from [`Scripts::downgrade`] and [`Script::handle`].
pub struct WeakScripts<W> {
    /// The scheduler.
    kernel: Weak<Kernel>,
    /// It stays on its thread, and leads to a world.
    world: PhantomData<*mut W>,
}

impl<W> WeakScripts<W> {
    /// A handle of this scheduler.
    pub(super) fn of(kernel: &Rc<Kernel>) -> Self {
        Self { kernel: Rc::downgrade(kernel), world: PhantomData }
    }

    /// The scripts, if there still are handles that keep them.
    pub fn upgrade(&self) -> Option<Scripts<W>> {
        let kernel = self.kernel.upgrade().filter(|kernel| kernel.handles.get() > 0)?;
        Some(Scripts::of(kernel))
    }
}

impl<W> Clone for WeakScripts<W> {
    fn clone(&self) -> Self {
        Self { kernel: self.kernel.clone(), world: PhantomData }
    }
}

impl<W> fmt::Debug for WeakScripts<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakScripts").finish_non_exhaustive()
    }
}
