//! How scripts end: by themselves, cancelled, given up.
//!
//! ```text
//!   cancel --> marked, with all that borrow from it --> no child left? --> dying --> safe point: last step
//!                  | in a shield: nothing more yet                                      | unwinds
//!                  '--> its next wait outside the shield raises                         v
//!                                             ended: struck from the lists, exit closures, joiners, parent
//! ```
//!
//! A script with children waits for them, so they end first. One that will not end is given up with the whole
//! family of the topmost script that it borrows from: none of their frames goes away, and so nothing that is
//! borrowed does. Where nothing unwinds (`panic = "abort"`) that is how every script ends whose wait cannot
//! give an error.

use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;

use super::info::{PanicInfo, Stubborn};
use super::kernel::Kernel;
use super::record::{End, Family, Record, State};
use super::run::{Closing, Purse};
use super::scripts::PanicPolicy;
use crate::coroutine::{self, Payload, discard, is_cancel, is_signal};
use crate::report::{self, ReportKind};

impl Kernel {
    /// Cancels a script. Returns whether it was not cancelled before, and had not ended.
    pub(super) fn cancel(&self, record: &Rc<Record>) -> bool {
        if record.has_ended() || record.cancelled.get() {
            return false;
        }
        record.cancelled.set(true);
        record.signal.set(coroutine::new_number());
        if record.shields.get() == 0 {
            self.doom(record);
        }
        true
    }

    /// Cancels a script whether it is in a shield or not. Only while everything is to end.
    pub(super) fn press(&self, record: &Rc<Record>) {
        if !record.cancelled.get() {
            record.cancelled.set(true);
            record.signal.set(coroutine::new_number());
        }
        if !matches!(record.state.get(), State::Ending | State::Ended) {
            self.doom(record);
        }
    }

    /// Whether a script has to end: it is cancelled, and no shield keeps it.
    #[inline]
    pub(super) fn is_doomed(&self, record: &Record) -> bool {
        record.cancelled.get() && (record.shields.get() == 0 || self.closing.get())
    }

    /// Sees to it that a cancelled script takes no step but its last: now if it runs, else when its children
    /// have ended.
    fn doom(&self, record: &Rc<Record>) {
        if record.state.get() == State::Running {
            return;
        }
        let dropped = self.unlink(record);
        record.state.set(State::Ending);
        let children = record.children();
        for child in &children {
            if self.closing.get() {
                self.press(child);
            } else {
                self.cancel(child);
            }
        }
        if children.is_empty() {
            self.dying.borrow_mut().push_back(record.clone());
        }
        if let Some(dropped) = dropped {
            // A closure of the user's.
            self.guarded(|| drop(dropped));
        }
    }

    /// Lets a cancelled script without children take its last step.
    pub(super) fn take_last_step(&self, record: &Rc<Record>) {
        if record.state.get() != State::Ending || record.has_children() {
            return;
        }
        if !record.has_started() {
            let Some(mut core) = record.core.take() else { return };
            // Its captures are the user's.
            let dropped = catch_unwind(AssertUnwindSafe(|| core.cancel()));
            drop(core);
            if let Err(payload) | Ok(Err(payload)) = dropped {
                record.payload.set(Some(payload));
            }
            self.ended(record);
        } else if cfg!(panic = "abort") && !record.fallible.get() {
            self.retire(record);
        } else {
            self.resume_once(record);
        }
    }

    /// A script's coroutine has ended.
    pub(super) fn ended(&self, record: &Rc<Record>) {
        let end = match record.payload.take() {
            None if record.cancelled.get() => End::Cancelled,
            None => End::Done,
            Some(payload) if is_signal(&payload, record.signal.get()) => {
                drop(payload);
                End::Cancelled
            }
            Some(payload) if is_cancel(&*payload) => {
                // Of whatever runs the tick: it goes on out of that.
                record.cancelled.set(true);
                self.send_out(payload);
                End::Cancelled
            }
            Some(payload) => self.panicked(record, payload),
        };
        self.close(record, end);
    }

    /// What becomes of a script's panic.
    #[cold]
    fn panicked(&self, record: &Rc<Record>, payload: Payload) -> End {
        let info = PanicInfo::of(record, coroutine::message(&payload));
        if let Some(parent) = &record.parent {
            // It goes on in the script that waits for this one; the first does.
            let place = &parent.extras().child_panic;
            match place.take() {
                None => place.set(Some(payload)),
                first => {
                    place.set(first);
                    discard(payload);
                    report::tell(ReportKind::LostPanic, info.to_string());
                }
            }
            return End::Panicked(Box::new(info));
        }
        self.tell_panic(record, &info);
        match self.settings.policy {
            PanicPolicy::Isolate => discard(payload),
            PanicPolicy::Propagate => self.send_out(payload),
        }
        End::Panicked(Box::new(info))
    }

    /// Tells of a panic that no script waits for.
    #[cold]
    fn tell_panic(&self, record: &Record, info: &PanicInfo) {
        let hook = self.panic_hook.borrow().clone();
        match hook {
            Some(hook) => self.guarded(|| hook(info)),
            None if self.settings.policy == PanicPolicy::Isolate
                && record.extras.get().is_none_or(|extras| extras.joiners.borrow().is_empty()) =>
            {
                report::tell(ReportKind::ScriptPanicked, info.to_string());
            }
            None => {}
        }
    }

    /// Keeps a payload that is to come out of the tick. The cancellation of a task that runs the tick comes
    /// before any panic.
    fn send_out(&self, payload: Payload) {
        let first = self.outgoing.take();
        let kept = match first {
            None => payload,
            Some(first) => {
                let (kept, lost) = if is_cancel(&*payload) && !is_cancel(&*first) {
                    (payload, first)
                } else {
                    (first, payload)
                };
                if !is_cancel(&*lost) {
                    report::tell(ReportKind::LostPanic, coroutine::message(&lost).to_owned());
                }
                discard(lost);
                kept
            }
        };
        *self.outgoing.borrow_mut() = Some(kept);
    }

    /// Runs what is the user's and must not keep us: a panic in it is reported.
    pub(super) fn guarded(&self, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            if is_cancel(&*payload) {
                return self.send_out(payload);
            }
            report::tell(ReportKind::LostPanic, coroutine::message(&payload).to_owned());
            discard(payload);
        }
    }

    /// A script is over: everybody is told who has to know.
    fn close(&self, record: &Rc<Record>, end: End) {
        record.state.set(State::Ended);
        if let Some(dropped) = self.unlink(record) {
            self.guarded(|| drop(dropped));
        }
        if let Some(place) = self.strike(record) {
            self.guarded(|| drop(place));
        }
        let (cancelled, panicked) =
            (matches!(end, End::Cancelled), matches!(end, End::Panicked(_)));
        self.count(|report| {
            report.done += usize::from(!cancelled && !panicked);
            report.cancelled += usize::from(cancelled);
            report.panicked += usize::from(panicked);
        });
        self.run_exits(record, cancelled);
        *record.end.borrow_mut() = Some(end);
        self.tell_joiners(record);
        if let Some(parent) = &record.parent {
            self.leave_family(parent, record, cancelled, panicked);
        }
    }

    /// Calls the exit closures, the last first.
    fn run_exits(&self, record: &Rc<Record>, cancelled: bool) {
        let Some(extras) = record.extras.get() else { return };
        loop {
            // One by one: a closure may panic, and others may be dropped by what it does.
            let Some(exit) = extras.exits.borrow_mut().pop() else { return };
            if exit.only_cancelled && !cancelled {
                self.guarded(|| drop(exit));
                continue;
            }
            self.guarded(|| {
                // Without a world it is only dropped: the scheduler is gone.
                let _ = self.stage.show(|world| (exit.run)(world));
            });
        }
    }

    /// Wakes who waits for the end.
    fn tell_joiners(&self, record: &Record) {
        let Some(extras) = record.extras.get() else { return };
        for (joiner, number) in mem::take(&mut *extras.joiners.borrow_mut()) {
            self.wake(joiner, number);
        }
    }

    /// Cancels the children of a script, and those that come later.
    pub(super) fn end_family(&self, parent: &Rc<Record>) {
        parent.family_is_over.set(true);
        for child in parent.children() {
            self.cancel(&child);
        }
    }

    /// A child is over.
    fn leave_family(
        &self,
        parent: &Rc<Record>,
        child: &Rc<Record>,
        cancelled: bool,
        panicked: bool,
    ) {
        parent.extras().children.borrow_mut().retain(|other| !Rc::ptr_eq(other, child));
        let over = panicked
            || (cancelled && child.is_body)
            || match parent.family.get() {
                Family::All => cancelled,
                Family::Race => !cancelled,
                Family::Each => false,
            };
        if over {
            self.end_family(parent);
        }
        if parent.has_children() {
            return;
        }
        match parent.state.get() {
            State::Ending => self.dying.borrow_mut().push_back(parent.clone()),
            // It is still registered with what ends its wait otherwise, and sees to that itself.
            State::Waiting => self.enqueue(parent.clone()),
            _ => {}
        }
    }

    /// Gives a script up, with the whole family of the topmost script that it borrows from.
    #[cold]
    pub(super) fn retire(&self, record: &Rc<Record>) {
        let mut family = Vec::new();
        collect(&record.topmost(), &mut family);
        for member in &family {
            // One that runs is in the hands of what resumed it.
            let core = member.core.try_borrow_mut().map(|mut core| core.take());
            if let Ok(Some(mut core)) = core {
                if member.has_started() {
                    core.retire();
                } else {
                    let dropped = catch_unwind(AssertUnwindSafe(|| core.cancel()));
                    if let Err(payload) | Ok(Err(payload)) = dropped {
                        discard(payload);
                    }
                }
            }
            member.state.set(State::Ended);
            // No frame of it goes on: what waits for the others has no meaning any more.
            if let Some(extras) = member.extras.get() {
                extras.children.borrow_mut().clear();
            }
        }
        self.count(|report| report.retired += family.len());
        for member in &family {
            if member.stubborn.get() {
                self.stubborn.borrow_mut().push(Stubborn::of(member));
                report::tell(
                    ReportKind::Retired,
                    format!(
                        "{member} was cancelled and waited again {} times (last at {}): given up with {} \
                         scripts around it, their stacks stay as they are; let the cancellation pass, see \
                         `is_cancel`",
                        coroutine::PATIENCE,
                        member.wait.get().at,
                        family.len() - 1
                    ),
                );
            }
            let dropped = self.unlink(member);
            self.guarded(|| drop(dropped));
            let place = self.strike(member);
            self.guarded(|| drop(place));
            self.count(|report| report.cancelled += 1);
            self.run_exits(member, true);
            *member.end.borrow_mut() = Some(End::Cancelled);
            self.tell_joiners(member);
        }
    }

    /// Ends everything when the last handle goes. There is no world then.
    #[cold]
    #[track_caller]
    pub(super) fn tear_down(&self) {
        // A script that comes home may still wait in the task that this runs in: nobody ticks meanwhile.
        self.ticking.set(Some(Location::caller()));
        self.closing.set(true);
        let closing = Closing(self);
        self.end_all(&mut Purse::of(None));
        drop(closing);
        self.ticking.set(None);
        if let Some(payload) = self.outgoing.take() {
            // Nobody is there to be told, and this may be a destructor.
            if !is_cancel(&*payload) {
                report::tell(ReportKind::LostPanic, coroutine::message(&payload).to_owned());
            }
            discard(payload);
        }
        self.stubborn.borrow_mut().clear();
    }
}

/// All that borrow from this, children first, and this.
fn collect(record: &Rc<Record>, into: &mut Vec<Rc<Record>>) {
    for child in record.children() {
        collect(&child, into);
    }
    into.push(record.clone());
}
