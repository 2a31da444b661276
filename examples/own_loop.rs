//! A scheduler in 60 lines: many tasks, one thread, each gets its turn. The best way into the code.
//!
//! ```text
//! cargo run --example own_loop
//! cargo run --example own_loop -- soup=40 bread=55 salad=10      dishes of your own, in minutes
//! ```
//!
//! A task is a coroutine. When it wants something from the scheduler it pauses, and what it hands
//! out says what it wants: a turn for the others, some sleep, a new task. The scheduler answers by
//! resuming it, sooner or later, with the time of day.
//!
//! ```text
//!   spawn --> ready --> resume --> your code --> pause --> Ask::Turn  --> ready, at the back
//!               ^                                          Ask::Sleep --> asleep, until its time
//!               |                                          Ask::Spawn --> ready, both
//!               +--- nobody is ready: the clock jumps to whoever wakes next
//! ```
//!
//! The code of a task is plain: it calls `sleep` in the middle of a function and the function goes
//! on afterwards. No function here had to be marked, and no state machine had to be written.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::process::ExitCode;
use std::rc::Rc;

use segno::{Coroutine, Pauser, State};

/// What a task asks of the scheduler when it pauses.
pub(crate) enum Ask {
    /// Let the others have a turn.
    Turn,
    /// Not before so many minutes have passed.
    Sleep(u64),
    /// Run this as well.
    Spawn(Task),
}

/// A task: the time goes in with each resume, a request comes out with each pause.
pub(crate) type Task = Coroutine<u64, Ask, ()>;
/// What a task pauses with.
pub(crate) type Me = Pauser<u64, Ask>;
/// Where a task leaves its result.
pub(crate) type Answer<T> = Rc<Cell<Option<T>>>;

/// Runs a task, and all that it spawns, until the last has ended. Returns the time by then.
pub(crate) fn run(first: Task) -> u64 {
    let mut now = 0;
    let mut ready = VecDeque::from([first]);
    // Sorted by time to wake; the count keeps those with the same time apart, and in order.
    let mut asleep: BTreeMap<(u64, u64), Task> = BTreeMap::new();
    let mut count = 0;
    loop {
        while let Some(mut task) = ready.pop_front() {
            // A panic of the task comes out of here. A real event loop would catch it and go on.
            match task.resume(now) {
                State::Paused(Ask::Turn) => ready.push_back(task),
                State::Paused(Ask::Sleep(minutes)) => {
                    count += 1;
                    asleep.insert((now + minutes, count), task);
                }
                State::Paused(Ask::Spawn(child)) => {
                    ready.push_back(child);
                    ready.push_front(task);
                }
                State::Complete(()) => {}
            }
        }
        // Time is virtual: nobody waits for it, it is whatever the next sleeper says.
        let Some(((time, _), task)) = asleep.pop_first() else { return now };
        now = time;
        ready.push_back(task);
    }
}

/// Lets the others have a turn.
pub(crate) fn yield_now(me: &Me) {
    me.pause(Ask::Turn);
}

/// Stops the calling task for so many minutes and returns the time afterwards.
pub(crate) fn sleep(me: &Me, minutes: u64) -> u64 {
    me.pause(Ask::Sleep(minutes))
}

/// Starts another task, from inside a task.
pub(crate) fn spawn<T: 'static>(me: &Me, body: impl FnOnce(&Me, u64) -> T + 'static) -> Answer<T> {
    let answer = Answer::default();
    let here = answer.clone();
    me.pause(Ask::Spawn(Coroutine::new(move |me: &Me, now| here.set(Some(body(me, now))))));
    answer
}

/// Waits for the result of a task by looking for it once a minute.
///
/// A real event loop does not look again and again: the task that ends would know who waits for it,
/// and would put it into the ready queue. Such lists of who waits are the main thing missing here.
pub(crate) fn join<T>(me: &Me, answer: &Answer<T>) -> T {
    loop {
        if let Some(value) = answer.take() {
            return value;
        }
        sleep(me, 1);
    }
}

/// A dish and the minutes that it takes.
type Dish = (String, u64);

/// One line of the story.
fn say(now: u64, who: &str, what: &str) {
    println!("{now:>4} min   {who:<10} {what}");
}

/// The task that a dish is. Only its own local variables know how far it has come.
fn cook(me: &Me, now: u64, (name, minutes): &Dish) -> u64 {
    say(now, name, "on the stove");
    let half = sleep(me, minutes / 2);
    say(half, name, "stirred");
    let done = sleep(me, minutes - minutes / 2);
    say(done, name, "ready");
    *minutes
}

/// The task that everything begins with: it spawns one for each dish and joins them all.
fn dinner(me: &Me, now: u64, dishes: Vec<Dish>) {
    say(now, "cook", "begins");
    let answers: Vec<Answer<u64>> =
        dishes.into_iter().map(|dish| spawn(me, move |me, now| cook(me, now, &dish))).collect();
    // The new tasks are in the ready queue behind this one: so far none has run.
    yield_now(me);
    say(now, "cook", "waits");
    let work: u64 = answers.iter().map(|answer| join(me, answer)).sum();
    println!("\n{work} minutes of cooking, all at the same time, on one thread");
}

/// `soup=40`: a name and minutes.
fn parse(word: &str) -> Result<Dish, String> {
    let wrong = || format!("`{word}` is not a dish: write NAME=MINUTES, as in soup=40");
    let (name, minutes) = word.split_once('=').ok_or_else(wrong)?;
    // 16 bits are 45 days: long enough to cook, short enough for `join` to look every minute.
    let minutes: u16 = minutes.parse().map_err(|_| wrong())?;
    Ok((name.to_owned(), u64::from(minutes)))
}

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    if words.is_empty() {
        words = ["pasta=12", "sauce=25", "salad=7"].map(str::to_owned).to_vec();
    }
    let dishes: Vec<Dish> = match words.iter().map(|word| parse(word)).collect() {
        Ok(dishes) => dishes,
        Err(message) => {
            eprintln!("own_loop: {message}");
            return ExitCode::from(2);
        }
    };
    let end = run(Coroutine::new(|me: &Me, now| dinner(me, now, dishes)));
    println!("dinner after {end} minutes of virtual time");
    ExitCode::SUCCESS
}
