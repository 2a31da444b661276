//! Scripts: what a tick does, in which order, and what it tells. More is in the files whose names begin with
//! `script_`.

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

use segno::script::{
    Activity, Ease, Outcome, Owner, PanicPolicy, Phase, Script, Scripts, Singleton, Spawn, frames,
};

mod support;
use support::{panic_text, reports};

/// A world that is a list of what happened.
type Log = Vec<String>;

fn note(s: &mut Script<Log>, what: impl Into<String>) {
    let what = what.into();
    s.world().push(what);
}

#[test]
fn a_script_runs_first_in_the_tick_after_its_spawn_and_goes_on_where_it_waited() {
    let scripts = Scripts::<Log>::new();
    let handle = scripts.spawn("counter", |s| {
        for i in 0..3 {
            note(s, format!("{i}"));
            s.next_frame();
        }
        "done"
    });
    let mut log = Log::new();
    for _ in 0..4 {
        assert!(!handle.is_finished());
        scripts.tick(&mut log, 0.1);
    }
    assert_eq!(log, ["0", "1", "2"]);
    assert_eq!(handle.outcome().unwrap().done(), Some("done"));
    assert!(scripts.is_empty());
}

#[test]
fn a_script_spawned_in_a_tick_runs_in_that_tick_after_who_was_ready() {
    let scripts = Scripts::<Log>::new();
    scripts.spawn("parent", |s| {
        s.spawn("child", |s| {
            note(s, "child");
            s.spawn("grandchild", |s| note(s, "grandchild"));
        });
        note(s, "parent");
    });
    scripts.spawn("other", |s| note(s, "other"));
    let mut log = Log::new();
    let report = scripts.tick(&mut log, 0);
    assert_eq!(log, ["parent", "other", "child", "grandchild"]);
    assert_eq!((report.spawned, report.done, report.resumes, report.live), (4, 4, 4, 0));
}

#[test]
fn who_is_due_runs_by_priority_then_by_number_and_who_is_woken_then_in_order() {
    let scripts = Scripts::<Log>::new();
    let spawn = |name: &'static str, priority: i32, how: fn(&mut Script<Log>)| {
        scripts.spawn_with(Spawn::named(name).priority(priority), move |s| {
            how(s);
            note(s, name);
        });
    };
    spawn("d: timer", 0, |s| _ = s.wait(1));
    spawn("a: frame", -5, |s| _ = s.next_frame());
    spawn("e: event", 0, |s| _ = s.wait_for::<u8>());
    spawn("b: condition", -4, |s| s.until(|log| log.is_empty() && false_once()));
    spawn("f: frames", 3, |s| _ = s.wait(frames(1)));
    spawn("c: timer", -4, |s| _ = s.wait(1));
    spawn("h: woken", -9, |s| _ = s.wait_for::<char>());
    spawn("g: wakes", 9, |s| {
        s.next_frame();
        s.emit('x');
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    scripts.emit(1_u8);
    scripts.tick(&mut log, 1);
    let first: String = log.iter().filter_map(|name| name.chars().next()).collect();
    assert_eq!(first, "abcdefgh");
}

/// False when it is first called on a thread, then true.
fn false_once() -> bool {
    thread_local!(static CALLED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
    CALLED.replace(true)
}

#[test]
fn scripts_that_wait_are_not_looked_at() {
    let scripts = Scripts::<Log>::new();
    for i in 0..100 {
        scripts.spawn("idle", move |s| match i % 4 {
            0 => _ = s.wait(1000),
            1 => _ = s.wait_for::<u8>(),
            2 => s.next(Phase::custom(1)),
            _ => _ = s.race(|s| s.wait(1000), |s| s.wait(2000)),
        });
    }
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    for _ in 0..5 {
        let report = scripts.tick(&mut log, 1);
        assert_eq!((report.resumes, report.polls, report.live), (0, 0, 150));
    }
}

#[test]
fn yielding_lets_others_go_first_in_the_same_tick() {
    let scripts = Scripts::<Log>::new();
    for name in ["a", "b"] {
        scripts.spawn(name, move |s| {
            for _ in 0..3 {
                note(s, name);
                s.yield_now();
            }
        });
    }
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    assert_eq!(log.concat(), "ababab");
}

#[test]
fn a_tick_that_does_not_end_panics_naming_the_busiest_and_leaves_everything_usable() {
    let scripts = Scripts::<Log>::builder().most_resumes(1000).build();
    scripts.spawn("quiet", |s| _ = s.wait(1));
    let ping = scripts.spawn("ping", |s| {
        loop {
            s.yield_now();
        }
    });
    let pong = scripts.spawn("pong", |s| {
        loop {
            s.yield_now();
        }
    });
    let mut log = Log::new();
    let text = panic_text(|| scripts.tick(&mut log, 0));
    assert!(text.contains("more than 1000 times"), "{text}");
    assert!(
        text.contains("`ping`") && text.contains("`pong`") && !text.contains("`quiet`"),
        "{text}"
    );
    assert!(text.contains("tests/script.rs"), "{text}");
    ping.cancel();
    pong.cancel();
    let report = scripts.tick(&mut log, 1);
    assert_eq!((report.done, report.live), (1, 0));
}

#[test]
fn many_resumes_in_one_tick_are_no_mistake_if_there_are_many_scripts() {
    let scripts = Scripts::<u64>::builder().stack_size(48 << 10).build();
    let count = support::many(1_100, 11);
    for _ in 0..count {
        scripts.spawn("busy", |s| {
            for _ in 0..99 {
                *s.world() += 1;
                s.yield_now();
            }
        });
    }
    let mut resumes = 0;
    scripts.tick(&mut resumes, 0);
    assert_eq!(resumes, 99 * count);
}

#[test]
fn the_list_tells_who_does_what_where() {
    let scripts = Scripts::<Log>::new();
    let group = scripts.group("village");
    let guard = scripts.spawn_with(Spawn::named("guard").group(&group).priority(2), |s| {
        s.wait(1);
        s.label("chasing");
        s.all(|s| s.wait_for::<u8>(), |s| s.wait(9));
    });
    let mut log = Log::new();
    let info = scripts.info(guard.id()).unwrap();
    assert_eq!((info.activity, info.reason, info.resumes), (Activity::Ready, "spawn", 0));
    scripts.tick(&mut log, 5);
    scripts.tick(&mut log, 1);
    let list = scripts.list();
    let names: Vec<_> = list.iter().map(|info| (&*info.name, info.reason)).collect();
    assert_eq!(names, [("guard", "all"), ("all", "wait_for"), ("all", "wait")]);
    let info = &list[0];
    assert_eq!(info.id, guard.id());
    assert_eq!(
        (info.label.as_deref(), &*info.group, info.priority),
        (Some("chasing"), "village", 2)
    );
    assert_eq!((info.activity, info.resumes), (Activity::Waiting, 2));
    assert_eq!((info.age, info.parent), (Duration::from_secs(6), None));
    assert!(info.at.file().ends_with("script.rs") && info.at.line() > info.spawned_at.line());
    assert_eq!(list[1].parent, Some(guard.id()));
    let family: Vec<_> = scripts.family(guard.id()).iter().map(|info| info.id).collect();
    assert_eq!(family, [list[0].id, list[1].id, list[2].id]);
    assert_eq!(scripts.family(list[1].id).len(), 1);
    assert_eq!(info.to_string(), format!("{} \"guard\" [chasing] all at {}", guard.id(), info.at));
    group.pause();
    scripts.emit(1_u8);
    assert_eq!(scripts.list()[1].activity, Activity::Held);
    guard.cancel();
    assert_eq!(scripts.list()[0].activity, Activity::Ending);
}

#[test]
fn the_peak_of_a_stack_is_measured_on_demand() {
    let scripts = Scripts::<Log>::builder().measure(true).build();
    let handle = scripts.spawn("deep", |s| {
        std::hint::black_box([0_u8; 20_000]);
        s.wait(1);
    });
    scripts.tick(&mut Log::new(), 0);
    let peak = scripts.info(handle.id()).unwrap().peak_stack;
    if cfg!(all(unix, not(miri), not(feature = "sanitizer"))) {
        assert!((20_000..60_000).contains(&peak.unwrap()), "{peak:?}");
    }
}

#[test]
fn panics_are_isolated_and_told_with_name_and_place() {
    let scripts = Scripts::<Log>::new();
    let told: Rc<RefCell<Vec<String>>> = Rc::default();
    let list = told.clone();
    scripts.on_panic(move |info| {
        assert!(info.at.file().ends_with("script.rs"));
        list.borrow_mut().push(format!("{}: {}", info.name, info.message));
    });
    let bad = scripts.spawn("bad", |s| {
        s.wait(1);
        panic!("{}", "no good");
    });
    scripts.spawn("good", |s| {
        loop {
            note(s, "good");
            s.next_frame();
        }
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    let report = scripts.tick(&mut log, 1);
    assert_eq!((report.panicked, log.len()), (1, 2));
    assert_eq!(*told.borrow(), ["bad: no good"]);
    let Some(Outcome::Panicked::<()>(info)) = bad.outcome() else { panic!() };
    let text = info.to_string();
    assert!(
        text.contains("`bad`") && text.contains("script.rs") && text.contains("no good"),
        "{text}"
    );
}

#[test]
fn without_a_hook_a_panic_is_reported_unless_somebody_joins() {
    let ((), told) = reports(|| {
        let scripts = Scripts::<Log>::new();
        scripts.spawn("alone", |_| panic!("alone"));
        let joined = scripts.spawn("joined", |s| {
            s.next_frame();
            panic!("joined");
        });
        scripts.spawn("joins", move |s| _ = s.join::<()>(&joined));
        let mut log = Log::new();
        scripts.tick(&mut log, 0);
        scripts.tick(&mut log, 0);
    });
    let told: Vec<_> = told.iter().map(|report| report.message()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("`alone`"));
}

#[test]
fn a_panic_may_come_out_of_the_tick() {
    let scripts = Scripts::<Log>::builder().panic_policy(PanicPolicy::Propagate).build();
    let handle = scripts.spawn("bad", |s| {
        let _ = s.on_exit(|w| w.push("exit".into()));
        panic!("out");
    });
    let mut log = Log::new();
    assert_eq!(panic_text(|| scripts.tick(&mut log, 0)), "out");
    assert_eq!(log, ["exit"]);
    assert!(matches!(handle.outcome(), Some(Outcome::Panicked::<()>(_))));
    assert_eq!(scripts.tick(&mut log, 0).live, 0);
}

#[test]
fn a_slow_script_is_told_of() {
    let scripts = Scripts::<Log>::new();
    let told: Rc<RefCell<Vec<String>>> = Rc::default();
    let list = told.clone();
    scripts.on_slow(Duration::from_millis(5), move |info| {
        assert!(info.took > Duration::from_millis(5) && info.from.line() < info.to.line());
        list.borrow_mut().push(info.to_string());
    });
    scripts.spawn("quick", |s| _ = s.wait(1));
    scripts.spawn("slow", |s| {
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(6) {}
        s.wait(1);
    });
    scripts.tick(&mut Log::new(), 0);
    let told = told.borrow();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("script `slow`"), "{told:?}");
}

#[test]
fn a_result_is_taken_once_and_copied_as_often_as_one_likes() {
    let scripts = Scripts::<Log>::new();
    let handle = scripts.spawn("gives", |_| "value".to_owned());
    assert!(handle.outcome().is_none() && handle.take().is_none());
    scripts.tick(&mut Log::new(), 0);
    assert_eq!(handle.outcome().unwrap().done(), Some("value".to_owned()));
    assert_eq!(handle.clone().outcome().unwrap().done(), Some("value".to_owned()));
    assert_eq!(handle.take().unwrap().done(), Some("value".to_owned()));
    assert!(handle.take().is_none() && handle.outcome().is_none());
    assert_eq!(handle.name(), "gives");
    scripts.on_panic(|_| {});
    let late = scripts.spawn("late", move |s| s.join(&handle).done());
    scripts.tick(&mut Log::new(), 0);
    let Some(Outcome::Panicked(info)) = late.outcome() else { panic!() };
    assert!(info.message.contains("was taken already"), "{}", info.message);
}

#[test]
fn a_stack_that_cannot_be_had_is_an_error() {
    let scripts = Scripts::<Log>::new();
    let tiny = || Spawn::named("tiny").stack_size(100);
    assert!(scripts.try_spawn(tiny(), |_| ()).is_err());
    assert!(panic_text(|| scripts.spawn_with(tiny(), |_| ())).contains("script.rs"));
    assert!(scripts.try_spawn(Spawn::named("small").stack_size(48 << 10), |_| ()).is_ok());
    let child = scripts.spawn("parent", move |s| s.try_spawn(tiny(), |_| ()).is_err());
    scripts.tick(&mut Log::new(), 0);
    assert_eq!(child.outcome().unwrap().done(), Some(true));
    assert_eq!(scripts.len(), 0);
}

#[test]
fn a_world_may_be_moved_and_replaced_between_ticks() {
    let scripts = Scripts::<Log>::new();
    scripts.spawn("writes", |s| {
        loop {
            let n = s.world().len();
            note(s, n.to_string());
            s.next_frame();
        }
    });
    let mut first = Box::new(Log::new());
    scripts.tick(&mut first, 0);
    let mut moved = *first;
    scripts.tick(&mut moved, 0);
    assert_eq!(moved, ["0", "1"]);
    drop(moved);
    let mut second = Log::new();
    scripts.tick(&mut second, 0);
    assert_eq!(second, ["0"]);
}

// ---- determinism

/// A busy little game: what its scripts did, then how often they were resumed and asked, frame by frame.
fn busy(seed: u64, idle: usize) -> (String, Vec<(usize, usize)>) {
    let scripts = Scripts::<String>::builder().seed(seed).stack_size(48 << 10).build();
    scripts.on_panic(|_| {});
    for _ in 0..idle {
        scripts.spawn_with(Spawn::named("idle").priority(1), |s| s.wait_for::<[u8; 3]>());
    }
    let fast = scripts.group("fast");
    fast.set_scale(1.7);
    let mut owners: Vec<_> = (0..5).map(|_| Owner::new(&scripts)).collect();
    for i in 0..20_usize {
        let mut spawn = Spawn::named("actor").priority((i % 3) as i32 - 3);
        if i % 2 == 0 {
            spawn = spawn.group(&fast);
        }
        if i % 4 == 1 {
            spawn = spawn.owner(&owners[i % 5]);
        }
        scripts.spawn_with(spawn, move |s| {
            loop {
                let roll = s.rng().range(0..8);
                write!(s.world(), "{i}:{roll} ").unwrap();
                match roll {
                    0 => _ = s.wait(0.05),
                    1 => _ = s.next_frame(),
                    2 => _ = s.timeout(0.2, |s| s.wait_for::<u32>()),
                    3 => _ = s.emit(i as u32),
                    4 => _ = s.race(|s| s.wait(0.03), |s| s.wait_for::<u32>().into_late()),
                    5 => s.tween(0.04, Ease::InOut, 0.0, 1.0, |_, _: f64| ()),
                    6 => {
                        let singleton = Spawn::named("one").singleton(Singleton::Restart);
                        s.spawn_with(singleton, move |s| {
                            let _ = s.on_exit(move |w| write!(w, "exit{i} ").unwrap());
                            s.wait(0.1);
                        });
                    }
                    _ => s.until(|text| text.len() % 2 == 0),
                }
                s.wait(0.01);
            }
        });
    }
    let (mut world, mut counts) = (String::new(), Vec::new());
    for frame in 0..200 {
        let report = scripts.tick(&mut world, 1.0 / 60.0);
        writeln!(world, "| {frame}").unwrap();
        counts.push((report.resumes, report.polls));
        if frame % 40 == 39 {
            drop(owners.pop());
        }
    }
    (world, counts)
}

/// For branches that have to be of one type.
trait IntoLate {
    fn into_late(self) -> segno::script::Late;
}

impl IntoLate for u32 {
    fn into_late(self) -> segno::script::Late {
        segno::script::Late::default()
    }
}

#[test]
fn the_same_seed_gives_the_same_game_byte_for_byte() {
    let game = busy(7, 0);
    assert!(game.0.contains("exit") && game.0.len() > 9_000, "{}", game.0.len());
    assert_eq!(game, busy(7, 0));
    assert_ne!(game, busy(8, 0));
    // The same in debug and release builds, and on every machine.
    let sum =
        game.0.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    assert_eq!(sum, GAME, "{}", game.0);
}

/// What is left of the game with seed 7.
const GAME: u64 = 13_040_223_838_784_539_692;

#[test]
fn idle_scripts_change_nothing() {
    let idle = support::many(10_000, 20);
    let (with, without) = (busy(7, idle), busy(7, 0));
    assert_eq!(with.0, without.0);
    assert_eq!(with.1[1..], without.1[1..]); // in the first frame all begin
}

#[test]
fn a_script_has_nothing_of_those_that_ended_before_it() {
    let seen = |scripts: &Scripts<Log>, log: &mut Log| {
        let handle = scripts.spawn("new", |s| {
            assert!(!s.cancelled());
            s.next_frame();
            s.wait(1);
        });
        let id = handle.id();
        drop(handle);
        scripts.tick(log, 0);
        let info = scripts.info(id).unwrap();
        assert_eq!((info.name.as_ref(), info.label, info.priority), ("new", None, 0));
        assert_eq!((info.group.as_ref(), info.parent, info.resumes), ("", None, 1));
        assert_eq!((info.activity, info.age.as_nanos()), (Activity::Waiting, 0));
        scripts.tick(log, 0);
        let report = scripts.tick(log, 1);
        assert_eq!((report.done, report.cancelled, scripts.len()), (1, 0, 0));
    };
    let scripts = Scripts::<Log>::new();
    let mut log = Log::new();
    let group = scripts.group("group");
    let owner = Owner::new(&scripts);
    let spawn = || Spawn::named("old").group(&group).owner(&owner).priority(3);
    for how in 0..5 {
        // No handle is kept, so that its memory can be used again.
        scripts.spawn_with(spawn(), move |s| {
            s.label("busy");
            let _ = s.on_exit(|log| log.push("exit".to_owned()));
            match how {
                0 => s.exit(),
                1 => s.shield(|s| s.wait(5)),
                2 => s.wait(5),
                3 => s.timeout(2, |s| s.wait(1)).unwrap(),
                _ => panic!("on purpose"),
            };
        });
        scripts.tick(&mut log, 0);
        if how == 1 || how == 2 {
            assert_eq!(scripts.cancel_all(), 1);
        }
        for _ in 0..6 {
            scripts.tick(&mut log, 1);
        }
        assert!(scripts.is_empty());
        assert_eq!(log.len(), how + 1);
        seen(&scripts, &mut log);
    }
    drop(owner);
    seen(&scripts, &mut log);
    // Nobody wakes the next by an old number, nor does the end of the owner end it.
    assert_eq!(log.len(), 5);
}
