//! The names of the library's room `model`, with loom's types behind them.
//!
//! Memory that is freed is an access like any other: what drops here looks for somebody who could still
//! be using it, and what is not dropped is a leak.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use loom::alloc::Track;
pub(crate) use loom::hint::spin_loop;

pub(crate) mod sync {
    //! What threads share.

    pub(crate) use loom::sync::{Arc, Mutex};
    pub(crate) use std::sync::PoisonError;

    pub(crate) mod atomic {
        //! Atomics.

        use loom::alloc::Track;
        pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

        /// Loom's, and it minds being freed under somebody's hands.
        pub(crate) struct AtomicU8 {
            word: loom::sync::atomic::AtomicU8,
            _track: Track<()>,
        }

        impl AtomicU8 {
            pub(crate) fn new(value: u8) -> Self {
                let word = loom::sync::atomic::AtomicU8::new(value);
                Self { word, _track: Track::new(()) }
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> u8 {
                self.word.load(order)
            }

            #[track_caller]
            pub(crate) fn store(&self, value: u8, order: Ordering) {
                self.word.store(value, order);
            }

            #[track_caller]
            pub(crate) fn swap(&self, value: u8, order: Ordering) -> u8 {
                self.word.swap(value, order)
            }

            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                current: u8,
                new: u8,
                success: Ordering,
                failure: Ordering,
            ) -> Result<u8, u8> {
                self.word.compare_exchange(current, new, success, failure)
            }
        }

        impl Drop for AtomicU8 {
            fn drop(&mut self) {
                if !std::thread::panicking() {
                    self.word.with_mut(|_| ());
                }
            }
        }
    }
}

/// A cell that several threads use, in turns.
pub(crate) struct UnsafeCell<T> {
    /// `None` when it was taken out.
    value: loom::cell::UnsafeCell<Option<T>>,
    _track: Track<()>,
}

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: loom::cell::UnsafeCell::new(Some(value)), _track: Track::new(()) }
    }

    #[track_caller]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        // SAFETY: loom has just found that nobody else uses it.
        self.value.with_mut(|value| f(unsafe { &mut *value }.as_mut().unwrap()))
    }

    #[track_caller]
    pub(crate) fn into_inner(self) -> T {
        // SAFETY: as above.
        self.value.with_mut(|value| unsafe { &mut *value }.take()).unwrap()
    }
}

impl<T> Drop for UnsafeCell<T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // SAFETY: as above.
            let value = self.value.with_mut(|value| unsafe { &mut *value }.take());
            drop(value);
        }
    }
}

/// What a thread sleeps at. Loom's own `unpark` would wake it from a lock, too, and would pass on what
/// its caller knows even to a thread that does not park.
struct Bed {
    token: loom::sync::Notify,
    /// Calls of `unpark`. Not a part of the model: only for asking.
    unparks: AtomicUsize,
}

/// A thread, to be woken.
#[derive(Clone)]
pub(crate) struct Thread {
    bed: std::sync::Arc<Bed>,
}

loom::thread_local! {
    static CURRENT: Thread = Thread {
        bed: std::sync::Arc::new(Bed {
            token: loom::sync::Notify::new(),
            unparks: AtomicUsize::new(0),
        }),
    };
}

pub(crate) fn current() -> Thread {
    CURRENT.with(Thread::clone)
}

/// May also return for no reason, once.
pub(crate) fn park() {
    current().bed.token.wait();
}

/// In a model no time passes: it may be over at once, or after others have had their turn.
pub(crate) fn park_timeout(_: Duration) {
    loom::thread::yield_now();
}

impl Thread {
    pub(crate) fn unpark(&self) {
        self.bed.unparks.fetch_add(1, Relaxed);
        self.bed.token.notify();
    }

    pub(crate) fn id(&self) -> *const () {
        std::sync::Arc::as_ptr(&self.bed).cast()
    }

    /// How often it was unparked.
    pub(crate) fn unparks(&self) -> usize {
        self.bed.unparks.load(Relaxed)
    }
}

/// Stands in for the library's queue, and promises no more: what was pushed is found by who knows of it,
/// and perhaps by nobody else.
pub(crate) struct Queue<T> {
    /// Values pushed so far.
    pushed: loom::sync::atomic::AtomicUsize,
    /// Values popped so far. There is one who pops.
    popped: AtomicUsize,
    /// What is in between. No part of the model: one step with `pushed`.
    values: std::sync::Mutex<VecDeque<T>>,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self {
            pushed: loom::sync::atomic::AtomicUsize::new(0),
            popped: AtomicUsize::new(0),
            values: std::sync::Mutex::new(VecDeque::new()),
        }
    }

    #[track_caller]
    pub(crate) fn push(&self, value: T) {
        self.pushed.fetch_add(1, loom::sync::atomic::Ordering::Release);
        self.values.lock().unwrap().push_back(value);
    }

    #[track_caller]
    pub(crate) fn pop(&self) -> Option<T> {
        let popped = self.popped.load(Relaxed);
        if self.pushed.load(loom::sync::atomic::Ordering::Acquire) == popped {
            return None;
        }
        self.popped.store(popped + 1, Relaxed);
        self.values.lock().unwrap().pop_front()
    }
}
