//! The idle stacks that belong to no thread, one list per size class.

use super::size::CLASSES;

/// Ids of slots that anybody may have. Where memory can be given back, they hold none.
pub(super) struct Shelf {
    /// Per class: the ids.
    idle: [Vec<usize>; CLASSES],
}

impl Shelf {
    /// An empty one.
    pub(super) const fn new() -> Self {
        Self { idle: [const { Vec::new() }; CLASSES] }
    }

    /// Takes a slot.
    pub(super) fn take(&mut self, class: u8) -> Option<usize> {
        self.idle[class as usize].pop()
    }

    /// Keeps slots that no thread wants any more. False if there is no memory to note them in: then
    /// they stay with the caller.
    pub(super) fn keep(&mut self, class: u8, slots: &[usize]) -> bool {
        let idle = &mut self.idle[class as usize];
        let room = idle.try_reserve(slots.len()).is_ok();
        if room {
            idle.extend_from_slice(slots);
        }
        room
    }

    /// Number of slots of this class.
    pub(super) fn idle(&self, class: u8) -> usize {
        self.idle[class as usize].len()
    }
}
