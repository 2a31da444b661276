//! What does one resume and the pause that answers it cost?
//!
//! `cargo bench -p segno-benches --bench switch`
//!
//! Timed: one resume of something that is paused, up to its next pause, in a loop, the code and
//! the stacks warm. Not timed: creating it, and ending it.
//!
//! - *resume and pause*: nothing is passed, and the coroutine does nothing else.
//! - *a helper returns*: between two pauses a function returns into another. A switch returns to a
//!   place that no call on this stack came from, so the processor mispredicts that later return.
//! - *40 calls deep*: the loop that pauses is 40 calls below the coroutine's closure.
//! - *8 bytes*, *64 bytes*: a value of that size in with each resume, and out with each pause.
//!
//! Against: a plain call, which pauses nothing, and bare corosensei, the switch that Segno itself
//! uses, without Segno's checks (these two are the floors); the crate `generator`, which has stacks
//! of its own, too; stackless code: the crate `genawaiter` and a boxed future that is polled by
//! hand; and threads of the operating system, which hand a baton to and fro.
//!
//! Fair, because the coroutine's side is written once, in `Body`, and compiled for each of them;
//! because all have the same loop around the resume, and each the fastest of several copies of it
//! (`src/copies.rs`). Stackless code has no frames: its helper is part of its state machine, and 40
//! calls of one function are 40 boxed futures, each of which polls the next one at every resume; 40 different functions
//! (*nested futures*) are one future, in which each polls the next one, too. The threads are
//! two, so a second processor helps or hurts them as the system likes.

// Forty futures, each with the next one inside.
#![recursion_limit = "512"]

use segno_benches::copies;
use segno_benches::copies::{Copy, shift};
use segno_benches::question::{Contender, Question};
use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};
use std::thread;

fn main() {
    let mut question = Question::new("switch");
    question.case("resume and pause", 1, contenders::<(), Inlined>());
    question.case("a helper returns", 1, contenders::<(), Helper>());
    let nested = Contender::rival("nested futures", copies!(future, (), Nested));
    let nested = nested.note("stackless; 40 functions, because none may call itself");
    let deep = [contenders::<(), Deep>(), vec![nested]].into_iter().flatten();
    question.case("40 calls deep", 1, deep.collect());
    question.case("8 bytes", 1, contenders::<u64, Inlined>());
    question.case("64 bytes", 1, contenders::<[u64; 8], Inlined>());
    question.finish();
}

fn contenders<T: Value, B: Body>() -> Vec<Contender> {
    vec![
        Contender::floor("corosensei", copies!(bare, T, B)),
        Contender::floor("plain call", copies!(call, T)).note("pauses nothing"),
        Contender::rival("generator", copies!(generator, T, B)),
        Contender::rival("genawaiter::rc", copies!(genawaiter, T, B)).note(B::STACKLESS),
        Contender::rival("boxed future", copies!(future, T, B)).note(B::STACKLESS),
        Contender::rival("OS thread, channels", vec![Box::new(threads::<T, B>()) as Copy]),
        Contender::segno("Coroutine", copies!(segno, T, B)),
    ]
}

/// What is passed in and out.
trait Value: Clone + Default + Send + 'static {}
impl<T: Clone + Default + Send + 'static> Value for T {}

/// What a coroutine pauses with, when it has a stack or a thread of its own.
trait Pause<T> {
    fn pause(&mut self, out: T) -> T;
}

/// What a coroutine pauses with, when it has not.
trait AsyncPause<T> {
    async fn pause(&mut self, out: T) -> T;
}

/// The coroutine's side: pauses for ever.
trait Body: 'static {
    /// What to know of it where it has no stack.
    const STACKLESS: &str = "stackless";

    fn run<const COPY: usize, T: Value>(co: impl Pause<T>) -> Infallible;
    async fn run_async<const COPY: usize, T: Value>(co: impl AsyncPause<T>) -> Infallible;
}

struct Inlined;

impl Body for Inlined {
    #[inline(always)]
    fn run<const COPY: usize, T: Value>(mut co: impl Pause<T>) -> Infallible {
        let mut value = T::default();
        shift::<COPY>();
        loop {
            value = co.pause(black_box(value));
        }
    }

    async fn run_async<const COPY: usize, T: Value>(mut co: impl AsyncPause<T>) -> Infallible {
        let mut value = T::default();
        shift::<COPY>();
        loop {
            value = co.pause(black_box(value)).await;
        }
    }
}

struct Helper;

impl Body for Helper {
    #[inline(always)]
    fn run<const COPY: usize, T: Value>(mut co: impl Pause<T>) -> Infallible {
        #[inline(never)]
        fn helper<T>(co: &mut impl Pause<T>, out: T) -> T {
            black_box(co.pause(out))
        }
        let mut value = T::default();
        shift::<COPY>();
        loop {
            value = helper(&mut co, value);
        }
    }

    async fn run_async<const COPY: usize, T: Value>(mut co: impl AsyncPause<T>) -> Infallible {
        async fn helper<T>(co: &mut impl AsyncPause<T>, out: T) -> T {
            black_box(co.pause(out).await)
        }
        let mut value = T::default();
        shift::<COPY>();
        loop {
            value = helper(&mut co, value).await;
        }
    }
}

struct Deep;

impl Deep {
    const CALLS: u32 = 40;
}

impl Body for Deep {
    const STACKLESS: &str = "stackless; a boxed future for each call";

    #[inline(always)]
    fn run<const COPY: usize, T: Value>(co: impl Pause<T>) -> Infallible {
        #[inline(never)]
        fn descend<const COPY: usize, T: Value>(calls: u32, co: impl Pause<T>) -> Infallible {
            match black_box(calls) {
                0 => Inlined::run::<COPY, T>(co),
                // `black_box`: a call in the last place would be made a jump, without a frame.
                calls => black_box(descend::<COPY, T>(calls - 1, co)),
            }
        }
        descend::<COPY, T>(Deep::CALLS, co)
    }

    async fn run_async<const COPY: usize, T: Value>(co: impl AsyncPause<T>) -> Infallible {
        async fn descend<const COPY: usize, T: Value>(
            calls: u32,
            co: impl AsyncPause<T>,
        ) -> Infallible {
            match calls {
                0 => Inlined::run_async::<COPY, T>(co).await,
                calls => Box::pin(descend::<COPY, T>(calls - 1, co)).await,
            }
        }
        descend::<COPY, T>(Deep::CALLS, co).await
    }
}

/// As [`Deep`], and where there are no stacks each call is of another function, so that one future has room for all.
struct Nested;

impl Body for Nested {
    #[inline(always)]
    fn run<const COPY: usize, T: Value>(co: impl Pause<T>) -> Infallible {
        Deep::run::<COPY, T>(co)
    }

    async fn run_async<const COPY: usize, T: Value>(co: impl AsyncPause<T>) -> Infallible {
        Forty::descend::<COPY, T>(co).await
    }
}

/// A function that calls the one below it, or pauses.
trait Level {
    async fn descend<const COPY: usize, T: Value>(co: impl AsyncPause<T>) -> Infallible;
}

/// The last one.
struct Bottom;

impl Level for Bottom {
    async fn descend<const COPY: usize, T: Value>(co: impl AsyncPause<T>) -> Infallible {
        Inlined::run_async::<COPY, T>(co).await
    }
}

/// One above `L`.
struct Above<L>(L);

impl<L: Level> Level for Above<L> {
    async fn descend<const COPY: usize, T: Value>(co: impl AsyncPause<T>) -> Infallible {
        L::descend::<COPY, T>(co).await
    }
}

/// Ten above another one, and forty above the last.
type Ten<L> = Above<Above<Above<Above<Above<Above<Above<Above<Above<Above<L>>>>>>>>>>;
type Forty = Ten<Ten<Ten<Ten<Bottom>>>>;

/// The resumer's side, the same for all: resumes again and again. What comes out is used up where it does, because
/// it would have to be copied to come here.
#[inline(always)]
fn resumer<const COPY: usize, T: Value>(mut resume: impl FnMut(T)) -> impl FnMut(u64) {
    let value = T::default();
    move |times| {
        shift::<COPY>();
        for _ in 0..times {
            resume(black_box(value.clone()));
        }
    }
}

/// Uses what came out.
#[inline(always)]
fn use_up<T>(out: T) {
    black_box(out);
}

fn call<T: Value, const COPY: usize>() -> impl FnMut(u64) {
    #[inline(never)]
    fn called<T>(value: T) -> T {
        black_box(value)
    }
    resumer::<COPY, T>(|value| use_up(called(value)))
}

impl<T> Pause<T> for &corosensei::Yielder<T, T> {
    #[inline(always)]
    fn pause(&mut self, out: T) -> T {
        self.suspend(out)
    }
}

fn bare<T: Value, B: Body, const COPY: usize>() -> impl FnMut(u64) {
    let mut co = corosensei::Coroutine::new(|yielder: &corosensei::Yielder<T, T>, _| {
        B::run::<COPY, T>(yielder)
    });
    resumer::<COPY, T>(move |value| match co.resume(value) {
        corosensei::CoroutineResult::Yield(out) => use_up(out),
        corosensei::CoroutineResult::Return(never) => match never {},
    })
}

impl<T> Pause<T> for &segno::Pauser<T, T> {
    #[inline(always)]
    fn pause(&mut self, out: T) -> T {
        segno::Pauser::pause(self, out)
    }
}

fn segno<T: Value, B: Body, const COPY: usize>() -> impl FnMut(u64) {
    let mut co = segno::Coroutine::new(|co: &segno::Pauser<T, T>, _| B::run::<COPY, T>(co));
    resumer::<COPY, T>(move |value| match co.resume(value) {
        segno::State::Paused(out) => use_up(out),
        segno::State::Complete(never) => match never {},
    })
}

impl<T: Value> Pause<T> for generator::Scope<'_, '_, T, T> {
    #[inline(always)]
    fn pause(&mut self, out: T) -> T {
        self.yield_with(out);
        // Where there is nothing to pass it needs no `send`, and is quicker without.
        if size_of::<T>() == 0 {
            return T::default();
        }
        self.get_yield().expect("each resume passes a value")
    }
}

fn generator<T: Value, B: Body, const COPY: usize>() -> impl FnMut(u64) {
    let mut co = generator::Gn::new_scoped_local(|scope: generator::Scope<'_, '_, T, T>| {
        match B::run::<COPY, T>(scope) {}
    });
    resumer::<COPY, T>(move |value| match size_of::<T>() {
        0 => use_up(co.resume().expect("it never returns")),
        _ => use_up(co.send(value)),
    })
}

impl<T> AsyncPause<T> for genawaiter::rc::Co<T, T> {
    #[inline(always)]
    async fn pause(&mut self, out: T) -> T {
        self.yield_(out).await
    }
}

fn genawaiter<T: Value, B: Body, const COPY: usize>() -> impl FnMut(u64) {
    let mut co = genawaiter::rc::Gen::new(|co| B::run_async::<COPY, T>(co));
    resumer::<COPY, T>(move |value| match co.resume_with(value) {
        genawaiter::GeneratorState::Yielded(out) => use_up(out),
        genawaiter::GeneratorState::Complete(never) => match never {},
    })
}

/// Where a future that is polled by hand and its resumer leave each other their values.
#[derive(Clone, Default)]
struct Slot<T>(Rc<Cell<T>>);

impl<T: Value> AsyncPause<T> for Slot<T> {
    #[inline(always)]
    async fn pause(&mut self, out: T) -> T {
        self.0.set(out);
        let mut resumed = false;
        poll_fn(|_| match std::mem::replace(&mut resumed, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        self.0.take()
    }
}

fn future<T: Value, B: Body, const COPY: usize>() -> impl FnMut(u64) {
    let slot = Slot::<T>::default();
    let mut co: Pin<Box<dyn Future<Output = Infallible>>> =
        Box::pin(B::run_async::<COPY, T>(slot.clone()));
    let mut context = Context::from_waker(Waker::noop());
    resumer::<COPY, T>(move |value| {
        slot.0.set(value);
        assert!(co.as_mut().poll(&mut context).is_pending(), "it never returns");
        use_up(slot.0.take());
    })
}

/// The thread's end of the two channels that it and its resumer hand each other the baton by.
struct Baton<T> {
    /// Where a resume comes in.
    resumes: Receiver<T>,
    /// Where a pause goes out.
    pauses: Sender<T>,
}

impl<T> Pause<T> for Baton<T> {
    fn pause(&mut self, out: T) -> T {
        // Once the bench is over nobody is at the other end, and the thread stays until the
        // process ends: it is not allowed to return.
        if self.pauses.send(out).is_err() {
            park_for_ever();
        }
        self.resumes.recv().unwrap_or_else(|_| park_for_ever())
    }
}

fn park_for_ever() -> ! {
    loop {
        thread::park();
    }
}

fn threads<T: Value, B: Body>() -> impl FnMut(u64) {
    let (resume, resumes) = channel();
    let (pauses, pause) = channel();
    thread::spawn(move || {
        let baton = Baton { resumes, pauses };
        let _ = baton.resumes.recv();
        B::run::<0, T>(baton)
    });
    resumer::<0, T>(move |value| {
        resume.send(value).expect("the thread waits for it");
        use_up(pause.recv().expect("the thread answers"));
    })
}
