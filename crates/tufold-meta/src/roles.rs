//! The four top-level roles of TUF 4 as values: parse then write gives the same canonical bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU64;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::cjson::{Object, ObjectWriter};
use crate::delegations::write_keys;
use crate::{Delegations, Key, KeyId, MetaFile, TargetFile, Time, Version};

/// The version of the specification that tufold writes.
pub const SPEC_VERSION: &str = "1.0.34";

/// What the four roles share (TUF 4.2.1).
pub trait Role: DeserializeOwned {
    /// The `_type` field.
    const TYPE: &'static str;

    /// The role's version.
    fn version(&self) -> Version;

    /// When the document expires.
    fn expires(&self) -> Time;

    /// Appends the canonical JSON to `out`.
    fn write(&self, out: &mut Vec<u8>);

    /// The canonical JSON.
    fn to_canonical(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }
}

/// The keys of a role and how many of them have to sign.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "RawRoleKeys")]
pub struct RoleKeys {
    /// The ids of the keys, each once.
    pub keyids: Vec<KeyId>,
    /// How many different keys have to sign.
    pub threshold: NonZeroU64,
    /// Fields that tufold does not know. A delegation keeps its own and leaves this empty.
    pub extra: Object,
}

impl RoleKeys {
    /// An error if a key id stands twice: it would count once only (TUF 4.2).
    pub fn new(keyids: Vec<KeyId>, threshold: NonZeroU64) -> Result<Self, String> {
        Self::try_from(RawRoleKeys { keyids, threshold, extra: Object::default() })
    }

    /// Appends the canonical JSON to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(out, Some(&self.extra));
        object.strings("keyids", &self.keyids);
        object.number("threshold", self.threshold.get());
        object.end();
    }
}

/// The root role: the keys of all top-level roles (TUF 4.3).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "RawRoot")]
pub struct Root {
    /// The version of the specification, `1.x.y`.
    pub spec_version: String,
    /// The version of this document.
    pub version: Version,
    /// When it expires.
    pub expires: Time,
    /// Whether file names carry versions and hashes (TUF 3.6.1); `None` where it is not stated,
    /// which means no.
    pub consistent_snapshot: Option<bool>,
    /// All keys.
    pub keys: BTreeMap<KeyId, Key>,
    /// The keys of `root`, `timestamp`, `snapshot` and `targets`, which are all there.
    pub roles: BTreeMap<String, RoleKeys>,
    /// Fields that tufold does not know.
    pub extra: Object,
}

/// The timestamp role: which snapshot is the newest (TUF 4.6).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "RawTimestamp")]
pub struct Timestamp {
    /// The version of the specification, `1.x.y`.
    pub spec_version: String,
    /// The version of this document.
    pub version: Version,
    /// When it expires.
    pub expires: Time,
    /// The newest snapshot.
    pub snapshot: MetaFile,
    /// What else stands in `meta`.
    pub other_meta: Object,
    /// Fields that tufold does not know.
    pub extra: Object,
}

/// The snapshot role: the version of every targets role (TUF 4.4).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "RawSnapshot")]
pub struct Snapshot {
    /// The version of the specification, `1.x.y`.
    pub spec_version: String,
    /// The version of this document.
    pub version: Version,
    /// When it expires.
    pub expires: Time,
    /// Each targets role's file, by `<role>.json`.
    pub meta: BTreeMap<String, MetaFile>,
    /// Fields that tufold does not know.
    pub extra: Object,
}

/// A targets role, top-level or delegated (TUF 4.5).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "RawTargets")]
pub struct Targets {
    /// The version of the specification, `1.x.y`.
    pub spec_version: String,
    /// The version of this document.
    pub version: Version,
    /// When it expires.
    pub expires: Time,
    /// The target files, by target path.
    pub targets: BTreeMap<String, TargetFile>,
    /// Whom this role delegates to.
    pub delegations: Option<Delegations>,
    /// Fields that tufold does not know.
    pub extra: Object,
}

impl Role for Root {
    const TYPE: &'static str = "root";

    fn version(&self) -> Version {
        self.version
    }

    fn expires(&self) -> Time {
        self.expires
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(out, Some(&self.extra));
        object.string("_type", Self::TYPE);
        if let Some(consistent) = self.consistent_snapshot {
            object.bool("consistent_snapshot", consistent);
        }
        object.string("expires", &self.expires.to_string());
        write_keys(&self.keys, object.key("keys"));
        let mut roles = ObjectWriter::new(object.key("roles"), None);
        for (name, keys) in &self.roles {
            keys.write(roles.key(name));
        }
        roles.end();
        object.string("spec_version", &self.spec_version);
        object.number("version", self.version.get());
        object.end();
    }
}

impl Role for Timestamp {
    const TYPE: &'static str = "timestamp";

    fn version(&self) -> Version {
        self.version
    }

    fn expires(&self) -> Time {
        self.expires
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(out, Some(&self.extra));
        object.string("_type", Self::TYPE);
        object.string("expires", &self.expires.to_string());
        let mut meta = ObjectWriter::new(object.key("meta"), Some(&self.other_meta));
        self.snapshot.write(meta.key("snapshot.json"));
        meta.end();
        object.string("spec_version", &self.spec_version);
        object.number("version", self.version.get());
        object.end();
    }
}

impl Role for Snapshot {
    const TYPE: &'static str = "snapshot";

    fn version(&self) -> Version {
        self.version
    }

    fn expires(&self) -> Time {
        self.expires
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(out, Some(&self.extra));
        object.string("_type", Self::TYPE);
        object.string("expires", &self.expires.to_string());
        let mut meta = ObjectWriter::new(object.key("meta"), None);
        for (name, file) in &self.meta {
            file.write(meta.key(name));
        }
        meta.end();
        object.string("spec_version", &self.spec_version);
        object.number("version", self.version.get());
        object.end();
    }
}

impl Role for Targets {
    const TYPE: &'static str = "targets";

    fn version(&self) -> Version {
        self.version
    }

    fn expires(&self) -> Time {
        self.expires
    }

    fn write(&self, out: &mut Vec<u8>) {
        let entries = self.targets.iter().map(|(path, file)| (path.as_str(), file));
        write_targets(self, entries, out);
    }
}

/// Appends a targets role whose entries come from `entries`, sorted by path, instead of from
/// `header.targets`: a publisher writes a bin without building a map of it first.
pub fn write_targets<'t>(
    header: &Targets,
    entries: impl Iterator<Item = (&'t str, &'t TargetFile)>,
    out: &mut Vec<u8>,
) {
    write_targets_with(header, out, |writer| {
        entries.for_each(|(path, file)| writer.put(path, file));
    });
}

/// As [`write_targets`], with whatever `fill` puts, sorted by path.
pub fn write_targets_with(
    header: &Targets,
    out: &mut Vec<u8>,
    fill: impl FnOnce(&mut TargetsWriter<'_>),
) {
    let mut object = ObjectWriter::new(out, Some(&header.extra));
    object.string("_type", Targets::TYPE);
    if let Some(delegations) = &header.delegations {
        delegations.write(object.key("delegations"));
    }
    object.string("expires", &header.expires.to_string());
    object.string("spec_version", &header.spec_version);
    let mut targets = TargetsWriter(ObjectWriter::new(object.key("targets"), None));
    fill(&mut targets);
    targets.0.end();
    object.number("version", header.version.get());
    object.end();
}

/// Takes the entries of a targets role that is being written.
pub struct TargetsWriter<'w>(ObjectWriter<'w, 'w>);

impl TargetsWriter<'_> {
    /// Adds a target, whose path comes after those that were added.
    pub fn put(&mut self, path: &str, file: &TargetFile) {
        file.write(self.0.key(path));
    }
}

#[derive(Deserialize)]
struct RawRoleKeys {
    keyids: Vec<KeyId>,
    threshold: NonZeroU64,
    #[serde(flatten)]
    extra: Object,
}

impl TryFrom<RawRoleKeys> for RoleKeys {
    type Error = String;

    fn try_from(raw: RawRoleKeys) -> Result<Self, String> {
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = raw.keyids.iter().find(|id| !seen.insert(*id)) {
            return Err(format!("key id {twice} stands twice in one role"));
        }
        Ok(Self { keyids: raw.keyids, threshold: raw.threshold, extra: raw.extra })
    }
}

/// The fields that all roles start with.
#[derive(Deserialize, Serialize)]
struct Tag(String);

impl Tag {
    fn check<R: Role>(&self, spec_version: &str) -> Result<(), String> {
        if self.0 != R::TYPE {
            return Err(format!("_type is {:?}, expected {:?}", self.0, R::TYPE));
        }
        // TUF 4.2.1: a client that speaks 1.x reads any 1.y.z.
        let mut parts = spec_version.split('.');
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let numbers = spec_version.split('.').all(is_number);
        if parts.next() != Some("1") || !numbers || !(2..=3).contains(&(1 + parts.count())) {
            return Err(format!("spec_version is {spec_version:?}, expected 1.x.y"));
        }
        Ok(())
    }
}

/// Reads a field that may be left out. Where it stands it must hold a value: a `null` would not be
/// written again.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Reads an object whose keys come in order, as they do in canonical JSON. A map that is made of all of them at once takes half the
/// time of one that they are put into one by one; keys in any other order make the same map.
fn in_order<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Entries<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
        type Value = BTreeMap<String, T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry()? {
                entries.push(entry);
            }
            Ok(entries.into_iter().collect())
        }
    }
    deserializer.deserialize_map(Entries(PhantomData))
}

#[derive(Deserialize)]
struct RawRoot {
    #[serde(rename = "_type")]
    tag: Tag,
    spec_version: String,
    version: Version,
    expires: Time,
    #[serde(default, deserialize_with = "present")]
    consistent_snapshot: Option<bool>,
    keys: BTreeMap<KeyId, Key>,
    roles: BTreeMap<String, RoleKeys>,
    #[serde(flatten)]
    extra: Object,
}

impl TryFrom<RawRoot> for Root {
    type Error = String;

    fn try_from(raw: RawRoot) -> Result<Self, String> {
        raw.tag.check::<Self>(&raw.spec_version)?;
        for name in crate::names::TOP_LEVEL_ROLES {
            if !raw.roles.contains_key(name) {
                return Err(format!("the role {name} has no keys"));
            }
        }
        Ok(Self {
            spec_version: raw.spec_version,
            version: raw.version,
            expires: raw.expires,
            consistent_snapshot: raw.consistent_snapshot,
            keys: raw.keys,
            roles: raw.roles,
            extra: raw.extra,
        })
    }
}

#[derive(Deserialize)]
struct RawTimestamp {
    #[serde(rename = "_type")]
    tag: Tag,
    spec_version: String,
    version: Version,
    expires: Time,
    meta: RawTimestampMeta,
    #[serde(flatten)]
    extra: Object,
}

#[derive(Deserialize)]
struct RawTimestampMeta {
    #[serde(rename = "snapshot.json")]
    snapshot: MetaFile,
    #[serde(flatten)]
    other: Object,
}

impl TryFrom<RawTimestamp> for Timestamp {
    type Error = String;

    fn try_from(raw: RawTimestamp) -> Result<Self, String> {
        raw.tag.check::<Self>(&raw.spec_version)?;
        Ok(Self {
            spec_version: raw.spec_version,
            version: raw.version,
            expires: raw.expires,
            snapshot: raw.meta.snapshot,
            other_meta: raw.meta.other,
            extra: raw.extra,
        })
    }
}

#[derive(Deserialize)]
struct RawSnapshot {
    #[serde(rename = "_type")]
    tag: Tag,
    spec_version: String,
    version: Version,
    expires: Time,
    #[serde(deserialize_with = "in_order")]
    meta: BTreeMap<String, MetaFile>,
    #[serde(flatten)]
    extra: Object,
}

impl TryFrom<RawSnapshot> for Snapshot {
    type Error = String;

    fn try_from(raw: RawSnapshot) -> Result<Self, String> {
        raw.tag.check::<Self>(&raw.spec_version)?;
        Ok(Self {
            spec_version: raw.spec_version,
            version: raw.version,
            expires: raw.expires,
            meta: raw.meta,
            extra: raw.extra,
        })
    }
}

#[derive(Deserialize)]
struct RawTargets {
    #[serde(rename = "_type")]
    tag: Tag,
    spec_version: String,
    version: Version,
    expires: Time,
    #[serde(deserialize_with = "in_order")]
    targets: BTreeMap<String, TargetFile>,
    #[serde(default, deserialize_with = "present")]
    delegations: Option<Delegations>,
    #[serde(flatten)]
    extra: Object,
}

impl TryFrom<RawTargets> for Targets {
    type Error = String;

    fn try_from(raw: RawTargets) -> Result<Self, String> {
        raw.tag.check::<Self>(&raw.spec_version)?;
        Ok(Self {
            spec_version: raw.spec_version,
            version: raw.version,
            expires: raw.expires,
            targets: raw.targets,
            delegations: raw.delegations,
            extra: raw.extra,
        })
    }
}

#[cfg(test)]
mod tests;
