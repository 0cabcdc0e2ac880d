//! The chain of roots in a mirror: its own clients may start from an older one.

use tufold_meta::names::versioned_file_name;
use tufold_meta::{Request, TrustedSet, Version};

use crate::Error;
use crate::mirror::Sync;

impl Sync<'_> {
    /// Holds the trusted root and, downwards, every older one that leads to the next, as many as a
    /// client follows in a visit.
    pub(super) fn roots(&self) -> Result<(), Error> {
        let root = self.set().root();
        let mut newer = root.bytes().to_vec();
        self.keep(&versioned_file_name("root", root.version), &newer)?;
        let limits = self.set().limits();
        let older = (1..root.version.get()).rev().filter_map(Version::new);
        for version in older.take(limits.max_root_rotations as usize) {
            let file_name = versioned_file_name("root", version);
            let max_len_bytes = limits.root_len_bytes;
            let request = Request { file_name, version: Some(version), max_len_bytes };
            let Some(bytes) = self.root_before(&request, &newer)? else { break };
            newer = bytes;
        }
        Ok(())
    }

    /// The root of `request`, which leads to `newer`; `None` if nobody has it any more.
    fn root_before(&self, request: &Request, newer: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        if let Some(bytes) = self.held(&request.file_name, request.max_len_bytes)?
            && self.check_leads(&bytes, newer).is_ok()
        {
            return Ok(Some(bytes));
        }
        self.visit.documents.count_round_trips(1);
        let Some(bytes) = self.visit.documents.fetch(request)? else { return Ok(None) };
        self.check_leads(&bytes, newer).map_err(|why| Error::Roots {
            file: request.file_name.clone(),
            why: why.to_string(),
        })?;
        self.keep(&request.file_name, &bytes)?;
        Ok(Some(bytes))
    }

    /// TUF 5.3.4 and 5.3.5, as a client that trusts `older` would check.
    fn check_leads(&self, older: &[u8], newer: &[u8]) -> Result<(), tufold_meta::Error> {
        let mut set = TrustedSet::new(older.to_vec(), self.set().now())?;
        set.update_root(newer.to_vec()).map(drop)
    }
}
