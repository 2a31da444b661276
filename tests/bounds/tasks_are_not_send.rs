//~ E0277
//! Nothing that reaches into a loop's own thread can be sent to another one.

use std::rc::Rc;

use segno::{
    CancelScope, EventLoop, JoinHandle, Scope, ScopedJoinHandle, ScopedTask, TaskBuilder, TryScope,
};

fn check<T: Send>() {}

fn main() {
    check::<EventLoop>(); //~
    check::<TaskBuilder<'static>>(); //~
    check::<JoinHandle<Rc<u8>>>(); //~
    check::<Scope<'static, 'static>>(); //~
    check::<&Scope<'static, 'static>>(); //~
    check::<TryScope<'static, 'static, ()>>(); //~
    check::<ScopedTask<'static, 'static>>(); //~
    check::<ScopedJoinHandle<'static, u8>>(); //~
    check::<CancelScope>(); //~
    check::<&CancelScope>(); //~
    check::<segno::testing::Transcript>(); //~
}
