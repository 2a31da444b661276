//! The headline rows in under a minute: floor, bare corosensei and Segno in turns.
//!
//! `cargo run --release -p segno-benches --bin quick [FILTER]` runs the rows whose name contains
//! FILTER, all without one.
//!
//! This is the second opinion on the criterion benches: it shares neither their loops nor their
//! statistics. Every copy of every contender runs for about a millisecond (a walk takes twenty),
//! then the next one's turn comes, round after round, so that a slow moment of the machine falls on
//! all alike. A contender's time in a round is that of its fastest copy (see `copies.rs` for why),
//! and the ratio printed is the median over the rounds of Segno's time by corosensei's *in that
//! round*.
//!
//! Printed per contender, in nanoseconds for each operation: the median over the rounds, the
//! minimum, and the medians of its fastest and its slowest copy. Where those two lie far apart the
//! layout of the code decides, not the library.

use corosensei::CoroutineResult;
use segno::{Coroutine, Generator, Outlet, Pauser, State};
use segno_benches::copies;
use segno_benches::copies::{Copy, shift, tell_apart};
use segno_benches::tree::{Node, sum_of_keys};
use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Rounds for each row.
const ROUNDS: usize = 21;

/// How long one copy runs in one round.
const TURN: Duration = Duration::from_millis(1);

/// Nodes of the tree that the walk visits: 2^20, as in the bench `generator`.
const NODES: u64 = 1 << 20;

/// A row's name, how many operations cannot be told apart in it (the nodes of one walk), and the
/// function that builds its contenders: floor, corosensei, Segno.
type Row = (&'static str, u64, fn() -> [Vec<Copy>; 3]);

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let rows: [Row; 7] = [
        ("switch", 1, || [copies!(call), copies!(bare_switch), copies!(segno_switch)]),
        ("switch helper", 1, || [copies!(call), copies!(bare_helper), copies!(segno_helper)]),
        ("switch depth 40", 1, || [copies!(call), copies!(bare_deep), copies!(segno_deep)]),
        ("switch 8 bytes", 1, || [copies!(call), copies!(bare_8), copies!(segno_8)]),
        ("switch 64 bytes", 1, || [copies!(call), copies!(bare_64), copies!(segno_64)]),
        ("create", 1, || [copies!(boxed_call), copies!(bare_create), copies!(segno_create)]),
        ("walk", NODES, || [copies!(plain_walk), copies!(bare_walk), copies!(segno_walk)]),
    ];
    println!("{:16} {:10} {:>9} {:>9} {:>19}", "ns", "", "median", "minimum", "fast..slow copy");
    for (name, step, contenders) in rows {
        if name.contains(&filter) {
            run(name, step, contenders());
        }
    }
}

/// Runs one row's contenders in turns and prints its lines.
fn run(name: &str, step: u64, contenders: [Vec<Copy>; 3]) {
    let mut runners =
        contenders.map(|copies| copies.into_iter().map(|copy| Runner::new(copy, step)).collect());
    for _ in 0..ROUNDS {
        let copies = runners.iter().map(Vec::len).max().unwrap_or(0);
        for copy in 0..copies {
            runners.iter_mut().for_each(|each: &mut Vec<Runner>| each[copy].turn());
        }
    }
    let by_round = runners.each_ref().map(|each| fastest_by_round(each));
    for ((who, runners), times) in
        ["floor", "corosensei", "segno"].iter().zip(&runners).zip(&by_round)
    {
        let copies: Vec<f64> = runners.iter().map(|each| median(&each.times)).collect();
        let (fast, slow) = (minimum(&copies), copies.iter().copied().fold(0.0, f64::max));
        let (median, minimum) = (median(times), minimum(times));
        println!("{name:16} {who:10} {median:9.2} {minimum:9.2} {fast:9.2}..{slow:<8.2}");
    }
    let ratios: Vec<f64> =
        by_round[2].iter().zip(&by_round[1]).map(|(ours, bare)| ours / bare).collect();
    let of_minima = minimum(&by_round[2]) / minimum(&by_round[1]);
    println!("{name:16} segno/corosensei {:.3}, of the minima {of_minima:.3}\n", median(&ratios));
}

/// One copy, how often it does its operation in a turn, and what each turn took.
struct Runner {
    /// The copy.
    copy: Copy,
    /// Operations in a turn of about [`TURN`].
    times_per_turn: u64,
    /// Nanoseconds for each operation, one entry a round.
    times: Vec<f64>,
}

impl Runner {
    /// Warms the copy up and finds out how many operations fill a turn.
    fn new(mut copy: Copy, step: u64) -> Runner {
        let mut times_per_turn = step;
        loop {
            let start = Instant::now();
            copy(times_per_turn);
            if start.elapsed() >= TURN / 2 {
                return Runner { copy, times_per_turn, times: Vec::new() };
            }
            times_per_turn *= 2;
        }
    }

    /// Runs for one turn.
    fn turn(&mut self) {
        let start = Instant::now();
        (self.copy)(black_box(self.times_per_turn));
        self.times.push(start.elapsed().as_nanos() as f64 / self.times_per_turn as f64);
    }
}

fn fastest_by_round(copies: &[Runner]) -> Vec<f64> {
    (0..ROUNDS)
        .map(|round| minimum(&copies.iter().map(|each| each.times[round]).collect::<Vec<_>>()))
        .collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn minimum(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

// The floors: a call that nothing is inlined into, a boxed closure made, called and dropped, and
// the tree walked by recursion.

fn call<const COPY: usize>() -> impl FnMut(u64) {
    #[inline(never)]
    fn called(x: u64) -> u64 {
        black_box(x)
    }
    |times| {
        shift::<COPY>();
        for _ in 0..times {
            black_box(called(black_box(1)));
        }
    }
}

fn boxed_call<const COPY: usize>() -> impl FnMut(u64) {
    |times| {
        shift::<COPY>();
        for i in 0..times {
            let boxed: Box<dyn FnOnce(u64) -> u64> = Box::new(move |x| x + i);
            black_box(black_box(boxed)(black_box(1)));
        }
    }
}

fn plain_walk<const COPY: usize>() -> impl FnMut(u64) {
    fn walk<const COPY: usize>(node: &Node, visit: &mut dyn FnMut(u64)) {
        node.left.iter().for_each(|left| walk::<COPY>(left, visit));
        tell_apart::<COPY>();
        visit(node.key);
        node.right.iter().for_each(|right| walk::<COPY>(right, visit));
    }
    per_walk(|| {
        shift::<COPY>();
        let mut sum = 0;
        walk::<COPY>(&TREE, &mut |key| sum += key);
        sum
    })
}

/// The tree, one for all.
static TREE: LazyLock<Box<Node>> = LazyLock::new(|| Node::balanced(NODES));

/// Walks until `times` nodes have been visited, and checks each walk.
fn per_walk(mut walk: impl FnMut() -> u64) -> impl FnMut(u64) {
    move |times| {
        for _ in 0..times / NODES {
            assert_eq!(black_box(walk()), sum_of_keys(NODES), "the walk missed a node");
        }
    }
}

// Bare corosensei.

type Bare<In, Out> = corosensei::Coroutine<In, Out, ()>;
type Yielder<In, Out> = corosensei::Yielder<In, Out>;

/// A loop that resumes `co` with `value` each time.
fn bare_loop<const COPY: usize, T: Clone>(mut co: Bare<T, T>, value: T) -> impl FnMut(u64) {
    move |times| {
        shift::<COPY>();
        for _ in 0..times {
            let CoroutineResult::Yield(out) = co.resume(black_box(value.clone())) else {
                unreachable!()
            };
            black_box(out);
        }
    }
}

fn bare_switch<const COPY: usize>() -> impl FnMut(u64) {
    let co = Bare::new(|yielder, ()| {
        shift::<COPY>();
        loop {
            yielder.suspend(());
        }
    });
    bare_loop::<COPY, ()>(co, ())
}

fn bare_helper<const COPY: usize>() -> impl FnMut(u64) {
    #[inline(never)]
    fn helper<const COPY: usize>(yielder: &Yielder<(), ()>) {
        yielder.suspend(());
        black_box(());
    }
    let co = Bare::new(|yielder, ()| {
        shift::<COPY>();
        loop {
            helper::<COPY>(yielder);
        }
    });
    bare_loop::<COPY, ()>(co, ())
}

fn bare_deep<const COPY: usize>() -> impl FnMut(u64) {
    #[inline(never)]
    fn descend<const COPY: usize>(depth: u32, yielder: &Yielder<(), ()>) {
        if black_box(depth) > 1 {
            descend::<COPY>(depth - 1, yielder);
            black_box(());
        } else {
            shift::<COPY>();
            loop {
                yielder.suspend(());
            }
        }
    }
    let co = Bare::new(|yielder, ()| descend::<COPY>(40, yielder));
    bare_loop::<COPY, ()>(co, ())
}

fn bare_8<const COPY: usize>() -> impl FnMut(u64) {
    let co = Bare::new(|yielder, mut x: u64| {
        shift::<COPY>();
        loop {
            x = yielder.suspend(black_box(x));
        }
    });
    bare_loop::<COPY, u64>(co, 1)
}

fn bare_64<const COPY: usize>() -> impl FnMut(u64) {
    let co = Bare::new(|yielder, mut x: [u64; 8]| {
        shift::<COPY>();
        loop {
            x = yielder.suspend(black_box(x));
        }
    });
    bare_loop::<COPY, [u64; 8]>(co, [1; 8])
}

fn bare_create<const COPY: usize>() -> impl FnMut(u64) {
    let mut kept = Some(corosensei::stack::DefaultStack::default());
    move |times| {
        shift::<COPY>();
        for i in 0..times {
            let stack = kept.take().expect("put back below");
            let mut co =
                corosensei::Coroutine::<u64, (), u64>::with_stack(stack, move |_, x| x + i);
            let CoroutineResult::Return(sum) = co.resume(black_box(1)) else { unreachable!() };
            black_box(sum);
            kept = Some(co.into_stack());
        }
    }
}

fn bare_walk<const COPY: usize>() -> impl FnMut(u64) {
    fn walk<const COPY: usize>(node: &Node, yielder: &Yielder<(), u64>) {
        node.left.iter().for_each(|left| walk::<COPY>(left, yielder));
        tell_apart::<COPY>();
        yielder.suspend(node.key);
        node.right.iter().for_each(|right| walk::<COPY>(right, yielder));
    }
    per_walk(|| {
        shift::<COPY>();
        let mut co = Bare::new(|yielder, ()| walk::<COPY>(&TREE, yielder));
        let mut sum = 0;
        while let CoroutineResult::Yield(key) = co.resume(()) {
            sum += key;
        }
        sum
    })
}

// Segno, the same once more.

/// A loop that resumes `co` with `value` each time.
fn segno_loop<const COPY: usize, T: Clone + 'static>(
    mut co: Coroutine<T, T, ()>,
    value: T,
) -> impl FnMut(u64) {
    move |times| {
        shift::<COPY>();
        for _ in 0..times {
            let State::Paused(out) = co.resume(black_box(value.clone())) else { unreachable!() };
            black_box(out);
        }
    }
}

fn segno_switch<const COPY: usize>() -> impl FnMut(u64) {
    let co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
        shift::<COPY>();
        loop {
            co.pause(());
        }
    });
    segno_loop::<COPY, ()>(co, ())
}

fn segno_helper<const COPY: usize>() -> impl FnMut(u64) {
    #[inline(never)]
    fn helper<const COPY: usize>(co: &Pauser<(), ()>) {
        co.pause(());
        black_box(());
    }
    let co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
        shift::<COPY>();
        loop {
            helper::<COPY>(co);
        }
    });
    segno_loop::<COPY, ()>(co, ())
}

fn segno_deep<const COPY: usize>() -> impl FnMut(u64) {
    #[inline(never)]
    fn descend<const COPY: usize>(depth: u32, co: &Pauser<(), ()>) {
        if black_box(depth) > 1 {
            descend::<COPY>(depth - 1, co);
            black_box(());
        } else {
            shift::<COPY>();
            loop {
                co.pause(());
            }
        }
    }
    let co = Coroutine::new(|co: &Pauser<(), ()>, ()| descend::<COPY>(40, co));
    segno_loop::<COPY, ()>(co, ())
}

fn segno_8<const COPY: usize>() -> impl FnMut(u64) {
    let co = Coroutine::new(|co: &Pauser<u64, u64>, mut x: u64| {
        shift::<COPY>();
        loop {
            x = co.pause(black_box(x));
        }
    });
    segno_loop::<COPY, u64>(co, 1)
}

fn segno_64<const COPY: usize>() -> impl FnMut(u64) {
    let co = Coroutine::new(|co: &Pauser<[u64; 8], [u64; 8]>, mut x: [u64; 8]| {
        shift::<COPY>();
        loop {
            x = co.pause(black_box(x));
        }
    });
    segno_loop::<COPY, [u64; 8]>(co, [1; 8])
}

fn segno_create<const COPY: usize>() -> impl FnMut(u64) {
    |times| {
        shift::<COPY>();
        for i in 0..times {
            let mut co = Coroutine::new(move |_: &Pauser<u64, ()>, x: u64| x + i);
            let State::Complete(sum) = co.resume(black_box(1)) else { unreachable!() };
            black_box(sum);
        }
    }
}

fn segno_walk<const COPY: usize>() -> impl FnMut(u64) {
    fn walk<const COPY: usize>(node: &Node, out: &Outlet<u64>) {
        node.left.iter().for_each(|left| walk::<COPY>(left, out));
        tell_apart::<COPY>();
        out.pause(node.key);
        node.right.iter().for_each(|right| walk::<COPY>(right, out));
    }
    per_walk(|| {
        shift::<COPY>();
        Generator::new(|out: &Outlet<u64>| walk::<COPY>(&TREE, out)).sum()
    })
}
