//! What there is after a publish, and what the publishes wrote.

use std::collections::BTreeMap;

use tufold_repo::layout::{self, Delegation};

use super::rebin::Rebinned;
use super::{BINS, Ledger, TOP, at};
use crate::Error;
use crate::counts::{Add, Counts, Documents, Listing, SnapshotSteps, Spread, Top, Writes};
use crate::math::{digits, entropy_bytes};
use crate::replay::zstd_len;
use crate::sizes;

impl Ledger {
    /// What the snapshot lists now.
    pub(crate) fn listing(&self) -> Listing {
        let version = self.now() as u64 + 1;
        let mut listing = Listing {
            own_digits: digits(version) as f64,
            top: self.top_now(),
            bins_digits: digits(self.bins_version) as f64,
            ..Listing::default()
        };
        let mut times = BTreeMap::<u64, u64>::new();
        let mut add = |name: &str, version: u64, length: u64| {
            listing.roles += 1.0;
            listing.name_bytes += name.len() as f64;
            listing.digits += digits(version) as f64;
            listing.length_digits += digits(length) as f64;
            *times.entry(version).or_default() += 1;
        };
        for role in &self.roles {
            let version = role.version();
            add(
                &role.name,
                version,
                role.log.last().map_or(0, |write| self.length(write, version)),
            );
        }
        add("targets", self.top.version(), self.top_length(self.top.version()));
        if self.is_prefixes() {
            add("bins", self.bins_version, self.empty.bins + digits(self.bins_version));
        }
        if !self.has_hashes {
            listing.length_digits = 0.0;
        }
        listing.entropy = entropy_bytes(times.values().copied());
        listing
    }

    fn top_now(&self) -> Top {
        let version = self.top.version();
        let last = self.top_writes.last().map(|top| (top.all_projects, top.all_bytes));
        let (projects, delegation_bytes) = last.unwrap_or_default();
        let flat = match self.delegation {
            Delegation::Flat => Documents::one(version, self.top.entries, self.top.entry_bytes),
            _ => Documents::default(),
        };
        Top {
            count: 1.0,
            digits: digits(version) as f64,
            projects: projects as f64,
            delegation_bytes: delegation_bytes as f64,
            flat,
        }
    }

    /// Counts what the last publish wrote.
    pub(super) fn count_writes(&mut self) {
        let now = self.now();
        let written = &self.written[now - 1];
        let mut writes = Writes { listing: self.listing(), ..Writes::default() };
        let is_top = written.contains(&TOP);
        if !is_top {
            writes.listing.top = Top::default();
        }
        for &number in written {
            match number {
                TOP => {
                    for edge in self.ladder.writes(self.top.version()) {
                        let (top, flat) = self.top_step(edge.from, edge.to);
                        writes.top.add(&top, 1.0);
                        writes.flat_top.add(&flat, 1.0);
                        writes.delta_files += 1.0;
                    }
                }
                BINS => {
                    writes.bins = 1.0;
                    let edges = self.ladder.writes(self.bins_version).len() as f64;
                    writes.bins_steps.count += edges;
                    writes.delta_files += edges;
                }
                number => {
                    let role = &self.roles[number as usize];
                    writes.roles.add(&self.document(number as usize), 1.0);
                    for edge in self.ladder.writes(role.version()) {
                        writes.steps.add(&role.step(edge.from, edge.to), 1.0);
                        writes.delta_files += 1.0;
                    }
                }
            }
        }
        for edge in self.ladder.writes(now as u64 + 1) {
            let (from, to) = (at(edge.from), at(edge.to));
            writes.snapshot.add(&self.snapshot_step(from, to), 1.0);
            writes.bundles.add(&self.bundle(from, to), 1.0);
            writes.delta_files += 2.0;
        }
        writes.cold_snapshot = self.cold_snapshot_of(&writes.listing);
        self.cold_snapshots.push(writes.cold_snapshot.clone());
        writes.delta_files += 1.0;
        self.writes.add(&writes, 1.0);
    }

    /// The snapshot of a publish from nothing.
    pub(crate) fn cold_snapshot(&self, publish: usize) -> SnapshotSteps {
        self.cold_snapshots.get(publish).cloned().unwrap_or_default()
    }

    pub(super) fn cold_snapshot_of(&self, listing: &Listing) -> SnapshotSteps {
        SnapshotSteps {
            count: 1.0,
            signed: 0.0,
            entropy: listing.entropy,
            digests: if self.has_hashes { listing.roles } else { 0.0 },
            names: if self.delegation.bit_length().is_some() { 0.0 } else { listing.roles },
            name_bytes: if self.delegation.bit_length().is_some() {
                0.0
            } else {
                listing.name_bytes
            },
        }
    }

    /// All of it, but for the visits.
    pub(crate) fn counts(&self) -> Result<Counts, Error> {
        let mut writes = Writes::default();
        writes.add(&self.writes, 1.0 / self.now().max(1) as f64);
        let mut roles = Documents::default();
        let mut spread = BTreeMap::<u64, f64>::new();
        for role in &self.roles {
            let Documents { count, empty, digits, entry_bytes, .. } =
                Documents::one(role.version(), role.entries, role.entry_bytes);
            let one = Documents { count, empty, digits, entry_bytes, spread: Spread::default() };
            roles.add(&one, 1.0);
            *spread.entry(role.entries).or_default() += 1.0;
        }
        roles.spread = Spread(spread.into_iter().map(|(n, roles)| (n as f64, roles)).collect());
        let longest = self.roles.iter().map(|role| role.entry_bytes).max().unwrap_or(0) as f64;
        let (reads, stale) = (Vec::new(), Documents::default());
        let listing = Listing { zstd_bytes: self.snapshot_in_zstd(None)?, ..self.listing() };
        Ok(Counts { reads, writes, listing, roles, longest, stale })
    }

    /// What zstd makes of the snapshot, or of the one after a change of the bins. At the level of servers it finds a line again
    /// where as long a line stood as far back, so one version of two digits among those of one costs 200 bytes or none:
    /// that depends on its place, which a history knows and no rate does. The same versions in another order take up to a
    /// fifth more. Of a snapshot with hashes most is chance, and rates do.
    pub(super) fn snapshot_in_zstd(&self, rebinned: Option<&Rebinned>) -> Result<f64, Error> {
        if self.has_hashes {
            return Ok(0.0);
        }
        let change = u64::from(rebinned.is_some());
        let bins_version = self.bins_version + change;
        let bins = self.is_prefixes().then_some((layout::BINS, bins_version));
        let above = [("targets", rebinned.map_or(self.top.version(), |_| self.top_after()))];
        let after = rebinned.into_iter().flat_map(Rebinned::versions);
        let is_listed = rebinned.is_none_or(|rebinned| rebinned.renames);
        let held = self.roles.iter().filter(|_| is_listed);
        let held = held.map(|role| (role.name.as_str(), role.version()));
        let all = held.chain(after).chain(above).chain(bins);
        let all = all.map(|(role, version)| (role, sizes::version_only(version)));
        Ok(zstd_len(&sizes::snapshot_file(all)?) as f64)
    }
}
