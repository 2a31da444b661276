//! The rows of tasks on an event loop: tokio's on the current thread, bare corosensei without a
//! loop, and Segno. They count turns, where the benches count yields.

use super::Row;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine as Bare, Yielder};
use segno::EventLoop;
use segno_benches::rivals::{on_tokio, tokio, tokio_with_timers};
use segno_benches::slots::slots;
use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

pub(crate) const ROWS: &[Row] = &[
    Row {
        question: "yield",
        case: "2 tasks",
        step: 2,
        who: &["tokio", "corosensei in a VecDeque", "yield_now"],
        loops: || {
            vec![
                Box::new(tokio_yield::<2>()),
                Box::new(bare_yield::<2>()),
                Box::new(segno_yield::<2>()),
            ]
        },
    },
    Row {
        question: "yield",
        case: "100 tasks",
        step: 100,
        who: &["tokio", "corosensei in a VecDeque", "yield_now"],
        loops: || {
            vec![
                Box::new(tokio_yield::<100>()),
                Box::new(bare_yield::<100>()),
                Box::new(segno_yield::<100>()),
            ]
        },
    },
    Row {
        question: "yield",
        case: "10,000 tasks",
        step: 10000,
        who: &["tokio", "corosensei in a VecDeque", "yield_now"],
        loops: || {
            vec![
                Box::new(tokio_yield::<10000>()),
                Box::new(bare_yield::<10000>()),
                Box::new(segno_yield::<10000>()),
            ]
        },
    },
    Row {
        question: "spawn",
        case: "one at a time",
        step: 1,
        who: &["tokio, spawn", "corosensei, kept stack", "spawn"],
        loops: || {
            vec![
                Box::new(tokio_spawn::<1>()),
                Box::new(bare_spawn::<1>()),
                Box::new(segno_spawn::<1>()),
            ]
        },
    },
    Row {
        question: "spawn",
        case: "1,000 at once",
        step: 1000,
        who: &["tokio, spawn", "corosensei, kept stack", "spawn"],
        loops: || {
            vec![
                Box::new(tokio_spawn::<1000>()),
                Box::new(bare_spawn::<1000>()),
                Box::new(segno_spawn::<1000>()),
            ]
        },
    },
    Row {
        question: "spawn",
        case: "one at a time",
        step: 1,
        who: &["scope"],
        loops: || vec![Box::new(segno_scope::<1>())],
    },
    Row {
        question: "spawn",
        case: "1,000 at once",
        step: 1000,
        who: &["scope"],
        loops: || vec![Box::new(segno_scope::<1000>())],
    },
    Row {
        question: "wake",
        case: "round trip of two tasks",
        step: 1,
        who: &["tokio, Notify", "corosensei, two resumes", "pause and waker"],
        loops: || vec![Box::new(tokio_wake()), Box::new(bare_wake()), Box::new(segno_wake())],
    },
    Row {
        question: "timers",
        case: "a timeout that does not fire",
        step: 1,
        who: &["tokio", "an ordered map", "timeout"],
        loops: || {
            vec![Box::new(tokio_timeout()), Box::new(map_timeout()), Box::new(segno_timeout())]
        },
    },
];

// Yielding in turns. All but one yield for ever; the one that is timed counts the turns.

fn tokio_yield<const N: u64>() -> impl FnMut(u64) {
    let (runtime, yields) = (tokio(), Arc::new(AtomicU64::new(0)));
    // Its turns are not quite in order, so all of them count their own.
    let count = |yields: &AtomicU64| {
        let count = yields.load(Relaxed) + 1;
        yields.store(count, Relaxed);
        count
    };
    for _ in 1..N {
        let yields = yields.clone();
        runtime.spawn(async move {
            loop {
                count(&yields);
                tokio::task::yield_now().await;
            }
        });
    }
    move |times| {
        let yields = yields.clone();
        on_tokio(&runtime, async move {
            let goal = yields.load(Relaxed) + times;
            while count(&yields) < goal {
                tokio::task::yield_now().await;
            }
        })
    }
}

fn bare_yield<const N: u64>() -> impl FnMut(u64) {
    let body = |yielder: &Yielder<(), ()>, ()| {
        loop {
            yielder.suspend(());
        }
    };
    let tasks = slots(N as usize);
    let tasks = tasks.map(|stack| Box::new(Bare::<(), (), (), _>::with_stack(stack, body)));
    let mut queue: VecDeque<_> = tasks.collect();
    move |times| {
        for _ in 0..times {
            let mut task = queue.pop_front().expect("put back below");
            task.resume(());
            queue.push_back(task);
        }
    }
}

fn segno_yield<const N: u64>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    for _ in 1..N {
        drop(event_loop.spawn(|| {
            loop {
                segno::yield_now();
            }
        }));
    }
    move |times| {
        let turns = || {
            for _ in 0..times / N {
                segno::yield_now();
            }
        };
        event_loop.run(turns).expect("it is not stopped");
    }
}

// Spawning so many tasks, and joining them.

fn tokio_spawn<const N: u64>() -> impl FnMut(u64) {
    let runtime = tokio();
    move |times| {
        on_tokio(&runtime, async move {
            let mut handles = VecDeque::with_capacity(N as usize);
            for _ in 0..times / N {
                for i in 0..N {
                    handles.push_back(tokio::spawn(async move { black_box(i) }));
                }
                for handle in handles.drain(..) {
                    black_box(handle.await.expect("it does not panic"));
                }
            }
        })
    }
}

fn bare_spawn<const N: u64>() -> impl FnMut(u64) {
    let mut kept = Some(DefaultStack::default());
    move |times| {
        let mut closures: VecDeque<Box<dyn FnOnce() -> u64>> = VecDeque::with_capacity(N as usize);
        for _ in 0..times / N {
            for i in 0..N {
                closures.push_back(Box::new(move || black_box(i)));
            }
            for closure in closures.drain(..) {
                let stack = kept.take().expect("put back below");
                let mut co = Bare::with_stack(stack, move |_: &Yielder<(), ()>, ()| closure());
                black_box(co.resume(()).as_return());
                kept = Some(co.into_stack());
            }
        }
    }
}

fn segno_spawn<const N: u64>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            let mut handles = VecDeque::with_capacity(N as usize);
            for _ in 0..times / N {
                for i in 0..N {
                    handles.push_back(segno::spawn(move || black_box(i)));
                }
                for handle in handles.drain(..) {
                    black_box(handle.join().expect("it does not panic"));
                }
            }
        };
        event_loop.run(main).expect("it is not stopped");
    }
}

fn segno_scope<const N: u64>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            segno::scope(|scope| {
                let mut handles = VecDeque::with_capacity(N as usize);
                for _ in 0..times / N {
                    for i in 0..N {
                        handles.push_back(scope.spawn(move || black_box(i)));
                    }
                    for handle in handles.drain(..) {
                        black_box(handle.join().expect("it does not panic"));
                    }
                }
            })
        };
        event_loop.run(main).expect("it is not stopped");
    }
}

// Two tasks that wake each other in turns.

fn tokio_wake() -> impl FnMut(u64) {
    let runtime = tokio();
    move |times| {
        let notify = Arc::new([Notify::new(), Notify::new()]);
        let other = notify.clone();
        runtime.spawn(async move {
            for _ in 0..times {
                other[1].notified().await;
                other[0].notify_one();
            }
        });
        on_tokio(&runtime, async move {
            for _ in 0..times {
                notify[1].notify_one();
                notify[0].notified().await;
            }
        })
    }
}

fn bare_wake() -> impl FnMut(u64) {
    let task = || {
        Bare::new(|yielder: &Yielder<(), ()>, ()| {
            loop {
                yielder.suspend(());
            }
        })
    };
    let (mut one, mut other): (Bare<(), (), ()>, Bare<(), (), ()>) = (task(), task());
    move |times| {
        for _ in 0..times {
            one.resume(());
            other.resume(());
        }
    }
}

fn segno_wake() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            let woken = Rc::new([const { Cell::new(0_u64) }; 2]);
            let (theirs, me) = (woken.clone(), segno::waker());
            let (leave, left) = std::sync::mpsc::channel();
            drop(segno::spawn(move || {
                leave.send(segno::waker()).expect("it is waited for");
                for i in 1..=times {
                    while theirs[1].get() < i {
                        segno::pause();
                    }
                    theirs[0].set(i);
                    me.wake_by_ref();
                }
            }));
            segno::yield_now();
            let other = left.recv().expect("it had its turn");
            for i in 1..=times {
                woken[1].set(i);
                other.wake_by_ref();
                while woken[0].get() < i {
                    segno::pause();
                }
            }
        };
        event_loop.run(main).expect("it is not stopped");
    }
}

// A timeout that does not fire, around one yield; where there is no loop, a deadline put into an
// ordered set and taken out.

/// The timeout.
const TIMEOUT: Duration = Duration::from_secs(10);

fn tokio_timeout() -> impl FnMut(u64) {
    let runtime = tokio_with_timers();
    move |times| {
        on_tokio(&runtime, async move {
            for _ in 0..times {
                let in_time = tokio::time::timeout(TIMEOUT, tokio::task::yield_now()).await;
                assert!(black_box(in_time).is_ok());
            }
        })
    }
}

fn map_timeout() -> impl FnMut(u64) {
    let mut deadlines = BTreeSet::new();
    move |times| {
        for _ in 0..times {
            let deadline = Instant::now() + TIMEOUT;
            deadlines.insert(deadline);
            assert!(deadlines.remove(&black_box(deadline)));
        }
    }
}

fn segno_timeout() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            for _ in 0..times {
                let in_time = segno::timeout(TIMEOUT, segno::yield_now);
                assert!(black_box(in_time).is_ok());
            }
        };
        event_loop.run(main).expect("it is not stopped");
    }
}
