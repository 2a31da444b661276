//~ E0499, E0502
//! Two children do not both change the same thing, nor one what the body or another one reads.

use segno::Pool;

fn main() {
    let pool = Pool::new();
    let mut sum = 0;
    pool.scope(|s| {
        s.spawn(|| sum += 1);
        s.spawn(|| sum += 1); //~
    });
    pool.scope(|s| {
        s.spawn(|| sum += 1);
        assert_eq!(sum, 1); //~
    });
    pool.join(|| sum += 1, || sum += 1); //~
    pool.join(|| sum += 1, || sum); //~
}
