//~ E0499, E0382
//! An arm is chosen from by one at a time, once: what the macro is made of keeps to that, too.

use segno::sync::channel;
use segno::sync::select::choose;

fn main() {
    let (_sender, mut receiver) = channel::oneshot::<u8>();
    let mut arm = receiver.__recv_arm();
    let (one, other) = (arm.any(), arm.any()); //~
    choose(&mut [one, other], false, true);
    let one = arm.any();
    choose(&mut [one, one], false, true); //~
}
