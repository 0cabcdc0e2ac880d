//! Signatures from elsewhere: what is to be signed goes out as files, and signatures come back as
//! files.
//!
//! ```text
//! manifest.json        which documents there are, who is to sign them, and who has
//! 2.root.signed        the exact bytes to be signed, of one document
//! <key id>.sig         a signature, raw or in hex (2.root.<key id>.sig if there are several documents)
//! <any>.json           the same as {"keyid": ..., "sig": ... in hex}
//! ```

use std::path::Path;

use serde::{Deserialize, Serialize};
use tufold_meta::{Key, KeyId, Signature};
use tufold_store::{DirectoryStore, Store};

use super::draft::{DocumentStatus, Draft, Group};
use super::{Rotation, Rotator};
use crate::error::Error;
use crate::settings::RoleKind;
use crate::signer::read_signature;

const MANIFEST: &str = "manifest.json";
/// A file with a signature is small.
const MAX_LEN_BYTES: u64 = 64 << 10;

/// What an import found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Imported {
    /// Signatures that were not there.
    pub new: u64,
    /// Signatures that were there already.
    pub known: u64,
}

#[derive(Serialize)]
struct Manifest<'m> {
    documents: Vec<ExportedDocument<'m>>,
}

#[derive(Serialize)]
struct ExportedDocument<'m> {
    /// The file with the bytes to be signed.
    to_sign: String,
    #[serde(flatten)]
    status: &'m DocumentStatus,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureFile {
    keyid: KeyId,
    sig: String,
}

impl Rotator {
    /// Writes what is to be signed into `folder`, which is made if it is missing. Keep the rotation
    /// before, or its signatures will fit nothing.
    pub fn export(&self, rotation: &Rotation, folder: &Path) -> Result<Vec<DocumentStatus>, Error> {
        let documents = self.documents(rotation)?;
        let store = DirectoryStore::create(folder)?;
        let mut manifest = Manifest { documents: Vec::new() };
        for status in &documents {
            let bytes = match (status.role, &rotation.root, &rotation.targets) {
                (RoleKind::Root, Some(draft), _) => &draft.canonical,
                (_, _, Some(draft)) => &draft.canonical,
                _ => continue,
            };
            let to_sign = to_sign(status);
            store.replace(&to_sign, bytes)?;
            manifest.documents.push(ExportedDocument { to_sign, status });
        }
        let mut bytes = serde_json::to_vec_pretty(&manifest).expect("strings and numbers are JSON");
        bytes.push(b'\n');
        store.replace(MANIFEST, &bytes)?;
        Ok(documents)
    }

    /// Takes the signatures of `folder` into the rotation. Each must be right, and wanted.
    pub fn import(&self, rotation: &mut Rotation, folder: &Path) -> Result<Imported, Error> {
        let store = DirectoryStore::open(folder)?;
        let mut imported = Imported::default();
        let mut taken: Vec<(RoleKind, Signature)> = Vec::new();
        let documents = self.documents(rotation)?;
        for entry in store.list("")? {
            let is_signature = match entry.name.rsplit_once('.') {
                Some((_, "sig")) => true,
                Some((_, "json")) => entry.name != MANIFEST,
                _ => false,
            };
            if !is_signature || entry.name.contains('/') {
                continue;
            }
            let path = folder.join(&entry.name).display().to_string();
            let Some(bytes) = store.get(&entry.name, MAX_LEN_BYTES)? else { continue };
            let (id, bytes) = parse(&entry.name, bytes)
                .map_err(|problem| Error::Rotation(format!("{path} {problem}")))?;
            let wanted: Vec<&DocumentStatus> = documents.iter().filter(|d| wants(d, &id)).collect();
            if wanted.is_empty() {
                return Err(Error::Rotation(format!(
                    "{path} is of the key {id}, which signs no document of this rotation"
                )));
            }
            let fitting = wanted.iter().find_map(|status| {
                let signature = self.fit(rotation, status.role, &id, &bytes)?;
                Some((*status, signature))
            });
            let Some((status, signature)) = fitting else {
                let files: Vec<_> = wanted.iter().map(|status| to_sign(status)).collect();
                return Err(Error::Rotation(format!(
                    "{path} is no signature of the key {id} over {}",
                    files.join(" or ")
                )));
            };
            if has(status, &id) {
                imported.known += 1;
            } else {
                imported.new += 1;
                taken.push((status.role, signature));
            }
        }
        if imported == Imported::default() {
            let problem = "holds no signature: no <key id>.sig and no .json but the manifest";
            return Err(Error::Rotation(format!("{} {problem}", folder.display())));
        }
        for (role, signature) in taken {
            rotation.add(role, vec![signature]);
        }
        Ok(imported)
    }

    /// The signature, if it is this key's over the document of `role`.
    fn fit(
        &self,
        rotation: &Rotation,
        role: RoleKind,
        id: &KeyId,
        bytes: &[u8],
    ) -> Option<Signature> {
        let raw = match (role, &rotation.root, &rotation.targets) {
            (RoleKind::Root, Some(draft), _) => fit(draft, &self.root_groups(draft), id, bytes),
            (_, _, Some(draft)) => fit(draft, &self.targets_groups(rotation).ok()?, id, bytes),
            _ => None,
        }?;
        let sig = data_encoding::HEXLOWER.encode(&raw);
        Some(Signature { keyid: id.clone(), sig, extra: Default::default() })
    }
}

fn fit<R: tufold_meta::Role>(
    draft: &Draft<R>,
    groups: &[Group<'_>],
    id: &KeyId,
    bytes: &[u8],
) -> Option<Vec<u8>> {
    let key: &Key = groups.iter().find_map(|group| group.keys.get(id))?;
    read_signature(bytes, |raw| draft.verifies(key, raw))
}

/// Whose signature a file holds, and what may be it.
fn parse(name: &str, bytes: Vec<u8>) -> Result<(KeyId, Vec<u8>), String> {
    if name.ends_with(".json") || bytes.trim_ascii_start().starts_with(b"{\"") {
        let file: SignatureFile = serde_json::from_slice(&bytes)
            .map_err(|error| format!("is not an object of keyid and sig: {error}"))?;
        return Ok((file.keyid, file.sig.into_bytes()));
    }
    let stem = name.strip_suffix(".sig").unwrap_or(name);
    let id = stem.rsplit_once('.').map_or(stem, |(_, id)| id);
    Ok((KeyId::from(id.to_owned()), bytes))
}

/// The name of the file with the bytes to be signed.
fn to_sign(status: &DocumentStatus) -> String {
    format!("{}.{}.signed", status.version, status.role)
}

fn wants(status: &DocumentStatus, id: &KeyId) -> bool {
    status.quorums.iter().any(|q| q.keys.iter().any(|key| key.keyid == id.as_str()))
}

fn has(status: &DocumentStatus, id: &KeyId) -> bool {
    status.quorums.iter().any(|q| q.keys.iter().any(|key| key.keyid == id.as_str() && key.signed))
}
