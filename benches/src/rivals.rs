//! The rivals' event loops, each set up as its users would for a single thread.

use async_executor::LocalExecutor;
use futures_lite::future::block_on;
use std::future::{Future, poll_fn};
use std::task::{Poll, Waker};

/// tokio's loop on the current thread. Without its timers, which would cost time where no task waits
/// for one.
pub fn tokio() -> tokio::runtime::Runtime {
    let built = tokio::runtime::Builder::new_current_thread().build();
    built.expect("a loop on this thread")
}

/// tokio's loop on the current thread, with its timers.
pub fn tokio_with_timers() -> tokio::runtime::Runtime {
    let built = tokio::runtime::Builder::new_current_thread().enable_time().build();
    built.expect("a loop on this thread")
}

/// Runs tasks of tokio's: `main` is one too, so that it waits its turn like the others.
pub fn on_tokio<T: Send + 'static>(
    runtime: &tokio::runtime::Runtime,
    main: impl Future<Output = T> + Send + 'static,
) -> T {
    runtime.block_on(async { tokio::spawn(main).await }).expect("it does not panic")
}

/// Runs tasks of async-executor's: `main` is one too.
pub fn on_async_executor<T: 'static>(
    executor: &LocalExecutor<'static>,
    main: impl Future<Output = T> + 'static,
) -> T {
    block_on(executor.run(executor.spawn(main)))
}

/// Makes may start one worker, and no more, as the others have one thread.
pub fn one_worker_of_may() {
    may::config().set_workers(1);
}

/// Pauses the task until its waker, which `leave` gets, is used.
pub async fn pause_once(leave: impl FnOnce(Waker)) {
    let mut leave = Some(leave);
    poll_fn(|context| match leave.take() {
        Some(leave) => {
            leave(context.waker().clone());
            Poll::Pending
        }
        None => Poll::Ready(()),
    })
    .await
}

/// The numbers below `count` in an order that is always the same and looks like none.
pub fn shuffled(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for last in (1..count).rev() {
        // xorshift64
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        order.swap(last, (random % (last as u64 + 1)) as usize);
    }
    order
}
