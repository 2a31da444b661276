//! Idle stacks: a list per thread and size class, last in first out; and what happens to them when
//! the thread ends, when memory runs short, and when the user asks for it back.
//!
//! The lists are outside the stacks, so that an idle stack's memory can be given back whole. A
//! coroutine never changes thread, so its slot returns to the list it came from and no lock is
//! taken; only cutting a new slot, and a thread's end, go to the [`Depot`](super::slab::Depot).
//!
//! Invariants: no user code runs while a list is borrowed (nothing here drops or calls anything of
//! the user's), and a list never grows inside [`put`]: room for every slot that this thread ever
//! took was made when it took it, so that releasing a stack cannot fail.

#![allow(unsafe_code, reason = "the thread's lists are reached through an UnsafeCell")]

use std::cell::UnsafeCell;
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
    /// Per class: how many of the coldest slots are known to hold no memory.
    clean: [usize; CLASSES],
    /// Per class: slots that this thread took from the depot, so that `idle` has room for all.
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
            clean: [0; CLASSES],
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

/// Runs `f` on this thread's lists; `None` when the thread is ending and they are gone.
#[inline]
fn with_lists<R>(f: impl FnOnce(&mut Lists) -> R) -> Option<R> {
    // SAFETY: the closures in this file neither call user code nor this function, so the reference
    // is the only one; it ends with the call.
    LISTS.try_with(|lists| f(unsafe { &mut *lists.get() })).ok()
}

impl Lists {
    /// Tells other threads how many are idle.
    #[inline]
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
#[inline]
pub(super) fn take(class: u8) -> Option<Slot> {
    let id = with_lists(|lists| {
        let id = lists.idle[class as usize].pop()?;
        lists.publish(-1);
        Some(id)
    })??;
    Some(Slot::at(id, class))
}

/// Gets a slot when this thread has none idle: from ended threads, or a new one.
#[cold]
pub(super) fn refill(class: u8) -> Result<Slot, SpawnError> {
    prepare_thread();
    let mut idle = slab::depot().take_idle(class, TAKE_OVER);
    if let Some(id) = idle.pop() {
        let here = with_lists(|lists| {
            lists.make_room(class, idle.len() + 1);
            lists.publish(idle.len() as isize);
            lists.idle[class as usize].append(&mut idle);
        });
        if here.is_none() {
            slab::depot().keep(class, idle);
        }
        return Ok(Slot::at(id, class));
    }
    let fresh = slab::depot().cut(class);
    let (id, class) = match fresh {
        Ok(id) => (id, class),
        // Out of memory, of address space or of mappings: give back what is idle and try again.
        Err(_) => {
            trim();
            let again = slab::depot().cut(class);
            match again {
                Ok(id) => (id, class),
                // An idle stack that is larger than needed is better than none.
                Err(error) => return larger(class).ok_or(error),
            }
        }
    };
    with_lists(|lists| lists.make_room(class, 1));
    Ok(Slot::at(id, class))
}

/// An idle slot of a larger class, from this thread or from ended ones.
fn larger(class: u8) -> Option<Slot> {
    (class + 1..CLASSES as u8).find_map(|class| {
        take(class).or_else(|| {
            let id = slab::depot().take_idle(class, 1).pop()?;
            with_lists(|lists| lists.make_room(class, 1));
            Some(Slot::at(id, class))
        })
    })
}

impl Lists {
    /// Makes room for slots that will be put here one day.
    fn make_room(&mut self, class: u8, more: usize) {
        let class = class as usize;
        self.taken[class] += more;
        let idle = &mut self.idle[class];
        idle.reserve(self.taken[class] - idle.len());
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
#[inline]
pub(super) fn put(slot: Slot) {
    let kept = with_lists(|lists| {
        let class = slot.class as usize;
        lists.clean[class] = lists.clean[class].min(lists.idle[class].len());
        lists.idle[class].push(slot.id);
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
    unsafe { slab::give_back(slot.low, slot_len(slot.class)) };
    slab::depot().keep(slot.class, [slot.id]);
}

impl Drop for Lists {
    fn drop(&mut self) {
        for class in 0..CLASSES as u8 {
            let idle = mem::take(&mut self.idle[class as usize]);
            if idle.is_empty() {
                continue;
            }
            give_back(class, &idle[self.clean[class as usize].min(idle.len())..]);
            slab::depot().keep(class, idle);
        }
        if let Some(count) = self.count.take() {
            COUNTS
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|other| !Arc::ptr_eq(other, &count));
        }
    }
}

/// Gives the memory of idle stacks back to the operating system. Returns how many stacks were
/// looked at.
///
/// Covers this thread's idle stacks and those that ended threads left; stacks in use are not
/// touched. The coldest lose everything; the 16 that were used last keep their top 16 KiB, because
/// they will be wanted next. Costs a system call per run of neighbouring stacks, so call it when
/// there is nothing else to do.
///
/// ```
/// let many: Vec<_> = (0..100)
///     .map(|_| segno::Coroutine::new(|co: &segno::Pauser<(), ()>, ()| co.pause(())))
///     .collect();
/// drop(many);
/// assert!(segno::stack::trim() >= 100 - 16);
/// ```
pub fn trim() -> usize {
    let mut trimmed = 0;
    for class in 0..CLASSES as u8 {
        let index = class as usize;
        // The list is out of its place meanwhile, so that no reference to it is held while memory
        // is allocated below.
        let Some((mut idle, clean)) = with_lists(|lists| {
            (mem::take(&mut lists.idle[index]), mem::take(&mut lists.clean[index]))
        }) else {
            return trimmed;
        };
        if !idle.is_empty() {
            let warm = idle.len().saturating_sub(KEEP_WARM);
            let clean = clean.min(warm);
            give_back(class, &idle[clean..warm]);
            for &id in &idle[warm..] {
                let slot = Slot::at(id, class);
                // SAFETY: the slot is idle: nobody uses it.
                unsafe { slab::give_back(slot.low, slot_len(class) - KEEP_TOP) };
            }
            trimmed += idle.len() - clean;
            with_lists(|lists| {
                idle.append(&mut lists.idle[index]);
                lists.idle[index] = idle;
                lists.clean[index] = warm;
            });
        }
    }
    trimmed
}

/// Gives back the memory of these slots, a call per run of neighbours.
fn give_back(class: u8, ids: &[usize]) {
    let len = slot_len(class);
    let mut lows: Vec<usize> = ids.iter().map(|&id| Slot::at(id, class).low).collect();
    lows.sort_unstable();
    for run in lows.chunk_by(|a, b| a + len == *b) {
        // SAFETY: the slots are idle: nobody uses them, and what lies between is theirs too.
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
    (idle + slab::depot().idle(), LEAKED.load(Ordering::Relaxed))
}
