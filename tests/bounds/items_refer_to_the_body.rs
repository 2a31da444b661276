//~ E0597
//! Items do not refer to what lives in the body: it is gone when they are looked at.

use segno::{Generator, Outlet};

fn main() {
    let kept = Generator::scoped(|out: &Outlet<&str>| {
        let local = "text".to_owned();
        out.pause(&local); //~
    })
    .enter(|items| items.next());
    println!("{kept:?}");
}
