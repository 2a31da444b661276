//! Scripts inside scripts: all, race, scope, timeout, interrupts, joins.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use segno::script::{Elapsed, Outcome, Script, Scripts, Spawn, all, race};

mod support;
use support::Tally;

type Log = Vec<String>;

#[derive(Clone, Debug, PartialEq)]
struct Rain(u32);

fn note(s: &mut Script<Log>, what: impl Into<String>) {
    let what = what.into();
    s.world().push(what);
}

fn run<T: Clone + 'static>(
    ticks: u32,
    f: impl FnOnce(&mut Script<Log>) -> T + 'static,
) -> (Option<Outcome<T>>, Log) {
    let scripts = Scripts::new();
    scripts.on_panic(|_| {});
    let handle = scripts.spawn("test", f);
    let mut log = Log::new();
    for _ in 0..ticks {
        scripts.tick(&mut log, 1);
    }
    (handle.outcome(), log)
}

#[test]
fn all_runs_both_in_this_tick_and_borrows_from_its_caller() {
    let (outcome, log) = run(4, |s| {
        let (mut left, mut right) = (0, String::new());
        let both = s.all(
            |s| {
                note(s, "left");
                s.wait(2);
                left = 7;
                "l"
            },
            |s| {
                note(s, "right");
                s.wait(1);
                right.push('!');
                'r'
            },
        );
        assert_eq!(both, ("l", 'r'));
        note(s, "both");
        (left, right)
    });
    assert_eq!(log, ["left", "right", "both"]);
    assert_eq!(outcome.unwrap().done(), Some((7, "!".to_owned())));
}

#[test]
fn all_and_race_nest_and_take_many() {
    let (outcome, _) = run(10, |s| {
        let after = |n: u32| {
            move |s: &mut Script<Log>| {
                s.wait(n);
                n
            }
        };
        let sums = all!(s, after(1), after(2), after(3), after(1), after(2), after(3));
        let first = race!(s, after(3), after(2), after(1), after(9));
        let pairs = all!(s, after(1), after(1), |s: &mut Script<Log>| race!(s, after(2), after(1)));
        (sums, first, pairs)
    });
    let expected = ((1, 2, 3, 1, 2, 3), 1, (1, 1, 1));
    assert_eq!(outcome.unwrap().done(), Some(expected));
}

#[test]
fn the_losers_of_a_race_have_cleaned_up_before_it_returns() {
    let tally = Tally::default();
    let watch = tally.clone();
    let (outcome, log) = run(3, move |s| {
        let won = s.race(
            |s| {
                s.wait(1);
                1
            },
            |s| {
                let _witness = watch.witness("loser");
                let _ = s.on_exit(|w| w.push("loser's exit".into()));
                s.wait(100);
                2
            },
        );
        assert_eq!(watch.alive(), 0);
        note(s, "won");
        won
    });
    assert_eq!(log, ["loser's exit", "won"]);
    assert_eq!(outcome.unwrap().done(), Some(1));
    assert_eq!(tally.gone(), ["loser"]);
}

#[test]
fn of_two_that_return_in_one_tick_the_first_wins() {
    let (outcome, log) = run(2, |s| {
        s.race(
            |s| {
                note(s, "a");
                'a'
            },
            |s| {
                note(s, "b");
                'b'
            },
        )
    });
    assert_eq!(outcome.unwrap().done(), Some('a'));
    assert_eq!(log, ["a"]); // b was cancelled before its first step
}

#[test]
fn a_loser_that_comes_home_late_does_not_win() {
    let (outcome, _) = run(3, |s| {
        s.race(
            |s| {
                s.wait(1);
                "first"
            },
            |s| match s.fallible().wait(100) {
                Ok(_) => "never",
                Err(_) => "late",
            },
        )
    });
    assert_eq!(outcome.unwrap().done(), Some("first"));
}

#[test]
fn a_timeout_ends_its_body_or_gives_what_it_returned() {
    let tally = Tally::default();
    let watch = tally.clone();
    let (outcome, log) = run(6, move |s| {
        let late = s.timeout(2, |s| {
            let _witness = watch.witness("body");
            s.wait(100);
        });
        note(s, format!("{}", s.now()));
        let in_time = s.timeout(2, |s| {
            s.wait(1);
            5
        });
        let at_once = s.timeout(0, |_| 6);
        (late, in_time, at_once)
    });
    assert_eq!(outcome.unwrap().done(), Some((Err(Elapsed), Ok(5), Ok(6))));
    assert_eq!(log, ["3"]);
    assert_eq!(tally.gone(), ["body"]);
}

#[test]
fn an_interrupt_ends_a_script_wherever_it_is_and_gives_the_event() {
    let scripts = Scripts::<Log>::new();
    fn errand(s: &mut Script<Log>, way: u32) {
        if way == 0 {
            s.wait(100);
        } else {
            s.scope(|s, _| errand(s, way - 1)); // deep down
        }
    }
    let handle = scripts.spawn("villager", |s| {
        let first = s.interrupt_on::<Rain, _>(|s| errand(s, 3));
        let second = s.interrupt_on::<Rain, _>(|_| 4);
        let third = s.interrupt_where(|rain: &Rain| rain.0 > 5, |s| s.wait(100)).unwrap_err();
        (first, second, third)
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    scripts.emit(Rain(1));
    scripts.tick(&mut log, 1);
    assert_eq!(scripts.emit(Rain(2)), 0);
    scripts.emit(Rain(9));
    scripts.tick(&mut log, 1);
    assert_eq!(handle.outcome().unwrap().done(), Some((Err(Rain(1)), Ok(4), Rain(9))));
}

#[test]
fn run_while_stops_when_its_condition_does_not_hold() {
    let scripts = Scripts::<u32>::new();
    let handle = scripts.spawn("while", |s| {
        let never: Option<()> = s.run_while(|n| *n > 5, |_| unreachable!());
        let stopped: Option<()> = s.run_while(
            |n| *n < 3,
            |s: &mut Script<u32>| loop {
                s.next_frame();
            },
        );
        let done = s.run_while(|n| *n >= 3, |_| 'd');
        (never.is_none(), stopped.is_none(), done)
    });
    let mut n = 0;
    while n < 4 {
        assert!(!handle.is_finished());
        scripts.tick(&mut n, 1);
        n += 1;
    }
    assert_eq!(handle.outcome().unwrap().done(), Some((true, true, Some('d'))));
}

#[test]
fn a_scope_waits_for_all_and_its_scripts_borrow_from_around_it() {
    let (outcome, log) = run(5, |s| {
        let names = ["x".to_owned(), "yy".to_owned()];
        let sum = Cell::new(0);
        let given = s.scope(|s, scope| {
            for name in &names {
                let sum = &sum;
                scope.spawn("child", move |s| {
                    s.wait(name.len() as u32);
                    sum.set(sum.get() + name.len());
                    scope.spawn("grandchild", move |s| {
                        s.next_frame();
                        sum.set(sum.get() + 100);
                    });
                });
            }
            note(s, "body");
            sum.get()
        });
        note(s, "left");
        (given, sum.get())
    });
    assert_eq!(outcome.unwrap().done(), Some((0, 203)));
    assert_eq!(log, ["body", "left"]);
}

#[test]
fn a_panic_in_a_child_cancels_the_others_and_goes_on_in_the_parent() {
    let tally = Tally::default();
    let watch = tally.clone();
    let (outcome, log) = run(4, move |s| {
        let _ = s.on_exit(|w| w.push("parent's exit".into()));
        s.all(
            |s| {
                let _witness = watch.witness("sibling");
                s.wait(100);
            },
            |s| {
                s.wait(1);
                panic!("child");
            },
        );
    });
    let Some(Outcome::Panicked(info)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((info.message.as_str(), &*info.name), ("child", "test"));
    assert_eq!(log, ["parent's exit"]);
    assert_eq!(tally.gone(), ["sibling"]);
}

#[test]
fn a_panic_in_a_scopes_child_ends_the_scopes_closure_too() {
    let (outcome, log) = run(3, |s| {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            s.scope(|s, scope| {
                scope.spawn("bad", |s| {
                    s.wait(1);
                    panic!("bad");
                });
                s.wait(1000);
            });
        }));
        note(s, support::text_of(&*caught.unwrap_err()));
    });
    assert_eq!(log, ["bad"]);
    assert!(outcome.unwrap().done().is_some());
}

#[test]
fn of_two_panics_the_first_goes_on_and_the_second_is_reported() {
    let ((outcome, _), reports) = support::reports(|| {
        run(3, |s| {
            s.scope(|_, scope| {
                scope.spawn("first", |s| {
                    s.wait(1);
                    panic!("first");
                });
                scope.spawn("second", |s| {
                    let _late = support::OnDrop(|| ());
                    let _ = s.fallible().wait(100);
                    panic!("second");
                });
            });
        })
    });
    let Some(Outcome::Panicked(info)) = outcome else { panic!() };
    assert_eq!(info.message, "first");
    assert_eq!(reports.len(), 1);
    assert!(reports[0].message().contains("second"));
}

#[test]
fn a_branch_cancelled_by_its_number_takes_all_with_it_and_only_drops_out_of_a_race() {
    let scripts = Scripts::<Log>::new();
    let number = |scripts: &Scripts<Log>, at: usize| scripts.list()[at].id;
    let both = scripts.spawn("both", |s| s.all(|s| s.wait(9), |s| s.wait(9)).0);
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    assert!(scripts.cancel(number(&scripts, 1)));
    scripts.tick(&mut log, 1);
    assert!(both.outcome().unwrap().is_cancelled() && scripts.is_empty());

    let either = scripts.spawn("either", |s| s.race(|s| s.wait(2), |s| s.wait(1)));
    scripts.tick(&mut log, 1);
    scripts.cancel(number(&scripts, 2));
    scripts.tick(&mut log, 1);
    assert!(!either.is_finished());
    scripts.tick(&mut log, 1);
    assert!(either.outcome().unwrap().done().is_some());

    let neither = scripts.spawn("neither", |s| s.race(|s| s.wait(2), |s| s.wait(1)));
    scripts.tick(&mut log, 1);
    scripts.cancel(number(&scripts, 1));
    scripts.cancel(number(&scripts, 2));
    scripts.tick(&mut log, 1);
    assert!(neither.outcome().unwrap().is_cancelled());
}

#[test]
fn exit_in_a_branch_ends_the_whole_script() {
    let (outcome, log) = run(3, |s| {
        let _ = s.on_exit(|w| w.push("outer".into()));
        s.all(
            |s| {
                let _ = s.on_exit(|w| w.push("sibling".into()));
                s.wait(100);
            },
            |s| {
                let _ = s.on_exit(|w| w.push("branch".into()));
                s.wait(1);
                s.exit();
            },
        );
    });
    assert!(outcome.unwrap().is_cancelled());
    assert_eq!(log, ["branch", "sibling", "outer"]);
}

#[test]
fn joins_give_how_a_script_ended_to_everybody_who_waits() {
    let scripts = Scripts::<Log>::new();
    scripts.on_panic(|_| {});
    let done = scripts.spawn("done", |s| {
        s.wait(1);
        "value".to_owned()
    });
    let cancelled = scripts.spawn("cancelled", |s| s.wait(100).as_secs());
    let panicked = scripts.spawn("panicked", |s| {
        s.wait(1);
        panic!("oh");
    });
    let joiners: Vec<_> = (0..2)
        .map(|_| {
            let handles = (done.clone(), cancelled.clone(), panicked.clone());
            scripts.spawn("joins", move |s| {
                let done = s.join(&handles.0).done();
                let cancelled = s.join(&handles.1).is_cancelled();
                let Outcome::Panicked::<()>(info) = s.join(&handles.2) else { panic!() };
                let again = s.join(&handles.0).done();
                (done, cancelled, info.message, again)
            })
        })
        .collect();
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    cancelled.cancel();
    scripts.tick(&mut log, 1);
    for joiner in joiners {
        let value = Some("value".to_owned());
        let expected = (value.clone(), true, "oh".to_owned(), value);
        assert_eq!(joiner.outcome().unwrap().done(), Some(expected));
    }
}

#[test]
fn who_waits_for_itself_is_told() {
    let scripts = Scripts::<Log>::new();
    scripts.on_panic(|_| {});
    type Own = Rc<RefCell<Option<segno::script::Handle<()>>>>;
    let own: Own = Rc::default();
    let mine = own.clone();
    let handle = scripts.spawn("self", move |s| {
        let handle = mine.borrow().clone().unwrap();
        s.join(&handle);
    });
    own.replace(Some(handle.clone()));
    let inner: Own = Rc::default();
    let mine = inner.clone();
    let outer = scripts.spawn("parent", move |s| {
        s.race(|s| _ = s.join(&mine.borrow().clone().unwrap()), |s| _ = s.wait(9));
    });
    inner.replace(Some(outer.clone()));
    scripts.tick(&mut Log::new(), 1);
    for handle in [handle, outer] {
        let Some(Outcome::Panicked(info)) = handle.outcome() else { panic!() };
        assert!(info.message.contains("would wait for itself"), "{}", info.message);
    }
    own.take();
    inner.take();
}

#[test]
fn a_handle_of_other_scripts_is_refused() {
    let (ours, theirs) = (Scripts::<Log>::new(), Scripts::<Log>::new());
    ours.on_panic(|_| {});
    let foreign = theirs.spawn("foreign", |_| ());
    let handle = ours.spawn("joins", move |s| drop(s.join(&foreign)));
    ours.tick(&mut Log::new(), 1);
    let Some(Outcome::Panicked(info)) = handle.outcome() else { panic!() };
    assert!(info.message.contains("belongs to other scripts"));
    let group = theirs.group("theirs");
    let text = support::panic_text(|| ours.spawn_with(Spawn::named("x").group(&group), |_| ()));
    assert!(text.contains("belongs to other scripts"), "{text}");
    let owner = segno::script::Owner::new(&theirs);
    let text = support::panic_text(|| ours.spawn_with(Spawn::named("x").owner(&owner), |_| ()));
    assert!(text.contains("belongs to other scripts"), "{text}");
}

#[test]
fn a_child_that_returns_a_borrow_hands_it_over() {
    let (outcome, _) = run(3, |s| {
        let words = ["dal".to_owned(), "segno".to_owned()];
        s.scope(|s, scope| {
            let handles = words.each_ref().map(|word| {
                scope.spawn("child", move |s| {
                    s.wait(1);
                    word.as_str()
                })
            });
            handles.map(|handle| s.join_child(handle).done().unwrap().len())
        })
    });
    assert_eq!(outcome.unwrap().done(), Some([3, 5]));
}
