//! TAP 16, section "Motivation": a snapshot of 50 million roles, and a proof of one of them.

use super::{Line, Lines, documents};
use crate::{Error, sizes};

const MOTIVATION: &str = "TAP 16, Motivation";

/// Roles of the TAP's example.
pub const ROLES: f64 = 50_000_000.0;

/// Bytes of a role in a snapshot, which the TAP's total comes from.
pub const BYTES_PER_ROLE: f64 = 7.6;

/// Bytes of a node's hash.
pub const HASH: f64 = 32.0;

/// A snapshot of so many roles.
pub fn snapshot(roles: f64) -> f64 {
    roles * BYTES_PER_ROLE
}

/// The levels of a binary tree with a leaf for each role.
pub fn levels(roles: f64) -> f64 {
    roles.log2().ceil()
}

/// A proof: the sibling's hash of each level.
pub fn proof(roles: f64) -> f64 {
    levels(roles) * HASH
}

pub(super) fn lines() -> Result<Lines, Error> {
    // As many bins: the next power of two that has a name for each.
    let bins = 1_u64 << 26;
    let entry = documents::snapshot_entry(bins);
    let name_len = entry - documents::snapshot_entry(1 << 4) + "bins-0".len() as f64;
    let real_proof = sizes::merkle_proof(name_len, 3.0, ROLES);
    let lines = vec![
        Line::new("a role in the snapshot", "bytes", MOTIVATION)
            .exact(7.6, 1, snapshot(ROLES) / ROLES)
            .real(entry),
        Line::new("snapshot of 50,000,000 roles", "bytes", MOTIVATION)
            .exact(380_000_000.0, 0, snapshot(ROLES))
            .real(sizes::empty_snapshot(1)? as f64 + ROLES * entry - 1.0),
        Line::new("levels of the tree", "levels", MOTIVATION)
            .exact(26.0, 0, levels(ROLES))
            .real(levels(ROLES)),
        Line::new("hashes of a proof", "bytes", "TAP 16, Motivation: 26 levels of 32 bytes")
            .exact(832.0, 0, proof(ROLES))
            .real(real_proof),
        Line::new("a proof, as printed (about)", "bytes", MOTIVATION)
            .exact(800.0, -2, proof(ROLES))
            .real(real_proof),
    ];
    let notes = vec![
        "real: a snapshot of versions as tufold writes it, and a proof file in the TAP's own JSON form, hashes in hex; \
         predicted only, as nothing here makes or reads proofs"
            .to_owned(),
    ];
    Ok((lines, notes))
}
