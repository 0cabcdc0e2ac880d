//! What no publisher can leave out, done with plain system calls, the same threads and the same disk as the publisher beside it.
//!
//! In every floor but that of a check: each document is signed (two passes of SHA-512), written as a file that was not there, the
//! snapshot is hashed for the timestamp, one `syncfs` makes the files durable, and the timestamp is synced and renamed. What
//! differs is what comes before it. Nothing is parsed, sorted, serialised or compared: the documents are in memory when the
//! clock starts.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use tufold_meta::names::parse_versioned_file_name;
use tufold_meta::{Digest, SigningKey, Verifier};

const TIMESTAMP: &str = "timestamp.json";

/// A metadata file.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its name in `metadata/`.
    pub name: String,
    /// The name of the version before it, if there is one.
    before: Option<String>,
    bytes: Vec<u8>,
}

/// The files of a publish, the timestamp among them.
#[derive(Clone, Debug)]
pub struct Documents(Vec<Document>);

impl Documents {
    /// All files in `metadata/` of the served folder `public`.
    pub fn of(public: &Path) -> Self {
        Self::but(public, &Self(Vec::new()))
    }

    /// The files that were not there, and the timestamp.
    pub fn but(public: &Path, old: &Self) -> Self {
        let old: std::collections::HashSet<&str> =
            old.0.iter().map(|document| document.name.as_str()).collect();
        let folder = public.join("metadata");
        let names = fs::read_dir(&folder).expect("a folder").map(|entry| {
            entry.expect("an entry").file_name().into_string().expect("a name of metadata")
        });
        let mut names: Vec<_> =
            names.filter(|name| name == TIMESTAMP || !old.contains(name.as_str())).collect();
        names.sort();
        let document = |name: String| {
            let bytes = fs::read(folder.join(&name)).expect("a file");
            let version = parse_versioned_file_name(&name).map(|(version, _)| version.get());
            let before = version.filter(|version| *version > 1).map(|version| {
                let role = name.strip_prefix(&version.to_string()).expect("its version");
                format!("{}{role}", version - 1)
            });
            Document { name, before, bytes }
        };
        Self(names.into_iter().map(document).collect())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Their bytes.
    pub fn len_bytes(&self) -> u64 {
        self.0.iter().map(|document| document.bytes.len() as u64).sum()
    }
}

/// Works at the floor, with a key of its own.
pub struct Floor {
    key: SigningKey,
    verifier: Verifier,
}

impl Floor {
    /// Makes a key.
    #[expect(clippy::new_without_default, reason = "it takes randomness and may fail")]
    pub fn new() -> Self {
        let key = SigningKey::generate_ed25519_pem().expect("a key");
        let key = SigningKey::from_pem(&key).expect("a key");
        let verifier = key.public().verifier().expect("a key");
        Self { key, verifier }
    }

    /// Makes a repository in the folder `metadata`: reads the list, hashes the paths, and writes all documents.
    pub fn init(&self, list: &Path, paths: &[&str], documents: &Documents, metadata: &Path) {
        fs::create_dir_all(metadata).expect("a folder");
        let length = fs::metadata(list).expect("a list").len();
        let piece = 2 << 20;
        (0..length.div_ceil(piece)).into_par_iter().for_each(|nth| {
            let mut bytes = vec![0; usize::try_from(piece.min(length - nth * piece)).expect("few")];
            read_at(list, nth * piece, &mut bytes);
            black_box(bytes);
        });
        hash(paths);
        self.write(documents, metadata, |_| {});
    }

    /// Publishes other documents where the versions before them are: reads those, and writes the new ones.
    pub fn publish(&self, documents: &Documents, metadata: &Path) {
        self.write(documents, metadata, |document| {
            if let Some(before) = &document.before {
                black_box(fs::read(metadata.join(before)).expect("the version before"));
            }
        });
    }

    /// The signatures that [`Floor::check`] verifies.
    pub fn signatures(&self, documents: &Documents) -> Vec<Vec<u8>> {
        let sign = |document: &Document| {
            self.key.sign(&document.bytes).expect("a signature").bytes().expect("hex")
        };
        documents.0.par_iter().map(sign).collect()
    }

    /// Checks a repository: reads and verifies each document, and hashes the paths and the snapshot.
    pub fn check(
        &self,
        documents: &Documents,
        signatures: &[Vec<u8>],
        paths: &[&str],
        metadata: &Path,
    ) {
        documents.0.par_iter().zip(signatures).for_each(|(document, signature)| {
            let bytes = fs::read(metadata.join(&document.name)).expect("a file");
            assert!(self.verifier.verifies(&bytes, signature));
            if is_snapshot(document) {
                black_box(Digest::of(&bytes));
            }
        });
        hash(paths);
    }

    fn write(&self, documents: &Documents, metadata: &Path, before: impl Fn(&Document) + Sync) {
        let folder = File::open(metadata).expect("a folder");
        let create = |document: &Document| {
            before(document);
            black_box(self.key.sign(&document.bytes).expect("a signature"));
            let path = metadata.join(&document.name);
            let mut file = File::create_new(path).expect("a file that was not there");
            file.write_all(&document.bytes).expect("room");
        };
        let is_early = |document: &&Document| !is_snapshot(document) && document.name != TIMESTAMP;
        documents.0.par_iter().filter(is_early).for_each(create);
        // It lists what was written, and the timestamp lists it.
        for snapshot in documents.0.iter().filter(|document| is_snapshot(document)) {
            create(snapshot);
            black_box(Digest::of(&snapshot.bytes));
        }
        rustix::fs::syncfs(&folder).expect("a sync");
        let timestamp = documents.0.iter().find(|document| document.name == TIMESTAMP);
        let timestamp = &timestamp.expect("a timestamp").bytes;
        black_box(self.key.sign(timestamp).expect("a signature"));
        let temporary: PathBuf = metadata.join("timestamp.new");
        let mut file = File::create_new(&temporary).expect("a file that was not there");
        file.write_all(timestamp).and_then(|()| file.sync_all()).expect("room");
        fs::rename(&temporary, metadata.join(TIMESTAMP)).expect("a file");
        folder.sync_all().expect("a sync");
    }
}

fn is_snapshot(document: &Document) -> bool {
    document.name.ends_with(".snapshot.json")
}

fn hash(paths: &[&str]) {
    paths.par_iter().for_each(|path| {
        black_box(Digest::of(path.as_bytes()));
    });
}

fn read_at(path: &Path, offset: u64, bytes: &mut [u8]) {
    use std::io::{Seek, SeekFrom};
    let mut file = File::open(path).expect("a list");
    file.seek(SeekFrom::Start(offset)).expect("a place");
    file.read_exact(bytes).expect("a list");
}

/// What some work of this process took.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// By the clock.
    pub wall: Duration,
    /// Of all threads, user and system.
    pub cpu: Duration,
}

/// Does some work and says what it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Time) {
    let (start, cpu) = (Instant::now(), cpu_time());
    let done = work();
    (done, Time { wall: start.elapsed(), cpu: cpu_time().saturating_sub(cpu) })
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
