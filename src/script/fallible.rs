//! Waits that say when the script is cancelled, instead of unwinding it.

use std::fmt;

use super::clean::Cancelled;
use super::event::Mailbox;
use super::group::Group;
use super::handle::{Handle, Outcome};
use super::lend::Script;
use super::run::Phase;
use super::time::{Late, Span};
use super::wait::{Call, Denied};

/// A script's waits, in a form that gives [`Cancelled`]: see [`Script::fallible`].
///
/// Each waits as the method of [`Script`] with the same name does. In a destructor that runs while the script
/// unwinds they give [`Cancelled`], too.
pub struct Fallible<'a, W> {
    /// The script.
    pub(super) script: &'a mut Script<W>,
}

/// Why a wait did not wait, as users see it.
impl From<Denied> for Cancelled {
    fn from(_: Denied) -> Self {
        Self
    }
}

impl<W: 'static> Fallible<'_, W> {
    /// As [`Script::wait`].
    ///
    /// # Errors
    /// When the script is cancelled.
    #[track_caller]
    pub fn wait(self, time: impl Span) -> Result<Late, Cancelled> {
        Ok(self.script.wait_for_due(Call::fallible("wait"), None, time)?)
    }

    /// As [`Script::wait_on`].
    ///
    /// # Errors
    /// When the script is cancelled.
    #[track_caller]
    pub fn wait_on(self, clock: &Group, time: impl Span) -> Result<Late, Cancelled> {
        let call = Call::fallible("wait_on");
        clock.check(&self.script.kernel, call.at);
        Ok(self.script.wait_for_due(call, Some(&clock.circle), time)?)
    }

    /// As [`Script::next_frame`].
    ///
    /// # Errors
    /// When the script is cancelled.
    #[track_caller]
    pub fn next_frame(self) -> Result<f64, Cancelled> {
        self.script.wait_for_phase(Call::fallible("next_frame"), Phase::UPDATE)?;
        Ok(self.script.dt())
    }

    /// As [`Script::next`].
    ///
    /// # Errors
    /// When the script is cancelled.
    #[track_caller]
    pub fn next(self, phase: Phase) -> Result<(), Cancelled> {
        Ok(self.script.wait_for_phase(Call::fallible("next"), phase)?)
    }

    /// As [`Script::yield_now`].
    ///
    /// # Errors
    /// When the script is cancelled.
    #[track_caller]
    pub fn yield_now(self) -> Result<(), Cancelled> {
        Ok(self.script.give_way(Call::fallible("yield_now"))?)
    }

    /// As [`Script::until`].
    ///
    /// # Errors
    /// When the script is cancelled.
    #[track_caller]
    pub fn until(self, holds: impl FnMut(&W) -> bool + 'static) -> Result<(), Cancelled> {
        Ok(self.script.wait_for_condition(Call::fallible("until"), holds)?)
    }

    /// As [`Script::wait_for`].
    ///
    /// # Errors
    /// When the script is cancelled.
    #[track_caller]
    pub fn wait_for<E: Clone + 'static>(self) -> Result<E, Cancelled> {
        Ok(self.script.wait_for_event(Call::fallible("wait_for"), None)?)
    }

    /// As [`Script::wait_where`].
    ///
    /// # Errors
    /// When the script is cancelled.
    #[track_caller]
    pub fn wait_where<E: Clone + 'static>(
        self,
        filter: impl FnMut(&E) -> bool + 'static,
    ) -> Result<E, Cancelled> {
        let call = Call::fallible("wait_where");
        Ok(self.script.wait_for_event(call, Some(Box::new(filter)))?)
    }

    /// As [`Script::join`].
    ///
    /// # Errors
    /// When the script is cancelled.
    #[track_caller]
    pub fn join<T: Clone>(self, handle: &Handle<T>) -> Result<Outcome<T>, Cancelled> {
        let call = Call::fallible("join");
        self.script.wait_for_end(call, &handle.record, &handle.kernel)?;
        // It has ended, so this only copies.
        Ok(self.script.join(handle))
    }

    /// As [`Mailbox::next`].
    ///
    /// # Errors
    /// When the script is cancelled.
    #[track_caller]
    pub fn take<E: 'static>(self, mailbox: &Mailbox<E>) -> Result<E, Cancelled> {
        Ok(mailbox.wait(self.script, Call::fallible("Mailbox::next"))?)
    }
}

impl<W> fmt::Debug for Fallible<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fallible").field(&self.script).finish()
    }
}
