//! Why a document was not accepted.

use crate::names;
use crate::{Mismatch, ParseError, ThresholdError, Time, Version};

/// Why [`TrustedSet`](crate::TrustedSet) did not take a document. The set is as it was.
///
/// All but the last three variants are the fault of whoever wrote or served the document: the next
/// visit may go better. A document from the cache that fails is fetched instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not such a document.
    #[error("{file} cannot be read: {why}")]
    Parse {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: ParseError,
    },
    /// Too few good signatures.
    #[error("{file}: {why}, going by {keys_of}")]
    Threshold {
        /// The file.
        file: String,
        /// Where the keys stand that had to sign.
        keys_of: String,
        /// How many did.
        why: ThresholdError,
    },
    /// The version fell.
    #[error("{file} went back from version {trusted} to {found}")]
    Rollback {
        /// The file.
        file: String,
        /// The version that was seen before.
        trusted: Version,
        /// The version now.
        found: Version,
    },
    /// The version is not the one that was asked for.
    #[error("{file} has version {found}, expected {expected}")]
    Version {
        /// The file.
        file: String,
        /// The version that was listed, or for a root the next one.
        expected: Version,
        /// The version that came.
        found: Version,
    },
    /// The length or a hash is not the one that was listed.
    #[error("{file} {why}")]
    Mismatch {
        /// The file.
        file: String,
        /// What differs.
        why: Mismatch,
    },
    /// The document has expired: an old state of the repository is being served, or nobody renewed
    /// it, or the clock is wrong.
    #[error("{file} expired at {expires}, now is {now}")]
    Expired {
        /// The file.
        file: String,
        /// When it expired.
        expires: Time,
        /// The time of the visit.
        now: Time,
    },
    /// A role that the trusted snapshot lists is missing from the new one.
    #[error("{file} is no longer listed in snapshot.json")]
    Vanished {
        /// The role's file.
        file: String,
    },
    /// A role is delegated but not part of the snapshot.
    #[error("{file} is not listed in snapshot.json")]
    NotListed {
        /// The role's file.
        file: String,
    },
    /// A cached document from before a rotation of keys. It should have been deleted.
    #[error("{file} in the cache is void since root.json version {root} withdrew a key")]
    Rotated {
        /// The file.
        file: String,
        /// The trusted root.
        root: Version,
    },
    /// The caller's mistake: the delegator of this chain does not delegate to this role.
    #[error("{file} is not delegated by {delegator}")]
    NotDelegated {
        /// The role's file.
        file: String,
        /// The delegator's file.
        delegator: String,
    },
    /// The caller's mistake: the delegator of this chain was not accepted before.
    #[error("{file} came before its delegator {delegator}")]
    NoDelegator {
        /// The role's file.
        file: String,
        /// The delegator's file.
        delegator: String,
    },
    /// The caller's mistake: a document out of the workflow's order.
    #[error("{file} came {when}")]
    Order {
        /// The file.
        file: String,
        /// Before or after what.
        when: &'static str,
    },
}

impl Error {
    pub(super) fn rollback(role: &str, trusted: Version, found: Version) -> Self {
        Self::Rollback { file: names::file_name(role), trusted, found }
    }

    pub(super) fn version(role: &str, expected: Version, found: Version) -> Self {
        Self::Version { file: names::file_name(role), expected, found }
    }
}
