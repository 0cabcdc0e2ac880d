//! A store that keeps nothing, for dry runs: the same plan is signed and measured, nothing written.

use tufold_store::{Created, Entry, Error, Store};

use crate::repository::MAX_DOCUMENT_LEN_BYTES;

/// Takes everything and keeps nothing, but knows which names are taken already.
pub(crate) struct Discard<'s> {
    /// Where the files would go, if it is there.
    pub(crate) store: Option<&'s dyn Store>,
}

impl Store for Discard<'_> {
    fn get(&self, name: &str, max_len_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        self.store.map_or(Ok(None), |store| store.get(name, max_len_bytes))
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<Created, Error> {
        Ok(match self.get(name, MAX_DOCUMENT_LEN_BYTES)? {
            None => Created::New,
            Some(held) if held == bytes => Created::Identical,
            Some(_) => Created::Differs,
        })
    }

    fn replace(&self, _name: &str, _bytes: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn remove(&self, _name: &str) -> Result<(), Error> {
        Ok(())
    }

    fn list(&self, _prefix: &str) -> Result<Vec<Entry>, Error> {
        Ok(Vec::new())
    }

    fn sync(&self) -> Result<(), Error> {
        Ok(())
    }
}
