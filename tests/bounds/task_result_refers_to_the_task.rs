//~ E0515
//! No result refers to the stack of the task that gave it.

fn main() {
    segno::run(|| {
        let _ = segno::spawn(|| {
            let local = "local".to_owned();
            local.as_str() //~
        });
        segno::scope(|s| {
            s.spawn(|| {
                let local = "local".to_owned();
                local.as_str() //~
            });
        });
        segno::join_all([|| {
            let local = "local".to_owned();
            local.as_str() //~
        }]);
    });
    let _ = segno::run(|| {
        let local = "local".to_owned();
        local.as_str() //~
    });
}
