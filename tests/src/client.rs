//! A client of the published files, over the workflow of `tufold-meta`.

use std::path::{Path, PathBuf};

use tufold_meta::names::versioned_file_name;
use tufold_meta::{
    Error, RoleChain, Source, Step, TargetFile, TargetSearch, Time, TrustedSet, Version,
};

/// One visit of a client that knows nothing but the first root.
pub struct Visitor {
    metadata: PathBuf,
    set: TrustedSet,
}

impl Visitor {
    /// Refreshes from the folder `metadata` at `now`.
    pub fn refresh(metadata: &Path, now: Time) -> Result<Self, Error> {
        let read = |name: &str| std::fs::read(metadata.join(name)).ok();
        let first = read(&versioned_file_name("root", Version::FIRST)).unwrap_or_default();
        let mut set = TrustedSet::new(first, now)?;
        while let Some(bytes) = set.root_request().and_then(|request| read(&request.file_name)) {
            set.update_root(bytes)?;
        }
        let fetch = |name: &str| read(name).unwrap_or_default();
        set.update_timestamp(fetch(&set.timestamp_request()?.file_name), Source::Fetched)?;
        if let Some(request) = set.snapshot_request()? {
            set.update_snapshot(fetch(&request.file_name), Source::Fetched)?;
        }
        let top = set.targets_request(&RoleChain::top())?;
        set.update_targets(fetch(&top.file_name))?;
        Ok(Self { metadata: metadata.to_owned(), set })
    }

    /// What the repository says of the target at `path`.
    pub fn find(&mut self, path: &str) -> Result<Option<TargetFile>, Error> {
        let mut search = TargetSearch::new(path);
        loop {
            match search.step(&self.set)? {
                Step::Found { file, .. } => return Ok(Some(file)),
                Step::NotFound { .. } => return Ok(None),
                Step::Needs { chain, request } => {
                    let bytes = std::fs::read(self.metadata.join(request.file_name));
                    self.set.update_delegated(&chain, bytes.unwrap_or_default())?;
                }
            }
        }
    }

    /// The version of the snapshot.
    pub fn snapshot_version(&self) -> u64 {
        self.set.snapshot().map_or(0, |snapshot| snapshot.version().get())
    }

    /// The version of the timestamp.
    pub fn timestamp_version(&self) -> u64 {
        self.set.timestamp().map_or(0, |timestamp| timestamp.version.get())
    }
}
