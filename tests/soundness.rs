//! The attacks: safe code, or code that a binding could be driven to, that must not break memory,
//! run a destructor twice, or pause what does not run.

#![allow(
    unsafe_code,
    reason = "smuggles pausers to where safe code cannot bring them, and calls C"
)]

mod support;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use segno::{Builder, Coroutine, Generator, Outlet, Pauser, State, Status, no_pause, stack};

use support::{
    Meddler, OnDrop, Tally, alone, assert_aborted, assert_exited, child, live, many, meddle,
    panic_of, panic_text, reports, while_unwinding, without_loss,
};

/// A pauser brought out of its coroutine: what `scoped-tls` and the like allow to safe code.
struct Smuggled<In, Out>(Rc<Cell<Place<In, Out>>>);

/// Where a pauser is, once it is out.
type Place<In, Out> = Option<NonNull<Pauser<In, Out>>>;

impl<In, Out> Clone for Smuggled<In, Out> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<In, Out> Smuggled<In, Out> {
    /// Nothing brought out yet.
    fn new() -> Self {
        Self(Rc::new(Cell::new(None)))
    }

    /// Brings one out.
    fn take_from(&self, pauser: &Pauser<In, Out>) {
        self.0.set(Some(NonNull::from(pauser)));
    }

    /// Pauses with it.
    #[track_caller]
    fn pause(&self, out: Out) -> In {
        let pauser = self.0.get().expect("one was brought out");
        // SAFETY: the tests keep the coroutine that it belongs to from ending.
        unsafe { pauser.as_ref() }.pause(out)
    }
}

/// A coroutine that lets its pauser out and pauses with what it gets until that is 0.
fn lets_out(name: &'static str, smuggled: &Smuggled<u32, u32>) -> Coroutine<u32, u32, u32> {
    let smuggled = smuggled.clone();
    Builder::new()
        .name(name)
        .build(move |co: &Pauser<u32, u32>, mut value| {
            smuggled.take_from(co);
            let mut sum = value;
            while value != 0 {
                value = co.pause(value);
                sum += value;
            }
            sum
        })
        .unwrap()
}

#[test]
fn pausing_a_paused_one_from_another_is_refused_and_harms_neither() {
    without_loss(|| {
        let smuggled = Smuggled::new();
        let mut victim = lets_out("victim", &smuggled);
        assert_eq!(victim.resume(1), State::Paused(1));
        let mut attacker = Builder::new()
            .name("attacker")
            .build(move |co: &Pauser<u32, u32>, value| {
                for _ in 0..3 {
                    let line = line!() + 1;
                    let text = panic_text(|| smuggled.pause(666));
                    for part in ["victim", "attacker", &format!("soundness.rs:{line}:")] {
                        assert!(text.contains(part), "{part}: {text}");
                    }
                }
                co.pause(value + 1)
            })
            .unwrap();
        assert_eq!(attacker.resume(1), State::Paused(2));
        assert_eq!(victim.resume(2), State::Paused(2));
        assert_eq!(attacker.resume(5), State::Complete(5));
        assert_eq!(victim.resume(0), State::Complete(3));
    });
}

#[test]
fn pausing_a_paused_one_from_the_threads_own_stack_is_refused() {
    without_loss(|| {
        let smuggled = Smuggled::new();
        let mut victim = lets_out("victim", &smuggled);
        victim.resume(1);
        let text = panic_text(|| smuggled.pause(666));
        assert!(text.contains("victim") && text.contains("not a coroutine"), "{text}");
        let text = panic_text(|| stack::grow(64 << 10, || smuggled.pause(666)));
        assert!(text.contains("victim") && text.contains("grow"), "{text}");
        assert_eq!(victim.resume(0), State::Complete(1));
    });
}

#[test]
fn a_resumer_cannot_pause_what_it_has_resumed() {
    without_loss(|| {
        let smuggled = Smuggled::new();
        let mut inner = lets_out("inner", &smuggled);
        let mut outer = Coroutine::new(move |co: &Pauser<u32, u32>, value| {
            inner.resume(value);
            let text = panic_text(|| smuggled.pause(666));
            assert!(text.contains("inner"), "{text}");
            let next = co.pause(value);
            inner.resume(next).paused().unwrap()
        });
        assert_eq!(outer.resume(1), State::Paused(1));
        assert_eq!(outer.resume(2), State::Complete(2));
    });
}

#[test]
fn a_resumer_that_is_not_scoped_can_be_paused_from_inside() {
    without_loss(|| {
        // The inner one is `'static` and its handle is elsewhere: it leaves with the outer one.
        let smuggled = Smuggled::<u32, u32>::new();
        let inner = Rc::new(RefCell::new(Coroutine::new({
            let smuggled = smuggled.clone();
            move |co: &Pauser<u32, u32>, value: u32| {
                let got = smuggled.pause(value + 1);
                let got = co.pause(got + 1);
                smuggled.pause(got + 1)
            }
        })));
        let mut outer = Coroutine::new({
            let inner = inner.clone();
            move |co: &Pauser<u32, u32>, value| {
                smuggled.take_from(co);
                let got = inner.borrow_mut().resume(value).paused().unwrap();
                inner.borrow_mut().resume(got + 100).complete().unwrap()
            }
        });
        assert_eq!(outer.resume(1), State::Paused(2));
        // It left while it ran, so nobody else can have it.
        assert!(inner.try_borrow_mut().is_err());
        assert_eq!(outer.resume(10), State::Paused(112));
        assert_eq!(outer.resume(20), State::Complete(20));
        assert_eq!(inner.borrow().status(), Status::Complete);
    });
}

#[test]
fn siblings_cannot_pause_each_other_in_any_order() {
    without_loss(|| {
        let names = ["a", "b", "c"];
        let smuggled: Rc<Vec<_>> = Rc::new(names.map(|_| Smuggled::<(), ()>::new()).into());
        let mut all: Vec<_> = (0..names.len())
            .map(|me| {
                let smuggled = smuggled.clone();
                let body = move |co: &Pauser<(), ()>, ()| {
                    smuggled[me].take_from(co);
                    co.pause(());
                    for _ in 0..2 {
                        for other in (0..names.len()).filter(|&other| other != me) {
                            let text = panic_text(|| smuggled[other].pause(()));
                            assert!(text.contains(&format!("`{}`", names[other])), "{text}");
                            assert!(text.contains(&format!("`{}`", names[me])), "{text}");
                        }
                        smuggled[me].pause(());
                    }
                };
                Builder::new().name(names[me]).build(body).unwrap()
            })
            .collect();
        for _ in 0..3 {
            all.iter_mut().for_each(|co| assert_eq!(co.resume(()), State::Paused(())));
        }
        all.iter_mut().for_each(|co| assert_eq!(co.resume(()), State::Complete(())));
    });
}

#[test]
fn a_refused_pause_drops_its_value_once() {
    without_loss(|| {
        let tally = Tally::default();
        let smuggled = Smuggled::<(), support::Witness>::new();
        let mut victim = Coroutine::new({
            let (smuggled, witness) = (smuggled.clone(), tally.witness("out"));
            move |co: &Pauser<(), support::Witness>, ()| {
                smuggled.take_from(co);
                co.pause(witness);
            }
        });
        drop(victim.resume(()));
        assert_eq!(tally.gone(), ["out"]);
        panic_of(|| smuggled.pause(tally.witness("refused")));
        assert_eq!(tally.gone(), ["refused"]);
        assert_eq!(victim.resume(()).complete(), Some(()));
        assert_eq!(tally.alive(), 0);
    });
}

#[test]
fn a_coroutine_cannot_resume_itself_or_its_resumer() {
    without_loss(|| {
        type Shared = Rc<RefCell<Option<Coroutine<(), (), ()>>>>;
        let myself: Shared = Rc::default();
        let inner: Shared = Rc::default();
        *inner.borrow_mut() = Some(Coroutine::new({
            let myself = myself.clone();
            move |_: &Pauser<(), ()>, ()| {
                assert!(myself.try_borrow_mut().is_err(), "the resumer runs");
            }
        }));
        *myself.borrow_mut() = Some(Coroutine::new({
            let (myself, inner) = (myself.clone(), inner.clone());
            move |co: &Pauser<(), ()>, ()| {
                let text = panic_text(|| myself.borrow_mut().as_mut().unwrap().resume(()));
                assert!(text.contains("borrowed"), "{text}");
                inner.borrow_mut().as_mut().unwrap().resume(());
                co.pause(());
            }
        }));
        myself.borrow_mut().as_mut().unwrap().resume(());
        myself.borrow_mut().as_mut().unwrap().resume(());
        assert_eq!(myself.take().unwrap().status(), Status::Complete);
    });
}

#[test]
fn taking_a_running_one_out_of_its_cell_finds_nothing() {
    without_loss(|| {
        // The only safe way to resume what lies in a `Cell` is to take it out first.
        let cell: Rc<Cell<Option<Coroutine<(), (), ()>>>> = Rc::default();
        cell.set(Some(Coroutine::new({
            let cell = cell.clone();
            move |co: &Pauser<(), ()>, ()| {
                assert!(cell.take().is_none());
                co.pause(());
                // By now it is back there, but it is running, so again it has been taken out.
                assert!(cell.take().is_none());
            }
        })));
        for _ in 0..2 {
            let mut co = cell.take().unwrap();
            co.resume(());
            cell.set(Some(co));
        }
        drop(cell.take());
    });
}

#[test]
fn one_kept_alive_by_its_own_frame_leaks_and_nothing_else() {
    alone(|| {
        let (tally, before) = (Tally::default(), stack::stats());
        let kept: Rc<RefCell<Option<Coroutine<(), (), ()>>>> = Rc::default();
        let own = kept.clone();
        let witness = tally.witness("on its frame");
        *kept.borrow_mut() = Some(Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            let _frame = (own, witness);
            co.pause(());
        }));
        kept.borrow_mut().as_mut().unwrap().resume(());
        drop(kept);
        assert_eq!((tally.alive(), live()), (1, before.live + 1));
        assert_eq!(stack::stats().leaked, before.leaked);
    });
}

#[test]
fn a_forgotten_one_leaks_and_nothing_else() {
    alone(|| {
        let (tally, before) = (Tally::default(), live());
        for resumes in 0..2 {
            let witness = tally.witness("captured");
            let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
                let _witness = witness;
                co.pause(());
            });
            for _ in 0..resumes {
                co.resume(());
            }
            std::mem::forget(co);
        }
        let mut generator = Generator::new(|out: &Outlet<u32>| out.pause_all(0..));
        generator.next();
        std::mem::forget(generator);
        assert_eq!((tally.alive(), live()), (2, before + 3));
        stack::trim();
        meddle();
        assert_eq!((tally.alive(), live()), (2, before + 3));
    });
}

#[test]
fn a_thread_scope_in_a_forgotten_one_keeps_its_borrows() {
    alone(|| {
        let seen = Arc::new(AtomicUsize::new(0));
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (done, finished) = std::sync::mpsc::channel::<()>();
        let counted = seen.clone();
        let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            let words = ["da".to_owned(), "capo".to_owned()];
            thread::scope(|scope| {
                let words = &words;
                scope.spawn(move || {
                    wait.recv().unwrap();
                    // The frame that owns `words` was paused and forgotten long ago.
                    counted.store(words.iter().map(String::len).sum(), Relaxed);
                    done.send(()).unwrap();
                });
                co.pause(());
            });
        });
        co.resume(());
        std::mem::forget(co);
        // Whatever could reuse the stack does so now.
        stack::trim();
        (0..many(100, 2)).for_each(|_| meddle());
        go.send(()).unwrap();
        finished.recv().unwrap();
        assert_eq!(seen.load(Relaxed), 6);
    });
}

#[test]
fn entered_ones_can_be_forgotten_inside_the_callback() {
    without_loss(|| {
        let tally = Tally::default();
        let body = |co: &Pauser<(), u8>, ()| {
            let _here = tally.witness("here");
            co.pause(1);
        };
        Coroutine::scoped(body).enter(|co| {
            assert_eq!(co.resume(()), State::Paused(1));
            let co = Box::new(co);
            std::mem::forget(co);
        });
        assert_eq!(tally.gone(), ["here"]);
        Generator::scoped(|out: &Outlet<u8>| body(out, ())).enter(|items| {
            assert_eq!(items.next(), Some(1));
            std::mem::forget(Box::new(items));
        });
        assert_eq!(tally.gone(), ["here"]);
    });
}

#[test]
fn a_destructor_may_pause_when_nothing_unwinds() {
    without_loss(|| {
        let mut co = Coroutine::new(|co: &Pauser<u32, u32>, first| {
            {
                let _pauses = OnDrop(|| assert_eq!(co.pause(first + 1), 20));
            }
            co.pause(30)
        });
        assert_eq!(co.resume(1), State::Paused(2));
        assert_eq!(co.resume(20), State::Paused(30));
        assert_eq!(co.resume(40), State::Complete(40));
    });
}

#[test]
#[cfg_attr(miri, ignore = "aborts in a child process")]
fn a_destructor_that_pauses_while_a_panic_unwinds_aborts_by_name() {
    const TEST: &str = "a_destructor_that_pauses_while_a_panic_unwinds_aborts_by_name";
    let output = child(TEST, || {
        let mut co = Builder::new()
            .name("sleeper")
            .build(|co: &Pauser<(), ()>, ()| {
                let _pauses = OnDrop(|| co.pause(()));
                resume_unwind(Box::new("on purpose"));
            })
            .unwrap();
        co.resume(());
    });
    assert_aborted(&output, &["sleeper", "soundness.rs:", "unwinds", "must not pause"]);
}

#[test]
#[cfg_attr(miri, ignore = "aborts in a child process")]
fn a_destructor_that_pauses_while_a_cancellation_unwinds_aborts_by_name() {
    const TEST: &str = "a_destructor_that_pauses_while_a_cancellation_unwinds_aborts_by_name";
    let output = child(TEST, || {
        let mut co = Builder::new()
            .name("sleeper")
            .build(|co: &Pauser<(), ()>, ()| {
                let _pauses = OnDrop(|| co.pause(()));
                co.pause(());
            })
            .unwrap();
        co.resume(());
        co.cancel();
    });
    assert_aborted(&output, &["sleeper", "soundness.rs:", "unwinds", "must not pause"]);
}

#[test]
#[cfg_attr(miri, ignore = "aborts in a child process")]
fn a_destructor_that_pauses_in_one_dropped_by_an_unwinding_frame_aborts_by_name() {
    const TEST: &str =
        "a_destructor_that_pauses_in_one_dropped_by_an_unwinding_frame_aborts_by_name";
    let output = child(TEST, || {
        let mut co = Builder::new()
            .name("sleeper")
            .build(|co: &Pauser<(), ()>, ()| {
                let _pauses = OnDrop(|| co.pause(()));
                co.pause(());
            })
            .unwrap();
        co.resume(());
        while_unwinding(move || drop(co));
    });
    assert_aborted(&output, &["sleeper", "soundness.rs:", "unwinds", "must not pause"]);
}

#[test]
#[cfg_attr(miri, ignore = "aborts in a child process")]
fn a_destructor_that_pauses_an_inner_one_while_the_outer_is_cancelled_aborts_by_name() {
    const TEST: &str =
        "a_destructor_that_pauses_an_inner_one_while_the_outer_is_cancelled_aborts_by_name";
    // Both were resumed while something unwound already; then the outer one's cancellation unwinds
    // the inner one, which has not been cancelled itself.
    let output = child(TEST, || {
        while_unwinding(|| {
            let mut outer = Coroutine::new(|outer: &Pauser<(), ()>, ()| {
                Builder::new()
                    .name("inner")
                    .scoped(|inner: &Pauser<(), ()>, ()| {
                        let _pauses = OnDrop(|| inner.pause(()));
                        outer.pause(());
                    })
                    .enter(|inner| while let State::Paused(()) = inner.resume(()) {});
            });
            outer.resume(());
            drop(outer);
        });
    });
    assert_aborted(&output, &["inner", "soundness.rs:", "unwinds", "must not pause"]);
}

#[test]
fn a_generators_pause_returns_at_once_while_unwinding() {
    without_loss(|| {
        let tally = Tally::default();
        let make = |fail: bool| {
            let tally = tally.clone();
            Generator::new(move |out: &Outlet<support::Witness>| {
                let _last = OnDrop(|| {
                    out.pause(tally.witness("refused"));
                    out.pause_all((0..3).map(|_| tally.witness("refused too")));
                });
                out.pause(tally.witness("item"));
                assert!(fail);
                resume_unwind(Box::new("on purpose"));
            })
        };
        let mut panics = make(true);
        drop(panics.next());
        assert_eq!(panic_text(|| panics.next().map(drop)), "on purpose");
        assert!(panics.next().is_none());
        // What comes from an iterator is not even made.
        let refused = ["item", "refused"];
        assert_eq!(tally.gone(), refused);

        let mut dropped = make(false);
        drop(dropped.next());
        drop(dropped);
        assert_eq!(tally.gone(), refused);

        let mut dropped = make(false);
        drop(dropped.next());
        while_unwinding(move || drop(dropped));
        assert_eq!(tally.gone(), refused);
        assert_eq!(tally.alive(), 0);
    });
}

#[test]
fn nobody_sees_the_panic_of_a_paused_one() {
    without_loss(|| {
        // A generator unwinds and its destructor pauses; a coroutine's body catches and pauses.
        let mut unwinds = Generator::new(|out: &Outlet<bool>| {
            let _pauses = OnDrop(|| out.pause(true));
            out.pause(thread::panicking());
            resume_unwind(Box::new("on purpose"));
        });
        let mut catches = Coroutine::new(|co: &Pauser<(), bool>, ()| {
            loop {
                panic_of(|| resume_unwind(Box::new("on purpose")));
                co.pause(thread::panicking());
            }
        });
        let mut watches = Coroutine::new(|co: &Pauser<(), bool>, ()| {
            loop {
                co.pause(thread::panicking());
            }
        });
        for i in 0..3 {
            match i {
                0 => assert_eq!(unwinds.next(), Some(false)),
                1 => _ = panic_of(|| unwinds.next()),
                _ => assert_eq!(unwinds.next(), None),
            }
            assert_eq!(catches.resume(()), State::<_, ()>::Paused(false));
            assert_eq!(watches.resume(()), State::<_, ()>::Paused(false));
            assert!(!thread::panicking());
        }
    });
}

#[test]
fn a_static_generator_works_inside_a_destructor_during_a_panic() {
    without_loss(|| {
        // Made there, made before, started before.
        let mut fresh = Generator::new(|out: &Outlet<u32>| out.pause_all(0..5));
        let mut started = Generator::new(|out: &Outlet<u32>| out.pause_all(0..5));
        started.next();
        let sums = while_unwinding(|| {
            let made = Generator::new(|out: &Outlet<u32>| out.pause_all(0..5)).sum::<u32>();
            (made, fresh.by_ref().take(3).sum::<u32>(), started.by_ref().take(2).sum::<u32>())
        });
        assert_eq!(sums, (10, 3, 3));
        assert_eq!((fresh.sum::<u32>(), started.sum::<u32>()), (7, 7));
    });
}

#[test]
fn a_coroutine_works_inside_a_destructor_during_a_cancellation() {
    without_loss(|| {
        let sum = Rc::new(Cell::new(0));
        let result = sum.clone();
        let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            let _drives = OnDrop(|| {
                let mut inner = Coroutine::new(|co: &Pauser<u32, u32>, x| co.pause(x + 1) + 1);
                let out = inner.resume(1).paused().unwrap();
                result.set(out + inner.resume(10).complete().unwrap());
            });
            co.pause(());
        });
        co.resume(());
        co.cancel();
        assert_eq!(sum.get(), 13);
    });
}

#[test]
fn an_inner_one_resumed_through_its_outer_during_a_panic_may_pause() {
    const TEST: &str = "an_inner_one_resumed_through_its_outer_during_a_panic_may_pause";
    // The outer one pauses from inside the inner one, before any panic. A destructor goes on with
    // the outer one during a panic, so the inner one goes on too: nothing of theirs unwinds.
    let output = child(TEST, || {
        let mut outer = Coroutine::new(|outer: &Pauser<(), u32>, ()| {
            Coroutine::scoped(|inner: &Pauser<(), u32>, ()| {
                outer.pause(1);
                inner.pause(2);
                inner.pause(3);
            })
            .enter(|inner| {
                while let State::Paused(out) = inner.resume(()) {
                    outer.pause(10 * out);
                }
            });
        });
        assert_eq!(outer.resume(()), State::Paused(1));
        while_unwinding(|| {
            assert_eq!(outer.resume(()), State::Paused(20));
            assert_eq!(outer.resume(()), State::Paused(30));
        });
        assert_eq!(outer.resume(()), State::Complete(()));
    });
    assert_exited(&output, 0);
}

#[test]
fn an_inner_generator_resumed_through_its_outer_during_a_panic_loses_no_item() {
    without_loss(|| {
        let mut outer = Generator::new(|outer: &Outlet<u32>| {
            Generator::scoped(|inner: &Outlet<u32>| {
                outer.pause(1);
                inner.pause_all(2..=4);
            })
            .enter(|inner| outer.pause_all(inner.map(|item| 10 * item)));
        });
        assert_eq!(outer.next(), Some(1));
        let rest = while_unwinding(|| outer.collect::<Vec<_>>());
        assert_eq!(rest, [20, 30, 40]);
    });
}

#[test]
#[cfg_attr(miri, ignore = "aborts in a child process")]
fn an_inner_one_first_resumed_during_a_panic_may_not_pause_in_its_own_later() {
    const TEST: &str = "an_inner_one_first_resumed_during_a_panic_may_not_pause_in_its_own_later";
    // The inner one was resumed while something unwound, left with its outer one, and went on when
    // that was over. The panic that unwinds now is its own.
    let output = child(TEST, || {
        let mut outer = Coroutine::new(|outer: &Pauser<(), ()>, ()| {
            Builder::new()
                .name("inner")
                .scoped(|inner: &Pauser<(), ()>, ()| {
                    outer.pause(());
                    let _pauses = OnDrop(|| inner.pause(()));
                    resume_unwind(Box::new("the inner one's own"));
                })
                .enter(|inner| {
                    inner.resume(());
                    assert!(!thread::panicking(), "a panic of another was seen");
                });
        });
        while_unwinding(|| outer.resume(()));
        outer.resume(());
    });
    assert_aborted(&output, &["inner", "soundness.rs:", "unwinds", "must not pause"]);
}

#[test]
#[cfg_attr(miri, ignore = "aborts in a child process")]
fn an_inner_one_that_once_went_on_during_a_panic_may_not_pause_in_its_own_later() {
    const TEST: &str =
        "an_inner_one_that_once_went_on_during_a_panic_may_not_pause_in_its_own_later";
    // It was resumed when nothing unwound, went on with its outer one during a panic, and paused.
    let output = child(TEST, || {
        let mut outer = Coroutine::new(|outer: &Pauser<(), ()>, ()| {
            Builder::new()
                .name("inner")
                .scoped(|inner: &Pauser<(), ()>, ()| {
                    outer.pause(());
                    inner.pause(());
                    let _pauses = OnDrop(|| inner.pause(()));
                    resume_unwind(Box::new("the inner one's own"));
                })
                .enter(|inner| {
                    inner.resume(());
                    outer.pause(());
                    inner.resume(());
                });
        });
        outer.resume(());
        while_unwinding(|| outer.resume(()));
        outer.resume(());
    });
    assert_aborted(&output, &["inner", "soundness.rs:", "unwinds", "must not pause"]);
}

#[test]
fn nothing_refers_to_the_frames_of_a_panic_that_is_over() {
    const TEST: &str = "nothing_refers_to_the_frames_of_a_panic_that_is_over";
    // An inner one is first resumed during a panic and leaves with its outer one; when it comes back
    // the destructor from which both were resumed is long gone.
    #[inline(never)]
    fn overwrite_the_stack() {
        std::hint::black_box([0xD5_u8; 200_000]);
    }
    let output = child(TEST, || {
        let mut outer = Coroutine::new(|outer: &Pauser<(), u32>, ()| {
            Coroutine::scoped(|inner: &Pauser<(), ()>, ()| {
                outer.pause(1);
                inner.pause(());
            })
            .enter(|inner| {
                inner.resume(());
                outer.pause(2);
            });
        });
        assert_eq!(while_unwinding(|| outer.resume(())), State::Paused(1));
        overwrite_the_stack();
        assert_eq!(outer.resume(()), State::Paused(2));
        overwrite_the_stack();
        // Asks whether a panic is its own, which it is: no item may come out of the destructor.
        let mut items = Generator::new(|out: &Outlet<u32>| {
            out.pause(3);
            let _refused = OnDrop(|| out.pause(666));
            resume_unwind(Box::new("its own"));
        });
        assert_eq!(items.next(), Some(3));
        assert_eq!(panic_text(|| items.next()), "its own");
        // The same while another panic is under way.
        let mut sum = Generator::new(|out: &Outlet<u32>| out.pause_all(0..5));
        sum.next();
        assert_eq!(while_unwinding(|| sum.sum::<u32>()), 10);
        assert_eq!(outer.resume(()), State::Complete(()));
    });
    assert_exited(&output, 0);
}

#[test]
fn a_generator_whose_destructor_was_refused_a_pause_still_works_in_a_later_panic() {
    without_loss(|| {
        // It caught its own panic, during which a destructor paused in vain. That is over.
        let mut items = Generator::new(|out: &Outlet<u32>| {
            panic_of(|| {
                let _refused = OnDrop(|| out.pause(666));
                resume_unwind(Box::new("caught inside"));
            });
            out.pause_all(1..=6);
        });
        assert_eq!(items.next(), Some(1));
        assert_eq!(while_unwinding(|| items.by_ref().take(3).collect::<Vec<_>>()), [2, 3, 4]);
        assert_eq!(items.collect::<Vec<_>>(), [5, 6]);
    });
}

#[test]
fn a_paused_one_dropped_by_an_unwinding_frame_is_unwound() {
    without_loss(|| {
        let tally = Tally::default();
        let counter = tally.clone();
        let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            let _outer = counter.witness("outer");
            let mut nested = Coroutine::new({
                let counter = counter.clone();
                move |co: &Pauser<(), ()>, ()| {
                    let _inner = counter.witness("inner");
                    co.pause(());
                }
            });
            nested.resume(());
            co.pause(());
        });
        co.resume(());
        while_unwinding(move || drop(co));
        assert_eq!(tally.gone(), ["inner", "outer"]);
    });
}

#[test]
#[cfg_attr(miri, ignore = "aborts in a child process")]
fn entering_while_something_unwinds_is_refused_with_a_message() {
    const TEST: &str = "entering_while_something_unwinds_is_refused_with_a_message";
    let output = child(TEST, || {
        let _enters = OnDrop(|| Coroutine::scoped(|_: &Pauser<(), ()>, ()| ()).enter(|_| ()));
        resume_unwind(Box::new("on purpose"));
    });
    assert_aborted(&output, &["soundness.rs:", "entered while a panic or cancellation unwinds"]);
}

#[test]
fn a_body_driven_in_a_destructor_may_enter_scoped_ones() {
    without_loss(|| {
        // Nothing of its own unwinds, so its frames can wait.
        let mut co = Coroutine::new(|co: &Pauser<u32, u32>, first| {
            let sum = |n| Generator::scoped(|out| out.pause_all(0..n)).enter(|all| all.sum());
            let first: u32 = sum(first);
            let second = co.pause(first);
            sum(second)
        });
        assert_eq!(while_unwinding(|| co.resume(4)), State::Paused(6));
        assert_eq!(while_unwinding(|| co.resume(5)), State::Complete(10));
    });
}

#[test]
fn a_second_panic_from_a_drop_during_a_panic_is_reported() {
    without_loss(|| {
        let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
            panic_of(|| co.pause(()));
            resume_unwind(Box::new("instead of ending"));
        });
        co.resume(());
        let ((), told) = reports(|| while_unwinding(move || drop(co)));
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].kind(), segno::ReportKind::LostPanic);
        assert!(told[0].message().contains("instead of ending"), "{}", told[0]);
        assert!(told[0].to_string().starts_with("segno: "));
    });
}

#[test]
#[cfg_attr(miri, ignore = "reads what a child process says")]
fn a_capture_that_panics_when_dropped_during_a_panic_is_reported() {
    const TEST: &str = "a_capture_that_panics_when_dropped_during_a_panic_is_reported";
    let output = child(TEST, || {
        let bad = OnDrop(|| resume_unwind(Box::new("from a capture")));
        let co = Coroutine::new(move |_: &Pauser<(), ()>, ()| drop(bad));
        while_unwinding(move || drop(co));
    });
    assert_exited(&output, 0);
    assert!(String::from_utf8_lossy(&output.stderr).contains("from a capture"));
}

#[test]
#[cfg_attr(miri, ignore = "aborts in a child process")]
fn a_destructor_that_panics_while_a_cancellation_unwinds_aborts_as_everywhere_in_rust() {
    const TEST: &str =
        "a_destructor_that_panics_while_a_cancellation_unwinds_aborts_as_everywhere_in_rust";
    let output = child(TEST, || {
        let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
            let _bad = OnDrop(|| panic!("from a destructor"));
            co.pause(());
        });
        co.resume(());
        drop(co);
    });
    assert_aborted(&output, &["from a destructor"]);
}

#[test]
fn one_kept_in_a_thread_local_is_unwound_at_thread_exit() {
    alone(|| {
        // Both orders: the stacks' own thread-local is made before or after the user's.
        for stacks_first in [false, true] {
            let before = stack::stats();
            let drops = Arc::new(AtomicUsize::new(0));
            let counted = drops.clone();
            thread::spawn(move || {
            struct Count(Arc<AtomicUsize>);
            impl Drop for Count {
                fn drop(&mut self) {
                    self.0.fetch_add(1, Relaxed);
                    // Stacks can still be had and given back, whatever is gone already.
                    meddle();
                }
            }
            thread_local! {
                static KEPT: RefCell<Vec<Coroutine<(), (), ()>>> = const { RefCell::new(Vec::new()) };
            }
            if stacks_first {
                meddle();
            }
            KEPT.with_borrow_mut(|kept| kept.reserve(3));
            for resumes in 0..3 {
                let count = Count(counted.clone());
                let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
                    let _count = count;
                    co.pause(());
                });
                (0..resumes).for_each(|_| _ = co.resume(()));
                KEPT.with_borrow_mut(|kept| kept.push(co));
            }
        })
        .join()
        .unwrap();
            assert_eq!(drops.load(Relaxed), 3);
            let after = stack::stats();
            assert_eq!((after.live, after.leaked), (before.live, before.leaked));
        }
    });
}

#[test]
fn stacks_of_ended_threads_are_used_again() {
    alone(|| {
        let make = || {
            let mut all: Vec<_> = (0..many(50, 5))
                .map(|_| Coroutine::new(|co: &Pauser<(), ()>, ()| co.pause(())))
                .collect();
            all.iter_mut().for_each(|co| _ = co.resume(()));
        };
        let before = stack::stats();
        thread::spawn(make).join().unwrap();
        let once = stack::stats();
        for _ in 0..many(20, 3) {
            thread::spawn(make).join().unwrap();
        }
        let after = stack::stats();
        assert_eq!((after.live, after.idle), (before.live, once.idle));
    });
}

#[test]
#[cfg_attr(miri, ignore = "exits in a child process")]
fn process_exit_inside_one_kept_in_a_thread_local_exits_cleanly() {
    const TEST: &str = "process_exit_inside_one_kept_in_a_thread_local_exits_cleanly";
    thread_local! {
        static KEPT: RefCell<Option<Coroutine<(), (), ()>>> = const { RefCell::new(None) };
    }
    let output = child(TEST, || {
        KEPT.set(Some(Coroutine::new(|co: &Pauser<(), ()>, ()| {
            // Deep enough that an unmapped or reused stack would show.
            let frame = std::hint::black_box([7_u8; 4_000]);
            let mut inner = Coroutine::new(move |_: &Pauser<(), ()>, ()| {
                std::process::exit(i32::from(frame[3_999]));
            });
            co.pause(());
            inner.resume(());
        })));
        KEPT.with_borrow_mut(|co| {
            let co = co.as_mut().unwrap();
            co.resume(());
            co.resume(());
        });
    });
    assert_exited(&output, 7);
}

#[test]
fn a_thread_that_ends_while_one_is_paused_elsewhere_harms_nothing() {
    without_loss(|| {
        let mut co = Coroutine::new(|co: &Pauser<u32, u32>, x| co.pause(x) + 1);
        co.resume(1);
        thread::spawn(meddle).join().unwrap();
        assert_eq!(co.resume(2), State::Complete(3));
    });
}

#[test]
#[cfg_attr(miri, ignore = "calls C")]
fn pausing_through_c_frames_works() {
    unsafe extern "C" {
        fn qsort(base: *mut u32, count: usize, width: usize, compare: Compare);
    }
    type Compare = unsafe extern "C" fn(*const u32, *const u32) -> i32;
    thread_local! {
        static SORTING: Cell<Place<bool, (u32, u32)>> = const { Cell::new(None) };
    }
    unsafe extern "C" fn compare(a: *const u32, b: *const u32) -> i32 {
        // SAFETY: the pauser's coroutine runs and waits in `qsort`, which passes valid elements.
        let (co, a, b) = unsafe { (SORTING.get().unwrap().as_ref(), *a, *b) };
        if co.pause((a, b)) { 1 } else { -1 }
    }
    fn sort(co: &Pauser<bool, (u32, u32)>, mut list: Vec<u32>) -> Vec<u32> {
        SORTING.set(Some(NonNull::from(co)));
        // SAFETY: the elements are of the width given, and the comparison is of their type.
        unsafe { qsort(list.as_mut_ptr(), list.len(), 4, compare) };
        list
    }

    without_loss(|| {
        let list: Vec<u32> = (0..50).map(|i| i * 37 % 50).collect();
        let mut co = Coroutine::new(move |co: &Pauser<bool, (u32, u32)>, _| sort(co, list));
        let mut state = co.resume(false);
        let mut asked = 0;
        let sorted = loop {
            match state {
                // The comparison is answered out here, between C's frames and ours.
                State::Paused((a, b)) => state = co.resume(a > b),
                State::Complete(list) => break list,
            }
            asked += 1;
        };
        assert!(asked >= 49);
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    });
}

#[test]
#[cfg_attr(miri, ignore = "calls C")]
fn cancelling_through_c_frames_aborts_and_returning_early_does_not() {
    const TEST: &str = "cancelling_through_c_frames_aborts_and_returning_early_does_not";
    extern "C" fn through(co: &Pauser<(), ()>) {
        co.pause(());
    }
    /// What a binding does: the cancellation passes the foreign frames as a value.
    extern "C" fn as_value(co: &Pauser<(), ()>, caught: &Cell<Option<Payload>>) -> bool {
        catch_unwind(AssertUnwindSafe(|| co.pause(()))).map_err(|it| caught.set(Some(it))).is_ok()
    }
    type Payload = Box<dyn std::any::Any + Send>;

    without_loss(|| {
        let tally = Tally::default();
        let counter = tally.clone();
        let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            let _here = counter.witness("here");
            let caught = Cell::new(None);
            if !as_value(co, &caught) {
                resume_unwind(caught.take().unwrap());
            }
        });
        co.resume(());
        co.cancel();
        assert_eq!(co.status(), Status::Cancelled);
        assert_eq!(tally.gone(), ["here"]);
    });
    let output = child(TEST, || {
        let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| through(co));
        co.resume(());
        co.cancel();
    });
    assert_aborted(&output, &["unwind"]);
}

#[test]
fn no_pause_protects_frames_of_c() {
    extern "C" fn binding(co: &Pauser<(), ()>) -> bool {
        catch_unwind(AssertUnwindSafe(|| no_pause(|| co.pause(())))).is_err()
    }
    without_loss(|| {
        let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| binding(co));
        assert_eq!(co.resume(()), State::Complete(true));
    });
}

#[test]
fn destructors_may_use_the_library_wherever_they_run() {
    without_loss(|| {
        let drops = Rc::new(Cell::new(0));
        let new = || Meddler { drops: drops.clone() };
        let counted = |n: usize| assert_eq!(drops.replace(0), n);

        // As a capture: never run, cancelled, dropped during a panic.
        let captures = || {
            let meddler = new();
            Coroutine::new(move |co: &Pauser<(), ()>, ()| {
                let _meddler = &meddler;
                co.pause(());
            })
        };
        drop(captures());
        captures().cancel();
        while_unwinding(|| drop(captures()));
        counted(3);
        let paused = || {
            let mut co = captures();
            co.resume(());
            co
        };
        drop(paused());
        paused().cancel();
        while_unwinding(|| drop(paused()));
        counted(3);

        // As a local, left by the end, by a panic, by a cancellation.
        let local = |fail: bool| {
            let meddler = new();
            Coroutine::new(move |co: &Pauser<(), ()>, ()| {
                let _local = meddler;
                co.pause(());
                if fail {
                    resume_unwind(Box::new(()));
                }
            })
        };
        let mut ends = local(false);
        ends.resume(());
        assert_eq!(ends.resume(()), State::Complete(()));
        let mut fails = local(true);
        fails.resume(());
        panic_of(|| fails.resume(()));
        let mut cancelled = local(false);
        cancelled.resume(());
        cancelled.cancel();
        counted(3);

        // As what goes in, comes out, is returned; dropped on either side.
        let mut co = Coroutine::new(|co: &Pauser<Meddler, Meddler>, first| {
            let second = co.pause(first);
            drop(second);
            Meddler { drops: Rc::default() }
        });
        drop(co.resume(new()).paused());
        counted(1);
        drop(co.resume(new()));
        counted(1);
        drop(co.try_resume(new()));
        counted(1);

        // As a result that nobody takes.
        let meddler = new();
        let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            panic_of(|| co.pause(()));
            meddler
        });
        co.resume(());
        co.cancel();
        counted(1);

        // As a value that a pause cannot hand out.
        let meddler = new();
        let mut co = Coroutine::new(move |co: &Pauser<(), Meddler>, ()| {
            panic_of(|| no_pause(|| co.pause(meddler)));
        });
        co.resume(());
        counted(1);

        // As the result of a callback whose coroutine then ends with a panic.
        panic_of(|| {
            Coroutine::scoped(|co: &Pauser<(), ()>, ()| {
                panic_of(|| co.pause(()));
                resume_unwind(Box::new(()));
            })
            .enter(|co| {
                co.resume(());
                new()
            })
        });
        counted(1);
    });
}

#[test]
fn a_panic_payload_may_use_the_library() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    struct Payload;
    impl Drop for Payload {
        fn drop(&mut self) {
            meddle();
            DROPS.fetch_add(1, Relaxed);
        }
    }
    without_loss(|| {
        let mut co = Coroutine::new(|_: &Pauser<(), ()>, ()| resume_unwind(Box::new(Payload)));
        drop(panic_of(|| co.resume(())));
        let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
            panic_of(|| co.pause(()));
            resume_unwind(Box::new(Payload));
        });
        co.resume(());
        drop(panic_of(|| co.cancel()));
        assert_eq!(DROPS.load(Relaxed), 2);
    });
}

#[test]
fn a_destructor_may_create_and_keep_coroutines_on_the_stack_that_is_being_freed() {
    without_loss(|| {
        // What is made while a stack is on its way back must not get that very stack.
        let kept: Rc<RefCell<Vec<Coroutine<u32, u32, u32>>>> = Rc::default();
        for _ in 0..20 {
            let keeper = kept.clone();
            let makes = OnDrop(move || {
                let mut co = Coroutine::new(|co: &Pauser<u32, u32>, x| {
                    let frame = std::hint::black_box([x; 64]);
                    co.pause(x) + frame[63]
                });
                co.resume(keeper.borrow().len() as u32);
                keeper.borrow_mut().push(co);
            });
            let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
                let _makes = &makes;
                co.pause(());
            });
            if kept.borrow().len() % 2 == 0 {
                co.resume(());
            }
        }
        for (i, co) in kept.borrow_mut().iter_mut().enumerate() {
            assert_eq!(co.resume(1000), State::Complete(1000 + i as u32));
        }
    });
}
