//! The deltas of a publish: from which old versions, and written where.
//!
//! An edge of a document holds its signatures, unless they are in a shorter one, and the delta of its canonical `signed` part. What an edge starts from is read
//! from `public/` or, once that was pruned, from `private/bases/`. An old version that is nowhere costs the edge and no
//! more: a client then fetches the full file.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use serde::Serialize;
use tufold_delta::{Edge, Ladder};
use tufold_meta::names::{DELTAS_FOLDER, DeltaName, METADATA_FOLDER, versioned_file_name};
use tufold_meta::{
    BinsDelta, Envelope, KeyId, Prediction, RoleKeys, Signed, Snapshot, Time, Version,
    listed_versions,
};
use tufold_store::{Created, Store};

use crate::bases::Bases;
use crate::bundle_side::{Gap, Side, Versions, versions_of};
use crate::error::Error;
use crate::memory::Memory;
use crate::repository::{MAX_DOCUMENT_LEN_BYTES, State};

mod spent;
mod step;

pub use step::Step;
use step::{delta, snapshot_delta};

/// What the deltas of a publish cost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct DeltaCost {
    /// How many deltas were written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The bytes of those that start at the version just before: what a client that was there pays.
    pub step_bytes: u64,
    /// The bytes of the bundles for mirrors, which `bytes` counts too.
    pub mirror_bytes: u64,
    /// Those of them that start at the snapshot just before.
    pub mirror_step_bytes: u64,
    /// How many deltas make bins out of other bins; `files` counts them too.
    pub bins: u64,
    /// Their bytes, which `bytes` counts too.
    pub bins_bytes: u64,
    /// How many edges of the ladder had no old version to start from.
    pub without_base: u64,
    /// How many bundles could not carry the repository's documents.
    pub declined: u64,
}

/// Writes deltas beside the documents of one publish.
pub(crate) struct DeltaWriter<'d> {
    store: &'d dyn Store,
    bases: Bases<'d>,
    ladder: Ladder,
    /// What the bins start at: an earlier version of a delegated role lists other targets.
    first_version: Version,
    /// How much either side of a bundle may read that leads to other bins.
    most_side_bytes: u64,
    /// Whether what is written can be read again.
    pub(crate) written: WrittenFiles,
    /// What this publish found spent, and what it stands for.
    spent: Mutex<BTreeMap<(String, Version), Vec<u8>>>,
    files: AtomicU64,
    bytes: AtomicU64,
    step_bytes: AtomicU64,
    mirror_bytes: AtomicU64,
    mirror_step_bytes: AtomicU64,
    bins: AtomicU64,
    bins_bytes: AtomicU64,
    without_base: AtomicU64,
    declined: AtomicU64,
}

impl<'d> DeltaWriter<'d> {
    pub(crate) fn new(
        store: &'d dyn Store,
        bases: Bases<'d>,
        ladder: Ladder,
        first_version: Version,
        memory: Memory,
    ) -> Self {
        Self {
            store,
            bases,
            ladder,
            first_version,
            most_side_bytes: memory.for_documents(),
            written: WrittenFiles::Stored,
            spent: Mutex::default(),
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            step_bytes: AtomicU64::new(0),
            mirror_bytes: AtomicU64::new(0),
            mirror_step_bytes: AtomicU64::new(0),
            bins: AtomicU64::new(0),
            bins_bytes: AtomicU64::new(0),
            without_base: AtomicU64::new(0),
            declined: AtomicU64::new(0),
        }
    }

    /// Writes the edges that end at the new version of a targets role, and those to what is spent before it. `published` is
    /// the version that it follows.
    pub(crate) fn role(
        &self,
        step: &RoleStep,
        published: Option<Version>,
        keyids: &[KeyId],
    ) -> Result<Names, Error> {
        let (to, file) = &step.written;
        let role = &step.role;
        if let Some(published) = published
            && self.leads_on(role, published)
        {
            self.bridge(role, (published, *to), keyids)?;
        }
        self.starts(role, *to).try_fold(Names::Ours, |names, from| {
            let name = DeltaName::Role { role: role.clone(), from, to: *to };
            let written = match step.file(from) {
                Some(base) => self.edge(&name, Some(base), file, keyids)?,
                None => match self.base(role, from)? {
                    Some(base) => self.edge(&name, Some(&base), file, keyids)?,
                    None => {
                        // Unless it delegates for the first time, or for the first time again.
                        if from >= self.first_version {
                            self.without_base.fetch_add(1, Ordering::Relaxed);
                        }
                        Names::Ours
                    }
                },
            };
            Ok(names.max(written))
        })
    }

    /// Where the edges begin that end at a version of a role, or of the snapshot.
    fn starts(&self, role: &str, to: Version) -> impl Iterator<Item = Version> {
        let edges = self.ladder.writes(to.get()).into_iter();
        let from = edges.filter_map(|edge| Version::new(edge.from));
        from.filter(move |from| self.leads_on(role, *from))
    }

    /// Whether edges lead from this version on: what had a bin's name before lists other targets.
    fn leads_on(&self, role: &str, from: Version) -> bool {
        from >= self.first_version || ["snapshot", "targets", crate::layout::BINS].contains(&role)
    }

    /// Writes the edges that end at this snapshot, the one from nothing included, and the bundles for
    /// mirrors. `steps` are the roles that were written with it, as far as they were kept; without them the bundles are left
    /// out, for they would take too much memory. `published` is the version that it follows.
    pub(crate) fn snapshot(
        &self,
        (snapshot, published): (&Snapshot, Option<Version>),
        file: &Signed<()>,
        keyids: &[KeyId],
        steps: Option<&[RoleStep]>,
    ) -> Result<Names, Error> {
        let to = snapshot.version;
        if let Some(published) = published {
            self.bridge("snapshot", (published, to), keyids)?;
            if steps.is_some() {
                self.bridge_mirror(published, to)?;
            }
        }
        let from: Vec<Version> = self.starts("snapshot", to).collect();
        let edges = || {
            let all = from.par_iter().map(|&from| Some(from)).chain([None]).map(|from| {
                let name = DeltaName::Snapshot { from, to };
                let Some(from) = from else { return self.edge(&name, None, file, keyids) };
                match self.base("snapshot", from)? {
                    Some(base) => self.edge(&name, Some(&base), file, keyids),
                    None => {
                        self.without_base.fetch_add(1, Ordering::Relaxed);
                        Ok(Names::Ours)
                    }
                }
            });
            all.try_reduce(|| Names::Ours, |a, b| Ok(a.max(b)))
        };
        let Some(steps) = steps else {
            self.declined.fetch_add(from.len() as u64, Ordering::Relaxed);
            return edges();
        };
        let steps = steps.iter().map(|step| (step.role.as_str(), step)).collect();
        let new = NewSnapshot { version: to, file, versions: versions_of(snapshot), steps };
        let bundles = || -> Result<Names, Error> {
            let old = from.par_iter().filter_map(|&from| self.old_snapshot(from).transpose());
            let old = old.collect::<Result<Vec<_>, Error>>()?;
            let (whole, old): (Vec<_>, Vec<_>) =
                old.into_iter().partition(|old| self.has_other_bins(old));
            let mirror = |old: &OldSnapshot| match self.bundle(old, &new)? {
                None => Ok(Names::Ours),
                Some(bundle) => self.create(&DeltaName::Mirror { from: old.version, to }, &bundle),
            };
            let names =
                old.par_iter().map(mirror).try_reduce(|| Names::Ours, |a, b| Ok(a.max(b)))?;
            // Each of these has the whole repository in memory.
            whole.iter().try_fold(names, |names, old| Ok(names.max(mirror(old)?)))
        };
        let (edges, bundles) = rayon::join(edges, bundles);
        Ok(edges?.max(bundles?))
    }

    /// Writes what makes the new bins of a group out of the old ones. `role` is the group's larger bin.
    pub(crate) fn bins(
        &self,
        role: String,
        delta: &BinsDelta,
        keyids: &[KeyId],
    ) -> Result<(), Error> {
        let first = self.first_version;
        let Some(bytes) = delta.to_bytes(first, keyids) else {
            self.declined.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        };
        self.bins.fetch_add(1, Ordering::Relaxed);
        self.bins_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        // The first version is one that nothing was ever written for.
        self.create(&DeltaName::Bins { first, role }, &bytes).map(drop)
    }

    pub(crate) fn cost(&self) -> DeltaCost {
        DeltaCost {
            files: self.files.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            step_bytes: self.step_bytes.load(Ordering::Relaxed),
            mirror_bytes: self.mirror_bytes.load(Ordering::Relaxed),
            mirror_step_bytes: self.mirror_step_bytes.load(Ordering::Relaxed),
            bins: self.bins.load(Ordering::Relaxed),
            bins_bytes: self.bins_bytes.load(Ordering::Relaxed),
            without_base: self.without_base.load(Ordering::Relaxed),
            declined: self.declined.load(Ordering::Relaxed),
        }
    }

    /// What edges from a version start at; `None` if it is nowhere.
    fn base(&self, role: &str, version: Version) -> Result<Option<Signed<()>>, Error> {
        let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let stands_for = spent.get(&(role.to_owned(), version)).cloned();
        drop(spent);
        let file = match stands_for {
            Some(file) => Some(file),
            None => self.bases.start(role, version)?,
        };
        // What an interrupted publish left of a file is no base; no reader has it either.
        Ok(file.and_then(|file| Signed::take_apart(file).ok()))
    }

    fn edge(
        &self,
        name: &DeltaName,
        base: Option<&Signed<()>>,
        new: &Signed<()>,
        keyids: &[KeyId],
    ) -> Result<Names, Error> {
        self.create(name, &self.object(name, base, new, keyids)?)
    }

    /// The bytes of an edge.
    fn object(
        &self,
        name: &DeltaName,
        base: Option<&Signed<()>>,
        new: &Signed<()>,
        keyids: &[KeyId],
    ) -> Result<Vec<u8>, Error> {
        let mut object = Vec::new();
        if name.has_signatures() {
            Envelope::new(new.signatures().to_vec())
                .ok_or_else(|| Error::damaged(name.role(), "is signed twice by one key"))?
                .write(keyids, &mut object);
        } else {
            Envelope::write_none(&mut object);
        }
        let (base, new) = (base.map(Signed::canonical), new.canonical());
        object.extend_from_slice(&match name {
            DeltaName::Snapshot { .. } => snapshot_delta(None, base, new, false)?,
            _ => delta(None, Prediction::Old, base, new, false)?,
        });
        Ok(object)
    }

    /// What a bundle starts from; `None` if it is nowhere.
    fn old_snapshot(&self, version: Version) -> Result<Option<OldSnapshot>, Error> {
        let Some(file) = self.base("snapshot", version)? else {
            self.without_base.fetch_add(1, Ordering::Relaxed);
            return Ok(None);
        };
        let versions = listed_versions(file.canonical()).ok_or_else(|| {
            Error::damaged(&versioned_file_name("snapshot", version), "is no snapshot")
        })?;
        Ok(Some(OldSnapshot { version, file, versions }))
    }

    /// Whether the bins became others since: every target moves, and what was left behind is needed, too.
    fn has_other_bins(&self, old: &OldSnapshot) -> bool {
        let mut roles = old.versions.iter();
        self.first_version > Version::FIRST
            && roles.all(|(role, version)| role == "targets" || *version < self.first_version)
    }

    /// Whether every file is somewhere that an old snapshot lists.
    fn is_whole(&self, old: &OldSnapshot) -> Result<bool, Error> {
        for (role, version) in &old.versions {
            if !self.bases.has(role, *version)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The bundle from one snapshot to a new one; `None` if it has to be left out.
    fn bundle(&self, old: &OldSnapshot, new: &NewSnapshot<'_>) -> Result<Option<Vec<u8>>, Error> {
        let most_bytes = if self.has_other_bins(old) { self.most_side_bytes } else { u64::MAX };
        let side =
            |snapshot, versions| Side::new(&self.bases, &new.steps, snapshot, versions, most_bytes);
        let (held, published) = (side(&old.file, &old.versions), side(new.file, &new.versions));
        let step = Step::published(
            old.file.canonical(),
            new.file.canonical(),
            &|role: &str| held.file(role),
            &|role: &str| published.file(role),
            &new.steps,
        );
        match held.gap().or(published.gap()) {
            Some(Gap::Failed(error)) => return Err(error),
            Some(Gap::Missing) => {
                self.without_base.fetch_add(1, Ordering::Relaxed);
                return Ok(None);
            }
            Some(Gap::TooLarge) => {
                self.declined.fetch_add(1, Ordering::Relaxed);
                return Ok(None);
            }
            None => {}
        }
        let Ok(step) = step else {
            // Of a snapshot that an interrupted publish left some files are cut off, and others nowhere. Else it is a document that
            // does not come back byte for byte, as one of another publisher may be.
            let counter = if self.is_whole(old)? { &self.declined } else { &self.without_base };
            counter.fetch_add(1, Ordering::Relaxed);
            return Ok(None);
        };
        let bytes = step.encode(None, false)?;
        self.mirror_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if old.version.next() == new.version {
            self.mirror_step_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        Ok(Some(bytes))
    }

    fn create(&self, name: &DeltaName, bytes: &[u8]) -> Result<Names, Error> {
        let created = self.store.create(&name.path(), bytes)?;
        let length = bytes.len() as u64;
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(length, Ordering::Relaxed);
        if name.from().is_some_and(|from| from.next() == name.to()) {
            self.step_bytes.fetch_add(length, Ordering::Relaxed);
        }
        Ok(if created == Created::Differs { Names::Taken } else { Names::Ours })
    }
}

/// Where the files are that a publish wrote.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WrittenFiles {
    /// In the repository.
    Stored,
    /// Nowhere, for it is a rehearsal: what is needed later has to be kept.
    Gone,
}

/// Whose the names of deltas are.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Names {
    /// Under each of them is what was to be written.
    Ours,
    /// Under one of them is what an interrupted publish left. If that publish also left the document that it leads to, it
    /// does no harm; but a document that is new has another one in its place then, which some reader would rebuild.
    Taken,
}

/// A targets role that was written, with its version, and what it replaced, if that is at hand.
pub(crate) struct RoleStep {
    pub(crate) role: String,
    pub(crate) replaced: Option<(Version, Signed<()>)>,
    pub(crate) written: (Version, Signed<()>),
    /// Its edges, if they are not written yet.
    pub(crate) later: Option<Later>,
}

/// What it takes to write the edges of a role later, and the role once more if a name of theirs is taken.
pub(crate) struct Later {
    /// The version that it follows.
    pub(crate) published: Option<Version>,
    /// Whether no interrupted publish had left the document.
    pub(crate) is_new: bool,
    pub(crate) keys: RoleKeys,
    pub(crate) expires: Time,
}

impl RoleStep {
    /// What its files take.
    pub(crate) fn held_bytes(&self) -> u64 {
        let replaced = self.replaced.as_ref().map_or(0, |(_, file)| file.bytes().len());
        (replaced + self.written.1.bytes().len()) as u64
    }

    /// The file of this version, if it is at hand.
    pub(crate) fn file(&self, version: Version) -> Option<&Signed<()>> {
        let files = self.replaced.iter().chain([&self.written]);
        files.into_iter().find(|(of, _)| *of == version).map(|(_, file)| file)
    }
}

/// A snapshot that a bundle starts from.
struct OldSnapshot {
    version: Version,
    file: Signed<()>,
    versions: Versions,
}

/// The snapshot that bundles lead to, with the roles that were written with it.
struct NewSnapshot<'n> {
    version: Version,
    file: &'n Signed<()>,
    versions: Versions,
    steps: HashMap<&'n str, &'n RoleStep>,
}

/// The changes of the bins that readers can still be behind.
pub(crate) struct BinChanges {
    /// What the bins of today started at.
    first: Version,
    /// The newest version of a delegated role.
    newest: Version,
    /// What the bins started at that came by a change within reach.
    kept: Vec<Version>,
}

impl BinChanges {
    /// A change stays in reach as long as the role that changes most is within the ladder's horizon of it, and as long as
    /// readers are told of it.
    pub(crate) fn of(state: &State, first: Version, ladder: Option<Ladder>) -> Self {
        let listed = state.snapshot.meta.iter().filter(|(name, _)| *name != "targets.json");
        let newest = listed.map(|(_, file)| file.version).max().unwrap_or(Version::FIRST);
        let horizon = ladder.map_or(0, Ladder::horizon);
        let history = state.bin_history();
        let changes = history.all().iter().skip(1).map(|bins| bins.first);
        let kept = changes.filter(|first| newest.get() - first.get().min(newest.get()) < horizon);
        Self { first, newest, kept: kept.collect() }
    }
}

/// The deltas that no reader can use any more. `newest` gives the current version of a role.
pub(crate) fn unused(
    store: &dyn Store,
    ladder: Option<Ladder>,
    changes: &BinChanges,
    newest: impl Fn(&str) -> Option<Version>,
) -> Result<Vec<tufold_store::Entry>, Error> {
    let mut entries = store.list(DELTAS_FOLDER)?;
    entries.retain(|entry| {
        let Some(name) = DeltaName::parse_path(&entry.name) else { return false };
        if let DeltaName::Bins { first, .. } = name {
            // One that is newer is left of a change that was interrupted, and tells the next that its version is spent.
            return first <= changes.newest && !changes.kept.contains(&first);
        }
        let leads_to_a_change = matches!(&name, DeltaName::Role { role, to, .. }
            if role != "targets" && changes.kept.iter().any(|first| to < first));
        let Some(newest) = newest(name.role()) else {
            // Of a role that a rotation let go.
            return !leads_to_a_change && name.to() < changes.first;
        };
        let used = |ladder: Ladder| match name.from() {
            // From nothing: to the newest, and to the one before it that a cache may still show.
            None => name.to().next() >= newest,
            Some(from) => {
                ladder.keeps(Edge { from: from.get(), to: name.to().get() }, newest.get())
            }
        };
        name.to() <= newest && !leads_to_a_change && !ladder.is_some_and(used)
    });
    Ok(entries)
}

/// The name of a metadata file in the public store.
pub(crate) fn metadata_name(role: &str, version: Version) -> String {
    format!("{METADATA_FOLDER}{}", versioned_file_name(role, version))
}

/// The longest base.
pub(crate) const MAX_BASE_LEN_BYTES: u64 = MAX_DOCUMENT_LEN_BYTES;
