//! A repository in memory whose documents a test changes and signs as no publisher would.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use tufold_meta::cjson::Object;
use tufold_meta::{
    BitLength, DelegatedRole, DelegatedRoles, Delegations, Digest, Hashes, Key, KeyId, MetaFile,
    Role, RoleKeys, Root, SPEC_VERSION, Selector, SigningKey, Snapshot, SuccinctRoles, TargetFile,
    Targets, Terminating, Time, Timestamp, Version, names, sign,
};

use crate::after;

/// The bins of a [`Forge`]: four of them.
pub const BITS: u32 = 2;

/// Which key signs for what. `bins` stands for every delegated role.
const SIGNERS: [(&str, u8); 5] =
    [("root", 1), ("timestamp", 2), ("snapshot", 3), ("targets", 4), ("bins", 5)];

/// What the repository says, who signs it, and what was published.
#[derive(Clone)]
pub struct Forge {
    /// The root role.
    pub root: Root,
    /// The timestamp role.
    pub timestamp: Timestamp,
    /// The snapshot role.
    pub snapshot: Snapshot,
    /// The targets roles.
    pub targets: BTreeMap<String, Targets>,
    /// The keys that sign for a role, by their numbers; for one that is not here, those of `bins`.
    pub signers: BTreeMap<String, Vec<u8>>,
    /// Whether the snapshot lists lengths and hashes.
    pub hashes: bool,
    /// The published metadata files.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// Version `number`.
///
/// # Panics
/// If it is 0.
pub fn version(number: u64) -> Version {
    Version::new(number).expect("1 and up")
}

/// The key with a seed of `n`s.
///
/// # Panics
/// Never: any seed is a key.
pub fn key(n: u8) -> SigningKey {
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend_from_slice(&[n; 32]);
    let text = pem::encode(&pem::Pem::new("PRIVATE KEY", der));
    SigningKey::from_pem(&text).expect("a key")
}

/// The public halves of these keys, by their ids.
pub fn keys(numbers: &[u8]) -> BTreeMap<KeyId, Key> {
    numbers.iter().map(|&n| key(n)).map(|key| (key.id().clone(), key.public().clone())).collect()
}

/// A role that so many of these keys sign for.
///
/// # Panics
/// If the threshold is 0 or a number stands twice.
pub fn role_keys(numbers: &[u8], threshold: u64) -> RoleKeys {
    let ids = numbers.iter().map(|&n| key(n).id().clone()).collect();
    let threshold = NonZeroU64::new(threshold).expect("a threshold");
    RoleKeys::new(ids, threshold).expect("keys that differ")
}

impl Forge {
    /// A published repository with four bins, of the form `bins-succinct` or `bins-prefixes`, that
    /// list the targets at `paths`, each with its path for content.
    ///
    /// # Panics
    /// For another form.
    pub fn new(form: &str, paths: &[&str]) -> Self {
        let (expires, spec_version) = (after("720h"), SPEC_VERSION.to_owned());
        let (version, extra) = (Version::FIRST, Object::default());
        let top_level = SIGNERS.iter().take(4);
        let mut forge = Self {
            root: Root {
                spec_version: spec_version.clone(),
                version,
                expires,
                consistent_snapshot: Some(true),
                keys: keys(&[1, 2, 3, 4]),
                roles: top_level.map(|(role, n)| (role.to_string(), role_keys(&[*n], 1))).collect(),
                extra: extra.clone(),
            },
            timestamp: Timestamp {
                spec_version: spec_version.clone(),
                version,
                expires,
                snapshot: MetaFile::version_only(version),
                other_meta: extra.clone(),
                extra: extra.clone(),
            },
            snapshot: Snapshot { spec_version, version, expires, meta: BTreeMap::new(), extra },
            targets: BTreeMap::from([("targets".to_owned(), targets(expires))]),
            signers: SIGNERS.iter().map(|(role, n)| (role.to_string(), vec![*n])).collect(),
            hashes: false,
            files: BTreeMap::new(),
        };
        for bin in bits().bins() {
            forge.targets.insert(bits().role_name("bins", bin), targets(expires));
        }
        forge.top().delegations = Some(delegations(form));
        paths.iter().for_each(|path| forge.list(&bin_of(path), path, path));
        forge.publish_all();
        forge
    }

    /// Lists a target in a role.
    ///
    /// # Panics
    /// If there is no such role.
    pub fn list(&mut self, role: &str, path: &str, content: &str) {
        let file = TargetFile::new(content.len() as u64, Digest::of(content.as_bytes()));
        self.role(role).targets.insert(path.into(), file);
    }

    /// A targets role.
    ///
    /// # Panics
    /// If there is none of this name.
    pub fn role(&mut self, role: &str) -> &mut Targets {
        self.targets.get_mut(role).expect("a role")
    }

    /// The top-level targets role.
    pub fn top(&mut self) -> &mut Targets {
        self.role("targets")
    }

    /// Delegates from the top-level targets role to a new role, before all others if these are a
    /// list, else instead of them.
    pub fn delegate(&mut self, name: &str, selector: Selector, terminating: Terminating) {
        let role = DelegatedRole {
            name: name.into(),
            keys: role_keys(&[5], 1),
            terminating,
            selector,
            extra: Object::default(),
        };
        self.targets.entry(name.into()).or_insert_with(|| targets(after("720h")));
        let delegations = self.top().delegations.get_or_insert_with(|| self::delegations("none"));
        match &mut delegations.roles {
            DelegatedRoles::List(roles) => roles.insert(0, role),
            succinct @ DelegatedRoles::Succinct(_) => *succinct = DelegatedRoles::List(vec![role]),
        }
    }

    /// Gives a top-level role these keys, of which one must sign; they sign for it from now on.
    pub fn rotate(&mut self, role: &str, numbers: &[u8]) {
        self.root.keys.extend(keys(numbers));
        self.root.roles.insert(role.into(), role_keys(numbers, 1));
        self.signers.insert(role.into(), numbers.to_vec());
    }

    /// Raises the versions of these roles and publishes them, in this order.
    pub fn release(&mut self, roles: &[&str]) {
        for &role in roles {
            let version = match role {
                "root" => &mut self.root.version,
                "timestamp" => &mut self.timestamp.version,
                "snapshot" => &mut self.snapshot.version,
                _ => &mut self.role(role).version,
            };
            *version = version.next();
            self.publish(role);
        }
    }

    /// Signs and publishes a role as it stands.
    pub fn publish(&mut self, role: &str) {
        let bytes = self.signed(role);
        let mut listed = MetaFile::version_only(self.version(role));
        if self.hashes {
            listed.length = Some(bytes.len() as u64);
            listed.hashes = Some(Hashes::sha256_only(Digest::of(&bytes)));
        }
        match role {
            "root" | "timestamp" => {}
            "snapshot" => self.timestamp.snapshot = listed,
            _ => drop(self.snapshot.meta.insert(names::meta_name(role), listed)),
        }
        self.files.insert(self.current(role), bytes);
    }

    /// A role as it stands, signed by its signers.
    ///
    /// # Panics
    /// Never: the keys sign anything.
    pub fn signed(&self, role: &str) -> Vec<u8> {
        let canonical = match role {
            "root" => self.root.to_canonical(),
            "timestamp" => self.timestamp.to_canonical(),
            "snapshot" => self.snapshot.to_canonical(),
            _ => self.targets[role].to_canonical(),
        };
        let numbers = self.signers.get(role).unwrap_or(&self.signers["bins"]);
        let keys: Vec<_> = numbers.iter().map(|&n| key(n)).collect();
        sign(&canonical, &keys.iter().collect::<Vec<_>>()).expect("a signature")
    }

    /// The name of the role's current file.
    pub fn current(&self, role: &str) -> String {
        let consistent = self.root.consistent_snapshot == Some(true) || role == "root";
        if consistent && role != "timestamp" {
            names::versioned_file_name(role, self.version(role))
        } else {
            names::file_name(role)
        }
    }

    /// The version of a role as it stands.
    pub fn version(&self, role: &str) -> Version {
        match role {
            "root" => self.root.version,
            "timestamp" => self.timestamp.version,
            "snapshot" => self.snapshot.version,
            _ => self.targets[role].version,
        }
    }

    /// Publishes everything as it stands.
    pub fn publish_all(&mut self) {
        let roles: Vec<_> = self.targets.keys().cloned().collect();
        self.publish("root");
        roles.iter().for_each(|role| self.publish(role));
        self.publish("snapshot");
        self.publish("timestamp");
    }
}

/// The bin that lists the target at `path`.
pub fn bin_of(path: &str) -> String {
    bits().role_name("bins", bits().bin(path))
}

fn bits() -> BitLength {
    BitLength::new(BITS).expect("1 to 32")
}

/// A role that lists nothing.
fn targets(expires: Time) -> Targets {
    Targets {
        spec_version: SPEC_VERSION.into(),
        version: Version::FIRST,
        expires,
        targets: BTreeMap::new(),
        delegations: None,
        extra: Object::default(),
    }
}

fn delegations(form: &str) -> Delegations {
    let extra = Object::default();
    let roles = match form {
        "none" => DelegatedRoles::List(Vec::new()),
        "bins-succinct" => DelegatedRoles::Succinct(SuccinctRoles {
            keys: role_keys(&[5], 1),
            bit_length: bits(),
            name_prefix: "bins".into(),
            extra: extra.clone(),
        }),
        "bins-prefixes" => {
            let role = |bin| DelegatedRole {
                name: bits().role_name("bins", bin),
                keys: role_keys(&[5], 1),
                terminating: Terminating::No,
                selector: Selector::PathHashPrefixes(bits().hash_prefixes(bin).collect()),
                extra: extra.clone(),
            };
            DelegatedRoles::List(bits().bins().map(role).collect())
        }
        other => panic!("{other} is no form of bins"),
    };
    Delegations { keys: keys(&[5]), roles, extra }
}
