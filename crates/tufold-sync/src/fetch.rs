//! Where files come from.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

mod directory;
mod http;

pub use directory::Directory;
pub use http::Http;

use crate::Limits;

/// A place that holds files below one folder. Any number of threads may use it.
pub trait Fetch: Send + Sync {
    /// Opens the file at `path`, which is a URL path: quoted, relative, `/`-separated.
    ///
    /// # Errors
    /// [`FetchError`]; [`FetchError::Missing`] if there is no such file.
    fn open(&self, path: &str, accept: Accept) -> Result<Body, FetchError>;

    /// As [`Fetch::open`] for a file that can be done without: a source that may have to wait waits so
    /// long and no longer for each sign of life.
    ///
    /// # Errors
    /// As [`Fetch::open`]; [`FetchError::Slow`] if nothing came in time.
    fn open_within(&self, path: &str, accept: Accept, stall: Duration) -> Result<Body, FetchError> {
        let _no_source_waits_by_itself = stall;
        self.open(path, accept)
    }
}

/// In which forms a file may come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Accept {
    /// As it is.
    Identity,
    /// As it is, or compressed with zstd or gzip.
    Compressed,
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// By zstd (RFC 8878).
    Zstd,
    /// By gzip (RFC 1952).
    Gzip,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        })
    }
}

/// A file that is about to be read.
pub struct Body {
    /// How it is compressed.
    pub encoding: Encoding,
    /// Its bytes. An error that holds a [`FetchError`] is that one.
    pub reader: Box<dyn Read + Send>,
}

/// Why a file could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It is not there (status 403, 404 or 410, since stores of objects say 403).
    #[error("is not there")]
    Missing,
    /// It is longer than the limit.
    #[error("is longer than {max_len_bytes} bytes")]
    TooLong {
        /// The limit: the signed length, or the default one of its role.
        max_len_bytes: u64,
    },
    /// What came cannot be decompressed.
    #[error("cannot be decompressed as {encoding}: {why}")]
    Encoding {
        /// How it was said to be compressed.
        encoding: String,
        /// What is wrong with it.
        why: String,
    },
    /// The server answered with an error.
    #[error("was answered with status {0}")]
    Status(u16),
    /// The server sent the client round and round.
    #[error("was redirected more than {max} times")]
    Redirects {
        /// The limit.
        max: u32,
    },
    /// The redirect leads to nowhere that may be followed.
    #[error("was redirected from {from} to {to:?}, which is not followed")]
    Redirect {
        /// What sent the client there.
        from: String,
        /// Where to.
        to: String,
    },
    /// Too little came in the time.
    #[error("came too slowly: {read_len_bytes} bytes within {within:?}")]
    Slow {
        /// What was read until then.
        read_len_bytes: u64,
        /// In which time.
        within: Duration,
    },
    /// The visit took too long.
    #[error("was under way when the visit had taken {0:?}")]
    Visit(Duration),
    /// The connection failed. This alone is tried again.
    #[error("cannot be fetched: {0}")]
    Network(String),
    /// A folder's file cannot be read.
    #[error("cannot be read: {0}")]
    Io(io::Error),
}

impl FetchError {
    /// The error that a [`Body`]'s reader passed on.
    pub(crate) fn from_read(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Io)
    }

    /// For a reader to pass on.
    pub(crate) fn into_read(self) -> io::Error {
        io::Error::other(self)
    }
}

/// The files at `source`: a URL (`http://`, `https://`) or a folder.
///
/// # Errors
/// [`Error::Source`](crate::Error::Source).
pub fn open_source(source: &str, limits: &Limits) -> Result<Box<dyn Fetch>, crate::Error> {
    if source.starts_with("http://") || source.starts_with("https://") {
        return Ok(Box::new(Http::new(source, limits)?));
    }
    Ok(Box::new(Directory::open(Path::new(source))?))
}
