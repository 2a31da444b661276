//! The noodle seller: takes orders, cooks them one by one, covers the stall when it rains.

use segno::script::Mailbox;

use crate::world::{Actor, Dry, Order, Rain, Served, tell};

/// Seconds that a bowl takes.
const BOWL: f64 = 0.4;

/// The evening of the noodle seller.
pub(crate) fn evening(s: &mut Actor) {
    // Orders that come while a bowl is being cooked are kept.
    let orders: Mailbox<Order> = s.listen();
    loop {
        let rained = s.interrupt_on::<Rain, _>(|s| cook(s, &orders));
        if rained.is_err() {
            s.label("waits for the rain to end");
            tell(s, "the noodle seller covers the pots");
            s.timeout(60, |s| {
                s.world().covered = true;
                let _ = s.on_exit(|world| world.covered = false);
                s.wait_for::<Dry>();
            })
            .expect("no rain lasts that long");
        }
    }
}

/// One bowl after the other.
fn cook(s: &mut Actor, orders: &Mailbox<Order>) {
    loop {
        s.label("waits for orders");
        let Order(who) = orders.next(s);
        s.label("cooks");
        s.wait(BOWL);
        s.world().bowls += 1;
        s.emit(Served(who));
    }
}
