//! Why something was not taken at once.

use std::error::Error;
use std::fmt;

use crate::task::Holder;

/// It would have to wait: what `try_lock` and the like give then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WouldWait {
    /// Who has it.
    holder: Option<Holder>,
}

impl WouldWait {
    /// For this one, if that can be told.
    pub(super) fn new(holder: Option<Holder>) -> Self {
        Self { holder }
    }

    /// Who has it, if that can be told and has not changed since.
    pub fn holder(&self) -> Option<&Holder> {
        self.holder.as_ref()
    }
}

impl fmt::Display for WouldWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it would have to wait")?;
        match &self.holder {
            Some(holder) => write!(f, " for {holder}"),
            None => Ok(()),
        }
    }
}

impl Error for WouldWait {}
