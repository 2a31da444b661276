//! Scripts that are cancelled: in every wait, at every moment, with clean-up each time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use segno::script::{
    Cancelled, Mailbox, Outcome, Owner, Phase, Script, Scripts, Singleton, Spawn, frames,
};

mod support;
use support::{OnDrop, Tally, assert_aborted, child};

type Log = Vec<String>;

fn note(s: &mut Script<Log>, what: impl Into<String>) {
    let what = what.into();
    s.world().push(what);
}

/// Every way to wait for ever, or for longer than a test takes.
type Wait = (&'static str, fn(&mut Script<Log>));
const WAITS: [Wait; 17] = [
    ("wait", |s| _ = s.wait(100)),
    ("frames", |s| _ = s.wait(frames(100))),
    ("wait_on", |s| {
        let group = s.group();
        s.wait_on(&group, 100);
    }),
    ("next", |s| s.next(Phase::custom(9))),
    ("every", |s| _ = s.every(100).next(s)),
    ("until", |s| s.until(|_| false)),
    ("wait_for", |s| _ = s.wait_for::<u8>()),
    ("wait_where", |s| _ = s.wait_where(|_: &u8| false)),
    ("mailbox", |s| {
        let mail: Mailbox<u8> = s.listen();
        mail.next(s);
    }),
    ("join", |s| {
        let other = s.spawn_with(Spawn::named("other").priority(1), |s| _ = s.fallible().wait(100));
        s.join(&other);
    }),
    ("all", |s| _ = s.all(|s| s.wait(100), |s| s.wait(100))),
    ("race", |s| _ = s.race(|s| s.wait(100), |s| s.wait(100))),
    ("scope", |s| {
        s.scope(|_, scope| {
            scope.spawn("child", |s| s.wait(100));
        });
    }),
    ("timeout", |s| _ = s.timeout(200, |s| s.wait(100))),
    ("interrupt_on", |s| _ = s.interrupt_on::<u8, _>(|s| s.wait(100))),
    ("run_while", |s| _ = s.run_while(|_| true, |s| s.wait(100))),
    ("skippable", |s| _ = s.skippable(1_u8, |s| s.wait(100))),
];

#[test]
fn a_script_is_cancelled_in_every_wait_and_cleans_up_once() {
    for (name, wait) in WAITS {
        for paused in [false, true] {
            let tally = Tally::default();
            let scripts = Scripts::<Log>::new();
            let group = scripts.group("group");
            let watch = tally.clone();
            let handle = scripts.spawn_with(Spawn::named(name).group(&group), move |s| {
                let _local = watch.witness("local");
                let _ = s.on_exit(|w| w.push("first".into()));
                let _ = s.on_cancel(|w| w.push("second".into()));
                wait(s);
                unreachable!("it was cancelled");
            });
            let mut log = Log::new();
            scripts.tick(&mut log, 1);
            assert_eq!(tally.alive(), 1, "{name}");
            if paused {
                group.pause();
            }
            assert!(handle.cancel(), "{name}");
            assert!(!handle.cancel(), "{name}: twice");
            assert_eq!(tally.alive(), 1, "{name}: not before the tick");
            let report = scripts.tick(&mut log, 1);
            assert_eq!((log.concat(), tally.alive()), ("secondfirst".into(), 0), "{name}");
            assert!(report.cancelled >= 1 && report.panicked == 0, "{name}");
            assert!(handle.outcome().unwrap().is_cancelled(), "{name}");
            // Nothing is left behind that would disturb others.
            scripts.cancel_all();
            scripts.settle(&mut log);
            assert!(scripts.is_empty() && scripts.emit(1_u8) == 0, "{name}");
            scripts.tick(&mut log, 300);
            scripts.run(Phase::custom(9), &mut log);
        }
    }
}

#[test]
fn cancelled_before_its_first_step_a_script_only_drops_what_it_captured() {
    let tally = Tally::default();
    let scripts = Scripts::<Log>::new();
    let witness = tally.witness("captured");
    let handle = scripts.spawn("early", move |s| {
        let _witness = witness;
        note(s, "ran");
    });
    assert!(handle.cancel());
    assert_eq!(tally.alive(), 1);
    let mut log = Log::new();
    let report = scripts.tick(&mut log, 1);
    assert_eq!((report.resumes, report.cancelled, tally.alive()), (0, 1, 0));
    assert!(log.is_empty());
}

#[test]
fn a_script_cancels_itself_and_goes_on_to_its_next_wait() {
    let scripts = Scripts::<Log>::new();
    let handle = scripts.spawn("suicide", |s| {
        let id = s.id();
        assert!(s.handle().upgrade().unwrap().cancel(id));
        assert!(s.cancelled());
        note(s, "still here");
        s.wait(0);
        unreachable!();
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    assert_eq!(log, ["still here"]);
    assert!(handle.outcome().unwrap().is_cancelled());
}

#[test]
fn one_that_was_due_in_this_tick_takes_no_step_once_another_has_cancelled_it() {
    let scripts = Scripts::<Log>::new();
    let victim: Rc<RefCell<Option<segno::script::Handle<()>>>> = Rc::default();
    let target = victim.clone();
    scripts.spawn("killer", move |s| {
        s.wait(1);
        target.borrow().as_ref().unwrap().cancel();
        note(s, "kills");
        s.wait(1);
    });
    let handle = scripts.spawn("victim", |s| {
        let _ = s.on_exit(|w| w.push("dies".into()));
        loop {
            note(s, "steps");
            s.wait(1);
        }
    });
    victim.replace(Some(handle));
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    scripts.tick(&mut log, 1);
    assert_eq!(log, ["steps", "kills", "dies"]);
}

#[test]
fn an_owner_that_dies_in_the_tick_in_which_its_script_was_due_takes_its_step() {
    struct World {
        guard: Option<Owner>,
        steps: u32,
        exits: u32,
    }
    let scripts = Scripts::<World>::new();
    let owner = Owner::new(&scripts);
    scripts.spawn("kills", |s| {
        s.wait(1);
        s.world().guard = None;
    });
    scripts.spawn_with(Spawn::named("guard").owner(&owner), |s| {
        let _ = s.on_exit(|w| w.exits += 1);
        // What it spawns is bound, too.
        s.spawn("shadow", |s| {
            let _ = s.on_exit(|w| w.exits += 1);
            s.wait_for::<u8>();
        });
        loop {
            assert!(s.world().guard.is_some(), "no step without its guard");
            s.world().steps += 1;
            s.wait(1);
        }
    });
    let mut world = World { guard: Some(owner), steps: 0, exits: 0 };
    scripts.tick(&mut world, 1);
    scripts.tick(&mut world, 1);
    assert_eq!((world.steps, world.exits, scripts.len()), (1, 2, 0));
}

#[test]
fn an_owner_dropped_on_another_thread_or_before_the_spawn_counts() {
    let scripts = Scripts::<Log>::new();
    let owner = Owner::new(&scripts);
    let spawn = Spawn::named("bound").owner(&owner);
    let handle = scripts.spawn_with(spawn.clone(), |s| s.wait(100).as_secs());
    scripts.tick(&mut Log::new(), 1);
    std::thread::spawn(move || drop(owner)).join().unwrap();
    let late = scripts.spawn_with(spawn, |s| note(s, "never"));
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    assert!(handle.outcome().unwrap().is_cancelled() && late.outcome().unwrap().is_cancelled());
    assert!(log.is_empty());
}

#[test]
fn children_end_before_their_parent_and_inner_frames_before_outer_ones() {
    let scripts = Scripts::<Log>::new();
    let order: Rc<RefCell<Vec<&str>>> = Rc::default();
    let at = |what: &'static str| {
        let order = order.clone();
        OnDrop(move || order.borrow_mut().push(what))
    };
    let drops = (at("parent's inner"), at("parent's outer"), at("left"), at("right"));
    let handle = scripts.spawn("parent", move |s| {
        let (inner, outer, left, right) = drops;
        let _outer = outer;
        let _inner = inner;
        s.all(
            move |s| {
                let _left = left;
                s.wait(100);
            },
            move |s| {
                let _right = right;
                s.wait(100);
            },
        );
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    handle.cancel();
    scripts.tick(&mut log, 1);
    assert_eq!(*order.borrow(), ["left", "right", "parent's inner", "parent's outer"]);
}

#[test]
fn exit_closures_run_however_a_script_ends_and_may_be_taken_back() {
    let scripts = Scripts::<Log>::new();
    scripts.on_panic(|_| {});
    let register = |s: &mut Script<Log>, name: &'static str| {
        let _ = s.on_exit(move |w| w.push(format!("{name} exits")));
        let _ = s.on_cancel(move |w| w.push(format!("{name} was cancelled")));
        let taken = s.on_exit(|_| unreachable!());
        assert!(s.disarm(taken) && !s.disarm(taken));
    };
    scripts.spawn("returns", move |s| register(s, "returns"));
    scripts.spawn("panics", move |s| {
        register(s, "panics");
        panic!("on purpose");
    });
    scripts.spawn("leaves", move |s| {
        register(s, "leaves");
        s.exit();
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    assert_eq!(log, ["returns exits", "panics exits", "leaves was cancelled", "leaves exits"]);
}

#[test]
fn an_exit_closure_that_cancels_its_own_script_spawns_and_panics_disturbs_nobody() {
    let scripts = Scripts::<Log>::new();
    let (_, reports) = support::reports(|| {
        let weak = scripts.downgrade();
        scripts.spawn("meddles", move |s| {
            let id = s.id();
            let _ = s.on_exit(|w| w.push("last".into()));
            let _ = s.on_exit(move |_| {
                let scripts = weak.upgrade().unwrap();
                assert!(!scripts.cancel(id));
                scripts.spawn("heir", |s| note(s, "heir"));
                panic!("in an exit closure");
            });
            s.wait(1);
            s.exit();
        });
        let mut log = Log::new();
        scripts.tick(&mut log, 1);
        scripts.tick(&mut log, 1);
        assert_eq!(log, ["last", "heir"]);
    });
    assert!(reports[0].message().contains("in an exit closure"));
}

#[test]
fn a_shield_postpones_for_the_script_and_its_children_until_it_is_left() {
    let scripts = Scripts::<Log>::new();
    let handle = scripts.spawn("surgeon", |s| {
        s.shield(|s| {
            s.wait(1);
            note(s, format!("cancelled: {}", s.cancelled()));
            s.all(|s| s.wait(1), |s| s.race(|s| s.wait(1), |s| s.wait(9)));
            note(s, "sewn up");
        });
        note(s, "washes hands");
        s.wait(1);
        unreachable!();
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    assert!(handle.cancel());
    for _ in 0..3 {
        scripts.tick(&mut log, 1);
    }
    assert_eq!(log, ["cancelled: true", "sewn up", "washes hands"]);
    assert!(handle.outcome().unwrap().is_cancelled());
}

#[test]
fn a_child_in_a_shield_keeps_its_cancelled_parent_waiting() {
    let scripts = Scripts::<Log>::new();
    let handle = scripts.spawn("parent", |s| {
        let _ = s.on_exit(|w| w.push("parent".into()));
        s.all(
            |s| {
                let _ = s.on_exit(|w| w.push("child".into()));
                s.shield(|s| s.wait(3));
            },
            |s| {
                let _ = s.on_exit(|w| w.push("quick".into()));
                s.wait(100);
            },
        );
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    handle.cancel();
    for expected in [1, 1, 3] {
        scripts.tick(&mut log, 1);
        assert_eq!(log.len(), expected);
    }
    assert_eq!(log, ["quick", "child", "parent"]);
}

#[test]
fn fallible_waits_give_the_error_each_time_and_come_home() {
    fn careful(s: &mut Script<Log>) -> Result<(), Cancelled> {
        s.fallible().wait(1)?;
        s.fallible().next_frame()?;
        s.fallible().yield_now()?;
        s.fallible().wait_for::<u8>()?;
        unreachable!("cancelled while it waits for an event");
    }
    let scripts = Scripts::<Log>::new();
    let handle = scripts.spawn("careful", |s| {
        assert_eq!(careful(s), Err(Cancelled));
        let mail: Mailbox<u8> = s.listen();
        let group = s.group();
        let other = s.spawn("other", |_| ());
        assert_eq!(s.fallible().wait_where(|_: &u8| true), Err(Cancelled));
        assert_eq!(s.fallible().wait_on(&group, 1), Err(Cancelled));
        assert_eq!(s.fallible().next(Phase::LATE), Err(Cancelled));
        assert_eq!(s.fallible().until(|_| false), Err(Cancelled));
        assert_eq!(s.fallible().take(&mail), Err(Cancelled));
        assert!(s.fallible().join(&other).is_err());
        s.shield(|s| s.fallible().next_frame()).unwrap();
        note(s, "home");
        7
    });
    let mut log = Log::new();
    for _ in 0..3 {
        scripts.tick(&mut log, 1);
    }
    handle.cancel();
    for _ in 0..2 {
        scripts.tick(&mut log, 1);
    }
    assert_eq!(log, ["home"]);
    assert!(handle.outcome().unwrap().is_cancelled());
}

#[test]
fn waits_in_a_destructor_return_at_once_or_abort() {
    struct Waits<'a>(&'a mut Script<Log>);
    impl Drop for Waits<'_> {
        fn drop(&mut self) {
            self.0.wait(5);
            self.0.next_frame();
            self.0.yield_now();
            assert_eq!(self.0.fallible().wait_for::<u8>(), Err(Cancelled));
            self.0.world().push("unwound".into());
        }
    }
    let scripts = Scripts::<Log>::new();
    let handle = scripts.spawn("waits", |s| {
        let waits = Waits(s);
        waits.0.wait(100);
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    handle.cancel();
    scripts.tick(&mut log, 1);
    assert_eq!(log, ["unwound"]);

    let output = child("waits_in_a_destructor_return_at_once_or_abort", || {
        struct Asks<'a>(&'a mut Script<Log>);
        impl Drop for Asks<'_> {
            fn drop(&mut self) {
                self.0.wait_for::<u8>();
            }
        }
        let scripts = Scripts::<Log>::new();
        scripts.spawn("asks", |s| {
            let asks = Asks(s);
            asks.0.wait(100);
        });
        scripts.tick(&mut Log::new(), 1);
        drop(scripts);
    });
    if !cfg!(miri) {
        assert_aborted(&output, &["`wait_for` at tests/script_cancel.rs", "must not wait"]);
    }
}

#[test]
fn a_destructor_waits_as_usual_when_nothing_unwinds() {
    struct Waits<'a>(&'a mut Script<Log>);
    impl Drop for Waits<'_> {
        fn drop(&mut self) {
            self.0.wait(1);
            self.0.world().push("waited".into());
        }
    }
    let scripts = Scripts::<Log>::new();
    scripts.spawn("waits", |s| drop(Waits(s)));
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    assert!(log.is_empty());
    scripts.tick(&mut log, 1);
    assert_eq!(log, ["waited"]);
}

#[test]
fn of_singletons_the_running_one_stays_goes_or_ends_first() {
    let run = |policy: Singleton| {
        let scripts = Scripts::<Log>::new();
        let spawn = || Spawn::named("one").singleton(policy);
        let mut log = Log::new();
        let body = |name: &'static str| {
            move |s: &mut Script<Log>| {
                let _ = s.on_exit(move |w| w.push(format!("{name} exits")));
                note(s, name);
                s.shield(|s| s.wait(2));
                s.wait(1);
                name.len()
            }
        };
        let first = scripts.spawn_with(spawn(), body("first"));
        scripts.tick(&mut log, 1);
        let second = scripts.spawn_with(spawn(), body("second"));
        for _ in 0..6 {
            scripts.tick(&mut log, 1);
        }
        assert!(scripts.is_empty());
        (log, first.outcome().unwrap().done(), second.outcome().unwrap().done())
    };
    let (log, first, second) = run(Singleton::Keep);
    assert_eq!(
        (log, first, second),
        (vec!["first".into(), "first exits".into()], Some(5), Some(5))
    );
    let (log, first, second) = run(Singleton::Replace);
    assert_eq!(log, ["first", "second", "first exits", "second exits"]);
    assert_eq!((first, second), (None, Some(6)));
    let (log, first, second) = run(Singleton::Restart);
    assert_eq!(log, ["first", "first exits", "second", "second exits"]);
    assert_eq!((first, second), (None, Some(6)));
}

#[test]
fn a_new_singleton_may_start_when_the_old_one_has_ended() {
    let scripts = Scripts::<Log>::new();
    let spawn = || Spawn::named("one").singleton(Singleton::Keep);
    let mut log = Log::new();
    for _ in 0..3 {
        scripts.spawn_with(spawn(), |s| note(s, "ran"));
        scripts.tick(&mut log, 1);
    }
    assert_eq!(log.len(), 3);
}

#[test]
fn a_joiner_of_what_is_cancelled_never_hangs() {
    let scripts = Scripts::<Log>::new();
    let target = scripts.spawn("target", |s| s.shield(|s| s.wait(1)).as_secs());
    let joined = target.clone();
    let joiner = scripts.spawn("joiner", move |s| match s.join(&joined) {
        Outcome::Cancelled => note(s, "released"),
        other => panic!("{other:?}"),
    });
    let early = scripts.spawn("early", |_| ());
    let waits_for_early = scripts.spawn("waits for early", {
        let early = early.clone();
        move |s| s.join(&early).is_cancelled()
    });
    let mut log = Log::new();
    early.cancel();
    target.cancel();
    for _ in 0..3 {
        scripts.tick(&mut log, 1);
    }
    assert!(joiner.is_finished() && target.outcome().unwrap().is_cancelled());
    assert_eq!(log, ["released"]);
    assert_eq!(waits_for_early.outcome().unwrap().done(), Some(true));
}

#[test]
fn who_swallows_a_cancellation_and_returns_is_cancelled_all_the_same() {
    let scripts = Scripts::<Log>::new();
    let raised = Rc::new(Cell::new(0));
    let count = raised.clone();
    let handle = scripts.spawn("swallows", move |s| {
        for _ in 0..10 {
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| s.wait(1)));
            if let Err(payload) = caught {
                assert!(segno::is_cancel(&*payload));
                count.set(count.get() + 1);
            }
        }
        "swallowed"
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    scripts.tick(&mut log, 1);
    handle.cancel();
    scripts.tick(&mut log, 1);
    assert_eq!(raised.get(), 9);
    assert!(handle.outcome().unwrap().is_cancelled());
}

#[test]
fn a_child_that_cancels_its_parent_goes_on_to_its_next_wait_and_ends_first() {
    let scripts = Scripts::<Log>::new();
    let handle = scripts.spawn("parent", |s| {
        let parent = s.id();
        let _ = s.on_exit(|w| w.push("parent".into()));
        s.all(
            move |s| {
                let _ = s.on_exit(|w| w.push("child".into()));
                s.wait(1);
                assert!(s.handle().upgrade().unwrap().cancel(parent));
                note(s, "still here");
                s.yield_now();
                unreachable!();
            },
            |s| {
                let _ = s.on_exit(|w| w.push("sibling".into()));
                s.wait(1);
                unreachable!("it was due in the tick in which it was cancelled");
            },
        );
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    scripts.tick(&mut log, 1);
    assert_eq!(log, ["still here", "child", "sibling", "parent"]);
    assert!(handle.outcome().unwrap().is_cancelled());
}
