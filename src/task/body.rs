//! What a task will run, without its type: in place if it is small, else in a box.

#![allow(unsafe_code, reason = "keeps closures as bytes")]

use std::mem::{MaybeUninit, size_of};

use super::reason::CancelReason;
use super::record::Task;
use crate::stacks::SpawnError;

/// Words in place: most closures fit.
const WORDS: usize = 7;

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

/// A [`Job`] without its type and without its lifetime. It is leaked if it is dropped.
pub(crate) struct Body {
    /// The job, or a box of it.
    bytes: [MaybeUninit<usize>; WORDS],
    /// What to do with it.
    methods: &'static Methods,
}

/// Gives every type of job its methods.
struct Of<J>(std::marker::PhantomData<J>);

impl<J: Job> Of<J> {
    /// Whether it lies in the body itself.
    const IN_PLACE: bool =
        size_of::<J>() <= WORDS * size_of::<usize>() && align_of::<J>() <= align_of::<usize>();

    /// For one that does.
    const METHODS: Methods = if Self::IN_PLACE {
        Methods {
            // SAFETY: `Body::new` wrote a `J` there, and each body is used up by one call.
            run: |at, task| unsafe { at.cast::<J>().read() }.run(task),
            // SAFETY: as above.
            refuse: |at, task, why| unsafe { at.cast::<J>().read() }.refuse(task, why),
        }
    } else {
        Methods {
            // SAFETY: `Body::new` wrote the address of a boxed `J` there.
            run: |at, task| unsafe { Box::from_raw(at.cast::<*mut J>().read()) }.run(task),
            refuse: |at, task, why| {
                // SAFETY: as above.
                unsafe { Box::from_raw(at.cast::<*mut J>().read()) }.refuse(task, why);
            },
        }
    };
}

impl Body {
    /// Takes the type off a job.
    ///
    /// # Safety
    /// Whatever the job refers to stays alive until [`run`](Self::run) or [`refuse`](Self::refuse) has
    /// returned; for ever, if neither is called or neither returns.
    #[inline(always)]
    pub(crate) unsafe fn new<J: Job>(job: J) -> Self {
        let mut bytes = [MaybeUninit::<usize>::uninit(); WORDS];
        let at = bytes.as_mut_ptr().cast::<u8>();
        // SAFETY: it fits, as `IN_PLACE` says; an address fits in any case.
        unsafe {
            if Of::<J>::IN_PLACE {
                at.cast::<J>().write(job);
            } else {
                at.cast::<*mut J>().write(Box::into_raw(Box::new(job)));
            }
        }
        Self { bytes, methods: const { &Of::<J>::METHODS } }
    }

    /// Runs it.
    #[inline(always)]
    pub(crate) fn run(mut self, task: &'static Task) {
        // SAFETY: the job is in there, and the body is used up.
        unsafe { (self.methods.run)(self.bytes.as_mut_ptr().cast(), task) }
    }

    /// Lets it go.
    pub(crate) fn refuse(mut self, task: &'static Task, why: Refusal) {
        // SAFETY: as above.
        unsafe { (self.methods.refuse)(self.bytes.as_mut_ptr().cast(), task, why) }
    }
}
