//~ E0277
//! A task-local is copied out only if its type can be.

struct Single;

segno::task_local! {
    static SINGLE: Single = Single;
}

fn main() {
    segno::run(|| {
        let _: Single = SINGLE.get(); //~
    });
}
