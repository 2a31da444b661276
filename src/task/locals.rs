//! Task-local values: a list of them that a child shares with its parent until one of the two changes.
//!
//! They stay on their thread, but for those whose key is declared `sync`: a task of a pool inherits these.

#![allow(unsafe_code, reason = "sends the addresses of keys between threads")]

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use super::home::Home;
use crate::coroutine;
use crate::report::{self, ReportKind};

/// What several threads may refer to.
type Shared = Arc<dyn Any + Send + Sync>;

/// A value. Cloning shares it.
#[derive(Clone)]
enum Value {
    /// Of a key that stays on its loop.
    Here(Rc<dyn Any>),
    /// Of one that is declared `sync`.
    Sync(Shared),
}

/// One value, and those that were set before it.
struct Link {
    /// The address of the key that it belongs to.
    key: *const (),
    /// The value.
    value: Value,
    /// The values set before.
    rest: Locals,
}

/// A task's values, the last set first. Cloning shares them.
#[derive(Clone, Default)]
pub(crate) struct Locals(Option<Rc<Link>>);

impl Locals {
    /// No values.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Whether there are any.
    #[inline(always)]
    pub(crate) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// The value of a key.
    fn find(&self, key: *const ()) -> Option<Value> {
        let mut at = self;
        while let Some(link) = &at.0 {
            if link.key == key {
                return Some(link.value.clone());
            }
            at = &link.rest;
        }
        None
    }

    /// These values, with one more or one changed.
    fn with(&self, key: *const (), value: Value) -> Self {
        // The old one is left out, or a task that sets a key in a loop would keep every value.
        Self(Some(Rc::new(Link { key, value, rest: self.without(key) })))
    }

    /// These values without that of a key.
    fn without(&self, key: *const ()) -> Self {
        if self.find(key).is_none() {
            return self.clone();
        }
        let mut kept = Vec::new();
        let mut at = self;
        while let Some(link) = &at.0 {
            if link.key == key {
                at = &link.rest;
                break;
            }
            kept.push((link.key, link.value.clone()));
            at = &link.rest;
        }
        let mut all = at.clone();
        for (key, value) in kept.into_iter().rev() {
            all = Self(Some(Rc::new(Link { key, value, rest: all })));
        }
        all
    }

    /// What a task on another thread inherits: the values of keys that are declared `sync`.
    pub(crate) fn heirlooms(&self) -> Heirlooms {
        let mut values = Vec::new();
        let mut at = self;
        while let Some(link) = &at.0 {
            if let Value::Sync(value) = &link.value {
                values.push((Key(link.key), value.clone()));
            }
            at = &link.rest;
        }
        Heirlooms(values)
    }

    /// Drops the values of a task that has ended. Their destructors are the user's.
    #[cold]
    pub(crate) fn drop_at_end(self) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(self))) {
            report::tell(
                ReportKind::LostPanic,
                format!("a task-local's destructor panicked: {}", coroutine::message(&payload)),
            );
            coroutine::discard(payload);
        }
    }
}

/// The address of a key, on its way to another thread.
struct Key(*const ());

// SAFETY: it is compared with others, and never followed.
unsafe impl Send for Key {}

/// Values on their way to a task on another thread.
pub(crate) struct Heirlooms(Vec<(Key, Shared)>);

impl Heirlooms {
    /// None.
    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a task's values.
    pub(crate) fn into_locals(self) -> Locals {
        let mut all = Locals::none();
        for (key, value) in self.0.into_iter().rev() {
            all = Locals(Some(Rc::new(Link { key: key.0, value: Value::Sync(value), rest: all })));
        }
        all
    }
}

/// A value that each task has for itself: made with [`task_local!`](crate::task_local).
///
/// A task starts with the values of the one that spawned it, and sees its own from the first
/// [`set`](Self::set) on.
///
/// ```
/// segno::task_local! {
///     /// Who asked for this.
///     static REQUEST: u32 = 0;
/// }
///
/// segno::run(|| {
///     REQUEST.set(7);
///     let child = segno::spawn(|| {
///         let inherited = REQUEST.get();
///         REQUEST.set(8);
///         inherited
///     });
///     assert_eq!(child.join().unwrap(), 7);
///     assert_eq!(REQUEST.get(), 7);
/// });
/// ```
pub struct TaskLocal<T: 'static> {
    /// Makes the value that a task starts with if nobody set one.
    init: fn() -> T,
    /// Keeps a value, for one thread or several.
    keep: fn(T) -> Value,
    /// Finds out again of which type one is that several threads may refer to.
    hold: fn(Shared) -> Held<T>,
}

/// One task's value, which stays as long as this does.
enum Held<T> {
    /// Of a key that stays on its loop.
    Here(Rc<T>),
    /// Of one that is declared `sync`.
    Sync(Arc<T>),
}

impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Here(value) => value,
            Self::Sync(value) => value,
        }
    }
}

impl<T: 'static> TaskLocal<T> {
    /// A key; for [`task_local!`](crate::task_local).
    #[doc(hidden)]
    pub const fn new(init: fn() -> T) -> Self {
        Self { init, keep: |value| Value::Here(Rc::new(value)), hold: |_| wrong_type() }
    }

    /// A key whose values tasks of a pool inherit; for [`task_local!`](crate::task_local).
    #[doc(hidden)]
    pub const fn new_sync(init: fn() -> T) -> Self
    where
        T: Send + Sync,
    {
        Self {
            init,
            keep: |value| Value::Sync(Arc::new(value)),
            hold: |value| Held::Sync(value.downcast().unwrap_or_else(|_| wrong_type())),
        }
    }

    /// The key's identity.
    fn key(&'static self) -> *const () {
        std::ptr::from_ref(self).cast()
    }

    /// The value of the current task.
    #[track_caller]
    fn current(&'static self) -> Held<T> {
        let task = Home::current_task("a task-local");
        let locals = task.swap_locals(Locals::none());
        let found = locals.find(self.key());
        task.swap_locals(locals);
        let value = found.unwrap_or_else(|| {
            let value = (self.keep)((self.init)());
            self.put(value.clone());
            value
        });
        match value {
            Value::Here(value) => Held::Here(value.downcast().unwrap_or_else(|_| wrong_type())),
            Value::Sync(value) => (self.hold)(value),
        }
    }

    /// Gives the current task a value.
    #[track_caller]
    fn put(&'static self, value: Value) {
        let task = Home::current_task("a task-local");
        let old = task.swap_locals(Locals::none());
        let new = old.with(self.key(), value);
        task.swap_locals(new);
        // Its destructor is the user's: it runs when nothing of ours is borrowed.
        drop(old);
    }

    /// Lends the current task's value to a closure. The value stays as long as that runs, whatever is
    /// set meanwhile.
    ///
    /// # Pausing
    /// Never by itself; the closure may.
    ///
    /// # Panics
    /// Outside a task.
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        let value = self.current();
        f(&value)
    }

    /// A copy of the current task's value.
    ///
    /// # Panics
    /// Outside a task.
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    /// Sets the value for the current task and for what it spawns from now on.
    ///
    /// # Panics
    /// Outside a task.
    #[track_caller]
    pub fn set(&'static self, value: T) {
        self.put((self.keep)(value));
    }
}

/// A value that is not of its key's type.
#[cold]
fn wrong_type() -> ! {
    unreachable!("a key has one type")
}

impl<T: 'static> TaskLocal<RefCell<T>> {
    /// Lends the current task's value to a closure that may change it. A child that has inherited it
    /// shares it, and sees the change.
    ///
    /// # Panics
    /// Outside a task; when it is borrowed already, also by a task that paused meanwhile.
    #[track_caller]
    pub fn with_borrow_mut<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(|value| f(&mut value.borrow_mut()))
    }
}

impl<T: 'static> fmt::Debug for TaskLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocal").finish_non_exhaustive()
    }
}

/// Declares values that each task has for itself, inherited when it is spawned: see [`TaskLocal`].
///
/// ```
/// segno::task_local! {
///     static DEPTH: usize = 0;
///     /// Documented, and for others.
///     pub static NAME: String = "nobody".to_owned();
/// }
/// segno::run(|| {
///     DEPTH.set(1);
///     assert_eq!(NAME.with(|name| name.len()) + DEPTH.get(), 7);
/// });
/// ```
///
/// A task of a [pool](crate::pool) may run on any thread, so it inherits only values whose key is declared `sync`.
/// Those have to be `Send` and `Sync`:
///
/// ```
/// segno::task_local! {
///     sync static REQUEST: u32 = 0;
///     static HERE: u32 = 0;
/// }
/// let pool = segno::Pool::builder().threads(1).build().unwrap();
/// pool.run(|| {
///     REQUEST.set(7);
///     HERE.set(7);
///     let child = segno::pool::spawn(|| (REQUEST.get(), HERE.get()));
///     assert_eq!(child.join().unwrap(), (7, 0));
/// });
/// ```
#[macro_export]
macro_rules! task_local {
    () => {};
    (
        $(#[$meta:meta])* $vis:vis static $name:ident: $type:ty = $init:expr $(; $($rest:tt)*)?
    ) => {
        $(#[$meta])*
        $vis static $name: $crate::TaskLocal<$type> = $crate::TaskLocal::new(|| $init);
        $($crate::task_local! { $($rest)* })?
    };
    (
        $(#[$meta:meta])* $vis:vis sync static $name:ident: $type:ty = $init:expr $(; $($rest:tt)*)?
    ) => {
        $(#[$meta])*
        $vis static $name: $crate::TaskLocal<$type> = $crate::TaskLocal::new_sync(|| $init);
        $($crate::task_local! { $($rest)* })?
    };
    ($(#[$meta:meta])* $vis:vis $(sync)? static $name:ident: $type:ty $(; $($rest:tt)*)?) => {
        ::core::compile_error!(
            "a task-local needs a value to start with: `static NAME: Type = value;` \
             (an `Option` that is `None`, if there is none)"
        );
    };
}
