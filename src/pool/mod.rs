//! Many threads: event loops that share their work, and tasks that borrow across them.
//!
//! A task of a [`Pool`] begins on whichever thread is free, and stays there. What goes from thread to thread is a closure
//! that has not run yet. So a task's locals need not be `Send`, and thread-locals stay what they are; only what the
//! closure captures and returns has to be.
//!
//! ```text
//! scope.spawn, pool::spawn --> the queue of the spawner's loop
//!                                |-- newest first: begins there
//!                                '-- oldest first: begins on an idle loop
//! Pool::spawn from outside --> the common queue --> begins on any loop
//! a join of one that has not begun --> begins at its joiner
//! ```
//!
//! Inside a task of a pool, [`segno::spawn`](crate::spawn) still means *on this loop, need not be `Send`*, and all else
//! works as on any loop. [`pool::spawn`](spawn) means *on whichever thread is free*.
//!
//! # Concurrency or parallelism?
//! One loop gives you the first: many tasks that are under way at once, of which one runs. That is all there is to have
//! as long as they wait for something else. A pool gives you the second: as many run at the same instant as there are
//! threads. The difference is a line of code, and `Send`:
//!
//! ```
//! let words = ["dal", "segno", "al", "fine"];
//! let count = |word: &&str| word.len();
//!
//! let here = segno::run(|| segno::join_all(words.iter().map(|w| || count(w))));
//!
//! let pool = segno::Pool::builder().threads(2).build()?;
//! let on_many = pool.map(&words, count);
//!
//! assert_eq!(here, on_many);
//! # Ok::<(), segno::pool::BuildError>(())
//! ```
//!
//! # What has to be `Send`
//! What goes to another thread, and what comes back: all that a closure captures, and what it returns. What a task makes and
//! keeps while it runs need not be, over any wait, because it never leaves its thread; nor do the tasks that it spawns with
//! [`segno::spawn`](crate::spawn) or [`segno::scope`](crate::scope). A [task-local](crate::task_local) is inherited only if
//! its key is declared `sync`.
//!
//! ```
//! use std::cell::RefCell;
//! use std::rc::Rc;
//!
//! let tunes = ["dal segno", "da capo"]; // shared with other threads: `Sync`
//! let pool = segno::Pool::builder().threads(2).build()?;
//! let letters = pool.map(&tunes, |tune| {
//!     let heard = Rc::new(RefCell::new(String::new())); // stays here: need not be `Send`
//!     segno::scope(|s| {
//!         let hears = heard.clone();
//!         s.spawn(move || hears.borrow_mut().push_str(tune)); // on this thread
//!     });
//!     heard.borrow().len() // goes back: `Send`
//! });
//! assert_eq!(letters, [9, 7]);
//! # Ok::<(), segno::pool::BuildError>(())
//! ```
//!
//! # Pool or rayon?
//! [rayon](https://docs.rs/rayon) is for computing: iterators of every kind, sorting, and less overhead where a piece of
//! work is a few nanoseconds. What runs there must not wait: a closure that blocks keeps its thread, and one that waits for
//! a lock may be waiting for itself, because whoever waits for a part runs other parts meanwhile, on top. Here a task may
//! wait for anything, hold a lock over it, sleep, and be cancelled; [`for_each`](Pool::for_each), [`map`](Pool::map) and
//! [`join`] are for what also does that, or comes along with it. Both get along: run what rayon does inside
//! [`unblock`](crate::unblock()), as `examples/parallel.rs` does.

// | file | what |
// |---|---|
// | `beds` | who sleeps, and who is woken for new work |
// | `shared` | what the loops of a pool share |
// | `worker` | one loop's share in the work |
// | `builder` | how a pool is to be, and how its threads begin |
// | `scope` | children that borrow |
// | `each` | a function for each of many things |
// | `ending` | the end of a pool, and who keeps it waiting |

mod beds;
mod shared;
mod worker;
mod builder;
mod scope;
mod each;
mod ending;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::thread;

pub use builder::{BuildError, PoolBuilder};
pub use each::{Many, for_each, map};
pub use ending::{Busy, Unfinished};
pub use scope::{ScopedJoinHandle, ScopedTask};

pub use crate::wait::Scope;

use self::scope::{scope_in, spawn_child};
use self::shared::Shared;
use crate::coroutine;
use crate::event_loop::{JoinError, JoinHandle, Posted, Wishes};
use crate::stacks::{Request, SpawnError};
use crate::task::{Crew, Home, Task};
use crate::wait::{Asked, bring, errand};

/// Threads that share their work, each with an event loop of its own. See the [module](self).
///
/// There can be several, and none is there unless it was made.
///
/// # Dropping
/// Everything is cancelled: tasks that run unwind from where they wait, closures that have not begun are dropped. The
/// drop waits until all have ended and the threads with them, as that of an [`EventLoop`](crate::EventLoop) does: in a
/// task it pauses, elsewhere it blocks the thread. One of the pool's own tasks cannot wait for itself: there everything is
/// cancelled, and nobody waits; nor does anybody while a panic or a cancellation unwinds. Two pools that are each dropped by
/// a task of the other wait for each other for ever.
/// [`shutdown`](Self::shutdown) waits for some time only, and tells who has not ended.
///
/// ```
/// use segno::Pool;
///
/// let pool = Pool::builder().threads(2).build()?;
/// let tunes = ["dal segno".to_owned(), "da capo".to_owned()];
/// let letters = pool.scope(|s| {
///     let counts = tunes.iter().map(|tune| s.spawn(|| tune.len())).collect::<Vec<_>>();
///     counts.into_iter().map(|count| count.join().unwrap()).sum::<usize>()
/// });
/// assert_eq!(letters, 16);
/// # Ok::<(), segno::pool::BuildError>(())
/// ```
pub struct Pool {
    /// What its loops share.
    shared: Arc<Shared>,
    /// The threads; none once they have ended, or are not to be waited for.
    running: Vec<thread::JoinHandle<()>>,
}

impl Pool {
    /// As many threads as the system can run at once.
    ///
    /// # Panics
    /// When the system gives no thread; [`PoolBuilder::build`] gives an error instead.
    #[track_caller]
    pub fn new() -> Self {
        match Self::builder().build() {
            Ok(pool) => pool,
            Err(error) => panic!("{error}"),
        }
    }

    /// A pool that is not as [`new`](Self::new) makes it.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::new()
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        self.shared.members.len()
    }

    /// How many of its threads sleep, because there is nothing to do for them.
    pub fn idle(&self) -> usize {
        self.shared.beds.sleeping()
    }

    /// Runs a closure in a task of the pool, and returns what it returns. The closure may borrow, and so may what it
    /// returns.
    ///
    /// # Pausing
    /// In a task it pauses until the closure has returned: if the caller is cancelled, so is the closure, and when that has
    /// ended the caller unwinds. Outside a task it blocks the thread.
    ///
    /// # Panics
    /// A panic of the closure comes out unchanged. Also while a panic or a cancellation unwinds, and when there is no
    /// stack.
    #[track_caller]
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        let at = Location::caller();
        // A panic comes out of the scope.
        match scope_in("Pool::run", &*self.shared, at, |s| {
            spawn_child(s, Asked { name: Some("run".into()), ..plain(at) }, f).join_at(at)
        }) {
            Ok(value) => value,
            Err(error) => no_result("Pool::run", &error, at),
        }
    }

    /// Spawns a task on whichever thread is free. If the pool ends before the task has run, its joiner gets
    /// [`JoinError::Cancelled`].
    ///
    /// A task may be joined from any thread: from one of this pool's tasks, which starts it if nobody has; from a task of
    /// any other loop; from a plain thread.
    #[track_caller]
    pub fn spawn<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        spawn_in(&*self.shared, plain(Location::caller()), f)
    }

    /// A task with a name, to be spawned.
    pub fn task(&self, name: impl Into<Cow<'static, str>>) -> PoolTask<'_> {
        PoolTask::new(Some(&*self.shared), name.into())
    }

    /// Runs a closure here that may spawn tasks on the pool which borrow, and waits until all of them have ended.
    ///
    /// As [`segno::scope`](crate::scope), but that the tasks run on any thread, and so have to be `Send`. The closure
    /// itself runs where it is called: in a task, of this pool or any other loop, or on a plain thread.
    ///
    /// # Pausing
    /// As [`segno::scope`](crate::scope): pauses while children have not ended, whatever is cancelled meanwhile. A
    /// cancellation from outside reaches the children. On a plain thread it blocks.
    ///
    /// # Panics
    /// While a panic or a cancellation unwinds. A panic of the closure or a child comes out unchanged, when all have
    /// ended.
    #[inline]
    #[track_caller]
    pub fn scope<'env, T>(
        &self,
        f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
    ) -> T {
        scope_in("Pool::scope", &*self.shared, Location::caller(), f)
    }

    /// Runs two closures on the pool, at the same time if there is a thread for it: see [`pool::join`](join).
    ///
    /// # Pausing
    /// As [`run`](Self::run).
    ///
    /// # Panics
    /// As [`run`](Self::run).
    #[track_caller]
    pub fn join<A: Send, B: Send>(
        &self,
        a: impl FnOnce() -> A + Send,
        b: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        let at = Location::caller();
        if is_inside(&*self.shared) {
            return join_in(&*self.shared, a, b, at);
        }
        self.run(|| join_in(&*self.shared, a, b, at))
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.shared.name)
            .field("threads", &self.threads())
            .field("idle", &self.idle())
            .finish_non_exhaustive()
    }
}

/// Whether this is a task of the crew.
fn is_inside(crew: &dyn Crew) -> bool {
    Home::running_task().is_some_and(|task| task.home().crew() == crew.address())
}

/// The crew that the current task belongs to.
#[inline(always)]
#[track_caller]
fn here(what: &str) -> &'static dyn Crew {
    match Home::running_task().and_then(|task| task.home().source()) {
        Some(source) => source.crew(),
        None => no_pool(what),
    }
}

/// There is no pool here.
#[cold]
#[inline(never)]
#[track_caller]
fn no_pool(what: &str) -> ! {
    panic!("`{what}` needs a pool: call it in a task of one, inside `Pool::run` for example")
}

/// Spawns a task on whichever thread of the current task's pool is free. As [`Pool::spawn`].
///
/// # Panics
/// Outside a task of a pool.
///
/// ```
/// let pool = segno::Pool::builder().threads(2).build()?;
/// let sum = pool.run(|| {
///     let halves = [0..500_u64, 500..1000].map(|half| segno::pool::spawn(|| half.sum::<u64>()));
///     halves.map(|half| half.join().unwrap()).iter().sum::<u64>()
/// });
/// assert_eq!(sum, 499_500);
/// # Ok::<(), segno::pool::BuildError>(())
/// ```
#[track_caller]
pub fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let crew = here("pool::spawn");
    spawn_in(crew, plain(Location::caller()), f)
}

/// A task with a name, to be spawned on the current task's pool: see [`PoolTask`].
///
/// # Panics
/// Outside a task of a pool; so does its spawn.
#[track_caller]
pub fn task(name: impl Into<Cow<'static, str>>) -> PoolTask<'static> {
    // Not the pool itself: what is kept may still be there when that has gone.
    let _ = here("pool::task");
    PoolTask::new(None, name.into())
}

/// [`Pool::scope`] of the current task's pool.
///
/// # Pausing
/// As [`Pool::scope`].
///
/// # Panics
/// As [`Pool::scope`]; outside a task of a pool.
#[inline]
#[track_caller]
pub fn scope<'env, T>(f: impl for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T) -> T {
    scope_in("pool::scope", here("pool::scope"), Location::caller(), f)
}

/// Runs two closures, at the same time if another thread of the current task's pool has time, and gives what they return.
///
/// The first runs here. The second can be begun by whoever is free; if nobody was when the first has returned, it runs here
/// as well, in the frames of the caller, and as a task of its own: with its own number and task-locals. Nothing else ever
/// runs on top of the caller, so a lock that it holds meanwhile cannot be met there by anything unrelated.
///
/// A recursion may go down on either side, however deep: when a stack is nearly full it goes on on another one. What
/// either closure needs by itself has to fit into what is left, 80 KiB or, on smaller stacks, half of it.
///
/// # Pausing
/// Pauses until both have returned, whatever is cancelled meanwhile; a cancellation from outside reaches both.
///
/// # Panics
/// A panic of either comes out unchanged, when the other has ended, which is cancelled. Outside a task of a pool, and
/// while a panic or a cancellation unwinds.
///
/// ```
/// fn fib(n: u32) -> u64 {
///     if n < 2 {
///         return n.into();
///     }
///     let (a, b) = segno::pool::join(|| fib(n - 1), || fib(n - 2));
///     a + b
/// }
///
/// let pool = segno::Pool::builder().threads(2).build()?;
/// assert_eq!(pool.run(|| fib(15)), 610);
/// # Ok::<(), segno::pool::BuildError>(())
/// ```
#[inline]
#[track_caller]
pub fn join<A, B: Send>(a: impl FnOnce() -> A, b: impl FnOnce() -> B + Send) -> (A, B) {
    join_in(here("pool::join"), a, b, Location::caller())
}

/// The same in this crew.
#[inline(always)]
#[track_caller]
fn join_in<A, B: Send>(
    crew: &dyn Crew,
    a: impl FnOnce() -> A,
    b: impl FnOnce() -> B + Send,
    at: &'static Location<'static>,
) -> (A, B) {
    // A panic comes out of the scope.
    let (a, b) = scope_in("pool::join", crew, at, |s| {
        let b = spawn_child(s, plain(at), b);
        (with_room(a), b.join_at(at))
    });
    match b {
        Ok(b) => (a, b),
        Err(error) => no_result("pool::join", &error, at),
    }
}

/// With less than this left of a stack, its guard included, a join goes on on another one.
const LITTLE: usize = 96 * 1024;

/// Runs the half of a join that is for its caller. A recursion may go down on this side alone, so it gets another stack when
/// this one is nearly full.
#[inline(always)]
fn with_room<A>(a: impl FnOnce() -> A) -> A {
    let roomy = Home::running_task().is_some_and(Task::has_room);
    if roomy { a() } else { with_more_room(a) }
}

/// See [`with_room`].
#[cold]
#[inline(never)]
fn with_more_room<A>(a: impl FnOnce() -> A) -> A {
    if coroutine::room_left().is_none_or(|left| left > LITTLE) {
        return a();
    }
    let mut a = Some(a);
    let grown = coroutine::try_grow(Request::DEFAULT_FRAMES, || a.take().map(|a| a()));
    match (grown, a) {
        (Ok(Some(result)), _) => result,
        // There is no other stack: so it goes on here, as far as that goes.
        (_, Some(a)) => a(),
        (_, None) => unreachable!("it was called"),
    }
}

/// There is no result although nobody who waits was cancelled.
#[cold]
#[inline(never)]
fn no_result(what: &str, error: &JoinError, at: &'static Location<'static>) -> ! {
    panic!("`{what}` at {at} has nothing to return: {error}")
}

/// What is asked of a task without a name, on any stack.
#[inline(always)]
fn plain(spawned_at: &'static Location<'static>) -> Asked {
    Asked { request: None, name: None, spawned_at }
}

/// What these wishes ask for. With a stack size it then runs on a stack of its own in any case.
fn asked(wishes: Wishes, spawned_at: &'static Location<'static>) -> Result<Asked, SpawnError> {
    let request = wishes.stack_size.map(|bytes| Request::sized(bytes, None)).transpose()?;
    Ok(Asked { request, name: Some(wishes.name), spawned_at })
}

/// Spawns a task that borrows nothing.
#[inline(always)]
fn spawn_in<T: Send + 'static>(
    crew: &dyn Crew,
    asked: Asked,
    f: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let (unstarted, held) = errand(Posted(f), asked, crew);
    bring(crew, unstarted);
    JoinHandle::of_pool(held)
}

/// A task that is yet to be spawned on a pool: from [`Pool::task`] or [`pool::task`](task).
///
/// ```
/// let pool = segno::Pool::builder().threads(1).build()?;
/// let task = pool.task("counter").stack_size(48 * 1024).spawn(|| (0..10).count());
/// assert_eq!(task.name(), Some("counter"));
/// assert_eq!(task.join().unwrap(), 10);
/// # Ok::<(), segno::pool::BuildError>(())
/// ```
#[must_use = "nothing runs before `spawn`"]
pub struct PoolTask<'a> {
    /// Where it goes; `None` for the pool of whoever spawns it.
    crew: Option<&'a dyn Crew>,
    /// What it is to be like.
    wishes: Wishes,
    /// It is for the task that asked for it.
    here: PhantomData<*mut ()>,
}

impl<'a> PoolTask<'a> {
    /// A task of this crew.
    fn new(crew: Option<&'a dyn Crew>, name: Cow<'static, str>) -> Self {
        Self { crew, wishes: Wishes::named(name), here: PhantomData }
    }

    /// Asks for at least this many bytes of frames; see
    /// [`Builder::stack_size`](crate::Builder::stack_size).
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.wishes.stack_size = Some(bytes);
        self
    }

    /// Spawns it.
    ///
    /// # Panics
    /// When the stack size makes no sense; [`try_spawn`](Self::try_spawn) gives an error instead.
    #[track_caller]
    pub fn spawn<T: Send + 'static>(self, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
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
    #[track_caller]
    pub fn try_spawn<T: Send + 'static>(
        self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, SpawnError> {
        self.try_spawn_at(f, Location::caller())
    }

    /// Both of them.
    fn try_spawn_at<T: Send + 'static>(
        self,
        f: impl FnOnce() -> T + Send + 'static,
        at: &'static Location<'static>,
    ) -> Result<JoinHandle<T>, SpawnError> {
        let asked = asked(self.wishes, at)?;
        let crew = self.crew.unwrap_or_else(|| here("PoolTask::spawn"));
        Ok(spawn_in(crew, asked, f))
    }
}

impl fmt::Debug for PoolTask<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolTask").field("wishes", &self.wishes).finish_non_exhaustive()
    }
}

/// Which of its pool's threads the current task is on, from 0 on; `None` outside a task of a pool.
pub fn thread_index() -> Option<usize> {
    Home::running_task()?.home().source().map(|source| source.index())
}
