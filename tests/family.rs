//! Every operation that waits, in every situation: one line per operation, the cases are in `support/family.rs`.

#![allow(clippy::unit_arg, reason = "a member on one line")]

mod support;

#[path = "support/family.rs"]
mod cases;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::Duration;

use segno::testing::{EveryPause, Way};
use segno::{CancelKind, Clock, EventLoop, JoinError};

use support::{Tally, Witness, reports, without_loss};

use cases::{Member, Object, SECOND, family, with_bell};

family! {
    sleep: Member::by_time(|_| Object::by_itself(|| segno::sleep(SECOND)));
    sleep_until: Member::by_time(|_| Object::by_itself(|| segno::sleep_until(segno::now() + SECOND)));
    interval_tick: Member::by_time(|_| ticking());
    sleep_for_no_time: Member::at_once(|| segno::sleep(Duration::ZERO));
    yield_now: Member::at_once(segno::yield_now);
    checkpoint: Member::at_once(|| (0..66).for_each(|_| segno::checkpoint()));
    pause: with_bell(|listen| listen()).aborts("`pause` at");
    join: with_bell(|listen| {
        joined(segno::spawn(move || listen()).join());
    });
    scoped_join: with_bell(|listen| {
        segno::scope(|s| s.spawn(|| listen()).join()).unwrap();
    }).aborts("`scope` at");
    scope_end: with_bell(|listen| {
        segno::scope(|s| drop(s.spawn(|| listen())));
    }).shielded().aborts("`scope` at");
    nested_scope_end: with_bell(|listen| {
        segno::scope(|s| drop(s.spawn(|| segno::scope(|s| drop(s.spawn(|| listen()))))));
    }).shielded().aborts("`scope` at");
    try_scope_end: with_bell(|listen| {
        let ended: Result<(), ()> = segno::try_scope(|s| {
            s.spawn(|| Ok(listen()));
            Ok(())
        });
        assert_eq!(ended, Ok(()));
    }).shielded().aborts("`try_scope` at");
    try_scope_with_an_error: with_bell(|listen| {
        let ended: Result<(), u8> = segno::try_scope(|s| {
            let failing = s.spawn(|| -> Result<(), u8> {
                listen();
                Err(7)
            });
            s.spawn(|| Ok(segno::sleep(Duration::MAX)));
            failing.join().unwrap();
            Ok(())
        });
        assert_eq!(ended, Err(7));
    }).aborts("`try_scope` at");
    race: with_bell(|listen| {
        segno::race([Duration::MAX, Duration::ZERO].map(|time| {
            let listen = listen.clone();
            move || if time.is_zero() { listen() } else { segno::sleep(time) }
        }));
    }).aborts("`scope` at");
    join_all: with_bell(|listen| {
        segno::join_all([1, 2, 3].map(|_| || listen()));
    }).aborts("`scope` at");
    try_join: with_bell(|listen| {
        let joined: Result<Vec<()>, ()> = segno::try_join([1, 2].map(|_| || Ok(listen())));
        assert!(joined.is_ok());
    }).aborts("`try_scope` at");
    start_now: with_bell(|listen| {
        joined(segno::task("starts now").start_now().spawn(move || listen()).join());
    });
    join_of_a_sleeper: Member::by_time(|_| Object::by_itself(|| {
        joined(segno::spawn(|| segno::sleep(SECOND)).join());
    })).indirectly();
    wait_that_catches_panics: with_bell(|listen| {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| listen())) {
            resume_unwind(payload);
        }
    }).aborts("`pause` at");
}

/// What a join gives: nothing where a panic unwinds; else what came of a task that nobody but the end of its
/// loop or a test of panics may have ended early.
fn joined(result: Result<(), JoinError>) {
    match result {
        Ok(()) => assert!(!thread::panicking()),
        Err(JoinError::Panicked(panic)) => resume_unwind(panic.into_payload()),
        Err(JoinError::Cancelled(reason)) => {
            let kind =
                if thread::panicking() { CancelKind::Unwinding } else { CancelKind::Shutdown };
            assert_eq!(reason.kind(), kind);
        }
        Err(error) => panic!("{error}"),
    }
}

/// An interval whose next tick is a second away.
fn ticking() -> Object {
    let beat = RefCell::new(segno::interval(SECOND));
    beat.borrow_mut().tick();
    Object::by_itself(move || {
        beat.borrow_mut().tick();
    })
}

#[test]
fn a_wake_that_comes_before_its_pause_is_not_lost() {
    without_loss(|| {
        virtual_loop()
            .run(|| {
                segno::waker().wake();
                segno::pause();
            })
            .unwrap();
    });
}

#[test]
fn a_join_succeeds_when_the_last_act_of_the_joined_is_to_cancel_the_joiner() {
    without_loss(|| {
        virtual_loop()
            .run(|| {
                let joined = Cell::new(false);
                let part = segno::cancel_scope(|part| {
                    let handle = part.handle();
                    let last_act = segno::spawn(move || {
                        segno::sleep(SECOND);
                        handle.cancel("coda");
                        7
                    });
                    assert_eq!(last_act.join().unwrap(), 7);
                    joined.set(true);
                    segno::yield_now();
                });
                assert!(joined.get() && part.is_err());
            })
            .unwrap();
    });
}

#[test]
fn a_child_that_cancels_the_joiner_with_its_last_act_is_joined() {
    without_loss(|| {
        virtual_loop()
            .run(|| {
                let joined = Cell::new(false);
                let part = segno::cancel_scope(|part| {
                    segno::scope(|s| {
                        let last_act = s.spawn(|| {
                            segno::sleep(SECOND);
                            part.cancel("coda");
                            7
                        });
                        assert_eq!(last_act.join().unwrap(), 7);
                        joined.set(true);
                    });
                    segno::yield_now();
                });
                assert!(joined.get() && part.is_err());
            })
            .unwrap();
    });
}

/// Runs a scenario in several orders, interrupts it everywhere, and checks that no witness is left.
fn keeps_nothing(scenario: impl Fn(&Tally) + Sync) {
    without_loss(|| {
        let tally = Tally::default();
        for seed in 0..8 {
            let (pauses, _) = reports(|| {
                EveryPause::new()
                    .seed(seed)
                    .count_stacks()
                    .after(|| assert_eq!(tally.alive(), 0, "something is left"))
                    .run(|| scenario(&tally))
            });
            assert!(pauses > 0);
        }
    });
}

/// What a task does that returns a witness after so many seconds.
fn gives(tally: &Tally, name: u32) -> impl FnOnce() -> Witness + 'static {
    let (tally, captured) = (tally.clone(), tally.witness(name));
    move || {
        let _captured = captured;
        segno::sleep(SECOND * name);
        tally.witness(name)
    }
}

#[test]
fn results_of_tasks_are_taken_or_dropped_once_wherever_the_joiner_is_interrupted() {
    keeps_nothing(|tally| {
        let early = segno::spawn(gives(tally, 1));
        let late = segno::spawn(gives(tally, 2));
        segno::sleep(SECOND);
        let _ = late.join().map(drop);
        let _ = early.join().map(drop);
    });
}

#[test]
fn results_of_children_are_taken_or_dropped_once_wherever_the_scope_is_interrupted() {
    keeps_nothing(|tally| {
        segno::scope(|s| {
            let joined = s.spawn(gives(tally, 2));
            s.spawn(gives(tally, 1));
            drop(joined.join());
            s.spawn(gives(tally, 1));
        });
    });
}

#[test]
fn errors_and_results_of_a_try_scope_are_given_or_dropped_once_wherever_it_is_interrupted() {
    keeps_nothing(|tally| {
        let ended: Result<(), Witness> = segno::try_scope(|s| {
            s.spawn(|| Err::<(), _>(gives(tally, 2)()));
            s.spawn(|| Err::<(), _>(gives(tally, 2)()));
            s.spawn(|| Ok(gives(tally, 1)()));
            Ok(())
        });
        drop(ended);
    });
}

#[test]
fn results_of_a_race_and_of_all_together_are_given_or_dropped_once_wherever_they_are_interrupted() {
    keeps_nothing(|tally| {
        drop(segno::race([2, 1, 1].map(|name| gives(tally, name))));
        drop(segno::join_all([2, 1, 1].map(|name| gives(tally, name))));
        let one_fails = [1, 2].map(|name| {
            let gives = gives(tally, name);
            move || if name == 1 { Ok(gives()) } else { Err(gives()) }
        });
        drop(segno::try_join(one_fails));
    });
}

#[test]
fn what_waits_behind_a_shield_is_done_wherever_it_is_interrupted() {
    without_loss(|| {
        let (begun, done) = (Cell::new(0), Cell::new(0));
        EveryPause::new()
            // A panic inside a shield is no cancellation.
            .ways([Way::Cancelled, Way::TimedOut, Way::ShutDown, Way::Stopped])
            .count_stacks()
            .after(|| assert_eq!(begun.get(), done.get()))
            .run(|| {
                segno::yield_now();
                segno::shield(|| {
                    begun.set(begun.get() + 1);
                    segno::sleep(SECOND);
                    // A task of its own is not behind the shield: it may be shut down.
                    let _ = segno::spawn(|| segno::shield(|| segno::sleep(SECOND))).join();
                    segno::scope(|s| drop(s.spawn(|| segno::sleep(SECOND))));
                    done.set(done.get() + 1);
                });
                segno::yield_now();
            });
        assert!(done.get() > 10);
    });
}

/// A loop with a virtual clock.
fn virtual_loop() -> EventLoop {
    EventLoop::builder().clock(Clock::virtual_time()).build()
}
