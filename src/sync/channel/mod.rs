//! Channels: values from some tasks or threads to others.
//!
//! | made by | holds | a value goes to |
//! |---|---|---|
//! | [`bounded`] | so many values; senders wait when it is full | one receiver |
//! | [`unbounded`] | any number; senders never wait for room | one receiver |
//! | [`rendezvous`] | none: sender and receiver meet | one receiver |
//! | [`oneshot`] | a single value, ever | the receiver |
//! | [`broadcast`] | the last so many; who is too slow misses some | every receiver |
//! | [`watch`] | the last one | every receiver that looks |
//!
//! The ends of the first three are [`Sender`] and [`Receiver`], and both can be cloned. A channel is closed
//! when all of its senders or all of its receivers have been dropped, or by `close`. Whoever waits then gets an
//! error, senders with their value in it; what was sent before can still be received.
//!
//! ```
//! use segno::sync::channel;
//!
//! let (notes, heard) = channel::bounded(2);
//! let sum = segno::run(|| {
//!     segno::scope(|s| {
//!         s.spawn(|| {
//!             for note in 1..=4 {
//!                 notes.send(note).unwrap(); // waits when two have not been heard yet
//!             }
//!             notes.close();
//!         });
//!         heard.iter().sum::<i32>() // ends when the channel is closed and empty
//!     })
//! });
//! assert_eq!(sum, 10);
//! ```

mod error;
mod core;
mod ends;
mod oneshot;
mod broadcast;
mod watch;

pub use broadcast::{BroadcastReceiver, BroadcastSender, broadcast};
pub use ends::{
    ChannelStats, IntoIter, Iter, Receiver, Sender, TryIter, WeakReceiver, WeakSender, bounded,
    rendezvous, unbounded,
};
pub use error::{
    BroadcastError, RecvError, SendError, TryBroadcastError, TryRecvError, TrySendError,
};
pub use oneshot::{OneshotReceiver, OneshotSender, oneshot};
pub use watch::{Seen, WatchReceiver, WatchSender, watch};

pub(super) use self::core::{Receiving, Sending};
