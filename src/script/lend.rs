//! What is lent: the world to the script that runs, a script's frame to its children, a script to code that
//! was not handed one.
//!
//! ```text
//!   tick(&mut world) --> pointer kept --> one script runs: world() from its one `&mut Script`
//!                                     --> none runs:       show() to a closure at a safe point
//!                    <-- pointer cleared, however the tick ends
//!
//!   all, race, scope --> fill: children that borrow --> wait until none is left --> the frame goes on
//!                                                                |
//!                                     a child left over aborts the process
//! ```
//!
//! This file has all the unsafe code of the room. Three things hold it up:
//!
//! - *Who runs* is noted in [`Stage::actor`]. A script gets the world only while that says its name, and only
//!   from the one `&mut Script` that its stack has; closures of the scheduler's get it only while it says
//!   nobody's. So two references to the world never exist at once.
//! - *A script's inner end* ([`Perch`]) is there from its first step to its last, and emptied before its stack
//!   goes. What is given up or forgotten keeps its stack for ever.
//! - *A frame that children borrow* goes on only when none of them is left. No code of the user's runs on that
//!   frame meanwhile: bodies are children themselves. So nobody can pause, catch or leave it from inside.

#![allow(
    unsafe_code,
    reason = "lends the world, and frames, for lifetimes the compiler does not see"
)]

use std::any::{Any, TypeId};
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};
use std::rc::Rc;

use super::kernel::Kernel;
use super::record::Record;
use super::spawn::Making;
use crate::coroutine::{self, Core, Lender, Pauser, Plan};
use crate::erase::AbortBomb;
use crate::stacks::SpawnError;

// ---- the world

/// The world of the tick that is under way, and who may touch it.
pub(super) struct Stage {
    /// The type of the world.
    world_type: TypeId,
    /// The world, which is of that type; `None` outside a tick.
    world: Cell<Option<NonNull<dyn Any>>>,
    /// The script that runs; null when none does.
    actor: Cell<*const Record>,
    /// Whether a closure of the scheduler's has the world.
    shown: Cell<bool>,
}

/// Takes the world back when it is dropped.
pub(super) struct Lent<'a> {
    /// Where it was lent.
    stage: &'a Stage,
}

impl Stage {
    /// One for worlds of this type, without one.
    pub(super) fn new(world_type: TypeId) -> Self {
        Self {
            world_type,
            world: Cell::new(None),
            actor: Cell::new(ptr::null()),
            shown: Cell::new(false),
        }
    }

    /// Lends a world until the guard is dropped. There is none yet.
    pub(super) fn lend<'a>(&'a self, world: &'a mut dyn Any) -> Lent<'a> {
        assert!(self.world.get().is_none(), "one world at a time");
        assert!((*world).type_id() == self.world_type, "the scheduler is of this type");
        self.world.set(Some(NonNull::from(world)));
        Lent { stage: self }
    }

    /// Whether a script runs.
    pub(super) fn is_acted_on(&self) -> bool {
        !self.actor.get().is_null()
    }

    /// This script runs until the guard is dropped, which is when it has paused or ended.
    #[inline(always)]
    pub(super) fn act(&self, record: &Record) -> Leave<'_> {
        Leave { stage: self, before: self.actor.replace(record) }
    }

    /// Shows the world to a closure. Only where no script runs and no other closure has it; `None` if there
    /// is no world.
    pub(super) fn show<R>(&self, f: impl FnOnce(&mut dyn Any) -> R) -> Option<R> {
        let mut world = self.world.get()?;
        assert!(!self.is_acted_on() && !self.shown.get(), "the world is somebody else's now");
        self.shown.set(true);
        let _back = Back(&self.shown);
        // SAFETY: the guard of `lend` borrows the world and clears the pointer before it goes, so it is
        // there. No script has a reference to it: none runs, and none can pause with one, since both take the
        // script's one `&mut Script`. No other closure has one either: `shown`.
        Some(f(unsafe { world.as_mut() }))
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.stage.world.set(None);
    }
}

/// Notes who ran before when it is dropped.
pub(super) struct Leave<'a> {
    /// Where.
    stage: &'a Stage,
    /// Who ran before.
    before: *const Record,
}

impl Drop for Leave<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.stage.actor.set(self.before);
    }
}

/// Clears a flag when it is dropped.
struct Back<'a>(&'a Cell<bool>);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

// ---- the script

/// What a script's closure receives: through it the script sees the world and waits.
///
/// Everything that pauses takes `&mut self`, and so does [`world`](Self::world). So nobody can hold the world
/// over a pause: the compiler says no. Pass it on to plain functions; they may pause, too.
///
/// ```
/// use segno::script::{Script, Scripts};
///
/// #[derive(Default)]
/// struct Guard { at: i32 }
///
/// fn walk(s: &mut Script<Guard>, to: i32) {
///     while s.world().at != to {
///         s.world().at += (to - s.world().at).signum();
///         s.next_frame();
///     }
/// }
///
/// let scripts = Scripts::new();
/// scripts.spawn("patrol", |s: &mut Script<Guard>| {
///     walk(s, 2);
///     walk(s, -1);
/// });
/// let mut guard = Guard::default();
/// for _ in 0..6 {
///     scripts.tick(&mut guard, 1.0 / 60.0);
/// }
/// assert_eq!((guard.at, scripts.len()), (-1, 0));
/// ```
///
/// # Waiting
/// Every wait says what it does when the script is cancelled: it does not return, but unwinds the script from
/// there, with [`is_cancel`](crate::is_cancel)'s payload. With `panic = "abort"` nothing can unwind: the
/// script is left as it is, see the [chapter](crate::docs::scripts#panic--abort).
///
/// In a destructor that runs while the script unwinds nobody can wait. Waits that give nothing back return at
/// once there; those that would have to give something abort the process, with a message.
///
/// A wait may be called from a coroutine or generator that runs inside the script: the whole of it pauses.
pub struct Script<W> {
    /// The scheduler.
    pub(super) kernel: Rc<Kernel>,
    /// The script.
    pub(super) record: Rc<Record>,
    /// It stays on its thread, and leads to a world.
    world: PhantomData<*mut W>,
}

impl<W: 'static> Script<W> {
    /// The world, as the tick that is under way was given it.
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Panics
    /// Outside a tick: in a destructor that runs because the [`Scripts`](super::Scripts) were dropped.
    #[inline]
    #[track_caller]
    pub fn world(&mut self) -> &mut W {
        let stage = &self.kernel.stage;
        let Some(world) = stage.world.get() else {
            panic!("there is no world outside a tick ({})", self.record);
        };
        assert!(
            ptr::eq(stage.actor.get(), Rc::as_ptr(&self.record)),
            "{} asked for the world while it does not run",
            self.record
        );
        assert!(stage.world_type == TypeId::of::<W>(), "the scheduler is of this type");
        // SAFETY: it is a `W`: of the stage's type, which `lend` has seen to, and that was just compared. The guard
        // of `lend` borrows the world and clears the pointer before it goes, so it is there. This script runs, so
        // no closure is shown the world, and no other script runs. The reference borrows the one `&mut Script`
        // that this script's stack has, which every pause needs; and what the stack pauses with otherwise (a task
        // that ticks us) stops the whole tick.
        unsafe { world.cast().as_mut() }
    }

    /// Calls a closure with the world: for an expression that uses it several times.
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Panics
    /// As [`world`](Self::world).
    #[inline]
    #[track_caller]
    pub fn with<R>(&mut self, f: impl FnOnce(&mut W) -> R) -> R {
        f(self.world())
    }

    /// Makes the script reachable by [`current`] while `f` runs: for natives of an embedded language, and
    /// other code that is called without being handed a [`Script`].
    ///
    /// # Pausing
    /// Never by itself; `f` may pause the script by way of [`current`].
    ///
    /// # Panics
    /// On the stack of a coroutine or generator that runs inside the script.
    ///
    /// ```
    /// use segno::script::{self, Scripts};
    ///
    /// fn native_wait(seconds: f64) { // as an interpreter would call it
    ///     script::current::<u32, _>(|s| {
    ///         s.wait(seconds);
    ///         *s.world() += 1;
    ///     });
    /// }
    ///
    /// let scripts = Scripts::<u32>::new();
    /// scripts.spawn("interpreter", |s| s.ambient(|| native_wait(1.0)));
    /// let mut count = 0;
    /// scripts.tick(&mut count, 1.0);
    /// scripts.tick(&mut count, 1.0);
    /// assert_eq!(count, 1);
    /// ```
    #[track_caller]
    pub fn ambient<R>(&mut self, f: impl FnOnce() -> R) -> R {
        let at = Location::caller();
        let here = self.record.perch.with(Pauser::is_here).unwrap_or(false);
        assert!(here, "`ambient` at {at} has to be called on the script's own stack");
        let slot = Ambient {
            kernel: self.kernel.clone(),
            record: self.record.clone(),
            opened_at: at,
            taken: Cell::new(None),
        };
        let before = self.record.perch.with(|end| end.keep(ptr::from_ref(&slot).cast()));
        let _restore = Restore { record: &self.record, before: before.unwrap_or(ptr::null()) };
        f()
    }
}

impl<W> fmt::Debug for Script<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("id", &self.record.id)
            .field("name", &self.record.name)
            .finish_non_exhaustive()
    }
}

/// The inner end of a script's coroutine, for its pauses.
pub(super) struct Perch(Cell<*const Pauser<(), ()>>);

impl Perch {
    /// Of a script that has not run.
    pub(super) fn empty() -> Self {
        Self(Cell::new(ptr::null()))
    }

    /// Fetches what is around it: the parent link, and the coroutine's record above it.
    #[inline(always)]
    pub(super) fn prefetch(&self) {
        let here = self.0.get().cast::<()>();
        for line in 0..5 {
            coroutine::prefetch(here.wrapping_byte_add(line * 64));
        }
    }

    /// Calls `f` with it; `None` before the script's first step and after its last.
    #[inline(always)]
    pub(super) fn with<R>(&self, f: impl FnOnce(&Pauser<(), ()>) -> R) -> Option<R> {
        // SAFETY: it is set by the script's first frame and cleared by it before it ends, whatever happens in
        // between; in that time the stack that it lies on is there. `f` may pause the script, and comes back
        // on that stack or not at all.
        unsafe { self.0.get().as_ref() }.map(f)
    }
}

/// The first frame of a script.
fn body<W: 'static>(
    kernel: Rc<Kernel>,
    record: Rc<Record>,
    f: impl FnOnce(&mut Script<W>),
) -> impl FnOnce(&Pauser<(), ()>, ()) {
    move |end, ()| {
        record.perch.0.set(end);
        let mut script = Script { kernel, record: record.clone(), world: PhantomData };
        let result = catch_unwind(AssertUnwindSafe(|| f(&mut script)));
        record.perch.0.set(ptr::null());
        if let Err(payload) = result {
            record.payload.set(Some(payload));
        }
    }
}

/// How the coroutine of this script is to be made.
fn plan(record: &Record) -> Plan {
    Plan {
        request: record.request,
        spawned_at: record.spawned_at,
        // Whose frames a script borrows is the business of this room.
        lender: Lender::Nobody,
        generator: false,
    }
}

/// Gives a script its coroutine, which refers to nothing but what lives for ever.
#[inline]
pub(super) fn embody<W: 'static>(
    kernel: &Rc<Kernel>,
    record: &Rc<Record>,
    f: impl FnOnce(&mut Script<W>) + 'static,
) -> Result<(), SpawnError> {
    let body = body(kernel.clone(), record.clone(), f);
    let core = Core::new_static(plan(record), Some(record.name.clone()), body)?;
    record.set_core(core);
    Ok(())
}

// ---- frames

/// A frame of a script that is lent to its children: what [`Script::scope`] gives to its closure.
///
/// Scripts spawned with it may refer to whatever outlives `'scope`: to what the caller of `scope` owns
/// (`'env`), and to the scope itself.
pub struct Scope<'scope, 'env: 'scope, W> {
    /// The scheduler.
    pub(super) kernel: Rc<Kernel>,
    /// Whose frame it is.
    pub(super) parent: Rc<Record>,
    /// Neither longer nor shorter: children are waited for in exactly this frame.
    scope: PhantomData<&'scope mut &'scope ()>,
    /// What the children may refer to.
    env: PhantomData<&'env mut &'env ()>,
    /// Whose scripts they are.
    world: PhantomData<*mut W>,
}

impl<'scope, W: 'static> Scope<'scope, '_, W> {
    /// Makes a script that may refer to what outlives `'scope`. It is ready to run.
    pub(super) fn make(
        &'scope self,
        making: Making,
        f: impl FnOnce(&mut Script<W>) + 'scope,
    ) -> Result<Rc<Record>, SpawnError> {
        let record = self.kernel.record(making, Some(self.parent.clone()));
        let body = body(self.kernel.clone(), record.clone(), f);
        // SAFETY: what the body refers to outlives `'scope`, and `lend` does not go on before the script has
        // left its parent's list, which it does when its coroutine has ended. If it never ends, its parent is
        // given up with it, and `lend` does not go on at all.
        match unsafe { Core::new(plan(&record), Some(record.name.clone()), body) } {
            Ok(core) => {
                record.set_core(core);
                self.kernel.enter(&record);
                Ok(record)
            }
            Err(error) => {
                self.kernel.forget(&record);
                Err(error)
            }
        }
    }
}

impl<W> fmt::Debug for Scope<'_, '_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("of", &self.parent.name).finish_non_exhaustive()
    }
}

/// Lends this frame to the scripts that `fill` makes, and goes on when none of them is left. If one cannot be
/// made the others are cancelled.
///
/// `fill` is the room's own code; what users wrote runs in the scripts. `wait` comes back when no child is
/// left.
pub(super) fn lend<'env, W: 'static>(
    script: &mut Script<W>,
    fill: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env, W>) -> Result<(), SpawnError>,
    wait: impl FnOnce(&mut Script<W>),
) -> Result<(), SpawnError> {
    let scope = Scope {
        kernel: script.kernel.clone(),
        parent: script.record.clone(),
        scope: PhantomData,
        env: PhantomData,
        world: PhantomData,
    };
    let bomb = AbortBomb::arm("scripts that borrow from it");
    let made = catch_unwind(AssertUnwindSafe(|| fill(&scope)));
    if !matches!(made, Ok(Ok(()))) {
        scope.kernel.end_family(&scope.parent);
    }
    wait(script);
    // Otherwise the bomb goes off: children would go on with what this frame owns.
    if !scope.parent.has_children() {
        bomb.disarm();
    }
    made.unwrap_or_else(|payload| resume_unwind(payload))
}

// ---- scripts that nobody handed over

/// A script that is reachable by [`current`]; in the frame of `ambient`, on its own stack.
struct Ambient {
    /// The scheduler.
    kernel: Rc<Kernel>,
    /// The script.
    record: Rc<Record>,
    /// The line that called `ambient`.
    opened_at: &'static Location<'static>,
    /// The line that has the script now.
    taken: Cell<Option<&'static Location<'static>>>,
}

/// Puts back what was there before.
struct Restore<'a> {
    /// Whose.
    record: &'a Record,
    /// What was there.
    before: *const (),
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.record.perch.with(|end| end.keep(self.before));
    }
}

/// Gives a script back.
struct Untake<'a>(&'a Cell<Option<&'static Location<'static>>>);

impl Drop for Untake<'_> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

/// The script that this code runs in, inside [`Script::ambient`].
///
/// `W` is the type of the scheduler's world. Only on the script's own stack: not in a coroutine or generator
/// that runs inside it, not in another script, a predicate or a hook.
///
/// # Pausing
/// Never by itself; `f` may pause the script.
///
/// # Panics
/// Where there is no such script; inside another call of `current`, naming both lines; if the world is not a
/// `W`. Nothing has changed then.
#[track_caller]
pub fn current<W: 'static, R>(f: impl FnOnce(&mut Script<W>) -> R) -> R {
    let at = Location::caller();
    let slot: *const Ambient = coroutine::keepsake().cast();
    // SAFETY: what is kept with coroutines is what `ambient` keeps, in a frame on the very stack that this
    // code runs on: it is taken back before that frame goes.
    let Some(slot) = (unsafe { slot.as_ref() }) else {
        panic!("`current` at {at}: no script is made reachable here, see `Script::ambient`");
    };
    if let Some(taken_at) = slot.taken.get() {
        panic!("`current` at {at}: {} is taken by the `current` at {taken_at}", slot.record);
    }
    assert!(
        slot.kernel.stage.world_type == TypeId::of::<W>(),
        "`current` at {at}: the world of {} (made reachable at {}) is a `{}`",
        slot.record,
        slot.opened_at,
        slot.kernel.world_name
    );
    slot.taken.set(Some(at));
    let _untake = Untake(&slot.taken);
    // The one that `ambient` was called with is borrowed until `ambient` is left, so this is the only one.
    f(&mut Script { kernel: slot.kernel.clone(), record: slot.record.clone(), world: PhantomData })
}
