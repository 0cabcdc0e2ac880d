//! A repository in memory whose documents a test changes at will, and a client that visits it.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use crate::cjson::Object;
use crate::{
    Cache, DelegatedRole, DelegatedRoles, Delegations, Digest, Error, Hashes, Key, KeyId, MetaFile,
    Request, Role, RoleChain, RoleKeys, Root, SPEC_VERSION, Selector, SigningKey, Snapshot, Source,
    Step, TargetFile, TargetSearch, Targets, Terminating, Time, Timestamp, TrustedSet,
    TrustedSnapshot, Version, names, sign,
};

pub(super) const NOW: &str = "2030-06-01T00:00:00Z";
pub(super) const LATER: &str = "2031-01-01T00:00:00Z";

pub(super) fn time(text: &str) -> Time {
    text.parse().unwrap()
}

pub(super) fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

/// The key with a seed of `n`s.
pub(super) fn key(n: u8) -> SigningKey {
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend_from_slice(&[n; 32]);
    SigningKey::from_pem(&pem::encode(&pem::Pem::new("PRIVATE KEY", der))).unwrap()
}

pub(super) fn keys(numbers: &[u8]) -> BTreeMap<KeyId, Key> {
    numbers.iter().map(|&n| key(n)).map(|key| (key.id().clone(), key.public().clone())).collect()
}

pub(super) fn role_keys(numbers: &[u8], threshold: u64) -> RoleKeys {
    let ids = numbers.iter().map(|&n| key(n).id().clone()).collect();
    RoleKeys::new(ids, NonZeroU64::new(threshold).unwrap()).unwrap()
}

pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What the next publication will say, who signs it, and what was published.
pub(super) struct Repo {
    pub(super) root: Root,
    pub(super) timestamp: Timestamp,
    pub(super) snapshot: Snapshot,
    pub(super) targets: BTreeMap<String, Targets>,
    /// The keys that sign for a role, by their numbers.
    pub(super) signers: BTreeMap<String, Vec<u8>>,
    /// Whether lengths and hashes are listed beside versions.
    pub(super) hashes: bool,
    pub(super) files: Files,
}

pub(super) fn empty_targets() -> Targets {
    Targets {
        spec_version: SPEC_VERSION.into(),
        version: Version::FIRST,
        expires: time(LATER),
        targets: BTreeMap::new(),
        delegations: None,
        extra: Object::default(),
    }
}

impl Repo {
    /// Root 1, timestamp 5, snapshot 7, targets 3, published; keys 1, 2, 3 and 4.
    pub(super) fn new() -> Self {
        let top_level = ["root", "timestamp", "snapshot", "targets"].into_iter().zip(1..);
        let spec_version = SPEC_VERSION.to_owned();
        let mut repo = Self {
            root: Root {
                spec_version: spec_version.clone(),
                version: Version::FIRST,
                expires: time(LATER),
                consistent_snapshot: Some(true),
                keys: keys(&[1, 2, 3, 4]),
                roles: top_level
                    .clone()
                    .map(|(role, n)| (role.to_owned(), role_keys(&[n], 1)))
                    .collect(),
                extra: Object::default(),
            },
            timestamp: Timestamp {
                spec_version: spec_version.clone(),
                version: version(5),
                expires: time(LATER),
                snapshot: MetaFile::version_only(version(7)),
                other_meta: Object::default(),
                extra: Object::default(),
            },
            snapshot: Snapshot {
                spec_version,
                version: version(7),
                expires: time(LATER),
                meta: BTreeMap::new(),
                extra: Object::default(),
            },
            targets: BTreeMap::from([(
                "targets".to_owned(),
                Targets { version: version(3), ..empty_targets() },
            )]),
            signers: top_level.map(|(role, n)| (role.to_owned(), vec![n])).collect(),
            hashes: false,
            files: Files::new(),
        };
        repo.publish(&["root", "targets", "snapshot", "timestamp"]);
        repo
    }

    /// Signs and publishes the roles as they stand; each is listed in the snapshot or timestamp.
    pub(super) fn publish(&mut self, roles: &[&str]) {
        for &role in roles {
            let (canonical, version) = match role {
                "root" => (self.root.to_canonical(), self.root.version),
                "timestamp" => (self.timestamp.to_canonical(), self.timestamp.version),
                "snapshot" => (self.snapshot.to_canonical(), self.snapshot.version),
                _ => (self.targets[role].to_canonical(), self.targets[role].version),
            };
            let signers: Vec<_> = self.signers[role].iter().map(|&n| key(n)).collect();
            let bytes = sign(&canonical, &signers.iter().collect::<Vec<_>>()).unwrap();
            self.put(role, version, bytes);
        }
    }

    /// Publishes bytes as a version of a role.
    pub(super) fn put(&mut self, role: &str, version: Version, bytes: Vec<u8>) {
        let mut listed = MetaFile::version_only(version);
        if self.hashes {
            listed.length = Some(bytes.len() as u64);
            listed.hashes = Some(Hashes::sha256_only(Digest::of(&bytes)));
        }
        match role {
            "root" | "timestamp" => {}
            "snapshot" => self.timestamp.snapshot = listed,
            _ => {
                self.snapshot.meta.insert(names::meta_name(role), listed);
            }
        }
        let consistent = self.root.consistent_snapshot == Some(true) && role != "timestamp";
        let name = if consistent || role == "root" {
            names::versioned_file_name(role, version)
        } else {
            names::file_name(role)
        };
        self.files.insert(name, bytes);
    }

    /// The next version of the roles, published.
    pub(super) fn release(&mut self, roles: &[&str]) {
        for &role in roles {
            let version = match role {
                "root" => &mut self.root.version,
                "timestamp" => &mut self.timestamp.version,
                "snapshot" => &mut self.snapshot.version,
                _ => &mut self.targets.get_mut(role).unwrap().version,
            };
            *version = version.next();
        }
        self.publish(roles);
    }

    /// Gives a top-level role other keys, and signs with them.
    pub(super) fn rotate(&mut self, role: &str, numbers: &[u8], threshold: u64) {
        self.root.keys.extend(keys(numbers));
        self.root.roles.insert(role.to_owned(), role_keys(numbers, threshold));
        self.signers.insert(role.to_owned(), numbers.to_vec());
    }

    pub(super) fn top(&mut self) -> &mut Targets {
        self.targets.get_mut("targets").unwrap()
    }

    /// Adds a delegation, signed with key `n`, and the role if it is not there yet.
    pub(super) fn delegate(
        &mut self,
        delegator: &str,
        name: &str,
        n: u8,
        selector: Selector,
        terminating: Terminating,
    ) {
        let none = || Delegations {
            keys: BTreeMap::new(),
            roles: DelegatedRoles::List(Vec::new()),
            extra: Object::default(),
        };
        let delegator = self.targets.get_mut(delegator).unwrap();
        let delegations = delegator.delegations.get_or_insert_with(none);
        delegations.keys.extend(keys(&[n]));
        let DelegatedRoles::List(roles) = &mut delegations.roles else { panic!("succinct") };
        roles.push(DelegatedRole {
            name: name.into(),
            keys: role_keys(&[n], 1),
            terminating,
            selector,
            extra: Object::default(),
        });
        self.targets.entry(name.into()).or_insert_with(empty_targets);
        self.signers.entry(name.into()).or_insert_with(|| vec![n]);
    }

    pub(super) fn add_target(&mut self, role: &str, path: &str) {
        let file = TargetFile::new(0, Digest::of(b""));
        self.targets.get_mut(role).unwrap().targets.insert(path.into(), file);
    }

    /// Publishes every targets role as it stands, and the next snapshot and timestamp.
    pub(super) fn publish_delegations(&mut self) {
        let roles: Vec<_> = self.targets.keys().cloned().collect();
        for role in roles {
            self.publish(&[&role]);
        }
        self.release(&["snapshot", "timestamp"]);
    }
}

/// Runs one step and sees to it that a failing one changes nothing.
pub(super) fn step<T>(
    set: &mut TrustedSet,
    step: impl FnOnce(&mut TrustedSet) -> Result<T, Error>,
) -> Result<T, Error> {
    let before = format!("{set:?}");
    let result = step(set);
    if result.is_err() {
        assert_eq!(format!("{set:?}"), before);
    }
    result
}

/// A client and what it asked for.
pub(super) struct Visit {
    pub(super) set: TrustedSet,
    pub(super) requests: Vec<String>,
}

impl Visit {
    pub(super) fn new(files: &Files) -> Self {
        let set = TrustedSet::new(files["1.root.json"].clone(), time(NOW)).unwrap();
        Self { set, requests: Vec::new() }
    }

    /// A visit that has brought the top-level roles up to date.
    pub(super) fn refreshed(repo: &Repo) -> Self {
        let mut visit = Self::new(&repo.files);
        visit.refresh(&Files::new(), repo).unwrap();
        visit.requests.clear();
        visit
    }

    fn fetch(&mut self, request: &Request, repo: &Repo) -> Option<Vec<u8>> {
        self.requests.push(request.file_name.clone());
        repo.files.get(&request.file_name).cloned()
    }

    /// TUF 5.3 to 5.6.6, with the files of an earlier visit as the cache.
    pub(super) fn refresh(&mut self, cache: &Files, repo: &Repo) -> Result<(), Error> {
        let mut cache = cache.clone();
        while let Some(request) = self.set.root_request() {
            let Some(bytes) = self.fetch(&request, repo) else { break };
            if step(&mut self.set, |set| set.update_root(bytes))? == Cache::Void {
                cache.clear();
            }
        }
        if let Some(bytes) = cache.get("timestamp.json") {
            step(&mut self.set, |set| set.update_timestamp(bytes.clone(), Source::Cached)).ok();
        }
        let request = self.set.timestamp_request()?;
        let bytes = self.fetch(&request, repo).unwrap_or_default();
        step(&mut self.set, |set| set.update_timestamp(bytes, Source::Fetched))?;
        if let Some(bytes) = cache.get("7.snapshot.json") {
            step(&mut self.set, |set| set.update_snapshot(bytes.clone(), Source::Cached)).ok();
        }
        if let Some(request) = self.set.snapshot_request()? {
            let bytes = self.fetch(&request, repo).unwrap_or_default();
            step(&mut self.set, |set| set.update_snapshot(bytes, Source::Fetched))?;
        }
        let request = self.set.targets_request(&RoleChain::top())?;
        let bytes = self.fetch(&request, repo).unwrap_or_default();
        step(&mut self.set, |set| set.update_targets(bytes))
    }

    /// TUF 5.6.7.
    pub(super) fn search(&mut self, path: &str, repo: &Repo) -> Result<Step, Error> {
        let mut search = TargetSearch::new(path);
        loop {
            match search.step(&self.set)? {
                Step::Needs { chain, request } => {
                    let bytes = self.fetch(&request, repo).unwrap_or_default();
                    step(&mut self.set, |set| set.update_delegated(&chain, bytes))?;
                }
                end => {
                    assert_eq!(search.step(&self.set)?, end);
                    return Ok(end);
                }
            }
        }
    }

    /// The versions that the set trusts.
    pub(super) fn versions(&self) -> String {
        let set = &self.set;
        let number = |version: Option<Version>| version.map_or(0, Version::get);
        format!(
            "root {}, timestamp {}, snapshot {}, targets {}",
            set.root().version,
            number(set.timestamp().map(|timestamp| timestamp.version)),
            number(set.snapshot().map(TrustedSnapshot::version)),
            number(set.targets(&RoleChain::top()).map(|targets| targets.version)),
        )
    }
}
