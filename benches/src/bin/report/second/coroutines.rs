//! The rows of bare coroutines: switching, creating, and the walk of a tree.

use super::Row;
use corosensei::CoroutineResult;
use segno::{Coroutine, Generator, Outlet, Pauser, State};
use segno_benches::tree::{Node, sum_of_keys};
use std::hint::black_box;
use std::sync::LazyLock;

/// Nodes of the tree that the walk visits: 2^20, as in the bench `generator`.
const NODES: u64 = 1 << 20;

pub(crate) const ROWS: &[Row] = &[
    Row {
        question: "switch",
        case: "resume and pause",
        step: 1,
        who: &["corosensei", "plain call", "Coroutine"],
        loops: || vec![Box::new(bare_switch()), Box::new(call()), Box::new(segno_switch())],
    },
    Row {
        question: "switch",
        case: "a helper returns",
        step: 1,
        who: &["corosensei", "plain call", "Coroutine"],
        loops: || vec![Box::new(bare_helper()), Box::new(call()), Box::new(segno_helper())],
    },
    Row {
        question: "switch",
        case: "40 calls deep",
        step: 1,
        who: &["corosensei", "plain call", "Coroutine"],
        loops: || vec![Box::new(bare_deep()), Box::new(call()), Box::new(segno_deep())],
    },
    Row {
        question: "switch",
        case: "8 bytes",
        step: 1,
        who: &["corosensei", "Coroutine"],
        loops: || vec![Box::new(bare_8()), Box::new(segno_8())],
    },
    Row {
        question: "switch",
        case: "64 bytes",
        step: 1,
        who: &["corosensei", "Coroutine"],
        loops: || vec![Box::new(bare_64()), Box::new(segno_64())],
    },
    Row {
        question: "create",
        case: "one at a time",
        step: 1,
        who: &["boxed closure", "corosensei, kept stack", "Coroutine::new"],
        loops: || vec![Box::new(boxed_call()), Box::new(bare_create()), Box::new(segno_create())],
    },
    Row {
        question: "generator",
        case: "walk of 2^20 nodes",
        step: NODES,
        who: &["callback recursion", "corosensei", "Generator::new"],
        loops: || vec![Box::new(plain_walk()), Box::new(bare_walk()), Box::new(segno_walk())],
    },
];

// The floors: a call that nothing is inlined into, a boxed closure made, called and dropped, and
// the tree walked by recursion.

fn call() -> impl FnMut(u64) {
    #[inline(never)]
    fn called(x: u64) -> u64 {
        black_box(x)
    }
    |times| {
        for _ in 0..times {
            black_box(called(black_box(1)));
        }
    }
}

fn boxed_call() -> impl FnMut(u64) {
    |times| {
        for i in 0..times {
            let boxed: Box<dyn FnOnce(u64) -> u64> = Box::new(move |x| x + i);
            black_box(black_box(boxed)(black_box(1)));
        }
    }
}

fn plain_walk() -> impl FnMut(u64) {
    fn walk(node: &Node, visit: &mut dyn FnMut(u64)) {
        node.left.iter().for_each(|left| walk(left, visit));
        visit(node.key);
        node.right.iter().for_each(|right| walk(right, visit));
    }
    per_walk(|| {
        let mut sum = 0;
        walk(&TREE, &mut |key| sum += key);
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
fn bare_loop<T: Clone>(mut co: Bare<T, T>, value: T) -> impl FnMut(u64) {
    move |times| {
        for _ in 0..times {
            let CoroutineResult::Yield(out) = co.resume(black_box(value.clone())) else {
                unreachable!()
            };
            black_box(out);
        }
    }
}

fn bare_switch() -> impl FnMut(u64) {
    let co = Bare::new(|yielder, ()| {
        loop {
            yielder.suspend(());
        }
    });
    bare_loop(co, ())
}

fn bare_helper() -> impl FnMut(u64) {
    #[inline(never)]
    fn helper(yielder: &Yielder<(), ()>) {
        yielder.suspend(());
        black_box(());
    }
    let co = Bare::new(|yielder, ()| {
        loop {
            helper(yielder);
        }
    });
    bare_loop(co, ())
}

fn bare_deep() -> impl FnMut(u64) {
    #[inline(never)]
    fn descend(depth: u32, yielder: &Yielder<(), ()>) {
        if black_box(depth) > 1 {
            descend(depth - 1, yielder);
            black_box(());
        } else {
            loop {
                yielder.suspend(());
            }
        }
    }
    let co = Bare::new(|yielder, ()| descend(40, yielder));
    bare_loop(co, ())
}

fn bare_8() -> impl FnMut(u64) {
    let co = Bare::new(|yielder, mut x: u64| {
        loop {
            x = yielder.suspend(black_box(x));
        }
    });
    bare_loop(co, 1)
}

fn bare_64() -> impl FnMut(u64) {
    let co = Bare::new(|yielder, mut x: [u64; 8]| {
        loop {
            x = yielder.suspend(black_box(x));
        }
    });
    bare_loop(co, [1; 8])
}

fn bare_create() -> impl FnMut(u64) {
    let mut kept = Some(corosensei::stack::DefaultStack::default());
    move |times| {
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

fn bare_walk() -> impl FnMut(u64) {
    fn walk(node: &Node, yielder: &Yielder<(), u64>) {
        node.left.iter().for_each(|left| walk(left, yielder));
        yielder.suspend(node.key);
        node.right.iter().for_each(|right| walk(right, yielder));
    }
    per_walk(|| {
        let mut co = Bare::new(|yielder, ()| walk(&TREE, yielder));
        let mut sum = 0;
        while let CoroutineResult::Yield(key) = co.resume(()) {
            sum += key;
        }
        sum
    })
}

// Segno, the same once more.

/// A loop that resumes `co` with `value` each time.
fn segno_loop<T: Clone + 'static>(mut co: Coroutine<T, T, ()>, value: T) -> impl FnMut(u64) {
    move |times| {
        for _ in 0..times {
            let State::Paused(out) = co.resume(black_box(value.clone())) else { unreachable!() };
            black_box(out);
        }
    }
}

fn segno_switch() -> impl FnMut(u64) {
    let co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
        loop {
            co.pause(());
        }
    });
    segno_loop::<()>(co, ())
}

fn segno_helper() -> impl FnMut(u64) {
    #[inline(never)]
    fn helper(co: &Pauser<(), ()>) {
        co.pause(());
        black_box(());
    }
    let co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
        loop {
            helper(co);
        }
    });
    segno_loop::<()>(co, ())
}

fn segno_deep() -> impl FnMut(u64) {
    #[inline(never)]
    fn descend(depth: u32, co: &Pauser<(), ()>) {
        if black_box(depth) > 1 {
            descend(depth - 1, co);
            black_box(());
        } else {
            loop {
                co.pause(());
            }
        }
    }
    let co = Coroutine::new(|co: &Pauser<(), ()>, ()| descend(40, co));
    segno_loop::<()>(co, ())
}

fn segno_8() -> impl FnMut(u64) {
    let co = Coroutine::new(|co: &Pauser<u64, u64>, mut x: u64| {
        loop {
            x = co.pause(black_box(x));
        }
    });
    segno_loop::<u64>(co, 1)
}

fn segno_64() -> impl FnMut(u64) {
    let co = Coroutine::new(|co: &Pauser<[u64; 8], [u64; 8]>, mut x: [u64; 8]| {
        loop {
            x = co.pause(black_box(x));
        }
    });
    segno_loop::<[u64; 8]>(co, [1; 8])
}

fn segno_create() -> impl FnMut(u64) {
    |times| {
        for i in 0..times {
            let mut co = Coroutine::new(move |_: &Pauser<u64, ()>, x: u64| x + i);
            let State::Complete(sum) = co.resume(black_box(1)) else { unreachable!() };
            black_box(sum);
        }
    }
}

fn segno_walk() -> impl FnMut(u64) {
    fn walk(node: &Node, out: &Outlet<u64>) {
        node.left.iter().for_each(|left| walk(left, out));
        out.pause(node.key);
        node.right.iter().for_each(|right| walk(right, out));
    }
    per_walk(|| Generator::new(|out: &Outlet<u64>| walk(&TREE, out)).sum())
}
