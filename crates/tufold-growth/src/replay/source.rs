//! A source that counts what it sends, and what lies in a repository.

use std::collections::{BTreeMap, HashMap};
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
pub(super) struct Shelf {
    folder: PathBuf,
    /// Lengths and bodies of what was asked for, while they fit.
    held: Mutex<(HashMap<String, Arc<Answer>>, usize)>,
}

/// How many bytes of bodies a shelf holds.
const HELD_BYTES: usize = 128 << 20;

/// zstd's level at servers that compress while they send.
const ZSTD_LEVEL: i32 = 3;

/// A file as it is sent.
struct Answer {
    body: Vec<u8>,
    sent: Sent,
}

/// Bytes that were sent, or would have been.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) plain: u64,
    pub(super) gzip: u64,
    pub(super) zstd: u64,
}

/// One visitor's connection to the shelf.
pub(super) struct Metered {
    shelf: Arc<Shelf>,
    sent: Arc<Mutex<Sent>>,
}

impl Shelf {
    pub(super) fn new(folder: PathBuf) -> Arc<Self> {
        Arc::new(Self { folder, held: Mutex::default() })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn answer(&self, path: &str) -> Result<Arc<Answer>, FetchError> {
        // The timestamp is replaced from publish to publish; all else never changes.
        let is_fixed = !path.ends_with("/timestamp.json");
        let held = || self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = held().0.get(path).filter(|_| is_fixed) {
            return Ok(answer.clone());
        }
        let file = match std::fs::read(self.folder.join(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(FetchError::Missing);
            }
            Err(error) => return Err(FetchError::Io(error)),
        };
        let body = gzip(&file).map_err(FetchError::Io)?;
        let (plain, gzip) = (file.len() as u64, body.len() as u64);
        let sent = Sent { plain, gzip, zstd: zstd_len(&file) };
        let answer = Arc::new(Answer { body, sent });
        let mut held = held();
        if is_fixed && held.1 + answer.body.len() <= HELD_BYTES {
            held.1 += answer.body.len();
            held.0.insert(path.to_owned(), answer.clone());
        }
        Ok(answer)
    }
}

impl Metered {
    pub(super) fn of(shelf: &Arc<Shelf>) -> Self {
        Self { shelf: shelf.clone(), sent: Arc::default() }
    }

    pub(super) fn sent(&self) -> Arc<Mutex<Sent>> {
        self.sent.clone()
    }
}

impl Fetch for Metered {
    fn open(&self, path: &str, accept: Accept) -> Result<Body, FetchError> {
        if accept == Accept::Identity {
            // Deltas, and nothing else.
            let file = std::fs::File::open(self.shelf.folder.join(path));
            return match file {
                Ok(file) => Ok(Body { encoding: Encoding::Identity, reader: Box::new(file) }),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    Err(FetchError::Missing)
                }
                Err(error) => Err(FetchError::Io(error)),
            };
        }
        let answer = self.shelf.answer(path)?;
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.plain += answer.sent.plain;
        sent.gzip += answer.sent.gzip;
        sent.zstd += answer.sent.zstd;
        let reader = Box::new(Cursor::new(Held(answer)));
        Ok(Body { encoding: Encoding::Gzip, reader })
    }
}

/// A body that several visitors read.
struct Held(Arc<Answer>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0.body
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

/// The same in zstd (level 3).
pub(crate) fn zstd_len(bytes: &[u8]) -> u64 {
    zstd::bulk::compress(bytes, ZSTD_LEVEL).map_or(0, |bytes| bytes.len() as u64)
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
