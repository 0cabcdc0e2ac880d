//! A step from one state of a repository to another, and the deltas that it takes.

use std::collections::HashMap;

use rayon::prelude::*;
use tufold_delta::{Codec, EncodeOptions, encode};
use tufold_meta::{Bundle, BundleError, Files, Prediction, RoleChanges, Signed, Version};

use super::RoleStep;
use crate::error::Error;

/// zstd's level where the columnar codec declines: what a publish can afford for every bin.
const ZSTD_LEVEL: i32 = 9;

/// What a bundle's two deltas start from and end in.
pub struct Step {
    old: Vec<u8>,
    outline: Vec<u8>,
    /// What `before` holds of the old side.
    prediction: Prediction,
    before: Vec<u8>,
    after: Vec<u8>,
}

impl Step {
    /// Flattens both sides, and makes sure that a mirror rebuilds exactly what is published.
    pub(crate) fn between(
        old: &[u8],
        new: &[u8],
        held: &Files<'_, '_>,
        published: &Files<'_, '_>,
    ) -> Result<Self, BundleError> {
        let changes = RoleChanges::to_published(old, new, published)?;
        let prediction = changes.prediction(held, published)?;
        let (before, after) = rayon::join(
            || changes.flatten_old(prediction, held),
            || {
                let after = changes.flatten_new(published)?;
                let rebuilt = changes.rebuild(&after, held)?;
                let same = |role: &str, file: &[u8]| published(role).as_deref() == Some(file);
                let all_same = same("snapshot", &rebuilt.snapshot)
                    && rebuilt.roles.par_iter().all(|(role, _, file)| same(role, file));
                all_same
                    .then_some(after)
                    .ok_or(BundleError::Damaged("a mirror would rebuild other files"))
            },
        );
        let outline = changes.outline().to_vec();
        Ok(Self { old: old.to_vec(), prediction, before: before?, after: after?, outline })
    }

    /// As [`Step::between`] for files that keep the rules of a publisher. What a mirror will rebuild is not made, but follows: see
    /// [`RoleChanges::flatten_both`].
    pub(super) fn published(
        old: &[u8],
        new: &[u8],
        held: &Files<'_, '_>,
        published: &Files<'_, '_>,
        steps: &HashMap<&str, &RoleStep>,
    ) -> Result<Self, BundleError> {
        let changes = RoleChanges::to_published(old, new, published)?;
        let is_checked = |role: &str, version| {
            let file = steps.get(role).zip(Version::new(version));
            let file = file.and_then(|(step, version)| step.file(version));
            file.is_some_and(Signed::is_canonical)
        };
        let (prediction, before, after) = changes.flatten_both(held, published, &is_checked)?;
        let outline = changes.outline().to_vec();
        Ok(Self { old: old.to_vec(), prediction, before, after, outline })
    }

    /// The bundle, by one codec or by those that a publish uses; both its deltas have been applied once.
    pub fn bundle(&self, codec: Option<Codec>) -> Result<Vec<u8>, Error> {
        self.encode(codec, true)
    }

    pub(super) fn encode(&self, codec: Option<Codec>, verify: bool) -> Result<Vec<u8>, Error> {
        let first = snapshot_delta(codec, Some(&self.old), &self.outline, verify)?;
        let second = delta(codec, self.prediction, Some(&self.before), &self.after, verify)?;
        Ok(Bundle { outline: &first, roles: &second }.to_bytes())
    }

    /// The bytes of the signatures and digests that the old side does not have.
    pub fn fresh_hex_bytes(&self) -> u64 {
        let (old, new) =
            ([&*self.old, &self.before].concat(), [&*self.outline, &self.after].concat());
        tufold_delta::fresh_hex_bytes(Some(&old), &new)
    }
}

/// The delta by a codec; without one the columnar delta, or zstd's where the columnar codec declines. A publish does not
/// verify: a delta that rebuilt other bytes would cost each reader one full file, and the tests of the codecs are there to
/// find that first.
pub(super) fn delta(
    codec: Option<Codec>,
    kind: Prediction,
    base: Option<&[u8]>,
    new: &[u8],
    verify: bool,
) -> Result<Vec<u8>, Error> {
    let prediction_kind = kind.number();
    let options = EncodeOptions { prediction_kind, verify, ..EncodeOptions::default() };
    if let Some(codec) = codec {
        return Ok(encode(codec, base, new, &options)?);
    }
    let options = EncodeOptions { zstd_level: ZSTD_LEVEL, ..options };
    match encode(Codec::Columnar, base, new, &options) {
        Err(tufold_delta::Error::Declined { .. }) => Ok(encode(Codec::Zstd, base, new, &options)?),
        delta => Ok(delta?),
    }
}

/// The delta between two canonical snapshots, or the outline of one.
pub(super) fn snapshot_delta(
    codec: Option<Codec>,
    base: Option<&[u8]>,
    new: &[u8],
    verify: bool,
) -> Result<Vec<u8>, Error> {
    let kind = Prediction::of_snapshots(base, new);
    let base = base.map(|base| kind.form_of(base)).transpose()?;
    delta(codec, kind, base.as_deref(), &kind.form_of(new)?, verify)
}
