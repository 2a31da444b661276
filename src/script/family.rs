//! Scripts inside a script: side by side, one against the other, under a limit.
//!
//! Everything in here is one thing: the script makes children that borrow its frame, and pauses until none is
//! left. What differs is what a child's end means to the others ([`Family`]), and what else may end the wait
//! (a clock, an event, a condition): then the children are cancelled.
//!
//! The bodies of `timeout`, `scope` and the like are children, too. It costs a stack from the pool, and gives
//! one kind of cancellation instead of two: a script is cancelled as a whole or not at all.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;

use super::event::Filter;
use super::handle::{Place, ScopedHandle};
use super::info::PanicInfo;
use super::lend::{Scope, Script, lend};
use super::record::{Family, Link, Record};
use super::spawn::{Making, Spawn};
use super::time::{Span, amount};
use super::wait::{Call, Due};
use crate::coroutine::{self, discard, no_stack};
use crate::report::{self, ReportKind};
use crate::stacks::SpawnError;

/// A [`timeout`](Script::timeout) has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time has run out")
    }
}

impl std::error::Error for Elapsed {}

/// Registers a script with what may end its wait early.
type Trigger<'t, W> = Box<dyn FnOnce(&Script<W>, u64) -> Link + 't>;

impl<'scope, W: 'static> Scope<'scope, '_, W> {
    /// How a child is made that is a part of its parent.
    fn branch(
        &'scope self,
        call: Call,
        is_body: bool,
        f: impl FnOnce(&mut Script<W>) + 'scope,
    ) -> Result<(), SpawnError> {
        let parent = &self.parent;
        let making = Making {
            name: call.what.into(),
            priority: parent.priority,
            group: parent.group.clone(),
            owner: parent.owner.clone(),
            request: parent.request,
            is_body,
            spawned_at: call.at,
        };
        self.make(making, f).map(drop)
    }

    /// Spawns a script that may borrow from around the scope. It runs when the others that are ready have had
    /// their turn.
    ///
    /// # Panics
    /// When no stack can be had.
    #[track_caller]
    pub fn spawn<T: 'scope>(
        &'scope self,
        name: impl Into<std::borrow::Cow<'static, str>>,
        f: impl FnOnce(&mut Script<W>) -> T + 'scope,
    ) -> ScopedHandle<'scope, T> {
        let at = Location::caller();
        let parent = &self.parent;
        let Spawn { name, .. } = Spawn::named(name);
        let making = Making {
            name,
            priority: parent.priority,
            group: parent.group.clone(),
            owner: parent.owner.clone(),
            request: parent.request,
            is_body: false,
            spawned_at: at,
        };
        let place = Place::new();
        let result = place.clone();
        let made = self.make(making, move |s| result.put(f(s)));
        match made {
            Ok(record) => {
                let kernel = Rc::downgrade(&self.kernel);
                ScopedHandle { record, place, kernel, scope: PhantomData }
            }
            Err(error) => no_stack(&error, at),
        }
    }
}

impl<W: 'static> Script<W> {
    /// Makes children and pauses until none is left. Returns whether the trigger ended that.
    fn with_family<'env>(
        &mut self,
        call: Call,
        family: Family,
        trigger: Option<Trigger<'_, W>>,
        fill: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env, W>) -> Result<(), SpawnError>,
    ) -> bool {
        let checked = self.check(call);
        call.must(&self.record, checked);
        self.record.family.set(family);
        self.record.family_is_over.set(false);
        let mut fired = false;
        let made = lend(self, fill, |s| fired = s.tend(call, trigger));
        self.record.family.set(Family::Each);
        if let Err(error) = made {
            no_stack(&error, call.at);
        }
        let panicked = self.record.extras.get().and_then(|extras| extras.child_panic.take());
        if let Some(payload) = panicked {
            if !self.kernel.is_doomed(&self.record) {
                resume_unwind(payload);
            }
            let lost = PanicInfo::of(&self.record, coroutine::message(&payload));
            report::tell(ReportKind::LostPanic, lost.to_string());
            discard(payload);
        }
        self.rethrow();
        if self.kernel.is_doomed(&self.record) {
            let raised = self.raise(call);
            call.must(&self.record, raised);
        }
        fired
    }

    /// Pauses until no child is left. It does not unwind: the children refer to the frame that this is called
    /// from.
    fn tend(&mut self, call: Call, mut trigger: Option<Trigger<'_, W>>) -> bool {
        let mut fired = false;
        while self.record.has_children() {
            let armed = trigger.is_some();
            self.pause(call, |s, number| match trigger.take() {
                Some(trigger) => trigger(s, number),
                None => Link::Nothing,
            });
            if armed {
                let link = self.record.link.take();
                fired = matches!(link, Link::Nothing);
                self.record.link.set(link);
                let dropped = self.kernel.unlink(&self.record);
                self.kernel.guarded(|| drop(dropped));
            }
            // It was woken by the trigger, or all have ended.
            self.kernel.end_family(&self.record);
        }
        fired
    }

    /// What the script was to be given has not come, because its children were cancelled: it ends, too.
    #[cold]
    fn give_in(&self, call: Call) -> ! {
        self.kernel.cancel(&self.record);
        let _ = self.raise(call);
        unreachable!("it could not give an error")
    }

    /// Runs a body as a child, until it has ended or the trigger says that it is enough.
    fn guard<T>(
        &mut self,
        call: Call,
        trigger: Trigger<'_, W>,
        body: impl FnOnce(&mut Script<W>) -> T,
    ) -> Option<T> {
        let mut value = None;
        let fired = self.with_family(call, Family::All, Some(trigger), |scope| {
            scope.branch(call, true, |s| value = Some(body(s)))
        });
        match (fired, value) {
            (true, _) => None,
            (false, Some(value)) => Some(value),
            (false, None) => self.give_in(call),
        }
    }

    /// Runs two closures side by side, as scripts of their own, and returns what both return. They may borrow.
    ///
    /// Both run in this tick already. [`all!`](super::all) takes more than two.
    ///
    /// # Pausing
    /// Always pauses. If the script is cancelled both are, and it unwinds when they have ended. In a
    /// destructor that runs while the script unwinds it aborts the process.
    ///
    /// # Panics
    /// When no stack can be had. When one of them panics the other is cancelled, and the panic goes on here
    /// when it has ended. If one of them is cancelled by its number, so is this script.
    ///
    /// ```
    /// use segno::script::{Script, Scripts};
    ///
    /// fn count(s: &mut Script<u32>, ticks: u32, seen: &mut Vec<u32>) {
    ///     for _ in 0..ticks {
    ///         s.next_frame();
    ///         seen.push(*s.world());
    ///     }
    /// }
    ///
    /// let scripts = Scripts::new();
    /// let handle = scripts.spawn("both", |s| {
    ///     let (mut left, mut right) = (Vec::new(), Vec::new());
    ///     s.all(|s| count(s, 2, &mut left), |s| count(s, 3, &mut right)); // plain borrows
    ///     (left, right)
    /// });
    /// for mut frame in 0..4 {
    ///     scripts.tick(&mut frame, 0.016);
    /// }
    /// assert_eq!(handle.take().unwrap().done(), Some((vec![1, 2], vec![1, 2, 3])));
    /// ```
    #[track_caller]
    pub fn all<A, B>(
        &mut self,
        a: impl FnOnce(&mut Script<W>) -> A,
        b: impl FnOnce(&mut Script<W>) -> B,
    ) -> (A, B) {
        let call = Call::here("all");
        let (mut first, mut second) = (None, None);
        self.with_family(call, Family::All, None, |scope| {
            scope.branch(call, false, |s| first = Some(a(s)))?;
            scope.branch(call, false, |s| second = Some(b(s)))
        });
        match (first, second) {
            (Some(first), Some(second)) => (first, second),
            _ => self.give_in(call),
        }
    }

    /// Runs two closures side by side until the first of them returns, and returns that. The other is
    /// cancelled, and has ended when this returns. They may borrow.
    ///
    /// If both return in the same tick the first to do so counts. [`race!`](super::race) takes more than two.
    ///
    /// # Pausing
    /// As [`all`](Self::all).
    ///
    /// # Panics
    /// As [`all`](Self::all); but one that is cancelled by its number only drops out.
    ///
    /// ```
    /// let scripts = segno::script::Scripts::<()>::new();
    /// let handle = scripts.spawn("hurry", |s| {
    ///     s.race(
    ///         |s| { s.wait(1.0); "too late" },
    ///         |s| s.wait_for::<&str>(),
    ///     )
    /// });
    /// scripts.tick(&mut (), 0.5);
    /// scripts.emit("in time");
    /// scripts.tick(&mut (), 0.1);
    /// assert_eq!(handle.outcome().unwrap().done(), Some("in time"));
    /// ```
    #[track_caller]
    pub fn race<T>(
        &mut self,
        a: impl FnOnce(&mut Script<W>) -> T,
        b: impl FnOnce(&mut Script<W>) -> T,
    ) -> T {
        let call = Call::here("race");
        let winner = Cell::new(None);
        let finish = |record: &Record, value| {
            // One that was cancelled and came home all the same is too late.
            if !record.cancelled.get() {
                winner.set(Some(value));
            }
        };
        self.with_family(call, Family::Race, None, |scope| {
            scope.branch(call, false, |s| finish_with(s, a, &finish))?;
            scope.branch(call, false, |s| finish_with(s, b, &finish))
        });
        match winner.into_inner() {
            Some(value) => value,
            None => self.give_in(call),
        }
    }

    /// Runs a closure that can spawn scripts which borrow: from its caller, and from what the scope outlives.
    /// Returns what it returns, when all of them have ended.
    ///
    /// # Pausing
    /// As [`all`](Self::all).
    ///
    /// # Panics
    /// When no stack can be had. When the closure or one of the scripts panics, the others are cancelled, and
    /// the first panic goes on here when they have ended. If the closure's script is cancelled by its number,
    /// so are the others and this one.
    ///
    /// ```
    /// use segno::script::{Script, Scripts};
    ///
    /// let scripts = Scripts::<()>::new();
    /// let handle = scripts.spawn("choir", |s| {
    ///     let parts = ["soprano", "alto", "bass"];
    ///     s.scope(|s, scope| {
    ///         let singers = parts.map(|part| {
    ///             scope.spawn(part, move |s: &mut Script<()>| {
    ///                 s.wait(part.len() as u32);
    ///                 part.len()
    ///             })
    ///         });
    ///         singers.map(|singer| s.join_child(singer).done().unwrap()).iter().sum::<usize>()
    ///     })
    /// });
    /// for _ in 0..10 {
    ///     scripts.tick(&mut (), 1);
    /// }
    /// assert_eq!(handle.take().unwrap().done(), Some(15));
    /// ```
    #[track_caller]
    pub fn scope<'env, T>(
        &mut self,
        body: impl for<'scope> FnOnce(&mut Script<W>, &'scope Scope<'scope, 'env, W>) -> T + 'env,
    ) -> T
    where
        T: 'env,
    {
        let call = Call::here("scope");
        let place = Place::new();
        let result = place.clone();
        self.with_family(call, Family::Each, None, |scope: &Scope<'_, 'env, W>| {
            scope.branch(call, true, move |s| result.put(body(s, scope)))
        });
        match place.value() {
            Some(value) => value,
            None => self.give_in(call),
        }
    }

    /// Runs a closure, but no longer than this: then it is cancelled, and has ended when this returns. It may
    /// borrow.
    ///
    /// The time is that of the clock of the script's group.
    ///
    /// # Errors
    /// When the time ran out first. If the closure returns in the same tick, whichever is first in that counts.
    ///
    /// # Pausing
    /// As [`all`](Self::all).
    ///
    /// # Panics
    /// As [`all`](Self::all); when the time is negative, not a number, or infinite.
    #[track_caller]
    pub fn timeout<T>(
        &mut self,
        time: impl Span,
        body: impl FnOnce(&mut Script<W>) -> T,
    ) -> Result<T, Elapsed> {
        let call = Call::here("timeout");
        let due = Due::after(&self.record.group, amount(time, call.what, call.at));
        let trigger: Trigger<'_, W> =
            Box::new(move |s: &Script<W>, number| s.until_due(None, due, number));
        self.guard(call, trigger, body).ok_or(Elapsed)
    }

    /// Runs a closure until it returns, or until an event of this type comes: then it is cancelled wherever it
    /// is, and has ended when this returns. It may borrow.
    ///
    /// # Errors
    /// The event, if it came first.
    ///
    /// # Pausing
    /// As [`all`](Self::all).
    ///
    /// # Panics
    /// As [`all`](Self::all).
    ///
    /// ```
    /// use segno::script::{Script, Scripts};
    ///
    /// #[derive(Clone)]
    /// struct Rain;
    ///
    /// fn day(s: &mut Script<Vec<&'static str>>) {
    ///     s.world().push("walks");
    ///     s.wait(600);
    ///     s.world().push("shops");
    /// }
    ///
    /// let scripts = Scripts::new();
    /// scripts.spawn("villager", |s| {
    ///     if s.interrupt_on::<Rain, _>(day).is_err() {
    ///         s.world().push("runs home");
    ///     }
    /// });
    /// let mut seen = Vec::new();
    /// scripts.tick(&mut seen, 1);
    /// scripts.emit(Rain);
    /// scripts.tick(&mut seen, 1);
    /// assert_eq!(seen, ["walks", "runs home"]);
    /// ```
    #[track_caller]
    pub fn interrupt_on<E: Clone + 'static, T>(
        &mut self,
        body: impl FnOnce(&mut Script<W>) -> T,
    ) -> Result<T, E> {
        self.until_event(Call::here("interrupt_on"), None, body)
    }

    /// As [`interrupt_on`](Self::interrupt_on), for the first event that is like this.
    ///
    /// # Errors
    /// The event, if it came first.
    ///
    /// # Pausing
    /// As [`all`](Self::all).
    ///
    /// # Panics
    /// As [`all`](Self::all).
    #[track_caller]
    pub fn interrupt_where<E: Clone + 'static, T>(
        &mut self,
        filter: impl FnMut(&E) -> bool + 'static,
        body: impl FnOnce(&mut Script<W>) -> T,
    ) -> Result<T, E> {
        self.until_event(Call::here("interrupt_where"), Some(Box::new(filter)), body)
    }

    /// Runs a closure that can be skipped: by an event that equals `key`. Returns `None` if it was.
    ///
    /// Put what has to be true afterwards, skipped or not, after it or into [`on_exit`](Self::on_exit) closures
    /// inside.
    ///
    /// # Pausing
    /// As [`all`](Self::all).
    ///
    /// # Panics
    /// As [`all`](Self::all).
    ///
    /// ```
    /// #[derive(Clone, PartialEq)]
    /// enum Key { Escape, Fire }
    ///
    /// let scripts = segno::script::Scripts::<bool>::new();
    /// scripts.spawn("intro", |s| {
    ///     let seen = s.skippable(Key::Escape, |s| s.wait(90));
    ///     *s.world() = seen.is_none();
    /// });
    /// let mut skipped = false;
    /// scripts.tick(&mut skipped, 1);
    /// scripts.emit(Key::Fire); // not that one
    /// scripts.tick(&mut skipped, 1);
    /// assert!(!skipped);
    /// scripts.emit(Key::Escape);
    /// scripts.tick(&mut skipped, 1);
    /// assert!(skipped);
    /// ```
    #[track_caller]
    pub fn skippable<K: Clone + PartialEq + 'static, T>(
        &mut self,
        key: K,
        body: impl FnOnce(&mut Script<W>) -> T,
    ) -> Option<T> {
        let filter = move |event: &K| *event == key;
        self.until_event(Call::here("skippable"), Some(Box::new(filter)), body).ok()
    }

    /// All that events end.
    fn until_event<E: Clone + 'static, T>(
        &mut self,
        call: Call,
        filter: Option<Filter<E>>,
        body: impl FnOnce(&mut Script<W>) -> T,
    ) -> Result<T, E> {
        let place = Rc::new(Cell::new(None));
        let event = place.clone();
        let trigger: Trigger<'_, W> = Box::new(move |s: &Script<W>, number| {
            s.kernel.events.register(&s.record, number, filter, place)
        });
        match self.guard(call, trigger, body) {
            Some(value) => Ok(value),
            None => Err(event.take().expect("the wake came with an event")),
        }
    }

    /// Runs a closure while a condition holds: when it does not, the closure is cancelled, and has ended when
    /// this returns. Returns `None` then. The closure may borrow.
    ///
    /// The condition is asked at once (and if it does not hold then, the closure does not run), and then once
    /// in each frame, as by [`until`](Self::until).
    ///
    /// # Pausing
    /// As [`all`](Self::all); not at all if the condition does not hold.
    ///
    /// # Panics
    /// As [`all`](Self::all); with what the condition panics with.
    ///
    /// ```
    /// let scripts = segno::script::Scripts::<i32>::new();
    /// scripts.spawn("fight on", |s| {
    ///     let won = s.run_while(|health: &i32| *health > 0, |s| s.wait(60));
    ///     assert!(won.is_none());
    ///     *s.world() = 100; // at the inn
    /// });
    /// let mut health = 1;
    /// scripts.tick(&mut health, 1);
    /// health = 0;
    /// scripts.tick(&mut health, 1);
    /// assert_eq!(health, 100);
    /// ```
    #[track_caller]
    pub fn run_while<T>(
        &mut self,
        mut holds: impl FnMut(&W) -> bool + 'static,
        body: impl FnOnce(&mut Script<W>) -> T,
    ) -> Option<T> {
        let call = Call::here("run_while");
        if !holds(self.world()) {
            return None;
        }
        let trigger: Trigger<'_, W> = Box::new(move |s: &Script<W>, number| {
            s.until_holds(move |world| !holds(world), number)
        });
        self.guard(call, trigger, body)
    }
}

/// Runs a closure as a branch of a race.
fn finish_with<W: 'static, T>(
    s: &mut Script<W>,
    f: impl FnOnce(&mut Script<W>) -> T,
    finish: &impl Fn(&Record, T),
) {
    let value = f(s);
    finish(&s.record, value);
}

/// [`Script::all`] for up to six closures: `let (a, b, c) = all!(s, |s| .., |s| .., |s| ..);`
///
/// # Pausing
/// As [`Script::all`](crate::script::Script::all).
///
/// ```
/// use segno::script::{Script, Scripts, all};
///
/// let scripts = Scripts::<()>::new();
/// let handle = scripts.spawn("three", |s| {
///     all!(s, |s: &mut Script<()>| s.wait(1), |s: &mut Script<()>| s.wait(2), |_: &mut Script<()>| 3).2
/// });
/// for _ in 0..3 {
///     scripts.tick(&mut (), 1);
/// }
/// assert_eq!(handle.outcome().unwrap().done(), Some(3));
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! script_all {
    ($s:expr, $a:expr, $b:expr $(,)?) => {
        $s.all($a, $b)
    };
    ($s:expr, $a:expr, $b:expr, $c:expr $(,)?) => {{
        let (a, (b, c)) = $s.all($a, |s| s.all($b, $c));
        (a, b, c)
    }};
    ($s:expr, $a:expr, $b:expr, $c:expr, $d:expr $(,)?) => {{
        let ((a, b), (c, d)) = $s.all(|s| s.all($a, $b), |s| s.all($c, $d));
        (a, b, c, d)
    }};
    ($s:expr, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr $(,)?) => {{
        let ((a, b), (c, d, e)) = $s.all(|s| s.all($a, $b), |s| $crate::script_all!(s, $c, $d, $e));
        (a, b, c, d, e)
    }};
    ($s:expr, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr $(,)?) => {{
        let ((a, b, c), (d, e, f)) =
            $s.all(|s| $crate::script_all!(s, $a, $b, $c), |s| $crate::script_all!(s, $d, $e, $f));
        (a, b, c, d, e, f)
    }};
}

/// [`Script::race`] for any number of closures: `race!(s, |s| .., |s| .., |s| ..)`.
///
/// # Pausing
/// As [`Script::race`](crate::script::Script::race).
///
/// ```
/// use segno::script::{Script, Scripts, race};
///
/// let scripts = Scripts::<()>::new();
/// let after = |seconds: u32| move |s: &mut Script<()>| { s.wait(seconds); seconds };
/// let handle = scripts.spawn("three", move |s| race!(s, after(3), after(1), after(2)));
/// for _ in 0..2 {
///     scripts.tick(&mut (), 1);
/// }
/// assert_eq!(handle.outcome().unwrap().done(), Some(1));
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! script_race {
    ($s:expr, $a:expr, $b:expr $(,)?) => {
        $s.race($a, $b)
    };
    ($s:expr, $a:expr, $($rest:expr),+ $(,)?) => {
        $s.race($a, |s| $crate::script_race!(s, $($rest),+))
    };
}
