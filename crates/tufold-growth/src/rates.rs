//! What codecs make of what is not fixed: rates that were measured once, with their provenance.
//!
//! They come from other seeds and sizes than the grid that judges the predictor; `tufold grow SCENARIO --measure-rates
//! FILE` measures them.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::counts::{Bundles, Crossing, Documents, Listing, SnapshotSteps, Steps, TopSteps, weigh};
use crate::layout::{Form, LayoutSpec, Snapshots};
use crate::math::interpolate;

mod documents;
mod measure;
mod rebin;
pub use measure::{STEPS, measure};
pub(crate) use rebin::recorded_cpu_ms;

/// Measured points of a curve, between which it is straight.
pub type Curve = Vec<(f64, f64)>;

/// The rates of one scenario's paths.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// Which sizes and seeds they were measured on, and by what.
    pub provenance: String,
    /// gzip (level 6) of whole documents.
    pub gzip: WholeRates,
    /// zstd (level 3) of whole documents.
    pub zstd: WholeRates,
    /// Columnar deltas.
    pub delta: DeltaRates,
    /// Live changes of the bins.
    pub rebin: RebinRates,
}

/// Bytes of whole documents in some coding.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WholeRates {
    /// A timestamp.
    pub timestamp: f64,
    /// The top-level role of succinct bins; of bins by prefixes.
    pub succinct: f64,
    /// See `succinct`.
    pub prefixes: f64,
    /// A bin in the role `bins`, by the bits of its number.
    pub bins_role: Curve,
    /// A bin, by the number of its targets.
    pub bin: Curve,
    /// A project's role, by the number of its targets.
    pub project: Curve,
    /// The top-level role of projects by patterns, by the bytes of its delegations.
    pub wildcard: Curve,
    /// The same with lists of paths.
    pub listed: Curve,
    /// Bytes of a target in those bins, and what a byte more takes.
    pub bin_entry: (f64, f64),
    /// The same in those projects.
    pub project_entry: (f64, f64),
    /// A snapshot of no role.
    pub snapshot: f64,
    /// A bin in a snapshot of versions: for so many bins, by the bits that a version takes.
    pub snapshot_versions: Vec<(f64, Curve)>,
    /// The same in a snapshot of versions, lengths and hashes.
    pub snapshot_hashes: Vec<(f64, Curve)>,
    /// What a bin's length adds to that, by its digits.
    pub snapshot_lengths: Curve,
    /// A project in a snapshot of versions of which all are 1, by the number of projects.
    pub snapshot_project: Curve,
    /// What the versions of projects add to that, by the bits that one takes.
    pub snapshot_project_versions: Curve,
    /// What lengths and hashes add to that.
    pub snapshot_project_hashes: f64,
}

/// Bytes of deltas: coefficients of what they hold.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeltaRates {
    /// A role's edge: fixed (signature included), a target added, a byte of its path, a target changed, one removed, a byte that
    /// tells which, the logarithm of an added target's neighbours, how alone it is, an edge that adds to a short list, and a target
    /// that it adds.
    pub role: Vec<f64>,
    /// The same for a project's role.
    pub project: Vec<f64>,
    /// The edge of `bins`, of which only version and expiry change.
    pub bins_role: f64,
    /// The top-level role of projects by patterns: fixed, a new project, a byte of its name.
    pub wildcard: Vec<f64>,
    /// The top-level role of projects that list every path: as `wildcard`, a path more, a byte of it, a path less, a project whose
    /// list changes, a byte that tells which, and the logarithm of the bytes of new names.
    pub listed: Vec<f64>,
    /// A snapshot's edge: fixed (no signature), a byte of entropy of its versions, a new digest, a new role, a byte of its
    /// name.
    pub snapshot: Vec<f64>,
    /// The same where each project has a role. Which of those change can be told from how often they did, so a byte of entropy takes
    /// less than one.
    pub project_snapshot: Vec<f64>,
    /// A snapshot from nothing: as `snapshot` (signature included), with the bytes of `cold_versions` in the place of entropy.
    pub cold: Vec<f64>,
    /// A role's version in a snapshot from nothing, by the bits of its entropy: it is told from its neighbour's, which takes
    /// up to twice as much.
    pub cold_versions: Curve,
    /// A bundle: fixed, a byte of entropy of versions; then as `role` for what changed up to the byte that tells which, and
    /// as `listed` from a byte of a project's name on.
    pub bundle: Vec<f64>,
    /// The same where each project has a role, by patterns.
    pub wildcard_bundle: Vec<f64>,
    /// The same by lists of paths.
    pub listed_bundle: Vec<f64>,
}

/// A live change of the bins: coefficients of what crosses it. A client's own objects have no rate: their length is exact.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RebinRates {
    /// A snapshot's edge: fixed (no signature), a new bin whose name has as many digits as before, one with a digit more,
    /// a digest, a byte of entropy of the old bins that stay.
    pub snapshot: Vec<f64>,
    /// A bundle: the same, its signatures included; what else changed is as in other bundles.
    pub bundle: Vec<f64>,
    /// An edge of `bins` to twice as many, for each of them, by the bits of their number.
    pub bins_role: Curve,
    /// An edge of the top-level role that delegates to succinct bins.
    pub top: f64,
    /// Which changes were measured.
    pub provenance: String,
}

/// The signature in a snapshot's edge of one step.
const SIGNATURE_BYTES: f64 = 65.0;

impl Rates {
    /// Those of a scenario that comes with tufold; else those of `rates`, if that is given.
    pub fn of(scenario: &str) -> Result<Self, Error> {
        let text = measure::stored(scenario).ok_or_else(|| Error::NoRates(scenario.to_owned()))?;
        Self::parse(&format!("rates/{scenario}.toml"), text)
    }

    /// Reads a file of rates.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let error = |problem: String| Error::Form { file: file.to_owned(), problem };
        let rates: Self = toml::from_str(text).map_err(|e| error(e.to_string()))?;
        let of_deltas = rates.delta.lengths().into_iter().map(|lengths| ("delta", lengths));
        let of_rebins = rates.rebin.lengths().into_iter().map(|lengths| ("rebin", lengths));
        for (table, (name, rates, wanted)) in of_deltas.chain(of_rebins) {
            if rates != wanted {
                return Err(error(format!(
                    "{table}.{name} has {rates} rates and not {wanted}: measure them anew"
                )));
            }
        }
        Ok(rates)
    }

    /// As a file of rates.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }
}

/// Whether each project has a role.
fn is_project(form: Form) -> bool {
    matches!(form, Form::ProjectsListed | Form::ProjectsWildcard)
}

/// What each bin takes in the role `bins`, by the bits of its number.
fn by_bits(curve: &Curve, bits: f64) -> f64 {
    let longest = curve.last().map_or(0.0, |point| point.0);
    // Beyond what was measured a name has a digit more each four bits, and prefixes have their turn again.
    let turns = ((bits - longest) / 4.0).ceil().max(0.0);
    interpolate(curve, bits - 4.0 * turns)
}

impl WholeRates {
    /// The role `bins`.
    pub(crate) fn bins_role(&self, bits: u32) -> f64 {
        f64::from(bits).exp2() * by_bits(&self.bins_role, f64::from(bits))
    }

    /// Roles that list targets.
    pub(crate) fn roles(&self, form: Form, documents: &Documents) -> f64 {
        let (curve, (entry_bytes, slope)) = match is_project(form) {
            true => (&self.project, self.project_entry),
            false => (&self.bin, self.bin_entry),
        };
        let each = |&(entries, count): &(f64, f64)| count * interpolate(curve, entries);
        let entries: f64 = documents.spread.0.iter().map(|(entries, n)| entries * n).sum();
        documents.spread.0.iter().map(each).sum::<f64>()
            + slope * (documents.entry_bytes - entry_bytes * entries)
    }

    /// The top-level role with so many bytes of delegations to projects.
    pub(crate) fn listing(&self, form: Form, delegation_bytes: f64) -> f64 {
        let curve = if form == Form::ProjectsListed { &self.listed } else { &self.wildcard };
        interpolate(curve, delegation_bytes).max(0.0)
    }

    /// A snapshot. Roles that are no longer delegated stand apart from the others, by their names.
    pub(crate) fn snapshot(&self, layout: LayoutSpec, listing: &Listing) -> f64 {
        let stale = &listing.stale;
        let of = |roles: f64, entropy: f64, length_digits: f64| {
            let lengths = match layout.snapshot {
                Snapshots::Hashes if layout.form.has_bins() => {
                    self.lengths(length_digits / roles.max(1.0))
                }
                _ => 0.0,
            };
            self.listed_roles(layout, roles, entropy) + roles * lengths
        };
        let held = of(listing.roles, listing.entropy, listing.length_digits);
        self.snapshot
            + held
            + if stale.roles > 0.0 {
                of(stale.roles, stale.entropy, stale.length_digits)
            } else {
                0.0
            }
    }

    /// What a length of so many digits adds to what the curves of hashes say.
    fn lengths(&self, digits: f64) -> f64 {
        let (first, last) = (self.snapshot_lengths.first(), self.snapshot_lengths.last());
        let Some((first, last)) = first.zip(last) else { return 0.0 };
        interpolate(&self.snapshot_lengths, digits.clamp(first.0, last.0))
    }

    /// What roles add to a snapshot, by the entropy of their versions.
    fn listed_roles(&self, layout: LayoutSpec, roles: f64, entropy: f64) -> f64 {
        let roles = roles.max(1.0);
        let bits = 8.0 * entropy / roles;
        let has_hashes = layout.snapshot == Snapshots::Hashes;
        let each = match layout.form {
            Form::ProjectsListed | Form::ProjectsWildcard => {
                let hashes = if has_hashes { self.snapshot_project_hashes } else { 0.0 };
                // Beyond what was measured a project takes what it takes there.
                let most = self.snapshot_project.last().map_or(0.0, |point| point.0);
                interpolate(&self.snapshot_project, roles.min(most))
                    + interpolate(&self.snapshot_project_versions, bits)
                    + hashes
            }
            _ => {
                let curves =
                    if has_hashes { &self.snapshot_hashes } else { &self.snapshot_versions };
                let at = |(bins, curve): &(f64, Curve)| (bins.log2(), interpolate(curve, bits));
                let by_bins: Curve = curves.iter().map(at).collect();
                // Beyond the last, a bin takes what it takes there.
                let most = by_bins.last().map_or(0.0, |point| point.0);
                interpolate(&by_bins, roles.log2().min(most))
            }
        };
        roles * each
    }
}

/// What the rates of a snapshot from nothing are rates of.
fn cold_features(versions: &Curve, steps: &SnapshotSteps, roles: f64) -> Vec<f64> {
    let mut features = steps.features();
    let all = steps.count * roles;
    if all > 0.0 {
        features[1] = all * interpolate(versions, 8.0 * steps.entropy / all);
    }
    features
}

impl RebinRates {
    fn lengths(&self) -> [(&'static str, usize, usize); 2] {
        let crossing = Crossing::default().features().len();
        [("snapshot", self.snapshot.len(), crossing), ("bundle", self.bundle.len(), crossing)]
    }

    pub(crate) fn snapshot(&self, crossing: &Crossing) -> f64 {
        weigh(&self.snapshot, &crossing.features()) + SIGNATURE_BYTES * crossing.signed
    }

    pub(crate) fn bundle(&self, crossing: &Crossing) -> f64 {
        weigh(&self.bundle, &crossing.features())
    }
}

impl DeltaRates {
    /// How many rates each kind of delta has, and how many it needs. Where projects have no roles there are none of them.
    fn lengths(&self) -> Vec<(&'static str, usize, usize)> {
        let [role, top, snapshot, bundle] = [
            Steps::default().features().len(),
            TopSteps::default().features().len(),
            SnapshotSteps::default().features().len(),
            Bundles::default().features().len(),
        ];
        let has_projects = !self.project.is_empty();
        let of_projects = |wanted: usize| if has_projects { wanted } else { 0 };
        vec![
            ("role", self.role.len(), role),
            ("snapshot", self.snapshot.len(), snapshot),
            ("cold", self.cold.len(), snapshot),
            ("bundle", self.bundle.len(), bundle),
            ("project", self.project.len(), of_projects(role)),
            ("project_snapshot", self.project_snapshot.len(), of_projects(snapshot)),
            ("wildcard", self.wildcard.len(), of_projects(top)),
            ("listed", self.listed.len(), of_projects(top)),
            ("wildcard_bundle", self.wildcard_bundle.len(), of_projects(bundle)),
            ("listed_bundle", self.listed_bundle.len(), of_projects(bundle)),
        ]
    }

    pub(crate) fn role(&self, form: Form, steps: &Steps) -> f64 {
        weigh(if is_project(form) { &self.project } else { &self.role }, &steps.features())
    }

    pub(crate) fn bins_role(&self, steps: &Steps) -> f64 {
        self.bins_role * steps.count
    }

    pub(crate) fn listing(&self, form: Form, steps: &TopSteps) -> f64 {
        let rates = if form == Form::ProjectsListed { &self.listed } else { &self.wildcard };
        weigh(rates, &steps.features())
    }

    pub(crate) fn snapshot(&self, form: Form, steps: &SnapshotSteps) -> f64 {
        let rates = if is_project(form) { &self.project_snapshot } else { &self.snapshot };
        weigh(rates, &steps.features()) + SIGNATURE_BYTES * steps.signed
    }

    /// Snapshots from nothing that list so many roles each.
    pub(crate) fn cold_snapshot(&self, steps: &SnapshotSteps, roles: f64) -> f64 {
        weigh(&self.cold, &cold_features(&self.cold_versions, steps, roles))
    }

    pub(crate) fn bundle(&self, form: Form, bundles: &Bundles) -> f64 {
        let rates = match form {
            Form::ProjectsListed => &self.listed_bundle,
            Form::ProjectsWildcard => &self.wildcard_bundle,
            Form::Flat | Form::BinsPrefixes | Form::BinsSuccinct => &self.bundle,
        };
        weigh(rates, &bundles.features())
    }
}

#[cfg(test)]
mod tests {
    use tufold_delta::Ladder;

    use super::*;
    use crate::ledger::Ledger;
    use crate::scenario::Scenario;
    use crate::trace::{Synthetic, Trace};

    /// What rates make of a snapshot, beside the mean of histories of other seeds: zstd makes up to a fifth more or less of the
    /// same versions in another order, so a history's own snapshot is compressed and not rated.
    fn check_zstd_of_snapshots(layout: &str, targets: u64) {
        let scenario = Scenario::load("pypi-today").unwrap().scaled(targets);
        let rates = Rates::of("pypi-today").unwrap().zstd;
        let layout: LayoutSpec = layout.parse().unwrap();
        let (mut measured, mut rated) = (0.0, 0.0);
        for seed in 1..=6 {
            let mut trace = Synthetic::new(&scenario, seed);
            let made = layout.to_layout().unwrap();
            let mut ledger = Ledger::new(made, Ladder::default(), trace.start().rows()).unwrap();
            for _ in 0..30 {
                ledger.publish(&trace.publish().unwrap().unwrap(), false).unwrap();
            }
            let listing = ledger.counts().unwrap().listing;
            measured += listing.zstd_bytes;
            rated += rates.snapshot(layout, &listing);
        }
        let percent = 100.0 * (rated / measured - 1.0);
        assert!(percent.abs() < 8.0, "{layout}, {targets} targets: {percent} %");
    }

    #[test]
    fn zstd_of_snapshots_is_that_of_histories_on_average() {
        check_zstd_of_snapshots("bins-succinct:4096", 31_250);
        check_zstd_of_snapshots("bins-succinct:4096", 125_000);
        check_zstd_of_snapshots("bins-prefixes:16384", 125_000);
    }
}
