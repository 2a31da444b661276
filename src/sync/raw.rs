//! The lock in [`Mutex`](super::Mutex) and [`RwLock`](super::RwLock), without what it guards.
//!
//! ```text
//!   free ---- exclusive ---> held by one ---- release --> is anybody waiting? --> no: free
//!     '------ shared ------> held by many --- the last release --^     '--> yes: it is the first one's,
//!                                                                       or, if that one shares, all the
//!                                                                       first ones' who share
//! ```
//!
//! A lock that is released is handed over before anybody else can see it free. Whoever comes when others wait
//! goes behind them, also who could share with those that have it: so nobody waits for ever.

use std::fmt::Display;
use std::panic::Location;

use super::stats::Stats;
use crate::report;
use crate::task::{Denied, Holder, Home, Possession, Subject, Wait};
use crate::wait::{Asker, Attempt, Locked, Operation, Queue, Woken, wake};

/// A lock that many may share or one may have.
pub(super) struct Raw {
    /// Who has it, and who waits.
    state: Locked<State>,
}

/// What is behind the lock's own lock.
struct State {
    /// How many share it.
    sharing: usize,
    /// Whether one has it alone.
    exclusive: bool,
    /// Who has it, if one does and no other has had it together with that one.
    holder: Option<Holder>,
    /// One of those who have it, if all of them are of one loop or thread.
    beside: Option<Holder>,
    /// Who waits.
    waiting: Queue<Request>,
}

/// What somebody asks for, and whether it was granted.
struct Request {
    /// Alone.
    exclusive: bool,
    /// Who asks.
    holder: Holder,
    /// Whether it was granted.
    granted: bool,
}

impl State {
    /// Grants a request if nobody is in its way.
    #[inline(always)]
    fn take(&mut self, request: &mut Request) -> bool {
        if self.exclusive || (request.exclusive && self.sharing > 0) {
            return false;
        }
        self.note(request.exclusive, request.holder);
        request.granted = true;
        true
    }

    /// One more has it.
    #[inline(always)]
    fn note(&mut self, exclusive: bool, holder: Holder) {
        if self.sharing == 0 {
            self.holder = Some(holder);
            self.beside = Some(holder);
        } else {
            self.holder = None;
            self.beside = self.beside.filter(|other| other.is_beside(&holder));
        }
        self.exclusive = exclusive;
        self.sharing += usize::from(!exclusive);
    }

    /// Whether whoever has it was given up, so that it will never be free.
    fn is_hopeless(&self) -> bool {
        self.holder.is_some_and(|holder| holder.is_given_up())
    }

    /// One who had it has it no more.
    #[inline(always)]
    fn give_back(&mut self, exclusive: bool) {
        if exclusive {
            self.exclusive = false;
        } else {
            self.sharing -= 1;
        }
        // Of several nobody knows which one is left.
        self.holder = None;
        if self.sharing == 0 {
            self.beside = None;
        }
    }

    /// Hands it to the first who waits, if nobody is in the way.
    #[inline(always)]
    fn hand_over(&mut self) -> Option<Woken> {
        let exclusive = self.waiting.first(|request| request.exclusive)?;
        if self.exclusive || (exclusive && self.sharing > 0) {
            return None;
        }
        let handed = self.waiting.complete(|request| {
            request.granted = true;
            (request.exclusive, request.holder)
        });
        let ((exclusive, holder), woken) = handed?;
        self.note(exclusive, holder);
        Some(woken)
    }
}

/// Taking it.
struct Taking;

impl Operation for Taking {
    type State = State;
    type Slot = Request;

    #[inline(always)]
    fn attempt(state: &mut State, slot: &mut Request) -> Attempt {
        if state.waiting.is_empty() && state.take(slot) {
            return Attempt::Done(None);
        }
        // Then it is done, and not granted.
        if state.is_hopeless() { Attempt::Done(None) } else { Attempt::Wait }
    }

    #[inline(always)]
    fn queue(state: &mut State) -> &mut Queue<Request> {
        &mut state.waiting
    }

    fn pass_on(state: &mut State, slot: &mut Request) -> Option<Woken> {
        if std::mem::take(&mut slot.granted) {
            state.give_back(slot.exclusive);
        }
        state.hand_over()
    }

    fn left(state: &mut State, _: &mut Request) -> Option<Woken> {
        state.hand_over()
    }

    fn give_up_waiting(state: &mut State) -> Option<Woken> {
        state.waiting.complete(|_| ()).map(|((), woken)| woken)
    }

    const MAY_BE_HOPELESS: bool = true;

    fn is_hopeless(state: &State) -> bool {
        state.is_hopeless()
    }

    fn possession(state: &State) -> Possession {
        let taken = state.exclusive || state.sharing > 0;
        let elsewhere = taken && state.beside.is_none_or(|holder| !holder.is_here());
        Possession { holder: state.holder, elsewhere }
    }
}

impl Raw {
    /// A lock that is free.
    pub(super) const fn new() -> Self {
        let waiting = Queue::new();
        let state = State { sharing: 0, exclusive: false, holder: None, beside: None, waiting };
        Self { state: Locked::new(state) }
    }

    /// Takes it, alone or not, and waits until that is possible. What `what` names is what one called.
    #[inline(always)]
    #[track_caller]
    pub(super) fn take(
        &self,
        exclusive: bool,
        what: &'static &'static str,
        at: &'static Location<'static>,
    ) {
        let asker = Asker::at_hand(at);
        let request = Request { exclusive, holder: Holder::here(at), granted: false };
        let wait = Wait { what, at, subject: Subject::NONE };
        let request = match self.state.operate::<Taking>(asker, wait, request) {
            Ok(request) => request,
            Err((denied, request)) => self.take_all_the_same(denied, wait, request),
        };
        if !request.granted {
            self.hopeless(wait);
        }
    }

    /// It will never be free.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn hopeless(&self, wait: Wait) -> ! {
        let holder = self.state.with(|state| state.holder);
        let holder = holder.map_or("somebody".to_owned(), |holder| holder.to_string());
        panic!("`{}` at {} would wait for ever: {holder}", wait.what, wait.at);
    }

    /// Takes it alone, whatever is cancelled meanwhile.
    #[inline(always)]
    #[track_caller]
    pub(super) fn take_shielded(
        &self,
        what: &'static &'static str,
        at: &'static Location<'static>,
    ) {
        let request = Request { exclusive: true, holder: Holder::here(at), granted: false };
        let wait = Wait { what, at, subject: Subject::NONE };
        let request = match Home::running_task() {
            Some(task) => self.state.insist::<Taking>(task, wait, request),
            // In its turn, as everybody: it had the lock before, so that it may wait here. A thread always may.
            None => match self.state.operate::<Taking>(Asker::Thread, wait, request) {
                Ok(request) | Err((_, request)) => request,
            },
        };
        if !request.granted {
            self.hopeless(wait);
        }
    }

    /// Takes it where one cannot pause.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn take_all_the_same(&self, denied: Denied, wait: Wait, request: Request) -> Request {
        match (denied, Home::running_task()) {
            // Nothing unwinds in this program: it waits as ever.
            (Denied::Cancelled, Some(task)) => self.state.insist::<Taking>(task, wait, request),
            _ => {
                // Blocking the thread is no way if one of those who have it may need it to go on.
                let (taken, beside) =
                    self.state.with(|state| (state.exclusive || state.sharing > 0, state.beside));
                match beside {
                    Some(holder) if holder.is_here() => cannot_wait(wait, &holder),
                    None if taken => cannot_wait(wait, &"several have it"),
                    _ => self.state.block::<Taking>(request),
                }
            }
        }
    }

    /// Takes it if nobody is in the way, and nobody waits. If not, says who has it.
    #[inline]
    pub(super) fn try_take(
        &self,
        exclusive: bool,
        at: &'static Location<'static>,
    ) -> Result<(), Option<Holder>> {
        let request = Request { exclusive, holder: Holder::here(at), granted: false };
        match self.state.attempt::<Taking>(request) {
            Ok(Request { granted: true, .. }) => Ok(()),
            _ => Err(self.state.with(|state| state.holder)),
        }
    }

    /// Gives it back, and hands it to who waits.
    #[inline(always)]
    pub(super) fn release(&self, exclusive: bool) {
        let woken = self.state.with(|state| {
            state.give_back(exclusive);
            state.hand_over()
        });
        if woken.is_some() {
            wake(woken);
            self.let_in();
        }
    }

    /// Who has it alone, shares it with others from now on.
    pub(super) fn share(&self) {
        self.state.with(|state| {
            state.exclusive = false;
            state.sharing = 1;
        });
        self.let_in();
    }

    /// Hands it to more of those who wait: there may be several that share.
    #[inline(never)]
    fn let_in(&self) {
        self.state.wake_all(State::hand_over);
    }

    /// Whether somebody has it.
    pub(super) fn is_taken(&self) -> bool {
        self.state.with(|state| state.exclusive || state.sharing > 0)
    }

    /// What it is doing, and what it has done.
    pub(super) fn stats(&self) -> Stats {
        self.state.with(|state| Stats {
            waiting: state.waiting.len(),
            peak: state.waiting.peak(),
            holder: state.holder,
        })
    }
}

/// A wait was asked for where nobody can wait, and only this thread could end it.
#[cold]
pub(super) fn cannot_wait(wait: Wait, holder: &dyn Display) -> ! {
    report::abort(format!(
        "`{}` at {} has to wait while a panic or a cancellation unwinds (or on the event loop's own stack), and \
         only the same thread could end that wait: {holder}",
        wait.what, wait.at
    ))
}
