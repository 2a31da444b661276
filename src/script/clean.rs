//! How a script looks after itself: clean-up, shields, its own end, what others see of it.

use std::borrow::Cow;
use std::fmt;

use super::exit::{Exit, ExitId};
use super::fallible::Fallible;
use super::group::Group;
use super::handle::Handle;
use super::lend::Script;
use super::record::ScriptId;
use super::rng::Rng;
use super::scripts::WeakScripts;
use super::spawn::Spawn;
use super::wait::Call;
use crate::coroutine::no_stack;
use crate::stacks::SpawnError;

/// The script is cancelled: what a wait gives that was called by [`Script::fallible`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the script is cancelled")
    }
}

impl std::error::Error for Cancelled {}

/// Leaves a shield when it is dropped.
struct Shield<'a>(&'a std::cell::Cell<u32>);

impl Drop for Shield<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl<W: 'static> Script<W> {
    // ---- clean-up

    /// Has a closure called with the world when the script ends, however it does: it returns, panics, is
    /// cancelled or given up. The last one given is called first.
    ///
    /// The script's own destructors run before. Inside `all`, `race`, `timeout` and the like the script is the
    /// body: its closures are called when the body has ended.
    ///
    /// It is not called, but dropped, when the [`Scripts`](super::Scripts) are dropped with the script in them:
    /// there is no world then. [`Scripts::shutdown`](super::Scripts::shutdown) has one.
    ///
    /// # Pausing
    /// Never pauses, and the closure cannot: it has no script.
    ///
    /// ```
    /// use segno::script::{Script, Scripts};
    ///
    /// fn open_menu(s: &mut Script<Vec<&'static str>>) {
    ///     s.world().push("menu");
    ///     let _ = s.on_exit(|open| open.retain(|window| *window != "menu"));
    ///     s.wait(60);
    /// }
    ///
    /// let scripts = Scripts::new();
    /// let menu = scripts.spawn("menu", open_menu);
    /// let mut open = vec!["game"];
    /// scripts.tick(&mut open, 0.1);
    /// assert_eq!(open, ["game", "menu"]);
    /// menu.cancel();
    /// scripts.tick(&mut open, 0.1);
    /// assert_eq!(open, ["game"]);
    /// ```
    pub fn on_exit(&mut self, f: impl FnOnce(&mut W) + 'static) -> ExitId {
        self.add_exit(false, f)
    }

    /// As [`on_exit`](Self::on_exit), but the closure is called only if the script was cancelled or ended
    /// itself with [`exit`](Self::exit).
    ///
    /// # Pausing
    /// Never pauses.
    pub fn on_cancel(&mut self, f: impl FnOnce(&mut W) + 'static) -> ExitId {
        self.add_exit(true, f)
    }

    /// Both of them.
    fn add_exit(&mut self, only_cancelled: bool, f: impl FnOnce(&mut W) + 'static) -> ExitId {
        let number = self.kernel.next_number();
        self.record.extras().exits.borrow_mut().push(Exit::new(number, only_cancelled, f));
        ExitId(number)
    }

    /// Takes a closure back that was given to [`on_exit`](Self::on_exit) or [`on_cancel`](Self::on_cancel): it is
    /// dropped. Returns whether this script had it.
    ///
    /// # Pausing
    /// Never pauses.
    pub fn disarm(&mut self, exit: ExitId) -> bool {
        let mut exits = self.record.extras().exits.borrow_mut();
        let Some(at) = exits.iter().position(|other| other.number == exit.0) else { return false };
        let taken = exits.remove(at);
        drop(exits);
        // What it captured is the user's.
        drop(taken);
        true
    }

    /// Runs a closure that a cancellation does not interrupt: it is postponed until the closure has returned,
    /// and then the next wait unwinds.
    ///
    /// For clean-up that takes time, and for what must not be left half done. It holds for the scripts that the
    /// closure makes by `all` and the like, too. [`Scripts::shutdown`](super::Scripts::shutdown), and dropping
    /// the scripts, break shields.
    ///
    /// # Pausing
    /// Never by itself; `f` may.
    pub fn shield<R>(&mut self, f: impl FnOnce(&mut Script<W>) -> R) -> R {
        let record = self.record.clone();
        record.shields.set(record.shields.get() + 1);
        let _leave = Shield(&record.shields);
        f(self)
    }

    /// Whether the script is cancelled; also inside a shield, where that has no effect yet.
    pub fn cancelled(&self) -> bool {
        self.record.cancelled.get()
    }

    /// Waits that give [`Cancelled`] where others would unwind: for clean-up by hand, and for programs in which
    /// nothing unwinds (`panic = "abort"`).
    ///
    /// Such a wait gives the error each time. A script that goes on waiting is given up after 64 times, as
    /// stubborn.
    ///
    /// ```
    /// use segno::script::{Cancelled, Script, Scripts};
    ///
    /// fn patrol(s: &mut Script<Vec<&'static str>>) -> Result<(), Cancelled> {
    ///     loop {
    ///         s.fallible().wait(1)?;
    ///         s.world().push("step");
    ///     }
    /// }
    ///
    /// let scripts = Scripts::new();
    /// let guard = scripts.spawn("guard", |s| {
    ///     let _ = patrol(s);
    ///     s.world().push("good night");
    /// });
    /// let mut log = Vec::new();
    /// scripts.tick(&mut log, 0);
    /// scripts.tick(&mut log, 1);
    /// guard.cancel();
    /// scripts.tick(&mut log, 1);
    /// assert_eq!(log, ["step", "good night"]);
    /// ```
    pub fn fallible(&mut self) -> Fallible<'_, W> {
        Fallible { script: self }
    }

    /// Ends the script here, as if it had been cancelled: destructors and exit closures run, and joiners get
    /// [`Outcome::Cancelled`](super::Outcome::Cancelled).
    ///
    /// Inside `all`, `race`, `scope`, `timeout` and the like it ends the whole script that they belong to. A
    /// shield does not keep it.
    ///
    /// # Pausing
    /// Does not return.
    #[track_caller]
    pub fn exit(&mut self) -> ! {
        let call = Call::here("exit");
        let checked = self.record.perch.with(|end| end.unwinds());
        if checked != Some(false) {
            call.must::<()>(&self.record, Err(super::wait::Denied::Unwinding));
        }
        self.record.perch.with(|end| end.check_place(call.at));
        self.kernel.cancel(&self.record.topmost());
        self.kernel.cancel(&self.record);
        let _ = self.raise(call);
        unreachable!("it could not give an error")
    }

    // ---- what others see of it

    /// Its number.
    pub fn id(&self) -> ScriptId {
        self.record.id
    }

    /// Its name; inside `all` and the like that word.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// Says what it is doing, for [`Info`](super::Info) and whoever shows it.
    pub fn label(&mut self, label: impl Into<Cow<'static, str>>) {
        self.record.extras().label.replace(Some(label.into()));
    }

    /// The group that it is in.
    pub fn group(&self) -> Group {
        Group::of(self.record.group.clone(), &self.kernel)
    }

    /// The scripts that it belongs to, to be kept by what it makes: a handle that does not keep them alive.
    pub fn handle(&self) -> WeakScripts<W> {
        WeakScripts::of(&self.kernel)
    }

    /// Random numbers: the scheduler's, the same in every run with the same seed.
    pub fn rng(&mut self) -> Rng<'_> {
        Rng { state: &self.kernel.random }
    }

    // ---- others

    /// Spawns a script of its own: it goes on when this one ends. It is in the same group, bound to the same
    /// owner and of the same priority, and runs later in this tick.
    ///
    /// For scripts that borrow, and end with this one, there are [`scope`](Self::scope), [`all`](Self::all) and
    /// [`race`](Self::race).
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Panics
    /// When no stack can be had.
    #[inline]
    #[track_caller]
    pub fn spawn<T: 'static>(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        f: impl FnOnce(&mut Script<W>) -> T + 'static,
    ) -> Handle<T> {
        self.spawn_with(Spawn::named(name), f)
    }

    /// As [`spawn`](Self::spawn), with what a [`Spawn`] says.
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Panics
    /// When no stack can be had.
    #[inline]
    #[track_caller]
    pub fn spawn_with<T: 'static>(
        &mut self,
        spawn: Spawn,
        f: impl FnOnce(&mut Script<W>) -> T + 'static,
    ) -> Handle<T> {
        let at = std::panic::Location::caller();
        match self.kernel.spawn(Some(&self.record), spawn, at, f) {
            Ok(handle) => handle,
            Err(error) => no_stack(&error, at),
        }
    }

    /// As [`spawn_with`](Self::spawn_with), and says why no stack could be had.
    ///
    /// # Pausing
    /// Never pauses.
    ///
    /// # Errors
    /// When the size makes no sense or no stack can be had. The closure is dropped.
    #[inline]
    #[track_caller]
    pub fn try_spawn<T: 'static>(
        &mut self,
        spawn: Spawn,
        f: impl FnOnce(&mut Script<W>) -> T + 'static,
    ) -> Result<Handle<T>, SpawnError> {
        self.kernel.spawn(Some(&self.record), spawn, std::panic::Location::caller(), f)
    }
}
