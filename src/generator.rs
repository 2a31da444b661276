//! A coroutine as an iterator: recursive code, or code with callbacks, turned inside out.
//!
//! The thing to see is that nothing has to be rewritten. A recursive walk calls
//! [`Outlet::pause`](crate::Pauser::pause) where it would have called a callback, and the consumer
//! takes items with `next`, one at a time, stopping when it likes.
//!
//! A generator is a [`Coroutine`](crate::Coroutine) with `()` going in, items coming out and nothing
//! at the end; there is no second mechanism here.

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::panic::Location;

use crate::coroutine::{Builder, Core, Entered, Lender, Pauser, Status, Types, enter, no_stack};
use crate::stacks::SpawnError;

/// Where a generator's body puts its items: a [`Pauser`] that takes nothing back.
pub type Outlet<Item> = Pauser<(), Item>;

/// An iterator whose items come from a function that pauses.
///
/// Items are made when they are asked for. Dropping the generator early unwinds the body where it
/// paused, so its destructors run; see [`Coroutine`](crate::Coroutine#dropping) for the details,
/// which are the same. A panic in the body comes out of [`next`](Iterator::next) once; after that, as
/// after the end, `next` returns `None`.
///
/// Everything in it is `'static`: move what it walks into it, or use [`Generator::scoped`].
///
/// ```
/// use segno::{Generator, Outlet};
///
/// enum Tree {
///     Leaf(u32),
///     Fork(Box<Tree>, Box<Tree>),
/// }
///
/// fn walk(tree: &Tree, out: &Outlet<u32>) {
///     match tree {
///         Tree::Leaf(value) => out.pause(*value),
///         Tree::Fork(left, right) => {
///             walk(left, out);
///             walk(right, out);
///         }
///     }
/// }
///
/// let leaf = |value| Box::new(Tree::Leaf(value));
/// let tree = Tree::Fork(Box::new(Tree::Fork(leaf(1), leaf(2))), leaf(3));
/// let leaves: Vec<u32> = Generator::new(move |out| walk(&tree, out)).collect();
/// assert_eq!(leaves, [1, 2, 3]);
/// ```
pub struct Generator<Item> {
    /// The coroutine.
    core: Core<(), Item, ()>,
}

impl<Item> Generator<Item> {
    /// Makes a generator on a stack of the default size. Nothing of `body` runs before the first
    /// item is asked for.
    ///
    /// # Panics
    /// When no stack can be had; [`Builder::generator`] gives an error instead.
    #[inline]
    #[track_caller]
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Outlet<Item>) + 'static,
        Item: 'static,
    {
        let at = Location::caller();
        match Self::with(Builder::new(), body, at) {
            Ok(this) => this,
            Err(error) => no_stack(&error, at),
        }
    }

    /// Makes a generator as the builder says.
    #[inline(always)]
    fn with<F>(
        builder: Builder,
        body: F,
        at: &'static Location<'static>,
    ) -> Result<Self, SpawnError>
    where
        F: FnOnce(&Outlet<Item>) + 'static,
        Item: 'static,
    {
        let (plan, name) = builder.plan(at, Lender::Nobody, true)?;
        let core = Core::new_static(plan, name, move |out: &Outlet<Item>, ()| body(out))?;
        Ok(Self { core })
    }

    /// A generator that borrows what it walks: it lives while [`ScopedGenerator::enter`] runs a
    /// callback.
    ///
    /// ```
    /// let words = ["dal".to_owned(), "segno".to_owned()];
    /// let letters = segno::Generator::scoped(|out| {
    ///     for word in &words {
    ///         out.pause_all(word.chars());
    ///     }
    /// })
    /// .enter(|letters| letters.take(5).collect::<String>());
    /// assert_eq!(letters, "dalse");
    /// ```
    #[track_caller]
    pub fn scoped<F>(body: F) -> ScopedGenerator<Item, F>
    where
        F: FnOnce(&Outlet<Item>),
    {
        Builder::new().scoped_generator(body)
    }

    /// Its name, as given to [`Builder::name`]; `None` once it has ended.
    pub fn name(&self) -> Option<&str> {
        self.core.name()
    }

    /// Where it is in its life.
    pub fn status(&self) -> Status {
        self.core.status()
    }

    /// Ends it now, as [`Coroutine::cancel`](crate::Coroutine::cancel) does.
    ///
    /// # Panics
    /// When the body ends with a panic of its own instead.
    pub fn cancel(&mut self) {
        self.core.cancel_or_panic();
    }

    /// Bytes of stack at the deepest so far, as [`Coroutine::stack_used`](crate::Coroutine::stack_used).
    pub fn stack_used(&self) -> Option<usize> {
        self.core.stack_used()
    }
}

impl<Item> Iterator for Generator<Item> {
    type Item = Item;

    /// Runs the body until it pauses with an item or ends.
    ///
    /// # Pausing
    /// As [`Coroutine::resume`](crate::Coroutine::resume).
    ///
    /// # Panics
    /// With what the body panics with, once; `None` after that.
    #[inline(always)]
    fn next(&mut self) -> Option<Item> {
        self.core.next()
    }
}

impl<Item> FusedIterator for Generator<Item> {}

impl<Item> fmt::Debug for Generator<Item> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.describe(f.debug_struct("Generator"))
    }
}

impl Builder {
    /// Makes a generator with this name and these sizes.
    ///
    /// # Errors
    /// When the sizes make no sense or no stack can be had. The closure is dropped.
    ///
    /// ```
    /// let small = segno::Builder::new().name("countdown").stack_size(48 * 1024);
    /// let countdown = small.generator(|out| out.pause_all((1..=3).rev()))?;
    /// assert_eq!(countdown.collect::<Vec<_>>(), [3, 2, 1]);
    /// # Ok::<(), segno::SpawnError>(())
    /// ```
    #[track_caller]
    pub fn generator<Item, F>(self, body: F) -> Result<Generator<Item>, SpawnError>
    where
        F: FnOnce(&Outlet<Item>) + 'static,
        Item: 'static,
    {
        Generator::with(self, body, Location::caller())
    }

    /// A generator that borrows, with this name and these sizes: see [`Generator::scoped`].
    #[track_caller]
    pub fn scoped_generator<Item, F>(self, body: F) -> ScopedGenerator<Item, F>
    where
        F: FnOnce(&Outlet<Item>),
    {
        ScopedGenerator { builder: self, body, spawned_at: Location::caller(), item: PhantomData }
    }
}

/// A generator that borrows, not made yet. From [`Generator::scoped`] or
/// [`Builder::scoped_generator`].
pub struct ScopedGenerator<Item, F> {
    /// Name, sizes.
    builder: Builder,
    /// What it will run.
    body: F,
    /// Where the user wrote it.
    spawned_at: &'static Location<'static>,
    /// Its items, and that it stays on this thread.
    item: PhantomData<Types<(), Item, ()>>,
}

/// The iterator inside [`ScopedGenerator::enter`]. It ends when the callback is left.
pub struct Items<'x, Item> {
    /// The coroutine, in the frame of `enter`.
    entered: Entered<'x, (), Item, ()>,
}

impl<Item, F> ScopedGenerator<Item, F>
where
    F: FnOnce(&Outlet<Item>),
{
    /// Makes the generator, calls `callback` with it, ends it, and returns what the callback
    /// returned.
    ///
    /// With `panic = "abort"` nothing can unwind the body: it goes on to its end with pauses that
    /// return at once, their items dropped, and [`is_closed`](crate::Pauser::is_closed) true.
    ///
    /// # Panics
    /// As [`Scoped::enter`](crate::Scoped::enter).
    #[track_caller]
    pub fn enter<R>(self, callback: impl for<'x> FnOnce(&mut Items<'x, Item>) -> R) -> R {
        let at = self.spawned_at;
        match self.try_enter(callback) {
            Ok(value) => value,
            Err(error) => no_stack(&error, at),
        }
    }

    /// [`enter`](Self::enter) that says why no stack could be had.
    ///
    /// # Errors
    /// When the sizes make no sense or no stack can be had. Nothing has run.
    ///
    /// # Panics
    /// As [`enter`](Self::enter), but for the stack.
    #[track_caller]
    pub fn try_enter<R>(
        self,
        callback: impl for<'x> FnOnce(&mut Items<'x, Item>) -> R,
    ) -> Result<R, SpawnError> {
        let body = self.body;
        enter(
            self.builder,
            self.spawned_at,
            true,
            |out: &Outlet<Item>, ()| body(out),
            |entered| callback(&mut Items { entered }),
        )
    }
}

impl<Item> Items<'_, Item> {
    /// Where it is in its life.
    pub fn status(&self) -> Status {
        self.entered.status()
    }

    /// Ends it now, as [`Coroutine::cancel`](crate::Coroutine::cancel) does.
    ///
    /// # Panics
    /// When the body ends with a panic of its own instead.
    pub fn cancel(&mut self) {
        self.entered.cancel();
    }

    /// Its name, as given to [`Builder::name`]; `None` once it has ended.
    pub fn name(&self) -> Option<&str> {
        self.entered.name()
    }

    /// Bytes of stack at the deepest so far, as [`Coroutine::stack_used`](crate::Coroutine::stack_used).
    pub fn stack_used(&self) -> Option<usize> {
        self.entered.stack_used()
    }
}

impl<Item> Iterator for Items<'_, Item> {
    type Item = Item;

    /// Runs the body until it pauses with an item or ends.
    #[inline(always)]
    fn next(&mut self) -> Option<Item> {
        self.entered.try_resume(()).ok()?.paused()
    }
}

impl<Item> FusedIterator for Items<'_, Item> {}

impl<Item, F> fmt::Debug for ScopedGenerator<Item, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedGenerator")
            .field("builder", &self.builder)
            .field("spawned_at", &self.spawned_at)
            .finish_non_exhaustive()
    }
}

impl<Item> fmt::Debug for Items<'_, Item> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Items").field(&self.entered).finish()
    }
}
