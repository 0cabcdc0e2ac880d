//! Documents whose signatures are being gathered.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tufold_meta::names::versioned_file_name;
use tufold_meta::{
    Digest, Key, KeyId, Role, RoleKeys, Root, Signature, Targets, assemble, canonical_parts,
};

use crate::error::Error;
use crate::keyring::Keyring;
use crate::rotate::Rotation;
use crate::settings::RoleKind;

/// A document that is not published yet, with the signatures that there are.
#[derive(Clone, Debug)]
pub(crate) struct Draft<R> {
    pub(crate) payload: R,
    pub(crate) canonical: Vec<u8>,
    pub(crate) signatures: Vec<Signature>,
}

/// A document that is to be signed, and who has signed it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct DocumentStatus {
    /// The metadata file that it becomes.
    pub file: String,
    /// Whose document it is.
    pub role: RoleKind,
    /// Its version.
    pub version: u64,
    /// When it expires.
    pub expires: tufold_meta::Time,
    /// The length of the bytes to be signed.
    pub length: u64,
    /// Their SHA-256.
    pub sha256: String,
    /// Every group of keys of which a threshold has to sign.
    pub quorums: Vec<Quorum>,
}

/// Keys of which so many have to sign.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Quorum {
    /// The document that names the keys: the newest root, or the one that follows it.
    pub named_by: String,
    /// How many have to sign.
    pub threshold: u64,
    /// How many have.
    pub signed: u64,
    /// The keys.
    pub keys: Vec<KeyStatus>,
}

/// One key that may sign.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct KeyStatus {
    /// Its id.
    pub keyid: String,
    /// How it signs.
    pub scheme: String,
    /// Whether its signature is there.
    pub signed: bool,
}

impl DocumentStatus {
    /// Whether every threshold is reached.
    pub fn is_ready(&self) -> bool {
        self.quorums.iter().all(|quorum| quorum.signed >= quorum.threshold)
    }
}

impl<R: Role> Draft<R> {
    pub(crate) fn new(payload: R) -> Self {
        let canonical = payload.to_canonical();
        Self { payload, canonical, signatures: Vec::new() }
    }

    /// Takes a file apart; its signatures may be too few.
    fn from_file(file: &[u8]) -> Result<Self, String> {
        let (canonical, signatures) = canonical_parts(file).map_err(|error| error.to_string())?;
        let payload = serde_json::from_slice(&tufold_meta::cjson::file_text(&canonical))
            .map_err(|error| error.to_string())?;
        Ok(Self { payload, canonical: canonical.into_owned(), signatures })
    }

    /// The file with the signatures so far.
    pub(crate) fn to_file(&self) -> Vec<u8> {
        assemble(&self.canonical, &self.signatures)
    }

    /// Whether the signature of this key is there, and good.
    fn is_signed_by(&self, id: &KeyId, key: &Key) -> bool {
        let of_key = self.signatures.iter().find(|signature| signature.keyid == *id);
        of_key.and_then(Signature::bytes).is_some_and(|bytes| self.verifies(key, &bytes))
    }

    /// Whether these bytes are the signature of the key.
    pub(crate) fn verifies(&self, key: &Key, signature: &[u8]) -> bool {
        key.verifier().is_some_and(|verifier| verifier.verifies(&self.canonical, signature))
    }

    /// Takes a signature in, in place of one of the same key.
    pub(crate) fn add(&mut self, signature: Signature) {
        self.signatures.retain(|other| other.keyid != signature.keyid);
        self.signatures.push(signature);
    }

    /// The signatures that are missing and can be made.
    pub(crate) fn missing(
        &self,
        role: RoleKind,
        groups: &[Group<'_>],
        keyring: &Keyring,
    ) -> Result<Vec<Signature>, Error> {
        let named = groups.iter().flat_map(|group| {
            let keys = group.role.keyids.iter();
            keys.filter_map(|id| Some((id, group.keys.get(id)?)))
        });
        let missing: BTreeSet<&KeyId> =
            named.filter(|(id, key)| !self.is_signed_by(id, key)).map(|(id, _)| id).collect();
        keyring.signatures(role.name(), missing, &self.canonical)
    }

    pub(crate) fn status(&self, role: RoleKind, groups: &[Group<'_>]) -> DocumentStatus {
        DocumentStatus {
            file: versioned_file_name(role.name(), self.payload.version()),
            role,
            version: self.payload.version().get(),
            expires: self.payload.expires(),
            length: self.canonical.len() as u64,
            sha256: Digest::of(&self.canonical).to_string(),
            quorums: groups.iter().map(|group| self.quorum(group)).collect(),
        }
    }

    fn quorum(&self, group: &Group<'_>) -> Quorum {
        let status = |id: &KeyId| {
            let key = group.keys.get(id);
            KeyStatus {
                keyid: id.to_string(),
                scheme: key.map_or_else(String::new, |key| key.scheme.clone()),
                signed: key.is_some_and(|key| self.is_signed_by(id, key)),
            }
        };
        let keys: Vec<_> = group.role.keyids.iter().map(status).collect();
        let signed = keys.iter().filter(|key| key.signed).count() as u64;
        let threshold = group.role.threshold.get();
        Quorum { named_by: group.named_by.clone(), threshold, signed, keys }
    }
}

/// Keys of which a threshold has to sign, and the document that says so.
#[derive(Clone, Debug)]
pub(crate) struct Group<'g> {
    pub(crate) named_by: String,
    pub(crate) keys: &'g BTreeMap<KeyId, Key>,
    pub(crate) role: &'g RoleKeys,
}

impl<'g> Group<'g> {
    /// The keys that `root` names for a role.
    pub(crate) fn of(root: &'g Root, role: RoleKind) -> Self {
        let named_by = versioned_file_name("root", root.version);
        Self { named_by, keys: &root.keys, role: &root.roles[role.name()] }
    }
}

/// `private/rotation.json`: the documents as metadata files, with the signatures so far.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RotationFile<'f> {
    roles: BTreeSet<RoleKind>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    root: Option<&'f RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    targets: Option<&'f RawValue>,
}

impl Rotation {
    /// The bytes of `private/rotation.json`.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let raw = |file: Vec<u8>| {
            let text = String::from_utf8(file).expect("JSON is UTF-8");
            RawValue::from_string(text).expect("a metadata file is JSON")
        };
        let root = self.root.as_ref().map(|draft| raw(draft.to_file()));
        let targets = self.targets.as_ref().map(|draft| raw(draft.to_file()));
        let file = RotationFile {
            roles: self.roles.clone(),
            root: root.as_deref(),
            targets: targets.as_deref(),
        };
        serde_json::to_vec(&file).expect("strings and raw JSON are JSON")
    }

    /// Reads `private/rotation.json`. The error says what is wrong with it.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let file: RotationFile<'_> =
            serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let root: Option<Draft<Root>> =
            file.root.map(|raw| Draft::from_file(raw.get().as_bytes())).transpose()?;
        let targets: Option<Draft<Targets>> =
            file.targets.map(|raw| Draft::from_file(raw.get().as_bytes())).transpose()?;
        Ok(Self { roles: file.roles, root, targets, keys: None })
    }
}
