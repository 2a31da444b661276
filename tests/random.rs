//! Random lives of coroutines against a model of a few lines: whatever is done to them, in whatever
//! order and wherever from, values, ends, destructors and stacks must be as the model says.
//!
//! A failure names its seed; `SEGNO_SEED=n cargo test --test random` repeats that one.

mod support;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use segno::{
    Builder, Coroutine, Generator, Outlet, Pauser, State, Status, is_cancel, no_pause, stack,
};

use support::{Dice, OnDrop, Tally, live, meddle, reports, while_unwinding, without_loss};

/// Most coroutines at a time that the test itself holds.
const MOST: usize = 50;

/// What goes in.
enum Message {
    /// A number to add to the sum.
    Value(u64),
    /// The same, and another coroutine to keep on the frame and to resume with every value.
    Give(u64, Subject),
}

/// What frames a body pauses in. Seen from outside all of them do the same.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// A loop.
    Loop,
    /// A frame deeper for every pause, and up again.
    Recursion,
    /// A loop on a stack of its own.
    Grown,
    /// A loop in a scoped coroutine that pauses the one around it.
    InsideScoped,
    /// The same, that pauses itself and the one around it by turns.
    BothPause,
    /// A loop over a generator that stays paused meanwhile.
    OverGenerator,
}

const SHAPES: [Shape; 6] = [
    Shape::Loop,
    Shape::Recursion,
    Shape::Grown,
    Shape::InsideScoped,
    Shape::BothPause,
    Shape::OverGenerator,
];

/// How a body ends, and what it does when it is cancelled.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Return,
    Panic,
    PassOn,
}

/// What a body does.
#[derive(Clone, Copy, Debug)]
struct Plan {
    shape: Shape,
    pauses: u32,
    end: Fate,
    cancelled: Fate,
}

/// A coroutine and what is known about it.
struct Subject {
    /// The coroutine; `None` only while it is dropped.
    co: Option<Coroutine<Message, u64, u64>>,
    plan: Plan,
    /// What it must have summed up.
    sum: u64,
    /// How often it must have paused.
    paused: u32,
    /// What its status must be.
    status: Status,
}

fn add(sum: u64, value: u64) -> u64 {
    (sum ^ value).wrapping_mul(0x100_0000_01B3).rotate_left(7)
}

/// What a body keeps on its frames.
struct Walk<'a> {
    co: &'a Pauser<Message, u64>,
    plan: Plan,
    tally: Tally,
    sum: u64,
    left: u32,
    /// It swallowed its cancellation and is on its way out.
    ended: bool,
    children: Vec<Subject>,
}

impl Walk<'_> {
    fn take(&mut self, message: Message) {
        let (Message::Value(value) | Message::Give(value, _)) = message;
        self.sum = add(self.sum, value);
        if let Message::Give(_, child) = message {
            self.children.push(child);
        }
        if let Some(child) = self.children.last_mut() {
            child.step(value);
        }
    }

    fn pause(&mut self) {
        let local = self.tally.witness("in pause");
        self.left -= 1;
        if self.plan.cancelled == Fate::PassOn {
            let message = self.co.pause(self.sum);
            return self.take(message);
        }
        match catch_unwind(AssertUnwindSafe(|| self.co.pause(self.sum))) {
            Ok(message) => self.take(message),
            Err(payload) if is_cancel(&*payload) => self.ended = true,
            Err(payload) => resume_unwind(payload),
        }
        assert_eq!(local.name, "in pause");
    }

    fn goes_on(&self) -> bool {
        self.left > 0 && !self.ended
    }

    fn descend(&mut self) {
        let depth = self.left;
        let _local = self.tally.witness(depth);
        if self.goes_on() {
            self.pause();
            self.descend();
        }
    }
}

fn body(plan: Plan, tally: Tally) -> impl FnOnce(&Pauser<Message, u64>, Message) -> u64 + 'static {
    let captured = tally.witness("captured");
    move |co, first| {
        let _captured = captured;
        let mut walk = Walk {
            co,
            plan,
            tally: tally.clone(),
            sum: 0,
            left: plan.pauses,
            ended: false,
            children: Vec::new(),
        };
        walk.take(first);
        match plan.shape {
            Shape::Loop => {
                while walk.goes_on() {
                    walk.pause();
                }
            }
            Shape::Recursion => walk.descend(),
            Shape::Grown => stack::grow(64 << 10, || {
                let _grown = tally.witness("grown");
                while walk.goes_on() {
                    walk.pause();
                }
            }),
            Shape::InsideScoped => Coroutine::scoped(|_: &Pauser<(), ()>, ()| {
                let _scoped = tally.witness("scoped");
                while walk.goes_on() {
                    walk.pause();
                }
            })
            .enter(|scoped| assert_eq!(scoped.resume(()), State::Complete(()))),
            Shape::BothPause => {
                let shared = RefCell::new(&mut walk);
                Coroutine::scoped(|scoped: &Pauser<(), ()>, ()| {
                    let _scoped = tally.witness("scoped");
                    loop {
                        scoped.pause(());
                        if !shared.borrow().goes_on() {
                            return;
                        }
                        shared.borrow_mut().pause();
                    }
                })
                .enter(|scoped| {
                    while scoped.resume(()) == State::Paused(()) {
                        if !shared.borrow().goes_on() {
                            return;
                        }
                        shared.borrow_mut().pause();
                    }
                });
            }
            Shape::OverGenerator => {
                let tally = tally.clone();
                let numbers = Generator::new(move |out: &Outlet<u32>| {
                    let _inner = tally.witness("inner");
                    out.pause_all(0..);
                });
                for _ in numbers {
                    if !walk.goes_on() {
                        break;
                    }
                    walk.pause();
                }
            }
        }
        let fate = if walk.ended { plan.cancelled } else { plan.end };
        match fate {
            Fate::Panic => resume_unwind(Box::new(walk.sum)),
            _ => walk.sum,
        }
    }
}

impl Subject {
    fn new(dice: &mut Dice, tally: &Tally) -> Self {
        let plan = Plan {
            shape: SHAPES[dice.below(SHAPES.len())],
            pauses: dice.below(6) as u32,
            end: [Fate::Return, Fate::Return, Fate::Panic][dice.below(3)],
            cancelled: [Fate::PassOn, Fate::PassOn, Fate::Return, Fate::Panic][dice.below(4)],
        };
        let mut builder = Builder::new();
        if dice.below(4) == 0 {
            builder = builder.stack_size(96 << 10);
        }
        let co = builder.build(body(plan, tally.clone())).unwrap();
        Self { co: Some(co), plan, sum: 0, paused: 0, status: Status::Ready }
    }

    fn co(&mut self) -> &mut Coroutine<Message, u64, u64> {
        self.co.as_mut().unwrap()
    }

    /// Resumes with a number and compares with the model.
    fn step(&mut self, value: u64) {
        self.send(value, Message::Value(value));
    }

    fn send(&mut self, value: u64, message: Message) {
        if self.status.has_ended() {
            assert!(self.co().try_resume(message).is_err());
            return;
        }
        self.sum = add(self.sum, value);
        let got = catch_unwind(AssertUnwindSafe(|| self.co().resume(message)));
        if self.paused < self.plan.pauses {
            self.paused += 1;
            self.status = Status::Paused;
            assert_eq!(got.map_err(drop), Ok(State::Paused(self.sum)), "{:?}", self.plan);
        } else if self.plan.end == Fate::Panic {
            self.status = Status::Panicked;
            assert_eq!(got.unwrap_err().downcast_ref(), Some(&self.sum), "{:?}", self.plan);
        } else {
            self.status = Status::Complete;
            assert_eq!(got.map_err(drop), Ok(State::Complete(self.sum)), "{:?}", self.plan);
        }
        assert_eq!(self.co().status(), self.status);
    }

    fn cancel(&mut self) {
        let got = catch_unwind(AssertUnwindSafe(|| self.co().cancel()));
        let expected = match (self.status, self.plan.cancelled) {
            (Status::Ready, _) | (Status::Paused, Fate::PassOn) => Status::Cancelled,
            (Status::Paused, Fate::Return) => Status::Complete,
            (Status::Paused, Fate::Panic) => {
                let sum = got.unwrap_err();
                assert_eq!(sum.downcast_ref(), Some(&self.sum), "{:?}", self.plan);
                Status::Panicked
            }
            (ended, _) => ended,
        };
        self.status = expected;
        assert_eq!(self.co().status(), self.status, "{:?}", self.plan);
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let co = self.co.take();
        // Some panic when they are cancelled; that is not the business of who holds them.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(co)));
    }
}

/// Runs `f` somewhere: here, in a coroutine, on a grown stack, while something unwinds.
fn somewhere(dice: &mut Dice, f: impl FnOnce()) {
    match dice.below(8) {
        0 => _ = Coroutine::scoped(|_: &Pauser<(), ()>, ()| f()).enter(|co| co.resume(())),
        1 => stack::grow(300 << 10, f),
        2 => while_unwinding(f),
        3 => Coroutine::scoped(|_: &Pauser<(), ()>, ()| no_pause(f)).enter(|co| _ = co.resume(())),
        _ => f(),
    }
}

fn life(seed: u64) {
    let mut dice = Dice(seed);
    let tally = Tally::default();
    let mut all: Vec<Subject> = Vec::new();
    for _ in 0..80 {
        let value = dice.roll();
        let one = if all.is_empty() { 0 } else { dice.below(all.len()) };
        match dice.below(16) {
            _ if all.is_empty() => all.push(Subject::new(&mut dice, &tally)),
            0..3 if all.len() < MOST => all.push(Subject::new(&mut dice, &tally)),
            3..10 => somewhere(&mut dice, || all[one].step(value)),
            10 => somewhere(&mut dice, || all[one].cancel()),
            11 => {
                let gone = all.swap_remove(one);
                somewhere(&mut dice, || drop(gone));
            }
            12 | 13 if all.len() > 1 => {
                let child = all.swap_remove(one);
                let parent = dice.below(all.len());
                let parent = &mut all[parent];
                somewhere(&mut dice, || parent.send(value, Message::Give(value, child)));
            }
            14 => dice.shuffle(&mut all),
            _ if value % 8 == 0 => meddle(),
            _ => _ = stack::trim(),
        }
    }
    drop(all);
    assert_eq!(tally.alive(), 0, "destructors were lost");
}

#[test]
fn random_lives_are_as_the_model_says() {
    without_loss(|| {
        let before = live();
        let seeds = match std::env::var("SEGNO_SEED").ok().and_then(|seed| seed.parse().ok()) {
            Some(seed) => seed..seed + 1,
            None => 0..2000,
        };
        reports(|| {
            for seed in seeds {
                let name_it = OnDrop(|| eprintln!("failed with SEGNO_SEED={seed}"));
                life(seed);
                assert_eq!(live(), before, "stacks were lost");
                std::mem::forget(name_it);
            }
        });
    });
}
