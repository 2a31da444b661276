//~ E0373, E0597
//! A child does not borrow what the closure of its scope owns: that is gone before the scope waits.

fn main() {
    segno::run(|| {
        segno::scope(|s| {
            let local = "local".to_owned();
            s.spawn(|| local.len()); //~
            let borrowed = &local; //~
            s.spawn(move || borrowed.len());
        });
        let _ = segno::try_scope(|s| {
            let local = "local".to_owned();
            s.spawn(|| Ok::<_, ()>(local.len())); //~
            let borrowed = &local; //~
            s.task("named").spawn(move || Ok(borrowed.len()));
            Ok(())
        });
    });
}
