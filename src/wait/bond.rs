//! A frame that is lent to tasks of other threads, and left when the last of them has ended.
//!
//! ```text
//!   lend: body, which brings work to a crew --> caught --> cancel if it failed --> wait --> go on
//!                                                                                   |
//!                                        runs itself what nobody has started --------'
//! ```
//!
//! # Who counts what
//! Every child is counted twice, when it is spawned and when it has ended; all have ended when both are equal. The
//! frame's own thread counts in words that it alone writes; all others share a word, which also says whether the owner
//! waits. Who looks reads first how many have ended, and then how many were spawned: only the body and children spawn, so
//! if the two agree there was an instant at which no child was left, and nobody could spawn one afterwards.
//!
//! # Who touches what last
//! For a child on another thread the change of the shared word is the last access to the frame: whom to wake it has
//! taken out before, if somebody waits. A child on the frame's own thread wakes a task of that thread, whose record
//! is never freed.
//!
//! # Cancellation
//! The boundary of the scope is in the tree of the owner's loop; the children on other stacks are not, wherever they
//! run. They are in a list, and are told by message. A child that runs in its owner's frames is in the tree.
//!
//! # Giving up
//! A child that will not end has its owner given up with it, and with that one its owner: never a child alone, because
//! what it borrows has to stay. If that ends at a frame outside every task, the process aborts.

#![allow(unsafe_code, reason = "lends a frame to tasks whose lifetimes the compiler does not see")]

use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::ptr;

use super::errand::{
    Asked, Head, Work, bring, is_left_to, is_started, make, release, run_here, source_of,
};
use super::held::Held;
use super::sleeper::Away;
use crate::coroutine::Payload;
use crate::erase::AbortBomb;
use crate::model::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::model::sync::{Arc, Mutex, PoisonError};
use crate::model::{Thread, park};
use crate::report;
use crate::task::{
    Beyond, Boundary, CancelReason, Crew, Described, Home, Inbox, Message, RemoteBoundary,
    RemoteTask, Subject, Task, Wait, wait_shielded,
};

/// In the shared word: the owner waits, and is to be woken.
const AWAITED: usize = 1;
/// In the shared word: one child.
const CHILD: usize = 2;

/// Whose frame it is.
enum Owner {
    /// A task's.
    Task {
        /// The task. Only for its own thread.
        task: &'static Task,
        /// The same, for others.
        remote: RemoteTask,
        /// Its boundary.
        boundary: RemoteBoundary,
        /// The number of its loop.
        home: u64,
        /// Its loop's inbox, which is there while the task waits, and for ever if it was given up.
        inbox: *const Inbox,
    },
    /// One on a plain thread.
    Thread(Thread),
}

/// What several threads look at under the lock.
struct Within {
    /// Why no child is to begin any more.
    cancelled: Option<CancelReason>,
    /// The children that have begun on stacks of their own.
    members: Vec<*const Head>,
    /// The payload of the first that panicked.
    first: Option<Payload>,
    /// Whether the body had failed before that.
    body_was_first: bool,
}

/// What a frame has for the tasks that it is lent to.
#[repr(C)]
pub(crate) struct Bond {
    /// What its boundary tells of a cancellation.
    beyond: Beyond,
    /// Whose frame it is.
    owner: Owner,
    /// Children spawned by the owner's thread. Only that one writes it.
    spawned_here: AtomicUsize,
    /// Children that have ended on the owner's thread. Only that one writes it.
    ended_here: AtomicUsize,
    /// Children spawned elsewhere: by children, for the owner's body is on its thread. Relaxed: those add before they
    /// end, and their end is released.
    spawned_away: AtomicUsize,
    /// Children that have ended elsewhere, times two; and whether the owner waits.
    ended_away: AtomicUsize,
    /// Children that the owner has run itself while the queue still has them. Only the owner's thread uses it.
    left_behind: AtomicUsize,
    /// Whether a child has panicked. Relaxed: the owner looks when it has seen the child's end.
    is_marred: AtomicBool,
    /// What is under the lock. No user code runs there.
    within: Mutex<Within>,
}

// SAFETY: the owner's task is used on its own thread only, and the pointers under the lock are to what children have
// registered and take out again before they end.
unsafe impl Send for Bond {}
// SAFETY: as above.
unsafe impl Sync for Bond {}

/// One more, in a word that only this thread writes.
#[inline(always)]
fn count(word: &AtomicUsize) {
    word.store(word.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// The boundary was cancelled.
unsafe fn cancel_beyond(beyond: *const Beyond, reason: &CancelReason) {
    // SAFETY: it is the head of a bond, which stays until the boundary is closed.
    unsafe { (*beyond.cast::<Bond>()).cancel_all(reason) };
}

impl Bond {
    /// The bond of a frame of this task, inside this boundary; or of a plain thread's.
    #[inline(always)]
    fn new(owner: Option<(&'static Task, &'static Boundary)>) -> Self {
        let owner = match owner {
            Some((task, boundary)) => Owner::Task {
                task,
                remote: RemoteTask::new(task),
                boundary: RemoteBoundary::new(boundary, task.home()),
                home: task.home().id(),
                inbox: task.home().inbox_address(),
            },
            None => Owner::Thread(crate::model::current()),
        };
        Self {
            beyond: Beyond { cancel: cancel_beyond },
            owner,
            spawned_here: AtomicUsize::new(0),
            ended_here: AtomicUsize::new(0),
            spawned_away: AtomicUsize::new(0),
            ended_away: AtomicUsize::new(0),
            left_behind: AtomicUsize::new(0),
            is_marred: AtomicBool::new(false),
            within: Mutex::new(Within {
                cancelled: None,
                members: Vec::new(),
                first: None,
                body_was_first: false,
            }),
        }
    }

    /// What is under the lock.
    fn within(&self) -> crate::model::sync::MutexGuard<'_, Within> {
        self.within.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is the thread of the owner's loop.
    #[inline(always)]
    fn is_here(&self) -> bool {
        match &self.owner {
            Owner::Task { home, .. } => Home::here().is_some_and(|here| here.id() == *home),
            Owner::Thread(_) => false,
        }
    }

    /// One more child.
    #[inline(always)]
    fn spawned(&self) {
        if self.is_here() {
            count(&self.spawned_here);
        } else {
            self.spawned_away.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A child has ended, and nothing of it is left.
    ///
    /// # Safety
    /// The child was counted when it was spawned, and the caller touches nothing of the frame afterwards.
    pub(super) unsafe fn child_ended(this: *const Self) {
        // SAFETY: the frame waits for this child.
        let bond = unsafe { &*this };
        if bond.is_here() {
            count(&bond.ended_here);
            if bond.ended_away.load(Ordering::Relaxed) & AWAITED != 0 {
                if let Owner::Task { task, .. } = &bond.owner {
                    task.wake();
                }
            }
            return;
        }
        // SAFETY: the caller's promise.
        unsafe { Self::child_ended_away(this) };
    }

    /// The same on another thread.
    ///
    /// # Safety
    /// As for [`child_ended`](Self::child_ended).
    unsafe fn child_ended_away(this: *const Self) {
        // SAFETY: the frame waits for this child.
        let bond = unsafe { &*this };
        let mut ended = bond.ended_away.load(Ordering::Relaxed);
        let mut waiter = None;
        loop {
            if ended & AWAITED != 0 && waiter.is_none() {
                waiter = Some(bond.waiter());
            }
            // Release: all that the child did. From here on the frame may be gone. Acquire: that somebody waits.
            match bond.ended_away.compare_exchange(
                ended,
                ended + CHILD,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(other) => ended = other,
            }
        }
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    /// The owner, to be woken when the frame may be gone.
    fn waiter(&self) -> Away {
        match &self.owner {
            Owner::Task { remote, .. } => Away::Task(*remote, self.inbox().expect("a task's")),
            Owner::Thread(thread) => Away::Thread(thread.clone()),
        }
    }

    /// The inbox of the owner's loop.
    fn inbox(&self) -> Option<Arc<Inbox>> {
        let Owner::Task { inbox, .. } = &self.owner else { return None };
        // SAFETY: the owner's frame is there, so its loop has not ended, or had to give it up and has left its inbox where it
        // was; and a loop has its inbox in an `Arc`.
        unsafe {
            Arc::increment_strong_count(*inbox);
            Some(Arc::from_raw(*inbox))
        }
    }

    /// Children that have not ended. Exact for the owner when the body has ended, for nobody but children spawn then; by
    /// the time that others see it, there may be others.
    #[inline(always)]
    fn children(&self) -> usize {
        // First who has ended. Acquire: what those did, and whom they had spawned.
        let ended = self.ended_here.load(Ordering::Relaxed)
            + self.ended_away.load(Ordering::Acquire) / CHILD;
        let spawned =
            self.spawned_here.load(Ordering::Relaxed) + self.spawned_away.load(Ordering::Relaxed);
        // Others may see the end of one sooner than its spawn.
        spawned.saturating_sub(ended)
    }

    /// Whether all children have ended. Only for the owner, when the body has.
    #[inline(always)]
    fn is_over(&self) -> bool {
        self.children() == 0
    }

    /// A child begins on a stack of its own. The reason comes back if it should not.
    pub(super) fn register(&self, child: &Head) -> Option<CancelReason> {
        let mut within = self.within();
        let place = within.members.len();
        // SAFETY: under the lock.
        child.member.with_mut(|member| unsafe { *member = place });
        within.members.push(child);
        within.cancelled.clone()
    }

    /// It has ended, or is about to.
    pub(super) fn unregister(&self, child: &Head) {
        let mut within = self.within();
        // SAFETY: under the lock.
        let place = child.member.with_mut(|member| unsafe { *member });
        within.members.swap_remove(place);
        if let Some(moved) = within.members.get(place) {
            // SAFETY: those in the list have not ended, and this is under the lock.
            unsafe { (**moved).member.with_mut(|member| *member = place) };
        }
    }

    /// Cancels all children, those that are yet to begin included. The first reason stays.
    #[cold]
    fn cancel_all(&self, reason: &CancelReason) {
        let mut within = self.within();
        if within.cancelled.is_none() {
            within.cancelled = Some(reason.clone());
            for child in &within.members {
                // SAFETY: as in `unregister`.
                unsafe { (**child).cancel(reason.clone()) };
            }
        }
    }

    /// Cancels the scope: its children, and its body.
    #[cold]
    fn cancel(&self, reason: CancelReason) {
        match &self.owner {
            Owner::Task { boundary, .. } if self.is_here() => {
                if let Some(home) = Home::here() {
                    home.cancel_part(*boundary, reason);
                }
            }
            Owner::Task { boundary, .. } => {
                self.cancel_all(&reason);
                if let Some(inbox) = self.inbox() {
                    inbox.push(Message::CancelPart(*boundary, reason));
                }
            }
            Owner::Thread(_) => self.cancel_all(&reason),
        }
    }

    /// A child will not end: the owner cannot go on.
    ///
    /// # Safety
    /// The frame is there.
    #[cold]
    pub(super) unsafe fn doom(this: *const Self, child: &Described<'_>) {
        // SAFETY: the caller's promise.
        let bond = unsafe { &*this };
        match (&bond.owner, bond.inbox()) {
            (Owner::Task { remote, .. }, Some(inbox)) => inbox.push(Message::Doomed(*remote)),
            _ => report::abort(format!(
                "task {child} does not end although it was cancelled, and borrows from a frame outside every task, \
                 which cannot be left: let the cancellation pass (see `is_cancel`), and do not wait behind a `shield` \
                 for what may never come"
            )),
        }
    }

    /// The owner has run a child that the queue still has.
    pub(super) fn leaves_behind(&self) {
        count(&self.left_behind);
    }

    /// Takes out of the queue what was left behind there, as far as it is on top.
    fn sweep(&self, crew: &dyn Crew) {
        let many = self.left_behind.load(Ordering::Relaxed);
        if many == 0 {
            return;
        }
        let Some(source) = source_of(crew) else { return };
        for _ in 0..many {
            match source.pop() {
                Some(unstarted) if is_started(unstarted) => release(unstarted),
                Some(unstarted) => return source.put_back(unstarted),
                None => return,
            }
        }
    }

    /// Runs, in the frames of the owner, the children that nobody has started and whose results nobody wants, as far as
    /// they are on top of the queue.
    fn run_rest(&self, task: &'static Task, crew: &dyn Crew) {
        let Some(source) = source_of(crew) else { return };
        while !self.is_over() && task.has_room() {
            let Some(unstarted) = source.pop() else { return };
            if is_started(unstarted) {
                release(unstarted);
                continue;
            }
            if !is_left_to(unstarted, self) {
                return source.put_back(unstarted);
            }
            run_here(unstarted, task);
        }
    }

    /// Waits until all children have ended.
    #[cold]
    #[inline(never)]
    fn wait(&self, crew: &dyn Crew, at: &'static Location<'static>) {
        match &self.owner {
            Owner::Task { task, .. } => {
                self.run_rest(task, crew);
                if self.is_over() {
                    return;
                }
                // Release: the owner, for whoever wakes it.
                self.ended_away.fetch_or(AWAITED, Ordering::AcqRel);
                let _outside = task.waits_for_crew(crew.address());
                let wait = Wait { what: Wait::SCOPE, at, subject: Subject::NONE };
                wait_shielded(task, wait, || self.is_over());
            }
            Owner::Thread(_) => {
                self.ended_away.fetch_or(AWAITED, Ordering::AcqRel);
                while !self.is_over() {
                    park();
                }
            }
        }
    }
}

/// A frame that is lent to tasks of a pool: what [`Pool::scope`](crate::Pool::scope) gives to its closure.
///
/// Tasks spawned with it may refer to whatever outlives `'scope`: to what the caller of `scope` owns
/// (`'env`), and to the scope itself. They run on any thread of the pool, and so does what they spawn.
pub struct Scope<'scope, 'env: 'scope> {
    /// What the frame has for its children.
    bond: Bond,
    /// Where the children go.
    crew: &'scope dyn Crew,
    /// Neither longer nor shorter: children are counted for exactly this frame.
    scope: PhantomData<&'scope mut &'scope ()>,
    /// What the children may refer to.
    env: PhantomData<&'env mut &'env ()>,
}

impl<'scope> Scope<'scope, '_> {
    /// Brings work to the crew that may refer to what outlives `'scope`.
    #[inline(always)]
    pub(crate) fn bring<W: Work + Send + 'scope>(
        &'scope self,
        work: W,
        asked: Asked,
    ) -> Held<W::Given>
    where
        W::Given: Send,
    {
        self.bond.spawned();
        // SAFETY: what the work refers to outlives `'scope`, and so does what its result refers to, and whoever has the
        // handle does not outlive it either; `lend_abroad` does not return before both counts agree. All of it is `Send`.
        let (unstarted, held) = unsafe { make(work, asked, self.crew, &raw const self.bond) };
        bring(self.crew, unstarted);
        held
    }

    /// Where the children go.
    #[inline(always)]
    pub(crate) fn crew(&self) -> &'scope dyn Crew {
        self.crew
    }

    /// Whether what a child of this scope does may as well be done in the frames of this task, which waits for that: it
    /// is the owner, nothing between the scope and here could end the wait before the child ends, and there is room.
    #[inline(always)]
    pub(crate) fn is_owner(&self, task: &'static Task) -> bool {
        match &self.bond.owner {
            Owner::Task { task: owner, boundary, .. } => {
                ptr::eq(*owner, task) && boundary.is(task.innermost()) && task.has_room()
            }
            Owner::Thread(_) => false,
        }
    }

    /// A child has panicked. False if another one had, or the body: then the payload comes back.
    #[cold]
    pub(crate) fn child_panicked(&self, payload: Payload, why: CancelReason) -> Option<Payload> {
        let mut within = self.bond.within();
        let late = within.first.is_some() || within.body_was_first;
        let payload = if late { Some(payload) } else { within.first.replace(payload) };
        drop(within);
        self.bond.is_marred.store(true, Ordering::Relaxed);
        self.bond.cancel(why);
        payload
    }

    /// Children that have not ended.
    pub(crate) fn count(&self) -> usize {
        self.bond.children()
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("children", &self.count()).finish_non_exhaustive()
    }
}

/// Lends this frame to what `body` brings to a crew, and gives what came of the body, and the first panic of a child. It
/// comes back when all have ended.
///
/// `owner` is the task whose frame this is, and the boundary that is open for it; `None` on a plain thread. If the body
/// fails, the children are cancelled, for the reason that `why` gives.
#[inline(always)]
#[allow(clippy::type_complexity, reason = "what came of the body, and the first panic of a child")]
pub(crate) fn lend_abroad<'env, T>(
    owner: Option<(&'static Task, &'static Boundary)>,
    crew: &dyn Crew,
    at: &'static Location<'static>,
    why: impl FnOnce() -> CancelReason,
    body: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
) -> (Result<T, Payload>, Option<Payload>) {
    let scope = Scope { bond: Bond::new(owner), crew, scope: PhantomData, env: PhantomData };
    let bomb = AbortBomb::arm("tasks of a pool that borrow from it");
    if let Some((_, boundary)) = owner {
        if let Some(reason) = super::errand::why_not(boundary) {
            scope.bond.cancel_all(&reason);
        }
        // SAFETY: taken back below, before the frame is left.
        unsafe { boundary.set_beyond(&raw const scope.bond.beyond) };
    }
    let result = catch_unwind(AssertUnwindSafe(|| body(&scope)));
    if result.is_err() {
        let mut within = scope.bond.within();
        within.body_was_first = within.first.is_none();
    }
    if !scope.bond.is_over() {
        if result.is_err() {
            scope.bond.cancel(why());
        }
        scope.bond.wait(crew, at);
    }
    scope.bond.sweep(crew);
    if let Some((_, boundary)) = owner {
        // SAFETY: there is nobody to be told any more.
        unsafe { boundary.set_beyond(ptr::null()) };
    }
    // Otherwise the bomb goes off: children would go on with what this frame owns.
    if scope.bond.is_over() {
        bomb.disarm();
    }
    // The lock is not worth taking for nothing.
    let is_marred = scope.bond.is_marred.load(Ordering::Relaxed);
    let first = if is_marred { scope.bond.within().first.take() } else { None };
    (result, first)
}
