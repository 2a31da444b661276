//! The rows of tasks on an event loop: tokio's on the current thread, bare corosensei without a
//! loop, and Segno. They count turns, where the benches count yields.

use crate::Row;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine as Bare, Yielder};
use segno::EventLoop;
use segno_benches::copies;
use segno_benches::copies::{Copy, shift};
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

/// Who is compared in most of them.
const WHO: [&str; 3] = ["tokio", "corosensei", "segno"];

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "yield 2",
        step: 2,
        who: WHO,
        contenders: || {
            type N = Tasks<2>;
            [copies!(tokio_yield, N), copies!(bare_yield, N), copies!(segno_yield, N)]
        },
    },
    Row {
        name: "yield 100",
        step: 100,
        who: WHO,
        contenders: || {
            type N = Tasks<100>;
            [copies!(tokio_yield, N), copies!(bare_yield, N), copies!(segno_yield, N)]
        },
    },
    Row {
        name: "yield 10,000",
        // Two hundred rounds in a turn: the first of them finds nothing in the cache.
        step: 2_000_000,
        who: WHO,
        contenders: || {
            type N = Tasks<10_000>;
            // One copy of each: the cache has no room for what eighty thousand tasks hold.
            [
                vec![Box::new(tokio_yield::<N, 0>()) as Copy],
                vec![Box::new(bare_yield::<N, 0>())],
                vec![Box::new(segno_yield::<N, 0>())],
            ]
        },
    },
    Row {
        name: "spawn",
        step: 1,
        who: WHO,
        contenders: || {
            type N = Tasks<1>;
            [copies!(tokio_spawn, N), copies!(bare_spawn, N), copies!(segno_spawn, N)]
        },
    },
    Row {
        name: "spawn 1,000",
        step: 1000,
        who: WHO,
        contenders: || {
            type N = Tasks<1000>;
            [copies!(tokio_spawn, N), copies!(bare_spawn, N), copies!(segno_spawn, N)]
        },
    },
    Row {
        name: "scope",
        step: 1,
        who: WHO,
        contenders: || {
            type N = Tasks<1>;
            [copies!(tokio_spawn, N), copies!(bare_spawn, N), copies!(segno_scope, N)]
        },
    },
    Row {
        name: "scope 1,000",
        step: 1000,
        who: WHO,
        contenders: || {
            type N = Tasks<1000>;
            [copies!(tokio_spawn, N), copies!(bare_spawn, N), copies!(segno_scope, N)]
        },
    },
    Row {
        name: "wake round trip",
        step: 1,
        who: WHO,
        contenders: || [copies!(tokio_wake), copies!(bare_wake), copies!(segno_wake)],
    },
    Row {
        name: "timeout",
        step: 1,
        who: ["tokio", "map", "segno"],
        contenders: || [copies!(tokio_timeout), copies!(map_timeout), copies!(segno_timeout)],
    },
];

/// How many tasks there are.
trait Count: 'static {
    /// So many.
    const COUNT: u64;
}

/// So many.
struct Tasks<const COUNT: u64>;

impl<const COUNT: u64> Count for Tasks<COUNT> {
    const COUNT: u64 = COUNT;
}

// Yielding in turns. All but one yield for ever; the one that is timed counts the turns.

fn tokio_yield<N: Count, const COPY: usize>() -> impl FnMut(u64) {
    let (runtime, yields) = (tokio(), Arc::new(AtomicU64::new(0)));
    // Its turns are not quite in order, so all of them count their own.
    let count = |yields: &AtomicU64| {
        let count = yields.load(Relaxed) + 1;
        yields.store(count, Relaxed);
        count
    };
    for _ in 1..N::COUNT {
        let yields = yields.clone();
        runtime.spawn(async move {
            shift::<COPY>();
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
            shift::<COPY>();
            while count(&yields) < goal {
                tokio::task::yield_now().await;
            }
        })
    }
}

fn bare_yield<N: Count, const COPY: usize>() -> impl FnMut(u64) {
    let body = |yielder: &Yielder<(), ()>, ()| {
        shift::<COPY>();
        loop {
            yielder.suspend(());
        }
    };
    let tasks = slots(N::COUNT as usize);
    let tasks = tasks.map(|stack| Box::new(Bare::<(), (), (), _>::with_stack(stack, body)));
    let mut queue: VecDeque<_> = tasks.collect();
    move |times| {
        shift::<COPY>();
        for _ in 0..times {
            let mut task = queue.pop_front().expect("put back below");
            task.resume(());
            queue.push_back(task);
        }
    }
}

fn segno_yield<N: Count, const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    for _ in 1..N::COUNT {
        drop(event_loop.spawn(|| {
            shift::<COPY>();
            loop {
                segno::yield_now();
            }
        }));
    }
    move |times| {
        let turns = || {
            shift::<COPY>();
            for _ in 0..times / N::COUNT {
                segno::yield_now();
            }
        };
        event_loop.run(turns).expect("it is not stopped");
    }
}

// Spawning so many tasks, and joining them.

fn tokio_spawn<N: Count, const COPY: usize>() -> impl FnMut(u64) {
    let runtime = tokio();
    move |times| {
        on_tokio(&runtime, async move {
            let mut handles = VecDeque::with_capacity(N::COUNT as usize);
            shift::<COPY>();
            for _ in 0..times / N::COUNT {
                for i in 0..N::COUNT {
                    handles.push_back(tokio::spawn(async move { black_box(i) }));
                }
                for handle in handles.drain(..) {
                    black_box(handle.await.expect("it does not panic"));
                }
            }
        })
    }
}

fn bare_spawn<N: Count, const COPY: usize>() -> impl FnMut(u64) {
    let mut kept = Some(DefaultStack::default());
    move |times| {
        let mut closures = VecDeque::with_capacity(N::COUNT as usize);
        shift::<COPY>();
        for _ in 0..times / N::COUNT {
            for i in 0..N::COUNT {
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

fn segno_spawn<N: Count, const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            let mut handles = VecDeque::with_capacity(N::COUNT as usize);
            shift::<COPY>();
            for _ in 0..times / N::COUNT {
                for i in 0..N::COUNT {
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

fn segno_scope<N: Count, const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            segno::scope(|scope| {
                let mut handles = VecDeque::with_capacity(N::COUNT as usize);
                shift::<COPY>();
                for _ in 0..times / N::COUNT {
                    for i in 0..N::COUNT {
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

fn tokio_wake<const COPY: usize>() -> impl FnMut(u64) {
    let runtime = tokio();
    move |times| {
        let notify = Arc::new([Notify::new(), Notify::new()]);
        let other = notify.clone();
        runtime.spawn(async move {
            shift::<COPY>();
            for _ in 0..times {
                other[1].notified().await;
                other[0].notify_one();
            }
        });
        on_tokio(&runtime, async move {
            shift::<COPY>();
            for _ in 0..times {
                notify[1].notify_one();
                notify[0].notified().await;
            }
        })
    }
}

fn bare_wake<const COPY: usize>() -> impl FnMut(u64) {
    let task = || {
        Bare::new(|yielder: &Yielder<(), ()>, ()| {
            shift::<COPY>();
            loop {
                yielder.suspend(());
            }
        })
    };
    let (mut one, mut other): (Bare<(), (), ()>, Bare<(), (), ()>) = (task(), task());
    move |times| {
        shift::<COPY>();
        for _ in 0..times {
            one.resume(());
            other.resume(());
        }
    }
}

fn segno_wake<const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            let woken = Rc::new([const { Cell::new(0_u64) }; 2]);
            let (theirs, me) = (woken.clone(), segno::waker());
            let (leave, left) = std::sync::mpsc::channel();
            drop(segno::spawn(move || {
                leave.send(segno::waker()).expect("it is waited for");
                shift::<COPY>();
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
            shift::<COPY>();
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

fn tokio_timeout<const COPY: usize>() -> impl FnMut(u64) {
    let runtime = tokio_with_timers();
    move |times| {
        on_tokio(&runtime, async move {
            shift::<COPY>();
            for _ in 0..times {
                let in_time = tokio::time::timeout(TIMEOUT, tokio::task::yield_now()).await;
                assert!(black_box(in_time).is_ok());
            }
        })
    }
}

fn map_timeout<const COPY: usize>() -> impl FnMut(u64) {
    let mut deadlines = BTreeSet::new();
    move |times| {
        shift::<COPY>();
        for _ in 0..times {
            let deadline = Instant::now() + TIMEOUT;
            deadlines.insert(deadline);
            assert!(deadlines.remove(&black_box(deadline)));
        }
    }
}

fn segno_timeout<const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            shift::<COPY>();
            for _ in 0..times {
                let in_time = segno::timeout(TIMEOUT, segno::yield_now);
                assert!(black_box(in_time).is_ok());
            }
        };
        event_loop.run(main).expect("it is not stopped");
    }
}
