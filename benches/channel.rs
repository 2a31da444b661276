//! What does a value cost that goes from one task to another?
//!
//! `cargo bench -p segno-benches --bench channel`
//!
//! Between tasks of one loop:
//!
//! - *ping-pong, round trip*: two channels with room for one value; one task sends and waits for the
//!   answer, the other one answers. Timed: both ways.
//! - *stream of bounded(128)*: one sends, the other one receives, through a channel with room for 128.
//!   The figure is for one value.
//! - *rendezvous stream*: the same through a channel with room for none, where each value is taken out
//!   of its sender's hands.
//! - *100 producers into one*: a hundred tasks send, one receives, through a channel with room for 128.
//! - *oneshot*: a channel for a single value is made, and one task sends and receives it.
//!
//! Between two threads, each on a processor of its own, ping-pong and stream once more.
//!
//! Against: two bare coroutines of corosensei that are resumed in turns, with a cell or a queue between
//! them (the floor: nobody waits there, they are resumed when it is time); tokio's channels on its loop
//! of the current thread; async-channel, flume and kanal on async-executor's local loop; may's
//! channels. Between threads the floor is a ring of atomic words that both threads look at without end;
//! against std's, crossbeam's, flume's and kanal's channels of threads, and tokio's between two loops.
//!
//! Segno's channels cost less as long as only one loop uses them. The rows *shared* show the same
//! channel after it was used once outside the loop, as by another thread: from then on each operation
//! is an atomic exchange.
//!
//! Fair, because all send words of 64 bits, with the same room, and the receiver checks the sum of what
//! it got. Making the channel and spawning the tasks is in the timed part, and is nothing by the
//! thousands of values that follow; between threads, where it would be more, it is not timed. may's
//! channels have no bound, so its senders never wait: it has less to do, and takes more memory.
//!
//! Between threads it is above all the question who sleeps. Waking a thread is the kernel's work, and a
//! processor that sleeps the host's, which takes a hundred times longer than all else. crossbeam and
//! kanal look again for a while before they sleep, and mostly need not, as long as both processors are
//! free; where others want these too, they lose by it. These rows do not repeat where that changes.

use async_executor::LocalExecutor;
use corosensei::{Coroutine as Bare, Yielder};
use segno::EventLoop;
use segno::sync::channel;
use segno_benches::copies;
use segno_benches::copies::shift;
use segno_benches::question::{Contender, Question};
use segno_benches::rivals::{on_async_executor, on_tokio, one_worker_of_may, tokio};
use segno_benches::row::Kind;
use segno_benches::threads::both;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::hint::{black_box, spin_loop};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Room in the channels of streams.
const ROOM: usize = 128;
/// Senders, where there are many.
const PRODUCERS: u64 = 100;
/// Values that each of them sends at least.
const EACH: u64 = 100;

/// What a reader must know about may's.
const UNBOUNDED: &str = "stackful; its channel has no bound, its sender never waits";
/// And about rivals that have no oneshot.
const AS_ONESHOT: &str = "a channel with room for one";
/// Why a rival has no figure.
const NO_RENDEZVOUS: &str = "it has no channel with room for no value";

fn main() {
    one_worker_of_may();
    let mut question = Question::new("channel");
    question.case(
        "ping-pong, round trip",
        1,
        vec![
            Contender::floor("corosensei, two resumes", copies!(bare_ping)),
            Contender::rival("tokio mpsc", copies!(ping, Tokio)).note("stackless"),
            Contender::rival("async-channel", copies!(ping, AsyncChannel)).note("stackless"),
            Contender::rival("flume", copies!(ping, Flume)).note("stackless"),
            Contender::rival("kanal", copies!(ping, Kanal)).note("stackless"),
            Contender::rival_timed("may spsc", may_ping).note(UNBOUNDED),
            Contender::segno("bounded(1)", copies!(segno_ping, Own)),
            Contender::segno("bounded(1), shared", copies!(segno_ping, Shared)),
        ],
    );
    question.case(
        "stream of bounded(128)",
        ROOM as u64,
        vec![
            Contender::floor("corosensei and a VecDeque", copies!(bare_stream)),
            Contender::rival("tokio mpsc", copies!(stream, Tokio, Room)).note("stackless"),
            Contender::rival("async-channel", copies!(stream, AsyncChannel, Room))
                .note("stackless"),
            Contender::rival("flume", copies!(stream, Flume, Room)).note("stackless"),
            Contender::rival("kanal", copies!(stream, Kanal, Room)).note("stackless"),
            Contender::rival_timed("may spsc", may_stream).note(UNBOUNDED),
            Contender::segno("bounded(128)", copies!(segno_stream, Own, Room)),
            Contender::segno("bounded(128), shared", copies!(segno_stream, Shared, Room)),
        ],
    );
    question.case(
        "rendezvous stream",
        1,
        vec![
            Contender::floor("corosensei and a Cell", copies!(bare_rendezvous)),
            Contender::cannot("tokio mpsc", NO_RENDEZVOUS),
            Contender::cannot("async-channel", NO_RENDEZVOUS),
            Contender::rival("flume", copies!(stream, Flume, NoRoom)).note("stackless"),
            Contender::rival("kanal", copies!(stream, Kanal, NoRoom)).note("stackless"),
            Contender::cannot("may", NO_RENDEZVOUS),
            Contender::segno("rendezvous", copies!(segno_stream, Own, NoRoom)),
            Contender::segno("rendezvous, shared", copies!(segno_stream, Shared, NoRoom)),
        ],
    );
    question.case(
        "100 producers into one, bounded(128)",
        PRODUCERS * EACH,
        vec![
            Contender::floor("corosensei and a VecDeque", copies!(bare_producers)),
            Contender::rival("tokio mpsc", copies!(producers, Tokio)).note("stackless"),
            Contender::rival("async-channel", copies!(producers, AsyncChannel)).note("stackless"),
            Contender::rival("flume", copies!(producers, Flume)).note("stackless"),
            Contender::rival("kanal", copies!(producers, Kanal)).note("stackless"),
            Contender::rival_timed("may mpsc", may_producers).note(UNBOUNDED),
            Contender::segno("bounded(128)", copies!(segno_producers, Own)),
            Contender::segno("bounded(128), shared", copies!(segno_producers, Shared)),
        ],
    );
    question.case(
        "oneshot: make, send, receive",
        1,
        vec![
            Contender::floor("a Cell in an Rc", copies!(cell)),
            Contender::rival("tokio oneshot", copies!(tokio_oneshot)).note("stackless"),
            Contender::rival("async-channel", copies!(once, AsyncChannel)).note(AS_ONESHOT),
            Contender::rival("flume", copies!(once, Flume)).note(AS_ONESHOT),
            Contender::rival("kanal", copies!(once, Kanal)).note(AS_ONESHOT),
            Contender::rival_timed("may spsc", may_once).note("its channel has no bound"),
            Contender::segno("oneshot", copies!(segno_oneshot)),
        ],
    );
    question.case(
        "two threads: ping-pong, round trip",
        1,
        vec![
            timed(Kind::Floor, "two rings of atomics", ping_threads::<Ring>).note(SPINS),
            timed(Kind::Rival, "crossbeam-channel", ping_threads::<Crossbeam>).note(LOOKS_AGAIN),
            timed(Kind::Rival, "std sync_channel", ping_threads::<Std>),
            timed(Kind::Rival, "flume", ping_threads::<Flume>),
            timed(Kind::Rival, "kanal", ping_threads::<Kanal>).note(LOOKS_AGAIN),
            timed(Kind::Rival, "tokio mpsc, two loops", tokio_ping_loops),
            timed(Kind::Segno, "bounded(1)", ping_threads::<Threads>),
            timed(Kind::Segno, "bounded(1), two loops", ping_threads::<Loops>),
        ],
    );
    question.case(
        "two threads: stream of bounded(128)",
        ROOM as u64,
        vec![
            timed(Kind::Floor, "a ring of atomics", stream_threads::<Ring>).note(SPINS),
            timed(Kind::Rival, "crossbeam-channel", stream_threads::<Crossbeam>).note(LOOKS_AGAIN),
            timed(Kind::Rival, "std sync_channel", stream_threads::<Std>),
            timed(Kind::Rival, "flume", stream_threads::<Flume>),
            timed(Kind::Rival, "kanal", stream_threads::<Kanal>).note(LOOKS_AGAIN),
            timed(Kind::Rival, "tokio mpsc, two loops", tokio_stream_loops),
            timed(Kind::Segno, "bounded(128)", stream_threads::<Threads>),
            timed(Kind::Segno, "bounded(128), two loops", stream_threads::<Loops>),
        ],
    );
    question.finish();
}

/// What the sum of so many values is that count up from 0.
fn sum_below(times: u64) -> u64 {
    times * (times - 1) / 2
}

// The floors: whoever runs resumes both in turns.

fn bare_ping<const COPY: usize>() -> impl FnMut(u64) {
    let cells = Rc::new([const { Cell::new(None::<u64>) }; 2]);
    let theirs = cells.clone();
    let mut one = Bare::<(), (), ()>::new(move |yielder: &Yielder<(), ()>, ()| {
        shift::<COPY>();
        for value in 0.. {
            cells[0].set(Some(black_box(value)));
            yielder.suspend(());
            assert_eq!(cells[1].take(), Some(value + 1));
        }
    });
    let mut other = Bare::<(), (), ()>::new(move |yielder: &Yielder<(), ()>, ()| {
        shift::<COPY>();
        loop {
            let value = theirs[0].take().expect("it was put there");
            theirs[1].set(Some(black_box(value) + 1));
            yielder.suspend(());
        }
    });
    move |times| {
        shift::<COPY>();
        for _ in 0..times {
            one.resume(());
            other.resume(());
        }
    }
}

fn bare_rendezvous<const COPY: usize>() -> impl FnMut(u64) {
    let cell = Rc::new(Cell::new(None::<u64>));
    let theirs = cell.clone();
    let mut sender = Bare::<(), (), ()>::new(move |yielder: &Yielder<(), ()>, ()| {
        shift::<COPY>();
        for value in 0.. {
            cell.set(Some(black_box(value)));
            yielder.suspend(());
        }
    });
    let mut receiver = Bare::<(), (), ()>::new(move |yielder: &Yielder<(), ()>, ()| {
        shift::<COPY>();
        for wanted in 0.. {
            assert_eq!(black_box(theirs.take()), Some(wanted));
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

/// A queue that two coroutines have.
type Queue = Rc<RefCell<VecDeque<u64>>>;

/// A coroutine that puts values into a queue whenever there is room.
fn bare_sender<const COPY: usize>(queue: Queue) -> Bare<(), (), ()> {
    Bare::new(move |yielder: &Yielder<(), ()>, ()| {
        shift::<COPY>();
        for value in 0.. {
            while queue.borrow().len() == ROOM {
                yielder.suspend(());
            }
            queue.borrow_mut().push_back(black_box(value));
        }
    })
}

/// A coroutine that takes out whatever is there.
fn bare_receiver<const COPY: usize>(queue: Queue) -> Bare<(), (), ()> {
    Bare::new(move |yielder: &Yielder<(), ()>, ()| {
        let mut sum = 0_u64;
        shift::<COPY>();
        loop {
            // A variable, because the borrow ends with the statement.
            let value = queue.borrow_mut().pop_front();
            match value {
                Some(value) => sum = sum.wrapping_add(black_box(value)),
                None => {
                    black_box(sum);
                    yielder.suspend(());
                }
            }
        }
    })
}

fn bare_stream<const COPY: usize>() -> impl FnMut(u64) {
    let queue = Queue::new(RefCell::new(VecDeque::with_capacity(ROOM)));
    let mut sender = bare_sender::<COPY>(queue.clone());
    let mut receiver = bare_receiver::<COPY>(queue);
    move |times| {
        shift::<COPY>();
        for _ in 0..times / ROOM as u64 {
            sender.resume(());
            receiver.resume(());
        }
    }
}

fn bare_producers<const COPY: usize>() -> impl FnMut(u64) {
    let queue = Queue::new(RefCell::new(VecDeque::with_capacity(ROOM)));
    let mut receiver = bare_receiver::<COPY>(queue.clone());
    let mut senders: Vec<_> = (0..PRODUCERS).map(|_| bare_sender::<COPY>(queue.clone())).collect();
    move |times| {
        let mut sent = 0;
        shift::<COPY>();
        // One fills the queue, and then it is the next one's turn.
        for sender in (0..senders.len()).cycle() {
            if sent >= times {
                return;
            }
            senders[sender].resume(());
            receiver.resume(());
            sent += ROOM as u64;
        }
    }
}

fn cell<const COPY: usize>() -> impl FnMut(u64) {
    |times| {
        shift::<COPY>();
        for value in 0..times {
            let receiver = black_box(Rc::new(Cell::new(None)));
            let sender = receiver.clone();
            sender.set(Some(black_box(value)));
            drop(sender);
            assert_eq!(receiver.take(), Some(value));
        }
    }
}

// The rivals with async tasks: a channel, and the loop that its users would have.

/// A channel of async tasks.
trait Rival: 'static {
    type Sender: Clone + Send + Sync + 'static;
    type Receiver: Send + 'static;
    type Loop: Runs;

    fn bounded(room: usize) -> (Self::Sender, Self::Receiver);
    fn send(sender: &Self::Sender, value: u64) -> impl Future<Output = ()> + Send;
    /// `None` if it is closed.
    fn recv(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> + Send;
}

/// An event loop of async tasks.
trait Runs: 'static {
    fn new() -> Self;
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);
    fn run<T: Send + 'static>(&self, main: impl Future<Output = T> + Send + 'static) -> T;
}

struct OnTokio(tokio::runtime::Runtime);

impl Runs for OnTokio {
    fn new() -> Self {
        OnTokio(tokio())
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }

    fn run<T: Send + 'static>(&self, main: impl Future<Output = T> + Send + 'static) -> T {
        on_tokio(&self.0, main)
    }
}

struct OnExecutor(LocalExecutor<'static>);

impl Runs for OnExecutor {
    fn new() -> Self {
        OnExecutor(LocalExecutor::new())
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task).detach();
    }

    fn run<T: Send + 'static>(&self, main: impl Future<Output = T> + Send + 'static) -> T {
        on_async_executor(&self.0, main)
    }
}

struct Tokio;

impl Rival for Tokio {
    type Sender = mpsc::Sender<u64>;
    type Receiver = mpsc::Receiver<u64>;
    type Loop = OnTokio;

    fn bounded(room: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::channel(room)
    }

    #[inline(always)]
    async fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).await.expect("it is received");
    }

    #[inline(always)]
    async fn recv(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await
    }
}

struct AsyncChannel;

impl Rival for AsyncChannel {
    type Sender = async_channel::Sender<u64>;
    type Receiver = async_channel::Receiver<u64>;
    type Loop = OnExecutor;

    fn bounded(room: usize) -> (Self::Sender, Self::Receiver) {
        async_channel::bounded(room)
    }

    #[inline(always)]
    async fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).await.expect("it is received");
    }

    #[inline(always)]
    async fn recv(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}

struct Flume;

impl Rival for Flume {
    type Sender = flume::Sender<u64>;
    type Receiver = flume::Receiver<u64>;
    type Loop = OnExecutor;

    fn bounded(room: usize) -> (Self::Sender, Self::Receiver) {
        flume::bounded(room)
    }

    #[inline(always)]
    async fn send(sender: &Self::Sender, value: u64) {
        sender.send_async(value).await.expect("it is received");
    }

    #[inline(always)]
    async fn recv(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv_async().await.ok()
    }
}

struct Kanal;

impl Rival for Kanal {
    type Sender = kanal::AsyncSender<u64>;
    type Receiver = kanal::AsyncReceiver<u64>;
    type Loop = OnExecutor;

    fn bounded(room: usize) -> (Self::Sender, Self::Receiver) {
        kanal::bounded_async(room)
    }

    #[inline(always)]
    async fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).await.expect("it is received");
    }

    #[inline(always)]
    async fn recv(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await.ok()
    }
}

/// How many values a channel has room for.
trait HasRoom: 'static {
    const ROOM: usize;
}

struct Room;

impl HasRoom for Room {
    const ROOM: usize = ROOM;
}

struct NoRoom;

impl HasRoom for NoRoom {
    const ROOM: usize = 0;
}

/// Answers each value with the one after it.
async fn answer<R: Rival, const COPY: usize>(mut arrived: R::Receiver, back: R::Sender) {
    shift::<COPY>();
    while let Some(value) = R::recv(&mut arrived).await {
        R::send(&back, black_box(value) + 1).await;
    }
}

/// Sends so many values and waits for each one's answer.
async fn ask<R: Rival, const COPY: usize>(times: u64, there: R::Sender, mut returned: R::Receiver) {
    shift::<COPY>();
    for value in 0..times {
        R::send(&there, black_box(value)).await;
        assert_eq!(R::recv(&mut returned).await, Some(value + 1));
    }
}

/// Sends so many values.
async fn send<R: Rival, const COPY: usize>(times: u64, sender: R::Sender) {
    shift::<COPY>();
    for value in 0..times {
        R::send(&sender, black_box(value)).await;
    }
}

/// Receives all there are, and adds them.
async fn receive<R: Rival, const COPY: usize>(mut receiver: R::Receiver) -> u64 {
    let mut sum = 0;
    shift::<COPY>();
    while let Some(value) = R::recv(&mut receiver).await {
        sum += black_box(value);
    }
    sum
}

fn ping<R: Rival, const COPY: usize>() -> impl FnMut(u64) {
    let event_loop = R::Loop::new();
    move |times| {
        let ((there, arrived), (back, returned)) = (R::bounded(1), R::bounded(1));
        event_loop.spawn(answer::<R, COPY>(arrived, back));
        event_loop.run(ask::<R, COPY>(times, there, returned));
    }
}

fn stream<R: Rival, C: HasRoom, const COPY: usize>() -> impl FnMut(u64) {
    let event_loop = R::Loop::new();
    move |times| {
        let (sender, receiver) = R::bounded(C::ROOM);
        event_loop.spawn(send::<R, COPY>(times, sender));
        let sum = event_loop.run(receive::<R, COPY>(receiver));
        assert_eq!(sum, sum_below(times));
    }
}

fn producers<R: Rival, const COPY: usize>() -> impl FnMut(u64) {
    let event_loop = R::Loop::new();
    move |times| {
        let (sender, receiver) = R::bounded(ROOM);
        for _ in 0..PRODUCERS {
            event_loop.spawn(send::<R, COPY>(times / PRODUCERS, sender.clone()));
        }
        drop(sender);
        let sum = event_loop.run(receive::<R, COPY>(receiver));
        assert_eq!(sum, PRODUCERS * sum_below(times / PRODUCERS));
    }
}

fn once<R: Rival, const COPY: usize>() -> impl FnMut(u64) {
    let event_loop = R::Loop::new();
    move |times| {
        event_loop.run(async move {
            shift::<COPY>();
            for value in 0..times {
                let (sender, mut receiver) = R::bounded(1);
                R::send(&sender, black_box(value)).await;
                drop(sender);
                assert_eq!(R::recv(&mut receiver).await, Some(value));
            }
        });
    }
}

fn tokio_oneshot<const COPY: usize>() -> impl FnMut(u64) {
    let runtime = tokio();
    move |times| {
        on_tokio(&runtime, async move {
            shift::<COPY>();
            for value in 0..times {
                let (sender, receiver) = oneshot::channel();
                sender.send(black_box(value)).expect("it is received");
                assert_eq!(receiver.await, Ok(value));
            }
        });
    }
}

// may: its main coroutine times itself.

/// Runs a coroutine of may's and returns what it found.
fn on_may(main: impl FnOnce() -> Duration + Send + 'static) -> Duration {
    may::go!(main).join().expect("it does not panic")
}

fn may_ping(times: u64) -> Duration {
    use may::sync::spsc::channel;

    on_may(move || {
        let ((there, arrived), (back, returned)) = (channel(), channel());
        let other = may::go!(move || {
            while let Ok(value) = arrived.recv() {
                let value: u64 = black_box(value);
                back.send(value + 1).expect("it is received");
            }
        });
        let start = Instant::now();
        for value in 0..times {
            there.send(black_box(value)).expect("it is received");
            assert_eq!(returned.recv(), Ok(value + 1));
        }
        let took = start.elapsed();
        drop(there);
        other.join().expect("it does not panic");
        took
    })
}

fn may_stream(times: u64) -> Duration {
    on_may(move || {
        let (sender, receiver) = may::sync::spsc::channel();
        let start = Instant::now();
        let other = may::go!(move || {
            for value in 0..times {
                sender.send(black_box(value)).expect("it is received");
            }
        });
        let mut sum: u64 = 0;
        while let Ok(value) = receiver.recv() {
            sum += black_box(value);
        }
        let took = start.elapsed();
        other.join().expect("it does not panic");
        assert_eq!(sum, sum_below(times));
        took
    })
}

fn may_producers(times: u64) -> Duration {
    on_may(move || {
        let (sender, receiver) = may::sync::mpsc::channel();
        let start = Instant::now();
        let spawn = |_| {
            let sender = sender.clone();
            may::go!(move || {
                for value in 0..times / PRODUCERS {
                    sender.send(black_box(value)).expect("it is received");
                }
            })
        };
        let others: Vec<_> = (0..PRODUCERS).map(spawn).collect();
        drop(sender);
        let mut sum: u64 = 0;
        while let Ok(value) = receiver.recv() {
            sum += black_box(value);
        }
        let took = start.elapsed();
        others.into_iter().for_each(|other| other.join().expect("it does not panic"));
        assert_eq!(sum, PRODUCERS * sum_below(times / PRODUCERS));
        took
    })
}

fn may_once(times: u64) -> Duration {
    on_may(move || {
        let start = Instant::now();
        for value in 0..times {
            let (sender, receiver) = may::sync::spsc::channel();
            sender.send(black_box(value)).expect("it is received");
            drop(sender);
            assert_eq!(receiver.recv(), Ok(value));
        }
        start.elapsed()
    })
}

// Segno.

/// Who has used a channel before.
trait Before: 'static {
    /// Called outside the loop.
    fn make(room: usize) -> (channel::Sender<u64>, channel::Receiver<u64>);
}

/// Nobody: it is the loop's own.
struct Own;

impl Before for Own {
    fn make(room: usize) -> (channel::Sender<u64>, channel::Receiver<u64>) {
        channel::bounded(room)
    }
}

/// Somebody outside the loop. For the channel that is the same as another thread.
struct Shared;

impl Before for Shared {
    fn make(room: usize) -> (channel::Sender<u64>, channel::Receiver<u64>) {
        let ends = channel::bounded(room);
        assert!(ends.0.is_empty());
        ends
    }
}

fn segno_ping<B: Before, const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let ((there, arrived), (back, returned)) = (B::make(1), B::make(1));
        let main = move || {
            drop(segno::spawn(move || {
                shift::<COPY>();
                while let Ok(value) = arrived.recv() {
                    back.send(black_box(value) + 1).expect("it is received");
                }
            }));
            shift::<COPY>();
            for value in 0..times {
                there.send(black_box(value)).expect("it is received");
                assert_eq!(returned.recv(), Ok(value + 1));
            }
        };
        event_loop.run(main).expect("it is not stopped");
    }
}

/// Sends so many values.
fn segno_send<const COPY: usize>(times: u64, sender: &channel::Sender<u64>) {
    shift::<COPY>();
    for value in 0..times {
        sender.send(black_box(value)).expect("it is received");
    }
}

/// Receives all there are, and adds them.
fn segno_receive<const COPY: usize>(receiver: &channel::Receiver<u64>) -> u64 {
    let mut sum = 0;
    shift::<COPY>();
    while let Ok(value) = receiver.recv() {
        sum += black_box(value);
    }
    sum
}

fn segno_stream<B: Before, C: HasRoom, const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let (sender, receiver) = B::make(C::ROOM);
        let main = move || {
            drop(segno::spawn(move || segno_send::<COPY>(times, &sender)));
            segno_receive::<COPY>(&receiver)
        };
        let sum = event_loop.run(main).expect("it is not stopped");
        assert_eq!(sum, sum_below(times));
    }
}

fn segno_producers<B: Before, const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let (sender, receiver) = B::make(ROOM);
        let main = move || {
            for _ in 0..PRODUCERS {
                let sender = sender.clone();
                drop(segno::spawn(move || segno_send::<COPY>(times / PRODUCERS, &sender)));
            }
            drop(sender);
            segno_receive::<COPY>(&receiver)
        };
        let sum = event_loop.run(main).expect("it is not stopped");
        assert_eq!(sum, PRODUCERS * sum_below(times / PRODUCERS));
    }
}

fn segno_oneshot<const COPY: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            shift::<COPY>();
            for value in 0..times {
                let (sender, mut receiver) = channel::oneshot();
                sender.send(black_box(value)).expect("it is received");
                assert_eq!(receiver.recv(), Ok(value));
            }
        };
        event_loop.run(main).expect("it is not stopped");
    }
}

// Between two threads.

/// What a reader must know about the floor.
const SPINS: &str = "never sleeps: both processors are busy all the time";
/// And about some of the rivals.
const LOOKS_AGAIN: &str = "spins for a while before it sleeps";

/// A contender with one loop, in which two threads time themselves.
fn timed(kind: Kind, who: &'static str, run: fn(u64) -> Duration) -> Contender {
    Contender::timed(kind, who, run)
}

/// A channel that blocks whoever waits.
trait Blocks: 'static {
    type Sender: Send;
    type Receiver: Send;

    fn bounded(room: usize) -> (Self::Sender, Self::Receiver);
    fn send(sender: &Self::Sender, value: u64);
    fn recv(receiver: &Self::Receiver) -> u64;

    /// How one of the two threads runs its part.
    fn run(part: impl FnOnce()) {
        part();
    }
}

/// A ring of words between one sender and one receiver, who look at it until they can go on.
struct Ring {
    words: Vec<AtomicU64>,
    /// How many were sent, and received; on cache lines of their own.
    sent: Line,
    received: Line,
}

#[repr(align(128))]
#[derive(Default)]
struct Line(AtomicU64);

impl Ring {
    /// Waits until something is so.
    #[inline(always)]
    fn until(is_so: impl Fn() -> bool) {
        /// After so many looks the other one may need this processor.
        const LOOKS: u32 = 10_000;

        let mut looks = 0;
        while !is_so() {
            spin_loop();
            looks += 1;
            if looks % LOOKS == 0 {
                thread::yield_now();
            }
        }
    }
}

impl Blocks for Ring {
    type Sender = Arc<Ring>;
    type Receiver = Arc<Ring>;

    fn bounded(room: usize) -> (Arc<Ring>, Arc<Ring>) {
        let words = (0..room).map(|_| AtomicU64::new(0)).collect();
        let ring = Arc::new(Ring { words, sent: Line::default(), received: Line::default() });
        (ring.clone(), ring)
    }

    #[inline(always)]
    fn send(ring: &Arc<Ring>, value: u64) {
        let sent = ring.sent.0.load(Ordering::Relaxed);
        let room = ring.words.len() as u64;
        Ring::until(|| sent - ring.received.0.load(Ordering::Acquire) < room);
        ring.words[(sent % room) as usize].store(value, Ordering::Relaxed);
        ring.sent.0.store(sent + 1, Ordering::Release);
    }

    #[inline(always)]
    fn recv(ring: &Arc<Ring>) -> u64 {
        let received = ring.received.0.load(Ordering::Relaxed);
        Ring::until(|| ring.sent.0.load(Ordering::Acquire) > received);
        let value =
            ring.words[(received % ring.words.len() as u64) as usize].load(Ordering::Relaxed);
        ring.received.0.store(received + 1, Ordering::Release);
        value
    }
}

/// Channels whose blocking methods are all named alike.
macro_rules! blocks {
    ($who:ident, $sender:ty, $receiver:ty, $bounded:path $(, run: $run:expr)?) => {
        impl Blocks for $who {
            type Sender = $sender;
            type Receiver = $receiver;

            fn bounded(room: usize) -> ($sender, $receiver) {
                $bounded(room)
            }

            #[inline(always)]
            fn send(sender: &$sender, value: u64) {
                sender.send(value).expect("it is received");
            }

            #[inline(always)]
            fn recv(receiver: &$receiver) -> u64 {
                receiver.recv().expect("it is sent")
            }

            $(
                fn run(part: impl FnOnce()) {
                    $run(part)
                }
            )?
        }
    };
}

struct Crossbeam;
struct Std;
/// Segno's channel between two plain threads.
struct Threads;
/// Segno's channel between two tasks of two loops.
struct Loops;

blocks!(
    Crossbeam,
    crossbeam_channel::Sender<u64>,
    crossbeam_channel::Receiver<u64>,
    crossbeam_channel::bounded
);
blocks!(
    Std,
    std::sync::mpsc::SyncSender<u64>,
    std::sync::mpsc::Receiver<u64>,
    std::sync::mpsc::sync_channel
);
blocks!(Flume, flume::Sender<u64>, flume::Receiver<u64>, flume::bounded);
blocks!(Kanal, kanal::Sender<u64>, kanal::Receiver<u64>, kanal::bounded);
blocks!(Threads, channel::Sender<u64>, channel::Receiver<u64>, channel::bounded);
blocks!(
    Loops,
    channel::Sender<u64>,
    channel::Receiver<u64>,
    channel::bounded,
    run: on_a_loop
);

/// Runs a part in a task of an event loop.
fn on_a_loop(part: impl FnOnce()) {
    let main = || {
        // The other loop has the other end, which this one cannot know of.
        let _external = segno::external();
        part();
    };
    EventLoop::new().run(main).expect("it is not stopped");
}

fn ping_threads<B: Blocks>(times: u64) -> Duration {
    let ((there, arrived), (back, returned)) = (B::bounded(1), B::bounded(1));
    let one = move |ready: &dyn Fn()| {
        ready();
        for value in 0..times {
            B::send(&there, black_box(value));
            assert_eq!(B::recv(&returned), value + 1);
        }
    };
    let other = move |ready: &dyn Fn()| {
        ready();
        for _ in 0..times {
            let value = B::recv(&arrived);
            B::send(&back, black_box(value) + 1);
        }
    };
    both(move |ready| B::run(move || one(ready)), move |ready| B::run(move || other(ready)))
}

fn stream_threads<B: Blocks>(times: u64) -> Duration {
    let (sender, receiver) = B::bounded(ROOM);
    let one = move |ready: &dyn Fn()| {
        let mut sum = 0;
        ready();
        for _ in 0..times {
            sum += black_box(B::recv(&receiver));
        }
        assert_eq!(sum, sum_below(times));
    };
    let other = move |ready: &dyn Fn()| {
        ready();
        for value in 0..times {
            B::send(&sender, black_box(value));
        }
    };
    both(move |ready| B::run(move || one(ready)), move |ready| B::run(move || other(ready)))
}

fn tokio_ping_loops(times: u64) -> Duration {
    let ((there, mut arrived), (back, mut returned)) = (mpsc::channel(1), mpsc::channel(1));
    let one = move |ready: &dyn Fn()| {
        let runtime = tokio();
        ready();
        on_tokio(&runtime, async move {
            for value in 0..times {
                there.send(black_box(value)).await.expect("it is received");
                assert_eq!(returned.recv().await, Some(value + 1));
            }
        });
    };
    let other = move |ready: &dyn Fn()| {
        let runtime = tokio();
        ready();
        on_tokio(&runtime, async move {
            for _ in 0..times {
                let value: u64 = arrived.recv().await.expect("it is sent");
                back.send(black_box(value) + 1).await.expect("it is received");
            }
        });
    };
    both(one, other)
}

fn tokio_stream_loops(times: u64) -> Duration {
    let (sender, mut receiver) = mpsc::channel(ROOM);
    let one = move |ready: &dyn Fn()| {
        let runtime = tokio();
        ready();
        let sum = on_tokio(&runtime, async move {
            let mut sum: u64 = 0;
            while let Some(value) = receiver.recv().await {
                sum += black_box(value);
            }
            sum
        });
        assert_eq!(sum, sum_below(times));
    };
    let other = move |ready: &dyn Fn()| {
        let runtime = tokio();
        ready();
        on_tokio(&runtime, async move {
            for value in 0..times {
                sender.send(black_box(value)).await.expect("it is received");
            }
        });
    };
    both(one, other)
}
