//! Scripts inside a script: side by side, one against the other.
//!
//! Everything in here is one thing: the script makes children that borrow its frame, and pauses until none is
//! left. What differs is what a child's end means to the others ([`Family`]), and whether something else may end
//! the wait: that is in `limit`.
//!
//! The bodies of `timeout`, `scope` and the like are children, too. It costs a stack from the pool, and gives
//! one kind of cancellation instead of two: a script is cancelled as a whole or not at all.

use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;

use super::handle::{Handle, Place, ScopedHandle};
use super::info::PanicInfo;
use super::lend::{Scope, Script, lend};
use super::record::{Family, Link, Record};
use super::spawn::{Making, Spawn};
use super::wait::Call;
use crate::coroutine::{self, discard, no_stack};
use crate::report::{self, ReportKind};
use crate::stacks::SpawnError;

/// Registers a script with what may end its wait early.
pub(super) type Trigger<'t, W> = Box<dyn FnOnce(&Script<W>, u64) -> Link + 't>;

impl<'scope, W: 'static> Scope<'scope, '_, W> {
    /// How a child is made that is a part of its parent.
    pub(super) fn branch(
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
                ScopedHandle { handle: Handle { record, place, kernel }, scope: PhantomData }
            }
            Err(error) => no_stack(&error, at),
        }
    }
}

impl<W: 'static> Script<W> {
    /// Makes children and pauses until none is left. Returns whether the trigger ended that.
    pub(super) fn with_family<'env>(
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
    pub(super) fn give_in(&self, call: Call) -> ! {
        self.kernel.cancel(&self.record);
        let _ = self.raise(call);
        unreachable!("it could not give an error")
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
