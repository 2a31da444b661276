//~ E0502
//! What the coroutine borrows stays borrowed while it is entered.

use segno::{Generator, Outlet};

fn main() {
    let mut words = vec!["text".to_owned()];
    Generator::scoped(|out: &Outlet<&str>| out.pause_all(words.iter().map(String::as_str))).enter(
        |items| {
            //~
            let first = items.next();
            words.clear();
            println!("{first:?}");
        },
    );
}
