//! What to fetch, under which name and how much of it at most.

use crate::trusted::{Error, RoleChain, Standing, TrustedSet};
use crate::{TargetFile, Version, names};

/// How much a client takes from a repository. The default values are those of python-tuf.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The longest root.
    pub root_len_bytes: u64,
    /// The longest timestamp.
    pub timestamp_len_bytes: u64,
    /// The longest snapshot, where the timestamp does not list its length.
    pub snapshot_len_bytes: u64,
    /// The longest targets role, where the snapshot does not list its length.
    pub targets_len_bytes: u64,
    /// How many new roots one visit takes.
    pub max_root_rotations: u32,
    /// How many delegated roles one search looks into.
    pub max_delegations: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            root_len_bytes: 512_000,
            timestamp_len_bytes: 16_384,
            snapshot_len_bytes: 2_000_000,
            targets_len_bytes: 5_000_000,
            max_root_rotations: 256,
            max_delegations: 32,
        }
    }
}

/// A metadata file to fetch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// The name below the metadata folder, quoted for a URL.
    pub file_name: String,
    /// The version that it has to have; a timestamp may have any.
    pub version: Option<Version>,
    /// Nothing longer is to be read.
    pub max_len_bytes: u64,
}

impl TrustedSet {
    /// The next root (TUF 5.3.3). It is asked for until it is not there; `None` once this visit
    /// took as many as the limit allows.
    pub fn root_request(&self) -> Option<Request> {
        let version = Version::new(self.root.version.get().checked_add(1)?)?;
        (self.root_updates < self.limits.max_root_rotations).then(|| Request {
            file_name: names::versioned_file_name("root", version),
            version: Some(version),
            max_len_bytes: self.limits.root_len_bytes,
        })
    }

    /// The timestamp (TUF 5.4.1). An error if the chain of roots ended in an expired one.
    pub fn timestamp_request(&self) -> Result<Request, Error> {
        self.check_final_root()?;
        Ok(Request {
            file_name: names::file_name("timestamp"),
            version: None,
            max_len_bytes: self.limits.timestamp_len_bytes,
        })
    }

    /// The snapshot (TUF 5.5.1); `None` if the set holds the current one. An error if the timestamp
    /// is missing or has expired.
    pub fn snapshot_request(&self) -> Result<Option<Request>, Error> {
        let listed = &self.final_timestamp()?.snapshot;
        Ok((self.standing == Standing::Intermediate).then(|| {
            let limit = listed.length.unwrap_or(self.limits.snapshot_len_bytes);
            self.request("snapshot", listed.version, limit)
        }))
    }

    /// The targets role at the end of `chain` (TUF 5.6.1), whether the set holds it or not. An
    /// error if the current snapshot is missing or does not list the role.
    pub fn targets_request(&self, chain: &RoleChain) -> Result<Request, Error> {
        let listed = self.listed(chain.role())?;
        let limit = listed.length.unwrap_or(self.limits.targets_len_bytes);
        Ok(self.request(chain.role(), listed.version, limit))
    }

    /// The path of a target file below the targets' base URL (TUF 5.7.3): not quoted, since a
    /// target path is a URL path already. `None` if no hash is listed that could be checked.
    pub fn target_file_path(&self, path: &str, file: &TargetFile) -> Option<String> {
        let hex = file.hashes.hex_for_name()?;
        Some(names::target_file_path(path, self.is_consistent().then_some(hex.as_str())))
    }

    /// TUF 5.3.12: whether file names carry versions and hashes.
    fn is_consistent(&self) -> bool {
        self.root.consistent_snapshot == Some(true)
    }

    /// The name of the file of a snapshot or targets role: it carries the version if the trusted
    /// root says so (TUF 5.3.12).
    pub fn current_file_name(&self, role: &str, version: Version) -> String {
        if self.is_consistent() {
            names::versioned_file_name(role, version)
        } else {
            names::file_name(role)
        }
    }

    fn request(&self, role: &str, version: Version, max_len_bytes: u64) -> Request {
        let file_name = self.current_file_name(role, version);
        Request { file_name, version: Some(version), max_len_bytes }
    }
}
