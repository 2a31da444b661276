//! How a script waits: what every wait is made of, and the waits for conditions, events and the ends of others.
//!
//! Every wait reads: may it pause here, is it cancelled; register; pause; is it cancelled, did a predicate
//! panic. [`Script::rest`] is that, and everything else registers somewhere. Waits for time are in `clock`.

use std::any::Any;
use std::cell::Cell;
use std::panic::{Location, resume_unwind};
use std::rc::Rc;

use super::event::{Filter, Mailbox};
use super::handle::{Handle, Outcome, Place, ScopedHandle};
use super::kernel::Predicate;
use super::lend::Script;
use super::record::{Link, Record, State, Wait};
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
        let handle = handle.handle;
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
