//! A tick: who is due, in which order, and what happens between two scripts.
//!
//! ```text
//!   advance --> safe point --> due: those of the phase, timers, predicates, wakes from outside
//!                                |  sorted by priority, then by number
//!                                v
//!                    +---> first of the queue --> resume --> safe point ---+--> empty, or budget used up:
//!                    |                              | wakes: to the back   |    report
//!                    '------------------------------v----------------------'
//! ```
//!
//! A safe point is where no script runs: owners that have died are looked for, and what is cancelled takes its
//! last step.

use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use super::info::{SlowInfo, TickReport};
use super::kernel::Kernel;
use super::lend::Lent;
use super::record::{Record, State};
use crate::coroutine::{OpenFrame, PATIENCE, Step};
use crate::report::{self, ReportKind};

/// A tick that resumes more than this is taken for one that does not end,
const MOST_RESUMES: usize = 100_000;
/// if that is also more than so many for each script.
const RESUMES_EACH: usize = 100;

/// How many wakes ahead a record is fetched into the cache; of the resumes it is a round number around that. Found
/// by trying.
pub(super) const AHEAD: usize = 8;
/// Fewer scripts than this fit the cache without that.
const MANY: usize = 256;

/// How much of something is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Budget {
    /// So much time, by the system's clock. What that allows differs from run to run.
    Time(Duration),
    /// So many of what is counted: resumes in [`tick_within`](super::Scripts::tick_within), unwound scripts in
    /// [`unwinding`](super::Builder::unwinding), calls in [`Script::budget`](super::Script::budget).
    Resumes(usize),
}

/// A [`Budget`] that is being used.
pub(super) struct Purse {
    /// How many are left.
    count: usize,
    /// Until when; `None` if time does not matter.
    until: Option<Instant>,
}

impl Purse {
    /// A full one; without a budget it never empties.
    pub(super) fn of(budget: Option<Budget>) -> Self {
        match budget {
            None => Self { count: usize::MAX, until: None },
            Some(Budget::Resumes(count)) => Self { count, until: None },
            Some(Budget::Time(time)) => {
                Self { count: usize::MAX, until: Instant::now().checked_add(time) }
            }
        }
    }

    /// Takes one, if there is one.
    #[inline]
    pub(super) fn spend(&mut self) -> bool {
        if self.count == 0 || self.until.is_some_and(|until| Instant::now() >= until) {
            return false;
        }
        self.count -= 1;
        true
    }
}

/// When in a frame a script runs: [`Phase::UPDATE`] unless it asks for another with
/// [`Script::next`](super::Script::next).
///
/// Games have a loop of their own with several phases: a step of physics at fixed intervals, the update of
/// each frame, the camera after that. The host runs them with [`Scripts::run`](super::Scripts::run).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phase(pub(super) u32);

impl Phase {
    /// Once in each frame: what [`Scripts::tick`](super::Scripts::tick) runs. Timers and predicates are looked
    /// at in this one.
    pub const UPDATE: Self = Self(0);
    /// A step of fixed length, as often as fits into the frame.
    pub const FIXED: Self = Self(1);
    /// After everything else in a frame.
    pub const LATE: Self = Self(2);

    /// A phase of your own, by a number of your own.
    pub const fn custom(number: u16) -> Self {
        Self(number as u32 + 3)
    }
}

/// What a tick holds while it is under way; however it ends, it ends here.
struct Under<'a> {
    /// The scheduler.
    kernel: &'a Kernel,
    /// The world.
    _world: Lent<'a>,
    /// Nothing around the tick but a task may pause inside it.
    _open: OpenFrame,
}

impl Drop for Under<'_> {
    fn drop(&mut self) {
        self.kernel.ticking.set(None);
        self.kernel.begin_wakes();
    }
}

impl Kernel {
    /// Begins something that lends the world; panics where that cannot be.
    #[inline(always)]
    fn begin<'a>(
        &'a self,
        what: &'static str,
        world: &'a mut dyn Any,
        at: &'static Location<'static>,
    ) -> Under<'a> {
        if let Some(since) = self.ticking.get() {
            panic!(
                "`{what}` at {at} inside the one at {since}: a script or a closure of these scripts called \
                 it, or a task while another one ticks them"
            );
        }
        if thread::panicking() {
            let message = format!("`{what}` at {at} was called while a panic unwinds");
            report::tell(ReportKind::Abort, message.clone());
            panic!("{message}");
        }
        let open = OpenFrame::open(what, at);
        let world = self.stage.lend(world);
        self.ticking.set(Some(at));
        self.tick.set(self.tick.get() + 1);
        Under { kernel: self, _world: world, _open: open }
    }

    /// Lets time pass on all clocks.
    pub(super) fn advance(&self, nanos: u64) {
        self.root.advance(nanos, nanos);
    }

    /// Runs a phase.
    pub(super) fn run(
        &self,
        what: &'static str,
        phase: Phase,
        world: &mut dyn Any,
        budget: Option<Budget>,
        at: &'static Location<'static>,
    ) -> TickReport {
        let under = self.begin(what, world, at);
        let mut unwinding = Purse::of(Some(self.settings.unwinding));
        self.safe_point(&mut unwinding);
        if phase == Phase::UPDATE {
            let mut due = self.due.take();
            self.root.begin_frame(&mut due);
            if !due.is_empty() {
                self.wake_all(&mut due);
            }
            self.due.set(due);
            self.poll();
        }
        self.wake_phase(phase.0);
        self.sort_due();
        self.resume_all(&mut Purse::of(budget), &mut unwinding);
        self.end_tick(under)
    }

    /// Runs what is ready until nothing is, and ends everything that is cancelled.
    pub(super) fn settle(
        &self,
        what: &'static str,
        world: &mut dyn Any,
        at: &'static Location<'static>,
    ) -> TickReport {
        let under = self.begin(what, world, at);
        let mut unwinding = Purse::of(None);
        self.safe_point(&mut unwinding);
        self.sort_due();
        self.resume_all(&mut Purse::of(None), &mut unwinding);
        self.end_tick(under)
    }

    /// Ends everything, shields or not. What will not end is in [`stubborn`](Self::stubborn) then.
    pub(super) fn shutdown(
        &self,
        what: &'static str,
        world: &mut dyn Any,
        at: &'static Location<'static>,
    ) -> TickReport {
        let under = self.begin(what, world, at);
        let mut unwinding = Purse::of(None);
        // First as any cancellation: who is in a shield may come to its end by itself.
        self.cancel_where(|_| true);
        self.safe_point(&mut unwinding);
        self.sort_due();
        self.resume_all(&mut Purse::of(None), &mut unwinding);
        self.closing.set(true);
        let closing = Closing(self);
        self.end_all(&mut unwinding);
        drop(closing);
        self.end_tick(under)
    }

    /// What has happened, and what is to come out.
    fn end_tick(&self, under: Under<'_>) -> TickReport {
        let mut report = self.report.take();
        report.resumes = self.resumes.take();
        report.left = self.ready.borrow().len();
        report.ending = self.dying.borrow().len();
        report.live = self.live();
        drop(under);
        if self.outgoing.borrow().is_some() {
            self.let_out();
        }
        report
    }

    /// Goes on with a panic that is to come out of the tick.
    #[cold]
    fn let_out(&self) {
        let payload = self.outgoing.take();
        if let Some(payload) = payload {
            resume_unwind(payload);
        }
    }

    /// Sorts who became ready since the tick before.
    fn sort_due(&self) {
        let left = self.left.take();
        if !self.in_order.get() {
            let mut ready = self.ready.borrow_mut();
            let left = left.min(ready.len());
            ready.make_contiguous()[left..].sort_unstable_by_key(|record| record.order());
        }
    }

    /// Asks the predicates, without switching stacks.
    fn poll(&self) {
        if self.predicates.borrow().is_empty() {
            return;
        }
        let mut asked = self.predicates.take();
        let mut polls = 0;
        asked.retain(|_, predicate| {
            let record = &predicate.record;
            let waits = || {
                record.state.get() == State::Waiting && record.wait.get().number == predicate.number
            };
            if !waits() {
                return false;
            }
            if record.group.is_stopped() {
                return true;
            }
            polls += 1;
            let holds = &mut predicate.holds;
            let answer = self
                .stage
                .show(|world| catch_unwind(AssertUnwindSafe(|| holds(world))))
                .expect("there is a world in a tick");
            match answer {
                Ok(false) => return waits(),
                Ok(true) => {}
                // It is the script's panic: it goes on there.
                Err(payload) => record.payload.set(Some(payload)),
            }
            self.wake(predicate.record.clone(), predicate.number);
            false
        });
        self.count(|report| report.polls += polls);
        // Nobody runs meanwhile, so none was added.
        self.predicates.borrow_mut().append(&mut asked);
    }

    /// Resumes who is ready, in order, and whoever becomes so meanwhile.
    fn resume_all(&self, budget: &mut Purse, unwinding: &mut Purse) {
        let mut resumed = 0_usize;
        loop {
            let Some(record) = self.next_ready(resumed) else { return };
            if record.state.get() != State::Ready {
                continue;
            }
            if record.group.is_stopped() {
                let number = self.next_number();
                let circle = record.group.clone();
                circle.hold(number, record);
                continue;
            }
            if !budget.spend() {
                self.ready.borrow_mut().push_front(record);
                return;
            }
            resumed += 1;
            if resumed > self.least_suspicious() && resumed > self.most_resumes() {
                self.ready.borrow_mut().push_front(record);
                self.runs_away(resumed);
            }
            if !self.resume(&record) {
                self.recycle(record);
            }
            self.safe_point(unwinding);
            if self.outgoing.borrow().is_some() {
                self.let_out();
            }
        }
    }

    /// Takes out who is resumed next. Fetches what the resumes after that will need, if there are many.
    #[inline]
    fn next_ready(&self, nth: usize) -> Option<Rc<Record>> {
        let mut ready = self.ready.borrow_mut();
        if self.live() >= MANY {
            if let Some(later) = ready.get(2 * AHEAD) {
                later.prefetch();
            }
            if nth % AHEAD == 0 {
                // Each lies in a page of its own, and the processor can look up several at once.
                for later in ready.range(AHEAD.min(ready.len())..(2 * AHEAD).min(ready.len())) {
                    later.prefetch_page();
                }
            }
            if let Some(later) = ready.get(AHEAD / 2) {
                later.prefetch_stack();
            }
        }
        ready.pop_front()
    }

    /// Below this nobody counts.
    #[inline]
    fn least_suspicious(&self) -> usize {
        self.settings.most_resumes.unwrap_or(MOST_RESUMES)
    }

    /// How often a tick may resume scripts.
    #[cold]
    fn most_resumes(&self) -> usize {
        let report = *self.report.borrow();
        // Those that have ended in this tick had their share of it.
        let all = self.live() + report.done + report.cancelled + report.panicked;
        let usual = MOST_RESUMES.max(all.saturating_mul(RESUMES_EACH));
        self.settings.most_resumes.unwrap_or(usual)
    }

    /// Panics because a tick does not come to its end.
    #[cold]
    fn runs_away(&self, resumed: usize) -> ! {
        let mut busy = self.all();
        let times = |record: &Record| match record.lately.get() {
            (tick, times) if tick == self.tick.get() as u32 => times,
            _ => 0,
        };
        busy.sort_by_key(|record| std::cmp::Reverse(times(record)));
        let names: Vec<_> = busy
            .iter()
            .take(2)
            .map(|record| {
                format!("{record}, {} times, last at {}", times(record), record.wait.get().at)
            })
            .collect();
        panic!(
            "a tick resumed scripts more than {} times and does not end; the busiest: {}",
            resumed - 1,
            names.join("; ")
        );
    }

    /// [`resume`](Self::resume) where it is not worth its length.
    #[inline(never)]
    pub(super) fn resume_once(&self, record: &Rc<Record>) {
        self.resume(record);
    }

    /// Lets a script take a step. Returns whether it has paused.
    ///
    /// As everything from here to the switch, and from the script's wait to it, it is a part of its caller: a frame
    /// that is entered before a switch and left after it costs 18 ns. The record keeps the coroutine meanwhile:
    /// taken out and put back it would be copied twice.
    #[inline(always)]
    fn resume(&self, record: &Rc<Record>) -> bool {
        let mut place = record.core.borrow_mut();
        let Some(core) = &mut *place else { return true };
        record.state.set(State::Running);
        record.resumes.set(record.resumes.get() + 1);
        let tick = self.tick.get() as u32;
        let (last, times) = record.lately.get();
        record.lately.set((tick, if last == tick { times.saturating_add(1) } else { 1 }));
        record.spent.set(0);
        self.resumes.set(self.resumes.get() + 1);
        let slow = self.is_timed.get().then(|| (Instant::now(), record.wait.get().at));
        let acts = self.stage.act(record);
        let step = core.advance();
        drop(acts);
        let slow = slow.map(|(start, from)| (start.elapsed(), from));
        let paused = step == Step::Paused;
        if !paused {
            record.peak.set(core.stack_used());
            *place = None;
            drop(place);
            self.has_left(record, step);
        }
        if let Some((took, from)) = slow {
            self.check_slow(record, took, from);
        }
        paused
    }

    /// A script's coroutine is gone.
    #[inline(never)]
    fn has_left(&self, record: &Rc<Record>, step: Step) {
        match step {
            Step::Paused => {}
            Step::Ended => self.ended(record),
            Step::Retired => self.retire(record),
        }
    }

    /// Tells the hook if a resume took long.
    #[cold]
    fn check_slow(&self, record: &Rc<Record>, took: Duration, from: &'static Location<'static>) {
        let Some((limit, hook)) = self.slow_hook.borrow().clone() else { return };
        if took > limit {
            let to = record.wait.get().at;
            let info = SlowInfo { id: record.id, name: record.name.clone(), took, from, to };
            self.guarded(|| hook(&info));
        }
    }

    /// Where no script runs: what has died ends.
    #[inline(always)]
    fn safe_point(&self, unwinding: &mut Purse) {
        if self.deaths.any() || !self.dying.borrow().is_empty() {
            self.end_dying(unwinding);
        }
    }

    /// Ends what has died, as far as that is allowed in this tick.
    #[inline(never)]
    fn end_dying(&self, unwinding: &mut Purse) {
        if self.deaths.any() {
            self.bury_owners();
        }
        while !self.dying.borrow().is_empty() {
            if !unwinding.spend() {
                return;
            }
            let Some(record) = self.next_dying() else { return };
            self.take_last_step(&record);
            self.recycle(record);
            if self.deaths.any() {
                self.bury_owners();
            }
        }
    }

    /// Takes out whose last step is next. Fetches what the one after that will need: an unwinder needs a lot of
    /// stack, and takes longer than the memory does.
    #[inline]
    fn next_dying(&self) -> Option<Rc<Record>> {
        let mut dying = self.dying.borrow_mut();
        if let Some(later) = dying.get(2) {
            later.prefetch();
        }
        if let Some(next) = dying.get(1) {
            next.prefetch_stack();
            next.prefetch_below();
        }
        dying.pop_front()
    }

    /// Ends everything that is there, and what is spawned by that.
    pub(super) fn end_all(&self, unwinding: &mut Purse) {
        let mut patience = PATIENCE;
        while self.live() > 0 {
            for record in self.all() {
                self.press(&record);
            }
            let before = self.live();
            self.safe_point(unwinding);
            if self.live() >= before {
                // Destructors spawn as many as end.
                patience -= 1;
                if patience == 0 {
                    return;
                }
            }
        }
    }
}

/// Lets shields hold again.
pub(super) struct Closing<'a>(pub(super) &'a Kernel);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.closing.set(false);
    }
}
