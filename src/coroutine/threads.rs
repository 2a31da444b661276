//! The switch without assembly, for Miri: each coroutine runs on a system thread of its own, and only
//! the thread that has the baton runs.
//!
//! ```text
//!   thread that resumes                           the coroutine's thread
//!     resume: passes the baton in      ------>      its first frame, or the pause that it was in
//!     ...waits on the coroutine's link              runs
//!     goes on                          <------      suspend, or the end: passes the baton out
//!                                                   ...waits on the link, or is joined
//! ```
//!
//! A baton belongs to a coroutine and not to its thread: who pauses an outer coroutine from inside an
//! inner one waits on the outer one's link, on the inner one's thread, and goes on there. So frames that
//! leave together come back together, as they do on stacks.
//!
//! The slot is there as it is natively, with tag, record, closure and signpost, only frames are not in
//! it. What the stack pointer says natively, an address in the slot says here ([`stack_pointer`]): with
//! it, the rooms' own code finds out who runs.
//!
//! What a run under Miri therefore does not see: corosensei's switch, where frames and the parent link
//! lie, guards and the reuse of stacks, what one thread's coroutines have in common. Thread-locals are
//! the main thing in that: here each coroutine has a set of its own, std's panic count among them. Of
//! ours [`anchor`](super::anchor) travels with the baton, [`panicking`](super::context::panicking) adds
//! up, and the stack room's idle lists are not used. A coroutine that is forgotten or given up leaves
//! its thread waiting for ever, which Miri counts as a leak.

#![allow(unsafe_code, reason = "lends frames and values to other system threads")]

use std::cell::Cell;
use std::mem;
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use corosensei::CoroutineResult;
use corosensei::stack::Stack;

use super::anchor::{anchor, set_anchor};
use super::parcel::Word;
use crate::stacks;

thread_local! {
    /// The stack base of the coroutine whose thread this is; null on any other.
    static BASE: Cell<*const ()> = const { Cell::new(ptr::null()) };
}

/// The stack base of the coroutine that runs here, if one does.
pub(crate) fn base() -> Option<*const ()> {
    Some(BASE.get()).filter(|base| !base.is_null())
}

/// The address that stands for the frames of whatever runs here: on a coroutine's thread one in its
/// slot, on any other thread one that is in no slot.
pub(crate) fn stack_pointer() -> usize {
    match base() {
        Some(base) => base.addr() - 1,
        None => BASE.with(|here| ptr::from_ref(here).addr()),
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Whoever resumes it, or may.
    Resumer,
    /// The coroutine, or what runs inside it.
    Coroutine,
    /// Nobody's: the body has returned, its thread is about to end.
    Over,
}

/// What passes between the two sides.
struct Baton {
    /// Whose turn it is.
    turn: Turn,
    /// What a pause hands out.
    word: Word,
    /// The logical thread's anchor.
    anchor: *const (),
}

// SAFETY: plain words; what they lead to is the affair of whoever has the baton.
unsafe impl Send for Baton {}

/// Between a coroutine and its resumers.
struct Link {
    /// The baton.
    baton: Mutex<Baton>,
    /// Notified when it is passed.
    passed: Condvar,
}

impl Link {
    /// Passes the baton.
    fn pass(&self, turn: Turn, word: Word) {
        let mut baton = self.baton.lock().unwrap_or_else(PoisonError::into_inner);
        *baton = Baton { turn, word, anchor: anchor() };
        self.passed.notify_all();
    }

    /// Waits while it is this side's turn. Returns whose it is then, and the word that came with it.
    fn wait_while(&self, turn: Turn) -> (Turn, Word) {
        let baton = self.baton.lock().unwrap_or_else(PoisonError::into_inner);
        let baton = self
            .passed
            .wait_while(baton, |baton| baton.turn == turn)
            .unwrap_or_else(PoisonError::into_inner);
        set_anchor(baton.anchor);
        (baton.turn, baton.word)
    }
}

/// Takes what is not `Send` to another thread.
struct Crossing<T>(T);

// SAFETY: one of the threads of a logical thread runs at a time, and the baton's mutex orders what they
// do: values that stay on a logical thread are never touched by two at once.
unsafe impl<T> Send for Crossing<T> {}

impl<T> Crossing<T> {
    /// What was taken along. A method, so that closures capture the whole.
    fn arrive(self) -> T {
        self.0
    }
}

/// The inner end of a coroutine. Lies in the first frame on its thread.
pub(crate) struct Yielder {
    /// Between it and its resumers.
    link: Arc<Link>,
    /// The stack base, where the signpost begins.
    base: *const (),
}

impl Yielder {
    /// The stack base, where the signpost begins.
    pub(crate) fn base(&self) -> *const () {
        self.base
    }

    /// Hands a word to the resumer and waits for the next resume.
    pub(crate) fn suspend(&self, word: Word) {
        self.link.pass(Turn::Resumer, word);
        self.link.wait_while(Turn::Resumer);
    }
}

/// The first frame of a coroutine.
type Entry<'a, Return> = Box<dyn FnOnce(&Yielder, ()) -> Return + 'a>;

/// A coroutine on a system thread of its own.
pub(crate) struct Coroutine<Return, S> {
    /// Its first frame, until it runs first.
    entry: Option<Entry<'static, Return>>,
    /// Its thread, from then until it has ended.
    thread: Option<JoinHandle<Crossing<Return>>>,
    /// Between it and its resumers.
    link: Arc<Link>,
    /// Its stack, which it does not run on.
    stack: S,
}

impl<Return, S: Stack> Coroutine<Return, S> {
    /// A coroutine that has not run; its thread is started when it does.
    ///
    /// # Safety
    /// A signpost lies at the stack's base. What `entry` refers to stays there until the coroutine has
    /// ended, or for ever.
    pub(crate) unsafe fn with_stack_unchecked<F>(stack: S, entry: F) -> Self
    where
        F: FnOnce(&Yielder, ()) -> Return,
    {
        let entry: Entry<'_, Return> = Box::new(entry);
        // SAFETY: only the lifetime changes, and the caller promises that.
        let entry = unsafe { mem::transmute::<Entry<'_, Return>, Entry<'static, Return>>(entry) };
        let baton = Baton { turn: Turn::Resumer, word: Word::uninit(), anchor: ptr::null() };
        let link = Arc::new(Link { baton: Mutex::new(baton), passed: Condvar::new() });
        Self { entry: Some(entry), thread: None, link, stack }
    }

    /// Whether it has ended.
    pub(crate) fn done(&self) -> bool {
        self.entry.is_none() && self.thread.is_none()
    }

    /// Lets it run until it pauses or ends.
    pub(crate) fn resume(&mut self, (): ()) -> CoroutineResult<Word, Return> {
        self.link.pass(Turn::Coroutine, Word::uninit());
        if let Some(entry) = self.entry.take() {
            self.start(entry);
        }
        let (turn, word) = self.link.wait_while(Turn::Coroutine);
        if turn == Turn::Resumer {
            return CoroutineResult::Yield(word);
        }
        let thread = self.thread.take().expect("it has run, so it has a thread");
        // Joined before anything else happens: the destructors of its thread-locals run on it.
        let Ok(value) = thread.join() else { unreachable!("the first frame catches panics") };
        CoroutineResult::Return(value.arrive())
    }

    /// Starts its thread, which begins with the baton.
    fn start(&mut self, entry: Entry<'static, Return>) {
        let base = stacks::at(self.stack.base().get());
        let yielder = Yielder { link: self.link.clone(), base };
        let crossing = Crossing((entry, yielder));
        let first_frame = move || {
            let (entry, yielder) = crossing.arrive();
            BASE.set(yielder.base);
            yielder.link.wait_while(Turn::Resumer);
            let value = entry(&yielder, ());
            yielder.link.pass(Turn::Over, Word::uninit());
            Crossing(value)
        };
        let builder = thread::Builder::new().name("coroutine".to_owned());
        // SAFETY: what it refers to outlives it, by the promise that the coroutine was made with.
        let thread = unsafe { builder.spawn_unchecked(first_frame) };
        self.thread = Some(thread.expect("Miri starts as many threads as one likes"));
    }
}
