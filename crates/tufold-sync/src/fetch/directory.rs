//! Files in a folder.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::fetch::{Accept, Body, Encoding, Fetch, FetchError};

/// A folder as a source, for a repository on this machine or on a mounted disk.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The files below `root`.
    ///
    /// # Errors
    /// [`Error::Source`] if it is no folder.
    pub fn open(root: &Path) -> Result<Self, Error> {
        if root.is_dir() {
            return Ok(Self { root: root.to_owned() });
        }
        Err(Error::Source { source_name: root.display().to_string(), why: "is no folder".into() })
    }
}

impl Fetch for Directory {
    fn open(&self, path: &str, _accept: Accept) -> Result<Body, FetchError> {
        // A URL path that names a file below the folder. What is quoted stays as it is: a
        // repository's files carry the quoted names.
        if tufold_store::check_name(path).is_err() {
            return Err(FetchError::Missing);
        }
        let path = self.root.join(path);
        // Opening a pipe would wait for whoever writes to it.
        let opened = fs::metadata(&path)
            .and_then(|metadata| metadata.is_file().then(|| File::open(&path)).transpose());
        match opened {
            Ok(None) => Err(FetchError::Missing),
            Ok(Some(file)) => Ok(Body { encoding: Encoding::Identity, reader: Box::new(file) }),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Err(FetchError::Missing)
            }
            Err(error) => Err(FetchError::Io(error)),
        }
    }
}
