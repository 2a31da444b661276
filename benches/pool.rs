//! What does work cost that many threads share, and how soon do they begin it?
//!
//! `cargo bench -p segno-benches --bench pool`
//!
//! - *skynet*: a task spawns ten and adds up what they give, each of those does the same, and so on,
//!   down to a million that give their number.
//! - *fib(30)*: a task spawns one for fib(n - 2), does fib(n - 1) itself, and adds; from n = 10 down
//!   it computes by plain calls.
//! - *1,000 spawned, then joined*: by one task, in that order; a hundred times. The figure is for one
//!   of them.
//! - *uneven work*: 1,000 things to be computed, of which the slowest takes a thousand times as long
//!   as the quickest, and the slow ones lie side by side. The floor's threads are there before that, each
//!   on a processor of its own, and look for the word to begin all the time: a system may put a thread
//!   that it wakes beside the one that woke it, and leave the other processor idle for milliseconds.
//! - *a post to a pool that sleeps*: a plain thread spawns a task when the pool's threads sleep.
//!   Timed: from before the spawn until the task runs. 50th, 99th and 99.9th percentile; each post
//!   is waited for, so one that is lost shows as a process that does not end. A million of them for
//!   Segno, fewer for the others.
//! - *32 idle threads*: what the processors spend in a second on a pool that has nothing to do.
//!
//! Timed, but for the last two: from a task of the pool, between two points in it. Threads and what
//! belongs to them are made before that, and each does all of it once to warm up. Beside the time
//! stands what the processors spent on the process meanwhile, for one task (of *uneven work*: for one
//! thing): a pool that spins while it waits shows there.
//!
//! Against: plain calls on one thread, or threads of the system, whichever fits (the floors); rayon,
//! whose tasks are plain calls on their thread's one stack, so that they cannot wait; tokio's loops
//! on many threads; async-executor, with as many threads that run it; may, which is stackful as Segno
//! is.
//!
//! Fair, because all give the same numbers, which are checked, and spawn the same tasks, on as many
//! threads. Where two ways to do it are natural, both are shown. Everybody is measured in processes
//! of its own, in turns, so that a spell in which the machine is slow falls on all.

use async_executor::Executor;
use futures_lite::future::{self, block_on};
use rayon::prelude::*;
use segno::{Pool, pool};
use segno_benches::question::{Question, is_test};
use segno_benches::row::{Kind, Row};
use segno_benches::threads::{go_anywhere, stay_on};
use segno_benches::{apart, processor};
use std::collections::VecDeque;
use std::future::Future;
use std::hint::{black_box, spin_loop};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use std::{panic, process, thread};

fn main() {
    if let Some((what, size)) = apart::asked() {
        let mut words = what.splitn(3, ' ');
        let mut word = || words.next().expect("a case, so many threads, and who");
        let (case, threads, who) = (word(), word().parse().expect("a number"), word());
        let case = CASES.iter().find(|one| one.key == case).expect("one of that name");
        let way = case.ways.iter().find(|way| way.who == who).expect("one of that name");
        // Whoever compares may be kept on one processor.
        go_anywhere();
        end_at_panic();
        return apart::answer(&(way.run)(threads, size));
    }
    let mut question = Question::new("pool");
    CASES.iter().for_each(|case| case.measure(&mut question));
    question.finish();
}

/// Has a panic on any thread end the process, where others would wait for ever for what that thread was to do.
fn end_at_panic() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        report(info);
        process::exit(101);
    }));
}

// ---- cases

/// Something that is measured of several.
struct Case {
    /// One word for it.
    key: &'static str,
    /// What it is.
    name: &'static str,
    /// On so many threads, each number for itself.
    threads: &'static [usize],
    /// How much there is to do, and how much as a test.
    size: (usize, usize),
    /// So many processes for each contender.
    rounds: usize,
    /// What is measured.
    figures: &'static [Figure],
    /// Of whom, the floor first.
    ways: &'static [Way],
}

/// One of the numbers that a process gives.
struct Figure {
    /// Which, added to the name of the case.
    name: &'static str,
    /// Its unit.
    unit: &'static str,
    /// Makes that unit of what the process has measured, for so much to do.
    scale: fn(measured: f64, size: usize) -> f64,
}

/// How somebody does it.
struct Way {
    /// What it stands for.
    kind: Kind,
    /// Who.
    who: &'static str,
    /// Does it on so many threads, so much of it, and gives a number for each figure.
    run: fn(threads: usize, size: usize) -> Vec<f64>,
    /// What a reader must know.
    note: &'static str,
    /// So many times as many rounds as the others.
    more: usize,
}

const fn way(kind: Kind, who: &'static str, run: fn(usize, usize) -> Vec<f64>) -> Way {
    Way { kind, who, run, note: "", more: 1 }
}

impl Way {
    const fn note(self, note: &'static str) -> Way {
        Way { note, ..self }
    }

    const fn more(self, more: usize) -> Way {
        Way { more, ..self }
    }
}

impl Case {
    /// Measures it, in turns of all contenders.
    fn measure(&self, question: &mut Question) {
        for &threads in self.threads {
            let name = match threads {
                1 => format!("{}, 1 worker", self.name),
                many => format!("{}, {many} workers", self.name),
            };
            if question.wants(&name) {
                self.measure_on(question, &name, threads);
            }
        }
    }

    fn measure_on(&self, question: &mut Question, name: &str, threads: usize) {
        let (size, rounds) = if is_test() { (self.size.1, 1) } else { (self.size.0, self.rounds) };
        let more = |way: &Way| if is_test() { 1 } else { way.more };
        let mut measured: Vec<Result<Vec<Vec<f64>>, String>> =
            self.ways.iter().map(|_| Ok(Vec::new())).collect();
        for _ in 0..rounds {
            for (way, measured) in self.ways.iter().zip(&mut measured) {
                for _ in 0..more(way) {
                    // Who has failed once is not asked again.
                    let Ok(before) = measured else { break };
                    match apart::run(&format!("{} {threads} {}", self.key, way.who), size) {
                        Ok(figures) => before.push(figures),
                        Err(reason) if way.kind == Kind::Rival => *measured = Err(reason),
                        Err(reason) => panic!("{name}: {}: {reason}", way.who),
                    }
                }
            }
        }
        for (which, figure) in self.figures.iter().enumerate() {
            for (way, measured) in self.ways.iter().zip(&measured) {
                let case = format!("{name}{}", figure.name);
                let row = Row::empty("pool", &case, way.kind, way.who, figure.unit).note(way.note);
                let row = match measured {
                    Ok(all) => {
                        let one = |figures: &Vec<f64>| (figure.scale)(figures[which], size);
                        row.figures(all.iter().map(one).collect())
                    }
                    Err(reason) => row.note(reason.as_str()),
                };
                println!("{row}");
                question.row(row);
            }
        }
    }
}

/// Nanoseconds as milliseconds.
fn ms(measured: f64, _: usize) -> f64 {
    measured / 1e6
}

fn as_it_is(measured: f64, _: usize) -> f64 {
    measured
}

const CASES: &[Case] = &[
    Case {
        key: "skynet",
        name: "skynet, 1,000,000 leaves",
        threads: &[1, 2],
        size: (1_000_000, 1000),
        rounds: 3,
        figures: &[
            Figure { name: "", unit: "ms", scale: ms },
            Figure {
                name: ": CPU for one task",
                unit: "ns",
                scale: |measured, leaves| measured / skynet_tasks(leaves as u64) as f64,
            },
        ],
        ways: &[
            way(Kind::Floor, "plain calls", skynet_plain).note("on one thread"),
            way(Kind::Floor, "rayon, par_iter", skynet_rayon_iter).note(
                "no task for each leaf: it cuts what is left in two as long as somebody is idle",
            ),
            way(Kind::Rival, "rayon, scope", skynet_rayon_scope).note("cannot wait"),
            way(Kind::Rival, "tokio", skynet_tokio).note("stackless"),
            way(Kind::Rival, "async-executor", skynet_executor).note("stackless"),
            way(Kind::Rival, "may", skynet_may),
            way(Kind::Segno, "scope, joined", skynet_segno),
            way(Kind::Segno, "scope, into slots", skynet_segno_slots),
        ],
    },
    Case {
        key: "stacks",
        name: "skynet, 1,000,000 leaves: stacks alive at once",
        threads: &[1, 2],
        size: (1_000_000, 1000),
        rounds: 3,
        figures: &[Figure { name: "", unit: "stacks", scale: as_it_is }],
        ways: &[
            way(Kind::Floor, "one for each worker", |threads, _| vec![threads as f64]),
            way(Kind::Segno, "scope, joined", stacks_segno).note("the most that a leaf has seen"),
        ],
    },
    Case {
        key: "fib",
        name: "fib(30) with cutoff 10",
        threads: &[1, 2],
        size: (30, 15),
        rounds: 3,
        figures: &[
            Figure { name: "", unit: "ms", scale: ms },
            Figure {
                name: ": CPU for one task",
                unit: "ns",
                scale: |measured, n| measured / fib_tasks(n as u64) as f64,
            },
        ],
        ways: &[
            way(Kind::Floor, "plain calls", fib_plain).note("on one thread"),
            way(Kind::Rival, "rayon, join", fib_rayon).note("cannot wait"),
            way(Kind::Rival, "tokio", fib_tokio).note("stackless"),
            way(Kind::Rival, "async-executor", fib_executor).note("stackless"),
            way(Kind::Rival, "may", fib_may),
            way(Kind::Segno, "pool::join", fib_segno),
        ],
    },
    Case {
        key: "batch",
        name: "1,000 spawned, then joined, each",
        threads: &[1, 2],
        size: (100, 1),
        rounds: 3,
        figures: &[
            Figure { name: "", unit: "ns", scale: for_one_of_a_batch },
            Figure { name: ": CPU for one task", unit: "ns", scale: for_one_of_a_batch },
        ],
        ways: &[
            way(Kind::Floor, "boxed closures", batch_plain).note("on one thread"),
            way(Kind::Rival, "rayon, scope", batch_rayon).note("cannot wait"),
            way(Kind::Rival, "tokio", batch_tokio).note("stackless"),
            way(Kind::Rival, "async-executor", batch_executor).note("stackless"),
            way(Kind::Rival, "may", batch_may),
            way(Kind::Segno, "scope", batch_segno_scope),
            way(Kind::Segno, "pool::spawn", batch_segno_spawn),
        ],
    },
    Case {
        key: "uneven",
        name: "uneven work, 1,000 things",
        threads: &[1, 2],
        size: (40, 1),
        rounds: 3,
        figures: &[
            Figure { name: "", unit: "ms", scale: ms },
            Figure {
                name: ": CPU for one thing",
                unit: "ns",
                scale: |measured, _| measured / THINGS as f64,
            },
        ],
        ways: &[
            way(Kind::Floor, "threads, equal work", uneven_by_work)
                .note("knows beforehand what takes how long; never sleeps"),
            way(Kind::Rival, "threads, equal counts", uneven_by_count).note("started each time"),
            way(Kind::Rival, "rayon, par_iter", uneven_rayon),
            way(Kind::Rival, "tokio", uneven_tokio).note("a task for ten things"),
            way(Kind::Rival, "async-executor", uneven_executor).note("a task for ten things"),
            way(Kind::Rival, "may", uneven_may).note("a task for ten things"),
            way(Kind::Segno, "for_each", uneven_segno),
        ],
    },
    Case {
        key: "post",
        name: "a post to a pool that sleeps",
        threads: &[2],
        size: (20_000, 50),
        rounds: 1,
        figures: &[
            Figure { name: "", unit: "ns", scale: as_it_is },
            Figure { name: ": 99th percentile", unit: "ns", scale: as_it_is },
            Figure { name: ": 99.9th percentile", unit: "ns", scale: as_it_is },
        ],
        ways: &[
            way(Kind::Floor, "channel and thread", post_thread).note("one thread").more(5),
            way(Kind::Rival, "rayon", post_rayon).more(5),
            way(Kind::Rival, "tokio", post_tokio).more(5),
            way(Kind::Rival, "async-executor", post_executor).more(5),
            way(Kind::Rival, "may", post_may).more(5),
            way(Kind::Segno, "Pool::spawn", post_segno).more(50),
        ],
    },
    Case {
        key: "idle",
        name: "idle threads, CPU in a second",
        threads: &[32],
        size: (3000, 50),
        rounds: 1,
        figures: &[Figure { name: "", unit: "ms", scale: ms }],
        ways: &[
            way(Kind::Floor, "threads that wait", idle_threads),
            way(Kind::Rival, "rayon", idle_rayon),
            way(Kind::Rival, "tokio", idle_tokio),
            way(Kind::Rival, "async-executor", idle_executor),
            way(Kind::Rival, "may", idle_may),
            way(Kind::Segno, "Pool", idle_segno),
        ],
    },
];

// ---- runs

/// What is done several times, with a figure for each time.
struct Runs {
    /// When this time began, and what the processors had spent until then.
    began: Option<(Instant, Duration)>,
    /// Nanoseconds of each time, the one that warms up included.
    took: Vec<f64>,
    /// Nanoseconds that the processors spent.
    spent: Vec<f64>,
}

impl Runs {
    /// The first one warms up and is not counted.
    const COUNT: usize = 5;
    /// One that takes longer than this, in nanoseconds, is followed by one that counts: it is the median of hundreds of
    /// thousands of tasks already, and of as many processes as the others.
    const LONG: f64 = 300e6;

    fn new() -> Runs {
        Runs { began: None, took: Vec::new(), spent: Vec::new() }
    }

    /// Ends one, and says whether there is another, which then begins.
    fn another(&mut self) -> bool {
        if let Some((time, spent)) = self.began {
            self.took.push(time.elapsed().as_nanos() as f64);
            self.spent.push((processor::time() - spent).as_nanos() as f64);
        }
        let count = match self.took.first() {
            Some(&first) if first > Runs::LONG => 2,
            _ => Runs::COUNT,
        };
        if self.took.len() == count {
            return false;
        }
        let spent = processor::time();
        self.began = Some((Instant::now(), spent));
        true
    }

    /// The medians of both.
    fn medians(self) -> Vec<f64> {
        let median = |mut figures: Vec<f64>| {
            figures.remove(0);
            figures.sort_by(f64::total_cmp);
            figures[figures.len() / 2]
        };
        vec![median(self.took), median(self.spent)]
    }
}

/// Does this several times, and checks what it gives.
fn runs<T: PartialEq>(expected: T, mut once: impl FnMut() -> T) -> Vec<f64> {
    let mut runs = Runs::new();
    while runs.another() {
        assert!(once() == expected);
    }
    runs.medians()
}

/// The same with what gives it later.
async fn runs_async<T: PartialEq, F: Future<Output = T>>(
    expected: T,
    mut once: impl FnMut() -> F,
) -> Vec<f64> {
    let mut runs = Runs::new();
    while runs.another() {
        assert!(once().await == expected);
    }
    runs.medians()
}

// ---- threads

fn segno_pool(threads: usize) -> Pool {
    Pool::builder().threads(threads).build().expect("threads")
}

fn rayon_pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads")
}

fn tokio_pool(threads: usize) -> tokio::runtime::Runtime {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).build();
    built.expect("threads")
}

/// `main` is a task, as those that it spawns.
fn on_tokio<T: Send + 'static>(
    threads: usize,
    main: impl Future<Output = T> + Send + 'static,
) -> T {
    let runtime = tokio_pool(threads);
    runtime.block_on(runtime.spawn(main)).expect("it does not panic")
}

/// The one executor of a process, with its threads.
type Shared = &'static Executor<'static>;

fn executor_pool(threads: usize) -> Shared {
    let executor: Shared = Box::leak(Box::new(Executor::new()));
    for _ in 0..threads {
        thread::spawn(|| block_on(executor.run(future::pending::<()>())));
    }
    executor
}

fn on_may<T: Send + 'static>(threads: usize, main: impl FnOnce() -> T + Send + 'static) -> T {
    may::config().set_workers(threads);
    may::go!(main).join().expect("it does not panic")
}

/// A future that may contain one of its own kind.
type Boxed = Pin<Box<dyn Future<Output = u64> + Send>>;

// ---- skynet

/// Each task spawns so many.
const CHILDREN: u64 = 10;

/// So many tasks for so many leaves.
fn skynet_tasks(leaves: u64) -> u64 {
    if leaves == 1 { 1 } else { 1 + CHILDREN * skynet_tasks(leaves / CHILDREN) }
}

/// What comes out.
fn skynet_sum(leaves: usize) -> u64 {
    (0..leaves as u64).sum()
}

fn skynet_plain(_: usize, leaves: usize) -> Vec<f64> {
    fn skynet(first: u64, leaves: u64) -> u64 {
        if leaves == 1 {
            return black_box(first);
        }
        let part = leaves / CHILDREN;
        (0..CHILDREN).map(|child| skynet(first + child * part, part)).sum()
    }
    runs(skynet_sum(leaves), || skynet(0, leaves as u64))
}

fn skynet_rayon_scope(threads: usize, leaves: usize) -> Vec<f64> {
    fn skynet(first: u64, leaves: u64) -> u64 {
        if leaves == 1 {
            return black_box(first);
        }
        let part = leaves / CHILDREN;
        let mut sums = [0; CHILDREN as usize];
        rayon::scope(|scope| {
            for (child, sum) in (0..).zip(&mut sums) {
                scope.spawn(move |_| *sum = skynet(first + child * part, part));
            }
        });
        sums.iter().sum()
    }
    rayon_pool(threads).install(|| runs(skynet_sum(leaves), || skynet(0, leaves as u64)))
}

fn skynet_rayon_iter(threads: usize, leaves: usize) -> Vec<f64> {
    fn skynet(first: u64, leaves: u64) -> u64 {
        if leaves == 1 {
            return black_box(first);
        }
        let part = leaves / CHILDREN;
        (0..CHILDREN).into_par_iter().map(|child| skynet(first + child * part, part)).sum()
    }
    rayon_pool(threads).install(|| runs(skynet_sum(leaves), || skynet(0, leaves as u64)))
}

fn skynet_tokio(threads: usize, leaves: usize) -> Vec<f64> {
    fn skynet(first: u64, leaves: u64) -> Boxed {
        Box::pin(async move {
            if leaves == 1 {
                return black_box(first);
            }
            let part = leaves / CHILDREN;
            let spawn = |child: u64| tokio::spawn(skynet(first + child * part, part));
            let children: [_; CHILDREN as usize] = std::array::from_fn(|child| spawn(child as u64));
            let mut sum = 0;
            for child in children {
                sum += child.await.expect("it does not panic");
            }
            sum
        })
    }
    on_tokio(threads, runs_async(skynet_sum(leaves), move || skynet(0, leaves as u64)))
}

fn skynet_executor(threads: usize, leaves: usize) -> Vec<f64> {
    fn skynet(executor: Shared, first: u64, leaves: u64) -> Boxed {
        Box::pin(async move {
            if leaves == 1 {
                return black_box(first);
            }
            let part = leaves / CHILDREN;
            let spawn = |child: u64| executor.spawn(skynet(executor, first + child * part, part));
            let children: [_; CHILDREN as usize] = std::array::from_fn(|child| spawn(child as u64));
            let mut sum = 0;
            for child in children {
                sum += child.await;
            }
            sum
        })
    }
    let executor = executor_pool(threads);
    let once = move || skynet(executor, 0, leaves as u64);
    block_on(executor.spawn(runs_async(skynet_sum(leaves), once)))
}

fn skynet_may(threads: usize, leaves: usize) -> Vec<f64> {
    fn skynet(first: u64, leaves: u64) -> u64 {
        if leaves == 1 {
            return black_box(first);
        }
        let part = leaves / CHILDREN;
        let spawn = |child: u64| may::go!(move || skynet(first + child * part, part));
        let children: [_; CHILDREN as usize] = std::array::from_fn(|child| spawn(child as u64));
        children.map(|child| child.join().expect("it does not panic")).iter().sum()
    }
    on_may(threads, move || runs(skynet_sum(leaves), || skynet(0, leaves as u64)))
}

/// The tree, with what every leaf does.
fn skynet_joined(first: u64, leaves: u64, leaf: &(impl Fn() + Sync)) -> u64 {
    if leaves == 1 {
        leaf();
        return black_box(first);
    }
    let part = leaves / CHILDREN;
    pool::scope(|scope| {
        let spawn =
            |child: u64| scope.spawn(move || skynet_joined(first + child * part, part, leaf));
        let children: [_; CHILDREN as usize] = std::array::from_fn(|child| spawn(child as u64));
        children.map(|child| child.join().expect("it does not panic")).iter().sum()
    })
}

fn skynet_segno(threads: usize, leaves: usize) -> Vec<f64> {
    let once = || skynet_joined(0, leaves as u64, &|| ());
    segno_pool(threads).run(|| runs(skynet_sum(leaves), once))
}

fn skynet_segno_slots(threads: usize, leaves: usize) -> Vec<f64> {
    fn skynet(first: u64, leaves: u64) -> u64 {
        if leaves == 1 {
            return black_box(first);
        }
        let part = leaves / CHILDREN;
        let mut sums = [0; CHILDREN as usize];
        pool::scope(|scope| {
            for (child, sum) in (0..).zip(&mut sums) {
                let _ = scope.spawn(move || *sum = skynet(first + child * part, part));
            }
        });
        sums.iter().sum()
    }
    segno_pool(threads).run(|| runs(skynet_sum(leaves), || skynet(0, leaves as u64)))
}

/// The most stacks that a leaf has seen alive. Not every one looks: it takes a while.
fn stacks_segno(threads: usize, leaves: usize) -> Vec<f64> {
    const SELDOM: usize = 64;

    let (seen, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let leaf = || {
        if seen.fetch_add(1, Ordering::Relaxed) % SELDOM == 0 {
            most.fetch_max(segno::stack::stats().live, Ordering::Relaxed);
        }
    };
    let sum = segno_pool(threads).run(|| skynet_joined(0, leaves as u64, &leaf));
    assert!(sum == skynet_sum(leaves));
    vec![most.into_inner() as f64]
}

// ---- fib

/// From here down it is computed by plain calls.
const CUTOFF: u64 = 10;

/// So many tasks are spawned.
fn fib_tasks(n: u64) -> u64 {
    if n <= CUTOFF { 0 } else { 1 + fib_tasks(n - 1) + fib_tasks(n - 2) }
}

/// What everybody does below the cutoff. Not inlined, so that it is the same code for all.
#[inline(never)]
fn fib_of(n: u64) -> u64 {
    if n < 2 { n } else { fib_of(n - 1) + fib_of(n - 2) }
}

fn fib_plain(_: usize, n: usize) -> Vec<f64> {
    let n = n as u64;
    runs(fib_of(n), || fib_of(black_box(n)))
}

fn fib_rayon(threads: usize, n: usize) -> Vec<f64> {
    fn fib(n: u64) -> u64 {
        if n <= CUTOFF {
            return fib_of(n);
        }
        let (a, b) = rayon::join(|| fib(n - 1), || fib(n - 2));
        a + b
    }
    let n = n as u64;
    rayon_pool(threads).install(|| runs(fib_of(n), || fib(n)))
}

fn fib_tokio(threads: usize, n: usize) -> Vec<f64> {
    fn fib(n: u64) -> Boxed {
        Box::pin(async move {
            if n <= CUTOFF {
                return fib_of(n);
            }
            let b = tokio::spawn(fib(n - 2));
            fib(n - 1).await + b.await.expect("it does not panic")
        })
    }
    let n = n as u64;
    on_tokio(threads, runs_async(fib_of(n), move || fib(n)))
}

fn fib_executor(threads: usize, n: usize) -> Vec<f64> {
    fn fib(executor: Shared, n: u64) -> Boxed {
        Box::pin(async move {
            if n <= CUTOFF {
                return fib_of(n);
            }
            let b = executor.spawn(fib(executor, n - 2));
            fib(executor, n - 1).await + b.await
        })
    }
    let (executor, n) = (executor_pool(threads), n as u64);
    block_on(executor.spawn(runs_async(fib_of(n), move || fib(executor, n))))
}

fn fib_may(threads: usize, n: usize) -> Vec<f64> {
    fn fib(n: u64) -> u64 {
        if n <= CUTOFF {
            return fib_of(n);
        }
        let b = may::go!(move || fib(n - 2));
        fib(n - 1) + b.join().expect("it does not panic")
    }
    let n = n as u64;
    on_may(threads, move || runs(fib_of(n), || fib(n)))
}

fn fib_segno(threads: usize, n: usize) -> Vec<f64> {
    fn fib(n: u64) -> u64 {
        if n <= CUTOFF {
            return fib_of(n);
        }
        let (a, b) = pool::join(|| fib(n - 1), || fib(n - 2));
        a + b
    }
    let n = n as u64;
    segno_pool(threads).run(|| runs(fib_of(n), || fib(n)))
}

// ---- 1,000 spawned, then joined

/// So many are alive at once.
const BATCH: u64 = 1000;
/// What they give together.
const BATCH_SUM: u64 = BATCH * (BATCH - 1) / 2;

fn for_one_of_a_batch(measured: f64, batches: usize) -> f64 {
    measured / (batches as u64 * BATCH) as f64
}

/// Runs of so many batches.
fn batches(count: usize, mut once: impl FnMut() -> u64) -> Vec<f64> {
    runs(count as u64 * BATCH_SUM, || (0..count).map(|_| once()).sum())
}

/// A loop of so many batches in an async task.
macro_rules! batches_async {
    ($count:expr, |$i:ident| $spawn:expr, |$handle:ident| $join:expr) => {{
        let mut runs = Runs::new();
        while runs.another() {
            let mut sum = 0;
            for _ in 0..$count {
                let mut handles = Vec::with_capacity(BATCH as usize);
                for number in 0..BATCH {
                    let $i = black_box(number);
                    handles.push($spawn);
                }
                for $handle in handles {
                    sum += $join;
                }
            }
            assert!(sum == $count as u64 * BATCH_SUM);
        }
        runs.medians()
    }};
}

fn batch_plain(_: usize, count: usize) -> Vec<f64> {
    let mut queue: VecDeque<Box<dyn FnOnce() -> u64>> = VecDeque::new();
    batches(count, || {
        for i in 0..BATCH {
            let i = black_box(i);
            queue.push_back(Box::new(move || i));
        }
        queue.drain(..).map(|closure| closure()).sum()
    })
}

fn batch_rayon(threads: usize, count: usize) -> Vec<f64> {
    let once = || {
        let mut numbers = vec![0; BATCH as usize];
        rayon::scope(|scope| {
            for (i, number) in (0..).zip(&mut numbers) {
                let i = black_box(i);
                scope.spawn(move |_| *number = i);
            }
        });
        numbers.iter().sum()
    };
    rayon_pool(threads).install(|| batches(count, once))
}

fn batch_tokio(threads: usize, count: usize) -> Vec<f64> {
    on_tokio(threads, async move {
        batches_async!(count, |i| tokio::spawn(async move { i }), |handle| {
            handle.await.expect("it does not panic")
        })
    })
}

fn batch_executor(threads: usize, count: usize) -> Vec<f64> {
    let executor = executor_pool(threads);
    block_on(executor.spawn(async move {
        batches_async!(count, |i| executor.spawn(async move { i }), |handle| handle.await)
    }))
}

/// A batch of who has a handle that is joined.
macro_rules! batch {
    (|$i:ident| $spawn:expr) => {{
        let spawn = |number| {
            let $i: u64 = black_box(number);
            $spawn
        };
        let handles: Vec<_> = (0..BATCH).map(spawn).collect();
        handles.into_iter().map(|handle| handle.join().expect("it does not panic")).sum()
    }};
}

fn batch_may(threads: usize, count: usize) -> Vec<f64> {
    on_may(threads, move || batches(count, || batch!(|i| may::go!(move || i))))
}

fn batch_segno_scope(threads: usize, count: usize) -> Vec<f64> {
    let once = || pool::scope(|scope| batch!(|i| scope.spawn(move || i)));
    segno_pool(threads).run(|| batches(count, once))
}

fn batch_segno_spawn(threads: usize, count: usize) -> Vec<f64> {
    segno_pool(threads).run(|| batches(count, || batch!(|i| pool::spawn(move || i))))
}

// ---- uneven work

/// So many are to be computed.
const THINGS: usize = 1000;

/// One of them.
struct Thing {
    /// So many steps.
    steps: u64,
    /// What came out. Relaxed: whoever waits for all of them orders it.
    result: AtomicU64,
}

impl Thing {
    /// The slowest is the 700th, and from there it falls by the same factor from each to the next.
    /// Both halves of them have an end that is slow.
    fn of(number: usize, least: usize) -> Thing {
        const SLOWEST: f64 = 700.0;
        const WIDTH: f64 = 150.0;
        let near = (1.0 - (number as f64 - SLOWEST).abs() / WIDTH).max(0.0);
        let steps = (least as f64 * 1000_f64.powf(near)) as u64;
        Thing { steps, result: AtomicU64::new(0) }
    }

    /// A point that stays inside Mandelbrot's set, so that all steps are done.
    fn compute(&self) {
        let (mut re, mut im) = (0.0_f64, 0.0_f64);
        let (a, b) = black_box((-0.1_f64, 0.2_f64));
        for _ in 0..self.steps {
            (re, im) = (re * re - im * im + a, 2.0 * re * im + b);
            if re * re + im * im > 4.0 {
                break;
            }
        }
        self.result.store((re + im).to_bits(), Ordering::Relaxed);
    }
}

/// All of them, of which the quickest takes so many steps.
fn things(least: usize) -> &'static [Thing] {
    (0..THINGS).map(|number| Thing::of(number, least)).collect::<Vec<_>>().leak()
}

/// Takes the results out, and says whether all were there.
fn are_done(things: &[Thing]) -> bool {
    things.iter().all(|thing| thing.result.swap(0, Ordering::Relaxed) != 0)
}

/// On threads of the system, of which each gets one part.
fn uneven_threads(things: &'static [Thing], parts: &[&'static [Thing]]) -> Vec<f64> {
    runs(true, || {
        thread::scope(|scope| {
            let (here, others) = parts.split_first().expect("a thread at least");
            for part in others {
                scope.spawn(|| part.iter().for_each(Thing::compute));
            }
            here.iter().for_each(Thing::compute);
        });
        are_done(things)
    })
}

fn uneven_by_count(threads: usize, least: usize) -> Vec<f64> {
    let things = things(least);
    let parts: Vec<_> = things.chunks(THINGS.div_ceil(threads)).collect();
    uneven_threads(things, &parts)
}

fn uneven_by_work(threads: usize, least: usize) -> Vec<f64> {
    let things = things(least);
    let all: u64 = things.iter().map(|thing| thing.steps).sum();
    let mut parts = Vec::new();
    let mut rest = things;
    for part in 1..threads {
        let (mut before, until) = (0, all * part as u64 / threads as u64);
        let at = things.iter().position(|thing| {
            before += thing.steps;
            before >= until
        });
        let at = at.expect("all of them are more") + 1 - (THINGS - rest.len());
        let (here, others) = rest.split_at(at);
        parts.push(here);
        rest = others;
    }
    parts.push(rest);
    let (here, others) = parts.split_first().expect("a thread at least");
    let word = Word { round: AtomicUsize::new(0), busy: AtomicUsize::new(0) };
    thread::scope(|scope| {
        for (processor, part) in (1..).zip(others) {
            let word = &word;
            scope.spawn(move || {
                stay_on(processor);
                word.obey(|| part.iter().for_each(Thing::compute));
            });
        }
        stay_on(0);
        let _last = LastWord(&word);
        runs(true, || {
            word.busy.store(others.len(), Ordering::Relaxed);
            // Acquire in `obey` is its partner.
            word.round.fetch_add(1, Ordering::Release);
            here.iter().for_each(Thing::compute);
            while word.busy.load(Ordering::Acquire) > 0 {
                spin_loop();
            }
            are_done(things)
        })
    })
}

/// The word to begin, for threads that look for it and never sleep.
struct Word {
    /// How often it was given; `LAST` when that was the last time.
    round: AtomicUsize,
    /// So many have not done what they were told.
    busy: AtomicUsize,
}

impl Word {
    const LAST: usize = usize::MAX;

    /// Does this whenever the word is given.
    fn obey(&self, does: impl Fn()) {
        let mut before = 0;
        loop {
            match self.round.load(Ordering::Acquire) {
                Word::LAST => return,
                round if round == before => spin_loop(),
                round => {
                    before = round;
                    does();
                    self.busy.fetch_sub(1, Ordering::Release);
                }
            }
        }
    }
}

/// Lets them go, however it ends.
struct LastWord<'a>(&'a Word);

impl Drop for LastWord<'_> {
    fn drop(&mut self) {
        self.0.round.store(Word::LAST, Ordering::Relaxed);
    }
}

fn uneven_rayon(threads: usize, least: usize) -> Vec<f64> {
    let things = things(least);
    rayon_pool(threads).install(|| {
        runs(true, || {
            things.par_iter().for_each(Thing::compute);
            are_done(things)
        })
    })
}

/// So many things for a task, of who has no better way.
const CHUNK: usize = 10;

fn uneven_tokio(threads: usize, least: usize) -> Vec<f64> {
    let things = things(least);
    let once = move || async move {
        let spawn =
            |part: &'static [Thing]| tokio::spawn(async { part.iter().for_each(Thing::compute) });
        let tasks: Vec<_> = things.chunks(CHUNK).map(spawn).collect();
        for task in tasks {
            task.await.expect("it does not panic");
        }
        are_done(things)
    };
    on_tokio(threads, runs_async(true, once))
}

fn uneven_executor(threads: usize, least: usize) -> Vec<f64> {
    let (executor, things) = (executor_pool(threads), things(least));
    let once = move || async move {
        let spawn =
            |part: &'static [Thing]| executor.spawn(async { part.iter().for_each(Thing::compute) });
        let tasks: Vec<_> = things.chunks(CHUNK).map(spawn).collect();
        for task in tasks {
            task.await;
        }
        are_done(things)
    };
    block_on(executor.spawn(runs_async(true, once)))
}

fn uneven_may(threads: usize, least: usize) -> Vec<f64> {
    let things = things(least);
    on_may(threads, move || {
        runs(true, || {
            let spawn =
                |part: &'static [Thing]| may::go!(move || part.iter().for_each(Thing::compute));
            let tasks: Vec<_> = things.chunks(CHUNK).map(spawn).collect();
            tasks.into_iter().for_each(|task| task.join().expect("it does not panic"));
            are_done(things)
        })
    })
}

fn uneven_segno(threads: usize, least: usize) -> Vec<f64> {
    let things = things(least);
    segno_pool(threads).run(|| {
        runs(true, || {
            pool::for_each(things, Thing::compute);
            are_done(things)
        })
    })
}

// ---- posts

/// What a task does that was posted: says when it ran, and wakes who waits for that.
struct Posted {
    /// When it was about to be posted.
    start: Instant,
    /// Nanoseconds from there until it ran.
    took: Arc<AtomicU64>,
    /// It has run.
    done: Arc<AtomicBool>,
    /// Who waits.
    poster: thread::Thread,
}

impl Posted {
    fn run(self) {
        self.took.store(self.start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        // Acquire in `posts` is its partner.
        self.done.store(true, Ordering::Release);
        self.poster.unpark();
    }
}

/// Posts so many, each when the one before has run and the pool sleeps again: a while later, and when
/// it `sleeps`, for who can tell.
fn posts(count: usize, sleeps: impl Fn() -> bool, mut post: impl FnMut(Posted)) -> Vec<f64> {
    /// Long enough for threads without work to be asleep.
    const PAUSE: Duration = Duration::from_micros(50);
    /// Not counted, at the beginning.
    const WARM: usize = 10;

    let mut latencies = Vec::with_capacity(count);
    for number in 0..count + WARM {
        thread::sleep(PAUSE);
        while !sleeps() {
            thread::yield_now();
        }
        let (took, done) = (Arc::default(), Arc::default());
        let (kept_took, kept_done) = (Arc::clone(&took), Arc::clone(&done));
        post(Posted { start: Instant::now(), took, done, poster: thread::current() });
        while !kept_done.load(Ordering::Acquire) {
            thread::park();
        }
        if number >= WARM {
            latencies.push(kept_took.load(Ordering::Relaxed) as f64);
        }
    }
    latencies.sort_by(f64::total_cmp);
    [0.5, 0.99, 0.999].map(|part| latencies[(count as f64 * part) as usize]).to_vec()
}

fn post_thread(_: usize, count: usize) -> Vec<f64> {
    let (sender, receiver) = mpsc::channel::<Posted>();
    let thread = thread::spawn(move || receiver.into_iter().for_each(Posted::run));
    let latencies = posts(count, || true, |posted| sender.send(posted).expect("it receives"));
    drop(sender);
    thread.join().expect("it does not panic");
    latencies
}

fn post_rayon(threads: usize, count: usize) -> Vec<f64> {
    let pool = rayon_pool(threads);
    posts(count, || true, |posted| pool.spawn(move || posted.run()))
}

fn post_tokio(threads: usize, count: usize) -> Vec<f64> {
    let runtime = tokio_pool(threads);
    let handle = runtime.handle();
    posts(count, || true, |posted| drop(handle.spawn(async { posted.run() })))
}

fn post_executor(threads: usize, count: usize) -> Vec<f64> {
    let executor = executor_pool(threads);
    posts(count, || true, |posted| executor.spawn(async { posted.run() }).detach())
}

fn post_may(threads: usize, count: usize) -> Vec<f64> {
    may::config().set_workers(threads);
    posts(count, || true, |posted| drop(may::go!(move || posted.run())))
}

fn post_segno(threads: usize, count: usize) -> Vec<f64> {
    let pool = segno_pool(threads);
    posts(count, || pool.idle() == threads, |posted| drop(pool.spawn(move || posted.run())))
}

// ---- idle

/// What the processors spend in a second, measured for so many milliseconds.
fn idle(milliseconds: usize) -> Vec<f64> {
    // By then all have gone to sleep.
    thread::sleep(Duration::from_millis(50));
    let (start, spent) = (Instant::now(), processor::time());
    thread::sleep(Duration::from_millis(milliseconds as u64));
    let spent = processor::time() - spent;
    vec![spent.as_nanos() as f64 / start.elapsed().as_secs_f64()]
}

fn idle_threads(threads: usize, milliseconds: usize) -> Vec<f64> {
    for _ in 0..threads {
        thread::spawn(thread::park);
    }
    idle(milliseconds)
}

fn idle_rayon(threads: usize, milliseconds: usize) -> Vec<f64> {
    let pool = rayon_pool(threads);
    pool.install(|| ());
    idle(milliseconds)
}

fn idle_tokio(threads: usize, milliseconds: usize) -> Vec<f64> {
    let runtime = tokio_pool(threads);
    runtime.block_on(runtime.spawn(async {})).expect("it does not panic");
    idle(milliseconds)
}

fn idle_executor(threads: usize, milliseconds: usize) -> Vec<f64> {
    let executor = executor_pool(threads);
    block_on(executor.spawn(async {}));
    idle(milliseconds)
}

fn idle_may(threads: usize, milliseconds: usize) -> Vec<f64> {
    on_may(threads, || ());
    idle(milliseconds)
}

fn idle_segno(threads: usize, milliseconds: usize) -> Vec<f64> {
    let pool = segno_pool(threads);
    pool.run(|| ());
    idle(milliseconds)
}
