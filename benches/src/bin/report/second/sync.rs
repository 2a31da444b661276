//! The rows of channels and locks between two tasks of one event loop: tokio's on the current
//! thread, bare corosensei with a queue and without a loop, and Segno.

use super::Row;
use corosensei::{Coroutine as Bare, Yielder};
use segno::EventLoop;
use segno::sync::{Mutex, channel};
use segno_benches::copies;
use segno_benches::copies::shift;
use segno_benches::rivals::{on_tokio, tokio};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Values that the channel of the stream has room for.
const ROOM: usize = 128;

pub(crate) const ROWS: &[Row] = &[
    Row {
        question: "channel",
        case: "ping-pong, round trip",
        step: 1,
        who: &["tokio mpsc", "corosensei, two resumes", "bounded(1)"],
        loops: || vec![copies!(tokio_ping), copies!(bare_ping), copies!(segno_ping)],
    },
    Row {
        question: "channel",
        case: "stream of bounded(128)",
        step: ROOM as u64,
        who: &["tokio mpsc", "corosensei and a VecDeque", "bounded(128)"],
        loops: || vec![copies!(tokio_stream), copies!(bare_stream), copies!(segno_stream)],
    },
    Row {
        question: "lock",
        case: "mutex: lock and unlock",
        step: 1,
        who: &["tokio Mutex", "std Mutex", "Mutex"],
        loops: || vec![copies!(tokio_lock), copies!(std_lock), copies!(segno_lock)],
    },
];

// A value goes to the other task, and one comes back.

fn tokio_ping<const PLACE: usize>() -> impl FnMut(u64) {
    let runtime = tokio();
    move |times| {
        let ((there, mut arrived), (back, mut returned)) = (mpsc::channel(1), mpsc::channel(1));
        runtime.spawn(async move {
            shift::<PLACE>();
            while let Some(value) = arrived.recv().await {
                back.send(black_box(value) + 1).await.expect("it is waited for");
            }
        });
        on_tokio(&runtime, async move {
            shift::<PLACE>();
            for value in 0..times {
                there.send(black_box(value)).await.expect("it is received");
                assert_eq!(returned.recv().await, Some(value + 1));
            }
        });
    }
}

fn bare_ping<const PLACE: usize>() -> impl FnMut(u64) {
    let cells = Rc::new([const { Cell::new(None::<u64>) }; 2]);
    let [theirs, mine] = [cells.clone(), cells];
    let mut other = Bare::new(move |yielder: &Yielder<(), ()>, ()| {
        shift::<PLACE>();
        loop {
            let value = theirs[0].take().expect("sent");
            theirs[1].set(Some(black_box(value) + 1));
            yielder.suspend(());
        }
    });
    let mut one = Bare::new(move |yielder: &Yielder<(), ()>, ()| {
        shift::<PLACE>();
        for value in 0.. {
            mine[0].set(Some(black_box(value)));
            yielder.suspend(());
            assert_eq!(mine[1].take(), Some(value + 1));
        }
    });
    move |times| {
        shift::<PLACE>();
        for _ in 0..times {
            one.resume(());
            let _: corosensei::CoroutineResult<(), ()> = other.resume(());
        }
    }
}

fn segno_ping<const PLACE: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            shift::<PLACE>();
            let ((there, arrived), (back, returned)) = (channel::bounded(1), channel::bounded(1));
            drop(segno::spawn(move || {
                shift::<PLACE>();
                while let Ok(value) = arrived.recv() {
                    back.send(black_box(value) + 1).expect("it is waited for");
                }
            }));
            for value in 0..times {
                there.send(black_box(value)).expect("it is received");
                assert_eq!(returned.recv(), Ok(value + 1));
            }
        };
        event_loop.run(main).expect("it is not stopped");
    }
}

// Values that follow each other, in one direction.

/// All of them together.
fn sum_below(times: u64) -> u64 {
    times * (times - 1) / 2
}

fn tokio_stream<const PLACE: usize>() -> impl FnMut(u64) {
    let runtime = tokio();
    move |times| {
        let (sender, mut receiver) = mpsc::channel(ROOM);
        runtime.spawn(async move {
            shift::<PLACE>();
            for value in 0..times {
                sender.send(black_box(value)).await.expect("it is received");
            }
        });
        let sum = on_tokio(&runtime, async move {
            shift::<PLACE>();
            let mut sum = 0;
            while let Some(value) = receiver.recv().await {
                sum += black_box(value);
            }
            sum
        });
        assert_eq!(sum, sum_below(times));
    }
}

fn bare_stream<const PLACE: usize>() -> impl FnMut(u64) {
    let queue = Rc::new(RefCell::new(VecDeque::with_capacity(ROOM)));
    let theirs = queue.clone();
    let mut sender = Bare::new(move |yielder: &Yielder<(), ()>, ()| {
        shift::<PLACE>();
        for value in 0_u64.. {
            while theirs.borrow().len() == ROOM {
                yielder.suspend(());
            }
            theirs.borrow_mut().push_back(black_box(value));
        }
    });
    let mut receiver = Bare::new(move |yielder: &Yielder<(), ()>, ()| {
        shift::<PLACE>();
        for wanted in 0.. {
            let value = loop {
                // The borrow ends with the statement.
                let value = queue.borrow_mut().pop_front();
                match value {
                    Some(value) => break value,
                    None => yielder.suspend(()),
                };
            };
            assert_eq!(black_box(value), wanted);
        }
    });
    move |times| {
        shift::<PLACE>();
        for _ in 0..times / ROOM as u64 {
            sender.resume(());
            receiver.resume(());
        }
    }
}

fn segno_stream<const PLACE: usize>() -> impl FnMut(u64) {
    let mut event_loop = EventLoop::new();
    move |times| {
        let main = || {
            shift::<PLACE>();
            let (sender, receiver) = channel::bounded(ROOM);
            drop(segno::spawn(move || {
                shift::<PLACE>();
                for value in 0..times {
                    sender.send(black_box(value)).expect("it is received");
                }
            }));
            let mut sum = 0;
            while let Ok(value) = receiver.recv() {
                sum += black_box(value);
            }
            sum
        };
        let sum = event_loop.run(main).expect("it is not stopped");
        assert_eq!(sum, sum_below(times));
    }
}

// A lock that nobody else wants, taken and released.

fn tokio_lock<const PLACE: usize>() -> impl FnMut(u64) {
    let (runtime, lock) = (tokio(), Arc::new(tokio::sync::Mutex::new(0_u64)));
    move |times| {
        let lock = lock.clone();
        on_tokio(&runtime, async move {
            shift::<PLACE>();
            for _ in 0..times {
                *black_box(&lock).lock().await += 1;
            }
        });
    }
}

fn std_lock<const PLACE: usize>() -> impl FnMut(u64) {
    let lock = std::sync::Mutex::new(0_u64);
    move |times| {
        shift::<PLACE>();
        for _ in 0..times {
            *black_box(&lock).lock().expect("nobody panics") += 1;
        }
    }
}

fn segno_lock<const PLACE: usize>() -> impl FnMut(u64) {
    let (mut event_loop, lock) = (EventLoop::new(), Mutex::new(0_u64));
    move |times| {
        let main = || {
            shift::<PLACE>();
            for _ in 0..times {
                *black_box(&lock).lock() += 1;
            }
        };
        event_loop.run(main).expect("it is not stopped");
    }
}
