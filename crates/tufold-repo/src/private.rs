//! `private/`: the publisher's side of a repository, which is never served.
//!
//! ```text
//! keys/<kind>-<key id>.pem   private keys, PKCS#8, mode 0600; public ones of keys that are elsewhere
//! retired/            keys that no role names any more
//! settings.toml       layout, lifetimes, and programs that sign
//! rotation.json       the documents of a rotation that is not finished, with their signatures so far
//! root.json           the root that the publisher trusts; it pins public/ to these keys
//! history.tsv         snapshot version and time of every publish, for prune
//! rebins.tsv          every change of the bins: delegation form, number of bins, the version that they start at
//! digests.tsv         version and BLAKE3 of each bin as it was signed, so that a publish need not verify what it wrote
//! sweep               when every document's expiry is to be looked at again
//! bases/              old versions that later deltas start from, packed
//! lock                held by the one writer
//! ```

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tufold_meta::{BitLength, KeyId, Time, Version};
use tufold_store::{DirectoryStore, Entry, Store as _};

use crate::digests::Digests;
use crate::error::Error;
use crate::keyring::{KeyPlan, Keyring};
use crate::layout::Delegation;
use crate::rebin::NewBins;
use crate::settings::{RoleKind, Settings};

const KEYS: &str = "keys";
const RETIRED: &str = "retired";
const ROTATION: &str = "rotation.json";
const SETTINGS: &str = "settings.toml";
const ROOT: &str = "root.json";
const HISTORY: &str = "history.tsv";
const REBINS: &str = "rebins.tsv";
const DIGESTS: &str = "digests.tsv";
const SWEEP: &str = "sweep";

/// Private files are small; more is damage. The history grows by some 30 bytes a publish.
const MAX_LEN_BYTES: u64 = 1 << 20;
const MAX_HISTORY_LEN_BYTES: u64 = 1 << 30;
/// A line for each bin, of which there are 2^32 at most.
const MAX_DIGESTS_LEN_BYTES: u64 = 1 << 39;
/// It holds a targets role, which in some forms lists every target.
const MAX_ROTATION_LEN_BYTES: u64 = crate::repository::MAX_DOCUMENT_LEN_BYTES;

/// The folder `private/` of a repository.
#[derive(Debug)]
pub(crate) struct Private {
    path: PathBuf,
    store: DirectoryStore,
}

/// One line of the history: at `time`, this snapshot became the current one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Publish {
    pub(crate) snapshot: Version,
    pub(crate) time: Time,
}

impl Private {
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let store = DirectoryStore::create_private(path)?;
        Ok(Self { path: path.to_owned(), store })
    }

    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let store = DirectoryStore::open_private(path)?;
        Ok(Self { path: path.to_owned(), store })
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the repository.
    pub(crate) fn repository_path(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// The folder of the keys.
    pub(crate) fn keys_path(&self) -> PathBuf {
        self.path.join(KEYS)
    }

    /// Where old versions are packed.
    pub(crate) fn store(&self) -> &DirectoryStore {
        &self.store
    }

    /// Takes the writer's lock; an error if another publisher holds it.
    pub(crate) fn lock(&self) -> Result<tufold_store::Lock, Error> {
        Ok(tufold_store::lock(&self.path.join("lock"))?)
    }

    pub(crate) fn settings(&self) -> Result<Settings, Error> {
        let text = self.text(SETTINGS)?.ok_or_else(|| self.missing(SETTINGS))?;
        Settings::from_toml(&text).map_err(|problem| self.bad_settings(problem))
    }

    /// The settings are not what they should be.
    pub(crate) fn bad_settings(&self, problem: String) -> Error {
        self.bad(SETTINGS, problem)
    }

    /// A file that every repository has is not there.
    pub(crate) fn missing(&self, name: &str) -> Error {
        Error::NotARepository(self.path.display().to_string(), name.to_owned())
    }

    /// Removes what killed writers left half-written; the lock must be held.
    pub(crate) fn remove_temporary(&self) -> Result<(), Error> {
        Ok(self.store.remove_temporary("")?)
    }

    pub(crate) fn set_settings(&self, settings: &Settings) -> Result<(), Error> {
        Ok(self.store.replace(SETTINGS, settings.to_toml().as_bytes())?)
    }

    pub(crate) fn keyring(&self) -> Result<Keyring, Error> {
        Keyring::read(&self.keys_path(), &self.settings()?.signers)
    }

    /// Writes what a new repository begins with; none of it is there yet, and all of it is synced at once.
    pub(crate) fn begin(
        &self,
        keys: &KeyPlan,
        settings: &Settings,
        root: &[u8],
    ) -> Result<(), Error> {
        for (name, pem) in keys.files()? {
            self.store.create(&format!("{KEYS}/{name}"), pem.as_bytes())?;
        }
        self.store.create(SETTINGS, settings.to_toml().as_bytes())?;
        self.store.create(ROOT, root)?;
        Ok(self.store.sync()?)
    }

    pub(crate) fn set_keys(&self, plan: &KeyPlan) -> Result<(), Error> {
        for (name, pem) in plan.files()? {
            self.store.replace(&format!("{KEYS}/{name}"), pem.as_bytes())?;
        }
        Ok(())
    }

    /// Puts the key files aside whose kind of role does not name the key, and says which. Nothing
    /// signs with them again. One that is the only file of a key that another kind names stays.
    pub(crate) fn retire_keys(
        &self,
        named: &BTreeSet<(RoleKind, KeyId)>,
    ) -> Result<Vec<String>, Error> {
        let parse = |entry: &Entry| -> Option<(RoleKind, KeyId)> {
            let stem = entry.name.strip_prefix(KEYS)?.strip_prefix('/')?.strip_suffix(".pem")?;
            let (kind, id) = stem.split_once('-')?;
            Some((kind.parse().ok()?, KeyId::from(id.to_owned())))
        };
        let entries = self.store.list(&format!("{KEYS}/"))?;
        let kept: BTreeSet<_> =
            entries.iter().filter_map(parse).filter(|key| named.contains(key)).collect();
        let mut retired = Vec::new();
        for entry in &entries {
            let Some((kind, id)) = parse(entry) else { continue };
            let is_named = named.iter().any(|(_, other)| *other == id);
            let has_other_file = kept.iter().any(|(_, other)| *other == id);
            if named.contains(&(kind, id.clone())) || (is_named && !has_other_file) {
                continue;
            }
            if let Some(pem) = self.store.get(&entry.name, MAX_LEN_BYTES)? {
                let name = format!("{kind}-{id}.pem");
                self.store.replace(&format!("{RETIRED}/{name}"), &pem)?;
                self.store.remove(&entry.name)?;
                retired.push(name);
            }
        }
        Ok(retired)
    }

    /// The rotation that is not finished, if there is one.
    pub(crate) fn rotation(&self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.store.get(ROTATION, MAX_ROTATION_LEN_BYTES)?)
    }

    pub(crate) fn set_rotation(&self, bytes: &[u8]) -> Result<(), Error> {
        Ok(self.store.replace(ROTATION, bytes)?)
    }

    pub(crate) fn remove_rotation(&self) -> Result<(), Error> {
        self.store.remove(ROTATION)?;
        Ok(self.store.sync()?)
    }

    /// The note of the rotation is not what it should be.
    pub(crate) fn bad_rotation(&self, problem: String) -> Error {
        self.bad(ROTATION, problem)
    }

    pub(crate) fn root(&self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.store.get(ROOT, MAX_LEN_BYTES)?)
    }

    pub(crate) fn sweep_due(&self) -> Result<Option<Time>, Error> {
        let bytes = self.store.get(SWEEP, MAX_LEN_BYTES)?;
        // Damaged, it is as good as missing: everything is looked at now.
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok()))
    }

    pub(crate) fn set_sweep_due(&self, time: Time) -> Result<(), Error> {
        Ok(self.store.replace(SWEEP, format!("{time}\n").as_bytes())?)
    }

    /// What is known of the bins that are published; nothing if it cannot be read.
    pub(crate) fn digests(&self) -> Digests {
        let read = self.store.get(DIGESTS, MAX_DIGESTS_LEN_BYTES);
        read.ok().flatten().map_or_else(Digests::default, Digests::read)
    }

    /// Notes digests. They are not synced: what a crash takes of them is verified by its signatures.
    pub(crate) fn set_digests(&self, text: &[u8]) -> Result<(), Error> {
        Ok(self.store.replace_unsynced(DIGESTS, text)?)
    }

    /// Every publish so far, oldest first. A last line that was cut off by a crash is left out.
    pub(crate) fn history(&self) -> Result<Vec<Publish>, Error> {
        let mut bytes = self.store.get(HISTORY, MAX_HISTORY_LEN_BYTES)?.unwrap_or_default();
        bytes.truncate(bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1));
        let whole = String::from_utf8(bytes)
            .map_err(|error| self.bad(HISTORY, format!("not UTF-8: {error}")))?;
        let mut history = Vec::new();
        for (i, line) in whole.lines().enumerate() {
            let publish = line.split_once('\t').and_then(|(version, time)| {
                let snapshot = Version::new(version.parse().ok()?)?;
                Some(Publish { snapshot, time: time.parse().ok()? })
            });
            history.push(publish.ok_or_else(|| {
                self.bad(HISTORY, format!("line {} is not a version and a time: {line}", i + 1))
            })?);
        }
        Ok(history)
    }

    /// Takes away a last line that a crash cut off, lest it swallow the next; an error if the
    /// history is damaged otherwise.
    pub(crate) fn mend_history(&self) -> Result<(), Error> {
        let history = self.history()?;
        let bytes = self.store.get(HISTORY, MAX_HISTORY_LEN_BYTES)?.unwrap_or_default();
        if bytes.last().is_some_and(|&last| last != b'\n') {
            self.set_history(&history)?;
        }
        Ok(())
    }

    /// Adds a line to the history, which ends in a whole line.
    pub(crate) fn append_history(&self, publish: Publish) -> Result<(), Error> {
        let path = self.path.join(HISTORY);
        let line = format!("{}\t{}\n", publish.snapshot, publish.time);
        std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .map_err(Error::io("write", &path))
    }

    /// Replaces the history.
    pub(crate) fn set_history(&self, history: &[Publish]) -> Result<(), Error> {
        let text: String =
            history.iter().map(|p| format!("{}\t{}\n", p.snapshot, p.time)).collect();
        Ok(self.store.replace(HISTORY, text.as_bytes())?)
    }

    /// Every change of the bins that was begun, oldest first. The last may not have come to its end.
    pub(crate) fn rebins(&self) -> Result<Vec<NewBins>, Error> {
        let text = self.text(REBINS)?.unwrap_or_default();
        let row = |(i, line): (usize, &str)| {
            let row = match line.split('\t').collect::<Vec<_>>()[..] {
                [form, bins, version] => {
                    bins.parse().ok().zip(version.parse().ok()).and_then(|(bins, version)| {
                        let delegation = Delegation::from_parts(form, Some(bins)).ok()?;
                        Some(NewBins { delegation, first_version: Version::new(version)? })
                    })
                }
                _ => None,
            };
            row.ok_or_else(|| {
                let problem = "is not a form with bins, their number and a version";
                self.bad(REBINS, format!("line {} {problem}: {line}", i + 1))
            })
        };
        text.lines().enumerate().map(row).collect()
    }

    /// Notes a change of the bins before it is published.
    pub(crate) fn append_rebin(&self, bins: NewBins) -> Result<(), Error> {
        let mut text = self.text(REBINS)?.unwrap_or_default();
        let NewBins { delegation, first_version } = bins;
        let count = delegation.bit_length().map_or(0, BitLength::bin_count);
        text.push_str(&format!("{}\t{count}\t{first_version}\n", delegation.name()));
        Ok(self.store.replace(REBINS, text.as_bytes())?)
    }

    fn text(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(bytes) = self.store.get(name, MAX_LEN_BYTES)? else { return Ok(None) };
        let text = String::from_utf8(bytes);
        text.map(Some).map_err(|error| self.bad(name, format!("not UTF-8: {error}")))
    }

    fn bad(&self, name: &str, problem: String) -> Error {
        Error::Settings { path: self.path.join(name).display().to_string(), problem }
    }
}
