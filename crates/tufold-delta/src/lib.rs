//! Deltas of canonical JSON documents.

mod codec;
mod container;
mod error;
mod floor;
mod fresh;
mod ladder;
mod log2;
mod varint;

pub use codec::{Codec, EncodeOptions, Limits, apply, dcz_head, encode, encode_smallest};
pub use container::Header;
pub use error::{Error, Fingerprint};
pub use floor::{Floor, FloorKind, chances_bits, choice_bits, empirical_bits, poisson_bits};
pub use fresh::fresh_hex_bytes;
pub use ladder::{Edge, Ladder};
