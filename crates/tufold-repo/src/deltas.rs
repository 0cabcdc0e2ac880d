//! The deltas of a publish: from which old versions, and written where.
//!
//! An edge of a document holds its signatures, unless they are in a shorter one, and the delta of its canonical `signed` part. What an edge starts from is read
//! from `public/` or, once that was pruned, from `private/bases/`. An old version that is nowhere costs the edge and no
//! more: a client then fetches the full file.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use serde::Serialize;
use tufold_delta::{Codec, Edge, EncodeOptions, Ladder, encode};
use tufold_meta::names::{DELTAS_FOLDER, DeltaName, METADATA_FOLDER, versioned_file_name};
use tufold_meta::{
    BinsDelta, Bundle, BundleError, Envelope, Files, KeyId, Prediction, RoleChanges, RoleKeys,
    Signed, Snapshot, Time, Version, listed_versions, outline,
};
use tufold_store::{Created, Store};

use crate::bases::Bases;
use crate::bundle_side::{Gap, Side, Versions, versions_of};
use crate::error::Error;
use crate::memory::Memory;
use crate::repository::{MAX_DOCUMENT_LEN_BYTES, State};

/// zstd's level where the columnar codec declines: what a publish can afford for every bin.
const ZSTD_LEVEL: i32 = 9;

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

    /// Writes the edges that end at the new version of a targets role.
    pub(crate) fn role(&self, step: &RoleStep, keyids: &[KeyId]) -> Result<Names, Error> {
        let (to, file) = &step.written;
        self.ladder.writes(to.get()).into_iter().try_fold(Names::Ours, |names, edge| {
            let Some(from) = Version::new(edge.from) else { return Ok(names) };
            let delegates = step.role == "targets" || step.role == crate::layout::BINS;
            if from < self.first_version && !delegates {
                return Ok(names);
            }
            let name = DeltaName::Role { role: step.role.clone(), from, to: *to };
            let written = match step.file(from) {
                Some(base) => self.edge(&name, Some(base), file, keyids),
                // It delegates for the first time, or for the first time again.
                None if from < self.first_version && !self.bases.has(&step.role, from)? => {
                    Ok(Names::Ours)
                }
                None => self.edge_from(&name, from, file, keyids),
            };
            Ok(names.max(written?))
        })
    }

    /// Writes the edges that end at this snapshot, the one from nothing included, and the bundles for
    /// mirrors. `steps` are the roles that were written with it, as far as they were kept; without them the bundles are left
    /// out, for they would take too much memory.
    pub(crate) fn snapshot(
        &self,
        snapshot: &Snapshot,
        file: &Signed<()>,
        keyids: &[KeyId],
        steps: Option<&[RoleStep]>,
    ) -> Result<Names, Error> {
        let to = snapshot.version;
        let from: Vec<Version> = self
            .ladder
            .writes(to.get())
            .into_iter()
            .filter_map(|edge| Version::new(edge.from))
            .collect();
        let edges = || {
            let all = from.par_iter().map(|&from| Some(from)).chain([None]).map(|from| {
                let name = DeltaName::Snapshot { from, to };
                match from {
                    Some(from) => self.edge_from(&name, from, file, keyids),
                    None => self.edge(&name, None, file, keyids),
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
            let all = old.par_iter().map(|old| self.mirror(old, &new));
            let names = all.try_reduce(|| Names::Ours, |a, b| Ok(a.max(b)))?;
            // Each of these has the whole repository in memory.
            whole.iter().try_fold(names, |names, old| Ok(names.max(self.mirror(old, &new)?)))
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

    /// Writes an edge whose base is read.
    fn edge_from(
        &self,
        name: &DeltaName,
        from: Version,
        new: &Signed<()>,
        keyids: &[KeyId],
    ) -> Result<Names, Error> {
        let role = name.role();
        let Some(base) = self.bases.file(role, from)? else {
            self.without_base.fetch_add(1, Ordering::Relaxed);
            return Ok(Names::Ours);
        };
        let Ok(base) = Signed::take_apart(base) else {
            // What an interrupted publish left of a file is no base; no reader has it either.
            self.without_base.fetch_add(1, Ordering::Relaxed);
            return Ok(Names::Ours);
        };
        self.edge(name, Some(&base), new, keyids)
    }

    fn edge(
        &self,
        name: &DeltaName,
        base: Option<&Signed<()>>,
        new: &Signed<()>,
        keyids: &[KeyId],
    ) -> Result<Names, Error> {
        let mut object = Vec::new();
        if name.has_signatures() {
            Envelope::new(new.signatures().to_vec())
                .ok_or_else(|| Error::damaged(name.role(), "is signed twice by one key"))?
                .write(keyids, &mut object);
        } else {
            Envelope::write_none(&mut object);
        }
        let base = base.map(Signed::canonical);
        object.extend_from_slice(&delta(None, Prediction::Old, base, new.canonical(), false)?);
        self.create(name, &object)
    }

    /// What a bundle starts from; `None` if it is nowhere.
    fn old_snapshot(&self, version: Version) -> Result<Option<OldSnapshot>, Error> {
        let file = self.bases.file("snapshot", version)?;
        // What an interrupted publish left of a file is no base; no reader has it either.
        let Some(file) = file.and_then(|file| Signed::take_apart(file).ok()) else {
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

    /// Writes the bundle from one snapshot to the new one.
    fn mirror(&self, old: &OldSnapshot, new: &NewSnapshot<'_>) -> Result<Names, Error> {
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
                return Ok(Names::Ours);
            }
            Some(Gap::TooLarge) => {
                self.declined.fetch_add(1, Ordering::Relaxed);
                return Ok(Names::Ours);
            }
            None => {}
        }
        let Ok(step) = step else {
            // Of a snapshot that an interrupted publish left some files are cut off, and others nowhere. Else it is a document that
            // does not come back byte for byte, as one of another publisher may be.
            let counter = if self.is_whole(old)? { &self.declined } else { &self.without_base };
            counter.fetch_add(1, Ordering::Relaxed);
            return Ok(Names::Ours);
        };
        let bytes = step.encode(None, false)?;
        self.mirror_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if old.version.next() == new.version {
            self.mirror_step_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        self.create(&DeltaName::Mirror { from: old.version, to: new.version }, &bytes)
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
        let outline = outline(old, new)?;
        let changes = RoleChanges::between(old, outline.clone())?;
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
        Ok(Self { old: old.to_vec(), prediction, before: before?, after: after?, outline })
    }

    /// As [`Step::between`] for files that keep the rules of a publisher. What a mirror will rebuild is not made, but follows: see
    /// [`RoleChanges::flatten_both`].
    fn published(
        old: &[u8],
        new: &[u8],
        held: &Files<'_, '_>,
        published: &Files<'_, '_>,
        steps: &HashMap<&str, &RoleStep>,
    ) -> Result<Self, BundleError> {
        let outline = outline(old, new)?;
        let changes = RoleChanges::between(old, outline.clone())?;
        let is_checked = |role: &str, version| {
            let file = steps.get(role).zip(Version::new(version));
            let file = file.and_then(|(step, version)| step.file(version));
            file.is_some_and(Signed::is_canonical)
        };
        let (prediction, before, after) = changes.flatten_both(held, published, &is_checked)?;
        Ok(Self { old: old.to_vec(), prediction, before, after, outline })
    }

    /// The bundle, by one codec or by those that a publish uses; both its deltas have been applied once.
    pub fn bundle(&self, codec: Option<Codec>) -> Result<Vec<u8>, Error> {
        self.encode(codec, true)
    }

    fn encode(&self, codec: Option<Codec>, verify: bool) -> Result<Vec<u8>, Error> {
        let first = delta(codec, Prediction::Old, Some(&self.old), &self.outline, verify)?;
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
fn delta(
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
