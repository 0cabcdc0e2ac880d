//! What can go wrong, by whose fault it is.

use std::path::{Path, PathBuf};

/// An error of the growth model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A scenario, rates or checkpoint file is not of its form. The problem names the key and the line.
    #[error("{file}: {problem}")]
    Form {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A figure of a scenario cannot be.
    #[error("{file}: line {line}: {key} is {value}, not {expected}")]
    Value {
        /// The file.
        file: String,
        /// The line of the figure, or of the table that lacks it.
        line: usize,
        /// The key of the figure.
        key: String,
        /// Its value.
        value: String,
        /// What would do.
        expected: &'static str,
    },
    /// No scenario of this name comes with tufold, and there is no such file.
    #[error("`{name}` is neither a file nor one of the scenarios {known}")]
    UnknownScenario {
        /// What was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// An explorer was asked for what no slider has.
    #[error("{name} is {value:?}, not {expected}")]
    Query {
        /// The name in the query.
        name: String,
        /// Its value.
        value: String,
        /// What would do.
        expected: String,
    },
    /// No layout is written so.
    #[error("`{text}` is no layout: {problem}")]
    Layout {
        /// What was asked for.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No rates were measured for paths of this shape.
    #[error("no codec rates are known for {0}; measure them with `tufold grow --measure-rates`")]
    NoRates(String),
    /// The system gave no randomness for a key.
    #[error("no key can be made for the lengths of documents")]
    NoKey,
    /// A layout that cannot be replayed or that nothing fits.
    #[error("nothing fits: {0}")]
    Nothing(String),
    /// A file cannot be read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The publisher failed.
    #[error(transparent)]
    Publisher(#[from] tufold_repo::Error),
    /// The client failed.
    #[error(transparent)]
    Client(#[from] tufold_sync::Error),
    /// The store of a replay failed.
    #[error(transparent)]
    Store(#[from] tufold_store::Error),
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}
