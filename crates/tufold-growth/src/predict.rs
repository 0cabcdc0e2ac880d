//! Costs by closed forms: lengths from the real serialiser, expected numbers from the scenario, and measured rates for
//! what codecs make of it.
//!
//! Works for any size: nothing here is proportional to the number of targets.

use serde::{Deserialize, Serialize};
use tufold_delta::Ladder;

use crate::Error;
use crate::census::Census;
use crate::cost::{ClientCost, Costs, EgressCost, PublisherCost, StorageCost, Transfer};
use crate::layout::{Form, LayoutSpec, Snapshots};
use crate::math::{digits, interpolate, mean_digits, round};
use crate::rates::Rates;
use crate::scenario::{Client, ClientKind, DAY_S, Scenario};
use crate::sizes;
use crate::trace::Start;
use crate::workload::{Activity, Changes, Experiment, Reads};

mod deltas;
pub(crate) mod limits;

/// How many requests a client has under way at once (`tufold_sync::Limits`).
const PARALLEL: f64 = 8.0;

/// A scenario under an experiment, ready to price layouts.
pub struct Predictor<'s> {
    pub(crate) activity: Activity<'s>,
    census: Census,
    rates: Rates,
    ladder: Ladder,
}

/// Counts of a history that take the place of the expected ones.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Counted {
    /// What each client read, in the scenario's order.
    pub(crate) reads: Vec<Reads>,
    /// Roles that a publish wrote, the top-level one not counted.
    pub(crate) roles_per_publish: f64,
}

/// Bytes of one document, or of several, on the line.
#[derive(Clone, Copy, Debug, Default)]
struct Bytes {
    plain: f64,
    gzip: f64,
}

/// The documents that are the same for each client of a layout.
struct Top {
    timestamp: Bytes,
    snapshot: Bytes,
    /// The top-level targets role.
    targets: Bytes,
    /// The role `bins`.
    bins: Bytes,
    /// One proof of TAP 16.
    proof: Bytes,
}

impl<'s> Predictor<'s> {
    /// Samples the scenario's names.
    ///
    /// # Errors
    /// [`Error::NoKey`].
    pub fn new(
        scenario: &'s Scenario,
        experiment: Experiment,
        rates: Rates,
        ladder: Ladder,
    ) -> Result<Self, Error> {
        let census = Census::of(scenario)?;
        Ok(Self { activity: Activity::new(scenario, experiment), census, rates, ladder })
    }

    /// The same names in an index of another size.
    pub(crate) fn rescaled<'o>(&self, scenario: &'o Scenario) -> Predictor<'o> {
        let mut census = self.census;
        census.projects = scenario.index.projects.value as f64;
        census.more_releases = Start::of(scenario).more_releases as f64;
        let activity = Activity::new(scenario, self.activity.experiment);
        Predictor { activity, census, rates: self.rates.clone(), ladder: self.ladder }
    }

    /// What `layout` costs, by expected numbers.
    ///
    /// # Errors
    /// [`Error::Layout`] for a project form where a project's targets do not share a role.
    pub fn predict(&self, layout: LayoutSpec) -> Result<Costs, Error> {
        self.price(layout, None)
    }

    pub(crate) fn price(
        &self,
        layout: LayoutSpec,
        counted: Option<&Counted>,
    ) -> Result<Costs, Error> {
        let is_projects = matches!(layout.form, Form::ProjectsListed | Form::ProjectsWildcard);
        if is_projects && self.census.project_role.is_none() {
            let problem = "the pages and files of a project do not share a role".to_owned();
            return Err(Error::Layout { text: layout.to_string(), problem });
        }
        let scenario = self.activity.scenario;
        let end = self.activity.experiment.publishes;
        let top = self.top(layout, end)?;
        let mut clients = Vec::new();
        for (at, client) in scenario.client.iter().enumerate() {
            let reads = match counted {
                Some(counted) => counted.reads[at],
                None => self.activity.reads(layout, client, self.ladder),
            };
            clients.push(self.client(layout, client, &reads, &top)?);
        }
        let publisher = self.publisher(layout, counted)?;
        let visits = |bytes: &dyn Fn(&ClientCost) -> f64| {
            let pairs = clients.iter().zip(&scenario.client);
            pairs.map(|(cost, client)| bytes(cost) * client.visits_per_day.value).sum::<f64>()
        };
        let egress = EgressCost {
            gzip_bytes_per_day: visits(&|cost| cost.gzip.bytes),
            delta_bytes_per_day: visits(&|cost| cost.delta.unwrap_or(cost.gzip).bytes),
        };
        let storage = StorageCost {
            current_bytes: self.all_roles(layout, end)?
                + top.timestamp.plain
                + top.snapshot.plain
                + top.targets.plain
                + top.bins.plain,
            delta_bytes: self.kept_deltas(layout)?,
        };
        let biggest = self.biggest_role(layout, end)?;
        let documents = limits::Documents {
            snapshot: top.snapshot.plain,
            targets: top.targets.plain,
            bins: top.bins.plain,
            leaf: biggest,
        };
        let refused = limits::refused(layout, &documents);
        Ok(Costs { clients, publisher, storage, egress, refused })
    }

    /// PEP 458's and TAP 15's metadata above the bins.
    fn top(&self, layout: LayoutSpec, publish: u64) -> Result<Top, Error> {
        let version = publish + 1;
        let snapshot = self.snapshot(layout, publish)?;
        let listed = round(snapshot.plain);
        let mut timestamp = sizes::timestamp(version, version, listed, Some(self.ladder))? as f64;
        if layout.snapshot == Snapshots::Merkle {
            timestamp += sizes::merkle_root() as f64;
        }
        let gzip = &self.rates.gzip;
        let (pages, files) = self.activity.listed(publish as f64);
        let projects = self
            .activity
            .roles(LayoutSpec { form: Form::ProjectsListed, ..layout }, publish as f64);
        let top_version = self.top_version(layout, publish);
        let empty = sizes::listing_targets(top_version)? as f64;
        let bytes = |plain, gzip| Bytes { plain, gzip };
        let none = Bytes::default();
        let (targets, bins) = match layout.form {
            Form::Flat => {
                (self.roles_of(1.0, pages, files, digits(top_version) as f64, &gzip.bin)?, none)
            }
            Form::ProjectsWildcard => {
                let plain = empty - 1.0 + projects * self.census.wildcard;
                (bytes(plain, interpolate(&gzip.wildcard, projects)), none)
            }
            Form::ProjectsListed => {
                let paths = pages * self.census.page_path + files * self.census.file_path;
                // A list has a comma less than it has paths.
                let plain = empty - 1.0 + projects * (self.census.listed - 1.0) + paths;
                (bytes(plain, interpolate(&gzip.listed, projects)), none)
            }
            Form::BinsSuccinct => {
                (bytes(sizes::succinct_targets(layout.bits())? as f64, gzip.succinct), none)
            }
            Form::BinsPrefixes => {
                let resigns = self.activity.writes(layout, 0, publish).fixed;
                let (top, bins) = sizes::prefixes_targets(layout.bits(), 1 + round(resigns))?;
                let count = 2_f64.powi(layout.bits().cast_signed());
                let prefixes = sizes::prefixes_of_bin(f64::from(layout.bits()));
                let role =
                    bytes(bins as f64, 290.0 + count * interpolate(&gzip.bins_role, prefixes));
                (bytes(top as f64, gzip.prefixes), role)
            }
        };
        let proof = match layout.snapshot {
            Snapshots::Merkle => {
                let roles = self.activity.roles(layout, publish as f64) + 1.0;
                let version = self.activity.writes(layout, 0, publish).mean_digits_of_version();
                let plain = sizes::merkle_proof(self.name_len(layout), version, roles);
                // Hex digests are half entropy; the rest of a proof is known text.
                bytes(plain, plain.min(roles.log2().ceil() * 37.0 + 120.0))
            }
            _ => none,
        };
        Ok(Top { timestamp: bytes(timestamp, gzip.timestamp), snapshot, targets, bins, proof })
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

    fn name_len(&self, layout: LayoutSpec) -> f64 {
        match layout.form {
            Form::ProjectsListed | Form::ProjectsWildcard => {
                self.census.project_role.unwrap_or(0.0)
            }
            _ => f64::from(5 + layout.bits().div_ceil(4)),
        }
    }

    /// The snapshot: an entry a role, with the digits that its version has on average.
    fn snapshot(&self, layout: LayoutSpec, publish: u64) -> Result<Bytes, Error> {
        if layout.snapshot == Snapshots::Merkle {
            return Ok(Bytes::default());
        }
        let with_hashes = layout.snapshot == Snapshots::Hashes;
        let roles = self.activity.roles(layout, publish as f64);
        let writes = self.activity.writes(layout, 0, publish);
        let length_digits = |mean: f64, deviation: f64| match with_hashes {
            true => mean_digits(mean, deviation),
            false => 0.0,
        };
        let (mean, deviation) = self.leaf_length(layout, publish)?;
        let entry = sizes::snapshot_entry(self.name_len(layout), with_hashes)
            + writes.mean_digits_of_version()
            + length_digits(mean, deviation);
        let single = |name: &str, version: u64, bytes: f64| {
            sizes::snapshot_entry(name.len() as f64, with_hashes)
                + digits(version) as f64
                + length_digits(bytes, 0.01)
        };
        let mut plain = sizes::empty_snapshot(publish + 1)? as f64 - 1.0 + roles * entry;
        plain += single("targets", self.top_version(layout, publish), 1000.0);
        if layout.form == Form::BinsPrefixes {
            let (_, bins) = sizes::prefixes_targets(layout.bits(), 1)?;
            plain += single("bins", 1 + round(writes.fixed), bins as f64);
        }
        let gzip = &self.rates.gzip;
        let is_bins = layout.form.has_bins();
        let each = match (is_bins, with_hashes) {
            (true, true) => gzip.snapshot_hashes,
            (true, false) => {
                let mean = writes.fixed + writes.trials * writes.chance;
                // All bins that are signed again together have the same version.
                let spread = if writes.trials * writes.chance < 0.01 { 0.0 } else { mean };
                gzip.snapshot_bin(u64::from(layout.bits().div_ceil(4)), spread)
            }
            (false, true) => gzip.snapshot_project_hashes,
            (false, false) => gzip.snapshot_project,
        };
        Ok(Bytes { plain, gzip: 290.0 + roles * each })
    }

    /// Documents that list so many targets together.
    fn roles_of(
        &self,
        count: f64,
        pages: f64,
        files: f64,
        version_digits: f64,
        curve: &[(f64, f64)],
    ) -> Result<Bytes, Error> {
        if count <= 0.0 {
            return Ok(Bytes::default());
        }
        let each = (pages + files) / count;
        let fixed = sizes::empty_targets(1, None)? as f64 - 1.0 + version_digits;
        let entries = pages * self.census.page_entry + files * self.census.file_entry;
        // An entry brings its comma, but the last one has none; a role may have no entry.
        let plain = count * (fixed - 1.0 + (-each).exp()) + entries;
        Ok(Bytes { plain, gzip: count * interpolate(curve, each) })
    }

    fn curve(&self, layout: LayoutSpec) -> &[(f64, f64)] {
        if layout.form.has_bins() { &self.rates.gzip.bin } else { &self.rates.gzip.project }
    }

    /// All roles below the top-level one.
    fn all_roles(&self, layout: LayoutSpec, publish: u64) -> Result<f64, Error> {
        if layout.form == Form::Flat {
            return Ok(0.0);
        }
        let (pages, files) = self.activity.listed(publish as f64);
        let roles = self.activity.roles(layout, publish as f64);
        let version = self.activity.writes(layout, 0, publish).mean_digits_of_version();
        Ok(self.roles_of(roles, pages, files, version, self.curve(layout))?.plain)
    }

    /// The mean length of such a role and its standard deviation.
    fn leaf_length(&self, layout: LayoutSpec, publish: u64) -> Result<(f64, f64), Error> {
        let roles = self.activity.roles(layout, publish as f64).max(1.0);
        let mean = self.all_roles(layout, publish)? / roles;
        let (pages, files) = self.activity.listed(publish as f64);
        Ok((mean, self.census.file_entry * ((pages + files) / roles).sqrt()))
    }

    /// The longest of them: bins are as good as equal, and the busiest project has the share of its rank.
    fn biggest_role(&self, layout: LayoutSpec, publish: u64) -> Result<f64, Error> {
        let (mean, deviation) = self.leaf_length(layout, publish)?;
        Ok(match layout.form {
            Form::Flat => 0.0,
            Form::BinsPrefixes | Form::BinsSuccinct => {
                let roles = self.activity.roles(layout, 0.0);
                mean + deviation * (2.0 * roles.max(2.0).ln()).sqrt()
            }
            Form::ProjectsListed | Form::ProjectsWildcard => {
                let publish = &self.activity.scenario.publish;
                let tail = crate::tail::Tail::new(
                    round(self.census.projects),
                    publish.tail_exponent.value,
                );
                let files = self.activity.scenario.paths.files.value.len() as f64;
                (1.0 + self.census.more_releases * tail.share(1)) * files * self.census.file_entry
            }
        })
    }

    /// What changed roles list: all that changed, and their part of the rest.
    fn contents(
        &self,
        layout: LayoutSpec,
        publish: u64,
        changes: &Changes,
        roles: f64,
    ) -> (f64, f64) {
        let (pages, files) = self.activity.listed(publish as f64);
        if layout.form.has_bins() {
            let share = roles / self.activity.roles(layout, publish as f64).max(1.0);
            let of = |all: f64, active: f64| (all - active) * share + active;
            (of(pages, changes.pages.min(pages)), of(files, changes.added.min(files)))
        } else {
            let has_pages = f64::from(u8::from(pages > 0.0));
            let files_each = self.activity.scenario.paths.files.value.len() as f64;
            (changes.pages * has_pages, roles * files_each)
        }
    }

    fn client(
        &self,
        layout: LayoutSpec,
        client: &Client,
        reads: &Reads,
        top: &Top,
    ) -> Result<ClientCost, Error> {
        let end = self.activity.experiment.publishes;
        let is_cold = client.kind == ClientKind::Cold;
        let gap = if is_cold { end } else { self.activity.gap(client) };
        let leaf = self.leaf_reads(layout, client, reads, gap)?;
        let merkle = layout.snapshot == Snapshots::Merkle;
        let changed = is_cold || gap > 0;
        let whole = |bytes: &dyn Fn(&Bytes) -> f64| {
            let snapshot = if merkle {
                (reads.needed + 1.0) * bytes(&top.proof)
            } else {
                bytes(&top.snapshot)
            };
            bytes(&top.timestamp)
                + if changed { snapshot } else { 0.0 }
                + reads.top * bytes(&top.targets)
                + reads.bins * bytes(&top.bins)
                + bytes(&leaf)
        };
        // TUF 5.3.3: the next root is asked for first, and is not there.
        let snapshots = match (changed, merkle) {
            (false, _) => 0.0,
            (true, false) => 1.0,
            (true, true) => reads.needed + 1.0,
        };
        let requests = 2.0 + snapshots + reads.top + reads.bins + reads.fetched;
        let round_trips =
            2.0 + snapshots.min(1.0) + reads.top + reads.bins + (reads.fetched / PARALLEL).ceil();
        let transfer = |bytes| Transfer { bytes, requests, round_trips };
        let delta = match merkle {
            true => None,
            false => Some(self.delta_visit(layout, client, reads, top, gap)?),
        };
        let mut cost = ClientCost {
            client: client.name.clone(),
            kind: client.kind,
            plain: transfer(whole(&|bytes| bytes.plain)),
            gzip: transfer(whole(&|bytes| bytes.gzip)),
            delta,
            overhead_percent: 0.0,
        };
        cost.rate(self.activity.scenario.index.average_download_bytes.value);
        Ok(cost)
    }

    /// The roles that a client fetches, below the top-level one.
    fn leaf_reads(
        &self,
        layout: LayoutSpec,
        client: &Client,
        reads: &Reads,
        gap: u64,
    ) -> Result<Bytes, Error> {
        if reads.fetched <= 0.0 {
            return Ok(Bytes::default());
        }
        let end = self.activity.experiment.publishes;
        let (all_pages, all_files) = self.activity.listed(end as f64);
        let roles = self.activity.roles(layout, end as f64);
        let version = self.activity.writes(layout, 0, end).mean_digits_of_version();
        let changes = self.activity.changes(layout, gap as f64);
        let resigned = self.activity.resigns_any(end - gap, end);
        let files_each = self.activity.scenario.paths.files.value.len() as f64;
        let has_pages = f64::from(u8::from(all_pages > 0.0));
        let packages = client.packages.as_ref().map_or(0.0, |packages| packages.value as f64);
        let (pages, files) = match (layout.form.has_bins(), client.kind) {
            // What it looks up is in the bins that it needs, and of the rest each bin has its part.
            (true, ClientKind::Cold) => {
                let share = reads.fetched / roles;
                let looked_up = packages * has_pages;
                (
                    (all_pages - looked_up) * share + looked_up,
                    (all_files - packages) * share + packages,
                )
            }
            (true, ClientKind::Mirror) => self.contents(layout, end, &changes, reads.fetched),
            (true, ClientKind::Returning) => {
                let changed = if resigned { roles } else { changes.roles };
                let (pages, files) = self.contents(layout, end, &changes, changed);
                let share = reads.fetched / changed.max(1e-12);
                // What it looks up is there besides, as far as that is not what changed.
                let found = packages * (reads.fetched / reads.needed.max(1e-12)).min(1.0);
                let still =
                    1.0 - ((changes.pages + changes.added) / (all_pages + all_files)).min(1.0);
                (pages * share + found * has_pages * still, files * share + found * still)
            }
            (false, ClientKind::Cold | ClientKind::Returning) => {
                let releases = match client.kind {
                    ClientKind::Cold => self.activity.releases_of_dependencies(client),
                    _ if resigned => self.activity.releases_of_dependencies(client),
                    _ => self.activity.releases_of_changed_dependencies(client, gap),
                };
                (reads.fetched * has_pages, reads.fetched * releases * files_each)
            }
            (false, ClientKind::Mirror) if resigned => (all_pages, all_files),
            (false, ClientKind::Mirror) => {
                let releases = self.activity.releases_of_changed(gap as f64);
                (reads.fetched * has_pages, reads.fetched * releases * files_each + changes.added)
            }
        };
        self.roles_of(reads.fetched, pages, files, version, self.curve(layout))
    }

    /// The mean of the publishes.
    fn publisher(
        &self,
        layout: LayoutSpec,
        counted: Option<&Counted>,
    ) -> Result<PublisherCost, Error> {
        let Experiment { interval_s, publishes } = self.activity.experiment;
        let n = (publishes as f64).max(1.0);
        let middle = publishes.div_ceil(2);
        let changes = self.activity.changes(layout, 1.0);
        let all = self.activity.roles(layout, middle as f64);
        let resigns = self.activity.writes(layout, 0, publishes).fixed / n;
        let expected = (1.0 - resigns) * changes.roles + resigns * all;
        let mut roles = counted.map_or(expected, |counted| counted.roles_per_publish);
        let version = self.activity.writes(layout, 0, middle).mean_digits_of_version();
        let top = self.top(layout, middle)?;
        let mut metadata = top.timestamp.plain + top.snapshot.plain;
        if layout.form != Form::Flat {
            let (pages, files) = if layout.form.has_bins() {
                // A publish that signs everything again lists everything.
                let touched = counted.map_or(changes.roles, |_| {
                    if resigns < 1.0 { (roles - resigns * all) / (1.0 - resigns) } else { 0.0 }
                });
                let (pages, files) = self.contents(layout, middle, &changes, touched);
                let (all_pages, all_files) = self.activity.listed(middle as f64);
                let mix = |some: f64, every: f64| (1.0 - resigns) * some + resigns * every;
                (mix(pages, all_pages), mix(files, all_files))
            } else {
                let (all_pages, all_files) = self.activity.listed(middle as f64);
                let files_each = self.activity.scenario.paths.files.value.len() as f64;
                let releases = self.activity.releases_of_changed(1.0);
                let files = changes.roles * releases * files_each + changes.added;
                let mix = |some: f64, every: f64| (1.0 - resigns) * some + resigns * every;
                (mix(changes.pages, all_pages), mix(files, all_files))
            };
            metadata += self.roles_of(roles, pages, files, version, self.curve(layout))?.plain;
        }
        if layout.form == Form::BinsPrefixes {
            metadata += resigns * top.bins.plain;
            roles += resigns;
        }
        let writes_top = (self.top_version(layout, publishes) - 1) as f64 / n;
        metadata += writes_top * top.targets.plain;
        roles += writes_top;
        let (delta_files, delta_bytes) = self.publish_deltas(layout, roles)?;
        let per_day = DAY_S as f64 / interval_s as f64;
        let signatures = roles + 2.0;
        Ok(PublisherCost {
            roles,
            metadata_bytes: metadata,
            delta_bytes,
            delta_files,
            signatures,
            cpu_ms: None,
            bytes_per_day: (metadata + delta_bytes) * per_day,
            signatures_per_day: signatures * per_day,
        })
    }
}
