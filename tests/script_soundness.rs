//! Attacks on scripts: the world lent twice or too long, ticks inside ticks, scripts paused from elsewhere. All of
//! it is safe code, and each has to end in a panic that says what is wrong, with everything usable afterwards.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use segno::script::{self, Outcome, Script, Scripts, Spawn};
use segno::{Coroutine, Generator, Outlet, Pauser, State};

mod support;
use support::{Tally, in_time, panic_text, virtually, while_unwinding};

type Log = Vec<String>;

fn note(s: &mut Script<Log>, what: impl Into<String>) {
    let what = what.into();
    s.world().push(what);
}

/// What a script panics with in its first tick. Afterwards everything is as usual.
fn refused(f: impl FnOnce(&mut Script<Log>, &Scripts<Log>) + 'static) -> String {
    let scripts = Scripts::<Log>::new();
    scripts.on_panic(|_| {});
    let weak = scripts.downgrade();
    let handle = scripts.spawn("attacks", move |s| {
        let scripts = weak.upgrade().unwrap();
        f(s, &scripts);
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    scripts.spawn("after", |s| note(s, "after"));
    scripts.tick(&mut log, 0);
    assert_eq!(log.last().map(String::as_str), Some("after"));
    match handle.outcome() {
        Some(Outcome::Panicked(info)) => info.message,
        other => panic!("it was to panic, and is {other:?}"),
    }
}

// ---- a tick inside a tick

#[test]
fn a_tick_inside_a_tick_is_refused_naming_both_lines() {
    let ways: [fn(&Scripts<Log>, &mut Log); 6] = [
        |scripts, log| _ = scripts.tick(log, 0),
        |scripts, log| _ = scripts.tick_within(log, 0, script::Budget::Resumes(1)),
        |scripts, log| _ = scripts.run(script::Phase::LATE, log),
        |scripts, log| _ = scripts.settle(log),
        |scripts, log| _ = scripts.shutdown(log),
        |scripts, _| scripts.advance(1),
    ];
    for way in ways {
        let text = refused(move |_, scripts| way(scripts, &mut Log::new()));
        assert_eq!(text.matches("tests/script_soundness.rs:").count(), 2, "{text}");
        assert!(text.contains("inside the"), "{text}");
        let text = refused(move |s, scripts| s.with(|log| way(scripts, log)));
        assert!(text.contains("inside the"), "{text}");
    }
}

#[test]
fn a_tick_from_a_condition_a_filter_an_exit_closure_or_a_hook_is_refused() {
    let scripts = Scripts::<Log>::new();
    let told = Rc::new(RefCell::new(Vec::<String>::new()));
    let tick = {
        let (weak, told) = (scripts.downgrade(), told.clone());
        move || {
            let scripts = weak.upgrade().unwrap();
            let text = panic_text(|| scripts.tick(&mut Log::new(), 0));
            told.borrow_mut().push(text);
        }
    };
    let hook = tick.clone();
    scripts.on_panic(move |_| hook());
    let (condition, exit, filter) = (tick.clone(), tick.clone(), tick.clone());
    scripts.spawn("exit", move |s| _ = s.on_exit(move |_| exit()));
    scripts.spawn("condition", move |s| {
        s.next_frame();
        s.until(move |_| {
            condition();
            true
        });
    });
    scripts.spawn("filter", move |s| {
        s.wait_where(move |_: &u8| {
            filter();
            true
        });
    });
    scripts.spawn("emits", |s| _ = s.emit(1_u8));
    scripts.spawn("panics", |_| panic!("on purpose"));
    let mut log = Log::new();
    for _ in 0..3 {
        scripts.tick(&mut log, 0);
    }
    assert!(scripts.is_empty());
    assert_eq!(told.borrow().len(), 4);
    assert!(told.borrow().iter().all(|text| text.contains("inside the one at")), "{told:?}");
}

#[test]
fn a_tick_while_a_panic_unwinds_is_refused() {
    let scripts = Scripts::<Log>::new();
    let ((), reports) = support::reports(|| {
        while_unwinding(|| {
            let refused = catch_unwind(AssertUnwindSafe(|| scripts.tick(&mut Log::new(), 0)));
            assert!(refused.is_err());
        });
    });
    assert!(reports[0].message().contains("while a panic unwinds"));
    scripts.tick(&mut Log::new(), 0);
}

#[test]
fn two_schedulers_may_tick_each_other_and_share_a_world() {
    let (outer, inner) = (Scripts::<Log>::new(), Scripts::<Log>::new());
    let ticks = inner.clone();
    outer.spawn("outer", move |s| {
        for _ in 0..2 {
            note(s, "outer");
            s.with(|log| ticks.tick(log, 1));
            s.wait(1);
        }
    });
    inner.spawn("inner", |s| {
        loop {
            note(s, "inner");
            s.wait(1);
        }
    });
    let mut log = Log::new();
    outer.tick(&mut log, 1);
    inner.tick(&mut log, 1);
    outer.tick(&mut log, 1);
    assert_eq!(log, ["outer", "inner", "inner", "outer", "inner"]);
}

#[test]
fn a_script_does_not_pause_out_of_a_tick_that_it_has_begun() {
    // The outer script is reachable inside the inner tick by a condition of the inner scheduler, which runs on
    // the outer script's stack.
    let (outer, inner) = (Scripts::<Log>::new(), Scripts::<u32>::new());
    outer.on_panic(|_| {});
    let told: Rc<RefCell<String>> = Rc::default();
    let list = told.clone();
    inner.on_panic(move |info| *list.borrow_mut() = info.message.clone());
    inner.spawn("inner", |s| {
        s.next_frame();
        let mut first = true;
        s.until(move |_| {
            if !std::mem::replace(&mut first, false) {
                script::current::<Log, _>(|outer| outer.wait(1));
            }
            false
        });
    });
    let handle = outer.spawn("outer", move |s| {
        s.ambient(|| {
            for _ in 0..4 {
                inner.tick(&mut 0, 1);
            }
        });
        note(s, "survives");
    });
    let mut log = Log::new();
    outer.tick(&mut log, 1);
    assert!(told.borrow().contains("inside `tick`"), "{told:?}");
    assert_eq!(log, ["survives"]);
    assert!(handle.outcome().unwrap().done().is_some());
}

// ---- the world

#[test]
fn the_world_is_gone_when_scripts_are_dropped() {
    struct Looks<'a>(&'a mut Script<Log>, Rc<RefCell<String>>);
    impl Drop for Looks<'_> {
        fn drop(&mut self) {
            let text = catch_unwind(AssertUnwindSafe(|| self.0.world().len()));
            // A panic inside a destructor that unwinds would abort; this one is caught at once.
            *self.1.borrow_mut() = support::text_of(&*text.unwrap_err());
        }
    }
    let said: Rc<RefCell<String>> = Rc::default();
    let text = said.clone();
    let scripts = Scripts::<Log>::new();
    scripts.spawn("looks", move |s| {
        let looks = Looks(s, text);
        looks.0.wait(1);
    });
    scripts.tick(&mut Log::new(), 0);
    drop(scripts);
    assert!(said.borrow().contains("no world outside a tick"), "{said:?}");
}

#[test]
fn the_world_comes_back_however_a_tick_ends() {
    let scripts = Scripts::<Log>::builder().panic_policy(script::PanicPolicy::Propagate).build();
    scripts.spawn("panics", |_| panic!("out"));
    for _ in 0..2 {
        let mut short_lived = Log::new();
        let _ = catch_unwind(AssertUnwindSafe(|| scripts.tick(&mut short_lived, 0)));
    }
    scripts.spawn("fine", |s| note(s, "fine"));
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    assert_eq!(log, ["fine"]);
}

// ---- ambient access

#[test]
fn current_needs_a_script_that_is_made_reachable() {
    let outside = panic_text(|| script::current::<Log, _>(|s| _ = s.wait(1)));
    assert!(outside.contains("`current` at tests/script_soundness.rs"), "{outside}");
    let text = refused(|_, _| script::current::<Log, _>(|s| note(s, "never")));
    assert!(text.contains("no script is made reachable"), "{text}");
    // It is taken back with the frame that made it reachable, also when that panics.
    let text = refused(|s, _| {
        let _ = catch_unwind(AssertUnwindSafe(|| s.ambient(|| panic!("inside"))));
        script::current::<Log, _>(|s| note(s, "never"));
    });
    assert!(text.contains("no script is made reachable"), "{text}");
}

#[test]
fn current_inside_current_is_refused_naming_both_lines() {
    let text = refused(|s, _| {
        s.ambient(|| {
            script::current::<Log, _>(|first| {
                let world = first.world();
                script::current::<Log, _>(|second| second.world().clear());
                world.clear();
            });
        });
    });
    assert_eq!(text.matches("tests/script_soundness.rs:").count(), 3, "{text}");
    assert!(text.contains("is taken by the `current` at"), "{text}");
}

#[test]
fn current_of_another_world_is_refused() {
    let text = refused(|s, _| s.ambient(|| script::current::<u64, _>(|s| *s.world() = 7)));
    assert!(text.contains("`alloc::vec::Vec<alloc::string::String>`"), "{text}");
}

#[test]
fn current_in_a_generator_that_escapes_the_tick_never_gives_a_world() {
    let escaped: Rc<RefCell<Option<Generator<usize>>>> = Rc::default();
    let slot = escaped.clone();
    let text = refused(move |s, _| {
        let mut generator = Generator::new(|out: &Outlet<usize>| {
            out.pause(0);
            let len = script::current::<Log, _>(|s| s.world().len());
            out.pause(len);
        });
        s.ambient(|| {
            generator.next();
            slot.replace(Some(generator));
            let mut inside = Generator::new(|out: &Outlet<usize>| {
                out.pause(script::current::<Log, _>(|s| s.world().len()));
            });
            inside.next();
        });
    });
    assert!(text.contains("no script is made reachable"), "{text}");
    let mut generator = escaped.take().unwrap();
    let text = panic_text(|| generator.next());
    assert!(text.contains("no script is made reachable"), "{text}");
}

#[test]
fn ambient_on_the_stack_of_a_coroutine_inside_is_refused_and_so_is_current_there() {
    let text = refused(|s, _| {
        Coroutine::scoped(|_: &Pauser<(), ()>, ()| s.ambient(|| ())).enter(|co| _ = co.resume(()));
    });
    assert!(text.contains("on the script's own stack"), "{text}");
    let text = refused(|s, _| {
        s.ambient(|| {
            segno::stack::grow(100_000, || script::current::<Log, _>(|s| note(s, "never")));
        });
    });
    assert!(text.contains("no script is made reachable"), "{text}");
}

#[test]
fn each_script_has_its_own_ambient_and_keeps_it_over_pauses() {
    fn native(what: &str) {
        script::current::<Log, _>(|s| {
            note(s, what);
            s.wait(1);
            let name = s.name().to_owned();
            note(s, format!("{what} of {name}"));
        });
    }
    let scripts = Scripts::<Log>::new();
    for name in ["a", "b"] {
        scripts.spawn(name, move |s| {
            s.ambient(|| {
                native("outer");
                script::current::<Log, _>(|s| s.ambient(|| native("inner")));
                let child = script::current::<Log, _>(|s| {
                    s.all(|_| catch_unwind(|| native("child")).is_err(), |_| ()).0
                });
                assert!(child, "a child has an ambient of its own");
                native("outer again");
            });
        });
    }
    let mut log = Log::new();
    for _ in 0..5 {
        scripts.tick(&mut log, 1);
    }
    let of_a: Vec<_> = log.iter().filter(|line| line.ends_with("of a")).collect();
    assert_eq!(of_a, ["outer of a", "inner of a", "outer again of a"]);
    assert_eq!(log.len(), 12);
}

// ---- pauses from elsewhere

#[test]
fn a_script_pauses_through_coroutines_and_grown_stacks_inside_it() {
    let tally = Tally::default();
    let watch = tally.clone();
    let scripts = Scripts::<Log>::new();
    let handle = scripts.spawn("nests", move |s| {
        let mut sum = 0;
        for _ in 0..2 {
            sum += Generator::scoped(|out: &Outlet<u32>| {
                let _inner = watch.witness("generator");
                out.pause(1);
                s.wait(1); // both pause
                out.pause(2);
                segno::stack::grow(100_000, || {
                    let _grown = watch.witness("grown");
                    s.all(|s| s.wait(1), |s| s.wait(1));
                });
            })
            .enter(|items| items.sum::<u32>());
        }
        sum
    });
    let mut log = Log::new();
    for _ in 0..3 {
        scripts.tick(&mut log, 1);
    }
    let early = scripts.info(handle.id()).unwrap();
    assert_eq!(early.reason, "wait");
    for _ in 0..2 {
        scripts.tick(&mut log, 1);
    }
    assert_eq!(handle.outcome().unwrap().done(), Some(6));

    // Unwound from in there.
    for ticks in 1..5 {
        let watch = tally.clone();
        let handle = scripts.spawn("nests", move |s| {
            let captured = watch.witness("captured");
            Generator::scoped(|_: &Outlet<u32>| {
                let _inner = watch.witness("generator");
                segno::stack::grow(100_000, || {
                    let _grown = (watch.witness("grown"), &captured);
                    s.all(|s| s.wait(2), |s| s.wait(1));
                    s.wait(10);
                });
            })
            .enter(|items| items.count());
        });
        for _ in 0..ticks {
            scripts.tick(&mut log, 1);
        }
        handle.cancel();
        scripts.tick(&mut log, 1);
        assert_eq!(tally.alive(), 0);
    }
}

#[test]
fn a_coroutine_outside_is_not_paused_by_a_child_that_runs_elsewhere() {
    let text = refused(|s, _| {
        Coroutine::scoped(|co: &Pauser<(), ()>, ()| {
            s.all(|_| co.pause(()), |s| s.wait(1));
        })
        .enter(|co| _ = co.resume(()));
    });
    assert!(text.contains("a pause must happen under the coroutine that it pauses"), "{text}");
}

#[test]
fn a_coroutine_that_runs_the_tick_is_not_paused_out_of_it() {
    let scripts = Scripts::<Log>::new();
    scripts.spawn("script", |s| _ = s.wait(1));
    let ticks = scripts.clone();
    let mut co = Coroutine::new(move |co: &Pauser<(), ()>, ()| {
        let mut log = Log::new();
        ticks.tick(&mut log, 0); // a whole one is fine
        co.pause(());
        ticks.tick(&mut log, 1);
    });
    assert_eq!(co.resume(()), State::Paused(()));
    assert_eq!(co.resume(()), State::Complete(()));
    assert!(scripts.is_empty());
}

#[test]
fn no_pause_holds_for_scripts() {
    let text = refused(|s, _| segno::no_pause(|| _ = s.wait(1)));
    assert!(text.contains("inside `no_pause`"), "{text}");
    let text = refused(|s, _| segno::no_pause(|| _ = s.all(|_| (), |_| ())));
    assert!(text.contains("inside `no_pause`"), "{text}");
}

#[test]
fn what_stays_registered_after_a_refused_wait_is_nothing() {
    let scripts = Scripts::<Log>::new();
    scripts.spawn("refused", |s| {
        let refused = catch_unwind(AssertUnwindSafe(|| segno::no_pause(|| s.wait_for::<u8>())));
        assert!(refused.is_err());
        s.wait(1);
        note(s, "waited");
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    assert_eq!(scripts.emit(1_u8), 0);
    scripts.tick(&mut log, 0);
    assert!(log.is_empty());
    scripts.tick(&mut log, 1);
    assert_eq!(log, ["waited"]);
}

// ---- inside an event loop's task

#[test]
fn a_script_that_sleeps_in_a_task_pauses_the_whole_tick() {
    in_time(|| {
        let mut events = virtually();
        events
            .run(|| {
                let scripts = Scripts::<Log>::new();
                scripts.spawn("sleeps", |s| {
                    s.with(|log| {
                        segno::sleep(Duration::from_secs(1));
                        log.push("slept".into());
                    });
                });
                scripts.spawn("other", |s| note(s, "other"));
                let mut log = Log::new();
                segno::scope(|scope| {
                    scope.spawn(|| {
                        // The tick of the other task is under way, and its world lent.
                        let text = panic_text(|| scripts.tick(&mut Log::new(), 0));
                        assert!(text.contains("a task while another one ticks them"), "{text}");
                        assert_eq!(scripts.len(), 2);
                        scripts.spawn("from a task", |s| note(s, "from a task"));
                    });
                    scripts.tick(&mut log, 0);
                });
                assert_eq!(log, ["slept", "other", "from a task"]);
            })
            .unwrap();
    });
}

#[test]
fn a_cancelled_task_unwinds_the_script_that_waits_in_it_and_the_tick() {
    in_time(|| {
        let tally = Tally::default();
        let scripts = Scripts::<Log>::new();
        let watch = tally.clone();
        let sleeper = scripts.spawn("sleeps", move |s| {
            let _local = watch.witness("local");
            let _ = s.on_exit(|log| log.push("exit".into()));
            segno::sleep(Duration::from_secs(100));
        });
        scripts.spawn("other", |s| {
            loop {
                note(s, "other");
                s.next_frame();
            }
        });
        let mut log = Log::new();
        virtually()
            .run(|| {
                let late = segno::timeout(Duration::from_secs(1), || scripts.tick(&mut log, 0));
                assert!(late.is_err());
            })
            .unwrap();
        assert_eq!((tally.alive(), log.concat().as_str()), (0, "exit"));
        assert!(sleeper.outcome().unwrap().is_cancelled());
        scripts.tick(&mut log, 0);
        assert_eq!(log, ["exit", "other"]);
    });
}

#[test]
fn nobody_ticks_while_the_last_handle_is_being_dropped() {
    virtually()
        .run(|| {
            let scripts = Scripts::<Log>::new();
            scripts.spawn("comes home", |s| {
                let _ = s.on_exit(|_| unreachable!("there is no world"));
                let _ = s.fallible().wait(9);
                segno::sleep(Duration::from_secs(1)); // the task waits, with the drop in it
            });
            scripts.tick(&mut Log::new(), 0);
            let weak = scripts.downgrade();
            segno::scope(|scope| {
                scope.spawn(|| {
                    let scripts = weak.upgrade().expect("it is not gone yet");
                    scripts.spawn("late", |s| note(s, "never"));
                    let text = panic_text(|| scripts.tick(&mut Log::new(), 0));
                    assert!(text.contains("inside the one at"), "{text}");
                });
                drop(scripts);
            });
            assert!(weak.upgrade().is_none());
        })
        .unwrap();
}

#[test]
fn a_script_does_not_pause_inside_a_scope_of_a_loop() {
    virtually()
        .run(|| {
            let text = refused(|s, _| {
                segno::scope(|_| {
                    s.wait(1);
                });
            });
            assert!(text.contains("inside `scope`"), "{text}");
            let text = refused(|s, _| {
                let _ = segno::timeout(Duration::from_secs(1), || s.next_frame());
            });
            assert!(text.contains("inside `timeout`"), "{text}");
        })
        .unwrap();
}

#[test]
fn a_tick_may_wait_inside_a_scope_whose_children_borrow() {
    virtually()
        .run(|| {
            let scripts = Scripts::<u32>::new();
            let count = Cell::new(0);
            scripts.spawn("waits", |s| {
                *s.world() += 1;
                segno::sleep(Duration::from_millis(5));
                s.next_frame();
                *s.world() += 1;
            });
            let mut world = 0;
            segno::scope(|scope| {
                scope.spawn(|| count.set(count.get() + 1));
                scripts.tick(&mut world, 0);
                assert_eq!(count.get(), 1);
                scripts.tick(&mut world, 0);
            });
            assert_eq!(world, 2);
        })
        .unwrap();
}

// ---- overflow, threads

#[test]
fn a_small_stack_is_enough_for_the_librarys_own_frames() {
    let scripts = Scripts::<Log>::new();
    let spawn = Spawn::named("small").stack_size(32 << 10);
    let handle = scripts.spawn_with(spawn, |s| {
        let (in_time, _) = s.all(
            |s| s.timeout(5, |s| s.wait(1)),
            |s| s.scope(|s, _| s.race(|s| s.wait(1), |s| s.wait(2))),
        );
        assert!(in_time.is_ok());
        s.spawn("child", |_| ());
    });
    let mut log = Log::new();
    for _ in 0..3 {
        scripts.tick(&mut log, 1);
    }
    assert!(handle.is_finished());
}

#[test]
fn each_thread_has_scripts_of_its_own() {
    let threads: Vec<_> = (0..2)
        .map(|_| {
            std::thread::spawn(|| {
                let scripts = Scripts::<u32>::new();
                for _ in 0..50 {
                    scripts.spawn("counts", |s| {
                        loop {
                            *s.world() += 1;
                            s.next_frame();
                        }
                    });
                }
                let mut count = 0;
                for _ in 0..10 {
                    scripts.tick(&mut count, 0.1);
                }
                count
            })
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 500));
}

#[test]
fn scripts_kept_in_a_thread_local_end_with_the_thread() {
    thread_local!(static KEPT: RefCell<Option<Scripts<Log>>> = const { RefCell::new(None) });
    let drops = std::thread::spawn(|| {
        let scripts = Scripts::<Log>::new();
        scripts.spawn("kept", |s| _ = s.all(|s| s.wait(1), |s| s.wait_for::<u8>()));
        scripts.tick(&mut Log::new(), 0);
        KEPT.set(Some(scripts));
    });
    drops.join().unwrap();
}
