//! The rows of tasks on an event loop: tokio's on the current thread, bare corosensei without a
//! loop, and Segno.

use super::Row;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine as Bare, Yielder};
use segno::EventLoop;
use segno_benches::copies;
use segno_benches::copies::shift;
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
        loops: || vec![copies!(tokio_yield, 2), copies!(bare_yield, 2), copies!(segno_yield, 2)],
    },
    Row {
        question: "yield",
        case: "100 tasks",
        step: 100,
        who: &["tokio", "corosensei in a VecDeque", "yield_now"],
        loops: || {
            vec![copies!(tokio_yield, 100), copies!(bare_yield, 100), copies!(segno_yield, 100)]
        },
    },
    Row {
        question: "yield",
        case: "10,000 tasks",
        step: 10000,
        who: &["tokio", "corosensei in a VecDeque", "yield_now"],
        loops: || {
            vec![
                copies!(tokio_yield, 10000),
                copies!(bare_yield, 10000),
                copies!(segno_yield, 10000),
            ]
        },
    },
    Row {
        question: "spawn",
        case: "one at a time",
        step: 1,
        who: &["tokio, spawn", "corosensei, kept stack", "spawn"],
        loops: || vec![copies!(tokio_spawn, 1), copies!(bare_spawn, 1), copies!(segno_spawn, 1)],
    },
    Row {
        question: "spawn",
        case: "1,000 at once",
        step: 1000,
        who: &["tokio, spawn", "corosensei, kept stack", "spawn"],
        loops: || {
            vec![copies!(tokio_spawn, 1000), copies!(bare_spawn, 1000), copies!(segno_spawn, 1000)]
        },
    },
    Row {
        question: "spawn",
        case: "one at a time",
        step: 1,
        who: &["scope"],
        loops: || vec![copies!(segno_scope, 1)],
    },
    Row {
        question: "spawn",
        case: "1,000 at once",
        step: 1000,
        who: &["scope"],
        loops: || vec![copies!(segno_scope, 1000)],
    },
    Row {
        question: "wake",
        case: "round trip of two tasks",
        step: 1,
        who: &["tokio, Notify", "corosensei, two resumes", "pause and waker"],
        loops: || vec![copies!(tokio_wake), copies!(bare_wake), copies!(segno_wake)],
    },
    Row {
        question: "timers",
        case: "a timeout that does not fire",
        step: 1,
        who: &["tokio", "an ordered map", "timeout"],
        loops: || vec![copies!(tokio_timeout), copies!(map_timeout), copies!(segno_timeout)],
    },
];

// Yielding in turns. Each counts its turns; all but one do so for ever.

fn tokio_yield<const N: u64, const PLACE: usize>() -> impl FnMut(u64) {
    let (runtime, yields) = (tokio(), Arc::new(AtomicU64::new(0)));
    let count = |yields: &AtomicU64| {
        let count = yields.load(Relaxed) + 1;
        yields.store(count, Relaxed);
        count
    };
    for _ in 1..N {
        let yields = yields.clone();
        runtime.spawn(async move {
            shift::<PLACE>();
            loop {
                count(&yields);
                tokio::task::yield_now().await;
            }
        });
    }
    // Its turns are not quite in order, so the end is where all have come to so many together.
    move |times| {
        let yields = yields.clone();
        on_tokio(&runtime, async move {
            shift::<PLACE>();
            let goal = yields.load(Relaxed) + times;
            while count(&yields) < goal {
                tokio::task::yield_now().await;
            }
        })
    }
}

/// One more turn.
fn count(turns: &Cell<u64>) {
    turns.set(turns.get() + 1);
}

fn bare_yield<const N: u64, const PLACE: usize>() -> impl FnMut(u64) {
    let turns = Rc::new(Cell::new(0_u64));
    let task = |stack| {
        let turns = turns.clone();
        let body = move |yielder: &Yielder<(), ()>, ()| {
            shift::<PLACE>();
            loop {
                count(&turns);
                yielder.suspend(());
            }
        };
        Box::new(Bare::<(), (), (), _>::with_stack(stack, body))
    };
    let mut queue: VecDeque<_> = slots(N as usize).map(task).collect();
    move |times| {
        let before = turns.get();
        shift::<PLACE>();
        for _ in 0..times {
            let mut task = queue.pop_front().expect("put back below");
            task.resume(());
            queue.push_back(task);
        }
        assert_eq!(turns.get() - before, times);
    }
}

fn segno_yield<const N: u64, const PLACE: usize>() -> impl FnMut(u64) {
    let (mut event_loop, turns) = (EventLoop::new(), Rc::new(Cell::new(0)));
    for _ in 1..N {
        let turns = turns.clone();
        drop(event_loop.spawn(move || {
            shift::<PLACE>();
            loop {
                count(&turns);
                segno::yield_now();
            }
        }));
    }
    move |times| {
        // The others, whose turn comes first, have one more than the task that looks at the count.
        let end = turns.get() + times;
        let main = || {
            shift::<PLACE>();
            while turns.get() < end {
                count(&turns);
                segno::yield_now();
            }
        };
        event_loop.run(main).expect("it is not stopped");
        assert!((end..end + N).contains(&turns.get()));
    }
}

// Spawning so many tasks, and joining them.

/// Spawns `N` and then joins them, again and again. One alone is not put into a queue.
macro_rules! spawn_and_join {
    ($times:expr, |$i:ident| $spawn:expr, |$handle:ident| $join:expr) => {
        shift::<PLACE>();
        let mut handles = VecDeque::with_capacity(N as usize);
        for _ in 0..$times / N {
            if N == 1 {
                let $i = 0;
                let $handle = $spawn;
                black_box($join);
                continue;
            }
            for $i in 0..N {
                handles.push_back($spawn);
            }
            for $handle in handles.drain(..) {
                black_box($join);
            }
        }
    };
}

fn tokio_spawn<const N: u64, const PLACE: usize>() -> impl FnMut(u64) {
    let runtime = tokio();
    move |times| {
        on_tokio(&runtime, async move {
            spawn_and_join!(times, |i| tokio::spawn(async move { black_box(i) }), |handle| handle
                .await
                .expect("it does not panic"));
        })
    }
}

fn bare_spawn<const N: u64, const PLACE: usize>() -> impl FnMut(u64) {
    let mut kept = vec![DefaultStack::default()];
    move |times| {
        shift::<PLACE>();
        if N == 1 {
            for i in 0..times {
                let stack = kept.pop().unwrap_or_default();
                let mut co = Bare::with_stack(stack, move |_: &Yielder<(), ()>, ()| black_box(i));
                black_box(co.resume(()).as_return());
                kept.push(co.into_stack());
            }
            return;
        }
        let mut closures: VecDeque<Box<dyn FnOnce() -> u64>> = VecDeque::with_capacity(N as usize);
        for _ in 0..times / N {
            for i in 0..N {
                closures.push_back(Box::new(move || black_box(i)));
            }
            for closure in closures.drain(..) {
                let stack = kept.pop().unwrap_or_default();
                let mut co = Bare::with_stack(stack, move |_: &Yielder<(), ()>, ()| closure());
                black_box(co.resume(()).as_return());
                kept.push(co.into_stack());
            }
        }
    }
}

fn segno_spawn<const N: u64, const PLACE: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            spawn_and_join!(times, |i| segno::spawn(move || black_box(i)), |handle| handle
                .join()
                .expect("it does not panic"));
        };
        event_loop.run(main).expect("it is not stopped");
    }
}

fn segno_scope<const N: u64, const PLACE: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            segno::scope(|scope| {
                spawn_and_join!(times, |i| scope.spawn(move || black_box(i)), |handle| handle
                    .join()
                    .expect("it does not panic"));
            })
        };
        event_loop.run(main).expect("it is not stopped");
    }
}

// Two tasks that wake each other in turns.

fn tokio_wake<const PLACE: usize>() -> impl FnMut(u64) {
    let runtime = tokio();
    move |times| {
        let notify = Arc::new([Notify::new(), Notify::new()]);
        let other = notify.clone();
        runtime.spawn(async move {
            shift::<PLACE>();
            for _ in 0..times {
                other[1].notified().await;
                other[0].notify_one();
            }
        });
        on_tokio(&runtime, async move {
            shift::<PLACE>();
            for _ in 0..times {
                notify[1].notify_one();
                notify[0].notified().await;
            }
        })
    }
}

fn bare_wake<const PLACE: usize>() -> impl FnMut(u64) {
    let turn = Rc::new(Cell::new(false));
    let task = |mine: bool| {
        let turn = turn.clone();
        Bare::new(move |yielder: &Yielder<(), ()>, ()| {
            shift::<PLACE>();
            loop {
                while turn.get() != mine {
                    yielder.suspend(());
                }
                turn.set(!mine);
            }
        })
    };
    let (mut one, mut other): (Bare<(), (), ()>, Bare<(), (), ()>) = (task(false), task(true));
    move |times| {
        shift::<PLACE>();
        for _ in 0..times {
            one.resume(());
            other.resume(());
        }
    }
}

fn segno_wake<const PLACE: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            let woken = Rc::new([const { Cell::new(0_u64) }; 2]);
            let (theirs, me) = (woken.clone(), segno::waker());
            let (leave, left) = std::sync::mpsc::channel();
            drop(segno::spawn(move || {
                leave.send(segno::waker()).expect("it is waited for");
                shift::<PLACE>();
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
            shift::<PLACE>();
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

fn tokio_timeout<const PLACE: usize>() -> impl FnMut(u64) {
    let runtime = tokio_with_timers();
    move |times| {
        on_tokio(&runtime, async move {
            shift::<PLACE>();
            for _ in 0..times {
                let in_time = tokio::time::timeout(TIMEOUT, tokio::task::yield_now()).await;
                assert!(black_box(in_time).is_ok());
            }
        })
    }
}

fn map_timeout<const PLACE: usize>() -> impl FnMut(u64) {
    let mut deadlines = BTreeSet::new();
    move |times| {
        shift::<PLACE>();
        for _ in 0..times {
            let deadline = Instant::now() + TIMEOUT;
            deadlines.insert(deadline);
            assert!(deadlines.remove(&black_box(deadline)));
        }
    }
}

fn segno_timeout<const PLACE: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            shift::<PLACE>();
            for _ in 0..times {
                let in_time = segno::timeout(TIMEOUT, segno::yield_now);
                assert!(black_box(in_time).is_ok());
            }
        };
        event_loop.run(main).expect("it is not stopped");
    }
}
