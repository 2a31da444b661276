//! The loop itself.
//!
//! ```text
//!             .--> mail? --> deadlines? --> the tasks that are ready now, each resumed once --.
//!   rounds:   '-------------------------------------------------------------------------------'
//!   idle:       sleep until the nearest deadline, or mail, and go on with rounds
//! ```
//!
//! Tasks that are woken during a round run in the next. Mail is looked for in every round, and after 64
//! resumes in a long one. The clock costs more than a resume does: it is read only while a deadline is set,
//! and then after 64 resumes, rounds or not; where those take long, after fewer.

use std::ptr;
use std::time::Duration;

use super::EventLoop;
use super::deadlock::{DeadlockReport, waits_for_others};
use super::duty::STILL;
use super::registry;
use super::watchdog::Watchdog;
use crate::coroutine::Step;
use crate::report::{self, ReportKind};
use crate::task::{Boundary, CancelKind, CancelReason, Event, Home, Message, RemoteTask, Task};

/// Resumes between two looks at the clock, and at mail in a long round, at most.
const LOOK_AFTER: usize = 64;
/// Messages read at one look, at most: what they wake or make is not more than is resumed until the next.
const MESSAGES: usize = LOOK_AFTER;
/// Nanoseconds between two looks at the clock that are too many: if the tasks take so long, it is looked at
/// after fewer of them. A look costs a thousandth of that.
const RARE: u64 = 50_000;
/// How far ahead of the task that is resumed the next ones are fetched into the cache.
const AHEAD: usize = 8;
/// A loop that is to end says for whom it waits after so long.
const SAY_AFTER: Duration = Duration::from_secs(1);
/// Queues shorter than this fit the cache without that.
const LONG: usize = 1024;
/// A loop of a pool says so when it has stood by so often.
const STOOD: u32 = (SAY_AFTER.as_millis() / STILL.as_millis()) as u32;

/// Why the loop has nothing to do.
pub(super) enum Idle {
    /// Something is ready again.
    Over,
    /// Nothing on it can ever go on.
    Deadlock(DeadlockReport),
}

/// How a loop treats a standstill.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Somebody may still come.
    Endless,
    /// Everything was told to end: what stands still then never will.
    Draining,
}

/// Until when a loop is driven.
#[derive(Clone, Copy)]
pub(super) enum Until {
    /// What was ready at the beginning has had its turn.
    Once,
    /// Nothing is ready, or nothing is left inside this boundary.
    Empty(&'static Boundary),
    /// Nothing is ready, or no task is left.
    Alone,
    /// The pool that it belongs to is to end.
    Closing,
}

impl EventLoop {
    /// Rounds over what is ready.
    pub(super) fn rounds(&self, until: Until) {
        let home = self.home();
        home.resumes();
        let mut resumes = self.look();
        // A virtual clock costs nothing to look at, and who tests with it may have put it forward.
        let exact = home.time.is_virtual();
        // Others say when, or it is over after one round.
        let any_time = matches!(until, Until::Once | Until::Closing);
        home.ready.begin_round();
        let mut left = home.ready.len();
        if left > 0 {
            self.duty.is_busy(home);
        } else {
            left = self.duty.begins(home);
        }
        let watch = self.watch();
        while left > 0 {
            self.most.set(self.most.get().max(home.tasks()));
            // Mail may have ended something. After that only the end of a task makes a look worth while.
            self.ended.set(true);
            while resumes > 0 {
                resumes -= 1;
                let Some(task) = home.ready.pop(&mut left) else {
                    left = 0;
                    break;
                };
                if left >= LONG {
                    prefetch(home);
                }
                self.step(home, watch, task);
                if left == 0 {
                    if self.ended.get() {
                        self.ended.set(any_time);
                        if self.is_over(until, left) {
                            break;
                        }
                    }
                    home.ready.begin_round();
                    left = home.ready.len();
                    if left == 0 {
                        left = self.duty.begins(home);
                    }
                    if left == 0 || exact || self.inbox().has_mail() {
                        break;
                    }
                }
            }
            home.set_current(None);
            if left == 0 || self.is_over(until, left) {
                break;
            }
            resumes = self.look();
            self.duty.begins_now_and_then(home, resumes);
        }
        if let Some(watch) = watch {
            watch.rests();
        }
    }

    /// Whether the loop is driven no further, with so many tasks left in the round.
    #[inline(always)]
    fn is_over(&self, until: Until, left: usize) -> bool {
        match until {
            Until::Once => left == 0,
            Until::Empty(boundary) => boundary.children() == 0,
            Until::Alone => self.home().tasks() == 0,
            Until::Closing => self.duty.is_over(self.home()),
        }
    }

    /// Lets a task run until it pauses or ends.
    #[inline(always)]
    fn step(&self, home: &'static Home, watch: Option<&Watchdog>, task: &'static Task) {
        home.set_current(Some(task));
        task.refill(home.budget());
        if let Some(watch) = watch {
            watch.runs(task);
        }
        home.observe(task, Event::Resumed);
        match task.step() {
            Step::Paused => home.observe(task, Event::Paused),
            Step::Ended => {
                self.ended.set(true);
                home.set_current(None);
                let id = task.id();
                home.end(task);
                if let Some(watch) = watch {
                    watch.ended(id);
                }
            }
            Step::Retired => {
                self.ended.set(true);
                home.set_current(None);
                retire_family(home, task);
            }
        }
    }

    /// Reads mail, and wakes whose time has come. Returns after how many resumes to look again: twice as many
    /// as the last time, or fewer if those took long; but not before what the mail woke or made.
    #[inline(always)]
    fn look(&self) -> usize {
        let home = self.home();
        let read = if self.inbox().has_mail() { self.read_mail() } else { 0 };
        let mut since = 0;
        if let Some(deadline) = home.nearest() {
            let now = home.time.now();
            if deadline <= now {
                home.ring(now);
            }
            since = now.saturating_sub(self.looked.replace(now));
        }
        if home.time.is_virtual() {
            return LOOK_AFTER;
        }
        let pace = self.pace.get();
        let pace = if since > RARE {
            (pace as u64 * RARE / since).max(1) as usize
        } else {
            (2 * pace).min(LOOK_AFTER)
        };
        self.pace.set(pace);
        pace.max(read)
    }

    /// Does what other threads ask for. Returns how much that was.
    #[cold]
    fn read_mail(&self) -> usize {
        let home = self.home();
        let mut read = 0;
        self.inbox().read(MESSAGES, |message| {
            read += 1;
            match home.obey(message) {
                Some(Message::Post(make)) => make(Some(home)),
                Some(Message::Stop(at)) => self.stop_running(at),
                Some(Message::Doomed(task)) => self.retire_owner(task),
                _ => {}
            }
        });
        read
    }

    /// Gives up a task of this loop that lent its frames to one which will not end.
    #[cold]
    fn retire_owner(&self, task: RemoteTask) {
        let home = self.home();
        if let Some(task) = task.here(home) {
            task.with_described(|described| {
                report::tell(
                    ReportKind::Retired,
                    format!(
                        "task {described} is given up, because one on another thread that borrows from it was"
                    ),
                );
            });
            retire_family(home, task);
        }
    }

    /// Sleeps until there is mail, or for that long; or, in a pool, until there is something to begin.
    fn sleep(&self, patience: Patience, at_most: Option<Duration>) {
        let is_draining = patience == Patience::Draining;
        self.duty.sleeps(self.home(), self.inbox(), is_draining, at_most);
    }

    /// Waits until something is ready.
    #[cold]
    pub(super) fn idle(&self, patience: Patience) -> Idle {
        let home = self.home();
        home.ready.shrink();
        if self.inbox().has_mail() {
            return Idle::Over;
        }
        match home.nearest() {
            Some(deadline) if home.time.is_virtual() => {
                if self.inbox().is_awaited() || home.waits_outside() {
                    self.sleep(patience, None);
                } else {
                    home.time.jump(deadline);
                }
            }
            Some(deadline) => {
                let left = deadline.saturating_sub(home.time.now());
                if left > 0 {
                    self.trim();
                    self.sleep(patience, Some(Duration::from_nanos(left)));
                    // No task took that time, and nobody knows what the next ones will take.
                    self.looked.set(u64::MAX);
                    self.pace.set(1);
                }
            }
            None => {
                let hopeless = patience == Patience::Draining || home.time.is_virtual();
                if hopeless && !home.may_be_woken() && !waits_for_others(home) {
                    if let Some(stood) = self.duty.stands_by(home, self.inbox()) {
                        if stood == STOOD {
                            self.say_who_is_left();
                        }
                        return Idle::Over;
                    }
                    return Idle::Deadlock(DeadlockReport::of(home));
                }
                self.trim();
                if patience == Patience::Draining && !self.said.get() {
                    self.sleep(patience, Some(SAY_AFTER));
                    self.say_who_is_left();
                } else {
                    self.sleep(patience, None);
                }
            }
        }
        Idle::Over
    }

    /// Says for whom a loop waits that is to end, if nobody has come in the meantime.
    #[cold]
    fn say_who_is_left(&self) {
        if self.inbox().has_mail() || self.said.replace(true) {
            return;
        }
        let left = DeadlockReport::of(self.home());
        let tasks: Vec<_> = left.tasks().iter().map(ToString::to_string).collect();
        let name = self.name.as_ref().map_or(String::new(), |name| format!(" `{name}`"));
        let message = format!("event loop{name} ends, and waits for others: {}", tasks.join("; "));
        report::tell(ReportKind::Waiting, message);
    }

    /// Drives until nothing is left that `until` says. Gives the report if it met a deadlock on the way;
    /// everything was cancelled then.
    pub(super) fn drive(&self, mut patience: Patience, until: Until) -> Option<DeadlockReport> {
        let home = self.home();
        let mut deadlock = None;
        while !self.is_over(until, home.ready.len()) {
            self.rounds(until);
            if !home.ready.is_empty() || self.is_over(until, 0) {
                continue;
            }
            if let Idle::Deadlock(report) = self.idle(patience) {
                // First those that were spawned since, if there are any.
                if !cancel_all(home) {
                    self.retire_one(&report);
                }
                if patience == Patience::Endless {
                    patience = Patience::Draining;
                    deadlock = Some(report);
                }
            }
        }
        if deadlock.is_some() {
            // All of them come home before the report goes out.
            self.drive(Patience::Draining, Until::Alone);
        }
        deadlock
    }

    /// Gives up one that still waits although it was told to end and nothing can wake it. Those that wait for
    /// it may end by themselves then.
    #[cold]
    fn retire_one(&self, standstill: &DeadlockReport) {
        let home = self.home();
        // One that waits for others is not the one that will not end.
        let waits = |task: &&'static Task| task.wait().is_none_or(|wait| !wait.is_for_children());
        let Some(task) = home.all().find(waits).or_else(|| home.all().next()) else { return };
        let waits = task.wait().map(|wait| format!(" (`{}` at {})", wait.what, wait.at));
        let waits = waits.unwrap_or_default();
        task.with_described(|described| {
            report::tell(
                ReportKind::Retired,
                format!(
                    "task {described} was cancelled and waits behind a shield for what never comes{waits}: \
                     given up; {standstill}"
                ),
            );
        });
        retire_family(home, task);
    }
}

/// Tells all tasks to end that were not told before, because none of them can go on. Whether there were any.
#[cold]
fn cancel_all(home: &Home) -> bool {
    let all: Vec<_> = home.all().filter(|task| !task.root().is_reached()).collect();
    for task in &all {
        let at = task.wait().map_or(task.spawned_at(), |wait| wait.at);
        let why = "nothing on its event loop could ever go on";
        task.root().cancel(CancelReason::new(CancelKind::Deadlock, why, at));
    }
    !all.is_empty()
}

/// Gives up a task that will not end: together with the topmost of the tasks that it borrows from, and
/// with everything that borrows from that one. A child alone is never given up, because its parent's frame
/// waits for it.
#[cold]
fn retire_family(home: &'static Home, task: &'static Task) {
    let top = topmost(task);
    let lender = top
        .root()
        .outer()
        .filter(|outer| !ptr::eq(*outer, home.root()) && !ptr::eq(*outer, home.guests()));
    if let Some(lender) = lender {
        debug_assert!(lender.task().is_none());
        task.with_described(|described| {
            report::abort(format!(
                "task {described} does not end although it was cancelled, and borrows from a frame \
                 outside every task, which cannot be left: let the cancellation pass (see `is_cancel`), \
                 and do not wait behind a `shield` for what may never come"
            ))
        });
    }
    // What borrows from it on other threads has no owner any more that would wait for it, and is told to end.
    let why = "what it borrows from was given up";
    top.root().abandon(&CancelReason::new(CancelKind::Retired, why, top.spawned_at()));
    let family: Vec<_> = home.all().filter(|member| ptr::eq(topmost(member), top)).collect();
    let lender = top.root().outer();
    for member in family {
        home.retire(member);
    }
    if let Some(lender) = lender {
        top.root().detach();
        lender.child_ended();
    }
    // What they had will never be free: whoever waits for that is to know.
    home.tell_the_hopeless();
    registry::tell_others(home.id(), || Message::GivenUp);
}

/// The outermost task that this one borrows from; itself if it borrows from none.
fn topmost(task: &'static Task) -> &'static Task {
    let mut top = task;
    while let Some(parent) = top.root().outer().and_then(|outer| outer.task()) {
        top = parent;
    }
    top
}

/// Fetches into the cache what later resumes will touch: the records first, then, when those are there, the
/// stacks that they point to.
#[inline(always)]
fn prefetch(home: &Home) {
    if let Some(task) = home.ready.peek(2 * AHEAD) {
        task.prefetch_record();
    }
    if let Some(task) = home.ready.peek(AHEAD) {
        task.prefetch_stack();
    }
}
