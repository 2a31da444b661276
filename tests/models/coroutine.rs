//! What stands in for coroutines: in a model nothing pauses.

pub(crate) type Payload = Box<dyn std::any::Any + Send>;

pub(crate) fn no_pause<R>(f: impl FnOnce() -> R) -> R {
    f()
}
