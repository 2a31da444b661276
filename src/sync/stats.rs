//! What an object is doing, and what it has done.

use std::fmt;

use crate::task::Holder;

/// Who waits for a lock or the like, and who has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How many wait.
    pub waiting: usize,
    /// The most that ever waited at once.
    pub peak: usize,
    /// Who has it, if that is one and can be told: not if it has been shared since it was free.
    pub holder: Option<Holder>,
}

impl Stats {
    /// Its part of an object's `Debug`.
    pub(super) fn describe<'a, 'b, 'c>(
        &self,
        out: &'c mut fmt::DebugStruct<'a, 'b>,
    ) -> &'c mut fmt::DebugStruct<'a, 'b> {
        if let Some(holder) = &self.holder {
            out.field("holder", &format_args!("{holder}"));
        }
        out.field("waiting", &self.waiting)
    }
}
