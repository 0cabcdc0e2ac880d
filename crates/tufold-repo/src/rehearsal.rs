//! A store that keeps nothing, for dry runs: the same plan is signed and measured, nothing written.

use tufold_store::{Created, Entry, Error, Store};

/// Takes everything and keeps nothing.
pub(crate) struct Discard;

impl Store for Discard {
    fn get(&self, _name: &str, _max_len_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }

    fn create(&self, _name: &str, _bytes: &[u8]) -> Result<Created, Error> {
        Ok(Created::New)
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
