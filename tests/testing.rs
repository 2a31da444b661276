//! The tools for tests: transcripts say what happened, seeds can be had again, and what interrupts a scenario
//! at every pause finds what was planted there.

mod support;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use segno::testing::{EveryPause, Transcript, Way, cancel_at_every_pause, seeds};
use segno::{Clock, Coroutine, EventLoop, Pauser, ReportKind};
use support::{Tally, assert_exited, child, panic_of, panic_text, reports, text_of};

const SECOND: Duration = Duration::from_secs(1);

/// A loop for tests.
fn virtual_loop() -> EventLoop {
    EventLoop::builder().clock(Clock::virtual_time()).build()
}

// Transcripts.

#[test]
fn a_transcript_has_every_event_of_a_task_in_order() {
    let mut events = virtual_loop();
    let transcript = Transcript::of(&events);
    let notes = transcript.clone();
    let voice = events.task("voice").spawn(move || {
        segno::yield_now();
        notes.note("now it rests");
        segno::pause();
    });
    events.run_until_idle();
    voice.cancel("enough");
    events.run_until_idle();
    assert_eq!(
        transcript.lines(),
        [
            "spawn voice",
            "resume voice",
            "start voice",
            "yield voice",
            "resume voice",
            "now it rests",
            "pause voice in pause",
            "wake voice",
            "resume voice",
            "raise voice",
            "end voice",
        ]
    );
}

#[test]
fn tasks_are_called_by_name_or_place_and_namesakes_are_told_apart() {
    let mut events = virtual_loop();
    let transcript = Transcript::of(&events);
    drop(events.spawn(|| ()));
    drop(events.task("viola").spawn(|| ()));
    drop(events.task("viola").spawn(|| ()));
    drop(events.spawn(|| ()));
    events.run(|| ()).unwrap();
    events.run(|| ()).unwrap();
    let spawned: Vec<_> =
        transcript.lines().into_iter().filter(|line| line.starts_with("spawn")).collect();
    assert_eq!(
        spawned,
        ["spawn #1", "spawn viola", "spawn viola (2)", "spawn #4", "spawn run", "spawn run (2)"]
    );
}

#[test]
fn a_jump_of_the_clock_is_a_line() {
    let mut events = virtual_loop();
    events.run(|| segno::sleep(SECOND)).unwrap();
    let transcript = Transcript::of(&events);
    events.run(|| segno::sleep(SECOND * 3 / 2)).unwrap();
    assert!(transcript.lines().contains(&"clock 1.5s".to_owned()), "{transcript}");
}

#[test]
fn one_that_is_given_up_is_in_the_transcript() {
    let events = virtual_loop();
    let transcript = Transcript::of(&events);
    drop(events.task("mule").spawn(|| {
        segno::shield(|| {
            loop {
                segno::pause();
            }
        })
    }));
    let mut events = events;
    events.run_until_idle();
    let ((), told) = reports(|| events.shutdown());
    assert_eq!(told.iter().map(segno::Report::kind).collect::<Vec<_>>(), [ReportKind::Retired]);
    assert_eq!(transcript.lines().last().unwrap(), "retire mule");
}

#[test]
fn transcripts_of_two_loops_are_their_own_and_stay_when_the_loops_have_gone() {
    let (mut one, mut other) = (virtual_loop(), virtual_loop());
    let (first, second) = (Transcript::of(&one), Transcript::of(&other));
    one.run(|| ()).unwrap();
    let lines = ["spawn run", "resume run", "start run", "end run"];
    assert_eq!(first.lines(), lines);
    assert!(second.lines().is_empty());
    other.run(|| ()).unwrap();
    drop((one, other));
    // A loop that gets the place of one that has gone is not watched.
    virtual_loop().run(|| ()).unwrap();
    assert_eq!(first.take(), lines);
    assert_eq!(second.take(), lines);
    assert!(first.take().is_empty());
}

/// What happens to some tasks with this seed.
fn heard_with(seed: u64) -> Vec<String> {
    let mut events = EventLoop::builder().clock(Clock::virtual_time()).seed(seed).build();
    let transcript = Transcript::of(&events);
    events
        .run(|| {
            segno::scope(|s| {
                for i in 0..6_u64 {
                    s.spawn(move || {
                        segno::yield_now();
                        segno::sleep(SECOND * (i % 3) as u32);
                    });
                }
            });
        })
        .unwrap();
    transcript.take()
}

#[test]
fn the_same_seed_gives_the_same_transcript_and_others_give_others() {
    let all: BTreeSet<_> = (0..20)
        .map(|seed| {
            let heard = heard_with(seed);
            assert_eq!(heard, heard_with(seed), "seed {seed}");
            heard
        })
        .collect();
    assert!(all.len() > 15, "{} orders with 20 seeds", all.len());
}

// Seeds.

#[test]
fn seeds_run_until_the_first_that_fails_and_its_panic_goes_on() {
    let runs = Cell::new(0);
    let text = panic_text(|| {
        seeds(10..20, || {
            runs.set(runs.get() + 1);
            assert!(runs.get() < 4, "four is too much");
        });
    });
    assert_eq!((runs.get(), &*text), (4, "four is too much"));
}

#[test]
fn stderr_has_the_seed_that_failed() {
    let output = child("stderr_has_the_seed_that_failed", || {
        let runs = Cell::new(0);
        let failed = catch_unwind(AssertUnwindSafe(|| {
            seeds(10..20, || {
                runs.set(runs.get() + 1);
                assert!(runs.get() < 4);
            });
        }));
        assert!(failed.is_err());
    });
    assert_exited(&output, 0);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("tests/testing.rs") && text.contains("panicked with seed 13"), "{text}");
}

#[test]
fn a_seed_with_which_nothing_can_go_on_is_told() {
    let text = panic_text(|| seeds([7], || segno::sleep(Duration::MAX)));
    assert!(text.contains("failed with seed 7: deadlock") && text.contains("`sleep`"), "{text}");
}

#[test]
fn what_a_scenario_leaves_behind_has_ended_before_the_next_seed() {
    let tally = Tally::default();
    seeds(0..3, || {
        assert_eq!(tally.alive(), 0);
        let witness = tally.witness("left behind");
        drop(segno::spawn(move || {
            let _witness = witness;
            segno::sleep(Duration::MAX);
        }));
        segno::yield_now();
    });
    assert_eq!(tally.alive(), 0);
}

// At every pause.

#[test]
fn each_way_interrupts_at_exactly_each_pause() {
    for way in Way::ALL {
        let (bars, heard) = (Cell::new(0), RefCell::new(Vec::new()));
        let pauses = EveryPause::new()
            .ways([way])
            .after(|| heard.borrow_mut().push(bars.take()))
            .run(|| {
                for _ in 0..4 {
                    segno::sleep(SECOND);
                    bars.set(bars.get() + 1);
                }
            });
        assert_eq!(pauses, 4);
        // The first run is the plain one.
        assert_eq!(heard.into_inner(), [4, 0, 1, 2, 3], "{way:?}");
    }
}

#[test]
fn pauses_of_all_tasks_count_those_left_behind_too() {
    let pauses = cancel_at_every_pause(|| {
        drop(segno::spawn(|| segno::sleep(SECOND * 5)));
        segno::scope(|s| {
            s.spawn(|| segno::sleep(SECOND));
            s.spawn(segno::yield_now);
        });
    });
    // Three of their own, and the end of the scope.
    assert_eq!(pauses, 4);
}

#[test]
fn what_cleans_up_passes_in_every_way_and_order() {
    let tally = Tally::default();
    let scenario = || {
        let detached = tally.witness("detached");
        drop(segno::spawn(move || {
            let _detached = detached;
            loop {
                segno::sleep(SECOND);
            }
        }));
        let _of_the_body = tally.witness("body");
        segno::scope(|s| {
            for bars in 1..3 {
                let witness = tally.witness(bars);
                s.spawn(move || {
                    let _witness = witness;
                    segno::sleep(SECOND * bars);
                });
            }
            let _ = segno::timeout(SECOND, || segno::sleep(SECOND * 9));
        });
        assert_eq!(segno::race([2, 1].map(|bars| move || segno::sleep(SECOND * bars))), ());
    };
    for seed in 0..8 {
        let pauses = EveryPause::new()
            .seed(seed)
            .after(|| {
                assert_eq!(tally.alive(), 0);
                assert!(tally.gone().len() <= 4);
            })
            .run(scenario);
        assert!(pauses > 8, "{pauses}");
    }
}

/// What is wrong with a scenario.
#[track_caller]
fn problem(scenario: impl Fn()) -> String {
    panic_text(|| cancel_at_every_pause(scenario))
}

#[test]
fn a_leak_where_a_cancellation_comes_is_found_with_way_and_pause() {
    let open = Cell::new(0);
    let scenario = || {
        segno::yield_now();
        open.set(1);
        segno::sleep(SECOND); // and what if it ends here?
        open.set(0);
    };
    let check = || assert_eq!(open.take(), 0, "the door is open");
    let text = panic_text(|| EveryPause::new().after(check).run(scenario));
    for part in [
        "tests/testing.rs",
        "cancelled at pause 2 of 2",
        "(task `run`, in `sleep` at",
        "the check after it failed: ",
        "the door is open",
        "`EveryPause::new().only(Way::Cancelled, 2)`",
        "\n  pause run in sleep\n  -- cancelled here --\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    // And so it is seen again.
    let once = panic_text(|| EveryPause::new().after(check).only(Way::Cancelled, 2).run(scenario));
    assert!(once.contains("cancelled at pause 2 of 2"), "{once}");
    EveryPause::new().after(check).only(Way::Cancelled, 1).run(scenario);
    let seeded = panic_text(|| EveryPause::new().seed(3).after(check).run(scenario));
    assert!(seeded.contains("`EveryPause::new().seed(3).only(Way::Cancelled, 2)`"), "{seeded}");
}

#[test]
fn every_way_finds_a_leak() {
    for way in Way::ALL {
        let open = Cell::new(false);
        let text = panic_text(|| {
            EveryPause::new().ways([way]).after(|| assert!(!open.take())).run(|| {
                open.set(true);
                segno::yield_now();
                open.set(false);
            })
        });
        assert!(text.contains(" at pause 1 of 1 (task `run`, letting others go first)"), "{text}");
        assert!(text.contains(&format!("only(Way::{way:?}, 1)")), "{text}");
    }
}

#[test]
fn one_that_swallows_its_cancellation_is_found() {
    let (text, told) = reports(|| {
        problem(|| {
            let stubborn = segno::spawn(|| {
                segno::yield_now();
                loop {
                    drop(catch_unwind(segno::yield_now));
                    if segno::now().elapsed() > SECOND * 60 {
                        break;
                    }
                }
            });
            segno::yield_now();
            segno::yield_now();
            drop(stubborn);
        })
    });
    assert!(text.contains("given up"), "{text}");
    assert!(told.iter().any(|report| report.kind() == ReportKind::Retired));
}

#[test]
fn a_standstill_that_comes_of_an_interruption_is_found() {
    let text = problem(|| {
        let (rung, bell) = (Rc::new(Cell::new(false)), Rc::new(RefCell::new(None)));
        let (listens, leaves) = (rung.clone(), bell.clone());
        let listener = segno::task("listener").spawn(move || {
            *leaves.borrow_mut() = Some(segno::waker());
            while !listens.get() {
                segno::pause();
            }
        });
        let cut = catch_unwind(segno::yield_now);
        let waker = bell.take();
        if cut.is_ok() {
            rung.set(true);
            waker.unwrap().wake();
        } else {
            drop(waker); // nobody else has one, so nobody will wake the listener
        }
        let _ = segno::shield(|| listener.join());
        if let Err(payload) = cut {
            resume_unwind(payload);
        }
    });
    assert!(text.contains("cancelled at pause 1 of"), "{text}");
}

#[test]
fn a_standstill_that_is_there_anyway_is_none_of_the_interruption() {
    assert_eq!(cancel_at_every_pause(|| segno::sleep(Duration::MAX)), 1);
}

#[test]
fn a_panic_that_comes_of_a_cancellation_is_found() {
    let text = problem(|| {
        let done = Cell::new(false);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            segno::yield_now();
            done.set(true);
        }));
        assert!(done.get(), "it was to be done");
        ended.unwrap();
    });
    assert!(text.contains("cancelled at pause 1 of 1"), "{text}");
    assert!(text.contains("it panicked: it was to be done"), "{text}");
}

#[test]
fn a_scenario_that_is_another_one_each_time_is_found() {
    let runs = Cell::new(0);
    let text = problem(|| {
        if runs.replace(1) == 0 {
            segno::yield_now();
        }
    });
    assert!(text.contains("it paused only 0 times, not 1 times"), "{text}");
}

#[test]
fn a_panic_of_the_first_run_goes_on_unchanged() {
    let payload = panic_of(|| cancel_at_every_pause(|| panic!("out of tune")));
    assert_eq!(text_of(&*payload), "out of tune");
}

#[test]
fn a_check_that_fails_without_an_interruption_says_so() {
    let text = panic_text(|| {
        EveryPause::new().after(|| panic!("never good enough")).run(segno::yield_now)
    });
    assert!(text.contains("not interrupted") && text.contains("never good enough"), "{text}");
}

#[test]
fn a_coroutine_that_is_forgotten_is_found_where_stacks_are_counted() {
    let scenario = || {
        let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| co.pause(()));
        co.resume(());
        let mut forgotten = mem::ManuallyDrop::new(co);
        segno::yield_now();
        // Where nothing interrupts, it is let go in the end.
        forgotten.resume(());
        drop(mem::ManuallyDrop::into_inner(forgotten));
    };
    let output = child("a_coroutine_that_is_forgotten_is_found_where_stacks_are_counted", || {
        let text = panic_text(|| EveryPause::new().count_stacks().run(scenario));
        assert!(text.contains("stacks in use: ") && text.contains("at pause 1 of 1"), "{text}");
    });
    assert_exited(&output, 0);
}

#[test]
fn stacks_of_what_passes_come_back() {
    // In a process of its own, as above: other tests use stacks meanwhile.
    let output = child("stacks_of_what_passes_come_back", || {
        EveryPause::new().count_stacks().run(|| {
            let mut co = Coroutine::new(|_: &Pauser<(), ()>, ()| segno::sleep(SECOND));
            co.resume(());
            drop(segno::spawn(|| segno::sleep(SECOND)));
            segno::yield_now();
        });
    });
    assert_exited(&output, 0);
}
