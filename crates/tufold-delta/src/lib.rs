//! Deltas of canonical JSON documents, close to the information floor.
//!
//! What it is: (prediction, new document) to delta and back; a choice of codecs, each behind one container; the floors
//! that a delta is measured against; the ladders that say which deltas to keep and to fetch.
//!
//! What it is not: a source of trust. A delta that applies has proved nothing; hand its result to whatever would check the
//! full file. Nor does it know whose metadata it carries, or how a prediction was made.
//!
//! ```
//! use tufold_delta::{Codec, EncodeOptions, Limits, apply, encode};
//!
//! let old = br#"{"meta":{"a.json":{"version":41},"b.json":{"version":7}},"version":99}"#;
//! let new = br#"{"meta":{"a.json":{"version":42},"b.json":{"version":7}},"version":100}"#;
//! let delta = encode(Codec::Columnar, Some(old), new, &EncodeOptions::default())?;
//! assert!(delta.len() < 24);
//! assert_eq!(apply(Some(old), &delta, &Limits::default())?, new);
//! # Ok::<(), tufold_delta::Error>(())
//! ```
#![doc = include_str!("../FORMAT.md")]

mod anatomy;
mod codec;
mod container;
mod error;
mod floor;
mod fresh;
mod ladder;
mod log2;
mod varint;

pub use anatomy::{Column, Content, Entries, Sections, columns};
pub use codec::{Codec, EncodeOptions, Limits, apply, dcz_head, encode, encode_smallest};
pub use container::Header;
pub use error::{Error, Fingerprint};
pub use floor::{Floor, FloorKind, chances_bits, choice_bits, empirical_bits, poisson_bits};
pub use fresh::fresh_hex_bytes;
pub use ladder::{Edge, Ladder};
