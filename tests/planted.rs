//! A bug on a coroutine's stack that the memory checkers have to see; only built to try them.
//!
//! A checker that does not follow a switch of stacks stays green over anything that happens there.
//! `RUSTFLAGS="--cfg planted_asan"` or `"--cfg planted_valgrind"` builds this.

#![cfg(any(planted_asan, planted_valgrind))]
#![allow(unsafe_code, reason = "the bug")]

use segno::{Coroutine, Pauser};

#[test]
fn reads_what_it_freed_while_another_coroutine_ran() {
    let mut co = Coroutine::new(|co: &Pauser<u8, ()>, first: u8| {
        let kept = Box::new(first);
        let dangling = &raw const *kept;
        co.pause(());
        drop(kept);
        co.pause(());
        // SAFETY: none; that is the point.
        std::hint::black_box(unsafe { dangling.read_volatile() })
    });
    co.resume(1);
    co.resume(2);
    co.resume(3);
}
