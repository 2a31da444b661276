//~ E0373, E0597, E0521
//! Scripts of their own are `'static`: they outlive whoever spawns them.

use segno::script::{Script, Scripts};

fn host(scripts: &Scripts<u32>) {
    let local = vec![1];
    scripts.spawn("borrows", |_| local.len()); //~
}

fn script(s: &mut Script<u32>) {
    let local = vec![1];
    let local = &local; //~
    s.spawn("borrows", move |_| local.len());
}

fn out(s: &mut Script<u32>, text: &str) {
    s.spawn("borrows", move |_| text.len()); //~
}

fn main() {
    let _ = (host, script, out);
}
