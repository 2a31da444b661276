//! The loops of this process by their numbers, for handles that have to find one. Only what is rare comes
//! here: cancelling from another thread, and looking whose loop it is.

use std::sync::{Mutex, PoisonError};

use crate::model::sync::Arc;
use crate::task::{Inbox, Message};

/// Loops that have not ended. Few, so a list will do.
static LOOPS: Mutex<Vec<(u64, Arc<Inbox>)>> = Mutex::new(Vec::new());

/// Adds a loop.
pub(crate) fn add(id: u64, inbox: Arc<Inbox>) {
    LOOPS.lock().unwrap_or_else(PoisonError::into_inner).push((id, inbox));
}

/// Takes a loop out.
pub(crate) fn remove(id: u64) {
    let mut loops = LOOPS.lock().unwrap_or_else(PoisonError::into_inner);
    let at = loops.iter().position(|(other, _)| *other == id);
    let removed = at.map(|at| loops.swap_remove(at));
    drop(loops);
    // Its callback's captures are the user's: they drop after the lock is released.
    drop(removed);
}

/// The inbox of a loop; `None` if it has ended.
pub(crate) fn find(id: u64) -> Option<Arc<Inbox>> {
    let loops = LOOPS.lock().unwrap_or_else(PoisonError::into_inner);
    loops.iter().find(|(other, _)| *other == id).map(|(_, inbox)| inbox.clone())
}

/// Tells all loops but this one.
pub(super) fn tell_others(id: u64, message: impl Fn() -> Message) {
    let inboxes: Vec<_> = LOOPS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
        .filter(|(other, _)| *other != id)
        .map(|(_, inbox)| inbox.clone())
        .collect();
    inboxes.iter().for_each(|inbox| inbox.push(message()));
}
