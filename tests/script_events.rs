//! Scripts and events: who gets what, in which order, and when.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use segno::script::{Mailbox, Script, Scripts};

mod support;
use support::Tally;

type Log = Vec<String>;

#[derive(Clone, Debug, PartialEq)]
struct Noise(u32);

fn note(s: &mut Script<Log>, what: impl Into<String>) {
    let what = what.into();
    s.world().push(what);
}

#[test]
fn nobody_is_resumed_inside_emit_and_waiters_go_on_in_the_order_in_which_they_wait() {
    let scripts = Scripts::<Log>::new();
    for name in ["a", "b", "c"] {
        scripts.spawn(name, move |s| {
            let Noise(n) = s.wait_for();
            note(s, format!("{name}{n}"));
        });
    }
    scripts.spawn("emits", |s| {
        let got = s.emit(Noise(1));
        note(s, format!("emitted to {got}"));
        assert_eq!(s.emit(Noise(2)), 0);
        s.yield_now();
        note(s, "after");
    });
    let mut log = Log::new();
    let report = scripts.tick(&mut log, 0);
    assert_eq!(log, ["emitted to 3", "a1", "b1", "c1", "after"]);
    assert_eq!(report.done, 4);
}

#[test]
fn an_event_from_the_host_arrives_in_the_next_tick_once() {
    let scripts = Scripts::<Log>::new();
    scripts.spawn("hears", |s| {
        loop {
            let Noise(n) = s.wait_for();
            note(s, format!("{n}"));
        }
    });
    let mut log = Log::new();
    assert_eq!(scripts.emit(Noise(0)), 0); // nobody waits yet
    scripts.tick(&mut log, 0);
    assert_eq!(scripts.emit(Noise(1)), 1);
    assert_eq!(scripts.emit(Noise(2)), 0); // it has one already
    scripts.tick(&mut log, 0);
    scripts.tick(&mut log, 0);
    assert_eq!(log, ["1"]);
}

#[test]
fn a_filter_lets_others_go_by() {
    let scripts = Scripts::<Log>::new();
    scripts.spawn("even", |s| {
        let Noise(n) = s.wait_where(|noise: &Noise| noise.0 % 2 == 0);
        note(s, format!("{n}"));
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    assert_eq!(scripts.emit(Noise(1)), 0);
    assert_eq!(scripts.emit(1_u32), 0);
    scripts.tick(&mut log, 0);
    assert!(log.is_empty());
    assert_eq!(scripts.emit(Noise(4)), 1);
    scripts.tick(&mut log, 0);
    assert_eq!(log, ["4"]);
}

#[test]
fn emit_to_reaches_one_script_and_its_branches_and_never_a_new_one_by_an_old_number() {
    let scripts = Scripts::<Log>::new();
    let listener = |name: &'static str| {
        scripts.spawn(name, move |s| {
            let Noise(n) = s.race(
                |s| s.wait_for(),
                |s| {
                    s.wait(1000);
                    Noise(0)
                },
            );
            note(s, format!("{name}{n}"));
        })
    };
    let (a, b) = (listener("a"), listener("b"));
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    assert!(scripts.emit_to(b.id(), Noise(7)));
    assert!(!scripts.emit_to(b.id(), "another type"));
    scripts.tick(&mut log, 0);
    assert_eq!(log, ["b7"]);
    let c = listener("c");
    scripts.tick(&mut log, 0);
    assert_ne!(b.id(), c.id());
    assert!(!scripts.emit_to(b.id(), Noise(8))); // b has ended
    assert!(!scripts.cancel(b.id()));
    assert!(scripts.info(b.id()).is_none());
    assert!(scripts.emit_to(a.id(), Noise(9)));
    scripts.tick(&mut log, 0);
    assert_eq!(log, ["b7", "a9"]);
}

#[test]
fn a_mailbox_keeps_what_comes_while_its_script_does_something_else() {
    let scripts = Scripts::<Log>::new();
    let handle = scripts.spawn("reads", |s| {
        let mail: Mailbox<Noise> = s.listen();
        s.wait(5);
        assert_eq!(mail.len(), 3);
        for _ in 0..4 {
            let Noise(n) = mail.next(s);
            note(s, format!("{n}"));
        }
        assert!(mail.is_empty() && mail.try_next().is_none());
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    for n in 1..=2 {
        assert_eq!(scripts.emit(Noise(n)), 1);
    }
    assert!(scripts.emit_to(handle.id(), Noise(3)));
    scripts.tick(&mut log, 5);
    assert_eq!(log, ["1", "2", "3"]);
    scripts.emit(Noise(4));
    scripts.tick(&mut log, 0);
    assert!(handle.is_finished() && log.len() == 4);
    assert_eq!(scripts.emit(Noise(5)), 0); // the mailbox has gone
}

#[test]
fn emit_to_reaches_the_mailbox_that_a_branch_has_left_to_its_parent() {
    let scripts = Scripts::<Log>::new();
    let handle = scripts.spawn("parent", |s| {
        let (left, right) = s.all(
            |s| s.listen::<Noise>(),
            |s| {
                s.wait(1);
                s.listen::<Noise>()
            },
        );
        for mail in [left, right] {
            let Noise(n) = mail.next(s);
            note(s, format!("{n}"));
        }
    });
    let other = scripts.spawn("other", |s| {
        let mail = s.listen::<Noise>();
        s.wait(10);
        mail.len()
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    assert!(scripts.emit_to(handle.id(), Noise(1))); // the first branch has ended
    scripts.tick(&mut log, 1);
    assert!(scripts.emit_to(handle.id(), Noise(2))); // both have
    scripts.tick(&mut log, 0);
    scripts.tick(&mut log, 10);
    assert_eq!(log, ["1", "2"]);
    assert_eq!(other.take().unwrap().done(), Some(0));
}

#[test]
fn mailboxes_that_are_gone_do_not_pile_up() {
    let scripts = Scripts::<Log>::new();
    scripts.spawn("reads", |s| {
        let first = s.listen::<Noise>();
        for n in 0..1000 {
            let mail = s.listen::<Noise>();
            assert_eq!((s.emit(Noise(n)), mail.len()), (2, 1));
        }
        assert_eq!(first.len(), 1000);
    });
    scripts.tick(&mut Log::new(), 0);
    assert!(scripts.is_empty());
}

#[test]
fn several_scripts_at_one_mailbox_get_events_in_turn_and_none_is_left_waiting() {
    let scripts = Scripts::<Log>::new();
    scripts.spawn("shares", |s| {
        let mail: Mailbox<Noise> = s.listen();
        s.scope(|_, scope| {
            for name in ["a", "b"] {
                let mail = &mail;
                scope.spawn(name, move |s| {
                    let Noise(n) = mail.next(s);
                    note(s, format!("{name}{n}"));
                });
            }
        });
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    scripts.emit(Noise(1));
    scripts.emit(Noise(2));
    scripts.tick(&mut log, 0);
    assert_eq!(log, ["a1", "b2"]);
    assert!(scripts.is_empty());
}

#[test]
fn until_asks_once_in_each_frame_without_resuming_and_the_report_counts() {
    let scripts = Scripts::<u32>::new();
    let asked = Rc::new(Cell::new(0));
    let count = asked.clone();
    let handle = scripts.spawn("until", move |s| {
        s.until(move |n: &u32| {
            count.set(count.get() + 1);
            *n >= 3
        });
        s.until(|_| true); // holds at once
    });
    let mut world = 0;
    scripts.tick(&mut world, 0);
    for n in 1..=2 {
        world = n;
        let report = scripts.tick(&mut world, 0);
        assert_eq!((report.polls, report.resumes), (1, 0));
    }
    world = 3;
    let report = scripts.tick(&mut world, 0);
    assert_eq!((report.polls, report.resumes, asked.get()), (1, 1, 4));
    assert!(handle.is_finished());
    assert_eq!(scripts.tick(&mut world, 0).polls, 0);
}

#[test]
fn conditions_are_asked_in_the_order_of_priority_and_spawning() {
    let scripts = Scripts::<Log>::new();
    let order = Rc::new(RefCell::new(Vec::new()));
    for (name, priority) in [("c", 0), ("a", -2), ("d", 0), ("b", -1)] {
        let order = order.clone();
        let spawn = segno::script::Spawn::named(name).priority(priority);
        scripts.spawn_with(spawn, move |s| {
            s.until(move |_| {
                order.borrow_mut().push(name);
                false
            });
        });
    }
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    order.borrow_mut().clear();
    scripts.tick(&mut log, 0);
    assert_eq!(*order.borrow(), ["a", "b", "c", "d"]);
}

#[test]
fn a_condition_that_panics_panics_in_its_script() {
    let scripts = Scripts::<u32>::new();
    scripts.on_panic(|_| {});
    let broken = scripts.spawn("broken", |s| s.until(|n: &u32| *n < 1 && panic!("condition")));
    let guarded = scripts
        .spawn("guarded", |s| s.run_while(|n: &u32| *n == 1 || panic!("guard"), |s| s.wait(9)));
    let fine = scripts.spawn("fine", |s| s.until(|n| *n == 2));
    let mut world = 1;
    scripts.tick(&mut world, 0);
    world = 0;
    scripts.tick(&mut world, 0);
    let Some(segno::script::Outcome::Panicked(info)) = broken.outcome() else { panic!() };
    assert_eq!(info.message, "condition");
    let Some(segno::script::Outcome::Panicked(info)) = guarded.outcome() else { panic!() };
    assert_eq!(info.message, "guard");
    world = 2;
    scripts.tick(&mut world, 0);
    assert!(fine.is_finished() && scripts.is_empty());
}

/// An event whose clones and drops are watched, and call into the scheduler.
struct Watched {
    tally: Tally,
    scripts: segno::script::WeakScripts<Log>,
    _witness: support::Witness,
}

impl Watched {
    fn meddle(&self) {
        if let Some(scripts) = self.scripts.upgrade() {
            scripts.emit(Noise(99));
            scripts.list();
            scripts.cancel_all_named("nobody");
        }
    }
}

/// What the tests add to the scheduler.
trait CancelNamed {
    fn cancel_all_named(&self, name: &str);
}

impl CancelNamed for Scripts<Log> {
    fn cancel_all_named(&self, name: &str) {
        for info in self.list() {
            if info.name == name {
                self.cancel(info.id);
            }
        }
    }
}

impl Clone for Watched {
    fn clone(&self) -> Self {
        self.meddle();
        let (tally, scripts) = (self.tally.clone(), self.scripts.clone());
        Self { _witness: tally.witness("event"), tally, scripts }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.meddle();
    }
}

#[test]
fn events_whose_clones_and_drops_call_us_are_delivered_and_dropped_once() {
    let tally = Tally::default();
    let scripts = Scripts::<Log>::new();
    let event = || Watched {
        tally: tally.clone(),
        scripts: scripts.downgrade(),
        _witness: tally.witness("event"),
    };
    for _ in 0..3 {
        scripts.spawn("waits", |s| {
            let mail = s.listen::<Watched>();
            drop(s.wait_where(|event: &Watched| {
                event.meddle();
                true
            }));
            assert_eq!(mail.len(), 1);
            s.wait(100);
        });
    }
    scripts.spawn("bystander", |s| s.interrupt_on::<Watched, _>(|s| s.wait(100)).map_err(|_| ()));
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    assert_eq!(scripts.emit(event()), 7);
    scripts.tick(&mut log, 0);
    assert_eq!(tally.alive(), 3); // in the mailboxes
    drop(scripts);
    assert_eq!(tally.alive(), 0);
}

#[test]
fn a_filter_that_panics_leaves_the_others_waiting() {
    let scripts = Scripts::<Log>::new();
    scripts.spawn("bad", |s| {
        s.wait_where(|noise: &Noise| if noise.0 == 1 { panic!("filter") } else { true });
    });
    scripts.spawn("good", |s| {
        s.wait_where(|noise: &Noise| noise.0 == 2);
        note(s, "good");
    });
    let mut log = Log::new();
    scripts.tick(&mut log, 0);
    assert_eq!(support::panic_text(|| scripts.emit(Noise(1))), "filter");
    assert_eq!(scripts.emit(Noise(2)), 2);
    scripts.tick(&mut log, 0);
    assert_eq!(log, ["good"]);
    assert!(scripts.is_empty());
}
