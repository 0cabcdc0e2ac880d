//! Writing a plan: immutable files under their final names, one sync, then timestamp.json.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use serde::Serialize;
use tufold_delta::Ladder;
use tufold_meta::cjson::Object;
use tufold_meta::names::{Advertised, METADATA_FOLDER, file_name, meta_name, versioned_file_name};
use tufold_meta::{
    Digest, Hashes, MetaFile, Renewal, Role, RoleKeys, Root, SPEC_VERSION, Signature, Signed,
    Snapshot, Timestamp, Version,
};
use tufold_store::{Created, Store};

use crate::deltas::{DeltaCost, DeltaWriter, Later, Names, RoleStep};
use crate::digests::Noted;
use crate::early_sync::EarlySync;
use crate::error::Error;
use crate::keyring::Keyring;
use crate::layout::{BINS, Delegation, SnapshotForm};
use crate::memory::Memory;
use crate::plan::{Listing, Plan, RolePlan, Summary};
use crate::progress::{Event, Progress, Stage};
use crate::publish::{apply, edit};
use crate::repository::{MAX_DOCUMENT_LEN_BYTES, State};
use crate::settings::RoleKind;

/// What a publish wrote.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Published {
    /// The plan in figures, with the versions that were written in the end.
    #[serde(flatten)]
    pub summary: Summary,
    /// How many metadata files were written, the timestamp included; 0 if nothing was to be done.
    pub files: u64,
    /// The bytes of targets roles.
    pub targets_bytes: u64,
    /// Those of them that are not of bins or projects, but of roles that delegate to these.
    #[serde(skip)]
    pub(crate) delegating_bytes: u64,
    /// How many targets went to other bins.
    #[serde(skip)]
    pub(crate) regrouped_targets: u64,
    /// The bytes of the snapshot.
    pub snapshot_bytes: u64,
    /// The bytes of the timestamp.
    pub timestamp_bytes: u64,
    /// What the deltas cost, if there are any.
    pub deltas: Option<DeltaCost>,
}

impl Published {
    /// The version of the snapshot that was written.
    pub(crate) fn snapshot(&self) -> Result<Version, Error> {
        self.summary
            .snapshot_version
            .and_then(Version::new)
            .ok_or_else(|| Error::damaged("timestamp.json", "has nothing to list"))
    }
}

/// What a commit needs besides the plan.
pub(crate) struct Committer<'c> {
    pub(crate) store: &'c dyn Store,
    pub(crate) keyring: &'c Keyring,
    pub(crate) root: &'c Root,
    /// The root that a rotation publishes next: its keys sign snapshot and timestamp as well.
    pub(crate) next_root: Option<&'c Root>,
    pub(crate) form: SnapshotForm,
    /// Which deltas are advertised.
    pub(crate) ladder: Option<Ladder>,
    /// Writes them; a rehearsal does not.
    pub(crate) deltas: Option<DeltaWriter<'c>>,
    /// What is published, for roles that are read when they are written again.
    pub(crate) published: Option<&'c State>,
    /// The digests of the bins that were written, if they are to be noted.
    pub(crate) noted: Option<Mutex<Noted>>,
    /// How much the documents may take that are kept for bundles.
    pub(crate) memory: Memory,
    pub(crate) progress: Progress<'c>,
}

/// What was written of a role: its entry in the snapshot, and what bundles are made of.
pub(crate) type Written = ((String, MetaFile), Option<RoleStep>);

/// Where the signatures of a document come from.
pub(crate) enum Signing<'s> {
    /// These keys, and those of the next root.
    By(&'s RoleKeys, Option<&'s RoleKeys>),
    /// They are made already, for one version only.
    Done(Vec<Signature>),
}

impl Committer<'_> {
    /// Whether digests are noted: a project is small, and there are many.
    pub(crate) fn notes(delegation: Delegation) -> Option<Mutex<Noted>> {
        delegation.bit_length().map(|_| Mutex::default())
    }

    /// The digests of the bins that were written.
    pub(crate) fn into_noted(self) -> Option<Noted> {
        self.noted.map(|noted| noted.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Signs and writes everything. Until the last step, which replaces timestamp.json, clients
    /// see the old repository whole.
    ///
    /// A file that an interrupted publish left under a name that is needed now keeps its bytes,
    /// for a cache may hold them for ever: equal bytes are taken as written, and else the document
    /// takes the next version.
    pub(crate) fn commit(&self, plan: Plan) -> Result<Published, Error> {
        self.commit_beside(plan, || Ok(()))
    }

    /// As [`Committer::commit`], and does `work` meanwhile, which is done before the last step.
    pub(crate) fn commit_beside(
        &self,
        plan: Plan,
        work: impl FnOnce() -> Result<(), Error> + Send,
    ) -> Result<Published, Error> {
        std::thread::scope(|scope| self.write(plan, EarlySync::start(scope, self.store, work)))
    }

    fn write(&self, plan: Plan, early: EarlySync<'_>) -> Result<Published, Error> {
        let mut summary = plan.summary();
        if plan.is_empty() {
            early.finish()?;
            return Ok(Published { summary, ..Published::default() });
        }
        self.has_signers(&plan)?;
        if let Some(root) = &plan.root {
            let name = format!("{METADATA_FOLDER}{}", versioned_file_name("root", Version::FIRST));
            match self.store.get(&name, MAX_DOCUMENT_LEN_BYTES)? {
                // There is no second version to turn to, so it must not stand there half-written.
                None => self.store.replace(&name, root)?,
                Some(held) if held == *root => {}
                Some(_) => {
                    return Err(Error::damaged(&name, "is there already, with other bytes"));
                }
            }
        }
        (self.progress)(Event::Start(Stage::Roles, plan.roles.len() as u64));
        let kept = Kept::new(self, plan.snapshot.as_ref().map(|snapshot| snapshot.version), early);
        let mut written = plan
            .roles
            .into_par_iter()
            .map(|role| {
                let written = self.role(role, &kept)?;
                (self.progress)(Event::Advance(1));
                Ok(written)
            })
            .collect::<Result<Vec<_>, Error>>()?;
        if let Some(bins) = &plan.regrouping {
            (self.progress)(Event::Start(Stage::Roles, bins.change.to.bin_count()));
            written.extend(self.regroup(bins, &kept)?);
        }
        let targets_bytes = kept.early.written_bytes();
        let delegating_bytes = kept.delegating_bytes.load(Ordering::Relaxed);
        let (written, steps): (Vec<_>, Vec<_>) = written.into_iter().unzip();
        let files = written.len() as u64 + u64::from(plan.root.is_some()) + 1;

        let mut snapshot_bytes = 0;
        let snapshot = match (plan.snapshot, plan.timestamp.snapshot) {
            (Some(mut snapshot), _) => {
                let listed = written.into_iter().map(|(name, file)| (name, self.entry(file)));
                snapshot.meta.extend(listed);
                let steps = steps.into_iter().flatten().collect();
                let listed = self.snapshot(&mut snapshot, steps, &kept)?;
                summary.snapshot_version = Some(listed.version.get());
                snapshot_bytes = listed.length.unwrap_or(0);
                listed
            }
            (None, Some(same)) => same,
            (None, None) => return Err(Error::damaged("timestamp.json", "has nothing to list")),
        };

        let timestamp = Timestamp {
            spec_version: SPEC_VERSION.to_owned(),
            version: plan.timestamp.version,
            expires: plan.lifetimes.expiry(RoleKind::Timestamp, plan.now),
            snapshot,
            other_meta: plan.timestamp.other_meta,
            extra: advertise(self.ladder, plan.timestamp.unknown)?,
        };
        let (keys, next) = self.top_keys("timestamp");
        let bytes = self.keyring.sign("timestamp", keys, next, &timestamp.to_canonical())?;
        let regrouped_targets = kept.regrouped_targets.load(Ordering::Relaxed);
        (self.progress)(Event::Start(Stage::Sync, 1));
        kept.early.finish()?;
        self.store
            .sync_and_replace(&format!("{METADATA_FOLDER}{}", file_name("timestamp")), &bytes)?;
        self.deltas.as_ref().map_or(Ok(()), DeltaWriter::keep_spent)?;
        (self.progress)(Event::Finish);
        Ok(Published {
            summary,
            files: files + u64::from(snapshot_bytes > 0),
            targets_bytes,
            delegating_bytes,
            regrouped_targets,
            snapshot_bytes,
            timestamp_bytes: bytes.len() as u64,
            deltas: self.deltas.as_ref().map(DeltaWriter::cost),
        })
    }

    /// What the snapshot says of a file.
    fn entry(&self, file: MetaFile) -> MetaFile {
        match self.form {
            SnapshotForm::Hashes => file,
            SnapshotForm::Versions => MetaFile::version_only(file.version),
        }
    }

    /// Writes one targets role, and the deltas that lead to it unless these can wait until the snapshot is written.
    fn role(&self, mut role: RolePlan, kept: &Kept<'_>) -> Result<Written, Error> {
        // The plan has the version that follows it.
        let before = Version::new(role.document.version.get() - 1);
        let renewed = self.read_published(&mut role)?;
        let (name, keys) = (role.role.clone(), role.keys.clone());
        let signing = match &role.signatures {
            Some(signatures) => Signing::Done(signatures.clone()),
            None => Signing::By(&keys, None),
        };
        let keyids: &[_] = if role.signatures.is_some() { &[] } else { &keys.keyids };
        let mut replaced = before.zip(role.replaced.take());
        let mut first = role.document.version;
        loop {
            let (created, listed, file) = self.create(&name, &signing, first, |version| {
                if let (Some(renewed), Some((_, file))) = (&renewed, &replaced) {
                    return Ok(renewed.at(file.canonical(), version));
                }
                role.document.version = version;
                role.canonical().map_err(|source| Error::Io {
                    action: "read the sorted targets of",
                    path: name.clone(),
                    source,
                })
            })?;
            kept.created(created);
            let (version, written_bytes) = (listed.version, file.bytes().len() as u64);
            if role.document.delegations.is_some() {
                kept.delegating_bytes.fetch_add(written_bytes, Ordering::Relaxed);
            }
            let listed = (meta_name(&name), listed);
            let Some(deltas) = &self.deltas else {
                kept.add(written_bytes, 0);
                return Ok((listed, None));
            };
            let mut step =
                RoleStep { role: name.clone(), replaced, written: (version, file), later: None };
            let keep = kept.holds(step.held_bytes());
            if keep && matches!(signing, Signing::By(..)) {
                let is_new = created == Created::New;
                let (keys, expires) = (keys.clone(), role.document.expires);
                step.later = Some(Later { published: before, is_new, keys, expires });
                kept.early.add(written_bytes);
                return Ok((listed, Some(step)));
            }
            let names = deltas.role(&step, before, keyids)?;
            // Signatures that were gathered are of one version, which has one content.
            let stale = names == Names::Taken && created == Created::New;
            if stale && matches!(signing, Signing::By(..)) {
                first = version.next();
                replaced = step.replaced;
                continue;
            }
            kept.early.add(written_bytes);
            return Ok((listed, keep.then_some(step)));
        }
    }

    /// Writes the snapshot and the deltas that lead to it, and beside its bundles, of which each keeps one core busy, those
    /// of the roles that wait.
    fn snapshot(
        &self,
        snapshot: &mut Snapshot,
        mut steps: Vec<RoleStep>,
        kept: &Kept<'_>,
    ) -> Result<MetaFile, Error> {
        let (keys, next) = self.top_keys("snapshot");
        // Readers have the one root or the other, so no place in a list names a key.
        let keyids: &[_] = if next.is_some() { &[] } else { &keys.keyids };
        let mut first = snapshot.version;
        // The plan has the version that follows it.
        let before = Version::new(first.get() - 1);
        let mut waiting: Vec<usize> =
            (0..steps.len()).filter(|nth| steps[*nth].later.is_some()).collect();
        loop {
            let (created, listed, file) =
                self.create("snapshot", &Signing::By(keys, next), first, |version| {
                    snapshot.version = version;
                    Ok(snapshot.to_canonical())
                })?;
            kept.created(created);
            let Some(deltas) = &self.deltas else { return Ok(listed) };
            (self.progress)(Event::Start(Stage::Deltas, waiting.len() as u64 + 1));
            let (names, taken) = rayon::join(
                || {
                    let steps = kept.fits().then_some(&steps[..]);
                    deltas.snapshot((snapshot, before), &file, keyids, steps)
                },
                || self.edges(deltas, &steps, &waiting),
            );
            waiting = taken?;
            let is_ours = names? == Names::Ours || !kept.has_new.load(Ordering::Relaxed);
            if is_ours && waiting.is_empty() {
                return Ok(listed);
            }
            for nth in &waiting {
                let file = self.step_on(&mut steps[*nth], kept)?;
                snapshot.meta.insert(meta_name(&steps[*nth].role), self.entry(file));
            }
            first = listed.version.next();
        }
    }

    /// Writes the edges that lead to these roles. Returns which of them have to take the next version.
    fn edges(
        &self,
        deltas: &DeltaWriter<'_>,
        steps: &[RoleStep],
        waiting: &[usize],
    ) -> Result<Vec<usize>, Error> {
        let taken = waiting.par_iter().map(|nth| {
            let step = &steps[*nth];
            let Some(later) = &step.later else { return Ok(None) };
            let names = deltas.role(step, later.published, &later.keys.keyids)?;
            (self.progress)(Event::Advance(1));
            Ok((names == Names::Taken && later.is_new).then_some(*nth))
        });
        Ok(taken.collect::<Result<Vec<_>, Error>>()?.into_iter().flatten().collect())
    }

    /// Writes a role once more, at the next version.
    fn step_on(&self, step: &mut RoleStep, kept: &Kept<'_>) -> Result<MetaFile, Error> {
        let damaged = || Error::damaged(&step.role, "is not as it was written");
        let later = step.later.as_mut().ok_or_else(damaged)?;
        let (version, file) = &step.written;
        let renewal = Renewal::of_targets(file.canonical(), *version, later.expires);
        let renewal = renewal.ok_or_else(damaged)?;
        let signing = Signing::By(&later.keys, None);
        let (created, listed, file) =
            self.create(&step.role, &signing, version.next(), |version| {
                Ok(renewal.at(file.canonical(), version))
            })?;
        kept.created(created);
        later.is_new = created == Created::New;
        step.written = (listed.version, file);
        Ok(listed)
    }

    /// Reads what is published of a role whose plan says no more than what changes. A document that only gets another
    /// version and expiry is not parsed.
    fn read_published(&self, role: &mut RolePlan) -> Result<Option<Renewal>, Error> {
        let Listing::Published(changes) = &mut role.listing else { return Ok(None) };
        let changes = std::mem::take(changes);
        let state =
            self.published.ok_or_else(|| Error::damaged(&role.role, "is not published yet"))?;
        if changes.is_empty()
            && let Some((file, renewal)) =
                state.renewable(self.store, &role.role, role.document.expires)?
        {
            role.replaced = Some(file);
            return Ok(Some(renewal));
        }
        if !changes.is_empty() {
            let file = state.signed_role(self.store, &role.role)?;
            let listed = Version::new(role.document.version.get() - 1);
            if let Some((edit, listed)) = edit(&file, &changes).zip(listed)
                && let Some(renewal) =
                    Renewal::of_targets(&edit.canonical, listed, role.document.expires)
            {
                role.listing = Listing::Edited(edit.canonical, renewal);
                role.replaced = Some(file);
                return Ok(None);
            }
        }
        let (mut document, file) = state.targets_role(self.store, &role.role)?.into_parts();
        apply(&role.role, &mut document, changes)?;
        document.version = role.document.version;
        document.expires = role.document.expires;
        role.document = document;
        role.replaced = Some(file);
        role.listing = Listing::Document;
        Ok(None)
    }

    /// Whether every signature can be made, before the first file is written.
    fn has_signers(&self, plan: &Plan) -> Result<(), Error> {
        for role in plan.roles.iter().filter(|role| role.signatures.is_none()) {
            self.keyring.require(&role.role, &role.keys)?;
        }
        for role in ["snapshot", "timestamp"] {
            let (keys, next) = self.top_keys(role);
            self.keyring.require(role, keys)?;
            next.map_or(Ok(()), |next| self.keyring.require(role, next))?;
        }
        Ok(())
    }

    /// The keys of a top-level role, and those that it gets.
    fn top_keys(&self, role: &str) -> (&RoleKeys, Option<&RoleKeys>) {
        (&self.root.roles[role], self.next_root.map(|root| &root.roles[role]))
    }

    /// Creates one document at version `first`, or at the next one as long as other bytes hold its name. `render` gives the
    /// canonical bytes at a version.
    pub(crate) fn create(
        &self,
        role: &str,
        signing: &Signing<'_>,
        first: Version,
        mut render: impl FnMut(Version) -> Result<Vec<u8>, Error>,
    ) -> Result<(Created, MetaFile, Signed<()>), Error> {
        let mut version = first;
        loop {
            let canonical = render(version)?;
            let signatures = match signing {
                Signing::By(keys, next) => {
                    self.keyring.sign_with_all(role, keys, *next, &canonical)?
                }
                Signing::Done(signatures) => signatures.clone(),
            };
            let signed = Signed::assemble(&canonical, signatures);
            let bytes = signed.bytes();
            let name = format!("{METADATA_FOLDER}{}", versioned_file_name(role, version));
            let created = self.store.create(&name, bytes)?;
            if created != Created::Differs {
                self.note(role, version, &signed);
                // The timestamp states length and hash of the snapshot in either form.
                let hashed = self.form == SnapshotForm::Hashes || role == "snapshot";
                let file = MetaFile {
                    version,
                    length: Some(bytes.len() as u64),
                    hashes: hashed.then(|| Hashes::sha256_only(Digest::of(bytes))),
                    extra: Default::default(),
                };
                return Ok((created, file, signed));
            }
            if matches!(signing, Signing::Done(_)) {
                return Err(Error::damaged(&name, "is there already, with other bytes"));
            }
            version = version.next();
        }
    }
}

impl Committer<'_> {
    /// Notes the digest of a file that was written.
    fn note(&self, role: &str, version: Version, signed: &Signed<()>) {
        // What does not name a bin is verified whenever it is read.
        let Some(noted) = self.noted.as_ref().filter(|_| role.starts_with(BINS) && role != BINS)
        else {
            return;
        };
        if signed.is_as_signed() {
            let digest = blake3::hash(signed.bytes());
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.insert(role.to_owned(), (version, digest));
        }
    }
}

/// The documents that are kept for bundles while the roles are written.
pub(crate) struct Kept<'k> {
    /// How much they may take; 0 where no bundle is written.
    most_bytes: u64,
    held_bytes: AtomicU64,
    early: EarlySync<'k>,
    delegating_bytes: AtomicU64,
    pub(crate) regrouped_targets: AtomicU64,
    /// Whether a document was written that no interrupted publish had left.
    has_new: AtomicBool,
}

impl<'k> Kept<'k> {
    fn new(committer: &Committer<'_>, snapshot: Option<Version>, early: EarlySync<'k>) -> Self {
        let ladder = committer.deltas.as_ref().and(committer.ladder);
        // The first publish has nothing that a bundle could start from.
        let bundles = ladder.zip(snapshot).is_some_and(|(ladder, snapshot)| {
            ladder.writes(snapshot.get()).iter().any(|edge| edge.from > 0)
        });
        Self {
            most_bytes: if bundles { committer.memory.for_documents() } else { 0 },
            held_bytes: AtomicU64::new(0),
            early,
            delegating_bytes: AtomicU64::new(0),
            regrouped_targets: AtomicU64::new(0),
            has_new: AtomicBool::new(false),
        }
    }

    pub(crate) fn created(&self, created: Created) {
        if created == Created::New {
            self.has_new.store(true, Ordering::Relaxed);
        }
    }

    /// Counts one role; whether its files are to be kept.
    pub(crate) fn add(&self, written_bytes: u64, held_bytes: u64) -> bool {
        self.early.add(written_bytes);
        self.holds(held_bytes)
    }

    /// Whether so much more may be kept.
    fn holds(&self, held_bytes: u64) -> bool {
        let before = self.held_bytes.fetch_add(held_bytes, Ordering::Relaxed);
        before + held_bytes <= self.most_bytes
    }

    /// Whether the files of all roles were kept.
    fn fits(&self) -> bool {
        self.most_bytes == 0 || self.held_bytes.load(Ordering::Relaxed) <= self.most_bytes
    }
}

/// The timestamp's unknown fields with the advertisement of this ladder, or without one.
fn advertise(ladder: Option<Ladder>, mut unknown: Object) -> Result<Object, Error> {
    let advertised = ladder.map(advertisement).transpose()?;
    Advertised::set(advertised.as_ref(), &mut unknown);
    Ok(unknown)
}

/// The ladder as the timestamp has it.
pub(crate) fn advertisement(ladder: Ladder) -> Result<Advertised, Error> {
    Advertised::new(&ladder.to_string()).ok_or_else(|| Error::Settings {
        path: "private/settings.toml".to_owned(),
        problem: format!("the ladder {ladder} is too long for the timestamp"),
    })
}
