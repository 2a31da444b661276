//! Stacks for Miri: the top of a slot, on the heap. Frames do not lie there, see the coroutine room's
//! `threads`; so there is no guard, nothing to measure, and a slot of any class is one page.
//!
//! A slot that is given back gets fresh memory. Whoever looks at a coroutine's record after its end is
//! found out, which natively it would not be: there the stack stays mapped.

#![allow(unsafe_code, reason = "hands out raw memory as stacks")]

use std::alloc::{Layout, alloc, dealloc};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::shelf::Shelf;
use super::size::GUARD;
use super::{Guards, SpawnError};

/// Bytes of a slot that are there. What is written above the frames takes less than half of it.
const LEN: usize = 4096;
/// As the tops of native slots are: at a cache line.
const LAYOUT: Layout = match Layout::from_size_align(LEN, 64) {
    Ok(layout) => layout,
    Err(_) => unreachable!(),
};

/// The slots that no coroutine has.
pub(crate) struct Depot {
    /// Idle slots.
    pub(super) shelf: Shelf,
}

/// See [`Depot`].
static DEPOT: Mutex<Depot> = Mutex::new(Depot { shelf: Shelf::new() });

/// Locks the depot.
pub(crate) fn depot() -> MutexGuard<'static, Depot> {
    DEPOT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The memory of a slot.
struct Memory {
    /// Its lowest byte.
    start: *mut u8,
    /// Size class of the slot.
    class: u8,
}

// SAFETY: an address; who may use the memory is the pool's affair.
unsafe impl Send for Memory {}

impl Memory {
    /// Fresh memory.
    fn new(class: u8) -> Self {
        // SAFETY: the layout has a size.
        let start = unsafe { alloc(LAYOUT) };
        assert!(!start.is_null(), "Miri has run out of memory");
        Self { start, class }
    }
}

/// All slots; a slot's id is its place here.
static MADE: Mutex<Vec<Memory>> = Mutex::new(Vec::new());

/// Locks the list of all slots. Nothing but this module's own code runs under the lock.
fn made() -> MutexGuard<'static, Vec<Memory>> {
    MADE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Depot {
    /// Makes a new slot.
    pub(crate) fn cut(&mut self, class: u8) -> Result<usize, SpawnError> {
        let mut made = made();
        made.push(Memory::new(class));
        Ok(made.len() - 1)
    }
}

/// The slot that this address lies in: its id and its class.
pub(crate) fn slot_at(address: usize) -> Option<(usize, u8)> {
    let made = made();
    let id = made.iter().position(|memory| address.wrapping_sub(memory.start.addr()) < LEN)?;
    Some((id, made[id].class))
}

/// The memory at an address in a slot.
pub(super) fn memory_at(address: usize) -> *mut u8 {
    let (id, _) = slot_at(address).expect("only addresses in slots are looked up");
    made()[id].start.with_addr(address)
}

/// Lowest and highest usable address of a slot.
pub(crate) fn bounds(id: usize, _class: u8) -> (usize, usize) {
    let low = made()[id].start.addr();
    (low, low + LEN)
}

/// Bytes of address space, reservations, slots made.
pub(crate) fn totals() -> (usize, usize, usize) {
    let many = made().len();
    (many * LEN, many, many)
}

/// Bytes in a page.
pub(crate) fn page_size() -> usize {
    LEN
}

/// Bytes of guard that are spoken of.
pub(crate) fn standard_guard() -> usize {
    GUARD
}

/// There are no guards to be resized.
///
/// # Safety
/// None.
pub(crate) unsafe fn resize_guard(_low: usize, _wide: usize, _widen: bool) -> io::Result<()> {
    Ok(())
}

/// How guards are made, or rather spoken of.
pub(crate) fn kind() -> Option<Guards> {
    Some(Guards::Protected)
}

/// Nothing is left to decide.
pub(crate) fn decide(kind: Guards) -> bool {
    kind == Guards::Protected
}

/// Exchanges the memory of an idle slot for fresh memory.
///
/// # Safety
/// Nobody uses the slot that begins at `low`.
pub(crate) unsafe fn give_back(low: usize, _len: usize) {
    let mut made = made();
    if let Some(memory) = made.iter_mut().find(|memory| memory.start.addr() == low) {
        let old = std::mem::replace(memory, Memory::new(memory.class));
        // SAFETY: it was allocated with this layout, and the caller promises the rest.
        unsafe { dealloc(old.start, LAYOUT) };
    }
}

/// Does nothing: stacks are not measured here.
///
/// # Safety
/// None.
pub(crate) unsafe fn zero(_low: usize, _high: usize) {}
