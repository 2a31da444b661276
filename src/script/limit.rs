//! A body under a limit: a clock, an event, a condition. When that comes the body is cancelled.
//!
//! The body is a child of the script ([`family`](super::family)), and the script waits for its end and for the
//! limit at once: the limit is a trigger, which registers the script's wait somewhere.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use super::clock::Due;
use super::event::Filter;
use super::family::Trigger;
use super::lend::Script;
use super::record::Family;
use super::time::{Span, amount};
use super::wait::Call;

/// A [`timeout`](Script::timeout) has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time has run out")
    }
}

impl std::error::Error for Elapsed {}

impl<W: 'static> Script<W> {
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
