//! What `panic = "abort"` changes: nothing can unwind, so what is paused cannot be ended early.
//!
//! Checks one by one what the documentation promises for such builds, and says how many that were.
//! With a name it does what has to abort the process; the checks run themselves again for that.
//! The first half is about coroutines and generators, the second about tasks: a cancellation arrives
//! there as early returns.
//!
//! ```text
//! cargo run --manifest-path examples/abort/Cargo.toml
//! cargo run --manifest-path examples/abort/Cargo.toml -- scoped-coroutine
//! ```

mod scripts;

use std::cell::{Cell, RefCell};
use std::process::{Command, ExitCode};
use std::rc::Rc;
use std::time::Duration;

use segno::stack::{self, Stats};
use segno::sync::channel::{self, RecvError, SendError};
use segno::sync::{Barrier, Condvar, Event, Mutex, Semaphore};
use segno::{
    Builder, CancelKind, Clock, Coroutine, EventLoop, Generator, JoinError, Outlet, Pauser, Report,
    ReportKind, RunError, State, Status,
};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(3600);

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

/// An event loop on which time stands still until everybody waits.
fn virtual_loop() -> EventLoop {
    EventLoop::builder().clock(Clock::virtual_time()).build()
}

/// Runs a closure in a task by a virtual clock, and shuts the loop down.
fn tasks<T>(f: impl FnOnce() -> T) -> T {
    let mut events = virtual_loop();
    let value = events.run(f).expect("no deadlock");
    events.shutdown();
    value
}

/// Why a task has no result.
fn why<T: std::fmt::Debug>(result: Result<T, JoinError>) -> CancelKind {
    result.expect_err("it was cancelled").reason().expect("it was cancelled").kind()
}

/// What was reported so far.
static REPORTS: std::sync::Mutex<Vec<Report>> = std::sync::Mutex::new(Vec::new());

/// Takes the reports of tasks that were given up.
fn given_up() -> Vec<String> {
    let reports = std::mem::take(&mut *REPORTS.lock().expect("nobody panics"));
    let retired = reports.iter().filter(|report| report.kind() == ReportKind::Retired);
    retired.map(|report| report.message().to_owned()).collect()
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
    (
        "a cancelled task's `sleep`, `yield_now` and `tick` return at once, and others get their turn",
        || {
            tasks(|| {
                let (start, turns) = (segno::now(), Rc::new(Cell::new(0)));
                let theirs = turns.clone();
                let cancelled = segno::spawn(move || {
                    segno::sleep(LONG);
                    assert!(segno::is_cancelled());
                    let before = theirs.get();
                    segno::sleep(Duration::MAX);
                    segno::yield_now();
                    let mut beat = segno::interval(LONG);
                    beat.tick();
                    beat.tick();
                    theirs.get() - before
                });
                let counted = turns.clone();
                let other = segno::spawn(move || {
                    for _ in 0..10 {
                        segno::yield_now();
                        counted.set(counted.get() + 1);
                    }
                });
                segno::yield_now();
                cancelled.cancel("enough");
                assert!(cancelled.join().expect("it returned by itself") >= 4);
                assert_eq!(segno::now(), start);
                other.join().expect("it was not cancelled");
            });
        },
    ),
    ("a cancelled task's `join` gives `Cancelled` at once, or the result if it is there", || {
        tasks(|| {
            let (ready, never) = (segno::spawn(|| 7), segno::spawn(|| segno::sleep(LONG)));
            segno::yield_now();
            let waiting =
                segno::spawn(move || (why(never.join()), ready.join().expect("it is there")));
            segno::yield_now();
            waiting.cancel("enough");
            assert_eq!(waiting.join().expect("it returned"), (CancelKind::Requested, 7));
        });
    }),
    ("a cancelled task's `pause` waits as usual", || {
        tasks(|| {
            let rung = Rc::new(Cell::new(false));
            let (waker, theirs) = (Rc::new(Cell::new(None)), rung.clone());
            let place = waker.clone();
            let waiting = segno::spawn(move || {
                place.set(Some(segno::waker()));
                while !theirs.get() {
                    segno::pause();
                }
                segno::is_cancelled()
            });
            segno::yield_now();
            waiting.cancel("enough");
            for _ in 0..10 {
                segno::yield_now();
            }
            assert!(!waiting.is_finished());
            rung.set(true);
            waker.take().expect("it has run").wake();
            assert!(waiting.join().expect("it was woken"));
        });
    }),
    ("a task that was cancelled before it ran drops what it captured, and does not run", || {
        let drops = Drops::default();
        let held = drops.watch();
        tasks(|| {
            let task = segno::spawn(move || -> () { unreachable!("{}", held.count()) });
            task.cancel("before it began");
            assert_eq!(why(task.join()), CancelKind::Requested);
        });
        assert_eq!(drops.count(), 1);
    }),
    ("`timeout` and `cancel_scope` wait for what they are around, and give its value", || {
        tasks(|| {
            let start = segno::now();
            let late = segno::timeout(Duration::from_secs(1), || {
                segno::sleep(LONG);
                (segno::now() - start, segno::is_cancelled())
            });
            assert_eq!(late, Ok((Duration::from_secs(1), true)));
            let part = segno::cancel_scope(|part| {
                part.cancel("enough");
                segno::sleep(LONG);
                7
            });
            assert_eq!(part, Ok(7));
            // Outside it, everything is as before.
            assert!(!segno::is_cancelled());
            segno::sleep(Duration::from_secs(1));
            assert_eq!(segno::now() - start, Duration::from_secs(2));
        });
    }),
    ("a shield keeps a cancellation from what waits in it", || {
        tasks(|| {
            let start = segno::now();
            let part = segno::cancel_scope(|part| {
                part.cancel("over");
                segno::shield(|| segno::sleep(Duration::from_secs(1)));
                segno::sleep(LONG);
            });
            assert_eq!((part, segno::now() - start), (Ok(()), Duration::from_secs(1)));
        });
    }),
    ("a cancelled scope's children return early, and the scope waits for them", || {
        tasks(|| {
            let (start, ended) = (segno::now(), Cell::new(0));
            let done = segno::timeout(Duration::from_secs(1), || {
                segno::scope(|s| {
                    for _ in 0..3 {
                        s.spawn(|| {
                            segno::sleep(LONG);
                            segno::yield_now();
                            ended.set(ended.get() + 1);
                        });
                    }
                });
                ended.get()
            });
            assert_eq!((done, segno::now() - start), (Ok(3), Duration::from_secs(1)));
        });
    }),
    ("the first error of a `try_scope` lets its other children return early", || {
        tasks(|| {
            let (start, ended) = (segno::now(), Cell::new(0));
            let failed = segno::try_scope(|s| {
                s.spawn(|| {
                    segno::sleep(LONG);
                    ended.set(ended.get() + 1);
                    Ok(())
                });
                s.spawn(|| {
                    segno::sleep(Duration::from_secs(1));
                    Err::<(), _>("out of tune")
                });
                Ok(())
            });
            assert_eq!((failed, ended.get()), (Err("out of tune"), 1));
            assert_eq!(segno::now() - start, Duration::from_secs(1));
        });
    }),
    ("the losers of a race return early, and their results are dropped", || {
        let drops = Drops::default();
        tasks(|| {
            let start = segno::now();
            let winner = segno::race([3, 1, 2].map(|seconds| {
                let prize = (seconds, drops.watch());
                move || {
                    segno::sleep(Duration::from_secs(seconds));
                    prize
                }
            }));
            assert_eq!((winner.0, drops.count()), (1, 2));
            assert_eq!(segno::now() - start, Duration::from_secs(1));
        });
    }),
    ("a cancelled `recv` or `send` gives an error, with the value, and succeeds where it need not wait", || {
        tasks(|| {
            let (sender, receiver) = channel::bounded(1);
            let part = segno::cancel_scope(|part| {
                part.cancel("over");
                assert_eq!(receiver.recv(), Err(RecvError::Cancelled));
                assert_eq!(sender.send(1), Ok(()));
                assert_eq!(sender.send(2), Err(SendError::Cancelled(2)));
                assert_eq!(receiver.recv(), Ok(1));
                assert_eq!(receiver.iter().next(), None);
            });
            assert_eq!(part, Ok(()));
            sender.send(3).unwrap();
            assert_eq!(receiver.recv(), Ok(3));
            assert_eq!(sender.stats().waiting_receivers + sender.stats().waiting_senders, 0);
        });
    }),
    ("a `recv` that waits returns when it is cancelled, and leaves no place behind", || {
        tasks(|| {
            let (sender, receiver) = channel::rendezvous::<u8>();
            let late = segno::timeout(Duration::from_secs(1), || receiver.recv());
            assert_eq!(late, Ok(Err(RecvError::Cancelled)));
            assert!(sender.try_send(1).is_err());
        });
    }),
    ("locks, semaphores, events, condvars and barriers wait although they are cancelled", || {
        tasks(|| {
            let (mutex, event, semaphore) = (Mutex::new(0), Event::new(), Semaphore::new(0));
            let (changed, barrier, start) = (Condvar::new(), Barrier::new(2), segno::now());
            segno::scope(|s| {
                let guard = mutex.lock();
                s.spawn(|| {
                    let part = segno::cancel_scope(|part| {
                        part.cancel("over");
                        *mutex.lock() += 1;
                        event.wait();
                        semaphore.acquire().forget();
                        barrier.wait();
                        *changed.wait_while(mutex.lock(), |count| *count < 2) += 1;
                        (segno::now() - start).as_secs()
                    });
                    assert_eq!(part, Ok(5));
                });
                let second = || segno::sleep(Duration::from_secs(1));
                second();
                drop(guard);
                second();
                event.set();
                second();
                semaphore.add_permits(1);
                second();
                barrier.wait();
                second();
                *mutex.lock() += 1;
                changed.notify_one();
            });
            assert_eq!(mutex.into_inner(), 3);
        });
    }),
    ("`select!` waits although it is cancelled", || {
        tasks(|| {
            let (sender, receiver) = channel::unbounded();
            let chosen = segno::scope(|s| {
                s.spawn(|| sender.send(7));
                segno::cancel_scope(|part| {
                    part.cancel("over");
                    segno::select! {
                        recv(receiver) -> value => value,
                        after(LONG) => unreachable!(),
                    }
                })
            });
            assert_eq!(chosen, Ok(Ok(7)));
        });
    }),
    ("`unblock` in a cancelled task runs its closure all the same", || {
        tasks(|| {
            let part = segno::cancel_scope(|part| {
                part.cancel("over");
                segno::unblock(|| 7)
            });
            assert_eq!(part, Ok(7));
        });
    }),
    ("`shutdown` ends tasks that are paused by early returns", || {
        let drops = Drops::default();
        let mut events = virtual_loop();
        for _ in 0..100 {
            let held = drops.watch();
            drop(events.spawn(move || {
                let _held = held;
                segno::sleep(LONG);
                segno::yield_now();
            }));
        }
        events.run_until_idle();
        let before = stack::stats();
        events.shutdown();
        assert_eq!((drops.count(), change(before)), (100, (-100, 100, 0)));
        assert_eq!(given_up(), [""; 0]);
    }),
    ("dropping a loop does the same", || {
        let drops = Drops::default();
        let mut events = virtual_loop();
        let held = drops.watch();
        drop(events.spawn(move || {
            let _held = held;
            segno::sleep(LONG);
        }));
        events.run_until_idle();
        drop(events);
        assert_eq!(drops.count(), 1);
        assert_eq!(given_up(), [""; 0]);
    }),
    ("a deadlock is told when those in it have returned early", || {
        let mut events = virtual_loop();
        let other = events.spawn(|| segno::sleep(Duration::MAX));
        let ended = events.run(|| other.join().is_ok());
        match ended {
            Err(RunError::Deadlock(report)) => assert_eq!(report.tasks().len(), 2),
            other => panic!("no deadlock: {other:?}"),
        }
        assert_eq!(events.tasks(), 0);
    }),
    ("a task that goes on for ever although it is cancelled is given up, with a report", || {
        let drops = Drops::default();
        let mut events = virtual_loop();
        let (held, pauses) = (drops.watch(), Rc::new(Cell::new(0_u32)));
        let counted = pauses.clone();
        let endless = events.task("endless").spawn(move || {
            let _held = &held;
            loop {
                segno::yield_now();
                counted.set(counted.get() + 1);
            }
        });
        let other = events.spawn(|| segno::sleep(LONG));
        events.turn();
        let (before, paused) = (stack::stats(), pauses.get());
        events.shutdown();
        assert_eq!(why(endless.join()), CancelKind::Retired);
        other.join().expect("it returned");
        assert_eq!((drops.count(), change(before).2), (0, 1));
        // The one that the cancellation met, and 2^20 more.
        assert_eq!(pauses.get() - paused, (1 << 20) + 1);
        let reports = given_up();
        assert!(reports.len() == 1 && reports[0].contains("task `endless`"), "{reports:?}");
        assert!(reports[0].contains("main.rs"), "{reports:?}");
    }),
    ("so is one that does it inside a time limit", || {
        let mut events = virtual_loop();
        let endless = events.task("limited").spawn(|| {
            loop {
                let _ = segno::timeout(LONG, segno::yield_now);
            }
        });
        events.turn();
        events.shutdown();
        assert_eq!(why::<()>(endless.join()), CancelKind::Retired);
        assert_eq!(given_up().len(), 1);
    }),
    ("one that waits in `pause` for nobody is given up when its loop is shut down", || {
        let mut events = virtual_loop();
        let waiting = events.task("waiting").spawn(|| -> () {
            loop {
                segno::pause(); // the cancellation wakes it once, as anything may
            }
        });
        let before = stack::stats();
        events.run_until_idle();
        events.shutdown();
        assert_eq!((why(waiting.join()), change(before).2), (CancelKind::Retired, 1));
        let reports = given_up();
        assert!(reports.len() == 1 && reports[0].contains("task `waiting`"), "{reports:?}");
    }),
    ("given up with it is all that it borrows from and that borrows from it", || {
        let drops = Drops::default();
        let mut events = virtual_loop();
        let held = drops.watch();
        let parent = events.task("parent").spawn(move || {
            let local = held;
            segno::scope(|s| {
                s.spawn(|| {
                    let _theirs = &local;
                    loop {
                        segno::pause();
                    }
                });
                s.spawn(|| {
                    segno::sleep(LONG);
                    drop(local.watch());
                });
            });
        });
        let before = stack::stats();
        events.run_until_idle();
        events.shutdown();
        // The one that slept has returned; the parent and the one that waits stay for ever.
        assert_eq!((why(parent.join()), drops.count()), (CancelKind::Retired, 1));
        assert_eq!(change(before).2, 2);
        assert_eq!(given_up().len(), 1);
    }),
    ("a long computation may look whether it is cancelled as often as it likes", || {
        let looked = tasks(|| {
            let task = segno::spawn(|| {
                segno::yield_now();
                (0..3 << 20)
                    .filter(|_| {
                        segno::checkpoint();
                        segno::is_cancelled()
                    })
                    .count()
            });
            segno::yield_now();
            task.cancel("enough");
            task.join()
        });
        assert_eq!(looked.expect("it returned"), 3 << 20);
        assert_eq!(given_up(), [""; 0]);
    }),
    ("a pool ends: what waits returns early, what is joined has its result", || {
        let pool = segno::Pool::builder().threads(2).build().expect("two threads");
        let woken = pool.spawn(|| {
            segno::sleep(LONG);
            segno::is_cancelled()
        });
        // All at once, of which most have not begun when the pool ends.
        let sum = pool.spawn(|| {
            segno::pool::map(0..1000_u32, |n| {
                if n == 10 {
                    segno::sleep(LONG);
                }
                n
            })
            .into_iter()
            .sum::<u32>()
        });
        std::thread::sleep(Duration::from_millis(20));
        drop(pool);
        assert!(woken.join().expect("it returned"));
        assert_eq!(sum.join().expect("it returned"), 499_500);
        assert_eq!(given_up(), [""; 0]);
    }),
    ("leaving a paused scoped coroutine aborts and names it", || {
        assert_aborts("scoped-coroutine", &["coroutine `left behind`", "main.rs", "still paused"]);
    }),
    ("a scoped generator that goes on for ever aborts and is named", || {
        assert_aborts("endless-generator", &["coroutine `endless`", "main.rs"]);
    }),
    ("the closure of `run` that is cancelled and goes on for ever aborts and is named", || {
        assert_aborts("endless-run", &["task `run`", "main.rs", "borrows from a frame outside"]);
    }),
    ("a cancelled script is left as it is, and its exit closures run", scripts::cancelled_is_left),
    ("a script whose waits give errors comes home", scripts::fallible_comes_home),
    ("a family of scripts is left whole", scripts::families_are_left_whole),
    ("limits and races of scripts work with such bodies", scripts::fallible_bodies_make_limits_work),
    ("a game that cancels scripts goes on, and the reports count", scripts::a_game_goes_on),
    ("a script ends itself; one that never ran is dropped", scripts::exit_and_unstarted),
];

/// Stops a loop whose closure, which may borrow from here, does not care.
fn leave_endless_run() {
    let _ = virtual_loop().run(|| {
        segno::handle().stop();
        loop {
            segno::yield_now();
        }
    });
}

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
            segno::on_report(|report| {
                REPORTS.lock().expect("nobody panics").push(report.clone());
            });
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
        Some("endless-run") => {
            leave_endless_run();
            ExitCode::SUCCESS
        }
        Some(other) => {
            eprintln!(
                "`{other}` is none of `scoped-coroutine`, `endless-generator`, `endless-run`"
            );
            ExitCode::FAILURE
        }
    }
}
