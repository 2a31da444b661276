//! Why a stack could not be had.

use std::{error, fmt, io};

/// Why a coroutine could not be made: what was asked for, what stood in the way, what to do.
///
/// Nothing has been changed when this comes back; idle stacks were already given back and the
/// attempt repeated, so trying again at once will not help.
#[derive(Debug)]
#[non_exhaustive]
pub enum SpawnError {
    /// Less stack was asked for than ordinary code needs.
    TooSmall {
        /// Bytes asked for.
        asked: usize,
        /// The least that is accepted, in bytes.
        least: usize,
    },
    /// More stack was asked for than there are address ranges for.
    TooLarge {
        /// Bytes asked for, guard included.
        asked: usize,
        /// The most that is accepted, in bytes.
        most: usize,
    },
    /// The closure with everything it captures does not fit on the stack that it is to run on.
    ClosureTooLarge {
        /// Size of the closure in bytes.
        closure: usize,
        /// Bytes that a closure may take on a stack of this size: a quarter of it.
        room: usize,
    },
    /// Each guard costs two memory mappings on this system, and the process is near its limit.
    TooManyMappings {
        /// Stacks that have such a guard now.
        stacks: usize,
    },
    /// The operating system refused memory or address space.
    NoMemory {
        /// Bytes of the stack that was asked for, guard included.
        asked: usize,
        /// What the operating system said.
        source: io::Error,
    },
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { asked, least } => write!(
                f,
                "a stack of {asked} bytes is too small to run Rust code on: ask for at least {least}"
            ),
            Self::TooLarge { asked, most } => write!(
                f,
                "a stack of {asked} bytes (guard included) is larger than the largest possible, {most}"
            ),
            Self::ClosureTooLarge { closure, room } => write!(
                f,
                "the closure takes {closure} bytes, more than the {room} that this stack has for it: \
                 box what it captures, or ask for a larger stack"
            ),
            Self::TooManyMappings { stacks } => write!(
                f,
                "{stacks} stacks are guarded by two memory mappings each, and the process is near \
                 its limit: raise vm.max_map_count (sysctl), or use Linux 6.13 or later, where \
                 guards need no mappings"
            ),
            Self::NoMemory { asked, source } => write!(
                f,
                "no memory for a stack of {asked} bytes: {source}; end or drop coroutines, ask for \
                 smaller stacks, or raise the limit (ulimit -v, cgroup, vm.overcommit_memory)"
            ),
        }
    }
}

impl error::Error for SpawnError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::NoMemory { source, .. } => Some(source),
            _ => None,
        }
    }
}
