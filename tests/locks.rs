//! Locks, and what else tasks wait for each other with: who is next, what a cancellation leaves behind, and that
//! one loop, several and plain threads may use the same.
//!
//! The counts are those of a quick run; `SEGNO_FULL=1 cargo test --release --test locks` makes the full ones.

#![allow(
    clippy::redundant_closure,
    reason = "a function that is passed by name is called from elsewhere"
)]

mod support;

use std::cell::Cell;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use segno::RunError;
use segno::sync::{Barrier, Condvar, Event, Mutex, Once, RwLock, Semaphore, Stats};
use support::{
    Dice, Notes, OnDrop, assert_aborted, child, in_time, on_a_loop, panic_text, part_of, settle,
    until, virtually, while_unwinding,
};

const SECOND: Duration = Duration::from_secs(1);

/// Something that never goes.
fn kept<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

// First come, first served.

/// Lets five tasks have it twice each, while it is taken when they come. `take` gets it, calls what it is given, and
/// gives it back.
fn two_rounds(first: impl FnOnce(), take: impl Fn(&dyn Fn())) -> Vec<String> {
    let notes = Notes::default();
    on_a_loop(|| {
        segno::scope(|s| {
            for voice in 0..5 {
                let (take, notes) = (&take, &notes);
                s.spawn(move || {
                    for round in 1..=2 {
                        take(&|| {
                            notes.note(format!("{voice} in round {round}"));
                            segno::yield_now();
                        });
                    }
                });
            }
            settle();
            assert!(notes.take().is_empty(), "somebody did not wait");
            first();
        });
    });
    notes.take()
}

/// What `two_rounds` gives, if whoever waits longest is next.
fn in_order() -> Vec<String> {
    let round = |round| (0..5).map(move |voice| format!("{voice} in round {round}"));
    round(1).chain(round(2)).collect()
}

#[test]
fn a_mutex_is_had_in_the_order_of_coming() {
    let mutex = Mutex::new(());
    let first = mutex.lock();
    assert_eq!(
        two_rounds(
            || drop(first),
            |inside| {
                let _guard = mutex.lock();
                inside()
            }
        ),
        in_order()
    );
}

#[test]
fn an_rwlock_is_written_in_the_order_of_coming() {
    let lock = RwLock::new(());
    let first = lock.read();
    assert_eq!(
        two_rounds(
            || drop(first),
            |inside| {
                let _guard = lock.write();
                inside()
            }
        ),
        in_order()
    );
}

#[test]
fn permits_are_had_in_the_order_of_coming() {
    let semaphore = Semaphore::new(0);
    let take = |inside: &dyn Fn()| {
        let _permit = semaphore.acquire();
        inside()
    };
    assert_eq!(two_rounds(|| semaphore.add_permits(1), take), in_order());
}

/// Takes the lock and waits for a notification.
fn be_notified(mutex: &Mutex<()>, condvar: &Condvar) {
    drop(condvar.wait(mutex.lock()));
}

#[test]
fn notifications_go_to_whoever_waits_longest() {
    let (mutex, condvar, notes) = (Mutex::new(()), Condvar::new(), Notes::default());
    on_a_loop(|| {
        segno::scope(|s| {
            for voice in 0..5 {
                let (mutex, condvar, notes) = (&mutex, &condvar, &notes);
                s.spawn(move || {
                    for _ in 0..2 {
                        be_notified(mutex, condvar);
                        notes.note(voice);
                    }
                });
            }
            settle();
            for _ in 0..10 {
                assert!(condvar.notify_one());
                settle();
            }
            assert!(!condvar.notify_one());
        });
    });
    assert_eq!(notes.take().concat(), "0123401234");
}

#[test]
fn an_event_and_a_barrier_let_all_go_in_the_order_of_coming() {
    let (event, barrier, notes) = (Event::new(), Barrier::new(5), Notes::default());
    on_a_loop(|| {
        for _ in 0..2 {
            segno::scope(|s| {
                for voice in 0..5 {
                    let (event, barrier, notes) = (&event, &barrier, &notes);
                    s.spawn(move || {
                        event.wait();
                        notes.note(voice);
                        if voice < 4 {
                            assert!(!barrier.wait())
                        } else {
                            assert!(barrier.wait())
                        }
                        notes.note(voice);
                    });
                }
                settle();
                assert!(event.set());
                assert!(!event.set());
            });
            assert!(event.clear());
        }
        // The last who comes to the barrier need not wait.
        assert_eq!(notes.take().concat(), "0123440123".repeat(2));
    });
}

#[test]
fn plain_threads_have_it_in_the_order_of_coming() {
    in_time(|| {
        let (mutex, notes) = (Mutex::new(()), StdMutex::new(String::new()));
        let first = mutex.lock();
        thread::scope(|s| {
            for voice in 0..4 {
                let (mutex, notes) = (&mutex, &notes);
                s.spawn(move || {
                    let _guard = mutex.lock();
                    notes.lock().unwrap().push_str(&voice.to_string());
                });
                until(|| mutex.stats().waiting == voice + 1);
            }
            drop(first);
        });
        assert_eq!(notes.into_inner().unwrap(), "0123");
        assert_eq!(mutex.stats().peak, 4);
    });
}

#[test]
fn a_thread_that_was_notified_waits_for_the_lock_behind_those_who_came_before() {
    in_time(|| {
        let (mutex, condvar, notes) = (Mutex::new(()), Condvar::new(), StdMutex::new(Vec::new()));
        thread::scope(|s| {
            s.spawn(|| {
                let _guard = condvar.wait(mutex.lock());
                notes.lock().unwrap().push("notified");
            });
            until(|| condvar.stats().waiting == 1);
            let first = mutex.lock();
            s.spawn(|| {
                let _guard = mutex.lock();
                notes.lock().unwrap().push("came before");
            });
            until(|| mutex.stats().waiting == 1);
            assert!(condvar.notify_one());
            until(|| mutex.stats().waiting == 2);
            drop(first);
        });
        assert_eq!(notes.into_inner().unwrap(), ["came before", "notified"]);
    });
}

// What is handed over is nobody else's.

#[test]
fn a_lock_that_was_handed_over_cannot_be_stolen() {
    let (mutex, notes) = (Mutex::new(()), Notes::default());
    on_a_loop(|| {
        segno::scope(|s| {
            let first = mutex.lock();
            s.spawn(|| {
                let _guard = mutex.lock();
                notes.note("the next");
                segno::yield_now();
                segno::yield_now();
            });
            settle();
            drop(first);
            // The next one has it, although it has not gone on yet.
            assert!(notes.take().is_empty());
            assert!(mutex.try_lock().unwrap_err().holder().unwrap().task().is_some());
            assert!(mutex.is_locked());
            let _again = mutex.lock();
            notes.note("the first again");
        });
    });
    assert_eq!(notes.take(), ["the next", "the first again"]);
}

#[test]
fn a_read_or_write_that_was_handed_over_cannot_be_stolen() {
    let lock = RwLock::new(0);
    on_a_loop(|| {
        segno::scope(|s| {
            let first = lock.read();
            s.spawn(|| *lock.write() += 1);
            settle();
            // Somebody waits: also who could share goes behind.
            assert!(lock.try_read().is_err());
            drop(first);
            assert!(lock.try_read().is_err());
            assert!(lock.try_write().is_err());
            assert_eq!(*lock.read(), 1);
        });
    });
}

#[test]
fn permits_that_were_handed_over_cannot_be_stolen() {
    let semaphore = Semaphore::new(0);
    on_a_loop(|| {
        segno::scope(|s| {
            let next = s.spawn(|| semaphore.acquire().forget());
            settle();
            semaphore.add_permits(1);
            assert!(semaphore.try_acquire().is_err());
            assert_eq!(semaphore.available(), 0);
            next.join().unwrap();
        });
    });
}

// Mutex.

#[test]
fn a_guard_may_be_dropped_on_another_thread() {
    in_time(|| {
        let mutex: &'static Mutex<u32> = kept(Mutex::new(0));
        segno::run(|| {
            let guard = mutex.lock();
            let next = segno::spawn(|| *mutex.lock() += 1);
            settle();
            assert_eq!(mutex.stats().waiting, 1);
            thread::spawn(move || {
                let mut guard = guard;
                *guard += 10;
            });
            next.join().unwrap();
        });
        assert_eq!(*mutex.lock(), 11);
    });
}

#[test]
fn a_guard_that_outlives_its_task_keeps_the_lock() {
    let mutex: &'static Mutex<u32> = kept(Mutex::new(0));
    on_a_loop(|| {
        let task = segno::spawn(|| {
            let guard = mutex.lock();
            (segno::current().id(), guard)
        });
        let (id, guard) = task.join().unwrap();
        assert_eq!(mutex.try_lock().unwrap_err().holder().unwrap().task(), Some(id));
        let next = segno::spawn(|| *mutex.lock() += 1);
        settle();
        assert!(!next.is_finished());
        drop(guard);
        next.join().unwrap();
        assert_eq!(*mutex.lock(), 1);
    });
}

#[test]
fn a_guard_that_was_forgotten_keeps_the_lock_and_the_deadlock_says_who_took_it() {
    let mutex: &'static Mutex<u32> = kept(Mutex::new(0));
    let mut events = virtually();
    let task = events.spawn(|| mem::forget(mutex.lock()));
    let Err(RunError::Deadlock(report)) = events.run(|| drop(mutex.lock())) else {
        panic!("nobody unlocks it")
    };
    assert!(task.is_finished());
    let report = report.to_string();
    assert!(report.contains("lock") && report.contains("locks.rs"), "{report}");
    assert_eq!(mutex.stats().waiting, 0);
    assert!(mutex.try_lock().is_err());
}

#[test]
fn a_lock_that_the_loops_own_thread_has_is_a_deadlock() {
    in_time(|| {
        let mutex: &'static Mutex<u32> = kept(Mutex::new(0));
        let guard = mutex.lock();
        let Err(RunError::Deadlock(report)) = virtually().run(|| drop(mutex.lock())) else {
            panic!("nobody unlocks it")
        };
        assert!(report.to_string().contains("locks.rs"), "{report}");
        drop(guard);
        assert_eq!(mutex.stats().waiting, 0);
    });
}

#[test]
fn a_panic_under_the_lock_poisons_nothing() {
    let mutex: &'static Mutex<u32> = kept(Mutex::new(0));
    on_a_loop(|| {
        let panics = segno::spawn(|| {
            let mut guard = mutex.lock();
            *guard = 7;
            segno::yield_now();
            std::panic::resume_unwind(Box::new("under the lock"));
        });
        let waits = segno::spawn(|| *mutex.lock());
        assert!(panics.join().is_err());
        assert_eq!(waits.join().unwrap(), 7);
    });
    let lock: &'static RwLock<u32> = kept(RwLock::new(0));
    let panic = || std::panic::resume_unwind(Box::new("under the lock"));
    assert!(
        catch_unwind(AssertUnwindSafe(|| {
            let _guard = lock.write();
            panic()
        }))
        .is_err()
    );
    assert!(
        catch_unwind(AssertUnwindSafe(|| {
            let _guard = lock.read();
            panic()
        }))
        .is_err()
    );
    assert!(!lock.is_locked());
}

#[test]
fn a_lock_says_who_has_it_and_how_many_wait() {
    let mutex = Mutex::new(5);
    assert_eq!(format!("{mutex:?}"), "Mutex { data: 5, waiting: 0 }");
    on_a_loop(|| {
        segno::scope(|s| {
            let guard = mutex.lock();
            s.spawn(|| drop(mutex.lock()));
            s.spawn(|| drop(mutex.lock()));
            settle();
            let text = format!("{mutex:?}");
            let me = segno::current().id();
            assert!(text.starts_with("Mutex { data: <locked>, holder: task "), "{text}");
            assert!(text.contains(&format!("{me}, which took it at tests/locks.rs")), "{text}");
            assert!(text.ends_with("waiting: 2 }"), "{text}");
            let Stats { waiting, peak, holder, .. } = mutex.stats();
            assert_eq!((waiting, peak, holder.unwrap().task()), (2, 2, Some(me)));
            assert_eq!(format!("{guard:?} {guard}"), "5 5");
            drop(guard);
        });
    });
    assert_eq!((mutex.stats().waiting, mutex.stats().peak), (0, 2));
    let guard = mutex.lock();
    assert_eq!(mutex.stats().holder.unwrap().thread(), Some(thread::current().id()));
    drop(guard);
    assert_eq!(mutex.stats().holder, None);
}

#[test]
fn data_can_be_had_without_locking_where_nobody_else_can_have_it() {
    let mut mutex = Mutex::from(vec![1]);
    mutex.get_mut().push(2);
    assert_eq!(mutex.into_inner(), [1, 2]);
    let mut lock = RwLock::<Vec<u8>>::default();
    lock.get_mut().push(2);
    assert_eq!(lock.into_inner(), [2]);
    let unsized_: &Mutex<[u8]> = &Mutex::new([1, 2, 3]);
    unsized_.lock()[1] = 7;
    assert_eq!(*unsized_.lock(), [1, 7, 3]);
}

#[test]
fn a_destructor_that_unwinds_may_lock_what_is_free_or_another_thread_has() {
    in_time(|| {
        let mutex: &'static Mutex<u32> = kept(Mutex::new(0));
        segno::run(|| while_unwinding(|| *mutex.lock() += 1));
        let guard = mutex.lock();
        let unwinding = thread::spawn(|| segno::run(|| while_unwinding(|| *mutex.lock() += 1)));
        until(|| mutex.stats().waiting == 1);
        drop(guard);
        unwinding.join().unwrap();
        assert_eq!(*mutex.lock(), 2);
    });
}

#[test]
fn a_destructor_that_unwinds_and_locks_what_its_own_loop_has_aborts() {
    let output = child("a_destructor_that_unwinds_and_locks_what_its_own_loop_has_aborts", || {
        segno::run(|| {
            let mutex: &'static Mutex<u32> = kept(Mutex::new(0));
            let _guard = mutex.lock();
            while_unwinding(|| drop(mutex.lock()));
        });
    });
    assert_aborted(&output, &["`lock` at tests/locks.rs", "which took it at tests/locks.rs"]);
}

#[test]
fn a_destructor_that_unwinds_and_locks_what_its_own_thread_has_aborts() {
    let output =
        child("a_destructor_that_unwinds_and_locks_what_its_own_thread_has_aborts", || {
            in_time(|| {
                let mutex: &'static Mutex<u32> = kept(Mutex::new(0));
                let _guard = mutex.lock();
                segno::run(|| while_unwinding(|| drop(mutex.lock())));
            });
        });
    assert_aborted(&output, &["`lock` at tests/locks.rs", "which took it at tests/locks.rs"]);
}

#[test]
fn what_drops_on_the_loops_own_stack_may_lock_what_is_free() {
    let mutex: &'static Mutex<u32> = kept(Mutex::new(0));
    let mut events = virtually();
    let captured = OnDrop(|| *mutex.lock() += 1);
    let task = events.spawn(move || drop(captured));
    task.cancel("before its first step");
    events.run_until_idle();
    assert!(task.join().is_err());
    assert_eq!(*mutex.lock(), 1);
}

// RwLock.

#[test]
fn writers_do_not_starve() {
    let (lock, notes, over) = (RwLock::new(()), Notes::default(), Cell::new(false));
    on_a_loop(|| {
        segno::scope(|s| {
            // Two readers take turns, so that there is always one.
            for _ in 0..2 {
                s.spawn(|| {
                    while !over.get() {
                        let _guard = lock.read();
                        segno::yield_now();
                        segno::yield_now();
                    }
                });
                segno::yield_now();
            }
            s.spawn(|| {
                let _guard = lock.write();
                notes.note("written");
                over.set(true);
            });
        });
    });
    assert_eq!(notes.take(), ["written"]);
}

#[test]
fn readers_share_and_writers_do_not() {
    let (lock, notes) = (RwLock::new(()), Notes::default());
    on_a_loop(|| {
        segno::scope(|s| {
            let first = lock.write();
            for (kind, voice) in ["read", "read", "write", "read", "read"].into_iter().zip(1..) {
                let (lock, notes) = (&lock, &notes);
                s.spawn(move || {
                    let enter = || {
                        notes.note(format!("{voice} in"));
                        segno::sleep(SECOND);
                        notes.note(format!("{voice} out"));
                    };
                    if kind == "read" {
                        let _guard = lock.read();
                        enter();
                    } else {
                        let _guard = lock.write();
                        enter();
                    }
                });
            }
            settle();
            drop(first);
        });
    });
    let expected =
        ["1 in", "2 in", "1 out", "2 out", "3 in", "3 out", "4 in", "5 in", "4 out", "5 out"];
    assert_eq!(notes.take(), expected);
}

#[test]
fn a_writer_that_is_cancelled_lets_the_readers_behind_it_in() {
    let lock = RwLock::new(());
    on_a_loop(|| {
        segno::scope(|s| {
            let first = lock.read();
            let writer = s.spawn(|| drop(lock.write()));
            settle();
            let readers = [1, 2].map(|_| s.spawn(|| drop(lock.read())));
            settle();
            assert!(readers.iter().all(|reader| !reader.is_finished()));
            writer.cancel("no longer");
            settle();
            assert!(readers.iter().all(|reader| reader.is_finished()), "they still wait");
            drop(first);
        });
    });
    assert!(!lock.is_locked());
}

#[test]
fn a_downgrade_lets_readers_in_and_nobody_writes_in_between() {
    let lock = RwLock::new(0);
    on_a_loop(|| {
        segno::scope(|s| {
            let mut first = lock.write();
            *first = 1;
            let reader = s.spawn(|| *lock.read());
            settle();
            let writer = s.spawn(|| *lock.write() = 2);
            settle();
            let shared = first.downgrade();
            assert_eq!(reader.join().unwrap(), 1);
            settle();
            assert!(!writer.is_finished());
            assert!(lock.try_read().is_err(), "a writer waits");
            assert_eq!(*shared, 1);
            drop(shared);
            writer.join().unwrap();
        });
    });
    assert_eq!(lock.into_inner(), 2);
}

// Semaphore.

#[test]
fn who_wants_many_permits_is_not_passed_by_who_wants_few() {
    let (semaphore, notes) = (Semaphore::new(2), Notes::default());
    on_a_loop(|| {
        segno::scope(|s| {
            let many = s.spawn(|| {
                semaphore.acquire_many(3).forget();
                notes.note("many");
            });
            settle();
            let few = s.spawn(|| {
                semaphore.acquire().forget();
                notes.note("few");
            });
            settle();
            assert!(semaphore.try_acquire().is_err());
            assert_eq!((semaphore.available(), notes.take().len()), (2, 0));
            semaphore.add_permits(2);
            many.join().unwrap();
            few.join().unwrap();
        });
    });
    assert_eq!(notes.take(), ["many", "few"]);
    assert_eq!(semaphore.available(), 0);
}

#[test]
fn who_wants_many_permits_and_is_cancelled_lets_those_behind_it_go_on() {
    let semaphore = Semaphore::new(2);
    on_a_loop(|| {
        segno::scope(|s| {
            let many = s.spawn(|| drop(semaphore.acquire_many(3)));
            settle();
            let few = [1, 2, 3].map(|_| s.spawn(|| semaphore.acquire().forget()));
            settle();
            many.cancel("no longer");
            settle();
            assert_eq!(
                few.map(|few| {
                    let ended = few.is_finished();
                    few.cancel("enough");
                    ended
                }),
                [true, true, false]
            );
        });
    });
    assert_eq!((semaphore.available(), semaphore.stats().waiting), (0, 0));
}

#[test]
fn permits_come_back_and_can_be_kept_for_good() {
    let semaphore = Semaphore::new(3);
    let permit = semaphore.try_acquire_many(2).unwrap();
    assert_eq!((permit.permits(), semaphore.available()), (2, 1));
    drop(permit);
    semaphore.try_acquire_many(2).unwrap().forget();
    assert_eq!(semaphore.available(), 1);
    assert!(semaphore.try_acquire_many(2).is_err());
    drop(semaphore.try_acquire_many(0).unwrap());
    assert!(panic_text(|| semaphore.add_permits(usize::MAX)).contains("more permits"));
    assert_eq!(semaphore.available(), 1);
}

// Condvar.

#[test]
fn notify_all_lets_those_go_on_who_wait_then_and_nobody_else() {
    let (mutex, condvar, notes) = (Mutex::new(()), Condvar::new(), Notes::default());
    on_a_loop(|| {
        segno::scope(|s| {
            assert_eq!(condvar.notify_all(), 0);
            for voice in 0..40 {
                let (mutex, condvar, notes) = (&mutex, &condvar, &notes);
                s.spawn(move || {
                    be_notified(mutex, condvar);
                    notes.note(voice);
                    // Comes again, after the notification.
                    be_notified(mutex, condvar);
                });
            }
            settle();
            assert_eq!(condvar.notify_all(), 40);
            (0..8).for_each(|_| settle());
            assert_eq!(notes.take().len(), 40);
            assert_eq!(condvar.stats().waiting, 40);
            assert_eq!(condvar.notify_all(), 40);
        });
    });
}

#[test]
fn a_condvar_gives_the_lock_back_while_it_waits_and_takes_it_again() {
    let (queue, filled) = (Mutex::new(Vec::new()), Condvar::new());
    on_a_loop(|| {
        segno::scope(|s| {
            let taker = s.spawn(|| {
                let mut queue = filled.wait_while(queue.lock(), |queue| queue.len() < 3);
                mem::take(&mut *queue)
            });
            settle();
            for value in 1..=3 {
                assert!(!queue.is_locked());
                queue.lock().push(value);
                filled.notify_one();
                settle();
            }
            assert_eq!(taker.join().unwrap(), [1, 2, 3]);
        });
    });
}

#[test]
fn a_cancelled_wait_for_a_notification_has_no_lock_and_uses_none_up() {
    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    on_a_loop(|| {
        segno::scope(|s| {
            let (one, other) = (
                s.spawn(|| be_notified(&mutex, &condvar)),
                s.spawn(|| be_notified(&mutex, &condvar)),
            );
            settle();
            one.cancel("no longer");
            settle();
            assert!(!mutex.is_locked());
            assert!(condvar.notify_one());
            other.join().unwrap();
            assert!(!condvar.notify_one());
        });
    });
}

// Barrier.

#[test]
fn each_generation_of_a_barrier_has_one_leader() {
    let (barrier, leaders, passed) = (Barrier::new(4), Cell::new(0), Cell::new(0));
    on_a_loop(|| {
        segno::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for generation in 1..=100 {
                        let leads = barrier.wait();
                        leaders.set(leaders.get() + u32::from(leads));
                        passed.set(passed.get() + 1);
                        assert!(passed.get() > (generation - 1) * 4, "one ran ahead");
                    }
                });
            }
        });
    });
    assert_eq!((leaders.get(), passed.get()), (100, 400));
}

#[test]
fn a_member_that_is_cancelled_does_not_count() {
    let barrier = Barrier::new(3);
    on_a_loop(|| {
        segno::scope(|s| {
            let one = s.spawn(|| barrier.wait());
            let other = s.spawn(|| barrier.wait());
            settle();
            one.cancel("no longer");
            settle();
            let third = s.spawn(|| barrier.wait());
            settle();
            assert!(!other.is_finished() && !third.is_finished());
            assert!(barrier.wait());
            assert!(!other.join().unwrap());
            assert!(!third.join().unwrap());
        });
    });
    assert_eq!((barrier.members(), barrier.stats().waiting), (3, 0));
    assert!(Barrier::new(0).wait() && Barrier::new(1).wait());
}

#[test]
fn threads_and_loops_meet_at_a_barrier() {
    in_time(|| {
        let (barrier, leaders) = (Barrier::new(4), AtomicUsize::new(0));
        let rounds = part_of(20_000);
        let meet = || {
            for _ in 0..rounds {
                leaders.fetch_add(usize::from(barrier.wait()), Ordering::Relaxed);
            }
        };
        thread::scope(|s| {
            s.spawn(meet);
            s.spawn(|| segno::run(meet));
            s.spawn(|| segno::run(|| drop(segno::join_all([meet, meet]))));
        });
        assert_eq!(leaders.into_inner() as u64, rounds);
    });
}

// Once.

#[test]
fn making_that_fails_is_left_to_the_next() {
    let (once, notes) = (Once::new(), Notes::default());
    on_a_loop(|| {
        segno::scope(|s| {
            let cancelled = s.spawn(|| {
                once.get_or_init(|| {
                    notes.note("the first is cancelled");
                    segno::sleep(SECOND);
                    0
                });
            });
            settle();
            let fails = s.spawn(|| {
                once.get_or_try_init(|| {
                    notes.note("the second fails");
                    Err("no")
                })
                .copied()
            });
            let panics = s.spawn(|| {
                let made = catch_unwind(AssertUnwindSafe(|| {
                    once.get_or_init(|| {
                        notes.note("the third panics");
                        std::panic::resume_unwind(Box::new(0))
                    });
                }));
                assert!(made.is_err());
            });
            let makes = s.spawn(|| {
                *once.get_or_init(|| {
                    notes.note("the fourth makes it");
                    7
                })
            });
            let looks = s.spawn(|| *once.get_or_init(|| unreachable!("it is made")));
            settle();
            assert_eq!(once.get(), None);
            assert_eq!(once.set(8), Err(8));
            cancelled.cancel("no longer");
            assert_eq!(fails.join().unwrap(), Err("no"));
            panics.join().unwrap();
            assert_eq!((makes.join().unwrap(), looks.join().unwrap()), (7, 7));
        });
    });
    assert_eq!(once.set(8), Err(8));
    assert_eq!(once.into_inner(), Some(7));
    assert_eq!(
        notes.take(),
        ["the first is cancelled", "the second fails", "the third panics", "the fourth makes it"]
    );
}

#[test]
fn a_value_whose_making_asks_for_it_panics() {
    let once = Once::new();
    let text = panic_text(|| *once.get_or_init(|| *once.get_or_init(|| 7) + 1));
    assert!(text.contains("it would wait for itself") && text.contains("locks.rs"), "{text}");
    on_a_loop(|| assert_eq!(*once.get_or_init(|| 7), 7));
    let other = Once::new();
    on_a_loop(|| {
        let text = panic_text(|| *other.get_or_init(|| *other.get_or_init(|| 7) + 1));
        assert!(text.contains("being made here, by task"), "{text}");
        assert_eq!(other.set(1), Ok(()));
    });
}

// A completion and a cancellation at the same instant, from two threads.

/// Lets two tasks wait, and cancels the first while another thread completes what it waits for, again and again.
/// `complete` is for one of the two; what the first one was cancelled out of is the second one's. If the first one
/// had it, `again` is called for the second one.
fn completed_and_cancelled(
    prepare: impl Fn(),
    wait: impl Fn(),
    complete: impl Fn() + Sync,
    again: impl Fn(),
    waiting: impl Fn() -> usize,
) {
    in_time(|| {
        let (turn, over) = (AtomicU64::new(0), AtomicBool::new(false));
        let (mut dice, rounds) = (Dice(5), part_of(100_000));
        let (had, lost) = (Cell::new(0), Cell::new(0));
        thread::scope(|threads| {
            threads.spawn(|| {
                let mut last = 0;
                while !over.load(Ordering::Acquire) {
                    match turn.load(Ordering::Acquire) {
                        now if now == last => thread::yield_now(),
                        now => {
                            last = now;
                            complete();
                        }
                    }
                }
            });
            segno::run(|| {
                for round in 1..=rounds {
                    prepare();
                    segno::scope(|s| {
                        let first = s.spawn(&wait);
                        segno::yield_now();
                        let second = s.spawn(&wait);
                        segno::yield_now();
                        turn.store(round, Ordering::Release);
                        dice.dally(3000);
                        first.cancel("at some time");
                        if first.join().is_ok() {
                            had.set(had.get() + 1);
                            again();
                        } else {
                            lost.set(lost.get() + 1);
                        }
                        second.join().unwrap();
                    });
                    assert_eq!(waiting(), 0);
                }
            });
            over.store(true, Ordering::Release);
        });
        assert_eq!(had.get() + lost.get(), rounds);
    });
}

#[test]
fn a_notification_that_comes_with_a_cancellation_goes_to_the_next() {
    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    let notify = || while !condvar.notify_one() {};
    let (wait, waiting) = (|| be_notified(&mutex, &condvar), || condvar.stats().waiting);
    completed_and_cancelled(|| (), wait, notify, notify, waiting);
    assert!(!mutex.is_locked());
}

#[test]
fn permits_that_come_with_a_cancellation_go_to_the_next() {
    let semaphore = Semaphore::new(0);
    let add = || semaphore.add_permits(2);
    let (wait, waiting) = (|| semaphore.acquire_many(2).forget(), || semaphore.stats().waiting);
    completed_and_cancelled(|| (), wait, add, add, waiting);
    assert_eq!(semaphore.available(), 0);
}

#[test]
fn a_lock_that_comes_with_a_cancellation_goes_to_the_next() {
    let lock = RwLock::new(0);
    let held = StdMutex::new(None);
    let take = || *held.lock().unwrap() = Some(lock.write());
    let give_back = || drop(held.lock().unwrap().take());
    let (wait, waiting) = (|| *lock.write() += 1, || lock.stats().waiting);
    completed_and_cancelled(take, wait, give_back, || (), waiting);
    assert!(!lock.is_locked());
}

#[test]
fn a_member_that_is_cancelled_meets_nobody() {
    in_time(|| {
        let (barrier, rounds) = (Barrier::new(2), part_of(400_000));
        // How often the thread has come, and how often it has gone on.
        let (turn, met) = (AtomicU64::new(0), AtomicU64::new(0));
        let (mut dice, mut wrongly) = (Dice(6), 0);
        thread::scope(|threads| {
            threads.spawn(|| {
                for round in 1..=rounds {
                    until(|| turn.load(Ordering::Acquire) == round);
                    barrier.wait();
                    met.store(round, Ordering::Release);
                }
            });
            segno::run(|| {
                for round in 1..=rounds {
                    segno::scope(|s| {
                        let member = s.spawn(|| barrier.wait());
                        segno::yield_now();
                        turn.store(round, Ordering::Release);
                        for _ in 0..dice.below(1000) {
                            std::hint::spin_loop();
                        }
                        member.cancel("at some time");
                        if member.join().is_err() {
                            let gone = || met.load(Ordering::Acquire) == round;
                            until(|| gone() || barrier.stats().waiting == 1);
                            if gone() {
                                wrongly += 1;
                            } else {
                                barrier.wait();
                            }
                        }
                        until(|| met.load(Ordering::Acquire) == round);
                    });
                }
            });
        });
        assert_eq!(wrongly, 0, "it met one that had left");
    });
}

// The lock in every object, which is one loop's until somebody else comes.

#[test]
fn a_loop_loses_its_privilege_at_any_moment_and_nothing_is_lost() {
    in_time(|| {
        let objects: Vec<_> = (0..part_of(1_000_000)).map(|_| Semaphore::new(0)).collect();
        let (at, added) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let follow = || {
            let mut mine = 0;
            while let Some(object) = objects.get(at.load(Ordering::Acquire)) {
                object.add_permits(1);
                mine += 1;
            }
            added.fetch_add(mine, Ordering::Relaxed);
        };
        thread::scope(|s| {
            s.spawn(|| segno::run(follow));
            s.spawn(|| segno::run(follow));
            let mut dice = Dice(11);
            for (number, object) in objects.iter().enumerate() {
                for _ in 0..dice.below(200) {
                    std::hint::spin_loop();
                }
                (0..3).for_each(|_| object.add_permits(1));
                added.fetch_add(3, Ordering::Relaxed);
                at.store(number + 1, Ordering::Release);
            }
        });
        let there: usize = objects.iter().map(Semaphore::available).sum();
        assert_eq!(there, added.into_inner());
    });
}

#[test]
fn many_loops_and_threads_have_one_lock_in_turns() {
    in_time(|| {
        let (mutex, times) = (Mutex::new((0, 0)), part_of(20_000));
        let work = || {
            for _ in 0..times {
                let mut both = mutex.lock();
                assert_eq!(both.0, both.1);
                both.0 += 1;
                if segno::is_in_task() && both.0 % 16 == 0 {
                    segno::yield_now();
                }
                both.1 += 1;
            }
        };
        thread::scope(|s| {
            s.spawn(work);
            s.spawn(work);
            for _ in 0..2 {
                s.spawn(|| segno::run(|| drop(segno::join_all([work, work]))));
            }
        });
        assert_eq!(mutex.lock().0, 6 * times);
        assert_eq!(mutex.stats().waiting, 0);
    });
}
