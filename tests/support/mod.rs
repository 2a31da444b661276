//! What several test files need: witnesses that count their own drops, child processes that may die,
//! reports and panics as values, dice that fall the same way every time.

#![allow(dead_code, reason = "every test file uses a part of it")]

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, ExitStatus, Output};
use std::rc::Rc;
use std::sync::{Mutex, Once, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use segno::{
    CancelReason, Clock, Coroutine, EventLoop, Generator, JoinError, Outlet, Pauser, Report, State,
    on_report, stack,
};

/// Runs a test while no other test of this file runs: `stack::stats` counts the stacks of the whole
/// process. On a thread of its own, which has ended when this returns: a thread that ends hands its
/// idle stacks over, and what is counted meanwhile is not exact.
#[track_caller]
pub(crate) fn alone<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let name = thread::current().name().unwrap_or("test").to_owned();
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(name).spawn_scoped(scope, f).unwrap();
        thread.join().unwrap_or_else(|payload| resume_unwind(payload))
    })
}

/// How many of something a test takes: fewer under Miri, which is thousands of times slower.
pub(crate) const fn many<T: Copy>(natively: T, under_miri: T) -> T {
    if cfg!(miri) { under_miri } else { natively }
}

/// So many, or a part of that in a quick run: a hundredth, or a twentieth with `--release`.
/// `SEGNO_FULL=1 cargo test --release` takes all.
pub(crate) fn part_of(full: u64) -> u64 {
    if std::env::var_os("SEGNO_FULL").is_some() {
        full
    } else if cfg!(debug_assertions) {
        full / 100
    } else {
        full / 20
    }
}

/// Lets other threads run until it is so.
pub(crate) fn until(it_is_so: impl Fn() -> bool) {
    while !it_is_so() {
        thread::yield_now();
    }
}

/// Stacks in use now.
pub(crate) fn live() -> usize {
    stack::stats().live
}

/// Runs `f` alone and checks that it left as many stacks in use as it found.
pub(crate) fn without_loss<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    alone(|| {
        let before = stack::stats();
        let value = f();
        let after = stack::stats();
        assert_eq!((after.live, after.leaked), (before.live, before.leaked), "stacks were lost");
        value
    })
}

/// Counts witnesses, and remembers the order in which they were dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// How many are there now.
    alive: Rc<Cell<usize>>,
    /// Who went, in order.
    gone: Rc<RefCell<Vec<String>>>,
}

impl Tally {
    /// One more to watch.
    pub(crate) fn witness(&self, name: impl ToString) -> Witness {
        self.alive.set(self.alive.get() + 1);
        Witness { name: name.to_string(), tally: self.clone(), gone: Cell::new(false) }
    }

    /// How many are there now.
    pub(crate) fn alive(&self) -> usize {
        self.alive.get()
    }

    /// Who went, in order; forgotten with the call.
    pub(crate) fn gone(&self) -> Vec<String> {
        self.gone.take()
    }
}

/// Notes its drop, and panics at a second one.
#[derive(Debug)]
pub(crate) struct Witness {
    /// What the log calls it.
    pub(crate) name: String,
    /// The log.
    tally: Tally,
    /// Set by the drop. Memory that is dropped twice shows it the second time, or crashes.
    gone: Cell<bool>,
}

impl Drop for Witness {
    fn drop(&mut self) {
        assert!(!self.gone.replace(true), "{} was dropped twice", self.name);
        self.tally.alive.set(self.tally.alive.get() - 1);
        self.tally.gone.borrow_mut().push(std::mem::take(&mut self.name));
    }
}

/// Runs a closure when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What `f` panics with.
#[track_caller]
pub(crate) fn panic_of<R>(f: impl FnOnce() -> R) -> Box<dyn Any + Send> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it was to panic, and did not"),
        Err(payload) => payload,
    }
}

/// The text that `f` panics with.
#[track_caller]
pub(crate) fn panic_text<R>(f: impl FnOnce() -> R) -> String {
    text_of(&*panic_of(f))
}

/// A payload's text.
#[track_caller]
pub(crate) fn text_of(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<String>(), payload.downcast_ref::<&'static str>()) {
        (Some(text), _) => text.clone(),
        (_, Some(text)) => (*text).to_owned(),
        _ => panic!("a payload without a text (a cancellation: {})", segno::is_cancel(payload)),
    }
}

/// Runs `f` in a destructor while a panic unwinds. No message is printed.
pub(crate) fn while_unwinding<R>(f: impl FnOnce() -> R) -> R {
    let (mut f, mut result) = (Some(f), None);
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _run = OnDrop(|| {
            assert!(std::thread::panicking());
            result = f.take().map(|f| f());
        });
        resume_unwind(Box::new("unwinding on purpose"));
    }));
    assert!(unwound.is_err());
    result.expect("a destructor runs during unwinding")
}

/// Runs `f` and gives what the library had to tell on this thread meanwhile.
pub(crate) fn reports<R>(f: impl FnOnce() -> R) -> (R, Vec<Report>) {
    // Not a thread-local under Miri, where each coroutine has a thread of its own.
    #[cfg(miri)]
    static ALL: Mutex<Vec<Report>> = Mutex::new(Vec::new());
    #[cfg(miri)]
    fn with_heard<R>(f: impl FnOnce(&mut Vec<Report>) -> R) -> R {
        f(&mut ALL.lock().unwrap_or_else(PoisonError::into_inner))
    }
    #[cfg(not(miri))]
    thread_local! {
        static HEARD: RefCell<Vec<Report>> = const { RefCell::new(Vec::new()) };
    }
    #[cfg(not(miri))]
    fn with_heard<R>(f: impl FnOnce(&mut Vec<Report>) -> R) -> R {
        HEARD.with_borrow_mut(f)
    }
    static LISTEN: Once = Once::new();
    LISTEN.call_once(|| on_report(|report| with_heard(|all| all.push(report.clone()))));
    with_heard(Vec::clear);
    let value = f();
    (value, with_heard(std::mem::take))
}

/// Runs `scenario` in a process of its own, which may abort or exit, and gives what became of it:
/// this test binary again, told by a variable to run the scenario when it comes to this test.
/// A scenario that returns exits with 0. Under Miri, which starts no processes, it runs in this one:
/// one that aborts or exits cannot.
pub(crate) fn child(test: &str, scenario: impl FnOnce()) -> Output {
    child_writing_to(None, test, scenario)
}

/// The same with the child's stderr sent to a file.
pub(crate) fn child_writing_to(
    stderr: Option<&str>,
    test: &str,
    scenario: impl FnOnce(),
) -> Output {
    const CHILD: &str = "SEGNO_TEST_CHILD";
    if cfg!(miri) {
        scenario();
        return Output { status: ExitStatus::default(), stdout: Vec::new(), stderr: Vec::new() };
    }
    if std::env::var(CHILD).is_ok_and(|wanted| wanted == test) {
        scenario();
        std::process::exit(0);
    }
    let this = std::env::current_exe().expect("a test binary has a path");
    // Under an emulator the child needs the emulator too; cargo says which.
    let runner = std::env::var(format!(
        "CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_RUNNER",
        std::env::consts::ARCH.to_uppercase()
    ))
    .unwrap_or_default();
    let mut words = runner.split_whitespace();
    let mut command = match words.next() {
        Some(emulator) => {
            let mut command = Command::new(emulator);
            command.args(words).arg(this);
            command
        }
        None => Command::new(this),
    };
    if let Some(path) = stderr {
        let file = std::fs::File::options().write(true).open(path);
        // `output` leaves alone what is set before.
        command.stderr(file.expect("the file can be written to"));
    }
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, test)
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("a test binary can be started again")
}

/// Checks that a child aborted, and said all of this first.
#[track_caller]
pub(crate) fn assert_aborted(output: &Output, said: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        const SIGABRT: i32 = 6;
        assert_eq!(output.status.signal(), Some(SIGABRT), "{}; stderr:\n{text}", output.status);
    }
    assert!(!output.status.success());
    for part in said {
        assert!(text.contains(part), "{part:?} is missing in stderr:\n{text}");
    }
}

/// Checks that a child exited with this code.
#[track_caller]
pub(crate) fn assert_exited(output: &Output, code: i32) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{}; stderr:\n{text}", output.status);
}

/// Does what the library offers, for places where the library calls code of the user's.
pub(crate) fn meddle() {
    stack::trim();
    let before = stack::stats();
    assert!(before.slabs > 0 || before.live == 0);
    let mut ends = Coroutine::new(|co: &Pauser<u32, u32>, x| co.pause(x + 1) + 1);
    assert_eq!(ends.resume(1), State::Paused(2));
    assert_eq!(ends.resume(5), State::Complete(6));
    let mut cancelled = Coroutine::new(|co: &Pauser<(), ()>, ()| co.pause(()));
    cancelled.resume(());
    cancelled.cancel();
    let mut dropped = Coroutine::new(|co: &Pauser<(), ()>, ()| co.pause(()));
    dropped.resume(());
    drop(dropped);
    drop(Coroutine::new(|co: &Pauser<(), ()>, ()| co.pause(())));
    assert_eq!(Generator::new(|out: &Outlet<u8>| out.pause_all(1..)).nth(2), Some(3));
    assert_eq!(stack::grow(64 << 10, || 7), 7);
    if !std::thread::panicking() {
        // While something unwinds a frame could not wait for what borrows from it.
        let three = [1, 2, 3];
        let sum: i32 = Generator::scoped(|out| out.pause_all(&three)).enter(|all| all.sum());
        assert_eq!(sum, 6);
    }
    stack::trim();
}

/// Meddles when it is dropped.
#[derive(Debug)]
pub(crate) struct Meddler {
    /// Counts the drops.
    pub(crate) drops: Rc<Cell<usize>>,
}

impl Drop for Meddler {
    fn drop(&mut self) {
        meddle();
        self.drops.set(self.drops.get() + 1);
    }
}

/// Numbers that are the same for the same seed (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// The next number.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.roll() % n as u64) as usize
    }

    /// Lets a moment pass: mostly a short one, because a thread that is as quick as this one is done with its part within
    /// a few of these steps, and now and then a long one.
    pub(crate) fn dally(&mut self, most: usize) {
        let scale = self.below(most.ilog2() as usize + 1);
        for _ in 0..self.below(2 << scale).min(most) {
            std::hint::spin_loop();
        }
    }

    /// Puts a slice in random order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// Notes, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Notes(RefCell<Vec<String>>);

impl Notes {
    /// One more.
    pub(crate) fn note(&self, line: impl ToString) {
        self.0.borrow_mut().push(line.to_string());
    }

    /// All of them since this was last called.
    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// A loop with a virtual clock.
pub(crate) fn virtually() -> EventLoop {
    EventLoop::builder().clock(Clock::virtual_time()).build()
}

/// Ends the process if `f` takes longer than any test should: a hang is a failure that has a name.
pub(crate) fn in_time<R>(f: impl FnOnce() -> R) -> R {
    let (done, over) = mpsc::channel::<()>();
    let name = thread::current().name().unwrap_or("a test").to_owned();
    thread::spawn(move || {
        // Storms at full size take most of a minute on two processors that have nothing else to do.
        let full = std::env::var_os("SEGNO_FULL").is_some();
        let limit = Duration::from_secs(if full { 600 } else { 60 });
        if over.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{name} hangs");
            std::process::exit(102);
        }
    });
    let value = f();
    drop(done);
    value
}

/// Runs a closure as the first task of a loop with a virtual clock.
#[track_caller]
pub(crate) fn on_a_loop<R>(f: impl FnOnce() -> R) -> R {
    virtually().run(f).unwrap_or_else(|error| panic!("{error}"))
}

/// Lets each other task of this loop go on until all wait.
pub(crate) fn settle() {
    (0..32).for_each(|_| segno::yield_now());
}

/// Why a task was cancelled.
#[track_caller]
pub(crate) fn reason_of<T: std::fmt::Debug>(joined: Result<T, JoinError>) -> CancelReason {
    match joined {
        Err(JoinError::Cancelled(reason)) => reason,
        other => panic!("it was to be cancelled, and is {other:?}"),
    }
}
