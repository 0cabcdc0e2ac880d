//! Costs by closed forms: lengths from the real serialiser, numbers of what happens, and measured rates for what codecs
//! make of it.
//!
//! Works for any size: nothing here is proportional to the number of targets.

use tufold_delta::Ladder;

use crate::Error;
use crate::census::Census;
use crate::cost::{ClientCost, Costs, EgressCost, PublisherCost, StorageCost, Transfer};
use crate::counts::{Counts, DeltaReads, Documents, Listing, Reads, Regrouped, Steps, TopSteps};
use crate::layout::{Form, LayoutSpec, Snapshots};
use crate::math::round;
use crate::rates::{Rates, WholeRates};
use crate::scenario::{Client, DAY_S, Scenario};
use crate::sizes;
use crate::trace::Start;
use crate::workload::{Activity, Experiment};

mod expected;
pub(crate) mod limits;
pub(crate) mod rebin;
mod visits;

/// A scenario under an experiment, ready to price layouts.
pub struct Predictor<'s> {
    pub(crate) activity: Activity<'s>,
    census: Census,
    rates: Rates,
    ladder: Ladder,
}

/// Bytes on the line: as they are, in gzip, in zstd.
#[derive(Clone, Copy, Debug, Default)]
struct Bytes([f64; 3]);

impl Bytes {
    fn plain(self) -> f64 {
        self.0[0]
    }

    fn gzip(self) -> f64 {
        self.0[1]
    }

    fn plus(self, other: Self, times: f64) -> Self {
        Self([0, 1, 2].map(|at| self.0[at] + times * other.0[at]))
    }
}

/// The documents that are the same for each client of a layout.
struct Shared {
    timestamp: Bytes,
    snapshot: Bytes,
    /// The top-level targets role.
    targets: Bytes,
    /// The role `bins`.
    bins: Bytes,
    /// One proof of TAP 16.
    proof: Bytes,
    /// How many roles the snapshot lists.
    listed: f64,
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
        let is_projects = matches!(layout.form, Form::ProjectsListed | Form::ProjectsWildcard);
        if is_projects && self.census.project_role.is_none() {
            let problem = "the pages and files of a project do not share a role".to_owned();
            return Err(Error::Layout { text: layout.to_string(), problem });
        }
        self.price(layout, &self.expected(layout)?)
    }

    /// What a history costs of which this was counted.
    pub(crate) fn price(&self, layout: LayoutSpec, counts: &Counts) -> Result<Costs, Error> {
        let scenario = self.activity.scenario;
        let shared = self.shared(layout, &counts.listing)?;
        let mut clients = Vec::new();
        for (client, reads) in scenario.client.iter().zip(&counts.reads) {
            clients.push(self.client(layout, client, reads, &shared)?);
        }
        let publisher = self.publisher(layout, counts)?;
        let visits = |bytes: &dyn Fn(&ClientCost) -> f64| {
            let pairs = clients.iter().zip(&scenario.client);
            pairs
                .map(|(cost, client)| bytes(cost) * self.activity.visits_per_day(client))
                .sum::<f64>()
        };
        let egress = EgressCost {
            gzip_bytes_per_day: visits(&|cost| cost.gzip.bytes),
            delta_bytes_per_day: visits(&|cost| cost.delta.unwrap_or(cost.gzip).bytes),
        };
        let kept = self.activity.experiment.publishes.min(self.ladder.horizon());
        let storage = StorageCost {
            current_bytes: self.documents(layout, &counts.roles)?.plain()
                + self.documents(layout, &counts.stale)?.plain()
                + shared.timestamp.plain()
                + shared.snapshot.plain()
                + shared.targets.plain()
                + shared.bins.plain(),
            delta_bytes: publisher.delta_bytes * kept as f64,
        };
        let empty = sizes::empty_targets(1, None)? as f64;
        let documents = limits::Documents {
            snapshot: shared.snapshot.plain(),
            targets: shared.targets.plain(),
            bins: shared.bins.plain(),
            leaf: if layout.form == Form::Flat { 0.0 } else { empty + counts.longest },
        };
        let refused = limits::refused(layout, &documents);
        Ok(Costs { clients, publisher, storage, egress, refused })
    }

    fn coded(&self) -> [&WholeRates; 2] {
        [&self.rates.gzip, &self.rates.zstd]
    }

    /// A document of so many bytes, and what codecs make of it.
    fn bytes(&self, plain: f64, coded: impl Fn(&WholeRates) -> f64) -> Bytes {
        let [gzip, zstd] = self.coded().map(coded);
        Bytes([plain, gzip, zstd])
    }

    /// The metadata above the bins, or above the projects' roles.
    fn shared(&self, layout: LayoutSpec, listing: &Listing) -> Result<Shared, Error> {
        let snapshot = self.snapshot(layout, listing)?;
        let mut timestamp = sizes::timestamp(1, 1, round(snapshot.plain()), Some(self.ladder))?
            as f64
            + 2.0 * (listing.own_digits - 1.0);
        let mut proof = Bytes::default();
        if layout.snapshot == Snapshots::Merkle {
            timestamp += sizes::merkle_root() as f64;
            let roles = listing.roles;
            let plain =
                sizes::merkle_proof(listing.name_bytes / roles, listing.digits / roles, roles);
            // Hex digests are half entropy; the rest of a proof is known text.
            proof = self.bytes(plain, |_| plain.min(roles.log2().ceil() * 37.0 + 120.0));
        }
        let bins = if layout.form == Form::BinsPrefixes {
            let (_, plain) = sizes::prefixes_targets(layout.bits(), 1)?;
            let plain = plain as f64 - 1.0 + listing.bins_digits + listing.history_bytes;
            self.bytes(plain, |rates| rates.bins_role(layout.bits()) + listing.history_bytes)
        } else {
            Bytes::default()
        };
        Ok(Shared {
            timestamp: self.bytes(timestamp, |rates| rates.timestamp),
            snapshot,
            targets: self.top(layout, listing)?,
            bins,
            proof,
            listed: listing.roles + listing.stale.roles,
        })
    }

    /// The snapshot: an entry a role, with the digits of its version.
    fn snapshot(&self, layout: LayoutSpec, listing: &Listing) -> Result<Bytes, Error> {
        if layout.snapshot == Snapshots::Merkle {
            return Ok(Bytes::default());
        }
        let has_hashes = layout.snapshot == Snapshots::Hashes;
        let stale = &listing.stale;
        let entries = (listing.roles + stale.roles) * sizes::snapshot_entry(0.0, has_hashes)
            + listing.name_bytes
            + listing.digits
            + listing.length_digits
            + stale.name_bytes
            + stale.digits
            + stale.length_digits;
        // A digit of the version of its own, and the last comma, are not there twice.
        let plain = sizes::empty_snapshot(1)? as f64 - 2.0 + listing.own_digits + entries;
        let mut bytes = self.bytes(plain, |rates| rates.snapshot(layout, listing));
        if listing.zstd_bytes > 0.0 {
            bytes.0[2] = listing.zstd_bytes;
        }
        Ok(bytes)
    }

    /// The top-level targets role, as often as it is there.
    fn top(&self, layout: LayoutSpec, listing: &Listing) -> Result<Bytes, Error> {
        let top = &listing.top;
        let fixed = |bytes: u64, coded: &dyn Fn(&WholeRates) -> f64| {
            let one = self.bytes(bytes as f64, coded);
            Bytes::default().plus(one, top.count)
        };
        Ok(match layout.form {
            Form::Flat => self.documents(layout, &top.flat)?,
            Form::BinsSuccinct => {
                let history = listing.history_bytes;
                let plain = sizes::succinct_targets(layout.bits())? + round(history);
                fixed(plain, &|rates| rates.succinct + history)
            }
            Form::BinsPrefixes => {
                fixed(sizes::prefixes_targets(layout.bits(), 1)?.0, &|rates| rates.prefixes)
            }
            Form::ProjectsListed | Form::ProjectsWildcard => {
                let empty = sizes::listing_targets(1)? as f64 - 2.0;
                let plain = top.count * empty + top.digits + top.delegation_bytes;
                let each = top.delegation_bytes / top.count.max(1e-12);
                self.bytes(plain, |rates| top.count * rates.listing(layout.form, each))
            }
        })
    }

    /// Roles that list targets.
    fn documents(&self, layout: LayoutSpec, documents: &Documents) -> Result<Bytes, Error> {
        let empty = sizes::empty_targets(1, None)? as f64 - 1.0;
        // An entry brings its comma, but the last one has none.
        let plain = documents.count * (empty - 1.0)
            + documents.empty
            + documents.digits
            + documents.entry_bytes;
        Ok(self.bytes(plain, |rates| rates.roles(layout.form, documents)))
    }

    fn client(
        &self,
        layout: LayoutSpec,
        client: &Client,
        reads: &Reads,
        shared: &Shared,
    ) -> Result<ClientCost, Error> {
        let is_merkle = layout.snapshot == Snapshots::Merkle;
        let snapshots =
            if is_merkle { reads.snapshot * (reads.needed + 1.0) } else { reads.snapshot };
        let whole = shared
            .timestamp
            .plus(if is_merkle { shared.proof } else { shared.snapshot }, snapshots)
            .plus(shared.targets, reads.top)
            .plus(shared.bins, reads.bins)
            .plus(self.documents(layout, &reads.roles)?, 1.0);
        // TUF 5.3.3: the next root is asked for first, and is not there.
        let requests = 2.0 + snapshots + reads.top + reads.bins + reads.roles.count;
        let transfer = |bytes| Transfer { bytes, requests, round_trips: reads.round_trips };
        let delta = match is_merkle {
            true => None,
            false => Some(self.by_deltas(layout, &reads.delta, shared)?),
        };
        let [plain, gzip, zstd] = whole.0.map(transfer);
        let mut cost = ClientCost {
            client: client.name.clone(),
            kind: client.kind,
            plain,
            gzip,
            zstd,
            delta,
            overhead_percent: 0.0,
        };
        cost.rate(self.activity.scenario.index.average_download_bytes.value);
        Ok(cost)
    }

    fn by_deltas(
        &self,
        layout: LayoutSpec,
        reads: &DeltaReads,
        shared: &Shared,
    ) -> Result<Transfer, Error> {
        let rates = &self.rates.delta;
        let bytes = shared.timestamp.gzip()
            + rates.snapshot(layout.form, &reads.snapshot)
            + rates.cold_snapshot(&reads.cold_snapshot, shared.listed)
            + self.top_edges(layout, &reads.top, &reads.flat_top)
            + reads.top_whole * shared.targets.gzip()
            + rates.bins_role(&reads.bins)
            + reads.bins_whole * shared.bins.gzip()
            + rates.role(layout.form, &reads.roles)
            + self.documents(layout, &reads.whole)?.gzip()
            + rates.bundle(layout.form, &reads.bundles)
            + self.regrouped(&reads.regrouped);
        Ok(Transfer { bytes, requests: reads.requests, round_trips: reads.round_trips })
    }

    /// What a change of the bins takes beside what is fetched or written whole.
    fn regrouped(&self, regrouped: &Regrouped) -> f64 {
        let rates = &self.rates.rebin;
        regrouped.object_bytes
            + rates.snapshot(&regrouped.snapshot)
            + rates.bundle(&regrouped.bundles)
            + rates.top * regrouped.top
            + rates.bins_role(&regrouped.bins)
    }

    fn top_edges(&self, layout: LayoutSpec, top: &TopSteps, flat: &Steps) -> f64 {
        let rates = &self.rates.delta;
        match layout.form {
            Form::Flat => rates.role(Form::Flat, flat),
            form => rates.listing(form, top),
        }
    }

    /// The mean of the publishes.
    fn publisher(&self, layout: LayoutSpec, counts: &Counts) -> Result<PublisherCost, Error> {
        let interval_s = self.activity.experiment.interval_s;
        let writes = &counts.writes;
        let shared = self.shared(layout, &writes.listing)?;
        let metadata = shared.timestamp.plain()
            + shared.snapshot.plain()
            + shared.targets.plain()
            + writes.bins * shared.bins.plain()
            + self.documents(layout, &writes.roles)?.plain();
        let rates = &self.rates.delta;
        let is_made = layout.snapshot != Snapshots::Merkle;
        let delta_bytes = if is_made {
            rates.snapshot(layout.form, &writes.snapshot)
                + rates.cold_snapshot(&writes.cold_snapshot, shared.listed)
                + self.top_edges(layout, &writes.top, &writes.flat_top)
                + rates.bins_role(&writes.bins_steps)
                + rates.role(layout.form, &writes.steps)
                + rates.bundle(layout.form, &writes.bundles)
                + self.regrouped(&writes.regrouped)
        } else {
            0.0
        };
        let roles = writes.roles.count + writes.listing.top.count + writes.bins;
        let per_day = DAY_S as f64 / interval_s as f64;
        let signatures = roles + 2.0;
        Ok(PublisherCost {
            roles,
            metadata_bytes: metadata,
            delta_bytes,
            delta_files: if is_made { writes.delta_files } else { 0.0 },
            signatures,
            cpu_ms: None,
            bytes_per_day: (metadata + delta_bytes) * per_day,
            signatures_per_day: signatures * per_day,
        })
    }
}
