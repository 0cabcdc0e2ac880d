//! One writer at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::Error;

/// Held by the one writer; dropping it lets the next one in.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that another thread is just starting holds a
        // copy until it runs its own program. If this fails, closing is all that can be done.
        let _ = self.file.unlock();
    }
}

/// Takes the lock file at `path`, which is made if it is missing and stays when the lock is
/// released.
///
/// The system releases the lock of a process that dies, so no stale lock is ever in the way.
///
/// # Errors
/// [`Error::Locked`], at once, while somebody else holds it, this process included.
pub fn lock(path: &Path) -> Result<Lock, Error> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(Error::io("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { file }),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(Error::io("lock", path)(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_one_writer_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = lock(&path).unwrap();
        let refused = lock(&path).unwrap_err();
        assert!(matches!(&refused, Error::Locked { path: named } if *named == path));
        assert_eq!(refused.to_string(), format!("{} is locked by another writer", path.display()));
        drop(held);
        assert!(path.exists());
        let _held = lock(&path).unwrap();
    }

    #[test]
    fn a_copy_of_the_file_does_not_keep_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = lock(&path).unwrap();
        let _copy = held.file.try_clone().unwrap();
        drop(held);
        let _held = lock(&path).unwrap();
    }

    #[test]
    fn names_the_file_it_cannot_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/lock");
        let error = lock(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot open {}", path.display()));
    }
}
