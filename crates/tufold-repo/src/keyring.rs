//! The private keys at hand, and which of them sign a role.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use tufold_meta::{Key, KeyId, RoleKeys, SigningKey};

use crate::error::Error;
use crate::settings::RoleKind;

/// Private keys by their key id.
#[derive(Debug, Default)]
pub struct Keyring(BTreeMap<KeyId, SigningKey>);

/// Which keys a new repository is to have.
#[derive(Clone, Debug, Default)]
pub struct KeyRequest {
    /// A folder with the private keys: the files `<kind>.pem` and `<kind>-<anything>.pem` belong to
    /// a kind of role. Every kind needs one, and no other `*.pem` file may be there. Without a
    /// folder, Ed25519 keys are made from the system's randomness.
    pub folder: Option<PathBuf>,
    /// How many keys are made for a kind of role; 1, or as many as the threshold, if not stated.
    pub counts: BTreeMap<RoleKind, u64>,
    /// How many of them have to sign; 1 if not stated.
    pub thresholds: BTreeMap<RoleKind, u64>,
}

/// The private keys of a new repository, in PEM, and the thresholds of its roles.
#[derive(Clone)]
pub(crate) struct KeyPlan(BTreeMap<RoleKind, KindKeys>);

#[derive(Clone)]
struct KindKeys {
    pems: Vec<String>,
    threshold: u64,
}

impl Keyring {
    /// Reads every `*.pem` file of a folder.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let mut keyring = Self::default();
        for (path, text) in read_pems(folder)? {
            let key = SigningKey::from_pem(&text).map_err(|source| Error::Key { path, source })?;
            keyring.insert(key);
        }
        Ok(keyring)
    }

    /// Adds a key.
    pub fn insert(&mut self, key: SigningKey) {
        self.0.insert(key.id().clone(), key);
    }

    /// Whether both hold the same keys.
    pub(crate) fn has_the_keys_of(&self, other: &Self) -> bool {
        self.0.keys().eq(other.0.keys())
    }

    /// The keys at hand that may sign for `role`; an error if they do not reach its threshold.
    pub fn signers(&self, role: &str, keys: &RoleKeys) -> Result<Vec<&SigningKey>, Error> {
        let signers: Vec<_> = keys.keyids.iter().filter_map(|id| self.0.get(id)).collect();
        let threshold = keys.threshold.get();
        if (signers.len() as u64) < threshold {
            return Err(Error::MissingKeys { role: role.into(), held: signers.len(), threshold });
        }
        Ok(signers)
    }
}

impl KeyRequest {
    /// Reads or makes the keys.
    pub(crate) fn fulfil(&self) -> Result<KeyPlan, Error> {
        let mut plan = match &self.folder {
            Some(folder) => self.read(folder)?,
            None => self.generate()?,
        };
        for (kind, keys) in &mut plan {
            let count = keys.pems.len() as u64;
            let threshold = keys.threshold;
            if threshold == 0 || threshold > count {
                let problem = format!("{kind} has a threshold of {threshold} with {count} keys");
                return Err(Error::Keys(problem));
            }
        }
        Ok(KeyPlan(plan))
    }

    fn threshold(&self, kind: RoleKind) -> u64 {
        self.thresholds.get(&kind).copied().unwrap_or(1)
    }

    fn generate(&self) -> Result<BTreeMap<RoleKind, KindKeys>, Error> {
        let of_kind = |kind| {
            let threshold = self.threshold(kind);
            let count = self.counts.get(&kind).copied().unwrap_or(threshold.max(1));
            let pems = (0..count).map(|_| SigningKey::generate_ed25519_pem());
            Ok((kind, KindKeys { pems: pems.collect::<Result<_, _>>()?, threshold }))
        };
        RoleKind::ALL.into_iter().map(of_kind).collect()
    }

    fn read(&self, folder: &Path) -> Result<BTreeMap<RoleKind, KindKeys>, Error> {
        if let Some((kind, _)) = self.counts.first_key_value() {
            return Err(Error::Keys(format!(
                "a number of {kind} keys was asked for, but the keys are read from {}",
                folder.display()
            )));
        }
        let empty = |kind| (kind, KindKeys { pems: Vec::new(), threshold: self.threshold(kind) });
        let mut plan = BTreeMap::from(RoleKind::ALL.map(empty));
        for (path, text) in read_pems(folder)? {
            let stem = Path::new(&path).file_stem().and_then(|s| s.to_str()).unwrap_or_default();
            let name = stem.split_once('-').map_or(stem, |(name, _)| name);
            let kind: RoleKind =
                name.parse().map_err(|problem| Error::Keys(format!("{path}: {problem}")))?;
            SigningKey::from_pem(&text).map_err(|source| Error::Key { path, source })?;
            plan.entry(kind).and_modify(|keys| keys.pems.push(text));
        }
        if let Some((kind, _)) = plan.iter().find(|(_, keys)| keys.pems.is_empty()) {
            let folder = folder.display();
            return Err(Error::Keys(format!("{folder} has no key for {kind} ({kind}.pem)")));
        }
        Ok(plan)
    }
}

impl KeyPlan {
    /// Every private key's file name and PEM text, as [`KeyRequest::folder`] has them.
    pub(crate) fn files(&self) -> Result<Vec<(String, &str)>, Error> {
        let pems = self.0.iter().flat_map(|(kind, keys)| keys.pems.iter().map(move |p| (kind, p)));
        pems.map(|(kind, pem)| {
            Ok((format!("{kind}-{}.pem", SigningKey::from_pem(pem)?.id()), pem.as_str()))
        })
        .collect()
    }

    /// All keys, to sign with.
    pub(crate) fn keyring(&self) -> Result<Keyring, Error> {
        let mut keyring = Keyring::default();
        for pem in self.0.values().flat_map(|keys| &keys.pems) {
            keyring.insert(SigningKey::from_pem(pem)?);
        }
        Ok(keyring)
    }

    /// The public keys and the threshold of one kind of role, sorted by key id.
    pub(crate) fn public(&self, kind: RoleKind) -> Result<(BTreeMap<KeyId, Key>, RoleKeys), Error> {
        let kind_keys = &self.0[&kind];
        let mut keys = BTreeMap::new();
        for pem in &kind_keys.pems {
            let key = SigningKey::from_pem(pem)?;
            if keys.insert(key.id().clone(), key.public().clone()).is_some() {
                return Err(Error::Keys(format!("{kind} has the key {} twice", key.id())));
            }
        }
        let threshold = NonZeroU64::new(kind_keys.threshold).unwrap_or(NonZeroU64::MIN);
        let role = RoleKeys::new(keys.keys().cloned().collect(), threshold).map_err(Error::Keys)?;
        Ok((keys, role))
    }
}

/// The text of every `*.pem` file in `folder`, sorted by name, with its path.
fn read_pems(folder: &Path) -> Result<Vec<(String, String)>, Error> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        Ok((path.display().to_string(), text))
    };
    paths.into_iter().map(read).collect()
}
