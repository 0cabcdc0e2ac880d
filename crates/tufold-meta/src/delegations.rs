//! Who may list which targets: the `delegations` of a targets role (TUF 4.5, TAP 15).

use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, Error as _};

use crate::cjson::{Object, ObjectWriter};
use crate::pattern::path_matches;
use crate::roles::present;
use crate::{BitLength, Digest, Key, KeyId, RoleKeys};

/// The `delegations` object of a targets role.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delegations {
    /// The keys of the delegated roles.
    pub keys: BTreeMap<KeyId, Key>,
    /// The delegated roles, in order of priority, or the succinct bins.
    pub roles: DelegatedRoles,
    /// Fields that tufold does not know.
    pub extra: Object,
}

/// The two ways to list delegated roles.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DelegatedRoles {
    /// `roles`: one entry a role, in order of priority (TUF 4.5).
    List(Vec<DelegatedRole>),
    /// `succinct_roles`: 2^b bins by one entry (TAP 15).
    Succinct(SuccinctRoles),
}

/// One entry of `roles`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DelegatedRole {
    /// The role's name.
    pub name: String,
    /// Its keys and threshold.
    pub keys: RoleKeys,
    /// Whether a search that finds nothing in this role ends.
    pub terminating: Terminating,
    /// Which targets it is trusted with.
    pub selector: Selector,
    /// Fields that tufold does not know.
    pub extra: Object,
}

/// Whether a search goes on behind a role that does not list the target (TUF 5.6.7.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Terminating {
    /// The search ends.
    Yes,
    /// The search goes on with the next role.
    No,
}

/// Which target paths a delegation covers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selector {
    /// `paths`: shell-style patterns; `*` stays within one segment.
    Paths(Vec<String>),
    /// `path_hash_prefixes`: leading hex digits of SHA-256 of the path.
    PathHashPrefixes(Vec<String>),
}

/// The `succinct_roles` object (TAP 15).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SuccinctRoles {
    /// The keys and threshold that all bins share.
    pub keys: RoleKeys,
    /// How many leading bits pick the bin.
    pub bit_length: BitLength,
    /// What the bins' names start with, before `-` and the number in hex.
    pub name_prefix: String,
    /// Fields that tufold does not know.
    pub extra: Object,
}

/// One role that a delegation names for a target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delegated<'d> {
    /// The role's name.
    pub name: std::borrow::Cow<'d, str>,
    /// Its keys and threshold.
    pub keys: &'d RoleKeys,
    /// Whether a search ends here.
    pub terminating: Terminating,
}

/// The entry of the role called `name`. Lists are in order of priority, but most are in the order of names as well, and a
/// mirror asks for every role: so the entry is looked for where it would be in such a list first.
fn listed<'r>(roles: &'r [DelegatedRole], name: &str) -> Option<&'r DelegatedRole> {
    let by_order = roles.binary_search_by(|role| role.name.as_str().cmp(name)).ok();
    by_order.map_or_else(|| roles.iter().find(|role| role.name == name), |at| roles.get(at))
}

impl Delegations {
    /// The roles trusted with `path`, in order of priority. TAP 15's text calls succinct bins
    /// non-terminating; python-tuf and go-tuf end the search in one, and so does tufold. As each
    /// path has one bin only, the readings differ just for roles listed behind the delegating one.
    pub fn roles_for<'d>(&'d self, path: &str) -> Vec<Delegated<'d>> {
        match &self.roles {
            DelegatedRoles::Succinct(succinct) => vec![Delegated {
                name: succinct.role_for(path).into(),
                keys: &succinct.keys,
                terminating: Terminating::Yes,
            }],
            DelegatedRoles::List(roles) => {
                let hex = Digest::of(path.as_bytes()).to_string();
                let covers = |role: &&DelegatedRole| role.selector.covers_hashed(path, &hex);
                roles.iter().filter(covers).map(DelegatedRole::as_delegated).collect()
            }
        }
    }

    /// Whether the delegation of the role called `name` covers the targets at all of `paths`.
    pub fn cover(&self, name: &str, paths: &[String]) -> bool {
        match &self.roles {
            DelegatedRoles::Succinct(succinct) => {
                paths.iter().all(|path| succinct.role_for(path) == name)
            }
            DelegatedRoles::List(roles) => {
                let role = listed(roles, name);
                role.is_some_and(|role| paths.iter().all(|path| role.selector.covers(path)))
            }
        }
    }

    /// The delegation of the role called `name`, if there is one.
    pub fn role<'d>(&'d self, name: &str) -> Option<Delegated<'d>> {
        match &self.roles {
            DelegatedRoles::Succinct(succinct) => {
                succinct.bit_length.parse_role_name(&succinct.name_prefix, name)?;
                Some(Delegated {
                    name: name.to_owned().into(),
                    keys: &succinct.keys,
                    terminating: Terminating::Yes,
                })
            }
            DelegatedRoles::List(roles) => listed(roles, name).map(DelegatedRole::as_delegated),
        }
    }

    /// Appends the canonical JSON to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(out, Some(&self.extra));
        write_keys(&self.keys, object.key("keys"));
        match &self.roles {
            DelegatedRoles::List(roles) => {
                let out = object.key("roles");
                out.push(b'[');
                for (i, role) in roles.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    role.write(out);
                }
                out.push(b']');
            }
            DelegatedRoles::Succinct(succinct) => {
                let out = object.key("succinct_roles");
                let mut object = ObjectWriter::new(out, Some(&succinct.extra));
                object.number("bit_length", succinct.bit_length.bits().into());
                object.strings("keyids", &succinct.keys.keyids);
                object.string("name_prefix", &succinct.name_prefix);
                object.number("threshold", succinct.keys.threshold.get());
                object.end();
            }
        }
        object.end();
    }
}

impl DelegatedRole {
    fn as_delegated(&self) -> Delegated<'_> {
        Delegated {
            name: self.name.as_str().into(),
            keys: &self.keys,
            terminating: self.terminating,
        }
    }

    /// Appends the canonical JSON.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(out, Some(&self.extra));
        object.strings("keyids", &self.keys.keyids);
        object.string("name", &self.name);
        match &self.selector {
            Selector::PathHashPrefixes(prefixes) => object.strings("path_hash_prefixes", prefixes),
            Selector::Paths(patterns) => object.strings("paths", patterns),
        }
        object.bool("terminating", self.terminating == Terminating::Yes);
        object.number("threshold", self.keys.threshold.get());
        object.end();
    }
}

impl Selector {
    /// Whether the delegation covers the target at `path`.
    pub fn covers(&self, path: &str) -> bool {
        self.covers_hashed(path, &Digest::of(path.as_bytes()).to_string())
    }

    fn covers_hashed(&self, path: &str, hex: &str) -> bool {
        match self {
            Self::Paths(patterns) => patterns.iter().any(|pattern| path_matches(pattern, path)),
            Self::PathHashPrefixes(prefixes) => prefixes.iter().any(|p| hex.starts_with(p)),
        }
    }
}

impl SuccinctRoles {
    /// The name of the bin that lists the target at `path`.
    pub fn role_for(&self, path: &str) -> String {
        self.bit_length.role_name(&self.name_prefix, self.bit_length.bin(path))
    }
}

/// Appends a map of keys.
pub(crate) fn write_keys(keys: &BTreeMap<KeyId, Key>, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::new(out, None);
    for (id, key) in keys {
        key.write(object.key(id.as_str()));
    }
    object.end();
}

#[derive(serde::Deserialize)]
struct RawDelegations {
    keys: BTreeMap<KeyId, Key>,
    #[serde(default, deserialize_with = "present")]
    roles: Option<Vec<DelegatedRole>>,
    #[serde(default, deserialize_with = "present")]
    succinct_roles: Option<SuccinctRoles>,
    #[serde(flatten)]
    extra: Object,
}

impl<'de> Deserialize<'de> for Delegations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawDelegations::deserialize(deserializer)?;
        let roles = match (raw.roles, raw.succinct_roles) {
            (Some(roles), None) => DelegatedRoles::List(roles),
            (None, Some(succinct)) => DelegatedRoles::Succinct(succinct),
            _ => return Err(D::Error::custom("delegations need one of roles and succinct_roles")),
        };
        if let DelegatedRoles::List(roles) = &roles {
            let mut names = std::collections::HashSet::new();
            for role in roles {
                let name = role.name.as_str();
                if name.is_empty() || crate::names::TOP_LEVEL_ROLES.contains(&name) {
                    return Err(D::Error::custom(format!("role {name:?} cannot be delegated")));
                }
                if !names.insert(name) {
                    return Err(D::Error::custom(format!("role {name:?} is delegated twice")));
                }
            }
        }
        Ok(Self { keys: raw.keys, roles, extra: raw.extra })
    }
}

#[derive(serde::Deserialize)]
struct RawDelegatedRole {
    name: String,
    keyids: Vec<KeyId>,
    threshold: std::num::NonZeroU64,
    terminating: bool,
    #[serde(default, deserialize_with = "present")]
    paths: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    path_hash_prefixes: Option<Vec<String>>,
    #[serde(flatten)]
    extra: Object,
}

impl<'de> Deserialize<'de> for DelegatedRole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawDelegatedRole::deserialize(deserializer)?;
        let selector = match (raw.paths, raw.path_hash_prefixes) {
            (Some(paths), None) => Selector::Paths(paths),
            (None, Some(prefixes)) => Selector::PathHashPrefixes(prefixes),
            _ => {
                return Err(D::Error::custom("a role needs one of paths and path_hash_prefixes"));
            }
        };
        Ok(Self {
            name: raw.name,
            keys: RoleKeys::new(raw.keyids, raw.threshold).map_err(D::Error::custom)?,
            terminating: if raw.terminating { Terminating::Yes } else { Terminating::No },
            selector,
            extra: raw.extra,
        })
    }
}

#[derive(serde::Deserialize)]
struct RawSuccinctRoles {
    keyids: Vec<KeyId>,
    threshold: std::num::NonZeroU64,
    bit_length: u32,
    name_prefix: String,
    #[serde(flatten)]
    extra: Object,
}

impl<'de> Deserialize<'de> for SuccinctRoles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawSuccinctRoles::deserialize(deserializer)?;
        let bit_length = BitLength::new(raw.bit_length).ok_or_else(|| {
            D::Error::custom(format!("bit_length is {}, not 1 to 32", raw.bit_length))
        })?;
        Ok(Self {
            keys: RoleKeys::new(raw.keyids, raw.threshold).map_err(D::Error::custom)?,
            bit_length,
            name_prefix: raw.name_prefix,
            extra: raw.extra,
        })
    }
}
