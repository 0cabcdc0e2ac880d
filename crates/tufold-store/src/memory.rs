//! A store in memory: for tests, simulations and what need not outlive the process.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{Created, Entry, Error, Store, check_name, check_prefix};

type Objects = BTreeMap<String, Vec<u8>>;

/// Objects in memory. `replace` and `sync` are as durable as the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    objects: RwLock<Objects>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    // No method panics while it holds the lock half-way through a change, so poison means nothing
    // here.
    fn read(&self) -> RwLockReadGuard<'_, Objects> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Objects> {
        self.objects.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn get(&self, name: &str, max_len_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        check_name(name)?;
        let objects = self.read();
        let Some(bytes) = objects.get(name) else { return Ok(None) };
        let len_bytes = bytes.len() as u64;
        if len_bytes > max_len_bytes {
            return Err(Error::TooLarge { name: name.to_owned(), len_bytes, max_len_bytes });
        }
        Ok(Some(bytes.clone()))
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<Created, Error> {
        check_name(name)?;
        Ok(match self.write().entry(name.to_owned()) {
            Slot::Vacant(slot) => {
                slot.insert(bytes.to_vec());
                Created::New
            }
            Slot::Occupied(slot) if slot.get() == bytes => Created::Identical,
            Slot::Occupied(_) => Created::Differs,
        })
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        check_name(name)?;
        self.write().insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        check_name(name)?;
        self.write().remove(name);
        Ok(())
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        check_prefix(prefix)?;
        Ok(self
            .read()
            .range(prefix.to_owned()..)
            .take_while(|(name, _)| name.starts_with(prefix))
            .map(|(name, bytes)| Entry { name: name.clone(), len_bytes: bytes.len() as u64 })
            .collect())
    }

    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_conforms() {
        crate::conformance::check_store(MemoryStore::new);
    }
}
