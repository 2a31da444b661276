//! The timers of an event loop: who is to be woken when, nearest deadline first.
//!
//! Most timers guard something that will not go wrong, so most are removed before they fire. Adding
//! one and taking it out again are therefore the cheap operations; the work of sorting is left to
//! [`Timers::pop_due`], which pays for it only with timers that really fire.
//!
//! It is a pairing heap (Fredman, Sedgewick, Sleator, Tarjan: "The pairing heap: a new form of
//! self-adjusting heap", Algorithmica 1, 1986). A node comes before all nodes below it; siblings are
//! in no order. The nodes lie in one `Vec` and point to each other by index:
//!
//! ```text
//!   root
//!    |
//!   [5]            child     v  to the first of those below
//!    | ^           next      >  to the sibling on the right
//!    v |           previous  <  to the sibling on the left; of a first child: to its parent
//!   [9] > [7] > [8]
//!       <  |  <              free -> slot -> slot    also by `next`
//!          v
//!         [7]
//! ```
//!
//! - *Insert* compares the new node with the root; the later of the two becomes the other's first
//!   child. O(1).
//! - *Remove* merges the children of the node into one tree and puts that in the node's place. A node
//!   without children, and one removed soon after it was inserted is mostly that, only leaves the
//!   list of its siblings: O(1). Otherwise O(log n), amortised.
//! - *Pop* removes the root. The children are merged in two passes: in pairs from the left, then the
//!   pairs from the right into one. The first time may touch every node, and leaves half as many for
//!   the next: O(log n), amortised. Both passes are loops, so a small stack is enough for any number.
//!
//! Invariants: a parent's (deadline, sequence) is less than its children's; every slot is in the tree
//! or in the free list, the latter with sequence 0; a sequence number is never given twice, which is
//! what makes a stale [`Timer`] harmless even when its slot has a new owner or is gone.
//!
//! Memory: slots are used again before the `Vec` grows, so at a steady number of timers nothing is
//! allocated. When the last timer leaves, what is above [`KEPT`] slots is given back; that is paid
//! for by the inserts that made it grow. While one timer is left nothing is given back.
//!
//! Not here: clocks, and what waking means. Deadlines are numbers and payloads are copied.
//!
//! Why not a timing wheel: it fires what falls into one tick together, and a virtual clock needs to
//! jump to the exact next nanosecond, in an order that a transcript can be compared with. Cascading
//! between wheels would also do work for timers that never fire. Why not a binary heap that marks
//! removed timers and skips them at the top: with a long timeout around every short request it holds
//! many dead timers for each live one, [`Timers::first`] would need to clean up before it can answer,
//! and an idle loop would wake for a deadline that nobody waits for. Why not a `BTreeMap`: it pops
//! faster (22 ns against 150 with 100,000 random timers), but an insert and a remove take 120 ns
//! together where 10,000 timers are set, against 6 here, and those are what most timers come to.

use std::num::NonZeroU64;

/// The index that means "no node".
const NONE: u32 = u32::MAX;

/// Slots that an empty queue keeps: 40 KiB with a payload of 8 bytes. A loop with fewer timers than
/// this at a time never allocates again.
const KEPT: usize = 1024;

/// A queue of deadlines.
pub(crate) struct Timers<T> {
    /// The slots, those of the tree and free ones.
    nodes: Vec<Node<T>>,
    /// Index of the nearest timer, or [`NONE`].
    root: u32,
    /// Index of the first free slot, or [`NONE`].
    free: u32,
    /// Number of timers in the tree.
    len: usize,
    /// The number the last timer got. At one per nanosecond it lasts for 584 years.
    sequence: u64,
}

/// A timer that was inserted, to remove it by. It may be kept for as long as one likes: a sequence
/// number does not come back. It means nothing to another queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timer {
    /// Which timer, among all that ever were in the queue. Never 0, so that an `Option` of this has
    /// the same size.
    sequence: NonZeroU64,
    /// The slot it was put in.
    index: u32,
}

/// A slot.
#[derive(Clone, Copy)]
struct Node<T> {
    /// When, in nanoseconds of the loop's clock.
    deadline: u64,
    /// Decides among equal deadlines, and tells timers in the same slot apart; 0 in a free slot.
    sequence: u64,
    /// First child, or [`NONE`].
    child: u32,
    /// Sibling on the right, or [`NONE`]. In a free slot: the next free one.
    next: u32,
    /// Sibling on the left; for a first child the parent; [`NONE`] for the root.
    previous: u32,
    /// Who is to be woken.
    payload: T,
}

impl<T: Copy> Timers<T> {
    /// An empty queue, without memory.
    pub(crate) const fn new() -> Self {
        Self { nodes: Vec::new(), root: NONE, free: NONE, len: 0, sequence: 0 }
    }

    /// Adds a timer. It comes after those with the same deadline that are here already.
    ///
    /// # Panics
    /// When 2^32 - 1 timers are set.
    pub(crate) fn insert(&mut self, deadline: u64, payload: T) -> Timer {
        let sequence = NonZeroU64::MIN.saturating_add(self.sequence);
        let node = Node {
            deadline,
            sequence: sequence.get(),
            child: NONE,
            next: NONE,
            previous: NONE,
            payload,
        };
        let index = self.free;
        let index = if index == NONE {
            let index = self.nodes.len();
            assert!(index < NONE as usize, "too many timers are set: there can be {NONE}");
            self.nodes.push(node);
            index as u32
        } else {
            self.free = self.node(index).next;
            *self.node_mut(index) = node;
            index
        };
        self.sequence = sequence.get();
        self.len += 1;
        self.root = if self.root == NONE { index } else { self.meld(self.root, index) };
        Timer { sequence, index }
    }

    /// Takes a timer out. False if it is not here any more: it fired, or was removed before.
    pub(crate) fn remove(&mut self, timer: Timer) -> bool {
        // An emptied queue has no slots at all, so a stale index may also lie beyond the end.
        let slot = self.nodes.get(timer.index as usize);
        let here = slot.is_some_and(|node| node.sequence == timer.sequence.get());
        if here {
            self.take_out(timer.index);
        }
        here
    }

    /// The nearest deadline.
    pub(crate) fn first(&self) -> Option<u64> {
        (self.root != NONE).then(|| self.node(self.root).deadline)
    }

    /// Takes out the earliest timer whose deadline is `now` or before; among equal deadlines, the one
    /// inserted first.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<T> {
        if self.first()? > now {
            return None;
        }
        let payload = self.node(self.root).payload;
        self.take_out(self.root);
        Some(payload)
    }

    /// Number of timers that are set.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether none is set.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts the merged children of a node in its place, and frees its slot.
    fn take_out(&mut self, index: u32) {
        let Node { child, next, previous, .. } = *self.node(index);
        let merged = self.merge(child);
        let heir = if merged == NONE {
            next
        } else {
            self.node_mut(merged).next = next;
            if next != NONE {
                self.node_mut(next).previous = merged;
            }
            merged
        };
        if heir != NONE {
            self.node_mut(heir).previous = previous;
        }
        if previous == NONE {
            self.root = heir;
        } else {
            let before = self.node_mut(previous);
            if before.child == index {
                before.child = heir;
            } else {
                before.next = heir;
            }
        }
        self.give_back(index);
    }

    /// Makes one tree of siblings, given the first, and returns its root; [`NONE`] if there are none.
    /// The root's `next` and `previous` are for the caller to set.
    fn merge(&mut self, first: u32) -> u32 {
        // From left to right in pairs. The pairs are stacked up by `next`, so the last is on top.
        let mut pairs = NONE;
        let mut left = first;
        while left != NONE {
            let right = self.node(left).next;
            let (pair, rest) = if right == NONE {
                (left, NONE)
            } else {
                let rest = self.node(right).next;
                (self.meld(left, right), rest)
            };
            self.node_mut(pair).next = pairs;
            pairs = pair;
            left = rest;
        }
        if pairs == NONE {
            return NONE;
        }
        // And back, from right to left, all into one.
        let mut merged = pairs;
        let mut pair = self.node(pairs).next;
        while pair != NONE {
            let rest = self.node(pair).next;
            merged = self.meld(merged, pair);
            pair = rest;
        }
        merged
    }

    /// Makes the later of two trees the first child of the earlier, which is returned. Its own `next`
    /// and `previous` stay as they were.
    fn meld(&mut self, a: u32, b: u32) -> u32 {
        let (parent, child) = if self.node(a).key() < self.node(b).key() { (a, b) } else { (b, a) };
        let sibling = std::mem::replace(&mut self.node_mut(parent).child, child);
        let below = self.node_mut(child);
        below.previous = parent;
        below.next = sibling;
        if sibling != NONE {
            self.node_mut(sibling).previous = child;
        }
        parent
    }

    /// Frees a slot that the tree does not use any more, and with the last one all of them.
    fn give_back(&mut self, index: u32) {
        self.len -= 1;
        if self.len == 0 {
            self.nodes.clear();
            self.nodes.shrink_to(KEPT);
            self.free = NONE;
        } else {
            let free = self.free;
            let node = self.node_mut(index);
            node.sequence = 0;
            node.next = free;
            self.free = index;
        }
    }

    /// The node at an index.
    fn node(&self, index: u32) -> &Node<T> {
        &self.nodes[index as usize]
    }

    /// The node at an index, to change.
    fn node_mut(&mut self, index: u32) -> &mut Node<T> {
        &mut self.nodes[index as usize]
    }
}

impl<T> Node<T> {
    /// What the queue is ordered by: the deadline, then the sequence number. In one integer, because
    /// the outcome of a comparison is hard to predict and this one is made without a branch:
    /// an insert and a remove take 6 ns together instead of 9.
    fn key(&self) -> u128 {
        u128::from(self.deadline) << 64 | u128::from(self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{KEPT, NONE, Timer, Timers};

    /// Splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
    struct Dice {
        /// What the next throw is made of.
        state: u64,
    }

    impl Dice {
        /// A number below `sides`.
        fn throw(&mut self, sides: u64) -> u64 {
            self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % sides
        }
    }

    /// Follows every link once, and counts the slots.
    fn check<T: Copy>(timers: &Timers<T>) {
        let mut in_tree = 0;
        let mut parents = Vec::new();
        if timers.root != NONE {
            let root = timers.node(timers.root);
            assert_eq!((root.next, root.previous), (NONE, NONE));
            parents.push(timers.root);
        }
        while let Some(parent) = parents.pop() {
            in_tree += 1;
            assert_ne!(timers.node(parent).sequence, 0);
            let (mut previous, mut at) = (parent, timers.node(parent).child);
            while at != NONE {
                assert_eq!(timers.node(at).previous, previous);
                assert!(timers.node(parent).key() < timers.node(at).key());
                parents.push(at);
                (previous, at) = (at, timers.node(at).next);
            }
        }
        let mut free = 0;
        let mut at = timers.free;
        while at != NONE {
            free += 1;
            assert_eq!(timers.node(at).sequence, 0);
            at = timers.node(at).next;
        }
        assert_eq!(in_tree, timers.len());
        assert_eq!(in_tree + free, timers.nodes.len());
    }

    #[test]
    fn a_queue_does_what_a_sorted_map_does() {
        let mut dice = Dice { state: 1 };
        let mut timers = Timers::new();
        // By (deadline, number): the order the queue promises. The number is the payload.
        let mut model: BTreeMap<(u64, u64), Timer> = BTreeMap::new();
        let mut given: Vec<(u64, u64, Timer)> = Vec::new();
        let (mut now, mut removed, mut stale, mut fired, mut emptied) = (0, 0, 0, 0, 0);
        for operation in 0..100_000_u64 {
            // Seasons, so that it grows large, and also becomes empty again and again.
            let (inserts, removes, ahead) = match operation / 3_000 % 3 {
                0 => (60, 25, 1_000),
                1 => (20, 20, 100),
                _ => (40, 20, 8),
            };
            let throw = dice.throw(100);
            if throw < inserts {
                let deadline = now + dice.throw(ahead);
                let timer = timers.insert(deadline, operation);
                given.push((deadline, operation, timer));
                assert!(model.insert((deadline, operation), timer).is_none());
            } else if throw < inserts + removes && !given.is_empty() {
                // Half of the time one of the latest, otherwise any that ever was.
                let age = given.len().min(if throw % 2 == 0 { 30 } else { usize::MAX });
                let pick = given.len() - 1 - dice.throw(age as u64) as usize;
                let (deadline, number, timer) = given[pick];
                let here = model.remove(&(deadline, number)).is_some();
                assert_eq!(timers.remove(timer), here);
                if here { removed += 1 } else { stale += 1 }
            } else {
                now += dice.throw(8);
                let due = model.first_key_value().map(|(&key, _)| key).filter(|key| key.0 <= now);
                assert_eq!(timers.pop_due(now), due.map(|(_, number)| number));
                if let Some(key) = due {
                    model.remove(&key);
                    fired += 1;
                }
            }
            assert_eq!(timers.first(), model.keys().next().map(|key| key.0));
            assert_eq!(timers.len(), model.len());
            assert_eq!(timers.is_empty(), model.is_empty());
            emptied += u32::from(model.is_empty());
            if operation % 97 == 0 {
                check(&timers);
            }
        }
        for (_, number) in model.into_keys() {
            assert_eq!(timers.pop_due(u64::MAX), Some(number));
        }
        assert_eq!(timers.pop_due(u64::MAX), None);
        check(&timers);
        // The dice must have tried all of it.
        assert!(removed > 5_000 && stale > 5_000 && fired > 5_000, "{removed} {stale} {fired}");
        assert!(emptied > 100, "{emptied}");
    }

    #[test]
    fn equal_deadlines_fire_in_the_order_of_insertion() {
        let mut timers = Timers::new();
        let mut tied = Vec::new();
        for number in 0..100_u64 {
            tied.push(timers.insert(7, number));
            timers.insert(8 - number % 2 * 2, 1_000 + number);
        }
        // New ones in old slots still come last.
        assert!(timers.remove(tied[0]) && timers.remove(tied[50]));
        timers.insert(7, 100);
        timers.insert(7, 101);
        while timers.first() == Some(6) {
            timers.pop_due(6);
        }
        assert_eq!(timers.pop_due(6), None);
        let fired: Vec<u64> = std::iter::from_fn(|| timers.pop_due(7)).collect();
        let expected: Vec<u64> = (1..=101).filter(|&number| number != 50).collect();
        assert_eq!(fired, expected);
        assert_eq!(timers.first(), Some(8));
    }

    #[test]
    fn a_stale_handle_removes_nothing() {
        let mut timers = Timers::new();
        let other = timers.insert(1, 'o');
        let removed = timers.insert(2, 'r');
        assert!(timers.remove(removed));
        assert!(!timers.remove(removed), "the slot is free");
        let heir = timers.insert(2, 'h');
        assert_eq!(heir.index, removed.index);
        assert!(!timers.remove(removed), "the slot is somebody else's");
        assert_eq!(timers.pop_due(1), Some('o'));
        assert!(!timers.remove(other), "it fired");
        assert!(timers.remove(heir));
        assert!(!timers.remove(heir), "there are no slots");
        let first = timers.insert(3, 'f');
        assert_eq!(first.index, other.index);
        assert!(!timers.remove(other), "the slots are new");
        assert!(timers.remove(first));
        assert!(timers.is_empty());
    }

    #[test]
    fn an_empty_queue_gives_a_big_peak_back() {
        let mut timers = Timers::new();
        for deadline in 0..100 * KEPT as u64 {
            timers.insert(deadline, ());
        }
        while timers.pop_due(u64::MAX).is_some() {}
        let kept = timers.nodes.capacity();
        assert!(kept <= KEPT, "{kept} slots");
        for _ in 0..3 {
            let set: Vec<Timer> = (0..kept as u64).map(|at| timers.insert(at, ())).collect();
            assert!(set.into_iter().all(|timer| timers.remove(timer)));
            assert_eq!(timers.nodes.capacity(), kept);
        }
    }

    #[test]
    fn a_million_timers_drain_in_order_on_a_small_stack() {
        const MANY: u64 = 1_000_000;
        let drain = || {
            let mut dice = Dice { state: 2 };
            let mut timers = Timers::new();
            for _ in 0..MANY {
                let deadline = dice.throw(MANY / 2);
                timers.insert(deadline, (deadline, timers.sequence));
            }
            let mut last = (0, 0);
            for left in (0..MANY).rev() {
                let key = timers.pop_due(u64::MAX).unwrap();
                assert!(last < key || left == MANY - 1);
                assert_eq!(timers.len() as u64, left);
                last = key;
            }
            // The widest tree, a million siblings, and the deepest, a million generations.
            for flip in [0, u64::MAX] {
                for deadline in 0..MANY {
                    timers.insert(deadline ^ flip, (0, 0));
                }
                while timers.pop_due(u64::MAX).is_some() {}
                assert!(timers.is_empty());
            }
        };
        std::thread::Builder::new().stack_size(48 * 1024).spawn(drain).unwrap().join().unwrap();
    }
}
