//~ E0261
//! The values of a task-local own what they refer to.

segno::task_local! {
    static BORROWED: &'a str = ""; //~
}

fn main() {
    let _ = &BORROWED;
}
