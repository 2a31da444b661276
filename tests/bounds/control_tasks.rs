//~ ok
//! Tasks capture and return what stays on their thread; what is waited for borrows.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use segno::{CancelHandle, EventLoop, Scope, TryScope};

segno::task_local! {
    static SHARED: Rc<Cell<u32>> = Rc::default();
    static LOG: RefCell<Vec<String>> = RefCell::default();
}

fn spawn_twice<'scope>(s: &'scope Scope<'scope, '_>, word: &'scope str) -> usize {
    let (a, b) = (s.spawn(|| word.len()), s.task("named").spawn(|| word.len()));
    a.join().unwrap() + b.join().unwrap()
}

fn first_error<'scope, 'e: 'scope>(s: TryScope<'scope, '_, &'e str>, word: &'e str) {
    s.spawn(move || if word.is_empty() { Err("empty") } else { Err::<(), _>(word) });
}

fn main() {
    let outside = "outside".to_owned();
    let mut counted = 0;
    let length = segno::run(|| {
        counted += 1;
        let shared = Rc::new(1);
        let task = segno::spawn(move || shared);
        let named = segno::task("named").spawn(|| Rc::new(2));
        SHARED.with(|shared| shared.set(*task.join().unwrap() + *named.join().unwrap()));
        LOG.with_borrow_mut(|log| log.push("done".to_owned()));
        outside.len()
    });

    let mut events = EventLoop::new();
    let _ = events.run(|| counted += length);
    let task = events.spawn(|| Rc::new(3));
    let builder = events.task("named");
    drop(builder.spawn(|| Rc::new(4)));
    let result = events.run(move || task.join().unwrap());
    let borrowed: Result<&str, _> = events.run(|| outside.as_str());
    drop((result, borrowed));

    segno::run(|| {
        let local = "local".to_owned();
        let mut parts = [1, 2, 3];
        let (left, right) = parts.split_at_mut(1);
        let total = segno::scope(|s| {
            // Children change different things, return what outlives the scope, and spawn in it.
            s.spawn(|| left[0] += 1);
            s.spawn(|| right[0] += 1);
            let word: &str = s.spawn(|| local.as_str()).join().unwrap();
            let nested = s.spawn(|| spawn_twice(s, &local));
            segno::scope(|inner| {
                // Each scope's children use the other's.
                inner.spawn(|| s.spawn(|| local.len()).join().is_ok());
                s.spawn(|| local.len());
                inner.spawn(|| inner.children() + s.children());
            });
            word.len() + nested.join().unwrap()
        });
        parts[0] += total as i32;

        let parsed: Result<usize, Box<dyn std::error::Error>> = segno::try_scope(|s| {
            let child = s.spawn(|| Ok(local.parse::<usize>()?));
            Ok(child.join()?)
        });
        let word = "static".to_owned();
        let kept: Result<(), &str> = segno::try_scope(|s| {
            first_error(s, &word);
            let again = s;
            s.spawn(move || Ok(drop(again.spawn(|| Ok(())))));
            Ok(())
        });
        drop((parsed.is_ok(), kept.is_ok()));

        let mut far: Option<CancelHandle> = None;
        let borrowed = segno::cancel_scope(|part| {
            far = Some(part.handle());
            local.as_str()
        });
        std::thread::spawn(move || far.unwrap().cancel("late"));
        let timed: Result<&str, _> = segno::timeout(Duration::MAX, || local.as_str());
        let shielded: &str = segno::shield(|| local.as_str());
        let both = segno::join_all([local.as_str(), shielded].map(|word| || word.len()));
        let first: &str = segno::race([&local, &word].map(|word| || word.as_str()));
        drop((borrowed.is_ok(), timed.is_ok(), both, first.len()));

        let (waker, guard, events) = (segno::waker(), segno::external(), segno::handle());
        std::thread::spawn(move || {
            waker.wake();
            let task = events.spawn(|| Rc::new(5).as_ref() + 1);
            drop((guard, task));
        });
    });
}
