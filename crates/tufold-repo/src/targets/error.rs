//! What can be wrong with a list.

use std::io;
use std::path::PathBuf;

use tufold_meta::PathError;

use super::{Compression, MAX_LINE_BYTES};

/// Why a list cannot be read, imported or saved. Every message is complete: it names the file, the
/// line where there is one, and what the system said, which is therefore not a `source()` again.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A line of the list is wrong.
    #[error("{file}:{line}: {problem}")]
    Line {
        /// The list.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong there.
        problem: LineError,
    },
    /// The list has no byte, so its format cannot be told.
    #[error("{file}: the file is empty")]
    Empty {
        /// The list.
        file: String,
    },
    /// The compressed data is damaged or ends too early.
    #[error("{file}:{line}: the {compression} data is damaged or cut short: {error}")]
    Damaged {
        /// The list.
        file: String,
        /// The first line that could not be read.
        line: u64,
        /// The compression.
        compression: Compression,
        /// What the decompressor says.
        error: io::Error,
    },
    /// The system refused to read or write.
    #[error("{file}: {error}")]
    Io {
        /// The file or folder.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// A folder to import holds what is neither a regular file nor a folder.
    #[error("{}: {kind}; only regular files are targets", file.display())]
    NotAFile {
        /// The entry.
        file: PathBuf,
        /// What it is instead.
        kind: &'static str,
    },
    /// The name of a file to import cannot be a target path.
    #[error("{}: {reason}", file.display())]
    Name {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: NameError,
    },
    /// A file to import changed between two looks at it.
    #[error("{}: the file changed while it was being read", .0.display())]
    Changed(PathBuf),
}

/// Why the name of a file cannot be a target path.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NameError {
    /// The name is not UTF-8.
    #[error("the name is not UTF-8")]
    Utf8,
    /// The name is text, but no target path.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// What is wrong with one line. Values from the file are quoted, escaped and cut to a bearable
/// length.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LineError {
    /// The first line of a TSV file is not the header.
    #[error("the header is {found}, expected {expected:?}")]
    Header {
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// A TSV line has too few or too many columns.
    #[error("expected {expected} columns, found {found}")]
    Columns {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// A column or field holds what it may not.
    #[error("{name} is {found}, expected {expected}")]
    Value {
        /// The column or field.
        name: String,
        /// What stands there.
        found: String,
        /// What may.
        expected: &'static str,
    },
    /// The path is no target path.
    #[error("{reason}: {path}")]
    Path {
        /// The path.
        path: String,
        /// Why.
        reason: PathError,
    },
    /// A path is listed twice.
    #[error("{path} is listed already, on line {first}")]
    Duplicate {
        /// The path.
        path: String,
        /// The line that lists it first.
        first: u64,
    },
    /// The line is not UTF-8.
    #[error("the line is not UTF-8: {0}")]
    Utf8(String),
    /// The line is too long to be read.
    #[error("the line is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// The line is not the JSON object that was expected.
    #[error("{message}, at column {column}")]
    Json {
        /// What was found or expected.
        message: String,
        /// Where, in bytes from 1.
        column: usize,
    },
    /// The hashes of a target have no SHA-256.
    #[error("hashes has no sha256")]
    NoSha256,
    /// A stanza lacks a field.
    #[error("the stanza from line {start} has no {field}")]
    Stanza {
        /// Its first line.
        start: u64,
        /// The field.
        field: &'static str,
    },
    /// A field stands twice in a stanza.
    #[error("{0} stands twice in the stanza")]
    Repeated(&'static str),
    /// Two stanzas disagree about a file.
    #[error("{path} has another size or digest than on line {first}")]
    Conflict {
        /// The path.
        path: String,
        /// The line that names it first.
        first: u64,
    },
}

/// `bytes` in quotation marks, escaped, and cut after a hundred characters.
pub(super) fn quote(bytes: impl AsRef<[u8]>) -> String {
    const MAX_CHARS: usize = 100;
    let bytes = bytes.as_ref();
    // Four bytes hold any character, so the text that is shown is complete.
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_CHARS * 4)]);
    match text.char_indices().nth(MAX_CHARS) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}
