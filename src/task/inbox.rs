//! What other threads have to say to a loop, and how they wake it when it sleeps.
//!
//! ```text
//!              other threads                            the loop
//!   push the message                          sleep:   AWAKE -> ASLEEP, unless there is MAIL
//!   MAIL, and what was it before?                      park until it is not ASLEEP any more
//!     ASLEEP -> unpark the loop's thread      read:    MAIL -> AWAKE, then take messages
//!     MAIL   -> nothing to do                          (a message that comes meanwhile says MAIL again)
//! ```
//!
//! No wake is lost: a message is in the queue before its sender says MAIL, and the loop takes MAIL away
//! before it reads. If the loop looks first, it finds MAIL later, at the latest when it tries to say
//! ASLEEP; if the sender is first, the loop reads the message. A sender makes a system call only if it
//! is the one that takes ASLEEP away.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::home::Home;
use super::reason::CancelReason;
use super::remote::{RemoteBoundary, RemoteTask};
use super::waker::Call;
use crate::model::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use crate::model::sync::{Arc, Mutex, PoisonError};
use crate::model::{Queue, Thread, park, park_timeout};

/// Nothing to read, and the loop does not sleep.
const AWAKE: u8 = 0;
/// There may be something to read.
const MAIL: u8 = 1;
/// Nothing to read, and the loop's thread sleeps or is about to.
const ASLEEP: u8 = 2;

/// What other threads may say.
pub(crate) enum Message {
    /// A task may go on.
    Wake(RemoteTask),
    /// The same, said by a waker.
    Call(Call),
    /// A task is cancelled.
    Cancel(RemoteTask, CancelReason),
    /// Part of a task is cancelled.
    CancelPart(RemoteBoundary, CancelReason),
    /// Something that makes a task, or lets its closure go if the loop has ended (`None`).
    Post(Box<dyn FnOnce(Option<&'static Home>) + Send>),
    /// The closure of `run` is to end.
    Stop(&'static Location<'static>),
    /// A task of some loop was given up, and what it has will never be free.
    GivenUp,
    /// A task that borrows from this one was given up on another thread: this one cannot go on.
    Doomed(RemoteTask),
    /// Nothing: just look around.
    Look,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wake(_) => "Wake",
            Self::Call(_) => "Call",
            Self::Cancel(..) => "Cancel",
            Self::CancelPart(..) => "CancelPart",
            Self::Post(_) => "Post",
            Self::Stop(_) => "Stop",
            Self::GivenUp => "GivenUp",
            Self::Doomed(_) => "Doomed",
            Self::Look => "Look",
        })
    }
}

/// What a foreign loop wants to be called with when there is mail.
pub(crate) type OnWake = Box<dyn Fn() + Send + Sync>;

/// The half of a loop that other threads see.
pub(crate) struct Inbox {
    /// AWAKE, MAIL or ASLEEP. Every change is a swap or exchange with AcqRel: who says MAIL releases its
    /// message, who takes MAIL away acquires it.
    state: AtomicU8,
    /// The messages.
    queue: Queue<Message>,
    /// The loop's thread, to be woken.
    thread: Thread,
    /// Called for the first mail since the loop looked last.
    on_wake: Option<OnWake>,
    /// Wakers that exist. Going down with Release, read with Acquire, as the next.
    wakers: AtomicUsize,
    /// Guards that say that somebody outside will wake the loop.
    externals: AtomicUsize,
    /// Whether the loop has ended. Nothing is kept for it then. Relaxed: who comes at the same time may leave
    /// one message more, which goes with the inbox.
    closed: AtomicBool,
    /// Whether closures are still taken. A closure is pushed under this lock, so that none arrives after
    /// the loop has looked for the last time.
    open: Mutex<bool>,
}

impl Inbox {
    /// For the loop of this thread.
    pub(crate) fn new(on_wake: Option<OnWake>) -> Self {
        Self {
            state: AtomicU8::new(AWAKE),
            queue: Queue::new(),
            thread: crate::model::current(),
            on_wake,
            wakers: AtomicUsize::new(0),
            externals: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            open: Mutex::new(true),
        }
    }

    /// Whether there may be something to read.
    #[inline(always)]
    pub(crate) fn has_mail(&self) -> bool {
        // Relaxed: `read` acquires.
        self.state.load(Ordering::Relaxed) == MAIL
    }

    /// Leaves a message, and wakes the loop if it sleeps.
    pub(crate) fn push(&self, message: Message) {
        if self.closed.load(Ordering::Relaxed) {
            return;
        }
        self.queue.push(message);
        self.tell();
    }

    /// Says that there is mail, whether there is or not: the loop looks around.
    pub(crate) fn tell(&self) {
        match self.state.swap(MAIL, Ordering::AcqRel) {
            MAIL => return,
            ASLEEP => self.thread.unpark(),
            _ => {}
        }
        if let Some(on_wake) = &self.on_wake {
            on_wake();
        }
    }

    /// Leaves a closure, unless the loop has closed.
    pub(crate) fn post<F>(&self, f: F, wrap: impl FnOnce(F) -> Message) -> Result<(), F> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !*open {
            return Err(f);
        }
        self.queue.push(wrap(f));
        drop(open);
        self.tell();
        Ok(())
    }

    /// Takes no closures from now on. What is in there has to be read once more.
    pub(crate) fn close(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Whether closures are taken.
    pub(crate) fn is_open(&self) -> bool {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what there is to read, one by one, but no more than `most`: who sends for ever must not keep the
    /// loop from everything else. What is left is still mail. Only for the loop.
    pub(crate) fn read(&self, most: usize, mut each: impl FnMut(Message)) {
        self.state.swap(AWAKE, Ordering::AcqRel);
        for _ in 0..most {
            match self.queue.pop() {
                Some(message) => each(message),
                None => return,
            }
        }
        self.state.swap(MAIL, Ordering::AcqRel);
    }

    /// Sleeps until there is something to read, or for that long. Only for the loop.
    pub(crate) fn sleep(&self, at_most: Option<Duration>) {
        let fell_asleep =
            self.state.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Relaxed);
        if fell_asleep.is_err() {
            return;
        }
        match at_most {
            // One that is woken for no reason (a leftover of the thread's own parking) looks again.
            None => {
                while self.state.load(Ordering::Acquire) == ASLEEP {
                    park();
                }
            }
            Some(at_most) => park_timeout(at_most),
        }
        // Mail stays mail.
        let _ = self.state.compare_exchange(ASLEEP, AWAKE, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Whether somebody outside has said that it will wake the loop, or could, or has.
    pub(crate) fn may_be_woken(&self) -> bool {
        // Mail last: what the last of them said before it went is seen then.
        self.wakers.load(Ordering::Acquire) + self.externals.load(Ordering::Acquire) > 0
            || self.has_mail()
    }

    /// Whether somebody outside has said that it will wake the loop, or has.
    pub(crate) fn is_awaited(&self) -> bool {
        self.externals.load(Ordering::Acquire) > 0 || self.has_mail()
    }

    /// The thread of the loop.
    pub(crate) fn thread(&self) -> &Thread {
        &self.thread
    }
}

/// Counts one waker, or one guard, of a loop as long as it lives.
pub(crate) struct Counted {
    /// The loop.
    inbox: Arc<Inbox>,
    /// Which count.
    external: bool,
}

impl Counted {
    /// One more waker.
    pub(crate) fn waker(inbox: Arc<Inbox>) -> Self {
        inbox.wakers.fetch_add(1, Ordering::Relaxed);
        Self { inbox, external: false }
    }

    /// One more guard.
    pub(crate) fn external(inbox: Arc<Inbox>) -> Self {
        inbox.externals.fetch_add(1, Ordering::Relaxed);
        Self { inbox, external: true }
    }

    /// The loop.
    pub(crate) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let count = if self.external { &self.inbox.externals } else { &self.inbox.wakers };
        // Release, with the loop's Acquire: what was done under the guard has happened.
        let last = count.fetch_sub(1, Ordering::Release) == 1;
        if last && self.inbox.thread.id() != crate::model::current().id() {
            // A virtual clock may be waiting for this. On its own thread the loop looks before it sleeps.
            self.inbox.push(Message::Look);
        }
    }
}
