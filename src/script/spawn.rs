//! How a script is to be spawned.

use std::borrow::Cow;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use super::group::{Circle, Group};
use super::handle::{Handle, Place};
use super::kernel::Kernel;
use super::lend::{Script, embody};
use super::owner::{Bond, Owner};
use super::record::{Link, Record, Wait};
use crate::coroutine::Builder as StackBuilder;
use crate::stacks::{Request, SpawnError};

/// What happens when a script is spawned whose name a running singleton has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Singleton {
    /// The running one stays, and the handle is its handle. The new closure is dropped.
    Keep,
    /// The running one is cancelled, and the new one does not wait for its end. The old one takes no further
    /// step, unless it is in a [`shield`](super::Script::shield).
    Replace,
    /// The running one is cancelled, and the new one starts when the old one has ended: its clean-up comes
    /// first.
    Restart,
}

/// How a script is to be spawned: see [`Scripts::spawn_with`](super::Scripts::spawn_with).
///
/// ```
/// use segno::script::{Scripts, Singleton, Spawn};
///
/// let scripts = Scripts::<u32>::new();
/// let jump = || Spawn::named("jump").priority(-1).singleton(Singleton::Keep);
/// let first = scripts.spawn_with(jump(), |s| { s.next_frame(); });
/// let second = scripts.spawn_with(jump(), |s| { s.next_frame(); }); // one at a time
/// assert_eq!(first.id(), second.id());
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Spawn {
    /// Its name.
    pub(super) name: Cow<'static, str>,
    /// The group that it is in, if not the spawner's.
    pub(super) group: Option<Group>,
    /// The owner that it is bound to, if not the spawner's.
    pub(super) owner: Option<Arc<Bond>>,
    /// Its priority, if not the spawner's.
    pub(super) priority: Option<i32>,
    /// Bytes of frames, if not as many as the scheduler gives.
    pub(super) stack_size: Option<usize>,
    /// What happens when a singleton of this name runs; `None` if it is no singleton.
    pub(super) singleton: Option<Singleton>,
}

impl Spawn {
    /// A script of this name.
    ///
    /// Everything else is as for [`spawn`](super::Scripts::spawn). What a script spawns is in the script's
    /// group, bound to its owner, and of its priority, unless this says otherwise.
    pub fn named(name: impl Into<Cow<'static, str>>) -> Self {
        let name = name.into();
        Self { name, group: None, owner: None, priority: None, stack_size: None, singleton: None }
    }

    /// Puts it into a group.
    pub fn group(mut self, group: &Group) -> Self {
        self.group = Some(group.clone());
        self
    }

    /// Binds it to an owner: it is cancelled when that is dropped.
    pub fn owner(mut self, owner: &Owner) -> Self {
        self.owner = Some(owner.bond());
        self
    }

    /// Sets who goes first in a tick: the lower number. 0 unless set.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Asks for at least this many bytes of frames; see [`Builder::stack_size`](crate::Builder::stack_size).
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Lets only one script of this name run among those spawned as singletons.
    pub fn singleton(mut self, policy: Singleton) -> Self {
        self.singleton = Some(policy);
        self
    }
}

/// Everything that a record is made from.
pub(super) struct Making {
    /// Its name.
    pub(super) name: Cow<'static, str>,
    /// Its priority.
    pub(super) priority: i32,
    /// The group that it is in.
    pub(super) group: Rc<Circle>,
    /// The owner that it is bound to.
    pub(super) owner: Option<Arc<Bond>>,
    /// Its stack.
    pub(super) request: Request,
    /// Whether it is the closure of a scope.
    pub(super) is_body: bool,
    /// The line that spawns it.
    pub(super) spawned_at: &'static Location<'static>,
}

impl Kernel {
    /// The stack for this many bytes of frames; if it does not say, for as many as is usual here.
    #[inline]
    fn request(
        &self,
        bytes: Option<usize>,
        at: &'static Location<'static>,
    ) -> Result<Request, SpawnError> {
        match (bytes, self.usual_request.get()) {
            (None, Some(request)) => Ok(request),
            _ => self.work_out_request(bytes, at),
        }
    }

    /// The same, the long way.
    #[cold]
    fn work_out_request(
        &self,
        bytes: Option<usize>,
        at: &'static Location<'static>,
    ) -> Result<Request, SpawnError> {
        let mut builder = StackBuilder::new().measure(self.settings.measure);
        if let Some(bytes) = bytes.or(self.settings.stack_size) {
            builder = builder.stack_size(bytes);
        }
        let (plan, _) = builder.plan(at, crate::coroutine::Lender::Nobody, false)?;
        if bytes.is_none() {
            self.usual_request.set(Some(plan.request));
        }
        Ok(plan.request)
    }

    /// Spawns a script; `from` is the one that does.
    ///
    /// Inlined, as what it is called by, because what goes in and comes out would be copied otherwise, several
    /// times, in pieces of another size than those in which it was written: each costs the processor some ns.
    #[inline(always)]
    pub(super) fn spawn<W: 'static, T: 'static>(
        self: &Rc<Self>,
        from: Option<&Rc<Record>>,
        spawn: Spawn,
        at: &'static Location<'static>,
        f: impl FnOnce(&mut Script<W>) -> T + 'static,
    ) -> Result<Handle<T>, SpawnError> {
        let Spawn { name, group, owner, priority, stack_size, singleton } = spawn;
        if let Some(group) = &group {
            group.check(self, at);
        }
        if let Some(bond) = &owner {
            assert!(bond.belongs(&self.deaths), "the owner used at {at} belongs to other scripts");
        }
        let running = singleton.and_then(|_| self.singletons.borrow().get(&name).cloned());
        if let (Some(Singleton::Keep), Some(running)) = (singleton, &running) {
            let place = self.places.borrow().get(&running.id).cloned();
            let place = place.and_then(|place| place.downcast::<Place<T>>().ok());
            let Some(place) = place else {
                panic!(
                    "{running} runs already and returns something else than the one spawned at {at}"
                );
            };
            let kernel = Rc::downgrade(self);
            return Ok(Handle { record: running.clone(), place, kernel });
        }
        let making = Making {
            name,
            priority: priority.or(from.map(|from| from.priority)).unwrap_or(0),
            group: match (group, from) {
                (Some(group), _) => group.circle,
                (None, Some(from)) => from.group.clone(),
                (None, None) => self.root.clone(),
            },
            owner: owner.or_else(|| from.and_then(|from| from.owner.clone())),
            request: self.request(stack_size, at)?,
            is_body: false,
            spawned_at: at,
        };
        let record = self.record(making, None);
        let place = Place::new();
        let result = place.clone();
        if let Err(error) = embody(self, &record, move |s: &mut Script<W>| result.put(f(s))) {
            self.forget(&record);
            return Err(error);
        }
        if singleton.is_some() {
            self.singletons.borrow_mut().insert(record.name.clone(), record.clone());
            self.places.borrow_mut().insert(record.id, place.clone());
        }
        match running {
            Some(running) if singleton == Some(Singleton::Restart) => {
                self.enter_after(&record, &running)
            }
            running => {
                self.enter(&record);
                if let Some(running) = running {
                    self.cancel(&running);
                }
            }
        }
        Ok(Handle { record, place, kernel: Rc::downgrade(self) })
    }

    /// Takes in a script that is to start when another has ended, which is cancelled for that.
    fn enter_after(&self, record: &Rc<Record>, running: &Rc<Record>) {
        self.admit(record);
        let number = self.next_number();
        record.wait.set(Wait { number, what: "restart", at: record.spawned_at });
        running.extras().joiners.borrow_mut().push((record.clone(), number));
        record.link.set(Link::End(running.clone()));
        self.cancel(running);
        if record.owner.as_ref().is_some_and(|bond| bond.is_dead()) {
            self.cancel(record);
        }
    }
}
