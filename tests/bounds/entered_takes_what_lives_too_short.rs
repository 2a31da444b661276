//~ lifetime may not live long enough
//! What goes into an entered coroutine cannot be made to live shorter.

use segno::Entered;

fn shortened<'a, 'b, 'x>(
    co: &'b mut Entered<'x, &'static str, (), ()>,
) -> &'b mut Entered<'x, &'a str, (), ()> {
    co //~
}

fn main() {
    let _ = shortened;
}
