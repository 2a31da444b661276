//~ ok
//! What is for other threads can be sent to them and shared with them.

use std::cell::Cell;

use segno::{
    CancelHandle, CancelReason, Cancelled, Current, Elapsed, External, JoinError, JoinHandle,
    LoopClosed, LoopHandle, RunError, TaskId, TaskLocal, Waker,
};

fn check<T: Send + Sync>() {}
fn sent<T: Send>() {}

fn main() {
    check::<Waker>();
    check::<std::task::Waker>();
    check::<LoopHandle>();
    check::<CancelHandle>();
    check::<External>();
    check::<CancelReason>();
    check::<JoinError>();
    check::<RunError>();
    check::<(Cancelled, Elapsed, LoopClosed)>();
    check::<(Current, TaskId)>();
    check::<JoinHandle<u8>>();
    check::<TaskLocal<std::rc::Rc<u8>>>(); // the key; its values stay with their tasks
    sent::<JoinHandle<Cell<u8>>>();
}
