//! A task's record, and its life.
//!
//! ```text
//!   vacant --spawn--> ready --step--> running --pause--> paused --wake--> ready
//!                       ^                |  '--end--> vacant
//!                       '----- yield ----'  '--will not end--> retired
//! ```
//!
//! The right to be resumed is the place in the ready queue, and only [`Task::wake`] and a yield give
//! it, to a task that does not have it. A wake that comes to a task that is not paused is kept as a
//! token, which its next pause takes instead of pausing. So no wake is lost, and none resumes
//! anybody twice.
//!
//! A stack is bound when the task first runs: until then it is a closure in its record.
//!
//! Records are made in chunks, reused, and never freed: a reference to one is good for ever, and its id
//! tells whether it is still the task that was meant. They never leave their thread while in use.

#![allow(unsafe_code, reason = "keeps the coroutine where the switch finds it again")]

use std::borrow::Cow;
use std::cell::{Cell, UnsafeCell};
use std::mem::{self, MaybeUninit};
use std::panic::Location;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use std::thread;

use super::body::{Body, Job, Refusal};
use super::boundary::{Boundary, Kind};
use super::holder::{Holder, Possession, note_given_up};
use super::home::{Home, Making};
use super::locals::{Heirlooms, Locals};
use super::name::Described;
use super::observe::Event;
use super::reason::{CancelKind, CancelReason};
use super::spare::Seat;
use super::subject::{Denied, Standing, Wait};
use super::wanted::{Ending, Wanted};
use crate::coroutine::{
    self, Core, Lender, Pauser, Plan, Scheduled, SetAside, Step, prefetch, stack_pointer,
};
use crate::report::{self, ReportKind};
use crate::stacks::{self, Request, SpawnError};

/// Where a task is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The record is free.
    Vacant,
    /// In the ready queue.
    Ready,
    /// On its stack, now.
    Running,
    /// Waits to be woken.
    Paused,
    /// Has ended, and its coroutine waits for another task.
    Done,
    /// Given up: never resumed again.
    Retired,
}

/// One task of an event loop. What every resume touches is its first line of the cache; a record takes five.
#[repr(C, align(64))]
pub(crate) struct Task {
    /// Where it is in its life.
    state: Cell<State>,
    /// A wake that came while it was not paused.
    token: Cell<bool>,
    /// Whether its next pause has to look up why: it is inside something cancelled.
    disturbed: Cell<bool>,
    /// Whether it has a stack.
    started: Cell<bool>,
    /// Operations that may still succeed without a pause before it has to let others go first.
    budget: Cell<u32>,
    /// The inner end of its coroutine; null before it starts.
    pauser: Cell<*const Pauser<(), ()>>,
    /// Bytes below that in which it may pause without a closer look, once it has started.
    reach: Cell<u32>,
    /// How far below that its frames went when it switched away.
    depth: Cell<u32>,
    /// Its coroutine, once it has started. Only the loop touches it. The last word of the line is the stack
    /// pointer that it goes on with.
    core: Seat,
    /// The loop that it belongs to, while it is in use.
    home: Cell<Option<&'static Home>>,
    /// Size class of its stack.
    class: Cell<u8>,
    /// Who wants its result, and whether that is there: see [`claim`](super::claim).
    claim: Cell<u8>,
    /// Whether it waits for what another thread can end.
    outside: Cell<bool>,
    /// How often the last cancellation of something around it was raised in it.
    raised: Cell<u32>,
    /// The number of that.
    raised_for: Cell<u64>,
    /// What it runs, until it starts.
    body: Body,
    /// The innermost boundary that it is in.
    innermost: Cell<Option<&'static Boundary>>,
    /// The boundary of the whole task. Its serial number is the task's number; 0 while the record is free.
    root: Boundary,
    /// Its name; boxed, because most have none.
    name: Cell<Option<Rc<Cow<'static, str>>>>,
    /// Where it was spawned. Relaxed: other threads look at it only to say so.
    spawned_at: AtomicPtr<Location<'static>>,
    /// What it waits for, or waited for last.
    wait: Cell<Option<Wait>>,
    /// Its task-local values.
    locals: Cell<Locals>,
    /// Who wants its result.
    wanted: Cell<Wanted>,
    /// The next in the list of the loop's tasks, or of free records.
    next: Cell<Option<&'static Task>>,
    /// The one before it.
    previous: Cell<Option<&'static Task>>,
}

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri), not(feature = "sanitizer")))]
const _: () = assert!(size_of::<Task>() == 5 * 64);

impl Task {
    /// A record that nobody uses.
    #[track_caller]
    pub(crate) fn vacant() -> Self {
        Self {
            state: Cell::new(State::Vacant),
            token: Cell::new(false),
            disturbed: Cell::new(false),
            started: Cell::new(false),
            budget: Cell::new(0),
            pauser: Cell::new(ptr::null()),
            reach: Cell::new(0),
            depth: Cell::new(0),
            core: UnsafeCell::new(MaybeUninit::uninit()),
            home: Cell::new(None),
            class: Cell::new(0),
            claim: Cell::new(0),
            outside: Cell::new(false),
            raised: Cell::new(0),
            raised_for: Cell::new(0),
            body: Body::empty(),
            innermost: Cell::new(None),
            root: Boundary::vacant(),
            name: Cell::new(None),
            spawned_at: AtomicPtr::new(ptr::from_ref(Location::caller()).cast_mut()),
            wait: Cell::new(None),
            locals: Cell::new(Locals::none()),
            wanted: Cell::new(Wanted::NOT),
            next: Cell::new(None),
            previous: Cell::new(None),
        }
    }

    /// Puts a free record into use. The task does not run before it is put into the ready queue.
    ///
    /// # Safety
    /// Whatever the job refers to stays alive until the task has ended; for ever, if it never does.
    #[inline(always)]
    pub(crate) unsafe fn occupy<J: Job>(
        &'static self,
        home: &'static Home,
        job: J,
        making: Making,
        parent: &'static Boundary,
    ) {
        let Making { request, name, spawned_at, id } = making;
        self.home.set(Some(home));
        // SAFETY: the caller's promise; the record is free, so nothing is in there.
        unsafe { self.body.put(job) };
        self.claim.set(0);
        self.class.set(request.class);
        if let Some(name) = name {
            self.name.set(Some(Rc::new(name)));
        }
        self.set_spawned_at(spawned_at);
        self.root.open(Kind::Root, id, Some(self), Some(parent));
        parent.add_child();
        self.innermost.set(Some(&self.root));
        self.disturbed.set(self.root.is_reached());
    }

    /// Frees the record after the task's end. Its name and its task-locals went before.
    #[inline(always)]
    fn vacate(&'static self) {
        let parent = self.root.outer();
        self.root.close();
        self.state.set(State::Vacant);
        self.token.set(false);
        self.disturbed.set(false);
        self.started.set(false);
        self.wait.set(None);
        self.wanted.set(Wanted::NOT);
        if let Some(parent) = parent {
            parent.child_ended();
        }
    }

    // ---- what it is

    /// Where it is in its life.
    #[inline(always)]
    pub(crate) fn state(&self) -> State {
        self.state.get()
    }

    /// Its number.
    #[inline(always)]
    pub(crate) fn id(&self) -> u64 {
        self.root.serial()
    }

    /// The number of who runs in it: its own, or that of a child which it runs in its own frames.
    #[inline(always)]
    pub(crate) fn identity(&self) -> u64 {
        let innermost = self.innermost();
        if ptr::eq(innermost, &self.root) { innermost.serial() } else { innermost.identity() }
    }

    /// The loop that it belongs to.
    #[inline(always)]
    pub(crate) fn home(&self) -> &'static Home {
        self.home.get().expect("a task that runs has a loop")
    }

    /// Where it was spawned.
    pub(crate) fn spawned_at(&self) -> &'static Location<'static> {
        // SAFETY: every address that was put there is that of a place in the program.
        unsafe { &*self.spawned_at.load(Relaxed).cast_const() }
    }

    /// The same for other threads.
    ///
    /// # Safety
    /// It is the address of a record.
    pub(super) unsafe fn spawned_at_of(this: *const Self) -> &'static Location<'static> {
        // SAFETY: the caller's promise, and as in `spawned_at`. No reference to the whole record is made.
        unsafe { &*(*this).spawned_at.load(Relaxed).cast_const() }
    }

    /// Sets where it was spawned.
    #[inline(always)]
    fn set_spawned_at(&self, spawned_at: &'static Location<'static>) {
        self.spawned_at.store(ptr::from_ref(spawned_at).cast_mut(), Relaxed);
    }

    /// Its name.
    #[inline(always)]
    pub(crate) fn name(&self) -> Option<Cow<'static, str>> {
        let name = self.name.take()?;
        let copy = Cow::clone(&name);
        self.name.set(Some(name));
        Some(copy)
    }

    /// What it waits for, if it does.
    pub(crate) fn wait(&self) -> Option<Wait> {
        self.wait.get().filter(|_| self.state.get() == State::Paused)
    }

    /// The task of its loop that it waits for, if it does.
    pub(crate) fn waits_for_task(&self) -> Option<&'static Task> {
        self.wait()?.subject.as_task()
    }

    /// Where it stands in a queue, if it waits in one.
    fn standing(&self) -> Option<*const Standing> {
        self.wait.get()?.subject.as_standing()
    }

    /// Who has what it waits for, if it does and if that can be told.
    pub(crate) fn waits_for_holder(&self) -> Option<Holder> {
        self.possession()?.holder
    }

    /// Whether it waits for what somebody on another thread may give back.
    pub(crate) fn waits_for_others(&self) -> bool {
        self.possession().is_some_and(|possession| possession.elsewhere)
    }

    /// Who has what it waits for, if it does.
    fn possession(&self) -> Option<Possession> {
        let standing = self.standing().filter(|_| self.state.get() == State::Paused)?;
        // SAFETY: `Subject::standing` has the promise; it is paused, and a loop asks for its own tasks only.
        Some(unsafe { ((*standing).ways.possession)(standing) })
    }

    /// Lets it, and all who wait with it, know if whoever has what they wait for was given up.
    pub(super) fn tell_if_hopeless(&self) {
        if self.waits_for_holder().is_some_and(|holder| holder.is_given_up()) {
            if let Some(standing) = self.standing() {
                // SAFETY: as in `waits_for_holder`.
                unsafe { ((*standing).ways.hopeless)(standing) };
            }
        }
    }

    /// A wait is over in which it stood somewhere.
    #[inline(always)]
    pub(crate) fn waits_no_more(&self) {
        self.wait.set(None);
    }

    /// Whether it has ever run.
    pub(crate) fn has_started(&self) -> bool {
        self.started.get()
    }

    /// The boundary of the whole task.
    #[inline(always)]
    pub(crate) fn root(&'static self) -> &'static Boundary {
        &self.root
    }

    /// The innermost boundary that it is in.
    #[inline(always)]
    pub(crate) fn innermost(&self) -> &'static Boundary {
        self.innermost.get().expect("a task in use is in its own boundary")
    }

    /// Its task-local values. The destructors of old ones are the user's; they run after the exchange.
    pub(crate) fn swap_locals(&self, locals: Locals) -> Locals {
        self.locals.replace(locals)
    }

    /// What a task on another thread inherits.
    #[inline(always)]
    pub(crate) fn heirlooms(&self) -> Heirlooms {
        let locals = self.locals.take();
        if !locals.is_some() {
            return Heirlooms::none();
        }
        let heirlooms = locals.heirlooms();
        self.locals.set(locals);
        heirlooms
    }

    /// The same values, for a child.
    #[inline(always)]
    pub(crate) fn inherit_locals(&self, parent: &Task) {
        let locals = parent.locals.take();
        if locals.is_some() {
            self.locals.set(locals.clone());
            parent.locals.set(locals);
        }
    }

    /// It runs a child in its own frames from here on, as that: with its number, name and task-locals, and inside the
    /// child's own boundary. What it was before comes back.
    #[inline(always)]
    pub(crate) fn becomes(
        &'static self,
        id: u64,
        child: Guise,
        boundary: &'static Boundary,
    ) -> Guise {
        let Guise { name, spawned_at, locals } = child;
        boundary.open(Kind::Root, id, Some(self), Some(self.innermost()));
        self.innermost.set(Some(boundary));
        self.disturbed.set(boundary.is_reached());
        let before = self.spawned_at();
        self.set_spawned_at(spawned_at);
        Guise {
            name: self.name.replace(name),
            spawned_at: before,
            locals: self.locals.replace(locals),
        }
    }

    /// The child has ended. Its task-locals' destructors are the user's: they run after this.
    #[inline(always)]
    pub(crate) fn is_itself_again(&'static self, before: Guise, boundary: &'static Boundary) {
        self.leave(boundary);
        let Guise { name, spawned_at, locals } = before;
        let name = self.name.replace(name);
        self.set_spawned_at(spawned_at);
        let locals = self.locals.replace(locals);
        drop(name);
        if locals.is_some() {
            locals.drop_at_end();
        }
    }

    /// Whether it may pause here.
    pub(crate) fn may_pause(&self) -> bool {
        // SAFETY: as in `check_place`.
        unsafe { &*self.pauser.get() }.may_pause_task()
    }

    /// Whether its own stack, on which it runs, has more than half left.
    #[inline(always)]
    pub(crate) fn has_room(&self) -> bool {
        // SAFETY: it runs, so it has started, and its pauser lies on its own stack.
        let edge = unsafe { &*self.pauser.get() }.edge();
        edge.wrapping_sub(stack_pointer()) < self.reach.get() as usize / 2
    }

    /// Who is to hear when it is given up.
    #[inline(always)]
    pub(crate) fn set_ending(&self, ending: Option<Ending>) {
        self.wanted.set(Wanted::by(ending));
    }

    /// Looks at how messages name it.
    pub(crate) fn with_described<R>(&self, f: impl FnOnce(&Described<'_>) -> R) -> R {
        let name = self.name();
        let name = name.as_deref();
        f(&Described { name, id: self.identity(), spawned_at: self.spawned_at() })
    }

    /// What it runs, until it starts; afterwards the place for its result.
    #[inline(always)]
    pub(super) fn body(&self) -> &Body {
        &self.body
    }

    /// Who wants its result, and whether that is there.
    #[inline(always)]
    pub(super) fn claim(&self) -> u8 {
        self.claim.get()
    }

    /// Sets that.
    #[inline(always)]
    pub(super) fn set_claim(&self, claim: u8) {
        self.claim.set(claim);
    }

    /// Takes who is to be woken when the result comes.
    #[inline(always)]
    pub(super) fn take_joiner(&self) -> Option<&'static Task> {
        let joiner = self.wanted.get().joiner()?;
        self.wanted.set(Wanted::NOT);
        Some(joiner)
    }

    /// Sets who is to be woken when the result comes.
    #[inline(always)]
    pub(super) fn set_joiner(&self, joiner: Option<&'static Task>) {
        self.wanted.set(Wanted::by_task(joiner));
    }

    /// The next one in its list.
    pub(crate) fn next(&self) -> Option<&'static Task> {
        self.next.get()
    }

    /// Sets the next one in its list.
    #[inline(always)]
    pub(crate) fn set_next(&self, next: Option<&'static Task>) {
        self.next.set(next);
    }

    /// The one before it in its list.
    #[inline(always)]
    pub(crate) fn previous(&self) -> Option<&'static Task> {
        self.previous.get()
    }

    /// Sets the one before it in its list.
    #[inline(always)]
    pub(crate) fn set_previous(&self, previous: Option<&'static Task>) {
        self.previous.set(previous);
    }

    // ---- waking

    /// Puts it into the ready queue for the first time.
    #[inline(always)]
    pub(crate) fn enqueue(&'static self) {
        self.state.set(State::Ready);
        self.home().ready.push(self);
    }

    /// Puts it before all others, for the first time.
    pub(crate) fn enqueue_first(&'static self) {
        self.state.set(State::Ready);
        self.home().ready.push_front(self);
    }

    /// It may go on: if it waits, it is resumed in the next turn; if not, its next pause returns at
    /// once. Only on its own thread.
    #[inline(always)]
    pub(crate) fn wake(&'static self) {
        self.wake_on(self.home());
    }

    /// The same, for who knows its loop: the record is often on its way from memory, and the queue need not wait for it.
    #[inline(always)]
    pub(crate) fn wake_on(&'static self, home: &'static Home) {
        debug_assert!(ptr::eq(self.home(), home));
        if self.state.get() == State::Paused {
            home.observe(self, Event::Woken);
            self.state.set(State::Ready);
            home.ready.push(self);
        } else {
            self.token.set(true);
        }
    }

    /// A boundary that it is in was reached by a cancellation.
    pub(crate) fn disturb(&'static self, boundary: &'static Boundary) {
        if ptr::eq(self.innermost(), boundary) {
            self.disturbed.set(true);
            self.wake();
        }
    }

    // ---- pausing, on its own stack (or on one that runs under it)

    /// Whether its pauses have to look up why.
    #[inline(always)]
    pub(crate) fn is_disturbed(&self) -> bool {
        self.disturbed.get()
    }

    /// Lets others go first: to the back of the queue, and until it is this one's turn again.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn give_way(&'static self) {
        self.check_place();
        self.state.set(State::Ready);
        self.home().ready.push(self);
        self.switch_away();
    }

    /// Lets a task that is not in the queue yet go first, and comes directly after it.
    #[track_caller]
    pub(crate) fn give_way_to_first(&'static self, first: &'static Task) {
        self.check_place();
        if self.home().ready.grant() {
            self.enqueue_first();
            first.enqueue_first();
        } else {
            // It has gone before the others for long enough.
            first.enqueue();
            self.enqueue();
        }
        self.switch_away();
    }

    /// Waits to be woken, unless a wake has come already.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn rest(&'static self) {
        self.check_place();
        if self.token.get() {
            self.token.set(false);
            // What wakes itself for ever must not keep others from their turn.
            self.state.set(State::Ready);
            self.home().ready.push(self);
            self.switch_away();
            return;
        }
        self.state.set(State::Paused);
        self.switch_away();
        self.token.set(false);
    }

    /// Panics unless it may pause here. Nothing has changed then.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn check_place(&self) {
        // SAFETY: it runs, so it has started, and its pauser lies on its own stack.
        let pauser = unsafe { &*self.pauser.get() };
        let depth = pauser.edge().wrapping_sub(stack_pointer());
        if depth >= self.reach.get() as usize {
            pauser.check_task();
        }
        // On another stack it means nothing, and what is fetched because of it does no harm.
        self.depth.set(depth as u32);
    }

    /// The switch to the loop, after [`check_place`](Self::check_place).
    #[inline(always)]
    fn switch_away(&'static self) {
        // SAFETY: as in `check_place`.
        unsafe { &*self.pauser.get() }.pause_task();
    }

    /// Whether the stack pointer is on the task's own stack, not on that of a coroutine that runs under
    /// it.
    pub(crate) fn is_on_own_stack(&self) -> bool {
        // SAFETY: as in `switch_away`.
        unsafe { &*self.pauser.get() }.context().has(stack_pointer())
    }

    /// Refuses to wait where nobody can, and unwinds if it is cancelled. To be asked before every wait
    /// and after every wake.
    #[inline(always)]
    pub(crate) fn check(&'static self, at: &'static Location<'static>) -> Result<(), Denied> {
        if thread::panicking() {
            return Err(Denied::Unwinding);
        }
        if self.disturbed.get() {
            return self.interrupted(at);
        }
        Ok(())
    }

    /// [`check`](Self::check) once more in the same operation, after others had their turn. Where nothing
    /// unwinds, an operation counts once.
    #[inline(always)]
    pub(crate) fn check_again(&'static self, at: &'static Location<'static>) {
        if cfg!(panic = "unwind") {
            let _ = self.check(at);
        }
    }

    /// Whether [`check`](Self::check) would unwind it, or deny the wait where nothing unwinds: it is cancelled, and not
    /// behind a shield.
    #[inline(always)]
    pub(crate) fn is_to_end(&self) -> bool {
        self.disturbed.get() && self.is_reached()
    }

    /// Whether something unshielded around it is cancelled.
    #[cold]
    #[inline(never)]
    fn is_reached(&self) -> bool {
        self.innermost().outermost_cancelled().is_some()
    }

    /// Finds out what disturbs it.
    #[cold]
    #[inline(never)]
    fn interrupted(&'static self, at: &'static Location<'static>) -> Result<(), Denied> {
        self.home().inject(self);
        let Some(target) = self.innermost().outermost_cancelled() else {
            self.disturbed.set(false);
            return Ok(());
        };
        let patience =
            if cfg!(panic = "abort") { coroutine::LONG_PATIENCE } else { coroutine::PATIENCE };
        let number = target.number();
        if self.count_raise(target, number) > patience + 1 {
            self.give_up(at, patience);
        }
        if cfg!(panic = "abort") {
            return Err(Denied::Cancelled);
        }
        self.home().observe(self, Event::Raised);
        // SAFETY: as in `switch_away`.
        let context = unsafe { &*self.pauser.get() }.context();
        coroutine::throw(context, number);
    }

    /// Counts how often this cancellation was raised in this task. One of its own boundaries counts for itself;
    /// of those around the task, which are many tasks', only the last is remembered: it changes only outwards.
    fn count_raise(&'static self, target: &'static Boundary, number: u64) -> u32 {
        if target.task().is_some_and(|task| ptr::eq(task, self)) {
            return target.raise();
        }
        let again = self.raised_for.replace(number) == number;
        self.raised.set(if again { self.raised.get() + 1 } else { 1 });
        self.raised.get()
    }

    /// It swallows its cancellation: leaves it for good. Its loop does the rest.
    #[cold]
    fn give_up(&'static self, at: &'static Location<'static>, patience: u32) -> ! {
        // The sink is the user's, and may pause.
        self.disturbed.set(false);
        self.with_described(|described| {
            report::tell(
                ReportKind::Retired,
                format!(
                    "task {described} was cancelled and paused again {patience} times (last at {at}): \
                     given up, its stack stays as it is; let the cancellation pass, see `is_cancel`"
                ),
            );
        });
        // SAFETY: as in `switch_away`.
        coroutine::abandon(unsafe { &*self.pauser.get() }.context());
    }

    /// Takes one from the budget, if there is any left.
    #[inline(always)]
    pub(crate) fn spend_if_there(&self) -> bool {
        let budget = self.budget.get();
        if budget > 0 {
            self.budget.set(budget - 1);
        }
        budget > 0
    }

    /// The same; lets others go first when it is used up.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn spend(&'static self) {
        if !self.spend_if_there() {
            self.give_way_if_possible();
        }
    }

    /// Lets others go first, if this is a place to pause at.
    #[cold]
    #[inline(never)]
    fn give_way_if_possible(&'static self) {
        // SAFETY: as in `check_place`.
        if unsafe { &*self.pauser.get() }.may_pause_task() {
            self.give_way();
        }
    }

    /// Whether the budget is used up.
    #[inline(always)]
    pub(crate) fn is_spent(&self) -> bool {
        self.budget.get() == 0
    }

    /// Counts a wait that another thread can end, as long as the guard lives or until it is given up.
    pub(crate) fn waits_for_outside(&'static self) -> Outside {
        // Once, also if it waits for several such things.
        let first = !self.outside.replace(true);
        if first {
            self.home().add_outside();
        }
        Outside { task: self, first }
    }

    /// Says what it is about to wait for.
    #[inline(always)]
    pub(crate) fn waits_for(&self, wait: Wait) {
        self.wait.set(Some(wait));
    }

    /// Enters a boundary.
    #[inline(always)]
    pub(crate) fn enter(&'static self, boundary: &'static Boundary, kind: Kind) {
        let serial = self.home().new_serial();
        boundary.open(kind, serial, Some(self), Some(self.innermost()));
        self.innermost.set(Some(boundary));
        self.disturbed.set(boundary.is_reached());
    }

    /// Leaves the innermost boundary.
    #[inline(always)]
    pub(crate) fn leave(&'static self, boundary: &'static Boundary) {
        debug_assert!(ptr::eq(self.innermost(), boundary), "boundaries are left in order");
        let outer = boundary.outer().expect("inside the task's own boundary");
        self.innermost.set(Some(outer));
        self.disturbed.set(outer.is_reached());
        boundary.close();
    }

    // ---- running, on the loop's stack

    /// Lets it run until it pauses or ends.
    #[inline(always)]
    pub(crate) fn step(&'static self) -> Step {
        self.state.set(State::Running);
        if !self.started.get() {
            return self.start();
        }
        self.resume()
    }

    /// Resumes it.
    #[inline(always)]
    fn resume(&'static self) -> Step {
        // SAFETY: it has started and not ended, so the coroutine is there. Only the loop takes it, one step
        // at a time, and nothing else looks at it: what runs on the stack reaches it by its pauser.
        let step = unsafe { (*self.core.get()).assume_init_mut() }.step();
        // Whatever pauses it says so first; what gives it up does not.
        if step == Step::Paused {
            match self.state.get() {
                State::Running => return Step::Retired,
                State::Done => return self.hand_on(),
                _ => {}
            }
        }
        step
    }

    /// It has ended, and hands its coroutine on to the next task.
    #[inline(always)]
    fn hand_on(&'static self) -> Step {
        // SAFETY: as in `resume`; and it is not resumed as this task's any more, so the record does not look at
        // what is left in there.
        unsafe { self.home().spares().keep(&self.core) };
        Step::Ended
    }

    /// Gives it a stack and lets it run for the first time; lets its closure go if it is cancelled
    /// already, or if there is no stack.
    #[inline(always)]
    fn start(&'static self) -> Step {
        if self.disturbed.get() && !self.runs_in_any_case() {
            if let Some(target) = self.root.outermost_cancelled() {
                let reason = target.reason().unwrap_or_else(|| self.no_reason());
                return self.refuse(Refusal::Cancelled(reason));
            }
        }
        let home = self.home();
        let spares = home.spares();
        let as_usual = self.class.get() == home.request().class && !stacks::measuring_all();
        if as_usual && !spares.is_empty() {
            // SAFETY: there is one; and it has not started, so it has none.
            unsafe { spares.take(&self.core) };
        } else if let Err(error) = self.make_coroutine() {
            return self.refuse(Refusal::NoStack(error));
        }
        self.started.set(true);
        home.observe(self, Event::Started);
        self.resume()
    }

    /// Makes the coroutine that it runs on; others may follow it there.
    #[inline(never)]
    fn make_coroutine(&'static self) -> Result<(), SpawnError> {
        let home = self.home();
        let plan = Plan {
            request: Request::of_class(self.class.get()),
            spawned_at: self.spawned_at(),
            // Whose frames a task borrows is the business of this room: see the event loop's `drive`.
            lender: Lender::Nobody,
            generator: false,
        };
        let stack = SetAside::new(&plan)?;
        let core = Core::on(stack, plan, move |pauser: &Pauser<(), ()>, ()| {
            let serves = pauser.may_serve(home.request().class);
            // The loop says which task it resumes. None: there will be no other.
            while let Some(task) = home.current() {
                task.run_on(pauser);
                if !serves || !home.spares().has_room() {
                    break;
                }
                task.state.set(State::Done);
                pauser.pause_task();
            }
        });
        // SAFETY: it has not started, so nothing is in there.
        unsafe { (*self.core.get()).write(core) };
        Ok(())
    }

    /// Runs it, on its own stack.
    #[inline(always)]
    fn run_on(&'static self, pauser: &Pauser<(), ()>) {
        let (home, context) = (self.home(), pauser.context());
        self.pauser.set(ptr::from_ref(pauser));
        context.serves(self.spawned_at());
        context.becomes_task(Scheduled { reach: &self.reach, resumer: home.frame() });
        // SAFETY: the reference ends here, and the name does not change meanwhile.
        let named = unsafe { (*self.name.as_ptr()).is_some() };
        if named {
            context.rename(self.name());
        }
        self.body.run(self);
        if named {
            context.rename(None);
        }
        home.observe(self, Event::Ended);
    }

    /// Whether it runs although it is cancelled: where nothing unwinds, whoever waits for its result cannot do without.
    #[inline(always)]
    fn runs_in_any_case(&'static self) -> bool {
        cfg!(panic = "abort")
            && self.root.outer().is_some_and(|outer| ptr::eq(outer, self.home().guests()))
    }

    /// Lets its closure go.
    #[cold]
    fn refuse(&'static self, why: Refusal) -> Step {
        // What it had captured drops on the loop's own stack, where no task runs.
        self.home().set_current(None);
        self.body.refuse(self, why);
        Step::Ended
    }

    /// Frees the record of one that has ended. Its coroutine needs no dropping: it has ended.
    #[inline(always)]
    pub(crate) fn finish(&'static self) {
        let name = self.name.take();
        let locals = self.locals.take();
        self.vacate();
        drop(name);
        if locals.is_some() {
            Locals::drop_at_end(locals);
        }
    }

    /// Gives it up, together with the record: it is not resumed, and nobody gets the record again.
    pub(crate) fn retire(&'static self) {
        self.state.set(State::Retired);
        note_given_up(self.id());
        self.innermost().roots().for_each(note_given_up);
        if self.started.get() {
            // SAFETY: as in `resume`; it does not run (any more).
            unsafe { (*self.core.get()).assume_init_mut() }.retire();
        }
        // Leaked, as everything else that is in it.
        self.body.forget();
        mem::forget(self.locals.take());
        if self.outside.take() {
            self.home().remove_outside();
        }
        if let Some(standing) = self.standing() {
            self.waits_no_more();
            // SAFETY: `Subject::standing` has the promise; it is not resumed any more.
            unsafe { ((*standing).ways.give_up)(standing) };
        }
        if let Some(ending) = self.wanted.replace(Wanted::NOT).ending() {
            let reason = CancelReason::new(
                CancelKind::Retired,
                "it swallowed its cancellation and was given up",
                self.spawned_at(),
            );
            // SAFETY: its job was just leaked, and has not given.
            unsafe { ending.give(reason) };
        }
    }

    /// A reason for what cannot be without one.
    #[cold]
    fn no_reason(&self) -> CancelReason {
        CancelReason::new(CancelKind::Requested, "cancelled", self.spawned_at())
    }

    /// Fetches the record into the cache, for a resume that is some way off.
    #[inline(always)]
    pub(crate) fn prefetch_record(&self) {
        let here = ptr::from_ref(self).cast::<()>();
        prefetch(here);
    }

    /// Fetches its stack into the cache, for a resume that is near; the record is there by now.
    #[inline(always)]
    pub(crate) fn prefetch_stack(&self) {
        if self.started.get() {
            // The parent link, and the innermost frames.
            let pauser = self.pauser.get().cast::<()>();
            let frames = pauser.wrapping_byte_sub(self.depth.get() as usize);
            prefetch(pauser);
            prefetch(frames);
            prefetch(frames.wrapping_byte_add(64));
        }
    }

    /// Gets a full budget.
    #[inline(always)]
    pub(crate) fn refill(&self, budget: u32) {
        self.budget.set(budget);
    }
}

/// Who a task is, to messages and to itself: what changes while it runs a child in its own frames.
pub(crate) struct Guise {
    /// Its name.
    pub(crate) name: Option<Rc<Cow<'static, str>>>,
    /// Where it was spawned.
    pub(crate) spawned_at: &'static Location<'static>,
    /// Its task-local values.
    pub(crate) locals: Locals,
}

/// A wait that another thread can end.
pub(crate) struct Outside {
    /// The task.
    task: &'static Task,
    /// Whether it is the one that counts.
    first: bool,
}

impl Drop for Outside {
    fn drop(&mut self) {
        if self.first && self.task.outside.take() {
            self.task.home().remove_outside();
        }
    }
}
