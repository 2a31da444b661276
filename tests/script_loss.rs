//! Scripts that are dropped, cancelled, given up: nothing is lost that should not be, and everything is dropped
//! once. Every test counts the stacks of the process, so they run one at a time.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use segno::script::{Budget, Owner, Script, Scripts, Spawn};

mod support;
use support::{OnDrop, Tally, alone, panic_of, reports, while_unwinding, without_loss};

type Log = Vec<String>;

/// Swallows its cancellation.
fn stubborn(s: &mut Script<Log>) {
    loop {
        let _ = catch_unwind(AssertUnwindSafe(|| s.wait(1)));
    }
}

#[test]
fn scripts_dropped_outside_a_tick_drop_every_local_once() {
    without_loss(|| {
        let tally = Tally::default();
        let scripts = Scripts::<Log>::new();
        for i in 0..1000 {
            let witness = tally.witness(i);
            let watch = tally.clone();
            scripts.spawn("paused", move |s| {
                let _captured = witness;
                let _local = watch.witness("local");
                let held = watch.witness("exit closure");
                let _ = s.on_exit(move |_| drop(held));
                match i % 5 {
                    0 => _ = s.wait(1),
                    1 => _ = s.next_frame(),
                    2 => _ = s.wait_for::<u8>(),
                    3 => s.until(|_| false),
                    _ => _ = s.all(|s| s.wait(1), |s| s.wait_for::<u8>()),
                }
            });
        }
        scripts.tick(&mut Log::new(), 0);
        scripts.spawn("never ran", {
            let witness = tally.witness("unstarted");
            move |_| drop(witness)
        });
        assert_eq!(tally.alive(), 3001);
        drop(scripts);
        assert_eq!(tally.alive(), 0);
    });
}

#[test]
fn scripts_dropped_in_a_destructor_while_a_panic_unwinds_drop_every_local_once() {
    without_loss(|| {
        let tally = Tally::default();
        let scripts = Scripts::<Log>::new();
        let watch = tally.clone();
        scripts.spawn("paused", move |s| {
            let _local = watch.witness("outer");
            s.all(
                |s| {
                    let _local = watch.witness("inner");
                    s.wait(1);
                },
                |s| s.shield(|s| s.wait(1)),
            );
        });
        scripts.tick(&mut Log::new(), 0);
        while_unwinding(move || drop(scripts));
        assert_eq!(tally.gone(), ["inner", "outer"]);
    });
}

#[test]
fn the_last_handle_dropped_inside_a_script_ends_all_after_the_tick() {
    without_loss(|| {
        type Slot = Rc<RefCell<Option<Scripts<Log>>>>;
        let tally = Tally::default();
        let slot: Slot = Rc::default();
        let scripts = Scripts::<Log>::new();
        let (mine, watch) = (slot.clone(), tally.clone());
        scripts.spawn("drops", move |s| {
            let _local = watch.witness("local");
            s.with(|_| drop(mine.borrow_mut().take()));
            s.next_frame();
            unreachable!("nobody ticks any more");
        });
        slot.replace(Some(scripts.clone()));
        let weak = scripts.downgrade();
        scripts.tick(&mut Log::new(), 0);
        assert_eq!(tally.alive(), 1);
        drop(scripts);
        assert!(weak.upgrade().is_none() && tally.alive() == 0);
    });
}

#[test]
fn a_world_that_holds_its_scripts_is_no_problem() {
    struct World {
        scripts: Scripts<World>,
        count: u32,
    }
    without_loss(|| {
        let scripts = Scripts::new();
        let mut world = World { scripts: scripts.clone(), count: 0 };
        drop(scripts);
        world.scripts.clone().spawn("breeds", |s| {
            let scripts = s.world().scripts.clone();
            scripts.spawn("bred", |s| {
                s.world().count += 1;
                s.wait(9);
            });
            drop(scripts);
            s.wait(9);
        });
        let scripts = world.scripts.clone();
        scripts.tick(&mut world, 0);
        assert_eq!((world.count, scripts.len()), (1, 2));
        drop(scripts);
        drop(world);
    });
}

#[test]
fn a_destructor_that_spawns_and_waits_while_scripts_are_dropped_is_ended_too() {
    without_loss(|| {
        let scripts = Scripts::<Log>::new();
        scripts.spawn("phoenix", move |s| {
            let weak = s.handle();
            let _rises = OnDrop(move || {
                if let Some(scripts) = weak.upgrade() {
                    scripts.spawn("reborn", |s| s.wait(1));
                }
            });
            s.wait(1);
        });
        scripts.spawn("lingers", |s| {
            let _ = s.fallible().wait(1);
            s.shield(|s| {
                let _ = s.fallible().wait(1);
                s.wait(1);
            });
        });
        scripts.tick(&mut Log::new(), 0);
        drop(scripts);
    });
}

#[test]
fn families_lose_no_stack_and_drop_everything_once_wherever_they_are_cancelled() {
    // Cancelled after each number of ticks, the tree below has been at every one of its waits.
    for ticks in 0..8 {
        without_loss(|| {
            let tally = Tally::default();
            let scripts = Scripts::<Log>::new();
            let watch = tally.clone();
            let handle = scripts.spawn("tree", move |s| {
                let outer = watch.witness("outer");
                s.all(
                    |s| {
                        let _mine = watch.witness("left");
                        let _ = s.timeout(2, |s| {
                            let _body = (watch.witness("body"), &outer);
                            s.wait(3);
                        });
                        s.race(|s| s.wait(2), |s| s.wait(1));
                    },
                    |s| {
                        let _mine = watch.witness("right");
                        s.scope(|s, scope| {
                            let _body = watch.witness("scope");
                            scope.spawn("child", |s| {
                                let _child = watch.witness("child");
                                s.wait(4);
                            });
                            s.wait(2);
                        });
                        s.wait(1);
                    },
                );
                s.wait(1);
            });
            let mut log = Log::new();
            for _ in 0..ticks {
                scripts.tick(&mut log, 1);
            }
            handle.cancel();
            scripts.tick(&mut log, 1);
            assert_eq!((scripts.len(), tally.alive()), (0, 0), "after {ticks} ticks");
        });
    }
}

#[test]
fn a_stubborn_script_is_given_up_with_its_family_and_named() {
    alone(|| {
        let before = segno::stack::stats().leaked;
        let tally = Tally::default();
        let watch = tally.clone();
        let scripts = Scripts::<Log>::new();
        let handle = scripts.spawn("family", move |s| {
            let _local = watch.witness("parent");
            let _ = s.on_exit(|w| w.push("parent".into()));
            s.all(
                |s| {
                    let _ = s.on_exit(|w| w.push("stubborn".into()));
                    stubborn(s);
                },
                |s| {
                    let _ = s.on_exit(|w| w.push("sibling".into()));
                    s.shield(|s| s.wait(100));
                },
            );
        });
        let mut log = Log::new();
        scripts.tick(&mut log, 1);
        handle.cancel();
        let (report, told) = reports(|| scripts.tick(&mut log, 1));
        assert_eq!((report.retired, report.live), (3, 0));
        assert_eq!(log, ["stubborn", "sibling", "parent"]);
        assert!(handle.outcome().unwrap().is_cancelled());
        assert_eq!(told.len(), 1);
        assert!(told[0].message().contains("script `all`"), "{}", told[0].message());
        assert_eq!(tally.alive(), 1); // its frame is there for ever
        assert_eq!(segno::stack::stats().leaked, before + 3);
        let stubborn = scripts.shutdown(&mut log);
        assert_eq!(stubborn.len(), 1);
        assert_eq!(stubborn[0].name, "all");
        assert!(scripts.shutdown(&mut log).is_empty());
    });
}

#[test]
fn shutdown_breaks_shields_and_names_who_would_not_end() {
    alone(|| {
        let scripts = Scripts::<Log>::new();
        scripts.spawn("shielded", |s| {
            let _ = s.on_exit(|w| w.push("shielded".into()));
            s.shield(|s| s.wait(1000));
        });
        scripts.spawn("tidy", |s| {
            let _ = s.on_exit(|w| w.push("tidy".into()));
            s.wait_for::<u8>();
        });
        scripts.spawn("stubborn", stubborn);
        let mut log = Log::new();
        scripts.tick(&mut log, 1);
        let (left, _) = reports(|| scripts.shutdown(&mut log));
        assert_eq!(left.iter().map(|left| &*left.name).collect::<Vec<_>>(), ["stubborn"]);
        assert!(left[0].at.file().ends_with("script_loss.rs"));
        log.sort();
        assert_eq!(log, ["shielded", "tidy"]);
        assert!(scripts.is_empty());
        scripts.spawn("again", |s| s.world().push("again".into()));
        scripts.tick(&mut log, 1);
        assert_eq!(log[2], "again");
    });
}

#[test]
fn ten_thousand_cancelled_at_once_end_in_several_ticks_without_another_step() {
    without_loss(|| {
        let tally = Tally::default();
        let scripts =
            Scripts::<u32>::builder().stack_size(48 << 10).unwinding(Budget::Resumes(1500)).build();
        let owner = Owner::new(&scripts);
        let count = support::many(10_000, 50);
        for i in 0..count {
            let witness = tally.witness(i);
            scripts.spawn_with(Spawn::named("many").owner(&owner), move |s| {
                let _witness = witness;
                loop {
                    *s.world() += 1;
                    s.next_frame();
                }
            });
        }
        let mut steps = 0;
        scripts.tick(&mut steps, 0);
        drop(owner);
        let mut ticks = 0;
        while !scripts.is_empty() {
            let report = scripts.tick(&mut steps, 0);
            assert_eq!(report.ending, scripts.len());
            assert_eq!(tally.gone().len(), report.cancelled);
            ticks += 1;
        }
        assert_eq!(steps as usize, count);
        assert_eq!(ticks, count.div_ceil(1500));
        assert_eq!(tally.alive(), 0);
    });
}

#[test]
fn what_a_script_captured_and_returned_is_dropped_once_and_may_call_us() {
    /// Meddles with the scheduler when it is dropped.
    struct Meddler(segno::script::WeakScripts<Log>, Rc<Cell<u32>>);
    impl Drop for Meddler {
        fn drop(&mut self) {
            support::meddle();
            self.1.set(self.1.get() + 1);
            let Some(scripts) = self.0.upgrade() else { return };
            scripts.list();
            scripts.emit(1_u8);
            let handle = scripts.spawn("by a destructor", |_| ());
            handle.cancel();
        }
    }
    without_loss(|| {
        let drops = Rc::new(Cell::new(0));
        let scripts = Scripts::<Log>::new();
        let meddler = || Meddler(scripts.downgrade(), drops.clone());
        for i in 0..4 {
            let (captured, returned) = (meddler(), meddler());
            let handle = scripts.spawn("meddles", move |s| {
                let _captured = captured;
                if i > 0 {
                    s.wait(1);
                }
                returned
            });
            if i == 1 {
                handle.cancel(); // before its first step
            }
        }
        let mut log = Log::new();
        scripts.tick(&mut log, 0);
        scripts.cancel_all();
        scripts.tick(&mut log, 1);
        scripts.settle(&mut log);
        assert!(scripts.is_empty());
        assert_eq!(drops.get(), 8);
    });
}

#[test]
fn a_panic_that_comes_out_of_a_tick_loses_nobody() {
    without_loss(|| {
        let scripts =
            Scripts::<Log>::builder().panic_policy(segno::script::PanicPolicy::Propagate).build();
        for i in 0..4 {
            scripts.spawn("counts", move |s| {
                if i == 1 {
                    panic!("number one");
                }
                loop {
                    s.world().push(i.to_string());
                    s.next_frame();
                }
            });
        }
        let mut log = Log::new();
        assert_eq!(support::text_of(&*panic_of(|| scripts.tick(&mut log, 0))), "number one");
        assert_eq!(log.concat(), "0");
        scripts.tick(&mut log, 0); // the rest first
        assert_eq!(log.concat(), "0230");
    });
}
