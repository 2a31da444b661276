//! Scripts and time: waits, frames, beats, phases, at several frame rates.

use std::time::Duration;

use segno::script::{Budget, Ease, Phase, Script, Scripts, frames};

mod support;
use support::panic_text;

type Log = Vec<String>;

/// Frame rates that games have.
const RATES: [f64; 4] = [7.0, 30.0, 60.0, 144.0];

/// Ticks at this rate until `seconds` have passed, with the frame's number as the world; returns the world.
fn play<W>(scripts: &Scripts<W>, world: &mut W, rate: f64, seconds: f64)
where
    W: 'static,
{
    scripts.tick(world, 0);
    for _ in 0..(seconds * rate).round() as u32 {
        scripts.tick(world, 1.0 / rate);
    }
}

#[test]
fn a_wait_never_ends_early_and_says_how_late_it_is() {
    for rate in RATES {
        let scripts = Scripts::<Vec<f64>>::new();
        scripts.spawn("waits", |s| {
            for time in [0.1, 0.25, 1.0 / 3.0] {
                let before = s.now();
                let late = s.wait(time).as_secs_f64();
                let passed = s.now() - before;
                assert!(passed + 1e-8 >= time, "{passed} of {time}");
                assert!((passed - time - late).abs() < 1e-8, "{passed} of {time}, {late} late");
                s.world().push(late);
            }
        });
        let mut late = Vec::new();
        play(&scripts, &mut late, rate, 2.0);
        assert_eq!(late.len(), 3, "at {rate} Hz");
        assert!(late.iter().all(|late| *late < 1.0 / rate + 1e-8), "{late:?} at {rate} Hz");
    }
}

#[test]
fn waiting_for_no_time_ends_in_the_next_tick() {
    let scripts = Scripts::<u32>::new();
    scripts.spawn("restless", |s| {
        for _ in 0..3 {
            s.wait(0);
            *s.world() += 1;
            s.wait(Duration::ZERO);
            s.wait(0.0);
        }
    });
    let mut count = 0;
    for tick in 0..=9 {
        scripts.tick(&mut count, 0);
        assert_eq!(count, u32::div_ceil(tick, 3));
    }
}

#[test]
fn a_hitch_of_ten_seconds_resumes_each_waiter_once() {
    let scripts = Scripts::<u32>::new();
    for i in 0..5 {
        scripts.spawn("waits", move |s| {
            loop {
                let late = s.wait(0.1 * f64::from(i + 1));
                *s.world() += 1;
                assert!(late.as_secs_f64() < 9.91);
            }
        });
    }
    scripts.spawn("beats", |s| {
        let mut beat = s.every(0.25);
        let late = beat.next(s);
        assert_eq!((beat.missed(), late.duration()), (39, Duration::ZERO));
        *s.world() += 1;
        beat.next(s);
        assert_eq!(beat.missed(), 0);
        *s.world() += 1;
    });
    let mut resumed = 0;
    scripts.tick(&mut resumed, 0);
    let report = scripts.tick(&mut resumed, 10);
    assert_eq!((resumed, report.resumes), (6, 6));
    scripts.tick(&mut resumed, 0.25);
    assert_eq!(resumed, 6 + 2 + 1);
}

#[test]
fn beats_do_not_drift_at_any_rate() {
    for rate in RATES {
        let scripts = Scripts::<u32>::new();
        scripts.spawn("beats", |s| {
            let mut beat = s.every(0.3);
            loop {
                beat.next(s);
                *s.world() += 1 + beat.missed() as u32;
            }
        });
        let mut beats = 0;
        play(&scripts, &mut beats, rate, 60.2);
        assert_eq!(beats, 200, "at {rate} Hz");
    }
}

#[test]
fn waits_in_a_row_that_make_up_for_their_delay_keep_time() {
    for rate in RATES {
        let scripts = Scripts::<u32>::new();
        scripts.spawn("metronome", |s| {
            let mut late = Duration::ZERO;
            loop {
                late = s.wait(Duration::from_millis(400) - late).duration();
                *s.world() += 1;
            }
        });
        let mut beats = 0;
        play(&scripts, &mut beats, rate, 40.2);
        assert_eq!(beats, 100, "at {rate} Hz");
    }
}

#[test]
fn time_is_whole_nanoseconds() {
    let scripts = Scripts::<bool>::new();
    scripts.spawn("waits", |s| {
        s.wait(Duration::from_nanos(3));
        *s.world() = true;
    });
    let mut over = false;
    scripts.tick(&mut over, 0);
    for _ in 0..2 {
        scripts.tick(&mut over, Duration::from_nanos(1));
        assert!(!over);
    }
    scripts.tick(&mut over, 1e-9);
    assert!(over);
    assert_eq!(scripts.root().now(), Duration::from_nanos(3));
}

/// A wait.
type Call = fn(&mut Script<Log>);

#[test]
fn impossible_times_panic_in_the_name_of_the_call() {
    let calls: [(&str, Call); 7] = [
        ("wait", |s| _ = s.wait(f64::NAN)),
        ("wait", |s| _ = s.wait(-1)),
        ("wait", |s| _ = s.wait(f32::INFINITY)),
        ("wait", |s| _ = s.wait(1e30)),
        ("timeout", |s| _ = s.timeout(-0.5, |_| ())),
        ("every", |s| _ = s.every(f64::NEG_INFINITY)),
        ("tween", |s| s.tween(f64::NAN, Ease::Linear, 0.0, 1.0, |_, _| ())),
    ];
    for (name, call) in calls {
        let scripts = Scripts::<Log>::new();
        scripts.on_panic(|_| {});
        let handle = scripts.spawn("wrong", call);
        scripts.tick(&mut Log::new(), 0);
        let segno::script::Outcome::Panicked(info) = handle.outcome().unwrap() else { panic!() };
        let start = format!("`{name}` at tests/script_time.rs:");
        assert!(info.message.starts_with(&start), "{}", info.message);
    }
    let scripts = Scripts::<Log>::new();
    let text = panic_text(|| scripts.tick(&mut Log::new(), f64::NAN));
    assert!(text.starts_with("`tick` at tests/script_time.rs:"), "{text}");
    let text = panic_text(|| scripts.advance(-1));
    assert!(text.contains("`advance`") && text.contains("negative"), "{text}");
    assert!(panic_text(|| scripts.root().set_scale(-1.0)).contains("-1 times"));
}

#[test]
fn frames_count_ticks_and_nothing_else() {
    let scripts = Scripts::<Log>::new();
    scripts.spawn("frames", |s| {
        for _ in 0..2 {
            s.wait(frames(3));
            s.world().push("now".into());
        }
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    for frame in 1..=6 {
        scripts.run(Phase::FIXED, &mut log);
        scripts.advance(5);
        assert_eq!(log.len(), (frame - 1) / 3);
        scripts.tick(&mut log, 0);
    }
    assert_eq!(log.len(), 2);
}

#[test]
fn a_phase_resumes_its_own_and_who_was_woken_and_timers_wait_for_update() {
    let scripts = Scripts::<Log>::new();
    let note = |s: &mut Script<Log>, what: &str| s.world().push(what.to_owned());
    scripts.spawn("physics", move |s| {
        loop {
            s.next(Phase::FIXED);
            note(s, "fixed");
        }
    });
    scripts.spawn("camera", move |s| {
        loop {
            s.next(Phase::LATE);
            note(s, "late");
        }
    });
    scripts.spawn("own", move |s| {
        s.next(Phase::custom(7));
        note(s, "custom");
    });
    scripts.spawn("timer", move |s| {
        s.wait(0.01);
        note(s, "timer");
    });
    scripts.spawn("event", move |s| {
        s.wait_for::<u8>();
        note(s, "event");
    });
    let mut log = Log::new();
    scripts.settle(&mut log);
    scripts.advance(0.02);
    scripts.emit(1_u8);
    scripts.run(Phase::FIXED, &mut log);
    assert_eq!(std::mem::take(&mut log), ["fixed", "event"]);
    scripts.run(Phase::custom(6), &mut log);
    assert!(log.is_empty());
    scripts.run(Phase::UPDATE, &mut log);
    scripts.run(Phase::custom(7), &mut log);
    scripts.run(Phase::LATE, &mut log);
    assert_eq!(log, ["timer", "custom", "late"]);
}

#[test]
fn next_frame_gives_the_time_that_has_passed() {
    let scripts = Scripts::<f64>::new();
    scripts.spawn("sum", |s| {
        loop {
            let dt = s.next_frame();
            assert_eq!(dt, s.dt());
            *s.world() += dt;
        }
    });
    let mut sum = 0.0;
    scripts.tick(&mut sum, 9);
    scripts.tick(&mut sum, 0.5);
    scripts.tick(&mut sum, 0.25);
    assert_eq!(sum, 0.75);
}

#[test]
fn a_tween_starts_now_ends_exactly_and_takes_its_time_at_every_rate() {
    for rate in RATES {
        let scripts = Scripts::<Vec<[f64; 2]>>::new();
        scripts.spawn("tween", |s| {
            s.tween(0.5, Ease::InOut, [0.0, 1.0], [1.0, -1.0], |w, v| w.push(v));
            let now = s.now();
            assert!((0.5..0.5 + 1.0 / 7.0).contains(&now), "{now}");
        });
        let mut seen = Vec::new();
        play(&scripts, &mut seen, rate, 1.0);
        assert!(scripts.is_empty());
        assert_eq!((seen.first(), seen.last()), (Some(&[0.0, 1.0]), Some(&[1.0, -1.0])));
        assert!(seen.is_sorted_by(|a, b| a[0] < b[0]), "{seen:?}");
        let frames = (rate / 2.0).ceil() as usize + 1;
        assert!((frames..=frames + 1).contains(&seen.len()), "{} at {rate} Hz", seen.len());
    }
    assert_eq!(Ease::By(|x| x * 3.0).at(0.5), 1.5);
    for ease in [Ease::Linear, Ease::In, Ease::Out, Ease::InOut] {
        assert_eq!((ease.at(0.0), ease.at(1.0)), (0.0, 1.0));
    }
}

#[test]
fn a_budget_of_calls_spreads_a_computation_over_frames() {
    let scripts = Scripts::<u32>::new();
    scripts.spawn("computes", |s| {
        for _ in 0..10 {
            *s.world() += 1;
            s.budget(Budget::Resumes(4));
        }
    });
    let mut done = 0;
    let mut steps = Vec::new();
    while !scripts.is_empty() {
        scripts.tick(&mut done, 0);
        steps.push(done);
    }
    assert_eq!(steps, [4, 8, 10]);
}

#[test]
fn a_budget_of_time_waits_when_the_time_is_used_up() {
    let scripts = Scripts::<u32>::new();
    scripts.spawn("computes", |s| {
        for _ in 0..2 {
            while !s.budget(Budget::Time(Duration::from_millis(2))) {
                *s.world() += 1;
            }
        }
    });
    let mut done = 0;
    scripts.tick(&mut done, 0);
    assert!(done > 0 && scripts.len() == 1);
    let first = done;
    scripts.tick(&mut done, 0);
    assert!(done > first && scripts.len() == 1);
    scripts.tick(&mut done, 0);
    assert!(scripts.is_empty());
}

#[test]
fn a_tick_within_a_budget_leaves_the_rest_and_begins_with_it_next_time() {
    let scripts = Scripts::<Log>::new();
    for name in ["a", "b", "c", "d"] {
        scripts.spawn(name, move |s| {
            loop {
                s.world().push(name.into());
                s.next_frame();
            }
        });
    }
    let mut log = Log::new();
    let report = scripts.tick_within(&mut log, 0, Budget::Resumes(3));
    assert_eq!((report.resumes, report.left), (3, 1));
    scripts.tick_within(&mut log, 0, Budget::Resumes(3));
    assert_eq!(log.concat(), "abcdab");
    scripts.tick(&mut log, 0);
    assert_eq!(log.concat(), "abcdabcabd"); // c was left
    let report = scripts.tick_within(&mut log, 0, Budget::Time(Duration::ZERO));
    assert_eq!((report.resumes, report.left), (0, 4));
}
