//! What is to be done when a script ends.

use std::any::Any;

/// An exit closure, without the type of its world.
type Run = Box<dyn FnOnce(&mut dyn Any)>;

/// A closure to be called with the world when a script ends.
///
/// It is kept beside the script and not on its stack, so that it runs where nothing can be unwound, too.
pub(super) struct Exit {
    /// Its number, to be taken back by.
    pub(super) number: u64,
    /// Whether it is called only for a script that was cancelled.
    pub(super) only_cancelled: bool,
    /// The closure.
    pub(super) run: Run,
}

impl Exit {
    /// An exit closure for a world of this type.
    pub(super) fn new<W: 'static>(
        number: u64,
        only_cancelled: bool,
        f: impl FnOnce(&mut W) + 'static,
    ) -> Self {
        let run = move |world: &mut dyn Any| {
            f(world.downcast_mut().expect("the scheduler is of this type"));
        };
        Self { number, only_cancelled, run: Box::new(run) }
    }
}

/// A closure given to [`on_exit`](super::Script::on_exit) or [`on_cancel`](super::Script::on_cancel), for
/// taking it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the closure stays whether or not this is kept; `let _ =` says so"]
pub struct ExitId(pub(super) u64);
