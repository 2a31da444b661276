//! Waiting for whichever of several things comes first: the arms of [`select!`](crate::select), and the macro.
//!
//! The macro makes an arm of each operation, lets [`choose`] wait, takes what came of the one that was chosen,
//! drops the arms, and only then runs that one's code: which so may use everything that the others had borrowed.
//! What is in here besides the macro is for the macro alone.

#![allow(missing_debug_implementations, reason = "the macro's own types")]

use std::cell::Cell;
use std::panic::Location;
use std::time::{Duration, Instant};

use super::channel::{OneshotReceiver, Receiver, Receiving, RecvError, SendError, Sender, Sending};
use super::event::Event;
use super::raw::cannot_wait;
use crate::event_loop::JoinHandle;
use crate::scope::ScopedJoinHandle;
use crate::task::{Alarm, Home, Subject, Task, Timer, Wait, roll};
use crate::wait::{self, Asker, MOST, OperationArm, Watched};

pub use crate::wait::AnyArm;

/// Waits for one of these, and says which came; `arms.len()` if none has and there is a default.
///
/// # Panics
/// With more than 64 arms.
#[track_caller]
pub fn choose(arms: &[AnyArm<'_>], biased: bool, has_default: bool) -> usize {
    let at = Location::caller();
    let count = arms.len();
    assert!(count <= MOST, "`select!` at {at} has {count} arms, and the most are {MOST}");
    let asker = Asker::here(at);
    let mut order = [0; MOST];
    let order = &mut order[..count];
    for which in 0..count {
        order[which] = which as u8;
        if !biased {
            // Each comes to any place of those so far.
            order.swap(which, below(which as u64 + 1));
        }
    }
    let wait = Wait { what: &"select!", at, subject: Subject::NONE };
    match wait::choose(arms, order, has_default, asker, wait) {
        Ok(chosen) => chosen.unwrap_or(count),
        Err(_) => cannot_wait(wait, &"nobody knows who will"),
    }
}

/// A random number below this one.
fn below(most: u64) -> usize {
    thread_local! {
        /// For those outside every loop.
        static DICE: Cell<u64> = const { Cell::new(0) };
    }
    let roll = match Home::here() {
        Some(home) => home.roll(),
        None => {
            let mut state = DICE.get();
            let roll = roll(&mut state);
            DICE.set(state);
            roll
        }
    };
    (roll % most) as usize
}

/// Receiving from a channel.
pub struct RecvArm<'a, T: 'a>(OperationArm<'a, Receiving<T>>);

impl<T> Receiver<T> {
    #[doc(hidden)]
    pub fn __recv_arm(&self) -> RecvArm<'_, T> {
        RecvArm(OperationArm::new(self.channel(), None))
    }
}

impl<T> RecvArm<'_, T> {
    /// As an arm.
    pub fn any(&self) -> AnyArm<'_> {
        AnyArm::new(&self.0)
    }

    /// What came of it when it was chosen.
    pub fn take(self) -> Result<T, RecvError> {
        self.0.into_slot().flatten().ok_or(RecvError::Closed)
    }
}

/// Sending to a channel.
pub struct SendArm<'a, T: 'a>(OperationArm<'a, Sending<T>>);

impl<T> Sender<T> {
    #[doc(hidden)]
    pub fn __send_arm(&self, value: T) -> SendArm<'_, T> {
        SendArm(OperationArm::new(self.channel(), Some(value)))
    }
}

impl<T> SendArm<'_, T> {
    /// As an arm.
    pub fn any(&self) -> AnyArm<'_> {
        AnyArm::new(&self.0)
    }

    /// What came of it when it was chosen.
    pub fn take(self) -> Result<(), SendError<T>> {
        match self.0.into_slot().flatten() {
            Some(value) => Err(SendError::Closed(value)),
            None => Ok(()),
        }
    }
}

/// Waiting for an event.
pub struct WaitArm<'a>(OperationArm<'a, super::event::Waiting>);

impl Event {
    #[doc(hidden)]
    pub fn __wait_arm(&self) -> WaitArm<'_> {
        WaitArm(OperationArm::new(self.state(), ()))
    }
}

impl WaitArm<'_> {
    /// As an arm.
    pub fn any(&self) -> AnyArm<'_> {
        AnyArm::new(&self.0)
    }

    /// Nothing comes of it.
    pub fn take(self) {}
}

/// A value that is given once.
pub struct OneshotArm<'a, T> {
    /// Where it comes.
    receiver: &'a mut OneshotReceiver<T>,
    /// Whether there is something to take back.
    watching: Cell<bool>,
}

impl<T> OneshotReceiver<T> {
    #[doc(hidden)]
    pub fn __recv_arm(&mut self) -> OneshotArm<'_, T> {
        OneshotArm { receiver: self, watching: Cell::new(false) }
    }
}

impl<T> Watched for OneshotArm<'_, T> {
    fn has_come(&self) -> bool {
        self.receiver.is_ready()
    }

    fn watch(&self, task: Option<&'static Task>) {
        self.watching.set(self.receiver.watch(task));
    }

    fn unwatch(&self) {
        if self.watching.take() {
            self.receiver.unwatch();
        }
    }
}

impl<T> OneshotArm<'_, T> {
    /// As an arm.
    pub fn any(&self) -> AnyArm<'_> {
        AnyArm::new(self)
    }

    /// What came of it when it was chosen.
    pub fn take(self) -> Result<T, RecvError> {
        self.receiver.try_recv().map_err(|_| RecvError::Closed)
    }
}

/// The end of a task.
pub struct JoinArm<'a, T> {
    /// The task. Nobody else joins it meanwhile.
    handle: &'a mut JoinHandle<T>,
    /// Whether there is something to take back.
    watching: Cell<bool>,
}

impl<T> JoinHandle<T> {
    #[doc(hidden)]
    pub fn __join_arm(&mut self) -> JoinArm<'_, T> {
        JoinArm { handle: self, watching: Cell::new(false) }
    }
}

impl<T> Watched for JoinArm<'_, T> {
    fn has_come(&self) -> bool {
        self.handle.is_finished()
    }

    fn watch(&self, task: Option<&'static Task>) {
        self.watching.set(self.handle.watch(task));
    }

    fn unwatch(&self) {
        if self.watching.take() {
            self.handle.unwatch();
        }
    }
}

impl<T> JoinArm<'_, T> {
    /// As an arm.
    pub fn any(&self) -> AnyArm<'_> {
        AnyArm::new(self)
    }

    /// The result is joined afterwards.
    pub fn take(self) {}
}

/// The end of a child.
pub struct ChildArm<'a, 'scope, T> {
    /// The child. Nobody else joins it meanwhile.
    handle: &'a mut ScopedJoinHandle<'scope, T>,
}

impl<'scope, T> ScopedJoinHandle<'scope, T> {
    #[doc(hidden)]
    pub fn __join_arm(&mut self) -> ChildArm<'_, 'scope, T> {
        ChildArm { handle: self }
    }
}

impl<T> Watched for ChildArm<'_, '_, T> {
    fn has_come(&self) -> bool {
        self.handle.is_finished()
    }

    fn watch(&self, task: Option<&'static Task>) {
        self.handle.set_joiner(task);
    }

    fn unwatch(&self) {
        self.handle.set_joiner(None);
    }
}

impl<T> ChildArm<'_, '_, T> {
    /// As an arm.
    pub fn any(&self) -> AnyArm<'_> {
        AnyArm::new(self)
    }

    /// The result is joined afterwards.
    pub fn take(self) {}
}

/// A deadline.
#[derive(Debug)]
pub struct TimeArm {
    /// When, in nanoseconds of the loop's clock; `u64::MAX` is never.
    deadline: u64,
    /// When, outside every task; `None` is never.
    instant: Option<Instant>,
    /// The alarm that is set.
    timer: Cell<Option<Timer>>,
}

/// So much later.
pub fn after_arm(time: Duration) -> TimeArm {
    match Home::running_task() {
        Some(task) => TimeArm::new(task.home().time.after(time), None),
        None => TimeArm::new(u64::MAX, Instant::now().checked_add(time)),
    }
}

/// At this instant.
pub fn until_arm(instant: Instant) -> TimeArm {
    match Home::running_task() {
        Some(task) => TimeArm::new(task.home().time.of(instant), None),
        None => TimeArm::new(u64::MAX, Some(instant)),
    }
}

impl TimeArm {
    /// One of the two.
    fn new(deadline: u64, instant: Option<Instant>) -> Self {
        Self { deadline, instant, timer: Cell::new(None) }
    }

    /// As an arm.
    pub fn any(&self) -> AnyArm<'_> {
        AnyArm::new(self)
    }

    /// Nothing comes of it.
    pub fn take(self) {}
}

impl Watched for TimeArm {
    fn has_come(&self) -> bool {
        match Home::running_task() {
            Some(task) => self.deadline != u64::MAX && task.home().time.now() >= self.deadline,
            None => self.instant.is_some_and(|instant| instant <= Instant::now()),
        }
    }

    fn watch(&self, task: Option<&'static Task>) {
        if let Some(task) = task.filter(|_| self.deadline != u64::MAX) {
            let alarm = Alarm::Wake(task, task.id());
            self.timer.set(Some(task.home().set_alarm(self.deadline, alarm)));
        }
    }

    fn unwatch(&self) {
        if let (Some(timer), Some(home)) = (self.timer.take(), Home::here()) {
            home.unset_alarm(timer);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.instant
    }
}

/// Waits until one of several things has come, and goes on with that one: the others have then not happened.
///
/// | arm | comes when |
/// |---|---|
/// | `recv(receiver) -> result => ..` | a value is received, or the channel is closed: [`Receiver`](crate::sync::channel::Receiver), [`OneshotReceiver`](crate::sync::channel::OneshotReceiver) |
/// | `send(sender, value) -> result => ..` | the value is sent, or the channel is closed |
/// | `join(handle) -> result => ..` | a task has ended; the handle (a `mut` variable) is joined, and so given up, only then |
/// | `finished(handle) => ..` | the same, and the handle stays |
/// | `wait(event) => ..` | an [`Event`](crate::sync::Event) is set |
/// | `after(duration) => ..` | so much time has passed since the call |
/// | `until(instant) => ..` | this instant has come |
/// | `default => ..` | none of the others has come yet: then it does not wait. The last arm |
///
/// `-> pattern` may be left out. The operations' arguments are evaluated first, all of them, in order; the value of
/// a `send` that is not chosen is dropped. What is done to an object is done as by the method of that name: first
/// come, first served.
///
/// If several have come, one of them is chosen at random, each alike; by the seed of the loop, if it has
/// [one](crate::LoopBuilder::seed). With `biased;` in front, the first one is.
///
/// # Pausing
/// Pauses while none has come, unless there is a `default`. If the task is cancelled it unwinds, also if one has come
/// when it is called; what is handed over while it waits counts if it comes before the cancellation. Outside a task it blocks the thread. With
/// `panic = "abort"` a cancelled task waits as ever. While a panic or a cancellation unwinds and it would have to wait,
/// the process is aborted, with a message.
///
/// # Panics
/// With more than 64 arms. (More than 60 also need `#![recursion_limit = "256"]`.)
///
/// ```
/// use segno::select;
/// use segno::sync::channel;
/// use std::time::Duration;
///
/// let (score, pages) = channel::unbounded();
/// let heard = segno::run(|| {
///     segno::scope(|s| {
///         s.spawn(|| {
///             segno::sleep(Duration::from_millis(1));
///             score.send("D.S. al Fine").unwrap();
///         });
///         let mut waited = 0;
///         loop {
///             select! {
///                 recv(pages) -> page => break (page.unwrap(), waited),
///                 after(Duration::from_secs(5)) => waited += 5,
///             }
///         }
///     })
/// });
/// assert_eq!(heard, ("D.S. al Fine", 0));
/// ```
#[macro_export]
macro_rules! select {
    (biased; $($arms:tt)+) => {
        $crate::__select!(@parse (true) [] $($arms)+)
    };
    ($($arms:tt)+) => {
        $crate::__select!(@parse (false) [] $($arms)+)
    };
}

/// The steps of [`select!`](crate::select): first each arm gets a variable of its own, then they are made and
/// chosen from, then the chosen one's code runs.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    // ---- one arm after the other; what is behind `=>` may be a block or an expression
    (@parse $biased:tt [$($arms:tt)*] default => $body:expr $(,)?) => {
        $crate::__select!(@made $biased true [$($arms)*] ($body))
    };
    (@parse $biased:tt [$($arms:tt)*]) => {
        $crate::__select!(@made $biased false [$($arms)*] (::core::unreachable!()))
    };
    (@parse $biased:tt [$($arms:tt)*] $kind:ident($($of:tt)*) $(-> $come:pat)? => $body:block $(,)?) => {
        $crate::__select!(@parse $biased [$($arms)* (arm $kind ($($of)*) [$($come)?] $body)])
    };
    (@parse $biased:tt [$($arms:tt)*] $kind:ident($($of:tt)*) $(-> $come:pat)? => $body:block, $($rest:tt)+) => {
        $crate::__select!(@parse $biased [$($arms)* (arm $kind ($($of)*) [$($come)?] $body)] $($rest)+)
    };
    (@parse $biased:tt [$($arms:tt)*] $kind:ident($($of:tt)*) $(-> $come:pat)? => $body:block $($rest:tt)+) => {
        $crate::__select!(@parse $biased [$($arms)* (arm $kind ($($of)*) [$($come)?] $body)] $($rest)+)
    };
    (@parse $biased:tt [$($arms:tt)*] $kind:ident($($of:tt)*) $(-> $come:pat)? => $body:expr, $($rest:tt)+) => {
        $crate::__select!(@parse $biased [$($arms)* (arm $kind ($($of)*) [$($come)?] $body)] $($rest)+)
    };
    (@parse $biased:tt [$($arms:tt)*] $kind:ident($($of:tt)*) $(-> $come:pat)? => $body:expr $(,)?) => {
        $crate::__select!(@parse $biased [$($arms)* (arm $kind ($($of)*) [$($come)?] $body)])
    };

    // ---- all together
    (@made ($biased:expr) $has_default:literal
        [$(($arm:ident $kind:ident $of:tt [$($come:pat)?] $body:expr))*] ($default:expr)) => {{
        let chosen = {
            $(#[allow(unused_mut)] let mut $arm = $crate::__select!(@arm $kind $of);)*
            let chosen = $crate::sync::select::choose(&[$($arm.any()),*], $biased, $has_default);
            $crate::__select!(@take chosen (0) $($arm)*)
        };
        $crate::__select!(@run chosen ($default) $(($kind $of [$($come)?] $body))*)
    }};

    // ---- what each arm is
    (@arm recv ($of:expr)) => { $of.__recv_arm() };
    (@arm send ($of:expr, $value:expr $(,)?)) => { $of.__send_arm($value) };
    (@arm join ($of:expr)) => { $of.__join_arm() };
    (@arm finished ($of:expr)) => { $of.__join_arm() };
    (@arm wait ($of:expr)) => { $of.__wait_arm() };
    (@arm after ($of:expr)) => { $crate::sync::select::after_arm($of) };
    (@arm until ($of:expr)) => { $crate::sync::select::until_arm($of) };
    (@arm $other:ident $of:tt) => {
        ::core::compile_error!(::core::concat!(
            "`", ::core::stringify!($other), "` is no arm of `select!`: there are recv, send, join, finished, \
             wait, after, until, and default"
        ))
    };

    // ---- what came of the chosen one: `Ok` of the first, or `Err` of `Ok` of the second, ..
    (@take $chosen:ident ($number:expr)) => { () };
    (@take $chosen:ident ($number:expr) $arm:ident $($rest:ident)*) => {
        if $chosen == $number {
            ::core::result::Result::Ok($arm.take())
        } else {
            ::core::result::Result::Err($crate::__select!(@take $chosen ($number + 1) $($rest)*))
        }
    };

    // ---- its code
    (@run $chosen:ident ($default:expr)) => {{
        let () = $chosen;
        $default
    }};
    (@run $chosen:ident ($default:expr) (join ($of:expr) [$come:pat] $body:expr) $($rest:tt)*) => {
        match $chosen {
            ::core::result::Result::Ok(()) => match $of.join() {
                $come => $body,
            },
            ::core::result::Result::Err(chosen) => {
                $crate::__select!(@run chosen ($default) $($rest)*)
            }
        }
    };
    (@run $chosen:ident ($default:expr) ($kind:ident $of:tt [$come:pat] $body:expr) $($rest:tt)*) => {
        match $chosen {
            ::core::result::Result::Ok($come) => $body,
            ::core::result::Result::Err(chosen) => {
                $crate::__select!(@run chosen ($default) $($rest)*)
            }
        }
    };
    (@run $chosen:ident ($default:expr) ($kind:ident $of:tt [] $body:expr) $($rest:tt)*) => {
        match $chosen {
            ::core::result::Result::Ok(_) => $body,
            ::core::result::Result::Err(chosen) => {
                $crate::__select!(@run chosen ($default) $($rest)*)
            }
        }
    };
}
