//! Deltas of canonical JSON documents.

mod codec;
mod container;
mod error;
mod log2;
mod varint;

pub use codec::{Codec, EncodeOptions, Limits, apply, dcz_head, encode, encode_smallest};
pub use container::Header;
pub use error::{Error, Fingerprint};
