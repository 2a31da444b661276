//~ E0515, E0597
//! The error of a `try_scope` refers to nothing that its closure or a child owns.

fn main() {
    segno::run(|| {
        let _: Result<(), &str> = segno::try_scope(|s| {
            s.spawn(|| {
                let local = "local".to_owned();
                Err::<(), _>(local.as_str()) //~
            });
            Ok(())
        });
        let mut kept: Result<(), &str> = Ok(());
        {
            let local = "local".to_owned();
            kept = segno::try_scope(|s| {
                s.spawn(|| Err::<(), _>(local.as_str())); //~
                Ok(())
            });
        }
        let _ = kept.is_ok();
    });
}
