//! What a visitor reads that finds other bins than it holds: the client's own choices, counted.

use std::collections::{BTreeMap, HashMap};

use tufold_sync::{HeldSnapshot, Way, mirror_way, regroup_pays, role_way, snapshot_way};

use super::{Held, Visitor, at, unlimited};
use crate::Error;
use crate::counts::{Add, DeltaReads, Reads};
use crate::ledger::Ledger;
use crate::ledger::rebin::Rebinned;
use crate::scenario::ClientKind;

/// What the client takes an object for before it has it: a head, and so much for each new bin.
const OBJECT_BYTES: u64 = 16;
const NEW_BIN_BYTES: u64 = 66;

fn trips(requests: usize, at_once: usize) -> f64 {
    requests.div_ceil(at_once) as f64
}

impl Visitor {
    /// What the history says that it read after the change.
    pub(super) fn reads_after(
        &self,
        ledger: &Ledger,
        rebinned: &Rebinned,
        paths: &[String],
    ) -> Result<Reads, Error> {
        let needed: Vec<usize> = match self.kind {
            ClientKind::Mirror => (0..rebinned.after.roles.len()).collect(),
            _ => rebinned.after.roles_of(paths).into_iter().collect(),
        };
        let flag = |is: bool| f64::from(u8::from(is));
        let (limits, is_prefixes) = (unlimited(), ledger.is_prefixes());
        let mut reads = Reads {
            needed: needed.len() as f64,
            snapshot: 1.0,
            top: flag(self.held.is_none() || !is_prefixes),
            bins: flag(is_prefixes),
            ..Reads::default()
        };
        needed.iter().for_each(|&bin| reads.roles.add(&rebinned.document(bin), 1.0));
        let above = 3.0 + reads.top + reads.bins;
        reads.round_trips = above + trips(needed.len(), limits.max_parallel);
        reads.delta = DeltaReads { requests: 2.0, round_trips: 2.0, ..DeltaReads::default() };
        let Some(held) = &self.held else {
            let delta = &mut reads.delta;
            delta.cold_snapshot = ledger.cold_after(&ledger.listing_after(rebinned), rebinned);
            (delta.top_whole, delta.bins_whole) = (reads.top, reads.bins);
            delta.whole = reads.roles.clone();
            delta.requests += 1.0 + reads.top + reads.bins + needed.len() as f64;
            delta.round_trips = reads.round_trips;
            return Ok(reads);
        };
        if !self.by_bundles(ledger, rebinned, held, &mut reads.delta) {
            self.snapshot_after(ledger, rebinned, held, &mut reads.delta);
            delegator_after(ledger, rebinned, held, &mut reads.delta);
            bins_after(ledger, rebinned, held, &needed, &mut reads.delta)?;
        }
        Ok(reads)
    }

    /// A mirror by bundles, of which one leads over the change.
    fn by_bundles(
        &self,
        ledger: &Ledger,
        rebinned: &Rebinned,
        held: &Held,
        delta: &mut DeltaReads,
    ) -> bool {
        let (now, limits) = (ledger.now() as u64 + 2, unlimited());
        if self.kind != ClientKind::Mirror {
            return false;
        }
        let way = mirror_way(ledger.ladder, tally(ledger, held), now, None, limits.max_parallel);
        let Way::Path(path) = way else { return false };
        for edge in &path {
            if edge.to == now {
                delta.bundles.add(&ledger.changes_since(at(edge.from)), 1.0);
                delta.regrouped.bundles.add(&rebinned.delegated(), 1.0);
            } else {
                delta.bundles.add(&ledger.bundle(at(edge.from), at(edge.to)), 1.0);
            }
        }
        delta.requests += path.len() as f64;
        delta.round_trips += trips(path.len(), limits.max_parallel);
        true
    }

    fn snapshot_after(
        &self,
        ledger: &Ledger,
        rebinned: &Rebinned,
        held: &Held,
        delta: &mut DeltaReads,
    ) {
        let (now, at_once) = (ledger.now() as u64 + 2, unlimited().max_parallel_deltas);
        match snapshot_way(ledger.ladder, Some(tally(ledger, held)), now, at_once) {
            Way::Path(path) => {
                let mut edges: Vec<_> = path.iter().map(|edge| (edge.from, edge.to)).collect();
                if edges.last().is_some_and(|&(from, to)| from + 1 < to) {
                    // A longer edge has no signatures, which the step to the same version has.
                    edges.push((now - 1, now));
                }
                for &(from, to) in &edges {
                    if to == now {
                        let crossing = ledger.crossing(rebinned, at(from));
                        delta.regrouped.snapshot.add(&crossing, 1.0);
                    } else {
                        delta.snapshot.add(&ledger.snapshot_step(at(from), at(to)), 1.0);
                    }
                }
                delta.requests += edges.len() as f64;
                delta.round_trips += trips(edges.len(), at_once);
            }
            Way::FromNothing | Way::Full => {
                delta.cold_snapshot = ledger.cold_after(&ledger.listing_after(rebinned), rebinned);
                delta.requests += 1.0;
                delta.round_trips += 1.0;
            }
        }
    }
}

fn tally(ledger: &Ledger, held: &Held) -> HeldSnapshot {
    HeldSnapshot { version: held.publish as u64 + 1, tally: ledger.tally_at(held.publish) }
}

/// The role that delegates to other bins now, by its edges.
fn delegator_after(ledger: &Ledger, rebinned: &Rebinned, held: &Held, delta: &mut DeltaReads) {
    let is_prefixes = ledger.is_prefixes();
    let (from, bytes, to) = if is_prefixes {
        (held.bins, ledger.bins_signed_bytes(held.bins), ledger.bins_version + 1)
    } else {
        (held.top, ledger.top_signed_bytes(held.top), ledger.top_after())
    };
    let way = role_way(ledger.ladder, from, bytes, to, unlimited().max_parallel_deltas);
    delta.take_delegator(&way, is_prefixes.then(|| rebinned.delegated()));
}

/// New bins out of held ones, as far as those are held; the others whole.
fn bins_after(
    ledger: &Ledger,
    rebinned: &Rebinned,
    held: &Held,
    needed: &[usize],
    delta: &mut DeltaReads,
) -> Result<(), Error> {
    let limits = unlimited();
    let at_once = limits.max_parallel_deltas;
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &bin in needed {
        groups.entry(rebinned.group(bin)).or_default().push(bin);
    }
    let new_of = 1_u64 << (rebinned.to - rebinned.from);
    let (mut objects, mut edges, mut whole) = (0, 0, 0);
    for (old, wanted) in groups {
        let path = match version(&held.roles, old) {
            None => None,
            Some(from) => {
                let bytes = ledger.signed_bytes(old, from);
                let all = bytes / new_of * wanted.len() as u64;
                let object = OBJECT_BYTES + NEW_BIN_BYTES * new_of;
                let last = ledger.roles[old].version();
                if !regroup_pays(1, object, wanted.len() as u64, all, at_once) {
                    None
                } else {
                    // Only the object tells how far it is to the last version: it is fetched even if that is too far.
                    objects += 1;
                    delta.regrouped.objects += 1.0;
                    delta.regrouped.object_bytes += ledger.object_bytes(rebinned, old)? as f64;
                    match role_way(ledger.ladder, from, bytes, last, at_once) {
                        _ if from == last => Some(Vec::new()),
                        Way::Path(path) => Some(path),
                        Way::Full | Way::FromNothing => None,
                    }
                }
            }
        };
        match path {
            Some(path) => {
                edges += path.len();
                let steps = path.iter().map(|edge| ledger.step(old, edge.from, edge.to));
                steps.for_each(|step| delta.roles.add(&step, 1.0));
            }
            None => {
                whole += wanted.len();
                wanted.iter().for_each(|&bin| delta.whole.add(&rebinned.document(bin), 1.0));
            }
        }
    }
    delta.requests += (objects + edges + whole) as f64;
    delta.round_trips +=
        trips(objects, at_once) + trips(edges, at_once) + trips(whole, limits.max_parallel);
    Ok(())
}

/// The version of a role that is held.
fn version(roles: &HashMap<usize, u64>, role: usize) -> Option<u64> {
    roles.get(&role).copied().filter(|version| *version > 0)
}
