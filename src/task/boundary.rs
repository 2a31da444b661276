//! What can be cancelled: a tree of boundaries, each around a part of some task.
//!
//! ```text
//!   root of task A                      cancel: mark it, and everything inside it that no shield
//!     '- timeout                        keeps out; wake the tasks that wait there
//!          '- scope
//!               |- root of child B      raise: a pause that finds itself inside a marked boundary
//!               |    '- shield          unwinds to the outermost one that was itself cancelled,
//!               '- root of child C      which takes the signal by its number
//! ```
//!
//! Cancellation is level-triggered: whoever catches the signal and pauses again is unwound again,
//! until the boundary is left. Leaving an inner one does not clear an outer one.
//!
//! Boundaries are records that are reused and never freed, so a reference to one is good for ever;
//! a serial number tells whether it is still the one that was meant. Only the loop's own thread looks at them.
//! Walks over the tree do not recurse: it may be deep.
//!
//! A scope of a pool has children on other threads, which are not in the tree: its boundary knows whom to tell
//! of a cancellation beyond this thread.

#![allow(unsafe_code, reason = "tells what lies in the frame that has the boundary")]

use std::cell::Cell;
use std::ptr;

use super::reason::CancelReason;
use super::record::Task;
use crate::coroutine::new_number;

/// What a boundary is around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole task, or the whole loop.
    Root,
    /// The body of a `scope`, and its children.
    Scope,
    /// The body of a `timeout` or `cancel_scope`.
    Limit,
    /// Something that cancellations from outside do not reach yet.
    Shield,
}

/// The cancellation of one boundary.
struct Order {
    /// Why.
    reason: CancelReason,
    /// The number that its signal carries; no two have the same.
    number: u64,
    /// How often it was raised in the task that the boundary is in.
    raised: Cell<u32>,
}

/// What a boundary tells of its cancellation beyond its thread: the head of what the frame has that opened it.
pub(crate) struct Beyond {
    /// Passes the reason on.
    pub(crate) cancel: unsafe fn(*const Beyond, &CancelReason),
}

/// Something that can be cancelled.
pub(crate) struct Boundary {
    /// The task whose frames it is around; `None` for a loop, whose boundary is around none.
    task: Cell<Option<&'static Task>>,
    /// What it is.
    kind: Cell<Kind>,
    /// Whether something unshielded around it was cancelled, or itself.
    reached: Cell<bool>,
    /// Its own cancellation.
    order: Cell<Option<Box<Order>>>,
    /// The boundary around it.
    outer: Cell<Option<&'static Boundary>>,
    /// The youngest of those directly inside it.
    inner: Cell<Option<&'static Boundary>>,
    /// The next older beside it.
    older: Cell<Option<&'static Boundary>>,
    /// The next younger beside it.
    younger: Cell<Option<&'static Boundary>>,
    /// Which use of this record it is. Never the same twice in one loop.
    serial: Cell<u64>,
    /// Child tasks that have not ended.
    children: Cell<u32>,
    /// Whether its task waits for the last of them.
    awaited: Cell<bool>,
    /// Whom to tell beyond this thread; null if nobody.
    beyond: Cell<*const Beyond>,
}

impl Boundary {
    /// A record that nobody uses.
    pub(crate) const fn vacant() -> Self {
        Self {
            task: Cell::new(None),
            kind: Cell::new(Kind::Root),
            reached: Cell::new(false),
            order: Cell::new(None),
            outer: Cell::new(None),
            inner: Cell::new(None),
            older: Cell::new(None),
            younger: Cell::new(None),
            serial: Cell::new(0),
            children: Cell::new(0),
            awaited: Cell::new(false),
            beyond: Cell::new(ptr::null()),
        }
    }

    /// Puts it into use, inside `outer`.
    #[inline(always)]
    pub(crate) fn open(
        &'static self,
        kind: Kind,
        serial: u64,
        task: Option<&'static Task>,
        outer: Option<&'static Boundary>,
    ) {
        debug_assert!(!self.is_cancelled(), "a cancellation was left over");
        self.kind.set(kind);
        self.serial.set(serial);
        self.task.set(task);
        self.outer.set(outer);
        let mut reached = false;
        if let Some(outer) = outer {
            reached = outer.reached.get() && kind != Kind::Shield;
            let older = outer.inner.replace(Some(self));
            self.older.set(older);
            if let Some(older) = older {
                older.younger.set(Some(self));
            }
        }
        self.reached.set(reached);
    }

    /// Takes it out of the tree; there is nothing inside it any more. Its own cancellation, if it had
    /// one, is forgotten.
    #[inline(always)]
    pub(crate) fn close(&'static self) {
        debug_assert!(self.inner.get().is_none() && self.children.get() == 0);
        let (older, younger) = (self.older.take(), self.younger.take());
        if let Some(older) = older {
            older.younger.set(younger);
        }
        match younger {
            Some(younger) => younger.older.set(older),
            None => {
                if let Some(outer) = self.outer.get() {
                    outer.inner.set(older);
                }
            }
        }
        self.outer.set(None);
        self.task.set(None);
        self.serial.set(0);
        self.beyond.set(ptr::null());
        if self.reached.get() {
            drop(self.order.take());
        }
    }

    /// Takes it out of the tree although its task has not ended: it was given up, with all that is inside.
    pub(crate) fn detach(&'static self) {
        self.inner.set(None);
        self.children.set(0);
        self.close();
    }

    /// Whether this is still the use of the record with that number.
    pub(crate) fn is(&self, serial: u64) -> bool {
        serial != 0 && self.serial.get() == serial
    }

    /// Which use of the record it is.
    #[inline(always)]
    pub(crate) fn serial(&self) -> u64 {
        self.serial.get()
    }

    /// The boundary around it.
    #[inline(always)]
    pub(crate) fn outer(&self) -> Option<&'static Boundary> {
        self.outer.get()
    }

    /// The task that it is around a part of.
    #[inline(always)]
    pub(crate) fn task(&self) -> Option<&'static Task> {
        self.task.get()
    }

    /// Whether a pause inside it has to unwind.
    #[inline(always)]
    pub(crate) fn is_reached(&self) -> bool {
        self.reached.get()
    }

    /// Whether it was itself cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.with_order(|order| order.is_some())
    }

    /// Why it was itself cancelled.
    pub(crate) fn reason(&self) -> Option<CancelReason> {
        self.with_order(|order| order.map(|order| order.reason.clone()))
    }

    /// The number of its own cancellation; 0 if there is none.
    pub(crate) fn number(&self) -> u64 {
        self.with_order(|order| order.map_or(0, |order| order.number))
    }

    /// Counts one more time that its own cancellation is raised in its task.
    pub(super) fn raise(&self) -> u32 {
        self.with_order(|order| {
            order.map_or(0, |order| {
                order.raised.set(order.raised.get().saturating_add(1));
                order.raised.get()
            })
        })
    }

    /// Looks at its own cancellation.
    fn with_order<R>(&self, f: impl FnOnce(Option<&Order>) -> R) -> R {
        let order = self.order.take();
        let value = f(order.as_deref());
        self.order.set(order);
        value
    }

    /// Cancels it, unless it was cancelled before: the first reason stays. Tasks that wait inside are
    /// woken.
    #[cold]
    pub(crate) fn cancel(&'static self, reason: CancelReason) {
        if self.serial.get() == 0 || self.is_cancelled() {
            return;
        }
        self.order.set(Some(Box::new(Order {
            reason: reason.clone(),
            number: new_number(),
            raised: Cell::new(0),
        })));
        self.walk(|at| {
            if !ptr::eq(at, self) && at.kind.get() == Kind::Shield {
                return false;
            }
            let news = !at.reached.replace(true);
            if let Some(task) = at.task.get() {
                task.disturb(at);
            }
            if news {
                at.tell_beyond(&reason);
            }
            // What is reached already has told those inside it.
            news
        });
    }

    /// What it is around was given up: passes the reason on beyond this thread, from everywhere inside it.
    #[cold]
    pub(crate) fn abandon(&'static self, reason: &CancelReason) {
        self.walk(|at| {
            at.tell_beyond(reason);
            true
        });
    }

    /// Visits this one and all that are inside it, but nothing inside those for which `visit` says no.
    fn walk(&'static self, mut visit: impl FnMut(&'static Self) -> bool) {
        let mut at = self;
        loop {
            let inner = if visit(at) { at.inner.get() } else { None };
            at = match inner {
                Some(inner) => inner,
                None => loop {
                    if ptr::eq(at, self) {
                        return;
                    }
                    if let Some(older) = at.older.get() {
                        break older;
                    }
                    match at.outer.get() {
                        Some(outer) => at = outer,
                        None => return,
                    }
                },
            };
        }
    }

    /// Whom to tell of a cancellation beyond this thread.
    ///
    /// # Safety
    /// It stays where it is until the boundary is closed.
    pub(crate) unsafe fn set_beyond(&self, beyond: *const Beyond) {
        self.beyond.set(beyond);
    }

    /// Passes the reason on.
    fn tell_beyond(&self, reason: &CancelReason) {
        let beyond = self.beyond.get();
        if !beyond.is_null() {
            // SAFETY: `set_beyond` has the promise.
            unsafe { ((*beyond).cancel)(beyond, reason) };
        }
    }

    /// Cancels the child tasks that there are now.
    #[cold]
    pub(crate) fn cancel_children(&'static self, reason: &CancelReason) {
        let mut next = self.inner.get();
        while let Some(inner) = next {
            next = inner.older.get();
            if inner.kind.get() == Kind::Root {
                inner.cancel(reason.clone());
            }
        }
    }

    /// The number of the task that it is around a part of: of the innermost, if that runs children in its own frames.
    pub(crate) fn identity(&'static self) -> u64 {
        let mut at = self;
        // Those in between are around parts of the same one.
        while at.kind.get() != Kind::Root {
            match at.outer.get() {
                Some(outer) => at = outer,
                None => break,
            }
        }
        at.serial.get()
    }

    /// The numbers of the tasks whose frames this is in, from here out: one, and those of the children that it runs
    /// in its own frames.
    pub(crate) fn roots(&'static self) -> impl Iterator<Item = u64> {
        let task = self.task.get();
        let out = std::iter::successors(Some(self), |at| at.outer.get());
        out.take_while(move |at| at.task.get().map(ptr::from_ref) == task.map(ptr::from_ref))
            .filter(|at| at.kind.get() == Kind::Root)
            .map(|at| at.serial.get())
    }

    /// The outermost boundary from here out that was itself cancelled and that no shield keeps out.
    pub(crate) fn outermost_cancelled(&'static self) -> Option<&'static Boundary> {
        let mut found = None;
        let mut at = self;
        loop {
            if at.is_cancelled() {
                found = Some(at);
            }
            if at.kind.get() == Kind::Shield {
                return found;
            }
            match at.outer.get() {
                Some(outer) => at = outer,
                None => return found,
            }
        }
    }

    /// One more child task.
    #[inline(always)]
    pub(crate) fn add_child(&self) {
        let more = self.children.get().checked_add(1);
        self.children.set(more.expect("fewer tasks than 2^32"));
    }

    /// A child task has ended, and nothing of it is left. Whoever waits for the last one is woken.
    #[inline(always)]
    pub(crate) fn child_ended(&self) {
        let left = self.children.get() - 1;
        self.children.set(left);
        if left == 0 && self.awaited.get() {
            if let Some(task) = self.task.get() {
                task.wake();
            }
        }
    }

    /// Whether its task waits for the last child, from now on.
    pub(crate) fn await_children(&self, on: bool) {
        self.awaited.set(on);
    }

    /// Child tasks that have not ended.
    #[inline(always)]
    pub(crate) fn children(&self) -> usize {
        self.children.get() as usize
    }
}
