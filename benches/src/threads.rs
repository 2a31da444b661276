//! Threads of benches: two that work together, which processor one stays on, and that there is more than one.

use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Makes this a process that has had more than one thread, as most programs are and as every bench with a rival that has
/// threads is: the system's allocator takes locks from then on, which all pay that allocate. Otherwise a case would cost
/// less before such a rival's first turn than after it.
pub fn no_longer_alone() {
    std::thread::spawn(|| ()).join().expect("it does nothing");
}

/// Runs both at once, on two threads, and says how long the first one took. They begin together when
/// both are `ready`, which is not timed: each gets a function that it calls at that point.
pub fn both(one: impl FnOnce(&dyn Fn()) + Send, other: impl FnOnce(&dyn Fn()) + Send) -> Duration {
    let barrier = Barrier::new(2);
    let ready = || {
        barrier.wait();
    };
    thread::scope(|threads| {
        threads.spawn(|| {
            stay_on(0);
            other(&ready);
        });
        let one = threads.spawn(|| {
            stay_on(1);
            let start = std::cell::Cell::new(None);
            one(&|| {
                ready();
                start.set(Some(Instant::now()));
            });
            start.get().expect("it was ready once").elapsed()
        });
        one.join().expect("it does not panic")
    })
}

/// Keeps this thread, and those that it starts, on one processor, where the system has a way.
pub fn stay_on(processor: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: a set of processors is plain data, and 0, of which no bit is set, is one. Where there is
    // no such processor nothing changes.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &set);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = processor;
}

/// Lets this thread, and those that it starts, run on all processors again, for what needs several. The first
/// sixty-four, where the system has a way to say so.
pub fn go_anywhere() {
    #[cfg(target_os = "linux")]
    // SAFETY: as in `stay_on`. Processors that are not there are left out.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        (0..64).for_each(|processor| libc::CPU_SET(processor, &mut set));
        libc::sched_setaffinity(0, size_of_val(&set), &set);
    }
}

/// The processor that measuring stays on: the last, because the first has the system's work to do.
pub fn last_processor() -> usize {
    // Asked once: of a thread that stays on one processor the system says that there is one.
    static LAST: OnceLock<usize> = OnceLock::new();
    *LAST.get_or_init(|| thread::available_parallelism().map_or(0, |count| count.get() - 1))
}

/// Runs the same on two threads that share one processor.
#[cfg(test)]
pub(crate) fn both_on<T: Send>(processor: usize, run: impl Fn() -> T + Sync) -> [T; 2] {
    let run = || {
        stay_on(processor);
        run()
    };
    thread::scope(|threads| {
        [threads.spawn(run), threads.spawn(run)]
            .map(|thread| thread.join().expect("it does not panic"))
    })
}
