//! The metadata that a folder holds at one snapshot, and the bundles that lead from one such state to another.
//!
//! As any mirror would: by the public files alone, which nothing here verifies.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::OnceLock;

use rayon::prelude::*;
use tufold_delta::{Fingerprint, Header, Limits, apply};
use tufold_meta::names::{
    METADATA_FOLDER, file_name, parse_versioned_file_name, versioned_file_name,
};
use tufold_meta::{
    Bundle, BundleError, Files, Prediction, Rebuilt, RoleChanges, Signature, Snapshot, Timestamp,
    Version, canonical_parts, without_stale,
};
use tufold_store::{Created, DirectoryStore, Store};

use crate::deltas::{Step, metadata_name};
use crate::error::Error;
use crate::folder::FolderDraft;
use crate::progress::{Event, Progress, Stage};
use crate::repository::MAX_DOCUMENT_LEN_BYTES;

/// A folder with `metadata/`, at one snapshot.
pub struct Mirror {
    store: DirectoryStore,
    snapshot: SnapshotFile,
}

/// A snapshot as a file, its canonical `signed`, and what that says.
struct SnapshotFile {
    file: Vec<u8>,
    signed: Vec<u8>,
    parsed: Snapshot,
}

/// One document that a step changes.
pub struct ChangedDocument {
    /// Its role.
    pub role: String,
    /// The canonical `signed` of its old version; `None` for a new role.
    pub old: Option<Vec<u8>>,
    /// The canonical `signed` of its new version.
    pub new: Vec<u8>,
    /// The signatures of its new version.
    pub signatures: Vec<Signature>,
    /// The file of its new version.
    pub file: Vec<u8>,
}

impl Mirror {
    /// Opens a repository, or a folder with `metadata/`, at the snapshot that its timestamp lists; without a timestamp
    /// at the newest that is there.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let roots = [path.join("public"), path.to_owned()];
        let root = roots.into_iter().find(|root| root.join(METADATA_FOLDER).is_dir());
        let root = root.ok_or_else(|| {
            Error::NotARepository(path.display().to_string(), METADATA_FOLDER.to_owned())
        })?;
        let store = DirectoryStore::open(root)?;
        let timestamp = file_name("timestamp");
        let version = match store.get(&in_metadata(&timestamp), MAX_DOCUMENT_LEN_BYTES)? {
            Some(file) => parse::<Timestamp>(&store, &timestamp, &file)?.1.snapshot.version,
            None => snapshots(&store)?.into_iter().next().ok_or_else(|| {
                Error::damaged(&path_in(&store, &timestamp), "is missing, and so is any snapshot")
            })?,
        };
        let snapshot = SnapshotFile::read(&store, version)?;
        Ok(Self { store, snapshot })
    }

    /// The same folder at the snapshot that a bundle starts from, which need not be the newest.
    pub fn at_start_of(mut self, bundle: &[u8]) -> Result<Self, Error> {
        let outline = Bundle::parse(bundle)?.outline;
        let needed = Header::parse(outline)?.0.prediction;
        let kind = kind_of(outline)?;
        let form = |snapshot: &SnapshotFile| -> Result<_, Error> {
            Ok(Fingerprint::of(Some(&*kind.form_of(&snapshot.signed)?)))
        };
        let found = form(&self.snapshot)?;
        if found == needed {
            return Ok(self);
        }
        for version in snapshots(&self.store)? {
            let snapshot = SnapshotFile::read(&self.store, version)?;
            if form(&snapshot)? == needed {
                self.snapshot = snapshot;
                return Ok(self);
            }
        }
        Err(tufold_delta::Error::WrongBase { needed, found }.into())
    }

    /// The version of the snapshot.
    pub fn version(&self) -> Version {
        self.snapshot.parsed.version
    }

    /// Takes a bundle apart that starts here.
    pub fn open_bundle<'b>(
        &'b self,
        bundle: &'b [u8],
        limits: &Limits,
    ) -> Result<OpenBundle<'b>, Error> {
        let bundle = Bundle::parse(bundle)?;
        let (of_outline, of_roles) = (kind_of(bundle.outline)?, kind_of(bundle.roles)?);
        let form = of_outline.form_of(&self.snapshot.signed)?;
        let outline = of_outline.snapshot_of(apply(Some(&form), bundle.outline, limits)?)?;
        let changes = RoleChanges::between(&self.snapshot.signed, outline)?;
        let before = self.with_files(|held| changes.flatten_old(of_roles, held))?;
        Ok(OpenBundle { mirror: self, bundle, form, changes, before, limits: *limits })
    }

    /// Lets `work` ask for the files of the roles that the snapshot lists, and for its own.
    fn with_files<T>(
        &self,
        work: impl FnOnce(&Files<'_, '_>) -> Result<T, BundleError>,
    ) -> Result<T, Error> {
        let failure = OnceLock::new();
        let result = work(&|role| match self.file(role) {
            Ok(file) => file,
            Err(error) => {
                let _first_counts = failure.set(error);
                None
            }
        });
        match failure.into_inner() {
            Some(error) => Err(error),
            None => Ok(result?),
        }
    }

    /// The file of a role; `None` if the snapshot does not list it.
    fn file(&self, role: &str) -> Result<Option<Cow<'_, [u8]>>, Error> {
        if role == "snapshot" {
            return Ok(Some(Cow::Borrowed(&self.snapshot.file)));
        }
        let Some(version) = self.snapshot.listed(role) else { return Ok(None) };
        read(&self.store, &versioned_file_name(role, version)).map(|file| Some(Cow::Owned(file)))
    }

    /// A role's file, its canonical `signed`, and its signatures.
    #[expect(clippy::type_complexity, reason = "a file and its two parts, taken apart at once")]
    fn parts(&self, role: &str) -> Result<Option<(Vec<u8>, Vec<u8>, Vec<Signature>)>, Error> {
        let Some(file) = self.file(role)? else { return Ok(None) };
        let (signed, signatures) = canonical_parts(&file).map_err(|error| {
            let version = self.snapshot.listed(role).unwrap_or(self.version());
            let path = path_in(&self.store, &versioned_file_name(role, version));
            Error::damaged(&path, format!("is damaged: {error}"))
        })?;
        let signed = signed.into_owned();
        Ok(Some((file.into_owned(), signed, signatures)))
    }

    /// The names of all its roots, of any version.
    fn roots(&self) -> Result<Vec<String>, Error> {
        let entries = self.store.list(METADATA_FOLDER)?.into_iter().map(|entry| entry.name);
        let is_root = |name: &String| {
            let file = name.strip_prefix(METADATA_FOLDER).and_then(parse_versioned_file_name);
            file.is_some_and(|(_, role)| role == "root")
        };
        Ok(entries.filter(is_root).collect())
    }

    /// Makes the folder `to` with the metadata that a bundle led to: the files that it brought, those that stayed, and
    /// the roots, but no timestamp, which is always fetched. The folder appears whole or not at all.
    pub fn write_next(
        &self,
        rebuilt: &Rebuilt,
        to: &Path,
        progress: Progress<'_>,
    ) -> Result<Version, Error> {
        let next = SnapshotFile::parse(&self.store, "snapshot.json", rebuilt.snapshot.clone())?;
        let brought: HashMap<&str, &[u8]> =
            rebuilt.roles.iter().map(|(role, _, file)| (role.as_str(), file.as_slice())).collect();
        let draft = FolderDraft::beside(to)?;
        let store = DirectoryStore::open(draft.path())?;
        (progress)(Event::Start(Stage::Write, next.parsed.meta.len() as u64));
        let version = next.parsed.version;
        create(&store, &metadata_name("snapshot", version), &next.file)?;
        for name in self.roots()? {
            let file = self.store.get(&name, MAX_DOCUMENT_LEN_BYTES)?;
            create(&store, &name, &file.unwrap_or_default())?;
        }
        let listed = |role: &str| match brought.get(role) {
            Some(file) => Some(Cow::Borrowed(*file)),
            None => self.file(role).ok().flatten(),
        };
        let kept = without_stale(next.roles().map(|(role, _)| role), &listed)?;
        let kept: HashSet<&str> = kept.into_iter().collect();
        next.roles().filter(|(role, _)| kept.contains(role)).try_for_each(|(role, version)| {
            let file = match brought.get(role) {
                Some(file) => Cow::Borrowed(*file),
                None => Cow::Owned(read(&self.store, &versioned_file_name(role, version))?),
            };
            create(&store, &metadata_name(role, version), &file)?;
            (progress)(Event::Advance(1));
            Ok::<_, Error>(())
        })?;
        (progress)(Event::Start(Stage::Sync, 1));
        store.sync()?;
        draft.commit()?;
        (progress)(Event::Finish);
        Ok(version)
    }
}

impl SnapshotFile {
    fn read(store: &DirectoryStore, version: Version) -> Result<Self, Error> {
        let name = versioned_file_name("snapshot", version);
        Self::parse(store, &name, read(store, &name)?)
    }

    fn parse(store: &DirectoryStore, name: &str, file: Vec<u8>) -> Result<Self, Error> {
        let (signed, parsed) = parse(store, name, &file)?;
        Ok(Self { file, signed, parsed })
    }

    fn listed(&self, role: &str) -> Option<Version> {
        self.parsed.meta.get(&tufold_meta::names::meta_name(role)).map(|file| file.version)
    }

    fn roles(&self) -> impl Iterator<Item = (&str, Version)> + Clone {
        let role = |name: &'_ String| name.strip_suffix(".json").map(str::len);
        let entries = self.parsed.meta.iter();
        entries.filter_map(move |(name, file)| Some((&name[..role(name)?], file.version)))
    }
}

/// What a delta starts from.
fn kind_of(delta: &[u8]) -> Result<Prediction, Error> {
    let kind = Prediction::from_number(Header::parse(delta)?.0.prediction_kind);
    Ok(kind.ok_or(BundleError::Damaged("its prediction is of an unknown kind"))?)
}

/// A bundle that fits, with what its deltas start from.
pub struct OpenBundle<'b> {
    mirror: &'b Mirror,
    bundle: Bundle<'b>,
    /// What its first delta starts from.
    form: Cow<'b, [u8]>,
    changes: RoleChanges,
    before: Vec<u8>,
    limits: Limits,
}

impl OpenBundle<'_> {
    /// What each of its deltas starts from, and the delta.
    pub fn deltas(&self) -> [(&[u8], &[u8]); 2] {
        [(&self.form, self.bundle.outline), (&self.before, self.bundle.roles)]
    }

    /// The files that it brings.
    pub fn rebuild(&self) -> Result<Rebuilt, Error> {
        let after = apply(Some(&self.before), self.bundle.roles, &self.limits)?;
        self.mirror.with_files(|held| self.changes.rebuild(&after, held))
    }
}

impl Step {
    /// The step from one state of a repository to another. A bundle goes by versions: a role of the same version in both
    /// must be the same file.
    pub fn of(old: &Mirror, new: &Mirror) -> Result<Self, Error> {
        let kept = new.with_files(|files| {
            let roles = new.snapshot.roles().map(|(role, _)| role);
            Ok(without_stale(roles, files)?.into_iter().collect::<HashSet<_>>())
        })?;
        let mut same: Vec<_> = new.snapshot.roles().collect();
        same.retain(|&(role, version)| {
            kept.contains(role) && old.snapshot.listed(role) == Some(version)
        });
        same.into_par_iter().try_for_each(|(role, version)| {
            let file = versioned_file_name(role, version);
            if read(&old.store, &file)? == read(&new.store, &file)? {
                return Ok(());
            }
            let other = path_in(&old.store, &file);
            let problem = format!("is another file than {other}, and a bundle goes by versions");
            Err(Error::damaged(&path_in(&new.store, &file), problem))
        })?;
        let (from, to) = (&old.snapshot.signed, &new.snapshot.signed);
        old.with_files(|held| {
            Ok(new.with_files(|published| Self::between(from, to, held, published)))
        })?
    }
}

/// The documents that differ between two states, the snapshot first.
pub fn changed_documents(old: &Mirror, new: &Mirror) -> Result<Vec<ChangedDocument>, Error> {
    let mut roles = vec!["snapshot"];
    let changed = |&(role, version): &(&str, _)| old.snapshot.listed(role) != Some(version);
    roles.extend(new.snapshot.roles().filter(changed).map(|(role, _)| role));
    let document = |role: &str| {
        let old = old.parts(role)?.map(|(_, signed, _)| signed);
        let Some((file, signed, signatures)) = new.parts(role)? else { return Ok(None) };
        Ok(Some(ChangedDocument { role: role.to_owned(), old, new: signed, signatures, file }))
    };
    roles.into_iter().filter_map(|role| document(role).transpose()).collect()
}

/// The versions of the snapshots that are there, the newest first.
fn snapshots(store: &DirectoryStore) -> Result<Vec<Version>, Error> {
    let entries = store.list(METADATA_FOLDER)?;
    let mut versions: Vec<Version> = entries
        .iter()
        .filter_map(|entry| parse_versioned_file_name(entry.name.strip_prefix(METADATA_FOLDER)?))
        .filter(|(_, role)| role == "snapshot")
        .map(|(version, _)| version)
        .collect();
    versions.sort_unstable_by(|left, right| right.cmp(left));
    Ok(versions)
}

/// Two contents for one name would be a snapshot that lists itself or a root.
fn create(store: &DirectoryStore, name: &str, bytes: &[u8]) -> Result<(), Error> {
    match store.create(name, bytes)? {
        Created::New | Created::Identical => Ok(()),
        Created::Differs => Err(Error::damaged(name, "would have two contents")),
    }
}

fn in_metadata(file: &str) -> String {
    format!("{METADATA_FOLDER}{file}")
}

/// A metadata file's path, for people.
fn path_in(store: &DirectoryStore, file: &str) -> String {
    store.root().join(METADATA_FOLDER).join(file).display().to_string()
}

fn read(store: &DirectoryStore, file: &str) -> Result<Vec<u8>, Error> {
    let found = store.get(&in_metadata(file), MAX_DOCUMENT_LEN_BYTES)?;
    found.ok_or_else(|| Error::damaged(&path_in(store, file), "is missing"))
}

/// The canonical `signed` of a file, and what it says.
fn parse<T: serde::de::DeserializeOwned>(
    store: &DirectoryStore,
    name: &str,
    file: &[u8],
) -> Result<(Vec<u8>, T), Error> {
    let damaged = |error: &dyn std::fmt::Display| {
        Error::damaged(&path_in(store, name), format!("is damaged: {error}"))
    };
    let (signed, _) = canonical_parts(file).map_err(|error| damaged(&error))?;
    let parsed = serde_json::from_slice(&signed).map_err(|error| damaged(&error))?;
    Ok((signed.into_owned(), parsed))
}
