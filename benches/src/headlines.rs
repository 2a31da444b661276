//! The figures that a reader wants first: the quick set of the report, and the README's tables.

/// Headlines that share a table.
pub struct Group {
    /// What they are about: the marker in the README, and a heading elsewhere.
    pub name: &'static str,
    /// One line on what the table shows.
    pub about: &'static str,
    /// Its rows.
    pub headlines: &'static [Headline],
}

/// A line of a table.
pub struct Headline {
    /// What it is about, in words that need no context but the table's.
    pub label: &'static str,
    /// The bench.
    pub question: &'static str,
    /// The case in it.
    pub case: &'static str,
    /// Which of Segno's rows there.
    pub who: &'static str,
    /// Rivals in Rust count only if their name has this in it.
    pub beside: &'static str,
}

const fn line(
    label: &'static str,
    question: &'static str,
    case: &'static str,
    who: &'static str,
) -> Headline {
    Headline { label, question, case, who, beside: "" }
}

/// All tables.
pub const GROUPS: &[Group] = &[
    Group {
        name: "coroutines",
        about: "Nanoseconds. The floor is bare corosensei, the switch underneath without the checks; of the walk, a \
                recursion that calls a closure and cannot pause.",
        headlines: &[
            line("resume and pause", "switch", "resume and pause", "Coroutine"),
            line(
                "the same, when a function returns between two pauses",
                "switch",
                "a helper returns",
                "Coroutine",
            ),
            line("the same, 40 calls deep, by recursion", "switch", "40 calls deep", "Coroutine"),
            line("the same, with 8 bytes both ways", "switch", "8 bytes", "Coroutine"),
            line("the same, with 64 bytes both ways", "switch", "64 bytes", "Coroutine"),
            line("create, run, drop", "create", "one at a time", "Coroutine::new"),
            line(
                "walk of a tree of 2^20 nodes as an iterator, per node",
                "generator",
                "walk of 2^20 nodes",
                "Generator::new",
            ),
        ],
    },
    Group {
        name: "tasks",
        about: "Nanoseconds. The floor is bare coroutines of corosensei that somebody resumes by hand: no loop, no \
                waking, no results; the timeout's is an ordered map of deadlines, the lock's a flag.",
        headlines: &[
            line("yield among 2 tasks", "yield", "2 tasks", "yield_now"),
            line("among 100", "yield", "100 tasks", "yield_now"),
            line("among 10,000", "yield", "10,000 tasks", "yield_now"),
            line("spawn and join, one at a time", "spawn", "one at a time", "spawn"),
            line("spawn and join, 1,000 at once, each", "spawn", "1,000 at once", "spawn"),
            line("child of a scope, one at a time", "spawn", "one at a time", "scope"),
            line("children of a scope, 1,000 at once, each", "spawn", "1,000 at once", "scope"),
            line(
                "two tasks wake each other, round trip",
                "wake",
                "round trip of two tasks",
                "pause and waker",
            ),
            line(
                "a timeout that does not run out, around a yield",
                "timers",
                "a timeout that does not fire",
                "timeout",
            ),
            line(
                "a value to another task and one back, bounded(1)",
                "channel",
                "ping-pong, round trip",
                "bounded(1)",
            ),
            line(
                "a value through bounded(128)",
                "channel",
                "stream of bounded(128)",
                "bounded(128)",
            ),
            line(
                "lock and unlock a mutex that nobody else wants",
                "lock",
                "mutex: lock and unlock",
                "Mutex",
            ),
        ],
    },
    Group {
        name: "pool",
        about: "Milliseconds for the whole of it. The floor is plain calls on one thread; of uneven work, threads that \
                know beforehand what takes how long.",
        headlines: &[
            line(
                "skynet: 1,000,000 leaves, each a task, 1 worker",
                "pool",
                "skynet, 1,000,000 leaves, 1 worker",
                "scope, joined",
            ),
            line(
                "skynet, 2 workers",
                "pool",
                "skynet, 1,000,000 leaves, 2 workers",
                "scope, joined",
            ),
            line(
                "fib(30) down to 10 by `join`, 1 worker",
                "pool",
                "fib(30) with cutoff 10, 1 worker",
                "pool::join",
            ),
            line("fib(30), 2 workers", "pool", "fib(30) with cutoff 10, 2 workers", "pool::join"),
            line(
                "uneven work, 2 workers",
                "pool",
                "uneven work, 1,000 things, 2 workers",
                "for_each",
            ),
        ],
    },
    Group {
        name: "batches",
        about: "Nanoseconds for each of 1,000 that are spawned and then joined. The floor is boxed closures, called one \
                after the other.",
        headlines: &[
            line(
                "children of a pool's scope, 1 worker",
                "pool",
                "1,000 spawned, then joined, each, 1 worker",
                "scope",
            ),
            line(
                "children of a pool's scope, 2 workers",
                "pool",
                "1,000 spawned, then joined, each, 2 workers",
                "scope",
            ),
            line(
                "tasks by `pool::spawn`, 1 worker",
                "pool",
                "1,000 spawned, then joined, each, 1 worker",
                "pool::spawn",
            ),
            line(
                "tasks by `pool::spawn`, 2 workers",
                "pool",
                "1,000 spawned, then joined, each, 2 workers",
                "pool::spawn",
            ),
        ],
    },
    Group {
        name: "scripts",
        about: "Nanoseconds. The floor is state machines written by hand, an enum in a vector that is looked at in \
                each frame; where nobody is due, a look at the top of a heap; of an event, a list of closures; of the \
                last row, a boxed closure.",
        headlines: &[
            line(
                "a frame in which 1,000 wait and nobody is due",
                "script",
                "a tick, 1,000 idle",
                "Scripts::tick",
            ),
            line("in which 100,000 wait", "script", "a tick, 100,000 idle", "Scripts::tick"),
            line(
                "10,000 that all act in each frame, for each",
                "script",
                "next frame, 10,000",
                "Script::next_frame",
            ),
            line(
                "an event to 100 of 10,000, for each of the 100",
                "script",
                "an event to 100 of 10,000",
                "Scripts::emit",
            ),
            line(
                "a wake by timer, with the frame that it is in",
                "script",
                "wake by timer, one",
                "Script::wait",
            ),
            line(
                "one of 200 wakes in a frame, among 10,000",
                "script",
                "wake by timer, 10,000 spread",
                "Script::wait",
            ),
            line("spawn, run, end", "script", "spawn, first run, end", "Scripts::spawn"),
        ],
    },
    Group {
        name: "memory",
        about: "Bytes for each that is paused, page tables included, at 100,000 of them. The floor is a touched page \
                in every 64 KiB.",
        headlines: &[
            line(
                "a coroutine with 48 KiB of frames",
                "memory",
                "100,000 paused",
                "48 KiB (64 KiB slots)",
            ),
            line("with the default size", "memory", "100,000 paused", "default (256 KiB slots)"),
            Headline {
                beside: ", task",
                ..line(
                    "a task of an event loop, 48 KiB",
                    "memory",
                    "100,000 paused",
                    "task, 48 KiB (64 KiB slots)",
                )
            },
        ],
    },
];

/// Where Segno loses most. Not in the quick set but for the first.
pub const LOSSES: &[Headline] = &[
    Headline {
        beside: ", task",
        ..line("memory of a paused task", "memory", "100,000 paused", "task, 48 KiB (64 KiB slots)")
    },
    line(
        "ending a paused coroutine early, one call deep",
        "cancel",
        "a paused coroutine is dropped, 1 call deep",
        "Coroutine",
    ),
    line(
        "the same, ten calls deep",
        "cancel",
        "a paused coroutine is dropped, 10 calls deep",
        "Coroutine",
    ),
    line(
        "a timeout that runs out, processor time",
        "cancel",
        "a timeout that fires, processor time",
        "timeout",
    ),
    line(
        "100,000 tasks start to sleep at once: how late the last one is",
        "timers",
        "100,000 sleeps of 1 to 1,000 ms, over the ideal",
        "sleep",
    ),
    line(
        "the same, processor time",
        "timers",
        "100,000 sleeps of 1 to 1,000 ms, processor time",
        "sleep",
    ),
    line(
        "a value to another thread and one back, beside who looks again before it sleeps",
        "channel",
        "two threads: ping-pong, round trip",
        "bounded(1)",
    ),
    line(
        "a wake from another thread for a loop that is busy",
        "wake",
        "a thread wakes a loop that is busy",
        "pause and waker",
    ),
];
