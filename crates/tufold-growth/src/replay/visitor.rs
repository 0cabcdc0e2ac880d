//! One visitor of a replay: the real client with a cache of its own, once without deltas and once with them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tufold_meta::Time;
use tufold_sync::{
    Client, Cost, HeldSnapshot, Limits, Mirror, Way, mirror_way, role_way, snapshot_way,
};

use super::mean_transfer;
use super::source::{Metered, Shelf};
use crate::Error;
use crate::cost::{ClientCost, Transfer};
use crate::counts::{Add, DeltaReads, Reads, mean};
use crate::ledger::Ledger;
use crate::ledger::rebin::Rebinned;
use crate::scenario::ClientKind;
use crate::trace::Trace;

mod rebin;

pub(super) struct Visitor {
    /// Which of the scenario's clients it is.
    pub(super) client: usize,
    pub(super) kind: ClientKind,
    pub(super) packages: Vec<u64>,
    pub(super) folder: PathBuf,
    /// The publish at which it comes first.
    pub(super) first: u64,
    pub(super) held: Option<Held>,
}

/// What a visitor holds after its first visit, as the history has it.
pub(super) struct Held {
    publish: usize,
    top: u64,
    bins: u64,
    /// Versions of the other roles.
    roles: HashMap<usize, u64>,
}

/// What one visit took.
pub(super) struct Visit {
    plain: Transfer,
    gzip: Transfer,
    zstd: Transfer,
    delta: Transfer,
    reads: Reads,
}

/// Whether a visit asks for deltas.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Deltas {
    Taken,
    Left,
}

impl Visitor {
    pub(super) fn first_visit(
        &mut self,
        shelf: &Arc<Shelf>,
        trace: &dyn Trace,
        ledger: &Ledger,
        now: Time,
    ) -> Result<(), Error> {
        let paths = self.paths(trace);
        self.visit(&self.folder, shelf, &paths, now, Deltas::Left)?;
        self.hold(&paths, ledger);
        Ok(())
    }

    /// Notes what it holds now, as the history has it.
    pub(super) fn hold(&mut self, paths: &[String], ledger: &Ledger) {
        let needed: Vec<usize> = match self.kind {
            ClientKind::Mirror => (0..ledger.roles.len()).collect(),
            _ => ledger.roles_of(paths).into_iter().collect(),
        };
        let version = |role: usize| (role, ledger.roles[role].version());
        self.held = Some(Held {
            publish: ledger.now(),
            top: ledger.top.version(),
            bins: ledger.bins_version,
            roles: needed.into_iter().map(version).collect(),
        });
    }

    /// Visits twice from the same state.
    pub(super) fn last_visit(
        &self,
        shelf: &Arc<Shelf>,
        trace: &dyn Trace,
        (ledger, rebinned): (&Ledger, Option<&Rebinned>),
        now: Time,
    ) -> Result<Visit, Error> {
        let paths = self.paths(trace);
        let twin = self.folder.with_extension("twin");
        if self.held.is_some() {
            copy(&self.folder, &twin)?;
        }
        let (cost, sent) = self.visit(&self.folder, shelf, &paths, now, Deltas::Left)?;
        let (delta, _) = self.visit(&twin, shelf, &paths, now, Deltas::Taken)?;
        // Of these there are many; the one mirror has many files, which go with the whole folder.
        let done = [&self.folder, &twin].into_iter().filter(|_| self.kind != ClientKind::Mirror);
        for folder in done {
            std::fs::remove_dir_all(folder).map_err(Error::io("remove", folder))?;
        }
        let by = |bytes| Transfer { bytes, ..transfer(&cost) };
        let gzip = by(sent.gzip as f64);
        Ok(Visit {
            plain: by(sent.plain as f64),
            gzip,
            zstd: by(sent.zstd as f64),
            delta: transfer(&delta),
            reads: self.reads_of((ledger, rebinned), &paths)?,
        })
    }

    /// What the history says that its last visit reads.
    pub(super) fn reads_of(
        &self,
        (ledger, rebinned): (&Ledger, Option<&Rebinned>),
        paths: &[String],
    ) -> Result<Reads, Error> {
        match rebinned {
            Some(rebinned) => self.reads_after(ledger, rebinned, paths),
            None => Ok(self.reads(ledger, paths)),
        }
    }

    pub(super) fn paths(&self, trace: &dyn Trace) -> Vec<String> {
        self.packages.iter().flat_map(|&package| trace.lookups(package)).collect()
    }

    fn visit(
        &self,
        folder: &Path,
        shelf: &Arc<Shelf>,
        paths: &[String],
        now: Time,
        deltas: Deltas,
    ) -> Result<(Cost, super::source::Sent), Error> {
        let file = shelf.folder().join("metadata/1.root.json");
        let root = std::fs::read(&file).map_err(Error::io("read", &file))?;
        let source = Metered::of(shelf);
        let sent = source.sent();
        let cost = if self.kind == ClientKind::Mirror {
            let mut mirror = Mirror::with_source(folder, Box::new(source), unlimited())?;
            if deltas == Deltas::Left {
                mirror = mirror.without_deltas();
            }
            mirror.trust(&root)?;
            mirror.sync(now, &|_| ())?.cost
        } else {
            let limits = unlimited();
            let mut client = Client::with_source(folder, Box::new(source), "metadata/", limits)?;
            if deltas == Deltas::Left {
                client = client.without_deltas();
            }
            client.trust(&root)?;
            let mut visit = client.visit(now)?;
            visit.find(paths)?;
            visit.cost()
        };
        let sent = *sent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok((cost, sent))
    }

    /// What the history says that it read.
    fn reads(&self, ledger: &Ledger, paths: &[String]) -> Reads {
        let needed: Vec<usize> = match self.kind {
            ClientKind::Mirror => (0..ledger.roles.len()).collect(),
            _ => ledger.roles_of(paths).into_iter().collect(),
        };
        let nothing = Held { publish: 0, top: 0, bins: 0, roles: HashMap::new() };
        let held = self.held.as_ref().unwrap_or(&nothing);
        let is_new = self.held.is_none();
        let flag = |is: bool| f64::from(u8::from(is));
        let mut reads = Reads {
            needed: needed.len() as f64,
            snapshot: flag(is_new || held.publish < ledger.now()),
            top: flag(held.top != ledger.top.version()),
            bins: flag(
                ledger.is_prefixes()
                    && !needed.is_empty()
                    && (is_new || held.bins != ledger.bins_version),
            ),
            ..Reads::default()
        };
        let old = |role: usize| held.roles.get(&role).copied().unwrap_or(0);
        let fetched: Vec<usize> =
            needed.into_iter().filter(|&role| old(role) != ledger.roles[role].version()).collect();
        fetched.iter().for_each(|&role| reads.roles.add(&ledger.document(role), 1.0));
        let limits = unlimited();
        let trips = |requests: usize, at_once: usize| requests.div_ceil(at_once) as f64;
        let top = 2.0 + reads.snapshot + reads.top + reads.bins;
        reads.round_trips = top + trips(fetched.len(), limits.max_parallel);
        reads.delta = DeltaReads { requests: 2.0, round_trips: 2.0, ..DeltaReads::default() };
        if reads.snapshot == 0.0 {
            return reads;
        }
        let delta = &mut reads.delta;
        let (now, ladder) = (ledger.now() as u64 + 1, ledger.ladder);
        let snapshot =
            HeldSnapshot { version: held.publish as u64 + 1, tally: ledger.tally_at(held.publish) };
        if self.kind == ClientKind::Mirror
            && let Way::Path(path) = mirror_way(ladder, snapshot, now, None, limits.max_parallel)
        {
            for edge in &path {
                delta.bundles.add(&ledger.bundle(at(edge.from), at(edge.to)), 1.0);
            }
            delta.requests += path.len() as f64;
            delta.round_trips += trips(path.len(), limits.max_parallel);
            return reads;
        }
        let at_once = limits.max_parallel_deltas;
        match snapshot_way(ladder, (!is_new).then_some(snapshot), now, at_once) {
            Way::Path(path) => {
                let mut edges: Vec<_> = path.iter().map(|edge| (edge.from, edge.to)).collect();
                if edges.last().is_some_and(|&(from, to)| from + 1 < to) {
                    // A longer edge has no signatures, which the step to the same version has.
                    edges.push((now - 1, now));
                }
                for &(from, to) in &edges {
                    delta.snapshot.add(&ledger.snapshot_step(at(from), at(to)), 1.0);
                }
                delta.requests += edges.len() as f64;
                delta.round_trips += trips(edges.len(), at_once);
            }
            Way::FromNothing | Way::Full => {
                delta.cold_snapshot = ledger.cold_snapshot(ledger.now());
                delta.requests += 1.0;
                delta.round_trips += 1.0;
            }
        }
        let way = |from: u64, bytes: u64, to: u64| match from {
            0 => None,
            from => match role_way(ladder, from, bytes, to, at_once) {
                Way::Path(path) => Some(path),
                Way::Full | Way::FromNothing => None,
            },
        };
        if reads.top > 0.0 {
            let to = ledger.top.version();
            let bytes = if held.top == 0 { 0 } else { ledger.top_signed_bytes(held.top) };
            match way(held.top, bytes, to) {
                Some(path) => {
                    for edge in &path {
                        let (top, flat) = ledger.top_step(edge.from, edge.to);
                        delta.top.add(&top, 1.0);
                        delta.flat_top.add(&flat, 1.0);
                    }
                    delta.requests += path.len() as f64;
                }
                None => {
                    delta.top_whole = 1.0;
                    delta.requests += 1.0;
                }
            }
            delta.round_trips += 1.0;
        }
        if reads.bins > 0.0 {
            let bytes = if is_new { 0 } else { ledger.bins_signed_bytes(held.bins) };
            match way(held.bins, bytes, ledger.bins_version) {
                Some(path) => {
                    delta.bins.count += path.len() as f64;
                    delta.requests += path.len() as f64;
                }
                None => {
                    delta.bins_whole = 1.0;
                    delta.requests += 1.0;
                }
            }
            delta.round_trips += 1.0;
        }
        let (mut whole, mut edges) = (0, 0);
        for role in fetched {
            let from = old(role);
            let bytes = if from == 0 { 0 } else { ledger.signed_bytes(role, from) };
            match way(from, bytes, ledger.roles[role].version()) {
                Some(path) => {
                    edges += path.len();
                    let steps = path.iter().map(|edge| ledger.step(role, edge.from, edge.to));
                    steps.for_each(|step| delta.roles.add(&step, 1.0));
                }
                None => {
                    whole += 1;
                    delta.whole.add(&ledger.document(role), 1.0);
                }
            }
        }
        delta.requests += (whole + edges) as f64;
        delta.round_trips += trips(whole, limits.max_parallel).max(trips(edges, at_once));
        reads
    }
}

/// The publish that wrote a version of the snapshot.
fn at(version: u64) -> usize {
    crate::math::index(version - 1)
}

/// Everything is to be measured, even what default limits refuse.
fn unlimited() -> Limits {
    let mut limits = Limits::default();
    limits.metadata.targets_len_bytes = u64::from(u32::MAX);
    limits.metadata.snapshot_len_bytes = u64::from(u32::MAX);
    limits.metadata.max_delegations = u32::MAX;
    limits
}

fn transfer(cost: &Cost) -> Transfer {
    Transfer {
        bytes: cost.bytes as f64,
        requests: cost.requests as f64,
        round_trips: cost.round_trips as f64,
    }
}

/// Copies a folder of plain files and folders.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    std::fs::create_dir(to).map_err(Error::io("make", to))?;
    for entry in std::fs::read_dir(from).map_err(Error::io("read", from))? {
        let entry = entry.map_err(Error::io("read", from))?;
        let (old, new) = (entry.path(), to.join(entry.file_name()));
        if old.is_dir() {
            copy(&old, &new)?;
        } else {
            std::fs::copy(&old, &new).map_err(Error::io("copy", &old))?;
        }
    }
    Ok(())
}

/// The mean of the visits of one kind of client.
pub(super) fn mean_of(client: &crate::scenario::Client, visits: Vec<Visit>) -> (ClientCost, Reads) {
    let of = |each: &dyn Fn(&Visit) -> Transfer| mean_transfer(visits.iter().map(each));
    let cost = ClientCost {
        client: client.name.clone(),
        kind: client.kind,
        plain: of(&|visit| visit.plain),
        gzip: of(&|visit| visit.gzip),
        zstd: of(&|visit| visit.zstd),
        delta: Some(of(&|visit| visit.delta)),
        overhead_percent: 0.0,
    };
    (cost, mean(visits.into_iter().map(|visit| visit.reads)))
}
