//! Whether published names keep their contents and versions never go back.

use std::collections::BTreeMap;
use std::path::Path;

use tufold_meta::Digest;
use tufold_meta::names::parse_versioned_file_name;

/// Every name that a metadata folder ever held, and what it held.
#[derive(Debug, Default)]
pub struct Ledger {
    names: BTreeMap<String, Digest>,
    timestamp: u64,
}

impl Ledger {
    /// Notes every file of `metadata`. A web cache that fetched each of them at this moment must
    /// never be wrong later.
    ///
    /// # Panics
    /// If a name has other contents than before, or the timestamp an older version.
    pub fn note(&mut self, metadata: &Path) {
        for (name, bytes) in files(metadata) {
            if name == "timestamp.json" {
                let version = timestamp_version(&bytes);
                assert!(version >= self.timestamp, "timestamp.json went back to {version}");
                self.timestamp = version;
            } else if parse_versioned_file_name(&name).is_some() {
                let digest = Digest::of(&bytes);
                let before = *self.names.entry(name.clone()).or_insert(digest);
                assert!(before == digest, "{name} has other bytes than before");
            }
        }
    }

    /// Notes objects that are listed now: each is what it was whenever it was listed before.
    ///
    /// # Panics
    /// If a name has other contents than before.
    pub fn note_objects<'o>(
        &mut self,
        objects: impl IntoIterator<Item = (&'o String, &'o Vec<u8>)>,
    ) {
        for (name, bytes) in objects {
            let digest = Digest::of(bytes);
            let before = *self.names.entry(name.clone()).or_insert(digest);
            assert!(before == digest, "{name} has other bytes than before");
        }
    }

    /// How many names there were.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether nothing was noted yet.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// The files of a folder by name, without those of folders in it; none if there is no such folder.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeMap::new() };
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name()?.to_str().expect("names are ASCII").to_owned();
        path.is_file().then(|| (name, std::fs::read(&path).expect("a readable file")))
    };
    entries.filter_map(read).collect()
}

/// The version of a document that nobody verified: good enough for a ledger.
fn timestamp_version(bytes: &[u8]) -> u64 {
    let file: serde_json::Value = serde_json::from_slice(bytes).expect("a timestamp");
    file["signed"]["version"].as_u64().expect("a version")
}
