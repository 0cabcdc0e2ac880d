//! What to expect of a scenario, in the numbers that a history is counted in.

use super::Predictor;
use crate::Error;
use crate::counts::{
    Add, Bundles, Counts, Documents, Listing, SHORT, SnapshotSteps, Steps, Top, TopSteps, Writes,
};
use crate::layout::{Form, LayoutSpec, Snapshots};
use crate::math::{digits, mean_digits, poisson_below, round};
use crate::sizes;
use crate::tail::Tail;
use crate::workload::Changes;

impl Predictor<'_> {
    /// What to expect of a layout.
    pub(super) fn expected(&self, layout: LayoutSpec) -> Result<Counts, Error> {
        let end = self.activity.experiment.publishes;
        let clients = self.activity.scenario.client.iter();
        let reads = clients.map(|client| self.reads(layout, client));
        Ok(Counts {
            reads: reads.collect::<Result<_, Error>>()?,
            writes: self.writes(layout)?,
            listing: self.listing(layout, end)?,
            roles: self.all_roles(layout, end),
            longest: self.longest(layout, end),
            stale: Documents::default(),
        })
    }

    fn with_hashes(layout: LayoutSpec) -> bool {
        layout.snapshot == Snapshots::Hashes
    }

    fn is_projects(layout: LayoutSpec) -> bool {
        matches!(layout.form, Form::ProjectsListed | Form::ProjectsWildcard)
    }

    /// Bytes of entries of so many pages and files.
    pub(super) fn entry_bytes(&self, pages: f64, files: f64) -> f64 {
        pages * self.census.page_entry + files * self.census.file_entry
    }

    /// The version of the top-level targets role.
    fn top_version(&self, layout: LayoutSpec, publish: u64) -> u64 {
        let each = self.activity.changes(layout, 1.0);
        let writes = match layout.form {
            Form::Flat | Form::ProjectsListed => (each.added + each.removed + each.pages).min(1.0),
            Form::ProjectsWildcard => each.new_projects.min(1.0),
            Form::BinsPrefixes | Form::BinsSuccinct => 0.0,
        };
        1 + round(writes * publish as f64)
    }

    pub(super) fn bins_version(&self, layout: LayoutSpec, publish: u64) -> u64 {
        let resigns = self.activity.writes(layout, 0, publish).fixed;
        if layout.form == Form::BinsPrefixes { 1 + round(resigns) } else { 1 }
    }

    pub(super) fn name_len(&self, layout: LayoutSpec) -> f64 {
        if Self::is_projects(layout) {
            self.census.project_role.unwrap_or(0.0)
        } else {
            f64::from(5 + layout.bits().div_ceil(4))
        }
    }

    /// The mean digits of a role's version.
    pub(super) fn version_digits(&self, layout: LayoutSpec, publish: u64) -> f64 {
        if Self::is_projects(layout) {
            return self.activity.project_version_digits(publish);
        }
        self.activity.writes(layout, 0, publish).mean_digits_of_version()
    }

    /// The top-level documents after a publish.
    pub(super) fn listing(&self, layout: LayoutSpec, publish: u64) -> Result<Listing, Error> {
        let roles = self.activity.roles(layout, publish as f64);
        let top_version = self.top_version(layout, publish);
        let bins_version = self.bins_version(layout, publish);
        let mut listing = Listing {
            own_digits: digits(publish + 1) as f64,
            roles: roles + 1.0,
            name_bytes: roles * self.name_len(layout) + "targets".len() as f64,
            digits: roles * self.version_digits(layout, publish) + digits(top_version) as f64,
            length_digits: 0.0,
            entropy: self.versions_entropy(layout, 0, publish),
            top: self.top_expected(layout, publish),
            bins_digits: digits(bins_version) as f64,
            ..Listing::default()
        };
        if Self::with_hashes(layout) {
            let (mean, deviation) = self.leaf_length(layout, publish)?;
            let top = if layout.form.has_bins() { 3.0 } else { mean_digits(1e5, 1.0) };
            listing.length_digits = roles * mean_digits(mean, deviation) + top;
        }
        if layout.form == Form::BinsPrefixes {
            listing.roles += 1.0;
            listing.name_bytes += "bins".len() as f64;
            listing.digits += digits(bins_version) as f64;
            if Self::with_hashes(layout) {
                let (_, bins) = sizes::prefixes_targets(layout.bits(), 1)?;
                listing.length_digits += digits(bins) as f64;
            }
        }
        Ok(listing)
    }

    fn top_expected(&self, layout: LayoutSpec, publish: u64) -> Top {
        let version = self.top_version(layout, publish);
        let (pages, files) = self.activity.listed(publish as f64);
        let mut top = Top { count: 1.0, digits: digits(version) as f64, ..Top::default() };
        match layout.form {
            Form::Flat => {
                let bytes = self.entry_bytes(pages, files);
                top.flat = Documents::alike(1.0, pages + files, bytes, top.digits);
            }
            Form::ProjectsListed | Form::ProjectsWildcard => {
                top.projects = self.activity.roles(layout, publish as f64);
                let each = match layout.form {
                    // A list has a comma less than it has paths.
                    Form::ProjectsListed => self.census.listed - 1.0,
                    _ => self.census.wildcard,
                };
                top.delegation_bytes = top.projects * each;
                if layout.form == Form::ProjectsListed {
                    top.delegation_bytes +=
                        pages * self.census.page_path + files * self.census.file_path;
                }
            }
            Form::BinsPrefixes | Form::BinsSuccinct => {}
        }
        top
    }

    /// All roles below the top-level one.
    pub(super) fn all_roles(&self, layout: LayoutSpec, publish: u64) -> Documents {
        if layout.form == Form::Flat {
            return Documents::default();
        }
        let (pages, files) = self.activity.listed(publish as f64);
        let roles = self.activity.roles(layout, publish as f64);
        let digits = self.version_digits(layout, publish);
        let bytes = self.entry_bytes(pages, files);
        let mut all = Documents::alike(roles, pages + files, bytes, digits);
        if Self::is_projects(layout) {
            all.empty = 0.0;
        }
        all
    }

    /// The mean length of such a role and its standard deviation.
    pub(super) fn leaf_length(
        &self,
        layout: LayoutSpec,
        publish: u64,
    ) -> Result<(f64, f64), Error> {
        let roles = self.activity.roles(layout, publish as f64).max(1.0);
        let mean = self.documents(layout, &self.all_roles(layout, publish))?.plain() / roles;
        let (pages, files) = self.activity.listed(publish as f64);
        Ok((mean, self.census.file_entry * ((pages + files) / roles).sqrt()))
    }

    /// Entries of the longest of them: bins are as good as equal, and the busiest project has the share of its rank.
    pub(super) fn longest(&self, layout: LayoutSpec, publish: u64) -> f64 {
        let roles = self.activity.roles(layout, publish as f64).max(1.0);
        match layout.form {
            Form::Flat => 0.0,
            Form::BinsPrefixes | Form::BinsSuccinct => {
                let (pages, files) = self.activity.listed(publish as f64);
                let deviation = self.census.file_entry * ((pages + files) / roles).sqrt();
                let mean = self.entry_bytes(pages, files) / roles;
                mean + deviation * (2.0 * roles.max(2.0).ln()).sqrt()
            }
            Form::ProjectsListed | Form::ProjectsWildcard => {
                let exponent = self.activity.scenario.publish.tail_exponent.value;
                let tail = Tail::new(round(self.census.projects), exponent);
                let files = self.activity.scenario.paths.files.value.len() as f64;
                (1.0 + self.census.more_releases * tail.share(1)) * files * self.census.file_entry
            }
        }
    }

    /// The bytes that tell which versions rose between two publishes, by how much: their entropy.
    fn versions_entropy(&self, layout: LayoutSpec, from: u64, to: u64) -> f64 {
        if Self::is_projects(layout) {
            return self.activity.project_versions_entropy(from, to);
        }
        let roles = self.activity.roles(layout, to as f64);
        roles * self.activity.writes(layout, from, to).entropy_bits() / 8.0
    }

    /// An edge of the snapshot.
    pub(super) fn snapshot_step(&self, layout: LayoutSpec, from: u64, to: u64) -> SnapshotSteps {
        let changes = self.activity.changes(layout, (to - from) as f64);
        let resigned = self.activity.resigns_any(from, to);
        let written = if resigned { self.activity.roles(layout, to as f64) } else { changes.roles };
        let names = if layout.form.has_bins() { 0.0 } else { changes.new_projects };
        SnapshotSteps {
            count: 1.0,
            signed: f64::from(u8::from(to == from + 1)),
            entropy: self.versions_entropy(layout, from, to),
            digests: if Self::with_hashes(layout) { written } else { 0.0 },
            names,
            name_bytes: names * self.name_len(layout),
        }
    }

    /// The snapshot from nothing.
    pub(super) fn cold_snapshot(&self, layout: LayoutSpec, publish: u64) -> SnapshotSteps {
        let roles = self.activity.roles(layout, publish as f64) + 1.0;
        let names = if layout.form.has_bins() { 0.0 } else { roles };
        SnapshotSteps {
            count: 1.0,
            signed: 0.0,
            entropy: self.versions_entropy(layout, 0, publish),
            digests: if Self::with_hashes(layout) { roles } else { 0.0 },
            names,
            name_bytes: names * self.name_len(layout),
        }
    }

    /// Edges of roles that hold these changes together, and start from roles with so many targets in all.
    pub(super) fn steps(&self, edges: f64, changes: &Changes, entries: f64) -> Steps {
        if edges <= 0.0 {
            return Steps::default();
        }
        let new_pages = if self.census.page_entry > 0.0 { changes.new_projects } else { 0.0 };
        let added = changes.added + new_pages;
        let changed = (changes.pages - new_pages).max(0.0);
        let page_path = (self.census.page_path - 3.0).max(0.0);
        let one = Steps {
            count: 1.0,
            added: added / edges,
            added_bytes: (changes.added * (self.census.file_path - 3.0) + new_pages * page_path)
                / edges,
            changed: changed / edges,
            removed: changes.removed / edges,
            ..Steps::default()
        };
        let is_short = poisson_below(entries / edges + one.added, SHORT);
        let adds = -(-one.added).exp_m1();
        let mut all = Steps::default();
        all.add(&one.placed(entries / edges).shortly(is_short, adds), edges);
        all
    }

    /// Targets in roles that so many of all are.
    fn entries_of(&self, layout: LayoutSpec, roles: f64, changes: &Changes, publish: u64) -> f64 {
        let (pages, files) = self.contents(layout, publish, changes, roles);
        pages + files
    }

    pub(super) fn top_step(&self, layout: LayoutSpec, from: u64, to: u64) -> (TopSteps, Steps) {
        let changes = self.activity.changes(layout, (to - from) as f64);
        let mut step = TopSteps { count: 1.0, ..TopSteps::default() };
        match layout.form {
            Form::Flat => {
                let (pages, files) = self.activity.listed(to as f64);
                return (TopSteps::default(), self.steps(1.0, &changes, pages + files));
            }
            Form::ProjectsListed | Form::ProjectsWildcard => {
                step.projects = changes.new_projects;
                step.name_bytes = changes.new_projects * self.name_len(layout);
                if layout.form == Form::ProjectsListed {
                    let pages =
                        if self.census.page_path > 0.0 { changes.new_projects } else { 0.0 };
                    step.paths = changes.added + pages;
                    step.path_bytes = changes.added * (self.census.file_path - 3.0)
                        + pages * (self.census.page_path - 3.0);
                    step.gone = changes.removed;
                    let span = (to - from) as f64;
                    step.touched = changes.roles;
                    let files = self.activity.scenario.paths.files.value.len() as f64;
                    let listed = self.activity.releases_of_changed(span) * files
                        + self.activity.pages_each();
                    let projects = self.activity.roles(layout, from as f64);
                    step = step.placed(projects, changes.roles * listed);
                } else {
                    step = step.placed(0.0, 0.0);
                }
            }
            Form::BinsPrefixes | Form::BinsSuccinct => return Default::default(),
        }
        (step, Steps::default())
    }

    /// The bundle between two publishes.
    pub(super) fn bundle(&self, layout: LayoutSpec, from: u64, to: u64) -> Bundles {
        let changes = self.activity.changes(layout, (to - from) as f64);
        let resigned = self.activity.resigns_any(from, to);
        let all = self.activity.roles(layout, to as f64);
        let roles = if resigned { all } else { changes.roles };
        let entries = if layout.form == Form::Flat {
            let (pages, files) = self.activity.listed(to as f64);
            pages + files
        } else {
            self.entries_of(layout, roles, &changes, to)
        };
        let (top, flat) = self.top_step(layout, from, to);
        let one = self.steps(1.0, &changes, entries);
        let roles = if layout.form == Form::Flat { flat } else { Steps { count: roles, ..one } };
        let outline =
            SnapshotSteps { signed: 0.0, digests: 0.0, ..self.snapshot_step(layout, from, to) };
        Bundles { count: 1.0, outline, roles, top }
    }

    /// What changed roles list: all that changed, and their part of the rest.
    pub(super) fn contents(
        &self,
        layout: LayoutSpec,
        publish: u64,
        changes: &Changes,
        roles: f64,
    ) -> (f64, f64) {
        let (pages, files) = self.activity.listed(publish as f64);
        let all = self.activity.roles(layout, publish as f64).max(1.0);
        if layout.form.has_bins() {
            let share = roles / all;
            let of = |all: f64, active: f64| (all - active) * share + active;
            (of(pages, changes.pages.min(pages)), of(files, changes.added.min(files)))
        } else if roles >= all {
            (pages, files)
        } else {
            let has_pages = f64::from(u8::from(pages > 0.0));
            let files_each = self.activity.scenario.paths.files.value.len() as f64;
            let share = roles / changes.roles.max(1e-12);
            let span = changes.added / self.activity.changes(layout, 1.0).added.max(1e-12);
            let releases = self.activity.releases_of_changed(span);
            (roles * has_pages, roles * releases * files_each + share * changes.added / 2.0)
        }
    }

    /// The mean of the publishes.
    fn writes(&self, layout: LayoutSpec) -> Result<Writes, Error> {
        let publishes = self.activity.experiment.publishes;
        let n = (publishes as f64).max(1.0);
        let middle = publishes.div_ceil(2);
        let changes = self.activity.changes(layout, 1.0);
        let all = self.activity.roles(layout, middle as f64);
        let resigns = self.activity.writes(layout, 0, publishes).fixed / n;
        let roles = (1.0 - resigns) * changes.roles + resigns * all;
        let mut writes = Writes { listing: self.listing(layout, middle)?, ..Writes::default() };
        let tops = (self.top_version(layout, publishes) - 1) as f64 / n;
        let mut top = Top::default();
        top.add(&writes.listing.top, tops);
        writes.listing.top = top;
        if layout.form != Form::Flat {
            let (pages, files) = self.contents(layout, middle, &changes, changes.roles);
            let (all_pages, all_files) = self.activity.listed(middle as f64);
            let mix = |some: f64, every: f64| (1.0 - resigns) * some + resigns * every;
            let (pages, files) = (mix(pages, all_pages), mix(files, all_files));
            let digits = self.version_digits(layout, middle);
            let bytes = self.entry_bytes(pages, files);
            writes.roles = Documents::alike(roles, pages + files, bytes, digits);
        }
        if layout.form == Form::BinsPrefixes {
            writes.bins = resigns;
        }
        if layout.snapshot == Snapshots::Merkle {
            return Ok(writes);
        }
        // The ladder repeats itself; of a long history the last stretch stands for all.
        let first = publishes.saturating_sub(256) + 1;
        let each = 1.0 / ((publishes + 1 - first) as f64).max(1.0);
        for publish in first..=publishes {
            for edge in self.ladder.writes(publish + 1) {
                let (from, to) = (edge.from - 1, edge.to - 1);
                writes.snapshot.add(&self.snapshot_step(layout, from, to), each);
                writes.bundles.add(&self.bundle(layout, from, to), each);
                writes.delta_files += 2.0 * each;
            }
            writes.cold_snapshot.add(&self.cold_snapshot(layout, publish), each);
            writes.delta_files += each;
        }
        self.edges_of_roles(layout, roles, tops, &mut writes);
        Ok(writes)
    }

    /// How many edges a version is written with, and how many versions they go back in all, once so many are there.
    fn edges_of_versions(&self, newest: u64) -> (f64, f64) {
        let versions = (newest.saturating_sub(64).max(1) + 1)..=newest.max(2);
        let written = (versions.end() + 1 - versions.start()) as f64;
        let edges = versions.flat_map(|version| self.ladder.writes(version));
        edges.fold((0.0, 0.0), |(count, spans), edge| {
            (count + 1.0 / written, spans + (edge.to - edge.from) as f64 / written)
        })
    }

    fn edges_of_roles(&self, layout: LayoutSpec, roles: f64, tops: f64, writes: &mut Writes) {
        let publishes = self.activity.experiment.publishes;
        let each = self.activity.changes(layout, 1.0);
        let count = self.activity.writes(layout, 0, publishes);
        let newest = 1 + round(count.fixed + count.trials * count.chance);
        let (edges, spans) = self.edges_of_versions(newest);
        if layout.form == Form::Flat || tops > 0.0 {
            let version = self.top_version(layout, publishes);
            let (edges, spans) = self.edges_of_versions(version);
            let per_write = (publishes as f64 / (version - 1).max(1) as f64).max(1.0);
            let span = round(spans / edges.max(1e-12) * per_write).clamp(1, publishes.max(1));
            let (top, flat) = self.top_step(layout, publishes - span, publishes);
            writes.top.add(&top, tops * edges);
            writes.flat_top.add(&flat, tops * edges);
            writes.delta_files += tops * edges;
        }
        if layout.form != Form::Flat {
            let content = Changes {
                roles,
                pages: each.pages * spans,
                added: each.added * spans,
                removed: each.removed * spans,
                new_projects: if layout.form.has_bins() { each.new_projects * spans } else { 0.0 },
            };
            let entries = self.entries_of(layout, each.roles, &each, publishes);
            let count = roles * edges;
            let entries = entries / each.roles.max(1e-12) * count;
            writes.steps = self.steps(count, &content, entries);
            writes.delta_files += count;
        }
        let bins = self.bins_version(layout, publishes);
        if bins > 1 {
            let (edges, _) = self.edges_of_versions(bins);
            writes.bins_steps.count = writes.bins * edges;
            writes.delta_files += writes.bins * edges;
        }
    }
}
