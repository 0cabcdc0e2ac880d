//! A source that counts what it sends, and what lies in a repository.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::Compression;
use flate2::write::GzEncoder;
use tufold_meta::names::parse_versioned_file_name;
use tufold_sync::{Accept, Body, Encoding, Fetch, FetchError};

use crate::Error;
use crate::cost::StorageCost;
use crate::predict::limits::Documents;

/// A folder behind a server that compresses with gzip.
pub(super) struct Metered {
    pub(super) folder: PathBuf,
    pub(super) sent: Arc<Sent>,
}

/// What was sent: each file's path, its length, and its length in gzip.
#[derive(Default)]
pub(super) struct Sent(Mutex<Vec<(String, u64, u64)>>);

impl Sent {
    pub(super) fn files(&self) -> Vec<(String, u64, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Fetch for Metered {
    fn open(&self, path: &str, _accept: Accept) -> Result<Body, FetchError> {
        let file = match std::fs::read(self.folder.join(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(FetchError::Missing);
            }
            Err(error) => return Err(FetchError::Io(error)),
        };
        let gzip = gzip(&file).map_err(FetchError::Io)?;
        let row = (path.to_owned(), file.len() as u64, gzip.len() as u64);
        self.sent.0.lock().unwrap_or_else(PoisonError::into_inner).push(row);
        Ok(Body { encoding: Encoding::Gzip, reader: Box::new(Cursor::new(gzip)) })
    }
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// The length of some bytes in gzip (level 6, as servers have it).
pub(crate) fn gzip_len(bytes: &[u8]) -> u64 {
    gzip(bytes).map_or(0, |bytes| bytes.len() as u64)
}

/// Milliseconds of CPU time that the process has used; 0 where the system does not say.
pub(super) fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<f64> = after_name.split_whitespace().filter_map(|f| f.parse().ok()).collect();
    // The state is no number; user and system time are fields 14 and 15 of all, in hundredths of a second.
    fields.get(10..12).map_or(0.0, |times| 10.0 * (times[0] + times[1]))
}

/// What lies in `public`: the newest version of each document and all deltas; and the longest documents.
pub(super) fn storage(public: &Path) -> Result<(StorageCost, Documents), Error> {
    let folder = public.join("metadata");
    let mut newest: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
        let entry = entry.map_err(Error::io("read", &folder))?;
        let len = entry.metadata().map_err(Error::io("read", &entry.path()))?.len();
        let name = entry.file_name().to_string_lossy().into_owned();
        let (version, role) = match parse_versioned_file_name(&name) {
            Some((version, role)) => (version.get(), role),
            None => (1, name),
        };
        let held = newest.entry(role).or_insert((version, len));
        if version > held.0 {
            *held = (version, len);
        }
    }
    let of = |role: &str| newest.get(role).map_or(0.0, |(_, len)| *len as f64);
    let is_leaf =
        |role: &str| !["root", "snapshot", "targets", "bins", "timestamp.json"].contains(&role);
    let leaves = newest.iter().filter(|(role, _)| is_leaf(role)).map(|(_, (_, len))| *len);
    let all: u64 =
        newest.iter().filter(|(role, _)| *role != "root").map(|(_, (_, len))| *len).sum();
    let documents = Documents {
        snapshot: of("snapshot"),
        targets: of("targets"),
        bins: of("bins"),
        leaf: leaves.max().unwrap_or(0) as f64,
    };
    let delta_bytes = folder_bytes(&public.join("deltas"))? as f64;
    Ok((StorageCost { current_bytes: all as f64, delta_bytes }, documents))
}

fn folder_bytes(folder: &Path) -> Result<u64, Error> {
    let mut sum = 0;
    if !folder.exists() {
        return Ok(0);
    }
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let metadata = entry.metadata().map_err(Error::io("read", &entry.path()))?;
        sum += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}
