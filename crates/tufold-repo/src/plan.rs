//! What a publish will write, decided before anything is written.

use serde::Serialize;
use tufold_meta::{
    MetaFile, Regroup, Renewal, Role, RoleKeys, SPEC_VERSION, Signature, Signed, Snapshot,
    TargetFile, Targets, Time, Version, write_targets, write_targets_with,
};

use crate::settings::{Lifetimes, RoleKind};
use crate::targets::{Change, Run, Target};

/// Everything that one publish writes, ready to be signed. Made by planning an init or a publish,
/// done by committing it.
#[derive(Debug)]
pub struct Plan {
    pub(crate) now: Time,
    pub(crate) lifetimes: Lifetimes,
    /// `1.root.json`, of a new repository.
    pub(crate) root: Option<Vec<u8>>,
    /// The targets roles to be written, sorted by name.
    pub(crate) roles: Vec<RolePlan>,
    /// The bins that are made of others.
    pub(crate) regrouping: Option<Regrouping>,
    /// The snapshot to be written: with the old entries, which the written roles replace. `None`
    /// where only the timestamp is signed again.
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) timestamp: TimestampPlan,
    /// When every document's expiry is to be looked at again, if this publish looked at them.
    pub(crate) next_sweep: Option<Time>,
    pub(crate) waiting: Vec<Waiting>,
}

/// A document that is due to be signed again, by a rotation and not by a publish.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Waiting {
    /// Whose document it is.
    pub role: RoleKind,
    /// When clients refuse it.
    pub expires: Time,
    /// What to run.
    pub command: String,
}

/// Bins to be written that take their targets from the published ones. A plan holds no more of them: each group is read when it
/// is written.
#[derive(Debug)]
pub(crate) struct Regrouping {
    pub(crate) change: Regroup,
    /// What all of them start at.
    pub(crate) first: Version,
    pub(crate) expires: Time,
    pub(crate) keys: RoleKeys,
}

/// The timestamp to be written.
#[derive(Debug)]
pub(crate) struct TimestampPlan {
    pub(crate) version: Version,
    /// The entry of the snapshot, where no new one is written.
    pub(crate) snapshot: Option<MetaFile>,
    pub(crate) unknown: tufold_meta::cjson::Object,
    pub(crate) other_meta: tufold_meta::cjson::Object,
}

/// One targets role to be written.
#[derive(Debug)]
pub(crate) struct RolePlan {
    pub(crate) role: String,
    pub(crate) keys: RoleKeys,
    /// The new document, with its version and expiry.
    pub(crate) document: Targets,
    /// The file of the version before, if it was read and deltas may start from it.
    pub(crate) replaced: Option<Signed<()>>,
    /// Where its targets are.
    pub(crate) listing: Listing,
    pub(crate) counts: Counts,
    pub(crate) why: Why,
    /// The signatures of just this version, if they were gathered before.
    pub(crate) signatures: Option<Vec<Signature>>,
}

/// Where the targets of a role are that is to be written. Only what is small stays in the plan's
/// memory: the rest is read when it is written.
#[derive(Debug)]
pub(crate) enum Listing {
    /// In the document.
    Document,
    /// Here, sorted; the document has none.
    Targets(Vec<Target>),
    /// In a sorted list; the document has none.
    Run(Run),
    /// In these canonical bytes, which have the version before still; the document has none.
    Edited(Vec<u8>, Renewal),
    /// In the version before, which these changes are made to; the document has none.
    Published(Vec<Change>),
}

/// Why a role is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Why {
    /// It says something else.
    Content,
    /// It expires, or somebody asked for it.
    Expiry,
}

/// How many targets a publish adds, changes and removes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// Targets that were not there.
    pub added: u64,
    /// Targets whose length, hashes or custom data changed.
    pub changed: u64,
    /// Targets that are no longer there.
    pub removed: u64,
}

/// A plan in figures.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Summary {
    /// What happens to targets.
    #[serde(flatten)]
    pub counts: Counts,
    /// How many targets roles are written.
    pub roles: u64,
    /// How many of them are written only because they expire or were asked for.
    pub resigned: u64,
    /// The version of the snapshot, if one is written.
    pub snapshot_version: Option<u64>,
    /// The version of the timestamp, if one is written.
    pub timestamp_version: Option<u64>,
    /// What is due to be signed again and was left, for its keys are elsewhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Waiting>,
}

impl Plan {
    /// Whether there is anything to write.
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.snapshot.is_none() && self.timestamp.snapshot.is_none()
    }

    /// The plan in figures.
    pub fn summary(&self) -> Summary {
        let mut counts = Counts::default();
        for role in &self.roles {
            counts.add(role.counts);
        }
        let regrouped = self.regrouping.as_ref().map_or(0, |bins| bins.change.to.bin_count());
        Summary {
            counts,
            roles: self.roles.len() as u64 + regrouped,
            resigned: self.roles.iter().filter(|role| role.why == Why::Expiry).count() as u64,
            snapshot_version: self.snapshot.as_ref().map(|snapshot| snapshot.version.get()),
            timestamp_version: (!self.is_empty()).then(|| self.timestamp.version.get()),
            waiting: self.waiting.clone(),
        }
    }
}

impl RolePlan {
    /// A role that is written for the first time.
    pub(crate) fn first(
        role: String,
        keys: &RoleKeys,
        lifetimes: &Lifetimes,
        now: Time,
        listing: Listing,
    ) -> Self {
        let document = Targets {
            spec_version: SPEC_VERSION.to_owned(),
            version: Version::FIRST,
            expires: lifetimes.expiry(RoleKind::of_targets_role(&role), now),
            targets: Default::default(),
            delegations: None,
            extra: Default::default(),
        };
        let added = match &listing {
            Listing::Document | Listing::Published(_) | Listing::Edited(..) => 0,
            Listing::Targets(rows) => rows.len() as u64,
            Listing::Run(run) => run.count(),
        };
        let counts = Counts { added, ..Counts::default() };
        let keys = keys.clone();
        let why = Why::Content;
        Self { role, keys, document, replaced: None, listing, counts, why, signatures: None }
    }

    /// The next version of a role that is published.
    pub(crate) fn next(
        role: String,
        keys: &RoleKeys,
        lifetimes: &Lifetimes,
        now: Time,
        mut document: Targets,
        counts: Counts,
    ) -> Self {
        document.version = document.version.next();
        document.expires = lifetimes.expiry(RoleKind::of_targets_role(&role), now);
        let why = if counts.is_zero() { Why::Expiry } else { Why::Content };
        let (keys, listing) = (keys.clone(), Listing::Document);
        Self { role, keys, document, replaced: None, listing, counts, why, signatures: None }
    }

    /// The next version of a role that is published, with these changes; what is published is read when it is written. Where
    /// there are none, it is signed again.
    pub(crate) fn again(
        role: String,
        keys: &RoleKeys,
        lifetimes: &Lifetimes,
        now: Time,
        published: Version,
        changes: Vec<Change>,
    ) -> Self {
        let mut plan = Self::first(role, keys, lifetimes, now, Listing::Published(changes));
        plan.document.version = published.next();
        plan.why = Why::Expiry;
        plan
    }

    /// The canonical bytes of the document at its version. What is published has been read into it.
    pub(crate) fn canonical(&self) -> std::io::Result<Vec<u8>> {
        let with_room = |bytes: usize| Vec::with_capacity(bytes + 512);
        Ok(match &self.listing {
            Listing::Document | Listing::Published(_) => self.document.to_canonical(),
            Listing::Edited(canonical, renewal) => renewal.at(canonical, self.document.version),
            Listing::Targets(rows) => {
                let length: usize = rows.iter().map(|t| t.path.as_str().len() + 128).sum();
                let mut out = with_room(length);
                let entries = rows.iter().map(|target| (target.path.as_str(), &target.file));
                write_targets(&self.document, entries, &mut out);
                out
            }
            Listing::Run(run) => {
                let count = usize::try_from(run.count()).unwrap_or(0);
                let mut out = with_room(run.len_bytes() + 96 * count);
                let mut read = Ok(());
                write_targets_with(&self.document, &mut out, |entries| {
                    read = run.for_each(|path, file| entries.put(path, &file));
                });
                read?;
                out
            }
        })
    }
}

impl Counts {
    /// Adds what another part of the publish does.
    pub fn add(&mut self, other: Self) {
        self.added += other.added;
        self.changed += other.changed;
        self.removed += other.removed;
    }

    /// What happens when `old` becomes `new`, both sorted by path.
    pub(crate) fn between(old: &Targets, new: &[Target]) -> Self {
        let mut counts = Self::default();
        let mut left = old.targets.iter().peekable();
        let mut right = new.iter().peekable();
        loop {
            use std::cmp::Ordering::{Equal, Greater, Less};
            let order = match (left.peek(), right.peek()) {
                (None, None) => return counts,
                (Some(_), None) => Less,
                (None, Some(_)) => Greater,
                (Some((path, _)), Some(target)) => path.as_str().cmp(target.path.as_str()),
            };
            let old = if order == Greater { None } else { left.next() };
            let new = if order == Less { None } else { right.next() };
            match (old, new) {
                (Some((_, old)), Some(new)) => {
                    counts.changed += u64::from(!same_file(old, &new.file));
                }
                (None, _) => counts.added += 1,
                (_, None) => counts.removed += 1,
            }
            debug_assert!(order != Equal || (old.is_some() && new.is_some()));
        }
    }

    pub(crate) fn is_zero(self) -> bool {
        self == Self::default()
    }
}

/// Whether two entries of a target say the same.
pub(crate) fn same_file(left: &TargetFile, right: &TargetFile) -> bool {
    left == right
}

/// A snapshot that follows `old` with the same entries.
pub(crate) fn next_snapshot(old: &Snapshot, lifetimes: &Lifetimes, now: Time) -> Snapshot {
    let mut snapshot = old.clone();
    snapshot.version = snapshot.version.next();
    snapshot.expires = lifetimes.expiry(RoleKind::Snapshot, now);
    snapshot
}
