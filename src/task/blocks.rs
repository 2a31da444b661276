//! Memory for what goes between tasks: gates, and tasks that nobody has started.
//!
//! They are made and freed with every task, mostly on the same thread, and often a thousand at a time, where the
//! allocator has to search. So each loop keeps blocks of two sizes, and gives a block that is freed on its thread to the
//! next one that is needed there. What is larger, and what is made or freed on a thread without a loop, goes to the
//! allocator; a block may be made on one thread and freed on another.

#![allow(unsafe_code, reason = "keeps memory without its type")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ops::Deref;
use std::ptr::{self, NonNull};

use super::home::Home;

/// Bytes of a small block, which a gate for a few words takes; and of a large one, for most errands.
const SIZES: [usize; 2] = [112, 256];
/// How a block is aligned.
const ALIGN: usize = 16;

/// What a block of such a size is to the allocator.
const fn layout(size: usize) -> Layout {
    match Layout::from_size_align(SIZES[size], ALIGN) {
        Ok(layout) => layout,
        Err(_) => panic!("a power of two"),
    }
}

/// Blocks of each size that one loop keeps, at most: a megabyte and a half.
const MOST: usize = 4096;

/// A block that is free.
struct Free {
    /// The next one.
    next: *mut Free,
}

/// The blocks that one loop keeps.
pub(super) struct Blocks {
    /// Those of each size.
    sizes: [List; SIZES.len()],
}

/// Blocks of one size.
struct List {
    /// The first; null if there is none.
    first: Cell<*mut Free>,
    /// How many there are.
    many: Cell<usize>,
}

impl Blocks {
    /// None.
    pub(super) const fn new() -> Self {
        Self { sizes: [const { List::new() }; SIZES.len()] }
    }

    /// Gives all of them back.
    pub(super) fn clear(&self) {
        for (size, list) in self.sizes.iter().enumerate() {
            while let Some(block) = list.pop() {
                // SAFETY: allocated in `reserve`, with this layout.
                unsafe { dealloc(block.as_ptr(), layout(size)) };
            }
        }
    }
}

impl List {
    /// None.
    const fn new() -> Self {
        Self { first: Cell::new(ptr::null_mut()), many: Cell::new(0) }
    }

    /// Takes one.
    #[inline(always)]
    fn pop(&self) -> Option<NonNull<u8>> {
        let first = NonNull::new(self.first.get())?;
        // SAFETY: what is in the list is a free block, whose first word `push` wrote.
        self.first.set(unsafe { first.as_ref() }.next);
        self.many.set(self.many.get() - 1);
        Some(first.cast())
    }

    /// Keeps one. False if there are enough.
    #[inline(always)]
    fn push(&self, block: NonNull<u8>) -> bool {
        if self.many.get() == MOST {
            return false;
        }
        let block = block.cast::<Free>();
        // SAFETY: a block that nobody uses, large enough and aligned for this.
        unsafe { block.write(Free { next: self.first.get() }) };
        self.first.set(block.as_ptr());
        self.many.set(self.many.get() + 1);
        true
    }
}

/// Whether blocks are kept. Not where a checker looks at what is freed: it would see nothing of what is kept.
const KEEPS: bool = cfg!(not(any(miri, feature = "sanitizer")));

/// Which size of block a value of this type lies in, if any.
const fn size_for<T>() -> Option<usize> {
    let mut size = 0;
    while size < SIZES.len() {
        if KEEPS && size_of::<T>() <= SIZES[size] && align_of::<T>() <= ALIGN {
            return Some(size);
        }
        size += 1;
    }
    None
}

/// What the memory for a value is to the allocator.
const fn layout_for<T>() -> Layout {
    match size_for::<T>() {
        Some(size) => layout(size),
        None => Layout::new::<T>(),
    }
}

/// Memory for a value.
#[inline(always)]
fn reserve<T>() -> NonNull<T> {
    if let Some(size) = const { size_for::<T>() } {
        if let Some(block) = Home::here().and_then(|home| home.blocks().sizes[size].pop()) {
            return block.cast();
        }
    }
    allocate(const { layout_for::<T>() }).cast()
}

/// The same from the allocator.
#[cold]
#[inline(never)]
fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: neither blocks nor what is too large for them have no size.
    NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}

/// A value in a block of its own, or in memory of its own if it is too large: a box that costs less to make and to drop.
pub(crate) struct Kept<T>(NonNull<T>);

impl<T> Kept<T> {
    /// Room for a value, to be written before anything else. It stays there until [`from_raw`](Self::from_raw) and a drop.
    /// First the room and then the value: what is made elsewhere would have to be moved.
    #[inline(always)]
    pub(crate) fn room() -> NonNull<T> {
        const { assert!(size_of::<T>() > 0) };
        reserve::<T>()
    }

    /// Takes back what was written into such a room.
    ///
    /// # Safety
    /// It was written, and not taken back, and nobody else refers to it.
    #[inline(always)]
    pub(crate) unsafe fn from_raw(place: NonNull<T>) -> Self {
        Self(place)
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: `from_raw` has the promise.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Drop for Kept<T> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: `from_raw` has the promise.
        unsafe { ptr::drop_in_place(self.0.as_ptr()) };
        let block = self.0.cast();
        if let Some(size) = const { size_for::<T>() } {
            if Home::here().is_some_and(|home| home.blocks().sizes[size].push(block)) {
                return;
            }
        }
        // SAFETY: `reserve` allocated it with this layout, whichever thread that was on.
        unsafe { dealloc(block.as_ptr(), const { layout_for::<T>() }) };
    }
}
