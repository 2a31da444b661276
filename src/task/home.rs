//! What the tasks of one loop share: the ready queue, the timers, the clock, the inbox, and which of them
//! runs now.
//!
//! A thread has at most one loop that runs. Which one that is stands in a thread-local word, which needs
//! no care over a switch because a started task never changes thread; which task runs stands in the
//! home, and is written at every resume.
//!
//! Homes, like the records in them, are reused and never freed, so references to them are good for
//! ever. A home from which something was given up is left alone instead.

#![allow(
    unsafe_code,
    reason = "follows the thread's word, and hands records from thread to thread"
)]

use std::alloc::{Layout, alloc, handle_alloc_error};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicPtr, AtomicU64};
use std::sync::{Mutex, PoisonError};

use super::blocks::Blocks;
use super::body::Job;
use super::boundary::{Boundary, Kind};
use super::claim::{ENDED, HELD};
use super::clock::{Clock, Time};
use super::inbox::{Inbox, Message};
use super::name::TaskId;
use super::observe::{Event, Observer};
use super::ready::{Ready, roll};
use super::reason::{CancelKind, CancelReason};
use super::record::{State, Task};
use super::remote::{RemoteBoundary, RemoteTask};
use super::source::Source;
use super::spare::Spares;
use super::timers::{Timer, Timers};
use crate::coroutine::{anchor, set_anchor, stack_pointer};
use crate::model::sync::Arc;
use crate::stacks::{self, Request};

/// Operations that may succeed without a pause before a task has to let others go first. tokio's number
/// is 128; what counts is that it is neither 1 nor thousands.
pub(crate) const BUDGET: u32 = 64;
/// Records made at once, at first; then as many as there are, up to a large page of them.
const CHUNK: usize = 32;
/// Bytes of a large page.
const LARGE_PAGE: usize = 2 << 20;
/// Numbers that a loop takes at once, so that it rarely touches what threads share.
const NUMBERS: u64 = 1 << 16;

/// Who is told when a deadline has come.
#[derive(Clone, Copy)]
pub(crate) enum Alarm {
    /// A task that sleeps, and its number.
    Wake(&'static Task, u64),
    /// A boundary whose time is over, its serial number, and where the limit was set.
    Deadline(&'static Boundary, u64, &'static Location<'static>),
}

/// How a task is to be made.
pub(crate) struct Making {
    /// Its stack.
    pub(crate) request: Request,
    /// Its name.
    pub(crate) name: Option<Cow<'static, str>>,
    /// Where it is spawned.
    pub(crate) spawned_at: &'static Location<'static>,
    /// Its number, if it was promised one; else 0.
    pub(crate) id: u64,
}

/// What the tasks of one loop share.
pub(crate) struct Home {
    /// Its number. No two loops of a process have the same.
    id: Cell<u64>,
    /// The task that runs now; null if none does. Written on its own thread, and relaxed, because it may be looked at from
    /// others, which only want to tell who keeps a loop.
    current: AtomicPtr<Task>,
    /// An address in the frame that resumes the tasks, while it does.
    frame: Cell<usize>,
    /// Tasks that may be resumed.
    pub(crate) ready: Ready,
    /// Deadlines. No user code runs while it is borrowed.
    timers: RefCell<Timers<Alarm>>,
    /// What time it is.
    pub(crate) time: Time,
    /// What other threads see of the loop; `None` while the home is not in use.
    inbox: RefCell<Option<Arc<Inbox>>>,
    /// The same, for comparing and for waking; null while the home is not in use.
    inbox_address: Cell<*const Inbox>,
    /// The boundary around all tasks that belong to nobody else.
    root: Boundary,
    /// The boundary around those whose scope is elsewhere: that ends them, not the loop.
    guests: Boundary,
    /// The budget that a task gets with each turn.
    budget: Cell<u32>,
    /// The stack that a task gets unless it asks for another.
    request: Cell<Request>,
    /// Whether a turn is being made.
    turning: Cell<bool>,
    /// Waits that another thread can end.
    outside: Cell<usize>,
    /// Where it gets more work from, if it belongs to a pool.
    source: Cell<Option<&'static dyn Source>>,
    /// The address of its crew; 0 if it belongs to none.
    crew: Cell<usize>,
    /// The same, kept as long as that.
    kept_source: RefCell<Option<Rc<dyn Source>>>,
    /// Who watches; only tests do.
    observer: RefCell<Option<Observer>>,
    /// Whether somebody watches.
    observed: Cell<bool>,
    /// The number of a task that is to panic at its next pause; only tests set it.
    fault: Cell<u64>,
    /// The last of all tasks that have not ended.
    last: Cell<Option<&'static Task>>,
    /// The first of them.
    first: Cell<Option<&'static Task>>,
    /// How many they are.
    tasks: Cell<usize>,
    /// Free task records.
    free: Cell<Option<&'static Task>>,
    /// All task records.
    chunks: RefCell<Vec<&'static [Task]>>,
    /// Memory for gates and errands.
    blocks: Blocks,
    /// Coroutines between two tasks.
    spares: Spares,
    /// Free boundaries.
    free_boundaries: RefCell<Vec<&'static Boundary>>,
    /// Tasks that were given up.
    retired: Cell<usize>,
    /// State of the generator of choices.
    dice: Cell<u64>,
    /// The next number for a task or boundary.
    next_number: Cell<u64>,
    /// The first number that is not this loop's any more.
    last_number: Cell<u64>,
}

/// Takes numbers that no loop had before.
pub(super) fn take_numbers(many: u64) -> u64 {
    /// The first number that nobody has. Relaxed: only uniqueness counts.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(many, Relaxed)
}

/// What ended loops left behind, for loops of any thread.
struct Left {
    /// Homes.
    homes: Vec<&'static Home>,
    /// Task records, all of them free.
    chunks: Vec<&'static [Task]>,
    /// Boundaries, all of them free.
    boundaries: Vec<&'static Boundary>,
}

// SAFETY: what is in there is in nobody's use: the loop that had it has ended, and references that are
// left over are followed only after a look at the loop's number, which is not used again.
unsafe impl Send for Left {}

/// See [`Left`].
static LEFT: Mutex<Left> =
    Mutex::new(Left { homes: Vec::new(), chunks: Vec::new(), boundaries: Vec::new() });

impl Home {
    /// The home of a new loop of this thread.
    pub(crate) fn take(clock: Clock, inbox: Arc<Inbox>) -> &'static Self {
        let left = LEFT.lock().unwrap_or_else(PoisonError::into_inner).homes.pop();
        let this = left.unwrap_or_else(|| {
            Box::leak(Box::new(Self {
                id: Cell::new(0),
                current: AtomicPtr::new(ptr::null_mut()),
                frame: Cell::new(0),
                ready: Ready::new(),
                timers: RefCell::new(Timers::new()),
                time: Time::new(clock),
                inbox: RefCell::new(None),
                inbox_address: Cell::new(ptr::null()),
                root: Boundary::vacant(),
                guests: Boundary::vacant(),
                budget: Cell::new(BUDGET),
                request: Cell::new(Request::DEFAULT),
                turning: Cell::new(false),
                outside: Cell::new(0),
                source: Cell::new(None),
                crew: Cell::new(0),
                kept_source: RefCell::new(None),
                observer: RefCell::new(None),
                observed: Cell::new(false),
                fault: Cell::new(0),
                last: Cell::new(None),
                first: Cell::new(None),
                tasks: Cell::new(0),
                free: Cell::new(None),
                chunks: RefCell::new(Vec::new()),
                blocks: Blocks::new(),
                spares: Spares::new(),
                free_boundaries: RefCell::new(Vec::new()),
                retired: Cell::new(0),
                dice: Cell::new(0),
                next_number: Cell::new(0),
                last_number: Cell::new(0),
            }))
        });
        this.time.reset(clock);
        this.id.set(this.new_serial());
        this.inbox_address.set(Arc::as_ptr(&inbox));
        this.inbox.replace(Some(inbox));
        this.budget.set(BUDGET);
        this.request.set(Request::DEFAULT);
        this.root.open(Kind::Root, this.new_serial(), None, None);
        this.guests.open(Kind::Root, this.new_serial(), None, None);
        this
    }

    /// Leaves it to the next loop. All tasks have ended.
    pub(crate) fn give_back(&'static self) {
        debug_assert!(self.tasks.get() == 0 && self.ready.is_empty());
        self.end_spares();
        let observer = self.observer.take();
        self.observed.set(false);
        self.id.set(0);
        self.source.set(None);
        self.crew.set(0);
        let source = self.kept_source.take();
        self.blocks.clear();
        let mut inbox = None;
        // What was given up may still be woken by others, who look for the inbox where it was.
        if self.retired.get() == 0 {
            inbox = self.inbox.take();
            self.inbox_address.set(ptr::null());
            self.ready.seed(None);
            self.ready.shrink();
            self.root.close();
            self.guests.close();
            self.free.set(None);
            self.fault.set(0);
            self.outside.set(0);
            let chunks = self.chunks.take();
            let boundaries = self.free_boundaries.take();
            let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
            left.chunks.extend(chunks);
            left.boundaries.extend(boundaries);
            left.homes.push(self);
        }
        drop((observer, inbox, source));
    }

    // ---- the pool that it belongs to

    /// Has it get more work from there, until it is given back.
    pub(crate) fn set_source(&self, source: Rc<dyn Source>) {
        // SAFETY: only the lifetime changes. The source is kept beside, and both go together, when no task of the
        // loop is left that could be using it.
        let lent = unsafe { &*Rc::as_ptr(&source) };
        self.source.set(Some(lent));
        self.crew.set(lent.crew().address());
        self.kept_source.replace(Some(source));
    }

    /// The address of the crew that it belongs to; 0 if none.
    #[inline(always)]
    pub(crate) fn crew(&self) -> usize {
        self.crew.get()
    }

    /// Where it gets more work from, if it belongs to a pool.
    #[inline(always)]
    pub(crate) fn source(&self) -> Option<&'static dyn Source> {
        self.source.get()
    }

    // ---- which loop and which task runs

    /// The home of the loop that runs on this thread.
    #[inline(always)]
    pub(crate) fn here() -> Option<&'static Self> {
        // SAFETY: `arrive` is the only one that sets the word, to a home, and homes are never freed.
        unsafe { anchor().cast::<Self>().as_ref() }
    }

    /// The task that runs on this thread.
    #[inline(always)]
    pub(crate) fn running_task() -> Option<&'static Task> {
        Self::here()?.current()
    }

    /// The task that runs on this thread, for what works in tasks only.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn current_task(what: &str) -> &'static Task {
        match Self::running_task() {
            Some(task) => task,
            None => no_task(what),
        }
    }

    /// This home's loop runs on this thread from now on. Returns what to give to [`leave`](Self::leave).
    pub(crate) fn arrive(&'static self) -> *const () {
        let before = anchor();
        set_anchor(ptr::from_ref(self).cast());
        before
    }

    /// Tasks are resumed by the calling frame from now on, or by what it calls.
    #[inline(always)]
    pub(crate) fn resumes(&self) {
        self.frame.set(stack_pointer());
    }

    /// Where that frame is.
    #[inline(always)]
    pub(super) fn frame(&'static self) -> &'static Cell<usize> {
        &self.frame
    }

    /// It does not run any more.
    pub(crate) fn leave(before: *const ()) {
        set_anchor(before);
    }

    /// Sets the task that runs now.
    #[inline(always)]
    pub(crate) fn set_current(&self, task: Option<&'static Task>) {
        self.current.store(task.map_or(ptr::null(), ptr::from_ref).cast_mut(), Relaxed);
    }

    /// The task that runs now.
    #[inline(always)]
    pub(crate) fn current(&self) -> Option<&'static Task> {
        // SAFETY: only `set_current` sets it, and records are never freed.
        unsafe { self.current.load(Relaxed).cast_const().as_ref() }
    }

    /// Whether a turn is being made; sets it, too.
    pub(crate) fn set_turning(&self, turning: bool) -> bool {
        self.turning.replace(turning)
    }

    /// Whether a turn is being made.
    pub(crate) fn is_turning(&self) -> bool {
        self.turning.get()
    }

    // ---- plain data

    /// Its number.
    #[inline(always)]
    pub(crate) fn id(&self) -> u64 {
        self.id.get()
    }

    /// What other threads see of the loop.
    pub(crate) fn inbox(&self) -> Arc<Inbox> {
        self.inbox.borrow().clone().expect("a home in use has an inbox")
    }

    /// Where that is. It stays there while the loop has tasks.
    #[inline(always)]
    pub(crate) fn inbox_address(&self) -> *const Inbox {
        self.inbox_address.get()
    }

    /// The boundary around all tasks that belong to nobody else.
    #[inline(always)]
    pub(crate) fn root(&'static self) -> &'static Boundary {
        &self.root
    }

    /// The boundary around those whose scope is elsewhere.
    #[inline(always)]
    pub(crate) fn guests(&'static self) -> &'static Boundary {
        &self.guests
    }

    /// The budget of a turn.
    #[inline(always)]
    pub(crate) fn budget(&self) -> u32 {
        self.budget.get()
    }

    /// Sets budget, stack and order.
    pub(crate) fn configure(&self, budget: u32, request: Request, seed: Option<u64>) {
        self.budget.set(budget);
        self.request.set(request);
        self.ready.seed(seed);
        self.dice.set(seed.unwrap_or(0));
    }

    /// A random number, the next of a row that the loop's seed decides; without a seed it is the same row in every
    /// loop.
    pub(crate) fn roll(&self) -> u64 {
        let mut state = self.dice.get();
        let roll = roll(&mut state);
        self.dice.set(state);
        roll
    }

    /// The stack that a task gets unless it asks for another.
    #[inline(always)]
    pub(crate) fn request(&self) -> Request {
        self.request.get()
    }

    /// Tasks that have not ended.
    pub(crate) fn tasks(&self) -> usize {
        self.tasks.get()
    }

    /// A number that no task and no boundary had before.
    #[inline(always)]
    pub(crate) fn new_serial(&self) -> u64 {
        if self.next_number.get() == self.last_number.get() {
            let first = take_numbers(NUMBERS);
            self.next_number.set(first);
            self.last_number.set(first + NUMBERS);
        }
        let number = self.next_number.get();
        self.next_number.set(number + 1);
        number
    }

    // ---- making and ending tasks

    /// Makes a task, inside `parent`. It runs when it has been put into the ready queue.
    ///
    /// # Safety
    /// Whatever the job refers to stays alive until the task has ended; for ever, if it never does.
    #[inline(always)]
    pub(crate) unsafe fn make<J: Job>(
        &'static self,
        job: J,
        making: Making,
        parent: &'static Boundary,
    ) -> &'static Task {
        let task = match self.free.get() {
            Some(task) => task,
            None => self.make_room(),
        };
        self.free.set(task.next());
        let id = if making.id == 0 { self.new_serial() } else { making.id };
        // SAFETY: the caller's promise.
        unsafe { task.occupy(self, job, Making { id, ..making }, parent) };
        if let Some(spawner) = self.current() {
            task.inherit_locals(spawner);
        }
        self.link(task);
        self.observe(task, Event::Spawned);
        task
    }

    /// Gets free records: those of an ended loop, or new ones.
    #[cold]
    #[inline(never)]
    fn make_room(&self) -> &'static Task {
        let left = LEFT.lock().unwrap_or_else(PoisonError::into_inner).chunks.pop();
        let chunk = left.unwrap_or_else(|| {
            let there: usize = self.chunks.borrow().iter().map(|chunk| chunk.len()).sum();
            new_chunk(there.clamp(CHUNK, LARGE_PAGE / size_of::<Task>()))
        });
        let mut next = None;
        for task in chunk.iter().rev() {
            task.set_next(next);
            next = Some(task);
        }
        self.chunks.borrow_mut().push(chunk);
        &chunk[0]
    }

    /// Adds a task to the list of all.
    #[inline(always)]
    fn link(&self, task: &'static Task) {
        let last = self.last.replace(Some(task));
        task.set_previous(last);
        task.set_next(None);
        match last {
            Some(last) => last.set_next(Some(task)),
            None => self.first.set(Some(task)),
        }
        self.tasks.set(self.tasks.get() + 1);
    }

    /// Takes a task from the list of all.
    #[inline(always)]
    fn unlink(&self, task: &'static Task) {
        match task.previous() {
            Some(previous) => previous.set_next(task.next()),
            None => self.first.set(task.next()),
        }
        match task.next() {
            Some(next) => next.set_previous(task.previous()),
            None => self.last.set(task.previous()),
        }
        self.tasks.set(self.tasks.get() - 1);
    }

    /// A task has ended: its record is free.
    #[inline(always)]
    pub(crate) fn end(&self, task: &'static Task) {
        self.unlink(task);
        task.finish();
        if task.claim() & HELD == 0 {
            self.free(task);
        } else {
            task.set_claim(task.claim() | ENDED);
        }
    }

    /// A record is free.
    #[inline(always)]
    pub(super) fn free(&self, task: &'static Task) {
        task.set_next(self.free.replace(Some(task)));
    }

    /// A task will not end: gives it up, and every task that borrows from it.
    #[cold]
    pub(crate) fn retire(&self, task: &'static Task) {
        self.observe(task, Event::Retired);
        self.unlink(task);
        if task.state() == State::Ready {
            self.ready.remove(task);
        }
        self.retired.set(self.retired.get() + 1);
        task.retire();
    }

    /// All tasks that have not ended, in the order in which they were spawned.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'static Task> {
        let mut next = self.first.get();
        std::iter::from_fn(move || {
            let task = next?;
            next = task.next();
            Some(task)
        })
    }

    /// Memory for gates and errands.
    #[inline(always)]
    pub(super) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// Coroutines between two tasks.
    #[inline(always)]
    pub(super) fn spares(&self) -> &Spares {
        &self.spares
    }

    /// Lets the coroutines end that wait for another task. With no task running.
    pub(crate) fn end_spares(&self) {
        self.set_current(None);
        self.spares.clear();
    }

    /// A free boundary.
    #[inline(always)]
    pub(crate) fn take_boundary(&self) -> &'static Boundary {
        match self.free_boundaries.borrow_mut().pop() {
            Some(boundary) => boundary,
            None => new_boundary(),
        }
    }

    /// A boundary that was closed.
    #[inline(always)]
    pub(crate) fn free_boundary(&self, boundary: &'static Boundary) {
        self.free_boundaries.borrow_mut().push(boundary);
    }

    // ---- time

    /// Sets an alarm.
    pub(crate) fn set_alarm(&self, deadline: u64, alarm: Alarm) -> Timer {
        self.timers.borrow_mut().insert(deadline, alarm)
    }

    /// Takes an alarm back.
    pub(crate) fn unset_alarm(&self, timer: Timer) -> bool {
        self.timers.borrow_mut().remove(timer)
    }

    /// The nearest deadline.
    #[inline(always)]
    pub(crate) fn nearest(&self) -> Option<u64> {
        self.timers.borrow().first()
    }

    /// Tells everybody whose time has come.
    pub(crate) fn ring(&self, now: u64) {
        loop {
            let due = self.timers.borrow_mut().pop_due(now);
            match due {
                None => return,
                Some(Alarm::Wake(task, id)) if task.id() == id => task.wake(),
                Some(Alarm::Deadline(boundary, serial, at)) if boundary.is(serial) => {
                    boundary.cancel(CancelReason::new(
                        CancelKind::Deadline,
                        "its time was over",
                        at,
                    ));
                }
                // It has gone; it did not take its alarm along because it was given up.
                Some(_) => {}
            }
        }
    }

    // ---- from outside

    /// One more wait that another thread can end.
    pub(super) fn add_outside(&self) {
        self.outside.set(self.outside.get() + 1);
    }

    /// One less.
    pub(super) fn remove_outside(&self) {
        self.outside.set(self.outside.get() - 1);
    }

    /// Whether a task waits for what another thread does.
    pub(crate) fn waits_outside(&self) -> bool {
        self.outside.get() > 0
    }

    /// Whether anything outside this thread could still wake a task.
    pub(crate) fn may_be_woken(&self) -> bool {
        self.outside.get() > 0 || self.inbox().may_be_woken()
    }

    /// Does what a message asks for. What it does not know how to do comes back.
    pub(crate) fn obey(&'static self, message: Message) -> Option<Message> {
        match message {
            Message::Wake(task) => {
                if let Some(task) = task.here(self) {
                    task.wake();
                }
            }
            Message::Cancel(task, reason) => self.cancel_task(task, reason),
            Message::CancelPart(boundary, reason) => self.cancel_part(boundary, reason),
            Message::Call(waker) => waker.answer(self),
            Message::Look => {}
            Message::GivenUp => self.tell_the_hopeless(),
            other => return Some(other),
        }
        None
    }

    /// Tells those who wait for what a task has that was given up.
    #[cold]
    pub(crate) fn tell_the_hopeless(&self) {
        self.all().for_each(Task::tell_if_hopeless);
    }

    /// Cancels a task of this loop.
    pub(crate) fn cancel_task(&'static self, task: RemoteTask, reason: CancelReason) {
        if let Some(task) = task.here(self) {
            task.root().cancel(reason);
        }
    }

    /// Cancels part of a task of this loop.
    pub(crate) fn cancel_part(&'static self, boundary: RemoteBoundary, reason: CancelReason) {
        if let Some(boundary) = boundary.here(self) {
            boundary.cancel(reason);
        }
    }

    // ---- watching

    /// Tells whoever watches.
    #[inline(always)]
    pub(crate) fn observe(&self, task: &'static Task, event: Event) {
        if self.observed.get() {
            self.tell(task, event);
        }
    }

    /// Tells the observer, which may use the library.
    #[cold]
    #[inline(never)]
    fn tell(&self, task: &'static Task, event: Event) {
        let observer = self.observer.borrow().clone();
        if let Some(observer) = observer {
            observer(task, event);
        }
    }

    /// Lets somebody watch.
    pub(crate) fn set_observer(&self, observer: Option<Observer>) {
        self.observed.set(observer.is_some());
        let old = self.observer.replace(observer);
        drop(old);
    }

    /// Makes a task panic at its next pause.
    pub(crate) fn set_fault(&self, task: &'static Task) {
        self.fault.set(task.id());
    }

    /// Panics if this task is to.
    pub(crate) fn inject(&self, task: &Task) {
        if self.fault.get() == task.id() {
            self.fault.set(0);
            std::panic::resume_unwind(Box::new(Fault));
        }
    }
}

/// What other threads may look at of a home.
pub(crate) struct View(&'static Home);

// SAFETY: only `running_at` looks at the home, and at no more of it than an atomic word.
unsafe impl Send for View {}
// SAFETY: as above.
unsafe impl Sync for View {}

impl View {
    /// Of this home.
    pub(crate) fn of(home: &'static Home) -> Self {
        Self(home)
    }

    /// Where the task was spawned that runs there now, if one does.
    pub(crate) fn running_at(&self) -> Option<&'static Location<'static>> {
        let task = self.0.current.load(Relaxed).cast_const();
        // SAFETY: records are never freed; what is looked at of it is an atomic word.
        (!task.is_null()).then(|| unsafe { Task::spawned_at_of(task) })
    }
}

/// The payload of a panic that a test asked for.
pub(crate) struct Fault;

/// Makes so many records. Where they fill a large page, they lie in one if the system has it: a crowd of tasks
/// costs fewer page faults then, and fewer misses of what the processor knows about pages.
fn new_chunk(records: usize) -> &'static [Task] {
    let bytes = records * size_of::<Task>();
    let large = bytes + size_of::<Task>() > LARGE_PAGE;
    let align = if large { LARGE_PAGE } else { align_of::<Task>() };
    let layout = Layout::from_size_align(bytes, align).expect("a few megabytes");
    // SAFETY: records have a size, and there are some.
    let start = unsafe { alloc(layout) }.cast::<Task>();
    if start.is_null() {
        handle_alloc_error(layout);
    }
    if large {
        stacks::prefer_large_pages(start as usize, LARGE_PAGE);
    }
    for i in 0..records {
        // SAFETY: there is room for that many, which nobody else has.
        unsafe { start.add(i).write(Task::vacant()) };
    }
    // SAFETY: all of them were just written, and they are never freed.
    unsafe { std::slice::from_raw_parts(start, records) }
}

/// Makes boundaries.
#[cold]
#[inline(never)]
fn new_boundary() -> &'static Boundary {
    let left = LEFT.lock().unwrap_or_else(PoisonError::into_inner).boundaries.pop();
    left.unwrap_or_else(|| Box::leak(Box::new(Boundary::vacant())))
}

/// There is no task here.
#[cold]
#[inline(never)]
#[track_caller]
fn no_task(what: &str) -> ! {
    // The name of an operation, as one writes it; a description stays as it is.
    let name = format!("`{what}`");
    let what = if what.contains([' ', '`']) { what } else { name.as_str() };
    match Home::here() {
        Some(_) => panic!(
            "{what} needs a task, and this is the event loop's own code (a destructor of what a task \
             captured that never ran, or a callback of the loop)"
        ),
        None => {
            panic!("{what} needs a task: call it inside `segno::run`, or inside what that spawns")
        }
    }
}

/// The number of a task, for users.
impl Task {
    /// The number of who runs in it.
    pub(crate) fn public_id(&self) -> TaskId {
        TaskId(self.identity())
    }
}
