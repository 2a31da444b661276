//! The names of the library's room `model`, with loom's types behind them.
//!
//! Memory that is freed is an access like any other: what drops here looks for somebody who could still
//! be using it, and what is not dropped is a leak.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use loom::alloc::Track;
pub(crate) use loom::hint::spin_loop;

pub(crate) mod sync {
    //! What threads share.

    pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};
    pub(crate) use std::sync::PoisonError;

    pub(crate) mod atomic {
        //! Atomics.

        use loom::alloc::Track;
        pub(crate) use loom::sync::atomic::Ordering;

        /// Loom's, and it minds being freed under somebody's hands.
        macro_rules! tracked {
            ($Atomic:ident of $Value:ty) => {
                pub(crate) struct $Atomic {
                    word: loom::sync::atomic::$Atomic,
                    _track: Track<()>,
                }

                impl $Atomic {
                    pub(crate) fn new(value: $Value) -> Self {
                        let word = loom::sync::atomic::$Atomic::new(value);
                        Self { word, _track: Track::new(()) }
                    }

                    #[track_caller]
                    pub(crate) fn load(&self, order: Ordering) -> $Value {
                        self.word.load(order)
                    }

                    #[track_caller]
                    pub(crate) fn store(&self, value: $Value, order: Ordering) {
                        self.word.store(value, order);
                    }

                    #[track_caller]
                    pub(crate) fn swap(&self, value: $Value, order: Ordering) -> $Value {
                        self.word.swap(value, order)
                    }

                    #[track_caller]
                    pub(crate) fn compare_exchange(
                        &self,
                        current: $Value,
                        new: $Value,
                        success: Ordering,
                        failure: Ordering,
                    ) -> Result<$Value, $Value> {
                        self.word.compare_exchange(current, new, success, failure)
                    }
                }

                impl Drop for $Atomic {
                    fn drop(&mut self) {
                        if !std::thread::panicking() {
                            self.word.with_mut(|_| ());
                        }
                    }
                }
            };
        }

        tracked!(AtomicU8 of u8);
        tracked!(AtomicU64 of u64);
        tracked!(AtomicUsize of usize);

        /// Loom's own cannot tell that nobody uses it. Who finds it set and [relaxes](super::super::relax) sleeps
        /// until it is not.
        pub(crate) struct AtomicBool {
            /// Not tracked: a waker's is in an `Arc` of the standard library, which loom does not see.
            word: loom::sync::atomic::AtomicU8,
            /// Who has found it set. No part of the model: one step with `word`.
            spinning: std::sync::Mutex<Vec<std::sync::Arc<loom::sync::Notify>>>,
        }

        impl AtomicBool {
            pub(crate) fn new(value: bool) -> Self {
                Self {
                    word: loom::sync::atomic::AtomicU8::new(value.into()),
                    spinning: std::sync::Mutex::default(),
                }
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> bool {
                self.word.load(order) != 0
            }

            #[track_caller]
            pub(crate) fn store(&self, value: bool, order: Ordering) {
                // An exchange: loom would let a plain store fall before exchanges that have not seen it.
                self.word.swap(value.into(), order);
                let spinning = std::mem::take(&mut *self.spinning.lock().unwrap());
                spinning.into_iter().for_each(|thread| thread.notify());
            }

            #[track_caller]
            pub(crate) fn swap(&self, value: bool, order: Ordering) -> bool {
                // Made first: that is a step of its own.
                let notify = std::sync::Arc::new(loom::sync::Notify::new());
                let was = self.word.swap(value.into(), order) != 0;
                let spins = was && value;
                if spins {
                    self.spinning.lock().unwrap().push(notify.clone());
                }
                super::super::SPINS_AT.with(|own| own.replace(spins.then_some(notify)));
                was
            }
        }

        /// Counting, and setting bits.
        macro_rules! counting {
            ($Atomic:ident of $Value:ty) => {
                impl $Atomic {
                    #[track_caller]
                    pub(crate) fn fetch_add(&self, value: $Value, order: Ordering) -> $Value {
                        self.word.fetch_add(value, order)
                    }

                    #[track_caller]
                    pub(crate) fn fetch_sub(&self, value: $Value, order: Ordering) -> $Value {
                        self.word.fetch_sub(value, order)
                    }

                    #[track_caller]
                    pub(crate) fn fetch_or(&self, value: $Value, order: Ordering) -> $Value {
                        self.word.fetch_or(value, order)
                    }
                }
            };
        }

        counting!(AtomicU8 of u8);
        counting!(AtomicUsize of usize);
    }
}

/// Declares a function that is constant in the library, and cannot be here.
macro_rules! constant {
    ($(#[$about:meta])* $seen:vis fn $($rest:tt)*) => { $(#[$about])* $seen fn $($rest)* };
}
pub(crate) use constant;

loom::thread_local! {
    /// Where this thread sleeps until a flag that it found set is taken back.
    static SPINS_AT: RefCell<Option<std::sync::Arc<loom::sync::Notify>>> = RefCell::new(None);
}

/// Between two looks at something that another thread is about to change. Where it can be told what that is, the
/// thread sleeps until then: loom would also try to look again and again, for ever.
pub(crate) fn relax(_: u32) {
    match SPINS_AT.with(|own| own.take()) {
        Some(notify) => notify.wait(),
        None => loom::thread::yield_now(),
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

/// Something that one thread says and another one waits for.
pub(crate) struct Word {
    said: loom::sync::atomic::AtomicBool,
    /// May also ring for no reason.
    bell: loom::sync::Notify,
}

impl Word {
    pub(crate) fn new() -> Self {
        Self { said: loom::sync::atomic::AtomicBool::new(false), bell: loom::sync::Notify::new() }
    }

    pub(crate) fn say(&self) {
        self.said.store(true, loom::sync::atomic::Ordering::Release);
        self.bell.notify();
    }

    pub(crate) fn wait(&self) {
        while !self.said.load(loom::sync::atomic::Ordering::Acquire) {
            self.bell.wait();
        }
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
