//! The balanced binary tree that `generator` and the report's second timing walk.

/// A node of a binary search tree, each in a heap allocation of its own.
pub struct Node {
    /// Its place in the order: 0 for the leftmost.
    pub key: u64,
    /// The nodes before it.
    pub left: Option<Box<Node>>,
    /// The nodes after it.
    pub right: Option<Box<Node>>,
}

impl Node {
    /// A balanced tree of the keys below `count`, which must not be 0.
    pub fn balanced(count: u64) -> Box<Node> {
        fn build(from: u64, to: u64) -> Option<Box<Node>> {
            if from == to {
                return None;
            }
            let key = from + (to - from) / 2;
            Some(Box::new(Node { key, left: build(from, key), right: build(key + 1, to) }))
        }
        build(0, count).expect("a tree has at least one node")
    }
}

/// What the keys below `count` add up to: a walk that came to another sum walked wrongly.
pub fn sum_of_keys(count: u64) -> u64 {
    count * (count - 1) / 2
}
