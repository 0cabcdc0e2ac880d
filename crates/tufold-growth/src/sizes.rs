//! How long documents are, to the byte, for what does not depend on chance: the real serialiser writes each part.
//!
//! One Ed25519 key signs each role, as the publisher has it unless it is told otherwise.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use tufold_delta::Ladder;
use tufold_meta::names::{Advertised, meta_name};
use tufold_meta::{
    BinHistory, BinsDelta, BinsSince, BitLength, DelegatedRole, DelegatedRoles, Delegations,
    Digest, Envelope, Hashes, MetaFile, Role, RoleKeys, SPEC_VERSION, Selector, SigningKey,
    Snapshot, SuccinctRoles, TargetFile, Targets, Terminating, Time, Timestamp, Version, sign,
};
use tufold_repo::layout::BINS;

use crate::Error;

/// A key whose length is every key's.
struct Sample {
    delegations: Delegations,
    role: RoleKeys,
    key: SigningKey,
    /// What a document has around its `signed`.
    envelope: u64,
}

fn sample() -> Result<&'static Sample, Error> {
    static SAMPLE: OnceLock<Option<Sample>> = OnceLock::new();
    let make = || {
        // The same each time, so that codecs make the same of what it signs.
        let key = SigningKey::from_pem(&crate::replay::pem(&[0])).ok()?;
        let envelope = sign(b"{}", &[&key]).ok()?.len() as u64 - 2;
        let role = RoleKeys::new(vec![key.id().clone()], std::num::NonZeroU64::MIN).ok()?;
        let keys = BTreeMap::from([(key.id().clone(), key.public().clone())]);
        let roles = DelegatedRoles::List(Vec::new());
        let delegations = Delegations { keys, roles, extra: Default::default() };
        Some(Sample { delegations, role, key, envelope })
    };
    SAMPLE.get_or_init(make).as_ref().ok_or(Error::NoKey)
}

fn number(version: u64) -> Version {
    Version::new(version).unwrap_or(Version::FIRST)
}

fn role_length(role: &impl Role) -> Result<u64, Error> {
    Ok(role.to_canonical().len() as u64 + sample()?.envelope)
}

/// A document as it is published.
pub(crate) fn file(role: &impl Role) -> Result<Vec<u8>, Error> {
    sign(&role.to_canonical(), &[&sample()?.key]).map_err(|_| Error::NoKey)
}

/// The top-level role that delegates to these, each to one role; of a role's name and what selects its targets.
pub(crate) fn delegator(
    roles: impl Iterator<Item = (String, Selector, Terminating)>,
) -> Result<Targets, Error> {
    let Sample { delegations, role, .. } = sample()?;
    let delegated = |(name, selector, terminating)| DelegatedRole {
        name,
        keys: role.clone(),
        terminating,
        selector,
        extra: Default::default(),
    };
    let roles = DelegatedRoles::List(roles.map(delegated).collect());
    Ok(targets(1, Some(Delegations { roles, ..delegations.clone() })))
}

fn targets(version: u64, delegations: Option<Delegations>) -> Targets {
    Targets {
        spec_version: SPEC_VERSION.to_owned(),
        version: number(version),
        expires: Time::EPOCH,
        targets: BTreeMap::new(),
        delegations,
        extra: Default::default(),
    }
}

/// What a document has around its `signed`.
pub(crate) fn envelope() -> Result<u64, Error> {
    Ok(sample()?.envelope)
}

/// `timestamp.json` with the snapshot's version, length and SHA-256.
pub fn timestamp(
    version: u64,
    snapshot_version: u64,
    snapshot_bytes: u64,
    ladder: Option<Ladder>,
) -> Result<u64, Error> {
    role_length(&made_timestamp(version, snapshot_version, snapshot_bytes, ladder))
}

/// See [`timestamp`].
pub(crate) fn made_timestamp(
    version: u64,
    snapshot_version: u64,
    snapshot_bytes: u64,
    ladder: Option<Ladder>,
) -> Timestamp {
    let mut extra = Default::default();
    let advertised = ladder.and_then(|ladder| Advertised::new(&ladder.to_string()));
    Advertised::set(advertised.as_ref(), &mut extra);
    Timestamp {
        spec_version: SPEC_VERSION.to_owned(),
        version: number(version),
        expires: Time::EPOCH,
        snapshot: MetaFile {
            version: number(snapshot_version),
            length: Some(snapshot_bytes),
            hashes: Some(Hashes::sha256_only(Digest::of(b""))),
            extra: Default::default(),
        },
        other_meta: Default::default(),
        extra,
    }
}

/// A snapshot of no role.
pub fn empty_snapshot(version: u64) -> Result<u64, Error> {
    role_length(&Snapshot {
        spec_version: SPEC_VERSION.to_owned(),
        version: number(version),
        expires: Time::EPOCH,
        meta: BTreeMap::new(),
        extra: Default::default(),
    })
}

/// A snapshot of these roles, as it is published.
pub(crate) fn snapshot_file<'r>(
    roles: impl Iterator<Item = (&'r str, MetaFile)>,
) -> Result<Vec<u8>, Error> {
    file(&Snapshot {
        spec_version: SPEC_VERSION.to_owned(),
        version: Version::FIRST,
        expires: Time::EPOCH,
        meta: roles.map(|(role, file)| (meta_name(role), file)).collect(),
        extra: Default::default(),
    })
}

/// What such a snapshot says of a role, but for a length and hashes.
pub(crate) fn version_only(version: u64) -> MetaFile {
    MetaFile::version_only(number(version))
}

/// What a role whose name has so many characters adds to a snapshot, with its comma; but for the digits of its version
/// and, with hashes, of its length.
pub fn snapshot_entry(name_len: f64, with_hashes: bool) -> f64 {
    let mut file = MetaFile::version_only(Version::FIRST);
    if with_hashes {
        file.length = Some(0);
        file.hashes = Some(Hashes::sha256_only(Digest::of(b"")));
    }
    let mut out = Vec::new();
    file.write(&mut out);
    let digits = if with_hashes { 2 } else { 1 };
    // "name.json":{...},
    name_len + (meta_name("").len() + "\"\":,".len() + out.len() - digits) as f64
}

/// A targets role that lists nothing.
pub fn empty_targets(version: u64, delegations: Option<Delegations>) -> Result<u64, Error> {
    role_length(&targets(version, delegations))
}

/// What a target adds to a role, with its comma.
pub fn target_entry(path: &str, file: &TargetFile) -> u64 {
    let mut out = Vec::new();
    file.write(&mut out);
    (path.len() + "\"\":,".len() + out.len()) as u64
}

/// The top-level targets role that delegates to succinct bins (TAP 15).
pub fn succinct_targets(bits: u32) -> Result<u64, Error> {
    role_length(&succinct(bits)?)
}

/// See [`succinct_targets`].
pub(crate) fn succinct(bits: u32) -> Result<Targets, Error> {
    let bit_length =
        BitLength::new(bits).unwrap_or(BitLength::new(1).unwrap_or_else(|| unreachable!()));
    let Sample { delegations, role, .. } = sample()?;
    let roles = DelegatedRoles::Succinct(SuccinctRoles {
        keys: role.clone(),
        bit_length,
        name_prefix: BINS.to_owned(),
        extra: Default::default(),
    });
    Ok(targets(1, Some(Delegations { roles, ..delegations.clone() })))
}

/// A role that delegates to no role yet, by a list.
pub fn listing_targets(version: u64) -> Result<u64, Error> {
    empty_targets(version, Some(sample()?.delegations.clone()))
}

/// What a delegated role adds to such a list, with its comma.
pub fn delegation(name: &str, selector: Selector, terminating: Terminating) -> Result<u64, Error> {
    let Sample { delegations, role, .. } = sample()?;
    let delegated = DelegatedRole {
        name: name.to_owned(),
        keys: role.clone(),
        terminating,
        selector,
        extra: Default::default(),
    };
    let length = |roles: Vec<DelegatedRole>| {
        let mut out = Vec::new();
        Delegations { roles: DelegatedRoles::List(roles), ..delegations.clone() }.write(&mut out);
        out.len() as u64
    };
    Ok(length(vec![delegated.clone(), delegated.clone()]) - length(vec![delegated]))
}

/// The top-level targets role that delegates to `bins`, and `bins` itself at some version (PEP 458).
pub fn prefixes_targets(bits: u32, version: u64) -> Result<(u64, u64), Error> {
    let every = Selector::PathHashPrefixes((0..16).map(|digit| format!("{digit:x}")).collect());
    let top = listing_targets(1)? + delegation(BINS, every, Terminating::Yes)? - 1;
    let Some((bits, bin)) = BitLength::new(bits).and_then(|bits| Some((bits, bits.nth(0)?))) else {
        return Ok((top, 0));
    };
    // Bins are as long as each other: their names have the same digits, and each has as many prefixes.
    let prefixes = Selector::PathHashPrefixes(bits.hash_prefixes(bin).collect());
    let one = delegation(&bits.role_name(BINS, bin), prefixes, Terminating::No)?;
    Ok((top, listing_targets(version)? + bits.bin_count() * one - 1))
}

/// What the role that delegates to bins says of those that there were, each with the version that it started at: a field
/// with its comma.
pub fn bin_history(bins: &[(u32, u64)]) -> u64 {
    let known = |&(bits, first): &(u32, u64)| {
        BitLength::new(bits).map(|bits| BinsSince { bits, first: number(first) })
    };
    let bins = bins.iter().filter_map(known);
    let history = bins.fold(BinHistory::default(), BinHistory::then);
    let mut role = targets(1, None);
    let without = role.to_canonical().len();
    history.set(&mut role.extra);
    (role.to_canonical().len() - without) as u64
}

/// The object by which a reader makes the new bins of a group out of old ones that had these versions last.
pub fn bins_delta(new_bins: u64, first: u64, old: &[u64]) -> Result<u64, Error> {
    let Sample { key, .. } = sample()?;
    let envelope = || {
        let signature = key.sign(b"{}").map_err(|_| Error::NoKey)?;
        Envelope::new(vec![signature]).ok_or(Error::NoKey)
    };
    let delta = BinsDelta {
        old: old.iter().map(|&version| number(version)).collect(),
        expires: Time::from_unix_seconds(EXPIRY_S).unwrap_or(Time::EPOCH),
        check: [0; BinsDelta::CHECK_LEN_BYTES],
        envelopes: (0..new_bins).map(|_| envelope()).collect::<Result<_, _>>()?,
    };
    let bytes = delta.to_bytes(number(first), std::slice::from_ref(key.id()));
    bytes.map(|bytes| bytes.len() as u64).ok_or(Error::NoKey)
}

/// Any expiry of these centuries takes five bytes.
const EXPIRY_S: i64 = 1_800_000_000;

/// TAP 16: the proof file of one role among `roles`, as compact JSON: its version, and a hash and a direction a level.
/// It is not signed.
pub fn merkle_proof(name_len: f64, version_digits: f64, roles: f64) -> f64 {
    let depth = crate::math::round(roles.max(1.0).log2().ceil());
    let fixed = r#"{"leaf_contents":{},"merkle_path":{},"path_directions":{}}"#.len() as f64;
    let leaf = snapshot_entry(name_len, false) - 1.0 + version_digits;
    let level = |at: u64| {
        let index = crate::math::digits(at);
        // "7":"<64 hex>", and "7":1,
        2 * (index + "\"\":,".len() as u64) + 66 + 1
    };
    let commas = if depth == 0 { 0 } else { 2 };
    fixed + leaf + (0..depth).map(level).sum::<u64>() as f64 - commas as f64
}

/// TAP 16: what the root of the tree adds to the timestamp.
pub fn merkle_root() -> u64 {
    r#","merkle_root":"""#.len() as u64 + 64
}
