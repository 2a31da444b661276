//! A child's result, kept in its record until its parent takes it: no memory of its own is needed for it.
//!
//! ```text
//!   make --> HELD --give--> HELD GIVEN --end--> HELD GIVEN ENDED --take or drop--> the record is free
//!              '--drop of the claim--> nobody's: what is given then is handed back to the child
//! ```
//!
//! The closure has left the record by the time there is a result, so the result lies where that was, or in a
//! box if it is too large. Both ends are made together, and so agree on its type. Only for handles that stay
//! on the loop's thread and do not outlive it.

#![allow(unsafe_code, reason = "keeps results as bytes")]

use std::marker::PhantomData;

use super::body::{Job, Refusal};
use super::home::Making;
use super::lend::Scope;
use super::record::Task;

/// Somebody may still want the result.
pub(super) const HELD: u8 = 1;
/// The result is there.
pub(super) const GIVEN: u8 = 2;
/// The task has ended; only the claim keeps its record.
pub(super) const ENDED: u8 = 4;

/// A child's result, boxed error: the common case is small.
type Given<T, E> = Result<T, Box<E>>;

/// The right to a child's result.
pub(crate) struct Claim<T, E> {
    /// The child's record. It stays the child's while this lives.
    task: &'static Task,
    /// What is in there.
    result: PhantomData<Given<T, E>>,
}

/// What a child with a claim runs.
struct Claimed<F, T, E, U> {
    /// Makes the result, or is told why it cannot.
    f: F,
    /// Disposes of a result that nobody wants.
    unwanted: U,
    /// What goes into the record.
    result: PhantomData<fn() -> Given<T, E>>,
}

impl<T, E, F, U> Job for Claimed<F, T, E, U>
where
    F: FnOnce(&'static Task, Option<Refusal>) -> Given<T, E>,
    U: FnOnce(Given<T, E>),
{
    #[inline(always)]
    fn run(self, task: &'static Task) {
        let result = (self.f)(task, None);
        give(task, result, self.unwanted);
    }

    fn refuse(self, task: &'static Task, refusal: Refusal) {
        let result = (self.f)(task, Some(refusal));
        give(task, result, self.unwanted);
    }
}

/// Puts a child's result into its record.
#[inline(always)]
fn give<T, E>(task: &'static Task, result: Given<T, E>, unwanted: impl FnOnce(Given<T, E>)) {
    if task.claim() & HELD == 0 {
        return unwanted(result);
    }
    // SAFETY: the job has been taken out of the body: it is what runs here.
    unsafe { task.body().put_result(result) };
    task.set_claim(task.claim() | GIVEN);
    if let Some(joiner) = task.take_joiner() {
        joiner.wake();
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Makes a child whose result can be claimed. `f` gets the reason if it cannot run; neither it nor
    /// `unwanted` lets a panic out.
    #[inline(always)]
    pub(crate) fn make_claimed<T: 'scope, E: 'static>(
        &'scope self,
        making: Making,
        f: impl FnOnce(&'static Task, Option<Refusal>) -> Result<T, Box<E>> + 'scope,
        unwanted: impl FnOnce(Result<T, Box<E>>) + 'scope,
    ) -> (&'static Task, Claim<T, E>) {
        let task = self.make(Claimed { f, unwanted, result: PhantomData }, making);
        task.set_claim(HELD);
        (task, Claim { task, result: PhantomData })
    }
}

impl<T, E> Claim<T, E> {
    /// Whether the result is there.
    #[inline(always)]
    pub(crate) fn is_given(&self) -> bool {
        self.task.claim() & GIVEN != 0
    }

    /// Takes the result, if it is there.
    #[inline(always)]
    pub(crate) fn take(&self) -> Option<Result<T, Box<E>>> {
        if !self.is_given() {
            return None;
        }
        self.task.set_claim(self.task.claim() & !GIVEN);
        // SAFETY: it was put there, of this type, since both ends were made together; and now it is not
        // there any more.
        Some(unsafe { self.task.body().take_result() })
    }

    /// Who is to be woken when the result comes.
    #[inline(always)]
    pub(crate) fn set_joiner(&self, joiner: Option<&'static Task>) {
        self.task.set_joiner(joiner);
    }
}

impl<T, E> Drop for Claim<T, E> {
    #[inline(always)]
    fn drop(&mut self) {
        // Its destructor is the user's; the record is in order before that runs.
        let result = self.take();
        if self.task.claim() & ENDED != 0 {
            self.task.home().free(self.task);
        } else {
            self.task.set_claim(self.task.claim() & !HELD);
        }
        drop(result);
    }
}
