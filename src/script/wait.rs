//! How a script waits.
//!
//! Every wait reads: may it pause here, is it cancelled; register; pause; is it cancelled, did a predicate
//! panic. [`Script::rest`] is that, and everything else in here registers somewhere.

use std::any::Any;
use std::cell::Cell;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;

use super::event::{Filter, Mailbox};
use super::group::{Circle, Group};
use super::handle::{Handle, Outcome, Place, ScopedHandle};
use super::kernel::Predicate;
use super::lend::Script;
use super::record::{Link, Record, State, Wait};
use super::run::{Budget, Phase};
use super::time::{Amount, Late, Span, Time, amount, nanos_of};
use crate::coroutine::{PATIENCE, stack_pointer};
use crate::report;

/// Why a wait did not wait, or came back without what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// The script unwinds here: nobody can wait.
    Unwinding,
    /// It is cancelled, and the wait was called in a form that can say so.
    Cancelled,
}

/// The name and the line of a wait, and whether it can be given up with an error.
#[derive(Clone, Copy)]
pub(super) struct Call {
    /// The name of the operation.
    pub(super) what: &'static str,
    /// The line that called it.
    pub(super) at: &'static Location<'static>,
    /// Whether it can be given up with an error.
    pub(super) fallible: bool,
}

impl Call {
    /// A wait that cannot be given up, called by whoever calls the caller.
    #[inline(always)]
    #[track_caller]
    pub(super) fn here(what: &'static str) -> Self {
        Self { what, at: Location::caller(), fallible: false }
    }

    /// The same, with an error if the script is cancelled.
    #[inline(always)]
    #[track_caller]
    pub(super) fn fallible(what: &'static str) -> Self {
        Self { what, at: Location::caller(), fallible: true }
    }

    /// What a wait gave that had to give something.
    pub(super) fn must<T>(self, record: &Record, given: Result<T, Denied>) -> T {
        given.unwrap_or_else(|_| {
            report::abort(format!(
                "`{}` at {} in {record} while a panic or its cancellation unwinds through it: a destructor \
                 that may run then must not wait",
                self.what, self.at
            ))
        })
    }
}

impl<W: 'static> Script<W> {
    // ---- what every wait is made of

    /// Looks whether the script may wait here. Unwinds it if it is cancelled.
    #[inline(always)]
    pub(super) fn check(&self, call: Call) -> Result<(), Denied> {
        let unwinds = self.record.perch.with(|end| {
            end.check_place(call.at);
            end.unwinds()
        });
        match unwinds {
            Some(false) => {}
            Some(true) => return Err(Denied::Unwinding),
            None => panic!("`{}` at {}: {} has ended", call.what, call.at, self.record),
        }
        if self.kernel.is_doomed(&self.record) {
            return self.raise(call);
        }
        Ok(())
    }

    /// Ends a wait of a cancelled script.
    #[cold]
    #[inline(never)]
    pub(super) fn raise(&self, call: Call) -> Result<(), Denied> {
        let record = &self.record;
        let raised = record.raised.get() + 1;
        record.raised.set(raised);
        if raised > PATIENCE + 1 {
            record.stubborn.set(true);
            record.wait.set(Wait { number: 0, what: call.what, at: call.at });
            self.abandon();
        }
        if call.fallible {
            return Err(Denied::Cancelled);
        }
        if cfg!(panic = "abort") {
            self.abandon();
        }
        record.perch.with(|end| end.throw(record.signal.get()));
        unreachable!("it runs, and has an inner end");
    }

    /// Leaves the script for good. The scheduler does the rest.
    #[cold]
    fn abandon(&self) -> ! {
        self.record.perch.with(|end| end.abandon());
        unreachable!("it runs, and has an inner end");
    }

    /// Pauses the script until the wait that `register` registers is over.
    #[inline(always)]
    pub(super) fn rest(
        &self,
        call: Call,
        register: impl FnOnce(&Self, u64) -> Link,
    ) -> Result<(), Denied> {
        self.check(call)?;
        self.pause(call, register);
        if self.kernel.is_doomed(&self.record) {
            return self.raise(call);
        }
        Ok(())
    }

    /// The pause itself, after [`check`](Self::check).
    #[inline(always)]
    pub(super) fn pause(&self, call: Call, register: impl FnOnce(&Self, u64) -> Link) {
        let record = &self.record;
        let number = self.kernel.next_number();
        record.wait.set(Wait { number, what: call.what, at: call.at });
        record.fallible.set(call.fallible);
        let link = register(self, number);
        record.link.set(link);
        record.stack_pointer.set(stack_pointer());
        if record.state.get() == State::Running {
            record.state.set(State::Waiting);
        }
        record.perch.with(|end| end.pause(()));
    }

    /// Registers with a clock or a counter of frames; those of its own group if `circle` does not say.
    #[inline(always)]
    pub(super) fn until_due(&self, circle: Option<&Rc<Circle>>, due: Due, number: u64) -> Link {
        let clock = circle.unwrap_or(&self.record.group);
        let record = self.record.clone();
        match due {
            Due::Clock(deadline) => {
                Link::Clock(circle.cloned(), clock.timers.add(deadline, number, record))
            }
            Due::Frame(deadline) => {
                Link::Frames(circle.cloned(), clock.frames.add(deadline, number, record))
            }
        }
    }

    /// Registers a condition.
    pub(super) fn until_holds(
        &self,
        mut holds: impl FnMut(&W) -> bool + 'static,
        number: u64,
    ) -> Link {
        let record = self.record.clone();
        let key = (record.priority, record.id.serial);
        let holds = Box::new(move |world: &dyn Any| {
            holds(world.downcast_ref().expect("the scheduler is of this type"))
        });
        self.kernel.predicates.borrow_mut().insert(key, Predicate { record, number, holds });
        Link::Predicate
    }

    // ---- time

    /// Waits until this much time has passed on the clock of the script's group, or this many
    /// [`frames`](super::frames). Returns how much later than that it is.
    ///
    /// It never ends early. `wait(0)` ends in the next tick. After a tick of many seconds it ends once, with
    /// all of the delay in what it returns.
    ///
    /// # Pausing
    /// Always pauses. In a destructor that runs while the script unwinds it returns at once.
    ///
    /// # Panics
    /// When the time is negative, not a number, or infinite.
    #[inline(always)]
    #[track_caller]
    pub fn wait(&mut self, time: impl Span) -> Late {
        self.wait_for_due(Call::here("wait"), None, time).unwrap_or_default()
    }

    /// As [`wait`](Self::wait), by the clock of a group that need not be the script's own.
    ///
    /// # Pausing
    /// As [`wait`](Self::wait).
    ///
    /// # Panics
    /// As [`wait`](Self::wait); when the group belongs to other scripts.
    #[track_caller]
    pub fn wait_on(&mut self, clock: &Group, time: impl Span) -> Late {
        let call = Call::here("wait_on");
        clock.check(&self.kernel, call.at);
        self.wait_for_due(call, Some(&clock.circle), time).unwrap_or_default()
    }

    /// All waits for time; by the clock of its own group if `circle` does not say.
    #[inline(always)]
    pub(super) fn wait_for_due(
        &mut self,
        call: Call,
        circle: Option<&Rc<Circle>>,
        time: impl Span,
    ) -> Result<Late, Denied> {
        let clock = circle.unwrap_or(&self.record.group);
        let due = Due::after(clock, amount(time, call.what, call.at));
        self.rest(call, |s, number| s.until_due(circle, due, number))?;
        Ok(due.late(clock))
    }

    /// Waits for the next frame: the next run of [`Phase::UPDATE`]. Returns the seconds by which the clock of
    /// the script's group has advanced with it.
    ///
    /// # Pausing
    /// Always pauses. In a destructor that runs while the script unwinds it returns at once.
    #[inline(always)]
    #[track_caller]
    pub fn next_frame(&mut self) -> f64 {
        let _ = self.wait_for_phase(Call::here("next_frame"), Phase::UPDATE);
        self.dt()
    }

    /// Waits for the next run of a phase; see [`Scripts::run`](super::Scripts::run).
    ///
    /// # Pausing
    /// As [`next_frame`](Self::next_frame).
    #[inline(always)]
    #[track_caller]
    pub fn next(&mut self, phase: Phase) {
        let _ = self.wait_for_phase(Call::here("next"), phase);
    }

    /// All waits for a phase.
    #[inline(always)]
    pub(super) fn wait_for_phase(&mut self, call: Call, phase: Phase) -> Result<(), Denied> {
        self.rest(call, |s, number| {
            s.kernel.add_to_phase(phase.0, &s.record, number);
            Link::Phase(phase.0)
        })
    }

    /// The seconds by which the clock of the script's group advanced last.
    pub fn dt(&self) -> f64 {
        self.record.group.delta() as f64 / 1e9
    }

    /// The seconds that the clock of the script's group shows.
    pub fn now(&self) -> f64 {
        self.record.group.now() as f64 / 1e9
    }

    /// Beats at a fixed distance in time, on the clock of the script's group: the first one period from now.
    ///
    /// # Pausing
    /// Never pauses; [`Beat::next`] does.
    ///
    /// # Panics
    /// When the period is zero, negative, not a number, or infinite.
    ///
    /// ```
    /// let scripts = segno::script::Scripts::<u32>::new();
    /// scripts.spawn("poison", |s| {
    ///     let mut beat = s.every(0.5);
    ///     for _ in 0..4 {
    ///         beat.next(s);
    ///         *s.world() -= 10;
    ///     }
    /// });
    /// let mut health = 100;
    /// for _ in 0..20 {
    ///     scripts.tick(&mut health, 0.15); // the beats do not drift
    /// }
    /// assert_eq!(health, 60);
    /// ```
    #[track_caller]
    pub fn every(&mut self, period: impl Time) -> Beat {
        let at = Location::caller();
        let period = nanos_of(period, "every", at);
        assert!(period > 0, "`every` at {at} was given no time at all");
        let circle = self.record.group.clone();
        let due = circle.now().saturating_add(period);
        Beat { circle, period, due, missed: 0 }
    }

    /// Lets the other scripts that are ready go first, and goes on in the same tick.
    ///
    /// # Pausing
    /// As [`next_frame`](Self::next_frame).
    #[inline(always)]
    #[track_caller]
    pub fn yield_now(&mut self) {
        let _ = self.give_way(Call::here("yield_now"));
    }

    /// All ways to yield.
    #[inline(always)]
    pub(super) fn give_way(&mut self, call: Call) -> Result<(), Denied> {
        self.rest(call, |s, _| {
            s.kernel.enqueue(s.record.clone());
            Link::Nothing
        })
    }

    /// Spreads a long computation over frames: call it in the loop, and when as much is used up as `limit` says
    /// it waits for the next frame. Returns whether it did.
    ///
    /// [`Budget::Time`] counts from the last wait of the script and reads the system's clock, so that where it
    /// waits differs from run to run; [`Budget::Resumes`] counts calls.
    ///
    /// # Pausing
    /// Now and then, as [`next_frame`](Self::next_frame).
    ///
    /// ```
    /// use segno::script::{Budget, Scripts};
    ///
    /// let scripts = Scripts::<u64>::new();
    /// scripts.spawn("path finding", |s| {
    ///     for step in 0..250 {
    ///         *s.world() += step;
    ///         s.budget(Budget::Resumes(100));
    ///     }
    /// });
    /// let (mut sum, mut frames) = (0, 0);
    /// while !scripts.is_empty() {
    ///     scripts.tick(&mut sum, 0.016);
    ///     frames += 1;
    /// }
    /// assert_eq!((sum, frames), (250 * 249 / 2, 3));
    /// ```
    #[track_caller]
    pub fn budget(&mut self, limit: Budget) -> bool {
        let record = &self.record;
        let spent = record.spent.get() + 1;
        record.spent.set(spent);
        let over = match limit {
            Budget::Resumes(count) => spent >= count,
            Budget::Time(time) => {
                // Counts from its first call after a wait: nobody reads the clock for scripts without one.
                let now = std::time::Instant::now();
                let since =
                    if spent == 1 { now } else { self.kernel.computing_since.get().unwrap_or(now) };
                self.kernel.computing_since.set(Some(since));
                now - since >= time
            }
        };
        if over {
            let _ = self.wait_for_phase(Call::here("budget"), Phase::UPDATE);
        }
        over
    }

    // ---- conditions and events

    /// Waits until a condition holds. It is asked at once, and then once in each frame, without switching to
    /// the script.
    ///
    /// It costs a little in every frame, where waiting for time or events costs nothing: emit an event where
    /// the condition changes if you can.
    ///
    /// # Pausing
    /// Pauses unless the condition holds. In a destructor that runs while the script unwinds it returns at
    /// once.
    ///
    /// # Panics
    /// With what the condition panics with.
    #[track_caller]
    pub fn until(&mut self, holds: impl FnMut(&W) -> bool + 'static) {
        let _ = self.wait_for_condition(Call::here("until"), holds);
    }

    /// All waits for a condition.
    pub(super) fn wait_for_condition(
        &mut self,
        call: Call,
        mut holds: impl FnMut(&W) -> bool + 'static,
    ) -> Result<(), Denied> {
        self.check(call)?;
        if holds(self.world()) {
            return Ok(());
        }
        self.rest(call, |s, number| s.until_holds(holds, number))?;
        self.rethrow();
        Ok(())
    }

    /// Goes on with the panic of a condition.
    pub(super) fn rethrow(&self) {
        if let Some(payload) = self.record.payload.take() {
            resume_unwind(payload);
        }
    }

    /// Waits for the next event of this type.
    ///
    /// What was emitted before does not count: [`listen`](Self::listen) keeps events.
    ///
    /// # Pausing
    /// Always pauses. In a destructor that runs while the script unwinds it aborts the process.
    ///
    /// ```
    /// #[derive(Clone)]
    /// struct Door(&'static str);
    ///
    /// let scripts = segno::script::Scripts::<Vec<&str>>::new();
    /// scripts.spawn("butler", |s| {
    ///     let Door(guest) = s.wait_for::<Door>();
    ///     s.world().push(guest);
    /// });
    /// let mut guests = Vec::new();
    /// scripts.tick(&mut guests, 0.1);
    /// assert_eq!(scripts.emit(Door("Ada")), 1); // one script waits for it
    /// scripts.tick(&mut guests, 0.1);
    /// assert_eq!(guests, ["Ada"]);
    /// ```
    #[inline(always)]
    #[track_caller]
    pub fn wait_for<E: Clone + 'static>(&mut self) -> E {
        let call = Call::here("wait_for");
        let event = self.wait_for_event(call, None);
        call.must(&self.record, event)
    }

    /// Waits for the next event of this type that is like this. Others go by.
    ///
    /// # Pausing
    /// As [`wait_for`](Self::wait_for).
    #[track_caller]
    pub fn wait_where<E: Clone + 'static>(
        &mut self,
        filter: impl FnMut(&E) -> bool + 'static,
    ) -> E {
        let call = Call::here("wait_where");
        let event = self.wait_for_event(call, Some(Box::new(filter)));
        call.must(&self.record, event)
    }

    /// All waits for events.
    #[inline(always)]
    pub(super) fn wait_for_event<E: Clone + 'static>(
        &mut self,
        call: Call,
        filter: Option<Filter<E>>,
    ) -> Result<E, Denied> {
        let place = Rc::new(Cell::new(None));
        self.rest(call, |s, number| {
            s.kernel.events.register(&s.record, number, filter, place.clone())
        })?;
        Ok(place.take().expect("the wake came with an event"))
    }

    /// A mailbox for events of this type: it keeps all that are emitted from now on.
    ///
    /// # Pausing
    /// Never pauses.
    pub fn listen<E: Clone + 'static>(&mut self) -> Mailbox<E> {
        Mailbox::new(&self.kernel, self.record.clone())
    }

    /// Emits an event: every script that waits for its type becomes ready, and goes on later in this tick.
    /// Returns how many got it, mailboxes included.
    ///
    /// # Pausing
    /// Never pauses.
    pub fn emit<E: Clone + 'static>(&mut self, event: E) -> usize {
        self.kernel.emit(&event)
    }

    // ---- others

    /// Waits until a script has ended, and gives how it did.
    ///
    /// # Pausing
    /// Pauses unless it has ended. In a destructor that runs while the script unwinds it aborts the process.
    ///
    /// # Panics
    /// When the handle is that of this very script, or of one that waits for this one to end (it would wait
    /// for ever); when the script belongs to others.
    #[track_caller]
    pub fn join<T: Clone>(&mut self, handle: &Handle<T>) -> Outcome<T> {
        let call = Call::here("join");
        let joined = self.wait_for_end(call, &handle.record, &handle.kernel);
        call.must(&self.record, joined);
        let Some(outcome) = handle.place.copy(&handle.record) else {
            panic!("`join` at {}: what {} returned was taken already", call.at, handle.record)
        };
        outcome
    }

    /// [`join`](Self::join) for a child of a [`scope`](Self::scope): what it returned is moved out.
    ///
    /// # Pausing
    /// As [`join`](Self::join).
    ///
    /// # Panics
    /// As [`join`](Self::join).
    #[track_caller]
    pub fn join_child<T>(&mut self, handle: ScopedHandle<'_, T>) -> Outcome<T> {
        let call = Call::here("join_child");
        let joined = self.wait_for_end(call, &handle.record, &handle.kernel);
        call.must(&self.record, joined);
        take(&handle.place, &handle.record)
    }

    /// All waits for the end of a script.
    pub(super) fn wait_for_end(
        &mut self,
        call: Call,
        target: &Rc<Record>,
        kernel: &std::rc::Weak<super::kernel::Kernel>,
    ) -> Result<(), Denied> {
        assert!(
            std::ptr::eq(kernel.as_ptr(), Rc::as_ptr(&self.kernel)),
            "`{}` at {}: {target} belongs to other scripts",
            call.what,
            call.at
        );
        if target.end.borrow().is_some() {
            return Ok(());
        }
        assert!(
            !self.record.is_in(target),
            "`{}` at {}: {} would wait for itself to end",
            call.what,
            call.at,
            self.record
        );
        self.rest(call, |s, number| {
            target.extras().joiners.borrow_mut().push((s.record.clone(), number));
            Link::End(target.clone())
        })
    }
}

/// What a script has left.
fn take<T>(place: &Place<T>, record: &Record) -> Outcome<T> {
    place.take(record).expect("it has ended, and nobody else takes its value")
}

/// When a wait is over.
#[derive(Clone, Copy)]
pub(super) enum Due {
    /// When the clock shows this.
    Clock(u64),
    /// When the counter of frames does.
    Frame(u64),
}

impl Due {
    /// This much later than now.
    #[inline(always)]
    pub(super) fn after(circle: &Circle, amount: Amount) -> Self {
        match amount {
            Amount::Nanos(nanos) => Self::Clock(circle.now().saturating_add(nanos)),
            Amount::Frames(frames) => Self::Frame(circle.frame().saturating_add(u64::from(frames))),
        }
    }

    /// How much later it is.
    #[inline(always)]
    fn late(self, circle: &Circle) -> Late {
        match self {
            Self::Clock(deadline) => Late::by(circle.now().saturating_sub(deadline)),
            Self::Frame(_) => Late::default(),
        }
    }
}

/// Beats at a fixed distance in time: see [`Script::every`].
#[derive(Clone)]
pub struct Beat {
    /// The clock.
    circle: Rc<Circle>,
    /// Nanoseconds from one to the next.
    period: u64,
    /// When the next one is due.
    due: u64,
    /// How many were left out by the last [`next`](Self::next).
    missed: u64,
}

impl Beat {
    /// Waits for the next beat. Returns how much later than that it is.
    ///
    /// Beats do not drift: they stay multiples of the period, however late this comes. When several fall into
    /// one tick it ends once, for the last of them, and [`missed`](Self::missed) says how many were left out.
    ///
    /// # Pausing
    /// As [`Script::wait`].
    #[track_caller]
    pub fn next<W: 'static>(&mut self, s: &mut Script<W>) -> Late {
        let call = Call::here("every");
        let due = Due::Clock(self.due);
        if s.rest(call, |s, number| s.until_due(Some(&self.circle), due, number)).is_err() {
            return Late::default();
        }
        let late = self.circle.now().saturating_sub(self.due);
        self.missed = late / self.period;
        self.due = self.due.saturating_add((self.missed + 1).saturating_mul(self.period));
        Late::by(late % self.period)
    }

    /// How many beats were left out by the last [`next`](Self::next), because they fell into the same tick.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

impl std::fmt::Debug for Beat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Beat")
            .field("period", &std::time::Duration::from_nanos(self.period))
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}

impl<E: 'static> Mailbox<E> {
    /// Takes the oldest event, and waits for one if there is none.
    ///
    /// Of several scripts that wait for one mailbox the first to come gets the next event.
    ///
    /// # Pausing
    /// Pauses if the mailbox is empty. In a destructor that runs while the script unwinds it aborts the process
    /// then.
    #[track_caller]
    pub fn next<W: 'static>(&self, s: &mut Script<W>) -> E {
        let call = Call::here("Mailbox::next");
        let waited = self.wait(s, call);
        call.must(&s.record, waited)
    }

    /// All waits for an event in it.
    pub(super) fn wait<W: 'static>(&self, s: &mut Script<W>, call: Call) -> Result<E, Denied> {
        loop {
            if let Some(event) = self.queue.take() {
                return Ok(event);
            }
            s.rest(call, |s, number| {
                self.queue.wait(s.record.clone(), number);
                Link::Nothing
            })?;
        }
    }
}
