//! Lists out: to any writer, or to a file that appears whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use tufold_meta::{Digest, Hashes};
use tufold_store::LiveDraft;

use super::read::{CHANGES_HEADER, TARGETS_HEADER};
use super::{Change, ChangeList, Compression, ListError, Target, TargetList, json};

/// zstd's default: three quarters of a list is random hex, which no level makes smaller.
const ZSTD_LEVEL: i32 = 3;

/// The default of the xz tool.
const XZ_LEVEL: u32 = 6;

impl TargetList {
    /// Writes TSV, or JSON Lines if a target has more than a length and a SHA-256.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.rows().iter().all(fits_tsv) {
            return self.write_json_lines(out);
        }
        writeln!(out, "{TARGETS_HEADER}")?;
        self.rows().iter().try_for_each(|target| write_columns(out, "", target))
    }

    /// Writes JSON Lines. (An empty list has no line then, and [`read_targets`] refuses an empty
    /// file.) A target with a field that no list can hold is an error.
    ///
    /// [`read_targets`]: super::read_targets
    pub fn write_json_lines(&self, out: &mut dyn Write) -> io::Result<()> {
        self.rows().iter().try_for_each(|target| json::write_target(out, target))
    }
}

impl ChangeList {
    /// Writes TSV, or JSON Lines if a target has more than a length and a SHA-256.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let fits = |change: &Change| match change {
            Change::Put(target) => fits_tsv(target),
            Change::Remove(_) => true,
        };
        if !self.rows().iter().all(fits) {
            return self.write_json_lines(out);
        }
        writeln!(out, "{CHANGES_HEADER}")?;
        self.rows().iter().try_for_each(|change| match change {
            Change::Put(target) => write_columns(out, "put\t", target),
            Change::Remove(path) => writeln!(out, "remove\t{path}\t\t"),
        })
    }

    /// Writes JSON Lines. (An empty list has no line then, and [`read_changes`] refuses an empty
    /// file.) A target with a field that no list can hold is an error.
    ///
    /// [`read_changes`]: super::read_changes
    pub fn write_json_lines(&self, out: &mut dyn Write) -> io::Result<()> {
        self.rows().iter().try_for_each(|change| json::write_change(out, change))
    }
}

fn fits_tsv(target: &Target) -> bool {
    only_sha256(target).is_some()
}

/// The SHA-256 of a target that has nothing else beside its length.
fn only_sha256(Target { file, .. }: &Target) -> Option<Digest> {
    let sha256 = file.hashes.sha256()?;
    let alone = file.hashes == Hashes::sha256_only(sha256);
    (alone && file.custom.is_none() && file.extra.is_empty()).then_some(sha256)
}

pub(super) fn write_columns(out: &mut dyn Write, change: &str, target: &Target) -> io::Result<()> {
    let sha256 = only_sha256(target).ok_or(io::ErrorKind::InvalidInput)?;
    write!(out, "{change}{}\t{}\t", target.path, target.file.length)?;
    out.write_all(&sha256.to_hex())?;
    out.write_all(b"\n")
}

/// A file that is written, but not yet at its place. Dropped, it leaves no trace.
#[derive(Debug)]
pub struct Draft {
    /// The place as it was given, for errors.
    file: String,
    /// The bytes and the place; `None` if they went to a device.
    temporary: Option<(NamedTempFile, PathBuf)>,
    _live: Option<LiveDraft>,
}

impl Draft {
    /// Writes what is to stand at `path`, compressed as its name asks, to a temporary file in the
    /// same folder. A device or a pipe at `path` is written to at once.
    pub fn write(
        path: &Path,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Self, ListError> {
        let file = path.display().to_string();
        match temporary(path, write) {
            Ok(None) => Ok(Self { file, temporary: None, _live: None }),
            Ok(Some((written, place, live))) => {
                Ok(Self { file, temporary: Some((written, place)), _live: Some(live) })
            }
            Err(error) => Err(ListError::Io { file, error }),
        }
    }

    /// Puts the file at its place, in one step. What stood there is replaced.
    pub fn commit(self) -> Result<(), ListError> {
        let Some((file, place)) = self.temporary else {
            return Ok(());
        };
        match file.persist(place) {
            Ok(_) => Ok(()),
            Err(persist) => Err(ListError::Io { file: self.file, error: persist.error }),
        }
    }
}

fn temporary(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<Option<(NamedTempFile, PathBuf, LiveDraft)>> {
    let compression = Compression::of_name(path);
    // A link keeps standing; what it points to is replaced.
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match fs::metadata(&place) {
        Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if !found.is_file() => {
            let device = OpenOptions::new().write(true).open(&place)?;
            return compressed(&device, compression, write).map(|()| None);
        }
        _ => {}
    }
    let folder = match place.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    fs::metadata(folder)?;
    let mut builder = tempfile::Builder::new();
    // Like any new file, and not readable by its owner alone as temporary files are.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // The kind alone: the error itself names the temporary file, which nobody asked for.
    let file = builder.prefix(".tufold-").tempfile_in(folder).map_err(|error| error.kind())?;
    let live = LiveDraft::new(file.path());
    compressed(file.as_file(), compression, write)?;
    Ok(Some((file, place, live)))
}

fn compressed(
    file: &File,
    compression: Compression,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    match compression {
        Compression::Plain => buffered(file, write),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::default());
            buffered(&mut encoder, write)?;
            encoder.finish().map(drop)
        }
        Compression::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(file, ZSTD_LEVEL)?;
            buffered(&mut encoder, write)?;
            encoder.finish().map(drop)
        }
        Compression::Xz => {
            let mut encoder = liblzma::write::XzEncoder::new(file, XZ_LEVEL);
            buffered(&mut encoder, write)?;
            encoder.finish().map(drop)
        }
    }
}

/// Rows are written in small pieces; the sink sees large ones.
fn buffered(
    sink: impl Write,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, sink);
    write(&mut out)?;
    out.flush()
}

#[cfg(test)]
mod tests;
