//! Data behind a lock: the only place of this room where a reference is made out of nothing but a promise.
//!
//! The promise is [`Raw`]'s: between a [`take`](Raw::take) that is exclusive and its
//! [`release`](Raw::release) nobody else has it, and between one that is not and its release nobody has it
//! exclusively. Guards are made only after the one and do the other when they drop; one that is forgotten leaves
//! the lock taken.

#![allow(unsafe_code, reason = "lends what the lock guards")]

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::Location;

use super::raw::Raw;
use super::stats::Stats;
use crate::task::Holder;

/// Data, and the lock that guards it.
pub(super) struct Guarded<T: ?Sized> {
    /// The lock.
    raw: Raw,
    /// The data. Touched only through a guard, or where there can be none.
    contents: UnsafeCell<T>,
}

// SAFETY: references to the contents are given to one at a time, or shared ones to many; a value goes from one
// thread to the next that way, and may be seen by several at once.
unsafe impl<T: ?Sized + Send> Send for Guarded<T> {}

/// Data that is lent to one at a time.
pub(super) struct One<T: ?Sized>(Guarded<T>);
/// Data that is lent to one, or shared by many.
pub(super) struct Many<T: ?Sized>(Guarded<T>);

// SAFETY: one at a time has it: it changes threads, and is never on two.
unsafe impl<T: ?Sized + Send> Sync for One<T> {}
// SAFETY: as above, and several threads may look at it at once.
unsafe impl<T: ?Sized + Send + Sync> Sync for Many<T> {}

/// The data, lent to one.
pub(super) struct Exclusive<'a, T: ?Sized> {
    /// Where it is.
    from: &'a Guarded<T>,
    /// As a mutable reference would be.
    lent: PhantomData<&'a mut T>,
}

/// The data, shared.
pub(super) struct Shared<'a, T: ?Sized> {
    /// Where it is.
    from: &'a Guarded<T>,
    /// As a reference would be.
    lent: PhantomData<&'a T>,
}

// SAFETY: a guard is a reference, and the lock may be released on any thread.
unsafe impl<T: ?Sized + Send> Send for Exclusive<'_, T> {}
// SAFETY: through a shared guard one only reads.
unsafe impl<T: ?Sized + Sync> Sync for Exclusive<'_, T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Sync> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Sync> Sync for Shared<'_, T> {}

impl<T> Guarded<T> {
    /// Data that nobody has.
    const fn new(value: T) -> Self {
        Self { raw: Raw::new(), contents: UnsafeCell::new(value) }
    }
}

/// What both kinds of locks have.
macro_rules! guarded {
    ($Lock:ident) => {
        impl<T> $Lock<T> {
            /// Data that nobody has.
            pub(super) const fn new(value: T) -> Self {
                Self(Guarded::new(value))
            }

            /// The data.
            pub(super) fn into_inner(self) -> T {
                self.0.contents.into_inner()
            }
        }

        impl<T: ?Sized> $Lock<T> {
            /// The data, which nobody can have now.
            pub(super) fn get_mut(&mut self) -> &mut T {
                self.0.contents.get_mut()
            }

            /// Lends it to one.
            #[inline(always)]
            #[track_caller]
            pub(super) fn exclusive(
                &self,
                what: &'static &'static str,
                at: &'static Location<'static>,
            ) -> Exclusive<'_, T> {
                self.0.raw.take(true, what, at);
                Exclusive { from: &self.0, lent: PhantomData }
            }

            /// Lends it to one, if nobody is in the way.
            #[inline]
            pub(super) fn try_exclusive(
                &self,
                at: &'static Location<'static>,
            ) -> Result<Exclusive<'_, T>, Option<Holder>> {
                self.0.raw.try_take(true, at)?;
                Ok(Exclusive { from: &self.0, lent: PhantomData })
            }

            /// Whether somebody has it.
            pub(super) fn is_taken(&self) -> bool {
                self.0.raw.is_taken()
            }

            /// What the lock is doing, and what it has done.
            pub(super) fn stats(&self) -> Stats {
                self.0.raw.stats()
            }
        }
    };
}

guarded!(One);
guarded!(Many);

impl<T: ?Sized> Many<T> {
    /// Lends it to one more.
    #[inline(always)]
    #[track_caller]
    pub(super) fn shared(
        &self,
        what: &'static &'static str,
        at: &'static Location<'static>,
    ) -> Shared<'_, T> {
        self.0.raw.take(false, what, at);
        Shared { from: &self.0, lent: PhantomData }
    }

    /// Lends it to one more, if nobody is in the way.
    #[inline]
    pub(super) fn try_shared(
        &self,
        at: &'static Location<'static>,
    ) -> Result<Shared<'_, T>, Option<Holder>> {
        self.0.raw.try_take(false, at)?;
        Ok(Shared { from: &self.0, lent: PhantomData })
    }
}

impl<'a, T: ?Sized> Exclusive<'a, T> {
    /// Shares it with others from now on.
    pub(super) fn share(self) -> Shared<'a, T> {
        // It is not given back.
        let this = ManuallyDrop::new(self);
        this.from.raw.share();
        Shared { from: this.from, lent: PhantomData }
    }

    /// Where to get it again after it was given back.
    pub(super) fn origin(&self) -> Origin<'a, T> {
        Origin { from: self.from }
    }
}

/// Where data is that was lent, and is to be lent again.
pub(super) struct Origin<'a, T: ?Sized> {
    /// Where it is.
    from: &'a Guarded<T>,
}

impl<'a, T: ?Sized> Origin<'a, T> {
    /// Lends it again, whatever is cancelled meanwhile.
    #[inline(always)]
    #[track_caller]
    pub(super) fn lend(
        self,
        what: &'static &'static str,
        at: &'static Location<'static>,
    ) -> Exclusive<'a, T> {
        self.from.raw.take_shielded(what, at);
        Exclusive { from: self.from, lent: PhantomData }
    }
}

impl<T: ?Sized> Deref for Exclusive<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the lock is this guard's alone.
        unsafe { &*self.from.contents.get() }
    }
}

impl<T: ?Sized> DerefMut for Exclusive<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and there is one guard.
        unsafe { &mut *self.from.contents.get() }
    }
}

impl<T: ?Sized> Deref for Shared<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: nobody has the lock exclusively while this guard shares it.
        unsafe { &*self.from.contents.get() }
    }
}

impl<T: ?Sized> Drop for Exclusive<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.from.raw.release(true);
    }
}

impl<T: ?Sized> Drop for Shared<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.from.raw.release(false);
    }
}
