//! What does waking a task cost, on its own thread and from another?
//!
//! `cargo bench -p segno-benches --bench wake`
//!
//! - *round trip of two tasks*: one wakes the other and pauses until that one has woken it in turn.
//!   Timed: both wakes and both pauses.
//! - *a thread wakes a loop that sleeps*: a thread wakes a task, whose loop has nothing else to do
//!   and so its thread sleeps; the task answers by waking the thread, which sleeps by then too.
//!   Timed: each round trip for itself. Not timed: the time in between, in which the loop falls
//!   asleep. The median of some thousand, and the 99th percentile; once with both threads on one
//!   processor, once on two.
//! - *a thread wakes a loop that is busy*: a thread wakes a thousand tasks one after the other, each
//!   of which pauses again, while another task of the loop yields without end. Timed: until all of
//!   the thousand have run. The figure is for one of them.
//!
//! Against: two bare coroutines of corosensei, resumed in turns, and two threads (the floors);
//! tokio's loop of the current thread, by its waker and by its `Notify`; async-executor's local
//! one; may, which is stackful as Segno is.
//!
//! Fair, because all check the same atomic word before they pause and after, and use the barest wake
//! that there is: the waker that a future or a task of Segno is handed, may's `park` and `unpark`.
//! Waking a thread that sleeps is the kernel's work, and waking a processor that sleeps is, on a
//! virtual machine, the host's: that is what the difference between one processor and two shows.

use async_executor::LocalExecutor;
use corosensei::{Coroutine as Bare, Yielder};
use futures_lite::future;
use segno::EventLoop;
use segno_benches::apart;
use segno_benches::copies;
use segno_benches::copies::{Copy, shift};
use segno_benches::question::{Contender, Question, is_test};
use segno_benches::rivals::{on_async_executor, on_tokio, one_worker_of_may, tokio};
use segno_benches::row::{Kind, Row};
use segno_benches::threads::stay_on;
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::future::poll_fn;
use std::hint::spin_loop;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

fn main() {
    one_worker_of_may();
    if let Some((what, times)) = apart::asked() {
        let (loop_is, who) = what.split_once(' ').expect("what the loop does, and whose it is");
        let server = SERVERS.iter().find(|(_, name, _)| *name == who);
        let serve = server.map_or(serve_by_polling as Server, |(.., serve)| *serve);
        return apart::answer(&match loop_is {
            "asleep-on-one" => asleep(serve, times, [0, 0]),
            "asleep-on-two" => asleep(serve, times, [1, 0]),
            _ => busy(serve, times),
        });
    }
    let mut question = Question::new("wake");
    question.case(
        "round trip of two tasks",
        1,
        vec![
            Contender::floor("corosensei, two resumes", copies!(bare)).note("nothing is queued"),
            Contender::rival("tokio, waker", copies!(on_tokios)).note("stackless"),
            Contender::rival("tokio, Notify", copies!(notify)).note("stackless"),
            Contender::rival("async-executor", copies!(on_executors)).note("stackless"),
            Contender::rival_timed("may", may),
            Contender::rival("OS threads", vec![Box::new(threads()) as Copy]),
            Contender::segno("pause and waker", copies!(segno)),
        ],
    );
    across_threads(&mut question);
    question.finish();
}

/// Whose turn it is: 0 or 1, and then the other.
#[derive(Clone, Default)]
struct Turn(Arc<AtomicU64>);

impl Turn {
    /// Whether it is mine.
    #[inline(always)]
    fn is(&self, me: u64) -> bool {
        self.0.load(Ordering::Acquire) == me
    }

    /// Makes it another's. `Acquire` in [`is`](Turn::is) is its partner.
    #[inline(always)]
    fn set(&self, who: u64) {
        self.0.store(who, Ordering::Release);
    }
}

fn bare<const COPY: usize>() -> impl FnMut(u64) {
    let turn = Turn::default();
    let mut tasks = [0, 1].map(|me| {
        let turn = turn.clone();
        Bare::<(), (), ()>::new(move |yielder: &Yielder<(), ()>, ()| {
            shift::<COPY>();
            loop {
                while !turn.is(me) {
                    yielder.suspend(());
                }
                turn.set(1 - me);
            }
        })
    });
    move |times| {
        shift::<COPY>();
        for _ in 0..times {
            tasks[0].resume(());
            tasks[1].resume(());
        }
    }
}

/// Gives the other the turn and waits for it to come back, so many times; or, as the other, the
/// other way round.
macro_rules! turns {
    ($times:expr, $me:expr, $turn:expr, wait: $wait:expr, wake: $wake:expr) => {
        for _ in 0..$times {
            if $me == 1 {
                while !$turn.is(1) {
                    $wait
                }
            }
            $turn.set(1 - $me);
            $wake;
            if $me == 0 {
                while !$turn.is(0) {
                    $wait
                }
            }
        }
    };
}

/// The wakers of two async tasks, each left there once.
type Wakers = Arc<[OnceLock<Waker>; 2]>;

/// One of two async tasks, which uses nothing but their wakers.
async fn take_turns<const COPY: usize>(times: u64, me: u64, turn: Turn, wakers: Wakers) {
    poll_fn(|context| {
        wakers[me as usize].set(context.waker().clone()).expect("nobody else sets it");
        Poll::Ready(())
    })
    .await;
    while wakers[1 - me as usize].get().is_none() {
        future::yield_now().await;
    }
    let other = wakers[1 - me as usize].get().expect("just looked for");
    shift::<COPY>();
    turns!(
        times, me, turn,
        wait: {
            let mut paused = false;
            poll_fn(|_| match std::mem::replace(&mut paused, true) || turn.is(me) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await
        },
        wake: other.wake_by_ref()
    );
}

fn on_tokios<const COPY: usize>() -> impl FnMut(u64) {
    let runtime = tokio();
    move |times| {
        let (turn, wakers) = (Turn::default(), Wakers::default());
        on_tokio(&runtime, async move {
            let other = tokio::spawn(take_turns::<COPY>(times, 1, turn.clone(), wakers.clone()));
            take_turns::<COPY>(times, 0, turn, wakers).await;
            other.await.expect("it does not panic");
        });
    }
}

fn on_executors<const COPY: usize>() -> impl FnMut(u64) {
    let executor = LocalExecutor::new();
    move |times| {
        let (turn, wakers) = (Turn::default(), Wakers::default());
        let other = executor.spawn(take_turns::<COPY>(times, 1, turn.clone(), wakers.clone()));
        on_async_executor(&executor, async move {
            take_turns::<COPY>(times, 0, turn, wakers).await;
            other.await;
        });
    }
}

fn notify<const COPY: usize>() -> impl FnMut(u64) {
    async fn take_turns<const COPY: usize>(times: u64, me: u64, turn: Turn, by: Arc<[Notify; 2]>) {
        shift::<COPY>();
        turns!(
            times, me, turn,
            wait: by[me as usize].notified().await,
            wake: by[1 - me as usize].notify_one()
        );
    }

    let runtime = tokio();
    move |times| {
        let (turn, by) = (Turn::default(), Arc::<[Notify; 2]>::default());
        on_tokio(&runtime, async move {
            let other = tokio::spawn(take_turns::<COPY>(times, 1, turn.clone(), by.clone()));
            take_turns::<COPY>(times, 0, turn, by).await;
            other.await.expect("it does not panic");
        });
    }
}

fn may(times: u64) -> Duration {
    use may::coroutine::{self, park};

    let main = move || {
        let (turn, me) = (Turn::default(), coroutine::current());
        let other = {
            let turn = turn.clone();
            may::go!(move || turns!(times, 1, turn, wait: park(), wake: me.unpark()))
        };
        let start = Instant::now();
        turns!(times, 0, turn, wait: park(), wake: other.coroutine().unpark());
        let took = start.elapsed();
        other.join().expect("it does not panic");
        took
    };
    may::go!(main).join().expect("it does not panic")
}

fn threads() -> impl FnMut(u64) {
    |times| {
        let (turn, me) = (Turn::default(), thread::current());
        let other = {
            let turn = turn.clone();
            thread::spawn(move || turns!(times, 1, turn, wait: thread::park(), wake: me.unpark()))
        };
        turns!(times, 0, turn, wait: thread::park(), wake: other.thread().unpark());
        other.join().expect("it does not panic");
    }
}

/// Wakes one who waits, from any thread.
type Wake = Box<dyn Fn() + Send + Sync>;

/// What a thread and the loop that it wakes have in common.
struct Shared {
    /// The tasks that are woken.
    seats: Vec<Seat>,
    /// Those who have said how they are woken.
    seated: AtomicU64,
    /// How often a task was woken and has run.
    answers: AtomicU64,
    /// The thread that waits for the answer, if it sleeps meanwhile.
    asker: Option<Thread>,
    /// The loop is to end.
    stop: AtomicBool,
}

/// A task that is woken.
#[derive(Default)]
struct Seat {
    /// It is to run. Set before `wake`, taken by the task.
    called: AtomicBool,
    /// How to wake it.
    wake: OnceLock<Wake>,
}

impl Shared {
    fn new(seats: usize, asker: Option<Thread>) -> Arc<Shared> {
        let zero = || AtomicU64::new(0);
        let seats = (0..seats).map(|_| Seat::default()).collect();
        let stop = AtomicBool::new(false);
        Arc::new(Shared { seats, seated: zero(), answers: zero(), asker, stop })
    }

    /// The task's side: it can be woken like that.
    fn sit(&self, seat: usize, wake: Wake) {
        assert!(self.seats[seat].wake.set(wake).is_ok(), "one task for each seat");
        self.seated.fetch_add(1, Ordering::Release);
    }

    /// The task's side: whether it was called. Answers if so.
    fn was_called(&self, seat: usize) -> bool {
        let called = &self.seats[seat].called;
        if !called.load(Ordering::Relaxed) || !called.swap(false, Ordering::Acquire) {
            return false;
        }
        self.answers.fetch_add(1, Ordering::Release);
        self.asker.iter().for_each(Thread::unpark);
        true
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// The thread's side: waits until all are seated.
    fn wait_for_all(&self) {
        while self.seated.load(Ordering::Acquire) < self.seats.len() as u64 {
            thread::yield_now();
        }
    }

    /// The thread's side.
    fn call(&self, seat: usize) {
        let Seat { called, wake } = &self.seats[seat];
        called.store(true, Ordering::Release);
        wake.get().expect("all are seated")();
    }

    /// The thread's side: ends the loop.
    fn end(&self) {
        self.stop.store(true, Ordering::Release);
        self.seats.iter().for_each(|seat| seat.wake.get().expect("all are seated")());
    }
}

/// Runs an event loop with a task for each seat until it is stopped; with a further task that yields
/// without end if `true`.
type Server = fn(Arc<Shared>, bool);

const SERVERS: &[(Kind, &str, Server)] = &[
    (Kind::Floor, "OS thread", serve_by_thread),
    (Kind::Rival, "tokio", serve_on_tokio),
    (Kind::Rival, "async-executor", serve_on_executor),
    (Kind::Rival, "may", serve_on_may),
    (Kind::Segno, "pause and waker", serve_on_segno),
];

/// The floor where the loop is busy: nobody is woken, a thread looks at all the words in turns.
const POLLS: &str = "OS thread that polls";

/// So many tasks of a busy loop are woken.
const TASKS: usize = 1000;

/// What one process has measured.
#[derive(Deserialize, Serialize)]
struct Times {
    /// The median, in nanoseconds.
    median: f64,
    /// What one in a hundred was above.
    late: f64,
}

impl Times {
    fn of(mut times: Vec<f64>) -> Times {
        times.sort_by(f64::total_cmp);
        Times { median: times[times.len() / 2], late: times[times.len() * 99 / 100] }
    }
}

fn across_threads(question: &mut Question) {
    let (times, rounds) = if is_test() { (20, 2) } else { (2000, 1000) };
    for (loop_is, processors) in [("asleep-on-one", "one processor"), ("asleep-on-two", "two")] {
        let case = format!("a thread wakes a loop that sleeps, and back, on {processors}");
        if !question.wants(&case) {
            continue;
        }
        let late = format!("{case}, 99th percentile");
        let measured = |&(kind, who, _): &_| (kind, who, apart(loop_is, who, times));
        let measured: Vec<(Kind, &str, _)> = SERVERS.iter().map(measured).collect();
        for (kind, who, times) in &measured {
            question.row(row(&case, *kind, who, times, |times| times.median));
        }
        for (kind, who, times) in &measured {
            question.row(row(&late, *kind, who, times, |times| times.late));
        }
    }
    let case = "a thread wakes a loop that is busy";
    if !question.wants(case) {
        return;
    }
    for &(kind, who, _) in SERVERS {
        let who = if kind == Kind::Floor { POLLS } else { who };
        let times = match who {
            "may" => {
                Err("while a coroutine is ready it does not look for those woken by threads".into())
            }
            _ => apart("busy", who, rounds),
        };
        question.row(row(case, kind, who, &times, |times| times.median));
    }
}

/// What some processes have measured.
fn apart(loop_is: &str, who: &str, times: usize) -> Result<Vec<Times>, String> {
    let repeats = if is_test() { 1 } else { 5 };
    (0..repeats).map(|_| apart::run(&format!("{loop_is} {who}"), times)).collect()
}

/// One figure of theirs, as a row.
fn row(
    case: &str,
    kind: Kind,
    who: &str,
    times: &Result<Vec<Times>, String>,
    figure: fn(&Times) -> f64,
) -> Row {
    let row = Row::empty("wake", case, kind, who, "ns");
    let row = match times {
        Ok(times) => row.figures(times.iter().map(figure).collect()),
        Err(reason) => row.note(reason.as_str()),
    };
    println!("{row}");
    row
}

/// Wakes a loop that sleeps; on these processors are who wakes and the loop.
fn asleep(serve: Server, times: usize, processors: [usize; 2]) -> Times {
    /// Long enough for a loop without work to be asleep.
    const PAUSE: Duration = Duration::from_micros(50);

    stay_on(processors[0]);
    let shared = Shared::new(1, Some(thread::current()));
    let served = shared.clone();
    let server = thread::spawn(move || {
        stay_on(processors[1]);
        serve(served, false)
    });
    shared.wait_for_all();
    let times = (1..=times as u64).map(|number| {
        thread::sleep(PAUSE);
        let start = Instant::now();
        shared.call(0);
        while shared.answers.load(Ordering::Acquire) < number {
            thread::park();
        }
        start.elapsed().as_nanos() as f64
    });
    let times = Times::of(times.collect());
    shared.end();
    server.join().expect("it does not panic");
    times
}

/// Wakes a loop that is busy, on another processor.
fn busy(serve: Server, rounds: usize) -> Times {
    stay_on(1);
    let shared = Shared::new(TASKS, None);
    let served = shared.clone();
    let server = thread::spawn(move || {
        stay_on(0);
        serve(served, true)
    });
    shared.wait_for_all();
    let times = (1..=rounds as u64).map(|round| {
        let start = Instant::now();
        (0..TASKS).for_each(|seat| shared.call(seat));
        while shared.answers.load(Ordering::Acquire) < round * TASKS as u64 {
            spin_loop();
        }
        start.elapsed().as_nanos() as f64 / TASKS as f64
    });
    let times = Times::of(times.collect());
    shared.end();
    server.join().expect("it does not panic");
    times
}

fn serve_by_thread(shared: Arc<Shared>, _busy: bool) {
    let me = thread::current();
    shared.sit(0, Box::new(move || me.unpark()));
    while !shared.stopped() {
        if !shared.was_called(0) {
            thread::park();
        }
    }
}

fn serve_by_polling(shared: Arc<Shared>, _busy: bool) {
    (0..shared.seats.len()).for_each(|seat| shared.sit(seat, Box::new(|| ())));
    while !shared.stopped() {
        (0..shared.seats.len()).for_each(|seat| while shared.was_called(seat) {});
    }
}

/// An async task on a seat.
async fn sit(shared: Arc<Shared>, seat: usize) {
    let mut seated = false;
    poll_fn(|context| {
        if !std::mem::replace(&mut seated, true) {
            let waker = context.waker().clone();
            shared.sit(seat, Box::new(move || waker.wake_by_ref()));
        }
        while shared.was_called(seat) {}
        if shared.stopped() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await
}

fn serve_on_tokio(shared: Arc<Shared>, busy: bool) {
    on_tokio(&tokio(), async move {
        let spawn = |seat| tokio::spawn(sit(shared.clone(), seat));
        let tasks: Vec<_> = (0..shared.seats.len()).map(spawn).collect();
        while busy && !shared.stopped() {
            tokio::task::yield_now().await;
        }
        for task in tasks {
            task.await.expect("it does not panic");
        }
    });
}

fn serve_on_executor(shared: Arc<Shared>, busy: bool) {
    let executor = LocalExecutor::new();
    let spawn = |seat| executor.spawn(sit(shared.clone(), seat));
    let tasks: Vec<_> = (0..shared.seats.len()).map(spawn).collect();
    let shared = shared.clone();
    on_async_executor(&executor, async move {
        while busy && !shared.stopped() {
            future::yield_now().await;
        }
        for task in tasks {
            task.await;
        }
    });
}

fn serve_on_may(shared: Arc<Shared>, busy: bool) {
    let main = move || {
        let spawn = |seat| {
            let shared: Arc<Shared> = shared.clone();
            may::go!(move || {
                let me = may::coroutine::current();
                shared.sit(seat, Box::new(move || me.unpark()));
                while !shared.stopped() {
                    if !shared.was_called(seat) {
                        may::coroutine::park();
                    }
                }
            })
        };
        let tasks: Vec<_> = (0..shared.seats.len()).map(spawn).collect();
        while busy && !shared.stopped() {
            may::coroutine::yield_now();
        }
        tasks.into_iter().for_each(|task| task.join().expect("it does not panic"));
    };
    may::go!(main).join().expect("it does not panic");
}

fn segno<const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            let (turn, me) = (Turn::default(), segno::waker());
            let (other_turn, waker) = (turn.clone(), Rc::new(OnceCell::new()));
            let place = waker.clone();
            let other = segno::spawn(move || {
                let _ = place.set(segno::waker());
                shift::<COPY>();
                turns!(times, 1, other_turn, wait: segno::pause(), wake: me.wake_by_ref());
            });
            let waker = loop {
                match waker.get() {
                    Some(waker) => break waker,
                    None => segno::yield_now(),
                }
            };
            shift::<COPY>();
            turns!(times, 0, turn, wait: segno::pause(), wake: waker.wake_by_ref());
            other.join().expect("it does not panic");
        };
        event_loop.run(main).expect("it is not stopped");
    }
}

fn serve_on_segno(shared: Arc<Shared>, busy: bool) {
    segno::run(|| {
        // A thread wakes these tasks, which the loop cannot know of.
        let _external = segno::external();
        let spawn = |seat| {
            let shared = shared.clone();
            segno::spawn(move || {
                let waker = segno::waker();
                shared.sit(seat, Box::new(move || waker.wake_by_ref()));
                while !shared.stopped() {
                    if !shared.was_called(seat) {
                        segno::pause();
                    }
                }
            })
        };
        let tasks: Vec<_> = (0..shared.seats.len()).map(spawn).collect();
        while busy && !shared.stopped() {
            segno::yield_now();
        }
        tasks.into_iter().for_each(|task| task.join().expect("it does not panic"));
    });
}
