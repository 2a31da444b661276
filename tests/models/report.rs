//! What the library has to say: a model fails then.

pub(crate) fn abort(message: String) -> ! {
    panic!("{message}")
}
