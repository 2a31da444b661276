//! Every operation of the room `sync` that waits, in every situation, completed by a task of the same loop, by a
//! plain thread, by a task of another loop, and by one of a pool. One line per operation and place; the cases are in
//! `support/family.rs`.

mod support;

#[path = "support/family.rs"]
mod cases;

use std::cell::RefCell;
use std::sync::{Arc, Mutex as StdMutex};
use std::thread;
use std::time::Duration;

use segno::sync::channel::{self, BroadcastError, RecvError, SendError};
use segno::sync::{Barrier, Condvar, Event, Mutex, Once, RwLock, Semaphore};
use segno::{JoinError, Pool, select};

use cases::{Member, Object, SECOND, family, with_bell};

/// Who completes a wait.
#[derive(Clone, Copy)]
enum By {
    /// A task of the same loop.
    Task,
    /// A plain thread.
    Thread,
    /// A task of another loop.
    Loop,
    /// A task of a pool, on either of its threads, or a child of that in its frames.
    Worker,
}
use By::{Loop, Task, Thread, Worker};

/// Completes something in a task of a pool. It has ended when this returns, so that its stacks are not counted.
fn in_a_pool(complete: &(impl Fn() + Send + Sync)) {
    let mill = Pool::builder().threads(2).build().unwrap();
    mill.join(|| (), complete);
}

/// A member whose wait is completed by one of them. A thread's word reaches the loop a little later, so an
/// interruption at the same instant may come first.
fn member<W, C>(by: By, make: impl Fn() -> (W, C) + 'static) -> Member
where
    W: Fn() + 'static,
    C: Fn() + Send + Sync + 'static,
{
    let member = Member::by_hand(move |_| {
        let (wait, complete) = make();
        Object::by_hand(wait, move || match by {
            By::Task => complete(),
            By::Thread => thread::scope(|s| s.spawn(&complete).join().unwrap()),
            By::Loop => thread::scope(|s| s.spawn(|| segno::run(&complete)).join().unwrap()),
            By::Worker => thread::scope(|s| s.spawn(|| in_a_pool(&complete)).join().unwrap()),
        })
    });
    if matches!(by, By::Task) { member } else { member.indirectly() }
}

/// One that ends the process where a panic unwinds, because nobody could complete it.
fn aborting<W, C>(by: By, make: impl Fn() -> (W, C) + 'static) -> Member
where
    W: Fn() + 'static,
    C: Fn() + Send + Sync + 'static,
{
    member(by, make).aborts("has to wait while a panic")
}

/// Lets threads run until it is so.
fn until(it_is_so: impl Fn() -> bool) {
    while !it_is_so() {
        thread::yield_now();
    }
}

fn receive(by: By, channel: fn() -> (channel::Sender<u32>, channel::Receiver<u32>)) -> Member {
    member(by, move || {
        let (sender, receiver) = channel();
        let wait = move || match receiver.recv() {
            Ok(value) => assert_eq!(value, 7),
            Err(error) => assert_eq!(error, RecvError::Cancelled),
        };
        (wait, move || sender.send(7).unwrap())
    })
}

/// Receiving by rendezvous: the value is in the hands of a task that waits.
fn receive_from_waiting(by: By) -> Member {
    member(by, || {
        let (sender, receiver) = channel::rendezvous();
        let wait = move || match receiver.recv() {
            Ok(value) => assert_eq!(value, 7),
            Err(error) => assert_eq!(error, RecvError::Cancelled),
        };
        // Whoever waits gets it at once; if nobody does, the next one, from a thread's hands.
        let complete = move || {
            if sender.try_send(7).is_err() {
                let theirs = sender.clone();
                thread::spawn(move || theirs.send(7));
                until(|| sender.stats().waiting_senders > 0);
            }
        };
        (wait, complete)
    })
}

fn send(by: By, capacity: usize) -> Member {
    member(by, move || {
        let (sender, receiver) = channel::bounded(capacity);
        (0..capacity).for_each(|_| sender.send(0).unwrap());
        let wait = move || match sender.send(7) {
            Ok(()) => {}
            Err(error) => assert_eq!(error, SendError::Cancelled(7)),
        };
        let complete = move || {
            if receiver.try_recv().is_err() {
                let theirs = receiver.clone();
                thread::spawn(move || theirs.recv());
                until(|| receiver.stats().waiting_receivers > 0);
            }
        };
        (wait, complete)
    })
}

fn oneshot(by: By) -> Member {
    member(by, || {
        let (sender, receiver) = channel::oneshot();
        let (sender, receiver) = (StdMutex::new(Some(sender)), RefCell::new(receiver));
        let got = std::cell::Cell::new(false);
        let wait = move || match receiver.borrow_mut().recv() {
            Ok(value) => assert_eq!((value, got.replace(true)), (7, false)),
            Err(RecvError::Closed) => assert!(got.get()),
            Err(error) => assert_eq!(error, RecvError::Cancelled),
        };
        (wait, move || {
            if let Some(sender) = sender.lock().unwrap().take() {
                sender.send(7).unwrap();
            }
        })
    })
}

fn broadcast(by: By) -> Member {
    member(by, || {
        let (sender, receiver) = channel::broadcast(64);
        let receiver = RefCell::new(receiver);
        (
            move || match receiver.borrow_mut().recv() {
                Ok(value) => assert_eq!(value, 7),
                Err(error) => assert_eq!(error, BroadcastError::Cancelled),
            },
            move || {
                assert_eq!(sender.send(7).unwrap(), 1);
            },
        )
    })
}

fn watch(by: By) -> Member {
    member(by, || {
        let (sender, receiver) = channel::watch(0);
        let receiver = RefCell::new(receiver);
        (
            move || match receiver.borrow_mut().changed() {
                Ok(value) => assert_ne!(*value, 0),
                Err(error) => assert_eq!(error, RecvError::Cancelled),
            },
            move || {
                let next = *sender.get() + 1;
                sender.set(next);
            },
        )
    })
}

fn lock(by: By) -> Member {
    aborting(by, || {
        let mutex: &'static Mutex<u32> = Box::leak(Box::new(Mutex::new(0)));
        let first = StdMutex::new(Some(mutex.lock()));
        (move || *mutex.lock() += 1, move || drop(first.lock().unwrap().take()))
    })
}

fn write(by: By) -> Member {
    aborting(by, || {
        let lock: &'static RwLock<u32> = Box::leak(Box::new(RwLock::new(0)));
        let first = StdMutex::new(Some(lock.read()));
        (move || *lock.write() += 1, move || drop(first.lock().unwrap().take()))
    })
}

fn read(by: By) -> Member {
    aborting(by, || {
        let lock: &'static RwLock<u32> = Box::leak(Box::new(RwLock::new(0)));
        let first = StdMutex::new(Some(lock.write()));
        (move || assert_eq!(*lock.read(), 0), move || drop(first.lock().unwrap().take()))
    })
}

fn acquire(by: By) -> Member {
    aborting(by, || {
        let semaphore = Arc::new(Semaphore::new(1));
        let theirs = semaphore.clone();
        (
            move || semaphore.acquire_many(2).forget(),
            move || {
                let lacking = 2_usize.saturating_sub(theirs.available());
                theirs.add_permits(lacking);
            },
        )
    })
}

fn event(by: By) -> Member {
    aborting(by, || {
        let event = Arc::new(Event::new());
        let theirs = event.clone();
        (
            move || event.wait(),
            move || {
                theirs.set();
            },
        )
    })
}

fn condvar(by: By) -> Member {
    aborting(by, || {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let theirs = shared.clone();
        let wait = move || {
            let (count, changed) = &*shared;
            let mut count = changed.wait_while(count.lock(), |count| *count == 0);
            *count -= 1;
        };
        let complete = move || {
            *theirs.0.lock() += 1;
            theirs.1.notify_one();
        };
        (wait, complete)
    })
}

fn barrier(by: By) -> Member {
    aborting(by, || {
        let barrier = Arc::new(Barrier::new(2));
        let theirs = barrier.clone();
        let complete = move || {
            // If nobody is there yet, a thread waits for whoever comes.
            if theirs.stats().waiting == 1 {
                theirs.wait();
            } else {
                let barrier = theirs.clone();
                thread::spawn(move || barrier.wait());
                until(|| theirs.stats().waiting > 0);
            }
        };
        (
            move || {
                barrier.wait();
            },
            complete,
        )
    })
}

fn once(by: By) -> Member {
    let once = aborting(by, || {
        let once: &'static Once<u32> = Box::leak(Box::new(Once::new()));
        let over = Arc::new(Event::new());
        let ends = over.clone();
        // A task makes the value, and takes its time for it.
        drop(segno::task("maker").start_now().spawn(move || {
            once.get_or_init(|| {
                ends.wait();
                7
            });
        }));
        (
            move || assert_eq!(*once.get_or_init(|| 7), 7),
            move || {
                over.set();
            },
        )
    });
    once.indirectly()
}

/// Any of two channels, an event, a task that never ends and a deadline that does not come; the channel has what is
/// waited for.
fn select_receive(by: By) -> Member {
    aborting(by, || {
        let (sender, receiver) = channel::bounded(4);
        let (other, nothing) = channel::bounded::<u32>(4);
        let (full, nobody) = channel::bounded(0);
        let (never, keeps) = (Event::new(), (other, nobody));
        let wait = move || {
            let _keeps = &keeps;
            select! {
                recv(receiver) -> value => assert_eq!(value, Ok(7)),
                recv(nothing) -> value => panic!("{value:?} out of nothing"),
                send(full, 1_u32) => panic!("nobody receives"),
                wait(never) => panic!("never"),
                after(SECOND * 100_000) => panic!("late"),
            }
        };
        (wait, move || sender.send(7).unwrap())
    })
}

fn select_event(by: By) -> Member {
    aborting(by, || {
        let event = Arc::new(Event::new());
        let theirs = event.clone();
        let wait = move || {
            select! {
                wait(event) => {}
                after(Duration::MAX) => panic!("late"),
            }
        };
        let complete = move || {
            theirs.set();
        };
        (wait, complete)
    })
}

fn select_send(by: By) -> Member {
    aborting(by, || {
        let (sender, receiver) = channel::bounded(1);
        sender.send(0).unwrap();
        let wait = move || {
            select! {
                send(sender, 7) -> sent => sent.unwrap(),
                after(Duration::MAX) => panic!("late"),
            }
        };
        (wait, move || while receiver.try_recv().is_ok() {})
    })
}

family! {
    select_recv: select_receive(Task);
    select_recv_from_a_thread: select_receive(Thread);
    select_recv_from_another_loop: select_receive(Loop);
    select_wait_for_an_event: select_event(Task);
    select_wait_for_an_event_of_a_thread: select_event(Thread);
    select_send_to_a_full_channel: select_send(Task);
    select_send_to_a_full_channel_of_a_thread: select_send(Thread);
    select_the_end_of_a_task: with_bell(|listen| {
        let mut task = segno::spawn(move || listen());
        select! {
            join(task) -> joined => match joined {
                Err(JoinError::Panicked(panic)) => std::panic::resume_unwind(panic.into_payload()),
                other => drop(other),
            },
            after(Duration::MAX) => panic!("late"),
        }
    }).aborts("has to wait while a panic");
    select_the_end_of_a_child: with_bell(|listen| {
        segno::scope(|s| {
            let mut child = s.spawn(|| listen());
            select! {
                join(child) -> joined => joined.unwrap(),
                after(Duration::MAX) => panic!("late"),
            }
        });
    }).aborts("`scope` at");
    select_a_deadline: Member::by_time(|_| Object::by_itself(|| select! {
        after(SECOND) => {}
        until(segno::now() + SECOND * 2) => panic!("late"),
    })).aborts("has to wait while a panic");
    recv: receive(Task, || channel::bounded(4));
    recv_from_a_thread: receive(Thread, || channel::bounded(4));
    recv_from_another_loop: receive(Loop, || channel::bounded(4));
    recv_from_a_pool: receive(Worker, || channel::bounded(4));
    recv_unbounded: receive(Task, channel::unbounded);
    recv_unbounded_from_a_thread: receive(Thread, channel::unbounded);
    recv_rendezvous: receive_from_waiting(Task);
    recv_rendezvous_from_a_thread: receive_from_waiting(Thread);
    recv_rendezvous_from_another_loop: receive_from_waiting(Loop);
    recv_rendezvous_from_a_pool: receive_from_waiting(Worker);
    send_to_a_full_channel: send(Task, 2);
    send_to_a_full_channel_of_a_thread: send(Thread, 2);
    send_to_a_full_channel_of_another_loop: send(Loop, 2);
    send_to_a_full_channel_of_a_pool: send(Worker, 2);
    send_rendezvous: send(Task, 0);
    send_rendezvous_to_a_thread: send(Thread, 0);
    send_rendezvous_to_another_loop: send(Loop, 0);
    recv_oneshot: oneshot(Task);
    recv_oneshot_from_a_thread: oneshot(Thread);
    recv_oneshot_from_another_loop: oneshot(Loop);
    recv_oneshot_from_a_pool: oneshot(Worker);
    recv_broadcast: broadcast(Task);
    recv_broadcast_from_a_thread: broadcast(Thread);
    recv_broadcast_from_another_loop: broadcast(Loop);
    changed: watch(Task);
    changed_by_a_thread: watch(Thread);
    changed_by_another_loop: watch(Loop);
    mutex: lock(Task);
    mutex_of_a_thread: lock(Thread);
    mutex_of_another_loop: lock(Loop);
    mutex_of_a_pool: lock(Worker);
    rwlock_write: write(Task);
    rwlock_write_after_a_thread: write(Thread);
    rwlock_write_after_another_loop: write(Loop);
    rwlock_read: read(Task);
    rwlock_read_after_a_thread: read(Thread);
    rwlock_read_after_another_loop: read(Loop);
    rwlock_read_after_a_pool: read(Worker);
    semaphore: acquire(Task);
    semaphore_with_a_thread: acquire(Thread);
    semaphore_with_another_loop: acquire(Loop);
    semaphore_with_a_pool: acquire(Worker);
    event_set: event(Task);
    event_set_by_a_thread: event(Thread);
    event_set_by_another_loop: event(Loop);
    event_set_by_a_pool: event(Worker);
    condvar_notified: condvar(Task);
    condvar_notified_by_a_thread: condvar(Thread);
    condvar_notified_by_another_loop: condvar(Loop);
    condvar_notified_by_a_pool: condvar(Worker);
    barrier_met: barrier(Task);
    barrier_met_by_a_thread: barrier(Thread);
    once_made: once(Task);
    once_made_with_a_thread: once(Thread);
    once_made_with_another_loop: once(Loop);
    once_made_with_a_pool: once(Worker);
}
