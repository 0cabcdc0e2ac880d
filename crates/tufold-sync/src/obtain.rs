//! Several documents at once, each by its cheapest way; whatever fails there is fetched whole.

use std::sync::{Mutex, PoisonError};

use tufold_meta::names::DeltaName;
use tufold_meta::{KeyId, Request, Tally, Version};

use crate::Error;
use crate::choose::{HeldSnapshot, Way, role_way, snapshot_way};
use crate::deltas::Reason;
use crate::documents::Documents;
use crate::parallel::in_parallel;
use crate::rebuild::{Base, Lengths, document};

/// A document that the visit needs.
pub(crate) struct Wanted<'w> {
    pub(crate) role: &'w str,
    pub(crate) request: &'w Request,
    /// Those by which it will be verified.
    pub(crate) keyids: &'w [KeyId],
    /// An older version.
    pub(crate) base: Option<Base>,
}

/// A document that nobody verified yet.
pub(crate) struct Obtained {
    pub(crate) bytes: Vec<u8>,
    pub(crate) origin: Origin,
}

/// How a document came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// As the file that the repository publishes.
    Fetched,
    /// Rebuilt from so many bytes.
    Rebuilt { delta_len_bytes: u64 },
}

/// A delta may be so many times as long as what it starts from, and a bit: more is of no use.
const MAX_DELTA_GROWTH: u64 = 4;
const DELTA_SLACK_BYTES: u64 = 1 << 16;

impl Documents<'_> {
    /// Gets the documents, in their order: all deltas of all paths side by side, beside the files for
    /// which there is no path; then the files whose deltas failed. Gives beside them how many requests
    /// had to wait for one another.
    pub(crate) fn obtain(&self, wanted: &[Wanted<'_>]) -> (Vec<Result<Obtained, Error>>, u64) {
        let limits = &self.client.limits;
        let mut got: Vec<Option<Result<Obtained, Error>>> =
            wanted.iter().map(|wanted| self.brought(wanted).map(Ok)).collect();
        let lacking = (0..wanted.len()).filter(|&place| got[place].is_none()).collect::<Vec<_>>();
        let path = |wanted| if self.meter.deltas.asks() { self.path(wanted) } else { Vec::new() };
        let paths: Vec<Vec<DeltaName>> = wanted.iter().map(path).collect();
        let is_whole = |place: &usize| paths[*place].is_empty();
        let (whole, rebuilt): (Vec<usize>, Vec<usize>) = lacking.into_iter().partition(is_whole);
        let edges = |place: usize| paths[place].iter().map(move |name| (place, name));
        let edges: Vec<(usize, &DeltaName)> = rebuilt.iter().copied().flat_map(edges).collect();

        let full = |&place: &usize| self.fetch_existing(wanted[place].request);
        let fetch_whole = || in_parallel(&whole, limits.max_parallel, full);
        let fetch_edges = || {
            in_parallel(&edges, limits.max_parallel_deltas, |(place, name)| {
                let Wanted { base, request, .. } = &wanted[*place];
                self.fetch_delta(name, max_delta_len_bytes(base.as_ref(), request.max_len_bytes))
            })
        };
        let ((files, whole_trips), (deltas, edge_trips)) = both(
            (!whole.is_empty()).then_some(fetch_whole),
            (!edges.is_empty()).then_some(fetch_edges),
        );
        for (place, file) in whole.iter().zip(files) {
            got[*place] = Some(file.map(Obtained::fetched));
        }
        let mut deltas = edges.iter().zip(deltas).map(|((_, name), delta)| (*name, delta));
        let tasks: Vec<_> = rebuilt
            .iter()
            .map(|&place| (place, deltas.by_ref().take(paths[place].len()).collect::<Vec<_>>()))
            .map(|(place, deltas)| (place, Mutex::new(deltas)))
            .collect();
        let (documents, _) = in_parallel(&tasks, rebuilders(), |(place, deltas)| {
            let deltas =
                std::mem::take(&mut *deltas.lock().unwrap_or_else(PoisonError::into_inner));
            self.rebuild(&wanted[*place], deltas)
        });
        let mut failed = Vec::new();
        for ((place, _), document) in tasks.iter().zip(documents) {
            match document {
                Ok(document) => got[*place] = Some(Ok(document)),
                Err(reason) => {
                    self.meter.deltas.count_fallback(reason);
                    failed.push(*place);
                }
            }
        }
        let (files, trips) = in_parallel(&failed, limits.max_parallel, full);
        for (place, file) in failed.iter().zip(files) {
            got[*place] = Some(file.map(Obtained::fetched));
        }
        (got.into_iter().flatten().collect(), whole_trips.max(edge_trips) + trips)
    }

    /// What a bundle brought of a document.
    fn brought(&self, wanted: &Wanted<'_>) -> Option<Obtained> {
        let mut brought = self.brought.lock().unwrap_or_else(PoisonError::into_inner);
        let (version, _) = brought.get(wanted.role)?;
        if wanted.request.version != Some(*version) {
            return None;
        }
        brought.remove(wanted.role).map(|(_, obtained)| obtained)
    }

    /// Hands a document to `accept`. One that was rebuilt and is refused is fetched whole: whether the
    /// repository breaks a rule, only its own file can tell.
    pub(crate) fn accept<T>(
        &self,
        obtained: Obtained,
        request: &Request,
        mut accept: impl FnMut(Vec<u8>) -> Result<T, tufold_meta::Error>,
    ) -> Result<T, Error> {
        let Origin::Rebuilt { delta_len_bytes } = obtained.origin else {
            return Ok(accept(obtained.bytes)?);
        };
        let document_len_bytes = obtained.bytes.len() as u64;
        match accept(obtained.bytes) {
            Ok(accepted) => {
                self.meter.deltas.count_used(delta_len_bytes, document_len_bytes);
                Ok(accepted)
            }
            Err(_) => {
                self.meter.deltas.count_fallback(Reason::Refused);
                self.count_round_trips(1);
                Ok(accept(self.fetch_existing(request)?)?)
            }
        }
    }

    /// The deltas to ask for; none if the document is to be fetched whole.
    fn path(&self, wanted: &Wanted<'_>) -> Vec<DeltaName> {
        let (Some(ladder), Some(to)) = (self.ladder, wanted.request.version) else {
            return Vec::new();
        };
        let max_parallel = self.client.limits.max_parallel_deltas;
        let base = wanted.base.as_ref();
        if wanted.role == "snapshot" {
            let held = base.map(|base| {
                // A single edge needs no estimate, and counting half a megabyte takes time.
                let is_next = base.version.next() == to;
                let tally = if is_next { None } else { Tally::of(&base.signed) };
                HeldSnapshot { version: base.version.get(), tally: tally.unwrap_or_default() }
            });
            let name = |from| DeltaName::Snapshot { from, to };
            return match snapshot_way(ladder, held, to.get(), max_parallel) {
                Way::Full => Vec::new(),
                Way::FromNothing => vec![name(None)],
                Way::Path(path) => with_signatures(
                    path.iter().filter_map(|edge| {
                        let (from, to) = (Version::new(edge.from), Version::new(edge.to)?);
                        Some(DeltaName::Snapshot { from, to })
                    }),
                    to,
                ),
            };
        }
        let Some(base) = base else { return Vec::new() };
        let held_len_bytes = base.signed.len() as u64;
        match role_way(ladder, base.version.get(), held_len_bytes, to.get(), max_parallel) {
            Way::Full | Way::FromNothing => Vec::new(),
            Way::Path(path) => path
                .iter()
                .filter_map(|edge| {
                    let (from, to) = (Version::new(edge.from)?, Version::new(edge.to)?);
                    Some(DeltaName::Role { role: wanted.role.to_owned(), from, to })
                })
                .collect(),
        }
    }

    fn rebuild(
        &self,
        wanted: &Wanted<'_>,
        deltas: Vec<(&DeltaName, Result<Vec<u8>, Reason>)>,
    ) -> Result<Obtained, Reason> {
        let mut fetched = Vec::with_capacity(deltas.len());
        let mut failure: Option<Reason> = None;
        for (name, delta) in deltas {
            match delta {
                Ok(bytes) => fetched.push((name.clone(), bytes)),
                // The reason for which the others were not asked for any more.
                Err(reason) => {
                    failure = failure.filter(|&r| r != Reason::NotAsked).or(Some(reason))
                }
            }
        }
        if let Some(reason) = failure {
            return Err(reason);
        }
        let delta_len_bytes = fetched.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        let base = match fetched.first() {
            Some((name, _)) if name.from().is_none() => None,
            _ => wanted.base.as_ref().map(|base| base.signed.as_slice()),
        };
        let metadata = &self.client.limits.metadata;
        let file = wanted.request.max_len_bytes;
        let usual = metadata.snapshot_len_bytes.max(metadata.targets_len_bytes);
        let lengths = Lengths { file, between: usual.max(file.saturating_mul(2)) };
        let bytes = document(base, &fetched, wanted.keyids, lengths)?;
        Ok(Obtained { bytes, origin: Origin::Rebuilt { delta_len_bytes } })
    }
}

impl Obtained {
    fn fetched(bytes: Vec<u8>) -> Self {
        Self { bytes, origin: Origin::Fetched }
    }
}

/// A path of the snapshot whose last edge has no signatures ends with the step that has them.
fn with_signatures(path: impl Iterator<Item = DeltaName>, to: Version) -> Vec<DeltaName> {
    let mut names: Vec<_> = path.collect();
    if names.last().is_some_and(|last| !last.has_signatures()) {
        names.push(DeltaName::Snapshot { from: Version::new(to.get() - 1), to });
    }
    names
}

/// How long a delta from a base may be that leads to a document of so many bytes at most.
pub(crate) fn max_delta_len_bytes(base: Option<&Base>, max_len_bytes: u64) -> u64 {
    let from_base = base.map(|base| base.signed.len() as u64);
    let useful = from_base.map_or(u64::MAX, |len| {
        len.saturating_mul(MAX_DELTA_GROWTH).saturating_add(DELTA_SLACK_BYTES)
    });
    useful.min(max_len_bytes)
}

pub(crate) fn rebuilders() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// Does both at the same time; what is `None` gives nothing.
fn both<A: Send, B: Send>(
    left: Option<impl FnOnce() -> (Vec<A>, u64) + Send>,
    right: Option<impl FnOnce() -> (Vec<B>, u64) + Send>,
) -> ((Vec<A>, u64), (Vec<B>, u64)) {
    match (left, right) {
        (Some(left), Some(right)) => std::thread::scope(|scope| {
            let left = scope.spawn(left);
            let right = right();
            match left.join() {
                Ok(left) => (left, right),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }),
        (left, right) => (
            left.map(|left| left()).unwrap_or_default(),
            right.map(|right| right()).unwrap_or_default(),
        ),
    }
}
