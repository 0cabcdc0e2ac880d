//! What can go wrong in a visit.

use std::path::PathBuf;

use tufold_meta::Mismatch;

use crate::fetch::FetchError;

/// Why a visit ended. What was trusted before is trusted still, and what was accepted on the way
/// stays.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A document breaks a rule of TUF. The repository's fault, or an attack.
    #[error(transparent)]
    Refused(#[from] tufold_meta::Error),
    /// A file that must be there cannot be fetched.
    #[error("{file} {why}")]
    Fetch {
        /// The file, below the source.
        file: String,
        /// What happened.
        why: FetchError,
    },
    /// A target file is not what its targets role lists.
    #[error("target file {path} {why}")]
    Target {
        /// The target path.
        path: String,
        /// What differs.
        why: Mismatch,
    },
    /// A target lists no hash that could be checked, so nothing of it can be trusted.
    #[error("target {path} has no hash of a known algorithm")]
    Unchecked {
        /// The target path.
        path: String,
    },
    /// The source cannot be used at all.
    #[error("{source_name} {why}")]
    Source {
        /// What the caller named.
        source_name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nothing is trusted yet, and no root was given.
    #[error("{} holds no root.json, so a root that is trusted already must be given", .cache.display())]
    NoRoot {
        /// The cache.
        cache: PathBuf,
    },
    /// The cache cannot be used: another client is at work in it, or the disk failed.
    #[error(transparent)]
    Cache(#[from] tufold_store::Error),
    /// A target file cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The roots that a mirror has to hold do not follow one another.
    #[error("{file} does not lead to the trusted root.json: {why}")]
    Roots {
        /// The first file that does not.
        file: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    pub(crate) fn missing(file: &str) -> Self {
        Self::Fetch { file: file.to_owned(), why: FetchError::Missing }
    }
}
