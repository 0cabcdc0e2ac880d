//! What to expect of a visit.

use tufold_meta::Tally;
use tufold_sync::{HeldSnapshot, Way, mirror_way, role_way, snapshot_way};

use super::Predictor;
use crate::Error;
use crate::counts::{Add, DeltaReads, Documents, Reads};
use crate::layout::{Form, LayoutSpec, Snapshots};
use crate::math::{occupied, round};
use crate::scenario::{Client, ClientKind};
use crate::workload::Changes;

/// How many requests a client has under way at once, for files and for deltas (`tufold_sync::Limits`).
pub(super) const PARALLEL: usize = 8;
pub(super) const PARALLEL_DELTAS: usize = 16;

/// How often so many requests wait for one another.
pub(super) fn trips(requests: f64, at_once: usize) -> f64 {
    (requests / at_once as f64).ceil()
}

/// How many numbers of writes stand for all, where each popularity has its own.
const LIKELY_WRITES: usize = 8;

/// Roles that a visit fetches.
struct Fetched {
    /// Roles that list what it looks up.
    needed: f64,
    /// Those that it has to fetch.
    roles: f64,
    /// Those of them of which it holds no version.
    unheld: f64,
}

impl Predictor<'_> {
    /// What a client is expected to read.
    pub(super) fn reads(&self, layout: LayoutSpec, client: &Client) -> Result<Reads, Error> {
        let activity = &self.activity;
        let end = activity.experiment.publishes;
        let is_new = client.kind == ClientKind::Cold;
        let gap = if is_new { end } else { activity.gap(client) };
        let from = end - gap;
        let resigned = activity.resigns_any(from, end);
        let flag = |is: bool| f64::from(u8::from(is));
        let top = match layout.form {
            Form::Flat | Form::ProjectsListed => {
                let changes = activity.changes(layout, gap as f64);
                gap > 0 && changes.added + changes.removed >= 1.0
            }
            Form::ProjectsWildcard => activity.changes(layout, gap as f64).new_projects >= 1.0,
            Form::BinsPrefixes | Form::BinsSuccinct => false,
        };
        let fetched = self.fetched(layout, client, gap);
        let mut reads = Reads {
            needed: fetched.needed,
            snapshot: flag(is_new || gap > 0),
            top: flag(is_new || top),
            bins: flag(layout.form == Form::BinsPrefixes && (is_new || resigned)),
            roles: self.documents_read(layout, client, &fetched, gap),
            ..Reads::default()
        };
        reads.round_trips =
            2.0 + reads.snapshot + reads.top + reads.bins + trips(fetched.roles, PARALLEL);
        reads.delta = DeltaReads { requests: 2.0, round_trips: 2.0, ..DeltaReads::default() };
        if layout.snapshot == Snapshots::Merkle || reads.snapshot == 0.0 {
            return Ok(reads);
        }
        self.delta_reads(layout, client, &fetched, gap, &mut reads)?;
        Ok(reads)
    }

    fn delta_reads(
        &self,
        layout: LayoutSpec,
        client: &Client,
        fetched: &Fetched,
        gap: u64,
        reads: &mut Reads,
    ) -> Result<(), Error> {
        let activity = &self.activity;
        let end = activity.experiment.publishes;
        let from = end - gap;
        let is_new = client.kind == ClientKind::Cold;
        let (top, bins, whole) = (reads.top, reads.bins, &reads.roles);
        let delta = &mut reads.delta;
        let held = HeldSnapshot { version: from + 1, tally: self.tally(layout, from) };
        if client.kind == ClientKind::Mirror
            && let Way::Path(path) = mirror_way(self.ladder, held, end + 1, None, PARALLEL)
        {
            for edge in &path {
                delta.bundles.add(&self.bundle(layout, edge.from - 1, edge.to - 1), 1.0);
            }
            delta.requests += path.len() as f64;
            delta.round_trips += trips(path.len() as f64, PARALLEL);
            return Ok(());
        }
        match snapshot_way(self.ladder, (!is_new).then_some(held), end + 1, PARALLEL_DELTAS) {
            Way::Path(path) => {
                let mut edges: Vec<_> =
                    path.iter().map(|edge| (edge.from - 1, edge.to - 1)).collect();
                if edges.last().is_some_and(|&(from, to)| from + 1 < to) {
                    // A longer edge has no signatures, which the step to the same version has.
                    edges.push((end - 1, end));
                }
                for &(from, to) in &edges {
                    delta.snapshot.add(&self.snapshot_step(layout, from, to), 1.0);
                }
                delta.requests += edges.len() as f64;
            }
            Way::FromNothing | Way::Full => {
                delta.cold_snapshot = self.cold_snapshot(layout, end);
                delta.requests += 1.0;
            }
        }
        delta.round_trips += 1.0 + top + bins;
        delta.requests += top + bins;
        if is_new {
            (delta.top_whole, delta.bins_whole) = (top, bins);
            delta.whole = whole.clone();
            delta.requests += fetched.roles;
            delta.round_trips += trips(fetched.roles, PARALLEL);
            return Ok(());
        }
        if top > 0.0 {
            // As far back as the gap is, in one edge or in several: what it holds is about the same.
            let (projects, flat) = self.top_step(layout, from, end);
            (delta.top, delta.flat_top) = (projects, flat);
        }
        delta.bins.count = bins;
        let is_project = matches!(layout.form, Form::ProjectsListed | Form::ProjectsWildcard);
        let (edges, full) = match is_project && client.kind == ClientKind::Returning {
            true => self.project_ways(layout, client, from, end)?,
            false => self.ways(layout, from, end)?,
        };
        let held = fetched.roles - fetched.unheld;
        let by_edges = held * (1.0 - full);
        let unheld = fetched.unheld + held * full;
        delta.whole.add(whole, unheld / fetched.roles.max(1e-12));
        let changes = activity.changes(layout, gap as f64);
        let resigned = activity.resigns_any(from, end);
        let changed = if resigned { activity.roles(layout, end as f64) } else { changes.roles };
        let share = by_edges / changed.max(1e-12);
        let part = Changes {
            roles: by_edges,
            pages: changes.pages * share,
            added: changes.added * share,
            removed: changes.removed * share,
            new_projects: if layout.form.has_bins() { changes.new_projects * share } else { 0.0 },
        };
        let part = match is_project && client.kind == ClientKind::Returning {
            // What is popular is released more often, and each edge has the page anew.
            true => {
                let files = activity.scenario.paths.files.value.len() as f64;
                let releases = activity.releases_for(client, gap) * (1.0 - full);
                let pages = by_edges * edges * activity.pages_each();
                Changes { pages, added: releases * files, ..part }
            }
            false => part,
        };
        let entries = whole.spread.0.iter().map(|(entries, roles)| entries * roles).sum::<f64>();
        let each = entries / fetched.roles.max(1e-12);
        delta.roles = self.steps(by_edges * edges, &part, each * by_edges * edges);
        delta.requests += unheld + by_edges * edges;
        delta.round_trips += trips(unheld, PARALLEL).max(trips(by_edges * edges, PARALLEL_DELTAS));
        Ok(())
    }

    /// What a client counts in the snapshot of a publish.
    pub(super) fn tally(&self, layout: LayoutSpec, publish: u64) -> Tally {
        let roles = self.activity.roles(layout, publish as f64);
        let writes = self.activity.writes(layout, 0, publish);
        let files = round(roles) + 1;
        let rises = round(roles * (writes.fixed + writes.trials * writes.chance));
        let names = if layout.form.has_bins() { 2 } else { files };
        let has_hashes = layout.snapshot == Snapshots::Hashes;
        Tally { files, versions: files + rises, has_hashes, names }
    }

    /// How many edges a role takes that changed between two publishes, and which part of such roles is fetched whole.
    pub(super) fn ways(&self, layout: LayoutSpec, from: u64, to: u64) -> Result<(f64, f64), Error> {
        if layout.form == Form::Flat {
            return Ok((0.0, 0.0));
        }
        let (mean, _) = self.leaf_length(layout, from)?;
        let behind = self.activity.writes(layout, from, to).likely();
        let start = self.activity.writes(layout, 0, from).likely();
        let (mut edges, mut by_edges, mut all) = (0.0, 0.0, 0.0);
        for &(count, chance) in behind.iter().filter(|(count, _)| *count > 0) {
            for &(version, weight) in &start {
                let (old, new) = (1 + version, 1 + version + count);
                all += chance * weight;
                if let Way::Path(path) =
                    role_way(self.ladder, old, round(mean), new, PARALLEL_DELTAS)
                {
                    edges += chance * weight * path.len() as f64;
                    by_edges += chance * weight;
                }
            }
        }
        if by_edges <= 0.0 {
            return Ok((1.0, if all > 0.0 { 1.0 } else { 0.0 }));
        }
        Ok((edges / by_edges, 1.0 - by_edges / all))
    }

    /// As [`Self::ways`] for the roles of a client's packages: what is popular is written more often.
    fn project_ways(
        &self,
        layout: LayoutSpec,
        client: &Client,
        from: u64,
        to: u64,
    ) -> Result<(f64, f64), Error> {
        let (whole, _) = self.leaf_length(layout, from)?;
        let (pages, listed) = self.activity.listed(from as f64);
        let roles = self.activity.roles(layout, from as f64).max(1.0);
        // Without what the mean project lists, to which each popularity adds its own.
        let empty = whole - self.entry_bytes(pages, listed) / roles;
        let files = self.activity.scenario.paths.files.value.len() as f64;
        let (mut edges, mut by_edges, mut all) = (0.0, 0.0, 0.0);
        self.activity.each_dependency(client, |packages, share| {
            let few = |mut likely: Vec<(u64, f64)>| {
                likely.sort_by(|a, b| b.1.total_cmp(&a.1));
                likely.truncate(LIKELY_WRITES);
                likely
            };
            let behind = few(self.activity.project_writes(share, from, to).likely());
            let start = few(self.activity.project_writes(share, 0, from).likely());
            let releases = 1.0 + self.census.more_releases * share;
            let mean = empty + self.entry_bytes(self.activity.pages_each(), releases * files);
            let weights: f64 = start.iter().map(|(_, weight)| weight).sum();
            for &(count, chance) in behind.iter().filter(|(count, _)| *count > 0) {
                for &(version, weight) in &start {
                    let (old, new) = (1 + version, 1 + version + count);
                    let weight = packages * chance * weight / weights;
                    all += weight;
                    if let Way::Path(path) =
                        role_way(self.ladder, old, round(mean), new, PARALLEL_DELTAS)
                    {
                        edges += weight * path.len() as f64;
                        by_edges += weight;
                    }
                }
            }
        });
        if by_edges <= 0.0 {
            return Ok((1.0, if all > 0.0 { 1.0 } else { 0.0 }));
        }
        Ok((edges / by_edges, 1.0 - by_edges / all))
    }

    fn fetched(&self, layout: LayoutSpec, client: &Client, gap: u64) -> Fetched {
        let activity = &self.activity;
        let end = activity.experiment.publishes;
        let resigned = activity.resigns_any(end - gap, end);
        let roles = activity.roles(layout, end as f64);
        let changes = activity.changes(layout, gap as f64);
        let is_new = client.kind == ClientKind::Cold;
        if client.kind == ClientKind::Mirror {
            let fetched = if resigned { roles } else { changes.roles };
            let unheld = if layout.form.has_bins() { 0.0 } else { changes.new_projects };
            return Fetched { needed: roles, roles: fetched, unheld };
        }
        let packages = client.packages.as_ref().map_or(0.0, |packages| packages.value as f64);
        let lookups = 1.0 + activity.pages_each();
        match layout.form {
            Form::Flat => Fetched { needed: 0.0, roles: 0.0, unheld: 0.0 },
            Form::ProjectsListed | Form::ProjectsWildcard if is_new => {
                Fetched { needed: packages, roles: packages, unheld: packages }
            }
            Form::ProjectsListed | Form::ProjectsWildcard => {
                let rate = if resigned { 1.0 } else { activity.released_dependencies(client, gap) };
                Fetched { needed: packages, roles: packages * rate, unheld: 0.0 }
            }
            Form::BinsPrefixes | Form::BinsSuccinct => {
                let needed = occupied(roles, packages * lookups);
                if is_new {
                    return Fetched { needed, roles: needed, unheld: needed };
                }
                let rate = activity.released_dependencies(client, gap);
                // A bin is fetched if the newest release of a dependency is in it, or if some lookup is and anything
                // else changed it: B (1 - (1 - 1/B)^released (1 - U (1 - (1 - 1/B)^others))).
                let others = changes.pages + changes.added + changes.removed;
                let by_others = if resigned { 1.0 } else { occupied(roles, others) / roles };
                let with = packages * lookups * rate;
                let without = packages * lookups - with;
                let hit = occupied(roles, with) / roles;
                let touched = by_others * occupied(roles, without) / roles;
                let fetched = roles * (1.0 - (1.0 - hit) * (1.0 - touched));
                // The file of a new release is where it wants to be, mostly in a bin that nobody asked for before.
                let unheld = occupied(roles, packages * rate) * (1.0 - needed / roles);
                Fetched { needed, roles: fetched, unheld: unheld.min(fetched) }
            }
        }
    }

    /// The roles that a client fetches, below the top-level one.
    fn documents_read(
        &self,
        layout: LayoutSpec,
        client: &Client,
        fetched: &Fetched,
        gap: u64,
    ) -> Documents {
        let activity = &self.activity;
        let end = activity.experiment.publishes;
        let (all_pages, all_files) = activity.listed(end as f64);
        let roles = activity.roles(layout, end as f64);
        let changes = activity.changes(layout, gap as f64);
        let resigned = activity.resigns_any(end - gap, end);
        let files_each = activity.scenario.paths.files.value.len() as f64;
        let has_pages = activity.pages_each();
        let packages = client.packages.as_ref().map_or(0.0, |packages| packages.value as f64);
        let (pages, files) = match (layout.form.has_bins(), client.kind) {
            // What it looks up is in the bins that it needs, and of the rest each bin has its part.
            (true, ClientKind::Cold) => {
                let share = fetched.roles / roles;
                let looked_up = packages * has_pages;
                (
                    (all_pages - looked_up) * share + looked_up,
                    (all_files - packages) * share + packages,
                )
            }
            (true, ClientKind::Mirror) => self.contents(layout, end, &changes, fetched.roles),
            (true, ClientKind::Returning) => {
                let changed = if resigned { roles } else { changes.roles };
                let (pages, files) = self.contents(layout, end, &changes, changed);
                let share = fetched.roles / changed.max(1e-12);
                // What it looks up is there besides, as far as that is not what changed.
                let found = packages * (fetched.roles / fetched.needed.max(1e-12)).min(1.0);
                let still =
                    1.0 - ((changes.pages + changes.added) / (all_pages + all_files)).min(1.0);
                (pages * share + found * has_pages * still, files * share + found * still)
            }
            (false, ClientKind::Cold | ClientKind::Returning) => {
                let releases = match client.kind {
                    ClientKind::Cold => activity.releases_of_dependencies(client),
                    _ if resigned => activity.releases_of_dependencies(client),
                    _ => activity.releases_of_changed_dependencies(client, gap),
                };
                (fetched.roles * has_pages, fetched.roles * releases * files_each)
            }
            (false, ClientKind::Mirror) if resigned => (all_pages, all_files),
            (false, ClientKind::Mirror) => {
                let releases = activity.releases_of_changed(gap as f64);
                (fetched.roles * has_pages, fetched.roles * releases * files_each + changes.added)
            }
        };
        let digits = self.version_digits(layout, end);
        let bytes = self.entry_bytes(pages, files);
        Documents::alike(fetched.roles, pages + files, bytes, digits)
    }
}
