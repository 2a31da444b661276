//~ E0277
//! Another thread cancels by the handle, not by the scope itself.

fn main() {
    segno::run(|| {
        let _ = segno::cancel_scope(|inside| {
            std::thread::scope(|threads| {
                threads.spawn(|| inside.cancel("from afar")); //~
            });
        });
    });
}
