//! Numbers that no document was published under, because what an interrupted publish left has their names.
//!
//! Readers' ways go by arithmetic, so they lead over such a number like over any other. It therefore stands for the version
//! before it: the edges that lead to it are there, and lead to that document once more; and later edges that start at it start
//! there. Nobody was told of the number, so nobody has asked for an edge to it, and what is left under its name may go.

use std::collections::HashMap;
use std::sync::PoisonError;

use tufold_meta::names::DeltaName;
use tufold_meta::{KeyId, Signed, Version};

use super::{DeltaWriter, Names, NewSnapshot, WrittenFiles};
use crate::error::Error;

impl DeltaWriter<'_> {
    /// Writes the edges of a role, or of the snapshot, that lead to the numbers between its published version and the new one.
    pub(super) fn bridge(
        &self,
        role: &str,
        (published, to): (Version, Version),
        keyids: &[KeyId],
    ) -> Result<(), Error> {
        let Some(file) = self.spent_file(role, published, to)? else { return Ok(()) };
        for number in between(published, to) {
            let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
            spent.insert((role.to_owned(), number), file.bytes().to_vec());
            drop(spent);
            for from in self.starts(role, number) {
                let name = match role {
                    "snapshot" => DeltaName::Snapshot { from: Some(from), to: number },
                    role => DeltaName::Role { role: role.to_owned(), from, to: number },
                };
                if let Some(base) = self.base(role, from)? {
                    let object = self.object(&name, Some(&base), &file, keyids)?;
                    self.create_over(&name, &object)?;
                }
            }
        }
        Ok(())
    }

    /// The same of the bundles for mirrors.
    pub(super) fn bridge_mirror(&self, published: Version, to: Version) -> Result<(), Error> {
        let Some(file) = self.spent_file("snapshot", published, to)? else { return Ok(()) };
        let Some(state) = self.old_snapshot(published)? else { return Ok(()) };
        for version in between(published, to) {
            let (versions, steps) = (state.versions.clone(), HashMap::new());
            let new = NewSnapshot { version, file: &file, versions, steps };
            for from in self.starts("snapshot", version) {
                let Some(old) = self.old_snapshot(from)? else { continue };
                if let Some(bundle) = self.bundle(&old, &new)? {
                    self.create_over(&DeltaName::Mirror { from, to: version }, &bundle)?;
                }
            }
        }
        Ok(())
    }

    /// What the numbers between these versions stand for; `None` if there are none.
    fn spent_file(
        &self,
        role: &str,
        published: Version,
        to: Version,
    ) -> Result<Option<Signed<()>>, Error> {
        if published.next() >= to { Ok(None) } else { self.base(role, published) }
    }

    /// A delta to a number that nobody was told of.
    fn create_over(&self, name: &DeltaName, bytes: &[u8]) -> Result<(), Error> {
        if self.create(name, bytes)? == Names::Taken {
            self.store.remove(&name.path())?;
            self.store.create(&name.path(), bytes)?;
        }
        Ok(())
    }

    /// Keeps what the spent numbers stand for: after the timestamp, for then no publish can take them up.
    pub(crate) fn keep_spent(&self) -> Result<(), Error> {
        if self.written == WrittenFiles::Gone {
            return Ok(());
        }
        let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent
            .iter()
            .try_for_each(|((role, number), file)| self.bases.keep_spent(role, *number, file))
    }
}

fn between(published: Version, to: Version) -> impl Iterator<Item = Version> {
    (published.get() + 1..to.get()).filter_map(Version::new)
}
