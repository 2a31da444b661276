//! What every waiting operation is put through: the members of the family and the cases they share.
//!
//! # How to join
//! One line in the `family!` of `tests/family.rs`, `name: member`, makes a module `name` with one test per case.
//! A [`Member`] is made of a function that makes a fresh [`Object`], in a task:
//!
//! ```text
//!   receive: Member::by_hand(|tally| {
//!       let (sender, receiver) = channel();
//!       Object::by_hand(move || drop(receiver.recv()), move || sender.send(tally.witness("item")))
//!   })
//! ```
//!
//! - `wait` does the operation once, and pauses until it is complete. It may be called again and again, also
//!   when an earlier call was unwound.
//! - `complete` lets one `wait` end: the one that waits, else the next. It must not pause. A wait that was
//!   unwound although it was completed must not use that up: the next one returns without another `complete`.
//! - What the object and its tasks own is a witness of the tally: in the end none may be left.
//!
//! Members that end by time need no `complete` ([`Member::by_time`], after [`SECOND`]; [`Member::indirectly`] if
//! a task of their own has to run for it), nor do those that only let others go first ([`Member::at_once`]). [`Member::shielded`] is for those that a cancellation does not
//! unwind, because others borrow from their frame, and [`Member::aborts`] for those that end the process where
//! a panic unwinds.

#![allow(dead_code, reason = "each family uses a part of it")]

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use segno::testing::EveryPause;
use segno::{CancelHandle, Clock, Coroutine, EventLoop, Generator, Outlet, Pauser, Waker};

use crate::support::{OnDrop, Tally, assert_aborted, child, reports, while_unwinding};

/// How long members wait that end by time.
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// Longer than anything here takes.
const HOUR: Duration = Duration::from_secs(3600);
/// Members are interrupted after this many turns, at most: all of them wait by then, with all their tasks.
const TURNS: usize = 4;

/// Something that can be waited for.
#[derive(Clone)]
pub(crate) struct Object {
    /// Waits once.
    wait: Rc<dyn Fn()>,
    /// Lets one wait end; time does, if there is none.
    complete: Option<Rc<dyn Fn()>>,
}

impl Object {
    /// One that somebody completes.
    pub(crate) fn by_hand(wait: impl Fn() + 'static, complete: impl Fn() + 'static) -> Self {
        Self { wait: Rc::new(wait), complete: Some(Rc::new(complete)) }
    }

    /// One that completes by itself.
    pub(crate) fn by_itself(wait: impl Fn() + 'static) -> Self {
        Self { wait: Rc::new(wait), complete: None }
    }

    /// Lets one wait end, if somebody has to.
    fn complete(&self) {
        if let Some(complete) = &self.complete {
            complete();
        }
    }
}

/// How a member ends when nobody interrupts it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// Somebody completes it.
    ByHand,
    /// After a second.
    ByTime,
    /// When others have had their turn.
    AtOnce,
}

/// One operation that waits.
pub(crate) struct Member {
    /// Makes a fresh object, in a task.
    make: Rc<dyn Fn(&Tally) -> Object>,
    /// How it ends when nobody interrupts it.
    ends: Ends,
    /// Whether an interruption at the instant of its completion may come first.
    indirect: bool,
    /// Whether it returns when it is cancelled, and leaves the unwinding to the next pause.
    shielded: bool,
    /// Whether it ends the process where a panic unwinds, and with which words. If not, it returns.
    aborts: Option<&'static str>,
}

impl Member {
    /// A member of this kind.
    fn new(ends: Ends, make: impl Fn(&Tally) -> Object + 'static) -> Self {
        Self { make: Rc::new(make), ends, indirect: false, shielded: false, aborts: None }
    }

    /// One that somebody completes.
    pub(crate) fn by_hand(make: impl Fn(&Tally) -> Object + 'static) -> Self {
        Self::new(Ends::ByHand, make)
    }

    /// One that ends after a second.
    pub(crate) fn by_time(make: impl Fn(&Tally) -> Object + 'static) -> Self {
        Self::new(Ends::ByTime, make)
    }

    /// One that lets others go first.
    pub(crate) fn at_once(wait: fn()) -> Self {
        Self::new(Ends::AtOnce, move |_| Object::by_itself(wait))
    }

    /// Its time does not end it, but a task that does: an interruption at the same instant may come first.
    pub(crate) fn indirectly(mut self) -> Self {
        self.indirect = true;
        self
    }

    /// It returns when it is cancelled, and leaves the unwinding to the next pause.
    pub(crate) fn shielded(mut self) -> Self {
        self.shielded = true;
        self
    }

    /// It ends the process where a panic unwinds, and says this.
    pub(crate) fn aborts(mut self, said: &'static str) -> Self {
        self.aborts = Some(said);
        self
    }
}

/// What a member runs inside of.
#[derive(Clone, Copy, Debug)]
enum Around {
    /// Nothing but the task.
    Task,
    /// A time limit.
    Timeout,
    /// A part that can be cancelled.
    CancelScope,
    /// A bare coroutine.
    Coroutine,
    /// A bare generator.
    Generator,
}

impl Around {
    /// All of them.
    const ALL: [Self; 5] =
        [Self::Task, Self::Timeout, Self::CancelScope, Self::Coroutine, Self::Generator];

    /// Waits for an object, inside.
    fn wait(self, object: &Object) {
        let wait = object.wait.clone();
        match self {
            Self::Task => wait(),
            Self::Timeout => segno::timeout(HOUR, || wait()).unwrap(),
            Self::CancelScope => segno::cancel_scope(|_| wait()).unwrap(),
            Self::Coroutine => {
                let mut co = Coroutine::new(move |_: &Pauser<(), ()>, ()| wait());
                co.resume(());
            }
            Self::Generator => {
                let mut all = Generator::new(move |out: &Outlet<u8>| {
                    wait();
                    out.pause(7);
                });
                assert_eq!(all.next(), Some(7));
            }
        }
    }
}

/// A bell: what members wait for that need something to wait for. Once rung it stays so.
#[derive(Clone, Default)]
pub(crate) struct Bell {
    /// Whether it was rung.
    rung: Rc<Cell<bool>>,
    /// Who listens.
    listeners: Rc<RefCell<Vec<Option<Waker>>>>,
}

impl Bell {
    /// Waits until it is rung, with nothing but `pause`.
    pub(crate) fn listen(&self) {
        let place = self.listeners.borrow().len();
        self.listeners.borrow_mut().push(Some(segno::waker()));
        // Whoever keeps a waker keeps the loop from seeing a standstill.
        let _leaves = OnDrop(|| drop(self.listeners.borrow_mut()[place].take()));
        while !self.rung.get() {
            segno::pause();
        }
    }

    /// Rings it.
    pub(crate) fn ring(&self) {
        self.rung.set(true);
        for listener in self.listeners.borrow().iter().flatten() {
            listener.wake_by_ref();
        }
    }
}

/// A member that waits, in some way, for tasks that listen to a bell. `wait` gets what such a task does.
pub(crate) fn with_bell(wait: impl Fn(Rc<dyn Fn()>) + Clone + 'static) -> Member {
    Member::by_hand(move |tally| {
        let (bell, tally, wait) = (Bell::default(), tally.clone(), wait.clone());
        let rope = bell.clone();
        let listen: Rc<dyn Fn()> = Rc::new(move || {
            let _witness = tally.witness("listener");
            bell.listen();
        });
        Object::by_hand(move || wait(listen.clone()), move || rope.ring())
    })
}

/// How a wait came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It returned.
    Returned,
    /// A cancellation unwound it.
    Unwound,
}

/// A loop with a virtual clock.
fn virtual_loop() -> EventLoop {
    EventLoop::builder().clock(Clock::virtual_time()).build()
}

/// Makes a module of tests of each member: see the head of this file.
macro_rules! family {
    ($($name:ident: $member:expr;)+) => {
        $(family!(@ $name: $member; [
            completed
            cancelled_before_it_waits
            cancelled_while_it_waits
            completed_and_then_cancelled_in_one_turn
            cancelled_and_then_completed_in_one_turn
            completed_and_cancelled_at_one_deadline
            timed_out
            timed_out_at_the_deadline_of_its_completion
            its_loop_ends_while_it_waits
            a_neighbour_panics_while_it_waits
            cancelled_inside_a_shield
            shielded_after_a_cancellation
            interrupted_at_every_pause
        ]);)+
    };
    (@ $name:ident: $member:expr; [$($case:ident)+]) => {
        mod $name {
            #[allow(unused_imports, reason = "each member uses a part of it")]
            use super::*;

            $(#[test]
            fn $case() {
                // A member is made where it plays: alone, on a thread of its own.
                $crate::support::without_loss(|| $member.$case());
            })+

            #[test]
            fn called_where_something_unwinds() {
                let test = concat!(stringify!($name), "::called_where_something_unwinds");
                $crate::support::without_loss(|| $member.called_where_something_unwinds(test));
            }
        }
    };
}
pub(crate) use family;

/// Runs a case inside of everything that can be around a member, after each number of turns.
fn everywhere(case: impl Fn(Around, usize)) {
    for around in Around::ALL {
        for turns in 0..=TURNS {
            eprintln!("inside {around:?}, after {turns} turns"); // shown when it fails
            case(around, turns);
        }
    }
}

/// Lets others go first, so often.
fn let_pass(turns: usize) {
    for _ in 0..turns {
        segno::yield_now();
    }
}

/// Waits for an object in a part that can be cancelled, beside a neighbour that knows how.
fn beside(
    tally: &Tally,
    object: &Object,
    around: Around,
    neighbour: impl FnOnce(CancelHandle, Object) + 'static,
) -> Outcome {
    let mut acts = None;
    let part = segno::cancel_scope(|part| {
        let _frame = tally.witness("frame");
        let (handle, object_too, witness) =
            (part.handle(), object.clone(), tally.witness("neighbour"));
        acts = Some(segno::spawn(move || {
            let _witness = witness;
            neighbour(handle, object_too);
        }));
        around.wait(object);
    });
    acts.unwrap().join().unwrap();
    if part.is_ok() { Outcome::Returned } else { Outcome::Unwound }
}

/// Checks that an object can be waited for: without another completion if it still has one.
#[track_caller]
fn usable_again(object: &Object, has_completion: bool) {
    if !has_completion {
        object.complete();
    }
    let waited = segno::timeout(HOUR, || (object.wait)());
    assert!(waited.is_ok(), "it cannot be waited for any more");
}

/// The cases. Each is a test of every member.
impl Member {
    /// It does what it is for.
    pub(crate) fn completed(&self) {
        everywhere(|around, turns| {
            self.plays(|tally, object| {
                let outcome = beside(tally, object, around, move |_, object| {
                    let_pass(turns);
                    object.complete();
                });
                assert_eq!(outcome, Outcome::Returned);
                usable_again(object, false);
            });
        });
    }

    /// A cancellation came before: it does not wait at all.
    pub(crate) fn cancelled_before_it_waits(&self) {
        everywhere(|around, _| {
            self.plays(|tally, object| {
                let part = segno::cancel_scope(|part| {
                    let _frame = tally.witness("frame");
                    part.cancel("before");
                    around.wait(object);
                });
                assert_eq!(part.is_err(), !self.shielded);
                usable_again(object, false);
            });
        });
    }

    /// A neighbour cancels it.
    pub(crate) fn cancelled_while_it_waits(&self) {
        everywhere(|around, turns| {
            self.plays(|tally, object| {
                let outcome = beside(tally, object, around, move |part, _| {
                    let_pass(turns);
                    part.cancel("meanwhile");
                });
                if !self.shielded && (self.ends != Ends::AtOnce || turns == 0) {
                    assert_eq!(outcome, Outcome::Unwound);
                }
                usable_again(object, false);
            });
        });
    }

    /// A neighbour completes and cancels it, in one turn: nothing is lost, whatever came of it.
    pub(crate) fn completed_and_then_cancelled_in_one_turn(&self) {
        everywhere(|around, turns| {
            self.plays(|tally, object| {
                let outcome = beside(tally, object, around, move |part, object| {
                    let_pass(turns);
                    object.complete();
                    part.cancel("at the same time");
                });
                usable_again(object, outcome == Outcome::Unwound);
            });
        });
    }

    /// The other way round.
    pub(crate) fn cancelled_and_then_completed_in_one_turn(&self) {
        everywhere(|around, turns| {
            self.plays(|tally, object| {
                let outcome = beside(tally, object, around, move |part, object| {
                    let_pass(turns);
                    part.cancel("at the same time");
                    object.complete();
                });
                usable_again(object, outcome == Outcome::Unwound);
            });
        });
    }

    /// Both are due at the same instant, whichever alarm was set first. What ends by time has ended then.
    pub(crate) fn completed_and_cancelled_at_one_deadline(&self) {
        everywhere(|around, turns| {
            self.plays(|tally, object| {
                let neighbour_first = turns % 2 == 0;
                let part = segno::cancel_scope(|part| {
                    let _frame = tally.witness("frame");
                    let (handle, object_too) = (part.handle(), object.clone());
                    let completes = move || {
                        segno::sleep(SECOND);
                        object_too.complete();
                    };
                    let cancels = move || {
                        segno::sleep(SECOND);
                        handle.cancel("at the same time");
                    };
                    if turns < 2 {
                        drop((segno::spawn(completes), segno::spawn(cancels)));
                    } else {
                        drop((segno::spawn(cancels), segno::spawn(completes)));
                    }
                    if neighbour_first {
                        segno::yield_now();
                    }
                    around.wait(object);
                });
                if self.ends != Ends::ByHand && !self.indirect {
                    assert!(part.is_ok(), "it was complete when it was cancelled");
                }
                segno::sleep(SECOND);
                usable_again(object, part.is_err());
            });
        });
    }

    /// A time limit is over while it waits.
    pub(crate) fn timed_out(&self) {
        everywhere(|around, _| {
            self.plays(|tally, object| {
                let before = segno::now();
                let limited = segno::timeout(SECOND / 2, || {
                    let _frame = tally.witness("frame");
                    around.wait(object);
                });
                if self.ends == Ends::AtOnce {
                    assert!(limited.is_ok());
                } else {
                    assert_eq!(limited.is_err(), !self.shielded);
                    assert_eq!(segno::now() - before, SECOND / 2);
                }
                usable_again(object, false);
            });
        });
    }

    /// A time limit is over at the instant at which it is complete.
    pub(crate) fn timed_out_at_the_deadline_of_its_completion(&self) {
        everywhere(|around, turns| {
            self.plays(|tally, object| {
                let object_too = object.clone();
                let completes = segno::spawn(move || {
                    segno::sleep(SECOND);
                    object_too.complete();
                });
                if turns % 2 == 0 {
                    segno::yield_now();
                }
                let limited = segno::timeout(SECOND, || {
                    let _frame = tally.witness("frame");
                    around.wait(object);
                });
                if self.ends != Ends::ByHand && !self.indirect {
                    assert!(limited.is_ok(), "it was complete when its time was over");
                }
                completes.join().unwrap();
                usable_again(object, limited.is_err());
            });
        });
    }

    /// The loop is shut down or dropped while it waits.
    pub(crate) fn its_loop_ends_while_it_waits(&self) {
        everywhere(|around, turns| {
            for drops in [false, true] {
                self.spawned(around, turns, |events| match drops {
                    true => drop(events),
                    false => events.shutdown(),
                });
            }
        });
    }

    /// Another task of the scope that it waits in panics.
    pub(crate) fn a_neighbour_panics_while_it_waits(&self) {
        everywhere(|around, turns| {
            self.plays(|tally, object| {
                let said = catch_unwind(AssertUnwindSafe(|| {
                    segno::scope(|s| {
                        let _frame = tally.witness("frame");
                        s.spawn(|| {
                            let _witness = tally.witness("neighbour");
                            let_pass(turns);
                            resume_unwind(Box::new("a wrong note"));
                        });
                        around.wait(object);
                    });
                }));
                let payload = said.expect_err("the neighbour panicked");
                assert_eq!(payload.downcast_ref::<&str>(), Some(&"a wrong note"));
                usable_again(object, false);
            });
        });
    }

    /// Inside a shield it is not concerned; what comes after the shield is.
    pub(crate) fn cancelled_inside_a_shield(&self) {
        everywhere(|around, turns| {
            self.plays(|tally, object| {
                let (waited, went_on) = (Cell::new(false), Cell::new(false));
                let part = segno::cancel_scope(|part| {
                    let (handle, object_too) = (part.handle(), object.clone());
                    drop(segno::spawn(move || {
                        let_pass(turns);
                        handle.cancel("meanwhile");
                        let_pass(TURNS);
                        object_too.complete();
                    }));
                    segno::shield(|| {
                        let _frame = tally.witness("frame");
                        around.wait(object);
                        waited.set(true);
                    });
                    let_pass(TURNS + 1);
                    went_on.set(true);
                });
                assert!(part.is_err() && waited.get() && !went_on.get());
                let_pass(2 * TURNS);
                usable_again(object, false);
            });
        });
    }

    /// A shield keeps out what came before it, too.
    pub(crate) fn shielded_after_a_cancellation(&self) {
        everywhere(|around, turns| {
            self.plays(|tally, object| {
                let waited = Cell::new(false);
                let part = segno::cancel_scope(|part| {
                    let object_too = object.clone();
                    drop(segno::spawn(move || {
                        let_pass(turns);
                        object_too.complete();
                    }));
                    part.cancel("before");
                    segno::shield(|| {
                        let _frame = tally.witness("frame");
                        around.wait(object);
                        waited.set(true);
                    });
                    segno::yield_now();
                });
                assert!(part.is_err() && waited.get());
                let_pass(TURNS);
                usable_again(object, false);
            });
        });
    }

    /// It is interrupted, in every way, at every pause of the waiter, of whoever completes it and of its own
    /// tasks; in several orders.
    pub(crate) fn interrupted_at_every_pause(&self) {
        for around in Around::ALL {
            self.interrupted(EveryPause::new(), around);
        }
        for seed in 1..4 {
            self.interrupted(EveryPause::new().seed(seed), Around::Task);
        }
    }

    /// One of them.
    fn interrupted<'a>(&'a self, every_pause: EveryPause<'a>, around: Around) {
        let tally = Tally::default();
        let left = tally.clone();
        let every_pause = every_pause
            .count_stacks()
            .after(move || assert_eq!(left.alive(), 0, "something is left"));
        // Nobody joins the neighbour: its panics are reported.
        let (pauses, _) = reports(|| {
            every_pause.run(|| {
                let object = (self.make)(&tally);
                let (object_too, witness) = (object.clone(), tally.witness("neighbour"));
                drop(segno::spawn(move || {
                    let _witness = witness;
                    // However it ends: otherwise nobody would.
                    let _completes = OnDrop(|| object_too.complete());
                    let_pass(2);
                }));
                let _frame = tally.witness("frame");
                around.wait(&object);
            })
        });
        assert!(pauses > 0);
    }

    /// It is called in a destructor, where a panic unwinds, and where a cancellation does: it returns at once,
    /// or ends the process and says why.
    pub(crate) fn called_where_something_unwinds(&self, test: &str) {
        let panics = || {
            self.plays(|_, object| {
                let before = segno::now();
                while_unwinding(|| (object.wait)());
                assert_eq!(segno::now(), before);
                usable_again(object, false);
            });
        };
        let cancels = || {
            self.plays(|_, object| {
                let before = segno::now();
                let part = segno::cancel_scope(|part| {
                    let _waits = OnDrop(|| (object.wait)());
                    part.cancel("now");
                    segno::yield_now();
                });
                assert!(part.is_err());
                assert_eq!(segno::now(), before);
                usable_again(object, false);
            });
        };
        match self.aborts {
            None => {
                panics();
                cancels();
            }
            Some(said) => assert_aborted(&child(test, panics), &[said, "unwinds"]),
        }
    }

    /// Runs a case with a fresh object, in a task.
    #[track_caller]
    fn plays(&self, case: impl FnOnce(&Tally, &Object)) {
        let tally = Tally::default();
        let mut events = virtual_loop();
        events.run(|| case(&tally, &(self.make)(&tally))).unwrap();
        events.shutdown();
        assert_eq!(tally.alive(), 0, "something is left");
    }

    /// Spawns a task that waits, makes some turns, and ends the loop.
    #[track_caller]
    fn spawned(&self, around: Around, turns: usize, end: impl FnOnce(EventLoop)) {
        let tally = Tally::default();
        let object = Rc::new(RefCell::new(None));
        let mut events = virtual_loop();
        let (make, frame, kept) = (self.make.clone(), tally.clone(), object.clone());
        drop(events.spawn(move || {
            let _frame = frame.witness("frame");
            let object = make(&frame);
            kept.replace(Some(object.clone()));
            around.wait(&object);
        }));
        for _ in 0..turns {
            events.turn();
        }
        end(events);
        // The object may outlive the loop.
        drop(object.take());
        assert_eq!(tally.alive(), 0, "something is left");
    }
}
