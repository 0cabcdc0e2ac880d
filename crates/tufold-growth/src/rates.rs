//! What codecs make of what is not fixed: rates that were measured once, with their provenance.
//!
//! They come from other seeds and sizes than the grid that judges the predictor; `tufold grow SCENARIO --measure-rates
//! FILE` measures them.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::math::interpolate;

mod measure;
pub use measure::measure;

/// Measured points of a curve, between which it is straight.
pub type Curve = Vec<(f64, f64)>;

/// The rates of one scenario's paths.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Which sizes and seeds they were measured on, and by what.
    pub provenance: String,
    /// gzip (level 6) of whole documents.
    pub gzip: GzipRates,
    /// Columnar deltas.
    pub delta: DeltaRates,
}

/// Bytes in gzip.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GzipRates {
    /// A timestamp.
    pub timestamp: f64,
    /// The top-level role of succinct bins; of bins by prefixes.
    pub succinct: f64,
    /// See `succinct`.
    pub prefixes: f64,
    /// A bin in the role `bins`, by the number of its prefixes.
    pub bins_role: Curve,
    /// A bin, by the number of its targets.
    pub bin: Curve,
    /// A project's role, by the number of its targets.
    pub project: Curve,
    /// The top-level role of projects by patterns, by their number.
    pub wildcard: Curve,
    /// The top-level role of projects that list every path, by the number of projects.
    pub listed: Curve,
    /// Bytes of a bin in a snapshot of versions, by ln(1 + mean version), for names of three digits.
    pub snapshot3: Curve,
    /// The same for four digits and more.
    pub snapshot4: Curve,
    /// Bytes of a role in a snapshot of versions, length and hashes.
    pub snapshot_hashes: f64,
    /// Bytes of a project in a snapshot of versions; and with hashes.
    pub snapshot_project: f64,
    /// See `snapshot_project`.
    pub snapshot_project_hashes: f64,
}

/// Bytes of deltas: coefficients of what they hold.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DeltaRates {
    /// A role's edge: fixed (signature included), a target added, a page changed, a target removed.
    pub role: Vec<f64>,
    /// The same for a project's role.
    pub project: Vec<f64>,
    /// The top-level role of projects by patterns: fixed, a new project.
    pub wildcard: Vec<f64>,
    /// The top-level role of projects that list every path: fixed, a path more.
    pub listed: Vec<f64>,
    /// A snapshot's edge: fixed (no signature), a byte of entropy of its versions, a new digest, a new project.
    pub snapshot: Vec<f64>,
    /// A snapshot from nothing: fixed (signature included), a byte of entropy, a role's name, a digest.
    pub cold: Vec<f64>,
    /// A bundle: fixed, a role, and then as `role`.
    pub bundle: Vec<f64>,
    /// The same where each project has a role.
    pub project_bundle: Vec<f64>,
}

impl Rates {
    /// Those of a scenario that comes with tufold; else those of `rates`, if that is given.
    pub fn of(scenario: &str) -> Result<Self, Error> {
        let text = measure::stored(scenario).ok_or_else(|| Error::NoRates(scenario.to_owned()))?;
        Self::parse(&format!("rates/{scenario}.toml"), text)
    }

    /// Reads a file of rates.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        toml::from_str(text)
            .map_err(|error| Error::Form { file: file.to_owned(), problem: error.to_string() })
    }

    /// As a file of rates.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }
}

/// The sum of what is there times its rate; never below the fixed part.
pub(crate) fn weigh(rates: &[f64], features: &[f64]) -> f64 {
    let sum = rates.iter().zip(features).map(|(rate, feature)| rate * feature).sum::<f64>();
    sum.max(20.0)
}

/// The features of a change to a role.
pub(crate) fn role_features(added: f64, pages: f64, removed: f64) -> [f64; 4] {
    [1.0, added, pages, removed]
}

impl GzipRates {
    /// The bytes of a bin in a snapshot.
    pub(crate) fn snapshot_bin(&self, digits: u64, mean_version: f64) -> f64 {
        let curve = if digits <= 3 { &self.snapshot3 } else { &self.snapshot4 };
        interpolate(curve, mean_version.max(0.0).ln_1p())
    }
}
