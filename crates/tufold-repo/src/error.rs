//! What can go wrong for a publisher.

use std::path::Path;

use crate::layout::LayoutError;

/// Why a command of the publisher failed. Nothing that clients see has changed then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed, or another publisher holds the lock.
    #[error(transparent)]
    Store(#[from] tufold_store::Error),
    /// A private file could not be read or written.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is a repository already.
    #[error("{0} is a repository already")]
    Exists(String),
    /// There is no repository.
    #[error("{0} is not a repository: it has no {1}")]
    NotARepository(String, String),
    /// The layout is not possible.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// `settings.toml` is not what it should be.
    #[error("{path}: {problem}")]
    Settings {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A key file is not a private key that tufold can use.
    #[error("cannot use the key {path}")]
    Key {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: tufold_meta::KeyError,
    },
    /// The keys do not make a working set.
    #[error("{0}")]
    Keys(String),
    /// The crypto library failed.
    #[error(transparent)]
    Crypto(#[from] tufold_meta::KeyError),
    /// A delta could not be made.
    #[error(transparent)]
    Delta(#[from] tufold_delta::Error),
    /// A bundle could not be made or used.
    #[error(transparent)]
    Bundle(#[from] tufold_meta::BundleError),
    /// Too few private keys are at hand.
    #[error("{role} needs {threshold} signatures and {held} of its private keys are at hand")]
    MissingKeys {
        /// Which role.
        role: String,
        /// How many keys are there.
        held: usize,
        /// How many are needed.
        threshold: u64,
    },
    /// A program that is to sign did not.
    #[error("{program} did not sign {role}: {problem}")]
    Signer {
        /// The command.
        program: String,
        /// What it was to sign.
        role: String,
        /// What went wrong.
        problem: String,
    },
    /// A document has to be signed again before it expires, by keys that are not at hand.
    #[error(
        "{role} expires at {expires} and too few of its keys are at hand; have it signed with \
         `{command}`"
    )]
    Offline {
        /// Which role.
        role: String,
        /// When clients refuse it.
        expires: tufold_meta::Time,
        /// What to run.
        command: String,
    },
    /// A rotation is under way, or cannot be done as it was asked for.
    #[error("{0}")]
    Rotation(String),
    /// A published document is missing, damaged or not signed by its role's keys.
    #[error("{file} {problem}")]
    Damaged {
        /// The document.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The list of targets cannot be read or sorted.
    #[error(transparent)]
    List(#[from] crate::targets::ListError),
    /// One document would hold more targets than memory allows.
    #[error(
        "{role} would list {targets} targets and take about {needed} to make, more than the {allowed} of --memory; choose \
         more bins, a form with bins, or more memory"
    )]
    Memory {
        /// Which document.
        role: String,
        /// How many targets it would hold.
        targets: u64,
        /// What making it takes, estimated.
        needed: crate::memory::Memory,
        /// What may be taken.
        allowed: crate::memory::Memory,
    },
    /// A change does not fit what is published.
    #[error("{path}: {problem}")]
    Change {
        /// The target path, or the role.
        path: String,
        /// Why.
        problem: String,
    },
}

impl Error {
    /// Wraps an error of the system with what was tried on which file.
    pub(crate) fn io<'p>(
        action: &'static str,
        path: &'p Path,
    ) -> impl FnOnce(std::io::Error) -> Self + 'p {
        move |source| Self::Io { action, path: path.display().to_string(), source }
    }

    pub(crate) fn damaged(file: &str, problem: impl std::fmt::Display) -> Self {
        Self::Damaged { file: file.to_owned(), problem: problem.to_string() }
    }
}
