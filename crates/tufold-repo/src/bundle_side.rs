//! The files of one side of a bundle, read when they are asked for.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tufold_meta::{Signed, Snapshot, Version};

use crate::bases::Bases;
use crate::deltas::RoleStep;
use crate::error::Error;

/// The version of each role that a snapshot lists.
pub(crate) type Versions = BTreeMap<String, Version>;

/// What a snapshot lists.
pub(crate) fn versions_of(snapshot: &Snapshot) -> Versions {
    let listed = snapshot.meta.iter();
    let role = listed.filter_map(|(name, file)| Some((name.strip_suffix(".json")?, file.version)));
    role.map(|(role, version)| (role.to_owned(), version)).collect()
}

/// The old or the new side of a bundle.
pub(crate) struct Side<'s> {
    bases: &'s Bases<'s>,
    /// The roles that are at hand.
    steps: &'s HashMap<&'s str, &'s RoleStep>,
    snapshot: &'s Signed<()>,
    versions: &'s Versions,
    most_bytes: u64,
    read_bytes: AtomicU64,
    gap: Mutex<Option<Gap>>,
}

/// Why a file was not given.
pub(crate) enum Gap {
    /// It is nowhere any more.
    Missing,
    /// So many bytes were read that the bundle would take too much memory.
    TooLarge,
    /// It could not be read.
    Failed(Error),
}

impl<'s> Side<'s> {
    /// Reads no more than so many bytes.
    pub(crate) fn new(
        bases: &'s Bases<'s>,
        steps: &'s HashMap<&'s str, &'s RoleStep>,
        snapshot: &'s Signed<()>,
        versions: &'s Versions,
        most_bytes: u64,
    ) -> Self {
        let (read_bytes, gap) = (AtomicU64::new(0), Mutex::new(None));
        Self { bases, steps, snapshot, versions, most_bytes, read_bytes, gap }
    }

    /// The file of a role, or of `snapshot`.
    pub(crate) fn file(&self, role: &str) -> Option<Cow<'s, [u8]>> {
        if role == "snapshot" {
            return Some(Cow::Borrowed(self.snapshot.bytes()));
        }
        let version = *self.versions.get(role)?;
        if let Some(file) = self.steps.get(role).and_then(|step| step.file(version)) {
            return Some(Cow::Borrowed(file.bytes()));
        }
        let gap = match self.bases.file(role, version) {
            Ok(Some(file)) => {
                let len_bytes = file.len() as u64;
                let before = self.read_bytes.fetch_add(len_bytes, Ordering::Relaxed);
                if before + len_bytes <= self.most_bytes {
                    return Some(Cow::Owned(file));
                }
                Gap::TooLarge
            }
            Ok(None) => Gap::Missing,
            Err(error) => Gap::Failed(error),
        };
        self.gap.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(gap);
        None
    }

    /// Why the first file was not given that was not.
    pub(crate) fn gap(&self) -> Option<Gap> {
        self.gap.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    use tufold_store::{MemoryStore, Store};

    use super::*;

    #[test]
    fn no_more_is_read_than_there_is_room_for() {
        let store = MemoryStore::default();
        for role in ["a", "b"] {
            store.create(&format!("metadata/1.{role}.json"), &[b'x'; 100]).unwrap();
        }
        let bases = Bases::new(&store, &store);
        let steps = HashMap::new();
        let snapshot = Signed::take_apart(br#"{"signatures":[],"signed":{}}"#.to_vec()).unwrap();
        let versions = ["a", "b", "c"].map(|role| (role.to_owned(), Version::FIRST)).into();
        for (most_bytes, given, gap) in
            [(200, [true, true, false], "missing"), (199, [true, false, false], "too large")]
        {
            let side = Side::new(&bases, &steps, &snapshot, &versions, most_bytes);
            assert!(side.file("snapshot").is_some() && side.file("of nobody").is_none());
            assert_eq!(["a", "b", "c"].map(|role| side.file(role).is_some()), given);
            let found = match side.gap() {
                None => "none",
                Some(Gap::Missing) => "missing",
                Some(Gap::TooLarge) => "too large",
                Some(Gap::Failed(_)) => "failed",
            };
            assert_eq!(found, gap);
        }
    }
}
