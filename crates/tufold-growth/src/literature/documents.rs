//! Real documents, made to be measured: what tufold writes for so many targets in so many bins.

use std::collections::BTreeMap;

use tufold_delta::{Codec, EncodeOptions, encode};
use tufold_meta::{
    BitLength, Digest, Hashes, MetaFile, Role, SPEC_VERSION, Snapshot, Time, Version, names,
};
use tufold_repo::layout::BINS;
pub(super) use tufold_repo::layout::SnapshotForm;

use crate::{Error, Scenario, Synthetic, Trace, math, sizes};

/// Versions have as many digits as after a year in which every bin was signed again each day.
const VERSION: u64 = 365;

/// So many targets are made to find the mean length of an entry.
const SAMPLE: u64 = 20_000;

/// Mean lengths of what a bin lists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entries {
    /// A target's entry with its comma.
    pub(super) target: f64,
    /// A bin without targets, signed.
    pub(super) empty_bin: f64,
}

impl Entries {
    /// Of a scenario that comes with tufold.
    pub(super) fn of(scenario: &Scenario) -> Result<Self, Error> {
        let list = Synthetic::new(&scenario.scaled(SAMPLE), 1).start();
        let sum: u64 = (list.rows().iter())
            .map(|target| sizes::target_entry(target.path.as_str(), &target.file))
            .sum();
        Ok(Self {
            target: sum as f64 / list.rows().len() as f64,
            empty_bin: sizes::empty_targets(VERSION, None)? as f64,
        })
    }

    /// A bin with so many targets on average.
    pub(super) fn bin(self, targets: f64) -> f64 {
        // Only the last entry has no comma.
        self.empty_bin + targets * self.target - f64::from(u8::from(targets > 0.0))
    }
}

/// What a bin takes in a snapshot of versions.
pub(super) fn snapshot_entry(bins: u64) -> f64 {
    sizes::snapshot_entry(bin_name_len(bins), false) + math::digits(VERSION) as f64
}

/// A snapshot of versions with so many bins, and the roles that delegate to them.
pub(super) fn snapshot(bins: u64, delegating: &[&str]) -> Result<f64, Error> {
    let roles = delegating.iter().map(|role| sizes::snapshot_entry(role.len() as f64, false) + 1.0);
    let entries = bins as f64 * snapshot_entry(bins) + roles.sum::<f64>();
    Ok(sizes::empty_snapshot(VERSION)? as f64 + entries - 1.0)
}

/// The canonical bytes of a snapshot of roles and their versions, all made up from the roles' names and versions.
pub(super) fn written_snapshot(
    version: u64,
    roles: impl Iterator<Item = (String, u64)>,
    form: SnapshotForm,
) -> Vec<u8> {
    let number = |version| Version::new(version).unwrap_or(Version::FIRST);
    let file = |role: &str, version: u64| match form {
        SnapshotForm::Versions => MetaFile::version_only(number(version)),
        SnapshotForm::Hashes => {
            let sha256 = Digest::of(format!("{role} {version}").as_bytes());
            let [a, b, ..] = *sha256.as_bytes();
            MetaFile {
                version: number(version),
                length: Some(500 + u64::from(u16::from_be_bytes([a, b])) / 16),
                hashes: Some(Hashes::sha256_only(sha256)),
                extra: Default::default(),
            }
        }
    };
    let meta: BTreeMap<_, _> =
        roles.map(|(role, version)| (names::meta_name(&role), file(&role, version))).collect();
    let expires = Time::EPOCH.plus_seconds(version * crate::DAY_S);
    let spec_version = SPEC_VERSION.to_owned();
    let extra = Default::default();
    Snapshot { spec_version, version: number(version), expires, meta, extra }.to_canonical()
}

/// What the publisher's codec makes of a document, with one signature.
pub(super) fn delta(base: Option<&[u8]>, new: &[u8]) -> Result<u64, Error> {
    /// Two bytes and a signature of 64, as an envelope travels (PROTOCOL.md).
    const ENVELOPE: u64 = 66;
    let encoded = encode(Codec::Columnar, base, new, &EncodeOptions::default());
    let encoded = encoded.map_err(|error| Error::Nothing(error.to_string()))?;
    Ok(encoded.len() as u64 + ENVELOPE)
}

/// The length of a bin's name.
fn bin_name_len(bins: u64) -> f64 {
    let digits = BitLength::from_bin_count(bins).map_or(1, BitLength::hex_digits);
    (BINS.len() + "-".len() + digits) as f64
}

#[cfg(test)]
mod tests {
    use tufold_meta::{SigningKey, sign};

    use super::*;

    #[test]
    fn the_length_of_a_snapshot_is_that_of_a_written_one() {
        let key = SigningKey::from_pem(&SigningKey::generate_ed25519_pem().unwrap()).unwrap();
        for bins in [16, 1_024, 16_384] {
            let bits = BitLength::from_bin_count(bins).unwrap();
            let roles = bits.bins().map(|bin| (bits.role_name(BINS, bin), VERSION));
            let roles = roles.chain([("targets".to_owned(), 1)]);
            let written = written_snapshot(VERSION, roles, SnapshotForm::Versions);
            let file = sign(&written, &[&key]).unwrap();
            assert_eq!(super::snapshot(bins, &["targets"]).unwrap(), file.len() as f64);
        }
    }
}
