//! What can sign at hand, and which keys a kind of role is to have.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use tufold_meta::{Key, KeyError, KeyId, RoleKeys, Signature, SigningKey, assemble};

use crate::error::Error;
use crate::settings::{RoleKind, SignerSettings};
use crate::signer::{Program, Signer};

/// What signs, by key id: private keys, and programs.
#[derive(Debug, Default)]
pub struct Keyring(BTreeMap<KeyId, Signer>);

/// Which keys a new repository, or a rotation, is to give to kinds of role.
#[derive(Clone, Debug, Default)]
pub struct KeyRequest {
    /// A folder with the keys: the files `<kind>.pem` and `<kind>-<anything>.pem` belong to a kind
    /// of role. Every kind needs one, and no `*.pem` file of another name may be there. A file with
    /// a public key alone stands for a private key that is elsewhere. Without a folder, Ed25519
    /// keys are made from the system's randomness.
    pub folder: Option<PathBuf>,
    /// How many keys are made for a kind of role. If not stated: as many as it has, else 1, and no
    /// fewer than the threshold.
    pub counts: BTreeMap<RoleKind, u64>,
    /// How many of them have to sign. If not stated: as many as so far, else 1.
    pub thresholds: BTreeMap<RoleKind, u64>,
    /// Programs that sign for public keys in the folder, by the name of the key's file without
    /// `.pem`.
    pub signers: BTreeMap<String, SignerSettings>,
}

/// How many keys a kind of role has, and how many have to sign.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Quota {
    pub(crate) count: u64,
    pub(crate) threshold: u64,
}

/// The keys of kinds of role, in PEM, and the thresholds.
#[derive(Clone, Debug)]
pub(crate) struct KeyPlan {
    kinds: BTreeMap<RoleKind, KindKeys>,
    /// The programs that sign for some of them.
    signers: BTreeMap<KeyId, SignerSettings>,
}

#[derive(Clone)]
struct KindKeys {
    pems: Vec<String>,
    threshold: u64,
}

impl std::fmt::Debug for KindKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} keys", self.threshold, self.pems.len())
    }
}

impl Keyring {
    /// Reads every `*.pem` file of a folder. Of the public keys there, those that a program signs
    /// for belong to the keyring.
    pub fn read(folder: &Path, signers: &BTreeMap<KeyId, SignerSettings>) -> Result<Self, Error> {
        let mut keyring = Self::default();
        for (path, text) in read_pems(folder)? {
            keyring.add(&text, signers).map_err(|source| Error::Key { path, source })?;
        }
        Ok(keyring)
    }

    fn add(
        &mut self,
        pem: &str,
        signers: &BTreeMap<KeyId, SignerSettings>,
    ) -> Result<(), KeyError> {
        let key = PemKey::parse(pem)?;
        let (public, id) = (key.public().clone(), key.public().id());
        let program = signers.get(&id).and_then(|signer| Program::new(&public, signer.clone()));
        match (program, key) {
            (Some(program), _) => self.0.insert(id, Signer::Program(program)),
            (None, PemKey::Private(key)) => self.0.insert(id, Signer::Key(key)),
            (None, PemKey::Public(_)) => None,
        };
        Ok(())
    }

    /// Takes the keys of another keyring in.
    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether both sign for the same keys.
    pub(crate) fn has_the_keys_of(&self, other: &Self) -> bool {
        self.0.keys().eq(other.0.keys())
    }

    /// How many of a role's keys can sign.
    pub(crate) fn held(&self, keys: &RoleKeys) -> usize {
        keys.keyids.iter().filter(|id| self.0.contains_key(id)).count()
    }

    /// Whether a role's keys at hand reach its threshold.
    pub(crate) fn reaches(&self, keys: &RoleKeys) -> bool {
        self.held(keys) as u64 >= keys.threshold.get()
    }

    /// An error unless [`Keyring::reaches`].
    pub(crate) fn require(&self, role: &str, keys: &RoleKeys) -> Result<(), Error> {
        if self.reaches(keys) {
            return Ok(());
        }
        let (held, threshold) = (self.held(keys), keys.threshold.get());
        Err(Error::MissingKeys { role: role.into(), held, threshold })
    }

    /// The signatures of all `ids` that are at hand over a document of `role`.
    pub(crate) fn signatures<'i>(
        &self,
        role: &str,
        ids: impl IntoIterator<Item = &'i KeyId>,
        message: &[u8],
    ) -> Result<Vec<Signature>, Error> {
        let signers = ids.into_iter().filter_map(|id| self.0.get(id));
        signers.map(|signer| signer.sign(role, message)).collect()
    }

    /// The file of a document that `keys` sign, and `also`; an error if a threshold is not reached.
    pub(crate) fn sign(
        &self,
        role: &str,
        keys: &RoleKeys,
        also: Option<&RoleKeys>,
        canonical: &[u8],
    ) -> Result<Vec<u8>, Error> {
        Ok(assemble(canonical, &self.sign_with_all(role, keys, also, canonical)?))
    }

    /// The signatures of such a document.
    pub(crate) fn sign_with_all(
        &self,
        role: &str,
        keys: &RoleKeys,
        also: Option<&RoleKeys>,
        canonical: &[u8],
    ) -> Result<Vec<Signature>, Error> {
        let all = [Some(keys), also];
        let mut ids: Vec<&KeyId> = Vec::new();
        for keys in all.into_iter().flatten() {
            self.require(role, keys)?;
            ids.extend(&keys.keyids);
        }
        ids.sort_unstable();
        ids.dedup();
        self.signatures(role, ids, canonical)
    }
}

impl KeyRequest {
    /// Reads or makes the keys of `kinds`. `so_far` says what a kind has already.
    pub(crate) fn fulfil(
        &self,
        kinds: &[RoleKind],
        so_far: impl Fn(RoleKind) -> Option<Quota>,
    ) -> Result<KeyPlan, Error> {
        let threshold = |kind: RoleKind| {
            let stated = self.thresholds.get(&kind).copied();
            stated.unwrap_or_else(|| so_far(kind).map_or(1, |quota| quota.threshold))
        };
        let plan = match &self.folder {
            Some(folder) => self.read(folder, kinds, threshold)?,
            None => {
                let count = |kind: RoleKind| {
                    let stated = self.counts.get(&kind).copied();
                    stated.unwrap_or_else(|| {
                        so_far(kind).map_or(1, |quota| quota.count).max(threshold(kind)).max(1)
                    })
                };
                self.generate(kinds, count, threshold)?
            }
        };
        for (kind, keys) in &plan.kinds {
            check_threshold(*kind, keys.threshold, keys.pems.len() as u64)?;
        }
        Ok(plan)
    }

    fn generate(
        &self,
        kinds: &[RoleKind],
        count: impl Fn(RoleKind) -> u64,
        threshold: impl Fn(RoleKind) -> u64,
    ) -> Result<KeyPlan, Error> {
        if let Some(name) = self.signers.keys().next() {
            return Err(Error::Keys(format!(
                "a program was given for {name}.pem, but the keys are made, and not read from a \
                 folder"
            )));
        }
        let of_kind = |&kind: &RoleKind| {
            let pems = (0..count(kind)).map(|_| SigningKey::generate_ed25519_pem());
            let pems = pems.collect::<Result<_, _>>()?;
            Ok((kind, KindKeys { pems, threshold: threshold(kind) }))
        };
        let kinds = kinds.iter().map(of_kind).collect::<Result<_, Error>>()?;
        Ok(KeyPlan { kinds, signers: BTreeMap::new() })
    }

    fn read(
        &self,
        folder: &Path,
        kinds: &[RoleKind],
        threshold: impl Fn(RoleKind) -> u64,
    ) -> Result<KeyPlan, Error> {
        if let Some((kind, _)) = self.counts.first_key_value() {
            return Err(Error::Keys(format!(
                "a number of {kind} keys was asked for, but the keys are read from {}",
                folder.display()
            )));
        }
        let empty = |&kind| (kind, KindKeys { pems: Vec::new(), threshold: threshold(kind) });
        let mut plan =
            KeyPlan { kinds: kinds.iter().map(empty).collect(), signers: BTreeMap::new() };
        let mut signers = self.signers.clone();
        for (path, text) in read_pems(folder)? {
            let stem = Path::new(&path).file_stem().and_then(|s| s.to_str()).unwrap_or_default();
            let name = stem.split_once('-').map_or(stem, |(name, _)| name);
            let kind: RoleKind =
                name.parse().map_err(|problem| Error::Keys(format!("{path}: {problem}")))?;
            let signer = signers.remove(stem);
            let Some(keys) = plan.kinds.get_mut(&kind) else { continue };
            let key = PemKey::parse(&text).map_err(|source| Error::Key { path, source })?;
            plan.signers.extend(signer.map(|signer| (key.public().id(), signer)));
            keys.pems.push(text);
        }
        let folder = folder.display();
        if let Some((kind, _)) = plan.kinds.iter().find(|(_, keys)| keys.pems.is_empty()) {
            return Err(Error::Keys(format!("{folder} has no key for {kind} ({kind}.pem)")));
        }
        if let Some(name) = signers.keys().next() {
            return Err(Error::Keys(format!("{folder} has no {name}.pem, which a program is for")));
        }
        Ok(plan)
    }
}

/// Refuses a threshold that so many keys can never reach.
pub(crate) fn check_threshold(kind: RoleKind, threshold: u64, count: u64) -> Result<(), Error> {
    if (1..=count).contains(&threshold) {
        return Ok(());
    }
    Err(Error::Keys(format!("{kind} has a threshold of {threshold} with {count} keys")))
}

impl KeyPlan {
    /// Every key's file name and PEM text, as [`KeyRequest::folder`] has them.
    pub(crate) fn files(&self) -> Result<Vec<(String, &str)>, Error> {
        let pems = self.kinds.iter();
        let pems = pems.flat_map(|(kind, keys)| keys.pems.iter().map(move |pem| (kind, pem)));
        pems.map(|(kind, pem)| {
            Ok((format!("{kind}-{}.pem", PemKey::parse(pem)?.public().id()), pem.as_str()))
        })
        .collect()
    }

    /// All keys that can sign.
    pub(crate) fn keyring(&self) -> Result<Keyring, Error> {
        let mut keyring = Keyring::default();
        for pem in self.kinds.values().flat_map(|keys| &keys.pems) {
            keyring.add(pem, &self.signers)?;
        }
        Ok(keyring)
    }

    /// The programs that sign for some of the keys.
    pub(crate) fn signers(&self) -> &BTreeMap<KeyId, SignerSettings> {
        &self.signers
    }

    /// The public keys and the threshold of one kind of role, sorted by key id.
    pub(crate) fn public(&self, kind: RoleKind) -> Result<(BTreeMap<KeyId, Key>, RoleKeys), Error> {
        let kind_keys = &self.kinds[&kind];
        let mut keys = BTreeMap::new();
        for pem in &kind_keys.pems {
            let key = PemKey::parse(pem)?;
            let id = key.public().id();
            if keys.insert(id.clone(), key.public().clone()).is_some() {
                return Err(Error::Keys(format!("{kind} has the key {id} twice")));
            }
        }
        let threshold = NonZeroU64::new(kind_keys.threshold).unwrap_or(NonZeroU64::MIN);
        let role = RoleKeys::new(keys.keys().cloned().collect(), threshold).map_err(Error::Keys)?;
        Ok((keys, role))
    }
}

/// A key in a PEM file: whole, or its public half.
enum PemKey {
    Private(SigningKey),
    Public(Key),
}

impl PemKey {
    fn parse(text: &str) -> Result<Self, KeyError> {
        match Key::from_public_pem(text) {
            Ok(key) => Ok(Self::Public(key)),
            Err(_) if text.contains("-----BEGIN PUBLIC KEY-----") => Err(KeyError::PublicPem),
            Err(_) => SigningKey::from_pem(text).map(Self::Private),
        }
    }

    fn public(&self) -> &Key {
        match self {
            Self::Private(key) => key.public(),
            Self::Public(key) => key,
        }
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
