//! A function for each of many things, on as many threads as there are.
//!
//! What there is is halved, and halved again, as a tree of [`join`](super::join)s: first into some pieces for each thread,
//! and then on, wherever another thread has taken a half: that one is free, so there is a use for more pieces. So even
//! work is cut into few pieces, and uneven work into more where it is slow. (Rayon's adaptive splitting, by Stone and
//! Matsakis.)

use std::ops::Range;
use std::panic::Location;

use super::{Pool, here, is_inside, join_in, thread_index};
use crate::task::{Crew, checkpoint};

/// Pieces for each thread to begin with.
const PIECES: usize = 16;

/// Many things, one function for each of which can be run on many threads: slices, vectors and arrays by reference or
/// mutable reference, and ranges of integers.
///
/// It is implemented for those, and cannot be for others.
pub trait Many: sealed::Many<Pieces: sealed::Pieces<One = Self::One>> {
    /// One of them.
    type One;
}

mod sealed {
    //! Keeps others from implementing the trait.

    /// Can be cut into pieces.
    pub trait Many {
        /// What it is cut into.
        type Pieces: Pieces;
        /// Everything, in one piece.
        fn pieces(self) -> Self::Pieces;
    }

    /// A piece, which can be cut further.
    pub trait Pieces: Send + Sized {
        /// One of the things in it.
        type One;
        /// How many there are.
        fn count(&self) -> usize;
        /// The first so many, and the rest.
        fn split(self, at: usize) -> (Self, Self);
        /// One after the other.
        fn each(self) -> impl Iterator<Item = Self::One>;
    }
}

use sealed::Pieces;

impl<'a, T: Sync> Pieces for &'a [T] {
    type One = &'a T;

    fn count(&self) -> usize {
        self.len()
    }

    fn split(self, at: usize) -> (Self, Self) {
        self.split_at(at)
    }

    fn each(self) -> impl Iterator<Item = &'a T> {
        self.iter()
    }
}

impl<'a, T: Send> Pieces for &'a mut [T] {
    type One = &'a mut T;

    fn count(&self) -> usize {
        self.len()
    }

    fn split(self, at: usize) -> (Self, Self) {
        self.split_at_mut(at)
    }

    fn each(self) -> impl Iterator<Item = &'a mut T> {
        self.iter_mut()
    }
}

/// Two of equal length, side by side.
struct Beside<A, B>(A, B);

impl<A: Pieces, B: Pieces> Pieces for Beside<A, B> {
    type One = (A::One, B::One);

    fn count(&self) -> usize {
        self.0.count()
    }

    fn split(self, at: usize) -> (Self, Self) {
        let (a, rest_of_a) = self.0.split(at);
        let (b, rest_of_b) = self.1.split(at);
        (Self(a, b), Self(rest_of_a, rest_of_b))
    }

    fn each(self) -> impl Iterator<Item = Self::One> {
        self.0.each().zip(self.1.each())
    }
}

/// What is a slice, by reference.
macro_rules! slices {
    ($([$($generics:tt)*] $Whole:ty;)*) => {
        $(
            impl<'a, T: Sync, $($generics)*> sealed::Many for &'a $Whole {
                type Pieces = &'a [T];

                fn pieces(self) -> &'a [T] {
                    self
                }
            }

            impl<'a, T: Sync, $($generics)*> Many for &'a $Whole {
                type One = &'a T;
            }

            impl<'a, T: Send, $($generics)*> sealed::Many for &'a mut $Whole {
                type Pieces = &'a mut [T];

                fn pieces(self) -> &'a mut [T] {
                    self
                }
            }

            impl<'a, T: Send, $($generics)*> Many for &'a mut $Whole {
                type One = &'a mut T;
            }
        )*
    };
}
slices! {
    [] [T];
    [] Vec<T>;
    [const N: usize] [T; N];
}

/// Ranges of these integers. Every one of them fits into 128 bits.
macro_rules! ranges {
    ($($Int:ty),*) => {
        $(
            impl sealed::Many for Range<$Int> {
                type Pieces = Self;

                fn pieces(self) -> Self {
                    self
                }
            }

            impl Many for Range<$Int> {
                type One = $Int;
            }

            impl Pieces for Range<$Int> {
                type One = $Int;

                fn count(&self) -> usize {
                    let count = self.end as i128 - self.start as i128;
                    // More than a `usize` can count is never done; it is cut all the same.
                    usize::try_from(count.max(0)).unwrap_or(usize::MAX)
                }

                fn split(self, at: usize) -> (Self, Self) {
                    let middle = (self.start as i128 + at as i128) as $Int;
                    (self.start..middle, middle..self.end)
                }

                fn each(self) -> impl Iterator<Item = $Int> {
                    self
                }
            }
        )*
    };
}
ranges!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

/// Does this for each thing in a piece, or in halves of it at the same time.
fn halve<P: Pieces, F: Fn(P::One) + Sync>(
    crew: &dyn Crew,
    threads: usize,
    piece: P,
    mut halvings: usize,
    from: Option<usize>,
    f: &F,
    at: &'static Location<'static>,
) {
    let count = piece.count();
    let now = thread_index();
    if now != from {
        // Somebody had time for this half.
        halvings = halvings.max(threads);
    }
    if count < 2 || halvings == 0 {
        for one in piece.each() {
            f(one);
            checkpoint();
        }
        return;
    }
    let (first, second) = piece.split(count / 2);
    let further = halvings / 2;
    join_in(
        crew,
        || halve(crew, threads, first, further, now, f, at),
        || halve(crew, threads, second, further, now, f, at),
        at,
    );
}

/// Does this for each of many things, in a task of the crew.
fn each_in<P: Pieces, F: Fn(P::One) + Sync>(
    crew: &dyn Crew,
    threads: usize,
    all: P,
    f: &F,
    at: &'static Location<'static>,
) {
    halve(crew, threads, all, threads * PIECES, thread_index(), f, at);
}

/// Gives what this returns for each of many things, in their order, in a task of the crew.
fn map_in<P: Pieces, R: Send>(
    crew: &dyn Crew,
    threads: usize,
    all: P,
    f: &(impl Fn(P::One) -> R + Sync),
    at: &'static Location<'static>,
) -> Vec<R> {
    let mut results: Vec<Option<R>> = Vec::new();
    results.resize_with(all.count(), || None);
    let each = |(one, place): (P::One, &mut Option<R>)| *place = Some(f(one));
    each_in(crew, threads, Beside(all, results.as_mut_slice()), &each, at);
    results.into_iter().map(|result| result.expect("each was done")).collect()
}

/// Calls a function for each of many things, on as many threads of the current task's pool as have time. As
/// [`Pool::for_each`].
///
/// # Pausing
/// As [`join`](super::join).
///
/// # Panics
/// As [`join`](super::join).
#[track_caller]
pub fn for_each<M: Many>(all: M, f: impl Fn(M::One) + Sync) {
    let crew = here("pool::for_each");
    each_in(crew, crew.threads(), all.pieces(), &f, Location::caller());
}

/// Calls a function for each of many things, on as many threads of the current task's pool as have time, and gives what
/// it returns, in their order. As [`Pool::map`].
///
/// # Pausing
/// As [`join`](super::join).
///
/// # Panics
/// As [`join`](super::join).
#[track_caller]
pub fn map<M: Many, R: Send>(all: M, f: impl Fn(M::One) -> R + Sync) -> Vec<R> {
    let crew = here("pool::map");
    map_in(crew, crew.threads(), all.pieces(), &f, Location::caller())
}

impl Pool {
    /// Calls a function for each of many things, on as many threads as have time: of a slice, an array or a vector by
    /// reference or mutable reference, or a range of integers. It may be called in any order.
    ///
    /// Work that is uneven is cut into smaller pieces where it is slow. Between two calls other tasks of the thread have
    /// their turn now and then, and a cancellation comes through: see [`checkpoint`]. If one call
    /// panics, the others are cancelled, and the panic goes on when all have ended.
    ///
    /// # Pausing
    /// As [`run`](Self::run).
    ///
    /// # Panics
    /// As [`run`](Self::run).
    ///
    /// ```
    /// let pool = segno::Pool::builder().threads(2).build()?;
    /// let mut bars = vec![3, 1, 2];
    /// pool.for_each(&mut bars, |bar| *bar *= 10);
    /// assert_eq!(bars, [30, 10, 20]);
    /// # Ok::<(), segno::pool::BuildError>(())
    /// ```
    #[track_caller]
    pub fn for_each<M: Many>(&self, all: M, f: impl Fn(M::One) + Sync) {
        let (at, crew, all) = (Location::caller(), &*self.shared, all.pieces());
        if is_inside(crew) {
            return each_in(crew, crew.threads(), all, &f, at);
        }
        let f = &f;
        self.run(|| each_in(crew, crew.threads(), all, f, at));
    }

    /// Calls a function for each of many things, as [`for_each`](Self::for_each) does, and gives what it returns, in
    /// their order.
    ///
    /// # Pausing
    /// As [`run`](Self::run).
    ///
    /// # Panics
    /// As [`run`](Self::run).
    ///
    /// ```
    /// let pool = segno::Pool::builder().threads(2).build()?;
    /// assert_eq!(pool.map(0..5_u32, |n| n * n), [0, 1, 4, 9, 16]);
    /// # Ok::<(), segno::pool::BuildError>(())
    /// ```
    #[track_caller]
    pub fn map<M: Many, R: Send>(&self, all: M, f: impl Fn(M::One) -> R + Sync) -> Vec<R> {
        let (at, crew, all) = (Location::caller(), &*self.shared, all.pieces());
        if is_inside(crew) {
            return map_in(crew, crew.threads(), all, &f, at);
        }
        let f = &f;
        self.run(|| map_in(crew, crew.threads(), all, f, at))
    }
}
