//~ E0597
//! Items do not refer to what the body owns.

use segno::{Generator, Outlet};

fn main() {
    let words = vec!["text".to_owned()];
    let kept = Generator::scoped(move |out: &Outlet<&str>| {
        let words = words;
        out.pause(&words[0]); //~
    })
    .enter(|items| items.next());
    println!("{kept:?}");
}
