//! What does a pause cost under many levels of calls?
//!
//! `cargo bench -p segno-benches --bench deep`
//!
//! Under 1, 10, 100 and 1,000 levels of a function that calls itself:
//!
//! - *that stay*: the innermost pauses again and again. Timed: one resume, up to the next pause.
//! - *that return*: all levels return, and are called anew, between two pauses. Timed: one resume,
//!   the returns, the calls and the next pause.
//!
//! Not timed: creating the coroutine, and ending it.
//!
//! Against: bare corosensei (the floor); the crate `generator`; and stackless code. There a function
//! that calls itself is a boxed future for each call, and a resume polls them all, from the outermost
//! on down: the crate `genawaiter` and futures that are polled by hand. How much of that is the boxes
//! shows *nested futures*: other functions, each of which calls the next, so that the compiler makes one
//! state machine of them all, of as many levels as the source text has. What one writes by hand instead
//! of recursion, a vector of frames, is the last of them. Where the levels return there is a second
//! floor: the same recursion with a callback at its bottom, which pauses nothing.
//!
//! Fair, because each level does the same on both sides: it adds one to what the level below returns.
//! The recursion is written once for all that have a stack, and once for all that have none. The
//! fastest of several copies of each counts (`src/copies.rs`).
//!
//! What returns after a switch is mispredicted by the processor: it keeps the return addresses of
//! the last calls, one list for all stacks.

// A hundred nested futures are so many nested types.
#![recursion_limit = "512"]

use segno_benches::copies;
use segno_benches::copies::{shift, tell_apart};
use segno_benches::question::{Contender, Question};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// How many bytes of stack the coroutines have whose crate has too little by itself for 1,000 levels.
const STACK: usize = 256 * 1024;

/// Why one contender is not among those of 1,000 levels.
const TOO_MANY: &str = "1,000 functions, or types, that are nested in the source text";

fn main() {
    let mut question = Question::new("deep");
    for levels in [1, 10, 100, 1000] {
        let name = |what| match levels {
            1 => format!("1 level that {what}s"),
            1000 => format!("1,000 levels that {what}"),
            _ => format!("{levels} levels that {what}"),
        };
        question.case(&name("stay"), 1, contenders::<Stay>(levels, vec![]));
        let callback = Contender::floor("callback recursion", copies!(callback; levels));
        let callback = callback.note("pauses nothing");
        question.case(&name("return"), 1, contenders::<Return>(levels, vec![callback]));
    }
    question.finish();
}

fn contenders<S: Shape>(levels: u32, other_floors: Vec<Contender>) -> Vec<Contender> {
    let nested = match levels {
        1 => Contender::rival("nested futures", copies!(nested, S, Bottom)),
        10 => Contender::rival("nested futures", copies!(nested, S, Few)),
        100 => Contender::rival("nested futures", copies!(nested, S, Hundred)),
        _ => Contender::cannot("nested futures", TOO_MANY),
    };
    let nested = if levels < 1000 { nested.note("stackless; not recursive") } else { nested };
    let mut contenders = vec![Contender::floor("corosensei", copies!(bare, S; levels))];
    contenders.extend(other_floors);
    contenders.extend([
        Contender::rival("generator", copies!(generator, S; levels)),
        Contender::rival("genawaiter::rc, boxed recursion", copies!(genawaiter, S; levels))
            .note("stackless"),
        Contender::rival("future, boxed recursion", copies!(future, S; levels))
            .note("stackless, polled by hand"),
        nested,
        Contender::rival("vector of frames", copies!(by_hand, S; levels))
            .note("stackless, written by hand; not recursive"),
        Contender::segno("Coroutine", copies!(segno, S; levels)),
    ]);
    contenders
}

/// What a coroutine pauses with, when it has a stack.
trait Pause {
    fn pause(&mut self);
}

/// What a coroutine pauses with, when it has none.
trait AsyncPause {
    async fn pause(&mut self);
}

/// What the levels do between two pauses. The coroutine's side: pauses for ever.
trait Shape: 'static {
    /// As a recursion.
    fn run<const COPY: usize>(levels: u32, co: impl Pause) -> Infallible;
    /// As a recursion of futures.
    async fn run_async<const COPY: usize>(levels: u32, co: impl AsyncPause) -> Infallible;
    /// As futures that are nested in the source text.
    async fn run_nested<L: Level, const COPY: usize>(co: impl AsyncPause) -> Infallible;
    /// As a vector of frames; one resume.
    fn step(frames: &mut Vec<u32>, levels: u32);
}

/// They stay.
struct Stay;

impl Shape for Stay {
    #[inline(always)]
    fn run<const COPY: usize>(levels: u32, mut co: impl Pause) -> Infallible {
        #[inline(never)]
        fn descend<const COPY: usize, P: Pause>(level: u32, co: &mut P) -> u32 {
            tell_apart::<COPY>();
            if level > 1 {
                return black_box(descend::<COPY, P>(level - 1, co)) + 1;
            }
            shift::<COPY>();
            loop {
                co.pause();
            }
        }
        unreachable!("{} levels have returned", descend::<COPY, _>(levels, &mut co))
    }

    async fn run_async<const COPY: usize>(levels: u32, mut co: impl AsyncPause) -> Infallible {
        async fn descend<const COPY: usize, P: AsyncPause>(level: u32, co: &mut P) -> u32 {
            tell_apart::<COPY>();
            if level > 1 {
                return black_box(Box::pin(descend::<COPY, P>(level - 1, co)).await) + 1;
            }
            shift::<COPY>();
            loop {
                co.pause().await;
            }
        }
        unreachable!("{} levels have returned", descend::<COPY, _>(levels, &mut co).await)
    }

    async fn run_nested<L: Level, const COPY: usize>(mut co: impl AsyncPause) -> Infallible {
        unreachable!("{} levels have returned", L::descend::<true, COPY>(&mut co).await)
    }

    #[inline(always)]
    fn step(frames: &mut Vec<u32>, levels: u32) {
        while frames.len() < levels as usize {
            frames.push(0);
        }
        black_box(frames.last_mut());
    }
}

/// They return, and are called anew.
struct Return;

impl Shape for Return {
    #[inline(always)]
    fn run<const COPY: usize>(levels: u32, mut co: impl Pause) -> Infallible {
        shift::<COPY>();
        loop {
            assert!(descend::<COPY, _>(levels, &mut co) == levels);
        }
    }

    async fn run_async<const COPY: usize>(levels: u32, mut co: impl AsyncPause) -> Infallible {
        async fn descend<const COPY: usize, P: AsyncPause>(level: u32, co: &mut P) -> u32 {
            tell_apart::<COPY>();
            if level > 1 {
                return black_box(Box::pin(descend::<COPY, P>(level - 1, co)).await) + 1;
            }
            co.pause().await;
            1
        }
        shift::<COPY>();
        loop {
            assert!(descend::<COPY, _>(levels, &mut co).await == levels);
        }
    }

    async fn run_nested<L: Level, const COPY: usize>(mut co: impl AsyncPause) -> Infallible {
        shift::<COPY>();
        loop {
            assert!(L::descend::<false, COPY>(&mut co).await == L::LEVELS);
        }
    }

    #[inline(always)]
    fn step(frames: &mut Vec<u32>, levels: u32) {
        // Where the last step has paused, but for the first.
        if !frames.is_empty() {
            let mut returned = 0;
            while let Some(frame) = frames.pop() {
                returned = black_box(returned) + frame;
            }
            assert!(returned == levels);
        }
        while frames.len() < levels as usize {
            frames.push(black_box(1));
        }
    }
}

/// The recursion of [`Return`], also of the callback.
#[inline(never)]
fn descend<const COPY: usize, P: Pause>(level: u32, co: &mut P) -> u32 {
    tell_apart::<COPY>();
    if level > 1 {
        return black_box(descend::<COPY, P>(level - 1, co)) + 1;
    }
    co.pause();
    1
}

/// A function of those that are nested in the source text. Each is a type, so that their calls can be
/// written down as one: [`Ten`].
trait Level: 'static {
    /// How many there are from here on down.
    const LEVELS: u32;
    /// Calls the next, or pauses: once, or, if they are to stay, for ever.
    async fn descend<const STAY: bool, const COPY: usize>(co: &mut impl AsyncPause) -> u32;
}

struct Bottom;

impl Level for Bottom {
    const LEVELS: u32 = 1;

    async fn descend<const STAY: bool, const COPY: usize>(co: &mut impl AsyncPause) -> u32 {
        if STAY {
            shift::<COPY>();
            loop {
                co.pause().await;
            }
        }
        co.pause().await;
        1
    }
}

/// A level above another one.
struct Above<L>(PhantomData<L>);

impl<L: Level> Level for Above<L> {
    const LEVELS: u32 = L::LEVELS + 1;

    async fn descend<const STAY: bool, const COPY: usize>(co: &mut impl AsyncPause) -> u32 {
        black_box(L::descend::<STAY, COPY>(co).await) + 1
    }
}

/// Nine levels above another one.
type Ten<L> = Above<Above<Above<Above<Above<Above<Above<Above<Above<L>>>>>>>>>;
/// Nine levels and the last.
type Few = Ten<Bottom>;
/// Ten.
type More<L> = Above<Ten<L>>;
/// A hundred in all.
type Hundred = More<More<More<More<More<More<More<More<More<Ten<Bottom>>>>>>>>>>;

/// The resumer's side, the same for all: resumes again and again.
#[inline(always)]
fn resumer<const COPY: usize>(mut resume: impl FnMut()) -> impl FnMut(u64) {
    // The first resume comes to the first pause, down all levels.
    resume();
    move |times| {
        shift::<COPY>();
        for _ in 0..times {
            resume();
        }
    }
}

impl Pause for &corosensei::Yielder<(), ()> {
    #[inline(always)]
    fn pause(&mut self) {
        self.suspend(());
    }
}

fn bare<S: Shape, const COPY: usize>(levels: u32) -> impl FnMut(u64) {
    let mut co = corosensei::Coroutine::new(move |yielder: &corosensei::Yielder<(), ()>, ()| {
        S::run::<COPY>(levels, yielder)
    });
    resumer::<COPY>(move || match co.resume(()) {
        corosensei::CoroutineResult::Yield(()) => {}
        corosensei::CoroutineResult::Return(never) => match never {},
    })
}

/// Calls, and pauses nothing.
struct Callback<F>(F);

impl<F: FnMut()> Pause for Callback<F> {
    #[inline(always)]
    fn pause(&mut self) {
        self.0();
    }
}

fn callback<const COPY: usize>(levels: u32) -> impl FnMut(u64) {
    let mut calls = 0_u64;
    let mut called = Callback(move || calls = black_box(calls + 1));
    resumer::<COPY>(move || assert!(descend::<COPY, _>(levels, &mut called) == levels))
}

impl Pause for generator::Scope<'_, '_, (), ()> {
    #[inline(always)]
    fn pause(&mut self) {
        self.yield_with(());
    }
}

fn generator<S: Shape, const COPY: usize>(levels: u32) -> impl FnMut(u64) {
    /// It counts its stack in words.
    const WORDS: usize = STACK / size_of::<usize>();

    let body =
        move |scope: generator::Scope<'_, '_, (), ()>| match S::run::<COPY>(levels, scope) {};
    let mut co = generator::Gn::new_scoped_opt_local(WORDS, body);
    resumer::<COPY>(move || co.resume().expect("it never returns"))
}

impl Pause for &segno::Pauser<(), ()> {
    #[inline(always)]
    fn pause(&mut self) {
        segno::Pauser::pause(self, ());
    }
}

fn segno<S: Shape, const COPY: usize>(levels: u32) -> impl FnMut(u64) {
    let mut co =
        segno::Coroutine::new(move |co: &segno::Pauser<(), ()>, ()| S::run::<COPY>(levels, co));
    resumer::<COPY>(move || match co.resume(()) {
        segno::State::Paused(()) => {}
        segno::State::Complete(never) => match never {},
    })
}

impl AsyncPause for genawaiter::rc::Co<()> {
    #[inline(always)]
    async fn pause(&mut self) {
        self.yield_(()).await;
    }
}

fn genawaiter<S: Shape, const COPY: usize>(levels: u32) -> impl FnMut(u64) {
    let mut co = genawaiter::rc::Gen::new(|co| S::run_async::<COPY>(levels, co));
    resumer::<COPY>(move || match co.resume() {
        genawaiter::GeneratorState::Yielded(()) => {}
        genawaiter::GeneratorState::Complete(never) => match never {},
    })
}

/// What futures pause with that are polled by hand.
struct Once;

impl AsyncPause for Once {
    #[inline(always)]
    async fn pause(&mut self) {
        let mut resumed = false;
        poll_fn(|_| match std::mem::replace(&mut resumed, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }
}

/// A boxed future, polled by hand.
fn polled<const COPY: usize>(co: impl Future<Output = Infallible> + 'static) -> impl FnMut(u64) {
    let mut co: Pin<Box<dyn Future<Output = Infallible>>> = Box::pin(co);
    let mut context = Context::from_waker(Waker::noop());
    resumer::<COPY>(move || assert!(co.as_mut().poll(&mut context).is_pending()))
}

fn future<S: Shape, const COPY: usize>(levels: u32) -> impl FnMut(u64) {
    polled::<COPY>(S::run_async::<COPY>(levels, Once))
}

fn nested<S: Shape, L: Level, const COPY: usize>() -> impl FnMut(u64) {
    polled::<COPY>(S::run_nested::<L, COPY>(Once))
}

fn by_hand<S: Shape, const COPY: usize>(levels: u32) -> impl FnMut(u64) {
    let mut frames = Vec::new();
    resumer::<COPY>(move || S::step(black_box(&mut frames), levels))
}
