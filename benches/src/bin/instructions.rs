//! Does one operation a number of times, for callgrind to count the instructions of, or for a profile.
//!
//! `instructions OPERATION TIMES`; `instructions.sh` runs it at two numbers of times, so that
//! starting the program drops out of the difference, and `profile.sh` so often that there is something to see. Nothing in here may be random, nor depend on
//! the time: the counts are compared with a file, to the instruction.

use segno::sync::{Mutex, Semaphore, channel};
use segno::{Clock, Coroutine, EventLoop, Generator, Outlet, Pauser, State};
use std::cell::Cell;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

/// So many are cancelled at most: they are made beforehand.
const MOST: usize = 3000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (operation, times) = match &arguments[..] {
        [operation, times] => (operation.as_str(), times.parse().unwrap_or(0)),
        _ => ("", 0),
    };
    let run = match operation {
        "corosensei-resume" => corosensei_resume,
        "resume" => resume,
        "create" => create,
        "next" => next,
        "cancel" => cancel,
        "yield" => yield_now,
        "spawn" => spawn,
        "scope" => scope,
        "wake" => wake,
        "timeout" => timeout,
        "try-send-recv" => try_send_recv,
        "send-recv" => send_recv,
        "ping-pong" => ping_pong,
        "lock" => lock,
        "semaphore" => semaphore,
        "select" => select,
        _ => {
            eprintln!(
                "OPERATION: corosensei-resume, resume, create, next, cancel, yield, spawn, scope, wake, \
                 timeout, try-send-recv, send-recv, ping-pong, lock, semaphore, select"
            );
            return ExitCode::FAILURE;
        }
    };
    let most = if operation == "cancel" { MOST } else { usize::MAX };
    if !(1..=most).contains(&times) {
        eprintln!("TIMES: 1 to {most}");
        return ExitCode::FAILURE;
    }
    run(times);
    ExitCode::SUCCESS
}

/// A resume of bare corosensei, and the pause that answers it: what `resume` has to be near.
fn corosensei_resume(times: usize) {
    let mut co = corosensei::Coroutine::new(|yielder: &corosensei::Yielder<(), ()>, ()| {
        loop {
            yielder.suspend(());
        }
    });
    for _ in 0..times {
        let result: corosensei::CoroutineResult<(), ()> = co.resume(());
        black_box(result.as_yield());
    }
}

/// A resume, and the pause that answers it.
fn resume(times: usize) {
    let mut co = Coroutine::new(|co: &Pauser<(), ()>, ()| {
        loop {
            co.pause(());
        }
    });
    for _ in 0..times {
        let state: State<(), ()> = co.resume(());
        black_box(matches!(state, State::Paused(())));
    }
}

/// Creating a coroutine on a stack that was used before, running it to its end, dropping it.
fn create(times: usize) {
    for i in 0..times {
        let mut co = Coroutine::new(move |_: &Pauser<(), ()>, ()| black_box(i));
        black_box(matches!(co.resume(()), State::Complete(_)));
    }
}

/// An item of a generator.
fn next(times: usize) {
    let mut numbers = Generator::new(|out: &Outlet<u64>| {
        for i in 0.. {
            out.pause(black_box(i));
        }
    });
    for _ in 0..times {
        black_box(numbers.next());
    }
}

/// Cancelling a paused coroutine, which unwinds one frame with a destructor, and dropping it.
fn cancel(times: usize) {
    struct Destructor;
    impl Drop for Destructor {
        fn drop(&mut self) {
            black_box(());
        }
    }
    // As many for every number of times: creating them is not what is counted.
    let mut paused: Vec<Coroutine<(), (), ()>> = (0..MOST)
        .map(|_| {
            Coroutine::new(|co: &Pauser<(), ()>, ()| {
                let _destructor = Destructor;
                co.pause(());
            })
        })
        .collect();
    for co in &mut paused {
        black_box(co.resume(()));
    }
    let kept = paused.split_off(times);
    for mut co in paused {
        co.cancel();
    }
    // Dropping them would unwind them.
    std::mem::forget(kept);
}

/// Runs a task on a loop. It has no timers, so that the loop never looks at the clock.
fn on_a_loop(main: impl FnOnce()) {
    segno::run(main);
}

/// A yield of one of two tasks.
fn yield_now(times: usize) {
    let yields = move || (0..times / 2).for_each(|_| segno::yield_now());
    on_a_loop(|| {
        let other = segno::spawn(yields);
        yields();
        other.join().expect("it does not panic");
    });
}

/// Spawning a task, and joining it by a handle that may be sent to other threads.
fn spawn(times: usize) {
    on_a_loop(|| {
        for i in 0..times {
            black_box(segno::spawn(move || black_box(i)).join().expect("it does not panic"));
        }
    });
}

/// Spawning a task in a scope, and joining it.
fn scope(times: usize) {
    on_a_loop(|| {
        segno::scope(|scope| {
            for i in 0..times {
                black_box(scope.spawn(move || black_box(i)).join().expect("it does not panic"));
            }
        });
    });
}

/// Waking another task and pausing until it has woken this one in turn: two wakes, two pauses.
fn wake(times: usize) {
    on_a_loop(|| {
        let (turns, me) = (Cell::new(0), segno::waker());
        let place = Cell::new(None);
        segno::scope(|scope| {
            scope.spawn(|| {
                place.set(Some(segno::waker()));
                for turn in 0..times {
                    while turns.get() <= 2 * turn {
                        segno::pause();
                    }
                    turns.set(turns.get() + 1);
                    me.wake_by_ref();
                }
            });
            segno::yield_now();
            let other = place.take().expect("it had its turn");
            for turn in 1..=times {
                turns.set(turns.get() + 1);
                other.wake_by_ref();
                while turns.get() < 2 * turn {
                    segno::pause();
                }
            }
        });
    });
}

/// A timeout that does not fire, set and given up around one yield.
fn timeout(times: usize) {
    // A clock that stands still: what the loop does about timers must not depend on the time.
    let mut event_loop = EventLoop::builder().clock(Clock::virtual_time()).build();
    let main = || {
        for _ in 0..times {
            assert!(black_box(segno::timeout(Duration::from_secs(10), segno::yield_now)).is_ok());
        }
    };
    event_loop.run(main).expect("it is not stopped");
}

/// Sending a value and receiving it, by one task, with the calls that never wait.
fn try_send_recv(times: usize) {
    on_a_loop(|| {
        let (sender, receiver) = channel::bounded(8);
        for i in 0..times {
            sender.try_send(black_box(i)).expect("there is room");
            assert_eq!(receiver.try_recv(), Ok(i));
        }
    });
}

/// The same with the calls that may wait: they do not have to. Once in so many they let the other
/// tasks go first, of which there are none.
fn send_recv(times: usize) {
    on_a_loop(|| {
        let (sender, receiver) = channel::bounded(8);
        for i in 0..times {
            sender.send(black_box(i)).expect("there is room");
            assert_eq!(receiver.recv(), Ok(i));
        }
    });
}

/// Sending a value to another task, and receiving the one that it sends back.
fn ping_pong(times: usize) {
    on_a_loop(|| {
        let ((there, arrived), (back, returned)) = (channel::bounded(1), channel::bounded(1));
        segno::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..times {
                    back.send(arrived.recv().expect("it is sent")).expect("it is received");
                }
            });
            for i in 0..times {
                there.send(black_box(i)).expect("it is received");
                assert_eq!(returned.recv(), Ok(i));
            }
        });
    });
}

/// Taking a lock that nobody else wants, and releasing it.
fn lock(times: usize) {
    on_a_loop(|| {
        let lock = Mutex::new(0);
        for i in 0..times {
            *lock.lock() = black_box(i);
        }
    });
}

/// Taking a permit that is there, and giving it back.
fn semaphore(times: usize) {
    on_a_loop(|| {
        let semaphore = Semaphore::new(1);
        for _ in 0..times {
            drop(black_box(semaphore.acquire()));
        }
    });
}

/// Receiving from two channels, of which one has a value, which was sent just before. They change places in each turn:
/// the locks are taken in the order of their addresses, so that it matters which place has the lower one.
fn select(times: usize) {
    on_a_loop(|| {
        let ((sender, full), (_kept, empty)) = (channel::bounded(1), channel::bounded::<usize>(1));
        for i in 0..times {
            sender.send(black_box(i)).expect("there is room");
            let (one, other) = if i % 2 == 0 { (&full, &empty) } else { (&empty, &full) };
            let value = segno::select! {
                recv(one) -> value => value,
                recv(other) -> value => value,
            };
            assert_eq!(value, Ok(i));
        }
    });
}
