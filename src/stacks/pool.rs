//! Idle stacks: a list per thread and size class, last in first out; and what happens to them when
//! the thread ends, when memory runs short, and when the user asks for it back.
//!
//! ```text
//!            cut                     refill               take
//!   slab ----------> [thread's list] <------ [depot]   list -----> coroutine
//!                          |   ^                ^                      |
//!                          |   +----------------|------- put ----------+
//!                          +-- trim, thread end +
//! ```
//!
//! The lists are outside the stacks, so that an idle stack's memory can be given back whole. A
//! coroutine never changes thread, so its slot returns to the list it came from and no lock is
//! taken; only cutting a new slot, trimming and a thread's end go to the
//! [`Depot`](super::slab::Depot). Slots in the depot hold no memory and are there for every thread.
//!
//! Invariants: no user code runs while a list is borrowed (nothing here drops or calls anything of
//! the user's); a list never grows inside [`put`], because room for every slot that this thread took
//! was made when it took it, so that releasing a stack cannot fail; and nothing on the way to an
//! error allocates without asking first, because that way is taken when memory has run out.

#![allow(unsafe_code, reason = "the thread's lists are reached through an UnsafeCell")]

use std::cell::UnsafeCell;
use std::collections::TryReserveError;
use std::io;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::size::CLASSES;
use super::{Slot, SpawnError, slab, slot_len};

/// How many of a class's idle slots keep their top memory when the others are trimmed.
const KEEP_WARM: usize = 16;
/// Bytes at the top of a warm slot that trimming leaves: most coroutines need no more.
const KEEP_TOP: usize = 16 * 1024;
/// How many slots of ended threads are taken over at once.
const TAKE_OVER: usize = 64;

/// This thread's idle stacks.
struct Lists {
    /// Per class: ids of idle slots, the most recently used last.
    idle: [Vec<usize>; CLASSES],
    /// Per class: slots that this thread took from the depot and has not given back, so that `idle`
    /// has room for all.
    taken: [usize; CLASSES],
    /// Number of idle slots, for other threads to read; made with the first slot.
    count: Option<Arc<AtomicUsize>>,
    /// This thread's alternate signal stack, if it had none.
    #[cfg(unix)]
    signal_stack: Option<super::overflow::SignalStack>,
}

thread_local! {
    /// See [`Lists`]. Only reached through [`with_lists`].
    static LISTS: UnsafeCell<Lists> = const {
        UnsafeCell::new(Lists {
            idle: [const { Vec::new() }; CLASSES],
            taken: [0; CLASSES],
            count: None,
            #[cfg(unix)]
            signal_stack: None,
        })
    };
}

/// The idle counts of all threads that live.
static COUNTS: Mutex<Vec<Arc<AtomicUsize>>> = Mutex::new(Vec::new());
/// Stacks that will never be used again.
static LEAKED: AtomicUsize = AtomicUsize::new(0);

/// Runs `f` on this thread's lists; `None` when the thread is ending and they are gone, and under Miri,
/// where the coroutines of a thread have a thread each (see the coroutine room's `threads`).
#[inline(always)]
fn with_lists<R>(f: impl FnOnce(&mut Lists) -> R) -> Option<R> {
    if cfg!(miri) {
        return None;
    }
    // SAFETY: the closures in this file neither call user code nor this function, so the reference
    // is the only one; it ends with the call.
    LISTS.try_with(|lists| f(unsafe { &mut *lists.get() })).ok()
}

impl Lists {
    /// Tells other threads how many are idle.
    #[inline(always)]
    fn publish(&self, change: isize) {
        if let Some(count) = &self.count {
            // Only this thread writes, so a plain addition is enough. Relaxed: a statistic.
            count.store(
                count.load(Ordering::Relaxed).wrapping_add_signed(change),
                Ordering::Relaxed,
            );
        }
    }
}

/// Takes the idle slot that was used last, if there is one.
#[inline(always)]
pub(super) fn take(class: u8) -> Option<Slot> {
    let id = with_lists(|lists| {
        let id = lists.idle[class as usize].pop()?;
        lists.publish(-1);
        Some(id)
    })??;
    Some(Slot::at(id, class))
}

/// Gets a slot when this thread has none idle: from the depot, or a new one.
#[cold]
pub(super) fn refill(class: u8) -> Result<Slot, SpawnError> {
    prepare_thread();
    if let Some(slot) = take_over(class, TAKE_OVER) {
        return Ok(slot);
    }
    // Room first: a slot that could not be put back one day is not cut.
    if let Some(Err(_)) = with_lists(|lists| lists.make_room(class, 1)) {
        let source = io::ErrorKind::OutOfMemory.into();
        return Err(SpawnError::NoMemory { asked: slot_len(class), source });
    }
    let first = slab::depot().cut(class);
    // Out of memory, of address space or of mappings: give back what is idle and try again.
    let cut = first.or_else(|_| {
        trim();
        slab::depot().cut(class)
    });
    match cut {
        Ok(id) => Ok(Slot::at(id, class)),
        Err(error) => {
            with_lists(|lists| lists.taken[class as usize] -= 1);
            // An idle stack that is larger than needed is better than none.
            larger(class).ok_or(error)
        }
    }
}

/// Takes one idle slot from the depot, and some more into this thread's list.
fn take_over(class: u8, most: usize) -> Option<Slot> {
    let mut depot = slab::depot();
    let many = depot.shelf.idle(class).min(most);
    if many == 0 {
        return None;
    }
    with_lists(|lists| {
        // Without room for more, one will do; without room for one, it could not be put back.
        let many = if lists.make_room(class, many).is_ok() {
            many
        } else {
            lists.make_room(class, 1).ok()?;
            1
        };
        let id = depot.shelf.take(class)?;
        for _ in 1..many {
            lists.idle[class as usize].extend(depot.shelf.take(class));
        }
        lists.publish(many as isize - 1);
        Some(Slot::at(id, class))
    })
    // The thread is ending and has no list: what it takes goes back to the depot at once.
    .unwrap_or_else(|| depot.shelf.take(class).map(|id| Slot::at(id, class)))
}

/// An idle slot of a larger class, from this thread or from the depot.
fn larger(class: u8) -> Option<Slot> {
    (class + 1..CLASSES as u8).find_map(|class| take(class).or_else(|| take_over(class, 1)))
}

impl Lists {
    /// Makes room for slots that will be put here one day.
    fn make_room(&mut self, class: u8, more: usize) -> Result<(), TryReserveError> {
        let class = class as usize;
        let idle = &mut self.idle[class];
        idle.try_reserve(self.taken[class] + more - idle.len())?;
        self.taken[class] += more;
        Ok(())
    }
}

/// What a thread needs before its first stack: a count that others can read, a signal stack.
fn prepare_thread() {
    let fresh = with_lists(|lists| lists.count.is_none()) == Some(true);
    if !fresh {
        return;
    }
    #[cfg(unix)]
    let signal_stack = super::overflow::arm();
    let count = Arc::new(AtomicUsize::new(0));
    COUNTS.lock().unwrap_or_else(PoisonError::into_inner).push(count.clone());
    with_lists(|lists| {
        lists.count = Some(count);
        #[cfg(unix)]
        {
            lists.signal_stack = signal_stack;
        }
    });
}

/// Puts a slot on top of this thread's list.
#[inline(always)]
pub(super) fn put(slot: Slot) {
    let kept = with_lists(|lists| {
        lists.idle[slot.class as usize].push(slot.id);
        lists.publish(1);
    });
    if kept.is_none() {
        put_while_thread_ends(slot);
    }
}

/// The lists are gone already: some thread-local destructor ended a coroutine.
#[cold]
fn put_while_thread_ends(slot: Slot) {
    // SAFETY: nobody uses the slot.
    unsafe { slab::give_back(slot.low(), slot_len(slot.class)) };
    if !slab::depot().shelf.keep(slot.class, &[slot.id]) {
        count_leaked(1);
    }
}

impl Drop for Lists {
    fn drop(&mut self) {
        for class in 0..CLASSES as u8 {
            let mut idle = mem::take(&mut self.idle[class as usize]);
            give_back(class, &mut idle);
            if !slab::depot().shelf.keep(class, &idle) {
                count_leaked(idle.len());
            }
        }
        if let Some(count) = self.count.take() {
            COUNTS
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|other| !Arc::ptr_eq(other, &count));
        }
    }
}

/// Gives the memory of this thread's idle stacks back to the operating system. Returns how many
/// stacks it was taken from.
///
/// Stacks in use are not touched. The coldest idle ones lose everything, and any thread may have them
/// next; the 16 of each size that were used last stay with this thread and keep their top 16 KiB.
/// Costs a system call per run of neighbouring stacks, so call it when there is nothing else to do.
/// The library calls it when it runs out of memory, and does the like when a thread ends.
///
/// ```
/// let many: Vec<_> = (0..100)
///     .map(|_| segno::Coroutine::new(|co: &segno::Pauser<(), ()>, ()| co.pause(())))
///     .collect();
/// drop(many);
/// assert!(segno::stack::trim() >= 100);
/// ```
pub fn trim() -> usize {
    let mut trimmed = 0;
    for class in 0..CLASSES as u8 {
        let index = class as usize;
        // The list is out of its place meanwhile, so that no reference to it is held below.
        let Some(mut idle) = with_lists(|lists| mem::take(&mut lists.idle[index])) else { break };
        trimmed += idle.len();
        let cold = idle.len().saturating_sub(KEEP_WARM);
        give_back(class, &mut idle[..cold]);
        for &id in &idle[cold..] {
            // SAFETY: the slot is idle: nobody uses it.
            unsafe { slab::give_back(Slot::at(id, class).low(), slot_len(class) - KEEP_TOP) };
        }
        let shared = slab::depot().shelf.keep(class, &idle[..cold]);
        if shared {
            idle.drain(..cold);
        }
        with_lists(|lists| {
            if shared {
                lists.taken[index] -= cold;
                lists.publish(-(cold as isize));
            }
            idle.append(&mut lists.idle[index]);
            lists.idle[index] = idle;
        });
    }
    trimmed
}

/// Gives back the memory of these slots, a call per run of neighbours. Sorts them.
fn give_back(class: u8, ids: &mut [usize]) {
    if cfg!(not(unix)) {
        return;
    }
    let len = slot_len(class);
    ids.sort_unstable();
    // Here a slot's id is its lowest address.
    for run in ids.chunk_by(|a, b| a + len == *b) {
        // SAFETY: the slots are idle: nobody uses them, and they are neighbours.
        unsafe { slab::give_back(run[0], run.len() * len) };
    }
}

/// Counts stacks that are never given back.
pub(super) fn count_leaked(stacks: usize) {
    LEAKED.fetch_add(stacks, Ordering::Relaxed);
}

/// Idle stacks on all threads and in the depot; leaked ones.
pub(super) fn totals() -> (usize, usize) {
    let counts = COUNTS.lock().unwrap_or_else(PoisonError::into_inner);
    let idle: usize = counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
    let depot = slab::depot();
    let shared: usize = (0..CLASSES as u8).map(|class| depot.shelf.idle(class)).sum();
    (idle + shared, LEAKED.load(Ordering::Relaxed))
}
