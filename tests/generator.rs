//! What a generator promises: it is an iterator like any other, wherever its items come from.

mod support;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::iter::FusedIterator;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use segno::{Builder, Coroutine, Generator, Outlet, Pauser, SpawnError, State, stack};

use support::{OnDrop, Tally, Witness, alone, many, panic_of, panic_text, without_loss};

/// A binary tree, to be walked by recursion.
enum Tree {
    Leaf,
    Fork(Box<Tree>, u32, Box<Tree>),
}

impl Tree {
    /// One that holds a range.
    fn of(low: u32, high: u32) -> Box<Self> {
        if low == high {
            return Box::new(Self::Leaf);
        }
        let middle = low + (high - low) / 2;
        Box::new(Self::Fork(Self::of(low, middle), middle, Self::of(middle + 1, high)))
    }

    /// Its numbers in order.
    fn walk<'t>(&'t self, out: &Outlet<&'t u32>) {
        if let Self::Fork(left, number, right) = self {
            left.walk(out);
            out.pause(number);
            right.walk(out);
        }
    }
}

#[test]
fn a_recursive_walk_gives_its_items_in_order() {
    without_loss(|| {
        let most = many(1000, 50);
        let tree = Tree::of(0, most);
        let all = Generator::scoped(|out| tree.walk(out)).enter(|all| all.collect::<Vec<_>>());
        assert!(all.into_iter().copied().eq(0..most));
    });
}

#[test]
fn permutations_by_recursion_are_all_and_different() {
    fn permute(list: &mut [u8], at: usize, out: &Outlet<Vec<u8>>) {
        if at == list.len() {
            return out.pause(list.to_vec());
        }
        for i in at..list.len() {
            list.swap(at, i);
            permute(list, at + 1, out);
            list.swap(at, i);
        }
    }
    without_loss(|| {
        let most = many(6, 4);
        let all: BTreeSet<_> = Generator::new(move |out: &Outlet<_>| {
            permute(&mut [1, 2, 3, 4, 5, 6][..most], 0, out);
        })
        .collect();
        assert_eq!(all.len(), many(720, 24));
        assert!(all.iter().all(|one| one.iter().sum::<u8>() == many(21, 10)));
        // Stopped early, with its list borrowed on the generator's own frames.
        let mut list = [1, 2, 3, 4];
        let some = Generator::scoped(|out| permute(&mut list, 0, out))
            .enter(|all| all.take(5).last().unwrap());
        assert_eq!(some, [1, 4, 3, 2]);
    });
}

#[test]
fn nothing_runs_before_the_first_item_and_no_further_than_asked() {
    alone(|| {
        let made = Rc::new(Cell::new(0));
        let count = made.clone();
        let mut items = Generator::new(move |out: &Outlet<u32>| {
            for i in 0.. {
                count.set(i + 1);
                out.pause(i);
            }
        });
        assert_eq!(made.get(), 0);
        for i in 0..5 {
            assert_eq!(items.next(), Some(i));
            assert_eq!(made.get(), i + 1);
        }
        let _taken: Vec<_> = items.by_ref().take(2).collect();
        assert_eq!(made.get(), 7);
    });
}

#[test]
fn it_is_fused_after_its_end() {
    fn fused<I: FusedIterator>(_: &I) {}
    without_loss(|| {
        let mut items = Generator::new(|out: &Outlet<u8>| out.pause(1));
        fused(&items);
        assert_eq!(items.next(), Some(1));
        assert!((0..3).all(|_| items.next().is_none()));
        let mut empty = Generator::new(|_: &Outlet<u8>| ());
        assert!((0..3).all(|_| empty.next().is_none()));
        Generator::scoped(|out: &Outlet<u8>| out.pause(1)).enter(|items| {
            fused(items);
            assert_eq!(items.next(), Some(1));
            assert!((0..3).all(|_| items.next().is_none()));
        });
    });
}

#[test]
fn it_is_fused_after_a_panic() {
    without_loss(|| {
        let body = |out: &Outlet<u8>| {
            out.pause(1);
            resume_unwind(Box::new("on purpose"));
        };
        let mut items = Generator::new(body);
        assert_eq!(items.next(), Some(1));
        assert_eq!(panic_text(|| items.next()), "on purpose");
        assert!((0..3).all(|_| items.next().is_none()));
        assert!(format!("{items:?}").contains("Panicked"));
        Generator::scoped(body).enter(|items| {
            assert_eq!(items.next(), Some(1));
            assert_eq!(panic_text(|| items.next()), "on purpose");
            assert!((0..3).all(|_| items.next().is_none()));
        });
        // In the middle of an adaptor the items so far are lost with it, and nothing else.
        let mut items = Generator::new(body);
        panic_of(|| items.by_ref().collect::<Vec<_>>());
        assert_eq!(items.next(), None);
    });
}

#[test]
fn items_of_every_size_come_out_exactly() {
    fn check<T: Clone + PartialEq + std::fmt::Debug + 'static>(make: fn(u64) -> T) {
        let most = many(100, 5);
        let items = Generator::new(move |out: &Outlet<T>| out.pause_all((0..most).map(make)));
        assert!(items.eq((0..most).map(make)));
        let all: Vec<T> = Generator::scoped(|out| (0..most).for_each(|i| out.pause(make(i))))
            .enter(|items| items.collect());
        assert_eq!(all, (0..most).map(make).collect::<Vec<_>>());
    }
    #[derive(Clone, Debug, PartialEq)]
    #[repr(align(128))]
    struct Aligned(u64);
    without_loss(|| {
        check(|_| ());
        check(|i| i as u8);
        check(|i| i);
        check(|i| i.to_string());
        check(|i| [i; 8]);
        check(|i| [i; 512]);
        check(Aligned);
        check(|i| (i % 3 != 0).then(|| Box::new(i)));
    });
}

#[test]
fn early_drop_runs_the_destructors_of_the_body_and_of_what_it_walks() {
    without_loss(|| {
        let tally = Tally::default();
        let counter = tally.clone();
        let mut items = Generator::new(move |out: &Outlet<Witness>| {
            let _outer = counter.witness("body");
            // The iterator that is being walked is dropped too.
            let walked: Vec<_> = (0..5).map(|i| counter.witness(i)).collect();
            out.pause_all(walked);
        });
        assert_eq!(items.next().unwrap().name, "0");
        assert_eq!(items.next().unwrap().name, "1");
        drop(items);
        assert_eq!(tally.gone(), ["0", "1", "2", "3", "4", "body"]);
        assert_eq!(tally.alive(), 0);
    });
}

#[test]
fn one_dropped_before_its_first_item_drops_what_it_holds() {
    without_loss(|| {
        let tally = Tally::default();
        let list: Vec<_> = (0..3).map(|i| tally.witness(i)).collect();
        drop(Generator::new(move |out: &Outlet<Witness>| out.pause_all(list)));
        assert_eq!(tally.gone(), ["0", "1", "2"]);
    });
}

#[test]
fn pause_all_takes_anything_that_iterates() {
    without_loss(|| {
        let items = Generator::new(|out: &Outlet<u32>| {
            out.pause_all([1, 2]);
            out.pause_all(vec![3]);
            out.pause_all(None);
            out.pause_all(Generator::new(|out: &Outlet<u32>| out.pause_all(4..6)));
            out.pause_all(std::iter::empty());
            Generator::scoped(|inner: &Outlet<u32>| inner.pause_all(6..8))
                .enter(|inner| out.pause_all(inner));
        });
        assert!(items.eq(1..8));
    });
}

#[test]
fn adaptors_take_and_put_back_as_with_any_iterator() {
    without_loss(|| {
        let count = |from: u32| Generator::new(move |out: &Outlet<u32>| out.pause_all(from..));
        let (mut odd, mut even) = (count(0).skip(1).step_by(2), count(0).step_by(2));
        let merged: Vec<_> =
            (0..10).map(|i| if i % 2 == 0 { even.next() } else { odd.next() }).collect();
        assert!(merged.into_iter().flatten().eq(0..10));

        let (mut a, mut b) = (count(10).peekable(), count(20).peekable());
        assert_eq!((a.peek(), b.peek()), (Some(&10), Some(&20)));
        assert_eq!(a.next_if(|&n| n == 10), Some(10));
        assert_eq!((a.next(), b.next()), (Some(11), Some(20)));
        let zipped: Vec<_> = a.by_ref().zip(b.by_ref()).take(3).collect();
        assert_eq!(zipped, [(12, 21), (13, 22), (14, 23)]);
        assert_eq!(a.chain(b).nth(2), Some(17));
        assert_eq!(count(1).map(|n| n * n).filter(|n| n % 2 == 0).take(3).sum::<u32>(), 56);
        assert_eq!(count(0).size_hint(), (0, None));
    });
}

#[test]
fn the_fringes_of_two_trees_compare_without_being_listed() {
    without_loss(|| {
        let most = many(64, 16);
        let balanced = Tree::of(0, most);
        let mut leaning = Box::new(Tree::Leaf);
        for number in 0..most {
            leaning = Box::new(Tree::Fork(leaning, number, Box::new(Tree::Leaf)));
        }
        let same = |a: &Tree, b: &Tree| {
            Generator::scoped(|out| a.walk(out))
                .enter(|a| Generator::scoped(|out| b.walk(out)).enter(|b| a.eq(b)))
        };
        assert!(same(&balanced, &leaning));
        assert!(!same(&balanced, &Tree::of(0, most - 1)));
        assert!(!same(&Tree::of(1, most + 1), &leaning));
    });
}

#[test]
fn a_scoped_one_borrows_and_changes_what_it_walks() {
    without_loss(|| {
        let mut words =
            vec!["da".to_owned(), "capo".to_owned(), "al".to_owned(), "fine".to_owned()];
        let lengths: Vec<_> = Generator::scoped(|out: &Outlet<usize>| {
            for word in &mut words {
                out.pause(word.len());
                // Runs only when the next item is asked for.
                word.push('!');
            }
        })
        .enter(|lengths| lengths.take(3).collect());
        assert_eq!(lengths, [2, 4, 2]);
        assert_eq!(words.concat(), "da!capo!alfine");
    });
}

#[test]
fn items_may_be_references_that_outlive_the_generator() {
    without_loss(|| {
        let words = ["dal".to_owned(), "segno".to_owned()];
        let longest: &str = Generator::scoped(|out: &Outlet<&str>| {
            words.iter().for_each(|word| out.pause(word));
        })
        .enter(|words| words.max_by_key(|word| word.len()).unwrap());
        assert_eq!(longest, "segno");
    });
}

#[test]
fn generators_over_generators_by_ownership() {
    fn count_down(n: u32) -> Generator<u32> {
        Generator::new(move |out: &Outlet<u32>| {
            if n > 0 {
                out.pause(n);
                out.pause_all(count_down(n - 1));
            }
        })
    }
    without_loss(|| {
        let most = many(60, 9);
        assert!(count_down(most).eq((1..=most).rev()));
        assert!(count_down(most).take(most as usize * 2 / 3).eq((most / 3 + 1..=most).rev()));
    });
}

#[test]
fn generators_over_generators_by_borrowing() {
    fn walk<'t>(tree: &'t Tree, out: &Outlet<&'t u32>) {
        // Each level is a generator of its own, inside its parent's frames.
        Generator::scoped(|out| {
            if let Tree::Fork(left, number, right) = tree {
                walk(left, out);
                out.pause(number);
                walk(right, out);
            }
        })
        .enter(|items| out.pause_all(items));
    }
    without_loss(|| {
        let (some, most) = many((70, 100), (7, 10));
        let tree = Tree::of(0, most);
        Generator::scoped(|out| walk(&tree, out)).enter(|all| {
            assert!(all.by_ref().take(some as usize).copied().eq(0..some));
        });
        Generator::scoped(|out| walk(&tree, out)).enter(|all| assert!(all.copied().eq(0..most)));
    });
}

#[test]
fn an_inner_one_may_give_items_straight_to_the_outermost() {
    without_loss(|| {
        let mut all = Generator::new(|outer: &Outlet<u32>| {
            Generator::scoped(|inner: &Outlet<u32>| {
                for i in 0..5 {
                    outer.pause(i);
                    inner.pause(10 + i);
                }
            })
            .enter(|inner| inner.for_each(|item| outer.pause(item)));
        });
        assert!(all.by_ref().take(7).eq([0, 10, 1, 11, 2, 12, 3]));
        drop(all);
    });
}

#[test]
fn a_scoped_one_is_closed_when_enter_is_left() {
    without_loss(|| {
        let tally = Tally::default();
        for leave_by_panic in [false, true] {
            let left = catch_unwind(AssertUnwindSafe(|| {
                let walked = tally.witness("captured");
                Generator::scoped(|out: &Outlet<u32>| {
                    let _walked = walked;
                    let _here = tally.witness("here");
                    out.pause_all(0..);
                })
                .enter(|items| {
                    assert_eq!(items.nth(3), Some(3));
                    if leave_by_panic {
                        resume_unwind(Box::new("leave"));
                    }
                });
            }));
            assert_eq!(left.is_err(), leave_by_panic);
            assert_eq!(tally.gone(), ["here", "captured"]);
        }
    });
}

#[test]
fn clean_up_sees_that_nobody_takes_items_any_more() {
    without_loss(|| {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let make = |count: u32| {
            let seen = seen.clone();
            Generator::new(move |out: &Outlet<u32>| {
                let _asks = OnDrop(|| seen.borrow_mut().push(out.is_closed()));
                assert!(!out.is_closed());
                out.pause_all(0..count);
                assert!(!out.is_closed());
            })
        };
        assert_eq!(make(3).count(), 3);
        assert_eq!(*seen.borrow(), [false]);
        make(3).next();
        assert_eq!(*seen.borrow(), [false, true]);
        drop(make(3));
        assert_eq!(*seen.borrow(), [false, true]);
    });
}

#[test]
fn a_generator_and_its_consumer_may_be_in_different_coroutines_each_time() {
    without_loss(|| {
        let items =
            Rc::new(RefCell::new(Generator::new(|out: &Outlet<u32>| out.pause_all(0..100))));
        let consumers: Vec<_> = (0..5)
            .map(|_| {
                let items = items.clone();
                Coroutine::new(move |co: &Pauser<(), u32>, ()| {
                    loop {
                        let Some(item) = items.borrow_mut().next() else { return };
                        co.pause(item);
                    }
                })
            })
            .collect();
        let mut consumers = consumers;
        for i in 0..100 {
            assert_eq!(consumers[i as usize % 5].resume(()), State::Paused(i));
        }
        consumers.iter_mut().for_each(|co| assert_eq!(co.resume(()), State::Complete(())));
    });
}

#[test]
fn a_name_and_sizes_may_be_given() {
    without_loss(|| {
        let small = Builder::new().name("walk").stack_size(48 << 10);
        let line = line!() + 1;
        let mut items = small.generator(|out| out.pause_all(0..3)).unwrap();
        let place = format!("{}:{line}", file!());
        for text in [format!("{items:?}"), {
            items.next();
            format!("{items:?}")
        }] {
            assert!(text.contains("walk") && text.contains(&place), "{text}");
        }
        assert_eq!(items.count(), 2);
        let error = Builder::new().stack_size(0).generator(|_: &Outlet<()>| ());
        assert!(matches!(error, Err(SpawnError::TooSmall { asked: 0, .. })));
        let scoped = Builder::new().stack_size(0).scoped_generator(|_: &Outlet<()>| ());
        assert!(format!("{scoped:?}").contains("ScopedGenerator"));
        assert!(matches!(scoped.try_enter(|_| ()), Err(SpawnError::TooSmall { .. })));
        Builder::new()
            .name("scoped walk")
            .scoped_generator(|_: &Outlet<()>| ())
            .enter(|items| assert!(format!("{items:?}").contains("scoped walk")));
    });
}

#[test]
fn ten_thousand_generators_may_be_open_at_once() {
    without_loss(|| {
        let small = Builder::new().stack_size(48 << 10);
        let mut all: Vec<_> = (0..many(10_000, 30_u32))
            .map(|i| small.clone().generator(move |out| out.pause_all(i..i + 3)).unwrap())
            .collect();
        for round in 0..3 {
            for (i, items) in all.iter_mut().enumerate() {
                assert_eq!(items.next(), Some(i as u32 + round));
            }
        }
        assert!(all.iter_mut().all(|items| items.next().is_none()));
        stack::trim();
    });
}
