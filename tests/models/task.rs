//! The library's inbox and waker, and what stands in for the rest of their room: on each thread of a
//! model at most one loop, with one task.

#[path = "../../src/task/inbox.rs"]
mod inbox;
#[path = "../../src/task/name.rs"]
mod name;
#[path = "../../src/task/reason.rs"]
mod reason;
#[path = "../../src/task/source.rs"]
mod source;
#[path = "../../src/task/waker.rs"]
mod waker;

pub(crate) use boundary::{Beyond, Boundary};
pub(crate) use home::Home;
pub(crate) use inbox::{Counted, Inbox, Message};
pub(crate) use locals::{Heirlooms, Locals};
pub(crate) use name::Described;
pub(crate) use reason::{CancelKind, CancelReason};
pub(crate) use record::{
    Denied, Ending, Guise, Job, Making, Possession, Refusal, Standing, Subject, TASK, Task, Wait,
    Ways,
};
pub(crate) use remote::{RemoteBoundary, RemoteTask};
pub(crate) use source::{Crew, Source, Unstarted};
pub(crate) use waker::{Waker, wake};

/// Memory of its own for a value: here a box, so that loom sees what is freed.
pub(crate) struct Kept<T>(Box<T>);

impl<T> Kept<T> {
    pub(crate) fn room() -> std::ptr::NonNull<T> {
        std::ptr::NonNull::from(Box::leak(Box::<T>::new_uninit())).cast()
    }

    /// # Safety
    /// It was written, and nobody else refers to it.
    pub(crate) unsafe fn from_raw(place: std::ptr::NonNull<T>) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { Box::from_raw(place.as_ptr()) })
    }
}

impl<T> std::ops::Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A waker of the task on this thread.
pub(crate) fn waker() -> Waker {
    Waker::of_current()
}

pub(crate) mod boundary {
    //! What can be cancelled. Each is leaked: it holds nothing of loom's.

    use std::cell::{Cell, RefCell};
    use std::ptr;

    use super::home::Home;
    use super::reason::CancelReason;

    pub(crate) struct Beyond {
        pub(crate) cancel: unsafe fn(*const Beyond, &CancelReason),
    }

    pub(crate) struct Boundary {
        reason: RefCell<Option<CancelReason>>,
        beyond: Cell<*const Beyond>,
    }

    impl Boundary {
        /// A new one.
        pub(crate) fn new() -> &'static Self {
            Box::leak(Box::new(Self { reason: RefCell::new(None), beyond: Cell::new(ptr::null()) }))
        }

        /// Cancels it, and wakes the task of this thread.
        pub(crate) fn cancel(&self, reason: CancelReason) {
            if self.reason.borrow().is_none() {
                self.reason.replace(Some(reason.clone()));
                Home.wake();
                let beyond = self.beyond.get();
                if !beyond.is_null() {
                    // SAFETY: it stays until the boundary is closed.
                    unsafe { ((*beyond).cancel)(beyond, &reason) };
                }
            }
        }

        pub(crate) unsafe fn set_beyond(&self, beyond: *const Beyond) {
            self.beyond.set(beyond);
        }

        pub(crate) fn is_reached(&self) -> bool {
            self.reason.borrow().is_some()
        }

        pub(crate) fn outermost_cancelled(&'static self) -> Option<&'static Self> {
            self.is_reached().then_some(self)
        }

        pub(crate) fn reason(&self) -> Option<CancelReason> {
            self.reason.borrow().clone()
        }
    }
}

pub(crate) mod locals {
    //! Task-local values: none.

    pub(crate) struct Locals;

    impl Drop for Locals {
        fn drop(&mut self) {}
    }

    impl Locals {
        pub(crate) fn none() -> Self {
            Self
        }

        pub(crate) fn drop_at_end(self) {}
    }

    pub(crate) struct Heirlooms;

    impl Heirlooms {
        pub(crate) fn none() -> Self {
            Self
        }

        pub(crate) fn is_empty(&self) -> bool {
            true
        }

        pub(crate) fn into_locals(self) -> Locals {
            Locals
        }
    }
}

pub(crate) mod home {
    //! A loop.

    use std::cell::{Cell, RefCell};

    use super::boundary::Boundary;
    use super::inbox::{Inbox, Message};
    use super::record::{Job, Making, Refusal, TASK, Task};
    use super::source::Source;
    use crate::model::sync::Arc;
    use crate::stacks::Request;

    /// What a task is to run, or to let go.
    type Made = Box<dyn FnOnce(Option<Refusal>)>;

    loom::thread_local! {
        /// The inbox of this thread's loop.
        static INBOX: RefCell<Option<Arc<Inbox>>> = RefCell::new(None);
        /// Whether its task was woken.
        static WOKEN: Cell<bool> = Cell::new(false);
        /// Whether its task was cancelled.
        static CANCELLED: Cell<bool> = Cell::new(false);
        /// Whether its task is given up as soon as it waits.
        static GIVEN_UP: Cell<bool> = Cell::new(false);
        /// The number of the loop, where a model is about that; else 0.
        static NUMBER: Cell<u64> = Cell::new(0);
        /// The boundary of its task.
        static ROOT: &'static Boundary = Boundary::new();
        /// What was made to be its task, and has not run.
        static MADE: RefCell<Option<Made>> = RefCell::new(None);
    }

    /// The loop of the thread that asks.
    pub(crate) struct Home;

    impl Home {
        /// Gives this thread a loop, until the guard is dropped.
        pub(crate) fn open(inbox: &Arc<Inbox>) -> Open {
            INBOX.with(|own| own.replace(Some(inbox.clone())));
            Open
        }

        /// From now on this thread's task is given up as soon as it waits.
        pub(crate) fn gives_up() {
            GIVEN_UP.with(|own| own.set(true));
        }

        /// Whether it is, or is still to be.
        pub(crate) fn is_given_up(&self) -> bool {
            GIVEN_UP.with(Cell::get)
        }

        /// It was.
        pub(crate) fn was_given_up(&self) {
            GIVEN_UP.with(|own| own.set(false));
        }

        /// Gives this thread a loop with this number, for good.
        pub(crate) fn number(number: u64) {
            NUMBER.with(|own| own.set(number));
        }

        /// Only where a model is about the number. No model wakes a task from its own thread: that is no matter
        /// of threads.
        pub(crate) fn here() -> Option<&'static Self> {
            NUMBER.with(|own| (own.get() != 0).then_some(&Self))
        }

        pub(crate) fn running_task() -> Option<&'static Task> {
            INBOX.with(|own| own.borrow().is_some().then_some(&TASK))
        }

        pub(crate) fn current_task(_: &str) -> &'static Task {
            &TASK
        }

        /// Where no model is about it, one that owns nothing.
        pub(crate) fn id(&self) -> u64 {
            NUMBER.with(|own| if own.get() == 0 { u64::MAX / 2 } else { own.get() })
        }

        pub(crate) fn current(&self) -> Option<&'static Task> {
            Self::running_task()
        }

        pub(crate) fn new_serial(&self) -> u64 {
            7
        }

        pub(crate) fn request(&self) -> Request {
            Request
        }

        pub(crate) fn root(&self) -> &'static Boundary {
            ROOT.with(|root| *root)
        }

        pub(crate) fn guests(&self) -> &'static Boundary {
            self.root()
        }

        pub(crate) fn crew(&self) -> usize {
            0
        }

        pub(crate) fn source(&self) -> Option<&'static dyn Source> {
            None
        }

        pub(crate) fn take_boundary(&self) -> &'static Boundary {
            Boundary::new()
        }

        pub(crate) fn free_boundary(&self, _: &'static Boundary) {}

        pub(crate) fn cancel_part(&self, _: super::RemoteBoundary, _: super::CancelReason) {
            CANCELLED.with(|own| own.set(true));
        }

        /// Makes the task of this thread, which does not run yet.
        pub(crate) unsafe fn make<J: Job>(
            &'static self,
            job: J,
            _: Making,
            _: &'static Boundary,
        ) -> &'static Task {
            let made: Box<dyn FnOnce(Option<Refusal>) + '_> =
                Box::new(move |refusal| match refusal {
                    None => job.run(&TASK),
                    Some(refusal) => job.refuse(&TASK, refusal),
                });
            // SAFETY: the caller's promise; only the lifetime changes.
            let made =
                unsafe { std::mem::transmute::<Box<dyn FnOnce(Option<Refusal>) + '_>, Made>(made) };
            MADE.with(|own| own.replace(Some(made)));
            &TASK
        }

        /// Whether something was made that has not run.
        pub(crate) fn has_made(&self) -> bool {
            MADE.with(|own| own.borrow().is_some())
        }

        /// Runs what was made, if it was not cancelled first. As the loop does, after it has read its mail.
        pub(crate) fn run_made(&self) {
            if self.inbox().has_mail() {
                self.inbox().read(usize::MAX, |message| self.obey(message));
            }
            let made = MADE.with(|own| own.take()).unwrap();
            let reason = self.root().reason();
            made(reason.map(Refusal::Cancelled));
        }

        pub(crate) fn inbox(&self) -> Arc<Inbox> {
            INBOX.with(|own| own.borrow().clone().unwrap())
        }

        pub(crate) fn inbox_address(&self) -> *const Inbox {
            Arc::as_ptr(&self.inbox())
        }

        /// Does what a message asks for.
        pub(crate) fn obey(&self, message: Message) {
            match message {
                Message::Wake(task) => task.here(self).unwrap().wake(),
                Message::Call(call) => call.answer(self),
                Message::Cancel(_, reason) => {
                    CANCELLED.with(|own| own.set(true));
                    self.root().cancel(reason);
                }
                Message::CancelPart(..) => CANCELLED.with(|own| own.set(true)),
                Message::Look => {}
                _ => unreachable!(),
            }
        }

        pub(crate) fn wake(&self) {
            WOKEN.with(|own| own.set(true));
        }

        /// Whether the task was woken since this was asked last.
        pub(crate) fn is_woken(&self) -> bool {
            WOKEN.with(|own| own.replace(false))
        }

        pub(crate) fn is_cancelled(&self) -> bool {
            CANCELLED.with(Cell::get)
        }
    }

    /// A loop that has not ended. Its inbox is freed with it, unless somebody else has a share.
    pub(crate) struct Open;

    impl Drop for Open {
        fn drop(&mut self) {
            drop(INBOX.with(|own| own.take()));
        }
    }
}

pub(crate) mod record {
    //! A task.

    use std::borrow::Cow;
    use std::cell::Cell;
    use std::panic::Location;
    use std::rc::Rc;

    use super::boundary::Boundary;
    use super::home::Home;
    use super::locals::{Heirlooms, Locals};
    use super::reason::CancelReason;
    use crate::stacks::Request;

    /// The task of the thread that asks.
    pub(crate) struct Task;

    pub(crate) static TASK: Task = Task;

    loom::thread_local! {
        /// What it waits for.
        static SUBJECT: Cell<Subject> = Cell::new(Subject::NONE);
        /// Who is to hear when it is given up.
        static ENDING: Cell<Option<Ending>> = Cell::new(None);
        /// Whether it waits for what others do.
        static BOUNDARY: Cell<Option<&'static Boundary>> = Cell::new(None);
    }

    pub(crate) trait Job: Sized {
        fn run(self, task: &'static Task);
        fn refuse(self, task: &'static Task, refusal: Refusal);
    }

    pub(crate) enum Refusal {
        Cancelled(CancelReason),
        NoStack(()),
    }

    pub(crate) struct Making {
        pub(crate) request: Request,
        pub(crate) name: Option<Cow<'static, str>>,
        pub(crate) spawned_at: &'static Location<'static>,
        pub(crate) id: u64,
    }

    pub(crate) struct Guise {
        pub(crate) name: Option<Rc<Cow<'static, str>>>,
        pub(crate) spawned_at: &'static Location<'static>,
        pub(crate) locals: Locals,
    }

    /// That it waits for what others do is no part of a model.
    pub(crate) struct Outside;

    impl Task {
        pub(crate) fn home(&self) -> &'static Home {
            &Home
        }

        pub(crate) fn wake(&self) {
            self.home().wake();
        }

        pub(crate) fn wake_on(&self, home: &Home) {
            home.wake();
        }

        pub(crate) fn check(&self, _: &'static Location<'static>) -> Result<(), Denied> {
            Ok(())
        }

        pub(crate) fn is_disturbed(&self) -> bool {
            false
        }

        pub(crate) fn spend(&self) {}

        pub(crate) fn spend_if_there(&self) -> bool {
            true
        }

        pub(crate) fn identity(&self) -> u64 {
            1
        }

        pub(crate) fn root(&self) -> &'static Boundary {
            Home.root()
        }

        /// The boundary that it is in.
        pub(crate) fn innermost(&self) -> &'static Boundary {
            BOUNDARY.with(Cell::get).unwrap_or_else(|| self.root())
        }

        pub(crate) fn becomes(&self, _: u64, child: Guise, boundary: &'static Boundary) -> Guise {
            BOUNDARY.with(|own| own.set(Some(boundary)));
            child
        }

        pub(crate) fn is_itself_again(&self, _: Guise, _: &'static Boundary) {
            BOUNDARY.with(|own| own.set(None));
        }

        pub(crate) fn swap_locals(&self, locals: Locals) -> Locals {
            locals
        }

        pub(crate) fn heirlooms(&self) -> Heirlooms {
            Heirlooms
        }

        pub(crate) fn has_room(&self) -> bool {
            true
        }

        pub(crate) fn waits_for_outside(&self) -> Outside {
            Outside
        }

        pub(crate) fn enqueue_first(&self) {}

        pub(crate) fn set_ending(&self, ending: Option<Ending>) {
            ENDING.with(|own| own.set(ending));
        }

        /// It is given up: tells whoever is to hear that.
        pub(crate) fn is_given_up(&self, reason: CancelReason) {
            if let Some(ending) = ENDING.with(Cell::take) {
                // SAFETY: it does not go on.
                unsafe { ending.give(reason) };
            }
        }

        pub(crate) fn is_to_end(&self) -> bool {
            self.home().is_cancelled()
        }

        pub(crate) fn waits_for(&self, wait: Wait) {
            SUBJECT.with(|own| own.set(wait.subject));
        }

        pub(crate) fn waits_no_more(&self) {
            SUBJECT.with(|own| own.set(Subject::NONE));
        }

        /// Leaves the queue that it waits in, if it is one, as a task that is given up or unwinds.
        pub(crate) fn give_up(&self) {
            let standing = SUBJECT.with(|own| own.replace(Subject::NONE)).0;
            if !standing.is_null() {
                // SAFETY: it waits there.
                unsafe { ((*standing).ways.give_up)(standing) }
            }
        }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Standing {
        pub(crate) ways: &'static Ways,
    }

    pub(crate) struct Ways {
        pub(crate) give_up: unsafe fn(*const Standing),
        pub(crate) possession: unsafe fn(*const Standing) -> Possession,
        pub(crate) hopeless: unsafe fn(*const Standing),
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Subject(*const Standing);

    impl Subject {
        pub(crate) const NONE: Self = Self(std::ptr::null());

        pub(crate) unsafe fn standing(standing: *const Standing) -> Self {
            Self(standing)
        }
    }

    #[derive(Default)]
    pub(crate) struct Possession {
        /// What else there is to say about it.
        pub(crate) words: (),
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Wait {
        pub(crate) what: &'static &'static str,
        pub(crate) at: &'static Location<'static>,
        pub(crate) subject: Subject,
    }

    impl Wait {
        pub(crate) const SCOPE: &'static &'static str = &"scope";
    }

    /// A wait for nothing that has a name.
    #[allow(non_upper_case_globals, reason = "where the library names a wait, a model does not")]
    pub(crate) const Wait: Wait =
        Wait { what: &"", at: Location::caller(), subject: Subject::NONE };

    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(crate) enum Denied {
        Cancelled,
        Unwinding,
    }

    #[derive(Clone, Copy)]
    pub(crate) struct Ending {
        pub(crate) giver: *const (),
        pub(crate) give: unsafe fn(*const (), CancelReason),
    }

    impl Ending {
        pub(crate) unsafe fn new(
            giver: *const (),
            give: unsafe fn(*const (), CancelReason),
        ) -> Self {
            Self { giver, give }
        }

        pub(crate) unsafe fn give(self, reason: CancelReason) {
            // SAFETY: the caller's promise.
            unsafe { (self.give)(self.giver, reason) }
        }
    }
}

pub(crate) mod remote {
    //! A task as other threads know it.

    use std::ptr;

    use super::boundary::Boundary;
    use super::home::Home;
    use super::record::{TASK, Task};

    #[derive(Clone, Copy)]
    pub(crate) struct RemoteTask;

    impl RemoteTask {
        pub(crate) fn new(_: &'static Task) -> Self {
            Self
        }

        pub(crate) unsafe fn waiting(_: *const Task, _: u64) -> Self {
            Self
        }

        pub(crate) fn posted(_: u64) -> Self {
            Self
        }

        pub(crate) fn id(self) -> u64 {
            1
        }

        pub(crate) fn home(self) -> u64 {
            1
        }

        pub(crate) fn here(self, _: &Home) -> Option<&'static Task> {
            Some(&TASK)
        }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct RemoteBoundary(*const Boundary);

    // SAFETY: it is followed on its own thread only.
    unsafe impl Send for RemoteBoundary {}

    impl RemoteBoundary {
        pub(crate) fn new(boundary: &'static Boundary, _: &Home) -> Self {
            Self(boundary)
        }

        pub(crate) fn is(self, boundary: &'static Boundary) -> bool {
            ptr::eq(self.0, boundary)
        }
    }
}

/// Waits in the one task of this thread's loop. As in the library, the task goes on only when it is woken
/// or cancelled; other messages leave it where it is. What it waits for counts before a cancellation.
pub(crate) fn wait_until(
    task: &'static Task,
    wait: Wait,
    done: impl Fn() -> bool,
) -> Result<(), Denied> {
    let home = task.home();
    let inbox = home.inbox();
    if home.is_given_up() {
        task.waits_for(wait);
        home.was_given_up();
        // In the library it never goes on. Here whoever waited has nothing more to do in its queue.
        task.give_up();
        return Err(Denied::Cancelled);
    }
    loop {
        if done() {
            return Ok(());
        }
        task.waits_for(wait);
        if home.is_cancelled() {
            // Loom cannot unwind; and after this, whoever waited has nothing more to do in its queue.
            task.give_up();
            return Err(Denied::Cancelled);
        }
        while !home.is_woken() && !home.is_cancelled() {
            if home.has_made() {
                home.run_made();
                continue;
            }
            if !inbox.has_mail() {
                inbox.sleep(None);
            }
            inbox.read(usize::MAX, |message| home.obey(message));
        }
    }
}

/// The same for one that was checked, and looks whether it is done after all before it ends.
pub(crate) fn wait_checked(
    task: &'static Task,
    wait: Wait,
    done: impl Fn() -> bool,
    leaves: impl Fn() -> bool,
) -> Result<(), Denied> {
    wait_until(task, wait, || done() || (task.is_to_end() && !leaves()))
}

/// The same, whatever is cancelled.
pub(crate) fn wait_shielded(task: &'static Task, _: Wait, done: impl Fn() -> bool) {
    let home = task.home();
    let inbox = home.inbox();
    while !done() {
        while !home.is_woken() {
            if !inbox.has_mail() {
                inbox.sleep(None);
            }
            inbox.read(usize::MAX, |message| home.obey(message));
        }
    }
}
