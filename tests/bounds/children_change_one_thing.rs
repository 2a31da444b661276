//~ E0499
//! Two children do not both change the same thing.

fn main() {
    segno::run(|| {
        let mut sum = 0;
        segno::scope(|s| {
            s.spawn(|| sum += 1);
            s.spawn(|| sum += 1); //~
        });
        let _ = segno::try_scope(|s| {
            s.spawn(|| Ok::<_, ()>(sum += 1));
            s.spawn(|| Ok(sum += 1)); //~
            Ok(())
        });
    });
}
