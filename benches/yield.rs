//! What does a task pay to let the others go first?
//!
//! `cargo bench -p segno-benches --bench yield`
//!
//! Timed: a number of tasks that do nothing but yield, again and again, in turns; the figure is for
//! one yield of one task, up to the point where the next one runs. Not timed: spawning them.
//!
//! - *2*, *100*, *10,000 tasks*: the turns go round in the order in which they were spawned.
//! - *100,000 tasks, shuffled*: the turns go round in an order that has nothing to do with where the
//!   tasks are in memory, as after a while of real work. Every task has been paused once, and was
//!   woken in that order.
//!
//! Against: bare coroutines of corosensei in a `VecDeque`, taken out at one end, resumed and put in
//! at the other (the floor: no task can be woken, joined or cancelled there); tokio's loop of the
//! current thread; async-executor's local one; may, which is stackful as Segno is.
//!
//! Fair, because all count their yields in the same way, an atomic load and a store, and because the
//! one who ends a turn is a task among the others. tokio hands a task that yields back to its loop
//! only when the loop has looked for timers; that is how it is used. may has one worker, which is a
//! thread of its own, and must spawn its tasks anew for each sample, which is not timed.

use async_executor::LocalExecutor;
use corosensei::{Coroutine as Bare, Yielder};
use futures_lite::future;
use segno::EventLoop;
use segno_benches::copies;
use segno_benches::copies::shift;
use segno_benches::question::{Contender, Question};
use segno_benches::rivals::{
    on_async_executor, on_tokio, one_worker_of_may, pause_once, shuffled, tokio,
};
use segno_benches::slots::slots;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};

fn main() {
    one_worker_of_may();
    let mut question = Question::new("yield");
    question.case("2 tasks", 2, contenders::<Two>());
    question.case("100 tasks", 100, contenders::<Hundred>());
    question.case("10,000 tasks", 10_000, contenders::<TenThousand>());
    question.case(
        "100,000 tasks, shuffled",
        100_000,
        vec![
            Contender::floor("corosensei in a VecDeque", vec![Box::new(bare::<Shuffled, 0>())]),
            Contender::rival("tokio", vec![Box::new(on_tokios::<Shuffled, 0>())]),
            Contender::rival("async-executor", vec![Box::new(on_executors::<Shuffled, 0>())]),
            Contender::cannot("may", "it aborts when it has near 32,000 stacks"),
            Contender::segno("yield_now", vec![Box::new(segno::<Shuffled, 0>())]),
        ],
    );
    question.finish();
}

fn contenders<C: Case>() -> Vec<Contender> {
    vec![
        Contender::floor("corosensei in a VecDeque", copies!(bare, C)),
        Contender::rival("tokio", copies!(on_tokios, C)).note("stackless"),
        Contender::rival("async-executor", copies!(on_executors, C)).note("stackless"),
        Contender::rival_timed("may", may::<C>),
        Contender::segno("yield_now", copies!(segno, C)),
    ]
}

/// How many tasks take turns, and in which order.
trait Case: 'static {
    /// How many.
    const TASKS: usize;
    /// Whether in another order than that in which they were spawned.
    const SHUFFLED: bool;
}

struct Two;

impl Case for Two {
    const TASKS: usize = 2;
    const SHUFFLED: bool = false;
}

struct Hundred;

impl Case for Hundred {
    const TASKS: usize = 100;
    const SHUFFLED: bool = false;
}

struct TenThousand;

impl Case for TenThousand {
    const TASKS: usize = 10_000;
    const SHUFFLED: bool = false;
}

struct Shuffled;

impl Case for Shuffled {
    const TASKS: usize = 100_000;
    const SHUFFLED: bool = true;
}

/// How many yields there have been.
#[derive(Clone, Default)]
struct Count(Arc<AtomicU64>);

impl Count {
    /// One more. Nobody else counts meanwhile.
    #[inline(always)]
    fn up(&self) -> u64 {
        let count = self.0.load(Relaxed) + 1;
        self.0.store(count, Relaxed);
        count
    }

    /// The count that it will have after so many more.
    fn after(&self, more: u64) -> u64 {
        self.0.load(Relaxed) + more
    }
}

fn bare<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    let count = Count::default();
    let counts = count.clone();
    let spawn = move |stack| {
        let count = counts.clone();
        // Boxed, because a pointer moves through the queue more quickly than what it points to.
        let body = move |yielder: &Yielder<(), ()>, ()| {
            shift::<COPY>();
            loop {
                count.up();
                yielder.suspend(());
            }
        };
        Box::new(Bare::<(), (), (), _>::with_stack(stack, body))
    };
    let tasks: Vec<_> = slots(C::TASKS).map(spawn).collect();
    let mut tasks: Vec<_> = tasks.into_iter().map(Some).collect();
    // The first turn of each, in the order in which they were made.
    tasks.iter_mut().flatten().for_each(|task| assert!(task.resume(()).as_yield().is_some()));
    let order = if C::SHUFFLED { shuffled(C::TASKS) } else { (0..C::TASKS).collect() };
    let mut queue: VecDeque<_> = order.into_iter().filter_map(|i| tasks[i].take()).collect();
    move |times| {
        shift::<COPY>();
        let goal = count.after(times);
        while count.0.load(Relaxed) < goal {
            let mut task = queue.pop_front().expect("they never end");
            task.resume(());
            queue.push_back(task);
        }
    }
}

/// Yields for ever, on an event loop of async tasks.
macro_rules! yield_async {
    ($count:expr, $yield_now:path, $copy:ident) => {{
        shift::<$copy>();
        loop {
            $count.up();
            $yield_now().await;
        }
    }};
}

/// Yields until so many have been counted, then ends the turn.
macro_rules! yield_async_until {
    ($count:expr, $goal:expr, $yield_now:path, $copy:ident) => {{
        shift::<$copy>();
        while $count.up() < $goal {
            $yield_now().await;
        }
    }};
}

fn on_tokios<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    let (runtime, count) = (tokio(), Count::default());
    let gates: Arc<Mutex<Vec<Waker>>> = Arc::default();
    for _ in 1..C::TASKS {
        let (count, gates) = (count.clone(), gates.clone());
        runtime.spawn(async move {
            if C::SHUFFLED {
                pause_once(|waker| gates.lock().expect("nobody panics").push(waker)).await;
            }
            yield_async!(count, tokio::task::yield_now, COPY)
        });
    }
    let paused = gates.clone();
    on_tokio(&runtime, async move {
        while C::SHUFFLED && paused.lock().expect("nobody panics").len() < C::TASKS - 1 {
            tokio::task::yield_now().await;
        }
    });
    wake_shuffled(&gates.lock().expect("nobody panics"));
    move |times| {
        let count = count.clone();
        let goal = count.after(times);
        on_tokio(
            &runtime,
            async move { yield_async_until!(count, goal, tokio::task::yield_now, COPY) },
        );
    }
}

fn on_executors<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    let (executor, count) = (LocalExecutor::new(), Count::default());
    let gates: Rc<RefCell<Vec<Waker>>> = Rc::default();
    for _ in 1..C::TASKS {
        let (count, gates) = (count.clone(), gates.clone());
        let task = async move {
            if C::SHUFFLED {
                pause_once(|waker| gates.borrow_mut().push(waker)).await;
            }
            yield_async!(count, future::yield_now, COPY)
        };
        executor.spawn(task).detach();
    }
    let paused = gates.clone();
    on_async_executor(&executor, async move {
        while C::SHUFFLED && paused.borrow().len() < C::TASKS - 1 {
            future::yield_now().await;
        }
    });
    wake_shuffled(&gates.borrow());
    move |times| {
        let count = count.clone();
        let goal = count.after(times);
        on_async_executor(&executor, async move {
            yield_async_until!(count, goal, future::yield_now, COPY)
        });
    }
}

fn wake_shuffled(wakers: &[Waker]) {
    shuffled(wakers.len()).into_iter().for_each(|i| wakers[i].wake_by_ref());
}

fn may<C: Case>(times: u64) -> Duration {
    use may::coroutine::yield_now;

    let (count, stop) = (Count::default(), Arc::new(AtomicBool::new(false)));
    let main = move || {
        // Spawned here and not outside: as long as one of its coroutines is ready, the worker does
        // not look for those that come from other threads.
        let spawn = |_| {
            let (count, stop) = (count.clone(), stop.clone());
            may::go!(move || {
                while !stop.load(Relaxed) {
                    count.up();
                    yield_now();
                }
            })
        };
        let others: Vec<_> = (1..C::TASKS).map(spawn).collect();
        // The first turn of each.
        yield_now();
        let (start, goal) = (Instant::now(), count.after(times));
        while count.up() < goal {
            yield_now();
        }
        let took = start.elapsed();
        stop.store(true, Relaxed);
        others.into_iter().for_each(|other| other.join().expect("it does not panic"));
        took
    };
    may::go!(main).join().expect("it does not panic")
}

fn segno<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    let (mut event_loop, count) = (EventLoop::new(), Count::default());
    let gates: Rc<RefCell<Vec<segno::Waker>>> = Rc::default();
    for _ in 1..C::TASKS {
        let (count, gates) = (count.clone(), gates.clone());
        drop(event_loop.spawn(move || {
            if C::SHUFFLED {
                gates.borrow_mut().push(segno::waker());
                segno::pause();
            }
            shift::<COPY>();
            loop {
                count.up();
                segno::yield_now();
            }
        }));
    }
    let main = || {
        while C::SHUFFLED && gates.borrow().len() < C::TASKS - 1 {
            segno::yield_now();
        }
    };
    event_loop.run(main).expect("it is not stopped");
    let gates = gates.take();
    shuffled(gates.len()).into_iter().for_each(|i| gates[i].wake_by_ref());
    move |times| {
        let goal = count.after(times);
        let main = || {
            shift::<COPY>();
            while count.up() < goal {
                segno::yield_now();
            }
        };
        event_loop.run(main).expect("it is not stopped");
    }
}
