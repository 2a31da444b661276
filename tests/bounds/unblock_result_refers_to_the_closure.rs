//~ E0515
//! What comes back from another thread does not refer to what was there.

fn main() {
    let length = segno::run(|| {
        segno::unblock(|| {
            let text = String::from("there");
            text.as_str() //~
        })
        .len()
    });
    assert_eq!(length, 5);
}
