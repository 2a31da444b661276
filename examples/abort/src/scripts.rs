//! What `panic = "abort"` changes for scripts: a cancelled one is left as it is, unless its waits can say so, and
//! its exit closures run either way.

use segno::script::{Cancelled, Elapsed, Owner, Script, Scripts, Spawn};
use segno::stack;

use crate::{Drops, LONG, change};

/// A world that is a list of what happened.
type Log = Vec<&'static str>;

/// How a cancelled script's frames go: not at all.
pub(crate) fn cancelled_is_left() {
    let drops = Drops::default();
    let before = stack::stats();
    let scripts = Scripts::<Log>::new();
    let watch = drops.watch();
    let owner = Owner::new(&scripts);
    let handle = scripts.spawn_with(Spawn::named("left").owner(&owner), move |s| {
        let _local = watch;
        let _ = s.on_exit(|log| log.push("first"));
        let _ = s.on_cancel(|log| log.push("second"));
        s.wait(LONG);
        s.world().push("never");
    });
    let joined = handle.clone();
    scripts.spawn("joins", move |s| {
        let outcome = s.join(&joined);
        s.world().push(if outcome.is_cancelled() { "joined" } else { "done" });
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    drop(owner);
    let report = scripts.tick(&mut log, 1);
    assert_eq!(log, ["second", "first", "joined"]);
    assert_eq!((report.retired, report.cancelled, report.live), (1, 1, 0));
    assert_eq!((drops.count(), change(before).2), (0, 1));
}

/// Waits that can say so come home.
pub(crate) fn fallible_comes_home() {
    fn patrol(s: &mut Script<Log>) -> Result<(), Cancelled> {
        loop {
            s.fallible().wait(1)?;
        }
    }
    let drops = Drops::default();
    let before = stack::stats();
    let scripts = Scripts::<Log>::new();
    let watch = drops.watch();
    let handle = scripts.spawn("careful", move |s| {
        let _local = watch;
        let _ = s.on_exit(|log| log.push("exit"));
        assert_eq!(patrol(s), Err(Cancelled));
        s.world().push("home");
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    handle.cancel();
    let report = scripts.tick(&mut log, 1);
    assert_eq!(log, ["home", "exit"]);
    assert_eq!((report.retired, drops.count(), change(before).2), (0, 1, 0));
}

/// A family with a member that cannot come home is left whole, and all its exit closures run.
pub(crate) fn families_are_left_whole() {
    let before = stack::stats();
    let scripts = Scripts::<Log>::new();
    scripts.spawn("race", |s| {
        let _ = s.on_exit(|log| log.push("parent"));
        s.race(
            |s| s.wait(1),
            |s| {
                let _ = s.on_exit(|log| log.push("loser"));
                s.wait(LONG)
            },
        );
        s.world().push("never");
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    let report = scripts.tick(&mut log, 1);
    assert_eq!(log, ["loser", "parent"]);
    // The winner has ended.
    assert_eq!((report.retired, report.live, change(before).2), (2, 0, 2));
}

/// With bodies that come home, limits and races work as they do elsewhere.
pub(crate) fn fallible_bodies_make_limits_work() {
    let before = stack::stats();
    let scripts = Scripts::<Log>::new();
    let handle = scripts.spawn("limits", |s| {
        let late = s.timeout(1, |s| s.fallible().wait(LONG).is_ok());
        let won = s.race(|s| s.fallible().wait(1).is_ok(), |s| s.fallible().wait(LONG).is_err());
        let rain = s.interrupt_on::<char, _>(|s| s.fallible().wait(LONG).is_ok());
        let skipped = s.skippable('x', |s| s.fallible().wait(LONG).is_ok());
        let stopped = s.run_while(|log: &Log| log.is_empty(), |s| s.fallible().wait(LONG).is_ok());
        (late, won, rain, skipped, stopped)
    });
    let mut log = Log::new();
    for event in ['-', '-', '-', 'r', 'x'] {
        scripts.emit(event);
        scripts.tick(&mut log, 1);
    }
    log.push("stop");
    scripts.tick(&mut log, 1);
    let all = (Err(Elapsed), true, Err('r'), None, None);
    assert_eq!(handle.outcome().and_then(|outcome| outcome.done()), Some(all));
    assert_eq!(change(before).2, 0);
}

/// A game that cancels all the time goes on.
pub(crate) fn a_game_goes_on() {
    let before = stack::stats();
    let scripts = Scripts::<Log>::builder().stack_size(48 * 1024).build();
    let mut log = Log::new();
    let mut retired = 0;
    for _ in 0..50 {
        for _ in 0..20 {
            scripts.spawn("short-lived", |s| {
                let _ = s.on_exit(|log| log.push("exit"));
                s.wait(LONG);
            });
        }
        scripts.tick(&mut log, 0.1);
        scripts.cancel_all();
        retired += scripts.tick(&mut log, 0.1).retired;
    }
    assert_eq!((log.len(), retired, change(before).2), (1000, 1000, 1000));
    scripts.spawn("last", |s| {
        s.wait(LONG);
    });
    scripts.tick(&mut log, 0.1);
    assert!(scripts.shutdown(&mut log).is_empty(), "to be left is not to be stubborn");
    drop(scripts);
    assert_eq!(change(before).2, 1001);
}

/// Ending oneself is an end without unwinding, too; captures of what never ran are dropped.
pub(crate) fn exit_and_unstarted() {
    let drops = Drops::default();
    let before = stack::stats();
    let scripts = Scripts::<Log>::new();
    scripts.spawn("exits", |s| {
        let _ = s.on_exit(|log| log.push("exit"));
        s.exit();
    });
    let watch = drops.watch();
    scripts.spawn("unstarted", move |_| drop(watch)).cancel();
    let mut log = Log::new();
    let report = scripts.tick(&mut log, 1);
    assert_eq!((log.as_slice(), report.retired, drops.count()), (&["exit"][..], 1, 1));
    assert_eq!(change(before).2, 1);
    let watch = drops.watch();
    scripts.spawn("dropped", move |s| {
        let _local = watch;
        s.wait(LONG);
    });
    scripts.tick(&mut log, 1);
    drop(scripts);
    assert_eq!((drops.count(), change(before).2), (1, 2));
}
