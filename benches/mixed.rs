//! What do 10,000 tasks cost that sleep and send messages to one another?
//!
//! `cargo bench -p segno-benches --bench mixed`
//!
//! Each task does twenty rounds: it sleeps for 1 to 50 ms, sends a word to another task, and waits for
//! the next word that somebody sends to it. How long, and to whom, is the same in each run, and looks
//! like chance. Each gets one word for each that it sends, so nobody waits for ever. A round is what the
//! figures are for:
//!
//! - *processor time*: what the processors spend on it, in all threads and in the kernel.
//! - *wall time*: how long all of it takes, divided by the number of rounds. Mostly that is sleep.
//!
//! Both include making the channels and the tasks, and joining them.
//!
//! Against: the same rounds as states in a table, which one thread and a heap of deadlines run (the
//! floor: no tasks); the time that they would take if nothing but the sleeps took any (the floor of
//! the wall time); tokio's loop of the current thread with its channels; async-executor with
//! async-io's timers and async-channel; may. All channels are without bound.
//!
//! Fair, because the rounds are written alike, and all of them add up what they have received, which
//! is checked. Each run has a process of its own. tokio's timers are true to a millisecond, by its
//! documentation, so that it wakes a thousand times in a second and not more often; so are the floor's.

use async_executor::LocalExecutor;
use segno::sync::channel;
use segno_benches::question::{Question, is_test};
use segno_benches::rivals::{on_tokio, one_worker_of_may, tokio_with_timers};
use segno_benches::row::{Kind, Row};
use segno_benches::{apart, processor};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    one_worker_of_may();
    if let Some((who, count)) = apart::asked() {
        let (.., run) = CONTENDERS.iter().find(|(_, name, _)| *name == who).expect("that name");
        return apart::answer(&measure(*run, Mix::of(count)));
    }
    let mut question = Question::new("mixed");
    if question.wants("10,000 tasks") {
        measure_all(&mut question);
    }
    question.finish();
}

/// Does all rounds, and returns the sum of what was received.
type Run = fn(Mix) -> u64;

const CONTENDERS: &[(Kind, &str, Run)] = &[
    (Kind::Floor, "a table, a heap and a thread", by_hand),
    (Kind::Rival, "tokio", on_tokios),
    (Kind::Rival, "async-executor", on_executor),
    (Kind::Rival, "may", on_may),
    (Kind::Segno, "spawn, sleep, unbounded", on_segno),
];

/// What is done.
#[derive(Clone, Copy)]
struct Mix {
    /// So many tasks.
    tasks: usize,
    /// So many rounds each.
    rounds: usize,
    /// Milliseconds of the longest sleep.
    longest: u64,
}

impl Mix {
    /// For so many tasks. A test has few, and does not wait that long.
    fn of(tasks: usize) -> Mix {
        let (rounds, longest) = if tasks < 1000 { (5, 5) } else { (20, 50) };
        Mix { tasks, rounds, longest }
    }

    /// All rounds of all tasks.
    fn all_rounds(self) -> usize {
        self.tasks * self.rounds
    }

    /// A number that looks like chance.
    fn chance(number: usize) -> u64 {
        // splitmix64
        let mut mixed = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// How long a task sleeps in a round.
    fn sleep(self, task: usize, round: usize) -> Duration {
        Duration::from_millis(Mix::chance(task * self.rounds + round) % self.longest + 1)
    }

    /// To whom it sends then. In each round everybody is sent one word.
    fn partner(self, task: usize, round: usize) -> usize {
        (task + 1 + (Mix::chance(round) % (self.tasks as u64 - 1)) as usize) % self.tasks
    }

    /// What it sends.
    fn word(self, task: usize, round: usize) -> u64 {
        (task * self.rounds + round) as u64
    }

    /// What all words add up to.
    fn sum(self) -> u64 {
        let count = self.all_rounds() as u64;
        count * (count - 1) / 2
    }

    /// How long it takes if nothing but the sleeps takes any time.
    fn ideal(self) -> Duration {
        let mut end = Duration::ZERO;
        let sum = self.drive(|next| {
            end = next.unwrap_or_default();
            end
        });
        assert_eq!(sum, self.sum(), "somebody waits for ever");
        end
    }

    /// The rounds as states in a table. `reach` waits until so long after the start, if it is
    /// given that, and says what time it is.
    fn drive(self, mut reach: impl FnMut(Option<Duration>) -> Duration) -> u64 {
        /// A task.
        #[derive(Clone, Default)]
        struct State {
            /// Which round it is in.
            round: usize,
            /// Words that were sent to it.
            mailbox: Vec<u64>,
            /// Whether it waits for one.
            waits: bool,
        }

        let mut sum = 0;
        let mut states = vec![State::default(); self.tasks];
        let mut heap = BinaryHeap::new();
        for task in 0..self.tasks {
            heap.push(Reverse((reach(None) + self.sleep(task, 0), task)));
        }
        while let Some(Reverse((next, task))) = heap.pop() {
            let now = reach(Some(next));
            let round = states[task].round;
            let partner = self.partner(task, round);
            states[partner].mailbox.push(self.word(task, round));
            states[task].waits = true;
            for task in [task, partner] {
                let state = &mut states[task];
                let word = if state.waits { state.mailbox.pop() } else { None };
                let Some(word) = word else { continue };
                sum += word;
                (state.waits, state.round) = (false, state.round + 1);
                if state.round < self.rounds {
                    heap.push(Reverse((now + self.sleep(task, state.round), task)));
                }
            }
        }
        sum
    }
}

/// What a process has measured.
#[derive(Deserialize, Serialize)]
struct Spent {
    /// Nanoseconds for each round.
    wall: f64,
    /// Nanoseconds of all processors together, for each round.
    processor: f64,
}

fn measure(run: Run, mix: Mix) -> Spent {
    let (start, before) = (Instant::now(), processor::time());
    let sum = run(mix);
    let (wall, processor) = (start.elapsed(), processor::time() - before);
    assert_eq!(sum, mix.sum(), "a word was lost");
    Spent { wall: per_round(mix, wall), processor: per_round(mix, processor) }
}

/// Nanoseconds for each round.
fn per_round(mix: Mix, time: Duration) -> f64 {
    time.as_secs_f64() * 1e9 / mix.all_rounds() as f64
}

fn measure_all(question: &mut Question) {
    let (count, repeats) = if is_test() { (100, 1) } else { (10_000, 3) };
    let mut spent: Vec<Result<Vec<Spent>, String>> =
        CONTENDERS.iter().map(|_| Ok(Vec::new())).collect();
    // In turns, so that a slow moment of the machine falls on all alike.
    for _ in 0..repeats {
        for ((kind, who, _), spent) in CONTENDERS.iter().zip(&mut spent) {
            match (apart::run(who, count), &mut *spent) {
                (Ok(one), Ok(spent)) => spent.push(one),
                (Err(reason), _) if *kind == Kind::Rival => *spent = Err(reason),
                (Err(reason), _) => panic!("{who}: {reason}"),
                (Ok(_), Err(_)) => {}
            }
        }
    }
    let mut rows = |what: &str, figure: fn(&Spent) -> f64| {
        let case = format!("10,000 tasks that sleep and send, {what}");
        if what == "wall time" {
            let mix = Mix::of(count);
            let ideal = Row::empty("mixed", &case, Kind::Floor, "the sleeps alone", "ns");
            question.row(show(ideal.figures(vec![per_round(mix, mix.ideal())]).note("computed")));
        }
        for ((kind, who, _), spent) in CONTENDERS.iter().zip(&spent) {
            let row = Row::empty("mixed", &case, *kind, who, "ns");
            question.row(show(match spent {
                Ok(spent) => row.figures(spent.iter().map(figure).collect()),
                Err(reason) => row.note(reason.as_str()),
            }));
        }
    };
    rows("processor time", |spent| spent.processor);
    rows("wall time", |spent| spent.wall);
}

/// For who watches.
fn show(row: Row) -> Row {
    println!("{row}");
    row
}

fn by_hand(mix: Mix) -> u64 {
    let start = Instant::now();
    mix.drive(|next| {
        let now = start.elapsed();
        let Some(next) = next else { return now };
        if next <= now {
            return now;
        }
        // To the millisecond, as tokio's timers: it is woken less often.
        thread::sleep(Duration::from_millis(next.as_millis() as u64 + 1).saturating_sub(now));
        start.elapsed()
    })
}

fn on_tokios(mix: Mix) -> u64 {
    use tokio::sync::mpsc::unbounded_channel;

    on_tokio(&tokio_with_timers(), async move {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..mix.tasks).map(|_| unbounded_channel()).unzip();
        let senders = Arc::new(senders);
        let spawn = |(task, mut receiver): (usize, tokio::sync::mpsc::UnboundedReceiver<u64>)| {
            let senders = senders.clone();
            tokio::spawn(async move {
                let mut sum = 0;
                for round in 0..mix.rounds {
                    tokio::time::sleep(mix.sleep(task, round)).await;
                    let partner = &senders[mix.partner(task, round)];
                    partner.send(mix.word(task, round)).expect("it is received");
                    sum += receiver.recv().await.expect("all senders are kept");
                }
                sum
            })
        };
        let tasks: Vec<_> = receivers.into_iter().enumerate().map(spawn).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("it does not panic");
        }
        sum
    })
}

fn on_executor(mix: Mix) -> u64 {
    let executor = LocalExecutor::new();
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..mix.tasks).map(|_| async_channel::unbounded()).unzip();
    let senders = Rc::new(senders);
    let spawn = |(task, receiver): (usize, async_channel::Receiver<u64>)| {
        let senders = senders.clone();
        executor.spawn(async move {
            let mut sum = 0;
            for round in 0..mix.rounds {
                async_io::Timer::after(mix.sleep(task, round)).await;
                let partner = &senders[mix.partner(task, round)];
                partner.try_send(mix.word(task, round)).expect("it is received");
                sum += receiver.recv().await.expect("all senders are kept");
            }
            sum
        })
    };
    let tasks: Vec<_> = receivers.into_iter().enumerate().map(spawn).collect();
    async_io::block_on(executor.run(async move {
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        sum
    }))
}

fn on_may(mix: Mix) -> u64 {
    let main = move || {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..mix.tasks).map(|_| may::sync::mpsc::channel()).unzip();
        let senders = Arc::new(senders);
        let spawn = |(task, receiver): (usize, may::sync::mpsc::Receiver<u64>)| {
            let senders = senders.clone();
            may::go!(move || {
                let mut sum = 0;
                for round in 0..mix.rounds {
                    may::coroutine::sleep(mix.sleep(task, round));
                    let partner = &senders[mix.partner(task, round)];
                    partner.send(mix.word(task, round)).expect("it is received");
                    sum += receiver.recv().expect("all senders are kept");
                }
                sum
            })
        };
        let tasks: Vec<_> = receivers.into_iter().enumerate().map(spawn).collect();
        tasks.into_iter().map(|task| task.join().expect("it does not panic")).sum()
    };
    may::go!(main).join().expect("it does not panic")
}

fn on_segno(mix: Mix) -> u64 {
    segno::run(|| {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..mix.tasks).map(|_| channel::unbounded()).unzip();
        let senders = Rc::new(senders);
        let spawn = |(task, receiver): (usize, channel::Receiver<u64>)| {
            let senders = senders.clone();
            segno::spawn(move || {
                let mut sum = 0;
                for round in 0..mix.rounds {
                    segno::sleep(mix.sleep(task, round));
                    let partner = &senders[mix.partner(task, round)];
                    partner.send(mix.word(task, round)).expect("it is received");
                    sum += receiver.recv().expect("all senders are kept");
                }
                sum
            })
        };
        let tasks: Vec<_> = receivers.into_iter().enumerate().map(spawn).collect();
        tasks.into_iter().map(|task| task.join().expect("it does not panic")).sum()
    })
}
