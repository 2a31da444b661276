//! The library's inbox and waker, and what stands in for the rest of their room: on each thread of a
//! model at most one loop, with one task.

#[path = "../../src/task/inbox.rs"]
mod inbox;
#[path = "../../src/task/reason.rs"]
mod reason;
#[path = "../../src/task/waker.rs"]
mod waker;

pub(crate) use home::Home;
pub(crate) use inbox::{Counted, Inbox, Message};
pub(crate) use reason::{CancelKind, CancelReason};
pub(crate) use record::{Denied, Ending, Possession, Standing, Subject, TASK, Task, Wait, Ways};
pub(crate) use remote::RemoteTask;
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

pub(crate) mod home {
    //! A loop.

    use std::cell::{Cell, RefCell};

    use super::inbox::{Inbox, Message};
    use super::record::{TASK, Task};
    use crate::model::sync::Arc;

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

        pub(crate) fn id(&self) -> u64 {
            NUMBER.with(Cell::get)
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
                Message::Cancel(..) => CANCELLED.with(|own| own.set(true)),
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

    use std::cell::Cell;
    use std::panic::Location;

    use super::home::Home;
    use super::reason::CancelReason;

    /// The task of the thread that asks.
    pub(crate) struct Task;

    pub(crate) static TASK: Task = Task;

    loom::thread_local! {
        /// What it waits for.
        static SUBJECT: Cell<Subject> = Cell::new(Subject::NONE);
    }

    impl Task {
        pub(crate) fn home(&self) -> &'static Home {
            &Home
        }

        pub(crate) fn wake(&self) {
            self.home().wake();
        }

        pub(crate) fn check(&self, _: &'static Location<'static>) -> Result<(), Denied> {
            Ok(())
        }

        pub(crate) fn spend(&self) {}

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

    #[derive(Debug)]
    pub struct TaskId(pub(crate) u64);

    #[derive(Clone, Copy)]
    pub(crate) struct Wait {
        pub(crate) subject: Subject,
        /// What else there is to say about it.
        pub(crate) words: (),
    }

    /// A wait for nothing that has a name.
    #[allow(non_upper_case_globals, reason = "where the library names a wait, a model does not")]
    pub(crate) const Wait: Wait = Wait { subject: Subject::NONE, words: () };

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
    }
}

pub(crate) mod remote {
    //! A task as other threads know it.

    use super::home::Home;
    use super::record::{TASK, Task};

    #[derive(Clone, Copy)]
    pub(crate) struct RemoteTask;

    impl RemoteTask {
        pub(crate) fn new(_: &'static Task) -> Self {
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

    pub(crate) struct RemoteBoundary;
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
            if !inbox.has_mail() {
                inbox.sleep(None);
            }
            inbox.read(usize::MAX, |message| home.obey(message));
        }
    }
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
