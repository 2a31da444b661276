//! The examples of one page: what they compute, tested without starting processes.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use segno::{Clock, Coroutine, EventLoop};

#[allow(dead_code)]
#[path = "../examples/boss.rs"]
mod boss;
#[allow(dead_code)]
#[path = "../examples/callback.rs"]
mod callback;
#[allow(dead_code)]
#[path = "../examples/deadlock.rs"]
mod deadlock;
#[allow(dead_code)]
#[path = "../examples/dialogue.rs"]
mod dialogue;
#[allow(dead_code)]
#[path = "../examples/embed.rs"]
mod embed;
#[allow(dead_code)]
#[path = "../examples/game_loop.rs"]
mod game_loop;
#[allow(dead_code)]
#[path = "../examples/generator.rs"]
mod generator;
#[allow(dead_code)]
#[path = "../examples/handle.rs"]
mod handle;
#[allow(dead_code)]
#[path = "../examples/interleave.rs"]
mod interleave;
#[allow(dead_code)]
#[path = "../examples/own_loop.rs"]
mod own_loop;
#[allow(dead_code)]
#[path = "../examples/scoped.rs"]
mod scoped;
#[allow(dead_code)]
#[path = "../examples/timeout.rs"]
mod timeout;

/// A directory of this test's own, gone when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    /// Makes the directory with these files; each holds its own file name.
    fn with(name: &str, files: &[&str]) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&dir);
        for file in files {
            let path = dir.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, path.file_name().unwrap().as_encoded_bytes()).unwrap();
        }
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn walk_finds_what_is_nested_in_the_order_of_names() {
    let dir = Scratch::with("walk", &["b/x", "b/a/deep", "c", "a"]);
    let found: Vec<_> = generator::walk(&dir.0)
        .unwrap()
        .map(|item| item.ok().unwrap())
        .map(|found| (found.path.strip_prefix(&dir.0).unwrap().to_owned(), found.depth, found.len))
        .collect();
    let expected = [("a", 0, 1), ("b/a/deep", 2, 4), ("b/x", 1, 1), ("c", 0, 1)];
    assert_eq!(found, expected.map(|(path, depth, len)| (PathBuf::from(path), depth, len)));
}

#[test]
fn walk_of_a_missing_directory_is_an_error_with_its_path() {
    let message = generator::walk(Path::new("no-such-directory")).err().unwrap();
    assert!(message.contains("no-such-directory"), "{message}");
}

#[test]
fn the_fringe_is_the_same_however_it_is_nested() {
    let left = Scratch::with("fringe-left", &["1/1/allegro", "1/largo", "presto"]);
    let right = Scratch::with("fringe-right", &["allegro", "m/largo", "m/presto"]);
    let shorter = Scratch::with("fringe-shorter", &["allegro", "largo"]);
    assert_eq!(generator::same_fringe(&left.0, &right.0), Ok(true));
    assert_eq!(generator::same_fringe(&left.0, &shorter.0), Ok(false));
    assert_eq!(generator::same_fringe(&shorter.0, &right.0), Ok(false));
}

/// Runs a parser over a text and gives what it found, one line per value, errors included.
fn values(text: &'static str) -> Vec<String> {
    let line = |item: callback::Item| match item {
        Ok((path, value)) => format!("{path} = {value}"),
        Err(error) => format!("error: {error}"),
    };
    callback::values(text.as_bytes()).unwrap().map(line).collect()
}

#[test]
fn parser_gives_every_value_with_its_path() {
    assert_eq!(
        values(r#"{"a": [1, -2, {"b": "x\"y"}], "c": {}, "d": [], "e": null, "f": [0.5, true]}"#),
        [
            ".a[0] = 1",
            ".a[1] = -2",
            r#".a[2].b = "x\"y""#,
            ".c = {}",
            ".d = []",
            ".e = null",
            ".f[0] = 0.5",
            ".f[1] = true"
        ]
    );
}

#[test]
fn parser_gives_what_came_before_a_mistake_and_then_the_mistake() {
    let lines = values("[1, 2, oops]");
    assert_eq!(lines[..2], ["[0] = 1", "[1] = 2"]);
    assert!(lines[2].starts_with("error: expected value at line 1"), "{}", lines[2]);
    assert_eq!(lines.len(), 3);
}

#[test]
fn parser_survives_the_deepest_nesting_that_it_accepts() {
    let nested = |depth: usize| "[".repeat(depth) + "1" + &"]".repeat(depth);
    let count = |text: String| callback::values(io::Cursor::new(text)).unwrap().count();
    assert_eq!(count(nested(127)), 1);
    let refused = callback::values(io::Cursor::new(nested(10_000))).unwrap().next().unwrap();
    assert!(refused.unwrap_err().to_string().contains("recursion limit"));
}

/// A document without an end, which counts what was read of it.
struct Endless(Rc<Cell<usize>>);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let start = if self.0.get() == 0 { b"[7" } else { b",7" };
        buffer[..2].copy_from_slice(start);
        self.0.set(self.0.get() + 2);
        Ok(2)
    }
}

#[test]
fn parser_reads_no_further_than_it_is_asked() {
    let read = Rc::new(Cell::new(0));
    let first: Vec<_> = callback::values(Endless(read.clone())).unwrap().take(100).collect();
    assert_eq!(first.len(), 100);
    assert!(read.get() <= 202, "{} bytes were read", read.get());
    assert_eq!(Rc::strong_count(&read), 1, "the parser and its reader are gone");
}

#[test]
fn own_loop_wakes_sleepers_by_time_and_then_in_the_order_of_sleeping() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let seen = log.clone();
    let end = own_loop::run(Coroutine::new(move |me: &own_loop::Me, _| {
        let answers: Vec<_> = [("c", 9), ("a", 5), ("b", 5)]
            .into_iter()
            .map(|(name, minutes)| {
                let log = log.clone();
                own_loop::spawn(me, move |me, start| {
                    log.borrow_mut().push((start, name));
                    own_loop::yield_now(me);
                    let now = own_loop::sleep(me, minutes);
                    log.borrow_mut().push((now, name));
                    minutes
                })
            })
            .collect();
        let sum: u64 = answers.iter().map(|answer| own_loop::join(me, answer)).sum();
        log.borrow_mut().push((sum, "sum"));
    }));
    assert_eq!(end, 9);
    assert_eq!(
        *seen.borrow(),
        [(0, "c"), (0, "a"), (0, "b"), (5, "a"), (5, "b"), (9, "c"), (19, "sum")]
    );
}

#[test]
fn interleaved_tasks_take_turns_where_they_wait_and_nowhere_else() {
    let story = interleave::story();
    assert_eq!(story[0], "both are spawned");
    assert_eq!(story[1..3], ["left:  begins", "right: begins"]);
    assert_eq!(story.last().map(String::as_str), Some("both have ended"));
    assert_eq!(interleave::story(), story, "the same order every time");
}

#[test]
fn scoped_tasks_borrow_and_the_first_error_ends_the_others() {
    let log = Rc::new(RefCell::new(Vec::new()));
    assert_eq!(scoped::sum(&["20", "1", "21"], &log), Ok(42));
    assert_eq!(log.take().len(), 3);
    assert!(scoped::sum(&["1", "2", "x", "4"], &log).is_err());
    assert_eq!(*log.borrow(), ["first: 1 makes 1"]);
    assert_eq!(Rc::strong_count(&log), 1);
}

#[test]
fn the_nearer_of_two_limits_ends_the_errand() {
    let second = Duration::from_secs(1);
    let mut events = EventLoop::builder().clock(Clock::virtual_time()).build();
    let start = events.now();
    let end = events.run(|| {
        assert!(timeout::nested(2 * second, 9 * second).is_err());
        assert!(matches!(timeout::nested(9 * second, 2 * second), Ok(Err(_))));
        assert!(matches!(timeout::nested(9 * second, 9 * second), Ok(Ok(()))));
        assert!(timeout::cleaned_up());
        segno::now() - start
    });
    assert_eq!(end.expect("nothing stands still"), (2 + 2 + 5 + 3) * second);
}

#[test]
fn the_philosophers_are_named_with_their_lines() {
    let report = deadlock::dinner();
    let names: Vec<_> = report.tasks().iter().map(segno::StuckTask::name).collect();
    assert_eq!(names, [Some("run"), Some("Plato"), Some("Aristotle")]);
    let text = report.to_string();
    for line in report.tasks().iter().map(|task| task.at().line()) {
        assert!(text.contains(&format!("deadlock.rs:{line}:")), "{text}");
    }
}

#[test]
fn a_foreign_loop_sleeps_until_the_bell_rings() {
    let (shown, rounds) = embed::window(|queue, handle| {
        let task = handle.spawn(|| "from another thread").expect("the window is open");
        assert_eq!(task.join().expect("nobody cancels it"), "from another thread");
        queue.send(embed::Event::Key('x')).expect("the window is open");
        queue.send(embed::Event::Close).expect("the window is open");
    });
    assert!(shown.len() <= 1, "{shown:?}");
    assert!(rounds < 10, "{rounds} rounds: it does not sleep");
}

#[test]
fn a_visitor_is_served_and_the_loop_stopped() {
    assert_eq!(handle::serve(), (3, true));
}

#[test]
fn the_boss_falls_in_the_same_way_at_every_rate() {
    let story = |rate| {
        let world = boss::fight(rate);
        assert!(world.shots == 0 && !world.shielded);
        world.log.iter().map(|line| line.split_once(": ").unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    let expected = [
        "the boss appears",
        "it hides behind a shield",
        "the shield is gone",
        "its great attack fails",
        "it falls",
    ];
    for rate in [7.0, 30.0, 60.0, 144.0] {
        assert_eq!(story(rate), expected, "at {rate} Hz");
    }
}

#[test]
fn the_guard_answers_to_what_he_is_told_and_to_silence() {
    use dialogue::Key;
    let answer = |keys: &[(f64, Key)]| dialogue::converse(keys).said.last().unwrap().clone();
    assert!(answer(&[]).contains("Cat got your tongue"));
    assert!(answer(&[(1.5, Key::Choose(0))]).contains("friend of the captain"));
    assert!(answer(&[(1.5, Key::Choose(1))]).contains("none of yours"));
    assert!(answer(&[(1.5, Key::Choose(1)), (5.0, Key::Choose(0))]).contains("go ahead"));
}

#[test]
fn the_lift_and_the_crate_land_in_the_same_place_at_every_rate() {
    for rate in [30.0, 60.0, 144.0] {
        let world = game_loop::play(rate);
        assert_eq!(world.log.len(), 3, "at {rate} Hz: {:?}", world.log);
        assert!(world.crate_height.abs() < 0.05, "at {rate} Hz: {}", world.crate_height);
    }
}
