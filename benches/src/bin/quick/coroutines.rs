//! The rows of bare coroutines: switching, creating, and the walk of a tree.

use crate::Row;
use corosensei::CoroutineResult;
use segno::{Coroutine, Generator, Outlet, Pauser, State};
use segno_benches::copies;
use segno_benches::copies::{shift, tell_apart};
use segno_benches::tree::{Node, sum_of_keys};
use std::hint::black_box;
use std::sync::LazyLock;

/// Nodes of the tree that the walk visits: 2^20, as in the bench `generator`.
const NODES: u64 = 1 << 20;

/// Who is compared in all of them.
const WHO: [&str; 3] = ["floor", "corosensei", "segno"];

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "switch",
        step: 1,
        who: WHO,
        contenders: || [copies!(call), copies!(bare_switch), copies!(segno_switch)],
    },
    Row {
        name: "switch helper",
        step: 1,
        who: WHO,
        contenders: || [copies!(call), copies!(bare_helper), copies!(segno_helper)],
    },
    Row {
        name: "switch depth 40",
        step: 1,
        who: WHO,
        contenders: || [copies!(call), copies!(bare_deep), copies!(segno_deep)],
    },
    Row {
        name: "switch 8 bytes",
        step: 1,
        who: WHO,
        contenders: || [copies!(call), copies!(bare_8), copies!(segno_8)],
    },
    Row {
        name: "switch 64 bytes",
        step: 1,
        who: WHO,
        contenders: || [copies!(call), copies!(bare_64), copies!(segno_64)],
    },
    Row {
        name: "create",
        step: 1,
        who: WHO,
        contenders: || [copies!(boxed_call), copies!(bare_create), copies!(segno_create)],
    },
    Row {
        name: "walk",
        step: NODES,
        who: WHO,
        contenders: || [copies!(plain_walk), copies!(bare_walk), copies!(segno_walk)],
    },
];

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
