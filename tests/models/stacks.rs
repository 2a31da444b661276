//! What stands in for stacks: in a model a task runs on that of its thread.

#[derive(Clone, Copy)]
pub(crate) struct Request;
