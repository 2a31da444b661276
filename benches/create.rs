//! What does a coroutine cost that is created, run and dropped?
//!
//! `cargo bench -p segno-benches --bench create`
//!
//! Timed: creating one from a closure that has captured a number, resuming it until it has ended
//! and returned the number, dropping it. Not timed: the first use of a stack, where stacks are kept
//! (every loop has run before it is timed).
//!
//! - *one at a time*: resumed once, which is to its end; the next is created after that.
//! - *1,000 alive*: a thousand are created and each resumed up to a pause, then each is resumed to
//!   its end and dropped. The figure is for one of them.
//! - *unpooled*: one at a time, and each on a stack fresh from the system.
//!
//! Against: bare corosensei on stacks kept by hand, which is as cheap as a stack can be had (the
//! floor; where nothing is kept, the floor is mapping a stack and unmapping it, without running
//! anything); the crate `generator`, which keeps no stacks, but lets a finished generator be
//! filled anew; stackless code, which wants one allocation; threads of the operating system.
//!
//! Fair, because all run the same closure, with the same loop around it in several copies of which
//! the fastest counts, and because each rival is shown in the cheapest way it offers: where that
//! asks more of the user than `Coroutine::new` does, a note says so.

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine as Bare, Yielder};
use generator::{Gn, LocalGenerator, Scope};
use segno::{Builder, Coroutine, Pauser, State};
use segno_benches::copies;
use segno_benches::copies::{Copy, shift};
use segno_benches::question::{Contender, Question};
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};

fn main() {
    let mut question = Question::new("create");
    question.case(
        "one at a time",
        1,
        vec![
            Contender::floor("corosensei, kept stack", copies!(bare_kept, One))
                .note("the user keeps the stack"),
            Contender::floor("boxed closure", copies!(closure, One)).note("cannot pause"),
            Contender::rival("generator, filled anew", copies!(generator_kept, One))
                .note("the user keeps finished generators"),
            Contender::rival("genawaiter::rc", copies!(genawaiter, One)).note("stackless"),
            Contender::rival("boxed future", copies!(future, One)).note("stackless"),
            Contender::rival("OS thread", vec![Box::new(threads::<One, 0>()) as Copy]),
            Contender::segno("Coroutine::new", copies!(segno, One)),
            Contender::segno("Builder, 48 KiB", copies!(segno_small, One)),
        ],
    );
    question.case(
        "1,000 alive",
        Thousand::ALIVE,
        vec![
            Contender::floor("corosensei, kept stacks", copies!(bare_kept, Thousand))
                .note("the user keeps the stacks"),
            Contender::rival("corosensei, DefaultStack", copies!(bare, Thousand)),
            Contender::rival("generator, filled anew", copies!(generator_kept, Thousand))
                .note("the user keeps finished generators"),
            Contender::rival("generator", copies!(generator, Thousand)),
            Contender::rival("genawaiter::rc", copies!(genawaiter, Thousand)).note("stackless"),
            Contender::rival("boxed future", copies!(future, Thousand)).note("stackless"),
            Contender::rival("OS thread", vec![Box::new(threads::<Thousand, 0>()) as Copy]),
            Contender::segno("Coroutine::new", copies!(segno, Thousand)),
            Contender::segno("Builder, 48 KiB", copies!(segno_small, Thousand)),
        ],
    );
    question.case(
        "unpooled",
        1,
        vec![
            Contender::floor("a stack mapped and unmapped", copies!(stack_alone, One))
                .note("corosensei's DefaultStack; runs nothing"),
            Contender::rival("corosensei, DefaultStack", copies!(bare, One)),
            Contender::rival("generator", copies!(generator, One)),
            Contender::rival("OS thread", vec![Box::new(threads::<One, 0>()) as Copy]),
            Contender::segno("Coroutine::new, trim", copies!(segno_trimmed, One))
                .note("stack::trim() after each: gives back the memory, keeps the addresses"),
        ],
    );
    question.finish();
}

/// How many are alive at once, and with that how often each pauses.
trait Case: 'static {
    /// So many are created before the first of them ends.
    const ALIVE: u64;
    /// How often each pauses before it returns.
    const PAUSES: u64;
}

struct One;

impl Case for One {
    const ALIVE: u64 = 1;
    const PAUSES: u64 = 0;
}

struct Thousand;

impl Case for Thousand {
    const ALIVE: u64 = 1000;
    const PAUSES: u64 = 1;
}

/// The loop of a case around a contender's own way to create one, to resume it (which gives the
/// number, once it is returned) and to end it, where that is more than to leave its scope.
///
/// It is a macro, so that a contender's code stands in the loop itself, as a user's would. A
/// function that takes closures leaves it to the compiler whether they become frames, and a frame
/// around a switch costs more than what is measured.
macro_rules! loop_of {
    ($case:ident, $copy:ident, kept: $kept:ident = $initial:expr,
     create: |$i:ident| $create:expr, resume: |$made:ident| $resume:expr $(, end: $end:expr)?) => {{
        let mut $kept = $initial;
        let mut alive = Vec::with_capacity($case::ALIVE as usize);
        move |times: u64| {
            shift::<$copy>();
            if $case::ALIVE == 1 {
                for number in 0..times {
                    let $i: u64 = black_box(number);
                    let mut $made = $create;
                    assert!($resume == Some(number));
                    $($end;)?
                }
                return;
            }
            for _ in 0..times / $case::ALIVE {
                for number in 0..$case::ALIVE {
                    let $i: u64 = black_box(number);
                    let mut $made = $create;
                    assert!($resume.is_none());
                    alive.push($made);
                }
                for (number, mut $made) in (0..).zip(alive.drain(..)) {
                    assert!($resume == Some(number));
                    $($end;)?
                }
            }
        }
    }};
}

fn closure<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    loop_of!(
        C, COPY,
        kept: _kept = (),
        create: |i| Some(black_box(Box::new(move || i) as Box<dyn FnOnce() -> u64>)),
        resume: |made| made.take().map(|closure| closure())
    )
}

fn stack_alone<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    loop_of!(
        C, COPY,
        kept: _kept = (),
        create: |i| Some((black_box(DefaultStack::default()), i)),
        resume: |made| made.take().map(|(_stack, i)| i)
    )
}

fn bare<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    loop_of!(
        C, COPY,
        kept: _kept = (),
        create: |i| Bare::new(move |yielder: &Yielder<(), ()>, ()| {
            shift::<COPY>();
            (0..C::PAUSES).for_each(|_| yielder.suspend(()));
            i
        }),
        resume: |made| made.resume(()).as_return()
    )
}

fn bare_kept<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    loop_of!(
        C, COPY,
        kept: kept = Vec::<DefaultStack>::new(),
        create: |i| {
            let stack = kept.pop().unwrap_or_default();
            Bare::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
                shift::<COPY>();
                (0..C::PAUSES).for_each(|_| yielder.suspend(()));
                i
            })
        },
        resume: |made| made.resume(()).as_return(),
        end: kept.push(made.into_stack())
    )
}

type Generator = LocalGenerator<'static, (), Option<u64>>;

/// The generator's side.
#[inline(always)]
fn generate<C: Case, const COPY: usize>(
    mut scope: Scope<'_, '_, (), Option<u64>>,
    i: u64,
) -> Option<u64> {
    shift::<COPY>();
    (0..C::PAUSES).for_each(|_| scope.yield_with(None));
    Some(i)
}

fn generator<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    loop_of!(
        C, COPY,
        kept: _kept = (),
        create: |i| {
            let made: Generator =
                Gn::new_scoped_local(move |scope| generate::<C, COPY>(scope, i));
            made
        },
        resume: |made| made.resume().flatten()
    )
}

fn generator_kept<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    loop_of!(
        C, COPY,
        kept: kept = Vec::<Generator>::new(),
        create: |i| match kept.pop() {
            Some(mut made) => {
                made.scoped_init(move |scope| generate::<C, COPY>(scope, i));
                made
            }
            None => Gn::new_scoped_local(move |scope| generate::<C, COPY>(scope, i)),
        },
        resume: |made| made.resume().flatten(),
        end: kept.push(made)
    )
}

fn genawaiter<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    use genawaiter::GeneratorState;
    use genawaiter::rc::{Co, Gen};

    loop_of!(
        C, COPY,
        kept: _kept = (),
        create: |i| Gen::new(async move |co: Co<()>| {
            shift::<COPY>();
            for _ in 0..C::PAUSES {
                co.yield_(()).await;
            }
            i
        }),
        resume: |made| match made.resume() {
            GeneratorState::Yielded(()) => None,
            GeneratorState::Complete(i) => Some(i),
        }
    )
}

fn future<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    loop_of!(
        C, COPY,
        kept: _kept = (),
        create: |i| {
            let made: Pin<Box<dyn Future<Output = u64>>> = Box::pin(async move {
                shift::<COPY>();
                let mut pauses = C::PAUSES;
                poll_fn(|_| match pauses {
                    0 => Poll::Ready(()),
                    _ => {
                        pauses -= 1;
                        Poll::Pending
                    }
                })
                .await;
                i
            });
            made
        },
        resume: |made| match made.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(i) => Some(i),
            Poll::Pending => None,
        }
    )
}

/// A thread runs from its creation on; to resume one for the first time is to do nothing.
fn threads<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    let resume = |(pauses, thread): &mut (u64, Option<JoinHandle<u64>>)| {
        if *pauses > 0 {
            *pauses -= 1;
            return None;
        }
        let thread = thread.take()?;
        thread.thread().unpark();
        thread.join().ok()
    };
    loop_of!(
        C, COPY,
        kept: _kept = (),
        create: |i| {
            let body = move || {
                (0..C::PAUSES).for_each(|_| thread::park());
                i
            };
            (C::PAUSES, Some(thread::spawn(body)))
        },
        resume: |made| resume(&mut made)
    )
}

/// The coroutine's side.
#[inline(always)]
fn pause<C: Case, const COPY: usize>(co: &Pauser<(), ()>, i: u64) -> u64 {
    shift::<COPY>();
    (0..C::PAUSES).for_each(|_| co.pause(()));
    i
}

fn segno<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    loop_of!(
        C, COPY,
        kept: _kept = (),
        create: |i| Coroutine::new(move |co: &Pauser<(), ()>, ()| pause::<C, COPY>(co, i)),
        resume: |made| match made.resume(()) {
            State::Paused(()) => None,
            State::Complete(i) => Some(i),
        }
    )
}

fn segno_small<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    loop_of!(
        C, COPY,
        kept: _kept = (),
        create: |i| Builder::new()
            .stack_size(48 * 1024)
            .build(move |co: &Pauser<(), ()>, ()| pause::<C, COPY>(co, i))
            .expect("there is room for a stack"),
        resume: |made| match made.resume(()) {
            State::Paused(()) => None,
            State::Complete(i) => Some(i),
        }
    )
}

fn segno_trimmed<C: Case, const COPY: usize>() -> impl FnMut(u64) {
    loop_of!(
        C, COPY,
        kept: _kept = (),
        create: |i| Coroutine::new(move |co: &Pauser<(), ()>, ()| pause::<C, COPY>(co, i)),
        resume: |made| match made.resume(()) {
            State::Paused(()) => None,
            State::Complete(i) => Some(i),
        },
        end: {
            drop(made);
            segno::stack::trim();
        }
    )
}
