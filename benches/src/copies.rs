//! One loop, compiled several times at different places in the binary.
//!
//! A loop around a switch takes 2 ns or 4 by where its code happens to lie, and one that takes 2
//! may fall into a spell of 4, so a single copy measures the linker's mood. Every contender is
//! therefore compiled [`COUNT`] times, its own side of the switch and the resumer's, each copy
//! shifted by a few bytes, and the copies compete: the fastest stands for the contender. Floors,
//! rivals and Segno are all treated so, but for those that need a thread of their own, as may does, and for scripts.

use core::arch::asm;

/// How many copies of each loop there are: sixteen bytes apart they fill two cache lines. With the
/// feature `once` there is one, which builds in a fraction of the time and measures nothing.
pub const COUNT: usize = if cfg!(feature = "once") { 1 } else { 8 };

/// One copy of a loop: does its operation as often as it is told.
pub type Copy = Box<dyn FnMut(u64)>;

/// Moves the code after it by sixteen bytes per copy, and makes no two copies alike, so that none
/// is folded into another. Call it outside the loop: it costs a few empty instructions.
#[inline(always)]
pub fn shift<const COPY: usize>() {
    // SAFETY: empty instructions, which touch neither registers, nor memory, nor the stack.
    unsafe {
        asm!(
            ".rept {times}",
            "nop",
            ".endr",
            times = const COPY * NOPS,
            options(nomem, nostack, preserves_flags)
        )
    }
}

/// Makes no two copies of a function alike, at no cost: for a function that cannot be shifted
/// because it is what is timed. It lies where it falls, but its copies are not folded into one.
#[inline(always)]
pub fn tell_apart<const COPY: usize>() {
    // SAFETY: an assembler comment, no instruction.
    unsafe { asm!("/* {copy} */", copy = const COPY, options(nomem, nostack, preserves_flags)) }
}

/// Sixteen bytes of empty instructions: one byte each on x86, four elsewhere.
const NOPS: usize = if cfg!(any(target_arch = "x86", target_arch = "x86_64")) { 16 } else { 4 };

/// All copies of a loop, from the name of the generic function that builds one of them. Types and
/// constants that the function wants before the number of the copy follow its name, each of one word
/// or in brackets; after a semicolon come its arguments.
///
/// ```
/// use segno_benches::copies::{self, shift};
///
/// fn count<const COPY: usize>() -> impl FnMut(u64) {
///     |times| {
///         shift::<COPY>();
///         (0..times).for_each(|i| drop(std::hint::black_box(i)));
///     }
/// }
/// let copies: Vec<copies::Copy> = segno_benches::copies!(count);
/// assert_eq!(copies.len(), copies::COUNT);
/// ```
#[cfg(not(feature = "once"))]
#[macro_export]
macro_rules! copies {
    ($build:ident $(, $generic:tt)* $(; $($argument:expr),+)?) => {
        vec![
            Box::new($build::<$($generic,)* 0>($($($argument),+)?)) as $crate::copies::Copy,
            Box::new($build::<$($generic,)* 1>($($($argument),+)?)),
            Box::new($build::<$($generic,)* 2>($($($argument),+)?)),
            Box::new($build::<$($generic,)* 3>($($($argument),+)?)),
            Box::new($build::<$($generic,)* 4>($($($argument),+)?)),
            Box::new($build::<$($generic,)* 5>($($($argument),+)?)),
            Box::new($build::<$($generic,)* 6>($($($argument),+)?)),
            Box::new($build::<$($generic,)* 7>($($($argument),+)?)),
        ]
    };
}

/// The same, for a run as a test.
#[cfg(feature = "once")]
#[macro_export]
macro_rules! copies {
    ($build:ident $(, $generic:tt)* $(; $($argument:expr),+)?) => {
        vec![Box::new($build::<$($generic,)* 0>($($($argument),+)?)) as $crate::copies::Copy]
    };
}
