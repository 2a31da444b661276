//! Event loops and tasks in wrong hands: what is forgotten, dropped in odd orders, given up, ended with its thread
//! or process. Freed memory is overwritten in this file, so that whoever still looks at it notices.

#![allow(unsafe_code, reason = "overwrites what is freed")]
#![allow(
    clippy::redundant_closure,
    reason = "a function that is passed by name is called from elsewhere"
)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Output;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use segno::{
    CancelKind, Clock, Coroutine, EventLoop, JoinError, JoinHandle, Pauser, ReportKind, is_cancel,
    no_pause, stack,
};

use support::{
    OnDrop, Tally, alone, assert_aborted, assert_exited, child, in_time, reports, virtually,
    while_unwinding,
};

const SECOND: Duration = Duration::from_secs(1);

/// Overwrites what is freed, and counts what is not.
struct Spoiler;

/// Bytes in use.
static IN_USE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator does the work; what is freed is nobody's any more.
unsafe impl GlobalAlloc for Spoiler {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise. Volatile, or the compiler leaves it out.
        unsafe {
            for i in 0..layout.size() {
                at.add(i).write_volatile(0xA5);
            }
            System.dealloc(at, layout);
        }
    }
}

#[global_allocator]
static SPOILER: Spoiler = Spoiler;

/// A scenario in a process of its own that ends well.
#[track_caller]
fn survives(test: &str, scenario: impl FnOnce()) -> Output {
    let output = child(test, || in_time(scenario));
    assert_exited(&output, 0);
    output
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Pauses for ever, whatever is cancelled.
fn swallow_for_ever() -> ! {
    loop {
        let _ = catch_unwind(AssertUnwindSafe(|| segno::sleep(Duration::MAX)));
    }
}

// Giving up.

#[test]
fn a_task_that_swallows_its_cancellation_is_given_up_and_its_joiner_told() {
    alone(|| {
        in_time(|| {
            let (leaked, told) = reports(|| {
                let before = stack::stats().leaked;
                virtually()
                    .run(|| {
                        let task = segno::task("stubborn").spawn(|| swallow_for_ever());
                        segno::yield_now();
                        task.cancel("please");
                        let Err(JoinError::Cancelled(reason)) = task.join() else {
                            panic!("it never returns")
                        };
                        assert_eq!(reason.kind(), CancelKind::Retired);
                    })
                    .unwrap();
                stack::stats().leaked - before
            });
            assert_eq!(leaked, 1);
            assert_eq!(told.len(), 1, "{told:?}");
            assert_eq!(told[0].kind(), ReportKind::Retired);
            assert!(told[0].message().contains("`stubborn`"), "{}", told[0]);
            assert!(told[0].message().contains("hazards.rs"), "{}", told[0]);
        });
    });
}

#[test]
fn a_task_gets_sixty_four_more_pauses_after_its_cancellation() {
    for (swallows, ends) in [(64, true), (65, true), (66, false)] {
        alone(move || {
            let (ended, _) = reports(|| {
                virtually()
                    .run(move || {
                        let task = segno::spawn(move || {
                            for _ in 0..swallows {
                                let caught = catch_unwind(|| segno::sleep(Duration::MAX));
                                assert!(is_cancel(&*caught.unwrap_err()));
                            }
                        });
                        segno::yield_now();
                        task.cancel("please");
                        task.join().is_ok()
                    })
                    .unwrap()
            });
            assert_eq!(ended, ends, "after {swallows}");
        });
    }
}

#[test]
fn limits_inside_do_not_prolong_the_patience() {
    let output = survives("limits_inside_do_not_prolong_the_patience", || {
        virtually()
            .run(|| {
                let task = segno::task("limited").spawn(|| {
                    loop {
                        let _ =
                            catch_unwind(|| segno::timeout(SECOND, || segno::sleep(Duration::MAX)));
                    }
                });
                segno::yield_now();
                task.cancel("please");
                assert!(task.join().is_err());
            })
            .unwrap();
    });
    assert!(text(&output).contains("`limited`"), "{}", text(&output));
}

#[test]
fn a_scope_inside_a_shield_does_not_prolong_the_patience() {
    survives("a_scope_inside_a_shield_does_not_prolong_the_patience", || {
        virtually()
            .run(|| {
                let task = segno::spawn(|| {
                    loop {
                        let _ = catch_unwind(|| segno::sleep(Duration::MAX));
                        segno::shield(|| {
                            let _ = segno::cancel_scope(|part| {
                                part.cancel("inside");
                                segno::yield_now();
                            });
                        });
                    }
                });
                segno::yield_now();
                task.cancel("please");
                assert!(task.join().is_err());
            })
            .unwrap();
    });
}

#[test]
fn a_family_is_given_up_as_a_whole_while_its_members_are_ready() {
    let output = survives("a_family_is_given_up_as_a_whole_while_its_members_are_ready", || {
        let (kept, mut events) = (Rc::new(()), virtually());
        let theirs = kept.clone();
        let other = events.spawn(|| {
            segno::sleep(5 * SECOND);
            7
        });
        let parent = events.task("parent").spawn(move || {
            let local = theirs;
            segno::scope(|s| {
                for _ in 0..3 {
                    s.task("stubborn child").spawn(|| {
                        let _borrow = &local;
                        loop {
                            let _ = catch_unwind(|| segno::yield_now());
                        }
                    });
                }
            });
        });
        let reason = events
            .run(|| {
                segno::yield_now();
                parent.cancel("please");
                let reason = match parent.join() {
                    Err(JoinError::Cancelled(reason)) => reason,
                    other => panic!("{other:?}"),
                };
                assert_eq!(other.join().unwrap(), 7);
                reason
            })
            .unwrap();
        assert_eq!(reason.kind(), CancelKind::Retired);
        assert_eq!(events.tasks(), 0);
        assert_eq!(Rc::strong_count(&kept), 2, "the frames stay as they are");
        events.shutdown();
    });
    assert_eq!(text(&output).matches("given up").count(), 1, "{}", text(&output));
}

#[test]
fn a_stubborn_child_of_the_closure_of_run_aborts_the_process() {
    let output = child("a_stubborn_child_of_the_closure_of_run_aborts_the_process", || {
        in_time(|| {
            segno::run(|| {
                segno::scope(|s| {
                    let child = s.task("clinging").spawn(|| swallow_for_ever());
                    segno::yield_now();
                    child.cancel("please");
                });
            });
        });
    });
    assert_aborted(&output, &["`clinging`", "borrows from a frame outside every task"]);
}

#[test]
fn a_stubborn_closure_of_run_aborts_the_process() {
    let output = child("a_stubborn_closure_of_run_aborts_the_process", || {
        in_time(|| {
            segno::run(|| {
                segno::handle().stop();
                swallow_for_ever()
            });
        });
    });
    assert_aborted(&output, &["`run`", "hazards.rs"]);
}

#[test]
fn what_waits_behind_a_shield_for_ever_is_given_up_at_shutdown() {
    alone(|| {
        in_time(|| {
            let (_, told) = reports(|| {
                let mut events = virtually();
                let task = events.task("shielded").spawn(|| segno::shield(|| segno::pause()));
                events.run_until_idle();
                events.shutdown();
                match task.join() {
                    Err(JoinError::Cancelled(reason)) => {
                        assert_eq!(reason.kind(), CancelKind::Retired);
                    }
                    other => panic!("{other:?}"),
                }
            });
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].message().contains("`shielded`"), "{}", told[0]);
            assert!(told[0].message().contains("`pause` at tests/hazards.rs"), "{}", told[0]);
        });
    });
}

#[test]
fn what_is_spawned_while_a_deadlock_is_cleared_up_is_cancelled_before_it_is_given_up() {
    alone(|| {
        in_time(|| {
            let dropped = Rc::new(Cell::new(false));
            let (theirs, mut events) = (dropped.clone(), virtually());
            let _stuck = events.spawn(move || {
                let unwound = catch_unwind(segno::pause);
                let _late = segno::spawn(move || {
                    let _witness = OnDrop(|| theirs.set(true));
                    segno::pause();
                });
                resume_unwind(unwound.unwrap_err());
            });
            let (_, told) = reports(|| {
                assert!(events.run(segno::pause).is_err());
                assert_eq!(events.tasks(), 0);
            });
            assert!(told.is_empty(), "{told:?}");
            assert!(dropped.get());
        });
    });
}

#[test]
fn a_joiner_of_another_loop_that_was_given_up_is_not_woken_in_freed_memory() {
    survives("a_joiner_of_another_loop_that_was_given_up_is_not_woken_in_freed_memory", || {
        let (sender, receiver) = mpsc::channel();
        let (open, opened) = mpsc::channel::<()>();
        let other = thread::spawn(move || {
            let mut events = EventLoop::new();
            let task = events.spawn(move || {
                opened.recv().unwrap();
                1
            });
            sender.send(task).unwrap();
            events
                .run(|| {
                    while segno::handle().is_open() && !DONE.load(Ordering::Acquire) {
                        segno::yield_now();
                    }
                })
                .unwrap();
        });
        static DONE: AtomicBool = AtomicBool::new(false);
        let elsewhere: JoinHandle<i32> = receiver.recv().unwrap();
        let mut events = EventLoop::new();
        let family = events.spawn(move || {
            segno::scope(|s| {
                s.spawn(|| swallow_for_ever());
                segno::shield(|| elsewhere.join().unwrap())
            })
        });
        events
            .run(|| {
                segno::yield_now();
                segno::yield_now();
                family.cancel("please");
                assert!(family.join().is_err());
            })
            .unwrap();
        events.shutdown();
        open.send(()).unwrap();
        thread::sleep(Duration::from_millis(50));
        DONE.store(true, Ordering::Release);
        other.join().unwrap();
    });
}

#[test]
fn one_that_was_given_up_does_not_keep_a_deadlock_from_being_seen() {
    survives("one_that_was_given_up_does_not_keep_a_deadlock_from_being_seen", || {
        let (sender, receiver) = mpsc::channel();
        let other = thread::spawn(move || {
            let events = EventLoop::new();
            sender.send(events.spawn(|| ())).unwrap();
            thread::sleep(SECOND / 10);
        });
        let elsewhere: JoinHandle<()> = receiver.recv().unwrap();
        let mut events = virtually();
        let family = events.spawn(move || {
            segno::scope(|s| {
                s.spawn(|| swallow_for_ever());
                segno::shield(|| elsewhere.join().is_ok())
            })
        });
        events
            .run(|| {
                segno::yield_now();
                segno::yield_now();
                family.cancel("please");
                assert!(family.join().is_err());
            })
            .unwrap();
        other.join().unwrap();
        assert!(events.run(segno::pause).is_err(), "nobody is left who could wake it");
    });
}

// Stacks.

#[test]
fn no_stack_is_lost_whatever_ends_a_loop() {
    survives("no_stack_is_lost_whatever_ends_a_loop", || {
        let crowd = |events: &EventLoop| {
            for i in 0..1000 {
                drop(events.spawn(move || match i % 5 {
                    0 => segno::pause(),
                    1 => segno::sleep(Duration::MAX),
                    2 => segno::scope(|s| {
                        s.spawn(|| segno::sleep(SECOND));
                        s.spawn(|| segno::pause());
                    }),
                    3 => drop(segno::timeout(Duration::MAX, || segno::pause())),
                    _ => segno::shield(|| segno::sleep(SECOND)),
                }));
            }
        };
        let ends: [fn(EventLoop); 6] = [
            drop,
            EventLoop::shutdown,
            |mut events| {
                events.run_until_idle();
                drop(events);
            },
            |mut events| events.run(|| segno::sleep(SECOND)).unwrap(),
            |mut events| assert!(events.run(|| segno::pause()).is_err()),
            |mut events| {
                let thrown = catch_unwind(AssertUnwindSafe(|| events.run(|| panic!("on purpose"))));
                assert!(thrown.is_err());
            },
        ];
        for end in ends {
            let events = virtually();
            crowd(&events);
            end(events);
            assert_eq!((stack::stats().live, stack::stats().leaked), (0, 0));
        }
        segno::run(|| drop(segno::spawn(|| segno::pause())));
        assert_eq!((stack::stats().live, stack::stats().leaked), (0, 0));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_task_without_a_stack_ends_with_that_and_drops_its_captures() {
    let output = survives("a_task_without_a_stack_ends_with_that_and_drops_its_captures", || {
        let tally = Tally::default();
        let mut events = virtually();
        events
            .run(|| {
                let limit = libc::rlimit { rlim_cur: 1 << 30, rlim_max: 1 << 30 };
                // SAFETY: it reads what it is given.
                assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
                let witness = tally.witness("captured");
                let large = segno::task("large").stack_size(3 << 30);
                let joined = large.spawn(move || drop(witness)).join();
                assert!(matches!(joined, Err(JoinError::NoStack(_))), "{joined:?}");
                assert_eq!(tally.alive(), 0);
                let told = joined.unwrap_err().to_string();
                assert!(told.contains("never ran"), "{told}");
                segno::scope(|s| {
                    let large = s.task("large child").stack_size(3 << 30);
                    assert!(matches!(large.spawn(|| ()).join(), Err(JoinError::NoStack(_))));
                });
                drop(segno::task("nobody joins").stack_size(3 << 30).spawn(|| ()));
                segno::sleep(SECOND);
                assert_eq!(segno::spawn(|| 7).join().unwrap(), 7);
            })
            .unwrap();
    });
    assert!(text(&output).contains("`nobody joins`"), "{}", text(&output));
}

// Where a task is not.

#[test]
fn captures_of_a_task_that_never_ran_may_try_to_pause_in_their_destructors() {
    survives("captures_of_a_task_that_never_ran_may_try_to_pause_in_their_destructors", || {
        virtually()
            .run(|| {
                segno::spawn(segno::yield_now).join().unwrap(); // its record is used again
                let (told, in_task) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
                let tried: [fn(); 9] = [
                    segno::yield_now,
                    || segno::sleep(Duration::from_millis(1)),
                    segno::checkpoint,
                    || drop(segno::waker()),
                    || segno::scope(|s| drop(s.spawn(segno::yield_now))),
                    || segno::spawn(|| ()).join().unwrap(),
                    || segno::timeout(SECOND, segno::yield_now).unwrap(),
                    || segno::shield(segno::yield_now),
                    || segno::run(segno::yield_now),
                ];
                for trial in tried {
                    let (theirs, inside) = (told.clone(), in_task.clone());
                    let on_drop = OnDrop(move || {
                        theirs.set(theirs.get() + 1);
                        inside.set(inside.get() + u32::from(segno::is_in_task()));
                        trial();
                    });
                    let task = segno::spawn(move || {
                        let _captured = &on_drop;
                        unreachable!("it was cancelled first");
                    });
                    task.cancel("before it began");
                    assert!(matches!(task.join(), Err::<(), _>(JoinError::Cancelled(_))));
                }
                assert_eq!(told.get(), 9);
                assert_eq!(in_task.get(), 0, "the loop's own code is no task");
                segno::sleep(SECOND);
            })
            .unwrap();
    });
}

#[test]
fn a_refused_pause_leaves_the_task_as_it_was() {
    survives("a_refused_pause_leaves_the_task_as_it_was", || {
        let pauses: [fn(); 5] = [
            || segno::yield_now(),
            || segno::sleep(SECOND),
            || segno::pause(),
            || drop(segno::task("now").start_now().spawn(|| ())),
            || drop(segno::spawn(segno::yield_now).join()),
        ];
        for pause in pauses {
            for more in [0, 3] {
                let mut events = virtually();
                let told = events
                    .run(|| {
                        let waker = segno::waker();
                        let refused = catch_unwind(AssertUnwindSafe(|| no_pause(pause)));
                        waker.wake();
                        (0..more).for_each(|_| segno::yield_now());
                        support::text_of(&*refused.unwrap_err())
                    })
                    .unwrap();
                assert!(told.contains("no_pause"), "{told}");
                events.shutdown();
            }
        }
        // Records and homes are used again.
        let mut events = virtually();
        let more: Vec<_> = (0..100).map(|i| events.spawn(move || i)).collect();
        let sum = events.run(|| more.into_iter().map(|task| task.join().unwrap()).sum());
        assert_eq!(sum.unwrap_or(0), 4950);
    });
}

#[test]
fn a_scope_that_must_not_pause_for_its_children_aborts_the_process() {
    let output = child("a_scope_that_must_not_pause_for_its_children_aborts_the_process", || {
        in_time(|| {
            segno::run(|| no_pause(|| segno::scope(|s| drop(s.spawn(segno::yield_now)))));
        });
    });
    assert!(!output.status.success());
    assert!(text(&output).contains("no_pause"), "{}", text(&output));
}

#[test]
fn a_task_of_an_idle_loop_of_this_thread_cannot_be_joined_in_a_task_of_another() {
    survives("a_task_of_an_idle_loop_of_this_thread_cannot_be_joined_in_a_task_of_another", || {
        let idle = EventLoop::new();
        let task = idle.spawn(|| 1);
        let told = virtually().run(|| {
            catch_unwind(AssertUnwindSafe(|| task.join()))
                .map(|joined| joined.is_ok())
                .map_err(|payload| support::text_of(&*payload))
        });
        let told = told.unwrap().unwrap_err();
        assert!(told.contains("nobody"), "{told}");
    });
}

// Forgetting.

#[test]
fn a_forgotten_loop_leaks_its_tasks_and_nothing_else() {
    let mut events = virtually();
    let tally = Tally::default();
    let witness = tally.witness("kept");
    let task = events.spawn(move || {
        let _witness = witness;
        segno::pause();
    });
    events.run_until_idle();
    let handle = events.handle();
    std::mem::forget(events);
    assert_eq!(tally.alive(), 1);
    assert!(!task.is_finished());
    task.cancel("nobody hears that");
    handle.post(|| ()).unwrap();
    handle.stop();
    let told = support::panic_text(|| task.join());
    assert!(told.contains("nobody"), "{told}");
    virtually().run(segno::yield_now).unwrap();
    assert_eq!(tally.alive(), 1);
}

#[test]
fn forgotten_handles_change_nothing() {
    let mut events = virtually();
    let ran = Rc::new(Cell::new(0));
    let theirs = ran.clone();
    let task = events.spawn(move || {
        segno::yield_now();
        theirs.set(1);
    });
    std::mem::forget(task);
    std::mem::forget(events.handle());
    events
        .run(|| {
            segno::scope(|s| {
                let ran = &ran;
                std::mem::forget(s.spawn(move || {
                    segno::sleep(SECOND);
                    ran.set(ran.get() + 1);
                    "a result that nobody takes".to_owned()
                }));
            });
        })
        .unwrap();
    assert_eq!((ran.get(), Rc::strong_count(&ran)), (2, 1));
    events.shutdown();
}

#[test]
fn a_loop_kept_alive_by_its_own_task_leaks_and_nothing_else() {
    let tally = Tally::default();
    let events = Rc::new(RefCell::new(virtually()));
    let (own, witness) = (events.clone(), tally.witness("kept"));
    let _task = events.borrow().spawn(move || {
        let _keeps = (own, witness);
        segno::pause();
    });
    events.borrow_mut().run_until_idle();
    drop(events);
    assert_eq!(tally.alive(), 1);
}

// Dropping.

#[test]
fn a_loop_dropped_while_a_panic_unwinds_is_left_as_it_is_and_reported() {
    alone(|| {
        let tally = Tally::default();
        let mut events = EventLoop::builder().name("doomed").clock(Clock::virtual_time()).build();
        let witness = tally.witness("kept");
        let task = events.spawn(move || {
            let _witness = witness;
            segno::pause();
        });
        events.run_until_idle();
        let handle = events.handle();
        let (_, told) = reports(|| while_unwinding(|| drop(events)));
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].kind(), ReportKind::LoopLeaked);
        assert!(told[0].message().contains("`doomed`"), "{}", told[0]);
        assert_eq!(tally.alive(), 1, "nothing of it runs any more");
        assert!(handle.post(|| ()).is_err());
        assert!(!task.is_finished());
    });
}

#[test]
fn a_loop_without_tasks_can_be_dropped_anywhere() {
    alone(|| {
        let events = virtually();
        let (_, told) = reports(|| while_unwinding(|| drop(events)));
        assert!(told.is_empty(), "{told:?}");
        let (_, told) = reports(|| {
            virtually()
                .run(|| {
                    let other = virtually();
                    drop(other);
                })
                .unwrap();
        });
        assert!(told.is_empty(), "{told:?}");
    });
}

#[test]
fn a_loop_dropped_inside_a_task_of_another_is_left_as_it_is_and_reported() {
    alone(|| {
        let tally = Tally::default();
        let other = virtually();
        let witness = tally.witness("kept");
        let _task = other.spawn(move || drop(witness));
        let (_, told) = reports(|| virtually().run(move || drop(other)).unwrap());
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].kind(), ReportKind::LoopLeaked);
        assert!(told[0].message().contains("inside a task"), "{}", told[0]);
        assert_eq!(tally.alive(), 1);
    });
}

#[test]
fn a_process_that_exits_inside_a_task_leaves_the_loop_as_it_is() {
    thread_local! {
        static EVENTS: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
    }
    let output = child("a_process_that_exits_inside_a_task_leaves_the_loop_as_it_is", || {
        in_time(|| {
            EVENTS.set(Some(virtually()));
            EVENTS.with_borrow_mut(|events| {
                let _ = events.as_mut().unwrap().run(|| {
                    let _witness = OnDrop(|| eprintln!("a frame was unwound"));
                    std::process::exit(7);
                });
            });
        });
    });
    assert_exited(&output, 7);
    assert!(!text(&output).contains("a frame was unwound"), "{}", text(&output));
}

#[test]
fn a_loop_in_a_thread_local_ends_its_tasks_when_the_thread_exits() {
    thread_local! {
        static EVENTS: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
    }
    survives("a_loop_in_a_thread_local_ends_its_tasks_when_the_thread_exits", || {
        for first_stacks in [false, true] {
            let unwound = Arc::new(AtomicUsize::new(0));
            let theirs = unwound.clone();
            let told = thread::spawn(move || {
                if first_stacks {
                    Coroutine::new(|_: &Pauser<(), ()>, ()| ()).resume(());
                }
                let mut events = EventLoop::new();
                let mut tasks = Vec::new();
                for i in 0..100 {
                    let unwound = theirs.clone();
                    tasks.push(events.spawn(move || {
                        let _witness = OnDrop(|| {
                            unwound.fetch_add(1, Ordering::Relaxed);
                        });
                        let paused = catch_unwind(segno::pause);
                        if i % 10 == 0 {
                            segno::shield(|| segno::sleep(Duration::from_millis(5)));
                        }
                        resume_unwind(paused.unwrap_err());
                    }));
                }
                events.run_until_idle();
                EVENTS.set(Some(events));
                tasks
            });
            for task in told.join().unwrap() {
                // The thread has returned, but its thread-locals may just be going.
                match task.join() {
                    Err(JoinError::Cancelled(reason)) => {
                        assert_eq!(reason.kind(), CancelKind::Shutdown);
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(unwound.load(Ordering::Relaxed), 100);
        }
    });
}

#[test]
fn clean_up_at_thread_exit_can_wait_for_another_thread() {
    thread_local! {
        static EVENTS: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
    }
    survives("clean_up_at_thread_exit_can_wait_for_another_thread", || {
        let (sender, receiver) = mpsc::channel::<(segno::Waker, Arc<AtomicBool>)>();
        let helper = thread::spawn(move || {
            let (waker, flag) = receiver.recv().unwrap();
            thread::sleep(Duration::from_millis(30));
            flag.store(true, Ordering::Release);
            waker.wake();
        });
        thread::spawn(move || {
            let mut events = EventLoop::new();
            let _task = events.spawn(move || {
                let paused = catch_unwind(segno::pause);
                segno::shield(|| {
                    let flag = Arc::new(AtomicBool::new(false));
                    sender.send((segno::waker(), flag.clone())).unwrap();
                    while !flag.load(Ordering::Acquire) {
                        segno::pause();
                    }
                });
                resume_unwind(paused.unwrap_err());
            });
            events.run_until_idle();
            EVENTS.set(Some(events));
        })
        .join()
        .unwrap();
        helper.join().unwrap();
    });
}

#[test]
fn loops_of_one_thread_may_be_dropped_in_any_order() {
    alone(|| {
        let tally = Tally::default();
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]] {
            let mut loops: Vec<_> = (0..3).map(|_| Some(virtually())).collect();
            let mut tasks = Vec::new();
            for events in loops.iter_mut().flatten() {
                let witness = tally.witness("task");
                tasks.push(events.spawn(move || {
                    let _witness = witness;
                    segno::pause();
                }));
                events.run_until_idle();
            }
            for i in order {
                loops[i] = None;
            }
            assert!(tasks.iter().all(JoinHandle::is_finished));
            assert_eq!(tally.alive(), 0);
        }
    });
}

#[test]
fn a_loop_owned_by_a_task_of_another_loop_that_is_shut_down_is_reported() {
    alone(|| {
        let (_, told) = reports(|| {
            let mut outer = virtually();
            let mut inner = virtually();
            let _inner_task = inner.spawn(segno::pause);
            inner.run_until_idle();
            let _holds = outer.spawn(move || {
                let _inner = inner;
                segno::pause();
            });
            outer.run_until_idle();
            outer.shutdown();
        });
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].kind(), ReportKind::LoopLeaked);
    });
}

// Destructors that pause.

#[test]
fn a_destructor_that_waits_while_its_task_unwinds_aborts_with_both_places() {
    let output =
        child("a_destructor_that_waits_while_its_task_unwinds_aborts_with_both_places", || {
            in_time(|| {
                virtually()
                    .run(|| {
                        let task = segno::task("careless").spawn(|| {
                            let _waits = OnDrop(|| segno::pause());
                            segno::sleep(Duration::MAX);
                        });
                        segno::yield_now();
                        task.cancel("please");
                        drop(task.join());
                    })
                    .unwrap();
            });
        });
    assert_aborted(&output, &["`careless`", "`pause` at tests/hazards.rs", "must not wait"]);
}

#[test]
fn a_scope_in_a_destructor_while_a_panic_unwinds_says_so_before_the_abort() {
    let output =
        child("a_scope_in_a_destructor_while_a_panic_unwinds_says_so_before_the_abort", || {
            in_time(|| {
                segno::run(|| {
                    let _scope = OnDrop(|| segno::scope(|s| drop(s.spawn(|| ()))));
                    panic!("on purpose");
                });
            });
        });
    assert_aborted(&output, &["`scope` at tests/hazards.rs", "unwinds"]);
}

#[test]
fn run_in_a_destructor_while_a_panic_unwinds_says_so_before_the_abort() {
    let output =
        child("run_in_a_destructor_while_a_panic_unwinds_says_so_before_the_abort", || {
            in_time(|| {
                let _run = OnDrop(|| segno::run(|| ()));
                panic!("on purpose");
            });
        });
    assert_aborted(&output, &["`run` at tests/hazards.rs", "while a panic unwinds"]);
}

// After the end.

#[test]
fn wakes_after_the_end_of_the_loop_cost_no_memory() {
    survives("wakes_after_the_end_of_the_loop_cost_no_memory", || {
        let waker = segno::run(segno::waker);
        waker.wake_by_ref();
        let before = IN_USE.load(Ordering::Relaxed);
        for _ in 0..100_000 {
            waker.wake_by_ref();
        }
        let more = IN_USE.load(Ordering::Relaxed).saturating_sub(before);
        assert!(more < 10_000, "{more} bytes more");
    });
}

#[test]
fn wakes_that_the_loop_has_not_heard_of_cost_no_more_than_one() {
    survives("wakes_that_the_loop_has_not_heard_of_cost_no_more_than_one", || {
        segno::run(|| {
            let waker = segno::waker();
            let before = IN_USE.load(Ordering::Relaxed);
            let more = thread::spawn(move || {
                for _ in 0..100_000 {
                    waker.wake_by_ref();
                }
                IN_USE.load(Ordering::Relaxed).saturating_sub(before)
            });
            let more = more.join().unwrap(); // blocks the loop meanwhile
            assert!(more < 100_000, "{more} bytes more");
        });
    });
}

#[test]
fn nobody_is_told_of_mail_for_a_loop_that_has_ended() {
    let told = Arc::new(AtomicUsize::new(0));
    let theirs = told.clone();
    let mut events = EventLoop::builder()
        .on_wake(move || {
            theirs.fetch_add(1, Ordering::Relaxed);
        })
        .build();
    let waker = events.run(segno::waker).unwrap();
    let handle = events.handle();
    drop(events);
    let before = told.load(Ordering::Relaxed);
    waker.wake_by_ref();
    drop(waker);
    handle.stop();
    assert!(handle.post(|| ()).is_err());
    assert_eq!(told.load(Ordering::Relaxed), before);
}

/// Opens a scope on the stack of a coroutine, and inside it one that swallows its cancellation.
fn swallow_inside_a_scope_on_a_coroutine() {
    let mut around = Coroutine::new(|_: &Pauser<(), ()>, ()| {
        segno::scope(|s| {
            s.spawn(segno::yield_now);
            Coroutine::scoped(|co: &Pauser<(), ()>, ()| {
                loop {
                    let _ = catch_unwind(AssertUnwindSafe(|| co.pause(())));
                }
            })
            .enter(|co| {
                co.resume(());
            });
        });
    });
    around.resume(());
}

#[test]
fn what_is_open_on_a_stack_that_is_given_up_goes_with_the_task_around_it() {
    survives("what_is_open_on_a_stack_that_is_given_up_goes_with_the_task_around_it", || {
        segno::run(|| {
            let minute = Duration::from_secs(60);
            let task = segno::spawn(move || {
                let _ =
                    catch_unwind(|| segno::timeout(minute, swallow_inside_a_scope_on_a_coroutine));
                unreachable!("its frames are gone");
            });
            match task.join() {
                Err(JoinError::Cancelled(reason)) => assert_eq!(reason.kind(), CancelKind::Retired),
                other => panic!("{other:?}"),
            }
            for _ in 0..100 {
                assert!(segno::timeout(minute, segno::yield_now).is_ok());
            }
        });
    });
}

#[test]
fn what_is_open_on_a_stack_that_is_given_up_under_the_closure_of_run_aborts() {
    let test = "what_is_open_on_a_stack_that_is_given_up_under_the_closure_of_run_aborts";
    let output = child(test, || in_time(|| segno::run(swallow_inside_a_scope_on_a_coroutine)));
    assert_aborted(&output, &["borrows from a frame outside every task"]);
}
