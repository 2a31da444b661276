//~ E0277
//! No other thread spawns in a scope or joins a child, not even one that ends before it.

fn main() {
    segno::run(|| {
        segno::scope(|s| {
            let child = s.spawn(|| 1);
            std::thread::scope(|threads| {
                threads.spawn(|| s.children()); //~
                threads.spawn(|| child.join().is_ok()); //~
            });
        });
    });
}
