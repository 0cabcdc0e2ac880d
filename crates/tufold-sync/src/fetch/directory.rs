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
        let opened = File::open(&path).and_then(|file| Ok((fs::metadata(&path)?, file)));
        match opened {
            // Opening a pipe or a device could wait for ever.
            Ok((metadata, _)) if !metadata.is_file() => Err(FetchError::Missing),
            Ok((_, file)) => Ok(Body { encoding: Encoding::Identity, reader: Box::new(file) }),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Err(FetchError::Missing)
            }
            Err(error) => Err(FetchError::Io(error)),
        }
    }
}
