//! Many at once: live coroutines by the hundred thousand, on many threads, and on threads that end.

mod support;

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use segno::{Builder, Coroutine, Generator, Outlet, Pauser, State, stack};

use support::{assert_exited, child};

/// Frames that the smallest slot has room for.
const SMALL: usize = 48 * 1024;

/// A coroutine that adds up what it is given, with something of its own in a frame below.
fn adder(own: u64) -> Coroutine<u64, u64, u64> {
    #[inline(never)]
    fn below(co: &Pauser<u64, u64>, own: u64, first: u64) -> u64 {
        let frame = black_box([own; 16]);
        let mut sum = first;
        while sum < 1_000 {
            sum += co.pause(frame[(sum % 16) as usize] + sum);
        }
        frame.iter().sum::<u64>() / 16
    }
    Builder::new()
        .stack_size(SMALL)
        .build(move |co: &Pauser<u64, u64>, first: u64| below(co, own, first))
        .expect("a stack")
}

#[test]
fn a_hundred_thousand_live_at_once_and_each_keeps_what_it_had() {
    // Where a guard costs two mappings there is room for fewer.
    let probe = adder(0);
    let installed = stack::stats().guards == Some(stack::Guards::Installed);
    let many: u64 = if installed { 100_000 } else { 20_000 };
    drop(probe);
    let mut all: Vec<_> = (0..many).map(adder).collect();
    for (own, co) in (0..).zip(&mut all) {
        assert_eq!(co.resume(1), State::Paused(own + 1));
    }
    assert!(stack::stats().live >= many as usize);
    // In another order, so that no two neighbours follow each other.
    for i in 0..many {
        let own = i * 77_777 % many;
        let co = &mut all[own as usize];
        assert_eq!(co.resume(2), State::Paused(own + 3));
    }
    // A third ends by itself, a third is dropped below, and a third is cancelled.
    for (own, co) in (0..).zip(&mut all) {
        match own % 3 {
            0 => assert_eq!(co.resume(1_000), State::Complete(own)),
            1 => co.cancel(),
            _ => {}
        }
    }
    drop(all);
}

#[test]
fn threads_have_stacks_of_their_own_and_do_not_meet() {
    let ended = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..8_u64 {
            let ended = &ended;
            scope.spawn(move || {
                for round in 0..5 {
                    let mut all: Vec<_> =
                        (0..400).map(|i| adder(thread * 10_000 + round * 1_000 + i)).collect();
                    for co in &mut all {
                        co.resume(1);
                    }
                    for (i, co) in (0..).zip(&mut all) {
                        let own = thread * 10_000 + round * 1_000 + i;
                        assert_eq!(co.resume(1), State::Paused(own + 2));
                        assert_eq!(co.resume(1_000), State::Complete(own));
                        ended.fetch_add(1, Ordering::Relaxed);
                    }
                    // Every other round leaves memory and stacks to whoever comes next.
                    if round % 2 == 0 {
                        stack::trim();
                    }
                }
            });
        }
    });
    assert_eq!(ended.into_inner(), 8 * 5 * 400);
}

#[test]
fn many_threads_that_end_leave_no_more_stacks_than_one() {
    let output = child("many_threads_that_end_leave_no_more_stacks_than_one", || {
        let one = || {
            let mut all: Vec<_> = (0..50).map(adder).collect();
            all.iter_mut().for_each(|co| _ = co.resume(1));
        };
        for _ in 0..300 {
            thread::spawn(one).join().expect("no panic");
        }
        let stats = stack::stats();
        assert_eq!((stats.live, stats.idle, stats.leaked), (0, 50, 0));
        assert_eq!(stats.slabs, 1);
    });
    assert_exited(&output, 0);
}

/// Counts its drops where other threads can see them.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A paused coroutine with two of those in its frames, one above the other.
fn holding(count: &Arc<AtomicUsize>) -> Coroutine<(), (), ()> {
    let count = count.clone();
    let mut co = Builder::new()
        .stack_size(SMALL)
        .build(move |co: &Pauser<(), ()>, ()| {
            let _outer = Counted(count.clone());
            let _inner = Counted(count);
            co.pause(());
        })
        .expect("a stack");
    co.resume(());
    co
}

thread_local! {
    /// Coroutines that live until their thread ends.
    static KEPT: RefCell<Vec<Coroutine<(), (), ()>>> = const { RefCell::new(Vec::new()) };
    /// Makes a coroutine when its thread ends.
    static LATE: Cell<Option<Late>> = const { Cell::new(None) };
}

/// Makes coroutines in its destructor, and counts what happened in them.
struct Late(Arc<AtomicUsize>);

impl Drop for Late {
    fn drop(&mut self) {
        for _ in 0..10 {
            drop(holding(&self.0));
            let mut items = Generator::new(|out: &Outlet<u8>| out.pause_all([1, 2, 3]));
            assert_eq!(items.next(), Some(1));
            assert_eq!(stack::grow(SMALL, || items.by_ref().sum::<u8>()), 5);
        }
        stack::trim();
    }
}

#[test]
fn coroutines_in_a_thread_local_end_with_their_thread() {
    let output = child("coroutines_in_a_thread_local_end_with_their_thread", || {
        let count = Arc::new(AtomicUsize::new(0));
        // Destructors of thread-locals run in an order that depends on who was used first.
        for stacks_first in [false, true] {
            let count = count.clone();
            let run = move || {
                if stacks_first {
                    drop(holding(&Arc::default()));
                }
                KEPT.with_borrow_mut(|kept| kept.extend((0..1_000).map(|_| holding(&count))));
            };
            thread::spawn(run).join().expect("no panic");
        }
        assert_eq!(count.load(Ordering::Relaxed), 2 * 1_000 * 2);
        let stats = stack::stats();
        assert_eq!((stats.live, stats.leaked), (0, 0));
        assert!(
            (1_000..=1_001).contains(&stats.idle),
            "the second thread took them over: {stats:?}"
        );
    });
    assert_exited(&output, 0);
}

#[test]
fn coroutines_can_be_made_while_a_thread_ends() {
    let output = child("coroutines_can_be_made_while_a_thread_ends", || {
        let count = Arc::new(AtomicUsize::new(0));
        for stacks_first in [false, true] {
            let count = count.clone();
            let run = move || {
                if stacks_first {
                    drop(holding(&Arc::default()));
                }
                LATE.set(Some(Late(count)));
                if !stacks_first {
                    drop(holding(&Arc::default()));
                }
            };
            thread::spawn(run).join().expect("no panic");
        }
        assert_eq!(count.load(Ordering::Relaxed), 2 * 10 * 2);
        let stats = stack::stats();
        assert_eq!((stats.live, stats.leaked), (0, 0));
        assert!(stats.idle <= 4, "{stats:?}");
    });
    assert_exited(&output, 0);
}

#[test]
fn a_coroutine_in_a_thread_local_of_the_main_thread_does_no_harm_at_exit() {
    const TEST: &str = "a_coroutine_in_a_thread_local_of_the_main_thread_does_no_harm_at_exit";
    let output = child(TEST, || {
        let count = Arc::new(AtomicUsize::new(0));
        KEPT.with_borrow_mut(|kept| kept.push(holding(&count)));
        // `exit` runs destructors of thread-locals, here on the stack of a coroutine.
        let mut last = Coroutine::new(|_: &Pauser<(), ()>, ()| std::process::exit(7));
        last.resume(());
    });
    assert_exited(&output, 7);
}

#[test]
fn nested_a_thousand_deep_they_unwind_in_order() {
    fn nest(depth: usize, order: &RefCell<Vec<usize>>) {
        struct Note<'a>(usize, &'a RefCell<Vec<usize>>);
        impl Drop for Note<'_> {
            fn drop(&mut self) {
                self.1.borrow_mut().push(self.0);
            }
        }
        let _note = Note(depth, order);
        if depth == 0 {
            std::panic::panic_any("the innermost");
        }
        Builder::new()
            .stack_size(SMALL)
            .scoped(|_: &Pauser<(), ()>, ()| nest(depth - 1, order))
            .enter(|co| co.resume(()));
    }
    let order = RefCell::default();
    let payload = support::panic_of(|| nest(1_000, &order));
    assert_eq!(payload.downcast_ref(), Some(&"the innermost"));
    assert!(order.into_inner().into_iter().eq(0..=1_000));
}
