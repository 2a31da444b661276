//! A value on its way from one stack to another: in a register if it fits, else left where it lies
//! until the other side reads it.

#![allow(unsafe_code, reason = "moves values through an untyped word")]

use std::mem::{self, ManuallyDrop, MaybeUninit};
use std::ptr;

/// What a register carries: the value itself, or its address.
pub(crate) type Word = MaybeUninit<usize>;

/// Packs a value. It is moved: it must not be used here any more, and has to stay where it is until
/// [`unpack`] has been called.
#[inline(always)]
pub(crate) fn pack<T>(value: &mut ManuallyDrop<T>) -> Word {
    if const { size_of::<T>() <= size_of::<Word>() } {
        let mut word = Word::uninit();
        // SAFETY: the bytes of the value fit into the word; the caller gives the value up.
        unsafe {
            let value = ptr::from_mut(value).cast::<T>().read();
            word.as_mut_ptr().cast::<T>().write_unaligned(value);
        }
        word
    } else if cfg!(miri) {
        // SAFETY: a word has room for an address. As a pointer, so that Miri knows what it may reach;
        // natively a number makes shorter code.
        unsafe { mem::transmute::<*mut T, Word>(ptr::from_mut(value).cast::<T>()) }
    } else {
        Word::new(ptr::from_mut(value).expose_provenance())
    }
}

/// Takes the value out.
///
/// # Safety
/// The word comes from [`pack`] for the same type, and is unpacked once.
#[inline(always)]
pub(crate) unsafe fn unpack<T>(word: Word) -> T {
    // SAFETY: the caller's promise: the word holds the value, or the address where it lies.
    unsafe {
        if const { size_of::<T>() <= size_of::<Word>() } {
            word.as_ptr().cast::<T>().read_unaligned()
        } else if cfg!(miri) {
            mem::transmute::<Word, *mut T>(word).read()
        } else {
            ptr::with_exposed_provenance::<T>(word.assume_init()).read()
        }
    }
}
