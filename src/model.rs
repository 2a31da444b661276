//! The standard library's atomics, locks, cells and sleeping threads, behind names that a model can replace.
//!
//! `tests/models` compiles what is written against this room once more, against the same names with
//! loom's behind them: that runs a small program under every order that the memory model allows.

pub(crate) mod sync {
    //! What threads share.

    pub(crate) use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic};
}
pub(crate) use std::hint::spin_loop;
pub(crate) use std::thread::{Thread, current, park, park_timeout};

/// Declares a function that is constant here, and cannot be in a model.
macro_rules! constant {
    ($(#[$about:meta])* $seen:vis fn $($rest:tt)*) => { $(#[$about])* $seen const fn $($rest)* };
}
pub(crate) use constant;

/// What to do between two looks at something that another thread is about to change: at first next to
/// nothing, then let other threads have the processor, in the end for some time.
#[cold]
pub(crate) fn relax(looks: u32) {
    match looks {
        0..64 => spin_loop(),
        64..256 => std::thread::yield_now(),
        _ => std::thread::sleep(std::time::Duration::from_micros(50)),
    }
}

/// A cell that several threads use, in turns. A model sees every access, and whether two of them race.
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    /// A cell with this in it.
    #[inline(always)]
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Lends what is in there, to be changed.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }

    /// What is in there.
    #[inline(always)]
    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

/// A queue that many threads push to and one pops from.
pub(crate) struct Queue<T>(crossbeam_deque::Injector<T>);

impl<T> Queue<T> {
    /// An empty queue.
    pub(crate) fn new() -> Self {
        Self(crossbeam_deque::Injector::new())
    }

    /// Puts something at the end.
    pub(crate) fn push(&self, value: T) {
        self.0.push(value);
    }

    /// Takes the first, if there is one.
    pub(crate) fn pop(&self) -> Option<T> {
        loop {
            match self.0.steal() {
                crossbeam_deque::Steal::Success(value) => return Some(value),
                crossbeam_deque::Steal::Empty => return None,
                crossbeam_deque::Steal::Retry => {}
            }
        }
    }
}
