//! Making tasks.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;

use super::builder::request;
use super::join::{About, JoinHandle, Spawned};
use crate::stacks::{Request, SpawnError};
use crate::task::{Home, Making, RemoteTask, Task, make_static};
use crate::wait::labelled_gate;

/// Spawns a task on the current task's loop. It runs when those that are ready now have had their turn.
///
/// It need not be `Send`: it never leaves this thread. Its closure and result own what they refer to; for
/// tasks that borrow see [`scope`](crate::scope).
///
/// # Panics
/// Outside a task.
///
/// ```
/// segno::run(|| {
///     let task = segno::spawn(|| "D.S.".len());
///     assert_eq!(task.join().unwrap(), 4);
/// });
/// ```
#[inline]
#[track_caller]
pub fn spawn<T: 'static>(f: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
    let home = Home::current_task("`spawn`").home();
    spawn_on(home, f, Location::caller())
}

/// Spawns a task without a name on a loop.
#[inline(always)]
pub(super) fn spawn_on<T: 'static>(
    home: &'static Home,
    f: impl FnOnce() -> T + 'static,
    spawned_at: &'static Location<'static>,
) -> JoinHandle<T> {
    let making = Making { request: home.request(), name: None, spawned_at, id: 0 };
    let (task, handle) = make(home, f, making, None);
    task.enqueue();
    handle
}

/// Makes a task and its handle.
#[inline(always)]
fn make<T: 'static>(
    home: &'static Home,
    f: impl FnOnce() -> T + 'static,
    making: Making,
    name: Option<Cow<'static, str>>,
) -> (&'static Task, JoinHandle<T>) {
    let spawned_at = making.spawned_at;
    // A task gives on the thread of its loop.
    let (giver, taker) = labelled_gate(home.id());
    let ending = giver.ending();
    let task = make_static(home, Spawned { f, giver }, making);
    task.set_ending(Some(ending));
    (task, JoinHandle::new(taker, About::new(RemoteTask::new(task), name, spawned_at)))
}

/// A task with a name, to be spawned on the current task's loop: see [`TaskBuilder`].
pub fn task(name: impl Into<Cow<'static, str>>) -> TaskBuilder<'static> {
    TaskBuilder { home: None, wishes: Wishes::named(name.into()), events: PhantomData }
}

/// What a task is to be like.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    /// Its name.
    pub(crate) name: Cow<'static, str>,
    /// Bytes of frames.
    pub(crate) stack_size: Option<usize>,
    /// Whether it runs before its spawner goes on.
    pub(crate) now: bool,
}

impl Wishes {
    /// Only a name.
    pub(crate) fn named(name: Cow<'static, str>) -> Self {
        Self { name, stack_size: None, now: false }
    }

    /// What a task made at this line is to be like. Panics where a spawner that would have to pause cannot.
    #[track_caller]
    pub(crate) fn making(
        &self,
        home: &Home,
        spawned_at: &'static Location<'static>,
    ) -> Result<Making, SpawnError> {
        if self.now && !std::thread::panicking() {
            // Before there is a task, so that none is left behind if its spawner must not pause here.
            if let Some(spawner) = home.current() {
                spawner.check_place();
            }
        }
        let request: Request = self.stack_size.map_or(Ok(home.request()), request)?;
        Ok(Making { request, name: Some(self.name.clone()), spawned_at, id: 0 })
    }

    /// Puts the task into the queue, or runs it.
    #[track_caller]
    pub(crate) fn begin(&self, home: &'static Home, task: &'static Task) {
        match home.current() {
            Some(spawner) if self.now && !std::thread::panicking() => {
                spawner.give_way_to_first(task);
            }
            _ if self.now => task.enqueue_first(),
            _ => task.enqueue(),
        }
    }
}

/// A task that is yet to be spawned: from [`task`] or [`EventLoop::task`](crate::EventLoop::task).
///
/// ```
/// segno::run(|| {
///     let counter = segno::task("counter").stack_size(48 * 1024).spawn(|| (0..10).count());
///     assert_eq!(counter.name(), Some("counter"));
///     assert_eq!(counter.join().unwrap(), 10);
/// });
/// ```
#[must_use = "nothing runs before `spawn`"]
pub struct TaskBuilder<'a> {
    /// The loop; the current task's if there is none.
    home: Option<&'static Home>,
    /// What was asked for.
    wishes: Wishes,
    /// The loop stays as long as it is meant.
    events: PhantomData<(&'a (), *mut ())>,
}

impl<'a> TaskBuilder<'a> {
    /// A task of this loop, which outlives `'a`.
    pub(super) fn new(home: &'static Home, name: Cow<'static, str>) -> Self {
        Self { home: Some(home), wishes: Wishes::named(name), events: PhantomData }
    }

    /// Asks for at least this many bytes of frames; see
    /// [`Builder::stack_size`](crate::Builder::stack_size).
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.wishes.stack_size = Some(bytes);
        self
    }

    /// Runs the task up to its first pause before [`spawn`](Self::spawn) returns, instead of when its
    /// turn comes. Outside a task it goes to the front of the queue.
    pub fn start_now(mut self) -> Self {
        self.wishes.now = true;
        self
    }

    /// Spawns it.
    ///
    /// # Pausing
    /// Only with [`start_now`](Self::start_now): then the spawner lets the new task go first. While a panic
    /// unwinds it does not.
    ///
    /// # Panics
    /// When the stack size makes no sense; outside a task, if it is not the builder of an [`EventLoop`](crate::EventLoop).
    #[track_caller]
    pub fn spawn<T: 'static>(self, f: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
        let at = Location::caller();
        match self.try_spawn_at(f, at) {
            Ok(handle) => handle,
            Err(error) => panic!("no task could be spawned at {at}: {error}"),
        }
    }

    /// [`spawn`](Self::spawn) that says what is wrong with the stack size.
    ///
    /// # Errors
    /// When the stack size makes no sense. The closure is dropped.
    ///
    /// # Panics
    /// Outside a task, as [`spawn`](Self::spawn).
    #[track_caller]
    pub fn try_spawn<T: 'static>(
        self,
        f: impl FnOnce() -> T + 'static,
    ) -> Result<JoinHandle<T>, SpawnError> {
        self.try_spawn_at(f, Location::caller())
    }

    /// Both of them.
    #[track_caller]
    fn try_spawn_at<T: 'static>(
        self,
        f: impl FnOnce() -> T + 'static,
        at: &'static Location<'static>,
    ) -> Result<JoinHandle<T>, SpawnError> {
        let home = self.home.unwrap_or_else(|| Home::current_task("`spawn`").home());
        let making = self.wishes.making(home, at)?;
        let (task, handle) = make(home, f, making, Some(self.wishes.name.clone()));
        self.wishes.begin(home, task);
        Ok(handle)
    }
}

impl fmt::Debug for TaskBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskBuilder").field("wishes", &self.wishes).finish_non_exhaustive()
    }
}
