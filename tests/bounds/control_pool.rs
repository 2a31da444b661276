//~ ok
//! Tasks of a pool borrow from frames on other threads, keep to themselves what is not `Send`, and hand their handles on.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread;

use segno::pool::{self, PoolTask, Scope};
use segno::{JoinHandle, Pool};

segno::task_local! {
    sync static SHARED: Arc<String> = Arc::new(String::new());
    static HERE: Rc<u8> = Rc::new(1);
}

fn send<T: Send>(_: &T) {}
fn sync<T: Sync>(_: &T) {}

/// Spawns a child and a child of that.
fn both<'scope>(s: &'scope Scope<'scope, '_>, word: &'scope str) {
    s.spawn(move || s.spawn(move || word.len()).join());
}

fn main() {
    let pool = Pool::builder().threads(2).build().unwrap();
    let words = vec!["dal".to_owned(), "segno".to_owned()];
    let (mut count, cell) = (0, Cell::new(0));
    let longest: Option<&String> = pool.run(|| words.iter().max());
    pool.scope(|s| {
        sync(s);
        s.spawn(|| count += words.len());
        let first = s.spawn(|| &words[0]);
        send(&first);
        sync(&first);
        let second = s.spawn(move || first.join().unwrap().len());
        let kept = Mutex::new(Some(s.spawn(|| 1)));
        s.spawn(move || drop(kept.lock().unwrap().take()));
        // The body stays on its thread.
        cell.set(second.join().unwrap());
        both(s, &words[1]);
        let not_send = s.spawn(|| {
            let local = Rc::new(Cell::new(1));
            s.task("by a child").stack_size(48 * 1024).spawn(|| words.len());
            segno::spawn(move || local.set(2)).join().unwrap();
        });
        thread::scope(|threads| {
            threads.spawn(|| not_send.join().unwrap());
            threads.spawn(|| s.spawn(|| words.len()));
        });
    });
    let (a, b) = pool.join(|| words.len(), || longest.map(|word| word.len()));
    pool.for_each(&words, |word| drop(word.len()));
    pool.run(|| {
        let here = Rc::new(1);
        // The first closure of `pool::join` stays here.
        pool::join(|| *here, || words.len());
        let task: PoolTask<'static> = pool::task("later");
        let handle: JoinHandle<u8> = task.spawn(|| SHARED.with(|_| HERE.with(|here| **here)));
        thread::spawn(move || handle.join().unwrap()).join().unwrap();
    });
    let _ = (a, b, count);
    thread::spawn(move || drop(pool)).join().unwrap();
}
