//! A store in a folder.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use crate::durability::{Unsynced, folders_up_to, sync_folder};
use crate::name::{folder_of, folders_above, is_good_segment};
use crate::{Created, Entry, Error, Store, check_name, check_prefix};

/// Objects as plain files below one folder, each under its own name.
///
/// Nothing below the root is followed out of it: a symbolic link is [`Error::Foreign`] where a
/// folder or an object is expected, [`Store::replace`] and [`Store::remove`] act on a link and
/// never on what it points to, and [`Store::list`] passes over whatever is no plain file. This
/// guards against what stands in the tree, not against someone who swaps folders for links while a
/// call runs: whoever can do that can write the files anyway.
///
/// [`Store::create`] costs three system calls: open, write, close. [`Store::sync`] is one `syncfs`
/// on Linux, so the whole store must lie on one file system; elsewhere it syncs file by file. [`Store::sync_and_replace`] is that
/// `syncfs`, a rename and one `fsync` of a folder.
///
/// A crash within [`Store::replace`] can leave a file whose name begins with `.tmp-`, which is no
/// object; [`DirectoryStore::remove_temporary`] removes it.
#[derive(Debug)]
pub struct DirectoryStore {
    root: PathBuf,
    access: Access,
    /// Folders that were made or checked; they are not looked at again.
    known_folders: RwLock<HashSet<String>>,
    /// Shared by every `create` between opening its file and closing it. Taken alone to wait for
    /// them.
    creating: RwLock<()>,
    unsynced: Unsynced,
}

/// Who may read what the store makes.
#[derive(Clone, Copy, Debug)]
enum Access {
    /// Whoever the umask lets.
    Shared,
    /// The owner: folders have mode 0700 and files 0600.
    Private,
}

/// What stands at a path.
enum Found {
    Nothing,
    Folder,
    File(Metadata),
}

impl DirectoryStore {
    /// The store in the folder `root`, which must exist.
    ///
    /// # Errors
    /// [`Error::Io`] when it does not, or is no folder.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::new(root.into(), Access::Shared)
    }

    /// As [`DirectoryStore::open`], and makes the folder, and those above it, if it is missing.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(root: impl Into<PathBuf>) -> Result<Self, Error> {
        let root = root.into();
        fs::create_dir_all(&root).map_err(Error::io("make", &root))?;
        Self::new(root, Access::Shared)
    }

    /// As [`DirectoryStore::open`]; on Unix, only the owner can read what this store makes (folders
    /// 0700, files 0600).
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open_private(root: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::new(root.into(), Access::Private)
    }

    /// As [`DirectoryStore::open_private`], and makes the folder if it is missing. If it exists, it
    /// is closed to all but its owner.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create_private(root: impl Into<PathBuf>) -> Result<Self, Error> {
        let root = root.into();
        if let Some(above) = root.parent() {
            fs::create_dir_all(above).map_err(Error::io("make", above))?;
        }
        match Access::Private.make_folder(&root) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => close_to_others(&root)?,
            Err(error) => return Err(Error::io("make", &root)(error)),
        }
        Self::new(root, Access::Private)
    }

    /// The folder that holds the objects.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens an object for reading, for whoever wants less than the whole of it; `None` if there is none. What
    /// replaces the object later does not change what is read here.
    ///
    /// # Errors
    /// As [`Store::get`], but never [`Error::TooLarge`].
    pub fn open_file(&self, name: &str) -> Result<Option<(File, Metadata)>, Error> {
        check_name(name)?;
        if !self.has_folders(name)? {
            return Ok(None);
        }
        let path = self.path(name);
        // Nearly always it is a plain file; what else it is tells a second look.
        if let Ok(file) = open_plain(&path)
            && let Ok(metadata) = file.metadata()
            && metadata.is_file()
        {
            return Ok(Some((file, metadata)));
        }
        let Found::File(_) = find(&path, "file")? else { return Ok(None) };
        let Some(file) = unless_gone(open_plain(&path)).map_err(Error::io("open", &path))? else {
            return Ok(None);
        };
        let metadata = file.metadata().map_err(Error::io("open", &path))?;
        Ok(Some((file, metadata)))
    }

    /// Removes what crashed calls of [`Store::replace`] left in the folder `prefix`, not in those
    /// below it. The caller makes sure that no other writer is at work.
    ///
    /// # Errors
    /// As [`Store::list`] and [`Store::remove`].
    pub fn remove_temporary(&self, prefix: &str) -> Result<(), Error> {
        check_prefix(prefix)?;
        let folder = self.path(prefix);
        let failed = |error| Error::io("list", &folder)(error);
        if !self.has_folders(prefix)? {
            return Ok(());
        }
        for item in fs::read_dir(&folder).map_err(failed)? {
            let item = item.map_err(failed)?;
            if item.file_name().to_string_lossy().starts_with(crate::name::TEMPORARY_PREFIX) {
                let path = item.path();
                unless_gone(fs::remove_file(&path)).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }

    /// As [`Store::replace`], for what can be made anew: a machine that restarts may see it damaged, or not at all.
    ///
    /// # Errors
    /// As [`Store::replace`].
    pub fn replace_unsynced(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.write_temporary(name, bytes)?
            .persist(self.path(name))
            .map(drop)
            .map_err(|error| Error::io("replace", &self.path(name))(error.error))
    }

    /// Writes the bytes that a name is to have, under another one. Dropped, it is removed.
    fn write_temporary(&self, name: &str, bytes: &[u8]) -> Result<tempfile::NamedTempFile, Error> {
        check_name(name)?;
        self.make_folders(name)?;
        let folder = self.path(folder_of(name));
        let mut temporary =
            self.access.temporary_in(&folder).map_err(Error::io("write in", &folder))?;
        temporary.write_all(bytes).map_err(Error::io("write", &self.path(name)))?;
        Ok(temporary)
    }

    fn new(root: PathBuf, access: Access) -> Result<Self, Error> {
        // Reading it tells a folder from a file, and whether it is there at all.
        fs::read_dir(&root).map_err(Error::io("open", &root))?;
        let unsynced = Unsynced::new(&root)?;
        let known_folders = RwLock::new(HashSet::from([String::new()]));
        Ok(Self { root, access, known_folders, creating: RwLock::new(()), unsynced })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Whether every folder above `name` is there, or was.
    fn has_folders(&self, name: &str) -> Result<bool, Error> {
        if self.knows_folder(name) {
            return Ok(true);
        }
        for folder in folders_above(name) {
            let path = self.path(folder);
            match find(&path, "folder")? {
                Found::Folder => {}
                Found::Nothing | Found::File(_) => return Ok(false),
            }
        }
        self.set_known(name);
        Ok(true)
    }

    fn knows_folder(&self, name: &str) -> bool {
        let known = self.known_folders.read().unwrap_or_else(PoisonError::into_inner);
        known.contains(folder_of(name))
    }

    fn set_known(&self, name: &str) {
        let mut known = self.known_folders.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(folder_of(name).to_owned());
    }

    /// Makes every folder above `name` that is missing.
    fn make_folders(&self, name: &str) -> Result<(), Error> {
        for folder in folders_above(name) {
            let path = self.path(folder);
            if matches!(find(&path, "folder")?, Found::Folder) {
                continue;
            }
            let made = self.access.make_folder(&path);
            // Another thread may have been first; a file may be in the way.
            if made.is_err() && !matches!(find(&path, "folder")?, Found::Folder) {
                made.map_err(Error::io("make", &path))?;
            }
        }
        Ok(())
    }

    /// Makes the folders above `name` unless an earlier call did.
    fn make_folders_once(&self, name: &str) -> Result<(), Error> {
        if !self.knows_folder(name) {
            self.make_folders(name)?;
            self.set_known(name);
        }
        Ok(())
    }

    /// Opens a file that was not there before; `None` if something is.
    fn open_new(&self, name: &str, path: &Path) -> Result<Option<File>, Error> {
        self.make_folders_once(name)?;
        let mut opened = self.access.open_new(path);
        if opened.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            // A folder was removed since it was made.
            self.make_folders(name)?;
            opened = self.access.open_new(path);
        }
        match opened {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(Error::io("create", path)(error)),
        }
    }

    fn create_file(&self, name: &str, path: &Path, bytes: &[u8]) -> Result<Created, Error> {
        loop {
            let creating = self.creating.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(file) = self.open_new(name, path)? {
                fill(file, path, |file| file.write_all(bytes))?;
                return Ok(Created::New);
            }
            drop(creating);
            if holds(path, bytes)? == Some(true) {
                return Ok(Created::Identical);
            }
            // Another thread may be half-way through writing it, or about to fail and remove it.
            drop(self.creating.write().unwrap_or_else(PoisonError::into_inner));
            match holds(path, bytes)? {
                Some(true) => return Ok(Created::Identical),
                Some(false) => return Ok(Created::Differs),
                None => {}
            }
        }
    }

    fn list_folder(
        &self,
        folder: &Path,
        prefix: &str,
        entries: &mut Vec<Entry>,
    ) -> Result<(), Error> {
        let failed = |error| Error::io("list", folder)(error);
        // What vanishes meanwhile was removed by another writer, and is not listed.
        let Some(found) = unless_gone(fs::read_dir(folder)).map_err(failed)? else {
            return Ok(());
        };
        for item in found {
            let item = item.map_err(failed)?;
            let segment = item.file_name();
            let Some(segment) = segment.to_str().filter(|segment| is_good_segment(segment)) else {
                continue;
            };
            let name = format!("{prefix}{segment}");
            let kind = item.file_type().map_err(failed)?;
            if kind.is_dir() {
                self.list_folder(&item.path(), &format!("{name}/"), entries)?;
            } else if kind.is_file()
                && let Some(metadata) = unless_gone(item.metadata()).map_err(failed)?
            {
                entries.push(Entry { name, len_bytes: metadata.len() });
            }
        }
        Ok(())
    }
}

impl Store for DirectoryStore {
    fn get(&self, name: &str, max_len_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        let Some((mut file, metadata)) = self.open_file(name)? else { return Ok(None) };
        let too_large =
            |len_bytes| Error::TooLarge { name: name.to_owned(), len_bytes, max_len_bytes };
        if metadata.len() > max_len_bytes {
            return Err(too_large(metadata.len()));
        }
        let bytes = read_whole(&mut file, metadata.len(), max_len_bytes);
        let bytes = bytes.map_err(Error::io("read", &self.path(name)))?;
        let len_bytes = bytes.len() as u64;
        if len_bytes > max_len_bytes { Err(too_large(len_bytes)) } else { Ok(Some(bytes)) }
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<Created, Error> {
        check_name(name)?;
        let path = self.path(name);
        let created = self.create_file(name, &path, bytes)?;
        // Identical bytes may be those of a writer that died before it could sync them.
        self.unsynced.add(&path);
        Ok(created)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let temporary = self.write_temporary(name, bytes)?;
        let path = self.path(name);
        temporary.as_file().sync_all().map_err(Error::io("sync", &path))?;
        temporary.persist(&path).map_err(|error| Error::io("replace", &path)(error.error))?;
        folders_up_to(&self.root, &path).try_for_each(sync_folder)
    }

    fn sync_and_replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let temporary = self.write_temporary(name, bytes)?;
        let path = self.path(name);
        // The one sync brings these bytes to the disk as well, and the folders above them.
        self.unsynced.add(temporary.path());
        self.unsynced.sync(&self.root)?;
        temporary.persist(&path).map_err(|error| Error::io("replace", &path)(error.error))?;
        folders_up_to(&self.root, &path).take(1).try_for_each(sync_folder)
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        check_name(name)?;
        let path = self.path(name);
        if !self.has_folders(name)? {
            return Ok(());
        }
        match unless_gone(fs::remove_file(&path)) {
            Ok(_) => Ok(()),
            // A folder is no object, so there is nothing to remove.
            Err(_) if matches!(find(&path, "file"), Ok(Found::Folder)) => Ok(()),
            Err(error) => Err(Error::io("remove", &path)(error)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        check_prefix(prefix)?;
        let mut entries = Vec::new();
        // With its closing slash, a prefix has its own folder among those above it.
        if self.has_folders(prefix)? {
            self.list_folder(&self.path(prefix), prefix, &mut entries)?;
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn sync(&self) -> Result<(), Error> {
        self.unsynced.sync(&self.root)
    }
}

impl Access {
    fn make_folder(self, path: &Path) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        if let Self::Private = self {
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        }
        builder.create(path)
    }

    fn open_new(self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, self.file_mode());
        options.write(true).create_new(true).open(path)
    }

    fn temporary_in(self, folder: &Path) -> io::Result<tempfile::NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(OsStr::new(crate::name::TEMPORARY_PREFIX));
        #[cfg(unix)]
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(self.file_mode());
        #[cfg(unix)]
        builder.permissions(permissions);
        builder.tempfile_in(folder)
    }

    #[cfg(unix)]
    fn file_mode(self) -> u32 {
        match self {
            Self::Shared => 0o666,
            Self::Private => 0o600,
        }
    }
}

#[cfg(unix)]
fn close_to_others(folder: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(folder).map_err(Error::io("open", folder))?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    fs::set_permissions(folder, PermissionsExt::from_mode(mode & 0o700))
        .map_err(Error::io("close to others", folder))
}

#[cfg(not(unix))]
fn close_to_others(_folder: &Path) -> Result<(), Error> {
    Ok(())
}

/// Looks at `path` without following a link.
fn find(path: &Path, expected: &'static str) -> Result<Found, Error> {
    match unless_gone(fs::symlink_metadata(path)).map_err(Error::io("open", path))? {
        None => Ok(Found::Nothing),
        Some(metadata) if metadata.is_dir() => Ok(Found::Folder),
        Some(metadata) if metadata.is_file() => Ok(Found::File(metadata)),
        Some(_) => Err(Error::Foreign { path: path.to_owned(), expected }),
    }
}

/// Whether the file at `path` holds exactly `bytes`; `None` if there is no file.
fn holds(path: &Path, bytes: &[u8]) -> Result<Option<bool>, Error> {
    match find(path, "file")? {
        Found::Nothing => Ok(None),
        Found::Folder => Err(Error::Foreign { path: path.to_owned(), expected: "file" }),
        Found::File(metadata) if metadata.len() != bytes.len() as u64 => Ok(Some(false)),
        Found::File(_) => {
            let Some(file) = unless_gone(open_plain(path)).map_err(Error::io("open", path))? else {
                return Ok(None);
            };
            let mut held = Vec::with_capacity(bytes.len());
            file.take(bytes.len() as u64 + 1)
                .read_to_end(&mut held)
                .map_err(Error::io("read", path))?;
            Ok(Some(held == bytes))
        }
    }
}

/// The bytes of a file of this length, at most one more than so many: whoever has it open may still be writing it.
fn read_whole(file: &mut File, len_bytes: u64, max_len_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len_bytes).map_err(io::Error::other)? + 1];
    // One call, since a plain file gives less than was asked for only at its end.
    let read = loop {
        match file.read(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => break result?,
        }
    };
    let is_whole = read < bytes.len();
    bytes.truncate(read);
    if !is_whole {
        let left = max_len_bytes.saturating_add(1).saturating_sub(read as u64);
        file.take(left).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Opens what is to be a plain file; neither follows a link nor waits for what is none.
fn open_plain(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = flags.bits().cast_signed();
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags);
    }
    options.read(true).open(path)
}

/// Writes a file that was just begun, and removes it again if that fails.
fn fill(
    mut file: File,
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), Error> {
    let written = write(&mut file);
    drop(file);
    written.map_err(|error| {
        // The write is what failed and what is reported; if this fails as well, no more can be
        // done.
        let _ = fs::remove_file(path);
        Error::io("write", path)(error)
    })
}

/// `None` for what is not there, or was not there any more.
fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
