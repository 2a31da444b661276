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
//! Against: a state machine written by hand, an enum in a vector that is looked at in each frame (the
//! floor: it does nothing else); a boxed future for each, polled in each frame with a waker that does nothing,
//! which is what the async crates for games do; coroutines of Lua 5.4 in one interpreter (mlua),
//! resumed in each frame.
//!
//! Fair, because all do the same in a frame: add one to a counter in the world, or find that it is not time
//! yet. What looks at everybody in each frame pays for the idle; that is what the idle rows show.

use mlua::{Lua, Thread};
use segno::script::{Script, Scripts};
use segno_benches::apart;
use segno_benches::copies::Copy;
use segno_benches::question::{Contender, Question, is_test};
use segno_benches::row::{Kind, Row};
use std::cell::Cell;
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
                Contender::floor("state machines", vec![machines(count, u32::MAX)])
                    .note("looked at in each frame"),
                Contender::rival("boxed futures", vec![futures(count, u32::MAX)])
                    .note("stackless; polled in each frame"),
                Contender::segno("Scripts::tick", vec![scripts(count, Wait::Hour)]),
            ],
        );
    }
    question.case(
        "wake by timer, one",
        1,
        vec![
            Contender::floor("state machine", vec![machines(1, 0)]),
            Contender::rival("boxed future", vec![futures(1, 0)]).note("stackless"),
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
            Contender::rival("boxed futures", vec![per_frame(futures(100, 0), 100)]),
            Contender::segno("Script::wait", vec![per_frame(scripts(100, Wait::Frame), 100)]),
        ],
    );
    let many = if is_test() { 100 } else { 10_000 };
    question.case(
        "wake by timer, 10,000 spread",
        many / 50,
        vec![
            Contender::floor("state machines", vec![per_frame(machines(many, 50), many / 50)])
                .note("all looked at for each that wakes"),
            Contender::rival("boxed futures", vec![per_frame(futures(many, 50), many / 50)])
                .note("stackless; all polled for each that wakes"),
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
            Contender::rival(
                "boxed futures",
                vec![per_frame(futures(many, many as u32 / 100), heard)],
            )
            .note("stackless; all polled"),
            Contender::segno("Scripts::emit", vec![events(many, heard)]),
        ],
    );
    question.case(
        "an event to one of 10,000",
        1,
        vec![
            Contender::floor("a list of listeners", vec![listeners(1)]).note("calls a closure"),
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
            Contender::rival("Lua coroutine", vec![short_lua()]),
            Contender::segno("Scripts::spawn", vec![spawns()]),
        ],
    );
    question.case(
        "all of two",
        1,
        vec![
            Contender::floor("two state machines", vec![machines(2, 0)]),
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

/// A loop of frames, for figures that are for one of those that run in a frame.
fn per_frame(mut frames: Copy, each: u64) -> Copy {
    Box::new(move |times| frames(times / each))
}

// ---- by hand

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
    })
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
        for _ in 0..times / count {
            all.iter().for_each(|listener| listener());
        }
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
        black_box(world);
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
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..frames {
            for future in &mut all {
                let _ = future.as_mut().poll(&mut context);
            }
        }
    })
}

/// A future boxed, polled to its end, dropped.
fn short_futures() -> Copy {
    Box::new(|times| {
        let mut context = Context::from_waker(Waker::noop());
        for i in 0..times {
            let mut future: Pin<Box<dyn Future<Output = u64>>> =
                black_box(Box::pin(async move { i }));
            let _ = black_box(future.as_mut().poll(&mut context));
        }
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
        // The coroutines do not keep their interpreter.
        let _interpreter = &lua;
        for _ in 0..frames {
            for thread in &all {
                thread.resume::<()>(()).expect("it goes on for ever");
            }
        }
    })
}

/// A coroutine of Lua's that ends in its first step.
fn short_lua() -> Copy {
    let lua = Lua::new();
    let act: mlua::Function = lua.load("return function() end").eval().expect("it is correct");
    Box::new(move |times| {
        for _ in 0..times {
            let thread = lua.create_thread(act.clone()).expect("memory");
            thread.resume::<()>(()).expect("it ends");
        }
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
        for _ in 0..frames {
            scripts.tick(&mut world, DT);
        }
    })
}

/// What a script does.
fn act(s: &mut Script<u64>, i: u64, wait: Wait) {
    let mut step = i;
    loop {
        *s.world() += 1;
        match wait {
            Wait::Hour => {
                s.wait(1e9); // more than the bench has frames
            }
            Wait::Frame => {
                s.wait(DT);
            }
            Wait::Spread => {
                step = step.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
                s.wait(DT * (1 + (step >> 33) % 99) as f64);
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
        for i in 0..times / heard {
            scripts.emit(i as u32);
            scripts.tick(&mut world, DT);
        }
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
        for i in 0..times {
            scripts.emit_to(ids.next().expect("it goes on for ever"), i as u32);
            scripts.tick(&mut world, DT);
        }
    })
}

/// Scripts that end in their first step; a thousand in a tick.
fn spawns() -> Copy {
    let scripts = Scripts::<u64>::builder().stack_size(STACK).build();
    let mut world = 0;
    Box::new(move |times| {
        let mut left = times;
        while left > 0 {
            let now = left.min(1000);
            for _ in 0..now {
                scripts.spawn("short", |s| *s.world() += 1);
            }
            scripts.tick(&mut world, DT);
            left -= now;
        }
    })
}

/// Frames of one script that makes children.
fn families(family: fn(&mut Script<u64>)) -> Copy {
    let scripts = Scripts::<u64>::builder().stack_size(STACK).build();
    scripts.spawn("parent", move |s| {
        loop {
            family(s);
        }
    });
    let mut world = 0;
    scripts.tick(&mut world, DT);
    Box::new(move |frames| {
        for _ in 0..frames {
            scripts.tick(&mut world, DT);
        }
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
