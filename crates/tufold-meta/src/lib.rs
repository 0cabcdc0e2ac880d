//! The wire model of The Update Framework (TUF 1.0.34): bytes in, bytes out.
//!
//! Canonical JSON, the four roles with everything they carry, keys and thresholds, names, hashed
//! bins in both forms, and the client workflow as a state machine. There is no file, socket, clock
//! or thread in this crate: whoever calls it brings the bytes and the time.
//!
//! ```
//! use tufold_meta::{BitLength, Role, Signed, SigningKey, Targets, sign};
//!
//! // Which of 1,024 bins lists a target?
//! let bits = BitLength::from_bin_count(1024).unwrap();
//! assert_eq!(bits.role_name("bins", bits.bin("foo.txt")), "bins-376");
//!
//! // A document keeps its exact bytes, and unknown fields.
//! let key = SigningKey::from_pem(&SigningKey::generate_ed25519_pem()?)?;
//! let canonical = br#"{"_type":"targets","expires":"2030-01-01T00:00:00Z","spec_version":"1.0.34","targets":{},"version":1,"x":[]}"#;
//! let file = sign(canonical, &[&key])?;
//! let parsed = Signed::<Targets>::parse(file)?;
//! assert_eq!(parsed.canonical(), canonical);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bin_history;
mod bins;
mod bundle;
pub mod cjson;
mod delegations;
mod digest;
mod edit;
mod envelope;
mod files;
mod keys;
pub mod names;
mod path;
mod pattern;
mod predict;
mod regroup;
mod renewal;
mod roles;
mod signed;
mod time;
mod trusted;
mod varint;

pub use bin_history::{BinHistory, BinHistoryError, BinsSince};
pub use bins::{Bin, BitLength};
pub use bundle::{Bundle, BundleError, Files, Rebuilt, RoleChanges, without_stale};
pub use delegations::{
    Delegated, DelegatedRole, DelegatedRoles, Delegations, Selector, SuccinctRoles, Terminating,
};
pub use digest::{Digest, Hashes};
pub use edit::Edit;
pub use envelope::{Envelope, EnvelopeError};
pub use files::{FileCheck, MetaFile, Mismatch, TargetFile};
pub use keys::{Key, KeyError, KeyId, Signature, SigningKey, Verifier};
pub use names::Version;
pub use path::{PathError, TargetPath};
pub use predict::{Prediction, Tally, fill_in, first_targets, listed_versions, version_of};
pub use regroup::{BinsDelta, BinsOutline, NewBin, Regroup};
pub use renewal::Renewal;
pub use roles::{
    Role, RoleKeys, Root, SPEC_VERSION, Snapshot, Targets, TargetsWriter, Timestamp, write_targets,
    write_targets_with,
};
use signed::canonical_place;
pub use signed::{ParseError, Signed, ThresholdError, Verified, assemble, canonical_parts, sign};
pub use time::{Time, TimeError};
pub use trusted::{
    Cache, Error, Limits, Outcome, Recall, Receipt, ReceiptError, Request, RoleChain, Source, Step,
    TargetSearch, TrustedSet, TrustedSnapshot,
};
