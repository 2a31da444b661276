//! What a task will run, without its type: in place if it is small, else in a box.

#![allow(unsafe_code, reason = "keeps closures as bytes")]

use std::cell::{Cell, UnsafeCell};
use std::mem::{MaybeUninit, size_of};

use super::reason::CancelReason;
use super::record::Task;
use crate::stacks::SpawnError;

/// Words in place: most closures fit.
const WORDS: usize = 5;

/// What a task runs. Exactly one of the two is called, once.
pub(crate) trait Job: Sized {
    /// Runs it, on the task's own stack. Lets no panic out.
    fn run(self, task: &'static Task);
    /// Lets it go without having run. Lets no panic out.
    fn refuse(self, task: &'static Task, refusal: Refusal);
}

/// Why a task never ran.
pub(crate) enum Refusal {
    /// It was cancelled first.
    Cancelled(CancelReason),
    /// There was no stack for it.
    NoStack(SpawnError),
}

/// The two functions of a [`Job`].
struct Methods {
    /// [`Job::run`] for what lies at the address.
    run: unsafe fn(*mut u8, &'static Task),
    /// [`Job::refuse`] for what lies at the address.
    refuse: unsafe fn(*mut u8, &'static Task, Refusal),
}

/// Where a [`Job`] lies without its type and without its lifetime. What is in there is leaked if the body is
/// dropped.
pub(crate) struct Body {
    /// The job, or a box of it.
    bytes: UnsafeCell<[MaybeUninit<usize>; WORDS]>,
    /// What to do with it; `None` if there is none.
    methods: Cell<Option<&'static Methods>>,
}

/// Whether a value of this type lies in the body itself.
const fn fits<T>() -> bool {
    size_of::<T>() <= WORDS * size_of::<usize>() && align_of::<T>() <= align_of::<usize>()
}

/// Gives every type of job its methods.
struct Of<J>(std::marker::PhantomData<J>);

impl<J: Job> Of<J> {
    /// Whether it lies in the body itself.
    const IN_PLACE: bool = fits::<J>();

    /// What to do with it.
    const METHODS: Methods = if Self::IN_PLACE {
        Methods {
            // SAFETY: `Body::put` wrote a `J` there, and it is taken out once.
            run: |at, task| unsafe { at.cast::<J>().read() }.run(task),
            // SAFETY: as above.
            refuse: |at, task, why| unsafe { at.cast::<J>().read() }.refuse(task, why),
        }
    } else {
        Methods {
            // SAFETY: `Body::put` wrote the address of a boxed `J` there, and it is taken out once.
            run: |at, task| unsafe { Box::from_raw(at.cast::<*mut J>().read()) }.run(task),
            refuse: |at, task, why| {
                // SAFETY: as above.
                unsafe { Box::from_raw(at.cast::<*mut J>().read()) }.refuse(task, why);
            },
        }
    };
}

impl Body {
    /// Nothing.
    pub(crate) const fn empty() -> Self {
        Self {
            bytes: UnsafeCell::new([const { MaybeUninit::uninit() }; WORDS]),
            methods: Cell::new(None),
        }
    }

    /// Puts a job in.
    ///
    /// # Safety
    /// Nothing is in there. Whatever the job refers to stays alive until [`run`](Self::run) or
    /// [`refuse`](Self::refuse) has returned; for ever, if neither is called or neither returns.
    #[inline(always)]
    pub(crate) unsafe fn put<J: Job>(&self, job: J) {
        let at = self.bytes.get().cast::<u8>();
        // SAFETY: it fits, as `IN_PLACE` says; an address fits in any case. Nobody else looks at the
        // bytes, which are reached through this cell only.
        unsafe {
            if Of::<J>::IN_PLACE {
                at.cast::<J>().write(job);
            } else {
                at.cast::<*mut J>().write(Box::into_raw(Box::new(job)));
            }
        }
        self.methods.set(Some(const { &Of::<J>::METHODS }));
    }

    /// Runs the job, if there is one.
    #[inline(always)]
    pub(crate) fn run(&self, task: &'static Task) {
        if let Some(methods) = self.methods.take() {
            // SAFETY: the job is in there, and from now on it is not.
            unsafe { (methods.run)(self.bytes.get().cast(), task) }
        }
    }

    /// Lets the job go, if there is one.
    pub(crate) fn refuse(&self, task: &'static Task, why: Refusal) {
        if let Some(methods) = self.methods.take() {
            // SAFETY: as above.
            unsafe { (methods.refuse)(self.bytes.get().cast(), task, why) }
        }
    }

    /// Puts a result where the job was, or the address of a box if it is too large.
    ///
    /// # Safety
    /// Nothing is in there.
    #[inline(always)]
    pub(crate) unsafe fn put_result<R>(&self, result: R) {
        let at = self.bytes.get().cast::<u8>();
        // SAFETY: it fits, as `fits` says, or its address does; nobody else looks at the bytes.
        unsafe {
            if const { fits::<R>() } {
                at.cast::<R>().write(result);
            } else {
                at.cast::<*mut R>().write(Box::into_raw(Box::new(result)));
            }
        }
    }

    /// Takes a result out.
    ///
    /// # Safety
    /// One of this type was put in, and not taken out.
    #[inline(always)]
    pub(crate) unsafe fn take_result<R>(&self) -> R {
        let at = self.bytes.get().cast::<u8>();
        // SAFETY: the caller's promise.
        unsafe {
            if const { fits::<R>() } {
                at.cast::<R>().read()
            } else {
                *Box::from_raw(at.cast::<*mut R>().read())
            }
        }
    }

    /// Forgets the job: it was leaked with everything else.
    pub(crate) fn forget(&self) {
        self.methods.set(None);
    }
}
