//! Reads a TUF repository with `tough` or `sigstore-tuf` and prints what it found, in the words of
//! `read_repo.py`: `peer tough|sigstore METADATA ROOT CACHE_DIR TARGET...`
//!
//! METADATA is a folder, or a base URL, which the client then reads with its own HTTP; what it asks
//! for is counted only for a folder.

mod sigstore;
mod tough;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail};
use serde::Serialize;
use url::Url;

/// What a client found.
#[derive(Serialize)]
struct Answer {
    versions: BTreeMap<&'static str, u64>,
    targets: BTreeMap<String, Option<Found>>,
    requests: Vec<Request>,
    peak_memory_bytes: Option<u64>,
}

/// `VmHWM`: unlike `getrusage` it does not count the process that this one was started from.
fn peak_memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[derive(Serialize)]
struct Found {
    length: u64,
    sha256: String,
}

#[derive(Clone, Debug, Serialize)]
struct Request {
    path: String,
    /// `None` if there is no such file.
    bytes: Option<usize>,
}

/// The repository's metadata folder; remembers what was asked of it.
#[derive(Clone, Debug)]
struct Folder {
    dir: PathBuf,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Folder {
    fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), requests: Arc::default() }
    }

    fn read(&self, name: &str) -> std::io::Result<Option<Vec<u8>>> {
        let bytes = match fs::read(self.dir.join(name)) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        let request = Request { path: name.to_owned(), bytes: bytes.as_ref().map(Vec::len) };
        self.requests.lock().expect("no reader panics").push(request);
        Ok(bytes)
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no reader panics").clone()
    }
}

/// Where the metadata is.
enum Source {
    Folder(Folder),
    Http(Url),
}

impl Source {
    fn requests(&self) -> Vec<Request> {
        match self {
            Self::Folder(folder) => folder.requests(),
            Self::Http(_) => Vec::new(),
        }
    }
}

fn run() -> anyhow::Result<Answer> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [client, metadata, root, cache, targets @ ..] = args.as_slice() else {
        bail!("usage: peer tough|sigstore METADATA ROOT CACHE_DIR TARGET...");
    };
    let source = if metadata.starts_with("http://") {
        Source::Http(Url::parse(&format!("{}/", metadata.trim_end_matches('/')))?)
    } else {
        Source::Folder(Folder::new(&fs::canonicalize(metadata).context("METADATA")?))
    };
    let root = fs::read(root).context("ROOT")?;
    let cache = Path::new(cache);
    fs::create_dir_all(cache)?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match client.as_str() {
        "tough" => runtime.block_on(tough::read(&source, &root, cache, targets)),
        "sigstore" => runtime.block_on(sigstore::read(&source, &root, cache, targets)),
        other => bail!("no client called {other}"),
    }
}

fn main() -> ExitCode {
    match run().and_then(|answer| Ok(serde_json::to_string(&answer)?)) {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("{e:#}");
            ExitCode::FAILURE
        }
    }
}
