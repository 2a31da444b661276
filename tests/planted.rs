//! A bug on a coroutine's stack that the memory checkers have to see; only built to try them.
//!
//! A checker that does not follow a switch of stacks stays green over anything that happens there.
//! `RUSTFLAGS="--cfg planted_asan"`, `"--cfg planted_valgrind"` or `"--cfg planted_tsan"` builds this.

#![cfg(any(planted_asan, planted_tsan, planted_valgrind))]
#![allow(unsafe_code, reason = "the bug")]

use segno::{Coroutine, Pauser};

#[cfg(not(planted_tsan))]
#[test]
fn reads_what_it_freed_while_another_coroutine_ran() {
    let mut co = Coroutine::new(|co: &Pauser<u8, ()>, first: u8| {
        let kept = Box::new(first);
        let dangling = &raw const *kept;
        co.pause(());
        drop(kept);
        co.pause(());
        // SAFETY: none; that is the point.
        std::hint::black_box(unsafe { dangling.read_volatile() })
    });
    co.resume(1);
    co.resume(2);
    co.resume(3);
}

/// Two tasks of two loops change the same thing, each behind a lock, but not the same lock; both have been paused and
/// resumed since they took it.
#[cfg(planted_tsan)]
#[test]
fn two_loops_change_what_no_common_lock_guards() {
    /// Says that it may be shared.
    struct Shared(std::cell::UnsafeCell<u64>);
    // SAFETY: none; that is the point.
    unsafe impl Sync for Shared {}
    let (count, locks) = (Shared(0.into()), [0, 1].map(segno::sync::Mutex::new));
    let all = &count;
    std::thread::scope(|threads| {
        for lock in &locks {
            threads.spawn(move || {
                segno::run(|| {
                    for _ in 0..100 {
                        let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| co.pause(()));
                        let _guard = lock.lock();
                        segno::yield_now();
                        co.resume(());
                        // SAFETY: as above.
                        unsafe { *all.0.get() += 1 };
                    }
                });
            });
        }
    });
}
