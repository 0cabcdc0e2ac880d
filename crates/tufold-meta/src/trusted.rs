//! The client workflow of TUF 5.1 to 5.6 as a state machine: fed with bytes and a time, no I/O.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::names;
use crate::{
    Digest, Hashes, Key, KeyId, MetaFile, Role, RoleKeys, Root, Signed, Snapshot, Targets, Time,
    Timestamp, Verified, Version,
};

mod chain;
mod error;
mod receipt;
mod request;
mod search;
mod snapshot;
#[cfg(test)]
mod tests;

pub use chain::RoleChain;
pub use error::Error;
pub use receipt::{Recall, Receipt, ReceiptError};
pub use request::{Limits, Request};
pub use search::{Step, TargetSearch};
pub use snapshot::TrustedSnapshot;

/// The documents that a client trusts during one visit.
///
/// The order is fixed: roots, timestamp, snapshot, then targets roles from the top down. Each
/// update either accepts the document or leaves the set exactly as it was. The caller persists what
/// was accepted, byte for byte ([`Verified::bytes`]), and fetches what a [`Request`] names.
///
/// ```
/// use tufold_meta::{Cache, Error, Request, RoleChain, Source, TrustedSet};
///
/// /// Brings the top-level roles up to date. `fetch` gives `None` for a file that is not there.
/// fn refresh(
///     set: &mut TrustedSet,
///     fetch: impl Fn(&Request) -> Option<Vec<u8>>,
/// ) -> Result<(), Error> {
///     while let Some(bytes) = set.root_request().and_then(|request| fetch(&request)) {
///         if set.update_root(bytes)? == Cache::Void {
///             // Delete timestamp.json and snapshot.json, and only then persist the root.
///         }
///     }
///     // A cache comes in before each fetch: update_timestamp(bytes, Source::Cached) and so on.
///     let timestamp = fetch(&set.timestamp_request()?).unwrap_or_default();
///     set.update_timestamp(timestamp, Source::Fetched)?;
///     if let Some(request) = set.snapshot_request()? {
///         set.update_snapshot(fetch(&request).unwrap_or_default(), Source::Fetched)?;
///     }
///     let targets = fetch(&set.targets_request(&RoleChain::top())?).unwrap_or_default();
///     set.update_targets(targets)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct TrustedSet {
    now: Time,
    limits: Limits,
    root: Verified<Root>,
    root_updates: u32,
    cache: Cache,
    timestamp: Option<Verified<Timestamp>>,
    snapshot: Option<TrustedSnapshot>,
    standing: Standing,
    targets: BTreeMap<RoleChain, Verified<Targets>>,
}

/// Where bytes come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// From the repository. The document has to pass every check.
    Fetched,
    /// From the client's own cache, which an earlier visit filled. The document may have expired or
    /// been superseded since: its signatures count, and then it is what newer ones must not fall
    /// behind.
    Cached,
}

/// What became of a timestamp.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It is the trusted one now.
    New,
    /// It has the version of the trusted one, which stays; nothing is to be persisted.
    Same,
}

/// What a new root means for the timestamp and the snapshot in the client's cache.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cache {
    /// They still count.
    Valid,
    /// A key of theirs was withdrawn, so that the repository can recover from version numbers that
    /// an attacker drove up (TUF 5.3.11). The caller deletes both files *before* it persists the
    /// root: once the root is the cached one, no later visit notices the rotation.
    Void,
}

/// Whether the snapshot is the one that the timestamp names, unexpired, or only what the next one
/// must not fall behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    Current,
    Intermediate,
}

impl TrustedSet {
    /// Starts a visit with the root that the client trusts: the one it was shipped with, or the
    /// last it persisted. `now` is the time of the whole visit (TUF 5.1).
    pub fn new(root: Vec<u8>, now: Time) -> Result<Self, Error> {
        // TUF 5.2: the trusted root may have expired, since newer ones follow.
        let root = verify_by_itself(parse("root", root)?)?;
        Ok(Self {
            now,
            limits: Limits::default(),
            root,
            root_updates: 0,
            cache: Cache::Valid,
            timestamp: None,
            snapshot: None,
            standing: Standing::Intermediate,
            targets: BTreeMap::new(),
        })
    }

    /// The same set with other limits than the default ones.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The limits of this visit.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The time of this visit.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The newest root.
    pub fn root(&self) -> &Verified<Root> {
        &self.root
    }

    /// The newest timestamp. One from the cache may have expired.
    pub fn timestamp(&self) -> Option<&Verified<Timestamp>> {
        self.timestamp.as_ref()
    }

    /// The newest snapshot.
    pub fn snapshot(&self) -> Option<&TrustedSnapshot> {
        self.snapshot.as_ref()
    }

    /// The names of all targets roles that the snapshot lists, sorted as they are listed.
    pub fn listed_roles(&self) -> impl Iterator<Item = &str> {
        let names = self.snapshot.iter().flat_map(TrustedSnapshot::names);
        names.filter_map(|name| name.strip_suffix(".json"))
    }

    /// The targets role at the end of `chain`, if it was accepted in this visit.
    pub fn targets(&self, chain: &RoleChain) -> Option<&Verified<Targets>> {
        self.targets.get(chain)
    }

    /// Takes the next root. An expired one is fine as long as another follows (TUF 5.3.6).
    pub fn update_root(&mut self, bytes: Vec<u8>) -> Result<Cache, Error> {
        if self.timestamp.is_some() {
            return Err(Error::Order { file: "root.json".into(), when: "after timestamp.json" });
        }
        let trusted = self.root.version;
        // TUF 5.3.4: signed by the keys of the trusted root and by its own.
        let of_trusted = format!("root.json version {trusted}");
        let keys = &self.root.roles["root"];
        let new =
            verify(parse::<Root>("root", bytes)?, "root", &self.root.keys, keys, &of_trusted)?;
        let new = verify_by_itself(new.into_signed())?;
        // TUF 5.3.5: one version after the other.
        match new.version.get().checked_sub(trusted.get()) {
            Some(1) => {}
            None => return Err(Error::rollback("root", trusted, new.version)),
            Some(_) => return Err(Error::version("root", trusted.next(), new.version)),
        }
        // TUF 5.3.11: the timestamp and the snapshot go when their keys were rotated.
        let rotated =
            ["timestamp", "snapshot"].iter().any(|role| withdraws(&self.root, &new, role));
        let cache = if rotated { Cache::Void } else { Cache::Valid };
        if rotated {
            self.cache = Cache::Void;
        }
        self.root = new;
        self.root_updates += 1;
        Ok(cache)
    }

    /// Takes a timestamp: first the cached one, if there is one, then the fetched one, without which
    /// the client does not notice that the repository moved on.
    pub fn update_timestamp(&mut self, bytes: Vec<u8>, source: Source) -> Result<Outcome, Error> {
        if self.snapshot.is_some() {
            return Err(Error::Order {
                file: "timestamp.json".into(),
                when: "after snapshot.json",
            });
        }
        self.check_final_root()?;
        self.check_cache("timestamp", source)?;
        // TUF 5.4.2: signed by the keys of the trusted root.
        let new: Verified<Timestamp> = self.verify_by_root(bytes)?;
        if let Some(trusted) = &self.timestamp {
            // TUF 5.4.3.1: no rollback; an equal version changes nothing.
            match new.version.cmp(&trusted.version) {
                Ordering::Less => {
                    return Err(Error::rollback("timestamp", trusted.version, new.version));
                }
                Ordering::Equal => {
                    source.require(self.check_expiry("timestamp", trusted.expires))?;
                    return Ok(Outcome::Same);
                }
                Ordering::Greater => {}
            }
            // TUF 5.4.3.2: no rollback of the snapshot.
            let (old, new) = (trusted.snapshot.version, new.snapshot.version);
            if new < old {
                return Err(Error::rollback("snapshot", old, new));
            }
        }
        // TUF 5.4.4: no freeze. A cached one is checked when the snapshot is asked for.
        source.require(self.check_expiry("timestamp", new.expires))?;
        self.timestamp = Some(new);
        Ok(Outcome::New)
    }

    /// Takes a snapshot: first the cached one, if there is one, then the fetched one if
    /// [`TrustedSet::snapshot_request`] still asks for it.
    ///
    /// A cached snapshot whose length, hash, version or time does not fit the timestamp is kept as
    /// what the next one must not fall behind (python-tuf skips the hash of a cached one for good;
    /// here one that differs in its bytes only is fetched again).
    pub fn update_snapshot(&mut self, bytes: Vec<u8>, source: Source) -> Result<(), Error> {
        let listed = self.check_snapshot_order(source)?;
        // TUF 5.5.2: the length and the hashes that the timestamp lists.
        let mut current = source.require(check_listed("snapshot", &listed, &bytes))?;
        let sha256 = listed.hashes.as_ref().filter(|_| current).and_then(Hashes::sha256);
        // TUF 5.5.3: signed by the keys of the trusted root.
        let new = self.verify_snapshot(bytes, sha256)?;
        // TUF 5.5.4: the version that the timestamp lists.
        current &= source.require(check_version("snapshot", listed.version, new.version()))?;
        // TUF 5.5.5: no role falls back or vanishes.
        if let Some(trusted) = &self.snapshot {
            trusted.check_no_rollback(&new)?;
        }
        // TUF 5.5.6: no freeze.
        current &= source.require(self.check_expiry("snapshot", new.expires()))?;
        self.standing = if current { Standing::Current } else { Standing::Intermediate };
        self.snapshot = Some(new);
        Ok(())
    }

    /// Takes the top-level targets role, fetched or cached.
    pub fn update_targets(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        self.update_delegated(&RoleChain::top(), bytes)
    }

    /// Takes the targets role at the end of `chain`, fetched or cached, whose delegator must have
    /// been accepted before. A role that several chains lead to is checked, and kept, for each.
    pub fn update_delegated(&mut self, chain: &RoleChain, bytes: Vec<u8>) -> Result<(), Error> {
        let new = self.verify_delegated(chain, bytes)?;
        if self.targets.insert(chain.clone(), new).is_some() {
            // What the former document delegated to was checked against its keys.
            self.targets.retain(|other, _| !other.is_below(chain));
        }
        Ok(())
    }

    /// Checks a targets role as [`TrustedSet::update_delegated`] does, but gives it to the caller
    /// instead of keeping it. A mirror passes all its bins through here, several at a time.
    pub fn verify_delegated(
        &self,
        chain: &RoleChain,
        bytes: Vec<u8>,
    ) -> Result<Verified<Targets>, Error> {
        let name = chain.role();
        let listed = self.listed(name)?;
        // TUF 5.6.2: the length and the hashes that the snapshot lists.
        check_listed(name, &listed, &bytes)?;
        // TUF 5.6.3: signed by the keys of the delegator of this chain.
        let signed = parse::<Targets>(name, bytes)?;
        let (keys, role, keys_of) = self.keys_of(chain)?;
        let new = verify(signed, name, keys, role, &keys_of)?;
        // TUF 5.6.4: the version that the snapshot lists.
        check_version(name, listed.version, new.version)?;
        // TUF 5.6.5: no freeze.
        self.check_expiry(name, new.expires)?;
        Ok(new)
    }

    /// The key ids by which the role at the end of `chain` will be verified, in the delegator's order.
    /// `None` if its delegator was not accepted, or does not delegate to it.
    pub fn keyids_of(&self, chain: &RoleChain) -> Option<&[KeyId]> {
        self.keys_of(chain).ok().map(|(_, role, _)| role.keyids.as_slice())
    }

    /// Whether the role at the end of `chain` is trusted with the targets at all of `paths`, as far as its delegator says.
    pub fn is_trusted_with(&self, chain: &RoleChain, paths: &[String]) -> bool {
        let Some(delegator) = chain.delegator() else { return true };
        let delegations = self.targets.get(&delegator).and_then(|all| all.delegations.as_ref());
        delegations.is_some_and(|delegations| delegations.cover(chain.role(), paths))
    }

    /// The keys that have to sign the role at the end of `chain`, and the file that says so.
    fn keys_of(
        &self,
        chain: &RoleChain,
    ) -> Result<(&BTreeMap<KeyId, Key>, &RoleKeys, String), Error> {
        let name = chain.role();
        let Some(delegator) = chain.delegator() else {
            return Ok((&self.root.keys, &self.root.roles[name], "root.json".into()));
        };
        let file = names::file_name(delegator.role());
        let Some(document) = self.targets.get(&delegator) else {
            return Err(Error::NoDelegator { file: names::file_name(name), delegator: file });
        };
        let delegations = document.delegations.as_ref();
        match delegations.and_then(|all| Some((&all.keys, all.role(name)?.keys))) {
            Some((keys, role)) => Ok((keys, role, file)),
            None => Err(Error::NotDelegated { file: names::file_name(name), delegator: file }),
        }
    }

    /// What the snapshot lists for a targets role.
    fn listed(&self, role: &str) -> Result<Cow<'_, MetaFile>, Error> {
        match (&self.snapshot, self.standing) {
            (Some(snapshot), Standing::Current) => snapshot
                .file(role)?
                .ok_or_else(|| Error::NotListed { file: names::file_name(role) }),
            _ => Err(Error::Order {
                file: names::file_name(role),
                when: "before the snapshot.json that timestamp.json names",
            }),
        }
    }

    /// Whether a snapshot may come now, and what the timestamp lists for it.
    fn check_snapshot_order(&self, source: Source) -> Result<MetaFile, Error> {
        if !self.targets.is_empty() {
            return Err(Error::Order { file: "snapshot.json".into(), when: "after targets.json" });
        }
        let listed = self.final_timestamp()?.snapshot.clone();
        self.check_cache("snapshot", source)?;
        Ok(listed)
    }

    /// The timestamp, if it may be used for a snapshot.
    fn final_timestamp(&self) -> Result<&Verified<Timestamp>, Error> {
        let Some(timestamp) = &self.timestamp else {
            let (file, when) = ("snapshot.json".into(), "before timestamp.json");
            return Err(Error::Order { file, when });
        };
        // TUF 5.4.4: no freeze.
        self.check_expiry("timestamp", timestamp.expires)?;
        Ok(timestamp)
    }

    fn check_final_root(&self) -> Result<(), Error> {
        // TUF 5.3.10: no freeze at the end of the chain of roots.
        self.check_expiry("root", self.root.expires)
    }

    fn check_cache(&self, role: &str, source: Source) -> Result<(), Error> {
        // TUF 5.3.11: nothing from before a rotation of the keys.
        match (source, self.cache) {
            (Source::Cached, Cache::Void) => {
                Err(Error::Rotated { file: names::file_name(role), root: self.root.version })
            }
            _ => Ok(()),
        }
    }

    fn check_expiry(&self, role: &str, expires: Time) -> Result<(), Error> {
        if expires > self.now {
            return Ok(());
        }
        Err(Error::Expired { file: names::file_name(role), expires, now: self.now })
    }

    fn verify_snapshot(
        &self,
        bytes: Vec<u8>,
        sha256: Option<Digest>,
    ) -> Result<TrustedSnapshot, Error> {
        let role = &self.root.roles[Snapshot::TYPE];
        match Signed::read(bytes) {
            Ok(listing) => verify(listing, Snapshot::TYPE, &self.root.keys, role, "root.json")
                .map(|new| TrustedSnapshot::listed(new, sha256)),
            Err(bytes) => {
                self.verify_by_root(bytes).map(|new| TrustedSnapshot::parsed(new, sha256))
            }
        }
    }

    fn verify_by_root<R: Role>(&self, bytes: Vec<u8>) -> Result<Verified<R>, Error> {
        let role = &self.root.roles[R::TYPE];
        verify(parse(R::TYPE, bytes)?, R::TYPE, &self.root.keys, role, "root.json")
    }
}

impl Source {
    /// A fetched document has to pass `check`; one from the cache that does not is merely no longer
    /// current.
    fn require(self, check: Result<(), Error>) -> Result<bool, Error> {
        match (self, check) {
            (Self::Cached, check) => Ok(check.is_ok()),
            (Self::Fetched, check) => check.map(|()| true),
        }
    }
}

fn parse<R: Role>(role: &str, bytes: Vec<u8>) -> Result<Signed<R>, Error> {
    Signed::parse(bytes).map_err(|why| Error::Parse { file: names::file_name(role), why })
}

fn verify<R>(
    signed: Signed<R>,
    name: &str,
    keys: &BTreeMap<KeyId, Key>,
    role: &RoleKeys,
    keys_of: &str,
) -> Result<Verified<R>, Error> {
    signed.verify_for(keys, role).map_err(|why| Error::Threshold {
        file: names::file_name(name),
        keys_of: keys_of.into(),
        why,
    })
}

fn verify_by_itself(signed: Signed<Root>) -> Result<Verified<Root>, Error> {
    signed.verify_by_itself().map_err(|why| Error::Threshold {
        file: "root.json".into(),
        keys_of: "itself".into(),
        why,
    })
}

/// Whether a key that could sign for `role` no longer can. Keys that are only added, and another
/// threshold, withdraw nothing that an attacker may have used.
fn withdraws(old: &Root, new: &Root, role: &str) -> bool {
    let kept = &new.roles[role].keyids;
    old.roles[role]
        .keyids
        .iter()
        .any(|id| !kept.contains(id) || old.keys.get(id) != new.keys.get(id))
}

fn check_listed(role: &str, listed: &MetaFile, bytes: &[u8]) -> Result<(), Error> {
    listed.check(bytes).map_err(|why| Error::Mismatch { file: names::file_name(role), why })
}

fn check_version(role: &str, expected: Version, found: Version) -> Result<(), Error> {
    if found == expected { Ok(()) } else { Err(Error::version(role, expected, found)) }
}
