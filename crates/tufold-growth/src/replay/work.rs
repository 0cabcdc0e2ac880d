//! The folder of replays: gone at their end, and whoever is killed leaves it to the next replay to remove.

use std::path::Path;

use tempfile::TempDir;
use tufold_store::{Lock, lock};

use crate::Error;

const PREFIX: &str = "tufold-replay-";
const LOCK: &str = "lock";

/// A folder with a lock that its process holds, removed when it is dropped.
#[derive(Debug)]
pub struct Work {
    // Fields are dropped in this order: the lock lies in the folder.
    _lock: Lock,
    folder: TempDir,
}

impl Work {
    /// A new folder in `parent`. Those of replays that were killed are removed there.
    pub fn new(parent: &Path) -> Result<Self, Error> {
        remove_stale(parent);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent);
        let folder = folder.map_err(Error::io("make a folder in", parent))?;
        let lock = lock(&folder.path().join(LOCK))?;
        Ok(Self { _lock: lock, folder })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// What cannot be removed now stays for the next time.
fn remove_stale(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let file = entry.path().join(LOCK);
        // Without a lock file another replay may be about to make it.
        if is_ours && file.is_file() && lock(&file).is_ok() {
            let _kept = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_replay_left_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = parent.path().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let (killed, other, begun) =
            (folder("tufold-replay-dead"), folder("else"), folder("tufold-replay-begun"));
        std::fs::write(killed.join(LOCK), "").unwrap();
        std::fs::create_dir(killed.join("repo")).unwrap();
        std::fs::write(other.join(LOCK), "").unwrap();
        let first = Work::new(parent.path()).unwrap();
        assert!(!killed.exists() && other.exists() && begun.exists());
        let second = Work::new(parent.path()).unwrap();
        assert!(first.path().exists() && second.path().exists());
        let path = second.path().to_owned();
        drop(second);
        assert!(!path.exists() && first.path().exists());
    }
}
