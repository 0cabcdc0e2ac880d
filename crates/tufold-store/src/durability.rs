//! How files that were only written get to the disk.

use std::fs::File;
use std::path::Path;

use crate::Error;

/// What a directory store has created and not yet made durable, as this system can do it best.
#[cfg(target_os = "linux")]
pub(crate) type Unsynced = FileSystem;
/// What a directory store has created and not yet made durable, as this system can do it best.
#[cfg(not(target_os = "linux"))]
pub(crate) type Unsynced = Files;

/// Syncs the whole file system of a store at once.
///
/// File by file, 16,384 files take twenty times as long.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) struct FileSystem {
    /// Opened before anything is written: `syncfs` reports the writes that failed since then.
    root: File,
}

#[cfg(target_os = "linux")]
impl FileSystem {
    pub(crate) fn new(root: &Path) -> Result<Self, Error> {
        Ok(Self { root: File::open(root).map_err(Error::io("open", root))? })
    }

    /// Nothing to remember.
    pub(crate) fn add(&self, _file: &Path) {}

    pub(crate) fn sync(&self, root: &Path) -> Result<(), Error> {
        rustix::fs::syncfs(&self.root).map_err(|errno| Error::io("sync", root)(errno.into()))
    }
}

/// Syncs file by file, then every folder above them. Tested on Linux too, where nothing else uses
/// it.
#[cfg(any(test, not(target_os = "linux")))]
#[derive(Debug, Default)]
pub(crate) struct Files {
    files: std::sync::Mutex<Vec<std::path::PathBuf>>,
}

#[cfg(any(test, not(target_os = "linux")))]
impl Files {
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new(_root: &Path) -> Result<Self, Error> {
        Ok(Self::default())
    }

    pub(crate) fn add(&self, file: &Path) {
        self.lock().push(file.to_owned());
    }

    pub(crate) fn sync(&self, root: &Path) -> Result<(), Error> {
        // Held throughout, so that no other `sync` returns before these files are safe.
        let mut files = self.lock();
        let mut folders = std::collections::BTreeSet::new();
        for file in files.iter() {
            // Windows flushes only what is open for writing.
            match File::options().write(true).open(file) {
                Ok(open) => open.sync_all().map_err(Error::io("sync", file))?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("open", file)(error)),
            }
            folders.extend(folders_up_to(root, file));
        }
        folders.into_iter().try_for_each(sync_folder)?;
        files.clear();
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<std::path::PathBuf>> {
        self.files.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Every folder above `file`, innermost first, `root` the last.
pub(crate) fn folders_up_to<'a>(root: &'a Path, file: &'a Path) -> impl Iterator<Item = &'a Path> {
    file.ancestors().skip(1).take_while(move |folder| folder.starts_with(root))
}

/// Makes the names in `folder` durable. Only Unix has, and needs, such a thing.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> Result<(), Error> {
    let open = File::open(folder).map_err(Error::io("open", folder))?;
    open.sync_all().map_err(Error::io("sync", folder))
}

/// Makes the names in `folder` durable. Only Unix has, and needs, such a thing.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_folder: &Path) -> Result<(), Error> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syncs_files_and_folders_one_by_one() {
        let root = tempfile::tempdir().unwrap();
        let (kept, gone) = (root.path().join("a/b/kept"), root.path().join("a/gone"));
        std::fs::create_dir_all(root.path().join("a/b")).unwrap();
        std::fs::write(&kept, b"kept").unwrap();
        let files = Files::default();
        files.add(&kept);
        files.add(&gone);
        files.sync(root.path()).unwrap();
        assert!(files.lock().is_empty());
    }

    #[test]
    fn keeps_what_it_could_not_sync() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a");
        std::fs::create_dir(&folder).unwrap();
        let files = Files::default();
        files.add(&folder);
        assert!(files.sync(root.path()).is_err(), "a folder cannot be opened for writing");
        assert_eq!(*files.lock(), [folder]);
    }

    #[test]
    fn climbs_to_the_root_and_no_further() {
        let root = Path::new("/r/s");
        let folders: Vec<&Path> = folders_up_to(root, Path::new("/r/s/a/b/file")).collect();
        assert_eq!(folders, ["/r/s/a/b", "/r/s/a", "/r/s"].map(Path::new));
    }
}
