//! Work for an event loop from another thread, and a clean stop.
//!
//! ```text
//! cargo run --example handle
//! ```
//!
//! Tasks, and all that they share, stay on the loop's thread. A `LoopHandle` is what crosses: it takes
//! closures that run over there as tasks, gives back what they return, and can stop the loop.

use std::cell::Cell;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use segno::{EventLoop, LoopClosed, LoopHandle, RunError};

thread_local! {
    /// Belongs to the loop's thread alone: not `Send`, no lock.
    static VISITORS: Cell<u32> = const { Cell::new(0) };
}

/// What the other thread does; returns how many visitors there were.
fn visit(events: &LoopHandle) -> Result<u32, LoopClosed> {
    for _ in 0..3 {
        // Runs over there, when it is this task's turn; nobody waits for it.
        events.post(|| VISITORS.set(VISITORS.get() + 1))?;
    }
    let count = events.spawn(|| {
        segno::sleep(Duration::from_millis(1)); // a task like any other: it may wait
        VISITORS.get()
    })?;
    // Blocks this thread, which is not the loop's.
    Ok(count.join().expect("the loop goes on until we stop it"))
}

/// Runs a loop and its visitor; returns the count, and whether the loop's own frames were unwound.
pub(crate) fn serve() -> (u32, bool) {
    /// Says that it is dropped.
    struct Cleanup<'a>(&'a Cell<bool>);
    impl Drop for Cleanup<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }

    let cleaned_up = Cell::new(false);
    let mut events = EventLoop::new();
    let (handle, remote) = (events.handle(), events.handle());
    let (sender, receiver) = mpsc::channel();
    let visitor = thread::spawn(move || {
        sender.send(visit(&remote)).expect("the receiver outlives this");
        remote.stop();
    });

    // Serves for ever: sleeps in the operating system until a message comes.
    let result = events.run(|| {
        let _cleanup = Cleanup(&cleaned_up);
        segno::sleep(Duration::MAX);
    });
    assert!(matches!(result, Err(RunError::Stopped)), "{result:?}");
    println!("the loop: {}", result.unwrap_err());

    events.shutdown();
    assert_eq!(handle.post(|| unreachable!()), Err(LoopClosed));
    println!("a late visitor: {LoopClosed}");
    visitor.join().expect("it does not panic");
    let visitors = receiver.recv().expect("it has sent").expect("the loop was open");
    (visitors, cleaned_up.get())
}

fn main() {
    let (visitors, cleaned_up) = serve();
    println!("{visitors} visitors; cleaned up: {cleaned_up}");
    assert_eq!((visitors, cleaned_up), (3, true));
}
