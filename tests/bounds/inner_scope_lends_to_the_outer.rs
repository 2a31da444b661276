//~ E0597
//! A child of the outer scope does not borrow what lives only as long as the inner one.

fn main() {
    segno::run(|| {
        segno::scope(|outer| {
            let between = "between".to_owned();
            segno::scope(|inner| {
                outer.spawn(|| between.len()); //~
                inner.children()
            });
        });
    });
}
