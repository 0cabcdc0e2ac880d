//! What can go wrong in a store.

use std::io;
use std::path::{Path, PathBuf};

/// Why a store refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's fault: see [`check_name`](crate::check_name) and
    /// [`check_prefix`](crate::check_prefix).
    #[error("{name:?} is not a name that a store accepts")]
    BadName {
        /// The name or prefix that was asked for.
        name: String,
    },

    /// The object is longer than the caller will read.
    #[error("{name} has {len_bytes} bytes, more than the limit of {max_len_bytes}")]
    TooLarge {
        /// Name of the object.
        name: String,
        /// Its length.
        len_bytes: u64,
        /// The caller's limit.
        max_len_bytes: u64,
    },

    /// Something stands in the store's place that the store would not make there, such as a
    /// symbolic link.
    #[error("{} is not a plain {expected}", .path.display())]
    Foreign {
        /// Where it stands.
        path: PathBuf,
        /// What belongs there: `file` or `folder`.
        expected: &'static str,
    },

    /// Another writer holds the lock.
    #[error("{} is locked by another writer", .path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },

    /// Another writer replaced the object after it was read here.
    #[error("{name} was changed by another writer after it was read")]
    Changed {
        /// Name of the object.
        name: String,
    },

    /// The machine's fault: the disk, the permissions, the network.
    #[error("cannot {action} {}", .path.display())]
    Io {
        /// What was tried, as a verb: `write`.
        action: &'static str,
        /// The file or folder; the object's name where there are no files.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: the failed `action` on `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
