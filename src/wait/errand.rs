//! A task that nobody has started: its closure, on its way to whichever loop takes it first, and its result on the
//! way back.
//!
//! ```text
//!                 a loop takes it from a queue                  it ends
//!   QUEUED ------------------------------------> STARTED ------------------> DONE
//!      |          becomes a task of that loop                                 ^
//!      |  whoever has the handle                                              |
//!      |    - joins it: runs it in its own frames, or as its loop's next task |
//!      '--  - cancels it: lets the closure go, here and now  -----------------'
//! ```
//!
//! Who is first to say STARTED has it; a queue that gives it out later finds that, and lets go of it. So it need not be
//! taken out of the middle of a queue, and nothing is started twice.
//!
//! Who owns what: the closure belongs to whoever said STARTED; the result to that one until DONE, then to the handle,
//! if it is still there, and else to the one that said DONE. What stands here is one allocation. A queue, a handle and a
//! task each count as one that uses it, and the last frees it. The waiter is written by the handle before AWAITED, and
//! belongs to whoever says DONE if that finds AWAITED; otherwise the handle takes it back.
//!
//! A task that joins one which nobody has started has it run next on its own loop. Then both are on one thread, and HERE
//! says that the joiner waits: nobody else looks at that, so the joiner stands there as it is.
//!
//! A started task stays on its thread. What goes to another one is the closure, its task-locals that may, and the result:
//! all of them have to be `Send`, as [`Scope`](super::Scope) and `Pool::spawn` ask for.

#![allow(unsafe_code, reason = "keeps closures and results without their types")]

use std::borrow::Cow;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use super::bond::Bond;
use super::held::Held;
use super::sleeper::{Away, Woken};
use crate::coroutine::no_pause;
use crate::model::UnsafeCell;
use crate::model::sync::atomic::{AtomicU8, Ordering};
use crate::model::sync::{Arc, Mutex, PoisonError};
use crate::stacks::Request;
use crate::task::{
    Boundary, CancelKind, CancelReason, Crew, Described, Ending, Guise, Heirlooms, Home, Inbox,
    Job, Kept, Locals, Making, Message, Refusal, RemoteTask, Task, Unstarted,
};

/// Somebody has it.
pub(super) const STARTED: u8 = 1;
/// The result is there.
pub(super) const DONE: u8 = 2;
/// Somebody is to be woken when it is.
pub(super) const AWAITED: u8 = 4;
/// Nobody wants the result any more.
pub(super) const LEFT: u8 = 8;
/// A task of the loop that runs it waits for it. Only the thread of that loop sets this, and takes it back.
pub(super) const HERE: u8 = 16;
/// One that uses it; the bits from here on count those: a queue, a handle and a task, at most.
pub(super) const USER: u8 = 32;

/// What is to be done, once.
pub(crate) trait Work {
    /// What comes of it.
    type Given;
    /// Does it, in a task. Lets no panic out.
    fn run(self, runs: Runs) -> Self::Given;
    /// Lets it go without having done it, on any thread. Lets no panic out.
    fn refuse(self, refusal: Refusal, described: &Described<'_>) -> Self::Given;
    /// What comes of it if it is given up while it is done.
    fn lost(reason: CancelReason) -> Self::Given;
    /// Disposes of a result that nobody wants. Lets no panic out.
    fn unwanted(given: Self::Given, described: &Described<'_>);
}

/// How something runs.
pub(crate) struct Runs {
    /// The boundary of its task.
    root: &'static Boundary,
}

impl Runs {
    /// The boundary of the whole of it.
    pub(crate) fn root(&self) -> &'static Boundary {
        self.root
    }
}

/// How something is to be run.
pub(crate) struct Asked {
    /// On which stack, if it cannot be just any.
    pub(crate) request: Option<Request>,
    /// Under which name.
    pub(crate) name: Option<Cow<'static, str>>,
    /// Who asked for it.
    pub(crate) spawned_at: &'static Location<'static>,
}

/// Where it is, for who wants to cancel it.
enum Place {
    /// Nobody has started it, or whoever did is about to say where.
    Nowhere,
    /// It was cancelled before that was said.
    Cancelled(Box<CancelReason>),
    /// It is this task, of the loop with that inbox.
    At(RemoteTask, Arc<Inbox>),
}

/// What only few have.
struct Extra {
    /// A name.
    name: Option<Cow<'static, str>>,
    /// Task-locals that it inherits; taken by whoever starts it.
    locals: UnsafeCell<Heirlooms>,
}

/// The part that does not depend on what it is to do.
pub(super) struct Head {
    /// STARTED, DONE, AWAITED, LEFT, and how many use it. What is handed over is released by one change of this and
    /// acquired by another.
    pub(super) state: AtomicU8,
    /// On which stack it is to run, if it cannot be just any.
    pub(super) request: Option<Request>,
    /// The address of the crew that it goes to.
    pub(super) crew: usize,
    /// Its number.
    pub(super) id: u64,
    /// Who asked for it.
    spawned_at: &'static Location<'static>,
    /// What only few have.
    extra: Option<Box<Extra>>,
    /// The frame that it borrows from; null if none.
    pub(super) bond: *const Bond,
    /// Its place among those that the frame's owner may have to cancel. Under the lock of the bond.
    pub(super) member: UnsafeCell<usize>,
    /// Where it is.
    place: Mutex<Place>,
    /// Who is to be woken.
    pub(super) waiter: UnsafeCell<Option<Box<Away>>>,
    /// The task that is to be woken, in HERE. Only for the thread of its loop.
    pub(super) here: UnsafeCell<Option<&'static Task>>,
    /// What to do with what is behind it.
    pub(super) methods: &'static Methods,
}

/// What can be done with an [`Errand`] without knowing its type.
pub(super) struct Methods {
    /// Does what is to be done, and keeps what comes of it.
    pub(super) run: unsafe fn(*const Head, Runs),
    /// Lets go of what is to be done, and keeps what comes of that.
    pub(super) refuse: unsafe fn(*const Head, Refusal, &Described<'_>),
    /// Keeps what comes of it if it is given up while it is done.
    pub(super) lose: unsafe fn(*const Head, CancelReason),
    /// Moves what came of it.
    pub(super) take: unsafe fn(*const Head, *mut ()),
    /// Disposes of what came of it.
    pub(super) discard: unsafe fn(*const Head),
    /// Frees the memory.
    pub(super) free: unsafe fn(*const Head),
}

/// What is to be done, and then what came of it.
union Content<W: Work> {
    /// What is to be done.
    work: ManuallyDrop<W>,
    /// What came of it.
    given: ManuallyDrop<W::Given>,
}

/// All of it.
#[repr(C)]
struct Errand<W: Work> {
    /// What does not depend on the type.
    head: Head,
    /// What does.
    content: UnsafeCell<Content<W>>,
}

/// Gives every type of work its methods.
struct Of<W>(PhantomData<W>);

impl<W: Work> Of<W> {
    /// What can be done with it.
    const METHODS: Methods = Methods {
        run: |head, runs| {
            // SAFETY: `Head::made` wrote an `Errand<W>` there; who has claimed it calls one of these two, once.
            let content = unsafe { &(*head.cast::<Errand<W>>()).content };
            // SAFETY: as above: the work is in there.
            let work =
                content.with_mut(|content| unsafe { ManuallyDrop::take(&mut (*content).work) });
            let given = work.run(runs);
            content.with_mut(|content| {
                // SAFETY: nobody else looks at it before DONE.
                unsafe { content.write(Content { given: ManuallyDrop::new(given) }) };
            });
        },
        refuse: |head, why, described| {
            // SAFETY: as for `run`.
            let content = unsafe { &(*head.cast::<Errand<W>>()).content };
            // SAFETY: as for `run`.
            let work =
                content.with_mut(|content| unsafe { ManuallyDrop::take(&mut (*content).work) });
            let given = work.refuse(why, described);
            content.with_mut(|content| {
                // SAFETY: as for `run`.
                unsafe { content.write(Content { given: ManuallyDrop::new(given) }) };
            });
        },
        lose: |head, reason| {
            // SAFETY: as for `run`, which has moved the work out, and will not come back.
            let content = unsafe { &(*head.cast::<Errand<W>>()).content };
            content.with_mut(|content| {
                // SAFETY: as for `run`.
                unsafe { content.write(Content { given: ManuallyDrop::new(W::lost(reason)) }) };
            });
        },
        take: |head, to| {
            // SAFETY: the caller owns the result, which is in there, and `to` has room for it.
            unsafe {
                (*head.cast::<Errand<W>>()).content.with_mut(|content| {
                    to.cast::<W::Given>().write(ManuallyDrop::take(&mut (*content).given));
                });
            }
        },
        discard: |head| {
            // SAFETY: the caller owns the result, which is in there.
            let given = unsafe {
                (*head.cast::<Errand<W>>())
                    .content
                    .with_mut(|content| ManuallyDrop::take(&mut (*content).given))
            };
            // SAFETY: the caller counts as one that uses it.
            W::unwanted(given, &unsafe { &*head }.described());
        },
        // SAFETY: the caller is the last that uses it.
        free: |head| {
            // SAFETY: the caller is the last that uses it.
            drop(unsafe {
                Kept::from_raw(NonNull::new_unchecked(head.cast_mut().cast::<Errand<W>>()))
            })
        },
    };
}

/// Makes one, used by a queue and by a handle.
///
/// # Safety
/// What the work refers to stays alive until the result is there, and what that refers to until the handle has gone; for
/// ever, if the task is given up. Both may go to another thread.
pub(super) unsafe fn make<W: Work>(
    work: W,
    asked: Asked,
    crew: &dyn Crew,
    bond: *const Bond,
) -> (Unstarted, Held<W::Given>) {
    let Asked { request, name, spawned_at } = asked;
    let home = Home::here();
    let id = home.map_or_else(|| RemoteTask::posted(0).id(), Home::new_serial);
    let locals = home.and_then(Home::current).map_or_else(Heirlooms::none, Task::heirlooms);
    let extra = (name.is_some() || !locals.is_empty())
        .then(|| Box::new(Extra { name, locals: UnsafeCell::new(locals) }));
    let errand = Kept::<Errand<W>>::room();
    // SAFETY: the room was just taken for it.
    unsafe {
        errand.write(Errand {
            head: Head {
                state: AtomicU8::new(2 * USER),
                request,
                crew: crew.address(),
                id,
                spawned_at,
                extra,
                bond,
                member: UnsafeCell::new(0),
                place: Mutex::new(Place::Nowhere),
                waiter: UnsafeCell::new(None),
                here: UnsafeCell::new(None),
                methods: const { &Of::<W>::METHODS },
            },
            content: UnsafeCell::new(Content { work: ManuallyDrop::new(work) }),
        });
    }
    (Unstarted(errand.cast()), Held::of(errand.cast()))
}

/// Makes one that borrows from nobody.
pub(crate) fn errand<W: Work + Send + 'static>(
    work: W,
    asked: Asked,
    crew: &dyn Crew,
) -> (Unstarted, Held<W::Given>)
where
    W::Given: Send,
{
    // SAFETY: `'static` and `Send`, as the bounds say.
    unsafe { make(work, asked, crew, ptr::null()) }
}

impl Extra {
    /// The task-locals that it inherits.
    ///
    /// # Safety
    /// Only for who has claimed it.
    unsafe fn take_locals(&self) -> Heirlooms {
        // SAFETY: the caller's promise.
        self.locals.with_mut(|locals| unsafe { std::mem::replace(&mut *locals, Heirlooms::none()) })
    }
}

impl Head {
    /// All of it, as queues have it. Whoever touches more than the head goes by this, not by a reference to the head.
    #[inline(always)]
    fn at(unstarted: Unstarted) -> *const Self {
        unstarted.0.cast::<Self>().as_ptr()
    }

    /// Its head, as queues have it.
    fn of<'a>(unstarted: Unstarted) -> &'a Self {
        // SAFETY: only `make` makes them, and a queue that has one counts as one that uses it.
        unsafe { unstarted.0.cast::<Self>().as_ref() }
    }

    /// Claims it. False if somebody has.
    #[inline(always)]
    pub(super) fn claim(&self) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & STARTED == 0 {
            // Acquire: what the one who made it wrote; it has come by a queue or with the handle in any case.
            match self.state.compare_exchange(
                state,
                state | STARTED,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(other) => state = other,
            }
        }
        false
    }

    /// Claims it for one more that uses it, and says that as well. False if somebody has.
    #[inline(always)]
    pub(super) fn claim_for_another(&self, and: u8) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & STARTED == 0 {
            // As in `claim`.
            match self.state.compare_exchange(
                state,
                (state | STARTED | and) + USER,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(other) => state = other,
            }
        }
        false
    }

    /// Its name, and the task-locals that it inherits.
    ///
    /// # Safety
    /// Only for who has claimed it, once.
    #[inline(always)]
    unsafe fn take_extra(&self) -> (Option<Cow<'static, str>>, Locals) {
        match &self.extra {
            // SAFETY: the caller's promise.
            Some(extra) => (extra.name.clone(), unsafe { extra.take_locals() }.into_locals()),
            None => (None, Locals::none()),
        }
    }

    /// Its name, if it was given one.
    pub(super) fn name(&self) -> Option<&str> {
        self.extra.as_ref()?.name.as_deref()
    }

    /// How messages name it.
    pub(super) fn described(&self) -> Described<'_> {
        Described { name: self.name(), id: self.id, spawned_at: self.spawned_at }
    }

    /// One less uses it.
    ///
    /// # Safety
    /// The caller was counted as one, and does not touch it any more.
    pub(super) unsafe fn release(this: *const Self) {
        // SAFETY: it is there as long as somebody is counted.
        let head = unsafe { &*this };
        // The only one left needs no exchange. Acquire: all that others did here.
        if head.state.load(Ordering::Acquire) / USER == 1
            || head.state.fetch_sub(USER, Ordering::AcqRel) / USER == 1
        {
            // SAFETY: the last one.
            unsafe { (head.methods.free)(this) };
        }
    }

    /// The result is there: says so, and disposes of it if nobody wants it. Gives who waits for it.
    ///
    /// # Safety
    /// The caller has claimed it, and is counted as one that uses it.
    unsafe fn says_done(this: *const Self) -> Option<Woken> {
        // SAFETY: the caller counts.
        let head = unsafe { &*this };
        // Release: the result. Acquire: the waiter.
        let before = head.state.fetch_or(DONE, Ordering::AcqRel);
        if before & LEFT != 0 {
            // Before the frame that it may refer to is told.
            // SAFETY: the handle has gone, so the result is this one's.
            unsafe { (head.methods.discard)(this) };
        }
        if before & HERE != 0 {
            return head.joiner_here().map(|task| Woken::Here(task, task.home()));
        }
        if before & AWAITED == 0 {
            return None;
        }
        // SAFETY: AWAITED was there before DONE: it is this one's.
        head.waiter.with_mut(|waiter| unsafe { (*waiter).take() }).map(Woken::Away)
    }

    /// The task of this loop that waits for it. Only in HERE.
    #[inline(always)]
    fn joiner_here(&self) -> Option<&'static Task> {
        // SAFETY: only the thread that runs it looks at HERE, and that is the joiner's, which wrote this before.
        self.here.with_mut(|here| unsafe { *here })
    }

    /// The result is there: wakes who waits for it, and lets go of it.
    ///
    /// # Safety
    /// The caller was counted as one that uses it, and does not touch it any more.
    unsafe fn leave(this: *const Self, waiter: Option<Woken>) {
        // SAFETY: the caller counts.
        let bond = unsafe { (*this).bond };
        // SAFETY: the caller's promise.
        unsafe { Self::release(this) };
        if let Some(waiter) = waiter {
            waiter.wake();
        }
        if !bond.is_null() {
            // SAFETY: its frame waits for this.
            unsafe { Bond::child_ended(bond) };
        }
    }

    /// Both of them at once, by one exchange, for what borrows from nobody. That is possible if the handle is there, and
    /// nobody waits at it from elsewhere: then the handle frees it.
    ///
    /// # Safety
    /// As for [`says_done`](Self::says_done) and [`leave`](Self::leave). If it is false nothing has happened.
    #[inline(always)]
    unsafe fn says_done_and_leaves(this: *const Self) -> bool {
        // SAFETY: the caller counts.
        let head = unsafe { &*this };
        let state = head.state.load(Ordering::Relaxed);
        if state & (LEFT | AWAITED) != 0 {
            return false;
        }
        let joiner = if state & HERE != 0 { head.joiner_here() } else { None };
        // Release: the result, and that this one does not use it any more.
        let said = head.state.compare_exchange(
            state,
            (state | DONE) - USER,
            Ordering::Release,
            Ordering::Relaxed,
        );
        if said.is_err() {
            return false;
        }
        if let Some(joiner) = joiner {
            joiner.wake();
        }
        true
    }

    /// Both of them.
    ///
    /// # Safety
    /// As for [`says_done`](Self::says_done) and [`leave`](Self::leave).
    unsafe fn finish(this: *const Self) {
        // SAFETY: the caller's promise.
        unsafe { Self::leave(this, Self::says_done(this)) };
    }

    /// Lets its closure go, here.
    ///
    /// # Safety
    /// Only for who has claimed it, and counts as one that uses it. The pointer is to all of it.
    pub(super) unsafe fn refuse(this: *const Self, refusal: Refusal) {
        // SAFETY: the caller counts.
        let head = unsafe { &*this };
        // What it had captured is dropped here, wherever that is.
        // SAFETY: claimed, so the closure is this one's.
        no_pause(|| unsafe { (head.methods.refuse)(this, refusal, &head.described()) });
        if let Some(extra) = &head.extra {
            // Their destructors are the user's, too.
            // SAFETY: as above.
            no_pause(|| unsafe { extra.take_locals() }.into_locals().drop_at_end());
        }
    }

    /// Cancels it, wherever it is.
    pub(super) fn cancel(&self, reason: CancelReason) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let (task, inbox) = match &*place {
            Place::Nowhere => {
                *place = Place::Cancelled(Box::new(reason));
                return;
            }
            Place::Cancelled(_) => return,
            Place::At(task, inbox) => (*task, inbox.clone()),
        };
        drop(place);
        inbox.push(Message::Cancel(task, reason));
    }

    /// Makes a task of it. `is_joined` says that whoever joins it has claimed it: then nobody can cancel it by the handle.
    ///
    /// # Safety
    /// The caller has claimed it, is counted as one that uses it, and leaves that to the task.
    pub(super) unsafe fn become_task(
        this: *const Self,
        home: &'static Home,
        is_joined: bool,
    ) -> &'static Task {
        // SAFETY: the caller counts.
        let head = unsafe { &*this };
        // SAFETY: claimed.
        let (name, locals) = unsafe { head.take_extra() };
        let request = head.request.unwrap_or_else(|| home.request());
        let making = Making { request, name, spawned_at: head.spawned_at, id: head.id };
        let around = if head.bond.is_null() { home.root() } else { home.guests() };
        // SAFETY: `make` has the promise.
        let task = unsafe { home.make(Started(this), making, around) };
        // Not those of the task that happened to run here last.
        let _ = task.swap_locals(locals);
        // SAFETY: `Started` clears it before it gives.
        task.set_ending(Some(unsafe { Ending::new(this.cast(), give_up) }));
        if !head.bond.is_null() {
            // SAFETY: its frame waits for this.
            if let Some(reason) = unsafe { (*head.bond).register(head) } {
                task.root().cancel(reason);
            }
        }
        if is_joined && head.bond.is_null() {
            return task;
        }
        let at = Place::At(RemoteTask::new(task), home.inbox());
        let mut place = head.place.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *place, at);
        drop(place);
        if let Place::Cancelled(reason) = before {
            task.root().cancel(*reason);
        }
        task
    }
}

/// The task was given up, and its job leaked.
unsafe fn give_up(head: *const (), reason: CancelReason) {
    let this = head.cast::<Head>();
    // SAFETY: the task counts as one that uses it, for ever.
    let head = unsafe { &*this };
    // Otherwise it is what nobody wants, and its destructor was given up.
    if head.state.load(Ordering::Relaxed) & DONE == 0 {
        // SAFETY: claimed for the task, which does not go on.
        let waiter = unsafe {
            (head.methods.lose)(this, reason);
            Head::says_done(this)
        };
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
    if !head.bond.is_null() {
        // SAFETY: its frame waits for it, from now on for ever.
        unsafe { Bond::doom(head.bond, &head.described()) };
    }
}

/// What a task of its own runs.
struct Started(*const Head);

impl Job for Started {
    fn run(self, task: &'static Task) {
        // SAFETY: claimed for this task, which counts as one that uses it.
        unsafe {
            ((*self.0).methods.run)(self.0, Runs { root: task.root() });
            self.ends(task);
        }
    }

    fn refuse(self, task: &'static Task, refusal: Refusal) {
        // SAFETY: as above.
        unsafe {
            Head::refuse(self.0, refusal);
            self.ends(task);
        }
    }
}

impl Started {
    /// The result is there.
    ///
    /// # Safety
    /// As for [`Head::finish`].
    unsafe fn ends(self, task: &'static Task) {
        // SAFETY: the caller's promise.
        unsafe {
            if (*self.0).bond.is_null() && Head::says_done_and_leaves(self.0) {
                return task.set_ending(None);
            }
            // While it disposes of what nobody wants it can still be cancelled, and given up.
            let waiter = Head::says_done(self.0);
            task.set_ending(None);
            let bond = (*self.0).bond;
            if !bond.is_null() {
                (*bond).unregister(&*self.0);
            }
            Head::leave(self.0, waiter);
        }
    }
}

/// Makes a task of something that a queue gave out. `None` if somebody else has started it.
pub(crate) fn start(unstarted: Unstarted, home: &'static Home) -> Option<&'static Task> {
    if !Head::of(unstarted).claim() {
        release(unstarted);
        return None;
    }
    // SAFETY: claimed; the queue's count goes to the task.
    Some(unsafe { Head::become_task(Head::at(unstarted), home, false) })
}

/// Whether it borrows from a frame that waits for it, so that its scope says when it is to end.
pub(crate) fn is_lent(unstarted: Unstarted) -> bool {
    !Head::of(unstarted).bond.is_null()
}

/// Whether somebody has started it already, so that all there is to do is to [drop](release) it.
pub(crate) fn is_started(unstarted: Unstarted) -> bool {
    Head::of(unstarted).state.load(Ordering::Relaxed) & STARTED != 0
}

/// A queue lets go of something that somebody else has started.
pub(crate) fn release(unstarted: Unstarted) {
    // SAFETY: the queue counted.
    unsafe { Head::release(Head::at(unstarted)) };
}

/// Lets go of something that a queue gave out, and that nobody will start any more.
pub(crate) fn refuse(unstarted: Unstarted) {
    let head = Head::of(unstarted);
    if !head.claim() {
        return release(unstarted);
    }
    let why = "its pool has ended";
    let reason = CancelReason::new(CancelKind::Shutdown, why, head.spawned_at);
    // SAFETY: claimed; the queue counted.
    unsafe {
        Head::refuse(Head::at(unstarted), Refusal::Cancelled(reason));
        Head::finish(Head::at(unstarted));
    }
}

/// Brings something to a crew: keeps it here, if this thread is one of theirs.
#[inline(always)]
pub(crate) fn bring(crew: &dyn Crew, unstarted: Unstarted) {
    match source_of(crew) {
        Some(source) => source.push(unstarted),
        None => bring_from_outside(crew, unstarted),
    }
}

/// This thread's share in a crew's work, if it is one of theirs.
#[inline(always)]
pub(super) fn source_of(crew: &dyn Crew) -> Option<&'static dyn crate::task::Source> {
    Home::here().filter(|home| home.crew() == crew.address())?.source()
}

/// Brings something from another thread.
#[cold]
fn bring_from_outside(crew: &dyn Crew, unstarted: Unstarted) {
    if let Err(unstarted) = crew.inject(unstarted) {
        refuse(unstarted);
    }
}

/// Runs something that borrows from this frame, and that this loop's queue has just given out, here, in the frames of the
/// task that waits for it. Nobody wants its result.
pub(super) fn run_here(unstarted: Unstarted, task: &'static Task) {
    if !Head::of(unstarted).claim() {
        return release(unstarted);
    }
    // SAFETY: claimed; the queue counted.
    unsafe {
        run_in_frames_of(task, Head::at(unstarted));
        Head::finish(Head::at(unstarted));
    }
}

/// Whether it may run in the frames of the owner of this bond when the body has ended: it borrows from there, nobody
/// wants its result any more, and it asks for no stack of its own.
pub(super) fn is_left_to(unstarted: Unstarted, bond: &Bond) -> bool {
    let head = Head::of(unstarted);
    let is_left = head.state.load(Ordering::Relaxed) & LEFT != 0;
    ptr::eq(head.bond, bond) && is_left && head.request.is_none()
}

/// Runs it in the frames of a task that waits for it, as a task of its own would: with its own number, name, task-locals
/// and boundary.
///
/// # Safety
/// The caller has claimed it, and counts as one that uses it. The pointer is to all of it.
pub(super) unsafe fn run_in_frames_of(task: &'static Task, this: *const Head) {
    // SAFETY: the caller counts.
    let head = unsafe { &*this };
    let home = task.home();
    let boundary = home.take_boundary();
    // SAFETY: claimed.
    let (name, locals) = unsafe { head.take_extra() };
    let guise = Guise { name: name.map(Rc::new), spawned_at: head.spawned_at, locals };
    let before = task.becomes(head.id, guise, boundary);
    match why_not_here(boundary) {
        // SAFETY: claimed.
        None => unsafe { (head.methods.run)(this, Runs { root: boundary }) },
        // SAFETY: as above.
        Some(reason) => unsafe { Head::refuse(this, Refusal::Cancelled(reason)) },
    }
    task.is_itself_again(before, boundary);
    home.free_boundary(boundary);
}

/// Why nothing is to begin inside this boundary; where nothing unwinds it does in any case, because whoever waits for its
/// result cannot do without.
#[inline(always)]
fn why_not_here(boundary: &'static Boundary) -> Option<CancelReason> {
    if cfg!(panic = "abort") { None } else { why_not(boundary) }
}

/// Why what is inside this boundary is cancelled.
#[inline(always)]
pub(super) fn why_not(boundary: &'static Boundary) -> Option<CancelReason> {
    if boundary.is_reached() { boundary.outermost_cancelled()?.reason() } else { None }
}
