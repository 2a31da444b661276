//! Owners: values whose death ends scripts.
//!
//! An owner is dropped wherever its entity is, maybe on another thread, maybe in the middle of a tick: so its
//! drop only leaves its number, and a tick looks for such numbers at every safe point.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The owners of one scheduler that have died and were not seen to have.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    /// Whether there are any. Set with release after the list has grown; read with acquire before it is
    /// taken.
    any: AtomicBool,
    /// Their numbers.
    numbers: Mutex<Vec<u64>>,
}

impl Deaths {
    /// An owner has died.
    fn note(&self, number: u64) {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        self.any.store(true, Ordering::Release);
    }

    /// Whether owners have died.
    #[inline]
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Takes the numbers of those that have died.
    #[cold]
    pub(super) fn take(&self) -> Vec<u64> {
        self.any.swap(false, Ordering::Acquire);
        std::mem::take(&mut self.numbers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What an owner leaves with the scripts that are bound to it.
#[derive(Debug)]
pub(super) struct Bond {
    /// The owner's number; no two of a process have the same.
    pub(super) number: u64,
    /// Whether the owner has died. Relaxed, since nothing else is read because of it.
    dead: AtomicBool,
    /// Where its death is noted.
    deaths: Arc<Deaths>,
}

impl Bond {
    /// Whether the owner has died.
    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Whether the owner belongs to the scheduler that has these deaths.
    pub(super) fn belongs(&self, deaths: &Arc<Deaths>) -> bool {
        Arc::ptr_eq(&self.deaths, deaths)
    }
}

/// Something whose end is the end of scripts: put it into your entity.
///
/// When it is dropped, every script that was spawned with [`Spawn::owner`](super::Spawn::owner) is cancelled,
/// and takes no further step, not even in the tick that is under way. Scripts that those spawned are bound to
/// it, too.
///
/// It may be dropped on any thread. The clean-up happens at the next safe point of a tick.
///
/// ```
/// use segno::script::{Owner, Scripts, Spawn};
///
/// struct Guard { steps: u32, _scripts: Owner }
///
/// let scripts = Scripts::<Vec<Guard>>::new();
/// let owner = Owner::new(&scripts);
/// scripts.spawn_with(Spawn::named("walk").owner(&owner), |s| {
///     loop {
///         s.world()[0].steps += 1; // never without a guard
///         s.next_frame();
///     }
/// });
/// let mut guards = vec![Guard { steps: 0, _scripts: owner }];
/// scripts.tick(&mut guards, 0.1);
/// assert_eq!(guards[0].steps, 1);
/// guards.clear();
/// scripts.tick(&mut guards, 0.1);
/// assert!(scripts.is_empty());
/// ```
pub struct Owner {
    /// What it leaves with its scripts.
    bond: Arc<Bond>,
}

impl Owner {
    /// An owner of scripts of this scheduler.
    pub fn new<W>(scripts: &super::Scripts<W>) -> Self {
        /// The next number. Relaxed: only uniqueness counts.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let deaths = scripts.kernel.deaths.clone();
        Self { bond: Arc::new(Bond { number, dead: AtomicBool::new(false), deaths }) }
    }

    /// What it leaves with its scripts.
    pub(super) fn bond(&self) -> Arc<Bond> {
        self.bond.clone()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.bond.dead.store(true, Ordering::Relaxed);
        self.bond.deaths.note(self.bond.number);
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Owner").field(&self.bond.number).finish()
    }
}
