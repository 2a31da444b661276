//! What does walking a tree with a pause per node cost?
//!
//! `cargo bench -p segno-benches --bench generator`
//!
//! Timed: visiting all nodes of a balanced binary tree of 2^20 in order and adding up their keys,
//! one generator for the whole walk; the figure is for one node. Not timed: building the tree.
//!
//! Against: recursion that calls a closure at each node, which cannot be stopped and taken up
//! again (the floor); bare corosensei; the crate `generator`; the crate `genawaiter` and futures
//! polled by hand, where recursion means a boxed future for each call, and where the resumer wakes
//! the outermost of up to twenty nested futures at each node; and an iterator that keeps its stack
//! of nodes itself, which is quick, and what one writes a generator to avoid.
//!
//! Fair, because all walk the same tree (each node an allocation of its own) and all but the
//! explicit stacks by the same recursion, and because the fastest of several copies of each counts
//! (`src/copies.rs`). The walk is where a stackful switch costs most: between two pauses function
//! calls return, which the processor mispredicts after each switch.

use corosensei::{Coroutine as Bare, CoroutineResult, Yielder};
use generator::{Gn, Scope};
use segno::{Generator, Outlet};
use segno_benches::copies;
use segno_benches::copies::{shift, tell_apart};
use segno_benches::question::{Contender, Question, is_test};
use segno_benches::tree::{Node, sum_of_keys};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

/// How many nodes there are.
const NODES: u64 = 1 << 20;
/// How many there are where nothing is measured.
const FEW: u64 = 1 << 10;

/// The tree, one for all.
static TREE: LazyLock<Box<Node>> = LazyLock::new(|| Node::balanced(nodes()));

/// How many nodes it has.
fn nodes() -> u64 {
    if is_test() { FEW } else { NODES }
}

fn main() {
    let mut question = Question::new("generator");
    question.case(
        "walk of 2^20 nodes",
        nodes(),
        vec![
            Contender::floor("callback recursion", copies!(callback)).note("cannot be paused"),
            Contender::rival("corosensei", copies!(bare)),
            Contender::rival("generator", copies!(generator)),
            Contender::rival("genawaiter::rc, boxed recursion", copies!(genawaiter_recursive))
                .note("stackless"),
            Contender::rival("genawaiter::rc, explicit stack", copies!(genawaiter_flat))
                .note("stackless; not recursive"),
            Contender::rival("future, boxed recursion", copies!(future)).note("stackless"),
            Contender::rival("iterator, explicit stack", copies!(iterator))
                .note("stackless; written by hand; not recursive"),
            Contender::segno("Generator::new", copies!(segno)),
            Contender::segno("Generator::scoped", copies!(segno_scoped)).note("borrows the tree"),
        ],
    );
    question.finish();
}

/// Walks until `times` nodes have been visited, and checks each walk.
#[inline(always)]
fn walks<const COPY: usize>(walk: impl Fn(&'static Node) -> u64) -> impl FnMut(u64) {
    let nodes = nodes();
    move |times| {
        shift::<COPY>();
        for _ in 0..times / nodes {
            assert_eq!(walk(black_box(&TREE)), sum_of_keys(nodes), "the walk missed a node");
        }
    }
}

fn callback<const COPY: usize>() -> impl FnMut(u64) {
    fn walk<const COPY: usize>(node: &Node, visit: &mut dyn FnMut(u64)) {
        if let Some(left) = &node.left {
            walk::<COPY>(left, visit);
        }
        tell_apart::<COPY>();
        visit(node.key);
        if let Some(right) = &node.right {
            walk::<COPY>(right, visit);
        }
    }
    walks::<COPY>(|tree| {
        let mut sum = 0;
        walk::<COPY>(tree, &mut |key| sum += key);
        sum
    })
}

fn bare<const COPY: usize>() -> impl FnMut(u64) {
    fn walk<const COPY: usize>(node: &Node, yielder: &Yielder<(), u64>) {
        if let Some(left) = &node.left {
            walk::<COPY>(left, yielder);
        }
        tell_apart::<COPY>();
        yielder.suspend(node.key);
        if let Some(right) = &node.right {
            walk::<COPY>(right, yielder);
        }
    }
    walks::<COPY>(|tree| {
        let mut co = Bare::new(move |yielder: &Yielder<(), u64>, ()| walk::<COPY>(tree, yielder));
        let mut sum = 0;
        while let CoroutineResult::Yield(key) = co.resume(()) {
            sum += key;
        }
        sum
    })
}

fn generator<const COPY: usize>() -> impl FnMut(u64) {
    fn walk<const COPY: usize>(node: &Node, scope: &mut Scope<'_, '_, (), u64>) {
        if let Some(left) = &node.left {
            walk::<COPY>(left, scope);
        }
        tell_apart::<COPY>();
        scope.yield_with(node.key);
        if let Some(right) = &node.right {
            walk::<COPY>(right, scope);
        }
    }
    walks::<COPY>(|tree| {
        let keys = Gn::<()>::new_scoped_local(move |mut scope| {
            walk::<COPY>(tree, &mut scope);
            // It has to return a last item, and 0 changes no sum.
            0
        });
        keys.sum()
    })
}

/// The recursion of both of Segno's rows.
fn segno_walk<const COPY: usize>(node: &Node, out: &Outlet<u64>) {
    if let Some(left) = &node.left {
        segno_walk::<COPY>(left, out);
    }
    tell_apart::<COPY>();
    out.pause(node.key);
    if let Some(right) = &node.right {
        segno_walk::<COPY>(right, out);
    }
}

fn segno<const COPY: usize>() -> impl FnMut(u64) {
    walks::<COPY>(|tree| {
        Generator::new(move |out: &Outlet<u64>| segno_walk::<COPY>(tree, out)).sum()
    })
}

fn segno_scoped<const COPY: usize>() -> impl FnMut(u64) {
    walks::<COPY>(|tree| {
        Generator::scoped(|out: &Outlet<u64>| segno_walk::<COPY>(tree, out))
            .enter(|keys| keys.sum())
    })
}

fn genawaiter_recursive<const COPY: usize>() -> impl FnMut(u64) {
    use genawaiter::rc::{Co, Gen};

    async fn walk<const COPY: usize>(node: &Node, co: &Co<u64>) {
        if let Some(left) = &node.left {
            Box::pin(walk::<COPY>(left, co)).await;
        }
        tell_apart::<COPY>();
        co.yield_(node.key).await;
        if let Some(right) = &node.right {
            Box::pin(walk::<COPY>(right, co)).await;
        }
    }
    walks::<COPY>(|tree| Gen::new(async move |co| walk::<COPY>(tree, &co).await).into_iter().sum())
}

fn genawaiter_flat<const COPY: usize>() -> impl FnMut(u64) {
    use genawaiter::rc::{Co, Gen};

    walks::<COPY>(|tree| {
        let walk = async move |co: Co<u64>| {
            shift::<COPY>();
            for key in InOrder::of(tree) {
                co.yield_(key).await;
            }
        };
        Gen::new(walk).into_iter().sum()
    })
}

fn future<const COPY: usize>() -> impl FnMut(u64) {
    async fn walk<const COPY: usize>(node: &Node, key: &Cell<u64>) {
        if let Some(left) = &node.left {
            Box::pin(walk::<COPY>(left, key)).await;
        }
        tell_apart::<COPY>();
        key.set(node.key);
        let mut resumed = false;
        poll_fn(|_| match std::mem::replace(&mut resumed, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        if let Some(right) = &node.right {
            Box::pin(walk::<COPY>(right, key)).await;
        }
    }
    walks::<COPY>(|tree| {
        let key = Cell::new(0);
        let mut walk: Pin<Box<dyn Future<Output = ()> + '_>> = Box::pin(walk::<COPY>(tree, &key));
        let mut context = Context::from_waker(Waker::noop());
        let mut sum = 0;
        while walk.as_mut().poll(&mut context).is_pending() {
            sum += key.get();
        }
        sum
    })
}

fn iterator<const COPY: usize>() -> impl FnMut(u64) {
    walks::<COPY>(|tree| InOrder::of(tree).sum())
}

/// The walk without recursion: the nodes whose left side is being visited, outermost first.
struct InOrder(Vec<&'static Node>);

impl InOrder {
    fn of(tree: &'static Node) -> InOrder {
        let mut walk = InOrder(Vec::new());
        walk.descend(Some(tree));
        walk
    }

    /// Goes left from `node` as far as that is possible.
    fn descend(&mut self, mut node: Option<&'static Node>) {
        while let Some(here) = node {
            self.0.push(here);
            node = here.left.as_deref();
        }
    }
}

impl Iterator for InOrder {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let node = self.0.pop()?;
        self.descend(node.right.as_deref());
        Some(node.key)
    }
}
