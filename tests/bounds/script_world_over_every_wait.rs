//~ E0499
//! The same for everything that pauses.

use segno::script::{Ease, Group, Handle, Mailbox, Phase, Script};

type S = Script<u32>;

fn all(s: &mut S, group: &Group, handle: &Handle<()>, mail: &Mailbox<u8>) {
    let world = s.world();
    s.next_frame(); //~
    *world += 1;
    let world = s.world();
    s.next(Phase::LATE); //~
    *world += 1;
    let world = s.world();
    s.wait_on(group, 1); //~
    *world += 1;
    let world = s.world();
    s.until(|_| true); //~
    *world += 1;
    let world = s.world();
    s.wait_for::<u8>(); //~
    *world += 1;
    let world = s.world();
    s.wait_where(|_: &u8| true); //~
    *world += 1;
    let world = s.world();
    s.yield_now(); //~
    *world += 1;
    let world = s.world();
    s.join(handle); //~
    *world += 1;
    let world = s.world();
    mail.next(s); //~
    *world += 1;
    let world = s.world();
    s.all(|_| (), |_| ()); //~
    *world += 1;
    let world = s.world();
    s.race(|_| (), |_| ()); //~
    *world += 1;
    let world = s.world();
    s.scope(|_, _| ()); //~
    *world += 1;
    let world = s.world();
    let _ = s.timeout(1, |_| ()); //~
    *world += 1;
    let world = s.world();
    let _ = s.interrupt_on::<u8, _>(|_| ()); //~
    *world += 1;
    let world = s.world();
    s.run_while(|_| true, |_| ()); //~
    *world += 1;
    let world = s.world();
    s.skippable(1_u8, |_| ()); //~
    *world += 1;
    let world = s.world();
    s.shield(|_| ()); //~
    *world += 1;
    let world = s.world();
    let _ = s.fallible().wait(1); //~
    *world += 1;
    let world = s.world();
    s.tween(1, Ease::In, 0.0, 1.0, |_, _: f64| ()); //~
    *world += 1;
    let world = s.world();
    s.ambient(|| ()); //~
    *world += 1;
}

fn main() {
    let _ = all;
}
