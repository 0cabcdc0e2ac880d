//! The files of a folder as a list of targets.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA256};
use rayon::prelude::*;
use tufold_meta::{Digest, Hashes, TargetPath};

use super::error::NameError;
use super::read::plain_file;
use super::{ListError, Progress, Target, TargetList};

/// What is hashed at a time; each thread holds one buffer of this size.
const BUFFER_BYTES: usize = 256 << 10;

/// Hashes every file below `dir`. Paths are relative to it, with `/` between segments. Nothing is
/// passed over: a symbolic link, a device or a pipe is an error, since a client could not tell it
/// from the file that it may be tomorrow (`dir` itself may be a link). So is a file that changes
/// or vanishes while it is being read.
pub fn import_dir(dir: &Path, progress: Progress<'_>) -> Result<TargetList, ListError> {
    let mut files = Vec::new();
    walk(dir, "", &mut files)?;
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let done = AtomicU64::new(0);
    let rows = files.into_par_iter().map_init(
        || vec![0; BUFFER_BYTES],
        |buffer, found| {
            let target = found.hash(dir, buffer)?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(1024) {
                progress(done);
            }
            Ok(target)
        },
    );
    // Two names of one folder differ, so no path is there twice and the order is that of `files`.
    rows.collect::<Result<Vec<_>, _>>().map(TargetList)
}

/// A file as the walk saw it.
struct Found {
    path: TargetPath,
    look: Look,
}

/// What tells a file from the same one changed: its kind, length and time.
#[derive(Eq, PartialEq)]
struct Look {
    is_file: bool,
    length: u64,
    modified: SystemTime,
}

impl Look {
    fn at(metadata: &Metadata) -> io::Result<Self> {
        let (is_file, length) = (metadata.is_file(), metadata.len());
        Ok(Self { is_file, length, modified: metadata.modified()? })
    }
}

fn walk(dir: &Path, prefix: &str, files: &mut Vec<Found>) -> Result<(), ListError> {
    for entry in fs::read_dir(dir).map_err(io_error(dir))? {
        let entry = entry.map_err(io_error(dir))?;
        let file = entry.path();
        // Of the entry itself, not of what a link points to.
        let metadata = entry.metadata().map_err(io_error(&file))?;
        let name = match segment(&entry.file_name()) {
            Ok(name) => format!("{prefix}{name}"),
            Err(reason) => return Err(ListError::Name { file, reason }),
        };
        let kind = metadata.file_type();
        if kind.is_dir() {
            walk(&file, &format!("{name}/"), files)?;
        } else if kind.is_file() {
            let look = Look::at(&metadata).map_err(io_error(&file))?;
            let path = TargetPath::new(&name)
                .map_err(|reason| ListError::Name { file, reason: reason.into() })?;
            files.push(Found { path, look });
        } else {
            let kind = if kind.is_symlink() { "a symbolic link" } else { "a device or pipe" };
            return Err(ListError::NotAFile { file, kind });
        }
    }
    Ok(())
}

/// One name as text. Names of folders are checked too, so that the error shows the folder.
fn segment(name: &OsStr) -> Result<&str, NameError> {
    let name = name.to_str().ok_or(NameError::Utf8)?;
    TargetPath::new(name)?;
    Ok(name)
}

impl Found {
    fn hash(self, dir: &Path, buffer: &mut [u8]) -> Result<Target, ListError> {
        let file = dir.join(self.path.as_str());
        match self.try_hash(&file, buffer) {
            Ok(Some(target)) => Ok(target),
            Ok(None) => Err(ListError::Changed(file)),
            Err(error) => Err(io_error(&file)(error)),
        }
    }

    /// `None` if the file is not what the walk saw, before or after it is read.
    fn try_hash(self, file: &Path, buffer: &mut [u8]) -> io::Result<Option<Target>> {
        let mut open = File::open(file)?;
        if Look::at(&open.metadata()?)? != self.look {
            return Ok(None);
        }
        let mut context = Context::new(&SHA256);
        let mut length = 0;
        loop {
            match open.read(buffer) {
                Ok(0) => break,
                Ok(read) => {
                    context.update(&buffer[..read]);
                    length += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let unchanged = length == self.look.length
            && Look::at(&open.metadata()?)? == self.look
            && Look::at(&fs::symlink_metadata(file)?)? == self.look;
        if !unchanged {
            return Ok(None);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        let file = plain_file(length, Hashes::sha256_only(Digest::from_bytes(digest)));
        Ok(Some(Target { path: self.path, file }))
    }
}

fn io_error(file: &Path) -> impl FnOnce(io::Error) -> ListError {
    let file: PathBuf = file.to_owned();
    move |error| ListError::Io { file: file.display().to_string(), error }
}

#[cfg(test)]
mod tests;
