//~ E0597
//! A generator that could be kept must not refer to a frame.

use segno::Generator;

fn main() {
    let words = vec!["a".to_owned()];
    let borrowed = &words; //~
    let items = Generator::new(move |out| out.pause_all(borrowed.iter().map(String::len)));
    drop(items);
}
