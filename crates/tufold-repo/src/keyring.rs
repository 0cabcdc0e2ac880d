//! The private keys at hand, and which of them sign a role.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::Path;

use tufold_meta::{Key, KeyId, RoleKeys, SigningKey};

use crate::error::Error;
use crate::settings::RoleKind;

/// Private keys by their key id.
#[derive(Debug, Default)]
pub struct Keyring(BTreeMap<KeyId, SigningKey>);

/// The keys of a new repository: for each kind of role its private keys in PEM and its threshold.
#[derive(Clone, Debug)]
pub struct KeyPlan(BTreeMap<RoleKind, KindKeys>);

#[derive(Clone, Debug)]
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

impl KeyPlan {
    /// New Ed25519 keys from the system's randomness: `count(kind)` of them, `threshold(kind)` of
    /// which have to sign.
    pub fn generate(
        count: impl Fn(RoleKind) -> u64,
        threshold: impl Fn(RoleKind) -> u64,
    ) -> Result<Self, Error> {
        let mut plan = BTreeMap::new();
        for kind in RoleKind::ALL {
            let pems = (0..count(kind))
                .map(|_| SigningKey::generate_ed25519_pem())
                .collect::<Result<_, _>>()?;
            plan.insert(kind, KindKeys { pems, threshold: threshold(kind) });
        }
        Self(plan).checked()
    }

    /// The keys in `folder`: the files `<kind>.pem` and `<kind>-<anything>.pem` belong to a kind of
    /// role. Every kind needs a file, and no other `*.pem` file may be there.
    pub fn read(folder: &Path, threshold: impl Fn(RoleKind) -> u64) -> Result<Self, Error> {
        let empty = |kind| (kind, KindKeys { pems: Vec::new(), threshold: threshold(kind) });
        let mut plan = BTreeMap::from(RoleKind::ALL.map(empty));
        for (path, text) in read_pems(folder)? {
            let stem = Path::new(&path).file_stem().and_then(|s| s.to_str()).unwrap_or_default();
            let name = stem.split_once('-').map_or(stem, |(name, _)| name);
            let kind: RoleKind = name
                .parse()
                .map_err(|problem| Error::Keys(format!("{path}: {problem}")))?;
            SigningKey::from_pem(&text).map_err(|source| Error::Key { path, source })?;
            plan.entry(kind).and_modify(|keys| keys.pems.push(text));
        }
        for (kind, keys) in &plan {
            if keys.pems.is_empty() {
                let folder = folder.display();
                return Err(Error::Keys(format!("{folder} has no key for {kind} ({kind}.pem)")));
            }
        }
        Self(plan).checked()
    }

    fn checked(self) -> Result<Self, Error> {
        for (kind, keys) in &self.0 {
            let count = keys.pems.len() as u64;
            if keys.threshold == 0 || keys.threshold > count {
                let threshold = keys.threshold;
                return Err(Error::Keys(format!(
                    "{kind} has a threshold of {threshold} with {count} keys"
                )));
            }
        }
        Ok(self)
    }

    /// Every private key with its PEM text.
    pub(crate) fn private_keys(&self) -> Result<Vec<(SigningKey, &str)>, Error> {
        let pems = self.0.values().flat_map(|keys| &keys.pems);
        pems.map(|pem| Ok((SigningKey::from_pem(pem)?, pem.as_str()))).collect()
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
