//~ E0515
//! What comes out of `grow` does not refer to its stack.

fn main() {
    let text: &str = segno::stack::grow(1 << 20, || {
        let local = "text".to_owned();
        local.as_str() //~
    });
    println!("{text}");
}
