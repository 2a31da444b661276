//! What does a lock cost that nobody else wants, and one that is handed over?
//!
//! `cargo bench -p segno-benches --bench lock`
//!
//! - *lock and unlock*, *read and unlock*, *acquire and release*: one task of a loop takes the lock, or
//!   one of two permits, and gives it back. Nobody else wants it. Timed: both.
//! - *hand-over*: two tasks take turns. Each locks, yields while it has the lock, so that the other one
//!   comes and has to wait, and unlocks. The figure is for one of them having had it once.
//!
//! Against: a flag in a cell, which is looked at, set and taken back (the floor; for the hand-over two
//! bare coroutines of corosensei that are resumed in turns, each of which has it for two turns); the
//! locks of std and parking_lot, which block the thread where they have to wait, so that they must not
//! be kept over a yield; tokio's on its loop of the current thread; async-lock's on async-executor's
//! local loop; may's.
//!
//! Segno's locks cost less as long as only one loop uses them. The rows *shared* show the same lock
//! after it was used once outside the loop, as by another thread: from then on each operation is an
//! atomic exchange.
//!
//! Fair, because what is behind every lock is a number that its owner counts up or looks at, and what
//! the loop cannot know is hidden from the compiler: which lock it is.

use async_executor::LocalExecutor;
use corosensei::{Coroutine as Bare, Yielder};
use futures_lite::future;
use segno::EventLoop;
use segno_benches::copies;
use segno_benches::copies::shift;
use segno_benches::question::{Contender, Question};
use segno_benches::rivals::{on_async_executor, on_tokio, one_worker_of_may, tokio};
use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a reader must know about locks of threads.
const BLOCKS: &str = "blocks the thread: not for a loop whose tasks yield with it";
/// And about those of async tasks.
const STACKLESS: &str = "stackless";
/// Permits of every semaphore.
const PERMITS: usize = 2;

fn main() {
    one_worker_of_may();
    let mut question = Question::new("lock");
    question.case(
        "mutex: lock and unlock",
        1,
        vec![
            Contender::floor("a flag in a Cell", copies!(flag)),
            Contender::rival("std Mutex", copies!(std_mutex)).note(BLOCKS),
            Contender::rival("parking_lot Mutex", copies!(parking_lot_mutex)).note(BLOCKS),
            Contender::rival("tokio Mutex", copies!(tokio_mutex)).note(STACKLESS),
            Contender::rival("async-lock Mutex", copies!(async_mutex)).note(STACKLESS),
            Contender::rival_timed("may Mutex", may_mutex),
            Contender::segno("Mutex", copies!(segno_mutex, Own)),
            Contender::segno("Mutex, shared", copies!(segno_mutex, Shared)),
        ],
    );
    question.case(
        "rwlock: read and unlock",
        1,
        vec![
            Contender::floor("a count in a Cell", copies!(count)),
            Contender::rival("std RwLock", copies!(std_rwlock)).note(BLOCKS),
            Contender::rival("parking_lot RwLock", copies!(parking_lot_rwlock)).note(BLOCKS),
            Contender::rival("tokio RwLock", copies!(tokio_rwlock)).note(STACKLESS),
            Contender::rival("async-lock RwLock", copies!(async_rwlock)).note(STACKLESS),
            Contender::segno("RwLock", copies!(segno_rwlock, Own)),
            Contender::segno("RwLock, shared", copies!(segno_rwlock, Shared)),
        ],
    );
    question.case(
        "semaphore: acquire and release",
        1,
        vec![
            Contender::floor("a count in a Cell", copies!(count)),
            Contender::rival("tokio Semaphore", copies!(tokio_semaphore)).note(STACKLESS),
            Contender::rival("async-lock Semaphore", copies!(async_semaphore)).note(STACKLESS),
            Contender::rival_timed("may Semphore", may_semaphore),
            Contender::segno("Semaphore", copies!(segno_semaphore, Own)),
            Contender::segno("Semaphore, shared", copies!(segno_semaphore, Shared)),
        ],
    );
    question.case(
        "hand-over of a mutex between two tasks",
        2,
        vec![
            Contender::floor("corosensei, two turns each", copies!(bare_hand_over)),
            Contender::rival("tokio Mutex", copies!(tokio_hand_over)).note(STACKLESS),
            Contender::rival("async-lock Mutex", copies!(async_hand_over))
                .note("stackless; not always handed over: who unlocks may lock again first"),
            Contender::rival_timed("may Mutex", may_hand_over),
            Contender::segno("Mutex", copies!(segno_hand_over, Own)),
            Contender::segno("Mutex, shared", copies!(segno_hand_over, Shared)),
        ],
    );
    question.finish();
}

// The floors.

fn flag<const COPY: usize>() -> impl FnMut(u64) {
    let (taken, number) = (Cell::new(false), Cell::new(0_u64));
    move |times| {
        shift::<COPY>();
        for _ in 0..times {
            let taken = black_box(&taken);
            assert!(!taken.replace(true), "nobody else wants it");
            number.set(black_box(number.get() + 1));
            taken.set(false);
        }
    }
}

fn count<const COPY: usize>() -> impl FnMut(u64) {
    let readers = Cell::new(0_usize);
    move |times| {
        shift::<COPY>();
        for _ in 0..times {
            let readers = black_box(&readers);
            assert!(readers.get() < PERMITS, "nobody else wants it");
            readers.set(readers.get() + 1);
            let readers = black_box(readers);
            readers.set(readers.get() - 1);
        }
    }
}

fn bare_hand_over<const COPY: usize>() -> impl FnMut(u64) {
    let counted = Rc::new(Cell::new(0_u64));
    let theirs = counted.clone();
    let task = |counted: Rc<Cell<u64>>| {
        Bare::<(), (), ()>::new(move |yielder: &Yielder<(), ()>, ()| {
            shift::<COPY>();
            loop {
                // It gets the lock; it has yielded with it.
                counted.set(counted.get() + 1);
                yielder.suspend(());
                yielder.suspend(());
            }
        })
    };
    let mut tasks = [task(theirs.clone()), task(theirs)];
    move |times| {
        let before = counted.get();
        shift::<COPY>();
        for _ in 0..times {
            tasks[0].resume(());
            tasks[1].resume(());
        }
        assert_eq!(counted.get(), before + times);
    }
}

// Locks of threads.

/// The loop of one who locks, counts and unlocks, with locks that block.
macro_rules! blocking {
    ($build:ident, $lock:expr, $locked:ident => $number:expr) => {
        fn $build<const COPY: usize>() -> impl FnMut(u64) {
            let lock = $lock;
            move |times| {
                shift::<COPY>();
                for _ in 0..times {
                    let $locked = black_box(&lock);
                    black_box($number);
                }
            }
        }
    };
}

blocking!(std_mutex, std::sync::Mutex::new(0_u64), lock => {
    *lock.lock().expect("nobody panics") += 1
});
blocking!(parking_lot_mutex, parking_lot::Mutex::new(0_u64), lock => *lock.lock() += 1);
blocking!(std_rwlock, std::sync::RwLock::new(0_u64), lock => {
    *lock.read().expect("nobody panics")
});
blocking!(parking_lot_rwlock, parking_lot::RwLock::new(0_u64), lock => *lock.read());

// Locks of async tasks.

/// The same, on tokio's loop.
macro_rules! on_tokios {
    ($build:ident, $lock:expr, $locked:ident => $number:expr) => {
        fn $build<const COPY: usize>() -> impl FnMut(u64) {
            let (runtime, lock) = (tokio(), Arc::new($lock));
            move |times| {
                let lock = lock.clone();
                on_tokio(&runtime, async move {
                    shift::<COPY>();
                    for _ in 0..times {
                        let $locked = black_box(&*lock);
                        black_box($number);
                    }
                });
            }
        }
    };
}

/// The same, on async-executor's loop.
macro_rules! on_executors {
    ($build:ident, $lock:expr, $locked:ident => $number:expr) => {
        fn $build<const COPY: usize>() -> impl FnMut(u64) {
            let (executor, lock) = (LocalExecutor::new(), Rc::new($lock));
            move |times| {
                let lock = lock.clone();
                on_async_executor(&executor, async move {
                    shift::<COPY>();
                    for _ in 0..times {
                        let $locked = black_box(&*lock);
                        black_box($number);
                    }
                });
            }
        }
    };
}

on_tokios!(tokio_mutex, tokio::sync::Mutex::new(0_u64), lock => *lock.lock().await += 1);
on_tokios!(tokio_rwlock, tokio::sync::RwLock::new(0_u64), lock => *lock.read().await);
on_tokios!(tokio_semaphore, tokio::sync::Semaphore::new(PERMITS), semaphore => {
    drop(black_box(semaphore.acquire().await.expect("it is not closed")))
});
on_executors!(async_mutex, async_lock::Mutex::new(0_u64), lock => *lock.lock().await += 1);
on_executors!(async_rwlock, async_lock::RwLock::new(0_u64), lock => *lock.read().await);
on_executors!(async_semaphore, async_lock::Semaphore::new(PERMITS), semaphore => {
    drop(black_box(semaphore.acquire().await))
});

/// Locks so many times, and yields each time while it has the lock.
macro_rules! hold_async {
    ($times:expr, $lock:expr, $yield_now:path) => {
        for _ in 0..$times / 2 {
            let mut number = $lock.lock().await;
            $yield_now().await;
            *number += 1;
        }
    };
}

fn tokio_hand_over<const COPY: usize>() -> impl FnMut(u64) {
    async fn hold<const COPY: usize>(times: u64, lock: Arc<tokio::sync::Mutex<u64>>) {
        shift::<COPY>();
        hold_async!(times, lock, tokio::task::yield_now);
    }

    let runtime = tokio();
    move |times| {
        let lock = Arc::new(tokio::sync::Mutex::new(0));
        let held = lock.clone();
        on_tokio(&runtime, async move {
            let other = tokio::spawn(hold::<COPY>(times, held.clone()));
            hold::<COPY>(times, held).await;
            other.await.expect("it does not panic");
        });
        assert_eq!(*lock.blocking_lock(), times);
    }
}

fn async_hand_over<const COPY: usize>() -> impl FnMut(u64) {
    async fn hold<const COPY: usize>(times: u64, lock: Rc<async_lock::Mutex<u64>>) {
        shift::<COPY>();
        hold_async!(times, lock, future::yield_now);
    }

    let executor = LocalExecutor::new();
    move |times| {
        let lock = Rc::new(async_lock::Mutex::new(0));
        let other = executor.spawn(hold::<COPY>(times, lock.clone()));
        let held = lock.clone();
        on_async_executor(&executor, async move {
            hold::<COPY>(times, held).await;
            other.await;
        });
        assert_eq!(*lock.lock_blocking(), times);
    }
}

// may: its main coroutine times itself.

/// Runs a coroutine of may's and returns what it found.
fn on_may(main: impl FnOnce() -> Duration + Send + 'static) -> Duration {
    may::go!(main).join().expect("it does not panic")
}

fn may_mutex(times: u64) -> Duration {
    on_may(move || {
        let (lock, start) = (may::sync::Mutex::new(0_u64), Instant::now());
        for _ in 0..times {
            *black_box(&lock).lock().expect("nobody panics") += 1;
        }
        start.elapsed()
    })
}

fn may_semaphore(times: u64) -> Duration {
    on_may(move || {
        let (semaphore, start) = (may::sync::Semphore::new(PERMITS), Instant::now());
        for _ in 0..times {
            let semaphore = black_box(&semaphore);
            semaphore.wait();
            semaphore.post();
        }
        start.elapsed()
    })
}

fn may_hand_over(times: u64) -> Duration {
    fn hold(times: u64, lock: &may::sync::Mutex<u64>) {
        for _ in 0..times / 2 {
            let mut number = lock.lock().expect("nobody panics");
            may::coroutine::yield_now();
            *number += 1;
        }
    }

    on_may(move || {
        let lock = Arc::new(may::sync::Mutex::new(0));
        let start = Instant::now();
        let held = lock.clone();
        let other = may::go!(move || hold(times, &held));
        hold(times, &lock);
        other.join().expect("it does not panic");
        let took = start.elapsed();
        assert_eq!(*lock.lock().expect("nobody panics"), times);
        took
    })
}

// Segno.

/// Who has used a lock before.
trait Before: 'static {
    /// Whether somebody outside the loop has. For the lock that is the same as another thread.
    const SHARED: bool;
}

/// Nobody: it is the loop's own.
struct Own;

impl Before for Own {
    const SHARED: bool = false;
}

/// Somebody outside the loop.
struct Shared;

impl Before for Shared {
    const SHARED: bool = true;
}

fn segno_mutex<B: Before, const COPY: usize>() -> impl FnMut(u64) {
    let (mut event_loop, lock) = (EventLoop::new(), segno::sync::Mutex::new(0_u64));
    if B::SHARED {
        assert!(!lock.is_locked());
    }
    move |times| {
        let main = || {
            shift::<COPY>();
            for _ in 0..times {
                *black_box(&lock).lock() += 1;
            }
        };
        event_loop.run(main).expect("it is not stopped");
    }
}

fn segno_rwlock<B: Before, const COPY: usize>() -> impl FnMut(u64) {
    let (mut event_loop, lock) = (EventLoop::new(), segno::sync::RwLock::new(0_u64));
    if B::SHARED {
        assert!(!lock.is_locked());
    }
    move |times| {
        let main = || {
            shift::<COPY>();
            for _ in 0..times {
                black_box(*black_box(&lock).read());
            }
        };
        event_loop.run(main).expect("it is not stopped");
    }
}

fn segno_semaphore<B: Before, const COPY: usize>() -> impl FnMut(u64) {
    let (mut event_loop, semaphore) = (EventLoop::new(), segno::sync::Semaphore::new(PERMITS));
    if B::SHARED {
        assert_eq!(semaphore.available(), PERMITS);
    }
    move |times| {
        let main = || {
            shift::<COPY>();
            for _ in 0..times {
                drop(black_box(black_box(&semaphore).acquire()));
            }
        };
        event_loop.run(main).expect("it is not stopped");
    }
}

fn segno_hand_over<B: Before, const COPY: usize>() -> impl FnMut(u64) {
    fn hold<const COPY: usize>(times: u64, lock: &segno::sync::Mutex<u64>) {
        shift::<COPY>();
        for _ in 0..times / 2 {
            let mut number = lock.lock();
            segno::yield_now();
            *number += 1;
        }
    }

    let mut event_loop = EventLoop::new();
    move |times| {
        let lock = segno::sync::Mutex::new(0);
        if B::SHARED {
            assert!(!lock.is_locked());
        }
        let main = || {
            segno::scope(|scope| {
                scope.spawn(|| hold::<COPY>(times, &lock));
                hold::<COPY>(times, &lock);
            });
        };
        event_loop.run(main).expect("it is not stopped");
        assert_eq!(lock.into_inner(), times);
    }
}
