//~ ok
//! Channels and locks go between threads, borrow, and hold what need not be `Send` where it stays on one.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;

use segno::sync::channel::{self, Receiver, Sender};
use segno::sync::{Barrier, Condvar, Event, Mutex, MutexGuard, Once, RwLock, Semaphore};

static SCORE: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static TEMPO: RwLock<u8> = RwLock::new(60);
static NAME: Once<String> = Once::new();
static BEGUN: Event = Event::new();
static SEATS: Semaphore = Semaphore::new(2);
static CHANGED: Condvar = Condvar::new();
static TUTTI: Barrier = Barrier::new(1);

fn send<T: Send>(_: T) {}

/// A guard may go to another thread, and its data is dropped with the lock.
fn hand_over<'a>(guard: MutexGuard<'a, Vec<u8>>) -> MutexGuard<'a, Vec<u8>> {
    thread::scope(|s| s.spawn(move || guard).join().unwrap())
}

fn pass<'a>(sender: &Sender<&'a str>, receiver: &Receiver<&'a str>, word: &'a str) -> &'a str {
    sender.send(word).unwrap();
    receiver.recv().unwrap()
}

fn main() {
    send(channel::bounded::<u8>(1));
    send(channel::watch(1_u8));
    BEGUN.set();
    drop((SEATS.acquire(), TEMPO.read(), NAME.get_or_init(String::new)));
    CHANGED.notify_all();
    TUTTI.wait();
    drop(hand_over(SCORE.lock()));
    let word = "borrowed".to_owned();
    let (sender, receiver) = channel::bounded(1);
    assert_eq!(pass(&sender, &receiver, &word), word);
    segno::run(|| {
        let (sender, receiver) = channel::unbounded();
        sender.send(Rc::new(Cell::new(1))).unwrap();
        let mutex = Mutex::new(Rc::new(1));
        segno::scope(|s| {
            s.spawn(|| receiver.recv());
            s.spawn(|| drop(mutex.lock()));
        });
        let unsized_data: &Mutex<[u8]> = &Mutex::new([1, 2, 3]);
        assert_eq!(unsized_data.lock().len(), 3);
        let length = segno::unblock(|| word.len());
        assert_eq!(length, 8);
    });
}
