//! The standard library's atomics, locks and sleeping threads, behind names that a model can replace.
//!
//! With `--cfg loom` they are loom's, which runs a small program under every order that the memory model
//! allows. What is written against this room is then checked by `tests/models.rs`.

#[cfg(not(loom))]
mod real {
    pub(crate) mod sync {
        pub(crate) use std::sync::{Arc, Mutex, PoisonError, atomic};
    }
    pub(crate) use std::thread::{Thread, current, park, park_timeout};

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
}

#[cfg(loom)]
mod real {
    use std::collections::VecDeque;
    use std::time::Duration;

    pub(crate) mod sync {
        pub(crate) use loom::sync::{Arc, Mutex, atomic};
        pub(crate) use std::sync::PoisonError;
    }
    pub(crate) use loom::thread::{Thread, current, park};

    /// In a model no time passes: a sleep ends when somebody ends it.
    pub(crate) fn park_timeout(_: Duration) {
        park();
    }

    /// Stands in for the library's queue.
    pub(crate) struct Queue<T>(loom::sync::Mutex<VecDeque<T>>);

    impl<T> Queue<T> {
        /// An empty queue.
        pub(crate) fn new() -> Self {
            Self(loom::sync::Mutex::new(VecDeque::new()))
        }

        /// Puts something at the end.
        pub(crate) fn push(&self, value: T) {
            self.0.lock().unwrap().push_back(value);
        }

        /// Takes the first, if there is one.
        pub(crate) fn pop(&self) -> Option<T> {
            self.0.lock().unwrap().pop_front()
        }
    }
}

pub(crate) use real::*;
