//! The library's room `wait`, but for the fence: loom knows none that costs one side nothing, so that both sides
//! have an ordinary one.

#[path = "../../src/wait/bond.rs"]
mod bond;
#[path = "../../src/wait/errand.rs"]
mod errand;
#[path = "../../src/wait/held.rs"]
mod held;
#[path = "../../src/wait/gate.rs"]
mod gate;
#[path = "../../src/wait/lock.rs"]
mod lock;
#[path = "../../src/wait/operation.rs"]
mod operation;
#[path = "../../src/wait/queue.rs"]
mod queue;
#[path = "../../src/wait/several.rs"]
mod several;
#[path = "../../src/wait/sleeper.rs"]
mod sleeper;

pub use bond::Scope;
pub(crate) use bond::lend_abroad;
pub(crate) use errand::{Asked, Runs, Work, errand, refuse, start};
pub(crate) use gate::{Giver, Taker, gate};
pub(crate) use held::Held;
pub(crate) use lock::Locked;
pub(crate) use operation::{Asker, Attempt, Operation};
pub(crate) use queue::Queue;
pub(crate) use several::{AnyArm, OperationArm, Watched, choose};
pub(crate) use sleeper::Woken;

pub(crate) mod fence {
    //! A fence on both sides.

    use loom::sync::atomic::{Ordering, fence};

    pub(super) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(super) fn heavy() {
        fence(Ordering::SeqCst);
    }

    pub(super) fn is_there() -> bool {
        true
    }

    pub(crate) fn often() {
        light();
    }

    pub(crate) fn rarely() {
        heavy();
    }
}
