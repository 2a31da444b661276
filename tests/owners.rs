//! Locks whose owner has gone. As long as its guard can still be dropped the lock stays taken, and a deadlock report
//! says who took it; if it was given up with its stack, nobody can release the lock, and whoever waits is told.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use segno::sync::{Event, Mutex, RwLock};
use segno::{EventLoop, JoinHandle, RunError};

use support::{panic_text, reports, text_of, virtually};

/// A task that takes the lock, waits, and swallows its cancellation until it is given up.
fn stubborn(events: &EventLoop, mutex: &Arc<Mutex<u32>>, taken: &Arc<Event>) -> JoinHandle<()> {
    let (mutex, taken) = (mutex.clone(), taken.clone());
    events.task("stubborn").spawn(move || {
        let _guard = mutex.lock();
        taken.set();
        loop {
            let _ = catch_unwind(segno::pause);
        }
    })
}

#[test]
fn one_who_waits_on_the_same_loop_panics_with_the_owner_and_the_line() {
    let ((), told) = reports(|| {
        let mut events = virtually();
        let (mutex, taken) = (Arc::new(Mutex::new(0)), Arc::new(Event::new()));
        let owner = stubborn(&events, &mutex, &taken);
        let theirs = mutex.clone();
        let waiter = events.task("waiter").spawn(move || *theirs.lock());
        events
            .run(|| {
                taken.wait();
                segno::yield_now();
                owner.cancel("enough");
                let error = waiter.join().unwrap_err();
                let text = error.panic_message().unwrap().to_owned();
                assert!(text.contains("given up") && text.contains("owners.rs"), "{text}");
                assert!(owner.join().is_err());
                let error = mutex.try_lock().unwrap_err();
                assert!(error.holder().is_some_and(|holder| holder.is_given_up()), "{error}");
                let later = panic_text(|| drop(mutex.lock()));
                assert!(later.contains("would wait for ever"), "{later}");
            })
            .unwrap();
        drop(events);
        // Outside every loop too.
        assert!(panic_text(|| drop(mutex.lock())).contains("would wait for ever"));
    });
    assert!(told.iter().any(|report| report.message().contains("given up")), "{told:?}");
}

#[test]
fn one_who_waits_on_another_loop_panics_too() {
    reports(|| {
        let mut events = EventLoop::new();
        let (mutex, taken) = (Arc::new(Mutex::new(0)), Arc::new(Event::new()));
        let owner = stubborn(&events, &mutex, &taken);
        let (theirs, begun) = (mutex.clone(), taken.clone());
        let other = thread::spawn(move || {
            segno::run(|| {
                begun.wait();
                catch_unwind(AssertUnwindSafe(|| *theirs.lock())).unwrap_err()
            })
        });
        events
            .run(|| {
                while mutex.stats().waiting == 0 {
                    segno::yield_now();
                }
                owner.cancel("enough");
                assert!(owner.join().is_err());
            })
            .unwrap();
        let text = text_of(&*other.join().unwrap());
        assert!(text.contains("given up"), "{text}");
    });
}

#[test]
fn one_who_is_given_up_leaves_the_queue_and_the_next_gets_the_lock() {
    reports(|| {
        let mut events = virtually();
        let mutex = Arc::new(Mutex::new(0));
        let guard = mutex.lock();
        let theirs = mutex.clone();
        let stubborn = events.task("stubborn").spawn(move || {
            loop {
                let _ = catch_unwind(AssertUnwindSafe(|| drop(theirs.lock())));
            }
        });
        let theirs = mutex.clone();
        let next = events.task("next").spawn(move || *theirs.lock());
        events
            .run(|| {
                segno::yield_now();
                assert_eq!(mutex.stats().waiting, 2);
                stubborn.cancel("enough");
                assert!(stubborn.join().is_err());
                assert_eq!(mutex.stats().waiting, 1);
                drop(guard);
                assert_eq!(next.join().unwrap(), 0);
            })
            .unwrap();
    });
}

#[test]
fn a_guard_that_was_taken_out_in_time_still_unlocks() {
    reports(|| {
        let mut events = virtually();
        let mutex: &'static Mutex<u32> = Box::leak(Box::new(Mutex::new(0)));
        let kept = std::rc::Rc::new(std::cell::Cell::new(None));
        let theirs = kept.clone();
        let owner = events.spawn(move || {
            theirs.set(Some(mutex.lock()));
            loop {
                let _ = catch_unwind(segno::pause);
            }
        });
        events
            .run(|| {
                segno::yield_now();
                owner.cancel("enough");
                assert!(owner.join().is_err());
                assert!(panic_text(|| drop(mutex.lock())).contains("given up"));
                drop(kept.take());
                *mutex.lock() += 1;
            })
            .unwrap();
        assert_eq!(*mutex.lock(), 1);
    });
}

#[test]
fn a_guard_that_outlives_its_task_keeps_the_lock_and_the_report_says_who_took_it() {
    let mut events = virtually();
    let mutex: &'static Mutex<u32> = Box::leak(Box::new(Mutex::new(0)));
    let stuck = events.run(|| {
        let owner = segno::task("owner").spawn(|| mutex.lock());
        let id = owner.id();
        let guard = owner.join().unwrap();
        let waiter = segno::task("waiter").spawn(|| *mutex.lock());
        segno::yield_now();
        assert!(!waiter.is_finished());
        let holder = mutex.stats().holder.unwrap();
        assert_eq!(holder.task(), Some(id));
        let _ = waiter.join();
        drop(guard);
    });
    let Err(RunError::Deadlock(report)) = stuck else { panic!("{stuck:?}") };
    let waiter = report.tasks().iter().find(|task| task.name() == Some("waiter")).unwrap();
    assert!(waiter.waits_for().contains("has ended; its guard still exists"), "{report}");
    assert_eq!(waiter.holder().and_then(|holder| holder.task()), waiter.blocker());
    assert!(waiter.blocker().is_some() && report.cycles().is_empty(), "{report}");
}

#[test]
fn a_loop_whose_task_waits_for_a_lock_of_another_thread_is_no_deadlock() {
    let mut events = virtually();
    let mutex = Arc::new(Mutex::new(0));
    let (theirs, taken) = (mutex.clone(), Arc::new(Event::new()));
    let begun = taken.clone();
    let (seen, waits) = (Arc::new(Event::new()), mutex.clone());
    let sees = seen.clone();
    let thread = thread::spawn(move || {
        let mut guard = theirs.lock();
        begun.set();
        // Until the loop has nothing else to do, and some time longer.
        while waits.stats().waiting == 0 {
            thread::yield_now();
        }
        (0..1000).for_each(|_| thread::yield_now());
        *guard = 7;
        sees.set();
    });
    while !taken.is_set() {
        thread::yield_now();
    }
    assert_eq!(events.run(|| *mutex.lock()).unwrap(), 7);
    assert!(seen.is_set());
    thread.join().unwrap();
}

#[test]
fn a_plain_thread_is_told_too() {
    reports(|| {
        let mut events = virtually();
        let (mutex, taken) = (Arc::new(Mutex::new(0)), Arc::new(Event::new()));
        let owner = stubborn(&events, &mutex, &taken);
        let (theirs, begun) = (mutex.clone(), taken.clone());
        let thread = thread::spawn(move || {
            begun.wait();
            catch_unwind(AssertUnwindSafe(|| *theirs.lock())).unwrap_err()
        });
        events
            .run(|| {
                taken.wait();
                while mutex.stats().waiting == 0 {
                    segno::yield_now();
                }
                owner.cancel("enough");
                assert!(owner.join().is_err());
            })
            .unwrap();
        let text = text_of(&*thread.join().unwrap());
        assert!(text.contains("given up"), "{text}");
    });
}

#[test]
fn of_several_readers_nobody_is_blamed() {
    let mut events = virtually();
    let lock: &'static RwLock<u32> = Box::leak(Box::new(RwLock::new(0)));
    let (_, told) = reports(|| {
        events
            .run(|| {
                let first = lock.read();
                // Reads, gives back, and is given up later.
                let second = segno::spawn(|| {
                    drop(lock.read());
                    loop {
                        let _ = catch_unwind(segno::pause);
                    }
                });
                segno::yield_now();
                assert_eq!(lock.stats().holder, None);
                second.cancel("enough");
                assert!(second.join().is_err());
                let writer = segno::spawn(|| *lock.write() += 1);
                segno::yield_now();
                assert!(!writer.is_finished());
                drop(first);
                writer.join().unwrap();
            })
            .unwrap();
    });
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn a_loop_waits_for_a_reader_of_another_thread_although_it_has_read_too() {
    let mut events = virtually();
    let lock = Arc::new(RwLock::new(0));
    let (theirs, taken) = (lock.clone(), Arc::new(Event::new()));
    let begun = taken.clone();
    let thread = thread::spawn(move || {
        let guard = theirs.read();
        begun.set();
        while theirs.stats().waiting == 0 {
            thread::yield_now();
        }
        (0..1000).for_each(|_| thread::yield_now());
        drop(guard);
    });
    while !taken.is_set() {
        thread::yield_now();
    }
    let written = events.run(|| {
        drop(lock.read());
        *lock.write() += 1;
    });
    assert!(written.is_ok());
    thread.join().unwrap();
}
