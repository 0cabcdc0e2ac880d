//! What TUF metadata costs as an index doubles and doubles again.
//!
//! A [`Scenario`] is an index model: how much is listed, what is published and who visits, each figure with its source.
//! A [`Trace`] is a history after it, the same on every machine, or a real one. This crate signs nothing and fetches
//! nothing itself: the publisher is `tufold-repo`, the client `tufold-sync`.

mod error;
mod math;
mod scenario;
mod shape;
mod tail;
mod trace;

pub use error::Error;
pub use scenario::{
    Client, ClientKind, DAY_S, Expiry, Figure, Index, Paths, Publishing, Replay, Scenario,
    names as scenario_names,
};
pub use shape::Template;
pub use trace::{Lists, Synthetic, Trace, dependencies};
