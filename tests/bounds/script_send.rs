//~ E0277
//! Scripts and what belongs to them stay on their thread. Owners need not.

use segno::script::{Group, Handle, Mailbox, Owner, Script, Scripts, WeakScripts};

fn send<T: Send>() {}
fn sync<T: Sync>() {}

fn main() {
    send::<Owner>();
    sync::<Owner>();
    send::<Scripts<u32>>(); //~
    sync::<Scripts<u32>>(); //~
    send::<WeakScripts<u32>>(); //~
    send::<Script<u32>>(); //~
    sync::<Script<u32>>(); //~
    send::<Handle<u32>>(); //~
    send::<Group>(); //~
    send::<Mailbox<u32>>(); //~
}
