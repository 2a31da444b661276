//! Groups of scripts: clocks, pauses, cancellation.

use std::time::Duration;

use segno::script::{Script, Scripts, Spawn};

mod support;
use support::panic_text;

type Log = Vec<String>;

fn note(s: &mut Script<Log>, what: impl Into<String>) {
    let what = what.into();
    s.world().push(what);
}

#[test]
fn a_clock_runs_at_its_scale_and_waits_under_way_follow() {
    let scripts = Scripts::<Log>::new();
    let slow = scripts.group("slow");
    let slower = slow.group("slower");
    slow.set_scale(0.5);
    slower.set_scale(0.1);
    for (name, group) in [("slow", &slow), ("slower", &slower)] {
        scripts.spawn_with(Spawn::named(name).group(group), move |s| {
            s.wait(1);
            note(s, name);
        });
    }
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    scripts.tick(&mut log, 1);
    assert!(log.is_empty());
    scripts.tick(&mut log, 1);
    assert_eq!(log, ["slow"]);
    scripts.tick(&mut log, 17.5);
    assert_eq!(slower.now(), Duration::from_millis(975));
    slower.set_scale(5.0);
    scripts.tick(&mut log, 0.01);
    assert_eq!(log, ["slow", "slower"]);
    assert_eq!((slow.scale(), slower.scale()), (0.5, 5.0));
}

#[test]
fn scaled_time_loses_no_nanosecond() {
    let scripts = Scripts::<Log>::new();
    let third = scripts.group("third");
    third.set_scale(1.0 / 3.0);
    for _ in 0..3_000 {
        scripts.tick(&mut Log::new(), Duration::from_nanos(1));
    }
    let nanos = third.now().as_nanos();
    assert!((999..=1000).contains(&nanos), "{nanos}");
}

#[test]
fn pauses_are_counted_and_wakes_are_kept_in_order() {
    let scripts = Scripts::<Log>::new();
    let world = scripts.group("world");
    let inner = world.group("inner");
    for (name, group) in [("a", &world), ("b", &inner), ("c", &world)] {
        scripts.spawn_with(Spawn::named(name).group(group), move |s| {
            let n = s.wait_for::<u32>();
            note(s, format!("{name}{n}"));
            s.wait(1);
            note(s, format!("{name} waited"));
        });
    }
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    world.pause(); // a menu
    world.pause(); // a dialogue
    assert!(world.is_paused() && inner.is_paused());
    assert_eq!(scripts.emit(1_u32), 3);
    assert_eq!(scripts.emit(2_u32), 0);
    let report = scripts.tick(&mut log, 60);
    assert_eq!((report.resumes, log.len()), (0, 0));
    assert!(!world.resume());
    scripts.tick(&mut log, 60);
    assert!(log.is_empty());
    assert!(world.resume());
    scripts.tick(&mut log, 0);
    assert_eq!(log, ["a1", "b1", "c1"]);
    assert_eq!(world.now(), Duration::from_secs(1));
    log.clear();
    scripts.tick(&mut log, 1);
    assert_eq!(log, ["a waited", "b waited", "c waited"]);
    assert!(panic_text(|| world.resume()).contains("`world` was resumed more often"));
}

#[test]
fn a_script_may_pause_its_own_group_and_is_held_like_the_others() {
    let scripts = Scripts::<Log>::new();
    let world = scripts.group("world");
    let mine = world.clone();
    scripts.spawn_with(Spawn::named("stops").group(&world), move |s| {
        mine.pause();
        note(s, "stopped");
        s.yield_now();
        note(s, "goes on");
    });
    scripts.spawn_with(Spawn::named("other").group(&world), |s| note(s, "other"));
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    scripts.tick(&mut log, 1);
    assert_eq!(log, ["stopped"]);
    world.resume();
    scripts.tick(&mut log, 1);
    assert_eq!(log, ["stopped", "goes on", "other"]);
}

#[test]
fn frames_conditions_and_next_frame_stand_still_in_a_pause() {
    let scripts = Scripts::<Log>::new();
    let world = scripts.group("world");
    let spawn = |name| Spawn::named(name).group(&world);
    scripts.spawn_with(spawn("frames"), |s| {
        s.wait(segno::script::frames(2));
        note(s, "frames");
    });
    scripts.spawn_with(spawn("until"), |s| {
        s.until(|log| log.len() == 1);
        note(s, "until");
    });
    scripts.spawn_with(spawn("next"), |s| {
        s.next_frame();
        note(s, "next");
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    world.pause();
    for _ in 0..5 {
        assert_eq!(scripts.tick(&mut log, 1).polls, 0);
    }
    world.resume();
    scripts.tick(&mut log, 1);
    assert_eq!(log, ["next"]);
    scripts.tick(&mut log, 1);
    assert_eq!(log, ["next", "frames", "until"]);
}

#[test]
fn a_group_on_real_time_goes_on_whatever_is_around_it() {
    let scripts = Scripts::<Log>::new();
    let world = scripts.group("world");
    let menu = world.group("menu").real_time();
    world.set_scale(0.0);
    world.pause();
    scripts.spawn_with(Spawn::named("menu").group(&menu), |s| {
        s.wait(2);
        note(s, "menu");
    });
    let mut log = Log::new();
    for _ in 0..3 {
        scripts.tick(&mut log, 1);
    }
    assert_eq!(log, ["menu"]);
    menu.pause();
    assert!(menu.is_paused());
    scripts.tick(&mut log, 1);
    assert_eq!((menu.now(), world.now()), (Duration::from_secs(3), Duration::ZERO));
}

#[test]
fn wait_on_follows_another_clock() {
    let scripts = Scripts::<Log>::new();
    let bullet_time = scripts.group("bullet time");
    bullet_time.set_scale(0.25);
    let clock = bullet_time.clone();
    scripts.spawn("watches", move |s| {
        let late = s.wait_on(&clock, 1);
        assert_eq!(late.as_millis(), 250);
        note(s, format!("{}", s.now()));
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    scripts.tick(&mut log, 3);
    scripts.tick(&mut log, 2);
    assert_eq!(log, ["5"]);
}

#[test]
fn a_group_cancels_its_scripts_and_those_of_the_groups_in_it() {
    let scripts = Scripts::<Log>::new();
    let level = scripts.group("level");
    let wolves = level.group("wolves");
    let spawn = |name: &'static str, group| {
        scripts.spawn_with(Spawn::named(name).group(group), move |s| {
            let _ = s.on_exit(move |w| w.push(name.into()));
            // Inherited by what it spawns.
            s.spawn("child", |s| s.wait(100));
            s.wait(100);
        })
    };
    spawn("tree", &level);
    spawn("wolf", &wolves);
    let root = scripts.root();
    spawn("player", &root);
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    assert_eq!((level.len(), wolves.len(), root.len()), (4, 2, 6));
    wolves.pause();
    assert_eq!(level.cancel(), 4);
    assert_eq!(level.cancel(), 0);
    scripts.tick(&mut log, 1);
    assert_eq!(log, ["tree", "wolf"]);
    assert!(level.is_empty() && scripts.len() == 2);
    assert_eq!(wolves.name(), "wolves");
}

#[test]
fn a_group_whose_handles_are_gone_goes_on() {
    let scripts = Scripts::<Log>::new();
    let group = scripts.group("forgotten");
    group.set_scale(2.0);
    scripts.spawn_with(Spawn::named("x").group(&group), |s| {
        s.wait(2);
        note(s, "x");
    });
    drop(group);
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    scripts.tick(&mut log, 1);
    assert_eq!(log, ["x"]);
    let group = scripts.group("outlives");
    drop(scripts);
    group.pause();
    assert_eq!((group.len(), group.cancel()), (0, 0));
}
