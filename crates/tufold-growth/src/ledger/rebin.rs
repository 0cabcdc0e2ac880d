//! Counts a change of the bins: the last publish of a history, which changes nothing else.

use std::collections::BTreeMap;

use tufold_repo::layout::{Delegation, Layout, SnapshotForm};
use tufold_repo::targets::Target;

use super::{Ledger, at};
use crate::Error;
use crate::counts::{
    Add, Bundles, Counts, Crossing, Documents, Listing, SnapshotSteps, Stale, Top, Writes,
};
use crate::math::{digits, entropy_bytes};
use crate::sizes;

/// The bins that there are after the change.
pub(crate) struct Rebinned {
    /// The targets in the new bins; its versions count for nothing.
    pub(crate) after: Ledger,
    /// The version that all new bins start at.
    pub(crate) first: u64,
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// Whether the names of the new bins have more digits, so that the old ones stay listed.
    pub(super) renames: bool,
    has_hashes: bool,
    history_bytes: u64,
}

impl Ledger {
    /// The same targets in other bins of the same form.
    pub(crate) fn rebinned(&self, to: Layout, targets: &[Target]) -> Result<Rebinned, Error> {
        let after = Self::new(to, self.ladder, targets)?;
        let bits = |delegation: Delegation| delegation.bit_length().map_or(0, |bits| bits.bits());
        let (from, to_bits) = (bits(self.delegation), bits(to.delegation));
        let newest = self.roles.iter().map(super::Role::version).max().unwrap_or(0);
        let bins_role = if self.is_prefixes() { self.bins_version } else { 0 };
        let first = newest.max(bins_role) + 1;
        Ok(Rebinned {
            after,
            first,
            from,
            to: to_bits,
            renames: from.div_ceil(4) != to_bits.div_ceil(4),
            has_hashes: to.snapshot == SnapshotForm::Hashes,
            history_bytes: sizes::bin_history(&[(from, 1), (to_bits, first)]),
        })
    }

    /// What the snapshot lists after the change.
    pub(crate) fn listing_after(&self, rebinned: &Rebinned) -> Listing {
        let Rebinned { after, first, renames, .. } = rebinned;
        let bins = after.roles.len() as f64;
        let mut listing = Listing {
            own_digits: digits(self.now() as u64 + 2) as f64,
            history_bytes: rebinned.history_bytes as f64,
            bins_digits: digits(self.bins_version + 1) as f64,
            roles: bins + 1.0,
            name_bytes: after.roles.iter().map(|role| role.name.len()).sum::<usize>() as f64
                + "targets".len() as f64,
            digits: bins * digits(*first) as f64 + digits(self.top_after()) as f64,
            ..Listing::default()
        };
        listing.top = Top { count: 1.0, digits: digits(self.top_after()) as f64, ..Top::default() };
        if self.is_prefixes() {
            listing.roles += 1.0;
            listing.name_bytes += "bins".len() as f64;
            listing.digits += digits(self.bins_version + 1) as f64;
        }
        if self.has_hashes {
            let lengths = (0..after.roles.len()).map(|bin| digits(rebinned.length(bin)));
            listing.length_digits = lengths.sum::<u64>() as f64;
            // Those of the roles above the bins, which have as many digits as a change of the history leaves them.
            listing.length_digits += 3.0;
            if self.is_prefixes() {
                listing.length_digits += digits(after.empty.bins + rebinned.history_bytes) as f64;
            }
        }
        if *renames {
            let mut times = BTreeMap::<u64, u64>::new();
            let stale = &mut listing.stale;
            for role in &self.roles {
                let version = role.version();
                *times.entry(version).or_default() += 1;
                let length = role.log.last().map_or(0, |write| self.length(write, version));
                stale.roles += 1.0;
                stale.name_bytes += role.name.len() as f64;
                stale.digits += digits(version) as f64;
                stale.length_digits += if self.has_hashes { digits(length) as f64 } else { 0.0 };
            }
            *stale = Stale { entropy: entropy_bytes(times.values().copied()), ..stale.clone() };
        }
        listing
    }

    /// The version of the top-level role: with succinct bins it changes, with prefixes `bins` does.
    pub(crate) fn top_after(&self) -> u64 {
        self.top.version() + u64::from(!self.is_prefixes())
    }

    /// What the change writes, and what there is after it, but for the visits.
    pub(crate) fn counts_after(&self, rebinned: &Rebinned) -> Result<Counts, Error> {
        let mut counts = rebinned.after.counts()?;
        let zstd_bytes = self.snapshot_in_zstd(Some(rebinned))?;
        let listing = Listing { zstd_bytes, ..self.listing_after(rebinned) };
        counts.roles.digits = counts.roles.count * digits(rebinned.first) as f64;
        let mut writes = Writes {
            listing: listing.clone(),
            bins: f64::from(u8::from(self.is_prefixes())),
            roles: counts.roles.clone(),
            ..Writes::default()
        };
        writes.listing.top.count = f64::from(u8::from(!self.is_prefixes()));
        let published = self.now() as u64 + 2;
        let mut files = 1.0;
        for edge in self.ladder.writes(published) {
            let from = at(edge.from);
            writes.regrouped.snapshot.add(&self.crossing(rebinned, from), 1.0);
            writes.regrouped.bundles.add(&rebinned.delegated(), 1.0);
            writes.bundles.add(&self.changes_since(from), 1.0);
            files += 2.0;
        }
        let groups = self.roles.len();
        for group in 0..groups {
            writes.regrouped.objects += 1.0;
            writes.regrouped.object_bytes += self.object_bytes(rebinned, group)? as f64;
        }
        files += groups as f64;
        if self.is_prefixes() {
            let edges = self.ladder.writes(self.bins_version + 1).len() as f64;
            writes.regrouped.bins.add(&rebinned.delegated(), edges);
            files += edges;
        } else {
            let edges = self.ladder.writes(self.top_after()).len() as f64;
            writes.regrouped.top = edges;
            files += edges;
        }
        writes.cold_snapshot = self.cold_after(&listing, rebinned);
        writes.delta_files = files;
        if rebinned.renames {
            counts.stale = self.counts()?.roles;
        }
        counts.listing = listing;
        counts.writes = writes;
        Ok(counts)
    }

    /// The snapshot from nothing after the change: new bins have one version, old ones their own.
    pub(crate) fn cold_after(&self, listing: &Listing, rebinned: &Rebinned) -> SnapshotSteps {
        let digests = if rebinned.has_hashes { listing.roles + listing.stale.roles } else { 0.0 };
        SnapshotSteps { count: 1.0, entropy: listing.stale.entropy, digests, ..Default::default() }
    }

    /// What a bundle over the change brings of the targets that changed since a publish: all new bins are signed anew, and old
    /// ones that stay listed are left out.
    pub(crate) fn changes_since(&self, publish: usize) -> Bundles {
        let mut bundle = self.bundle(publish, self.now());
        bundle.count = 0.0;
        bundle.outline = SnapshotSteps::default();
        bundle.roles.count = 0.0;
        bundle
    }

    /// The edge of the snapshot over the change from a publish.
    pub(crate) fn crossing(&self, rebinned: &Rebinned, publish: usize) -> Crossing {
        let mut crossing = crossing(rebinned.to, rebinned.renames, rebinned.has_hashes);
        crossing.signed = f64::from(u8::from(publish == self.now()));
        if rebinned.renames {
            // Old bins that stay listed have new versions and digests too.
            let stale = self.snapshot_step(publish, self.now());
            crossing.entropy = stale.entropy;
            if rebinned.has_hashes {
                crossing.digests += stale.digests;
            }
        }
        crossing
    }

    /// The object that makes new bins of an old one.
    pub(crate) fn object_bytes(&self, rebinned: &Rebinned, old: usize) -> Result<u64, Error> {
        let new_bins = 1 << (rebinned.to - rebinned.from);
        sizes::bins_delta(new_bins, rebinned.first, &[self.roles[old].version()])
    }
}

impl Rebinned {
    /// The old bin that a new one comes out of.
    pub(crate) fn group(&self, bin: usize) -> usize {
        bin >> (self.to - self.from)
    }

    /// A new bin, whole.
    pub(crate) fn document(&self, bin: usize) -> Documents {
        let role = &self.after.roles[bin];
        Documents::one(self.first, role.entries, role.entry_bytes)
    }

    /// The new bins and their versions, as a snapshot lists them.
    pub(super) fn versions(&self) -> impl Iterator<Item = (&str, u64)> {
        self.after.roles.iter().map(|role| (role.name.as_str(), self.first))
    }

    fn length(&self, bin: usize) -> u64 {
        let role = &self.after.roles[bin];
        let comma = u64::from(role.entries > 0);
        self.after.empty.role + digits(self.first) + role.entry_bytes - comma
    }

    /// An edge of `bins` over it, and a bundle.
    pub(crate) fn delegated(&self) -> Crossing {
        crossing(self.to, self.renames, false)
    }
}

/// A delta over a change to so many bins.
pub(crate) fn crossing(to: u32, renames: bool, has_hashes: bool) -> Crossing {
    let bins = f64::from(to).exp2();
    let (kept, renamed) = if renames { (0.0, bins) } else { (bins, 0.0) };
    let digests = if has_hashes { bins } else { 0.0 };
    Crossing { count: 1.0, signed: 0.0, kept, renamed, digests, entropy: 0.0 }
}
