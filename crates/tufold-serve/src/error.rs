//! What can go wrong before a server serves.

use std::io;

/// Why a server could not begin.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder is none, or cannot be read.
    #[error(transparent)]
    Store(#[from] tufold_store::Error),
    /// The address is none, or is taken.
    #[error("cannot listen on {address}")]
    Listen {
        /// What was asked for.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("cannot use {path}: {why}")]
    Tls {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The system refused threads, or what they need.
    #[error("cannot start the server's threads")]
    Threads(#[source] io::Error),
}
