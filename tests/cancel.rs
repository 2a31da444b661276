//! Cancellation: how a coroutine is made to end, and what becomes of one that will not.

#![allow(unsafe_code, reason = "looks at the memory of stacks that were given up")]

mod support;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;

use segno::{
    Builder, Coroutine, Generator, Outlet, Pauser, ReportKind, State, Status, is_cancel, no_pause,
    on_report, stack,
};

use support::{
    OnDrop, Tally, alone, assert_aborted, assert_exited, child, child_writing_to, live, many,
    meddle, panic_of, panic_text, reports, while_unwinding, without_loss,
};

type Payload = Box<dyn Any + Send>;

/// Pauses and catches what that unwinds with.
fn caught_pause(co: &Pauser<(), ()>) -> Result<(), Payload> {
    catch_unwind(AssertUnwindSafe(|| co.pause(())))
}

/// Never lets its cancellation pass.
fn swallow_for_ever(co: &Pauser<(), ()>) -> ! {
    loop {
        let _ = caught_pause(co);
    }
}

/// A coroutine with this name that swallows this many cancellations and returns then.
fn swallows(name: &'static str, most: u32) -> Coroutine<(), (), u32> {
    Builder::new()
        .name(name)
        .build(move |co: &Pauser<(), ()>, ()| {
            let mut swallowed = 0;
            while swallowed < most {
                swallowed += u32::from(caught_pause(co).is_err());
            }
            swallowed
        })
        .unwrap()
}

#[test]
fn every_later_pause_raises_again() {
    without_loss(|| {
        let raised = Rc::new(Cell::new(0));
        let count = raised.clone();
        let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            assert!(caught_pause(co).is_ok());
            for i in 0..10 {
                let payload = caught_pause(co).unwrap_err();
                assert!(is_cancel(&*payload));
                assert!(co.is_closed());
                assert!(!thread::panicking(), "a caught signal is over");
                assert_eq!(count.replace(i + 1), i);
            }
            co.pause(());
            unreachable!();
        });
        co.resume(());
        co.resume(());
        co.cancel();
        assert_eq!(co.status(), Status::Cancelled);
        assert_eq!(raised.get(), 10);
    });
}

#[test]
fn a_body_that_swallows_it_and_returns_is_complete_and_its_result_is_dropped() {
    without_loss(|| {
        let tally = Tally::default();
        let result = tally.witness("result");
        let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            assert!(caught_pause(co).is_err());
            result
        });
        co.resume(());
        co.cancel();
        assert_eq!(co.status(), Status::Complete);
        assert_eq!(tally.gone(), ["result"]);
    });
}

#[test]
fn a_body_that_panics_instead_hands_that_to_who_ended_it() {
    without_loss(|| {
        let make = || {
            let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
                assert!(caught_pause(co).is_err());
                resume_unwind(Box::new("instead"));
            });
            co.resume(());
            co
        };
        let mut cancelled = make();
        assert_eq!(panic_text(|| cancelled.cancel()), "instead");
        assert_eq!(cancelled.status(), Status::Panicked);
        cancelled.cancel();
        drop(cancelled);
        let dropped = make();
        assert_eq!(panic_text(|| drop(dropped)), "instead");
        // Of many that are dropped together, the first one's comes out; the others are reported.
        let many: Vec<_> = (0..3).map(|_| make()).collect();
        let (text, told) = reports(|| panic_text(|| drop(many)));
        assert_eq!(text, "instead");
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().all(|report| report.kind() == ReportKind::LostPanic));
    });
}

#[test]
fn cancellation_prints_nothing() {
    const TEST: &str = "cancellation_prints_nothing";
    let output = child(TEST, || {
        for drops in [false, true] {
            let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| co.pause(()));
            co.resume(());
            if drops { drop(co) } else { co.cancel() }
        }
    });
    assert_exited(&output, 0);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn only_the_librarys_own_payload_is_a_cancellation() {
    without_loss(|| {
        /// Of the same shape as the library's own.
        struct CancelSignal {
            #[expect(dead_code, reason = "only its type and size count")]
            number: u64,
        }
        for payload in [
            Box::new(()) as Payload,
            Box::new("cancelled"),
            Box::new(1_u64),
            Box::new(CancelSignal { number: 1 }),
        ] {
            assert!(!is_cancel(&*payload));
            // Raised during a cancellation it is not taken for it.
            let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
                assert!(is_cancel(&*caught_pause(co).unwrap_err()));
                resume_unwind(payload);
            });
            co.resume(());
            assert!(!is_cancel(&*panic_of(|| co.cancel())));
            assert_eq!(co.status(), Status::Panicked);
        }
    });
}

#[test]
fn a_signal_that_was_kept_ends_nobody_else() {
    without_loss(|| {
        let kept: Rc<RefCell<Option<Payload>>> = Rc::default();
        let keeper = kept.clone();
        let mut first = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            *keeper.borrow_mut() = caught_pause(co).err();
        });
        first.resume(());
        first.cancel();
        assert_eq!(first.status(), Status::Complete);

        // Another one raises it without having been cancelled: it passes on like any panic.
        let old = kept.take().unwrap();
        let mut second = Coroutine::new(|_: &Pauser<(), ()>, ()| resume_unwind(old));
        let old = panic_of(|| second.resume(()));
        assert!(is_cancel(&*old));
        assert!(second.status().has_ended());

        // A third one raises it in answer to its own cancellation: still not its own.
        let mut third = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            let own = caught_pause(co).unwrap_err();
            assert!(is_cancel(&*own));
            resume_unwind(old);
        });
        third.resume(());
        let old = panic_of(|| third.cancel());
        assert!(is_cancel(&*old));
        // Through the frames of a scoped one, too.
        let passed = panic_of(|| {
            Coroutine::scoped(|_: &Pauser<(), ()>, ()| resume_unwind(old)).enter(|co| co.resume(()))
        });
        assert!(is_cancel(&*passed));
    });
}

#[test]
fn an_inner_one_may_swallow_the_outers_signal_and_the_outer_is_asked_again() {
    without_loss(|| {
        let log = Rc::new(RefCell::new(Vec::new()));
        let note = log.clone();
        let mut outer = Coroutine::new(move |outer: &Pauser<(), ()>, ()| {
            let note = |text: &str| note.borrow_mut().push(text.to_owned());
            let _outer = OnDrop(|| note("outer unwound"));
            Coroutine::scoped(|inner: &Pauser<(), ()>, ()| {
                assert!(is_cancel(&*caught_pause(outer).unwrap_err()));
                assert!(!inner.is_closed() && outer.is_closed());
                // The inner one was not cancelled: it pauses as ever, though the outer one ends.
                inner.pause(());
                note("inner goes on");
            })
            .enter(|inner| {
                assert_eq!(inner.resume(()), State::Paused(()));
                note("inner paused");
                assert_eq!(inner.resume(()), State::Complete(()));
            });
            outer.pause(());
            unreachable!();
        });
        outer.resume(());
        outer.cancel();
        assert_eq!(*log.borrow(), ["inner paused", "inner goes on", "outer unwound"]);
        assert_eq!(outer.status(), Status::Cancelled);
    });
}

#[test]
fn the_outers_signal_passes_through_inner_ones_and_their_enter() {
    without_loss(|| {
        let tally = Tally::default();
        let counter = tally.clone();
        let mut outer = Coroutine::new(move |outer: &Pauser<(), ()>, ()| {
            let _outer = counter.witness("outer");
            Coroutine::scoped(|_: &Pauser<(), ()>, ()| {
                let _inner = counter.witness("inner");
                Generator::scoped(|_: &Outlet<()>| {
                    let _innermost = counter.witness("innermost");
                    stack::grow(64 << 10, || {
                        let _grown = counter.witness("grown");
                        let passing = caught_pause(outer).unwrap_err();
                        assert!(is_cancel(&*passing));
                        resume_unwind(passing);
                    })
                })
                .enter(|items| items.next());
            })
            .enter(|inner| {
                let passing = panic_of(|| inner.resume(()));
                assert_eq!(inner.status(), Status::Cancelled);
                resume_unwind(passing);
            });
        });
        outer.resume(());
        outer.cancel();
        assert_eq!(tally.gone(), ["grown", "innermost", "inner", "outer"]);
        assert_eq!(outer.status(), Status::Cancelled);
    });
}

#[test]
fn a_cancellation_can_be_passed_on_as_a_value() {
    /// What code does that must not unwind: a parser that keeps its state, a binding.
    fn read(co: &Pauser<u8, ()>, kept: &mut Option<Payload>) -> Result<u8, ()> {
        catch_unwind(AssertUnwindSafe(|| co.pause(()))).map_err(|payload| *kept = Some(payload))
    }
    without_loss(|| {
        let sum = Rc::new(Cell::new(0));
        let out = sum.clone();
        let mut co = Coroutine::new(move |co: &Pauser<u8, ()>, first: u8| {
            let (mut total, mut kept) = (u32::from(first), None);
            while let Ok(byte) = read(co, &mut kept) {
                total += u32::from(byte);
            }
            out.set(total);
            resume_unwind(kept.unwrap());
        });
        co.resume(1);
        co.resume(2);
        co.resume(3);
        co.cancel();
        assert_eq!((sum.get(), co.status()), (6, Status::Cancelled));
    });
}

#[test]
fn one_coroutine_can_cancel_another() {
    without_loss(|| {
        let tally = Tally::default();
        let counter = tally.clone();
        let mut victim = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            let _here = counter.witness("victim");
            co.pause(());
        });
        victim.resume(());
        let mut canceller = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            victim.cancel();
            co.pause(());
            assert_eq!(victim.status(), Status::Cancelled);
        });
        canceller.resume(());
        assert_eq!(tally.gone(), ["victim"]);
        canceller.resume(());
    });
}

#[test]
fn sixty_four_more_pauses_are_granted() {
    without_loss(|| {
        // One that was interrupted and 64 more.
        let mut co = swallows("patient", 65);
        co.resume(());
        let ((), told) = reports(|| co.cancel());
        assert!(told.is_empty(), "{told:?}");
        assert_eq!(co.status(), Status::Complete);
    });
}

/// Gives one up and checks what is said and counted; `stacks` is how many go with it.
#[track_caller]
fn given_up<R>(stacks: usize, names: &[&str], end: impl FnOnce() -> R) -> R {
    let before = stack::stats();
    let (value, told) = reports(end);
    let after = stack::stats();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].kind(), ReportKind::Retired);
    for part in names {
        assert!(told[0].message().contains(part), "{part}: {}", told[0]);
    }
    assert!(told[0].message().contains("cancel.rs:"), "the last pause's place: {}", told[0]);
    assert_eq!(after.leaked, before.leaked + stacks);
    value
}

#[test]
fn one_that_will_not_end_is_given_up_reported_and_counted() {
    alone(|| {
        let before = live();
        for by_drop in [false, true] {
            let mut co = swallows("stubborn", u32::MAX);
            co.resume(());
            given_up(1, &["stubborn"], || {
                if by_drop {
                    drop(co);
                } else {
                    co.cancel();
                    assert_eq!(co.status(), Status::Cancelled);
                    assert_eq!(co.try_resume(()), Err(()));
                    assert_eq!(co.name(), None);
                    co.cancel();
                }
            });
        }
        assert_eq!(live(), before);
    });
}

#[test]
fn what_lies_on_the_stack_of_one_given_up_stays() {
    alone(|| {
        let tally = Tally::default();
        let place = Rc::new(Cell::new(std::ptr::null::<[u64; 32]>()));
        let (counter, out) = (tally.clone(), place.clone());
        let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            let _here = counter.witness("never dropped");
            let local = black_box([0xD5_u64; 32]);
            out.set(&raw const local);
            swallow_for_ever(co);
        });
        co.resume(());
        given_up(1, &[], || drop(co));
        // Whatever would use the stack again does so now.
        stack::trim();
        let mut others: Vec<_> = (0..many(200, 10))
            .map(|_| {
                Coroutine::new(|co: &Pauser<(), ()>, ()| {
                    black_box([0_u8; many(20_000, 200)]);
                    co.pause(());
                })
            })
            .collect();
        others.iter_mut().for_each(|co| _ = co.resume(()));
        drop(others);
        stack::trim();
        // SAFETY: the promise under test: the frame is never unwound, reused or unmapped.
        assert_eq!(unsafe { place.get().read_volatile() }, [0xD5; 32]);
        assert_eq!(tally.alive(), 1);
    });
}

#[test]
fn a_generator_that_will_not_end_is_given_up() {
    alone(|| {
        let mut items = Generator::new(|out: &Outlet<u32>| {
            loop {
                let _ = catch_unwind(AssertUnwindSafe(|| out.pause(1)));
            }
        });
        assert_eq!(items.next(), Some(1));
        given_up(1, &[], || drop(items));
    });
}

#[test]
fn a_static_one_inside_is_given_up_alone() {
    alone(|| {
        let mut outer = Coroutine::new(|co: &Pauser<(), ()>, ()| {
            let mut inner = swallows("inner", u32::MAX);
            inner.resume(());
            given_up(1, &["inner"], || drop(inner));
            co.pause(());
            7
        });
        assert_eq!(outer.resume(()), State::Paused(()));
        assert_eq!(outer.resume(()), State::Complete(7));
    });
}

/// A `'static` coroutine that enters a scoped one which will not end, leaves it and pauses.
fn lends_to_a_stubborn_one(tally: &Tally) -> Coroutine<(), (), ()> {
    let tally = tally.clone();
    let body = move |co: &Pauser<(), ()>, ()| {
        let _lender = tally.witness("lender");
        Builder::new()
            .name("borrower")
            .scoped(|co: &Pauser<(), ()>, ()| swallow_for_ever(co))
            .enter(|borrower| {
                borrower.resume(());
                co.pause(());
            });
        unreachable!("the lender is given up with it");
    };
    Builder::new().name("lender").build(body).unwrap()
}

#[test]
fn a_scoped_one_that_will_not_end_takes_its_lender_with_it() {
    alone(|| {
        let (tally, before) = (Tally::default(), live());
        let mut co = lends_to_a_stubborn_one(&tally);
        co.resume(());
        // Left by its own doing, in a resume: whoever waits for it is told.
        let text = given_up(2, &["borrower", "lender"], || panic_text(|| co.resume(())));
        assert!(text.contains("lender") && text.contains("given up"), "{text}");
        assert_eq!(co.status(), Status::Cancelled);
        drop(co);
        // Left because the lender is to end itself.
        for cancels in [false, true] {
            let mut co = lends_to_a_stubborn_one(&tally);
            co.resume(());
            given_up(2, &["borrower", "lender"], || if cancels { co.cancel() } else { drop(co) });
        }
        assert_eq!((tally.alive(), live()), (3, before));
    });
}

#[test]
fn the_topmost_lender_and_all_between_are_given_up() {
    alone(|| {
        let before = live();
        let mut bystander = Coroutine::new(|co: &Pauser<(), ()>, ()| {
            // What runs the topmost lender lends nothing and goes on.
            let mut top = Builder::new()
                .name("top")
                .build(|_: &Pauser<(), ()>, ()| {
                    Coroutine::scoped(|_: &Pauser<(), ()>, ()| {
                        stack::grow(64 << 10, || {
                            Builder::new()
                                .name("stubborn")
                                .scoped(|co: &Pauser<(), ()>, ()| swallow_for_ever(co))
                                .enter(|co| _ = co.resume(()));
                        });
                    })
                    .enter(|co| _ = co.resume(()));
                })
                .unwrap();
            let text = given_up(4, &["stubborn", "top"], || panic_text(|| top.resume(())));
            assert!(text.contains("top"), "{text}");
            co.pause(());
            9
        });
        assert_eq!(bystander.resume(()), State::Paused(()));
        assert_eq!(bystander.resume(()), State::Complete(9));
        assert_eq!(live(), before);
    });
}

#[test]
fn threads_may_go_on_using_what_one_given_up_has_lent() {
    alone(|| {
        let (go, wait) = mpsc::channel::<()>();
        let (answer, answered) = mpsc::channel();
        let mut co = Coroutine::new(move |_: &Pauser<(), ()>, ()| {
            let words = ["al".to_owned(), "coda".to_owned()];
            thread::scope(|scope| {
                let words = &words;
                scope.spawn(move || {
                    wait.recv().unwrap();
                    answer.send(words.concat()).unwrap();
                });
                Coroutine::scoped(|co: &Pauser<(), ()>, ()| swallow_for_ever(co))
                    .enter(|co| _ = co.resume(()));
            });
        });
        given_up(2, &[], || panic_of(|| co.resume(())));
        stack::trim();
        (0..many(20, 1)).for_each(|_| meddle());
        go.send(()).unwrap();
        assert_eq!(answered.recv().unwrap(), "alcoda");
    });
}

#[test]
#[cfg_attr(miri, ignore = "aborts in a child process")]
fn one_that_borrows_from_the_threads_own_stack_and_will_not_end_aborts_by_name() {
    const TEST: &str =
        "one_that_borrows_from_the_threads_own_stack_and_will_not_end_aborts_by_name";
    let output = child(TEST, || {
        Builder::new()
            .name("clinging")
            .scoped(|co: &Pauser<(), ()>, ()| swallow_for_ever(co))
            .enter(|co| _ = co.resume(()));
    });
    assert_aborted(&output, &["clinging", "cancel.rs:", "cannot be left"]);
}

#[test]
#[cfg_attr(miri, ignore = "aborts in a child process")]
fn a_chain_of_lenders_that_begins_at_the_threads_own_stack_aborts() {
    const TEST: &str = "a_chain_of_lenders_that_begins_at_the_threads_own_stack_aborts";
    let output = child(TEST, || {
        Coroutine::scoped(|_: &Pauser<(), ()>, ()| {
            Builder::new()
                .name("clinging")
                .scoped(|co: &Pauser<(), ()>, ()| swallow_for_ever(co))
                .enter(|co| _ = co.resume(()));
        })
        .enter(|co| _ = co.resume(()));
    });
    assert_aborted(&output, &["clinging", "cancel.rs:", "cannot be left"]);
}

#[test]
fn one_dropped_by_an_unwinding_frame_may_swallow_its_cancellation_too() {
    const TEST: &str = "one_dropped_by_an_unwinding_frame_may_swallow_its_cancellation_too";
    // The signal was caught, so nothing of its own unwinds: it has its 64 pauses like any other.
    let output = child(TEST, || {
        let mut co = swallows("patient", 3);
        co.resume(());
        while_unwinding(|| co.cancel());
        assert_eq!(co.status(), Status::Complete);
    });
    assert_exited(&output, 0);
}

#[test]
fn one_dropped_by_an_unwinding_frame_that_will_not_end_is_given_up() {
    const TEST: &str = "one_dropped_by_an_unwinding_frame_that_will_not_end_is_given_up";
    let output = child(TEST, || {
        let mut co = swallows("stubborn", u32::MAX);
        co.resume(());
        given_up(1, &["stubborn"], || while_unwinding(|| drop(co)));
        let mut items = Builder::new()
            .name("items")
            .generator(|out: &Outlet<u32>| {
                loop {
                    let _ = catch_unwind(AssertUnwindSafe(|| out.pause(1)));
                }
            })
            .unwrap();
        assert_eq!(items.next(), Some(1));
        given_up(1, &["items"], || while_unwinding(|| drop(items)));
    });
    assert_exited(&output, 0);
}

#[test]
#[cfg_attr(miri, ignore = "aborts in a child process")]
fn a_generator_that_pauses_for_ever_in_a_destructor_aborts_by_name() {
    const TEST: &str = "a_generator_that_pauses_for_ever_in_a_destructor_aborts_by_name";
    let output = child(TEST, || {
        let endless = Builder::new().name("endless");
        let mut items = endless
            .generator(|out: &Outlet<u32>| {
                let _endless = OnDrop(|| {
                    loop {
                        out.pause(0);
                    }
                });
                out.pause(1);
            })
            .unwrap();
        items.next();
        drop(items);
    });
    assert_aborted(&output, &["endless", "cancel.rs:", "destructor"]);
}

#[test]
#[cfg_attr(miri, ignore = "replaces the report sink of its process")]
fn the_report_sink_may_use_the_library_and_may_panic() {
    const TEST: &str = "the_report_sink_may_use_the_library_and_may_panic";
    let output = child(TEST, || {
        on_report(|report| {
            meddle();
            assert_eq!(report.kind(), ReportKind::Retired);
            // A sink may replace itself, which drops it while it runs.
            on_report(|_| resume_unwind(Box::new("a bad sink")));
        });
        for _ in 0..2 {
            let mut co = swallows("stubborn", u32::MAX);
            co.resume(());
            drop(co);
            meddle();
        }
    });
    assert_exited(&output, 0);
    let text = String::from_utf8_lossy(&output.stderr);
    // The first was told to the good sink, the second came here because its sink panicked.
    assert_eq!(text.matches("stubborn").count(), 1, "{text}");
    assert!(text.starts_with("segno: "), "{text}");
}

/// A payload whose destructor panics.
struct Evil;

impl Drop for Evil {
    fn drop(&mut self) {
        resume_unwind(Box::new("dropped"));
    }
}

/// Gives up an inner scoped coroutine whose outermost lender is `'static`, and checks that no frame in
/// between is left, whatever becomes of the report.
fn give_up_a_nest() {
    let left = Rc::new(Cell::new(false));
    let leaves = left.clone();
    let mut outer = Coroutine::new(move |_: &Pauser<(), ()>, ()| {
        let _ = panic_of(|| {
            Coroutine::scoped(|middle: &Pauser<(), ()>, ()| {
                Coroutine::scoped(|inner: &Pauser<(), ()>, ()| {
                    (0..66).for_each(|_| drop(caught_pause(inner)));
                })
                .enter(|inner| inner.resume(()).complete());
                middle.pause(());
            })
            .enter(|middle| middle.resume(()).complete());
        });
        leaves.set(true);
    });
    let said = panic_text(|| outer.resume(()));
    assert!(said.contains("given up"), "{said}");
    assert_eq!(outer.status(), Status::Cancelled);
    assert!(!left.get(), "the frame that lent was left");
}

#[test]
#[cfg_attr(miri, ignore = "replaces the report sink of its process")]
fn a_sink_whose_panic_panics_when_dropped_does_not_stop_a_giving_up() {
    const TEST: &str = "a_sink_whose_panic_panics_when_dropped_does_not_stop_a_giving_up";
    let output = child(TEST, || {
        on_report(|_| std::panic::panic_any(Evil));
        give_up_a_nest();
    });
    assert_exited(&output, 0);
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "needs a child process")]
fn a_stderr_that_cannot_be_written_does_not_stop_a_giving_up() {
    const TEST: &str = "a_stderr_that_cannot_be_written_does_not_stop_a_giving_up";
    assert_exited(&child_writing_to(Some("/dev/full"), TEST, give_up_a_nest), 0);
}

#[test]
#[cfg_attr(miri, ignore = "aborts in a child process")]
fn an_abort_is_an_abort_whatever_the_sink_does() {
    const TEST: &str = "an_abort_is_an_abort_whatever_the_sink_does";
    let output = child(TEST, || {
        on_report(|_| std::panic::panic_any(Evil));
        let _ = panic_of(|| {
            Coroutine::scoped(|co: &Pauser<(), ()>, ()| {
                (0..66).for_each(|_| drop(caught_pause(co)));
            })
            .enter(|co| co.resume(()).complete());
        });
    });
    assert_aborted(&output, &["is_cancel"]);
}

#[test]
fn all_of_an_iterator_is_refused_at_once_in_a_destructor_that_unwinds() {
    let mut items = Generator::new(|out: &Outlet<u32>| {
        let _endless = OnDrop(|| out.pause_all(0..));
        out.pause(1);
    });
    assert_eq!(items.next(), Some(1));
    items.cancel();
    assert_eq!(items.status(), Status::Cancelled);
}

/// How a coroutine is ended early.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Drop,
    Cancel,
    DropWhileUnwinding,
    DropInCoroutine,
    CancelInCoroutine,
    DropOnGrownStack,
}

/// Runs a scenario with its k-th pause ended, for all k and all ways to end it, and checks that
/// every destructor has run and every stack is back. Returns how many pauses there are.
fn cancel_at_every_pause(scenario: impl Fn(&Tally) -> Coroutine<(), (), ()> + Send) -> usize {
    without_loss(move || {
        let tally = Tally::default();
        let mut whole = scenario(&tally);
        let mut pauses = 0;
        while whole.resume(()) == State::Paused(()) {
            pauses += 1;
        }
        assert_eq!(tally.alive(), 0, "run to its end");
        let before = live();
        for at in 0..=pauses {
            let endings = [
                Ending::Drop,
                Ending::Cancel,
                Ending::DropWhileUnwinding,
                Ending::DropInCoroutine,
                Ending::CancelInCoroutine,
                Ending::DropOnGrownStack,
            ];
            // Under Miri each pause in one way, another than the pause before.
            for ending in endings.into_iter().skip(many(0, at % 6)).step_by(many(1, 6)) {
                let mut co = scenario(&tally);
                for _ in 0..at {
                    assert_eq!(co.resume(()), State::Paused(()));
                }
                let ((), told) = reports(|| match ending {
                    Ending::Drop => drop(co),
                    Ending::Cancel => {
                        co.cancel();
                        assert_eq!(co.status(), Status::Cancelled);
                    }
                    Ending::DropWhileUnwinding => while_unwinding(|| drop(co)),
                    Ending::DropInCoroutine => {
                        _ = Coroutine::new(|_: &Pauser<(), ()>, ()| drop(co)).resume(());
                    }
                    Ending::CancelInCoroutine => {
                        let mut other = Coroutine::new(move |other: &Pauser<(), ()>, ()| {
                            co.cancel();
                            other.pause(());
                        });
                        other.resume(());
                    }
                    Ending::DropOnGrownStack => stack::grow(64 << 10, || drop(co)),
                });
                assert!(told.is_empty(), "{told:?}");
                assert_eq!(tally.alive(), 0, "pause {at} of {pauses}, {ending:?}");
                assert_eq!(live(), before, "pause {at} of {pauses}, {ending:?}");
            }
        }
        pauses
    })
}

#[test]
fn a_recursive_walk_may_end_at_every_pause() {
    fn walk(depth: u32, tally: &Tally, co: &Pauser<(), ()>) {
        let _here = tally.witness(depth);
        co.pause(());
        for _ in 0..depth {
            walk(depth - 1, tally, co);
        }
        co.pause(());
    }
    let pauses = cancel_at_every_pause(|tally| {
        let tally = tally.clone();
        Coroutine::new(move |co: &Pauser<(), ()>, ()| walk(many(4, 2), &tally, co))
    });
    assert_eq!(pauses, many(130, 10));
}

#[test]
fn nested_static_ones_may_end_at_every_pause() {
    fn nest(depth: u32, tally: &Tally) -> Coroutine<(), (), ()> {
        let tally = tally.clone();
        Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            let _before = tally.witness(depth);
            let mut inner: Vec<_> = (0..depth).map(|_| nest(depth - 1, &tally)).collect();
            let _after = tally.witness(depth);
            co.pause(());
            while !inner.is_empty() {
                inner.retain_mut(|inner| inner.resume(()) == State::Paused(()));
                co.pause(());
            }
        })
    }
    assert!(cancel_at_every_pause(|tally| nest(many(3, 2), tally)) > many(4, 3));
}

#[test]
fn scoped_ones_that_pause_their_outer_ones_may_end_at_every_pause() {
    let pauses = cancel_at_every_pause(|tally| {
        let tally = tally.clone();
        Coroutine::new(move |a: &Pauser<(), ()>, ()| {
            let _a = tally.witness("a");
            Coroutine::scoped(|b: &Pauser<(), ()>, ()| {
                let _b = tally.witness("b");
                a.pause(());
                b.pause(());
                Generator::scoped(|c: &Outlet<()>| {
                    let _c = tally.witness("c");
                    a.pause(());
                    b.pause(());
                    c.pause(());
                    stack::grow(64 << 10, || {
                        let _grown = tally.witness("grown");
                        a.pause(());
                        b.pause(());
                        c.pause(());
                    });
                })
                .enter(|c| c.for_each(|()| a.pause(())));
                a.pause(());
            })
            .enter(|b| {
                let _callback = tally.witness("callback");
                while let State::Paused(()) = b.resume(()) {
                    a.pause(());
                }
            });
            a.pause(());
        })
    });
    assert_eq!(pauses, 10);
}

#[test]
fn bodies_with_catch_unwind_and_no_pause_may_end_at_every_pause() {
    let pauses = cancel_at_every_pause(|tally| {
        let tally = tally.clone();
        Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            for i in 0..4 {
                let _here = tally.witness(i);
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    let _inside = tally.witness("inside");
                    no_pause(|| {
                        let items = Generator::new(|out: &Outlet<u32>| out.pause_all(0..9));
                        assert_eq!(items.take(3).count(), 3);
                    });
                    co.pause(());
                    if i % 2 == 0 {
                        resume_unwind(Box::new(i));
                    }
                }));
                match caught {
                    Err(payload) if is_cancel(&*payload) => resume_unwind(payload),
                    _ => co.pause(()),
                }
            }
        })
    });
    assert_eq!(pauses, 8);
}

#[test]
fn coroutines_that_hold_each_other_may_end_at_every_pause() {
    let pauses = cancel_at_every_pause(|tally| {
        let tally = tally.clone();
        Coroutine::new(move |co: &Pauser<(), ()>, ()| {
            // A ring: each holds the next one, paused; values with destructors travel through it.
            let mut held: Option<Coroutine<support::Witness, support::Witness, ()>> = None;
            for i in 0..5 {
                let (counter, mut next) = (tally.clone(), held.take());
                let mut made = Coroutine::new(move |co: &Pauser<_, _>, first| {
                    let _here = counter.witness(i);
                    let mut value = first;
                    loop {
                        if let Some(next) = &mut next {
                            value = next.resume(value).paused().unwrap();
                        }
                        value = co.pause(value);
                    }
                });
                drop(made.resume(tally.witness("value")));
                co.pause(());
                held = Some(made);
            }
            co.pause(());
        })
    });
    assert_eq!(pauses, 6);
}
