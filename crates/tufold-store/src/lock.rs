//! One writer at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Error;

/// Held by the one writer; dropping it lets the next one in.
///
/// The lock file is empty while nobody holds it. One that is not was held by a writer that died.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct Lock {
    file: File,
    left: AtomicBool,
}

impl Lock {
    /// Whether a writer died with it, and nobody has cleared up behind that one yet.
    pub fn was_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    /// Notes that what the dead writer left half-done is cleared up.
    pub fn set_cleared(&self) {
        self.left.store(false, Ordering::Relaxed);
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if !self.was_left() {
            // If this fails, the next writer looks for what is not there.
            let _ = self.file.set_len(0);
        }
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
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(Error::io("lock", path)(source)),
    }
    let left = file.metadata().map_err(Error::io("open", path))?.len() > 0;
    if !left {
        file.set_len(1).map_err(Error::io("write", path))?;
    }
    Ok(Lock { file, left: AtomicBool::new(left) })
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
    fn a_writer_that_died_is_told_of_until_somebody_has_cleared_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!lock(&path).unwrap().was_left());
        assert!(!lock(&path).unwrap().was_left(), "given back");
        let dead = lock(&path).unwrap();
        let _ = dead.file.unlock();
        std::mem::forget(dead);
        for _ in 0..2 {
            assert!(lock(&path).unwrap().was_left());
        }
        lock(&path).unwrap().set_cleared();
        assert!(!lock(&path).unwrap().was_left());
    }

    #[test]
    fn names_the_file_it_cannot_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/lock");
        let error = lock(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot open {}", path.display()));
    }
}
