//! An event loop inside somebody else's loop: a window system, a game, another runtime.
//!
//! ```text
//! cargo run --example embed
//! ```
//!
//! The other loop owns the thread and sleeps in its own way, here on a channel of window events. Three
//! calls join the two: `turn` runs the tasks that are ready and never sleeps; `next_deadline` says until
//! when the other loop may sleep; and `on_wake` is told, on any thread, when something came in before
//! that, so that it can post itself an event.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use segno::EventLoop;

/// What comes in through the other loop's own queue.
pub(crate) enum Event {
    /// A key was pressed.
    Key(char),
    /// The tasks have something to do.
    Tasks,
    /// The window was closed.
    Close,
}

/// What the window shows, shared by callbacks and tasks: one thread, no locks.
pub(crate) type Screen = Rc<RefCell<Vec<String>>>;

/// A text that appears letter by letter: plain code that sleeps, although a window system drives it.
fn type_slowly(screen: &Screen, text: &str) {
    screen.borrow_mut().push(String::new());
    let line = screen.borrow().len() - 1;
    for letter in text.chars() {
        segno::sleep(Duration::from_millis(2));
        screen.borrow_mut()[line].push(letter);
    }
}

/// The other loop. Returns what the window showed at the end, and how often the loop went round.
pub(crate) fn window(
    user: impl FnOnce(Sender<Event>, segno::LoopHandle) + Send + 'static,
) -> (Vec<String>, u32) {
    let (queue, incoming) = mpsc::channel();
    let bell = queue.clone();
    let mut events = EventLoop::builder()
        .on_wake(move || {
            // On the thread that wakes. If the window has gone there is nobody to tell.
            let _ = bell.send(Event::Tasks);
        })
        .build();
    let screen = Screen::default();
    let handle = events.handle();
    let user = thread::spawn(move || user(queue, handle));

    let mut rounds = 0;
    loop {
        rounds += 1;
        let more = events.turn();
        let event = match (more, events.next_deadline()) {
            (true, _) => incoming.try_recv().map_err(|_| RecvTimeoutError::Timeout),
            (false, Some(at)) => {
                incoming.recv_timeout(at.saturating_duration_since(Instant::now()))
            }
            (false, None) => incoming.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(Event::Key(key)) => {
                // A callback of the window system: it must not wait, so it spawns a task that may.
                let screen = Rc::clone(&screen);
                let text = format!("you pressed {key}");
                let _ = events.spawn(move || type_slowly(&screen, &text));
            }
            Ok(Event::Tasks) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Event::Close) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // Cancels what is still typing.
    events.shutdown();
    user.join().expect("the user does not panic");
    (screen.take(), rounds)
}

fn main() {
    let (shown, rounds) = window(|queue, handle| {
        for key in ['a', 'b'] {
            queue.send(Event::Key(key)).expect("the window is open");
        }
        // From another thread, into the loop: this is what rings the bell.
        let answer = handle.spawn(|| {
            segno::sleep(Duration::from_millis(60));
            6 * 7
        });
        let answer = answer.expect("the loop is open").join().expect("nobody cancels it");
        assert_eq!(answer, 42);
        queue.send(Event::Key('c')).expect("the window is open");
        queue.send(Event::Close).expect("the window is open");
    });
    println!("{shown:#?} after {rounds} rounds");
    assert_eq!(shown[..2], ["you pressed a", "you pressed b"], "both were typed at the same time");
    assert!(shown.len() <= 3, "the third was cancelled with the window");
    assert!(rounds < 1_000, "between two letters the loop sleeps");
}
