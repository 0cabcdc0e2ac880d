//! What a codec is given in one case of a table, in memory or in a folder for a process that measures.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use tufold_meta::{Bundle, Envelope, KeyId, Prediction, RoleChanges, assemble, canonical_parts};

use crate::contender::Contender;

/// Files by the names of their roles.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A document's base, if there is one, and the document.
pub type Pair = (Option<Vec<u8>>, Vec<u8>);

/// Says in a folder that a repository is told as a bundle.
const BUNDLE_MARK: &str = "bundle";

/// What is to be carried.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Work {
    /// One document after another.
    Documents(Vec<Pair>),
    /// All files that changed in a repository.
    Repository {
        /// What a mirror holds.
        old: Files,
        /// What is published.
        new: Files,
        /// How it is told.
        told: Told,
    },
}

/// How a mirror learns what changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Told {
    /// By a delta for each file, its signatures in front.
    FileByFile,
    /// By one bundle.
    AsBundle,
}

impl Work {
    /// One document.
    pub fn document(base: Option<Vec<u8>>, new: Vec<u8>) -> Self {
        Self::Documents(vec![(base, new)])
    }

    /// The deltas of all documents or files, or the bundle. Each has been applied once.
    pub fn encode(&self, contender: Contender) -> Result<Vec<Vec<u8>>, String> {
        match self {
            Self::Documents(pairs) => {
                pairs.iter().map(|(base, new)| contender.encode(base.as_deref(), new)).collect()
            }
            Self::Repository { old, new, told: Told::FileByFile } => changed(old, new)
                .map(|(role, file)| object(contender, old.get(role), file))
                .collect(),
            Self::Repository { old, new, told: Told::AsBundle } => {
                Ok(vec![bundle(contender, old, new)?])
            }
        }
    }

    /// Rebuilds from what `encode` gave.
    pub fn apply(&self, contender: Contender, deltas: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, String> {
        match self {
            Self::Documents(pairs) => pairs
                .iter()
                .zip(deltas)
                .map(|((base, _), delta)| contender.apply(base.as_deref(), delta))
                .collect(),
            Self::Repository { old, new, told: Told::FileByFile } => changed(old, new)
                .zip(deltas)
                .map(|((role, file), delta)| {
                    unobject(contender, old.get(role), &keyids(file)?, delta)
                })
                .collect(),
            Self::Repository { old, told: Told::AsBundle, .. } => {
                unbundle(contender, old, &deltas[0])
            }
        }
    }

    /// What `apply` has to give.
    pub fn results(&self) -> Vec<&[u8]> {
        match self {
            Self::Documents(pairs) => pairs.iter().map(|(_, new)| new.as_slice()).collect(),
            Self::Repository { old, new, .. } => {
                changed(old, new).map(|(_, file)| file.as_slice()).collect()
            }
        }
    }

    /// Bytes of all new documents.
    pub fn new_len_bytes(&self) -> u64 {
        self.results().iter().map(|new| new.len() as u64).sum()
    }

    /// Bytes of the larger side: of the largest document, or of all files of a repository.
    pub fn larger_len_bytes(&self) -> u64 {
        let sum = |files: &Files| files.values().map(|file| file.len() as u64).sum::<u64>();
        match self {
            Self::Documents(pairs) => {
                let len = |(base, new): &Pair| base.as_ref().map_or(0, Vec::len).max(new.len());
                pairs.iter().map(len).max().unwrap_or(0) as u64
            }
            Self::Repository { old, new, .. } => sum(old).max(sum(new)),
        }
    }

    /// Writes everything into an empty folder.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        match self {
            Self::Documents(pairs) => {
                for (i, (base, new)) in pairs.iter().enumerate() {
                    if let Some(base) = base {
                        fs::write(folder.join(format!("{i:06}.base")), base)?;
                    }
                    fs::write(folder.join(format!("{i:06}.new")), new)?;
                }
            }
            Self::Repository { old, new, told } => {
                if *told == Told::AsBundle {
                    fs::write(folder.join(BUNDLE_MARK), "")?;
                }
                for (side, files) in [("old", old), ("new", new)] {
                    fs::create_dir(folder.join(side))?;
                    for (role, file) in files {
                        fs::write(folder.join(side).join(role), file)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads what `write` wrote.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let old = folder.join("old");
        if old.exists() {
            let (old, new) = (read_files(&old)?, read_files(&folder.join("new"))?);
            let is_bundle = folder.join(BUNDLE_MARK).exists();
            let told = if is_bundle { Told::AsBundle } else { Told::FileByFile };
            return Ok(Self::Repository { old, new, told });
        }
        let mut files = read_files(folder)?;
        let news: Vec<String> =
            files.keys().filter(|name| name.ends_with(".new")).cloned().collect();
        let mut pair = |name: String| {
            let base = files.remove(&name.replace(".new", ".base"));
            (base, files.remove(&name).unwrap_or_default())
        };
        Ok(Self::Documents(news.into_iter().map(&mut pair).collect()))
    }
}

fn read_files(folder: &Path) -> io::Result<Files> {
    let mut files = Files::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
    }
    Ok(files)
}

/// The files that changed, the snapshot among them, by their roles.
fn changed<'f>(old: &'f Files, new: &'f Files) -> impl Iterator<Item = (&'f String, &'f Vec<u8>)> {
    new.iter().filter(|(role, file)| old.get(*role) != Some(file))
}

/// As a publisher makes the delta of a file.
fn object(contender: Contender, old: Option<&Vec<u8>>, new: &[u8]) -> Result<Vec<u8>, String> {
    let base = old.map(|old| canonical_parts(old)).transpose().map_err(text)?;
    let (signed, signatures) = canonical_parts(new).map_err(text)?;
    let keyids = keyids(new)?;
    let mut object = Vec::new();
    let envelope = Envelope::new(signatures).ok_or("it is signed twice by one key")?;
    envelope.write(&keyids, &mut object);
    object.extend(contender.encode(base.as_ref().map(|(signed, _)| &**signed), &signed)?);
    Ok(object)
}

/// As a client takes it; the delegation tells it the keys.
fn unobject(
    contender: Contender,
    old: Option<&Vec<u8>>,
    keyids: &[KeyId],
    mut object: &[u8],
) -> Result<Vec<u8>, String> {
    let base = old.map(|old| canonical_parts(old)).transpose().map_err(text)?;
    let envelope = Envelope::take(&mut object, keyids).map_err(text)?.ok_or("it is not signed")?;
    let signed = contender.apply(base.as_ref().map(|(signed, _)| &**signed), object)?;
    Ok(assemble(&signed, envelope.signatures()))
}

fn keyids(file: &[u8]) -> Result<Vec<KeyId>, String> {
    let (_, signatures) = canonical_parts(file).map_err(text)?;
    Ok(signatures.into_iter().map(|signature| signature.keyid).collect())
}

/// As a publisher makes it, the check that a mirror rebuilds the same files included.
fn bundle(contender: Contender, old: &Files, new: &Files) -> Result<Vec<u8>, String> {
    let (old_signed, new_signed) = (signed(old)?, signed(new)?);
    let held = |role: &str| old.get(role).map(|file| Cow::Borrowed(file.as_slice()));
    let published = |role: &str| new.get(role).map(|file| Cow::Borrowed(file.as_slice()));
    let changes = RoleChanges::to_published(&old_signed, &new_signed, &published).map_err(text)?;
    let before = changes.flatten_old(Prediction::Touched, &held).map_err(text)?;
    let after = changes.flatten_new(&published).map_err(text)?;
    let rebuilt = changes.rebuild(&after, &held).map_err(text)?;
    if new.get("snapshot") != Some(&rebuilt.snapshot)
        || rebuilt.roles.iter().any(|(role, _, file)| new.get(role) != Some(file))
    {
        return Err("a mirror would rebuild other files".to_owned());
    }
    let first = contender.encode(Some(&old_signed), changes.outline())?;
    let second = contender.encode(Some(&before), &after)?;
    Ok(Bundle { outline: &first, roles: &second }.to_bytes())
}

/// As a mirror takes it, in the order of the names.
fn unbundle(contender: Contender, old: &Files, bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let bundle = Bundle::parse(bytes).map_err(text)?;
    let old_signed = signed(old)?;
    let outline = contender.apply(Some(&old_signed), bundle.outline)?;
    let changes = RoleChanges::between(&old_signed, outline).map_err(text)?;
    let held = |role: &str| old.get(role).map(|file| Cow::Borrowed(file.as_slice()));
    let before = changes.flatten_old(Prediction::Touched, &held).map_err(text)?;
    let after = contender.apply(Some(&before), bundle.roles)?;
    let rebuilt = changes.rebuild(&after, &held).map_err(text)?;
    let mut files: Files = rebuilt.roles.into_iter().map(|(role, _, file)| (role, file)).collect();
    files.insert("snapshot".to_owned(), rebuilt.snapshot);
    Ok(files.into_values().collect())
}

fn signed(files: &Files) -> Result<Cow<'_, [u8]>, String> {
    let snapshot = files.get("snapshot").ok_or("there is no snapshot")?;
    let (signed, _) = canonical_parts(snapshot).map_err(text)?;
    Ok(signed)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
