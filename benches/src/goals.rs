//! What the figures should be, and why those are missed that are missed.
//!
//! A goal in nanoseconds was set on one machine, beside what the floor took there. On another machine, or in an hour
//! in which a neighbour takes part of the core, figure and floor change alike: so it is their ratio that has to be
//! as good as the goal's. A goal without a floor, or whose floor does next to nothing, or in bytes, which are the same
//! everywhere, counts as it is.

/// A figure to reach.
pub struct Goal {
    /// What it is about.
    pub what: &'static str,
    /// The bench.
    pub question: &'static str,
    /// The case in it.
    pub case: &'static str,
    /// Which of Segno's rows there.
    pub who: &'static str,
    /// The figure.
    pub most: Most,
    /// Why it is missed, when it is.
    pub miss: &'static str,
}

/// An upper limit.
#[derive(Clone, Copy)]
pub enum Most {
    /// This much, in that unit.
    Of(f64, &'static str),
    /// This much, in that unit, set where the first floor of the case took so much: the ratio counts.
    Beside(f64, &'static str, f64),
    /// So many times the row of that name in the same case.
    Times(f64, &'static str),
}

use Most::{Beside, Of, Times};

const fn goal(
    what: &'static str,
    [question, case, who]: [&'static str; 3],
    most: Most,
    miss: &'static str,
) -> Goal {
    Goal { what, question, case, who, most, miss }
}

/// All of them. Of switch, create and yield the floor beside a goal is the one that it was set by; of the others,
/// which were set by prototypes and rivals, what the floor's row took on that kind of machine while it was quiet. The
/// floors of spawn have been quickened since, to 0.45 of their time for one task and to 0.73 for a thousand, as measured
/// one beside the other; what they took then is multiplied by that.
pub const GOALS: &[Goal] = &[
    goal(
        "resume and pause",
        ["switch", "resume and pause", "Coroutine"],
        Beside(3.0, "ns", 2.0),
        SWITCH,
    ),
    goal(
        "the same, when a function returns between two pauses",
        ["switch", "a helper returns", "Coroutine"],
        Times(1.1, "corosensei"),
        SWITCH,
    ),
    goal(
        "create, run, drop",
        ["create", "one at a time", "Coroutine::new"],
        Beside(20.0, "ns", 12.6),
        "",
    ),
    goal(
        "walk of 2^20 nodes, per node",
        ["generator", "walk of 2^20 nodes", "Generator::new"],
        Times(1.15, "corosensei"),
        "",
    ),
    goal("yield among 2 tasks", ["yield", "2 tasks", "yield_now"], Beside(8.0, "ns", 3.9), YIELD),
    goal("yield among 100", ["yield", "100 tasks", "yield_now"], Beside(8.0, "ns", 4.0), YIELD),
    goal(
        "yield among 10,000",
        ["yield", "10,000 tasks", "yield_now"],
        Beside(10.0, "ns", 7.0),
        CACHE,
    ),
    goal(
        "yield among 100,000, shuffled",
        ["yield", "100,000 tasks, shuffled", "yield_now"],
        Of(50.0, "ns"),
        CACHE,
    ),
    goal(
        "child of a scope, one at a time",
        ["spawn", "one at a time", "scope"],
        Beside(20.0, "ns", 10.5 * 0.45),
        SPAWN,
    ),
    goal(
        "child of a scope, 1,000 at once",
        ["spawn", "1,000 at once", "scope"],
        Beside(20.0, "ns", 30.4 * 0.73),
        SPAWN,
    ),
    goal(
        "spawn and join, one at a time",
        ["spawn", "one at a time", "spawn"],
        Beside(40.0, "ns", 10.5 * 0.45),
        SPAWN,
    ),
    goal(
        "spawn and join, 1,000 at once",
        ["spawn", "1,000 at once", "spawn"],
        Beside(35.0, "ns", 30.4 * 0.73),
        SPAWN,
    ),
    goal(
        "the first 100,000 tasks, each",
        ["spawn", "the first 100,000", "spawn"],
        Of(100.0, "ns"),
        COLD,
    ),
    goal(
        "a value there and one back, between threads or not",
        ["channel", "ping-pong, round trip", "bounded(1), shared"],
        Beside(40.0, "ns", 5.13),
        CHANNEL,
    ),
    goal(
        "a value there and one back, both ends on one loop",
        ["channel", "ping-pong, round trip", "bounded(1)"],
        Beside(20.0, "ns", 5.13),
        CHANNEL,
    ),
    goal(
        "a value through bounded(128), between threads or not",
        ["channel", "stream of bounded(128)", "bounded(128), shared"],
        Beside(14.0, "ns", 2.60),
        CHANNEL,
    ),
    goal(
        "a value through bounded(128), both ends on one loop",
        ["channel", "stream of bounded(128)", "bounded(128)"],
        Beside(4.0, "ns", 2.60),
        CHANNEL,
    ),
    goal(
        "100,000 sleeps, over the ideal",
        ["timers", "100,000 sleeps of 1 to 1,000 ms, over the ideal", "sleep"],
        Of(30.0, "ms"),
        STACKS,
    ),
    goal(
        "100,000 sleeps, processor time",
        ["timers", "100,000 sleeps of 1 to 1,000 ms, processor time", "sleep"],
        Of(100.0, "ms"),
        STACKS,
    ),
    goal(
        "a paused coroutine, of 1,000,000",
        ["memory", "1,000,000 paused", "48 KiB (64 KiB slots)"],
        Of(4400.0, "bytes"),
        "",
    ),
    goal(
        "a paused task, of 1,000,000",
        ["memory", "1,000,000 paused", "task, 48 KiB (64 KiB slots)"],
        Of(4600.0, "bytes"),
        TASK_BYTES,
    ),
    goal(
        "skynet of 1,000,000 leaves on a pool, 1 worker",
        ["pool", "skynet, 1,000,000 leaves, 1 worker", "scope, joined"],
        Beside(90.0, "ms", 1.35),
        POOL,
    ),
    goal(
        "skynet on a pool, 2 workers",
        ["pool", "skynet, 1,000,000 leaves, 2 workers", "scope, joined"],
        Beside(50.0, "ms", 1.35),
        POOL,
    ),
    goal(
        "fib(30) with cutoff 10 on a pool, 1 worker",
        ["pool", "fib(30) with cutoff 10, 1 worker", "pool::join"],
        Beside(3.0, "ms", 1.61),
        POOL,
    ),
    goal(
        "fib(30) on a pool, 2 workers",
        ["pool", "fib(30) with cutoff 10, 2 workers", "pool::join"],
        Beside(1.6, "ms", 1.64),
        POOL,
    ),
    goal(
        "1,000 children of a pool's scope, each, 1 worker",
        ["pool", "1,000 spawned, then joined, each, 1 worker", "scope"],
        Beside(60.0, "ns", 9.81),
        POOL,
    ),
    goal(
        "1,000 children of a pool's scope, each, 2 workers",
        ["pool", "1,000 spawned, then joined, each, 2 workers", "scope"],
        Beside(60.0, "ns", 9.58),
        POOL,
    ),
    goal(
        "1,000 tasks of a pool, spawned, then joined, each, 1 worker",
        ["pool", "1,000 spawned, then joined, each, 1 worker", "pool::spawn"],
        Beside(60.0, "ns", 9.81),
        POOL_SPAWN,
    ),
    goal(
        "1,000 tasks of a pool, each, 2 workers",
        ["pool", "1,000 spawned, then joined, each, 2 workers", "pool::spawn"],
        Beside(60.0, "ns", 9.58),
        POOL_SPAWN,
    ),
    goal(
        "a post to a pool that sleeps, 99th percentile",
        ["pool", "a post to a pool that sleeps, 2 workers: 99th percentile", "Pool::spawn"],
        Of(1_000_000.0, "ns"),
        POOL,
    ),
    goal(
        "a frame in which 1,000 scripts wait",
        ["script", "a tick, 1,000 idle", "Scripts::tick"],
        Of(50.0, "ns"),
        TICK,
    ),
    goal(
        "in which 100,000 wait",
        ["script", "a tick, 100,000 idle", "Scripts::tick"],
        Of(50.0, "ns"),
        TICK,
    ),
    goal(
        "a wake by timer",
        ["script", "wake by timer, one", "Script::wait"],
        Beside(30.0, "ns", 0.928),
        WAKE,
    ),
    goal(
        "the same, spread over 10,000",
        ["script", "wake by timer, 10,000 spread", "Script::wait"],
        Beside(80.0, "ns", 13.9),
        WAKE,
    ),
    goal(
        "10,000 that act in each frame, for each",
        ["script", "next frame, 10,000", "Script::next_frame"],
        Beside(30.0, "ns", 0.293),
        WAKE,
    ),
    goal(
        "spawn, run, end of a script",
        ["script", "spawn, first run, end", "Scripts::spawn"],
        Beside(60.0, "ns", 1.45),
        "a script has a name, a place in its group's tree and a record that can be listed, all made at spawn",
    ),
    goal(
        "a script that waits, of 100,000",
        ["script", "100,000 live", "Scripts, 48 KiB"],
        Of(5000.0, "bytes"),
        "",
    ),
    goal(
        "`all` of two",
        ["script", "all of two", "Script::all"],
        Of(500.0, "ns"),
        "each branch is spawned as a script of its own, and four wakes go through the tick",
    ),
    goal(
        "`race` of two",
        ["script", "race of two", "Script::race"],
        Of(5000.0, "ns"),
        "the loser is unwound, which takes 2 µs and more, besides what `all` pays",
    ),
    goal("a cancelled script", ["script", "cancel 10,000", "each"], Of(3000.0, "ns"), UNWIND),
    goal(
        "the longest frame while 10,000 are cancelled",
        ["script", "cancel 10,000", "the longest tick"],
        Of(2.5, "ms"),
        UNWIND,
    ),
];

// Counts of instructions are those of `instructions.txt`.
const SWITCH: &str = "the checks that make pausing safe (is it this coroutine that runs? may it pause here?): 57 \
                      instructions, where bare corosensei takes 32";
const YIELD: &str = "a turn takes 117 instructions, of which the switch is half: the rest counts towards the look at \
                     timers and mail, and says who runs now and what it may do";
const CACHE: &str = "what a paused task holds is not in the cache any more, nor where its page is: each turn brings in \
                     four lines and an entry of the page tables, which is what the floor waits for, too, without \
                     fetching them ahead";
const SPAWN: &str = "573 instructions for a scope's child, 697 with a handle that can be sent. `profile.sh scope` finds half \
                     of the time in the loop (whose turn it is, timers, mail, who is alive), a quarter with the spawner, a \
                     fifth on the child's stack, and no place that stands out";
const COLD: &str = "a task that has not run yet takes 450 bytes of fresh memory, its record and the gate of its handle, and \
                    more than half of the time is the kernel's, for bringing them in and clearing them; the floor takes 64 \
                    bytes";
const CHANNEL: &str = "569 instructions for there and back. `profile.sh ping-pong` finds four tenths of the time in the \
                       loop, half of that where the processor has mispredicted where a switch returns to; the rest looks \
                       whether others wait, and leaves who waits where for reports and deadlocks";
const STACKS: &str = "each sleeper needs a stack of its own: of the processor's time a third are faults on fresh stacks and \
                      records, a quarter is the kernel making guards and taking memory back, a tenth the heap of timers; \
                      the floor with fresh stacks pays the first two, as well";
const TASK_BYTES: &str = "4,224 are the page and its tables, 320 the record, 128 the gate of the handle; the rest are the \
                          queue, and the list of handles that the bench keeps";
const POOL: &str = "a child is a task, with a number, a name, task-locals and a boundary for its cancellation, whether it \
                    runs in its owner's frames or not; and what another worker takes moves two lines of the cache there \
                    and back, as it does for rayon";
const POOL_SPAWN: &str = "a task that may outlive its joiner has a stack of its own, two switches, a place for the result \
                          that any thread may wait at, and a record";
const TICK: &str = "a frame advances its clocks and writes its report, whoever waits";
const WAKE: &str = "the timers' heap, the order of those that are due and the report of who ran take several times \
                    what the switch takes";
const UNWIND: &str =
    "unwinding a stack takes 30,000 instructions, most of them the search for each frame's table";
