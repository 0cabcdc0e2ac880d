//! What a report shows beside the grid: ladders over gaps, codecs on real publishes, every number of bins, and what a month
//! costs a user under each design.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::cost::Provenance;
use crate::grid::{Event, Grid};
use crate::layout::{Bins, Form, LayoutSpec, Snapshots};
use crate::rates::Rates;
use crate::scenario::Scenario;

mod bins;
mod codecs;
mod ladders;
mod month;

pub use month::{Design, User};

/// All of it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Survey {
    /// What a returning client pays by ladder and gap.
    pub ladders: Vec<LadderCost>,
    /// What each codec makes of a publish.
    pub codecs: Vec<CodecCost>,
    /// What each number of bins costs.
    pub bins: Vec<BinsCost>,
    /// What a month costs a user, by design.
    pub months: Vec<MonthCost>,
    /// What one visit costs after a gap, by bins alone and with deltas.
    pub gaps: Vec<GapCost>,
}

/// A visit of a client that resolves packages, so many publishes behind.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct LadderCost {
    /// Which deltas are kept.
    pub ladder: String,
    /// The layout.
    pub layout: String,
    /// Targets at the start.
    pub targets: u64,
    /// Publishes since the last visit.
    pub gap: u64,
    /// How the cost came to be.
    pub provenance: Provenance,
    /// Bytes and requests of the visit.
    pub bytes: f64,
    /// See `bytes`.
    pub requests: f64,
    /// The same visit by whole files in gzip.
    pub gzip_bytes: f64,
    /// What a publish writes: bytes and files of deltas.
    pub written_bytes: f64,
    /// See `written_bytes`.
    pub written_files: f64,
}

/// One codec on the documents of a kind that a publish changed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CodecCost {
    /// Targets at the start.
    pub targets: u64,
    /// The layout.
    pub layout: String,
    /// `snapshot`, or `bins`: those that changed.
    pub what: String,
    /// The codec's name.
    pub codec: String,
    /// How many documents there are.
    pub documents: u64,
    /// The bytes of all deltas; `None` if it declined one.
    pub bytes: Option<u64>,
    /// Which floor, and what it says.
    pub floor: String,
    /// See `floor`.
    pub floor_bytes: f64,
}

/// So many bins for so many targets. Everything is predicted.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BinsCost {
    /// Targets.
    pub targets: u64,
    /// Bins.
    pub bins: u64,
    /// The mean visit of all clients that take gzip and no deltas.
    pub gzip_bytes: f64,
    /// The mean visit of all clients that take deltas.
    pub delta_bytes: f64,
}

/// What one user pays in a month of thirty days.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct MonthCost {
    /// The design.
    pub design: Design,
    /// Who visits.
    pub user: User,
    /// How many times today's index.
    pub times_today: u64,
    /// Targets.
    pub targets: u64,
    /// Bins, if the design has any.
    pub bins: Option<u64>,
    /// The bytes of the month.
    pub bytes: f64,
    /// Those of them that only the signing of everything again costs.
    pub resign_bytes: f64,
    /// In percent of an average download.
    pub percent: f64,
    /// How the number came to be.
    pub provenance: Provenance,
}

/// One visit after a gap.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct GapCost {
    /// How many times today's index.
    pub times_today: u64,
    /// Time since the last visit.
    pub gap_s: u64,
    /// Bins.
    pub bins: u64,
    /// Whole files in gzip.
    pub gzip_bytes: f64,
    /// With deltas.
    pub delta_bytes: f64,
}

impl GapCost {
    /// What deltas cost in percent of bins alone.
    pub fn percent(&self) -> f64 {
        100.0 * self.delta_bytes / self.gzip_bytes.max(1e-9)
    }
}

/// The layout that all of this is about.
pub(crate) const SUCCINCT: LayoutSpec =
    LayoutSpec { form: Form::BinsSuccinct, bins: Bins::Auto, snapshot: Snapshots::Versions };

/// Prices and measures what a report shows beside a grid. What is replayed is at most as large as the grid's replays.
///
/// # Errors
/// Any of a replay.
pub fn survey(
    scenario: &Scenario,
    rates: &Rates,
    grid: &Grid,
    progress: &(dyn Fn(Event) + Sync),
) -> Result<Survey, Error> {
    let sizes: Vec<u64> = (0..=grid.doublings).map(|doubling| grid.from << doubling).collect();
    let replayed: Vec<u64> = sizes.iter().copied().filter(|size| *size <= grid.replay_to).collect();
    let some = ends(&replayed);
    progress(Event::Start(some.len() as u64 * (1 + ladders::POLICIES.len() as u64)));
    let survey = Survey {
        ladders: ladders::costs(scenario, rates, grid, &some, progress)?,
        codecs: codecs::costs(scenario, rates, grid, &some, progress)?,
        bins: bins::costs(scenario, rates, &sizes, grid.options.ladder)?,
        months: month::costs(scenario, rates, grid.options.ladder)?,
        gaps: month::gaps(scenario, rates, grid.options.ladder)?,
    };
    progress(Event::Finish);
    Ok(survey)
}

/// Every codec on a snapshot of more bins takes minutes, and so does every ladder.
const MOST_TARGETS: u64 = 1_000_000;

/// The smallest size that is replayed, and the largest on which every codec and ladder can be tried.
fn ends(replayed: &[u64]) -> Vec<u64> {
    let small: Vec<u64> = replayed.iter().copied().filter(|size| *size <= MOST_TARGETS).collect();
    let mut sizes: Vec<u64> = small.first().into_iter().chain(small.last()).copied().collect();
    sizes.dedup();
    sizes
}
