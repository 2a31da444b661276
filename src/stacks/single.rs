//! Stacks on systems that manage them themselves (Windows): one of corosensei's per slot.
//!
//! Windows grows a stack page by page through a guard page that the kernel moves, and keeps its
//! bounds in the thread's own block; corosensei's `DefaultStack` does all of that. So there are no
//! slabs here: a slot is a `DefaultStack` that is kept for reuse and never freed.

#![allow(unsafe_code, reason = "hands out raw memory as stacks")]

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use corosensei::stack::{DefaultStack, Stack};

use super::shelf::Shelf;
use super::size::{GUARD, slot_len};
use super::{Guards, SpawnError};

/// Bytes of address space in stacks, for the statistics.
static RESERVED: AtomicUsize = AtomicUsize::new(0);
/// Number of stacks made, for the statistics.
static MADE: AtomicUsize = AtomicUsize::new(0);

/// The slots that belong to no thread. One for the process.
pub(crate) struct Depot {
    /// Idle slots.
    pub(super) shelf: Shelf,
    /// Every stack by its lowest address: where it ends, its id, its class.
    made: BTreeMap<usize, (usize, usize, u8)>,
}

/// See [`Depot`].
static DEPOT: Mutex<Depot> = Mutex::new(Depot { shelf: Shelf::new(), made: BTreeMap::new() });

/// Locks the depot.
pub(crate) fn depot() -> MutexGuard<'static, Depot> {
    DEPOT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Depot {
    /// Makes a new stack. Its id is the address of the leaked `DefaultStack`.
    pub(crate) fn cut(&mut self, class: u8) -> Result<usize, SpawnError> {
        let asked = slot_len(class);
        let stack = DefaultStack::new(asked - GUARD)
            .map_err(|source| SpawnError::NoMemory { asked, source })?;
        RESERVED.fetch_add(asked, Ordering::Relaxed);
        MADE.fetch_add(1, Ordering::Relaxed);
        let (low, high) = (stack.limit().get(), stack.base().get());
        let id = Box::into_raw(Box::new(stack)) as usize;
        self.made.insert(low, (high, id, class));
        Ok(id)
    }
}

/// The stack that this address lies in: its id and its class.
pub(crate) fn slot_at(address: usize) -> Option<(usize, u8)> {
    let depot = depot();
    let (_, &(high, id, class)) = depot.made.range(..=address).next_back()?;
    (address < high).then_some((id, class))
}

/// The system stack behind this id.
pub(crate) fn system_stack(id: usize) -> *mut DefaultStack {
    id as *mut DefaultStack
}

/// Lowest and highest usable address of a slot.
pub(crate) fn bounds(id: usize, _class: u8) -> (usize, usize) {
    // SAFETY: ids are addresses of leaked stacks; their bounds never change.
    let stack = unsafe { &*system_stack(id) };
    (stack.limit().get(), stack.base().get())
}

/// Bytes of address space, reservations, stacks made.
pub(crate) fn totals() -> (usize, usize, usize) {
    let made = MADE.load(Ordering::Relaxed);
    (RESERVED.load(Ordering::Relaxed), made, made)
}

/// Bytes in a page.
pub(crate) fn page_size() -> usize {
    4096
}

/// Bytes of guard that every slot has.
pub(crate) fn standard_guard() -> usize {
    GUARD
}

/// Wider guards cannot be had: the system moves the guard itself.
///
/// # Safety
/// None.
pub(crate) unsafe fn resize_guard(_low: usize, _wide: usize, widen: bool) -> io::Result<()> {
    if widen { Err(io::ErrorKind::Unsupported.into()) } else { Ok(()) }
}

/// How guards are made.
pub(crate) fn kind() -> Option<Guards> {
    Some(Guards::System)
}

/// The system has decided.
pub(crate) fn decide(kind: Guards) -> bool {
    kind == Guards::System
}

/// Keeps the memory: pages below the system's moving guard cannot be touched from outside.
///
/// # Safety
/// None.
pub(crate) unsafe fn give_back(_low: usize, _len: usize) {}

/// Does nothing, for the same reason: stacks are not measured here.
///
/// # Safety
/// None.
pub(crate) unsafe fn zero(_low: usize, _high: usize) {}
