//! One visitor of a replay: the real client with a cache of its own.
//!
//! What deltas would cost it is the sum of the files that the publisher wrote along its path through the ladder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tufold_delta::Ladder;
use tufold_meta::names::{DeltaName, parse_versioned_file_name};
use tufold_meta::{Time, Version};
use tufold_sync::{Client, Limits, Mirror};

use super::ledger::Ledger;
use super::mean_transfer;
use super::source::{Metered, Sent, gzip_len};
use crate::Error;
use crate::cost::{ClientCost, Transfer};
use crate::scenario::ClientKind;
use crate::trace::Trace;
use crate::workload::Reads;

pub(super) struct Visitor {
    /// Which of the scenario's clients it is.
    pub(super) client: usize,
    pub(super) kind: ClientKind,
    pub(super) packages: Vec<u64>,
    pub(super) folder: PathBuf,
    /// The publish at which it comes first.
    pub(super) first: u64,
    /// The versions of the documents that it holds.
    pub(super) held: BTreeMap<String, u64>,
    /// The versions of the roles below the top-level one, of that one and of `bins`, as the history has them.
    pub(super) ledger: (BTreeMap<String, u64>, u64, u64),
}

/// What one visit took.
pub(super) struct Visit {
    plain: Transfer,
    gzip: Transfer,
    delta: Transfer,
    reads: Reads,
}

/// A document that was fetched: role, version, length, length in gzip.
type Fetched = (String, u64, u64, u64);

impl Visitor {
    pub(super) fn first_visit(
        &mut self,
        repo: &Path,
        trace: &dyn Trace,
        ledger: &Ledger,
        now: Time,
    ) -> Result<(), Error> {
        let paths = self.paths(trace);
        let (fetched, _) = self.visit(repo, &paths, now)?;
        self.held.extend(fetched.into_iter().map(|(role, version, ..)| (role, version)));
        let roles = match self.kind {
            ClientKind::Mirror => ledger.all(),
            _ => ledger.roles_of(&paths),
        };
        self.ledger = (roles, ledger.top, ledger.bins);
        Ok(())
    }

    pub(super) fn last_visit(
        &mut self,
        repo: &Path,
        trace: &dyn Trace,
        ledger: &Ledger,
        ladder: Ladder,
        now: Time,
    ) -> Result<Visit, Error> {
        let paths = self.paths(trace);
        let (fetched, gzip) = self.visit(repo, &paths, now)?;
        let plain = fetched.iter().map(|(.., len, _)| *len as f64).sum();
        let delta = self.by_deltas(repo, ladder, &fetched, gzip)?;
        let reads = self.reads(ledger, ladder, &paths);
        Ok(Visit { plain: Transfer { bytes: plain, ..gzip }, gzip, delta, reads })
    }

    fn paths(&self, trace: &dyn Trace) -> Vec<String> {
        self.packages.iter().flat_map(|&package| trace.lookups(package)).collect()
    }

    /// Visits, and says what was fetched and what it took in gzip.
    fn visit(
        &self,
        repo: &Path,
        paths: &[String],
        now: Time,
    ) -> Result<(Vec<Fetched>, Transfer), Error> {
        let public = repo.join("public");
        let file = public.join("metadata/1.root.json");
        let root = std::fs::read(&file).map_err(Error::io("read", &file))?;
        if self.kind == ClientKind::Mirror {
            return self.mirror(&public, &root, now);
        }
        let sent = Arc::new(Sent::default());
        let source = Metered { folder: public, sent: sent.clone() };
        let limits = unlimited();
        let client = Client::with_source(&self.folder, Box::new(source), "metadata/", limits)?;
        let mut client = client.without_deltas();
        client.trust(&root)?;
        let mut visit = client.visit(now)?;
        visit.find(paths)?;
        let cost = visit.cost();
        let transfer = transfer(cost.bytes, cost.requests, cost.round_trips);
        let files = sent.files();
        let rows = files.iter().map(|(path, len, gzip)| row(path, *len, *gzip));
        Ok((rows.collect(), transfer))
    }

    fn mirror(
        &self,
        public: &Path,
        root: &[u8],
        now: Time,
    ) -> Result<(Vec<Fetched>, Transfer), Error> {
        let names = |folder: &Path| -> Vec<String> {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        };
        let held = self.folder.join("public/metadata");
        let before: std::collections::HashSet<String> = names(&held).into_iter().collect();
        let source = public.to_string_lossy();
        let mut mirror = Mirror::open(&self.folder, &source, unlimited())?.without_deltas();
        mirror.trust(root)?;
        let cost = mirror.sync(now, &|_| ())?.cost;
        let mut rows = Vec::new();
        for name in names(&held) {
            if name == "1.root.json" || before.contains(&name) && name != "timestamp.json" {
                continue;
            }
            let path = held.join(&name);
            let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
            rows.push(row(&name, bytes.len() as u64, gzip_len(&bytes)));
        }
        let gzip: u64 = rows.iter().map(|(.., gzip)| *gzip).sum();
        Ok((rows, transfer(gzip, cost.requests, cost.round_trips)))
    }

    /// What the same visit takes with deltas.
    fn by_deltas(
        &self,
        repo: &Path,
        ladder: Ladder,
        fetched: &[Fetched],
        whole: Transfer,
    ) -> Result<Transfer, Error> {
        let (mut bytes, mut requests) = (0.0, 1.0);
        let mut is_bundled = false;
        if self.kind == ClientKind::Mirror {
            let to = fetched.iter().find(|(role, ..)| role == "snapshot").map(|row| row.1);
            if let (Some(&from), Some(to)) = (self.held.get("snapshot"), to) {
                let name = |from, to| DeltaName::Mirror { from, to };
                if let Some((bundles, count)) = edges(repo, ladder, from, to, &name)? {
                    (bytes, requests) = (bundles, requests + count);
                    is_bundled = true;
                }
            }
        }
        for (role, version, _, gzip) in fetched {
            if is_bundled && role != "timestamp" {
                continue;
            }
            let found = match (role.as_str(), self.held.get(role)) {
                ("timestamp", _) => None,
                ("snapshot", None) => {
                    let to = Version::new(*version).unwrap_or(Version::FIRST);
                    size(repo, &DeltaName::Snapshot { from: None, to })?.map(|bytes| (bytes, 1.0))
                }
                ("snapshot", Some(&from)) => {
                    let name = |from, to| DeltaName::Snapshot { from: Some(from), to };
                    edges(repo, ladder, from, *version, &name)?
                }
                (_, Some(&from)) => {
                    let name = |from, to| DeltaName::Role { role: role.clone(), from, to };
                    edges(repo, ladder, from, *version, &name)?
                }
                (_, None) => None,
            };
            let (more, count) = found.unwrap_or((*gzip as f64, 1.0));
            bytes += more;
            requests += count;
        }
        Ok(Transfer { bytes, requests, round_trips: whole.round_trips })
    }

    /// What the history says that it read.
    fn reads(&self, ledger: &Ledger, ladder: Ladder, paths: &[String]) -> Reads {
        let needed = match self.kind {
            ClientKind::Mirror => ledger.all(),
            _ => ledger.roles_of(paths),
        };
        let (held, top, bins) = &self.ledger;
        let is_cold = self.kind == ClientKind::Cold;
        let (mut fetched, mut unheld, mut edges) = (0.0, 0.0, 0.0);
        for (role, version) in &needed {
            let old = held.get(role).copied().unwrap_or(0);
            if old == *version {
                continue;
            }
            fetched += 1.0;
            if old == 0 {
                unheld += 1.0;
            } else {
                edges += ladder.path(old, *version).map_or(1.0, |path| path.len() as f64);
            }
        }
        let has_bins = needed.keys().next().is_some_and(|role| role.starts_with("bins-"));
        Reads {
            needed: needed.len() as f64,
            fetched,
            unheld,
            edges,
            top: f64::from(u8::from(is_cold || ledger.top != *top)),
            bins: f64::from(u8::from(
                ledger.is_prefixes() && has_bins && (is_cold || ledger.bins != *bins),
            )),
        }
    }
}

/// Everything is to be measured, even what default limits refuse.
fn unlimited() -> Limits {
    let mut limits = Limits::default();
    limits.metadata.targets_len_bytes = u64::from(u32::MAX);
    limits.metadata.snapshot_len_bytes = u64::from(u32::MAX);
    limits.metadata.max_delegations = u32::MAX;
    limits
}

fn transfer(bytes: u64, requests: u64, round_trips: u64) -> Transfer {
    Transfer { bytes: bytes as f64, requests: requests as f64, round_trips: round_trips as f64 }
}

fn row(path: &str, len: u64, gzip: u64) -> Fetched {
    let name = path.rsplit('/').next().unwrap_or(path);
    match parse_versioned_file_name(name) {
        Some((version, role)) => (role, version.get(), len, gzip),
        None => (name.trim_end_matches(".json").to_owned(), 0, len, gzip),
    }
}

/// Bytes and number of the deltas on the ladder's path; `None` if it has none or the publisher left one out.
fn edges(
    repo: &Path,
    ladder: Ladder,
    from: u64,
    to: u64,
    name: &dyn Fn(Version, Version) -> DeltaName,
) -> Result<Option<(f64, f64)>, Error> {
    let Some(path) = ladder.path(from, to) else { return Ok(None) };
    let version = |number| Version::new(number).unwrap_or(Version::FIRST);
    let mut names: Vec<DeltaName> =
        path.iter().map(|edge| name(version(edge.from), version(edge.to))).collect();
    if let Some(last) = names.last()
        && matches!(last, DeltaName::Snapshot { .. })
        && !last.has_signatures()
    {
        names.push(name(version(to - 1), version(to)));
    }
    let mut sum = 0.0;
    for name in &names {
        match size(repo, name)? {
            Some(bytes) => sum += bytes,
            None => return Ok(None),
        }
    }
    Ok(Some((sum, names.len() as f64)))
}

fn size(repo: &Path, name: &DeltaName) -> Result<Option<f64>, Error> {
    let path = repo.join("public").join(name.path());
    match std::fs::metadata(&path) {
        Ok(metadata) => Ok(Some(metadata.len() as f64)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io { action: "read", path, source }),
    }
}

/// The mean of the visits of one kind of client.
pub(super) fn mean(client: &crate::scenario::Client, visits: &[Visit]) -> (ClientCost, Reads) {
    let of = |each: &dyn Fn(&Visit) -> Transfer| mean_transfer(visits.iter().map(each));
    let count = visits.len().max(1) as f64;
    let read = |each: &dyn Fn(&Reads) -> f64| {
        visits.iter().map(|visit| each(&visit.reads)).sum::<f64>() / count
    };
    let reads = Reads {
        needed: read(&|r| r.needed),
        fetched: read(&|r| r.fetched),
        unheld: read(&|r| r.unheld),
        edges: read(&|r| r.edges),
        top: read(&|r| r.top),
        bins: read(&|r| r.bins),
    };
    let cost = ClientCost {
        client: client.name.clone(),
        kind: client.kind,
        plain: of(&|visit| visit.plain),
        gzip: of(&|visit| visit.gzip),
        delta: Some(of(&|visit| visit.delta)),
        overhead_percent: 0.0,
    };
    (cost, reads)
}
