//~ E0373, E0597
//! What is called without the script (conditions, filters, exit closures) borrows nothing of it.

use segno::script::Script;

fn exit(s: &mut Script<u32>) {
    let local = vec![1];
    let _ = s.on_exit(|_| println!("{local:?}")); //~
}

fn until(s: &mut Script<u32>) {
    let local = vec![1];
    s.until(|_| local.is_empty()); //~
}

fn filter(s: &mut Script<u32>) {
    let local = vec![1];
    let local = &local; //~
    s.wait_where(move |n: &usize| *n == local.len());
}

fn main() {
    let _ = (exit, until, filter);
}
