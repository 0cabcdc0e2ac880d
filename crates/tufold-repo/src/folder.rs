//! A folder that appears whole or not at all.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tufold_store::LiveDraft;

use crate::error::Error;

/// A folder that is being filled, but not yet at its place. Dropped, it leaves no trace.
pub(crate) struct FolderDraft {
    temporary: TempDir,
    place: PathBuf,
    _live: LiveDraft,
}

impl FolderDraft {
    /// Makes an empty folder beside `place`, where nothing may stand.
    pub(crate) fn beside(place: &Path) -> Result<Self, Error> {
        if place.symlink_metadata().is_ok() {
            return Err(Error::io("make", place)(io::ErrorKind::AlreadyExists.into()));
        }
        let folder = match place.parent() {
            Some(folder) if folder.as_os_str() != OsStr::new("") => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        // Like any new folder, and not for its owner alone as temporary ones are.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        // The kind alone: the error itself names the temporary folder, which nobody asked for.
        let temporary = builder
            .prefix(".tufold-")
            .tempdir_in(folder)
            .map_err(|error| Error::io("make", place)(error.kind().into()))?;
        let live = LiveDraft::new(temporary.path());
        Ok(Self { temporary, place: place.to_owned(), _live: live })
    }

    /// Where it is filled.
    pub(crate) fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Puts it at its place, in one step.
    pub(crate) fn commit(self) -> Result<(), Error> {
        std::fs::rename(self.temporary.path(), &self.place)
            .map_err(Error::io("make", &self.place))?;
        // It is no longer where it would be removed from.
        let _ = self.temporary.keep();
        Ok(())
    }
}
