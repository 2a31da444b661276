//! A night market: what scripts can do, to be watched in a terminal or written to a file.
//!
//! | file | what |
//! |---|---|
//! | `world` | everything that the scripts see |
//! | `plan` | where the stalls are, and numbers that follow from the seed |
//! | `story` | the evening: a cutscene with a choice, the rain, the end |
//! | `villager` | three hundred of them, a script each |
//! | `dragon` | a boss in three phases |
//! | `vendor` | the noodle seller |
//! | `firefly` | a crowd, to be as large as you like |
//! | `market` | puts it all together, and steps it |
//! | `panel` | what the side panel says of the scripts |
//! | `draw` | a frame |
//! | `svg` | a frame as a picture |
//! | `options`, `headless`, `live` | the command line, and the two ways to watch |

mod world;
mod plan;
mod story;
mod villager;
mod dragon;
mod vendor;
mod firefly;
mod market;
mod panel;
mod draw;
mod svg;
mod options;
mod headless;
mod live;

pub use headless::watch as headless;
pub use live::watch as live;
pub use market::{Input, Market};
pub use options::{Options, USAGE};
pub use svg::picture;
