//! What does it cost to cancel something?
//!
//! `cargo bench -p segno-benches --bench cancel`
//!
//! - *a paused coroutine is dropped*: it is paused 1 or 10 calls deep, and each call's frame has
//!   something to drop. Timed: dropping a hundred of those, for each. Not timed: making them.
//! - *a task is cancelled and joined*: a hundred tasks wait, 1 or 10 calls deep. Timed: cancelling one
//!   and waiting until it has ended, one after the other. Not timed: spawning them.
//! - *a timeout that fires*: 10,000 tasks wait for ever, each within a timeout of 1 to 100 ms. Counted is
//!   the time that the processors spend on it, for each, spawning and joining the task included; in a
//!   process of its own.
//! - *a timeout around no wait*: what it is set around ends at once. (Around one that waits, and still
//!   ends in time: `timers.rs`.)
//! - *a race of two*: one yields once and is first, the other one waits for ever and is cancelled.
//! - *the first of two receives*: a task sends to one of two channels, in turns, and another waits for
//!   whichever comes first. Nothing has to be unwound there: what a race of two waits should be.
//!
//! Against: coroutines of corosensei that are unwound by force (the floor, where something is
//! cancelled: nobody is told, and nothing is scheduled); the crate `generator`; stackless code, where to
//! cancel is to drop a future: polled by hand, on tokio's loop of the current thread (`abort`, `timeout`,
//! `select!`) and on async-executor (`cancel`, `or`); and may.
//!
//! Fair, because all have the same number of calls and of things to drop, which are counted. A stackful
//! coroutine has to unwind its frames, by the tables that panics are made with: microseconds, where a
//! future is dropped in nanoseconds. That is what stackless code does best, and these rows are here
//! to show it. tokio's timers are true to a millisecond, so it wakes a hundred times for all of the
//! timeouts; the floor does so too.

use async_executor::LocalExecutor;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine as Bare, CoroutineResult, Yielder};
use futures_lite::future;
use segno::EventLoop;
use segno::sync::channel as segno_channel;
use segno_benches::apart;
use segno_benches::copies;
use segno_benches::copies::shift;
use segno_benches::processor;
use segno_benches::question::{Contender, Question, is_test};
use segno_benches::rivals::{
    on_async_executor, on_tokio, one_worker_of_may, shuffled, tokio, tokio_with_timers,
};
use segno_benches::row::{Kind, Row};
use segno_benches::slots::slots;
use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::{Future, pending};
use std::hint::black_box;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// How many are alive at once where many are cancelled.
const ALIVE: u64 = 100;

/// A timeout that does not fire.
const LONG: Duration = Duration::from_secs(10);

/// Why a rival has no figure.
const NO_TASKS: &str = "it has no tasks";
const NO_TIMEOUT: &str = "it has no timeout around code: its waits have one each";

fn main() {
    one_worker_of_may();
    if let Some((who, count)) = apart::asked() {
        let (.., fire) = FIRING.iter().find(|(_, name, _)| *name == who).expect("that name");
        return apart::answer(&measure(fire.expect("it can"), count));
    }
    let mut question = Question::new("cancel");
    for calls in [1, 10] {
        let deep = if calls == 1 { "1 call deep" } else { "10 calls deep" };
        question.case(&format!("a paused coroutine is dropped, {deep}"), ALIVE, dropped(calls));
        question.case(&format!("a task is cancelled and joined, {deep}"), ALIVE, cancelled(calls));
    }
    fires(&mut question);
    question.case("a timeout around no wait", 1, no_wait());
    question.case("a race of two", 1, races());
    question.case("the first of two receives", 1, receives());
    question.finish();
}

// What is cancelled: calls, each with something to drop.

/// How many have been dropped.
static DROPS: AtomicU64 = AtomicU64::new(0);
/// How many innermost calls have come to their wait.
static WAITING: AtomicU64 = AtomicU64::new(0);

/// One more. These are counted on one thread at a time.
fn up(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

/// What each call has.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        up(&DROPS);
    }
}

/// Waits for ever, so many calls deep. The frames are the same for all, whatever they wait with.
#[inline(never)]
fn wait(calls: u64, innermost: &mut dyn FnMut()) -> u64 {
    let _guard = Guard;
    if calls > 1 {
        return black_box(wait(calls - 1, innermost)) + 1;
    }
    up(&WAITING);
    loop {
        innermost();
    }
}

/// The same without a stack: each call is a boxed future.
async fn wait_async(calls: u64, innermost: impl Future<Output = ()>) -> u64 {
    let _guard = Guard;
    if calls > 1 {
        return black_box(Box::pin(wait_async(calls - 1, innermost)).await) + 1;
    }
    up(&WAITING);
    innermost.await;
    unreachable!("it waits for ever")
}

/// A future that can be sent from thread to thread, and calls so.
fn wait_boxed(calls: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        let _guard = Guard;
        if calls > 1 {
            return black_box(wait_boxed(calls - 1).await) + 1;
        }
        up(&WAITING);
        pending().await
    })
}

// A paused coroutine is dropped.

fn dropped(calls: u64) -> Vec<Contender> {
    let bare = dropping(calls, move || {
        let mut co = Bare::new(move |yielder: &Yielder<(), ()>, ()| {
            wait(calls, &mut || yielder.suspend(()))
        });
        assert!(matches!(co.resume(()), CoroutineResult::Yield(())));
        co
    });
    let generator = dropping(calls, move || {
        let mut co =
            generator::Gn::new_scoped_local(move |mut scope: generator::Scope<'_, '_, (), ()>| {
                wait(calls, &mut || scope.yield_with(()));
            });
        assert!(co.resume().is_some());
        co
    });
    let genawaiter = dropping(calls, move || {
        let mut co = genawaiter::rc::Gen::new(async move |co: genawaiter::rc::Co<()>| {
            wait_async(calls, co.yield_(())).await
        });
        assert!(matches!(co.resume(), genawaiter::GeneratorState::Yielded(())));
        co
    });
    let future = dropping(calls, move || {
        let mut co: Pin<Box<dyn Future<Output = u64>>> = Box::pin(wait_async(calls, pending()));
        assert!(co.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        co
    });
    let segno = dropping(calls, move || {
        let mut co = segno::Coroutine::new(move |co: &segno::Pauser<(), ()>, ()| {
            wait(calls, &mut || co.pause(()))
        });
        assert!(co.resume(()).paused().is_some());
        co
    });
    vec![
        Contender::timed(Kind::Floor, "corosensei, kept stacks", unwind_bare(calls))
            .note("the user keeps the stacks"),
        Contender::rival_timed("corosensei", bare).note("its stack goes back to the system"),
        Contender::rival_timed("generator", generator).note("its stack goes back to the system"),
        Contender::rival_timed("genawaiter::rc", genawaiter).note("stackless"),
        Contender::rival_timed("boxed future", future).note("stackless"),
        Contender::timed(Kind::Segno, "Coroutine", segno),
    ]
}

/// Makes so many, each of which has paused, and times how long it takes to drop them.
fn dropping<C>(calls: u64, mut make: impl FnMut() -> C) -> impl FnMut(u64) -> Duration {
    move |times| {
        let mut took = Duration::ZERO;
        let before = DROPS.load(Relaxed);
        let mut paused = Vec::with_capacity(ALIVE as usize);
        for _ in 0..times / ALIVE {
            paused.extend((0..ALIVE).map(|_| make()));
            let start = Instant::now();
            black_box(&mut paused).clear();
            took += start.elapsed();
        }
        assert_eq!(DROPS.load(Relaxed) - before, calls * times, "a frame was not dropped");
        took
    }
}

// A task is cancelled and joined.

fn cancelled(calls: u64) -> Vec<Contender> {
    vec![
        Contender::timed(Kind::Floor, "corosensei, kept stacks", unwind_bare(calls))
            .note("no tasks: nobody is told"),
        Contender::cannot("generator", NO_TASKS),
        Contender::rival_timed("tokio, abort", abort_on_tokio(calls)).note("stackless"),
        Contender::rival_timed("async-executor, cancel", cancel_on_executor(calls))
            .note("stackless"),
        Contender::rival_timed("may", move |times| cancel_on_may(calls, times))
            .note("its cancel is unsafe"),
        Contender::timed(Kind::Segno, "cancel", cancel_on_segno(calls)),
    ]
}

fn unwind_bare(calls: u64) -> impl FnMut(u64) -> Duration {
    let mut kept: Vec<DefaultStack> = (0..ALIVE).map(|_| DefaultStack::default()).collect();
    move |times| {
        let mut took = Duration::ZERO;
        let before = DROPS.load(Relaxed);
        let mut paused = Vec::new();
        for _ in 0..times / ALIVE {
            for stack in kept.drain(..) {
                let mut co = Bare::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
                    wait(calls, &mut || yielder.suspend(()))
                });
                assert!(matches!(co.resume(()), CoroutineResult::Yield(())));
                paused.push(co);
            }
            let start = Instant::now();
            for mut co in paused.drain(..) {
                co.force_unwind();
                kept.push(co.into_stack());
            }
            took += start.elapsed();
        }
        assert_eq!(DROPS.load(Relaxed) - before, calls * times, "a frame was not dropped");
        took
    }
}

/// Times a batch after a batch on an event loop: spawns a hundred tasks, lets them come to their wait,
/// and ends them one after the other.
macro_rules! in_batches {
    ($times:expr, $calls:expr, spawn: $spawn:expr, yields: $yields:expr, end: |$handle:ident| $end:expr) => {{
        let mut took = Duration::ZERO;
        let before = DROPS.load(Relaxed);
        for _ in 0..$times / ALIVE {
            let waiting = WAITING.load(Relaxed) + ALIVE;
            let handles: Vec<_> = (0..ALIVE).map(|_| $spawn).collect();
            while WAITING.load(Relaxed) < waiting {
                $yields;
            }
            let start = Instant::now();
            for $handle in handles {
                assert!($end);
            }
            took += start.elapsed();
        }
        let drops = DROPS.load(Relaxed) - before;
        assert_eq!(drops, $calls * $times, "a frame was not dropped");
        took
    }};
}

fn abort_on_tokio(calls: u64) -> impl FnMut(u64) -> Duration {
    let runtime = tokio();
    move |times| {
        on_tokio(&runtime, async move {
            in_batches!(
                times, calls,
                spawn: tokio::spawn(wait_boxed(calls)),
                yields: tokio::task::yield_now().await,
                end: |handle| {
                    handle.abort();
                    handle.await.is_err_and(|error| error.is_cancelled())
                }
            )
        })
    }
}

fn cancel_on_executor(calls: u64) -> impl FnMut(u64) -> Duration {
    let executor = Rc::new(LocalExecutor::new());
    move |times| {
        let spawner = executor.clone();
        on_async_executor(&executor, async move {
            in_batches!(
                times, calls,
                spawn: spawner.spawn(wait_boxed(calls)),
                yields: future::yield_now().await,
                end: |handle| handle.cancel().await.is_none()
            )
        })
    }
}

fn cancel_on_may(calls: u64, times: u64) -> Duration {
    let main = move || {
        in_batches!(
            times, calls,
            spawn: may::go!(move || wait(calls, &mut may::coroutine::park)),
            // Its yield may leave out others, for ever.
            yields: may::coroutine::sleep(Duration::from_millis(1)),
            end: |handle| {
                // SAFETY: it waits in `park`, and its frames have nothing but guards.
                unsafe { handle.coroutine().cancel() };
                handle.join().is_err()
            }
        )
    };
    may::go!(main).join().expect("it does not panic")
}

fn cancel_on_segno(calls: u64) -> impl FnMut(u64) -> Duration {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            in_batches!(
                times, calls,
                spawn: segno::spawn(move || wait(calls, &mut segno::pause)),
                yields: segno::yield_now(),
                end: |handle| {
                    handle.cancel("not needed any more");
                    handle.join().is_err_and(|error| error.reason().is_some())
                }
            )
        };
        event_loop.run(main).expect("it is not stopped")
    }
}

// A timeout that fires.

/// Waits for ever so many times at once, each time within another timeout.
type Fire = fn(Vec<Duration>);

const FIRING: &[(Kind, &str, Option<Fire>)] = &[
    (Kind::Floor, "a heap, corosensei", Some(fire_by_heap)),
    (Kind::Rival, "tokio", Some(fire_on_tokio)),
    (Kind::Rival, "async-io", Some(fire_on_async_io)),
    (Kind::Rival, "may", None),
    (Kind::Segno, "timeout", Some(fire_on_segno)),
];

fn fires(question: &mut Question) {
    const CASE: &str = "a timeout that fires, processor time";
    if !question.wants(CASE) {
        return;
    }
    let (count, repeats) = if is_test() { (100, 1) } else { (10_000, 5) };
    for &(kind, who, fire) in FIRING {
        let row = Row::empty("cancel", CASE, kind, who, "ns");
        let once = |_| apart::run::<f64>(who, count);
        let row = match fire.map(|_| (0..repeats).map(once).collect::<Result<Vec<f64>, _>>()) {
            Some(Ok(spent)) => row.figures(spent),
            Some(Err(reason)) if kind == Kind::Rival => row.note(reason),
            Some(Err(reason)) => panic!("{who}: {reason}"),
            None => row.note(NO_TIMEOUT),
        };
        println!("{row}");
        question.row(row);
    }
}

/// Nanoseconds of the processors for each of so many.
fn measure(fire: Fire, count: usize) -> f64 {
    // A test does not wait that long.
    let longest = if count < 1000 { 10 } else { 100 };
    let limits: Vec<u64> = shuffled(count).into_iter().map(|i| i as u64 % longest + 1).collect();
    let limits = limits.into_iter().map(Duration::from_millis).collect();
    let before = processor::time();
    fire(limits);
    let spent = processor::time() - before;
    assert_eq!(DROPS.load(Relaxed), count as u64, "a timeout has not fired");
    spent.as_secs_f64() * 1e9 / count as f64
}

fn fire_by_heap(limits: Vec<Duration>) {
    let (mut heap, start) = (BinaryHeap::new(), Instant::now());
    let mut paused = Vec::new();
    for (number, (limit, stack)) in limits.iter().zip(slots(limits.len())).enumerate() {
        let mut co = Bare::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
            wait(1, &mut || yielder.suspend(()))
        });
        assert!(matches!(co.resume(()), CoroutineResult::Yield(())));
        paused.push(Some(co));
        let end = start.elapsed() + *limit;
        // To the millisecond, as tokio's timers: it is woken less often.
        heap.push(Reverse((start + Duration::from_millis(end.as_millis() as u64 + 1), number)));
    }
    while let Some(&Reverse((next, number))) = heap.peek() {
        match next.checked_duration_since(Instant::now()) {
            Some(wait) if !wait.is_zero() => thread::sleep(wait),
            _ => {
                heap.pop();
                paused[number] = None;
            }
        }
    }
}

fn fire_on_tokio(limits: Vec<Duration>) {
    on_tokio(&tokio_with_timers(), async move {
        let spawn = |limit| {
            tokio::spawn(async move { tokio::time::timeout(limit, wait_async(1, pending())).await })
        };
        let tasks: Vec<_> = limits.into_iter().map(spawn).collect();
        for task in tasks {
            assert!(task.await.expect("it does not panic").is_err());
        }
    });
}

fn fire_on_async_io(limits: Vec<Duration>) {
    let executor = LocalExecutor::new();
    let spawn = |limit| {
        let timer = async move {
            async_io::Timer::after(limit).await;
            0
        };
        executor.spawn(future::or(wait_async(1, pending()), timer))
    };
    let tasks: Vec<_> = limits.into_iter().map(spawn).collect();
    async_io::block_on(executor.run(async move {
        for task in tasks {
            assert_eq!(task.await, 0);
        }
    }));
}

fn fire_on_segno(limits: Vec<Duration>) {
    segno::run(|| {
        let spawn =
            |limit| segno::spawn(move || segno::timeout(limit, || wait(1, &mut segno::pause)));
        let tasks: Vec<_> = limits.into_iter().map(spawn).collect();
        for task in tasks {
            assert!(task.join().expect("it does not panic").is_err());
        }
    });
}

// A timeout around no wait.

fn no_wait() -> Vec<Contender> {
    vec![
        Contender::floor("plain call", copies!(call)).note("no timeout"),
        Contender::rival("tokio", copies!(no_wait_on_tokio))
            .note("stackless; sets no timer before the first wait"),
        Contender::rival("async-io", copies!(no_wait_on_async_io))
            .note("stackless; sets no timer before the first wait"),
        Contender::cannot("may", NO_TIMEOUT),
        Contender::segno("timeout", copies!(no_wait_on_segno)),
    ]
}

#[inline(never)]
fn work(value: u64) -> u64 {
    black_box(value)
}

fn call<const COPY: usize>() -> impl FnMut(u64) {
    |times| {
        shift::<COPY>();
        for value in 0..times {
            assert_eq!(work(value), value);
        }
    }
}

fn no_wait_on_tokio<const COPY: usize>() -> impl FnMut(u64) {
    let runtime = tokio_with_timers();
    move |times| {
        on_tokio(&runtime, async move {
            shift::<COPY>();
            for value in 0..times {
                assert_eq!(tokio::time::timeout(LONG, async { work(value) }).await, Ok(value));
            }
        })
    }
}

fn no_wait_on_async_io<const COPY: usize>() -> impl FnMut(u64) {
    let executor = LocalExecutor::new();
    move |times| {
        on_async_executor(&executor, async move {
            shift::<COPY>();
            for value in 0..times {
                let timer = async {
                    async_io::Timer::after(LONG).await;
                    None
                };
                let result = future::or(async { Some(work(value)) }, timer).await;
                assert_eq!(result, Some(value));
            }
        })
    }
}

fn no_wait_on_segno<const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            shift::<COPY>();
            for value in 0..times {
                assert_eq!(segno::timeout(LONG, || work(value)), Ok(value));
            }
        };
        event_loop.run(main).expect("it is not stopped");
    }
}

// A race of two.

fn races() -> Vec<Contender> {
    vec![
        Contender::floor("corosensei, kept stacks", copies!(race_bare)).note("no tasks"),
        Contender::rival("tokio, select!", copies!(race_on_tokio)).note("stackless; one task"),
        Contender::rival("tokio, two tasks and abort", copies!(race_of_tokio_tasks))
            .note("stackless"),
        Contender::rival("async-executor, or", copies!(race_on_executor))
            .note("stackless; one task"),
        Contender::rival_timed("may, select!", race_on_may),
        Contender::segno("race", copies!(race_on_segno)),
    ]
}

fn race_bare<const COPY: usize>() -> impl FnMut(u64) {
    let mut kept = Some((DefaultStack::default(), DefaultStack::default()));
    move |times| {
        shift::<COPY>();
        for number in 0..times {
            let (one, other) = kept.take().expect("put back below");
            let mut winner = Bare::with_stack(one, move |yielder: &Yielder<(), ()>, ()| {
                yielder.suspend(());
                black_box(number)
            });
            let mut loser = Bare::with_stack(other, move |yielder: &Yielder<(), ()>, ()| {
                wait(1, &mut || yielder.suspend(()))
            });
            assert!(winner.resume(()).as_yield().is_some());
            assert!(loser.resume(()).as_yield().is_some());
            assert_eq!(winner.resume(()).as_return(), Some(number));
            loser.force_unwind();
            kept = Some((winner.into_stack(), loser.into_stack()));
        }
    }
}

fn race_on_tokio<const COPY: usize>() -> impl FnMut(u64) {
    let runtime = tokio();
    move |times| {
        on_tokio(&runtime, async move {
            shift::<COPY>();
            for number in 0..times {
                let winner = async {
                    tokio::task::yield_now().await;
                    black_box(number)
                };
                let first = tokio::select! {
                    first = winner => first,
                    first = wait_async(1, pending()) => first,
                };
                assert_eq!(first, number);
            }
        })
    }
}

fn race_of_tokio_tasks<const COPY: usize>() -> impl FnMut(u64) {
    let runtime = tokio();
    move |times| {
        on_tokio(&runtime, async move {
            shift::<COPY>();
            for number in 0..times {
                let mut winner = tokio::spawn(async move {
                    tokio::task::yield_now().await;
                    black_box(number)
                });
                let mut loser = tokio::spawn(wait_async(1, pending()));
                let first = tokio::select! {
                    first = &mut winner => first,
                    first = &mut loser => first,
                };
                assert_eq!(first.expect("it does not panic"), number);
                loser.abort();
                assert!(loser.await.is_err());
            }
        })
    }
}

fn race_on_executor<const COPY: usize>() -> impl FnMut(u64) {
    let executor = LocalExecutor::new();
    move |times| {
        on_async_executor(&executor, async move {
            shift::<COPY>();
            for number in 0..times {
                let winner = async {
                    future::yield_now().await;
                    black_box(number)
                };
                assert_eq!(future::or(winner, wait_async(1, pending())).await, number);
            }
        })
    }
}

fn race_on_may(times: u64) -> Duration {
    let main = move || {
        let start = Instant::now();
        for _ in 0..times {
            let race = || -> usize {
                may::select!(
                    _ = may::coroutine::yield_now() => {},
                    _ = wait(1, &mut may::coroutine::park) => {}
                )
            };
            assert_eq!(race(), 0);
        }
        start.elapsed()
    };
    may::go!(main).join().expect("it does not panic")
}

fn race_on_segno<const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            shift::<COPY>();
            for number in 0..times {
                let runner = |wins| {
                    move || {
                        if wins {
                            segno::yield_now();
                            return black_box(number);
                        }
                        wait(1, &mut segno::pause)
                    }
                };
                assert_eq!(segno::race([runner(true), runner(false)]), number);
            }
        };
        event_loop.run(main).expect("it is not stopped");
    }
}

// The first of two receives.

fn receives() -> Vec<Contender> {
    vec![
        Contender::floor("corosensei and two Cells", copies!(receive_bare)),
        Contender::rival("tokio, select!", copies!(receive_on_tokio)).note("stackless"),
        Contender::rival("async-channel, or", copies!(receive_on_executor)).note("stackless"),
        Contender::rival_timed("may, select!", receive_on_may)
            .note("spawns two coroutines for it, and cancels one"),
        Contender::segno("select!", copies!(receive_on_segno)),
    ]
}

fn receive_bare<const COPY: usize>() -> impl FnMut(u64) {
    let cells = Rc::new([const { Cell::new(None::<u64>) }; 2]);
    let theirs = cells.clone();
    let mut sender = Bare::<(), (), ()>::new(move |yielder: &Yielder<(), ()>, ()| {
        shift::<COPY>();
        for value in 0_u64.. {
            theirs[value as usize % 2].set(Some(black_box(value)));
            yielder.suspend(());
        }
    });
    let mut receiver = Bare::<(), (), ()>::new(move |yielder: &Yielder<(), ()>, ()| {
        shift::<COPY>();
        for wanted in 0.. {
            assert_eq!(cells[0].take().or_else(|| cells[1].take()), Some(wanted));
            yielder.suspend(());
        }
    });
    move |times| {
        shift::<COPY>();
        for _ in 0..times {
            sender.resume(());
            receiver.resume(());
        }
    }
}

fn receive_on_tokio<const COPY: usize>() -> impl FnMut(u64) {
    use tokio::sync::mpsc::channel;

    let runtime = tokio();
    move |times| {
        let ((one, mut ones), (other, mut others)) = (channel(1), channel(1));
        on_tokio(&runtime, async move {
            drop(tokio::spawn(async move {
                shift::<COPY>();
                for value in 0..times {
                    let sender = if value % 2 == 0 { &one } else { &other };
                    sender.send(black_box(value)).await.expect("it is received");
                    tokio::task::yield_now().await;
                }
            }));
            shift::<COPY>();
            for wanted in 0..times {
                let value = tokio::select! {
                    value = ones.recv() => value,
                    value = others.recv() => value,
                };
                assert_eq!(value, Some(wanted));
            }
        });
    }
}

fn receive_on_executor<const COPY: usize>() -> impl FnMut(u64) {
    use async_channel::bounded;

    let executor = Rc::new(LocalExecutor::new());
    move |times| {
        let spawner = executor.clone();
        on_async_executor(&executor, async move {
            let ((one, ones), (other, others)) = (bounded(1), bounded(1));
            let sending = spawner.spawn(async move {
                shift::<COPY>();
                for value in 0..times {
                    let sender = if value % 2 == 0 { &one } else { &other };
                    sender.send(black_box(value)).await.expect("it is received");
                    future::yield_now().await;
                }
            });
            shift::<COPY>();
            for wanted in 0..times {
                // A closed channel would end the wait for the other one.
                assert_eq!(future::or(ones.recv(), others.recv()).await, Ok(wanted));
            }
            sending.await;
        });
    }
}

fn receive_on_may(times: u64) -> Duration {
    use may::sync::mpsc::channel;

    let main = move || {
        let ((one, ones), (other, others)) = (channel(), channel());
        let (got, taken) = channel();
        let start = Instant::now();
        let sending = may::go!(move || {
            for value in 0..times {
                let sender = if value % 2 == 0 { &one } else { &other };
                sender.send(black_box(value)).expect("it is received");
                // Its select does not say which value came.
                assert_eq!(taken.recv(), Ok(value % 2));
            }
        });
        for _ in 0..times {
            let select =
                || -> usize { may::select!(_ = ones.recv() => {}, _ = others.recv() => {}) };
            got.send(select() as u64).expect("it is received");
        }
        sending.join().expect("it does not panic");
        start.elapsed()
    };
    may::go!(main).join().expect("it does not panic")
}

fn receive_on_segno<const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let ((one, ones), (other, others)) = (segno_channel::bounded(1), segno_channel::bounded(1));
        let main = move || {
            let sending = segno::spawn(move || {
                shift::<COPY>();
                for value in 0..times {
                    let sender = if value % 2 == 0 { &one } else { &other };
                    sender.send(black_box(value)).expect("it is received");
                    segno::yield_now();
                }
            });
            shift::<COPY>();
            for wanted in 0..times {
                let value = segno::select! {
                    recv(ones) -> value => value,
                    recv(others) -> value => value,
                };
                assert_eq!(value, Ok(wanted));
            }
            sending.join().expect("it does not panic");
        };
        event_loop.run(main).expect("it is not stopped");
    }
}
