//! What does a task cost that is spawned, runs to its end and is joined?
//!
//! `cargo bench -p segno-benches --bench spawn`
//!
//! Timed: spawning a task from a closure that has captured a number, running it, which takes one
//! turn and returns the number, and taking the number out of its handle. It is spawned and joined by
//! another task. Not timed: the first use of stacks, but for the last case.
//!
//! - *one at a time*: the next one is spawned when the last has been joined.
//! - *1,000 at once*: a thousand are spawned, then joined in that order. The figure is for one.
//! - *the first 100,000*: in a process that has not run a task yet, so many are spawned and not
//!   joined; the clock stops when the last has ended. The figure is for one.
//!
//! Against: the same closures, boxed, in a `VecDeque`, and run one after the other in coroutines of
//! corosensei on one kept stack (the floor: nobody can wait for one, cancel it or be told how it
//! ended; where one is alive at a time there is no queue either); tokio's loop of the current
//! thread, by the `spawn` whose tasks may change threads and by `spawn_local`; async-executor's
//! local one; may, which is stackful as Segno is.
//!
//! Fair, because all handles give the number, or say that the task has panicked. Segno is shown
//! twice: the handle of `spawn` may be sent to another thread and joined there, that of a scope's
//! child stays on this one, as does what the child borrows.

use async_executor::LocalExecutor;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine as Bare, Yielder};
use futures_lite::future;
use segno::EventLoop;
use segno_benches::apart;
use segno_benches::copies;
use segno_benches::copies::shift;
use segno_benches::question::{Contender, Question, is_test};
use segno_benches::rivals::{on_async_executor, on_tokio, one_worker_of_may, tokio};
use segno_benches::row::{Kind, Row};
use std::cell::Cell;
use std::collections::VecDeque;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

fn main() {
    one_worker_of_may();
    if let Some((who, count)) = apart::asked() {
        let (.., run) = FIRST.iter().find(|(_, name, _)| *name == who).expect("one of that name");
        return apart::answer(&run(count).as_secs_f64());
    }
    let mut question = Question::new("spawn");
    question.case("one at a time", 1, contenders::<One>());
    question.case("1,000 at once", 1000, contenders::<Thousand>());
    if question.wants("the first 100,000") {
        FIRST.iter().for_each(|(kind, who, _)| question.row(first(*kind, who)));
    }
    question.finish();
}

fn contenders<C: Case>() -> Vec<Contender> {
    vec![
        Contender::floor("corosensei, kept stack", copies!(bare, C)),
        Contender::rival("tokio, spawn", copies!(on_tokios, C)).note("stackless"),
        Contender::rival("tokio, spawn_local", copies!(on_local_sets, C)).note("stackless"),
        Contender::rival("async-executor", copies!(on_executors, C)).note("stackless"),
        Contender::rival_timed("may", may::<C>),
        Contender::segno("spawn", copies!(segno, C)),
        Contender::segno("scope", copies!(segno_scope, C)).note("may borrow; stays on its thread"),
    ]
}

/// How many are alive at once.
trait Case: 'static {
    /// So many are spawned before the first of them is joined.
    const ALIVE: u64;
}

struct One;

impl Case for One {
    const ALIVE: u64 = 1;
}

struct Thousand;

impl Case for Thousand {
    const ALIVE: u64 = 1000;
}

/// The loop of a case around a contender's own way to spawn and to join. `handles` is where they are
/// kept meanwhile.
macro_rules! loop_of {
    ($case:ident, $times:expr, spawn: |$i:ident| $spawn:expr, join: |$handle:ident| $join:expr) => {{
        if $case::ALIVE == 1 {
            for number in 0..$times {
                let $i: u64 = black_box(number);
                let $handle = $spawn;
                assert!($join == number);
            }
        } else {
            let mut handles = Vec::with_capacity($case::ALIVE as usize);
            for _ in 0..$times / $case::ALIVE {
                for number in 0..$case::ALIVE {
                    let $i: u64 = black_box(number);
                    handles.push($spawn);
                }
                for (number, $handle) in (0..).zip(handles.drain(..)) {
                    assert!($join == number);
                }
            }
        }
    }};
}

fn bare<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    let mut kept = vec![DefaultStack::default()];
    let mut queue: VecDeque<Box<dyn FnOnce() -> u64>> = VecDeque::new();
    move |times| {
        shift::<COPY>();
        if C::ALIVE == 1 {
            for number in 0..times {
                let i: u64 = black_box(number);
                let stack = kept.pop().unwrap_or_default();
                let mut co = Bare::with_stack(stack, move |_: &Yielder<(), ()>, ()| i);
                let returned = co.resume(()).as_return();
                kept.push(co.into_stack());
                assert!(returned == Some(number));
            }
            return;
        }
        for _ in 0..times / C::ALIVE {
            for number in 0..C::ALIVE {
                let i: u64 = black_box(number);
                queue.push_back(Box::new(move || i));
            }
            for (number, closure) in (0..).zip(queue.drain(..)) {
                let stack = kept.pop().unwrap_or_default();
                let mut co = Bare::with_stack(stack, move |_: &Yielder<(), ()>, ()| closure());
                let returned = co.resume(()).as_return();
                kept.push(co.into_stack());
                assert!(returned == Some(number));
            }
        }
    }
}

fn on_tokios<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    let runtime = tokio();
    move |times| {
        on_tokio(&runtime, async move {
            shift::<COPY>();
            loop_of!(
                C, times,
                spawn: |i| tokio::spawn(async move { i }),
                join: |handle| handle.await.expect("it does not panic")
            )
        })
    }
}

fn on_local_sets<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    let (runtime, tasks) = (tokio(), LocalSet::new());
    move |times| {
        let main = async move {
            shift::<COPY>();
            loop_of!(
                C, times,
                spawn: |i| tokio::task::spawn_local(async move { i }),
                join: |handle| handle.await.expect("it does not panic")
            )
        };
        let main = async { tokio::task::spawn_local(main).await };
        tasks.block_on(&runtime, main).expect("it does not panic");
    }
}

fn on_executors<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    let executor = Rc::new(LocalExecutor::new());
    move |times| {
        let spawner = executor.clone();
        on_async_executor(&executor, async move {
            shift::<COPY>();
            loop_of!(
                C, times,
                spawn: |i| spawner.spawn(async move { i }),
                join: |handle| handle.await
            )
        })
    }
}

fn may<C: Case>(times: u64) -> Duration {
    let main = move || {
        let start = Instant::now();
        loop_of!(
            C, times,
            spawn: |i| may::go!(move || i),
            join: |handle| handle.join().expect("it does not panic")
        );
        start.elapsed()
    };
    may::go!(main).join().expect("it does not panic")
}

/// Spawns so many as the first tasks of a process, and says how long it took until they had ended.
type First = fn(usize) -> Duration;

const FIRST: &[(Kind, &str, First)] = &[
    (Kind::Floor, "corosensei, one kept stack", first_bare),
    (Kind::Rival, "tokio, spawn", first_on_tokio),
    (Kind::Rival, "async-executor", first_on_executor),
    (Kind::Rival, "may", first_may),
    (Kind::Segno, "spawn", first_segno),
];

/// Measures the first tasks of some processes.
fn first(kind: Kind, who: &str) -> Row {
    let (count, repeats) = if is_test() { (100, 1) } else { (100_000, 7) };
    let row = Row::empty("spawn", "the first 100,000", kind, who, "ns");
    let one = |_| Ok(apart::run::<f64>(who, count)? * 1e9 / count as f64);
    let row = match (0..repeats).map(one).collect::<Result<Vec<f64>, String>>() {
        Ok(times) => row.figures(times),
        Err(reason) => row.note(reason),
    };
    println!("{row}");
    row
}

/// Counts the tasks that have ended, on one thread.
#[derive(Clone, Default)]
struct Ended(Arc<AtomicUsize>);

impl Ended {
    /// One more.
    fn up(&self) {
        self.0.store(self.0.load(Relaxed) + 1, Relaxed);
    }

    /// How many.
    fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}

fn first_bare(count: usize) -> Duration {
    let start = Instant::now();
    let ended = Rc::new(Cell::new(0));
    let mut kept = vec![DefaultStack::default()];
    let mut queue: VecDeque<Box<dyn FnOnce()>> = VecDeque::new();
    for _ in 0..count {
        let ended = ended.clone();
        queue.push_back(Box::new(move || ended.set(ended.get() + 1)));
    }
    while let Some(closure) = queue.pop_front() {
        let stack = kept.pop().unwrap_or_default();
        let mut co = Bare::with_stack(stack, move |_: &Yielder<(), ()>, ()| closure());
        assert!(co.resume(()).as_return().is_some());
        kept.push(co.into_stack());
    }
    assert_eq!(ended.get(), count);
    start.elapsed()
}

fn first_on_tokio(count: usize) -> Duration {
    on_tokio(&tokio(), async move {
        let (start, ended) = (Instant::now(), Ended::default());
        for _ in 0..count {
            let ended = ended.clone();
            drop(tokio::spawn(async move { ended.up() }));
        }
        while ended.count() < count {
            tokio::task::yield_now().await;
        }
        start.elapsed()
    })
}

fn first_on_executor(count: usize) -> Duration {
    let executor = Rc::new(LocalExecutor::new());
    let spawner = executor.clone();
    on_async_executor(&executor, async move {
        let (start, ended) = (Instant::now(), Ended::default());
        for _ in 0..count {
            let ended = ended.clone();
            spawner.spawn(async move { ended.up() }).detach();
        }
        while ended.count() < count {
            future::yield_now().await;
        }
        start.elapsed()
    })
}

fn first_may(count: usize) -> Duration {
    let main = move || {
        let (start, ended) = (Instant::now(), Ended::default());
        let main = may::coroutine::current();
        for _ in 0..count {
            let (ended, main) = (ended.clone(), main.clone());
            may::go!(move || {
                ended.up();
                // Were it to yield until then, a few new ones would never have their turn.
                if ended.count() == count {
                    main.unpark();
                }
            });
        }
        while ended.count() < count {
            may::coroutine::park();
        }
        start.elapsed()
    };
    may::go!(main).join().expect("it does not panic")
}

fn segno<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            shift::<COPY>();
            loop_of!(
                C, times,
                spawn: |i| segno::spawn(move || i),
                join: |handle| handle.join().expect("it does not panic")
            )
        };
        event_loop.run(main).expect("it is not stopped");
    }
}

fn segno_scope<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            segno::scope(|scope| {
                shift::<COPY>();
                loop_of!(
                    C, times,
                    spawn: |i| scope.spawn(move || i),
                    join: |handle| handle.join().expect("it does not panic")
                )
            })
        };
        event_loop.run(main).expect("it is not stopped");
    }
}

fn first_segno(count: usize) -> Duration {
    let main = || {
        let (start, ended) = (Instant::now(), Ended::default());
        for _ in 0..count {
            let ended = ended.clone();
            drop(segno::spawn(move || ended.up()));
        }
        while ended.count() < count {
            segno::yield_now();
        }
        start.elapsed()
    };
    segno::run(main)
}
