//! How many bytes does a paused coroutine or task hold?
//!
//! `cargo bench -p segno-benches --bench memory`
//!
//! Counted: by how much the process grows when a number of coroutines are created and each is
//! resumed up to its first pause, or so many tasks are spawned on an event loop and have run up to
//! where they pause, divided by that number: resident memory (`VmRSS`) and the
//! kernel's page tables (`VmPTE`), which a resident figure alone would hide. The handles and the
//! vector that they are in are part of it. Not counted: address space, which costs nothing until it
//! is touched, and what the kernel keeps elsewhere: a record for each mapping (two for each stack
//! of corosensei's and of `generator`'s), and for each thread a kernel stack of 16 KiB.
//!
//! Against: one touched page in every 64 KiB, which is the least that a stack in a slot of that
//! size can hold (the floor); corosensei and the crate `generator` as they come; threads of the
//! operating system; a boxed future, which has no stack and holds what its author stored in it; of
//! the tasks, those of tokio and of async-executor, which are such futures, and those of may, which
//! have stacks.
//!
//! Fair, because each is measured in a process of its own, so that nobody finds another's memory
//! ready to be reused, and because all pause at once, at the top of their closure: whoever calls
//! deeper holds more, except for the stackless one, which then allocates.
//!
//! A rival that cannot hold so many is shown without a figure, with how far it came and why.

use async_executor::LocalExecutor;
use futures_lite::future;
use segno::{Builder, Coroutine, EventLoop, Pauser};
use segno_benches::apart;
use segno_benches::question::{is_test, leave_sheet, wanted};
use segno_benches::rivals::{on_async_executor, on_tokio, one_worker_of_may, tokio};
use segno_benches::row::{Kind, Row};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::cell::Cell;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::task::{Context, Waker};
use std::{fs, mem, thread};

const HOLDERS: [Holder; 11] = [
    Holder {
        kind: Kind::Floor,
        who: "a touched page per 64 KiB",
        hold: touched_pages,
        most: usize::MAX,
        note: "",
    },
    Holder {
        kind: Kind::Rival,
        who: "corosensei, DefaultStack",
        hold: bare,
        most: usize::MAX,
        note: "1 MiB stacks of two mappings",
    },
    Holder {
        kind: Kind::Rival,
        who: "generator",
        hold: generator,
        most: usize::MAX,
        note: "32 KiB stacks of two mappings",
    },
    Holder {
        kind: Kind::Rival,
        who: "OS thread",
        hold: threads,
        most: 4000,
        note: "2 MiB stacks; and 16 KiB in the kernel",
    },
    Holder {
        kind: Kind::Rival,
        who: "boxed future",
        hold: futures,
        most: usize::MAX,
        note: "stackless; holds one number",
    },
    Holder {
        kind: Kind::Rival,
        who: "tokio, task",
        hold: on_tokios,
        most: usize::MAX,
        note: "stackless; holds one number",
    },
    Holder {
        kind: Kind::Rival,
        who: "async-executor, task",
        hold: on_executors,
        most: usize::MAX,
        note: "stackless; holds one number",
    },
    Holder {
        kind: Kind::Rival,
        who: "may, task",
        hold: may,
        most: usize::MAX,
        note: "32 KiB stacks of two mappings",
    },
    Holder {
        kind: Kind::Segno,
        who: "48 KiB (64 KiB slots)",
        hold: segno_small,
        most: usize::MAX,
        note: "",
    },
    Holder {
        kind: Kind::Segno,
        who: "default (256 KiB slots)",
        hold: segno,
        most: usize::MAX,
        note: "",
    },
    Holder {
        kind: Kind::Segno,
        who: "task, 48 KiB (64 KiB slots)",
        hold: segno_tasks,
        most: usize::MAX,
        note: "",
    },
];

fn main() {
    if let Some((who, count)) = apart::asked() {
        return hold(&who, count);
    }
    if Memory::now().is_none() {
        return println!("SKIPPED memory: there is no /proc/self/status to read it from");
    }
    let counts: &[usize] = if is_test() { &[100] } else { &[1_000, 100_000, 1_000_000] };
    let mut rows = Vec::new();
    for &count in counts {
        let case = format!("{} paused", grouped(count));
        for holder in &HOLDERS {
            let id = format!("memory/{case}/{}: {}", holder.kind.word(), holder.who);
            if wanted(&id) {
                let row = measure(holder, &case, count);
                println!("{row}");
                rows.push(row);
            }
        }
    }
    leave_sheet("memory", &rows);
}

/// One way to hold many paused coroutines.
struct Holder {
    /// What it stands for.
    kind: Kind,
    /// Its name.
    who: &'static str,
    /// Creates and pauses so many.
    hold: fn(usize) -> Held,
    /// More than this are not tried.
    most: usize,
    /// What a reader must know about it.
    note: &'static str,
}

/// Paused coroutines.
struct Held {
    /// How many there are.
    count: usize,
    /// Why there are not more.
    error: Option<String>,
    /// The vector of their handles.
    _handles: Box<dyn Any>,
}

impl Held {
    /// Makes so many with `make`, or as many as it can.
    fn new<T: 'static>(count: usize, mut make: impl FnMut(usize) -> Result<T, String>) -> Held {
        let mut handles = Vec::with_capacity(count);
        let mut error = None;
        while handles.len() < count && error.is_none() {
            match make(handles.len()) {
                Ok(handle) => handles.push(handle),
                Err(reason) => error = Some(reason),
            }
        }
        Held { count: handles.len(), error, _handles: Box::new(handles) }
    }
}

/// What a process that holds coroutines prints when it is done.
#[derive(Deserialize, Serialize)]
struct Report {
    /// How many it holds.
    held: usize,
    /// What the process grew by.
    grown: Memory,
    /// Why there are not more.
    error: Option<String>,
}

/// Memory of this process, in bytes.
#[derive(Clone, Copy, Deserialize, Serialize)]
struct Memory {
    /// Pages that are in memory.
    resident: f64,
    /// The kernel's tables that say where they are.
    tables: f64,
}

impl Memory {
    /// As it is now, where the system tells.
    fn now() -> Option<Memory> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let bytes = |key| kilobytes(&status, key).map(|kilobytes| kilobytes * 1024.0);
        Some(Memory { resident: bytes("VmRSS:")?, tables: bytes("VmPTE:")? })
    }
}

/// A line `KEY 123 kB` of a file in `/proc`.
fn kilobytes(text: &str, key: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Holds coroutines and prints the report, in a process that nothing else has been done in.
fn hold(who: &str, count: usize) {
    let holder = HOLDERS.iter().find(|holder| holder.who == who).expect("a holder of that name");
    let before = Memory::now().expect("looked for by the parent");
    let mut held = (holder.hold)(count);
    let after = Memory::now().expect("looked for by the parent");
    let grown =
        Memory { resident: after.resident - before.resident, tables: after.tables - before.tables };
    let report = Report { held: held.count, grown, error: held.error.take() };
    apart::answer(&report);
    // The process is about to end: unwinding a million stacks would only take time.
    mem::forget(held);
}

/// Measures one holder, several times where that is quick.
fn measure(holder: &Holder, case: &str, count: usize) -> Row {
    let mut row = Row::empty("memory", case, holder.kind, holder.who, "bytes").note(holder.note);
    // 5,000 bytes for each that has a stack, and something for the rest of the machine.
    let available = fs::read_to_string("/proc/meminfo").ok();
    let available = available.and_then(|text| kilobytes(&text, "MemAvailable:"));
    if available.is_some_and(|kilobytes| kilobytes * 1024.0 < count as f64 * 5000.0 + 5e8) {
        row.note = "this machine had not enough memory free to try".into();
        return row;
    }
    let repeats = if is_test() || count >= 1_000_000 { 1 } else { 3 };
    let mut figures = Vec::new();
    for _ in 0..repeats {
        let report = match apart::run::<Report>(holder.who, count.min(holder.most)) {
            Ok(report) => report,
            Err(reason) => {
                row.note = reason;
                return row;
            }
        };
        let each = |bytes: f64| bytes / report.held as f64;
        let (resident, tables) = (each(report.grown.resident), each(report.grown.tables));
        if report.held < count {
            let reason = report.error.unwrap_or("more are not tried".into());
            let (held, bytes) = (grouped(report.held), resident + tables);
            row.note = format!("{held} held, {bytes:.0} bytes each; {reason}; {}", holder.note);
            return row;
        }
        figures.push((resident + tables, resident, tables));
    }
    figures.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (value, resident, tables) = figures[figures.len() / 2];
    row.value = Some(value.round());
    row.low = figures.first().map(|figure| figure.0.round());
    row.high = figures.last().map(|figure| figure.0.round());
    row.note = format!("resident {resident:.0} + page tables {tables:.0}");
    if !holder.note.is_empty() {
        row.note = format!("{}; {}", row.note, holder.note);
    }
    row
}

/// A number as people write it: 1,000,000.
fn grouped(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1000), number % 1000),
    }
}

/// Pages of one mapping, each touched where a stack in a slot of that size is touched first.
#[cfg(unix)]
fn touched_pages(count: usize) -> Held {
    const SLOT: usize = 64 * 1024;

    let (read_write, size) = (libc::PROT_READ | libc::PROT_WRITE, count * SLOT);
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping at a place the system chooses: no memory that is in use changes.
    let slots = unsafe { libc::mmap(std::ptr::null_mut(), size, read_write, flags, -1, 0) };
    assert!(slots != libc::MAP_FAILED, "mmap: {}", std::io::Error::last_os_error());
    // SAFETY: advice on the mapping made above, which is `size` bytes long. Without it the kernel
    // may back it with pages of 2 MiB, and the floor would be a ceiling.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::madvise(slots, size, libc::MADV_NOHUGEPAGE)
    };
    Held::new(count, |slot| {
        // SAFETY: the last byte of a slot that lies wholly inside the mapping, which nothing else
        // knows of.
        unsafe { slots.cast::<u8>().add(slot * SLOT + SLOT - 1).write(1) };
        Ok(())
    })
}

#[cfg(not(unix))]
fn touched_pages(count: usize) -> Held {
    Held::new::<()>(count, |_| Err("not written for this system".into()))
}

fn bare(count: usize) -> Held {
    Held::new(count, |_| {
        let stack = corosensei::stack::DefaultStack::new(1024 * 1024);
        let stack = stack.map_err(|error| format!("DefaultStack::new: {error}"))?;
        let body = |yielder: &corosensei::Yielder<(), ()>, ()| yielder.suspend(());
        let mut co = corosensei::Coroutine::<(), (), (), _>::with_stack(stack, body);
        assert!(co.resume(()).as_yield().is_some());
        Ok(co)
    })
}

fn generator(count: usize) -> Held {
    // It has no error to give back when the system has no stack for it: it panics.
    std::panic::set_hook(Box::new(|_| ()));
    Held::new(count, |_| {
        let made = catch_unwind(|| {
            let mut co = generator::Gn::<()>::new_scoped_local(|mut scope| scope.yield_with(()));
            assert!(co.resume().is_some());
            co
        });
        made.map_err(|payload| said(&*payload))
    })
}

/// What a panic said.
fn said(payload: &dyn Any) -> String {
    match payload.downcast_ref::<String>() {
        Some(message) => format!("it panics: {message}"),
        None => "it panics".into(),
    }
}

fn threads(count: usize) -> Held {
    let (paused, pauses) = channel();
    Held::new(count, |_| {
        let paused = paused.clone();
        let body = move || {
            let _ = paused.send(());
            loop {
                thread::park();
            }
        };
        let made = thread::Builder::new().spawn(body);
        let made: thread::JoinHandle<()> =
            made.map_err(|error| format!("thread::spawn: {error}"))?;
        pauses.recv().expect("the thread says so when it runs");
        Ok(made)
    })
}

fn futures(count: usize) -> Held {
    Held::new(count, |i| {
        let mut co: Pin<Box<dyn Future<Output = usize>>> = Box::pin(async move {
            pending::<()>().await;
            i
        });
        assert!(co.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        Ok(co)
    })
}

fn on_tokios(count: usize) -> Held {
    let (runtime, paused) = (tokio(), Arc::new(AtomicUsize::new(0)));
    let handles = (0..count).map(|i| {
        let paused = paused.clone();
        runtime.spawn(async move {
            paused.fetch_add(1, Relaxed);
            pending::<()>().await;
            i
        })
    });
    let handles: Vec<_> = handles.collect();
    on_tokio(&runtime, async move {
        while paused.load(Relaxed) < count {
            tokio::task::yield_now().await;
        }
    });
    Held { count, error: None, _handles: Box::new((runtime, handles)) }
}

fn on_executors(count: usize) -> Held {
    let (executor, paused) = (LocalExecutor::new(), Rc::new(Cell::new(0)));
    let handles = (0..count).map(|i| {
        let paused = paused.clone();
        executor.spawn(async move {
            paused.set(paused.get() + 1);
            pending::<()>().await;
            i
        })
    });
    let handles: Vec<_> = handles.collect();
    on_async_executor(&executor, async move {
        while paused.get() < count {
            future::yield_now().await;
        }
    });
    Held { count, error: None, _handles: Box::new((executor, handles)) }
}

fn may(count: usize) -> Held {
    one_worker_of_may();
    let paused = Arc::new(AtomicUsize::new(0));
    // It has no error to give back when the system has no stack for it: it panics.
    std::panic::set_hook(Box::new(|_| ()));
    Held::new(count, |i| {
        let paused_now = paused.clone();
        let made = catch_unwind(AssertUnwindSafe(|| {
            may::go!(move || {
                paused_now.fetch_add(1, Relaxed);
                may::coroutine::park();
                i
            })
        }));
        let made = made.map_err(|payload| said(&*payload))?;
        while paused.load(Relaxed) <= i {
            thread::yield_now();
        }
        Ok(made)
    })
}

fn segno_small(count: usize) -> Held {
    Held::new(count, |_| paused(Builder::new().stack_size(48 * 1024)))
}

fn segno(count: usize) -> Held {
    Held::new(count, |_| paused(Builder::new()))
}

fn paused(builder: Builder) -> Result<Coroutine<(), (), ()>, String> {
    let made = builder.build(|co: &Pauser<(), ()>, ()| co.pause(()));
    let mut co = made.map_err(|error| error.to_string())?;
    co.resume(());
    Ok(co)
}

fn segno_tasks(count: usize) -> Held {
    let (mut event_loop, paused) = (EventLoop::new(), Rc::new(Cell::new(0)));
    let handles = (0..count).map(|i| {
        let paused = paused.clone();
        event_loop.task("").stack_size(48 * 1024).spawn(move || {
            paused.set(paused.get() + 1);
            segno::pause();
            i
        })
    });
    let handles: Vec<_> = handles.collect();
    event_loop.run_until_idle();
    assert_eq!(paused.get(), count);
    Held { count, error: None, _handles: Box::new((event_loop, handles)) }
}
