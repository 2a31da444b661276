//! What passes control from one stack to another: corosensei's assembly; under Miri, which cannot run
//! that, the stand-in in `threads`. The same names either way, so that nothing else has to know.

pub(crate) use corosensei::CoroutineResult;

#[cfg(miri)]
pub(crate) use super::threads::{Coroutine, Yielder};

#[cfg(not(miri))]
use super::parcel::Word;

/// A coroutine as the switch knows it: packed values come out, nothing goes in.
#[cfg(not(miri))]
pub(crate) type Coroutine<Return, Stack> = corosensei::Coroutine<(), Word, Return, Stack>;

/// Its inner end: the parent link.
#[cfg(not(miri))]
pub(crate) type Yielder = corosensei::Yielder<(), Word>;
