//! Scripts: the first promises. More are in the files whose names begin with `script_`.

use segno::script::{Phase, Script, Scripts, frames};

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
fn a_cancelled_script_takes_no_step_and_cleans_up_with_the_world() {
    let scripts = Scripts::<Log>::new();
    let handle = scripts.spawn("victim", |s| {
        let _ = s.on_exit(|w| w.push("exit".into()));
        loop {
            note(s, "step");
            s.wait(1);
        }
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 1);
    assert!(handle.cancel());
    assert!(!handle.cancel());
    let report = scripts.tick(&mut log, 1);
    assert_eq!(log, ["step", "exit"]);
    assert_eq!((report.cancelled, report.live), (1, 0));
    assert!(handle.outcome().unwrap().is_cancelled());
}

#[test]
fn frames_and_phases_are_counted() {
    let scripts = Scripts::<Log>::new();
    scripts.spawn("frames", |s| {
        s.wait(frames(2));
        note(s, "two frames");
        s.next(Phase::LATE);
        note(s, "late");
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 0.1);
    scripts.tick(&mut log, 0.1);
    assert!(log.is_empty());
    scripts.tick(&mut log, 0.1);
    assert_eq!(log, ["two frames"]);
    scripts.tick(&mut log, 0.1);
    scripts.run(Phase::LATE, &mut log);
    assert_eq!(log, ["two frames", "late"]);
}
