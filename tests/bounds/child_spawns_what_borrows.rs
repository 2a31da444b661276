//~ E0597
//! A task that nobody waits for does not borrow, from inside a child neither.

fn main() {
    segno::run(|| {
        let local = "local".to_owned();
        segno::scope(|s| {
            s.spawn(|| drop(segno::spawn(|| local.len()))); //~
        });
    });
}
