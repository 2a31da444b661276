//! One word per thread, shared by all coroutines of the thread: what the rooms above find their own
//! affairs by.
//!
//! A coroutine shares its thread's locals, so the word is an ordinary thread-local: a switch neither
//! saves nor restores it. Whoever sets it puts it back. Under Miri, where each coroutine has a system
//! thread of its own, every switch hands it over (see `threads`), so that it is one word there too.

use std::cell::Cell;
use std::ptr;

thread_local! {
    /// The word. It has no destructor, so it can be read as long as the thread runs anything.
    static ANCHOR: Cell<*const ()> = const { Cell::new(ptr::null()) };
}

/// This thread's word; null until one is set.
#[inline(always)]
pub(crate) fn anchor() -> *const () {
    ANCHOR.get()
}

/// Sets this thread's word.
#[inline(always)]
pub(crate) fn set_anchor(word: *const ()) {
    ANCHOR.set(word);
}
