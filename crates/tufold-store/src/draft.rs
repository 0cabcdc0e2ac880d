//! Temporary files and folders that a signal must not leave behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The temporary files and folders of all drafts, for a process that a signal ends.
static LIVE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Says that the file or folder at a path is temporary, for as long as this is held.
#[derive(Debug)]
#[must_use = "it counts as temporary until this is dropped"]
pub struct LiveDraft(PathBuf);

impl LiveDraft {
    /// What is at `path` is temporary.
    pub fn new(path: &Path) -> Self {
        LIVE.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for LiveDraft {
    fn drop(&mut self) {
        LIVE.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Removes the temporary files and folders of all drafts of this process. To be called where the process ends
/// without unwinding, as on Ctrl-C; no draft can be committed any more.
pub fn discard_drafts() {
    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    for path in std::mem::take(&mut *live) {
        // Gone already, or beyond help.
        let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    }
}
