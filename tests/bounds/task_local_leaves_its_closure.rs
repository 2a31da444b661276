//~ lifetime may not live long enough
//! A task-local's value is lent to a closure, and does not leave it.

segno::task_local! {
    static WORD: String = String::new();
}

fn main() {
    let word: &str = WORD.with(|word| word.as_str()); //~
    let _ = word;
}
