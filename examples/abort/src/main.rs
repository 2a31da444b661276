//! What `panic = "abort"` changes: nothing can unwind, so what is paused cannot be ended early.
//!
//! Checks one by one what the documentation promises for such builds, and says how many that were.
//! With a name it does what has to abort the process; the checks run themselves again for that.
//!
//! ```text
//! cargo run --manifest-path examples/abort/Cargo.toml
//! cargo run --manifest-path examples/abort/Cargo.toml -- scoped-coroutine
//! ```

use std::cell::{Cell, RefCell};
use std::process::{Command, ExitCode};
use std::rc::Rc;

use segno::stack::{self, Stats};
use segno::{Builder, Coroutine, Generator, Outlet, Pauser, State, Status};

/// Counts its drops.
#[derive(Clone, Default)]
struct Drops(Rc<Cell<usize>>);

impl Drop for Drops {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

impl Drops {
    /// Something that counts here when it is dropped.
    fn watch(&self) -> Self {
        Self(self.0.clone())
    }

    /// How many were dropped so far.
    fn count(&self) -> usize {
        self.0.get()
    }
}

/// How much more there is of live, idle and leaked stacks.
fn change(before: Stats) -> (isize, isize, isize) {
    let now = stack::stats();
    let more = |now: usize, before: usize| now as isize - before as isize;
    (more(now.live, before.live), more(now.idle, before.idle), more(now.leaked, before.leaked))
}

/// Where the stack is that this is called on.
fn place() -> usize {
    let local = std::hint::black_box(0_u8);
    std::hint::black_box(&raw const local) as usize
}

/// A coroutine that holds something while it pauses.
fn holding(drops: &Drops) -> Coroutine<(), (), ()> {
    let captured = drops.watch();
    Coroutine::new(move |co: &Pauser<(), ()>, ()| {
        let _local = captured.watch();
        co.pause(());
    })
}

/// The checks, in the order of the documentation: each says what it promises.
const CHECKS: &[(&str, fn())] = &[
    ("a coroutine runs, pauses and completes, and its stack is reused", || {
        let drops = Drops::default();
        drop(holding(&drops));
        let (before, dropped) = (stack::stats(), drops.count());
        let mut co = holding(&drops);
        assert_eq!(co.resume(()), State::Paused(()));
        assert_eq!(change(before), (1, -1, 0));
        assert_eq!(co.resume(()), State::Complete(()));
        assert_eq!((co.status(), drops.count() - dropped), (Status::Complete, 2));
        assert_eq!(change(before), (0, 0, 0));
    }),
    ("one that never ran drops what it captured, and its stack is reused", || {
        let drops = Drops::default();
        drop(holding(&drops));
        let before = stack::stats();
        let mut cancelled = holding(&drops);
        cancelled.cancel();
        assert_eq!((cancelled.status(), drops.count()), (Status::Cancelled, 2));
        drop(holding(&drops));
        assert_eq!((drops.count(), change(before)), (3, (0, 0, 0)));
    }),
    ("dropping a paused one runs no destructor and leaks its stack", || {
        let drops = Drops::default();
        let mut co = holding(&drops);
        co.resume(());
        let before = stack::stats();
        drop(co);
        assert_eq!((drops.count(), change(before)), (0, (-1, 0, 1)));
    }),
    ("cancelling a paused one does the same and says so", || {
        let drops = Drops::default();
        let mut co = holding(&drops);
        co.resume(());
        let before = stack::stats();
        co.cancel();
        assert_eq!((co.status(), co.try_resume(())), (Status::Cancelled, Err(())));
        drop(co);
        assert_eq!((drops.count(), change(before)), (0, (-1, 0, 1)));
    }),
    ("dropping a generator half-way leaks its stack", || {
        let drops = Drops::default();
        let held = drops.watch();
        let mut items = Generator::new(move |out: &Outlet<u8>| {
            let _held = held;
            out.pause_all(0..);
        });
        assert_eq!(items.next(), Some(0));
        let before = stack::stats();
        drop(items);
        assert_eq!((drops.count(), change(before)), (0, (-1, 0, 1)));
    }),
    ("a leaked stack is never reused", || {
        let mut co = Coroutine::new(|co: &Pauser<(), usize>, ()| co.pause(place()));
        let leaked = co.resume(()).paused().expect("it pauses");
        drop(co);
        for _ in 0..100 {
            let next = Coroutine::new(|_: &Pauser<(), ()>, ()| place()).resume(()).complete();
            assert!(next.expect("it returns").abs_diff(leaked) > 32 * 1024);
        }
    }),
    ("a scoped generator that is left early runs to its end by itself", || {
        let (dropped, closed, rounds) = (Drops::default(), Cell::new(false), Cell::new(0));
        let words = ["one", "two", "three", "four"].map(str::to_owned);
        let before = stack::stats();
        let first = Generator::scoped(|out: &Outlet<(&str, Drops)>| {
            let _held = dropped.watch();
            assert!(!out.is_closed());
            for word in &words {
                out.pause((word, dropped.watch()));
                rounds.set(rounds.get() + 1);
            }
            closed.set(out.is_closed());
        })
        .enter(|items| items.next().map(|(word, _)| word));
        assert_eq!((first, closed.get(), rounds.get()), (Some("one"), true, 4));
        // The item that was taken, three that nobody took, and what the body held.
        assert_eq!(dropped.count(), 5);
        let (live, _, leaked) = change(before);
        assert_eq!((live, leaked), (0, 0));
    }),
    ("it sees that it is closed, and can stop early", || {
        let rounds = Cell::new(0);
        Generator::scoped(|out: &Outlet<u32>| {
            while !out.is_closed() {
                rounds.set(rounds.get() + 1);
                out.pause(rounds.get());
            }
        })
        .enter(|items| assert_eq!(items.take(3).sum::<u32>(), 6));
        assert_eq!(rounds.get(), 3);
    }),
    ("`pause_all` stops for it, however many there are", || {
        let after = Cell::new(false);
        Generator::scoped(|out: &Outlet<u64>| {
            out.pause_all(0..);
            after.set(true);
        })
        .enter(|items| assert_eq!(items.nth(5), Some(5)));
        assert!(after.get());
    }),
    ("a scoped generator that never ran drops what it captured", || {
        let drops = Drops::default();
        let held = drops.watch();
        let before = stack::stats();
        Generator::scoped(move |out: &Outlet<u8>| {
            let _held = &held;
            out.pause(1);
        })
        .enter(|_| ());
        let (live, _, leaked) = change(before);
        assert_eq!((drops.count(), live, leaked), (1, 0, 0));
    }),
    ("a scoped generator inside another closes with it, the inner one first", || {
        let order = RefCell::new(Vec::new());
        Generator::scoped(|outer: &Outlet<u8>| {
            Generator::scoped(|inner: &Outlet<u8>| {
                inner.pause_all([1, 2]);
                order.borrow_mut().push("inner");
            })
            .enter(|items| outer.pause_all(items));
            order.borrow_mut().push("outer");
        })
        .enter(|items| assert_eq!(items.next(), Some(1)));
        assert_eq!(order.into_inner(), ["inner", "outer"]);
    }),
    ("a scoped coroutine that has ended is left as usual", || {
        let mut sum = 0;
        let before = stack::stats();
        Coroutine::scoped(|co: &Pauser<u32, ()>, first: u32| sum += first + co.pause(())).enter(
            |co| {
                co.resume(1);
                assert_eq!(co.resume(2), State::Complete(()));
            },
        );
        let (live, _, leaked) = change(before);
        assert_eq!((sum, live, leaked), (3, 0, 0));
    }),
    ("a scoped coroutine that never ran is left as usual", || {
        let drops = Drops::default();
        let held = drops.watch();
        Coroutine::scoped(move |_: &Pauser<(), ()>, ()| drop(held)).enter(|_| ());
        assert_eq!(drops.count(), 1);
    }),
    ("`grow` works, also around a pause", || {
        let before = stack::stats();
        assert_eq!(stack::grow(1 << 20, || 5), 5);
        let mut co =
            Coroutine::new(|co: &Pauser<(), ()>, ()| stack::grow(1 << 20, || co.pause(())));
        co.resume(());
        assert_eq!(co.resume(()), State::Complete(()));
        let (live, _, leaked) = change(before);
        assert_eq!((live, leaked), (0, 0));
    }),
    ("leaving a paused scoped coroutine aborts and names it", || {
        assert_aborts("scoped-coroutine", &["coroutine `left behind`", "main.rs", "still paused"]);
    }),
    ("a scoped generator that goes on for ever aborts and is named", || {
        assert_aborts("endless-generator", &["coroutine `endless`", "main.rs"]);
    }),
];

/// Leaves a scoped coroutine that is still paused.
fn leave_scoped_coroutine() {
    let words = ["borrowed".to_owned()];
    Builder::new()
        .name("left behind")
        .scoped(|co: &Pauser<(), usize>, ()| co.pause(words.len()))
        .enter(|co| assert_eq!(co.resume(()), State::Paused(1)));
}

/// Leaves a scoped generator that does not look whether anybody takes its items.
fn leave_endless_generator() {
    let word = "borrowed".to_owned();
    Builder::new()
        .name("endless")
        .scoped_generator(|out: &Outlet<&str>| {
            loop {
                out.pause(&word);
            }
        })
        .enter(|items| assert_eq!(items.next(), Some("borrowed")));
}

/// Runs this program again with an argument and checks that it aborts with this in its message.
fn assert_aborts(argument: &str, parts: &[&str]) {
    let this = std::env::current_exe().expect("a program has a path");
    let output = Command::new(this).arg(argument).output().expect("it can be started again");
    let text = String::from_utf8_lossy(&output.stderr);
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        const SIGABRT: i32 = 6;
        assert_eq!(output.status.signal(), Some(SIGABRT), "{}: {text}", output.status);
    }
    assert!(!output.status.success());
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}

fn main() -> ExitCode {
    if cfg!(not(panic = "abort")) {
        eprintln!("this was built to unwind, so there is nothing to check");
        return ExitCode::FAILURE;
    }
    match std::env::args().nth(1).as_deref() {
        None => {
            for (promise, check) in CHECKS {
                println!("{promise}");
                check();
            }
            println!("{} checks passed", CHECKS.len());
            ExitCode::SUCCESS
        }
        Some("scoped-coroutine") => {
            leave_scoped_coroutine();
            ExitCode::SUCCESS
        }
        Some("endless-generator") => {
            leave_endless_generator();
            ExitCode::SUCCESS
        }
        Some(other) => {
            eprintln!("`{other}` is neither `scoped-coroutine` nor `endless-generator`");
            ExitCode::FAILURE
        }
    }
}
