//! How late are sleeps, and what do timers cost?
//!
//! `cargo bench -p segno-benches --bench timers`
//!
//! - *100,000 sleeps of 1 to 1,000 ms*, a task for each, all on one loop and in no order. The ideal
//!   would be to take as long as the longest; counted is by how much it takes longer, from before
//!   the first task is spawned until the last has been joined (*over the ideal*), and the time that
//!   the processors spend on it, in all threads and in the kernel (*processor time*).
//! - *a timeout that does not fire*: a task sets a timeout of ten seconds around one yield, and gives
//!   it up. Once without other timers, once among 10,000 sleeping tasks. Timed: setting it, the
//!   yield, and giving it up.
//!
//! Against: deadlines in a heap and a thread that sleeps until the next (the floor of the sleeps: no
//! tasks), and the same with a fresh stack for each, guarded and its first page touched, which is the
//! kernel's work (the floor of stackful tasks, where no stacks are there yet); a deadline that is put
//! into an ordered map and taken out (the floor of the timeouts: no task and no yield); tokio's loop
//! of the current thread; async-executor with the timers of async-io; may.
//!
//! Fair, because the sleeps are the same in the same order, each in a process of its own. tokio's
//! timers are true to a millisecond, by its documentation, and so wake it a thousand times in a
//! second and not more often; so are the floor's.

use async_executor::LocalExecutor;
use futures_lite::future;
use segno::EventLoop;
use segno_benches::apart;
use segno_benches::copies;
use segno_benches::copies::shift;
use segno_benches::processor;
use segno_benches::question::{Contender, Question, is_test};
use segno_benches::rivals::{
    on_async_executor, on_tokio, one_worker_of_may, shuffled, tokio_with_timers,
};
use segno_benches::row::{Kind, Row};
use segno_benches::slots::touch_fresh;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    one_worker_of_may();
    if let Some((who, count)) = apart::asked() {
        let (.., sleep) = SLEEPERS.iter().find(|(_, name, _)| *name == who).expect("that name");
        return apart::answer(&measure(*sleep, count));
    }
    let mut question = Question::new("timers");
    sleeps(&mut question);
    question.case("a timeout that does not fire", 1, contenders::<Alone>());
    question.case("a timeout that does not fire, among 10,000", 1, contenders::<Among>());
    question.finish();
}

/// Sleeps so long, each in a task of its own, and waits until all have ended.
type Sleeper = fn(Vec<Duration>);

const SLEEPERS: &[(Kind, &str, Sleeper)] = &[
    (Kind::Floor, "a heap and a thread", sleep_by_heap),
    (Kind::Floor, "the same, and fresh stacks", sleep_by_heap_with_stacks),
    (Kind::Rival, "tokio", sleep_on_tokio),
    (Kind::Rival, "async-io", sleep_on_async_io),
    (Kind::Rival, "may", sleep_on_may),
    (Kind::Segno, "sleep", sleep_on_segno),
];

/// What a process has measured.
#[derive(Deserialize, Serialize)]
struct Spent {
    /// Milliseconds longer than the longest sleep.
    over: f64,
    /// Milliseconds of all processors together.
    processor: f64,
}

fn sleeps(question: &mut Question) {
    let (count, repeats) = if is_test() { (100, 1) } else { (100_000, 3) };
    let row = |case: &str,
               kind,
               who: &str,
               spent: &Result<Vec<Spent>, String>,
               figure: fn(&Spent) -> f64| {
        let case = format!("100,000 sleeps of 1 to 1,000 ms, {case}");
        let row = Row::empty("timers", &case, kind, who, "ms");
        let row = match spent {
            Ok(spent) => row.figures(spent.iter().map(figure).collect()),
            Err(reason) => row.note(reason.as_str()),
        };
        println!("{row}");
        row
    };
    if !question.wants("100,000 sleeps of 1 to 1,000 ms") {
        return;
    }
    let spent = |&(kind, who, _): &(Kind, &'static str, Sleeper)| {
        (kind, who, (0..repeats).map(|_| apart::run(who, count)).collect())
    };
    let spent: Vec<_> = SLEEPERS.iter().map(spent).collect();
    for (kind, who, spent) in &spent {
        question.row(row("over the ideal", *kind, who, spent, |spent| spent.over));
    }
    for (kind, who, spent) in &spent {
        question.row(row("processor time", *kind, who, spent, |spent| spent.processor));
    }
}

fn measure(sleep: Sleeper, count: usize) -> Spent {
    // A test does not wait for a second.
    let longest = if count < 1000 { 10 } else { 1000 };
    let sleeps: Vec<u64> = shuffled(count).into_iter().map(|i| i as u64 % longest + 1).collect();
    let sleeps = sleeps.into_iter().map(Duration::from_millis).collect();
    let (start, processor) = (Instant::now(), processor::time());
    sleep(sleeps);
    let over = start.elapsed().saturating_sub(Duration::from_millis(longest));
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    Spent { over: milliseconds(over), processor: milliseconds(processor::time() - processor) }
}

fn sleep_by_heap(sleeps: Vec<Duration>) {
    let (mut heap, start) = (BinaryHeap::new(), Instant::now());
    for sleep in sleeps {
        let wake = start.elapsed() + sleep;
        // To the millisecond, as tokio's timers: it is woken less often.
        heap.push(Reverse(start + Duration::from_millis(wake.as_millis() as u64 + 1)));
    }
    while let Some(Reverse(next)) = heap.peek() {
        match next.checked_duration_since(Instant::now()) {
            Some(wait) if !wait.is_zero() => thread::sleep(wait),
            _ => drop(heap.pop()),
        }
    }
}

/// What stackful tasks cannot do without: a page of stack each, and a guard, from the kernel.
fn sleep_by_heap_with_stacks(sleeps: Vec<Duration>) {
    touch_fresh(sleeps.len());
    sleep_by_heap(sleeps);
}

fn sleep_on_tokio(sleeps: Vec<Duration>) {
    on_tokio(&tokio_with_timers(), async move {
        let spawn = |sleep| tokio::spawn(tokio::time::sleep(sleep));
        let tasks: Vec<_> = sleeps.into_iter().map(spawn).collect();
        for task in tasks {
            task.await.expect("it does not panic");
        }
    });
}

fn sleep_on_async_io(sleeps: Vec<Duration>) {
    let executor = LocalExecutor::new();
    let spawn = |sleep| executor.spawn(async_io::Timer::after(sleep));
    let tasks: Vec<_> = sleeps.into_iter().map(spawn).collect();
    async_io::block_on(executor.run(async move {
        for task in tasks {
            task.await;
        }
    }));
}

fn sleep_on_may(sleeps: Vec<Duration>) {
    let main = move || {
        let spawn = |sleep| may::go!(move || may::coroutine::sleep(sleep));
        let tasks: Vec<_> = sleeps.into_iter().map(spawn).collect();
        tasks.into_iter().for_each(|task| task.join().expect("it does not panic"));
    };
    may::go!(main).join().expect("it does not panic");
}

fn contenders<C: Case>() -> Vec<Contender> {
    vec![
        Contender::floor("an ordered map", copies!(map, C)).note("no yield"),
        Contender::rival("tokio", copies!(on_tokios, C)).note("stackless"),
        Contender::rival("async-io", copies!(on_async_io, C)).note("stackless"),
        Contender::cannot("may", "it has no timeout around code: its waits have one each"),
        Contender::segno("timeout", copies!(segno, C)),
    ]
}

/// How many other timers there are.
trait Case: 'static {
    /// So many tasks sleep, each until another time.
    const OTHERS: u32;

    /// When they wake: in an hour or later.
    fn others() -> impl Iterator<Item = Duration> {
        (0..Self::OTHERS).map(|i| Duration::from_secs(3600) + Duration::from_millis(7) * i)
    }
}

struct Alone;

impl Case for Alone {
    const OTHERS: u32 = 0;
}

struct Among;

impl Case for Among {
    const OTHERS: u32 = 10_000;
}

/// The timeout that does not fire.
const TIMEOUT: Duration = Duration::from_secs(10);

fn map<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    let others = C::others().map(|other| Instant::now() + other);
    let mut timers: BTreeMap<(Instant, u64), ()> = others.map(|other| ((other, 0), ())).collect();
    move |times| {
        shift::<COPY>();
        for number in 0..times {
            let key = (Instant::now() + TIMEOUT, number);
            timers.insert(key, ());
            assert!(timers.remove(&black_box(key)).is_some());
        }
    }
}

fn on_tokios<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    let runtime = tokio_with_timers();
    C::others().for_each(|other| {
        runtime.spawn(async move { tokio::time::sleep(other).await });
    });
    move |times| {
        on_tokio(&runtime, async move {
            shift::<COPY>();
            for _ in 0..times {
                let done = tokio::time::timeout(TIMEOUT, tokio::task::yield_now()).await;
                assert!(done.is_ok());
            }
        })
    }
}

fn on_async_io<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    let executor = LocalExecutor::new();
    C::others().for_each(|other| executor.spawn(async_io::Timer::after(other)).detach());
    move |times| {
        on_async_executor(&executor, async move {
            shift::<COPY>();
            for _ in 0..times {
                let work = async {
                    future::yield_now().await;
                    true
                };
                let timer = async {
                    async_io::Timer::after(TIMEOUT).await;
                    false
                };
                assert!(future::or(work, timer).await);
            }
        })
    }
}

fn sleep_on_segno(sleeps: Vec<Duration>) {
    segno::run(|| {
        let spawn = |sleep| segno::spawn(move || segno::sleep(sleep));
        let tasks: Vec<_> = sleeps.into_iter().map(spawn).collect();
        tasks.into_iter().for_each(|task| task.join().expect("it does not panic"));
    });
}

fn segno<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    C::others().for_each(|other| {
        drop(event_loop.spawn(move || segno::sleep(other)));
    });
    move |times| {
        let main = || {
            shift::<COPY>();
            for _ in 0..times {
                assert!(segno::timeout(TIMEOUT, segno::yield_now).is_ok());
            }
        };
        event_loop.run(main).expect("it is not stopped");
    }
}
