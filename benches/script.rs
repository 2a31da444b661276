//! What do scripts of a game cost, by frame, by wake, by event?
//!
//! `cargo bench -p segno-benches --bench script`
//!
//! - *a tick, 1,000 / 100,000 idle*: everybody waits for an hour. The figure is for the tick.
//! - *wake by timer*: one script that waits for the time of a frame, each frame, with all that a tick costs; a
//!   hundred that do, warm; then 10,000 that each wait for up to 100 frames, so that some hundred wake in each. The
//!   figure is for one wake.
//! - *next frame, 10,000*: everybody does a bit in each frame. The figure is for one of them.
//! - *an event to 100 of 10,000*: the others wait for an event of another type. The figure is for one of
//!   the hundred. *To one of 10,000*: all wait for that type, and one is named.
//! - *spawn, first run, end*: of one that ends in its first step, among nobody else.
//! - *all of two*, *race of two*: of branches that return in the next frame, and of one that is cancelled.
//! - *cancel 10,000*: marked at once, unwound over several ticks: the figure is for one; then the longest
//!   of those ticks.
//! - *100,000 live*: bytes for each, resident and in page tables, while all wait.
//!
//! Against:
//! - A state machine written by hand, an enum in a vector that is looked at in each frame (the floor: it does nothing
//!   else). Where nobody is due the floor is a look at the top of a heap of the times when they are.
//! - A boxed future for each, polled in each frame with a waker that does nothing: it counts frames instead of waiting
//!   for a time, and looks whether an event has come since it was polled last.
//! - async-executor with wakers, run once a frame until nothing is ready, and with what a game would write around it: a
//!   clock, a heap of timers of which each frame wakes those that are due, and for each event a list of the wakers of
//!   those that wait for it.
//! - Coroutines of Lua 5.4 in one interpreter (mlua), resumed in each frame.
//!
//! Fair, because all do the same in a frame: add one to a counter in the world, or find that it is not time
//! yet. Each loop checks at its end that the counter shows what there was to do. What looks at everybody in each frame
//! pays for the idle; that is what the idle rows show. The timers of the spread are up to 100 frames, at random, for
//! Segno and for async-executor; the others act in each 50th frame, so that as many do in any of them.

use async_executor::LocalExecutor;
use futures_lite::future;
use mlua::{Lua, Thread};
use segno::script::{Script, Scripts};
use segno_benches::apart;
use segno_benches::copies::Copy;
use segno_benches::question::{Contender, Question, is_test};
use segno_benches::row::{Kind, Row};
use std::cell::{Cell, RefCell};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// Bytes of frames for each script.
const STACK: usize = 48 * 1024;
/// Seconds in a frame.
const DT: f64 = 1.0 / 60.0;
/// Seconds that the bench has not enough frames for.
const LONG: f64 = 1e9;

fn main() {
    if let Some((_, count)) = apart::asked() {
        return apart::answer(&memory(count));
    }
    let mut question = Question::new("script");
    for (case, count) in [("a tick, 1,000 idle", 1_000), ("a tick, 100,000 idle", 100_000)] {
        let count = if is_test() { 10 } else { count };
        question.case(
            case,
            1,
            vec![
                Contender::floor("a look at the top of a heap", vec![top_of_heap(count)]),
                Contender::floor("state machines", vec![machines(count, u32::MAX)])
                    .note("looked at in each frame"),
                Contender::rival("boxed futures", vec![futures(count, u32::MAX)])
                    .note("stackless; polled in each frame"),
                executor(woken(count, Wait::Hour)),
                Contender::segno("Scripts::tick", vec![scripts(count, Wait::Hour)]),
            ],
        );
    }
    question.case(
        "wake by timer, one",
        1,
        vec![
            Contender::floor("state machine", vec![machines(1, 0)]),
            Contender::rival("boxed future", vec![futures(1, 0)]).note("stackless; counts frames"),
            executor(woken(1, Wait::Frame)),
            Contender::rival("Lua coroutine", vec![lua(1)]).note("no timer: resumed in each frame"),
            Contender::segno("Script::wait", vec![scripts(1, Wait::Frame)])
                .note("the tick included"),
        ],
    );
    question.case(
        "wake by timer, 100",
        100,
        vec![
            Contender::floor("state machines", vec![per_frame(machines(100, 0), 100)]),
            Contender::rival("boxed futures", vec![per_frame(futures(100, 0), 100)])
                .note("stackless; count frames"),
            executor(per_frame(woken(100, Wait::Frame), 100)),
            Contender::segno("Script::wait", vec![per_frame(scripts(100, Wait::Frame), 100)]),
        ],
    );
    let many = if is_test() { 100 } else { 10_000 };
    question.case(
        "wake by timer, 10,000 spread",
        // As many as there are, so that a warm-up comes to most of them.
        many,
        vec![
            Contender::floor("state machines", vec![per_frame(machines(many, 50), many / 50)])
                .note("all looked at for those that wake"),
            Contender::rival("boxed futures", vec![per_frame(futures(many, 50), many / 50)])
                .note("stackless; all polled for those that wake"),
            executor(per_frame(woken(many, Wait::Spread), many / 50)),
            Contender::segno(
                "Script::wait",
                vec![per_frame(scripts(many, Wait::Spread), many / 50)],
            ),
        ],
    );
    question.case(
        "next frame, 10,000",
        many,
        vec![
            Contender::floor("state machines", vec![per_frame(machines(many, 0), many)]),
            Contender::rival("boxed futures", vec![per_frame(futures(many, 0), many)])
                .note("stackless"),
            executor(per_frame(woken(many, Wait::Next), many)),
            Contender::rival("Lua coroutines", vec![per_frame(lua(many), many)]),
            Contender::segno(
                "Script::next_frame",
                vec![per_frame(scripts(many, Wait::Next), many)],
            ),
        ],
    );
    let heard = many / 100;
    question.case(
        "an event to 100 of 10,000",
        heard,
        vec![
            Contender::floor("a list of listeners", vec![listeners(heard)]).note("calls a closure"),
            Contender::rival("boxed futures", vec![polled_events(many, heard)])
                .note("stackless; all polled"),
            executor(woken_events(many, heard)),
            Contender::segno("Scripts::emit", vec![events(many, heard)]),
        ],
    );
    question.case(
        "an event to one of 10,000",
        1,
        vec![
            Contender::floor("a list of listeners", vec![listeners(1)]).note("calls a closure"),
            executor(woken_one(many)),
            Contender::segno("Scripts::emit_to", vec![events_to_one(many)])
                .note("the tick included"),
        ],
    );
    question.case(
        "spawn, first run, end",
        1,
        vec![
            Contender::floor("boxed closure", vec![closures()]),
            Contender::rival("boxed future", vec![short_futures()]).note("stackless"),
            executor(woken_short()),
            Contender::rival("Lua coroutine", vec![short_lua()]),
            Contender::segno("Scripts::spawn", vec![spawns()]),
        ],
    );
    question.case(
        "all of two",
        1,
        vec![
            Contender::floor("two state machines", vec![machines(2, 0)]),
            executor(woken_families(async |game, _| {
                future::zip(game.frame.wait(), game.frame.wait()).await;
            })),
            Contender::segno(
                "Script::all",
                vec![families(|s| {
                    s.all(|s| s.next_frame(), |s| s.next_frame());
                })],
            ),
        ],
    );
    question.case(
        "race of two",
        1,
        vec![
            Contender::floor("two state machines", vec![machines(2, 0)]),
            executor(woken_families(async |game, never| {
                future::or(game.frame.wait(), never.wait()).await;
            })),
            Contender::segno(
                "Script::race",
                vec![families(|s| {
                    s.race(|s| s.next_frame(), |s| s.wait_for::<u8>().into());
                })],
            )
            .note("one is unwound"),
        ],
    );
    cancel(&mut question, many as usize);
    live(&mut question);
    question.finish();
}

/// The rival that wakes those that are due.
fn executor(frames: Copy) -> Contender {
    Contender::rival("async-executor, timers in a heap", vec![frames])
        .note("stackless; its timers written by hand")
}

/// A loop of frames, for figures that are for one of those that run in a frame.
fn per_frame(mut frames: Copy, each: u64) -> Copy {
    Box::new(move |times| frames(times / each))
}

// ---- by hand

/// Frames in which nobody is due.
fn top_of_heap(count: u64) -> Copy {
    let mut all: BinaryHeap<Reverse<u64>> = (0..count).map(|i| Reverse(u64::MAX - i)).collect();
    let (mut now, mut world) = (0, 0_u64);
    Box::new(move |frames| {
        for _ in 0..frames {
            now += nanoseconds(DT);
            while all.peek().is_some_and(|due| due.0 <= now) {
                all.pop();
                world += 1;
            }
            black_box(&mut all);
        }
        assert_eq!(world, 0, "nobody is due");
    })
}

/// A machine that counts down frames.
enum Machine {
    /// Waits for so many.
    Waits { left: u32, all: u32 },
}

/// Frames of machines that act each `period` frames, or in each; never, if that is the largest number.
fn machines(count: u64, period: u32) -> Copy {
    let mut all: Vec<_> = (0..count)
        .map(|i| {
            let all = if period == u32::MAX { period } else { period.max(1) - 1 };
            let left = if period == u32::MAX { all } else { i as u32 % (all + 1) };
            Machine::Waits { left, all }
        })
        .collect();
    let mut world = 0_u64;
    Box::new(move |frames| {
        let before = world;
        for _ in 0..frames {
            for machine in &mut all {
                let Machine::Waits { left, all } = machine;
                if *left == 0 {
                    *left = *all;
                    world += 1;
                } else if *left != u32::MAX {
                    *left -= 1;
                }
            }
            black_box(&mut world);
        }
        assert_eq!(world - before, acts(count, period) * frames, "each acts when it is time");
    })
}

/// How many of so many act in a frame when each acts in each `period` frames; for each share of a period there are
/// equally many.
fn acts(count: u64, period: u32) -> u64 {
    if period == u32::MAX { 0 } else { count / u64::from(period.max(1)) }
}

/// Closures in a list, called.
fn listeners(count: u64) -> Copy {
    let world = Rc::new(Cell::new(0_u64));
    let all: Vec<Box<dyn Fn()>> = (0..count)
        .map(|_| {
            let world = world.clone();
            Box::new(move || world.set(world.get() + 1)) as Box<dyn Fn()>
        })
        .collect();
    Box::new(move |times| {
        let before = world.get();
        for _ in 0..times / count {
            all.iter().for_each(|listener| listener());
        }
        assert_eq!(world.get() - before, times, "each is called");
    })
}

/// A closure boxed, called, dropped.
fn closures() -> Copy {
    Box::new(|times| {
        let mut world = 0_u64;
        for _ in 0..times {
            let closure: Box<dyn FnOnce(&mut u64)> = black_box(Box::new(|world| *world += 1));
            closure(&mut world);
        }
        assert_eq!(black_box(world), times, "each is called");
    })
}

// ---- futures

/// A frame's end, for a future.
fn frame() -> impl Future<Output = ()> {
    let mut waited = false;
    poll_fn(move |_| match std::mem::replace(&mut waited, true) {
        false => Poll::Pending,
        true => Poll::Ready(()),
    })
}

/// Frames of futures that act each `period` frames.
fn futures(count: u64, period: u32) -> Copy {
    let world = Rc::new(Cell::new(0_u64));
    let counted = world.clone();
    let mut all: Vec<Pin<Box<dyn Future<Output = ()>>>> = (0..count)
        .map(|i| {
            let world = world.clone();
            Box::pin(async move {
                let mut left = i % u64::from(period.max(1));
                if period == u32::MAX {
                    left = u64::MAX;
                }
                // For ever, though the compiler does not know.
                while black_box(true) {
                    while left > 0 {
                        left -= 1;
                        frame().await;
                    }
                    world.set(world.get() + 1);
                    left = u64::from(period.max(1));
                }
            }) as Pin<Box<dyn Future<Output = ()>>>
        })
        .collect();
    Box::new(move |frames| {
        let before = counted.get();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..frames {
            for future in &mut all {
                let _ = future.as_mut().poll(&mut context);
            }
        }
        let acted = counted.get() - before;
        assert_eq!(acted, acts(count, period) * frames, "each acts when it is time");
    })
}

/// Events to some of many futures, which look at how many there have been of their type.
fn polled_events(count: u64, heard: u64) -> Copy {
    let world = Rc::new(Cell::new(0_u64));
    let (event, other) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(0_u64)));
    let mut all: Vec<Pin<Box<dyn Future<Output = ()>>>> = (0..count)
        .map(|i| {
            let world = world.clone();
            let event = if i < heard { event.clone() } else { other.clone() };
            Box::pin(async move {
                // For ever, though the compiler does not know.
                while black_box(true) {
                    let seen = event.get();
                    poll_fn(|_| match event.get() == seen {
                        true => Poll::Pending,
                        false => Poll::Ready(()),
                    })
                    .await;
                    world.set(world.get() + 1);
                }
            }) as Pin<Box<dyn Future<Output = ()>>>
        })
        .collect();
    let mut frame = move || {
        let mut context = Context::from_waker(Waker::noop());
        for future in &mut all {
            let _ = future.as_mut().poll(&mut context);
        }
    };
    frame();
    Box::new(move |times| {
        let before = world.get();
        for _ in 0..times / heard {
            event.set(event.get() + 1);
            frame();
        }
        assert_eq!(world.get() - before, times, "each event is heard");
    })
}

/// A future boxed, polled to its end, dropped.
fn short_futures() -> Copy {
    let world = Rc::new(Cell::new(0_u64));
    Box::new(move |times| {
        let before = world.get();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..times {
            let world = world.clone();
            let mut future: Pin<Box<dyn Future<Output = ()>>> =
                black_box(Box::pin(async move { world.set(world.get() + 1) }));
            let _ = black_box(future.as_mut().poll(&mut context));
        }
        assert_eq!(world.get() - before, times, "each runs");
    })
}

// ---- an executor with wakers

/// Seconds as nanoseconds, to the nearest.
fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

/// What a game has for its futures.
#[derive(Default)]
struct Game {
    /// The counter.
    world: Cell<u64>,
    /// What the clock shows, in nanoseconds.
    now: Cell<u64>,
    /// Who waits for a time. A future that is dropped before leaves its timer here.
    timers: RefCell<BinaryHeap<Timer>>,
    /// How many timers there have been.
    sequence: Cell<u64>,
    /// The next frame.
    frame: Event,
}

/// Who is woken at a time.
struct Timer {
    /// The time.
    due: u64,
    /// Who comes first when that is the same.
    sequence: u64,
    /// Wakes it.
    waker: Waker,
}

impl Ord for Timer {
    /// The one that is due first is the largest, for the heap.
    fn cmp(&self, other: &Timer) -> Ordering {
        (other.due, other.sequence).cmp(&(self.due, self.sequence))
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Timer) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Timer) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Timer {}

impl Game {
    /// A frame: wakes those that are due and those that wait for it, and runs all that are ready.
    fn tick(&self, executor: &LocalExecutor<'_>, seconds: f64) {
        let now = self.now.get() + nanoseconds(seconds);
        self.now.set(now);
        let mut timers = self.timers.borrow_mut();
        while timers.peek().is_some_and(|first| first.due <= now) {
            timers.pop().expect("it was there").waker.wake();
        }
        drop(timers);
        self.frame.emit();
        while executor.try_tick() {}
    }

    /// Waits for so many seconds.
    async fn wait(&self, seconds: f64) {
        let due = self.now.get() + nanoseconds(seconds);
        let mut registered = false;
        poll_fn(|context| {
            if self.now.get() >= due {
                return Poll::Ready(());
            }
            if !std::mem::replace(&mut registered, true) {
                let sequence = self.sequence.replace(self.sequence.get() + 1);
                let waker = context.waker().clone();
                self.timers.borrow_mut().push(Timer { due, sequence, waker });
            }
            Poll::Pending
        })
        .await;
    }

    /// Adds one to the counter.
    fn act(&self) {
        self.world.set(self.world.get() + 1);
    }
}

/// What can happen, again and again.
#[derive(Default)]
struct Event {
    /// How often it has.
    generation: Cell<u64>,
    /// Who waits for it, with a number.
    waiting: RefCell<Vec<(u64, Waker)>>,
    /// How many have waited.
    sequence: Cell<u64>,
}

impl Event {
    /// It happens: wakes all that wait.
    fn emit(&self) {
        self.generation.set(self.generation.get() + 1);
        self.waiting.borrow_mut().drain(..).for_each(|(_, waker)| waker.wake());
    }

    /// Waits until it happens.
    fn wait(&self) -> Heard<'_> {
        Heard { event: self, seen: self.generation.get(), number: None }
    }
}

/// A wait for an event.
struct Heard<'a> {
    /// The event.
    event: &'a Event,
    /// How often it had happened before.
    seen: u64,
    /// Its number in the list.
    number: Option<u64>,
}

impl Future for Heard<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let event = self.event;
        if event.generation.get() != self.seen {
            return Poll::Ready(());
        }
        if self.number.is_none() {
            let number = event.sequence.replace(event.sequence.get() + 1);
            event.waiting.borrow_mut().push((number, context.waker().clone()));
            self.number = Some(number);
        }
        Poll::Pending
    }
}

impl Drop for Heard<'_> {
    /// Takes it out of the list, unless the event has done so.
    fn drop(&mut self) {
        if self.number.is_some() && self.event.generation.get() == self.seen {
            let mut waiting = self.event.waiting.borrow_mut();
            let place = waiting.iter().position(|(number, _)| Some(*number) == self.number);
            drop(place.map(|place| waiting.swap_remove(place)));
        }
    }
}

/// Frames of futures that wait as the scripts do.
fn woken(count: u64, wait: Wait) -> Copy {
    let (executor, game) = (LocalExecutor::new(), Rc::new(Game::default()));
    for i in 0..count {
        let game = game.clone();
        let future = async move {
            let mut step = i;
            loop {
                game.act();
                match wait {
                    Wait::Hour => game.wait(LONG).await,
                    Wait::Frame => game.wait(DT).await,
                    Wait::Spread => game.wait(DT * at_random(&mut step)).await,
                    Wait::Next => game.frame.wait().await,
                }
            }
        };
        executor.spawn(future).detach();
    }
    for _ in 0..100 {
        game.tick(&executor, DT);
    }
    Box::new(move |frames| {
        let before = game.world.get();
        for _ in 0..frames {
            game.tick(&executor, DT);
        }
        wait.check(count, frames, game.world.get() - before);
    })
}

/// A future that waits for an event again and again.
async fn hears(game: Rc<Game>, event: Rc<Event>) {
    loop {
        event.wait().await;
        game.act();
    }
}

/// Events to some of many.
fn woken_events(count: u64, heard: u64) -> Copy {
    let (executor, game) = (LocalExecutor::new(), Rc::new(Game::default()));
    let (event, other) = (Rc::new(Event::default()), Rc::new(Event::default()));
    for i in 0..count {
        let event = if i < heard { event.clone() } else { other.clone() };
        executor.spawn(hears(game.clone(), event)).detach();
    }
    game.tick(&executor, DT);
    Box::new(move |times| {
        let before = game.world.get();
        for _ in 0..times / heard {
            event.emit();
            game.tick(&executor, DT);
        }
        assert_eq!(game.world.get() - before, times, "each event is heard");
    })
}

/// Events to each of many in turn: each has a list of its own.
fn woken_one(count: u64) -> Copy {
    let (executor, game) = (LocalExecutor::new(), Rc::new(Game::default()));
    let events: Vec<_> = (0..count).map(|_| Rc::new(Event::default())).collect();
    for event in &events {
        executor.spawn(hears(game.clone(), event.clone())).detach();
    }
    game.tick(&executor, DT);
    let mut events = events.into_iter().cycle();
    Box::new(move |times| {
        let before = game.world.get();
        for _ in 0..times {
            events.next().expect("it goes on for ever").emit();
            game.tick(&executor, DT);
        }
        assert_eq!(game.world.get() - before, times, "each event is heard");
    })
}

/// Futures that end when they are first polled; a thousand in a tick.
fn woken_short() -> Copy {
    let (executor, game) = (LocalExecutor::new(), Rc::new(Game::default()));
    Box::new(move |times| {
        let before = game.world.get();
        let mut left = times;
        while left > 0 {
            let now = left.min(1000);
            for _ in 0..now {
                let game = game.clone();
                executor.spawn(async move { game.act() }).detach();
            }
            game.tick(&executor, DT);
            left -= now;
        }
        assert_eq!(game.world.get() - before, times, "each runs");
    })
}

/// Frames of one future that waits for two, of which one at least waits for the next frame. It has an event that never
/// happens.
fn woken_families(family: impl AsyncFn(&Game, &Event) + 'static) -> Copy {
    let (executor, game) = (LocalExecutor::new(), Rc::new(Game::default()));
    let parent = game.clone();
    let future = async move {
        let never = Event::default();
        loop {
            family(&parent, &never).await;
            parent.act();
        }
    };
    executor.spawn(future).detach();
    game.tick(&executor, DT);
    Box::new(move |frames| {
        let before = game.world.get();
        for _ in 0..frames {
            game.tick(&executor, DT);
        }
        assert_eq!(game.world.get() - before, frames, "there is one in each frame");
    })
}

// ---- Lua

/// Frames of Lua's coroutines that act in each.
fn lua(count: u64) -> Copy {
    let lua = Lua::new();
    let act: mlua::Function = lua
        .load("return function() while true do world = world + 1; coroutine.yield() end end")
        .eval()
        .expect("it is correct");
    lua.globals().set("world", 0).expect("a global");
    let all: Vec<Thread> =
        (0..count).map(|_| lua.create_thread(act.clone()).expect("memory")).collect();
    Box::new(move |frames| {
        let before = world_of(&lua);
        for _ in 0..frames {
            for thread in &all {
                thread.resume::<()>(()).expect("it goes on for ever");
            }
        }
        assert_eq!(world_of(&lua) - before, count * frames, "each acts in each frame");
    })
}

/// What Lua's coroutines have counted.
fn world_of(lua: &Lua) -> u64 {
    lua.globals().get("world").expect("a global")
}

/// A coroutine of Lua's that ends in its first step.
fn short_lua() -> Copy {
    let lua = Lua::new();
    let act: mlua::Function =
        lua.load("return function() world = world + 1 end").eval().expect("it is correct");
    lua.globals().set("world", 0).expect("a global");
    Box::new(move |times| {
        let before = world_of(&lua);
        for _ in 0..times {
            let thread = lua.create_thread(act.clone()).expect("memory");
            thread.resume::<()>(()).expect("it ends");
        }
        assert_eq!(world_of(&lua) - before, times, "each runs");
    })
}

// ---- scripts

/// What scripts wait for.
#[derive(Clone, Copy)]
enum Wait {
    /// Longer than anything here takes.
    Hour,
    /// The time of a frame.
    Frame,
    /// Up to 100 frames, 50 on average.
    Spread,
    /// The next frame.
    Next,
}

impl Wait {
    /// Checks how often so many have acted in so many frames.
    fn check(self, count: u64, frames: u64, acted: u64) {
        let (due, more_or_less) = match self {
            Wait::Hour => (0, 0),
            Wait::Frame | Wait::Next => (count * frames, 0),
            // At random.
            Wait::Spread => (count * frames / 50, count * frames / 500 + count / 10),
        };
        assert!(acted.abs_diff(due) <= more_or_less, "{acted} have acted, {due} should have");
    }
}

/// Up to 100 frames.
fn at_random(step: &mut u64) -> f64 {
    *step = step.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
    (1 + (*step >> 33) % 99) as f64
}

/// Frames of scripts.
fn scripts(count: u64, wait: Wait) -> Copy {
    let scripts = Scripts::<u64>::builder().stack_size(STACK).build();
    for i in 0..count {
        scripts.spawn("script", move |s| act(s, i, wait));
    }
    let mut world = 0;
    for _ in 0..100 {
        scripts.tick(&mut world, DT);
    }
    Box::new(move |frames| {
        let before = world;
        for _ in 0..frames {
            scripts.tick(&mut world, DT);
        }
        wait.check(count, frames, world - before);
    })
}

/// What a script does.
fn act(s: &mut Script<u64>, i: u64, wait: Wait) {
    let mut step = i;
    loop {
        *s.world() += 1;
        match wait {
            Wait::Hour => {
                s.wait(LONG);
            }
            Wait::Frame => {
                s.wait(DT);
            }
            Wait::Spread => {
                s.wait(DT * at_random(&mut step));
            }
            Wait::Next => {
                s.next_frame();
            }
        }
    }
}

/// Events to some of many.
fn events(count: u64, heard: u64) -> Copy {
    let scripts = Scripts::<u64>::builder().stack_size(STACK).build();
    for i in 0..count {
        scripts.spawn("waits", move |s| {
            loop {
                if i < heard {
                    s.wait_for::<u32>();
                } else {
                    s.wait_for::<u64>();
                }
                *s.world() += 1;
            }
        });
    }
    let mut world = 0;
    scripts.tick(&mut world, DT);
    Box::new(move |times| {
        let before = world;
        for i in 0..times / heard {
            scripts.emit(i as u32);
            scripts.tick(&mut world, DT);
        }
        assert_eq!(world - before, times, "each event is heard");
    })
}

/// Events to each of many in turn, all of whom wait for that type.
fn events_to_one(count: u64) -> Copy {
    let scripts = Scripts::<u64>::builder().stack_size(STACK).build();
    let waits = |s: &mut Script<u64>| loop {
        s.wait_for::<u32>();
        *s.world() += 1;
    };
    let all: Vec<_> = (0..count).map(|_| scripts.spawn("waits", waits).id()).collect();
    let mut world = 0;
    scripts.tick(&mut world, DT);
    let mut ids = all.into_iter().cycle();
    Box::new(move |times| {
        let before = world;
        for i in 0..times {
            scripts.emit_to(ids.next().expect("it goes on for ever"), i as u32);
            scripts.tick(&mut world, DT);
        }
        assert_eq!(world - before, times, "each event is heard");
    })
}

/// Scripts that end in their first step; a thousand in a tick.
fn spawns() -> Copy {
    let scripts = Scripts::<u64>::builder().stack_size(STACK).build();
    let mut world = 0;
    Box::new(move |times| {
        let before = world;
        let mut left = times;
        while left > 0 {
            let now = left.min(1000);
            for _ in 0..now {
                scripts.spawn("short", |s| *s.world() += 1);
            }
            scripts.tick(&mut world, DT);
            left -= now;
        }
        assert_eq!(world - before, times, "each runs");
    })
}

/// Frames of one script that makes children.
fn families(family: fn(&mut Script<u64>)) -> Copy {
    let scripts = Scripts::<u64>::builder().stack_size(STACK).build();
    scripts.spawn("parent", move |s| {
        loop {
            family(s);
            *s.world() += 1;
        }
    });
    let mut world = 0;
    scripts.tick(&mut world, DT);
    Box::new(move |frames| {
        let before = world;
        for _ in 0..frames {
            scripts.tick(&mut world, DT);
        }
        assert_eq!(world - before, frames, "there is one in each frame");
    })
}

/// Cancels many at once.
fn cancel(question: &mut Question, count: usize) {
    if !question.wants("cancel 10,000") {
        return;
    }
    let (mut each, mut longest) = (Vec::new(), Vec::new());
    for _ in 0..if is_test() { 1 } else { 20 } {
        let scripts = Scripts::<u64>::builder().stack_size(STACK).build();
        for _ in 0..count {
            scripts.spawn("waits", |s| {
                s.wait(3600);
            });
        }
        let mut world = 0;
        scripts.tick(&mut world, DT);
        let start = Instant::now();
        scripts.cancel_all();
        let mut worst = 0_f64;
        while !scripts.is_empty() {
            let tick = Instant::now();
            scripts.tick(&mut world, DT);
            worst = worst.max(tick.elapsed().as_secs_f64() * 1e3);
        }
        each.push(start.elapsed().as_secs_f64() * 1e9 / count as f64);
        longest.push(worst);
    }
    let case = "cancel 10,000";
    let row = |kind, who, unit| Row::empty("script", case, kind, who, unit);
    question.row(row(Kind::Segno, "each", "ns").figures(each));
    question.row(row(Kind::Segno, "the longest tick", "ms").figures(longest));
}

/// Bytes that a script holds while it waits.
fn live(question: &mut Question) {
    if !question.wants("100,000 live") {
        return;
    }
    let count = if is_test() { 100 } else { 100_000 };
    let row = Row::empty("script", "100,000 live", Kind::Segno, "Scripts, 48 KiB", "bytes");
    question.row(match apart::run::<f64>("live", count) {
        Ok(bytes) => row.figures(vec![bytes]),
        Err(why) => row.note(why),
    });
}

/// The same, in this process.
fn memory(count: usize) -> f64 {
    let before = resident();
    let scripts = Scripts::<u64>::builder().stack_size(STACK).build();
    for _ in 0..count {
        scripts.spawn("waits", |s| {
            s.wait(3600);
        });
    }
    let mut world = 0;
    scripts.tick(&mut world, DT);
    let bytes = (resident() - before) / count as f64;
    std::mem::forget(scripts); // ending them is not measured
    bytes
}

/// Bytes of this process, page tables included.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1))
            .and_then(|text| text.parse().ok())
            .unwrap_or(0.0)
    };
    (kilobytes("VmRSS:") + kilobytes("VmPTE:")) * 1024.0
}
