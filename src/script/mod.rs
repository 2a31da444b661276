//! Scripts: straight-line code that lasts many frames, for games and other things with a loop of their own.
//!
//! A script is a closure with a stack. It pauses wherever it likes, in plain functions that it calls, too, and
//! goes on when its time, its event or its frame comes. The game owns the world, calls
//! [`tick`](Scripts::tick) once in each frame, and lends the world for that long.
//!
//! ```text
//!   game loop --tick(&mut world, dt)--> due: timers, frames, events --> resume --> your script --> wait
//!       ^                                                                              | s.world()
//!       '------------------------------------- TickReport -----------------------------'
//! ```
//!
//! The [chapter](crate::docs::scripts) is the place to begin.
//!
// For who reads the code:
//
// | file | what |
// |---|---|
// | `time` | seconds, durations, frames |
// | `timers` | who waits for a clock |
// | `group` | clocks, pauses, and the tree of them |
// | `record` | one script, and its life |
// | `kernel` | who is there, who is ready, who waits |
// | `run`, `ending` | a tick; how scripts end |
// | `event`, `owner`, `exit` | events and mailboxes; owners; exit closures |
// | `lend` | the world, frames, scripts: all that is unsafe |
// | `wait`, `clock`, `family`, `limit`, `clean`, `fallible`, `tween`, `rng` | what a script can do |
// | `spawn`, `handle`, `info`, `scripts` | what a game can do |
//
// It needs no event loop. A script is an ordinary coroutine of the room below: a pause of anything around it is
// checked by that room, and so is its own.

mod time;
mod exit;
mod info;
mod timers;
mod group;
mod record;
mod event;
mod owner;
mod lend;
mod kernel;
mod run;
mod ending;
mod handle;
mod spawn;
mod wait;
mod clock;
mod family;
mod limit;
mod clean;
mod fallible;
mod rng;
mod tween;
mod scripts;

#[doc(inline)]
pub use crate::{script_all as all, script_race as race};
pub use clean::Cancelled;
pub use clock::Beat;
pub use event::Mailbox;
pub use exit::ExitId;
pub use fallible::Fallible;
pub use group::Group;
pub use handle::{Handle, Outcome, ScopedHandle};
pub use info::{Activity, Info, PanicInfo, SlowInfo, Stubborn, TickReport};
pub use lend::{Scope, Script, current};
pub use limit::Elapsed;
pub use owner::Owner;
pub use record::ScriptId;
pub use rng::Rng;
pub use run::{Budget, Phase};
pub use scripts::{Builder, PanicPolicy, Scripts, WeakScripts};
pub use spawn::{Singleton, Spawn};
pub use time::{Frames, Late, Span, Time, frames};
pub use tween::{Blend, Ease};
