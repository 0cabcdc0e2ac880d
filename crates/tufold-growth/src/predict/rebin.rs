//! What to expect of a live change of the bins: of the publish that makes it, and of the next visit of each client.

use tufold_sync::{HeldSnapshot, Way, mirror_way, regroup_pays, role_way, snapshot_way};

use super::Predictor;
use super::visits::{PARALLEL, PARALLEL_DELTAS, trips};
use crate::Error;
use crate::cost::Costs;
use crate::counts::{
    Add, Bundles, Counts, Crossing, DeltaReads, Documents, Listing, Reads, SnapshotSteps, Stale,
    Top, Writes,
};
use crate::layout::{Form, LayoutSpec, Snapshots};
use crate::ledger::rebin::crossing;
use crate::math::{digits, occupied, round};
use crate::rates::recorded_cpu_ms;
use crate::scenario::{Client, ClientKind};
use crate::sizes;
use crate::workload::Changes;

/// What a client has missed when it finds the new bins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Missed {
    /// As many publishes as its gap says.
    ItsGap,
    /// Nothing else: what the change alone costs.
    Nothing,
}

/// A change of the bins.
struct Change {
    from: LayoutSpec,
    to: LayoutSpec,
    /// The version that the new bins start at.
    first: u64,
    /// The mean version of an old bin.
    last: u64,
    /// The publish before it.
    end: u64,
    renames: bool,
}

impl Predictor<'_> {
    /// What it costs to give `from` as many bins as `to` has, after the experiment's publishes: the publish, and the next visit
    /// of each client.
    ///
    /// # Errors
    /// [`Error::Layout`] if there are not more bins than before, in the same form.
    pub(crate) fn rebin(
        &self,
        from: LayoutSpec,
        to: LayoutSpec,
        missed: Missed,
    ) -> Result<Costs, Error> {
        let is_more = from.form == to.form && from.form.has_bins() && from.bits() < to.bits();
        if !is_more || from.snapshot != to.snapshot || to.snapshot == Snapshots::Merkle {
            let problem = format!("{from} does not split into such bins");
            return Err(Error::Layout { text: to.to_string(), problem });
        }
        let change = self.change(from, to);
        let mut reads = Vec::new();
        for client in &self.activity.scenario.client {
            reads.push(self.reads_after(&change, client, missed)?);
        }
        let listing = self.listing_after(&change)?;
        let (pages, files) = self.activity.listed(change.end as f64);
        let bins = self.activity.roles(to, change.end as f64);
        let roles = Documents::alike(
            bins,
            pages + files,
            self.entry_bytes(pages, files),
            digits(change.first) as f64,
        );
        let writes = self.writes_after(&change, &listing, &roles)?;
        let longest = self.longest(to, change.end);
        let stale = match change.renames {
            true => self.all_roles(from, change.end),
            false => Documents::default(),
        };
        self.price_rebin(to, &Counts { reads, writes, listing, roles, longest, stale })
    }

    /// What a change of the bins costs that was counted so.
    pub(crate) fn price_rebin(&self, to: LayoutSpec, counts: &Counts) -> Result<Costs, Error> {
        let mut costs = self.price(to, counts)?;
        let entries = counts.roles.spread.0.iter().map(|(entries, roles)| entries * roles);
        costs.publisher.cpu_ms = recorded_cpu_ms(counts.roles.count, entries.sum());
        Ok(costs)
    }

    fn change(&self, from: LayoutSpec, to: LayoutSpec) -> Change {
        let end = self.activity.experiment.publishes;
        let writes = self.activity.writes(from, 0, end);
        let (mean, variance) = (writes.trials * writes.chance, 1.0 - writes.chance);
        let bins = self.activity.roles(from, end as f64);
        // The newest of so many versions, as far as they are normal; none is newer than the publishes allow.
        let above = (2.0 * bins.ln() * mean * variance.max(0.0)).sqrt();
        let newest = (writes.fixed + mean + above).min(end as f64);
        Change {
            from,
            to,
            first: 2 + round(newest),
            last: 1 + round(writes.fixed + mean),
            end,
            renames: from.bits().div_ceil(4) != to.bits().div_ceil(4),
        }
    }

    fn listing_after(&self, change: &Change) -> Result<Listing, Error> {
        let Change { from, to, first, end, .. } = *change;
        let before = self.listing(from, end)?;
        let mut listing = self.listing(to, end)?;
        let bins = self.activity.roles(to, end as f64);
        let is_prefixes = to.form == Form::BinsPrefixes;
        listing.own_digits = digits(end + 2) as f64;
        listing.entropy = 0.0;
        listing.digits = bins * digits(first) as f64 + digits(2) as f64;
        if is_prefixes {
            listing.bins_digits = digits(self.bins_version(to, end) + 1) as f64;
            listing.digits += listing.bins_digits;
        }
        listing.history_bytes = sizes::bin_history(&[(from.bits(), 1), (to.bits(), first)]) as f64;
        listing.top = Top { count: 1.0, digits: 1.0, ..Top::default() };
        if change.renames {
            let roles = self.activity.roles(from, end as f64);
            listing.stale = Stale {
                roles,
                name_bytes: roles * self.name_len(from),
                digits: roles * self.version_digits(from, end),
                length_digits: before.length_digits,
                entropy: before.entropy,
            };
        }
        Ok(listing)
    }

    /// The snapshot from nothing after the change.
    fn cold_after(&self, listing: &Listing, to: LayoutSpec) -> SnapshotSteps {
        let has_hashes = to.snapshot == Snapshots::Hashes;
        let digests = if has_hashes { listing.roles + listing.stale.roles } else { 0.0 };
        let entropy = listing.stale.entropy;
        SnapshotSteps { count: 1.0, entropy, digests, ..SnapshotSteps::default() }
    }

    /// How many bins the first returning client looks into.
    pub(crate) fn held_bins(&self, layout: LayoutSpec) -> f64 {
        let clients = &self.activity.scenario.client;
        let returning = clients.iter().find(|client| client.kind == ClientKind::Returning);
        let packages = returning.and_then(|client| client.packages.as_ref());
        let packages = packages.map_or(0.0, |packages| packages.value as f64);
        let bins = self.activity.roles(layout, self.activity.experiment.publishes as f64);
        occupied(bins, packages * (1.0 + self.activity.pages_each()))
    }

    /// The object that makes new bins of an old one.
    pub(crate) fn object_bytes(&self, from: LayoutSpec, to: LayoutSpec) -> Result<f64, Error> {
        Ok(Self::object_of(&self.change(from, to))? as f64)
    }

    fn object_of(change: &Change) -> Result<u64, Error> {
        let new_bins = 1 << (change.to.bits() - change.from.bits());
        sizes::bins_delta(new_bins, change.first, &[change.last])
    }

    /// The edge of the snapshot over the change from a publish.
    fn crossing(&self, change: &Change, publish: u64) -> Crossing {
        let has_hashes = change.to.snapshot == Snapshots::Hashes;
        let mut crossing = crossing(change.to.bits(), change.renames, has_hashes);
        crossing.signed = f64::from(u8::from(publish == change.end));
        if change.renames {
            // Old bins that stay listed have new versions and digests too.
            let stale = self.snapshot_step(change.from, publish, change.end);
            crossing.entropy = stale.entropy;
            crossing.digests += stale.digests;
        }
        crossing
    }

    /// What a bundle over the change brings of the targets that changed since a publish.
    fn changes_since(&self, change: &Change, publish: u64) -> Bundles {
        let mut bundle = self.bundle(change.from, publish, change.end);
        bundle.count = 0.0;
        bundle.outline = SnapshotSteps::default();
        bundle.roles.count = 0.0;
        bundle
    }

    fn writes_after(
        &self,
        change: &Change,
        listing: &Listing,
        roles: &Documents,
    ) -> Result<Writes, Error> {
        let is_prefixes = change.to.form == Form::BinsPrefixes;
        let flag = |is: bool| f64::from(u8::from(is));
        let mut writes = Writes {
            listing: listing.clone(),
            bins: flag(is_prefixes),
            roles: roles.clone(),
            cold_snapshot: self.cold_after(listing, change.to),
            delta_files: 1.0,
            ..Writes::default()
        };
        writes.listing.top.count = flag(!is_prefixes);
        for edge in self.ladder.writes(change.end + 2) {
            writes.regrouped.snapshot.add(&self.crossing(change, edge.from - 1), 1.0);
            writes.regrouped.bundles.add(&change.delegated(), 1.0);
            writes.bundles.add(&self.changes_since(change, edge.from - 1), 1.0);
            writes.delta_files += 2.0;
        }
        let objects = self.activity.roles(change.from, change.end as f64);
        writes.regrouped.objects = objects;
        writes.regrouped.object_bytes = objects * Self::object_of(change)? as f64;
        let edges = if is_prefixes {
            let edges = self.ladder.writes(self.bins_version(change.from, change.end) + 1).len();
            writes.regrouped.bins.add(&change.delegated(), edges as f64);
            edges
        } else {
            let edges = self.ladder.writes(2).len();
            writes.regrouped.top = edges as f64;
            edges
        };
        writes.delta_files += objects + edges as f64;
        Ok(writes)
    }

    fn reads_after(
        &self,
        change: &Change,
        client: &Client,
        missed: Missed,
    ) -> Result<Reads, Error> {
        let activity = &self.activity;
        let bins = activity.roles(change.to, change.end as f64);
        let is_prefixes = change.to.form == Form::BinsPrefixes;
        let is_new = client.kind == ClientKind::Cold;
        let flag = |is: bool| f64::from(u8::from(is));
        let packages = client.packages.as_ref().map_or(0.0, |packages| packages.value as f64);
        let lookups = packages * (1.0 + activity.pages_each());
        let (all_pages, all_files) = activity.listed(change.end as f64);
        let is_mirror = client.kind == ClientKind::Mirror;
        let needed = if is_mirror { bins } else { occupied(bins, lookups) };
        let found = if is_mirror { 0.0 } else { packages };
        let share = needed / bins;
        let pages = (all_pages - found * activity.pages_each()) * share;
        let pages = pages + found * activity.pages_each();
        let files = (all_files - found) * share + found;
        let bytes = self.entry_bytes(pages, files);
        let mut reads = Reads {
            needed,
            snapshot: 1.0,
            top: flag(is_new || !is_prefixes),
            bins: flag(is_prefixes),
            roles: Documents::alike(needed, pages + files, bytes, digits(change.first) as f64),
            ..Reads::default()
        };
        reads.round_trips = 3.0 + reads.top + reads.bins + trips(needed, PARALLEL);
        let (top, bins_role) = (reads.top, reads.bins);
        let delta = &mut reads.delta;
        *delta = DeltaReads { requests: 2.0, round_trips: 2.0, ..DeltaReads::default() };
        if is_new {
            delta.cold_snapshot = self.cold_after(&self.listing_after(change)?, change.to);
            (delta.top_whole, delta.bins_whole) = (top, bins_role);
            delta.whole = reads.roles.clone();
            delta.requests += 1.0 + top + bins_role + needed;
            delta.round_trips = reads.round_trips;
            return Ok(reads);
        }
        let missed = match missed {
            Missed::ItsGap => activity.missed(client),
            Missed::Nothing => 0,
        };
        let from = change.end - missed.min(change.end);
        if !self.by_bundles(change, client, from, delta) {
            self.snapshot_after(change, from, delta)?;
            self.delegator_after(change, from, delta)?;
            let whole = reads.roles.clone();
            self.bins_after(change, client, from, &whole, &mut reads.delta)?;
        }
        Ok(reads)
    }

    fn by_bundles(
        &self,
        change: &Change,
        client: &Client,
        from: u64,
        delta: &mut DeltaReads,
    ) -> bool {
        if client.kind != ClientKind::Mirror {
            return false;
        }
        let held = HeldSnapshot { version: from + 1, tally: self.tally(change.from, from) };
        let way = mirror_way(self.ladder, held, change.end + 2, None, PARALLEL);
        let Way::Path(path) = way else { return false };
        for edge in &path {
            if edge.to == change.end + 2 {
                delta.bundles.add(&self.changes_since(change, edge.from - 1), 1.0);
                delta.regrouped.bundles.add(&change.delegated(), 1.0);
            } else {
                delta.bundles.add(&self.bundle(change.from, edge.from - 1, edge.to - 1), 1.0);
            }
        }
        delta.requests += path.len() as f64;
        delta.round_trips += trips(path.len() as f64, PARALLEL);
        true
    }

    fn snapshot_after(
        &self,
        change: &Change,
        from: u64,
        delta: &mut DeltaReads,
    ) -> Result<(), Error> {
        let now = change.end + 2;
        let held = HeldSnapshot { version: from + 1, tally: self.tally(change.from, from) };
        let mut edges = match snapshot_way(self.ladder, Some(held), now, PARALLEL_DELTAS) {
            Way::Path(path) => path.iter().map(|edge| (edge.from, edge.to)).collect(),
            Way::FromNothing | Way::Full => Vec::new(),
        };
        if edges.is_empty() {
            delta.cold_snapshot = self.cold_after(&self.listing_after(change)?, change.to);
            delta.requests += 1.0;
        }
        if edges.last().is_some_and(|&(from, to)| from + 1 < to) {
            edges.push((now - 1, now));
        }
        for &(from, to) in &edges {
            if to == now {
                delta.regrouped.snapshot.add(&self.crossing(change, from - 1), 1.0);
            } else {
                delta.snapshot.add(&self.snapshot_step(change.from, from - 1, to - 1), 1.0);
            }
        }
        delta.requests += edges.len() as f64;
        delta.round_trips += 1.0;
        Ok(())
    }

    /// The role that delegates to other bins now, by its edges or whole.
    fn delegator_after(
        &self,
        change: &Change,
        from: u64,
        delta: &mut DeltaReads,
    ) -> Result<(), Error> {
        let bits = change.from.bits();
        let is_prefixes = change.to.form == Form::BinsPrefixes;
        let (held, bytes, to) = if is_prefixes {
            let held = self.bins_version(change.from, from);
            let bytes = sizes::prefixes_targets(bits, held)?.1 - sizes::envelope()?;
            (held, bytes, self.bins_version(change.from, change.end) + 1)
        } else {
            (1, sizes::succinct_targets(bits)? - sizes::envelope()?, 2)
        };
        let way = role_way(self.ladder, held, bytes, to, PARALLEL_DELTAS);
        delta.take_delegator(&way, is_prefixes.then(|| change.delegated()));
        Ok(())
    }

    /// New bins out of held ones; whole where a new release is in one that nobody asked for before.
    fn bins_after(
        &self,
        change: &Change,
        client: &Client,
        from: u64,
        all: &Documents,
        delta: &mut DeltaReads,
    ) -> Result<(), Error> {
        let (activity, end) = (&self.activity, change.end);
        let old = activity.roles(change.from, end as f64);
        let missed = end - from;
        let packages = client.packages.as_ref().map_or(0.0, |packages| packages.value as f64);
        let lookups = packages * (1.0 + activity.pages_each());
        let released = match missed {
            0 => 0.0,
            missed => packages * activity.released_dependencies(client, missed),
        };
        let held = occupied(old, lookups);
        // The new release of a package that was looked up may be in a held bin by chance.
        let objects = occupied(old, lookups - released) + occupied(old, released) * (held / old);
        let objects = objects.min(held);
        let (mean, _) = self.leaf_length(change.from, end)?;
        let new_of = 1_u64 << (change.to.bits() - change.from.bits());
        let wanted = (all.count / occupied(old, lookups)).max(1.0);
        let object = 16 + 66 * new_of;
        let pays = regroup_pays(
            1,
            object,
            round(wanted),
            round(mean * wanted / new_of as f64),
            PARALLEL_DELTAS,
        );
        let (edges, full) = match missed {
            0 => (0.0, 0.0),
            _ => self.ways(change.from, from, end)?,
        };
        let changes = activity.changes(change.from, missed as f64);
        let changed_share = (changes.roles / old).min(1.0);
        // Held bins that changed are walked to their last version first, if that is not dearer than the new ones.
        let walked = objects * changed_share * (1.0 - full);
        let objects = if pays { objects } else { 0.0 };
        let walked = if pays { walked } else { 0.0 };
        delta.regrouped.objects = objects;
        delta.regrouped.object_bytes = objects * Self::object_of(change)? as f64;
        let made = objects * (1.0 - changed_share * full);
        let by_objects = (made / held.max(1e-12)).min(1.0);
        let lost = all.count * (1.0 - by_objects);
        let unheld = lost.min(all.count);
        delta.whole.add(all, unheld / all.count.max(1e-12));
        let share = walked / changes.roles.max(1e-12);
        let part = Changes {
            roles: walked,
            pages: changes.pages * share,
            added: changes.added * share,
            removed: changes.removed * share,
            new_projects: changes.new_projects * share,
        };
        let (pages, files) = activity.listed(end as f64);
        let steps = walked * edges;
        delta.roles = self.steps(steps, &part, (pages + files) / old * steps);
        delta.requests += objects + steps + unheld;
        delta.round_trips += trips(objects, PARALLEL_DELTAS)
            + trips(steps, PARALLEL_DELTAS)
            + trips(unheld, PARALLEL);
        Ok(())
    }
}

impl Change {
    /// A delta of what delegates to the bins.
    fn delegated(&self) -> Crossing {
        crossing(self.to.bits(), self.renames, false)
    }
}
