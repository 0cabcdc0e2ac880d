//! Deltas of canonical JSON documents.

mod codec;
mod container;
mod error;
mod log2;
mod varint;

pub use codec::{Codec, EncodeOptions, Limits, apply, encode};
pub use container::Header;
pub use error::{Error, Fingerprint};
