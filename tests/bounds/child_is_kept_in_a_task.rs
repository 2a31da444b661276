//~ E0521
//! A task that nobody waits for takes neither a scope nor a child's handle along.

fn main() {
    segno::run(|| {
        segno::scope(|s| {
            drop(segno::spawn(move || s.children())); //~
        });
        segno::scope(|s| {
            let child = s.spawn(|| 1);
            drop(segno::spawn(move || child.join().is_ok())); //~
        });
        let _ = segno::cancel_scope(|part| {
            drop(segno::spawn(move || part.cancel("from afar"))); //~
        });
    });
}
