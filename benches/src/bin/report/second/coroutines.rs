//! The rows of bare coroutines: switching, creating, and the walk of a tree.

use super::Row;
use corosensei::CoroutineResult;
use segno::{Coroutine, Generator, Outlet, Pauser, State};
use segno_benches::copies;
use segno_benches::copies::{shift, tell_apart};
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
        loops: || vec![copies!(bare_switch), copies!(call), copies!(segno_switch)],
    },
    Row {
        question: "switch",
        case: "a helper returns",
        step: 1,
        who: &["corosensei", "plain call", "Coroutine"],
        loops: || vec![copies!(bare_helper), copies!(call), copies!(segno_helper)],
    },
    Row {
        question: "switch",
        case: "40 calls deep",
        step: 1,
        who: &["corosensei", "plain call", "Coroutine"],
        loops: || vec![copies!(bare_deep), copies!(call), copies!(segno_deep)],
    },
    Row {
        question: "switch",
        case: "8 bytes",
        step: 1,
        who: &["corosensei", "Coroutine"],
        loops: || vec![copies!(bare_8), copies!(segno_8)],
    },
    Row {
        question: "switch",
        case: "64 bytes",
        step: 1,
        who: &["corosensei", "Coroutine"],
        loops: || vec![copies!(bare_64), copies!(segno_64)],
    },
    Row {
        question: "create",
        case: "one at a time",
        step: 1,
        who: &["boxed closure", "corosensei, kept stack", "Coroutine::new"],
        loops: || vec![copies!(boxed_call), copies!(bare_create), copies!(segno_create)],
    },
    Row {
        question: "generator",
        case: "walk of 2^20 nodes",
        step: NODES,
        who: &["callback recursion", "corosensei", "Generator::new"],
        loops: || vec![copies!(plain_walk), copies!(bare_walk), copies!(segno_walk)],
    },
];

// The floors: a call that nothing is inlined into, a boxed closure made, called and dropped, and
// the tree walked by recursion.

fn call<const PLACE: usize>() -> impl FnMut(u64) {
    #[inline(never)]
    fn called() {
        black_box(());
    }
    |times| {
        shift::<PLACE>();
        for _ in 0..times {
            called();
        }
    }
}

fn boxed_call<const PLACE: usize>() -> impl FnMut(u64) {
    |times| {
        shift::<PLACE>();
        for i in 0..times {
            let boxed: Box<dyn FnOnce() -> u64> = Box::new(move || black_box(i));
            assert_eq!(black_box(boxed)(), i);
        }
    }
}

fn plain_walk<const PLACE: usize>() -> impl FnMut(u64) {
    fn walk<const PLACE: usize>(node: &Node, visit: &mut dyn FnMut(u64)) {
        node.left.iter().for_each(|left| walk::<PLACE>(left, visit));
        tell_apart::<PLACE>();
        visit(node.key);
        node.right.iter().for_each(|right| walk::<PLACE>(right, visit));
    }
    per_walk::<PLACE>(|| {
        let mut sum = 0;
        walk::<PLACE>(&TREE, &mut |key| sum += key);
        sum
    })
}

/// The tree, one for all.
static TREE: LazyLock<Box<Node>> = LazyLock::new(|| Node::balanced(NODES));

/// Walks until `times` nodes have been visited, and checks each walk.
fn per_walk<const PLACE: usize>(mut walk: impl FnMut() -> u64) -> impl FnMut(u64) {
    move |times| {
        shift::<PLACE>();
        for _ in 0..times / NODES {
            assert_eq!(black_box(walk()), sum_of_keys(NODES), "the walk missed a node");
        }
    }
}

// Bare corosensei.

type Bare<In, Out> = corosensei::Coroutine<In, Out, ()>;
type Yielder<In, Out> = corosensei::Yielder<In, Out>;

/// A loop that resumes `co` with `value` each time.
fn bare_loop<T: Clone, const PLACE: usize>(mut co: Bare<T, T>, value: T) -> impl FnMut(u64) {
    move |times| {
        shift::<PLACE>();
        for _ in 0..times {
            let CoroutineResult::Yield(out) = co.resume(black_box(value.clone())) else {
                unreachable!()
            };
            black_box(out);
        }
    }
}

fn bare_switch<const PLACE: usize>() -> impl FnMut(u64) {
    let co = Bare::new(|yielder, ()| {
        shift::<PLACE>();
        loop {
            yielder.suspend(());
        }
    });
    bare_loop::<_, PLACE>(co, ())
}

fn bare_helper<const PLACE: usize>() -> impl FnMut(u64) {
    #[inline(never)]
    fn helper<const PLACE: usize>(yielder: &Yielder<(), ()>) {
        tell_apart::<PLACE>();
        yielder.suspend(());
        black_box(());
    }
    let co = Bare::new(|yielder, ()| {
        shift::<PLACE>();
        loop {
            helper::<PLACE>(yielder);
        }
    });
    bare_loop::<_, PLACE>(co, ())
}

fn bare_deep<const PLACE: usize>() -> impl FnMut(u64) {
    #[inline(never)]
    fn descend<const PLACE: usize>(depth: u32, yielder: &Yielder<(), ()>) {
        if black_box(depth) > 1 {
            descend::<PLACE>(depth - 1, yielder);
            black_box(());
        } else {
            shift::<PLACE>();
            loop {
                yielder.suspend(());
            }
        }
    }
    let co = Bare::new(|yielder, ()| descend::<PLACE>(40, yielder));
    bare_loop::<_, PLACE>(co, ())
}

fn bare_8<const PLACE: usize>() -> impl FnMut(u64) {
    let co = Bare::new(|yielder, mut x: u64| {
        shift::<PLACE>();
        loop {
            x = yielder.suspend(black_box(x));
        }
    });
    bare_loop::<_, PLACE>(co, 1)
}

fn bare_64<const PLACE: usize>() -> impl FnMut(u64) {
    let co = Bare::new(|yielder, mut x: [u64; 8]| {
        shift::<PLACE>();
        loop {
            x = yielder.suspend(black_box(x));
        }
    });
    bare_loop::<_, PLACE>(co, [1; 8])
}

fn bare_create<const PLACE: usize>() -> impl FnMut(u64) {
    let mut kept = vec![corosensei::stack::DefaultStack::default()];
    move |times| {
        shift::<PLACE>();
        for i in 0..times {
            let (i, stack) = (black_box(i), kept.pop().unwrap_or_default());
            let mut co = corosensei::Coroutine::<(), (), u64>::with_stack(stack, move |_, ()| i);
            assert!(co.resume(()).as_return() == Some(i), "it returns what it has captured");
            kept.push(co.into_stack());
        }
    }
}

fn bare_walk<const PLACE: usize>() -> impl FnMut(u64) {
    fn walk<const PLACE: usize>(node: &Node, yielder: &Yielder<(), u64>) {
        node.left.iter().for_each(|left| walk::<PLACE>(left, yielder));
        tell_apart::<PLACE>();
        yielder.suspend(node.key);
        node.right.iter().for_each(|right| walk::<PLACE>(right, yielder));
    }
    per_walk::<PLACE>(|| {
        let mut co = Bare::new(|yielder, ()| walk::<PLACE>(&TREE, yielder));
        let mut sum = 0;
        while let CoroutineResult::Yield(key) = co.resume(()) {
            sum += key;
        }
        sum
    })
}

// Segno, the same once more.

/// A loop that resumes `co` with `value` each time.
fn segno_loop<T: Clone + 'static, const PLACE: usize>(
    mut co: Coroutine<T, T, ()>,
    value: T,
) -> impl FnMut(u64) {
    move |times| {
        shift::<PLACE>();
        for _ in 0..times {
            let State::Paused(out) = co.resume(black_box(value.clone())) else { unreachable!() };
            black_box(out);
        }
    }
}

fn segno_switch<const PLACE: usize>() -> impl FnMut(u64) {
    let co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
        shift::<PLACE>();
        loop {
            co.pause(());
        }
    });
    segno_loop::<(), PLACE>(co, ())
}

fn segno_helper<const PLACE: usize>() -> impl FnMut(u64) {
    #[inline(never)]
    fn helper<const PLACE: usize>(co: &Pauser<(), ()>) {
        tell_apart::<PLACE>();
        co.pause(());
        black_box(());
    }
    let co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
        shift::<PLACE>();
        loop {
            helper::<PLACE>(co);
        }
    });
    segno_loop::<(), PLACE>(co, ())
}

fn segno_deep<const PLACE: usize>() -> impl FnMut(u64) {
    #[inline(never)]
    fn descend<const PLACE: usize>(depth: u32, co: &Pauser<(), ()>) {
        if black_box(depth) > 1 {
            descend::<PLACE>(depth - 1, co);
            black_box(());
        } else {
            shift::<PLACE>();
            loop {
                co.pause(());
            }
        }
    }
    let co = Coroutine::new(|co: &Pauser<(), ()>, ()| descend::<PLACE>(40, co));
    segno_loop::<(), PLACE>(co, ())
}

fn segno_8<const PLACE: usize>() -> impl FnMut(u64) {
    let co = Coroutine::new(|co: &Pauser<u64, u64>, mut x: u64| {
        shift::<PLACE>();
        loop {
            x = co.pause(black_box(x));
        }
    });
    segno_loop::<u64, PLACE>(co, 1)
}

fn segno_64<const PLACE: usize>() -> impl FnMut(u64) {
    let co = Coroutine::new(|co: &Pauser<[u64; 8], [u64; 8]>, mut x: [u64; 8]| {
        shift::<PLACE>();
        loop {
            x = co.pause(black_box(x));
        }
    });
    segno_loop::<[u64; 8], PLACE>(co, [1; 8])
}

fn segno_create<const PLACE: usize>() -> impl FnMut(u64) {
    |times| {
        shift::<PLACE>();
        for i in 0..times {
            let mut co = Coroutine::new(move |_: &Pauser<(), ()>, ()| black_box(i));
            let State::Complete(number) = co.resume(()) else { unreachable!() };
            assert_eq!(number, i);
        }
    }
}

fn segno_walk<const PLACE: usize>() -> impl FnMut(u64) {
    fn walk<const PLACE: usize>(node: &Node, out: &Outlet<u64>) {
        node.left.iter().for_each(|left| walk::<PLACE>(left, out));
        tell_apart::<PLACE>();
        out.pause(node.key);
        node.right.iter().for_each(|right| walk::<PLACE>(right, out));
    }
    per_walk::<PLACE>(|| Generator::new(|out: &Outlet<u64>| walk::<PLACE>(&TREE, out)).sum())
}
