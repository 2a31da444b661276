//~ E0521
//! No scope takes the place of another.

fn main() {
    segno::run(|| {
        segno::scope(|mut outer| {
            segno::scope(|mut inner| std::mem::swap(&mut outer, &mut inner)); //~
            outer.spawn(|| 1);
        });
        let _ = segno::try_scope(|mut outer| {
            segno::try_scope(|mut inner| {
                std::mem::swap(&mut outer, &mut inner); //~
                Ok::<_, ()>(())
            })
        });
        let _ = segno::cancel_scope(|mut outer| {
            segno::cancel_scope(|mut inner| std::mem::swap(&mut outer, &mut inner)) //~
        });
    });
}
