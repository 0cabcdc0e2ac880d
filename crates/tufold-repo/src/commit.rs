//! Writing a plan: immutable files under their final names, one sync, then timestamp.json.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use serde::Serialize;
use tufold_delta::Ladder;
use tufold_meta::cjson::Object;
use tufold_meta::names::{Advertised, METADATA_FOLDER, file_name, meta_name, versioned_file_name};
use tufold_meta::{
    Digest, Hashes, MetaFile, Role, RoleKeys, Root, SPEC_VERSION, Signature, Signed, Timestamp,
    Version, assemble,
};
use tufold_store::{Created, Store};

use crate::deltas::{DeltaCost, DeltaWriter, RoleStep};
use crate::error::Error;
use crate::keyring::Keyring;
use crate::layout::SnapshotForm;
use crate::plan::{Plan, Summary};
use crate::progress::{Event, Progress, Stage};
use crate::repository::MAX_DOCUMENT_LEN_BYTES;
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
    pub(crate) progress: Progress<'c>,
}

/// Where the signatures of a document come from.
enum Signing<'s> {
    /// These keys, and those of the next root.
    By(&'s RoleKeys, Option<&'s RoleKeys>),
    /// They are made already, for one version only.
    Done(Vec<Signature>),
}

impl Committer<'_> {
    /// Signs and writes everything. Until the last step, which replaces timestamp.json, clients
    /// see the old repository whole.
    ///
    /// A file that an interrupted publish left under a name that is needed now keeps its bytes,
    /// for a cache may hold them for ever: equal bytes are taken as written, and else the document
    /// takes the next version.
    pub(crate) fn commit(&self, plan: Plan) -> Result<Published, Error> {
        let mut summary = plan.summary();
        if plan.is_empty() {
            return Ok(Published { summary, ..Published::default() });
        }
        self.has_signers(&plan)?;
        let (targets_bytes, delegating_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
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
        let written = plan
            .roles
            .into_par_iter()
            .map(|mut role| {
                let replaced = role.replaced.take();
                // The plan has the version that follows it.
                let before = Version::new(role.document.version.get() - 1);
                let (name, keys) = (role.role.clone(), role.keys.clone());
                let signing = match &role.signatures {
                    Some(signatures) => Signing::Done(signatures.clone()),
                    None => Signing::By(&keys, None),
                };
                let keyids: &[_] = if role.signatures.is_some() { &[] } else { &keys.keyids };
                let (listed, file) = self.create(&name, signing, |version| {
                    role.document.version = version.unwrap_or(role.document.version);
                    (role.document.version, role.canonical())
                })?;
                let delegates = role.document.delegations.is_some();
                // What was written is parsed and listed, and no more memory is needed for it.
                drop(role);
                let length = listed.length.unwrap_or(0);
                targets_bytes.fetch_add(length, Ordering::Relaxed);
                delegating_bytes.fetch_add(if delegates { length } else { 0 }, Ordering::Relaxed);
                let version = listed.version;
                let listed = (meta_name(&name), listed);
                let step = match &self.deltas {
                    Some(deltas) => {
                        let replaced = before.zip(replaced);
                        let step = RoleStep { role: name, replaced, written: (version, file) };
                        deltas.role(&step, keyids)?;
                        Some(step)
                    }
                    None => None,
                };
                (self.progress)(Event::Advance(1));
                Ok((listed, step))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let (written, steps): (Vec<_>, Vec<_>) = written.into_iter().unzip();
        let files = written.len() as u64 + u64::from(plan.root.is_some()) + 1;

        let mut snapshot_bytes = 0;
        let snapshot = match (plan.snapshot, plan.timestamp.snapshot) {
            (Some(mut snapshot), _) => {
                snapshot.meta.extend(written.into_iter().map(|(name, file)| {
                    let listed = match self.form {
                        SnapshotForm::Hashes => file,
                        SnapshotForm::Versions => MetaFile::version_only(file.version),
                    };
                    (name, listed)
                }));
                let (keys, next) = self.top_keys("snapshot");
                let (listed, file) =
                    self.create("snapshot", Signing::By(keys, next), |version| {
                        snapshot.version = version.unwrap_or(snapshot.version);
                        (snapshot.version, snapshot.to_canonical())
                    })?;
                if let Some(deltas) = &self.deltas {
                    (self.progress)(Event::Start(Stage::Deltas, 1));
                    // Readers have the one root or the other, so no place in a list names a key.
                    let keyids: &[_] = if next.is_some() { &[] } else { &keys.keyids };
                    let steps: Vec<_> = steps.into_iter().flatten().collect();
                    deltas.snapshot(&snapshot, &file, keyids, &steps)?;
                }
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
        (self.progress)(Event::Start(Stage::Sync, 1));
        self.store.sync()?;
        self.store.replace(&format!("{METADATA_FOLDER}{}", file_name("timestamp")), &bytes)?;
        (self.progress)(Event::Finish);
        Ok(Published {
            summary,
            files: files + u64::from(snapshot_bytes > 0),
            targets_bytes: targets_bytes.into_inner(),
            delegating_bytes: delegating_bytes.into_inner(),
            snapshot_bytes,
            timestamp_bytes: bytes.len() as u64,
            deltas: self.deltas.as_ref().map(DeltaWriter::cost),
        })
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

    /// Creates one document, with the next version as long as other bytes hold its name. `render`
    /// gives version and canonical bytes, at the version that it is told if it is told one.
    fn create(
        &self,
        role: &str,
        signing: Signing<'_>,
        mut render: impl FnMut(Option<Version>) -> (Version, Vec<u8>),
    ) -> Result<(MetaFile, Signed<()>), Error> {
        let mut asked = None;
        loop {
            let (version, canonical) = render(asked);
            let bytes = match &signing {
                Signing::By(keys, next) => self.keyring.sign(role, keys, *next, &canonical)?,
                Signing::Done(signatures) => assemble(&canonical, signatures),
            };
            let name = format!("{METADATA_FOLDER}{}", versioned_file_name(role, version));
            if self.store.create(&name, &bytes)? != Created::Differs {
                // The timestamp states length and hash of the snapshot in either form.
                let hashed = self.form == SnapshotForm::Hashes || role == "snapshot";
                let file = MetaFile {
                    version,
                    length: Some(bytes.len() as u64),
                    hashes: hashed.then(|| Hashes::sha256_only(Digest::of(&bytes))),
                    extra: Default::default(),
                };
                let signed = Signed::just_signed(bytes, &canonical);
                return Ok((file, signed.map_err(|error| Error::damaged(&name, error))?));
            }
            if matches!(signing, Signing::Done(_)) {
                return Err(Error::damaged(&name, "is there already, with other bytes"));
            }
            asked = Some(version.next());
        }
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
