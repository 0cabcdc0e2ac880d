//! What there is after a publish, and what the publishes wrote.

use std::collections::BTreeMap;

use tufold_repo::layout::Delegation;

use super::{BINS, Ledger, TOP, at};
use crate::counts::{Add, Counts, Documents, Listing, SnapshotSteps, Spread, Top, Writes};
use crate::math::{digits, entropy_bytes};

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
    pub(crate) fn counts(&self) -> Counts {
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
        Counts { reads, writes, listing: self.listing(), roles, longest, stale }
    }
}
