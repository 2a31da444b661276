//! What only a real clock shows: that an idle loop costs nothing, that nobody starves, that the watchdog sees what
//! it should and nothing else, how long a wake takes. The only tests that sleep.
//!
//! `cargo test --test real_time -- --nocapture --ignored` runs the long forms, and prints figures.

#![allow(unsafe_code, reason = "asks the system for the thread's time")]
#![allow(
    clippy::redundant_closure,
    reason = "a function that is passed by name is called from elsewhere"
)]
#![cfg(target_os = "linux")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use segno::{EventLoop, Report, ReportKind, on_report};

use support::alone;

const MS: Duration = Duration::from_millis(1);
/// What goes on for ever ends after this all the same, or a loop that starves would never tell.
const LONGEST: Duration = Duration::from_secs(2);

/// Time that this thread has spent on a processor.
fn spent() -> Duration {
    spent_on(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// The same by another clock.
fn spent_on(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes what it is given.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(failed, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Reports of all threads while `f` runs; watchdogs have threads of their own.
fn reported<R>(f: impl FnOnce() -> R) -> (R, Vec<Report>) {
    static HEARD: Mutex<Vec<Report>> = Mutex::new(Vec::new());
    static LISTEN: Once = Once::new();
    let heard = || HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    LISTEN.call_once(|| {
        on_report(|report| {
            HEARD.lock().unwrap_or_else(PoisonError::into_inner).push(report.clone());
        });
    });
    heard().clear();
    let value = f();
    let all = heard().split_off(0);
    (value, all)
}

/// Keeps the thread, as a task should not.
fn keep_the_thread(time: Duration) {
    thread::sleep(time);
}

/// The largest but one in a hundred.
fn p99(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() * 99 / 100]
}

// ---- idle

/// CPU time of a loop that does nothing for this long, with a crowd that waits.
fn idle_for(time: Duration) -> Duration {
    let mut events = EventLoop::new();
    for i in 0..1000 {
        drop(events.spawn(move || match i % 2 {
            0 => segno::pause(),
            _ => segno::sleep(Duration::from_secs(3600)),
        }));
    }
    events
        .run(|| {
            segno::sleep(MS);
            let before = spent();
            segno::sleep(time);
            spent() - before
        })
        .unwrap()
}

#[test]
fn an_idle_loop_costs_nothing() {
    alone(|| {
        let cost = idle_for(300 * MS);
        println!("idle for 300 ms: {cost:?} of CPU");
        assert!(cost < MS, "{cost:?}");
    });
}

#[test]
fn an_idle_pool_of_32_threads_uses_less_than_a_hundredth_of_a_core() {
    alone(|| {
        let pool = segno::Pool::builder().threads(32).build().unwrap();
        while pool.idle() < 32 {
            thread::sleep(MS);
        }
        let before = spent_on(libc::CLOCK_PROCESS_CPUTIME_ID);
        thread::sleep(1500 * MS);
        let cost = spent_on(libc::CLOCK_PROCESS_CPUTIME_ID) - before;
        assert!(cost < 15 * MS, "{cost:?}");
        assert_eq!(pool.idle(), 32);
    });
}

#[test]
#[ignore = "takes five seconds"]
fn an_idle_loop_costs_nothing_for_five_seconds() {
    alone(|| {
        let cost = idle_for(5000 * MS);
        println!("idle for 5 s: {cost:?} of CPU");
        assert!(cost < MS, "{cost:?}");
    });
}

#[test]
fn an_idle_loop_that_waits_for_a_thread_costs_nothing() {
    alone(|| {
        let cost = segno::run(|| {
            let waker = segno::waker();
            let woken = Arc::new(AtomicBool::new(false));
            let theirs = woken.clone();
            let other = thread::spawn(move || {
                thread::sleep(300 * MS);
                theirs.store(true, Ordering::Release);
                waker.wake();
            });
            let before = spent();
            while !woken.load(Ordering::Acquire) {
                segno::pause();
            }
            let cost = spent() - before;
            other.join().unwrap();
            cost
        });
        assert!(cost < MS, "{cost:?}");
    });
}

#[test]
fn a_sleep_is_never_too_short_and_hardly_too_long() {
    alone(|| {
        let mut late: Vec<_> = segno::run(|| {
            (0..100)
                .map(|i| {
                    let time = Duration::from_micros(100 + 20 * i);
                    let before = Instant::now();
                    segno::sleep(time);
                    before.elapsed().checked_sub(time).expect("not too short")
                })
                .collect()
        });
        late.sort();
        println!("late by {:?} in the middle, {:?} at worst", late[50], late[99]);
        assert!(late[50] < 5 * MS, "{late:?}");
    });
}

// ---- fairness

/// How late a 1 ms timer is, many times, beside a crowd that never rests: by the wall clock, and without the time
/// in which the system had other things to do than this thread, which is what counts here.
fn beside(times: usize, crowd: impl FnOnce()) -> (Vec<Duration>, Vec<Duration>) {
    segno::run(|| {
        crowd();
        segno::yield_now();
        (0..times)
            .map(|_| {
                let (wall, own) = (Instant::now(), spent());
                segno::sleep(MS);
                (wall.elapsed() - MS, (spent() - own).saturating_sub(MS))
            })
            .unzip()
    })
}

/// Checks that the timers were in time, and prints how late they were.
fn in_time(
    beside_what: &str,
    limit: Duration,
    (mut wall, mut own): (Vec<Duration>, Vec<Duration>),
) {
    let (wall, own) = (p99(&mut wall), p99(&mut own));
    println!("a 1 ms timer {beside_what} at p99: {wall:?} late, {own:?} of it the loop's doing");
    assert!(own < limit, "{beside_what}: {own:?}");
}

#[test]
fn a_timer_fires_in_time_beside_tasks_that_never_rest() {
    alone(|| {
        let late = beside(200, || {
            drop(segno::spawn(|| {
                loop {
                    segno::yield_now();
                }
            }));
            drop(segno::spawn(|| {
                let waker = segno::waker();
                loop {
                    waker.wake_by_ref();
                    segno::pause();
                }
            }));
            drop(segno::spawn(|| {
                loop {
                    segno::checkpoint();
                }
            }));
        });
        in_time("beside tasks that never rest", 5 * MS, late);
    });
}

#[test]
fn a_timer_fires_in_time_while_threads_wake_for_ever() {
    alone(|| {
        let over = Arc::new(AtomicBool::new(false));
        let storm = over.clone();
        let late = beside(100, move || {
            drop(segno::spawn(move || {
                for _ in 0..3 {
                    let (waker, handle, over) = (segno::waker(), segno::handle(), storm.clone());
                    thread::spawn(move || {
                        let (mut flood, begun) = (0_u64, Instant::now());
                        while !over.load(Ordering::Relaxed) && begun.elapsed() < LONGEST {
                            waker.wake_by_ref();
                            flood += 1;
                            if flood % 1000 == 0 {
                                let _ = handle.post(|| ());
                            }
                        }
                    });
                }
                loop {
                    segno::pause();
                }
            }));
        });
        over.store(true, Ordering::Relaxed);
        // What threads send shares the machine with the loop, so the limit is a wide one. A loop that
        // reads for as long as they send is late by seconds.
        in_time("while three threads wake for ever", 100 * MS, late);
    });
}

#[test]
fn a_timer_fires_in_time_while_a_thread_posts_for_ever() {
    alone(|| {
        let over = Arc::new(AtomicBool::new(false));
        let (storm, ran) = (over.clone(), Arc::new(AtomicU64::new(0)));
        let count = ran.clone();
        let late = beside(50, move || {
            let handle = segno::handle();
            thread::spawn(move || {
                let begun = Instant::now();
                while !storm.load(Ordering::Relaxed) && begun.elapsed() < LONGEST {
                    let count = count.clone();
                    let _ = handle.post(move || {
                        count.fetch_add(1, Ordering::Relaxed);
                    });
                }
            });
        });
        over.store(true, Ordering::Relaxed);
        assert!(ran.load(Ordering::Relaxed) > 0);
        in_time("while a thread posts for ever", 100 * MS, late);
    });
}

// ---- watchdog

/// A loop that is watched.
fn watched(limit: Duration) -> EventLoop {
    EventLoop::builder().name("watched").watchdog(limit).build()
}

/// What watchdogs said.
fn blocked(reports: &[Report]) -> Vec<&str> {
    let blocked = reports.iter().filter(|report| report.kind() == ReportKind::Blocked);
    blocked.map(Report::message).collect()
}

#[test]
fn the_watchdog_names_a_task_that_keeps_the_loop() {
    alone(|| {
        let line = line!() + 3;
        let (_, told) = reported(|| {
            let mut events = watched(50 * MS);
            let task = events.task("hog").spawn(|| keep_the_thread(150 * MS));
            events.run(|| task.join().unwrap()).unwrap();
        });
        let told = blocked(&told);
        assert_eq!(told.len(), 1, "{told:?}");
        for part in ["`hog`", "`watched`", &format!("real_time.rs:{line}"), "limit is 50 ms"] {
            assert!(told[0].contains(part), "{part} is missing in {}", told[0]);
        }
        let held = told[0].split("at least ").nth(1).and_then(|rest| rest.split(' ').next());
        let held: u64 = held.unwrap().parse().unwrap();
        assert!(held >= 50, "{}", told[0]);
    });
}

#[test]
fn the_watchdog_names_a_task_once_in_ten_seconds_and_each_task() {
    alone(|| {
        let (_, told) = reported(|| {
            let mut events = watched(30 * MS);
            let tasks = ["first", "second"].map(|name| {
                events.task(name).spawn(|| {
                    for _ in 0..3 {
                        keep_the_thread(70 * MS);
                        segno::yield_now();
                    }
                })
            });
            events.run(|| tasks.into_iter().for_each(|task| task.join().unwrap())).unwrap();
        });
        let told = blocked(&told);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("`first`") && told[1].contains("`second`"), "{told:?}");
    });
}

#[test]
#[ignore = "takes eleven seconds"]
fn the_watchdog_names_a_task_again_after_ten_seconds() {
    alone(|| {
        let (_, told) = reported(|| {
            let mut events = watched(100 * MS);
            let task = events.task("hog").spawn(|| keep_the_thread(11_000 * MS));
            events.run(|| task.join().unwrap()).unwrap();
        });
        assert_eq!(blocked(&told).len(), 2, "{told:?}");
    });
}

#[test]
fn the_watchdog_is_silent_about_a_busy_loop_and_an_idle_one() {
    alone(|| {
        let (_, told) = reported(|| {
            let mut events = watched(250 * MS);
            events
                .run(|| {
                    let end = Instant::now() + 400 * MS;
                    segno::scope(|s| {
                        for _ in 0..10 {
                            s.spawn(|| {
                                while Instant::now() < end {
                                    segno::yield_now();
                                }
                            });
                        }
                    });
                    segno::sleep(400 * MS);
                })
                .unwrap();
            thread::sleep(300 * MS); // nobody drives it, and nothing runs
            events.run_until_idle();
        });
        assert!(told.is_empty(), "{told:?}");
    });
}

#[test]
fn the_watchdog_ends_with_its_loop() {
    alone(|| {
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        let before = threads();
        for _ in 0..20 {
            let mut events = watched(50 * MS);
            events.run(|| segno::yield_now()).unwrap();
        }
        assert!(threads() <= before + 1, "{} threads, {before} before", threads());
    });
}

// ---- latency

#[test]
fn a_wake_from_a_thread_ends_the_sleep_of_the_loop_at_once() {
    alone(|| {
        let times = 200;
        let mut late: Vec<Duration> = segno::run(|| {
            let sent = Arc::new(Mutex::new(None::<Instant>));
            let (waker, theirs) = (segno::waker(), sent.clone());
            thread::spawn(move || {
                for _ in 0..times {
                    while theirs.lock().unwrap().is_some() {
                        thread::yield_now();
                    }
                    thread::sleep(MS); // the loop has gone to sleep
                    *theirs.lock().unwrap() = Some(Instant::now());
                    waker.wake_by_ref();
                }
            });
            let mut late = Vec::new();
            while late.len() < times {
                let at = sent.lock().unwrap().take();
                match at {
                    Some(at) => late.push(at.elapsed()),
                    None => segno::pause(),
                }
            }
            late
        });
        let p99 = p99(&mut late);
        println!(
            "from wake to pause returning: {:?} in the middle, {p99:?} at p99",
            late[times / 2]
        );
        assert!(late[times / 2] < 5 * MS, "{late:?}");
    });
}

#[test]
fn a_loop_that_is_dropped_while_a_closure_blocks_waits_and_says_for_what() {
    alone(|| {
        let (begin, may_end) = segno::sync::channel::unbounded::<()>();
        let ((), told) = reported(|| {
            let mut events = EventLoop::builder().name("stage").build();
            drop(events.task("reader").spawn(move || segno::unblock(move || may_end.recv())));
            assert!(!events.turn());
            let releases = thread::spawn(move || {
                thread::sleep(1500 * MS);
                begin.send(()).unwrap();
            });
            let before = Instant::now();
            drop(events);
            assert!(before.elapsed() >= 1400 * MS);
            releases.join().unwrap();
        });
        let said: Vec<_> =
            told.iter().filter(|report| report.kind() == ReportKind::Waiting).collect();
        assert_eq!(said.len(), 1, "{told:?}");
        let text = said[0].message();
        for word in ["`stage` ends", "`reader`", "`unblock` at", "real_time.rs"] {
            assert!(text.contains(word), "{text}");
        }
    });
}

#[test]
fn deadlines_are_looked_for_more_often_where_tasks_take_long() {
    alone(|| {
        let late = segno::run(|| {
            let busy = segno::spawn(|| {
                loop {
                    keep_the_thread(2 * MS);
                    segno::yield_now();
                }
            });
            let begin = Instant::now();
            (0..10).for_each(|_| segno::sleep(MS));
            busy.cancel("enough");
            begin.elapsed() - 10 * MS
        });
        // The first may be late by 64 of them, which is when the loop notices. Not all ten.
        assert!(late < 640 * MS, "{late:?}");
    });
}
